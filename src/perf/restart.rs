//! `leveret perf restart`: how soon a Leveret with a backlog delivers again, after a clean stop and after kill -9.
//!
//! It starts this same program with the data directory given, and ends it. The time runs from the start of the process to the
//! first message that a consumer gets; the message goes back, so the backlog stays as it is. Before the kill it publishes for a
//! while to a queue of its own, so that there is something behind the last checkpoint; that queue is deleted afterwards.

use super::args::{PerfArgs, RestartArgs};
use super::client::{self, Client};
use super::fault::Fault;
use super::figures::{Figure, Subject, Unit, figure};
use super::load::{Length, Load};
use super::process;
use super::progress::Progress;
use super::round::{Endpoint, measure};
use super::run::print;
use super::target::Target;
use super::topology;
use clap::Parser;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

/// A broker that has not ended after this long is given up.
const END_TIMEOUT: Duration = Duration::from_secs(60);
/// A broker that has delivered nothing after this long has nothing to deliver.
const DELIVERY_TIMEOUT: Duration = Duration::from_secs(60);
/// What a broker logs once it listens.
const LISTENING: &str = "listening amqp ";
/// Exchange through which a backlog is spread over several queues, and queue of the load before a kill.
const OWN_NAME: &str = "perf-restart";

/// Runs all rounds and prints the result.
pub fn run(args: &RestartArgs) -> Result<ExitCode, Fault> {
    let mut progress = Progress::new(args.output.quiet);
    progress.begin("");
    if args.backlog.is_some() {
        let broker = Broker::start(args)?;
        fill(args, &broker, &mut progress)?;
        broker.stop()?;
    }
    let mut subject = Subject {
        name: args.data_dir.display().to_string(),
        ..Subject::default()
    };
    for _ in 0..args.rounds {
        let figures = round(args, &mut progress)?;
        let details = figures
            .iter()
            .map(|figure| (figure.key.to_owned(), figure.value.into()))
            .collect();
        subject.details.push(serde_json::Value::Object(details));
        subject.rounds.push(figures);
    }
    let queue = first_queue(args)?;
    print(
        &args.output,
        "restart",
        &format!("start of the process to the first delivery of queue '{queue}'"),
        &[subject],
    );
    Ok(ExitCode::SUCCESS)
}

fn round(args: &RestartArgs, progress: &mut Progress) -> Result<Vec<Figure>, Fault> {
    let stop_seconds = Broker::start(args)?.stop()?;
    progress.say("after a clean stop");
    let broker = Broker::start(args)?;
    let clean = broker.first_delivery(args)?;
    let load = load(args)?;
    if let Some(load) = &load {
        progress.say("load before the kill");
        let endpoint = Endpoint::Broker(broker.target.clone());
        let published = measure(&endpoint, load, None, std::process::id(), progress)?;
        if let Some(fault) = published.faults.first() {
            return Err(Fault::new(fault.clone()));
        }
    }
    broker.kill()?;
    progress.say("after the kill");
    let broker = Broker::start(args)?;
    let killed = broker.first_delivery(args)?;
    if load.is_some() {
        let mut client = Client::open(&broker.target, "leveret perf restart", Vec::new())?;
        client.call(topology::delete_queue(OWN_NAME)?)?;
        client::close(client.stream);
    }
    broker.stop()?;
    let micros = |time: Duration| time.as_secs_f64() * 1e6;
    let mut all = vec![
        figure(
            "clean_listening_us",
            "clean: listening after",
            Unit::Micros,
            micros(clean.listening),
        ),
        figure(
            "clean_delivery_us",
            "clean: first delivery after",
            Unit::Micros,
            micros(clean.delivery),
        ),
        figure(
            "clean_rss_kib",
            "clean: broker RSS then",
            Unit::Kib,
            clean.rss_kib as f64,
        ),
        figure(
            "killed_listening_us",
            "killed: listening after",
            Unit::Micros,
            micros(killed.listening),
        ),
        figure(
            "killed_delivery_us",
            "killed: first delivery after",
            Unit::Micros,
            micros(killed.delivery),
        ),
        figure(
            "killed_rss_kib",
            "killed: broker RSS then",
            Unit::Kib,
            killed.rss_kib as f64,
        ),
    ];
    all.push(figure(
        "stop_seconds",
        "clean stop took",
        Unit::Seconds,
        stop_seconds,
    ));
    Ok(all)
}

/// What one start took.
struct Timing {
    listening: Duration,
    delivery: Duration,
    rss_kib: u64,
}

/// A broker that runs; killed when dropped.
struct Broker {
    child: Child,
    target: Target,
    started: Instant,
    listening: Duration,
}

impl Broker {
    /// Starts this program and waits until it listens.
    fn start(args: &RestartArgs) -> Result<Self, Fault> {
        let failed = |error: std::io::Error| Fault::from(error).doing("starting the broker");
        let program = std::env::current_exe().map_err(failed)?;
        let mut command = Command::new(program);
        command.arg("serve").arg("--data-dir").arg(&args.data_dir);
        for set in &args.set {
            command.args(["--set", set]);
        }
        command
            .args(["--set", "listeners.tcp.default=127.0.0.1:0"])
            .args(["--set", "management.tcp.port=none"])
            .args(["--set", "log.console.level=info"])
            .stdin(Stdio::null())
            .stdout(Stdio::piped());
        let started = Instant::now();
        let mut child = command.spawn().map_err(failed)?;
        let mut lines = BufReader::new(child.stdout.take().expect("its stdout is piped")).lines();
        let address = loop {
            match lines.next() {
                Some(Ok(line)) => {
                    if let Some((_, address)) = line.split_once(LISTENING) {
                        break address.trim().to_owned();
                    }
                }
                Some(Err(_)) | None => {
                    let _ = child.wait();
                    return Err(Fault::new("the broker did not start"));
                }
            }
        };
        let listening = started.elapsed();
        // What it logs from now on is nobody's business, but must not fill the pipe.
        std::thread::spawn(move || lines.map_while(Result::ok).for_each(drop));
        Ok(Broker {
            child,
            target: format!("amqp://guest:guest@{address}/%2F").parse()?,
            started,
            listening,
        })
    }

    /// Consumes until the first message has come, and gives it back.
    fn first_delivery(&self, args: &RestartArgs) -> Result<Timing, Fault> {
        let line = ["perf", "-q", "1", "-u", &first_queue(args)?];
        let load = Load::new(&parsed(&line)?)?;
        let requests = topology::consumer_requests(&load, 0)?;
        let mut client = Client::open(&self.target, "leveret perf restart", requests)?;
        if !client.wait_for_delivery(DELIVERY_TIMEOUT)? {
            return Err(Fault::new(format!(
                "queue '{}' delivers nothing: build a backlog in it first (--backlog N)",
                first_queue(args)?
            )));
        }
        let delivery = self.started.elapsed();
        let rss_kib = process::sample(self.child.id())?.memory.rss_kib;
        client::close(client.stream);
        Ok(Timing {
            listening: self.listening,
            delivery,
            rss_kib,
        })
    }

    /// SIGTERM, and the seconds until it has ended.
    fn stop(mut self) -> Result<f64, Fault> {
        let id = i32::try_from(self.child.id()).expect("process numbers are that small");
        let begun = Instant::now();
        kill(Pid::from_raw(id), Signal::SIGTERM).map_err(std::io::Error::from)?;
        while begun.elapsed() < END_TIMEOUT {
            if let Some(status) = self.child.try_wait()? {
                if status.success() {
                    return Ok(begun.elapsed().as_secs_f64());
                }
                return Err(Fault::new(format!("the broker ended with {status}")));
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        Err(Fault::new("the broker does not end"))
    }

    /// kill -9.
    fn kill(mut self) -> Result<(), Fault> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn parsed(line: &[&str]) -> Result<super::args::LoadArgs, Fault> {
    PerfArgs::try_parse_from(line)
        .map(|args| args.run.load)
        .map_err(|error| Fault::new(error.to_string()))
}

/// The queue whose first delivery counts.
fn first_queue(args: &RestartArgs) -> Result<String, Fault> {
    let queues = args.queues.to_string();
    let mut line = vec!["perf", "--queues", &queues];
    if let Some(name) = &args.queue {
        line.extend(["-u", name]);
    }
    Ok(Load::new(&parsed(&line)?)?.queues.swap_remove(0))
}

/// Publishes the backlog, spread over the queues.
fn fill(args: &RestartArgs, broker: &Broker, progress: &mut Progress) -> Result<(), Fault> {
    let Some(backlog) = args.backlog else {
        return Ok(());
    };
    let (count, size, queues) = (
        backlog.to_string(),
        args.size.to_string(),
        args.queues.to_string(),
    );
    let mut line = vec![
        "perf",
        "--publish-only",
        "-p",
        "--durable",
        "--keep",
        "-c",
        "5000",
        "-C",
        &count,
        "-s",
        &size,
        "--queues",
        &queues,
    ];
    if let Some(name) = &args.queue {
        line.extend(["-u", name]);
    }
    if args.queues > 1 {
        line.extend(["-e", OWN_NAME, "-t", "direct", "--routing-keys", &queues]);
    }
    let load = Load::new(&parsed(&line)?)?;
    progress.say(&format!("publishing {backlog} messages"));
    let endpoint = Endpoint::Broker(broker.target.clone());
    let published = measure(&endpoint, &load, None, std::process::id(), progress)?;
    match published.faults.first() {
        Some(fault) => Err(Fault::new(fault.clone()).doing("publishing the backlog")),
        None if published.nacked > 0 => {
            Err(Fault::new("the broker refused messages of the backlog"))
        }
        None => Ok(()),
    }
}

/// What is published before a kill; `None` for no time.
fn load(args: &RestartArgs) -> Result<Option<Load>, Fault> {
    if args.load.is_zero() {
        return Ok(None);
    }
    let line = [
        "perf",
        "--publish-only",
        "-p",
        "--durable",
        "--keep",
        "-c",
        "1000",
        "-s",
        "1024",
        "-u",
        OWN_NAME,
        "--warmup",
        "0",
    ];
    let mut load = Load::new(&parsed(&line)?)?;
    load.length = Length::Time(args.load);
    Ok(Some(load))
}
