//! The mailbox between queues that push and the connection that drains, under shuttle: schedules from a seed, which a failure
//! prints. A lost wake-up shows as a deadlock.

mod queue;

use std::future::poll_fn;
use std::sync::Arc;

use leveret::{message, wire};
use shuttle::scheduler::{PctScheduler, RandomScheduler};
use shuttle::{Config, Runner, future, thread};

use self::message::Message;
use self::queue::Queue;
use self::queue::mailbox::{BYTES_MAX, Control, DELIVERIES_MAX, Drained, Mailbox, SHARE_MAX};
use self::wire::reply::Reply;

/// Schedules of each kind that a test explores.
const SCHEDULES: usize = 1500;

fn explore(test: fn()) {
    Runner::new(RandomScheduler::new(SCHEDULES), Config::new()).run(test);
    Runner::new(PctScheduler::new(4, SCHEDULES), Config::new()).run(test);
}

/// Four of these fill a mailbox.
fn large() -> Message {
    Message::new(b"x", b"key", &[0, 0], &vec![7; BYTES_MAX / 4])
}

fn small() -> Message {
    Message::new(b"x", b"key", &[0, 0], b"body")
}

/// What has come to a connection.
#[derive(Default)]
struct Received {
    /// For each consumer the sequences, in the order in which they came.
    sequences: [Vec<u64>; 3],
    /// Direct replies and alarms.
    controls: usize,
    batches: usize,
}

impl Received {
    /// Checks a batch against the bounds and adds it; resumes those that wait.
    fn add(&mut self, drained: Drained, mailbox: &Mailbox) {
        let bytes: usize = drained
            .deliveries
            .iter()
            .map(|one| one.message.memory())
            .sum();
        let last = drained
            .deliveries
            .last()
            .map_or(0, |one| one.message.memory());
        assert!(drained.deliveries.len() <= DELIVERIES_MAX);
        assert!(bytes - last < BYTES_MAX);
        let mut shares = [0; 3];
        for delivery in &drained.deliveries {
            self.sequences[delivery.consumer as usize].push(delivery.sequence);
            shares[delivery.consumer as usize] += 1;
        }
        assert!(shares.iter().all(|share| *share <= SHARE_MAX));
        self.controls += drained.controls.len();
        self.batches += 1;
        for (queue, consumer) in drained.waiting {
            assert_eq!(queue.consumer, consumer);
            queue.resume(mailbox);
        }
    }

    fn len(&self) -> usize {
        self.sequences.iter().map(Vec::len).sum()
    }
}

/// Waits for something in the mailbox.
async fn something(mailbox: &Mailbox, deliveries: bool) {
    poll_fn(|context| mailbox.poll(deliveries, context)).await;
}

/// A thread that publishes batches of these sizes to a queue of its own.
fn publisher(
    consumer: u32,
    message: Message,
    batches: &'static [u64],
    mailbox: &Arc<Mailbox>,
) -> (Arc<Queue>, thread::JoinHandle<()>) {
    let queue = Queue::new(consumer, message);
    let (ours, mailbox) = (Arc::clone(&queue), Arc::clone(mailbox));
    let thread = thread::spawn(move || {
        for count in batches {
            ours.publish(*count, &mailbox);
        }
    });
    (queue, thread)
}

#[test]
fn all_arrives_in_order_through_a_mailbox_that_is_full_again_and_again() {
    explore(|| {
        let mailbox = Arc::new(Mailbox::default());
        publisher(0, large(), &[1, 6, 2], &mailbox);
        publisher(1, large(), &[3, 1, 4], &mailbox);
        let replies = Arc::clone(&mailbox);
        thread::spawn(move || {
            for _ in 0..3 {
                replies.control(Control::DirectReply {
                    channel: 1,
                    message: small(),
                });
            }
        });
        let mut received = Received::default();
        future::block_on(async {
            while received.len() < 17 || received.controls < 3 {
                something(&mailbox, true).await;
                received.add(mailbox.drain(true, Vec::new()), &mailbox);
            }
        });
        assert_eq!(received.sequences[0], (0..9).collect::<Vec<_>>());
        assert_eq!(received.sequences[1], (0..8).collect::<Vec<_>>());
        assert_eq!(received.controls, 3);
    });
}

#[test]
fn one_busy_queue_leaves_room_for_another() {
    const MANY: u64 = 2 * SHARE_MAX as u64;
    explore(|| {
        let mailbox = Arc::new(Mailbox::default());
        let message = small();
        publisher(0, message.clone(), &[MANY, 1], &mailbox);
        publisher(1, message.clone(), &[1, 1], &mailbox);
        publisher(2, message, &[MANY], &mailbox);
        let mut received = Received::default();
        future::block_on(async {
            while received.len() < 2 * MANY as usize + 3 {
                something(&mailbox, true).await;
                received.add(mailbox.drain(true, Vec::new()), &mailbox);
            }
        });
        assert_eq!(received.sequences[0], (0..=MANY).collect::<Vec<_>>());
        assert_eq!(received.sequences[1], [0, 1]);
        assert_eq!(received.sequences[2], (0..MANY).collect::<Vec<_>>());
    });
}

/// The peer does not read: the connection waits for controls alone, then for everything.
#[test]
fn controls_wake_a_connection_that_takes_no_deliveries_and_deliveries_wait_for_it() {
    explore(|| {
        let mailbox = Arc::new(Mailbox::default());
        publisher(0, large(), &[2, 5], &mailbox);
        let other = Arc::clone(&mailbox);
        thread::spawn(move || {
            other.control(Control::Alarm);
            other.control(Control::ConsumerCancelled(1));
        });
        let mut received = Received::default();
        future::block_on(async {
            while received.controls < 2 {
                something(&mailbox, false).await;
                received.add(mailbox.drain(false, Vec::new()), &mailbox);
                assert_eq!(received.len(), 0);
            }
            // A cancel takes the deliveries out without having been woken for them.
            received.add(mailbox.drain_deliveries(), &mailbox);
            while received.len() < 7 {
                something(&mailbox, true).await;
                received.add(mailbox.drain(true, Vec::new()), &mailbox);
            }
        });
        assert_eq!(received.sequences[0], (0..7).collect::<Vec<_>>());
    });
}

#[test]
fn what_is_pushed_before_the_end_comes_back_and_nothing_is_pushed_after_it() {
    explore(|| {
        let mailbox = Arc::new(Mailbox::default());
        let (one, first) = publisher(0, large(), &[1, 5, 1], &mailbox);
        let (two, second) = publisher(1, small(), &[1, 1], &mailbox);
        let other = Arc::clone(&mailbox);
        let third = thread::spawn(move || {
            other.control(Control::Alarm);
            other.control(Control::Close(Reply::shutdown()));
        });
        let mut received = Received::default();
        let mut left = Received::default();
        future::block_on(async {
            something(&mailbox, true).await;
            received.add(mailbox.drain(true, Vec::new()), &mailbox);
            let drained = mailbox.close();
            left.controls = drained.controls.len();
            for delivery in drained.deliveries {
                left.sequences[delivery.consumer as usize].push(delivery.sequence);
            }
        });
        for thread in [first, second, third] {
            thread.join().expect("no thread panics");
        }
        for (consumer, queue, all) in [(0, one, 7), (1, two, 2)] {
            let mut sequences = received.sequences[consumer].clone();
            sequences.extend(&left.sequences[consumer]);
            sequences.extend(queue.ready());
            assert_eq!(sequences, (0..all).collect::<Vec<_>>());
        }
        assert!(received.controls + left.controls <= 2);
        let after = mailbox.close();
        assert!(after.deliveries.is_empty() && after.controls.is_empty());
        assert!(after.waiting.is_empty(), "a queue waits for nobody");
    });
}
