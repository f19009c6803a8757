//! SipHash-2-4 with 128 bits and the key zero: what an id is on disk, so it never changes. (Who can choose ids can send the
//! very id of another, so nothing is won by making two of them meet.)

use crate::store::seen::Id;

struct State([u64; 4]);

impl State {
    fn round(&mut self) {
        let [a, b, c, d] = &mut self.0;
        *a = a.wrapping_add(*b);
        *b = b.rotate_left(13) ^ *a;
        *a = a.rotate_left(32);
        *c = c.wrapping_add(*d);
        *d = d.rotate_left(16) ^ *c;
        *a = a.wrapping_add(*d);
        *d = d.rotate_left(21) ^ *a;
        *c = c.wrapping_add(*b);
        *b = b.rotate_left(17) ^ *c;
        *c = c.rotate_left(32);
    }

    fn take(&mut self, word: u64) {
        self.0[3] ^= word;
        self.round();
        self.round();
        self.0[0] ^= word;
    }

    fn half(&mut self) -> u64 {
        for _ in 0..4 {
            self.round();
        }
        self.0[0] ^ self.0[1] ^ self.0[2] ^ self.0[3]
    }
}

/// Of bytes, behind a key of two words.
fn siphash(key: [u64; 2], bytes: &[u8]) -> Id {
    let mut state = State([
        key[0] ^ 0x736f_6d65_7073_6575,
        key[1] ^ 0x646f_7261_6e64_6f6d ^ 0xee,
        key[0] ^ 0x6c79_6765_6e65_7261,
        key[1] ^ 0x7465_6462_7974_6573,
    ]);
    let (words, rest) = bytes.as_chunks::<8>();
    for word in words {
        state.take(u64::from_le_bytes(*word));
    }
    let mut last = [0; 8];
    last[..rest.len()].copy_from_slice(rest);
    last[7] = bytes.len() as u8;
    state.take(u64::from_le_bytes(last));
    state.0[2] ^= 0xee;
    let low = state.half();
    state.0[1] ^= 0xdd;
    let high = state.half();
    Id::from(low) | Id::from(high) << 64
}

/// The id of bytes of a kind.
pub(super) fn id(kind: u8, bytes: &[u8]) -> Id {
    siphash([0, u64::from(kind)], bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The first and the sixteenth of the reference's test vectors: key 00 01 .. 0f, input 00 01 ...
    #[test]
    fn it_is_siphash() {
        let key = [0x0706_0504_0302_0100, 0x0f0e_0d0c_0b0a_0908];
        let expected = 0x9302_55c7_1472_f66d_e6a8_25ba_047f_81a3_u128;
        assert_eq!(siphash(key, b""), expected);
        let input: Vec<u8> = (0..15).collect();
        let bytes = siphash(key, &input).to_le_bytes();
        assert_eq!(
            bytes,
            [
                0x54, 0x93, 0xe9, 0x99, 0x33, 0xb0, 0xa8, 0x11, 0x7e, 0x08, 0xec, 0x0f, 0x97, 0xcf,
                0xc3, 0xd9
            ]
        );
    }

    #[test]
    fn kinds_differ() {
        assert_ne!(id(0, b"1"), id(1, b"1"));
    }
}
