//! What queues do beyond keeping messages, across a restart; and many queues.

use std::time::Instant;

use super::*;
use crate::support::home::both;

#[test]
fn dead_letters_keep_their_headers() {
    both(|home, end| {
        let mut peer = home.channel();
        let dead = durable_queue(&mut peer);
        let name = unique("source");
        let arguments = table! { "x-dead-letter-exchange" => "", "x-dead-letter-routing-key" => &dead, "x-max-length" => 3i32 };
        durable(&mut peer, &name, arguments);
        keep(&mut peer, &name, numbers(0..4));
        let got = peer.get(1, &name).expect("a message");
        peer.send(1, &basic::reject(got.tag, ""));
        peer.wait_ready(1, &dead, 2);
        let seen: Vec<Delivery> = (0..2)
            .map(|_| peer.get(1, &dead).expect("a dead letter"))
            .collect();
        home.settle(end);
        home.restart(end);
        let mut peer = home.channel();
        for want in &seen {
            let got = peer.take(1, &dead).expect("it was there");
            assert_eq!((&got.body, &got.properties), (&want.body, &want.properties));
            assert_eq!(
                (&got.exchange, &got.routing_key),
                (&want.exchange, &want.routing_key)
            );
            assert!(got.redelivered);
        }
        assert_eq!(seen[0].deaths()[0].str("reason"), "maxlen");
        assert_eq!(seen[1].deaths()[0].str("reason"), "rejected");
        assert_eq!(peer.take(1, &dead), None);
        assert_eq!(bodies(&mut peer, &name), ["2", "3"]);
    });
}

#[test]
fn a_dead_letter_dies_again_after_a_restart() {
    both(|home, end| {
        let mut peer = home.channel();
        let (first, second) = (unique("first"), unique("second"));
        let to = |name: &String| table! { "x-dead-letter-exchange" => "", "x-dead-letter-routing-key" => name };
        durable(&mut peer, &first, to(&second));
        durable(&mut peer, &second, to(&first));
        keep(&mut peer, &first, ["around"]);
        for round in 0..4 {
            for name in [&first, &second] {
                peer.wait_ready(1, name, 1);
                let got = peer.get(1, name).expect("a message");
                peer.send(1, &basic::reject(got.tag, ""));
            }
            peer.wait_ready(1, &first, 1);
            home.settle(end);
            home.restart(end);
            peer = home.channel();
            peer.has(1, &first, 1, 0);
            let got = peer.get(1, &first).expect("a message");
            let deaths = got.deaths();
            assert_eq!(deaths.len(), 2);
            assert_eq!(deaths[0].str("queue"), second);
            assert_eq!(
                (deaths[0].long("count"), deaths[1].long("count")),
                (round + 1, round + 1)
            );
            peer.send(1, &basic::nack(got.tag, "requeue"));
        }
    });
}

#[test]
fn a_bounded_queue_stays_bounded() {
    both(|home, end| {
        let mut peer = home.channel();
        let (by_count, by_bytes) = (unique("count"), unique("bytes"));
        durable(&mut peer, &by_count, table! { "x-max-length" => 10i32 });
        durable(
            &mut peer,
            &by_bytes,
            table! { "x-max-length-bytes" => 5000i32 },
        );
        keep(&mut peer, &by_count, numbers(0..25));
        keep(
            &mut peer,
            &by_bytes,
            (0..9u8).map(|number| vec![number; 1000]),
        );
        home.settle(end);
        home.restart(end);
        let mut peer = home.channel();
        peer.has(1, &by_count, 10, 0);
        keep(&mut peer, &by_count, numbers(25..28));
        assert_eq!(bodies(&mut peer, &by_count), numbers(18..28));
        keep(
            &mut peer,
            &by_bytes,
            (9..11u8).map(|number| vec![number; 1000]),
        );
        let got: Vec<u8> = drain(&mut peer, &by_bytes)
            .iter()
            .map(|one| one.body[0])
            .collect();
        assert_eq!(got, [6, 7, 8, 9, 10]);
    });
}

/// Ten thousand, unless somebody else's broker takes minutes for them.
#[test]
fn ten_thousand_queues_come_back_with_what_is_in_them() {
    let count: u32 = if foreign() { 200 } else { 10_000 };
    both(|home, end| {
        let own = unique("many");
        let name = |number: u32| format!("{own}-{number}");
        let mut peer = home.channel();
        let begun = Instant::now();
        let answers = |peer: &mut Peer, want: &dyn Fn(u32) -> u32| {
            for number in 0..count {
                let ok = peer.expect_method(1, 50, 11);
                assert_eq!(ok, queue::declare_ok(&name(number), want(number), 0));
            }
        };
        let declare = |number: u32, flags: &str| {
            let bytes = queue::declare(&name(number), flags, table! {}).encode();
            raw::frame(raw::METHOD, 1, &bytes)
        };
        let all: Vec<u8> = (0..count)
            .flat_map(|number| declare(number, "durable"))
            .collect();
        peer.send_bytes(&all);
        answers(&mut peer, &|_| 0);
        let declared = begun.elapsed();
        peer.open(2);
        peer.confirm(2);
        let mut published = 0;
        for number in 0..count {
            for at in 0..number % 4 {
                let body = format!("{number} {at}");
                peer.publish_with(2, "", &name(number), "", &Properties::persistent(), body);
                published += 1;
            }
        }
        peer.acked(2, published);
        home.end(end);
        let begun = Instant::now();
        home.start();
        eprintln!(
            "{count} queues: declared in {declared:?}, {end:?} and back in {:?}",
            begun.elapsed()
        );
        let mut peer = home.channel();
        let all: Vec<u8> = (0..count)
            .flat_map(|number| declare(number, "passive"))
            .collect();
        peer.send_bytes(&all);
        answers(&mut peer, &|number| number % 4);
        for number in (0..count).step_by(97) {
            let want: Vec<String> = (0..number % 4).map(|at| format!("{number} {at}")).collect();
            assert_eq!(bodies(&mut peer, &name(number)), want);
        }
        if foreign() {
            for number in 0..count {
                peer.call(1, &queue::delete(&name(number), ""));
            }
        }
    });
}
