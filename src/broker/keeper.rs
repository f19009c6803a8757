//! The keeper: decides when a checkpoint is written and when files are worth work, and does both step by step.
//!
//! [`Keeper::step`] is one bounded piece of work; time comes in, nothing else does. One thread loops over it ([`Keeper::run`], which
//! the server starts); the simulator calls it as its seed says. Disk I/O happens outside all queue locks. What goes wrong is
//! reported and tried again later: nothing that the keeper leaves undone loses a message, it only costs space and restart time.
//!
//! ```text
//! at rest -> checkpoint (schedule.rs, snapshot.rs) -> dead files go (reclaim/dead.rs)
//!         -> census -> compaction of sparse files (reclaim)
//! ```
//!
//! Which rules keep a file from going too early is said in `reclaim/dead.rs`.

mod run;
mod schedule;
mod snapshot;

use std::io;
use std::sync::Arc;

pub use self::run::Running;
use self::schedule::{IDLE_MS, Schedule, Standing};
pub use self::snapshot::durable_queues;
use self::snapshot::{Progress, Snapshot};
use super::Broker;
use super::reclaim::dead::{Dead, DeadFile};
use super::reclaim::{Policy, Reclaim};
use crate::store::disk::Disk;
use crate::store::{StoreError, Wait, checkpoint, files};

/// How often the keeper looks while the broker works, milliseconds.
const LOOK_MS: u64 = 100;

/// How often it looks while nothing happens, milliseconds: it reads one counter and finds that it has not moved.
const LOOK_IDLE_MS: u64 = 1000;

/// How long the wait for the journal's sync pauses, milliseconds.
const SYNC_MS: u64 = 5;

/// What the keeper is told.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// `checkpoint_interval_size`: journal bytes between two checkpoints.
    pub checkpoint_interval: u64,
    /// When a sparse file is worth its compaction.
    pub policy: Policy,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            checkpoint_interval: 64 << 20,
            policy: Policy::default(),
        }
    }
}

/// What the keeper has done since its start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Done {
    /// Checkpoints written.
    pub checkpoints: u64,
    /// Their bytes.
    pub checkpoint_bytes: u64,
    /// Files that have gone.
    pub files_removed: u64,
    /// Files whose live messages were moved.
    pub files_compacted: u64,
    /// Bytes of messages that were moved.
    pub bytes_moved: u64,
}

/// See the module.
pub struct Keeper {
    broker: Arc<Broker>,
    disk: Arc<dyn Disk>,
    schedule: Schedule,
    /// Number of the newest checkpoint.
    newest: u64,
    checkpoint: Option<Snapshot>,
    dead: Dead,
    reclaim: Reclaim,
    /// The journal's next append when it last moved, and when that was seen.
    quiet: (u64, u64),
    done: Done,
    reports: Vec<String>,
}

impl Keeper {
    /// A keeper for a broker that was opened from `disk`. `newest` is the number of the newest checkpoint there, 0 when there is
    /// none, and `start` the position from which on the journal was replayed.
    pub fn new(
        broker: Arc<Broker>,
        disk: Arc<dyn Disk>,
        settings: Settings,
        newest: u64,
        start: u64,
    ) -> Self {
        Self {
            quiet: (broker.journal().next_append(), 0),
            broker,
            disk,
            schedule: Schedule::new(settings.checkpoint_interval, start),
            newest,
            checkpoint: None,
            dead: Dead::default(),
            reclaim: Reclaim::new(settings.policy),
            done: Done::default(),
            reports: Vec::new(),
        }
    }

    /// What it has done.
    pub fn done(&self) -> Done {
        self.done
    }

    /// What went wrong since the last call, for the log.
    pub fn take_reports(&mut self) -> Vec<String> {
        std::mem::take(&mut self.reports)
    }

    /// One bounded piece of work at `now` (milliseconds since the epoch).
    pub fn step(&mut self, now: u64) -> Wait {
        if let Some(checkpoint) = self.checkpoint.take() {
            return self.go_on(checkpoint, now);
        }
        let (idle, moved) = self.look(now);
        if self.is_due(idle, now) {
            return self.go_on(Snapshot::new(self.newest + 1, false), now);
        }
        let worked = self.reclaim.step(&self.broker, moved, now, &mut self.done);
        match worked {
            Ok(Some(wait)) => return wait,
            Ok(None) => {}
            Err(error) => self.reports.push(error.to_string()),
        }
        let pause = if idle && self.dead.waiting() == 0 {
            LOOK_IDLE_MS
        } else {
            LOOK_MS
        };
        Wait::Until(now + pause)
    }

    /// Writes the last checkpoint of a run. Nothing happens in the broker any more, and the journal still works.
    pub fn begin_clean_stop(&mut self) {
        for queue in self.broker.all_queues() {
            queue.lock().stop();
        }
        self.dead.failed();
        self.dead.begins();
        self.checkpoint = Some(Snapshot::new(self.newest + 1, true));
    }

    /// Whether a checkpoint is being made.
    pub fn is_in_checkpoint(&self) -> bool {
        self.checkpoint.is_some()
    }

    /// Whether the broker is idle, and whether the journal has moved since the last look.
    fn look(&mut self, now: u64) -> (bool, bool) {
        let next = self.broker.journal().next_append();
        let moved = next != self.quiet.0;
        if moved {
            self.quiet = (next, now);
        }
        (now.saturating_sub(self.quiet.1) >= IDLE_MS, moved)
    }

    fn is_due(&mut self, idle: bool, now: u64) -> bool {
        let journal = self.broker.journal();
        let files = journal.files().all();
        let dead = files.iter().filter(|file| file.dead).filter_map(|file| {
            let bytes = file.end?.saturating_sub(file.base);
            Some(DeadFile {
                base: file.base,
                bytes,
            })
        });
        self.dead.seen(dead);
        let standing = Standing {
            position: journal.open_block().0,
            dead_bytes: self.dead.waiting(),
            idle,
        };
        let due = self.schedule.due(standing, now).is_some();
        if due {
            self.dead.begins();
        }
        due
    }

    fn go_on(&mut self, mut checkpoint: Snapshot, now: u64) -> Wait {
        match checkpoint.step(&self.broker, &self.disk) {
            Ok(Progress::More) => {
                self.checkpoint = Some(checkpoint);
                Wait::Work
            }
            Ok(Progress::Wait) => {
                self.checkpoint = Some(checkpoint);
                Wait::Until(now + SYNC_MS)
            }
            Ok(Progress::Written { start, bytes }) => {
                self.newest += 1;
                self.schedule.written(start, bytes);
                self.done.checkpoints += 1;
                self.done.checkpoint_bytes += bytes;
                self.remove_checkpoints();
                self.remove_dead();
                Wait::Work
            }
            Err(error) => {
                self.schedule.failed(now);
                self.dead.failed();
                self.reports
                    .push(format!("a checkpoint could not be written: {error}"));
                Wait::Until(now + LOOK_MS)
            }
        }
    }

    /// Removes the checkpoints before the newest, and what was left of one that was never finished.
    fn remove_checkpoints(&mut self) {
        let names = self.disk.list().unwrap_or_default();
        for name in names {
            let number = checkpoint::number(name.trim_end_matches(".tmp"));
            if number.is_some_and(|number| number < self.newest)
                && let Err(error) = self.disk.remove(&name)
            {
                self.cannot_remove(&name, error);
            }
        }
    }

    fn remove_dead(&mut self) {
        for base in self.dead.written() {
            let journal = self.broker.journal();
            // Nobody can have taken a lease since it was seen dead; if somebody has, it stays.
            let Some(number) = journal.files().forget(base) else {
                continue;
            };
            match journal.recycle(number) {
                Ok(()) => self.done.files_removed += 1,
                Err(error) => self.cannot_remove(&files::name(number), error),
            }
        }
    }

    fn cannot_remove(&mut self, name: &str, error: io::Error) {
        let shown = self.disk.shown(name);
        self.reports
            .push(StoreError::io("cannot remove", &shown, error).to_string());
    }
}
