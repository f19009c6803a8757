//! The open block: what is linked and appended and not yet with the writer. Plain data under the journal's lock.

use std::ops::Range;
use std::sync::Arc;

use super::Urgency;
use super::block::{ALIGN, BLOCK_HEAD, ChunkHead};
use super::files::{Group, Lease};
use super::varint;
use crate::message::SealedChunk;

/// A chunk smaller than this is copied, so that a write has few pieces; a larger one is shared.
const COPIED_BYTES_MAX: usize = 4096;

/// A piece of a block's bodies.
pub(super) enum Piece {
    /// Bytes of `Block::copied`.
    Copied(Range<usize>),
    /// A chunk as the publisher made it.
    Shared(SealedChunk),
}

/// A group commit on its way to disk.
pub(super) struct Block {
    pub start: u64,
    pub bodies: u64,
    pub pieces: Vec<Piece>,
    pub copied: Vec<u8>,
    /// Padded to a multiple of eight.
    pub meta: Vec<u8>,
    pub first_append: u64,
    pub appends: u32,
    pub urgency: Urgency,
    pub group: Arc<Group>,
}

impl Block {
    /// Position behind it.
    pub fn end(&self) -> u64 {
        self.start + BLOCK_HEAD as u64 + self.bodies + self.meta.len() as u64
    }

    /// Number of its last append.
    pub fn last_append(&self) -> u64 {
        self.first_append + u64::from(self.appends) - 1
    }
}

/// See the module.
pub(super) struct Tail {
    start: u64,
    /// Position at which the file of this block begins.
    file_base: u64,
    group: Arc<Group>,
    bodies: u64,
    pieces: Vec<Piece>,
    copied: Vec<u8>,
    meta: Vec<u8>,
    first_append: u64,
    appends: u32,
    urgency: Option<Urgency>,
    /// The writer sleeps until something at least so urgent comes.
    pub sleeps: Option<Urgency>,
}

impl Tail {
    pub fn new(start: u64, first_append: u64, group: Arc<Group>) -> Self {
        Self {
            start,
            file_base: start,
            group,
            bodies: 0,
            pieces: Vec::new(),
            copied: Vec::new(),
            meta: Vec::new(),
            first_append,
            appends: 0,
            urgency: None,
            sleeps: None,
        }
    }

    pub fn start(&self) -> u64 {
        self.start
    }

    pub fn first_append(&self) -> u64 {
        self.first_append
    }

    pub fn next_append(&self) -> u64 {
        self.first_append + u64::from(self.appends)
    }

    /// How urgent the most urgent of its appends is; `None` when it has none.
    pub fn urgency(&self) -> Option<Urgency> {
        self.urgency
    }

    /// A lease on the file that this block goes to.
    pub fn lease(&self) -> Lease {
        self.group.lease()
    }

    /// Position of the next chunk.
    pub fn next_body(&self) -> u64 {
        self.start + BLOCK_HEAD as u64 + self.bodies
    }

    /// Adds a chunk.
    pub fn push(&mut self, head: &ChunkHead, chunk: &SealedChunk) {
        let (data, large) = chunk.parts();
        let large = large.unwrap_or_default();
        self.copy(&head.encode());
        if data.len() + large.len() < COPIED_BYTES_MAX {
            self.copy(data);
            self.copy(large);
        } else {
            self.pieces.push(Piece::Shared(chunk.clone()));
        }
        self.bodies += head.length();
    }

    fn copy(&mut self, bytes: &[u8]) {
        let from = self.copied.len();
        self.copied.extend_from_slice(bytes);
        match self.pieces.last_mut() {
            Some(Piece::Copied(range)) => range.end = self.copied.len(),
            _ => self.pieces.push(Piece::Copied(from..self.copied.len())),
        }
    }

    /// Adds records and returns the number of this append.
    pub fn append(&mut self, records: &[u8], urgency: Urgency) -> u64 {
        varint::put(&mut self.meta, records.len() as u64);
        self.meta.extend_from_slice(records);
        self.urgency = Some(self.urgency.map_or(urgency, |before| before.max(urgency)));
        self.count()
    }

    /// Counts an append without keeping it.
    pub fn count(&mut self) -> u64 {
        self.appends += 1;
        self.first_append + u64::from(self.appends) - 1
    }

    /// Takes the block, if there is one; `spare` are buffers to go on with.
    pub fn take(&mut self, file_bytes: u64, spare: (Vec<u8>, Vec<u8>)) -> Option<Block> {
        let urgency = self.urgency.take()?;
        let unpadded = self.bodies + self.meta.len() as u64;
        let padding = unpadded.next_multiple_of(ALIGN) - unpadded;
        self.meta.resize(self.meta.len() + padding as usize, 0);
        let block = Block {
            start: self.start,
            bodies: self.bodies,
            pieces: std::mem::take(&mut self.pieces),
            copied: std::mem::replace(&mut self.copied, spare.0),
            meta: std::mem::replace(&mut self.meta, spare.1),
            first_append: self.first_append,
            appends: self.appends,
            urgency,
            group: Arc::clone(&self.group),
        };
        self.start = block.end();
        self.first_append += u64::from(self.appends);
        (self.bodies, self.appends) = (0, 0);
        if self.start - self.file_base >= file_bytes {
            self.file_base = self.start;
            self.group = Arc::default();
        }
        Some(block)
    }
}
