//! What comes back from disk. See the module above.

use std::collections::{BTreeMap, VecDeque};

use std::sync::Arc;

use super::super::core::Core;
use super::super::effects::Effects;
use super::super::slots::{Slot, State};
use super::super::{Queue, STEPS_MAX};
use super::super::{expiry, order};
use super::plan::{Loaded, Plan};
use super::{AHEAD_MAX, AHEAD_MIN, FAST_MS, extent};
use crate::message::{CHUNK_BYTES_MAX, ChunkBuilder, Draft, Message, SealedChunk};
use crate::store::ledger::Piece;
use crate::store::spill::Extent;
use crate::store::{Journal, StoreError};

/// Chunks that one load reads at most, where each has little for the queue.
const READS_MAX: usize = 256;
/// What a message has beside its body, about.
const PROPERTIES_GUESS: u64 = 64;
/// A queue that waits so long between loads starts small again.
const SLOW_MS: u64 = 1000;

/// What the messages are wanted for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum For {
    /// To see when the first expires.
    Peek,
    /// The next of the cold range.
    Front,
    /// Bytes of messages that have their slots.
    Bodies,
}

/// Where messages lie.
pub(super) enum Source {
    Journal(Piece),
    Spilled(Extent),
}

/// One read: the messages `from..to` of a source.
pub(super) struct Read {
    pub source: Source,
    pub from: u64,
    pub to: u64,
}

/// See [`Plan::Slots`].
pub struct SlotsPlan {
    purpose: For,
    to: u64,
    reads: Vec<Read>,
    /// In a queue with an index: the messages that are wanted, in order, and no others; empty in the others.
    only: Vec<u64>,
    /// The queue holds its messages until they are due.
    until_due: bool,
}

/// See [`Loaded::Slots`].
pub struct SlotsLoaded {
    purpose: For,
    /// Nothing that the plan covers lies behind this sequence number.
    to: u64,
    /// In the order of the sequence numbers; a message that could not be read has no slot.
    messages: VecDeque<(u64, Option<Slot>)>,
}

/// Reads chunks, each once.
pub(super) struct Reader<'a> {
    journal: &'a Journal,
    chunk: Option<(u64, SealedChunk)>,
}

impl<'a> Reader<'a> {
    pub fn new(journal: &'a Journal) -> Self {
        Self {
            journal,
            chunk: None,
        }
    }

    fn chunk(&mut self, piece: &Piece) -> Result<SealedChunk, StoreError> {
        if let Some((position, chunk)) = &self.chunk
            && *position == piece.run.position
        {
            return Ok(chunk.clone());
        }
        let chunk = self.journal.read(piece.run.position, piece.run.length)?;
        self.chunk = Some((piece.run.position, chunk.clone()));
        Ok(chunk)
    }
}

impl SlotsPlan {
    pub(super) fn read(self, queue: &Queue, journal: &Journal) -> SlotsLoaded {
        let mut reader = Reader::new(journal);
        let mut messages = Vec::new();
        let mut sorted = true;
        for read in &self.reads {
            let before = messages.last().map_or(0, |(sequence, _)| *sequence);
            let begin = messages.len();
            read_one(read, self.until_due, &mut reader, queue, &mut messages);
            sorted &= messages
                .get(begin)
                .is_none_or(|(sequence, _)| *sequence >= before);
        }
        if !sorted {
            messages.sort_by_key(|(sequence, _)| *sequence);
        }
        if !self.only.is_empty() {
            keep_only(&self.only, &mut messages);
        }
        if self.purpose == For::Peek
            && let Some(first) = messages.iter().position(|(_, slot)| slot.is_some())
        {
            // An extent is read as a whole; only its first message was asked for.
            messages.truncate(first + 1);
        }
        copy_sparse(&mut messages);
        SlotsLoaded {
            purpose: self.purpose,
            to: self.to,
            messages: messages.into(),
        }
    }
}

/// Reads one; messages come in the order of their sequence numbers.
pub(super) fn read_one(
    read: &Read,
    until_due: bool,
    reader: &mut Reader<'_>,
    queue: &Queue,
    messages: &mut Vec<(u64, Option<Slot>)>,
) {
    match &read.source {
        Source::Journal(piece) => from_journal(read, piece, until_due, reader, queue, messages),
        Source::Spilled(extent) => from_spill(read, extent, queue, messages),
    }
}

fn from_journal(
    read: &Read,
    piece: &Piece,
    until_due: bool,
    reader: &mut Reader<'_>,
    queue: &Queue,
    messages: &mut Vec<(u64, Option<Slot>)>,
) {
    let wanted = |sequence: u64| {
        (read.from..read.to).contains(&sequence) && piece.is_live((sequence - piece.first) as u32)
    };
    let mut next = piece.first;
    match reader.chunk(piece) {
        Ok(chunk) => {
            let run = piece.run;
            for message in chunk.messages(run.start, run.count, run.flags) {
                if next >= read.to {
                    break;
                }
                if wanted(next) {
                    let expires = if until_due {
                        order::due_at(piece.time_ms, &message)
                    } else {
                        expiry::expires_at(piece.time_ms, piece.ttl_ms, message.ttl_ms())
                    };
                    messages.push((next, Some(Slot::ready(message, expires))));
                }
                next += 1;
            }
        }
        Err(error) => tracing::error!("{}: messages are set aside: {error}", queue.resource()),
    }
    // A chunk that checks holds what was put into it; one that does not has lost all.
    for sequence in next.max(read.from)..read.to.min(piece.end()) {
        if wanted(sequence) {
            messages.push((sequence, None));
        }
    }
}

fn from_spill(
    read: &Read,
    extent: &Extent,
    queue: &Queue,
    messages: &mut Vec<(u64, Option<Slot>)>,
) {
    let slots = extent.read().and_then(|bytes| {
        extent::read(&bytes).ok_or_else(|| StoreError::new("overflow cannot be understood"))
    });
    match slots {
        Ok(slots) => {
            let here = |(sequence, _): &(u64, Slot)| (read.from..read.to).contains(sequence);
            let slots = slots.into_iter().filter(here);
            messages.extend(slots.map(|(sequence, slot)| (sequence, Some(slot))));
        }
        Err(error) => {
            tracing::error!("{}: transient messages are lost: {error}", queue.resource());
        }
    }
}

/// Leaves only the messages that are wanted, each once; one that was not found has no slot.
fn keep_only(only: &[u64], messages: &mut Vec<(u64, Option<Slot>)>) {
    let mut found: BTreeMap<u64, Option<Slot>> =
        only.iter().map(|sequence| (*sequence, None)).collect();
    for (sequence, slot) in messages.drain(..) {
        if let Some(place) = found.get_mut(&sequence)
            && place.is_none()
        {
            *place = slot;
        }
    }
    messages.extend(found);
}

/// Copies messages out of chunks of which they are the smaller part, so that few messages do not hold large chunks.
fn copy_sparse(messages: &mut [(u64, Option<Slot>)]) {
    let chunk = |slot: &Option<Slot>| {
        slot.as_ref()
            .and_then(|slot| slot.message.as_ref())
            .filter(|message| !message.is_large())
            .map(Message::pins)
    };
    for run in messages.chunk_by_mut(|(_, a), (_, b)| chunk(a) == chunk(b)) {
        let Some((_, bytes)) = run.first().and_then(|(_, slot)| chunk(slot)) else {
            continue;
        };
        let slots = || {
            run.iter()
                .filter_map(|(_, slot)| slot.as_ref()?.message.as_ref())
        };
        if slots().map(Message::memory).sum::<usize>() * 2 >= bytes {
            continue;
        }
        let needed: u32 = slots().map(|message| message.place().bytes).sum();
        let mut builder = ChunkBuilder::with_capacity((needed as usize).min(CHUNK_BYTES_MAX));
        let drafts: Vec<Draft> = slots()
            .map_while(|message| builder.push_copy(message))
            .collect();
        let sealed = builder.seal();
        let slots = run
            .iter_mut()
            .filter_map(|(_, slot)| slot.as_mut()?.message.as_mut());
        for (message, draft) in slots.zip(&drafts) {
            *message = sealed.message(draft);
        }
    }
}

impl Read {
    fn widen(&mut self, sequence: u64) {
        self.from = self.from.min(sequence);
        self.to = self.to.max(sequence + 1);
    }
}

impl Core {
    /// What the pager is to read now: at most about `most` bytes. `None` when nothing is wanted any more.
    pub(in crate::queue) fn plan_load(&mut self, most: u64, now: u64) -> Option<Plan> {
        if let (Some(stream), Some(log)) = (self.stream.as_deref_mut(), self.log.as_deref()) {
            let plan = stream.plan_load(&log.ledger, now);
            stream.answered(plan.is_some());
            return plan.map(Plan::Stream);
        }
        let plan = if self.gone {
            None
        } else {
            match self.wants(now) {
                super::Want::Nothing => None,
                super::Want::Peek => self.plan_front(For::Peek, 1),
                super::Want::Load => {
                    let bodies = if self.slots.has_index() {
                        let ahead = self.next_ahead(most, now);
                        self.plan_upcoming(ahead)
                    } else {
                        self.plan_bodies()
                    };
                    if bodies.is_some() {
                        bodies
                    } else {
                        let ahead = self.next_ahead(most, now);
                        self.plan_front(For::Front, ahead)
                    }
                }
            }
        };
        if plan.is_none() && !self.gone && self.wants(now) != super::Want::Nothing {
            self.lose_cold();
        }
        self.paging.asked = plan.is_some();
        plan.map(Plan::Slots)
    }

    fn next_ahead(&mut self, most: u64, now: u64) -> u64 {
        let since = now.saturating_sub(self.paging.loaded_at);
        let ahead = match self.paging.ahead {
            before if since < FAST_MS => 2 * before,
            before if since < SLOW_MS => before,
            _ => AHEAD_MIN,
        };
        self.paging.ahead = ahead.clamp(AHEAD_MIN, AHEAD_MAX.min(most).max(AHEAD_MIN));
        self.paging.ahead
    }

    fn plan_front(&mut self, purpose: For, bytes: u64) -> Option<SlotsPlan> {
        let cold = self.slots.cold()?;
        let (first, end) = (cold.first, cold.end);
        let ledger = self.log.as_ref().map(|log| &log.ledger);
        let mut pieces = ledger
            .into_iter()
            .flat_map(|ledger| ledger.pieces(first, end))
            .filter_map(|piece| {
                // One of which only what is not cold is live tells nothing.
                let mut sequences = piece.first.max(first)..piece.end().min(end);
                let from = sequences.find(|at| piece.is_live((at - piece.first) as u32))?;
                Some((from, piece))
            })
            .peekable();
        let mut spilled = self.paging.spilled.iter().peekable();
        let mut plan = SlotsPlan {
            purpose,
            to: first,
            reads: Vec::new(),
            only: Vec::new(),
            until_due: self.rules.order.until_due,
        };
        // An extent is read as a whole, and with it whatever else lies between its first and its last message.
        let (mut read, mut position, mut must) = (0, u64::MAX, first);
        loop {
            let piece_at = pieces.peek().map(|(from, _)| *from);
            let extent_at = spilled.peek().map(|(first, _)| **first);
            let Some(at) = piece_at.into_iter().chain(extent_at).min() else {
                // Nothing lies behind it.
                plan.to = if purpose == For::Peek { plan.to } else { end };
                break;
            };
            if at >= must && (read >= bytes || plan.reads.len() >= READS_MAX) {
                break;
            }
            if extent_at == Some(at)
                && let Some((_, extent)) = spilled.next()
            {
                read += u64::from(extent.extent.length());
                plan.reads.push(Read {
                    source: Source::Spilled(extent.extent.clone()),
                    from: first,
                    to: end,
                });
                must = must.max(extent.end);
                plan.to = plan.to.max(extent.end);
            } else if let Some((from, piece)) = pieces.next() {
                if piece.run.position != position {
                    position = piece.run.position;
                    read += u64::from(piece.run.length);
                }
                let to = match purpose {
                    For::Peek => from + 1,
                    _ => piece.end().min(end),
                };
                plan.to = plan.to.max(to);
                plan.reads.push(Read {
                    source: Source::Journal(piece),
                    from,
                    to,
                });
            }
        }
        (!plan.reads.is_empty()).then_some(plan)
    }

    /// Nobody knows where the cold messages are: that must not stop the queue.
    #[cold]
    fn lose_cold(&mut self) {
        if let Some(range) = self.slots.drop_cold() {
            tracing::error!(
                "{} messages of a queue are not where they should be",
                range.count
            );
            self.ready -= range.count;
        }
    }

    fn plan_bodies(&self) -> Option<SlotsPlan> {
        let ledger = &self.log.as_ref()?.ledger;
        let returned = self.slots.first_returned(STEPS_MAX);
        let dying = self
            .dying
            .iter()
            .take(STEPS_MAX)
            .map(|(sequence, _)| *sequence);
        let mut wanted: Vec<u64> = returned
            .chain(dying)
            .filter(|sequence| self.slots.is_away(*sequence))
            .collect();
        wanted.sort_unstable();
        let mut reads: BTreeMap<u64, Read> = BTreeMap::new();
        let mut bytes = 0;
        for sequence in wanted {
            if let Some((_, last)) = reads.last_key_value()
                && let Source::Journal(piece) = &last.source
                && sequence < piece.end()
            {
                if let Some(mut last) = reads.last_entry() {
                    last.get_mut().to = sequence + 1;
                }
                continue;
            }
            let Some(piece) = ledger.pieces(sequence, sequence + 1).next() else {
                continue;
            };
            bytes += u64::from(piece.run.length);
            reads.insert(
                sequence,
                Read {
                    source: Source::Journal(piece),
                    from: sequence,
                    to: sequence + 1,
                },
            );
            if bytes >= AHEAD_MAX || reads.len() >= READS_MAX {
                break;
            }
        }
        (!reads.is_empty()).then(|| SlotsPlan {
            purpose: For::Bodies,
            to: 0,
            reads: reads.into_values().collect(),
            only: Vec::new(),
            until_due: false,
        })
    }

    /// The same for a queue with an index: what dies and what comes next, at most about `most` bytes, each extent read once.
    fn plan_upcoming(&self, most: u64) -> Option<SlotsPlan> {
        let dying = self.dying.iter().map(|(sequence, _)| *sequence);
        let wanted = dying
            .take(STEPS_MAX)
            .chain(self.slots.upcoming().take(STEPS_MAX))
            .filter(|sequence| self.slots.is_away(*sequence));
        let ledger = self.log.as_ref().map(|log| &log.ledger);
        let mut only = Vec::new();
        let mut extents: BTreeMap<u32, Read> = BTreeMap::new();
        let mut pieces: BTreeMap<u64, Read> = BTreeMap::new();
        let mut bytes = 0;
        for sequence in wanted {
            only.push(sequence);
            let slot = self.slots.get(sequence);
            bytes += slot.map_or(0, |slot| u64::from(slot.body_len)) + PROPERTIES_GUESS;
            if let Some((number, extent)) = self.extent_of(sequence) {
                let read = extents.entry(number).or_insert_with(|| Read {
                    source: Source::Spilled(extent.clone()),
                    from: sequence,
                    to: sequence + 1,
                });
                read.widen(sequence);
            } else if let Some(piece) =
                ledger.and_then(|ledger| ledger.pieces(sequence, sequence + 1).next())
            {
                let read = pieces.entry(piece.first).or_insert_with(|| Read {
                    source: Source::Journal(piece),
                    from: sequence,
                    to: sequence + 1,
                });
                read.widen(sequence);
            }
            if bytes >= most || extents.len() + pieces.len() >= READS_MAX {
                break;
            }
        }
        only.sort_unstable();
        only.dedup();
        (!only.is_empty()).then(|| SlotsPlan {
            purpose: For::Bodies,
            to: 0,
            reads: extents.into_values().chain(pieces.into_values()).collect(),
            only,
            until_due: false,
        })
    }

    /// Puts up to [`STEPS_MAX`] of the messages read where they belong, and serves consumers. Returns whether more are left.
    pub(in crate::queue) fn install(
        &mut self,
        me: &Arc<Queue>,
        loaded: &mut Loaded,
        now: u64,
        effects: &mut Effects,
    ) -> bool {
        match loaded {
            Loaded::Slots(loaded) => self.install_slots(me, loaded, now, effects),
            Loaded::Stream(loaded) => {
                self.stream_install(me, loaded, now, effects);
                false
            }
        }
    }

    fn install_slots(
        &mut self,
        me: &Arc<Queue>,
        loaded: &mut SlotsLoaded,
        now: u64,
        effects: &mut Effects,
    ) -> bool {
        if self.gone {
            self.paging.asked = false;
            return false;
        }
        let steps = loaded.messages.len().min(STEPS_MAX);
        for (sequence, slot) in loaded.messages.drain(..steps) {
            match loaded.purpose {
                For::Peek => self.install_head(sequence, slot, now),
                For::Front => self.install_front(sequence, slot, now),
                For::Bodies => self.install_body(sequence, slot),
            }
        }
        let more = !loaded.messages.is_empty();
        if !more {
            if loaded.purpose == For::Front {
                self.slots.pass_over(loaded.to, 0);
            }
            let first = self.slots.cold().map_or(u64::MAX, |cold| cold.first);
            self.paging.forget_spilled(first);
            self.paging.asked = false;
            self.paging.loaded_at = now;
            self.mark_low();
            self.tell_waiting();
        }
        self.after_load(me, now, effects);
        more
    }

    fn install_head(&mut self, sequence: u64, slot: Option<Slot>, now: u64) {
        let is_cold =
            |range: super::super::slots::Range| (range.first..range.end).contains(&sequence);
        if !self.slots.cold().is_some_and(is_cold) {
            return;
        }
        match slot {
            Some(slot) => {
                self.slots.pass_over(sequence, 0);
                self.paging.head = Some((sequence, slot.expires));
            }
            None => self.install_front(sequence, None, now),
        }
    }

    fn install_front(&mut self, sequence: u64, slot: Option<Slot>, now: u64) {
        let Some(mut slot) = slot else {
            let before = self.slots.cold().map_or(0, |cold| cold.count);
            self.slots.pass_over(sequence + 1, 1);
            self.ready -= before - self.slots.cold().map_or(0, |cold| cold.count);
            return;
        };
        if let Some(log) = &self.log {
            slot.returned = slot.returned.max(log.ledger.returned(sequence));
            slot.redelivered |= log.ledger.was_delivered(sequence);
        }
        let body_len = u64::from(slot.body_len);
        if self.slots.load(sequence, slot) {
            self.ready_bytes += body_len;
            if self.slots.has_index() {
                self.hold_again(sequence, now);
                self.drop_scanned(sequence);
            }
        }
    }

    fn install_body(&mut self, sequence: u64, slot: Option<Slot>) {
        if !self.slots.is_away(sequence) {
            return;
        }
        match slot.and_then(|slot| slot.message) {
            Some(message) => {
                self.forget_extent(sequence);
                self.slots.give_back(sequence, message);
            }
            None => {
                self.forget_extent(sequence);
                // Set aside: it stays in the ledger, and its file stays, but nobody gets it.
                let state = self.slots.get(sequence).map(|slot| slot.state);
                if state == Some(State::Ready) {
                    self.withdraw(sequence);
                }
                let was = self.dying.len();
                self.dying.retain(|(dying, _)| *dying != sequence);
                if self.dying.len() < was
                    && let Some(slot) = self.slots.get(sequence)
                {
                    self.dying_bytes -= u64::from(slot.body_len);
                }
                self.slots.remove(sequence);
            }
        }
    }
}
