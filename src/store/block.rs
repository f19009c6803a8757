//! What the bytes of a journal file mean, as pure functions: file header, block head, chunk head.
//!
//! ```text
//! file   0 magic u32 | 4 crc u32 of 8..64 | 8 version u16 | 10 zero u16 | 12 zero u32 | 16 number u64 | 24 base u64 |
//!        32 predecessor u64 | 40 created ms u64 | 48 durable u64 | 56 next append u64 | 64.. zeros up to 4096, then blocks
//! block  0 magic u32 | 4 crc u32 of 8..64 and of meta, seeded with file number and position | 8 version u16 | 10 flags u16 |
//!        12 meta bytes u32 | 16 file number u64 | 24 position u64 | 32 bodies bytes u64 | 40 first append u64 | 48 durable u64 |
//!        56 appends u32 | 60 zero u32 | 64 bodies (chunks) | meta: appends, each varint bytes + records; zeros up to a multiple of 8
//! chunk  0 data bytes u32 | 4 large bytes u32 | 8 crc u32 of content, then position u64 and both lengths | 12 magic u32 | data | large
//! ```
//!
//! All little-endian. A position is a byte of the journal: base of its file plus offset behind the file's header. `durable` is the
//! highest position that was known to be on disk when the bytes were written. Written by writer.rs, read by recovery and journal.

/// Bytes of a file's header.
pub const HEADER_BYTES: usize = 4096;
/// Bytes of a block's head.
pub const BLOCK_HEAD: usize = 64;
/// Bytes of a chunk's head.
pub const CHUNK_HEAD: usize = 16;
/// Blocks begin at multiples of this.
pub const ALIGN: u64 = 8;
/// Version of everything in a journal file.
pub const VERSION: u16 = 1;

/// Positions and numbers that are believed in, so that what is added to them never overflows: a GiB a second reaches it after a
/// century.
pub const NUMBER_MAX: u64 = 1 << 62;

/// Whether a block can begin at this position.
pub fn is_block_position(position: u64) -> bool {
    (ALIGN..=NUMBER_MAX).contains(&position) && position.is_multiple_of(ALIGN)
}

const FILE_MAGIC: u32 = 0x4A56_454C;
const BLOCK_MAGIC: u32 = 0x4B4C_424C;
const CHUNK_MAGIC: u32 = 0x4B48_434C;

fn u16_at(bytes: &[u8], at: usize) -> u16 {
    bytes
        .get(at..at + 2)
        .and_then(|part| part.try_into().ok())
        .map_or(0, u16::from_le_bytes)
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    bytes
        .get(at..at + 4)
        .and_then(|part| part.try_into().ok())
        .map_or(0, u32::from_le_bytes)
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    bytes
        .get(at..at + 8)
        .and_then(|part| part.try_into().ok())
        .map_or(0, u64::from_le_bytes)
}

/// A journal file's header.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FileHeader {
    /// Number of the file, never reused.
    pub number: u64,
    /// Position of its first block.
    pub base: u64,
    /// Number of the file before it; 0 for the first.
    pub predecessor: u64,
    /// When it was begun, milliseconds since the epoch.
    pub created_ms: u64,
    /// Highest position known to be on disk then.
    pub durable: u64,
    /// Number of the first append in it, if it has any.
    pub next_append: u64,
}

/// What a header can be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HeaderError {
    /// Not a header, or a damaged one.
    Bad,
    /// Of a later version of Leveret.
    Newer(u16),
}

impl FileHeader {
    /// The header's bytes; the rest up to [`HEADER_BYTES`] is zero.
    pub fn encode(&self) -> [u8; 64] {
        let mut bytes = [0; 64];
        bytes[..4].copy_from_slice(&FILE_MAGIC.to_le_bytes());
        bytes[8..10].copy_from_slice(&VERSION.to_le_bytes());
        for (at, value) in [
            (16, self.number),
            (24, self.base),
            (32, self.predecessor),
            (40, self.created_ms),
            (48, self.durable),
            (56, self.next_append),
        ] {
            bytes[at..at + 8].copy_from_slice(&value.to_le_bytes());
        }
        let crc = crc32c::crc32c(&bytes[8..]);
        bytes[4..8].copy_from_slice(&crc.to_le_bytes());
        bytes
    }

    /// Reads a header.
    pub fn decode(bytes: &[u8]) -> Result<Self, HeaderError> {
        if bytes.len() < 64
            || u32_at(bytes, 0) != FILE_MAGIC
            || u32_at(bytes, 4) != crc32c::crc32c(&bytes[8..64])
        {
            return Err(HeaderError::Bad);
        }
        let version = u16_at(bytes, 8);
        if version > VERSION {
            return Err(HeaderError::Newer(version));
        }
        Ok(Self {
            number: u64_at(bytes, 16),
            base: u64_at(bytes, 24),
            predecessor: u64_at(bytes, 32),
            created_ms: u64_at(bytes, 40),
            durable: u64_at(bytes, 48),
            next_append: u64_at(bytes, 56),
        })
    }
}

/// A block's head.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BlockHead {
    /// Number of its file.
    pub number: u64,
    /// Position of its first byte.
    pub position: u64,
    /// Bytes of its bodies section.
    pub bodies: u64,
    /// Bytes of its meta section, padding included.
    pub meta: u32,
    /// Number of its first append.
    pub first_append: u64,
    /// How many appends it has.
    pub appends: u32,
    /// Highest position known to be on disk when it was written.
    pub durable: u64,
}

impl BlockHead {
    /// Position behind the block.
    pub fn end(&self) -> u64 {
        self.position
            .saturating_add(BLOCK_HEAD as u64)
            .saturating_add(self.bodies)
            .saturating_add(u64::from(self.meta))
    }

    /// The head's bytes for this meta section.
    pub fn encode(&self, meta: &[u8]) -> [u8; BLOCK_HEAD] {
        let mut bytes = [0; BLOCK_HEAD];
        bytes[..4].copy_from_slice(&BLOCK_MAGIC.to_le_bytes());
        bytes[8..10].copy_from_slice(&VERSION.to_le_bytes());
        bytes[12..16].copy_from_slice(&self.meta.to_le_bytes());
        for (at, value) in [
            (16, self.number),
            (24, self.position),
            (32, self.bodies),
            (40, self.first_append),
            (48, self.durable),
        ] {
            bytes[at..at + 8].copy_from_slice(&value.to_le_bytes());
        }
        bytes[56..60].copy_from_slice(&self.appends.to_le_bytes());
        let crc = self.crc(&bytes, meta);
        bytes[4..8].copy_from_slice(&crc.to_le_bytes());
        bytes
    }

    fn crc(&self, head: &[u8], meta: &[u8]) -> u32 {
        let crc = crc32c::crc32c(&self.number.to_le_bytes());
        let crc = crc32c::crc32c_append(crc, &self.position.to_le_bytes());
        let crc = crc32c::crc32c_append(crc, &head[8..]);
        crc32c::crc32c_append(crc, meta)
    }

    /// The position that bytes say they have if they are a head at all; 0 when there are too few.
    pub fn claimed_position(bytes: &[u8]) -> u64 {
        u64_at(bytes, 24)
    }

    /// Reads a head that should be that of the block at `position` of file `number`; whether it is sound only
    /// [`checks`](Self::checks) tells.
    pub fn decode(bytes: &[u8], number: u64, position: u64) -> Option<Self> {
        if bytes.len() < BLOCK_HEAD || u32_at(bytes, 0) != BLOCK_MAGIC {
            return None;
        }
        let head = Self {
            number: u64_at(bytes, 16),
            position: u64_at(bytes, 24),
            bodies: u64_at(bytes, 32),
            meta: u32_at(bytes, 12),
            first_append: u64_at(bytes, 40),
            appends: u32_at(bytes, 56),
            durable: u64_at(bytes, 48),
        };
        (head.number == number && head.position == position && u16_at(bytes, 8) == VERSION)
            .then_some(head)
    }

    /// Whether head and meta section are what was written.
    pub fn checks(&self, head: &[u8], meta: &[u8]) -> bool {
        head.len() >= BLOCK_HEAD
            && meta.len() == self.meta as usize
            && u32_at(head, 4) == self.crc(&head[..BLOCK_HEAD], meta)
    }
}

/// A chunk's head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChunkHead {
    /// Bytes of the chunk's shared part.
    pub data: u32,
    /// Bytes of its large body.
    pub large: u32,
    crc: u32,
}

impl ChunkHead {
    /// A head for content with this checksum at `position`.
    pub fn new(content_crc: u32, position: u64, data: u32, large: u32) -> Self {
        Self {
            data,
            large,
            crc: Self::seal(content_crc, position, data, large),
        }
    }

    fn seal(content_crc: u32, position: u64, data: u32, large: u32) -> u32 {
        let mut tail = [0; 16];
        tail[..8].copy_from_slice(&position.to_le_bytes());
        tail[8..12].copy_from_slice(&data.to_le_bytes());
        tail[12..].copy_from_slice(&large.to_le_bytes());
        crc32c::crc32c_append(content_crc, &tail)
    }

    /// Bytes of the chunk on disk, head included.
    pub fn length(&self) -> u64 {
        CHUNK_HEAD as u64 + u64::from(self.data) + u64::from(self.large)
    }

    /// Its bytes.
    pub fn encode(&self) -> [u8; CHUNK_HEAD] {
        let mut bytes = [0; CHUNK_HEAD];
        for (at, value) in [self.data, self.large, self.crc, CHUNK_MAGIC]
            .into_iter()
            .enumerate()
        {
            bytes[at * 4..at * 4 + 4].copy_from_slice(&value.to_le_bytes());
        }
        bytes
    }

    /// Reads a head.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        (bytes.len() >= CHUNK_HEAD && u32_at(bytes, 12) == CHUNK_MAGIC).then(|| Self {
            data: u32_at(bytes, 0),
            large: u32_at(bytes, 4),
            crc: u32_at(bytes, 8),
        })
    }

    /// Whether `content` (shared part, then large body) is what was written at `position`.
    pub fn checks(&self, content: &[u8], position: u64) -> bool {
        content.len() as u64 + CHUNK_HEAD as u64 == self.length()
            && self.crc == Self::seal(crc32c::crc32c(content), position, self.data, self.large)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Little-endian numbers of so many bytes.
    fn numbers(numbers: &[(u64, usize)]) -> Vec<u8> {
        let bytes = numbers
            .iter()
            .flat_map(|(number, length)| number.to_le_bytes().into_iter().take(*length));
        bytes.collect()
    }

    /// The format is on disks: these bytes never change.
    #[test]
    fn the_bytes_of_a_file_header() {
        let header = FileHeader {
            number: 3,
            base: 4096,
            predecessor: 2,
            created_ms: 1000,
            durable: 4000,
            next_append: 77,
        };
        let mut expected = b"LEVJ\0\0\0\0".to_vec();
        expected.extend(numbers(&[(1, 2), (0, 6), (3, 8), (4096, 8), (2, 8)]));
        expected.extend(numbers(&[(1000, 8), (4000, 8), (77, 8)]));
        expected[4..8].copy_from_slice(&0x0B13_6A2F_u32.to_le_bytes());
        assert_eq!(header.encode().as_slice(), expected);
        assert_eq!(FileHeader::decode(&expected), Ok(header));
        expected[8] = 2;
        let crc = crc32c::crc32c(&expected[8..]);
        expected[4..8].copy_from_slice(&crc.to_le_bytes());
        assert_eq!(FileHeader::decode(&expected), Err(HeaderError::Newer(2)));
        expected[9] = 1;
        assert_eq!(FileHeader::decode(&expected), Err(HeaderError::Bad));
    }

    #[test]
    fn the_bytes_of_a_block_head() {
        let head = BlockHead {
            number: 3,
            position: 4096,
            bodies: 200,
            meta: 8,
            first_append: 77,
            appends: 2,
            durable: 4000,
        };
        let meta = [1, 9, 0, 0, 0, 0, 0, 0];
        let mut expected = b"LBLK\0\0\0\0".to_vec();
        expected.extend(numbers(&[(1, 2), (0, 2), (8, 4), (3, 8), (4096, 8)]));
        expected.extend(numbers(&[(200, 8), (77, 8), (4000, 8), (2, 4), (0, 4)]));
        // The CRC-32C of file number, position, the head from here on and the records.
        expected[4..8].copy_from_slice(&0x4F9F_D26A_u32.to_le_bytes());
        assert_eq!(head.encode(&meta).as_slice(), expected);
        assert_eq!(BlockHead::decode(&expected, 3, 4096), Some(head));
        assert_eq!(BlockHead::decode(&expected, 4, 4096), None);
        assert_eq!(BlockHead::decode(&expected, 3, 4104), None);
        assert!(head.checks(&expected, &meta) && !head.checks(&expected, &meta[1..]));
        assert_eq!(head.end(), 4096 + 64 + 200 + 8);
    }

    #[test]
    fn the_bytes_of_a_chunk_head() {
        let content = b"shared and large";
        let head = ChunkHead::new(crc32c::crc32c(content), 4160, 10, 6);
        // The CRC-32C of content, position and both lengths.
        let mut expected = numbers(&[(10, 4), (6, 4), (0x3C0A_ACC8, 4)]);
        expected.extend_from_slice(b"LCHK");
        assert_eq!(head.encode().as_slice(), expected);
        assert_eq!(ChunkHead::decode(&expected), Some(head));
        assert!(head.checks(content, 4160) && !head.checks(content, 4168));
        assert_eq!(head.length(), 32);
    }
}
