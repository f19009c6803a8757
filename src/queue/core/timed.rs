//! What the clock does to messages that are not the next one: only in queues with an index.

use super::{Core, STEPS_MAX};
use crate::queue::Outcome;
use crate::queue::dead_letter::Reason;
use crate::queue::effects::Effects;
use crate::queue::slots::Back;

impl Core {
    /// How a message comes back that has done so `returned` times now.
    pub(super) fn back(&self, sequence: u64, returned: u32, outcome: Outcome, now: u64) -> Back {
        match &self.rules.retry {
            Some(retry) if retry.applies(outcome == Outcome::Return) => {
                Back::Held(now.saturating_add(retry.delay_ms(returned, sequence ^ now)))
            }
            _ => Back::Returned,
        }
    }

    /// A message that had come back before the restart waits anew, as long as after its last return.
    pub(in crate::queue) fn hold_again(&mut self, sequence: u64, now: u64) {
        let returned = self.slots.get(sequence).map_or(0, |slot| slot.returned);
        if let Some(retry) = self.rules.retry.filter(|_| returned > 0) {
            let until = now.saturating_add(retry.delay_ms(returned, sequence ^ now));
            self.slots.hold(sequence, until);
        }
    }

    /// Messages die whose time has come, wherever they stand (`x-exact-ttl`, held messages), or at the heads of their levels.
    pub(super) fn expire_anywhere(&mut self, now: u64, effects: &mut Effects) {
        let reason = if self.rules.order.until_due {
            Reason::Due
        } else {
            Reason::Expired
        };
        for step in 0.. {
            let Some(sequence) = self.slots.first_expired(now) else {
                return;
            };
            if step == STEPS_MAX {
                effects.unfinished = true;
                return;
            }
            effects.unfinished |= self.unready(sequence);
            self.bury(sequence, reason, effects);
        }
    }
}
