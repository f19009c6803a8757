//! One span of a ledger, in 64 bytes: a backlog that came one message at a time has one for each. And what others see of it.

use super::super::files::Lease;
use super::super::record::Run;

/// No TTL.
const NEVER: u32 = u32::MAX;
/// Milliseconds since the epoch are kept in so many bits, the flags in the rest.
const TIME_BITS: u32 = 56;

/// Settled messages that are not at the front of their run.
#[derive(Clone, Debug)]
pub(super) struct Holes {
    /// Messages of the run that are not settled.
    pub live: u32,
    /// A bit for each that is; those before the span's head do not matter.
    pub bits: Box<[u64]>,
}

impl Holes {
    pub fn words(count: u32) -> usize {
        (count as usize).div_ceil(64)
    }

    pub fn has(&self, index: u32) -> bool {
        let word = self.bits.get(index as usize / 64);
        word.is_some_and(|word| word >> (index % 64) & 1 == 1)
    }
}

/// Adjacent messages of one chunk, and what of them is settled.
#[derive(Debug)]
pub(super) struct Span {
    pub first: u64,
    position: u64,
    /// Time in the upper bits, flags in the lowest eight.
    time_and_flags: u64,
    /// `None` once all are settled.
    pub lease: Option<Lease>,
    pub holes: Option<Box<Holes>>,
    length: u32,
    start: u32,
    pub count: u32,
    bodies: u32,
    ttl_ms: u32,
    /// Settled from the front on; behind that `holes` says.
    pub head: u32,
}

impl Span {
    pub fn new(first: u64, run: Run, time_ms: u64, ttl_ms: Option<u64>, lease: Lease) -> Self {
        let time_ms = time_ms.min((1 << TIME_BITS) - 1);
        // The longest TTL that a queue can have is 2^32 - 1: that one ends a millisecond early.
        let ttl_ms = ttl_ms.map_or(NEVER, |ttl| ttl.min(u64::from(NEVER - 1)) as u32);
        Self {
            first,
            position: run.position,
            time_and_flags: time_ms << 8 | u64::from(run.flags),
            lease: Some(lease),
            holes: None,
            length: run.length,
            start: run.start,
            count: run.count,
            bodies: run.bodies,
            ttl_ms,
            head: 0,
        }
    }

    pub fn run(&self) -> Run {
        Run {
            position: self.position,
            length: self.length,
            start: self.start,
            count: self.count,
            bodies: self.bodies,
            flags: self.time_and_flags as u8,
        }
    }

    pub fn time_ms(&self) -> u64 {
        self.time_and_flags >> 8
    }

    pub fn ttl_ms(&self) -> Option<u64> {
        (self.ttl_ms != NEVER).then_some(u64::from(self.ttl_ms))
    }

    pub fn end(&self) -> u64 {
        self.first + u64::from(self.count)
    }

    /// Not settled.
    pub fn live(&self) -> u32 {
        match &self.holes {
            None => self.count - self.head,
            Some(holes) => holes.live,
        }
    }

    pub fn is_settled(&self, index: u32) -> bool {
        index < self.head || self.holes.as_ref().is_some_and(|holes| holes.has(index))
    }

    /// False when it was settled before.
    pub fn settle(&mut self, index: u32) -> bool {
        if self.is_settled(index) {
            return false;
        }
        if self.live() == 1 {
            self.spend();
            return true;
        }
        if index == self.head {
            self.head += 1;
            if let Some(holes) = &mut self.holes {
                holes.live -= 1;
                while self.head < self.count && holes.has(self.head) {
                    self.head += 1;
                }
                if holes.live == self.count - self.head {
                    self.holes = None;
                }
            }
            return true;
        }
        let (live, count) = (self.live(), self.count);
        let holes = self.holes.get_or_insert_with(|| {
            Box::new(Holes {
                live,
                bits: vec![0; Holes::words(count)].into_boxed_slice(),
            })
        });
        holes.live -= 1;
        holes.bits[index as usize / 64] |= 1 << (index % 64);
        true
    }

    /// Settles the messages from one index up to another.
    #[inline]
    pub fn settle_range(&mut self, from: u32, to: u32) {
        if from <= self.head && self.holes.is_none() && to < self.count {
            self.head = self.head.max(to);
        } else if from <= self.head && to == self.count {
            self.spend();
        } else {
            for index in from..to {
                self.settle(index);
            }
        }
    }

    /// All of it is settled.
    pub fn spend(&mut self) {
        self.head = self.count;
        self.holes = None;
        self.lease = None;
    }

    pub fn piece(&self) -> Option<Piece> {
        Some(Piece {
            first: self.first,
            run: self.run(),
            time_ms: self.time_ms(),
            ttl_ms: self.ttl_ms(),
            live: self.live(),
            lease: self.lease.clone()?,
            head: self.head,
            holes: self.holes.clone(),
        })
    }
}

/// Live messages that lie together: a run and the sequence number of its first, of which [`is_live`](Self::is_live) says which are
/// not settled.
#[derive(Clone, Debug)]
pub struct Piece {
    /// Sequence number of the run's first message.
    pub first: u64,
    /// Where they lie.
    pub run: Run,
    /// When they came, milliseconds since the epoch.
    pub time_ms: u64,
    /// The queue's message TTL then.
    pub ttl_ms: Option<u64>,
    /// How many of them are not settled.
    pub live: u32,
    /// Keeps their file.
    pub lease: Lease,
    head: u32,
    holes: Option<Box<Holes>>,
}

impl Piece {
    /// Whether the message at this index of the run is not settled.
    pub fn is_live(&self, index: u32) -> bool {
        index >= self.head && self.holes.as_ref().is_none_or(|holes| !holes.has(index))
    }

    /// Sequence number behind the last message of the run.
    pub fn end(&self) -> u64 {
        self.first + u64::from(self.run.count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_is_small() {
        assert_eq!(size_of::<Span>(), 64);
    }
}
