//! What a publisher's round collects: messages in chunks that are being filled, and where each is to go.

use crate::message::{ChunkBuilder, Draft, Message, SealedChunk};

/// Bit of a chunk's number that says that it is for the disk.
pub(super) const FOR_DISK: u32 = 1 << 31;

/// Who published a message: whom to tell when it is routed nowhere after all, or refused.
#[derive(Clone, Copy)]
pub struct Origin {
    /// Number of the channel.
    pub channel: u16,
    /// It is to be returned when it has no route.
    pub mandatory: bool,
    /// Low half of its number on a channel that confirms.
    pub confirm: Option<u32>,
}

/// A message on its way to a queue: chunk, place in it, and where it came from.
pub(super) struct Pending {
    pub chunk: u32,
    pub origin: Origin,
    pub draft: Draft,
}

/// A message that a queue had no room for.
#[derive(Clone, Copy, Debug)]
pub struct Refusal {
    /// Number of the channel that published it.
    pub channel: u16,
    /// Low half of its number there.
    pub confirm: u32,
}

/// Chunks of one round, the last of them still being filled.
#[derive(Default)]
pub(super) struct Filling {
    pub chunks: Vec<SealedChunk>,
    pub builder: Option<ChunkBuilder>,
}

impl Filling {
    pub fn seal(&mut self) {
        if let Some(builder) = self.builder.take().filter(|builder| !builder.is_empty()) {
            self.chunks.push(builder.seal());
        }
    }
}

impl Origin {
    pub(super) fn refusal(&self) -> Option<Refusal> {
        self.confirm.map(|confirm| Refusal {
            channel: self.channel,
            confirm,
        })
    }
}

impl Pending {
    #[inline]
    pub fn message(&self, passing: &[SealedChunk], for_disk: &[SealedChunk]) -> Message {
        let chunks = if self.chunk & FOR_DISK == 0 {
            passing
        } else {
            for_disk
        };
        chunks[(self.chunk & !FOR_DISK) as usize].message(&self.draft)
    }

    /// Whether both stand for the same message.
    pub fn is(&self, other: &Self) -> bool {
        self.chunk == other.chunk && self.draft.is(&other.draft)
    }
}
