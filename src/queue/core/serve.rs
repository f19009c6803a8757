//! Consumers come, go, and can take more.

use std::sync::Arc;

use super::Core;
use crate::queue::Queue;
use crate::queue::consumers::{ConsumerSpec, ExclusiveUse};
use crate::queue::effects::Effects;
use crate::queue::expiry::NEVER;
use crate::queue::mailbox::Mailbox;

impl Core {
    pub(in crate::queue) fn active_consumer(&self) -> Option<u32> {
        self.consumers.active()
    }

    pub(in crate::queue) fn singles_out(&self) -> bool {
        self.consumers.singles_out()
    }

    pub(in crate::queue) fn consuming(&self) -> Vec<Arc<Mailbox>> {
        match &self.stream {
            Some(stream) => stream.mailboxes(),
            None => self.consumers.mailboxes(),
        }
    }

    pub(in crate::queue) fn consumer_count(&self) -> usize {
        match &self.stream {
            Some(stream) => stream.consumer_count(),
            None => self.consumers.len(),
        }
    }

    pub(in crate::queue) fn unacked(&self) -> usize {
        match &self.stream {
            Some(stream) => stream.unacked(),
            None => self.unacked,
        }
    }

    /// Memory of its messages.
    pub(in crate::queue) fn resident(&self) -> u64 {
        match &self.stream {
            Some(stream) => stream.resident(),
            None => self.slots.resident(),
        }
    }

    /// Adds a consumer; what waits goes to it in [`resume`](Self::resume), after the caller has said consume-ok.
    pub(in crate::queue) fn consume(&mut self, spec: ConsumerSpec) -> Result<u32, ExclusiveUse> {
        let number = self.consumers.add(spec)?;
        self.had_consumer = true;
        Ok(number)
    }

    /// A consumer can take more: its mailbox was drained, its channel has credit, or it is new.
    pub(in crate::queue) fn resume(
        &mut self,
        me: &Arc<Queue>,
        consumers: impl Iterator<Item = u32>,
        channel: bool,
        now: u64,
        effects: &mut Effects,
    ) {
        for number in consumers {
            self.consumers.resume(number, channel);
        }
        self.dispatch(me, now, NEVER, effects);
        self.trim(now, effects);
    }

    pub(in crate::queue) fn cancel(
        &mut self,
        number: u32,
        auto_delete: bool,
        now: u64,
        effects: &mut Effects,
    ) {
        if self.consumers.remove(number).is_none() {
            return;
        }
        if self.consumers.len() == 0 {
            self.last_used = now;
            effects.unused = auto_delete;
        }
        // Another one may have become the single active consumer.
        effects.unfinished |= self.rules.single_active && self.ready > 0;
        self.arm(now, effects);
    }
}
