//! What the connections of a load count, and what the round that watches them reads. One owner of each meter's numbers writes,
//! the round only reads: a few relaxed atomics a batch.

use super::fault::Fault;
use super::stamp;
use hdrhistogram::Histogram;
use parking_lot::Mutex;
use serde::Serialize;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};

/// Counters of one connection, or of all connections of one driver.
#[derive(Debug)]
pub struct Meter {
    /// Messages handed to the socket.
    pub published: AtomicU64,
    /// Messages acked by the broker.
    pub confirmed: AtomicU64,
    /// Messages nacked by the broker.
    pub nacked: AtomicU64,
    /// Mandatory messages sent back.
    pub returned: AtomicU64,
    /// Deliveries received.
    pub consumed: AtomicU64,
    /// Producers whose last message the broker has taken off the socket.
    pub drained: AtomicU64,
    /// When the last message was published, consumed or confirmed (`stamp::now_ns`).
    pub active_ns: AtomicU64,
    samples: Mutex<Samples>,
}

/// Times in nanoseconds since the round last took them.
#[derive(Clone, Debug)]
pub struct Samples {
    /// From publish to delivery.
    pub latency: Histogram<u64>,
    /// From publish to confirm.
    pub confirm: Histogram<u64>,
}

impl Samples {
    /// Empty.
    pub fn new() -> Samples {
        let histogram = || Histogram::new(3).expect("3 significant digits are allowed");
        Samples {
            latency: histogram(),
            confirm: histogram(),
        }
    }

    /// Adds another's times.
    pub fn add(&mut self, other: &Samples) {
        // Both grow by themselves, so that adding cannot fail.
        let _ = self.latency.add(&other.latency);
        let _ = self.confirm.add(&other.confirm);
    }

    fn clear(&mut self) {
        self.latency.clear();
        self.confirm.clear();
    }
}

impl Default for Meter {
    fn default() -> Meter {
        let zero = AtomicU64::default;
        Meter {
            published: zero(),
            confirmed: zero(),
            nacked: zero(),
            returned: zero(),
            consumed: zero(),
            drained: zero(),
            active_ns: zero(),
            samples: Mutex::new(Samples::new()),
        }
    }
}

impl Meter {
    /// Adds to a counter and notes that something happened at `now_ns`.
    #[inline]
    pub fn count(&self, counter: &AtomicU64, more: u64, now_ns: u64) {
        counter.fetch_add(more, Relaxed);
        self.active_ns.store(now_ns, Relaxed);
    }

    /// Adds delivery latencies.
    pub fn latencies(&self, times_ns: &[u64]) {
        if !times_ns.is_empty() {
            let mut samples = self.samples.lock();
            for time_ns in times_ns {
                let _ = samples.latency.record(*time_ns); // Grows by itself.
            }
        }
    }

    /// Adds confirm latencies.
    pub fn confirm_times(&self, times_ns: &[u64]) {
        if !times_ns.is_empty() {
            let mut samples = self.samples.lock();
            for time_ns in times_ns {
                let _ = samples.confirm.record(*time_ns);
            }
        }
    }

    fn take_samples(&self, into: &mut Samples) {
        let mut samples = self.samples.lock();
        into.add(&samples);
        samples.clear();
    }
}

/// All meters' counters at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// See [`Meter::published`].
    pub published: u64,
    /// See [`Meter::confirmed`].
    pub confirmed: u64,
    /// See [`Meter::nacked`].
    pub nacked: u64,
    /// See [`Meter::returned`].
    pub returned: u64,
    /// See [`Meter::consumed`].
    pub consumed: u64,
    /// See [`Meter::drained`].
    pub drained: u64,
}

impl Counts {
    /// What came in since `earlier`.
    pub fn since(&self, earlier: &Counts) -> Counts {
        Counts {
            published: self.published - earlier.published,
            confirmed: self.confirmed - earlier.confirmed,
            nacked: self.nacked - earlier.nacked,
            returned: self.returned - earlier.returned,
            consumed: self.consumed - earlier.consumed,
            drained: self.drained - earlier.drained,
        }
    }
}

/// What the threads of a round share.
#[derive(Debug, Default)]
pub struct Board {
    meters: Mutex<Vec<std::sync::Arc<Meter>>>,
    stopping: AtomicBool,
    /// The broker said connection.blocked this many times.
    pub blocked: AtomicU64,
    faults: Mutex<Vec<Fault>>,
}

/// More faults than this are only counted in a round's result.
const FAULTS_MAX: usize = 8;

impl Board {
    /// A new meter that the round will read.
    pub fn meter(&self) -> std::sync::Arc<Meter> {
        let meter = std::sync::Arc::new(Meter::default());
        self.meters.lock().push(meter.clone());
        meter
    }

    /// Everybody is to end.
    #[inline]
    pub fn stopping(&self) -> bool {
        self.stopping.load(Relaxed)
    }

    /// Tells everybody to end.
    pub fn stop(&self) {
        self.stopping.store(true, Relaxed);
    }

    /// A connection failed: the round ends, unless it is ending anyway.
    pub fn fail(&self, fault: Fault) {
        if !self.stopping() {
            let mut faults = self.faults.lock();
            if faults.len() < FAULTS_MAX {
                faults.push(fault);
            }
        }
    }

    /// What failed so far.
    pub fn faults(&self) -> Vec<Fault> {
        self.faults.lock().clone()
    }

    /// Something failed.
    pub fn failed(&self) -> bool {
        !self.faults.lock().is_empty()
    }

    /// Sums all counters.
    pub fn counts(&self) -> Counts {
        let mut sum = Counts::default();
        for meter in self.meters.lock().iter() {
            sum.published += meter.published.load(Relaxed);
            sum.confirmed += meter.confirmed.load(Relaxed);
            sum.nacked += meter.nacked.load(Relaxed);
            sum.returned += meter.returned.load(Relaxed);
            sum.consumed += meter.consumed.load(Relaxed);
            sum.drained += meter.drained.load(Relaxed);
        }
        sum
    }

    /// When anything last happened.
    pub fn active_ns(&self) -> u64 {
        let meters = self.meters.lock();
        meters
            .iter()
            .map(|meter| meter.active_ns.load(Relaxed))
            .max()
            .unwrap_or_else(stamp::now_ns)
    }

    /// The times since the last call.
    pub fn take_samples(&self) -> Samples {
        let mut all = Samples::new();
        for meter in self.meters.lock().iter() {
            meter.take_samples(&mut all);
        }
        all
    }
}

/// A distribution of times in microseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Percentiles {
    /// Half are at most this.
    pub p50: f64,
    /// 95 % are.
    pub p95: f64,
    /// 99 % are.
    pub p99: f64,
    /// 99.9 % are.
    pub p99_9: f64,
    /// The largest.
    pub max: f64,
    /// How many were measured.
    pub samples: u64,
}

impl Percentiles {
    /// None of an empty histogram.
    pub fn of(histogram: &Histogram<u64>) -> Option<Percentiles> {
        let at = |quantile| histogram.value_at_quantile(quantile) as f64 / 1e3;
        (!histogram.is_empty()).then(|| Percentiles {
            p50: at(0.5),
            p95: at(0.95),
            p99: at(0.99),
            p99_9: at(0.999),
            max: histogram.max() as f64 / 1e3,
            samples: histogram.len(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_in_microseconds() {
        let board = Board::default();
        let meter = board.meter();
        meter.latencies(&(1..=1000).map(|us| us * 1000).collect::<Vec<_>>());
        let times = Percentiles::of(&board.take_samples().latency).unwrap();
        for (time, expected) in [
            (times.p50, 500.0),
            (times.p95, 950.0),
            (times.p99, 990.0),
            (times.p99_9, 999.0),
            (times.max, 1000.0),
        ] {
            assert!(
                (time - expected).abs() <= expected / 500.0,
                "{time} for {expected}"
            );
        }
        assert_eq!(times.samples, 1000);
        assert_eq!(
            Percentiles::of(&board.take_samples().latency),
            None,
            "taken once"
        );
    }

    #[test]
    fn counts_are_sums_over_all_meters() {
        let board = Board::default();
        let (one, two) = (board.meter(), board.meter());
        one.count(&one.published, 5, 10);
        two.count(&two.published, 6, 30);
        let before = board.counts();
        one.count(&one.consumed, 2, 20);
        assert_eq!(before.published, 11);
        assert_eq!(
            board.counts().since(&before),
            Counts {
                consumed: 2,
                ..Counts::default()
            }
        );
        assert_eq!(board.active_ns(), 30);
    }

    #[test]
    fn a_fault_after_the_end_is_none() {
        let board = Board::default();
        board.fail(Fault::new("first"));
        board.stop();
        board.fail(Fault::new("second"));
        assert_eq!(board.faults(), [Fault::new("first")]);
    }
}
