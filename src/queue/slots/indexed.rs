//! The slots of a queue with an index: what the verbs of `slots.rs` do there. Such a queue has no cold range but the one that a
//! start finds, or that it had when it got its index; the cursor stands at the end of the front, so that all its ready messages
//! are the index's.

use super::index::{Back, Index};
use super::{Slots, State};
use crate::message::Message;
use crate::queue::expiry::{self, NEVER};
use crate::queue::order::Order;

impl Slots {
    /// The queue delivers in this order from now on. A queue that has an index keeps one.
    ///
    /// Keys stand in the messages: where some of those are on disk alone, other keys hold only once the queue has been empty, and
    /// false says so.
    pub fn set_order(&mut self, order: &Order) -> bool {
        self.wanted = None;
        let header = self.index.as_ref().map(|index| &index.order().group_header);
        if header.unwrap_or(&None) == &order.group_header {
            self.set_times(order);
            return true;
        }
        if order.group_header.is_some() && self.lacks_bytes() {
            let now = Order {
                group_header: header.cloned().flatten(),
                ..order.clone()
            };
            self.set_times(&now);
            self.wanted = Some(Box::new(order.clone()));
            return false;
        }
        self.build_index(order);
        true
    }

    /// The same for an order with the keys that the queue knows already.
    fn set_times(&mut self, order: &Order) {
        let Some(index) = &mut self.index else {
            if order.is_special() {
                self.build_index(order);
            }
            return;
        };
        // What a declare has fixed stays; a policy may change what the clock does.
        if index.retime(order) {
            let rows = [Some(&self.front), self.cold.as_ref().map(|cold| &cold.tail)];
            for (sequence, slot) in rows.into_iter().flatten().flat_map(|row| row.each()) {
                if slot.state == State::Ready {
                    index.time(sequence, slot.expires);
                }
            }
        }
    }

    /// Whether there is a message without its bytes that is not cold: cold ones are read before anybody gets them.
    fn lacks_bytes(&self) -> bool {
        let rows = [Some(&self.front), self.cold.as_ref().map(|cold| &cold.tail)];
        let mut slots = rows.into_iter().flatten().flat_map(|row| row.each());
        slots.any(|(_, slot)| slot.message.is_none() && slot.state != State::Dying)
    }

    /// An empty queue delivers as it was to since it was not.
    #[cold]
    pub(super) fn set_wanted_order(&mut self) {
        if let Some(order) = self.wanted.take() {
            self.set_order(&order);
        }
    }

    fn build_index(&mut self, order: &Order) {
        let before = self.index.take();
        let mut index = Box::new(Index::new(order));
        let rows = [
            Some(&mut self.front),
            self.cold.as_mut().map(|cold| &mut cold.tail),
        ];
        for row in rows.into_iter().flatten() {
            row.each_mut(|sequence, slot| {
                if slot.state == State::Ready {
                    index.insert(sequence, slot);
                } else if slot.state == State::Delivered {
                    index.insert_taken(sequence, slot);
                }
            });
        }
        for (sequence, until) in before.iter().flat_map(|before| before.held()) {
            if let Some(slot) = self.front.get(sequence) {
                index.hold(sequence, slot, until);
            }
        }
        self.returned.clear();
        self.holes = false;
        self.cursor = self.front_end();
        self.index = Some(index);
    }

    /// Whether the order is not simply first in, first out.
    #[inline]
    pub fn has_index(&self) -> bool {
        self.index.is_some()
    }

    /// A message has been appended.
    #[cold]
    pub(super) fn pushed(&mut self, sequence: u64) {
        let row = match &mut self.cold {
            None => &mut self.front,
            Some(cold) => &mut cold.tail,
        };
        if let (Some(index), Some(slot)) = (&mut self.index, row.get_mut(sequence)) {
            index.insert(sequence, slot);
            if self.cold.is_none() {
                self.cursor = sequence + 1;
            }
        }
    }

    #[cold]
    pub(super) fn first_indexed(&self) -> Option<u64> {
        match &self.index {
            Some(index) if self.cold.is_none() => index.first(),
            _ => None,
        }
    }

    #[cold]
    pub(super) fn take_indexed(&mut self, sequence: u64) {
        if let (Some(index), Some(slot)) = (&mut self.index, self.front.get(sequence)) {
            index.take(sequence, slot);
        }
    }

    pub(super) fn put_back_indexed(&mut self, sequence: u64, back: Back) {
        if let (Some(index), Some(slot)) = (&mut self.index, self.front.get_mut(sequence)) {
            index.put_back(sequence, slot, back, self.next);
        }
    }

    /// Somebody is done with a message that it had, if so: the next of its key may go.
    #[cold]
    pub fn release(&mut self, sequence: u64) {
        if let (Some(index), Some(slot)) = (&mut self.index, self.front.get(sequence))
            && slot.state == State::Delivered
        {
            index.release(sequence, self.next);
        }
    }

    /// Takes a ready message out of the ready ones: the next, or any where there is an index. Its slot stays.
    /// Returns whether another is for anybody now that was not before.
    #[inline]
    pub fn withdraw(&mut self, sequence: u64) -> bool {
        if self.index.is_none() {
            self.take_ready(sequence);
            return false;
        }
        match (&mut self.index, self.front.get(sequence)) {
            (Some(index), Some(slot)) => index.withdraw(sequence, slot),
            _ => false,
        }
    }

    /// A ready message that was not given to anybody yet waits until `until` before anybody gets it.
    pub fn hold(&mut self, sequence: u64, until: u64) {
        if let (Some(index), Some(slot)) = (&mut self.index, self.front.get(sequence)) {
            index.hold(sequence, slot, until);
        }
    }

    /// The oldest ready message that has a slot, wherever it stands in the order and even if it is not for anybody yet.
    pub fn oldest_ready(&mut self) -> Option<u64> {
        let Some(index) = &mut self.index else {
            return self.first_ready();
        };
        let found = self
            .front
            .from(index.oldest)
            .find(|(_, slot)| slot.state == State::Ready)
            .map(|(sequence, _)| sequence);
        index.oldest = found.unwrap_or(self.next);
        found
    }

    /// The ready message that leaves when the queue is too long: the next, or the oldest where keys take turns, or where all
    /// wait.
    pub fn first_dropped(&mut self) -> Option<u64> {
        match &self.index {
            None => self.first_ready(),
            Some(_) if self.cold.is_some() => None,
            Some(index) if index.order().group_header.is_none() => match self.first_ready() {
                None => self.oldest_ready(),
                first => first,
            },
            Some(_) => self.oldest_ready(),
        }
    }

    /// Ends the wait of messages whose time has come, of at most `most`; returns whether there are more.
    pub fn wake(&mut self, now: u64, most: usize) -> bool {
        let Some(index) = self.index.as_mut().filter(|_| self.cold.is_none()) else {
            return false;
        };
        let (front, next) = (&self.front, self.next);
        let level = |sequence| front.get(sequence).map_or(0, |slot| slot.level);
        for _ in 0..most {
            if index.wake(now, next, level).is_none() {
                return false;
            }
        }
        index.next_wake() <= now
    }

    /// A message that has expired and is to leave though it is not the next: any, or the first of its level.
    pub fn first_expired(&self, now: u64) -> Option<u64> {
        let index = self.index.as_ref().filter(|_| self.cold.is_none())?;
        if index.order().is_timed() {
            let (at, sequence) = index.first_expiry()?;
            return expiry::is_expired(at, now).then_some(sequence);
        }
        index
            .heads()
            .find(|sequence| expiry::is_expired(self.expires(*sequence), now))
    }

    fn expires(&self, sequence: u64) -> u64 {
        self.front.get(sequence).map_or(NEVER, |slot| slot.expires)
    }

    /// When something happens to a message by the clock, in a queue with an index.
    pub fn next_event(&self) -> u64 {
        let Some(index) = self.index.as_ref().filter(|_| self.cold.is_none()) else {
            return NEVER;
        };
        let expiry = if index.order().is_timed() {
            index.first_expiry().map_or(NEVER, |(at, _)| at)
        } else {
            let heads = index.heads().map(|sequence| self.expires(sequence));
            heads.min().unwrap_or(NEVER)
        };
        expiry.min(index.next_wake())
    }

    /// The next messages of a queue with an index, in the order in which they leave.
    pub fn upcoming(&self) -> impl Iterator<Item = u64> + '_ {
        let index = self.index.as_ref().filter(|_| self.cold.is_none());
        index.into_iter().flat_map(|index| index.upcoming())
    }

    /// The messages `from..to` of the front, whatever they do.
    pub fn between(&self, from: u64, to: u64) -> impl Iterator<Item = (u64, &super::Slot)> {
        self.front
            .from(from)
            .take_while(move |(sequence, _)| *sequence < to)
    }

    /// The lowest number that a message of the front can have.
    pub fn base(&self) -> u64 {
        self.front.base
    }

    /// The bytes of a message with nobody leave memory; they lie in the extent of this number.
    pub fn spill(&mut self, sequence: u64, extent: u32) -> Option<Message> {
        let message = self.drop_body(sequence)?;
        if let Some(slot) = self.front.get_mut(sequence) {
            slot.consumer = extent;
        }
        Some(message)
    }

    /// The number of the extent in which the bytes of a message lie alone; 0 when they do not.
    pub fn extent_of(&self, sequence: u64) -> u32 {
        match self.front.get(sequence) {
            Some(slot)
                if slot.message.is_none()
                    && matches!(slot.state, State::Ready | State::Dying)
                    && self.index.is_some() =>
            {
                slot.consumer
            }
            _ => 0,
        }
    }

    /// Bytes of a spill file are back, or lost.
    pub fn unspill(&mut self, sequence: u64) {
        if let Some(slot) = self.front.get_mut(sequence) {
            slot.consumer = 0;
        }
    }

    /// Panics when the index and the slots do not agree.
    #[cfg(test)]
    pub(super) fn check_index(&self) {
        let Some(index) = &self.index else {
            assert!(self.each().all(|(_, slot)| slot.level == 0));
            return;
        };
        assert_eq!(self.cursor, self.front_end());
        assert!(self.returned.is_empty());
        let [lined, behind, held, timed] = index.counts();
        let ready = || self.each().filter(|(_, slot)| slot.state == State::Ready);
        if !index.order().until_due {
            assert_eq!(lined + behind + held, ready().count());
        }
        if index.order().is_timed() {
            let timed_slots = ready().filter(|(_, slot)| slot.expires != NEVER);
            assert_eq!(timed, timed_slots.count());
        }
        let front = self.front.each();
        let oldest = front
            .filter(|(_, slot)| slot.state == State::Ready)
            .map(|(sequence, _)| sequence)
            .next();
        assert!(oldest.is_none_or(|oldest| oldest >= index.oldest));
    }

    /// Until when a message that came back waits.
    #[cfg(test)]
    pub fn held_until(&self, sequence: u64) -> Option<u64> {
        self.index.as_ref()?.held_until(sequence)
    }
}
