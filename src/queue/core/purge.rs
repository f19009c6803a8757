//! queue.purge.

use super::{Core, STEPS_MAX};
use crate::queue::effects::Effects;

impl Core {
    /// Removes up to [`STEPS_MAX`] ready messages in front of `end`; returns how many, and whether that was all.
    pub(in crate::queue) fn purge(
        &mut self,
        end: u64,
        now: u64,
        effects: &mut Effects,
    ) -> (usize, bool) {
        if self.slots.live() == self.ready && self.slots.next_sequence() == end {
            let count = self.ready;
            if let Some(known) = &mut self.known {
                known.left_range(0..end);
            }
            if let Some(log) = &mut self.log {
                log.settled_range(0..end);
            }
            effects.garbage = self.slots.take_all();
            (self.ready, self.ready_bytes) = (0, 0);
            self.forget_paged();
            return (count, true);
        }
        let (mut count, mut freed) = (0, false);
        loop {
            while let Some(sequence) = self.slots.oldest_ready().filter(|first| *first < end) {
                if count >= STEPS_MAX {
                    return (count, false);
                }
                freed |= self.unready(sequence);
                self.remove(sequence);
                count += 1;
            }
            // What was published meanwhile may be cold as well: it goes, too.
            let is_cold = self.slots.first_ready().is_none()
                && self.slots.cold().is_some_and(|cold| cold.first < end);
            if !is_cold {
                break;
            }
            count += self.purge_cold();
        }
        effects.unfinished |= freed && self.ready > 0;
        self.trim(now, effects);
        (count, true)
    }
}
