//! x-max-length and x-max-length-bytes with drop-head (BEHAVIOURS 4.5).

use crate::support::{Peer, Table, basic, shared};

fn after(peer: &mut Peer, arguments: Table, bodies: &[&str]) -> Vec<String> {
    let queue = peer.queue_with(1, arguments);
    peer.confirm(1);
    for body in bodies {
        peer.publish(1, "", &queue, body);
    }
    let mut left = Vec::new();
    // Twice, so that RabbitMQ has enqueued all of it.
    peer.open(2);
    crate::support::eventually("all are confirmed", || {
        let ack = peer.expect_method(1, 60, 80);
        ack.number(0) == bodies.len() as u64
    });
    while let Some(delivery) = peer.take(2, &queue) {
        left.push(delivery.text().to_owned());
    }
    left
}

#[test]
fn the_oldest_goes() {
    let left = after(
        &mut shared().channel(),
        table! { "x-max-length" => 2i32 },
        &["1", "2", "3", "4"],
    );
    assert_eq!(left, ["3", "4"]);
    let arguments = table! { "x-max-length" => 1i32, "x-overflow" => "drop-head" };
    assert_eq!(
        after(&mut shared().channel(), arguments, &["1", "2"]),
        ["2"]
    );
}

#[test]
fn zero_keeps_nothing() {
    let left = after(
        &mut shared().channel(),
        table! { "x-max-length" => 0i32 },
        &["1", "2"],
    );
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn bytes_are_those_of_the_bodies() {
    let arguments = table! { "x-max-length-bytes" => 6i32 };
    let left = after(
        &mut shared().channel(),
        arguments,
        &["1111", "22", "33", "44"],
    );
    assert_eq!(left, ["22", "33", "44"]);
}

#[test]
fn a_message_that_is_too_big_empties_the_queue() {
    let arguments = table! { "x-max-length-bytes" => 6i32 };
    let left = after(&mut shared().channel(), arguments, &["1", "2", "3333333"]);
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn both_limits_hold() {
    let arguments = table! { "x-max-length" => 3i32, "x-max-length-bytes" => 10i32 };
    let left = after(
        &mut shared().channel(),
        arguments,
        &["1", "2", "3", "4", "555555555"],
    );
    assert_eq!(left, ["4", "555555555"]);
}

#[test]
fn only_ready_messages_count() {
    let mut peer = shared().channel();
    let queue = peer.queue_with(1, table! { "x-max-length" => 1i32 });
    peer.publish(1, "", &queue, "held");
    peer.has(1, &queue, 1, 0);
    let held = peer.get(1, &queue).expect("there");
    peer.publish(1, "", &queue, "ready");
    peer.has(1, &queue, 1, 0);
    // Given back, it is the oldest and goes.
    peer.send(1, &basic::nack(held.tag, "requeue"));
    peer.quiet(1, &queue);
    peer.has(1, &queue, 1, 0);
    assert_eq!(peer.take(1, &queue).expect("there").text(), "ready");
}

#[test]
fn a_consumer_takes_what_would_be_too_much() {
    let mut peer = shared().channel();
    let queue = peer.queue_with(1, table! { "x-max-length" => 1i32 });
    peer.open(2);
    peer.consume(2, &queue, "t", "");
    for number in 0..10 {
        peer.publish(1, "", &queue, number.to_string());
        assert_eq!(peer.delivery(2).text(), number.to_string());
    }
}
