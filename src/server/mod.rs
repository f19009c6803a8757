//! The process: starts everything in order, waits for a signal, ends everything in order.
//!
//! Logging, descriptors, broker, listeners, memory monitor; then back: no more accepting, connections told and given time,
//! monitor, log. `main` calls [`run`] and [`check`]; the broker's own work is not here.

mod core;
mod descriptors;
mod listeners;
mod logging;
mod memory;
mod signals;
mod storage;

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tracing::{error, info};

use crate::config::{Config, Notice, Sources};
use core::Core;

/// Time that connections get to take their connection.close at the end; then they are dropped.
const GOODBYE_MAX: Duration = Duration::from_secs(3);
/// How often it is looked whether all of them have gone.
const GOODBYE_STEP: Duration = Duration::from_millis(10);
/// Time that tasks which do not end get before the process ends without them.
const RUNTIME_END_MAX: Duration = Duration::from_millis(500);

/// Loads the configuration and serves until a signal. Exit code 0 after a signal, 1 when the start fails, with one line on
/// stderr that says why.
pub fn run(sources: Sources) -> ExitCode {
    memory::prefer_small_pages();
    let (config, notices) = match Config::load(sources) {
        Ok(loaded) => loaded,
        Err(error) => return fail(&error.to_string()),
    };
    let log = match logging::start(&config.log) {
        Ok(log) => log,
        Err(error) => return fail(&error),
    };
    let served = serve_until_signal(&config, &notices);
    if let (Err(error), Some(_)) = (&served, &config.log.file) {
        error!("{error}");
    }
    log.finish();
    match served {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(&error),
    }
}

/// Loads the configuration and says what a start would say about it. Exit code 0 if it would start, else 1.
pub fn check(sources: Sources, file: &std::path::Path) -> ExitCode {
    let sources = Sources {
        file: Some(PathBuf::from(file)),
        ..sources
    };
    match Config::load(sources) {
        Ok((_, notices)) => {
            let mut text: String = notices.iter().map(|notice| format!("{notice}\n")).collect();
            text.push_str(&format!("{}: good\n", file.display()));
            // Whoever closed the pipe does not want to know.
            let _ = std::io::Write::write_all(&mut std::io::stdout(), text.as_bytes());
            ExitCode::SUCCESS
        }
        Err(error) => fail(&error.to_string()),
    }
}

fn fail(text: &str) -> ExitCode {
    let _ = std::io::Write::write_all(
        &mut std::io::stderr(),
        format!("leveret: {text}\n").as_bytes(),
    );
    ExitCode::FAILURE
}

fn serve_until_signal(config: &Config, notices: &[Notice]) -> Result<(), String> {
    info!("leveret {} starts", env!("CARGO_PKG_VERSION"));
    for notice in notices {
        info!("{notice}");
    }
    descriptors::raise_limit();
    let bound = listeners::bind(&config.listeners, &config.tcp)?;
    let workers = std::thread::available_parallelism().map_or(1, usize::from);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(workers)
        .thread_name("leveret")
        .on_thread_park(memory::collect_if_asked)
        .enable_all()
        .build()
        .map_err(|error| format!("cannot start threads: {error}"))?;
    let served = runtime.block_on(async {
        let mut signals =
            signals::Signals::new().map_err(|error| format!("cannot wait for signals: {error}"))?;
        let core = Arc::new(Core::start(config)?);
        let monitor = memory::Monitor::start(&config.memory, core.clone())?;
        let accepting = listeners::Accepting::start(bound, core.clone())?;
        // Outside the macro: a log level that drops the line would not wait for the signal.
        let signal = signals.next().await;
        info!("stopping: {signal}");
        accepting.stop().await;
        core.shut_down();
        let gone = async {
            while core.connections() > 0 {
                tokio::time::sleep(GOODBYE_STEP).await
            }
        };
        let begun = Instant::now();
        tokio::select! {
            () = gone => {}
            () = tokio::time::sleep(GOODBYE_MAX) => {}
            // Whoever signals twice does not want to wait.
            _ = signals.next() => {}
        }
        let left = core.connections();
        core.close_storage();
        monitor.stop();
        info!(
            "stopped after {} ms, {left} connections dropped",
            begun.elapsed().as_millis()
        );
        Ok(())
    });
    runtime.shutdown_timeout(RUNTIME_END_MAX);
    served
}
