//! The broker on its faulty disk, and its sessions without sockets. Everything is a step that somebody asks for.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Waker};

use leveret::auth::{PasswordHash, Permission, Users};
use leveret::broker::Broker;
use leveret::broker::Clock;
use leveret::connection::session::Session;
use leveret::store::faulty::FaultyDisk;

use super::random::Random;

/// One life of the broker.
pub struct World {
    pub disk: FaultyDisk,
    pub broker: Arc<Broker>,
    sessions: BTreeMap<usize, Session>,
    settings: Arc<leveret::connection::Settings>,
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
    /// Starts the broker on what the disk has.
    pub fn start(disk: &FaultyDisk, time: &Time, _random: &mut Random) -> Result<Self, String> {
        let users = Arc::new(Users::new());
        let settings = leveret::broker::Settings {
            clock: Clock::Manual(Arc::clone(&time.0)),
            ..leveret::broker::Settings::default()
        };
        let broker = Broker::new(settings, users);
        if broker.vhost("/").is_none() {
            broker.add_vhost("/");
            broker.put_user("guest", PasswordHash::new(b"guest"), Vec::new());
            let all = Permission::new(".*", ".*", ".*").map_err(|error| format!("{error:?}"))?;
            broker.set_permission("guest", "/", all);
        }
        Ok(Self {
            disk: disk.clone(),
            broker,
            sessions: BTreeMap::new(),
            settings: Arc::default(),
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

    /// Lets time pass for queues.
    pub fn timers(&mut self) {
        while leveret::broker::timers::step(&self.broker) {}
    }

    /// Every step in the background once; whether there was something to do.
    pub fn background_all(&mut self) -> bool {
        false
    }

    /// Steps until all that was done is on disk; whether the disk allowed it.
    pub fn settle_down(&mut self) -> bool {
        true
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
