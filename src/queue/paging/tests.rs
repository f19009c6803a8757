//! A queue on a disk in memory against a plain list: any order of verbs, journal steps, evictions and loads, each of which may be
//! left half done while other verbs come between.

use std::sync::Arc;

use amq_protocol::types::FieldTable;
use proptest::collection::vec;
use proptest::prelude::*;

use super::evict::{Limits, Spilling, Step};
use super::plan::{Loaded, Plan};
use super::*;
use crate::message::{CHUNK_BYTES_MAX, ChunkBuilder, LARGE_BODY_BYTES, Message};
use crate::queue::log::Links;
use crate::queue::mailbox::Delivery;
use crate::queue::order::{Levels, Order};
use crate::queue::overflow::Limits as Lengths;
use crate::queue::{ChannelCredit, ConsumerSpec, Outcome, Queue, QueueSpec, Rules, Taken};
use crate::store::faulty::FaultyDisk;
use crate::store::spill::Spill;
use crate::store::{Journal, Opening, Settings, Urgency};

mod due;

#[derive(Clone, Debug)]
enum Op {
    /// Messages of this length; bit i of the mask says whether message i % 8 is persistent.
    Publish(usize, usize, u8),
    Get(usize),
    /// A consumer comes, or the one that is there goes.
    Consume(u32),
    Cancel,
    /// The connection takes what is in its mailbox.
    Drain,
    Settle(u64, bool),
    Purge,
    Journal,
    /// Evicts, keeping so many bytes at the head; with `taken` also bodies of messages that are out.
    Evict(u64, bool),
    /// Does what a load or an eviction has begun one step further.
    Go,
    Browse(usize),
    Advance(u64),
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum At {
    Ready,
    Out,
}

struct Entry {
    sequence: u64,
    len: usize,
    returned: u32,
    at: At,
}

enum Job {
    Plan(Plan),
    Loaded(Loaded),
    Spilling(Spilling),
    Written(Spilling, Extent),
}

struct World {
    queue: Arc<Queue>,
    journal: Arc<Journal>,
    spill: Spill,
    disk: FaultyDisk,
    mailbox: Arc<Mailbox>,
    consumer: Option<u32>,
    consumers: u32,
    entries: Vec<Entry>,
    next: u64,
    now: u64,
    wanted: bool,
    job: Option<Job>,
    most: Option<u64>,
    levels: Levels,
}

fn priority(sequence: u64) -> u8 {
    (sequence * 7 % 12) as u8
}

fn body(sequence: u64, len: usize) -> Vec<u8> {
    (0..len)
        .map(|at| (sequence as usize * 31 + at) as u8)
        .collect()
}

impl World {
    fn new(durable: bool, most: Option<u64>, levels: Levels) -> Self {
        let disk = FaultyDisk::seeded(7);
        let settings = Settings {
            file_bytes: 1 << 20,
            window_bytes: 1 << 20,
            reserve: 0,
        };
        let journal = Journal::open(disk.shared(), Opening::empty(), settings).expect("a journal");
        let spill = Spill::open(disk.shared()).expect("a spill");
        let spec = QueueSpec {
            name: "q".into(),
            vhost: "/".into(),
            id: 1,
            durable,
            owner: None,
            auto_delete: false,
            arguments: FieldTable::default(),
        };
        let rules = Rules {
            order: Order {
                levels,
                ..Order::default()
            },
            limits: Lengths {
                messages: most,
                bytes: None,
                ..Lengths::default()
            },
            shows_count: true,
            ..Rules::default()
        };
        let queue = Queue::new(spec, rules, Arc::clone(&journal), Urgency::Synced, 1);
        Self {
            queue,
            journal,
            spill,
            disk,
            mailbox: Arc::default(),
            consumer: None,
            consumers: 0,
            entries: Vec::new(),
            next: 0,
            now: 1000,
            wanted: false,
            job: None,
            most,
            levels,
        }
    }

    /// Those with the least come first.
    fn place(&self, entry: &Entry) -> (i32, u64) {
        let priority = i32::from(priority(entry.sequence));
        let level = match self.levels {
            Levels::One => 0,
            Levels::Classic(most) => priority.min(i32::from(most)),
            Levels::Quorum if entry.returned > 0 => 32,
            Levels::Quorum => priority,
        };
        (-level, entry.sequence)
    }

    /// The ready message that comes next.
    fn first(&self) -> Option<usize> {
        let ready = (0..self.entries.len()).filter(|at| self.entries[*at].at == At::Ready);
        ready.min_by_key(|at| self.place(&self.entries[*at]))
    }

    fn effects(&mut self, mut effects: Effects) {
        while std::mem::take(&mut effects.unfinished) {
            self.queue.lock().tick(self.now, &mut effects);
        }
        effects.wake();
        assert!(!effects.dying || self.queue.lock().rules().order.until_due);
        self.wanted |= effects.load != Want::Nothing;
    }

    fn publish(&mut self, count: usize, len: usize, persistent: u8) {
        let mut links = Links::default();
        let mut messages: Vec<Message> = Vec::new();
        let mut drafts = Vec::new();
        let mut builder = ChunkBuilder::with_capacity(CHUNK_BYTES_MAX);
        for number in 0..count {
            let sequence = self.next;
            self.next += 1;
            self.entries.push(Entry {
                sequence,
                len,
                returned: 0,
                at: At::Ready,
            });
            let is_persistent = persistent >> (number % 8) & 1 == 1;
            let properties: &[u8] = match (is_persistent, self.levels) {
                (true, Levels::One) => &[0x10, 0, 2],
                (false, Levels::One) => &[0, 0],
                (true, _) => &[0x18, 0, 2, priority(sequence)],
                (false, _) => &[8, 0, priority(sequence)],
            };
            let key = sequence.to_string();
            let body = body(sequence, len);
            if len >= LARGE_BODY_BYTES {
                let message = Message::new(b"", key.as_bytes(), properties, &body);
                if is_persistent {
                    links.link(&message.chunk(), &self.journal);
                }
                messages.push(message);
                continue;
            }
            let names = [&[0, key.len() as u8], key.as_bytes()].concat();
            if !builder.fits(ChunkBuilder::size(names.len(), properties.len(), len)) {
                let fresh = ChunkBuilder::with_capacity(CHUNK_BYTES_MAX);
                let full = std::mem::replace(&mut builder, fresh).seal();
                links.link(&full, &self.journal);
                messages.extend(drafts.drain(..).map(|draft| full.message(&draft)));
            }
            drafts.push(builder.push(&names, properties, is_persistent, &body));
        }
        if !drafts.is_empty() {
            let full = builder.seal();
            links.link(&full, &self.journal);
            messages.extend(drafts.drain(..).map(|draft| full.message(&draft)));
        }
        let mut effects = Effects::default();
        self.queue
            .lock()
            .publish(messages.into_iter(), &links, self.now, &mut effects)
            .expect("it is there");
        self.effects(effects);
    }

    fn check_message(
        &mut self,
        sequence: u64,
        message: &Message,
        returned: u32,
        redelivered: bool,
    ) {
        if self.most.is_some() {
            // The limit has dropped what was in front of it; the counts say whether that was right.
            let at = self.entries.binary_search_by_key(&sequence, |e| e.sequence);
            let place = self.place(&self.entries[at.expect("it is there")]);
            let mut entries = std::mem::take(&mut self.entries);
            entries.retain(|entry| entry.at == At::Out || self.place(entry) >= place);
            self.entries = entries;
        }
        let first = self.first().expect("there is a ready one");
        let first = &mut self.entries[first];
        assert_eq!(first.sequence, sequence, "the first ready one comes first");
        assert_eq!(message.routing_key(), sequence.to_string().as_bytes());
        assert!(message.body() == body(sequence, first.len), "byte for byte");
        assert_eq!(first.returned, returned);
        assert_eq!(redelivered, returned > 0);
        first.at = At::Out;
    }

    fn deliveries(&mut self) {
        // Looked at in the order in which they were pushed, so soon that nothing has come between.
        let new: Vec<(u64, Message, u32, bool)> = self.mailbox.look(|deliveries, _, _| {
            let is_new = |delivery: &&Delivery| {
                let known = self
                    .entries
                    .binary_search_by_key(&delivery.sequence, |e| e.sequence);
                known.is_ok_and(|at| self.entries[at].at == At::Ready)
            };
            deliveries
                .iter()
                .filter(is_new)
                .map(|one| {
                    (
                        one.sequence,
                        one.message.clone(),
                        one.returned,
                        one.redelivered,
                    )
                })
                .collect()
        });
        for (sequence, message, returned, redelivered) in new {
            self.check_message(sequence, &message, returned, redelivered);
        }
    }

    fn get(&mut self) -> bool {
        let mut effects = Effects::default();
        let taken = {
            let mut locked = self.queue.lock();
            let taken = locked.get(false, self.now, &mut effects);
            if matches!(taken, Taken::Later) {
                locked.when_loaded(&self.mailbox, self.now, &mut effects);
            }
            taken
        };
        match taken {
            Taken::Got(got) => {
                self.check_message(got.sequence, &got.message, got.returned, got.redelivered);
                self.effects(effects);
                self.drop_excess();
                true
            }
            Taken::Later => {
                self.effects(effects);
                assert!(self.entries.iter().any(|entry| entry.at == At::Ready));
                assert!(self.wanted || self.job.is_some(), "nobody will tell");
                false
            }
            Taken::Empty => {
                self.effects(effects);
                assert!(self.entries.iter().all(|entry| entry.at == At::Out));
                false
            }
        }
    }

    fn go(&mut self) -> bool {
        let mut effects = Effects::default();
        match self.job.take() {
            Some(Job::Plan(plan)) => {
                self.job = Some(Job::Loaded(plan.read(&self.queue, &self.journal)));
            }
            Some(Job::Loaded(mut loaded)) => {
                if self
                    .queue
                    .lock()
                    .install(&mut loaded, self.now, &mut effects)
                {
                    self.job = Some(Job::Loaded(loaded));
                }
            }
            Some(Job::Spilling(spilling)) => {
                let extent = spilling.write(&self.spill).expect("written");
                self.job = Some(Job::Written(spilling, extent));
            }
            Some(Job::Written(spilling, extent)) => {
                let _ = self.queue.lock().spilled(spilling, extent);
            }
            None => {
                if !std::mem::take(&mut self.wanted) {
                    return false;
                }
                let plan = self.queue.lock().plan_load(1 << 20, self.now);
                self.job = plan.map(Job::Plan);
            }
        }
        self.effects(effects);
        true
    }

    fn evict(&mut self, keep: u64, taken: bool) {
        if self.job.is_some() {
            return;
        }
        let limits = Limits {
            keep,
            written: self.journal.written_position(),
            taken,
            spill: true,
        };
        let before = self.queue.lock().core.slots.resident();
        let step = self.queue.lock().evict(limits);
        match step {
            Step::Freed(bytes, _) => {
                assert_eq!(before - self.queue.lock().core.slots.resident(), bytes);
            }
            Step::Spill(spilling) => self.job = Some(Job::Spilling(spilling)),
            Step::Nothing => {}
        }
    }

    fn run(&mut self, op: &Op) {
        match *op {
            Op::Publish(count, len, persistent) => {
                self.publish(count.min(2_000_000 / (len + 1)).max(1), len, persistent);
            }
            Op::Get(count) => {
                for _ in 0..count {
                    if !self.get() {
                        break;
                    }
                }
            }
            Op::Consume(prefetch) => {
                if self.consumer.is_none() {
                    self.consumers += 1;
                    let spec = ConsumerSpec {
                        mailbox: Arc::clone(&self.mailbox),
                        id: self.consumers,
                        no_ack: false,
                        exclusive: false,
                        priority: 0,
                        prefetch,
                        channel: Arc::<ChannelCredit>::default(),
                    };
                    let mut effects = Effects::default();
                    let mut locked = self.queue.lock();
                    let number = locked.consume(spec).expect("not exclusive");
                    locked.resume([number].into_iter(), false, self.now, &mut effects);
                    drop(locked);
                    self.consumer = Some(number);
                    self.effects(effects);
                }
            }
            Op::Cancel => {
                if let Some(number) = self.consumer.take() {
                    let mut effects = Effects::default();
                    self.queue.lock().cancel(number, self.now, &mut effects);
                    self.effects(effects);
                }
            }
            Op::Drain => {
                let drained = self.mailbox.drain(true, Vec::new());
                let mut effects = Effects::default();
                let waiting = drained.waiting.iter().map(|(_, number)| *number);
                self.queue
                    .lock()
                    .resume(waiting, false, self.now, &mut effects);
                self.effects(effects);
            }
            Op::Settle(mask, requeue) => self.settle(mask, requeue),
            Op::Purge => {
                let (count, effects) = self.queue.purge(self.now);
                self.effects(effects);
                let before = self.entries.len();
                self.entries.retain(|entry| entry.at == At::Out);
                assert_eq!(count, before - self.entries.len());
            }
            Op::Journal => {
                for _ in 0..3 {
                    self.journal.step(self.now);
                }
            }
            Op::Evict(keep, taken) => self.evict(keep, taken),
            Op::Go => {
                self.go();
            }
            Op::Browse(most) => self.browse(most),
            Op::Advance(by) => self.now += by,
        }
        self.deliveries();
        self.drop_excess();
        self.check();
    }

    /// All that is ready is seen, page by page, as it is.
    fn browse(&mut self, most: usize) {
        let mut seen = Vec::new();
        let mut next = Some(0);
        while let Some(from) = next {
            let page = self.queue.browse(from..u64::MAX, most, &self.journal);
            assert!(page.seen.len() <= most);
            assert!(page.next.is_none_or(|next| next > from));
            seen.extend(page.seen);
            next = page.next;
        }
        if self.most.is_some() {
            return;
        }
        let ready = self.entries.iter().filter(|entry| entry.at == At::Ready);
        let ready: Vec<&Entry> = ready.collect();
        assert_eq!(seen.len(), ready.len());
        for (seen, entry) in seen.iter().zip(ready) {
            assert_eq!(
                (seen.sequence, seen.returned),
                (entry.sequence, entry.returned)
            );
            assert_eq!(seen.redelivered, entry.returned > 0);
            assert!(seen.message.body() == body(entry.sequence, entry.len));
        }
    }

    fn settle(&mut self, mask: u64, requeue: bool) {
        let meant: Vec<u64> = self
            .entries
            .iter()
            .filter(|entry| entry.at == At::Out && mask >> (entry.sequence % 64) & 1 == 1)
            .map(|entry| entry.sequence)
            .take(1000)
            .collect();
        // What lies in the mailbox has not reached anybody who could settle it.
        self.mailbox.drain(true, Vec::new());
        let outcome = if requeue {
            Outcome::Requeue
        } else {
            Outcome::Ack
        };
        let mut effects = Effects::default();
        self.queue
            .lock()
            .settle(&meant, outcome, self.now, &mut effects);
        self.effects(effects);
        if requeue {
            for entry in &mut self.entries {
                if meant.binary_search(&entry.sequence).is_ok() {
                    entry.at = At::Ready;
                    entry.returned += 1;
                }
            }
        } else {
            self.entries
                .retain(|entry| meant.binary_search(&entry.sequence).is_err());
        }
    }

    /// What the length limit has dropped, if the queue had it at hand; it drops the others when they have come.
    fn drop_excess(&mut self) {
        let Some(most) = self.most else { return };
        let ready = self.queue.ready();
        loop {
            let here = self
                .entries
                .iter()
                .filter(|entry| entry.at == At::Ready)
                .count();
            if here as u64 <= most || here == ready {
                break;
            }
            let first = self.first().expect("counted");
            self.entries.remove(first);
        }
    }

    fn check(&mut self) {
        let locked = self.queue.lock();
        locked.core.check();
        let ready = self
            .entries
            .iter()
            .filter(|entry| entry.at == At::Ready)
            .count();
        assert_eq!(locked.counts().0, ready);
        let bytes: usize = self
            .entries
            .iter()
            .filter(|entry| entry.at == At::Ready)
            .map(|entry| entry.len)
            .sum();
        let core = &locked.core;
        assert_eq!(core.ready_bytes + core.slots.cold_bytes(), bytes as u64);
    }

    /// Everything comes out in the end, and nothing is left on the disk.
    fn finish(&mut self) {
        self.run(&Op::Cancel);
        self.run(&Op::Settle(u64::MAX, true));
        while self.entries.iter().any(|entry| entry.at == At::Out) {
            self.run(&Op::Settle(u64::MAX, true));
        }
        let mut idle = 0;
        while !self.entries.is_empty() {
            self.run(&Op::Get(10_000));
            self.run(&Op::Settle(u64::MAX, false));
            idle = if self.go() { 0 } else { idle + 1 };
            self.deliveries();
            self.drop_excess();
            assert!(idle < 100, "{} messages do not come", self.entries.len());
        }
        while self.go() {}
        self.check();
        let locked = self.queue.lock();
        assert!(!locked.core.paging.has_spilled());
        assert_eq!(locked.core.slots.resident(), 0);
        drop(locked);
        self.spill.tidy();
        let left = crate::store::disk::Disk::list(&self.disk).expect("listed");
        assert!(
            left.iter().all(|name| !name.starts_with("spill")),
            "{left:?}"
        );
    }
}

fn op() -> impl Strategy<Value = Op> {
    let count = prop_oneof![10 => 1..20usize, 5 => 50..400usize, 1 => 2000..6000usize];
    let len = prop_oneof![10 => 0..300usize, 2 => 2000..9000usize, 1 => 16_000..40_000usize];
    let persistent = prop_oneof![Just(0u8), Just(255u8), any::<u8>()];
    let mask =
        prop_oneof![3 => Just(u64::MAX), 2 => any::<u64>(), 1 => (0..64u32).prop_map(|n| 1 << n)];
    let keep = prop_oneof![Just(0u64), 0..20_000u64, Just(1_000_000u64)];
    prop_oneof![
        10 => (count, len, persistent).prop_map(|(count, len, mask)| Op::Publish(count, len, mask)),
        5 => prop_oneof![1..50usize, Just(2000)].prop_map(Op::Get),
        2 => prop_oneof![Just(0u32), 1..100u32].prop_map(Op::Consume),
        2 => Just(Op::Cancel),
        3 => Just(Op::Drain),
        5 => (mask, any::<bool>()).prop_map(|(mask, requeue)| Op::Settle(mask, requeue)),
        1 => Just(Op::Purge),
        6 => Just(Op::Journal),
        12 => (keep, any::<bool>()).prop_map(|(keep, taken)| Op::Evict(keep, taken)),
        20 => Just(Op::Go),
        2 => (1..1500usize).prop_map(Op::Browse),
        2 => (0..2000u64).prop_map(Op::Advance),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { max_shrink_iters: 4_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_queue_that_lies_on_disk_is_a_list_all_the_same(
        durable in any::<bool>(),
        most in prop::option::weighted(0.2, 1..2000u64),
        levels in prop_oneof![
            3 => Just(Levels::One),
            2 => (0..10u8).prop_map(Levels::Classic),
            1 => Just(Levels::Quorum),
        ],
        ops in vec(op(), 1..120),
    ) {
        let mut world = World::new(durable, most, levels);
        for op in &ops {
            world.run(op);
        }
        world.finish();
    }
}

#[test]
fn a_look_at_the_head_of_an_overflow_leaves_the_rest_where_it_is() {
    use Op::*;
    let mut world = World::new(false, None, Levels::One);
    for op in [
        Publish(6, 26_181, 0),
        Evict(0, false),
        Go,
        Go,
        Publish(2, 0, 0),
        Evict(0, false),
        Go,
        Go,
        Consume(0),
        Go,
        Go,
        Go,
        Cancel,
        Go,
        Go,
        Go,
    ] {
        world.run(&op);
    }
    world.finish();
}

#[test]
fn a_message_that_comes_back_while_it_is_being_spilled_is_still_redelivered() {
    use Op::*;
    let mut world = World::new(false, None, Levels::One);
    for op in [
        Publish(1, 0, 0),
        Evict(0, false),
        Get(1),
        Settle(u64::MAX, true),
        Go,
        Go,
    ] {
        world.run(&op);
    }
    world.finish();
}
