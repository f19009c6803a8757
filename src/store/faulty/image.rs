//! What one file of a [`FaultyDisk`](super::FaultyDisk) shows, what of it would survive a power loss, and the writes in between.

use super::Random;

/// Bytes of a page; pages nobody wrote take no memory.
const PAGE: usize = 4096;
/// What a disk writes whole or not at all, most of the time.
const SECTOR: usize = 512;

/// Bytes with holes that read as zeros.
#[derive(Clone, Default)]
pub(super) struct Sparse {
    pages: Vec<Option<Box<[u8; PAGE]>>>,
    len: u64,
}

impl Sparse {
    pub(super) fn len(&self) -> u64 {
        self.len
    }

    /// Longer, with zeros; never shorter.
    pub(super) fn grow(&mut self, len: u64) {
        self.len = self.len.max(len);
    }

    pub(super) fn read(&self, buffer: &mut [u8], at: u64) -> usize {
        let count = self.len.saturating_sub(at).min(buffer.len() as u64) as usize;
        for (page, within, part) in pieces(at, count) {
            let to = &mut buffer[part.clone()];
            match self.pages.get(page) {
                Some(Some(page)) => to.copy_from_slice(&page[within..within + part.len()]),
                _ => to.fill(0),
            }
        }
        count
    }

    pub(super) fn write(&mut self, bytes: &[u8], at: u64) {
        for (page, within, part) in pieces(at, bytes.len()) {
            let from = &bytes[part];
            if self.pages.len() <= page {
                self.pages.resize_with(page + 1, || None);
            }
            let slot = &mut self.pages[page];
            if slot.is_none() && from.iter().all(|byte| *byte == 0) {
                continue;
            }
            let page = slot.get_or_insert_with(|| Box::new([0; PAGE]));
            page[within..within + from.len()].copy_from_slice(from);
        }
        self.grow(at + bytes.len() as u64);
    }
}

/// The pages that `count` bytes from `at` touch: page, offset in it, and which of the bytes.
fn pieces(at: u64, count: usize) -> impl Iterator<Item = (usize, usize, std::ops::Range<usize>)> {
    let mut done = 0;
    std::iter::from_fn(move || {
        let from = at + done as u64;
        let within = (from % PAGE as u64) as usize;
        let part = (count - done).min(PAGE - within);
        let range = done..done + part;
        done += part;
        (part > 0).then_some(((from / PAGE as u64) as usize, within, range))
    })
}

/// One file's bytes.
#[derive(Clone, Default)]
pub(super) struct Image {
    /// What a read shows.
    pub(super) seen: Sparse,
    /// What a power loss leaves at least.
    safe: Sparse,
    /// Writes since the last sync, in order; an empty one grows the file to its place.
    unsynced: Vec<(u64, Vec<u8>)>,
    /// Reads show what is on no disk and will not be.
    hides: bool,
}

impl Image {
    pub(super) fn write(&mut self, bytes: Vec<u8>, at: u64) {
        self.seen.write(&bytes, at);
        self.unsynced.push((at, bytes));
    }

    pub(super) fn grow(&mut self, len: u64) {
        if len > self.seen.len() {
            self.write(Vec::new(), len);
        }
    }

    pub(super) fn is_synced(&self) -> bool {
        self.unsynced.is_empty()
    }

    pub(super) fn sync(&mut self) {
        for (at, bytes) in self.unsynced.drain(..) {
            self.safe.write(&bytes, at);
        }
    }

    /// A sync has failed: some of what was to be synced is not tried again, while reads go on showing it for now or, as on other
    /// file systems, do not.
    pub(super) fn sync_failed(&mut self, random: &mut Random) {
        let (all, none) = (random.chance(40), random.chance(20));
        self.unsynced
            .retain(|_| !all && (none || random.chance(50)));
        self.hides = true;
        if random.chance(30) {
            self.show_what_is();
        }
    }

    /// Reads do not show any more what a failed sync has lost.
    pub(super) fn show_what_is(&mut self) {
        if !std::mem::take(&mut self.hides) {
            return;
        }
        let mut seen = self.safe.clone();
        for (at, bytes) in &self.unsynced {
            seen.write(bytes, *at);
        }
        // The length is kept by the file system's own books.
        seen.grow(self.seen.len());
        self.seen = seen;
    }

    /// What a power loss leaves: of the unsynced writes any part, also of later ones without earlier ones.
    pub(super) fn crash(&self, random: &mut Random) -> Self {
        let mut left = self.safe.clone();
        let longest = self.seen.len();
        // Mostly little is lost or much, now and then each write on its own.
        let kept = [0, 10, 50, 90, 100][random.below(5)];
        for (at, bytes) in &self.unsynced {
            if random.chance(kept) {
                if random.chance(75) {
                    left.write(bytes, *at);
                } else {
                    tear(&mut left, bytes, *at, random);
                }
            }
        }
        // Blocks were allocated and the length written, the data not yet.
        if random.chance(30) {
            let some = random.below((longest - left.len()).min(1 << 40) as usize + 1) as u64;
            left.grow(left.len() + some);
        }
        Self {
            seen: left.clone(),
            safe: left,
            unsynced: Vec::new(),
            hides: false,
        }
    }

    /// Changes one bit of what is on the disk.
    pub(super) fn flip(&mut self, at: u64, bit: u8) {
        for image in [&mut self.seen, &mut self.safe] {
            let mut byte = [0];
            if image.read(&mut byte, at) == 1 {
                image.write(&[byte[0] ^ (1 << (bit % 8))], at);
            }
        }
    }
}

/// Writes a part of `bytes`.
fn tear(left: &mut Sparse, bytes: &[u8], at: u64, random: &mut Random) {
    let end = bytes.len();
    let cut = random.below(end + 1);
    match random.below(5) {
        0 => left.write(&bytes[..cut], at),
        1 => left.write(&bytes[cut..], at + cut as u64),
        2 => {
            let to = cut + random.below(end - cut + 1);
            left.write(&bytes[cut..to], at + cut as u64);
        }
        // Junk where the head was when the power went.
        3 => {
            let junk: Vec<u8> = (cut..end.min(cut + SECTOR))
                .map(|_| random.below(256) as u8)
                .collect();
            left.write(&bytes[..cut], at);
            left.write(&junk, at + cut as u64);
        }
        _ => {
            let mut from = 0;
            while from < end {
                // Sectors are aligned in the file.
                let to = end.min(from + SECTOR - (at as usize + from) % SECTOR);
                if random.chance(50) {
                    left.write(&bytes[from..to], at + from as u64);
                }
                from = to;
            }
        }
    }
}
