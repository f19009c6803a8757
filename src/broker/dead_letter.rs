//! Dead letters: dying messages are routed, their copies placed, and only then are the sources settled.
//!
//! One drainer at a time for each queue takes bounded batches in order. Placing a copy may make messages of another queue die
//! (a full one); that queue is put on the list and drained in its turn: no recursion. What is left after the budget goes on
//! from the timers, so that no connection pays for another's backlog without bound.

use std::sync::Arc;

use smallvec::SmallVec;

use super::Broker;
use super::delayed;
use super::publish::{home, kept_by};
use super::transaction::Transaction;
use super::vhost::{Vhost, Walk};
use crate::message::Message;
use crate::queue::dead_letter::{self, Death, Past, Reason, bury, is_cycle};
use crate::queue::log::Links;
use crate::queue::{DeadLetter, Effects, Queue, Rules};
use crate::wire::properties::Properties;

/// Messages of one batch.
const BATCH: usize = 100;
/// Dead letters that found no place are tried again after so many milliseconds.
const RETRY_MS: u64 = 1000;
/// Batches that whoever triggered them runs at once.
const BATCHES_MAX: usize = 20;

/// What dead letters have made to do.
#[derive(Default)]
struct Todo {
    /// Queues with dying messages.
    queues: Vec<Arc<Queue>>,
    /// Messages that a queue has refused and that are to be dead-lettered for it. They are not many: a letter that comes to a queue
    /// of its own history ends there.
    refused: Vec<(Arc<Queue>, Message)>,
}

impl Todo {
    fn queue(&mut self, queue: &Arc<Queue>) {
        if !self.queues.contains(queue) {
            self.queues.push(Arc::clone(queue));
        }
    }

    /// Performs what a queue has asked for, but for dead letters: those come in their turn.
    fn perform(&mut self, broker: &Broker, queue: &Arc<Queue>, mut effects: Effects) {
        if std::mem::take(&mut effects.dying) {
            self.queue(queue);
        }
        if let Some(refused) = effects.refused.take() {
            let letters = refused.letters.into_iter();
            self.refused
                .extend(letters.map(|one| (Arc::clone(queue), one)));
        }
        broker.perform(queue, effects);
    }
}

/// Drains the dying messages of `queue`, and of the queues that its dead letters fill.
pub fn drain(broker: &Broker, queue: &Arc<Queue>) {
    let mut todo = Todo::default();
    todo.queue(queue);
    work(broker, todo);
}

/// Dead-letters what `queue` has refused to take (`reject-publish-dlx`).
pub fn bury_refused(broker: &Broker, queue: &Arc<Queue>, letters: Vec<Message>) {
    let refused = letters.into_iter().map(|one| (Arc::clone(queue), one));
    let todo = Todo {
        queues: Vec::new(),
        refused: refused.collect(),
    };
    work(broker, todo);
}

fn work(broker: &Broker, mut todo: Todo) {
    let mut batches = 0;
    loop {
        // In order: whoever refuses a letter adds it at the end.
        let refused = std::mem::take(&mut todo.refused);
        for (queue, message) in refused {
            let rules = Arc::clone(queue.lock().rules());
            if let (Some(vhost), Some(dead_letter)) =
                (broker.vhost(&queue.spec.vhost), &rules.dead_letter)
            {
                let reason = Reason::MaxLen;
                place(
                    broker,
                    &vhost,
                    &queue,
                    dead_letter,
                    &message,
                    reason,
                    &mut todo,
                );
            }
        }
        if !todo.refused.is_empty() {
            continue;
        }
        let Some(queue) = todo.queues.pop() else {
            return;
        };
        if batches == BATCHES_MAX {
            broker.timers.arm(&queue, broker.now());
            for rest in todo.queues {
                broker.timers.arm(&rest, broker.now());
            }
            return;
        }
        let (dying, rules, dead_letter) = {
            let mut locked = queue.lock();
            let now = broker.now();
            let dying = locked.take_dying(BATCH, now);
            (dying, Arc::clone(locked.rules()), locked.dead_letter())
        };
        if dying.is_empty() {
            continue;
        }
        batches += 1;
        if rules.order.until_due {
            for (target, effects) in delayed::release(broker, &queue, &dying) {
                todo.perform(broker, &target, effects);
            }
            continue;
        }
        if rules.at_least_once {
            if move_all(broker, &queue, &rules, dying, &mut todo) {
                todo.queue(&queue);
            }
            continue;
        }
        if let (Some(vhost), Some(dead_letter)) = (broker.vhost(&queue.spec.vhost), &dead_letter) {
            for (_, message, reason) in &dying {
                place(
                    broker,
                    &vhost,
                    &queue,
                    dead_letter,
                    message,
                    *reason,
                    &mut todo,
                );
            }
        }
        let sequences: SmallVec<[u64; BATCH]> =
            dying.iter().map(|(sequence, ..)| *sequence).collect();
        drop(dying);
        let mut effects = Effects::default();
        let more = queue.lock().buried(&sequences, broker.now(), &mut effects);
        broker.perform(&queue, effects);
        if more {
            todo.queue(&queue);
        }
    }
}

/// A dead letter, and the queues that it goes to; none of them twice, none that it has died in without being rejected. `None` when
/// there is no such exchange, or it has no route.
fn letter(
    broker: &Broker,
    vhost: &Arc<Vhost>,
    source: &Arc<Queue>,
    dead_letter: &DeadLetter,
    message: &Message,
    reason: Reason,
) -> Option<(Message, Vec<Arc<Queue>>)> {
    let exchange = vhost.exchange(&dead_letter.exchange)?;
    let death = Death {
        reason,
        queue: &source.spec.name,
        now_ms: broker.now(),
    };
    let past = Past {
        buried: message.is_dead_lettered(),
        keys_replaced: message.keys_replaced(),
    };
    let properties = bury(
        message.properties(),
        message.exchange(),
        message.routing_key(),
        past,
        &death,
    );
    let routing_key = dead_letter
        .routing_key
        .as_ref()
        .map_or(message.routing_key(), |key| key.as_bytes());
    let replaces_keys = dead_letter.routing_key.is_some();
    let copy = message.dead_lettered(
        dead_letter.exchange.as_bytes(),
        routing_key,
        &properties,
        replaces_keys,
    );
    let past = past.after_death(replaces_keys);
    let mut keys: SmallVec<[&[u8]; 4]> =
        dead_letter::keys(copy.routing_key(), copy.properties(), past).collect();
    if !past.keys_replaced {
        keys.extend(copy.hidden_keys());
    }
    let mut queues = Vec::new();
    let mut walk = Walk::new(Arc::clone(vhost));
    walk.route(
        &exchange,
        &keys,
        Properties::new(copy.properties()),
        &mut queues,
    );
    walk.remember(|| copy.clone());
    if queues.is_empty() {
        return None;
    }
    queues.retain(|target| !is_cycle(copy.properties(), &target.spec.name));
    Some((copy.clone(), queues))
}

fn place(
    broker: &Broker,
    vhost: &Arc<Vhost>,
    source: &Arc<Queue>,
    dead_letter: &DeadLetter,
    message: &Message,
    reason: Reason,
    todo: &mut Todo,
) {
    let Some((copy, queues)) = letter(broker, vhost, source, dead_letter, message, reason) else {
        return;
    };
    let now = broker.now();
    let copy = kept_by(copy, queues.iter());
    // Written once for all of its queues; the source's settle follows its placements in the log.
    let links = if queues.iter().any(|target| target.spec.durable) {
        Links::of(&copy, broker.journal())
    } else {
        Links::default()
    };
    for target in queues {
        let target = home(&target, &copy);
        let mut effects = Effects::default();
        // A queue deleted meanwhile loses nothing of its own: the letter had nowhere to go there.
        let _ = target
            .lock()
            .publish(std::iter::once(copy.clone()), &links, now, &mut effects);
        todo.perform(broker, &target, effects);
    }
}

/// Dead letters at least once: each goes to all of its queues and leaves its source in one transaction, or stays for later where
/// the exchange or a route is missing or a queue has no room. RabbitMQ places what it can and keeps the rest; here a full queue
/// holds up the copies for the others, and none of them gets one twice. Returns whether more can be tried now.
fn move_all(
    broker: &Broker,
    source: &Arc<Queue>,
    rules: &Rules,
    dying: Vec<(u64, Message, Reason)>,
    todo: &mut Todo,
) -> bool {
    let vhost = broker.vhost(&source.spec.vhost);
    let mut kept = Vec::new();
    for (sequence, message, reason) in dying {
        let routed = match (&vhost, &rules.dead_letter) {
            (Some(vhost), Some(to)) => letter(broker, vhost, source, to, &message, reason),
            _ => None,
        };
        let Some((copy, queues)) = routed else {
            kept.push((sequence, reason));
            continue;
        };
        let mut transaction = Transaction::default();
        for target in &queues {
            transaction.publish(target, copy.clone());
        }
        transaction.bury(source, &[sequence]);
        let effects = match transaction.attempt(broker, broker.now(), true, true) {
            Ok((_, effects)) => effects,
            Err((_, effects)) => {
                kept.push((sequence, reason));
                effects
            }
        };
        for (queue, one) in effects {
            todo.perform(broker, &queue, one);
        }
    }
    let until = broker.now() + RETRY_MS;
    if !kept.is_empty() {
        broker.timers.arm(source, until);
    }
    source.lock().keep_for_later(kept.into_iter(), until)
}
