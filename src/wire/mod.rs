//! AMQP 0-9-1 bytes to values and back: frames, methods, content, property blocks, field tables, reply codes and texts.
//!
//! No sockets, no broker, no clock; every other room may use this one and it uses none of them. The five hot frames
//! (`basic.publish`, content header, body, `basic.deliver`, `basic.ack`) are handled by hand on byte slices without
//! allocation; all other methods go through `amq_protocol`, after a check of their structure of our own. Nothing in
//! here panics or recurses without bound on what a peer sends.

pub mod content;
pub mod erlang;
pub mod frame;
pub mod limits;
pub mod method;
pub mod properties;
pub mod reply;
pub mod table;

mod cursor;
#[cfg(test)]
mod testing;

pub use amq_protocol::protocol::AMQPClass;
pub use amq_protocol::types::{
    AMQPValue, ByteArray, DecimalValue, FieldArray, FieldTable, LongString, ShortString,
};

/// A `ShortString` of at most 255 bytes: a longer text is cut at a character boundary, since the library's own
/// conversion panics on it.
pub fn short_string(text: &str) -> ShortString {
    let mut end = text.len().min(limits::SHORT_STRING_BYTES_MAX);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    ShortString::from(&text[..end])
}
