//! Definitions and ledgers as the records of the journal make them. Memory only; what cannot be is `None`, and the caller says where.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::super::block::NUMBER_MAX;
use super::super::checkpoint::Checkpoint;
use super::super::error::StoreError;
use super::super::files::Files;
use super::super::ledger::Ledger;
use super::super::offsets::Offsets;
use super::super::record::{self, Kind, Record, Run, SeenKind};
use super::super::seen::Seen;

/// What a queue knows besides its messages.
#[derive(Debug, Default)]
pub struct Knowledge {
    /// Those of its window, each with the time until which it counts.
    pub window: Seen,
    /// Those of messages that were in it, each with the message's sequence number.
    pub held: Seen,
    /// A stream's groups of consumers, by name.
    pub groups: BTreeMap<Vec<u8>, Offsets>,
}

impl Knowledge {
    fn of(&mut self, kind: SeenKind) -> &mut Seen {
        match kind {
            SeenKind::Window => &mut self.window,
            SeenKind::Held => &mut self.held,
        }
    }
}

/// See the module.
pub(super) struct State {
    pub files: Files,
    lossy: bool,
    pub definitions: BTreeMap<(Kind, Vec<u8>), Vec<u8>>,
    /// Ledger and the append from which on records count.
    queues: HashMap<u64, (Ledger, u64)>,
    /// Ids that were seen, and groups, by queue.
    seen: HashMap<u64, Knowledge>,
    pub next_id: u64,
    /// Higher than every append that a ledger of the checkpoint knows.
    pub as_of: u64,
    /// Position behind all that the checkpoint's ledgers need.
    pub reach: u64,
    /// Messages that were lost with files that are not there.
    pub missing: u64,
}

impl State {
    pub fn new(files: Files, lossy: bool) -> Self {
        Self {
            files,
            lossy,
            definitions: BTreeMap::new(),
            queues: HashMap::new(),
            seen: HashMap::new(),
            next_id: 1,
            as_of: 1,
            reach: 0,
            missing: 0,
        }
    }

    /// Takes over what a checkpoint has.
    pub fn begin(&mut self, checkpoint: Checkpoint, shown: &str) -> Result<(), StoreError> {
        self.next_id = checkpoint.next_id;
        for (kind, key, value) in checkpoint.definitions {
            self.define(kind, &key, &value).ok_or_else(|| {
                StoreError::damage("the definition of a queue cannot be read", shown, 0)
            })?;
        }
        for (id, as_of, bytes) in checkpoint.queues {
            let (mut ledger, missing) = Checkpoint::ledger(&bytes, &self.files, self.lossy)
                .ok_or_else(|| {
                    StoreError::damage(
                        format!(
                            "queue {id} needs a journal file that is missing or cut short, or its state cannot be read"
                        ),
                        shown,
                        0,
                    )
                })?;
            if checkpoint.clean {
                // Whoever took messages then has told what came of it.
                ledger.wake_up(true);
            }
            self.missing += missing;
            self.saw(id);
            self.as_of = self.as_of.max(as_of);
            self.reach = self.reach.max(ledger.reach());
            self.queues.insert(id, (ledger, as_of));
        }
        for (id, kind, entries) in checkpoint.seen {
            *self.seen.entry(id).or_default().of(kind) = entries;
        }
        for (id, name, offsets) in checkpoint.groups {
            self.seen
                .entry(id)
                .or_default()
                .groups
                .insert(name, offsets);
        }
        Ok(())
    }

    fn saw(&mut self, id: u64) {
        self.next_id = self.next_id.max(id.min(NUMBER_MAX) + 1);
    }

    /// `None` when it is a queue with an id that cannot be.
    fn define(&mut self, kind: Kind, key: &[u8], value: &[u8]) -> Option<()> {
        if kind == Kind::Queue && queue_id(value) > NUMBER_MAX {
            return None;
        }
        let before = self
            .definitions
            .insert((kind, key.to_vec()), value.to_vec());
        if kind == Kind::Queue {
            let id = queue_id(value);
            if let Some(old) = before.as_deref().map(queue_id).filter(|old| *old != id) {
                self.queues.remove(&old);
            }
            self.saw(id);
            self.queues.entry(id).or_default();
        }
        Some(())
    }

    fn forget(&mut self, kind: Kind, key: &[u8]) {
        let before = self.definitions.remove(&(kind, key.to_vec()));
        if kind == Kind::Queue
            && let Some(value) = before
        {
            self.queues.remove(&queue_id(&value));
        }
    }

    /// The ledger that a record with this append number counts for.
    fn ledger(&mut self, queue: u64, append: u64) -> Option<&mut Ledger> {
        self.saw(queue);
        let (ledger, as_of) = self.queues.get_mut(&queue)?;
        (append >= *as_of).then_some(ledger)
    }

    /// Applies the records of one append in a block that ends at position `end`; `None` when they cannot be.
    pub fn append(&mut self, append: u64, records: &[u8], end: u64) -> Option<()> {
        for record in record::read(records) {
            match record.ok()? {
                Record::Define { kind, key, value } => self.define(kind, key, value)?,
                Record::Forget { kind, key } => self.forget(kind, key),
                Record::Place {
                    queue,
                    first,
                    time_ms,
                    ttl_ms,
                    runs,
                } => self.place((append, end), queue, first, (time_ms, ttl_ms), &runs)?,
                Record::Settle { queue, ranges } => {
                    if let Some(ledger) = self.ledger(queue, append) {
                        for range in ranges {
                            ledger.settle_range(range);
                        }
                    }
                }
                Record::Requeue { queue, ranges } => {
                    if let Some(ledger) = self.ledger(queue, append) {
                        for range in ranges {
                            ledger.requeue_range(range);
                        }
                    }
                }
                Record::Moved { queue, items } => {
                    if !items.iter().all(|(_, run)| is_sound(run, end)) {
                        return None;
                    }
                    let lease = items
                        .first()
                        .and_then(|(_, run)| self.files.lease(run.position));
                    if let (Some(lease), Some(ledger)) = (lease, self.ledger(queue, append)) {
                        ledger.moved(&items, &lease);
                    }
                }
                Record::Seen { queue, kind, items } => {
                    if self.ledger(queue, append).is_some() {
                        let known = self.seen.entry(queue).or_default().of(kind);
                        for (id, number) in items {
                            known.push(id, number);
                        }
                    }
                }
                Record::Group { queue, name, step } => {
                    if self.ledger(queue, append).is_some() {
                        let groups = &mut self.seen.entry(queue).or_default().groups;
                        if let Some(group) = Offsets::apply(groups.remove(name), &step) {
                            groups.insert(name.to_vec(), group);
                        }
                    }
                }
                Record::Attended { queue } => {
                    if let Some(ledger) = self.ledger(queue, append) {
                        ledger.attend();
                    }
                }
            }
        }
        Some(())
    }

    fn place(
        &mut self,
        (append, end): (u64, u64),
        queue: u64,
        first: u64,
        (time_ms, ttl_ms): (u64, Option<u64>),
        runs: &[Run],
    ) -> Option<()> {
        let mut next = first;
        let mut missing = 0;
        // Two look-ups, so that the files and the ledger are not borrowed at once.
        let leases: Vec<_> = runs
            .iter()
            .map(|run| self.files.lease(run.position))
            .collect();
        let lossy = self.lossy;
        let Some(ledger) = self.ledger(queue, append) else {
            return Some(());
        };
        for (run, lease) in runs.iter().zip(leases) {
            let count = u64::from(run.count);
            let behind = next.checked_add(count).filter(|next| *next <= NUMBER_MAX)?;
            match lease {
                Some(lease) if next >= ledger.next_sequence() && is_sound(run, end) => {
                    ledger.place(next, *run, time_ms, ttl_ms, lease);
                }
                // Salvage may have lost the file; anything else is not a placement.
                _ if lossy => missing += count,
                _ => return None,
            }
            next = behind;
        }
        self.missing += missing;
        Some(())
    }

    /// What the queues know that are there in the end; asked before [`ledgers`](Self::ledgers).
    pub fn seen(&mut self) -> HashMap<u64, Knowledge> {
        let mut seen = std::mem::take(&mut self.seen);
        seen.retain(|queue, _| self.queues.contains_key(queue));
        seen
    }

    /// The ledgers of the queues that are there in the end.
    pub fn ledgers(&mut self) -> HashMap<u64, Ledger> {
        let defined: HashSet<u64> = self
            .definitions
            .iter()
            .filter(|((kind, _), _)| *kind == Kind::Queue)
            .map(|(_, value)| queue_id(value))
            .collect();
        std::mem::take(&mut self.queues)
            .into_iter()
            .filter(|(id, _)| defined.contains(id))
            .map(|(id, (ledger, _))| (id, ledger))
            .collect()
    }
}

/// Whether a run can lie in a journal that ends at `end`: bodies come before the records that place them.
fn is_sound(run: &Run, end: u64) -> bool {
    run.is_plausible() && run.end() <= end
}

/// The id in front of a queue's definition; 0 where there is none.
pub(super) fn queue_id(value: &[u8]) -> u64 {
    let mut bytes = [0; 8];
    let length = value.len().min(8);
    bytes[..length].copy_from_slice(&value[..length]);
    u64::from_le_bytes(bytes)
}
