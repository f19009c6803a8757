//! The writer: takes the open block, writes it, syncs when somebody waits for that or it is old enough, and says how far it is.
//!
//! Blocks stay in memory until they are synced. After a failed write or sync the file is never written again: what is not
//! synced goes to a new file that begins at the first such block. When that fails as well, whoever waits is told that it is
//! [lost](super::Due::Lost), and once a second it is tried again. Driven by journal.rs.

use std::io::{self, IoSlice};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::Urgency;
use super::block::{BlockHead, FileHeader, HEADER_BYTES};
use super::disk::{Disk, File, Open};
use super::files::{self, Group};
use super::journal::{Journal, Wait};
use super::spares::Spares;
use super::tail::{Block, Piece};

/// Oldest that something written may be and not synced, though nobody waits.
pub(super) const DIRTY_MS: u64 = 200;
/// Time between attempts to write after two have failed.
const RETRY_MS: u64 = 1000;
/// Pieces of one write; the system takes 1024.
const PIECES_MAX: usize = 512;
/// A buffer larger than this is not kept for the next block.
const BUFFER_KEPT: usize = 1 << 20;

struct Current {
    number: u64,
    base: u64,
    group: Arc<Group>,
    file: Arc<dyn File>,
}

/// See the module.
pub(super) struct Writer {
    current: Option<Current>,
    /// Blocks taken and not synced, in order; the first `written` of them are with the system.
    unsynced: Vec<Block>,
    written: usize,
    /// When the oldest of what is not synced was seen.
    dirty_since: Option<u64>,
    /// A file was created and its name is not synced.
    names_dirty: bool,
    next_number: u64,
    predecessor: u64,
    retry_at: u64,
    /// Buffers to go on with.
    buffers: (Vec<u8>, Vec<u8>),
    spares: Spares,
}

impl Writer {
    pub fn new(next_number: u64, predecessor: u64, spares: Spares) -> Self {
        Self {
            current: None,
            unsynced: Vec::new(),
            written: 0,
            dirty_since: None,
            names_dirty: false,
            next_number,
            predecessor,
            retry_at: 0,
            buffers: Default::default(),
            spares,
        }
    }

    /// Takes a dead file over: it is used again or removed.
    pub fn recycle(&mut self, disk: &dyn Disk, number: u64) -> io::Result<()> {
        self.spares.recycle(disk, number)
    }

    pub fn step(&mut self, journal: &Journal, now: u64) -> Wait {
        let Some(disk) = journal.disk.clone() else {
            return Wait::Forever;
        };
        let disk = disk.as_ref();
        if journal.has_failed() {
            if now < self.retry_at {
                return Wait::Until(self.retry_at);
            }
            // What came meanwhile shares the fate of the rest.
            let block = journal.tail.lock().take(
                journal.settings.file_bytes,
                std::mem::take(&mut self.buffers),
            );
            self.unsynced.extend(block);
            return self.again(journal, disk, now);
        }
        let dirty_until = self.dirty_since.map(|since| since + DIRTY_MS);
        let old = dirty_until.is_some_and(|until| now >= until);
        let mut tail = journal.tail.lock();
        let taken = match tail.urgency() {
            None => None,
            Some(Urgency::Lazy) if !old => {
                let until = *self.dirty_since.get_or_insert(now) + DIRTY_MS;
                drop(tail);
                if self.unsynced.is_empty() {
                    return Wait::Until(until);
                }
                None
            }
            Some(_) => {
                let block = tail.take(
                    journal.settings.file_bytes,
                    std::mem::take(&mut self.buffers),
                );
                drop(tail);
                block
            }
        };
        if let Some(block) = taken {
            self.dirty_since.get_or_insert(now);
            self.unsynced.push(block);
            if let Err(error) = self.write(journal, disk, now) {
                return self.fails(journal, disk, now, &error);
            }
        }
        let Some(since) = self.dirty_since else {
            let written = journal.bytes_written();
            let more = self.spares.fill(disk, journal.settings.file_bytes, written);
            return if more { Wait::Work } else { Wait::Forever };
        };
        let asked = self
            .unsynced
            .iter()
            .any(|block| block.urgency == Urgency::Synced);
        let much =
            journal.progress.unsynced.load(Ordering::Relaxed) > journal.settings.window_bytes / 2;
        if !asked && !much && now < since + DIRTY_MS {
            return Wait::Until(since + DIRTY_MS);
        }
        match self.sync(journal, disk) {
            Ok(()) => Wait::Work,
            Err(error) => self.fails(journal, disk, now, &error),
        }
    }

    /// Writes the blocks that are not with the system yet.
    fn write(&mut self, journal: &Journal, disk: &dyn Disk, now: u64) -> io::Result<()> {
        while let Some(block) = self.unsynced.get(self.written) {
            let current = match &self.current {
                Some(current) if Arc::ptr_eq(&current.group, &block.group) => current,
                _ => {
                    // What lies in the file before must be on disk before anything here counts: a sync covers one file.
                    if let Some(before) = self.current.take() {
                        before.file.sync()?;
                    }
                    let number = self.next_number;
                    self.next_number += 1;
                    self.names_dirty = true;
                    let file = new_file(&mut self.spares, journal, disk, number)?;
                    let begun = begin(journal, disk, file, number, self.predecessor, block, now)?;
                    self.predecessor = number;
                    self.current.insert(begun)
                }
            };
            let head = BlockHead {
                number: current.number,
                position: block.start,
                bodies: block.bodies,
                meta: block.meta.len() as u32,
                first_append: block.first_append,
                appends: block.appends,
                durable: journal.progress.durable_position.load(Ordering::Relaxed),
            };
            let head = head.encode(&block.meta);
            let mut at = block.start - current.base + HEADER_BYTES as u64;
            let mut slices: Vec<IoSlice<'_>> = Vec::with_capacity(2 * block.pieces.len() + 2);
            slices.push(IoSlice::new(&head));
            for piece in &block.pieces {
                match piece {
                    Piece::Copied(range) => {
                        slices.push(IoSlice::new(&block.copied[range.clone()]));
                    }
                    Piece::Shared(chunk) => {
                        let (data, large) = chunk.parts();
                        slices.push(IoSlice::new(data));
                        slices.extend(large.map(IoSlice::new));
                    }
                }
            }
            slices.push(IoSlice::new(&block.meta));
            for part in slices.chunks(PIECES_MAX) {
                current.file.write_at(part, at)?;
                at += part.iter().map(|slice| slice.len() as u64).sum::<u64>();
            }
            let progress = &journal.progress;
            progress
                .bytes
                .fetch_add(block.end() - block.start, Ordering::Relaxed);
            progress
                .written_position
                .store(block.end(), Ordering::Release);
            progress
                .written
                .store(block.last_append(), Ordering::Release);
            self.written += 1;
        }
        Ok(())
    }

    /// Makes what is written durable.
    fn sync(&mut self, journal: &Journal, disk: &dyn Disk) -> io::Result<()> {
        if let Some(current) = &self.current {
            current.file.sync()?;
        }
        if self.names_dirty {
            disk.sync_names()?;
            self.names_dirty = false;
        }
        self.dirty_since = None;
        let progress = &journal.progress;
        let mut bodies = 0;
        if let Some(last) = self.unsynced.last() {
            progress
                .durable_position
                .store(last.end(), Ordering::Release);
            progress
                .durable
                .store(last.last_append(), Ordering::Release);
        }
        for block in self.unsynced.drain(..) {
            bodies += block.bodies;
            let (mut copied, mut meta) = (block.copied, block.meta);
            if copied.capacity() <= BUFFER_KEPT && copied.capacity() > self.buffers.0.capacity() {
                copied.clear();
                self.buffers.0 = copied;
            }
            if meta.capacity() <= BUFFER_KEPT && meta.capacity() > self.buffers.1.capacity() {
                meta.clear();
                self.buffers.1 = meta;
            }
        }
        self.written = 0;
        progress.unsynced.fetch_sub(bodies, Ordering::Relaxed);
        Ok(())
    }

    /// A write or a sync has failed: what is not synced goes to another file, once.
    fn fails(&mut self, journal: &Journal, disk: &dyn Disk, now: u64, error: &io::Error) -> Wait {
        let shown = self.current.as_ref().map_or_else(
            || disk.shown(""),
            |current| disk.shown(&files::name(current.number)),
        );
        tracing::error!("cannot write {shown}: {error}; going on in another file");
        self.again(journal, disk, now)
    }

    fn again(&mut self, journal: &Journal, disk: &dyn Disk, now: u64) -> Wait {
        self.current = None;
        self.written = 0;
        // The name of the file that failed may be missing as well as its bytes.
        self.names_dirty = true;
        let done = self
            .write(journal, disk, now)
            .and_then(|()| self.sync(journal, disk));
        let failed = &journal.progress.failed;
        match done {
            Ok(()) => {
                if failed.swap(false, Ordering::AcqRel) {
                    tracing::info!("the journal can be written again");
                }
                Wait::Work
            }
            Err(error) => {
                if !failed.swap(true, Ordering::AcqRel) {
                    tracing::error!(
                        "the journal in {} cannot be written: {error}; what waits is refused, publishers are blocked",
                        disk.shown("")
                    );
                }
                if let Some(last) = self.unsynced.last() {
                    journal
                        .progress
                        .lost
                        .store(last.last_append(), Ordering::Release);
                }
                self.retry_at = now + RETRY_MS;
                Wait::Until(self.retry_at)
            }
        }
    }
}

/// A file to write to: a recycled one, a new one, or one of the reserve when there is no room for a new one.
fn new_file(
    spares: &mut Spares,
    journal: &Journal,
    disk: &dyn Disk,
    number: u64,
) -> io::Result<Arc<dyn File>> {
    if let Some(file) = spares.take(disk, number, false)? {
        return Ok(file);
    }
    let name = files::name(number);
    let made = disk.open(&name, Open::Create).and_then(|file| {
        file.allocate(HEADER_BYTES as u64 + journal.settings.file_bytes)?;
        Ok(file)
    });
    made.or_else(|error| {
        let _ = disk.remove(&name);
        match spares.take(disk, number, true)? {
            Some(file) => {
                tracing::warn!(
                    "cannot make {}: {error}; using the reserve",
                    disk.shown(&name)
                );
                Ok(file)
            }
            None => Err(error),
        }
    })
}

/// Begins a file with its header.
fn begin(
    journal: &Journal,
    disk: &dyn Disk,
    file: Arc<dyn File>,
    number: u64,
    predecessor: u64,
    block: &Block,
    now: u64,
) -> io::Result<Current> {
    let header = FileHeader {
        number,
        base: block.start,
        predecessor,
        created_ms: now,
        durable: journal.progress.durable_position.load(Ordering::Relaxed),
        next_append: block.first_append,
    };
    if let Err(error) = file.write_at(&[IoSlice::new(&header.encode())], 0) {
        // Nothing in it counts; where it cannot even be removed, the next start finds a file without a header.
        let _ = disk.remove(&files::name(number));
        return Err(error);
    }
    if let Some(replaced) = journal.files().add(number, block.start, &block.group) {
        let _ = disk.remove(&files::name(replaced));
    }
    Ok(Current {
        number,
        base: block.start,
        group: Arc::clone(&block.group),
        file,
    })
}
