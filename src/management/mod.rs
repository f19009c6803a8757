//! The HTTP door: RabbitMQ's management API, for operators and their tools.
//!
//! `routes` is the table of paths; `dispatch` takes a request from it through login, body and worker to its handler; each noun has a
//! file with its handlers, which are plain functions from a [`Call`] to an [`Answer`] and run on blocking threads, a few at a
//! time, so that no list of ten thousand queues delays a message. `server` accepts and calls [`serve`].
//!
//! What a stranger can make it hold is bounded: connections, time without a byte, heads, bodies (a larger one for definitions and
//! publishes alone) and what all bodies have together; bodies are kept only of those who are logged in.

mod answer;
mod ask;
mod binding_key;
mod bindings;
mod body;
mod call;
mod channels;
mod connection;
mod connections;
mod dead_letters;
mod definitions;
mod dispatch;
mod exchanges;
mod form;
mod health;
mod json;
mod limits;
mod list;
mod login;
mod messages;
mod operation;
mod overview;
mod pace;
mod parameters;
mod permissions;
mod policies;
mod properties;
mod queues;
mod replay;
mod routes;
mod stall;
mod stream_groups;
mod users;
mod vhosts;
mod wait;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use tokio::sync::{Semaphore, watch};

use self::answer::{Answer, Refusal};
use self::call::Call;
pub use self::connection::serve;
use crate::broker::Broker;

/// HTTP connections at a time; one more is closed at once.
pub const CONNECTIONS_MAX: usize = 2048;
/// Requests at a time which are worked on; others wait.
const WORKERS: usize = 4;
/// Bytes of a request's body, where it is not definitions or a message.
const BODY_BYTES: usize = 1024 * 1024;

/// The connection as which requests act: none, so that no exclusive queue is theirs.
const NO_CONNECTION: u64 = 0;

/// What the door is told.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Bytes of a body that brings definitions or a message; `management.http.max_body_size`.
    pub body_bytes_max: usize,
    /// What all paths start with; `management.path_prefix`. Empty, or a slash and no slash at the end.
    pub path_prefix: String,
    /// Time that a client gets to send a request's head, or to send or take anything.
    pub idle_timeout: Duration,
    /// The node's name.
    pub node_name: String,
    /// The cluster's name.
    pub cluster_name: String,
    /// The product's name.
    pub product_name: String,
    /// The RabbitMQ version that clients may rely on.
    pub product_version: String,
    /// Milliseconds since the epoch at which the process started.
    pub started_ms: u64,
}

/// A listener of the process, as the API shows it.
#[derive(Clone, Debug)]
pub struct Listener {
    /// `amqp` or `http`.
    pub protocol: &'static str,
    /// Where.
    pub address: SocketAddr,
}

/// Memory and disk as the machine has them.
#[derive(Clone, Copy, Debug, Default)]
pub struct Gauges {
    /// Bytes that the process has in memory.
    pub memory_used: u64,
    /// Bytes above which publishers are blocked.
    pub memory_limit: u64,
    /// Free bytes of the data directory's disk.
    pub disk_free: u64,
    /// Bytes below which publishers are blocked.
    pub disk_limit: u64,
    /// Open descriptors.
    pub descriptors_used: u64,
    /// Descriptors that may be open.
    pub descriptors_max: u64,
}

/// What the API asks of the process around the broker. `server` implements it.
pub trait Machine: Send + Sync {
    /// Memory and disk now.
    fn gauges(&self) -> Gauges;
    /// Everything that listens.
    fn listeners(&self) -> Vec<Listener>;
    /// The data directory.
    fn data_dir(&self) -> String;
    /// Closes the AMQP listeners and all connections. Waits for that, and not for ever.
    fn stop_amqp(&self);
    /// Opens the AMQP listeners again; the error says why they cannot be.
    fn start_amqp(&self) -> Result<(), String>;
    /// From how much memory on publishers are blocked. The error says what is wrong with it.
    fn set_memory_limit(&self, threshold: &Threshold) -> Result<(), String>;
    /// Below how much free disk space publishers are blocked.
    fn set_disk_limit(&self, threshold: &Threshold) -> Result<(), String>;
}

/// A limit as operators give it.
#[derive(Clone, Debug, PartialEq)]
pub enum Threshold {
    /// Part, or multiple, of all memory.
    Part(f64),
    /// A size as configuration files have it.
    Size(String),
}

/// What all HTTP connections share.
pub struct Door {
    broker: Arc<Broker>,
    settings: Settings,
    machine: Box<dyn Machine>,
    router: Router,
    connections: Arc<Semaphore>,
    workers: Arc<Semaphore>,
    bodies: Arc<Semaphore>,
    redrives: Arc<Semaphore>,
    stop: watch::Sender<bool>,
}

impl Door {
    /// A door to `broker`.
    pub fn new(broker: Arc<Broker>, settings: Settings, machine: Box<dyn Machine>) -> Arc<Self> {
        Arc::new_cyclic(|door| Self {
            router: dispatch::router(door, &settings.path_prefix),
            bodies: body::room(settings.body_bytes_max),
            redrives: Arc::new(Semaphore::new(dead_letters::REDRIVES_MAX)),
            broker,
            settings,
            machine,
            connections: Arc::new(Semaphore::new(CONNECTIONS_MAX)),
            workers: Arc::new(Semaphore::new(WORKERS)),
            stop: watch::Sender::new(false),
        })
    }

    /// Lets requests that are under way finish and ends all connections.
    pub fn stop(&self) {
        self.stop.send_replace(true);
    }
}
