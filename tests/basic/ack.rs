//! ack, nack and reject: single, multiple, unknown (BEHAVIOURS 2.3, 6).

use crate::support::{Method, Peer, basic, shared};

/// Five messages delivered on channel 1, by get.
fn outstanding() -> (Peer, String) {
    let mut peer = shared().channel();
    let queue = peer.queue(1);
    for number in 1..=5 {
        peer.publish(1, "", &queue, number.to_string());
    }
    peer.has(1, &queue, 5, 0);
    for tag in 1..=5 {
        assert_eq!(peer.get(1, &queue).expect("there").tag, tag);
    }
    (peer, queue)
}

/// Brings back what is unsettled and returns it.
fn unsettled(peer: &mut Peer, queue: &str) -> Vec<String> {
    peer.ask(1, &basic::recover(true), &basic::recover_ok());
    let mut bodies = Vec::new();
    while let Some(delivery) = peer.take(1, queue) {
        bodies.push(delivery.text().to_owned());
    }
    bodies
}

fn after(methods: &[Method], want: &[&str]) {
    let (mut peer, queue) = outstanding();
    for method in methods {
        peer.send(1, method);
    }
    // RabbitMQ needs a moment to requeue.
    peer.quiet(1, &queue);
    assert_eq!(unsettled(&mut peer, &queue), want, "{methods:?}");
}

#[test]
fn one_by_one() {
    after(&[basic::ack(2, ""), basic::ack(4, "")], &["1", "3", "5"]);
    after(
        &[basic::reject(2, ""), basic::nack(4, "")],
        &["1", "3", "5"],
    );
}

#[test]
fn all_up_to_a_tag() {
    after(&[basic::ack(3, "multiple")], &["4", "5"]);
    after(&[basic::nack(3, "multiple")], &["4", "5"]);
    after(&[basic::ack(2, ""), basic::ack(4, "multiple")], &["5"]);
}

#[test]
fn zero_and_multiple_is_everything() {
    after(&[basic::ack(0, "multiple")], &[]);
    after(&[basic::nack(0, "multiple")], &[]);
    // Also when nothing is outstanding.
    after(&[basic::ack(0, "multiple"), basic::ack(0, "multiple")], &[]);
}

#[test]
fn requeue_brings_them_back() {
    after(
        &[basic::nack(3, "multiple requeue")],
        &["1", "2", "3", "4", "5"],
    );
    after(
        &[basic::reject(3, "requeue"), basic::ack(1, "")],
        &["2", "3", "4", "5"],
    );
}

#[test]
fn unknown_tags() {
    let cases = [
        basic::ack(99, ""),
        basic::ack(99, "multiple"),
        basic::ack(0, ""),
        basic::nack(99, ""),
        basic::nack(99, "multiple requeue"),
        basic::nack(0, ""),
        basic::reject(99, ""),
        basic::reject(99, "requeue"),
        basic::reject(0, ""),
    ];
    for method in cases {
        let (mut peer, queue) = outstanding();
        let tag = if method.number(0) == 0 { 0 } else { 99 };
        let text = format!("PRECONDITION_FAILED - unknown delivery tag {tag}");
        peer.refused(1, &method, 406, &text);
        // Everything is back.
        peer.has(1, &queue, 5, 0);
    }
}

#[test]
fn a_tag_is_settled_once() {
    for again in [basic::ack(1, ""), basic::nack(1, ""), basic::reject(1, "")] {
        let (mut peer, _) = outstanding();
        peer.send(1, &basic::ack(1, ""));
        peer.refused(
            1,
            &again,
            406,
            "PRECONDITION_FAILED - unknown delivery tag 1",
        );
    }
    let (mut peer, _) = outstanding();
    peer.send(1, &basic::ack(3, "multiple"));
    let text = "PRECONDITION_FAILED - unknown delivery tag 2";
    peer.refused(1, &basic::ack(2, ""), 406, text);
}

#[test]
fn another_channels_tag_is_unknown() {
    let (mut peer, _) = outstanding();
    peer.open(2);
    let text = "PRECONDITION_FAILED - unknown delivery tag 1";
    peer.refused(2, &basic::ack(1, ""), 406, text);
}

#[test]
fn ten_thousand_in_any_order() {
    let mut peer = shared().channel();
    let queue = peer.queue(1);
    for _ in 0..10_000 {
        peer.publish(1, "", &queue, "x");
    }
    peer.consume(1, &queue, "t", "");
    for _ in 0..10_000 {
        peer.delivery(1);
    }
    // Every second backwards, then the rest at once.
    let mut bytes = Vec::new();
    for tag in (1..=10_000u64).rev().filter(|tag| tag % 2 == 0) {
        bytes.extend(crate::support::raw::frame(
            1,
            1,
            &basic::ack(tag, "").encode(),
        ));
    }
    bytes.extend(crate::support::raw::frame(
        1,
        1,
        &basic::ack(0, "multiple").encode(),
    ));
    peer.send_bytes(&bytes);
    peer.has(1, &queue, 0, 1);
    peer.ask(1, &basic::recover(true), &basic::recover_ok());
    peer.quiet(1, &queue);
}
