//! Lets time pass for queues: expiring heads, unused queues, steps that were cut short. One heap, one task for all.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Weak};
use std::task::Waker;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::Notify;

use super::Broker;
use crate::queue::arguments::QueueKind;
use crate::queue::stream::Wake;
use crate::queue::{Effects, Queue};

struct Entry {
    at: u64,
    queue: Weak<Queue>,
}

impl PartialEq for Entry {
    fn eq(&self, other: &Self) -> bool {
        self.at == other.at
    }
}
impl Eq for Entry {}
impl PartialOrd for Entry {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for Entry {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.at.cmp(&other.at)
    }
}

/// Has a queue ticked as soon as may be.
struct Bell {
    timers: Arc<Timers>,
    queue: Weak<Queue>,
    /// It is about to be.
    rung: Arc<AtomicBool>,
}

impl std::task::Wake for Bell {
    fn wake(self: Arc<Self>) {
        if !self.rung.swap(true, Ordering::AcqRel)
            && let Some(queue) = self.queue.upgrade()
        {
            self.timers.arm(&queue, 0);
        }
    }
}

/// Deadlines of queues, each queue at most about once (its core asks only for something earlier than it has asked for).
#[derive(Default)]
pub struct Timers {
    heap: Mutex<BinaryHeap<Reverse<Entry>>>,
    earlier: Notify,
    /// With so many entries it is looked which queues are still there.
    sweep_at: AtomicUsize,
}

/// Fewer entries are never looked through.
const SWEEP_MIN: usize = 1024;

/// Longest sleep; a deadline far away is looked at again.
const SLEEP_MAX: Duration = Duration::from_secs(3600);

impl Timers {
    /// Ticks the queue at `at` (milliseconds since the epoch).
    pub fn arm(&self, queue: &Arc<Queue>, at: u64) {
        let entry = Entry {
            at,
            queue: Arc::downgrade(queue),
        };
        let mut heap = self.heap.lock();
        if heap.len() >= self.sweep_at.load(Ordering::Relaxed) {
            // A deleted queue's memory is not kept until a deadline far away.
            heap.retain(|Reverse(entry)| entry.queue.strong_count() > 0);
            self.sweep_at
                .store(2 * heap.len().max(SWEEP_MIN), Ordering::Relaxed);
        }
        let earlier = heap.peek().is_none_or(|Reverse(first)| at < first.at);
        heap.push(Reverse(entry));
        drop(heap);
        if earlier {
            self.earlier.notify_one();
        }
    }

    /// Has the queue ticked when an append of it is on disk, if it is a stream. Before anybody else knows it.
    pub fn watch(self: &Arc<Self>, queue: &Arc<Queue>) {
        if queue.kind != QueueKind::Stream {
            return;
        }
        let rung = Arc::new(AtomicBool::new(false));
        let bell = Bell {
            timers: Arc::clone(self),
            queue: Arc::downgrade(queue),
            rung: Arc::clone(&rung),
        };
        queue.lock().set_wake(Wake {
            waker: Waker::from(Arc::new(bell)),
            rung,
        });
    }

    fn due(&self, now: u64) -> Option<Weak<Queue>> {
        let mut heap = self.heap.lock();
        if heap.peek().is_some_and(|Reverse(first)| first.at <= now) {
            return heap.pop().map(|Reverse(entry)| entry.queue);
        }
        None
    }

    fn next(&self) -> Option<u64> {
        self.heap.lock().peek().map(|Reverse(first)| first.at)
    }
}

/// Ticks queues as their time comes, until it is dropped. Started by the server.
pub async fn run(broker: Arc<Broker>) {
    loop {
        let mut steps = 0;
        while step(&broker) {
            steps += 1;
            if steps % 64 == 0 {
                tokio::task::yield_now().await;
            }
        }
        let sleep = match broker.timers.next() {
            Some(at) => Duration::from_millis(at.saturating_sub(broker.now())).min(SLEEP_MAX),
            None => SLEEP_MAX,
        };
        tokio::select! {
            () = tokio::time::sleep(sleep) => {}
            () = broker.timers.earlier.notified() => {}
        }
    }
}

/// Ticks one queue whose time has come; false when there is none. The simulator calls it, too.
pub fn step(broker: &Broker) -> bool {
    let Some(queue) = broker.timers.due(broker.now()) else {
        return false;
    };
    if let Some(queue) = queue.upgrade() {
        tick(broker, &queue, broker.now());
    }
    true
}

/// One tick of one queue.
pub fn tick(broker: &Broker, queue: &Arc<Queue>, now: u64) {
    let mut effects = Effects::default();
    let expired = queue.lock().tick(now, &mut effects);
    broker.perform(queue, effects);
    if expired && let Some(vhost) = broker.vhost(&queue.spec.vhost) {
        broker.delete_abandoned(&vhost, queue);
    }
}
