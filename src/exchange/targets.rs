//! What one binding key leads to: each target once, with how many bindings lead there. Used by the kinds that route by
//! key; few targets are searched in place, many through an index, so that the ten-thousandth queue binds and unbinds as
//! fast as the first.

use std::collections::HashMap;
use std::hash::Hash;

use smallvec::SmallVec;

/// Up to here a search through the list is faster than an index.
const SEARCHED_IN_PLACE: usize = 16;

/// Targets in no particular order, counted.
#[derive(Debug)]
pub(super) struct Targets<T> {
    list: SmallVec<[(T, u32); 1]>,
    /// Present once the list was long; apart, since most lists never are.
    places: Option<Box<Places<T>>>,
}

/// Place of each target in the list.
#[derive(Debug)]
struct Places<T>(HashMap<T, u32, ahash::RandomState>);

impl<T> Default for Targets<T> {
    fn default() -> Self {
        Self {
            list: SmallVec::new(),
            places: None,
        }
    }
}

impl<T: Clone + Eq + Hash> Targets<T> {
    /// One more binding to `target`.
    pub(super) fn add(&mut self, target: T) {
        if let Some(place) = self.place(&target) {
            self.list[place].1 += 1;
            return;
        }
        if let Some(places) = &mut self.places {
            places.0.insert(target.clone(), self.list.len() as u32);
        } else if self.list.len() == SEARCHED_IN_PLACE {
            let mut places = HashMap::with_hasher(ahash::RandomState::new());
            let known = self.list.iter().map(|(known, _)| known.clone());
            places.extend(known.chain([target.clone()]).zip(0..));
            self.places = Some(Box::new(Places(places)));
        }
        self.list.push((target, 1));
    }

    /// One binding to `target` less; nothing happens when there is none.
    pub(super) fn remove(&mut self, target: &T) {
        let Some(place) = self.place(target) else {
            return;
        };
        let (_, bindings) = &mut self.list[place];
        *bindings -= 1;
        if *bindings > 0 {
            return;
        }
        self.list.swap_remove(place);
        if let Some(places) = &mut self.places {
            places.0.remove(target);
            if let Some((moved, _)) = self.list.get(place) {
                places.0.insert(moved.clone(), place as u32);
            }
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// Appends each target once.
    #[inline]
    pub(super) fn copy_to(&self, out: &mut Vec<T>) {
        out.extend(self.list.iter().map(|(target, _)| target.clone()));
    }

    fn place(&self, target: &T) -> Option<usize> {
        match &self.places {
            Some(places) => places.0.get(target).map(|&place| place as usize),
            None => self.list.iter().position(|(known, _)| known == target),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    proptest! {
        #[test]
        fn targets_count_as_a_map_of_counts_does(steps in prop::collection::vec((any::<bool>(), 0u8..40), 0..400)) {
            let mut targets = Targets::default();
            let mut model: BTreeMap<u8, u32> = BTreeMap::new();
            for (add, target) in steps {
                if add {
                    targets.add(target);
                    *model.entry(target).or_default() += 1;
                } else {
                    targets.remove(&target);
                    if let Some(count) = model.get_mut(&target) {
                        *count -= 1;
                        if *count == 0 {
                            model.remove(&target);
                        }
                    }
                }
                let mut found = Vec::new();
                targets.copy_to(&mut found);
                found.sort_unstable();
                prop_assert_eq!(found, model.keys().copied().collect::<Vec<_>>());
                prop_assert_eq!(targets.is_empty(), model.is_empty());
            }
        }
    }
}
