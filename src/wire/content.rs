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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::wire::frame::{Cut, cut};

    /// All frames in the bytes, as type and payload.
    fn frames(mut bytes: &[u8]) -> Vec<(u8, Vec<u8>)> {
        let mut found = Vec::new();
        while !bytes.is_empty() {
            match cut(bytes, 0) {
                Cut::Whole { frame, used } => {
                    assert_eq!(frame.channel, 5);
                    found.push((frame.kind, frame.payload.to_vec()));
                    bytes = &bytes[used..];
                }
                other => panic!("{other:?}"),
            }
        }
        found
    }

    #[test]
    fn an_empty_body_has_no_body_frame() {
        let mut out = Vec::new();
        write_content(&mut out, 5, &[0x10, 0, 2], &[], 4096);
        let payload = [0, 60, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10, 0, 2];
        assert_eq!(frames(&out), [(HEADER, payload.to_vec())]);
    }

    #[test]
    fn a_header_of_another_class_or_with_weight_is_refused() {
        let mut payload = [0, 10, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9, 0, 0];
        let header = parse_header(&payload).unwrap();
        assert_eq!((header.body_size, header.properties), (9, &[0, 0][..]));
        assert_eq!(
            header.expect_basic().unwrap_err().to_string(),
            "505 60/40 UNEXPECTED_FRAME - expected content header for class 60, got one for class 10 instead"
        );
        payload[3] = 1;
        assert_eq!(
            parse_header(&payload)
                .unwrap()
                .expect_basic()
                .unwrap_err()
                .to_string(),
            "505 60/40 UNEXPECTED_FRAME - expected content header for class 60, got non content header frame instead"
        );
        assert_eq!(parse_header(&payload[..11]).unwrap_err().code, 501);
    }

    proptest! {
        #[test]
        fn bodies_are_split_at_the_frame_limit_and_join_again(
            body in prop::collection::vec(any::<u8>(), 0..300),
            frame_max in 9u32..200,
        ) {
            let mut out = Vec::new();
            write_content(&mut out, 5, &[0, 0], &body, frame_max);
            prop_assert_eq!(out.len(), wire_size(2, body.len(), frame_max));
            let frames = frames(&out);
            let header = parse_header(&frames[0].1).unwrap();
            prop_assert_eq!(header.expect_basic(), Ok(()));
            prop_assert_eq!(header.body_size, body.len() as u64);
            let mut joined = Vec::new();
            for (kind, part) in &frames[1..] {
                prop_assert_eq!(*kind, BODY);
                prop_assert!(!part.is_empty() && part.len() + OVERHEAD <= frame_max as usize);
                joined.extend_from_slice(part);
            }
            prop_assert_eq!(joined, body);
        }
    }
}
