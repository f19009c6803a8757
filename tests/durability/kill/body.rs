//! What is published: a message that follows from its number, so that each byte of it can be checked wherever it turns up.

/// A message: the number of its stream in the upper half, its number in the stream in the lower one.
pub type Id = u64;

/// Bytes in front of the filler: id and checksum.
const HEAD: usize = 12;

/// A small generator (splitmix64): seeds, sizes, filler.
pub struct Random(pub u64);

impl Random {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// One of `0..end`.
    pub fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    /// True once in `times`.
    pub fn once_in(&mut self, times: u64) -> bool {
        self.below(times) == 0
    }
}

pub fn stream(id: Id) -> u32 {
    (id >> 32) as u32
}

pub fn name(id: Id) -> String {
    format!("{}-{}", id >> 32, id as u32)
}

/// The body of a message: mostly small, some of a few KiB, few large.
pub fn make(id: Id) -> Vec<u8> {
    let mut random = Random(id);
    let size = match random.below(1000) {
        0..900 => random.below(200),
        900..995 => random.below(8 << 10),
        _ => random.below(300 << 10),
    };
    let mut body = id.to_be_bytes().to_vec();
    body.extend_from_slice(&[0; 4]);
    while body.len() < HEAD + size as usize {
        body.extend_from_slice(&random.next().to_be_bytes());
    }
    body.truncate(HEAD + size as usize);
    let sum = crc32c::crc32c_append(crc32c::crc32c(&body[..8]), &body[HEAD..]);
    body[8..HEAD].copy_from_slice(&sum.to_be_bytes());
    body
}

/// The id of a body that is exactly what was published.
pub fn check(body: &[u8]) -> Result<Id, String> {
    let Some(head) = body.first_chunk::<8>() else {
        return Err(format!("a body of {} bytes", body.len()));
    };
    let id = u64::from_be_bytes(*head);
    let want = make(id);
    if body == want {
        return Ok(id);
    }
    let at = body.iter().zip(&want).position(|(got, want)| got != want);
    Err(format!(
        "the body that begins with the id {} has {} bytes of {}, the first wrong one is at {at:?}",
        name(id),
        body.len(),
        want.len()
    ))
}
