//! Moves messages between memory and disk, so that memory is a function of the budget and never of the backlog.
//!
//! A step function ([`Pager::step`]) and a thread that loops over it ([`run`]). A step is one of:
//!
//! ```text
//! look     sum what the queues hold in memory; above the budget a pass begins
//! pass     take from the queue that holds most what can leave: drop it, or hand it to the next step to be spilled
//! spill    write an extent (no lock), then let go of its messages if they are still there
//! load     plan under the queue's lock; read (no lock); put up to 1000 messages where they belong, and serve consumers
//! ```
//!
//! Loads come first, in turn with eviction. How much is in memory is sampled: queues store it with their counts, and publishes
//! tell in steps of 32 KiB that it may be time to look. Where even the pager does not keep up, [`Pressure`] makes the
//! publishers of the queues that hold most wait; that ends when enough has left, or nothing more can. Queues know what may
//! leave (queue/paging); here is when.

use std::collections::VecDeque;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::task::Waker;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use parking_lot::{Condvar, Mutex};

use super::Broker;
use crate::queue::paging::{AHEAD_MAX, Want, evict, plan};
use crate::queue::{Effects, Queue};
use crate::store::Journal;
use crate::store::spill::{Extent, Spill};

/// `message_memory_budget` where nobody says otherwise: small, because the system's page cache does the rest.
pub const BUDGET_DEFAULT: u64 = 64 * 1024 * 1024;
/// Bytes at its head that an idle queue keeps at most for its next consumer.
const KEEP_MAX: u64 = 1024 * 1024;
/// Without anything to do the thread looks so often: for queues that each hold too little to tell.
const LOOK_MS: u64 = 1000;
/// When nothing could leave, though it should have, it looks again after this time.
const RETRY_MS: u64 = 20;
/// After a failed write of a spill file the next is tried so much later.
const SPILL_RETRY_MS: u64 = 1000;

enum Job {
    Read(plan::Plan),
    Install(plan::Loaded),
    Write(evict::Spilling),
    Spilled(evict::Spilling, Extent),
}

/// One round of eviction.
struct Pass {
    queues: Vec<Arc<Queue>>,
    at: usize,
    keep: u64,
    /// Bodies of messages that are out leave, too.
    taken: bool,
    /// What the queues held when it began, what has left since, and what is to leave.
    total: u64,
    freed: u64,
    goal: u64,
}

#[derive(Default)]
struct Work {
    job: Option<(Arc<Queue>, Job)>,
    pass: Option<Pass>,
    /// The last thing begun was a load.
    loaded: bool,
    look_next: u64,
    /// No spilling before this time.
    spill_next: u64,
}

#[derive(Default)]
struct Requests {
    loads: VecDeque<Arc<Queue>>,
    peeks: VecDeque<Weak<Queue>>,
}

#[derive(Default)]
struct Bell {
    rung: bool,
    sleeps: bool,
    stopped: bool,
}

/// Who waits because messages come faster than they can leave memory.
#[derive(Default)]
pub struct Pressure {
    queues: Mutex<Vec<Arc<Queue>>>,
    waiting: Mutex<Vec<Waker>>,
}

impl Pressure {
    /// Wakes `task` when the pressure ends. Whoever calls it looks at [`Queue::is_pressed`] afterwards: it may just have ended.
    pub fn wait(&self, task: &Waker) {
        let mut waiting = self.waiting.lock();
        if !waiting.iter().any(|other| other.will_wake(task)) {
            waiting.push(task.clone());
        }
    }

    fn begin(&self, queues: impl Iterator<Item = Arc<Queue>>) {
        let mut pressed = self.queues.lock();
        for queue in queues {
            if !queue.is_pressed() {
                queue.press(true);
                pressed.push(queue);
            }
        }
    }

    fn end(&self) {
        for queue in self.queues.lock().drain(..) {
            queue.press(false);
        }
        let waiting = std::mem::take(&mut *self.waiting.lock());
        for task in waiting {
            task.wake();
        }
    }

    fn is_on(&self) -> bool {
        !self.queues.lock().is_empty()
    }
}

/// See the module.
pub struct Pager {
    budget: u64,
    journal: Arc<Journal>,
    /// `None` where there is no disk, or none that can be written.
    spill: Option<Spill>,
    requests: Mutex<Requests>,
    /// Bytes published so far, about.
    volume: AtomicU64,
    /// At this volume it is time to look.
    look_at: AtomicU64,
    /// Bytes in memory when last looked.
    resident: AtomicU64,
    pressure: Pressure,
    work: Mutex<Work>,
    bell: Mutex<Bell>,
    ring: Condvar,
}

impl Pager {
    /// A pager for the queues whose messages go to `journal`; one in memory has nothing to page to.
    pub fn new(budget: Option<u64>, journal: &Arc<Journal>) -> Self {
        let spill = journal.disk().and_then(|disk| {
            Spill::open(Arc::clone(disk))
                .inspect_err(|error| tracing::error!("transient messages stay in memory: {error}"))
                .ok()
        });
        let budget = budget.unwrap_or(BUDGET_DEFAULT);
        Self {
            budget,
            journal: Arc::clone(journal),
            spill,
            requests: Mutex::default(),
            volume: AtomicU64::new(0),
            look_at: AtomicU64::new(budget),
            resident: AtomicU64::new(0),
            pressure: Pressure::default(),
            work: Mutex::default(),
            bell: Mutex::default(),
            ring: Condvar::new(),
        }
    }

    /// Bytes of messages in memory, when last looked.
    pub fn resident(&self) -> u64 {
        self.resident.load(Ordering::Relaxed)
    }

    /// Who waits for the pager.
    pub fn pressure(&self) -> &Pressure {
        &self.pressure
    }

    /// A queue wants something from its disk; it asks once, and is answered.
    pub fn load(&self, queue: &Arc<Queue>, want: Want) {
        let mut requests = self.requests.lock();
        match want {
            Want::Nothing => return,
            Want::Peek => requests.peeks.push_back(Arc::downgrade(queue)),
            Want::Load => requests.loads.push_back(Arc::clone(queue)),
        }
        drop(requests);
        self.ring();
    }

    /// So many bytes were published.
    pub fn note(&self, bytes: u64) {
        let volume = self.volume.fetch_add(bytes, Ordering::Relaxed) + bytes;
        let look_at = self.look_at.load(Ordering::Relaxed);
        // Whoever crosses the line rings; the others only count.
        if volume >= look_at && volume - bytes < look_at {
            self.ring();
        }
    }

    fn ring(&self) {
        let mut bell = self.bell.lock();
        bell.rung = true;
        if bell.sleeps {
            self.ring.notify_one();
        }
    }

    /// One bounded step. Returns whether there is more to do now.
    pub fn step(&self, broker: &Broker, now: u64) -> bool {
        let mut work = self.work.lock();
        if let Some((queue, job)) = work.job.take() {
            self.go_on(&mut work, broker, queue, job, now);
            return true;
        }
        let load_next = !work.loaded || work.pass.is_none();
        work.loaded = load_next && self.begin_load(&mut work, now);
        if work.loaded {
            return true;
        }
        if work.pass.is_some() {
            self.pass(&mut work, now);
            return true;
        }
        let volume = self.volume.load(Ordering::Relaxed);
        if now >= work.look_next || volume >= self.look_at.load(Ordering::Relaxed) {
            self.look(&mut work, broker, now, volume);
            return work.pass.is_some();
        }
        false
    }

    fn go_on(&self, work: &mut Work, broker: &Broker, queue: Arc<Queue>, job: Job, now: u64) {
        match job {
            Job::Read(plan) => {
                let loaded = plan.read(&queue, &self.journal);
                work.job = Some((queue, Job::Install(loaded)));
            }
            Job::Install(mut loaded) => {
                let mut effects = Effects::default();
                let more = queue.lock().install(&mut loaded, now, &mut effects);
                broker.perform(&queue, effects);
                if more {
                    work.job = Some((queue, Job::Install(loaded)));
                }
            }
            Job::Write(spilling) => {
                let Some(spill) = &self.spill else { return };
                match spilling.write(spill) {
                    Ok(extent) => work.job = Some((queue, Job::Spilled(spilling, extent))),
                    Err(error) => {
                        tracing::error!("transient messages stay in memory: {error}");
                        work.spill_next = now + SPILL_RETRY_MS;
                    }
                }
            }
            Job::Spilled(spilling, extent) => {
                let step = queue.lock().spilled(spilling, extent);
                self.freed(work, step);
            }
        }
    }

    fn begin_load(&self, work: &mut Work, now: u64) -> bool {
        let queue = {
            let mut requests = self.requests.lock();
            match requests.loads.pop_front() {
                Some(queue) => queue,
                None => loop {
                    match requests.peeks.pop_front().map(|queue| queue.upgrade()) {
                        Some(Some(queue)) => break queue,
                        Some(None) => {}
                        None => return false,
                    }
                },
            }
        };
        // Whatever is loaded at once for all that ask is a part of the budget, too.
        let most = AHEAD_MAX.min(self.budget / 16);
        let plan = queue.lock().plan_load(most, now);
        if let Some(plan) = plan {
            work.job = Some((queue, Job::Read(plan)));
        }
        true
    }

    fn look(&self, work: &mut Work, broker: &Broker, now: u64, volume: u64) {
        work.look_next = now + LOOK_MS;
        let mut total = 0;
        let mut count: u64 = 0;
        let mut queues: Vec<(u64, Arc<Queue>)> = Vec::new();
        for queue in broker.all_queues() {
            let resident = queue.resident();
            if resident > 0 {
                total += resident;
                count += 1;
                queues.push((resident, queue));
            }
        }
        self.resident.store(total, Ordering::Relaxed);
        if let Some(spill) = &self.spill {
            spill.tidy();
        }
        let slack = self.budget.saturating_sub(total).max(self.budget / 16);
        self.look_at.store(volume + slack, Ordering::Relaxed);
        if total <= self.budget || self.journal.disk().is_none() {
            if self.pressure.is_on() {
                self.pressure.end();
            }
            return;
        }
        queues.sort_by_key(|(resident, queue)| (std::cmp::Reverse(*resident), queue.spec.id));
        let keep = KEEP_MAX.min(self.budget / 4 / count.max(1));
        if total > self.budget / 2 * 3 {
            let full = queues.iter().filter(|(resident, _)| *resident > keep);
            self.pressure
                .begin(full.map(|(_, queue)| Arc::clone(queue)));
        }
        work.pass = Some(Pass {
            queues: queues.into_iter().map(|(_, queue)| queue).collect(),
            at: 0,
            keep,
            taken: false,
            total,
            freed: 0,
            goal: total - self.budget / 8 * 7,
        });
    }

    fn pass(&self, work: &mut Work, now: u64) {
        let spill = self.spill.is_some() && now >= work.spill_next;
        let Some(pass) = &mut work.pass else { return };
        let Some(queue) = pass.queues.get(pass.at).filter(|_| pass.freed < pass.goal) else {
            let far_over = pass.total - pass.freed.min(pass.total) > self.budget / 4 * 5;
            if pass.freed < pass.goal && far_over && !pass.taken {
                (pass.taken, pass.at) = (true, 0);
                return;
            }
            let stuck = pass.freed == 0;
            work.pass = None;
            // Publishers may have added as much meanwhile: look again, soon if nothing could be done.
            work.look_next = if stuck { now + RETRY_MS } else { now };
            if stuck && self.pressure.is_on() {
                self.pressure.end();
            }
            return;
        };
        let limits = evict::Limits {
            keep: pass.keep,
            written: self.journal.written_position(),
            taken: pass.taken,
            spill,
        };
        let queue = Arc::clone(queue);
        let step = queue.lock().evict(limits);
        match step {
            evict::Step::Spill(spilling) => work.job = Some((queue, Job::Write(spilling))),
            evict::Step::Nothing => pass.at += 1,
            step => self.freed(work, step),
        }
    }

    /// Drops what has left, without any queue's lock, and ends the pressure when it is enough.
    fn freed(&self, work: &mut Work, step: evict::Step) {
        let evict::Step::Freed(bytes, garbage) = step else {
            return;
        };
        drop(garbage);
        if let Some(pass) = &mut work.pass {
            pass.freed += bytes;
            let left = pass.total.saturating_sub(pass.freed);
            self.resident.store(left, Ordering::Relaxed);
            if left <= self.budget / 4 * 5 && self.pressure.is_on() {
                self.pressure.end();
            }
        }
    }

    /// Sleeps until there may be something to do; false when it is to end.
    fn sleep(&self, wait: Duration) -> bool {
        let mut bell = self.bell.lock();
        if !bell.rung && !bell.stopped {
            bell.sleeps = true;
            let _ = self.ring.wait_for(&mut bell, wait);
            bell.sleeps = false;
        }
        bell.rung = false;
        !bell.stopped
    }

    fn wait(&self, now: u64) -> Duration {
        let next = self.work.lock().look_next;
        Duration::from_millis(next.saturating_sub(now).clamp(1, LOOK_MS))
    }

    /// Ends the thread at its next step.
    pub fn stop(&self) {
        let mut bell = self.bell.lock();
        bell.stopped = true;
        self.ring.notify_one();
    }
}

/// Loops over the pager's steps until it [is stopped](Pager::stop). Started by the server.
pub fn run(broker: Arc<Broker>) -> io::Result<JoinHandle<()>> {
    thread::Builder::new()
        .name("pager".to_owned())
        .spawn(move || {
            let pager = broker.pager();
            loop {
                while pager.step(&broker, broker.now()) {}
                if !pager.sleep(pager.wait(broker.now())) {
                    return;
                }
            }
        })
}

#[cfg(test)]
mod tests;
