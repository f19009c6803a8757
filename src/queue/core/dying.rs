//! Messages that die: dead-lettered where there is an exchange for that, and settled only once their copies are placed.

use super::{Core, STEPS_MAX};
use crate::message::Message;
use crate::queue::dead_letter::Reason;
use crate::queue::effects::Effects;
use crate::queue::slots::State;

impl Core {
    /// Whether `x-max-length` or `x-max-length-bytes` is exceeded.
    #[inline]
    pub(in crate::queue) fn exceeds_limits(&self) -> bool {
        let bytes = self.ready_bytes + self.slots.cold_bytes();
        self.rules.limits.exceeded_by(self.ready, bytes)
    }

    /// drop-head: the oldest ready messages leave until the limits hold.
    pub(super) fn drop_excess(&mut self, effects: &mut Effects) {
        let mut steps = 0;
        while self.exceeds_limits() {
            let Some(sequence) = self.slots.first_dropped() else {
                return;
            };
            effects.unfinished |= self.unready(sequence);
            self.bury(sequence, Reason::MaxLen, effects);
            steps += 1;
            if steps == STEPS_MAX {
                effects.unfinished = true;
                return;
            }
        }
    }

    /// A message that is neither ready nor delivered any more: dead-letter it, or drop it where there is no exchange for that.
    pub(super) fn bury(&mut self, sequence: u64, reason: Reason, effects: &mut Effects) {
        if self.slots.has_index() {
            // The next of its key need not wait until its copies are placed.
            self.slots.release(sequence);
        }
        if self.rules.dead_letter.is_some() || reason == Reason::Due {
            let slot = self.slots.get_mut(sequence).expect("the caller holds it");
            slot.state = State::Dying;
            self.dying_bytes += u64::from(slot.body_len);
            self.dying.push_back((sequence, reason));
            effects.dying = true;
        } else {
            self.remove(sequence);
        }
    }

    /// Up to `most` messages to dead-letter, in order; nobody else gets any until [`buried`](Self::buried) is called, or
    /// [`keep_for_later`](Self::keep_for_later) where they are dead-lettered at least once.
    pub(in crate::queue) fn take_dying(
        &mut self,
        most: usize,
        now: u64,
    ) -> Vec<(u64, Message, Reason)> {
        if let Some(stream) = &mut self.stream {
            return stream.take_dying(most);
        }
        if self.draining || self.dying.is_empty() || now < self.dying_rests_until {
            return Vec::new();
        }
        // Those in front whose bytes are in memory.
        let slots = &mut self.slots;
        let count = self
            .dying
            .iter()
            .take(most)
            .take_while(|(sequence, _)| !slots.is_away(*sequence))
            .count();
        self.draining = count > 0;
        self.one_by_one = self.rules.at_least_once;
        self.dying
            .drain(..count)
            .filter_map(|(sequence, reason)| {
                let message = slots.get_mut(sequence)?.message.clone()?;
                Some((sequence, message, reason))
            })
            .collect()
    }

    /// The end of a drain one by one: these, in the order in which they were taken, found no place. They are tried again at
    /// `until`, unless there are none. Returns whether more can be tried now.
    pub(in crate::queue) fn keep_for_later(
        &mut self,
        kept: impl DoubleEndedIterator<Item = (u64, Reason)>,
        until: u64,
    ) -> bool {
        self.draining = false;
        if self.gone {
            return false;
        }
        let before = self.dying.len();
        for one in kept.rev() {
            self.dying.push_front(one);
        }
        if self.dying.len() > before {
            self.dying_rests_until = until;
            return false;
        }
        self.dying
            .front()
            .is_some_and(|(sequence, _)| !self.slots.is_away(*sequence))
    }

    /// The broker stops: what was rejected, and has not died yet, is in the queue after the next start, as delivered before.
    pub(in crate::queue) fn keep_dying(&mut self) {
        let Some(log) = &mut self.log else {
            return;
        };
        for (sequence, reason) in &self.dying {
            if *reason == Reason::Rejected {
                log.requeued(*sequence);
            }
        }
    }

    /// The copies are placed: the sources are settled. Returns whether more are dying.
    pub(in crate::queue) fn buried(
        &mut self,
        sequences: impl Iterator<Item = u64>,
        now: u64,
        effects: &mut Effects,
    ) -> bool {
        if let Some(stream) = &mut self.stream {
            return stream.buried(sequences);
        }
        self.draining &= self.one_by_one;
        for sequence in sequences {
            if let Some(slot) = self
                .slots
                .get_mut(sequence)
                .filter(|slot| slot.state == State::Dying)
            {
                self.dying_bytes -= u64::from(slot.body_len);
                self.remove(sequence);
            }
        }
        if self.slots.is_paged() {
            self.look_ahead(now, effects);
        }
        self.dying
            .front()
            .is_some_and(|(sequence, _)| !self.slots.is_away(*sequence))
    }
}
