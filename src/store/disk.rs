//! All that the store asks of the system: a directory and the half-dozen operations on its files; and the real ones.
//!
//! Everything above is written against [`Disk`], so that the simulator can stand in for it (faulty.rs). Names are flat.

use std::fs::{self, OpenOptions, TryLockError};
use std::io::{self, IoSlice};
use std::os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use nix::fcntl::posix_fallocate;
use nix::sys::statvfs::statvfs;
use nix::sys::uio::pwritev;

use super::error::StoreError;

/// How a file is opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Open {
    /// To read.
    Read,
    /// To read and write; it is there.
    Write,
    /// To read and write; it must not be there.
    Create,
}

/// A directory.
pub trait Disk: Send + Sync + 'static {
    /// Opens a file.
    fn open(&self, name: &str, how: Open) -> io::Result<Arc<dyn File>>;
    /// Names of all files.
    fn list(&self) -> io::Result<Vec<String>>;
    /// Removes a file; handles to it go on.
    fn remove(&self, name: &str) -> io::Result<()>;
    /// Renames a file, in place of whatever has the new name.
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;
    /// Makes creations, renames and removals durable.
    fn sync_names(&self) -> io::Result<()>;
    /// Bytes that may still be written.
    fn free_bytes(&self) -> io::Result<u64>;
    /// The path of a file for messages; of the directory itself when the name is empty.
    fn shown(&self, name: &str) -> String;
}

/// A file.
pub trait File: Send + Sync {
    /// Fills the buffer from a place on; less than it holds only where the file ends.
    fn read_at(&self, buffer: &mut [u8], at: u64) -> io::Result<usize>;
    /// Writes all of the slices from a place on.
    fn write_at(&self, slices: &[IoSlice<'_>], at: u64) -> io::Result<()>;
    /// Makes what was written durable: fdatasync.
    fn sync(&self) -> io::Result<()>;
    /// Its length.
    fn len(&self) -> io::Result<u64>;
    /// Whether it has no bytes.
    fn is_empty(&self) -> io::Result<bool> {
        Ok(self.len()? == 0)
    }
    /// Takes room for so many bytes, which read as zeros until they are written.
    fn allocate(&self, bytes: u64) -> io::Result<()>;
}

/// Name of the file whose lock keeps a second process out.
pub const LOCK: &str = "lock";

/// A directory of the file system.
pub struct Directory {
    path: PathBuf,
    /// Holds the lock as long as it is open.
    _lock: Option<fs::File>,
}

impl Directory {
    /// Opens a directory to serve from; it is created, for its owner alone, where it is missing. One process at a time.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        let shown = path.display().to_string();
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(path)
            .map_err(|error| StoreError::io("cannot create the data directory", &shown, error))?;
        let lock = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .mode(0o600)
            .open(path.join(LOCK))
            .map_err(|error| StoreError::io("cannot write in the data directory", &shown, error))?;
        match lock.try_lock() {
            Ok(()) => Ok(Self {
                path: path.to_owned(),
                _lock: Some(lock),
            }),
            Err(TryLockError::WouldBlock) => Err(StoreError::new(format!(
                "the data directory {shown} is in use by another process"
            ))),
            Err(TryLockError::Error(error)) => Err(StoreError::io(
                "cannot lock the data directory",
                &shown,
                error,
            )),
        }
    }

    /// Opens a directory to look at while nobody serves from it; nothing is created.
    pub fn locked(path: &Path) -> Result<Self, StoreError> {
        let mut directory = Self::read_only(path)?;
        let shown = path.display().to_string();
        // Without the file nobody serves: whoever does makes it first.
        if let Ok(lock) = fs::File::open(path.join(LOCK)) {
            lock.try_lock().map_err(|error| match error {
                TryLockError::WouldBlock => StoreError::new(format!(
                    "the data directory {shown} is in use by another process"
                )),
                TryLockError::Error(error) => {
                    StoreError::io("cannot lock the data directory", &shown, error)
                }
            })?;
            directory._lock = Some(lock);
        }
        Ok(directory)
    }

    /// Opens a directory to look at, whoever serves from it; nothing is created or locked.
    pub fn read_only(path: &Path) -> Result<Self, StoreError> {
        fs::read_dir(path).map_err(|error| {
            let shown = path.display().to_string();
            StoreError::io("cannot read the data directory", &shown, error)
        })?;
        Ok(Self {
            path: path.to_owned(),
            _lock: None,
        })
    }

    /// Bytes of the file system that an ordinary user may still write.
    pub fn free(path: &Path) -> io::Result<u64> {
        let stat = statvfs(path)?;
        Ok(stat.blocks_available() as u64 * stat.fragment_size() as u64)
    }
}

impl Disk for Directory {
    fn open(&self, name: &str, how: Open) -> io::Result<Arc<dyn File>> {
        let file = OpenOptions::new()
            .read(true)
            .write(how != Open::Read)
            .create_new(how == Open::Create)
            .mode(0o600)
            .open(self.path.join(name))?;
        Ok(Arc::new(Real(file)))
    }

    fn list(&self) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(&self.path)? {
            // A name that is no text is not one of ours.
            names.extend(entry?.file_name().into_string().ok());
        }
        names.sort();
        Ok(names)
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        fs::remove_file(self.path.join(name))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        fs::rename(self.path.join(from), self.path.join(to))
    }

    fn sync_names(&self) -> io::Result<()> {
        fs::File::open(&self.path)?.sync_all()
    }

    fn free_bytes(&self) -> io::Result<u64> {
        Self::free(&self.path)
    }

    fn shown(&self, name: &str) -> String {
        self.path.join(name).display().to_string()
    }
}

struct Real(fs::File);

impl File for Real {
    fn read_at(&self, buffer: &mut [u8], at: u64) -> io::Result<usize> {
        let mut done = 0;
        while done < buffer.len() {
            match self.0.read_at(&mut buffer[done..], at + done as u64) {
                Ok(0) => break,
                Ok(some) => done += some,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(done)
    }

    fn write_at(&self, slices: &[IoSlice<'_>], at: u64) -> io::Result<()> {
        let mut slices: Vec<IoSlice<'_>> = slices.to_vec();
        let mut rest = slices.as_mut_slice();
        let mut at = at;
        IoSlice::advance_slices(&mut rest, 0);
        while !rest.is_empty() {
            let offset = i64::try_from(at).map_err(|_| io::ErrorKind::FileTooLarge)?;
            match pwritev(&self.0, rest, offset) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(some) => {
                    at += some as u64;
                    IoSlice::advance_slices(&mut rest, some);
                }
                Err(nix::errno::Errno::EINTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        self.0.sync_data()
    }

    fn len(&self) -> io::Result<u64> {
        Ok(self.0.metadata()?.len())
    }

    fn allocate(&self, bytes: u64) -> io::Result<()> {
        let bytes = i64::try_from(bytes).map_err(|_| io::ErrorKind::FileTooLarge)?;
        posix_fallocate(&self.0, 0, bytes)?;
        Ok(())
    }
}
