//! The typed configuration. Plain data: `build.rs` fills it, `server` hands it out in pieces.

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use super::origin::Origin;
use super::value::ListenAddress;

/// Everything that the user can decide. Each field's key, unit, default and reason stand in `config/leveret.conf`.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    /// Where AMQP clients connect; never empty.
    pub listeners: Vec<Listener>,
    /// Options of their sockets.
    pub tcp: Tcp,
    /// The HTTP API.
    pub management: Management,
    /// Directory for everything that outlives the process.
    pub data_dir: PathBuf,
    /// `rabbit@host`, where RabbitMQ shows its node's name.
    pub node_name: String,
    /// The cluster's name in the server properties.
    pub cluster_name: String,
    /// The product in the server properties.
    pub product_name: String,
    /// The version in the server properties.
    pub product_version: String,
    /// The virtual host that a fresh broker has.
    pub default_vhost: String,
    /// The users that a fresh broker has, the default user first, with their permissions in the default vhost.
    pub users: Vec<UserSeed>,
    /// What every new vhost gets.
    pub vhost_defaults: VhostDefaults,
    /// Files to import at the start.
    pub definitions: Definitions,
    /// Users who may connect from this machine only.
    pub loopback_users: Vec<String>,
    /// Ways to log in, in the order in which they are offered; never empty.
    pub auth_mechanisms: Vec<Mechanism>,
    /// Seconds between heartbeats that the server proposes; 0 proposes none.
    pub heartbeat_s: u16,
    /// Largest frame, envelope included, that the server proposes; 0 is no limit.
    pub frame_max: u32,
    /// Largest frame before tune-ok, envelope included.
    pub initial_frame_max: u32,
    /// Channels of a connection that the server proposes; 0 is no limit.
    pub channel_max: u16,
    /// Largest message body, in bytes.
    pub max_message_size: u64,
    /// Time from accept to connection.open-ok; `None` is no limit.
    pub handshake_timeout: Option<Duration>,
    /// Time to settle a delivery; `None` is no limit.
    pub consumer_timeout: Option<Duration>,
    /// Counts that have an end.
    pub limits: Limits,
    /// When publishers are blocked.
    pub memory: Memory,
    /// How messages and definitions are kept on disk.
    pub storage: Storage,
    /// What is logged, where to.
    pub log: Log,
}

/// What every new vhost gets.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct VhostDefaults {
    /// The type of queues that are declared without one; `None` where nothing is said.
    pub queue_type: Option<String>,
    /// Limits; those of the first pattern that matches count.
    pub limits: Vec<VhostLimits>,
    /// Operator policies.
    pub policies: Vec<OperatorPolicy>,
}

/// Limits of some vhosts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VhostLimits {
    /// Vhosts that have them.
    pub pattern: String,
    /// Connections that may be open; `None` is no limit.
    pub connections: Option<u64>,
    /// Queues that may be there; `None` is no limit.
    pub queues: Option<u64>,
}

/// An operator policy of some vhosts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OperatorPolicy {
    /// Its name.
    pub name: String,
    /// Vhosts that have it.
    pub vhosts: String,
    /// Queues that it is for.
    pub queues: String,
    /// Its keys and values.
    pub definition: Vec<(String, PolicyValue)>,
}

/// What a key of a policy is set to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PolicyValue {
    /// A number.
    Number(u64),
    /// Anything else.
    Text(String),
}

/// What is imported at the start.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Definitions {
    /// Files and directories, in the order in which they are imported.
    pub paths: Vec<PathBuf>,
    /// Only where they have changed since the last start.
    pub skip_if_unchanged: bool,
}

/// One listener.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listener {
    /// The interface, or all.
    pub address: ListenAddress,
    /// The port; 0 lets the system choose.
    pub port: u16,
    /// The key that asked for it.
    pub key: String,
    /// Where that key stands. [`Origin::Default`]: nobody asked, so an address that this machine lacks is no error.
    pub origin: Origin,
}

impl Listener {
    pub(super) fn on_all_interfaces() -> Self {
        Listener {
            address: ListenAddress::All,
            ..Self::by_default(IpAddr::V4(std::net::Ipv4Addr::UNSPECIFIED))
        }
    }

    pub(super) fn by_default(address: IpAddr) -> Self {
        let key = "listeners.tcp".to_owned();
        Listener {
            address: ListenAddress::Ip(address),
            port: 5672,
            key,
            origin: Origin::Default,
        }
    }
}

/// The HTTP API.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Management {
    /// Where it is served; empty for nowhere.
    pub listeners: Vec<Listener>,
    /// Bytes of a request's body where it brings definitions or a message.
    pub body_bytes_max: u64,
    /// What all paths start with: empty, or a slash in front and none behind.
    pub path_prefix: String,
    /// Time without a byte after which a connection is closed.
    pub idle_timeout: Duration,
}

/// Options of the AMQP listeners' sockets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tcp {
    /// Connections that wait to be accepted.
    pub backlog: i32,
    /// TCP_NODELAY.
    pub nodelay: bool,
    /// SO_KEEPALIVE.
    pub keepalive: bool,
    /// SO_SNDBUF in bytes; `None` leaves it to the system.
    pub send_buffer: Option<usize>,
    /// SO_RCVBUF in bytes; `None` leaves it to the system.
    pub receive_buffer: Option<usize>,
    /// SO_LINGER: how long a close waits for unsent bytes before it resets; `None` sends them in the background.
    pub linger: Option<Duration>,
}

/// A user of a fresh broker.
#[derive(Clone, PartialEq, Eq)]
pub struct UserSeed {
    /// Its name.
    pub name: String,
    /// Its password, in the clear as it was written.
    pub password: String,
    /// Its tags.
    pub tags: Vec<String>,
    /// Its permissions in the default virtual host, if it has any there.
    pub permissions: Option<Permissions>,
    /// Virtual hosts that are made later in which it has permissions, and which.
    pub later: Option<(String, Permissions)>,
}

impl std::fmt::Debug for UserSeed {
    // Passwords do not end in logs.
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let UserSeed {
            name,
            tags,
            permissions,
            later,
            password: _,
        } = self;
        out.debug_struct("UserSeed")
            .field("name", name)
            .field("tags", tags)
            .field("permissions", permissions)
            .field("later", later)
            .finish()
    }
}

/// Patterns of names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Permissions {
    /// May be declared and deleted.
    pub configure: String,
    /// May be published and bound to.
    pub write: String,
    /// May be consumed and bound from.
    pub read: String,
}

/// A way to log in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mechanism {
    /// `\0user\0password`.
    Plain,
    /// A table with LOGIN and PASSWORD.
    Amqplain,
}

impl Mechanism {
    /// Its name on the wire.
    pub fn name(self) -> &'static str {
        match self {
            Mechanism::Plain => "PLAIN",
            Mechanism::Amqplain => "AMQPLAIN",
        }
    }
}

/// Counts that have an end; `None` is without end.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Limits {
    /// Connections at the same time.
    pub connections: Option<u64>,
    /// Channels of all connections together.
    pub channels: Option<u64>,
    /// Consumers of one channel.
    pub consumers_per_channel: Option<u64>,
    /// Virtual hosts.
    pub vhosts: Option<u64>,
    /// Queues of the whole broker.
    pub queues: Option<u64>,
    /// Exchanges of the whole broker.
    pub exchanges: Option<u64>,
}

/// When publishers are blocked for want of memory.
#[derive(Debug, Clone, PartialEq)]
pub struct Memory {
    /// Above this.
    pub watermark: Watermark,
    /// Bytes that count as all of the machine's memory, if not what the system says.
    pub total: Option<u64>,
    /// Longest time between two looks.
    pub interval: Duration,
}

/// An amount of memory.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Watermark {
    /// Part, or multiple, of all memory.
    Relative(f64),
    /// Bytes.
    Absolute(u64),
}

/// How messages and definitions are kept on disk; where, says `data_dir`.
#[derive(Debug, Clone, PartialEq)]
pub struct Storage {
    /// What a confirm waits for where a queue does not say otherwise.
    pub sync: Sync,
    /// A declare of what is there with other arguments is accepted.
    pub relaxed_redeclare: bool,
    /// Bytes of messages at rest that may be in memory.
    pub memory_budget: u64,
    /// Bytes of journal between two checkpoints.
    pub checkpoint_interval: u64,
    /// Free space of the data directory's disk below which publishers are blocked; [`Watermark::Relative`] is a multiple of
    /// all memory.
    pub free_limit: Watermark,
}

/// What a confirm waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sync {
    /// The disk.
    Fsync,
    /// The operating system.
    Os,
}

/// What is logged, where to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Log {
    /// The terminal, if it is logged to.
    pub console: Option<ConsoleLog>,
    /// The file, if one is logged to.
    pub file: Option<FileLog>,
    /// Least levels of single categories: connection, channel, queue.
    pub categories: Vec<(String, LogLevel)>,
}

/// Logging to the terminal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConsoleLog {
    /// Least level.
    pub level: LogLevel,
    /// How a line looks.
    pub format: LogFormat,
    /// To stderr instead of stdout.
    pub stderr: bool,
    /// Colours where it is a terminal.
    pub colors: bool,
}

/// Logging to a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileLog {
    /// The file; its directory is made if missing.
    pub path: PathBuf,
    /// Least level.
    pub level: LogLevel,
    /// How a line looks.
    pub format: LogFormat,
}

/// How a logged line looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// For programs.
    Json,
}

/// Least level of what is logged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum LogLevel {
    /// Nothing.
    Off,
    /// What went wrong.
    Error,
    /// What may go wrong.
    Warning,
    /// What happens.
    Info,
    /// How it happens.
    Debug,
}
