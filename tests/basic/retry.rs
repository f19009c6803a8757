//! x-delayed-retry-type, -min, -max (RabbitMQ 4.3, for quorum queues) and -factor, -jitter (Leveret's own), on any queue.

use std::time::{Duration, Instant};

use crate::support::{Delivery, Peer, Table, basic, shared};

fn waits(
    peer: &mut Peer,
    queue: &str,
    again: impl Fn(&Delivery) -> crate::support::Method,
) -> u128 {
    let got = peer.delivery(1);
    let begun = Instant::now();
    peer.send(1, &again(&got));
    // Nobody else gets anything meanwhile: it is the only one.
    assert_eq!(peer.counts(2, queue).0, 1);
    let back = peer.delivery(1);
    assert!(back.redelivered);
    let waited = begun.elapsed().as_millis();
    peer.send(1, &basic::nack(back.tag, "requeue"));
    waited
}

fn retrying(peer: &mut Peer, arguments: Table) -> String {
    let queue = peer.queue_with(1, arguments);
    peer.open(2);
    queue
}

#[test]
fn a_message_that_comes_back_waits_and_others_go_on() {
    decided!("RabbitMQ has it on quorum queues from 4.3 on");
    let mut peer = shared().channel();
    let arguments = table! { "x-delayed-retry-type" => "all", "x-delayed-retry-min" => 150i32 };
    let queue = retrying(&mut peer, arguments);
    peer.publish(1, "", &queue, "again");
    peer.publish(1, "", &queue, "other");
    peer.consume(1, &queue, "c", "");
    let first = peer.delivery(1);
    let begun = Instant::now();
    peer.send(1, &basic::reject(first.tag, "requeue"));
    assert_eq!(peer.delivery(1).text(), "other");
    peer.publish(1, "", &queue, "later");
    assert_eq!(peer.delivery(1).text(), "later");
    let again = peer.delivery(1);
    assert_eq!((again.text(), again.redelivered), ("again", true));
    assert!(begun.elapsed() >= Duration::from_millis(150));
    // The second time it is twice as long.
    let begun = Instant::now();
    peer.send(1, &basic::nack(again.tag, "requeue"));
    let again = peer.delivery(1);
    assert_eq!(again.text(), "again");
    assert!(begun.elapsed() >= Duration::from_millis(300));
}

#[test]
fn only_those_wait_that_the_type_says() {
    decided!("RabbitMQ has it on quorum queues from 4.3 on");
    for (kind, nack_waits) in [("failed", false), ("returned", true)] {
        let mut peer = shared().channel();
        let arguments = table! { "x-delayed-retry-type" => kind, "x-delayed-retry-min" => 400i32 };
        let queue = retrying(&mut peer, arguments);
        peer.publish(1, "", &queue, "x");
        let got = peer.get(1, &queue).expect("there");
        let (now, later) = match nack_waits {
            true => (
                basic::reject(got.tag, "requeue"),
                basic::nack(got.tag + 1, "requeue"),
            ),
            false => (
                basic::nack(got.tag, "requeue"),
                basic::reject(got.tag + 1, "requeue"),
            ),
        };
        peer.send(1, &now);
        let begun = Instant::now();
        peer.get(1, &queue).expect("it is there at once");
        peer.send(1, &later);
        assert_eq!(peer.get(1, &queue), None, "{kind}");
        assert_eq!(peer.take_soon(1, &queue).text(), "x");
        assert!(begun.elapsed() >= Duration::from_millis(400));
    }
}

#[test]
fn disabled_is_as_without() {
    decided!("RabbitMQ has it on quorum queues from 4.3 on");
    let mut peer = shared().channel();
    let arguments =
        table! { "x-delayed-retry-type" => "disabled", "x-delayed-retry-min" => 600_000i32 };
    let queue = retrying(&mut peer, arguments);
    peer.publish(1, "", &queue, "x");
    let got = peer.get(1, &queue).expect("there");
    peer.send(1, &basic::reject(got.tag, "requeue"));
    peer.get(1, &queue).expect("it is there at once");
}

#[test]
fn a_factor_multiplies_up_to_the_maximum() {
    decided!("arguments of its own");
    let mut peer = shared().channel();
    let arguments = table! {
        "x-delayed-retry-type" => "all",
        "x-delayed-retry-min" => 20i32,
        "x-delayed-retry-max" => 250i32,
        "x-delayed-retry-factor" => 5i32
    };
    let queue = retrying(&mut peer, arguments);
    peer.publish(1, "", &queue, "x");
    peer.consume(1, &queue, "c", "");
    let again = |got: &Delivery| basic::reject(got.tag, "requeue");
    // Each look puts it back twice: 20, 100, then 250.
    assert!(waits(&mut peer, &queue, again) >= 20);
    let long = waits(&mut peer, &queue, again);
    assert!((250..2500).contains(&long), "{long}");
}

#[test]
fn a_consumer_that_goes_is_a_failure() {
    decided!("RabbitMQ has it on quorum queues from 4.3 on");
    let mut peer = shared().channel();
    let arguments = table! { "x-delayed-retry-type" => "failed", "x-delayed-retry-min" => 300i32 };
    let queue = retrying(&mut peer, arguments);
    peer.publish(1, "", &queue, "x");
    peer.get(2, &queue).expect("there");
    let begun = Instant::now();
    let close = crate::support::channel::close();
    peer.ask(2, &close, &crate::support::channel::close_ok());
    assert_eq!(peer.get(1, &queue), None);
    assert_eq!(peer.take_soon(1, &queue).text(), "x");
    assert!(begun.elapsed() >= Duration::from_millis(300));
}

#[test]
fn what_waits_is_purged_and_counted() {
    decided!("RabbitMQ has it on quorum queues from 4.3 on");
    let mut peer = shared().channel();
    let arguments = table! { "x-delayed-retry-type" => "all", "x-delayed-retry-min" => 600_000i32 };
    let queue = retrying(&mut peer, arguments);
    peer.publish(1, "", &queue, "x");
    let got = peer.get(1, &queue).expect("there");
    peer.send(1, &basic::reject(got.tag, "requeue"));
    peer.has(1, &queue, 1, 0);
    assert_eq!(peer.get(1, &queue), None);
    let purge = crate::support::queue::purge(&queue, "");
    peer.ask(1, &purge, &crate::support::queue::purge_ok(1));
}

#[test]
fn a_waiting_message_still_expires() {
    decided!("RabbitMQ has it on quorum queues from 4.3 on");
    let mut peer = shared().channel();
    let dead = peer.queue(1);
    let arguments = table! {
        "x-delayed-retry-type" => "all",
        "x-delayed-retry-min" => 600_000i32,
        "x-message-ttl" => 200i32,
        "x-exact-ttl" => true,
        "x-dead-letter-exchange" => "",
        "x-dead-letter-routing-key" => &dead
    };
    let queue = retrying(&mut peer, arguments);
    peer.publish(1, "", &queue, "x");
    let got = peer.get(1, &queue).expect("there");
    peer.send(1, &basic::reject(got.tag, "requeue"));
    assert_eq!(
        peer.take_soon(1, &dead).deaths()[0].str("reason"),
        "expired"
    );
}
