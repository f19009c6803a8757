//! A checkpoint: all definitions and ledgers, so that recovery reads only the journal behind it.
//!
//! ```text
//! 0 magic u32 | 4 crc u32 of 8.. | 8 version u16 | 10 flags u16 (1: clean stop) | 12 zero u32 | 16 position u64 | 24 from append u64 |
//! 32 next id u64 | 40 durable u64 | 48 payload: count, definitions (kind u8, key, value), count, queues (id, as of, ledger)
//! version 2: and count, sets of ids that were seen (queue, kind u8, count, items (id of 16 bytes, number))
//! version 3: and count, groups of streams' consumers (queue, name bytes, name, offsets)
//! ```
//!
//! One without groups is of version 2, one without such sets either of version 1. Little-endian; counts, ids and lengths are varints. `position` is the block to go on reading at; what a queue's `as of` is above
//! is not in its ledger yet. Written to a temporary name, synced, renamed. The keeper makes a [`Draft`] step by step and waits
//! until the journal has on disk all that the draft knows; recovery reads the newest.

use std::io::IoSlice;

use super::Files;
use super::block::{NUMBER_MAX, is_block_position};
use super::disk::{Disk, Open};
use super::error::StoreError;
use super::ledger::Ledger;
use super::offsets::Offsets;
use super::record::{Kind, SeenKind, take_bytes};
use super::seen::{self, Seen, Snapshot};
use super::varint::{put, take};

const MAGIC: u32 = 0x504B_434C;
const VERSION: u16 = 3;
const HEAD: usize = 48;
const CLEAN: u16 = 1;
/// Bytes of one write.
const WRITE_BYTES: usize = 1 << 20;

/// The name of a checkpoint.
pub fn name(number: u64) -> String {
    format!("checkpoint-{number:012}")
}

/// The number in the name of a checkpoint; not of one that was never finished.
pub fn number(name: &str) -> Option<u64> {
    name.strip_prefix("checkpoint-")?.parse().ok()
}

/// The name of a checkpoint that is being written.
pub fn temporary(number: u64) -> String {
    format!("{}.tmp", name(number))
}

/// Whether it is the name of a checkpoint that was never finished.
pub fn is_temporary(name: &str) -> bool {
    name.strip_suffix(".tmp")
        .is_some_and(|name| number(name).is_some())
}

/// A checkpoint being put together.
pub struct Draft {
    position: u64,
    from_append: u64,
    next_id: u64,
    clean: bool,
    definitions: Vec<u8>,
    definition_count: u64,
    queues: Vec<u8>,
    queue_count: u64,
    seen: Vec<(u64, SeenKind, Snapshot)>,
    groups: Vec<u8>,
    group_count: u64,
    last: u64,
    scratch: Vec<u8>,
}

impl Draft {
    /// Begins one: `position` and `from_append` are those of the block that is open now, before anything else is looked at.
    pub fn begin(position: u64, from_append: u64, next_id: u64, clean: bool) -> Self {
        Self {
            position,
            from_append,
            next_id,
            clean,
            definitions: Vec::new(),
            definition_count: 0,
            queues: Vec::new(),
            queue_count: 0,
            seen: Vec::new(),
            groups: Vec::new(),
            group_count: 0,
            last: 0,
            scratch: Vec::new(),
        }
    }

    /// Position that recovery will read from.
    pub fn position(&self) -> u64 {
        self.position
    }

    /// The id counter may have gone on.
    pub fn set_next_id(&mut self, next_id: u64) {
        self.next_id = self.next_id.max(next_id);
    }

    /// Adds a definition.
    pub fn define(&mut self, kind: Kind, key: &[u8], value: &[u8]) {
        let out = &mut self.definitions;
        out.push(kind as u8);
        for bytes in [key, value] {
            put(out, bytes.len() as u64);
            out.extend_from_slice(bytes);
        }
        self.definition_count += 1;
    }

    /// Adds a queue's ledger, which knows all of the queue's appends below `as_of`. Called under the queue's lock.
    pub fn queue(&mut self, id: u64, as_of: u64, ledger: &Ledger) {
        self.scratch.clear();
        ledger.encode(&mut self.scratch);
        put(&mut self.queues, id);
        put(&mut self.queues, as_of);
        put(&mut self.queues, self.scratch.len() as u64);
        self.queues.extend_from_slice(&self.scratch);
        self.queue_count += 1;
        self.last = self.last.max(as_of.saturating_sub(1));
    }

    /// Adds ids that a queue knows as of the moment at which its [ledger](Self::queue) was added, under the same lock.
    pub fn seen(&mut self, id: u64, kind: SeenKind, entries: Snapshot) {
        if !entries.is_empty() {
            self.seen.push((id, kind, entries));
        }
    }

    /// Adds a group of a stream's consumers, as [`seen`](Self::seen) does ids.
    pub fn group(&mut self, id: u64, name: &[u8], offsets: &Offsets) {
        put(&mut self.groups, id);
        put(&mut self.groups, name.len() as u64);
        self.groups.extend_from_slice(name);
        offsets.encode(&mut self.groups);
        self.group_count += 1;
    }

    /// What an older version can read, it may.
    fn version(&self) -> u16 {
        match (self.seen.is_empty(), self.group_count) {
            (true, 0) => 1,
            (false, 0) => 2,
            _ => VERSION,
        }
    }

    /// The bytes of all sets and groups, in pieces; they may be many.
    fn seen_pieces(&self) -> impl Iterator<Item = Vec<u8>> + '_ {
        let mut count = Vec::new();
        if self.version() > 1 {
            put(&mut count, self.seen.len() as u64);
        }
        let mut groups = Vec::new();
        if self.group_count > 0 {
            put(&mut groups, self.group_count);
            groups.extend_from_slice(&self.groups);
        }
        let sets = self.seen.iter().flat_map(|(id, kind, entries)| {
            let mut head = Vec::new();
            put(&mut head, *id);
            head.push(*kind as u8);
            put(&mut head, entries.len() as u64);
            [head].into_iter().chain(entries.pieces())
        });
        [count].into_iter().chain(sets).chain([groups])
    }

    /// The last append that it knows of: the journal must be durable that far before it is finished.
    pub fn knows(&self) -> u64 {
        self.last
    }

    /// Bytes that it will have.
    pub fn bytes(&self) -> u64 {
        let seen: usize = self.seen.iter().map(|(.., set)| 40 + set.len() * 26).sum();
        (HEAD + self.definitions.len() + self.queues.len() + self.groups.len() + seen + 40) as u64
    }

    /// Writes it as number `number`, syncs, renames. `durable` is the position up to which the journal is on disk.
    pub fn finish(&self, disk: &dyn Disk, number: u64, durable: u64) -> Result<(), StoreError> {
        let temporary = temporary(number);
        let shown = disk.shown(&temporary);
        let failed = |error| StoreError::io("cannot write a checkpoint", &shown, error);
        let mut head = [0; HEAD];
        head[..4].copy_from_slice(&MAGIC.to_le_bytes());
        head[8..10].copy_from_slice(&self.version().to_le_bytes());
        head[10..12].copy_from_slice(&(if self.clean { CLEAN } else { 0 }).to_le_bytes());
        for (at, value) in [
            (16, self.position),
            (24, self.from_append),
            (32, self.next_id),
            (40, durable),
        ] {
            head[at..at + 8].copy_from_slice(&value.to_le_bytes());
        }
        let (mut definitions, mut queues) = (Vec::new(), Vec::new());
        put(&mut definitions, self.definition_count);
        put(&mut queues, self.queue_count);
        let parts: [&[u8]; 4] = [&definitions, &self.definitions, &queues, &self.queues];
        let mut crc = crc32c::crc32c(&head[8..]);
        for part in parts {
            crc = crc32c::crc32c_append(crc, part);
        }
        for piece in self.seen_pieces() {
            crc = crc32c::crc32c_append(crc, &piece);
        }
        head[4..8].copy_from_slice(&crc.to_le_bytes());
        // One that was never finished may have the name.
        let _ = disk.remove(&temporary);
        let file = disk.open(&temporary, Open::Create).map_err(failed)?;
        let mut at = 0;
        for part in [&head[..]].into_iter().chain(parts) {
            for piece in part.chunks(WRITE_BYTES) {
                file.write_at(&[IoSlice::new(piece)], at).map_err(failed)?;
                at += piece.len() as u64;
            }
        }
        for piece in self.seen_pieces() {
            if !piece.is_empty() {
                file.write_at(&[IoSlice::new(&piece)], at).map_err(failed)?;
                at += piece.len() as u64;
            }
        }
        file.sync().map_err(failed)?;
        disk.rename(&temporary, &name(number)).map_err(failed)?;
        disk.sync_names().map_err(failed)
    }
}

/// A checkpoint that was read.
pub struct Checkpoint {
    /// Its number.
    pub number: u64,
    /// The block to go on reading at.
    pub position: u64,
    /// That block's first append.
    pub from_append: u64,
    /// Higher than every id at that time.
    pub next_id: u64,
    /// Positions below it were on disk.
    pub durable: u64,
    /// It was made by a clean stop.
    pub clean: bool,
    /// Kind, key, value.
    pub definitions: Vec<(Kind, Vec<u8>, Vec<u8>)>,
    /// Id, `as of`, and the bytes of the ledger.
    pub queues: Vec<(u64, u64, Vec<u8>)>,
    /// Ids that were seen, by queue and kind.
    pub seen: Vec<(u64, SeenKind, Seen)>,
    /// Groups of streams' consumers, by queue and name.
    pub groups: Vec<(u64, Vec<u8>, Offsets)>,
}

impl Checkpoint {
    /// Reads one; damage and a later version are errors that name the file.
    pub fn read(disk: &dyn Disk, number: u64) -> Result<Self, StoreError> {
        let name = name(number);
        let shown = disk.shown(&name);
        let failed = |error| StoreError::io("cannot read the checkpoint", &shown, error);
        let file = disk.open(&name, Open::Read).map_err(failed)?;
        let mut bytes = vec![0; usize::try_from(file.len().map_err(failed)?).unwrap_or(0)];
        let read = file.read_at(&mut bytes, 0).map_err(failed)?;
        bytes.truncate(read);
        let damage = |at: usize| StoreError::damage("the checkpoint is damaged", &shown, at as u64);
        let number_at = |at: usize| -> Option<u64> {
            Some(u64::from_le_bytes(bytes.get(at..at + 8)?.try_into().ok()?))
        };
        let first = number_at(0).ok_or_else(|| damage(0))?;
        if first as u32 != MAGIC || bytes.len() < HEAD {
            return Err(damage(0));
        }
        if (first >> 32) as u32 != crc32c::crc32c(&bytes[8..]) {
            return Err(damage(0));
        }
        let version = u16::from_le_bytes([bytes[8], bytes[9]]);
        if version > VERSION {
            return Err(StoreError::new(format!(
                "{shown} is of format {version}; this version of Leveret knows formats up to {VERSION}"
            )));
        }
        let mut checkpoint = Self {
            number,
            position: number_at(16).unwrap_or(0),
            from_append: number_at(24).unwrap_or(0),
            next_id: number_at(32).unwrap_or(0),
            durable: number_at(40).unwrap_or(0),
            clean: u16::from_le_bytes([bytes[10], bytes[11]]) & CLEAN != 0,
            definitions: Vec::new(),
            queues: Vec::new(),
            seen: Vec::new(),
            groups: Vec::new(),
        };
        let numbers = [checkpoint.from_append, checkpoint.next_id];
        if !is_block_position(checkpoint.position) || numbers.iter().any(|n| *n > NUMBER_MAX) {
            return Err(damage(16));
        }
        let mut rest = &bytes[HEAD..];
        checkpoint
            .take(&mut rest, version)
            .ok_or_else(|| damage(bytes.len() - rest.len()))?;
        Ok(checkpoint)
    }

    fn take(&mut self, rest: &mut &[u8], version: u16) -> Option<()> {
        for _ in 0..take(rest)? {
            let (kind, others) = rest.split_first()?;
            *rest = others;
            let (key, value) = (take_bytes(rest)?, take_bytes(rest)?);
            self.definitions
                .push((Kind::of(*kind)?, key.to_vec(), value.to_vec()));
        }
        for _ in 0..take(rest)? {
            let (id, as_of) = (take(rest)?, take(rest)?);
            if id.max(as_of) > NUMBER_MAX {
                return None;
            }
            self.queues.push((id, as_of, take_bytes(rest)?.to_vec()));
        }
        let sets = if version > 1 { take(rest)? } else { 0 };
        for _ in 0..sets {
            let id = take(rest)?;
            let (kind, others) = rest.split_first()?;
            *rest = others;
            let kind = SeenKind::of(*kind)?;
            let mut entries = Seen::default();
            for _ in 0..take(rest)? {
                let (id, number) = seen::read(rest)?;
                entries.push(id, number);
            }
            self.seen.push((id, kind, entries));
        }
        let groups = if version > 2 { take(rest)? } else { 0 };
        for _ in 0..groups {
            let (id, name) = (take(rest)?, take_bytes(rest)?.to_vec());
            self.groups.push((id, name, Offsets::decode(rest)?));
        }
        rest.is_empty().then_some(())
    }

    /// A queue's ledger out of its bytes. `lossy` passes over what lies in files that are not there; the second number is how many
    /// messages that are.
    pub fn ledger(bytes: &[u8], files: &Files, lossy: bool) -> Option<(Ledger, u64)> {
        let mut rest = bytes;
        let read = Ledger::decode(&mut rest, files, lossy)?;
        rest.is_empty().then_some(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::faulty::FaultyDisk;

    /// The format is on disks: these bytes never change.
    #[test]
    fn the_bytes_of_a_checkpoint() {
        let disk = FaultyDisk::seeded(1);
        let mut draft = Draft::begin(4104, 9, 3, true);
        draft.set_next_id(8);
        draft.define(Kind::Vhost, b"/", b"");
        draft.queue(7, 12, &Ledger::default());
        assert_eq!(draft.knows(), 11);
        draft.finish(&disk, 2, 4200).expect("a disk");
        let bytes = disk
            .contents("checkpoint-000000000002")
            .expect("it has its name");
        let mut expected = b"LCKP\0\0\0\0\x01\0\x01\0\0\0\0\0".to_vec();
        for number in [4104u64, 9, 8, 4200] {
            expected.extend_from_slice(&number.to_le_bytes());
        }
        // One definition; one queue with an empty ledger of five bytes.
        expected.extend_from_slice(&[1, 1, 1, b'/', 0, 1, 7, 12, 5, 0, 0, 0, 0, 0]);
        expected[4..8].copy_from_slice(&0xC505_2AC5_u32.to_le_bytes());
        assert_eq!(bytes, expected);
        assert!(bytes.len() as u64 <= draft.bytes());
        let read = Checkpoint::read(&disk, 2).expect("it is sound");
        assert_eq!(
            (read.position, read.from_append, read.next_id),
            (4104, 9, 8)
        );
        assert_eq!((read.durable, read.clean), (4200, true));
        assert_eq!(read.definitions, [(Kind::Vhost, b"/".to_vec(), Vec::new())]);
        assert_eq!(read.queues, [(7, 12, vec![0; 5])]);
    }

    #[test]
    fn ids_that_were_seen_come_back() {
        let disk = FaultyDisk::seeded(1);
        let mut draft = Draft::begin(4104, 9, 3, false);
        draft.queue(7, 12, &Ledger::default());
        draft.seen(
            7,
            SeenKind::Window,
            Snapshot::of([(5, 6), (7, 300)].into_iter()),
        );
        draft.seen(8, SeenKind::Held, Snapshot::default());
        draft.finish(&disk, 2, 4200).expect("a disk");
        let bytes = disk
            .contents("checkpoint-000000000002")
            .expect("it has its name");
        assert_eq!(bytes[8], 2, "an older version is told");
        let mut expected = vec![0, 1, 7, 12, 5, 0, 0, 0, 0, 0, 1, 7, 1, 2, 5];
        expected.extend_from_slice(&[0; 15]);
        expected.extend_from_slice(&[6, 7]);
        expected.extend_from_slice(&[0; 15]);
        expected.extend_from_slice(&[0xAC, 2]);
        assert_eq!(bytes[HEAD..], expected);
        assert!(bytes.len() as u64 <= draft.bytes());
        let read = Checkpoint::read(&disk, 2).expect("it is sound");
        let [(7, SeenKind::Window, seen)] = read.seen.as_slice() else {
            panic!("{:?}", read.seen);
        };
        assert_eq!(
            (seen.len(), seen.find(5), seen.find(7)),
            (2, Some(6), Some(300))
        );
    }

    #[test]
    fn groups_come_back() {
        let disk = FaultyDisk::seeded(1);
        let mut draft = Draft::begin(4104, 9, 3, false);
        draft.queue(7, 12, &Ledger::default());
        let mut offsets = Offsets::new(5, b"t".to_vec());
        offsets.finish(8..10);
        draft.group(7, b"g", &offsets);
        draft.finish(&disk, 2, 4200).expect("a disk");
        let bytes = disk
            .contents("checkpoint-000000000002")
            .expect("it has its name");
        assert_eq!(bytes[8], 3, "an older version is told");
        let expected = [
            0, 1, 7, 12, 5, 0, 0, 0, 0, 0, 0, 1, 7, 1, b'g', 5, 1, b't', 1, 8, 2, 0,
        ];
        assert_eq!(bytes[HEAD..], expected);
        assert!(bytes.len() as u64 <= draft.bytes());
        let read = Checkpoint::read(&disk, 2).expect("it is sound");
        assert_eq!(read.groups, [(7, b"g".to_vec(), offsets)]);
    }

    #[test]
    fn names_are_numbers() {
        assert_eq!(number(&name(7)), Some(7));
        assert_eq!(number(&temporary(7)), None);
        assert!(is_temporary(&temporary(7)) && !is_temporary(&name(7)) && !is_temporary("a.tmp"));
    }
}
