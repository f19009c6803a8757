//! Queues that belong to other queues: the partitions of a stream, and the stream in which a queue retains what was acknowledged.
//!
//! Such a queue stands under no name of its own, no client can reach it but through its owner, and no list shows it. It comes and
//! goes with its owner, in the same append to the journal. Journal, checkpoints, memory limits and timers treat it as any
//! other queue.

use std::sync::Arc;

use super::Broker;
use super::definitions::{self, Change, Definition};
use super::publish::kept_by;
use super::vhost::Vhost;
use crate::message::{CHUNK_BYTES_MAX, ChunkBuilder, Draft, Message};
use crate::queue::arguments::QueueKind;
use crate::queue::log::Links;
use crate::queue::partitions::Partitions;
use crate::queue::stream::segments::Retention;
use crate::queue::{Effects, Queue, QueueSpec, Rules};
use crate::store::Urgency;

/// In front of a partition's number, in the key of its definition.
const PARTITION: &str = "partition.";
const ACKED: &str = "acked";
/// Segments of what is retained are of so many bytes.
const ACKED_SEGMENT_BYTES: u64 = 16 << 20;

/// What a queue is to its owner.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// The partition of that number.
    Partition(u16),
    /// It has what was acknowledged.
    Acked,
}

impl Role {
    /// In the key of its definition.
    fn name(self) -> String {
        match self {
            Self::Partition(number) => format!("{PARTITION}{number}"),
            Self::Acked => ACKED.to_owned(),
        }
    }

    /// What that name stands for.
    pub fn find(name: &str) -> Option<Self> {
        if name == ACKED {
            return Some(Self::Acked);
        }
        let number = name.strip_prefix(PARTITION)?.parse().ok()?;
        Some(Self::Partition(number))
    }

    /// The roles that an owner of these rules has queues for.
    pub fn of(own: &Rules) -> impl Iterator<Item = Self> + use<> {
        let acked = own.retain_acked_ms.map(|_| Self::Acked);
        (0..own.partitions).map(Self::Partition).chain(acked)
    }

    /// The rules of such a queue, given its owner's.
    pub fn rules(self, own: &Rules) -> Rules {
        match self {
            Self::Partition(number) => Rules {
                partition: Some(number),
                ..own.clone()
            },
            Self::Acked => Rules {
                kind: QueueKind::Stream,
                // As the acks themselves.
                sync: Some(Urgency::Lazy),
                retention: Retention {
                    segment_bytes: ACKED_SEGMENT_BYTES,
                    bytes: None,
                    age_ms: own.retain_acked_ms,
                },
                ..Rules::default()
            },
        }
    }
}

/// What such a queue is, given its owner.
pub fn spec(owner: &Queue, id: u64) -> QueueSpec {
    QueueSpec {
        id,
        ..owner.spec.clone()
    }
}

/// All that belong to a queue.
fn all(owner: &Queue) -> impl Iterator<Item = (Role, &Arc<Queue>)> {
    let parts = owner.partitions().iter().enumerate();
    let parts = parts.map(|(number, part)| (Role::Partition(number as u16), part));
    parts.chain(owner.acked().map(|acked| (Role::Acked, acked)))
}

/// A queue gets those that belong to it.
pub fn put(owner: &Queue, own: &Rules, queues: Vec<(Role, Arc<Queue>)>) {
    let mut partitions = Vec::new();
    for (role, queue) in queues {
        match role {
            Role::Partition(_) => partitions.push(queue),
            Role::Acked => owner.set_acked(queue),
        }
    }
    if !partitions.is_empty() {
        owner.set_partitions(Partitions {
            queues: partitions.into(),
            key: own.partition_key.clone(),
        });
    }
}

/// A new queue gets the queues that its rules ask for, before anybody can publish to it.
pub fn attach(broker: &Broker, owner: &Arc<Queue>, change: &mut Change<'_>) {
    let own = Arc::clone(owner.lock().rules());
    let queues = Role::of(&own).map(|role| {
        let part = Queue::new(
            spec(owner, broker.next_id()),
            role.rules(&own),
            Arc::clone(broker.journal()),
            broker.settings.sync.into(),
            broker.now(),
        );
        broker.timers.watch(&part);
        change.part(&part, &role.name());
        (role, part)
    });
    put(owner, &own, queues.collect());
}

/// A queue is deleted, and what belongs to it goes, too.
pub fn delete(owner: &Queue, change: &mut Change<'_>) {
    for (role, part) in all(owner) {
        let mut effects = Effects::default();
        // Nobody else can have deleted it; its consumers are told through their mailboxes.
        let _ = part.lock().delete(false, false, &mut effects);
        effects.wake();
        change.no_part(part, &role.name());
    }
}

/// The owner has other rules.
pub fn set_rules(broker: &Broker, owner: &Queue, own: &Rules) {
    for (role, part) in all(owner) {
        let mut effects = Effects::default();
        let rules = Arc::new(role.rules(own));
        let applied = owner.applied();
        part.lock()
            .set_rules(rules, applied, broker.now(), &mut effects);
        broker.perform(part, effects);
    }
}

/// The definitions of all that belongs to a queue.
pub fn definitions(owner: &Queue) -> impl Iterator<Item = Definition> {
    all(owner).map(|(role, part)| definitions::part(part, &role.name()))
}

/// Messages were acknowledged in a queue that retains them.
pub fn retain(broker: &Broker, owner: &Queue, messages: Vec<Message>) {
    let Some(acked) = owner.acked() else { return };
    let mut links = Links::default();
    let mut linked = None;
    let kept = compact(messages).into_iter().map(|message| {
        let message = kept_by(message, std::iter::once(acked));
        let chunk = message.pins().0;
        if linked.replace(chunk) != Some(chunk) {
            links.link(&message.chunk(), broker.journal());
        }
        message
    });
    let kept: Vec<Message> = kept.collect();
    let mut effects = Effects::default();
    let mut locked = acked.lock();
    // A deleted one goes with all that it has.
    let _ = locked.publish(kept.into_iter(), &links, broker.now(), &mut effects);
    locked.commit();
    broker.perform(acked, effects);
}

/// The same messages in chunks of their own: one of many in a chunk does not bring the others to disk once more.
fn compact(messages: Vec<Message>) -> Vec<Message> {
    let mut compact = Vec::with_capacity(messages.len());
    let mut open: Option<(ChunkBuilder, Vec<Draft>)> = None;
    let close = |open: &mut Option<(ChunkBuilder, Vec<Draft>)>, to: &mut Vec<Message>| {
        if let Some((builder, drafts)) = open.take() {
            let sealed = builder.seal();
            to.extend(drafts.iter().map(|draft| sealed.message(draft)));
        }
    };
    let total: usize = messages.iter().map(Message::memory).sum();
    for message in messages {
        if message.is_large() {
            close(&mut open, &mut compact);
            compact.push(message);
            continue;
        }
        loop {
            let (builder, drafts) = open.get_or_insert_with(|| {
                let bytes = total.min(CHUNK_BYTES_MAX);
                (ChunkBuilder::with_capacity(bytes), Vec::new())
            });
            // The first message of a chunk always fits.
            if let Some(draft) = builder.push_copy(&message) {
                drafts.push(draft);
                break;
            }
            close(&mut open, &mut compact);
        }
    }
    close(&mut open, &mut compact);
    compact
}

impl Vhost {
    /// The queues that belong to its queues.
    pub(super) fn all_parts(&self) -> Vec<Arc<Queue>> {
        let queues = self.all_queues();
        let parts = queues.iter().flat_map(|queue| all(queue));
        parts.map(|(_, part)| Arc::clone(part)).collect()
    }
}
