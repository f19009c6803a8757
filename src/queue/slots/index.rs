//! Which message of a queue is next, where that is not simply the oldest; and whose time comes next.
//!
//! ```text
//! lines    ready messages in the order in which they are delivered: by level, or in turns (slots/index/levels.rs)
//! groups   keys and the messages that wait behind the head of theirs (slots/index/groups.rs)
//! expiries when ready messages die, wherever they stand              holds   when messages that came back are ready again
//! ```
//!
//! A queue with an index keeps a slot for every message, also for those whose bytes lie on disk alone, so that order and time
//! never need the disk: 48 bytes a message, and 1 to 40 here (a bit in a level; about 25 for a time; about 40 for a place in
//! turns, and 100 for a key). While such a queue still has cold messages, which is after a restart until its backlog has been
//! read through, nobody knows who is next, and nobody is.
//!
//! Knows sequence numbers, levels, keys and times; the slots' own methods are in `slots/indexed.rs`.

use std::collections::{BTreeMap, BTreeSet};

use ahash::HashMap;

use self::groups::{Groups, Next, Place};
use self::levels::Levels;
use super::Slot;
use crate::queue::expiry::NEVER;
use crate::queue::order::{self, Order};

mod groups;
mod levels;

/// How a message comes back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Back {
    /// It never left the broker.
    Unsent,
    /// A consumer gave it back.
    Returned,
    /// The same, and it is ready again at this time.
    Held(u64),
}

/// A place in turns: level (the highest first), then the message or the count of releases after which it came.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Turn {
    /// The level, from 255 downwards.
    below: u8,
    /// All messages up to this one were there before.
    after: u64,
    /// Which of the releases since; 0 for the message itself.
    release: u64,
}

enum Lines {
    /// Messages only wait for their time.
    Nobody,
    Levels(Levels),
    Turns(BTreeMap<Turn, u64>),
}

/// Times of messages, the earliest first.
#[derive(Default)]
pub(super) struct Timers(BTreeSet<(u64, u64)>);

impl Timers {
    fn insert(&mut self, at: u64, sequence: u64) {
        if at != NEVER {
            self.0.insert((at, sequence));
        }
    }

    fn remove(&mut self, at: u64, sequence: u64) {
        if at != NEVER {
            self.0.remove(&(at, sequence));
        }
    }

    /// The first whose time has come, and its time.
    fn first(&self) -> Option<(u64, u64)> {
        self.0.first().copied()
    }
}

/// See the module.
pub struct Index {
    order: Order,
    lines: Lines,
    groups: Groups,
    expiries: Timers,
    holds: Timers,
    /// Until when a message that came back waits.
    held: HashMap<u64, u64>,
    /// How often a key has been let go on.
    releases: u64,
    /// No message in front of this one is ready.
    pub(super) oldest: u64,
}

impl Index {
    pub fn new(order: &Order) -> Self {
        let lines = if order.until_due {
            Lines::Nobody
        } else if order.group_header.is_some() {
            Lines::Turns(BTreeMap::new())
        } else {
            Lines::Levels(Levels::default())
        };
        Self {
            order: order.clone(),
            lines,
            groups: Groups::default(),
            expiries: Timers::default(),
            holds: Timers::default(),
            held: HashMap::default(),
            releases: 0,
            oldest: 0,
        }
    }

    pub fn order(&self) -> &Order {
        &self.order
    }

    /// Whether messages die by the clock wherever they stand may have changed; then all times are forgotten, and true says that
    /// those of the ready messages are to be told anew.
    pub fn retime(&mut self, order: &Order) -> bool {
        if self.order.exact_ttl == order.exact_ttl {
            return false;
        }
        self.order.exact_ttl = order.exact_ttl;
        self.expiries = Timers::default();
        true
    }

    /// Until when messages that came back wait.
    pub fn held(&self) -> impl Iterator<Item = (u64, u64)> + '_ {
        self.held
            .iter()
            .map(|(sequence, until)| (*sequence, *until))
    }

    /// Forgets everything; keeps what it is for.
    pub fn clear(&mut self) {
        *self = Self::new(&self.order);
    }

    /// Whether it holds much more memory than an empty one.
    pub fn is_roomy(&self) -> bool {
        self.groups.is_roomy() || self.held.capacity() > 1024
    }

    /// A ready message comes in that was never taken.
    pub fn insert(&mut self, sequence: u64, slot: &mut Slot) {
        self.time(sequence, slot.expires);
        if let Some(message) = &slot.message {
            slot.level = self.order.level(message, slot.returned);
            if let Some(key) = self.order.key(message, self.groups.hasher()) {
                match self.groups.insert(key, sequence, slot.level) {
                    Place::Head => {}
                    Place::Behind => return,
                    Place::Before(turn) => {
                        if let (Lines::Turns(turns), Some(turn)) = (&mut self.lines, turn) {
                            turns.remove(&turn);
                        }
                    }
                }
            }
        }
        self.line_up(sequence, slot.level, Turn::own(slot.level, sequence));
    }

    /// A message that somebody has, met in its place among those that come in as the index is built. Those of its key that
    /// come behind it wait for it, if none of them came before.
    pub fn insert_taken(&mut self, sequence: u64, slot: &mut Slot) {
        let Some(message) = &slot.message else {
            return;
        };
        slot.level = self.order.level(message, slot.returned);
        let key = self.order.key(message, self.groups.hasher());
        if let Some(key) = key.filter(|key| !self.groups.knows(*key)) {
            self.groups.insert(key, sequence, slot.level);
            self.groups.taken(sequence);
        }
    }

    pub fn time(&mut self, sequence: u64, expires: u64) {
        if self.order.is_timed() {
            self.expiries.insert(expires, sequence);
        }
    }

    fn untime(&mut self, sequence: u64, expires: u64) {
        if self.order.is_timed() {
            self.expiries.remove(expires, sequence);
        }
    }

    fn line_up(&mut self, sequence: u64, level: u8, turn: Turn) {
        match &mut self.lines {
            Lines::Nobody => {}
            Lines::Levels(levels) => levels.insert(level, sequence),
            Lines::Turns(turns) => {
                turns.insert(turn, sequence);
                self.groups.stands(sequence, turn);
            }
        }
    }

    /// Takes the one that stands in line out of it; returns its place in turns.
    fn leave(&mut self, sequence: u64, level: u8) -> Turn {
        match &mut self.lines {
            Lines::Nobody => Turn::own(level, sequence),
            Lines::Levels(levels) => {
                levels.remove(level, sequence);
                Turn::own(level, sequence)
            }
            Lines::Turns(turns) => {
                let turn = self.groups.turn(sequence);
                let turn = turn.unwrap_or(Turn::own(level, sequence));
                turns.remove(&turn);
                turn
            }
        }
    }

    /// The place behind all that are there now, `next` being the number of the next message.
    fn last_turn(&mut self, level: u8, next: u64) -> Turn {
        self.releases += 1;
        Turn {
            below: u8::MAX - level,
            after: next.saturating_sub(1),
            release: self.releases,
        }
    }

    /// The next message.
    pub fn first(&self) -> Option<u64> {
        match &self.lines {
            Lines::Nobody => None,
            Lines::Levels(levels) => levels.first(),
            Lines::Turns(turns) => turns.first_key_value().map(|(_, sequence)| *sequence),
        }
    }

    /// The next messages, in order, as far as they are known now; of a queue that delivers to nobody, those that die next.
    pub fn upcoming(&self) -> Box<dyn Iterator<Item = u64> + '_> {
        match &self.lines {
            Lines::Nobody => Box::new(self.expiries.0.iter().map(|(_, sequence)| *sequence)),
            Lines::Levels(levels) => Box::new(levels.each()),
            Lines::Turns(turns) => Box::new(turns.values().copied()),
        }
    }

    /// The first message of each level.
    pub fn heads(&self) -> impl Iterator<Item = u64> + '_ {
        let (levels, first) = match &self.lines {
            Lines::Levels(levels) => (Some(levels), None),
            _ => (None, self.first()),
        };
        levels.into_iter().flat_map(Levels::heads).chain(first)
    }

    /// The next message goes to somebody; those of its key wait for it.
    pub fn take(&mut self, sequence: u64, slot: &Slot) {
        self.leave(sequence, slot.level);
        self.groups.taken(sequence);
        self.untime(sequence, slot.expires);
    }

    /// A message that somebody had is done with: its key goes on. `next` is the number of the next message.
    pub fn release(&mut self, sequence: u64, next: u64) {
        if let Some(Next { sequence, level }) = self.groups.remove(sequence) {
            let turn = self.last_turn(level, next);
            self.line_up(sequence, level, turn);
        }
    }

    /// A ready message leaves, wherever it stands. True when it was held and the next of its key, for which nobody could get
    /// anything so far, stands in line now.
    pub fn withdraw(&mut self, sequence: u64, slot: &Slot) -> bool {
        self.untime(sequence, slot.expires);
        if let Some(until) = self.held.remove(&sequence) {
            self.holds.remove(until, sequence);
            if let Some(Next { sequence, level }) = self.groups.remove(sequence) {
                self.line_up(sequence, level, Turn::own(level, sequence));
                return true;
            }
            return false;
        }
        if self.groups.is_behind(sequence) {
            self.groups.remove(sequence);
            return false;
        }
        let turn = self.leave(sequence, slot.level);
        if let Some(Next { sequence, level }) = self.groups.remove(sequence) {
            let below = u8::MAX - level;
            self.line_up(sequence, level, Turn { below, ..turn });
        }
        false
    }

    /// A message that was taken is back; it is the first of its key.
    pub fn put_back(&mut self, sequence: u64, slot: &mut Slot, back: Back, next: u64) {
        self.oldest = self.oldest.min(sequence);
        self.time(sequence, slot.expires);
        if back != Back::Unsent {
            slot.level = self.order.returned_level(slot.level);
        }
        match back {
            Back::Held(until) => {
                self.held.insert(sequence, until);
                self.holds.insert(until, sequence);
            }
            Back::Returned if self.groups.has(sequence) => {
                let turn = self.last_turn(slot.level, next);
                self.line_up(sequence, slot.level, turn);
            }
            _ => self.line_up(sequence, slot.level, Turn::own(slot.level, sequence)),
        }
    }

    /// A message in line waits; one behind the head of its key does so anyway.
    pub fn hold(&mut self, sequence: u64, slot: &Slot, until: u64) {
        if !self.groups.is_behind(sequence) {
            self.leave(sequence, slot.level);
            self.groups.taken(sequence);
            self.held.insert(sequence, until);
            self.holds.insert(until, sequence);
        }
    }

    /// Ends the wait of one message whose time has come; returns which.
    pub fn wake(&mut self, now: u64, next: u64, level: impl Fn(u64) -> u8) -> Option<u64> {
        let (until, sequence) = self.holds.first().filter(|(until, _)| *until <= now)?;
        self.holds.remove(until, sequence);
        self.held.remove(&sequence);
        let level = level(sequence);
        let turn = if self.groups.has(sequence) {
            self.last_turn(level, next)
        } else {
            Turn::own(level, sequence)
        };
        self.line_up(sequence, level, turn);
        Some(sequence)
    }

    /// The message that dies next by the clock, and when; only of queues where that may be any.
    pub fn first_expiry(&self) -> Option<(u64, u64)> {
        self.expiries.first()
    }

    /// When the next wait ends.
    pub fn next_wake(&self) -> u64 {
        self.holds.first().map_or(NEVER, |(until, _)| until)
    }

    /// Until when a message that came back waits.
    #[cfg(test)]
    pub fn held_until(&self, sequence: u64) -> Option<u64> {
        self.held.get(&sequence).copied()
    }

    /// How many messages each part knows: in line, behind the head of their key, held, timed.
    #[cfg(test)]
    pub fn counts(&self) -> [usize; 4] {
        let lined = match &self.lines {
            Lines::Nobody => 0,
            Lines::Levels(levels) => levels.each().count(),
            Lines::Turns(turns) => turns.len(),
        };
        self.groups.check();
        assert_eq!(self.held.len(), self.holds.0.len());
        let behind = self.groups.behind();
        [lined, behind, self.held.len(), self.expiries.0.len()]
    }
}

impl Turn {
    fn level(self) -> u8 {
        u8::MAX - self.below
    }

    /// The place of a message by its own number.
    fn own(level: u8, sequence: u64) -> Self {
        Self {
            below: u8::MAX - level,
            after: sequence,
            release: 0,
        }
    }
}

/// The level of messages that came back to a quorum queue is the highest that there is here.
const _: () = assert!(order::RETURNED < u8::MAX);
