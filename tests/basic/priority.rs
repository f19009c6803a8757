//! x-max-priority of classic queues (BEHAVIOURS 4.6), with what else a queue can do.

use std::time::Duration;

use crate::support::{Peer, Properties, basic, queue, shared, unique};

pub fn important(priority: u8) -> Properties {
    Properties {
        priority: Some(priority),
        ..Properties::default()
    }
}

fn filled(peer: &mut Peer, queue: &str, messages: &[(Option<u8>, &str)]) {
    for (priority, body) in messages {
        let properties = Properties {
            priority: *priority,
            ..Properties::default()
        };
        peer.publish_with(1, "", queue, "", &properties, body);
    }
    peer.wait_ready(1, queue, messages.len() as u32);
}

fn drained(peer: &mut Peer, queue: &str) -> Vec<String> {
    std::iter::from_fn(|| peer.take(1, queue))
        .map(|delivery| delivery.text().to_owned())
        .collect()
}

#[test]
fn the_highest_comes_first_and_equals_in_order() {
    let mut peer = shared().channel();
    let queue = peer.queue_with(1, table! { "x-max-priority" => 10i32 });
    let messages = [
        (Some(1), "1a"),
        (None, "0a"),
        (Some(9), "9"),
        (Some(1), "1b"),
        (Some(0), "0b"),
        (Some(10), "10"),
    ];
    filled(&mut peer, &queue, &messages);
    let want = ["10", "9", "1a", "1b", "0a", "0b"];
    assert_eq!(drained(&mut peer, &queue), want);
}

#[test]
fn above_the_maximum_is_the_maximum_and_the_property_stays() {
    let mut peer = shared().channel();
    let queue = peer.queue_with(1, table! { "x-max-priority" => 5i32 });
    filled(
        &mut peer,
        &queue,
        &[(Some(5), "a"), (Some(200), "b"), (Some(4), "c")],
    );
    let got: Vec<(String, Option<u8>)> = std::iter::from_fn(|| peer.take(1, &queue))
        .map(|one| (one.text().to_owned(), one.properties().priority))
        .collect();
    let want = [("a", 5), ("b", 200), ("c", 4)];
    let want = want.map(|(body, priority)| (body.to_owned(), Some(priority)));
    assert_eq!(got, want);
}

#[test]
fn consumers_get_them_in_that_order_too() {
    let mut peer = shared().channel();
    let queue = peer.queue_with(1, table! { "x-max-priority" => 255i32 });
    let messages = [(Some(1), "low"), (Some(255), "high"), (Some(7), "middle")];
    filled(&mut peer, &queue, &messages);
    peer.open(2);
    peer.prefetch(2, 1);
    peer.consume(2, &queue, "c", "");
    for want in ["high", "middle", "low"] {
        let got = peer.delivery(2);
        assert_eq!(got.text(), want);
        peer.send(2, &basic::ack(got.tag, ""));
    }
}

#[test]
fn a_requeued_message_is_again_the_first_of_its_level() {
    let mut peer = shared().channel();
    let queue = peer.queue_with(1, table! { "x-max-priority" => 5i32 });
    filled(
        &mut peer,
        &queue,
        &[(Some(3), "a"), (Some(3), "b"), (Some(1), "c")],
    );
    let first = peer.get(1, &queue).expect("there");
    assert_eq!(first.text(), "a");
    let urgent = important(5);
    peer.publish_with(1, "", &queue, "", &urgent, "urgent");
    peer.send(1, &basic::nack(first.tag, "requeue"));
    peer.wait_ready(1, &queue, 4);
    assert_eq!(drained(&mut peer, &queue), ["urgent", "a", "b", "c"]);
}

#[test]
fn a_full_queue_loses_its_head_which_is_the_most_important() {
    let mut peer = shared().channel();
    let arguments = table! { "x-max-priority" => 5i32, "x-max-length" => 2i32 };
    let queue = peer.queue_with(1, arguments);
    peer.open(2);
    peer.confirm(2);
    for (priority, body) in [(5, "5"), (1, "1a"), (1, "1b")] {
        peer.publish_with(2, "", &queue, "", &important(priority), body);
    }
    peer.acked(2, 3);
    peer.wait_ready(1, &queue, 2);
    assert_eq!(drained(&mut peer, &queue), ["1a", "1b"]);
}

#[test]
fn the_first_of_each_level_expires_and_those_behind_it_do_not() {
    let mut peer = shared().channel();
    let queue = peer.queue_with(1, table! { "x-max-priority" => 5i32 });
    let ttl = |priority, ms: u32| Properties {
        priority: Some(priority),
        expiration: Some(ms.to_string()),
        ..Properties::default()
    };
    peer.publish_with(1, "", &queue, "", &ttl(5, 600_000), "high");
    peer.publish_with(1, "", &queue, "", &ttl(1, 50), "low, goes");
    peer.publish_with(1, "", &queue, "", &ttl(1, 600_000), "low");
    peer.publish_with(1, "", &queue, "", &ttl(1, 50), "behind it");
    peer.wait_ready(1, &queue, 3);
    // Its time passes, and nothing may happen.
    std::thread::sleep(Duration::from_millis(200));
    peer.has(1, &queue, 3, 0);
    assert_eq!(drained(&mut peer, &queue), ["high", "low"]);
}

#[test]
fn purge_and_delete_count_all_levels() {
    let mut peer = shared().channel();
    let arguments = || table! { "x-max-priority" => 5i32 };
    let name = peer.queue_with(1, arguments());
    filled(
        &mut peer,
        &name,
        &[(Some(5), "a"), (None, "b"), (Some(2), "c")],
    );
    peer.get(1, &name).expect("there");
    peer.ask(1, &queue::purge(&name, ""), &queue::purge_ok(2));
    filled(&mut peer, &name, &[(Some(5), "a"), (None, "b")]);
    peer.ask(1, &queue::delete(&name, ""), &queue::delete_ok(2));
}

#[test]
fn dead_letters_leave_in_the_order_of_their_levels() {
    let mut peer = shared().channel();
    let dead = peer.queue(1);
    let arguments = table! {
        "x-max-priority" => 5i32,
        "x-dead-letter-exchange" => "",
        "x-dead-letter-routing-key" => &dead
    };
    let queue = peer.queue_with(1, arguments);
    filled(
        &mut peer,
        &queue,
        &[(Some(1), "1"), (Some(5), "5"), (None, "0")],
    );
    for _ in 0..3 {
        let got = peer.get(1, &queue).expect("there");
        peer.send(1, &basic::reject(got.tag, ""));
    }
    peer.wait_ready(1, &dead, 3);
    assert_eq!(drained(&mut peer, &dead), ["5", "1", "0"]);
}

#[test]
fn the_number_of_levels_is_compared_when_declared_again() {
    let mut peer = shared().channel();
    let name = unique("levels");
    let declare =
        |most: i32| queue::declare(&name, "exclusive", table! { "x-max-priority" => most });
    peer.ask(1, &declare(5), &queue::declare_ok(&name, 0, 0));
    let text = format!(
        "PRECONDITION_FAILED - inequivalent arg 'x-max-priority' for queue '{name}' in vhost '/': received '6' but current is '5'"
    );
    peer.refused(1, &declare(6), 406, &text);
}
