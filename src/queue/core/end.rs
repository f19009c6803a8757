//! The end of a queue: when nobody needs it any more, and its deletion.

use super::Core;
use crate::queue::consumers::ConsumerSpec;
use crate::queue::effects::Effects;

impl Core {
    /// Whether the last consumer of an auto-delete queue has gone and none has come since; or the queue is past its `x-expires`.
    pub(in crate::queue) fn is_abandoned(&self, auto_delete: bool, now: u64) -> bool {
        self.consumers.len() == 0
            && ((auto_delete && self.had_consumer)
                || self.expires_unused().is_some_and(|at| at <= now))
    }

    /// The end: everything out, nothing in any more. Returns the consumers, who are to be told.
    pub(in crate::queue) fn die(&mut self, effects: &mut Effects) -> Vec<ConsumerSpec> {
        self.gone = true;
        effects.garbage = self.slots.take_all();
        // Its leases on journal files go with it; the topology forgets its definition.
        self.log = None;
        self.known = None;
        (self.ready, self.ready_bytes, self.unacked) = (0, 0, 0);
        self.dying.clear();
        self.dying_bytes = 0;
        self.forget_paged();
        if let Some(stream) = &mut self.stream {
            return stream.die();
        }
        let all = self.consumers.take_all();
        all.into_iter().map(|consumer| consumer.spec).collect()
    }
}
