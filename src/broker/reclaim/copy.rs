//! The copying of live messages out of sparse chunks into dense ones, on paper: chunks and places come in, a new chunk and places
//! go out. No disk, no locks; `compact.rs` reads, links and moves.
//!
//! A message that several queues hold is copied once. Messages keep their order, so that those of one run stay adjacent:
//! a run of live messages is one run again.

use crate::message::{CHUNK_BYTES_MAX, ChunkBuilder, Message, SealedChunk};
use crate::store::record::Run;

/// Live messages of one queue that are adjacent in a chunk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Held {
    /// Where the span's messages lie that they are some of, as the ledger has it.
    pub run: Run,
    /// Sequence number of the span's first message: what is held of a span is moved together.
    pub span: u64,
    /// Messages of the span in front of them.
    pub skip: u32,
    /// How many they are.
    pub count: u32,
    /// The queue's index in the compaction's list.
    pub queue: u32,
}

impl Held {
    /// By place on disk, then by queue.
    pub fn key(&self) -> (u64, u32, u32, u32, u32, u64) {
        (
            self.run.position,
            self.run.start,
            self.skip,
            self.count,
            self.queue,
            self.span,
        )
    }

    fn is_same_place(&self, other: &Self) -> bool {
        self.run == other.run && (self.skip, self.count) == (other.skip, other.count)
    }

    /// Sequence number of the first of them.
    fn first(&self) -> u64 {
        self.span + u64::from(self.skip)
    }
}

/// The held messages of one chunk, found in it.
pub struct Found {
    /// Each once, in the order of their bytes.
    messages: Vec<Message>,
    /// For each of the held: the first byte of its first message, and the bytes of all their bodies.
    places: Vec<(u32, u32)>,
}

/// The chunk does not hold what a queue says it holds.
#[derive(Debug, PartialEq, Eq)]
pub struct Mismatch;

impl Found {
    /// Looks up `held`, which is sorted by [`key`](Held::key), in their chunk.
    pub fn new(chunk: &SealedChunk, held: &[Held]) -> Result<Self, Mismatch> {
        let mut messages: Vec<Message> = Vec::new();
        let mut places: Vec<(u32, u32)> = Vec::with_capacity(held.len());
        for (index, one) in held.iter().enumerate() {
            // The queues of a fanout hold the same.
            if index > 0 && one.is_same_place(&held[index - 1]) {
                places.push(places[index - 1]);
                continue;
            }
            let before = messages.len();
            let run = Run {
                count: one.skip + one.count,
                ..one.run
            };
            messages.extend(
                chunk
                    .messages(run.start, run.count, run.flags)
                    .skip(one.skip as usize),
            );
            if messages.len() - before != one.count as usize {
                return Err(Mismatch);
            }
            let found = &messages[before..];
            let first = found.first().ok_or(Mismatch)?;
            let bodies = found.iter().map(|message| message.body_len() as u32).sum();
            places.push((first.place().start, bodies));
        }
        messages.sort_by_key(|message| message.place().start);
        messages.dedup_by_key(|message| message.place().start);
        Ok(Self { messages, places })
    }

    /// Bytes of the messages.
    pub fn bytes(&self) -> u64 {
        self.messages
            .iter()
            .map(|message| u64::from(message.place().bytes) + large_bytes(message))
            .sum()
    }

    /// Whether it is a single message whose body lies apart: such a chunk is taken as a whole.
    pub fn is_large(&self) -> bool {
        self.messages.iter().any(Message::is_large)
    }
}

fn large_bytes(message: &Message) -> u64 {
    if message.is_large() {
        message.body_len() as u64
    } else {
        0
    }
}

/// Where a queue's messages lie in the new chunk; its position and length are not known yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moved {
    /// The queue's index in the compaction's list.
    pub queue: u32,
    /// Sequence number of the first message of the span that they are some of.
    pub span: u64,
    /// Sequence number of the first of them.
    pub first: u64,
    /// Where they lie.
    pub run: Run,
}

impl Moved {
    fn of(held: &Held, start: u32, bodies: u32) -> Self {
        Self {
            queue: held.queue,
            span: held.span,
            first: held.first(),
            run: Run {
                start,
                count: held.count,
                bodies,
                ..held.run
            },
        }
    }

    fn key(&self) -> (u32, u64) {
        (self.queue, self.first)
    }
}

/// A new chunk being filled.
#[derive(Default)]
pub struct Copies {
    builder: Option<ChunkBuilder>,
    bytes: usize,
    moved: Vec<Moved>,
}

impl Copies {
    /// Whether nothing has been copied.
    pub fn is_empty(&self) -> bool {
        self.moved.is_empty()
    }

    /// Whether all of `found` still goes in. A chunk's messages are never split, so that each is copied once.
    pub fn has_room(&self, found: &Found) -> bool {
        self.is_empty() || self.bytes + found.bytes() as usize <= CHUNK_BYTES_MAX
    }

    /// Copies what was found of `held`; none of it is large, and there [is room](Self::has_room).
    pub fn add(&mut self, found: &Found, held: &[Held]) {
        let bytes = found.bytes() as usize;
        let builder = self
            .builder
            .get_or_insert_with(|| ChunkBuilder::with_capacity(CHUNK_BYTES_MAX.max(bytes)));
        let mut copied: Vec<(u32, u32)> = Vec::with_capacity(found.messages.len());
        for message in &found.messages {
            let draft = builder.push_copy(message);
            debug_assert!(draft.is_some(), "there is room, and the caller looked");
            // Copies lie one behind the other.
            let place = message.place();
            copied.push((place.start, self.bytes as u32));
            self.bytes += place.bytes as usize;
        }
        for (one, (old, bodies)) in held.iter().zip(&found.places) {
            let at = copied.partition_point(|(start, _)| start < old);
            self.moved.push(Moved::of(one, copied[at].1, *bodies));
        }
    }

    /// The chunk, and what lies where in it, by queue and sequence number. Begins anew.
    pub fn take(&mut self) -> Option<(SealedChunk, Vec<Moved>)> {
        let builder = self.builder.take()?;
        self.bytes = 0;
        let mut moved = std::mem::take(&mut self.moved);
        moved.sort_by_key(Moved::key);
        Some((builder.seal(), moved))
    }
}

/// A large message stays as it is in its chunk, which is taken as a whole.
pub fn whole(held: &[Held]) -> Vec<Moved> {
    let mut moved: Vec<Moved> = held
        .iter()
        .map(|one| Moved::of(one, one.run.start, one.run.bodies))
        .collect();
    moved.sort_by_key(Moved::key);
    moved
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chunk(bodies: &[&[u8]]) -> (SealedChunk, Vec<u32>) {
        let mut builder = ChunkBuilder::with_capacity(CHUNK_BYTES_MAX);
        let drafts: Vec<_> = bodies
            .iter()
            .map(|body| builder.push(&[0, 1, b'q'], &[0, 0], true, body))
            .collect();
        let chunk = builder.seal();
        let starts = drafts
            .iter()
            .map(|draft| chunk.message(draft).place().start)
            .collect();
        (chunk, starts)
    }

    fn flags() -> u8 {
        let mut builder = ChunkBuilder::with_capacity(100);
        let draft = builder.push(&[0, 0], &[0, 0], true, b"x");
        builder.seal().message(&draft).place().flags
    }

    fn held(queue: u32, span: u64, (start, of): (u32, u32), skip: u32, count: u32) -> Held {
        let run = Run {
            start,
            count: of,
            flags: flags(),
            ..Run::default()
        };
        Held {
            run,
            span,
            skip,
            count,
            queue,
        }
    }

    fn bodies(chunk: &SealedChunk, moved: &Moved) -> Vec<Vec<u8>> {
        chunk
            .messages(moved.run.start, moved.run.count, moved.run.flags)
            .map(|message| message.body().to_vec())
            .collect()
    }

    #[test]
    fn live_messages_of_all_queues_are_copied_once_and_runs_stay_runs() {
        let (old, starts) = chunk(&[b"zero", b"one", b"two", b"three", b"four", b"five"]);
        let mut held = vec![
            held(0, 10, (starts[0], 6), 1, 2), // one, two
            held(1, 50, (starts[0], 6), 1, 2), // the same in another queue
            held(2, 7, (starts[2], 3), 0, 1),  // two, by another way
            held(0, 10, (starts[0], 6), 5, 1), // five
        ];
        held.sort_by_key(Held::key);
        let found = Found::new(&old, &held).expect("all there");
        assert_eq!(found.messages.len(), 3);
        let mut copies = Copies::default();
        copies.add(&found, &held);
        let (new, moved) = copies.take().expect("something was copied");
        let got: Vec<_> = moved
            .iter()
            .map(|one| {
                let text = bodies(&new, one).concat();
                assert_eq!(one.run.bodies as usize, text.len());
                (one.queue, one.first, text)
            })
            .collect();
        let want = |queue, first, text: &[u8]| (queue, first, text.to_vec());
        assert_eq!(
            got,
            [
                want(0, 11, b"onetwo"),
                want(0, 15, b"five"),
                want(1, 51, b"onetwo"),
                want(2, 7, b"two")
            ]
        );
        assert!(copies.is_empty() && copies.take().is_none());
    }

    #[test]
    fn several_chunks_become_one_until_it_is_full() {
        let body = vec![7; 10_000];
        let mut copies = Copies::default();
        let mut chunks = 0;
        for first in 0.. {
            let (old, starts) = chunk(&[&body]);
            let held = [held(0, first, (starts[0], 1), 0, 1)];
            let found = Found::new(&old, &held).expect("all there");
            if !copies.has_room(&found) {
                break;
            }
            copies.add(&found, &held);
            chunks += 1;
        }
        assert_eq!(chunks, 6);
        let (new, moved) = copies.take().expect("something was copied");
        assert!(moved.iter().all(|one| bodies(&new, one) == [body.clone()]));
    }

    #[test]
    fn what_is_not_there_is_a_mismatch() {
        let (old, starts) = chunk(&[b"a", b"b"]);
        let beyond = [held(0, 1, (starts[1], 5), 3, 1)];
        assert_eq!(Found::new(&old, &beyond).err(), Some(Mismatch));
    }
}
