//! The fanout exchange: every message goes to every target, whatever its key.

use std::hash::Hash;

use crate::wire::FieldTable;

use super::targets::Targets;
use super::{Depends, Envelope, ExchangeKind, Matcher};

/// Matcher of the fanout exchange.
#[derive(Debug)]
pub struct Fanout<T> {
    targets: Targets<T>,
}

impl<T> ExchangeKind for Fanout<T> {}

impl<T> Default for Fanout<T> {
    fn default() -> Self {
        Self {
            targets: Targets::default(),
        }
    }
}

impl<T: Clone + Eq + Hash + Send + Sync> Matcher<T> for Fanout<T> {
    fn bind(&mut self, _key: &[u8], _arguments: &FieldTable, target: T) {
        self.targets.add(target);
    }

    fn unbind(&mut self, _key: &[u8], _arguments: &FieldTable, target: &T) {
        self.targets.remove(target);
    }

    #[inline]
    fn route(&self, _message: &Envelope<'_>, targets: &mut Vec<T>) {
        self.targets.copy_to(targets);
    }

    fn depends(&self) -> Depends {
        Depends::RoutingKey
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::routed;
    use super::*;

    #[test]
    fn every_target_gets_every_message_once() {
        let none = FieldTable::default();
        let mut fanout = Fanout::default();
        for key in [b"a", b"b"] {
            fanout.bind(key, &none, 1);
        }
        fanout.bind(b"", &none, 2);
        assert_eq!(routed(&fanout, b"anything"), [1, 2]);
        fanout.unbind(b"a", &none, &1);
        assert_eq!(routed(&fanout, b""), [1, 2]);
        fanout.unbind(b"b", &none, &1);
        assert_eq!(routed(&fanout, b""), [2]);
    }
}
