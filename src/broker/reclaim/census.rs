//! What is live in each sealed file, counted by a walk through the ledgers of all durable queues, a few pieces under one queue's
//! lock at a time. A count is as of no single moment; it decides what is worth a closer look, no more.

use std::sync::Arc;

use super::policy::{Facts, FileFacts, Tally};
use crate::broker::Broker;
use crate::broker::keeper::durable_queues;
use crate::queue::Queue;
use crate::store::files::FileInfo;

/// Pieces that are looked at in one hold of a queue's lock.
const PIECES_A_HOLD: usize = 1000;

/// Queues that one step looks at.
const QUEUES_A_STEP: usize = 64;

#[derive(Clone)]
struct Count {
    number: u64,
    base: u64,
    end: u64,
    tally: Tally,
}

/// A census under way.
pub struct Census {
    /// By position.
    counts: Vec<Count>,
    queues: Vec<Arc<Queue>>,
    queue: usize,
    from: u64,
}

impl Census {
    /// A census of the sealed files among `files`, which are in order of their positions.
    pub fn new(broker: &Broker, files: &[FileInfo]) -> Self {
        let counts = files
            .iter()
            .filter_map(|file| {
                Some(Count {
                    number: file.number,
                    base: file.base,
                    end: file.end?,
                    tally: Tally::default(),
                })
            })
            .collect();
        Self {
            counts,
            queues: durable_queues(broker).into(),
            queue: 0,
            from: 0,
        }
    }

    /// Counts a few pieces more. Returns whether there are more.
    pub fn step(&mut self) -> bool {
        for _ in 0..QUEUES_A_STEP {
            let Some(queue) = self.queues.get(self.queue) else {
                return false;
            };
            let next = count_some(&mut self.counts, queue, self.from);
            match next {
                Some(next) => self.from = next,
                None => {
                    self.queue += 1;
                    self.from = 0;
                }
            }
        }
        true
    }

    /// Enters what was counted; files that are not there any more leave.
    pub fn finish(self, facts: &mut Facts, now: u64) {
        let mut known = std::mem::take(facts);
        for count in self.counts {
            let mut file = known
                .remove(&count.number)
                .unwrap_or_else(|| FileFacts::new(count.base, count.end));
            file.counted(count.tally, now);
            facts.insert(count.number, file);
        }
    }
}

/// Counts some pieces of one queue; returns where the next begin.
fn count_some(counts: &mut [Count], queue: &Arc<Queue>, from: u64) -> Option<u64> {
    let mut locked = queue.lock();
    let ledger = &locked.log()?.ledger;
    for (looked, piece) in ledger.pieces(from, u64::MAX).enumerate() {
        if looked == PIECES_A_HOLD {
            return Some(piece.first);
        }
        let position = piece.run.position;
        let behind = counts.partition_point(|file| file.base <= position);
        if let Some(file) = behind.checked_sub(1).and_then(|at| counts.get_mut(at))
            && position < file.end
        {
            file.tally.add(&piece);
        }
    }
    None
}
