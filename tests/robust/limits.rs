//! At its limit it works, one past it gets the listed error.

use crate::support::raw::{HEADER, METHOD, header};
use crate::support::{Peer, Properties, Table, Value, basic, queue, shared, unique};

/// A table in a table in a table ..., so many of them.
fn nested(depth: usize) -> Table {
    let mut table = table! { "end" => true };
    for _ in 1..depth {
        table = table! { "t" => table };
    }
    table
}

fn array(depth: usize) -> Table {
    let mut value = Value::Array(Vec::new());
    for _ in 2..depth {
        value = Value::Array(vec![value]);
    }
    table! { "a" => value }
}

/// The payload of `nested`, too deep to be built by recursion.
fn deep(levels: usize) -> Vec<u8> {
    let mut out = Vec::new();
    for level in 1..levels {
        out.extend_from_slice(b"\x01tF");
        let left = u32::try_from(7 * (levels - 1 - level)).unwrap();
        out.extend_from_slice(&left.to_be_bytes());
    }
    out
}

fn frame_error(mut peer: Peer, class: u64, method: u64) {
    let closed = peer.connection_close();
    assert_eq!(
        (closed.number(0), closed.number(2), closed.number(3)),
        (501, class, method)
    );
    assert!(closed.text(1).starts_with("FRAME_ERROR - "), "{closed:?}");
    peer.send_close_ok();
}

#[test]
fn table_depth_in_arguments() {
    let mut peer = shared().channel();
    for table in [nested(64), array(64)] {
        peer.queue_with(1, table);
    }
    decided!("RabbitMQ has no limit");
    for table in [nested(65).payload(), array(65).payload(), deep(15_000)] {
        let mut payload = queue::declare(&unique("q"), "exclusive", table! {}).encode();
        payload.truncate(payload.len() - 4);
        payload.extend_from_slice(&u32::try_from(table.len()).unwrap().to_be_bytes());
        payload.extend_from_slice(&table);
        let mut peer = shared().channel();
        peer.send_frame(METHOD, 1, &payload);
        frame_error(peer, 50, 10);
    }
}

#[test]
fn table_depth_in_headers() {
    let mut peer = shared().channel();
    let queue = peer.queue(1);
    for table in [nested(64), array(64)] {
        let properties = Properties::headers(table);
        peer.publish_with(1, "", &queue, "", &properties, "x");
        assert_eq!(peer.take_soon(1, &queue).properties(), properties);
    }
    decided!("RabbitMQ has no limit");
    for table in [nested(65).payload(), array(65).payload(), deep(15_000)] {
        let mut block = b"\x20\x00".to_vec();
        block.extend_from_slice(&u32::try_from(table.len()).unwrap().to_be_bytes());
        block.extend_from_slice(&table);
        let mut peer = shared().channel();
        peer.send(1, &basic::publish("", "nowhere", ""));
        peer.send_frame(HEADER, 1, &header(0, &block));
        let closed = peer.connection_close();
        assert_eq!(closed.number(0), 501, "{closed:?}");
        peer.send_close_ok();
    }
}

#[test]
fn headers_up_to_the_frame() {
    let mut peer = shared().channel();
    let queue = peer.queue(1);
    // 12 bytes of header, 2 of flags, 4 of table length, 2 of key, 5 of type and length.
    let room = 131_072 - 8 - (12 + 2 + 4 + 2 + 5);
    let properties = Properties::headers(table! { "k" => "x".repeat(room) });
    peer.publish_with(1, "", &queue, "", &properties, "x");
    assert_eq!(peer.take_soon(1, &queue).properties(), properties);
    let properties = Properties::headers(table! { "k" => "x".repeat(room + 9) });
    peer.send(1, &basic::publish("", &queue, ""));
    peer.try_send_bytes(&crate::support::raw::frame(
        HEADER,
        1,
        &header(0, &properties.encode()),
    ));
    let closed = peer.connection_close();
    assert_eq!(closed.number(0), 501);
    let text = closed.text(1);
    assert!(text.ends_with("{frame_too_large,131073,131064}"), "{text}");
}

#[test]
fn a_method_up_to_the_frame() {
    let mut peer = shared().channel();
    let name = unique("q");
    let room = 131_000 - name.len() - 40;
    let arguments = table! { "my-own" => "x".repeat(room) };
    let declare = queue::declare(&name, "exclusive", arguments);
    peer.ask(1, &declare, &queue::declare_ok(&name, 0, 0));
}

#[test]
fn routing_keys_of_255_bytes() {
    let mut peer = shared().channel();
    let name = peer.exchange(1, "direct");
    let queue = peer.queue(1);
    let key = "k".repeat(255);
    peer.bind(1, &queue, &name, &key);
    peer.publish(1, &name, &key, "x");
    assert_eq!(peer.take_soon(1, &queue).routing_key, key);
    let tag = "t".repeat(255);
    peer.consume(1, &queue, &tag, "");
}

#[test]
fn a_topic_key_of_empty_words() {
    decided!("RabbitMQ backtracks for ages");
    let mut peer = shared().channel();
    let name = peer.exchange(1, "topic");
    let queue = peer.queue(1);
    for pattern in ["#.#.#.#.#.#.#.#", "#.a.#.a.#.a.#.a.#.b", "*.#.*.#.*.#.*"] {
        peer.bind(1, &queue, &name, pattern);
    }
    peer.publish(1, &name, &".".repeat(255), "dots");
    peer.publish(1, &name, &"a.".repeat(127), "words");
    peer.has(1, &queue, 2, 0);
}

#[test]
fn the_largest_delivery_tag() {
    let mut peer = shared().channel();
    let text = "PRECONDITION_FAILED - unknown delivery tag 18446744073709551615";
    peer.refused(1, &basic::ack(u64::MAX, ""), 406, text);
    peer.refused(1, &basic::nack(u64::MAX, "multiple"), 406, text);
}

#[test]
fn a_body_size_beyond_all_reason() {
    decided!("RabbitMQ waits for it");
    let mut peer = shared().channel();
    peer.send(1, &basic::publish("", "nowhere", ""));
    peer.send_frame(HEADER, 1, &header(u64::MAX, &[0, 0]));
    // Refused at once or held for ever: the connection is alive, and nothing was allocated.
    peer.open(2);
}
