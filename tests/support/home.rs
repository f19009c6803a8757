//! A data directory that outlives its broker: stopped, killed and started again at the test's will. The directory goes with its
//! owner, even if that is killed: a shell waits for the end of its standard input and removes it.
//!
//! Against a foreign broker (`LEVERET_TEST_URI`) the command in `LEVERET_TEST_RESTART` ends and starts it, with `stop`, `kill` or
//! `start` as its argument; without it the tests that restart are skipped. Run them one at a time then.

use std::ops::{Deref, DerefMut};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::Duration;

use super::broker::{Broker, Start, foreign_uri};

/// How a broker ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// SIGTERM.
    Stop,
    /// SIGKILL.
    Kill,
}

/// A data directory, and most of the time a broker on it.
pub struct Home {
    /// The directory that `--data-dir` names.
    pub data: PathBuf,
    /// `--set` of the next start.
    pub settings: Vec<String>,
    /// Other flags of the next start.
    pub flags: Vec<String>,
    /// What the shell around the broker does first.
    pub before: String,
    broker: Option<Broker>,
    janitor: Option<(Child, ChildStdin)>,
}

/// A directory's name that nobody uses, under `target/tmp`.
pub fn fresh(stem: &str) -> PathBuf {
    let name = super::unique(&format!("{stem}-{}", std::process::id()));
    Path::new(env!("CARGO_TARGET_TMPDIR")).join(name)
}

/// Runs a test with each way to end, on a directory of its own.
pub fn both(test: impl Fn(&mut Home, End)) {
    both_with(&[], test);
}

/// The same with settings.
pub fn both_with(settings: &[&str], test: impl Fn(&mut Home, End)) {
    for end in [End::Stop, End::Kill] {
        if restart_command().is_none() && super::foreign() {
            eprintln!("skipped: LEVERET_TEST_RESTART is not set");
            return;
        }
        eprintln!("--- {end:?}");
        test(&mut Home::with(settings), end);
    }
}

impl Home {
    /// A new directory with a broker on it.
    pub fn with(settings: &[&str]) -> Self {
        let mut home = Self::vacant(settings);
        home.start();
        home
    }

    /// A new directory, nobody on it yet.
    pub fn vacant(settings: &[&str]) -> Self {
        let directory = fresh("home");
        Self {
            data: directory.join("data"),
            settings: settings.iter().map(|&setting| setting.into()).collect(),
            flags: Vec::new(),
            before: String::new(),
            broker: None,
            janitor: (!super::foreign()).then(|| janitor(&directory)),
        }
    }

    /// Starts a broker on the directory and waits until it listens.
    pub fn start(&mut self) {
        assert!(self.broker.is_none(), "there is one already");
        if let Some(uri) = foreign_uri() {
            if restart_command().is_some() && std::net::TcpStream::connect(address(&uri)).is_err() {
                run("start");
            }
            self.broker = Some(Broker::at(&uri));
            return;
        }
        let mut broker = self.spawn();
        broker.listening();
        self.broker = Some(broker);
    }

    /// Starts a broker that this home does not keep, and does not wait for it.
    pub fn spawn(&self) -> Broker {
        let settings: Vec<&str> = self.settings.iter().map(String::as_str).collect();
        let flags: Vec<&str> = self.flags.iter().map(String::as_str).collect();
        Broker::spawn(&Start {
            data: self.data.clone(),
            settings: &settings,
            flags: &flags,
            before: &self.before,
            ..Start::default()
        })
    }

    /// Starts a broker that must refuse: exit code 1, and what it says.
    pub fn refusal(&self) -> String {
        let mut broker = self.spawn();
        let code = broker.wait();
        let words = broker.words();
        assert_eq!(code, Some(1), "{words}");
        words
    }

    /// Ends the broker; when this returns its process is gone.
    pub fn end(&mut self, end: End) {
        let broker = self.broker.take().expect("it runs");
        match (super::foreign(), end) {
            (true, End::Stop) => run("stop"),
            (true, End::Kill) => run("kill"),
            (false, End::Stop) => broker.stop(),
            (false, End::Kill) => broker.kill(),
        }
    }

    /// Ends the broker and starts one again.
    pub fn restart(&mut self, end: End) {
        self.end(end);
        self.start();
    }

    /// Before a kill: waits until settles, which nobody waits for, must be on disk (they may take 200 ms).
    pub fn settle(&self, end: End) {
        if end == End::Kill {
            std::thread::sleep(Duration::from_millis(if super::foreign() {
                1500
            } else {
                600
            }));
        }
    }

    /// Files of the data directory whose names begin so, sorted.
    pub fn files(&self, prefix: &str) -> Vec<PathBuf> {
        let entries = std::fs::read_dir(&self.data).expect("a data directory");
        let mut paths: Vec<PathBuf> = entries
            .map(|entry| entry.expect("an entry").path())
            .collect();
        paths.retain(|path| {
            let name = path.file_name().expect("a name").to_string_lossy();
            name.starts_with(prefix)
        });
        paths.sort();
        paths
    }
}

impl Deref for Home {
    type Target = Broker;
    fn deref(&self) -> &Broker {
        self.broker.as_ref().expect("it runs")
    }
}

impl DerefMut for Home {
    fn deref_mut(&mut self) -> &mut Broker {
        self.broker.as_mut().expect("it runs")
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        self.broker = None;
        if let Some((mut shell, stdin)) = self.janitor.take() {
            drop(stdin);
            let _ = shell.wait();
        }
    }
}

/// Removes the directory when its standard input ends; twice, because a broker that is being killed may write meanwhile.
fn janitor(directory: &Path) -> (Child, ChildStdin) {
    std::fs::create_dir_all(directory).expect("a directory for the test");
    let script =
        r#"cat >/dev/null; chmod -R u+rwX "$1"; rm -rf "$1" || { sleep 0.2; rm -rf "$1"; }"#;
    let mut command = Command::new("sh");
    command.args(["-c", script, "sh"]).arg(directory);
    command.stdin(Stdio::piped()).stderr(Stdio::null());
    let mut child = command.spawn().expect("sh starts");
    let stdin = child.stdin.take().expect("piped");
    (child, stdin)
}

fn restart_command() -> Option<String> {
    std::env::var("LEVERET_TEST_RESTART").ok()
}

fn run(verb: &str) {
    let command = restart_command().expect("LEVERET_TEST_RESTART");
    let done = Command::new("sh")
        .args(["-c", &format!("{command} {verb}")])
        .status();
    assert!(done.expect("sh starts").success(), "{command} {verb}");
}

fn address(uri: &str) -> std::net::SocketAddr {
    Broker::at(uri).address
}
