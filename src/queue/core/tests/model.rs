//! What a queue must hold after each verb, in the simplest words: a map of entries, a set of the ready ones, who stands in line,
//! and the order in which they die. It does not choose consumers; the harness tells it who got what, and it says whether that was
//! in order.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::super::{NEVER, STEPS_MAX};
use crate::queue::dead_letter::Reason;
use crate::queue::order::Levels;
use crate::queue::overflow::Overflow;
use crate::queue::{Outcome, Rules};

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
    pub level: u8,
    pub key: Option<u32>,
    pub held: Option<u64>,
}

/// What a publisher says of a message.
#[derive(Clone, Copy, Debug)]
pub struct Said {
    pub id: u32,
    pub len: usize,
    /// Its own TTL, or its delay where the queue holds messages until they are due.
    pub ttl: Option<u64>,
    pub priority: Option<u8>,
    pub key: Option<u32>,
}

/// A place in line: level from the highest, then whose place it is, then how many were let go on before.
type Turn = (u8, u64, u64);

/// See the module.
pub struct Model {
    pub rules: Rules,
    pub entries: BTreeMap<u64, Entry>,
    pub ready: BTreeSet<u64>,
    ready_bytes: u64,
    /// Ready messages that are for whoever comes.
    line: BTreeMap<Turn, u64>,
    /// The one message of each key that is in line, held or out.
    heads: BTreeMap<u32, u64>,
    releases: u64,
    /// Messages in front of this one have been ready.
    placed: u64,
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
            line: BTreeMap::new(),
            heads: BTreeMap::new(),
            releases: 0,
            placed: 0,
            dying: VecDeque::new(),
            next: 0,
            unfinished: false,
            died: false,
        }
    }

    /// The message that the next consumer gets.
    pub fn head(&self) -> Option<u64> {
        self.line.first_key_value().map(|(_, sequence)| *sequence)
    }

    /// A message that the queue says it has taken; it is not ready yet.
    pub fn announce(&mut self, said: Said, now: u64) {
        let order = &self.rules.order;
        let level = match order.levels {
            Levels::One => 0,
            Levels::Classic(most) => said.priority.unwrap_or(0).min(most),
            Levels::Quorum => said.priority.unwrap_or(4).min(31),
        };
        let expires = if order.until_due {
            now + said.ttl.unwrap_or(0)
        } else {
            let ttls = [said.ttl, self.rules.message_ttl_ms];
            let ttl = ttls.into_iter().flatten().min();
            ttl.map_or(NEVER, |ttl| now + ttl)
        };
        let key = said.key.filter(|_| order.group_header.is_some());
        let sequence = self.next;
        self.entries.insert(
            sequence,
            Entry {
                id: said.id,
                len: said.len,
                expires,
                place: Place::Ready,
                redelivered: false,
                returned: 0,
                level,
                key,
                held: None,
            },
        );
        self.next += 1;
    }

    /// An announced message is ready.
    fn admit(&mut self, sequence: u64) {
        self.make_ready(sequence);
        self.placed = sequence + 1;
        match self.entries[&sequence].key {
            Some(key) if self.heads.contains_key(&key) => {}
            _ => self.line_up(sequence, None),
        }
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
                self.admit(next);
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

    fn below(&self, sequence: u64) -> u8 {
        u8::MAX - self.entries[&sequence].level
    }

    /// Puts a message in line at its own place, or at that of another.
    fn line_up(&mut self, sequence: u64, turn: Option<Turn>) {
        if let Some(key) = self.entries[&sequence].key {
            self.heads.insert(key, sequence);
        }
        if self.rules.order.until_due {
            return;
        }
        let below = self.below(sequence);
        let (_, after, release) = turn.unwrap_or((below, sequence, 0));
        self.line.insert((below, after, release), sequence);
    }

    fn line_up_last(&mut self, sequence: u64) {
        self.releases += 1;
        let last = (0, self.placed.saturating_sub(1), self.releases);
        self.line_up(sequence, Some(last));
    }

    /// Takes a message out of the line; returns where it stood.
    fn leave(&mut self, sequence: u64) -> Option<Turn> {
        let found = self.line.iter().find(|(_, one)| **one == sequence);
        let turn = *found?.0;
        self.line.remove(&turn);
        Some(turn)
    }

    /// The first ready message of a key.
    fn next_of(&self, key: u32) -> Option<u64> {
        let mut ready = self.ready.iter().copied();
        ready.find(|sequence| self.entries[sequence].key == Some(key))
    }

    /// The message goes to somebody.
    pub fn take(&mut self, sequence: u64, consumer: u32) {
        self.leave(sequence);
        self.count_out(sequence);
        self.entry(sequence).place = Place::Out(consumer);
    }

    pub fn entry(&mut self, sequence: u64) -> &mut Entry {
        self.entries.get_mut(&sequence).expect("unsettled")
    }

    fn count_out(&mut self, sequence: u64) {
        assert!(self.ready.remove(&sequence), "{sequence} is not ready");
        self.ready_bytes -= self.entries[&sequence].len as u64;
    }

    /// A ready message leaves, wherever it stands: the next of its key takes its place.
    fn withdraw(&mut self, sequence: u64) {
        self.count_out(sequence);
        let turn = self.leave(sequence);
        let held = self.entry(sequence).held.take();
        if let Some(key) = self.entries[&sequence].key
            && self.heads.get(&key) == Some(&sequence)
        {
            self.heads.remove(&key);
            if let Some(next) = self.next_of(key) {
                self.line_up(next, turn);
                // It may be for somebody who has been told that there is nothing.
                self.unfinished |= held.is_some();
            }
        }
    }

    /// What consumers are told of how often it came back.
    pub fn shown(&self, entry: &Entry) -> u32 {
        if self.rules.shows_count {
            entry.returned
        } else {
            0
        }
    }

    /// Somebody is done with a message: its key goes on.
    fn release(&mut self, sequence: u64) {
        if let Some(key) = self.entries[&sequence].key {
            assert_eq!(self.heads.remove(&key), Some(sequence), "one at a time");
            if let Some(next) = self.next_of(key) {
                assert!(next > sequence, "in order");
                self.line_up_last(next);
            }
        }
    }

    pub fn ack(&mut self, sequence: u64) {
        assert!(matches!(self.entries[&sequence].place, Place::Out(_)));
        self.release(sequence);
        self.entries.remove(&sequence);
    }

    /// A client rejects what it has.
    pub fn discard(&mut self, sequence: u64) {
        self.release(sequence);
        self.bury(sequence, Reason::Rejected);
    }

    /// A delivery comes back: as `outcome` where it had left the broker. False when that was once too often: it is to die.
    pub fn put_back(&mut self, sequence: u64, outcome: Option<Outcome>, now: u64) -> bool {
        let quorum = self.rules.order.levels == Levels::Quorum;
        let (retry, limit) = (self.rules.retry, self.rules.delivery_limit);
        let entry = self.entry(sequence);
        assert!(matches!(entry.place, Place::Out(_)));
        let has_key = entry.key.is_some();
        let mut held = None;
        if let Some(outcome) = outcome {
            entry.redelivered = true;
            entry.returned += 1;
            if limit.is_some_and(|most| entry.returned > most) {
                self.release(sequence);
                return false;
            }
            entry.level = if quorum { 32 } else { entry.level };
            let is_return = outcome == Outcome::Return;
            held = retry
                .filter(|retry| retry.applies(is_return))
                .map(|retry| now + retry.delay_ms(entry.returned, sequence ^ now));
            entry.held = held;
        }
        entry.place = Place::Ready;
        self.make_ready(sequence);
        match held {
            Some(_) => {}
            None if has_key && outcome.is_some() => self.line_up_last(sequence),
            None => self.line_up(sequence, None),
        }
        true
    }

    pub fn bury(&mut self, sequence: u64, reason: Reason) {
        if self.rules.dead_letter.is_some() || reason == Reason::Due {
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
        self.line.clear();
        self.heads.retain(|_, head| !ready.contains(head));
        for sequence in &ready {
            self.entries.remove(sequence);
        }
        ready.len()
    }

    /// The next that has not expired; what has, in front of it, dies, as many as one step may take.
    pub fn expire(&mut self, now: u64, fresh: u64) -> Option<u64> {
        for step in 0.. {
            let first = self.head()?;
            if first >= fresh || self.entries[&first].expires > now {
                return Some(first);
            }
            if step == STEPS_MAX {
                self.unfinished = true;
                return None;
            }
            self.withdraw(first);
            self.bury(first, Reason::Expired);
        }
        None
    }

    /// Ends waits whose time has come, the earliest first.
    fn wake(&mut self, now: u64) {
        let held = |model: &Self| {
            let held = model.ready.iter().filter_map(|sequence| {
                let until = model.entries[sequence].held?;
                Some((until, *sequence))
            });
            held.filter(|(until, _)| *until <= now).min()
        };
        for step in 0.. {
            let Some((_, sequence)) = held(self) else {
                return;
            };
            if step == STEPS_MAX {
                self.unfinished = true;
                return;
            }
            self.entry(sequence).held = None;
            match self.entries[&sequence].key {
                Some(_) => self.line_up_last(sequence),
                None => self.line_up(sequence, None),
            }
        }
    }

    /// Consumers, of whom there are `consumers`, got `taken`: only heads of the queue, one after the other.
    pub fn dispatch(
        &mut self,
        consumers: usize,
        now: u64,
        fresh: u64,
        taken: &mut BTreeMap<u64, u32>,
    ) {
        if self.rules.retry.is_some() {
            self.wake(now);
        }
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

    fn excess(&self) -> Option<u64> {
        let (count, bytes) = (self.ready.len(), self.ready_bytes);
        if !self.rules.limits.exceeded_by(count, bytes) {
            return None;
        }
        let oldest = self.ready.first().copied();
        if self.rules.order.group_header.is_some() {
            return oldest;
        }
        self.head().or(oldest)
    }

    /// Who dies by the clock though it is not the next.
    fn expired(&self, now: u64) -> Option<u64> {
        let order = &self.rules.order;
        if order.exact_ttl || order.until_due {
            return self
                .ready
                .iter()
                .map(|sequence| (self.entries[sequence].expires, *sequence))
                .filter(|(expires, _)| *expires <= now)
                .min()
                .map(|(_, sequence)| sequence);
        }
        let mut heads = self.level_heads();
        heads.find(|sequence| self.entries[sequence].expires <= now)
    }

    fn level_heads(&self) -> impl Iterator<Item = u64> {
        let mut heads: Vec<u64> = Vec::new();
        let mut last = None;
        for ((below, ..), sequence) in &self.line {
            let is_first = last.is_none();
            if last.replace(*below) != Some(*below)
                && (is_first || self.rules.order.group_header.is_none())
            {
                heads.push(*sequence);
            }
        }
        heads.into_iter()
    }

    /// When something happens by the clock.
    pub fn next_event(&self) -> u64 {
        let order = &self.rules.order;
        let entry = |sequence: &u64| &self.entries[sequence];
        let expiry = if order.exact_ttl || order.until_due {
            self.ready.iter().map(|one| entry(one).expires).min()
        } else {
            self.level_heads().map(|one| entry(&one).expires).min()
        };
        let held = self.ready.iter().filter_map(|one| entry(one).held).min();
        expiry.into_iter().chain(held).min().unwrap_or(NEVER)
    }

    /// What every verb ends with.
    pub fn trim(&mut self, now: u64) {
        if self.ready.is_empty() {
            return;
        }
        for step in 0..STEPS_MAX {
            let Some(first) = self.excess() else { break };
            self.withdraw(first);
            self.bury(first, Reason::MaxLen);
            self.unfinished |= step + 1 == STEPS_MAX;
        }
        self.expire(now, NEVER);
        if !self.rules.order.is_special() {
            return;
        }
        let reason = match self.rules.order.until_due {
            true => Reason::Due,
            false => Reason::Expired,
        };
        for step in 0.. {
            let Some(first) = self.expired(now) else {
                break;
            };
            if step == STEPS_MAX {
                self.unfinished = true;
                break;
            }
            self.withdraw(first);
            self.bury(first, reason);
        }
    }
}
