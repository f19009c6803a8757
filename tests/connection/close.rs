//! close, from either side (BEHAVIOURS 1.8).

use crate::support::{Method, basic, channel, connection, queue, shared};

#[test]
fn close_is_answered_and_the_client_hangs_up() {
    let mut peer = shared().peer();
    peer.ask(0, &connection::close(), &connection::close_ok());
}

#[test]
fn close_counts_for_open_channels_too() {
    let mut peer = shared().channel();
    peer.open(2);
    peer.ask(0, &connection::close(), &connection::close_ok());
}

#[test]
fn exclusive_queues_are_gone_before_close_ok() {
    let mut owner = shared().channel();
    let queue = owner.queue(1);
    owner.ask(0, &connection::close(), &connection::close_ok());
    let mut other = shared().channel();
    let text = format!("NOT_FOUND - no queue '{queue}' in vhost '/'");
    other.refused(1, &queue::declare(&queue, "passive", table! {}), 404, &text);
}

#[test]
fn exclusive_queues_go_with_a_lost_connection() {
    let mut owner = shared().channel();
    let queue = owner.queue(1);
    drop(owner);
    let mut other = shared().channel();
    crate::support::eventually("the queue goes", || {
        let answer = other.call(1, &queue::declare(&queue, "passive", table! {}));
        assert!(answer.is(20, 40), "{answer:?}");
        other.send(1, &channel::close_ok());
        other.open(1);
        answer.number(0) == 404
    });
}

#[test]
fn unacked_messages_return_when_a_connection_is_lost() {
    let name = crate::support::unique("lost");
    let mut owner = shared().channel();
    owner.ask(
        1,
        &queue::declare(&name, "", table! {}),
        &queue::declare_ok(&name, 0, 0),
    );
    owner.publish(1, "", &name, "a");
    let mut loser = shared().channel();
    loser.consume(1, &name, "t", "");
    assert!(!loser.delivery(1).redelivered);
    drop(loser);
    owner.wait_ready(1, &name, 1);
    let again = owner.get(1, &name).expect("requeued");
    assert!(again.redelivered);
    owner.ask(1, &queue::delete(&name, ""), &queue::delete_ok(0));
}

#[test]
fn after_an_error_all_but_close_and_close_ok_is_ignored() {
    let mut peer = shared().channel();
    let queue = peer.queue(1);
    peer.send(1, &channel::flow(false));
    // None of these is answered.
    peer.send(1, &queue::declare(&queue, "passive", table! {}));
    peer.send(1, &basic::get(&queue, ""));
    peer.send(5, &channel::open());
    let closed: Method = peer.connection_close();
    assert_eq!(
        closed,
        connection::closed(540, "NOT_IMPLEMENTED - active=false", 20, 20)
    );
    // Both sides close: ours is answered, too.
    peer.ask(0, &connection::close(), &connection::close_ok());
    peer.send_close_ok();
}

#[test]
fn a_peer_that_vanishes_is_forgotten() {
    for _ in 0..20 {
        let mut peer = shared().channel();
        peer.queue(1);
    }
    shared().peer().close();
}
