//! The random exchange: each message goes to one of the targets, by chance. Binding keys mean nothing; a target that is bound
//! twice gets twice as much.

use std::hash::Hash;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::wire::FieldTable;

use super::bound::Bound;
use super::stable::{Stable, spread};
use super::{Depends, Envelope, ExchangeKind, Matcher};

/// Matcher of the random exchange.
#[derive(Debug)]
pub struct Random<T> {
    bound: Bound<T>,
    /// Steps through all numbers from a seed: what is made of them is random enough to share work by.
    next: AtomicU64,
}

impl<T> ExchangeKind for Random<T> {}

impl<T> Default for Random<T> {
    fn default() -> Self {
        Self {
            bound: Bound::default(),
            next: AtomicU64::new(ahash::RandomState::new().hash_one(0)),
        }
    }
}

impl<T: Clone + Eq + Hash + Stable + Send + Sync> Matcher<T> for Random<T> {
    fn bind(&mut self, _key: &[u8], _arguments: &FieldTable, target: T) {
        self.bound.add(target);
    }

    fn unbind(&mut self, _key: &[u8], _arguments: &FieldTable, target: &T) {
        self.bound.remove(target);
    }

    fn route(&self, message: &Envelope<'_>, targets: &mut Vec<T>) {
        if message.first {
            let next = self
                .next
                .fetch_add(0x9e37_79b9_7f4a_7c15, Ordering::Relaxed);
            self.bound.pick(spread(next), targets);
        }
    }

    fn depends(&self) -> Depends {
        Depends::Chance
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::routed;
    use super::*;

    #[test]
    fn every_message_goes_to_one_target_and_every_target_gets_its_share() {
        let none = FieldTable::default();
        let mut matcher = Random::default();
        assert!(routed(&matcher, b"k").is_empty());
        for target in 0..4u8 {
            matcher.bind(b"", &none, target);
        }
        let mut counts = [0; 4];
        for _ in 0..4000 {
            let found = routed(&matcher, b"k");
            assert_eq!(found.len(), 1);
            counts[usize::from(found[0])] += 1;
        }
        assert!(
            counts.iter().all(|count| (850..1150).contains(count)),
            "{counts:?}"
        );
    }
}
