//! What a connection says of itself when it is asked through its mailbox: numbers that its task alone knows.
//!
//! Whoever asks sends a [`Question`] to each connection and collects what comes back; a connection answers between two rounds, or
//! never, when it ends before: dropping the question tells the asker that there is nothing to wait for.

use std::sync::Arc;
use std::sync::mpsc::Sender;

use super::Queue;

/// How much is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Detail {
    /// The connection's own figures.
    Totals,
    /// And each channel's.
    Channels,
    /// And each consumer's.
    Consumers,
}

/// A question, as a connection gets it.
pub struct Question {
    /// What is wanted.
    pub detail: Detail,
    /// Where the answer goes.
    pub answer: Sender<Figures>,
}

/// Whether a connection's publishes are taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Course {
    /// They are.
    Running,
    /// They are more than the disk keeps up with and wait for it.
    Flow,
    /// An alarm is raised: the next one blocks the connection.
    Blocking,
    /// An alarm is raised, and the connection is not read.
    Blocked,
}

/// A connection.
pub struct Figures {
    /// Its id.
    pub connection: u64,
    /// Whether its publishes are taken.
    pub course: Course,
    /// Bytes of the peer that were handled.
    pub received: u64,
    /// Bytes that the peer's system has taken.
    pub sent: u64,
    /// Bytes that wait for that.
    pub pending: u64,
    /// How many channels are open.
    pub channel_count: usize,
    /// The open channels by number; empty unless asked for.
    pub channels: Vec<ChannelFigures>,
    /// The consumers in the order in which they came; empty unless asked for.
    pub consumers: Vec<ConsumerFigures>,
}

/// A channel.
pub struct ChannelFigures {
    /// Its number.
    pub number: u16,
    /// It is in confirm mode.
    pub confirm: bool,
    /// It is in tx mode.
    pub transactional: bool,
    /// Consumers on queues.
    pub consumers: u32,
    /// Deliveries that are not settled.
    pub unacked: u64,
    /// Publishes that are not confirmed.
    pub unconfirmed: u64,
    /// Publishes that wait for tx.commit.
    pub uncommitted: u64,
    /// Settles that wait for tx.commit.
    pub uncommitted_acks: u64,
    /// The prefetch limit of consumers to come; 0 is none.
    pub prefetch: u32,
    /// The limit that its consumers share; 0 is none.
    pub global_prefetch: u32,
}

/// A consumer.
pub struct ConsumerFigures {
    /// Its tag.
    pub tag: Arc<str>,
    /// Number of its channel.
    pub channel: u16,
    /// Its queue.
    pub queue: Arc<Queue>,
    /// The queue's number for it.
    pub number: u32,
    /// Deliveries need no acknowledgement.
    pub no_ack: bool,
    /// It shares the queue with nobody.
    pub exclusive: bool,
    /// Unsettled deliveries that it may have; 0 is unlimited.
    pub prefetch: u32,
    /// Milliseconds that it may hold a delivery.
    pub timeout_ms: Option<u64>,
    /// The arguments of its basic.consume, as a table's bytes.
    pub arguments: Option<Arc<[u8]>>,
}
