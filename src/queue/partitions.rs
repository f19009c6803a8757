//! Queues that belong to another: partitions, and what is retained of acknowledged messages.
//!
//! `x-partitions` is one name for several streams, each with the messages of some keys.
//!
//! The named queue holds nothing itself: whoever routes to it asks for the [home](Queue::home) of each message, by the routing key or
//! by the header that `x-partition-key` names. Messages of one key stay in order; a group's consumers share the partitions
//! between them (see `single_active`), so that each key is with one of them at a time.

use std::sync::Arc;

use super::Queue;
use crate::exchange::hash;
use crate::wire::properties::Properties;
use crate::wire::table::Value;

/// Most partitions of a stream.
pub const PARTITIONS_MAX: u16 = 1024;

/// See the module.
pub struct Partitions {
    /// By number.
    pub queues: Box<[Arc<Queue>]>,
    /// The header that has a message's key; `None` is its routing key.
    pub key: Option<Arc<str>>,
}

impl Queue {
    /// Its partitions by number; most queues have none.
    #[inline]
    pub fn partitions(&self) -> &[Arc<Self>] {
        self.partitions.get().map_or(&[], |all| &all.queues)
    }

    /// It has these from now on. Once.
    pub fn set_partitions(&self, partitions: Partitions) {
        let _ = self.partitions.set(partitions);
    }

    /// The stream of what was acknowledged, where it is retained.
    pub fn acked(&self) -> Option<&Arc<Self>> {
        self.acked.get()
    }

    /// That is this one from now on. Once.
    pub fn set_acked(&self, acked: Arc<Self>) {
        let _ = self.acked.set(acked);
    }

    /// Whether a message's headers say where it is at home.
    pub fn is_keyed_by_header(&self) -> bool {
        self.partitions.get().is_some_and(|all| all.key.is_some())
    }

    /// The queue that keeps a message that was routed here: itself, unless it has partitions.
    pub fn home(self: &Arc<Self>, routing_key: &[u8], properties: Properties<'_>) -> Arc<Self> {
        let Some(all) = self.partitions.get() else {
            return Arc::clone(self);
        };
        let number = match &all.key {
            None => hash(routing_key),
            Some(header) => match properties.header(header.as_bytes()) {
                Some(Value::LongString(key)) => hash(key),
                // By value, whatever its width.
                Some(value) => match value.integer() {
                    Some(number) => hash(&number.to_le_bytes()),
                    None => hash(b""),
                },
                None => hash(b""),
            },
        };
        let at = (number % all.queues.len().max(1) as u64) as usize;
        all.queues
            .get(at)
            .map_or_else(|| Arc::clone(self), Arc::clone)
    }
}
