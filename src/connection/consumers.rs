//! The consumers of one connection, by the number that deliveries carry.

use std::sync::Arc;

use crate::queue::ChannelCredit;
use crate::wire::method::DeliverPrefix;

/// One consumer.
pub struct Consumer {
    /// Never reused in the connection.
    pub id: u32,
    /// Number of its channel.
    pub channel: u16,
    /// Its tag.
    pub tag: Arc<str>,
    /// Everything of basic.deliver that is the same for each of its deliveries.
    pub prefix: DeliverPrefix,
    /// The connection's number of its queue.
    pub queue: u32,
    /// The queue's number for it.
    pub number: u32,
    /// Deliveries count as settled once they are encoded.
    pub no_ack: bool,
    /// Milliseconds that it may hold a delivery, as of its basic.consume.
    pub timeout_ms: Option<u64>,
    /// The same, where the consumer itself has said so.
    pub own_timeout_ms: Option<u64>,
    /// Unsettled deliveries that it may have; 0 is unlimited.
    pub prefetch: u32,
    /// Where it reads a stream with partitions: the one that this is of. The client's consumer is one for each of them, with the
    /// same tag.
    pub partition: Option<u16>,
    /// The limit that those share.
    pub credit: Option<Arc<ChannelCredit>>,
    /// It shares the queue with nobody.
    pub exclusive: bool,
    /// The arguments of its basic.consume, as a table's bytes; `None` for an empty one.
    pub arguments: Option<Arc<[u8]>>,
}

/// All of them, in the order of their ids.
#[derive(Default)]
pub struct Consumers {
    all: Vec<Consumer>,
    last_id: u32,
}

impl Consumer {
    /// Whether it stands for the client's consumer; the others of its tag are further partitions.
    pub fn is_first(&self) -> bool {
        self.partition.is_none_or(|partition| partition == 0)
    }
}

impl Consumers {
    /// An id for a new consumer.
    pub fn next_id(&mut self) -> u32 {
        self.last_id += 1;
        self.last_id
    }

    /// Adds one, whose id is the latest.
    pub fn add(&mut self, consumer: Consumer) {
        debug_assert!(self.all.last().is_none_or(|last| last.id < consumer.id));
        self.all.push(consumer);
    }

    /// The consumer of that id.
    #[inline]
    pub fn get(&self, id: u32) -> Option<&Consumer> {
        match self.all.as_slice() {
            [only] if only.id == id => Some(only),
            all => all
                .binary_search_by_key(&id, |consumer| consumer.id)
                .ok()
                .map(|index| &all[index]),
        }
    }

    /// Removes one.
    pub fn remove(&mut self, id: u32) -> Option<Consumer> {
        let index = self
            .all
            .binary_search_by_key(&id, |consumer| consumer.id)
            .ok()?;
        Some(self.all.remove(index))
    }

    /// All of them.
    pub fn all(&self) -> &[Consumer] {
        &self.all
    }

    /// Those of a channel.
    pub fn of_channel(&self, channel: u16) -> impl Iterator<Item = &Consumer> {
        self.all
            .iter()
            .filter(move |consumer| consumer.channel == channel)
    }

    /// All of that tag on a channel: more than one where a stream has partitions.
    pub fn all_by_tag(&self, channel: u16, tag: &str) -> Vec<u32> {
        self.of_channel(channel)
            .filter(|consumer| &*consumer.tag == tag)
            .map(|consumer| consumer.id)
            .collect()
    }

    /// The consumer of that tag on a channel.
    pub fn by_tag(&self, channel: u16, tag: &str) -> Option<&Consumer> {
        self.of_channel(channel)
            .find(|consumer| &*consumer.tag == tag)
    }
}
