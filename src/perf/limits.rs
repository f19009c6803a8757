//! `leveret perf limits`: what this machine allows. The same producers and consumers as in `run`, with deliver frames of the same
//! bodies, through a process that only moves bytes; and the disk that a data directory lies on.

use super::args::{LimitsArgs, PerfArgs};
use super::disk;
use super::fault::Fault;
use super::figures::Subject;
use super::load::{Length, Load};
use super::progress::Progress;
use super::relay::Relay;
use super::round::Endpoint;
use super::run::{print, rounds_of};
use clap::Parser;
use std::path::PathBuf;
use std::process::ExitCode;

/// Runs all sizes and prints the results.
pub fn run(args: &LimitsArgs) -> Result<ExitCode, Fault> {
    let mut failed = false;
    for size in args.size.iter().filter(|_| !args.disk_only) {
        let mut load = load(*size)?;
        load.length = Length::Time(args.duration);
        failed |= measure(args, &load, "relay, full speed")?;
        load.rate = Some(args.rate);
        failed |= measure(args, &load, "relay, latency")?;
    }
    measure_disk(args)?;
    Ok(if failed {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    })
}

fn measure_disk(args: &LimitsArgs) -> Result<(), Fault> {
    let directory = args.data_dir.clone().unwrap_or_else(|| {
        let usual = PathBuf::from("leveret-data");
        if usual.is_dir() { usual } else { ".".into() }
    });
    let mut progress = Progress::new(args.output.quiet);
    progress.begin("");
    progress.say(&format!("disk of {}", directory.display()));
    let mut subject = Subject {
        name: "disk".to_owned(),
        ..Subject::default()
    };
    for _ in 0..args.rounds {
        let figures = disk::measure(&directory, args.duration)?;
        let details = figures
            .iter()
            .map(|figure| (figure.key.to_owned(), figure.value.into()))
            .collect();
        subject.details.push(serde_json::Value::Object(details));
        subject.rounds.push(figures);
    }
    let load = format!("disk of {}", directory.display());
    print(&args.output, "limits", &load, &[subject]);
    Ok(())
}

fn load(size: usize) -> Result<Load, Fault> {
    let defaults = PerfArgs::try_parse_from(["perf", "--autoack"])
        .map_err(|error| Fault::new(error.to_string()))?;
    let mut load = Load::new(&defaults.run.load)?;
    load.size = size;
    Ok(load)
}

fn measure(args: &LimitsArgs, load: &Load, name: &str) -> Result<bool, Fault> {
    let relay = Relay::start()?;
    let pid = relay.pid();
    let (mut subjects, failed) = rounds_of(
        &[(Endpoint::Relay(relay), Some(pid))],
        load,
        args.rounds,
        &args.output,
    )?;
    for subject in &mut subjects {
        subject.name = name.to_owned();
    }
    print(&args.output, "limits", &load.describe(), &subjects);
    Ok(failed)
}
