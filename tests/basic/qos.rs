//! qos: how much may be outstanding (BEHAVIOURS 2.3, 6).

use crate::support::{Peer, basic, queue, shared};

fn filled(count: usize) -> (Peer, String) {
    let mut peer = shared().channel();
    let queue = peer.queue(1);
    for number in 1..=count {
        peer.publish(1, "", &queue, number.to_string());
    }
    peer.has(1, &queue, u32::try_from(count).unwrap(), 0);
    (peer, queue)
}

#[test]
fn a_consumer_gets_no_more_than_its_prefetch() {
    let (mut peer, queue) = filled(10);
    peer.prefetch(1, 3);
    peer.consume(1, &queue, "t", "");
    assert_eq!(peer.texts(1, 3), ["1", "2", "3"]);
    peer.quiet(1, &queue);
    peer.send(1, &basic::ack(2, ""));
    assert_eq!(peer.texts(1, 1), ["4"]);
    peer.send(1, &basic::ack(4, "multiple"));
    assert_eq!(peer.texts(1, 3), ["5", "6", "7"]);
    peer.quiet(1, &queue);
}

#[test]
fn rejecting_frees_credit_too() {
    let (mut peer, queue) = filled(4);
    peer.prefetch(1, 1);
    peer.consume(1, &queue, "t", "");
    for (tag, body) in [(1, "1"), (2, "2")] {
        let delivery = peer.delivery(1);
        assert_eq!((delivery.tag, delivery.text()), (tag, body));
        peer.send(1, &basic::reject(tag, ""));
    }
    peer.delivery(1);
    peer.send(1, &basic::nack(3, "requeue"));
    let again = peer.delivery(1);
    assert_eq!((again.text(), again.redelivered), ("3", true));
}

#[test]
fn zero_is_no_limit() {
    let (mut peer, queue) = filled(100);
    peer.prefetch(1, 0);
    peer.consume(1, &queue, "t", "");
    assert_eq!(peer.texts(1, 100).len(), 100);
}

#[test]
fn consumers_keep_the_limit_they_started_with() {
    let (mut peer, queue) = filled(10);
    peer.prefetch(1, 2);
    peer.consume(1, &queue, "two", "");
    assert_eq!(peer.texts(1, 2).len(), 2);
    peer.prefetch(1, 1);
    peer.consume(1, &queue, "one", "");
    let delivery = peer.delivery(1);
    assert_eq!(delivery.consumer, "one");
    peer.quiet(1, &queue);
    // The first still has two.
    peer.send(1, &basic::ack(2, "multiple"));
    let tags: Vec<String> = (0..2).map(|_| peer.delivery(1).consumer).collect();
    assert_eq!(tags, ["two", "two"]);
    peer.quiet(1, &queue);
}

#[test]
fn no_ack_and_get_know_no_limit() {
    let (mut peer, queue) = filled(6);
    peer.prefetch(1, 1);
    for _ in 0..3 {
        peer.get(1, &queue).expect("there");
    }
    peer.consume(1, &queue, "t", "no-ack");
    assert_eq!(peer.texts(1, 3), ["4", "5", "6"]);
}

#[test]
fn global_is_shared_by_the_channels_consumers() {
    let (mut peer, queue) = filled(10);
    let other = peer.queue(1);
    for _ in 0..10 {
        peer.publish(1, "", &other, "other");
    }
    peer.has(1, &other, 10, 0);
    peer.ask(1, &basic::qos(0, 3, true), &basic::qos_ok());
    peer.consume(1, &queue, "a", "");
    peer.texts(1, 3);
    peer.consume(1, &other, "b", "");
    peer.quiet(1, &queue);
    peer.quiet(1, &other);
    peer.send(1, &basic::ack(1, ""));
    peer.texts(1, 1);
    peer.quiet(1, &queue);
    peer.quiet(1, &other);
    // Another channel has its own.
    peer.open(2);
    peer.consume(2, &queue, "c", "");
    peer.delivery(2);
}

#[test]
fn global_works_at_once_and_together_with_the_consumers_own() {
    let (mut peer, queue) = filled(10);
    peer.prefetch(1, 2);
    peer.ask(1, &basic::qos(0, 3, true), &basic::qos_ok());
    peer.consume(1, &queue, "a", "");
    peer.texts(1, 2);
    peer.quiet(1, &queue);
    peer.consume(1, &queue, "b", "");
    assert_eq!(peer.delivery(1).consumer, "b");
    peer.quiet(1, &queue);
    // A larger shared limit lets more through.
    peer.ask(1, &basic::qos(0, 4, true), &basic::qos_ok());
    assert_eq!(peer.delivery(1).consumer, "b");
    peer.quiet(1, &queue);
}

#[test]
fn a_lifted_global_limit_lets_everything_through() {
    let (mut peer, queue) = filled(10);
    peer.ask(1, &basic::qos(0, 1, true), &basic::qos_ok());
    peer.consume(1, &queue, "a", "");
    peer.texts(1, 1);
    peer.quiet(1, &queue);
    peer.ask(1, &basic::qos(0, 0, true), &basic::qos_ok());
    assert_eq!(peer.texts(1, 9).len(), 9);
}

#[test]
fn prefetch_size_is_not_implemented() {
    let text = "NOT_IMPLEMENTED - prefetch_size!=0 (1)";
    shared()
        .channel()
        .fatal(1, &basic::qos(1, 1, false), 540, text);
}

#[test]
fn prefetch_bounds_what_a_closed_consumer_gives_back() {
    let (mut peer, queue) = filled(5);
    peer.prefetch(1, 2);
    peer.consume(1, &queue, "t", "");
    peer.texts(1, 2);
    peer.ask(1, &basic::cancel("t", ""), &basic::cancel_ok("t"));
    // Cancelled, its messages stay outstanding.
    peer.has(1, &queue, 3, 0);
    peer.ask(1, &queue::delete(&queue, "if-unused"), &queue::delete_ok(3));
}
