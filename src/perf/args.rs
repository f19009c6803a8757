//! Command line of `leveret perf`. Short options are PerfTest's where it has them.

use amq_protocol::types::{AMQPValue, FieldTable, ShortString};
use clap::{Args, Parser, Subcommand, ValueEnum};
use std::path::PathBuf;
use std::time::Duration;

/// Load generator for AMQP 0-9-1 brokers.
#[derive(Clone, Debug, Parser)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub struct PerfArgs {
    /// What to measure; `run` when left out.
    #[command(subcommand)]
    pub command: Option<PerfCommand>,
    /// Options of `run`.
    #[command(flatten)]
    pub run: RunArgs,
}

/// What to measure.
#[derive(Clone, Debug, Subcommand)]
pub enum PerfCommand {
    /// Publish and consume (the default)
    Run(Box<RunArgs>),
    /// Open many connections with one channel each: connects a second, CPU for each, memory for each while idle
    Connections(ConnectionsArgs),
    /// Declare many queues over one connection, without waiting for each answer: time, CPU and memory for each
    Queues(QueuesArgs),
    /// Start Leveret on a data directory after a clean stop and after kill -9: time to the first delivery
    Restart(RestartArgs),
    /// What this machine allows: a plain TCP relay that moves the same bytes as a broker would, and the disk
    Limits(LimitsArgs),
    /// The relay process of `limits` and `--vs relay`
    #[command(hide = true)]
    Relay,
}

/// Options of `run`.
#[derive(Clone, Debug, Args)]
pub struct RunArgs {
    /// The broker
    #[arg(long, default_value = DEFAULT_URI)]
    pub uri: String,
    /// Measure the broker at this URI too, in turns (A B A B ...); `relay` for a plain TCP relay of the same bytes
    #[arg(long, value_name = "URI|relay")]
    pub vs: Option<String>,
    /// Process of the broker at --uri: its CPU and memory are reported
    #[arg(long, value_name = "PID")]
    pub broker_pid: Option<u32>,
    /// Process of the broker at --vs
    #[arg(long, value_name = "PID", requires = "vs")]
    pub vs_broker_pid: Option<u32>,
    /// Repeat this often and report median, lowest and highest [default: 1, with --vs 5]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub rounds: Option<u32>,
    /// The load
    #[command(flatten)]
    pub load: LoadArgs,
    /// How the result is shown
    #[command(flatten)]
    pub output: OutputArgs,
}

/// What is published and consumed.
#[derive(Clone, Debug, Args)]
pub struct LoadArgs {
    /// Publishing connections
    #[arg(short = 'x', long, value_name = "N", default_value_t = 1)]
    pub producers: usize,
    /// Consuming connections
    #[arg(short = 'y', long, value_name = "N", default_value_t = 1)]
    pub consumers: usize,
    /// Same as --consumers 0
    #[arg(long, conflicts_with = "consumers")]
    pub publish_only: bool,
    /// Same as --producers 0
    #[arg(long, conflicts_with_all = ["producers", "publish_only"])]
    pub consume_only: bool,
    /// Queues; producers and consumers are spread over them. 0: publish to the exchange only
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub queues: usize,
    /// Queue name; `%d` is the queue's number [default: perf-test, or perf-test-%d]
    #[arg(short = 'u', long, value_name = "NAME")]
    pub queue: Option<String>,
    /// Declare queues and the exchange durable
    #[arg(long)]
    pub durable: bool,
    /// Declare queues exclusive, on the consumers' connections
    #[arg(long)]
    pub exclusive: bool,
    /// Declare queues auto-delete
    #[arg(long)]
    pub auto_delete: bool,
    /// Arguments of queues: `x-max-length=1000,x-queue-type=classic`, or a JSON object
    #[arg(long, visible_alias = "queue-arguments", value_name = "K=V,...", value_parser = arguments)]
    pub queue_args: Option<FieldTable>,
    /// Arguments of consumers, in the same form
    #[arg(long, value_name = "K=V,...", value_parser = arguments)]
    pub consumer_args: Option<FieldTable>,
    /// Leave queues and exchange in place at the end (those that existed before always stay)
    #[arg(long)]
    pub keep: bool,

    /// Exchange to publish to; declared unless it exists [default: the default exchange]
    #[arg(short = 'e', long, value_name = "NAME")]
    pub exchange: Option<String>,
    /// Type of the exchange: direct, fanout, topic, headers, or any that the broker knows [default: direct]
    #[arg(short = 't', long = "type", value_name = "KIND")]
    pub kind: Option<String>,
    /// Routing key; `%d` is the key's number, `%b` that number modulo --bindings
    #[arg(short = 'k', long, value_name = "PATTERN")]
    pub routing_key: Option<String>,
    /// Distinct routing keys, used in turn [default: one for each queue]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=100_000_000))]
    pub routing_keys: Option<u64>,
    /// Bindings, spread over the queues [default: one for each queue; direct: one for each key]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    pub bindings: Option<u64>,
    /// Binding key; `%d` is the binding's number [default: direct perf.%b, topic perf.%b.*]
    #[arg(long, value_name = "PATTERN")]
    pub binding_key: Option<String>,

    /// Body size in bytes; from 8 on bodies carry their send time
    #[arg(short = 's', long, value_name = "BYTES", default_value_t = 16, value_parser = size)]
    pub size: usize,
    /// Persistent messages
    #[arg(short = 'p', long)]
    pub persistent: bool,
    /// Mandatory messages: unroutable ones come back and are counted
    #[arg(long)]
    pub mandatory: bool,
    /// PerfTest's spelling of --persistent and --mandatory
    #[arg(short = 'f', long = "flag", value_name = "FLAG")]
    pub flags: Vec<Flag>,
    /// Publisher confirms with at most this many unconfirmed messages for each producer
    #[arg(short = 'c', long, value_name = "WINDOW", value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    pub confirm: Option<u64>,
    /// Consume without acknowledgements
    #[arg(short = 'a', long)]
    pub autoack: bool,
    /// Unacknowledged messages for each consumer; 0: no limit
    #[arg(
        short = 'q',
        long,
        value_name = "N",
        default_value_t = 0,
        conflicts_with = "autoack"
    )]
    pub prefetch: u16,
    /// Acknowledge every N messages at once
    #[arg(short = 'A', long, value_name = "N", default_value_t = 1, conflicts_with = "autoack",
          value_parser = clap::value_parser!(u32).range(1..))]
    pub multi_ack_every: u32,

    /// Messages a second for each producer
    #[arg(short = 'r', long, value_name = "RATE", value_parser = rate)]
    pub rate: Option<f64>,
    /// Messages a second for each consumer
    #[arg(short = 'R', long, value_name = "RATE", value_parser = rate)]
    pub consumer_rate: Option<f64>,
    /// Length of the measured interval: 30, 30s, 500ms, 2m; without producers it ends when nothing comes any more [default: 5s]
    #[arg(short = 'z', long, value_name = "TIME", value_parser = time)]
    pub duration: Option<Duration>,
    /// Time before the measured interval [default: 1s; with a count, or without producers, 0]
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub warmup: Option<Duration>,
    /// Messages of each producer; the run ends when they are consumed
    #[arg(short = 'C', long = "count", visible_alias = "pmessages", value_name = "N",
          value_parser = clap::value_parser!(u64).range(1..))]
    pub count: Option<u64>,
    /// Messages of each consumer; the run ends when they have come
    #[arg(short = 'D', long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub cmessages: Option<u64>,
    /// One thread a connection, or all connections on one thread [default: threads up to 64 connections]
    #[arg(long, value_name = "DRIVER")]
    pub driver: Option<Driver>,
}

/// How the result is shown.
#[derive(Clone, Debug, Args)]
pub struct OutputArgs {
    /// Print the summary as JSON
    #[arg(short = 'j', long)]
    pub json: bool,
    /// No progress lines (they go to stderr)
    #[arg(long)]
    pub quiet: bool,
}

/// Options of `connections`.
#[derive(Clone, Debug, Args)]
pub struct ConnectionsArgs {
    /// The broker
    #[arg(long, default_value = DEFAULT_URI)]
    pub uri: String,
    /// Connections to open
    #[arg(long, value_name = "N", default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub count: u32,
    /// Connections that are being opened at the same time
    #[arg(long, value_name = "N", default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub parallel: u32,
    /// How long the connections stay idle before memory is read; idle CPU is measured meanwhile
    #[arg(long, value_name = "TIME", default_value = "3s", value_parser = time)]
    pub hold: Duration,
    /// Process of the broker
    #[arg(long, value_name = "PID")]
    pub broker_pid: Option<u32>,
    /// Repeat this often
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub rounds: u32,
    /// How the result is shown
    #[command(flatten)]
    pub output: OutputArgs,
}

/// Options of `queues`.
#[derive(Clone, Debug, Args)]
pub struct QueuesArgs {
    /// The broker
    #[arg(long, default_value = DEFAULT_URI)]
    pub uri: String,
    /// Queues to declare; they are deleted at the end
    #[arg(long, value_name = "N", default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(1..=10_000_000))]
    pub count: u32,
    /// Durable queues
    #[arg(long)]
    pub durable: bool,
    /// Arguments of the queues
    #[arg(long, value_name = "K=V,...", value_parser = arguments)]
    pub queue_args: Option<FieldTable>,
    /// Process of the broker
    #[arg(long, value_name = "PID")]
    pub broker_pid: Option<u32>,
    /// Repeat this often
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub rounds: u32,
    /// How the result is shown
    #[command(flatten)]
    pub output: OutputArgs,
}

/// Options of `restart`.
#[derive(Clone, Debug, Args)]
pub struct RestartArgs {
    /// Data directory of the brokers that are started; nobody else may serve from it meanwhile
    #[arg(long, value_name = "DIR")]
    pub data_dir: PathBuf,
    /// Publish so many messages before the first round, spread over the queues
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub backlog: Option<u64>,
    /// Body size of the backlog in bytes
    #[arg(short = 's', long, value_name = "BYTES", default_value_t = 100, value_parser = size)]
    pub size: usize,
    /// Durable queues of the backlog
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub queues: u32,
    /// Queue name; `%d` is the queue's number. The first delivery is that of the first queue [default: as in run]
    #[arg(short = 'u', long, value_name = "NAME")]
    pub queue: Option<String>,
    /// Publish persistent messages for so long before the kill; 0: kill an idle broker
    #[arg(long, value_name = "TIME", default_value = "1s", value_parser = time)]
    pub load: Duration,
    /// Set a configuration key of the brokers; may be repeated
    #[arg(long, value_name = "KEY=VALUE")]
    pub set: Vec<String>,
    /// Repeat this often
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub rounds: u32,
    /// How the result is shown
    #[command(flatten)]
    pub output: OutputArgs,
}

/// Options of `limits`.
#[derive(Clone, Debug, Args)]
pub struct LimitsArgs {
    /// Body sizes
    #[arg(short = 's', long, value_name = "BYTES,...", value_delimiter = ',', default_value = "16,1024,65536", value_parser = size)]
    pub size: Vec<usize>,
    /// Length of each measured interval
    #[arg(short = 'z', long, value_name = "TIME", default_value = "5s", value_parser = time)]
    pub duration: Duration,
    /// Measure the disk of this directory, too [default: leveret-data where it is, else the working directory]
    #[arg(long, value_name = "DIR")]
    pub data_dir: Option<PathBuf>,
    /// Measure the disk only
    #[arg(long)]
    pub disk_only: bool,
    /// Rate of the latency measurement, messages a second
    #[arg(short = 'r', long, value_name = "RATE", default_value = "1000", value_parser = rate)]
    pub rate: f64,
    /// Repeat this often
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub rounds: u32,
    /// How the result is shown
    #[command(flatten)]
    pub output: OutputArgs,
}

/// PerfTest's message flags.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Flag {
    /// Delivery mode 2
    Persistent,
    /// Return unroutable messages
    Mandatory,
}

/// What carries the connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Driver {
    /// Blocking sockets, a thread for each connection
    Threads,
    /// One thread for all
    Tasks,
}

/// Where a broker listens unless told otherwise.
pub const DEFAULT_URI: &str = "amqp://guest:guest@127.0.0.1:5672/%2F";

/// Largest body: RabbitMQ's own bound, 512 MiB.
const SIZE_MAX: usize = 512 << 20;

fn size(text: &str) -> Result<usize, String> {
    let size = text
        .trim()
        .parse::<usize>()
        .map_err(|error| error.to_string())?;
    if size > SIZE_MAX {
        Err(format!("at most {SIZE_MAX}"))
    } else {
        Ok(size)
    }
}

fn rate(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(rate) if rate > 0.0 && rate <= 1e9 => Ok(rate),
        _ => Err("a rate is a number above 0".to_owned()),
    }
}

/// Longest time accepted: 30 days.
const TIME_MAX_S: f64 = 30.0 * 86_400.0;

/// `30`, `30s`, `500ms`, `2m`, `1h`.
fn time(text: &str) -> Result<Duration, String> {
    let digits = text
        .find(|c: char| c.is_ascii_alphabetic())
        .unwrap_or(text.len());
    let unit = match &text[digits..] {
        "" | "s" => 1.0,
        "ms" => 0.001,
        "m" => 60.0,
        "h" => 3600.0,
        unit => return Err(format!("unit '{unit}' is none of ms, s, m, h")),
    };
    match text[..digits].trim().parse::<f64>() {
        Ok(number) if number >= 0.0 && number * unit <= TIME_MAX_S => {
            Ok(Duration::from_secs_f64(number * unit))
        }
        _ => Err("a time is a number and ms, s, m or h".to_owned()),
    }
}

/// `key=value,...` as in PerfTest, or a JSON object as in lavinmqperf.
fn arguments(text: &str) -> Result<FieldTable, String> {
    let mut table = FieldTable::default();
    let mut insert = |key: &str, value: AMQPValue| {
        let key = ShortString::try_new(key.trim())
            .map_err(|_| "an argument's name has at most 255 bytes".to_owned())?;
        table.insert(key, value);
        Ok::<_, String>(())
    };
    if text.trim_start().starts_with('{') {
        let object: serde_json::Map<String, serde_json::Value> =
            serde_json::from_str(text).map_err(|error| error.to_string())?;
        for (key, value) in &object {
            let value = match value {
                serde_json::Value::String(text) => AMQPValue::LongString(text.as_str().into()),
                plain @ (serde_json::Value::Bool(_) | serde_json::Value::Number(_)) => {
                    plain_value(&plain.to_string())
                }
                _ => {
                    return Err(format!(
                        "argument '{key}' is neither text, number nor boolean"
                    ));
                }
            };
            insert(key, value)?;
        }
        return Ok(table);
    }
    for pair in text.split(',').filter(|pair| !pair.trim().is_empty()) {
        let (key, value) = pair
            .split_once('=')
            .ok_or_else(|| format!("'{pair}' is not key=value"))?;
        insert(key, plain_value(value.trim()))?;
    }
    Ok(table)
}

fn plain_value(text: &str) -> AMQPValue {
    if let Ok(number) = text.parse::<i64>() {
        return i32::try_from(number).map_or(AMQPValue::LongLongInt(number), AMQPValue::LongInt);
    }
    match text {
        "true" => AMQPValue::Boolean(true),
        "false" => AMQPValue::Boolean(false),
        text => AMQPValue::LongString(text.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<PerfArgs, clap::Error> {
        PerfArgs::try_parse_from(std::iter::once("perf").chain(line.split_whitespace()))
    }

    #[test]
    fn perftests_short_options_mean_the_same() {
        let args =
            parse("-x 2 -y 3 -u q -s 1024 -q 100 -A 10 -c 50 -f persistent -z 30 -r 1000").unwrap();
        let load = args.run.load;
        assert!(args.command.is_none());
        assert_eq!(
            (
                load.producers,
                load.consumers,
                load.size,
                load.prefetch,
                load.multi_ack_every
            ),
            (2, 3, 1024, 100, 10)
        );
        assert_eq!(
            (load.confirm, load.rate, load.duration),
            (Some(50), Some(1000.0), Some(Duration::from_secs(30)))
        );
        assert_eq!(load.flags, [Flag::Persistent]);
    }

    #[test]
    fn run_may_be_named_and_other_commands_have_their_own_options() {
        assert!(
            matches!(parse("run -s 5").unwrap().command, Some(PerfCommand::Run(run)) if run.load.size == 5)
        );
        let Some(PerfCommand::Connections(connections)) =
            parse("connections --count 7").unwrap().command
        else {
            panic!()
        };
        assert_eq!(connections.count, 7);
        let Some(PerfCommand::Limits(limits)) = parse("limits -s 1,2").unwrap().command else {
            panic!()
        };
        assert_eq!(limits.size, [1, 2]);
        assert!(parse("-s 5 connections").is_err());
    }

    #[test]
    fn senseless_options_are_refused() {
        for line in [
            "-c 0",
            "-r 0",
            "-r x",
            "-z 5y",
            "-a -q 10",
            "--publish-only -y 2",
            "--queue-args x",
            "-s -1",
            "--rounds 0",
        ] {
            assert!(parse(line).is_err(), "{line}");
        }
    }

    #[test]
    fn times_and_arguments_are_typed() {
        assert_eq!(time("500ms"), Ok(Duration::from_millis(500)));
        assert_eq!(time("1.5m"), Ok(Duration::from_secs(90)));
        let expected = [
            ("x-max-length", AMQPValue::LongInt(10)),
            ("x-queue-type", AMQPValue::LongString("classic".into())),
            ("x-single-active-consumer", AMQPValue::Boolean(true)),
        ];
        for text in [
            "x-max-length=10, x-queue-type=classic,x-single-active-consumer=true",
            r#"{"x-max-length": 10, "x-queue-type": "classic", "x-single-active-consumer": true}"#,
        ] {
            let table = arguments(text).unwrap();
            for (key, value) in &expected {
                assert_eq!(table.inner().get(*key), Some(value), "{text}");
            }
        }
    }
}
