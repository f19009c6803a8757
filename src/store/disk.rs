//! Stub.
use std::io::{self, IoSlice};
use std::sync::Arc;

/// How.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Open {
    /// r
    Read,
    /// w
    Write,
    /// c
    Create,
}

/// Disk.
pub trait Disk: Send + Sync + 'static {
    /// open
    fn open(&self, name: &str, how: Open) -> io::Result<Arc<dyn File>>;
    /// list
    fn list(&self) -> io::Result<Vec<String>>;
    /// remove
    fn remove(&self, name: &str) -> io::Result<()>;
    /// rename
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;
    /// sync
    fn sync_names(&self) -> io::Result<()>;
    /// free
    fn free_bytes(&self) -> io::Result<u64>;
    /// shown
    fn shown(&self, name: &str) -> String;
}
/// File.
pub trait File: Send + Sync {
    /// read
    fn read_at(&self, buffer: &mut [u8], at: u64) -> io::Result<usize>;
    /// write
    fn write_at(&self, slices: &[IoSlice<'_>], at: u64) -> io::Result<()>;
    /// sync
    fn sync(&self) -> io::Result<()>;
    /// len
    fn len(&self) -> io::Result<u64>;
    /// allocate
    fn allocate(&self, bytes: u64) -> io::Result<()>;
}
