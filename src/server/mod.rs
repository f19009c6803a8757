//! The process: starts everything in order, waits for a signal, ends everything in order.
//!
//! Configuration, log, data directory (lock, recovery, its threads), listeners, monitors, accepting; then back: no more accepting,
//! connections told and given time, monitors, data directory, log. `main` calls [`run`], [`check`], [`inspect`], [`import`] and [`export`];
//! the broker's own work is not here.

mod app;
mod core;
mod defaults;
mod definitions;
mod descriptors;
mod disk;
mod inspect;
mod listeners;
mod logging;
mod machine;
mod memory;
mod offline;
mod signals;
mod storage;

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tracing::{error, info};

use crate::config::{Config, Notice, Sources, Tcp};
use crate::management;
use crate::store::disk::Directory;
use app::App;
use core::Core;
pub use inspect::run as inspect;
pub use offline::{export, import};
use signals::Signals;

/// Time that connections get to take their connection.close at the end; then they are dropped.
const GOODBYE_MAX: Duration = Duration::from_secs(3);
/// How often it is looked whether all of them have gone.
const GOODBYE_STEP: Duration = Duration::from_millis(10);
/// Time that tasks which do not end get before the process ends without them.
const RUNTIME_END_MAX: Duration = Duration::from_millis(500);

/// Loads the configuration and serves until a signal. Exit code 0 after a signal, 1 when the start fails, with one line on
/// stderr that says why. With `salvage` a damaged data directory costs what is damaged, not the start.
pub fn run(sources: Sources, salvage: bool) -> ExitCode {
    memory::prefer_small_pages();
    let (config, notices) = match Config::load(sources) {
        Ok(loaded) => loaded,
        Err(error) => return fail(&error.to_string()),
    };
    let log = match logging::start(&config.log) {
        Ok(log) => log,
        Err(error) => return fail(&error),
    };
    let served = serve_until_signal(&config, &notices, salvage);
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

fn serve_until_signal(config: &Config, notices: &[Notice], salvage: bool) -> Result<(), String> {
    info!("leveret {} starts", env!("CARGO_PKG_VERSION"));
    for notice in notices {
        info!("{notice}");
    }
    descriptors::raise_limit();
    let workers = std::thread::available_parallelism().map_or(1, usize::from);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(workers)
        .thread_name("leveret")
        .on_thread_park(memory::collect_if_asked)
        .enable_all()
        .build()
        .map_err(|error| format!("cannot start threads: {error}"))?;
    let (core, mut signals) = runtime.block_on(async {
        let signals = Signals::new().map_err(|error| format!("cannot wait for signals: {error}"));
        Ok::<_, String>((Arc::new(Core::start(config, salvage)?), signals?))
    })?;
    let served = runtime.block_on(serve(config, &core, &mut signals));
    // Connections that did not go go now: what they hold returns to the queues before those are written.
    let begun = Instant::now();
    runtime.shutdown_timeout(RUNTIME_END_MAX);
    let clean = core.close_storage();
    if served.is_ok() {
        let how = if clean { "" } else { ", not cleanly" };
        info!(
            "stopped{how}; the end took {} ms",
            begun.elapsed().as_millis()
        );
    }
    served
}

/// From the first listener to the last connection.
async fn serve(config: &Config, core: &Arc<Core>, signals: &mut Signals) -> Result<(), String> {
    let bound = listeners::bind(&config.listeners, &config.tcp)?;
    // An answer may still be on its way when the server closes: it is not to be cut off.
    let tcp = Tcp {
        linger: None,
        ..config.tcp.clone()
    };
    let http = listeners::open_all(&config.management.listeners, &tcp)?;
    let limits = machine::Limits::new(config);
    let memory =
        memory::Monitor::start(&config.memory, Arc::clone(core), Arc::clone(&limits.memory))?;
    let disk = disk::Monitor::start(watched(config, core, &limits))?;
    let app = Arc::new(App::new(core, &config.tcp, &bound));
    let door = machine::door(config, core, &app, limits, &http);
    // HTTP first: who has seen the AMQP line knows that everything listens.
    let of_http = {
        let door = Arc::clone(&door);
        listeners::Accepting::start(http, "http", move |stream, peer| {
            tokio::spawn(management::serve(stream, peer, Arc::clone(&door)));
        })?
    };
    app.open(bound).await?;
    // Outside the macro: a log level that drops the line would not wait for the signal.
    let signal = signals.next().await;
    info!("stopping: {signal}");
    app.close().await;
    of_http.stop().await;
    door.stop();
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
    memory.stop();
    disk.stop();
    info!(
        "connections closed after {} ms, {left} dropped",
        begun.elapsed().as_millis()
    );
    Ok(())
}

/// The disk that the alarm looks at.
fn watched(config: &Config, core: &Arc<Core>, limits: &machine::Limits) -> disk::Watched {
    let path = config.data_dir.clone();
    let (journal, alarm) = (Arc::clone(core), Arc::clone(core));
    disk::Watched {
        limit: Arc::clone(&limits.disk),
        place: path.display().to_string(),
        free: Box::new(move || Directory::free(&path)),
        failed: Box::new(move || journal.journal_has_failed()),
        set: Box::new(move |raised| alarm.set_disk_alarm(raised)),
    }
}
