//! An exchange as a vhost holds it: what it was declared as, its matcher, and a version by which cached routes are checked.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use amq_protocol::types::{AMQPValue, FieldTable};
use parking_lot::RwLock;

use super::hidden::Purpose;
use super::history::History;
use super::operator::policies::{Policy, alternate_of, is_relaxed_by};
use crate::exchange::{
    Depends, Envelope, Kind, KindInfo, Matcher, Stable, Target, delay_ms, hash, history_length,
};
use crate::queue::Queue;
use crate::wire::properties::Properties;

/// What a binding leads to.
pub type Destination = Target<Arc<Queue>, Arc<Exchange>>;

/// One exchange.
pub struct Exchange {
    /// Never reused.
    pub id: u64,
    /// Its name; empty for the default exchange.
    pub name: Arc<str>,
    /// direct, fanout, topic, headers ...
    pub kind: &'static KindInfo,
    /// The kind by which it routes: its own, or the one that stands beneath that.
    pub routing: &'static KindInfo,
    /// Survives a restart.
    pub durable: bool,
    /// Goes with its last binding as a source.
    pub auto_delete: bool,
    /// Cannot be published to.
    pub internal: bool,
    /// The arguments as declared.
    pub arguments: FieldTable,
    /// `alternate-exchange` among its arguments, which wins over the policy's.
    alternate: Option<Arc<str>>,
    policy: RwLock<Option<Arc<Policy>>>,
    version: AtomicU64,
    gone: AtomicBool,
    depends: Depends,
    /// What a recent history exchange remembers.
    history: Option<Box<History>>,
    /// Where a delayed message exchange holds its messages.
    delay: OnceLock<Arc<Queue>>,
    /// Knows the ids by which it drops duplicates, if it does.
    window: RwLock<Option<Arc<Queue>>>,
    matcher: RwLock<Box<dyn Matcher<Destination>>>,
}

impl PartialEq for Exchange {
    fn eq(&self, other: &Self) -> bool {
        self.id == other.id
    }
}
impl Eq for Exchange {}
impl std::hash::Hash for Exchange {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.id.hash(state);
    }
}

impl Stable for Arc<Exchange> {
    fn stable(&self) -> u64 {
        hash(self.name.as_bytes())
    }
}
impl Stable for Arc<Queue> {
    fn stable(&self) -> u64 {
        hash(self.spec.name.as_bytes())
    }
}

/// What a declare asks for.
pub struct ExchangeSpec {
    /// Its name.
    pub name: Arc<str>,
    /// Its kind.
    pub kind: &'static KindInfo,
    /// Survives a restart.
    pub durable: bool,
    /// Goes with its last binding as a source.
    pub auto_delete: bool,
    /// Cannot be published to.
    pub internal: bool,
    /// The arguments.
    pub arguments: FieldTable,
    /// `alternate-exchange`, checked.
    pub alternate: Option<Arc<str>>,
}

impl Exchange {
    /// A new exchange without bindings.
    pub fn new(id: u64, spec: ExchangeSpec) -> Arc<Self> {
        let matcher = Self::matcher(spec.kind, &spec.arguments);
        let routing = spec.kind.routing(&spec.arguments);
        let history = (routing.kind == Kind::RecentHistory)
            .then(|| Box::new(History::new(history_length(&spec.arguments))));
        Arc::new(Self {
            id,
            name: spec.name,
            kind: spec.kind,
            routing,
            durable: spec.durable,
            auto_delete: spec.auto_delete,
            internal: spec.internal,
            arguments: spec.arguments,
            alternate: spec.alternate,
            policy: RwLock::default(),
            version: AtomicU64::new(1),
            gone: AtomicBool::new(false),
            depends: matcher.depends(),
            history,
            delay: OnceLock::new(),
            window: RwLock::default(),
            matcher: RwLock::new(matcher),
        })
    }

    fn matcher(kind: &KindInfo, arguments: &FieldTable) -> Box<dyn Matcher<Destination>> {
        let mut matcher = crate::exchange::matcher(kind.kind);
        matcher.configure(arguments);
        matcher
    }

    /// Changes whenever a cached route through this exchange may not hold any more.
    #[inline]
    pub fn version(&self) -> u64 {
        self.version.load(Ordering::Acquire)
    }

    /// Cached routes through it are void.
    pub fn invalidate(&self) {
        self.version.fetch_add(1, Ordering::AcqRel);
    }

    /// `alternate-exchange`, of its arguments or its policy.
    pub fn alternate(&self) -> Option<Arc<str>> {
        match &self.alternate {
            Some(name) => Some(Arc::clone(name)),
            None => self.policy.read().as_deref().and_then(alternate_of),
        }
    }

    /// The policy that applies to it.
    pub fn policy(&self) -> Option<Arc<Policy>> {
        self.policy.read().clone()
    }

    /// Whether a redeclare with other arguments is accepted, by its argument or its policy.
    pub fn is_relaxed(&self) -> bool {
        match self.arguments.inner().get("x-relaxed-redeclare") {
            Some(value) => *value == AMQPValue::Boolean(true),
            None => self.policy.read().as_deref().is_some_and(is_relaxed_by),
        }
    }

    /// Another policy applies, or none; returns whether it says something else about routing. Cached routes are void then.
    pub fn set_policy(&self, policy: Option<Arc<Policy>>) -> bool {
        let before = self.alternate();
        *self.policy.write() = policy;
        let changed = self.alternate() != before;
        if changed {
            self.invalidate();
        }
        changed
    }

    /// Whether it was deleted.
    pub fn is_gone(&self) -> bool {
        self.gone.load(Ordering::Acquire)
    }

    /// It is deleted.
    pub fn die(&self) {
        self.gone.store(true, Ordering::Release);
        self.invalidate();
    }

    /// What a route through it depends on.
    pub fn depends(&self) -> Depends {
        match *self.window.read() {
            Some(_) => self.depends.max(Depends::Message),
            None => self.depends,
        }
    }

    /// What it remembers, if it is a recent history exchange.
    #[inline]
    pub fn history(&self) -> Option<&History> {
        self.history.as_deref()
    }

    /// Its queue for that, if it has one.
    pub fn hidden(&self, purpose: Purpose) -> Option<Arc<Queue>> {
        match purpose {
            Purpose::Delay => self.delay.get().cloned(),
            Purpose::Window => self.window.read().clone(),
        }
    }

    /// All its hidden queues.
    pub fn all_hidden(&self) -> impl Iterator<Item = (Purpose, Arc<Queue>)> {
        let of = |purpose| Some((purpose, self.hidden(purpose)?));
        Purpose::ALL.into_iter().filter_map(of)
    }

    /// This is its queue for that; that for its delayed messages is so for good.
    pub fn attach(&self, purpose: Purpose, queue: Arc<Queue>) {
        match purpose {
            Purpose::Delay => {
                let known = self.delay.set(queue);
                debug_assert!(known.is_ok(), "an exchange has one for good");
            }
            Purpose::Window => {
                *self.window.write() = Some(queue);
                self.invalidate();
            }
        }
    }

    /// It drops no duplicates any more.
    pub fn forget_window(&self) {
        *self.window.write() = None;
        self.invalidate();
    }

    /// Where it holds the message until it is due, if so.
    #[inline]
    pub fn holds(&self, properties: Properties<'_>) -> Option<&Arc<Queue>> {
        let queue = self.delay.get()?;
        delay_ms(properties).map(|_| queue)
    }

    /// Adds a binding; the topology has seen that it is new.
    pub fn bind(&self, key: &[u8], arguments: &FieldTable, destination: Destination) {
        let mut matcher = self.matcher.write();
        matcher.bind(key, arguments, destination);
        self.invalidate();
    }

    /// Removes a binding.
    pub fn unbind(&self, key: &[u8], arguments: &FieldTable, destination: &Destination) {
        let mut matcher = self.matcher.write();
        matcher.unbind(key, arguments, destination);
        self.invalidate();
    }

    /// Forgets every binding: its vhost is going, and exchanges bound to each other would keep each other for ever.
    pub fn clear(&self) {
        *self.matcher.write() = Self::matcher(self.kind, &self.arguments);
        self.invalidate();
    }

    /// The destinations of a message (the queue that holds it, where that is so), and the version that they hold for: both under the matcher's lock, so that a route is
    /// never remembered under a version that it does not know of.
    pub fn route(&self, message: &Envelope<'_>, out: &mut Vec<Destination>) -> u64 {
        if let Some(queue) = self.holds(message.properties) {
            if message.first {
                out.push(Target::Queue(Arc::clone(queue)));
            }
            return self.version();
        }
        let matcher = self.matcher.read();
        matcher.route(message, out);
        self.version()
    }
}
