//! Publishing to a queue that refuses what it has no room for (`x-overflow`).

use std::sync::Arc;

use super::Core;
use crate::message::Message;
use crate::queue::Queue;
use crate::queue::effects::Effects;
use crate::queue::expiry::NEVER;
use crate::queue::log::Links;
use crate::queue::overflow::{Overflow, Room};

impl Core {
    fn room(&self) -> Room {
        let (mut messages, mut bytes) = (self.ready, self.ready_bytes + self.slots.cold_bytes());
        if self.rules.at_least_once {
            // Dead letters that find no place are as much in the way as what is ready, as in RabbitMQ.
            messages += self.dying.len();
            bytes += self.dying_bytes;
        }
        self.rules.limits.room(messages, bytes)
    }

    /// Takes messages as if each came alone: one that would make the queue exceed a limit is refused, after those before it had
    /// their chance of a consumer. Runs that fit are placed at once.
    #[cold]
    pub(in crate::queue) fn publish_or_refuse(
        &mut self,
        me: &Arc<Queue>,
        messages: impl Iterator<Item = Message>,
        links: &Links,
        now: u64,
        effects: &mut Effects,
    ) {
        let buries = self.rules.limits.overflow == Overflow::RejectPublishDlx
            && self.rules.dead_letter.is_some();
        let mut messages = messages.enumerate().peekable();
        while messages.peek().is_some() {
            let fresh = self.slots.next_sequence();
            let mut room = self.room();
            let run = std::iter::from_fn(|| {
                let fits = |one: &(usize, Message)| room.take(one.1.body_len() as u64);
                messages.next_if(fits).map(|(_, message)| message)
            });
            self.place(me, run, links, now, effects);
            self.dispatch(me, now, fresh, effects);
            let Some((index, message)) = messages.peek() else {
                break;
            };
            // What has expired at the head makes room.
            self.next_deliverable(now, NEVER, effects);
            if self.room().take(message.body_len() as u64) {
                continue;
            }
            let refused = effects.refused.get_or_insert_default();
            refused.indices.push(*index as u32);
            let (_, message) = messages.next().expect("it was just looked at");
            if buries {
                refused.letters.push(message);
            }
        }
        self.finish_publish(now, effects);
    }

    /// Whether all of a transaction's messages, whose body bytes come here, would be taken. Nobody else gets in between: the
    /// caller holds the lock until they are published. What consumers can take at once needs no room.
    pub(in crate::queue) fn would_take(
        &mut self,
        me: &Arc<Queue>,
        bodies: impl Iterator<Item = u64>,
        now: u64,
        effects: &mut Effects,
    ) -> bool {
        if !self.rules.limits.may_refuse() {
            return true;
        }
        self.dispatch(me, now, NEVER, effects);
        self.next_deliverable(now, NEVER, effects);
        let mut taken = if self.ready == 0 {
            self.consumers.capacity()
        } else {
            0
        };
        let mut room = self.room();
        for body in bodies {
            let before = room;
            if !room.take(body) {
                return false;
            }
            if taken > 0 {
                taken -= 1;
                room = before;
            }
        }
        true
    }
}
