//! Watches a running round: warm-up, the measured interval, its end, and what it cost. The result is a [`Round`].

use super::fault::Fault;
use super::interrupt;
use super::load::{Length, Load};
use super::meter::{Board, Counts, Percentiles, Samples};
use super::process::{self, Memory, Sample};
use super::progress::Progress;
use super::stamp::now_ns;
use serde::Serialize;
use std::sync::Barrier;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

/// How often the end of a counted round is looked for.
const POLL: Duration = Duration::from_millis(5);

/// How often a signal, a fault and the end of a timed round are looked for.
const LOOK: Duration = Duration::from_millis(100);

/// A counted round without any progress for this long is over: messages were lost or went elsewhere.
const STALLED: Duration = Duration::from_secs(5);

/// The same when it is not known how many deliveries will come.
const QUIET: Duration = Duration::from_secs(1);
/// Producers' threads are named this and a number.
pub const PRODUCER_THREAD: &str = "perf-p";

/// Consumers' threads are named this and a number.
pub const CONSUMER_THREAD: &str = "perf-c";

/// The figures of one round. Rates are a second, times are in microseconds, memory is in KiB.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Round {
    /// Measured interval in seconds.
    pub seconds: f64,
    /// Messages published in it.
    pub published: u64,
    /// Messages consumed in it.
    pub consumed: u64,
    /// Messages confirmed in it.
    pub confirmed: u64,
    /// Messages nacked in it.
    pub nacked: u64,
    /// Mandatory messages returned in it.
    pub returned: u64,
    /// Published a second.
    pub publish_rate: f64,
    /// Consumed a second.
    pub consume_rate: f64,
    /// From publish to delivery.
    pub latency_us: Option<Percentiles>,
    /// From publish to confirm.
    pub confirm_us: Option<Percentiles>,
    /// The broker's process.
    pub broker: Option<Cost>,
    /// This process.
    pub generator: Option<Own>,
    /// How often the broker said connection.blocked.
    pub blocked: u64,
    /// What went wrong.
    pub faults: Vec<String>,
    /// What the user should know.
    pub notes: Vec<String>,
}

/// What the broker paid.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Cost {
    /// CPU microseconds for each message: consumed ones, or published ones when nobody consumes.
    pub cpu_us_per_message: f64,
    /// The part in user mode; None when too little was used to tell.
    pub user_us_per_message: Option<f64>,
    /// The part in system mode.
    pub system_us_per_message: Option<f64>,
    /// CPU seconds a second.
    pub cores: f64,
    /// Resident memory at the end of the interval.
    pub rss_kib: u64,
    /// The highest seen in the round, once a second.
    pub rss_max_kib: u64,
    /// The highest since the process started.
    pub rss_peak_kib: u64,
}

/// What this program paid.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Own {
    /// CPU seconds a second.
    pub cores: f64,
    /// CPU microseconds of all threads for each message.
    pub cpu_us_per_message: f64,
    /// Of the producers, for each published message.
    pub producer_us_per_message: f64,
    /// Of the consumers, for each consumed message.
    pub consumer_us_per_message: f64,
}
/// Everything at one moment.
#[derive(Clone, Debug)]
pub struct Moment {
    at: Instant,
    at_ns: u64,
    /// Messages so far.
    pub counts: Counts,
    /// The broker's process.
    pub broker: Option<Sample>,
    own: Option<Sample>,
}

impl Moment {
    /// Looks around.
    fn now(board: &Board, broker_pid: Option<u32>) -> Result<Moment, Fault> {
        Ok(Moment {
            at: Instant::now(),
            at_ns: now_ns(),
            counts: board.counts(),
            broker: broker_pid.map(process::sample).transpose()?,
            own: process::sample(std::process::id()).ok(),
        })
    }
}

/// Lets everybody start, and looks on until the round is over. The caller then stops everybody.
pub fn watch(
    load: &Load,
    broker_pid: Option<u32>,
    board: &Board,
    start: &Barrier,
    progress: &mut Progress,
) -> Result<Round, Fault> {
    let first = Moment::now(board, broker_pid);
    progress.start();
    start.wait(); // Whatever happened: everybody waits there.
    let mut first = first?;
    let mut rss_max_kib = 0;
    let mut tick = |last: &mut Moment, samples: &Samples, phase: &str| {
        let now = Moment::now(board, broker_pid)?;
        rss_max_kib = rss_max_kib.max(
            now.broker
                .as_ref()
                .map_or(0, |broker| broker.memory.rss_kib),
        );
        progress.line(phase, last.at.elapsed(), last, &now, samples);
        *last = now;
        Ok::<_, Fault>(())
    };
    let mut last = first.clone();
    if !load.warmup.is_zero() {
        let end = Instant::now() + load.warmup;
        while Instant::now() < end && !board.failed() && !interrupt::requested() {
            let left = end - Instant::now();
            std::thread::sleep(left.min(LOOK));
            if last.at.elapsed() >= Duration::from_secs(1) || Instant::now() >= end {
                tick(&mut last, &board.take_samples(), "warm-up")?;
            }
        }
        board.take_samples();
        first = Moment::now(board, broker_pid)?;
        last = first.clone();
    }
    let mut samples = Samples::new();
    let mut next_tick = first.at + Duration::from_secs(1);
    let mut stall = Stall {
        counts: first.counts,
        since: first.at,
    };
    let complete = loop {
        let now = Instant::now();
        let finished = finished(load, board, first.at.elapsed(), &mut stall);
        if now >= next_tick && finished.is_none() {
            let second = board.take_samples();
            samples.add(&second);
            tick(&mut last, &second, "")?;
            next_tick += Duration::from_secs(1);
        }
        if let Some(complete) = finished {
            break complete;
        }
        let until_tick = next_tick.saturating_duration_since(Instant::now());
        std::thread::sleep(match load.length {
            Length::Time(length) => (first.at + length)
                .saturating_duration_since(Instant::now())
                .min(until_tick)
                .min(LOOK),
            Length::Count { .. } => POLL.min(until_tick),
        });
    };
    let end = Moment::now(board, broker_pid)?;
    samples.add(&board.take_samples());
    let seconds = match complete {
        // A counted round ends with its last message, not when we noticed.
        Some(active_ns) => active_ns.saturating_sub(first.at_ns).max(1) as f64 / 1e9,
        None => (end.at - first.at).as_secs_f64(),
    };
    let mut round = figures(load, &first, &end, seconds, &samples);
    if let Some(broker) = &mut round.broker {
        broker.rss_max_kib = rss_max_kib.max(broker.rss_kib);
    }
    round.blocked = board.blocked.load(Relaxed);
    round.faults = board.faults().iter().map(ToString::to_string).collect();
    Ok(round)
}

/// Since when nothing has moved.
struct Stall {
    counts: Counts,
    since: Instant,
}

impl Stall {
    /// Looks again; since when the counts have been what they are.
    fn look(&mut self, board: &Board) -> Instant {
        let counts = board.counts();
        if counts != self.counts {
            *self = Stall {
                counts,
                since: Instant::now(),
            };
        }
        self.since
    }
}

/// Some when the round is over; with the time of its last message when that ended it.
fn finished(
    load: &Load,
    board: &Board,
    elapsed: Duration,
    stall: &mut Stall,
) -> Option<Option<u64>> {
    if board.failed() || interrupt::requested() {
        return Some(None);
    }
    let (published, consumed, at_most) = match load.length {
        Length::Time(length) if elapsed >= length => return Some(None),
        // Nobody publishes and nothing comes any more: what there was is consumed.
        Length::Time(_) if load.producers == 0 => {
            let quiet = stall.look(board).elapsed() > QUIET && stall.counts.consumed > 0;
            return quiet.then(|| Some(board.active_ns()));
        }
        Length::Time(_) => return None,
        Length::Count {
            published,
            consumed,
            at_most,
        } => (published, consumed, at_most),
    };
    if at_most.is_some_and(|at_most| elapsed >= at_most) {
        return Some(None);
    }
    let quiet = stall.look(board).elapsed();
    let counts = stall.counts;
    let to_publish = published.map(|each| each * load.producers as u64);
    let all_sent = to_publish.is_none_or(|all| counts.published >= all);
    // Without confirms a publisher only knows what its own socket took.
    let all_drained =
        load.confirm.is_some() || load.consumers > 0 || counts.drained >= load.producers as u64;
    let all_confirmed = load.confirm.is_none()
        || to_publish.is_none_or(|all| counts.confirmed + counts.nacked >= all);
    let all_published = all_sent && all_drained && all_confirmed;
    let to_consume = match (consumed, to_publish, load.copies()) {
        _ if load.consumers == 0 => Some(0),
        (Some(each), _, _) => Some(each * load.consumers as u64),
        (None, Some(all), Some(copies)) => Some(all * copies),
        _ => None,
    };
    let over = match to_consume {
        Some(all) => (all_published || consumed.is_some()) && counts.consumed >= all,
        None => all_published && quiet > QUIET,
    };
    (over || (quiet > STALLED && elapsed > STALLED)).then(|| Some(board.active_ns()))
}

fn figures(load: &Load, first: &Moment, end: &Moment, seconds: f64, samples: &Samples) -> Round {
    let counts = end.counts.since(&first.counts);
    let messages = if load.consumers > 0 {
        counts.consumed
    } else {
        counts.published
    };
    let each = |cpu_seconds: f64, messages: u64| {
        if messages == 0 {
            0.0
        } else {
            cpu_seconds * 1e6 / messages as f64
        }
    };
    let broker = first
        .broker
        .as_ref()
        .zip(end.broker.as_ref())
        .map(|(first, end)| {
            let usage = first.until(end);
            let Memory { rss_kib, peak_kib } = end.memory;
            let cpu_us_per_message = each(usage.cpu_seconds, messages);
            Cost {
                cpu_us_per_message,
                user_us_per_message: usage.user_share.map(|user| cpu_us_per_message * user),
                system_us_per_message: usage
                    .user_share
                    .map(|user| cpu_us_per_message * (1.0 - user)),
                cores: usage.cpu_seconds / seconds,
                rss_kib,
                rss_max_kib: rss_kib,
                rss_peak_kib: peak_kib,
            }
        });
    let generator = first
        .own
        .as_ref()
        .zip(end.own.as_ref())
        .map(|(first, end)| {
            let usage = first.until(end);
            Own {
                cores: usage.cpu_seconds / seconds,
                cpu_us_per_message: each(usage.cpu_seconds, messages),
                producer_us_per_message: each(
                    first.threads_until(end, PRODUCER_THREAD) as f64 / 1e9,
                    counts.published,
                ),
                consumer_us_per_message: each(
                    first.threads_until(end, CONSUMER_THREAD) as f64 / 1e9,
                    counts.consumed,
                ),
            }
        });
    Round {
        seconds,
        published: counts.published,
        consumed: counts.consumed,
        confirmed: counts.confirmed,
        nacked: counts.nacked,
        returned: counts.returned,
        publish_rate: counts.published as f64 / seconds,
        consume_rate: counts.consumed as f64 / seconds,
        latency_us: Percentiles::of(&samples.latency),
        confirm_us: Percentiles::of(&samples.confirm),
        broker,
        generator,
        ..Round::default()
    }
}
