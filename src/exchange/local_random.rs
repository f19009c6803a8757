//! The local random exchange (RabbitMQ 4): as the random exchange, among the queues of this node, which are all there are.
//! Binding keys must be empty.

use std::hash::Hash;

use crate::wire::FieldTable;
use crate::wire::reply::Reply;

use super::random::Random;
use super::stable::Stable;
use super::{Depends, Envelope, ExchangeKind, Matcher};

/// Matcher of the local random exchange.
#[derive(Debug)]
pub struct LocalRandom<T>(Random<T>);

impl<T> ExchangeKind for LocalRandom<T> {
    fn check_binding(key: &[u8], _arguments: &FieldTable) -> Result<(), Reply> {
        if key.is_empty() {
            Ok(())
        } else {
            let key = String::from_utf8_lossy(key);
            let text = format!("Non empty binding '{key}' key not permitted");
            Err(Reply::precondition_failed(&text))
        }
    }
}

impl<T> Default for LocalRandom<T> {
    fn default() -> Self {
        Self(Random::default())
    }
}

impl<T: Clone + Eq + Hash + Stable + Send + Sync> Matcher<T> for LocalRandom<T> {
    fn bind(&mut self, key: &[u8], arguments: &FieldTable, target: T) {
        self.0.bind(key, arguments, target);
    }

    fn unbind(&mut self, key: &[u8], arguments: &FieldTable, target: &T) {
        self.0.unbind(key, arguments, target);
    }

    fn route(&self, message: &Envelope<'_>, targets: &mut Vec<T>) {
        self.0.route(message, targets);
    }

    fn depends(&self) -> Depends {
        self.0.depends()
    }
}
