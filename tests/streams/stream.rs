//! What the tests of streams share.

use crate::support::{Delivery, Peer, Table, Value, basic, queue, unique};

/// Declares a stream with more arguments.
pub fn declared_with(peer: &mut Peer, more: Table) -> String {
    let name = unique("stream");
    let mut arguments = table! { "x-queue-type" => "stream" };
    arguments.0.extend(more.0);
    let declare = queue::declare(&name, "durable", arguments);
    peer.ask(1, &declare, &queue::declare_ok(&name, 0, 0));
    name
}

/// Declares a stream.
pub fn declared(peer: &mut Peer) -> String {
    declared_with(peer, table! {})
}

/// A stream with so many messages, "0", "1" and so on, each a batch of its own.
pub fn filled(peer: &mut Peer, count: u64) -> String {
    let name = declared(peer);
    peer.confirm(1);
    publish(peer, &name, 0..count);
    name
}

/// Publishes numbers one by one, and waits until they are confirmed; those below the first have been published before, on the
/// same channel, and nothing else.
pub fn publish(peer: &mut Peer, name: &str, numbers: std::ops::Range<u64>) {
    for number in numbers {
        peer.publish(1, "", name, number.to_string());
        peer.acked(1, number + 1);
    }
}

/// Consumes on a channel with that prefetch and those arguments.
pub fn consume(peer: &mut Peer, channel: u16, name: &str, prefetch: u16, arguments: Table) {
    peer.prefetch(channel, prefetch);
    let tag = format!("c{channel}");
    let consume = basic::consume(name, &tag, "", arguments);
    peer.ask(channel, &consume, &basic::consume_ok(&tag));
}

/// The offset in a delivery's headers.
pub fn offset(delivery: &Delivery) -> u64 {
    match delivery.headers().get("x-stream-offset") {
        Some(Value::I64(offset)) => *offset as u64,
        other => panic!("{other:?}"),
    }
}

/// The next deliveries, each acknowledged: offset and body.
pub fn read(peer: &mut Peer, channel: u16, count: usize) -> Vec<(u64, String)> {
    let mut got = Vec::new();
    for _ in 0..count {
        let delivery = peer.delivery(channel);
        peer.send(channel, &basic::ack(delivery.tag, ""));
        got.push((offset(&delivery), delivery.text().to_owned()));
    }
    got
}

/// What the messages of these offsets are in a stream made by [`filled`].
pub fn numbers(offsets: std::ops::Range<u64>) -> Vec<(u64, String)> {
    offsets.map(|offset| (offset, offset.to_string())).collect()
}
