//! Consumer timeouts: deliveries that are out unsettled for too long.
//!
//! Each delivery has until its consumer's timeout: the consumer's `x-consumer-timeout`, else its queue's, else the setting. Then the
//! consumer is cancelled and what it holds goes back; where the client does not want to know of cancels, or the message was got and
//! not consumed, the channel is closed. The channel keeps one time before which nothing can be due, and looks again at that time; at
//! the latest after [`LOOK_MS`], because a policy may have changed the queue's.

use super::Channel;
use crate::connection::context::Context;
use crate::connection::output::Output;
use crate::wire::reply::Reply;

/// Nothing is out.
const NEVER: u64 = u64::MAX;

/// Milliseconds between two looks at what is out.
const LOOK_MS: u64 = 10_000;

/// The time at which a channel is to be looked at.
pub struct Watch {
    at: u64,
}

impl Default for Watch {
    fn default() -> Self {
        Self { at: NEVER }
    }
}

impl Watch {
    /// A delivery goes out that may stay out for `timeout_ms`.
    #[inline]
    pub fn delivered(&mut self, now: u64, timeout_ms: Option<u64>) {
        if let Some(timeout) = timeout_ms {
            self.at = self.at.min(now.saturating_add(timeout.min(LOOK_MS)));
        }
    }
}

impl Channel {
    /// When a delivery may have been out too long; `None` when none can be.
    pub(crate) fn next_timeout(&self) -> Option<u64> {
        (self.watch.at != NEVER).then_some(self.watch.at)
    }

    /// Ends what has been out too long. A reply is for the channel to be closed with.
    pub(crate) fn check_timeouts(
        &mut self,
        cx: &mut Context,
        out: &mut Output,
    ) -> Result<(), Reply> {
        if self.watch.at > cx.now {
            return Ok(());
        }
        self.watch.at = NEVER;
        let mut late: Vec<(u32, u64)> = Vec::new();
        let mut queues: Vec<(u32, Option<u64>)> = Vec::new();
        for unacked in self.unacked.each_mut() {
            let consumer = cx.consumers.get(unacked.consumer);
            let own = consumer.and_then(|consumer| consumer.own_timeout_ms);
            let timeout = own.or_else(|| {
                let known = queues.iter().find(|(queue, _)| *queue == unacked.queue);
                if let Some((_, timeout)) = known {
                    return *timeout;
                }
                let asked = cx
                    .queues
                    .get(unacked.queue)
                    .lock()
                    .rules()
                    .consumer_timeout_ms;
                let timeout = asked.or(cx.settings.consumer_timeout_ms);
                queues.push((unacked.queue, timeout));
                timeout
            });
            let Some(timeout) = timeout else {
                self.watch.at = self.watch.at.min(cx.now.saturating_add(LOOK_MS));
                continue;
            };
            let deadline = unacked.at.saturating_add(timeout);
            if deadline > cx.now {
                let look = deadline.min(cx.now.saturating_add(LOOK_MS));
                self.watch.at = self.watch.at.min(look);
            } else if late.iter().all(|(known, _)| *known != unacked.consumer) {
                late.push((unacked.consumer, timeout));
            }
        }
        // A consumer of several partitions goes as a whole with the first of them.
        let known = |cx: &Context, id| cx.consumers.get(id).is_some();
        let were: Vec<bool> = late.iter().map(|(id, _)| known(cx, *id)).collect();
        for ((consumer, timeout), was) in late.into_iter().zip(were) {
            if was && !known(cx, consumer) {
                continue;
            }
            tracing::warn!(
                connection = cx.id,
                channel = self.number,
                "a delivery was not acknowledged in {timeout} ms"
            );
            if !cx.capabilities.consumer_cancel_notify || cx.consumers.get(consumer).is_none() {
                return Err(Reply::consumer_timeout(self.number, timeout));
            }
            self.consumer_timed_out(cx, out, consumer);
        }
        Ok(())
    }
}
