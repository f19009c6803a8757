//! A random program of one connection, made phase by phase: a phase settles what came in the phases before it.
//!
//! Where RabbitMQ's own answer would depend on timing, the program leaves it out: a queue has one consumer and a channel too;
//! in a phase a queue takes back deliveries once; a queue with a consumer is deleted in a phase of its own; nobody publishes to the
//! queue that gets the dead letters.

use std::collections::BTreeSet;

use leveret::wire::content::write_content;
use leveret::wire::{frame, method};

use crate::Item;

/// channel.close.
pub const CHANNEL_CLOSE: u32 = id(20, 40);

/// Topology and basic.get.
const WORK: u16 = 1;
/// One consumer each, and its queue.
const CONSUMERS: [(u16, &str); 3] = [(2, "q2"), (3, "q3"), (4, "dead")];
const CONFIRM: u16 = 5;
const TX: u16 = 6;
const PLAIN: u16 = 7;
/// The highest channel.
pub const CHANNELS: u16 = 7;
const QUEUES: [&str; 4] = ["q0", "q1", "q2", "q3"];
const KEYS: [&str; 6] = ["q0", "q1", "q2", "q3", "a.b", "nowhere"];
const EXCHANGES: [&str; 5] = ["", "amq.fanout", "amq.topic", "x0", "x1"];

const fn id(class: u32, method: u32) -> u32 {
    class << 16 | method
}

/// SplitMix64.
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// Below `bound`, which is not 0.
    pub fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ (mixed >> 31)) % bound as u64) as usize
    }

    fn one_of<'a>(&mut self, all: &[&'a str]) -> &'a str {
        all[self.below(all.len())]
    }

    fn chance(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }
}

/// A short string as it is sent.
pub fn short(text: &str) -> Vec<u8> {
    [&[text.len() as u8], text.as_bytes()].concat()
}

/// Appends a method frame.
pub fn method_frame(out: &mut Vec<u8>, channel: u16, id: u32, fields: &[&[u8]]) {
    let begun = frame::begin(out, frame::METHOD, channel);
    out.extend_from_slice(&id.to_be_bytes());
    for field in fields {
        out.extend_from_slice(field);
    }
    frame::end(out, begun);
}

/// A delivery that can be settled.
struct Unacked {
    channel: u16,
    tag: u64,
    queue: &'static str,
}

/// See the module.
pub struct Program {
    random: Random,
    out: Vec<u8>,
    unacked: Vec<Unacked>,
    /// Channels whose consumer is there.
    consuming: BTreeSet<u16>,
    /// Consumers that settle at once.
    no_ack: BTreeSet<u16>,
    /// Queues of the gets of this phase that are to be settled or not.
    gets: Vec<(&'static str, bool)>,
    requeued: BTreeSet<&'static str>,
    /// Queues whose consumer's channel has a shared limit, or had one.
    limited: BTreeSet<&'static str>,
    closed: Vec<u16>,
    /// Number of the next message.
    message: u32,
    started: bool,
}

impl Program {
    pub fn new(seed: u64) -> Self {
        Self {
            random: Random::new(seed),
            out: Vec::new(),
            unacked: Vec::new(),
            consuming: BTreeSet::new(),
            no_ack: BTreeSet::new(),
            gets: Vec::new(),
            requeued: BTreeSet::new(),
            limited: BTreeSet::new(),
            closed: Vec::new(),
            message: 0,
            started: false,
        }
    }

    /// What the peer that is fed frame by frame was answered in this phase.
    pub fn answered(&mut self, items: &[Item]) {
        let mut gets = std::mem::take(&mut self.gets).into_iter();
        for (channel, payload, ..) in items {
            let channel = *channel;
            match method::id(payload) {
                Some(method::BASIC_DELIVER) if !self.no_ack.contains(&channel) => {
                    let tag = method::parse_deliver(payload).expect("sound").delivery_tag;
                    let (_, queue) = CONSUMERS[channel as usize - 2];
                    self.unacked.push(Unacked {
                        channel,
                        tag,
                        queue,
                    });
                }
                Some(method::BASIC_GET_OK) => {
                    let tag = method::parse_get_ok(payload).expect("sound").delivery_tag;
                    let (queue, no_ack) = gets.next().expect("it was asked for");
                    if !no_ack {
                        self.unacked.push(Unacked {
                            channel,
                            tag,
                            queue,
                        });
                    }
                }
                Some(id) if id == self::id(60, 72) => drop(gets.next()),
                // basic.cancel: its queue is gone.
                Some(id) if id == self::id(60, 30) => {
                    self.consuming.remove(&channel);
                }
                Some(CHANNEL_CLOSE) => {
                    self.unacked.retain(|one| one.channel != channel);
                    self.consuming.remove(&channel);
                    self.closed.push(channel);
                }
                _ => {}
            }
        }
    }

    /// The bytes of the next phase.
    pub fn phase(&mut self) -> Vec<u8> {
        self.requeued.clear();
        if !std::mem::replace(&mut self.started, true) {
            for channel in 1..=7 {
                self.open(channel);
            }
            for queue in QUEUES {
                self.declare(queue);
            }
            self.declare("dead");
            return std::mem::take(&mut self.out);
        }
        for channel in std::mem::take(&mut self.closed) {
            self.method(channel, id(20, 41), &[]);
            self.open(channel);
        }
        if self.random.chance(6) {
            let (_, queue) = CONSUMERS[self.random.below(2)];
            self.method(WORK, id(50, 40), &[&[0, 0], &short(queue), &[0]]);
            return std::mem::take(&mut self.out);
        }
        for _ in 0..5 + self.random.below(40) {
            self.step();
        }
        std::mem::take(&mut self.out)
    }

    fn method(&mut self, channel: u16, id: u32, fields: &[&[u8]]) {
        method_frame(&mut self.out, channel, id, fields);
    }

    fn open(&mut self, channel: u16) {
        self.method(channel, id(20, 10), &[&[0]]);
        match channel {
            CONFIRM => self.method(channel, id(85, 10), &[&[0]]),
            TX => self.method(channel, id(90, 10), &[]),
            _ => {}
        }
    }

    /// q0 holds three messages and sends the others to `dead`, q1 holds 300 bytes.
    fn declare(&mut self, queue: &str) {
        let mut table = Vec::new();
        let number = |table: &mut Vec<u8>, name: &str, value: u32| {
            table.extend_from_slice(&short(name));
            table.push(b'I');
            table.extend_from_slice(&value.to_be_bytes());
        };
        let text = |table: &mut Vec<u8>, name: &str, value: &str| {
            table.extend_from_slice(&short(name));
            table.push(b'S');
            table.extend_from_slice(&(value.len() as u32).to_be_bytes());
            table.extend_from_slice(value.as_bytes());
        };
        match queue {
            "q0" => {
                number(&mut table, "x-max-length", 3);
                text(&mut table, "x-dead-letter-exchange", "");
                text(&mut table, "x-dead-letter-routing-key", "dead");
            }
            "q1" => number(&mut table, "x-max-length-bytes", 300),
            _ => {}
        }
        let length = (table.len() as u32).to_be_bytes();
        let durable = 2;
        self.method(
            WORK,
            id(50, 10),
            &[&[0, 0], &short(queue), &[durable], &length, &table],
        );
    }

    fn step(&mut self) {
        match self.random.below(100) {
            0..45 => self.publish(),
            45..60 => self.settle(),
            60..68 => self.get(),
            68..76 => self.consumer(),
            76..80 => self.qos(),
            80..84 => {
                let method = if self.random.chance(70) { 20 } else { 30 };
                self.method(TX, id(90, method), &[]);
            }
            84..94 => self.topology(),
            94..97 => {
                let queue = self.random.one_of(&["q0", "q1", "q2", "q3", "dead"]);
                self.method(WORK, id(50, 30), &[&[0, 0], &short(queue), &[0]]);
            }
            97 => {
                let queue = self.random.one_of(&["q0", "q1"]);
                let if_empty = if self.random.chance(50) { 2 } else { 0 };
                self.method(WORK, id(50, 40), &[&[0, 0], &short(queue), &[if_empty]]);
                self.declare(queue);
            }
            _ => self.fault(),
        }
    }

    fn publish(&mut self) {
        for _ in 0..1 + self.random.below(4) {
            let channel = [CONFIRM, TX, PLAIN, PLAIN][self.random.below(4)];
            let exchange = self
                .random
                .one_of(&EXCHANGES[..3 + self.random.0 as usize % 3]);
            let key = self.random.one_of(&KEYS);
            let mandatory = u8::from(self.random.chance(30));
            self.method(
                channel,
                method::BASIC_PUBLISH,
                &[&[0, 0], &short(exchange), &short(key), &[mandatory]],
            );
            let mut properties = vec![0u8, 0];
            if self.random.chance(30) {
                properties[0] |= 0x10;
                properties.push(2);
            }
            // In a queue with both, batching may make a message die of the length instead of the time.
            if self.random.chance(10) && exchange.is_empty() && key != "q0" {
                properties[0] |= 1;
                properties.extend_from_slice(b"\x010");
            }
            let most = [1, 40, 400, 30_000][self.random.below(40).saturating_sub(36)];
            let length = self.random.below(most);
            self.message += 1;
            let mut body = self.message.to_string().into_bytes();
            body.resize(body.len() + length, b'.');
            let frame_max = [4096, 131_072][self.random.below(2)];
            write_content(&mut self.out, channel, &properties, &body, frame_max);
        }
    }

    fn settle(&mut self) {
        if self.unacked.is_empty() {
            return;
        }
        let index = self.random.below(self.unacked.len());
        let Unacked {
            channel,
            tag,
            queue,
        } = self.unacked[index];
        let multiple = self.random.chance(25);
        let (settled, kept): (Vec<Unacked>, Vec<Unacked>) = std::mem::take(&mut self.unacked)
            .into_iter()
            .partition(|one| {
                one.channel == channel && (one.tag == tag || multiple && one.tag < tag)
            });
        let mut queues: BTreeSet<&str> = settled.iter().map(|one| one.queue).collect();
        queues.insert(queue);
        // Dead letters come when they come: what goes back to their queue may do so before or after them.
        // A shared limit that has room again is seen after a round's settles.
        let may_requeue = queues.is_disjoint(&self.requeued)
            && queues.is_disjoint(&self.limited)
            && !queues.contains("dead");
        self.unacked = kept;
        let tag = tag.to_be_bytes();
        match self.random.below(4) {
            0 if may_requeue => {
                self.requeued.extend(queues);
                let bits = 2 | u8::from(multiple);
                self.method(channel, method::BASIC_NACK, &[&tag, &[bits]]);
            }
            1 => self.method(channel, method::BASIC_NACK, &[&tag, &[u8::from(multiple)]]),
            _ => self.method(channel, method::BASIC_ACK, &[&tag, &[u8::from(multiple)]]),
        }
    }

    fn get(&mut self) {
        let queue = self.random.one_of(&QUEUES);
        let no_ack = self.random.chance(40);
        self.gets.push((queue, no_ack));
        let fields: [&[u8]; 3] = [&[0, 0], &short(queue), &[u8::from(no_ack)]];
        self.method(WORK, id(60, 70), &fields);
    }

    /// A consumer comes or goes.
    fn consumer(&mut self) {
        let (channel, queue) = CONSUMERS[self.random.below(CONSUMERS.len())];
        if self.consuming.remove(&channel) {
            self.method(channel, id(60, 30), &[&short("c"), &[0]]);
            return;
        }
        // What comes to a channel is to be settled or not for the whole phase.
        if self.random.chance(10) && self.unacked.iter().all(|one| one.channel != channel) {
            self.no_ack.insert(channel);
        }
        let bits = if self.no_ack.contains(&channel) { 2 } else { 0 };
        self.consuming.insert(channel);
        let fields: [&[u8]; 5] = [&[0, 0], &short(queue), &short("c"), &[bits], &[0; 4]];
        self.method(channel, id(60, 20), &fields);
    }

    fn qos(&mut self) {
        let (channel, queue) = CONSUMERS[self.random.below(CONSUMERS.len())];
        let count = self.random.below(4) as u8;
        // What is on its way when the shared limit changes is counted as before: there, timing shows.
        let global = u8::from(self.random.chance(50) && !self.consuming.contains(&channel));
        if global == 1 {
            self.limited.insert(queue);
        }
        self.method(channel, id(60, 10), &[&[0; 4], &[0, count], &[global]]);
    }

    fn topology(&mut self) {
        let exchange = self.random.one_of(&["amq.fanout", "amq.topic", "x0"]);
        let queue = self.random.one_of(&QUEUES);
        let key = self.random.one_of(&["q0", "a.b", "#", "*.b"]);
        match self.random.below(6) {
            0..3 => {
                let fields: [&[u8]; 6] = [
                    &[0, 0],
                    &short(queue),
                    &short(exchange),
                    &short(key),
                    &[0],
                    &[0; 4],
                ];
                self.method(WORK, id(50, 20), &fields);
            }
            3 => {
                let fields: [&[u8]; 5] = [
                    &[0, 0],
                    &short(queue),
                    &short(exchange),
                    &short(key),
                    &[0; 4],
                ];
                self.method(WORK, id(50, 50), &fields);
            }
            4 => {
                let fields: [&[u8]; 5] = [&[0, 0], &short("x0"), &short("direct"), &[0], &[0; 4]];
                self.method(WORK, id(40, 10), &fields);
            }
            _ => self.declare(queue),
        }
    }

    /// What closes a channel, or could.
    fn fault(&mut self) {
        match self.random.below(4) {
            0 => self.method(WORK, id(40, 20), &[&[0, 0], &short("x0"), &[0]]),
            1 => self.method(
                WORK,
                id(50, 10),
                &[&[0, 0], &short("missing"), &[1], &[0; 4]],
            ),
            2 => self.method(WORK, method::BASIC_ACK, &[&999_999u64.to_be_bytes(), &[0]]),
            _ => self.method(TX, id(85, 10), &[&[0]]),
        }
    }
}
