//! The records of the journal: one byte that says which, then numbers as varints.
//!
//! ```text
//! 1 place     queue, first sequence, time ms, queue TTL ms + 1 (0: none), count of runs, runs
//! 2 settle    queue, count of ranges, ranges as (start, length)
//! 3 requeue   queue, count of ranges, ranges                        one delivery more for each; redelivered
//! 4 moved     queue, count, items as (first sequence, run)          the same messages in another place
//! 5 attended  queue                                                 somebody takes messages from it
//! 6 define    kind u8, key bytes, key, value bytes, value           a queue's value begins with its id, u64
//! 7 forget    kind u8, key bytes, key
//! 12 seen     queue, kind u8, count, items as (id of 16 bytes, number)   ids by which duplicates are known
//! 13 group    queue, name bytes, name, step u8, what the step has           what became of a group of a stream's consumers
//!             1 begin: floor, terms bytes, terms   2 done: ranges   3 returned: ranges   4 terms: bytes, terms   5 end
//! run         position, length, start, count, body bytes, flags u8
//! ```
//!
//! Pure, bounds-checked: bytes that are no record are [`Bad`], whatever they are. Format changes get a new number.

use std::ops::Range;

use super::offsets::Step;
use super::seen::{self, Id};
use super::varint::{put, take};

const PLACE: u8 = 1;
const SETTLE: u8 = 2;
const REQUEUE: u8 = 3;
const MOVED: u8 = 4;
const ATTENDED: u8 = 5;
const DEFINE: u8 = 6;
const FORGET: u8 = 7;
const SEEN: u8 = 12;
const GROUP: u8 = 13;

/// Fewest bytes of a message in a chunk: two empty names, the head of a frame, a header's fixed part, its flags, the frame's end.
const MESSAGE_BYTES_MIN: u64 = 2 + 7 + 12 + 2 + 1;

/// Adjacent messages of one chunk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Run {
    /// Position of their chunk.
    pub position: u64,
    /// Bytes of the chunk on disk, head included.
    pub length: u32,
    /// First byte of the first message in the chunk.
    pub start: u32,
    /// How many there are.
    pub count: u32,
    /// Bytes of all their bodies.
    pub bodies: u32,
    /// The flags that all of them have.
    pub flags: u8,
}

impl Run {
    /// Position behind the chunk.
    pub fn end(&self) -> u64 {
        self.position.saturating_add(u64::from(self.length))
    }

    /// Whether there are chunks that have such a run; one that comes from disk is asked before it is believed.
    pub fn is_plausible(&self) -> bool {
        let least = u64::from(self.count) * MESSAGE_BYTES_MIN;
        self.count > 0 && u64::from(self.start) + least <= u64::from(self.length)
    }
}

/// What a definition is of. The numbers are on disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// A virtual host.
    Vhost = 1,
    /// A user.
    User = 2,
    /// What a user may do in a vhost.
    Permission = 3,
    /// What a user may do with a topic exchange.
    TopicPermission = 4,
    /// An exchange.
    Exchange = 5,
    /// A queue.
    Queue = 6,
    /// A binding.
    Binding = 7,
    /// A policy or operator policy.
    Policy = 8,
    /// A runtime parameter or limit.
    Parameter = 9,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::Vhost,
        Self::User,
        Self::Permission,
        Self::TopicPermission,
        Self::Exchange,
        Self::Queue,
        Self::Binding,
        Self::Policy,
        Self::Parameter,
    ];

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Vhost => "vhost",
            Self::User => "user",
            Self::Permission => "permission",
            Self::TopicPermission => "topic permission",
            Self::Exchange => "exchange",
            Self::Queue => "queue",
            Self::Binding => "binding",
            Self::Policy => "policy",
            Self::Parameter => "parameter",
        }
    }

    /// The kind of that number.
    pub fn of(number: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| *kind as u8 == number)
    }
}

/// Why a queue knows an id. The numbers are on disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SeenKind {
    /// It came within a window; its number is the time until which it counts, milliseconds since the epoch.
    Window = 1,
    /// A message with it is in the queue; its number is the message's sequence number.
    Held = 2,
}

impl SeenKind {
    /// The kind of that number.
    pub fn of(number: u8) -> Option<Self> {
        [Self::Window, Self::Held]
            .into_iter()
            .find(|kind| *kind as u8 == number)
    }
}

/// One record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Record<'a> {
    /// Messages are in a queue: sequence numbers from `first` on, over the runs in order.
    Place {
        /// The queue's id.
        queue: u64,
        /// Sequence number of the first.
        first: u64,
        /// When they came, milliseconds since the epoch.
        time_ms: u64,
        /// The queue's message TTL then.
        ttl_ms: Option<u64>,
        /// Where they lie.
        runs: Vec<Run>,
    },
    /// Messages are done with.
    Settle {
        /// The queue's id.
        queue: u64,
        /// Their sequence numbers.
        ranges: Vec<Range<u64>>,
    },
    /// Messages came back.
    Requeue {
        /// The queue's id.
        queue: u64,
        /// Their sequence numbers.
        ranges: Vec<Range<u64>>,
    },
    /// Messages lie elsewhere.
    Moved {
        /// The queue's id.
        queue: u64,
        /// Sequence number of the first of each run, and the run.
        items: Vec<(u64, Run)>,
    },
    /// The queue has somebody who takes messages.
    Attended {
        /// The queue's id.
        queue: u64,
    },
    /// Ids by which duplicates are known.
    Seen {
        /// The id of the queue that knows them.
        queue: u64,
        /// Why it does.
        kind: SeenKind,
        /// The ids, each with a time or a sequence number.
        items: Vec<(Id, u64)>,
    },
    /// Something became of a group of a stream's consumers.
    Group {
        /// The stream's id.
        queue: u64,
        /// The group's name.
        name: &'a [u8],
        /// What.
        step: Step,
    },
    /// A definition is there.
    Define {
        /// What it is of.
        kind: Kind,
        /// Unique in its kind.
        key: &'a [u8],
        /// What it says.
        value: &'a [u8],
    },
    /// A definition is gone.
    Forget {
        /// What it is of.
        kind: Kind,
        /// Unique in its kind.
        key: &'a [u8],
    },
}

/// Bytes that are no record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bad;

/// The functions that append records.
pub mod write {
    use super::*;

    /// See [`Record::Place`].
    pub fn place(
        out: &mut Vec<u8>,
        queue: u64,
        first: u64,
        time_ms: u64,
        ttl_ms: Option<u64>,
        runs: &[Run],
    ) {
        out.push(PLACE);
        put(out, queue);
        put(out, first);
        put(out, time_ms);
        put(out, ttl_ms.map_or(0, |ttl| ttl.saturating_add(1)));
        put(out, runs.len() as u64);
        for one in runs {
            run(out, one);
        }
    }

    /// Appends a run as records and checkpoints have it.
    pub fn run(out: &mut Vec<u8>, run: &Run) {
        put(out, run.position);
        for value in [run.length, run.start, run.count, run.bodies] {
            put(out, u64::from(value));
        }
        out.push(run.flags);
    }

    fn ranges(out: &mut Vec<u8>, kind: u8, queue: u64, ranges: &[Range<u64>]) {
        out.push(kind);
        put(out, queue);
        put(out, ranges.len() as u64);
        for range in ranges {
            put(out, range.start);
            put(out, range.end - range.start);
        }
    }

    /// See [`Record::Settle`].
    pub fn settle(out: &mut Vec<u8>, queue: u64, settled: &[Range<u64>]) {
        ranges(out, SETTLE, queue, settled);
    }

    /// See [`Record::Requeue`].
    pub fn requeue(out: &mut Vec<u8>, queue: u64, requeued: &[Range<u64>]) {
        ranges(out, REQUEUE, queue, requeued);
    }

    /// See [`Record::Moved`].
    pub fn moved(out: &mut Vec<u8>, queue: u64, items: &[(u64, Run)]) {
        out.push(MOVED);
        put(out, queue);
        put(out, items.len() as u64);
        for (first, one) in items {
            put(out, *first);
            run(out, one);
        }
    }

    /// See [`Record::Attended`].
    pub fn attended(out: &mut Vec<u8>, queue: u64) {
        out.push(ATTENDED);
        put(out, queue);
    }

    /// See [`Record::Seen`].
    pub fn seen(out: &mut Vec<u8>, queue: u64, kind: SeenKind, items: &[(Id, u64)]) {
        out.push(SEEN);
        put(out, queue);
        out.push(kind as u8);
        put(out, items.len() as u64);
        for (id, number) in items {
            seen::write(out, *id, *number);
        }
    }

    /// See [`Record::Group`].
    pub fn group(out: &mut Vec<u8>, queue: u64, name: &[u8], step: &Step) {
        out.push(GROUP);
        put(out, queue);
        bytes(out, name);
        match step {
            Step::Begin { floor, terms } => {
                out.push(1);
                put(out, *floor);
                bytes(out, terms);
            }
            Step::Done(ranges) => some_ranges(out, 2, ranges),
            Step::Returned(ranges) => some_ranges(out, 3, ranges),
            Step::Terms(terms) => {
                out.push(4);
                bytes(out, terms);
            }
            Step::End => out.push(5),
        }
    }

    fn some_ranges(out: &mut Vec<u8>, step: u8, ranges: &[Range<u64>]) {
        out.push(step);
        put(out, ranges.len() as u64);
        for range in ranges {
            put(out, range.start);
            put(out, range.end - range.start);
        }
    }

    fn bytes(out: &mut Vec<u8>, bytes: &[u8]) {
        put(out, bytes.len() as u64);
        out.extend_from_slice(bytes);
    }

    /// See [`Record::Define`].
    pub fn define(out: &mut Vec<u8>, kind: Kind, key: &[u8], value: &[u8]) {
        out.extend_from_slice(&[DEFINE, kind as u8]);
        bytes(out, key);
        bytes(out, value);
    }

    /// See [`Record::Forget`].
    pub fn forget(out: &mut Vec<u8>, kind: Kind, key: &[u8]) {
        out.extend_from_slice(&[FORGET, kind as u8]);
        bytes(out, key);
    }
}

/// The records of one append, in order. The first that is bad is the last.
pub fn read(bytes: &[u8]) -> impl Iterator<Item = Result<Record<'_>, Bad>> {
    let mut rest = bytes;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let record = one(&mut rest).ok_or(Bad);
        if record.is_err() {
            rest = &[];
        }
        Some(record)
    })
}

fn one<'a>(rest: &mut &'a [u8]) -> Option<Record<'a>> {
    let kind = byte(rest)?;
    Some(match kind {
        PLACE => {
            let (queue, first, time_ms) = (take(rest)?, take(rest)?, take(rest)?);
            let ttl_ms = take(rest)?.checked_sub(1);
            let runs = many(rest, take_run)?;
            Record::Place {
                queue,
                first,
                time_ms,
                ttl_ms,
                runs,
            }
        }
        SETTLE => Record::Settle {
            queue: take(rest)?,
            ranges: many(rest, range)?,
        },
        REQUEUE => Record::Requeue {
            queue: take(rest)?,
            ranges: many(rest, range)?,
        },
        MOVED => Record::Moved {
            queue: take(rest)?,
            items: many(rest, |rest| Some((take(rest)?, take_run(rest)?)))?,
        },
        ATTENDED => Record::Attended { queue: take(rest)? },
        SEEN => Record::Seen {
            queue: take(rest)?,
            kind: SeenKind::of(byte(rest)?)?,
            items: many(rest, seen::read)?,
        },
        GROUP => Record::Group {
            queue: take(rest)?,
            name: take_bytes(rest)?,
            step: take_step(rest)?,
        },
        DEFINE => Record::Define {
            kind: Kind::of(byte(rest)?)?,
            key: take_bytes(rest)?,
            value: take_bytes(rest)?,
        },
        FORGET => Record::Forget {
            kind: Kind::of(byte(rest)?)?,
            key: take_bytes(rest)?,
        },
        _ => return None,
    })
}

fn take_step(rest: &mut &[u8]) -> Option<Step> {
    Some(match byte(rest)? {
        1 => Step::Begin {
            floor: take(rest)?,
            terms: take_bytes(rest)?.to_vec(),
        },
        2 => Step::Done(many(rest, range)?),
        3 => Step::Returned(many(rest, range)?),
        4 => Step::Terms(take_bytes(rest)?.to_vec()),
        5 => Step::End,
        _ => return None,
    })
}

fn byte(rest: &mut &[u8]) -> Option<u8> {
    let (first, others) = rest.split_first()?;
    *rest = others;
    Some(*first)
}

/// Bytes behind their length.
pub fn take_bytes<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let length = usize::try_from(take(rest)?).ok()?;
    let (bytes, others) = rest.split_at_checked(length)?;
    *rest = others;
    Some(bytes)
}

fn many<T>(rest: &mut &[u8], one: impl Fn(&mut &[u8]) -> Option<T>) -> Option<Vec<T>> {
    let count = take(rest)?;
    // Each takes a byte at least: a count is not trusted with memory that its bytes do not back.
    if count > rest.len() as u64 {
        return None;
    }
    (0..count).map(|_| one(rest)).collect()
}

fn range(rest: &mut &[u8]) -> Option<Range<u64>> {
    let (start, length) = (take(rest)?, take(rest)?);
    Some(start..start.checked_add(length)?)
}

/// A run as records and checkpoints have it.
pub fn take_run(rest: &mut &[u8]) -> Option<Run> {
    let position = take(rest)?;
    let mut number = || u32::try_from(take(rest)?).ok();
    let (length, start, count, bodies) = (number()?, number()?, number()?, number()?);
    Some(Run {
        position,
        length,
        start,
        count,
        bodies,
        flags: byte(rest)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const RUN: Run = Run {
        position: 300,
        length: 1000,
        start: 5,
        count: 2,
        bodies: 200,
        flags: 2,
    };
    const RUN_BYTES: [u8; 10] = [0xAC, 2, 0xE8, 7, 5, 2, 0xC8, 1, 2, 0];

    /// The format is on disks: these bytes never change.
    #[test]
    fn the_bytes_of_every_record() {
        let run = &RUN_BYTES[..9];
        let mut expected = vec![PLACE, 7, 1, 0xE8, 7, 61, 1];
        expected.extend_from_slice(run);
        let mut all = Vec::new();
        write::place(&mut all, 7, 1, 1000, Some(60), &[RUN]);
        expected.extend_from_slice(&[SETTLE, 7, 2, 1, 2, 5, 1]);
        write::settle(&mut all, 7, &[1..3, 5..6]);
        expected.extend_from_slice(&[REQUEUE, 7, 1, 3, 1]);
        write::requeue(&mut all, 7, std::slice::from_ref(&(3..4)));
        expected.extend_from_slice(&[MOVED, 7, 1, 9]);
        expected.extend_from_slice(run);
        write::moved(&mut all, 7, &[(9, RUN)]);
        expected.extend_from_slice(&[ATTENDED, 7]);
        write::attended(&mut all, 7);
        expected.extend_from_slice(&[DEFINE, 6, 1, b'k', 2, b'v', b'w']);
        write::define(&mut all, Kind::Queue, b"k", b"vw");
        expected.extend_from_slice(&[FORGET, 5, 1, b'k']);
        write::forget(&mut all, Kind::Exchange, b"k");
        expected.extend_from_slice(&[SEEN, 7, 1, 1, 2, 1]);
        expected.extend_from_slice(&[0; 14]);
        expected.extend_from_slice(&[0xE8, 7]);
        write::seen(&mut all, 7, SeenKind::Window, &[(0x0102, 1000)]);
        let begin = Step::Begin {
            floor: 3,
            terms: b"t".to_vec(),
        };
        expected.extend_from_slice(&[GROUP, 7, 1, b'g', 1, 3, 1, b't']);
        write::group(&mut all, 7, b"g", &begin);
        expected.extend_from_slice(&[GROUP, 7, 1, b'g', 2, 1, 3, 2]);
        let done = Step::Done(std::iter::once(3..5).collect());
        write::group(&mut all, 7, b"g", &done);
        expected.extend_from_slice(&[GROUP, 7, 1, b'g', 5]);
        write::group(&mut all, 7, b"g", &Step::End);
        assert_eq!(all, expected);
        let records: Vec<_> = read(&all).collect();
        assert_eq!(records.len(), 11);
        for (at, step) in [(8, begin), (9, done), (10, Step::End)] {
            let group = Record::Group {
                queue: 7,
                name: b"g",
                step,
            };
            assert_eq!(records[at], Ok(group));
        }
        assert_eq!(
            records[7],
            Ok(Record::Seen {
                queue: 7,
                kind: SeenKind::Window,
                items: vec![(0x0102, 1000)],
            })
        );
        assert_eq!(
            records[0],
            Ok(Record::Place {
                queue: 7,
                first: 1,
                time_ms: 1000,
                ttl_ms: Some(60),
                runs: vec![RUN],
            })
        );
        assert_eq!(
            records[6],
            Ok(Record::Forget {
                kind: Kind::Exchange,
                key: b"k",
            })
        );
    }

    #[test]
    fn kinds_keep_their_numbers() {
        let numbers = Kind::ALL.map(|kind| kind as u8);
        assert_eq!(numbers, [1, 2, 3, 4, 5, 6, 7, 8, 9]);
        assert_eq!(numbers.map(Kind::of), Kind::ALL.map(Some));
        assert_eq!((Kind::of(0), Kind::of(10)), (None, None));
        assert_eq!(
            [
                PLACE, SETTLE, REQUEUE, MOVED, ATTENDED, DEFINE, FORGET, SEEN, GROUP
            ],
            [1, 2, 3, 4, 5, 6, 7, 12, 13]
        );
        assert_eq!(
            [0, 1, 2, 3].map(SeenKind::of),
            [None, Some(SeenKind::Window), Some(SeenKind::Held), None]
        );
    }

    #[test]
    fn no_bytes_panic() {
        let mut all = Vec::new();
        write::place(&mut all, 7, 1, 1000, None, &[RUN, RUN]);
        write::moved(&mut all, 7, &[(9, RUN)]);
        write::define(&mut all, Kind::Binding, b"key", b"value");
        write::seen(&mut all, 7, SeenKind::Held, &[(5, 6), (7, 8)]);
        for end in 0..all.len() {
            let _ = read(&all[..end]).count();
            for byte in [0, 0x7F, 0x80, 0xFF] {
                let mut broken = all.clone();
                broken[end] = byte;
                let _ = read(&broken).count();
            }
        }
    }
}
