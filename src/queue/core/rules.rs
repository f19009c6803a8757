//! Other rules for a queue that is there: its policies have changed.

use std::sync::Arc;

use super::Core;
use crate::queue::effects::Effects;
use crate::queue::expiry::NEVER;
use crate::queue::{Queue, Rules};

impl Core {
    /// See `Locked::set_rules`.
    pub(in crate::queue) fn set_rules(
        &mut self,
        me: &Arc<Queue>,
        rules: Arc<Rules>,
        now: u64,
        effects: &mut Effects,
    ) {
        if self.gone {
            return;
        }
        if self.rules.expires_ms != rules.expires_ms {
            self.last_used = now;
        }
        self.rules = rules;
        if self.stream.is_some() {
            return self.stream_attend(me, now, effects);
        }
        if self.rules.dedup.is_none() {
            self.known = None;
        }
        if !self.slots.set_order(&self.rules.order) {
            tracing::info!(
                queue = %me.spec.name,
                "some of its messages are on disk alone: group-header of its policy holds once the queue has been empty, or after a restart"
            );
        }
        self.dispatch(me, now, NEVER, effects);
        self.trim(now, effects);
    }
}
