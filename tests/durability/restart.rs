//! Restarts of the real process, after SIGTERM and after SIGKILL: what must be there again and what must not. Raw frames, so that
//! every byte counts; each test holds against RabbitMQ 4.0, too, unless it says otherwise (see `tests/support/home.rs`).

mod counts;
mod definitions;
mod features;
pub(crate) mod messages;
mod order;
mod settled;
mod time;

use crate::support::*;

/// A channel that no test uses itself.
const OWN_CHANNEL: u16 = 99;

/// Declares a durable queue.
pub(crate) fn durable(peer: &mut Peer, name: &str, arguments: Table) {
    let declare = queue::declare(name, "durable", arguments);
    peer.ask(1, &declare, &queue::declare_ok(name, 0, 0));
}

/// A fresh durable queue.
pub(crate) fn durable_queue(peer: &mut Peer) -> String {
    let name = unique("durable");
    durable(peer, &name, table! {});
    name
}

/// Publishes on a channel of its own and waits until all is confirmed.
pub(crate) fn confirmed<B: AsRef<[u8]>>(
    peer: &mut Peer,
    (exchange, key): (&str, &str),
    messages: impl IntoIterator<Item = (Properties, B)>,
) {
    peer.open(OWN_CHANNEL);
    peer.confirm(OWN_CHANNEL);
    let mut count = 0;
    for (properties, body) in messages {
        peer.publish_with(OWN_CHANNEL, exchange, key, "", &properties, body);
        count += 1;
    }
    peer.acked(OWN_CHANNEL, count);
    peer.ask(OWN_CHANNEL, &channel::close(), &channel::close_ok());
}

/// Publishes persistent messages to a queue and waits until all are confirmed.
pub(crate) fn keep<B: AsRef<[u8]>>(
    peer: &mut Peer,
    queue: &str,
    bodies: impl IntoIterator<Item = B>,
) {
    let persistent = |body| (Properties::persistent(), body);
    confirmed(peer, ("", queue), bodies.into_iter().map(persistent));
}

/// The bodies `0` to `count - 1` as text.
pub(crate) fn numbers(range: std::ops::Range<u32>) -> Vec<String> {
    range.map(|number| number.to_string()).collect()
}

/// Takes everything out of a queue.
pub(crate) fn drain(peer: &mut Peer, queue: &str) -> Vec<Delivery> {
    std::iter::from_fn(|| peer.take(1, queue)).collect()
}

/// The bodies of everything in a queue, which is empty afterwards.
pub(crate) fn bodies(peer: &mut Peer, queue: &str) -> Vec<String> {
    let all = drain(peer, queue);
    all.iter()
        .map(|delivery| delivery.text().to_owned())
        .collect()
}

/// There is no such queue.
pub(crate) fn queue_is_gone(peer: &mut Peer, name: &str) {
    let text = format!("NOT_FOUND - no queue '{name}' in vhost '/'");
    peer.refused(1, &queue::declare(name, "passive", table! {}), 404, &text);
}

/// There is no such exchange.
fn exchange_is_gone(peer: &mut Peer, name: &str) {
    let text = format!("NOT_FOUND - no exchange '{name}' in vhost '/'");
    peer.refused(
        1,
        &exchange::declare(name, "direct", "passive", table! {}),
        404,
        &text,
    );
}
