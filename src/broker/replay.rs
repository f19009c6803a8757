//! Messages that stay readable go into a queue once more: those of a stream, and those that a queue retains after they were
//! acknowledged (`x-retain-acked`).
//!
//! Each is placed as it was published, from a place on and up to where the log ended when the replay began, so that one into the
//! queue itself comes to an end. Called by management, step by step; what was placed stays when a replay is given up.

use std::sync::Arc;

use super::Broker;
use super::publish::{home, publish_one};
use crate::queue::stream::offset::OffsetSpec;
use crate::queue::{Effects, Queue};
use crate::store::Receipt;

/// See the module.
pub struct Replay {
    broker: Arc<Broker>,
    source: Arc<Queue>,
    target: Arc<Queue>,
    /// Offset of the next message, and behind the last.
    next: u64,
    end: u64,
    /// Messages that may still be placed.
    left: u64,
    placed: u64,
    receipt: Receipt,
}

/// Why a replay does not go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stopped {
    /// There is nothing more.
    Done,
    /// The target has no room, or is deleted.
    Refused,
}

impl Replay {
    /// Of `source`, a stream, into `target`, from a place on, and at most so many messages. `None` when the source is no stream.
    pub fn new(
        broker: Arc<Broker>,
        source: Arc<Queue>,
        target: Arc<Queue>,
        from: OffsetSpec,
        most: u64,
    ) -> Option<Self> {
        let (next, end) = source.lock().resolve(from, broker.now())?;
        Some(Self {
            broker,
            source,
            target,
            next,
            end,
            left: most,
            placed: 0,
            receipt: Receipt::NOTHING,
        })
    }

    /// Messages placed so far.
    pub fn placed(&self) -> u64 {
        self.placed
    }

    /// When this is due they are as safe as if they had been published.
    pub fn receipt(&self) -> Receipt {
        self.receipt
    }

    /// Places up to `most` messages.
    pub fn step(&mut self, most: usize) -> Option<Stopped> {
        let most = most.min(usize::try_from(self.left).unwrap_or(usize::MAX));
        if most == 0 || self.next >= self.end {
            return Some(Stopped::Done);
        }
        let journal = self.broker.journal();
        let page = self.source.browse(self.next..self.end, most, journal);
        for seen in page.seen {
            let mut effects = Effects::default();
            let now = self.broker.now();
            let target = home(&self.target, &seen.message);
            let (placed, receipt) =
                publish_one(&self.broker, &target, seen.message, now, &mut effects);
            let refused = effects.refused.is_some();
            self.broker.perform(&target, effects);
            if !placed || refused {
                return Some(Stopped::Refused);
            }
            self.receipt = self.receipt.max(receipt);
            self.next = seen.sequence + 1;
            self.placed += 1;
            self.left -= 1;
        }
        match page.next {
            Some(next) => self.next = next,
            None => return Some(Stopped::Done),
        }
        None
    }
}
