//! `leveret perf queues`: many queues declared by one connection that does not wait for each answer.

use super::args::QueuesArgs;
use super::batch::{CHANNEL, short};
use super::client::{self, Client};
use super::fault::Fault;
use super::figures::{Figure, Subject, Unit, figure};
use super::opening::closed;
use super::process;
use super::progress::Progress;
use super::run::print;
use super::target::{Target, timed_out};
use super::walker::{Handler, Walker};
use crate::wire::method;
use amq_protocol::protocol::{AMQPClass, queue};
use amq_protocol::types::FieldTable;
use std::io::{Read, Write};
use std::process::ExitCode;
use std::time::{Duration, Instant};

/// A broker that has not answered anything for this long is given up.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(60);

/// Between the last answer and the look at the broker's memory.
const SETTLE: Duration = Duration::from_secs(1);

/// Runs all rounds and prints the result.
pub fn run(args: &QueuesArgs) -> Result<ExitCode, Fault> {
    let target: Target = args.uri.parse()?;
    let mut subject = Subject {
        name: target.to_string(),
        ..Subject::default()
    };
    for _ in 0..args.rounds {
        let figures = measure(&target, args)?;
        let details = figures
            .iter()
            .map(|figure| (figure.key.to_owned(), figure.value.into()))
            .collect();
        subject.details.push(serde_json::Value::Object(details));
        subject.rounds.push(figures);
    }
    let kind = if args.durable { "durable" } else { "transient" };
    print(
        &args.output,
        "queues",
        &format!("{} {kind} queues, declared by one connection", args.count),
        &[subject],
    );
    Ok(ExitCode::SUCCESS)
}

fn measure(target: &Target, args: &QueuesArgs) -> Result<Vec<Figure>, Fault> {
    let mut progress = Progress::new(args.output.quiet);
    progress.begin("");
    let client = Client::open(target, "leveret perf queues", Vec::new())?;
    let sample = || args.broker_pid.map(process::sample).transpose();
    let run = std::process::id();
    let arguments = args.queue_args.clone().unwrap_or_default();
    let declares = requests(
        args.count,
        |name| declare(name, args.durable, &arguments),
        run,
    )?;
    let deletes = requests(args.count, delete, run)?;
    let before = sample()?;
    let started = Instant::now();
    pipelined(
        &client,
        &declares,
        method::QUEUE_DECLARE_OK,
        args.count,
        "declared",
        &progress,
    )?;
    let seconds = started.elapsed().as_secs_f64();
    let declared = sample()?;
    std::thread::sleep(SETTLE);
    let settled = sample()?;
    let deleting = Instant::now();
    pipelined(
        &client,
        &deletes,
        method::QUEUE_DELETE_OK,
        args.count,
        "deleted",
        &progress,
    )?;
    let delete_seconds = deleting.elapsed().as_secs_f64();
    client::close(client.stream);
    let count = f64::from(args.count);
    let mut all = vec![
        figure("queues", "queues", Unit::Count, count),
        figure("declare_seconds", "declared in", Unit::Seconds, seconds),
        figure(
            "declare_rate",
            "declared a second",
            Unit::Rate,
            count / seconds,
        ),
        figure(
            "delete_seconds",
            "deleted in",
            Unit::Seconds,
            delete_seconds,
        ),
    ];
    if let (Some(before), Some(declared), Some(settled)) = (before, declared, settled) {
        let usage = before.until(&declared);
        let grown_kib = settled.memory.rss_kib.saturating_sub(before.memory.rss_kib) as f64;
        all.extend([
            figure(
                "broker_cpu_us_per_queue",
                "broker CPU a declare",
                Unit::Micros,
                usage.cpu_seconds * 1e6 / count,
            ),
            figure(
                "broker_kib_per_queue",
                "broker RSS a queue",
                Unit::Kib,
                grown_kib / count,
            ),
            figure(
                "broker_rss_kib",
                "broker RSS",
                Unit::Kib,
                settled.memory.rss_kib as f64,
            ),
        ]);
    }
    Ok(all)
}

/// One frame for each queue, in one buffer.
fn requests(
    count: u32,
    request: impl Fn(&str) -> Result<AMQPClass, Fault>,
    run: u32,
) -> Result<Vec<u8>, Fault> {
    let mut out = Vec::new();
    for number in 0..count {
        method::write(
            &mut out,
            CHANNEL,
            &request(&format!("perf-{run}-{number}"))?,
        );
    }
    Ok(out)
}

fn declare(name: &str, durable: bool, arguments: &FieldTable) -> Result<AMQPClass, Fault> {
    let declare = queue::Declare {
        queue: short(name)?,
        passive: false,
        durable,
        exclusive: false,
        auto_delete: false,
        nowait: false,
        arguments: arguments.clone(),
    };
    Ok(AMQPClass::Queue(queue::AMQPMethod::Declare(declare)))
}

fn delete(name: &str) -> Result<AMQPClass, Fault> {
    let delete = queue::Delete {
        queue: short(name)?,
        if_unused: false,
        if_empty: false,
        nowait: false,
    };
    Ok(AMQPClass::Queue(queue::AMQPMethod::Delete(delete)))
}

/// Writes on one thread and counts answers on this one.
fn pipelined(
    client: &Client,
    requests: &[u8],
    answer: u32,
    count: u32,
    done: &str,
    progress: &Progress,
) -> Result<(), Fault> {
    let mut reader = client.stream.try_clone()?;
    let mut writer = client.stream.try_clone()?;
    std::thread::scope(|scope| {
        let writing = scope.spawn(move || {
            let mut rest = requests;
            let mut moved = Instant::now();
            while !rest.is_empty() && moved.elapsed() < ANSWER_TIMEOUT {
                match writer.write(rest) {
                    Ok(sent) => {
                        rest = &rest[sent..];
                        moved = Instant::now();
                    }
                    Err(error) if timed_out(&error) => {}
                    Err(_) => return, // The reader hears why.
                }
            }
        });
        let outcome = answers(&mut reader, answer, count, done, progress);
        if outcome.is_err() {
            // Wakes the writer.
            let _ = reader.shutdown(std::net::Shutdown::Both);
        }
        let _ = writing.join();
        outcome
    })
}

fn answers(
    reader: &mut std::net::TcpStream,
    answer: u32,
    count: u32,
    done: &str,
    progress: &Progress,
) -> Result<(), Fault> {
    let mut answers = Answers {
        id: answer,
        count: 0,
    };
    let mut walker = Walker::default();
    let mut buffer = vec![0; 64 * 1024];
    let (mut heard, mut told) = (Instant::now(), Instant::now());
    while answers.count < count {
        match reader.read(&mut buffer) {
            Ok(0) => return Err(Fault::new("the broker closed the socket")),
            Ok(read) => {
                walker
                    .feed(&buffer[..read], &mut answers)
                    .map_err(|fault| fault.doing(format!("after {} queues", answers.count)))?;
                heard = Instant::now();
            }
            Err(error) if timed_out(&error) && heard.elapsed() < ANSWER_TIMEOUT => {}
            Err(error) if timed_out(&error) => {
                return Err(Fault::new(format!(
                    "no answer after {} queues",
                    answers.count
                )));
            }
            Err(error) => return Err(error.into()),
        }
        if told.elapsed() >= Duration::from_secs(1) {
            progress.say(&format!("{} {done}", answers.count));
            told = Instant::now();
        }
    }
    Ok(())
}

struct Answers {
    id: u32,
    count: u32,
}

impl Handler for Answers {
    fn delivered(&mut self, _: u64, _: &[u8]) {}

    fn method(&mut self, payload: &[u8]) -> Result<(), Fault> {
        if method::id(payload) == Some(self.id) {
            self.count += 1;
            return Ok(());
        }
        closed(payload).map_or(Ok(()), Err)
    }
}
