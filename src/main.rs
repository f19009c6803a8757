//! The command line: arguments in, exit code out. What the commands do stands in the library.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};
use leveret::config::Sources;
use leveret::ctl;
use leveret::perf::{self, PerfArgs};
use leveret::server;

// Small objects that are made in one thread and freed in another are what a broker is made of; mimalloc is good at them.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// A message broker that speaks AMQP 0-9-1 exactly as RabbitMQ does
#[derive(Parser)]
#[command(name = "leveret", version, args_conflicts_with_subcommands = true)]
struct CommandLine {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    serve: ServeArguments,
}

#[derive(Subcommand)]
enum Command {
    /// Serve clients until SIGTERM or Ctrl-C; the same as no command
    Serve(ServeArguments),
    /// Read a configuration file and say whether the broker would start with it
    CheckConfig(CheckArguments),
    /// Look at a data directory
    Store(StoreArguments),
    /// Put load on any AMQP 0-9-1 broker and measure it
    Perf(Box<PerfArgs>),
    /// Operate a running broker with rabbitmqctl's commands, over its HTTP API; `leveret ctl help` lists them
    Ctl {
        /// Command, arguments and options as rabbitmqctl takes them, and `--uri http://user:password@host:port` (or LEVERET_URI)
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        line: Vec<String>,
    },
    /// Bring RabbitMQ's definitions.json into a running broker, or into the data directory of a stopped one
    Import(DefinitionsArguments),
    /// Write what is declared in a running broker, or in the data directory of a stopped one, as definitions.json
    Export(DefinitionsArguments),
    /// Show messages that wait in a queue of a running broker, or that a delayed message exchange holds, and change nothing
    Peek(PeekArguments),
    /// Bring dead letters back to the queues that they died in
    Redrive(RedriveArguments),
}

#[derive(Args)]
struct PeekArguments {
    /// The queue
    #[arg(required_unless_present = "exchange", conflicts_with = "exchange")]
    queue: Option<String>,
    /// The delayed message exchange, in the place of a queue
    #[arg(long, value_name = "EXCHANGE")]
    exchange: Option<String>,
    #[command(flatten)]
    place: Place,
    /// Messages to show [default: 10]
    #[arg(long, value_name = "N")]
    count: Option<String>,
    /// Messages to pass over first
    #[arg(long, value_name = "N")]
    offset: Option<String>,
    /// Begin with this sequence number: the `next` of an earlier look
    #[arg(long, value_name = "SEQUENCE")]
    from: Option<String>,
    /// Bytes to show of each payload
    #[arg(long, value_name = "BYTES")]
    truncate: Option<String>,
    /// `json` for all that there is to know
    #[arg(long, value_name = "NAME")]
    formatter: Option<String>,
}

#[derive(Args)]
struct RedriveArguments {
    /// The queue that the dead letters are in
    queue: String,
    #[command(flatten)]
    place: Place,
    /// Those that died for this reason: rejected, expired, maxlen, delivery_limit
    #[arg(long, value_name = "REASON")]
    reason: Option<String>,
    /// Those that died in this queue
    #[arg(long, value_name = "QUEUE")]
    from_queue: Option<String>,
    /// The one with this message-id
    #[arg(long, value_name = "ID")]
    message_id: Option<String>,
    /// Those with this header
    #[arg(long, value_name = "NAME=TEXT")]
    header: Option<String>,
    /// Messages at most
    #[arg(long, value_name = "N")]
    count: Option<String>,
    /// Messages a second at most
    #[arg(long, value_name = "N")]
    rate: Option<String>,
    /// `json` for scripts
    #[arg(long, value_name = "NAME")]
    formatter: Option<String>,
}

/// Which broker, which vhost.
#[derive(Args)]
struct Place {
    /// The queue's vhost [default: /]
    #[arg(short = 'p', long, value_name = "VHOST")]
    vhost: Option<String>,
    /// The broker's HTTP API [default: LEVERET_URI, or http://guest:guest@127.0.0.1:15672]
    #[arg(long, value_name = "URI")]
    uri: Option<String>,
}

/// A command of `leveret ctl` under its own name.
fn ctl_line(
    command: &str,
    queue: Option<String>,
    options: Vec<(&str, Option<String>)>,
) -> ExitCode {
    let mut line = vec!["-q".to_owned(), command.to_owned()];
    for (option, value) in options {
        line.extend(value.map(|value| format!("--{option}={value}")));
    }
    line.push("--".to_owned());
    line.extend(queue);
    ctl::run(line)
}

impl PeekArguments {
    fn run(self) -> ExitCode {
        let options = vec![
            ("uri", self.place.uri),
            ("vhost", self.place.vhost),
            ("exchange", self.exchange),
            ("count", self.count),
            ("offset", self.offset),
            ("from", self.from),
            ("truncate", self.truncate),
            ("formatter", self.formatter),
        ];
        ctl_line("peek", self.queue, options)
    }
}

impl RedriveArguments {
    fn run(self) -> ExitCode {
        let options = vec![
            ("uri", self.place.uri),
            ("vhost", self.place.vhost),
            ("reason", self.reason),
            ("from-queue", self.from_queue),
            ("message-id", self.message_id),
            ("header", self.header),
            ("count", self.count),
            ("rate", self.rate),
            ("formatter", self.formatter),
        ];
        ctl_line("redrive", Some(self.queue), options)
    }
}

#[derive(Args)]
struct DefinitionsArguments {
    /// The file; `-` for standard input or output
    #[arg(default_value = "-")]
    file: String,
    /// Of this vhost alone
    #[arg(short = 'p', long, value_name = "VHOST")]
    vhost: Option<String>,
    /// The broker's HTTP API [default: LEVERET_URI, or http://guest:guest@127.0.0.1:15672]
    #[arg(long, value_name = "URI")]
    uri: Option<String>,
    /// The data directory of a broker that is not running, instead of the HTTP API
    #[arg(long, value_name = "DIR", conflicts_with = "uri")]
    data_dir: Option<PathBuf>,
    /// With --data-dir: the configuration file of that broker [default: the one that RABBITMQ_CONFIG_FILE names, or none]
    #[arg(long, value_name = "FILE", requires = "data_dir")]
    config: Option<PathBuf>,
    /// With --data-dir: set any configuration key, as for serve; may be repeated
    #[arg(long, value_name = "KEY=VALUE", requires = "data_dir")]
    set: Vec<String>,
}

impl DefinitionsArguments {
    fn import(mut self) -> ExitCode {
        let Some(sources) = self.sources() else {
            return self.run("import_definitions");
        };
        let text = ctl::read_definitions(&self.file);
        told(text.and_then(|text| server::import(sources, self.vhost.as_deref(), &text)))
    }

    fn export(mut self) -> ExitCode {
        let Some(sources) = self.sources() else {
            return self.run("export_definitions");
        };
        let text = server::export(sources, self.vhost.as_deref());
        told(text.and_then(|text| ctl::write_definitions(&self.file, &text)))
    }

    /// What the broker is told that is not running.
    fn sources(&mut self) -> Option<Sources> {
        let data_dir = self.data_dir.take()?;
        Some(Sources {
            file: self.config.take(),
            data_dir: Some(data_dir),
            set: std::mem::take(&mut self.set),
            ..Sources::from_process()
        })
    }

    fn run(self, command: &str) -> ExitCode {
        let mut line = vec!["-q".to_owned(), command.to_owned()];
        for (option, value) in [("--uri", self.uri), ("--vhost", self.vhost)] {
            line.extend(value.map(|value| format!("{option}={value}")));
        }
        line.extend(["--".to_owned(), self.file]);
        ctl::run(line)
    }
}

/// One line on standard error for what went wrong.
fn told(outcome: Result<(), String>) -> ExitCode {
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            // Nobody is left to be told where this fails.
            let _ = writeln!(std::io::stderr(), "leveret: {why}");
            ExitCode::FAILURE
        }
    }
}

#[derive(Args)]
struct ServeArguments {
    /// Configuration file in the format of rabbitmq.conf [default: the one that RABBITMQ_CONFIG_FILE names, or none]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Directory for everything that outlives the process [default: leveret-data]
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// Set any configuration key; wins over file and environment; may be repeated
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// Start with what can be had of a damaged data directory, and log what was dropped
    #[arg(long)]
    salvage: bool,
}

#[derive(Args)]
struct CheckArguments {
    /// The file
    file: PathBuf,
}

#[derive(Args)]
struct StoreArguments {
    #[command(subcommand)]
    command: StoreCommand,
}

#[derive(Subcommand)]
enum StoreCommand {
    /// Print what is in it: definitions, queues, files, checkpoints, damage. Changes nothing, and works beside a running broker;
    /// exit code 1 when something is damaged
    Inspect {
        /// The data directory
        directory: PathBuf,
    },
}

fn main() -> ExitCode {
    // Under rabbitmqctl's name it is rabbitmqctl. Its command line goes past clap, which knows other options.
    let mut words = std::env::args_os();
    let own_name = words.next().map(PathBuf::from).unwrap_or_default();
    if own_name
        .file_name()
        .is_some_and(|name| name == "rabbitmqctl")
    {
        return ctl::run_os(words);
    }
    if words.next().is_some_and(|command| command == "ctl") {
        return ctl::run_os(words);
    }
    let line = CommandLine::parse();
    match line.command.unwrap_or(Command::Serve(line.serve)) {
        Command::Serve(ServeArguments {
            config,
            data_dir,
            set,
            salvage,
        }) => {
            let sources = Sources {
                file: config,
                data_dir,
                set,
                ..Sources::from_process()
            };
            server::run(sources, salvage)
        }
        Command::CheckConfig(CheckArguments { file }) => {
            server::check(Sources::from_process(), &file)
        }
        Command::Store(StoreArguments {
            command: StoreCommand::Inspect { directory },
        }) => server::inspect(&directory),
        Command::Perf(arguments) => perf::run(*arguments),
        Command::Ctl { line } => ctl::run(line),
        Command::Import(arguments) => arguments.import(),
        Command::Export(arguments) => arguments.export(),
        Command::Peek(arguments) => arguments.run(),
        Command::Redrive(arguments) => arguments.run(),
    }
}
