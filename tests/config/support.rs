//! Starting the binary with a clean environment, and looking at what it says.

use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, ExitStatus, Output, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

/// Longest time that a start or a stop may take here, on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// A directory for one test, under `target/tmp`.
pub fn home() -> tempfile::TempDir {
    tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a directory for the test")
}

/// The binary, without any of this process's RABBITMQ variables, in a directory of its own.
pub fn leveret(home: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_leveret"));
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("RABBITMQ_") {
            command.env_remove(name);
        }
    }
    command.current_dir(home);
    command
}

/// Runs it to its end.
pub fn output(command: &mut Command) -> Output {
    command.output().expect("started")
}

/// Its one line on stderr, after exit code 1.
pub fn refusal(command: &mut Command) -> String {
    let output = output(command);
    let text = String::from_utf8(output.stderr).expect("UTF-8");
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert_eq!(text.lines().count(), 1, "{text}");
    text.trim_end().to_owned()
}

/// Writes a file, with its directory.
pub fn write(home: &Path, name: &str, text: &str) -> PathBuf {
    let path = home.join(name);
    std::fs::create_dir_all(path.parent().expect("in a directory")).expect("a directory");
    std::fs::write(&path, text).expect("written");
    path
}

/// A broker that runs; killed when dropped.
pub struct Running {
    child: Child,
    lines: Receiver<String>,
    seen: Vec<String>,
}

impl Running {
    /// Starts it, without the HTTP API, whose port is the same for all.
    pub fn start(command: &mut Command) -> Self {
        command.args(["--set", "management.tcp.port=none"]);
        Self::start_as_told(command)
    }

    /// Starts it as it is.
    pub fn start_as_told(command: &mut Command) -> Self {
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("started");
        let stdout: ChildStdout = child.stdout.take().expect("piped");
        let (sender, lines) = channel();
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    break;
                }
            }
        });
        Running {
            child,
            lines,
            seen: Vec::new(),
        }
    }

    /// The lines up to the first one with this text; `None` if it ends or nothing comes.
    pub fn wait_for(&mut self, text: &str) -> Option<String> {
        let end = Instant::now() + PATIENCE;
        if let Some(line) = self.seen.iter().find(|line| line.contains(text)) {
            return Some(line.clone());
        }
        loop {
            let line = self
                .lines
                .recv_timeout(end.saturating_duration_since(Instant::now()))
                .ok()?;
            self.seen.push(line.clone());
            if line.contains(text) {
                return Some(line);
            }
        }
    }

    /// The addresses of all listeners, once `count` of them are logged.
    pub fn addresses(&mut self, count: usize) -> Vec<String> {
        const MARK: &str = "listening amqp ";
        let end = Instant::now() + PATIENCE;
        loop {
            let found: Vec<String> = self
                .seen
                .iter()
                .filter_map(|line| line.split_once(MARK).map(|(_, address)| address.to_owned()))
                .collect();
            if found.len() >= count {
                return found;
            }
            match self
                .lines
                .recv_timeout(end.saturating_duration_since(Instant::now()))
            {
                Ok(line) => self.seen.push(line),
                Err(_) => {
                    let complaint = self.complaint();
                    panic!(
                        "{count} listeners expected; it said {:#?}; {complaint}",
                        self.seen
                    );
                }
            }
        }
    }

    /// All lines that were looked at.
    pub fn seen(&self) -> &[String] {
        &self.seen
    }

    /// Sends a signal by name.
    pub fn signal(&self, name: &str) {
        let id = self.child.id().to_string();
        let sent = Command::new("kill")
            .args(["-s", name, &id])
            .status()
            .expect("kill of coreutils or procps");
        assert!(sent.success());
    }

    /// The process's number.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Waits for its end, and how long that took.
    pub fn end(&mut self) -> (ExitStatus, Duration) {
        let begun = Instant::now();
        while begun.elapsed() < PATIENCE {
            if let Some(status) = self.child.try_wait().expect("waited") {
                while let Ok(line) = self.lines.recv_timeout(Duration::from_millis(200)) {
                    self.seen.push(line);
                }
                return (status, begun.elapsed());
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        panic!("it did not end; it said {:#?}", self.seen);
    }

    fn complaint(&mut self) -> String {
        let _ = self.child.kill();
        let mut text = String::new();
        if let Some(stderr) = &mut self.child.stderr {
            let _ = stderr.read_to_string(&mut text);
        }
        text
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
