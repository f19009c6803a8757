//! The data directory: opened at the start, in order, and left clean at the end. `core` calls.
//!
//! Lock, version, recovery, journal, broker with what was found, and the journal's thread. Any failure is one line that names the
//! file, and the process does not start.

use std::path::Path;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Instant;

use tracing::{info, warn};

use crate::auth::Users;
use crate::broker::restore::{self, Found};
use crate::broker::{self, Broker};
use crate::store::disk::{Directory, Disk};
use crate::store::{Journal, Settings, recovery, schema};

/// The journal and its thread.
pub struct Storage {
    journal: Arc<Journal>,
    writer: JoinHandle<()>,
}

impl Storage {
    /// Opens the directory and makes a broker out of what is there; true when nothing was.
    pub fn open(
        path: &Path,
        salvage: bool,
        settings: broker::Settings,
        users: Arc<Users>,
    ) -> Result<(Self, Arc<Broker>, bool), String> {
        let begun = Instant::now();
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
        let is_new = found.definitions.is_empty();
        let (queues, messages) = found
            .queues
            .values()
            .fold((0, 0), |(queues, messages), ledger| {
                (queues + 1, messages + ledger.live())
            });
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
                next_id: found.next_id,
                clean: found.clean,
            },
        )?;
        for name in found.garbage {
            // What cannot be removed now is found again at the next start.
            let _ = disk.remove(&name);
        }
        let writer = journal
            .run(move || clock.now())
            .map_err(|error| format!("cannot start a thread: {error}"))?;
        info!(
            "data directory {}: {queues} queues, {messages} messages, read in {} ms",
            path.display(),
            begun.elapsed().as_millis()
        );
        Ok((Self { journal, writer }, broker, is_new))
    }

    /// Writes what is left and ends the thread.
    pub fn close(self) {
        self.journal.stop();
        let _ = self.writer.join();
    }
}
