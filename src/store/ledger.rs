//! What the journal knows of one queue: which messages are on disk and not settled, and where.
//!
//! The same struct serves under the queue's lock, in replay and in checkpoints. It is a deque of spans in sequence order, each a
//! run of adjacent messages in one chunk with what of it is settled; a span whose messages are all settled lets go of its file.
//! In the common order (placed at the end, settled at the front) every operation is O(1). Knows no queue and does no I/O.

use std::collections::{BTreeMap, VecDeque};
use std::ops::Range;

use super::files::{Files, Lease};
use super::record::{Run, take_run, write};
use super::varint::{put, take};

/// No TTL.
const NEVER: u64 = u64::MAX;
/// So many spent spans between others are tolerated before they are thrown out.
const SPENT_MAX: usize = 64;

/// Adjacent messages of one chunk.
#[derive(Debug)]
struct Span {
    first: u64,
    run: Run,
    time_ms: u64,
    ttl_ms: u64,
    /// Settled from the front on; behind that `holes` says.
    head: u32,
    /// Not settled.
    live: u32,
    holes: Option<Box<[u64]>>,
    /// `None` once all are settled.
    lease: Option<Lease>,
}

impl Span {
    fn end(&self) -> u64 {
        self.first + u64::from(self.run.count)
    }

    fn is_settled(&self, index: u32) -> bool {
        index < self.head
            || self
                .holes
                .as_ref()
                .is_some_and(|holes| holes[index as usize / 64] >> (index % 64) & 1 == 1)
    }

    /// False when it was settled before.
    fn settle(&mut self, index: u32) -> bool {
        if self.is_settled(index) {
            return false;
        }
        self.live -= 1;
        if self.live == 0 {
            self.spend();
        } else if index == self.head {
            self.head += 1;
            if self.holes.is_some() {
                while self.head < self.run.count && self.is_settled_behind(self.head) {
                    self.head += 1;
                }
            }
        } else {
            let words = (self.run.count as usize).div_ceil(64);
            let holes = self
                .holes
                .get_or_insert_with(|| vec![0; words].into_boxed_slice());
            holes[index as usize / 64] |= 1 << (index % 64);
        }
        true
    }

    fn is_settled_behind(&self, index: u32) -> bool {
        self.holes
            .as_ref()
            .is_some_and(|holes| holes[index as usize / 64] >> (index % 64) & 1 == 1)
    }

    fn spend(&mut self) {
        self.live = 0;
        self.head = self.run.count;
        self.holes = None;
        self.lease = None;
    }
}

/// Live messages that lie together: `count` sequence numbers from `first` on, of which [`Ledger::is_live`] says which are.
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
    /// Settled ones: index `< head`, and the bits of `holes`.
    head: u32,
    holes: Option<Box<[u64]>>,
}

impl Piece {
    /// Whether the message at this index of the run is not settled.
    pub fn is_live(&self, index: u32) -> bool {
        index >= self.head
            && self
                .holes
                .as_ref()
                .is_none_or(|holes| holes[index as usize / 64] >> (index % 64) & 1 == 0)
    }

    /// Sequence number behind the last message of the run.
    pub fn end(&self) -> u64 {
        self.first + u64::from(self.run.count)
    }
}

/// See the module.
#[derive(Debug, Default)]
pub struct Ledger {
    spans: VecDeque<Span>,
    /// Spans in the deque of which nothing is live.
    spent: usize,
    live: u64,
    next: u64,
    /// How often those that came back have.
    returned: BTreeMap<u64, u32>,
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

    /// Bytes of their bodies; of a run of which some are settled, in proportion.
    pub fn bytes(&self) -> u64 {
        let share = |span: &Span| {
            u64::from(span.run.bodies) * u64::from(span.live) / u64::from(span.run.count.max(1))
        };
        self.spans.iter().map(share).sum()
    }

    /// How many spans there are, spent ones included: what the ledger costs.
    pub fn spans(&self) -> usize {
        self.spans.len()
    }

    /// The oldest message.
    pub fn first(&self) -> Option<u64> {
        self.spans
            .iter()
            .find(|span| span.live > 0)
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
        self.spans.push_back(Span {
            first,
            time_ms,
            ttl_ms: ttl_ms.unwrap_or(NEVER),
            head: 0,
            live: run.count,
            holes: None,
            lease: Some(lease),
            run,
        });
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
        let spent = span.live == 0;
        self.live -= 1;
        if !self.returned.is_empty() {
            self.returned.remove(&sequence);
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
            if span.live > 0 {
                let before = span.live;
                if range.start <= span.first && span.end() <= range.end {
                    span.spend();
                } else {
                    let from = range.start.max(span.first) - span.first;
                    let to = range.end.min(span.end()) - span.first;
                    for at in from..to {
                        span.settle(at as u32);
                    }
                }
                self.live -= u64::from(before - span.live);
                self.spent += usize::from(span.live == 0);
            }
            index += 1;
        }
        if !self.returned.is_empty() {
            let behind = self.returned.split_off(&range.start);
            let mut kept = behind;
            let rest = kept.split_off(&range.end);
            self.returned.extend(rest);
        }
        self.tidy();
    }

    fn tidy(&mut self) {
        while self.spans.front().is_some_and(|span| span.live == 0) {
            self.spans.pop_front();
            self.spent -= 1;
        }
        if self.spent > SPENT_MAX && self.spent > self.spans.len() / 2 {
            self.spans.retain(|span| span.live > 0);
            self.spent = 0;
        }
        if self.spans.is_empty() && self.spans.capacity() > 4 * SPENT_MAX {
            self.spans = VecDeque::new();
        }
    }

    /// A message came back.
    pub fn requeue(&mut self, sequence: u64) {
        if self.is_live(sequence) {
            *self.returned.entry(sequence).or_default() += 1;
        }
    }

    /// All messages of a range that are there came back.
    pub fn requeue_range(&mut self, range: Range<u64>) {
        let pieces: Vec<Piece> = self.pieces(range.start, range.end).collect();
        for piece in pieces {
            for sequence in range.start.max(piece.first)..range.end.min(piece.end()) {
                self.requeue(sequence);
            }
        }
    }

    /// How often a message has come back.
    pub fn returned(&self, sequence: u64) -> u32 {
        self.returned.get(&sequence).copied().unwrap_or(0)
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
        sequence < self.delivered || self.returned.contains_key(&sequence)
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
            .filter_map(|span| {
                Some(Piece {
                    first: span.first,
                    run: span.run,
                    time_ms: span.time_ms,
                    ttl_ms: (span.ttl_ms != NEVER).then_some(span.ttl_ms),
                    live: span.live,
                    lease: span.lease.clone()?,
                    head: span.head,
                    holes: span.holes.clone(),
                })
            })
    }

    /// Messages of one span lie elsewhere now: each item is a run and the sequence number of its first message. False, and nothing
    /// is changed, when they are not all live messages of that span.
    pub fn moved(&mut self, items: &[(u64, Run)], lease: &Lease) -> bool {
        let Some(index) = items.first().and_then(|(first, _)| self.index(*first)) else {
            return false;
        };
        let span = &self.spans[index];
        if span.live == 0 {
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
            let mut part = Span {
                first: *first,
                run: *run,
                time_ms: span.time_ms,
                ttl_ms: span.ttl_ms,
                head: 0,
                live: run.count,
                holes: None,
                lease: Some(lease.clone()),
            };
            for at in 0..run.count {
                if span.is_settled((first - span.first) as u32 + at) {
                    part.settle(at);
                }
            }
            if part.live > 0 {
                live += part.live;
                parts.push(part);
            }
        }
        if live != span.live {
            return false;
        }
        let behind = self.spans.split_off(index + 1);
        self.spans.pop_back();
        self.spans.extend(parts);
        self.spans.extend(behind);
        true
    }

    /// Appends it as checkpoints have it.
    pub fn encode(&self, out: &mut Vec<u8>) {
        put(out, self.next);
        put(out, self.delivered);
        put(out, u64::from(self.attended));
        put(out, self.returned.len() as u64);
        for (sequence, count) in &self.returned {
            put(out, *sequence);
            put(out, u64::from(*count));
        }
        let live = self.spans.iter().filter(|span| span.live > 0);
        put(out, (self.spans.len() - self.spent) as u64);
        for span in live {
            put(out, span.first);
            write::run(out, &span.run);
            put(out, span.time_ms);
            put(out, span.ttl_ms.wrapping_add(1));
            put(out, u64::from(span.head));
            match &span.holes {
                None => out.push(0),
                Some(holes) => {
                    out.push(1);
                    for word in holes {
                        out.extend_from_slice(&word.to_le_bytes());
                    }
                }
            }
        }
    }

    /// Reads it back; `None` when the bytes are not one, or a file that it needs is not there. When `lossy`, what lies in such
    /// files is left out; the second number says how many messages that are.
    pub fn decode(bytes: &mut &[u8], files: &Files, lossy: bool) -> Option<(Self, u64)> {
        let mut missing = 0;
        let mut ledger = Self {
            next: take(bytes)?,
            delivered: take(bytes)?,
            attended: take(bytes)? != 0,
            ..Self::default()
        };
        for _ in 0..take(bytes)? {
            let (sequence, count) = (take(bytes)?, take(bytes)?);
            ledger.returned.insert(sequence, u32::try_from(count).ok()?);
        }
        let mut before = 0;
        for _ in 0..take(bytes)? {
            let first = take(bytes)?;
            let run = take_run(bytes)?;
            let (time_ms, ttl_ms) = (take(bytes)?, take(bytes)?.wrapping_sub(1));
            let head = u32::try_from(take(bytes)?).ok()?;
            let (has_holes, rest) = bytes.split_first()?;
            *bytes = rest;
            let mut span = Span {
                first,
                run,
                time_ms,
                ttl_ms,
                head,
                live: 0,
                holes: None,
                lease: files.lease(run.position),
            };
            if *has_holes != 0 {
                let words = (run.count as usize).div_ceil(64);
                let (holes, rest) = bytes.split_at_checked(words * 8)?;
                *bytes = rest;
                let word = |bytes: &[u8]| bytes.try_into().map_or(0, u64::from_le_bytes);
                span.holes = Some(holes.chunks_exact(8).map(word).collect());
            }
            let end = first.checked_add(u64::from(run.count))?;
            span.live = (head..run.count)
                .filter(|index| !span.is_settled_behind(*index))
                .count() as u32;
            if first < before || end > ledger.next || span.live == 0 {
                return None;
            }
            before = end;
            if span.lease.is_none() {
                if !lossy {
                    return None;
                }
                missing += u64::from(span.live);
                continue;
            }
            ledger.live += u64::from(span.live);
            ledger.spans.push_back(span);
        }
        Some((ledger, missing))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use proptest::prelude::*;

    use super::*;

    #[derive(Clone, Debug)]
    enum Step {
        Place(u32, u64),
        Settle(usize),
        SettleRange(u64, u64),
        Requeue(usize),
        Move(usize),
        Recode,
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            3 => (1u32..130, 0u64..3).prop_map(|(count, gap)| Step::Place(count, gap)),
            8 => (0usize..400).prop_map(Step::Settle),
            1 => (0u64..600, 0u64..200).prop_map(|(from, len)| Step::SettleRange(from, len)),
            1 => (0usize..400).prop_map(Step::Requeue),
            1 => (0usize..20).prop_map(Step::Move),
            1 => Just(Step::Recode),
        ]
    }

    fn run(position: u64, count: u32) -> Run {
        Run {
            position,
            length: 100,
            start: 0,
            count,
            bodies: count * 10,
            flags: 2,
        }
    }

    proptest! {
        /// A map of sequence number to position says the same.
        #[test]
        fn a_ledger_is_a_map_of_what_is_not_settled(steps in prop::collection::vec(step(), 1..80)) {
            let files = Files::default();
            files.add(1, 0, &Arc::default());
            let mut ledger = Ledger::default();
            let mut model: BTreeMap<u64, u64> = BTreeMap::new();
            let mut returned: BTreeMap<u64, u32> = BTreeMap::new();
            let (mut next, mut position) = (5, 1000);
            for step in steps {
                let nth = |index: usize| model.keys().nth(index % model.len().max(1)).copied();
                match step {
                    Step::Place(count, gap) => {
                        next += gap;
                        position += 1000;
                        let lease = files.lease(position).unwrap();
                        ledger.place(next, run(position, count), 7, None, lease);
                        model.extend((next..next + u64::from(count)).map(|sequence| (sequence, position)));
                        next += u64::from(count);
                    }
                    Step::Settle(index) => if let Some(sequence) = nth(index) {
                        model.remove(&sequence);
                        returned.remove(&sequence);
                        ledger.settle(sequence);
                        ledger.settle(sequence);
                    },
                    Step::SettleRange(from, len) => {
                        model.retain(|sequence, _| !(from..from + len).contains(sequence));
                        returned.retain(|sequence, _| !(from..from + len).contains(sequence));
                        ledger.settle_range(from..from + len);
                    }
                    Step::Requeue(index) => if let Some(sequence) = nth(index) {
                        *returned.entry(sequence).or_default() += 1;
                        ledger.requeue(sequence);
                    },
                    Step::Move(index) => {
                        let pieces: Vec<Piece> = ledger.pieces(0, u64::MAX).collect();
                        let Some(piece) = pieces.get(index % pieces.len().max(1)) else { continue };
                        position += 1000;
                        // Each live message becomes a run of its own.
                        let items: Vec<(u64, Run)> = (0..piece.run.count)
                            .filter(|at| piece.is_live(*at))
                            .map(|at| (piece.first + u64::from(at), run(position, 1)))
                            .collect();
                        for (sequence, _) in &items {
                            model.insert(*sequence, position);
                        }
                        let lease = files.lease(position).unwrap();
                        prop_assert!(items.len() < 2 || !ledger.moved(&items[1..], &lease));
                        prop_assert!(ledger.moved(&items, &lease));
                    }
                    Step::Recode => {
                        let mut bytes = Vec::new();
                        ledger.encode(&mut bytes);
                        let mut rest = bytes.as_slice();
                        ledger = Ledger::decode(&mut rest, &files, false).expect("what was encoded").0;
                        prop_assert!(rest.is_empty());
                        for end in 0..bytes.len() {
                            prop_assert!(Ledger::decode(&mut &bytes[..end], &files, false).is_none());
                        }
                    }
                }
                prop_assert_eq!(ledger.live(), model.len() as u64);
                prop_assert_eq!(ledger.first(), model.keys().next().copied());
                let mut found = BTreeMap::new();
                for piece in ledger.pieces(0, u64::MAX) {
                    let live: Vec<u32> = (0..piece.run.count).filter(|at| piece.is_live(*at)).collect();
                    prop_assert_eq!(live.len() as u32, piece.live);
                    found.extend(live.into_iter().map(|at| (piece.first + u64::from(at), piece.run.position)));
                }
                prop_assert_eq!(&found, &model);
                for sequence in 0..next {
                    prop_assert_eq!(ledger.is_live(sequence), model.contains_key(&sequence));
                    prop_assert_eq!(ledger.returned(sequence), returned.get(&sequence).copied().unwrap_or(0));
                }
            }
        }
    }
}
