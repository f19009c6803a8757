//! Ids that were seen, in the order in which they came, each with a number (a time, or a place in a queue), to be found by id.
//!
//! The entries lie in blocks that never change once they are full, so that a checkpoint takes them along by reference; an
//! index of 32-bit entry numbers leads to them. Twenty-four bytes an entry and four to eight in the index: ten million ids
//! take less than 350 MiB. The index is a directory of small tables, of which one at a time is split when it is full, so that no
//! operation ever rebuilds the whole. Used under a queue's lock, in replay and in checkpoints; no I/O, no clock.

use std::collections::VecDeque;
use std::sync::Arc;

use super::varint::{put, take};

/// 128 bits that stand for a message's id: from a cryptographic hash, so that nobody makes two messages look like one.
pub type Id = u128;

/// Entries of one block.
const BLOCK: usize = 4096;
/// Slots of a table of the index at first.
const SLOTS: usize = 512;
/// Bits of an id that the directory looks at, at most; tables that are full beyond that grow.
const DEPTH_MAX: u32 = 20;
/// A slot without an entry.
const EMPTY: u32 = u32::MAX;
/// Most entries: their numbers must not meet in 32 bits.
pub const ENTRIES_MAX: usize = 1 << 31;

/// Set in the number of an entry that does not outlive the process; the largest number of all is none of those.
const PASSING: u64 = 1 << 63;

/// Two halves of the id, and the number. (A `u128` would be aligned to sixteen bytes.)
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Entry([u64; 3]);

impl Entry {
    fn new(id: Id, number: u64) -> Self {
        Self([id as u64, (id >> 64) as u64, number])
    }

    fn id(self) -> Id {
        Id::from(self.0[0]) | Id::from(self.0[1]) << 64
    }

    fn is_passing(self) -> bool {
        self.0[2] >= PASSING && self.0[2] != u64::MAX
    }

    fn number(self) -> u64 {
        if self.is_passing() {
            self.0[2] & !PASSING
        } else {
            self.0[2]
        }
    }

    /// What a checkpoint has of it: of one that does not outlive the process a number that lies behind all others.
    fn kept(self) -> u64 {
        if self.is_passing() { 0 } else { self.number() }
    }
}

/// See the module.
#[derive(Debug, Default)]
pub struct Seen {
    /// Full blocks; the first may have entries in front that are gone.
    blocks: VecDeque<Arc<[Entry]>>,
    /// The last entries, fewer than a block.
    tail: Vec<Entry>,
    /// Place of the oldest entry, counted since the beginning. That of the first block's first entry is a multiple of [`BLOCK`].
    first: u64,
    index: Index,
}

impl Seen {
    /// How many there are.
    pub fn len(&self) -> usize {
        let front = (self.first % BLOCK as u64) as usize;
        self.blocks.len() * BLOCK + self.tail.len() - front
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The number of the last entry with this id.
    pub fn find(&self, id: Id) -> Option<u64> {
        let place = self.index.find(id, |place| self.at(place).id() == id)?;
        Some(self.at(place).number())
    }

    /// One more, whose number is below 2^63 or the largest of all. At [`ENTRIES_MAX`] the oldest goes.
    pub fn push(&mut self, id: Id, number: u64) {
        self.append(id, if number < PASSING { number } else { u64::MAX });
    }

    /// One more that counts for nothing in checkpoints.
    pub fn push_passing(&mut self, id: Id, number: u64) {
        self.append(id, PASSING | number.min(PASSING - 2));
    }

    fn append(&mut self, id: Id, number: u64) {
        if self.len() >= ENTRIES_MAX {
            self.pop();
        }
        let place = self.end() as u32;
        self.tail.push(Entry::new(id, number));
        if self.tail.len() == BLOCK {
            let full: Arc<[Entry]> = std::mem::take(&mut self.tail).into();
            self.blocks.push_back(full);
        }
        let Self {
            blocks,
            tail,
            first,
            index,
        } = self;
        index.insert(id, place, |place| id_at(blocks, tail, *first, place));
    }

    /// All of them, oldest first.
    pub fn iter(&self) -> impl Iterator<Item = (Id, u64)> + '_ {
        (self.first..self.end()).map(|place| {
            let entry = self.at(place as u32);
            (entry.id(), entry.number())
        })
    }

    /// Number of the oldest.
    pub fn oldest(&self) -> Option<u64> {
        (!self.is_empty()).then(|| self.at(self.first as u32).number())
    }

    /// The oldest goes.
    pub fn pop(&mut self) {
        if self.is_empty() {
            return;
        }
        let place = self.first as u32;
        let Self {
            blocks,
            tail,
            first,
            index,
        } = self;
        let id = id_at(blocks, tail, *first, place);
        index.remove(id, place, |place| id_at(blocks, tail, *first, place));
        self.first += 1;
        if self.first.is_multiple_of(BLOCK as u64) {
            self.blocks.pop_front();
        }
        if self.is_empty() {
            // The index goes, too.
            *self = Self::default();
        }
    }

    /// All of them, oldest first, as they are now; cheap, whatever their number.
    pub fn snapshot(&self) -> Snapshot {
        Snapshot {
            skip: (self.first % BLOCK as u64) as usize,
            blocks: self.blocks.iter().cloned().collect(),
            tail: self.tail.clone(),
        }
    }

    /// Place behind the last.
    fn end(&self) -> u64 {
        self.first + self.len() as u64
    }

    fn at(&self, place: u32) -> Entry {
        at(&self.blocks, &self.tail, self.first, place)
    }
}

/// The entry at the place with these lower 32 bits.
fn at(blocks: &VecDeque<Arc<[Entry]>>, tail: &[Entry], first: u64, place: u32) -> Entry {
    let behind = place.wrapping_sub(first as u32) as usize;
    let from_block = (first % BLOCK as u64) as usize + behind;
    match blocks.get(from_block / BLOCK) {
        Some(block) => block[from_block % BLOCK],
        None => tail[from_block - blocks.len() * BLOCK],
    }
}

fn id_at(blocks: &VecDeque<Arc<[Entry]>>, tail: &[Entry], first: u64, place: u32) -> Id {
    at(blocks, tail, first, place).id()
}

/// One table of the index: open addressing, at most three quarters full.
#[derive(Debug)]
struct Table {
    slots: Box<[u32]>,
    used: usize,
    /// Bits of the id that all of its entries share.
    depth: u32,
}

impl Table {
    fn new(slots: usize, depth: u32) -> Self {
        Self {
            slots: vec![EMPTY; slots].into(),
            used: 0,
            depth,
        }
    }

    fn start(&self, id: Id) -> usize {
        id as usize & (self.slots.len() - 1)
    }

    fn put(&mut self, id: Id, place: u32) {
        let mask = self.slots.len() - 1;
        let mut at = self.start(id);
        while self.slots[at] != EMPTY {
            at = (at + 1) & mask;
        }
        self.slots[at] = place;
        self.used += 1;
    }

    fn slot(&self, id: Id, is: impl Fn(u32) -> bool) -> Option<usize> {
        let mask = self.slots.len() - 1;
        let mut at = self.start(id);
        loop {
            match self.slots[at] {
                EMPTY => return None,
                place if is(place) => return Some(at),
                _ => at = (at + 1) & mask,
            }
        }
    }

    /// Empties a slot; those behind it that it kept from their own move up.
    fn clear(&mut self, mut hole: usize, id_at: impl Fn(u32) -> Id) {
        let mask = self.slots.len() - 1;
        let mut at = hole;
        loop {
            at = (at + 1) & mask;
            let place = self.slots[at];
            if place == EMPTY {
                break;
            }
            let wanted = self.start(id_at(place));
            // Whether the hole lies between where it wants to be and where it is.
            if (at.wrapping_sub(wanted) & mask) >= (at.wrapping_sub(hole) & mask) {
                self.slots[hole] = place;
                hole = at;
            }
        }
        self.slots[hole] = EMPTY;
        self.used -= 1;
    }
}

/// Extendible hashing: upper bits of an id lead through the directory to a table.
#[derive(Debug, Default)]
struct Index {
    tables: Vec<Table>,
    /// As many as two to the power of `depth`; empty when there is no table.
    directory: Vec<u32>,
    depth: u32,
}

impl Index {
    fn table(&self, id: Id) -> usize {
        let upper = (id >> 64) as u64;
        let at = upper.checked_shr(64 - self.depth).unwrap_or(0);
        self.directory[at as usize] as usize
    }

    fn find(&self, id: Id, is: impl Fn(u32) -> bool) -> Option<u32> {
        if self.tables.is_empty() {
            return None;
        }
        let table = &self.tables[self.table(id)];
        table.slot(id, is).map(|at| table.slots[at])
    }

    /// Notes the place of an id; an earlier one of the same id is forgotten.
    fn insert(&mut self, id: Id, place: u32, id_at: impl Fn(u32) -> Id) {
        // This value means "empty": the id will not be found again, once in four billion.
        if place == EMPTY {
            return;
        }
        if self.tables.is_empty() {
            self.tables.push(Table::new(SLOTS, 0));
            self.directory.push(0);
        }
        loop {
            let number = self.table(id);
            let table = &mut self.tables[number];
            if let Some(at) = table.slot(id, |known| id_at(known) == id) {
                table.slots[at] = place;
                return;
            }
            if table.used < table.slots.len() / 4 * 3 {
                table.put(id, place);
                return;
            }
            self.split(number, &id_at);
        }
    }

    fn split(&mut self, number: usize, id_at: &impl Fn(u32) -> Id) {
        let depth = self.tables[number].depth;
        let size = self.tables[number].slots.len();
        if depth == DEPTH_MAX {
            let old = std::mem::replace(&mut self.tables[number], Table::new(size * 2, depth));
            for place in old.slots.into_iter().filter(|place| *place != EMPTY) {
                self.tables[number].put(id_at(place), place);
            }
            return;
        }
        if depth == self.depth {
            self.directory = self
                .directory
                .iter()
                .flat_map(|table| [*table, *table])
                .collect();
            self.depth += 1;
        }
        let new = self.tables.len();
        let old = std::mem::replace(&mut self.tables[number], Table::new(size, depth + 1));
        self.tables.push(Table::new(size, depth + 1));
        // Those whose next bit is set go to the new one.
        let bit = 1u64 << (63 - depth);
        let mut prefix = None;
        for place in old.slots.into_iter().filter(|place| *place != EMPTY) {
            let id = id_at(place);
            let upper = (id >> 64) as u64;
            prefix.get_or_insert(upper);
            let to = if upper & bit == 0 { number } else { new };
            self.tables[to].put(id, place);
        }
        let Some(prefix) = prefix else {
            return;
        };
        let span = 1usize << (self.depth - depth);
        let begin = prefix.checked_shr(64 - depth).unwrap_or(0) as usize * span;
        for entry in &mut self.directory[begin + span / 2..begin + span] {
            *entry = new as u32;
        }
    }

    /// Forgets the place of an id, unless it has a later one.
    fn remove(&mut self, id: Id, place: u32, id_at: impl Fn(u32) -> Id) {
        if self.tables.is_empty() {
            return;
        }
        let number = self.table(id);
        let table = &mut self.tables[number];
        if let Some(at) = table.slot(id, |known| known == place) {
            table.clear(at, id_at);
        }
    }
}

/// The entries of a [`Seen`] at one moment.
#[derive(Debug, Default)]
pub struct Snapshot {
    /// Entries of the first block that are gone.
    skip: usize,
    blocks: Vec<Arc<[Entry]>>,
    tail: Vec<Entry>,
}

impl Snapshot {
    /// Of entries that no [`Seen`] holds.
    pub fn of(entries: impl Iterator<Item = (Id, u64)>) -> Self {
        Self {
            tail: entries.map(|(id, number)| Entry::new(id, number)).collect(),
            ..Self::default()
        }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.blocks.len() * BLOCK + self.tail.len() - self.skip
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The bytes of a checkpoint, in pieces: all entries, oldest first, each as an id of sixteen bytes and a varint.
    pub fn pieces(&self) -> impl Iterator<Item = Vec<u8>> + '_ {
        let blocks = self.blocks.iter().map(|block| &block[..]);
        blocks
            .chain([&self.tail[..]])
            .enumerate()
            .map(|(place, entries)| {
                let skip = if place == 0 { self.skip } else { 0 };
                let mut piece = Vec::with_capacity(entries.len() * 23);
                for entry in &entries[skip..] {
                    write(&mut piece, entry.id(), entry.kept());
                }
                piece
            })
    }
}

/// Appends an entry as records and checkpoints have it.
pub fn write(out: &mut Vec<u8>, id: Id, number: u64) {
    out.extend_from_slice(&id.to_le_bytes());
    put(out, number);
}

/// Reads an entry.
pub fn read(rest: &mut &[u8]) -> Option<(Id, u64)> {
    let (id, others) = rest.split_first_chunk()?;
    *rest = others;
    Some((Id::from_le_bytes(*id), take(rest)?))
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;

    use super::*;

    /// An id as a hash would be.
    fn id(number: u64) -> Id {
        let mut mixed = Id::from(number).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835);
        mixed ^= mixed >> 61;
        mixed.wrapping_mul(0xbf58_476d_1ce4_e5b9_94d0_49bb_1331_11eb)
    }

    #[test]
    fn what_does_not_outlive_the_process_is_found_until_then() {
        let mut seen = Seen::default();
        seen.push_passing(id(1), 5000);
        seen.push_passing(id(2), u64::MAX);
        seen.push(id(3), 5000);
        seen.push(id(4), u64::MAX);
        let all: Vec<_> = (1..5).map(|number| seen.find(id(number))).collect();
        let forever = Some(u64::MAX >> 1);
        assert_eq!(all[0], Some(5000));
        assert!(all[1] >= forever.map(|number| number - 1), "{all:?}");
        assert_eq!(all[2..], [Some(5000), Some(u64::MAX)]);
        assert_eq!(seen.oldest(), Some(5000));
        let bytes: Vec<u8> = seen.snapshot().pieces().flatten().collect();
        let mut rest = &bytes[..];
        let kept = std::iter::from_fn(|| read(&mut rest)).map(|(_, number)| number);
        assert_eq!(kept.collect::<Vec<_>>(), [0, 0, 5000, u64::MAX]);
    }

    proptest! {
        #[test]
        fn it_is_a_queue_that_is_searched_by_id(
            steps in prop::collection::vec((0u8..4, 0u64..3000, 1usize..3000), 0..40)
        ) {
            let mut seen = Seen::default();
            let mut model: VecDeque<(u64, u64)> = VecDeque::new();
            let mut last: HashMap<u64, u64> = HashMap::new();
            let mut time = 0;
            for (step, from, count) in steps {
                for one in 0..count as u64 {
                    if step > 0 {
                        time += 1;
                        let number = from + one;
                        seen.push(id(number), time);
                        model.push_back((number, time));
                        last.insert(number, time);
                    } else {
                        seen.pop();
                        if let Some((number, time)) = model.pop_front()
                            && last.get(&number) == Some(&time)
                        {
                            last.remove(&number);
                        }
                    }
                }
                prop_assert_eq!(seen.len(), model.len());
                prop_assert_eq!(seen.oldest(), model.front().map(|(_, time)| *time));
                for number in (0..6000).step_by(7) {
                    prop_assert_eq!(seen.find(id(number)), last.get(&number).copied());
                }
            }
            let bytes: Vec<u8> = seen.snapshot().pieces().flatten().collect();
            let mut rest = bytes.as_slice();
            let read: Vec<_> = std::iter::from_fn(|| read(&mut rest)).collect();
            let expected: Vec<_> = model.iter().map(|(number, time)| (id(*number), *time)).collect();
            prop_assert_eq!(seen.snapshot().len(), expected.len());
            prop_assert_eq!(read, expected);
        }
    }

    #[test]
    fn ids_that_share_all_upper_bits_are_kept_as_well() {
        let mut seen = Seen::default();
        for number in 0..5000u64 {
            seen.push(Id::from(number * 3), number);
        }
        assert!((0..5000).all(|number| seen.find(Id::from(number * 3u64)) == Some(number)));
        for _ in 0..4999 {
            seen.pop();
        }
        assert_eq!(seen.find(Id::from(4999u64 * 3)), Some(4999));
        assert_eq!(seen.find(0), None);
    }

    /// "Deduplication window of 10 million ids: under 400 MiB", by what it holds.
    #[test]
    fn an_id_takes_less_than_forty_bytes() {
        let mut seen = Seen::default();
        let count = 400_000;
        for number in 0..count {
            seen.push(id(number), number);
        }
        let entries = seen.blocks.len() * BLOCK * 24 + seen.tail.capacity() * 24;
        let tables: usize = seen
            .index
            .tables
            .iter()
            .map(|t| t.slots.len() * 4 + 40)
            .sum();
        let bytes = entries + tables + seen.index.directory.len() * 4;
        assert!(
            bytes as u64 / count < 38,
            "{} bytes each",
            bytes as u64 / count
        );
    }
}
