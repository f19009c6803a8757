//! Numbers that stay the same over restarts, for the kinds that hash: of bytes, of two numbers, and of what is bound.

/// What a binding can lead to, by a number that depends on its name alone. So a message with a given key still goes where
/// it went, after a restart and after a target was deleted and declared again.
pub trait Stable {
    /// The number; of two targets it may be the same, which is no more than bad luck.
    fn stable(&self) -> u64;
}

/// Of bytes: FNV-1a, its bits spread once more since the last bytes of short keys hardly reach the upper ones.
pub fn hash(bytes: &[u8]) -> u64 {
    let fnv = bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
    });
    spread(fnv)
}

/// Every bit of the number decides about every bit of the answer (the end of splitmix64).
pub fn spread(mut number: u64) -> u64 {
    number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ (number >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    impl Stable for u8 {
        fn stable(&self) -> u64 {
            hash(&[*self])
        }
    }

    impl Stable for u32 {
        fn stable(&self) -> u64 {
            hash(&self.to_le_bytes())
        }
    }

    impl Stable for &str {
        fn stable(&self) -> u64 {
            hash(self.as_bytes())
        }
    }

    #[test]
    fn the_numbers_are_the_same_in_every_release() {
        // Another one would send every message to another queue than before the update.
        assert_eq!(hash(b""), 0xf52a_15e9_a9b5_e89b);
        assert_eq!(hash(b"orders"), 0x4598_7d0b_68fc_7229);
    }
}
