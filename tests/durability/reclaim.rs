//! Checkpoints, collapse of dead files and compaction under random work and power failures: nothing that is on disk is lost or comes
//! back, whatever the keeper was doing. The keeper is as eager as it can be, and files are tiny.

use std::collections::BTreeMap;
use std::sync::Arc;

use leveret::broker::reclaim::Policy;
use leveret::queue::{Effects, Outcome, Queue};
use leveret::store::faulty::FaultyDisk;
use leveret::store::{Due, Receipt, Urgency};

use super::world::{Random, World, body, on_disk};

/// What is known of one message in one queue.
struct Known {
    placed: Receipt,
    /// The append that settled it, if any did.
    settled: Option<Receipt>,
    /// Taken and not settled.
    taken: Option<u64>,
}

/// By name of the queue, then by number of the message.
type Model = BTreeMap<String, BTreeMap<u64, Known>>;

struct Run {
    random: Random,
    world: World,
    model: Model,
    next: u64,
}

impl Run {
    fn queue(&mut self) -> (String, Arc<Queue>) {
        let name = format!("q{}", self.random.below(5));
        let queue = self.world.queue(&name);
        self.model.entry(name.clone()).or_default();
        (name, queue)
    }

    fn last_append(&self) -> Receipt {
        Receipt::of(self.world.journal.next_append() - 1, Urgency::Synced)
    }

    fn publish(&mut self) {
        let mut queues = vec![self.queue()];
        for _ in 0..self.random.below(3) {
            let other = self.queue();
            if queues.iter().all(|(name, _)| *name != other.0) {
                queues.push(other);
            }
        }
        let count = 1 + self.random.below(20);
        let bodies: Vec<Vec<u8>> = (self.next..self.next + count)
            .map(|number| {
                let bytes = match self.random.below(40) {
                    0 => 20_000,
                    some => 8 + some * 10,
                };
                body(number, bytes as usize)
            })
            .collect();
        let all: Vec<_> = queues.iter().map(|(_, queue)| Arc::clone(queue)).collect();
        self.world.place(&all, &bodies);
        let placed = self.last_append();
        for (name, _) in &queues {
            let messages = self.model.get_mut(name).expect("it was entered");
            for number in self.next..self.next + count {
                messages.insert(
                    number,
                    Known {
                        placed,
                        settled: None,
                        taken: None,
                    },
                );
            }
        }
        self.next += count;
    }

    fn take(&mut self) {
        let (name, queue) = self.queue();
        let now = self.world.now();
        for _ in 0..self.random.below(20) {
            let mut effects = Effects::default();
            let Some(got) = queue.lock().get(false, now, &mut effects).now() else {
                return;
            };
            let number = got.message.body()[..8].try_into().expect("eight bytes");
            let known = self.model.get_mut(&name).expect("it was entered");
            let known = known.get_mut(&u64::from_le_bytes(number));
            known.expect("it was published").taken = Some(got.sequence);
        }
    }

    fn settle(&mut self) {
        let (name, queue) = self.queue();
        let now = self.world.now();
        let keep = self.random.below(100);
        let mut effects = Effects::default();
        let mut done = Vec::new();
        for (number, known) in self.model.get_mut(&name).expect("it was entered") {
            let Some(sequence) = known.taken.filter(|_| self.random.below(100) >= keep) else {
                continue;
            };
            known.taken = None;
            let requeue = self.random.below(10) == 0;
            let outcome = if requeue {
                Outcome::Requeue
            } else {
                Outcome::Ack
            };
            queue.lock().settle(&[sequence], outcome, now, &mut effects);
            if !requeue {
                done.push(*number);
            }
        }
        let settled = self.last_append();
        for number in done {
            let known = self.model.get_mut(&name).expect("it was entered");
            known.get_mut(&number).expect("seen above").settled = Some(settled);
        }
    }

    fn purge(&mut self) {
        let (name, queue) = self.queue();
        let (_, effects) = queue.purge(self.world.now());
        self.world.broker.perform(&queue, effects);
        let settled = self.last_append();
        for known in self
            .model
            .get_mut(&name)
            .expect("it was entered")
            .values_mut()
        {
            if known.taken.is_none() && known.settled.is_none() {
                known.settled = Some(settled);
            }
        }
    }

    fn step(&mut self) {
        let now = self.world.now();
        match self.random.below(100) {
            0..20 => self.publish(),
            20..30 => self.take(),
            30..37 => self.settle(),
            37 => self.purge(),
            38..60 => {
                self.world.journal.step(now);
            }
            60..95 => {
                for _ in 0..1 + self.random.below(30) {
                    self.world.keeper.step(now);
                }
            }
            _ => {
                let pass = 1 + self.random.below(300);
                self.world
                    .time
                    .fetch_add(pass, std::sync::atomic::Ordering::Relaxed);
            }
        }
    }

    /// The power fails, and comes back.
    fn crash(&mut self) {
        let journal = Arc::clone(&self.world.journal);
        let is_due = |receipt: Receipt| journal.is_due(receipt) == Due::Yes;
        let is_off = self.world.disk.is_off();
        let disk = if !is_off && self.random.below(3) == 0 {
            self.world.disk.kill()
        } else {
            self.world.disk.crash()
        };
        let time = self.world.now();
        let done = self.world.keeper.done();
        self.world = World::open_tiny(disk, Policy::eager());
        self.world
            .time
            .store(time, std::sync::atomic::Ordering::Relaxed);
        total(done);
        for (name, messages) in &mut self.model {
            let queue = self.world.queue(name);
            let found = on_disk(&self.world, &queue);
            assert!(
                found.is_sorted_by(|a, b| a < b),
                "order or doubles in {name}: {found:?}"
            );
            let mut rest = found.iter().copied().peekable();
            for (number, known) in messages.iter() {
                if rest.next_if_eq(number).is_some() {
                    let settled = known.settled.is_some_and(is_due);
                    assert!(!settled, "{number} in {name} came back");
                } else if known.settled.is_none() {
                    assert!(!is_due(known.placed), "{number} in {name} is lost");
                }
            }
            assert_eq!(rest.next(), None, "{name} has what was never published");
            messages.clear();
            messages.extend(found.into_iter().map(|number| {
                let known = Known {
                    placed: Receipt::NOTHING,
                    settled: None,
                    taken: None,
                };
                (number, known)
            }));
        }
    }
}

thread_local! {
    static TOTAL: std::cell::Cell<(u64, u64, u64)> = const { std::cell::Cell::new((0, 0, 0)) };
}

/// Adds up what the keepers of all lives have done, so that the test knows that it has tested something.
fn total(done: leveret::broker::keeper::Done) {
    let (checkpoints, removed, compacted) = TOTAL.get();
    TOTAL.set((
        checkpoints + done.checkpoints,
        removed + done.files_removed,
        compacted + done.files_compacted,
    ));
}

#[test]
fn nothing_is_lost_or_comes_back_whatever_the_keeper_was_doing() {
    let from: u64 =
        std::env::var("LEVERET_RECLAIM_FROM").map_or(0, |text| text.parse().expect("a number"));
    let seeds: u64 =
        std::env::var("LEVERET_RECLAIM_SEEDS").map_or(60, |text| text.parse().expect("a number"));
    for seed in from..from + seeds {
        let mut run = Run {
            random: Random(seed),
            world: World::open_tiny(FaultyDisk::seeded(seed), Policy::eager()),
            model: Model::new(),
            next: 0,
        };
        println!("seed {seed}");
        for _ in 0..6 {
            for _ in 0..run.random.below(600) {
                run.step();
            }
            if run.random.below(2) == 0 {
                // In the middle of whatever is done next, a checkpoint's steps among it.
                run.world.disk.cut_power_after(run.random.below(30));
                while !run.world.disk.is_off() {
                    run.step();
                }
            }
            run.crash();
        }
    }
    let (checkpoints, removed, compacted) = TOTAL.get();
    println!("{checkpoints} checkpoints, {removed} files removed, {compacted} compacted");
    assert!(checkpoints > seeds && removed > seeds && compacted > seeds);
}
