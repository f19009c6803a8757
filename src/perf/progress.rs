//! A line a second on stderr while a round runs.

use super::meter::{Percentiles, Samples};
use super::units::{micros, rate};
use super::watch::Moment;
use std::time::{Duration, Instant};

/// Where progress lines go.
#[derive(Debug)]
pub struct Progress {
    quiet: bool,
    label: String,
    started: Instant,
}

impl Progress {
    /// `quiet`: nowhere.
    pub fn new(quiet: bool) -> Progress {
        Progress {
            quiet,
            label: String::new(),
            started: Instant::now(),
        }
    }

    /// Begins a round; `label` stands before its lines.
    pub fn begin(&mut self, label: &str) {
        self.label = label.to_owned();
        self.started = Instant::now();
    }

    /// Everybody is connected: the time in the lines counts from here.
    pub fn start(&mut self) {
        self.started = Instant::now();
    }

    /// A line of free text.
    pub fn say(&self, text: &str) {
        if !self.quiet {
            eprintln!("{}{text}", self.label);
        }
    }

    /// What happened between two moments.
    pub fn line(
        &self,
        phase: &str,
        elapsed: Duration,
        last: &Moment,
        now: &Moment,
        samples: &Samples,
    ) {
        if self.quiet || elapsed.is_zero() {
            return;
        }
        let counts = now.counts.since(&last.counts);
        let seconds = elapsed.as_secs_f64();
        let each = |count: u64| rate(count as f64 / seconds);
        let mut line = format!(
            "{:>5.1} s  published {:>11}  consumed {:>11}",
            self.started.elapsed().as_secs_f64(),
            each(counts.published),
            each(counts.consumed)
        );
        if counts.confirmed + counts.nacked > 0 {
            line.push_str(&format!("  confirmed {:>11}", each(counts.confirmed)));
        }
        if counts.nacked + counts.returned > 0 {
            line.push_str(&format!(
                "  nacked {}  returned {}",
                counts.nacked, counts.returned
            ));
        }
        if let Some(latency) =
            Percentiles::of(&samples.latency).or_else(|| Percentiles::of(&samples.confirm))
        {
            line.push_str(&format!(
                "  p50 {:>8}  p99 {:>8}",
                micros(latency.p50),
                micros(latency.p99)
            ));
        }
        if let (Some(before), Some(after)) = (&last.broker, &now.broker) {
            let usage = before.until(after);
            let messages = counts.consumed.max(counts.published).max(1);
            let cpu_us = usage.cpu_seconds * 1e6 / messages as f64;
            line.push_str(&format!(
                "  broker {cpu_us:.2} µs/msg {:.2} cores {} MiB",
                usage.cores,
                after.memory.rss_kib / 1024
            ));
        }
        if !phase.is_empty() {
            line.push_str(&format!("  ({phase})"));
        }
        eprintln!("{}{line}", self.label);
    }
}
