//! tx.commit: publishes and settles over any number of queues, all at once; and what the broker itself moves in the same way.
//!
//! The queues are locked in the order of their ids and stay locked until everything is done, so that nobody sees half a
//! transaction, and one append to the journal has the records of all of them: after a crash it is there whole or not at all. The
//! only place where two queues are locked.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use super::Broker;
use super::publish::{home, kept_by};
use super::vhost::Claim;
use crate::message::Message;
use crate::queue::log::{Group, Links};
use crate::queue::{Effects, Outcome, Queue, STEPS_MAX};
use crate::store::Receipt;
use crate::store::seen::Id;

/// What a transaction does to one queue.
#[derive(Default)]
struct Part {
    publishes: Vec<Message>,
    settles: Vec<(u64, Outcome)>,
    /// Dying messages whose copies are among the publishes.
    buried: Vec<u64>,
    /// Ids to be noted, each with the time until which it counts, and whether it is written.
    claims: Vec<(Id, u64, bool)>,
}

/// What is to be performed for each queue, in order.
pub(super) type ToPerform = Vec<(Arc<Queue>, Effects)>;

/// A queue has refused a transaction.
#[derive(Debug)]
pub struct Refused;

/// Why nothing was done.
#[derive(Debug, PartialEq, Eq)]
pub enum Failure {
    /// A queue has no room.
    Refused,
    /// One of the ids has come meanwhile, or a queue has gone: the messages are to be routed anew.
    Again,
}

/// A transaction being put together for its commit.
#[derive(Default)]
pub struct Transaction {
    parts: BTreeMap<u64, (Arc<Queue>, Part)>,
}

impl Transaction {
    fn part(&mut self, queue: &Arc<Queue>) -> &mut Part {
        &mut self
            .parts
            .entry(queue.spec.id)
            .or_insert_with(|| (Arc::clone(queue), Part::default()))
            .1
    }

    /// A message for a queue that it was routed to.
    pub fn publish(&mut self, queue: &Arc<Queue>, message: Message) {
        let queue = home(queue, &message);
        let message = kept_by(message, std::iter::once(&queue));
        self.part(&queue).publishes.push(message);
    }

    /// A settle.
    pub fn settle(&mut self, queue: &Arc<Queue>, sequence: u64, outcome: Outcome) {
        self.part(queue).settles.push((sequence, outcome));
    }

    /// Dying messages that are done with.
    pub fn bury(&mut self, queue: &Arc<Queue>, sequences: &[u64]) {
        self.part(queue).buried.extend_from_slice(sequences);
    }

    /// An id to be noted with a message, which is `persistent` or not.
    pub fn claim(&mut self, claim: &Claim, persistent: bool) {
        let written = persistent || claim.kept;
        let part = self.part(&claim.window);
        part.claims.push((claim.id, claim.until, written));
    }

    /// Does all of it, whoever has no room: a full queue refuses its messages as it does those of any publisher. Nobody waits
    /// for a receipt. Returns what is to be performed for each queue.
    pub fn place(self, broker: &Broker, now: u64) -> Vec<(Arc<Queue>, Effects)> {
        let parts: Vec<(Arc<Queue>, Part)> = self.parts.into_values().collect();
        let links = link(broker, &parts);
        let mut locks: Vec<_> = parts.iter().map(|(queue, _)| queue.lock()).collect();
        let mut effects: Vec<Effects> = Vec::with_capacity(parts.len());
        for ((_, part), locked) in parts.iter().zip(&mut locks) {
            let mut one = Effects::default();
            if !part.publishes.is_empty() {
                // A deleted queue loses nothing of its own.
                let _ = locked.publish(part.publishes.iter().cloned(), &links, now, &mut one);
            }
            if !part.buried.is_empty() {
                one.dying |= locked.buried(&part.buried, now, &mut one);
            }
            effects.push(one);
        }
        let mut group = Group::default();
        for locked in &mut locks {
            locked.hand_over(&mut group);
        }
        let receipt = group.append(broker.journal());
        for locked in &mut locks {
            locked.placed(receipt);
        }
        drop(locks);
        parts
            .into_iter()
            .map(|(queue, _)| queue)
            .zip(effects)
            .collect()
    }

    /// Does all of it. Deleted queues are passed over, as for a plain ack; only a plain publish would be routed once more.
    ///
    /// # Errors
    /// A queue has no room for its messages and refuses them: nothing is done.
    pub fn commit(self, broker: &Broker, now: u64) -> Result<Receipt, Refused> {
        self.commit_once(broker, now, true, false)
            .map_err(|_| Refused)
    }

    /// The same for messages with claims. Without `whole` a full queue refuses its messages by itself; with `fresh` no queue may
    /// have gone.
    ///
    /// # Errors
    /// Nothing is done.
    pub fn commit_once(
        self,
        broker: &Broker,
        now: u64,
        whole: bool,
        fresh: bool,
    ) -> Result<Receipt, Failure> {
        let (receipt, effects) = match self.attempt(broker, now, whole, fresh) {
            Ok((receipt, effects)) => (Ok(receipt), effects),
            Err((failure, effects)) => (Err(failure), effects),
        };
        for (queue, one) in effects {
            broker.perform(&queue, one);
        }
        receipt
    }

    /// The same; returns what is to be performed for each queue, refused or not.
    pub(super) fn attempt(
        self,
        broker: &Broker,
        now: u64,
        whole: bool,
        fresh: bool,
    ) -> Result<(Receipt, ToPerform), (Failure, ToPerform)> {
        let parts: Vec<(Arc<Queue>, Part)> = self.parts.into_values().collect();
        let links = link(broker, &parts);
        let mut locks: Vec<_> = parts.iter().map(|(queue, _)| queue.lock()).collect();
        let mut looked: Vec<Effects> = Vec::with_capacity(parts.len());
        let mut refused = false;
        let mut again = false;
        for ((_, part), locked) in parts.iter().zip(&mut locks) {
            let mut claims = part.claims.iter();
            again |= claims.any(|(id, ..)| locked.has_seen(*id, now))
                || fresh && !part.publishes.is_empty() && locked.is_gone();
            let mut one = Effects::default();
            let bodies = part.publishes.iter().map(|one| one.body_len() as u64);
            refused |=
                whole && !part.publishes.is_empty() && !locked.would_take(bodies, now, &mut one);
            looked.push(one);
        }
        if refused || again {
            drop(locks);
            let failure = if again {
                Failure::Again
            } else {
                Failure::Refused
            };
            let queues = parts.into_iter().map(|(queue, _)| queue);
            return Err((failure, queues.zip(looked).collect()));
        }
        let mut effects: Vec<Vec<Effects>> = Vec::with_capacity(parts.len());
        for (((_, part), locked), looked) in parts.iter().zip(&mut locks).zip(looked) {
            let mut own = vec![looked];
            let mut one = Effects::default();
            if !part.publishes.is_empty() {
                let messages = part.publishes.iter().cloned();
                if whole {
                    locked.publish_taken(messages, &links, now, &mut one);
                } else {
                    let _ = locked.publish(messages, &links, now, &mut one);
                }
            }
            for (id, until, written) in &part.claims {
                locked.see(&[(*id, *until)], *written, now);
            }
            own.push(one);
            for run in part
                .settles
                .chunk_by(|a, b| a.1 == b.1)
                .flat_map(|run| run.chunks(STEPS_MAX))
            {
                let mut one = Effects::default();
                let sequences: Vec<u64> = run.iter().map(|(sequence, _)| *sequence).collect();
                locked.settle(&sequences, run[0].1, now, &mut one);
                own.push(one);
            }
            if !part.buried.is_empty() {
                let mut one = Effects::default();
                one.dying |= locked.buried(&part.buried, now, &mut one);
                own.push(one);
            }
            effects.push(own);
        }
        let mut group = Group::default();
        for locked in &mut locks {
            locked.hand_over(&mut group);
        }
        let mut receipt = group.append(broker.journal());
        for locked in &mut locks {
            locked.placed(receipt);
        }
        let mut both = parts.iter().zip(&locks);
        let gone = both.find(|((queue, _), locked)| queue.spec.durable && locked.is_gone());
        let vhost = gone.and_then(|((queue, _), _)| broker.vhost(&queue.spec.vhost));
        drop(locks);
        // commit-ok must not come before the disk knows that a queue is deleted: it would be back after a crash, with what was
        // passed over. Whoever deletes a queue writes that down before the topology is unlocked.
        if let Some(vhost) = vhost {
            drop(vhost.bindings.lock());
            receipt = receipt.max(broker.definitions().receipt());
        }
        let each = parts.into_iter().zip(effects);
        let all = each.flat_map(|((queue, _), own)| {
            let of = move |one| (Arc::clone(&queue), one);
            own.into_iter().map(of)
        });
        Ok((receipt, all.collect()))
    }
}

/// Links the chunks of what durable queues are to keep, each once.
fn link(broker: &Broker, parts: &[(Arc<Queue>, Part)]) -> Links {
    let mut links = Links::default();
    let mut linked = HashSet::new();
    for (_, part) in parts.iter().filter(|(queue, _)| queue.spec.durable) {
        for message in part.publishes.iter().filter(|one| one.is_persistent()) {
            if linked.insert(message.pins().0) {
                links.link(&message.chunk(), broker.journal());
            }
        }
    }
    links
}
