//! The journal's files as recovery reads them: which there are, which bytes are blocks, and what they say was on disk.
//!
//! Reads only. A file whose header is damaged is known by its blocks, each of which says where it lies. Whether something that does
//! not check is damage or a torn tail is decided in `recovery.rs`.

use std::io;
use std::sync::Arc;

use super::super::block::{
    ALIGN, BLOCK_HEAD, BlockHead, CHUNK_HEAD, ChunkHead, FileHeader, HEADER_BYTES, HeaderError,
    NUMBER_MAX, is_block_position,
};
use super::super::checkpoint;
use super::super::disk::{Disk, File, Open};
use super::super::error::StoreError;
use super::super::files::{self, Files};

/// Longest block that is believed in: more than any round, with the largest messages, brings.
const BLOCK_BYTES_MAX: u64 = 4 << 30;

/// Bytes that are read at once where blocks are small.
const WINDOW_BYTES: usize = 1 << 20;

/// A journal file.
pub(super) struct Source {
    pub header: FileHeader,
    pub name: String,
    pub file: Arc<dyn File>,
    pub length: u64,
}

impl Source {
    /// Position behind the last byte that it can have.
    fn reach(&self) -> u64 {
        let bytes = self.length.saturating_sub(HEADER_BYTES as u64);
        self.header.base.saturating_add(bytes)
    }

    fn offset(&self, position: u64) -> u64 {
        (position - self.header.base).saturating_add(HEADER_BYTES as u64)
    }
}

/// The part of a file that was read last.
#[derive(Default)]
struct Window {
    /// Number of the file; no file has 0.
    number: u64,
    from: u64,
    bytes: Vec<u8>,
}

impl Window {
    /// Bytes of a file from `offset` on, as many of them as there are.
    fn get(&mut self, source: &Source, offset: u64, length: usize) -> io::Result<&[u8]> {
        let end = self.from + self.bytes.len() as u64;
        let is_here = self.number == source.header.number
            && self.from <= offset
            && offset.saturating_add(length as u64) <= end;
        if !is_here {
            let left = source.length.saturating_sub(offset);
            let left = usize::try_from(left).unwrap_or(usize::MAX);
            self.number = 0;
            self.bytes.resize(length.max(WINDOW_BYTES).min(left), 0);
            let read = source.file.read_at(&mut self.bytes, offset)?;
            self.bytes.truncate(read);
            (self.number, self.from) = (source.header.number, offset);
        }
        let here = &self.bytes[(offset - self.from) as usize..];
        Ok(&here[..length.min(here.len())])
    }
}

/// What reading at a position gave.
pub(super) enum Found {
    /// A block that checks, bodies included.
    Block { head: BlockHead, meta: Vec<u8> },
    /// Nothing that checks.
    Bad,
}

/// All of the journal's files.
pub(super) struct Sources<'a> {
    pub disk: &'a dyn Disk,
    salvage: bool,
    /// In order of their positions.
    pub list: Vec<Source>,
    /// Highest position that anything says had been on disk.
    pub durable: u64,
    /// Files that nothing needs.
    pub garbage: Vec<String>,
    /// Files that salvage goes on without.
    pub unreadable: Vec<String>,
    pub report: Vec<String>,
    window: Window,
}

impl<'a> Sources<'a> {
    pub fn find(disk: &'a dyn Disk, names: &[String], salvage: bool) -> Result<Self, StoreError> {
        let mut sources = Self {
            disk,
            salvage,
            list: Vec::new(),
            durable: 0,
            garbage: Vec::new(),
            unreadable: Vec::new(),
            report: Vec::new(),
            window: Window::default(),
        };
        let mut found = Vec::new();
        for name in names {
            if let Some(number) = files::number(name) {
                found.extend(sources.open(name, number)?);
            } else if checkpoint::is_temporary(name) {
                sources.garbage.push(name.clone());
            }
        }
        // A file that begins at or before an older one took its place after a cut or a failed write.
        found.sort_by_key(|source| std::cmp::Reverse(source.header.number));
        let mut lowest = u64::MAX;
        for source in found {
            if source.header.base < lowest {
                lowest = source.header.base;
                sources.durable = sources.durable.max(source.header.durable);
                sources.list.push(source);
            } else {
                sources.garbage.push(source.name);
            }
        }
        sources.list.reverse();
        Ok(sources)
    }

    fn open(&mut self, name: &str, number: u64) -> Result<Option<Source>, StoreError> {
        let shown = self.disk.shown(name);
        match self.read_header(name, number, &shown) {
            Err(error) if self.salvage && error.is_io() => {
                self.report.push(format!("{error}; going on without it"));
                self.unreadable.push(name.to_owned());
                Ok(None)
            }
            other => other,
        }
    }

    fn read_header(
        &mut self,
        name: &str,
        number: u64,
        shown: &str,
    ) -> Result<Option<Source>, StoreError> {
        let failed = |error| StoreError::io("cannot read", shown, error);
        let file = self.disk.open(name, Open::Read).map_err(failed)?;
        let length = file.len().map_err(failed)?;
        let mut bytes = [0; 64];
        let read = file.read_at(&mut bytes, 0).map_err(failed)?;
        let mut source = Source {
            header: FileHeader::default(),
            name: name.to_owned(),
            file,
            length,
        };
        match FileHeader::decode(&bytes[..read]) {
            Ok(header) if header.number == number && is_block_position(header.base) => {
                source.header = header;
                return Ok(Some(source));
            }
            Err(HeaderError::Newer(version)) => {
                return Err(StoreError::new(format!(
                    "{shown} is of format {version}, written by a later version of Leveret"
                )));
            }
            // Taken from the spares and not begun: what another number has written does not count.
            Ok(_) => return Ok(self.unfinished(name)),
            Err(HeaderError::Bad) => {}
        }
        // A file that was being made when the power went, or a damaged header. Blocks know where they lie.
        if let Some(base) = base_by_blocks(&source, number).map_err(failed)? {
            source.header = FileHeader {
                number,
                base,
                ..FileHeader::default()
            };
            self.report.push(format!(
                "{shown}: the file's header cannot be read; its blocks were used instead"
            ));
            return Ok(Some(source));
        }
        Ok(self.unfinished(name))
    }

    /// A file without anything that counts. If it should have had something, it is missed later; salvage leaves it to be looked at.
    fn unfinished(&mut self, name: &str) -> Option<Source> {
        if !self.salvage {
            self.garbage.push(name.to_owned());
        }
        None
    }

    /// The file that has the position, and the position where that file ends.
    pub fn at(&self, position: u64) -> Option<(&Source, u64)> {
        at(&self.list, position)
    }

    /// File and offset of a position, for messages. For one that no file has: the directory.
    pub fn place(&self, position: u64) -> (String, u64) {
        match self.at(position) {
            Some((source, _)) => (self.disk.shown(&source.name), source.offset(position)),
            None => (self.disk.shown(""), 0),
        }
    }

    /// The table of files for whoever reads bodies.
    pub fn table(&self) -> Files {
        let table = Files::default();
        for (index, source) in self.list.iter().enumerate() {
            let next = self
                .list
                .get(index + 1)
                .map_or(u64::MAX, |next| next.header.base);
            // What a file that was cut short should have had is in none.
            let end = next.min(source.reach());
            table.found(source.header.number, source.header.base, end);
        }
        table
    }

    /// What lies at a position.
    pub fn block(&mut self, position: u64) -> Result<Found, StoreError> {
        let Some((source, end)) = at(&self.list, position) else {
            return Ok(Found::Bad);
        };
        let offset = source.offset(position);
        match read_block(&mut self.window, source, position, end) {
            Ok(found) => Ok(found),
            Err(_) if self.salvage => Ok(Found::Bad),
            Err(error) => {
                Err(StoreError::io("cannot read", &self.disk.shown(&source.name), error).at(offset))
            }
        }
    }

    /// Reads bytes of a file; `None` when they cannot be read and that is no reason to give up.
    fn read(
        &self,
        source: &Source,
        bytes: &mut [u8],
        offset: u64,
    ) -> Result<Option<usize>, StoreError> {
        match source.file.read_at(bytes, offset) {
            Ok(read) => Ok(Some(read)),
            Err(_) if self.salvage => Ok(None),
            Err(error) => {
                Err(StoreError::io("cannot read", &self.disk.shown(&source.name), error).at(offset))
            }
        }
    }

    /// The first block behind `position` whose head and meta check; what they say of the durable position counts.
    pub fn next_sound(&mut self, position: u64) -> Result<Option<u64>, StoreError> {
        let mut first = None;
        let mut durable = self.durable;
        for (index, source) in self.list.iter().enumerate() {
            let base = source.header.base;
            let end = self
                .list
                .get(index + 1)
                .map_or(u64::MAX, |next| next.header.base)
                .min(source.reach());
            let Some(from) = position.max(base).checked_next_multiple_of(ALIGN) else {
                continue;
            };
            if end <= from {
                continue;
            }
            let mut bytes = vec![0; usize::try_from(end - from).unwrap_or(0)];
            let Some(read) = self.read(source, &mut bytes, source.offset(from))? else {
                continue;
            };
            bytes.truncate(read);
            let mut at = 0;
            while let Some((offset, head)) = sound(&bytes, at, source.header.number, |head, at| {
                head.position == from + at as u64
            }) {
                durable = durable.max(head.durable);
                if head.position > position {
                    first.get_or_insert(head.position);
                }
                at = offset + (head.end() - head.position) as usize;
            }
        }
        self.durable = durable;
        Ok(first)
    }

    /// What was replayed at or above the durable position may be with the system only, after a kill: the journal goes on behind
    /// it, and so it has to be on disk first.
    pub fn sync(&self, end: u64) -> Result<(), StoreError> {
        for source in &self.list {
            let position = source.header.base;
            if position < end && source.reach() > self.durable && self.durable < end {
                source.file.sync().map_err(|error| {
                    StoreError::io("cannot sync", &self.disk.shown(&source.name), error)
                })?;
            }
        }
        // The newest checkpoint and file may have names that are not on disk, and the older ones go now.
        self.disk
            .sync_names()
            .map_err(|error| StoreError::io("cannot sync", &self.disk.shown(""), error))
    }
}

fn at(list: &[Source], position: u64) -> Option<(&Source, u64)> {
    let behind = list.partition_point(|source| source.header.base <= position);
    let source = list.get(behind.checked_sub(1)?)?;
    let end = list.get(behind).map_or(u64::MAX, |next| next.header.base);
    Some((source, end))
}

/// The block at `position`, in a file whose blocks end before `end`.
fn read_block(window: &mut Window, source: &Source, position: u64, end: u64) -> io::Result<Found> {
    let offset = source.offset(position);
    let bytes = window.get(source, offset, BLOCK_HEAD)?;
    let Some(head) = BlockHead::decode(bytes, source.header.number, position) else {
        return Ok(Found::Bad);
    };
    let length = head.end().saturating_sub(position);
    if head.end() > end.min(source.reach())
        || length > BLOCK_BYTES_MAX
        || !is_block_position(head.end())
        || head.first_append > NUMBER_MAX
    {
        return Ok(Found::Bad);
    }
    let bytes = window.get(source, offset, length as usize)?;
    let bodies = BLOCK_HEAD + head.bodies as usize;
    if bytes.len() < length as usize
        || !head.checks(&bytes[..BLOCK_HEAD], &bytes[bodies..])
        || !chunks_check(&bytes[BLOCK_HEAD..bodies], position + BLOCK_HEAD as u64)
    {
        return Ok(Found::Bad);
    }
    let meta = bytes[bodies..].to_vec();
    Ok(Found::Block { head, meta })
}

/// Where the file begins, as its first sound block tells.
fn base_by_blocks(source: &Source, number: u64) -> io::Result<Option<u64>> {
    let length = source.length.saturating_sub(HEADER_BYTES as u64);
    let mut bytes = vec![0; usize::try_from(length).unwrap_or(0)];
    let read = source.file.read_at(&mut bytes, HEADER_BYTES as u64)?;
    bytes.truncate(read);
    let found = sound(&bytes, 0, number, |head, at| head.position >= at as u64);
    let base = found.map(|(at, head)| head.position - at as u64);
    Ok(base.filter(|base| is_block_position(*base)))
}

/// The first block of file `number` in `bytes` from `from` on whose head and meta check, and where.
fn sound(
    bytes: &[u8],
    from: usize,
    number: u64,
    fits: impl Fn(&BlockHead, usize) -> bool,
) -> Option<(usize, BlockHead)> {
    let mut at = from;
    while at + BLOCK_HEAD <= bytes.len() {
        let here = &bytes[at..];
        let position = BlockHead::claimed_position(here);
        if let Some(head) = BlockHead::decode(here, number, position)
            // Nobody knows more than what was there before.
            && head.durable <= head.position
            && fits(&head, at)
            && let Some(bodies) = usize::try_from(head.bodies).ok()
            && let Some(meta) = BLOCK_HEAD
                .checked_add(bodies)
                .and_then(|from| here.get(from..from.checked_add(head.meta as usize)?))
            && head.checks(&here[..BLOCK_HEAD], meta)
        {
            return Some((at, head));
        }
        at += ALIGN as usize;
    }
    None
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
