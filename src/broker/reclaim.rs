//! Space comes back: dead files and sparse files.
//!
//! A *dead* file is needed by no queue; `dead.rs` says when it may go, and the keeper removes it. A *sparse* file is one less than
//! half of which is live: what lives is moved to the journal's end (`compact.rs`), and the file dies. Which file is worth it is
//! decided by `policy.rs` from the counts of a census (`census.rs`). Called by the keeper, one bounded step at a time.

mod census;
mod compact;
mod copy;
pub(super) mod dead;
mod policy;

use self::census::Census;
use self::compact::{Compaction, Progress};
pub use self::policy::Policy;
use self::policy::{Facts, to_compact};
use super::Broker;
use super::keeper::Done;
use crate::store::{StoreError, Wait};

/// A census comes no sooner than so many times its own duration after the last one: at most a fiftieth of a core.
const CENSUS_SHARE: u64 = 50;

/// How long a compaction waits when publishers have filled the journal's window, milliseconds.
const CONGESTED_MS: u64 = 5;

enum Task {
    Rest,
    /// And when it began.
    Census(Census, u64),
    Compact(u64, Box<Compaction>),
}

/// See the module.
pub struct Reclaim {
    policy: Policy,
    facts: Facts,
    task: Task,
    /// Something was appended since the last census began.
    stale: bool,
    /// The next census comes no sooner.
    census_at: u64,
}

impl Reclaim {
    /// With nothing known yet.
    pub fn new(policy: Policy) -> Self {
        Self {
            policy,
            facts: Facts::new(),
            task: Task::Rest,
            stale: true,
            census_at: 0,
        }
    }

    /// One bounded piece of work; `moved` says that something was appended since the last. `None`: there is nothing to do now.
    pub fn step(
        &mut self,
        broker: &Broker,
        moved: bool,
        now: u64,
        done: &mut Done,
    ) -> Result<Option<Wait>, StoreError> {
        self.stale |= moved;
        match std::mem::replace(&mut self.task, Task::Rest) {
            Task::Rest => {
                self.task = self.next(broker, now);
                let idle = matches!(self.task, Task::Rest);
                return Ok((!idle).then_some(Wait::Work));
            }
            Task::Census(mut census, began) => {
                if census.step() {
                    self.task = Task::Census(census, began);
                } else {
                    census.finish(&mut self.facts, now);
                    let took = now.saturating_sub(began);
                    self.census_at = now + self.policy.census_ms.max(took * CENSUS_SHARE);
                }
            }
            Task::Compact(number, compaction) => {
                return self.compact(number, compaction, broker, now, done);
            }
        }
        Ok(Some(Wait::Work))
    }

    fn compact(
        &mut self,
        number: u64,
        mut compaction: Box<Compaction>,
        broker: &Broker,
        now: u64,
        done: &mut Done,
    ) -> Result<Option<Wait>, StoreError> {
        let file = self.facts.get_mut(&number);
        match compaction.step(broker) {
            Ok(Progress::More) => {
                self.task = Task::Compact(number, compaction);
                Ok(Some(Wait::Work))
            }
            Ok(Progress::Congested) => {
                self.task = Task::Compact(number, compaction);
                Ok(Some(Wait::Until(now + CONGESTED_MS)))
            }
            Ok(Progress::Done {
                moved_bytes,
                rejected,
            }) => {
                done.bytes_moved += moved_bytes;
                done.files_compacted += u64::from(!rejected);
                if let Some(file) = file {
                    file.compacted(rejected);
                }
                Ok(Some(Wait::Work))
            }
            Err(error) => {
                // A chunk that cannot be read stays where it is, and its file with it.
                if let Some(file) = file {
                    file.compacted(true);
                }
                Err(error)
            }
        }
    }

    fn next(&mut self, broker: &Broker, now: u64) -> Task {
        if self.stale && now >= self.census_at {
            self.stale = false;
            let files = broker.journal().files().all();
            if files.iter().any(|file| file.end.is_some() && !file.dead) {
                return Task::Census(Census::new(broker, &files), now);
            }
            self.facts.clear();
        }
        if let Some(number) = to_compact(&self.facts, &self.policy, now) {
            let file = &self.facts[&number];
            match Compaction::new(broker, file.base, file.end) {
                Some(compaction) => return Task::Compact(number, Box::new(compaction)),
                None => {
                    self.facts.remove(&number);
                }
            }
        }
        Task::Rest
    }
}
