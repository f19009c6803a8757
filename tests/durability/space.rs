//! Disk space comes back, and how much is written for it: a broker without sockets on a disk in memory that counts, its journal and
//! keeper stepped by hand. Files and intervals are a thirty-second of the usual size, and so is everything else.

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
use leveret::message::{CHUNK_BYTES_MAX, ChunkBuilder, Message};
use leveret::queue::log::Links;
use leveret::queue::{Effects, Outcome, Queue};
use leveret::store::faulty::FaultyDisk;
use leveret::store::recovery::recover;
use leveret::store::{Journal, Settings as JournalSettings, Wait};

const MIB: u64 = 1 << 20;
const FILE: u64 = MIB;
const INTERVAL: u64 = 2 * MIB;

/// A broker, its disk, and what was published.
struct World {
    disk: FaultyDisk,
    time: Arc<AtomicU64>,
    journal: Arc<Journal>,
    broker: Arc<Broker>,
    keeper: Keeper,
    /// Bytes of the chunks that were published, each once: what had to be written.
    published: u64,
}

impl World {
    fn open(disk: FaultyDisk, policy: Policy) -> Self {
        let shared = disk.shared();
        let found = recover(&shared, false).expect("the disk is sound");
        for name in &found.garbage {
            shared.remove(name).expect("garbage is there");
        }
        let settings = JournalSettings {
            file_bytes: FILE,
            window_bytes: MIB,
            reserve: 0,
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
                checkpoint_interval: INTERVAL,
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

    fn now(&self) -> u64 {
        self.time.load(Ordering::Relaxed)
    }

    fn queue(&self, name: &str) -> Arc<Queue> {
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

    /// Publishes messages with these bodies to all of the queues, in chunks as a connection makes them.
    fn publish(&mut self, queues: &[Arc<Queue>], bodies: &[Vec<u8>]) {
        let mut bodies = bodies;
        while !bodies.is_empty() {
            let mut builder = ChunkBuilder::with_capacity(CHUNK_BYTES_MAX);
            let mut drafts = Vec::new();
            while let Some((body, rest)) = bodies.split_first() {
                let size = ChunkBuilder::size(4, 3, body.len());
                if !drafts.is_empty() && !builder.fits(size) {
                    break;
                }
                // delivery-mode 2.
                drafts.push(builder.push(&[0, 2, b'q', b'q'], &[0x10, 0, 2], true, body));
                bodies = rest;
            }
            let chunk = builder.seal();
            let mut links = Links::default();
            links.link(&chunk, &self.journal);
            self.published += chunk.parts().0.len() as u64;
            let messages: Vec<Message> = drafts.iter().map(|draft| chunk.message(draft)).collect();
            for queue in queues {
                let mut effects = Effects::default();
                let now = self.now();
                let mut locked = queue.lock();
                let placed = locked.publish(messages.iter().cloned(), &links, now, &mut effects);
                placed.expect("the queue is there");
                drop(locked);
                self.broker.perform(queue, effects);
            }
        }
        self.sync();
    }

    /// The journal writes what it has; the keeper does one thing.
    fn sync(&mut self) {
        while self.journal.step(self.now()) == Wait::Work {}
        self.keeper.step(self.now());
    }

    /// Takes and acknowledges the oldest `count`.
    fn consume(&mut self, queue: &Arc<Queue>, count: usize) {
        let now = self.now();
        let mut effects = Effects::default();
        for _ in 0..count {
            queue
                .lock()
                .get(true, now, &mut effects)
                .expect("a message");
        }
        self.sync();
    }

    /// Takes all messages; the caller settles them by sequence number.
    fn take_all(&self, queue: &Arc<Queue>) -> Vec<u64> {
        let mut effects = Effects::default();
        let now = self.now();
        let mut locked = queue.lock();
        std::iter::from_fn(|| locked.get(false, now, &mut effects))
            .map(|got| got.sequence)
            .collect()
    }

    fn acknowledge(&mut self, queue: &Arc<Queue>, sequences: &[u64]) {
        let now = self.now();
        for some in sequences.chunks(100) {
            let mut effects = Effects::default();
            queue.lock().settle(some, Outcome::Ack, now, &mut effects);
        }
        self.sync();
    }

    /// Lets time pass in which nobody asks for anything.
    fn pass(&mut self, milliseconds: u64) {
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

    fn files(&self) -> usize {
        let names = self.disk.shared().list().expect("it can be listed");
        names.iter().filter(|name| name.ends_with(".log")).count()
    }

    fn amplification(&self) -> f64 {
        self.disk.work().written_bytes as f64 / self.published as f64
    }

    /// Kill -9, and the next start.
    fn kill(self, policy: Policy) -> Self {
        Self::open(self.disk.kill(), policy)
    }
}

fn body(number: u64, bytes: usize) -> Vec<u8> {
    let mut body = number.to_le_bytes().to_vec();
    body.resize(bytes, number as u8);
    body
}

fn bodies(from: u64, count: u64, bytes: usize) -> Vec<Vec<u8>> {
    (from..from + count)
        .map(|number| body(number, bytes))
        .collect()
}

/// Numbers of the messages that lie on disk for a queue, in order, read back from there.
fn on_disk(world: &World, queue: &Arc<Queue>) -> Vec<u64> {
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

#[test]
fn messages_that_are_consumed_soon_are_written_once_and_their_files_go() {
    let mut world = World::open(FaultyDisk::seeded(1), Policy::default());
    let queue = world.queue("q");
    for round in 0..400 {
        world.publish(&[Arc::clone(&queue)], &bodies(round * 100, 100, 1024));
        world.consume(&queue, 100);
        world.pass(50);
        assert!(world.files() <= 6, "{} files", world.files());
    }
    world.pass(5000);
    assert!(world.files() <= 1, "{} files", world.files());
    let amplification = world.amplification();
    println!("consumed soon: {amplification:.3}");
    assert!(amplification <= 1.2, "{amplification}");
    assert_eq!(world.keeper.done().bytes_moved, 0);
}

#[test]
fn an_idle_broker_writes_nothing() {
    let mut world = World::open(FaultyDisk::seeded(2), Policy::default());
    let queue = world.queue("q");
    world.publish(&[Arc::clone(&queue)], &bodies(0, 5000, 1024));
    world.consume(&queue, 4000);
    world.pass(100_000);
    let before = world.disk.work();
    world.pass(1_000_000);
    assert_eq!(world.disk.work(), before);
}

#[test]
fn a_dense_backlog_is_written_once_and_drains_away() {
    let mut world = World::open(FaultyDisk::seeded(3), Policy::default());
    let queue = world.queue("q");
    for round in 0..400 {
        world.publish(&[Arc::clone(&queue)], &bodies(round * 100, 100, 1024));
        world.pass(50);
    }
    world.pass(100_000);
    let amplification = world.amplification();
    println!("dense backlog: {amplification:.3}");
    assert!(amplification <= 1.2, "{amplification}");
    let mut world = world.kill(Policy::default());
    let queue = world.queue("q");
    assert_eq!(on_disk(&world, &queue), (0..40_000).collect::<Vec<_>>());
    let before = world.files();
    {
        let mut locked = queue.lock();
        locked.log().expect("durable").settled_range(0..20_000);
    }
    world.pass(10_000);
    assert!(
        world.files() < before / 2 + 3,
        "{} of {before} files",
        world.files()
    );
    {
        let mut locked = queue.lock();
        locked.log().expect("durable").settled_range(20_000..40_000);
    }
    world.pass(10_000);
    assert!(world.files() <= 1, "{} files", world.files());
}

#[test]
fn a_message_in_ten_queues_is_written_once_also_after_compaction() {
    let mut world = World::open(FaultyDisk::seeded(4), Policy::default());
    let queues: Vec<_> = (0..10).map(|n| world.queue(&format!("q{n}"))).collect();
    for round in 0..200 {
        world.publish(&queues, &bodies(round * 100, 100, 1024));
        world.pass(50);
    }
    let amplification = world.amplification();
    println!("ten queues: {amplification:.3}");
    assert!(amplification <= 1.2, "{amplification}");
    // Of every hundred messages, all ten queues keep ten.
    let keep = |number: u64| number % 100 < 10;
    for queue in &queues {
        let taken = world.take_all(queue);
        let gone: Vec<u64> = (0..)
            .zip(taken)
            .filter(|(n, _)| !keep(*n))
            .map(|(_, s)| s)
            .collect();
        world.acknowledge(queue, &gone);
    }
    world.pass(200_000);
    let done = world.keeper.done();
    assert!(done.files_compacted > 10, "{done:?}");
    let live = 2000 * 1060;
    assert!(done.bytes_moved < live * 11 / 10, "{done:?}");
    assert!(world.files() <= 6, "{} files for two MiB", world.files());
    let kept: Vec<u64> = (0..20_000).filter(|n| keep(*n)).collect();
    let world = world.kill(Policy::default());
    for n in 0..10 {
        let queue = world.queue(&format!("q{n}"));
        assert_eq!(on_disk(&world, &queue), kept);
    }
}
