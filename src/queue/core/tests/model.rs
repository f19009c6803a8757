//! What a queue must hold after each verb, in the simplest words: a map of entries, a set of the ready ones, and the order in
//! which they die. It does not choose consumers; the harness tells it who got what, and it says whether that was in order.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::super::{NEVER, STEPS_MAX};
use crate::queue::Rules;
use crate::queue::dead_letter::Reason;
use crate::queue::overflow::Overflow;

/// Where a message is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    Ready,
    /// With this consumer, or with basic.get (0).
    Out(u32),
    Dying,
}

/// One unsettled message.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Its routing key, by which it is told from all others.
    pub id: u32,
    pub len: usize,
    pub expires: u64,
    pub place: Place,
    pub redelivered: bool,
    pub returned: u32,
}

/// See the module.
pub struct Model {
    pub rules: Rules,
    pub entries: BTreeMap<u64, Entry>,
    pub ready: BTreeSet<u64>,
    ready_bytes: u64,
    pub dying: VecDeque<(u64, Reason)>,
    pub next: u64,
    /// A step was cut short in this verb.
    pub unfinished: bool,
    /// A message began to die in this verb.
    pub died: bool,
}

impl Model {
    pub fn new(rules: Rules) -> Self {
        Self {
            rules,
            entries: BTreeMap::new(),
            ready: BTreeSet::new(),
            ready_bytes: 0,
            dying: VecDeque::new(),
            next: 0,
            unfinished: false,
            died: false,
        }
    }

    /// A message that the queue says it has taken; it is not ready yet.
    pub fn announce(&mut self, id: u32, len: usize, ttl: Option<u64>, now: u64) {
        let ttl = [ttl, self.rules.message_ttl_ms].into_iter().flatten().min();
        self.entries.insert(
            self.next,
            Entry {
                id,
                len,
                expires: ttl.map_or(NEVER, |ttl| now + ttl),
                place: Place::Ready,
                redelivered: false,
                returned: 0,
            },
        );
        self.next += 1;
    }

    /// `count` messages of `len` bytes come one by one, each to be refused, or else taken under the next sequence number from
    /// `next` on. Returns which are refused.
    pub fn publish(
        &mut self,
        count: u32,
        len: usize,
        mut next: u64,
        consumers: usize,
        now: u64,
        taken: &mut BTreeMap<u64, u32>,
    ) -> Vec<u32> {
        let mut refused = Vec::new();
        let mut fresh = next;
        for index in 0..count {
            if !self.has_room(len) {
                self.dispatch(consumers, now, fresh, taken);
                fresh = next;
                self.expire(now, NEVER);
            }
            if self.has_room(len) {
                self.make_ready(next);
                next += 1;
            } else {
                refused.push(index);
            }
        }
        self.dispatch(consumers, now, fresh, taken);
        refused
    }

    fn has_room(&self, len: usize) -> bool {
        let limits = &self.rules.limits;
        let (count, bytes) = (self.ready.len() as u64 + 1, self.ready_bytes + len as u64);
        limits.overflow == Overflow::DropHead
            || (limits.messages.is_none_or(|most| count <= most)
                && limits.bytes.is_none_or(|most| bytes <= most))
    }

    fn make_ready(&mut self, sequence: u64) {
        self.ready.insert(sequence);
        self.ready_bytes += self.entries[&sequence].len as u64;
    }

    /// The message goes to somebody.
    pub fn take(&mut self, sequence: u64, consumer: u32) {
        self.unready(sequence);
        self.entry(sequence).place = Place::Out(consumer);
    }

    pub fn entry(&mut self, sequence: u64) -> &mut Entry {
        self.entries.get_mut(&sequence).expect("unsettled")
    }

    fn unready(&mut self, sequence: u64) {
        assert!(self.ready.remove(&sequence), "{sequence} is not ready");
        self.ready_bytes -= self.entries[&sequence].len as u64;
    }

    pub fn ack(&mut self, sequence: u64) {
        let entry = self.entries.remove(&sequence).expect("unsettled");
        assert!(matches!(entry.place, Place::Out(_)));
    }

    /// What consumers are told of how often it came back.
    pub fn shown(&self, entry: &Entry) -> u32 {
        if self.rules.shows_count {
            entry.returned
        } else {
            0
        }
    }

    /// A delivery comes back; `seen` when it had left the broker. False when that was once too often: it is to die.
    pub fn put_back(&mut self, sequence: u64, seen: bool) -> bool {
        let limit = self.rules.delivery_limit;
        let entry = self.entry(sequence);
        assert!(matches!(entry.place, Place::Out(_)));
        entry.redelivered |= seen;
        entry.returned += u32::from(seen);
        if seen && limit.is_some_and(|most| entry.returned > most) {
            return false;
        }
        entry.place = Place::Ready;
        self.make_ready(sequence);
        true
    }

    pub fn bury(&mut self, sequence: u64, reason: Reason) {
        if self.rules.dead_letter.is_some() {
            self.entry(sequence).place = Place::Dying;
            self.dying.push_back((sequence, reason));
            self.died = true;
        } else {
            self.entries.remove(&sequence);
        }
    }

    /// Removes all that is ready; returns how many.
    pub fn purge(&mut self) -> usize {
        let ready = std::mem::take(&mut self.ready);
        self.ready_bytes = 0;
        for sequence in &ready {
            self.entries.remove(sequence);
        }
        ready.len()
    }

    /// The oldest that has not expired; what has, in front of it, dies, as many as one step may take.
    pub fn expire(&mut self, now: u64, fresh: u64) -> Option<u64> {
        let expired = self
            .ready
            .iter()
            .take_while(|sequence| **sequence < fresh && self.entries[sequence].expires <= now)
            .count();
        for _ in 0..expired.min(STEPS_MAX) {
            let first = *self.ready.first().expect("counted");
            self.unready(first);
            self.bury(first, Reason::Expired);
        }
        if expired > STEPS_MAX {
            self.unfinished = true;
            return None;
        }
        self.ready.first().copied()
    }

    /// Consumers, of whom there are `consumers`, got `taken`: only heads of the queue, one after the other.
    pub fn dispatch(
        &mut self,
        consumers: usize,
        now: u64,
        fresh: u64,
        taken: &mut BTreeMap<u64, u32>,
    ) {
        if self.ready.is_empty() || consumers == 0 {
            return;
        }
        while let Some(head) = self.expire(now, fresh) {
            let Some(consumer) = taken.remove(&head) else {
                return;
            };
            self.take(head, consumer);
        }
    }

    /// What every verb ends with.
    pub fn trim(&mut self, now: u64) {
        if self.ready.is_empty() {
            return;
        }
        for step in 0.. {
            if !self
                .rules
                .limits
                .exceeded_by(self.ready.len(), self.ready_bytes)
            {
                break;
            }
            if step == STEPS_MAX {
                break;
            }
            let Some(first) = self.ready.first().copied() else {
                break;
            };
            self.unready(first);
            self.bury(first, Reason::MaxLen);
            self.unfinished |= step + 1 == STEPS_MAX;
        }
        self.expire(now, NEVER);
    }
}
