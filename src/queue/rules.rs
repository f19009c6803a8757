//! What applies to a queue: its arguments, as far as they say how it behaves, merged with its policies.

use std::sync::Arc;

use super::arguments::{self, QueueKind};
use super::dedup::Dedup;
use super::delivery_limit;
use super::order::Order;
use super::overflow::{Limits, Overflow};
use super::retry::Retry;
use super::stream::segments::Retention;
use crate::store::Urgency;

/// Where dead letters go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeadLetter {
    /// `x-dead-letter-exchange`; empty is the default exchange.
    pub exchange: Arc<str>,
    /// `x-dead-letter-routing-key`; the message's own keys when there is none.
    pub routing_key: Option<Arc<str>>,
}

/// What applies to a queue now: its arguments, later merged with its policies. Immutable; swapped as a whole.
#[derive(Clone, Debug, Default)]
pub struct Rules {
    /// `x-queue-type`.
    pub kind: QueueKind,
    /// `x-single-active-consumer`.
    pub single_active: bool,
    /// `x-delivery-limit`: how often a message may come back before it dies.
    pub delivery_limit: Option<u32>,
    /// Deliveries say how often the message came back (`x-delivery-count`).
    pub shows_count: bool,
    /// A redeclare with other arguments is accepted; they change nothing.
    pub relaxed_redeclare: bool,
    /// `x-message-ttl`, milliseconds.
    pub message_ttl_ms: Option<u64>,
    /// `x-expires`, milliseconds without use.
    pub expires_ms: Option<u64>,
    /// `x-max-length` and `x-max-length-bytes`.
    pub limits: Limits,
    /// `x-dead-letter-exchange` and `x-dead-letter-routing-key`.
    pub dead_letter: Option<DeadLetter>,
    /// `x-dead-letter-strategy` at-least-once: a dead letter stays until every queue that it goes to has it. Only where new
    /// messages are refused at the length limit, as in RabbitMQ.
    pub at_least_once: bool,
    /// `x-consumer-timeout`, milliseconds, where a consumer does not say otherwise.
    pub consumer_timeout_ms: Option<u64>,
    /// `x-sync`: what a confirm waits for; the broker's `sync` where it is not said.
    pub sync: Option<Urgency>,
    /// `x-dedup-window` and its like: what a duplicate is.
    pub dedup: Option<Dedup>,
    /// In what order it delivers, where that is not first in, first out.
    pub order: Order,
    /// `x-delayed-retry-type` and its kin: how long messages that come back wait.
    pub retry: Option<Retry>,
    /// What a stream keeps: `x-max-age`, `x-max-length-bytes`, `x-stream-max-segment-size-bytes`.
    pub retention: Retention,
    /// `x-retain-acked`: milliseconds that what was acknowledged stays readable.
    pub retain_acked_ms: Option<u64>,
    /// `x-partitions`: how many a stream has; 0 is none.
    pub partitions: u16,
    /// `x-partition-key`: the header that has a message's key, instead of its routing key.
    pub partition_key: Option<Arc<str>>,
    /// The number of the partition that this queue is, from 0.
    pub partition: Option<u16>,
}

impl Rules {
    /// The rules that a queue's own arguments make.
    pub fn of(arguments: &arguments::QueueArguments) -> Self {
        Self {
            kind: arguments.kind,
            single_active: arguments.single_active,
            delivery_limit: delivery_limit::limit(arguments.kind, arguments.delivery_limit),
            shows_count: arguments.kind == QueueKind::Quorum || arguments.delivery_limit.is_some(),
            relaxed_redeclare: arguments.relaxed_redeclare,
            message_ttl_ms: arguments.message_ttl_ms,
            expires_ms: arguments.expires_ms,
            consumer_timeout_ms: arguments.consumer_timeout_ms,
            dedup: arguments.dedup.clone(),
            order: Order::of(arguments),
            retry: arguments.retry,
            retention: arguments.retention(),
            retain_acked_ms: arguments.retain_acked_ms,
            partitions: arguments.partitions,
            partition_key: arguments.partition_key.clone(),
            partition: None,
            at_least_once: arguments.at_least_once
                && arguments.kind == QueueKind::Quorum
                && arguments.overflow == Overflow::RejectPublish
                && arguments.dead_letter_exchange.is_some(),
            sync: match arguments.kind {
                QueueKind::Quorum => Some(Urgency::Synced),
                _ => arguments.sync,
            },
            limits: Limits {
                messages: arguments.max_length,
                bytes: arguments.max_length_bytes,
                overflow: arguments.overflow,
            },
            dead_letter: arguments
                .dead_letter_exchange
                .clone()
                .map(|exchange| DeadLetter {
                    exchange,
                    routing_key: arguments.dead_letter_routing_key.clone(),
                }),
        }
    }

    /// Whether a message that has come back so often is to die.
    #[inline]
    pub fn is_over_limit(&self, returned: u32) -> bool {
        delivery_limit::is_exceeded(self.delivery_limit, returned)
    }
}
