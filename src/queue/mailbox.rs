//! What a connection is to do: deliveries to encode, and a lane of controls that is never refused.
//!
//! Queues push, the one connection drains. The deliveries are bounded by count, by bytes and by a share for each consumer; a
//! queue whose push is refused is registered for a turn in the same critical section, so that no wake-up is lost: whoever
//! drains gets the list of those waiting and serves them. A push hands back the connection's waker at most once a batch.
//! Knows no sockets and no frames; checked under shuttle (`tests` below).

use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use super::Queue;
use super::figures::Question;
use super::sync::{Mutex, MutexGuard};
use crate::message::Message;
use crate::wire::reply::Reply;

/// Deliveries that one connection may hold unsent. Beyond it the queue serves someone else or waits.
pub const DELIVERIES_MAX: usize = 2048;
/// Bytes of messages that one connection may hold unsent; one message may go over it.
pub const BYTES_MAX: usize = 1024 * 1024;
/// Deliveries of one consumer between two drains, so that one busy queue leaves room for the others of its connection.
pub const SHARE_MAX: usize = 1024;

/// Bit of [`Delivery::returned`] that says that the message comes from a stream, and its sequence number is its offset.
pub const STREAMED: u32 = 1 << 31;

/// One message on its way to a consumer.
pub struct Delivery {
    /// The connection's number of the consumer.
    pub consumer: u32,
    /// It may have been delivered before.
    pub redelivered: bool,
    /// It was counted against the limit that its channel's consumers share.
    pub counted: bool,
    /// How often it came back before, for `x-delivery-count`; and [`STREAMED`].
    pub returned: u32,
    /// Its place in its queue.
    pub sequence: u64,
    /// What to deliver.
    pub message: Message,
}

/// Something that a connection must do besides delivering. Never refused; each is rare or bounded by what the peer asked for.
pub enum Control {
    /// The queue of this consumer is gone: tell the client if it wants to know.
    ConsumerCancelled(u32),
    /// A reply for the direct reply-to consumer of a channel.
    DirectReply {
        /// Number of the channel that consumes `amq.rabbitmq.reply-to`.
        channel: u16,
        /// The reply.
        message: Message,
    },
    /// Close the connection with this reply.
    Close(Reply),
    /// A resource alarm was raised or cleared: look at the broker's.
    Alarm,
    /// The head of a queue that a basic.get waits for has come from disk: try again.
    Loaded,
    /// Somebody wants to know how the connection is.
    Describe(Question),
}

/// Bytes of direct replies that a connection may hold unsent; one may go over it, more are dropped, as at-most-once allows.
const REPLY_BYTES_MAX: usize = 16 * 1024 * 1024;

#[derive(Default)]
struct Inner {
    deliveries: Vec<Delivery>,
    bytes: usize,
    reply_bytes: usize,
    controls: Vec<Control>,
    waiting: Vec<(Arc<Queue>, u32)>,
    waker: Option<Waker>,
    /// Counts the drains; a consumer's share starts anew with each.
    epoch: u64,
    closed: bool,
}

impl Inner {
    fn take_deliveries(&mut self, spare: Vec<Delivery>) -> Drained {
        self.epoch += 1;
        self.bytes = 0;
        Drained {
            deliveries: std::mem::replace(&mut self.deliveries, spare),
            controls: Vec::new(),
            waiting: std::mem::take(&mut self.waiting),
        }
    }
}

/// The mailbox of one connection.
#[derive(Default)]
pub struct Mailbox {
    inner: Mutex<Inner>,
}

/// What one drain took.
#[derive(Default)]
pub struct Drained {
    /// Deliveries in the order in which they were pushed.
    pub deliveries: Vec<Delivery>,
    /// Controls in order.
    pub controls: Vec<Control>,
    /// Queues whose push was refused, with their consumer: to be resumed.
    pub waiting: Vec<(Arc<Queue>, u32)>,
}

/// How much one consumer has pushed since the last drain.
#[derive(Clone, Copy, Default)]
pub struct Share {
    epoch: u64,
    pushed: usize,
}

/// The mailbox, locked for a run of pushes by a queue that is itself locked.
pub struct Slot<'a> {
    inner: MutexGuard<'a, Inner>,
}

impl Slot<'_> {
    /// Whether the consumer with this share may push now.
    #[inline]
    pub fn has_room(&mut self, share: &mut Share) -> bool {
        if share.epoch != self.inner.epoch {
            *share = Share {
                epoch: self.inner.epoch,
                pushed: 0,
            };
        }
        self.inner.deliveries.len() < DELIVERIES_MAX
            && self.inner.bytes < BYTES_MAX
            && share.pushed < SHARE_MAX
            && !self.inner.closed
    }

    /// Appends a delivery, for which there [is room](Self::has_room).
    #[inline]
    pub fn push(&mut self, share: &mut Share, delivery: Delivery) {
        share.pushed += 1;
        self.inner.bytes += delivery.message.memory();
        self.inner.deliveries.push(delivery);
    }

    /// Registers a queue whose push has just been refused. A closed mailbox forgets it: its consumers are about to go.
    pub fn wait(&mut self, queue: Arc<Queue>, consumer: u32) {
        if !self.inner.closed {
            self.inner.waiting.push((queue, consumer));
        }
    }

    /// The waker to call once all locks are released, if the connection sleeps.
    #[inline]
    pub fn waker(&mut self) -> Option<Waker> {
        self.inner.waker.take()
    }
}

impl Mailbox {
    /// Locks it for a run of pushes. Lock order: queue, then mailbox; never two mailboxes.
    #[inline]
    pub fn slot(&self) -> Slot<'_> {
        Slot {
            inner: self.inner.lock(),
        }
    }

    /// Adds a control and wakes the connection.
    pub fn control(&self, control: Control) {
        let waker = {
            let mut inner = self.inner.lock();
            if inner.closed {
                return;
            }
            if let Control::DirectReply { message, .. } = &control {
                if inner.reply_bytes >= REPLY_BYTES_MAX {
                    return;
                }
                inner.reply_bytes += message.memory();
            }
            inner.controls.push(control);
            inner.waker.take()
        };
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// Ready when there is something to drain; otherwise the task is woken when there is. With `deliveries` false only controls
    /// count, for a connection whose peer does not read.
    pub fn poll(&self, deliveries: bool, context: &mut Context<'_>) -> Poll<()> {
        let mut inner = self.inner.lock();
        let some = !inner.controls.is_empty()
            || (deliveries && (!inner.deliveries.is_empty() || !inner.waiting.is_empty()));
        if some {
            return Poll::Ready(());
        }
        // A sleeping connection keeps no memory for deliveries.
        if inner.deliveries.is_empty() && inner.deliveries.capacity() > 0 {
            inner.deliveries = Vec::new();
        }
        match &inner.waker {
            Some(waker) if waker.will_wake(context.waker()) => {}
            _ => inner.waker = Some(context.waker().clone()),
        }
        Poll::Pending
    }

    /// Takes what is there; `deliveries` false leaves the deliveries. `spare` is an empty vector whose memory the mailbox goes
    /// on with, so that a busy connection does not allocate for each batch.
    pub fn drain(&self, deliveries: bool, spare: Vec<Delivery>) -> Drained {
        debug_assert!(spare.is_empty());
        let mut inner = self.inner.lock();
        let mut drained = if deliveries {
            inner.take_deliveries(spare)
        } else {
            Drained::default()
        };
        if !inner.controls.is_empty() {
            drained.controls = std::mem::take(&mut inner.controls);
            inner.reply_bytes = 0;
        }
        drained
    }

    /// Takes the deliveries alone, whatever else is there.
    pub fn drain_deliveries(&self) -> Drained {
        self.inner.lock().take_deliveries(Vec::new())
    }

    /// Shows what is in it: deliveries, controls, queues that wait.
    #[cfg(test)]
    pub fn look<T>(
        &self,
        eye: impl FnOnce(&[Delivery], &[Control], &[(Arc<Queue>, u32)]) -> T,
    ) -> T {
        let inner = self.inner.lock();
        eye(&inner.deliveries, &inner.controls, &inner.waiting)
    }

    /// No more pushes: the connection ends. Returns what was in it, to be given back to the queues.
    pub fn close(&self) -> Drained {
        let mut inner = self.inner.lock();
        inner.closed = true;
        inner.waker = None;
        Drained {
            deliveries: std::mem::take(&mut inner.deliveries),
            controls: std::mem::take(&mut inner.controls),
            waiting: std::mem::take(&mut inner.waiting),
        }
    }
}
