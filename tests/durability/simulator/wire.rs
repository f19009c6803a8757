//! What a client writes and reads, as bytes: its own few lines, so that a fault of the broker's is not shared.

use leveret::wire::frame::{self, Cut};
use leveret::wire::method::{self, *};

/// Bytes of a frame that both sides agree on.
pub const FRAME_MAX: u32 = 131_072;

/// A short string.
pub fn short(text: &str) -> Vec<u8> {
    [&[text.len() as u8], text.as_bytes()].concat()
}

/// A table of (name, type and value as bytes).
pub fn table(fields: &[(&str, Vec<u8>)]) -> Vec<u8> {
    let inner: Vec<u8> = fields
        .iter()
        .flat_map(|(name, value)| [short(name), value.clone()].concat())
        .collect();
    [&(inner.len() as u32).to_be_bytes()[..], &inner].concat()
}

/// A number in a table.
pub fn number(value: u32) -> Vec<u8> {
    [&b"I"[..], &value.to_be_bytes()].concat()
}

/// A text in a table.
pub fn text(value: &str) -> Vec<u8> {
    let length = (value.len() as u32).to_be_bytes();
    [&b"S"[..], &length, value.as_bytes()].concat()
}

/// A method frame.
pub fn method(channel: u16, id: u32, fields: &[&[u8]]) -> Vec<u8> {
    let payload = [&id.to_be_bytes()[..], &fields.concat()].concat();
    framed(1, channel, &payload)
}

fn framed(kind: u8, channel: u16, payload: &[u8]) -> Vec<u8> {
    let mut out = vec![kind];
    out.extend_from_slice(&channel.to_be_bytes());
    out.extend_from_slice(&(payload.len() as u32).to_be_bytes());
    out.extend_from_slice(payload);
    out.push(0xCE);
    out
}

/// A whole publish; the body in frames of at most `frame_max` bytes.
pub fn publish(
    channel: u16,
    exchange: &str,
    key: &str,
    properties: &[u8],
    body: &[u8],
    frame_max: usize,
) -> Vec<u8> {
    let names = [short(exchange), short(key)].concat();
    let mut out = method(channel, BASIC_PUBLISH, &[&[0, 0], &names, &[0]]);
    let mut header = vec![0, 60, 0, 0];
    header.extend_from_slice(&(body.len() as u64).to_be_bytes());
    header.extend_from_slice(properties);
    out.extend(framed(2, channel, &header));
    for part in body.chunks(frame_max - 8) {
        out.extend(framed(3, channel, part));
    }
    out
}

/// Header, start-ok, tune-ok, open.
pub fn opening() -> Vec<u8> {
    let yes = |name: &str| (name.to_owned(), b"t\x01".to_vec());
    let capabilities = [
        yes("consumer_cancel_notify"),
        yes("connection.blocked"),
        yes("basic.nack"),
    ];
    let capabilities: Vec<(&str, Vec<u8>)> = capabilities
        .iter()
        .map(|(name, value)| (name.as_str(), value.clone()))
        .collect();
    let capabilities = [&b"F"[..], &table(&capabilities)].concat();
    let client = table(&[("capabilities", capabilities)]);
    let start_ok = [&client[..], b"\x05PLAIN\0\0\0\x0c\0guest\0guest\x05en_US"].concat();
    let tune_ok = [&[7, 255][..], &FRAME_MAX.to_be_bytes(), &[0, 0]].concat();
    [
        b"AMQP\0\0\x09\x01".to_vec(),
        method(0, CONNECTION_START_OK, &[&start_ok]),
        method(0, CONNECTION_TUNE_OK, &[&tune_ok]),
        method(0, CONNECTION_OPEN, &[b"\x01/\0\0"]),
    ]
    .concat()
}

/// A method with its content, if it has one.
#[derive(Debug)]
pub struct Item {
    pub channel: u16,
    pub id: u32,
    /// Behind the method's id.
    pub fields: Vec<u8>,
    /// Property block.
    pub properties: Vec<u8>,
    pub body: Vec<u8>,
}

/// What a delivery or a get-ok brings.
#[derive(Debug)]
pub struct Message<'a> {
    pub consumer: String,
    pub tag: u64,
    pub redelivered: bool,
    pub exchange: String,
    pub key: String,
    pub properties: &'a [u8],
    pub body: &'a [u8],
}

/// Reads fields one behind the other.
pub struct Fields<'a>(pub &'a [u8]);

impl Fields<'_> {
    fn take(&mut self, count: usize) -> &[u8] {
        let (taken, rest) = self.0.split_at(count);
        self.0 = rest;
        taken
    }

    pub fn u8(&mut self) -> u8 {
        self.take(1)[0]
    }

    pub fn u32(&mut self) -> u32 {
        self.take(4)
            .iter()
            .fold(0, |all, one| all << 8 | u32::from(*one))
    }

    pub fn u64(&mut self) -> u64 {
        self.take(8)
            .iter()
            .fold(0, |all, one| all << 8 | u64::from(*one))
    }

    pub fn short(&mut self) -> String {
        let length = self.u8() as usize;
        String::from_utf8_lossy(self.take(length)).into_owned()
    }
}

impl Item {
    pub fn message(&self) -> Message<'_> {
        let mut fields = Fields(&self.fields);
        let consumer = if self.id == BASIC_DELIVER {
            fields.short()
        } else {
            String::new()
        };
        Message {
            consumer,
            tag: fields.u64(),
            redelivered: fields.u8() != 0,
            exchange: fields.short(),
            key: fields.short(),
            properties: &self.properties,
            body: &self.body,
        }
    }
}

/// Cuts what a session has said into methods. What is left is a method whose content is not there yet.
pub fn items(bytes: &mut Vec<u8>) -> Result<Vec<Item>, String> {
    let mut items: Vec<Item> = Vec::new();
    let mut missing = 0;
    let (mut whole, mut at) = (0, 0);
    while let Cut::Whole { frame, used } = frame::cut(&bytes[at..], 0) {
        at += used;
        let payload = frame.payload;
        match (frame.kind, items.last_mut()) {
            (frame::METHOD, _) => {
                if missing != 0 {
                    return Err("a method where content should be".into());
                }
                let id = method::id(payload).ok_or("a method without id")?;
                items.push(Item {
                    channel: frame.channel,
                    id,
                    fields: payload[4..].to_vec(),
                    properties: Vec::new(),
                    body: Vec::new(),
                });
                missing = match id {
                    BASIC_DELIVER | BASIC_GET_OK | BASIC_RETURN => u64::MAX,
                    _ => 0,
                };
            }
            (frame::HEADER, Some(item)) if missing == u64::MAX => {
                missing = Fields(&payload[4..]).u64();
                item.properties = payload[12..].to_vec();
            }
            (frame::BODY, Some(item)) if missing != u64::MAX => {
                missing = missing
                    .checked_sub(payload.len() as u64)
                    .ok_or("a body longer than its header says")?;
                item.body.extend_from_slice(payload);
            }
            (frame::HEARTBEAT, _) => {}
            (kind, _) => return Err(format!("a frame of kind {kind} in the wrong place")),
        }
        if missing == 0 {
            whole = at;
        }
    }
    if missing != 0 {
        items.pop();
    }
    bytes.drain(..whole);
    Ok(items)
}

/// Fields of a property block that the simulator writes.
pub struct Properties {
    pub persistent: bool,
    /// Milliseconds.
    pub expiration: Option<u64>,
    pub priority: Option<u8>,
    /// A header of so many bytes.
    pub padding: Option<usize>,
}

/// A property block; the message id is how the checker knows the message.
pub fn properties(wanted: &Properties, id: u64) -> Vec<u8> {
    let mut flags = 0x80 | 0x1000u16;
    let mut block = short("text/plain");
    // content-type is 0x8000, headers 0x2000, delivery-mode 0x1000, priority 0x0800, expiration 0x0100, message-id 0x0080.
    flags |= 0x8000;
    if let Some(bytes) = wanted.padding {
        flags |= 0x2000;
        block.extend(table(&[("padding", text(&"p".repeat(bytes)))]));
    }
    block.push(if wanted.persistent { 2 } else { 1 });
    if let Some(priority) = wanted.priority {
        flags |= 0x0800;
        block.push(priority);
    }
    if let Some(expiration) = wanted.expiration {
        flags |= 0x0100;
        block.extend(short(&expiration.to_string()));
    }
    block.extend(short(&format!("id{id}")));
    [&flags.to_be_bytes()[..], &block].concat()
}

/// The message id of a property block, whoever wrote it.
pub fn message_id(properties: &[u8]) -> Option<u64> {
    let mut fields = Fields(properties.get(2..)?);
    let flags = u16::from_be_bytes([properties[0], properties[1]]);
    for bit in (8..16).rev().filter(|bit| flags & (1 << bit) != 0) {
        match bit {
            15 | 14 | 10 | 9 | 8 => drop(fields.short()),
            13 => {
                let length = fields.u32() as usize;
                fields.take(length);
            }
            _ => drop(fields.u8()),
        }
    }
    (flags & 0x80 != 0)
        .then(|| fields.short())?
        .strip_prefix("id")?
        .parse()
        .ok()
}
