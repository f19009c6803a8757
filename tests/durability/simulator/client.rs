//! One client: what it asks, and what its answers tell the model.
//!
//! An operation counts for the model once the session has taken its last byte; an answer counts when its last byte has left.

use std::collections::{BTreeMap, VecDeque};

use leveret::wire::method::*;

use super::model::{Binding, Key, Model, Published, Verdict, body};
use super::wire::{self, Fields, Item, method, short};

/// Topology, gets.
pub const WORK: u16 = 1;
pub const CONFIRM: u16 = 2;
pub const TX: u16 = 3;
pub const PLAIN: u16 = 4;
/// Channels with consumers.
pub const CONSUMING: [u16; 2] = [5, 6];
pub const CHANNELS: [u16; 6] = [WORK, CONFIRM, TX, PLAIN, 5, 6];

/// What happens to a delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum How {
    Ack,
    Requeue,
    Reject,
}

/// What a client can ask for.
#[derive(Debug)]
pub enum Ask {
    Greet,
    Open(u16),
    Close(u16),
    Prefetch(u16, u16),
    Declare(&'static str),
    Look(&'static str),
    Delete(&'static str),
    Purge(&'static str),
    Bind(Binding, &'static str),
    Unbind(Binding, &'static str),
    Exchange(&'static str),
    LookExchange(&'static str),
    DeleteExchange(&'static str),
    Publish(u16, u64, Box<Published>, usize),
    Get(u16, &'static str, bool),
    Consume(u16, &'static str, String, bool),
    /// Consumes to see what is there: queue's name, its life, consumer tag.
    Watch(&'static str, u64, String),
    Cancel(u16, String),
    Settle(u16, u64, bool, How, Vec<Unacked>),
    Commit,
    Rollback,
}

/// Which answer a channel waits for.
#[derive(Debug)]
enum Await {
    Nothing(u32),
    Declared(u64),
    Looked(&'static str),
    LookedExchange(&'static str),
    Deleted(u64),
    Bound(Binding),
    Unbound(Binding),
    Exchange(&'static str),
    ExchangeDeleted(&'static str),
    Got {
        queue: u64,
        no_ack: bool,
        round: u64,
    },
    Cancelled(String),
    Committed(u64),
    /// With the consumers that the channel had.
    Closed(Vec<(u16, String)>),
}

/// A delivery that can be settled.
#[derive(Clone, Copy, Debug)]
pub struct Unacked {
    pub channel: u16,
    pub tag: u64,
    pub queue: u64,
    pub key: Key,
}

#[derive(Default)]
struct Transaction {
    publishes: Vec<(u64, Vec<u64>)>,
    settles: Vec<(u64, Key, How)>,
    taken: Vec<Unacked>,
}

/// What passive declares have found.
#[derive(Default)]
pub struct Looked {
    /// Queue, and messages that are ready, if it is there.
    pub queues: BTreeMap<&'static str, Option<u32>>,
    pub exchanges: BTreeMap<&'static str, bool>,
}

/// See the module.
pub struct Client {
    /// Its number in the model.
    pub connection: usize,
    asked: VecDeque<(Ask, Vec<u8>)>,
    /// Bytes of the first of `asked` that the session has taken.
    taken: usize,
    awaits: BTreeMap<u16, VecDeque<Await>>,
    /// Queue and whether it settles by itself, by channel and tag.
    pub consumers: BTreeMap<(u16, String), (u64, bool)>,
    /// Consumers of channels whose close is not answered, for what is on its way.
    former: BTreeMap<(u16, String), (u64, bool)>,
    pub unacked: Vec<Unacked>,
    outstanding: BTreeMap<u64, u64>,
    published: u64,
    transaction: Transaction,
    said: Vec<u8>,
    rounds: u64,
    pub looked: Looked,
    /// It was closed by the broker, for this reason.
    pub closed: Option<String>,
    /// Queues that are only looked at, by consumer tag.
    watching: BTreeMap<String, u64>,
    /// What came from them, in order: queue, key, redelivered.
    pub watched: Vec<(u64, Key, bool)>,
    /// A publish was refused.
    pub refused: bool,
    pub blocked: bool,
}

impl Client {
    pub fn new(connection: usize) -> Self {
        Self {
            connection,
            asked: VecDeque::new(),
            taken: 0,
            awaits: BTreeMap::new(),
            consumers: BTreeMap::new(),
            former: BTreeMap::new(),
            unacked: Vec::new(),
            outstanding: BTreeMap::new(),
            published: 0,
            transaction: Transaction::default(),
            said: Vec::new(),
            rounds: 0,
            looked: Looked::default(),
            closed: None,
            watching: BTreeMap::new(),
            watched: Vec::new(),
            refused: false,
            blocked: false,
        }
    }

    /// Opens the connection.
    pub fn greet(&mut self) {
        self.ask(Ask::Greet);
    }

    /// Puts a request behind those that the session has not taken yet.
    pub fn ask(&mut self, ask: Ask) {
        if let Ask::Close(channel) = ask {
            self.unacked.retain(|one| one.channel != channel);
        }
        let bytes = encode(&ask);
        self.asked.push_back((ask, bytes));
    }

    /// Whether the session has taken everything.
    pub fn is_taken(&self) -> bool {
        self.asked.is_empty()
    }

    /// Whether no answer is missing, confirms excepted.
    pub fn is_answered(&self) -> bool {
        self.is_taken() && self.awaits.values().all(VecDeque::is_empty)
    }

    /// Whether a channel waits for an answer.
    pub fn waits(&self, channel: u16) -> bool {
        self.awaits
            .get(&channel)
            .is_some_and(|awaits| !awaits.is_empty())
    }

    /// Whether a get is without its answer: it may be waiting for the disk, and is looked up again when that has answered.
    pub fn is_fetching(&self) -> bool {
        let mut awaits = self.awaits.values().flatten();
        awaits.any(|one| matches!(one, Await::Got { .. }))
    }

    /// Whether something is to be deleted that the session has not taken yet.
    pub fn is_arranging(&self) -> bool {
        let mut asked = self.asked.iter();
        asked.any(|(ask, _)| matches!(ask, Ask::Delete(_) | Ask::DeleteExchange(_)))
    }

    /// What the session has not taken yet.
    pub fn bytes(&self) -> Vec<u8> {
        let all = self
            .asked
            .iter()
            .flat_map(|(_, bytes)| bytes.iter().copied());
        all.skip(self.taken).collect()
    }

    /// A round begins.
    pub fn round(&mut self) {
        self.rounds += 1;
    }

    /// The session has taken so many bytes.
    pub fn took(&mut self, count: usize, model: &mut Model, now: u64) {
        self.taken += count;
        while let Some((_, bytes)) = self.asked.front()
            && bytes.len() <= self.taken
        {
            self.taken -= bytes.len();
            let (ask, _) = self.asked.pop_front().expect("it is there");
            self.apply(ask, model, now);
        }
    }

    fn awaits(&mut self, channel: u16, one: Await) {
        self.awaits.entry(channel).or_default().push_back(one);
    }

    fn apply(&mut self, ask: Ask, model: &mut Model, now: u64) {
        match ask {
            Ask::Greet => {}
            Ask::Open(channel) => {
                self.awaits(channel, Await::Nothing(CHANNEL_OPEN_OK));
                match channel {
                    CONFIRM => self.awaits(channel, Await::Nothing(CONFIRM_SELECT_OK)),
                    TX => self.awaits(channel, Await::Nothing(TX_SELECT_OK)),
                    _ => {}
                }
            }
            Ask::Close(channel) => {
                let consumers = self.channel_gone(channel, model, now);
                self.awaits(channel, Await::Closed(consumers));
            }
            Ask::Prefetch(channel, _) => self.awaits(channel, Await::Nothing(BASIC_QOS_OK)),
            Ask::Declare(name) => {
                let number = model.declare(name, self.connection);
                self.awaits(WORK, Await::Declared(number));
            }
            Ask::Look(name) => self.awaits(WORK, Await::Looked(name)),
            Ask::LookExchange(name) => self.awaits(WORK, Await::LookedExchange(name)),
            Ask::Delete(name) => {
                let number = model.delete(name).unwrap_or(0);
                self.awaits(WORK, Await::Deleted(number));
            }
            Ask::Purge(name) => {
                if let Some(number) = model.live(name) {
                    model.purge(number);
                }
                self.awaits(WORK, Await::Nothing(QUEUE_PURGE_OK));
            }
            Ask::Bind(binding, _) => {
                model.bind(binding);
                self.awaits(WORK, Await::Bound(binding));
            }
            Ask::Unbind(binding, _) => {
                model.unbind(binding);
                self.awaits(WORK, Await::Unbound(binding));
            }
            Ask::Exchange(name) => {
                model.exchange_declare(name);
                self.awaits(WORK, Await::Exchange(name));
            }
            Ask::DeleteExchange(name) => {
                model.exchange_delete(name);
                self.awaits(WORK, Await::ExchangeDeleted(name));
            }
            Ask::Publish(TX, id, message, _) => {
                let queues = model.route(message.exchange, &message.key);
                model.announce(id, *message);
                self.transaction.publishes.push((id, queues));
            }
            Ask::Publish(channel, id, message, _) => {
                model.publish(id, *message, now);
                if channel == CONFIRM {
                    self.published += 1;
                    self.outstanding.insert(self.published, id);
                }
            }
            Ask::Get(channel, name, no_ack) => {
                let queue = model.live(name).unwrap_or(0);
                model.get(queue, self.connection, no_ack, true);
                let round = self.rounds;
                self.awaits(
                    channel,
                    Await::Got {
                        queue,
                        no_ack,
                        round,
                    },
                );
            }
            Ask::Consume(channel, name, tag, no_ack) => {
                if let Some(number) = model.live(name) {
                    model.consume(number, no_ack);
                    self.consumers.insert((channel, tag), (number, no_ack));
                }
                self.awaits(channel, Await::Nothing(BASIC_CONSUME_OK));
            }
            Ask::Watch(_, number, tag) => {
                self.watching.insert(tag, number);
                self.awaits(PLAIN, Await::Nothing(BASIC_CONSUME_OK));
            }
            Ask::Cancel(channel, tag) => self.awaits(channel, Await::Cancelled(tag)),
            Ask::Settle(TX, _, _, how, settled) => {
                let settles = settled.iter().map(|one| (one.queue, one.key, how));
                self.transaction.settles.extend(settles);
                self.transaction.taken.extend(settled);
            }
            Ask::Settle(_, _, _, how, settled) => {
                for one in settled {
                    settle(model, one.queue, one.key, how);
                }
            }
            Ask::Commit => {
                let transaction = std::mem::take(&mut self.transaction);
                let acks = transaction
                    .settles
                    .iter()
                    .filter(|(.., how)| *how == How::Ack);
                let acks: Vec<(u64, Key)> = acks.map(|(queue, key, _)| (*queue, *key)).collect();
                let group = model.commit(&transaction.publishes, &acks, now);
                for (queue, key, how) in transaction.settles {
                    if how != How::Ack {
                        settle(model, queue, key, how);
                    }
                }
                self.awaits(TX, Await::Committed(group));
            }
            Ask::Rollback => {
                let transaction = std::mem::take(&mut self.transaction);
                self.unacked.extend(transaction.taken);
                self.awaits(TX, Await::Nothing(TX_ROLLBACK_OK));
            }
        }
    }

    /// A channel is closed. One that does not ack may have been sent more than was heard so far: for the model its consumers
    /// stay until [they are gone](Self::consumers_gone).
    fn channel_gone(&mut self, channel: u16, model: &mut Model, now: u64) -> Vec<(u16, String)> {
        model.give_back(self.connection, Some(channel));
        self.unacked.retain(|one| one.channel != channel);
        let gone: Vec<(u16, String)> = self
            .consumers
            .keys()
            .filter(|(of, _)| *of == channel)
            .cloned()
            .collect();
        for key in &gone {
            if let Some((queue, no_ack)) = self.consumers.remove(key) {
                if no_ack {
                    model.weaken(queue, now);
                } else {
                    model.cancel(queue, no_ack);
                }
                self.former.insert(key.clone(), (queue, no_ack));
            }
        }
        match channel {
            TX => self.transaction = Transaction::default(),
            CONFIRM => {
                self.outstanding.clear();
                self.published = 0;
            }
            _ => {}
        }
        gone
    }

    /// All that was on its way to consumers of a closed channel has come.
    fn consumers_gone(&mut self, consumers: &[(u16, String)], model: &mut Model) {
        for key in consumers {
            if let Some((queue, true)) = self.former.remove(key) {
                model.cancel(queue, true);
            }
        }
    }

    /// The consumers that the model knows of: queue, and whether it settles by itself.
    pub fn all_consumers(&self) -> Vec<(u64, bool)> {
        let former = self.former.values().filter(|(_, no_ack)| *no_ack);
        self.consumers.values().chain(former).copied().collect()
    }

    /// What the session has said.
    pub fn hear(&mut self, bytes: &[u8], model: &mut Model, now: u64) -> Verdict<Vec<String>> {
        self.said.extend_from_slice(bytes);
        let mut told = Vec::new();
        for item in wire::items(&mut self.said)? {
            let before = format!("{}.{}", item.id >> 16, item.id & 0xffff);
            let more = self.item(&item, model, now).map_err(|why| {
                format!(
                    "connection {} channel {}: {why}",
                    self.connection, item.channel
                )
            })?;
            told.push(format!("{}:{before}{more}", item.channel));
        }
        Ok(told)
    }

    fn item(&mut self, item: &Item, model: &mut Model, now: u64) -> Verdict<String> {
        let channel = item.channel;
        let mut fields = Fields(&item.fields);
        match item.id {
            BASIC_DELIVER => {
                let message = item.message();
                if let Some(queue) = self.watching.get(&message.consumer) {
                    let key = model.identify(*queue, &message)?;
                    self.watched.push((*queue, key, message.redelivered));
                    return Ok(format!(" {key:?}"));
                }
                let consumer = (channel, message.consumer.clone());
                if let Some((queue, no_ack)) = self.former.get(&consumer) {
                    return model.passed(*queue, &message, *no_ack);
                }
                let (queue, no_ack) = *self
                    .consumers
                    .get(&consumer)
                    .ok_or("a delivery for a consumer that is not there")?;
                self.delivery(channel, queue, no_ack, &message, false, model, now)
            }
            BASIC_ACK | BASIC_NACK => {
                let (tag, flags) = (fields.u64(), fields.u8());
                let from = if flags & 1 != 0 { 0 } else { tag };
                let done: Vec<(u64, u64)> = self
                    .outstanding
                    .range(from..=tag)
                    .map(|(tag, id)| (*tag, *id))
                    .collect();
                if done.is_empty() {
                    return Err(format!("a confirm of {tag}, which was not waited for"));
                }
                for (tag, id) in &done {
                    self.outstanding.remove(tag);
                    if item.id == BASIC_ACK {
                        model.confirmed(*id);
                    } else {
                        model.refused(*id);
                        self.refused = true;
                    }
                }
                let (_, first) = done[0];
                Ok(format!(" {first}+{}", done.len() - 1))
            }
            BASIC_CANCEL => {
                let tag = fields.short();
                if let Some((queue, no_ack)) = self.consumers.remove(&(channel, tag)) {
                    model.cancel(queue, no_ack);
                }
                Ok(String::new())
            }
            CONNECTION_START | CONNECTION_TUNE | CONNECTION_OPEN_OK => Ok(String::new()),
            CONNECTION_BLOCKED | CONNECTION_UNBLOCKED => {
                self.blocked = item.id == CONNECTION_BLOCKED;
                Ok(String::new())
            }
            CONNECTION_CLOSE => {
                let code = fields.u8() as u32 * 256 + u32::from(fields.u8());
                self.closed = Some(format!("{code} {}", fields.short()));
                Ok(self.closed.clone().unwrap_or_default())
            }
            _ => self.answer(item, model, now),
        }
    }

    fn answer(&mut self, item: &Item, model: &mut Model, now: u64) -> Verdict<String> {
        let channel = item.channel;
        let mut fields = Fields(&item.fields);
        let awaited = self.awaits.entry(channel).or_default().pop_front();
        if item.id == CHANNEL_CLOSE {
            let code = fields.u8() as u32 * 256 + u32::from(fields.u8());
            let why = fields.short();
            match awaited {
                Some(Await::Looked(name)) if code == 404 => {
                    self.looked.queues.insert(name, None);
                }
                Some(Await::LookedExchange(name)) if code == 404 => {
                    self.looked.exchanges.insert(name, false);
                }
                other => return Err(format!("closed with {code} {why}, waiting for {other:?}")),
            }
            // What was asked behind it is not answered.
            self.awaits.remove(&channel);
            let consumers = self.channel_gone(channel, model, now);
            self.consumers_gone(&consumers, model);
            let ok = method(channel, CHANNEL_CLOSE_OK, &[]);
            self.asked.push_front((
                Ask::Open(channel),
                [ok, encode(&Ask::Open(channel))].concat(),
            ));
            return Ok(format!(" {code}"));
        }
        let awaited = awaited.ok_or_else(|| format!("{:#x} was not asked for", item.id))?;
        let mut more = String::new();
        let expected = match awaited {
            Await::Nothing(id) => id,
            Await::Declared(number) => {
                if item.id == QUEUE_DECLARE_OK {
                    model.declare_ok(number);
                }
                QUEUE_DECLARE_OK
            }
            Await::Looked(name) => {
                if item.id == QUEUE_DECLARE_OK {
                    let _ = fields.short();
                    let ready = fields.u32();
                    self.looked.queues.insert(name, Some(ready));
                    more = format!(" {name} {ready}");
                }
                QUEUE_DECLARE_OK
            }
            Await::LookedExchange(name) => {
                self.looked.exchanges.insert(name, true);
                EXCHANGE_DECLARE_OK
            }
            Await::Deleted(number) => {
                if item.id == QUEUE_DELETE_OK {
                    model.delete_ok(number);
                }
                QUEUE_DELETE_OK
            }
            Await::Bound(binding) => {
                if item.id == QUEUE_BIND_OK {
                    model.bind_ok(binding);
                }
                QUEUE_BIND_OK
            }
            Await::Unbound(binding) => {
                if item.id == QUEUE_UNBIND_OK {
                    model.unbind_ok(binding);
                }
                QUEUE_UNBIND_OK
            }
            Await::Exchange(name) => {
                if item.id == EXCHANGE_DECLARE_OK {
                    model.exchange_declare_ok(name);
                }
                EXCHANGE_DECLARE_OK
            }
            Await::ExchangeDeleted(name) => {
                if item.id == EXCHANGE_DELETE_OK {
                    model.exchange_delete_ok(name);
                }
                EXCHANGE_DELETE_OK
            }
            Await::Got {
                queue,
                no_ack,
                round,
            } => {
                model.get(queue, self.connection, no_ack, false);
                let now_or_later = round == self.rounds;
                if item.id == BASIC_GET_EMPTY {
                    if now_or_later {
                        model.empty(queue)?;
                    }
                    BASIC_GET_EMPTY
                } else if item.id == BASIC_GET_OK {
                    let message = item.message();
                    more =
                        self.delivery(channel, queue, no_ack, &message, now_or_later, model, now)?;
                    BASIC_GET_OK
                } else {
                    BASIC_GET_OK
                }
            }
            Await::Cancelled(tag) => {
                if let Some((queue, no_ack)) = self.consumers.remove(&(channel, tag)) {
                    model.cancel(queue, no_ack);
                }
                BASIC_CANCEL_OK
            }
            Await::Committed(group) => {
                if item.id == TX_COMMIT_OK {
                    model.commit_ok(group);
                }
                TX_COMMIT_OK
            }
            Await::Closed(consumers) => {
                self.consumers_gone(&consumers, model);
                CHANNEL_CLOSE_OK
            }
        };
        if item.id != expected {
            return Err(format!("{:#x} instead of {expected:#x}", item.id));
        }
        Ok(more)
    }

    #[expect(
        clippy::too_many_arguments,
        reason = "all of it belongs to one delivery"
    )]
    fn delivery(
        &mut self,
        channel: u16,
        queue: u64,
        no_ack: bool,
        message: &wire::Message<'_>,
        get: bool,
        model: &mut Model,
        now: u64,
    ) -> Verdict<String> {
        let holder = (!no_ack).then_some((self.connection, channel));
        let key = model.delivered(queue, message, holder, get, now)?;
        if !no_ack {
            self.unacked.push(Unacked {
                channel,
                tag: message.tag,
                queue,
                key,
            });
        }
        Ok(format!(" {key:?}"))
    }
}

fn settle(model: &mut Model, queue: u64, key: Key, how: How) {
    match how {
        How::Ack => model.ack(queue, key),
        How::Requeue => model.requeue(queue, key),
        How::Reject => model.reject(queue, key),
    }
}

fn encode(ask: &Ask) -> Vec<u8> {
    let two: &[u8] = &[0, 0];
    let none: &[u8] = &[0; 4];
    match ask {
        Ask::Greet => wire::opening(),
        Ask::Open(channel) => {
            let open = method(*channel, CHANNEL_OPEN, &[&[0]]);
            let mode = match *channel {
                CONFIRM => method(CONFIRM, CONFIRM_SELECT, &[&[0]]),
                TX => method(TX, TX_SELECT, &[]),
                _ => Vec::new(),
            };
            [open, mode].concat()
        }
        Ask::Close(channel) => method(*channel, CHANNEL_CLOSE, &[&[0, 200], &[0], &[0; 4]]),
        Ask::Prefetch(channel, count) => {
            method(*channel, BASIC_QOS, &[none, &count.to_be_bytes(), &[0]])
        }
        Ask::Declare(name) => {
            let kind = super::model::kind(name);
            let mut arguments: Vec<(&str, Vec<u8>)> = Vec::new();
            if kind.dead_letters {
                arguments.push(("x-dead-letter-exchange", wire::text("")));
                arguments.push(("x-dead-letter-routing-key", wire::text(super::model::DEAD)));
            }
            if let Some(ttl) = kind.ttl_ms {
                arguments.push(("x-message-ttl", wire::number(ttl as u32)));
            }
            if let Some(length) = kind.length {
                arguments.push(("x-max-length", wire::number(length as u32)));
            }
            if kind.os {
                arguments.push(("x-sync", wire::text("os")));
            }
            let flags = u8::from(kind.durable) << 1 | u8::from(kind.exclusive) << 2;
            let fields: [&[u8]; 4] = [two, &short(name), &[flags], &wire::table(&arguments)];
            method(WORK, QUEUE_DECLARE, &fields)
        }
        Ask::Look(name) => method(WORK, QUEUE_DECLARE, &[two, &short(name), &[1], none]),
        Ask::Delete(name) => method(WORK, QUEUE_DELETE, &[two, &short(name), &[0]]),
        Ask::Purge(name) => method(WORK, QUEUE_PURGE, &[two, &short(name), &[0]]),
        Ask::Bind((exchange, _, key), queue) => {
            let names = [short(queue), short(exchange), short(key)].concat();
            method(WORK, QUEUE_BIND, &[two, &names, &[0], none])
        }
        Ask::Unbind((exchange, _, key), queue) => {
            let names = [short(queue), short(exchange), short(key)].concat();
            method(WORK, QUEUE_UNBIND, &[two, &names, none])
        }
        Ask::Exchange(name) => {
            let found = super::model::EXCHANGES.iter().find(|one| one.0 == *name);
            let (_, kind, durable) = found.expect("only these are declared");
            let names = [short(name), short(kind)].concat();
            method(
                WORK,
                EXCHANGE_DECLARE,
                &[two, &names, &[u8::from(*durable) << 1], none],
            )
        }
        Ask::LookExchange(name) => {
            let names = [short(name), short("direct")].concat();
            method(WORK, EXCHANGE_DECLARE, &[two, &names, &[1], none])
        }
        Ask::DeleteExchange(name) => method(WORK, EXCHANGE_DELETE, &[two, &short(name), &[0]]),
        Ask::Publish(channel, id, message, frame_max) => wire::publish(
            *channel,
            message.exchange,
            &message.key,
            &message.properties,
            &body(*id, message.length),
            *frame_max,
        ),
        Ask::Get(channel, name, no_ack) => method(
            *channel,
            BASIC_GET,
            &[two, &short(name), &[u8::from(*no_ack)]],
        ),
        Ask::Consume(channel, name, tag, no_ack) => {
            let names = [short(name), short(tag)].concat();
            method(
                *channel,
                BASIC_CONSUME,
                &[two, &names, &[u8::from(*no_ack) << 1], none],
            )
        }
        Ask::Watch(name, _, tag) => {
            let names = [short(name), short(tag)].concat();
            method(PLAIN, BASIC_CONSUME, &[two, &names, &[0], none])
        }
        Ask::Cancel(channel, tag) => method(*channel, BASIC_CANCEL, &[&short(tag), &[0]]),
        Ask::Settle(channel, tag, multiple, how, _) => {
            let multiple = u8::from(*multiple);
            let tag = tag.to_be_bytes();
            match how {
                How::Ack => method(*channel, BASIC_ACK, &[&tag, &[multiple]]),
                How::Requeue => method(*channel, BASIC_NACK, &[&tag, &[multiple | 2]]),
                How::Reject => method(*channel, BASIC_NACK, &[&tag, &[multiple]]),
            }
        }
        Ask::Commit => method(TX, TX_COMMIT, &[]),
        Ask::Rollback => method(TX, TX_ROLLBACK, &[]),
    }
}
