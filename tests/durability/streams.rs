//! Streams and their groups through kills: while messages are published, read and acknowledged, and while the broker recovers. Every
//! confirmed message stays at its offset, and each of two groups goes on where it was.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use crate::support::*;

const LIVES: u32 = 7;
/// Keys of messages, in a stream with partitions.
const KEYS: u64 = 20;
/// What has come already, and whoever is about to send something.
const SHORTLY: Duration = Duration::from_millis(2);

/// Partition and offset.
type Place = (u64, u64);

fn next(random: &mut u64) -> u64 {
    *random = random
        .wrapping_mul(6_364_136_223_846_793_005)
        .wrapping_add(1_442_695_040_888_963_407);
    *random >> 33
}

fn body(number: u64) -> String {
    let more = if number.is_multiple_of(50) {
        9000
    } else {
        number % 700
    };
    format!("{number:08}{}", "x".repeat(more as usize))
}

/// What is known of the stream.
#[derive(Default)]
struct Book {
    /// The next number that is published.
    next: u64,
    confirmed: BTreeSet<u64>,
    /// Which number a reader has seen where.
    seen: BTreeMap<Place, u64>,
}

impl Book {
    /// Somebody was sent a message.
    fn note(&mut self, got: &Delivery) -> (Place, u64) {
        let headers = got.headers();
        let header = |name: &str| match headers.get(name) {
            Some(Value::I64(number)) => Some(*number as u64),
            _ => None,
        };
        let offset = header("x-stream-offset").expect("an offset");
        let place = (header("x-stream-partition").unwrap_or(0), offset);
        let number: u64 = got.text()[..8].parse().expect("its number");
        assert_eq!(got.text(), body(number));
        let before = *self.seen.entry(place).or_insert(number);
        assert_eq!(before, number, "another message at {place:?}");
        (place, number)
    }

    /// Reads all that is there.
    fn replay(&mut self, peer: &mut Peer, name: &str) {
        let count = peer.counts(1, name).0;
        peer.open(3);
        consume(peer, 3, name, 300, table! { "x-stream-offset" => "first" });
        let mut ends: BTreeMap<u64, u64> = BTreeMap::new();
        let mut numbers: BTreeMap<u64, Vec<u64>> = BTreeMap::new();
        for at in 1..=count {
            let got = peer.delivery(3);
            if at % 100 == 0 {
                peer.send(3, &basic::ack(got.tag, "multiple"));
            }
            let ((partition, offset), number) = self.note(&got);
            let end = ends.entry(partition).or_default();
            assert_eq!(offset, *end, "offsets follow each other");
            *end += 1;
            numbers.entry(partition).or_default().push(number);
        }
        peer.send(3, &basic::ack(0, "multiple"));
        peer.ask(3, &channel::close(), &channel::close_ok());
        for numbers in numbers.values() {
            assert!(numbers.is_sorted_by(|one, other| one < other), "in order");
        }
        let all: BTreeSet<u64> = numbers.into_values().flatten().collect();
        let lost: Vec<&u64> = self.confirmed.difference(&all).collect();
        assert!(lost.is_empty(), "confirmed and lost: {lost:?}");
        // What was seen was on disk.
        assert_eq!(self.seen.len(), count as usize);
    }
}

/// What became of an acknowledgement.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Ack {
    Sent,
    /// The broker had it then.
    Heard(Instant),
    /// Whether it was on disk when the broker was killed nobody knows.
    Doubtful,
    /// It was.
    Done,
}

/// One group, and its only consumer.
struct Group {
    name: &'static str,
    prefetch: u16,
    /// How many it takes at a time, and percent of what it has that it acknowledges then.
    pace: (u64, u64),
    acks: BTreeMap<Place, Ack>,
    held: Vec<(u64, Place)>,
    /// The offset behind the last that was delivered in this life, in each partition.
    ends: BTreeMap<u64, u64>,
}

impl Group {
    fn new(name: &'static str, prefetch: u16, pace: (u64, u64)) -> Self {
        Self {
            name,
            prefetch,
            pace,
            acks: BTreeMap::new(),
            held: Vec::new(),
            ends: BTreeMap::new(),
        }
    }

    fn consumer(&self, home: &Home, name: &str) -> Peer {
        let mut peer = home.channel();
        peer.open(2);
        let group = table! { "x-stream-group" => self.name, "x-stream-offset" => "first" };
        consume(&mut peer, 1, name, self.prefetch, group);
        peer
    }

    /// It is sent a message: none that it has acknowledged, and it skips only what it has.
    fn arrive(&mut self, place: Place, tag: u64) {
        let name = self.name;
        if let Some(ack) = self.acks.remove(&place) {
            assert_eq!(ack, Ack::Doubtful, "{name}: {place:?} comes again");
        }
        let (partition, offset) = place;
        let end = self.ends.entry(partition).or_default();
        assert!(offset >= *end, "{name}: {place:?} behind {end}");
        for skipped in *end..offset {
            let ack = self.acks.get_mut(&(partition, skipped));
            let ack = ack.unwrap_or_else(|| panic!("{name}: {skipped} left out for {place:?}"));
            if *ack == Ack::Doubtful {
                *ack = Ack::Done;
            }
        }
        *end = offset + 1;
        self.held.push((tag, place));
    }

    /// Takes some, acknowledges some.
    fn work(&mut self, peer: &mut Peer, book: &mut Book, random: &mut u64) {
        for _ in 0..1 + next(random) % self.pace.0 {
            let Some(got) = peer.delivery_within(1, SHORTLY) else {
                break;
            };
            let (place, _) = book.note(&got);
            self.arrive(place, got.tag);
        }
        for (tag, place) in std::mem::take(&mut self.held) {
            if next(random) % 100 < self.pace.1 {
                peer.send(1, &basic::ack(tag, ""));
                self.acks.insert(place, Ack::Sent);
            } else {
                self.held.push((tag, place));
            }
        }
    }

    /// What it has sent was heard by now.
    fn heard(&mut self) {
        let now = Instant::now();
        for ack in self.acks.values_mut().filter(|ack| **ack == Ack::Sent) {
            *ack = Ack::Heard(now);
        }
    }

    /// The broker was killed; what was done until then is on disk.
    fn killed(&mut self, on_disk: Option<Instant>) {
        for ack in self.acks.values_mut() {
            *ack = match *ack {
                Ack::Heard(then) if on_disk.is_some_and(|end| then <= end) => Ack::Done,
                Ack::Sent | Ack::Heard(_) => Ack::Doubtful,
                known => known,
            };
        }
        self.held.clear();
        self.ends.clear();
    }

    /// Takes all that is left.
    fn finish(&mut self, peer: &mut Peer, book: &mut Book) {
        let mut left: BTreeSet<Place> = book.seen.keys().copied().collect();
        left.retain(|place| !self.acks.contains_key(place));
        while !left.is_empty() {
            let got = peer.delivery(1);
            let (place, _) = book.note(&got);
            self.arrive(place, got.tag);
            peer.send(1, &basic::ack(got.tag, ""));
            self.acks.insert(place, Ack::Sent);
            left.remove(&place);
        }
        // The rest of what was doubtful, if it comes.
        while let Some(got) = peer.delivery_within(1, SHORTLY) {
            self.arrive(book.note(&got).0, got.tag);
        }
        peer.send(1, &basic::ack(0, "multiple"));
        peer.open(9);
    }
}

fn consume(peer: &mut Peer, channel: u16, name: &str, prefetch: u16, arguments: Table) {
    peer.prefetch(channel, prefetch);
    let consume = basic::consume(name, "c", "", arguments);
    peer.ask(channel, &consume, &basic::consume_ok("c"));
}

/// Publishes some; returns when.
fn publish(peer: &mut Peer, name: &str, book: &mut Book, random: &mut u64) -> (u64, Instant) {
    for _ in 0..1 + next(random) % 40 {
        let properties = Properties {
            headers: Some(table! { "key" => format!("k{}", book.next % KEYS) }),
            ..Properties::persistent()
        };
        peer.publish_with(1, "", name, "", &properties, body(book.next));
        book.next += 1;
    }
    (book.next, Instant::now())
}

/// One life of the broker, to its kill.
fn life(home: &mut Home, name: &str, book: &mut Book, groups: &mut [Group; 2], random: &mut u64) {
    let mut publisher = home.channel();
    publisher.confirm(1);
    let base = book.next;
    let mut peers: Vec<Peer> = groups.iter().map(|one| one.consumer(home, name)).collect();
    // Ends of what was published at once, and when that was.
    let mut bursts: Vec<(u64, Instant)> = Vec::new();
    let end = Instant::now() + Duration::from_millis(30 + next(random) % 800);
    while Instant::now() < end {
        bursts.push(publish(&mut publisher, name, book, random));
        publisher.acked_within(1, Duration::ZERO);
        for (group, peer) in groups.iter_mut().zip(&mut peers) {
            group.work(peer, book, random);
            // Answered behind the acks.
            peer.counts(2, name);
            group.heard();
        }
    }
    let is_quiet = next(random).is_multiple_of(4);
    if is_quiet {
        home.settle(End::Kill);
    } else {
        bursts.push(publish(&mut publisher, name, book, random));
        for (group, peer) in groups.iter_mut().zip(&mut peers) {
            group.work(peer, book, random);
        }
        std::thread::sleep(Duration::from_millis(next(random) % 5));
    }
    let quiet = is_quiet.then(Instant::now);
    home.end(End::Kill);
    let confirmed = base + publisher.acked_within(1, SHORTLY);
    book.confirmed.extend(base..confirmed);
    // What the broker had heard before it got something that it confirmed is on disk like that.
    let proven = bursts.iter().rfind(|(end, _)| *end <= confirmed);
    let on_disk = quiet.or(proven.map(|(_, then)| *then));
    for group in groups {
        group.killed(on_disk);
    }
}

fn campaign(settings: &[&str], arguments: Table, mut random: u64) {
    let mut home = Home::with(settings);
    let name = "s";
    let mut all = table! { "x-queue-type" => "stream" };
    all.0.extend(arguments.0);
    let declare = queue::declare(name, "durable", all);
    home.channel()
        .ask(1, &declare, &queue::declare_ok(name, 0, 0));
    let mut book = Book::default();
    let mut groups = [
        Group::new("quick", 300, (200, 80)),
        Group::new("slow", 20, (20, 40)),
    ];
    for _ in 0..LIVES {
        life(&mut home, name, &mut book, &mut groups, &mut random);
        for _ in 0..next(&mut random) % 3 {
            // Killed again while it recovers.
            let broker = home.spawn();
            std::thread::sleep(Duration::from_millis(next(&mut random) % 80));
            broker.kill();
        }
        home.start();
        book.replay(&mut home.channel(), name);
    }
    for group in &mut groups {
        let mut peer = group.consumer(&home, name);
        group.finish(&mut peer, &mut book);
    }
    home.settle(End::Kill);
    home.restart(End::Kill);
    for group in &groups {
        group.consumer(&home, name).quiet(1, name);
    }
    book.replay(&mut home.channel(), name);
}

#[test]
fn a_stream_and_two_groups_go_on_where_they_were_whenever_the_broker_is_killed() {
    campaign(&[], table! {}, 1);
}

#[test]
fn the_same_with_partitions_and_checkpoints_all_the_time_and_little_memory() {
    let settings = [
        "checkpoint_interval_size=1MiB",
        "message_memory_budget=1MiB",
    ];
    let arguments = table! { "x-partitions" => Value::I32(4), "x-partition-key" => "key" };
    campaign(&settings, arguments, 2);
}
