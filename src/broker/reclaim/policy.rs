//! Which files are worth work, decided from counts alone. Pure; time comes in.
//!
//! The counts come from a census of the queues' ledgers (`census.rs`), a walk through memory. It counts *placements*: a message
//! in ten queues counts ten times, so bytes shared by queues are overestimated. A file is therefore suspected also when half of
//! the placements that it once had are gone; before anything is copied the compaction looks at the bodies themselves and may
//! [reject](FileFacts::compacted) it.
//!
//! # Why compaction costs no more than one more write of everything
//!
//! A file is compacted when less than half of it is live, so whatever is copied frees more than its own size. All that is ever
//! freed was published once: copies are at most as much as what was published, for any mix.

use std::collections::BTreeMap;

use crate::store::ledger::Piece;

/// A file is suspected when less than one in this many of its bytes or of its placements is live.
const SPARSE: u64 = 2;

/// A file that keeps losing messages dies by itself soon: it is calm when it lost less than one in this many of what was live.
const CALM: u64 = 8;

/// Bytes that a message takes on disk beside its body: names, frames, a few properties, its share of placement and block.
const MESSAGE_BYTES: u64 = 48;

/// A rejected file is looked at again when it has lost one in this many of the placements that it had then.
const REJECTED: u64 = 4;

/// When work is worth it.
#[derive(Clone, Copy, Debug)]
pub struct Policy {
    /// How long a sparse file must have been calm when there is little to gain, milliseconds.
    pub patience_ms: u64,
    /// How long when there is much to gain, milliseconds.
    pub calm_ms: u64,
    /// Dead bytes in sparse files that are much to gain.
    pub gain_bytes: u64,
    /// Dead bytes in sparse files beyond which nothing is waited for, unless there is twice as much alive: the disk holds two to
    /// three times what is live, as the files that are not sparse are half dead at worst, and this.
    pub pressure_bytes: u64,
    /// A census, which walks through all ledgers, comes no sooner after the last one, milliseconds.
    pub census_ms: u64,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            patience_ms: 60_000,
            calm_ms: 10_000,
            // Two files of the usual size.
            gain_bytes: 64 << 20,
            pressure_bytes: 512 << 20,
            census_ms: 2000,
        }
    }
}

impl Policy {
    /// Whatever can be done is done at once: for tests and the simulator, whose files are small and whose time is short.
    pub fn eager() -> Self {
        Self {
            patience_ms: 0,
            calm_ms: 0,
            gain_bytes: 0,
            pressure_bytes: 0,
            census_ms: 0,
        }
    }
}

/// What a census counts in one file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Live messages, each once for every queue that has it.
    pub placements: u64,
    /// Their bytes on disk, more or less.
    pub bytes: u64,
}

impl Tally {
    /// Counts a piece of a queue's ledger.
    pub fn add(&mut self, piece: &Piece) {
        let live = u64::from(piece.live);
        let bodies = u64::from(piece.run.bodies) * live / u64::from(piece.run.count.max(1));
        self.placements += live;
        self.bytes += (bodies + MESSAGE_BYTES * live).min(piece.run.length.into());
    }
}

/// What is known of one sealed file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FileFacts {
    /// Position of its first block.
    pub base: u64,
    /// Position behind its last block.
    pub end: u64,
    /// What the last census counted.
    tally: Tally,
    /// The most placements that a census has counted.
    most: u64,
    /// Live placements when it was last found to be losing messages, and when that was.
    calm: Option<(u64, u64)>,
    /// Live placements when a closer look said that it is not sparse.
    rejected: Option<u64>,
}

impl FileFacts {
    /// A file that was sealed since the last census.
    pub fn new(base: u64, end: u64) -> Self {
        Self {
            base,
            end,
            ..Self::default()
        }
    }

    /// What a census found at `now`.
    pub fn counted(&mut self, tally: Tally, now: u64) {
        self.tally = tally;
        self.most = self.most.max(tally.placements);
        match self.calm {
            Some((then, _)) if tally.placements > then - then / CALM => {}
            _ => self.calm = Some((tally.placements, now)),
        }
    }

    /// A compaction is through. It was `rejected` when most of the file is live after all (queues share bodies) or cannot be read;
    /// else nothing in it is live any more.
    pub fn compacted(&mut self, rejected: bool) {
        if rejected {
            self.rejected = Some(self.tally.placements);
        } else {
            self.tally = Tally::default();
        }
    }

    fn bytes(&self) -> u64 {
        self.end.saturating_sub(self.base)
    }

    fn live_bytes(&self) -> u64 {
        self.tally.bytes.min(self.bytes())
    }

    fn is_sparse(&self) -> bool {
        let Tally { placements, bytes } = self.tally;
        let again = self
            .rejected
            .is_none_or(|then| placements <= then - then / REJECTED);
        let suspected = bytes * SPARSE < self.bytes() || placements * SPARSE < self.most;
        placements > 0 && suspected && again
    }

    fn is_calm(&self, now: u64, for_ms: u64) -> bool {
        self.calm
            .is_some_and(|(_, since)| now.saturating_sub(since) >= for_ms)
    }
}

/// All sealed files by number.
pub type Facts = BTreeMap<u64, FileFacts>;

/// The file to compact next: the sparsest of those that are due.
pub fn to_compact(facts: &Facts, policy: &Policy, now: u64) -> Option<u64> {
    let sparse = || facts.iter().filter(|(_, file)| file.is_sparse());
    let dead: u64 = sparse()
        .map(|(_, file)| file.bytes() - file.live_bytes())
        .sum();
    let live: u64 = facts.values().map(FileFacts::live_bytes).sum();
    let wait = if dead >= (live / 2).max(policy.pressure_bytes) {
        0
    } else if dead >= policy.gain_bytes {
        policy.calm_ms
    } else {
        policy.patience_ms
    };
    sparse()
        .filter(|(_, file)| file.is_calm(now, wait))
        .min_by_key(|(number, file)| (file.live_bytes(), **number))
        .map(|(number, _)| *number)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;
    const CALM_MS: u64 = 10_000;
    const PATIENCE_MS: u64 = 60_000;

    /// A file of 32 MiB with `placed` messages, all of its bytes, of which `live` are live.
    fn file(placed: u64, live: u64, now: u64) -> FileFacts {
        let mut file = FileFacts::new(0, 32 * MIB);
        file.counted(tally(placed, live), now);
        file
    }

    fn tally(placed: u64, live: u64) -> Tally {
        Tally {
            placements: live,
            bytes: 32 * MIB * live / placed,
        }
    }

    fn due(facts: &Facts, now: u64) -> Option<u64> {
        to_compact(facts, &Policy::default(), now)
    }

    fn facts(files: Vec<FileFacts>) -> Facts {
        (1..).zip(files).collect()
    }

    #[test]
    fn a_dense_file_is_left_alone() {
        let facts = facts(vec![file(1000, 1000, 0), file(1000, 500, 0)]);
        assert_eq!(due(&facts, u64::MAX / 2), None);
    }

    #[test]
    fn a_sparse_file_waits_until_it_is_calm() {
        let one = facts(vec![file(1000, 100, 5)]);
        assert_eq!(due(&one, 5 + PATIENCE_MS - 1), None);
        assert_eq!(due(&one, 5 + PATIENCE_MS), Some(1));
    }

    #[test]
    fn much_to_gain_waits_less() {
        let three = facts(vec![
            file(1000, 100, 0),
            file(1000, 90, 0),
            file(1000, 95, 0),
        ]);
        assert_eq!(due(&three, CALM_MS - 1), None);
        assert_eq!(due(&three, CALM_MS), Some(2), "the sparsest first");
    }

    #[test]
    fn under_pressure_nothing_is_waited_for() {
        let many = facts((0..20).map(|_| file(1000, 10, 0)).collect());
        assert_eq!(due(&many, 0), Some(1));
        let mut dense = many;
        for number in 100..200 {
            dense.insert(number, file(1000, 1000, 0));
        }
        assert_eq!(due(&dense, 0), None, "three times as much is live");
    }

    #[test]
    fn a_file_that_is_being_drained_is_not_calm() {
        let mut draining = file(100_000, 49_000, 0);
        for second in 1..200 {
            draining.counted(tally(100_000, 49_000 - second * 200), second * 1000);
            let now = facts(vec![draining.clone()]);
            let is_due = due(&now, second * 1000).is_some();
            assert!(!is_due, "after {second} s");
        }
    }

    #[test]
    fn a_rejected_file_is_looked_at_again_when_it_has_lost_more() {
        let mut rejected = file(1000, 400, 0);
        rejected.compacted(true);
        assert_eq!(due(&facts(vec![rejected.clone()]), PATIENCE_MS), None);
        rejected.counted(tally(1000, 299), PATIENCE_MS);
        let now = facts(vec![rejected]);
        assert_eq!(due(&now, 2 * PATIENCE_MS), Some(1));
    }

    #[test]
    fn a_file_that_queues_share_is_suspected_when_half_of_the_placements_are_gone() {
        let shared = |live| Tally {
            placements: live,
            bytes: live * MIB,
        };
        let mut file = FileFacts::new(0, 32 * MIB);
        file.counted(shared(320), 0);
        assert_eq!(due(&facts(vec![file.clone()]), PATIENCE_MS), None);
        file.counted(shared(150), 0);
        assert_eq!(due(&facts(vec![file]), PATIENCE_MS), Some(1));
    }

    #[test]
    fn what_was_moved_is_not_moved_again() {
        let mut file = file(1000, 100, 0);
        file.compacted(false);
        assert_eq!(due(&facts(vec![file]), PATIENCE_MS), None);
    }
}
