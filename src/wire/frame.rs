//! The envelope of every frame: type, channel, size, payload, end octet. Cuts one frame at a time from received bytes
//! and frames what is sent. Knows nothing of what a payload means; called by the connection's session and by perf.

use super::limits;
use super::reply::Reply;

/// Frame type of a method.
pub const METHOD: u8 = 1;
/// Frame type of a content header.
pub const HEADER: u8 = 2;
/// Frame type of a content body.
pub const BODY: u8 = 3;
/// Frame type of a heartbeat.
pub const HEARTBEAT: u8 = 8;
/// The octet that ends each frame.
pub const END: u8 = 0xCE;
/// Bytes before the payload.
pub const HEAD: usize = 7;
/// Bytes of a frame that are not payload.
pub const OVERHEAD: usize = HEAD + 1;
/// A heartbeat, whole.
pub const HEARTBEAT_FRAME: [u8; OVERHEAD] = [HEARTBEAT, 0, 0, 0, 0, 0, 0, END];

/// One frame, borrowed from the bytes it was cut from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame<'a> {
    /// One of [`METHOD`], [`HEADER`], [`BODY`], [`HEARTBEAT`].
    pub kind: u8,
    /// The channel; 0 is the connection's own.
    pub channel: u16,
    /// Everything between size and end octet.
    pub payload: &'a [u8],
}

/// What the next bytes are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cut<'a> {
    /// A whole frame that took `used` bytes.
    Whole {
        /// The frame.
        frame: Frame<'a>,
        /// Its bytes, envelope included.
        used: usize,
    },
    /// More bytes are needed.
    Partial {
        /// Bytes of the whole frame; [`HEAD`] when even its head has not arrived.
        need: usize,
    },
    /// Not a frame: the connection is to be closed with this reply.
    Bad(Reply),
}

/// Cuts one frame from the start of `bytes`. `frame_max` limits the whole frame (0 stands for the largest that is ever
/// accepted); as in RabbitMQ a payload of exactly `frame_max` bytes still passes. The size is refused as soon as the
/// head is here, end octet and type when the frame is whole (BEHAVIOURS 1.7).
#[inline]
pub fn cut(bytes: &[u8], frame_max: u32) -> Cut<'_> {
    let Some((&[kind, c1, c0, s3, s2, s1, s0], rest)) = bytes.split_first_chunk::<HEAD>() else {
        return Cut::Partial { need: HEAD };
    };
    let size = u32::from_be_bytes([s3, s2, s1, s0]);
    let limit = effective_max(frame_max);
    if size > limit {
        return Cut::Bad(Reply::frame_too_large(kind, size, limit));
    }
    let length = size as usize;
    let Some(&end) = rest.get(length) else {
        return Cut::Partial {
            need: length + OVERHEAD,
        };
    };
    let payload = &rest[..length];
    if end != END {
        return Cut::Bad(Reply::invalid_frame_end(kind, payload, end));
    }
    let known = matches!(kind, METHOD | HEADER | BODY) || (kind == HEARTBEAT && payload.is_empty());
    if !known {
        return Cut::Bad(Reply::unknown_frame(kind, payload));
    }
    Cut::Whole {
        frame: Frame {
            kind,
            channel: u16::from_be_bytes([c1, c0]),
            payload,
        },
        used: length + OVERHEAD,
    }
}

/// The frame limit in force where `frame_max` was negotiated: 0 means the largest that is ever accepted.
#[inline]
pub fn effective_max(frame_max: u32) -> u32 {
    if frame_max == 0 {
        limits::FRAME_BYTES_UNLIMITED
    } else {
        frame_max
    }
}

/// The seven bytes before a payload of `size` bytes.
#[inline]
pub fn head(kind: u8, channel: u16, size: u32) -> [u8; HEAD] {
    let [c1, c0] = channel.to_be_bytes();
    let [s3, s2, s1, s0] = size.to_be_bytes();
    [kind, c1, c0, s3, s2, s1, s0]
}

/// Starts a frame whose size is not known yet; returns what [`end`] needs.
#[inline]
pub fn begin(out: &mut Vec<u8>, kind: u8, channel: u16) -> usize {
    let begun = out.len();
    out.extend_from_slice(&head(kind, channel, 0));
    begun
}

/// Ends the frame started by [`begin`]: writes its size and the end octet.
#[inline]
pub fn end(out: &mut Vec<u8>, begun: usize) {
    let size = (out.len() - begun - HEAD) as u32;
    out[begun + 3..begun + HEAD].copy_from_slice(&size.to_be_bytes());
    out.push(END);
}

/// Appends a heartbeat.
pub fn heartbeat(out: &mut Vec<u8>) {
    out.extend_from_slice(&HEARTBEAT_FRAME);
}
