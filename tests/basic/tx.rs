//! tx: publishes and settlements take effect together (BEHAVIOURS 5).

use crate::support::{Peer, Properties, basic, channel, queue, shared, tx};

fn transactional() -> (Peer, String) {
    let mut peer = shared().channel();
    let queue = peer.queue(1);
    peer.open(2);
    peer.ask(1, &tx::select(), &tx::select_ok());
    (peer, queue)
}

fn commit(peer: &mut Peer) {
    peer.ask(1, &tx::commit(), &tx::commit_ok());
}

fn rollback(peer: &mut Peer) {
    peer.ask(1, &tx::rollback(), &tx::rollback_ok());
}

#[test]
fn publishes_wait_for_the_commit() {
    let (mut peer, queue) = transactional();
    for body in ["a", "b", "c"] {
        peer.publish(1, "", &queue, body);
    }
    peer.has(1, &queue, 0, 0);
    commit(&mut peer);
    peer.has(2, &queue, 3, 0);
    for body in ["a", "b", "c"] {
        assert_eq!(peer.take(2, &queue).expect("committed").text(), body);
    }
}

#[test]
fn a_rollback_forgets_publishes() {
    let (mut peer, queue) = transactional();
    peer.publish(1, "", &queue, "a");
    rollback(&mut peer);
    peer.publish(1, "", &queue, "b");
    commit(&mut peer);
    peer.has(2, &queue, 1, 0);
    assert_eq!(peer.take(2, &queue).expect("committed").text(), "b");
}

#[test]
fn a_closed_channel_forgets_them_too() {
    let (mut peer, queue) = transactional();
    peer.publish(1, "", &queue, "a");
    peer.ask(1, &channel::close(), &channel::close_ok());
    peer.has(2, &queue, 0, 0);
}

#[test]
fn commits_can_be_empty_and_repeated() {
    let (mut peer, _) = transactional();
    peer.ask(1, &tx::select(), &tx::select_ok());
    commit(&mut peer);
    commit(&mut peer);
    rollback(&mut peer);
}

#[test]
fn acks_wait_for_the_commit() {
    let (mut peer, queue) = transactional();
    peer.publish(2, "", &queue, "a");
    peer.wait_ready(2, &queue, 1);
    let delivery = peer.get(1, &queue).expect("there");
    peer.send(1, &basic::ack(delivery.tag, ""));
    rollback(&mut peer);
    // Not settled: the tag can be used again, and then for good.
    peer.send(1, &basic::ack(delivery.tag, ""));
    commit(&mut peer);
    peer.send(1, &basic::ack(delivery.tag, ""));
    let text = format!(
        "PRECONDITION_FAILED - unknown delivery tag {}",
        delivery.tag
    );
    // It may be noticed with the ack or with the commit.
    peer.send(1, &tx::commit());
    peer.expect_channel_close(1, 406, &text, 60, 80);
}

#[test]
fn an_uncommitted_ack_is_lost_with_its_channel() {
    let (mut peer, queue) = transactional();
    peer.publish(2, "", &queue, "a");
    peer.wait_ready(2, &queue, 1);
    let delivery = peer.get(1, &queue).expect("there");
    peer.send(1, &basic::ack(delivery.tag, ""));
    peer.ask(1, &channel::close(), &channel::close_ok());
    peer.has(2, &queue, 1, 0);
    assert!(peer.take(2, &queue).expect("returned").redelivered);
}

#[test]
fn rejects_wait_too() {
    let (mut peer, queue) = transactional();
    for body in ["a", "b"] {
        peer.publish(2, "", &queue, body);
    }
    peer.wait_ready(2, &queue, 2);
    let one = peer.get(1, &queue).expect("there");
    let two = peer.get(1, &queue).expect("there");
    peer.send(1, &basic::reject(one.tag, "requeue"));
    peer.send(1, &basic::nack(two.tag, ""));
    peer.has(2, &queue, 0, 0);
    commit(&mut peer);
    peer.has(2, &queue, 1, 0);
    assert_eq!(peer.take(2, &queue).expect("requeued").text(), "a");
}

#[test]
fn publishes_and_acks_go_together() {
    let (mut peer, queue) = transactional();
    let output = peer.queue(2);
    peer.publish(2, "", &queue, "work");
    peer.consume(1, &queue, "t", "");
    for round in 0..2 {
        let delivery = peer.delivery(1);
        peer.publish(1, "", &output, "result");
        peer.send(1, &basic::ack(delivery.tag, ""));
        if round == 0 {
            // Undone as a whole.
            rollback(&mut peer);
            peer.has(2, &output, 0, 0);
            peer.ask(1, &basic::recover(true), &basic::recover_ok());
        } else {
            commit(&mut peer);
        }
    }
    peer.has(2, &output, 1, 0);
    peer.has(2, &queue, 0, 1);
}

#[test]
fn returns_come_before_commit_ok() {
    let (mut peer, _) = transactional();
    peer.publish_with(
        1,
        "",
        "no such queue",
        "mandatory",
        &Properties::default(),
        "x",
    );
    peer.send(1, &tx::commit());
    assert_eq!(peer.returned(1).code, 312);
    peer.expect(1, &tx::commit_ok());
}

#[test]
fn a_fault_is_told_at_the_publish() {
    let (mut peer, queue) = transactional();
    peer.publish(1, "", &queue, "a");
    let text = "NOT_FOUND - no exchange 'missing' in vhost '/'";
    peer.publish_refused(1, ("missing", "k"), &Properties::default(), 404, text);
    peer.has(2, &queue, 0, 0);
}

#[test]
fn commit_and_rollback_want_a_transaction() {
    let mut peer = shared().channel();
    let text = "PRECONDITION_FAILED - channel is not transactional";
    peer.refused(1, &tx::commit(), 406, text);
    peer.refused(1, &tx::rollback(), 406, text);
}

#[test]
fn a_queue_that_went_meanwhile_is_no_obstacle() {
    let (mut peer, name) = transactional();
    let other = peer.queue(2);
    peer.publish(1, "", &name, "a");
    peer.publish(1, "", &other, "b");
    peer.ask(2, &queue::delete(&name, ""), &queue::delete_ok(0));
    // RabbitMQ 4.0 calls it partial, though the other queue has its message.
    let answer = peer.call(1, &tx::commit());
    let partial = channel::closed(406, "PRECONDITION_FAILED - partial tx completion", 90, 20);
    assert!(answer == tx::commit_ok() || answer == partial, "{answer:?}");
    if answer == tx::commit_ok() {
        peer.has(2, &other, 1, 0);
    }
}
