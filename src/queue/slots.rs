//! The messages of one queue until they are settled, by sequence number.
//!
//! ```text
//!      returned, delivered, dying        never taken             cold           never taken
//!  front: [ ........................ cursor ............ | no slots at all | ............ ] :tail
//!                                                     first               end            next
//! ```
//!
//! A row of blocks of slots, so that any sequence number is found in O(1) and a block whose messages are all settled costs a few
//! bytes even while an old one in front of it is not. Ready messages are those from `cursor` on, which were never taken, and
//! the `returned` ones before it: a requeued message so finds its original position, and nothing is ever searched by walking
//! over messages that are out. Of a backlog that does not fit into memory a range in the middle is *cold*: it has no slots, its
//! messages lie on disk (see `slots/cold.rs`). Knows no consumers, no limits and no disk; the core calls it.

use std::collections::BTreeSet;

use self::cold::Cold;
pub use self::cold::Range;
pub use self::index::Back;
use self::index::Index;
use self::row::{BLOCK, Row};
use self::sweep::Compactor;
use super::order::Order;
use crate::message::Message;

mod cold;
mod index;
mod indexed;
mod row;
mod sweep;

/// What a message is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Waits for a consumer.
    Ready,
    /// With a consumer or a client that got it; not settled.
    Delivered,
    /// To be dead-lettered; stays until its copies are placed.
    Dying,
    /// Settled: the slot is empty.
    Settled,
}

/// One message of a queue.
#[derive(Debug)]
pub struct Slot {
    /// `None` while it is settled, while a no-ack delivery carries the only copy, or while it lies on disk alone.
    pub message: Option<Message>,
    /// When it expires, in milliseconds since the epoch; `u64::MAX` never.
    pub expires: u64,
    /// The queue's number of the consumer that has it; 0 for basic.get. In a queue with an index, while the message is with
    /// nobody and its bytes lie in a spill file alone: the number of the extent.
    pub consumer: u32,
    /// How often it has come back.
    pub returned: u32,
    /// Body bytes, which the limits count also while the message is out.
    pub body_len: u32,
    /// Where it is.
    pub state: State,
    /// It may have been delivered before.
    pub redelivered: bool,
    /// Its level in a queue with priorities; 0 elsewhere.
    pub level: u8,
}

impl Slot {
    /// A ready message that was never taken.
    #[inline]
    pub fn ready(message: Message, expires: u64) -> Self {
        Self {
            body_len: message.body_len() as u32,
            message: Some(message),
            expires,
            consumer: 0,
            returned: 0,
            state: State::Ready,
            redelivered: false,
            level: 0,
        }
    }

    fn settled() -> Self {
        Self {
            message: None,
            expires: u64::MAX,
            consumer: 0,
            returned: 0,
            body_len: 0,
            state: State::Settled,
            redelivered: false,
            level: 0,
        }
    }
}

/// All unsettled messages of a queue.
#[derive(Default)]
pub struct Slots {
    front: Row,
    /// Sequence number that the next message gets.
    next: u64,
    /// Ready messages from here on were never taken.
    cursor: u64,
    /// Ready messages in front of `cursor`.
    returned: BTreeSet<u64>,
    /// Slots that are not settled.
    live: usize,
    /// Bytes of the messages in the slots.
    resident: u64,
    /// Between `cursor` and the end of the front there may be sequence numbers without a message.
    holes: bool,
    cold: Option<Box<Cold>>,
    /// Some slots may be without the bytes of their message, which lie on disk alone.
    away: bool,
    compactor: Compactor,
    /// Who is next, in a queue where that is not simply the oldest.
    index: Option<Box<Index>>,
    /// The order that holds once the queue has been empty.
    wanted: Option<Box<Order>>,
}

impl Slots {
    /// Sequence number that the next message gets.
    pub fn next_sequence(&self) -> u64 {
        self.next
    }

    /// Messages that are not settled, wherever they lie.
    pub fn live(&self) -> usize {
        self.live + self.cold.as_ref().map_or(0, |cold| cold.count)
    }

    /// Memory of the messages in the slots, by [`Message::memory`], and of the slots.
    #[inline]
    pub fn resident(&self) -> u64 {
        // Message::memory counts the handle itself.
        const REST: usize = std::mem::size_of::<Slot>() - std::mem::size_of::<Message>();
        if self.index.is_some() {
            // The slots stay, whatever leaves.
            return self.resident;
        }
        self.resident + (self.live * REST) as u64
    }

    /// Appends a ready message.
    #[inline]
    pub fn push(&mut self, message: Message, expires: u64) -> u64 {
        let sequence = self.next;
        self.resident += self.compactor.pushed(&message) as u64;
        let row = match &mut self.cold {
            None => &mut self.front,
            Some(cold) => &mut cold.tail,
        };
        row.push(sequence, Slot::ready(message, expires), self.live);
        if self.index.is_some() {
            self.pushed(sequence);
        }
        self.live += 1;
        self.next += 1;
        self.compactor.live_then = self.compactor.live_then.max(self.live);
        sequence
    }

    /// The slot of a message that is not settled; not of those behind a cold range, of which nobody can know.
    #[inline]
    pub fn get_mut(&mut self, sequence: u64) -> Option<&mut Slot> {
        self.front.get_mut(sequence)
    }

    /// The same, to look at.
    pub fn get(&self, sequence: u64) -> Option<&Slot> {
        self.front.get(sequence)
    }

    /// Settles a message and returns it, when the queue has it and its bytes are in memory.
    #[inline]
    pub fn remove(&mut self, sequence: u64) -> Option<Message> {
        if self.index.is_some() {
            self.release(sequence);
        }
        let message = self.front.remove(sequence)?;
        self.live -= 1;
        if let Some(message) = &message {
            self.resident -= message.memory() as u64;
        }
        if self.live == 0 {
            self.clear_when_empty();
        }
        message
    }

    /// An empty queue keeps no memory but for a small block.
    fn clear_when_empty(&mut self) {
        let blocks = &mut self.front.blocks;
        if blocks.len() > 1
            || blocks
                .front()
                .is_some_and(|block| block.slots.capacity() > 2 * BLOCK)
        {
            blocks.clear();
        }
        debug_assert_eq!(self.resident, 0, "no slots, no messages");
        self.returned.clear();
        self.away = false;
        self.compactor = Compactor::looked(self.next, 0);
        if let Some(index) = self.index.as_mut().filter(|index| index.is_roomy()) {
            index.clear();
        }
        if self.wanted.is_some() {
            self.set_wanted_order();
        }
    }

    /// The next ready message, which is the oldest that has a slot; behind it may be others that lie on disk.
    #[inline]
    pub fn first_ready(&self) -> Option<u64> {
        if self.index.is_some() {
            return self.first_indexed();
        }
        if let Some(first) = self.returned.first() {
            return Some(*first);
        }
        let end = match &self.cold {
            None => self.next,
            Some(cold) => cold.first,
        };
        (self.cursor < end).then_some(self.cursor)
    }

    /// Takes the next ready message, which is `sequence`, out of the ready ones. Its slot stays.
    #[inline]
    pub fn take_ready(&mut self, sequence: u64) {
        if self.index.is_some() {
            self.take_indexed(sequence);
            return;
        }
        if sequence == self.cursor {
            self.cursor += 1;
            if self.holes {
                self.skip_holes();
            }
        } else {
            self.returned.remove(&sequence);
        }
    }

    #[cold]
    fn skip_holes(&mut self) {
        let end = self.front_end();
        while self.cursor < end && self.front.get(self.cursor).is_none() {
            self.cursor += 1;
        }
        // The tail may have some, too.
        self.holes = self.cursor < end || self.cold.is_some();
    }

    /// Puts a message that was taken back: to its original position, where the queue does not say otherwise.
    pub fn put_back(&mut self, sequence: u64, back: Back) {
        if self.index.is_some() {
            self.put_back_indexed(sequence, back);
            return;
        }
        if sequence + 1 == self.cursor && self.returned.is_empty() {
            self.cursor = sequence;
        } else {
            self.returned.insert(sequence);
        }
    }

    /// The message of a slot was taken out of it: a delivery carries the only copy.
    #[inline]
    pub fn lent(&mut self, message: &Message) {
        self.resident -= message.memory() as u64;
    }

    /// A delivery brings its message back to its slot.
    pub fn give_back(&mut self, sequence: u64, message: Message) {
        let memory = message.memory() as u64;
        if let Some(slot) = self.get_mut(sequence)
            && slot.message.is_none()
        {
            slot.message = Some(message);
            self.resident += memory;
        }
    }

    /// Takes everything out at once, in O(1): the garbage is for the caller to drop outside the lock.
    pub fn take_all(&mut self) -> Garbage {
        let mut garbage = Garbage::default();
        garbage.add(std::mem::take(&mut self.front));
        if let Some(cold) = self.cold.take() {
            garbage.add(cold.tail);
        }
        (self.live, self.resident) = (0, 0);
        self.cursor = self.next;
        self.holes = false;
        self.away = false;
        self.returned.clear();
        self.compactor = Compactor::looked(self.next, 0);
        if let Some(index) = &mut self.index {
            index.clear();
        }
        garbage
    }

    /// Panics when the counts and the contents do not agree.
    #[cfg(test)]
    pub fn check(&self) {
        let mut live = self.front.check();
        if let Some(cold) = &self.cold {
            assert!(self.cursor <= cold.first && cold.first < cold.end && cold.end <= self.next);
            assert!(cold.count as u64 <= cold.end - cold.first && cold.count > 0);
            live += cold.tail.check();
            if !cold.tail.blocks.is_empty() {
                assert_eq!(cold.tail.end(), self.next);
                assert!(cold.tail.each().all(|(sequence, _)| sequence >= cold.end));
            }
            assert!(self.front.each().all(|(sequence, _)| sequence < cold.first));
        }
        assert_eq!(live, self.live);
        let memory = |slot: &Slot| slot.message.as_ref().map_or(0, Message::memory) as u64;
        assert_eq!(
            self.each().map(|(_, slot)| memory(slot)).sum::<u64>(),
            self.resident
        );
        let base = self.front.base;
        assert!(
            self.returned
                .iter()
                .all(|sequence| *sequence < self.cursor && *sequence >= base)
        );
        assert!(self.cursor <= self.next);
        self.check_index();
        if self.cursor < self.front_end() {
            let first = self.front.get(self.cursor);
            assert_eq!(first.map(|slot| slot.state), Some(State::Ready));
        }
    }

    /// Visits every unsettled message that has a slot, in order.
    #[cfg(test)]
    pub fn each(&self) -> impl Iterator<Item = (u64, &Slot)> {
        self.front
            .each()
            .chain(self.cold.iter().flat_map(|cold| cold.tail.each()))
    }
}

/// Messages on their way out of memory.
#[derive(Default)]
pub struct Garbage {
    rows: Vec<Row>,
    messages: Vec<Message>,
}

impl Extend<Message> for Garbage {
    fn extend<T: IntoIterator<Item = Message>>(&mut self, messages: T) {
        self.messages.extend(messages);
    }
}

impl Garbage {
    /// A message whose slot stays.
    pub fn add_message(&mut self, message: Option<Message>) {
        self.messages.extend(message);
    }

    fn add(&mut self, row: Row) {
        if !row.blocks.is_empty() {
            self.rows.push(row);
        }
    }
}

#[cfg(test)]
mod tests;
