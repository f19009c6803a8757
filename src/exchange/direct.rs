//! The direct exchange: a message goes where its routing key is bound, byte for byte.

use std::collections::HashMap;
use std::hash::Hash;

use crate::wire::FieldTable;

use super::targets::Targets;
use super::{Depends, Envelope, ExchangeKind, Matcher};

/// Matcher of the direct exchange.
#[derive(Debug)]
pub struct Direct<T> {
    by_key: HashMap<Box<[u8]>, Targets<T>, ahash::RandomState>,
}

impl<T> ExchangeKind for Direct<T> {}

impl<T> Default for Direct<T> {
    fn default() -> Self {
        Self {
            by_key: HashMap::with_hasher(ahash::RandomState::new()),
        }
    }
}

impl<T: Clone + Eq + Hash + Send + Sync> Matcher<T> for Direct<T> {
    fn bind(&mut self, key: &[u8], _arguments: &FieldTable, target: T) {
        match self.by_key.get_mut(key) {
            Some(targets) => targets.add(target),
            None => self.by_key.entry(key.into()).or_default().add(target),
        }
    }

    fn unbind(&mut self, key: &[u8], _arguments: &FieldTable, target: &T) {
        if let Some(targets) = self.by_key.get_mut(key) {
            targets.remove(target);
            if targets.is_empty() {
                self.by_key.remove(key);
            }
        }
    }

    #[inline]
    fn route(&self, message: &Envelope<'_>, targets: &mut Vec<T>) {
        if let Some(bound) = self.by_key.get(message.routing_key) {
            bound.copy_to(targets);
        }
    }

    fn depends(&self) -> Depends {
        Depends::RoutingKey
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{arguments, routed};
    use super::*;

    #[test]
    fn only_the_exact_key_matches() {
        let none = FieldTable::default();
        let mut direct = Direct::default();
        direct.bind(b"a", &none, 1);
        direct.bind(b"a", &none, 2);
        direct.bind(b"", &none, 3);
        assert_eq!(routed(&direct, b"a"), [1, 2]);
        assert_eq!(routed(&direct, b""), [3]);
        assert!(routed(&direct, b"A").is_empty());
        assert!(routed(&direct, b"a.").is_empty());
    }

    #[test]
    fn a_target_bound_twice_stays_until_both_bindings_are_gone() {
        let (none, other) = (FieldTable::default(), arguments(&[("k", "v")]));
        let mut direct = Direct::default();
        direct.bind(b"a", &none, 1);
        direct.bind(b"a", &other, 1);
        assert_eq!(routed(&direct, b"a"), [1]);
        direct.unbind(b"a", &none, &1);
        assert_eq!(routed(&direct, b"a"), [1]);
        direct.unbind(b"a", &other, &1);
        assert!(routed(&direct, b"a").is_empty());
        assert!(direct.by_key.is_empty(), "nothing stays of an unbound key");
    }

    #[test]
    fn unbinding_what_was_never_bound_changes_nothing() {
        let none = FieldTable::default();
        let mut direct = Direct::default();
        direct.bind(b"a", &none, 1);
        direct.unbind(b"b", &none, &1);
        direct.unbind(b"a", &none, &2);
        assert_eq!(routed(&direct, b"a"), [1]);
    }
}
