//! The journal as everybody but its writer sees it: link bodies, append records, ask what is due.
//!
//! One lock guards the open block: a list of bodies (shared, not copied, unless they are small) and the records behind them. The
//! writer takes the whole block as a group commit (writer.rs); what comes meanwhile fills the next one. `is_due` reads two
//! atomics. Called by queue and connection; the writer's thread is started and ended by the server.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::Waker;
use std::thread::JoinHandle;
use std::time::Duration;

use parking_lot::{Condvar, Mutex};

use super::block::{CHUNK_HEAD, ChunkHead};
use super::disk::Disk;
use super::error::StoreError;
use super::files::{Files, Group};
use super::spares::Spares;
use super::tail::Tail;
use super::writer::Writer;
use super::{Due, Linked, Receipt, Urgency};
use crate::message::SealedChunk;

/// How the journal cuts its work.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// A file that has so many bytes is followed by the next.
    pub file_bytes: u64,
    /// Bytes of bodies that may wait for the disk before publishers are held.
    pub window_bytes: u64,
    /// Zero-filled files kept for a full disk.
    pub reserve: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            file_bytes: 32 << 20,
            window_bytes: 32 << 20,
            reserve: 2,
        }
    }
}

/// Where a journal goes on.
#[derive(Default)]
pub struct Opening {
    /// The files that were found, with what recovery holds on them.
    pub files: Files,
    /// Position of the next block.
    pub position: u64,
    /// Number of the next append.
    pub next_append: u64,
    /// Number of the next file.
    pub next_number: u64,
    /// Number of the file that the next one follows; 0 for none.
    pub predecessor: u64,
}

impl Opening {
    /// A journal that begins.
    pub fn empty() -> Self {
        Self {
            position: super::recovery::FIRST_POSITION,
            next_append: 1,
            next_number: 1,
            ..Self::default()
        }
    }
}

/// What the writer's next step waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wait {
    /// There is more to do now.
    Work,
    /// For this time (milliseconds since the epoch), or an urgent append.
    Until(u64),
    /// For an append.
    Forever,
}

/// See the module.
pub struct Journal {
    pub(super) disk: Option<Arc<dyn Disk>>,
    pub(super) settings: Settings,
    pub(super) tail: Mutex<Tail>,
    wake: Condvar,
    pub(super) progress: Progress,
    waiters: Mutex<Waiters>,
    files: Files,
    writer: Mutex<Writer>,
    stopping: AtomicBool,
}

/// What the writer tells everybody; only it stores.
#[derive(Default)]
pub(super) struct Progress {
    /// Appends up to this one are on disk.
    pub durable: AtomicU64,
    /// Appends up to this one are with the system.
    pub written: AtomicU64,
    /// Appends up to this one that are not on disk could not be written.
    pub lost: AtomicU64,
    /// Positions below it are on disk.
    pub durable_position: AtomicU64,
    /// Positions below it can be read.
    pub written_position: AtomicU64,
    /// Bytes of bodies linked and not on disk.
    pub unsynced: AtomicU64,
    /// Bytes written to journal files.
    pub bytes: AtomicU64,
    /// The last attempts to write have failed.
    pub failed: AtomicBool,
}

#[derive(Default)]
struct Waiters {
    receipts: Vec<(Receipt, Waker)>,
    room: Vec<Waker>,
}

impl Journal {
    /// A journal that goes on where recovery has ended. Nothing is written before there is something to write.
    pub fn open(
        disk: Arc<dyn Disk>,
        opening: Opening,
        settings: Settings,
    ) -> Result<Arc<Self>, StoreError> {
        let group: Arc<Group> = Arc::default();
        let spares = Spares::find(disk.as_ref(), settings.reserve);
        let writer = Writer::new(opening.next_number, opening.predecessor, spares);
        let journal = Self {
            disk: Some(disk),
            settings,
            tail: Mutex::new(Tail::new(opening.position, opening.next_append, group)),
            wake: Condvar::new(),
            progress: Progress::default(),
            waiters: Mutex::default(),
            files: opening.files,
            writer: Mutex::new(writer),
            stopping: AtomicBool::new(false),
        };
        let progress = &journal.progress;
        for position in [&progress.durable_position, &progress.written_position] {
            position.store(opening.position, Ordering::Relaxed);
        }
        for append in [&progress.durable, &progress.written] {
            append.store(opening.next_append.saturating_sub(1), Ordering::Relaxed);
        }
        Ok(Arc::new(journal))
    }

    /// A journal that keeps nothing: everything is due at once, nothing can be read back.
    pub fn memory() -> Arc<Self> {
        let opening = Opening::empty();
        Arc::new(Self {
            disk: None,
            settings: Settings::default(),
            tail: Mutex::new(Tail::new(
                opening.position,
                opening.next_append,
                Arc::default(),
            )),
            wake: Condvar::new(),
            progress: Progress::default(),
            waiters: Mutex::default(),
            files: opening.files,
            writer: Mutex::new(Writer::new(1, 0, Spares::none())),
            stopping: AtomicBool::new(false),
        })
    }

    /// Links the bodies of a chunk: they are on disk before any append that follows. Their checksum is made here, by the thread
    /// that publishes.
    pub fn link(&self, chunk: &SealedChunk) -> Linked {
        let (data, large) = chunk.parts();
        let large = large.unwrap_or_default();
        let large_len = large.len();
        if self.disk.is_none() {
            let lease = self.tail.lock().lease();
            return Linked {
                position: 0,
                length: (CHUNK_HEAD + data.len() + large_len) as u32,
                lease,
            };
        }
        let crc = crc32c::crc32c_append(crc32c::crc32c(data), large);
        let mut tail = self.tail.lock();
        let position = tail.next_body();
        let head = ChunkHead::new(crc, position, data.len() as u32, large_len as u32);
        tail.push(&head, chunk);
        let lease = tail.lease();
        drop(tail);
        let length = head.length();
        self.progress.unsynced.fetch_add(length, Ordering::Relaxed);
        Linked {
            position,
            length: length as u32,
            lease,
        }
    }

    /// Appends records, all in one block, and returns the append's number.
    pub fn append(&self, records: &[u8], urgency: Urgency) -> u64 {
        let mut tail = self.tail.lock();
        if self.disk.is_none() {
            return tail.count();
        }
        let append = tail.append(records, urgency);
        let wakes = tail.sleeps.is_some_and(|lightest| urgency >= lightest);
        if wakes {
            tail.sleeps = None;
        }
        drop(tail);
        if wakes {
            self.wake.notify_one();
        }
        append
    }

    /// Number of the append that comes next.
    pub fn next_append(&self) -> u64 {
        self.tail.lock().next_append()
    }

    /// Appends up to this one are on disk.
    pub fn durable_append(&self) -> u64 {
        self.progress.durable.load(Ordering::Acquire)
    }

    /// Position of the block that takes the next append, and that append's number.
    pub fn open_block(&self) -> (u64, u64) {
        let tail = self.tail.lock();
        (tail.start(), tail.first_append())
    }

    /// Positions below this one are on disk.
    pub fn durable_position(&self) -> u64 {
        self.progress.durable_position.load(Ordering::Acquire)
    }

    /// Bodies below this position can be read back.
    pub fn written_position(&self) -> u64 {
        self.progress.written_position.load(Ordering::Acquire)
    }

    /// Bytes written to journal files since the start.
    pub fn bytes_written(&self) -> u64 {
        self.progress.bytes.load(Ordering::Relaxed)
    }

    /// Whether what the receipt stands for is safe.
    #[inline]
    pub fn is_due(&self, receipt: Receipt) -> Due {
        if self.disk.is_none() {
            return Due::Yes;
        }
        let progress = &self.progress;
        if receipt.durable <= progress.durable.load(Ordering::Acquire)
            && receipt.written <= progress.written.load(Ordering::Acquire)
        {
            return Due::Yes;
        }
        if receipt.durable.max(receipt.written) <= progress.lost.load(Ordering::Acquire) {
            return Due::Lost;
        }
        Due::No
    }

    /// Wakes the task when the receipt is due or lost; perhaps earlier. Ask [`is_due`](Self::is_due) once more afterwards.
    pub fn wait(&self, receipt: Receipt, task: &Waker) {
        let mut waiters = self.waiters.lock();
        match waiters
            .receipts
            .iter_mut()
            .rev()
            .take(8)
            .find(|(_, waker)| waker.will_wake(task))
        {
            Some((waits, _)) if receipt.covers(*waits) => {}
            Some((waits, _)) => *waits = receipt,
            None => waiters.receipts.push((receipt, task.clone())),
        }
    }

    /// Whether publishers bring more than the disk takes.
    #[inline]
    pub fn is_congested(&self) -> bool {
        self.progress.unsynced.load(Ordering::Relaxed) > self.settings.window_bytes
    }

    /// Wakes the task when there is room again. Ask [`is_congested`](Self::is_congested) once more afterwards.
    pub fn wait_for_room(&self, task: &Waker) {
        let mut waiters = self.waiters.lock();
        if !waiters.room.iter().any(|waker| waker.will_wake(task)) {
            waiters.room.push(task.clone());
        }
    }

    /// Whether writing has failed twice and not succeeded since: publishers are to be blocked.
    pub fn has_failed(&self) -> bool {
        self.progress.failed.load(Ordering::Acquire)
    }

    /// The table of files.
    pub fn files(&self) -> &Files {
        &self.files
    }

    /// The disk, unless the journal lies in memory.
    pub fn disk(&self) -> Option<&Arc<dyn Disk>> {
        self.disk.as_ref()
    }

    /// Removes a file that [is dead](Files::forget), or keeps it to be used again. No checkpoint needs it.
    pub fn recycle(&self, number: u64) -> io::Result<()> {
        match &self.disk {
            Some(disk) => self.writer.lock().recycle(disk.as_ref(), number),
            None => Ok(()),
        }
    }

    /// Reads a chunk back that [is written](Self::written_position).
    pub fn read(&self, position: u64, length: u32) -> Result<SealedChunk, StoreError> {
        let Some(disk) = &self.disk else {
            return Err(StoreError::new("a journal in memory cannot be read back"));
        };
        let (name, file, offset) = self
            .files
            .locate(disk.as_ref(), position)
            .map_err(|error| StoreError::io("cannot open", "journal", error))?;
        let shown = disk.shown(&name);
        let mut bytes = vec![0; length as usize];
        let read = file
            .read_at(&mut bytes, offset)
            .map_err(|error| StoreError::io("cannot read", &shown, error).at(offset))?;
        let damaged = || StoreError::damage("a message body is damaged", &shown, offset);
        if read < bytes.len() {
            return Err(damaged());
        }
        let head = ChunkHead::decode(&bytes)
            .filter(|head| head.checks(&bytes[CHUNK_HEAD..], position))
            .ok_or_else(damaged)?;
        let large = (head.large > 0).then(|| {
            bytes
                .split_off(CHUNK_HEAD + head.data as usize)
                .into_boxed_slice()
        });
        bytes.drain(..CHUNK_HEAD);
        Ok(SealedChunk::from_parts(bytes, large))
    }

    /// One step of the writer: writes what there is, and syncs it when somebody waits or it is old enough.
    pub fn step(&self, now_ms: u64) -> Wait {
        let mut writer = self.writer.lock();
        let wait = writer.step(self, now_ms);
        drop(writer);
        self.wake_due();
        wait
    }

    fn wake_due(&self) {
        let mut due: Vec<Waker> = Vec::new();
        {
            let mut waiters = self.waiters.lock();
            if !waiters.receipts.is_empty() {
                due.extend(
                    waiters
                        .receipts
                        .extract_if(.., |(receipt, _)| self.is_due(*receipt) != Due::No)
                        .map(|(_, waker)| waker),
                );
            }
            if !waiters.room.is_empty() && !self.is_congested() {
                due.append(&mut waiters.room);
            }
        }
        for waker in due {
            waker.wake();
        }
    }

    /// Starts the writer's thread; `clock` gives milliseconds since the epoch.
    pub fn run(
        self: &Arc<Self>,
        clock: impl Fn() -> u64 + Send + 'static,
    ) -> io::Result<JoinHandle<()>> {
        let journal = Arc::clone(self);
        std::thread::Builder::new()
            .name("journal".to_owned())
            .spawn(move || {
                loop {
                    let wait = journal.step(clock());
                    let stopping = journal.stopping.load(Ordering::Acquire);
                    match wait {
                        Wait::Work => continue,
                        // What is dirty is not left behind; what cannot be written is.
                        Wait::Until(at) if stopping && !journal.has_failed() => {
                            journal.step(at);
                            continue;
                        }
                        _ if stopping => return,
                        Wait::Until(at) => {
                            journal.sleep(Some(at.saturating_sub(clock())));
                        }
                        Wait::Forever => journal.sleep(None),
                    }
                }
            })
    }

    /// Until there is something to do, or for so many milliseconds and then only something urgent.
    fn sleep(&self, milliseconds: Option<u64>) {
        let mut tail = self.tail.lock();
        // A lazy append ends a sleep without end; only an urgent one ends a sleep for a lazy one.
        let lightest = if milliseconds.is_some() {
            Urgency::Written
        } else {
            Urgency::Lazy
        };
        // What came since the step is not slept over.
        if tail.urgency().is_some_and(|urgency| urgency >= lightest)
            || self.stopping.load(Ordering::Acquire)
        {
            return;
        }
        tail.sleeps = Some(lightest);
        match milliseconds {
            Some(milliseconds) => {
                self.wake
                    .wait_for(&mut tail, Duration::from_millis(milliseconds));
            }
            None => self.wake.wait(&mut tail),
        }
        tail.sleeps = None;
    }

    /// Writes and syncs what there is and ends the writer's thread.
    pub fn stop(&self) {
        self.stopping.store(true, Ordering::Release);
        drop(self.tail.lock());
        self.wake.notify_all();
    }
}

#[cfg(test)]
mod tests;
