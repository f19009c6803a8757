//! The modulus hash exchange: the hash of the routing key, modulo the number of bindings, is the binding to take. Binding
//! keys mean nothing; a target that is bound twice gets twice as much. The order of the bindings is that of their targets'
//! names, so that keys stay where they are over a restart; another number of bindings moves nearly all of them, which is what
//! the consistent hash exchange is for.

use std::hash::Hash;

use crate::wire::FieldTable;

use super::bound::Bound;
use super::stable::{Stable, hash};
use super::{Depends, Envelope, ExchangeKind, Matcher};

/// Matcher of the modulus hash exchange.
#[derive(Debug)]
pub struct ModulusHash<T>(Bound<T>);

impl<T> ExchangeKind for ModulusHash<T> {}

impl<T> Default for ModulusHash<T> {
    fn default() -> Self {
        Self(Bound::default())
    }
}

impl<T: Clone + Eq + Hash + Stable + Send + Sync> Matcher<T> for ModulusHash<T> {
    fn bind(&mut self, _key: &[u8], _arguments: &FieldTable, target: T) {
        self.0.add(target);
    }

    fn unbind(&mut self, _key: &[u8], _arguments: &FieldTable, target: &T) {
        self.0.remove(target);
    }

    fn route(&self, message: &Envelope<'_>, targets: &mut Vec<T>) {
        if message.first {
            self.0.pick(hash(message.routing_key), targets);
        }
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
    fn a_key_has_one_target_and_a_target_a_share_for_each_of_its_bindings() {
        let none = FieldTable::default();
        let mut matcher = ModulusHash::default();
        assert!(routed(&matcher, b"k").is_empty());
        for (key, target) in [("", 1u8), ("any", 2), ("other", 2)] {
            matcher.bind(key.as_bytes(), &none, target);
        }
        let mut counts = [0; 3];
        for key in 0..3000 {
            let key = format!("key {key}");
            let found = routed(&matcher, key.as_bytes());
            assert_eq!(found.len(), 1);
            assert_eq!(routed(&matcher, key.as_bytes()), found);
            counts[usize::from(found[0])] += 1;
        }
        assert!((900..1100).contains(&counts[1]), "{counts:?}");
        matcher.unbind(b"other", &none, &2);
        matcher.unbind(b"", &none, &1);
        assert_eq!(routed(&matcher, b"k"), [2]);
    }

    #[test]
    fn the_order_of_binding_does_not_matter() {
        let none = FieldTable::default();
        let (mut up, mut down) = (ModulusHash::default(), ModulusHash::default());
        for target in 0..20u8 {
            up.bind(b"", &none, target);
            down.bind(b"", &none, 19 - target);
        }
        for key in 0..200u8 {
            assert_eq!(routed(&up, &[key]), routed(&down, &[key]));
        }
    }
}
