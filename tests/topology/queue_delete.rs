//! queue.delete and queue.purge; queues that delete themselves.

use crate::support::{Peer, basic, channel, queue, shared, unique};

fn gone(peer: &mut Peer, name: &str) {
    let passive = queue::declare(name, "passive", table! {});
    let text = format!("NOT_FOUND - no queue '{name}' in vhost '/'");
    peer.refused(1, &passive, 404, &text);
}

#[test]
fn a_missing_queue_is_deleted_with_success() {
    let mut peer = shared().channel();
    for flags in ["", "if-unused", "if-empty", "if-unused if-empty"] {
        peer.ask(1, &queue::delete("missing", flags), &queue::delete_ok(0));
    }
}

#[test]
fn the_answer_counts_ready_messages() {
    let mut peer = shared().channel();
    let name = peer.queue(1);
    for _ in 0..5 {
        peer.publish(1, "", &name, "x");
    }
    let unacked = peer.get(1, &name).expect("there");
    peer.ask(1, &queue::delete(&name, ""), &queue::delete_ok(4));
    // Settling what went with the queue is no error.
    peer.send(1, &basic::ack(unacked.tag, ""));
    gone(&mut peer, &name);
}

#[test]
fn if_unused_looks_at_consumers() {
    let mut peer = shared().channel();
    let name = peer.queue(1);
    peer.open(2);
    peer.consume(2, &name, "t", "");
    let text = format!("PRECONDITION_FAILED - queue '{name}' in vhost '/' in use");
    peer.refused(1, &queue::delete(&name, "if-unused"), 406, &text);
    peer.ask(2, &basic::cancel("t", ""), &basic::cancel_ok("t"));
    peer.ask(1, &queue::delete(&name, "if-unused"), &queue::delete_ok(0));
}

#[test]
fn if_empty_looks_at_ready_messages() {
    let mut peer = shared().channel();
    let name = peer.queue(1);
    peer.open(2);
    peer.publish(1, "", &name, "x");
    let text = format!("PRECONDITION_FAILED - queue '{name}' in vhost '/' not empty");
    peer.refused(1, &queue::delete(&name, "if-empty"), 406, &text);
    peer.get(2, &name).expect("there");
    peer.ask(1, &queue::delete(&name, "if-empty"), &queue::delete_ok(0));
}

#[test]
fn nowait_is_not_answered() {
    let mut peer = shared().channel();
    let name = peer.queue(1);
    peer.publish(1, "", &name, "x");
    peer.send(1, &queue::purge(&name, "nowait"));
    peer.has(1, &name, 0, 0);
    peer.send(1, &queue::delete(&name, "nowait"));
    gone(&mut peer, &name);
}

#[test]
fn purge_takes_what_is_ready() {
    let mut peer = shared().channel();
    let name = peer.queue(1);
    peer.ask(1, &queue::purge(&name, ""), &queue::purge_ok(0));
    for _ in 0..3 {
        peer.publish(1, "", &name, "x");
    }
    let held = peer.get(1, &name).expect("there");
    peer.ask(1, &queue::purge(&name, ""), &queue::purge_ok(2));
    peer.send(1, &basic::reject(held.tag, "requeue"));
    peer.has(1, &name, 1, 0);
}

#[test]
fn purge_of_a_missing_queue() {
    let mut peer = shared().channel();
    let text = "NOT_FOUND - no queue 'missing' in vhost '/'";
    peer.refused(1, &queue::purge("missing", ""), 404, text);
}

#[test]
fn a_large_purge() {
    let mut peer = shared().channel();
    let name = peer.queue(1);
    for _ in 0..5000 {
        peer.publish(1, "", &name, "x");
    }
    peer.ask(1, &queue::purge(&name, ""), &queue::purge_ok(5000));
    peer.has(1, &name, 0, 0);
}

#[test]
fn auto_delete_goes_with_its_last_consumer() {
    let mut peer = shared().channel();
    peer.open(2);
    let name = unique("q");
    let declare = queue::declare(&name, "auto-delete", table! {});
    peer.ask(1, &declare, &queue::declare_ok(&name, 0, 0));
    // A get is no consumer.
    peer.publish(1, "", &name, "x");
    peer.take(1, &name).expect("there");
    peer.consume(1, &name, "one", "");
    peer.consume(2, &name, "two", "");
    peer.ask(1, &basic::cancel("one", ""), &basic::cancel_ok("one"));
    peer.has(1, &name, 0, 1);
    peer.ask(2, &channel::close(), &channel::close_ok());
    gone(&mut peer, &name);
}

#[test]
fn auto_delete_goes_with_the_consumers_connection() {
    let mut peer = shared().channel();
    let name = unique("q");
    let declare = queue::declare(&name, "auto-delete", table! {});
    peer.ask(1, &declare, &queue::declare_ok(&name, 0, 0));
    let mut consumer = shared().channel();
    consumer.consume(1, &name, "t", "");
    consumer.close();
    crate::support::eventually("it goes", || {
        let answer = peer.call(1, &queue::declare(&name, "passive", table! {}));
        if answer.is(20, 40) {
            peer.send(1, &channel::close_ok());
            peer.open(1);
        }
        answer.is(20, 40)
    });
}

#[test]
fn auto_delete_stays_without_a_consumer() {
    let mut peer = shared().channel();
    let name = unique("q");
    let declare = queue::declare(&name, "auto-delete", table! {});
    peer.ask(1, &declare, &queue::declare_ok(&name, 0, 0));
    peer.close();
    let mut peer = shared().channel();
    peer.ask(1, &queue::delete(&name, ""), &queue::delete_ok(0));
}
