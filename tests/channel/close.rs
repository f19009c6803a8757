//! close, from either side, and what is left behind.

use crate::support::{basic, channel, queue, shared};

#[test]
fn is_answered_and_the_number_is_free_again() {
    let mut peer = shared().channel();
    for _ in 0..3 {
        peer.ask(1, &channel::close(), &channel::close_ok());
        peer.open(1);
    }
}

#[test]
fn returns_unacked_messages_and_removes_consumers_before_close_ok() {
    let mut peer = shared().channel();
    peer.open(2);
    let queue = peer.queue(2);
    for body in ["a", "b", "c"] {
        peer.publish(2, "", &queue, body);
    }
    peer.prefetch(1, 2);
    peer.consume(1, &queue, "t", "");
    assert_eq!(peer.texts(1, 2), ["a", "b"]);
    peer.has(2, &queue, 1, 1);
    peer.ask(1, &channel::close(), &channel::close_ok());
    peer.has(2, &queue, 3, 0);
    for (body, redelivered) in [("a", true), ("b", true), ("c", false)] {
        let delivery = peer.get(2, &queue).expect("returned");
        assert_eq!((delivery.text(), delivery.redelivered), (body, redelivered));
    }
}

#[test]
fn keeps_what_was_published() {
    let mut peer = shared().channel();
    peer.open(2);
    let queue = peer.queue(2);
    peer.publish(1, "", &queue, "last words");
    peer.ask(1, &channel::close(), &channel::close_ok());
    assert_eq!(peer.take(2, &queue).expect("kept").text(), "last words");
}

#[test]
fn keeps_exclusive_queues_which_belong_to_the_connection() {
    let mut peer = shared().channel();
    peer.open(2);
    let queue = peer.queue(1);
    peer.ask(1, &channel::close(), &channel::close_ok());
    peer.has(2, &queue, 0, 0);
}

#[test]
fn delivery_tags_start_anew() {
    let mut peer = shared().channel();
    let queue = peer.queue(1);
    for _ in 0..2 {
        peer.publish(1, "", &queue, "x");
        assert_eq!(peer.get(1, &queue).expect("there").tag, 1);
        peer.ask(1, &channel::close(), &channel::close_ok());
        peer.open(1);
    }
}

#[test]
fn after_an_error_everything_is_ignored_until_close_ok() {
    let mut peer = shared().channel();
    peer.open(2);
    let name = peer.queue(2);
    peer.send(1, &queue::declare("no such queue", "passive", table! {}));
    // Neither answered nor obeyed.
    peer.send(1, &queue::delete(&name, ""));
    peer.publish(1, "", &name, "ignored");
    peer.send(1, &basic::consume(&name, "", "", table! {}));
    let text = "NOT_FOUND - no queue 'no such queue' in vhost '/'";
    peer.expect(1, &channel::closed(404, text, 50, 10));
    peer.has(2, &name, 0, 0);
    peer.send(1, &channel::close_ok());
    peer.open(1);
    peer.has(1, &name, 0, 0);
}

#[test]
fn both_sides_may_close_at_once() {
    let mut peer = shared().channel();
    peer.send(1, &queue::declare("no such queue", "passive", table! {}));
    peer.send(1, &channel::close());
    assert!(peer.next(1).is(20, 40));
    peer.expect(1, &channel::close_ok());
    peer.send(1, &channel::close_ok());
    peer.open(1);
}

#[test]
fn an_error_returns_unacked_messages_at_once() {
    let mut peer = shared().channel();
    peer.open(2);
    let name = peer.queue(2);
    peer.publish(2, "", &name, "a");
    peer.consume(1, &name, "t", "");
    peer.delivery(1);
    peer.send(1, &queue::declare("no such queue", "passive", table! {}));
    assert!(peer.next(1).is(20, 40));
    // close-ok is not sent yet.
    peer.has(2, &name, 1, 0);
    assert!(peer.get(2, &name).expect("returned").redelivered);
}

#[test]
fn close_ok_without_a_close() {
    decided!("RabbitMQ hangs up or ignores it");
    let mut peer = shared().channel();
    peer.send(1, &channel::close_ok());
    let closed = peer.connection_close();
    assert!([503, 504].contains(&closed.number(0)), "{closed:?}");
    peer.send_close_ok();
}
