//! What must hold for any bytes that clients send to a broker: no panic, no endless work, every answer a proper frame in a
//! proper place, and nothing left of a connection that has gone. Shared by the libFuzzer target and by the ordinary test.
//!
//! The first byte chooses how the rest is fed:
//!
//! ```text
//! bit 0   the connection is open with channels 1 and 2 and a queue `q`, instead of the input being all that is sent
//! bit 1   the rest is records (kind and channel, u16 length, payload), framed here, so that a mutation keeps sizes and end
//!         octets right; instead of a stream of frames
//! bit 2   with records: each is answered before the next, and bit 7 of its first byte sends it on a second connection to
//!         the same broker
//! bit 3+  seed of the pieces in which one connection's bytes come
//! ```
//!
//! The bytes of a single connection are fed twice, to two brokers: whole and in pieces. The answers must be the same.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::task::{Context, Waker};

use leveret::auth::{PasswordHash, Permission, Users};
use leveret::broker::Broker;
use leveret::connection::Settings;
use leveret::connection::session::Session;
use leveret::wire::frame::{self, Cut};
use leveret::wire::properties::Properties;
use leveret::wire::{content, method};

/// A peer whose input ended may be answered in so many rounds; more would be endless.
const ROUNDS_MAX: usize = 1000;

/// Looks at `data` in the way that its first byte says.
pub fn check(data: &[u8]) {
    let Some((&how, rest)) = data.split_first() else {
        return;
    };
    let (is_open, is_records, is_two) = (how & 1 != 0, how & 2 != 0, how & 6 == 6);
    let broker = broker();
    let mut peer = Peer::new(&broker, is_open);
    if is_two {
        let all: Vec<u8> = records(rest).flat_map(|record| record.frame).collect();
        let mut other = Peer::new(&broker, true);
        for record in records(rest) {
            let (one, another) = if record.first {
                (&mut peer, &mut other)
            } else {
                (&mut other, &mut peer)
            };
            one.feed(&record.frame);
            one.rounds();
            another.rounds();
        }
        check_output(&other.finish());
        check_output(&peer.finish());
        unbind_exchanges(&broker, &all);
    } else {
        let bytes = if is_records {
            records(rest).flat_map(|record| record.frame).collect()
        } else {
            rest.to_vec()
        };
        peer.feed(&bytes);
        let whole = peer.finish();
        check_output(&whole);

        let again = self::broker();
        let mut peer = Peer::new(&again, is_open);
        let mut sizes = u32::from(how >> 3) | 1;
        let mut left = &bytes[..];
        while !left.is_empty() {
            sizes = sizes.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let size = match sizes >> 30 {
                0 => 1,
                1 => 1 + (sizes >> 24) as usize % 16,
                _ => 1 + (sizes >> 16) as usize % 5000,
            };
            let (piece, after) = left.split_at(size.min(left.len()));
            peer.feed(piece);
            left = after;
        }
        let pieces = peer.finish();
        let (whole, pieces) = (comparable(&whole), comparable(&pieces));
        for (at, (one, other)) in whole.iter().zip(&pieces).enumerate() {
            assert_eq!(one, other, "frame {at}: the same bytes, the same answers");
        }
        assert_eq!(whole.len(), pieces.len(), "the same bytes, as many answers");
        assert_eq!(again.connections(), 0);
        unbind_exchanges(&broker, &bytes);
        unbind_exchanges(&again, &bytes);
    }
    assert_eq!(
        broker.connections(),
        0,
        "a connection that has gone is gone"
    );
}

fn broker() -> Arc<Broker> {
    let users = Arc::new(Users::new());
    users.put(
        "guest",
        PasswordHash::new(b"guest"),
        vec!["administrator".to_owned()],
    );
    let all = Permission::new(".*", ".*", ".*").expect("patterns");
    users.set_permission("guest", "/", all);
    let broker = Broker::new(leveret::broker::Settings::default(), users);
    broker.add_vhost("/");
    broker
}

/// One client: what the connection's task is to a session, without a socket.
struct Peer {
    session: Session,
    /// Bytes that the session has not taken.
    rest: Vec<u8>,
    /// Everything that the session sent.
    sent: Vec<u8>,
    now: u64,
}

impl Peer {
    fn new(broker: &Arc<Broker>, is_open: bool) -> Self {
        let settings = Settings {
            max_message_size: 1 << 20,
            ..Settings::default()
        };
        let now = broker.now();
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, 1));
        let session = Session::new(Arc::clone(broker), Arc::new(settings), address, now);
        let mut peer = Self {
            session,
            rest: Vec::new(),
            sent: Vec::new(),
            now,
        };
        if is_open {
            peer.feed(&opening());
            peer.rounds();
            assert!(peer.rest.is_empty() && !peer.session.has_ended());
        }
        peer
    }

    /// What the task does when the socket has bytes.
    fn feed(&mut self, bytes: &[u8]) {
        self.session.begin_round(self.now);
        let mut bytes = bytes;
        if self.rest.is_empty()
            && let Some((body, missing)) = self.session.direct()
        {
            let (part, after) = bytes.split_at(missing.min(bytes.len()));
            body.extend_from_slice(part);
            self.session.direct_read(part.len());
            bytes = after;
        }
        self.rest.extend_from_slice(bytes);
        loop {
            let used = self.session.handle(&self.rest);
            assert!(used <= self.rest.len());
            self.rest.drain(..used);
            if used == 0 || self.rest.is_empty() {
                return;
            }
        }
    }

    /// Rounds without new bytes until nothing is left to do.
    fn rounds(&mut self) {
        let context = &mut Context::from_waker(Waker::noop());
        for _ in 0..ROUNDS_MAX {
            self.session.begin_round(self.now);
            let mut progress = false;
            if self.session.mailbox.poll(true, context).is_ready() {
                let drained = self.session.mailbox.drain(true, Vec::new());
                self.session.drain(drained);
                progress = true;
            }
            if self.session.has_backlog() {
                self.session.deliver();
                progress = true;
            }
            self.session.finish_round();
            let sent = self.sent.len();
            while !self.session.output.is_empty() {
                let mut slices = [std::io::IoSlice::new(&[]); 4];
                let count = self.session.output.slices(&mut slices);
                slices[..count]
                    .iter()
                    .for_each(|slice| self.sent.extend_from_slice(slice));
                let written = slices[..count].iter().map(|slice| slice.len()).sum();
                self.session.output.sent(written);
            }
            self.session.wake_others();
            if !progress && sent == self.sent.len() {
                return;
            }
        }
        panic!("a session without input goes on and on");
    }

    /// The client goes away: what it was sent until then.
    fn finish(mut self) -> Vec<u8> {
        self.rounds();
        self.session.check_consumer_timeouts();
        let _ = (
            self.session.ends_at(),
            self.session.consumer_deadline(),
            self.session.heartbeat_s(),
        );
        self.session.rest();
        self.session.end();
        self.session.end();
        self.rounds();
        std::mem::take(&mut self.sent)
    }
}

/// Takes away the bindings between exchanges that the input made. Exchanges that are bound in a circle hold each other, as they
/// should while the broker lives, and would look like a leak when it is dropped.
fn unbind_exchanges(broker: &Arc<Broker>, input: &[u8]) {
    let mut left = input.strip_prefix(b"AMQP\x00\x00\x09\x01").unwrap_or(input);
    let mut unbinds = Vec::new();
    while let Cut::Whole { frame, used } = frame::cut(left, 0) {
        if let Some((id, fields)) = frame.payload.split_first_chunk::<4>()
            && u32::from_be_bytes(*id) == method::EXCHANGE_BIND
        {
            // A channel of its own for each, since a mistake closes it.
            let channel = 3 + (unbinds.len() % 2000) as u16;
            let mut unbind = Vec::new();
            for (id, fields) in [
                (method::CHANNEL_OPEN, &[0][..]),
                (method::EXCHANGE_UNBIND, fields),
            ] {
                let begun = frame::begin(&mut unbind, frame::METHOD, channel);
                unbind.extend_from_slice(&id.to_be_bytes());
                unbind.extend_from_slice(fields);
                frame::end(&mut unbind, begun);
            }
            unbinds.push(unbind);
        }
        left = &left[used..];
    }
    if unbinds.is_empty() {
        return;
    }
    let mut cleaner = Peer::new(broker, true);
    for unbind in unbinds {
        cleaner.feed(&unbind);
        cleaner.rounds();
        if cleaner.session.has_ended() || cleaner.session.ends_at().is_some() {
            cleaner = Peer::new(broker, true);
        }
    }
    cleaner.finish();
}

/// Header, start-ok, tune-ok, open, two channels, a queue.
fn opening() -> Vec<u8> {
    let mut out = b"AMQP\x00\x00\x09\x01".to_vec();
    let mut send = |channel: u16, id: u32, fields: &[u8]| {
        let begun = frame::begin(&mut out, frame::METHOD, channel);
        out.extend_from_slice(&id.to_be_bytes());
        out.extend_from_slice(fields);
        frame::end(&mut out, begun);
    };
    let cancel_notify = b"\x16consumer_cancel_notifyt\x01";
    let mut client = b"\x0ccapabilitiesF\0\0\0".to_vec();
    client.push(cancel_notify.len() as u8);
    client.extend_from_slice(cancel_notify);
    let mut start_ok = (client.len() as u32).to_be_bytes().to_vec();
    start_ok.extend_from_slice(&client);
    start_ok.extend_from_slice(b"\x05PLAIN\0\0\0\x0c\0guest\0guest\x05en_US");
    send(0, method::CONNECTION_START_OK, &start_ok);
    send(0, method::CONNECTION_TUNE_OK, &[7, 255, 0, 0, 16, 0, 0, 0]); // 2047 channels, frames of 4096 bytes
    send(0, method::CONNECTION_OPEN, b"\x01/\0\0");
    send(1, method::CHANNEL_OPEN, &[0]);
    send(2, method::CHANNEL_OPEN, &[0]);
    send(1, method::QUEUE_DECLARE, b"\0\0\x01q\0\0\0\0\0");
    out
}

/// A frame that a record stands for.
struct Record {
    first: bool,
    frame: Vec<u8>,
}

fn records(mut bytes: &[u8]) -> impl Iterator<Item = Record> {
    std::iter::from_fn(move || {
        let (&[how, high, low], rest) = bytes.split_first_chunk::<3>()?;
        let length = usize::from(u16::from_be_bytes([high, low])).min(rest.len());
        let (payload, rest) = rest.split_at(length);
        bytes = rest;
        let kind = match how & 7 {
            0..=3 => frame::METHOD,
            4 => frame::HEADER,
            5 => frame::BODY,
            6 => frame::HEARTBEAT,
            _ => 4,
        };
        let mut frame = Vec::new();
        let begun = frame::begin(&mut frame, kind, u16::from(how >> 3 & 3));
        frame.extend_from_slice(payload);
        frame::end(&mut frame, begun);
        Some(Record {
            first: how & 0x80 == 0,
            frame,
        })
    })
}

/// The frames of an output, without the protocol header that may stand in front.
fn frames(output: &[u8]) -> impl Iterator<Item = (u8, u16, &[u8])> {
    let mut left = output
        .strip_prefix(b"AMQP\x00\x00\x09\x01")
        .unwrap_or(output);
    std::iter::from_fn(move || {
        if left.is_empty() {
            return None;
        }
        match frame::cut(left, 0) {
            Cut::Whole { frame, used } => {
                left = &left[used..];
                Some((frame.kind, frame.channel, frame.payload))
            }
            other => panic!("the output is not frames: {other:?}"),
        }
    })
}

/// Every frame can be read, and content follows exactly what announces it.
fn check_output(output: &[u8]) {
    let mut frames = frames(output);
    while let Some((kind, channel, payload)) = frames.next() {
        if kind == frame::HEARTBEAT {
            continue;
        }
        assert_eq!(kind, frame::METHOD, "content that nothing announced");
        // Names go back as they came, and may be any bytes.
        let readable = match method::id(payload) {
            Some(method::BASIC_RETURN) => method::parse_return(payload).is_ok(),
            Some(method::BASIC_DELIVER) => method::parse_deliver(payload).is_ok(),
            Some(method::BASIC_GET_OK) => method::parse_get_ok(payload).is_ok(),
            _ => method::parse(payload).is_ok(),
        };
        assert!(readable, "a method that no client can read");
        let announces = [
            method::BASIC_DELIVER,
            method::BASIC_GET_OK,
            method::BASIC_RETURN,
        ];
        if !method::id(payload).is_some_and(|id| announces.contains(&id)) {
            continue;
        }
        let (kind, of, payload) = frames.next().expect("a content header");
        assert_eq!((kind, of), (frame::HEADER, channel));
        let header = content::parse_header(payload).expect("a content header");
        assert_eq!(header.expect_basic(), Ok(()));
        assert_eq!(Properties::new(header.properties).check(), Ok(()));
        let mut missing = header.body_size;
        while missing > 0 {
            let (kind, of, payload) = frames.next().expect("a body");
            assert_eq!((kind, of), (frame::BODY, channel));
            assert!(!payload.is_empty() && payload.len() as u64 <= missing);
            missing -= payload.len() as u64;
        }
    }
}

/// The output up to a close of the connection, after which what still comes is not looked at the same way, and with what is
/// random or depends on the time made equal.
fn comparable(output: &[u8]) -> Vec<(u8, u16, Vec<u8>)> {
    let mut all = Vec::new();
    for (kind, channel, payload) in frames(output) {
        let mut payload = payload.to_vec();
        for (prefix, random) in RANDOM {
            mask(&mut payload, prefix, random);
        }
        let closes = method::id(&payload) == Some(method::CONNECTION_CLOSE);
        all.push((kind, channel, payload));
        if kind == frame::METHOD && closes {
            break;
        }
    }
    all
}

/// What stands before bytes that differ from run to run, and how many those are.
const RANDOM: [(&[u8], usize); 4] = [
    (b"amq.gen-", 22),
    (b"amq.ctag-", 22),
    (b"amq.rabbitmq.reply-to.", 32),
    (b"\x04timeT", 8),
];

fn mask(payload: &mut [u8], prefix: &[u8], length: usize) {
    for at in 0..payload.len().saturating_sub(prefix.len()) {
        if payload[at..].starts_with(prefix) {
            payload[at + prefix.len()..]
                .iter_mut()
                .take(length)
                .for_each(|byte| *byte = b'*');
        }
    }
}
