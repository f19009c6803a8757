//! What must be true, kept as simply as it can be: for each queue the messages in order, and what is known of each.
//!
//! Written from the contract, not from the broker. Live, every publish is there until it is settled. When the power fails, only
//! what was said to a client counts: a confirmed message stays, an unconfirmed one may, an ack may be forgotten unless the journal
//! had [time](Model::quiet) to sync it. What is seen afterwards is what is true from then on.

use std::collections::{BTreeMap, BTreeSet};

use super::wire;

/// A fault of the broker's, in words.
pub type Verdict<T = ()> = Result<T, String>;

/// A message in a queue: its id, and the queue that it died in before it came here.
pub type Key = (u64, Option<&'static str>);

/// Who holds a delivery: connection and channel.
pub type Holder = (usize, u16);

/// A queue's rules. The name says which.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kind {
    pub name: &'static str,
    pub durable: bool,
    pub exclusive: bool,
    /// Messages that die go to the queue `dead`.
    pub dead_letters: bool,
    pub ttl_ms: Option<u64>,
    pub length: Option<usize>,
    /// Confirms wait for the operating system only.
    pub os: bool,
}

const PLAIN: Kind = Kind {
    name: "",
    durable: true,
    exclusive: false,
    dead_letters: false,
    ttl_ms: None,
    length: None,
    os: false,
};

/// Where dead letters go.
pub const DEAD: &str = "dead";

/// All queues that there can be.
pub const KINDS: [Kind; 10] = [
    Kind {
        name: "plain0",
        ..PLAIN
    },
    Kind {
        name: "plain1",
        ..PLAIN
    },
    Kind {
        name: "plain2",
        ..PLAIN
    },
    Kind {
        name: DEAD,
        ..PLAIN
    },
    Kind {
        name: "reject",
        dead_letters: true,
        ..PLAIN
    },
    Kind {
        name: "limit",
        dead_letters: true,
        length: Some(6),
        ..PLAIN
    },
    Kind {
        name: "ttl",
        dead_letters: true,
        ttl_ms: Some(600),
        ..PLAIN
    },
    Kind {
        name: "short",
        length: Some(4),
        ..PLAIN
    },
    Kind {
        name: "passing",
        durable: false,
        ..PLAIN
    },
    Kind {
        name: "mine",
        exclusive: true,
        ..PLAIN
    },
];

/// Exchanges beside the predeclared ones: name, type, durable.
pub const EXCHANGES: [(&str, &str, bool); 3] = [
    ("x.direct", "direct", true),
    ("x.fanout", "fanout", true),
    ("x.passing", "fanout", false),
];

/// The rules of a queue of this name.
pub fn kind(name: &str) -> Kind {
    let found = KINDS.iter().find(|kind| kind.name == name);
    *found.expect("only these are declared")
}

/// What was published.
#[derive(Debug)]
pub struct Published {
    pub exchange: &'static str,
    pub key: String,
    pub properties: Vec<u8>,
    pub persistent: bool,
    pub expiration: Option<u64>,
    pub length: usize,
}

/// The body of a message: nobody has to remember it.
pub fn body(id: u64, length: usize) -> Vec<u8> {
    let mut random = super::random::Random::new(id);
    let mut body = Vec::with_capacity(length + 8);
    while body.len() < length {
        body.extend_from_slice(&random.next().to_le_bytes());
    }
    body.truncate(length);
    body
}

/// What is known of a message in a queue.
#[derive(Debug)]
struct Entry {
    key: Key,
    placed_ms: u64,
    /// It outlives the process.
    durable: bool,
    /// A confirm or a commit-ok has been sent for it.
    confirmed: bool,
    /// The client's ack has been handled; it may not have reached the disk.
    settled: bool,
    /// It reached a client.
    delivered: bool,
    /// Nothing promises that it is there.
    weak: bool,
    /// It was rejected for good.
    dying: bool,
    out: Option<Holder>,
    /// It came as a dead letter and was not seen in its place so far.
    anywhere: bool,
}

/// One life of a queue.
#[derive(Debug)]
pub struct Queue {
    pub kind: Kind,
    owner: Option<usize>,
    declared: bool,
    /// Some once a delete has been handled; whether the client knows.
    deleted: Option<bool>,
    entries: Vec<Entry>,
    /// Settled for good.
    past: BTreeSet<Key>,
    /// Consumers now.
    pub consumers: usize,
    no_ack_consumers: usize,
    /// Gets without ack whose answer has not been seen, by connection.
    blind_gets: BTreeMap<usize, usize>,
    /// Gets whose answer has not been seen, by connection.
    gets: BTreeMap<usize, usize>,
}

impl Queue {
    fn position(&self, key: Key) -> Option<usize> {
        self.entries.iter().position(|entry| entry.key == key)
    }

    /// Its time is up, it was rejected, or newer ones push it out.
    fn may_die(&self, entry: &Entry, messages: &BTreeMap<u64, Published>, now: u64) -> bool {
        let expiration = messages[&entry.key.0]
            .expiration
            .filter(|_| entry.key.1.is_none());
        let ttl = match (expiration, self.kind.ttl_ms) {
            (Some(one), Some(two)) => Some(one.min(two)),
            (one, two) => one.or(two),
        };
        entry.dying
            || self.kind.length.is_some()
            || ttl.is_some_and(|ttl| entry.placed_ms + ttl <= now)
    }

    /// Settles it for good.
    fn forget(&mut self, index: usize) {
        let entry = self.entries.remove(index);
        self.past.insert(entry.key);
    }
}

#[derive(Debug, Default)]
struct Group {
    publishes: Vec<(u64, u64)>,
    acks: Vec<(u64, Key)>,
}

/// A binding: exchange, queue's life, routing key.
pub type Binding = (&'static str, u64, &'static str);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Known {
    /// The client was told that it is there.
    Yes,
    /// It is there now; the client was not told.
    Asked,
    /// It is not there now; the client was not told.
    Removing,
}

/// One message seen in a queue.
#[derive(Debug)]
pub struct Seen {
    pub key: Key,
    pub redelivered: bool,
}

/// See the module.
#[derive(Default)]
pub struct Model {
    pub messages: BTreeMap<u64, Published>,
    /// Every life of every queue that may still be there.
    queues: BTreeMap<u64, Queue>,
    /// Exchanges of [`EXCHANGES`] that are or may be there.
    exchanges: BTreeMap<&'static str, Known>,
    bindings: BTreeMap<Binding, Known>,
    groups: BTreeMap<u64, Group>,
    /// Of each transaction that was under way when the power failed: what shows whether it is there.
    evidence: Vec<(u64, u64, Key, bool)>,
    /// Dead letters of queues that were deleted before a stop.
    dead: BTreeSet<Key>,
    next: u64,
    /// Restarts that were not clean.
    crashes: usize,
    hurt: bool,
    /// Messages confirmed.
    pub confirms: usize,
}

impl Model {
    fn number(&mut self) -> u64 {
        self.next += 1;
        self.next
    }

    /// The queue's life that publishes reach now.
    pub fn live(&self, name: &str) -> Option<u64> {
        let mut found = self.queues.iter().rev();
        found
            .find(|(_, queue)| queue.kind.name == name && queue.deleted.is_none())
            .map(|(number, _)| *number)
    }

    pub fn queue(&self, number: u64) -> &Queue {
        &self.queues[&number]
    }

    fn queue_mut(&mut self, number: u64) -> &mut Queue {
        self.queues.get_mut(&number).expect("a known queue")
    }

    /// Who owns an exclusive queue.
    pub fn owner(&self, number: u64) -> Option<usize> {
        self.queues[&number].owner
    }

    pub fn live_exchanges(&self) -> Vec<&'static str> {
        let live = |known: &Known| *known != Known::Removing;
        let own = self.exchanges.iter().filter(|(_, known)| live(known));
        ["", "amq.fanout"]
            .into_iter()
            .chain(own.map(|(name, _)| *name))
            .collect()
    }

    // Topology, as the session has handled it.

    pub fn declare(&mut self, name: &str, connection: usize) -> u64 {
        if let Some(number) = self.live(name) {
            return number;
        }
        let kind = kind(name);
        let number = self.number();
        let queue = Queue {
            kind,
            owner: kind.exclusive.then_some(connection),
            declared: false,
            deleted: None,
            entries: Vec::new(),
            past: BTreeSet::new(),
            consumers: 0,
            no_ack_consumers: 0,
            blind_gets: BTreeMap::new(),
            gets: BTreeMap::new(),
        };
        self.queues.insert(number, queue);
        number
    }

    pub fn declare_ok(&mut self, number: u64) {
        if let Some(queue) = self.queues.get_mut(&number) {
            queue.declared = true;
        }
    }

    pub fn delete(&mut self, name: &str) -> Option<u64> {
        let number = self.live(name)?;
        self.unseen(number);
        self.queue_mut(number).deleted = Some(false);
        let of_it = self
            .bindings
            .iter_mut()
            .filter(|((_, queue, _), _)| *queue == number);
        for (_, known) in of_it {
            *known = Known::Removing;
        }
        Some(number)
    }

    pub fn delete_ok(&mut self, number: u64) {
        if let Some(queue) = self.queues.get_mut(&number) {
            queue.deleted = Some(true);
            self.bindings.retain(|(_, queue, _), _| *queue != number);
        }
    }

    pub fn exchange_declare(&mut self, name: &'static str) {
        let known = self.exchanges.entry(name).or_insert(Known::Asked);
        if *known == Known::Removing {
            *known = Known::Asked;
        }
    }

    pub fn exchange_declare_ok(&mut self, name: &'static str) {
        if let Some(known @ Known::Asked) = self.exchanges.get_mut(name) {
            *known = Known::Yes;
        }
    }

    pub fn exchange_delete(&mut self, name: &'static str) {
        if let Some(known) = self.exchanges.get_mut(name) {
            *known = Known::Removing;
        }
        for (_, known) in self
            .bindings
            .iter_mut()
            .filter(|((from, ..), _)| *from == name)
        {
            *known = Known::Removing;
        }
    }

    pub fn exchange_delete_ok(&mut self, name: &'static str) {
        if self.exchanges.get(name) == Some(&Known::Removing) {
            self.exchanges.remove(name);
            self.bindings
                .retain(|(from, ..), known| *from != name || *known != Known::Removing);
        }
    }

    pub fn bind(&mut self, binding: Binding) {
        let known = self.bindings.entry(binding).or_insert(Known::Asked);
        if *known == Known::Removing {
            *known = Known::Asked;
        }
    }

    pub fn bind_ok(&mut self, binding: Binding) {
        if let Some(known @ Known::Asked) = self.bindings.get_mut(&binding) {
            *known = Known::Yes;
        }
    }

    pub fn unbind(&mut self, binding: Binding) {
        if let Some(known) = self.bindings.get_mut(&binding) {
            *known = Known::Removing;
        }
    }

    pub fn unbind_ok(&mut self, binding: Binding) {
        if self.bindings.get(&binding) == Some(&Known::Removing) {
            self.bindings.remove(&binding);
        }
    }

    /// The queues that a publish reaches now.
    pub fn route(&self, exchange: &str, key: &str) -> Vec<u64> {
        if exchange.is_empty() {
            return self.live(key).into_iter().collect();
        }
        let fanout = exchange == "amq.fanout"
            || EXCHANGES
                .iter()
                .any(|(name, kind, _)| *name == exchange && *kind == "fanout");
        let matching = self.bindings.iter().filter(|((from, _, wanted), known)| {
            *from == exchange && **known != Known::Removing && (fanout || *wanted == key)
        });
        let queues: BTreeSet<u64> = matching.map(|((_, queue, _), _)| *queue).collect();
        queues.into_iter().collect()
    }

    // Messages, as the session has handled them.

    /// A publish outside of a transaction.
    pub fn publish(&mut self, id: u64, message: Published, now: u64) {
        let queues = self.route(message.exchange, &message.key);
        self.messages.insert(id, message);
        for number in queues {
            self.place(number, id, now);
        }
    }

    fn place(&mut self, number: u64, id: u64, now: u64) {
        let persistent = self.messages[&id].persistent;
        let queue = self.queue_mut(number);
        queue.entries.push(Entry {
            key: (id, None),
            placed_ms: now,
            durable: persistent && queue.kind.durable && !queue.kind.exclusive,
            confirmed: false,
            settled: false,
            delivered: false,
            weak: false,
            dying: false,
            out: None,
            anywhere: false,
        });
    }

    fn entries_of(&mut self, id: u64) -> impl Iterator<Item = &mut Entry> {
        let all = self
            .queues
            .values_mut()
            .flat_map(|queue| &mut queue.entries);
        all.filter(move |entry| entry.key.0 == id)
    }

    pub fn confirmed(&mut self, id: u64) {
        self.confirms += 1;
        self.entries_of(id).for_each(|entry| entry.confirmed = true);
    }

    /// The broker could not keep it; it may be there all the same.
    pub fn refused(&mut self, id: u64) {
        self.entries_of(id).for_each(|entry| entry.weak = true);
    }

    /// A message that is published when its transaction is committed.
    pub fn announce(&mut self, id: u64, message: Published) {
        self.messages.insert(id, message);
    }

    /// A transaction is committed: messages with the queues that they were routed to, and acks.
    pub fn commit(&mut self, publishes: &[(u64, Vec<u64>)], acks: &[(u64, Key)], now: u64) -> u64 {
        let mut group = Group::default();
        for (id, queues) in publishes {
            for number in queues {
                if self.queue(*number).deleted.is_none() {
                    self.place(*number, *id, now);
                    group.publishes.push((*number, *id));
                }
            }
        }
        for (number, key) in acks {
            self.ack(*number, *key);
            group.acks.push((*number, *key));
        }
        let number = self.number();
        self.groups.insert(number, group);
        number
    }

    pub fn commit_ok(&mut self, group: u64) {
        let Some(group) = self.groups.remove(&group) else {
            return;
        };
        for (_, id) in group.publishes {
            self.confirmed(id);
        }
        for (number, key) in group.acks {
            if let Some(queue) = self.queues.get_mut(&number)
                && let Some(index) = queue.position(key)
                && queue.entries[index].settled
            {
                queue.forget(index);
            }
        }
    }

    /// A message has reached a client. `get` says that it was fetched from the head just now.
    pub fn delivered(
        &mut self,
        number: u64,
        message: &wire::Message<'_>,
        holder: Option<Holder>,
        get: bool,
        now: u64,
    ) -> Verdict<Key> {
        let key = self.identify(number, message)?;
        self.arrive(number, key, now, false)?;
        let crashes = self.crashes;
        let queue = self.queue(number);
        let name = queue.kind.name;
        let index = queue.position(key).expect("it has just been looked at");
        let (delivered, settled, out) = {
            let entry = &queue.entries[index];
            (entry.delivered, entry.settled, entry.out)
        };
        // A crash may have left a dead letter in both places: then it comes twice.
        let once = key.1.is_none() || crashes == 0;
        if let Some(out) = out.filter(|_| once) {
            return Err(format!(
                "{name}: {key:?} is delivered while {out:?} holds it"
            ));
        }
        if settled && once {
            return Err(format!("{name}: {key:?} is delivered again after its ack"));
        }
        if delivered && once && !message.redelivered {
            return Err(format!("{name}: {key:?} comes again without redelivered"));
        }
        let alone = queue.consumers == 0
            && queue.gets.is_empty()
            && queue.kind.ttl_ms.is_none()
            && queue.kind.length.is_none();
        if get {
            let expired = queue
                .kind
                .ttl_ms
                .is_some_and(|ttl| queue.entries[index].placed_ms + ttl < now);
            if expired {
                return Err(format!("{name}: {key:?} is fetched after its time"));
            }
            let first = queue.entries[..index].iter().find(|entry| {
                let ready = entry.out.is_none() && !entry.settled && !entry.weak && !entry.dying;
                ready && !entry.anywhere
            });
            if let Some(first) = first.filter(|_| alone)
                && self.messages[&first.key.0].expiration.is_none()
                && !queue.entries[index].anywhere
            {
                return Err(format!("{name}: {key:?} is fetched before {:?}", first.key));
            }
        }
        if key.1.is_none() {
            self.taken_back(name, &[key.0]);
        }
        let entry = &mut self.queue_mut(number).entries[index];
        entry.weak = false;
        match holder {
            Some(_) => {
                entry.delivered = true;
                entry.out = holder;
            }
            None => entry.settled = true,
        }
        Ok(key)
    }

    /// These are or were still in the queue that their dead letters came from, because a crash has taken the dead letters back.
    fn taken_back(&mut self, from: &'static str, ids: &[u64]) {
        let queues = self.queues.values_mut();
        for dead in queues.filter(|queue| queue.kind.name == DEAD) {
            for entry in &mut dead.entries {
                entry.weak |= entry.key.1 == Some(from) && ids.contains(&entry.key.0);
            }
        }
    }

    /// What is in a queue goes without having been seen since a crash.
    fn unseen(&mut self, number: u64) {
        let queue = self.queue(number);
        let from = queue.kind.name;
        let unsettled = queue.entries.iter().filter(|entry| !entry.settled);
        let ids: Vec<u64> = unsettled.map(|entry| entry.key.0).collect();
        if self.crashes > 0 {
            self.taken_back(from, &ids);
        }
    }

    /// A message has left for a channel that the client has closed meanwhile: it is back, but was delivered.
    pub fn passed(
        &mut self,
        number: u64,
        message: &wire::Message<'_>,
        no_ack: bool,
    ) -> Verdict<String> {
        let key = self.identify(number, message)?;
        let queue = self.queue_mut(number);
        if let Some(index) = queue.position(key) {
            queue.entries[index].delivered = true;
            queue.entries[index].settled |= no_ack;
        }
        Ok(format!(" {key:?} in passing"))
    }

    /// Nothing was there to be fetched.
    pub fn empty(&self, number: u64) -> Verdict {
        let queue = self.queue(number);
        if queue.consumers > 0
            || !queue.gets.is_empty()
            || queue.kind.ttl_ms.is_some()
            || queue.kind.length.is_some()
        {
            return Ok(());
        }
        let ready = queue.entries.iter().find(|entry| {
            // A crash may have taken a dead letter back.
            let surely = entry.key.1.is_none() || self.crashes == 0;
            let plain = surely && self.messages[&entry.key.0].expiration.is_none();
            plain && entry.out.is_none() && !entry.settled && !entry.weak && !entry.dying
        });
        match ready {
            Some(entry) => Err(format!(
                "{}: empty, where {:?} is ready",
                queue.kind.name, entry.key
            )),
            None => Ok(()),
        }
    }

    /// Which message it is; its content must be what was published.
    pub fn identify(&self, number: u64, message: &wire::Message<'_>) -> Verdict<Key> {
        let name = self.queue(number).kind.name;
        let id = wire::message_id(message.properties)
            .ok_or_else(|| format!("{name}: a message without its id: {message:?}"))?;
        let Some(published) = self.messages.get(&id) else {
            return Err(format!("{name}: message {id} was never published"));
        };
        if message.body != body(id, published.length) {
            return Err(format!(
                "{name}: the body of {id} has changed ({} bytes of {})",
                message.body.len(),
                published.length
            ));
        }
        let from = if message.key == DEAD && message.properties != published.properties {
            let from = KINDS.iter().find(|kind| {
                let field = [&b"\x05queue"[..], &wire::text(kind.name)].concat();
                kind.dead_letters && contains(message.properties, &field)
            });
            let from = from.ok_or_else(|| format!("{name}: {id} with strange properties"))?;
            if !contains(message.properties, b"\x07x-death") {
                return Err(format!("{name}: {id} has lost its x-death"));
            }
            Some(from.name)
        } else {
            if message.properties != published.properties {
                return Err(format!("{name}: the properties of {id} have changed"));
            }
            if (message.exchange.as_str(), &message.key) != (published.exchange, &published.key) {
                return Err(format!("{name}: the address of {id} has changed"));
            }
            None
        };
        Ok((id, from))
    }

    /// A message that is not known in this queue must be a dead letter that has just come.
    /// `in_source` says that it was seen where it died, too, as after a crash it may be.
    fn arrive(&mut self, number: u64, key: Key, now: u64, in_source: bool) -> Verdict {
        let crashes = self.crashes;
        let queue = &self.queues[&number];
        if queue.position(key).is_some() {
            return Ok(());
        }
        let name = queue.kind.name;
        let past = queue.past.contains(&key);
        let Some(from) = key.1 else {
            return Err(if past {
                format!("{name}: {key:?} is back although it was gone")
            } else {
                format!(
                    "{name}: {key:?} was never sent here, or its queue was deleted, or it could not have survived"
                )
            });
        };
        let source = self.queues.iter().rev().find_map(|(number, queue)| {
            let index = (queue.kind.name == from).then(|| queue.position((key.0, None)))??;
            queue
                .may_die(&queue.entries[index], &self.messages, now)
                .then_some((*number, index))
        });
        let source_past = self
            .queues
            .values()
            .any(|queue| queue.kind.name == from && queue.past.contains(&(key.0, None)));
        if crashes == 0 && past {
            return Err(format!("{name}: {key:?} is a second time dead"));
        }
        if crashes == 0 && in_source {
            return Err(format!("{name}: {key:?} is also in {from}"));
        }
        let (durable, confirmed) = match source {
            Some((number, index)) => {
                let entry = &mut self.queue_mut(number).entries[index];
                entry.settled = !in_source;
                (entry.durable, entry.confirmed)
            }
            // Deleted or purged meanwhile, or settled when it was seen here before.
            None if source_past || crashes > 0 || self.dead.contains(&key) => {
                (self.messages[&key.0].persistent, false)
            }
            None => return Err(format!("{name}: {key:?} had no reason to die")),
        };
        self.queue_mut(number).entries.push(Entry {
            key,
            placed_ms: now,
            durable,
            confirmed,
            settled: false,
            delivered: false,
            weak: false,
            dying: false,
            out: None,
            anywhere: true,
        });
        Ok(())
    }

    pub fn ack(&mut self, number: u64, key: Key) {
        if let Some(queue) = self.queues.get_mut(&number)
            && let Some(index) = queue.position(key)
        {
            queue.entries[index].out = None;
            queue.entries[index].settled = true;
        }
    }

    /// Rejected for good.
    pub fn reject(&mut self, number: u64, key: Key) {
        let Some(queue) = self.queues.get_mut(&number) else {
            return;
        };
        if let Some(index) = queue.position(key) {
            let dead_letters = queue.kind.dead_letters;
            let entry = &mut queue.entries[index];
            entry.out = None;
            entry.dying = dead_letters;
            entry.settled = !dead_letters;
        }
    }

    pub fn requeue(&mut self, number: u64, key: Key) {
        if let Some(queue) = self.queues.get_mut(&number)
            && let Some(index) = queue.position(key)
        {
            queue.entries[index].out = None;
        }
    }

    pub fn purge(&mut self, number: u64) {
        self.unseen(number);
        let queue = self.queue_mut(number);
        // What is on its way to a consumer stays; nobody can say which.
        let certain = queue.consumers == 0 && queue.gets.is_empty();
        for entry in queue.entries.iter_mut().filter(|entry| entry.out.is_none()) {
            // One that was rejected is not purged, unless a crash has made it ready again.
            if certain && !entry.dying {
                entry.settled = true;
            } else {
                entry.weak = true;
            }
        }
        // Dead letters that nobody has seen yet go, too.
        if queue.kind.name == DEAD {
            for queue in self
                .queues
                .values_mut()
                .filter(|queue| queue.kind.dead_letters)
            {
                for entry in &mut queue.entries {
                    entry.weak = true;
                }
            }
        }
    }

    pub fn consume(&mut self, number: u64, no_ack: bool) {
        let queue = self.queue_mut(number);
        queue.consumers += 1;
        queue.no_ack_consumers += usize::from(no_ack);
    }

    pub fn cancel(&mut self, number: u64, no_ack: bool) {
        if let Some(queue) = self.queues.get_mut(&number) {
            queue.consumers -= 1;
            if no_ack {
                queue.no_ack_consumers -= 1;
            }
        }
    }

    /// A get is on its way, or answered.
    pub fn get(&mut self, number: u64, connection: usize, no_ack: bool, asked: bool) {
        let Some(queue) = self.queues.get_mut(&number) else {
            return;
        };
        let both = if no_ack { 2 } else { 1 };
        for gets in [&mut queue.gets, &mut queue.blind_gets]
            .into_iter()
            .take(both)
        {
            let count = gets.entry(connection).or_default();
            *count = if asked { *count + 1 } else { *count - 1 };
            if *count == 0 {
                gets.remove(&connection);
            }
        }
    }

    /// A connection's channel (or all of them) is gone: what it held goes back.
    pub fn give_back(&mut self, connection: usize, channel: Option<u16>) {
        for queue in self.queues.values_mut() {
            for entry in &mut queue.entries {
                let held = entry.out.is_some_and(|(of, on)| {
                    of == connection && channel.is_none_or(|channel| channel == on)
                });
                if held {
                    entry.out = None;
                }
            }
        }
    }

    /// Somebody who does not ack has gone, perhaps with any of what is in the queue, or had come into it as a dead letter.
    pub fn weaken(&mut self, number: u64, now: u64) {
        let Some(queue) = self.queues.get_mut(&number) else {
            return;
        };
        queue.entries.iter_mut().for_each(|entry| entry.weak = true);
        if queue.kind.name != DEAD {
            return;
        }
        let Self {
            queues, messages, ..
        } = self;
        for source in queues.values_mut().filter(|queue| queue.kind.dead_letters) {
            let may: Vec<bool> = source
                .entries
                .iter()
                .map(|entry| source.may_die(entry, messages, now))
                .collect();
            for (entry, may) in source.entries.iter_mut().zip(may) {
                entry.weak |= may;
            }
        }
    }

    /// A connection has ended, which had these consumers: its exclusive queues go.
    pub fn disconnected(&mut self, connection: usize, consumers: &[(u64, bool)], now: u64) {
        for (number, no_ack) in consumers {
            self.cancel(*number, *no_ack);
            if *no_ack {
                self.weaken(*number, now);
            }
        }
        self.give_back(connection, None);
        let mut blind = Vec::new();
        for (number, queue) in &mut self.queues {
            queue.gets.remove(&connection);
            if queue.blind_gets.remove(&connection).is_some() {
                blind.push(*number);
            }
        }
        blind
            .into_iter()
            .for_each(|number| self.weaken(number, now));
        let alive = self
            .queues
            .iter()
            .filter(|(_, queue)| queue.deleted.is_none());
        let owned = alive.filter(|(_, queue)| queue.owner == Some(connection));
        let owned: Vec<&'static str> = owned.map(|(_, queue)| queue.kind.name).collect();
        for name in owned {
            if let Some(number) = self.delete(name) {
                self.delete_ok(number);
            }
        }
    }

    // Time and restarts.

    /// The journal has had time and a disk to sync all that was done.
    pub fn quiet(&mut self) {
        for queue in self.queues.values_mut() {
            for index in (0..queue.entries.len()).rev() {
                if queue.entries[index].settled {
                    queue.forget(index);
                }
            }
        }
    }

    /// No consumers, nothing in anybody's hands.
    fn nobody_is_there(&mut self, now: u64) {
        // What such a consumer was sent, and did not read, is gone.
        let is_blind = |queue: &Queue| queue.no_ack_consumers > 0 || !queue.blind_gets.is_empty();
        let blind = self.queues.iter().filter(|(_, queue)| is_blind(queue));
        let blind: Vec<u64> = blind.map(|(number, _)| *number).collect();
        blind
            .into_iter()
            .for_each(|number| self.weaken(number, now));
        for queue in self.queues.values_mut() {
            queue.consumers = 0;
            queue.no_ack_consumers = 0;
            queue.blind_gets.clear();
            queue.gets.clear();
            for entry in &mut queue.entries {
                entry.out = None;
            }
            queue.entries.retain(|entry| entry.durable);
        }
        self.queues.retain(|_, queue| {
            queue.deleted != Some(true) && queue.kind.durable && !queue.kind.exclusive
        });
        let Self {
            queues,
            bindings,
            exchanges,
            ..
        } = self;
        exchanges.retain(|name, _| EXCHANGES.iter().any(|one| one.0 == *name && one.2));
        bindings.retain(|(from, queue, _), _| {
            queues.contains_key(queue) && EXCHANGES.iter().all(|one| one.0 != *from || one.2)
        });
    }

    /// What may have died in queues that are deleted: its dead letters may be seen only later.
    fn remember_dead(&mut self, now: u64) {
        let deleted = self.queues.values().filter(|queue| queue.deleted.is_some());
        for queue in deleted.filter(|queue| queue.kind.dead_letters) {
            let dying = queue
                .entries
                .iter()
                .filter(|entry| queue.may_die(entry, &self.messages, now));
            let keys = dying
                .map(|entry| entry.key)
                .chain(queue.past.iter().copied());
            self.dead
                .extend(keys.map(|(id, _)| (id, Some(queue.kind.name))));
        }
    }

    /// The broker has been stopped as it should be, on a disk that worked.
    pub fn stopped(&mut self, now: u64) {
        self.hurt = false;
        self.remember_dead(now);
        self.nobody_is_there(now);
        self.quiet();
        self.groups.clear();
        self.queues.retain(|_, queue| queue.deleted.is_none());
        for queue in self.queues.values_mut() {
            queue.declared = true;
        }
        self.exchanges.retain(|_, known| *known != Known::Removing);
        self.bindings.retain(|_, known| *known != Known::Removing);
        for known in self
            .exchanges
            .values_mut()
            .chain(self.bindings.values_mut())
        {
            *known = Known::Yes;
        }
    }

    /// The disk has failed in this life: who was told what counts, marks that nobody was told of do not.
    pub fn hurt(&mut self) {
        self.hurt = true;
    }

    /// The power has failed (or, with `kept` by the operating system, only the process).
    pub fn crashed(&mut self, kept: bool, now: u64) {
        self.crashes += 1;
        let hurt = std::mem::take(&mut self.hurt);
        self.evidence.clear();
        for (group, parts) in std::mem::take(&mut self.groups) {
            for (number, id) in parts.publishes {
                self.witness(group, number, (id, None), true, now);
            }
            for (number, key) in parts.acks {
                self.witness(group, number, key, false, now);
            }
        }
        self.nobody_is_there(now);
        self.older_lives_end();
        for queue in self.queues.values_mut() {
            for entry in &mut queue.entries {
                let promised = entry.confirmed && (kept || !queue.kind.os);
                entry.weak |= entry.settled || !promised;
                // Deliveries go on while the disk cannot take the mark.
                entry.delivered &= !hurt;
                entry.settled = false;
            }
        }
    }

    /// A life that a client knows of is behind the delete of those before it.
    fn older_lives_end(&mut self) {
        let declared = self.queues.iter().filter(|(_, queue)| queue.declared);
        let newest: BTreeMap<&'static str, u64> = declared
            .map(|(number, queue)| (queue.kind.name, *number))
            .collect();
        let Self {
            queues, bindings, ..
        } = self;
        queues.retain(|number, queue| {
            let newest = newest.get(queue.kind.name);
            newest.is_none_or(|newest| number >= newest)
        });
        bindings.retain(|(_, queue, _), _| queues.contains_key(queue));
    }

    /// A message of a transaction that shows whether it is there, unless something else has happened to it.
    fn witness(&mut self, group: u64, number: u64, key: Key, publish: bool, now: u64) {
        let Some(queue) = self
            .queues
            .get(&number)
            .filter(|queue| queue.deleted.is_none())
        else {
            return;
        };
        let Some(index) = queue.position(key) else {
            return;
        };
        let entry = &queue.entries[index];
        let clear = entry.durable
            && !entry.weak
            && queue.no_ack_consumers == 0
            && queue.blind_gets.is_empty()
            && key.1.is_none()
            && !queue.may_die(entry, &self.messages, now);
        let tells = if publish {
            !entry.delivered && !entry.settled
        } else {
            entry.confirmed && entry.settled
        };
        if clear && tells {
            self.evidence.push((group, number, key, publish));
        }
    }

    /// Names of queues that may be there after a crash, and whether they must.
    pub fn expected_queues(&self) -> BTreeMap<&'static str, bool> {
        let mut expected = BTreeMap::new();
        for queue in self.queues.values() {
            let must = queue.declared && queue.deleted.is_none();
            *expected.entry(queue.kind.name).or_insert(false) |= must;
        }
        expected
    }

    /// Bindings that nobody was told of: (binding, whether to keep it).
    pub fn doubtful_bindings(&self) -> Vec<(Binding, bool)> {
        let doubtful = self
            .bindings
            .iter()
            .filter(|(_, known)| **known != Known::Yes);
        doubtful
            .map(|(binding, known)| (*binding, *known == Known::Asked))
            .collect()
    }

    /// An exchange is there after a crash, or not.
    pub fn exchange_found(&mut self, name: &'static str, found: bool) -> Verdict {
        match (self.exchanges.get(name), found) {
            (Some(Known::Yes), false) => return Err(format!("exchange {name} is lost")),
            (None, true) => return Err(format!("exchange {name} is back")),
            (_, true) => drop(self.exchanges.insert(name, Known::Yes)),
            (_, false) => {
                self.exchanges.remove(name);
                self.bindings.retain(|(from, ..), _| *from != name);
            }
        }
        Ok(())
    }

    /// A queue is not there after a restart.
    pub fn queue_missing(&mut self, name: &str) -> Verdict {
        let must = self.expected_queues().get(name).copied();
        if must == Some(true) {
            return Err(format!("queue {name} is lost"));
        }
        let gone: Vec<u64> = self.lives(name);
        for number in gone {
            self.queues.remove(&number);
            self.bindings.retain(|(_, queue, _), _| *queue != number);
        }
        Ok(())
    }

    fn lives(&self, name: &str) -> Vec<u64> {
        let found = self
            .queues
            .iter()
            .filter(|(_, queue)| queue.kind.name == name);
        found.map(|(number, _)| *number).collect()
    }

    /// The newest life of a queue that may be there after a restart.
    pub fn newest(&self, name: &str) -> Option<u64> {
        self.lives(name).last().copied()
    }

    /// A queue is there after a restart: which of its lives, as far as its messages show (`None`: nobody has looked).
    pub fn queue_found(&mut self, name: &str, seen: Option<&[Key]>, now: u64) -> Verdict<u64> {
        let lives = self.lives(name);
        let has = |number: &u64, key: &Key| self.queues[number].position(*key).is_some();
        let chosen = match seen {
            Some([first, ..]) => lives.iter().rev().find(|number| has(number, first)),
            Some([]) => lives
                .iter()
                .rev()
                .find(|number| self.missing(**number, &[], now).is_none()),
            None => None,
        };
        let Some(chosen) = chosen.or(lives.last()).copied() else {
            return Err(format!("queue {name} is back"));
        };
        // Only messages tell lives apart: without them it may be another life's bindings that are there.
        let proven = seen.is_some_and(|seen| seen.first().is_some_and(|key| has(&chosen, key)));
        for number in lives.into_iter().filter(|number| *number != chosen) {
            self.queues.remove(&number);
            let bindings = std::mem::take(&mut self.bindings);
            let (other, kept): (BTreeMap<_, _>, _) = bindings
                .into_iter()
                .partition(|((_, queue, _), _)| *queue == number);
            self.bindings = kept;
            for (from, _, key) in other.into_keys().filter(|_| !proven) {
                let binding = self.bindings.entry((from, chosen, key));
                binding.or_insert(Known::Removing);
            }
        }
        let queue = self.queue_mut(chosen);
        queue.declared = true;
        queue.deleted = None;
        Ok(chosen)
    }

    /// Whether a transaction was under way that shows whether it is there.
    pub fn has_evidence(&self) -> bool {
        !self.evidence.is_empty()
    }

    /// A message that was published by a transaction of which another part is seen, too: without it there is only half.
    pub fn part(&self, all: &BTreeMap<u64, Vec<Seen>>) -> Option<(u64, Key)> {
        let is_seen = |number: &u64, key: &Key| {
            let seen = all.get(number);
            seen.is_some_and(|seen| seen.iter().any(|seen| seen.key == *key))
        };
        let applied = self
            .evidence
            .iter()
            .filter(|(_, number, key, publish)| *publish && is_seen(number, key));
        let applied: Vec<_> = applied.collect();
        let pair = applied.windows(2).find(|pair| pair[0].0 == pair[1].0)?;
        Some((pair[1].1, pair[1].2))
    }

    /// Whether more than one life of a queue may be there.
    pub fn is_doubtful(&self, name: &str) -> bool {
        self.lives(name).len() > 1
    }

    /// A message that should be in the queue and is not among these.
    fn missing(&self, number: u64, seen: &[Key], now: u64) -> Option<String> {
        let queue = &self.queues[&number];
        let lost = queue.entries.iter().find(|entry| {
            let there = seen.contains(&entry.key);
            !there && !entry.settled && !entry.weak && !self.is_elsewhere(queue, entry, now)
        })?;
        let word = if lost.confirmed {
            "confirmed"
        } else {
            "published"
        };
        Some(format!(
            "{}: {:?} was {word} and is lost",
            queue.kind.name, lost
        ))
    }

    /// It may have died: then its copy is among the dead letters or was settled there; and a dead letter that is not there is
    /// still with its source.
    fn is_elsewhere(&self, queue: &Queue, entry: &Entry, now: u64) -> bool {
        if let (id, Some(from)) = entry.key {
            let mut sources = self.queues.values().filter(|queue| queue.kind.name == from);
            return sources.any(|source| {
                source
                    .position((id, None))
                    .is_some_and(|index| !source.entries[index].settled)
            });
        }
        if !queue.may_die(entry, &self.messages, now) {
            return false;
        }
        if !queue.kind.dead_letters {
            return true;
        }
        let key = (entry.key.0, Some(queue.kind.name));
        let mut dead = self.queues.values().filter(|queue| queue.kind.name == DEAD);
        dead.any(|dead| dead.position(key).is_some() || dead.past.contains(&key))
    }

    /// All that is ready in all queues has been seen, in order: what is there must be there, what is not must not have to.
    pub fn compare(&mut self, all: &BTreeMap<u64, Vec<Seen>>, now: u64) -> Verdict {
        for (number, seen) in all {
            for key in seen.iter().map(|seen| seen.key) {
                let in_source = all.iter().any(|(number, seen)| {
                    Some(self.queue(*number).kind.name) == key.1
                        && seen.iter().any(|seen| seen.key == (key.0, None))
                });
                self.arrive(*number, key, now, in_source)?;
            }
        }
        for (number, seen) in all {
            self.compare_seen(*number, seen)?;
        }
        // Only then is known which dead letters have come.
        let mut applied: BTreeMap<u64, (Option<Key>, Option<Key>)> = BTreeMap::new();
        for (group, number, key, publish) in std::mem::take(&mut self.evidence) {
            let Some(seen) = all.get(&number) else {
                continue;
            };
            let queue = self.queue(number);
            // A dead letter was there, too, before it died; where nothing is to be seen, time may have run out since the crash.
            let dead = (key.0, Some(queue.kind.name));
            let there = seen.iter().any(|seen| seen.key == key)
                || all.values().flatten().any(|seen| seen.key == dead);
            let index = queue.position(key);
            if !there
                && index
                    .is_some_and(|index| queue.may_die(&queue.entries[index], &self.messages, now))
            {
                continue;
            }
            let known = applied.entry(group).or_default();
            if there == publish {
                known.0 = Some(key);
            } else {
                known.1 = Some(key);
            }
            if let (Some(done), Some(not)) = known {
                return Err(format!(
                    "transaction {group} is there in part: {done:?} shows that it is, {not:?} that it is not"
                ));
            }
        }
        // A dead letter is missed only where its source is looked through, too.
        let mut lost = Vec::new();
        for (number, seen) in all {
            let keys: Vec<Key> = seen.iter().map(|seen| seen.key).collect();
            let queue = &self.queues[number];
            for entry in queue
                .entries
                .iter()
                .filter(|entry| !keys.contains(&entry.key))
            {
                let (id, from) = entry.key;
                let with_source = from.is_some_and(|from| {
                    all.iter().any(|(number, seen)| {
                        self.queues[number].kind.name == from
                            && seen.iter().any(|seen| seen.key == (id, None))
                    })
                });
                let must = !entry.settled && !entry.weak && entry.out.is_none();
                let with_dead = from.is_none()
                    && self.is_elsewhere(queue, entry, now)
                    && self.dead_seen(queue, id, all);
                if must && !with_source && !with_dead {
                    let word = if entry.confirmed {
                        "confirmed"
                    } else {
                        "published"
                    };
                    lost.push(format!(
                        "{}: {:?} was {word} and is lost",
                        queue.kind.name, entry
                    ));
                }
            }
        }
        if let Some(first) = lost.first() {
            return Err(format!("{first} (of {})", lost.len()));
        }
        for (number, seen) in all {
            self.settle_down(*number, seen);
        }
        Ok(())
    }

    /// The dead letter of a message is in the dead letters' queue, or was settled there; or it was not to be kept at all.
    fn dead_seen(&self, queue: &Queue, id: u64, all: &BTreeMap<u64, Vec<Seen>>) -> bool {
        if !queue.kind.dead_letters {
            return true;
        }
        let key = (id, Some(queue.kind.name));
        self.queues
            .iter()
            .filter(|(_, queue)| queue.kind.name == DEAD)
            .any(|(number, dead)| {
                let seen = all
                    .get(number)
                    .is_none_or(|seen| seen.iter().any(|seen| seen.key == key));
                let settled = dead.position(key).is_some_and(|index| {
                    let entry = &dead.entries[index];
                    entry.settled || entry.weak || entry.out.is_some()
                });
                seen || settled || dead.past.contains(&key)
            })
    }

    fn compare_seen(&self, number: u64, seen: &[Seen]) -> Verdict {
        let queue = self.queue(number);
        let name = queue.kind.name;
        let mut keys = BTreeSet::new();
        let mut last: Option<(usize, Key)> = None;
        for one in seen {
            let key = one.key;
            let once = key.1.is_none() || self.crashes == 0;
            let first = keys.insert(key);
            let index = queue.position(key).expect("it has arrived");
            let entry = &queue.entries[index];
            if !first && once {
                return Err(format!("{name}: {key:?} is there twice"));
            }
            if entry.settled && once {
                return Err(format!("{name}: {key:?} is there although it was settled"));
            }
            if entry.out.is_some() && once {
                return Err(format!(
                    "{name}: {key:?} is there although a client holds it"
                ));
            }
            if entry.delivered && once && !one.redelivered {
                return Err(format!(
                    "{name}: {key:?} was delivered before, and nobody says so"
                ));
            }
            if entry.anywhere || !once {
                continue;
            }
            if let Some((_, before)) = last.filter(|(last, _)| *last > index) {
                return Err(format!("{name}: {before:?} comes before {key:?}"));
            }
            last = Some((index, key));
        }
        Ok(())
    }

    /// What was seen is what there is.
    fn settle_down(&mut self, number: u64, seen: &[Seen]) {
        let queue = self.queue_mut(number);
        let mut entries = std::mem::take(&mut queue.entries);
        let mut known = Vec::new();
        for one in seen {
            let Some(index) = entries.iter().position(|entry| entry.key == one.key) else {
                continue;
            };
            let mut entry = entries.remove(index);
            entry.weak = false;
            entry.settled = false;
            entry.delivered = true;
            entry.dying = false;
            entry.anywhere = false;
            known.push(entry);
        }
        for entry in entries {
            if entry.out.is_some() {
                known.push(entry);
            } else {
                queue.past.insert(entry.key);
            }
        }
        queue.entries = known;
    }

    /// Whether nothing leaves the queue by itself.
    pub fn is_plain(&self, number: u64) -> bool {
        let queue = self.queue(number);
        let keys = queue.entries.iter().map(|entry| &entry.key);
        let expires = |(id, _): &Key| self.messages[id].expiration.is_some();
        let mut keys = keys.chain(&queue.past);
        queue.kind.ttl_ms.is_none() && queue.kind.length.is_none() && !keys.any(expires)
    }

    /// How many messages a client could see.
    pub fn len(&self, number: u64) -> usize {
        let entries = &self.queue(number).entries;
        entries.iter().filter(|entry| !entry.settled).count()
    }
}

fn contains(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}
