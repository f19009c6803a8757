//! `leveret perf`: a load generator for any AMQP 0-9-1 broker, in the manner of PerfTest and lavinmqperf.
//!
//! It has to cost much less than any broker, or it would measure itself: messages are prebuilt by the hundred and written 64 KiB
//! at a time (batch.rs), deliveries are counted by walking over frame heads (walker.rs), acks leave in groups. A connection has
//! a thread of its own with a blocking socket (producer.rs, consumer.rs); beyond 64 connections all share one event loop
//! (many.rs). Figures: meter.rs counts, process.rs reads the broker's CPU and memory, round.rs makes one round and watch.rs
//! measures it, figures.rs makes medians, text and JSON of several. restart.rs starts brokers itself, disk.rs measures a disk. `main` calls [`run`]; the broker's own rooms, other than
//! `wire`, are not used here.

mod args;
mod batch;
mod client;
mod confirms;
mod connections;
mod consumer;
mod disk;
mod fault;
mod figures;
mod interrupt;
mod limits;
mod load;
mod many;
mod meter;
mod opening;
mod pace;
mod pattern;
mod process;
mod producer;
mod progress;
mod queues;
mod relay;
mod restart;
mod round;
mod run;
mod sampler;
mod stamp;
mod target;
mod topology;
mod units;
mod walker;
mod watch;

pub use args::PerfArgs;
use args::PerfCommand;
use std::process::ExitCode;

/// Does what the command line asked. Figures go to stdout, progress and errors to stderr; any error ends with exit code 1.
pub fn run(args: PerfArgs) -> ExitCode {
    let outcome = match &args.command {
        None => run::run(&args.run),
        Some(PerfCommand::Run(args)) => run::run(args),
        Some(PerfCommand::Connections(args)) => connections::run(args),
        Some(PerfCommand::Queues(args)) => queues::run(args),
        Some(PerfCommand::Restart(args)) => restart::run(args),
        Some(PerfCommand::Limits(args)) => limits::run(args),
        Some(PerfCommand::Relay) => relay::serve().map(|()| ExitCode::SUCCESS),
    };
    outcome.unwrap_or_else(|fault| {
        eprintln!("error: {fault}");
        ExitCode::FAILURE
    })
}
