//! Queues that belong to other queues: the partitions of a stream.
//!
//! Such a queue stands under no name of its own, no client can reach it but through its owner, and no list shows it. It comes and
//! goes with its owner, in the same append to the journal. Journal, checkpoints, memory limits and timers treat it as any
//! other queue.

use std::sync::Arc;

use super::Broker;
use super::definitions::{self, Change, Definition};
use super::vhost::Vhost;
use crate::queue::partitions::Partitions;
use crate::queue::{Effects, Queue, QueueSpec, Rules};

/// In front of a partition's number, in the key of its definition.
const PARTITION: &str = "partition.";

fn role(number: usize) -> String {
    format!("{PARTITION}{number}")
}

/// The number of the partition that a definition's key names.
pub fn number(role: &str) -> Option<u16> {
    role.strip_prefix(PARTITION)?.parse().ok()
}

/// What a partition is, given its owner and its owner's rules.
pub fn spec(owner: &Queue, id: u64) -> QueueSpec {
    QueueSpec {
        id,
        ..owner.spec.clone()
    }
}

/// The rules of a partition, given its owner's.
pub fn rules(owner: &Rules, number: u16) -> Rules {
    Rules {
        partition: Some(number),
        ..owner.clone()
    }
}

/// A new queue gets the queues that its rules ask for, before anybody can publish to it.
pub fn attach(broker: &Broker, owner: &Arc<Queue>, change: &mut Change<'_>) {
    let own = Arc::clone(owner.lock().rules());
    if own.partitions == 0 {
        return;
    }
    let parts = (0..own.partitions).map(|number| {
        let part = Queue::new(
            spec(owner, broker.next_id()),
            rules(&own, number),
            Arc::clone(broker.journal()),
            broker.settings.sync.into(),
            broker.now(),
        );
        part.lock().set_wake(broker.timers.wake(&part));
        change.part(&part, &role(number.into()));
        part
    });
    let queues = parts.collect();
    let key = own.partition_key.clone();
    owner.set_partitions(Partitions { queues, key });
}

/// A queue is deleted, and what belongs to it goes, too.
pub fn delete(owner: &Queue, change: &mut Change<'_>) {
    for (number, part) in owner.partitions().iter().enumerate() {
        let mut effects = Effects::default();
        // Nobody else can have deleted it; its consumers are told through their mailboxes.
        let _ = part.lock().delete(false, false, &mut effects);
        effects.wake();
        change.no_part(part, &role(number));
    }
}

/// The owner has other rules.
pub fn set_rules(broker: &Broker, owner: &Queue, own: &Rules) {
    for (number, part) in owner.partitions().iter().enumerate() {
        let mut effects = Effects::default();
        let rules = Arc::new(rules(own, number as u16));
        let applied = owner.applied();
        part.lock()
            .set_rules(rules, applied, broker.now(), &mut effects);
        broker.perform(part, effects);
    }
}

/// The definitions of all that belongs to a queue.
pub fn definitions(owner: &Queue) -> impl Iterator<Item = Definition> {
    let parts = owner.partitions().iter().enumerate();
    parts.map(|(number, part)| definitions::part(part, &role(number)))
}

impl Vhost {
    /// The partitions of all its queues.
    pub(super) fn all_parts(&self) -> Vec<Arc<Queue>> {
        let queues = self.all_queues();
        let parts = queues.iter().flat_map(|queue| queue.partitions());
        parts.cloned().collect()
    }
}
