//! Walks over a stream of frames by their heads, without gathering them: bodies are skipped, whatever their size. Only what a
//! load generator looks at is handed out: whole methods, and the first bytes of each message.
//!
//! This is the hot end of consumers; setup conversations go through `wire::frame::cut` (see opening.rs).

use super::fault::Fault;
use crate::wire::frame::HEAD;
use crate::wire::{frame, method};

/// Bytes of a body that are handed out: a stamp (see stamp.rs).
pub const PREFIX: usize = 16;

/// Larger methods than this are not from a sane broker.
const METHOD_BYTES_MAX: usize = 1 << 20;

/// Bytes of a content header up to and including the body size.
const HEADER_BYTES: usize = 12;

/// What a connection does with what it reads.
pub trait Handler {
    /// A delivery is complete. `prefix`: its first bytes, at most [`PREFIX`].
    fn delivered(&mut self, tag: u64, prefix: &[u8]);
    /// Any other method. A returned or got message's content is skipped.
    fn method(&mut self, payload: &[u8]) -> Result<(), Fault>;
}

/// The state between two reads.
#[derive(Debug, Default)]
pub struct Walker {
    /// Bytes of the current frame, end octet included, that are of no interest.
    skip: usize,
    /// A frame's interesting bytes, when a read ended among them.
    carry: Vec<u8>,
    message: Message,
}

/// The message that is being received.
#[derive(Debug, Default)]
struct Message {
    /// Delivery tag; None when the content belongs to a basic.return or basic.get-ok.
    delivery: Option<u64>,
    prefix: [u8; PREFIX],
    prefix_len: usize,
    /// Body bytes still to come after the current frame.
    remaining: u64,
    /// The current frame is the last of a delivery.
    last: bool,
}

impl Walker {
    /// Takes one read's bytes.
    pub fn feed<H: Handler>(&mut self, mut bytes: &[u8], handler: &mut H) -> Result<(), Fault> {
        if self.skip > 0 {
            let skipped = self.skip.min(bytes.len());
            self.skip -= skipped;
            bytes = &bytes[skipped..];
            if self.skip > 0 {
                return Ok(());
            }
            self.message.frame_over(handler);
        }
        if !self.carry.is_empty() {
            match self.finish_carried(bytes, handler)? {
                Some(rest) => bytes = rest,
                None => return Ok(()),
            }
        }
        while let Some((kind, size, wanted)) = head(bytes)? {
            let Some(shown) = bytes.get(HEAD..HEAD + wanted) else {
                break;
            };
            self.message.frame(kind, size, shown, handler)?;
            let whole = HEAD + size + 1;
            if bytes.len() < whole {
                self.skip = whole - bytes.len();
                return Ok(());
            }
            bytes = &bytes[whole..];
            self.message.frame_over(handler);
        }
        self.carry.extend_from_slice(bytes);
        Ok(())
    }

    /// Completes the frame that the last read broke off; what is left of `bytes`, or None when all are used.
    fn finish_carried<'a, H: Handler>(
        &mut self,
        mut bytes: &'a [u8],
        handler: &mut H,
    ) -> Result<Option<&'a [u8]>, Fault> {
        let (kind, size, wanted) = loop {
            let need = match head(&self.carry)? {
                None => HEAD,
                Some((kind, size, wanted)) if self.carry.len() >= HEAD + wanted => {
                    break (kind, size, wanted);
                }
                Some((_, _, wanted)) => HEAD + wanted,
            };
            let taken = (need - self.carry.len()).min(bytes.len());
            if taken == 0 {
                return Ok(None);
            }
            self.carry.extend_from_slice(&bytes[..taken]);
            bytes = &bytes[taken..];
        };
        let carry = std::mem::take(&mut self.carry);
        self.message
            .frame(kind, size, &carry[HEAD..HEAD + wanted], handler)?;
        let left = HEAD + size + 1 - carry.len();
        self.carry = carry;
        self.carry.clear();
        let skipped = left.min(bytes.len());
        self.skip = left - skipped;
        if self.skip > 0 {
            return Ok(None);
        }
        self.message.frame_over(handler);
        Ok(Some(&bytes[skipped..]))
    }
}

impl Message {
    #[inline]
    fn frame<H: Handler>(
        &mut self,
        kind: u8,
        size: usize,
        shown: &[u8],
        handler: &mut H,
    ) -> Result<(), Fault> {
        match kind {
            frame::METHOD => match method::id(shown) {
                Some(method::BASIC_DELIVER) => {
                    self.delivery = Some(method::parse_deliver(shown)?.delivery_tag)
                }
                _ => {
                    self.delivery = None;
                    handler.method(shown)?;
                }
            },
            frame::HEADER => {
                let size = shown
                    .get(4..HEADER_BYTES)
                    .and_then(|size| size.try_into().ok());
                self.remaining = u64::from_be_bytes(
                    size.ok_or_else(|| Fault::new("the broker sent a short content header"))?,
                );
                self.prefix_len = 0;
                self.last = self.remaining == 0;
            }
            frame::BODY => {
                if self.prefix_len == 0 {
                    self.prefix[..shown.len()].copy_from_slice(shown);
                    self.prefix_len = shown.len();
                }
                self.remaining = self.remaining.saturating_sub(size as u64);
                self.last = self.remaining == 0;
            }
            _ => {}
        }
        Ok(())
    }

    #[inline]
    fn frame_over<H: Handler>(&mut self, handler: &mut H) {
        if std::mem::take(&mut self.last)
            && let Some(tag) = self.delivery.take()
        {
            handler.delivered(tag, &self.prefix[..self.prefix_len]);
        }
    }
}

/// Kind, payload size and payload bytes to look at; None when the head itself is not complete.
#[inline]
fn head(bytes: &[u8]) -> Result<Option<(u8, usize, usize)>, Fault> {
    let Some(head) = bytes.first_chunk::<HEAD>() else {
        return Ok(None);
    };
    let size = u32::from_be_bytes([head[3], head[4], head[5], head[6]]) as usize;
    let wanted = match head[0] {
        frame::METHOD if size <= METHOD_BYTES_MAX => size,
        frame::HEADER => size.min(HEADER_BYTES),
        frame::BODY => size.min(PREFIX),
        frame::HEARTBEAT => 0,
        kind => {
            return Err(Fault::new(format!(
                "the broker sent a frame of type {kind} and {size} bytes"
            )));
        }
    };
    Ok(Some((head[0], size, wanted)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::content;
    use amq_protocol::protocol::{AMQPClass, basic};

    #[derive(Default, PartialEq, Debug)]
    struct Seen {
        deliveries: Vec<(u64, Vec<u8>)>,
        methods: Vec<u32>,
    }

    impl Handler for Seen {
        fn delivered(&mut self, tag: u64, prefix: &[u8]) {
            self.deliveries.push((tag, prefix.to_vec()));
        }
        fn method(&mut self, payload: &[u8]) -> Result<(), Fault> {
            self.methods.extend(method::id(payload));
            Ok(())
        }
    }

    fn stream() -> Vec<u8> {
        let mut out = Vec::new();
        for (tag, size) in [(1u64, 0usize), (2, 3), (3, 16), (4, 100), (5, 1000)] {
            let deliver = basic::Deliver {
                consumer_tag: "some-tag".into(),
                delivery_tag: tag,
                redelivered: false,
                exchange: "".into(),
                routing_key: "key".into(),
            };
            method::write(
                &mut out,
                1,
                &AMQPClass::Basic(basic::AMQPMethod::Deliver(deliver)),
            );
            content::write_content(&mut out, 1, &[0, 0], &vec![tag as u8; size], 128);
            method::write_ack(&mut out, 1, tag, false);
            frame::heartbeat(&mut out);
        }
        let returned = basic::Return {
            reply_code: 312,
            reply_text: "NO_ROUTE".into(),
            exchange: "".into(),
            routing_key: "key".into(),
        };
        method::write(
            &mut out,
            1,
            &AMQPClass::Basic(basic::AMQPMethod::Return(returned)),
        );
        content::write_content(&mut out, 1, &[0, 0], &[9; 40], 128);
        method::write_ack(&mut out, 1, 6, false);
        out
    }

    #[test]
    fn any_cut_of_the_stream_shows_the_same() {
        let stream = stream();
        let mut whole = Seen::default();
        Walker::default().feed(&stream, &mut whole).unwrap();
        assert_eq!(whole.deliveries.len(), 5);
        assert_eq!(whole.deliveries[3], (4, vec![4; PREFIX]));
        assert_eq!(whole.deliveries[1], (2, vec![2; 3]));
        assert_eq!(whole.methods.len(), 7);
        for step in [1, 2, 3, 7, 8, 11, 64, 129, 500] {
            let mut seen = Seen::default();
            let mut walker = Walker::default();
            for bytes in stream.chunks(step) {
                walker.feed(bytes, &mut seen).unwrap();
            }
            assert_eq!(seen, whole, "in steps of {step}");
        }
    }

    #[test]
    fn garbage_is_a_fault() {
        let mut walker = Walker::default();
        assert!(
            walker
                .feed(b"HTTP/1.1 400 Bad Request", &mut Seen::default())
                .is_err()
        );
    }
}
