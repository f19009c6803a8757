//! A row of slots: a deque of blocks of [`BLOCK`] slots, found by sequence number in O(1). Knows nothing of what messages do;
//! `slots.rs` and `cold.rs` beside it say which sequence numbers stand in which row.

use std::collections::VecDeque;

use super::{Slot, State};
use crate::message::Message;

/// Slots of a block.
pub const BLOCK: usize = 64;

/// Neighbouring slots; the first stands at a multiple of [`BLOCK`], and all but the last block are full or emptied.
#[derive(Default)]
pub struct Block {
    pub slots: Vec<Slot>,
    pub live: u32,
}

/// Slots of a range of sequence numbers.
#[derive(Default)]
pub struct Row {
    pub blocks: VecDeque<Block>,
    /// Sequence number of the first slot of the first block; a multiple of `BLOCK`.
    pub base: u64,
}

impl Row {
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

    /// The slot of a message that is not settled.
    #[inline]
    pub fn get(&self, sequence: u64) -> Option<&Slot> {
        let index = sequence.checked_sub(self.base)?;
        let block = self.blocks.get((index / BLOCK as u64) as usize)?;
        block
            .slots
            .get((index % BLOCK as u64) as usize)
            .filter(|slot| slot.state != State::Settled)
    }

    /// Appends a live slot for `sequence`, which is the next one of the row or, in an empty row, any. A block that is begun gets
    /// room for all its slots when the queue has filled one before and has `live` slots to fill another; a small queue's grows as it
    /// goes.
    #[inline]
    pub fn push(&mut self, sequence: u64, slot: Slot, live: usize) {
        if sequence.is_multiple_of(BLOCK as u64) || self.blocks.is_empty() {
            self.push_block(sequence, live);
        }
        let block = self.blocks.back_mut().expect("a block was just made");
        block.slots.push(slot);
        block.live += 1;
    }

    #[cold]
    fn push_block(&mut self, sequence: u64, live: usize) {
        let offset = (sequence % BLOCK as u64) as usize;
        if self.blocks.is_empty() {
            self.base = sequence - offset as u64;
        }
        let roomy = sequence >= BLOCK as u64 && live > BLOCK / 2;
        let mut slots = Vec::with_capacity(if roomy { BLOCK } else { 0 });
        slots.extend((0..offset).map(|_| Slot::settled()));
        self.blocks.push_back(Block { slots, live: 0 });
    }

    /// Sequence number behind the last slot; the base when there is none.
    pub fn end(&self) -> u64 {
        let Some(last) = self.blocks.back() else {
            return self.base;
        };
        // An emptied block stands for all its slots.
        let slots = if last.slots.is_empty() {
            BLOCK
        } else {
            last.slots.len()
        };
        self.base + ((self.blocks.len() - 1) * BLOCK + slots) as u64
    }

    /// Lets the row end at `sequence`, which is not before its end: what lies between is settled.
    pub fn pad_to(&mut self, sequence: u64) {
        if self.blocks.iter().all(|block| block.live == 0) {
            self.blocks.clear();
            self.base = sequence - sequence % BLOCK as u64;
            return;
        }
        while self.end() < sequence {
            let end = self.end();
            if end.is_multiple_of(BLOCK as u64) {
                if sequence - end >= BLOCK as u64 {
                    self.blocks.push_back(Block::default());
                    continue;
                }
                self.push_block(end, 0);
            }
            let upto = (end + BLOCK as u64 - end % BLOCK as u64).min(sequence);
            let last = self.blocks.back_mut().expect("a row with slots has blocks");
            last.slots.extend((end..upto).map(|_| Slot::settled()));
        }
    }

    /// Settles a live slot and gives back the memory of blocks that have no other. Returns the slot's message, which may be
    /// elsewhere; `None` when there is no such slot.
    #[inline]
    pub fn remove(&mut self, sequence: u64) -> Option<Option<Message>> {
        let index = sequence.checked_sub(self.base)?;
        let (number, offset) = (
            (index / BLOCK as u64) as usize,
            (index % BLOCK as u64) as usize,
        );
        let last = number + 1 == self.blocks.len();
        let block = self.blocks.get_mut(number)?;
        let slot = block
            .slots
            .get_mut(offset)
            .filter(|slot| slot.state != State::Settled)?;
        slot.state = State::Settled;
        let message = slot.message.take();
        block.live -= 1;
        if block.live == 0 && (!last || block.slots.len() == BLOCK) {
            block.slots = Vec::new();
            if number == 0 {
                self.pop_empty();
            }
        }
        Some(message)
    }

    fn pop_empty(&mut self) {
        while self
            .blocks
            .front()
            .is_some_and(|block| block.live == 0 && block.slots.is_empty())
        {
            self.blocks.pop_front();
            self.base += BLOCK as u64;
        }
    }

    /// Cuts off the slots from `sequence` on.
    pub fn split_off(&mut self, sequence: u64) -> Self {
        let Some(index) = sequence.checked_sub(self.base) else {
            return std::mem::take(self);
        };
        let (number, offset) = (
            (index / BLOCK as u64) as usize,
            (index % BLOCK as u64) as usize,
        );
        if number >= self.blocks.len() {
            return Self::default();
        }
        let mut blocks = self.blocks.split_off(number);
        let base = self.base + (number * BLOCK) as u64;
        if offset > 0
            && let Some(first) = blocks.front_mut()
            && !first.slots.is_empty()
        {
            let behind = first.slots.split_off(offset.min(first.slots.len()));
            let mut before = std::mem::take(&mut first.slots);
            first.slots = Vec::with_capacity(BLOCK);
            first.slots.extend((0..offset).map(|_| Slot::settled()));
            first.slots.extend(behind);
            let live = |slots: &[Slot]| {
                slots
                    .iter()
                    .filter(|slot| slot.state != State::Settled)
                    .count() as u32
            };
            first.live = live(&first.slots);
            let live = live(&before);
            before.shrink_to_fit();
            self.blocks.push_back(Block {
                slots: before,
                live,
            });
        }
        Self { blocks, base }
    }

    /// Takes the slots in front of `sequence` out.
    pub fn split_front(&mut self, sequence: u64) -> Self {
        let behind = self.split_off(sequence);
        std::mem::replace(self, behind)
    }

    /// Appends a row that begins where this one ends or behind it.
    pub fn append(&mut self, mut other: Self, begins: u64) {
        if other.blocks.is_empty() {
            return;
        }
        self.pad_to(begins);
        if self.blocks.is_empty() {
            *self = other;
            return;
        }
        let offset = (begins % BLOCK as u64) as usize;
        if offset > 0
            && let Some(mut first) = other.blocks.pop_front()
        {
            if first.slots.len() > offset {
                let last = self.blocks.back_mut().expect("a row with slots has blocks");
                last.slots.extend(first.slots.drain(offset..));
                last.live += first.live;
            } else if !other.blocks.is_empty() {
                self.pad_to(begins + (BLOCK - offset) as u64);
            }
        }
        self.blocks.append(&mut other.blocks);
    }

    /// Each slot that is not settled, in order.
    pub fn each(&self) -> impl Iterator<Item = (u64, &Slot)> {
        self.from(self.base)
    }

    /// Visits each slot that is not settled, in order.
    pub fn each_mut(&mut self, mut visit: impl FnMut(u64, &mut Slot)) {
        for (number, block) in self.blocks.iter_mut().enumerate() {
            for (offset, slot) in block.slots.iter_mut().enumerate() {
                if slot.state != State::Settled {
                    visit(self.base + (number * BLOCK + offset) as u64, slot);
                }
            }
        }
    }

    /// Each slot from `sequence` on that is not settled, in order.
    pub fn from(&self, sequence: u64) -> impl Iterator<Item = (u64, &Slot)> {
        let index = sequence.saturating_sub(self.base);
        let (number, offset) = (
            (index / BLOCK as u64) as usize,
            (index % BLOCK as u64) as usize,
        );
        let base = self.base;
        self.blocks
            .iter()
            .enumerate()
            .skip(number)
            .flat_map(move |(b, block)| {
                block
                    .slots
                    .iter()
                    .enumerate()
                    .skip(if b == number { offset } else { 0 })
                    .filter(|(_, slot)| slot.state != State::Settled)
                    .map(move |(s, slot)| (base + (b * BLOCK + s) as u64, slot))
            })
    }

    /// Panics when the counts and the contents do not agree; returns the live slots.
    #[cfg(test)]
    pub fn check(&self) -> usize {
        assert!(self.base.is_multiple_of(BLOCK as u64));
        let mut live = 0;
        for (index, block) in self.blocks.iter().enumerate() {
            let here = block
                .slots
                .iter()
                .filter(|slot| slot.state != State::Settled)
                .count();
            assert_eq!(here, block.live as usize, "block {index}");
            let last = index + 1 == self.blocks.len();
            assert!(last || block.slots.is_empty() || block.slots.len() == BLOCK);
            live += here;
        }
        live
    }
}
