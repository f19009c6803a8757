//! Messages that a delayed message exchange has held, and whose time has come: they are routed as its bindings are now.
//!
//! What is due of a batch is placed and settled in one transaction: a crash finds a message held, or where it was to go, and
//! never in both or in neither.

use std::sync::Arc;

use smallvec::SmallVec;

use super::Broker;
use super::transaction::Transaction;
use super::vhost::Walk;
use crate::exchange::{extra_keys, held_properties};
use crate::message::Message;
use crate::queue::dead_letter::Reason;
use crate::queue::{Effects, Queue};
use crate::wire::properties::Properties;

/// Routes and places messages that were held in `queue`, and settles them there. Returns what is to be performed for each
/// queue, `queue` among them.
pub fn release(
    broker: &Broker,
    queue: &Arc<Queue>,
    due: &[(u64, Message, Reason)],
) -> Vec<(Arc<Queue>, Effects)> {
    let mut transaction = Transaction::default();
    let vhost = broker.vhost(&queue.spec.vhost);
    let exchange = vhost.as_ref().and_then(|vhost| vhost.holder(queue));
    if let (Some(vhost), Some(exchange)) = (vhost, exchange) {
        let mut walk = Walk::new(vhost);
        let mut queues = Vec::new();
        for (_, message, _) in due {
            let properties = held_properties(Properties::new(message.properties()));
            let message = message.with_properties(&properties);
            let properties = Properties::new(message.properties());
            let extra = extra_keys(properties).unwrap_or_default();
            let mut keys = extra.after(message.routing_key());
            keys.extend(message.hidden_keys());
            walk.route(&exchange, &keys, properties, &mut queues);
            walk.remember(|| message.clone());
            for target in &queues {
                transaction.publish(target, message.clone());
            }
        }
    }
    let sequences: SmallVec<[u64; 128]> = due.iter().map(|(sequence, ..)| *sequence).collect();
    transaction.bury(queue, &sequences);
    transaction.place(broker, broker.now())
}
