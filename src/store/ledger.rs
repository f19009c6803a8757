//! What the journal knows of one queue: which messages are on disk and not settled, and where.
//!
//! The same struct serves under the queue's lock, in replay and in checkpoints. It is a deque of spans in sequence order, each a
//! run of adjacent messages in one chunk with what of it is settled; a span whose messages are all settled lets go of its file.
//! In the common order (placed at the end, settled at the front) every operation is O(1). Spans between the two ends, which
//! nobody uses for the time being, are bound into few bytes (see sheaf.rs). Knows no queue and does no I/O.
//!
//! ```text
//! span     one run: where it lies, what is settled        returns  how often messages came back
//! sheaf    a hundred spans, loose or bound into bytes      code     bytes of a ledger in a checkpoint
//! ```

mod code;
mod returns;
mod sheaf;
mod span;

use std::collections::VecDeque;
use std::ops::Range;

use self::returns::Returns;
use self::sheaf::{Sheaf, Spans};
pub use self::span::Piece;
use self::span::Span;
use super::files::Lease;
use super::record::Run;

/// So many spent sheaves between others are tolerated before they are thrown out.
const SPENT_MAX: usize = 64;
/// So many sheaves between the ends stay loose after they were changed.
const LOOSE_MAX: usize = 32;

/// See the module.
#[derive(Debug, Default)]
pub struct Ledger {
    /// The first is loose and has something live.
    sheaves: VecDeque<Sheaf>,
    /// Sheaves in the deque of which nothing is live.
    spent: usize,
    /// Ends of sheaves that were loosened, to be bound again in this order.
    loosened: VecDeque<u64>,
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

    /// Bytes of their bodies; of a run of which some are settled, in proportion. Walks over all sheaves: not for every message.
    pub fn bytes(&self) -> u64 {
        self.sheaves.iter().map(Sheaf::bodies).sum()
    }

    /// Position behind the last byte that it needs.
    pub fn reach(&self) -> u64 {
        self.sheaves.iter().map(Sheaf::reach).max().unwrap_or(0)
    }

    /// How many spans there are: what the ledger costs.
    pub fn spans(&self) -> usize {
        self.sheaves.iter().map(Sheaf::spans).sum()
    }

    /// The oldest message.
    pub fn first(&self) -> Option<u64> {
        self.sheaves.front()?.first_live()
    }

    /// Higher than every sequence number that was ever placed.
    pub fn next_sequence(&self) -> u64 {
        self.next
    }

    /// Messages are placed, behind all that were.
    pub fn place(&mut self, first: u64, run: Run, time_ms: u64, ttl_ms: Option<u64>, lease: Lease) {
        debug_assert!(first >= self.next && run.count > 0);
        self.push(Span::new(first, run, time_ms, ttl_ms, lease));
    }

    #[inline]
    fn push(&mut self, span: Span) {
        self.next = span.end();
        self.live += u64::from(span.live());
        match self.sheaves.back_mut() {
            Some(last) if !last.is_full() => last.push(span),
            _ => self.push_sheaf(span),
        }
    }

    fn push_sheaf(&mut self, span: Span) {
        // The first is in use, and the last is now.
        if self.sheaves.len() > 1
            && let Some(last) = self.sheaves.back_mut()
        {
            last.bind();
        }
        let mut sheaf = Sheaf::new();
        sheaf.push(span);
        self.sheaves.push_back(sheaf);
    }

    /// Index of the first sheaf that ends behind `sequence`.
    #[inline]
    fn from(&self, sequence: u64) -> usize {
        match self.sheaves.front() {
            Some(front) if sequence < front.end => 0,
            _ => self.sheaves.partition_point(|sheaf| sheaf.end <= sequence),
        }
    }

    /// The sheaf that may have it, to be changed.
    #[inline]
    fn loosen(&mut self, sequence: u64) -> Option<&mut Sheaf> {
        let index = self.from(sequence);
        if !self.sheaves.get(index)?.is_loose() {
            self.loosen_bound(index);
        }
        self.sheaves.get_mut(index)
    }

    #[cold]
    fn loosen_bound(&mut self, index: usize) {
        let end = self.sheaves[index].end;
        self.sheaves[index].loosen();
        self.loosened.push_back(end);
        if self.loosened.len() <= LOOSE_MAX {
            return;
        }
        let oldest = self
            .loosened
            .pop_front()
            .map_or(0, |end| self.from(end - 1));
        if oldest != index && oldest > 0 && oldest + 1 < self.sheaves.len() {
            self.sheaves[oldest].bind();
        }
    }

    /// All messages of a range are settled; those that are not on disk are passed over.
    pub fn settle_range(&mut self, range: Range<u64>) {
        let mut index = self.from(range.start);
        let mut spent = 0;
        while let Some(sheaf) = self.sheaves.get(index).filter(|s| s.first < range.end) {
            let before = sheaf.live;
            if range.start <= sheaf.first && sheaf.end <= range.end {
                self.sheaves[index].spend();
            } else {
                if !sheaf.is_loose() {
                    self.loosen_bound(index);
                }
                settle_some(&mut self.sheaves[index], &range);
            }
            let after = self.sheaves[index].live;
            self.live -= before - after;
            spent += usize::from(before > 0 && after == 0);
            index += 1;
        }
        if !self.returned.is_empty() {
            self.returned.remove(range);
        }
        if spent > 0 {
            self.tidy(spent);
        }
    }

    /// So many more sheaves are spent: they leave where that is cheap.
    fn tidy(&mut self, spent: usize) {
        self.spent += spent;
        if self.live == 0 {
            self.clear();
            return;
        }
        while self.sheaves.front().is_some_and(|sheaf| sheaf.live == 0) {
            self.sheaves.pop_front();
            self.spent -= 1;
        }
        if let Some(front) = self.sheaves.front_mut() {
            front.loosen();
        }
        if self.spent > SPENT_MAX && self.spent > self.sheaves.len() / 2 {
            self.sheaves.retain(|sheaf| sheaf.live > 0);
            self.spent = 0;
        }
    }

    /// Nothing is live: a small sheaf stays for the next messages.
    fn clear(&mut self) {
        self.spent = 0;
        self.loosened.clear();
        self.sheaves.truncate(1);
        if self.sheaves.capacity() > 4 * SPENT_MAX {
            self.sheaves = VecDeque::new();
        }
        let front = self.sheaves.front_mut();
        if front.is_some_and(|front| !front.is_loose() || front.loosen().spans.capacity() > 64) {
            self.sheaves.clear();
        }
    }

    /// A message came back.
    pub fn requeue(&mut self, sequence: u64) {
        self.loosen(sequence);
        if self.is_live(sequence) {
            self.returned.add(sequence..sequence + 1);
        }
    }

    /// All messages of a range that are there came back.
    pub fn requeue_range(&mut self, range: Range<u64>) {
        let pieces: Vec<Range<u64>> = self
            .pieces(range.start, range.end)
            .flat_map(|piece| {
                let from = range.start.max(piece.first);
                let to = range.end.min(piece.end());
                let whole = piece.live == piece.run.count;
                let single = (from..to)
                    .filter(move |at| !whole && piece.is_live((at - piece.first) as u32))
                    .map(|at| at..at + 1);
                whole.then_some(from..to).into_iter().chain(single)
            })
            .collect();
        for range in pieces {
            self.returned.add(range);
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
        let piece = self.pieces(sequence, sequence + 1).next();
        piece.is_some_and(|piece| piece.is_live((sequence - piece.first) as u32))
    }

    /// The pieces that have live messages in `from..to`, in order.
    pub fn pieces(&self, from: u64, to: u64) -> Pieces<'_> {
        Pieces {
            ledger: self,
            from,
            to,
            sheaf: self.from(from),
            spans: None,
        }
    }

    /// The first message that came at this time or later, milliseconds since the epoch; the next one where there is none. The
    /// times are in order.
    pub fn since(&self, time_ms: u64) -> u64 {
        let (mut low, mut high) = (self.first().unwrap_or(self.next), self.next);
        // Everything below `low` came earlier; `high` did not.
        while low < high {
            let middle = low + (high - low) / 2;
            match self.pieces(middle, u64::MAX).next() {
                Some(piece) if piece.time_ms >= time_ms => {
                    // Nothing that is there lies between the piece and `middle`.
                    high = middle.min(piece.first).max(low);
                }
                Some(piece) => low = piece.end(),
                None => high = middle,
            }
        }
        self.pieces(low, u64::MAX)
            .next()
            .map_or(self.next, |piece| piece.first.max(low))
    }

    /// Messages of one span lie elsewhere now: each item is a run and the sequence number of its first message. False, and nothing
    /// is changed, when they are not all live messages of that span.
    pub fn moved(&mut self, items: &[(u64, Run)], lease: &Lease) -> bool {
        let Some(sheaf) = items.first().and_then(|(first, _)| self.loosen(*first)) else {
            return false;
        };
        let loose = sheaf.loosen();
        let Some(index) = items.first().and_then(|(first, _)| loose.index(*first)) else {
            return false;
        };
        let span = &loose.spans[index];
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
        loose.replace(index, parts);
        true
    }
}

/// What a range settles in a loose sheaf.
fn settle_some(sheaf: &mut Sheaf, range: &Range<u64>) {
    let loose = sheaf.loosen();
    let (mut settled, mut spent) = (0, 0);
    let mut index = loose.from(range.start);
    while let Some(span) = loose.spans.get_mut(index).filter(|s| s.first < range.end) {
        if span.lease.is_some() {
            let before = span.live();
            let from = range.start.max(span.first) - span.first;
            let to = range.end.min(span.end()) - span.first;
            span.settle_range(from as u32, to as u32);
            settled += u64::from(before - span.live());
            spent += usize::from(span.lease.is_none());
        }
        index += 1;
    }
    loose.tidy(spent);
    sheaf.live -= settled;
}

/// Pieces of a ledger, in order: see [`Ledger::pieces`].
pub struct Pieces<'a> {
    ledger: &'a Ledger,
    from: u64,
    to: u64,
    /// The next sheaf.
    sheaf: usize,
    spans: Option<Spans<'a>>,
}

impl Iterator for Pieces<'_> {
    type Item = Piece;

    fn next(&mut self) -> Option<Piece> {
        loop {
            let piece = match &mut self.spans {
                None => None,
                Some(Spans::Loose(spans)) => spans
                    .take_while(|span| span.first < self.to)
                    .find_map(Span::piece),
                Some(Spans::Bound(spans)) => spans
                    .take_while(|span| span.first < self.to)
                    .find(|span| span.end() > self.from)
                    .and_then(|span| span.piece()),
            };
            if piece.is_some() {
                return piece;
            }
            let sheaf = self.ledger.sheaves.get(self.sheaf)?;
            if sheaf.first >= self.to {
                return None;
            }
            self.spans = Some(sheaf.from(self.from));
            self.sheaf += 1;
        }
    }
}

#[cfg(test)]
mod tests;
