//! Hundreds of messages as one buffer of frames, built once. Before each write only the times, and the numbers in routing keys,
//! are patched in place. Producers own one each; the relay's sender uses the same with deliver frames.

use super::fault::Fault;
use super::pattern::{Pattern, overwrite};
use super::stamp::{RUN_BYTES, STAMP_BYTES};
use crate::wire::{content, frame, method};
use amq_protocol::protocol::{AMQPClass, basic};
use amq_protocol::types::ShortString;

/// Bytes of frames for one write, unless one message is larger.
pub const BATCH_BYTES: usize = 64 * 1024;

/// Messages of one batch at most.
const BATCH_MESSAGES_MAX: usize = 1024;

/// The channel that every connection of a load works on.
pub const CHANNEL: u16 = 1;

/// Which method stands before the content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// To a broker.
    Publish {
        /// Ask for unroutable messages back.
        mandatory: bool,
    },
    /// What a broker would send to a consumer: the relay passes it on as it is.
    Deliver,
}

/// What all messages of a batch have in common.
#[derive(Clone, Debug)]
pub struct Spec<'a> {
    /// Publish or deliver.
    pub method: Method,
    /// Exchange name.
    pub exchange: &'a str,
    /// Routing key, with the numbers of [`Spec::keys`].
    pub routing_key: &'a Pattern,
    /// A header for headers exchanges.
    pub header: Option<(&'a str, &'a Pattern)>,
    /// Distinct numbers for the key and the header.
    pub keys: u64,
    /// Delivery mode 2.
    pub persistent: bool,
    /// Body bytes.
    pub size: usize,
    /// The connection's negotiated frame size.
    pub frame_max: u32,
    /// Marks the bodies of this run.
    pub run: u32,
    /// Bytes of frames to prepare; at least one message is.
    pub batch_bytes: usize,
}

/// A place in a message where a number is written.
#[derive(Clone, Copy, Debug)]
struct Patch {
    offset: usize,
    width: usize,
    modulus: u64,
}

/// The prebuilt frames.
#[derive(Debug)]
pub struct Batch {
    bytes: Vec<u8>,
    message_bytes: usize,
    count: usize,
    stamp_at: Option<usize>,
    patches: Vec<Patch>,
    keys: u64,
    next_key: u64,
}

impl Batch {
    /// Builds the frames. `first_key`: where this producer begins in the round of keys.
    pub fn new(spec: &Spec<'_>, first_key: u64) -> Result<Batch, Fault> {
        let mut message = Vec::new();
        let mut patches = Vec::new();
        let key = short(&spec.routing_key.expand(0))?;
        let exchange = short(spec.exchange)?;
        let (method, key_at) = match spec.method {
            Method::Publish { mandatory } => {
                let key_at = frame::HEAD + 4 + 2 + 1 + exchange.as_str().len() + 1;
                let publish = basic::Publish {
                    exchange,
                    routing_key: key,
                    mandatory,
                    immediate: false,
                };
                (basic::AMQPMethod::Publish(publish), key_at)
            }
            Method::Deliver => {
                let key_at = frame::HEAD
                    + 4
                    + 1
                    + CONSUMER_TAG.len()
                    + 8
                    + 1
                    + 1
                    + exchange.as_str().len()
                    + 1;
                let consumer_tag = CONSUMER_TAG.into();
                let deliver = basic::Deliver {
                    consumer_tag,
                    delivery_tag: 1,
                    redelivered: false,
                    exchange,
                    routing_key: key,
                };
                (basic::AMQPMethod::Deliver(deliver), key_at)
            }
        };
        method::write(&mut message, CHANNEL, &AMQPClass::Basic(method));
        if spec.keys > 1 {
            patches.extend(patches_of(spec.routing_key, key_at));
        }
        let (properties, header_value_at) = properties(spec)?;
        let properties_at = message.len() + frame::HEAD + 12;
        if let (Some((_, value)), Some(at)) = (spec.header, header_value_at)
            && spec.keys > 1
        {
            patches.extend(patches_of(value, properties_at + at));
        }
        let body_at = properties_at + properties.len() + 1 + frame::HEAD;
        let mut body = vec![0; spec.size];
        if spec.size >= RUN_BYTES {
            body[8..12].copy_from_slice(&spec.run.to_le_bytes());
        }
        content::write_content(&mut message, CHANNEL, &properties, &body, spec.frame_max);
        let message_bytes = message.len();
        let count = (spec.batch_bytes / message_bytes).clamp(1, BATCH_MESSAGES_MAX);
        Ok(Batch {
            bytes: message.repeat(count),
            message_bytes,
            count,
            stamp_at: (spec.size >= STAMP_BYTES).then_some(body_at),
            patches,
            keys: spec.keys.max(1),
            next_key: first_key,
        })
    }

    /// Messages that one write can carry.
    pub fn count(&self) -> u64 {
        self.count as u64
    }

    /// The frames of `count` messages (at most [`Self::count`]), sent at `now_ns`.
    #[inline]
    pub fn prepare(&mut self, count: u64, now_ns: u64) -> &[u8] {
        let length = (count as usize).min(self.count) * self.message_bytes;
        let stamp = now_ns.to_le_bytes();
        if self.stamp_at.is_none() && self.patches.is_empty() {
            return &self.bytes[..length];
        }
        for message in self.bytes[..length].chunks_exact_mut(self.message_bytes) {
            if let Some(at) = self.stamp_at {
                message[at..at + STAMP_BYTES].copy_from_slice(&stamp);
            }
            if !self.patches.is_empty() {
                for patch in &self.patches {
                    overwrite(
                        &mut message[patch.offset..patch.offset + patch.width],
                        self.next_key % patch.modulus,
                    );
                }
                self.next_key = if self.next_key + 1 == self.keys {
                    0
                } else {
                    self.next_key + 1
                };
            }
        }
        &self.bytes[..length]
    }

    /// What [`Self::prepare`] gave last, from `from` on: for writes that were cut short.
    pub fn prepared(&self, from: usize, length: usize) -> &[u8] {
        &self.bytes[from..length]
    }
}

/// The consumer tag in a relay's deliver frames: as long as the tags of our consumers.
const CONSUMER_TAG: &str = "perf";

fn patches_of(pattern: &Pattern, at: usize) -> impl Iterator<Item = Patch> {
    pattern.sites().into_iter().map(move |site| Patch {
        offset: at + site.offset,
        width: site.width,
        modulus: site.modulus,
    })
}

/// A name that fits in a short string.
pub fn short(name: &str) -> Result<ShortString, Fault> {
    ShortString::try_new(name).map_err(|_| {
        Fault::new(format!(
            "a name of {} bytes: at most 255 are allowed",
            name.len()
        ))
    })
}

/// The property block as on the wire, and where the header's value stands in it.
fn properties(spec: &Spec<'_>) -> Result<(Vec<u8>, Option<usize>), Fault> {
    const HEADERS: u16 = 1 << 13;
    const DELIVERY_MODE: u16 = 1 << 12;
    let mut flags = 0;
    let mut list = Vec::new();
    let mut value_at = None;
    if let Some((name, value)) = spec.header {
        flags |= HEADERS;
        let (name, value) = (short(name)?, value.expand(0));
        let table_bytes = 1 + name.as_str().len() + 1 + 4 + value.len();
        list.extend((table_bytes as u32).to_be_bytes());
        list.push(name.as_str().len() as u8);
        list.extend(name.as_str().as_bytes());
        list.push(b'S');
        list.extend((value.len() as u32).to_be_bytes());
        value_at = Some(2 + list.len());
        list.extend(value.as_bytes());
    }
    if spec.persistent {
        flags |= DELIVERY_MODE;
        list.push(2);
    }
    let mut block = flags.to_be_bytes().to_vec();
    block.extend(list);
    Ok((block, value_at))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::perf::walker::{Handler, Walker};
    use crate::wire::properties::Properties;

    struct Parts {
        keys: Vec<String>,
        headers: Vec<Vec<u8>>,
        stamps: Vec<u64>,
    }

    /// Takes a batch apart with the broker's own parsers.
    fn parts(mut bytes: &[u8]) -> Parts {
        let mut parts = Parts {
            keys: vec![],
            headers: vec![],
            stamps: vec![],
        };
        while !bytes.is_empty() {
            let frame::Cut::Whole { frame, used } = frame::cut(bytes, 131_072) else {
                panic!("not a whole frame")
            };
            match frame.kind {
                frame::METHOD => {
                    let publish = method::parse_publish(frame.payload).unwrap();
                    parts
                        .keys
                        .push(String::from_utf8(publish.routing_key.to_vec()).unwrap());
                }
                frame::HEADER => {
                    let header = content::parse_header(frame.payload).unwrap();
                    let properties = Properties::new(header.properties);
                    properties.check().unwrap();
                    parts
                        .headers
                        .extend(properties.headers().map(<[u8]>::to_vec));
                }
                _ => parts
                    .stamps
                    .push(u64::from_le_bytes(*frame.payload.first_chunk().unwrap())),
            }
            bytes = &bytes[used..];
        }
        parts
    }

    fn spec<'a>(routing_key: &'a Pattern, keys: u64, size: usize) -> Spec<'a> {
        Spec {
            method: Method::Publish { mandatory: false },
            exchange: "amq.topic",
            routing_key,
            header: None,
            keys,
            persistent: true,
            size,
            frame_max: 131_072,
            run: 5,
            batch_bytes: BATCH_BYTES,
        }
    }

    #[test]
    fn each_message_has_the_next_key_and_the_time() {
        let pattern = Pattern::padded("perf.%b.%d", 1200, 10);
        let mut batch = Batch::new(&spec(&pattern, 1200, 16), 1190).unwrap();
        let parts = parts(batch.prepare(20, 77));
        let expected: Vec<String> = (1190..1210)
            .map(|number| pattern.expand(number % 1200))
            .collect();
        assert_eq!(parts.keys, expected);
        assert_eq!(parts.stamps, [77; 20]);
    }

    #[test]
    fn headers_are_patched_too() {
        let (key, value) = (Pattern::padded("", 30, 30), Pattern::padded("v%d", 30, 30));
        let mut spec = spec(&key, 30, 16);
        spec.header = Some(("perf", &value));
        let mut batch = Batch::new(&spec, 0).unwrap();
        let parts = parts(batch.prepare(30, 1));
        assert!(parts.headers[0].ends_with(b"v00") && parts.headers[29].ends_with(b"v29"));
    }

    #[test]
    fn bodies_without_room_for_a_time_and_bodies_of_many_frames_work() {
        let pattern = Pattern::padded("q", 1, 1);
        let mut tiny = Batch::new(&spec(&pattern, 1, 3), 0).unwrap();
        assert!(
            tiny.prepare(1, 9)
                .ends_with(&[0, 0, 0, 3, 0, 0, 0, frame::END])
        );
        let mut large = spec(&pattern, 1, 1_000_000);
        large.method = Method::Deliver;
        let mut large = Batch::new(&large, 0).unwrap();
        assert_eq!(large.count(), 1);

        struct Stamps(Vec<u64>);
        impl Handler for Stamps {
            fn delivered(&mut self, _: u64, prefix: &[u8]) {
                self.0
                    .push(u64::from_le_bytes(*prefix.first_chunk().unwrap()));
            }
            fn method(&mut self, _: &[u8]) -> Result<(), Fault> {
                panic!("only deliveries were sent")
            }
        }
        let mut stamps = Stamps(vec![]);
        Walker::default()
            .feed(large.prepare(1, 4242), &mut stamps)
            .unwrap();
        assert_eq!(stamps.0, [4242]);
    }
}
