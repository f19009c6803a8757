//! Dead letters on their way back to the queues that they died in.
//!
//! A [`Redrive`] takes messages from the head of a queue as basic.get would, and in one transaction places a copy in the queue that
//! the newest `x-death` entry names and settles the source: a crash neither loses nor doubles a message. What does not match, or has nowhere
//! to go, stays out of the way until the end and is then put back where it was, as if nobody had looked: order, delivery
//! counts and redelivered flags are as before. Nothing here waits: [`Redrive::step`] says when it must be called again.

use std::sync::Arc;

use super::Broker;
use super::transaction::Transaction;
use super::vhost::Vhost;
use crate::queue::dead_letter::last_death;
use crate::queue::mailbox::{Delivery, Mailbox};
use crate::queue::{Effects, Got, Outcome, Queue, STEPS_MAX, Taken};
use crate::store::Receipt;
use crate::wire::properties::Properties;
use crate::wire::table::Value;

/// Messages that one redrive holds back at most; with so many it ends before the queue does.
const HELD_MAX: usize = 100_000;

/// Which messages are meant; what is not given matches all.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Why they died: `rejected`, `expired`, `maxlen`, `delivery_limit`.
    pub reason: Option<String>,
    /// Where they died.
    pub queue: Option<String>,
    /// Their message-id.
    pub message_id: Option<String>,
    /// A header and its text.
    pub header: Option<(String, String)>,
}

impl Filter {
    /// Whether a message with these properties, which died in `queue` for `reason`, is meant.
    pub fn matches(&self, properties: Properties<'_>, queue: &[u8], reason: &[u8]) -> bool {
        let is = |wanted: &Option<String>, found: Option<&[u8]>| {
            let wanted = wanted.as_ref().map(String::as_bytes);
            wanted.is_none_or(|wanted| Some(wanted) == found)
        };
        is(&self.reason, Some(reason))
            && is(&self.queue, Some(queue))
            && is(&self.message_id, properties.message_id())
            && self.header.as_ref().is_none_or(|(name, text)| {
                let found = properties.header(name.as_bytes());
                matches!(found, Some(Value::LongString(found)) if found == text.as_bytes())
            })
    }
}

/// What a redrive has done so far.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Messages that are back in the queues that they died in.
    pub moved: u64,
    /// Messages that do not match, or did not die.
    pub passed_over: u64,
    /// Messages whose queue is not there any more, is this one, or takes none.
    pub stranded: u64,
}

/// What is to be done next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// Call [`Redrive::step`] again.
    More,
    /// The same a moment later: messages are on their way from disk.
    Wait,
    /// Nothing; drop it.
    Done,
}

/// One redrive. Dropping it puts back what it holds.
pub struct Redrive {
    broker: Arc<Broker>,
    vhost: Arc<Vhost>,
    queue: Arc<Queue>,
    filter: Filter,
    left: u64,
    tally: Tally,
    held: Vec<Delivery>,
    /// Hears when messages have come from disk.
    mailbox: Arc<Mailbox>,
    receipt: Receipt,
}

impl Redrive {
    /// Of the messages of `queue` that match, at most `most`.
    pub fn new(
        broker: Arc<Broker>,
        vhost: Arc<Vhost>,
        queue: Arc<Queue>,
        filter: Filter,
        most: u64,
    ) -> Self {
        Self {
            broker,
            vhost,
            queue,
            filter,
            left: most,
            tally: Tally::default(),
            held: Vec::new(),
            mailbox: Arc::default(),
            receipt: Receipt::NOTHING,
        }
    }

    /// What has been done so far.
    pub fn tally(&self) -> &Tally {
        &self.tally
    }

    /// What is to be waited for before anybody is told that the messages have been moved.
    pub fn receipt(&self) -> Receipt {
        self.receipt
    }

    /// Whether it holds back as many as it may: what is behind them was not looked at.
    pub fn is_full(&self) -> bool {
        self.held.len() >= HELD_MAX
    }

    /// Looks at messages until `most` of them have been moved, or at 1,000.
    pub fn step(&mut self, most: u64) -> Next {
        drop(self.mailbox.drain(true, Vec::new()));
        let until = self.tally.moved + most;
        for _ in 0..STEPS_MAX {
            if self.left == 0 || self.is_full() {
                return Next::Done;
            }
            if self.tally.moved >= until {
                break;
            }
            let now = self.broker.now();
            let mut effects = Effects::default();
            let taken = {
                let mut locked = self.queue.lock();
                if locked.is_gone() {
                    return Next::Done;
                }
                let taken = locked.get(false, now, &mut effects);
                if matches!(taken, Taken::Later) {
                    locked.when_loaded(&self.mailbox, now, &mut effects);
                }
                taken
            };
            self.broker.perform(&self.queue, effects);
            match taken {
                Taken::Got(got) => self.one(got, now),
                Taken::Empty => return Next::Done,
                Taken::Later => return Next::Wait,
            }
        }
        Next::More
    }

    fn one(&mut self, got: Got, now: u64) {
        let properties = Properties::new(got.message.properties());
        let death = last_death(got.message.properties());
        let death = death.filter(|_| got.message.is_dead_lettered());
        let Some((queue, reason)) = death else {
            self.tally.passed_over += 1;
            return self.hold(got);
        };
        if !self.filter.matches(properties, queue, reason) {
            self.tally.passed_over += 1;
            return self.hold(got);
        }
        let target = std::str::from_utf8(queue).ok();
        let target = target.and_then(|name| self.vhost.queue(name));
        let target = target.filter(|target| *target != self.queue);
        if !target.is_some_and(|target| self.bring(&target, &got, now)) {
            self.tally.stranded += 1;
            return self.hold(got);
        }
        self.tally.moved += 1;
        self.left -= 1;
    }

    /// False when the queue does not take it.
    fn bring(&mut self, target: &Arc<Queue>, got: &Got, now: u64) -> bool {
        let message = &got.message;
        let name = target.spec.name.as_bytes();
        let copy = message.dead_lettered(b"", name, message.properties(), false);
        let mut both = Transaction::default();
        both.publish(target, copy);
        both.settle(&self.queue, got.sequence, Outcome::Ack);
        let Ok(receipt) = both.commit(&self.broker, now) else {
            return false;
        };
        self.receipt = self.receipt.max(receipt);
        true
    }

    fn hold(&mut self, got: Got) {
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

impl Drop for Redrive {
    fn drop(&mut self) {
        let mut held = std::mem::take(&mut self.held).into_iter().peekable();
        while held.peek().is_some() {
            let mut effects = Effects::default();
            let some = held.by_ref().take(STEPS_MAX);
            self.queue
                .lock()
                .unsend(0, some, self.broker.now(), &mut effects);
            self.broker.perform(&self.queue, effects);
        }
    }
}

#[cfg(test)]
mod tests {
    use amq_protocol::types::FieldTable;

    use super::*;
    use crate::auth::Users;
    use crate::broker::Settings;
    use crate::message::Message;
    use crate::queue::dead_letter::{Death, Past, Reason, bury};
    use crate::queue::log::Links;
    use crate::queue::{QueueSpec, Rules};
    use crate::store::Urgency;

    struct World {
        broker: Arc<Broker>,
        vhost: Arc<Vhost>,
        dead: Arc<Queue>,
    }

    impl World {
        fn new() -> Self {
            let broker = Broker::new(Settings::default(), Arc::new(Users::new()));
            let vhost = broker.add_vhost("/");
            let dead = queue(&broker, &vhost, "dead");
            Self {
                broker,
                vhost,
                dead,
            }
        }

        fn redrive(&self, filter: Filter, most: u64) -> Tally {
            let (broker, vhost) = (Arc::clone(&self.broker), Arc::clone(&self.vhost));
            let mut redrive = Redrive::new(broker, vhost, Arc::clone(&self.dead), filter, most);
            while redrive.step(7) != Next::Done {}
            redrive.tally().clone()
        }

        /// Bodies of the ready messages, with how often each came back.
        fn bodies(&self, queue: &Arc<Queue>) -> Vec<(u8, u32)> {
            let page = queue.browse(0..u64::MAX, 1000, self.broker.journal());
            let one = |seen: &crate::queue::paging::browse::Seen| {
                assert!(!seen.redelivered);
                (seen.message.body()[0], seen.returned)
            };
            page.seen.iter().map(one).collect()
        }
    }

    fn queue(broker: &Broker, vhost: &Vhost, name: &str) -> Arc<Queue> {
        let spec = QueueSpec {
            name: name.into(),
            vhost: Arc::clone(&vhost.name),
            id: broker.next_id(),
            durable: true,
            owner: None,
            auto_delete: false,
            arguments: FieldTable::default(),
        };
        let journal = Arc::clone(broker.journal());
        let queue = Queue::new(spec, Rules::default(), journal, Urgency::Synced, 0);
        vhost
            .queues
            .insert(Arc::clone(&queue.spec.name), Arc::clone(&queue));
        queue
    }

    fn put(queue: &Arc<Queue>, message: Message) {
        let mut effects = Effects::default();
        queue
            .lock()
            .publish(std::iter::once(message), &Links::default(), 0, &mut effects)
            .expect("it is there");
    }

    /// A message of one byte that died in `of`.
    fn dead(of: &str, reason: Reason, byte: u8) -> Message {
        let message = Message::new(b"x", b"key", &[0, 0], &[byte]);
        let death = Death {
            reason,
            queue: of,
            now_ms: 5,
        };
        let properties = bury(message.properties(), b"x", b"key", Past::default(), &death);
        message.dead_lettered(b"", b"dead", &properties, false)
    }

    #[test]
    fn messages_go_back_where_they_died_and_the_others_stay_as_they_were() {
        let world = World::new();
        let one = queue(&world.broker, &world.vhost, "one");
        let two = queue(&world.broker, &world.vhost, "two");
        for byte in 0..20 {
            let (of, reason) = match byte % 4 {
                0 => ("one", Reason::Rejected),
                1 => ("two", Reason::Expired),
                2 => ("gone", Reason::Rejected),
                _ => ("one", Reason::MaxLen),
            };
            put(&world.dead, dead(of, reason, byte));
        }
        // One that a client has written: its x-death says nothing.
        let forged = dead("one", Reason::Rejected, 99);
        let forged = Message::new(b"", b"dead", forged.properties(), forged.body());
        put(&world.dead, forged);

        let filter = Filter {
            reason: Some("rejected".into()),
            ..Filter::default()
        };
        let tally = world.redrive(filter, u64::MAX);
        assert_eq!((tally.moved, tally.passed_over, tally.stranded), (5, 11, 5));
        let back = |bytes: &[u8]| bytes.iter().map(|byte| (*byte, 0)).collect::<Vec<_>>();
        assert_eq!(world.bodies(&one), back(&[0, 4, 8, 12, 16]));
        let rest = [1, 2, 3, 5, 6, 7, 9, 10, 11, 13, 14, 15, 17, 18, 19, 99];
        assert_eq!(world.bodies(&world.dead), back(&rest));

        assert_eq!(world.redrive(Filter::default(), 3).moved, 3);
        assert_eq!(world.bodies(&two), back(&[1, 5]));
        assert_eq!(world.redrive(Filter::default(), u64::MAX).moved, 7);
        assert_eq!(world.bodies(&world.dead), back(&[2, 6, 10, 14, 18, 99]));
    }

    #[test]
    fn one_message_is_found_by_its_id_or_a_header() {
        let filter = Filter {
            message_id: Some("m1".into()),
            header: Some(("tenant".into(), "blue".into())),
            ..Filter::default()
        };
        // headers and message-id: flags, the table {tenant: S blue}, the id.
        let properties = b"\x20\x80\0\0\0\x10\x06tenantS\0\0\0\x04blue\x02m1";
        let properties = Properties::new(properties);
        assert!(filter.matches(properties, b"q", b"expired"));
        let other = Filter {
            queue: Some("p".into()),
            ..filter.clone()
        };
        assert!(!other.matches(properties, b"q", b"expired"));
        assert!(!filter.matches(Properties::new(&[0, 0]), b"q", b"expired"));
    }
}
