//! cancel, by the client and by the broker (BEHAVIOURS 2.3, 6).

use crate::support::{Login, basic, channel, queue, shared};

#[test]
fn nothing_comes_after_cancel_ok() {
    let mut peer = shared().channel();
    let queue = peer.queue(1);
    for number in 0..1000 {
        peer.publish(1, "", &queue, number.to_string());
    }
    peer.prefetch(1, 10);
    peer.consume(1, &queue, "t", "");
    peer.send(1, &basic::cancel("t", ""));
    let mut delivered = 0;
    loop {
        let frame = peer.frame(1);
        if frame.kind == 1 {
            let method = crate::support::Method::decode(&frame.payload);
            if method == basic::cancel_ok("t") {
                break;
            }
            assert!(method.is(60, 60), "{method:?}");
            delivered += 1;
        }
    }
    assert!(delivered <= 10);
    peer.quiet(1, &queue);
    // What was delivered can still be settled.
    if delivered > 0 {
        peer.send(1, &basic::ack(0, "multiple"));
    }
    peer.has(1, &queue, 1000 - delivered, 0);
}

#[test]
fn acks_after_cancel_are_valid() {
    let mut peer = shared().channel();
    let queue = peer.queue(1);
    peer.publish(1, "", &queue, "x");
    peer.consume(1, &queue, "t", "");
    let delivery = peer.delivery(1);
    peer.ask(1, &basic::cancel("t", ""), &basic::cancel_ok("t"));
    peer.has(1, &queue, 0, 0);
    peer.send(1, &basic::nack(delivery.tag, "requeue"));
    peer.has(1, &queue, 1, 0);
}

#[test]
fn an_unknown_tag_is_cancelled_with_success() {
    shared()
        .channel()
        .ask(1, &basic::cancel("nobody", ""), &basic::cancel_ok("nobody"));
}

#[test]
fn nowait_is_not_answered() {
    let mut peer = shared().channel();
    let queue = peer.queue(1);
    peer.consume(1, &queue, "t", "");
    peer.send(1, &basic::cancel("t", "nowait"));
    peer.has(1, &queue, 0, 0);
    peer.publish(1, "", &queue, "x");
    peer.quiet(1, &queue);
}

#[test]
fn a_deleted_queue_cancels_its_consumers() {
    let mut peer = shared().channel();
    peer.open(2);
    let name = peer.queue(1);
    peer.consume(1, &name, "one", "");
    peer.consume(2, &name, "two", "");
    peer.send(2, &queue::delete(&name, ""));
    peer.expect(1, &basic::cancel("one", "nowait"));
    let mut got = [peer.next(2), peer.next(2)];
    got.sort_by_key(|method| method.class);
    assert_eq!(got, [queue::delete_ok(0), basic::cancel("two", "nowait")]);
    // The tag is free again.
    let other = peer.queue(1);
    peer.consume(1, &other, "one", "");
}

#[test]
fn clients_that_do_not_understand_are_not_told() {
    let login = Login {
        capabilities: &[],
        ..Login::default()
    };
    let mut peer = shared().peer_with(&login);
    peer.open(1);
    peer.open(2);
    let name = peer.queue(1);
    peer.consume(1, &name, "t", "");
    peer.ask(2, &queue::delete(&name, ""), &queue::delete_ok(0));
    let other = peer.queue(1);
    peer.quiet(1, &other);
}

#[test]
fn a_clients_cancel_ok_is_accepted() {
    decided!("RabbitMQ 4.0 answers 503 once the consumer is gone");
    let mut peer = shared().channel();
    peer.open(2);
    let name = peer.queue(1);
    peer.consume(1, &name, "t", "");
    peer.ask(2, &queue::delete(&name, ""), &queue::delete_ok(0));
    peer.expect(1, &basic::cancel("t", "nowait"));
    peer.send(1, &basic::cancel_ok("t"));
    peer.ask(1, &channel::close(), &channel::close_ok());
}

#[test]
fn a_consumer_on_another_connection_is_told() {
    let name = crate::support::unique("auto");
    let mut peer = shared().channel();
    let declare = queue::declare(&name, "auto-delete", table! {});
    peer.ask(1, &declare, &queue::declare_ok(&name, 0, 0));
    let mut other = shared().channel();
    other.consume(1, &name, "t", "");
    peer.ask(1, &queue::delete(&name, ""), &queue::delete_ok(0));
    other.expect(1, &basic::cancel("t", "nowait"));
}
