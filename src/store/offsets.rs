//! How far a group of consumers has come in a stream: every message below the floor is done with, and so are some above it.
//!
//! The same struct serves under the queue's lock, in replay and in checkpoints. What is done above the floor are ranges; there
//! are no more of them than deliveries were out at once. Knows no queue and does no I/O.

use std::collections::BTreeMap;
use std::ops::Range;

use super::varint::{put, take};

/// Messages that come back at once at most.
const RETURNED_MAX: u64 = 1 << 24;

/// See the module.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Offsets {
    floor: u64,
    /// Ranges above the floor that are done with, start to end; they neither touch nor overlap, nor touch the floor.
    done: BTreeMap<u64, u64>,
    /// How often messages that are not done with have come back.
    returned: BTreeMap<u64, u32>,
    /// What the group was made with; bytes that only the queue reads.
    terms: Vec<u8>,
}

/// What became of a group. In the journal behind the stream's id and the group's name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// It begins at this offset, with these terms; so does one that is there already.
    Begin {
        /// Its first offset.
        floor: u64,
        /// See [`Offsets::terms`].
        terms: Vec<u8>,
    },
    /// Messages are done with.
    Done(Vec<Range<u64>>),
    /// Messages came back.
    Returned(Vec<Range<u64>>),
    /// It has other terms.
    Terms(Vec<u8>),
    /// It is deleted.
    End,
}

impl Offsets {
    /// A group that begins at an offset.
    pub fn new(floor: u64, terms: Vec<u8>) -> Self {
        Self {
            floor,
            terms,
            ..Self::default()
        }
    }

    /// Everything below it is done with; it is not itself.
    pub fn floor(&self) -> u64 {
        self.floor
    }

    /// What the group was made with.
    pub fn terms(&self) -> &[u8] {
        &self.terms
    }

    /// Other terms.
    pub fn set_terms(&mut self, terms: Vec<u8>) {
        self.terms = terms;
    }

    /// Whether a message is done with.
    pub fn is_done(&self, offset: u64) -> bool {
        offset < self.floor || self.range_at(offset).is_some()
    }

    fn range_at(&self, offset: u64) -> Option<(u64, u64)> {
        let (start, end) = self.done.range(..=offset).next_back()?;
        (*end > offset).then_some((*start, *end))
    }

    /// The first offset from `from` on that is not done with.
    pub fn next_open(&self, from: u64) -> u64 {
        let from = from.max(self.floor);
        self.range_at(from).map_or(from, |(_, end)| end)
    }

    /// Messages of `from..end` that are not done with.
    pub fn open(&self, end: u64) -> u64 {
        let done: u64 = self
            .done
            .iter()
            .map(|(start, stop)| (*stop).min(end).saturating_sub(*start))
            .sum();
        end.saturating_sub(self.floor).saturating_sub(done)
    }

    /// Messages are done with.
    pub fn finish(&mut self, range: Range<u64>) {
        let (mut start, mut end) = (range.start.max(self.floor), range.end);
        if start >= end {
            return;
        }
        if !self.returned.is_empty() {
            let gone: Vec<u64> = self.returned.range(start..end).map(|(at, _)| *at).collect();
            for at in gone {
                self.returned.remove(&at);
            }
        }
        // The common case: in order.
        if start == self.floor && self.done.is_empty() {
            self.floor = end;
            return;
        }
        if let Some((before, stop)) = self.done.range(..=start).next_back()
            && *stop >= start
        {
            (start, end) = (*before, end.max(*stop));
        }
        while let Some((next, stop)) = self.done.range(start..=end).next() {
            let (next, stop) = (*next, *stop);
            end = end.max(stop);
            self.done.remove(&next);
        }
        if start <= self.floor {
            self.floor = end;
        } else {
            self.done.insert(start, end);
        }
    }

    /// Messages came back once more.
    pub fn came_back(&mut self, range: Range<u64>) {
        // Nobody has so many out: bytes from a disk are not believed.
        let end = range.end.min(range.start.saturating_add(RETURNED_MAX));
        for offset in range.start..end {
            if !self.is_done(offset) {
                *self.returned.entry(offset).or_default() += 1;
            }
        }
    }

    /// How often a message has come back.
    pub fn returned(&self, offset: u64) -> u32 {
        if self.returned.is_empty() {
            return 0;
        }
        self.returned.get(&offset).copied().unwrap_or(0)
    }

    /// Higher than every offset that it knows to be done with.
    pub fn reach(&self) -> u64 {
        self.done
            .last_key_value()
            .map_or(self.floor, |last| *last.1)
    }

    /// Does what a record says; `None` when there was no group and is none.
    pub fn apply(group: Option<Self>, step: &Step) -> Option<Self> {
        match step {
            Step::Begin { floor, terms } => Some(Self::new(*floor, terms.clone())),
            Step::End => None,
            _ => {
                let mut group = group?;
                match step {
                    Step::Done(ranges) => {
                        for range in ranges {
                            group.finish(range.clone());
                        }
                    }
                    Step::Returned(ranges) => {
                        for range in ranges {
                            group.came_back(range.clone());
                        }
                    }
                    Step::Terms(terms) => group.terms.clone_from(terms),
                    Step::Begin { .. } | Step::End => {}
                }
                Some(group)
            }
        }
    }

    /// Appends its bytes.
    pub fn encode(&self, out: &mut Vec<u8>) {
        put(out, self.floor);
        put(out, self.terms.len() as u64);
        out.extend_from_slice(&self.terms);
        put(out, self.done.len() as u64);
        for (start, end) in &self.done {
            put(out, *start);
            put(out, end - start);
        }
        put(out, self.returned.len() as u64);
        for (offset, times) in &self.returned {
            put(out, *offset);
            put(out, u64::from(*times));
        }
    }

    /// Takes one from the front; `None` when the bytes are none.
    pub fn decode(rest: &mut &[u8]) -> Option<Self> {
        let floor = take(rest)?;
        let terms = super::record::take_bytes(rest)?.to_vec();
        let mut offsets = Self::new(floor, terms);
        for _ in 0..take(rest)? {
            let start = take(rest)?;
            let end = start.checked_add(take(rest)?)?;
            offsets.finish(start..end);
        }
        for _ in 0..take(rest)? {
            let offset = take(rest)?;
            let times = u32::try_from(take(rest)?).ok()?;
            offsets.returned.insert(offset, times);
        }
        Some(offsets)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn whatever_the_order_it_knows_what_is_done(
            ranges in prop::collection::vec((0u64..200, 0u64..20), 0..40),
            floor in 0u64..50,
        ) {
            let mut offsets = Offsets::new(floor, b"t".to_vec());
            let mut done = BTreeSet::new();
            for (at, (start, length)) in ranges.into_iter().enumerate() {
                if at % 5 == 4 {
                    offsets.came_back(start..start + 1);
                }
                offsets.finish(start..start + length);
                done.extend(start..start + length);
                let is_done = |offset: u64| offset < floor || done.contains(&offset);
                for offset in 0..230 {
                    prop_assert_eq!(offsets.is_done(offset), is_done(offset));
                    prop_assert!(offsets.returned(offset) == 0 || !is_done(offset));
                }
                let first = (0..).find(|offset| !is_done(*offset));
                prop_assert_eq!(Some(offsets.floor()), first);
                for from in 0..230 {
                    let next = (from..).find(|offset| !is_done(*offset));
                    prop_assert_eq!(Some(offsets.next_open(from)), next);
                }
                let open = (0..150).filter(|offset| !is_done(*offset)).count() as u64;
                prop_assert_eq!(offsets.open(150), open);
            }
            let mut bytes = Vec::new();
            offsets.encode(&mut bytes);
            let mut rest = &bytes[..];
            prop_assert_eq!(Offsets::decode(&mut rest), Some(offsets));
            prop_assert!(rest.is_empty());
        }
    }

    #[test]
    fn a_group_goes_through_its_steps() {
        let begin = Step::Begin {
            floor: 5,
            terms: b"x".to_vec(),
        };
        let group = Offsets::apply(None, &begin);
        let group = Offsets::apply(group, &Step::Done(vec![5..7, 9..10]));
        let group = Offsets::apply(group, &Step::Returned(std::iter::once(7..9).collect()));
        let group = Offsets::apply(group, &Step::Terms(b"y".to_vec())).expect("it is there");
        assert_eq!(
            (group.floor(), group.reach(), group.terms()),
            (7, 10, &b"y"[..])
        );
        assert_eq!((group.returned(7), group.returned(9)), (1, 0));
        assert_eq!(Offsets::apply(Some(group), &Step::End), None);
        assert_eq!(
            Offsets::apply(None, &Step::Done(std::iter::once(1..2).collect())),
            None
        );
    }
}
