//! How often messages came back, as ranges of sequence numbers with the same count: a consumer that goes gives back all it had at
//! once, and that is one entry.

use std::collections::BTreeMap;
use std::ops::Range;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Returns {
    /// Start to end and count; ranges neither overlap nor, with the same count, touch.
    ranges: BTreeMap<u64, (u64, u32)>,
}

impl Returns {
    pub fn is_empty(&self) -> bool {
        self.ranges.is_empty()
    }

    pub fn len(&self) -> usize {
        self.ranges.len()
    }

    pub fn get(&self, sequence: u64) -> u32 {
        match self.ranges.range(..=sequence).next_back() {
            Some((_, (end, count))) if sequence < *end => *count,
            _ => 0,
        }
    }

    pub fn iter(&self) -> impl Iterator<Item = (Range<u64>, u32)> {
        self.ranges
            .iter()
            .map(|(start, (end, count))| (*start..*end, *count))
    }

    /// Adds a range behind all that are there; false when it is not.
    pub fn push(&mut self, range: Range<u64>, count: u32) -> bool {
        let behind = self
            .ranges
            .last_key_value()
            .is_none_or(|(_, (end, _))| *end <= range.start);
        if !behind || range.is_empty() {
            return false;
        }
        self.ranges.insert(range.start, (range.end, count));
        true
    }

    /// All of a range came back once more.
    pub fn add(&mut self, range: Range<u64>) {
        if range.is_empty() {
            return;
        }
        self.split(range.start);
        self.split(range.end);
        let mut gaps = Vec::new();
        let mut next = range.start;
        for (start, (end, count)) in self.ranges.range_mut(range.clone()) {
            *count = count.saturating_add(1);
            if next < *start {
                gaps.push((next, *start));
            }
            next = *end;
        }
        if next < range.end {
            gaps.push((next, range.end));
        }
        let mut seams: Vec<u64> = vec![range.start, range.end];
        for (start, end) in gaps {
            self.ranges.insert(start, (end, 1));
            seams.extend([start, end]);
        }
        for seam in seams {
            self.join(seam);
        }
    }

    /// A range is settled.
    pub fn remove(&mut self, range: Range<u64>) {
        if self.ranges.is_empty() || range.is_empty() {
            return;
        }
        self.split(range.start);
        self.split(range.end);
        while let Some((start, _)) = self.ranges.range(range.clone()).next() {
            let start = *start;
            self.ranges.remove(&start);
        }
    }

    /// Makes a range begin at `at` if one has it inside.
    fn split(&mut self, at: u64) {
        if let Some((_, (end, count))) = self.ranges.range_mut(..at).next_back()
            && at < *end
        {
            let behind = (*end, *count);
            *end = at;
            self.ranges.insert(at, behind);
        }
    }

    /// Makes one of two ranges with the same count that meet at `at`.
    fn join(&mut self, at: u64) {
        let Some((end, count)) = self.ranges.get(&at).copied() else {
            return;
        };
        if let Some((_, before)) = self.ranges.range_mut(..at).next_back()
            && *before == (at, count)
        {
            before.0 = end;
            self.ranges.remove(&at);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn ranges_are_a_map_of_counts(steps in prop::collection::vec((0u8..3, 0u64..60, 0u64..20), 1..60)) {
            let mut ranges = Returns::default();
            let mut model = [0u32; 100];
            for (step, start, length) in steps {
                let range = start..start + length;
                let part = &mut model[start as usize..(start + length) as usize];
                if step == 0 {
                    ranges.remove(range);
                    part.fill(0);
                } else {
                    ranges.add(range);
                    part.iter_mut().for_each(|count| *count += 1);
                }
                for (sequence, count) in model.iter().enumerate() {
                    prop_assert_eq!(ranges.get(sequence as u64), *count);
                }
                // No more ranges than there are changes of the count.
                let mut changes = model.to_vec();
                changes.dedup();
                prop_assert!(ranges.len() <= changes.len());
                let mut before = 0..0;
                for (range, _) in ranges.iter() {
                    prop_assert!(before.end <= range.start && !range.is_empty());
                    before = range;
                }
            }
        }
    }
}
