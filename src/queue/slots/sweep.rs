//! Watches how much chunk memory the messages of a queue pin, and copies stragglers out of chunks that they use little of.

use super::Slots;
use crate::message::{CHUNK_BYTES_MAX, ChunkBuilder, Draft, Message};

/// Slack that pinned chunks may have before anybody looks.
pub const PIN_SLACK_BYTES: usize = 256 * 1024;

/// What is known of a queue's chunks.
#[derive(Default)]
pub struct Compactor {
    /// Messages before this one have been looked at.
    swept: u64,
    /// Most slots in use since the last look.
    pub live_then: usize,
    /// A look at all of them again is under way, because most have gone since.
    sweeping: bool,
    /// Chunk bytes pinned, and bytes owned, by messages since the last look.
    pinned: usize,
    owned: usize,
    last_chunk: usize,
}

impl Compactor {
    /// All before `swept` has just been looked at, and `live` slots are in use.
    pub fn looked(swept: u64, live: usize) -> Self {
        Self {
            swept,
            live_then: live,
            ..Self::default()
        }
    }

    /// A message comes in; returns its memory.
    #[inline]
    pub fn pushed(&mut self, message: &Message) -> usize {
        let (chunk, bytes) = message.pins();
        if chunk != self.last_chunk {
            self.last_chunk = chunk;
            self.pinned += bytes;
        }
        let memory = message.memory();
        self.owned += memory;
        memory
    }

    /// `count` neighbours have left memory together, and with them their chunks.
    pub fn left(&mut self, count: usize) {
        self.live_then = self.live_then.saturating_sub(count);
    }
}

impl Slots {
    /// Whether the messages pin much more chunk memory than they use, so that a [sweep](Self::sweep) is due.
    #[inline]
    pub fn wants_sweep(&self) -> bool {
        let compactor = &self.compactor;
        compactor.sweeping
            || compactor.pinned > 4 * compactor.owned + PIN_SLACK_BYTES
            || (compactor.live_then > 1024 && self.live < compactor.live_then / 4)
    }

    /// Copies the messages out of chunks that they use less than half of. Looks at `steps` messages at most; returns whether
    /// more is to be done.
    pub fn sweep(&mut self, steps: usize) -> bool {
        if !self.compactor.sweeping
            && self.compactor.live_then > 1024
            && self.live < self.compactor.live_then / 4
        {
            self.compactor.swept = self.front.base;
            self.compactor.sweeping = true;
        }
        let from = self.compactor.swept.max(self.front.base);
        let mut sparse = Vec::new();
        let mut run: Vec<u64> = Vec::new();
        let (mut chunk, mut chunk_bytes, mut used) = (0, 0, 0);
        let (mut to, mut left) = (from, steps);
        while left > 0 {
            to = self.behind_cold(to);
            if to >= self.next {
                break;
            }
            let sequence = to;
            (to, left) = (to + 1, left - 1);
            let Some(message) = self.message(sequence) else {
                continue;
            };
            let (this, bytes) = message.pins();
            let memory = message.memory();
            if this != chunk {
                if used * 2 < chunk_bytes {
                    sparse.append(&mut run);
                }
                run.clear();
                (chunk, chunk_bytes, used) = (this, bytes, 0);
            }
            used += memory;
            run.push(sequence);
        }
        if used * 2 < chunk_bytes {
            sparse.append(&mut run);
        }
        self.copy_out(&sparse);
        self.compactor.swept = to;
        if to < self.next {
            return true;
        }
        self.compactor = Compactor::looked(self.next, self.live);
        false
    }

    fn copy_out(&mut self, sequences: &[u64]) {
        let mut rest = sequences;
        while !rest.is_empty() {
            let mut builder = ChunkBuilder::with_capacity(CHUNK_BYTES_MAX);
            let mut drafts: Vec<(u64, Draft)> = Vec::new();
            while let Some((sequence, others)) = rest.split_first() {
                if let Some(message) = self.message(*sequence) {
                    if message.is_large() {
                        rest = others;
                        continue;
                    }
                    let Some(draft) = builder.push_copy(message) else {
                        break;
                    };
                    drafts.push((*sequence, draft));
                }
                rest = others;
            }
            let sealed = builder.seal();
            for (sequence, draft) in drafts {
                if let Some(message) = self.message_mut(sequence) {
                    *message = sealed.message(&draft);
                }
            }
        }
    }

    fn message(&self, sequence: u64) -> Option<&Message> {
        let row = match &self.cold {
            Some(cold) if sequence >= cold.end => &cold.tail,
            _ => &self.front,
        };
        row.get(sequence)?.message.as_ref()
    }

    fn message_mut(&mut self, sequence: u64) -> Option<&mut Message> {
        let row = match &mut self.cold {
            Some(cold) if sequence >= cold.end => &mut cold.tail,
            _ => &mut self.front,
        };
        row.get_mut(sequence)?.message.as_mut()
    }
}
