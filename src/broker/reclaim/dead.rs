//! Dead files and the checkpoint that each waits for. Numbers only; the caller removes.
//!
//! A sealed file on which nobody holds a lease is needed by no queue. It may still be needed by a recovery:
//!
//! * its records, by one that starts from a checkpoint in front of it;
//! * its bodies, by one that starts from a checkpoint which still refers to them;
//! * its bodies, by one that does not find the settles that made it dead.
//!
//! One rule covers all three: **a file goes when a checkpoint is on disk that was begun after the file was seen dead.** Such a
//! checkpoint starts behind the file, which was sealed; it took every queue's ledger afterwards, and none of them refers to the
//! file; and it was not written before the journal had on disk whatever those ledgers know, the settles among it (a settle drops
//! its lease and appends its record in one hold of the queue's lock, which the checkpoint has taken since).

use std::collections::BTreeMap;

/// A dead file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeadFile {
    /// Position of its first block, by which the journal's table knows it.
    pub base: u64,
    /// Bytes that it takes on disk.
    pub bytes: u64,
}

/// The dead files.
#[derive(Debug, Default)]
pub struct Dead {
    /// Checkpoints begun so far.
    begun: u64,
    /// Base, bytes, and how many checkpoints had been begun when it was first seen.
    files: BTreeMap<u64, (u64, u64)>,
}

impl Dead {
    /// These are the dead files now.
    pub fn seen(&mut self, files: impl Iterator<Item = DeadFile>) {
        for file in files {
            self.files
                .entry(file.base)
                .or_insert((file.bytes, self.begun));
        }
    }

    /// Bytes that wait for a checkpoint that is still to begin.
    pub fn waiting(&self) -> u64 {
        self.files
            .values()
            .filter(|(_, begun)| *begun == self.begun)
            .map(|(bytes, _)| bytes)
            .sum()
    }

    /// A checkpoint begins.
    pub fn begins(&mut self) {
        self.begun += 1;
    }

    /// The checkpoint that began last is on disk: these files may go.
    pub fn written(&mut self) -> Vec<u64> {
        let begun = self.begun;
        let mut may_go = Vec::new();
        self.files.retain(|base, (_, seen)| {
            let goes = *seen < begun;
            may_go.extend(goes.then_some(*base));
            !goes
        });
        may_go
    }

    /// The checkpoint that began last is not on disk and will not be: what waited for it waits for the next one.
    pub fn failed(&mut self) {
        for (_, seen) in self.files.values_mut() {
            *seen = self.begun;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(bases: &[u64]) -> impl Iterator<Item = DeadFile> + use<> {
        bases
            .iter()
            .map(|base| DeadFile {
                base: *base,
                bytes: 10,
            })
            .collect::<Vec<_>>()
            .into_iter()
    }

    #[test]
    fn a_file_waits_for_a_checkpoint_that_begins_after_it_was_seen_dead() {
        let mut dead = Dead::default();
        dead.seen(files(&[1]));
        assert_eq!(dead.waiting(), 10);
        dead.begins();
        assert_eq!(dead.waiting(), 0);
        dead.seen(files(&[1, 2]));
        assert_eq!(dead.waiting(), 10);
        assert_eq!(dead.written(), [1]);
        dead.begins();
        assert_eq!(dead.written(), [2]);
        assert!(dead.written().is_empty());
    }

    #[test]
    fn a_failed_checkpoint_frees_nothing() {
        let mut dead = Dead::default();
        dead.seen(files(&[1]));
        dead.begins();
        dead.seen(files(&[2]));
        dead.failed();
        assert_eq!(dead.waiting(), 20);
        dead.begins();
        assert_eq!(dead.written(), [1, 2]);
    }
}
