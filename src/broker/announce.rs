//! Messages that the broker itself publishes: the firehose and the events. Nobody waits for a confirm of them.

use std::sync::Arc;

use smallvec::SmallVec;

use super::Broker;
use super::exchange::Exchange;
use super::publish::{home, publish_one};
use super::vhost::{Vhost, Walk};
use crate::message::Message;
use crate::queue::Effects;
use crate::wire::limits::SHORT_STRING_BYTES_MAX;
use crate::wire::properties::Properties;

/// Publishes one message to that exchange. The caller holds no lock.
pub(super) fn announce(
    broker: &Broker,
    vhost: &Arc<Vhost>,
    exchange: &Arc<Exchange>,
    key: &str,
    properties: &[u8],
    body: &[u8],
) {
    let key = &key.as_bytes()[..key.len().min(SHORT_STRING_BYTES_MAX)];
    let mut queues = Vec::new();
    Walk::new(Arc::clone(vhost)).route(exchange, &[key], Properties::new(properties), &mut queues);
    if queues.is_empty() {
        return;
    }
    let mut names: SmallVec<[u8; 64]> = SmallVec::new();
    for name in [exchange.name.as_bytes(), key] {
        names.push(name.len() as u8);
        names.extend_from_slice(name);
    }
    let message = Message::from_parts(&names, properties, body, std::iter::empty());
    let now = broker.now();
    for queue in queues {
        let mut effects = Effects::default();
        let queue = home(&queue, &message);
        publish_one(broker, &queue, message.clone(), now, &mut effects);
        broker.perform(&queue, effects);
    }
}
