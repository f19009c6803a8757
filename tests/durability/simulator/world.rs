//! The broker on its faulty disk, and its sessions without sockets. Everything is a step that somebody asks for.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Waker};

use leveret::auth::{PasswordHash, Permission, Users};
use leveret::broker::keeper::{self, Keeper};
use leveret::broker::reclaim::Policy;
use leveret::broker::restore::{self, Found};
use leveret::broker::{self, Broker, Clock};
use leveret::connection::session::Session;
use leveret::store::faulty::FaultyDisk;
use leveret::store::{self, Journal, StoreError, Wait, recovery, schema};

use super::random::Random;

/// One life of the broker.
pub struct World {
    pub broker: Arc<Broker>,
    journal: Arc<Journal>,
    keeper: Keeper,
    sessions: BTreeMap<usize, Session>,
    settings: Arc<leveret::connection::Settings>,
    time: Time,
}

/// Steps after which the journal should have come to rest.
const SETTLING_MAX: usize = 2000;

fn everything() -> Result<Permission, String> {
    Permission::new(".*", ".*", ".*").map_err(|error| format!("{error:?}"))
}

/// Time that the simulator moves.
#[derive(Clone)]
pub struct Time(pub Arc<AtomicU64>);

impl Time {
    pub fn now(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    pub fn pass(&self, ms: u64) {
        self.0.fetch_add(ms, Ordering::Relaxed);
    }
}

impl World {
    /// Starts the broker on what the disk has, as the server does.
    pub fn start(disk: &FaultyDisk, time: &Time, random: &mut Random) -> Result<Self, String> {
        let disk = disk.shared();
        let said = |error: StoreError| error.to_string();
        schema::check(disk.as_ref(), true).map_err(said)?;
        let found = recovery::recover(&disk, false).map_err(said)?;
        let journal = Journal::open(
            Arc::clone(&disk),
            found.opening,
            store::Settings {
                file_bytes: 16 << (10 + random.below(3)),
                window_bytes: 8 << (10 + random.below(6)),
                reserve: random.below(3),
            },
        )
        .map_err(said)?;
        let users = Arc::new(Users::new());
        let settings = broker::Settings {
            clock: Clock::Manual(Arc::clone(&time.0)),
            message_memory_budget: Some(4 << (10 + random.below(7))),
            ..broker::Settings::default()
        };
        let definitions = found.definitions.into_iter();
        let broker = restore::open(
            settings,
            users,
            Arc::clone(&journal),
            Found {
                definitions: definitions
                    .map(|((kind, key), value)| (kind, key, value))
                    .collect(),
                ledgers: found.queues,
                seen: found.seen,
                next_id: found.next_id,
                clean: found.clean,
            },
        )?;
        for name in found.garbage {
            let _ = disk.remove(&name);
        }
        if broker.vhost("/").is_none() {
            broker.add_vhost("/");
        }
        if !broker.set_permission("guest", "/", everything()?) {
            broker.put_user("guest", PasswordHash::new(b"guest"), Vec::new());
            broker.set_permission("guest", "/", everything()?);
        }
        let keeper = Keeper::new(
            Arc::clone(&broker),
            disk,
            keeper::Settings {
                checkpoint_interval: 8 << (10 + random.below(6)),
                policy: Policy::default(),
            },
            found.checkpoint,
            found.start,
        );
        Ok(Self {
            broker,
            journal,
            keeper,
            sessions: BTreeMap::new(),
            settings: Arc::default(),
            time: time.clone(),
        })
    }

    pub fn connect(&mut self, number: usize) {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, 1));
        let now = self.broker.now();
        let session = Session::new(
            Arc::clone(&self.broker),
            Arc::clone(&self.settings),
            address,
            now,
        );
        self.sessions.insert(number, session);
    }

    pub fn disconnect(&mut self, number: usize) {
        self.sessions.remove(&number);
    }

    /// Whether the session of a client takes what it asks; if not, memory is full.
    pub fn listens(&self, number: usize) -> bool {
        let session = self.sessions.get(&number);
        session.is_some_and(Session::wants_bytes)
    }

    /// Lets time pass for queues.
    pub fn timers(&mut self) {
        while leveret::broker::timers::step(&self.broker) {}
    }

    /// A step of the journal's writer; whether there is more to do at once.
    pub fn journal(&mut self) -> bool {
        self.journal.step(self.time.now()) == Wait::Work
    }

    /// A step of the keeper; whether there is more to do at once.
    pub fn keeper(&mut self) -> bool {
        let more = self.keeper.step(self.time.now()) == Wait::Work;
        drop(self.keeper.take_reports());
        more
    }

    /// A step of the pager; whether there is more to do at once.
    pub fn pager(&mut self) -> bool {
        self.broker.pager().step(&self.broker, self.time.now())
    }

    /// Every step in the background once; whether there was something to do.
    pub fn background(&mut self) -> bool {
        let before = (self.journal.durable_append(), self.journal.bytes_written());
        let more = self.pager() | self.journal();
        more || before != (self.journal.durable_append(), self.journal.bytes_written())
    }

    /// Steps until all that was done is on disk; whether it is.
    pub fn settle_down(&mut self) -> bool {
        for _ in 0..SETTLING_MAX {
            match self.journal.step(self.time.now()) {
                Wait::Work => {}
                Wait::Until(at) if !self.journal.has_failed() => {
                    self.time
                        .pass(at.saturating_sub(self.time.now()).clamp(1, 1000));
                }
                _ => break,
            }
        }
        self.journal.durable_append() + 1 == self.journal.next_append()
            && !self.journal.has_failed()
    }

    /// Leaves the disk as it should be left; whether the broker could. Everybody has gone.
    pub fn stop(&mut self) -> bool {
        self.sessions.clear();
        if !self.settle_down() {
            return false;
        }
        self.keeper.begin_clean_stop();
        for _ in 0..SETTLING_MAX {
            if !self.keeper.is_in_checkpoint() {
                break;
            }
            self.keeper();
            self.journal();
        }
        self.settle_down()
    }

    /// One round of a session: `input` is what its client has sent and the session has not taken. Says how much was taken, and
    /// what has left.
    pub fn round(&mut self, number: usize, input: &[u8]) -> (usize, Vec<u8>) {
        let now = self.broker.now();
        let mut said = Vec::new();
        let Some(session) = self.sessions.get_mut(&number) else {
            return (0, said);
        };
        let context = &mut Context::from_waker(Waker::noop());
        session.begin_round(now);
        let mut taken = 0;
        while session.wants_bytes() && taken < input.len() {
            if let Some((body, missing)) = session.direct() {
                let part = missing.min(input.len() - taken);
                body.extend_from_slice(&input[taken..taken + part]);
                session.direct_read(part);
                taken += part;
                if taken == input.len() {
                    break;
                }
            }
            let used = session.handle(&input[taken..]);
            taken += used;
            if used == 0 && session.direct().is_none() {
                break;
            }
        }
        let deliveries = session.wants_deliveries();
        if session.mailbox.poll(deliveries, context).is_ready() {
            let drained = session.mailbox.drain(deliveries, Vec::new());
            session.drain(drained);
        }
        if session.has_backlog() {
            session.deliver();
        }
        session.finish_round();
        session.poll_disk(Waker::noop());
        while session.output.is_sendable() {
            let mut slices = [std::io::IoSlice::new(&[]); 8];
            let count = session.output.slices(&mut slices);
            for slice in &slices[..count] {
                said.extend_from_slice(slice);
            }
            let written = slices[..count].iter().map(|slice| slice.len()).sum();
            session.output.sent(written);
        }
        session.wake_others();
        (taken, said)
    }
}
