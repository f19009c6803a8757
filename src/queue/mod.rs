//! Waiting messages and those who want them. No I/O, no clock, no sockets.
//!
//! [`Queue`] is a lock around a deterministic core; its verbs take the lock once, push deliveries into mailboxes and append
//! journal records while they hold it, and return [`Effects`] for the caller to perform afterwards. A queue owns its messages
//! until they are settled; each has a sequence number; channels remember (queue, sequence). Lock order: topology, queue,
//! journal, mailbox; never two queues at once but in tx.commit, in the order of their ids. Called by broker and connection.

pub mod arguments;
mod consumers;
mod core;
pub mod dead_letter;
pub mod dedup;
pub mod delivery_limit;
mod effects;
mod expiry;
pub mod figures;
pub mod log;
pub mod mailbox;
pub mod order;
pub mod overflow;
pub mod paging;
pub mod partitions;
pub mod policy;
pub mod retry;
mod rules;
mod single_active;
mod slots;
pub mod stream;
mod streams;
mod sync;

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use amq_protocol::types::FieldTable;

use self::arguments::QueueKind;
pub use self::consumers::{ChannelCredit, ConsumerSpec, ExclusiveUse};
use self::core::Core;
pub use self::core::{Recognised, STEPS_MAX};
use self::dead_letter::Reason;
pub use self::effects::Effects;
use self::log::{Group, Links, Log};
use self::mailbox::{Control, Delivery, Mailbox};
use self::partitions::Partitions;
use self::policy::Applied;
pub use self::rules::{DeadLetter, Rules};
use self::sync::{Mutex, MutexGuard};
use crate::message::Message;
use crate::store::ledger::Ledger;
use crate::store::recovery::Knowledge;
use crate::store::{Journal, Receipt, Urgency};

/// What a declare fixed about a queue, for good.
#[derive(Clone, Debug)]
pub struct QueueSpec {
    /// Its name in its vhost.
    pub name: Arc<str>,
    /// The vhost's name.
    pub vhost: Arc<str>,
    /// Incarnation: never reused, so that a queue declared anew is another.
    pub id: u64,
    /// Survives a restart.
    pub durable: bool,
    /// The connection that alone may use it.
    pub owner: Option<u64>,
    /// Goes with its last consumer.
    pub auto_delete: bool,
    /// The arguments as declared.
    pub arguments: FieldTable,
}

/// A message that basic.get took.
pub struct Got {
    /// Its place in the queue.
    pub sequence: u64,
    /// The message.
    pub message: Message,
    /// It may have been delivered before.
    pub redelivered: bool,
    /// How often it came back before.
    pub returned: u32,
    /// Ready messages left behind it.
    pub remaining: usize,
}

/// What a basic.get found.
pub enum Taken {
    /// The oldest message.
    Got(Got),
    /// Nothing.
    Empty,
    /// The oldest message is on its way from disk: [`Locked::when_loaded`] says when to try again.
    Later,
}

impl Taken {
    /// The message, if it is there now.
    pub fn now(self) -> Option<Got> {
        match self {
            Self::Got(got) => Some(got),
            Self::Empty | Self::Later => None,
        }
    }
}

/// How a delivery ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// basic.ack: it is done.
    Ack,
    /// basic.reject or nack without requeue: dead-letter it.
    Discard,
    /// Back to its original position: basic.reject with requeue, or its consumer has gone.
    Requeue,
    /// The same, by basic.nack with requeue or basic.recover: only `x-delayed-retry-type` tells them apart.
    Return,
}

/// The queue is deleted: route anew.
#[derive(Debug, PartialEq, Eq)]
pub struct Gone;

/// Why a delete did not happen.
#[derive(Debug, PartialEq, Eq)]
pub enum Refused {
    /// if-unused, and there are consumers.
    InUse,
    /// if-empty, and there are ready messages.
    NotEmpty,
    /// Somebody else deleted it.
    Gone,
}

/// Counts as of the last verb, for whoever looks without locking.
#[derive(Default)]
pub struct Counters {
    ready: AtomicUsize,
    unacked: AtomicUsize,
    consumers: AtomicUsize,
    resident: AtomicU64,
}

/// One queue.
pub struct Queue {
    /// What it was declared as.
    pub spec: QueueSpec,
    /// Its `x-queue-type`.
    pub kind: QueueKind,
    counters: Counters,
    /// The core's `gone`, for whoever looks without the lock.
    gone: AtomicBool,
    /// Its publishers are to wait.
    pressed: AtomicBool,
    journal: Arc<Journal>,
    /// What a confirm waits for where the rules do not say.
    default_sync: Urgency,
    /// What keeps its messages, where that is not itself.
    partitions: OnceLock<Partitions>,
    /// What it retains of what was acknowledged.
    acked: OnceLock<Arc<Queue>>,
    /// The policies in its rules. Changed under the queue's lock.
    applied: Mutex<Applied>,
    core: Mutex<Core>,
}

impl PartialEq for Queue {
    fn eq(&self, other: &Self) -> bool {
        self.spec.id == other.spec.id
    }
}
impl Eq for Queue {}
impl std::hash::Hash for Queue {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.spec.id.hash(state);
    }
}

/// A queue with its lock held: the verbs. Dropping it appends the journal records of what was done, publishes the counts and
/// releases the lock.
pub struct Locked<'a> {
    queue: &'a Arc<Queue>,
    core: MutexGuard<'a, Core>,
}

impl Drop for Locked<'_> {
    fn drop(&mut self) {
        self.append();
        let counters = &self.queue.counters;
        counters.ready.store(self.core.ready, Ordering::Relaxed);
        counters
            .unacked
            .store(self.core.unacked(), Ordering::Relaxed);
        counters
            .consumers
            .store(self.core.consumer_count(), Ordering::Relaxed);
        counters
            .resident
            .store(self.core.resident(), Ordering::Relaxed);
    }
}

impl Queue {
    /// A new, empty queue.
    pub fn new(
        spec: QueueSpec,
        rules: Rules,
        journal: Arc<Journal>,
        default_sync: Urgency,
        now: u64,
    ) -> Arc<Self> {
        let log = spec.durable.then(Box::<Log>::default);
        let core = Core::new(Arc::new(rules), log, now);
        Self::with(spec, core, journal, default_sync)
    }

    /// A queue that was found on disk with what `ledger` knows. `clean` says that the ledger also knows what had been delivered.
    pub fn recovered(
        spec: QueueSpec,
        rules: Rules,
        journal: Arc<Journal>,
        default_sync: Urgency,
        (ledger, known): (Ledger, Knowledge),
        clean: bool,
        now: u64,
    ) -> (Arc<Self>, Effects) {
        let log = Box::new(Log::recovered(ledger));
        let mut core = Core::new(Arc::new(rules), Some(log), now);
        core.recover(known, clean);
        let queue = Self::with(spec, core, journal, default_sync);
        let mut effects = Effects::default();
        queue.lock().tick(now, &mut effects);
        (queue, effects)
    }

    fn with(
        spec: QueueSpec,
        core: Core,
        journal: Arc<Journal>,
        default_sync: Urgency,
    ) -> Arc<Self> {
        Arc::new(Self {
            spec,
            kind: core.rules.kind,
            counters: Counters::default(),
            gone: AtomicBool::new(false),
            pressed: AtomicBool::new(false),
            journal,
            default_sync,
            partitions: OnceLock::new(),
            acked: OnceLock::new(),
            applied: Mutex::default(),
            core: Mutex::new(core),
        })
    }

    /// Takes the lock. Never while another queue's is held, but in tx.commit and then in the order of the ids.
    #[inline]
    pub fn lock<'a>(self: &'a Arc<Self>) -> Locked<'a> {
        Locked {
            queue: self,
            core: self.core.lock(),
        }
    }

    /// Whether it was deleted, without the lock: it may be so a moment later.
    #[inline]
    pub fn is_gone(&self) -> bool {
        self.gone.load(Ordering::Relaxed)
    }

    /// "queue 'name' in vhost 'vhost'", as reply texts name it.
    pub fn resource(&self) -> String {
        format!("queue '{}' in vhost '{}'", self.spec.name, self.spec.vhost)
    }

    /// Ready messages as of the last verb.
    pub fn ready(&self) -> usize {
        let parts = self.partitions().iter();
        self.counters.ready.load(Ordering::Relaxed) + parts.map(|part| part.ready()).sum::<usize>()
    }

    /// Unsettled deliveries as of the last verb.
    pub fn unacked(&self) -> usize {
        let parts = self.partitions().iter();
        self.counters.unacked.load(Ordering::Relaxed)
            + parts.map(|part| part.unacked()).sum::<usize>()
    }

    /// Consumers as of the last verb.
    pub fn consumers(&self) -> usize {
        // Each of its consumers is one in every partition.
        let parts = self.partitions().iter();
        let most = parts.map(|part| part.consumers()).max().unwrap_or(0);
        self.counters.consumers.load(Ordering::Relaxed).max(most)
    }

    /// Bytes of its messages in memory as of the last verb.
    pub fn resident(&self) -> u64 {
        self.counters.resident.load(Ordering::Relaxed)
    }

    /// Whether its publishers are to wait, because its messages come faster than they can leave memory.
    #[inline]
    pub fn is_pressed(&self) -> bool {
        self.pressed.load(Ordering::Relaxed)
    }

    /// For the pager: says so.
    pub fn press(&self, pressed: bool) {
        self.pressed.store(pressed, Ordering::Relaxed);
    }

    /// Removes all ready messages, in bounded lock holds; returns how many.
    pub fn purge(self: &Arc<Self>, now: u64) -> (usize, Effects) {
        let mut effects = Effects::default();
        let end = self.core.lock().end();
        let mut count = 0;
        loop {
            let (some, done) = self.lock().core.purge(end, now, &mut effects);
            count += some;
            if done {
                return (count, effects);
            }
        }
    }
}

impl Locked<'_> {
    /// Whether the queue is deleted.
    pub fn is_gone(&self) -> bool {
        self.core.gone
    }

    /// What applies to it now.
    pub fn rules(&self) -> &Arc<Rules> {
        &self.core.rules
    }

    /// Ready messages, and consumers.
    pub fn counts(&self) -> (usize, usize) {
        (self.core.ready, self.core.consumer_count())
    }

    /// Appends messages and serves consumers; `links` are the journal's places of the persistent ones. A deleted queue takes
    /// none. What a confirm waits for is the answer of [`commit`](Self::commit).
    #[inline]
    pub fn publish(
        &mut self,
        messages: impl Iterator<Item = Message>,
        links: &Links,
        now: u64,
        effects: &mut Effects,
    ) -> Result<(), Gone> {
        if self.core.gone {
            return Err(Gone);
        }
        if self.core.stream.is_some() {
            self.core
                .stream_publish(self.queue, messages, links, now, effects);
        } else if self.core.rules.dedup.is_some() {
            self.publish_once(messages, links, true, now, effects);
        } else if self.core.rules.limits.may_refuse() {
            self.core
                .publish_or_refuse(self.queue, messages, links, now, effects);
        } else {
            self.core.publish(self.queue, messages, links, now, effects);
        }
        Ok(())
    }

    /// Whether the queue would take all messages of a transaction, given their body bytes. A deleted queue does: it is passed
    /// over.
    pub fn would_take(
        &mut self,
        bodies: impl Iterator<Item = u64>,
        now: u64,
        effects: &mut Effects,
    ) -> bool {
        self.core.gone || self.core.would_take(self.queue, bodies, now, effects)
    }

    /// Publishes what [`would_take`](Self::would_take) has said yes to under the same lock.
    pub fn publish_taken(
        &mut self,
        messages: impl Iterator<Item = Message>,
        links: &Links,
        now: u64,
        effects: &mut Effects,
    ) {
        if self.core.gone {
            return;
        }
        if self.core.stream.is_some() {
            self.core
                .stream_publish(self.queue, messages, links, now, effects);
        } else if self.core.rules.dedup.is_some() {
            self.publish_once(messages, links, false, now, effects);
        } else {
            self.core.publish(self.queue, messages, links, now, effects);
        }
    }

    /// Releases the lock and says what confirms of what was published under it wait for.
    #[inline]
    pub fn commit(mut self) -> Receipt {
        self.append()
    }

    /// Hands the journal records of what was done under this lock over to a transaction, which appends them with those of its
    /// other queues before it releases the lock of any.
    pub fn hand_over(&mut self, group: &mut Group) {
        self.tell_groups();
        if let Some(log) = &mut self.core.log {
            log.take(self.queue.spec.id, group);
        }
    }

    #[inline]
    fn append(&mut self) -> Receipt {
        if self.core.stream.is_some() {
            return self.append_stream();
        }
        match &mut self.core.log {
            Some(log) => log.append(self.queue.spec.id, &self.queue.journal),
            None => Receipt::NOTHING,
        }
    }

    /// What the journal knows of the queue; `None` when it does not outlive the process, or is deleted.
    pub fn log(&mut self) -> Option<&mut Log> {
        self.core.log.as_deref_mut()
    }

    /// The queue's number of its single active consumer, where it has one.
    pub fn active_consumer(&self) -> Option<u32> {
        self.core.active_consumer()
    }

    /// Whether one of its consumers is another than the rest: the single active one, or an exclusive one.
    pub fn singles_out(&self) -> bool {
        self.core.singles_out()
    }

    /// The mailboxes of the connections that consume from the queue, each once.
    pub fn consuming(&self) -> Vec<Arc<Mailbox>> {
        self.core.consuming()
    }

    /// Takes the oldest message, if there is one; with `no_ack` it is settled at once.
    pub fn get(&mut self, no_ack: bool, now: u64, effects: &mut Effects) -> Taken {
        self.attend();
        self.core.get(no_ack, now, effects)
    }

    /// After [`Taken::Later`], under the same lock: the mailbox gets a [`Control::Loaded`] when it is time to try again.
    pub fn when_loaded(&mut self, mailbox: &Arc<Mailbox>, now: u64, effects: &mut Effects) {
        self.core.wait_for_head(mailbox);
        self.core.look_ahead(now, effects);
    }

    fn attend(&mut self) {
        let urgency = self.core.urgency(self.queue);
        if let Some(log) = &mut self.core.log {
            log.attend(self.queue.spec.id, urgency, &self.queue.journal);
        }
    }

    /// What the answer to [`consume`](Self::consume) or [`get`](Self::get), and every delivery after it, waits for: the disk
    /// knows that messages may have been delivered.
    pub fn attended(&self) -> Receipt {
        let log = self.core.log.as_ref();
        log.map_or(Receipt::NOTHING, |log| log.attended())
    }

    /// Settles deliveries, at most [`STEPS_MAX`] at a time; what the queue does not know is passed over.
    #[inline]
    pub fn settle(&mut self, sequences: &[u64], outcome: Outcome, now: u64, effects: &mut Effects) {
        debug_assert!(sequences.len() <= STEPS_MAX);
        if self.core.stream.is_some() {
            let core = &mut self.core;
            return core.stream_settle(self.queue, sequences, outcome, effects);
        }
        self.core
            .settle(self.queue, sequences.iter().copied(), outcome, now, effects);
    }

    /// Takes back deliveries to the consumer of that number that were never sent.
    pub fn unsend(
        &mut self,
        consumer: u32,
        deliveries: impl Iterator<Item = Delivery>,
        now: u64,
        effects: &mut Effects,
    ) {
        if self.core.stream.is_some() {
            let core = &mut self.core;
            return core.stream_unsend(self.queue, consumer, deliveries, effects);
        }
        self.core.unsend(self.queue, deliveries, now, effects);
    }

    /// The broker stops, nobody is there any more: the journal hears what it does not know yet.
    pub fn stop(&mut self) {
        self.core.keep_dying();
    }

    /// Adds a consumer and returns the queue's number for it. It is served from the next [`resume`](Self::resume) on, so that
    /// consume-ok goes first.
    pub fn consume(&mut self, spec: ConsumerSpec) -> Result<u32, ExclusiveUse> {
        self.attend();
        self.core.consume(spec)
    }

    /// Serves consumers that can take more again: their channel has credit when `channel`, else their mailbox has room.
    pub fn resume(
        &mut self,
        consumers: impl Iterator<Item = u32>,
        channel: bool,
        now: u64,
        effects: &mut Effects,
    ) {
        if self.core.stream.is_some() {
            let core = &mut self.core;
            return core.stream_resume(self.queue, consumers, channel, effects);
        }
        self.core
            .resume(self.queue, consumers, channel, now, effects);
    }

    /// Removes a consumer; its unsettled deliveries stay out.
    pub fn cancel(&mut self, consumer: u32, now: u64, effects: &mut Effects) {
        if self.core.stream.is_some() {
            return self.core.stream_cancel(self.queue, consumer, now, effects);
        }
        self.core
            .cancel(consumer, self.queue.spec.auto_delete, now, effects);
    }

    /// A declare has used it.
    pub fn touch(&mut self, now: u64, effects: &mut Effects) {
        self.core.touch(now, effects);
    }

    /// Time has passed. Returns whether the queue has outlived its `x-expires` and is to be deleted.
    pub fn tick(&mut self, now: u64, effects: &mut Effects) -> bool {
        self.core.tick(self.queue, now, effects)
    }

    /// Whether an auto-delete queue has lost its last consumer, or an expiring one its last user.
    pub fn is_abandoned(&self, now: u64) -> bool {
        self.core.is_abandoned(self.queue.spec.auto_delete, now)
    }

    /// Deletes it, unless the conditions say no; returns its ready messages. Its consumers are told through their mailboxes.
    pub fn delete(
        &mut self,
        if_unused: bool,
        if_empty: bool,
        effects: &mut Effects,
    ) -> Result<usize, Refused> {
        if self.core.gone {
            return Err(Refused::Gone);
        }
        if if_unused && self.core.consumer_count() > 0 {
            return Err(Refused::InUse);
        }
        if if_empty && self.core.ready > 0 {
            return Err(Refused::NotEmpty);
        }
        let ready = self.core.ready;
        self.queue.gone.store(true, Ordering::Relaxed);
        for consumer in self.core.die(effects) {
            consumer
                .mailbox
                .control(Control::ConsumerCancelled(consumer.id));
        }
        Ok(ready)
    }

    /// Up to `most` messages to dead-letter; the caller places their copies and then calls [`buried`](Self::buried).
    /// Where they are dead-lettered at least once (see [`Rules`]), the end is [`keep_for_later`](Self::keep_for_later).
    pub fn take_dying(&mut self, most: usize, now: u64) -> Vec<(u64, Message, Reason)> {
        self.core.take_dying(most, now)
    }

    /// A drain one by one ends; these found no place and are tried again at `until`. Returns whether more can be tried now.
    pub fn keep_for_later(
        &mut self,
        kept: impl DoubleEndedIterator<Item = (u64, Reason)>,
        until: u64,
    ) -> bool {
        self.core.keep_for_later(kept, until)
    }

    /// The copies of these are placed. Returns whether more are dying.
    pub fn buried(&mut self, sequences: &[u64], now: u64, effects: &mut Effects) -> bool {
        self.core.buried(sequences.iter().copied(), now, effects)
    }
}
