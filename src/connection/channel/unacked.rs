//! The deliveries of a channel that are not settled, by delivery tag.

use std::collections::VecDeque;

/// One of them.
#[derive(Clone, Copy, Debug)]
pub struct Unacked {
    /// Its delivery tag.
    pub tag: u64,
    /// Its place in its queue.
    pub sequence: u64,
    /// When it was delivered, in milliseconds since the epoch.
    pub at: u64,
    /// The connection's number of the queue.
    pub queue: u32,
    /// The connection's number of the consumer; 0 for basic.get.
    pub consumer: u32,
    /// It was counted against the channel's shared limit, or its consumer's.
    pub counted: bool,
    /// Its consumer has such a limit for itself.
    pub own_limit: bool,
    live: bool,
}

impl Unacked {
    /// A delivery just made.
    pub fn new(tag: u64, queue: u32, sequence: u64, consumer: u32, counted: bool, at: u64) -> Self {
        Self {
            tag,
            sequence,
            at,
            queue,
            consumer,
            counted,
            own_limit: false,
            live: true,
        }
    }
}

/// In order of their tags; settled ones leave as soon as nothing older is unsettled.
#[derive(Default)]
pub struct UnackedList {
    entries: VecDeque<Unacked>,
    live: usize,
}

impl UnackedList {
    /// How many there are.
    #[inline]
    pub fn len(&self) -> usize {
        self.live
    }

    /// Adds one, whose tag is the latest.
    #[inline]
    pub fn push(&mut self, unacked: Unacked) {
        self.live += 1;
        self.entries.push_back(unacked);
    }

    #[inline]
    fn index(&self, tag: u64) -> Option<usize> {
        let first = self.entries.front()?.tag;
        // Tags run without gaps as a rule; no-ack deliveries of the same channel make some.
        let guess = usize::try_from(tag.checked_sub(first)?).ok()?;
        let index = match self.entries.get(guess) {
            Some(entry) if entry.tag == tag => guess,
            _ => self
                .entries
                .binary_search_by_key(&tag, |entry| entry.tag)
                .ok()?,
        };
        self.entries[index].live.then_some(index)
    }

    /// Takes the one with that tag.
    #[inline]
    pub fn take(&mut self, tag: u64) -> Option<Unacked> {
        let index = self.index(tag)?;
        let entry = self.entries[index];
        self.live -= 1;
        if index == 0 {
            self.entries.pop_front();
            self.trim();
        } else {
            self.entries[index].live = false;
            self.compact();
        }
        Some(entry)
    }

    /// One old delivery does not keep the places of all that came after it and are settled.
    fn compact(&mut self) {
        if self.entries.len() > 64 + 2 * self.live {
            self.entries.retain(|entry| entry.live);
        }
    }

    fn trim(&mut self) {
        while self.entries.front().is_some_and(|entry| !entry.live) {
            self.entries.pop_front();
        }
        if self.entries.is_empty() && self.entries.capacity() > 2048 {
            self.entries = VecDeque::new();
        }
    }

    /// Takes all up to and including `tag` in order, 0 standing for all there are; `None` when no such delivery is out.
    pub fn take_upto(&mut self, tag: u64, mut each: impl FnMut(Unacked)) -> Option<()> {
        let end = if tag == 0 {
            self.entries.len()
        } else {
            self.index(tag)? + 1
        };
        for entry in self.entries.drain(..end).filter(|entry| entry.live) {
            self.live -= 1;
            each(entry);
        }
        self.trim();
        Some(())
    }

    /// Puts back what a rolled-back transaction had settled.
    pub fn restore(&mut self, mut settled: Vec<Unacked>) {
        self.live += settled.len();
        settled.extend(self.entries.drain(..).filter(|entry| entry.live));
        settled.sort_unstable_by_key(|entry| entry.tag);
        self.entries = settled.into();
    }

    /// Visits all.
    pub fn each_mut(&mut self) -> impl Iterator<Item = &mut Unacked> {
        self.entries.iter_mut().filter(|entry| entry.live)
    }

    /// Takes those of one consumer.
    pub fn take_consumer(&mut self, consumer: u32) -> Vec<Unacked> {
        let mut taken = Vec::new();
        for entry in self
            .entries
            .iter_mut()
            .filter(|entry| entry.live && entry.consumer == consumer)
        {
            entry.live = false;
            taken.push(*entry);
        }
        self.live -= taken.len();
        self.trim();
        self.compact();
        taken
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(tags: impl IntoIterator<Item = u64>) -> UnackedList {
        let mut list = UnackedList::default();
        for tag in tags {
            list.push(Unacked::new(tag, 0, tag * 10, 1, false, 0));
        }
        list
    }

    fn upto(list: &mut UnackedList, tag: u64) -> Option<Vec<u64>> {
        let mut tags = Vec::new();
        list.take_upto(tag, |unacked| tags.push(unacked.tag))?;
        Some(tags)
    }

    #[test]
    fn a_tag_is_settled_once() {
        let mut list = list(1..=3);
        assert_eq!(list.take(2).map(|unacked| unacked.sequence), Some(20));
        assert!(list.take(2).is_none());
        assert!(list.take(4).is_none() && list.take(0).is_none());
        assert_eq!(list.len(), 2);
    }

    #[test]
    fn multiple_takes_all_up_to_the_tag_and_zero_takes_all() {
        let mut list = list(1..=5);
        list.take(2);
        assert_eq!(upto(&mut list, 3), Some(vec![1, 3]));
        assert_eq!(upto(&mut list, 3), None);
        assert_eq!(upto(&mut list, 0), Some(vec![4, 5]));
        assert_eq!(upto(&mut list, 0), Some(vec![]));
        assert_eq!(list.len(), 0);
    }

    #[test]
    fn gaps_left_by_no_ack_deliveries_do_not_confuse() {
        let mut list = list([2, 5, 6, 9]);
        assert!(list.take(3).is_none());
        assert!(list.take(9).is_some());
        assert!(list.take(5).is_some());
        assert_eq!(upto(&mut list, 6), Some(vec![2, 6]));
    }

    #[test]
    fn a_rollback_restores_the_order() {
        let mut list = list(1..=4);
        let settled = vec![list.take(3).unwrap(), list.take(1).unwrap()];
        list.restore(settled);
        assert_eq!(upto(&mut list, 0), Some(vec![1, 2, 3, 4]));
    }
}
