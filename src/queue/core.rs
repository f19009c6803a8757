//! The queue's rules in one readable order, without I/O, clock or connections: time comes in, [`Effects`] go out.
//!
//! ```text
//! publish:  place -> dispatch -> drop what exceeds the limits -> drop what has expired at the head
//! settle:   ack | discard | requeue -> dispatch -> limits -> expiry
//! ```
//!
//! Invariants: `ready + unacked + dying = slots.live()`; a message leaves only by being settled; what is to be dead-lettered is
//! settled only after its copies are placed (see `take_dying`). Called by `Locked` in mod.rs.

use std::collections::VecDeque;
use std::sync::Arc;

use super::arguments::QueueKind;
use super::consumers::{Consumer, Consumers};
use super::dead_letter::Reason;
use super::dedup::Known;
use super::effects::Effects;
use super::expiry::{self, NEVER};
use super::log::{Links, Log, Terms};
use super::mailbox::Delivery;
use super::order;
use super::paging::Paging;
use super::slots::{Back, Slots, State};
use super::stream::Stream;
use super::{Got, Outcome, Queue, Rules, Taken};
use crate::message::Message;
use crate::store::Urgency;

/// Steps that one lock hold takes at most; the rest is left for the next.
pub const STEPS_MAX: usize = 1000;

/// One queue's state, under its lock.
pub struct Core {
    pub(super) slots: Slots,
    consumers: Consumers,
    pub(super) rules: Arc<Rules>,
    pub(super) ready: usize,
    /// Body bytes of the ready messages that have slots.
    pub(super) ready_bytes: u64,
    pub(super) unacked: usize,
    pub(super) dying: VecDeque<(u64, Reason)>,
    pub(super) draining: bool,
    /// Whoever drains settles dead letters one by one, and says himself when he is done.
    one_by_one: bool,
    /// Dead letters found no place: nobody tries again before this time.
    pub(super) dying_rests_until: u64,
    /// Body bytes of what is dying.
    pub(super) dying_bytes: u64,
    /// What lies on disk alone.
    pub(super) paging: Paging,
    /// What the journal is told; a queue that is not durable has none.
    pub(super) log: Option<Box<Log>>,
    /// The ids by which duplicates are known, where a rule asks for them.
    pub(super) known: Option<Box<Known>>,
    /// What a stream is instead of all that.
    pub(super) stream: Option<Box<Stream>>,
    pub(super) gone: bool,
    had_consumer: bool,
    /// Last declare, get or end of a consumer, for `x-expires`.
    last_used: u64,
    /// The earliest time for which a tick has been asked; `NEVER` when none is.
    armed: u64,
}

impl Core {
    pub(super) fn new(rules: Arc<Rules>, log: Option<Box<Log>>, now: u64) -> Self {
        let mut slots = Slots::default();
        slots.set_order(&rules.order);
        let stream = (rules.kind == QueueKind::Stream).then(|| Box::new(Stream::new(&rules)));
        Self {
            slots,
            consumers: if rules.single_active {
                Consumers::single_active(rules.kind == QueueKind::Quorum)
            } else {
                Consumers::default()
            },
            rules,
            ready: 0,
            ready_bytes: 0,
            unacked: 0,
            dying: VecDeque::new(),
            draining: false,
            one_by_one: false,
            dying_rests_until: 0,
            dying_bytes: 0,
            paging: Paging::default(),
            log,
            known: None,
            stream,
            gone: false,
            had_consumer: false,
            last_used: now,
            armed: NEVER,
        }
    }

    pub(super) fn publish(
        &mut self,
        me: &Arc<Queue>,
        messages: impl Iterator<Item = Message>,
        links: &Links,
        now: u64,
        effects: &mut Effects,
    ) {
        let fresh = self.slots.next_sequence();
        self.place(me, messages, links, now, effects);
        self.dispatch(me, now, fresh, effects);
        self.finish_publish(now, effects);
    }

    /// Appends messages, and notes what the journal is to know of them.
    #[inline]
    fn place(
        &mut self,
        me: &Arc<Queue>,
        messages: impl Iterator<Item = Message>,
        links: &Links,
        now: u64,
        effects: &mut Effects,
    ) {
        let before = self.slots.resident();
        if !links.is_empty()
            && let Some(mut log) = self.log.take()
        {
            let terms = Terms {
                now,
                ttl_ms: self.rules.message_ttl_ms,
                urgency: self.urgency(me),
            };
            let mut placing = log.place(me.spec.id, links, terms);
            for message in messages {
                placing.add(self.slots.next_sequence(), &message);
                self.push(message, now);
            }
            placing.finish();
            self.log = Some(log);
        } else {
            for message in messages {
                self.push(message, now);
            }
        }
        self.note_pushed(self.slots.resident() - before, effects);
    }

    #[inline]
    fn finish_publish(&mut self, now: u64, effects: &mut Effects) {
        self.trim(now, effects);
        if self.slots.wants_sweep() {
            self.slots.sweep(STEPS_MAX);
        }
    }

    /// How soon messages have to be on disk.
    pub(super) fn urgency(&self, me: &Queue) -> Urgency {
        self.rules.sync.unwrap_or(me.default_sync)
    }

    // Once for each message: in line, or a twentieth of a publish is the call.
    #[inline(always)]
    fn push(&mut self, message: Message, now: u64) {
        let expires = if self.rules.order.until_due {
            order::due_at(now, &message)
        } else {
            expiry::expires_at(now, self.rules.message_ttl_ms, message.ttl_ms())
        };
        self.ready += 1;
        self.ready_bytes += message.body_len() as u64;
        self.slots.push(message, expires);
    }

    /// A message is done with: the slot goes, and the journal hears of it.
    #[inline(always)]
    pub(super) fn remove(&mut self, sequence: u64) -> Option<Message> {
        if self.slots.has_index() || self.known.is_some() {
            self.forget(sequence);
        }
        if let Some(log) = &mut self.log {
            log.settled(sequence);
        }
        self.slots.remove(sequence)
    }

    /// What special queues keep of a message beside its slot.
    #[cold]
    fn forget(&mut self, sequence: u64) {
        if self.slots.has_index() {
            self.forget_extent(sequence);
        }
        if let Some(known) = &mut self.known {
            known.left(sequence);
        }
    }

    /// What every verb ends with: limits, expiry at the head, the next deadline.
    fn trim(&mut self, now: u64, effects: &mut Effects) {
        if self.ready > 0 {
            self.drop_excess(effects);
            self.next_deliverable(now, NEVER, effects);
            if self.slots.has_index() {
                self.expire_anywhere(now, effects);
            }
        }
        if self.slots.is_paged() {
            self.look_ahead(now, effects);
        }
        self.arm(now, effects);
    }

    /// The oldest ready message that nothing ends; those in front of it leave. Messages from `fresh` on are not looked at:
    /// they have just been published, and a waiting consumer gets them even with a TTL of 0.
    #[inline]
    fn next_deliverable(&mut self, now: u64, fresh: u64, effects: &mut Effects) -> Option<u64> {
        let mut steps = 0;
        loop {
            let sequence = self.slots.first_ready()?;
            if sequence >= fresh {
                return Some(sequence);
            }
            let slot = self
                .slots
                .get_mut(sequence)
                .expect("a ready message is there");
            let reason = if expiry::is_expired(slot.expires, now) {
                Reason::Expired
            } else if slot.returned > 0 && self.rules.is_over_limit(slot.returned) {
                // It was dying of it when the broker ended, or the limit is a new one.
                Reason::DeliveryLimit
            } else {
                // Its bytes may be on disk alone: it is delivered when they are back.
                return slot.message.is_some().then_some(sequence);
            };
            if steps == STEPS_MAX {
                effects.unfinished = true;
                return None;
            }
            steps += 1;
            self.unready(sequence);
            self.bury(sequence, reason, effects);
        }
    }

    /// Takes a ready message, wherever it stands, out of the ready ones.
    pub(super) fn withdraw(&mut self, sequence: u64) {
        self.unready(sequence);
    }

    /// Messages have come from disk.
    pub(super) fn after_load(&mut self, me: &Arc<Queue>, now: u64, effects: &mut Effects) {
        self.dispatch(me, now, NEVER, effects);
        self.trim(now, effects);
        effects.dying |= !self.dying.is_empty() && !self.draining;
    }

    /// Takes a message out of the ready ones; returns whether consumers are to be served for it.
    #[inline]
    fn unready(&mut self, sequence: u64) -> bool {
        let freed = self.slots.withdraw(sequence);
        self.count_out(sequence);
        freed
    }

    #[inline]
    fn count_out(&mut self, sequence: u64) {
        let slot = self
            .slots
            .get_mut(sequence)
            .expect("a ready message is there");
        self.ready -= 1;
        self.ready_bytes -= u64::from(slot.body_len);
    }

    /// Hands ready messages to consumers as long as there are both.
    fn dispatch(&mut self, me: &Arc<Queue>, now: u64, fresh: u64, effects: &mut Effects) {
        if self.slots.has_index() {
            effects.unfinished |= self.slots.wake(now, STEPS_MAX);
        }
        if self.ready == 0 || self.consumers.len() == 0 {
            return;
        }
        let Some(mut sequence) = self.next_deliverable(now, fresh, effects) else {
            return;
        };
        let Some(mut turn) = self.consumers.next() else {
            return;
        };
        // Only some kinds of queue tell how often a message came back.
        let shown = if self.rules.shows_count { u32::MAX } else { 0 };
        let lends = self.rules.retain_acked_ms.is_none();
        loop {
            let mailbox = Arc::clone(&self.consumers.at(turn.0).spec.mailbox);
            let mut slot = mailbox.slot();
            let more = loop {
                let (index, counted) = turn;
                let consumer = self.consumers.at(index);
                if slot.has_room(&mut consumer.share) {
                    let mut delivery =
                        Self::take(&mut self.slots, sequence, consumer, counted, lends);
                    delivery.returned &= shown;
                    self.ready -= 1;
                    self.ready_bytes -= delivery.message.body_len() as u64;
                    self.unacked += 1;
                    slot.push(&mut consumer.share, delivery);
                    match self.next_deliverable(now, fresh, effects) {
                        Some(next) => sequence = next,
                        None => break false,
                    }
                } else {
                    slot.wait(Arc::clone(me), consumer.number);
                    self.consumers.refuse(index, counted);
                }
                match self.consumers.next() {
                    Some(next) => turn = next,
                    None => break false,
                }
                if !Arc::ptr_eq(&mailbox, &self.consumers.at(turn.0).spec.mailbox) {
                    break true;
                }
            };
            effects.wakers.extend(slot.waker());
            drop(slot);
            if !more {
                return;
            }
        }
    }

    #[inline]
    fn take(
        slots: &mut Slots,
        sequence: u64,
        consumer: &Consumer,
        counted: bool,
        lends: bool,
    ) -> Delivery {
        slots.take_ready(sequence);
        let slot = slots.get_mut(sequence).expect("a ready message is there");
        slot.state = State::Delivered;
        slot.consumer = consumer.number;
        // What needs no ack is not needed any more, unless it is to be retained.
        let lends = consumer.spec.no_ack && lends;
        let message = if lends {
            slot.message.take()
        } else {
            slot.message.clone()
        };
        let delivery = Delivery {
            consumer: consumer.spec.id,
            redelivered: slot.redelivered,
            counted,
            returned: slot.returned,
            sequence,
            message: message.expect("a ready message has its bytes"),
        };
        if lends {
            slots.lent(&delivery.message);
        }
        delivery
    }

    pub(super) fn get(&mut self, no_ack: bool, now: u64, effects: &mut Effects) -> Taken {
        self.last_used = now;
        let got = self.next_deliverable(now, NEVER, effects).map(|sequence| {
            self.slots.take_ready(sequence);
            self.count_out(sequence);
            let slot = self
                .slots
                .get_mut(sequence)
                .expect("a ready message is there");
            let redelivered = slot.redelivered;
            let returned = if self.rules.shows_count {
                slot.returned
            } else {
                0
            };
            slot.state = State::Delivered;
            slot.consumer = 0;
            let message = if no_ack {
                let message = self.remove(sequence);
                if self.rules.retain_acked_ms.is_some() {
                    effects.acked.extend(message.clone());
                }
                message
            } else {
                self.unacked += 1;
                slot.message.clone()
            };
            let message = message.expect("a ready message has its bytes");
            Got {
                sequence,
                message,
                redelivered,
                returned,
                remaining: 0,
            }
        });
        let is_away = got.is_none() && self.head_is_away();
        self.trim(now, effects);
        match got {
            Some(got) => Taken::Got(Got {
                remaining: self.ready,
                ..got
            }),
            None if is_away => Taken::Later,
            None => Taken::Empty,
        }
    }

    /// Settles deliveries of this queue; those it does not know (any more) are passed over.
    pub(super) fn settle(
        &mut self,
        me: &Arc<Queue>,
        sequences: impl Iterator<Item = u64>,
        outcome: Outcome,
        now: u64,
        effects: &mut Effects,
    ) {
        let retains = self.rules.retain_acked_ms.is_some();
        for sequence in sequences {
            let Some(slot) = self
                .slots
                .get_mut(sequence)
                .filter(|slot| slot.state == State::Delivered)
            else {
                continue;
            };
            self.unacked -= 1;
            self.consumers.settled(slot.consumer);
            if outcome == Outcome::Ack {
                let message = self.remove(sequence);
                if retains {
                    effects.acked.extend(message);
                }
            } else {
                self.turn_down(sequence, outcome, now, effects);
            }
        }
        self.dispatch(me, now, NEVER, effects);
        self.trim(now, effects);
        if self.slots.wants_sweep() {
            self.slots.sweep(STEPS_MAX);
        }
    }

    /// A delivery was not acknowledged: it dies or comes back.
    fn turn_down(&mut self, sequence: u64, outcome: Outcome, now: u64, effects: &mut Effects) {
        if outcome == Outcome::Discard {
            return self.bury(sequence, Reason::Rejected, effects);
        }
        let slot = self.slots.get_mut(sequence).expect("it was just delivered");
        slot.redelivered = true;
        slot.returned += 1;
        let returned = slot.returned;
        if let Some(log) = &mut self.log {
            log.requeued(sequence);
        }
        if self.rules.is_over_limit(returned) {
            self.bury(sequence, Reason::DeliveryLimit, effects);
        } else {
            let back = self.back(sequence, returned, outcome, now);
            self.put_back(sequence, back);
        }
    }

    /// Takes back deliveries that never left the broker, as if they had not been taken.
    pub(super) fn unsend(
        &mut self,
        me: &Arc<Queue>,
        deliveries: impl Iterator<Item = Delivery>,
        now: u64,
        effects: &mut Effects,
    ) {
        for delivery in deliveries {
            let sequence = delivery.sequence;
            let Some(slot) = self
                .slots
                .get_mut(sequence)
                .filter(|slot| slot.state == State::Delivered)
            else {
                continue;
            };
            self.unacked -= 1;
            self.consumers.settled(slot.consumer);
            self.slots.give_back(sequence, delivery.message);
            self.put_back(sequence, Back::Unsent);
        }
        self.dispatch(me, now, NEVER, effects);
        self.trim(now, effects);
    }

    fn put_back(&mut self, sequence: u64, back: Back) {
        let slot = self.slots.get_mut(sequence).expect("the caller holds it");
        slot.state = State::Ready;
        slot.consumer = 0;
        self.ready += 1;
        self.ready_bytes += u64::from(slot.body_len);
        self.slots.put_back(sequence, back);
    }

    pub(super) fn end(&self) -> u64 {
        self.slots.next_sequence()
    }

    pub(super) fn touch(&mut self, now: u64, effects: &mut Effects) {
        self.last_used = now;
        if self.stream.is_some() {
            return;
        }
        self.arm(now, effects);
    }

    /// Time has passed: the head may have expired, a cut-short step goes on. Returns whether the queue itself has expired.
    pub(super) fn tick(&mut self, me: &Arc<Queue>, now: u64, effects: &mut Effects) -> bool {
        if self.gone {
            return false;
        }
        if self.stream.is_some() {
            self.stream_tick(me, now, effects);
            return false;
        }
        if self.armed <= now {
            self.armed = NEVER;
        }
        self.dispatch(me, now, NEVER, effects);
        self.trim(now, effects);
        // Whoever drained the dead letters may have stopped at its budget.
        effects.dying |= !self.dying.is_empty() && !self.draining;
        self.expires_unused().is_some_and(|at| at <= now)
    }

    /// When the queue goes for want of use, unless somebody uses it.
    fn expires_unused(&self) -> Option<u64> {
        self.rules
            .expires_ms
            .filter(|_| self.consumers.len() == 0)
            .map(|after| self.last_used.saturating_add(after))
    }

    /// Asks for a tick when something has to happen earlier than what has been asked for.
    #[inline]
    fn arm(&mut self, now: u64, effects: &mut Effects) {
        if self.gone {
            return;
        }
        let head = self.head_expires(now);
        let deadline = self.expires_unused().map_or(head, |at| at.min(head));
        if deadline < self.armed {
            self.armed = deadline;
            effects.deadline = Some(deadline);
        }
    }

    /// Panics when an invariant is broken; tests call it after every operation.
    #[cfg(test)]
    pub fn check(&self) {
        self.slots.check();
        self.consumers.check();
        let count = |state| {
            self.slots
                .each()
                .filter(|(_, slot)| slot.state == state)
                .count()
        };
        self.check_paging();
        let cold = self.slots.cold().map_or(0, |cold| cold.count);
        assert_eq!(count(State::Ready) + cold, self.ready);
        assert_eq!(count(State::Delivered), self.unacked);
        let bytes: u64 = self
            .slots
            .each()
            .filter(|(_, s)| s.state == State::Ready)
            .map(|(_, s)| u64::from(s.body_len))
            .sum();
        assert_eq!(bytes, self.ready_bytes);
        assert_eq!(
            self.ready + self.unacked + count(State::Dying),
            self.slots.live()
        );
    }
}

mod dying;
mod end;
mod once;
mod purge;
pub use once::Recognised;
mod reject;
mod rules;
mod serve;
mod streaming;
#[cfg(test)]
mod tests;
mod timed;
