//! What lies in an extent of a spill file: consecutive messages of one queue, with what the journal would know of them.
//!
//! ```text
//! u32 bytes of the directory | directory | chunks, one behind the other        (little-endian; varints where no size is said)
//! directory: for each chunk   count | data bytes | large bytes
//!            then for each message   sequence (difference to the one before) | flags u8 | bits u8 | [expires] | [returned]
//! ```
//!
//! A chunk is message.rs's, so that a message that comes back is one that is cut out of a chunk, as from the journal. Read back
//! only by the process that wrote it; bytes are checked all the same.

use crate::message::{CHUNK_BYTES_MAX, ChunkBuilder, Message, SealedChunk};
use crate::queue::slots::Slot;
use crate::store::varint::{put, take};

const EXPIRES: u8 = 1;
const RETURNED: u8 = 2;
const REDELIVERED: u8 = 4;

/// A message to be written.
pub struct Entry {
    /// Its place in the queue.
    pub sequence: u64,
    /// Its bytes.
    pub message: Message,
    /// When it expires; `u64::MAX` never.
    pub expires: u64,
    /// How often it has come back.
    pub returned: u32,
    /// It may have been delivered before.
    pub redelivered: bool,
}

/// An extent in memory, to be written part by part.
pub struct Image {
    head: Vec<u8>,
    chunks: Vec<SealedChunk>,
}

impl Image {
    /// Copies small messages together; large bodies are written from where they are.
    pub fn of(entries: &[Entry]) -> Self {
        let mut chunks: Vec<(u64, SealedChunk)> = Vec::new();
        let mut messages = Vec::new();
        let mut open: Option<(u64, ChunkBuilder)> = None;
        let mut last = 0;
        for entry in entries {
            let message = &entry.message;
            if message.is_large() {
                if let Some((count, full)) = open.take() {
                    chunks.push((count, full.seal()));
                }
                chunks.push((1, message.chunk()));
            } else {
                let copied = open.as_mut().is_some_and(|(count, builder)| {
                    let copied = builder.push_copy(message).is_some();
                    *count += u64::from(copied);
                    copied
                });
                if !copied {
                    if let Some((count, full)) = open.take() {
                        chunks.push((count, full.seal()));
                    }
                    let mut builder = ChunkBuilder::with_capacity(CHUNK_BYTES_MAX);
                    // The first message of a chunk always fits.
                    let _ = builder.push_copy(message);
                    open = Some((1, builder));
                }
            }
            put(&mut messages, entry.sequence.wrapping_sub(last));
            last = entry.sequence;
            messages.push(message.place().flags);
            let expires = entry.expires != u64::MAX;
            let mut bits = if expires { EXPIRES } else { 0 };
            bits |= if entry.returned > 0 { RETURNED } else { 0 };
            bits |= if entry.redelivered { REDELIVERED } else { 0 };
            messages.push(bits);
            if expires {
                put(&mut messages, entry.expires);
            }
            if entry.returned > 0 {
                put(&mut messages, u64::from(entry.returned));
            }
        }
        if let Some((count, full)) = open {
            chunks.push((count, full.seal()));
        }
        let mut directory = Vec::new();
        put(&mut directory, chunks.len() as u64);
        for (count, chunk) in &chunks {
            let (data, large) = chunk.parts();
            put(&mut directory, *count);
            put(&mut directory, data.len() as u64);
            put(&mut directory, large.map_or(0, <[u8]>::len) as u64);
        }
        directory.append(&mut messages);
        let mut head = (directory.len() as u32).to_le_bytes().to_vec();
        head.append(&mut directory);
        Self {
            head,
            chunks: chunks.into_iter().map(|(_, chunk)| chunk).collect(),
        }
    }

    /// What to write, in order.
    pub fn parts(&self) -> Vec<&[u8]> {
        let mut parts = vec![&self.head[..]];
        for chunk in &self.chunks {
            let (data, large) = chunk.parts();
            parts.push(data);
            parts.extend(large);
        }
        parts
    }
}

/// The messages of an extent as slots; `None` when the bytes are not one.
pub fn read(bytes: &[u8]) -> Option<Vec<(u64, Slot)>> {
    let (length, rest) = bytes.split_first_chunk::<4>()?;
    let (mut directory, mut rest) = rest.split_at_checked(u32::from_le_bytes(*length) as usize)?;
    let count = take(&mut directory)?;
    let mut chunks = Vec::new();
    for _ in 0..count {
        let messages = take(&mut directory)?;
        let data = usize::try_from(take(&mut directory)?).ok()?;
        let large = usize::try_from(take(&mut directory)?).ok()?;
        let (own, others) = rest.split_at_checked(data)?;
        let (body, others) = others.split_at_checked(large)?;
        rest = others;
        let body = (large > 0).then(|| body.into());
        chunks.push((messages, SealedChunk::from_parts(own.to_vec(), body)));
    }
    let mut slots = Vec::new();
    let mut sequence = 0u64;
    for (messages, chunk) in chunks {
        let mut at = 0;
        for _ in 0..messages {
            sequence = sequence.wrapping_add(take(&mut directory)?);
            let ([flags, bits], others) = directory.split_first_chunk::<2>()?;
            directory = others;
            let expires = if bits & EXPIRES == 0 {
                u64::MAX
            } else {
                take(&mut directory)?
            };
            let returned = if bits & RETURNED == 0 {
                0
            } else {
                u32::try_from(take(&mut directory)?).ok()?
            };
            let message = chunk.message_at(at, *flags)?;
            at += message.place().bytes;
            let mut slot = Slot::ready(message, expires);
            slot.returned = returned;
            slot.redelivered = bits & REDELIVERED != 0;
            slots.push((sequence, slot));
        }
    }
    Some(slots)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entries() -> Vec<Entry> {
        let sizes = [
            10, 0, 70_000, 300, 20_000, 15_000, 15_000, 15_000, 15_000, 15_000, 5,
        ];
        sizes
            .iter()
            .enumerate()
            .map(|(number, len)| Entry {
                sequence: 1000 + 3 * number as u64,
                message: Message::from_parts(
                    b"\x01x\x01k",
                    &[0x10, 0, 1 + (number % 2) as u8],
                    &vec![number as u8; *len],
                    [&b"bcc"[..]].into_iter().filter(|_| number % 3 == 0),
                ),
                expires: if number % 2 == 0 { u64::MAX } else { 5_000_000 },
                returned: number as u32 / 4,
                redelivered: number % 4 == 3,
            })
            .collect()
    }

    #[test]
    fn an_extent_comes_back_as_it_was() {
        let entries = entries();
        let image = Image::of(&entries);
        let slots = read(&image.parts().concat()).expect("whole");
        assert_eq!(slots.len(), entries.len());
        for (entry, (sequence, slot)) in entries.iter().zip(slots) {
            let message = slot.message.expect("it is there");
            assert_eq!(entry.sequence, sequence);
            assert_eq!(entry.message.body(), message.body());
            assert_eq!(entry.message.names(), message.names());
            assert_eq!(entry.message.properties(), message.properties());
            assert!(entry.message.hidden_keys().eq(message.hidden_keys()));
            assert_eq!(entry.message.is_persistent(), message.is_persistent());
            assert_eq!(
                (entry.expires, entry.returned),
                (slot.expires, slot.returned)
            );
            assert_eq!(entry.redelivered, slot.redelivered);
        }
    }

    #[test]
    fn an_extent_that_is_cut_short_is_none() {
        let bytes = Image::of(&entries()[..3]).parts().concat();
        for cut in (0..bytes.len())
            .step_by(997)
            .chain([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10])
        {
            assert!(read(&bytes[..cut]).is_none(), "cut at {cut}");
        }
    }
}
