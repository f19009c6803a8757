//! When to write a checkpoint, decided from positions alone. Pure; time comes in.
//!
//! A checkpoint is what lets files go (`reclaim`), and what bounds recovery. It costs its own size, which grows with what the
//! queues' ledgers hold; the distance between two grows with it, so that checkpoints are never more than a small share of what
//! the broker writes.

/// Journal bytes between two checkpoints are at least this many times the size of the last one: at most a tenth more is written.
const SHARE: u64 = 10;

/// A broker is idle when nothing was appended for so long, milliseconds.
pub const IDLE_MS: u64 = 1000;

/// After a checkpoint could not be written it is tried again after this long, milliseconds; doubled each time.
const RETRY_MS: u64 = 1000;

/// Longest pause between two attempts, milliseconds.
const RETRY_MAX_MS: u64 = 60_000;

/// Why a checkpoint is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// The journal after the last one has become long.
    Interval,
    /// Dead files that wait for one take as much room.
    Dead,
    /// Nothing happens, and dead files wait.
    Idle,
}

/// Where journal and broker stand.
#[derive(Clone, Copy, Debug, Default)]
pub struct Standing {
    /// Position of the journal's open block.
    pub position: u64,
    /// Bytes of the dead files that wait for a checkpoint.
    pub dead_bytes: u64,
    /// Nothing was appended for [`IDLE_MS`].
    pub idle: bool,
}

/// What is remembered from one checkpoint to the next.
#[derive(Debug)]
pub struct Schedule {
    /// `checkpoint_interval_size`, bytes.
    interval: u64,
    /// Where the newest checkpoint on disk starts.
    start: u64,
    /// Its size.
    bytes: u64,
    /// Not before then, and how long the pause before it was: the last attempt failed.
    retry: Option<(u64, u64)>,
}

impl Schedule {
    /// Behind a checkpoint that starts at `start`; its size is not known.
    pub fn new(interval: u64, start: u64) -> Self {
        Self {
            interval,
            start,
            bytes: 0,
            retry: None,
        }
    }

    /// Whether one is to be written now.
    pub fn due(&self, standing: Standing, now: u64) -> Option<Why> {
        if self.retry.is_some_and(|(at, _)| now < at) {
            return None;
        }
        let distance = self.interval.max(self.bytes.saturating_mul(SHARE));
        if standing.position.saturating_sub(self.start) >= distance {
            Some(Why::Interval)
        } else if standing.dead_bytes >= distance {
            Some(Why::Dead)
        } else if standing.dead_bytes > 0 && standing.idle {
            Some(Why::Idle)
        } else {
            None
        }
    }

    /// One is on disk.
    pub fn written(&mut self, start: u64, bytes: u64) {
        *self = Self {
            bytes,
            ..Self::new(self.interval, start)
        };
    }

    /// One could not be written.
    pub fn failed(&mut self, now: u64) {
        let pause = self
            .retry
            .map_or(RETRY_MS, |(_, pause)| (2 * pause).min(RETRY_MAX_MS));
        self.retry = Some((now + pause, pause));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;

    fn at(position: u64) -> Standing {
        Standing {
            position,
            ..Standing::default()
        }
    }

    #[test]
    fn one_every_interval() {
        let mut schedule = Schedule::new(64 * MIB, 0);
        assert_eq!(schedule.due(at(64 * MIB - 1), 0), None);
        assert_eq!(schedule.due(at(64 * MIB), 0), Some(Why::Interval));
        schedule.written(64 * MIB, 1000);
        assert_eq!(schedule.due(at(64 * MIB), 0), None);
        assert_eq!(schedule.due(at(128 * MIB), 0), Some(Why::Interval));
    }

    #[test]
    fn large_ones_are_written_less_often() {
        let mut schedule = Schedule::new(64 * MIB, 0);
        schedule.written(0, 20 * MIB);
        assert_eq!(schedule.due(at(200 * MIB - 1), 0), None);
        assert_eq!(schedule.due(at(200 * MIB), 0), Some(Why::Interval));
    }

    #[test]
    fn dead_files_wait_for_the_interval_or_for_quiet_and_quiet_alone_is_no_reason() {
        let schedule = Schedule::new(64 * MIB, 0);
        let dead = |dead_bytes, idle| Standing {
            position: 1000,
            dead_bytes,
            idle,
        };
        assert_eq!(schedule.due(dead(63 * MIB, false), 0), None);
        assert_eq!(schedule.due(dead(64 * MIB, false), 0), Some(Why::Dead));
        assert_eq!(schedule.due(dead(1, true), 0), Some(Why::Idle));
        assert_eq!(schedule.due(dead(0, true), 0), None);
    }

    #[test]
    fn after_a_failure_it_waits_longer_each_time() {
        let mut schedule = Schedule::new(MIB, 0);
        schedule.failed(0);
        assert_eq!(schedule.due(at(MIB), 999), None);
        assert_eq!(schedule.due(at(MIB), 1000), Some(Why::Interval));
        schedule.failed(1000);
        assert_eq!(schedule.retry, Some((3000, 2000)));
        for _ in 0..20 {
            schedule.failed(3000);
        }
        assert_eq!(schedule.retry, Some((3000 + RETRY_MAX_MS, RETRY_MAX_MS)));
        schedule.written(MIB, 0);
        assert_eq!(schedule.retry, None);
    }
}
