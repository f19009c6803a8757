//! What all channels of an open connection share: who and where it is, and the work of a round that is done in batches.
//!
//! Order within a connection: publishes and settles of a round are collected and applied queue by queue. Whatever could see the
//! difference flushes first: every method but publish and settle ([`Context::flush`]), a publish to a queue with settles
//! waiting, a settle of a queue with publishes waiting.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use amq_protocol::protocol::basic;

use super::Settings;
use super::channel::confirm::Confirms;
use super::consumers::Consumers;
use super::handshake::{Capabilities, Tuned};
use super::output::Output;
use super::queues::{Queues, Settles};
use crate::broker::Broker;
use crate::broker::access::Access;
use crate::broker::publish::{Publisher, Unroutable};
use crate::broker::vhost::Vhost;
use crate::queue::mailbox::{Delivery, Mailbox};
use crate::queue::{Effects, Outcome, Queue};
use crate::wire::method;

/// See the module. Owned by the session; nobody else sees it.
pub struct Context {
    pub(super) broker: Arc<Broker>,
    pub(super) settings: Arc<Settings>,
    /// The connection's id, which its exclusive queues name as their owner.
    pub(super) id: u64,
    pub(super) mailbox: Arc<Mailbox>,
    pub(super) vhost: Arc<Vhost>,
    pub(super) access: Access,
    /// `Access::version` under which the publisher's routes were permitted.
    pub(super) permitted: u64,
    pub(super) tuned: Tuned,
    pub(super) capabilities: Capabilities,
    pub(super) publisher: Publisher,
    pub(super) confirms: Confirms,
    pub(super) queues: Queues,
    pub(super) settles: Settles,
    pub(super) consumers: Consumers,
    /// Deliveries taken from the mailbox and not encoded yet.
    pub(super) backlog: VecDeque<Delivery>,
    /// Queues that go with the connection.
    pub(super) exclusive: BTreeMap<u64, Arc<Queue>>,
    /// With so many it is looked which are still there.
    pub(super) exclusive_sweep: usize,
    /// Numbers of channels with a shared prefetch limit that has room again.
    pub(super) freed: Vec<u16>,
    /// Wake-ups of other connections, done at the end of the round.
    pub(super) wakers: Effects,
    /// Time of this round.
    pub(super) now: u64,
    /// The vhost's firehose is on.
    pub(super) traced: bool,
    /// Something was published since the alarms were last looked at.
    pub(super) published: bool,
    /// Bytes of bodies that have not come whole.
    pub(super) half_sent: usize,
    /// A basic.get, and its channel, whose message is on its way from disk. No frame is handled until it has its answer.
    pub(super) parked: Option<(u16, basic::Get)>,
    /// Counts how often consumers of a channel were served because credit came back.
    pub(super) resumed: u32,
}

impl Context {
    /// Channels have closed.
    pub(super) fn close_channels(&self, count: usize) {
        self.broker.close_channels(count);
        self.access.user.limits.close_channels(count);
    }

    /// Applies everything collected so far.
    pub(super) fn flush(&mut self, out: &mut Output) {
        self.flush_publishes(out);
        self.flush_settles();
    }

    pub(super) fn flush_publishes(&mut self, out: &mut Output) {
        if self.publisher.is_empty() && !self.confirms.has_unnoted() {
            return;
        }
        let mut unroutable: Vec<Unroutable> = Vec::new();
        let receipt =
            self.publisher
                .flush(&self.broker, self.now, &mut self.wakers, &mut unroutable);
        for Unroutable { channel, message } in unroutable {
            method::write_return(out.bytes(), channel, NO_ROUTE, "NO_ROUTE", message.names());
            out.content(channel, &message, self.tuned.frame_max);
        }
        self.confirms.note(receipt, &self.publisher.take_refused());
    }

    /// Whether this connection publishes more than the disk keeps up with.
    pub(super) fn is_to_be_held(&mut self) -> bool {
        self.publisher.is_pressed()
            || (self.publisher.has_linked() && self.broker.journal().is_congested())
    }

    pub(super) fn flush_settles(&mut self) {
        if !self.settles.is_empty() {
            let broker = &self.broker;
            self.settles.apply(
                &mut self.queues,
                self.now,
                &mut self.wakers,
                |queue, effects| {
                    broker.perform(queue, effects);
                },
            );
        }
        while let Some(channel) = self.freed.pop() {
            self.resume_channel(channel);
        }
    }

    /// Whether a publish to these queues may not overtake the settles that wait: settles of the same queues, or any that may
    /// bring messages to other queues.
    pub(super) fn settles_come_first(&self) -> bool {
        !self.settles.is_empty()
            && (self.settles.may_dead_letter()
                || self
                    .publisher
                    .known_targets()
                    .any(|queue| self.settles.concerns(&self.queues, queue)))
    }

    /// One delivery is settled: `queue` loses a use with it.
    #[inline]
    pub(super) fn settle(&mut self, queue: u32, sequence: u64, outcome: Outcome, out: &mut Output) {
        if self.settles.extend_last(queue, sequence, outcome) {
            return;
        }
        if !self.publisher.is_empty() && self.publisher.has_pending_for(self.queues.get(queue)) {
            self.flush_publishes(out);
        }
        self.settles.begin(queue, sequence, outcome);
    }

    /// A delivery of a consumer with a limit of its own is settled.
    pub(super) fn uncount(&mut self, consumer: u32) {
        // One that has gone took its limit with it.
        if let Some(consumer) = self.consumers.get(consumer)
            && let Some(credit) = &consumer.credit
        {
            credit.release(1);
            let channel = consumer.channel;
            if !self.freed.contains(&channel) {
                self.freed.push(channel);
            }
        }
    }

    /// The consumers of a channel may have more: its shared limit has room.
    fn resume_channel(&mut self, channel: u16) {
        // Whoever is served first takes what there is: not always the same one.
        let all = || self.consumers.of_channel(channel);
        self.resumed = self.resumed.wrapping_add(1);
        let first = self.resumed as usize % all().count().max(1);
        for consumer in all().skip(first).chain(all().take(first)) {
            let mut effects = Effects::default();
            let queue = self.queues.get(consumer.queue);
            queue.lock().resume(
                std::iter::once(consumer.number),
                true,
                self.now,
                &mut effects,
            );
            self.broker.perform(queue, effects);
        }
    }

    /// The queue goes with the connection. Those that have gone before it are forgotten now and then.
    pub(super) fn own(&mut self, queue: Arc<Queue>) {
        if self.exclusive.insert(queue.spec.id, queue).is_none()
            && self.exclusive.len() >= self.exclusive_sweep
        {
            self.exclusive.retain(|_, queue| !queue.lock().is_gone());
            self.exclusive_sweep = 2 * self.exclusive.len().max(EXCLUSIVE_SWEEP_MIN);
        }
    }

    /// Moves the mailbox's deliveries into the backlog and serves the queues that waited for that.
    pub(super) fn pull(&mut self, deliveries: Vec<Delivery>, waiting: Vec<(Arc<Queue>, u32)>) {
        self.traced = self.vhost.is_traced();
        if self.backlog.is_empty() {
            super::buffers::give_deliveries(Vec::from(std::mem::take(&mut self.backlog)));
            self.backlog = VecDeque::from(deliveries);
        } else {
            let mut deliveries = deliveries;
            self.backlog.extend(deliveries.drain(..));
            super::buffers::give_deliveries(deliveries);
        }
        for (queue, consumer) in waiting {
            let mut effects = Effects::default();
            queue
                .lock()
                .resume(std::iter::once(consumer), false, self.now, &mut effects);
            self.wakers.take_wakers(&mut effects);
            self.broker.perform(&queue, effects);
        }
    }
}

/// Exclusive queues that a connection may declare before it is looked which are still there.
pub const EXCLUSIVE_SWEEP_MIN: usize = 32;

/// Reply code of basic.return.
pub const NO_ROUTE: u16 = 312;
