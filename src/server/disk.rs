//! Watches the free space of the data directory's disk, and whether the journal can be written, and raises the alarm that blocks
//! publishers. `mod.rs` starts and stops it.
//!
//! Like RabbitMQ it looks the more often the less room there is above the limit; it writes nothing. A journal that cannot be
//! written is the same alarm: whoever publishes would only get nacks.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tracing::{info, warn};

/// Shortest and longest time between two looks at the free space, as in RabbitMQ.
const INTERVAL_MIN: Duration = Duration::from_millis(100);
const INTERVAL_MAX: Duration = Duration::from_secs(10);
/// Time between two looks while the alarm is on. RabbitMQ takes the longest interval; a blocked publisher should not wait so long
/// for space that is there.
const INTERVAL_RAISED: Duration = Duration::from_secs(1);
/// Bytes that a disk is taken to fill in a millisecond. RabbitMQ's is an eighth of it; disks have become faster.
const FILLED_BYTES_MS: u64 = 2_000_000;
/// How often it is looked whether the journal can be written; that costs next to nothing.
const JOURNAL_LOOK: Duration = Duration::from_millis(250);

/// What is watched and who is told.
pub struct Watched {
    /// Bytes below which the alarm is raised; it may change.
    pub limit: Arc<AtomicU64>,
    /// The data directory, for messages.
    pub place: String,
    /// Free bytes for an ordinary user.
    pub free: Box<dyn FnMut() -> io::Result<u64> + Send>,
    /// Whether the journal cannot be written for now.
    pub failed: Box<dyn Fn() -> bool + Send>,
    /// Told every change of the alarm.
    pub set: Box<dyn Fn(bool) + Send>,
}

/// The thread that watches.
pub struct Monitor {
    stopping: Arc<AtomicBool>,
    thread: JoinHandle<()>,
}

impl Monitor {
    /// Looks once, so that a full disk is known before anybody connects, and starts watching.
    pub fn start(mut watched: Watched) -> Result<Self, String> {
        let limit = watched.limit.load(Ordering::Relaxed);
        info!("disk free limit: {} MB", limit / 1_000_000);
        let mut alarm = Alarm::new(limit);
        let mut wait = look(&mut alarm, &mut watched);
        let stopping = Arc::new(AtomicBool::new(false));
        let stop = Arc::clone(&stopping);
        let thread = std::thread::Builder::new()
            .name("disk".to_owned())
            .spawn(move || {
                let mut looked = Instant::now();
                while !stop.load(Ordering::Relaxed) {
                    let since = looked.elapsed();
                    let limit = watched.limit.load(Ordering::Relaxed);
                    let changed = limit != alarm.limit;
                    if changed {
                        info!("disk free limit: {} MB", limit / 1_000_000);
                        alarm.limit = limit;
                    }
                    if changed || since >= wait || (watched.failed)() != alarm.failed {
                        wait = look(&mut alarm, &mut watched);
                        looked = Instant::now();
                    } else {
                        std::thread::park_timeout((wait - since).min(JOURNAL_LOOK));
                    }
                }
            })
            .map_err(|error| format!("cannot start a thread: {error}"))?;
        Ok(Monitor { stopping, thread })
    }

    /// Ends the thread.
    pub fn stop(self) {
        self.stopping.store(true, Ordering::Relaxed);
        self.thread.thread().unpark();
        let _ = self.thread.join();
    }
}

/// One look at everything, and what follows; the time to the next one.
fn look(alarm: &mut Alarm, watched: &mut Watched) -> Duration {
    let free = match (watched.free)() {
        Ok(free) => Some(free),
        Err(error) => {
            if !std::mem::replace(&mut alarm.blind, true) {
                warn!("cannot see how much of {} is free: {error}", watched.place);
            }
            None
        }
    };
    alarm.blind &= free.is_none();
    let step = alarm.look(free, (watched.failed)());
    if let Some(raised) = step.changed {
        (watched.set)(raised);
        tell(raised, alarm, watched);
    }
    step.wait
}

fn tell(raised: bool, alarm: &Alarm, watched: &Watched) {
    let (free, limit, place) = (
        alarm.free / 1_000_000,
        alarm.limit / 1_000_000,
        &watched.place,
    );
    match (raised, alarm.failed) {
        (true, true) => {
            warn!("disk alarm: the journal in {place} cannot be written; publishers are blocked");
        }
        (true, false) => warn!(
            "disk alarm: {free} MB free in {place}, {limit} MB are the limit; publishers are blocked"
        ),
        (false, _) => info!("disk alarm is over: {free} MB free in {place}; publishers go on"),
    }
}

/// The decision, without clock and system.
struct Alarm {
    limit: u64,
    raised: bool,
    /// Free bytes at the last look that saw them.
    free: u64,
    /// Whether the journal could not be written at the last look.
    failed: bool,
    /// The last look did not see how much is free.
    blind: bool,
}

/// What a look leads to.
#[derive(Debug, PartialEq)]
struct Step {
    /// The alarm's new state, if it changed.
    changed: Option<bool>,
    /// Time to the next look.
    wait: Duration,
}

impl Alarm {
    fn new(limit: u64) -> Self {
        Alarm {
            limit,
            raised: false,
            free: u64::MAX,
            failed: false,
            blind: false,
        }
    }

    /// `free` is `None` where it cannot be seen: then what was seen last holds.
    fn look(&mut self, free: Option<u64>, failed: bool) -> Step {
        self.free = free.unwrap_or(self.free);
        self.failed = failed;
        let raised = failed || self.free < self.limit;
        let changed = (raised != self.raised).then_some(raised);
        self.raised = raised;
        let wait = if raised {
            INTERVAL_RAISED
        } else {
            let room = self.free - self.limit;
            Duration::from_millis(room / FILLED_BYTES_MS).clamp(INTERVAL_MIN, INTERVAL_MAX)
        };
        Step { changed, wait }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc::channel;

    const MB: u64 = 1_000_000;
    const PATIENCE: Duration = Duration::from_secs(20);

    #[test]
    fn the_alarm_is_on_below_the_limit_as_in_rabbitmq() {
        let mut alarm = Alarm::new(50 * MB);
        let mut look = |free: u64| alarm.look(Some(free), false).changed;
        assert_eq!(look(51 * MB), None);
        assert_eq!(look(50 * MB), None);
        assert_eq!(look(50 * MB - 1), Some(true));
        assert_eq!(look(10 * MB), None);
        assert_eq!(look(50 * MB), Some(false));
    }

    #[test]
    fn the_less_room_there_is_the_sooner_it_looks_again() {
        let mut alarm = Alarm::new(50 * MB);
        let mut wait = |free: u64| alarm.look(Some(free), false).wait.as_millis();
        assert_eq!(wait(1_000_000 * MB), 10_000);
        assert_eq!(wait(2_050 * MB), 1_000);
        assert_eq!(wait(60 * MB), 100);
        assert_eq!(wait(0), 1_000, "while the alarm is on");
    }

    #[test]
    fn a_journal_that_cannot_be_written_is_an_alarm_too() {
        let mut alarm = Alarm::new(50 * MB);
        assert_eq!(alarm.look(Some(90 * MB), true).changed, Some(true));
        assert_eq!(alarm.look(Some(9 * MB), false).changed, None);
        assert_eq!(alarm.look(Some(90 * MB), false).changed, Some(false));
    }

    #[test]
    fn what_cannot_be_seen_changes_nothing() {
        let mut alarm = Alarm::new(50 * MB);
        assert_eq!(alarm.look(None, false).changed, None);
        assert_eq!(alarm.look(Some(MB), false).changed, Some(true));
        assert_eq!(alarm.look(None, false).changed, None);
        assert_eq!(alarm.look(Some(90 * MB), false).changed, Some(false));
    }

    #[test]
    fn a_limit_of_zero_never_raises_it() {
        assert_eq!(Alarm::new(0).look(Some(0), false).changed, None);
    }

    #[test]
    fn the_monitor_tells_what_it_finds_and_ends_at_once() {
        let free = Arc::new(AtomicU64::new(MB));
        let failed = Arc::new(AtomicBool::new(false));
        let (told, tellings) = channel();
        let (their_free, their_failed) = (Arc::clone(&free), Arc::clone(&failed));
        let monitor = Monitor::start(Watched {
            limit: Arc::new(AtomicU64::new(50 * MB)),
            place: "here".to_owned(),
            free: Box::new(move || Ok(their_free.load(Ordering::Relaxed))),
            failed: Box::new(move || their_failed.load(Ordering::Relaxed)),
            set: Box::new(move |raised| told.send(raised).expect("the test listens")),
        })
        .expect("started");
        // Before start returned.
        assert_eq!(tellings.try_recv(), Ok(true));
        free.store(100_000 * MB, Ordering::Relaxed);
        assert_eq!(tellings.recv_timeout(PATIENCE), Ok(false));
        // The next look at the disk is ten seconds away, the one at the journal is not.
        let begun = Instant::now();
        failed.store(true, Ordering::Relaxed);
        assert_eq!(tellings.recv_timeout(PATIENCE), Ok(true));
        assert!(begun.elapsed() < Duration::from_secs(5));
        failed.store(false, Ordering::Relaxed);
        assert_eq!(tellings.recv_timeout(PATIENCE), Ok(false));
        let begun = Instant::now();
        monitor.stop();
        assert!(begun.elapsed() < Duration::from_secs(5));
    }
}
