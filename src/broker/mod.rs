//! The one object that every door talks to: vhosts, users, limits, alarms, the registry of connections.
//!
//! Nothing here waits: verbs return at once, effects of queues are performed by whoever caused them ([`Broker::perform`]), time
//! passes through the timers' task, which the server starts.

pub mod access;
mod announce;
mod clock;
mod dead_letter;
pub mod definitions;
mod delayed;
pub mod document;
pub mod events;
pub mod exchange;
pub mod hidden;
mod history;
pub mod json;
pub mod keeper;
mod names;
pub mod operator;
pub mod pager;
mod parts;
mod policy_check;
pub mod publish;
pub mod reclaim;
pub mod redrive;
mod registry;
pub mod replay;
pub mod reply_to;
pub mod restore;
mod routes;
pub mod timers;
pub mod topology;
pub mod trace;
pub mod transaction;
pub mod vhost;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, AtomicUsize, Ordering};

use amq_protocol::types::FieldTable;
use parking_lot::{Mutex, RwLock};

pub use self::clock::Clock;
use self::definitions::Definitions;
use self::events::Events;
use self::exchange::{Exchange, ExchangeSpec};
use self::names::Names;
use self::operator::{Operating, VhostDefaults, VhostLimits, VhostMetadata};
use self::pager::Pager;
use self::registry::Registry;
pub use self::registry::{Connection, Most, Refusal};
use self::reply_to::ReplyAddresses;
use self::timers::Timers;
use self::vhost::Vhost;
use crate::auth::{PasswordHash, Permission, Users};
use crate::queue::{Effects, Queue};
use crate::store::{Journal, Urgency};

/// What the broker is told at its start.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// Open connections; `connection_max`.
    pub connections_max: Option<usize>,
    /// Open channels; `channel_max_per_node`.
    pub channels_max: Option<usize>,
    /// Queues in all; `cluster_queue_limit`.
    pub queues_max: Option<usize>,
    /// Vhosts; `vhost_max`.
    pub vhosts_max: Option<usize>,
    /// Exchanges in all; `cluster_exchange_limit`.
    pub exchanges_max: Option<usize>,
    /// `sync`: what a confirm waits for where a queue does not say otherwise.
    pub sync: Sync,
    /// `message_memory_budget`, bytes of messages at rest in memory; [`pager::BUDGET_DEFAULT`] when nothing is said.
    pub message_memory_budget: Option<u64>,
    /// `relaxed_redeclare`: a declare of what is there with other arguments is accepted, and changes nothing.
    pub relaxed_redeclare: bool,
    /// What every new vhost gets.
    pub vhost_defaults: Arc<VhostDefaults>,
    /// The node's name, as messages of the broker itself name it.
    pub node_name: Arc<str>,
    /// The vhost that has the exchange of events; `None` for none.
    pub event_vhost: Option<Arc<str>>,
    /// Where the time comes from.
    pub clock: Clock,
}

/// `sync` and `x-sync`: how safe a confirmed message is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Sync {
    /// `fsync`: on disk.
    #[default]
    Fsync,
    /// `os`: with the operating system, which writes it within 200 ms.
    Os,
}

impl From<Sync> for Urgency {
    fn from(sync: Sync) -> Self {
        match sync {
            Sync::Fsync => Self::Synced,
            Sync::Os => Self::Written,
        }
    }
}

/// A resource alarm.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Alarm {
    /// `vm_memory_high_watermark` is passed.
    Memory = 1,
    /// `disk_free_limit` is passed.
    Disk = 2,
}

/// The broker.
pub struct Broker {
    /// Its limits.
    pub settings: Settings,
    /// Who may do what.
    pub users: Arc<Users>,
    vhosts: RwLock<HashMap<Arc<str>, Arc<Vhost>>>,
    /// Global parameters.
    globals: RwLock<BTreeMap<Arc<str>, serde_json::Value>>,
    /// Held by whoever changes what is not topology.
    operating: Operating,
    journal: Arc<Journal>,
    definitions: Arc<Definitions>,
    events: Arc<Events>,
    timers: Arc<Timers>,
    pager: Pager,
    /// Addresses of direct reply-to.
    pub reply_addresses: ReplyAddresses,
    registry: Registry,
    channels: AtomicUsize,
    sessions: AtomicUsize,
    alarms: AtomicU8,
    stopping: AtomicBool,
    paused: AtomicBool,
    next_id: AtomicU64,
}

/// Fills with bytes that nobody can guess.
pub fn random(bytes: &mut [u8]) {
    getrandom::fill(bytes).expect("the system has randomness");
}

impl Broker {
    /// A broker without vhosts that keeps nothing: its journal lies in memory.
    pub fn new(settings: Settings, users: Arc<Users>) -> Arc<Self> {
        Self::with(settings, users, Journal::memory(), 1)
    }

    /// A broker without vhosts; [`restore`] makes one with what the disk has.
    fn with(
        settings: Settings,
        users: Arc<Users>,
        journal: Arc<Journal>,
        next_id: u64,
    ) -> Arc<Self> {
        let events = Arc::new(Events::default());
        let definitions = Arc::new(Definitions::new(
            Arc::clone(&journal),
            Arc::clone(&events),
            settings.clock.clone(),
        ));
        Arc::new(Self {
            pager: Pager::new(settings.message_memory_budget, &journal),
            settings,
            users,
            vhosts: RwLock::default(),
            globals: RwLock::default(),
            operating: Operating::default(),
            definitions,
            events,
            journal,
            timers: Arc::default(),
            reply_addresses: ReplyAddresses::default(),
            registry: Registry::default(),
            channels: AtomicUsize::new(0),
            sessions: AtomicUsize::new(0),
            alarms: AtomicU8::new(0),
            stopping: AtomicBool::new(false),
            paused: AtomicBool::new(false),
            next_id: AtomicU64::new(next_id),
        })
    }

    /// Milliseconds since the epoch; never goes back.
    #[inline]
    pub fn now(&self) -> u64 {
        self.settings.clock.now()
    }

    /// An id that no queue, exchange or connection of this process has had.
    pub fn next_id(&self) -> u64 {
        self.next_id.fetch_add(1, Ordering::Relaxed)
    }

    /// What confirms wait for.
    #[inline]
    pub fn journal(&self) -> &Arc<Journal> {
        &self.journal
    }

    /// What moves messages between memory and disk.
    pub fn pager(&self) -> &Pager {
        &self.pager
    }

    /// All queues of all vhosts, those of exchanges included, in no order.
    pub fn all_queues(&self) -> Vec<Arc<Queue>> {
        let vhosts: Vec<Arc<Vhost>> = self.vhosts.read().values().cloned().collect();
        vhosts
            .iter()
            .flat_map(|vhost| vhost.every_queue())
            .collect()
    }

    /// What happens, for whoever listens.
    pub fn events(&self) -> &Arc<Events> {
        &self.events
    }

    /// What definitions are written to.
    pub fn definitions(&self) -> &Definitions {
        &self.definitions
    }

    /// The next id that [`next_id`](Self::next_id) will give: a checkpoint keeps it.
    pub fn peek_id(&self) -> u64 {
        self.next_id.load(Ordering::Relaxed)
    }

    /// Adds a user, or gives a known one another password and other tags.
    pub fn put_user(&self, name: &str, password: PasswordHash, tags: Vec<String>) {
        let _one = self.operating.lock();
        self.store_user(name, password, tags, None);
    }

    /// Says what a user may do in a vhost, which need not be there. False when there is no such user.
    pub fn set_permission(&self, user: &str, vhost: &str, permission: Permission) -> bool {
        let _one = self.operating.lock();
        let mut change = self.definitions.change();
        change.permission(user, vhost, &permission);
        if !self.users.set_permission(user, vhost, permission) {
            return false;
        }
        change.commit();
        true
    }

    /// Creates a vhost with its predeclared exchanges, or returns the one that is there.
    pub fn add_vhost(&self, name: &str) -> Arc<Vhost> {
        let _one = self.operating.lock();
        if let Some(vhost) = self.vhost(name) {
            return vhost;
        }
        self.store_vhost(name, VhostMetadata::default(), None);
        self.vhost(name)
            .expect("it was made, and the change is held")
    }

    fn new_vhost(&self, name: &str, metadata: VhostMetadata) -> Arc<Vhost> {
        let spec = ExchangeSpec {
            name: "".into(),
            kind: crate::exchange::Kind::Direct.info(),
            durable: true,
            auto_delete: false,
            internal: false,
            arguments: FieldTable::default(),
            alternate: None,
        };
        let vhost = Arc::new(Vhost {
            name: name.into(),
            exchanges: Names::default(),
            queues: Names::default(),
            bindings: Mutex::default(),
            definitions: Arc::clone(&self.definitions),
            alternates: AtomicUsize::new(0),
            default: Exchange::new(self.next_id(), spec),
            limits: VhostLimits::default(),
            deleting: AtomicBool::new(false),
            traced: AtomicBool::new(metadata.tracing),
            metadata: RwLock::new(Arc::new(metadata)),
            policies: RwLock::default(),
            parameters: RwLock::default(),
        });
        vhost.predeclare(self);
        vhost
    }

    /// All vhosts that are not being deleted, by name.
    pub fn all_vhosts(&self) -> Vec<Arc<Vhost>> {
        let mut all = self.kept_vhosts();
        all.retain(|vhost| !vhost.is_deleting());
        all
    }

    /// All vhosts of which something is on disk, by name.
    pub(in crate::broker) fn kept_vhosts(&self) -> Vec<Arc<Vhost>> {
        let mut all: Vec<_> = self.vhosts.read().values().cloned().collect();
        all.sort_by(|a, b| a.name.cmp(&b.name));
        all
    }

    /// The vhost of that name, unless it is being deleted.
    pub fn vhost(&self, name: &str) -> Option<Arc<Vhost>> {
        let vhost = self.vhosts.read().get(name).cloned();
        vhost.filter(|vhost| !vhost.is_deleting())
    }

    /// Queues of all vhosts.
    pub fn queue_count(&self) -> usize {
        self.vhosts
            .read()
            .values()
            .map(|vhost| vhost.queue_count())
            .sum()
    }

    /// Exchanges of all vhosts.
    pub fn exchange_count(&self) -> usize {
        self.vhosts
            .read()
            .values()
            .map(|vhost| vhost.exchanges.len())
            .sum()
    }

    /// Does after a queue's lock what its verb asked for.
    #[inline]
    pub fn perform(&self, queue: &Arc<Queue>, mut effects: Effects) {
        effects.wake();
        if effects.is_more() {
            self.perform_rest(queue, &mut effects);
        }
    }

    #[cold]
    fn perform_rest(&self, queue: &Arc<Queue>, effects: &mut Effects) {
        if let Some(at) = effects.deadline {
            self.timers.arm(queue, at);
        }
        if effects.unfinished {
            self.timers.arm(queue, self.now());
        }
        if effects.pushed > 0 {
            self.pager.note(effects.pushed);
        }
        self.pager.load(queue, effects.load);
        if let Some(refused) = effects.refused.take()
            && !refused.letters.is_empty()
        {
            dead_letter::bury_refused(self, queue, refused.letters);
        }
        if !effects.acked.is_empty() {
            parts::retain(self, queue, std::mem::take(&mut effects.acked));
        }
        if effects.dying {
            dead_letter::drain(self, queue);
        }
        if effects.unused
            && let Some(vhost) = self.vhost(&queue.spec.vhost)
        {
            self.delete_abandoned(&vhost, queue);
        }
    }

    /// Deletes a queue that has lost its last consumer or user, if that is still so.
    pub fn delete_abandoned(&self, vhost: &Vhost, queue: &Arc<Queue>) {
        vhost.remove_abandoned(self, queue);
    }

    /// Raises or clears an alarm; connections that publish are blocked while any is raised.
    pub fn set_alarm(&self, alarm: Alarm, raised: bool) {
        let bit = alarm as u8;
        let before = if raised {
            self.alarms.fetch_or(bit, Ordering::AcqRel)
        } else {
            self.alarms.fetch_and(!bit, Ordering::AcqRel)
        };
        if (before & bit != 0) != raised {
            self.registry.announce_alarm();
        }
    }

    /// Whether publishers are to be blocked.
    #[inline]
    pub fn is_alarmed(&self) -> bool {
        self.alarms.load(Ordering::Relaxed) != 0
    }

    /// Whether that alarm is raised.
    pub fn has_alarm(&self, alarm: Alarm) -> bool {
        self.alarms.load(Ordering::Relaxed) & alarm as u8 != 0
    }

    /// Why publishers are blocked, in RabbitMQ's words.
    pub fn alarm_reason(&self) -> &'static str {
        match self.alarms.load(Ordering::Relaxed) {
            2 => "low on disk",
            3 => "low on disk & memory",
            _ => "low on memory",
        }
    }

    /// A channel opens, unless the node has as many as it may.
    pub fn open_channel(&self) -> Result<(), usize> {
        let open = self.channels.fetch_add(1, Ordering::AcqRel);
        match self.settings.channels_max {
            Some(most) if open >= most => {
                self.channels.fetch_sub(1, Ordering::AcqRel);
                Err(most)
            }
            _ => Ok(()),
        }
    }

    /// Channels that are open.
    pub fn channels(&self) -> usize {
        self.channels.load(Ordering::Relaxed)
    }

    /// Channels have closed.
    pub fn close_channels(&self, count: usize) {
        self.channels.fetch_sub(count, Ordering::AcqRel);
    }

    /// The registry of open connections.
    pub fn registry(&self) -> &Registry {
        &self.registry
    }

    /// Connections that are open: past connection.open-ok.
    pub fn connections(&self) -> usize {
        self.registry.len()
    }

    /// A session, open or not, begins to live.
    pub fn session_begins(&self) {
        self.sessions.fetch_add(1, Ordering::AcqRel);
    }

    /// A session has ended, and its socket is about to close.
    pub fn session_ends(&self) {
        self.sessions.fetch_sub(1, Ordering::AcqRel);
    }

    /// Sessions that live: open ones, and those that are opening or saying goodbye.
    pub fn sessions(&self) -> usize {
        self.sessions.load(Ordering::Acquire)
    }

    /// Whether the broker is going down.
    pub fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Acquire)
    }

    /// Whether connections are closed as soon as they open, because an operator has stopped AMQP.
    pub fn is_paused(&self) -> bool {
        self.paused.load(Ordering::Acquire)
    }

    /// Tells every connection to close with 320, and those that are about to open, until [`resume`](Self::resume).
    pub fn pause(&self) {
        self.paused.store(true, Ordering::Release);
        self.registry.close_all();
    }

    /// Connections may open again.
    pub fn resume(&self) {
        self.paused.store(false, Ordering::Release);
    }

    /// Tells every connection to close with 320; they end on their own.
    pub fn shut_down(&self) {
        self.stopping.store(true, Ordering::Release);
        self.registry.close_all();
    }
}
