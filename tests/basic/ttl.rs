//! Time to live: by queue, by message, at the head (BEHAVIOURS 4.4).

use std::time::{Duration, Instant};

use crate::support::{Properties, basic, shared};

fn expiring(ms: u32) -> Properties {
    Properties::expiration(&ms.to_string())
}

#[test]
fn the_queues_ttl() {
    let mut peer = shared().channel();
    let queue = peer.queue_with(1, table! { "x-message-ttl" => 200i32 });
    let begun = Instant::now();
    for _ in 0..10 {
        peer.publish(1, "", &queue, "x");
    }
    peer.wait_ready(1, &queue, 0);
    if !crate::support::foreign() {
        assert!(begun.elapsed() >= Duration::from_millis(200));
    }
    crate::support::eventually("all are gone", || peer.take(1, &queue).is_none());
}

#[test]
fn the_messages_own() {
    let mut peer = shared().channel();
    let queue = peer.queue(1);
    peer.publish_with(1, "", &queue, "", &expiring(100), "goes");
    peer.publish_with(1, "", &queue, "", &expiring(600_000), "stays");
    peer.publish(1, "", &queue, "stays, too");
    peer.has(1, &queue, 3, 0);
    peer.wait_ready(1, &queue, 2);
    assert_eq!(peer.take(1, &queue).expect("there").text(), "stays");
}

#[test]
fn the_shorter_one_counts() {
    let mut peer = shared().channel();
    let short = peer.queue_with(1, table! { "x-message-ttl" => 100i32 });
    let long = peer.queue_with(1, table! { "x-message-ttl" => 600_000i32 });
    peer.publish_with(1, "", &short, "", &expiring(600_000), "x");
    peer.publish_with(1, "", &long, "", &expiring(100), "x");
    peer.wait_ready(1, &short, 0);
    peer.wait_ready(1, &long, 0);
}

#[test]
fn only_the_head_expires() {
    let mut peer = shared().channel();
    let queue = peer.queue(1);
    peer.publish_with(1, "", &queue, "", &expiring(600_000), "head");
    peer.publish_with(1, "", &queue, "", &expiring(50), "behind it");
    peer.has(1, &queue, 2, 0);
    std::thread::sleep(Duration::from_millis(300));
    peer.has(1, &queue, 2, 0);
    // When it becomes the head, it goes.
    assert_eq!(peer.get(1, &queue).expect("there").text(), "head");
    peer.wait_ready(1, &queue, 0);
    assert!(peer.get(1, &queue).is_none());
}

#[test]
fn zero_passes_only_to_a_waiting_consumer() {
    let mut peer = shared().channel();
    let queue = peer.queue_with(1, table! { "x-message-ttl" => 0i32 });
    peer.confirm(1);
    peer.publish_with(1, "", &queue, "mandatory", &Properties::default(), "lost");
    // Confirmed, not returned.
    peer.acked(1, 1);
    assert!(peer.take(1, &queue).is_none());
    peer.open(2);
    peer.consume(2, &queue, "t", "");
    for number in 2..10 {
        peer.publish(1, "", &queue, "passes");
        peer.acked_one(1, number);
        let delivery = peer.delivery(2);
        assert_eq!(delivery.text(), "passes");
        peer.send(2, &basic::ack(delivery.tag, ""));
    }
    // Requeued, it has expired.
    peer.publish(1, "", &queue, "once");
    let delivery = peer.delivery(2);
    peer.ask(2, &basic::cancel("t", ""), &basic::cancel_ok("t"));
    peer.send(2, &basic::nack(delivery.tag, "requeue"));
    peer.wait_ready(2, &queue, 0);
    assert!(peer.take(2, &queue).is_none());
}

#[test]
fn what_is_out_does_not_expire() {
    let mut peer = shared().channel();
    let queue = peer.queue_with(1, table! { "x-message-ttl" => 100i32 });
    peer.publish(1, "", &queue, "held");
    let held = peer.get(1, &queue).expect("there");
    std::thread::sleep(Duration::from_millis(300));
    // Given back, the original expiry counts.
    peer.send(1, &basic::nack(held.tag, "requeue"));
    peer.wait_ready(1, &queue, 0);
    assert!(peer.get(1, &queue).is_none());
}

#[test]
fn the_expiration_is_delivered_as_it_was_sent() {
    decided!("RabbitMQ 4 writes the number anew");
    let mut peer = shared().channel();
    let queue = peer.queue(1);
    let properties = Properties::expiration("0060000");
    peer.publish_with(1, "", &queue, "", &properties, "x");
    assert_eq!(peer.take_soon(1, &queue).properties(), properties);
}

#[test]
fn the_longest_ttl_is_ten_years() {
    let mut peer = shared().channel();
    let queue = peer.queue(1);
    peer.publish_with(
        1,
        "",
        &queue,
        "",
        &Properties::expiration("315360000000"),
        "x",
    );
    assert_eq!(peer.take_soon(1, &queue).text(), "x");
}
