//! A publishing connection on a thread of its own: prebuilt batches into a blocking socket.
//!
//! Without a rate limit confirms are read by the same thread, between writes. With one, a second thread reads, so that a
//! confirm's time is taken when it comes; the same second thread tells a publisher without confirms why its connection ended.

use super::batch::{Batch, CHANNEL};
use super::client::{self, Client};
use super::confirms::Confirms;
use super::fault::Fault;
use super::meter::{Board, Meter};
use super::opening::closed;
use super::pace::Pace;
use super::sampler::Sampler;
use super::stamp::now_ns;
use super::target::timed_out;
use super::topology;
use super::walker::{Handler, Walker};
use crate::wire::method;
use parking_lot::{Condvar, Mutex};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

/// How long a write that the end of the run interrupts may go on, so that it does not end amid a frame.
const LAST_WRITE_TIMEOUT: Duration = Duration::from_millis(500);

/// Longest sleep before the end of the run is looked for.
const SLEEP_MAX: Duration = Duration::from_millis(100);

/// What a producer does.
#[derive(Debug)]
pub struct Producer {
    /// Its open connection.
    pub client: Client,
    /// Its messages.
    pub batch: Batch,
    /// Messages to publish; u64::MAX: until the end.
    pub limit: u64,
    /// Messages a second.
    pub rate: Option<f64>,
    /// Unconfirmed messages at most.
    pub window: Option<u64>,
    /// The other end answers requests: it is a broker.
    pub asks: bool,
    /// Its counters.
    pub meter: Arc<Meter>,
    /// Everybody's.
    pub board: Arc<Board>,
}

impl Producer {
    /// Publishes until the limit or the end of the run, then closes the connection.
    pub fn run(mut self) {
        let outcome = match (self.rate, self.window) {
            (None, Some(window)) => self.confirmed(window),
            (rate, window) => self.watched(rate, window),
        };
        match outcome {
            Ok(true) if self.asks => client::close(self.client.stream),
            Ok(_) => {} // Amid a frame: nothing polite can be said.
            Err(fault) => self.board.fail(fault.doing("a producer")),
        }
    }

    /// Full speed with confirms.
    fn confirmed(&mut self, window: u64) -> Result<bool, Fault> {
        // A confirm is no reason to write one message: a quarter of the window makes a write worth its price.
        let worthwhile = (window / 4).clamp(1, self.batch.count());
        let mut replies = Replies::new(Some(window), self.meter.clone(), self.board.clone());
        let mut walker = Walker::default();
        let mut buffer = vec![0; 64 * 1024];
        let mut left = self.limit;
        while !self.board.stopping() {
            let room = replies
                .confirms
                .as_ref()
                .map_or(0, Confirms::room)
                .min(left);
            if room >= worthwhile.min(left) && room > 0 {
                let now_ns = now_ns();
                let count = room.min(self.batch.count());
                let bytes = self.batch.prepare(count, now_ns);
                if let Some(confirms) = &mut replies.confirms {
                    confirms.sent(count, now_ns);
                }
                if !push(&mut self.client.stream, bytes, &self.board)? {
                    return Ok(false);
                }
                left -= count;
                self.meter.count(&self.meter.published, count, now_ns);
            } else {
                replies.read(&mut self.client.stream, &mut walker, &mut buffer)?;
            }
        }
        Ok(true)
    }

    /// At a rate, or without confirms: another thread reads.
    fn watched(&mut self, rate: Option<f64>, window: Option<u64>) -> Result<bool, Fault> {
        let stream = self.client.stream.try_clone()?;
        let replies = Mutex::new(Replies::new(window, self.meter.clone(), self.board.clone()));
        let room = Condvar::new();
        std::thread::scope(|scope| {
            let reader = std::thread::Builder::new().name("perf-reader".to_owned());
            let (replies, room, board) = (&replies, &room, self.board.clone());
            reader.spawn_scoped(scope, move || {
                if let Err(fault) = watch(stream, replies, room, &board) {
                    board.fail(fault.doing("a producer"));
                }
            })?;
            match rate {
                Some(rate) => self.paced(rate, replies, room),
                None => self.free(),
            }
        })
    }

    fn free(&mut self) -> Result<bool, Fault> {
        let mut left = self.limit;
        while left > 0 && !self.board.stopping() {
            let count = left.min(self.batch.count());
            let now_ns = now_ns();
            if !push(
                &mut self.client.stream,
                self.batch.prepare(count, now_ns),
                &self.board,
            )? {
                return Ok(false);
            }
            left -= count;
            self.meter.count(&self.meter.published, count, now_ns);
        }
        self.wait_for_end()
    }

    fn paced(
        &mut self,
        rate: f64,
        replies: &Mutex<Replies>,
        room: &Condvar,
    ) -> Result<bool, Fault> {
        let mut pace = Pace::new(rate, now_ns());
        let mut left = self.limit;
        while left > 0 && !self.board.stopping() {
            let wait_ns = pace.wait_ns(now_ns());
            if wait_ns > 0 {
                std::thread::sleep(Duration::from_nanos(wait_ns).min(SLEEP_MAX));
                continue;
            }
            let mut count = pace.due(now_ns()).min(self.batch.count()).min(left);
            let now_ns = {
                let mut replies = replies.lock();
                if let Some(confirms) = &replies.confirms {
                    count = count.min(confirms.room());
                }
                if count == 0 {
                    room.wait_for(&mut replies, SLEEP_MAX);
                    continue;
                }
                let now_ns = now_ns();
                if let Some(confirms) = &mut replies.confirms {
                    confirms.sent(count, now_ns);
                }
                now_ns
            };
            if !push(
                &mut self.client.stream,
                self.batch.prepare(count, now_ns),
                &self.board,
            )? {
                return Ok(false);
            }
            pace.sent(count);
            left -= count;
            self.meter.count(&self.meter.published, count, now_ns);
        }
        self.wait_for_end()
    }

    /// All is published, as far as we are concerned: asks the broker whether it thinks so too. Others may still be consuming.
    fn wait_for_end(&mut self) -> Result<bool, Fault> {
        if self.asks {
            let mut marker = Vec::new();
            method::write(&mut marker, CHANNEL, &topology::marker());
            if !push(&mut self.client.stream, &marker, &self.board)? {
                return Ok(false);
            }
        } else {
            self.meter.count(&self.meter.drained, 1, now_ns());
        }
        while !self.board.stopping() {
            std::thread::sleep(SLEEP_MAX / 5);
        }
        Ok(true)
    }
}

/// Writes all; false when the end of the run came first and the socket would not take the rest.
pub fn push(stream: &mut TcpStream, mut bytes: &[u8], board: &Board) -> Result<bool, Fault> {
    let mut last_write: Option<Instant> = None;
    while !bytes.is_empty() {
        match stream.write(bytes) {
            Ok(0) => return Err(Fault::new("the broker closed the socket")),
            Ok(sent) => bytes = &bytes[sent..],
            Err(error) if timed_out(&error) => {
                if board.stopping()
                    && last_write.get_or_insert_with(Instant::now).elapsed() > LAST_WRITE_TIMEOUT
                {
                    return Ok(false);
                }
            }
            Err(error) => {
                // The reason comes from the broker, if it said one; leave the reader a moment to find it.
                std::thread::sleep(SLEEP_MAX);
                return Err(Fault::from(error).doing("publishing"));
            }
        }
    }
    Ok(true)
}

/// What a broker says to a producer.
#[derive(Debug)]
pub struct Replies {
    /// None without confirms.
    pub confirms: Option<Confirms>,
    sampler: Sampler,
    now_ns: u64,
    times: Vec<u64>,
    meter: Arc<Meter>,
    board: Arc<Board>,
}

impl Replies {
    /// Nothing was said yet.
    pub fn new(window: Option<u64>, meter: Arc<Meter>, board: Arc<Board>) -> Replies {
        Replies {
            confirms: window.map(Confirms::new),
            sampler: Sampler::default(),
            now_ns: 0,
            times: Vec::new(),
            meter,
            board,
        }
    }

    /// Waits for bytes (for the socket's timeout at most) and takes them.
    fn read(
        &mut self,
        stream: &mut TcpStream,
        walker: &mut Walker,
        buffer: &mut [u8],
    ) -> Result<(), Fault> {
        match stream.read(buffer) {
            Ok(0) => Err(Fault::new("the broker closed the socket")),
            Ok(read) => self.take(walker, &buffer[..read]),
            Err(error) if timed_out(&error) => Ok(()),
            Err(error) => Err(Fault::from(error).doing("reading confirms")),
        }
    }

    /// Takes what was read.
    pub fn take(&mut self, walker: &mut Walker, bytes: &[u8]) -> Result<(), Fault> {
        self.now_ns = now_ns();
        self.sampler.judge(self.now_ns);
        walker.feed(bytes, self)?;
        self.meter.confirm_times(&self.times);
        self.times.clear();
        Ok(())
    }

    #[inline]
    fn settle(&mut self, tag: u64, multiple: bool) -> u64 {
        let Some(confirms) = &mut self.confirms else {
            return 0;
        };
        confirms.settle(tag, multiple, |sent_ns| {
            if self.sampler.next() {
                self.times.push(self.now_ns.saturating_sub(sent_ns));
            }
        })
    }
}

impl Handler for Replies {
    fn delivered(&mut self, _: u64, _: &[u8]) {}

    fn method(&mut self, payload: &[u8]) -> Result<(), Fault> {
        match method::id(payload) {
            Some(method::BASIC_ACK) => {
                let ack = method::parse_ack(payload)?;
                let settled = self.settle(ack.tag, ack.multiple);
                self.meter
                    .count(&self.meter.confirmed, settled, self.now_ns);
            }
            Some(method::BASIC_NACK) => {
                let nack = method::parse_nack(payload)?;
                let settled = self.settle(nack.tag, nack.multiple);
                self.meter.count(&self.meter.nacked, settled, self.now_ns);
            }
            Some(method::BASIC_QOS_OK) => self.meter.count(&self.meter.drained, 1, self.now_ns),
            Some(method::BASIC_RETURN) => self.meter.count(&self.meter.returned, 1, self.now_ns),
            Some(method::CONNECTION_BLOCKED) => drop(self.board.blocked.fetch_add(1, Relaxed)),
            _ => return closed(payload).map_or(Ok(()), Err),
        }
        Ok(())
    }
}

fn watch(
    mut stream: TcpStream,
    replies: &Mutex<Replies>,
    room: &Condvar,
    board: &Board,
) -> Result<(), Fault> {
    let mut walker = Walker::default();
    let mut buffer = vec![0; 16 * 1024];
    while !board.stopping() {
        match stream.read(&mut buffer) {
            Ok(0) => return Err(Fault::new("the broker closed the socket")),
            Ok(read) => {
                replies.lock().take(&mut walker, &buffer[..read])?;
                room.notify_one();
            }
            Err(error) if timed_out(&error) => {}
            Err(error) => return Err(Fault::from(error).doing("reading from the broker")),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn replies(window: u64) -> (Replies, Arc<Board>) {
        let board = Arc::new(Board::default());
        (
            Replies::new(Some(window), board.meter(), board.clone()),
            board,
        )
    }

    #[test]
    fn acks_and_nacks_open_the_window_and_are_counted_apart() {
        let (mut replies, board) = replies(10);
        replies.confirms.as_mut().unwrap().sent(10, 1);
        let mut bytes = Vec::new();
        method::write_ack(&mut bytes, 1, 7, true);
        method::write_nack(&mut bytes, 1, 8, false);
        replies.take(&mut Walker::default(), &bytes).unwrap();
        let counts = board.counts();
        assert_eq!((counts.confirmed, counts.nacked), (7, 1));
        assert_eq!(replies.confirms.as_ref().unwrap().room(), 8);
        assert_eq!(board.take_samples().confirm.len(), 8);
    }

    #[test]
    fn a_blocked_broker_cannot_hold_a_producer_beyond_the_end() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let mut stream = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        super::super::target::prepare(&stream).unwrap();
        let (_never_reads, _) = listener.accept().unwrap();
        let board = Board::default();
        board.stop();
        let started = Instant::now();
        while push(&mut stream, &[0; 1 << 20], &board).unwrap() {}
        assert!(started.elapsed() < Duration::from_secs(5));
    }
}
