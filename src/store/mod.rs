//! Bytes that outlive the process. Knows no queue.
//!
//! # What is promised
//!
//! | what | when it is said | what a crash may cost |
//! |---|---|---|
//! | persistent message to durable queues | basic.ack, once it is on disk for every one of them | nothing |
//! | the same with `sync = os` | basic.ack, once the operating system has it | kill -9: nothing; power: the last 200 ms |
//! | definition (vhost, user, permission, exchange, queue, binding, policy, parameter) | its `-ok`, once it is on disk | nothing |
//! | transaction | tx.commit-ok, once all of it is on disk | before that: there whole or not at all |
//! | settle (ack, reject, purge, expiry, drop) | nothing is said | the last 200 ms: those messages come back, redelivered |
//! | transient message, queue that is not durable | | everything |
//!
//! A clean stop loses nothing of what outlives the process, settles included.
//!
//! # How
//!
//! One journal for everything. Publishers [link](Journal::link) the chunks of their rounds, bodies that are written once however
//! many queues they go to; under each queue's lock records are [appended](Journal::append): placements, settles, requeues; under
//! the topology's lock definitions. The writer takes all that has come as one block, writes it, syncs, and only then a
//! [`Receipt`] is [due](Journal::is_due). A message on disk *is* (queue, sequence number): a body without placement never existed.
//! An append lies in one block, and a block counts whole or not at all.
//!
//! ```text
//! tail     the open block, under the journal's lock        writer   block to disk, sync, other file after a failure
//! block    bytes of files, blocks and chunks               files    which file has a position; leases; handles
//! record   what appends say                                ledger   what lies on disk for one queue, and where
//!                                                          offsets  how far a group has come in a stream
//! checkpoint, recovery, index, schema, inspect             disk     the few file operations; faulty: the same for tests
//! ```
//!
//! What cannot be told apart: rot in the last block before a crash, and a write that was torn by it. Both are cut off as the torn
//! tail, because nothing behind them says that they had been on disk.

pub mod block;
pub mod checkpoint;
pub mod disk;
pub mod error;
pub mod faulty;
pub mod files;
pub mod inspect;
mod journal;
pub mod ledger;
pub mod offsets;
pub mod record;
pub mod recovery;
pub mod schema;
pub mod seen;
mod spares;
pub mod spill;
mod tail;
pub mod varint;
mod writer;

pub use self::error::StoreError;
pub use self::files::{Files, Lease};
pub use self::journal::{Journal, Opening, Settings, Wait};

/// How soon an append has to be on disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Urgency {
    /// Within 200 ms: settles.
    Lazy,
    /// With the operating system at once, on disk within 200 ms: `sync = os`.
    Written,
    /// On disk at once.
    Synced,
}

/// Whether a receipt is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Due {
    /// What it stands for is as safe as was asked for.
    Yes,
    /// Not yet.
    No,
    /// It could not be written.
    Lost,
}

/// What a confirm waits for: numbers of appends, one for each level. Only an append makes one that is not
/// [`NOTHING`](Receipt::NOTHING).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Receipt {
    durable: u64,
    written: u64,
}

impl Receipt {
    /// Due at once: a transient message, a queue that does not outlive the process, no queue at all.
    pub const NOTHING: Self = Self {
        durable: 0,
        written: 0,
    };

    /// What an append of this urgency waits for.
    pub fn of(append: u64, urgency: Urgency) -> Self {
        match urgency {
            Urgency::Lazy => Self::NOTHING,
            Urgency::Written => Self {
                durable: 0,
                written: append,
            },
            Urgency::Synced => Self {
                durable: append,
                written: 0,
            },
        }
    }

    /// What both wait for.
    #[must_use]
    pub fn max(self, other: Self) -> Self {
        Self {
            durable: self.durable.max(other.durable),
            written: self.written.max(other.written),
        }
    }

    /// Whether `other` is due whenever this is.
    pub fn covers(self, other: Self) -> bool {
        // What is on disk is with the system as well.
        self.durable >= other.durable && self.durable.max(self.written) >= other.written
    }
}

/// Bodies that are linked to the journal.
#[derive(Clone, Debug)]
pub struct Linked {
    /// Position of their chunk.
    pub position: u64,
    /// Bytes of the chunk on disk, head included.
    pub length: u32,
    /// Keeps the file that they are in.
    pub lease: Lease,
}
