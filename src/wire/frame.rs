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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn bad(bytes: &[u8], frame_max: u32) -> String {
        match cut(bytes, frame_max) {
            Cut::Bad(reply) => reply.to_string(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_frame_is_cut_with_what_follows_left_alone() {
        let bytes = [1, 0, 7, 0, 0, 0, 2, 9, 8, END, 1, 2];
        let frame = Frame {
            kind: METHOD,
            channel: 7,
            payload: &[9, 8],
        };
        assert_eq!(cut(&bytes, 4096), Cut::Whole { frame, used: 10 });
        assert_eq!(cut(&bytes[..9], 4096), Cut::Partial { need: 10 });
        assert_eq!(cut(&bytes[..6], 4096), Cut::Partial { need: 7 });
        assert_eq!(cut(&[], 4096), Cut::Partial { need: 7 });
    }

    #[test]
    fn a_size_over_the_limit_is_refused_as_soon_as_the_head_is_here() {
        let head = head(METHOD, 1, 131_073);
        assert_eq!(
            bad(&head, 131_072),
            "501 0/0 FRAME_ERROR - type 1, all octets = <<>>: {frame_too_large,131073,131064}"
        );
        // RabbitMQ's tolerance: a payload of exactly frame_max passes.
        assert_eq!(
            cut(&self::head(METHOD, 1, 131_072), 131_072),
            Cut::Partial { need: 131_080 }
        );
    }

    #[test]
    fn a_wrong_end_octet_is_named() {
        let bytes = [1, 0, 1, 0, 0, 0, 4, 0, 60, 0, 60, 0];
        assert_eq!(
            bad(&bytes, 4096),
            "501 0/0 FRAME_ERROR - type 1, all octets = <<0,60,0,60>>: {invalid_frame_end_marker,0}"
        );
    }

    #[test]
    fn an_unknown_type_is_named_with_the_first_sixteen_octets() {
        let mut bytes = head(9, 1, 4).to_vec();
        bytes.extend_from_slice(&[0, 60, 0, 60, END]);
        assert_eq!(
            bad(&bytes, 4096),
            "501 0/0 FRAME_ERROR - type 9, all octets = <<0,60,0,60>>: unknown_frame"
        );
        let mut long = head(9, 1, 17).to_vec();
        long.extend_from_slice(&[0; 17]);
        long.push(END);
        assert_eq!(
            bad(&long, 4096),
            "501 0/0 FRAME_ERROR - type 9, first 16 octets = <<0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0>>: unknown_frame"
        );
        // A heartbeat has no payload.
        assert_eq!(
            bad(&[HEARTBEAT, 0, 0, 0, 0, 0, 1, 0, END], 4096),
            "501 0/0 FRAME_ERROR - type 8, all octets = <<0>>: unknown_frame"
        );
    }

    #[test]
    fn begin_and_end_frame_what_is_written_between() {
        let mut out = vec![1, 2, 3];
        let begun = begin(&mut out, BODY, 258);
        out.extend_from_slice(b"abc");
        end(&mut out, begun);
        assert_eq!(out[3..], [3, 1, 2, 0, 0, 0, 3, b'a', b'b', b'c', END]);
        out.clear();
        heartbeat(&mut out);
        let frame = Frame {
            kind: HEARTBEAT,
            channel: 0,
            payload: &[],
        };
        assert_eq!(cut(&out, 4096), Cut::Whole { frame, used: 8 });
    }

    proptest! {
        #[test]
        fn frames_come_out_as_they_went_in_however_they_are_split(
            frames in prop::collection::vec(
                (1u8..=3, any::<u16>(), prop::collection::vec(any::<u8>(), 0..50)), 0..8),
            pieces in prop::collection::vec(1usize..40, 1..20),
        ) {
            let mut sent = Vec::new();
            for (kind, channel, payload) in &frames {
                let begun = begin(&mut sent, *kind, *channel);
                sent.extend_from_slice(payload);
                end(&mut sent, begun);
            }
            let (mut received, mut got) = (Vec::new(), Vec::new());
            let mut sizes = pieces.iter().cycle();
            let mut left = &sent[..];
            while !left.is_empty() {
                let (piece, rest) = left.split_at(left.len().min(*sizes.next().unwrap()));
                left = rest;
                received.extend_from_slice(piece);
                loop {
                    match cut(&received, 4096) {
                        Cut::Whole { frame, used } => {
                            got.push((frame.kind, frame.channel, frame.payload.to_vec()));
                            received.drain(..used);
                        }
                        Cut::Partial { need } => {
                            prop_assert!(need > received.len());
                            break;
                        }
                        Cut::Bad(reply) => panic!("{reply}"),
                    }
                }
            }
            prop_assert!(received.is_empty());
            prop_assert_eq!(got, frames);
        }

        #[test]
        fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..64), max in any::<u32>()) {
            if let Cut::Whole { used, .. } = cut(&bytes, max) {
                prop_assert!(used <= bytes.len());
            }
        }
    }
}
