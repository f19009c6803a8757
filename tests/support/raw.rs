//! A peer that speaks AMQP in frames over a blocking socket: it can say everything, right or wrong, and it panics with what
//! it saw when the broker says something else than the test expects.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use super::PATIENCE;
use super::method::{self, Method, basic, channel, connection, queue};
use super::properties::Properties;
use super::table::{Table, Value};

/// Reads big-endian fields from a slice; panics at its end.
pub struct Reader<'a>(pub &'a [u8]);

impl<'a> Reader<'a> {
    pub fn bytes(&mut self, count: usize) -> &'a [u8] {
        let (taken, rest) = self.0.split_at(count);
        self.0 = rest;
        taken
    }
    pub fn take<const N: usize>(&mut self) -> [u8; N] {
        self.bytes(N).try_into().expect("N bytes")
    }
    pub fn u8(&mut self) -> u8 {
        self.bytes(1)[0]
    }
    pub fn u16(&mut self) -> u16 {
        u16::from_be_bytes(self.take())
    }
    pub fn u32(&mut self) -> u32 {
        u32::from_be_bytes(self.take())
    }
    pub fn u64(&mut self) -> u64 {
        u64::from_be_bytes(self.take())
    }
    pub fn short(&mut self) -> String {
        let size = usize::from(self.u8());
        String::from_utf8(self.bytes(size).to_vec()).expect("UTF-8")
    }
    pub fn long(&mut self) -> &'a [u8] {
        let size = self.u32() as usize;
        self.bytes(size)
    }
}

#[derive(Clone, Debug, PartialEq)]
pub struct Frame {
    pub kind: u8,
    pub channel: u16,
    pub payload: Vec<u8>,
}

pub const METHOD: u8 = 1;
pub const HEADER: u8 = 2;
pub const BODY: u8 = 3;
pub const HEARTBEAT: u8 = 8;
pub const PROTOCOL: &[u8] = b"AMQP\x00\x00\x09\x01";

/// How to log in.
#[derive(Clone)]
pub struct Login {
    pub user: String,
    pub password: String,
    pub vhost: String,
    pub channel_max: u16,
    pub frame_max: u32,
    pub heartbeat: u16,
    /// Names in the client's `capabilities` table.
    pub capabilities: &'static [&'static str],
}

impl Default for Login {
    fn default() -> Self {
        Self {
            user: "guest".to_owned(),
            password: "guest".to_owned(),
            vhost: "/".to_owned(),
            channel_max: 2047,
            frame_max: 131_072,
            heartbeat: 0,
            capabilities: &[
                "authentication_failure_close",
                "basic.nack",
                "connection.blocked",
                "consumer_cancel_notify",
                "publisher_confirms",
            ],
        }
    }
}

impl Login {
    pub fn properties(&self) -> Table {
        let names = self.capabilities.iter();
        let capabilities = names
            .map(|name| ((*name).to_owned(), Value::Bool(true)))
            .collect();
        table! { "product" => "raw peer", "capabilities" => Table(capabilities) }
    }

    /// PLAIN.
    pub fn plain(&self) -> Vec<u8> {
        format!("\0{}\0{}", self.user, self.password).into_bytes()
    }
}

/// A delivery, by basic.deliver or by basic.get-ok.
#[derive(Clone, Debug, PartialEq)]
pub struct Delivery {
    /// Empty for get-ok.
    pub consumer: String,
    pub tag: u64,
    pub redelivered: bool,
    pub exchange: String,
    pub routing_key: String,
    /// get-ok only: messages left.
    pub left: u32,
    /// Raw.
    pub properties: Vec<u8>,
    pub body: Vec<u8>,
}

impl Delivery {
    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).expect("a text body")
    }
    pub fn properties(&self) -> Properties {
        Properties::decode(&self.properties)
    }
    /// Its headers; an empty table if it has none.
    pub fn headers(&self) -> Table {
        self.properties().headers.unwrap_or_default()
    }
    /// Its x-death.
    pub fn deaths(&self) -> Vec<Table> {
        let headers = self.headers();
        if headers.get("x-death").is_none() {
            return Vec::new();
        }
        headers.tables("x-death").into_iter().cloned().collect()
    }
}

/// A message that came back.
#[derive(Clone, Debug, PartialEq)]
pub struct Returned {
    pub code: u16,
    pub text: String,
    pub exchange: String,
    pub routing_key: String,
    pub properties: Vec<u8>,
    pub body: Vec<u8>,
}

pub struct Peer {
    pub stream: TcpStream,
    buffer: Vec<u8>,
    start: usize,
    stash: VecDeque<Frame>,
    /// What `acked` has seen, by channel: all up to a tag, and some behind it.
    acked: HashMap<u16, (u64, BTreeSet<u64>)>,
    pub frame_max: u32,
    /// connection.start's server-properties, after `log_in`.
    pub server: Table,
}

impl Peer {
    pub fn new(stream: TcpStream) -> Self {
        stream.set_nodelay(true).expect("a TCP socket");
        stream
            .set_write_timeout(Some(PATIENCE))
            .expect("a TCP socket");
        Self {
            stream,
            buffer: Vec::new(),
            start: 0,
            stash: VecDeque::new(),
            acked: HashMap::new(),
            frame_max: 131_072,
            server: Table::default(),
        }
    }

    // What we say.

    /// Any bytes. Fails the test if the broker has hung up.
    pub fn send_bytes(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).expect("the broker reads");
    }

    /// Any bytes; a broker that hangs up meanwhile is all right.
    pub fn try_send_bytes(&mut self, bytes: &[u8]) {
        let _ = self.stream.write_all(bytes);
    }

    pub fn send_frame(&mut self, kind: u8, channel: u16, payload: &[u8]) {
        self.send_bytes(&frame(kind, channel, payload));
    }

    pub fn send(&mut self, channel: u16, method: &Method) {
        self.send_frame(METHOD, channel, &method.encode());
    }

    /// Sends a publish with its content.
    pub fn publish(&mut self, channel: u16, exchange: &str, key: &str, body: impl AsRef<[u8]>) {
        self.publish_with(channel, exchange, key, "", &Properties::default(), body);
    }

    /// Sends a publish with flags, properties and content.
    pub fn publish_with(
        &mut self,
        channel: u16,
        exchange: &str,
        key: &str,
        flags: &str,
        properties: &Properties,
        body: impl AsRef<[u8]>,
    ) {
        let properties = properties.encode();
        let method = basic::publish(exchange, key, flags);
        let bytes = content(
            channel,
            &method,
            &properties,
            body.as_ref(),
            self.frame_max as usize - 8,
        );
        self.send_bytes(&bytes);
    }

    // What we hear.

    fn cut(&mut self) -> Option<Frame> {
        let bytes = &self.buffer[self.start..];
        if bytes.len() < 7 {
            return None;
        }
        if bytes.starts_with(b"AMQP") {
            panic!(
                "a protocol header instead of a frame: {:?}",
                &bytes[..bytes.len().min(8)]
            );
        }
        let size = u32::from_be_bytes(bytes[3..7].try_into().expect("4 bytes")) as usize;
        if bytes.len() < size + 8 {
            return None;
        }
        assert_eq!(bytes[size + 7], 0xCE, "frame end");
        assert!(
            size + 8 <= self.frame_max as usize,
            "a frame of {} bytes",
            size + 8
        );
        let frame = Frame {
            kind: bytes[0],
            channel: u16::from_be_bytes([bytes[1], bytes[2]]),
            payload: bytes[7..size + 7].to_vec(),
        };
        self.start += size + 8;
        if self.start > 1 << 20 || self.start == self.buffer.len() {
            self.buffer.drain(..self.start);
            self.start = 0;
        }
        Some(frame)
    }

    /// Reads some bytes. False at the end of the stream.
    fn fill(&mut self, end: Instant) -> std::io::Result<bool> {
        let left = end
            .saturating_duration_since(Instant::now())
            .max(Duration::from_millis(1));
        self.stream.set_read_timeout(Some(left))?;
        let mut chunk = vec![0; 256 * 1024];
        match self.stream.read(&mut chunk) {
            Ok(0) => Ok(false),
            Ok(count) => {
                self.buffer.extend_from_slice(&chunk[..count]);
                Ok(true)
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => Ok(true),
            Err(error)
                if matches!(
                    error.kind(),
                    ErrorKind::ConnectionReset | ErrorKind::BrokenPipe
                ) =>
            {
                Ok(false)
            }
            Err(error) => Err(error),
        }
    }

    /// The next frame, heartbeats included; None at the end of the stream.
    pub fn frame_within(&mut self, patience: Duration) -> Option<Frame> {
        if let Some(frame) = self.stash.pop_front() {
            return Some(frame);
        }
        let end = Instant::now() + patience;
        loop {
            if let Some(frame) = self.cut() {
                return Some(frame);
            }
            match self.fill(end) {
                Ok(true) => {}
                Ok(false) => return None,
                Err(error) => panic!("no frame within {patience:?}: {error}"),
            }
        }
    }

    /// The next frame of a channel; heartbeats are skipped, frames of other channels kept for later.
    pub fn frame(&mut self, channel: u16) -> Frame {
        if let Some(at) = self.stash.iter().position(|frame| frame.channel == channel) {
            return self.stash.remove(at).expect("just found");
        }
        let mut kept = std::mem::take(&mut self.stash);
        let end = Instant::now() + PATIENCE;
        let found = loop {
            assert!(
                Instant::now() < end,
                "nothing on channel {channel}, only heartbeats or others"
            );
            let Some(frame) = self.frame_within(PATIENCE) else {
                panic!("the broker hung up; stashed: {kept:?}")
            };
            if frame.kind == HEARTBEAT {
                continue;
            }
            if frame.channel == channel {
                break frame;
            }
            if frame.channel == 0 && frame.kind == METHOD {
                let method = Method::decode(&frame.payload);
                assert!(
                    !method.is(10, 50),
                    "the broker closed the connection: {method:?}"
                );
            }
            kept.push_back(frame);
        };
        self.stash = kept;
        found
    }

    /// The next method of a channel.
    pub fn next(&mut self, channel: u16) -> Method {
        let frame = self.frame(channel);
        assert_eq!(frame.kind, METHOD, "a method, not {frame:?}");
        Method::decode(&frame.payload)
    }

    /// The next method of a channel is this kind.
    pub fn expect_method(&mut self, channel: u16, class: u16, id: u16) -> Method {
        let method = self.next(channel);
        assert!(method.is(class, id), "{class}/{id} wanted, got {method:?}");
        method
    }

    /// The next method of a channel is exactly this.
    pub fn expect(&mut self, channel: u16, method: &Method) {
        assert_eq!(&self.next(channel), method, "on channel {channel}");
    }

    /// Header and body frames.
    fn content(&mut self, channel: u16) -> (Vec<u8>, Vec<u8>) {
        let header = self.frame(channel);
        assert_eq!(header.kind, HEADER, "a content header, not {header:?}");
        let mut reader = Reader(&header.payload);
        assert_eq!((reader.u16(), reader.u16()), (60, 0), "class and weight");
        let size = reader.u64();
        let properties = reader.0.to_vec();
        let mut body = Vec::new();
        while (body.len() as u64) < size {
            let part = self.frame(channel);
            assert_eq!(part.kind, BODY, "a body frame, not {:?}", part.kind);
            assert!(!part.payload.is_empty(), "an empty body frame");
            body.extend_from_slice(&part.payload);
        }
        assert_eq!(body.len() as u64, size, "body size");
        (properties, body)
    }

    pub fn read_delivery(&mut self, channel: u16, method: &Method) -> Delivery {
        let deliver = method.is(60, 60);
        let shift = usize::from(deliver);
        let (properties, body) = self.content(channel);
        Delivery {
            consumer: if deliver {
                method.text(0)
            } else {
                String::new()
            },
            tag: method.number(shift),
            redelivered: method.number(shift + 1) != 0,
            exchange: method.text(shift + 2),
            routing_key: method.text(shift + 3),
            left: if deliver {
                0
            } else {
                u32::try_from(method.number(4)).expect("u32")
            },
            properties,
            body,
        }
    }

    /// The next thing on the channel is a basic.deliver.
    pub fn delivery(&mut self, channel: u16) -> Delivery {
        let method = self.expect_method(channel, 60, 60);
        self.read_delivery(channel, &method)
    }

    /// The same, if one comes so soon.
    pub fn delivery_within(&mut self, channel: u16, patience: Duration) -> Option<Delivery> {
        if !self.arrives(channel, Instant::now() + patience) {
            return None;
        }
        Some(self.delivery(channel))
    }

    /// Whether there is a frame of a channel by then; false at the end of the stream, too.
    fn arrives(&mut self, channel: u16, end: Instant) -> bool {
        while !self.stash.iter().any(|frame| frame.channel == channel) {
            match self.cut() {
                Some(frame) if frame.kind == HEARTBEAT => {}
                Some(frame) => self.stash.push_back(frame),
                // Nothing in time, or the end.
                None if !self.fill(end).unwrap_or(false) => return false,
                None => {}
            }
        }
        true
    }

    /// The bodies of the next deliveries.
    pub fn texts(&mut self, channel: u16, count: usize) -> Vec<String> {
        (0..count)
            .map(|_| self.delivery(channel).text().to_owned())
            .collect()
    }

    /// The next thing on the channel is a basic.return.
    pub fn returned(&mut self, channel: u16) -> Returned {
        let method = self.expect_method(channel, 60, 50);
        let (properties, body) = self.content(channel);
        Returned {
            code: u16::try_from(method.number(0)).expect("u16"),
            text: method.text(1),
            exchange: method.text(2),
            routing_key: method.text(3),
            properties,
            body,
        }
    }

    /// basic.get, to be acknowledged.
    pub fn get(&mut self, channel: u16, queue: &str) -> Option<Delivery> {
        self.get_with(channel, queue, "")
    }

    /// basic.get with no-ack.
    pub fn take(&mut self, channel: u16, queue: &str) -> Option<Delivery> {
        self.get_with(channel, queue, "no-ack")
    }

    fn get_with(&mut self, channel: u16, queue: &str, flags: &str) -> Option<Delivery> {
        let method = self.call(channel, &basic::get(queue, flags));
        if method == basic::get_empty() {
            return None;
        }
        assert!(method.is(60, 71), "get-ok wanted, got {method:?}");
        Some(self.read_delivery(channel, &method))
    }

    /// Takes a message as soon as there is one: for those that arrive on their own (dead letters).
    pub fn take_soon(&mut self, channel: u16, queue: &str) -> Delivery {
        let end = Instant::now() + PATIENCE;
        loop {
            if let Some(delivery) = self.take(channel, queue) {
                return delivery;
            }
            assert!(Instant::now() < end, "nothing arrived in {queue}");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    // Conversations.

    /// Sends a method and returns the next one on that channel.
    pub fn call(&mut self, channel: u16, method: &Method) -> Method {
        self.send(channel, method);
        self.next(channel)
    }

    /// Sends a method; the answer must be this one.
    pub fn ask(&mut self, channel: u16, method: &Method, answer: &Method) {
        let got = self.call(channel, method);
        assert_eq!(&got, answer, "answer to {method:?}");
    }

    pub fn open(&mut self, channel: u16) {
        self.acked.remove(&channel);
        self.ask(channel, &channel::open(), &channel::open_ok());
    }

    /// A method that costs the channel: 40x with the ids of the method. The channel is opened again.
    pub fn refused(&mut self, channel: u16, method: &Method, code: u16, text: &str) {
        self.send(channel, method);
        self.expect_channel_close(channel, code, text, method.class, method.method);
        self.open(channel);
    }

    /// A publish that costs the channel, which is opened again.
    pub fn publish_refused(
        &mut self,
        channel: u16,
        (exchange, key): (&str, &str),
        properties: &Properties,
        code: u16,
        text: &str,
    ) {
        self.publish_with(channel, exchange, key, "", properties, "refused");
        self.expect_channel_close(channel, code, text, 60, 40);
        self.open(channel);
    }

    /// A method that costs the connection: 5xx with the ids of the method.
    pub fn fatal(mut self, channel: u16, method: &Method, code: u16, text: &str) {
        self.send(channel, method);
        self.expect_connection_close(code, text, method.class, method.method);
    }

    /// channel.close with exactly this; answered with close-ok.
    pub fn expect_channel_close(
        &mut self,
        channel: u16,
        code: u16,
        text: &str,
        class: u16,
        method: u16,
    ) {
        let closed = loop {
            let frame = self.frame(channel);
            // Deliveries may still be on their way.
            if frame.kind == METHOD {
                let method = Method::decode(&frame.payload);
                if !method.is(60, 60) {
                    break method;
                }
            }
        };
        assert_eq!(closed, channel::closed(code, text, class, method));
        self.send(channel, &channel::close_ok());
    }

    /// connection.close with exactly this; answered with close-ok, then the broker hangs up.
    pub fn expect_connection_close(&mut self, code: u16, text: &str, class: u16, method: u16) {
        let closed = self.connection_close();
        assert_eq!(closed, connection::closed(code, text, class, method));
        self.send_close_ok();
    }

    /// Any connection.close, not yet answered.
    pub fn connection_close(&mut self) -> Method {
        loop {
            let Some(frame) = self.frame_within(PATIENCE) else {
                panic!("the broker hung up without connection.close")
            };
            if frame.kind == METHOD && frame.channel == 0 {
                let method = Method::decode(&frame.payload);
                assert!(method.is(10, 50), "connection.close wanted, got {method:?}");
                return method;
            }
        }
    }

    /// Answers connection.close and waits for the end of the stream.
    pub fn send_close_ok(&mut self) {
        self.try_send_bytes(&frame(METHOD, 0, &connection::close_ok().encode()));
        self.expect_closed();
    }

    /// The broker hangs up without another word.
    pub fn expect_closed(&mut self) {
        self.expect_closed_within(PATIENCE);
    }

    pub fn expect_closed_within(&mut self, patience: Duration) {
        while let Some(frame) = self.frame_within(patience) {
            assert_eq!(
                frame.kind, HEARTBEAT,
                "the end of the stream, not {frame:?}"
            );
        }
    }

    /// A clean goodbye.
    pub fn close(mut self) {
        self.ask(0, &connection::close(), &connection::close_ok());
    }

    /// Nothing has come on the channel and nothing is on its way from the queue: two questions to the queue are answered with
    /// nothing in between (the second one, because RabbitMQ's queue may have sent before the first answer).
    pub fn quiet(&mut self, channel: u16, name: &str) {
        for _ in 0..2 {
            self.expect_count_answer(channel, name);
        }
    }

    fn expect_count_answer(&mut self, channel: u16, name: &str) -> (u32, u32) {
        let passive = queue::declare(name, "passive", table! {});
        let ok = self.call(channel, &passive);
        assert!(ok.is(50, 11), "declare-ok wanted, got {ok:?}");
        (ok.number(1) as u32, ok.number(2) as u32)
    }

    /// Ready messages and consumers, by a passive declare.
    pub fn counts(&mut self, channel: u16, name: &str) -> (u32, u32) {
        self.expect_count_answer(channel, name)
    }

    /// So many messages are ready and so many consumers there. At once: a connection never sees itself reordered. (RabbitMQ
    /// answers before it has enqueued what was published just before, so there we wait.)
    pub fn has(&mut self, channel: u16, name: &str, ready: u32, consumers: u32) {
        if super::foreign() {
            super::eventually(
                &format!("{ready} ready, {consumers} consumers in {name}"),
                || self.counts(channel, name) == (ready, consumers),
            );
        } else {
            assert_eq!(
                self.counts(channel, name),
                (ready, consumers),
                "ready, consumers"
            );
        }
    }

    /// Waits until so many messages are ready.
    pub fn wait_ready(&mut self, channel: u16, name: &str, ready: u32) {
        super::eventually(&format!("{ready} messages ready in {name}"), || {
            self.counts(channel, name).0 == ready
        });
    }

    /// An exclusive queue with a fresh name.
    pub fn queue(&mut self, channel: u16) -> String {
        self.queue_with(channel, table! {})
    }

    /// An exclusive queue with a fresh name and arguments.
    pub fn queue_with(&mut self, channel: u16, arguments: Table) -> String {
        let name = super::unique("q");
        let declare = queue::declare(&name, "exclusive", arguments);
        self.ask(channel, &declare, &queue::declare_ok(&name, 0, 0));
        name
    }

    /// A transient exchange that goes when its last binding goes.
    pub fn exchange(&mut self, channel: u16, kind: &str) -> String {
        let name = super::unique("x");
        let declare = method::exchange::declare(&name, kind, "auto-delete", table! {});
        self.ask(channel, &declare, &method::exchange::declare_ok());
        name
    }

    pub fn bind(&mut self, channel: u16, queue: &str, exchange: &str, key: &str) {
        let bind = method::queue::bind(queue, exchange, key, table! {});
        self.ask(channel, &bind, &method::queue::bind_ok());
    }

    /// Starts a consumer with a tag of its own.
    pub fn consume(&mut self, channel: u16, queue: &str, tag: &str, flags: &str) {
        let consume = basic::consume(queue, tag, flags, table! {});
        self.ask(channel, &consume, &basic::consume_ok(tag));
    }

    pub fn prefetch(&mut self, channel: u16, count: u16) {
        self.ask(channel, &basic::qos(0, count, false), &basic::qos_ok());
    }

    pub fn confirm(&mut self, channel: u16) {
        self.acked.remove(&channel);
        self.ask(
            channel,
            &method::confirm::select(),
            &method::confirm::select_ok(),
        );
    }

    /// Waits until everything up to `tag` is confirmed, with acks only; what came to an earlier call counts.
    pub fn acked(&mut self, channel: u16, tag: u64) {
        while self.acked.entry(channel).or_default().0 < tag {
            let ack = self.expect_method(channel, 60, 80);
            self.note_ack(channel, ack.number(0), ack.number(1) != 0);
        }
    }

    /// The tag up to which everything is acknowledged by what comes so soon; the broker may have hung up.
    pub fn acked_within(&mut self, channel: u16, patience: Duration) -> u64 {
        let end = Instant::now() + patience;
        while self.arrives(channel, end) {
            let ack = self.expect_method(channel, 60, 80);
            self.note_ack(channel, ack.number(0), ack.number(1) != 0);
        }
        self.acked.entry(channel).or_default().0
    }

    fn note_ack(&mut self, channel: u16, tag: u64, multiple: bool) {
        let (upto, more) = self.acked.entry(channel).or_default();
        if multiple {
            *upto = tag.max(*upto);
            *more = more.split_off(&tag);
        } else {
            more.insert(tag);
        }
        while more.first().is_some_and(|first| *first <= *upto + 1) {
            *upto = more.pop_first().expect("it was just there").max(*upto);
        }
    }

    /// The next method is the ack of exactly this tag.
    pub fn acked_one(&mut self, channel: u16, tag: u64) {
        let ack = self.expect_method(channel, 60, 80);
        assert_eq!(ack.number(0), tag);
        self.note_ack(channel, tag, ack.number(1) != 0);
    }

    // Log in.

    /// Sends the protocol header and reads connection.start.
    pub fn start(&mut self) -> Method {
        self.send_bytes(PROTOCOL);
        let start = self.expect_method(0, 10, 10);
        self.server = start.table(2).clone();
        start
    }

    /// Up to connection.tune.
    pub fn authenticate(&mut self, login: &Login) -> Method {
        self.start();
        let start_ok = connection::start_ok(login.properties(), "PLAIN", &login.plain());
        self.send(0, &start_ok);
        self.expect_method(0, 10, 30)
    }

    /// Up to connection.open-ok.
    pub fn log_in(&mut self, login: &Login) {
        self.authenticate(login);
        let tune = connection::tune_ok(login.channel_max, login.frame_max, login.heartbeat);
        self.send(0, &tune);
        self.ask(0, &connection::open(&login.vhost), &connection::open_ok());
        self.frame_max = login.frame_max;
    }
}

/// A whole frame.
pub fn frame(kind: u8, channel: u16, payload: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(payload.len() + 8);
    out.push(kind);
    out.extend_from_slice(&channel.to_be_bytes());
    out.extend_from_slice(&u32::try_from(payload.len()).expect("fits").to_be_bytes());
    out.extend_from_slice(payload);
    out.push(0xCE);
    out
}

/// The payload of a content header frame.
pub fn header(body_size: u64, properties: &[u8]) -> Vec<u8> {
    let mut out = vec![0, 60, 0, 0];
    out.extend_from_slice(&body_size.to_be_bytes());
    out.extend_from_slice(properties);
    out
}

/// Method, header and body frames of at most `part` bytes each.
pub fn content(
    channel: u16,
    method: &Method,
    properties: &[u8],
    body: &[u8],
    part: usize,
) -> Vec<u8> {
    let mut out = frame(METHOD, channel, &method.encode());
    out.extend(frame(
        HEADER,
        channel,
        &header(body.len() as u64, properties),
    ));
    for chunk in body.chunks(part) {
        out.extend(frame(BODY, channel, chunk));
    }
    out
}
