//! The recent history exchange: a fanout whose last messages a queue gets when it is bound. Here is what it takes to be
//! one; the messages are kept by the broker.

use std::hash::Hash;

use crate::wire::properties::Properties;
use crate::wire::reply::Reply;
use crate::wire::table::{Value, integer};
use crate::wire::{FieldTable, erlang};

use super::fanout::Fanout;
use super::{Depends, Envelope, ExchangeKind, Matcher};

const LENGTH: &str = "x-recent-history-length";
const LENGTH_DEFAULT: usize = 20;

/// How many messages an exchange with these arguments keeps.
pub fn history_length(arguments: &FieldTable) -> usize {
    arguments
        .inner()
        .get(LENGTH)
        .and_then(integer)
        .map_or(LENGTH_DEFAULT, |length| {
            usize::try_from(length).unwrap_or(LENGTH_DEFAULT)
        })
}

/// Whether a message is to be kept: its publisher may ask for the contrary.
pub fn wants_history(properties: Properties<'_>) -> bool {
    properties.header(b"x-recent-history-no-store") != Some(Value::Bool(true))
}

/// Matcher of the recent history exchange.
#[derive(Debug)]
pub struct RecentHistory<T>(Fanout<T>);

impl<T> ExchangeKind for RecentHistory<T> {
    fn check_declare(arguments: &FieldTable) -> Result<(), Reply> {
        match arguments.inner().get(LENGTH) {
            None => Ok(()),
            Some(value) if integer(value).is_some_and(|length| length > 0) => Ok(()),
            Some(value) => {
                let printed = erlang::term(value);
                let text =
                    format!("Invalid argument {printed}, '{LENGTH}' must be a positive integer");
                Err(Reply::precondition_failed(&text).at(40, 10))
            }
        }
    }
}

impl<T> Default for RecentHistory<T> {
    fn default() -> Self {
        Self(Fanout::default())
    }
}

impl<T: Clone + Eq + Hash + Send + Sync> Matcher<T> for RecentHistory<T> {
    fn bind(&mut self, key: &[u8], arguments: &FieldTable, target: T) {
        self.0.bind(key, arguments, target);
    }

    fn unbind(&mut self, key: &[u8], arguments: &FieldTable, target: &T) {
        self.0.unbind(key, arguments, target);
    }

    fn route(&self, message: &Envelope<'_>, targets: &mut Vec<T>) {
        self.0.route(message, targets);
    }

    /// The key would do for the route, but who does not ask this exchange leaves the message out of its history.
    fn depends(&self) -> Depends {
        Depends::Message
    }
}
