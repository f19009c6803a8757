//! The compaction of one sparse file, step by step.
//!
//! ```text
//! Gather  what the queues hold of the file, a few pieces under one queue's lock at a time
//! Survey  read those chunks: if most of their bytes are live the window is left as it is
//! Copy    read again, copy live messages into a dense chunk, link it, and tell each queue under its lock where they lie now
//! ```
//!
//! A file whose queues hold very many pieces is done in windows of positions, each gathered anew.
//!
//! Messages may be settled between any two steps. The queue's lock is where that is decided: under it the ledger takes the new
//! place for those that still live, and the record that says so is appended in the same hold. So a settle is either in front of
//! the move in the journal, and the message is not moved, or behind it, and applies to the copy. No settle can be forgotten
//! while a copy of what it settles is remembered, since recovery knows appends in their order only: all up to some point.
//!
//! A message is never copied by two compactions at once, because there is one keeper. The old file dies when the last lease on
//! it goes, and then waits for a checkpoint like every other.

use std::sync::Arc;

use super::copy::{Copies, Found, Held, Moved, whole};
use crate::broker::Broker;
use crate::broker::keeper::durable_queues;
use crate::message::{CHUNK_BYTES_MAX, SealedChunk};
use crate::queue::{Locked, Queue};
use crate::store::block::CHUNK_HEAD;
use crate::store::ledger::Piece;
use crate::store::record::{Run, write};
use crate::store::{Lease, Linked, StoreError};

/// Pieces that are looked at in one hold of a queue's lock.
const PIECES_A_HOLD: usize = 1000;

/// Queues that one step of gathering looks at.
const QUEUES_A_STEP: usize = 64;

/// Held pieces in memory at once: about 6 MiB. With more the file is done in windows.
const HELD_MAX: usize = 128 * 1024;

/// Chunks that one step of the survey reads.
const CHUNKS_A_STEP: usize = 16;

/// A window is copied when less than one in this many of its bytes is live.
const SPARSE: u64 = 2;

enum Stage {
    /// Queue and sequence number to go on from.
    Gather { queue: usize, from: u64 },
    /// Index of the next held piece.
    Survey { at: usize, live: u64 },
    /// The same.
    Copy { at: usize },
}

/// A compaction under way.
pub struct Compaction {
    /// Keeps the file until the end, dead or not.
    _lease: Lease,
    end: u64,
    queues: Vec<Arc<Queue>>,
    /// The positions of this window.
    window: std::ops::Range<u64>,
    /// Sorted once the window is gathered.
    held: Vec<Held>,
    stage: Stage,
    copies: Copies,
    moved_bytes: u64,
    rejected: bool,
}

/// What a step came to.
#[derive(Debug, PartialEq, Eq)]
pub enum Progress {
    /// There is more to do.
    More,
    /// There is more to do when the journal has room.
    Congested,
    /// The file is done.
    Done {
        /// Bytes of messages copied.
        moved_bytes: u64,
        /// Some of it was found dense and left.
        rejected: bool,
    },
}

impl Compaction {
    /// The compaction of a sealed file with these positions. `None` when it is gone already.
    pub fn new(broker: &Broker, base: u64, end: u64) -> Option<Self> {
        Some(Self {
            _lease: broker.journal().files().lease(base)?,
            end,
            queues: durable_queues(broker).into(),
            window: base..end,
            held: Vec::new(),
            stage: Stage::Gather { queue: 0, from: 0 },
            copies: Copies::default(),
            moved_bytes: 0,
            rejected: false,
        })
    }

    /// A bounded piece of work. After an error the rest of the file stays where it is.
    pub fn step(&mut self, broker: &Broker) -> Result<Progress, StoreError> {
        match self.stage {
            Stage::Gather { queue, from } => {
                self.gather(queue, from);
                Ok(Progress::More)
            }
            Stage::Survey { at, live } => {
                self.survey(broker, at, live)?;
                Ok(self.progress())
            }
            Stage::Copy { at } => {
                if broker.journal().is_congested() {
                    return Ok(Progress::Congested);
                }
                self.copy(broker, at)?;
                Ok(self.progress())
            }
        }
    }

    fn progress(&self) -> Progress {
        if matches!(self.stage, Stage::Gather { .. }) && self.window.is_empty() {
            Progress::Done {
                moved_bytes: self.moved_bytes,
                rejected: self.rejected,
            }
        } else {
            Progress::More
        }
    }

    fn gather(&mut self, mut queue: usize, mut from: u64) {
        for _ in 0..QUEUES_A_STEP {
            let Some(one) = self.queues.get(queue).cloned() else {
                return self.gathered();
            };
            (queue, from) = match self.gather_some(&one, queue as u32, from) {
                Some(next) => (queue, next),
                None => (queue + 1, 0),
            };
            if self.held.len() > HELD_MAX {
                self.narrow();
            }
        }
        self.stage = Stage::Gather { queue, from };
    }

    /// Looks at some pieces of one queue; returns where the next begin.
    fn gather_some(&mut self, queue: &Arc<Queue>, index: u32, from: u64) -> Option<u64> {
        let mut locked = queue.lock();
        let ledger = &locked.log()?.ledger;
        for (looked, piece) in ledger.pieces(from, u64::MAX).enumerate() {
            if looked == PIECES_A_HOLD {
                return Some(piece.first);
            }
            if self.window.contains(&piece.run.position) {
                hold(&piece, index, &mut self.held);
            }
        }
        None
    }

    fn gathered(&mut self) {
        self.held.sort_unstable_by_key(Held::key);
        self.stage = Stage::Survey { at: 0, live: 0 };
    }

    /// Too much is held of this window: the first half of it, in whole chunks, is the window from now on.
    fn narrow(&mut self) {
        self.held.sort_unstable_by_key(Held::key);
        let middle = self.held[self.held.len() / 2].run.position;
        // One chunk that so many queues share cannot be cut.
        if middle > self.window.start {
            self.held.retain(|held| held.run.position < middle);
            self.window.end = middle;
        }
    }

    /// The held pieces of the chunk at index `at`.
    fn chunk_at(&self, at: usize) -> &[Held] {
        let position = self.held[at].run.position;
        let count = self.held[at..].partition_point(|held| held.run.position == position);
        &self.held[at..at + count]
    }

    fn survey(&mut self, broker: &Broker, mut at: usize, mut live: u64) -> Result<(), StoreError> {
        for _ in 0..CHUNKS_A_STEP {
            if at == self.held.len() {
                self.stage = Stage::Copy { at: 0 };
                return Ok(());
            }
            let held = self.chunk_at(at);
            at += held.len();
            let run = held[0].run;
            live += if run.length as usize > CHUNK_BYTES_MAX + CHUNK_HEAD {
                // A message that has a chunk for itself.
                u64::from(run.length)
            } else {
                find(broker, held)?.1.bytes()
            };
            if live * SPARSE > self.window.end - self.window.start {
                self.rejected = true;
                self.next_window();
                return Ok(());
            }
        }
        self.stage = Stage::Survey { at, live };
        Ok(())
    }

    fn next_window(&mut self) {
        self.held.clear();
        self.window = self.window.end..self.end;
        self.stage = Stage::Gather { queue: 0, from: 0 };
    }

    /// Copies the messages of one chunk, or places what was copied.
    fn copy(&mut self, broker: &Broker, at: usize) -> Result<(), StoreError> {
        if at == self.held.len() {
            self.place_copies(broker);
            self.next_window();
            return Ok(());
        }
        let held = self.chunk_at(at);
        let next = at + held.len();
        let (chunk, found) = find(broker, held)?;
        if found.is_large() {
            let moved = whole(held);
            self.moved_bytes += u64::from(held[0].run.length);
            let linked = broker.journal().link(&chunk);
            self.place(&linked, &moved);
        } else if self.copies.has_room(&found) {
            self.moved_bytes += found.bytes();
            self.copies.add(&found, &self.held[at..next]);
        } else {
            self.place_copies(broker);
            self.stage = Stage::Copy { at };
            return Ok(());
        }
        self.stage = Stage::Copy { at: next };
        Ok(())
    }

    fn place_copies(&mut self, broker: &Broker) {
        if let Some((chunk, moved)) = self.copies.take() {
            let linked = broker.journal().link(&chunk);
            self.place(&linked, &moved);
        }
    }

    fn place(&self, linked: &Linked, moved: &[Moved]) {
        for group in moved.chunk_by(|a, b| a.queue == b.queue) {
            if let Some(queue) = self.queues.get(group[0].queue as usize) {
                let mut locked = queue.lock();
                for span in group.chunk_by(|a, b| a.span == b.span) {
                    let items = span.iter().map(|one| {
                        let run = Run {
                            position: linked.position,
                            length: linked.length,
                            ..one.run
                        };
                        (one.first, run)
                    });
                    move_span(
                        &mut locked,
                        queue.spec.id,
                        &items.collect::<Vec<_>>(),
                        linked,
                    );
                }
            }
        }
    }
}

/// Tells a queue where what lives of one span lies now, and the journal in the same hold of the lock.
fn move_span(locked: &mut Locked<'_>, queue: u64, items: &[(u64, Run)], linked: &Linked) {
    let Some(log) = locked.log() else {
        return;
    };
    let (first, _) = items[0];
    let is_there = log.ledger.pieces(first, first + 1).next().is_some();
    if is_there && log.ledger.moved(items, &linked.lease) {
        let mut record = Vec::new();
        write::moved(&mut record, queue, items);
        log.moved(&record);
    }
}

/// Adds the live messages of a piece, as runs of adjacent ones.
fn hold(piece: &Piece, queue: u32, held: &mut Vec<Held>) {
    let mut index = 0;
    while index < piece.run.count {
        if !piece.is_live(index) {
            index += 1;
            continue;
        }
        let skip = index;
        while index < piece.run.count && piece.is_live(index) {
            index += 1;
        }
        held.push(Held {
            run: piece.run,
            span: piece.first,
            skip,
            count: index - skip,
            queue,
        });
    }
}

/// Reads the chunk of `held` and finds its messages.
fn find(broker: &Broker, held: &[Held]) -> Result<(SealedChunk, Found), StoreError> {
    let run = held[0].run;
    let chunk = broker.journal().read(run.position, run.length)?;
    let found = Found::new(&chunk, held).map_err(|_| {
        StoreError::new(format!(
            "the messages at position {} of the journal are not those that were placed there",
            run.position
        ))
    })?;
    Ok((chunk, found))
}
