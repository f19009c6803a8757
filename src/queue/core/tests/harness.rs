//! A queue, a few connections with two channels each, and the model. Each verb is done to both and everything is compared.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use amq_protocol::types::FieldTable;

use super::super::{NEVER, State};
use super::model::{Model, Place, Said};
use crate::message::{CHUNK_BYTES_MAX, ChunkBuilder, LARGE_BODY_BYTES, Message};
use crate::queue::arguments::QueueKind;
use crate::queue::dead_letter::Reason;
use crate::queue::log::Links;
use crate::queue::mailbox::{BYTES_MAX, Control, DELIVERIES_MAX, Delivery, Mailbox, SHARE_MAX};
use crate::queue::overflow::{Overflow, Rejects};
use crate::queue::{
    ChannelCredit, ConsumerSpec, Effects, Locked, Outcome, Queue, QueueSpec, Refused, Rules, Taken,
};
use crate::store::{Journal, Urgency};
use crate::wire::table::{write_i64, write_long_string, write_name};

/// Connections.
pub const MAILBOXES: usize = 3;
/// Channels, two for each connection.
pub const CHANNELS: usize = 2 * MAILBOXES;

/// One thing to do. A `mask` chooses: element i is meant when bit i % 64 is set.
#[derive(Clone, Debug)]
pub enum Op {
    Publish {
        count: usize,
        ttl: Option<u64>,
        len: usize,
        persistent: bool,
        /// Each message shares its chunk with others that go elsewhere.
        sparse: bool,
    },
    Consume {
        channel: usize,
        no_ack: bool,
        exclusive: bool,
        priority: i64,
        prefetch: u32,
    },
    Cancel(usize),
    /// basic.qos with global.
    Limit {
        channel: usize,
        limit: u32,
    },
    /// The connection's task goes to sleep.
    Poll(usize),
    /// A connection takes its mailbox's batch; `prompt` when it resumes the queues at once.
    Drain {
        mailbox: usize,
        prompt: bool,
    },
    Settle {
        mask: u64,
        outcome: Outcome,
        prompt: bool,
    },
    Unsend(u64),
    Get {
        no_ack: bool,
    },
    Purge,
    Advance(u64),
    /// Consumers are resumed that should have been before.
    Resume,
    TakeDying(usize),
    Bury,
    Touch,
    Delete {
        force: bool,
    },
}

#[derive(Default)]
struct Woken(AtomicBool);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[derive(Default)]
struct Connection {
    mailbox: Arc<Mailbox>,
    woken: Arc<Woken>,
    asleep: bool,
    /// Deliveries in the mailbox that have been seen.
    seen: usize,
}

struct Consumer {
    channel: usize,
    no_ack: bool,
    exclusive: bool,
    priority: i64,
    prefetch: u32,
}

/// A delivery that is not settled.
#[derive(Clone, Copy)]
struct Out {
    consumer: u32,
    /// Its channel, for what counts against a shared limit or would.
    channel: Option<usize>,
    no_ack: bool,
    counted: bool,
}

pub struct Harness {
    queue: Arc<Queue>,
    model: Model,
    now: u64,
    auto_delete: bool,
    last_used: u64,
    had_consumer: bool,
    connections: [Connection; MAILBOXES],
    channels: [(Arc<ChannelCredit>, u32); CHANNELS],
    consumers: BTreeMap<u32, Consumer>,
    last_consumer: u32,
    /// Consumers that their connection is about to resume: because of its channel's credit, or else of its mailbox.
    owed: BTreeSet<(u32, bool)>,
    out: BTreeMap<u64, Out>,
    /// Deliveries that a client has.
    held: Vec<Delivery>,
    /// Sequences that a drainer has.
    buried: Option<Vec<u64>>,
    timer: Option<u64>,
    last_id: u32,
    /// The single active consumer, and whether it gets nothing more.
    active: Option<u32>,
    fading: bool,
}

impl Harness {
    pub fn new(rules: Rules, auto_delete: bool) -> Self {
        let spec = QueueSpec {
            name: "q".into(),
            vhost: "/".into(),
            id: 1,
            durable: true,
            owner: None,
            auto_delete,
            arguments: FieldTable::default(),
        };
        let now = 1_000_000;
        let mut harness = Self {
            queue: Queue::new(spec, rules.clone(), Journal::memory(), Urgency::Synced, now),
            model: Model::new(rules),
            now,
            auto_delete,
            last_used: now,
            had_consumer: false,
            connections: Default::default(),
            channels: Default::default(),
            consumers: BTreeMap::new(),
            last_consumer: 0,
            owed: BTreeSet::new(),
            out: BTreeMap::new(),
            held: Vec::new(),
            buried: None,
            timer: None,
            last_id: 0,
            active: None,
            fading: false,
        };
        harness.touch();
        harness
    }

    pub fn is_gone(&self) -> bool {
        self.queue.lock().is_gone()
    }

    pub fn run(&mut self, op: &Op) {
        match *op {
            Op::Publish {
                count,
                ttl,
                len,
                persistent,
                sparse,
            } => self.publish(
                count.min(4_000_000 / (len + 1)).max(1),
                ttl,
                len,
                persistent,
                sparse,
            ),
            Op::Consume {
                channel,
                no_ack,
                exclusive,
                priority,
                prefetch,
            } => self.consume(Consumer {
                channel,
                no_ack,
                exclusive,
                priority,
                prefetch,
            }),
            Op::Cancel(pick) => self.cancel(pick),
            Op::Limit { channel, limit } => self.limit(channel, limit),
            Op::Poll(mailbox) => self.poll(mailbox),
            Op::Drain { mailbox, prompt } => {
                self.drain(mailbox);
                if prompt {
                    self.resume();
                }
            }
            Op::Settle {
                mask,
                outcome,
                prompt,
            } => {
                self.settle(mask, outcome);
                if prompt {
                    self.resume();
                }
            }
            Op::Unsend(mask) => self.unsend(mask),
            Op::Get { no_ack } => self.get(no_ack),
            Op::Purge => self.purge(),
            Op::Advance(by) => {
                self.now += by;
                if self.timer.is_some_and(|timer| timer <= self.now) {
                    self.tick();
                }
            }
            Op::Resume => self.resume(),
            Op::TakeDying(most) => self.take_dying(most),
            Op::Bury => self.bury(),
            Op::Touch => self.touch(),
            Op::Delete { force } => self.delete(force),
        }
    }

    /// Drains, settles and buries everything: then nothing may be left, and each message has come to exactly one end.
    pub fn finish(mut self) {
        if self.is_gone() {
            return;
        }
        self.resume();
        while !self.consumers.is_empty() {
            self.cancel(0);
        }
        for mailbox in 0..MAILBOXES {
            self.drain(mailbox);
        }
        self.settle(u64::MAX, Outcome::Ack);
        self.purge();
        self.bury();
        self.take_dying(usize::MAX);
        self.bury();
        assert!(self.model.entries.is_empty());
        assert!(self.out.is_empty() && self.held.is_empty());
    }

    /// Does a verb to the queue, then `after` to the model, which is told who got what.
    fn verb<T>(
        &mut self,
        act: impl FnOnce(&mut Locked<'_>, u64, &mut Effects) -> T,
        after: impl FnOnce(&mut Model, usize, u64, &mut BTreeMap<u64, u32>),
    ) -> T {
        (self.model.unfinished, self.model.died) = (false, false);
        let mut effects = Effects::default();
        let result = act(&mut self.queue.lock(), self.now, &mut effects);
        self.conclude(effects, after);
        result
    }

    /// The model does what was just done, and all that must hold is looked at.
    fn conclude(
        &mut self,
        mut effects: Effects,
        after: impl FnOnce(&mut Model, usize, u64, &mut BTreeMap<u64, u32>),
    ) {
        let new = self.new_deliveries();
        let mut taken: BTreeMap<u64, u32> = new.iter().copied().collect();
        assert_eq!(taken.len(), new.len(), "a message was delivered twice");
        after(&mut self.model, self.consumers.len(), self.now, &mut taken);
        assert!(taken.is_empty(), "delivered out of order: {taken:?}");
        assert_eq!(effects.unfinished, self.model.unfinished);
        assert_eq!(effects.dying, self.model.died);
        if let Some(deadline) = effects.deadline {
            assert!(
                self.timer.is_none_or(|timer| deadline < timer),
                "an earlier tick is due"
            );
            self.timer = Some(deadline);
        }
        effects.wake();
        let unfinished = effects.unfinished;
        self.check(&new, unfinished);
        if unfinished {
            self.tick();
        }
    }

    /// Takes note of what has been pushed: (sequence, consumer).
    fn new_deliveries(&mut self) -> Vec<(u64, u32)> {
        let mut new = Vec::new();
        for connection in &mut self.connections {
            let before = new.len();
            connection.mailbox.look(|deliveries, _, _| {
                for delivery in &deliveries[connection.seen..] {
                    let number = delivery.consumer;
                    let consumer = &self.consumers[&number];
                    let entry = &self.model.entries[&delivery.sequence];
                    assert_eq!(entry.id, id(&delivery.message), "the wrong message");
                    assert_eq!(delivery.redelivered, entry.redelivered);
                    assert_eq!(delivery.returned, self.model.shown(entry));
                    let (credit, limit) = &self.channels[consumer.channel];
                    assert_eq!(delivery.counted, !consumer.no_ack && *limit > 0);
                    assert!(*limit == 0 || credit.used() <= *limit || !delivery.counted);
                    let out = Out {
                        consumer: number,
                        channel: (!consumer.no_ack).then_some(consumer.channel),
                        no_ack: consumer.no_ack,
                        counted: delivery.counted,
                    };
                    assert!(self.out.insert(delivery.sequence, out).is_none());
                    new.push((delivery.sequence, number));
                }
                connection.seen = deliveries.len();
            });
            assert!(
                new[before..].is_sorted() || self.model.rules.order.is_special(),
                "a connection gets messages in order"
            );
        }
        new
    }

    fn unacked(&self, consumer: u32) -> u32 {
        self.out
            .values()
            .filter(|out| out.consumer == consumer && !out.no_ack)
            .count() as u32
    }

    fn counted(&self, channel: usize) -> u32 {
        self.out
            .values()
            .filter(|out| out.counted && out.channel == Some(channel))
            .count() as u32
    }

    /// Everything that must hold between two verbs.
    fn check(&mut self, new: &[(u64, u32)], unfinished: bool) {
        let queue = Arc::clone(&self.queue);
        let mut locked = queue.lock();
        locked.core.check();
        self.check_entries(&mut locked);
        self.check_credit(&locked, new);
        self.check_active(&locked, new);
        if !unfinished {
            self.check_service(&locked, new);
            self.check_timer();
        }
        drop(locked);
        assert_eq!(queue.ready(), self.model.ready.len());
        let out = |place| matches!(place, Place::Out(_));
        let entries = self.model.entries.values();
        assert_eq!(
            queue.unacked(),
            entries.filter(|entry| out(entry.place)).count()
        );
        assert_eq!(queue.consumers(), self.consumers.len());
        for connection in &mut self.connections {
            let waits = connection.mailbox.look(|deliveries, controls, waiting| {
                let bytes: usize = deliveries.iter().map(|one| one.message.memory()).sum();
                let last = deliveries.last().map_or(0, |one| one.message.memory());
                assert!(deliveries.len() <= DELIVERIES_MAX && bytes - last < BYTES_MAX);
                !deliveries.is_empty() || !controls.is_empty() || !waiting.is_empty()
            });
            let woken = connection.woken.0.load(Ordering::Relaxed);
            assert!(!connection.asleep || woken || !waits, "a lost wake-up");
            connection.asleep &= !woken;
        }
    }

    fn check_entries(&self, locked: &mut Locked<'_>) {
        let core = &mut locked.core;
        assert_eq!(core.slots.first_ready(), self.model.head());
        let mut expected = self.model.entries.iter();
        for (sequence, slot) in core.slots.each() {
            let (wanted, entry) = expected.next().expect("a message too many");
            assert_eq!(sequence, *wanted);
            let state = match entry.place {
                Place::Ready => State::Ready,
                Place::Out(consumer) => {
                    assert_eq!(slot.consumer, consumer);
                    State::Delivered
                }
                Place::Dying => State::Dying,
            };
            assert_eq!(slot.state, state);
            assert_eq!(
                (slot.expires, slot.returned),
                (entry.expires, entry.returned)
            );
            assert_eq!(slot.redelivered, entry.redelivered);
            assert_eq!(slot.level, entry.level);
            assert_eq!(core.slots.held_until(sequence), entry.held);
            match &slot.message {
                Some(message) => check_message(message, entry.id, entry.len),
                None => assert!(self.out.get(&sequence).is_some_and(|out| out.no_ack)),
            }
        }
        assert!(expected.next().is_none(), "a message is lost");
    }

    fn check_credit(&self, locked: &Locked<'_>, new: &[(u64, u32)]) {
        for (number, unacked, _) in locked.core.consumers.each() {
            assert_eq!(unacked, self.unacked(number));
        }
        for (channel, (credit, _)) in self.channels.iter().enumerate() {
            assert_eq!(credit.used(), self.counted(channel));
        }
        for (_, number) in new {
            let consumer = &self.consumers[number];
            let most = consumer.prefetch;
            assert!(consumer.no_ack || most == 0 || self.unacked(*number) <= most);
        }
    }

    /// One at a time gets messages, and it is the right one.
    fn check_active(&mut self, locked: &Locked<'_>, new: &[(u64, u32)]) {
        if !self.model.rules.single_active {
            assert_eq!(locked.active_consumer(), None);
            return;
        }
        let best = self
            .consumers
            .iter()
            .max_by_key(|(number, one)| (one.priority, std::cmp::Reverse(**number)))
            .map(|(number, one)| (*number, one.priority));
        let active = self.active.filter(|one| self.consumers.contains_key(one));
        self.fading = false;
        self.active = match (active, best) {
            (Some(active), Some((best, priority)))
                if self.model.rules.kind == QueueKind::Quorum
                    && priority > self.consumers[&active].priority =>
            {
                self.fading = self.unacked(active) > 0;
                Some(if self.fading { active } else { best })
            }
            (Some(active), _) => Some(active),
            (None, best) => best.map(|(number, _)| number),
        };
        assert_eq!(locked.active_consumer(), self.active);
        for (_, consumer) in new {
            assert_eq!(Some(*consumer), self.active, "served beside the active one");
        }
    }

    /// Nobody waits who could be served, the more important come first, and equals are served in turn.
    fn check_service(&self, locked: &Locked<'_>, new: &[(u64, u32)]) {
        let mut served: BTreeMap<u32, usize> = BTreeMap::new();
        for (_, consumer) in new {
            *served.entry(*consumer).or_default() += 1;
        }
        let mut idle: Vec<u32> = Vec::new();
        for (number, unacked, mut share) in locked.core.consumers.each() {
            let consumer = &self.consumers[&number];
            let (_, limit) = self.channels[consumer.channel];
            let mailbox = &self.connections[consumer.channel / 2].mailbox;
            let has_credit = consumer.no_ack
                || (consumer.prefetch == 0 || unacked < consumer.prefetch)
                    && (limit == 0 || self.counted(consumer.channel) < limit);
            let is_registered = self.owed.iter().any(|(owed, _)| *owed == number)
                || mailbox
                    .look(|_, _, waiting| waiting.iter().any(|(_, waiter)| *waiter == number));
            let may =
                !self.model.rules.single_active || (self.active == Some(number) && !self.fading);
            if may && has_credit && mailbox.slot().has_room(&mut share) && !is_registered {
                idle.push(number);
            }
            assert!(served.get(&number).is_none_or(|count| *count <= SHARE_MAX));
        }
        assert!(
            idle.is_empty() || self.model.head().is_none(),
            "a message waits though {idle:?} could take it"
        );
        for one in &idle {
            let priority = self.consumers[one].priority;
            let count = served.get(one).copied().unwrap_or(0);
            for (other, others) in &served {
                let theirs = self.consumers[other].priority;
                assert!(theirs >= priority, "{other} was preferred to {one}");
                assert!(theirs > priority || *others <= count + 1, "out of turn");
            }
        }
    }

    fn check_timer(&self) {
        let head = self.model.next_event();
        let deadline = head.min(self.unused_until().unwrap_or(NEVER));
        assert!(
            deadline == NEVER || self.timer.is_some_and(|timer| timer <= deadline),
            "no tick is asked for {deadline}"
        );
    }

    fn unused_until(&self) -> Option<u64> {
        let after = self.model.rules.expires_ms?;
        self.consumers.is_empty().then(|| self.last_used + after)
    }

    fn publish(
        &mut self,
        count: usize,
        ttl: Option<u64>,
        len: usize,
        persistent: bool,
        sparse: bool,
    ) {
        let first = self.last_id + 1;
        self.last_id += count as u32;
        let said: Vec<Said> = (first..first + count as u32)
            .map(|id| said(id, len, ttl, &self.model.rules))
            .collect();
        let messages = messages(&said, persistent, sparse && count < 100, &self.model.rules);
        let links = links(&messages);
        (self.model.unfinished, self.model.died) = (false, false);
        let mut effects = Effects::default();
        let ids: Vec<u32> = messages.iter().map(id).collect();
        self.queue
            .lock()
            .publish(messages.into_iter(), &links, self.now, &mut effects)
            .expect("it is not gone");
        let refused = effects
            .refused
            .take()
            .map_or_else(Rejects::default, |one| *one);
        let fresh = self.model.next;
        for (number, said) in (0u32..).zip(said) {
            if !refused.indices.contains(&number) {
                self.model.announce(said, self.now);
            }
        }
        self.conclude(effects, |model, consumers, now, taken| {
            let expected = model.publish(count as u32, len, fresh, consumers, now, taken);
            assert_eq!(refused.indices, expected, "refused");
            model.trim(now);
        });
        let rules = &self.model.rules;
        let buried =
            rules.dead_letter.is_some() && rules.limits.overflow == Overflow::RejectPublishDlx;
        let letters: Vec<u32> = refused.letters.iter().map(id).collect();
        let refused: Vec<u32> = refused.indices.iter().map(|at| ids[*at as usize]).collect();
        assert_eq!(letters, if buried { refused } else { Vec::new() });
    }

    fn consume(&mut self, consumer: Consumer) {
        let spec = ConsumerSpec {
            mailbox: Arc::clone(&self.connections[consumer.channel / 2].mailbox),
            id: self.last_consumer + 1,
            no_ack: consumer.no_ack,
            exclusive: consumer.exclusive,
            priority: consumer.priority,
            prefetch: consumer.prefetch,
            channel: Arc::clone(&self.channels[consumer.channel].0),
        };
        let refused = (self.model.rules.single_active && consumer.exclusive)
            || self.consumers.values().any(|other| other.exclusive)
            || (consumer.exclusive && !self.consumers.is_empty());
        let added = self.queue.lock().consume(spec);
        assert_eq!(added.is_err(), refused);
        if let Ok(number) = added {
            self.last_consumer += 1;
            assert_eq!(number, self.last_consumer, "one queue, the same numbers");
            self.consumers.insert(number, consumer);
            self.had_consumer = true;
            self.serve(Vec::new(), false);
        }
    }

    /// Lets the queue serve these, and whoever else can be.
    fn serve(&mut self, consumers: Vec<u32>, channel: bool) {
        self.verb(
            |queue, now, effects| queue.resume(consumers.into_iter(), channel, now, effects),
            |model, consumers, now, taken| {
                model.dispatch(consumers, now, NEVER, taken);
                model.trim(now);
            },
        );
    }

    fn resume(&mut self) {
        while let Some((consumer, channel)) = self.owed.pop_first() {
            self.serve(vec![consumer], channel);
        }
    }

    fn cancel(&mut self, pick: usize) {
        let Some(number) = self
            .consumers
            .keys()
            .nth(pick % self.consumers.len().max(1))
            .copied()
        else {
            return;
        };
        self.consumers.remove(&number);
        self.owed.retain(|(owed, _)| *owed != number);
        let is_last = self.consumers.is_empty();
        if is_last {
            self.last_used = self.now;
        }
        let unused = self.verb(
            |queue, now, effects| {
                queue.cancel(number, now, effects);
                effects.unused
            },
            // Another one may be active now and is served by the next tick.
            |model, _, _, _| {
                model.unfinished |= model.rules.single_active && !model.ready.is_empty()
            },
        );
        assert_eq!(unused, is_last && self.auto_delete);
        let expired = self.unused_until().is_some_and(|at| at <= self.now);
        let abandoned = self.consumers.is_empty() && self.auto_delete && self.had_consumer;
        let is_abandoned = self.queue.lock().is_abandoned(self.now);
        assert_eq!(is_abandoned, abandoned || expired);
    }

    fn limit(&mut self, channel: usize, limit: u32) {
        // What is on its way is counted as it was when it was pushed.
        let mut newly = 0;
        for delivery in self.held.iter().filter(|_| limit > 0) {
            let out = self.out.get_mut(&delivery.sequence).expect("it is out");
            if out.channel == Some(channel) && !out.counted {
                out.counted = true;
                newly += 1;
            }
        }
        self.channels[channel].0.set_limit(limit, newly);
        self.channels[channel].1 = limit;
        self.owe(channel);
        self.resume();
    }

    fn owe(&mut self, channel: usize) {
        for (number, consumer) in &self.consumers {
            if consumer.channel == channel {
                self.owed.insert((*number, true));
            }
        }
    }

    fn poll(&mut self, mailbox: usize) {
        let connection = &mut self.connections[mailbox];
        let waker = Waker::from(Arc::clone(&connection.woken));
        let polled = connection
            .mailbox
            .poll(true, &mut Context::from_waker(&waker));
        let waits = connection.mailbox.look(|deliveries, controls, waiting| {
            !deliveries.is_empty() || !controls.is_empty() || !waiting.is_empty()
        });
        assert_eq!(polled == Poll::Ready(()), waits);
        connection.asleep = !waits;
        connection.woken.0.store(false, Ordering::Relaxed);
    }

    fn drain(&mut self, mailbox: usize) {
        let connection = &mut self.connections[mailbox];
        let drained = connection.mailbox.drain(true, Vec::new());
        connection.seen = 0;
        self.held.extend(drained.deliveries);
        for (_, consumer) in drained.waiting {
            if self.consumers.contains_key(&consumer) {
                self.owed.insert((consumer, false));
            }
        }
    }

    /// Takes the held deliveries that the mask means; of no-ack ones only when `all`.
    fn pick(&mut self, mask: u64, all: bool) -> Vec<Delivery> {
        let mut index = 0;
        let (picked, held) = std::mem::take(&mut self.held)
            .into_iter()
            .partition(|delivery| {
                index += 1;
                mask >> (index % 64) & 1 == 1 && (all || !self.out[&delivery.sequence].no_ack)
            });
        self.held = held;
        picked
    }

    /// These are not out any more: credit first, as a channel does it.
    fn release(&mut self, deliveries: &[Delivery]) {
        for delivery in deliveries {
            let out = self.out.remove(&delivery.sequence).expect("it is out");
            if let Some(channel) = out.channel.filter(|_| out.counted) {
                self.channels[channel].0.release(1);
                self.owe(channel);
            }
        }
    }

    fn settle(&mut self, mask: u64, outcome: Outcome) {
        let picked = self.pick(mask, outcome == Outcome::Ack);
        for part in picked.chunks(super::super::STEPS_MAX - 2) {
            self.release(part);
            let mut over = Vec::new();
            let mut sequences: Vec<u64> = part.iter().map(|delivery| delivery.sequence).collect();
            for sequence in &sequences {
                match outcome {
                    Outcome::Ack => self.model.ack(*sequence),
                    Outcome::Requeue | Outcome::Return => {
                        let now = self.now;
                        if !self.model.put_back(*sequence, Some(outcome), now) {
                            over.push(*sequence);
                        }
                    }
                    Outcome::Discard => {}
                }
            }
            let known = sequences.clone();
            // What the queue does not know, or not any more, is passed over.
            sequences.extend([u64::MAX, self.model.next]);
            self.verb(
                |queue, now, effects| queue.settle(&sequences, outcome, now, effects),
                |model, consumers, now, taken| {
                    if outcome == Outcome::Discard {
                        for sequence in known {
                            model.discard(sequence);
                        }
                    }
                    for sequence in over {
                        model.bury(sequence, Reason::DeliveryLimit);
                    }
                    model.dispatch(consumers, now, NEVER, taken);
                    model.trim(now);
                },
            );
        }
    }

    fn unsend(&mut self, mask: u64) {
        let picked = self.pick(mask, true);
        self.release(&picked);
        for delivery in &picked {
            self.model.put_back(delivery.sequence, None, self.now);
        }
        self.verb(
            |queue, now, effects| queue.unsend(0, picked.into_iter(), now, effects),
            |model, consumers, now, taken| {
                model.dispatch(consumers, now, NEVER, taken);
                model.trim(now);
            },
        );
        self.resume();
    }

    fn get(&mut self, no_ack: bool) {
        self.last_used = self.now;
        let mut head = None;
        let got = self.verb(
            |queue, now, effects| match queue.get(no_ack, now, effects) {
                Taken::Got(got) => Some(got),
                Taken::Empty => None,
                Taken::Later => panic!("nothing lies on disk"),
            },
            |model, _, now, _| {
                head = model
                    .expire(now, NEVER)
                    .map(|sequence| (sequence, model.entries[&sequence].clone()));
                if let Some((sequence, _)) = head {
                    model.take(sequence, 0);
                    if no_ack {
                        model.ack(sequence);
                    }
                }
                model.trim(now);
            },
        );
        assert_eq!(
            got.as_ref().map(|got| got.sequence),
            head.as_ref().map(|(sequence, _)| *sequence)
        );
        if let (Some(got), Some((_, entry))) = (got, head) {
            check_message(&got.message, entry.id, entry.len);
            assert_eq!(
                (got.redelivered, got.returned),
                (entry.redelivered, self.model.shown(&entry))
            );
            if !no_ack {
                let out = Out {
                    consumer: 0,
                    channel: None,
                    no_ack,
                    counted: false,
                };
                self.out.insert(got.sequence, out);
                self.held.push(Delivery {
                    consumer: 0,
                    redelivered: got.redelivered,
                    counted: false,
                    returned: got.returned,
                    sequence: got.sequence,
                    message: got.message,
                });
            }
        }
    }

    fn purge(&mut self) {
        let expected = self.model.purge();
        let (count, effects) = self.queue.purge(self.now);
        assert_eq!(count, expected);
        if let Some(deadline) = effects.deadline {
            self.timer = Some(deadline);
        }
        assert!(!effects.dying && !effects.unfinished);
        drop(effects);
        self.check(&[], false);
    }

    fn tick(&mut self) {
        self.timer = self.timer.filter(|timer| *timer > self.now);
        let draining = self.buried.is_some();
        let expired = self.verb(
            |queue, now, effects| queue.tick(now, effects),
            |model, consumers, now, taken| {
                model.dispatch(consumers, now, NEVER, taken);
                model.trim(now);
                model.died |= !model.dying.is_empty() && !draining;
            },
        );
        assert_eq!(
            expired,
            self.unused_until().is_some_and(|at| at <= self.now)
        );
    }

    fn touch(&mut self) {
        self.last_used = self.now;
        self.verb(
            |queue, now, effects| queue.touch(now, effects),
            |_, _, _, _| {},
        );
    }

    fn take_dying(&mut self, most: usize) {
        let dying = self.queue.lock().take_dying(most, self.now);
        if self.buried.is_some() || self.model.dying.is_empty() {
            assert!(dying.is_empty(), "one drainer at a time");
            return;
        }
        let count = most.min(self.model.dying.len());
        let expected: Vec<_> = self.model.dying.drain(..count).collect();
        assert_eq!(dying.len(), expected.len());
        for ((sequence, message, reason), wanted) in dying.iter().zip(&expected) {
            assert_eq!((*sequence, *reason), *wanted);
            let entry = &self.model.entries[sequence];
            check_message(message, entry.id, entry.len);
        }
        self.buried = Some(expected.into_iter().map(|(sequence, _)| sequence).collect());
    }

    fn bury(&mut self) {
        let Some(sequences) = self.buried.take() else {
            return;
        };
        for sequence in &sequences {
            self.model.entries.remove(sequence);
        }
        let more = self
            .queue
            .lock()
            .buried(&sequences, self.now, &mut Effects::default());
        assert_eq!(more, !self.model.dying.is_empty());
        self.check(&[], false);
    }

    fn delete(&mut self, force: bool) {
        let mut effects = Effects::default();
        let deleted = self.queue.lock().delete(!force, !force, &mut effects);
        if !force && !self.consumers.is_empty() {
            assert_eq!(deleted, Err(Refused::InUse));
            return;
        }
        if !force && !self.model.ready.is_empty() {
            assert_eq!(deleted, Err(Refused::NotEmpty));
            return;
        }
        assert_eq!(deleted, Ok(self.model.ready.len()));
        let mut told = BTreeSet::new();
        for connection in &self.connections {
            for control in connection.mailbox.drain(false, Vec::new()).controls {
                if let Control::ConsumerCancelled(consumer) = control {
                    assert!(told.insert(consumer), "told twice");
                }
            }
        }
        assert!(told.iter().eq(self.consumers.keys()));
        self.check_gone();
    }

    /// Whoever still has something of a deleted queue may do what they like with it.
    fn check_gone(&mut self) {
        for mailbox in 0..MAILBOXES {
            self.drain(mailbox);
        }
        let mut effects = Effects::default();
        let mut locked = self.queue.lock();
        let message = Message::new(b"", b"1", &[0, 0], b"");
        assert!(
            locked
                .publish(
                    [message].into_iter(),
                    &Links::default(),
                    self.now,
                    &mut effects
                )
                .is_err()
        );
        let sequences: Vec<u64> = self.out.keys().copied().take(1000).collect();
        let (some, others) = sequences.split_at(sequences.len() / 2);
        locked.settle(some, Outcome::Requeue, self.now, &mut effects);
        locked.settle(others, Outcome::Discard, self.now, &mut effects);
        locked.unsend(0, self.held.drain(..), self.now, &mut effects);
        locked.resume(1..=self.last_consumer, true, self.now, &mut effects);
        locked.cancel(1, self.now, &mut effects);
        assert!(matches!(
            locked.get(false, self.now, &mut effects),
            Taken::Empty
        ));
        assert!(locked.take_dying(10, 0).is_empty());
        assert!(!locked.buried(
            &self.buried.take().unwrap_or_default(),
            self.now,
            &mut effects
        ));
        assert!(!locked.tick(u64::MAX, &mut effects));
        assert_eq!(
            locked.delete(false, false, &mut effects),
            Err(Refused::Gone)
        );
        locked.core.check();
        assert_eq!(locked.counts(), (0, 0));
        drop(locked);
        assert_eq!(self.queue.purge(self.now).0, 0);
        assert_eq!(self.queue.unacked(), 0);
    }
}

/// What message `id` says of itself where the queue may look at it: not much, so that it is the same for every seed.
fn said(id: u32, len: usize, ttl: Option<u64>, rules: &Rules) -> Said {
    let special = rules.order.is_special();
    let spread = id.wrapping_mul(2_654_435_761) >> 16;
    Said {
        id,
        len,
        ttl: ttl.map(|ttl| match special {
            true => ttl + u64::from(spread % 5),
            false => ttl,
        }),
        priority: (special && !spread.is_multiple_of(4)).then_some((spread % 41) as u8),
        key: (special && !spread.is_multiple_of(3)).then_some(spread / 8 % 6),
    }
}

fn properties(said: &Said, persistent: bool, rules: &Rules) -> Vec<u8> {
    let mut flags = [0u8, 0];
    let mut rest = Vec::new();
    let mut headers = Vec::new();
    if let Some(key) = said.key {
        write_name(&mut headers, b"key");
        match key {
            0 => write_i64(&mut headers, 7),
            _ => write_long_string(&mut headers, key.to_string().as_bytes()),
        }
    }
    let delay = said.ttl.filter(|_| rules.order.until_due);
    if let Some(delay) = delay {
        write_name(&mut headers, b"x-delay");
        write_i64(&mut headers, delay as i64);
    }
    if !headers.is_empty() {
        flags[0] |= 0x20;
        rest.extend_from_slice(&(headers.len() as u32).to_be_bytes());
        rest.extend(headers);
    }
    if persistent {
        flags[0] |= 0x10;
        rest.push(2);
    }
    if let Some(priority) = said.priority {
        flags[0] |= 0x08;
        rest.push(priority);
    }
    if let Some(ttl) = said.ttl.filter(|_| delay.is_none()) {
        flags[0] |= 0x01;
        let digits = ttl.to_string();
        rest.push(digits.len() as u8);
        rest.extend_from_slice(digits.as_bytes());
    }
    [&flags[..], &rest].concat()
}

/// The messages of a round; `sparse` puts each in a chunk full of others.
fn messages(all_said: &[Said], persistent: bool, sparse: bool, rules: &Rules) -> Vec<Message> {
    let mut all = Vec::with_capacity(all_said.len());
    let mut builder = ChunkBuilder::with_capacity(CHUNK_BYTES_MAX);
    let mut drafts = Vec::new();
    for said in all_said {
        let properties = properties(said, persistent, rules);
        let key = said.id.to_string();
        let body = vec![said.id as u8; said.len];
        if said.len >= LARGE_BODY_BYTES {
            all.push(Message::new(b"x", key.as_bytes(), &properties, &body));
            continue;
        }
        let mut names = vec![1, b'x', key.len() as u8];
        names.extend_from_slice(key.as_bytes());
        let size = ChunkBuilder::size(names.len(), properties.len(), body.len());
        let others = sparse && builder.fits(size + 20_000);
        if !builder.fits(size) {
            let full =
                std::mem::replace(&mut builder, ChunkBuilder::with_capacity(CHUNK_BYTES_MAX))
                    .seal();
            all.extend(drafts.drain(..).map(|draft| full.message(&draft)));
        }
        drafts.push(builder.push(&names, &properties, persistent, &body));
        if others {
            builder.push(&[0, 0], &[0, 0], false, &[0; 15_000]);
        }
    }
    let sealed = builder.seal();
    all.extend(drafts.iter().map(|draft| sealed.message(draft)));
    all
}

fn id(message: &Message) -> u32 {
    std::str::from_utf8(message.routing_key())
        .expect("digits")
        .parse()
        .expect("a number")
}

fn check_message(message: &Message, expected: u32, len: usize) {
    assert_eq!(id(message), expected);
    assert_eq!(message.body_len(), len);
    assert!(
        message
            .body()
            .first()
            .is_none_or(|byte| *byte == expected as u8)
    );
    assert!(
        message
            .body()
            .last()
            .is_none_or(|byte| *byte == expected as u8)
    );
}

/// Links the chunks of what is persistent, as a publisher does.
fn links(messages: &[Message]) -> Links {
    let journal = Journal::memory();
    let mut links = Links::default();
    let mut last = 0;
    for message in messages.iter().filter(|message| message.is_persistent()) {
        let (chunk, _) = message.pins();
        if chunk != last {
            links.link(&message.chunk(), &journal);
            last = chunk;
        }
    }
    links
}
