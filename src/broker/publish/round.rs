//! What a publisher's round collects: messages in chunks that are being filled, and where each is to go.

use crate::message::{ChunkBuilder, Draft, Message, SealedChunk};

/// Bit of a chunk's number that says that it is for the disk.
pub(super) const FOR_DISK: u32 = 1 << 31;

/// Who published a message: whom to tell when it is routed nowhere after all, or refused.
///
/// One word, because every message carries it to its queue: the channel's number above, two flags, and the low half of the
/// message's number on a channel that confirms.
#[derive(Clone, Copy)]
pub struct Origin(u64);

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
    const CONFIRMS: u64 = 1 << 32;
    const MANDATORY: u64 = 1 << 33;

    /// A publish of that channel. `mandatory`: it is to be returned when it has no route. `confirm`: the low half of its number
    /// there, if the channel confirms.
    #[inline]
    pub fn new(channel: u16, mandatory: bool, confirm: Option<u32>) -> Self {
        let flag = if mandatory { Self::MANDATORY } else { 0 };
        let number = confirm.map_or(0, |number| Self::CONFIRMS | u64::from(number));
        Self(u64::from(channel) << 48 | flag | number)
    }

    pub(super) fn channel(self) -> u16 {
        (self.0 >> 48) as u16
    }

    pub(super) fn is_mandatory(self) -> bool {
        self.0 & Self::MANDATORY != 0
    }

    pub(super) fn refusal(self) -> Option<Refusal> {
        (self.0 & Self::CONFIRMS != 0).then(|| Refusal {
            channel: self.channel(),
            confirm: self.0 as u32,
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
