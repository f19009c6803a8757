//! What the journal knows of one queue: which messages are on disk and not settled, and where.
//!
//! The same struct serves under the queue's lock, in replay and in checkpoints. It is a deque of spans in sequence order, each a
//! run of adjacent messages in one chunk with what of it is settled; a span whose messages are all settled lets go of its file.
//! In the common order (placed at the end, settled at the front) every operation is O(1). Knows no queue and does no I/O.
//!
//! ```text
//! span     one run: where it lies, what is settled        returns  how often messages came back
//! code     bytes of a ledger in a checkpoint
//! ```

mod code;
mod returns;
mod span;

use std::collections::VecDeque;
use std::ops::Range;

use self::returns::Returns;
pub use self::span::Piece;
use self::span::Span;
use super::files::Lease;
use super::record::Run;

/// So many spent spans between others are tolerated before they are thrown out.
const SPENT_MAX: usize = 64;

/// See the module.
#[derive(Debug, Default)]
pub struct Ledger {
    spans: VecDeque<Span>,
    /// Spans in the deque of which nothing is live.
    spent: usize,
    live: u64,
    next: u64,
    /// How often those that came back have.
    returned: Returns,
    attended: bool,
    /// Messages before this one may have been delivered in an earlier life of the process.
    delivered: u64,
}

impl Ledger {
    /// Whether no message of the queue is on disk.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.live == 0
    }

    /// Messages on disk.
    pub fn live(&self) -> u64 {
        self.live
    }

    /// Bytes of their bodies; of a run of which some are settled, in proportion. Walks over all spans: not for every message.
    pub fn bytes(&self) -> u64 {
        let share = |span: &Span| {
            u64::from(span.run().bodies) * u64::from(span.live()) / u64::from(span.count.max(1))
        };
        self.spans.iter().map(share).sum()
    }

    /// Position behind the last byte that it needs.
    pub fn reach(&self) -> u64 {
        let ends = self.spans.iter().filter(|span| span.lease.is_some());
        ends.map(|span| span.run().end()).max().unwrap_or(0)
    }

    /// How many spans there are, spent ones included: what the ledger costs.
    pub fn spans(&self) -> usize {
        self.spans.len()
    }

    /// The oldest message.
    pub fn first(&self) -> Option<u64> {
        self.spans
            .iter()
            .find(|span| span.lease.is_some())
            .map(|span| span.first + u64::from(span.head))
    }

    /// Higher than every sequence number that was ever placed.
    pub fn next_sequence(&self) -> u64 {
        self.next
    }

    /// Messages are placed, behind all that were.
    pub fn place(&mut self, first: u64, run: Run, time_ms: u64, ttl_ms: Option<u64>, lease: Lease) {
        debug_assert!(first >= self.next && run.count > 0);
        self.next = first + u64::from(run.count);
        self.live += u64::from(run.count);
        self.spans
            .push_back(Span::new(first, run, time_ms, ttl_ms, lease));
    }

    /// Index of the first span that ends behind `sequence`.
    fn from(&self, sequence: u64) -> usize {
        match self.spans.front() {
            Some(front) if sequence < front.end() => 0,
            _ => self.spans.partition_point(|span| span.end() <= sequence),
        }
    }

    fn index(&self, sequence: u64) -> Option<usize> {
        let index = self.from(sequence);
        (self.spans.get(index)?.first <= sequence).then_some(index)
    }

    /// A message is settled; one that is not on disk is passed over.
    #[inline]
    pub fn settle(&mut self, sequence: u64) {
        let Some(index) = self.index(sequence) else {
            return;
        };
        let span = &mut self.spans[index];
        if !span.settle((sequence - span.first) as u32) {
            return;
        }
        let spent = span.lease.is_none();
        self.live -= 1;
        if !self.returned.is_empty() {
            self.returned.remove(sequence..sequence + 1);
        }
        if spent {
            self.spent += 1;
            self.tidy();
        }
    }

    /// All messages of a range are settled.
    pub fn settle_range(&mut self, range: Range<u64>) {
        let mut index = self.from(range.start);
        while let Some(span) = self.spans.get_mut(index).filter(|s| s.first < range.end) {
            if span.lease.is_some() {
                let before = span.live();
                if range.start <= span.first && span.end() <= range.end {
                    span.spend();
                } else {
                    let from = range.start.max(span.first) - span.first;
                    let to = range.end.min(span.end()) - span.first;
                    for at in from..to {
                        span.settle(at as u32);
                    }
                }
                self.live -= u64::from(before - span.live());
                self.spent += usize::from(span.lease.is_none());
            }
            index += 1;
        }
        self.returned.remove(range);
        self.tidy();
    }

    fn tidy(&mut self) {
        while self.spans.front().is_some_and(|span| span.lease.is_none()) {
            self.spans.pop_front();
            self.spent -= 1;
        }
        if self.spent > SPENT_MAX && self.spent > self.spans.len() / 2 {
            self.spans.retain(|span| span.lease.is_some());
            self.spent = 0;
        }
        if self.spans.is_empty() && self.spans.capacity() > 4 * SPENT_MAX {
            self.spans = VecDeque::new();
        }
    }

    /// A message came back.
    pub fn requeue(&mut self, sequence: u64) {
        if self.is_live(sequence) {
            self.returned.add(sequence..sequence + 1);
        }
    }

    /// All messages of a range that are there came back.
    pub fn requeue_range(&mut self, range: Range<u64>) {
        let mut index = self.from(range.start);
        while let Some(span) = self.spans.get(index).filter(|s| s.first < range.end) {
            let from = range.start.max(span.first);
            let to = range.end.min(span.end());
            if span.lease.is_some() && span.head == 0 && span.holes.is_none() {
                self.returned.add(from..to);
            } else {
                for sequence in from..to {
                    if !span.is_settled((sequence - span.first) as u32) {
                        self.returned.add(sequence..sequence + 1);
                    }
                }
            }
            index += 1;
        }
    }

    /// How often a message has come back.
    pub fn returned(&self, sequence: u64) -> u32 {
        self.returned.get(sequence)
    }

    /// Somebody takes messages from the queue; true the first time.
    pub fn attend(&mut self) -> bool {
        !std::mem::replace(&mut self.attended, true)
    }

    /// The last life of the process has ended: in a crash (not `clean`) whatever an attended queue has may have been delivered.
    pub fn wake_up(&mut self, clean: bool) {
        if self.attended && !clean {
            self.delivered = self.next;
        }
        self.attended = false;
    }

    /// Whether an earlier life of the process may have delivered it.
    pub fn was_delivered(&self, sequence: u64) -> bool {
        sequence < self.delivered || self.returned.get(sequence) > 0
    }

    /// Whether the message is on disk and not settled.
    pub fn is_live(&self, sequence: u64) -> bool {
        self.index(sequence).is_some_and(|index| {
            let span = &self.spans[index];
            !span.is_settled((sequence - span.first) as u32)
        })
    }

    /// The pieces that have live messages in `from..to`, in order.
    pub fn pieces(&self, from: u64, to: u64) -> impl Iterator<Item = Piece> {
        self.spans
            .range(self.from(from)..)
            .take_while(move |span| span.first < to)
            .filter_map(Span::piece)
    }

    /// Messages of one span lie elsewhere now: each item is a run and the sequence number of its first message. False, and nothing
    /// is changed, when they are not all live messages of that span.
    pub fn moved(&mut self, items: &[(u64, Run)], lease: &Lease) -> bool {
        let Some(index) = items.first().and_then(|(first, _)| self.index(*first)) else {
            return false;
        };
        let span = &self.spans[index];
        if span.lease.is_none() {
            return true;
        }
        let mut parts = Vec::with_capacity(items.len());
        let (mut live, mut next) = (0, span.first);
        for (first, run) in items {
            let end = first.saturating_add(u64::from(run.count));
            if *first < next || end > span.end() || run.count == 0 {
                return false;
            }
            next = end;
            let mut part = Span::new(*first, *run, span.time_ms(), span.ttl_ms(), lease.clone());
            for at in 0..run.count {
                if span.is_settled((first - span.first) as u32 + at) {
                    part.settle(at);
                }
            }
            if part.lease.is_some() {
                live += part.live();
                parts.push(part);
            }
        }
        if live != span.live() {
            return false;
        }
        self.replace(index, parts);
        true
    }

    /// Puts `parts` in the place of the span at `index`; the shorter side of the deque makes room.
    fn replace(&mut self, index: usize, parts: Vec<Span>) {
        if let [_] = parts.as_slice() {
            self.spans.extend(parts);
            self.spans.swap_remove_back(index);
        } else if index < self.spans.len() / 2 {
            let before: Vec<Span> = self.spans.drain(..=index).collect();
            let before = before.into_iter().take(index).chain(parts);
            let before: Vec<Span> = before.collect();
            for span in before.into_iter().rev() {
                self.spans.push_front(span);
            }
        } else {
            let behind = self.spans.split_off(index + 1);
            self.spans.pop_back();
            self.spans.extend(parts);
            self.spans.extend(behind);
        }
    }
}

#[cfg(test)]
mod tests;
