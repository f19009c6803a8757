//! The open state of a session: its channels, and the frames that reach them.
//!
//! A publish whose method, header and body lie whole in front is handed on as it is; everything else goes frame by frame. A
//! channel's fault closes the channel here, a connection's goes up to the session.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use amq_protocol::protocol::{AMQPClass, channel as channel_class, connection};

use super::Session;
use crate::auth::User;
use crate::broker::access::Access;
use crate::broker::events::Event;
use crate::broker::publish::Publisher;
use crate::broker::{Connection, Most, Refusal};
use crate::connection::channel::Channel;
use crate::connection::channel::confirm::Confirms;
use crate::connection::channel::publish::Content;
use crate::connection::consumers::Consumers;
use crate::connection::context::{Context, EXCLUSIVE_SWEEP_MIN};
use crate::connection::handshake::{Capabilities, Tuned};
use crate::connection::output::Output;
use crate::connection::queues::{Queues, Settles};
use crate::queue::{Effects, Outcome};
use crate::wire::frame::{self, Cut, Frame};
use crate::wire::reply::{Reply, Scope};
use crate::wire::{content, method};

/// A body frame of which at least this much is missing is read straight into its message.
const DIRECT_BYTES: usize = 8 * 1024;

/// An open connection's channels, and what they share.
pub(super) struct Open {
    pub(super) cx: Context,
    /// In order of their numbers.
    pub(super) channels: Vec<Channel>,
    /// Index of the channel used last.
    last: usize,
    /// A body frame that is being read straight into its message: its channel, and the bytes that it lacks.
    pub(super) direct: Option<(u16, usize)>,
    /// Payload bytes of that frame.
    direct_size: usize,
}

/// What the handshake has learned of the client.
pub(super) struct Client {
    pub(super) capabilities: Capabilities,
    pub(super) properties: Box<[u8]>,
    pub(super) mechanism: Box<str>,
}

/// Why an open connection stops handling frames.
pub(super) enum Fault {
    Reply(Reply),
    Closed,
}

impl From<Reply> for Fault {
    fn from(reply: Reply) -> Self {
        Fault::Reply(reply)
    }
}

pub(super) fn close_channel(
    channel: &mut Channel,
    cx: &mut Context,
    out: &mut Output,
    reply: &Reply,
) {
    channel.end(cx, out);
    reply.write(out.bytes(), channel.number);
    channel.closing = true;
}

impl Session {
    /// Opens a vhost for who has logged in. Checks in RabbitMQ's order: the node's limit, the vhost, the permission.
    pub(super) fn open(
        &self,
        vhost: &str,
        user: &Arc<User>,
        tuned: Tuned,
        client: Client,
    ) -> Result<Open, Reply> {
        let registry = self.broker.registry();
        let refused = |refusal: Refusal| refusal.reply(vhost, &user.name);
        let mut most = Most {
            node: self.broker.settings.connections_max.map(|most| most as u64),
            ..Most::default()
        };
        registry.admits(vhost, &user.name, &most).map_err(refused)?;
        let found = self
            .broker
            .vhost(vhost)
            .ok_or_else(|| Reply::vhost_not_found(vhost))?;
        most.vhost = found.limits.connections_most();
        most.user = user.limits.connections_most();
        registry.admits(vhost, &user.name, &most).map_err(refused)?;
        let access = Access::new(
            &self.broker.users,
            Arc::clone(user),
            Arc::clone(&found.name),
        )
        .ok_or_else(|| Reply::vhost_refused(vhost, &user.name))?;
        let entry = Connection {
            id: self.id,
            mailbox: Arc::clone(&self.mailbox),
            user: Arc::clone(&user.name),
            vhost: Arc::clone(&found.name),
            peer: self.peer,
            local: self.local,
            opened_ms: self.now,
            mechanism: client.mechanism,
            client_properties: client.properties,
            channel_max: tuned.channel_max,
            frame_max: tuned.frame_max,
            heartbeat_s: tuned.heartbeat_s,
        };
        let entry = Arc::new(entry);
        registry.add(Arc::clone(&entry), &most).map_err(refused)?;
        // Whoever deletes the vhost marks it first and then closes who is registered: one of the two is seen.
        if found.is_deleting() {
            registry.remove(self.id);
            return Err(Reply::vhost_not_found(vhost));
        }
        let event = || Event::connection("connection.created", &entry);
        self.broker.events().tell(self.now, event);
        let permitted = access.version();
        let cx = Context {
            broker: Arc::clone(&self.broker),
            settings: Arc::clone(&self.settings),
            id: self.id,
            mailbox: Arc::clone(&self.mailbox),
            publisher: Publisher::new(Arc::clone(&found)).of(self.id),
            vhost: found,
            access,
            permitted,
            tuned,
            capabilities: client.capabilities,
            confirms: Confirms::default(),
            queues: Queues::default(),
            settles: Settles::default(),
            consumers: Consumers::default(),
            backlog: VecDeque::new(),
            exclusive: BTreeMap::new(),
            exclusive_sweep: EXCLUSIVE_SWEEP_MIN,
            freed: Vec::new(),
            wakers: Effects::default(),
            now: self.now,
            traced: false,
            published: false,
            half_sent: 0,
            parked: None,
            resumed: 0,
        };
        Ok(Open::new(cx))
    }
}

impl Open {
    /// An open connection without channels.
    pub(super) fn new(cx: Context) -> Self {
        Self {
            cx,
            channels: Vec::new(),
            last: 0,
            direct: None,
            direct_size: 0,
        }
    }

    #[inline]
    pub(super) fn index(&mut self, number: u16) -> Option<usize> {
        match self.channels.get(self.last) {
            Some(channel) if channel.number == number => Some(self.last),
            _ => {
                self.last = self
                    .channels
                    .binary_search_by_key(&number, |channel| channel.number)
                    .ok()?;
                Some(self.last)
            }
        }
    }

    /// Handles the next frame, or the three of a publish that lies whole in front.
    // A function of its own: in line, its caller has too much to keep in registers.
    #[inline(never)]
    pub(super) fn step(&mut self, bytes: &[u8], out: &mut Output) -> Result<usize, Fault> {
        if let Some((number, missing)) = self.direct {
            return self.direct_step(number, missing, bytes, out);
        }
        let frame_max = self.cx.tuned.frame_max;
        let (frame, used) = match frame::cut(bytes, frame_max) {
            Cut::Whole { frame, used } => (frame, used),
            Cut::Partial { need } => return Ok(self.partial(bytes, need)),
            Cut::Bad(reply) => return Err(reply.into()),
        };
        if frame.kind == frame::METHOD && frame.channel != 0 {
            match method::id(frame.payload) {
                Some(method::BASIC_PUBLISH) => return self.publish(&frame, used, bytes, out),
                Some(id) => return self.method(&frame, id, out).map(|()| used),
                None => return Err(Reply::unknown_frame(frame.kind, frame.payload).into()),
            }
        }
        self.other(&frame, out)?;
        Ok(used)
    }

    /// A body frame that is far from whole goes straight into its message from here on.
    fn partial(&mut self, bytes: &[u8], need: usize) -> usize {
        if bytes.len() < frame::OVERHEAD
            || bytes[0] != frame::BODY
            || need < bytes.len() + DIRECT_BYTES
        {
            return 0;
        }
        let number = u16::from_be_bytes([bytes[1], bytes[2]]);
        let size = need - frame::OVERHEAD;
        let Some(index) = self.index(number) else {
            return 0;
        };
        let channel = &mut self.channels[index];
        let Some((body, missing)) = channel.content.body() else {
            return 0;
        };
        if size > missing {
            return 0;
        }
        let part = &bytes[frame::OVERHEAD - 1..];
        body.extend_from_slice(part);
        self.direct = Some((number, size - part.len()));
        self.direct_size = size;
        bytes.len()
    }

    /// The rest of a body frame whose first part went straight into its message.
    fn direct_step(
        &mut self,
        number: u16,
        missing: usize,
        bytes: &[u8],
        out: &mut Output,
    ) -> Result<usize, Fault> {
        let Some(index) = self.index(number) else {
            return Err(Reply::expected_method().into());
        };
        let channel = &mut self.channels[index];
        if missing > 0 {
            let part = &bytes[..missing.min(bytes.len())];
            if let Some((body, _)) = channel.content.body() {
                body.extend_from_slice(part);
            }
            self.direct = Some((number, missing - part.len()));
            return Ok(part.len());
        }
        self.direct = None;
        if bytes[0] != frame::END {
            return Err(Reply::invalid_frame_end(frame::BODY, &[], bytes[0]).into());
        }
        let grown = channel.content_grew(&mut self.cx, out, self.direct_size);
        self.channel_result(index, grown, out)?;
        Ok(1)
    }

    /// basic.publish: the hot way when its content is there too.
    #[inline]
    fn publish(
        &mut self,
        frame: &Frame<'_>,
        used: usize,
        bytes: &[u8],
        out: &mut Output,
    ) -> Result<usize, Fault> {
        let Some(index) = self.index(frame.channel) else {
            return Err(Reply::expected_channel_open(60, 40).into());
        };
        let publish = method::parse_publish(frame.payload)?;
        let channel = &mut self.channels[index];
        if channel.closing {
            return Ok(used);
        }
        if !matches!(channel.content, Content::None) {
            return Err(out_of_place(channel, frame).into());
        }
        self.cx.published = true;
        let frame_max = self.cx.tuned.frame_max;
        if let Cut::Whole {
            frame: head,
            used: head_used,
        } = frame::cut(&bytes[used..], frame_max)
            && head.kind == frame::HEADER
            && head.channel == frame.channel
            && let Ok(header) = content::parse_header(head.payload)
            && header.class == content::BASIC
            && header.weight == 0
        {
            let after = used + head_used;
            let (body, end) = match frame::cut(&bytes[after..], frame_max) {
                _ if header.body_size == 0 => (&[][..], after),
                Cut::Whole {
                    frame: body,
                    used: body_used,
                } if body.kind == frame::BODY
                    && body.channel == frame.channel
                    && body.payload.len() as u64 == header.body_size =>
                {
                    (body.payload, after + body_used)
                }
                _ => (&[][..], 0),
            };
            if end > 0 && channel.publish_whole(&mut self.cx, &publish, &header, body)? {
                if self.cx.publisher.is_full() {
                    self.cx.flush(out);
                }
                return Ok(end);
            }
        }
        channel.publish_begins(&publish);
        Ok(used)
    }

    /// A method on a channel.
    #[inline]
    fn method(&mut self, frame: &Frame<'_>, id: u32, out: &mut Output) -> Result<(), Fault> {
        let Some(index) = self.index(frame.channel) else {
            return if id == method::CHANNEL_OPEN {
                self.open_channel(frame, out)
            } else {
                no_channel(id)
            };
        };
        let channel = &mut self.channels[index];
        if channel.closing {
            match id {
                method::CHANNEL_CLOSE_OK => self.remove_channel(index),
                method::CHANNEL_CLOSE => {
                    let ok = channel_class::AMQPMethod::CloseOk(channel_class::CloseOk {});
                    method::write(out.bytes(), frame.channel, &AMQPClass::Channel(ok));
                }
                _ => {}
            }
            return Ok(());
        }
        if !matches!(channel.content, Content::None) {
            return Err(out_of_place(channel, frame).into());
        }
        let (tag, multiple, outcome) = match id {
            method::BASIC_ACK => {
                let ack = method::parse_ack(frame.payload)?;
                (ack.tag, ack.multiple, Outcome::Ack)
            }
            method::BASIC_NACK => {
                let nack = method::parse_nack(frame.payload)?;
                (
                    nack.tag,
                    nack.multiple,
                    if nack.requeue {
                        Outcome::Return
                    } else {
                        Outcome::Discard
                    },
                )
            }
            method::BASIC_REJECT => {
                let reject = method::parse_reject(frame.payload)?;
                (
                    reject.tag,
                    false,
                    if reject.requeue {
                        Outcome::Requeue
                    } else {
                        Outcome::Discard
                    },
                )
            }
            _ => return self.cold_method(index, frame, id, out),
        };
        let settled = channel
            .settle(&mut self.cx, out, tag, multiple, outcome)
            .map_err(|reply| reply.at_id(id));
        self.channel_result(index, settled, out)
    }

    fn cold_method(
        &mut self,
        index: usize,
        frame: &Frame<'_>,
        id: u32,
        out: &mut Output,
    ) -> Result<(), Fault> {
        self.cx.flush(out);
        let channel = &mut self.channels[index];
        match id {
            method::CHANNEL_OPEN => {
                method::parse(frame.payload)?;
                Err(Reply::second_channel_open().at_id(id).into())
            }
            method::CHANNEL_CLOSE => {
                method::parse(frame.payload)?;
                channel.end(&mut self.cx, out);
                let ok = channel_class::AMQPMethod::CloseOk(channel_class::CloseOk {});
                method::write(out.bytes(), frame.channel, &AMQPClass::Channel(ok));
                self.remove_channel(index);
                Ok(())
            }
            _ => {
                let done = channel.method(&mut self.cx, out, frame.payload);
                // qos and friends may have made room.
                self.cx.flush_settles();
                self.channel_result(index, done, out)
            }
        }
    }

    /// The message that a basic.get waits for may have come.
    pub(super) fn get_again(&mut self, out: &mut Output) -> Result<(), Fault> {
        let Some((number, get)) = self.cx.parked.take() else {
            return Ok(());
        };
        self.cx.flush(out);
        let Some(index) = self.index(number) else {
            return Ok(());
        };
        let done = self.channels[index]
            .get(&mut self.cx, out, &get)
            .map_err(|reply| reply.at_id(method::BASIC_GET));
        self.channel_result(index, done, out)
    }

    /// A fault of a channel closes it; one of the connection goes up.
    fn channel_result(
        &mut self,
        index: usize,
        result: Result<(), Reply>,
        out: &mut Output,
    ) -> Result<(), Fault> {
        match result {
            Err(reply) if reply.scope == Scope::Channel => {
                let channel = &mut self.channels[index];
                tracing::warn!(
                    connection = self.cx.id,
                    channel = channel.number,
                    "closing channel: {reply}"
                );
                close_channel(channel, &mut self.cx, out, &reply);
                Ok(())
            }
            Err(reply) => Err(reply.into()),
            Ok(()) => Ok(()),
        }
    }

    fn open_channel(&mut self, frame: &Frame<'_>, out: &mut Output) -> Result<(), Fault> {
        method::parse(frame.payload)?;
        let most = self.cx.tuned.channel_max;
        if self.channels.len() >= usize::from(most) {
            return Err(Reply::channel_max_reached(self.channels.len(), most).into());
        }
        let user = &self.cx.access.user;
        if let Err(most) = user.limits.open_channel() {
            return Err(Reply::user_channel_limit(&user.name, most).into());
        }
        if let Err(most) = self.cx.broker.open_channel() {
            user.limits.close_channels(1);
            return Err(Reply::node_channel_limit(&self.cx.settings.node_name, most as u64).into());
        }
        let at = self
            .channels
            .partition_point(|channel| channel.number < frame.channel);
        self.channels.insert(at, Channel::new(frame.channel));
        let ok = channel_class::AMQPMethod::OpenOk(channel_class::OpenOk {});
        method::write(out.bytes(), frame.channel, &AMQPClass::Channel(ok));
        self.tell_of_channel("channel.created", frame.channel);
        Ok(())
    }

    /// Tells whoever listens of a channel that has come or gone.
    pub(super) fn tell_of_channel(&self, key: &'static str, number: u16) {
        let broker = &self.cx.broker;
        if broker.events().is_watched()
            && let Some(connection) = broker.registry().get(self.cx.id)
        {
            let event = || Event::channel(key, &connection, number);
            broker.events().tell(self.cx.now, event);
        }
    }

    fn remove_channel(&mut self, index: usize) {
        let number = self.channels.remove(index).number;
        self.tell_of_channel("channel.closed", number);
        self.cx.close_channels(1);
        self.last = 0;
    }

    /// Everything but a method on a channel: content, heartbeats, the connection's own methods.
    fn other(&mut self, frame: &Frame<'_>, out: &mut Output) -> Result<(), Fault> {
        match frame.kind {
            frame::HEARTBEAT if frame.channel == 0 => Ok(()),
            frame::HEARTBEAT => Err(Reply::unexpected_frame(frame.kind, frame.payload).into()),
            frame::METHOD => self.connection_method(frame, out),
            _ => self.content(frame, out),
        }
    }

    fn content(&mut self, frame: &Frame<'_>, out: &mut Output) -> Result<(), Fault> {
        let Some(index) = self.index(frame.channel) else {
            return Err(Reply::unexpected_frame(frame.kind, frame.payload).into());
        };
        let channel = &mut self.channels[index];
        if channel.closing {
            return Ok(());
        }
        let done = match (&channel.content, frame.kind) {
            (Content::Header(_), frame::HEADER) => {
                let header = content::parse_header(frame.payload)?;
                header
                    .expect_basic()
                    .map_err(|reply| reply.at_id(method::BASIC_PUBLISH))?;
                channel.content_header(&mut self.cx, out, &header)
            }
            (Content::Body(_), frame::BODY) => {
                channel.content_body(&mut self.cx, out, frame.payload)
            }
            _ => return Err(out_of_place(channel, frame).into()),
        };
        self.channel_result(index, done, out)
    }

    fn connection_method(&mut self, frame: &Frame<'_>, out: &mut Output) -> Result<(), Fault> {
        let id = method::id(frame.payload).unwrap_or(0);
        match method::parse(frame.payload)? {
            AMQPClass::Connection(connection::AMQPMethod::Close(_)) => Err(Fault::Closed),
            AMQPClass::Connection(connection::AMQPMethod::UpdateSecret(_)) => {
                let ok = connection::AMQPMethod::UpdateSecretOk(connection::UpdateSecretOk {});
                method::write(out.bytes(), 0, &AMQPClass::Connection(ok));
                Ok(())
            }
            AMQPClass::Connection(connection::AMQPMethod::CloseOk(_)) => Ok(()),
            _ => Err(
                Reply::unexpected_connection_method((id >> 16) as u16, id as u16, "running").into(),
            ),
        }
    }
}

/// A frame that does not belong where the channel's content stands.
fn out_of_place(channel: &Channel, _frame: &Frame<'_>) -> Reply {
    match &channel.content {
        Content::None => Reply::expected_method(),
        Content::Header(_) => Reply::expected_content_header().at_id(method::BASIC_PUBLISH),
        Content::Body(_) => Reply::expected_content_body().at_id(method::BASIC_PUBLISH),
    }
}

fn no_channel(id: u32) -> Result<(), Fault> {
    Err(Reply::expected_channel_open((id >> 16) as u16, id as u16).into())
}
