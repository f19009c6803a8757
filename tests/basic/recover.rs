//! recover and recover-async (BEHAVIOURS 2.3, 6).

use crate::support::{basic, shared};

#[test]
fn brings_back_everything_unacked_of_the_channel() {
    let mut peer = shared().channel();
    peer.open(2);
    let queue = peer.queue(1);
    for body in ["1", "2", "3", "4"] {
        peer.publish(1, "", &queue, body);
    }
    peer.has(1, &queue, 4, 0);
    peer.get(2, &queue).expect("another channel's");
    peer.get(1, &queue).expect("there");
    peer.get(1, &queue).expect("there");
    peer.send(1, &basic::ack(1, ""));
    peer.ask(1, &basic::recover(true), &basic::recover_ok());
    peer.has(1, &queue, 2, 0);
    let delivery = peer.take(1, &queue).expect("recovered");
    assert_eq!((delivery.text(), delivery.redelivered), ("3", true));
}

#[test]
fn may_deliver_to_the_same_consumer_again() {
    let mut peer = shared().channel();
    let queue = peer.queue(1);
    peer.publish(1, "", &queue, "x");
    peer.consume(1, &queue, "t", "");
    assert_eq!(peer.delivery(1).tag, 1);
    peer.send(1, &basic::recover(true));
    let mut got = Vec::new();
    for _ in 0..2 {
        let frame = peer.frame(1);
        let method = crate::support::Method::decode(&frame.payload);
        if method.is(60, 60) {
            assert_eq!(
                (method.number(1), method.number(2)),
                (2, 1),
                "tag, redelivered"
            );
            peer.frame(1);
            peer.frame(1);
        }
        got.push(method.method);
    }
    got.sort_unstable();
    assert_eq!(got, [60, 111]);
}

#[test]
fn async_is_not_answered() {
    let mut peer = shared().channel();
    let queue = peer.queue(1);
    peer.publish(1, "", &queue, "x");
    peer.has(1, &queue, 1, 0);
    peer.get(1, &queue).expect("there");
    peer.send(1, &basic::recover_async(true));
    peer.has(1, &queue, 1, 0);
}

#[test]
fn without_requeue_is_not_implemented() {
    let text = "NOT_IMPLEMENTED - requeue=false";
    shared()
        .channel()
        .fatal(1, &basic::recover(false), 540, text);
}

#[test]
fn async_without_requeue_is_not_implemented() {
    let mut peer = shared().channel();
    peer.send(1, &basic::recover_async(false));
    let closed = peer.connection_close();
    assert_eq!(
        (closed.number(0), closed.text(1)),
        (540, "NOT_IMPLEMENTED - requeue=false".into())
    );
    peer.send_close_ok();
}
