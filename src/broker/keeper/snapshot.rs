//! One checkpoint, step by step.
//!
//! ```text
//! Begin       where replay is to start: the journal's open block
//! Definitions all that outlives the process, one vhost's topology lock at a time
//! Queues      a few queues a step, each ledger under its queue's lock, with the number that the queue's next append will have
//! Waiting     until the journal has on disk whatever the snapshots know
//! Writing     to a new file, synced, renamed; outside all locks
//! ```
//!
//! It is fuzzy: the broker goes on between two steps, and replay brings every queue from its own moment to the present. What a
//! definition was when its vhost was looked at does not matter, since replay repeats every change since Begin.
//!
//! A queue that is deleted meanwhile is written as an empty one, since what was placed in it may be gone already: the wait ends
//! only after the record that forgets it is on disk, too (see [`Snapshot::barrier`]). Called by `keeper.rs`.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;

use crate::broker::definitions::split_queue;
use crate::broker::{Broker, restore};
use crate::queue::Queue;
use crate::store::StoreError;
use crate::store::checkpoint::Draft;
use crate::store::disk::Disk;
use crate::store::ledger::Ledger;
use crate::store::record::{Kind, SeenKind};

/// Queues that one step looks at; each has a lock of its own.
const QUEUES_A_STEP: usize = 64;

enum State {
    Begin,
    Queues {
        draft: Draft,
        queues: VecDeque<Arc<Queue>>,
    },
    Waiting {
        draft: Draft,
        /// Every append below it must be on disk.
        before: u64,
    },
    Done,
}

/// A checkpoint being made.
pub struct Snapshot {
    /// Where replay is to start.
    start: u64,
    number: u64,
    clean: bool,
    state: State,
}

/// What a step came to.
pub enum Progress {
    /// There is more to do at once.
    More,
    /// The journal is to sync first.
    Wait,
    /// It is on disk: where replay starts, and bytes of the file.
    Written {
        /// Position of the first block that is replayed.
        start: u64,
        /// Size of the file.
        bytes: u64,
    },
}

impl Snapshot {
    /// One that begins with its first step; `number` is higher than that of every other. `clean` says that nothing happens any
    /// more: the broker has stopped.
    pub fn new(number: u64, clean: bool) -> Self {
        Self {
            start: 0,
            number,
            clean,
            state: State::Begin,
        }
    }

    /// A bounded piece of work. After an error there is nothing left of it.
    pub fn step(&mut self, broker: &Broker, disk: &Arc<dyn Disk>) -> Result<Progress, StoreError> {
        match std::mem::replace(&mut self.state, State::Done) {
            State::Begin => {
                self.state = self.begin(broker);
                Ok(Progress::More)
            }
            State::Queues {
                mut draft,
                mut queues,
            } => {
                snapshot(&mut draft, &mut queues, broker);
                self.state = if queues.is_empty() {
                    State::Waiting {
                        draft,
                        before: Self::barrier(broker),
                    }
                } else {
                    State::Queues { draft, queues }
                };
                Ok(Progress::More)
            }
            State::Waiting { mut draft, before } => {
                let journal = broker.journal();
                if journal.durable_append() + 1 < before {
                    if self.clean && journal.has_failed() {
                        return Err(StoreError::new("the journal cannot be written"));
                    }
                    self.state = State::Waiting { draft, before };
                    return Ok(Progress::Wait);
                }
                draft.set_next_id(broker.peek_id());
                let bytes = draft.bytes();
                draft.finish(disk.as_ref(), self.number, journal.durable_position())?;
                Ok(Progress::Written {
                    start: self.start,
                    bytes,
                })
            }
            State::Done => Ok(Progress::Wait),
        }
    }

    fn begin(&mut self, broker: &Broker) -> State {
        let journal = broker.journal();
        let (start, next_append) = journal.open_block();
        self.start = start;
        let mut draft = Draft::begin(start, next_append, broker.peek_id(), self.clean);
        let mut definitions = restore::definitions(broker);
        definitions.sort();
        let mut deleted = BTreeSet::new();
        for (kind, key, value) in &definitions {
            draft.define(*kind, key, value);
            if *kind == Kind::Queue {
                deleted.extend(split_queue(value).map(|(id, _)| id));
            }
        }
        let queues = durable_queues(broker);
        // One that came after the definitions is replayed from its first record on.
        let mut kept = VecDeque::with_capacity(queues.len());
        kept.extend(
            queues
                .into_iter()
                .filter(|queue| deleted.remove(&queue.spec.id)),
        );
        for id in deleted {
            empty(&mut draft, id, broker);
        }
        State::Queues {
            draft,
            queues: kept,
        }
    }

    /// The number behind every append that this checkpoint must not be on disk without: whoever was changing a topology while
    /// the queues were looked at has appended what it did.
    fn barrier(broker: &Broker) -> u64 {
        for vhost in broker.kept_vhosts() {
            drop(vhost.bindings.lock());
        }
        broker.journal().next_append()
    }
}

fn snapshot(draft: &mut Draft, queues: &mut VecDeque<Arc<Queue>>, broker: &Broker) {
    for queue in queues.drain(..queues.len().min(QUEUES_A_STEP)) {
        let mut locked = queue.lock();
        if let Some(log) = locked.log() {
            draft.queue(queue.spec.id, broker.journal().next_append(), &log.ledger);
            if let Some((window, held)) = locked.known_ids() {
                draft.seen(queue.spec.id, SeenKind::Window, window);
                draft.seen(queue.spec.id, SeenKind::Held, held);
            }
            locked.each_group(|name, offsets| {
                draft.group(queue.spec.id, name.as_bytes(), offsets);
            });
        } else {
            empty(draft, queue.spec.id, broker);
        }
    }
}

/// A queue that is being deleted: nothing that was placed in it counts.
fn empty(draft: &mut Draft, id: u64, broker: &Broker) {
    draft.queue(id, broker.journal().next_append(), &Ledger::default());
}

/// Every durable queue, by id: the same order for the same queues.
pub fn durable_queues(broker: &Broker) -> VecDeque<Arc<Queue>> {
    let mut queues: Vec<Arc<Queue>> = broker
        .kept_vhosts()
        .iter()
        .flat_map(|vhost| vhost.every_queue())
        .filter(|queue| queue.spec.durable)
        .collect();
    queues.sort_by_key(|queue| queue.spec.id);
    queues.into()
}
