//! Content header and body frames of a message. Assembling a message from them is the channel's work.

use super::cursor::Cursor;
use super::frame::{self, BODY, END, HEADER, OVERHEAD};
use super::reply::Reply;

/// Class id of basic, the only class with content.
pub const BASIC: u16 = 60;

/// A content header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header<'a> {
    /// Class of the content; only [`BASIC`] is right.
    pub class: u16,
    /// Always 0 in a proper header.
    pub weight: u16,
    /// Bytes of the body that follows.
    pub body_size: u64,
    /// Flags and property list, raw; see [`super::properties::Properties`].
    pub properties: &'a [u8],
}

impl Header<'_> {
    /// Refuses a header that no `basic.publish` can have: weight other than 0, or another class (505).
    #[inline]
    pub fn expect_basic(&self) -> Result<(), Reply> {
        if self.weight != 0 {
            return Err(Reply::expected_content_header());
        }
        if self.class != BASIC {
            return Err(Reply::expected_content_class(self.class));
        }
        Ok(())
    }
}

/// Reads the payload of a header frame. Property block and class are not looked at.
///
/// # Errors
/// 501 when the payload is shorter than a header.
#[inline]
pub fn parse_header(payload: &[u8]) -> Result<Header<'_>, Reply> {
    let mut cursor = Cursor(payload);
    let mut header = || {
        Some(Header {
            class: cursor.u16()?,
            weight: cursor.u16()?,
            body_size: cursor.u64()?,
            properties: cursor.0,
        })
    };
    header().ok_or_else(|| Reply::unknown_frame(HEADER, payload))
}

/// Appends the header frame of a body of `body_size` bytes.
#[inline]
pub fn write_header(out: &mut Vec<u8>, channel: u16, properties: &[u8], body_size: u64) {
    out.extend_from_slice(&header_head(channel, properties.len(), body_size));
    out.extend_from_slice(properties);
    out.push(END);
}

/// Appends header and body frames of one message; no body frame is longer than `frame_max` (0: no limit), and an empty
/// body has none. `properties` are written as they are; a block too long for a frame is the caller's to prevent.
#[inline]
pub fn write_content(
    out: &mut Vec<u8>,
    channel: u16,
    properties: &[u8],
    body: &[u8],
    frame_max: u32,
) {
    out.reserve(OVERHEAD + 12 + properties.len() + OVERHEAD + body.len());
    write_header(out, channel, properties, body.len() as u64);
    if body.is_empty() {
        return;
    }
    let room = body_room(frame_max);
    if body.len() <= room {
        write_body(out, channel, body);
    } else {
        for part in body.chunks(room) {
            write_body(out, channel, part);
        }
    }
}

/// Appends one body frame.
#[inline]
pub fn write_body(out: &mut Vec<u8>, channel: u16, part: &[u8]) {
    out.extend_from_slice(&frame::head(BODY, channel, part.len() as u32));
    out.extend_from_slice(part);
    out.push(END);
}

/// Bytes of a body that fit into one frame.
#[inline]
pub fn body_room(frame_max: u32) -> usize {
    (frame::effective_max(frame_max) as usize)
        .saturating_sub(OVERHEAD)
        .max(1)
}

/// Bytes that header and body frames of a message take on the wire.
#[inline]
pub fn wire_size(properties: usize, body: usize, frame_max: u32) -> usize {
    let frames = body.div_ceil(body_room(frame_max));
    OVERHEAD + 12 + properties + body + frames * OVERHEAD
}

/// Everything of a header frame before its properties.
#[inline]
fn header_head(channel: u16, properties: usize, body_size: u64) -> [u8; 19] {
    let mut head = [0; 19];
    head[..7].copy_from_slice(&frame::head(HEADER, channel, 12 + properties as u32));
    head[7..9].copy_from_slice(&BASIC.to_be_bytes());
    head[11..].copy_from_slice(&body_size.to_be_bytes());
    head
}
