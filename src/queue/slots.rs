//! The messages of one queue until they are settled, by sequence number.
//!
//! A deque of blocks of [`BLOCK`] slots, so that any sequence number is found in O(1) and a block whose messages are all
//! settled costs a few bytes even while an old one in front of it is not. Ready messages are those from `cursor` on, which were
//! never taken, and the `returned` ones before it: a requeued message so finds its original position, and nothing is ever
//! searched by walking over messages that are out. Knows no consumers and no limits; the core calls it.

use std::collections::{BTreeSet, VecDeque};

use crate::message::{CHUNK_BYTES_MAX, ChunkBuilder, Draft, Message};

/// Slots of a block.
const BLOCK: usize = 64;

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
    /// `None` while it is settled, or while a no-ack delivery carries the only copy.
    pub message: Option<Message>,
    /// When it expires, in milliseconds since the epoch; `u64::MAX` never.
    pub expires: u64,
    /// The queue's number of the consumer that has it; 0 for basic.get.
    pub consumer: u32,
    /// How often it has come back.
    pub returned: u32,
    /// Body bytes, which the limits count also while the message is out.
    pub body_len: u32,
    /// Where it is.
    pub state: State,
    /// It may have been delivered before.
    pub redelivered: bool,
}

#[derive(Default)]
struct Block {
    slots: Vec<Slot>,
    live: u32,
}

/// All unsettled messages of a queue.
#[derive(Default)]
pub struct Slots {
    blocks: VecDeque<Block>,
    /// Sequence number of the first slot of the first block; a multiple of `BLOCK`.
    base: u64,
    /// Sequence number that the next message gets.
    next: u64,
    /// Ready messages from here on were never taken.
    cursor: u64,
    /// Ready messages in front of `cursor`.
    returned: BTreeSet<u64>,
    live: usize,
    compactor: Compactor,
}

/// Watches how much chunk memory the messages pin, to copy stragglers out.
#[derive(Default)]
struct Compactor {
    /// Messages before this one have been looked at.
    swept: u64,
    /// Most unsettled messages since the last look.
    live_then: usize,
    /// A look at all of them again is under way, because most have gone since.
    sweeping: bool,
    /// Chunk bytes pinned, and bytes owned, by messages since the last look.
    pinned: usize,
    owned: usize,
    last_chunk: usize,
}

/// Slack that pinned chunks may have before anybody looks.
const PIN_SLACK_BYTES: usize = 256 * 1024;

impl Slots {
    /// Sequence number that the next message gets.
    pub fn next_sequence(&self) -> u64 {
        self.next
    }

    /// Messages that are not settled.
    pub fn live(&self) -> usize {
        self.live
    }

    /// Appends a ready message.
    #[inline]
    pub fn push(&mut self, message: Message, expires: u64) -> u64 {
        let sequence = self.next;
        if sequence.is_multiple_of(BLOCK as u64) || self.blocks.is_empty() {
            self.push_block();
        }
        let body_len = message.body_len() as u32;
        let (chunk, bytes) = message.pins();
        if chunk != self.compactor.last_chunk {
            self.compactor.last_chunk = chunk;
            self.compactor.pinned += bytes;
        }
        self.compactor.owned += message.memory();
        let block = self.blocks.back_mut().expect("a block was just made");
        block.slots.push(Slot {
            message: Some(message),
            expires,
            consumer: 0,
            returned: 0,
            body_len,
            state: State::Ready,
            redelivered: false,
        });
        block.live += 1;
        self.live += 1;
        self.next += 1;
        self.compactor.live_then = self.compactor.live_then.max(self.live);
        sequence
    }

    #[cold]
    fn push_block(&mut self) {
        let offset = (self.next % BLOCK as u64) as usize;
        if self.blocks.is_empty() {
            self.base = self.next - offset as u64;
        }
        // A queue that has filled a block will fill another; a small one grows as it goes.
        let capacity = if self.next >= BLOCK as u64 && self.live > BLOCK / 2 {
            BLOCK
        } else {
            0
        };
        let mut slots = Vec::with_capacity(capacity);
        slots.extend((0..offset).map(|_| Slot {
            message: None,
            expires: u64::MAX,
            consumer: 0,
            returned: 0,
            body_len: 0,
            state: State::Settled,
            redelivered: false,
        }));
        self.blocks.push_back(Block { slots, live: 0 });
    }

    /// The slot of a message that is not settled.
    #[inline]
    pub fn get_mut(&mut self, sequence: u64) -> Option<&mut Slot> {
        let index = sequence.checked_sub(self.base)?;
        let block = self.blocks.get_mut((index / BLOCK as u64) as usize)?;
        block
            .slots
            .get_mut((index % BLOCK as u64) as usize)
            .filter(|slot| slot.state != State::Settled)
    }

    /// Settles a message and returns it, when the queue has it.
    #[inline]
    pub fn remove(&mut self, sequence: u64) -> Option<Message> {
        let slot = self.get_mut(sequence)?;
        slot.state = State::Settled;
        let message = slot.message.take();
        self.live -= 1;
        let index = ((sequence - self.base) / BLOCK as u64) as usize;
        let last = index + 1 == self.blocks.len();
        let block = &mut self.blocks[index];
        block.live -= 1;
        if block.live == 0 && (!last || block.slots.len() == BLOCK) {
            block.slots = Vec::new();
            if index == 0 {
                while self
                    .blocks
                    .front()
                    .is_some_and(|block| block.live == 0 && block.slots.is_empty())
                {
                    self.blocks.pop_front();
                    self.base += BLOCK as u64;
                }
            }
        }
        if self.live == 0 {
            self.clear_when_empty();
        }
        message
    }

    /// An empty queue keeps no memory but for a small block.
    fn clear_when_empty(&mut self) {
        if self.blocks.len() > 1
            || self
                .blocks
                .front()
                .is_some_and(|block| block.slots.capacity() > 2 * BLOCK)
        {
            self.blocks.clear();
        }
        self.returned.clear();
        self.compactor = Compactor {
            swept: self.next,
            ..Compactor::default()
        };
    }

    /// The oldest ready message.
    #[inline]
    pub fn first_ready(&mut self) -> Option<u64> {
        if let Some(first) = self.returned.first() {
            return Some(*first);
        }
        (self.cursor < self.next).then_some(self.cursor)
    }

    /// Takes the oldest ready message, which is `sequence`, out of the ready ones. Its slot stays.
    #[inline]
    pub fn take_ready(&mut self, sequence: u64) {
        if sequence == self.cursor {
            self.cursor += 1;
        } else {
            self.returned.remove(&sequence);
        }
    }

    /// Puts a message that was taken back to its original position.
    pub fn put_back(&mut self, sequence: u64) {
        if sequence + 1 == self.cursor && self.returned.is_empty() {
            self.cursor = sequence;
        } else {
            self.returned.insert(sequence);
        }
    }

    /// Takes everything out at once, in O(1): the garbage is for the caller to drop outside the lock.
    pub fn take_all(&mut self) -> Garbage {
        let blocks = std::mem::take(&mut self.blocks);
        self.live = 0;
        self.cursor = self.next;
        self.returned.clear();
        self.compactor = Compactor {
            swept: self.next,
            ..Compactor::default()
        };
        Garbage(blocks)
    }

    /// Whether the messages pin much more chunk memory than they use, so that a [sweep](Self::sweep) is due.
    #[inline]
    pub fn wants_sweep(&self) -> bool {
        let compactor = &self.compactor;
        compactor.sweeping
            || compactor.pinned > 4 * compactor.owned + PIN_SLACK_BYTES
            || (compactor.live_then > 1024 && self.live < compactor.live_then / 4)
    }

    /// Copies the messages out of chunks that they use less than half of. Looks at `steps` messages at most; returns whether
    /// more is to be done.
    pub fn sweep(&mut self, steps: usize) -> bool {
        if !self.compactor.sweeping
            && self.compactor.live_then > 1024
            && self.live < self.compactor.live_then / 4
        {
            self.compactor.swept = self.base;
            self.compactor.sweeping = true;
        }
        let from = self.compactor.swept.max(self.base);
        let to = self.next.min(from + steps as u64);
        let mut sparse = Vec::new();
        let mut run: Vec<u64> = Vec::new();
        let (mut chunk, mut chunk_bytes, mut used) = (0, 0, 0);
        for sequence in from..to {
            let Some(message) = self
                .get_mut(sequence)
                .and_then(|slot| slot.message.as_ref())
            else {
                continue;
            };
            let (this, bytes) = message.pins();
            let memory = message.memory();
            if this != chunk {
                if used * 2 < chunk_bytes {
                    sparse.append(&mut run);
                }
                run.clear();
                (chunk, chunk_bytes, used) = (this, bytes, 0);
            }
            used += memory;
            run.push(sequence);
        }
        if used * 2 < chunk_bytes {
            sparse.append(&mut run);
        }
        self.copy_out(&sparse);
        self.compactor.swept = to;
        if to < self.next {
            return true;
        }
        self.compactor = Compactor {
            swept: to,
            live_then: self.live,
            ..Compactor::default()
        };
        false
    }

    fn copy_out(&mut self, sequences: &[u64]) {
        let mut rest = sequences;
        while !rest.is_empty() {
            let mut builder = ChunkBuilder::with_capacity(CHUNK_BYTES_MAX);
            let mut drafts: Vec<(u64, Draft)> = Vec::new();
            while let Some((sequence, others)) = rest.split_first() {
                if let Some(message) = self
                    .get_mut(*sequence)
                    .and_then(|slot| slot.message.as_ref())
                {
                    if message.is_large() {
                        rest = others;
                        continue;
                    }
                    let Some(draft) = builder.push_copy(message) else {
                        break;
                    };
                    drafts.push((*sequence, draft));
                }
                rest = others;
            }
            let sealed = builder.seal();
            for (sequence, draft) in drafts {
                if let Some(slot) = self.get_mut(sequence) {
                    slot.message = Some(sealed.message(&draft));
                }
            }
        }
    }

    /// Panics when the counts and the contents do not agree.
    #[cfg(test)]
    pub fn check(&self) {
        let mut live = 0;
        for (index, block) in self.blocks.iter().enumerate() {
            let here = block
                .slots
                .iter()
                .filter(|slot| slot.state != State::Settled)
                .count();
            assert_eq!(here, block.live as usize, "block {index}");
            live += here;
        }
        assert_eq!(live, self.live);
        assert!(
            self.returned
                .iter()
                .all(|sequence| *sequence < self.cursor && *sequence >= self.base)
        );
        assert!(self.base <= self.next && self.cursor <= self.next);
    }

    /// Visits every unsettled message in order.
    #[cfg(test)]
    pub fn each(&self) -> impl Iterator<Item = (u64, &Slot)> {
        self.blocks.iter().enumerate().flat_map(move |(b, block)| {
            block
                .slots
                .iter()
                .enumerate()
                .filter(|(_, slot)| slot.state != State::Settled)
                .map(move |(s, slot)| (self.base + (b * BLOCK + s) as u64, slot))
        })
    }
}

/// Messages on their way out of memory.
#[derive(Default)]
pub struct Garbage(
    #[expect(dead_code, reason = "held to be dropped outside the lock")] VecDeque<Block>,
);

#[cfg(test)]
mod tests;
