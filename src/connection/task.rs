//! The task of one connection: rounds of read, handle, take the mailbox's batch, encode, write once, wake others.
//!
//! A hand-written future: between two polls it holds the session and the socket, and a buffer only while part of a frame has
//! come or something is unsent. Under load one syscall carries hundreds of frames; idle, a frame leaves at once. After
//! [`ROUND_BYTES_MAX`] or [`ROUND_TIME_MAX`] it lets others run.

use std::future::Future;
use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use bytes::BufMut;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::Sleep;

use super::Settings;
use super::buffers::{self, READ_BYTES};
use super::heartbeat::{Due, Heartbeat};
use super::session::Session;
use crate::broker::Broker;

/// Bytes that one poll handles at most.
const ROUND_BYTES_MAX: usize = 256 * 1024;
/// Time that one poll takes at most.
const ROUND_TIME_MAX: Duration = Duration::from_micros(100);
/// Milliseconds after which a connection that never rests looks at its deadlines.
const LOOK_MS: u64 = 250;
/// Slices of one write.
const SLICES: usize = 32;
/// Bytes of a large body that one read takes.
const DIRECT_READ_BYTES: usize = 256 * 1024;

/// See the module.
pub struct Task {
    stream: TcpStream,
    session: Session,
    broker: Arc<Broker>,
    /// Bytes read and not handled: part of a frame, or what came while nothing was wanted.
    rest: Vec<u8>,
    /// `rest` may hold whole frames.
    rest_waits: bool,
    heartbeat: Option<Heartbeat>,
    sleep: Option<Pin<Box<Sleep>>>,
    sleeps_until: u64,
    /// When a busy connection looks at its deadlines again.
    next_look: u64,
    /// When the peer last took a byte, while there is something for it.
    stuck_since: Option<u64>,
}

/// Whether the connection goes on.
enum Flow {
    /// Something was done.
    Progress,
    /// Nothing to do now.
    Idle,
    /// It is over.
    End,
}

impl Task {
    /// A task for an accepted connection.
    pub fn new(
        stream: TcpStream,
        peer: SocketAddr,
        broker: Arc<Broker>,
        settings: Arc<Settings>,
    ) -> Self {
        let mut session = Session::new(Arc::clone(&broker), settings, peer, broker.now());
        if let Ok(local) = stream.local_addr() {
            session = session.at(local);
        }
        Self {
            stream,
            session,
            broker,
            rest: Vec::new(),
            rest_waits: false,
            heartbeat: None,
            sleep: None,
            sleeps_until: u64::MAX,
            next_look: 0,
            stuck_since: None,
        }
    }

    fn run(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let started = Instant::now();
        let mut handled = 0;
        loop {
            let now = self.broker.now();
            self.session.begin_round(now);
            let flow = self.round(cx, now, &mut handled);
            match flow {
                Flow::End => return Poll::Ready(()),
                Flow::Progress
                    if handled < ROUND_BYTES_MAX && started.elapsed() < ROUND_TIME_MAX => {}
                Flow::Progress => {
                    // A peer that keeps us busy still gets its heartbeats and meets its deadlines.
                    if now >= self.next_look {
                        self.next_look = now + LOOK_MS;
                        self.poll_timer(cx, now);
                    }
                    cx.waker().wake_by_ref();
                    return Poll::Pending;
                }
                Flow::Idle => {
                    if self.session.poll_disk(cx.waker()) || self.poll_timer(cx, now) {
                        continue;
                    }
                    self.session.rest();
                    return Poll::Pending;
                }
            }
        }
    }

    fn round(&mut self, cx: &mut Context<'_>, now: u64, handled: &mut usize) -> Flow {
        let mut progress = false;
        self.session.output.lend(buffers::take_output);
        match self.read(cx) {
            Ok(Some(bytes)) => {
                *handled += bytes;
                progress = bytes > 0;
            }
            Ok(None) => {}
            Err(_) => return Flow::End,
        }
        if self.session.wants_deliveries() {
            if !self.session.has_backlog() && self.session.mailbox.poll(true, cx).is_ready() {
                progress = true;
                let drained = self.session.mailbox.drain(true, buffers::take_deliveries());
                self.session.drain(drained);
            }
            if self.session.has_backlog() {
                progress = true;
                self.session.deliver();
            }
        } else if self.session.mailbox.poll(false, cx).is_ready() {
            progress = true;
            let drained = self.session.mailbox.drain(false, Vec::new());
            self.session.drain(drained);
        }
        self.session.finish_round();
        match self.write(cx, now) {
            Ok(bytes) => {
                *handled += bytes;
                progress |= bytes > 0;
            }
            Err(_) => return Flow::End,
        }
        self.session.wake_others();
        if self.heartbeat.is_none()
            && let Some(seconds) = self.session.heartbeat_s()
        {
            self.heartbeat = Some(Heartbeat::new(seconds, now));
        }
        if self.session.has_ended()
            && self.session.output.is_empty()
            && self.session.ends_at().is_none_or(|at| at <= now)
        {
            return Flow::End;
        }
        if progress { Flow::Progress } else { Flow::Idle }
    }

    /// Reads once and handles what came; `Ok(None)` when there was nothing, an error when the connection is over.
    fn read(&mut self, cx: &mut Context<'_>) -> io::Result<Option<usize>> {
        if self.rest_waits && self.session.wants_bytes() {
            let used = self.session.handle(&self.rest);
            self.rest.drain(..used);
            self.rest_waits = !self.session.wants_bytes();
            return Ok(Some(used.max(1)));
        }
        if !self.session.wants_bytes() && !self.session.has_ended() {
            // Blocked, or the peer does not take what it asked for: TCP pushes back. An end is still noticed when it is written to.
            return Ok(None);
        }
        if let Some((body, missing)) = self.session.direct() {
            let read = match read_direct(&mut self.stream, cx, body, missing) {
                Poll::Ready(read) => read?,
                Poll::Pending => return Ok(None),
            };
            self.session.direct_read(read);
            self.note_received();
            return Ok(Some(read));
        }
        let read = if self.rest.len() < READ_BYTES / 2 {
            buffers::with_read(|buffer| self.read_shared(cx, buffer))
        } else {
            self.read_own(cx)
        };
        match read {
            Poll::Ready(read) => {
                let read = read?;
                self.note_received();
                Ok(Some(read))
            }
            Poll::Pending => Ok(None),
        }
    }

    /// Into the thread's buffer, behind what is left of the last read.
    fn read_shared(&mut self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        let before = self.rest.len();
        let mut room = ReadBuf::new(&mut buffer[before..]);
        ready!(Pin::new(&mut self.stream).poll_read(cx, &mut room))?;
        let read = room.filled().len();
        if read == 0 {
            return Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into()));
        }
        buffer[..before].copy_from_slice(&self.rest);
        let bytes = &buffer[..before + read];
        let used = self.session.handle(bytes);
        if used == bytes.len() {
            self.rest = Vec::new();
        } else {
            self.rest.clear();
            self.rest.extend_from_slice(&bytes[used..]);
            self.rest_waits = !self.session.wants_bytes();
        }
        Poll::Ready(Ok(read))
    }

    /// Into the connection's own buffer, for a frame that is larger than the thread's.
    fn read_own(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        self.rest.reserve(READ_BYTES);
        let mut room = (&mut self.rest).limit(READ_BYTES);
        let read = ready!(poll_read_buf(&mut self.stream, cx, &mut room))?;
        let used = self.session.handle(&self.rest);
        self.rest.drain(..used);
        self.rest_waits = !self.session.wants_bytes();
        Poll::Ready(Ok(read))
    }

    fn note_received(&mut self) {
        if let Some(heartbeat) = &mut self.heartbeat {
            heartbeat.received();
        }
    }

    /// Writes as much as the socket takes.
    fn write(&mut self, cx: &mut Context<'_>, now: u64) -> io::Result<usize> {
        let mut written = 0;
        while self.session.output.is_sendable() {
            let mut slices = [IoSlice::new(&[]); SLICES];
            let count = self.session.output.slices(&mut slices);
            let wrote = match Pin::new(&mut self.stream).poll_write_vectored(cx, &slices[..count]) {
                Poll::Ready(wrote) => wrote?,
                Poll::Pending => break,
            };
            if wrote == 0 {
                return Err(io::ErrorKind::WriteZero.into());
            }
            self.session.output.sent(wrote);
            written += wrote;
        }
        if !self.session.output.is_sendable() {
            self.stuck_since = None;
        }
        if self.session.output.is_empty() {
            if let Some(buffer) = self.session.output.take_back() {
                buffers::give_output(buffer);
            }
        } else {
            self.session.output.compact();
            if self.session.output.is_sendable() && (written > 0 || self.stuck_since.is_none()) {
                self.stuck_since = Some(now);
            }
        }
        if written > 0
            && let Some(heartbeat) = &mut self.heartbeat
        {
            heartbeat.sent();
        }
        Ok(written)
    }

    /// Sees what time asks for; true when that was something.
    fn poll_timer(&mut self, cx: &mut Context<'_>, now: u64) -> bool {
        let dead_time = self
            .heartbeat
            .as_ref()
            .map_or(u64::MAX, Heartbeat::dead_time_ms);
        let stuck_until = self
            .stuck_since
            .map(|since| since.saturating_add(dead_time));
        let deadlines = [
            self.session.ends_at(),
            self.heartbeat.as_ref().and_then(Heartbeat::deadline),
            self.session.consumer_deadline(),
            stuck_until,
            self.session.is_blocked().then_some(self.next_look),
        ];
        let Some(deadline) = deadlines.into_iter().flatten().min() else {
            return false;
        };
        if deadline <= now {
            if self.session.is_blocked() && self.next_look <= now {
                self.look_for_hang_up(cx, now);
            }
            return self.timed_out(now, stuck_until);
        }
        // An earlier timer may run out for nothing; that is cheaper than moving it each round.
        if self.sleep.is_none() || deadline < self.sleeps_until || self.sleeps_until <= now {
            let until = tokio::time::Instant::now() + Duration::from_millis(deadline - now);
            match &mut self.sleep {
                Some(sleep) => sleep.as_mut().reset(until),
                None => self.sleep = Some(Box::pin(tokio::time::sleep_until(until))),
            }
            self.sleeps_until = deadline;
        }
        let Some(sleep) = &mut self.sleep else {
            return false;
        };
        if sleep.as_mut().poll(cx).is_ready() {
            self.sleeps_until = 0;
            return true;
        }
        false
    }

    /// A blocked connection is not read, so nobody would notice that its peer has gone and what it holds is held for nothing. What
    /// the peer had sent before is read to its end then: it is no more than the system's buffer.
    fn look_for_hang_up(&mut self, cx: &mut Context<'_>, now: u64) {
        self.next_look = now + LOOK_MS;
        let ready = std::pin::pin!(self.stream.ready(tokio::io::Interest::READABLE)).poll(cx);
        if let Poll::Ready(Ok(ready)) = ready
            && ready.is_read_closed()
        {
            self.session.read_to_end();
            self.rest_waits = !self.rest.is_empty();
        }
    }

    fn timed_out(&mut self, now: u64, stuck_until: Option<u64>) -> bool {
        if self.session.ends_at().is_some_and(|at| at <= now)
            || stuck_until.is_some_and(|at| at <= now)
        {
            self.session.end();
            self.session.drop_now(now);
            return true;
        }
        if !self.session.wants_bytes()
            && let Some(heartbeat) = &mut self.heartbeat
        {
            heartbeat.pause_receiving(now);
        }
        match self
            .heartbeat
            .as_mut()
            .map_or(Due::Nothing, |heartbeat| heartbeat.tick(now))
        {
            Due::Nothing => {}
            Due::Send => self.session.heartbeat(),
            Due::Dead => {
                tracing::warn!(
                    connection = self.session.id,
                    "closing connection: missed heartbeats from the client"
                );
                self.session.end();
                self.session.drop_now(now);
            }
        }
        self.session.check_consumer_timeouts();
        true
    }
}

fn read_direct(
    stream: &mut TcpStream,
    cx: &mut Context<'_>,
    body: &mut Vec<u8>,
    missing: usize,
) -> Poll<io::Result<usize>> {
    let most = missing.min(DIRECT_READ_BYTES);
    if body.capacity() - body.len() < most {
        body.reserve(most);
    }
    poll_read_buf(stream, cx, &mut body.limit(most))
}

/// Reads into the spare room of a buffer; the end of the stream is an error.
fn poll_read_buf(
    stream: &mut TcpStream,
    cx: &mut Context<'_>,
    room: &mut impl BufMut,
) -> Poll<io::Result<usize>> {
    loop {
        ready!(stream.poll_read_ready(cx))?;
        match stream.try_read_buf(room) {
            Ok(0) => return Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into())),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            other => return Poll::Ready(other),
        }
    }
}

impl Future for Task {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let task = self.get_mut();
        // A panic is our defect; it must cost no more than this connection, whose session gives back what it holds when dropped.
        match catch_unwind(AssertUnwindSafe(|| task.run(cx))) {
            Ok(poll) => poll,
            Err(_) => {
                tracing::error!(
                    connection = task.session.id,
                    "the connection's task panicked; closing it"
                );
                Poll::Ready(())
            }
        }
    }
}
