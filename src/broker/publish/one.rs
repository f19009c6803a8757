//! Messages that do not come with a round: one at a time, for whoever has few.

use std::sync::Arc;

use crate::broker::Broker;
use crate::message::Message;
use crate::queue::arguments::QueueKind;
use crate::queue::log::Links;
use crate::queue::{Effects, Queue};
use crate::store::Receipt;
use crate::wire::properties::{Edits, Properties, rewrite};
use crate::wire::table::Table;

/// Publishes one message that does not come with a round, to the queue that [is its home](home). False when that is deleted.
pub(in crate::broker) fn publish_one(
    broker: &Broker,
    queue: &Arc<Queue>,
    message: Message,
    now: u64,
    effects: &mut Effects,
) -> (bool, Receipt) {
    let message = kept_by(message, std::iter::once(queue));
    let links = if queue.spec.durable {
        Links::of(&message, broker.journal())
    } else {
        Links::default()
    };
    let mut locked = queue.lock();
    let placed = locked.publish(std::iter::once(message), &links, now, effects);
    (placed.is_ok(), locked.commit())
}

/// The queue that keeps a message which was routed to one: see [`Queue::home`].
pub(in crate::broker) fn home(queue: &Arc<Queue>, message: &Message) -> Arc<Queue> {
    queue.home(message.routing_key(), Properties::new(message.properties()))
}

/// Whether the queue keeps transient messages on disk, too.
pub(super) fn keeps_all(queue: &Queue) -> bool {
    matches!(queue.kind, QueueKind::Quorum | QueueKind::Stream)
}

/// The message as these queues keep it: some keep a transient one on disk, too.
pub(in crate::broker) fn kept_by<'a>(
    message: Message,
    mut queues: impl Iterator<Item = &'a Arc<Queue>>,
) -> Message {
    if !message.is_persistent() && queues.any(|queue| keeps_all(queue)) {
        message.made_persistent()
    } else {
        message
    }
}

/// The property block without its BCC header, which no receiver sees.
pub fn without_bcc(properties: Properties<'_>) -> Vec<u8> {
    let headers = properties
        .headers()
        .map(|raw| Table(raw).without(&[b"BCC"]));
    rewrite(
        properties.raw(),
        &Edits {
            headers,
            ..Edits::default()
        },
    )
}
