//! Paging of a queue with an index: its slots stay, only the bytes of messages leave and come back.
//!
//! Eviction goes over the slots window by window, from the newest to the oldest and then anew, and leaves the next messages
//! alone. Persistent messages are read back from the journal; others are written to extents first, each of which is kept until
//! none of its messages lies there alone. After a start the backlog is read through once; of what is read, bytes beyond
//! [`SCAN_KEEP`] leave again at once.

use std::collections::HashSet;

use super::super::core::Core;
use super::super::slots::{Garbage, Slot, State};
use super::evict::{LOOKED_MAX, Limits, Scan, Spilling, Step};
use super::extent::Entry;
use crate::message::Message;
use crate::store::spill::Extent;

/// Bytes of messages that a queue keeps while its backlog is read through.
const SCAN_KEEP: u64 = 1024 * 1024;
/// Messages that stay because they are next, at most.
const KEPT_MAX: usize = 1000;

impl Core {
    /// One bounded step of eviction.
    pub(super) fn evict_indexed(&mut self, limits: Limits) -> Step {
        let (base, end) = (self.slots.base(), self.slots.front_end());
        let to = self.paging.looked_to.unwrap_or(end).min(end);
        if to <= base {
            // Once round; again only if that was of use.
            self.paging.looked_to = None;
            return match std::mem::take(&mut self.paging.any_left) {
                true => Step::Freed(0, Garbage::default()),
                false => Step::Nothing,
            };
        }
        let from = to.saturating_sub(LOOKED_MAX as u64).max(base);
        let kept = self.kept(limits.keep);
        let ledger = self.log.as_ref().map(|log| &log.ledger);
        let mut scan = Scan::new(limits, ledger);
        let mut away = Vec::new();
        let mut all = true;
        for (sequence, slot) in self.slots.between(from, to) {
            let may_leave = match slot.state {
                State::Ready => !kept.contains(&sequence),
                State::Delivered => limits.taken,
                // Whoever drains them has them in hand; others wait for a place, at least once.
                State::Dying => limits.taken && !self.draining && self.rules.at_least_once,
                State::Settled => false,
            };
            if slot.message.is_none() || !may_leave {
                continue;
            }
            match scan.on_disk(sequence, slot) {
                Some(true) => away.push(sequence),
                Some(false) => {}
                None if slot.state == State::Ready && limits.spill => {
                    all &= scan.take(sequence, slot);
                }
                None => {}
            }
        }
        let entries = scan.entries;
        if entries.is_empty() || (away.is_empty() && all) {
            self.paging.looked_to = Some(from);
        }
        if away.is_empty() && entries.is_empty() {
            return Step::Freed(0, Garbage::default());
        }
        self.paging.any_left = true;
        if away.is_empty() {
            return Step::Spill(Spilling {
                from,
                to,
                entries,
                alone: true,
            });
        }
        let before = self.slots.resident();
        let mut garbage = Garbage::default();
        for sequence in away {
            garbage.add_message(self.slots.drop_body(sequence));
        }
        Step::Freed(before - self.slots.resident(), garbage)
    }

    /// The next messages, about `keep` bytes of them.
    fn kept(&self, keep: u64) -> HashSet<u64> {
        let mut bytes = 0;
        self.slots
            .upcoming()
            .take(KEPT_MAX)
            .take_while(|sequence| {
                let before = bytes;
                let slot = self.slots.get(*sequence);
                let message = slot.and_then(|slot| slot.message.as_ref());
                bytes += message.map_or(0, Message::memory) as u64;
                before < keep
            })
            .collect()
    }

    /// The messages are in a spill file: those that are still as they were leave memory.
    pub(super) fn spilled_alone(&mut self, spilling: Spilling, extent: Extent) -> Step {
        if self.gone || !spilling.alone || !self.slots.has_index() {
            return Step::Nothing;
        }
        let number = self.paging.last_extent.wrapping_add(1).max(1);
        if self.paging.extents.contains_key(&number) {
            return Step::Nothing;
        }
        self.paging.last_extent = number;
        let before = self.slots.resident();
        let mut garbage = Garbage::default();
        let mut count = 0;
        for Entry { sequence, .. } in &spilling.entries {
            let slot = self.slots.get(*sequence);
            if slot.is_some_and(|slot| slot.state == State::Ready && slot.message.is_some()) {
                garbage.add_message(self.slots.spill(*sequence, number));
                count += 1;
            }
        }
        if count > 0 {
            self.paging.extents.insert(number, (extent, count));
        }
        Step::Freed(before - self.slots.resident(), garbage)
    }

    /// The extent in which a message lies alone, and its number.
    pub(super) fn extent_of(&self, sequence: u64) -> Option<(u32, &Extent)> {
        let number = self.slots.extent_of(sequence);
        let (extent, _) = self.paging.extents.get(&number)?;
        Some((number, extent))
    }

    /// A message does not need its extent any more.
    pub(in crate::queue) fn forget_extent(&mut self, sequence: u64) {
        let number = self.slots.extent_of(sequence);
        if number == 0 {
            return;
        }
        self.slots.unspill(sequence);
        if let Some((_, count)) = self.paging.extents.get_mut(&number) {
            *count -= 1;
            if *count == 0 {
                self.paging.extents.remove(&number);
            }
        }
    }

    /// A message of the backlog has been read: its bytes leave again when enough others are there.
    pub(super) fn drop_scanned(&mut self, sequence: u64) {
        let is_persistent = |slot: &Slot| {
            slot.message.as_ref().is_some_and(Message::is_persistent) && slot.state == State::Ready
        };
        if self.slots.resident() > SCAN_KEEP
            && self.log.is_some()
            && self.slots.get(sequence).is_some_and(is_persistent)
        {
            self.slots.drop_body(sequence);
        }
    }
}
