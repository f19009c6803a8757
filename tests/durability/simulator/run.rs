//! One seed, one run: a few lives of a broker, each ended by a stop, a kill or a power loss, with clients that do what the seed
//! says, and after each start a look at what is there.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use leveret::store::faulty::{FaultyDisk, Operation};

use super::client::{Ask, CHANNELS, CONFIRM, CONSUMING, Client, How, PLAIN, TX, Unacked, WORK};
use super::model::{DEAD, EXCHANGES, KINDS, Key, Kind, Model, Published, Seen, Verdict};
use super::random::Random;
use super::wire::{self, Properties};
use super::world::{Time, World};

/// Clients that do as they like; the one behind them looks at what is there.
const CLIENTS: usize = 3;
const WATCHER: usize = 9;
/// Rounds without anything happening after which nothing more will.
const IDLE_ROUNDS: usize = 6;
/// More rounds than anything takes.
const ROUNDS_MAX: usize = 5000;
/// Messages in a queue above which the clients rather take than give.
const MANY: usize = 60;

/// How a run ended.
pub struct Outcome {
    /// Stands for all that happened.
    pub hash: u64,
    pub trace: Vec<String>,
    pub verdict: Verdict,
    pub figures: Figures,
}

/// What a run has seen, so that a campaign can say what it has tried.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Figures {
    pub published: usize,
    pub confirmed: usize,
    pub lives: usize,
    pub crashes: usize,
    pub looked: usize,
    pub faults: usize,
}

/// What a tester of the tester may spoil.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sabotage {
    None,
    /// Syncs do nothing.
    NoSync,
    /// After a restart a message is left out.
    Lose,
    /// After a restart a message comes twice.
    Double,
    /// After a restart two messages change places.
    Swap,
    /// After a restart nobody says that messages were delivered before.
    Forget,
    /// After a crash a part of a transaction that was under way is left out.
    Half,
}

struct Run {
    random: Random,
    time: Time,
    disk: FaultyDisk,
    world: World,
    model: Model,
    clients: BTreeMap<usize, Client>,
    next_message: u64,
    next_tag: u64,
    trace: Vec<String>,
    hash: u64,
    figures: Figures,
    sabotage: Sabotage,
    /// Faults are injected in this life.
    faulty: bool,
    /// One was, so that the broker may refuse.
    hurt: bool,
}

/// Runs a seed.
pub fn run(seed: u64, sabotage: Sabotage) -> Outcome {
    let mut random = Random::new(seed);
    let time = Time(Arc::new(AtomicU64::new(1_700_000_000_000)));
    let disk = FaultyDisk::seeded(seed);
    if sabotage == Sabotage::NoSync {
        disk.lie();
    }
    let world = match World::start(&disk, &time, &mut random) {
        Ok(world) => world,
        Err(why) => {
            return Outcome {
                hash: 0,
                trace: Vec::new(),
                verdict: Err(format!("an empty disk does not start: {why}")),
                figures: Figures::default(),
            };
        }
    };
    let mut run = Run {
        random,
        time,
        disk,
        world,
        model: Model::default(),
        clients: BTreeMap::new(),
        next_message: 1,
        next_tag: 1,
        trace: Vec::new(),
        hash: 0,
        figures: Figures::default(),
        sabotage,
        faulty: false,
        hurt: false,
    };
    let verdict = run.all();
    run.figures.confirmed = run.model.confirms;
    Outcome {
        hash: run.hash,
        trace: run.trace,
        verdict,
        figures: run.figures,
    }
}

impl Run {
    fn note(&mut self, line: String) {
        for byte in line.bytes() {
            self.hash = (self.hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
        self.trace.push(line);
    }

    fn now(&self) -> u64 {
        self.time.now()
    }

    fn all(&mut self) -> Verdict {
        let lives = 1 + self.random.below(4);
        for life in 0..lives {
            self.figures.lives += 1;
            for number in 0..CLIENTS {
                self.connect(number);
            }
            if life == 0 {
                self.set_up()?;
            }
            let most = [60, 200, 400][self.random.below(3)];
            for _ in 0..10 + self.random.below(most) {
                self.step()?;
                if self.disk.is_off() {
                    break;
                }
            }
            self.restart()?;
        }
        self.finish()
    }

    /// What every run begins with. The dead letters' queue is there from the beginning: without it they go nowhere.
    fn set_up(&mut self) -> Verdict {
        self.ask(0, Ask::Declare(DEAD));
        self.until_idle(0)?;
        for name in ["plain0", "plain1", "reject"] {
            self.ask(0, Ask::Declare(name));
        }
        for (name, ..) in EXCHANGES {
            self.ask(0, Ask::Exchange(name));
        }
        self.round(0)
    }

    fn connect(&mut self, number: usize) {
        self.world.connect(number);
        let mut client = Client::new(number);
        client.greet();
        for channel in CHANNELS {
            client.ask(Ask::Open(channel));
            if CONSUMING.contains(&channel) && self.random.chance(70) {
                client.ask(Ask::Prefetch(channel, 1 + self.random.below(8) as u16));
            }
        }
        self.clients.insert(number, client);
        self.note(format!("connect {number}"));
    }

    fn disconnect(&mut self, number: usize) {
        self.note(format!("disconnect {number}"));
        self.world.disconnect(number);
        if let Some(client) = self.clients.remove(&number) {
            let now = self.now();
            self.model
                .disconnected(number, &client.all_consumers(), now);
        }
    }

    fn ask(&mut self, number: usize, ask: Ask) {
        if let Ask::Publish(channel, id, message, _) = &ask {
            let how = if message.persistent {
                "persistent"
            } else {
                "transient"
            };
            let line = format!(
                "{number}: {channel} publish {id} {how} {} B to {:?} {:?} ttl {:?}",
                message.length, message.exchange, message.key, message.expiration
            );
            self.note(line);
        } else {
            self.note(format!("{number}: {ask:?}"));
        }
        if let Some(client) = self.clients.get_mut(&number) {
            client.ask(ask);
        }
    }

    /// A round of one client: what it asks goes in, what is said comes out.
    fn round(&mut self, number: usize) -> Verdict {
        let now = self.now();
        let Some(client) = self.clients.get_mut(&number) else {
            return Ok(());
        };
        client.round();
        let input = client.bytes();
        let (taken, said) = self.world.round(number, &input);
        // What left after the power failed has left nowhere.
        if self.disk.is_off() {
            return Ok(());
        }
        client.took(taken, &mut self.model, now);
        let told = client.hear(&said, &mut self.model, now)?;
        let closed = client.closed.take();
        let refused = std::mem::take(&mut client.refused);
        if !told.is_empty() || !input.is_empty() {
            self.note(format!(
                "{number}> {taken}/{} {}",
                input.len(),
                told.join(", ")
            ));
        }
        if refused && !self.hurt {
            return Err(format!(
                "connection {number}: a publish was refused on a sound disk"
            ));
        }
        if let Some(why) = closed {
            if !self.hurt {
                return Err(format!("connection {number} was closed: {why}"));
            }
            self.disconnect(number);
            self.connect(number);
        }
        Ok(())
    }

    fn step(&mut self) -> Verdict {
        match self.random.below(100) {
            0..45 => self.client_step(),
            45..70 => {
                let number = self.random.below(CLIENTS);
                self.round(number)
            }
            70..85 => self.background(),
            85..92 => {
                let ms = [1, 20, 200, 700][self.random.below(4)];
                self.time.pass(ms as u64);
                self.note(format!("{ms} ms"));
                self.world.timers();
                Ok(())
            }
            92..94 if self.random.chance(50) => {
                let number = self.random.below(CLIENTS);
                self.disconnect(number);
                self.connect(number);
                Ok(())
            }
            94 => {
                self.fault();
                Ok(())
            }
            95 => {
                self.quiet();
                Ok(())
            }
            _ => self.client_step(),
        }
    }

    fn background(&mut self) -> Verdict {
        match self.random.below(10) {
            0..6 => drop(self.world.journal()),
            6 => drop(self.world.pager()),
            7..9 => {
                for _ in 0..1 + self.random.below(8) {
                    self.world.keeper();
                }
            }
            _ => drop(self.world.background()),
        }
        Ok(())
    }

    /// A fault of the disk, or its end.
    fn fault(&mut self) {
        if !self.faulty {
            return;
        }
        self.figures.faults += 1;
        let (skip, count) = (self.random.below(4) as u64, 1 + self.random.below(3) as u64);
        let what = match self.random.below(8) {
            0 => {
                let changes = self.random.below(20) as u64;
                self.disk.cut_power_after(changes);
                format!("the power will fail after {changes} changes")
            }
            1 | 2 => {
                self.disk.fail(Operation::Write, skip, count);
                format!("writes {skip}+{count} will fail")
            }
            3 | 4 => {
                self.disk.fail(Operation::Sync, skip, count);
                format!("syncs {skip}+{count} will fail")
            }
            5 => {
                let room = self.disk.used_bytes() + self.random.below(40_000) as u64;
                self.disk.set_capacity(room);
                format!("the disk has room for {room} bytes")
            }
            _ => {
                self.disk.heal();
                "the disk works again".to_owned()
            }
        };
        self.hurt = true;
        self.model.hurt();
        self.note(what);
    }

    /// The broker ends in one way or another, and starts again.
    fn restart(&mut self) -> Verdict {
        let how = if self.disk.is_off() {
            0
        } else {
            self.random.below(100)
        };
        match how {
            0..50 => self.power_fails(),
            50..75 => {
                self.note("kill".to_owned());
                self.disk = self.disk.kill();
                self.figures.crashes += 1;
                self.model.crashed(true, self.time.now());
            }
            _ => self.stop()?,
        }
        self.clients.clear();
        self.recover()?;
        self.inspect()
    }

    fn power_fails(&mut self) {
        self.note("power failure".to_owned());
        self.disk = self.disk.crash();
        self.figures.crashes += 1;
        let now = self.now();
        self.model.crashed(false, now);
    }

    fn stop(&mut self) -> Verdict {
        for number in 0..CLIENTS {
            self.disconnect(number);
        }
        if self.random.chance(20) {
            self.disk.cut_power_after(self.random.below(12) as u64);
        }
        let stopped = self.world.stop();
        self.note(format!("stop: {stopped}"));
        if self.disk.is_off() {
            self.power_fails();
            return Ok(());
        }
        if !stopped && !self.hurt {
            return Err("the broker cannot stop".to_owned());
        }
        self.disk = self.disk.crash();
        let now = self.now();
        if stopped {
            self.model.stopped(now);
        } else {
            self.model.crashed(false, now);
        }
        Ok(())
    }

    /// Starts the broker; the disk may fail meanwhile, a few times.
    fn recover(&mut self) -> Verdict {
        self.disk.heal();
        for attempt in 0.. {
            let mut spoilt = false;
            if attempt < 3 && self.random.chance(30) {
                spoilt = true;
                let after = self.random.below(40) as u64;
                match self.random.below(3) {
                    0 => self.disk.cut_power_after(after / 4),
                    1 => self.disk.fail(Operation::Read, after, 1),
                    _ => self.disk.fail(Operation::Open, after / 4, 1),
                }
            }
            self.time.pass([0, 5, 1000][self.random.below(3)]);
            match World::start(&self.disk, &self.time, &mut self.random) {
                Ok(world) => {
                    self.world = world;
                    self.note(format!("started: {spoilt}"));
                    if !self.disk.is_off() {
                        break;
                    }
                }
                Err(why) if spoilt => self.note(format!("does not start: {why}")),
                Err(why) => return Err(format!("does not start: {why}")),
            }
            self.disk = if self.disk.is_off() || self.random.chance(50) {
                self.disk.crash()
            } else {
                self.disk.kill()
            };
        }
        self.disk.heal();
        self.hurt = false;
        self.faulty = self.random.chance(40);
        Ok(())
    }

    /// What is there after a start: definitions, and more often than not every message.
    fn inspect(&mut self) -> Verdict {
        self.world.timers();
        self.connect(WATCHER);
        self.until_idle(WATCHER)?;
        let expected = self.model.expected_queues();
        for kind in KINDS {
            self.ask(WATCHER, Ask::Look(kind.name));
            self.until_idle(WATCHER)?;
            let found = self.clients[&WATCHER].looked.queues[kind.name].is_some();
            match (expected.get(kind.name), found) {
                (None, true) => return Err(format!("queue {} is back", kind.name)),
                (_, false) => self.model.queue_missing(kind.name)?,
                _ => {}
            }
        }
        for (name, ..) in EXCHANGES {
            self.ask(WATCHER, Ask::LookExchange(name));
            self.until_idle(WATCHER)?;
            let found = self.clients[&WATCHER].looked.exchanges[name];
            self.model.exchange_found(name, found)?;
        }
        let names: Vec<&'static str> = KINDS.iter().map(|kind| kind.name).collect();
        let doubtful = names.iter().any(|name| self.model.is_doubtful(name));
        if doubtful || self.model.has_evidence() || self.random.chance(70) {
            self.watch()?;
        } else {
            let now = self.now();
            for name in names {
                if self.model.newest(name).is_some() {
                    self.model.queue_found(name, None, now)?;
                }
            }
        }
        for (binding, keep) in self.model.doubtful_bindings() {
            let name = self.model.queue(binding.1).kind.name;
            if keep {
                self.ask(WATCHER, Ask::Bind(binding, name));
            } else {
                self.ask(WATCHER, Ask::Unbind(binding, name));
            }
        }
        self.until_idle(WATCHER)?;
        self.disconnect(WATCHER);
        Ok(())
    }

    /// Enough time and steps for everything that was done to reach the disk.
    fn quiet(&mut self) {
        self.time.pass(250);
        self.note("quiet".to_owned());
        self.world.timers();
        if self.world.settle_down() {
            self.model.quiet();
        }
    }

    /// One client asks for a few things at once.
    fn client_step(&mut self) -> Verdict {
        let number = self.random.below(CLIENTS);
        let Some(client) = self.clients.get(&number) else {
            return Ok(());
        };
        // One that is not listened to waits; and nobody is to count on what another is about to delete.
        if !client.is_taken() || self.clients.values().any(Client::is_arranging) {
            return self.round(number);
        }
        for _ in 0..1 + self.random.below(6) {
            if !self.one_ask(number) {
                break;
            }
        }
        if self.random.chance(80) {
            return self.round(number);
        }
        self.round(number)?;
        self.round(number)
    }

    /// Asks for one thing; whether more may follow in the same buffer.
    fn one_ask(&mut self, number: usize) -> bool {
        let heard = |client: &Client| client.is_taken() && !client.is_fetching();
        let everybody_heard = self.clients.values().all(heard);
        match self.random.below(100) {
            0..50 => {
                self.publish(number);
                true
            }
            50..68 => {
                self.settle(number);
                true
            }
            68..76 => !self.get(number),
            76..83 => {
                self.consumer(number);
                true
            }
            83..88 => {
                let commit = self.random.chance(85);
                self.ask(number, if commit { Ask::Commit } else { Ask::Rollback });
                // What a rollback gives back counts for what follows.
                commit
            }
            _ if everybody_heard => {
                self.topology(number);
                false
            }
            _ => true,
        }
    }

    /// Queues that this client may touch.
    fn queues(&self, number: usize) -> Vec<(&'static str, u64)> {
        let all = KINDS
            .iter()
            .filter_map(|kind| Some((kind.name, self.model.live(kind.name)?)));
        all.filter(|(_, queue)| self.model.owner(*queue).is_none_or(|owner| owner == number))
            .collect()
    }

    fn publish(&mut self, number: usize) {
        let channel = self
            .random
            .weighted(&[(55, CONFIRM), (25, TX), (20, PLAIN)]);
        let exchanges = self.model.live_exchanges();
        let exchange = *self.random.one_of(&exchanges).unwrap_or(&"");
        let exchange = if self.random.chance(60) { "" } else { exchange };
        let key = match self.random.below(12) {
            0 => "nowhere",
            1 => "k",
            _ => KINDS[self.random.below(KINDS.len())].name,
        };
        // A queue that is full already is left to those who take.
        let full = self
            .model
            .live(key)
            .is_some_and(|queue| self.model.len(queue) > MANY);
        if full {
            return;
        }
        let most = [1, 30, 300, 3000, 20_000, 70_000];
        let most = most[self
            .random
            .weighted(&[(5, 0), (40, 1), (40, 2), (12, 3), (2, 4), (1, 5)])];
        let length = self.random.below(most);
        let persistent = self.random.chance(80);
        let expiration = self.random.chance(3).then(|| self.random.below(500) as u64);
        let id = self.next_message;
        self.next_message += 1;
        let wanted = Properties {
            persistent,
            expiration,
            priority: self.random.chance(20).then_some(3),
            padding: self.random.chance(20).then(|| self.random.below(200)),
        };
        let message = Published {
            exchange,
            key: key.to_owned(),
            properties: wire::properties(&wanted, id),
            persistent,
            expiration,
            length,
        };
        let frame_max = [4096, 131_072][self.random.below(2)];
        self.figures.published += 1;
        self.ask(
            number,
            Ask::Publish(channel, id, Box::new(message), frame_max),
        );
    }

    fn settle(&mut self, number: usize) {
        let Some(client) = self.clients.get_mut(&number) else {
            return;
        };
        let Some(one) = self.random.one_of(&client.unacked).copied() else {
            return;
        };
        let multiple = self.random.chance(25);
        let how = self
            .random
            .weighted(&[(60, How::Ack), (20, How::Requeue), (20, How::Reject)]);
        let (settled, kept): (Vec<Unacked>, Vec<Unacked>) =
            client.unacked.drain(..).partition(|other| {
                other.channel == one.channel
                    && (other.tag == one.tag || multiple && other.tag < one.tag)
            });
        client.unacked = kept;
        self.ask(
            number,
            Ask::Settle(one.channel, one.tag, multiple, how, settled),
        );
    }

    fn get(&mut self, number: usize) -> bool {
        let channel = if self.random.chance(50) { TX } else { WORK };
        let queues = self.queues(number);
        let Some((name, _)) = self.random.one_of(&queues).copied() else {
            return false;
        };
        if self.clients[&number].waits(channel) {
            return false;
        }
        let no_ack = channel == WORK && self.random.chance(15);
        self.ask(number, Ask::Get(channel, name, no_ack));
        true
    }

    fn consumer(&mut self, number: usize) {
        let client = &self.clients[&number];
        let channel = CONSUMING[self.random.below(CONSUMING.len())];
        let mut own = client.consumers.keys().filter(|(of, _)| *of == channel);
        let tag = own.next().map(|(_, tag)| tag.clone());
        let asked = client.waits(channel);
        match tag {
            Some(tag) if !asked && self.random.chance(70) => {
                self.ask(number, Ask::Cancel(channel, tag));
            }
            None if !asked => {
                let queues = self.queues(number);
                if let Some((name, _)) = self.random.one_of(&queues).copied() {
                    let tag = format!("c{}", self.next_tag);
                    self.next_tag += 1;
                    let no_ack = self.random.chance(10);
                    self.ask(number, Ask::Consume(channel, name, tag, no_ack));
                }
            }
            _ if self.random.chance(10) => {
                self.ask(number, Ask::Close(channel));
                self.ask(number, Ask::Open(channel));
            }
            _ => {}
        }
    }

    fn topology(&mut self, number: usize) {
        let queues = self.queues(number);
        let queue = self.random.one_of(&queues).copied();
        let exchanges = self.model.live_exchanges();
        let exchange = self.random.one_of(&exchanges[1..]).copied();
        let key = ["k", "plain0"][self.random.below(2)];
        match self.random.below(10) {
            0..3 => {
                for _ in 0..1 + self.random.below(3) {
                    let name = KINDS[self.random.below(KINDS.len())].name;
                    let mine = self
                        .model
                        .live(name)
                        .and_then(|queue| self.model.owner(queue));
                    if mine.is_none_or(|owner| owner == number) {
                        self.ask(number, Ask::Declare(name));
                    }
                }
            }
            3..6 => {
                if let (Some((name, queue)), Some(exchange)) = (queue, exchange) {
                    // What nobody may count on goes nowhere near the dead letters.
                    if name != DEAD {
                        self.ask(number, Ask::Bind((exchange, queue, key), name));
                    }
                }
            }
            6 => {
                if let (Some((name, queue)), Some(exchange)) = (queue, exchange) {
                    self.ask(number, Ask::Unbind((exchange, queue, key), name));
                }
            }
            7 => {
                let (name, ..) = EXCHANGES[self.random.below(EXCHANGES.len())];
                if self.model.live_exchanges().contains(&name) && self.random.chance(40) {
                    self.ask(number, Ask::DeleteExchange(name));
                } else {
                    self.ask(number, Ask::Exchange(name));
                }
            }
            8 => {
                if let Some((name, _)) = queue {
                    self.ask(number, Ask::Purge(name));
                }
            }
            _ => {
                if let Some((name, _)) = queue.filter(|(name, _)| *name != DEAD) {
                    self.ask(number, Ask::Delete(name));
                    if self.random.chance(50) {
                        self.ask(number, Ask::Declare(name));
                    }
                }
            }
        }
    }

    /// Rounds and steps until nothing happens any more.
    fn until_idle(&mut self, number: usize) -> Verdict {
        let mut idle = 0;
        for _ in 0..ROUNDS_MAX {
            let before = self.trace.len();
            self.round(number)?;
            let busy = self.world.background();
            let answered = self.clients.get(&number).is_none_or(Client::is_answered);
            if self.trace.len() == before && !busy && answered {
                idle += 1;
                if idle == IDLE_ROUNDS {
                    return Ok(());
                }
            } else {
                idle = 0;
            }
        }
        Err(format!(
            "connection {number} is not done after {ROUNDS_MAX} rounds"
        ))
    }

    /// Everybody goes, and the watcher looks at all that is in all queues.
    fn look(&mut self) -> Verdict {
        for number in 0..CLIENTS {
            if self.clients.contains_key(&number) {
                self.disconnect(number);
            }
        }
        self.world.timers();
        self.connect(WATCHER);
        self.until_idle(WATCHER)?;
        self.watch()?;
        self.disconnect(WATCHER);
        Ok(())
    }

    /// Consumes all that is in all queues, compares, and gives it back.
    fn watch(&mut self) -> Verdict {
        self.figures.looked += 1;
        let newest = |kind: &Kind| Some((kind.name, self.model.newest(kind.name)?));
        let queues: Vec<(&'static str, u64)> = KINDS.iter().filter_map(newest).collect();
        let mut counts = BTreeMap::new();
        for (name, _) in &queues {
            self.ask(WATCHER, Ask::Look(name));
            self.until_idle(WATCHER)?;
            let found = self.clients[&WATCHER].looked.queues[name];
            counts.insert(
                *name,
                found.ok_or_else(|| format!("queue {name} is not there"))?,
            );
        }
        let mut seen: BTreeMap<u64, Vec<Seen>> = BTreeMap::new();
        for (name, queue) in &queues {
            let tag = format!("w{}", self.next_tag);
            self.next_tag += 1;
            self.ask(WATCHER, Ask::Watch(name, *queue, tag));
            seen.insert(*queue, Vec::new());
        }
        self.until_idle(WATCHER)?;
        let watcher = self.clients.get_mut(&WATCHER).expect("it is connected");
        for (queue, key, redelivered) in std::mem::take(&mut watcher.watched) {
            seen.entry(queue)
                .or_default()
                .push(Seen { key, redelivered });
        }
        let now = self.now();
        let mut all: BTreeMap<u64, Vec<Seen>> = BTreeMap::new();
        for (name, queue) in queues {
            let seen = seen.remove(&queue).unwrap_or_default();
            let keys: Vec<Key> = seen.iter().map(|seen| seen.key).collect();
            let queue = self.model.queue_found(name, Some(&keys), now)?;
            let count = counts[name] as usize;
            if self.model.is_plain(queue) && name != DEAD && seen.len() != count {
                return Err(format!(
                    "{name}: {} messages where {count} were counted",
                    seen.len()
                ));
            }
            all.insert(queue, seen);
        }
        if self.sabotage == Sabotage::Half
            && let Some((queue, key)) = self.model.part(&all)
        {
            let seen = all.entry(queue).or_default();
            seen.retain(|seen| seen.key != key);
        }
        spoil(self.sabotage, &mut all);
        // Back into their queues.
        self.ask(WATCHER, Ask::Close(PLAIN));
        self.ask(WATCHER, Ask::Open(PLAIN));
        self.round(WATCHER)?;
        self.model.compare(&all, now)
    }

    /// The end: all that should be there is, can be taken, and leaves nothing behind.
    fn finish(&mut self) -> Verdict {
        for number in 0..CLIENTS {
            self.connect(number);
            self.until_idle(number)?;
        }
        self.look()
    }
}

/// Changes what was seen after a restart.
fn spoil(sabotage: Sabotage, all: &mut BTreeMap<u64, Vec<Seen>>) {
    let Some(seen) = all.values_mut().find(|seen| seen.len() > 1) else {
        return;
    };
    match sabotage {
        Sabotage::Lose => drop(seen.remove(0)),
        Sabotage::Double => {
            let key = seen[0].key;
            seen.push(Seen {
                key,
                redelivered: true,
            });
        }
        Sabotage::Swap => seen.swap(0, 1),
        Sabotage::Forget => seen.iter_mut().for_each(|seen| seen.redelivered = false),
        Sabotage::None | Sabotage::NoSync | Sabotage::Half => {}
    }
}
