//! Transient overflow: what does not fit into memory and need not outlive the process. Written once, never synced, read back
//! once; files that an earlier process left are removed at the start.
//!
//! An *extent* is one write, which its owner keeps a handle to; what is in it is the owner's business (see queue/paging). Files
//! are filled one after the other, and each is removed when its last extent is dropped. Called by the pager.

use std::io::IoSlice;
use std::sync::Arc;

use parking_lot::Mutex;

use super::disk::{Disk, File, Open};
use super::error::StoreError;

/// A file is left for the next one when it has so many bytes: large enough that few are open, small enough that one extent
/// that stays does not keep much.
pub const FILE_BYTES: u64 = 32 * 1024 * 1024;

/// Slices of one write call.
const SLICES_MAX: usize = 64;

struct SpillFile {
    disk: Arc<dyn Disk>,
    name: String,
    file: Arc<dyn File>,
}

impl Drop for SpillFile {
    fn drop(&mut self) {
        // It is removed at the next start otherwise.
        if let Err(error) = self.disk.remove(&self.name) {
            let name = self.disk.shown(&self.name);
            tracing::warn!("cannot remove {name}: {error}");
        }
    }
}

/// Bytes in a spill file. Dropping the last clone gives their place back, with that of the whole file.
#[derive(Clone)]
pub struct Extent {
    file: Arc<SpillFile>,
    at: u64,
    length: u32,
    crc: u32,
}

impl Extent {
    /// How many bytes it has.
    pub fn length(&self) -> u32 {
        self.length
    }

    /// Reads it back.
    pub fn read(&self) -> Result<Vec<u8>, StoreError> {
        let SpillFile { disk, name, file } = &*self.file;
        let mut bytes = vec![0; self.length as usize];
        let read = file
            .read_at(&mut bytes, self.at)
            .map_err(|error| StoreError::io("cannot read", &disk.shown(name), error).at(self.at))?;
        if read < bytes.len() || crc32c::crc32c(&bytes) != self.crc {
            let what = "overflow of a queue is damaged";
            return Err(StoreError::damage(what, &disk.shown(name), self.at));
        }
        Ok(bytes)
    }
}

#[derive(Default)]
struct Current {
    file: Option<Arc<SpillFile>>,
    at: u64,
    next: u64,
}

/// The spill files of a data directory.
pub struct Spill {
    disk: Arc<dyn Disk>,
    current: Mutex<Current>,
}

fn is_name(name: &str) -> bool {
    name.starts_with("spill-") && name.ends_with(".dat")
}

impl Spill {
    /// Removes what an earlier process left; no file is made before there is something to write.
    pub fn open(disk: Arc<dyn Disk>) -> Result<Self, StoreError> {
        let names = disk
            .list()
            .map_err(|error| StoreError::io("cannot list", &disk.shown(""), error))?;
        for name in names.iter().filter(|name| is_name(name)) {
            disk.remove(name)
                .map_err(|error| StoreError::io("cannot remove", &disk.shown(name), error))?;
        }
        Ok(Self {
            disk,
            current: Mutex::default(),
        })
    }

    /// Writes `parts` one behind the other. After an error the file that it happened in is written no more.
    pub fn write(&self, parts: &[&[u8]]) -> Result<Extent, StoreError> {
        let mut current = self.current.lock();
        let length: usize = parts.iter().map(|part| part.len()).sum();
        let length = u32::try_from(length)
            .map_err(|_| StoreError::new("an extent of more than 4 GiB cannot be written"))?;
        let file = match &current.file {
            Some(file) if current.at < FILE_BYTES => Arc::clone(file),
            _ => self.next_file(&mut current)?,
        };
        let at = current.at;
        let mut written = at;
        for parts in parts.chunks(SLICES_MAX) {
            let slices: Vec<IoSlice<'_>> = parts.iter().map(|part| IoSlice::new(part)).collect();
            if let Err(error) = file.file.write_at(&slices, written) {
                current.file = None;
                let name = self.disk.shown(&file.name);
                return Err(StoreError::io("cannot write", &name, error).at(at));
            }
            written += parts.iter().map(|part| part.len() as u64).sum::<u64>();
        }
        current.at = written;
        let crc = parts
            .iter()
            .fold(0, |crc, part| crc32c::crc32c_append(crc, part));
        Ok(Extent {
            file,
            at,
            length,
            crc,
        })
    }

    fn next_file(&self, current: &mut Current) -> Result<Arc<SpillFile>, StoreError> {
        current.file = None;
        current.next += 1;
        let name = format!("spill-{:06}.dat", current.next);
        let failed = |error| StoreError::io("cannot create", &self.disk.shown(&name), error);
        self.disk.open(&name, Open::Create).map_err(failed)?;
        let file = self.disk.open(&name, Open::Write).map_err(failed)?;
        let file = Arc::new(SpillFile {
            disk: Arc::clone(&self.disk),
            file,
            name,
        });
        current.file = Some(Arc::clone(&file));
        current.at = 0;
        Ok(file)
    }

    /// Lets go of the file being filled when nothing in it is needed any more.
    pub fn tidy(&self) {
        let mut current = self.current.lock();
        if current
            .file
            .as_ref()
            .is_some_and(|file| Arc::strong_count(file) == 1)
        {
            current.file = None;
        }
    }
}

#[cfg(test)]
mod tests;
