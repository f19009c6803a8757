//! `x-partitions`: one name for several streams, order by key, and groups that share them.

use std::collections::{BTreeMap, BTreeSet};

use super::stream::{consume, declared_with, offset};
use crate::support::home::both;
use crate::support::{
    Delivery, Home, Peer, Properties, Table, Value, basic, queue, shared, tx, unique,
};

const KEYS: u64 = 20;

fn partitioned(peer: &mut Peer, more: Table) -> String {
    let mut arguments = table! { "x-partitions" => Value::I32(4) };
    arguments.0.extend(more.0);
    declared_with(peer, arguments)
}

/// Publishes numbers to a topic exchange, each by the key of its number.
fn publish(peer: &mut Peer, exchange: &str, numbers: std::ops::Range<u64>) {
    let last = numbers.end;
    for number in numbers {
        peer.publish(
            1,
            exchange,
            &format!("key.{}", number % KEYS),
            number.to_string(),
        );
    }
    peer.acked(1, last);
}

fn bound(peer: &mut Peer, name: &str) -> String {
    let exchange = unique("keys");
    let declare = crate::support::exchange::declare(&exchange, "topic", "durable", table! {});
    peer.ask(1, &declare, &crate::support::exchange::declare_ok());
    peer.bind(1, name, &exchange, "key.*");
    peer.confirm(1);
    exchange
}

fn number(delivery: &Delivery) -> u64 {
    delivery.text().parse().expect("a number")
}

fn partition(delivery: &Delivery) -> i64 {
    match delivery.headers().get("x-stream-partition") {
        Some(Value::I64(partition)) => *partition,
        other => panic!("{other:?}"),
    }
}

fn group() -> Table {
    table! { "x-stream-group" => "g", "x-stream-offset" => "first" }
}

#[test]
fn a_key_is_in_one_partition_and_its_messages_are_in_order() {
    both(|home, end| {
        let mut peer = home.channel();
        let name = partitioned(&mut peer, table! {});
        let exchange = bound(&mut peer, &name);
        publish(&mut peer, &exchange, 0..200);
        assert_eq!(peer.counts(1, &name).0, 200);
        home.restart(end);
        let mut peer = home.channel();
        peer.confirm(1);
        assert_eq!(peer.counts(1, &name).0, 200);
        for at in 200..400 {
            peer.publish(1, &exchange, &format!("key.{}", at % KEYS), at.to_string());
        }
        peer.acked(1, 200);
        let from = table! { "x-stream-offset" => "first" };
        consume(&mut peer, 1, &name, 50, from);
        let mut next: BTreeMap<i64, u64> = BTreeMap::new();
        let mut homes: BTreeMap<u64, i64> = BTreeMap::new();
        let mut last: BTreeMap<u64, u64> = BTreeMap::new();
        for _ in 0..400 {
            let got = peer.delivery(1);
            peer.send(1, &basic::ack(got.tag, ""));
            let (number, partition) = (number(&got), partition(&got));
            let expected = next.entry(partition).or_default();
            assert_eq!(offset(&got), *expected, "offsets count in each partition");
            *expected += 1;
            assert_eq!(*homes.entry(number % KEYS).or_insert(partition), partition);
            if let Some(before) = last.insert(number % KEYS, number) {
                assert_eq!(before + KEYS, number);
            }
        }
        assert_eq!(next.len(), 4, "every partition has something");
        let delete = queue::delete(&name, "");
        peer.ask(1, &delete, &queue::delete_ok(0));
        let cancel = peer.expect_method(1, 60, 30);
        assert_eq!(cancel.text(0), "c1");
        peer.close();
        home.restart(end);
        let mut peer = home.channel();
        assert_eq!(partitioned_again(&mut peer, &name), 0);
    });
}

fn partitioned_again(peer: &mut Peer, name: &str) -> u64 {
    let arguments = table! { "x-queue-type" => "stream", "x-partitions" => Value::I32(4) };
    peer.call(1, &queue::declare(name, "durable", arguments))
        .number(1)
}

#[test]
fn a_header_may_be_the_key() {
    let mut peer = shared().channel();
    let name = partitioned(&mut peer, table! { "x-partition-key" => "customer" });
    peer.confirm(1);
    for number in 0..100u64 {
        let headers = table! { "customer" => format!("c{}", number % KEYS) };
        let properties = Properties::headers(headers);
        peer.publish_with(1, "", &name, "", &properties, number.to_string());
    }
    peer.acked(1, 100);
    consume(
        &mut peer,
        1,
        &name,
        100,
        table! { "x-stream-offset" => "first" },
    );
    let mut homes: BTreeMap<u64, i64> = BTreeMap::new();
    for _ in 0..100 {
        let got = peer.delivery(1);
        let home = *homes.entry(number(&got) % KEYS).or_insert(partition(&got));
        assert_eq!(home, partition(&got));
    }
    assert!(homes.values().collect::<BTreeSet<_>>().len() > 1);
}

#[test]
fn the_prefetch_is_for_all_partitions_together() {
    let mut peer = shared().channel();
    let name = partitioned(&mut peer, table! {});
    let exchange = bound(&mut peer, &name);
    publish(&mut peer, &exchange, 0..100);
    peer.open(2);
    consume(&mut peer, 2, &name, 3, group());
    let mut tags: Vec<u64> = (0..3).map(|_| peer.delivery(2).tag).collect();
    peer.quiet(2, &name);
    for _ in 0..97 {
        peer.send(2, &basic::ack(tags.remove(0), ""));
        tags.push(peer.delivery(2).tag);
    }
    peer.send(2, &basic::ack(0, "multiple"));
    peer.ask(2, &basic::cancel("c2", ""), &basic::cancel_ok("c2"));
    peer.quiet(2, &name);
}

#[test]
fn acks_of_a_transaction_give_the_credit_back_and_no_partition_waits_for_ever() {
    let mut peer = shared().channel();
    let name = partitioned(&mut peer, table! {});
    let exchange = bound(&mut peer, &name);
    publish(&mut peer, &exchange, 0..200);
    peer.open(2);
    peer.ask(2, &tx::select(), &tx::select_ok());
    consume(&mut peer, 2, &name, 2, group());
    let mut seen = Vec::new();
    let mut early: std::collections::VecDeque<Delivery> = std::collections::VecDeque::new();
    for _ in 0..60 {
        let got = match early.pop_front() {
            Some(got) => got,
            None => peer.delivery(2),
        };
        seen.push(partition(&got));
        peer.send(2, &basic::ack(got.tag, ""));
        peer.send(2, &tx::commit());
        // Its answer comes among the deliveries.
        loop {
            let method = peer.next(2);
            if method.is(90, 21) {
                break;
            }
            early.push_back(peer.read_delivery(2, &method));
        }
    }
    let turns: BTreeSet<i64> = seen.into_iter().collect();
    assert_eq!(turns.len(), 4, "every partition had its turn: {turns:?}");
}

#[test]
fn a_groups_consumers_share_the_partitions() {
    let mut peer = shared().channel();
    let name = partitioned(&mut peer, table! {});
    let exchange = bound(&mut peer, &name);
    let mut peers: Vec<Peer> = (0..2).map(|_| shared().channel()).collect();
    for peer in &mut peers {
        consume(peer, 1, &name, 200, group());
    }
    publish(&mut peer, &exchange, 0..200);
    let mut seen: Vec<BTreeSet<i64>> = vec![BTreeSet::new(), BTreeSet::new()];
    let mut count = 0;
    while count < 200 {
        for (peer, seen) in peers.iter_mut().zip(&mut seen) {
            while let Some(got) = peer.delivery_within(1, std::time::Duration::from_millis(50)) {
                seen.insert(partition(&got));
                count += 1;
            }
        }
    }
    assert!(seen[0].is_disjoint(&seen[1]));
    assert_eq!((seen[0].len(), seen[1].len()), (2, 2));
}

/// Ten consumers of a group come and go at random; each acknowledges what it has worked on, and not all that it got.
#[test]
fn consumers_come_and_go_and_every_message_is_processed_in_order_of_its_key() {
    let home = Home::with(&[]);
    let mut peer = home.channel();
    let name = partitioned(&mut peer, table! {});
    let exchange = bound(&mut peer, &name);
    let total = 3000;
    let mut random = 7u64;
    let mut next = || {
        random = random
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        random >> 33
    };
    let mut published = 0;
    let mut consumers: Vec<Option<Peer>> = (0..10).map(|_| None).collect();
    let mut processed: BTreeMap<u64, u64> = BTreeMap::new();
    let mut done = 0;
    while done < total {
        if published < total && next() % 3 == 0 {
            let until = (published + 1 + next() % 100).min(total);
            publish(&mut peer, &exchange, published..until);
            published = until;
        }
        let at = (next() % 10) as usize;
        match &mut consumers[at] {
            None => {
                let mut peer = home.channel();
                consume(&mut peer, 1, &name, 1 + (next() % 20) as u16, group());
                consumers[at] = Some(peer);
            }
            // It goes with what it has not acknowledged, politely or not.
            Some(_) if next() % 4 == 0 => match consumers[at].take() {
                Some(peer) if next() % 2 == 0 => peer.close(),
                _ => {}
            },
            Some(peer) => {
                for _ in 0..1 + next() % 30 {
                    let patience = std::time::Duration::from_millis(5);
                    let Some(got) = peer.delivery_within(1, patience) else {
                        break;
                    };
                    let number = number(&got);
                    let expected = processed.entry(number % KEYS).or_insert(number % KEYS);
                    // One that was worked on, and whose ack went down with its connection, comes again; none is left out.
                    assert!(number <= *expected, "{number} before {expected}");
                    if number == *expected {
                        *expected += KEYS;
                        done += 1;
                    }
                    peer.send(1, &basic::ack(got.tag, ""));
                }
            }
        }
    }
}
