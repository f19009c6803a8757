//! What leaves memory. See the module above.

use super::super::STEPS_MAX;
use super::super::core::Core;
use super::super::slots::{Garbage, Slot, State};
use super::extent::{Entry, Image};
use super::{Paging, Spilled};
use crate::message::Message;
use crate::store::StoreError;
use crate::store::ledger::{Ledger, Piece, Pieces};
use crate::store::spill::{Extent, Spill};

/// Bytes of messages of one extent.
pub const EXTENT_BYTES: usize = 1024 * 1024;
/// Messages that one lock hold looks at; cheaper steps than those of verbs.
pub(super) const LOOKED_MAX: usize = 4 * STEPS_MAX;

/// How far an eviction goes.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Bytes at the head that stay for the next consumer.
    pub keep: u64,
    /// What lies in the journal in front of this position can be read back.
    pub written: u64,
    /// Bodies of messages that are out leave, too.
    pub taken: bool,
    /// There is a spill file to write to.
    pub spill: bool,
}

/// What one step did.
pub enum Step {
    /// So much memory was given back; the garbage is to be dropped without the lock. Perhaps there is more.
    Freed(u64, Garbage),
    /// These are to be written first.
    Spill(Spilling),
    /// Nothing can leave now.
    Nothing,
}

/// Messages on their way to a spill file.
pub struct Spilling {
    pub(super) from: u64,
    pub(super) to: u64,
    pub(super) entries: Vec<Entry>,
    /// Their slots stay: they are of a queue with an index.
    pub(super) alone: bool,
}

impl Spilling {
    /// Writes them. Without any lock.
    pub fn write(&self, spill: &Spill) -> Result<Extent, StoreError> {
        spill.write(&Image::of(&self.entries).parts())
    }
}

/// How far an eviction from some message on may go.
pub(super) struct Scan<'a> {
    limits: Limits,
    ledger: Option<&'a Ledger>,
    pub(super) entries: Vec<Entry>,
    bytes: usize,
    looked: usize,
    /// The ledger's pieces from the first message that was looked up on, and the one that the last was in or in front of.
    pieces: Option<Pieces<'a>>,
    piece: Option<Piece>,
    looked_bytes: usize,
}

impl<'a> Scan<'a> {
    pub(super) fn new(limits: Limits, ledger: Option<&'a Ledger>) -> Self {
        Self {
            limits,
            ledger,
            entries: Vec::new(),
            bytes: 0,
            looked: 0,
            pieces: None,
            piece: None,
            looked_bytes: 0,
        }
    }

    /// Whether the journal has the message (`None`: it never will), and it can be read back.
    pub(super) fn on_disk(&mut self, sequence: u64, slot: &Slot) -> Option<bool> {
        let ledger = self.ledger?;
        if !slot.message.as_ref()?.is_persistent() {
            return None;
        }
        let pieces = self
            .pieces
            .get_or_insert_with(|| ledger.pieces(sequence, u64::MAX));
        while self
            .piece
            .as_ref()
            .is_none_or(|piece| piece.end() <= sequence)
        {
            self.piece = Some(pieces.next()?);
        }
        let piece = self.piece.as_ref().filter(|one| one.first <= sequence)?;
        Some(piece.run.end() <= self.limits.written)
    }

    /// Takes one more message; false when the step ends in front of it.
    pub(super) fn take(&mut self, sequence: u64, slot: &Slot) -> bool {
        if self.looked == LOOKED_MAX
            || (!self.entries.is_empty() && self.looked_bytes >= 2 * EXTENT_BYTES)
        {
            return false;
        }
        self.looked += 1;
        self.looked_bytes += slot.message.as_ref().map_or(0, Message::memory);
        match self.on_disk(sequence, slot) {
            Some(is_written) => is_written,
            None => {
                let Some(message) = slot.message.as_ref().filter(|_| self.limits.spill) else {
                    return false;
                };
                if self.bytes >= EXTENT_BYTES {
                    return false;
                }
                self.bytes += message.memory();
                self.entries.push(Entry {
                    sequence,
                    message: message.clone(),
                    expires: slot.expires,
                    returned: slot.returned,
                    redelivered: slot.redelivered,
                });
                true
            }
        }
    }
}

impl Core {
    /// One bounded step of eviction.
    pub(in crate::queue) fn evict(&mut self, limits: Limits) -> Step {
        if self.gone {
            return Step::Nothing;
        }
        if let Some(stream) = &mut self.stream {
            let (before, mut garbage) = (stream.resident(), Garbage::default());
            stream.trim_tail(limits.written, true, &mut garbage);
            return match before - stream.resident() {
                0 => Step::Nothing,
                freed => Step::Freed(freed, garbage),
            };
        }
        if self.slots.has_index() {
            return self.evict_indexed(limits);
        }
        let ledger = self.log.as_ref().map(|log| &log.ledger);
        let mut scan = Scan::new(limits, ledger);
        let range = match self.slots.cold() {
            Some(cold) => {
                let mut to = cold.end;
                for (sequence, slot) in self.slots.tail() {
                    if !scan.take(sequence, slot) {
                        break;
                    }
                    to = sequence + 1;
                }
                if to > cold.end {
                    (cold.end, to)
                } else {
                    // The tail has to stay: the end of the front, unless it is being added to.
                    scan = Scan::new(limits, ledger);
                    let from = self.behind_kept(limits.keep).filter(|_| !self.paging.asked);
                    let from =
                        from.map(|from| from.max(cold.first.saturating_sub(LOOKED_MAX as u64)));
                    let all = from.is_some_and(|from| {
                        self.slots
                            .front()
                            .skip_while(|(sequence, _)| *sequence < from)
                            .all(|(sequence, slot)| scan.take(sequence, slot))
                    });
                    match from {
                        Some(from) if all => (from, cold.first),
                        _ => return self.evict_taken(limits),
                    }
                }
            }
            None => {
                let Some(from) = self.behind_kept(limits.keep) else {
                    return self.evict_taken(limits);
                };
                let mut to = from;
                for (sequence, slot) in self
                    .slots
                    .front()
                    .skip_while(|(sequence, _)| *sequence < from)
                {
                    if !scan.take(sequence, slot) {
                        break;
                    }
                    to = sequence + 1;
                }
                (from, to)
            }
        };
        let (from, to) = range;
        if from >= to {
            return self.evict_taken(limits);
        }
        let entries = scan.entries;
        if entries.is_empty() {
            return self.drop_range(from, to);
        }
        Step::Spill(Spilling {
            from,
            to,
            entries,
            alone: false,
        })
    }

    /// The first never-taken message behind `keep` bytes of them.
    fn behind_kept(&self, keep: u64) -> Option<u64> {
        let mut bytes = 0;
        self.slots
            .front()
            .find(|(_, slot)| {
                let before = bytes;
                bytes += slot.message.as_ref().map_or(0, |message| message.memory()) as u64;
                before >= keep
            })
            .map(|(sequence, _)| sequence)
    }

    fn drop_range(&mut self, from: u64, to: u64) -> Step {
        let head = self
            .slots
            .front()
            .find(|(sequence, _)| *sequence >= from)
            .map(|(sequence, slot)| (sequence, slot.expires));
        let before = self.slots.resident();
        let cold_before = self.slots.cold().map(|cold| cold.first);
        let Some(evicted) = self.slots.evict(from, to) else {
            return Step::Nothing;
        };
        self.ready_bytes -= evicted.body_bytes;
        if self.slots.cold().map(|cold| cold.first) != cold_before {
            self.paging.head = head;
            self.mark_low();
        }
        Step::Freed(before - self.slots.resident(), evicted.garbage)
    }

    /// The messages are in a spill file: if they are still there they leave memory.
    pub(in crate::queue) fn spilled(&mut self, spilling: Spilling, extent: Extent) -> Step {
        if spilling.alone || self.slots.has_index() {
            return self.spilled_alone(spilling, extent);
        }
        let Spilling {
            from, to, entries, ..
        } = spilling;
        let first = entries.first().map_or(from, |entry| entry.sequence);
        // One that was taken meanwhile and came back is never-taken again, but not what was written.
        let unchanged = |entry: &Entry| {
            self.slots.any(entry.sequence).is_some_and(|slot| {
                slot.state == State::Ready
                    && slot.message.is_some()
                    && slot.returned == entry.returned
                    && slot.redelivered == entry.redelivered
            })
        };
        if self.gone || !entries.iter().all(unchanged) || !self.slots.is_never_taken(from) {
            return Step::Nothing;
        }
        let step = self.drop_range(from, to);
        if matches!(step, Step::Freed(..)) {
            let end = entries.last().map_or(to, |entry| entry.sequence + 1);
            self.paging.spilled.insert(first, Spilled { end, extent });
        }
        step
    }

    /// Bodies of messages that are out, and of those that came back, as far as the journal has them.
    fn evict_taken(&mut self, limits: Limits) -> Step {
        // What is out is retained once it is acknowledged.
        if !limits.taken || self.rules.retain_acked_ms.is_some() {
            return Step::Nothing;
        }
        let ledger = self.log.as_ref().map(|log| &log.ledger);
        let mut scan = Scan::new(limits, ledger);
        let kept = self.slots.first_ready();
        let mut away: Vec<u64> = Vec::new();
        let mut next = 0;
        for (sequence, slot) in self.slots.taken(self.paging.taken_to).take(LOOKED_MAX) {
            next = sequence + 1;
            if slot.message.is_some()
                && slot.state != State::Dying
                && Some(sequence) != kept
                && scan.on_disk(sequence, slot) == Some(true)
            {
                away.push(sequence);
            }
        }
        self.paging.taken_to = next;
        if away.is_empty() && next > 0 {
            return Step::Freed(0, Garbage::default());
        }
        if away.is_empty() {
            return Step::Nothing;
        }
        let before = self.slots.resident();
        let mut garbage = Garbage::default();
        for sequence in away {
            garbage.add_message(self.slots.drop_body(sequence));
        }
        Step::Freed(before - self.slots.resident(), garbage)
    }

    /// Says from where on the front is low: so that the next messages are there before a fast consumer needs them.
    pub(super) fn mark_low(&mut self) {
        let want = self.paging.ahead.max(super::AHEAD_MIN);
        let Some(cold) = self.slots.cold() else {
            return;
        };
        let mut bytes = 0;
        let mut low = cold.first;
        for (sequence, slot) in self.slots.front_backwards() {
            bytes += slot.message.as_ref().map_or(0, |message| message.memory()) as u64;
            if bytes > want {
                break;
            }
            low = sequence;
        }
        self.slots.set_low(low);
    }
}

impl Paging {
    /// Whether any message of the queue lies in a spill file.
    #[cfg(test)]
    pub fn has_spilled(&self) -> bool {
        !self.spilled.is_empty() || !self.extents.is_empty()
    }
}
