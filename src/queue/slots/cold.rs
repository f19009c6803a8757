//! The cold range of a queue: messages never taken that have no slots, because they lie on disk.
//!
//! `[first, end)` are sequence numbers between the front, from which consumers are served, and the tail, to which publishers
//! append. Eviction moves `end` up (and, when even the fronts are too much, `first` down); loading moves `first` up, slot by
//! slot, in order. Where the messages lie is for the caller to know; here are only their number and their body bytes. A range
//! that has become empty vanishes, and the tail is joined to the front.

use super::row::{BLOCK, Row};
use super::{Garbage, Slot, Slots, State};
use crate::message::Message;

/// See the module.
pub struct Cold {
    /// Sequence number of the first; nothing in front of it is cold.
    pub first: u64,
    /// Sequence number behind the last.
    pub end: u64,
    /// Messages in the range; fewer than its numbers where some were settled before a restart.
    pub count: usize,
    /// Their body bytes, as far as they are known.
    pub bytes: u64,
    /// Once the cursor is here the front is low.
    pub low_at: u64,
    /// The slots from `end` on.
    pub tail: Row,
}

/// The cold range, as others see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Range {
    /// Sequence number of the first.
    pub first: u64,
    /// Sequence number behind the last.
    pub end: u64,
    /// Messages in it.
    pub count: usize,
    /// Body bytes of them.
    pub bytes: u64,
}

/// What has left memory.
#[derive(Default)]
pub struct Evicted {
    /// Messages.
    pub count: usize,
    /// Their body bytes.
    pub body_bytes: u64,
    /// Memory that it gives back.
    pub memory: u64,
    /// The slots, to be dropped outside the lock.
    pub garbage: Garbage,
}

impl Slots {
    /// A queue that was found on disk: all its messages are cold.
    pub fn start_cold(first: u64, end: u64, count: usize, bytes: u64) -> Self {
        let mut slots = Self {
            next: end,
            cursor: first,
            ..Self::default()
        };
        if count > 0 {
            slots.cold = Some(Box::new(Cold {
                first,
                end,
                count,
                bytes,
                low_at: first,
                tail: Row::default(),
            }));
        } else {
            slots.cursor = end;
        }
        slots.compactor = super::Compactor::looked(end, 0);
        slots
    }

    /// The cold range, if there is one; it has at least one message.
    #[inline]
    pub fn cold(&self) -> Option<Range> {
        self.cold.as_ref().map(|cold| Range {
            first: cold.first,
            end: cold.end,
            count: cold.count,
            bytes: cold.bytes,
        })
    }

    /// Body bytes of the cold messages.
    #[inline]
    pub fn cold_bytes(&self) -> u64 {
        self.cold.as_ref().map_or(0, |cold| cold.bytes)
    }

    /// Whether there are cold messages and few are left in front of them.
    #[inline]
    pub fn is_low(&self) -> bool {
        self.cold
            .as_ref()
            .is_some_and(|cold| self.cursor >= cold.low_at)
    }

    /// Sequence number behind the slots of the front.
    pub fn front_end(&self) -> u64 {
        self.cold.as_ref().map_or(self.next, |cold| cold.first)
    }

    /// `sequence`, or the end of the cold range that it lies in.
    pub(super) fn behind_cold(&self, sequence: u64) -> u64 {
        match &self.cold {
            Some(cold) if (cold.first..cold.end).contains(&sequence) => cold.end,
            _ => sequence,
        }
    }

    /// The never-taken messages of the front, in order.
    pub fn front(&self) -> impl Iterator<Item = (u64, &Slot)> {
        let end = self.front_end();
        self.front
            .from(self.cursor)
            .take_while(move |(sequence, _)| *sequence < end)
    }

    /// The last of them first.
    pub fn front_backwards(&self) -> impl Iterator<Item = (u64, &Slot)> {
        (self.cursor..self.front_end())
            .rev()
            .filter_map(|sequence| Some((sequence, self.front.get(sequence)?)))
    }

    /// The messages behind the cold range in order.
    pub fn tail(&self) -> impl Iterator<Item = (u64, &Slot)> {
        self.cold.iter().flat_map(|cold| cold.tail.from(cold.end))
    }

    /// The slot of a message, on whichever side of the cold range.
    pub fn any(&self, sequence: u64) -> Option<&Slot> {
        match &self.cold {
            Some(cold) if sequence >= cold.end => cold.tail.get(sequence),
            _ => self.front.get(sequence),
        }
    }

    /// Whether the message was never taken.
    pub fn is_never_taken(&self, sequence: u64) -> bool {
        sequence >= self.cursor
    }

    /// Whether some messages lie on disk alone, or may.
    #[inline]
    pub fn is_paged(&self) -> bool {
        self.cold.is_some() || self.away
    }

    /// Whether the message has a slot, and its bytes lie on disk alone.
    pub fn is_away(&self, sequence: u64) -> bool {
        self.away
            && self.front.get(sequence).is_some_and(|slot| {
                slot.message.is_none() && matches!(slot.state, State::Ready | State::Dying)
            })
    }

    /// The oldest `most` that came back.
    pub fn first_returned(&self, most: usize) -> impl Iterator<Item = u64> {
        let behind = self.cursor..self.front_end();
        self.returned.iter().copied().chain(behind).take(most)
    }

    /// The messages from `from` on that were taken, in order: returned, delivered, dying.
    pub fn taken(&self, from: u64) -> impl Iterator<Item = (u64, &Slot)> {
        let end = self.cursor;
        self.front
            .from(from)
            .take_while(move |(sequence, _)| *sequence < end)
    }

    /// The messages `from..to`, which were never taken and border on the cold range (or there is none yet), become cold.
    /// Returns `None` when they are not what the caller took them for.
    pub fn evict(&mut self, from: u64, to: u64) -> Option<Evicted> {
        if from >= to || to > self.next {
            return None;
        }
        let row = match &mut self.cold {
            Some(cold) if cold.end == from => {
                let row = cold.tail.split_front(to);
                cold.end = to;
                row
            }
            Some(cold) if cold.first == to && self.cursor <= from => {
                cold.first = from;
                self.front.split_off(from)
            }
            None if self.cursor <= from => {
                let mut row = self.front.split_off(from);
                let tail = row.split_off(to);
                self.cold = Some(Box::new(Cold {
                    first: from,
                    end: to,
                    count: 0,
                    bytes: 0,
                    low_at: from,
                    tail,
                }));
                row
            }
            _ => return None,
        };
        let mut evicted = Evicted::default();
        for (_, slot) in row.each() {
            evicted.count += 1;
            evicted.body_bytes += u64::from(slot.body_len);
            evicted.memory += slot.message.as_ref().map_or(0, Message::memory) as u64;
        }
        self.live -= evicted.count;
        self.resident -= evicted.memory;
        self.compactor.left(evicted.count);
        if let Some(cold) = &mut self.cold {
            cold.count += evicted.count;
            cold.bytes += evicted.body_bytes;
            cold.low_at = cold.low_at.min(cold.first);
        }
        evicted.garbage.add(row);
        self.close_if_empty();
        Some(evicted)
    }

    /// The next cold message comes back: `slot` becomes the last of the front. False when `sequence` is not cold (any more).
    pub fn load(&mut self, sequence: u64, mut slot: Slot) -> bool {
        let Some(cold) = &mut self.cold else {
            return false;
        };
        if sequence < cold.first || sequence >= cold.end {
            return false;
        }
        debug_assert_eq!(slot.state, State::Ready);
        if let Some(message) = &slot.message {
            self.resident += message.memory() as u64;
        }
        let was = std::mem::replace(&mut cold.first, sequence + 1);
        cold.count = cold.count.saturating_sub(1);
        cold.bytes = cold.bytes.saturating_sub(u64::from(slot.body_len));
        self.passed(was, sequence);
        if self.front.end() != sequence {
            self.front.pad_to(sequence);
        }
        if let Some(index) = &mut self.index {
            index.insert(sequence, &mut slot);
            self.cursor = sequence + 1;
        }
        self.front.push(sequence, slot, BLOCK);
        self.live += 1;
        self.compactor.live_then = self.compactor.live_then.max(self.live);
        self.close_if_empty();
        true
    }

    /// There are no messages in `from..to`, where the front ended.
    fn passed(&mut self, from: u64, to: u64) {
        if self.cursor == from {
            self.cursor = to;
        } else if from != to {
            self.holes = true;
        }
    }

    /// The front is low again from `sequence` on.
    pub fn set_low(&mut self, sequence: u64) {
        if let Some(cold) = &mut self.cold {
            cold.low_at = sequence;
        }
    }

    /// Nothing comes back in front of `to`: `lost` messages could not be read.
    pub fn pass_over(&mut self, to: u64, lost: usize) {
        let Some(cold) = &mut self.cold else {
            return;
        };
        let to = to.clamp(cold.first, cold.end);
        let was = std::mem::replace(&mut cold.first, to);
        cold.count = cold.count.saturating_sub(lost);
        self.passed(was, to);
        self.close_if_empty();
    }

    /// The cold messages are gone, all at once.
    pub fn drop_cold(&mut self) -> Option<Range> {
        let range = self.cold()?;
        self.pass_over(range.end, range.count);
        Some(range)
    }

    /// Joins the tail to the front when nothing is cold between them.
    fn close_if_empty(&mut self) {
        let Some(cold) = self
            .cold
            .take_if(|cold| cold.count == 0 || cold.first >= cold.end)
        else {
            return;
        };
        self.passed(cold.first, cold.end);
        self.front.append(cold.tail, cold.end);
        if self.front.end() != self.next {
            self.front.pad_to(self.next);
        }
        if self.index.is_some() {
            (self.cursor, self.holes) = (self.next, false);
        }
        if self.holes {
            self.skip_holes();
        }
    }

    /// The bytes of a message that keeps its slot leave memory.
    pub fn drop_body(&mut self, sequence: u64) -> Option<Message> {
        let message = self.front.get_mut(sequence)?.message.take()?;
        self.resident -= message.memory() as u64;
        self.away = true;
        Some(message)
    }
}
