//! What a durable queue tells the journal: records collected while its lock is held, and the ledger that says what is on disk.
//!
//! The core notes what happens to a message here; [`Locked`](super::Locked) appends the records before the lock is released, so
//! that the log's order is the queue's. A queue that is not durable has no log. Nothing here does I/O.

use std::ops::Range;

use smallvec::SmallVec;

use crate::message::{Message, Place, SealedChunk};
use crate::store::ledger::Ledger;
use crate::store::offsets::Step;
use crate::store::record::{Run, SeenKind, write};
use crate::store::seen::Id;
use crate::store::{Journal, Linked, Receipt, Urgency};

/// Room for records that an idle queue keeps.
const RECORDS_KEPT: usize = 4096;

/// The chunks of a publisher's round that are linked to the journal.
#[derive(Default)]
pub struct Links(SmallVec<[(usize, Linked); 4]>);

impl Links {
    /// Links one more chunk.
    pub fn link(&mut self, chunk: &SealedChunk, journal: &Journal) {
        self.0.push((chunk.identity(), journal.link(chunk)));
    }

    /// Links the chunk of a message that comes alone, if a durable queue is to keep it.
    pub fn of(message: &Message, journal: &Journal) -> Self {
        let mut links = Self::default();
        if message.is_persistent() {
            links.link(&message.chunk(), journal);
        }
        links
    }

    /// Whether nothing is linked.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The round is over.
    pub fn clear(&mut self) {
        self.0.clear();
    }

    /// Index of a chunk; the search begins where the last one ended, as chunks are used in order.
    fn find(&self, chunk: usize, from: usize) -> Option<usize> {
        let count = self.0.len();
        (from..count)
            .chain(0..from.min(count))
            .find(|index| self.0[*index].0 == chunk)
    }
}

/// Sequence numbers as ranges, in the order in which they came.
#[derive(Default)]
struct Ranges(SmallVec<[Range<u64>; 2]>);

impl Ranges {
    #[inline]
    fn push(&mut self, range: Range<u64>) {
        match self.0.last_mut() {
            Some(last) if last.end == range.start => last.end = range.end,
            _ => self.0.push(range),
        }
    }
}

/// One durable queue's log.
#[derive(Default)]
pub struct Log {
    /// What the journal knows of the queue.
    pub ledger: Ledger,
    records: Vec<u8>,
    settled: Ranges,
    requeued: Ranges,
    urgency: Option<Urgency>,
    /// Something was dropped that repeats what is here already.
    echo: Option<Urgency>,
    /// Due when the disk knows that somebody takes messages from here.
    attended: Receipt,
}

impl Log {
    /// The log of a queue that was found on disk.
    pub fn recovered(ledger: Ledger) -> Self {
        Self {
            ledger,
            ..Self::default()
        }
    }

    /// Begins the placement of a round's messages.
    pub fn place<'a>(&'a mut self, queue: u64, links: &'a Links, terms: Terms) -> Placing<'a> {
        Placing {
            log: self,
            queue,
            links,
            terms,
            first: 0,
            runs: SmallVec::new(),
            linked: SmallVec::new(),
            next: 0,
            chunk: 0,
            end: 0,
        }
    }

    /// A message is settled.
    #[inline]
    pub fn settled(&mut self, sequence: u64) {
        self.settled_range(sequence..sequence + 1);
    }

    /// All messages of a range are settled. The ledger hears of it with the journal, range by range.
    #[inline]
    pub fn settled_range(&mut self, range: Range<u64>) {
        if !self.ledger.is_empty() && !range.is_empty() {
            self.settled.push(range);
        }
    }

    /// A message came back.
    pub fn requeued(&mut self, sequence: u64) {
        if !self.ledger.is_empty() {
            self.ledger.requeue(sequence);
            self.requeued.push(sequence..sequence + 1);
        }
    }

    /// The queue has somebody who takes messages: after a crash any of them may have been delivered. The disk is to know that
    /// before one that it has leaves; one that is placed later is on disk later.
    pub fn attend(&mut self, queue: u64, urgency: Urgency, journal: &Journal) {
        if self.ledger.attend() {
            write::attended(&mut self.records, queue);
            self.hurry(if self.ledger.is_empty() {
                Urgency::Lazy
            } else {
                urgency
            });
            self.attended = self.append(queue, journal);
        }
    }

    /// What the first deliveries of this life wait for.
    pub fn attended(&self) -> Receipt {
        self.attended
    }

    /// Ids are known from now on.
    pub fn seen(&mut self, queue: u64, kind: SeenKind, items: &[(Id, u64)], urgency: Urgency) {
        if !items.is_empty() {
            write::seen(&mut self.records, queue, kind, items);
            self.hurry(urgency);
        }
    }

    /// Something became of a group of a stream's consumers.
    pub fn group(&mut self, queue: u64, name: &[u8], step: &Step) {
        write::group(&mut self.records, queue, name, step);
        self.hurry(match step {
            // Whoever began or ended one is told when that is on disk; what was done with may be done again.
            Step::Begin { .. } | Step::Terms(_) | Step::End => Urgency::Synced,
            Step::Done(_) | Step::Returned(_) => Urgency::Lazy,
        });
    }

    /// A duplicate was dropped: its confirm waits for all that the queue has told so far, the message that it repeats among it.
    pub fn echo(&mut self, urgency: Urgency) {
        self.echo = Some(urgency);
    }

    /// Messages lie elsewhere on disk: `record` says where.
    pub fn moved(&mut self, record: &[u8]) {
        self.records.extend_from_slice(record);
        self.hurry(Urgency::Lazy);
    }

    fn hurry(&mut self, urgency: Urgency) {
        self.urgency = Some(self.urgency.map_or(urgency, |before| before.max(urgency)));
    }

    #[inline]
    fn has_records(&self) -> bool {
        !self.records.is_empty() || !self.settled.0.is_empty() || !self.requeued.0.is_empty()
    }

    fn finish(&mut self, queue: u64) {
        for range in &self.settled.0 {
            self.ledger.settle_range(range.clone());
        }
        for (ranges, write) in [
            (
                &mut self.requeued,
                write::requeue as fn(&mut Vec<u8>, u64, &[Range<u64>]),
            ),
            (&mut self.settled, write::settle),
        ] {
            if !ranges.0.is_empty() {
                write(&mut self.records, queue, &ranges.0);
                ranges.0.clear();
            }
        }
    }

    /// Moves the records of this lock hold into those of a transaction.
    pub fn take(&mut self, queue: u64, group: &mut Group) {
        if let Some(urgency) = self.echo.take() {
            group.echo = Some(group.echo.map_or(urgency, |before| before.max(urgency)));
        }
        if self.has_records() {
            self.finish(queue);
            group.records.append(&mut self.records);
            let urgency = self.urgency.take().unwrap_or(Urgency::Lazy);
            group.urgency = Some(group.urgency.map_or(urgency, |before| before.max(urgency)));
        }
    }

    /// Appends the records of this lock hold; the receipt is for what was placed.
    #[inline]
    pub fn append(&mut self, queue: u64, journal: &Journal) -> Receipt {
        if let Some(urgency) = self.echo.take() {
            if !self.has_records() {
                return Receipt::of(journal.next_append().saturating_sub(1), urgency);
            }
            self.hurry(urgency);
        }
        if !self.has_records() {
            return Receipt::NOTHING;
        }
        self.finish(queue);
        let urgency = self.urgency.take().unwrap_or(Urgency::Lazy);
        let append = journal.append(&self.records, urgency);
        self.records.clear();
        if self.records.capacity() > RECORDS_KEPT {
            self.records = Vec::new();
        }
        match urgency {
            Urgency::Lazy => Receipt::NOTHING,
            urgent => Receipt::of(append, urgent),
        }
    }
}

/// The records of a transaction: there whole or not at all.
#[derive(Default)]
pub struct Group {
    records: Vec<u8>,
    urgency: Option<Urgency>,
    echo: Option<Urgency>,
}

impl Group {
    /// Appends all of it. Called while the locks of all its queues are held.
    pub fn append(self, journal: &Journal) -> Receipt {
        if self.records.is_empty() {
            return self.echo.map_or(Receipt::NOTHING, |urgency| {
                Receipt::of(journal.next_append().saturating_sub(1), urgency)
            });
        }
        // Acks alone are on disk as well before commit-ok.
        let urgency = match self.urgency {
            Some(Urgency::Written) => Urgency::Written,
            _ => Urgency::Synced,
        };
        Receipt::of(journal.append(&self.records, urgency), urgency)
    }
}

/// What holds for all messages of a round in one queue.
#[derive(Clone, Copy)]
pub struct Terms {
    /// Milliseconds since the epoch.
    pub now: u64,
    /// The queue's `x-message-ttl` now.
    pub ttl_ms: Option<u64>,
    /// What a confirm waits for.
    pub urgency: Urgency,
}

/// A placement under way: adjacent messages of a chunk become one run, adjacent sequence numbers one record.
pub struct Placing<'a> {
    log: &'a mut Log,
    queue: u64,
    links: &'a Links,
    terms: Terms,
    /// Sequence number of the first message of the record.
    first: u64,
    runs: SmallVec<[Run; 4]>,
    /// Index of each run's chunk in the links.
    linked: SmallVec<[usize; 4]>,
    /// Sequence number behind the last message of the record.
    next: u64,
    /// The chunk of the last message, and the byte behind it there.
    chunk: usize,
    end: u32,
}

impl Placing<'_> {
    /// The next message of the round; one that is not for the disk is passed over.
    #[inline]
    pub fn add(&mut self, sequence: u64, message: &Message) {
        if !message.is_persistent() {
            return;
        }
        let (chunk, place) = (message.pins().0, message.place());
        if sequence == self.next
            && chunk == self.chunk
            && place.start == self.end
            && let Some(run) = self.runs.last_mut()
            && run.flags == place.flags
        {
            run.count += 1;
            run.bodies += message.body_len() as u32;
        } else {
            self.begin(sequence, chunk, place, message.body_len() as u32);
        }
        self.end = place.start + place.bytes;
        self.next = sequence + 1;
    }

    fn begin(&mut self, sequence: u64, chunk: usize, place: Place, body: u32) {
        let last = self.linked.last().copied().unwrap_or(0);
        let Some(index) = self.links.find(chunk, last) else {
            debug_assert!(false, "a persistent message was not linked");
            return;
        };
        if sequence != self.next || self.runs.is_empty() {
            self.finish();
            self.first = sequence;
        }
        let linked = &self.links.0[index].1;
        self.linked.push(index);
        self.chunk = chunk;
        self.runs.push(Run {
            position: linked.position,
            length: linked.length,
            start: place.start,
            count: 1,
            bodies: body,
            flags: place.flags,
        });
    }

    /// Notes what was collected. Returns the position behind the last chunk; 0 when there was nothing.
    pub fn finish(&mut self) -> u64 {
        let Some(behind) = self.runs.last().map(Run::end) else {
            return 0;
        };
        let Terms {
            now,
            ttl_ms,
            urgency,
        } = self.terms;
        write::place(
            &mut self.log.records,
            self.queue,
            self.first,
            now,
            ttl_ms,
            &self.runs,
        );
        let mut first = self.first;
        for (run, index) in self.runs.drain(..).zip(self.linked.drain(..)) {
            let count = u64::from(run.count);
            let lease = self.links.0[index].1.lease.clone();
            self.log.ledger.place(first, run, now, ttl_ms, lease);
            first += count;
        }
        self.log.hurry(urgency);
        behind
    }
}
