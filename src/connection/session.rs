//! An open connection without its socket: frames in, bytes out.
//!
//! ```text
//! Header -> Handshake -> Open -> Closing (our close is out) -> Ended
//!                   \------\---------------------------------> Ended
//! ```
//!
//! The connection's task feeds bytes ([`Session::handle`]), hands over the mailbox ([`Session::drain`]), ends each round
//! ([`Session::finish_round`]) and writes what is in [`Session::output`]. Time comes in as a value. Everything a peer may send has
//! an answer here; nothing here waits.

mod control;
mod describe;
mod open;

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::task::Waker;

use amq_protocol::protocol::{AMQPClass, connection};

use self::open::{Client, Fault, Open, close_channel};
use super::Settings;
use super::channel::Channel;
use super::handshake::{Handshake, Step};
use super::output::{CAP_BYTES, HIGH_WATER_BYTES, Output};
use crate::broker::Broker;
use crate::broker::events::INTERNAL_USER;
use crate::queue::mailbox::{Drained, Mailbox};
use crate::store::Due;
use crate::wire::frame::{self, Cut, Frame};
use crate::wire::method;
use crate::wire::reply::{Reply, Scope};

/// The protocol header of AMQP 0-9-1.
pub const PROTOCOL_HEADER: [u8; 8] = *b"AMQP\0\0\x09\x01";
/// Time that a peer has to answer our close, and for which a failed handshake stays open in silence, as in RabbitMQ.
const PAUSE_MS: u64 = 3000;
/// Time that a client has to answer an ordinary close, or to close its socket after its own.
const CLOSE_MS: u64 = 30_000;

enum State {
    Header,
    Handshake(Box<Handshake>),
    Open(Box<Open>),
    /// Our connection.close is out: everything but close and close-ok is ignored. First come so many bytes of a body frame that was
    /// under way.
    Closing(usize),
    Ended,
}

/// See the module.
pub struct Session {
    broker: Arc<Broker>,
    settings: Arc<Settings>,
    /// The connection's id.
    pub id: u64,
    /// Its mailbox.
    pub mailbox: Arc<Mailbox>,
    peer: SocketAddr,
    local: SocketAddr,
    /// Bytes of the peer that were handled.
    received: u64,
    /// What is to be sent.
    pub output: Output,
    state: State,
    now: u64,
    blocked: bool,
    /// What it published is more than the disk keeps up with: it is not read until that is written.
    held: bool,
    /// The peer sends no more; what it has sent is read whatever the alarms say.
    hung_up: bool,
    /// The task drops the connection at this time.
    ends_at: Option<u64>,
}

impl Session {
    /// A connection that has just been accepted.
    pub fn new(broker: Arc<Broker>, settings: Arc<Settings>, peer: SocketAddr, now: u64) -> Self {
        let id = broker.next_id();
        broker.session_begins();
        let ends_at = settings
            .handshake_timeout_ms
            .map(|timeout| now.saturating_add(timeout));
        Self {
            broker,
            settings,
            id,
            mailbox: Arc::default(),
            peer,
            local: SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0)),
            received: 0,
            output: Output::default(),
            state: State::Header,
            now,
            blocked: false,
            held: false,
            hung_up: false,
            ends_at,
        }
    }

    /// The time of the round that begins.
    pub fn begin_round(&mut self, now: u64) {
        self.now = now;
        if let State::Open(open) = &mut self.state {
            let cx = &mut open.cx;
            cx.now = now;
            let version = cx.access.version();
            if version != cx.permitted {
                cx.permitted = version;
                cx.publisher.forget();
            }
        }
    }

    /// Seconds between heartbeats, once the connection is open.
    pub fn heartbeat_s(&self) -> Option<u16> {
        match &self.state {
            State::Open(open) => Some(open.cx.tuned.heartbeat_s),
            _ => None,
        }
    }

    /// Whether the peer's bytes may be read now: not while it is blocked, nor while it does not take what it asked for.
    pub fn wants_bytes(&self) -> bool {
        let is_parked = matches!(&self.state, State::Open(open) if open.cx.parked.is_some());
        !self.blocked
            && !self.held
            && !is_parked
            && self.output.len() < CAP_BYTES
            && !self.has_ended()
    }

    /// Whether publishes of this connection wait for an alarm to clear, or for the disk.
    pub fn is_blocked(&self) -> bool {
        self.blocked || self.held
    }

    /// The peer of a blocked connection has hung up: handle what it sent before, alarm or not.
    pub fn read_to_end(&mut self) {
        self.blocked = false;
        self.held = false;
        self.hung_up = true;
    }

    /// Whether deliveries may be encoded now.
    pub fn wants_deliveries(&self) -> bool {
        self.output.len() < HIGH_WATER_BYTES
    }

    /// Whether deliveries are left that there was no room for.
    pub fn has_backlog(&self) -> bool {
        matches!(&self.state, State::Open(open) if !open.cx.backlog.is_empty())
    }

    /// Whether everything is over but for what is left in the output.
    pub fn has_ended(&self) -> bool {
        matches!(self.state, State::Ended)
    }

    /// The time at which the connection is dropped: a handshake that takes too long, a close that is not answered.
    pub fn ends_at(&self) -> Option<u64> {
        self.ends_at
    }

    /// Nothing more is waited for.
    pub fn drop_now(&mut self, now: u64) {
        self.state = State::Ended;
        self.output = Output::default();
        self.ends_at = Some(now);
    }

    /// Handles what has come; returns how many bytes are done with. What is left is an incomplete frame, or all that follows a
    /// frame after which nothing is wanted for now ([`wants_bytes`](Self::wants_bytes)).
    pub fn handle(&mut self, bytes: &[u8]) -> usize {
        if self.has_ended() {
            return bytes.len();
        }
        let mut used = 0;
        if let State::Open(open) = &mut self.state {
            open.cx.publisher.expect(bytes.len());
        }
        while used < bytes.len() && self.wants_bytes() {
            match self.step(&bytes[used..]) {
                Ok(0) => break,
                Ok(some) => used += some,
                Err(reply) => {
                    // What follows a whole frame is still cut in step, so that the peer's close-ok is seen.
                    used += match frame::cut(&bytes[used..], self.settings.frame_max) {
                        Cut::Whole { used, .. } if reply.code != 501 => used,
                        _ => bytes.len() - used,
                    };
                    self.fail(reply);
                }
            }
        }
        self.received += used as u64;
        used
    }

    /// Bytes of a large body that can be read straight into its message now.
    pub fn direct(&mut self) -> Option<(&mut Vec<u8>, usize)> {
        let State::Open(open) = &mut self.state else {
            return None;
        };
        let (number, missing) = open.direct.filter(|(_, missing)| *missing > 0)?;
        let index = open.index(number)?;
        open.channels[index]
            .content
            .body()
            .map(|(body, _)| (body, missing))
    }

    /// `count` bytes have been read where [`direct`](Self::direct) said.
    pub fn direct_read(&mut self, count: usize) {
        self.received += count as u64;
        let State::Open(open) = &mut self.state else {
            return;
        };
        if let Some((_, missing)) = &mut open.direct {
            *missing -= count;
        }
        // The end octet is still to come: only with it the frame is whole.
    }

    fn step(&mut self, bytes: &[u8]) -> Result<usize, Reply> {
        match &mut self.state {
            State::Header => Ok(self.protocol_header(bytes)),
            State::Handshake(handshake) => {
                let frame_max = handshake.frame_max();
                let Some((frame, used)) = whole(bytes, frame_max)? else {
                    return Ok(0);
                };
                self.handshake(&frame);
                Ok(used)
            }
            State::Open(open) => open
                .step(bytes, &mut self.output)
                .or_else(|fault| match fault {
                    Fault::Reply(reply) => Err(reply),
                    Fault::Closed => {
                        self.closed_by_client();
                        Ok(bytes.len())
                    }
                }),
            State::Closing(skip) if *skip > 0 => {
                let used = bytes.len().min(*skip);
                *skip -= used;
                Ok(used)
            }
            State::Closing(_) => {
                let Some((frame, used)) = whole(bytes, self.settings.frame_max)? else {
                    return Ok(0);
                };
                match method::id(frame.payload) {
                    Some(method::CONNECTION_CLOSE_OK) if frame.kind == frame::METHOD => {
                        self.state = State::Ended;
                        self.ends_at = Some(self.now);
                    }
                    Some(method::CONNECTION_CLOSE) if frame.kind == frame::METHOD => {
                        self.send_close_ok()
                    }
                    _ => {}
                }
                Ok(used)
            }
            State::Ended => Ok(bytes.len()),
        }
    }

    fn protocol_header(&mut self, bytes: &[u8]) -> usize {
        let Some(header) = bytes.first_chunk::<8>() else {
            // Not even the name: no need to wait for eight bytes of something else.
            if PROTOCOL_HEADER.starts_with(&bytes[..bytes.len().min(4)]) {
                return 0;
            }
            return self.refuse_protocol(bytes.len());
        };
        // 0-9-1, or the 0-9 that RabbitMQ also takes for it.
        if *header != PROTOCOL_HEADER && *header != *b"AMQP\x01\x01\0\x09" {
            return self.refuse_protocol(bytes.len());
        }
        let name = self.broker.cluster_name();
        let handshake = Handshake::start(&self.settings, name.as_deref(), self.output.bytes());
        self.state = State::Handshake(Box::new(handshake));
        header.len()
    }

    fn refuse_protocol(&mut self, used: usize) -> usize {
        self.output.bytes().extend_from_slice(&PROTOCOL_HEADER);
        self.state = State::Ended;
        self.ends_at = Some(self.now);
        used
    }

    fn handshake(&mut self, frame: &Frame<'_>) {
        let State::Handshake(handshake) = &mut self.state else {
            return;
        };
        let step = match frame.kind {
            frame::HEARTBEAT if frame.channel == 0 => Step::Next,
            frame::METHOD if frame.channel == 0 => handshake.method(
                &self.broker,
                &self.settings,
                self.peer,
                frame.payload,
                self.output.bytes(),
            ),
            _ => Step::Refuse(Reply::unexpected_frame(frame.kind, frame.payload)),
        };
        match step {
            Step::Next => {}
            Step::Open { vhost, user, tuned } => {
                let name = handshake.name.take();
                let client = Client {
                    capabilities: handshake.capabilities,
                    properties: std::mem::take(&mut handshake.client_properties),
                    mechanism: std::mem::take(&mut handshake.mechanism),
                };
                match self.open(&vhost, &user, tuned, client) {
                    Ok(open) => {
                        let name = name.as_deref().unwrap_or("");
                        let user = &user.name;
                        tracing::info!(connection = self.id, peer = %self.peer, %user, vhost, name, "connection opened");
                        let ok = connection::AMQPMethod::OpenOk(connection::OpenOk {});
                        method::write(self.output.bytes(), 0, &AMQPClass::Connection(ok));
                        self.state = State::Open(Box::new(open));
                        self.ends_at = None;
                        if self.broker.is_stopping() || self.broker.is_paused() {
                            self.close(Reply::shutdown(), CLOSE_MS);
                        }
                    }
                    Err(reply) => self.close(reply.at_id(method::CONNECTION_OPEN), CLOSE_MS),
                }
            }
            Step::Drop => self.pause(),
            Step::Refuse(reply) => self.close(reply, PAUSE_MS),
            Step::Closed => self.closed_by_client(),
        }
    }

    /// A connection exception, or whatever else makes the broker close.
    fn fail(&mut self, reply: Reply) {
        match &self.state {
            State::Closing(_) | State::Ended => {}
            State::Header | State::Handshake(_) if reply.code != 501 && reply.code != 505 => {
                tracing::warn!(connection = self.id, peer = %self.peer, "handshake failed: {reply}");
                self.pause();
            }
            _ => {
                tracing::warn!(connection = self.id, peer = %self.peer, "closing connection: {reply}");
                let answer_within = if reply.code == 501 {
                    PAUSE_MS
                } else {
                    CLOSE_MS
                };
                self.close(reply, answer_within);
            }
        }
    }

    /// Ends the session's work, says why, and waits for the answer.
    pub fn close(&mut self, reply: Reply, answer_within_ms: u64) {
        if matches!(self.state, State::Closing(_) | State::Ended) {
            return;
        }
        let under_way = match &self.state {
            State::Open(open) => open.direct.map_or(0, |(_, missing)| missing + 1),
            _ => 0,
        };
        self.end();
        let reply = Reply {
            scope: Scope::Connection,
            ..reply
        };
        reply.write(self.output.bytes(), 0);
        self.state = State::Closing(under_way);
        self.ends_at = Some(self.now + answer_within_ms);
    }

    /// Nothing more is said; the peer is dropped after a pause.
    fn pause(&mut self) {
        self.state = State::Ended;
        self.ends_at = Some(self.now + PAUSE_MS);
    }

    fn closed_by_client(&mut self) {
        let heartbeat_s = self.heartbeat_s().unwrap_or(0);
        self.end();
        self.send_close_ok();
        self.state = State::Ended;
        let bound = if heartbeat_s == 0 {
            CLOSE_MS
        } else {
            CLOSE_MS.min(u64::from(heartbeat_s) * 1000)
        };
        self.ends_at = Some(self.now + bound);
    }

    fn send_close_ok(&mut self) {
        let ok = connection::AMQPMethod::CloseOk(connection::CloseOk {});
        method::write(self.output.bytes(), 0, &AMQPClass::Connection(ok));
    }

    /// Gives everything back that the connection holds: deliveries, consumers, exclusive queues. Safe to call again, and what a
    /// panic in a round ends with.
    pub fn end(&mut self) {
        let State::Open(mut open) = std::mem::replace(&mut self.state, State::Ended) else {
            return;
        };
        // Nothing comes in any more; what did is given back by the ends of the channels.
        let drained = self.mailbox.close();
        open.cx.backlog.extend(drained.deliveries);
        let mut channels = std::mem::take(&mut open.channels);
        open.cx.close_channels(channels.len());
        for channel in &mut channels {
            channel.end(&mut open.cx, &mut self.output);
            open.tell_of_channel("channel.closed", channel.number);
        }
        open.cx.flush(&mut self.output);
        open.cx.wakers.wake();
        for queue in std::mem::take(&mut open.cx.exclusive).into_values() {
            let _ =
                open.cx
                    .vhost
                    .remove_queue(&open.cx.broker, &queue, false, false, INTERNAL_USER);
        }
        self.leave();
        self.blocked = false;
        tracing::info!(connection = self.id, peer = %self.peer, "connection closed");
    }

    /// Takes the mailbox's batch: controls at once, deliveries as far as the output has room.
    pub fn drain(&mut self, drained: Drained) {
        if let State::Open(open) = &mut self.state {
            open.cx.pull(drained.deliveries, drained.waiting);
        }
        for control in drained.controls {
            self.control(control);
        }
    }

    /// Encodes deliveries as far as there is room.
    pub fn deliver(&mut self) {
        let State::Open(open) = &mut self.state else {
            return;
        };
        while self.output.len() < HIGH_WATER_BYTES {
            let Some(delivery) = open.cx.backlog.pop_front() else {
                break;
            };
            let Some(number) = open
                .cx
                .consumers
                .get(delivery.consumer)
                .map(|consumer| consumer.channel)
            else {
                continue;
            };
            if let Some(index) = open.index(number) {
                open.channels[index].deliver(&mut open.cx, &mut self.output, delivery);
            }
        }
    }

    /// Applies what the round has collected and acknowledges what is due. Called before the output is written.
    pub fn finish_round(&mut self) {
        let State::Open(open) = &mut self.state else {
            return self.open_gates();
        };
        open.cx.flush(&mut self.output);
        let cx = &mut open.cx;
        cx.confirms
            .acknowledge(cx.broker.journal(), &mut self.output);
        if std::mem::take(&mut cx.published) {
            self.held = !self.hung_up && cx.is_to_be_held();
            if cx.broker.is_alarmed() {
                self.look_at_alarms(true);
            }
        }
        self.open_gates();
    }

    fn open_gates(&mut self) {
        if self.output.open_gates(self.broker.journal()) == Due::Lost {
            // What waits is not said: it is not so.
            self.output.drop_gated();
            let why = "what was asked for could not be written to disk";
            self.close(Reply::internal_error(why), CLOSE_MS);
        }
    }

    /// Whether something that the session waits for has come; else the task is woken when it does.
    pub fn poll_disk(&mut self, task: &Waker) -> bool {
        let journal = self.broker.journal();
        let mut due = false;
        let mut wait = |receipt| {
            journal.wait(receipt, task);
            due |= journal.is_due(receipt) != Due::No;
        };
        if let Some(receipt) = self.output.awaits() {
            wait(receipt);
        }
        if let State::Open(open) = &mut self.state {
            open.cx.confirms.awaits().for_each(wait);
            if self.held {
                journal.wait_for_room(task);
                if open.cx.publisher.is_pressed() {
                    self.broker.pager().pressure().wait(task);
                }
                self.held = open.cx.is_to_be_held();
                due |= !self.held;
            }
        }
        due
    }

    /// Wakes the connections that got something in this round. Called after the output is written.
    pub fn wake_others(&mut self) {
        if let State::Open(open) = &mut self.state {
            open.cx.wakers.wake();
        }
    }

    /// Nothing is left to do: gives memory back that only a busy connection needs.
    pub fn rest(&mut self) {
        if let State::Open(open) = &mut self.state {
            open.cx.settles.rest();
            open.cx.publisher.rest();
            if open.cx.backlog.capacity() > 0 && open.cx.backlog.is_empty() {
                super::buffers::give_deliveries(std::mem::take(&mut open.cx.backlog).into());
            }
        }
    }

    /// A connection that publishes is blocked while an alarm is raised; it hears of it if it asked for that.
    fn look_at_alarms(&mut self, published: bool) {
        let State::Open(open) = &mut self.state else {
            return;
        };
        let raised = open.cx.broker.is_alarmed();
        let tells = open.cx.capabilities.connection_blocked;
        let said = if !self.blocked && raised && published && !self.hung_up {
            let reason = open.cx.broker.alarm_reason().into();
            connection::AMQPMethod::Blocked(connection::Blocked { reason })
        } else if self.blocked && !raised {
            connection::AMQPMethod::Unblocked(connection::Unblocked {})
        } else {
            return;
        };
        self.blocked = raised;
        if tells {
            method::write(self.output.bytes(), 0, &AMQPClass::Connection(said));
        }
    }

    /// Sends a heartbeat.
    pub fn heartbeat(&mut self) {
        frame::heartbeat(self.output.bytes());
    }

    /// When a delivery may have been out too long; `None` when none can be.
    pub fn consumer_deadline(&self) -> Option<u64> {
        let State::Open(open) = &self.state else {
            return None;
        };
        open.channels.iter().filter_map(Channel::next_timeout).min()
    }

    /// Ends what consumers have held for too long.
    pub fn check_consumer_timeouts(&mut self) {
        let State::Open(open) = &mut self.state else {
            return;
        };
        let Open { cx, channels, .. } = open.as_mut();
        for channel in channels.iter_mut() {
            if let Err(reply) = channel.check_timeouts(cx, &mut self.output) {
                close_channel(channel, cx, &mut self.output, &reply);
            }
        }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.end();
        self.broker.session_ends();
    }
}

/// The next whole frame, if it is there.
fn whole(bytes: &[u8], frame_max: u32) -> Result<Option<(Frame<'_>, usize)>, Reply> {
    match frame::cut(bytes, frame_max) {
        Cut::Whole { frame, used } => Ok(Some((frame, used))),
        Cut::Partial { .. } => Ok(None),
        Cut::Bad(reply) => Err(reply),
    }
}

#[cfg(test)]
mod tests;
