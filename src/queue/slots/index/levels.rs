//! Ready messages by level, and in each by number. A level is a sparse set of bits: a busy one costs a bit or two a message.

use std::collections::BTreeMap;

/// Numbers of a block.
const BLOCK: u64 = 64;

#[derive(Default)]
struct Level(BTreeMap<u64, u64>);

impl Level {
    fn first(&self) -> Option<u64> {
        let (block, bits) = self.0.first_key_value()?;
        Some(block * BLOCK + u64::from(bits.trailing_zeros()))
    }

    fn each(&self) -> impl Iterator<Item = u64> + '_ {
        self.0.iter().flat_map(|(block, bits)| {
            let (base, bits) = (block * BLOCK, *bits);
            (0..BLOCK)
                .filter(move |bit| bits >> bit & 1 == 1)
                .map(move |bit| base + bit)
        })
    }
}

/// See the module.
#[derive(Default)]
pub struct Levels {
    /// From 0 to the highest that was ever used.
    levels: Vec<Level>,
    /// Which of them have messages.
    used: [u64; 4],
}

impl Levels {
    pub fn insert(&mut self, level: u8, sequence: u64) {
        let at = usize::from(level);
        if self.levels.len() <= at {
            self.levels.resize_with(at + 1, Level::default);
        }
        *self.levels[at].0.entry(sequence / BLOCK).or_default() |= 1 << (sequence % BLOCK);
        self.used[at / 64] |= 1 << (at % 64);
    }

    pub fn remove(&mut self, level: u8, sequence: u64) {
        let at = usize::from(level);
        let Some(messages) = self.levels.get_mut(at) else {
            return;
        };
        if let Some(bits) = messages.0.get_mut(&(sequence / BLOCK)) {
            *bits &= !(1 << (sequence % BLOCK));
            if *bits == 0 {
                messages.0.remove(&(sequence / BLOCK));
            }
        }
        if messages.0.is_empty() {
            self.used[at / 64] &= !(1 << (at % 64));
        }
    }

    /// The first message of the highest level.
    #[inline]
    pub fn first(&self) -> Option<u64> {
        self.heads().next()
    }

    /// The first message of each level, the highest first.
    pub fn heads(&self) -> impl Iterator<Item = u64> + '_ {
        self.used().filter_map(|level| self.levels[level].first())
    }

    /// All messages in order.
    pub fn each(&self) -> impl Iterator<Item = u64> + '_ {
        self.used().flat_map(|level| self.levels[level].each())
    }

    /// Levels with messages, the highest first.
    fn used(&self) -> impl Iterator<Item = usize> + '_ {
        self.used.iter().enumerate().rev().flat_map(|(word, bits)| {
            let mut bits = *bits;
            std::iter::from_fn(move || {
                let top = bits.checked_ilog2()? as usize;
                bits &= !(1 << top);
                Some(word * 64 + top)
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_highest_level_comes_first_and_in_each_the_oldest() {
        let mut levels = Levels::default();
        for (level, sequence) in [(0, 1), (255, 70), (64, 3), (255, 2), (63, 4), (0, 1000)] {
            levels.insert(level, sequence);
        }
        assert!(levels.each().eq([2, 70, 3, 4, 1, 1000]));
        assert!(levels.heads().eq([2, 3, 4, 1]));
        levels.remove(255, 2);
        levels.remove(255, 70);
        levels.remove(7, 1);
        assert_eq!(levels.first(), Some(3));
    }
}
