//! Bytes that outlive the process. Knows no queue.
//!
//! **Today this is the seam only**: the journal lies in memory, a restart forgets everything, and the README says so. What
//! stands is the contract that the rooms above are built on: placements and settles are appended under the queue's lock, so
//! that the log's order is the queue's order; an append yields a [`Receipt`]; only the journal can say that a receipt is
//! [due](Journal::is_durable); a confirm is sent for none before.

use std::sync::atomic::{AtomicU64, Ordering};

/// What a confirm waits for: a position of the journal. Only the journal makes one that is not [`NOTHING`](Receipt::NOTHING).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Receipt {
    position: u64,
}

impl Receipt {
    /// Due at once: a transient message, a queue that does not outlive the process, no queue at all.
    pub const NOTHING: Self = Self { position: 0 };
}

/// The one log of messages, settles and definitions.
#[derive(Debug, Default)]
pub struct Journal {
    appended: AtomicU64,
}

impl Journal {
    /// An empty journal.
    pub fn new() -> Self {
        Self::default()
    }

    fn append(&self) -> Receipt {
        Receipt {
            position: self.appended.fetch_add(1, Ordering::Relaxed) + 1,
        }
    }

    /// Messages `first..first + count` are placed in a queue. Called under its lock.
    pub fn place(&self, _queue: u64, _first: u64, _count: u64) -> Receipt {
        self.append()
    }

    /// Messages of a queue are settled. Called under its lock.
    pub fn settle(&self, _queue: u64, _sequences: &[u64]) {}

    /// All ready messages of a queue in front of `end` are gone.
    pub fn purge(&self, _queue: u64, _end: u64) {}

    /// A queue is gone with all that is in it.
    pub fn delete(&self, _queue: u64) {}

    /// Whether what the receipt stands for is as safe as it will get: in memory, at once.
    #[inline]
    pub fn is_durable(&self, receipt: Receipt) -> bool {
        receipt.position <= self.appended.load(Ordering::Relaxed)
    }
}
