//! Queues that are not simply first in, first out, across a restart: the order is there again before anybody gets anything.

use std::time::{Duration, Instant};

use super::*;
use crate::support::home::{both, both_with};

fn persistent(priority: Option<u8>, headers: Option<Table>) -> Properties {
    Properties {
        priority,
        headers,
        ..Properties::persistent()
    }
}

#[test]
fn priorities_come_back_with_their_messages() {
    // So small that most of the backlog leaves memory.
    both_with(&["message_memory_budget=1MiB"], |home, end| {
        let mut peer = home.channel();
        let name = unique("priority");
        durable(&mut peer, &name, table! { "x-max-priority" => 9i32 });
        let messages = (0..4000u32).map(|number| {
            let priority = (number * 7 % 10) as u8;
            let body = format!("{number:01000}");
            (persistent(Some(priority), None), body)
        });
        confirmed(&mut peer, ("", &name), messages);
        for level in [9, 9] {
            let got = peer.get(1, &name).expect("there");
            assert_eq!(got.properties().priority, Some(level));
            peer.send(1, &basic::ack(got.tag, ""));
        }
        peer.wait_ready(1, &name, 3998);
        home.settle(end);
        home.restart(end);
        let mut peer = home.channel();
        let mut last = (9, 0);
        let mut count = 0;
        while let Some(got) = peer.take(1, &name) {
            let number: u32 = got.text().parse().expect("a number");
            let place = (got.properties().priority.expect("one"), number);
            assert_eq!(u32::from(place.0), number * 7 % 10);
            let in_order = place.0 < last.0 || (place.0 == last.0 && place.1 >= last.1);
            assert!(in_order, "{place:?} after {last:?}");
            last = place;
            count += 1;
        }
        assert!(count >= 3998, "{count}");
    });
}

#[test]
fn keys_are_in_order_again() {
    both(|home, end| {
        let mut peer = home.channel();
        let name = unique("keys");
        durable(&mut peer, &name, table! { "x-group-header" => "key" });
        let messages = (0..40u32).map(|number| {
            let key = format!("k{}", number % 4);
            (
                persistent(None, Some(table! { "key" => key })),
                number.to_string(),
            )
        });
        confirmed(&mut peer, ("", &name), messages);
        let first = peer.get(1, &name).expect("there");
        assert_eq!(first.text(), "0");
        home.restart(end);
        let mut peer = home.channel();
        // One of each key, and no more.
        let heads: Vec<_> = (0..4).map(|_| peer.get(1, &name).expect("there")).collect();
        let texts: Vec<&str> = heads.iter().map(Delivery::text).collect();
        assert_eq!(texts, ["0", "1", "2", "3"]);
        assert_eq!(peer.get(1, &name), None);
        peer.send(1, &basic::ack(heads[2].tag, ""));
        assert_eq!(peer.get(1, &name).expect("the next of its key").text(), "6");
    });
}

#[test]
fn a_message_that_waits_for_another_try_waits_anew() {
    both(|home, end| {
        let mut peer = home.channel();
        let name = unique("retry");
        let arguments =
            table! { "x-delayed-retry-type" => "all", "x-delayed-retry-min" => 1500i32 };
        durable(&mut peer, &name, arguments);
        keep(&mut peer, &name, ["again", "other"]);
        let got = peer.get(1, &name).expect("there");
        peer.send(1, &basic::reject(got.tag, "requeue"));
        peer.wait_ready(1, &name, 2);
        home.settle(end);
        let begun = Instant::now();
        home.restart(end);
        let mut peer = home.channel();
        assert_eq!(peer.take(1, &name).expect("there").text(), "other");
        let again = peer.take_soon(1, &name);
        assert_eq!((again.text(), again.redelivered), ("again", true));
        assert!(begun.elapsed() >= Duration::from_millis(1500));
    });
}

#[test]
fn exact_expiry_goes_on_counting_while_the_broker_is_down() {
    both(|home, end| {
        let mut peer = home.channel();
        let name = unique("exact");
        durable(&mut peer, &name, table! { "x-exact-ttl" => true });
        let expiring = Properties {
            expiration: Some("1".to_owned()),
            ..Properties::persistent()
        };
        let long = Properties {
            expiration: Some("600000".to_owned()),
            ..Properties::persistent()
        };
        let plain = Properties::persistent();
        let messages = [(plain, "head"), (long, "stays"), (expiring, "goes")];
        confirmed(&mut peer, ("", &name), messages);
        home.restart(end);
        let mut peer = home.channel();
        peer.wait_ready(1, &name, 2);
        assert_eq!(bodies(&mut peer, &name), ["head", "stays"]);
    });
}
