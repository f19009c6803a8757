//! Where log lines go: the terminal, a file, or both, each with its level and look. `mod.rs` starts it first and ends it
//! last.
//!
//! Lines are written by a thread of their own, so that a slow disk or a terminal that nobody reads never stops a
//! connection; when it falls too far behind, lines are dropped and counted.

use std::fs::OpenOptions;
use std::io::{self, IsTerminal, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::time::{Duration, Instant};

use tracing::Subscriber;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::{Layer, Registry};

use crate::config::{Log, LogFormat, LogLevel};

/// Lines that wait to be written, for each of terminal and file.
const WAITING_LINES_MAX: usize = 8_192;
/// Time that the last lines get at the end.
const FINISH_MAX: Duration = Duration::from_millis(500);
/// How often it is tried to hand the end over while too many lines wait.
const FINISH_STEP: Duration = Duration::from_millis(5);

/// What has to be ended so that no line is lost.
pub struct Logging {
    outputs: Vec<SyncSender<Item>>,
}

/// Starts logging for the whole process.
pub fn start(log: &Log) -> Result<Logging, String> {
    let mut outputs = Vec::new();
    let mut layers: Vec<Box<dyn Layer<Registry> + Send + Sync>> = Vec::new();
    if let Some(console) = &log.console {
        let (stream, is_terminal): (Box<dyn Write + Send>, bool) = if console.stderr {
            (Box::new(io::stderr()), io::stderr().is_terminal())
        } else {
            (Box::new(io::stdout()), io::stdout().is_terminal())
        };
        let output = Output::start(stream)?;
        outputs.push(output.sender.clone());
        layers.push(layer(
            output,
            console.format,
            console.colors && is_terminal,
            targets(console.level, &log.categories),
        ));
    }
    if let Some(file) = &log.file {
        let opened = open(&file.path).map_err(|error| {
            format!("cannot write the log file {}: {error}", file.path.display())
        })?;
        let output = Output::start(Box::new(opened))?;
        outputs.push(output.sender.clone());
        layers.push(layer(
            output,
            file.format,
            false,
            targets(file.level, &log.categories),
        ));
    }
    tracing::subscriber::set_global_default(tracing_subscriber::registry().with(layers))
        .map_err(|error| format!("cannot start logging: {error}"))?;
    std::panic::set_hook(Box::new(|panic| {
        // One event, one line.
        tracing::error!("{}", panic.to_string().replace('\n', " "));
    }));
    Ok(Logging { outputs })
}

impl Logging {
    /// Waits until the lines so far are written, for a while.
    pub fn finish(self) {
        let end = Instant::now() + FINISH_MAX;
        for output in self.outputs {
            let (done, is_done) = sync_channel(1);
            let mut item = Item::Flush(done);
            // A blocking send could wait for ever for a terminal that nobody reads.
            while let Err(TrySendError::Full(back)) = output.try_send(item) {
                if Instant::now() >= end {
                    return;
                }
                item = back;
                std::thread::sleep(FINISH_STEP);
            }
            let _ = is_done.recv_timeout(end.saturating_duration_since(Instant::now()));
        }
    }
}

fn open(path: &Path) -> io::Result<std::fs::File> {
    if let Some(directory) = path
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty())
    {
        std::fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(directory)?;
    }
    OpenOptions::new()
        .create(true)
        .append(true)
        .mode(0o640)
        .open(path)
}

fn layer<S>(
    output: Output,
    format: LogFormat,
    colors: bool,
    targets: Targets,
) -> Box<dyn Layer<S> + Send + Sync>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    let plain = tracing_subscriber::fmt::layer()
        .with_writer(output)
        .with_target(false)
        .with_ansi(colors);
    match format {
        LogFormat::Text => plain.with_filter(targets).boxed(),
        LogFormat::Json => plain
            .json()
            .flatten_event(true)
            .with_filter(targets)
            .boxed(),
    }
}

/// Levels by module: RabbitMQ's categories are rooms of this house.
fn targets(level: LogLevel, categories: &[(String, LogLevel)]) -> Targets {
    let mut targets = Targets::new().with_default(filter(level));
    for (category, level) in categories {
        let module = match category.as_str() {
            "channel" => "leveret::connection::channel",
            "queue" => "leveret::queue",
            _ => "leveret::connection",
        };
        targets = targets.with_target(module, filter(*level));
    }
    targets
}

fn filter(level: LogLevel) -> LevelFilter {
    match level {
        LogLevel::Off => LevelFilter::OFF,
        LogLevel::Error => LevelFilter::ERROR,
        LogLevel::Warning => LevelFilter::WARN,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Debug => LevelFilter::DEBUG,
    }
}

/// What the writing thread gets.
enum Item {
    Line(Vec<u8>),
    Flush(SyncSender<()>),
}

/// The way to one writing thread.
#[derive(Clone)]
struct Output {
    sender: SyncSender<Item>,
    lost: Arc<AtomicU64>,
}

impl Output {
    fn start(stream: Box<dyn Write + Send>) -> Result<Self, String> {
        let (sender, receiver) = sync_channel(WAITING_LINES_MAX);
        let lost = Arc::new(AtomicU64::new(0));
        let counter = lost.clone();
        std::thread::Builder::new()
            .name("log".to_owned())
            .spawn(move || write_all(&receiver, stream, &counter))
            .map_err(|error| format!("cannot start a thread: {error}"))?;
        Ok(Output { sender, lost })
    }

    fn send(&self, line: Vec<u8>) {
        if let Err(TrySendError::Full(_)) = self.sender.try_send(Item::Line(line)) {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// Runs until all senders are gone. A stream that cannot be written loses its lines; there is nowhere to say so.
fn write_all(receiver: &Receiver<Item>, mut stream: Box<dyn Write + Send>, lost: &AtomicU64) {
    while let Ok(item) = receiver.recv() {
        match item {
            Item::Line(line) => {
                let missing = lost.swap(0, Ordering::Relaxed);
                if missing > 0 {
                    let _ = writeln!(
                        stream,
                        "{missing} log lines were dropped: writing them is too slow"
                    );
                }
                let _ = stream.write_all(&line).and_then(|()| stream.flush());
            }
            Item::Flush(done) => {
                let _ = done.send(());
            }
        }
    }
}

/// One line in the making; it is handed over when dropped.
struct Line<'a> {
    output: &'a Output,
    text: Vec<u8>,
}

impl Write for Line<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.text.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for Line<'_> {
    fn drop(&mut self) {
        self.output.send(std::mem::take(&mut self.text));
    }
}

impl<'a> MakeWriter<'a> for Output {
    type Writer = Line<'a>;

    fn make_writer(&'a self) -> Line<'a> {
        Line {
            output: self,
            text: Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use parking_lot::{Condvar, Mutex};

    /// A stream that can be stopped, as a terminal with Ctrl-S.
    #[derive(Clone, Default)]
    struct Stream(Arc<Terminal>);

    #[derive(Default)]
    struct Terminal {
        stopped: Mutex<bool>,
        goes_on: Condvar,
        written: Mutex<Vec<u8>>,
    }

    impl Write for Stream {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let mut stopped = self.0.stopped.lock();
            self.0.goes_on.wait_while(&mut stopped, |stopped| *stopped);
            self.0.written.lock().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl Stream {
        fn text(&self) -> String {
            String::from_utf8(self.0.written.lock().clone()).expect("UTF-8")
        }
    }

    fn lines(
        format: LogFormat,
        level: LogLevel,
        categories: &[(String, LogLevel)],
        log: impl FnOnce(),
    ) -> String {
        let stream = Stream::default();
        let output = Output::start(Box::new(stream.clone())).expect("started");
        let logging = Logging {
            outputs: vec![output.sender.clone()],
        };
        let layer: Box<dyn Layer<Registry> + Send + Sync> =
            layer(output, format, false, targets(level, categories));
        tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), log);
        logging.finish();
        stream.text()
    }

    #[test]
    fn text_is_a_line_with_time_and_level() {
        let text = lines(LogFormat::Text, LogLevel::Info, &[], || {
            tracing::info!("listening amqp 127.0.0.1:5672");
            tracing::debug!("unseen");
        });
        assert!(
            text.ends_with(" INFO listening amqp 127.0.0.1:5672\n") && text.lines().count() == 1,
            "{text}"
        );
    }

    #[test]
    fn json_is_an_object_a_line() {
        let text = lines(LogFormat::Json, LogLevel::Info, &[], || {
            tracing::warn!(vhost = "/", "hello")
        });
        let value: serde_json::Value = serde_json::from_str(&text).expect("JSON");
        assert_eq!(
            (&value["level"], &value["message"], &value["vhost"]),
            (&"WARN".into(), &"hello".into(), &"/".into())
        );
    }

    #[test]
    fn categories_have_levels_of_their_own() {
        let categories = [
            ("connection".to_owned(), LogLevel::Error),
            ("queue".to_owned(), LogLevel::Debug),
        ];
        let text = lines(LogFormat::Text, LogLevel::Info, &categories, || {
            tracing::info!(target: "leveret::connection::task", "one");
            tracing::error!(target: "leveret::connection::task", "two");
            tracing::debug!(target: "leveret::queue::core", "three");
            tracing::debug!(target: "leveret::broker", "four");
        });
        let shown: Vec<bool> = ["one", "two", "three", "four"]
            .map(|word| text.contains(word))
            .into();
        assert_eq!(shown, [false, true, true, false], "{text}");
    }

    #[test]
    fn a_stopped_terminal_stops_nobody_and_lost_lines_are_counted() {
        let stream = Stream::default();
        *stream.0.stopped.lock() = true;
        let output = Output::start(Box::new(stream.clone())).expect("started");
        for _ in 0..WAITING_LINES_MAX + 100 {
            output.send(b"line\n".to_vec());
        }
        assert!(output.lost.load(Ordering::Relaxed) >= 99);
        *stream.0.stopped.lock() = false;
        stream.0.goes_on.notify_all();
        Logging {
            outputs: vec![output.sender.clone()],
        }
        .finish();
        assert!(stream.text().contains("log lines were dropped"));
    }

    #[test]
    fn a_log_file_gets_its_directory() {
        let home = tempfile::tempdir().expect("directory");
        let path = home.path().join("a/b/x.log");
        writeln!(open(&path).expect("opened"), "one").expect("written");
        writeln!(open(&path).expect("opened"), "two").expect("written");
        assert_eq!(std::fs::read_to_string(&path).expect("read"), "one\ntwo\n");
        assert!(open(&path.join("c")).is_err());
    }
}
