//! Where the server meets the broker: settings are translated here, and nowhere else. `mod.rs`, `listeners` and `memory`
//! call.

use std::net::SocketAddr;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::net::TcpStream;
use tokio::runtime::Handle;
use tokio::task::JoinHandle;

use super::definitions;
use super::storage::Storage;
use crate::auth::{PasswordHash, Permission, Users};
use crate::broker::{self, Alarm, Broker, events, timers};
use crate::config::{Config, Sync, UserSeed};
use crate::connection;

/// The broker as the server sees it.
pub struct Core {
    broker: Arc<Broker>,
    settings: Arc<connection::Settings>,
    /// Taken at the end.
    storage: Mutex<Option<Storage>>,
    timers: JoinHandle<()>,
    events: JoinHandle<()>,
    runtime: Handle,
}

impl Core {
    /// A broker with what the data directory has and the limits of the configuration; without anything there, with the
    /// configuration's users, too. Called within the runtime.
    pub fn start(config: &Config, salvage: bool) -> Result<Self, String> {
        let users = Arc::new(Users::new());
        let settings = broker_settings(config)?;
        let (storage, broker) = Storage::open(config, salvage, settings, users)?;
        // As in RabbitMQ, the defaults are for a node that has nothing yet. The vhost comes last: where it is, all is.
        // Definitions that are to be imported stand for them, too.
        if !config.definitions.paths.is_empty() {
            definitions::import(&broker, &config.definitions)?;
        } else if broker.all_vhosts().is_empty() {
            for seed in &config.users {
                add_user(&broker, seed, &config.default_vhost)?;
            }
            broker.add_vhost(&config.default_vhost);
        }
        broker
            .users
            .set_loopback_only(config.loopback_users.iter().cloned());
        let timers = tokio::spawn(timers::run(Arc::clone(&broker)));
        let events = tokio::spawn(events::run(Arc::clone(&broker)));
        let settings = Arc::new(connection_settings(config));
        Ok(Core {
            broker,
            settings,
            storage: Mutex::new(Some(storage)),
            timers,
            events,
            runtime: Handle::current(),
        })
    }

    /// Serves one connection to its end.
    pub async fn serve(self: Arc<Self>, stream: TcpStream, peer: SocketAddr) {
        let (broker, settings) = (Arc::clone(&self.broker), Arc::clone(&self.settings));
        // The future of a connection is all that it holds: not this one around it as well.
        drop(self);
        connection::serve(stream, peer, broker, settings).await;
    }

    /// The broker behind all doors.
    pub fn broker(&self) -> &Arc<Broker> {
        &self.broker
    }

    /// Connections whose socket is open.
    pub fn connections(&self) -> usize {
        self.broker.sessions()
    }

    /// Tells all connections to close, and lets no new one in.
    pub fn shut_down(&self) {
        self.broker.shut_down();
        self.timers.abort();
        self.events.abort();
    }

    /// Whether AMQP is stopped for now.
    pub fn is_paused(&self) -> bool {
        self.broker.is_paused()
    }

    /// Tells all connections to close, and lets no new one in until [`resume`](Self::resume).
    pub fn pause(&self) {
        self.broker.pause();
    }

    /// Lets connections in again.
    pub fn resume(&self) {
        self.broker.resume();
    }

    /// Leaves the data directory as it should be left. All connections have gone. False when that could not be.
    pub fn close_storage(&self) -> bool {
        let storage = self.storage.lock().take();
        storage.is_none_or(Storage::close)
    }

    /// Has every worker look for memory to give back: as many small tasks as wake them all, most likely.
    pub fn ask_workers_to_collect(&self) {
        super::memory::ask_to_collect();
        for _ in 0..4 * self.runtime.metrics().num_workers() {
            self.runtime.spawn(tokio::task::yield_now());
        }
    }

    /// Blocks publishers for want of memory, or lets them go on.
    pub fn set_memory_alarm(&self, raised: bool) {
        self.broker.set_alarm(Alarm::Memory, raised);
    }

    /// Blocks publishers for want of disk space, or lets them go on.
    pub fn set_disk_alarm(&self, raised: bool) {
        self.broker.set_alarm(Alarm::Disk, raised);
    }

    /// Whether the journal cannot be written for now.
    pub fn journal_has_failed(&self) -> bool {
        self.broker.journal().has_failed()
    }
}

fn add_user(broker: &Broker, seed: &UserSeed, vhost: &str) -> Result<(), String> {
    let password = PasswordHash::new(seed.password.as_bytes());
    broker.put_user(&seed.name, password, seed.tags.clone());
    if let Some(permissions) = &seed.permissions {
        let (configure, write, read) = (
            &permissions.configure,
            &permissions.write,
            &permissions.read,
        );
        let permission = Permission::new(configure, write, read)
            .map_err(|error| format!("permissions of user '{}': {error}", seed.name))?;
        broker.set_permission(&seed.name, vhost, permission);
    }
    Ok(())
}

fn count(limit: Option<u64>) -> Option<usize> {
    limit.map(|limit| usize::try_from(limit).unwrap_or(usize::MAX))
}

/// What the configuration says of the broker.
pub fn broker_settings(config: &Config) -> Result<broker::Settings, String> {
    let limits = &config.limits;
    Ok(broker::Settings {
        vhost_defaults: Arc::new(super::defaults::of_vhosts(config)?),
        connections_max: count(limits.connections),
        channels_max: count(limits.channels),
        vhosts_max: count(limits.vhosts),
        queues_max: count(limits.queues),
        exchanges_max: count(limits.exchanges),
        sync: match config.storage.sync {
            Sync::Fsync => broker::Sync::Fsync,
            Sync::Os => broker::Sync::Os,
        },
        relaxed_redeclare: config.storage.relaxed_redeclare,
        message_memory_budget: Some(config.storage.memory_budget),
        node_name: config.node_name.as_str().into(),
        event_vhost: Some(config.default_vhost.as_str().into()),
        ..broker::Settings::default()
    })
}

fn connection_settings(config: &Config) -> connection::Settings {
    let milliseconds =
        |time: std::time::Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
    let consumers = config.limits.consumers_per_channel;
    connection::Settings {
        mechanisms: config
            .auth_mechanisms
            .iter()
            .map(|mechanism| mechanism.name().to_owned())
            .collect(),
        heartbeat_s: config.heartbeat_s,
        frame_max: config.frame_max,
        initial_frame_max: config.initial_frame_max,
        channel_max: config.channel_max,
        max_message_size: config.max_message_size,
        handshake_timeout_ms: config.handshake_timeout.map(milliseconds),
        consumer_timeout_ms: config.consumer_timeout.map(milliseconds),
        consumers_per_channel_max: consumers.map(|most| u32::try_from(most).unwrap_or(u32::MAX)),
        product_name: config.product_name.clone(),
        product_version: config.product_version.clone(),
        cluster_name: config.cluster_name.clone(),
        node_name: config.node_name.clone(),
    }
}
