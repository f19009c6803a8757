//! A consuming connection on a thread of its own: large reads, heads walked, acks of a whole read in one write.

use super::batch::CHANNEL;
use super::client::{self, Client};
use super::fault::Fault;
use super::load::Acks;
use super::meter::{Board, Meter};
use super::opening::closed;
use super::pace::Pace;
use super::producer::push;
use super::sampler::Sampler;
use super::stamp::{latency_ns, now_ns};
use super::target::timed_out;
use super::walker::{Handler, Walker};
use crate::wire::method;
use std::io::Read;
use std::sync::Arc;
use std::time::Duration;

/// Bytes of one read at most: more only leaves the nearest cache.
pub const READ_BYTES: usize = 256 * 1024;

/// Longest sleep before the end of the run is looked for.
const SLEEP_MAX: Duration = Duration::from_millis(100);

/// What a consumer does.
#[derive(Debug)]
pub struct Consumer {
    /// Its open connection, already consuming.
    pub client: Client,
    /// How it takes deliveries.
    pub taker: Taker,
    /// Messages to take; u64::MAX: until the end.
    pub limit: u64,
    /// Messages a second, and bytes of one (to read no more than that).
    pub rate: Option<(f64, usize)>,
    /// The other end answers requests: it is a broker.
    pub asks: bool,
    /// Its counters.
    pub meter: Arc<Meter>,
    /// Everybody's.
    pub board: Arc<Board>,
}

impl Consumer {
    /// Consumes until the limit or the end of the run, then closes the connection.
    pub fn run(mut self) {
        match self.consume() {
            Ok(true) if self.asks => client::close(self.client.stream),
            Ok(_) => {}
            Err(fault) => self.board.fail(fault.doing("a consumer")),
        }
    }

    fn consume(&mut self) -> Result<bool, Fault> {
        let mut walker = Walker::default();
        let mut buffer = vec![0; READ_BYTES];
        let mut pace = self.rate.map(|(rate, _)| Pace::new(rate, now_ns()));
        let read_max = match self.rate {
            // A twentieth of a second's messages.
            Some((rate, bytes)) => {
                ((rate / 20.0) as usize * bytes).clamp(bytes.min(4096), READ_BYTES)
            }
            None => READ_BYTES,
        };
        let early = std::mem::take(&mut self.client.unread);
        let mut left = self.limit;
        if !early.is_empty() {
            left = left.saturating_sub(self.taker.take(&mut walker, &early, &self.meter)?);
        }
        while !self.board.stopping() {
            if left == 0 {
                std::thread::sleep(SLEEP_MAX / 5);
                continue;
            }
            let taken = match self.client.stream.read(&mut buffer[..read_max]) {
                Ok(0) => return Err(Fault::new("the broker closed the socket")),
                Ok(read) => self.taker.take(&mut walker, &buffer[..read], &self.meter)?,
                Err(error) if timed_out(&error) => {
                    self.taker.idle();
                    0
                }
                Err(error) => return Err(Fault::from(error).doing("reading deliveries")),
            };
            left = left.saturating_sub(taken);
            if left == 0 {
                self.taker.idle();
            }
            if !self.taker.acks.is_empty() {
                if !push(&mut self.client.stream, &self.taker.acks, &self.board)? {
                    return Ok(false);
                }
                self.taker.acks.clear();
            }
            if let Some(pace) = &mut pace {
                pace.sent(taken);
                self.wait(pace);
            }
        }
        Ok(true)
    }

    fn wait(&self, pace: &mut Pace) {
        loop {
            let now_ns = now_ns();
            let wait_ns = pace.wait_ns(now_ns);
            if wait_ns == 0 || self.board.stopping() {
                pace.due(now_ns); // Forgets what an empty queue made us miss.
                return;
            }
            std::thread::sleep(Duration::from_nanos(wait_ns).min(SLEEP_MAX));
        }
    }
}

/// Counts deliveries, takes their times and prepares acks.
#[derive(Debug)]
pub struct Taker {
    /// Acks to send now.
    pub acks: Vec<u8>,
    /// One ack for this many; 0: no acks.
    every: u32,
    unacked: u32,
    last_tag: u64,
    received: u64,
    run: u32,
    now_ns: u64,
    sampler: Sampler,
    times: Vec<u64>,
}

impl Taker {
    /// `run`: the number in the stamps that count.
    pub fn new(acks: Acks, run: u32) -> Taker {
        let every = match acks {
            Acks::Auto => 0,
            Acks::Manual { every, .. } => every,
        };
        Taker {
            acks: Vec::new(),
            every,
            unacked: 0,
            last_tag: 0,
            received: 0,
            run,
            now_ns: 0,
            sampler: Sampler::default(),
            times: Vec::new(),
        }
    }

    /// Takes one read's bytes; how many deliveries ended in them. Afterwards [`Self::acks`] are to be sent.
    pub fn take(&mut self, walker: &mut Walker, bytes: &[u8], meter: &Meter) -> Result<u64, Fault> {
        self.now_ns = now_ns();
        self.received = 0;
        self.sampler.judge(self.now_ns);
        walker.feed(bytes, self)?;
        if self.received > 0 {
            meter.count(&meter.consumed, self.received, self.now_ns);
            meter.latencies(&self.times);
            self.times.clear();
        }
        Ok(self.received)
    }

    /// Nothing came for a while: acknowledges what waits for company.
    pub fn idle(&mut self) {
        if self.unacked > 0 {
            method::write_ack(&mut self.acks, CHANNEL, self.last_tag, true);
            self.unacked = 0;
        }
    }
}

impl Handler for Taker {
    #[inline]
    fn delivered(&mut self, tag: u64, prefix: &[u8]) {
        self.received += 1;
        if self.sampler.next()
            && let Some(latency_ns) = latency_ns(prefix, self.run, self.now_ns)
        {
            self.times.push(latency_ns);
        }
        if self.every > 0 {
            self.last_tag = tag;
            self.unacked += 1;
            if self.unacked == self.every {
                method::write_ack(&mut self.acks, CHANNEL, tag, self.every > 1);
                self.unacked = 0;
            }
        }
    }

    fn method(&mut self, payload: &[u8]) -> Result<(), Fault> {
        closed(payload).map_or(Ok(()), Err)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::perf::batch::{BATCH_BYTES, Batch, Method, Spec};
    use crate::perf::pattern::Pattern;

    fn deliveries(count: u64, sent_ns: u64) -> Vec<u8> {
        let routing_key = Pattern::plain("q", 1);
        let spec = Spec {
            method: Method::Deliver,
            exchange: "",
            routing_key: &routing_key,
            header: None,
            keys: 1,
            persistent: false,
            size: 16,
            frame_max: 131_072,
            run: 3,
            batch_bytes: BATCH_BYTES,
        };
        Batch::new(&spec, 0)
            .unwrap()
            .prepare(count, sent_ns)
            .to_vec()
    }

    #[test]
    fn deliveries_are_counted_timed_and_acked_in_groups() {
        let board = Board::default();
        let meter = board.meter();
        let mut taker = Taker::new(
            Acks::Manual {
                prefetch: 0,
                every: 4,
            },
            3,
        );
        let sent_ns = now_ns();
        let taken = taker
            .take(&mut Walker::default(), &deliveries(10, sent_ns), &meter)
            .unwrap();
        assert_eq!((taken, board.counts().consumed), (10, 10));
        assert_eq!(board.take_samples().latency.len(), 10);
        let mut one_ack = Vec::new();
        method::write_ack(&mut one_ack, 1, 1, true);
        assert_eq!(taker.acks.len(), 2 * one_ack.len());
        taker.idle();
        assert_eq!(taker.acks.len(), 3 * one_ack.len());
        taker.idle();
        assert_eq!(taker.acks.len(), 3 * one_ack.len());
    }

    #[test]
    fn auto_ack_sends_nothing_and_other_runs_stamps_do_not_count() {
        let board = Board::default();
        let meter = board.meter();
        let mut taker = Taker::new(Acks::Auto, 4);
        taker
            .take(&mut Walker::default(), &deliveries(5, now_ns()), &meter)
            .unwrap();
        taker.idle();
        assert!(taker.acks.is_empty());
        assert_eq!(board.counts().consumed, 5);
        assert!(board.take_samples().latency.is_empty());
    }
}
