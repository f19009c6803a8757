//! Publishing to a queue that drops duplicates: sift, publish what is left, note the ids of what was taken.

use std::collections::HashSet;
use std::iter::Peekable;
use std::sync::Arc;

use super::Core;
use crate::message::Message;
use crate::queue::dedup::{Dedup, Ids};
use crate::queue::effects::Effects;
use crate::queue::log::Links;
use crate::queue::{Locked, Queue};
use crate::store::record::SeenKind;
use crate::store::seen::{Id, Snapshot};
use crate::wire::properties::Properties;

/// What is left of a round without its duplicates.
#[derive(Default)]
pub(in crate::queue) struct Sifted {
    /// The messages to publish.
    pub messages: Vec<Message>,
    /// Their ids, and whether they outlive the process.
    ids: Vec<(Ids, bool)>,
    /// Their places in what came.
    places: Vec<u32>,
    /// Sequence number that the first gets.
    first: u64,
}

impl Sifted {
    /// These were not taken: they leave no ids, and are named by their places in what came.
    fn refused(&mut self, indices: &mut [u32]) {
        for index in indices.iter_mut().rev() {
            let at = *index as usize;
            *index = self.places[at];
            self.ids.remove(at);
        }
    }
}

impl Core {
    /// Takes messages, without the duplicates, up to one of which only the fate of those before it will say what it is.
    #[cold]
    pub(in crate::queue) fn sift(
        &mut self,
        me: &Queue,
        messages: &mut Peekable<impl Iterator<Item = (u32, Message)>>,
        now: u64,
    ) -> Sifted {
        let mut sifted = Sifted {
            first: self.slots.next_sequence(),
            ..Sifted::default()
        };
        let rules = Arc::clone(&self.rules);
        let Some(rule) = &rules.dedup else {
            for (place, message) in messages {
                sifted.ids.push((Ids::default(), false));
                sifted.places.push(place);
                sifted.messages.push(message);
            }
            return sifted;
        };
        let known = self.known.get_or_insert_default();
        let mut round: HashSet<(bool, Id), ahash::RandomState> = HashSet::default();
        let mut dropped = false;
        let size = rule.window.as_ref().map_or(u64::MAX, |window| window.size);
        while let Some((_, message)) = messages.peek() {
            let ids = rule.ids(message, now);
            let window = ids.window.map(|(id, _)| (false, id));
            let keys = window.into_iter().chain(ids.held.map(|id| (true, id)));
            let duplicate = known.has(&ids, now);
            // One with its id is in this round, and may yet be refused; or those of the round push the one before out of the
            // window.
            let is_open = keys.clone().any(|key| round.contains(&key))
                || duplicate && (known.window_len() + sifted.messages.len()) as u64 >= size;
            if is_open && !sifted.messages.is_empty() {
                break;
            }
            let Some((place, message)) = messages.next() else {
                break;
            };
            if duplicate {
                dropped = true;
                continue;
            }
            round.extend(keys);
            sifted.ids.push((ids, message.is_persistent()));
            sifted.places.push(place);
            sifted.messages.push(message);
        }
        if dropped {
            // It is confirmed when the one that it repeats would be.
            let urgency = self.urgency(me);
            if let Some(log) = &mut self.log {
                log.echo(urgency);
            }
        }
        sifted
    }

    /// Notes the ids of what was published.
    #[cold]
    pub(in crate::queue) fn note_ids(&mut self, me: &Queue, sifted: &Sifted, now: u64) {
        let rules = Arc::clone(&self.rules);
        let Some(rule) = &rules.dedup else {
            return;
        };
        let known = self.known.get_or_insert_default();
        let (mut seen, mut held) = (Vec::new(), Vec::new());
        for ((ids, persistent), sequence) in sifted.ids.iter().zip(sifted.first..) {
            if let (Some((id, until)), Some(window)) = (ids.window, &rule.window) {
                known.see((id, until), *persistent, window, now);
                if *persistent {
                    seen.push((id, until));
                }
            }
            // A limit may have dropped it at once.
            if let Some(id) = ids.held.filter(|_| self.slots.get_mut(sequence).is_some()) {
                known.hold(id, sequence);
                if *persistent {
                    held.push((id, sequence));
                }
            }
        }
        let urgency = self.urgency(me);
        if let Some(log) = &mut self.log {
            log.seen(me.spec.id, SeenKind::Window, &seen, urgency);
            log.seen(me.spec.id, SeenKind::Held, &held, urgency);
        }
    }

    /// Whether an id came within the window.
    pub(in crate::queue) fn has_seen(&self, id: Id, now: u64) -> bool {
        let ids = Ids {
            window: Some((id, 0)),
            held: None,
        };
        self.known
            .as_ref()
            .is_some_and(|known| known.has(&ids, now))
    }

    /// Notes ids of messages that went elsewhere: this queue is the window of an exchange. `persistent` says that they outlive
    /// the process.
    pub(in crate::queue) fn see(
        &mut self,
        me: &Queue,
        ids: &[(Id, u64)],
        persistent: bool,
        now: u64,
    ) {
        let rules = Arc::clone(&self.rules);
        let Some(Dedup {
            window: Some(window),
            ..
        }) = &rules.dedup
        else {
            return;
        };
        let known = self.known.get_or_insert_default();
        for one in ids {
            known.see(*one, persistent, window, now);
        }
        let urgency = self.urgency(me);
        if let Some(log) = self.log.as_mut().filter(|_| persistent) {
            log.seen(me.spec.id, SeenKind::Window, ids, urgency);
        }
    }
}

/// A message in the eyes of a window.
#[derive(Clone, Copy, Debug)]
pub struct Recognised {
    /// Its id.
    pub id: Id,
    /// Until when that counts from now on.
    pub until: u64,
    /// The id is written even where the message is not, as in RabbitMQ's plugin.
    pub kept: bool,
    /// It came before.
    pub seen: bool,
}

/// The verbs.
impl Locked<'_> {
    /// Publishes without the duplicates.
    #[cold]
    pub(in crate::queue) fn publish_once(
        &mut self,
        messages: impl Iterator<Item = Message>,
        links: &Links,
        may_refuse: bool,
        now: u64,
        effects: &mut Effects,
    ) {
        let may_refuse = may_refuse && self.core.rules.limits.may_refuse();
        let mut messages = (0u32..).zip(messages).peekable();
        while messages.peek().is_some() {
            let mut sifted = self.core.sift(self.queue, &mut messages, now);
            let some = std::mem::take(&mut sifted.messages).into_iter();
            if may_refuse {
                let known = effects.refused.as_ref().map_or(0, |all| all.indices.len());
                self.core
                    .publish_or_refuse(self.queue, some, links, now, effects);
                if let Some(refused) = &mut effects.refused {
                    sifted.refused(&mut refused.indices[known..]);
                }
            } else {
                self.core.publish(self.queue, some, links, now, effects);
            }
            self.core.note_ids(self.queue, &sifted, now);
        }
    }

    /// What the window of this queue says of a message that goes elsewhere: its id there, if it has one.
    pub fn recognise(&self, properties: Properties<'_>, now: u64) -> Option<Recognised> {
        let window = self.core.rules.dedup.as_ref()?.window.as_ref()?;
        let (id, until) = window.id(properties, now)?;
        Some(Recognised {
            id,
            until,
            kept: window.time_header.is_some(),
            seen: self.core.has_seen(id, now),
        })
    }

    /// A duplicate was dropped: what [`commit`](Self::commit) answers is what the message that it repeats waits for.
    pub fn echo(&mut self) {
        let urgency = self.core.urgency(self.queue);
        if let Some(log) = &mut self.core.log {
            log.echo(urgency);
        }
    }

    /// Whether an id came within the window of this queue.
    pub fn has_seen(&self, id: Id, now: u64) -> bool {
        self.core.has_seen(id, now)
    }

    /// Notes ids of messages that were placed elsewhere, each with the time until which it counts. They are written if the
    /// messages are `persistent`.
    pub fn see(&mut self, ids: &[(Id, u64)], persistent: bool, now: u64) {
        self.core.see(self.queue, ids, persistent, now);
    }

    /// For a checkpoint: the ids by which duplicates are known, those of the window and those of what is in the queue.
    pub fn known_ids(&self) -> Option<(Snapshot, Snapshot)> {
        self.core.known.as_ref().map(|known| known.snapshot())
    }
}
