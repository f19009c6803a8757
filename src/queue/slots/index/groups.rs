//! Keys, and their messages: of each key one message stands in line, is held or is out (its head); the others wait behind it.
//!
//! A key exists while it has messages. Which key a message has is noted in blocks of 64 messages, as the message's bytes may be
//! away. Knows no lines and no times; index.rs calls it.

use std::collections::BTreeSet;

use ahash::{HashMap, RandomState};

use super::Turn;

/// Messages of a block of notes.
const BLOCK: u64 = 64;

/// Which keys the messages of a block have: index in the slab, plus one; 0 is none.
struct Notes {
    groups: [u32; BLOCK as usize],
    used: u32,
}

struct Group {
    key: u64,
    head: u64,
    /// Where the head stands in line, if it does.
    turn: Option<Turn>,
    /// Messages behind the head by number, each with its level in the lowest byte.
    behind: BTreeSet<u64>,
}

/// A message that is the head of its key now.
#[derive(Debug, PartialEq, Eq)]
pub struct Next {
    pub sequence: u64,
    pub level: u8,
}

/// Where a message stands that comes in.
#[derive(Debug, PartialEq, Eq)]
pub enum Place {
    /// It is the head of its key.
    Head,
    /// It waits.
    Behind,
    /// It is older than the head, which stood there in line, and is the head now.
    Before(Option<Turn>),
}

/// See the module.
#[derive(Default)]
pub struct Groups {
    hasher: RandomState,
    by_key: HashMap<u64, u32>,
    slab: Vec<Group>,
    free: Vec<u32>,
    notes: HashMap<u64, Box<Notes>>,
}

fn packed(sequence: u64, level: u8) -> u64 {
    sequence << 8 | u64::from(level)
}

impl Groups {
    /// What makes a number of a key.
    pub fn hasher(&self) -> &RandomState {
        &self.hasher
    }

    pub fn is_roomy(&self) -> bool {
        self.slab.capacity() > 1024 || self.notes.capacity() > 1024
    }

    /// A ready message of a key comes in: where it stands.
    pub fn insert(&mut self, key: u64, sequence: u64, level: u8) -> Place {
        let known = self.by_key.get(&key).copied();
        let group = known.unwrap_or_else(|| {
            let group = Group {
                key,
                head: sequence,
                turn: None,
                behind: BTreeSet::new(),
            };
            let at = match self.free.pop() {
                Some(at) => {
                    self.slab[at as usize] = group;
                    at
                }
                None => {
                    self.slab.push(group);
                    (self.slab.len() - 1) as u32
                }
            };
            self.by_key.insert(key, at);
            at
        });
        let notes = self.notes.entry(sequence / BLOCK).or_insert_with(|| {
            Box::new(Notes {
                groups: [0; BLOCK as usize],
                used: 0,
            })
        });
        notes.groups[(sequence % BLOCK) as usize] = group + 1;
        notes.used += 1;
        if known.is_none() {
            return Place::Head;
        }
        let group = &mut self.slab[group as usize];
        if sequence > group.head {
            group.behind.insert(packed(sequence, level));
            return Place::Behind;
        }
        let before = std::mem::replace(&mut group.head, sequence);
        let turn = group.turn.take();
        let level = turn.map_or(0, |turn| turn.level());
        group.behind.insert(packed(before, level));
        Place::Before(turn)
    }

    fn of(&self, sequence: u64) -> Option<usize> {
        let notes = self.notes.get(&(sequence / BLOCK))?;
        (notes.groups[(sequence % BLOCK) as usize] as usize).checked_sub(1)
    }

    /// Whether a key has messages.
    pub fn knows(&self, key: u64) -> bool {
        self.by_key.contains_key(&key)
    }

    /// Whether the message has a key.
    pub fn has(&self, sequence: u64) -> bool {
        self.of(sequence).is_some()
    }

    /// Whether it waits behind the head of its key.
    pub fn is_behind(&self, sequence: u64) -> bool {
        self.of(sequence)
            .is_some_and(|group| self.slab[group].head != sequence)
    }

    /// The head of a key stands there in line.
    pub fn stands(&mut self, sequence: u64, turn: Turn) {
        if let Some(group) = self.of(sequence) {
            self.slab[group].turn = Some(turn);
        }
    }

    /// Where the head of a key stands in line.
    pub fn turn(&self, sequence: u64) -> Option<Turn> {
        self.of(sequence).and_then(|group| self.slab[group].turn)
    }

    /// The head of a key is out.
    pub fn taken(&mut self, sequence: u64) {
        if let Some(group) = self.of(sequence) {
            self.slab[group].turn = None;
        }
    }

    /// A message is gone; returns the next of its key if it was the head.
    pub fn remove(&mut self, sequence: u64) -> Option<Next> {
        let at = self.of(sequence)?;
        self.unnote(sequence);
        let group = &mut self.slab[at];
        if group.head != sequence {
            // Its level is the lowest byte, whichever that is.
            let found = group.behind.range(packed(sequence, 0)..).next().copied();
            if let Some(found) = found.filter(|found| found >> 8 == sequence) {
                group.behind.remove(&found);
            }
            return None;
        }
        group.turn = None;
        match group.behind.pop_first() {
            Some(next) => {
                group.head = next >> 8;
                Some(Next {
                    sequence: next >> 8,
                    level: next as u8,
                })
            }
            None => {
                self.by_key.remove(&group.key);
                self.free.push(at as u32);
                None
            }
        }
    }

    fn unnote(&mut self, sequence: u64) {
        let block = sequence / BLOCK;
        if let Some(notes) = self.notes.get_mut(&block) {
            notes.groups[(sequence % BLOCK) as usize] = 0;
            notes.used -= 1;
            if notes.used == 0 {
                self.notes.remove(&block);
            }
        }
    }

    /// Messages behind the heads of their keys.
    #[cfg(test)]
    pub fn behind(&self) -> usize {
        let groups = self.by_key.values().map(|at| &self.slab[*at as usize]);
        groups.map(|group| group.behind.len()).sum()
    }

    /// Panics when heads and notes do not agree.
    #[cfg(test)]
    pub fn check(&self) {
        assert_eq!(self.by_key.len() + self.free.len(), self.slab.len());
        for at in self.by_key.values() {
            let group = &self.slab[*at as usize];
            assert_eq!(self.of(group.head), Some(*at as usize));
            let first = group.behind.first();
            assert!(first.is_none_or(|first| first >> 8 > group.head));
        }
        let noted: u32 = self.notes.values().map(|notes| notes.used).sum();
        assert_eq!(noted as usize, self.by_key.len() + self.behind());
    }
}
