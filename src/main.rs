//! The command line: arguments in, exit code out. What the commands do stands in the library.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};
use leveret::config::Sources;
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
    }
}
