//! `leveret perf connections`: many connections with one channel each. How fast they open, what the broker pays for each, and
//! what it holds for each while they are idle.

use super::args::ConnectionsArgs;
use super::fault::Fault;
use super::figures::{Figure, Subject, Unit, figure};
use super::many;
use super::opening::Opening;
use super::process::{self, Sample};
use super::progress::Progress;
use super::run::print;
use super::target::Target;
use super::units::rate;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::time::{Duration, Instant};
use tokio::net::TcpStream;
use tokio::task::{JoinSet, LocalSet};

/// Between two rounds: the broker buries the connections of the last one.
const PAUSE: Duration = Duration::from_secs(1);

/// Descriptors beside the connections.
const DESCRIPTORS_SPARE: u64 = 64;

/// Runs all rounds and prints the result.
pub fn run(args: &ConnectionsArgs) -> Result<ExitCode, Fault> {
    let target: Target = args.uri.parse()?;
    let allowed = rlimit::increase_nofile_limit(u64::from(args.count) + DESCRIPTORS_SPARE)?;
    if allowed < u64::from(args.count) + DESCRIPTORS_SPARE {
        return Err(Fault::new(format!(
            "{} connections need more file descriptors than the {allowed} allowed here",
            args.count
        )));
    }
    let mut subject = Subject {
        name: target.to_string(),
        ..Subject::default()
    };
    for round in 0..args.rounds {
        let mut progress = Progress::new(args.output.quiet);
        progress.begin("");
        if round > 0 {
            std::thread::sleep(PAUSE);
        }
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let figures = LocalSet::new().block_on(&runtime, measure(&target, args, &progress))?;
        let details = figures
            .iter()
            .map(|figure| (figure.key.to_owned(), figure.value.into()))
            .collect();
        subject.details.push(serde_json::Value::Object(details));
        subject.rounds.push(figures);
    }
    let load = format!(
        "{} connections with one channel each, {} opening at a time",
        args.count, args.parallel
    );
    print(&args.output, "connections", &load, &[subject]);
    Ok(ExitCode::SUCCESS)
}

async fn measure(
    target: &Target,
    args: &ConnectionsArgs,
    progress: &Progress,
) -> Result<Vec<Figure>, Fault> {
    let sample = || args.broker_pid.map(process::sample).transpose();
    let before = sample()?;
    let started = Instant::now();
    let streams = open_all(target, args, progress).await?;
    let seconds = started.elapsed().as_secs_f64();
    let opened = sample()?;
    tokio::time::sleep(args.hold).await;
    let held = sample()?;
    let closing = Instant::now();
    close_all(streams).await;
    let closed_seconds = closing.elapsed().as_secs_f64();
    Ok(figures(
        args.count.into(),
        seconds,
        closed_seconds,
        before.zip(opened).zip(held),
    ))
}

fn figures(
    count: f64,
    seconds: f64,
    closed_seconds: f64,
    broker: Option<((Sample, Sample), Sample)>,
) -> Vec<Figure> {
    let mut all = vec![
        figure("connections", "connections", Unit::Count, count),
        figure("connect_seconds", "opened in", Unit::Seconds, seconds),
        figure(
            "connect_rate",
            "opened a second",
            Unit::Rate,
            count / seconds,
        ),
        figure(
            "close_rate",
            "closed a second",
            Unit::Rate,
            count / closed_seconds,
        ),
    ];
    if let Some(((before, opened), held)) = broker {
        let usage = before.until(&opened);
        let grown_kib = held.memory.rss_kib.saturating_sub(before.memory.rss_kib) as f64;
        all.extend([
            figure(
                "broker_cpu_us_per_connect",
                "broker CPU a connect",
                Unit::Micros,
                usage.cpu_seconds * 1e6 / count,
            ),
            figure(
                "broker_kib_per_connection",
                "broker RSS a connection",
                Unit::Kib,
                grown_kib / count,
            ),
            figure(
                "broker_rss_kib",
                "broker RSS",
                Unit::Kib,
                held.memory.rss_kib as f64,
            ),
            figure(
                "broker_rss_before_kib",
                "  before",
                Unit::Kib,
                before.memory.rss_kib as f64,
            ),
            figure(
                "broker_idle_cores",
                "broker cores while idle",
                Unit::Plain,
                opened.until(&held).cores,
            ),
        ]);
    }
    all
}

async fn open_all(
    target: &Target,
    args: &ConnectionsArgs,
    progress: &Progress,
) -> Result<Vec<TcpStream>, Fault> {
    let address = target.address()?;
    let next = Arc::new(AtomicU32::new(0));
    let mut openers = JoinSet::new();
    for _ in 0..args.parallel.min(args.count) {
        let (next, target, count) = (next.clone(), target.clone(), args.count);
        openers.spawn_local(async move {
            let mut streams = Vec::new();
            loop {
                let number = next.fetch_add(1, Relaxed);
                if number >= count {
                    return Ok::<_, Fault>(streams);
                }
                let opening = Opening::new(&target, &format!("leveret perf {number}"), Vec::new());
                streams.push(
                    many::open(address, opening)
                        .await
                        .map_err(|fault| fault.doing(format!("connection {number}")))?
                        .stream,
                );
            }
        });
    }
    let mut streams = Vec::new();
    let mut last = (Instant::now(), 0);
    while !openers.is_empty() {
        let second = Duration::from_secs(1).saturating_sub(last.0.elapsed());
        match tokio::time::timeout(second, openers.join_next()).await {
            Ok(Some(Ok(opened))) => streams.extend(opened?),
            Ok(Some(Err(error))) => return Err(Fault::new(error.to_string())),
            Ok(None) => break,
            Err(_) => {
                let opened = next.load(Relaxed).min(args.count);
                progress.say(&format!(
                    "{opened} opened, {}",
                    rate(f64::from(opened - last.1) / last.0.elapsed().as_secs_f64())
                ));
                last = (Instant::now(), opened);
            }
        }
    }
    Ok(streams)
}

async fn close_all(streams: Vec<TcpStream>) {
    let mut closing = JoinSet::new();
    for stream in streams {
        closing.spawn_local(many::close(stream));
    }
    while closing.join_next().await.is_some() {}
}
