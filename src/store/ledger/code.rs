//! A ledger as checkpoints have it: varints, spans as what they differ in from the one before, about eight bytes each.
//!
//! ```text
//! ledger   next sequence, delivered, attended (0 or 1), count, returned ranges (start - end before, length, count), count, spans
//! span     flags u8, then what they do not say: first - end before (1), position - end of the chunk before, zigzag (2), length (4),
//!          start (8), time - time before, zigzag (16), TTL ms + 1 (32), message flags u8 (64), head and holes (128);
//!          then always count and bytes of bodies
//! holes    0, or 1, count of words, and the words of its bits, each u64 little-endian
//! ```
//!
//! A flag says that there is something: that length, TTL and message flags are others than before, that start and head are not 0.

use super::super::block::NUMBER_MAX;
use super::super::files::{Files, Lease};
use super::super::record::Run;
use super::super::varint::{put, take};
use super::Ledger;
use super::sheaf::Sheaf;
use super::span::{Holes, Span};

const GAP: u8 = 1;
const APART: u8 = 2;
const LENGTH: u8 = 4;
const START: u8 = 8;
const TIME: u8 = 16;
const TTL: u8 = 32;
const FLAGS: u8 = 64;
const SETTLED: u8 = 128;

/// What a span is compared with.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Before {
    pub end: u64,
    position: u64,
    length: u32,
    time_ms: u64,
    ttl_ms: Option<u64>,
    flags: u8,
}

impl Before {
    pub(super) fn set(&mut self, span: &Span) {
        let run = span.run();
        *self = Self {
            end: span.end(),
            position: run.position.wrapping_add(u64::from(run.length)),
            length: run.length,
            time_ms: span.time_ms(),
            ttl_ms: span.ttl_ms(),
            flags: run.flags,
        };
    }
}

fn zigzag(from: u64, to: u64) -> u64 {
    let delta = to.wrapping_sub(from) as i64;
    (delta << 1 ^ delta >> 63) as u64
}

fn zagzig(from: u64, delta: u64) -> u64 {
    from.wrapping_add((delta >> 1) ^ (delta & 1).wrapping_neg())
}

impl Ledger {
    /// Appends it as checkpoints have it.
    pub fn encode(&self, out: &mut Vec<u8>) {
        put(out, self.next);
        put(out, self.delivered);
        put(out, u64::from(self.attended));
        put(out, self.returned.len() as u64);
        let mut end = 0;
        for (range, count) in self.returned.iter() {
            put(out, range.start - end);
            put(out, range.end - range.start);
            put(out, u64::from(count));
            end = range.end;
        }
        let count: usize = self.sheaves.iter().map(Sheaf::spans).sum();
        put(out, count as u64);
        let mut before = Before::default();
        for sheaf in &self.sheaves {
            sheaf.encode(&mut before, out);
        }
    }

    /// Reads it back; `None` when the bytes are not one, or a file that it needs is not there. When `lossy`, what lies in such
    /// files is left out; the second number says how many messages that are.
    pub fn decode(bytes: &mut &[u8], files: &Files, lossy: bool) -> Option<(Self, u64)> {
        let mut missing = 0;
        let mut ledger = Self {
            next: take(bytes).filter(|next| *next <= NUMBER_MAX)?,
            delivered: take(bytes)?,
            attended: take(bytes)? != 0,
            ..Self::default()
        };
        let mut end = 0u64;
        for _ in 0..take(bytes)? {
            let start = end.checked_add(take(bytes)?)?;
            end = start.checked_add(take(bytes)?)?;
            let count = u32::try_from(take(bytes)?).ok()?;
            ledger.returned.push(start..end, count).then_some(())?;
        }
        let mut before = Before::default();
        let next = ledger.next;
        for _ in 0..take(bytes)? {
            let read = decode_span(bytes, &before, |position| files.lease(position))
                .filter(|read| read.run.is_plausible() && read.before.end <= next)?;
            before = read.before;
            match read.span {
                Some(span) => ledger.push(span),
                None if lossy => missing += u64::from(read.live),
                None => return None,
            }
        }
        ledger.next = next;
        Some((ledger, missing))
    }
}

pub(super) fn encode_span(span: &Span, before: &Before, out: &mut Vec<u8>) {
    let run = span.run();
    let (time_ms, ttl_ms) = (span.time_ms(), span.ttl_ms());
    let settled = span.head > 0 || span.holes.is_some();
    let flags = [
        (GAP, span.first != before.end),
        (APART, run.position != before.position),
        (LENGTH, run.length != before.length),
        (START, run.start != 0),
        (TIME, time_ms != before.time_ms),
        (TTL, ttl_ms != before.ttl_ms),
        (FLAGS, run.flags != before.flags),
        (SETTLED, settled),
    ]
    .into_iter()
    .fold(
        0,
        |flags, (flag, set)| if set { flags | flag } else { flags },
    );
    out.push(flags);
    for (flag, value) in [
        (GAP, span.first - before.end),
        (APART, zigzag(before.position, run.position)),
        (LENGTH, u64::from(run.length)),
        (START, u64::from(run.start)),
        (TIME, zigzag(before.time_ms, time_ms)),
        (TTL, ttl_ms.map_or(0, |ttl| ttl + 1)),
    ] {
        if flags & flag != 0 {
            put(out, value);
        }
    }
    if flags & FLAGS != 0 {
        out.push(run.flags);
    }
    if settled {
        put(out, u64::from(span.head));
        out.push(u8::from(span.holes.is_some()));
        if let Some(holes) = &span.holes {
            put(out, holes.bits.len() as u64);
            for word in &holes.bits {
                out.extend_from_slice(&word.to_le_bytes());
            }
        }
    }
    put(out, u64::from(run.count));
    put(out, u64::from(run.bodies));
}

/// A span that was read.
pub(super) struct Read {
    /// What the next one is compared with.
    pub before: Before,
    /// `None` when its file is not there.
    pub span: Option<Span>,
    run: Run,
    live: u32,
}

/// Reads one span; `lease` keeps the file that a position lies in.
pub(super) fn decode_span(
    bytes: &mut &[u8],
    before: &Before,
    lease: impl FnOnce(u64) -> Option<Lease>,
) -> Option<Read> {
    let flags = byte(bytes)?;
    let mut optional = |flag: u8| -> Option<Option<u64>> {
        if flags & flag == 0 {
            return Some(None);
        }
        take(bytes).map(Some)
    };
    let gap = optional(GAP)?.unwrap_or(0);
    let position = optional(APART)?.map_or(before.position, |delta| zagzig(before.position, delta));
    let length = match optional(LENGTH)? {
        Some(length) => u32::try_from(length).ok()?,
        None => before.length,
    };
    let start = u32::try_from(optional(START)?.unwrap_or(0)).ok()?;
    let time_ms = optional(TIME)?.map_or(before.time_ms, |delta| zagzig(before.time_ms, delta));
    let ttl_ms = optional(TTL)?.map_or(before.ttl_ms, |ttl| ttl.checked_sub(1));
    let message_flags = match flags & FLAGS {
        0 => before.flags,
        _ => byte(bytes)?,
    };
    let head = match flags & SETTLED {
        0 => None,
        _ => Some((u32::try_from(take(bytes)?).ok()?, byte(bytes)? != 0)),
    };
    let (head, has_holes) = head.unwrap_or_default();
    let mut holes_bytes: &[u8] = &[];
    let count = if has_holes {
        let words = usize::try_from(take(bytes)?).ok()?;
        let (found, rest) = bytes.split_at_checked(words.checked_mul(8)?)?;
        holes_bytes = found;
        *bytes = rest;
        u32::try_from(take(bytes)?)
            .ok()
            .filter(|count| Holes::words(*count) == words)?
    } else {
        u32::try_from(take(bytes)?).ok()?
    };
    let run = Run {
        position,
        length,
        start,
        count,
        bodies: u32::try_from(take(bytes)?).ok()?,
        flags: message_flags,
    };
    let first = before.end.checked_add(gap)?;
    let end = first.checked_add(u64::from(count))?;
    if head >= count {
        return None;
    }
    let words = holes_bytes
        .chunks_exact(8)
        .map(|word| word.try_into().map_or(0, u64::from_le_bytes));
    let mut holes = Box::new(Holes {
        live: count - head,
        bits: words.collect(),
    });
    holes.live = (head..count).filter(|index| !holes.has(*index)).count() as u32;
    if holes.live == 0 {
        return None;
    }
    let live = holes.live;
    let before = Before {
        end,
        position: position.wrapping_add(u64::from(length)),
        length,
        time_ms,
        ttl_ms,
        flags: message_flags,
    };
    let span = lease(position).map(|lease| {
        let mut span = Span::new(first, run, time_ms, ttl_ms, lease);
        span.head = head;
        span.holes = has_holes.then_some(holes);
        span
    });
    Some(Read {
        before,
        span,
        run,
        live,
    })
}

fn byte(bytes: &mut &[u8]) -> Option<u8> {
    let (first, rest) = bytes.split_first()?;
    *bytes = rest;
    Some(*first)
}
