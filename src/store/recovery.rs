//! What the disk has: the newest checkpoint, and the journal behind it.
//!
//! Blocks are read from the checkpoint's position on, through the files in order, and replayed into ledgers and definitions. The
//! first block that does not check ends that. If anything on disk says that it had been synced (a later block, a file header, the
//! checkpoint), it is damage and the start is refused, or with `salvage` it is passed over and said; else it is the torn tail, and it
//! and all behind it is cut: the next file begins there. Nothing is written here, so that a crash in between changes nothing. What it
//! takes depends on the journal since the checkpoint, not on the backlog. Called once at the start, and by inspect.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use super::block::{
    BLOCK_HEAD, BlockHead, CHUNK_HEAD, ChunkHead, FileHeader, HEADER_BYTES, HeaderError,
};
use super::checkpoint::{self, Checkpoint};
use super::disk::{Disk, File, Open};
use super::error::StoreError;
use super::files::{self, Files};
use super::journal::Opening;
use super::ledger::Ledger;
use super::record::{self, Kind, Record};

/// Position of the first block of all: no body has position 0.
pub const FIRST_POSITION: u64 = 8;
/// Longest block that is believed in: more than any round, with the largest messages, brings.
const BLOCK_BYTES_MAX: u64 = 4 << 30;

/// What was found.
pub struct Recovered {
    /// Where the journal goes on.
    pub opening: Opening,
    /// Kind and key to value.
    pub definitions: BTreeMap<(Kind, Vec<u8>), Vec<u8>>,
    /// By queue id; queues without messages on disk included.
    pub queues: HashMap<u64, Ledger>,
    /// Higher than every id on disk.
    pub next_id: u64,
    /// The last run ended with a clean stop.
    pub clean: bool,
    /// Number of the newest checkpoint; 0 when there is none.
    pub checkpoint: u64,
    /// Position from which on the journal was replayed.
    pub start: u64,
    /// Files that hold nothing any more: superseded, or never finished.
    pub garbage: Vec<String>,
    /// What an operator should know: what was cut, what was dropped.
    pub report: Vec<String>,
}

/// Reads the disk. With `salvage` damage costs what it hit, instead of the start.
pub fn recover(disk: &Arc<dyn Disk>, salvage: bool) -> Result<Recovered, StoreError> {
    let disk = disk.as_ref();
    let names = disk
        .list()
        .map_err(|error| StoreError::io("cannot list", &disk.shown(""), error))?;
    let mut reading = Reading {
        disk,
        salvage,
        sources: Vec::new(),
        durable: 0,
        report: Vec::new(),
        garbage: Vec::new(),
    };
    reading.find_files(&names)?;
    let newest = reading.checkpoint(&names)?;
    reading.replay(newest, &names)
}

/// A journal file as recovery reads it.
struct Source {
    header: FileHeader,
    name: String,
    file: Arc<dyn File>,
    length: u64,
}

struct Reading<'a> {
    disk: &'a dyn Disk,
    salvage: bool,
    /// In order of their positions.
    sources: Vec<Source>,
    /// Highest position that anything says had been on disk.
    durable: u64,
    report: Vec<String>,
    garbage: Vec<String>,
}

/// What reading at a position gave.
enum Found {
    Block {
        head: BlockHead,
        meta: Vec<u8>,
    },
    /// Nothing that checks; `at` is the file and the offset in it.
    Bad {
        file: String,
        offset: u64,
    },
    /// No file has the position.
    End,
}

impl Reading<'_> {
    fn find_files(&mut self, names: &[String]) -> Result<(), StoreError> {
        let mut found = Vec::new();
        for name in names {
            let Some(number) = files::number(name) else {
                if name.ends_with(".tmp") {
                    self.garbage.push(name.clone());
                }
                continue;
            };
            let shown = self.disk.shown(name);
            let failed = |error| StoreError::io("cannot read", &shown, error);
            let file = self.disk.open(name, Open::Read).map_err(failed)?;
            let length = file.len().map_err(failed)?;
            let mut bytes = [0; 64];
            let read = file.read_at(&mut bytes, 0).map_err(failed)?;
            match FileHeader::decode(&bytes[..read]) {
                Ok(header) if header.number == number => found.push(Source {
                    header,
                    name: name.clone(),
                    file,
                    length,
                }),
                Err(HeaderError::Newer(version)) => {
                    return Err(StoreError::new(format!(
                        "{shown} is of format {version}, written by a later version of Leveret"
                    )));
                }
                // A file that was being made when the power went, or a damaged one: then the chain has a gap.
                _ => self.garbage.push(name.clone()),
            }
        }
        // A file that begins at or before an older one took its place after a cut.
        found.sort_by_key(|source| std::cmp::Reverse(source.header.number));
        let mut lowest = u64::MAX;
        for source in found {
            if source.header.base < lowest {
                lowest = source.header.base;
                self.durable = self.durable.max(source.header.durable);
                self.sources.push(source);
            } else {
                self.garbage.push(source.name);
            }
        }
        self.sources.reverse();
        Ok(())
    }

    fn checkpoint(&mut self, names: &[String]) -> Result<Option<Checkpoint>, StoreError> {
        let mut numbers: Vec<u64> = names
            .iter()
            .filter_map(|name| checkpoint::number(name))
            .collect();
        numbers.sort_unstable_by(|a, b| b.cmp(a));
        let mut newest = None;
        for number in numbers {
            if newest.is_some() {
                self.garbage.push(checkpoint::name(number));
                continue;
            }
            match Checkpoint::read(self.disk, number) {
                Ok(checkpoint) => newest = Some(checkpoint),
                Err(error) if self.salvage && error.is_damage() => {
                    self.report.push(format!("{error}; going on without it"));
                }
                Err(error) => return Err(error),
            }
        }
        if let Some(checkpoint) = &newest {
            self.durable = self.durable.max(checkpoint.durable);
        }
        Ok(newest)
    }

    /// The file that has the position, and where that file ends.
    fn source(&self, position: u64) -> Option<(&Source, u64)> {
        let behind = self
            .sources
            .partition_point(|source| source.header.base <= position);
        let source = self.sources.get(behind.checked_sub(1)?)?;
        let end = self
            .sources
            .get(behind)
            .map_or(u64::MAX, |next| next.header.base);
        Some((source, end))
    }

    fn block(&self, position: u64) -> Result<Found, StoreError> {
        let Some((source, end)) = self.source(position) else {
            return Ok(Found::End);
        };
        let offset = position - source.header.base + HEADER_BYTES as u64;
        let failed =
            |error| StoreError::io("cannot read", &self.disk.shown(&source.name), error).at(offset);
        let bad = || Found::Bad {
            file: source.name.clone(),
            offset,
        };
        let mut bytes = vec![0; BLOCK_HEAD];
        let read = source.file.read_at(&mut bytes, offset).map_err(failed)?;
        let Some(head) = BlockHead::decode(&bytes[..read], source.header.number, position) else {
            return Ok(bad());
        };
        let length = head.end().saturating_sub(position);
        if head.end() > end || length > BLOCK_BYTES_MAX || offset + length > source.length {
            return Ok(bad());
        }
        bytes.resize(length as usize, 0);
        let read = source.file.read_at(&mut bytes, offset).map_err(failed)?;
        let bodies = BLOCK_HEAD + head.bodies as usize;
        if read < bytes.len()
            || !head.checks(&bytes[..BLOCK_HEAD], &bytes[bodies..])
            || !chunks_check(&bytes[BLOCK_HEAD..bodies], position + BLOCK_HEAD as u64)
        {
            return Ok(bad());
        }
        Ok(Found::Block {
            head,
            meta: bytes.split_off(bodies),
        })
    }

    /// The first block behind `position` whose head and meta check; what it says of the durable position counts.
    fn next_sound(&mut self, position: u64) -> Result<Option<u64>, StoreError> {
        let mut first = None;
        let mut durable = self.durable;
        for (index, source) in self.sources.iter().enumerate() {
            let base = source.header.base;
            let end = self
                .sources
                .get(index + 1)
                .map_or(u64::MAX, |next| next.header.base);
            if end <= position {
                continue;
            }
            let from = position.max(base).next_multiple_of(super::block::ALIGN);
            let offset = from - base + HEADER_BYTES as u64;
            let length = source
                .length
                .saturating_sub(offset)
                .min(end.saturating_sub(from));
            let mut bytes = vec![0; length as usize];
            let failed =
                |error| StoreError::io("cannot read", &self.disk.shown(&source.name), error);
            let read = source.file.read_at(&mut bytes, offset).map_err(failed)?;
            bytes.truncate(read);
            let mut at = 0;
            while at + BLOCK_HEAD <= bytes.len() {
                let here = from + at as u64;
                let sound =
                    BlockHead::decode(&bytes[at..], source.header.number, here).filter(|head| {
                        let bodies = at as u64 + BLOCK_HEAD as u64 + head.bodies;
                        let meta = usize::try_from(bodies).ok().and_then(|from| {
                            bytes.get(from..from.checked_add(head.meta as usize)?)
                        });
                        meta.is_some_and(|meta| head.checks(&bytes[at..at + BLOCK_HEAD], meta))
                    });
                if let Some(head) = sound {
                    durable = durable.max(head.durable);
                    if here > position {
                        first.get_or_insert(here);
                    }
                }
                at += super::block::ALIGN as usize;
            }
        }
        self.durable = durable;
        Ok(first)
    }

    /// After a kill, what was read may be with the system only. The next file goes on behind it and says so: it must not vanish in
    /// front of that file when the power fails.
    fn sync(&self, cut: u64) -> Result<(), StoreError> {
        for (index, source) in self.sources.iter().enumerate() {
            let end = self
                .sources
                .get(index + 1)
                .map_or(u64::MAX, |next| next.header.base);
            if source.header.base < cut && end > self.durable {
                source.file.sync().map_err(|error| {
                    StoreError::io("cannot sync", &self.disk.shown(&source.name), error)
                })?;
            }
        }
        self.disk
            .sync_names()
            .map_err(|error| StoreError::io("cannot sync", &self.disk.shown(""), error))
    }

    fn replay(
        mut self,
        newest: Option<Checkpoint>,
        names: &[String],
    ) -> Result<Recovered, StoreError> {
        let number = newest.as_ref().map_or(0, |checkpoint| checkpoint.number);
        let start = match (&newest, self.sources.first()) {
            (Some(checkpoint), _) => checkpoint.position,
            (None, Some(source)) => source.header.base,
            (None, None) => FIRST_POSITION,
        };
        if newest.is_none() && start > FIRST_POSITION && !self.salvage {
            let first = self.sources.first().map_or("", |source| &source.name);
            return Err(StoreError::damage(
                "the journal's beginning and its checkpoint are missing",
                &self.disk.shown(first),
                0,
            ));
        }
        // The table comes first: what is replayed takes leases on it.
        let table = self.table();
        let mut state = State::new(table, self.salvage);
        let mut next_append = 1;
        let mut clean = true;
        if let Some(checkpoint) = newest {
            clean = checkpoint.clean;
            next_append = checkpoint.from_append.max(1);
            state.begin(checkpoint, &self.disk.shown(&checkpoint::name(number)))?;
        }
        let mut position = start;
        loop {
            match self.block(position)? {
                Found::Block { head, meta } => {
                    clean = false;
                    self.durable = self.durable.max(head.durable);
                    let mut rest = meta.as_slice();
                    for append in 0..u64::from(head.appends) {
                        let records = record::take_bytes(&mut rest);
                        let applied = records
                            .and_then(|records| state.append(head.first_append + append, records));
                        if applied.is_none() {
                            let (file, offset) = self.place(position);
                            return Err(StoreError::damage(
                                "a record cannot be read",
                                &file,
                                offset,
                            ));
                        }
                    }
                    next_append = head.first_append + u64::from(head.appends);
                    position = head.end();
                }
                Found::End => break,
                Found::Bad { file, offset } => {
                    let later = self.next_sound(position)?;
                    if self.durable <= position {
                        let left = later.is_some();
                        if left {
                            self.report.push(format!(
                                "cut a torn tail: {} at byte {offset}",
                                self.disk.shown(&file)
                            ));
                        }
                        break;
                    }
                    let damage = StoreError::damage(
                        "the journal is damaged, though it had been written safely",
                        &self.disk.shown(&file),
                        offset,
                    );
                    if !self.salvage {
                        return Err(damage);
                    }
                    match later {
                        Some(later) => {
                            self.report.push(format!(
                                "{damage}; dropped {} bytes up to the next sound block",
                                later - position
                            ));
                            position = later;
                        }
                        None => {
                            self.report
                                .push(format!("{damage}; dropped what is behind it"));
                            break;
                        }
                    }
                }
            }
        }
        if position < self.durable && !self.salvage {
            let (file, offset) = self.place(position);
            return Err(StoreError::damage(
                "the journal ends too early: a file is missing",
                &file,
                offset,
            ));
        }
        // Salvage goes on behind everything that was ever there.
        let cut = position.max(if self.salvage { self.durable } else { 0 });
        let cut = cut
            .next_multiple_of(super::block::ALIGN)
            .max(FIRST_POSITION);
        self.sync(cut)?;
        let predecessor = self
            .source(position)
            .map_or(0, |(source, _)| source.header.number);
        let highest = names
            .iter()
            .filter_map(|name| files::number(name))
            .max()
            .unwrap_or(0);
        let (definitions, queues, next_id, files, mut report) = state.finish();
        files.cut(cut);
        self.report.append(&mut report);
        // What lies behind the cut whole is void.
        for source in &self.sources {
            if source.header.base >= cut {
                self.garbage.push(source.name.clone());
            }
        }
        Ok(Recovered {
            opening: Opening {
                files,
                position: cut,
                next_append,
                next_number: highest + 1,
                predecessor,
            },
            definitions,
            queues,
            next_id,
            clean,
            checkpoint: number,
            start,
            garbage: self.garbage,
            report: self.report,
        })
    }

    /// File and offset of a position, for messages.
    fn place(&self, position: u64) -> (String, u64) {
        self.source(position)
            .map_or((self.disk.shown(""), 0), |(source, _)| {
                let offset = position - source.header.base + HEADER_BYTES as u64;
                (self.disk.shown(&source.name), offset)
            })
    }

    fn table(&self) -> Files {
        let table = Files::default();
        for (index, source) in self.sources.iter().enumerate() {
            let next = self.sources.get(index + 1);
            let end = match next {
                Some(next) if next.header.predecessor == source.header.number => next.header.base,
                // A file between them is missing, or this is the last: no further than it reaches.
                _ => (source.header.base + source.length.saturating_sub(HEADER_BYTES as u64))
                    .min(next.map_or(u64::MAX, |next| next.header.base)),
            };
            table.found(source.header.number, source.header.base, end);
        }
        table
    }
}

fn chunks_check(mut bodies: &[u8], mut position: u64) -> bool {
    while !bodies.is_empty() {
        let Some(head) = ChunkHead::decode(bodies) else {
            return false;
        };
        let Some((chunk, rest)) = usize::try_from(head.length())
            .ok()
            .and_then(|length| bodies.split_at_checked(length))
        else {
            return false;
        };
        if !head.checks(&chunk[CHUNK_HEAD..], position) {
            return false;
        }
        position += head.length();
        bodies = rest;
    }
    true
}

/// Definitions and ledgers as the records make them.
struct State {
    files: Files,
    lossy: bool,
    definitions: BTreeMap<(Kind, Vec<u8>), Vec<u8>>,
    /// Ledger and the append from which on records count.
    queues: HashMap<u64, (Ledger, u64)>,
    next_id: u64,
    missing: u64,
}

type Outcome = (
    BTreeMap<(Kind, Vec<u8>), Vec<u8>>,
    HashMap<u64, Ledger>,
    u64,
    Files,
    Vec<String>,
);

impl State {
    fn new(files: Files, lossy: bool) -> Self {
        Self {
            files,
            lossy,
            definitions: BTreeMap::new(),
            queues: HashMap::new(),
            next_id: 1,
            missing: 0,
        }
    }

    fn begin(&mut self, checkpoint: Checkpoint, shown: &str) -> Result<(), StoreError> {
        self.next_id = checkpoint.next_id;
        for (kind, key, value) in checkpoint.definitions {
            self.define(kind, &key, &value);
        }
        for (id, as_of, bytes) in checkpoint.queues {
            let (ledger, missing) = Checkpoint::ledger(&bytes, &self.files, self.lossy)
                .ok_or_else(|| {
                    StoreError::damage(
                        format!("queue {id} needs a journal file that is missing, or its state cannot be read"),
                        shown,
                        0,
                    )
                })?;
            self.missing += missing;
            self.next_id = self.next_id.max(id + 1);
            self.queues.insert(id, (ledger, as_of));
        }
        Ok(())
    }

    fn define(&mut self, kind: Kind, key: &[u8], value: &[u8]) {
        let before = self
            .definitions
            .insert((kind, key.to_vec()), value.to_vec());
        if kind == Kind::Queue {
            let id = queue_id(value);
            if let Some(old) = before.as_deref().map(queue_id).filter(|old| *old != id) {
                self.queues.remove(&old);
            }
            self.next_id = self.next_id.max(id.saturating_add(1));
            self.queues.entry(id).or_default();
        }
    }

    fn forget(&mut self, kind: Kind, key: &[u8]) {
        let before = self.definitions.remove(&(kind, key.to_vec()));
        if kind == Kind::Queue
            && let Some(value) = before
        {
            self.queues.remove(&queue_id(&value));
        }
    }

    /// Applies the records of one append; `None` when they cannot be read.
    fn append(&mut self, append: u64, records: &[u8]) -> Option<()> {
        for record in record::read(records) {
            match record.ok()? {
                Record::Define { kind, key, value } => self.define(kind, key, value),
                Record::Forget { kind, key } => self.forget(kind, key),
                Record::Place {
                    queue,
                    first,
                    time_ms,
                    ttl_ms,
                    runs,
                } => {
                    let Some(ledger) = ledger(&mut self.queues, queue, append) else {
                        continue;
                    };
                    let mut next = first;
                    for run in runs {
                        let count = u64::from(run.count);
                        match self.files.lease(run.position) {
                            Some(lease) if next >= ledger.next_sequence() && count > 0 => {
                                ledger.place(next, run, time_ms, ttl_ms, lease);
                            }
                            // Salvage may have lost the file; anything else is not a placement.
                            _ if self.lossy => self.missing += count,
                            _ => return None,
                        }
                        next = next.checked_add(count)?;
                    }
                }
                Record::Settle { queue, ranges } => {
                    if let Some(ledger) = ledger(&mut self.queues, queue, append) {
                        for range in ranges {
                            ledger.settle_range(range);
                        }
                    }
                }
                Record::Requeue { queue, ranges } => {
                    if let Some(ledger) = ledger(&mut self.queues, queue, append) {
                        for range in ranges {
                            ledger.requeue_range(range);
                        }
                    }
                }
                Record::Moved { queue, items } => {
                    let Some(ledger) = ledger(&mut self.queues, queue, append) else {
                        continue;
                    };
                    if let Some(lease) = items
                        .first()
                        .and_then(|(_, run)| self.files.lease(run.position))
                    {
                        ledger.moved(&items, &lease);
                    }
                }
                Record::Attended { queue } => {
                    if let Some(ledger) = ledger(&mut self.queues, queue, append) {
                        ledger.attend();
                    }
                }
            }
        }
        Some(())
    }

    fn finish(self) -> Outcome {
        let defined: std::collections::HashSet<u64> = self
            .definitions
            .iter()
            .filter(|((kind, _), _)| *kind == Kind::Queue)
            .map(|(_, value)| queue_id(value))
            .collect();
        let queues = self
            .queues
            .into_iter()
            .filter(|(id, _)| defined.contains(id))
            .map(|(id, (ledger, _))| (id, ledger))
            .collect();
        let mut report = Vec::new();
        if self.missing > 0 {
            report.push(format!(
                "dropped {} messages that lay in files that are missing",
                self.missing
            ));
        }
        (self.definitions, queues, self.next_id, self.files, report)
    }
}

fn ledger(
    queues: &mut HashMap<u64, (Ledger, u64)>,
    queue: u64,
    append: u64,
) -> Option<&mut Ledger> {
    let (ledger, as_of) = queues.get_mut(&queue)?;
    (append >= *as_of).then_some(ledger)
}

/// The id in front of a queue's definition; 0 where there is none.
fn queue_id(value: &[u8]) -> u64 {
    let mut bytes = [0; 8];
    let length = value.len().min(8);
    bytes[..length].copy_from_slice(&value[..length]);
    u64::from_le_bytes(bytes)
}
