//! The publishing side of one connection: route, group by queue, push, one receipt.
//!
//! A [`Publisher`] belongs to one connection. [`publish`](Publisher::publish) copies a message into the round's chunk and notes
//! it for each of its queues; [`flush`](Publisher::flush) takes each queue's lock once for all that it gets. Routes are cached
//! by (exchange, routing key), checked once a round against the versions of the exchanges that they visited; a route that
//! depends on more than the key, or finds no queue, is not cached. What a durable queue is to keep on disk goes into chunks of its
//! own, which are linked to the journal as they are: a body routed to ten queues is written once, and nothing transient with it.

use std::sync::Arc;

use smallvec::SmallVec;

use self::once::{Early, Shown};
pub use self::one::without_bcc;
pub(super) use self::one::{home, kept_by, publish_one};
use self::round::{FOR_DISK, Filling, Pending};
pub use self::round::{Origin, Refusal};
use super::Broker;
use super::exchange::Exchange;
use super::routes::{Routes, Targets};
use super::trace::Traced;
use super::vhost::{Vhost, Walk};
use crate::exchange::{Depends, extra_keys};
use crate::message::{CHUNK_BYTES_MAX, ChunkBuilder, Draft, LARGE_BODY_BYTES, Message};
use crate::queue::log::Links;
use crate::queue::{Effects, Queue};
use crate::store::Receipt;
use crate::wire::properties::Properties;

mod once;
mod one;
mod round;

/// Queues that a connection keeps at hand; past that it forgets all between two rounds.
const QUEUES_MAX: usize = 1024;
/// Most messages of a round before it is flushed.
const PENDING_MAX: usize = 4096;
/// Messages for one queue for which room is kept while the connection is idle.
const PENDING_KEPT: usize = 16;

/// A queue at hand, with what this round has for it.
struct Local {
    queue: Arc<Queue>,
    /// It keeps transient messages as well.
    keeps_all: bool,
    pending: Vec<Pending>,
}

/// A message that was routed to no queue: here is its body back, in case it is to be returned.
pub struct Nowhere {
    /// The body.
    pub body: Vec<u8>,
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
    pub body: Vec<u8>,
    /// Who published it.
    pub origin: Origin,
}

/// See the module.
pub struct Publisher {
    walk: Walk,
    routes: Routes,
    queues: Vec<Local>,
    /// The connection that publishes; 0 is none.
    connection: u64,
    /// One of them keeps transient messages as well, or did.
    keeps_any: bool,
    dirty: Vec<u32>,
    /// What stays in memory.
    passing: Filling,
    /// What the journal gets.
    for_disk: Filling,
    links: Links,
    /// The last flush had something for the disk.
    has_linked: bool,
    /// A queue that the last flush met whose publishers are to wait.
    pressed: Option<Arc<Queue>>,
    pending: usize,
    /// Messages of the last flush that are to be nacked.
    refused: Vec<Refusal>,
    /// Some queue's list has room for more than an idle connection should keep.
    grown: bool,
    /// Bytes that the rest of this round may bring, to size chunks by.
    hint: usize,
    round: u64,
    found: Vec<Arc<Queue>>,
    early: Early,
}

impl Publisher {
    /// A publisher into `vhost`; it allocates nothing until it is used.
    pub fn new(vhost: Arc<Vhost>) -> Self {
        Self {
            walk: Walk::new(vhost),
            routes: Routes::default(),
            queues: Vec::new(),
            connection: 0,
            keeps_any: false,
            dirty: Vec::new(),
            passing: Filling::default(),
            for_disk: Filling::default(),
            links: Links::default(),
            has_linked: false,
            pressed: None,
            pending: 0,
            refused: Vec::new(),
            grown: false,
            hint: 0,
            round: 1,
            found: Vec::new(),
            early: Early::default(),
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

    /// Whether the last flush had something for the disk.
    pub fn has_linked(&self) -> bool {
        self.has_linked
    }

    /// Whether a queue that was published to fills faster than it can be written to disk; it says so until that is over.
    pub fn is_pressed(&mut self) -> bool {
        self.pressed = self.pressed.take().filter(|queue| queue.is_pressed());
        self.pressed.is_some()
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
        // The default exchange has no version: its queues say themselves that they are gone. Found only when they are pushed to,
        // they would send the messages on behind others of the round.
        let queues = &self.queues;
        self.routes.find(names, self.round, |target| {
            queues[target as usize].queue.is_gone()
        })
    }

    /// The queues of the route that [`knows`](Self::knows) has just found.
    pub fn known_targets(&self) -> impl Iterator<Item = &Queue> {
        self.routes
            .found()
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
        origin: Origin,
    ) {
        let for_disk = self.is_kept(self.routes.found(), persistent);
        let persistent = persistent || for_disk;
        let (chunk, draft) = self.draft(names, properties, persistent, for_disk, body);
        self.pending += 1;
        for target in self.routes.found() {
            Self::note(
                &mut self.queues,
                &mut self.dirty,
                *target,
                Pending {
                    chunk,
                    origin,
                    draft,
                },
            );
        }
    }

    /// The same, for that connection.
    pub fn of(mut self, connection: u64) -> Self {
        self.connection = connection;
        self
    }

    /// Whether any of these queues keeps the message on disk: a durable one if it is persistent, a quorum queue and a stream in any case.
    #[inline]
    fn is_kept(&self, targets: &Targets, persistent: bool) -> bool {
        // What is transient asks no queue, unless one is there that keeps it.
        (persistent || self.keeps_any)
            && targets.iter().any(|target| {
                let local = &self.queues[*target as usize];
                local.keeps_all || (persistent && local.queue.spec.durable)
            })
    }

    #[inline]
    fn note(queues: &mut [Local], dirty: &mut Vec<u32>, target: u32, pending: Pending) {
        let local = &mut queues[target as usize];
        if local.pending.is_empty() {
            dirty.push(target);
        }
        local.pending.push(pending);
    }

    // In line: its arguments cost as much as a tenth of its work.
    #[inline(always)]
    fn draft(
        &mut self,
        names: &[u8],
        properties: &[u8],
        persistent: bool,
        for_disk: bool,
        body: &[u8],
    ) -> (u32, Draft) {
        let size = ChunkBuilder::size(names.len(), properties.len(), body.len());
        let (filling, kind) = if for_disk {
            (&mut self.for_disk, FOR_DISK)
        } else {
            (&mut self.passing, 0)
        };
        let builder = match &mut filling.builder {
            Some(builder) if builder.fits(size) => builder,
            _ => Self::next_chunk(filling, self.hint, size),
        };
        let draft = builder.push(names, properties, persistent, body);
        self.hint = self.hint.saturating_sub(size);
        (kind | filling.chunks.len() as u32, draft)
    }

    #[cold]
    fn next_chunk(filling: &mut Filling, hint: usize, size: usize) -> &mut ChunkBuilder {
        filling.seal();
        let bytes = hint.min(CHUNK_BYTES_MAX).max(size);
        filling.builder.insert(ChunkBuilder::with_capacity(bytes))
    }

    /// Routes and takes one message.
    pub fn publish(
        &mut self,
        broker: &Broker,
        exchange: &Arc<Exchange>,
        publish: Publish<'_>,
    ) -> Result<usize, Nowhere> {
        let Publish {
            names,
            routing_key,
            properties: raw,
            body,
            origin,
        } = publish;
        let properties = Properties::new(raw);
        let persistent = properties.persistent();
        if exchange.name.is_empty() && Vhost::is_reply_address(routing_key) {
            let message = Message::from_parts(names, raw, &body, std::iter::empty());
            return if broker.reply_addresses.send(routing_key, message) {
                Ok(1)
            } else {
                Err(Nowhere { body })
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
        if keyed && self.knows(names) {
            let targets = self.routes.found().clone();
            let for_disk = self.is_kept(&targets, persistent);
            let persistent = persistent || for_disk;
            let placed = self.place(names, raw, persistent, for_disk, body, &[]);
            self.push(&targets, placed, origin);
            return Ok(targets.len());
        }
        let extra = extra.unwrap_or_default();
        let keys = extra.after(routing_key);
        let mut found = std::mem::take(&mut self.found);
        self.walk
            .route_once(exchange, &keys, properties, &mut found, broker.now());
        let stripped = extra.has_bcc.then(|| without_bcc(properties));
        let shown = stripped.as_deref().unwrap_or(raw);
        self.walk
            .remember(|| Message::from_parts(names, shown, &body, extra.bcc.iter().copied()));
        let is_traced = self.walk.vhost().is_traced();
        if is_traced {
            let traced = Traced {
                connection: self.connection,
                channel: origin.channel(),
                exchange: &exchange.name,
                keys: &keys,
                properties,
                body: &body,
            };
            traced.published(broker, self.walk.vhost(), &found);
        }
        if self.walk.is_once() {
            let shown = Shown {
                message: Message::from_parts(names, shown, &body, extra.bcc.iter().copied()),
                keys: &keys,
                origin,
            };
            return self.publish_once(broker, exchange, shown, found);
        }
        if found.is_empty() {
            self.found = found;
            return Err(Nowhere { body });
        }
        let by_header = found.iter().any(|queue| queue.is_keyed_by_header());
        let targets: Targets = found
            .drain(..)
            .map(|queue| match queue.partitions() {
                [] => self.local(queue),
                _ => self.local(queue.home(routing_key, properties)),
            })
            .collect();
        self.found = found;
        if keyed && !is_traced && !by_header {
            self.remember(names, &targets);
        }
        let for_disk = self.is_kept(&targets, persistent);
        let persistent = persistent || for_disk;
        let placed = self.place(names, shown, persistent, for_disk, body, &extra.bcc);
        self.push(&targets, placed, origin);
        Ok(targets.len())
    }

    /// Puts a message into a chunk: a large body moves in as it is, keys that nobody sees follow the message.
    fn place(
        &mut self,
        names: &[u8],
        properties: &[u8],
        persistent: bool,
        for_disk: bool,
        body: Vec<u8>,
        hidden_keys: &[&[u8]],
    ) -> (u32, Draft) {
        if body.len() < LARGE_BODY_BYTES && hidden_keys.is_empty() {
            return self.draft(names, properties, persistent, for_disk, &body);
        }
        let (filling, kind) = if for_disk {
            (&mut self.for_disk, FOR_DISK)
        } else {
            (&mut self.passing, 0)
        };
        filling.seal();
        let size = ChunkBuilder::size(names.len(), properties.len(), body.len());
        let mut builder = ChunkBuilder::with_capacity(size);
        let mut draft = if body.len() < LARGE_BODY_BYTES {
            builder.push(names, properties, persistent, &body)
        } else {
            builder.push_large(names, properties, persistent, body.into_boxed_slice())
        };
        if !hidden_keys.is_empty() {
            builder.push_hidden_keys(&mut draft, hidden_keys.iter().copied());
        }
        filling.chunks.push(builder.seal());
        (kind | (filling.chunks.len() as u32 - 1), draft)
    }

    fn push(&mut self, targets: &Targets, (chunk, draft): (u32, Draft), origin: Origin) {
        self.pending += 1;
        for target in targets {
            let pending = Pending {
                chunk,
                origin,
                draft,
            };
            Self::note(&mut self.queues, &mut self.dirty, *target, pending);
        }
    }

    fn local(&mut self, queue: Arc<Queue>) -> u32 {
        // Few queues as a rule; a connection with many routes finds most of them in its cache.
        let at = self
            .queues
            .iter()
            .rposition(|local| Arc::ptr_eq(&local.queue, &queue))
            .unwrap_or_else(|| {
                let keeps_all = one::keeps_all(&queue);
                self.keeps_any |= keeps_all;
                self.queues.push(Local {
                    keeps_all,
                    queue,
                    pending: Vec::new(),
                });
                self.queues.len() - 1
            });
        at as u32
    }

    fn remember(&mut self, names: &[u8], targets: &Targets) {
        let asked = self.walk.asked();
        if asked
            .iter()
            .all(|(exchange, _)| exchange.depends() == Depends::RoutingKey)
        {
            self.routes.remember(names, targets, asked, self.round);
        }
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
        self.passing.seal();
        self.for_disk.seal();
        let Early {
            mut receipt,
            linked,
            unroutable: mut earlier,
        } = std::mem::take(&mut self.early);
        unroutable.append(&mut earlier);
        self.has_linked = linked || !self.for_disk.chunks.is_empty();
        // First the bodies, then their placements: a placement on disk finds its body there.
        for chunk in &self.for_disk.chunks {
            self.links.link(chunk, broker.journal());
        }
        self.pending = 0;
        self.round += 1;
        let mut gone: SmallVec<[u32; 1]> = SmallVec::new();
        for index in 0..self.dirty.len() {
            let target = self.dirty[index];
            let local = &mut self.queues[target as usize];
            let mut effects = Effects::default();
            let (passing, for_disk) = (&self.passing.chunks, &self.for_disk.chunks);
            let messages = local
                .pending
                .iter()
                .map(|pending| pending.message(passing, for_disk));
            let mut locked = local.queue.lock();
            let published = locked.publish(messages, &self.links, now, &mut effects);
            receipt = receipt.max(locked.commit());
            wakers.take_wakers(&mut effects);
            if published.is_err() {
                gone.push(target);
            }
            if local.queue.is_pressed() {
                self.pressed = Some(Arc::clone(&local.queue));
            }
            if effects.is_more() {
                if let Some(refused) = &effects.refused {
                    self.refused.extend(
                        refused
                            .indices
                            .iter()
                            .filter_map(|index| local.pending[*index as usize].origin.refusal()),
                    );
                }
                broker.perform(&local.queue, effects);
            }
        }
        for target in gone {
            receipt = receipt.max(self.reroute(broker, target, now, wakers, unroutable));
        }
        for target in self.dirty.drain(..) {
            let pending = &mut self.queues[target as usize].pending;
            pending.clear();
            self.grown |= pending.capacity() > PENDING_KEPT;
        }
        self.passing.chunks.clear();
        self.for_disk.chunks.clear();
        self.links.clear();
        if self.queues.len() > QUEUES_MAX {
            self.queues.clear();
            self.routes.clear();
        }
        receipt
    }

    /// Messages that some queue has refused since this was last asked, once for each queue.
    #[inline]
    pub fn take_refused(&mut self) -> Vec<Refusal> {
        std::mem::take(&mut self.refused)
    }

    /// Gives back the memory that a busy time has left.
    pub fn rest(&mut self) {
        if std::mem::take(&mut self.grown) {
            for local in &mut self.queues {
                local.pending = Vec::new();
            }
        }
    }

    /// Messages whose queue was deleted after they were routed: route once more.
    #[cold]
    fn reroute(
        &mut self,
        broker: &Broker,
        gone: u32,
        now: u64,
        wakers: &mut Effects,
        unroutable: &mut Vec<Unroutable>,
    ) -> Receipt {
        self.routes.clear();
        let mut receipt = Receipt::NOTHING;
        let orphans = std::mem::take(&mut self.queues[gone as usize].pending);
        for orphan in &orphans {
            let message = orphan.message(&self.passing.chunks, &self.for_disk.chunks);
            let mut found = Vec::new();
            if let Some(exchange) = std::str::from_utf8(message.exchange())
                .ok()
                .and_then(|name| self.walk.vhost().exchange(name))
            {
                let properties = Properties::new(message.properties());
                let extra = extra_keys(properties).unwrap_or_default();
                let keys = extra.after(message.routing_key());
                self.walk.route(&exchange, &keys, properties, &mut found);
            }
            let mut placed = false;
            for queue in found {
                let queue = home(&queue, &message);
                // Where it was pushed in this round already, it is not pushed again.
                let has_it = self.dirty.iter().any(|target| {
                    let local = &self.queues[*target as usize];
                    Arc::ptr_eq(&local.queue, &queue)
                        && local.pending.iter().any(|one| one.is(orphan))
                });
                if has_it {
                    placed = true;
                    continue;
                }
                let mut effects = Effects::default();
                let (pushed, new) = publish_one(broker, &queue, message.clone(), now, &mut effects);
                receipt = receipt.max(new);
                if effects.refused.is_some() {
                    self.refused.extend(orphan.origin.refusal());
                }
                placed |= pushed;
                wakers.take_wakers(&mut effects);
                broker.perform(&queue, effects);
            }
            if !placed && orphan.origin.is_mandatory() {
                unroutable.push(Unroutable {
                    channel: orphan.origin.channel(),
                    message,
                });
            }
        }
        receipt
    }
}
