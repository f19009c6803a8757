//! One message, as cheap to share as a pointer. How it lies in memory is nobody else's business.
//!
//! A message is a place in a *chunk*: one reference-counted buffer that holds the messages of a publisher's round (at most
//! [`CHUNK_BYTES_MAX`]), or a single larger message. Within the chunk it lies as it will leave again:
//!
//! ```text
//! exchange shortstr | routing-key shortstr | header frame | body frame          (one contiguous piece)
//! ```
//!
//! so that a delivery is a fresh method frame followed by one copy of the rest with the channel number patched in twice. The
//! body of a *large* message ([`LARGE_BODY_BYTES`] and up) lies in a buffer of its own and is written vectored, never copied again.
//!
//! Measured against one allocation a message, built from the same parts (`benches/message.rs` prints both; mimalloc, two cores
//! shared with other work): on one core a chunk a round costs a message about as much at 16 B (73 and 79 ns) and 0.85 times as
//! much at 1 KiB; when another core frees what this one allocated, 0.56 and 0.62 times as much (between runs:
//! 0.33 to 0.74, 0.50 to 1.07).
//!
//! A chunk lives as long as any of its messages; a queue copies stragglers out (see [`Message::pins`]) so that a small message
//! does not hold 64 KiB. Called by broker (build), connection (encode), queue (hold).

use std::fmt;
use std::sync::Arc;

use crate::wire::properties::Properties;

/// Most bytes that one shared chunk holds. Larger messages get a chunk of their own.
pub const CHUNK_BYTES_MAX: usize = 64 * 1024;

/// A body of this many bytes or more is kept apart from the head and written vectored.
pub const LARGE_BODY_BYTES: usize = 16 * 1024;

/// Bytes around the payload of a frame: type, channel, size in front, end octet behind.
const FRAME_HEAD: usize = 7;
/// class-id, weight, body-size in front of the property flags.
const HEADER_FIXED: usize = 12;

struct Chunk {
    data: Vec<u8>,
    /// The body of the only message, when it is large.
    large: Option<Box<[u8]>>,
}

/// Where one message lies in a chunk that is still being filled.
#[derive(Clone, Copy, Debug)]
pub struct Draft {
    start: u32,
    names: u16,
    flags: u8,
    properties: u32,
    body: u32,
}

impl Draft {
    /// Whether both are the same message of the same chunk.
    pub fn is(&self, other: &Self) -> bool {
        self.start == other.start
    }
}

/// This message was dead-lettered by the broker: its `x-death` headers are the broker's own, not a client's claim.
const DEAD_LETTERED: u8 = 1;
/// delivery-mode 2.
const PERSISTENT: u8 = 2;
/// Keys of a BCC header, which no receiver sees, follow the message in its chunk: u32 bytes of all, then u32 length and bytes of each.
const HIDDEN_KEYS: u8 = 8;
/// A dead-letter routing key has replaced its keys: a CC header does not count any more.
const KEYS_REPLACED: u8 = 4;

/// Fills one chunk with the messages of a round; [`seal`](ChunkBuilder::seal) makes them shareable.
pub struct ChunkBuilder {
    data: Vec<u8>,
    large: Option<Box<[u8]>>,
}

impl ChunkBuilder {
    /// A builder with room for `bytes` (what the round may need), at most [`CHUNK_BYTES_MAX`] unless one message needs more.
    pub fn with_capacity(bytes: usize) -> Self {
        Self {
            data: Vec::with_capacity(bytes),
            large: None,
        }
    }

    /// Bytes that a message of these parts takes in a chunk.
    pub fn size(names: usize, properties: usize, body: usize) -> usize {
        let head = names + FRAME_HEAD + HEADER_FIXED + properties + 1;
        if body == 0 || body >= LARGE_BODY_BYTES {
            head
        } else {
            head + FRAME_HEAD + body + 1
        }
    }

    /// Whether a message of `size` bytes (see [`size`](Self::size)) still fits without growing the buffer.
    pub fn fits(&self, size: usize) -> bool {
        self.large.is_none() && self.data.len() + size <= self.data.capacity()
    }

    /// Whether nothing has been added yet.
    pub fn is_empty(&self) -> bool {
        self.data.is_empty()
    }

    /// Appends a message with a body that is not large.
    #[inline]
    pub fn push(
        &mut self,
        names: &[u8],
        properties: &[u8],
        persistent: bool,
        body: &[u8],
    ) -> Draft {
        let start = self.push_head(names, properties, body.len() as u64);
        if !body.is_empty() {
            let mut head = [3, 0, 0, 0, 0, 0, 0];
            head[3..].copy_from_slice(&(body.len() as u32).to_be_bytes());
            self.data.extend_from_slice(&head);
            self.data.extend_from_slice(body);
            self.data.push(0xCE);
        }
        Self::draft(start, names, properties, persistent, body.len())
    }

    /// Appends the only message of a chunk, whose large body moves in as it is.
    pub fn push_large(
        &mut self,
        names: &[u8],
        properties: &[u8],
        persistent: bool,
        body: Box<[u8]>,
    ) -> Draft {
        debug_assert!(self.is_empty() && body.len() >= LARGE_BODY_BYTES);
        let start = self.push_head(names, properties, body.len() as u64);
        let draft = Self::draft(start, names, properties, persistent, body.len());
        self.large = Some(body);
        draft
    }

    /// Appends keys that route its dead letters and that nobody sees. The draft is that of the message just pushed.
    pub fn push_hidden_keys<'k>(
        &mut self,
        draft: &mut Draft,
        keys: impl Iterator<Item = &'k [u8]>,
    ) {
        let at = self.data.len();
        self.data.extend_from_slice(&[0; 4]);
        for key in keys {
            self.data
                .extend_from_slice(&(key.len() as u32).to_le_bytes());
            self.data.extend_from_slice(key);
        }
        let bytes = (self.data.len() - at - 4) as u32;
        self.data[at..at + 4].copy_from_slice(&bytes.to_le_bytes());
        draft.flags |= HIDDEN_KEYS;
    }

    /// Appends a copy of `message`, which is not large; `None` when the chunk is full.
    pub fn push_copy(&mut self, message: &Message) -> Option<Draft> {
        debug_assert!(!message.is_large());
        let bytes = message.bytes(0, message.wire_len() + message.hidden_len());
        if !self.is_empty() && !self.fits(bytes.len()) {
            return None;
        }
        let start = self.data.len() as u32;
        self.data.extend_from_slice(bytes);
        Some(Draft {
            start,
            names: message.names,
            flags: message.flags,
            properties: message.properties,
            body: message.body,
        })
    }

    fn draft(start: u32, names: &[u8], properties: &[u8], persistent: bool, body: usize) -> Draft {
        let flags = if persistent { PERSISTENT } else { 0 };
        Draft {
            start,
            names: names.len() as u16,
            flags,
            properties: properties.len() as u32,
            body: body as u32,
        }
    }

    #[inline]
    fn push_head(&mut self, names: &[u8], properties: &[u8], body_size: u64) -> u32 {
        let start = self.data.len() as u32;
        self.data.extend_from_slice(names);
        let mut head = [0u8; FRAME_HEAD + HEADER_FIXED];
        head[0] = 2;
        head[3..7].copy_from_slice(&((HEADER_FIXED + properties.len()) as u32).to_be_bytes());
        head[8] = 60;
        head[11..19].copy_from_slice(&body_size.to_be_bytes());
        self.data.extend_from_slice(&head);
        self.data.extend_from_slice(properties);
        self.data.push(0xCE);
        start
    }

    /// No more messages: what was pushed can be shared from here on.
    pub fn seal(self) -> SealedChunk {
        let mut data = self.data;
        // The estimate was the bytes that the socket gave; give back what a mixed round did not need.
        if data.capacity() - data.len() > data.capacity() / 4 {
            data.shrink_to_fit();
        }
        SealedChunk(Arc::new(Chunk {
            data,
            large: self.large,
        }))
    }
}

/// A finished chunk, from which the drafts made in it become messages.
#[derive(Clone)]
pub struct SealedChunk(Arc<Chunk>);

impl SealedChunk {
    /// A chunk that was read back: its bytes, and the large body of its only message if it has one.
    pub fn from_parts(data: Vec<u8>, large: Option<Box<[u8]>>) -> Self {
        Self(Arc::new(Chunk { data, large }))
    }

    /// Which chunk it is, as [`Message::pins`] says.
    pub fn identity(&self) -> usize {
        Arc::as_ptr(&self.0) as usize
    }

    /// Its bytes: the shared part and the large body.
    pub fn parts(&self) -> (&[u8], Option<&[u8]>) {
        (&self.0.data, self.0.large.as_deref())
    }

    /// The `count` messages that lie one behind the other from byte `start` on; fewer when the bytes are not what they should be.
    pub fn messages(&self, start: u32, count: u32, flags: u8) -> impl Iterator<Item = Message> {
        let mut at = start;
        (0..count).map_while(move |_| {
            let message = self.message_at(at, flags)?;
            at += message.place().bytes;
            Some(message)
        })
    }

    /// The message whose bytes begin at `start`, with the flags of its [`Place`]; `None` when no whole message lies there. The
    /// next one begins where its place ends.
    pub fn message_at(&self, start: u32, flags: u8) -> Option<Message> {
        let bytes = self.0.data.get(start as usize..)?;
        let exchange = usize::from(*bytes.first()?) + 1;
        let names = exchange + usize::from(*bytes.get(exchange)?) + 1;
        let head = bytes.get(names..names + FRAME_HEAD + HEADER_FIXED)?;
        let field =
            |at: usize| u32::from_be_bytes([head[at], head[at + 1], head[at + 2], head[at + 3]]);
        let properties = (field(3) as usize).checked_sub(HEADER_FIXED)?;
        let body = field(15);
        if head[0] != 2 || field(11) != 0 {
            return None;
        }
        let message = Message {
            chunk: Arc::clone(&self.0),
            start,
            properties: u32::try_from(properties).ok()?,
            body,
            names: names as u16,
            flags,
        };
        let is_whole = match &self.0.large {
            Some(large) => start == 0 && large.len() == body as usize,
            None => true,
        };
        // The flags of the property list are looked at without another check.
        let is_sound = properties >= 2
            && bytes.get(message.header_end() - 1) == Some(&0xCE)
            && (body == 0
                || message.is_large()
                || bytes.get(message.wire_len() - 1) == Some(&0xCE));
        if !is_whole || !is_sound {
            return None;
        }
        if flags & HIDDEN_KEYS != 0 {
            let all = bytes.get(message.wire_len()..)?;
            let (len, mut rest) = all.split_first_chunk::<4>()?;
            rest = rest.get(..u32::from_le_bytes(*len) as usize)?;
            while !rest.is_empty() {
                let (len, tail) = rest.split_first_chunk::<4>()?;
                rest = tail.get(u32::from_le_bytes(*len) as usize..)?;
            }
        }
        Some(message)
    }

    /// The message that `draft` stands for; the draft must come from the builder of this chunk.
    #[inline]
    pub fn message(&self, draft: &Draft) -> Message {
        Message {
            chunk: Arc::clone(&self.0),
            start: draft.start,
            properties: draft.properties,
            body: draft.body,
            names: draft.names,
            flags: draft.flags,
        }
    }
}

/// A message's place in its chunk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// Its first byte.
    pub start: u32,
    /// How many it has; the next message of the chunk begins behind them.
    pub bytes: u32,
    /// What its bytes do not say; opaque, for [`SealedChunk::message_at`].
    pub flags: u8,
}

/// Two shortstrs, one behind the other.
fn adjacent(exchange: &[u8], routing_key: &[u8]) -> Vec<u8> {
    debug_assert!(exchange.len() <= 255 && routing_key.len() <= 255);
    let mut names = Vec::with_capacity(2 + exchange.len() + routing_key.len());
    for name in [exchange, routing_key] {
        names.push(name.len() as u8);
        names.extend_from_slice(name);
    }
    names
}

/// A published message: exchange, routing key, property block, body. Clone is one atomic increment.
#[derive(Clone)]
pub struct Message {
    chunk: Arc<Chunk>,
    start: u32,
    properties: u32,
    body: u32,
    names: u16,
    flags: u8,
}

impl Message {
    /// A message that the broker makes itself, in a chunk of its own.
    pub fn new(exchange: &[u8], routing_key: &[u8], properties: &[u8], body: &[u8]) -> Self {
        let names = adjacent(exchange, routing_key);
        Self::from_parts(&names, properties, body, std::iter::empty())
    }

    /// Like [`new`](Self::new), with exchange and routing key as adjacent shortstrs, and with the keys of a
    /// BCC header.
    pub fn from_parts<'k>(
        names: &[u8],
        properties: &[u8],
        body: &[u8],
        hidden_keys: impl Iterator<Item = &'k [u8]>,
    ) -> Self {
        let persistent = Properties::new(properties).persistent();
        let mut builder = ChunkBuilder::with_capacity(ChunkBuilder::size(
            names.len(),
            properties.len(),
            body.len(),
        ));
        let mut draft = if body.len() >= LARGE_BODY_BYTES {
            builder.push_large(names, properties, persistent, body.into())
        } else {
            builder.push(names, properties, persistent, body)
        };
        let mut hidden_keys = hidden_keys.peekable();
        if hidden_keys.peek().is_some() {
            builder.push_hidden_keys(&mut draft, hidden_keys);
        }
        builder.seal().message(&draft)
    }

    /// The same body under another address and with other properties, marked as dead-lettered by the broker.
    /// `keys_replaced` says that a dead-letter routing key stands for all its keys from now on.
    pub fn dead_lettered(
        &self,
        exchange: &[u8],
        routing_key: &[u8],
        properties: &[u8],
        keys_replaced: bool,
    ) -> Self {
        let names = adjacent(exchange, routing_key);
        let mut message = Self::from_parts(&names, properties, self.body(), self.hidden_keys());
        message.flags |= DEAD_LETTERED | (self.flags & KEYS_REPLACED);
        if keys_replaced {
            message.flags |= KEYS_REPLACED;
        }
        message
    }

    /// The same message with other properties.
    pub fn with_properties(&self, properties: &[u8]) -> Self {
        let mut message =
            Self::from_parts(self.names(), properties, self.body(), self.hidden_keys());
        message.flags |= self.flags;
        message
    }

    fn bytes(&self, from: usize, len: usize) -> &[u8] {
        let from = self.start as usize + from;
        &self.chunk.data[from..from + len]
    }

    /// Exchange and routing key as adjacent shortstrs, as a delivery carries them.
    #[inline]
    pub fn names(&self) -> &[u8] {
        self.bytes(0, self.names as usize)
    }

    /// Name of the exchange that it was published to.
    pub fn exchange(&self) -> &[u8] {
        let names = self.names();
        &names[1..1 + names[0] as usize]
    }

    /// Routing key that it was published with.
    pub fn routing_key(&self) -> &[u8] {
        let names = self.names();
        &names[2 + names[0] as usize..]
    }

    /// The property block (flags and list), byte for byte as published.
    pub fn properties(&self) -> &[u8] {
        self.bytes(
            self.names as usize + FRAME_HEAD + HEADER_FIXED,
            self.properties as usize,
        )
    }

    /// The whole body.
    pub fn body(&self) -> &[u8] {
        match &self.chunk.large {
            Some(body) => body,
            None if self.body == 0 => &[],
            None => self.bytes(self.header_end() + FRAME_HEAD, self.body as usize),
        }
    }

    /// Bytes of the body.
    #[inline]
    pub fn body_len(&self) -> usize {
        self.body as usize
    }

    /// delivery-mode 2.
    #[inline]
    pub fn is_persistent(&self) -> bool {
        self.flags & PERSISTENT != 0
    }

    /// The same message, to be kept on disk whatever its delivery mode says.
    pub fn made_persistent(mut self) -> Self {
        self.flags |= PERSISTENT;
        self
    }

    /// Whether the broker dead-lettered it, so that its `x-death` can be believed.
    pub fn is_dead_lettered(&self) -> bool {
        self.flags & DEAD_LETTERED != 0
    }

    /// Whether a dead-letter routing key has replaced its keys, so that its CC header is only a header.
    pub fn keys_replaced(&self) -> bool {
        self.flags & KEYS_REPLACED != 0
    }

    /// The message's own time to live in milliseconds, if it has one that can be read.
    #[inline]
    pub fn ttl_ms(&self) -> Option<u64> {
        const EXPIRATION: u8 = 1;
        let at = self.names as usize + FRAME_HEAD + HEADER_FIXED;
        if self.chunk.data[self.start as usize + at] & EXPIRATION == 0 {
            return None;
        }
        let text = std::str::from_utf8(Properties::new(self.properties()).expiration()?).ok()?;
        // Signed, because "-0" is a number as well.
        u64::try_from(text.parse::<i64>().ok()?).ok()
    }

    /// Whether its body lies apart and is to be written vectored.
    #[inline]
    pub fn is_large(&self) -> bool {
        self.chunk.large.is_some()
    }

    #[inline]
    fn header_end(&self) -> usize {
        self.names as usize + FRAME_HEAD + HEADER_FIXED + self.properties as usize + 1
    }

    /// Appends the content frames for `channel` to `out`: the header frame and, unless the message [is large](Self::is_large),
    /// its body in frames of at most `frame_max` bytes.
    #[inline]
    pub fn write_content(&self, out: &mut Vec<u8>, channel: u16, frame_max: u32) {
        let [high, low] = channel.to_be_bytes();
        let names = self.names as usize;
        let header_end = self.header_end();
        let body = self.body as usize;
        if body == 0 || self.is_large() {
            let at = out.len();
            out.extend_from_slice(self.bytes(names, header_end - names));
            out[at + 1] = high;
            out[at + 2] = low;
        } else if body + FRAME_HEAD < frame_max as usize {
            let at = out.len();
            out.extend_from_slice(self.bytes(names, header_end - names + FRAME_HEAD + body + 1));
            out[at + 1] = high;
            out[at + 2] = low;
            let at = at + header_end - names;
            out[at + 1] = high;
            out[at + 2] = low;
        } else {
            crate::wire::content::write_content(
                out,
                channel,
                self.properties(),
                self.body(),
                frame_max,
            );
        }
    }

    /// The keys of a BCC header that it was published with.
    pub fn hidden_keys(&self) -> impl Iterator<Item = &[u8]> {
        let mut rest = match self.hidden_len() {
            0 => &[][..],
            len => &self.bytes(self.wire_len(), len)[4..],
        };
        std::iter::from_fn(move || {
            let (len, tail) = rest.split_first_chunk::<4>()?;
            let (key, tail) = tail.split_at(u32::from_le_bytes(*len) as usize);
            rest = tail;
            Some(key)
        })
    }

    fn hidden_len(&self) -> usize {
        if self.flags & HIDDEN_KEYS == 0 {
            return 0;
        }
        let bytes = self.bytes(self.wire_len(), 4);
        4 + u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]) as usize
    }

    /// Bytes that it takes in its chunk.
    fn wire_len(&self) -> usize {
        let head = self.header_end();
        if self.body == 0 || self.is_large() {
            head
        } else {
            head + FRAME_HEAD + self.body as usize + 1
        }
    }

    /// Memory that this message accounts for: its bytes, without what it shares the chunk with.
    #[inline]
    pub fn memory(&self) -> usize {
        self.header_end() + self.body as usize + std::mem::size_of::<Self>()
    }

    /// Where it lies in its chunk, as the journal notes it.
    #[inline]
    pub fn place(&self) -> Place {
        Place {
            start: self.start,
            bytes: (self.wire_len() + self.hidden_len()) as u32,
            flags: self.flags,
        }
    }

    /// Its chunk.
    pub fn chunk(&self) -> SealedChunk {
        SealedChunk(Arc::clone(&self.chunk))
    }

    /// Identity and size of the chunk that this message keeps alive: a queue compares it with the bytes of its own messages in
    /// that chunk to see whether stragglers hold it.
    pub fn pins(&self) -> (usize, usize) {
        (Arc::as_ptr(&self.chunk) as usize, self.chunk.data.len())
    }
}

impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Message")
            .field("exchange", &String::from_utf8_lossy(self.exchange()))
            .field("routing_key", &String::from_utf8_lossy(self.routing_key()))
            .field("body_len", &self.body_len())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
