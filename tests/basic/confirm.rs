//! Publisher confirms (BEHAVIOURS 5).

use crate::support::{Properties, basic, confirm, queue, shared, tx};

#[test]
fn select_may_be_repeated_or_silent() {
    let mut peer = shared().channel();
    peer.confirm(1);
    peer.confirm(1);
    peer.open(2);
    let queue = peer.queue(2);
    peer.send(2, &confirm::select_nowait());
    peer.publish(2, "", &queue, "x");
    peer.acked(2, 1);
}

#[test]
fn every_message_is_confirmed_routed_or_not() {
    let mut peer = shared().channel();
    let queue = peer.queue(1);
    peer.confirm(1);
    for number in 0..500 {
        let key = if number % 3 == 0 {
            "no such queue"
        } else {
            &queue
        };
        let properties = if number % 2 == 0 {
            Properties::persistent()
        } else {
            Properties::default()
        };
        peer.publish_with(1, "", key, "", &properties, "x");
    }
    peer.acked(1, 500);
}

#[test]
fn counting_starts_with_select() {
    let mut peer = shared().channel();
    let queue = peer.queue(1);
    for _ in 0..5 {
        peer.publish(1, "", &queue, "before");
    }
    peer.confirm(1);
    peer.publish(1, "", &queue, "first");
    let ack = peer.expect_method(1, 60, 80);
    assert_eq!(ack.number(0), 1);
}

#[test]
fn persistent_messages_to_durable_queues_are_confirmed() {
    let name = crate::support::unique("durable");
    let mut peer = shared().channel();
    peer.ask(
        1,
        &queue::declare(&name, "durable", table! {}),
        &queue::declare_ok(&name, 0, 0),
    );
    peer.confirm(1);
    for _ in 0..100 {
        peer.publish_with(1, "", &name, "", &Properties::persistent(), "x");
    }
    peer.acked(1, 100);
    peer.ask(1, &queue::delete(&name, ""), &queue::delete_ok(100));
}

#[test]
fn a_confirmed_message_is_there_for_others() {
    let name = crate::support::unique("there");
    let mut publisher = shared().channel();
    publisher.ask(
        1,
        &queue::declare(&name, "", table! {}),
        &queue::declare_ok(&name, 0, 0),
    );
    publisher.confirm(1);
    let mut other = shared().channel();
    for number in 1..=50 {
        publisher.publish(1, "", &name, number.to_string());
        publisher.acked_one(1, number);
        let delivery = other.take(1, &name).expect("confirmed is there");
        assert_eq!(delivery.text(), number.to_string());
    }
    publisher.ask(1, &queue::delete(&name, ""), &queue::delete_ok(0));
}

#[test]
fn each_channel_counts_for_itself() {
    let mut peer = shared().channel();
    peer.open(2);
    let queue = peer.queue(1);
    peer.confirm(1);
    peer.confirm(2);
    peer.publish(1, "", &queue, "a");
    peer.publish(2, "", &queue, "b");
    peer.acked(1, 1);
    peer.acked(2, 1);
}

#[test]
fn a_fanout_is_confirmed_once() {
    let mut peer = shared().channel();
    let name = peer.exchange(1, "fanout");
    for _ in 0..10 {
        let queue = peer.queue(1);
        peer.bind(1, &queue, &name, "");
    }
    peer.confirm(1);
    peer.publish(1, &name, "", "x");
    peer.acked(1, 1);
    peer.ask(1, &basic::qos(0, 0, false), &basic::qos_ok());
}

#[test]
fn a_dropped_message_is_confirmed_too() {
    let mut peer = shared().channel();
    let queue = peer.queue_with(1, table! { "x-max-length" => 1i32 });
    let none = peer.queue_with(1, table! { "x-message-ttl" => 0i32 });
    peer.confirm(1);
    for _ in 0..10 {
        peer.publish(1, "", &queue, "x");
        peer.publish(1, "", &none, "x");
    }
    peer.acked(1, 20);
    peer.has(1, &queue, 1, 0);
    peer.has(1, &none, 0, 0);
}

#[test]
fn tx_and_confirm_exclude_each_other() {
    let mut peer = shared().channel();
    peer.confirm(1);
    let text = "PRECONDITION_FAILED - cannot switch from confirm to tx mode";
    peer.refused(1, &tx::select(), 406, text);
    peer.ask(1, &tx::select(), &tx::select_ok());
    let text = "PRECONDITION_FAILED - cannot switch from tx to confirm mode";
    peer.refused(1, &confirm::select(), 406, text);
}
