//! The table of journal files: which file a position lies in, who still needs it, and handles to read it.
//!
//! A file is alive while anybody holds a [`Lease`] on it; spans in ledgers do, and publishers between link and placement. The
//! writer adds files, the reclaimer asks which are dead and removes them, everybody reads.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

use parking_lot::Mutex;

use super::block::HEADER_BYTES;
use super::disk::{Disk, File, Open};

/// Handles kept open for reading.
const OPEN_MAX: usize = 64;

/// The name of a journal file.
pub fn name(number: u64) -> String {
    format!("journal-{number:012}.log")
}

/// The number in the name of a journal file.
pub fn number(name: &str) -> Option<u64> {
    name.strip_prefix("journal-")?
        .strip_suffix(".log")?
        .parse()
        .ok()
}

/// Keeps the file that a body lies in.
#[derive(Clone, Debug)]
pub struct Lease(Arc<Group>);

impl Lease {
    /// Whether both are on the same file.
    pub fn is_of(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

/// What leases are on: one file as a rule; two when a failed one was continued in another.
#[derive(Debug, Default)]
pub(super) struct Group {
    files: Mutex<usize>,
}

impl Group {
    pub(super) fn lease(self: &Arc<Self>) -> Lease {
        Lease(Arc::clone(self))
    }
}

/// One file, as the table shows it.
#[derive(Clone, Debug)]
pub struct FileInfo {
    /// Its number.
    pub number: u64,
    /// Position of its first block.
    pub base: u64,
    /// Position behind its last block; `None` while it is written.
    pub end: Option<u64>,
    /// Whether nobody holds a lease on it.
    pub dead: bool,
}

struct Entry {
    number: u64,
    end: Option<u64>,
    group: Arc<Group>,
    handle: Option<Arc<dyn File>>,
    used: u64,
}

#[derive(Default)]
struct Table {
    by_base: BTreeMap<u64, Entry>,
    open: usize,
    uses: u64,
}

/// See the module.
#[derive(Default)]
pub struct Files {
    table: Mutex<Table>,
}

impl Files {
    /// Adds a file whose blocks begin at position `base`; the one before it ends there. Returns the number of one that began
    /// there before and holds nothing.
    pub(super) fn add(&self, number: u64, base: u64, group: &Arc<Group>) -> Option<u64> {
        let mut table = self.table.lock();
        *group.files.lock() += 1;
        let group = Arc::clone(group);
        if let Some((_, before)) = table.by_base.range_mut(..base).next_back()
            && before.end.is_none_or(|end| end > base)
        {
            before.end = Some(base);
        }
        let entry = Entry {
            number,
            end: None,
            group,
            handle: None,
            used: 0,
        };
        let replaced = table.by_base.insert(base, entry)?;
        table.open -= usize::from(replaced.handle.is_some());
        *replaced.group.files.lock() -= 1;
        Some(replaced.number)
    }

    /// Adds a file that was found at the start.
    pub fn found(&self, number: u64, base: u64, end: u64) {
        self.add(number, base, &Arc::default());
        if let Some(entry) = self.table.lock().by_base.get_mut(&base) {
            entry.end = Some(end);
        }
    }

    /// Nothing lies at or behind `position` any more: a tail was cut.
    pub fn cut(&self, position: u64) {
        let mut table = self.table.lock();
        let void = table.by_base.split_off(&position);
        table.open -= void.values().filter(|entry| entry.handle.is_some()).count();
        if let Some((_, last)) = table.by_base.iter_mut().next_back() {
            last.end = Some(last.end.map_or(position, |end| end.min(position)));
        }
    }

    /// A lease on the file that `position` lies in.
    pub fn lease(&self, position: u64) -> Option<Lease> {
        let table = self.table.lock();
        let (_, entry) = table.by_base.range(..=position).next_back()?;
        entry
            .end
            .is_none_or(|end| position < end)
            .then(|| entry.group.lease())
    }

    /// All files in order of their positions.
    pub fn all(&self) -> Vec<FileInfo> {
        let table = self.table.lock();
        table
            .by_base
            .iter()
            .map(|(base, entry)| FileInfo {
                number: entry.number,
                base: *base,
                end: entry.end,
                dead: Arc::strong_count(&entry.group) == *entry.group.files.lock(),
            })
            .collect()
    }

    /// Takes a file that is dead out of the table, for the caller to remove; its number.
    pub fn forget(&self, base: u64) -> Option<u64> {
        let mut table = self.table.lock();
        let entry = table.by_base.get(&base)?;
        let mut files = entry.group.files.lock();
        if entry.end.is_none() || Arc::strong_count(&entry.group) != *files {
            return None;
        }
        *files -= 1;
        drop(files);
        let entry = table.by_base.remove(&base)?;
        table.open -= usize::from(entry.handle.is_some());
        Some(entry.number)
    }

    /// Where `position` lies: name of the file, a handle to it, and the offset in it.
    pub fn locate(
        &self,
        disk: &dyn Disk,
        position: u64,
    ) -> io::Result<(String, Arc<dyn File>, u64)> {
        let mut guard = self.table.lock();
        let table = &mut *guard;
        table.uses += 1;
        let Some((base, entry)) = table.by_base.range_mut(..=position).next_back() else {
            return Err(io::Error::new(
                io::ErrorKind::NotFound,
                "no journal file has it",
            ));
        };
        entry.used = table.uses;
        let name = name(entry.number);
        let offset = position - base + HEADER_BYTES as u64;
        if let Some(handle) = &entry.handle {
            return Ok((name, Arc::clone(handle), offset));
        }
        let handle = disk.open(&name, Open::Read)?;
        entry.handle = Some(Arc::clone(&handle));
        table.open += 1;
        if table.open > OPEN_MAX {
            let oldest = table
                .by_base
                .values_mut()
                .filter(|entry| entry.handle.is_some())
                .min_by_key(|entry| entry.used);
            if let Some(oldest) = oldest {
                oldest.handle = None;
                table.open -= 1;
            }
        }
        Ok((name, handle, offset))
    }
}
