//! The keeper's thread: loops over its steps, sleeps in between, writes the last checkpoint when it is stopped.

use std::io;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use parking_lot::{Condvar, Mutex};

use super::Keeper;
use crate::store::Wait;

/// The last checkpoint of a run waits for the disk at most so long, milliseconds; without it the next start replays.
const STOP_MS: u64 = 30_000;

#[derive(Default)]
struct Shared {
    stopping: Mutex<bool>,
    wake: Condvar,
}

/// A keeper's thread.
pub struct Running {
    shared: Arc<Shared>,
    thread: JoinHandle<()>,
}

impl Keeper {
    /// Starts the thread; `clock` gives milliseconds since the epoch.
    pub fn run(self, clock: impl Fn() -> u64 + Send + 'static) -> io::Result<Running> {
        let shared = Arc::new(Shared::default());
        let theirs = Arc::clone(&shared);
        let thread = std::thread::Builder::new()
            .name("keeper".to_owned())
            .spawn(move || self.work(&theirs, clock))?;
        Ok(Running { shared, thread })
    }

    fn work(mut self, shared: &Shared, clock: impl Fn() -> u64) {
        loop {
            let wait = self.step(clock());
            self.report();
            let mut stopping = shared.stopping.lock();
            if *stopping {
                break;
            }
            match wait {
                Wait::Work => {}
                Wait::Until(at) => {
                    let pause = Duration::from_millis(at.saturating_sub(clock()));
                    shared.wake.wait_for(&mut stopping, pause);
                }
                Wait::Forever => shared.wake.wait(&mut stopping),
            }
        }
        self.begin_clean_stop();
        let until = clock() + STOP_MS;
        while self.is_in_checkpoint() && clock() < until {
            if let Wait::Until(at) = self.step(clock()) {
                std::thread::sleep(Duration::from_millis(at.saturating_sub(clock())));
            }
        }
        self.report();
    }

    fn report(&mut self) {
        for report in self.take_reports() {
            tracing::error!("{report}");
        }
    }
}

impl Running {
    /// Writes the last checkpoint and ends the thread. The caller has ended all that changes queues and definitions, and the
    /// journal's thread is still running.
    pub fn stop(self) {
        *self.shared.stopping.lock() = true;
        self.shared.wake.notify_all();
        // A keeper that has panicked has written no checkpoint: the next start replays, and nothing is lost.
        let _ = self.thread.join();
    }
}
