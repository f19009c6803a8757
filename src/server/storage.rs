//! The data directory: opened at the start, in order, and left clean at the end. `core` calls.
//!
//! Lock, version, recovery, journal, broker with what was found, the threads of journal, keeper and pager; back: the pager, the
//! keeper, which writes the last checkpoint, the journal, the lock. Any failure at the start is one line that names the file, and
//! the process does not start.

use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tracing::{error, info, warn};

use crate::auth::Users;
use crate::broker::keeper::{self, Keeper};
use crate::broker::restore::{self, Found};
use crate::broker::{self, Broker, pager};
use crate::config::Config;
use crate::store::disk::{Directory, Disk};
use crate::store::{Journal, Settings, recovery, schema};

/// Longest time that a disk which works gets for what is not on it yet. Journal window and checkpoint are far below what even
/// a slow disk writes in that time.
const CLOSE_MAX: Duration = Duration::from_secs(30);
/// Longest time for a disk that refuses writes.
const CLOSE_FAILED_MAX: Duration = Duration::from_secs(1);
/// How often it is looked whether all is on disk.
const CLOSE_STEP: Duration = Duration::from_millis(2);

/// The journal and the threads that work on the data directory.
pub struct Storage {
    journal: Arc<Journal>,
    writer: JoinHandle<()>,
    keeper: keeper::Running,
    broker: Arc<Broker>,
    pager: JoinHandle<()>,
}

impl Storage {
    /// Opens the directory and makes a broker out of what is there; one without vhosts where nothing is.
    pub fn open(
        config: &Config,
        salvage: bool,
        settings: broker::Settings,
        users: Arc<Users>,
    ) -> Result<(Self, Arc<Broker>), String> {
        let begun = Instant::now();
        let path = &config.data_dir;
        let directory = Directory::open(path).map_err(|error| error.to_string())?;
        let disk: Arc<dyn Disk> = Arc::new(directory);
        schema::check(disk.as_ref(), true).map_err(|error| error.to_string())?;
        let found = recovery::recover(&disk, salvage).map_err(|error| {
            let hint = if error.is_damage() && !salvage {
                " (`leveret serve --salvage` starts with what can be had)"
            } else {
                ""
            };
            format!("{error}{hint}")
        })?;
        for line in &found.report {
            warn!("recovery: {line}");
        }
        let journal = Journal::open(Arc::clone(&disk), found.opening, Settings::default())
            .map_err(|error| error.to_string())?;
        let queues = found.queues.len();
        let messages: u64 = found.queues.values().map(|ledger| ledger.live()).sum();
        let definitions = found
            .definitions
            .into_iter()
            .map(|((kind, key), value)| (kind, key, value))
            .collect();
        let clock = settings.clock.clone();
        let broker = restore::open(
            settings,
            users,
            Arc::clone(&journal),
            Found {
                definitions,
                ledgers: found.queues,
                seen: found.seen,
                next_id: found.next_id,
                clean: found.clean,
            },
        )?;
        for name in found.garbage {
            // What cannot be removed now is found again at the next start.
            let _ = disk.remove(&name);
        }
        let no_thread = |error| format!("cannot start a thread: {error}");
        let writer_clock = clock.clone();
        let writer = journal.run(move || writer_clock.now()).map_err(no_thread)?;
        let settings = keeper::Settings {
            checkpoint_interval: config.storage.checkpoint_interval,
            ..keeper::Settings::default()
        };
        let keeper = Keeper::new(
            Arc::clone(&broker),
            disk,
            settings,
            found.checkpoint,
            found.start,
        )
        .run(move || clock.now())
        .map_err(no_thread)?;
        info!(
            "data directory {}: {queues} durable queues, {messages} messages, read in {} ms{}",
            path.display(),
            begun.elapsed().as_millis(),
            if found.clean {
                ""
            } else {
                " after a run that did not end cleanly"
            }
        );
        let pager = pager::run(Arc::clone(&broker)).map_err(no_thread)?;
        let storage = Self {
            journal,
            writer,
            keeper,
            broker: Arc::clone(&broker),
            pager,
        };
        Ok((storage, broker))
    }

    /// Ends the threads; what they have left is on disk then. Nothing changes queues or definitions any more. False when the disk
    /// did not take it: confirmed messages are safe all the same, the last settles may not be.
    pub fn close(self) -> bool {
        let Self {
            journal,
            writer,
            keeper,
            broker,
            pager,
        } = self;
        let closing = {
            let journal = Arc::clone(&journal);
            std::thread::spawn(move || {
                broker.pager().stop();
                let _ = pager.join();
                keeper.stop();
                journal.stop();
                let _ = writer.join();
            })
        };
        let begun = Instant::now();
        while !closing.is_finished() {
            let most = if journal.has_failed() {
                CLOSE_FAILED_MAX
            } else {
                CLOSE_MAX
            };
            if begun.elapsed() > most {
                error!("the disk does not take what is left: the last settles may come back");
                return false;
            }
            std::thread::sleep(CLOSE_STEP);
        }
        true
    }
}
