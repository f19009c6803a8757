//! `leveret perf run`: rounds of one load against one broker, or against two subjects in turns.

use super::args::{OutputArgs, RunArgs};
use super::fault::Fault;
use super::figures::{self, Figure, Subject, Unit, figure};
use super::interrupt;
use super::load::Load;
use super::meter::Percentiles;
use super::progress::Progress;
use super::relay::Relay;
use super::round::{Endpoint, measure};
use super::watch::Round;
use std::process::ExitCode;
use std::time::Duration;

/// Brokers write back, collect garbage and delete queues after a round: this long between two.
const PAUSE: Duration = Duration::from_millis(500);

/// Rounds of each subject when two are compared.
const ROUNDS_COMPARED: u32 = 5;

/// Runs all rounds and prints the result.
pub fn run(args: &RunArgs) -> Result<ExitCode, Fault> {
    let load = Load::new(&args.load)?;
    let mut endpoints = vec![(Endpoint::Broker(args.uri.parse()?), args.broker_pid)];
    match args.vs.as_deref() {
        Some("relay") => {
            Relay::suits(&load)?;
            let relay = Relay::start()?;
            let pid = relay.pid();
            endpoints.push((Endpoint::Relay(relay), Some(pid)));
        }
        Some(uri) => endpoints.push((Endpoint::Broker(uri.parse()?), args.vs_broker_pid)),
        None => {}
    }
    let rounds = args.rounds.unwrap_or(if endpoints.len() > 1 {
        ROUNDS_COMPARED
    } else {
        1
    });
    let (subjects, failed) = rounds_of(&endpoints, &load, rounds, &args.output)?;
    print(&args.output, "run", &load.describe(), &subjects);
    Ok(if failed {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    })
}

/// Measures each endpoint in turn, `rounds` times; true when anything went wrong in a round.
pub fn rounds_of(
    endpoints: &[(Endpoint, Option<u32>)],
    load: &Load,
    rounds: u32,
    output: &OutputArgs,
) -> Result<(Vec<Subject>, bool), Fault> {
    let mut subjects: Vec<Subject> = endpoints
        .iter()
        .map(|(endpoint, _)| Subject {
            name: endpoint.name(),
            ..Subject::default()
        })
        .collect();
    let mut progress = Progress::new(output.quiet);
    let mut failed = false;
    interrupt::listen();
    let first_run = std::process::id() << 12; // Bodies of an earlier process are not ours.
    'rounds: for round in 0..rounds {
        for (at, (endpoint, pid)) in endpoints.iter().enumerate() {
            if interrupt::requested() {
                break 'rounds;
            }
            let run = first_run.wrapping_add(round * endpoints.len() as u32 + at as u32);
            if rounds > 1 || endpoints.len() > 1 {
                progress.begin(&format!("[{}/{rounds} {}] ", round + 1, endpoint.name()));
                if round + at as u32 > 0 {
                    std::thread::sleep(PAUSE);
                }
            } else {
                progress.begin("");
            }
            let measured = measure(endpoint, load, *pid, run, &mut progress)?;
            for note in measured.notes.iter().filter(|_| round == 0) {
                eprintln!("note: {note}");
            }
            for fault in &measured.faults {
                eprintln!("error: {fault}");
                failed = true;
            }
            subjects[at].rounds.push(figures_of(&measured, load));
            subjects[at].details.push(
                serde_json::to_value(&measured).map_err(|error| Fault::new(error.to_string()))?,
            );
        }
    }
    Ok((subjects, failed))
}

/// The summary on stdout.
pub fn print(output: &OutputArgs, command: &str, load: &str, subjects: &[Subject]) {
    let text = if output.json {
        format!("{:#}\n", figures::json(command, load, subjects))
    } else {
        figures::text(load, subjects)
    };
    // Whoever closed the pipe does not want to know.
    let _ = std::io::Write::write_all(&mut std::io::stdout(), text.as_bytes());
}

/// The figures of a round that the summary shows.
fn figures_of(round: &Round, load: &Load) -> Vec<Figure> {
    let mut all = vec![figure("seconds", "measured", Unit::Seconds, round.seconds)];
    let mut add = |key, label, unit, value| all.push(figure(key, label, unit, value));
    if load.producers > 0 {
        add(
            "published",
            "published",
            Unit::Count,
            round.published as f64,
        );
        add(
            "publish_rate",
            "published a second",
            Unit::Rate,
            round.publish_rate,
        );
    }
    if load.confirm.is_some() && load.producers > 0 {
        add(
            "confirmed",
            "confirmed",
            Unit::Count,
            round.confirmed as f64,
        );
        add("nacked", "nacked", Unit::Count, round.nacked as f64);
    }
    if load.mandatory {
        add("returned", "returned", Unit::Count, round.returned as f64);
    }
    if load.consumers > 0 {
        add("consumed", "consumed", Unit::Count, round.consumed as f64);
        add(
            "consume_rate",
            "consumed a second",
            Unit::Rate,
            round.consume_rate,
        );
    }
    if let Some(Percentiles {
        p50,
        p95,
        p99,
        p99_9,
        max,
        ..
    }) = round.latency_us
    {
        add("latency_p50_us", "latency p50", Unit::Micros, p50);
        add("latency_p95_us", "latency p95", Unit::Micros, p95);
        add("latency_p99_us", "latency p99", Unit::Micros, p99);
        add("latency_p99_9_us", "latency p99.9", Unit::Micros, p99_9);
        add("latency_max_us", "latency max", Unit::Micros, max);
    }
    if let Some(Percentiles {
        p50,
        p95,
        p99,
        p99_9,
        max,
        ..
    }) = round.confirm_us
    {
        add("confirm_p50_us", "confirm p50", Unit::Micros, p50);
        add("confirm_p95_us", "confirm p95", Unit::Micros, p95);
        add("confirm_p99_us", "confirm p99", Unit::Micros, p99);
        add("confirm_p99_9_us", "confirm p99.9", Unit::Micros, p99_9);
        add("confirm_max_us", "confirm max", Unit::Micros, max);
    }
    if let Some(broker) = &round.broker {
        add(
            "broker_cpu_us_per_message",
            "broker CPU a message",
            Unit::Micros,
            broker.cpu_us_per_message,
        );
        if let (Some(user), Some(system)) =
            (broker.user_us_per_message, broker.system_us_per_message)
        {
            add("broker_user_us_per_message", "  user", Unit::Micros, user);
            add(
                "broker_system_us_per_message",
                "  system",
                Unit::Micros,
                system,
            );
        }
        add("broker_cores", "broker cores", Unit::Plain, broker.cores);
        add(
            "broker_rss_kib",
            "broker RSS",
            Unit::Kib,
            broker.rss_kib as f64,
        );
        add(
            "broker_rss_max_kib",
            "  highest in the round",
            Unit::Kib,
            broker.rss_max_kib as f64,
        );
        add(
            "broker_rss_peak_kib",
            "  highest since its start",
            Unit::Kib,
            broker.rss_peak_kib as f64,
        );
    }
    if let Some(own) = &round.generator {
        add("generator_cores", "generator cores", Unit::Plain, own.cores);
        add(
            "generator_cpu_us_per_message",
            "generator CPU a message",
            Unit::Micros,
            own.cpu_us_per_message,
        );
        if own.producer_us_per_message > 0.0 {
            add(
                "producer_cpu_us_per_message",
                "  of producers",
                Unit::Micros,
                own.producer_us_per_message,
            );
        }
        if own.consumer_us_per_message > 0.0 {
            add(
                "consumer_cpu_us_per_message",
                "  of consumers",
                Unit::Micros,
                own.consumer_us_per_message,
            );
        }
    }
    if round.blocked > 0 {
        add(
            "blocked",
            "blocked by the broker",
            Unit::Count,
            round.blocked as f64,
        );
    }
    all
}
