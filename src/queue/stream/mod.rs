//! A stream: a log of messages that stay when they are read, and readers each at a place of his own.
//!
//! Where the messages lie is the journal's and the ledger's business, as for any durable queue; here is what is different: an
//! offset is a sequence number that nobody settles, whole segments leave by age and size, and consumers get credit back by their
//! acks. Everything is under the queue's lock; the core hands its verbs on to [`Stream`] (`queue/core/streaming.rs`).
//!
//! ```text
//! publish -> tail -> (journal says: on disk) -> committed -> readers at the end
//!                              disk -> pager -> window -> readers behind
//! ```
//!
//! Nothing is delivered before it is as safe as its confirm: an offset that a client has seen never becomes another message's.
//!
//! ```text
//! offset    x-stream-offset              tail      what is in memory at the end
//! filter    x-stream-filter              segments  retention
//! reader    one place in the stream      group     consumers that share one, and how far they have come
//! load      what comes from disk         place     the header that says where a message stands
//! seats     consumers come, settle, go   serve     who gets what     groups   what is done to groups as a whole
//! ```

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Waker;

use self::filter::Filter;
use self::group::{Group, Terms};
use self::offset::OffsetSpec;
use self::reader::Reader;
use self::segments::{Retention, Segments};
use self::tail::Tail;
use super::Rules;
use super::consumers::ConsumerSpec;
use super::effects::Effects;
use super::log::Log;
use super::mailbox::Mailbox;
use crate::message::Message;
use crate::store::ledger::Ledger;
use crate::store::offsets::Offsets;
use crate::store::{Due, Journal, Receipt};

pub mod filter;
pub mod group;
mod groups;
pub mod load;
pub mod offset;
pub mod place;
mod reader;
mod seats;
pub mod segments;
mod serve;
mod tail;

/// Memory of the tail that readers behind may have in it; what nobody needs goes as soon as it is written.
const TAIL_BYTES_MAX: u64 = 1024 * 1024;

/// Groups that a stream has at most; they stay until somebody deletes them.
pub const GROUPS_MAX: usize = 10_000;

/// What a consumer asks of a stream, beside what any consumer does.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wanted {
    /// `x-stream-offset`; `None` when it is not said.
    pub offset: Option<OffsetSpec>,
    /// `x-stream-filter`.
    pub filter: Option<Filter>,
    /// The group that it belongs to.
    pub group: Option<Membership>,
}

/// What a consumer says of its group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Membership {
    /// `x-stream-group`; `None` is the consumer tag.
    pub name: Option<Arc<str>>,
    /// What it asks of the group, if it does.
    pub terms: Option<Terms>,
}

/// A group, for whoever looks.
#[derive(Clone, Debug)]
pub struct GroupFigures {
    /// Its name.
    pub name: Arc<str>,
    /// Everything below it is done with.
    pub offset: u64,
    /// Messages that are not done with.
    pub lag: u64,
    /// Messages that are out.
    pub unacked: usize,
    /// Its consumers.
    pub consumers: usize,
    /// What they asked for.
    pub terms: Terms,
}

/// A consumer's place among the readers.
struct Seat {
    reader: u32,
    /// Deliveries that it has not settled.
    out: u32,
    /// It has gone; what it has can still be settled.
    gone: bool,
}

/// See the module.
pub struct Stream {
    /// The partition that it is.
    partition: Option<u16>,
    /// Offset of the oldest message.
    first: u64,
    /// Offset of the next message.
    next: u64,
    /// Where the last batch begins.
    last_batch: u64,
    /// When the last message came.
    last_ms: u64,
    /// Everything below it may be delivered.
    committed: u64,
    /// Everything below it has been appended to the journal.
    appended: u64,
    /// Appends that are on their way to the disk, and the offset behind each.
    pending: VecDeque<(u64, Receipt)>,
    tail: Tail,
    segments: Segments,
    readers: BTreeMap<u32, Reader>,
    groups: BTreeMap<Arc<str>, u32>,
    seats: HashMap<u32, Seat>,
    /// Consumers, deliveries that they have not settled, and memory of the readers' windows: the sums, so that nobody adds them up
    /// for each batch.
    consumers: usize,
    out: usize,
    windows: u64,
    /// Some reader may wait for the disk.
    wanting: bool,
    last_number: u32,
    /// The reader for which something was loaded last.
    loaded_last: u32,
    /// The pager has been asked, and has not answered.
    asked: bool,
    /// The reader whose dead letters are being placed.
    draining: Option<u32>,
    wake: Option<Wake>,
}

/// Who is told when an append is on disk.
#[derive(Clone)]
pub struct Wake {
    /// Has the queue ticked.
    pub waker: Waker,
    /// It is about to be.
    pub rung: Arc<AtomicBool>,
}

impl offset::Log for (&Stream, &Ledger) {
    fn first(&self) -> u64 {
        self.0.first
    }

    fn next(&self) -> u64 {
        self.0.next
    }

    fn last_batch(&self) -> u64 {
        self.0.last_batch
    }

    fn since(&self, time_ms: u64) -> u64 {
        self.1.since(time_ms)
    }
}

impl Stream {
    /// An empty one.
    pub fn new(rules: &Rules) -> Self {
        Self {
            partition: rules.partition,
            ..Self::at(0, 0)
        }
    }

    fn at(first: u64, next: u64) -> Self {
        Self {
            partition: None,
            first,
            next,
            last_batch: next,
            last_ms: 0,
            committed: next,
            appended: next,
            pending: VecDeque::new(),
            tail: Tail::new(next),
            segments: Segments::default(),
            readers: BTreeMap::new(),
            groups: BTreeMap::new(),
            seats: HashMap::new(),
            consumers: 0,
            out: 0,
            windows: 0,
            wanting: false,
            last_number: 0,
            loaded_last: 0,
            asked: false,
            draining: None,
            wake: None,
        }
    }

    /// A stream that was found on disk, with its groups. `clean`: what had been delivered is known.
    pub fn recovered(
        ledger: &Ledger,
        groups: BTreeMap<Vec<u8>, Offsets>,
        rules: &Rules,
        clean: bool,
    ) -> Self {
        let retention = &rules.retention;
        let reach = groups.values().map(Offsets::reach).max().unwrap_or(0);
        // After salvage groups may know of messages that are not there any more: their offsets are not used again.
        let next = ledger.next_sequence().max(reach);
        let first = ledger.first().unwrap_or(next);
        let mut stream = Self::at(first, next);
        stream.partition = rules.partition;
        for piece in ledger.pieces(first, u64::MAX) {
            let (live, count) = (u64::from(piece.live), u64::from(piece.run.count.max(1)));
            let bodies = u64::from(piece.run.bodies) * live / count;
            let from = piece.first.max(first);
            stream
                .segments
                .push(from, live, bodies, piece.time_ms, retention);
            stream.last_batch = from;
            stream.last_ms = stream.last_ms.max(piece.time_ms);
        }
        let delivered = if clean { 0 } else { next };
        for (name, mut offsets) in groups {
            offsets.finish(0..first);
            let name: Arc<str> = String::from_utf8_lossy(&name).into();
            let floor = offsets.floor();
            let group = Group::recovered(Arc::clone(&name), offsets, delivered);
            stream.add_group(name, floor, group);
        }
        stream
    }

    /// Who is told when an append is on disk.
    pub fn set_wake(&mut self, wake: Wake) {
        self.wake = Some(wake);
    }

    /// Messages in it.
    pub fn count(&self) -> u64 {
        self.next - self.first
    }

    /// Offset of the oldest message, and of the next.
    pub fn range(&self) -> (u64, u64) {
        (self.first, self.next)
    }

    /// Deliveries that are not settled.
    pub fn unacked(&self) -> usize {
        self.out
    }

    /// Consumers, whatever they belong to.
    pub fn consumer_count(&self) -> usize {
        self.consumers
    }

    /// Memory of its messages.
    pub fn resident(&self) -> u64 {
        self.tail.bytes() + self.windows
    }

    /// How many segments there are, and their bytes.
    pub fn segments(&self) -> (usize, u64) {
        (self.segments.count(), self.segments.bytes())
    }

    /// Its mailboxes, each once.
    pub fn mailboxes(&self) -> Vec<Arc<Mailbox>> {
        let mut all: Vec<Arc<Mailbox>> = Vec::new();
        for mailbox in self
            .readers
            .values()
            .flat_map(|one| one.consumers.mailboxes())
        {
            if !all.iter().any(|known| Arc::ptr_eq(known, &mailbox)) {
                all.push(mailbox);
            }
        }
        all
    }

    /// Whether the consumer of that number is a group's single active one; `None` where there is no such group.
    pub fn is_active(&self, number: u32) -> Option<bool> {
        let reader = self.readers.get(&self.seats.get(&number)?.reader)?;
        let active = reader.consumers.active()?;
        Some(active == number)
    }

    /// The time of a message that comes now: never earlier than that of the one before.
    pub fn time(&mut self, now: u64) -> u64 {
        self.last_ms = self.last_ms.max(now);
        self.last_ms
    }

    /// Offset of the next message.
    pub fn next(&self) -> u64 {
        self.next
    }

    /// The next message.
    #[inline]
    pub fn push(&mut self, message: Message, time_ms: u64, retention: &Retention) {
        let body = message.body_len() as u64;
        self.segments.push(self.next, 1, body, time_ms, retention);
        self.tail.push(message);
        self.next += 1;
    }

    /// The messages from offset `from` on are a batch, which can be read back when the journal has written up to `position`.
    pub fn close(&mut self, from: u64, position: u64) {
        if self.next > from {
            self.last_batch = from;
            self.tail.close(position);
        }
    }

    /// Lets go of what need not be kept; returns the offsets that are gone.
    pub fn retain(&mut self, retention: &Retention, now: u64, effects: &mut Effects) -> u64 {
        let Some(first) = self.segments.trim(retention, now) else {
            return 0;
        };
        // What is not on disk yet stays until it is.
        let first = first.min(self.committed);
        let gone = first.saturating_sub(self.first);
        if gone > 0 {
            self.first = first;
            self.tail.forget(first, &mut effects.garbage);
            for reader in self.readers.values_mut() {
                if let Some(group) = &mut reader.group {
                    group.forget(first);
                }
            }
        }
        gone
    }

    /// When the next segment is too old.
    pub fn next_deadline(&self, retention: &Retention) -> Option<u64> {
        self.segments.next_end(retention)
    }

    /// Writes down what became of the groups.
    pub fn tell(&mut self, id: u64, log: &mut Log) {
        for reader in self.readers.values_mut() {
            if let Some(group) = reader.group.as_mut().filter(|group| group.has_news()) {
                let name = Arc::clone(&group.name);
                group.tell(|step| log.group(id, name.as_bytes(), step));
            }
        }
    }

    /// What was published has been appended: it is delivered when that receipt is due.
    pub fn note_appended(&mut self, receipt: Receipt, journal: &Journal) {
        if self.appended == self.next {
            return;
        }
        self.appended = self.next;
        self.pending.push_back((self.next, receipt));
        self.listen(journal);
    }

    /// Looks what is on disk by now. Returns whether more may be delivered. What the disk did not take waits until it does: after a
    /// crash its offsets would be others'.
    pub fn commit(&mut self, journal: &Journal) -> bool {
        let before = self.committed;
        while let Some((end, receipt)) = self.pending.front()
            && journal.is_due(*receipt) == Due::Yes
        {
            self.committed = *end;
            self.pending.pop_front();
        }
        self.committed > before
    }

    /// The waker may ring again.
    pub fn answer(&mut self) {
        if let Some(wake) = &self.wake {
            wake.rung.store(false, Ordering::Release);
        }
    }

    /// Whoever consumes is told when the next of what is on its way to the disk is there. Each wait ends once: to be called again
    /// when it has.
    pub fn listen(&mut self, journal: &Journal) {
        let (Some((_, receipt)), Some(wake)) = (self.pending.front(), &self.wake) else {
            return;
        };
        if self.consumers > 0 {
            journal.wait(*receipt, &wake.waker);
            // It may have got there meanwhile. What was refused is looked at when the journal has tried again.
            if journal.is_due(*receipt) == Due::Yes {
                wake.waker.wake_by_ref();
            }
        }
    }

    /// Lets go of what is in memory and not needed there; more than that with `all`.
    pub fn trim_tail(&mut self, written: u64, all: bool, effects: &mut impl Extend<Message>) {
        let needed = self
            .readers
            .values()
            .map(Reader::needs_from)
            .min()
            .unwrap_or(u64::MAX)
            .min(self.committed);
        let (needed, most) = if all {
            (self.committed, 0)
        } else {
            (needed, TAIL_BYTES_MAX)
        };
        self.tail.trim(written, needed, most, effects);
        if all {
            // Whoever cannot take anything now reads it again when he can.
            for reader in self.readers.values_mut() {
                self.windows -= reader.let_go();
            }
        }
    }

    /// Asks the pager for what readers wait for.
    pub fn ask(&mut self, effects: &mut Effects) {
        if !self.asked && std::mem::take(&mut self.wanting) && self.wants_load() {
            self.asked = true;
            effects.load = super::paging::Want::Load;
        }
    }

    /// The pager has answered; `again` says that it is to come back.
    pub fn answered(&mut self, again: bool) {
        self.asked = again;
        // Others may wait as well.
        self.wanting = true;
    }

    /// The end: all consumers, who are to be told.
    pub fn die(&mut self) -> Vec<ConsumerSpec> {
        let readers = std::mem::take(&mut self.readers);
        self.groups.clear();
        self.seats.clear();
        (self.consumers, self.out, self.windows) = (0, 0, 0);
        self.pending.clear();
        self.tail = Tail::new(self.next);
        self.first = self.next;
        self.segments = Segments::default();
        let consumers = readers.into_values().map(|reader| reader.consumers);
        consumers
            .flat_map(|mut all| all.take_all())
            .map(|consumer| consumer.spec)
            .collect()
    }

    /// The message with this offset, if it is in memory at the end.
    pub fn in_tail(&self, offset: u64) -> Option<&Message> {
        self.tail.get(offset)
    }

    /// Offset of the first message that is in memory at the end.
    pub fn tail_first(&self) -> u64 {
        self.tail.first()
    }
}
