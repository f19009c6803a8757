//! Where the broker's time comes from: the system, or a test.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// Milliseconds since the epoch that never go back.
#[derive(Clone, Debug)]
pub enum Clock {
    /// The system's time at the start, and what has passed since.
    System {
        /// When the clock was made.
        started: Instant,
        /// What the system said then, in milliseconds since the epoch.
        started_ms: u64,
    },
    /// What a test says.
    Manual(Arc<AtomicU64>),
}

impl Default for Clock {
    fn default() -> Self {
        Self::System {
            started: Instant::now(),
            started_ms: SystemTime::now()
                .duration_since(UNIX_EPOCH)
                .map_or(0, |since| since.as_millis() as u64),
        }
    }
}

impl Clock {
    /// The time now.
    #[inline]
    pub fn now(&self) -> u64 {
        match self {
            Self::System {
                started,
                started_ms,
            } => started_ms + started.elapsed().as_millis() as u64,
            Self::Manual(time) => time.load(Ordering::Relaxed),
        }
    }
}
