//! What a data directory holds, for `leveret store inspect`: nothing is written, created, synced or locked, so it may be asked
//! while a broker runs there; then the last blocks may be half there, which reads as a torn tail.
//!
//! What the journal's records mean is recovery's business; this counts what came out. Keys of definitions are bytes here: whoever
//! prints them says how ([`Inspection::text`]).

use std::collections::BTreeMap;
use std::fmt::{self, Write};

use super::checkpoint::{self, Checkpoint};
use super::disk::{Disk, Open};
use super::error::StoreError;
use super::files;
use super::ledger::Ledger;
use super::record::Kind;
use super::recovery::{self, Recovered};
use super::{schema, spares};

/// So often a broker that runs there may remove a file that was about to be read.
const ATTEMPTS: usize = 5;

/// Bytes of a message besides its body, about: names, properties and frames.
const MESSAGE_BYTES: u64 = 64;

/// All that is shown.
#[derive(Clone, Debug, Default)]
pub struct Inspection {
    /// The directory.
    pub directory: String,
    /// Why a start would be refused. What else is said here is then what salvage would find.
    pub damage: Vec<String>,
    /// What recovery would report.
    pub report: Vec<String>,
    /// Whether the last run ended with a clean stop.
    pub clean: bool,
    /// Keys of all definitions by kind.
    pub definitions: BTreeMap<Kind, Vec<Vec<u8>>>,
    /// Durable queues, in order of their keys.
    pub queues: Vec<QueueShown>,
    /// Position from which recovery would replay, and the one behind the last block.
    pub journal: (u64, u64),
    /// Number of the next append.
    pub next_append: u64,
    /// Journal files, in order of their positions.
    pub files: Vec<FileShown>,
    /// Checkpoints, oldest first.
    pub checkpoints: Vec<CheckpointShown>,
    /// Spare files and their bytes.
    pub spares: (u64, u64),
    /// Files that the next start would remove.
    pub garbage: Vec<String>,
}

/// A durable queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueueShown {
    /// Key of its definition.
    pub key: Vec<u8>,
    /// Its id.
    pub id: u64,
    /// Messages on disk.
    pub messages: u64,
    /// Bytes of their bodies.
    pub bytes: u64,
    /// Runs of adjacent messages.
    pub runs: u64,
}

/// A journal file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileShown {
    /// Its name.
    pub name: String,
    /// Position of its first block.
    pub base: u64,
    /// Position behind what it can have.
    pub end: u64,
    /// Its size.
    pub bytes: u64,
    /// Bytes in it that messages need.
    pub live_bytes: u64,
    /// Messages in it, each counted once for every queue that it is in.
    pub live_messages: u64,
}

/// A checkpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckpointShown {
    /// Its name.
    pub name: String,
    /// Its size.
    pub bytes: u64,
    /// The block that replay goes on at, and whether a clean stop has made it; or what is wrong with it.
    pub content: Result<(u64, bool), String>,
}

/// Looks at a data directory. An error is one that even salvage would end with.
pub fn inspect(disk: &dyn Disk) -> Result<Inspection, StoreError> {
    let mut attempt = 1;
    loop {
        match once(disk) {
            Err(error) if error.is_not_found() && attempt < ATTEMPTS => attempt += 1,
            other => return other,
        }
    }
}

fn once(disk: &dyn Disk) -> Result<Inspection, StoreError> {
    let mut shown = Inspection {
        directory: disk.shown(""),
        ..Inspection::default()
    };
    shown.damage.extend(
        schema::check(disk, false)
            .err()
            .map(|error| error.to_string()),
    );
    let found = match recovery::look(disk, false) {
        Ok(found) => found,
        Err(error) if error.is_damage() => {
            shown.damage.push(error.to_string());
            recovery::look(disk, true)?
        }
        Err(error) => return Err(error),
    };
    let names = disk
        .list()
        .map_err(|error| StoreError::io("cannot list", &disk.shown(""), error))?;
    for name in &names {
        if spares::number(name).is_some() {
            shown.spares.0 += 1;
            shown.spares.1 += length(disk, name)?;
        } else if let Some(number) = checkpoint::number(name) {
            let content = Checkpoint::read(disk, number)
                .map(|checkpoint| (checkpoint.position, checkpoint.clean))
                .map_err(|error| error.to_string());
            shown.checkpoints.push(CheckpointShown {
                name: name.clone(),
                bytes: length(disk, name)?,
                content,
            });
        }
    }
    shown.files = files_of(disk, &found)?;
    shown.take(found);
    Ok(shown)
}

fn length(disk: &dyn Disk, name: &str) -> Result<u64, StoreError> {
    disk.open(name, Open::Read)
        .and_then(|file| file.len())
        .map_err(|error| StoreError::io("cannot read", &disk.shown(name), error))
}

fn files_of(disk: &dyn Disk, found: &Recovered) -> Result<Vec<FileShown>, StoreError> {
    let mut shown = Vec::new();
    for file in found.opening.files.all() {
        let name = files::name(file.number);
        shown.push(FileShown {
            base: file.base,
            end: file.end.unwrap_or(found.opening.position),
            bytes: length(disk, &name)?,
            name,
            live_bytes: 0,
            live_messages: 0,
        });
    }
    // A chunk that several queues have is on disk once: the largest part of a run that one of them needs.
    let mut runs: Vec<(u64, u32, u64)> = Vec::new();
    for piece in found
        .queues
        .values()
        .flat_map(|queue| queue.pieces(0, u64::MAX))
    {
        let run = piece.run;
        // With a message's share of what else the chunk has. Where several runs share one, its bodies alone say whose it is.
        let whole = u64::from(run.bodies) + MESSAGE_BYTES * u64::from(run.count);
        let bytes =
            whole.min(u64::from(run.length)) * u64::from(piece.live) / u64::from(run.count.max(1));
        runs.push((run.position, run.start, bytes));
        if let Some(file) = file_at(&mut shown, run.position) {
            file.live_messages += u64::from(piece.live);
        }
    }
    runs.sort_unstable();
    for (index, (position, start, bytes)) in runs.iter().enumerate() {
        // Sorted by bytes last: the largest of the same run is behind the others.
        let same = runs
            .get(index + 1)
            .is_some_and(|next| (next.0, next.1) == (*position, *start));
        if same {
            continue;
        }
        if let Some(file) = file_at(&mut shown, *position) {
            file.live_bytes += bytes;
        }
    }
    Ok(shown)
}

fn file_at(files: &mut [FileShown], position: u64) -> Option<&mut FileShown> {
    let behind = files.partition_point(|file| file.base <= position);
    files.get_mut(behind.checked_sub(1)?)
}

impl Inspection {
    fn take(&mut self, found: Recovered) {
        self.report = found.report;
        self.clean = found.clean;
        self.journal = (found.start, found.opening.position);
        self.next_append = found.opening.next_append;
        self.garbage = found.garbage;
        let nothing = Ledger::default();
        for ((kind, key), value) in found.definitions {
            if kind == Kind::Queue {
                let id = recovery::queue_id(&value);
                let ledger = found.queues.get(&id).unwrap_or(&nothing);
                self.queues.push(QueueShown {
                    key: key.clone(),
                    id,
                    messages: ledger.live(),
                    bytes: ledger.bytes(),
                    runs: ledger.spans() as u64,
                });
            }
            self.definitions.entry(kind).or_default().push(key);
        }
    }

    /// All of it as text for people; `name` says what a definition's key is called.
    pub fn text(&self, name: &dyn Fn(Kind, &[u8]) -> String) -> String {
        let mut out = String::new();
        self.write(&mut out, name).expect("a string takes any text");
        out
    }

    fn write(&self, out: &mut String, name: &dyn Fn(Kind, &[u8]) -> String) -> fmt::Result {
        let (messages, bytes) = self.queues.iter().fold((0, 0), |(messages, bytes), queue| {
            (messages + queue.messages, bytes + queue.bytes)
        });
        writeln!(out, "directory    {}", self.directory)?;
        let end = if self.clean {
            "clean"
        } else {
            "not clean: killed, crashed or still running"
        };
        writeln!(out, "last end     {end}")?;
        writeln!(
            out,
            "journal      positions {} to {}, of which {} bytes behind the checkpoint; next append {}",
            self.files.first().map_or(self.journal.1, |file| file.base),
            self.journal.1,
            self.journal.1.saturating_sub(self.journal.0),
            self.next_append
        )?;
        writeln!(
            out,
            "messages     {messages} of {bytes} bytes in {} durable queues",
            self.queues.len()
        )?;
        for line in &self.damage {
            writeln!(out, "DAMAGE       {line}")?;
        }
        for line in &self.report {
            writeln!(out, "note         {line}")?;
        }
        for line in &self.garbage {
            writeln!(out, "superseded   {line}")?;
        }
        writeln!(out, "\ncheckpoints  {}", self.checkpoints.len())?;
        for checkpoint in &self.checkpoints {
            let content = match &checkpoint.content {
                Ok((position, true)) => format!("replay from {position}, clean stop"),
                Ok((position, false)) => format!("replay from {position}"),
                Err(error) => format!("DAMAGE {error}"),
            };
            writeln!(
                out,
                "  {}  {} bytes  {content}",
                checkpoint.name, checkpoint.bytes
            )?;
        }
        writeln!(out, "\nfiles        {}", self.files.len())?;
        for file in &self.files {
            writeln!(
                out,
                "  {}  {} bytes  positions {} to {}  live: {} bytes, {} messages",
                file.name, file.bytes, file.base, file.end, file.live_bytes, file.live_messages
            )?;
        }
        if self.spares.0 > 0 {
            writeln!(
                out,
                "  {} spare files of {} bytes",
                self.spares.0, self.spares.1
            )?;
        }
        writeln!(out, "\nqueues       {}", self.queues.len())?;
        for queue in &self.queues {
            writeln!(
                out,
                "  {}  id {}  {} messages  {} bytes  {} runs",
                name(Kind::Queue, &queue.key),
                queue.id,
                queue.messages,
                queue.bytes,
                queue.runs
            )?;
        }
        for (kind, keys) in &self.definitions {
            if *kind == Kind::Queue {
                continue;
            }
            writeln!(out, "\n{:<12} {}", kind.name(), keys.len())?;
            for key in keys {
                writeln!(out, "  {}", name(*kind, key))?;
            }
        }
        Ok(())
    }
}

impl fmt::Display for Inspection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text(&|_, key| key.escape_ascii().to_string()))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::message::ChunkBuilder;
    use crate::store::faulty::FaultyDisk;
    use crate::store::record::{Run, write};
    use crate::store::{Journal, Opening, Settings, Urgency, Wait};

    fn written() -> (FaultyDisk, Arc<Journal>) {
        let disk = FaultyDisk::seeded(1);
        schema::check(&disk, true).expect("a disk");
        let settings = Settings {
            file_bytes: 4096,
            ..Settings::default()
        };
        let journal = Journal::open(disk.shared(), Opening::empty(), settings).expect("it opens");
        let mut records = Vec::new();
        for (name, id) in [(b"one", 7u64), (b"two", 8)] {
            write::define(&mut records, Kind::Queue, name, &id.to_le_bytes());
        }
        write::define(&mut records, Kind::Vhost, b"/", b"");
        let mut builder = ChunkBuilder::with_capacity(1000);
        for _ in 0..4 {
            builder.push(b"\0\x01k", &[0x10, 0, 2], true, &[b'x'; 100]);
        }
        let linked = journal.link(&builder.seal());
        let run = Run {
            position: linked.position,
            length: linked.length,
            start: 0,
            count: 4,
            bodies: 400,
            flags: 1,
        };
        // The same chunk in two queues.
        write::place(&mut records, 7, 1, 5, None, &[run]);
        write::place(&mut records, 8, 1, 5, None, &[run]);
        write::settle(&mut records, 7, std::slice::from_ref(&(1..4)));
        journal.append(&records, Urgency::Synced);
        while journal.step(1000) == Wait::Work {}
        (disk, journal)
    }

    #[test]
    fn all_that_is_there_is_shown_and_nothing_is_changed() {
        let (disk, journal) = written();
        let before = disk.work();
        let shown = inspect(&disk).expect("a sound disk");
        let after = disk.work();
        assert_eq!((before.changes, before.syncs), (after.changes, after.syncs));
        assert!(shown.damage.is_empty() && shown.report.is_empty() && !shown.clean);
        let [one, two] = shown.queues.as_slice() else {
            panic!("{:?}", shown.queues);
        };
        assert_eq!((one.id, one.messages, one.bytes, one.runs), (7, 1, 100, 1));
        assert_eq!((two.id, two.messages, two.bytes, two.runs), (8, 4, 400, 1));
        assert_eq!(shown.definitions[&Kind::Vhost], [b"/".to_vec()]);
        assert_eq!(shown.journal.1, journal.open_block().0);
        let [file] = shown.files.as_slice() else {
            panic!("{:?}", shown.files);
        };
        assert_eq!(file.live_messages, 5);
        // The chunk is there once.
        assert!((500..700).contains(&file.live_bytes), "{}", file.live_bytes);
        let text = shown.to_string();
        for part in [
            "5 of 500 bytes in 2 durable queues",
            "one  id 7  1 messages  100 bytes  1 runs",
            "journal-000000000001.log",
            "not clean",
        ] {
            assert!(text.contains(part), "{part} in\n{text}");
        }
    }

    #[test]
    fn damage_is_shown_with_what_is_left() {
        let (disk, journal) = written();
        journal.append(b"", Urgency::Synced);
        while journal.step(2000) == Wait::Work {}
        journal.append(b"", Urgency::Synced);
        while journal.step(3000) == Wait::Work {}
        disk.flip("journal-000000000001.log", 4096 + 100, 1);
        let shown = inspect(&disk).expect("salvage can read it");
        assert!(
            shown.damage[0].contains("at byte 4096"),
            "{:?}",
            shown.damage
        );
        assert!(shown.to_string().contains("DAMAGE"));
    }

    #[test]
    fn an_empty_directory_has_nothing() {
        let disk = FaultyDisk::seeded(1);
        let shown = inspect(&disk).expect("nothing is wrong with it");
        assert!(shown.queues.is_empty() && shown.files.is_empty() && shown.damage.is_empty());
        assert_eq!(disk.work().changes, 0);
    }
}
