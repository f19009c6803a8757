//! get: one message, or the word that there is none (BEHAVIOURS 6).

use crate::support::{basic, shared};

#[test]
fn an_empty_queue() {
    let mut peer = shared().channel();
    let queue = peer.queue(1);
    peer.ask(1, &basic::get(&queue, ""), &basic::get_empty());
    peer.ask(1, &basic::get(&queue, "no-ack"), &basic::get_empty());
}

#[test]
fn tells_how_many_are_left() {
    let mut peer = shared().channel();
    let queue = peer.queue(1);
    for body in ["a", "b", "c"] {
        peer.publish(1, "", &queue, body);
    }
    peer.has(1, &queue, 3, 0);
    for (tag, body, left) in [(1, "a", 2), (2, "b", 1), (3, "c", 0)] {
        let got = peer.get(1, &queue).expect("there");
        assert_eq!(
            (got.tag, got.text(), got.left, got.redelivered),
            (tag, body, left, false)
        );
    }
    assert!(peer.get(1, &queue).is_none());
}

#[test]
fn no_ack_settles_at_once() {
    let mut peer = shared().channel();
    let queue = peer.queue(1);
    peer.publish(1, "", &queue, "x");
    let got = peer.take_soon(1, &queue);
    let text = format!("PRECONDITION_FAILED - unknown delivery tag {}", got.tag);
    peer.refused(1, &basic::ack(got.tag, ""), 406, &text);
    peer.has(1, &queue, 0, 0);
}

#[test]
fn a_missing_queue() {
    let mut peer = shared().channel();
    let text = "NOT_FOUND - no queue 'missing' in vhost '/'";
    peer.refused(1, &basic::get("missing", ""), 404, text);
}

#[test]
fn tags_are_shared_with_consumers() {
    let mut peer = shared().channel();
    let queue = peer.queue(1);
    for body in ["a", "b", "c"] {
        peer.publish(1, "", &queue, body);
    }
    peer.has(1, &queue, 3, 0);
    assert_eq!(peer.get(1, &queue).expect("there").tag, 1);
    peer.prefetch(1, 1);
    peer.consume(1, &queue, "t", "");
    assert_eq!(peer.delivery(1).tag, 2);
    peer.ask(1, &basic::cancel("t", ""), &basic::cancel_ok("t"));
    assert_eq!(peer.get(1, &queue).expect("there").tag, 3);
    peer.send(1, &basic::ack(3, "multiple"));
    peer.has(1, &queue, 0, 0);
    let text = "PRECONDITION_FAILED - unknown delivery tag 2";
    peer.refused(1, &basic::ack(2, ""), 406, text);
}
