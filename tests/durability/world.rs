//! A broker without sockets on a disk in memory that counts, its journal and keeper stepped by hand, its queues used directly: for
//! tests of what lies on disk. Files and intervals are a thirty-second of the usual size, and so is everything else.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use amq_protocol::types::FieldTable;
use leveret::auth::{PasswordHash, Permission, Users};
use leveret::broker::access::Access;
use leveret::broker::keeper::{Keeper, Settings as KeeperSettings};
use leveret::broker::reclaim::Policy;
use leveret::broker::restore::{self, Found};
use leveret::broker::topology::DeclareQueue;
use leveret::broker::{Broker, Clock, Settings};
use leveret::message::{CHUNK_BYTES_MAX, ChunkBuilder, LARGE_BODY_BYTES, Message};
use leveret::queue::log::Links;
use leveret::queue::{Effects, Outcome, Queue};
use leveret::store::faulty::FaultyDisk;
use leveret::store::recovery::recover;
use leveret::store::{Journal, Receipt, Settings as JournalSettings, Wait};

pub const MIB: u64 = 1 << 20;
/// Exchange and routing key.
const NAMES: &[u8] = &[0, 2, b'q', b'q'];
/// delivery-mode 2.
const PROPERTIES: &[u8] = &[0x10, 0, 2];
const FILE: u64 = MIB;
const INTERVAL: u64 = 2 * MIB;
const TINY: u64 = 16 * 1024;

/// A broker, its disk, and what was published.
pub struct World {
    pub disk: FaultyDisk,
    pub time: Arc<AtomicU64>,
    pub journal: Arc<Journal>,
    pub broker: Arc<Broker>,
    pub keeper: Keeper,
    /// Bytes of the chunks that were published, each once: what had to be written.
    pub published: u64,
}

impl World {
    /// A broker with what the disk has.
    pub fn open(disk: FaultyDisk, policy: Policy) -> Self {
        Self::with(disk, policy, FILE, INTERVAL)
    }

    /// The same with files so small that a few publishes fill one.
    pub fn open_tiny(disk: FaultyDisk, policy: Policy) -> Self {
        Self::with(disk, policy, TINY, 4 * TINY)
    }

    fn with(disk: FaultyDisk, policy: Policy, file_bytes: u64, checkpoint_interval: u64) -> Self {
        let shared = disk.shared();
        let found = recover(&shared, false).expect("the disk is sound");
        for name in &found.garbage {
            shared.remove(name).expect("garbage is there");
        }
        let settings = JournalSettings {
            file_bytes,
            window_bytes: MIB,
            reserve: 2,
        };
        let journal = Journal::open(Arc::clone(&shared), found.opening, settings).expect("opens");
        let time = Arc::new(AtomicU64::new(1));
        let settings = Settings {
            clock: Clock::Manual(Arc::clone(&time)),
            ..Settings::default()
        };
        let definitions = found.definitions.into_iter();
        let broker = restore::open(
            settings,
            Arc::new(Users::new()),
            Arc::clone(&journal),
            Found {
                definitions: definitions.map(|((k, key), v)| (k, key, v)).collect(),
                ledgers: found.queues,
                seen: found.seen,
                next_id: found.next_id,
                clean: found.clean,
            },
        )
        .expect("the definitions make sense");
        broker.add_vhost("/");
        broker.put_user("guest", PasswordHash::new(b"guest"), Vec::new());
        let all = Permission::new(".*", ".*", ".*").expect("it is one");
        broker.set_permission("guest", "/", all);
        let keeper = Keeper::new(
            Arc::clone(&broker),
            shared,
            KeeperSettings {
                checkpoint_interval,
                policy,
            },
            found.checkpoint,
            found.start,
        );
        Self {
            disk,
            time,
            journal,
            broker,
            keeper,
            published: 0,
        }
    }

    pub fn now(&self) -> u64 {
        self.time.load(Ordering::Relaxed)
    }

    pub fn queue(&self, name: &str) -> Arc<Queue> {
        let vhost = self.broker.vhost("/").expect("it is there");
        if let Some(queue) = vhost.queue(name) {
            return queue;
        }
        let declare = DeclareQueue {
            name,
            durable: true,
            exclusive: false,
            auto_delete: false,
            arguments: FieldTable::default(),
            connection: 1,
        };
        let users = &self.broker.users;
        let user = users.user("guest").expect("the first user");
        let mut access = Access::new(users, user, "/".into()).expect("it may");
        let declared = vhost.declare_queue(&self.broker, &mut access, declare);
        let queue = declared
            .map_err(|reply| reply.to_string())
            .expect("declared")
            .queue;
        queue.expect("a queue")
    }

    /// Publishes messages with these bodies to all of the queues, in chunks as a connection makes them, and waits for the disk.
    pub fn publish(&mut self, queues: &[Arc<Queue>], bodies: &[Vec<u8>]) {
        self.place(queues, bodies);
        self.sync();
    }

    /// The same without waiting; returns what a confirm of the last one waits for.
    pub fn place(&mut self, queues: &[Arc<Queue>], bodies: &[Vec<u8>]) -> Receipt {
        let mut bodies = bodies;
        let mut receipt = Receipt::NOTHING;
        while let Some((body, rest)) = bodies.split_first() {
            let size = |body: &[u8]| ChunkBuilder::size(NAMES.len(), PROPERTIES.len(), body.len());
            let mut builder = ChunkBuilder::with_capacity(CHUNK_BYTES_MAX.max(size(body)));
            let mut drafts = Vec::new();
            if body.len() >= LARGE_BODY_BYTES {
                let body = body.clone().into_boxed_slice();
                drafts.push(builder.push_large(NAMES, PROPERTIES, true, body));
                bodies = rest;
            } else {
                while let Some((body, rest)) = bodies.split_first()
                    && body.len() < LARGE_BODY_BYTES
                    && builder.fits(size(body))
                {
                    drafts.push(builder.push(NAMES, PROPERTIES, true, body));
                    bodies = rest;
                }
            }
            let chunk = builder.seal();
            let mut links = Links::default();
            links.link(&chunk, &self.journal);
            let (data, large) = chunk.parts();
            self.published += (data.len() + large.map_or(0, <[u8]>::len)) as u64;
            let messages: Vec<Message> = drafts.iter().map(|draft| chunk.message(draft)).collect();
            for queue in queues {
                let mut effects = Effects::default();
                let now = self.now();
                let mut locked = queue.lock();
                let placed = locked.publish(messages.iter().cloned(), &links, now, &mut effects);
                placed.expect("the queue is there");
                receipt = receipt.max(locked.commit());
                self.broker.perform(queue, effects);
            }
        }
        receipt
    }

    /// The journal writes what it has; the keeper does one thing.
    pub fn sync(&mut self) {
        while self.journal.step(self.now()) == Wait::Work {}
        self.keeper.step(self.now());
    }

    /// Takes and acknowledges the oldest `count`.
    pub fn consume(&mut self, queue: &Arc<Queue>, count: usize) {
        let now = self.now();
        let mut effects = Effects::default();
        for _ in 0..count {
            queue
                .lock()
                .get(true, now, &mut effects)
                .now()
                .expect("a message");
        }
        self.sync();
    }

    pub fn acknowledge(&mut self, queue: &Arc<Queue>, sequences: &[u64]) {
        let now = self.now();
        for some in sequences.chunks(100) {
            let mut effects = Effects::default();
            queue.lock().settle(some, Outcome::Ack, now, &mut effects);
        }
        self.sync();
    }

    /// Lets time pass in which nobody asks for anything.
    pub fn pass(&mut self, milliseconds: u64) {
        let until = self.now() + milliseconds;
        while self.now() < until {
            let mut wait = Wait::Work;
            for _ in 0..100_000 {
                let journal = self.journal.step(self.now());
                wait = self.keeper.step(self.now());
                if wait != Wait::Work && journal != Wait::Work {
                    break;
                }
            }
            assert_ne!(wait, Wait::Work, "the keeper comes to rest");
            self.time.fetch_add(50, Ordering::Relaxed);
        }
        assert_eq!(self.keeper.take_reports(), Vec::<String>::new());
    }

    /// Takes as many messages as there are in front, up to `most`, as deliveries that wait for their acknowledgement.
    pub fn take(&self, queue: &Arc<Queue>, most: usize) -> Vec<u64> {
        let now = self.now();
        let mut effects = Effects::default();
        let mut locked = queue.lock();
        let got = std::iter::from_fn(|| locked.get(false, now, &mut effects).now());
        got.take(most).map(|got| got.sequence).collect()
    }

    pub fn files(&self) -> usize {
        let names = self.disk.shared().list().expect("it can be listed");
        names.iter().filter(|name| name.ends_with(".log")).count()
    }

    pub fn amplification(&self) -> f64 {
        self.disk.work().written_bytes as f64 / self.published as f64
    }

    /// Kill -9, and the next start.
    pub fn kill(self, policy: Policy) -> Self {
        Self::open(self.disk.kill(), policy)
    }
}

pub fn body(number: u64, bytes: usize) -> Vec<u8> {
    let mut body = number.to_le_bytes().to_vec();
    body.resize(bytes, number as u8);
    body
}

pub fn bodies(from: u64, count: u64, bytes: usize) -> Vec<Vec<u8>> {
    (from..from + count)
        .map(|number| body(number, bytes))
        .collect()
}

/// Numbers of the messages that lie on disk for a queue, in order, read back from there.
pub fn on_disk(world: &World, queue: &Arc<Queue>) -> Vec<u64> {
    let mut locked = queue.lock();
    let log = locked.log().expect("it is durable");
    let mut numbers = Vec::new();
    for piece in log.ledger.pieces(0, u64::MAX) {
        let run = piece.run;
        let chunk = world
            .journal
            .read(run.position, run.length)
            .expect("it is readable");
        let all: Vec<_> = chunk.messages(run.start, run.count, run.flags).collect();
        assert_eq!(all.len(), run.count as usize);
        for (index, message) in all.iter().enumerate() {
            let number = message.body()[..8].try_into().expect("eight bytes");
            let number = u64::from_le_bytes(number);
            assert_eq!(message.body(), body(number, message.body_len()));
            if piece.is_live(index as u32) {
                numbers.push(number);
            }
        }
    }
    numbers
}

/// SplitMix64: small, seeded, good enough for choices.
pub struct Random(pub u64);

impl Random {
    /// Below `bound`, which is not 0.
    pub fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let value = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (value ^ (value >> 31)) % bound
    }
}
