//! One client and its session, without a socket: what the connection's task does, in one of three ways.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::task::{Context, Waker};

use leveret::auth::{PasswordHash, Permission, Users};
use leveret::broker::Broker;
use leveret::connection::Settings;
use leveret::connection::session::Session;
use leveret::wire::frame::{self, Cut};
use leveret::wire::method;

use crate::program::{Random, method_frame, short};
use crate::{Item, frames};

/// How bytes come to the session.
pub enum Feed {
    /// A frame, then whole rounds until nothing is left to do.
    Frames,
    /// All of a phase in one buffer.
    Whole,
    /// In pieces; whole rounds after some of them.
    Pieces(Random),
}

pub struct Peer {
    feed: Feed,
    session: Session,
    rest: Vec<u8>,
    sent: Vec<u8>,
    now: u64,
}

impl Peer {
    /// An open connection to a broker of its own.
    pub fn new(feed: Feed) -> Self {
        let users = Arc::new(Users::new());
        users.put("guest", PasswordHash::new(b"guest"), Vec::new());
        let all = Permission::new(".*", ".*", ".*").expect("patterns");
        users.set_permission("guest", "/", all);
        let broker = Broker::new(leveret::broker::Settings::default(), users);
        broker.add_vhost("/");
        let now = broker.now();
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, 1));
        let session = Session::new(broker, Arc::new(Settings::default()), address, now);
        let mut peer = Self {
            feed,
            session,
            rest: Vec::new(),
            sent: Vec::new(),
            now,
        };
        peer.handle(&opening());
        peer.rounds();
        peer.sent.clear();
        peer
    }

    pub fn feed_name(&self) -> &'static str {
        match self.feed {
            Feed::Frames => "frame by frame",
            Feed::Whole => "all at once",
            Feed::Pieces(_) => "in pieces",
        }
    }

    /// A phase's bytes; all that they lead to is in [`items`](Self::items) afterwards.
    pub fn feed(&mut self, bytes: &[u8]) {
        match &mut self.feed {
            Feed::Frames => {
                for frame in frames(bytes) {
                    self.handle(frame);
                    self.rounds();
                }
            }
            Feed::Whole => self.handle(bytes),
            Feed::Pieces(random) => {
                let mut pieces = Vec::new();
                let mut left = bytes;
                while !left.is_empty() {
                    let most = [1, 20, 300, 5000][random.below(4)];
                    let (piece, rest) = left.split_at(left.len().min(1 + random.below(most)));
                    pieces.push((piece, random.below(2) == 0));
                    left = rest;
                }
                for (piece, round) in pieces {
                    self.handle(piece);
                    if round {
                        self.rounds();
                    }
                }
            }
        }
        self.rounds();
        assert!(self.rest.is_empty(), "everything is handled");
        assert!(!self.session.has_ended(), "the connection goes on");
    }

    fn handle(&mut self, bytes: &[u8]) {
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
            self.rest.drain(..used);
            if used == 0 || self.rest.is_empty() {
                return;
            }
        }
    }

    /// Rounds without new bytes until nothing is left to do.
    fn rounds(&mut self) {
        let context = &mut Context::from_waker(Waker::noop());
        // What a round's end publishes is in the mailbox in the next.
        let mut idle = 0;
        for _ in 0..1000 {
            self.session.begin_round(self.now);
            idle += 1;
            if self.session.mailbox.poll(true, context).is_ready() {
                let drained = self.session.mailbox.drain(true, Vec::new());
                self.session.drain(drained);
                idle = 0;
            }
            if self.session.has_backlog() {
                self.session.deliver();
                idle = 0;
            }
            self.session.finish_round();
            while !self.session.output.is_empty() {
                let mut slices = [std::io::IoSlice::new(&[]); 4];
                let count = self.session.output.slices(&mut slices);
                for slice in &slices[..count] {
                    self.sent.extend_from_slice(slice);
                }
                let written = slices[..count].iter().map(|slice| slice.len()).sum();
                self.session.output.sent(written);
                idle = 0;
            }
            self.session.wake_others();
            if idle == 2 {
                return;
            }
        }
        panic!("a session without input goes on and on");
    }

    /// What the session has sent since the last call, method by method.
    pub fn items(&mut self) -> Vec<Item> {
        items(&std::mem::take(&mut self.sent))
    }
}

/// Frames, method by method.
pub fn items(bytes: &[u8]) -> Vec<Item> {
    let mut items: Vec<Item> = Vec::new();
    for one in frames(bytes) {
        let Cut::Whole { frame, .. } = frame::cut(one, 0) else {
            panic!("cut before");
        };
        let payload = frame.payload.to_vec();
        match frame.kind {
            frame::METHOD => items.push((frame.channel, payload, Vec::new(), Vec::new())),
            kind => {
                let (channel, _, header, body) = items.last_mut().expect("a method first");
                assert_eq!(*channel, frame.channel);
                if kind == frame::HEADER {
                    assert!(header.is_empty());
                    *header = without_time(payload);
                } else {
                    assert_eq!(kind, frame::BODY);
                    body.extend_from_slice(&payload);
                }
            }
        }
    }
    items
}

/// Each broker writes its own time into `x-death`.
fn without_time(mut header: Vec<u8>) -> Vec<u8> {
    const TIME: &[u8] = b"\x04timeT";
    for at in 0..header.len().saturating_sub(TIME.len() + 7) {
        if header[at..].starts_with(TIME) {
            header[at + TIME.len()..at + TIME.len() + 8].fill(0);
        }
    }
    header
}

/// Header, start-ok, tune-ok, open.
fn opening() -> Vec<u8> {
    let mut out = b"AMQP\x00\x00\x09\x01".to_vec();
    let notify = [&short("consumer_cancel_notify")[..], b"t\x01"].concat();
    let mut client = [&short("capabilities")[..], b"F"].concat();
    client.extend_from_slice(&(notify.len() as u32).to_be_bytes());
    client.extend_from_slice(&notify);
    let mut start_ok = (client.len() as u32).to_be_bytes().to_vec();
    start_ok.extend_from_slice(&client);
    start_ok.extend_from_slice(b"\x05PLAIN\0\0\0\x0c\0guest\0guest\x05en_US");
    method_frame(&mut out, 0, method::CONNECTION_START_OK, &[&start_ok]);
    method_frame(
        &mut out,
        0,
        method::CONNECTION_TUNE_OK,
        &[&[7, 255, 0, 2, 0, 0, 0, 0]],
    );
    method_frame(&mut out, 0, method::CONNECTION_OPEN, &[b"\x01/\0\0"]);
    out
}
