//! A client of one part: publishes with confirms on one channel, gets and settles on another; consumes on others.

use std::collections::{BTreeMap, VecDeque};

use leveret::wire::method::*;

use crate::simulator::model::{self, Verdict};
use crate::simulator::wire::{self, Fields, Item, method, short};

/// Publishes, definitions.
const FIRST: u16 = 1;
/// Gets.
const SECOND: u16 = 2;

/// See the module.
pub struct Peer {
    pub number: usize,
    /// What the session has not taken yet.
    pub out: Vec<u8>,
    said: Vec<u8>,
    /// Methods that somebody waits for.
    pub answers: VecDeque<Item>,
    /// What came to consumers.
    pub deliveries: VecDeque<Item>,
    published: u64,
    /// Ids of messages without a confirm, by their delivery tags.
    pub outstanding: BTreeMap<u64, u64>,
    /// What was confirmed, refused since somebody has looked.
    pub confirmed: Vec<u64>,
    pub refused: Vec<u64>,
    /// The broker has closed the connection.
    pub closed: Option<String>,
    /// It is not listened to any more, and connects anew.
    pub gives_up: bool,
}

/// A message that was got.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Got {
    pub tag: u64,
    pub id: u64,
    pub redelivered: bool,
    /// `x-delivery-count`.
    pub count: Option<u64>,
    /// It died of its delivery limit.
    pub over_limit: bool,
    /// `x-stream-offset`.
    pub offset: Option<u64>,
}

impl Got {
    /// What a get was answered.
    pub fn of(item: &Item) -> Verdict<Option<Self>> {
        if item.id == BASIC_GET_EMPTY {
            return Ok(None);
        }
        if item.id != BASIC_GET_OK {
            return Err(format!("{:#x} instead of get-ok", item.id));
        }
        Self::read(item).map(Some)
    }

    /// What a get-ok or a delivery brings.
    pub fn read(item: &Item) -> Verdict<Self> {
        let message = item.message();
        let id = message.body.get(..8).map(|id| Fields(id).u64());
        let id = id.ok_or_else(|| format!("a message without its id: {message:?}"))?;
        if message.body != body(id) {
            return Err(format!("the body of {id} has changed"));
        }
        let behind = |name: &[u8], bytes: usize| {
            let at = find(message.properties, name)? + name.len();
            message.properties.get(at..at + bytes)
        };
        Ok(Self {
            tag: message.tag,
            id,
            redelivered: message.redelivered,
            count: behind(b"\x10x-delivery-countl", 8).map(|count| Fields(count).u64()),
            over_limit: find(message.properties, b"delivery_limit").is_some(),
            offset: behind(b"\x0fx-stream-offsetl", 8).map(|offset| Fields(offset).u64()),
        })
    }
}

fn find(bytes: &[u8], part: &[u8]) -> Option<usize> {
    bytes.windows(part.len()).position(|window| window == part)
}

/// The body of a message: its id and, of some, much more.
pub fn body(id: u64) -> Vec<u8> {
    let length = match id % 17 {
        0 => 3000,
        1 => 20_000,
        _ => id % 200,
    };
    [id.to_be_bytes().to_vec(), model::body(id, length as usize)].concat()
}

/// What a message has beside its body.
#[derive(Default)]
pub struct Wanted {
    pub transient: bool,
    pub priority: Option<u8>,
    pub message_id: Option<String>,
    pub headers: Vec<(&'static str, Vec<u8>)>,
}

impl Wanted {
    fn block(&self) -> Vec<u8> {
        // headers 0x2000, delivery-mode 0x1000, priority 0x0800, message-id 0x0080.
        let mut flags = 0x1000u16;
        let mut block = Vec::new();
        if !self.headers.is_empty() {
            flags |= 0x2000;
            block.extend(wire::table(&self.headers));
        }
        block.push(if self.transient { 1 } else { 2 });
        if let Some(priority) = self.priority {
            flags |= 0x0800;
            block.push(priority);
        }
        if let Some(id) = &self.message_id {
            flags |= 0x0080;
            block.extend(short(id));
        }
        [&flags.to_be_bytes()[..], &block].concat()
    }
}

impl Peer {
    pub fn new(number: usize) -> Self {
        Self {
            number,
            out: Vec::new(),
            said: Vec::new(),
            answers: VecDeque::new(),
            deliveries: VecDeque::new(),
            published: 0,
            outstanding: BTreeMap::new(),
            confirmed: Vec::new(),
            refused: Vec::new(),
            closed: None,
            gives_up: false,
        }
    }

    /// The connection is gone; returns which messages were never confirmed.
    pub fn forget(&mut self) -> Vec<u64> {
        let doubtful = std::mem::take(&mut self.outstanding);
        *self = Self {
            confirmed: std::mem::take(&mut self.confirmed),
            ..Self::new(self.number)
        };
        doubtful.into_values().collect()
    }

    /// Opens the connection and its channels.
    pub fn greet(&mut self) {
        self.out = wire::opening();
        self.send(FIRST, CHANNEL_OPEN, &[&[0]]);
        self.send(FIRST, CONFIRM_SELECT, &[&[0]]);
        self.send(SECOND, CHANNEL_OPEN, &[&[0]]);
    }

    fn send(&mut self, channel: u16, id: u32, fields: &[&[u8]]) {
        self.out.extend(method(channel, id, fields));
    }

    pub fn ask_declare(&mut self, queue: &str, arguments: &[(&str, Vec<u8>)]) {
        let arguments = wire::table(arguments);
        let fields: [&[u8]; 4] = [&[0, 0], &short(queue), &[2], &arguments];
        self.send(FIRST, QUEUE_DECLARE, &fields);
    }

    /// Asks how many messages are ready.
    pub fn ask_count(&mut self, queue: &str) {
        self.send(
            FIRST,
            QUEUE_DECLARE,
            &[&[0, 0], &short(queue), &[1], &[0; 4]],
        );
    }

    pub fn ask_purge(&mut self, queue: &str) {
        self.send(FIRST, QUEUE_PURGE, &[&[0, 0], &short(queue), &[0]]);
    }

    pub fn ask_exchange(&mut self, name: &str, kind: &str, arguments: &[(&str, Vec<u8>)]) {
        let names = [short(name), short(kind)].concat();
        let arguments = wire::table(arguments);
        let fields: [&[u8]; 4] = [&[0, 0], &names, &[2], &arguments];
        self.send(FIRST, EXCHANGE_DECLARE, &fields);
    }

    pub fn ask_bind(&mut self, queue: &str, exchange: &str) {
        let names = [short(queue), short(exchange), short("")].concat();
        self.send(FIRST, QUEUE_BIND, &[&[0, 0], &names, &[0; 5]]);
    }

    pub fn ask_get(&mut self, queue: &str) {
        self.send(SECOND, BASIC_GET, &[&[0, 0], &short(queue), &[0]]);
    }

    /// Publishes; the id stands in the body.
    pub fn publish(&mut self, exchange: &str, key: &str, id: u64, wanted: &Wanted) {
        let frame_max = wire::FRAME_MAX as usize;
        let properties = wanted.block();
        let bytes = wire::publish(FIRST, exchange, key, &properties, &body(id), frame_max);
        self.out.extend(bytes);
        self.published += 1;
        self.outstanding.insert(self.published, id);
    }

    pub fn ack(&mut self, tag: u64) {
        self.send(SECOND, BASIC_ACK, &[&tag.to_be_bytes(), &[0]]);
    }

    pub fn requeue(&mut self, tag: u64) {
        self.send(SECOND, BASIC_NACK, &[&tag.to_be_bytes(), &[2]]);
    }

    /// Gives back all that was got.
    pub fn requeue_all(&mut self) {
        self.send(SECOND, BASIC_NACK, &[&[0; 8], &[3]]);
    }

    /// Consumes on a channel of its own.
    pub fn ask_consume(
        &mut self,
        channel: u16,
        queue: &str,
        tag: &str,
        prefetch: u16,
        arguments: &[(&str, Vec<u8>)],
    ) {
        self.send(channel, CHANNEL_OPEN, &[&[0]]);
        self.send(
            channel,
            BASIC_QOS,
            &[&[0; 4], &prefetch.to_be_bytes(), &[0]],
        );
        let names = [short(queue), short(tag)].concat();
        let arguments = wire::table(arguments);
        self.send(channel, BASIC_CONSUME, &[&[0, 0], &names, &[0], &arguments]);
    }

    /// Closes such a channel: what it has goes back.
    pub fn ask_close(&mut self, channel: u16) {
        self.send(channel, CHANNEL_CLOSE, &[&[0, 200], &[0], &[0; 4]]);
    }

    /// Settles what came on such a channel.
    pub fn settle(&mut self, channel: u16, tag: u64, requeue: bool) {
        let (method, flags) = if requeue {
            (BASIC_NACK, 2)
        } else {
            (BASIC_ACK, 0)
        };
        self.send(channel, method, &[&tag.to_be_bytes(), &[flags]]);
    }

    /// What the session has said.
    pub fn hear(&mut self, bytes: &[u8]) -> Verdict {
        self.said.extend_from_slice(bytes);
        for item in wire::items(&mut self.said)? {
            let mut fields = Fields(&item.fields);
            let mut code = || u32::from(fields.u8()) << 8 | u32::from(fields.u8());
            match item.id {
                CONNECTION_START | CONNECTION_TUNE | CONNECTION_OPEN_OK | CHANNEL_OPEN_OK
                | CONFIRM_SELECT_OK | BASIC_QOS_OK | CONNECTION_BLOCKED | CONNECTION_UNBLOCKED => {}
                BASIC_ACK | BASIC_NACK => {
                    let (tag, flags) = (fields.u64(), fields.u8());
                    let from = if flags & 1 != 0 { 0 } else { tag };
                    let done: Vec<u64> = self
                        .outstanding
                        .range(from..=tag)
                        .map(|(tag, _)| *tag)
                        .collect();
                    if done.is_empty() {
                        return Err(format!("a confirm of {tag}, which was not waited for"));
                    }
                    let ids = done.iter().filter_map(|tag| self.outstanding.remove(tag));
                    if item.id == BASIC_ACK {
                        self.confirmed.extend(ids);
                    } else {
                        self.refused.extend(ids);
                    }
                }
                CHANNEL_CLOSE => {
                    let code = code();
                    return Err(format!("the channel is closed: {code} {}", fields.short()));
                }
                CONNECTION_CLOSE => {
                    let code = code();
                    self.closed = Some(format!("{code} {}", fields.short()));
                }
                BASIC_DELIVER => self.deliveries.push_back(item),
                _ => self.answers.push_back(item),
            }
        }
        Ok(())
    }
}
