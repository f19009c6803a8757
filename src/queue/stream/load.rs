//! What a reader needs from disk: planned under the queue's lock, read without it, put into the reader's window under it again.

use super::Stream;
use crate::message::{CHUNK_BYTES_MAX, ChunkBuilder, Draft, Message, SealedChunk};
use crate::queue::Queue;
use crate::store::Journal;
use crate::store::ledger::{Ledger, Piece};

/// Chunks that one load reads at most, where each has little for the stream.
const READS_MAX: usize = 256;

/// What is to be read.
pub struct Plan {
    reader: u32,
    epoch: u64,
    from: u64,
    to: u64,
    pieces: Vec<Piece>,
}

/// What was read.
pub struct Loaded {
    reader: u32,
    epoch: u64,
    to: u64,
    messages: Vec<(u64, Message)>,
}

/// Pieces that have messages of `from..end`, about `bytes` of them, and the offset that they reach to.
pub fn pieces(ledger: &Ledger, from: u64, end: u64, bytes: u64) -> (Vec<Piece>, u64) {
    let (mut pieces, mut read, mut position) = (Vec::new(), 0, u64::MAX);
    for piece in ledger.pieces(from, end) {
        if piece.run.position != position {
            if read >= bytes || pieces.len() >= READS_MAX {
                let to = piece.first.clamp(from, end);
                return (pieces, to);
            }
            position = piece.run.position;
            read += u64::from(piece.run.length);
        }
        pieces.push(piece);
    }
    (pieces, end)
}

/// Reads the messages `from..to` of these pieces, in order. What cannot be read is logged and passed over.
pub fn read(
    pieces: &[Piece],
    (from, to): (u64, u64),
    queue: &Queue,
    journal: &Journal,
) -> Vec<(u64, Message)> {
    let mut messages: Vec<(u64, Message)> = Vec::new();
    let mut last: Option<(u64, SealedChunk)> = None;
    for piece in pieces {
        let run = piece.run;
        if last
            .as_ref()
            .is_none_or(|(position, _)| *position != run.position)
        {
            match journal.read(run.position, run.length) {
                Ok(chunk) => last = Some((run.position, chunk)),
                Err(error) => {
                    tracing::error!("{}: messages cannot be read: {error}", queue.resource());
                    continue;
                }
            }
        }
        let Some((_, chunk)) = &last else { continue };
        let begin = messages.len();
        let all = chunk.messages(run.start, run.count, run.flags).zip(0u32..);
        messages.extend(all.filter_map(|(message, index)| {
            let offset = piece.first + u64::from(index);
            let wanted = (from..to).contains(&offset) && piece.is_live(index);
            wanted.then_some((offset, message))
        }));
        copy_if_sparse(&mut messages[begin..]);
    }
    messages
}

/// Copies messages out of a chunk of which they are the smaller part, so that few messages do not hold a large chunk.
fn copy_if_sparse(messages: &mut [(u64, Message)]) {
    let Some((_, first)) = messages.first() else {
        return;
    };
    let memory: usize = messages.iter().map(|(_, message)| message.memory()).sum();
    if first.is_large() || memory * 2 >= first.pins().1 {
        return;
    }
    let needed: usize = messages
        .iter()
        .map(|(_, message)| message.place().bytes as usize)
        .sum();
    let mut builder = ChunkBuilder::with_capacity(needed.min(CHUNK_BYTES_MAX));
    let drafts: Vec<Draft> = messages
        .iter()
        .map_while(|(_, message)| builder.push_copy(message))
        .collect();
    let sealed = builder.seal();
    for ((_, message), draft) in messages.iter_mut().zip(&drafts) {
        *message = sealed.message(draft);
    }
}

impl Plan {
    /// Reads it. Without any lock.
    pub fn read(self, queue: &Queue, journal: &Journal) -> Loaded {
        Loaded {
            messages: read(&self.pieces, (self.from, self.to), queue, journal),
            reader: self.reader,
            epoch: self.epoch,
            to: self.to,
        }
    }
}

impl Stream {
    /// Whether some reader waits for the disk.
    pub fn wants_load(&self) -> bool {
        self.readers.values().any(|reader| reader.wants)
    }

    /// What is to be read for the reader whose turn it is.
    pub fn plan_load(&mut self, ledger: &Ledger, now: u64) -> Option<Plan> {
        let behind = self.loaded_last + 1;
        let (first, end) = (self.first, self.tail.first());
        let mut ids = self
            .readers
            .range(behind..)
            .chain(self.readers.range(..behind));
        let id = *ids.find(|(_, reader)| reader.wants)?.0;
        self.loaded_last = id;
        let reader = self.readers.get_mut(&id)?;
        let (from, bytes) = reader.plan(first, now);
        if from >= end {
            reader.wants = false;
            return self.plan_load(ledger, now);
        }
        let (pieces, to) = pieces(ledger, from, end, bytes);
        Some(Plan {
            reader: id,
            epoch: reader.epoch,
            from,
            to,
            pieces,
        })
    }

    /// What was read comes in; returns the reader that it is for.
    pub fn install(&mut self, loaded: &mut Loaded, now: u64) -> Option<u32> {
        let reader = self.readers.get_mut(&loaded.reader)?;
        if reader.epoch != loaded.epoch {
            return None;
        }
        let before = reader.bytes();
        reader.install(loaded.to, std::mem::take(&mut loaded.messages), now);
        self.windows += reader.bytes() - before;
        Some(loaded.reader)
    }
}
