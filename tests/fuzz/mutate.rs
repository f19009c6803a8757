//! Small random changes to known inputs, the same ones for the same seed.

/// Values that parsers trip over: lengths, signs, ends, the octets that mean something in AMQP.
const TELLING: [u8; 20] = [
    0, 1, 2, 3, 4, 7, 8, 0x7f, 0x80, 0xce, 0xff, 0xfe, b'A', b'F', b'S', b'V', b'l', b't', 60, 10,
];

/// Longest input that a mutation may grow to, in bytes.
const LENGTH_MAX: usize = 16 * 1024;

/// One changed input, made of one or two of the corpus.
pub fn mutant(corpus: &[(String, Vec<u8>)], seed: u64) -> Vec<u8> {
    let mut random = Random::new(seed);
    let mut data = corpus[random.below(corpus.len())].1.clone();
    for _ in 0..=random.below(8) {
        change(&mut data, corpus, &mut random);
    }
    data.truncate(LENGTH_MAX);
    data
}

fn change(data: &mut Vec<u8>, corpus: &[(String, Vec<u8>)], random: &mut Random) {
    let at = random.below(data.len() + 1);
    let length = random.below(data.len() - at + 1).min(1 << random.below(12));
    match random.below(8) {
        0 if at < data.len() => data[at] ^= 1 << random.below(8),
        1 if at < data.len() => data[at] = TELLING[random.below(TELLING.len())],
        2 if at < data.len() => {
            data[at] = data[at].wrapping_add(random.below(5) as u8).wrapping_sub(2)
        }
        3 => data.insert(at, TELLING[random.below(TELLING.len())]),
        4 => drop(data.drain(at..at + length)),
        5 => {
            let copy = data[at..at + length].to_vec();
            let to = random.below(data.len() + 1);
            data.splice(to..to, copy);
        }
        6 => {
            let other = &corpus[random.below(corpus.len())].1;
            let from = random.below(other.len() + 1);
            data.truncate(at);
            data.extend_from_slice(&other[from..]);
        }
        _ => {
            // A length that is too great or too small by a little, or by a lot.
            let number = (length as u32)
                .wrapping_add(random.below(3) as u32)
                .wrapping_sub(1);
            for (octet, byte) in data.iter_mut().skip(at).zip(number.to_be_bytes()) {
                *octet = byte;
            }
        }
    }
}

/// SplitMix64: small, and good enough to choose bytes.
struct Random(u64);

impl Random {
    fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// Below `bound`, which is not 0.
    fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }
}
