//! The same broker on its faulty disk, for features that the model of `model.rs` leaves out: delayed messages, windows of queues and
//! exchanges that drop duplicates, delivery counts, priorities, policies, streams.
//!
//! Each is a [`Part`] with queues, a client and a simple model of its own; all of them live in one broker, so that their records
//! stand between each other's in the journal and its checkpoints. A seed says what happens: what the parts do, what the background
//! gets done, what the disk does, how each life ends. After each start every part looks at all that is there.

mod counts;
mod delayed;
mod peer;
mod policies;
mod ranks;
mod streams;
mod windows;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use leveret::store::faulty::{FaultyDisk, Operation};

use self::peer::{Got, Peer};
use super::model::Verdict;
use super::random::Random;
use super::run::{Figures, Outcome};
use super::world::{Time, World};

/// Notes something of those messages that are known.
fn note<T>(sent: &mut BTreeMap<u64, T>, ids: &[u64], note: impl Fn(&mut T)) {
    for id in ids {
        sent.get_mut(id).into_iter().for_each(&note);
    }
}

/// Rounds without anything happening after which nothing more will.
const IDLE_ROUNDS: usize = 8;
/// More rounds than anything takes.
const ROUNDS_MAX: usize = 5000;
/// Longer than anything is held, milliseconds.
const LONG_MS: u64 = 60_000;

/// How a life of the broker has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// As it should: everything that was done is on disk.
    Clean,
    /// What nobody was told of may be lost.
    Crash,
}

/// One feature.
pub trait Part {
    /// Its name.
    fn name(&self) -> &'static str;
    /// Its client.
    fn peer(&mut self) -> &mut Peer;
    /// Declares what it needs, on a sound disk.
    fn set_up(&mut self, stage: &mut Stage) -> Verdict;
    /// Does something.
    fn step(&mut self, stage: &mut Stage) -> Verdict;
    /// Messages were confirmed.
    fn confirmed(&mut self, ids: &[u64]);
    /// Messages were refused, or their connection is gone before anybody said anything.
    fn doubtful(&mut self, ids: &[u64]);
    /// All deliveries that nobody has settled go back; with `unheard` perhaps some of those, too, that were settled last.
    fn returned(&mut self, unheard: bool);
    /// All that was done so far is on disk.
    fn quiet(&mut self);
    /// The broker is down.
    fn ended(&mut self, end: End);
    /// Looks at all that is there after a start, on a sound disk.
    fn look(&mut self, stage: &mut Stage) -> Verdict;
}

/// Where the parts play.
pub struct Stage {
    pub random: Random,
    pub time: Time,
    pub disk: FaultyDisk,
    pub world: World,
    next: u64,
    trace: Vec<String>,
    hash: u64,
    /// A fault was injected in this life, so that the broker may refuse.
    pub hurt: bool,
}

impl Stage {
    pub fn note(&mut self, line: String) {
        for byte in line.bytes() {
            self.hash = (self.hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
        self.trace.push(line);
    }

    pub fn now(&self) -> u64 {
        self.time.now()
    }

    /// The id of a new message.
    pub fn number(&mut self) -> u64 {
        self.next += 1;
        self.next
    }

    /// One round of a client.
    pub fn round(&mut self, peer: &mut Peer) -> Verdict {
        let (taken, said) = self.world.round(peer.number, &peer.out);
        // What left after the power failed has left nowhere.
        if self.disk.is_off() {
            return Ok(());
        }
        peer.out.drain(..taken);
        peer.hear(&said)
    }

    /// The background does something, or time passes: the journal tries again later what the disk has refused.
    fn work(&mut self) {
        if !self.world.background() {
            self.time.pass(1);
        }
    }

    /// Rounds until the session has taken all that the client has asked.
    pub fn flush(&mut self, peer: &mut Peer) -> Verdict {
        for _ in 0..ROUNDS_MAX {
            self.round(peer)?;
            if peer.out.is_empty() || self.disk.is_off() || peer.closed.is_some() {
                return Ok(());
            }
            self.work();
        }
        if !self.hurt && self.world.listens(peer.number) {
            return Err(format!("nobody listens to client {}", peer.number));
        }
        peer.gives_up = true;
        Ok(())
    }

    /// Rounds until the client has its answer; `None` when the power failed or the disk does not let the broker answer.
    pub fn answer(&mut self, peer: &mut Peer) -> Verdict<Option<super::wire::Item>> {
        for _ in 0..ROUNDS_MAX {
            self.round(peer)?;
            if self.disk.is_off() {
                return Ok(None);
            }
            if let Some(item) = peer.answers.pop_front() {
                return Ok(Some(item));
            }
            if peer.closed.is_some() {
                return Ok(None);
            }
            self.work();
        }
        if !self.hurt && self.world.listens(peer.number) {
            return Err(format!("client {} gets no answer", peer.number));
        }
        peer.gives_up = true;
        Ok(None)
    }

    /// Gets a message, if there is one.
    pub fn get(&mut self, peer: &mut Peer, queue: &str) -> Verdict<Option<Got>> {
        peer.ask_get(queue);
        let Some(item) = self.answer(peer)? else {
            return Ok(None);
        };
        let got = Got::of(&item)?;
        if let Some(got) = &got {
            self.note(format!("{queue}: {got:?}"));
        }
        Ok(got)
    }

    /// Gets all that is ready in a queue; it stays unsettled.
    pub fn get_all(&mut self, peer: &mut Peer, queue: &str) -> Verdict<Vec<Got>> {
        let mut all = Vec::new();
        while let Some(got) = self.get(peer, queue)? {
            all.push(got);
        }
        Ok(all)
    }

    /// Waits until all confirms have come; false when they will not.
    pub fn all_confirmed(&mut self, peer: &mut Peer) -> Verdict<bool> {
        for _ in 0..ROUNDS_MAX {
            if peer.outstanding.is_empty() {
                return Ok(true);
            }
            self.round(peer)?;
            if self.disk.is_off() || peer.closed.is_some() {
                return Ok(false);
            }
            self.work();
        }
        if self.hurt || !self.world.listens(peer.number) {
            return Ok(false);
        }
        Err(format!("client {} gets no confirms", peer.number))
    }

    /// Steps until nothing happens any more, with time standing still.
    pub fn until_idle(&mut self, peer: &mut Peer) -> Verdict {
        let mut idle = 0;
        for _ in 0..ROUNDS_MAX {
            self.world.timers();
            self.round(peer)?;
            if self.world.background() {
                idle = 0;
                continue;
            }
            idle += 1;
            if idle == IDLE_ROUNDS {
                return Ok(());
            }
        }
        Err("the broker does not come to rest".to_owned())
    }

    /// Nobody but the background does something.
    fn background(&mut self) {
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
    }

    /// A fault of the disk, or its end.
    fn fault(&mut self) {
        let (skip, count) = (self.random.below(4) as u64, 1 + self.random.below(3) as u64);
        match self.random.below(7) {
            0 => self.disk.cut_power_after(self.random.below(20) as u64),
            1 | 2 => self.disk.fail(Operation::Write, skip, count),
            3 | 4 => self.disk.fail(Operation::Sync, skip, count),
            _ => self.disk.heal(),
        }
        self.hurt = true;
        self.note(format!("fault {skip} {count}"));
    }

    /// Starts the broker; the disk may fail meanwhile, a few times.
    fn recover(&mut self) -> Verdict {
        self.disk.heal();
        for attempt in 0.. {
            let spoilt = attempt < 2 && self.random.chance(20);
            if spoilt {
                self.disk.cut_power_after(self.random.below(12) as u64);
            }
            self.time.pass([0, 5, 1000][self.random.below(3)]);
            match World::start(&self.disk, &self.time, &mut self.random) {
                Ok(world) => {
                    self.world = world;
                    if !self.disk.is_off() {
                        break;
                    }
                }
                Err(_) if spoilt => {}
                Err(why) => return Err(format!("does not start: {why}")),
            }
            self.disk = self.disk.crash();
        }
        self.disk.heal();
        self.hurt = false;
        Ok(())
    }
}

struct Run {
    stage: Stage,
    parts: Vec<Box<dyn Part>>,
    figures: Figures,
}

/// All parts, each with the number of its client.
fn parts() -> Vec<Box<dyn Part>> {
    let mut parts: Vec<Box<dyn Part>> = vec![
        Box::new(delayed::Delayed::new(0)),
        Box::new(counts::Counts::new(1, "quorum")),
        Box::new(counts::Counts::new(2, "classic")),
        Box::new(ranks::Ranks::new(3)),
        Box::new(policies::Policies::new(4)),
        Box::new(streams::Streams::new(5, None)),
        Box::new(streams::Streams::new(6, Some(streams::LIMITS))),
    ];
    for (number, window) in (7..).zip(windows::WINDOWS) {
        parts.push(Box::new(windows::Windows::new(number, window)));
    }
    parts
}

/// Names of all parts.
pub fn names() -> Vec<&'static str> {
    parts().iter().map(|part| part.name()).collect()
}

/// Runs a seed, with all parts or only one; `lie` says that the disk's syncs do nothing.
pub fn run(seed: u64, only: Option<&str>, lie: bool) -> Outcome {
    let mut random = Random::new(seed ^ 0xFEA7);
    let time = Time(Arc::new(AtomicU64::new(1_700_000_000_000)));
    let disk = FaultyDisk::seeded(seed);
    if lie {
        disk.lie();
    }
    let world = match World::start(&disk, &time, &mut random) {
        Ok(world) => world,
        Err(why) => unreachable!("an empty disk starts: {why}"),
    };
    let mut parts = parts();
    parts.retain(|part| only.is_none_or(|only| part.name() == only));
    let mut run = Run {
        stage: Stage {
            random,
            time,
            disk,
            world,
            next: 0,
            trace: Vec::new(),
            hash: 0,
            hurt: false,
        },
        parts,
        figures: Figures::default(),
    };
    let verdict = run.all();
    run.figures.published = run.stage.next as usize;
    Outcome {
        hash: run.stage.hash,
        trace: run.stage.trace,
        verdict,
        figures: run.figures,
    }
}

impl Run {
    /// Something with one part, and what its client has heard since.
    fn with(
        &mut self,
        at: usize,
        what: impl FnOnce(&mut dyn Part, &mut Stage) -> Verdict,
    ) -> Verdict {
        let part = self.parts[at].as_mut();
        let done = what(part, &mut self.stage);
        let peer = part.peer();
        let confirmed = std::mem::take(&mut peer.confirmed);
        let refused = std::mem::take(&mut peer.refused);
        let closed = peer.closed.take();
        let gives_up = std::mem::take(&mut peer.gives_up);
        part.confirmed(&confirmed);
        part.doubtful(&refused);
        self.figures.confirmed += confirmed.len();
        let name = self.parts[at].name();
        done.map_err(|why| format!("{name}: {why}"))?;
        if !self.stage.hurt {
            if let Some(why) = closed {
                return Err(format!("{name}: closed: {why}"));
            }
            if !refused.is_empty() {
                return Err(format!("{name}: refused on a sound disk: {refused:?}"));
            }
        }
        if gives_up || closed.is_some() {
            self.stage.note(format!("{name}: {closed:?}"));
            self.disconnect(at);
            self.connect(at);
        }
        if !confirmed.is_empty() {
            self.stage.note(format!("{name}: confirmed {confirmed:?}"));
        }
        Ok(())
    }

    fn connect(&mut self, at: usize) {
        let peer = self.parts[at].peer();
        peer.greet();
        self.stage.world.connect(peer.number);
    }

    fn disconnect(&mut self, at: usize) {
        let peer = self.parts[at].peer();
        self.stage.world.disconnect(peer.number);
        self.gone(at);
    }

    /// A client's connection is no more.
    fn gone(&mut self, at: usize) {
        let part = &mut self.parts[at];
        let unheard = !part.peer().out.is_empty();
        let doubtful = part.peer().forget();
        part.doubtful(&doubtful);
        part.returned(unheard);
    }

    fn all(&mut self) -> Verdict {
        for at in 0..self.parts.len() {
            self.connect(at);
            self.with(at, |part, stage| part.set_up(stage))?;
        }
        for _ in 0..1 + self.stage.random.below(4) {
            self.figures.lives += 1;
            let faulty = self.stage.random.chance(30);
            let most = [60, 200, 500][self.stage.random.below(3)];
            for _ in 0..10 + self.stage.random.below(most) {
                self.step(faulty)?;
                if self.stage.disk.is_off() {
                    break;
                }
            }
            self.restart()?;
        }
        // All that was held must come.
        self.stage.time.pass(LONG_MS);
        self.look()
    }

    fn step(&mut self, faulty: bool) -> Verdict {
        let at = self.stage.random.below(self.parts.len());
        match self.stage.random.below(100) {
            0..60 => self.with(at, |part, stage| part.step(stage)),
            60..75 => {
                self.stage.background();
                Ok(())
            }
            75..85 => self.with(at, |part, stage| stage.round(part.peer())),
            85..93 => {
                let ms = [1, 20, 200, 700][self.stage.random.below(4)];
                self.stage.time.pass(ms);
                self.stage.note(format!("{ms} ms"));
                self.stage.world.timers();
                Ok(())
            }
            93..95 if faulty => {
                self.stage.fault();
                Ok(())
            }
            95 => {
                self.stage.world.timers();
                if self.stage.world.settle_down() {
                    self.stage.note("quiet".to_owned());
                    self.parts.iter_mut().for_each(|part| part.quiet());
                }
                Ok(())
            }
            96 => {
                self.stage.note(format!("{} goes", self.parts[at].name()));
                self.disconnect(at);
                self.connect(at);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// The broker ends in one way or another, and starts again.
    fn restart(&mut self) -> Verdict {
        let how = if self.stage.disk.is_off() {
            0
        } else {
            self.stage.random.below(100)
        };
        let end = match how {
            0..50 => {
                self.stage.disk = self.stage.disk.crash();
                End::Crash
            }
            50..75 => {
                self.stage.disk = self.stage.disk.kill();
                End::Crash
            }
            _ => {
                for at in 0..self.parts.len() {
                    self.disconnect(at);
                }
                let stopped = self.stage.world.stop();
                if !stopped && !self.stage.hurt {
                    return Err("the broker cannot stop".to_owned());
                }
                self.stage.disk = self.stage.disk.crash();
                if stopped { End::Clean } else { End::Crash }
            }
        };
        self.figures.crashes += usize::from(end == End::Crash);
        self.stage.note(format!("{end:?} {how}"));
        for at in 0..self.parts.len() {
            self.gone(at);
            self.parts[at].ended(end);
        }
        self.stage.recover()?;
        for at in 0..self.parts.len() {
            self.connect(at);
        }
        self.look()
    }

    fn look(&mut self) -> Verdict {
        self.figures.looked += 1;
        for at in 0..self.parts.len() {
            self.with(at, |part, stage| {
                stage.until_idle(part.peer())?;
                part.look(stage)
            })?;
        }
        Ok(())
    }
}
