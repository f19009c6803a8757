//! Single active consumer (BEHAVIOURS 4.7).

use crate::support::{Peer, Table, basic, queue, shared, unique};

fn declared(peer: &mut Peer, kind: &str) -> String {
    let name = unique("single");
    let arguments = table! { "x-single-active-consumer" => true, "x-queue-type" => kind };
    peer.ask(
        1,
        &queue::declare(&name, "durable", arguments),
        &queue::declare_ok(&name, 0, 0),
    );
    name
}

fn consume(peer: &mut Peer, channel: u16, queue: &str, tag: &str, priority: i32) {
    let arguments = table! { "x-priority" => priority };
    peer.ask(
        channel,
        &basic::consume(queue, tag, "", arguments),
        &basic::consume_ok(tag),
    );
}

fn delete(mut peer: Peer, name: &str) {
    peer.call(1, &queue::delete(name, ""));
}

#[test]
fn the_first_gets_all_until_it_goes_and_then_the_next() {
    for kind in ["classic", "quorum"] {
        let mut peer = shared().channel();
        let queue = declared(&mut peer, kind);
        for channel in 2..=4 {
            peer.open(channel);
            consume(&mut peer, channel, &queue, &format!("c{channel}"), 0);
        }
        for body in ["1", "2", "3"] {
            peer.publish(1, "", &queue, body);
        }
        assert_eq!(peer.texts(2, 3), ["1", "2", "3"], "{kind}");
        if kind == "classic" {
            // RabbitMQ's quorum queues do not count those that wait.
            peer.has(1, &queue, 0, 3);
        }
        peer.ask(2, &basic::cancel("c2", ""), &basic::cancel_ok("c2"));
        peer.publish(1, "", &queue, "4");
        assert_eq!(peer.delivery(3).text(), "4");
        // A closed channel hands over, too, with what it had.
        peer.ask(
            3,
            &crate::support::channel::close(),
            &crate::support::channel::close_ok(),
        );
        let again = peer.delivery(4);
        assert_eq!((again.text(), again.redelivered), ("4", true), "{kind}");
        delete(peer, &queue);
    }
}

#[test]
fn a_full_active_consumer_keeps_the_others_waiting() {
    let mut peer = shared().channel();
    let queue = declared(&mut peer, "classic");
    for channel in [2, 3] {
        peer.open(channel);
        peer.prefetch(channel, 1);
        consume(&mut peer, channel, &queue, "t", 0);
    }
    for body in ["1", "2"] {
        peer.publish(1, "", &queue, body);
    }
    let first = peer.delivery(2);
    peer.quiet(3, &queue);
    peer.has(1, &queue, 1, 2);
    peer.send(2, &basic::ack(first.tag, ""));
    assert_eq!(peer.delivery(2).text(), "2");
    delete(peer, &queue);
}

#[test]
fn priorities_choose_the_successor_on_a_classic_queue() {
    let mut peer = shared().channel();
    let queue = declared(&mut peer, "classic");
    for (channel, priority) in [(2, 0), (3, 1), (4, 5)] {
        peer.open(channel);
        consume(&mut peer, channel, &queue, &format!("c{channel}"), priority);
    }
    peer.publish(1, "", &queue, "1");
    assert_eq!(peer.delivery(2).text(), "1", "nobody is displaced");
    peer.ask(2, &basic::cancel("c2", ""), &basic::cancel_ok("c2"));
    peer.publish(1, "", &queue, "2");
    assert_eq!(peer.delivery(4).text(), "2");
    delete(peer, &queue);
}

#[test]
fn a_higher_priority_takes_over_on_a_quorum_queue_when_all_is_settled() {
    let mut peer = shared().channel();
    let queue = declared(&mut peer, "quorum");
    peer.open(2);
    consume(&mut peer, 2, &queue, "low", 0);
    peer.publish(1, "", &queue, "1");
    let first = peer.delivery(2);
    peer.open(3);
    consume(&mut peer, 3, &queue, "high", 9);
    peer.publish(1, "", &queue, "2");
    peer.wait_ready(1, &queue, 1);
    peer.quiet(2, &queue);
    peer.send(2, &basic::ack(first.tag, ""));
    assert_eq!(peer.delivery(3).text(), "2");
    peer.publish(1, "", &queue, "3");
    assert_eq!(peer.delivery(3).text(), "3");
    delete(peer, &queue);
}

#[test]
fn an_idle_active_consumer_is_replaced_at_once_on_a_quorum_queue() {
    let mut peer = shared().channel();
    let queue = declared(&mut peer, "quorum");
    for (channel, priority) in [(2, 0), (3, 9)] {
        peer.open(channel);
        consume(&mut peer, channel, &queue, "t", priority);
    }
    peer.publish(1, "", &queue, "1");
    assert_eq!(peer.delivery(3).text(), "1");
    delete(peer, &queue);
}

#[test]
fn exclusive_consumers_are_refused_by_classic_queues() {
    let mut peer = shared().channel();
    let queue = declared(&mut peer, "classic");
    let text = format!("ACCESS_REFUSED - queue '{queue}' in vhost '/' in exclusive use");
    let exclusive = basic::consume(&queue, "t", "exclusive", Table::default());
    peer.open(2);
    peer.refused(2, &exclusive, 403, &text);
    delete(peer, &queue);
}

#[test]
fn basic_get_is_for_classic_queues_only() {
    let mut peer = shared().channel();
    let queue = declared(&mut peer, "classic");
    peer.publish(1, "", &queue, "1");
    peer.wait_ready(1, &queue, 1);
    assert_eq!(peer.take(1, &queue).expect("there").text(), "1");
    peer.call(1, &queue::delete(&queue, ""));
    let queue = declared(&mut peer, "quorum");
    let text = format!(
        "RESOURCE_LOCKED - cannot obtain access to locked queue '{queue}' in vhost '/'. basic.get operations are not supported by quorum queues with single active consumer"
    );
    peer.refused(1, &basic::get(&queue, ""), 405, &text);
    delete(peer, &queue);
}

#[test]
fn a_queue_that_is_told_to_have_none_is_an_ordinary_one() {
    let mut peer = shared().channel();
    peer.queue_with(1, table! { "x-single-active-consumer" => false });
}
