//! The part of a queue that lies on disk alone: what may leave memory, what is wanted back, and who waits for it.
//!
//! ```text
//! evict   the tail first, then the end of the front; persistent messages are dropped once the journal has written them,
//!         others are first written to a spill file (without the lock)
//! browse  a look at what is ready, wherever it lies
//! load    the head of the cold range, before the front runs dry; bodies of messages that were dropped while they were out
//! ```
//!
//! What moves is planned under the queue's lock, done without it, and finished under it again, where everything is looked at
//! anew: a purge, a delete or a consumer may have come between. Nothing here waits or does I/O but [`plan::Plan::read`], which the
//! pager calls without a lock, and `Queue::browse`. Counts stay those of all messages, wherever they lie. Called by `Locked` for the core's verbs
//! and for the pager in `broker/pager.rs`.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use super::Locked;
use super::core::Core;
use super::dedup::Known;
use super::effects::Effects;
use super::expiry::{self, NEVER};
use super::mailbox::{Control, Mailbox};
use super::stream::Stream;
use crate::store::recovery::Knowledge;
use crate::store::spill::Extent;

pub mod browse;
pub mod evict;
mod extent;
mod indexed;
pub mod load;
pub mod plan;

/// Bytes of the first load of a queue. It doubles while consumers empty what was loaded within [`FAST_MS`].
const AHEAD_MIN: u64 = 128 * 1024;
/// Bytes of one load at most: at 1 KiB a message, and a consumer that takes 700,000 a second, about 3 ms.
pub const AHEAD_MAX: u64 = 2 * 1024 * 1024;
/// A load that is wanted so soon after the last is larger than that.
const FAST_MS: u64 = 100;
/// Nothing is loaded while so many messages wait to be dead-lettered: they hold their bytes.
const DYING_AHEAD_MAX: usize = 4000;

/// Messages of a spill file.
struct Spilled {
    /// Sequence number behind the last.
    end: u64,
    extent: Extent,
}

/// See the module.
#[derive(Default)]
pub struct Paging {
    /// Spilled messages by their first sequence number; they do not overlap.
    spilled: BTreeMap<u64, Spilled>,
    /// In a queue with an index: extents by number, and how many messages lie in each alone.
    extents: BTreeMap<u32, (Extent, usize)>,
    last_extent: u32,
    /// Where the next look at messages that may leave ends, and whether any has left in this round.
    looked_to: Option<u64>,
    any_left: bool,
    /// The pager has been asked, and has not answered.
    asked: bool,
    /// Bytes of the next load.
    ahead: u64,
    /// When the last load ended.
    loaded_at: u64,
    /// The first cold message, when it is known, and when it expires.
    head: Option<(u64, u64)>,
    /// Where the next look at messages that are out begins.
    taken_to: u64,
    /// Bytes published that the pager has not heard of.
    unnoted: u64,
    /// Connections whose basic.get waits for the head.
    waiting: Vec<Arc<Mailbox>>,
}

impl Paging {
    /// The first extent that may have messages of `range`.
    fn spilled_in(&self, range: Range<u64>) -> Option<&Spilled> {
        let before = self.spilled.range(..=range.start).next_back();
        let before = before.filter(|(_, spilled)| spilled.end > range.start);
        let (_, found) = before.or_else(|| self.spilled.range(range).next())?;
        Some(found)
    }

    /// Forgets spilled messages in front of `first`; all with `u64::MAX`.
    fn forget_spilled(&mut self, first: u64) {
        while let Some(entry) = self.spilled.first_entry()
            && entry.get().end <= first
        {
            entry.remove();
        }
    }
}

/// Held messages are read so long before they are due.
const DUE_SOON_MS: u64 = 1000;
/// So many of them are looked at, to see whether it is time to read more.
const DUE_LOOKED: usize = 256;
/// And of so many bytes of them.
const DUE_LOOKED_BYTES: u64 = 64 * 1024;
/// The pager hears of so many published bytes at once.
const NOTE_BYTES: u64 = 32 * 1024;

/// What the pager is asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Want {
    /// Nothing.
    #[default]
    Nothing,
    /// To see when the head expires; nobody waits.
    Peek,
    /// Messages.
    Load,
}

impl Core {
    /// So many bytes were published.
    #[inline]
    pub(super) fn note_pushed(&mut self, bytes: u64, effects: &mut Effects) {
        self.paging.unnoted += bytes;
        if self.paging.unnoted >= NOTE_BYTES {
            effects.pushed += std::mem::take(&mut self.paging.unnoted);
        }
    }

    /// Whether the oldest ready message lies on disk alone.
    pub(super) fn head_is_away(&self) -> bool {
        match self.slots.first_ready() {
            Some(sequence) => self.slots.is_away(sequence),
            None => self.slots.cold().is_some(),
        }
    }

    /// When the head has to be looked at for its age; [`NEVER`] when it stays, or when nobody knows yet. One that is over, and
    /// lies on disk alone, goes when it has been loaded: until then no tick can do anything about it.
    pub(super) fn head_expires(&self, now: u64) -> u64 {
        if self.slots.has_index() {
            let next = self.slots.next_event();
            if self.rules.order.until_due && next > now && !self.paging.asked {
                // So that its bytes are there in time.
                let mut upcoming = self.slots.upcoming();
                let is_away = upcoming
                    .next()
                    .is_some_and(|first| self.slots.is_away(first));
                let early = next.saturating_sub(DUE_SOON_MS);
                return if is_away && early > now { early } else { next };
            }
            return next;
        }
        let (expires, is_away) = match self.slots.first_ready() {
            Some(sequence) => (
                self.slots.get(sequence).map_or(NEVER, |slot| slot.expires),
                self.slots.is_away(sequence),
            ),
            None => (self.cold_head_expires().unwrap_or(NEVER), true),
        };
        if is_away && expiry::is_expired(expires, now) {
            return NEVER;
        }
        expires
    }

    /// When the first cold message expires, if that is known.
    fn cold_head_expires(&self) -> Option<u64> {
        let first = self.slots.cold()?.first;
        let (sequence, expires) = self.paging.head?;
        (sequence == first).then_some(expires)
    }

    /// What every verb ends with where part of the queue lies on disk: asks for what will be wanted.
    #[cold]
    pub(super) fn look_ahead(&mut self, now: u64, effects: &mut Effects) {
        if self.paging.asked || self.gone {
            return;
        }
        let want = self.wants(now);
        if want != Want::Nothing {
            self.paging.asked = true;
            effects.load = want;
        }
    }

    fn wants(&self, now: u64) -> Want {
        let first = self.slots.first_ready();
        if first.is_some_and(|sequence| self.slots.is_away(sequence))
            || (now >= self.dying_rests_until
                && self
                    .dying
                    .front()
                    .is_some_and(|(sequence, _)| self.slots.is_away(*sequence)))
        {
            return Want::Load;
        }
        if self.slots.has_index() {
            // The order is known when all has been read.
            return if self.slots.cold().is_some() || self.is_due_soon(now) {
                Want::Load
            } else {
                Want::Nothing
            };
        }
        if !self.slots.is_low() || self.dying.len() >= DYING_AHEAD_MAX {
            return Want::Nothing;
        }
        if self.consumer_count() > 0 || !self.paging.waiting.is_empty() || self.exceeds_limits() {
            return Want::Load;
        }
        if first.is_some() {
            return Want::Nothing;
        }
        match self.cold_head_expires() {
            None => Want::Peek,
            Some(expires) if expiry::is_expired(expires, now) => Want::Load,
            Some(_) => Want::Nothing,
        }
    }

    /// Whether one of the next messages that are held lies on disk alone, and will be due soon.
    fn is_due_soon(&self, now: u64) -> bool {
        let soon = now.saturating_add(DUE_SOON_MS);
        let mut bytes = 0;
        let mut is_soon = |sequence: &u64| {
            let Some(slot) = self.slots.get(*sequence) else {
                return false;
            };
            let before = bytes;
            bytes += u64::from(slot.body_len);
            slot.expires <= soon && before < DUE_LOOKED_BYTES
        };
        self.rules.order.until_due
            && self
                .slots
                .upcoming()
                .take(DUE_LOOKED)
                .take_while(|sequence| is_soon(sequence))
                .any(|sequence| self.slots.is_away(sequence))
    }

    /// A basic.get waits for the head: its connection is told when it is there.
    pub(super) fn wait_for_head(&mut self, mailbox: &Arc<Mailbox>) {
        let waiting = &mut self.paging.waiting;
        if !waiting.iter().any(|other| Arc::ptr_eq(other, mailbox)) {
            waiting.push(Arc::clone(mailbox));
        }
    }

    /// The head is there, or will never be: whoever waits may look again.
    pub(super) fn tell_waiting(&mut self) {
        for mailbox in self.paging.waiting.drain(..) {
            mailbox.control(Control::Loaded);
        }
    }

    /// All messages are gone.
    pub(super) fn forget_paged(&mut self) {
        self.paging.forget_spilled(u64::MAX);
        self.paging.extents.clear();
        self.paging.head = None;
        self.tell_waiting();
    }

    /// The cold messages are purged, all at once; returns how many.
    pub(super) fn purge_cold(&mut self) -> usize {
        let Some(range) = self.slots.drop_cold() else {
            return 0;
        };
        if let Some(known) = &mut self.known {
            known.left_range(range.first..range.end);
        }
        if let Some(log) = &mut self.log {
            log.settled_range(range.first..range.end);
        }
        self.ready -= range.count;
        self.forget_paged();
        range.count
    }

    /// Everything that the ledger knows is ready and lies on disk alone.
    pub(super) fn recover(&mut self, found: Knowledge, clean: bool) {
        let Some(log) = &mut self.log else {
            return;
        };
        let ledger = &mut log.ledger;
        ledger.wake_up(clean);
        if let Some(stream) = &mut self.stream {
            **stream = Stream::recovered(ledger, found.groups, &self.rules, clean);
            self.ready = usize::try_from(stream.count()).unwrap_or(usize::MAX);
            return;
        }
        let (first, end) = (
            ledger.first().unwrap_or(ledger.next_sequence()),
            ledger.next_sequence(),
        );
        let count = usize::try_from(ledger.live()).unwrap_or(usize::MAX);
        self.slots = super::slots::Slots::start_cold(first, end, count, ledger.bytes());
        self.slots.set_order(&self.rules.order);
        self.ready = count;
        if self.rules.dedup.is_some() {
            let is_there = |sequence| ledger.is_live(sequence);
            self.known = Some(Box::new(Known::recovered(found, is_there)));
        }
    }

    /// Panics when what is known of the disk does not fit the slots.
    #[cfg(test)]
    pub(super) fn check_paging(&self) {
        let mut before = 0;
        for (first, spilled) in &self.paging.spilled {
            assert!(*first >= before && spilled.end > *first);
            before = spilled.end;
        }
    }
}

impl Locked<'_> {
    /// For the pager: one bounded step of eviction.
    pub fn evict(&mut self, limits: evict::Limits) -> evict::Step {
        self.core.evict(limits)
    }

    /// For the pager: what was to be spilled is written.
    pub fn spilled(&mut self, spilling: evict::Spilling, extent: Extent) -> evict::Step {
        self.core.spilled(spilling, extent)
    }

    /// For the pager: what is to be read now, at most about `most` bytes.
    pub fn plan_load(&mut self, most: u64, now: u64) -> Option<plan::Plan> {
        self.core.plan_load(most, now)
    }

    /// For the pager: what was read comes in, in bounded steps; returns whether more is left.
    pub fn install(&mut self, loaded: &mut plan::Loaded, now: u64, effects: &mut Effects) -> bool {
        self.core.install(self.queue, loaded, now, effects)
    }
}

#[cfg(test)]
mod tests;
