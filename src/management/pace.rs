//! How fast messages are moved on request: a rate, in steps between which no thread is held.

use std::time::{Duration, Instant};

/// Messages that one step moves at most.
const STEP_MESSAGES: u64 = 256;
/// The least pause.
pub const PAUSE: Duration = Duration::from_millis(2);
/// The longest: whether the broker stops is looked at after it.
const SLEEP_MAX: Duration = Duration::from_millis(250);

/// See the module.
pub struct Pace {
    begun: Instant,
    /// Messages a second.
    rate: Option<f64>,
}

impl Pace {
    /// One that begins now; without a rate as fast as it goes.
    pub fn new(rate: Option<f64>) -> Self {
        Self {
            begun: Instant::now(),
            rate,
        }
    }

    /// How many more may be moved in one step once so many are: 0 after a pause.
    pub async fn room(&self, moved: u64) -> u64 {
        let Some(rate) = self.rate else {
            return STEP_MESSAGES;
        };
        let allowed = 1u64.saturating_add((self.begun.elapsed().as_secs_f64() * rate) as u64);
        let room = allowed.saturating_sub(moved).min(STEP_MESSAGES);
        if room == 0 {
            let until = Duration::try_from_secs_f64(moved as f64 / rate).unwrap_or(Duration::MAX);
            let sleep = until.saturating_sub(self.begun.elapsed());
            tokio::time::sleep(sleep.clamp(PAUSE, SLEEP_MAX)).await;
        }
        room
    }
}
