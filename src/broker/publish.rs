//! The publishing side of one connection: route, group by queue, push, one receipt.
//!
//! A [`Publisher`] belongs to one connection. [`publish`](Publisher::publish) copies a message into the round's chunk and notes
//! it for each of its queues; [`flush`](Publisher::flush) takes each queue's lock once for all that it gets. Routes are cached
//! by (exchange, routing key), checked once a round against the versions of the exchanges that they visited; a route that
//! depends on more than the key, or finds no queue, is not cached.

use std::sync::Arc;

use smallvec::SmallVec;

use super::Broker;
use super::exchange::Exchange;
use super::vhost::{Asked, Vhost, Walk};
use crate::exchange::{Depends, extra_keys};
use crate::message::{
    CHUNK_BYTES_MAX, ChunkBuilder, Draft, LARGE_BODY_BYTES, Message, SealedChunk,
};
use crate::queue::{Effects, Queue};
use crate::store::Receipt;
use crate::wire::properties::{Edits, Properties, rewrite};
use crate::wire::table::Table;

/// Routes that a connection remembers at most; must be a power of two.
const ROUTES_MAX: usize = 512;
/// Routes that it has room for at first.
const ROUTES_MIN: usize = 8;
/// Queues that a connection keeps at hand; past that it forgets all between two rounds.
const QUEUES_MAX: usize = 1024;
/// Most messages of a round before it is flushed.
const PENDING_MAX: usize = 4096;

/// A message on its way to a queue: chunk, place in it, and the channel that wants it back if it cannot be routed after all.
struct Pending {
    chunk: u32,
    mandatory: u16,
    draft: Draft,
}

/// A queue at hand, with what this round has for it.
struct Local {
    queue: Arc<Queue>,
    pending: Vec<Pending>,
    persistent: bool,
}

/// Indexes into the publisher's queues.
type Targets = SmallVec<[u32; 4]>;

#[derive(Default)]
struct Route {
    /// Exchange and routing key as they came on the wire; empty is no route.
    names: Vec<u8>,
    targets: Targets,
    visited: Asked,
    /// The round in which its versions were last compared.
    checked: u64,
}

/// Where a message went.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Routed {
    /// To this many queues.
    To(usize),
    /// Nowhere: return it if it is mandatory.
    Nowhere,
}

/// A mandatory message whose queue was deleted between its routing and its placement, so that it is to be returned after all.
pub struct Unroutable {
    /// Number of the channel that published it.
    pub channel: u16,
    /// The message.
    pub message: Message,
}

/// One message to publish, checked and permitted.
pub struct Publish<'a> {
    /// Exchange and routing key as adjacent shortstrs.
    pub names: &'a [u8],
    /// The routing key.
    pub routing_key: &'a [u8],
    /// The property block.
    pub properties: &'a [u8],
    /// The body.
    pub body: Body<'a>,
    /// The channel, if the message is mandatory; 0 otherwise.
    pub mandatory: u16,
}

/// A body in the read buffer, or a large one in a buffer of its own.
pub enum Body<'a> {
    /// Fewer than [`LARGE_BODY_BYTES`] bytes.
    Small(&'a [u8]),
    /// [`LARGE_BODY_BYTES`] and up.
    Large(Box<[u8]>),
}

/// See the module.
pub struct Publisher {
    walk: Walk,
    routes: Vec<Route>,
    hasher: ahash::RandomState,
    last: usize,
    queues: Vec<Local>,
    dirty: Vec<u32>,
    chunks: Vec<SealedChunk>,
    builder: Option<ChunkBuilder>,
    pending: usize,
    /// Bytes that the rest of this round may bring, to size chunks by.
    hint: usize,
    round: u64,
    found: Vec<Arc<Queue>>,
}

impl Publisher {
    /// A publisher into `vhost`; it allocates nothing until it is used.
    pub fn new(vhost: Arc<Vhost>) -> Self {
        Self {
            walk: Walk::new(vhost),
            routes: Vec::new(),
            hasher: ahash::RandomState::with_seeds(1, 2, 3, 4),
            last: 0,
            queues: Vec::new(),
            dirty: Vec::new(),
            chunks: Vec::new(),
            builder: None,
            pending: 0,
            hint: 0,
            round: 1,
            found: Vec::new(),
        }
    }

    /// The next messages come out of `bytes` bytes that have been read.
    pub fn expect(&mut self, bytes: usize) {
        self.hint = bytes;
    }

    /// Forgets every route: permissions have changed.
    pub fn forget(&mut self) {
        self.routes.clear();
    }

    /// Whether nothing waits for a flush.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.pending == 0
    }

    /// Whether enough waits that it should be flushed before more is taken.
    #[inline]
    pub fn is_full(&self) -> bool {
        self.pending >= PENDING_MAX
    }

    /// Whether messages for this queue wait for a flush.
    pub fn has_pending_for(&self, queue: &Queue) -> bool {
        self.dirty
            .iter()
            .any(|index| *self.queues[*index as usize].queue == *queue)
    }

    /// Whether the route of these names is remembered and still holds, so that whoever published by it before may again.
    #[inline]
    pub fn knows(&mut self, names: &[u8]) -> bool {
        self.cached(names).is_some()
    }

    #[inline]
    fn cached(&mut self, names: &[u8]) -> Option<usize> {
        let mut index = self.last;
        if self.routes.get(index)?.names != names {
            index = self.hasher.hash_one(names) as usize & (self.routes.len() - 1);
            if self.routes[index].names != names {
                return None;
            }
            self.last = index;
        }
        let route = &mut self.routes[index];
        if route.checked != self.round {
            if route
                .visited
                .iter()
                .any(|(exchange, version)| exchange.version() != *version)
            {
                route.names.clear();
                return None;
            }
            route.checked = self.round;
        }
        Some(index)
    }

    /// The queues of the route that [`knows`](Self::knows) has just found.
    pub fn known_targets(&self) -> impl Iterator<Item = &Queue> {
        self.routes[self.last]
            .targets
            .iter()
            .map(|target| &*self.queues[*target as usize].queue)
    }

    /// Takes one message that [is known](Self::knows); large bodies and messages with extra keys go through
    /// [`publish`](Self::publish).
    #[inline]
    pub fn publish_known(
        &mut self,
        names: &[u8],
        properties: &[u8],
        persistent: bool,
        body: &[u8],
        mandatory: u16,
    ) {
        let index = self.last;
        debug_assert!(self.routes[index].names == names);
        let (chunk, draft) = self.draft(names, properties, persistent, body);
        self.pending += 1;
        for target in &self.routes[index].targets {
            Self::note(
                &mut self.queues,
                &mut self.dirty,
                *target,
                Pending {
                    chunk,
                    mandatory,
                    draft,
                },
                persistent,
            );
        }
    }

    #[inline]
    fn note(
        queues: &mut [Local],
        dirty: &mut Vec<u32>,
        target: u32,
        pending: Pending,
        persistent: bool,
    ) {
        let local = &mut queues[target as usize];
        if local.pending.is_empty() {
            dirty.push(target);
        }
        local.persistent |= persistent;
        local.pending.push(pending);
    }

    #[inline]
    fn draft(
        &mut self,
        names: &[u8],
        properties: &[u8],
        persistent: bool,
        body: &[u8],
    ) -> (u32, Draft) {
        let size = ChunkBuilder::size(names.len(), properties.len(), body.len());
        let builder = match &mut self.builder {
            Some(builder) if builder.fits(size) => builder,
            _ => self.next_chunk(size),
        };
        let draft = builder.push(names, properties, persistent, body);
        self.hint = self.hint.saturating_sub(size);
        (self.chunks.len() as u32, draft)
    }

    #[cold]
    fn next_chunk(&mut self, size: usize) -> &mut ChunkBuilder {
        if let Some(full) = self.builder.take() {
            self.chunks.push(full.seal());
        }
        let bytes = self.hint.min(CHUNK_BYTES_MAX).max(size);
        self.builder.insert(ChunkBuilder::with_capacity(bytes))
    }

    /// Routes and takes one message.
    pub fn publish(
        &mut self,
        broker: &Broker,
        exchange: &Arc<Exchange>,
        publish: Publish<'_>,
    ) -> Routed {
        let Publish {
            names,
            routing_key,
            properties: raw,
            body,
            mandatory,
        } = publish;
        let properties = Properties::new(raw);
        let persistent = properties.persistent();
        if exchange.name.is_empty() && Vhost::is_reply_address(routing_key) {
            let message = Message::from_parts(names, raw, body.bytes());
            return if broker.reply_addresses.send(routing_key, message) {
                Routed::To(1)
            } else {
                Routed::Nowhere
            };
        }
        let extra = if properties.headers().is_some() {
            extra_keys(properties).ok()
        } else {
            None
        };
        let keyed = extra
            .as_ref()
            .is_none_or(|extra| extra.is_empty() && !extra.has_bcc);
        if keyed && let Some(index) = self.cached(names) {
            let targets = self.routes[index].targets.clone();
            self.push(&targets, names, raw, persistent, body, mandatory);
            return Routed::To(targets.len());
        }
        let extra = extra.unwrap_or_default();
        let keys = extra.after(routing_key);
        let mut found = std::mem::take(&mut self.found);
        self.walk.route(exchange, &keys, properties, &mut found);
        if found.is_empty() {
            self.found = found;
            return Routed::Nowhere;
        }
        let targets: Targets = found.drain(..).map(|queue| self.local(queue)).collect();
        self.found = found;
        if keyed {
            self.remember(names, &targets);
        }
        let stripped = extra.has_bcc.then(|| without_bcc(properties));
        self.push(
            &targets,
            names,
            stripped.as_deref().unwrap_or(raw),
            persistent,
            body,
            mandatory,
        );
        Routed::To(targets.len())
    }

    fn push(
        &mut self,
        targets: &Targets,
        names: &[u8],
        properties: &[u8],
        persistent: bool,
        body: Body<'_>,
        mandatory: u16,
    ) {
        let (chunk, draft) = match body {
            Body::Small(body) => self.draft(names, properties, persistent, body),
            Body::Large(body) => {
                if let Some(full) = self.builder.take().filter(|builder| !builder.is_empty()) {
                    self.chunks.push(full.seal());
                }
                let mut builder = ChunkBuilder::with_capacity(ChunkBuilder::size(
                    names.len(),
                    properties.len(),
                    body.len(),
                ));
                let draft = builder.push_large(names, properties, persistent, body);
                self.chunks.push(builder.seal());
                (self.chunks.len() as u32 - 1, draft)
            }
        };
        self.pending += 1;
        for target in targets {
            Self::note(
                &mut self.queues,
                &mut self.dirty,
                *target,
                Pending {
                    chunk,
                    mandatory,
                    draft,
                },
                persistent,
            );
        }
    }

    fn local(&mut self, queue: Arc<Queue>) -> u32 {
        // Few queues as a rule; a connection with many routes finds most of them in its cache.
        let at = self
            .queues
            .iter()
            .rposition(|local| Arc::ptr_eq(&local.queue, &queue))
            .unwrap_or_else(|| {
                self.queues.push(Local {
                    queue,
                    pending: Vec::new(),
                    persistent: false,
                });
                self.queues.len() - 1
            });
        at as u32
    }

    fn remember(&mut self, names: &[u8], targets: &Targets) {
        let visited = self.walk.asked();
        if visited
            .iter()
            .any(|(exchange, _)| exchange.depends() != Depends::RoutingKey)
        {
            return;
        }
        if self.routes.is_empty() {
            self.routes.resize_with(ROUTES_MIN, Route::default);
        }
        let hash = self.hasher.hash_one(names) as usize;
        let mut index = hash & (self.routes.len() - 1);
        while !self.routes[index].names.is_empty() && self.routes.len() < ROUTES_MAX {
            self.grow();
            index = hash & (self.routes.len() - 1);
        }
        let route = &mut self.routes[index];
        route.names.clear();
        route.names.extend_from_slice(names);
        route.targets.clone_from(targets);
        route.visited = visited;
        route.checked = self.round;
        self.last = index;
    }

    fn grow(&mut self) {
        let old = std::mem::take(&mut self.routes);
        let size = (old.len() * 4).min(ROUTES_MAX);
        self.routes.resize_with(size, Route::default);
        for route in old.into_iter().filter(|route| !route.names.is_empty()) {
            let index = self.hasher.hash_one(route.names.as_slice()) as usize & (size - 1);
            self.routes[index] = route;
        }
        self.last = 0;
    }

    /// Pushes what waits into its queues. Returns the receipt that confirms of these messages wait for; `effects` collects the
    /// wake-ups, `unroutable` the mandatory messages whose queue has just gone.
    pub fn flush(
        &mut self,
        broker: &Broker,
        now: u64,
        wakers: &mut Effects,
        unroutable: &mut Vec<Unroutable>,
    ) -> Receipt {
        if self.pending == 0 {
            return Receipt::NOTHING;
        }
        if let Some(builder) = self.builder.take() {
            self.chunks.push(builder.seal());
        }
        self.pending = 0;
        self.round += 1;
        let mut receipt = Receipt::NOTHING;
        for index in 0..self.dirty.len() {
            let local = &mut self.queues[self.dirty[index] as usize];
            let mut effects = Effects::default();
            let chunks = &self.chunks;
            let messages = local
                .pending
                .iter()
                .map(|pending| chunks[pending.chunk as usize].message(&pending.draft));
            let persistent = std::mem::take(&mut local.persistent);
            let published = local
                .queue
                .lock()
                .publish(messages, persistent, now, &mut effects);
            wakers.take_wakers(&mut effects);
            let queue = effects.is_more().then(|| Arc::clone(&local.queue));
            match published {
                Ok(placed) => receipt = receipt.max(placed),
                Err(_) => {
                    let orphans = std::mem::take(&mut local.pending);
                    receipt = receipt.max(self.reroute(broker, &orphans, now, wakers, unroutable));
                }
            }
            if let Some(queue) = queue {
                broker.perform(&queue, effects);
            }
            let local = &mut self.queues[self.dirty[index] as usize];
            local.pending.clear();
            if local.pending.capacity() > PENDING_MAX / 2 {
                local.pending.shrink_to(PENDING_MAX / 8);
            }
        }
        self.dirty.clear();
        self.chunks.clear();
        if self.queues.len() > QUEUES_MAX {
            self.queues.clear();
            self.routes.clear();
        }
        receipt
    }

    /// Messages whose queue was deleted after they were routed: route once more.
    #[cold]
    fn reroute(
        &mut self,
        broker: &Broker,
        orphans: &[Pending],
        now: u64,
        wakers: &mut Effects,
        unroutable: &mut Vec<Unroutable>,
    ) -> Receipt {
        self.routes.clear();
        let mut receipt = Receipt::NOTHING;
        for orphan in orphans {
            let message = self.chunks[orphan.chunk as usize].message(&orphan.draft);
            let mut found = Vec::new();
            if let Some(exchange) = std::str::from_utf8(message.exchange())
                .ok()
                .and_then(|name| self.walk.vhost().exchange(name))
            {
                let properties = Properties::new(message.properties());
                self.walk
                    .route(&exchange, &[message.routing_key()], properties, &mut found);
            }
            let mut placed = false;
            for queue in found {
                // Its other queues have it already: only a queue that took the dead one's place is new.
                if self
                    .queues
                    .iter()
                    .any(|local| Arc::ptr_eq(&local.queue, &queue))
                {
                    placed = true;
                    continue;
                }
                let mut effects = Effects::default();
                let one = std::iter::once(message.clone());
                if let Ok(new) =
                    queue
                        .lock()
                        .publish(one, message.is_persistent(), now, &mut effects)
                {
                    receipt = receipt.max(new);
                    placed = true;
                }
                wakers.take_wakers(&mut effects);
                broker.perform(&queue, effects);
            }
            if !placed && orphan.mandatory != 0 {
                unroutable.push(Unroutable {
                    channel: orphan.mandatory,
                    message,
                });
            }
        }
        receipt
    }
}

/// The property block without its BCC header, which no receiver sees.
pub fn without_bcc(properties: Properties<'_>) -> Vec<u8> {
    let headers = properties
        .headers()
        .map(|raw| Table(raw).without(&[b"BCC"]));
    rewrite(
        properties.raw(),
        &Edits {
            headers,
            ..Edits::default()
        },
    )
}

impl Body<'_> {
    fn bytes(&self) -> &[u8] {
        match self {
            Body::Small(body) => body,
            Body::Large(body) => body,
        }
    }

    /// A body as it is kept: apart when it is large.
    pub fn from_slice(body: &[u8]) -> Body<'_> {
        if body.len() >= LARGE_BODY_BYTES {
            Body::Large(body.into())
        } else {
            Body::Small(body)
        }
    }
}
