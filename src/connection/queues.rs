//! The queues that a connection has something to do with: consumers on them, deliveries out, settles on their way.

use std::sync::Arc;

use crate::queue::{Effects, Outcome, Queue, STEPS_MAX};

struct Entry {
    queue: Option<Arc<Queue>>,
    uses: usize,
}

/// Small numbers for queues, valid while they are in use.
#[derive(Default)]
pub struct Queues {
    entries: Vec<Entry>,
    free: Vec<u32>,
}

impl Queues {
    /// The number of a queue, used once more.
    pub fn acquire(&mut self, queue: &Arc<Queue>) -> u32 {
        let known = self.entries.iter().position(|entry| {
            entry
                .queue
                .as_ref()
                .is_some_and(|one| Arc::ptr_eq(one, queue))
        });
        let index = match (known, self.free.pop()) {
            (Some(index), free) => {
                self.free.extend(free);
                index as u32
            }
            (None, Some(index)) => {
                self.entries[index as usize] = Entry {
                    queue: Some(Arc::clone(queue)),
                    uses: 0,
                };
                index
            }
            (None, None) => {
                self.entries.push(Entry {
                    queue: Some(Arc::clone(queue)),
                    uses: 0,
                });
                self.entries.len() as u32 - 1
            }
        };
        self.add_use(index);
        index
    }

    /// One more use of a number in use.
    #[inline]
    pub fn add_use(&mut self, index: u32) {
        self.entries[index as usize].uses += 1;
    }

    /// Uses have ended.
    pub fn release(&mut self, index: u32, uses: usize) {
        let entry = &mut self.entries[index as usize];
        entry.uses -= uses;
        if entry.uses == 0 {
            entry.queue = None;
            self.free.push(index);
        }
    }

    /// The queue of a number in use.
    #[inline]
    pub fn get(&self, index: u32) -> &Arc<Queue> {
        self.entries[index as usize]
            .queue
            .as_ref()
            .expect("a number is valid while it is in use")
    }
}

/// Settles of a round, grouped so that each queue's lock is taken once for a run of them.
#[derive(Default)]
pub struct Settles {
    runs: Vec<Run>,
    spare: Vec<Vec<u64>>,
}

struct Run {
    queue: u32,
    outcome: Outcome,
    sequences: Vec<u64>,
}

impl Settles {
    /// Whether there is nothing to do.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.runs.is_empty()
    }

    /// Adds a settle to the run at the end, if it fits there.
    #[inline]
    pub fn extend_last(&mut self, queue: u32, sequence: u64, outcome: Outcome) -> bool {
        match self.runs.last_mut() {
            Some(run)
                if run.queue == queue
                    && run.outcome == outcome
                    && run.sequences.len() < STEPS_MAX =>
            {
                run.sequences.push(sequence);
                true
            }
            _ => false,
        }
    }

    /// Begins a run.
    pub fn begin(&mut self, queue: u32, sequence: u64, outcome: Outcome) {
        let mut sequences = self.spare.pop().unwrap_or_default();
        sequences.push(sequence);
        self.runs.push(Run {
            queue,
            outcome,
            sequences,
        });
    }

    /// Whether any settle that waits is more than an ack: its message may go to another queue.
    pub fn may_dead_letter(&self) -> bool {
        self.runs.iter().any(|run| run.outcome != Outcome::Ack)
    }

    /// Whether a settle for this queue waits.
    pub fn concerns(&self, queues: &Queues, queue: &Queue) -> bool {
        self.runs
            .iter()
            .any(|run| **queues.get(run.queue) == *queue)
    }

    /// Applies all; what the broker has to do besides waking is handed to `rest`.
    pub fn apply(
        &mut self,
        queues: &mut Queues,
        now: u64,
        wakers: &mut Effects,
        mut rest: impl FnMut(&Arc<Queue>, Effects),
    ) {
        for mut run in self.runs.drain(..) {
            let queue = queues.get(run.queue);
            let mut effects = Effects::default();
            queue
                .lock()
                .settle(&run.sequences, run.outcome, now, &mut effects);
            wakers.take_wakers(&mut effects);
            if effects.is_more() {
                rest(queue, effects);
            }
            queues.release(run.queue, run.sequences.len());
            if self.spare.len() < 2 && run.sequences.capacity() <= 2 * STEPS_MAX {
                run.sequences.clear();
                self.spare.push(run.sequences);
            }
        }
    }

    /// Gives back the memory that a busy time has left.
    pub fn rest(&mut self) {
        self.spare = Vec::new();
        self.runs = Vec::new();
    }
}
