//! Files kept for later: dead journal files, used again under another number, and a reserve for a full disk.
//!
//! A recycled file is written all over once already, so that a sync into it is cheap and it costs no more writes; what it still
//! holds is of another file number and so never counts. The reserve lets settles and compaction go on when the disk is full: it is
//! made in small steps while the writer has nothing else to do, once the journal is in use, and within a credit, so that it does
//! not add up. Owned by the writer; the reclaimer hands dead files over through the journal.

use std::io::{self, IoSlice};
use std::sync::Arc;

use super::block::HEADER_BYTES;
use super::disk::{Disk, File, Open};
use super::files;

/// Recycled files kept beyond the reserve.
const RECYCLED_MAX: usize = 2;
/// Bytes that one step fills with zeros.
const FILL_BYTES: usize = 1 << 20;
/// A journal that has written less is hardly in use: no reserve is made for it.
const IN_USE_BYTES: u64 = 4 << 20;
/// One byte of zeros for so many bytes of journal, beyond the first reserve.
const CREDIT_SHARE: u64 = 8;

fn name(number: u64) -> String {
    format!("spare-{number:012}.dat")
}

/// The number in the name of a spare.
pub fn number(name: &str) -> Option<u64> {
    name.strip_prefix("spare-")?
        .strip_suffix(".dat")?
        .parse()
        .ok()
}

/// See the module.
pub(super) struct Spares {
    kept: Vec<u64>,
    next: u64,
    /// A file being filled: its number, and how far.
    filling: Option<(u64, Arc<dyn File>, u64)>,
    filled: u64,
    reserve: usize,
    /// The disk has no room for more: not tried again until something is recycled.
    full: bool,
}

impl Spares {
    /// Those that the disk has.
    pub fn find(disk: &dyn Disk, reserve: usize) -> Self {
        let names = disk.list().unwrap_or_default();
        let mut kept: Vec<u64> = names.iter().filter_map(|name| number(name)).collect();
        kept.sort_unstable();
        Self {
            next: kept.last().map_or(1, |last| last + 1),
            kept,
            filling: None,
            filled: 0,
            reserve,
            full: false,
        }
    }

    /// Those of a journal without a disk.
    pub fn none() -> Self {
        Self {
            kept: Vec::new(),
            next: 1,
            filling: None,
            filled: 0,
            reserve: 0,
            full: true,
        }
    }

    /// Keeps a dead journal file, or removes it when there are enough.
    pub fn recycle(&mut self, disk: &dyn Disk, journal: u64) -> io::Result<()> {
        self.full = false;
        let from = files::name(journal);
        if self.kept.len() >= self.reserve + RECYCLED_MAX {
            return disk.remove(&from);
        }
        let number = self.next;
        self.next += 1;
        disk.rename(&from, &name(number))?;
        self.kept.push(number);
        Ok(())
    }

    /// Makes a spare the journal file `journal`; with `reserve` even the last one. `None` when there is none to take.
    pub fn take(
        &mut self,
        disk: &dyn Disk,
        journal: u64,
        reserve: bool,
    ) -> io::Result<Option<Arc<dyn File>>> {
        if !reserve && self.kept.len() <= self.reserve {
            return Ok(None);
        }
        let Some(number) = self.kept.pop() else {
            return Ok(None);
        };
        let to = files::name(journal);
        disk.rename(&name(number), &to)?;
        disk.open(&to, Open::Write).map(Some)
    }

    /// A step towards a whole reserve of files of `file_bytes`, when `written` bytes of journal allow it; whether there is more
    /// to do at once.
    pub fn fill(&mut self, disk: &dyn Disk, file_bytes: u64, written: u64) -> bool {
        if self.full || written < IN_USE_BYTES.min(file_bytes) {
            return false;
        }
        let done = self.fill_some(disk, file_bytes, written);
        if done.is_err() {
            // No room for a reserve is no failure; what was begun goes.
            self.full = true;
            if let Some((number, ..)) = self.filling.take() {
                let _ = disk.remove(&name(number));
            }
        }
        done.unwrap_or(false)
    }

    fn fill_some(&mut self, disk: &dyn Disk, file_bytes: u64, written: u64) -> io::Result<bool> {
        let length = HEADER_BYTES as u64 + file_bytes;
        let (number, file, at) = match self.filling.take() {
            Some(filling) => filling,
            None => {
                let credit = self.reserve as u64 * length + written / CREDIT_SHARE;
                if self.kept.len() >= self.reserve || self.filled + length > credit {
                    return Ok(false);
                }
                let number = self.next;
                self.next += 1;
                (number, disk.open(&name(number), Open::Create)?, 0)
            }
        };
        if at < length {
            let bytes = (length - at).min(FILL_BYTES as u64);
            self.filling = Some((number, Arc::clone(&file), at + bytes));
            let zeros = vec![0; bytes as usize];
            file.write_at(&[IoSlice::new(&zeros)], at)?;
            self.filled += bytes;
        } else {
            file.sync()?;
            self.kept.push(number);
        }
        Ok(true)
    }
}
