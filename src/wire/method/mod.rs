//! Methods: `hot` reads and writes by hand those that travel with each message, `signature` checks the structure of all
//! others before the library parses them. Content and frames are elsewhere.

mod hot;
mod id;
mod signature;

pub use hot::{
    Ack, Deliver, DeliverPrefix, GetOk, Nack, Publish, PublishPrefix, Reject, Return, parse_ack,
    parse_deliver, parse_get_ok, parse_nack, parse_publish, parse_reject, parse_return,
};
pub use hot::{
    write_ack, write_deliver, write_get_ok, write_nack, write_publish, write_reject, write_return,
};
pub use id::*;

use amq_protocol::protocol::{AMQPClass, gen_class, parse_class};
use amq_protocol::types::generation::gen_with_len;

use super::cursor::Cursor;
use super::frame::{END, METHOD};
use super::reply::Reply;

/// `class << 16 | method` of a method frame's payload; `None` when it is too short to have one.
#[inline]
pub fn id(payload: &[u8]) -> Option<u32> {
    payload
        .first_chunk()
        .map(|octets| u32::from_be_bytes(*octets))
}

/// Parses any method. The structure is checked first, without recursion, so that what the library's parser then reads is
/// known to be sound and no table is too deep for it.
///
/// # Errors
/// 501 for fields that are too short or too long, bad UTF-8 in a short string, a bad table; 503 for a method that does not
/// exist, 540 for a class that is not offered (BEHAVIOURS 1.7 and "Decided").
pub fn parse(payload: &[u8]) -> Result<AMQPClass, Reply> {
    let Some(id) = id(payload) else {
        return Err(Reply::unknown_frame(METHOD, payload));
    };
    let fields = &payload[4..];
    signature::check(id, fields)?;
    match parse_class(payload) {
        Ok(([], method)) => Ok(method),
        // The check above leaves nothing for this; an answer rather than a promise, since the bytes are a stranger's.
        _ => Err(Reply::cannot_decode((id >> 16) as u16, id as u16, fields)),
    }
}

/// Appends one whole frame with the method. For all but the hot methods.
pub fn write(out: &mut Vec<u8>, channel: u16, method: &AMQPClass) {
    let [c1, c0] = channel.to_be_bytes();
    out.extend_from_slice(&[METHOD, c1, c0]);
    let context = std::mem::take(out).into();
    *out = gen_with_len(gen_class(method))(context)
        .expect("writing to a Vec cannot fail")
        .into_inner()
        .0;
    out.push(END);
}

/// The prefetch size of a basic.qos, which the library's type leaves out; `payload` includes the method id.
pub fn qos_prefetch_size(payload: &[u8]) -> u32 {
    payload
        .get(4..)
        .and_then(|fields| Cursor(fields).u32())
        .unwrap_or(0)
}

#[cfg(test)]
mod tests;
