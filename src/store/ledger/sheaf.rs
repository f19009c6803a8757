//! Spans by the hundred: those in use as they are, the others bound into the bytes that a checkpoint has of them.
//!
//! A backlog that came one message at a time has a span for each. Loose, that is 64 bytes a message; bound it is about nine,
//! and a checkpoint copies them as they are. Whoever changes a span loosens its sheaf; the ledger binds those that nobody has
//! touched for a while.

use std::collections::{VecDeque, vec_deque};

use smallvec::SmallVec;

use super::super::files::Lease;
use super::code::{Before, decode_span, encode_span};
use super::span::Span;

/// Spans of a sheaf, as a rule.
pub(super) const SPANS: usize = 128;

/// See the module.
#[derive(Debug)]
pub(super) struct Sheaf {
    /// No message in it has a lower sequence number.
    pub first: u64,
    /// Sequence number behind its last message.
    pub end: u64,
    /// Messages that are not settled.
    pub live: u64,
    body: Body,
}

#[derive(Debug)]
enum Body {
    Loose(Loose),
    Bound(Box<Bound>),
}

/// Spans as they are.
#[derive(Debug, Default)]
pub(super) struct Loose {
    pub spans: VecDeque<Span>,
    /// Spans of which nothing is live.
    spent: usize,
}

/// Spans as bytes; the first is compared with nothing.
#[derive(Debug)]
struct Bound {
    bytes: Box<[u8]>,
    count: u32,
    /// Bytes of the first one.
    head: u32,
    /// What the next one would be compared with.
    last: Before,
    /// So many spans each have this lease.
    leases: SmallVec<[(u32, Lease); 1]>,
    reach: u64,
    bodies: u64,
}

impl Loose {
    /// Index of the first span that ends behind `sequence`.
    pub fn from(&self, sequence: u64) -> usize {
        match self.spans.front() {
            Some(front) if sequence < front.end() => 0,
            _ => self.spans.partition_point(|span| span.end() <= sequence),
        }
    }

    /// Index of the span that has it.
    pub fn index(&self, sequence: u64) -> Option<usize> {
        let index = self.from(sequence);
        (self.spans.get(index)?.first <= sequence).then_some(index)
    }

    /// So many more of its spans are spent: they leave where that is cheap.
    pub fn tidy(&mut self, spent: usize) {
        self.spent += spent;
        while self.spans.front().is_some_and(|span| span.lease.is_none()) {
            self.spans.pop_front();
            self.spent -= 1;
        }
        if self.spent > SPANS / 2 && self.spent > self.spans.len() / 2 {
            self.spans.retain(|span| span.lease.is_some());
            self.spent = 0;
        }
    }

    /// Puts `parts` in the place of the span at `index`.
    pub fn replace(&mut self, index: usize, parts: Vec<Span>) {
        if parts.len() == 1 {
            self.spans.extend(parts);
            self.spans.swap_remove_back(index);
        } else {
            let behind = self.spans.split_off(index + 1);
            self.spans.pop_back();
            self.spans.extend(parts);
            self.spans.extend(behind);
        }
    }

    fn live(&self) -> impl Iterator<Item = &Span> {
        self.spans.iter().filter(|span| span.lease.is_some())
    }

    fn bind(&self) -> Bound {
        let mut bound = Bound {
            bytes: Box::default(),
            count: 0,
            head: 0,
            last: Before::default(),
            leases: SmallVec::new(),
            reach: reach(self.live()),
            bodies: bodies(self.live()),
        };
        let mut bytes = Vec::with_capacity(16 * self.spans.len());
        for span in self.live() {
            encode_span(span, &bound.last, &mut bytes);
            bound.last.set(span);
            if bound.count == 0 {
                bound.head = bytes.len() as u32;
            }
            bound.count += 1;
            let Some(lease) = &span.lease else { continue };
            match bound.leases.last_mut() {
                Some((count, last)) if last.is_of(lease) => *count += 1,
                _ => bound.leases.push((1, lease.clone())),
            }
        }
        bound.bytes = bytes.into_boxed_slice();
        bound
    }
}

fn reach<'a>(spans: impl Iterator<Item = &'a Span>) -> u64 {
    spans.map(|span| span.run().end()).max().unwrap_or(0)
}

fn bodies<'a>(spans: impl Iterator<Item = &'a Span>) -> u64 {
    let share = |span: &Span| {
        u64::from(span.run().bodies) * u64::from(span.live()) / u64::from(span.count.max(1))
    };
    spans.map(share).sum()
}

impl Bound {
    fn iter(&self) -> Unbinding<'_> {
        Unbinding {
            bytes: &self.bytes,
            before: Before::default(),
            leases: &self.leases,
            of_lease: 0,
        }
    }
}

/// The spans of a bound sheaf, one by one.
pub(super) struct Unbinding<'a> {
    bytes: &'a [u8],
    before: Before,
    leases: &'a [(u32, Lease)],
    of_lease: u32,
}

impl Iterator for Unbinding<'_> {
    type Item = Span;

    fn next(&mut self) -> Option<Span> {
        if self.bytes.is_empty() {
            return None;
        }
        if self.of_lease == self.leases.first()?.0 {
            self.leases = &self.leases[1..];
            self.of_lease = 0;
        }
        self.of_lease += 1;
        let lease = self.leases.first()?.1.clone();
        let read = decode_span(&mut self.bytes, &self.before, |_| Some(lease));
        let read = read.expect("bind wrote it");
        self.before = read.before;
        read.span
    }
}

/// The spans of a sheaf.
pub(super) enum Spans<'a> {
    Loose(vec_deque::Iter<'a, Span>),
    Bound(Unbinding<'a>),
}

impl Sheaf {
    /// A loose one without spans.
    pub fn new() -> Self {
        Self {
            first: 0,
            end: 0,
            live: 0,
            body: Body::Loose(Loose::default()),
        }
    }

    pub fn is_loose(&self) -> bool {
        matches!(self.body, Body::Loose(_))
    }

    /// How many spans it has, those that are spent left out.
    pub fn spans(&self) -> usize {
        match &self.body {
            Body::Loose(loose) => loose.spans.len() - loose.spent,
            Body::Bound(bound) => bound.count as usize,
        }
    }

    /// Whether another span makes it too large.
    pub fn is_full(&self) -> bool {
        match &self.body {
            Body::Loose(loose) => loose.spans.len() >= SPANS,
            Body::Bound(_) => true,
        }
    }

    /// Appends a span behind all others.
    #[inline]
    pub fn push(&mut self, span: Span) {
        if self.live == 0 {
            self.first = span.first;
        }
        self.end = span.end();
        self.live += u64::from(span.live());
        self.loosen().spans.push_back(span);
    }

    /// Its spans, to be changed. Who settles says so in `live`, and tidies.
    #[inline]
    pub fn loosen(&mut self) -> &mut Loose {
        if let Body::Bound(bound) = &self.body {
            self.body = Body::Loose(Loose {
                spans: bound.iter().collect(),
                spent: 0,
            });
        }
        match &mut self.body {
            Body::Loose(loose) => loose,
            Body::Bound(_) => unreachable!("it has just been loosened"),
        }
    }

    pub fn bind(&mut self) {
        if let Body::Loose(loose) = &self.body
            && self.live > 0
        {
            self.body = Body::Bound(Box::new(loose.bind()));
        }
    }

    /// All of it is settled.
    pub fn spend(&mut self) {
        self.live = 0;
        match &mut self.body {
            Body::Loose(loose) => {
                loose.spans.clear();
                loose.spent = 0;
            }
            Body::Bound(_) => self.body = Body::Loose(Loose::default()),
        }
    }

    /// The spans from the first on that ends behind `sequence`; those of a bound one all.
    pub fn from(&self, sequence: u64) -> Spans<'_> {
        match &self.body {
            Body::Loose(loose) => Spans::Loose(loose.spans.range(loose.from(sequence)..)),
            Body::Bound(bound) => Spans::Bound(bound.iter()),
        }
    }

    /// The oldest message of a loose one.
    pub fn first_live(&self) -> Option<u64> {
        match &self.body {
            Body::Loose(loose) => {
                let span = loose.live().next()?;
                Some(span.first + u64::from(span.head))
            }
            Body::Bound(bound) => {
                let span = bound.iter().next()?;
                Some(span.first + u64::from(span.head))
            }
        }
    }

    /// Position behind the last byte that it needs.
    pub fn reach(&self) -> u64 {
        match &self.body {
            Body::Loose(loose) => reach(loose.live()),
            Body::Bound(bound) => bound.reach,
        }
    }

    /// Bytes of its bodies; of a run of which some are settled, in proportion.
    pub fn bodies(&self) -> u64 {
        match &self.body {
            Body::Loose(loose) => bodies(loose.live()),
            Body::Bound(bound) => bound.bodies,
        }
    }

    /// Bytes that it takes.
    #[cfg(test)]
    pub fn memory(&self) -> usize {
        size_of::<Self>()
            + match &self.body {
                Body::Loose(loose) => loose.spans.capacity() * size_of::<Span>(),
                Body::Bound(bound) => size_of::<Bound>() + bound.bytes.len(),
            }
    }

    /// Appends its spans as checkpoints have them.
    pub fn encode(&self, before: &mut Before, out: &mut Vec<u8>) {
        match &self.body {
            Body::Loose(loose) => {
                for span in loose.live() {
                    encode_span(span, before, out);
                    before.set(span);
                }
            }
            Body::Bound(bound) => {
                // Only the first is compared with what is before the sheaf.
                if let Some(first) = bound.iter().next() {
                    encode_span(&first, before, out);
                    out.extend_from_slice(&bound.bytes[bound.head as usize..]);
                    *before = bound.last;
                }
            }
        }
    }
}
