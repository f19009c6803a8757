//! A look at ready messages that changes nothing: no delivery, no count, no order.
//!
//! Planned under the queue's lock, page by page in bounded steps; what lies on disk is read without it.

use std::ops::Range;
use std::sync::Arc;

use super::super::arguments::QueueKind;
use super::super::core::Core;
use super::super::slots::{Slot, State};
use super::super::stream;
use super::super::{Queue, STEPS_MAX};
use super::load::{Read, Reader, Source, read_one};
use crate::message::Message;
use crate::store::Journal;

/// A page ends once its messages have so many bytes of bodies, so that none has more than this and one message.
const PAGE_BYTES_MAX: u64 = 8 << 20;

/// A ready message, as it waits.
#[derive(Clone)]
pub struct Seen {
    /// Its place in the queue.
    pub sequence: u64,
    /// The message.
    pub message: Message,
    /// It may have been delivered before.
    pub redelivered: bool,
    /// How often it came back.
    pub returned: u32,
    /// When it expires, milliseconds since the epoch; `None` never.
    pub expires: Option<u64>,
}

/// Some of a queue's ready messages.
pub struct Page {
    /// In the order in which they came.
    pub seen: Vec<Seen>,
    /// Where the next page begins; `None` when there is none.
    pub next: Option<u64>,
}

/// What a page has: in memory, or where on disk.
enum Found {
    Here(Seen),
    Away(Read),
}

struct Plan {
    found: Vec<Found>,
    next: Option<u64>,
    /// How often each message that is away came back, and whether it may have been delivered.
    marks: Vec<(u64, u32, bool)>,
    /// The queue holds its messages until they are due.
    until_due: bool,
    /// Body bytes of what was found.
    bytes: u64,
}

impl Plan {
    fn is_full(&self, most: usize) -> bool {
        self.found.len() >= most || self.bytes >= PAGE_BYTES_MAX
    }
}

impl Queue {
    /// The ready messages with sequence numbers in `range`, at most about `most` and 1,000 of them, in the order in which they
    /// came. What cannot be read is logged and left out.
    pub fn browse(self: &Arc<Self>, range: Range<u64>, most: usize, journal: &Journal) -> Page {
        if self.kind == QueueKind::Stream {
            return self.browse_stream(range, most.clamp(1, STEPS_MAX), journal);
        }
        let plan = self
            .lock()
            .core
            .plan_browse(range.clone(), most.clamp(1, STEPS_MAX));
        let mut reader = Reader::new(journal);
        let mut seen = Vec::new();
        for found in plan.found {
            match found {
                Found::Here(one) => seen.push(one),
                Found::Away(read) => {
                    let mut slots = Vec::new();
                    read_one(&read, plan.until_due, &mut reader, self, &mut slots);
                    seen.extend(slots.into_iter().filter_map(|(sequence, slot)| {
                        let mark = plan.marks.binary_search_by_key(&sequence, |mark| mark.0);
                        let (returned, redelivered) =
                            mark.map_or((0, false), |at| (plan.marks[at].1, plan.marks[at].2));
                        let slot = slot?;
                        seen_of(
                            sequence,
                            &slot,
                            slot.returned.max(returned),
                            slot.redelivered || redelivered,
                        )
                    }));
                }
            }
        }
        seen.sort_by_key(|one| one.sequence);
        let mut next = plan.next;
        if let Some(first) = seen.get(most.max(1)) {
            next = Some(first.sequence);
            seen.truncate(most.max(1));
        }
        let next = next.filter(|next| *next < range.end);
        Page { seen, next }
    }
}

impl Queue {
    /// The same for a stream, whose messages are ready for ever; all that are on disk or in memory.
    fn browse_stream(self: &Arc<Self>, range: Range<u64>, most: usize, journal: &Journal) -> Page {
        let mut seen: Vec<(u64, Message)> = Vec::new();
        let (from, end, pieces, to) = {
            let locked = self.lock();
            let core = &*locked.core;
            let (Some(stream), Some(log)) = (&core.stream, &core.log) else {
                return Page {
                    seen: Vec::new(),
                    next: None,
                };
            };
            let (first, next) = stream.range();
            let (from, end) = (range.start.max(first), range.end.min(next));
            let middle = stream.tail_first().clamp(from, end.max(from));
            let (pieces, to) = stream::load::pieces(&log.ledger, from, middle, PAGE_BYTES_MAX / 8);
            if to == middle {
                let tail = (middle..end).take(most);
                seen.extend(tail.filter_map(|at| Some((at, stream.in_tail(at)?.clone()))));
            }
            (from, end, pieces, to)
        };
        let mut all = stream::load::read(&pieces, (from, to), self, journal);
        all.append(&mut seen);
        let behind = all.last().map_or(to, |(last, _)| (last + 1).max(to));
        let next = match all.get(most) {
            Some((next, _)) => *next,
            None => behind,
        };
        all.truncate(most);
        let seen = |(sequence, message)| Seen {
            sequence,
            message,
            redelivered: false,
            returned: 0,
            expires: None,
        };
        Page {
            seen: all.into_iter().map(seen).collect(),
            next: (next < end).then_some(next),
        }
    }
}

fn seen_of(sequence: u64, slot: &Slot, returned: u32, redelivered: bool) -> Option<Seen> {
    Some(Seen {
        sequence,
        message: slot.message.clone()?,
        redelivered,
        returned,
        expires: (slot.expires != u64::MAX).then_some(slot.expires),
    })
}

impl Core {
    fn plan_browse(&self, range: Range<u64>, most: usize) -> Plan {
        let mut plan = Plan {
            found: Vec::new(),
            next: None,
            marks: Vec::new(),
            until_due: self.rules.order.until_due,
            bytes: 0,
        };
        if self.gone {
            return plan;
        }
        let slots = self
            .slots
            .taken(range.start)
            .chain(self.slots.front())
            .filter(|(sequence, _)| range.contains(sequence));
        if !self.browse_slots(slots, most, &mut plan) {
            return plan;
        }
        if let Some(cold) = self.slots.cold() {
            let part = range.start.max(cold.first)..range.end.min(cold.end);
            if !part.is_empty() && !self.browse_cold(part, most, &mut plan) {
                return plan;
            }
            let tail = self.slots.tail();
            let tail = tail.filter(|(sequence, _)| range.contains(sequence));
            self.browse_slots(tail, most, &mut plan);
        }
        plan
    }

    /// False when the page is full.
    fn browse_slots<'a>(
        &self,
        slots: impl Iterator<Item = (u64, &'a Slot)>,
        most: usize,
        plan: &mut Plan,
    ) -> bool {
        // Those that are out are looked at, too, and passed over.
        for (looked, (sequence, slot)) in slots.enumerate() {
            if plan.is_full(most) || looked == 16 * STEPS_MAX {
                plan.next = Some(sequence);
                return false;
            }
            if slot.state != State::Ready {
                continue;
            }
            plan.bytes += u64::from(slot.body_len);
            match seen_of(sequence, slot, slot.returned, slot.redelivered) {
                Some(seen) => plan.found.push(Found::Here(seen)),
                None => self.browse_away(sequence, slot, plan),
            }
        }
        true
    }

    /// A ready message whose bytes lie on disk alone.
    fn browse_away(&self, sequence: u64, slot: &Slot, plan: &mut Plan) {
        let log = self.log.as_ref();
        let piece = log.and_then(|log| log.ledger.pieces(sequence, sequence + 1).next());
        let source = match piece.filter(|piece| piece.first <= sequence) {
            Some(piece) => Some(Source::Journal(piece)),
            None => {
                let alone = self.extent_of(sequence).map(|(_, extent)| extent);
                let spilled = self.paging.spilled_in(sequence..sequence + 1);
                let extent = alone.or(spilled.map(|spilled| &spilled.extent));
                extent.map(|extent| Source::Spilled(extent.clone()))
            }
        };
        if let Some(source) = source {
            plan.marks.push((sequence, slot.returned, slot.redelivered));
            plan.found.push(Found::Away(Read {
                source,
                from: sequence,
                to: sequence + 1,
            }));
        }
    }

    fn browse_cold(&self, range: Range<u64>, most: usize, plan: &mut Plan) -> bool {
        // An extent is read as a whole: no more than one a page.
        let spilled = self.paging.spilled_in(range.start..range.end);
        let end = spilled.map_or(range.end, |spilled| spilled.end.min(range.end));
        if end < range.end {
            plan.next = Some(end);
        }
        let mut room = most.saturating_sub(plan.found.len());
        let log = self.log.as_ref();
        for (ledger, piece) in log.into_iter().flat_map(|log| {
            let pieces = log.ledger.pieces(range.start, end);
            pieces.map(|piece| (&log.ledger, piece))
        }) {
            let from = piece.first.max(range.start);
            let last = piece.end().min(end);
            let mut to = from;
            while to < last && room > 0 {
                if piece.is_live((to - piece.first) as u32) {
                    room -= 1;
                    let (returned, redelivered) = (ledger.returned(to), ledger.was_delivered(to));
                    plan.marks.push((to, returned, redelivered));
                }
                to += 1;
            }
            plan.found.push(Found::Away(Read {
                source: Source::Journal(piece),
                from,
                to,
            }));
            if to < last {
                plan.next = Some(to);
                break;
            }
        }
        if let Some(spilled) = spilled {
            plan.found.push(Found::Away(Read {
                source: Source::Spilled(spilled.extent.clone()),
                from: range.start,
                to: plan.next.unwrap_or(end),
            }));
        }
        plan.next.is_none()
    }
}
