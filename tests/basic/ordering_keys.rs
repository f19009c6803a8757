//! x-group-header: messages of one key in order and one at a time, to any of the competing consumers. Leveret's own.

use crate::support::{Delivery, Peer, Properties, Table, basic, shared};

fn keyed(key: &str) -> Properties {
    Properties::headers(table! { "x-group-id" => key })
}

/// Messages as `key number`.
fn publish(peer: &mut Peer, queue: &str, messages: &[&str]) {
    for message in messages {
        let key = message.split(' ').next().expect("a key");
        peer.publish_with(1, "", queue, "", &keyed(key), message);
    }
}

fn grouped(peer: &mut Peer, mut arguments: Table) -> String {
    arguments.0.push(("x-group-header".to_owned(), true.into()));
    peer.queue_with(1, arguments)
}

fn get(peer: &mut Peer, queue: &str) -> Delivery {
    peer.get(1, queue).expect("there is one")
}

#[test]
fn one_of_a_key_at_a_time_and_in_order() {
    decided!("an argument of its own");
    let mut peer = shared().channel();
    let queue = grouped(&mut peer, table! {});
    publish(&mut peer, &queue, &["a 1", "a 2", "b 1", "a 3", "b 2"]);
    let first = get(&mut peer, &queue);
    let second = get(&mut peer, &queue);
    assert_eq!((first.text(), second.text()), ("a 1", "b 1"));
    // Both keys are busy.
    assert_eq!(peer.get(1, &queue), None);
    peer.has(1, &queue, 3, 0);
    peer.send(1, &basic::ack(second.tag, ""));
    assert_eq!(get(&mut peer, &queue).text(), "b 2");
    peer.send(1, &basic::ack(first.tag, ""));
    assert_eq!(get(&mut peer, &queue).text(), "a 2");
    assert_eq!(peer.get(1, &queue), None);
}

#[test]
fn consumers_share_the_keys_and_none_gets_two_of_one() {
    decided!("an argument of its own");
    let mut peer = shared().channel();
    let queue = grouped(&mut peer, table! {});
    peer.open(2);
    peer.open(3);
    peer.consume(2, &queue, "two", "");
    peer.consume(3, &queue, "three", "");
    publish(&mut peer, &queue, &["a 1", "b 1", "a 2", "b 2"]);
    let (one, other) = (peer.delivery(2), peer.delivery(3));
    let mut texts = [one.text(), other.text()];
    texts.sort_unstable();
    assert_eq!(texts, ["a 1", "b 1"]);
    peer.has(1, &queue, 2, 2);
    // Channel 3 is done with its key; channel 2 still has the other.
    let next = other.text().replace('1', "2");
    peer.send(2, &basic::cancel("two", "nowait"));
    peer.send(3, &basic::ack(other.tag, ""));
    assert_eq!(peer.delivery(3).text(), next);
    peer.has(1, &queue, 1, 1);
    peer.send(2, &basic::ack(one.tag, ""));
    assert_eq!(peer.delivery(3).text(), one.text().replace('1', "2"));
}

#[test]
fn a_key_that_is_requeued_begins_with_that_message_again() {
    decided!("an argument of its own");
    let mut peer = shared().channel();
    let queue = grouped(&mut peer, table! {});
    publish(&mut peer, &queue, &["a 1", "a 2", "b 1"]);
    let first = get(&mut peer, &queue);
    peer.send(1, &basic::nack(first.tag, "requeue"));
    // The other key has its turn, then the same message comes again, and nothing behind it before it is done with.
    assert_eq!(get(&mut peer, &queue).text(), "b 1");
    let again = get(&mut peer, &queue);
    assert_eq!((again.text(), again.redelivered), ("a 1", true));
    assert_eq!(peer.get(1, &queue), None);
    peer.send(1, &basic::reject(again.tag, ""));
    assert_eq!(get(&mut peer, &queue).text(), "a 2");
}

#[test]
fn keys_take_turns() {
    decided!("an argument of its own");
    let mut peer = shared().channel();
    let queue = grouped(&mut peer, table! {});
    publish(
        &mut peer,
        &queue,
        &["a 1", "a 2", "a 3", "a 4", "b 1", "b 2", "c 1"],
    );
    let mut order = Vec::new();
    while let Some(got) = peer.get(1, &queue) {
        order.push(got.text().to_owned());
        peer.send(1, &basic::ack(got.tag, ""));
    }
    assert_eq!(order, ["a 1", "b 1", "c 1", "a 2", "b 2", "a 3", "a 4"]);
}

#[test]
fn messages_without_a_key_wait_for_nobody() {
    decided!("an argument of its own");
    let mut peer = shared().channel();
    let queue = grouped(&mut peer, table! {});
    peer.publish(1, "", &queue, "1");
    publish(&mut peer, &queue, &["a 1", "a 2"]);
    peer.publish_with(1, "", &queue, "", &keyed(""), "2");
    let bodies: Vec<String> = std::iter::from_fn(|| peer.get(1, &queue))
        .map(|got| got.text().to_owned())
        .collect();
    assert_eq!(bodies, ["1", "a 1", "2"]);
}

#[test]
fn the_argument_names_the_header() {
    decided!("an argument of its own");
    let mut peer = shared().channel();
    let queue = peer.queue_with(1, table! { "x-group-header" => "customer" });
    let number = Properties::headers(table! { "customer" => 7i32 });
    let text = Properties::headers(table! { "customer" => "7", "x-group-id" => "other" });
    for (properties, body) in [(&number, "1"), (&text, "2"), (&keyed("7"), "3")] {
        peer.publish_with(1, "", &queue, "", properties, body);
    }
    // A number is as its digits; the third has no key here.
    let first = get(&mut peer, &queue);
    assert_eq!(first.text(), "1");
    assert_eq!(get(&mut peer, &queue).text(), "3");
    assert_eq!(peer.get(1, &queue), None);
    peer.send(1, &basic::ack(first.tag, ""));
    assert_eq!(get(&mut peer, &queue).text(), "2");
}

#[test]
fn priorities_choose_among_keys_and_never_within_one() {
    decided!("an argument of its own");
    let mut peer = shared().channel();
    let queue = grouped(&mut peer, table! { "x-max-priority" => 9i32 });
    for (key, priority, body) in [("a", 1, "a 1"), ("a", 9, "a 2"), ("b", 5, "b 1")] {
        let properties = Properties {
            priority: Some(priority),
            ..keyed(key)
        };
        peer.publish_with(1, "", &queue, "", &properties, body);
    }
    let mut order = Vec::new();
    while let Some(got) = peer.get(1, &queue) {
        order.push(got.text().to_owned());
        peer.send(1, &basic::ack(got.tag, ""));
    }
    assert_eq!(order, ["b 1", "a 1", "a 2"]);
}

#[test]
fn a_key_waits_with_its_first_message_that_is_to_be_tried_later() {
    decided!("an argument of its own");
    let mut peer = shared().channel();
    let arguments = table! { "x-delayed-retry-type" => "all", "x-delayed-retry-min" => 200i32 };
    let queue = grouped(&mut peer, arguments);
    publish(&mut peer, &queue, &["a 1", "a 2", "b 1"]);
    let first = get(&mut peer, &queue);
    peer.send(1, &basic::reject(first.tag, "requeue"));
    assert_eq!(get(&mut peer, &queue).text(), "b 1");
    assert_eq!(peer.get(1, &queue), None);
    peer.consume(1, &queue, "c", "");
    assert_eq!(peer.delivery(1).text(), "a 1");
}

#[test]
fn a_lost_channel_lets_its_keys_go() {
    decided!("an argument of its own");
    let mut peer = shared().channel();
    let queue = grouped(&mut peer, table! {});
    publish(&mut peer, &queue, &["a 1", "a 2"]);
    peer.open(2);
    peer.consume(2, &queue, "c", "");
    assert_eq!(peer.delivery(2).text(), "a 1");
    let close = crate::support::channel::close();
    peer.ask(2, &close, &crate::support::channel::close_ok());
    let again = get(&mut peer, &queue);
    assert_eq!((again.text(), again.redelivered), ("a 1", true));
}

#[test]
fn a_full_queue_drops_the_oldest_and_its_key_goes_on() {
    decided!("an argument of its own");
    let mut peer = shared().channel();
    let queue = grouped(&mut peer, table! { "x-max-length" => 2i32 });
    publish(&mut peer, &queue, &["a 1", "a 2", "b 1", "a 3"]);
    peer.has(1, &queue, 2, 0);
    let texts = [get(&mut peer, &queue), get(&mut peer, &queue)];
    // The place of a key stays its own.
    assert_eq!(texts.each_ref().map(Delivery::text), ["a 3", "b 1"]);
}
