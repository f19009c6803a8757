//! Messages: which come back, in which order, and that no byte of them has changed.

use super::*;
use crate::support::home::both;
use crate::support::table::strings;

/// Every property, and headers of every type; header keys in ascending order, as RabbitMQ 4 gives them back.
pub(crate) fn everything() -> Properties {
    let inner = table! { "z" => 1i32, "a" => Value::Void, "list" => strings(&["x", ""]) };
    let headers = table! {
        "array" => Value::Array(vec![Value::I32(-1), Value::Table(inner.clone()), Value::Bytes(vec![0, 255])]),
        "bool" => true,
        "bytes" => Value::Bytes((0..=255).collect()),
        "decimal" => Value::Decimal(3, 1234),
        "double" => -0.5f64,
        "float" => 1.25f32,
        "i16" => -2i16,
        "i32" => i32::MIN,
        "i64" => i64::MAX,
        "i8" => -1i8,
        "table" => inner,
        "text" => "ünïcödé \u{1F407}",
        "time" => Value::Time(1_700_000_000),
        "u16" => u16::MAX,
        "u32" => u32::MAX,
        "u8" => 200u8,
        "void" => Value::Void,
    };
    Properties {
        content_type: Some("application/x-leveret".into()),
        content_encoding: Some("identity".into()),
        headers: Some(headers),
        delivery_mode: Some(2),
        priority: Some(7),
        correlation_id: Some("c".repeat(255)),
        reply_to: Some("somewhere".into()),
        expiration: Some("86400000".into()),
        message_id: Some(String::new()),
        timestamp: Some(u64::MAX >> 1),
        kind: Some("kind".into()),
        user_id: Some("guest".into()),
        app_id: Some("äpp".into()),
        cluster_id: Some("cluster".into()),
    }
}

/// Bytes that look random and differ for each size.
pub(crate) fn body(size: usize) -> Vec<u8> {
    let mut state = size as u64 ^ 0x9E37_79B9_7F4A_7C15;
    let next = || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (state >> 56) as u8
    };
    std::iter::repeat_with(next).take(size).collect()
}

#[test]
fn no_byte_changes_whatever_the_properties_and_the_size() {
    both(|home, end| {
        let mut peer = home.channel();
        let name = durable_queue(&mut peer);
        let exchange = unique("exchange");
        let declare = exchange::declare(&exchange, "topic", "durable", table! {});
        peer.ask(1, &declare, &exchange::declare_ok());
        peer.bind(1, &name, &exchange, "#");
        let sizes = [
            0,
            1,
            7,
            8,
            100,
            4095,
            4096,
            4097,
            65_535,
            65_536,
            131_064,
            131_065,
            200_000,
            1 << 20,
        ];
        let kinds = [
            everything(),
            Properties::persistent(),
            Properties {
                headers: Some(table! {}),
                ..Properties::persistent()
            },
        ];
        let mut sent = Vec::new();
        for (number, size) in sizes.into_iter().enumerate() {
            for properties in &kinds {
                let key = format!("key.{number}");
                confirmed(
                    &mut peer,
                    (&exchange, &key),
                    [(properties.clone(), body(size))],
                );
                sent.push((key, properties.encode(), body(size)));
            }
        }
        home.restart(end);
        let mut peer = home.channel();
        for (key, properties, body) in sent {
            let got = peer.take(1, &name).expect("it was confirmed");
            assert_eq!((&got.exchange, &got.routing_key), (&exchange, &key));
            assert_eq!(got.properties, properties, "{key} of {} bytes", body.len());
            assert!(
                got.body == body,
                "the body of {key}, {} bytes, is another",
                body.len()
            );
            // After a kill RabbitMQ says so of all that it finds.
            let blamed = foreign() && end == End::Kill;
            assert!(blamed || !got.redelivered, "{key} has never been delivered");
        }
        assert_eq!(peer.take(1, &name), None);
    });
}

#[test]
fn a_thousand_messages_come_back_in_order_and_new_ones_go_behind() {
    both(|home, end| {
        let mut peer = home.channel();
        let name = durable_queue(&mut peer);
        keep(&mut peer, &name, numbers(0..1000));
        for life in 1..4 {
            home.restart(end);
            peer = home.channel();
            peer.has(1, &name, 1000 * life, 0);
            keep(&mut peer, &name, numbers(1000 * life..1000 * (life + 1)));
        }
        home.restart(end);
        let mut peer = home.channel();
        assert_eq!(bodies(&mut peer, &name), numbers(0..4000));
    });
}

#[test]
fn transient_messages_are_gone_and_the_others_keep_their_order() {
    both(|home, end| {
        let mut peer = home.channel();
        let name = durable_queue(&mut peer);
        let mode = |number: u32| match number % 4 {
            0 | 2 => Some(2),
            1 => Some(1),
            _ => None,
        };
        let messages = (0..100).map(|number| {
            let properties = Properties {
                delivery_mode: mode(number),
                ..Properties::default()
            };
            (properties, number.to_string())
        });
        confirmed(&mut peer, ("", &name), messages);
        peer.has(1, &name, 100, 0);
        home.restart(end);
        let mut peer = home.channel();
        let even: Vec<String> = (0..50).map(|number| (2 * number).to_string()).collect();
        assert_eq!(bodies(&mut peer, &name), even);
    });
}

#[test]
fn what_was_published_without_confirms_survives_a_clean_stop() {
    both(|home, end| {
        let mut peer = home.channel();
        let name = durable_queue(&mut peer);
        for number in 0..100 {
            peer.publish_with(
                1,
                "",
                &name,
                "",
                &Properties::persistent(),
                number.to_string(),
            );
        }
        peer.wait_ready(1, &name, 100);
        home.settle(end);
        home.restart(end);
        let mut peer = home.channel();
        assert_eq!(bodies(&mut peer, &name), numbers(0..100));
    });
}

#[test]
fn a_fanout_to_ten_queues_is_in_each_of_them() {
    both(|home, end| {
        let mut peer = home.channel();
        let exchange = unique("fanout");
        let declare = exchange::declare(&exchange, "fanout", "durable", table! {});
        peer.ask(1, &declare, &exchange::declare_ok());
        let queues: Vec<String> = (0..10).map(|_| durable_queue(&mut peer)).collect();
        for name in &queues {
            peer.bind(1, name, &exchange, "");
        }
        // One that does not outlive the broker changes nothing for the others.
        let passing = peer.queue(1);
        peer.bind(1, &passing, &exchange, "");
        let messages = (0..50u8).map(|number| (Properties::persistent(), vec![number; 1000]));
        confirmed(&mut peer, (&exchange, ""), messages);
        // Half of the queues have consumed some of it.
        for (at, name) in queues.iter().enumerate().skip(5) {
            for number in 0..at as u8 {
                assert_eq!(
                    peer.take(1, name).expect("a message").body,
                    vec![number; 1000]
                );
            }
        }
        home.settle(end);
        home.restart(end);
        let mut peer = home.channel();
        for (at, name) in queues.iter().enumerate() {
            let first = if at < 5 { 0 } else { at as u8 };
            let got: Vec<Vec<u8>> = drain(&mut peer, name)
                .into_iter()
                .map(|one| one.body)
                .collect();
            let want: Vec<Vec<u8>> = (first..50).map(|number| vec![number; 1000]).collect();
            assert!(got == want, "queue {at} has {} messages", got.len());
        }
    });
}

#[test]
fn large_bodies_come_back_whole() {
    both(|home, end| {
        let mut peer = home.channel();
        let name = durable_queue(&mut peer);
        let sizes = [5 << 20, 300_000, (16 << 20) - 1, 64, 9 << 20, 3 << 20];
        for size in sizes {
            keep(&mut peer, &name, [body(size)]);
        }
        home.restart(end);
        let mut peer = home.channel();
        for size in sizes {
            let got = peer.take(1, &name).expect("it was confirmed");
            assert!(
                got.body == body(size),
                "{} bytes instead of {size}",
                got.body.len()
            );
        }
    });
}

#[test]
fn blind_copies_stay_blind() {
    both(|home, end| {
        let mut peer = home.channel();
        let queues: Vec<String> = (0..3).map(|_| durable_queue(&mut peer)).collect();
        let headers = table! { "BCC" => strings(&[&queues[1]]), "CC" => strings(&[&queues[2]]), "other" => 1i32 };
        let properties = Properties {
            headers: Some(headers),
            ..Properties::persistent()
        };
        confirmed(&mut peer, ("", &queues[0]), [(properties, "copied")]);
        home.restart(end);
        let mut peer = home.channel();
        let left = table! { "CC" => strings(&[&queues[2]]), "other" => 1i32 };
        for name in &queues {
            let got = peer.take(1, name).expect("a copy");
            assert_eq!((got.text(), &got.routing_key), ("copied", &queues[0]));
            assert_eq!(got.headers(), left);
            assert_eq!(peer.take(1, name), None);
        }
    });
}

#[test]
fn two_publishers_keep_their_own_order_each() {
    both(|home, end| {
        let mut peer = home.channel();
        let name = durable_queue(&mut peer);
        let handles: Vec<_> = ["a", "b", "c"]
            .into_iter()
            .map(|letter| {
                let (mut peer, name) = (home.channel(), name.clone());
                let all = (0..300).map(move |number| format!("{letter}{number}"));
                std::thread::spawn(move || keep(&mut peer, &name, all))
            })
            .collect();
        handles
            .into_iter()
            .for_each(|handle| handle.join().unwrap());
        let listed = |peer: &mut Peer| -> Vec<String> {
            let got: Vec<Delivery> = (0..900)
                .map(|_| peer.get(1, &name).expect("a message"))
                .collect();
            got.iter().map(|one| one.text().to_owned()).collect()
        };
        let before = listed(&mut peer);
        home.restart(end);
        let mut peer = home.channel();
        assert!(listed(&mut peer) == before, "the order is another");
    });
}
