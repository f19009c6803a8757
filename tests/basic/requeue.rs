//! Requeued messages go back where they were and are marked (BEHAVIOURS 6).

use crate::support::{Peer, basic, channel, shared};

fn filled(count: u32) -> (Peer, String) {
    let mut peer = shared().channel();
    peer.open(2);
    let queue = peer.queue(1);
    for number in 1..=count {
        peer.publish(1, "", &queue, number.to_string());
    }
    peer.has(1, &queue, count, 0);
    (peer, queue)
}

fn drain(peer: &mut Peer, queue: &str) -> Vec<(String, bool)> {
    let mut all = Vec::new();
    while let Some(delivery) = peer.take(1, queue) {
        all.push((delivery.text().to_owned(), delivery.redelivered));
    }
    all
}

fn marked(bodies: &[(&str, bool)]) -> Vec<(String, bool)> {
    bodies
        .iter()
        .map(|(body, again)| ((*body).to_owned(), *again))
        .collect()
}

#[test]
fn to_the_original_position() {
    let (mut peer, queue) = filled(5);
    for _ in 0..3 {
        peer.get(1, &queue).expect("there");
    }
    // In another order than delivered.
    peer.send(1, &basic::reject(3, "requeue"));
    peer.send(1, &basic::reject(1, "requeue"));
    peer.send(1, &basic::nack(2, "requeue"));
    peer.has(1, &queue, 5, 0);
    let want = [
        ("1", true),
        ("2", true),
        ("3", true),
        ("4", false),
        ("5", false),
    ];
    assert_eq!(drain(&mut peer, &queue), marked(&want));
}

#[test]
fn between_others() {
    let (mut peer, queue) = filled(5);
    for _ in 0..5 {
        peer.get(1, &queue).expect("there");
    }
    for tag in [4, 2] {
        peer.send(1, &basic::reject(tag, "requeue"));
    }
    peer.has(1, &queue, 2, 0);
    peer.publish(1, "", &queue, "6");
    peer.has(1, &queue, 3, 0);
    peer.send(1, &basic::reject(3, "requeue"));
    peer.has(1, &queue, 4, 0);
    let want = [("2", true), ("3", true), ("4", true), ("6", false)];
    assert_eq!(drain(&mut peer, &queue), marked(&want));
}

#[test]
fn by_a_closed_channel() {
    let (mut peer, queue) = filled(4);
    peer.prefetch(2, 3);
    peer.consume(2, &queue, "t", "");
    assert_eq!(peer.texts(2, 3), ["1", "2", "3"]);
    peer.ask(2, &channel::close(), &channel::close_ok());
    peer.has(1, &queue, 4, 0);
    let want = [("1", true), ("2", true), ("3", true), ("4", false)];
    assert_eq!(drain(&mut peer, &queue), marked(&want));
}

#[test]
fn to_a_waiting_consumer() {
    let (mut peer, queue) = filled(1);
    let one = peer.get(1, &queue).expect("there");
    peer.consume(2, &queue, "t", "");
    peer.send(1, &basic::nack(one.tag, "requeue"));
    let delivery = peer.delivery(2);
    assert!(delivery.redelivered);
    assert_eq!(delivery.text(), "1");
}

#[test]
fn no_delivery_count_on_a_classic_queue() {
    let (mut peer, queue) = filled(1);
    for round in 0..30 {
        let delivery = peer.get(1, &queue).expect("no limit by default");
        assert_eq!(delivery.redelivered, round > 0);
        assert_eq!(delivery.properties, [0, 0]);
        peer.send(1, &basic::nack(delivery.tag, "requeue"));
        peer.has(1, &queue, 1, 0);
    }
}
