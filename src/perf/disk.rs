//! What the disk under a data directory allows: syncs a second and sequential bandwidth, the bounds of every durable broker.
//!
//! Written is a zero-filled file, as a journal keeps them ready: a sync into a file that grows costs more. The file has no name
//! by the time it is filled, so that nothing is left however this ends. `limits.rs` calls.

use super::fault::Fault;
use super::figures::{Figure, Unit, figure};
use nix::fcntl::{PosixFadviseAdvice, posix_fadvise};
use nix::sys::statvfs::statvfs;
use std::fs::{File, OpenOptions};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;
use std::time::{Duration, Instant};

/// Size of the file, where there is room: larger than what a disk's own cache takes in.
const FILE_BYTES: u64 = 256 << 20;
/// Part of the free space that it takes at most: 1 of these.
const FREE_PARTS: u64 = 4;
/// Below this a bandwidth is not worth its name.
const FILE_BYTES_MIN: u64 = 16 << 20;
/// One write or read of the bandwidths.
const CHUNK_BYTES: usize = 1 << 20;
/// Bytes between two syncs of the write bandwidth.
const SYNC_BYTES: u64 = 32 << 20;
/// A page.
const PAGE_BYTES: usize = 4096;
/// A journal's block with one message of 1 KiB: longer than the message, of odd length.
const RECORD_BYTES: usize = 1187;

/// Measures the disk of a directory, each figure for so long.
pub fn measure(directory: &Path, duration: Duration) -> Result<Vec<Figure>, Fault> {
    let doing = |fault: Fault| fault.doing(format!("measuring {}", directory.display()));
    let disk = Scratch::new(directory).map_err(doing)?;
    let figures = || {
        Ok::<_, std::io::Error>(vec![
            figure(
                "fdatasync_4k_rate",
                "fdatasyncs, 4 KiB each",
                Unit::Rate,
                disk.syncs(PAGE_BYTES, duration)?,
            ),
            figure(
                "fdatasync_1k_rate",
                "fdatasyncs, 1.2 KiB appended",
                Unit::Rate,
                disk.syncs(RECORD_BYTES, duration)?,
            ),
            figure(
                "write_bandwidth",
                "sequential write",
                Unit::Bandwidth,
                disk.writes(duration)?,
            ),
            figure(
                "read_bandwidth",
                "sequential read, not cached",
                Unit::Bandwidth,
                disk.reads(duration)?,
            ),
        ])
    };
    figures().map_err(|error| doing(error.into()))
}

/// The file, filled with zeros and on disk.
struct Scratch {
    file: File,
    bytes: u64,
    /// What is written: nothing that a disk could make smaller.
    noise: Vec<u8>,
}

impl Scratch {
    fn new(directory: &Path) -> Result<Self, Fault> {
        let stat = statvfs(directory).map_err(std::io::Error::from)?;
        let free = stat.blocks_available() as u64 * stat.fragment_size() as u64;
        let bytes = FILE_BYTES.min(free / FREE_PARTS) & !(CHUNK_BYTES as u64 - 1);
        if bytes < FILE_BYTES_MIN {
            return Err(Fault::new(format!(
                "{} MB free are too little to measure with",
                free / 1_000_000
            )));
        }
        let path = directory.join(format!("perf-limits-{}.tmp", std::process::id()));
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&path)?;
        std::fs::remove_file(&path)?;
        let zeros = vec![0; CHUNK_BYTES];
        for at in (0..bytes).step_by(CHUNK_BYTES) {
            file.write_all_at(&zeros, at)?;
        }
        file.sync_all()?;
        let mut noise = vec![0; CHUNK_BYTES];
        getrandom::fill(&mut noise).map_err(|error| Fault::new(error.to_string()))?;
        Ok(Scratch { file, bytes, noise })
    }

    /// Syncs a second, each after so many bytes behind the last ones.
    fn syncs(&self, bytes: usize, duration: Duration) -> std::io::Result<f64> {
        let (mut at, mut count) = (0, 0_u64);
        let begun = Instant::now();
        while begun.elapsed() < duration {
            if at + bytes as u64 > self.bytes {
                at = 0;
            }
            self.file.write_all_at(&self.noise[..bytes], at)?;
            self.file.sync_data()?;
            at += bytes as u64;
            count += 1;
        }
        Ok(count as f64 / begun.elapsed().as_secs_f64())
    }

    /// Bytes a second that reach the disk.
    fn writes(&self, duration: Duration) -> std::io::Result<f64> {
        let (mut at, mut written) = (0, 0_u64);
        let begun = Instant::now();
        while begun.elapsed() < duration {
            let end = (at + SYNC_BYTES).min(self.bytes);
            for chunk in (at..end).step_by(CHUNK_BYTES) {
                self.file.write_all_at(&self.noise, chunk)?;
            }
            self.file.sync_data()?;
            written += end - at;
            at = if end == self.bytes { 0 } else { end };
        }
        Ok(written as f64 / begun.elapsed().as_secs_f64())
    }

    /// Bytes a second that come from the disk: what is in the system's cache is dropped first.
    fn reads(&self, duration: Duration) -> std::io::Result<f64> {
        let mut buffer = vec![0; CHUNK_BYTES];
        let (mut taken, mut read) = (Duration::ZERO, 0_u64);
        while taken < duration {
            self.file.sync_data()?;
            posix_fadvise(&self.file, 0, 0, PosixFadviseAdvice::POSIX_FADV_DONTNEED)?;
            let begun = Instant::now();
            for at in (0..self.bytes).step_by(CHUNK_BYTES) {
                self.file.read_exact_at(&mut buffer, at)?;
                if taken + begun.elapsed() >= duration {
                    read += at + CHUNK_BYTES as u64;
                    return Ok(read as f64 / (taken + begun.elapsed()).as_secs_f64());
                }
            }
            taken += begun.elapsed();
            read += self.bytes;
        }
        Ok(read as f64 / taken.as_secs_f64().max(f64::EPSILON))
    }
}
