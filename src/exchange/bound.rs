//! Targets with an entry for each binding, in an order that depends on their names alone. Used by the kinds that pick one.

use super::stable::Stable;

/// See the module.
#[derive(Debug)]
pub(super) struct Bound<T>(Vec<(u64, T)>);

impl<T> Default for Bound<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T: Clone + Eq + Stable> Bound<T> {
    /// One more binding to `target`.
    pub(super) fn add(&mut self, target: T) {
        let number = target.stable();
        let at = self.0.partition_point(|(known, _)| *known <= number);
        self.0.insert(at, (number, target));
    }

    /// One binding to `target` less; nothing happens when there is none.
    pub(super) fn remove(&mut self, target: &T) {
        let number = target.stable();
        let from = self.0.partition_point(|(known, _)| *known < number);
        let found = self.0[from..]
            .iter()
            .take_while(|(known, _)| *known == number)
            .position(|(_, known)| known == target);
        if let Some(at) = found {
            self.0.remove(from + at);
        }
    }

    /// Appends the target that a number, any number, stands for.
    pub(super) fn pick(&self, number: u64, out: &mut Vec<T>) {
        if let Some(place) = number.checked_rem(self.0.len() as u64) {
            out.push(self.0[place as usize].1.clone());
        }
    }
}
