//! The methods that travel with each message, read and written by hand on byte slices, without allocation. What a broker
//! reads a client writes and the other way round: both sides stand here.
//!
//! "Names" are the exchange's and the routing key's short strings exactly as on the wire, one after the other: publish,
//! deliver, return and get-ok all carry them so, and the broker passes the bytes on as they came.

use super::id::*;
use crate::wire::cursor::Cursor;
use crate::wire::frame::{END, HEAD, METHOD, head};
use crate::wire::limits::SHORT_STRING_BYTES_MAX;
use crate::wire::reply::Reply;

/// A basic.publish.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Publish<'a> {
    /// Exchange and routing key as short strings, as on the wire.
    pub names: &'a [u8],
    /// The exchange: UTF-8.
    pub exchange: &'a [u8],
    /// The routing key: UTF-8.
    pub routing_key: &'a [u8],
    /// Return it when no queue takes it.
    pub mandatory: bool,
    /// Not offered by anybody.
    pub immediate: bool,
}

/// Reads a basic.publish; `payload` includes the method id, which the caller has looked at.
///
/// # Errors
/// 501 for bytes that are too short or too long. The names may be any bytes, as in RabbitMQ: a key that is no text still matches
/// itself, an exchange of such a name does not exist.
#[inline]
pub fn parse_publish(payload: &[u8]) -> Result<Publish<'_>, Reply> {
    let mut rest = Cursor(payload);
    let mut read = || {
        rest.take(6)?;
        let tail = rest.0;
        let exchange = rest.short()?;
        let routing_key = rest.short()?;
        let names = &tail[..exchange.len() + routing_key.len() + 2];
        let flags = rest.u8()?;
        Some(Publish {
            names,
            exchange,
            routing_key,
            mandatory: flags & 1 != 0,
            immediate: flags & 2 != 0,
        })
    };
    match read() {
        Some(publish) if rest.is_empty() => Ok(publish),
        _ => Err(undecodable(BASIC_PUBLISH, payload)),
    }
}

#[cold]
fn undecodable(id: u32, payload: &[u8]) -> Reply {
    let fields = payload.get(4..).unwrap_or_default();
    Reply::cannot_decode((id >> 16) as u16, id as u16, fields)
}

/// A basic.ack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ack {
    /// The delivery, or in a confirm the publish.
    pub tag: u64,
    /// All up to and including the tag.
    pub multiple: bool,
}

/// A basic.nack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Nack {
    /// The delivery, or in a confirm the publish.
    pub tag: u64,
    /// All up to and including the tag.
    pub multiple: bool,
    /// Back into the queue rather than dead.
    pub requeue: bool,
}

/// A basic.reject.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reject {
    /// The delivery.
    pub tag: u64,
    /// Back into the queue rather than dead.
    pub requeue: bool,
}

/// Tag and bits of ack, nack and reject, which look alike.
#[inline]
fn parse_tag(payload: &[u8], id: u32) -> Result<(u64, u8), Reply> {
    let fields: Option<&[u8; 9]> = payload.get(4..).and_then(|fields| fields.try_into().ok());
    match fields {
        Some(&[a, b, c, d, e, f, g, h, bits]) => {
            Ok((u64::from_be_bytes([a, b, c, d, e, f, g, h]), bits))
        }
        None => Err(undecodable(id, payload)),
    }
}

/// Reads a basic.ack; `payload` includes the method id.
///
/// # Errors
/// 501 for bytes that are too short or too long.
#[inline]
pub fn parse_ack(payload: &[u8]) -> Result<Ack, Reply> {
    let (tag, bits) = parse_tag(payload, BASIC_ACK)?;
    Ok(Ack {
        tag,
        multiple: bits & 1 != 0,
    })
}

/// Reads a basic.nack; `payload` includes the method id.
///
/// # Errors
/// 501 for bytes that are too short or too long.
#[inline]
pub fn parse_nack(payload: &[u8]) -> Result<Nack, Reply> {
    let (tag, bits) = parse_tag(payload, BASIC_NACK)?;
    Ok(Nack {
        tag,
        multiple: bits & 1 != 0,
        requeue: bits & 2 != 0,
    })
}

/// Reads a basic.reject; `payload` includes the method id.
///
/// # Errors
/// 501 for bytes that are too short or too long.
#[inline]
pub fn parse_reject(payload: &[u8]) -> Result<Reject, Reply> {
    let (tag, bits) = parse_tag(payload, BASIC_REJECT)?;
    Ok(Reject {
        tag,
        requeue: bits & 1 != 0,
    })
}

/// A basic.deliver, as a client sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deliver<'a> {
    /// The consumer.
    pub consumer_tag: &'a [u8],
    /// What an ack has to name.
    pub delivery_tag: u64,
    /// It was delivered before.
    pub redelivered: bool,
    /// The exchange it was published to.
    pub exchange: &'a [u8],
    /// The key it was published with.
    pub routing_key: &'a [u8],
}

/// Reads a basic.deliver; `payload` includes the method id.
///
/// # Errors
/// 501 for bytes that are too short or too long.
#[inline]
pub fn parse_deliver(payload: &[u8]) -> Result<Deliver<'_>, Reply> {
    let mut rest = Cursor(payload);
    let mut read = || {
        rest.take(4)?;
        Some(Deliver {
            consumer_tag: rest.short()?,
            delivery_tag: rest.u64()?,
            redelivered: rest.u8()? & 1 != 0,
            exchange: rest.short()?,
            routing_key: rest.short()?,
        })
    };
    match read() {
        Some(deliver) if rest.is_empty() => Ok(deliver),
        _ => Err(undecodable(BASIC_DELIVER, payload)),
    }
}

/// A basic.get-ok, as a client sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GetOk<'a> {
    /// What an ack has to name.
    pub delivery_tag: u64,
    /// It was delivered before.
    pub redelivered: bool,
    /// The exchange it was published to.
    pub exchange: &'a [u8],
    /// The key it was published with.
    pub routing_key: &'a [u8],
    /// Messages that are ready after this one.
    pub message_count: u32,
}

/// Reads a basic.get-ok; `payload` includes the method id.
///
/// # Errors
/// 501 for bytes that are too short or too long.
#[inline]
pub fn parse_get_ok(payload: &[u8]) -> Result<GetOk<'_>, Reply> {
    let mut rest = Cursor(payload);
    let mut read = || {
        rest.take(4)?;
        Some(GetOk {
            delivery_tag: rest.u64()?,
            redelivered: rest.u8()? & 1 != 0,
            exchange: rest.short()?,
            routing_key: rest.short()?,
            message_count: rest.u32()?,
        })
    };
    match read() {
        Some(got) if rest.is_empty() => Ok(got),
        _ => Err(undecodable(BASIC_GET_OK, payload)),
    }
}

/// A basic.return, as a client sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Return<'a> {
    /// Why, as a code.
    pub code: u16,
    /// Why, as a text.
    pub text: &'a [u8],
    /// The exchange it was published to.
    pub exchange: &'a [u8],
    /// The key it was published with.
    pub routing_key: &'a [u8],
}

/// Reads a basic.return; `payload` includes the method id.
///
/// # Errors
/// 501 for bytes that are too short or too long.
#[inline]
pub fn parse_return(payload: &[u8]) -> Result<Return<'_>, Reply> {
    let mut rest = Cursor(payload);
    let mut read = || {
        rest.take(4)?;
        Some(Return {
            code: rest.u16()?,
            text: rest.short()?,
            exchange: rest.short()?,
            routing_key: rest.short()?,
        })
    };
    match read() {
        Some(returned) if rest.is_empty() => Ok(returned),
        _ => Err(undecodable(BASIC_RETURN, payload)),
    }
}

/// Everything of a consumer's basic.deliver that stays the same: made once, so that a delivery is a few copies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeliverPrefix {
    /// Frame head with size 0, method id, consumer tag.
    bytes: Box<[u8]>,
}

impl DeliverPrefix {
    /// For one consumer; the tag is cut at 255 bytes.
    pub fn new(channel: u16, consumer_tag: &[u8]) -> Self {
        let mut bytes = Vec::with_capacity(HEAD + 5 + consumer_tag.len());
        bytes.extend_from_slice(&head(METHOD, channel, 0));
        bytes.extend_from_slice(&BASIC_DELIVER.to_be_bytes());
        put_short(&mut bytes, consumer_tag);
        Self {
            bytes: bytes.into(),
        }
    }

    /// Bytes of the whole frame of a delivery with these names.
    #[inline]
    pub fn frame_size(&self, names: &[u8]) -> usize {
        self.bytes.len() + 9 + names.len() + 1
    }
}

/// Appends a basic.deliver.
#[inline]
pub fn write_deliver(
    out: &mut Vec<u8>,
    prefix: &DeliverPrefix,
    delivery_tag: u64,
    redelivered: bool,
    names: &[u8],
) {
    out.reserve(prefix.frame_size(names));
    let begun = out.len();
    out.extend_from_slice(&prefix.bytes);
    out.extend_from_slice(&tag_and_bits(delivery_tag, redelivered.into()));
    out.extend_from_slice(names);
    let size = (out.len() - begun - HEAD) as u32;
    out[begun + 3..begun + HEAD].copy_from_slice(&size.to_be_bytes());
    out.push(END);
}

/// Appends a basic.ack.
#[inline]
pub fn write_ack(out: &mut Vec<u8>, channel: u16, tag: u64, multiple: bool) {
    write_tag(out, channel, BASIC_ACK, tag, multiple.into());
}

/// Appends a basic.nack of a publish, with the requeue bit set, as RabbitMQ does.
#[inline]
pub fn write_nack(out: &mut Vec<u8>, channel: u16, tag: u64, multiple: bool) {
    write_tag(out, channel, BASIC_NACK, tag, 2 | u8::from(multiple));
}

/// Appends a basic.reject, for clients.
#[inline]
pub fn write_reject(out: &mut Vec<u8>, channel: u16, tag: u64, requeue: bool) {
    write_tag(out, channel, BASIC_REJECT, tag, requeue.into());
}

/// Appends a basic.get-ok.
pub fn write_get_ok(
    out: &mut Vec<u8>,
    channel: u16,
    delivery_tag: u64,
    redelivered: bool,
    names: &[u8],
    message_count: u32,
) {
    let size = 4 + 9 + names.len() + 4;
    out.reserve(HEAD + size + 1);
    out.extend_from_slice(&head(METHOD, channel, size as u32));
    out.extend_from_slice(&BASIC_GET_OK.to_be_bytes());
    out.extend_from_slice(&tag_and_bits(delivery_tag, redelivered.into()));
    out.extend_from_slice(names);
    out.extend_from_slice(&message_count.to_be_bytes());
    out.push(END);
}

/// Appends a basic.return; the text is cut at 255 bytes.
pub fn write_return(out: &mut Vec<u8>, channel: u16, code: u16, text: &str, names: &[u8]) {
    let text = &text.as_bytes()[..text.len().min(SHORT_STRING_BYTES_MAX)];
    let size = 4 + 2 + 1 + text.len() + names.len();
    out.reserve(HEAD + size + 1);
    out.extend_from_slice(&head(METHOD, channel, size as u32));
    out.extend_from_slice(&BASIC_RETURN.to_be_bytes());
    out.extend_from_slice(&code.to_be_bytes());
    put_short(out, text);
    out.extend_from_slice(names);
    out.push(END);
}

/// A whole basic.publish frame, made once for a publisher that sends many alike.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublishPrefix {
    bytes: Box<[u8]>,
}

impl PublishPrefix {
    /// For one exchange and key; both are cut at 255 bytes.
    pub fn new(channel: u16, exchange: &[u8], routing_key: &[u8], mandatory: bool) -> Self {
        let mut bytes = Vec::new();
        write_publish(&mut bytes, channel, exchange, routing_key, mandatory);
        Self {
            bytes: bytes.into(),
        }
    }

    /// The frame.
    #[inline]
    pub fn frame(&self) -> &[u8] {
        &self.bytes
    }
}

/// Appends a basic.publish, for clients; both names are cut at 255 bytes.
pub fn write_publish(
    out: &mut Vec<u8>,
    channel: u16,
    exchange: &[u8],
    routing_key: &[u8],
    mandatory: bool,
) {
    let begun = crate::wire::frame::begin(out, METHOD, channel);
    out.extend_from_slice(&BASIC_PUBLISH.to_be_bytes());
    out.extend_from_slice(&[0, 0]);
    put_short(out, exchange);
    put_short(out, routing_key);
    out.push(mandatory.into());
    crate::wire::frame::end(out, begun);
}

#[inline]
fn write_tag(out: &mut Vec<u8>, channel: u16, id: u32, tag: u64, bits: u8) {
    let mut frame = [0; HEAD + 14];
    frame[..HEAD].copy_from_slice(&head(METHOD, channel, 13));
    frame[HEAD..HEAD + 4].copy_from_slice(&id.to_be_bytes());
    frame[HEAD + 4..HEAD + 13].copy_from_slice(&tag_and_bits(tag, bits));
    frame[HEAD + 13] = END;
    out.extend_from_slice(&frame);
}

#[inline]
fn tag_and_bits(tag: u64, bits: u8) -> [u8; 9] {
    let mut bytes = [0; 9];
    bytes[..8].copy_from_slice(&tag.to_be_bytes());
    bytes[8] = bits;
    bytes
}

/// Appends a short string, cut at 255 bytes.
fn put_short(out: &mut Vec<u8>, bytes: &[u8]) {
    let bytes = &bytes[..bytes.len().min(SHORT_STRING_BYTES_MAX)];
    out.push(bytes.len() as u8);
    out.extend_from_slice(bytes);
}
