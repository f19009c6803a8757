//! The first bytes of a body: when it was sent, and in which run. Clock shared by all threads of this process.
//!
//! 0 u64 nanoseconds since the process's base | 8 u32 run   (little-endian; the run only in bodies of 16 bytes or more)

use std::sync::OnceLock;
use std::time::Instant;

/// Smallest body that carries a time.
pub const STAMP_BYTES: usize = 8;

/// Smallest body that also carries the run's number.
pub const RUN_BYTES: usize = 16;

/// Longer latencies are taken for another process's stamp: an hour.
const LATENCY_NS_MAX: u64 = 3_600_000_000_000;

/// Nanoseconds since the first call in this process; never 0.
#[inline]
pub fn now_ns() -> u64 {
    static BASE: OnceLock<Instant> = OnceLock::new();
    BASE.get_or_init(Instant::now).elapsed().as_nanos() as u64 + 1
}

/// Nanoseconds from the stamp in a body's `prefix` to `now_ns`; None when it carries none, or one of another run.
#[inline]
pub fn latency_ns(prefix: &[u8], run: u32, now_ns: u64) -> Option<u64> {
    if prefix.len() >= RUN_BYTES && prefix[8..12] != run.to_le_bytes() {
        return None;
    }
    let sent_ns = u64::from_le_bytes(*prefix.first_chunk()?);
    now_ns
        .checked_sub(sent_ns)
        .filter(|latency_ns| *latency_ns < LATENCY_NS_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_stamps_of_this_run_count() {
        let mut prefix = [0; 16];
        prefix[..8].copy_from_slice(&1000u64.to_le_bytes());
        prefix[8..12].copy_from_slice(&7u32.to_le_bytes());
        assert_eq!(latency_ns(&prefix, 7, 1500), Some(500));
        assert_eq!(latency_ns(&prefix, 8, 1500), None);
        assert_eq!(latency_ns(&prefix[..8], 8, 1500), Some(500));
        assert_eq!(latency_ns(&prefix[..7], 7, 1500), None);
        assert_eq!(latency_ns(&prefix, 7, 900), None);
    }
}
