//! The real binary, started on a free port in a directory of its own and gone with its owner, even if that is killed: a
//! shell stands between, kills the broker when our end of its standard input closes, and removes the directory.

use std::io::{BufRead, BufReader};
use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, Instant};

use super::{Login, PATIENCE, Peer};

const SHELL: &str = r#"
[ "$FILES" = 0 ] || ulimit -n "$FILES"
[ -z "$DIR" ] || mkdir -p "$DIR"
eval "$BEFORE"
exec 3<&0
"$@" </dev/null & broker=$!
echo "broker pid $broker"
# Our reader may be gone when the broker ends: a word to it would end this shell before it has cleaned up.
exec >/dev/null 2>&1
(cat <&3; kill -9 $broker) >/dev/null 2>&1 & watch=$!
wait $broker; code=$?
kill $watch 2>/dev/null
[ -z "$DIR" ] || rm -rf "$DIR"
exit $code
"#;

/// How a broker is started.
#[derive(Default)]
pub struct Start<'a> {
    /// `--data-dir`.
    pub data: std::path::PathBuf,
    /// Removed when the broker has ended; nothing for None.
    pub remove: Option<std::path::PathBuf>,
    /// `--set`, `KEY=VALUE` each.
    pub settings: &'a [&'a str],
    /// More flags.
    pub flags: &'a [&'a str],
    /// Limit of open files; 0 leaves it.
    pub files: u32,
    /// What the shell does first: limits.
    pub before: &'a str,
}

/// A running broker. Dropped, it is killed.
pub struct Broker {
    shell: Option<(Child, ChildStdin)>,
    /// The broker's process id; 0 for a foreign one.
    pub pid: u32,
    /// Where it listens.
    pub address: SocketAddr,
    /// Where its HTTP API is, if it has one.
    pub http: Option<SocketAddr>,
    pub user: String,
    pub password: String,
    pub vhost: String,
    log: Arc<Mutex<Vec<String>>>,
}

pub(super) fn foreign_uri() -> Option<String> {
    std::env::var("LEVERET_TEST_URI")
        .ok()
        .filter(|uri| !uri.is_empty())
}

/// Are the tests held against somebody else's broker?
pub fn foreign() -> bool {
    foreign_uri().is_some()
}

/// The broker that the tests of a binary share: default settings, names made by `unique`.
pub fn shared() -> &'static Broker {
    static SHARED: OnceLock<Broker> = OnceLock::new();
    SHARED.get_or_init(|| match foreign_uri() {
        Some(uri) => Broker::at(&uri),
        None => Broker::start(),
    })
}

impl Broker {
    /// A broker with default settings.
    pub fn start() -> Self {
        Self::with(&[])
    }

    /// A broker with settings of its own, `KEY=VALUE` each.
    pub fn with(settings: &[&str]) -> Self {
        Self::with_files(settings, 0)
    }

    /// The same with a limit of open files; 0 leaves it.
    pub fn with_files(settings: &[&str], files: u32) -> Self {
        let directory = super::home::fresh("broker");
        let mut broker = Self::spawn(&Start {
            data: directory.join("data"),
            remove: Some(directory),
            settings,
            files,
            ..Start::default()
        });
        broker.listening();
        broker
    }

    /// Starts it and does not wait until it listens: `listening` does.
    pub fn spawn(start: &Start<'_>) -> Self {
        let mut command = Command::new("sh");
        command.args([
            "-c",
            SHELL,
            "sh",
            env!("CARGO_BIN_EXE_leveret"),
            "serve",
            "--data-dir",
        ]);
        command.arg(&start.data);
        command.args(["--set", "listeners.tcp.1=127.0.0.1:0"]);
        command.args(["--set", "management.tcp.port=0"]);
        for setting in start.settings {
            command.args(["--set", setting]);
        }
        command
            .args(start.flags)
            .env("DIR", start.remove.as_deref().unwrap_or("".as_ref()))
            .env("BEFORE", start.before)
            .env("FILES", start.files.to_string());
        for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("RABBITMQ_")) {
            command.env_remove(name);
        }
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command.spawn().expect("sh starts");
        let stdin = child.stdin.take().expect("piped");
        let log = Arc::new(Mutex::new(Vec::new()));
        collect(child.stdout.take().expect("piped"), &log);
        collect(child.stderr.take().expect("piped"), &log);
        let mut broker = Self {
            shell: Some((child, stdin)),
            pid: 0,
            address: SocketAddr::from(([127, 0, 0, 1], 0)),
            http: None,
            user: value(start.settings, "default_user", "guest"),
            password: value(start.settings, "default_pass", "guest"),
            vhost: value(start.settings, "default_vhost", "/"),
            log,
        };
        broker.pid = broker.find("broker pid ").trim().parse().expect("a pid");
        broker
    }

    /// Waits until it listens.
    pub fn listening(&mut self) {
        let address = self.find("listening amqp ");
        let address = address.split_whitespace().next().expect("an address");
        self.address = address.parse().expect("ADDRESS:PORT");
        // That line comes before the other.
        self.http = self.log().iter().find_map(|line| {
            let (_, address) = line.split_once("listening http ")?;
            address.split_whitespace().next()?.parse().ok()
        });
    }

    /// Somebody else's broker.
    pub(super) fn at(uri: &str) -> Self {
        let rest = uri.strip_prefix("amqp://").expect("amqp:// URI");
        let (login, host) = rest.split_once('@').unwrap_or(("guest:guest", rest));
        let (user, password) = login.split_once(':').expect("user:password");
        let host = host.split('/').next().expect("host:port");
        Self {
            shell: None,
            pid: 0,
            address: host
                .to_socket_addrs()
                .expect("resolves")
                .next()
                .expect("an address"),
            user: user.to_owned(),
            password: password.to_owned(),
            vhost: "/".to_owned(),
            http: std::env::var("LEVERET_TEST_HTTP")
                .ok()
                .and_then(|address| address.to_socket_addrs().ok()?.next()),
            log: Arc::default(),
        }
    }

    /// For lapin.
    pub fn uri(&self) -> String {
        let vhost = self.vhost.replace('%', "%25").replace('/', "%2f");
        format!(
            "amqp://{}:{}@{}/{vhost}",
            self.user, self.password, self.address
        )
    }

    /// How a well-behaved client logs in here.
    pub fn login(&self) -> Login {
        Login {
            user: self.user.clone(),
            password: self.password.clone(),
            vhost: self.vhost.clone(),
            ..Login::default()
        }
    }

    /// A bare TCP connection.
    pub fn connect(&self) -> Peer {
        Peer::new(TcpStream::connect(self.address).expect("the broker accepts"))
    }

    /// An open connection.
    pub fn peer(&self) -> Peer {
        self.peer_with(&self.login())
    }

    /// An open connection with a login of its own.
    pub fn peer_with(&self, login: &Login) -> Peer {
        let mut peer = self.connect();
        peer.log_in(login);
        peer
    }

    /// An open connection with channel 1 open.
    pub fn channel(&self) -> Peer {
        let mut peer = self.peer();
        peer.open(1);
        peer
    }

    /// What the broker has written so far, standard output and error.
    pub fn log(&self) -> Vec<String> {
        self.log.lock().unwrap().clone()
    }

    /// The same once it has ended, as one text: its own words only.
    pub fn words(&self) -> String {
        super::eventually("both ends of the log", || {
            self.log()
                .iter()
                .filter(|line| *line == "log ended")
                .count()
                == 2
        });
        let mut lines = self.log();
        lines.retain(|line| line != "log ended" && !line.starts_with("broker pid "));
        lines.join("\n")
    }

    /// Waits until a line of the log contains `what`; the rest of the line behind it.
    pub fn find(&self, what: &str) -> String {
        let end = Instant::now() + PATIENCE;
        loop {
            let found = self
                .log
                .lock()
                .unwrap()
                .iter()
                .find_map(|line| line.find(what).map(|at| line[at + what.len()..].to_owned()));
            if let Some(rest) = found {
                return rest;
            }
            let lines = self.log().join("\n");
            assert!(
                Instant::now() < end,
                "no line with {what:?} in the log:\n{lines}"
            );
            assert!(
                !lines.contains("log ended"),
                "the broker ended without a line with {what:?}:\n{lines}"
            );
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    /// Sends a signal, by the name that kill(1) knows.
    pub fn signal(&self, name: &str) {
        assert!(self.pid > 1, "not our broker");
        let done = Command::new("kill")
            .args(["-s", name, &self.pid.to_string()])
            .status();
        assert!(done.expect("kill runs").success());
    }

    /// SIGTERM; checks that it exits with 0 within 5 s.
    pub fn stop(mut self) {
        let asked = Instant::now();
        self.signal("TERM");
        let code = self.wait();
        assert_eq!(code, Some(0), "exit code; log:\n{}", self.log().join("\n"));
        assert!(
            asked.elapsed() < Duration::from_secs(5),
            "took {:?}",
            asked.elapsed()
        );
    }

    /// SIGKILL; when this returns the process is gone.
    pub fn kill(mut self) {
        self.signal("KILL");
        assert_eq!(self.wait(), Some(128 + 9), "{}", self.log().join("\n"));
    }

    /// Waits until it has ended: the exit code.
    pub fn wait(&mut self) -> Option<i32> {
        let end = Instant::now() + PATIENCE;
        let (mut shell, stdin) = self.shell.take().expect("our broker");
        let code = loop {
            if let Some(status) = shell.try_wait().expect("our child") {
                break status.code();
            }
            assert!(Instant::now() < end, "still running after {PATIENCE:?}");
            std::thread::sleep(Duration::from_millis(2));
        };
        drop(stdin);
        code
    }

    /// Resident memory in KiB.
    pub fn rss_kib(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid)).unwrap();
        let line = status
            .lines()
            .find(|line| line.starts_with("VmRSS:"))
            .expect("VmRSS");
        line.split_whitespace()
            .nth(1)
            .expect("a number")
            .parse()
            .unwrap()
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        if let Some((mut shell, stdin)) = self.shell.take() {
            drop(stdin);
            let _ = shell.wait();
        }
        if std::thread::panicking() {
            let log = self.log();
            let from = log.len().saturating_sub(40);
            eprintln!("--- the broker's log:\n{}", log[from..].join("\n"));
        }
    }
}

fn value(settings: &[&str], key: &str, default: &str) -> String {
    let found = settings.iter().find_map(|setting| {
        let (name, value) = setting.split_once('=')?;
        (name.trim() == key).then(|| value.trim().to_owned())
    });
    found.unwrap_or_else(|| default.to_owned())
}

fn collect(stream: impl std::io::Read + Send + 'static, log: &Arc<Mutex<Vec<String>>>) {
    let log = Arc::clone(log);
    std::thread::spawn(move || {
        for line in BufReader::new(stream).lines().map_while(Result::ok) {
            log.lock().unwrap().push(line);
        }
        log.lock().unwrap().push("log ended".to_owned());
    });
}
