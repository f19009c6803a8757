//! `leveret perf limits`: what this machine allows. The same producers and consumers as in `run`, with deliver frames of the same
//! bodies, through a process that only moves bytes.

use super::args::{LimitsArgs, PerfArgs};
use super::fault::Fault;
use super::load::{Length, Load};
use super::relay::Relay;
use super::round::Endpoint;
use super::run::{print, rounds_of};
use clap::Parser;
use std::process::ExitCode;

/// Runs all sizes and prints the results.
pub fn run(args: &LimitsArgs) -> Result<ExitCode, Fault> {
    let mut failed = false;
    for size in &args.size {
        let mut load = load(*size)?;
        load.length = Length::Time(args.duration);
        failed |= measure(args, &load, "relay, full speed")?;
        load.rate = Some(args.rate);
        failed |= measure(args, &load, "relay, latency")?;
    }
    Ok(if failed {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    })
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
