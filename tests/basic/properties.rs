//! Properties and headers arrive as they were sent, byte for byte.

use crate::support::raw::content;
use crate::support::table::{Table, Value, strings};
use crate::support::{Peer, Properties, basic, foreign, shared};

/// Publishes this property block and returns what is delivered.
fn round_trip(peer: &mut Peer, queue: &str, block: &[u8]) -> Vec<u8> {
    peer.send_bytes(&content(
        1,
        &basic::publish("", queue, ""),
        block,
        b"x",
        4088,
    ));
    peer.take_soon(1, queue).properties
}

fn everything() -> Table {
    table! {
        "bool" => true,
        "false" => false,
        "i8" => -1i8,
        "u8" => 200u8,
        "i16" => -300i16,
        "u16" => 60_000u16,
        "i32" => -70_000i32,
        "u32" => 4_000_000_000u32,
        "i64" => i64::MIN,
        "f32" => 1.5f32,
        "f64" => -2.25f64,
        "decimal" => Value::Decimal(2, 31_415),
        "empty" => "",
        "text" => "Grüße, 世界",
        "bytes" => Value::Bytes(vec![0, 1, 2, 255]),
        "time" => Value::Time(1_700_000_000),
        "void" => Value::Void,
        "array" => vec![1i32.into(), "a".into(), vec![Value::Void].into()],
        "none" => Vec::<Value>::new(),
        "table" => table! { "z" => 1i32, "a" => table! { "deep" => true } },
        "no fields" => table! {},
    }
}

#[test]
fn every_property_alone() {
    let mut peer = shared().channel();
    let queue = peer.queue(1);
    let text = || Some("x".repeat(255));
    let none = Properties::default;
    let all = [
        none(),
        Properties {
            content_type: text(),
            ..none()
        },
        Properties {
            content_encoding: text(),
            ..none()
        },
        Properties::headers(table! {}),
        Properties {
            delivery_mode: Some(1),
            ..none()
        },
        Properties {
            delivery_mode: Some(2),
            ..none()
        },
        Properties {
            delivery_mode: Some(7),
            ..none()
        },
        Properties {
            priority: Some(255),
            ..none()
        },
        Properties {
            correlation_id: text(),
            ..none()
        },
        Properties {
            reply_to: text(),
            ..none()
        },
        Properties {
            expiration: Some("100000".into()),
            ..none()
        },
        Properties {
            message_id: text(),
            ..none()
        },
        Properties {
            timestamp: Some(u64::MAX),
            ..none()
        },
        Properties {
            kind: text(),
            ..none()
        },
        Properties {
            user_id: Some("guest".into()),
            ..none()
        },
        Properties {
            app_id: text(),
            ..none()
        },
        Properties {
            cluster_id: text(),
            ..none()
        },
        Properties {
            content_type: Some(String::new()),
            ..none()
        },
    ];
    for properties in all {
        let block = properties.encode();
        assert_eq!(
            round_trip(&mut peer, &queue, &block),
            block,
            "{properties:?}"
        );
    }
}

#[test]
fn all_properties_together() {
    let mut peer = shared().channel();
    let queue = peer.queue(1);
    let properties = Properties {
        content_type: Some("text/plain".into()),
        content_encoding: Some("gzip".into()),
        headers: Some(table! { "a" => 1i32 }),
        delivery_mode: Some(2),
        priority: Some(3),
        correlation_id: Some("c".into()),
        reply_to: Some("r".into()),
        expiration: Some("60000".into()),
        message_id: Some("m".into()),
        timestamp: Some(1_700_000_000),
        kind: Some("t".into()),
        user_id: Some("guest".into()),
        app_id: Some("a".into()),
        cluster_id: Some("cl".into()),
    };
    let block = properties.encode();
    assert_eq!(round_trip(&mut peer, &queue, &block), block);
}

#[test]
fn every_type_of_header() {
    let mut peer = shared().channel();
    let queue = peer.queue(1);
    let mut headers = everything();
    if foreign() {
        // RabbitMQ 4 sorts the keys.
        headers.0.sort_by(|a, b| a.0.cmp(&b.0));
    }
    let block = Properties::headers(headers).encode();
    assert_eq!(round_trip(&mut peer, &queue, &block), block);
}

#[test]
fn headers_are_neither_sorted_nor_deduplicated_nor_translated() {
    decided!("RabbitMQ 4 sorts and deduplicates");
    let mut peer = shared().channel();
    let queue = peer.queue(1);
    let headers = table! {
        "z" => 1i32, "a" => 2i32, "z" => 3i32, "" => "no name", "A" => Value::BigL(5), "cc" => "no CC",
        "x-death" => "a client's own", "x-delivery-count" => 5i64, "CC" => strings(&["nowhere"]),
    };
    let block = Properties::headers(headers).encode();
    assert_eq!(round_trip(&mut peer, &queue, &block), block);
}

#[test]
fn odd_bytes_in_texts_pass() {
    decided!("properties are bytes to Leveret");
    let mut peer = shared().channel();
    let queue = peer.queue(1);
    // content-type and message-id that are no UTF-8, a bool that is 7.
    let block = b"\xa0\x80\x02\xff\xfe\x00\x00\x00\x04\x01bt\x07\x01\x80";
    assert_eq!(round_trip(&mut peer, &queue, block), block);
}

#[test]
fn large_headers() {
    let mut peer = shared().channel();
    let queue = peer.queue(1);
    let headers = table! { "a" => "x".repeat(60_000), "b" => "y".repeat(60_000) };
    let block = Properties::headers(headers).encode();
    assert_eq!(round_trip(&mut peer, &queue, &block), block);
}

#[test]
fn the_same_by_a_consumer_and_after_a_requeue() {
    let mut peer = shared().channel();
    let queue = peer.queue(1);
    let block = Properties::headers(table! { "a" => 1i32, "b" => "two" }).encode();
    peer.send_bytes(&content(
        1,
        &basic::publish("", &queue, ""),
        &block,
        b"x",
        4088,
    ));
    peer.consume(1, &queue, "t", "");
    for _ in 0..3 {
        let delivery = peer.delivery(1);
        assert_eq!(delivery.properties, block);
        peer.send(1, &basic::nack(delivery.tag, "requeue"));
    }
}

#[test]
fn a_message_between_two_frame_sizes() {
    use crate::support::Login;
    let mut small = shared().peer_with(&Login {
        frame_max: 4096,
        ..Login::default()
    });
    small.open(1);
    let mut large = shared().channel();
    let name = crate::support::unique("frames");
    let declare = crate::support::queue::declare(&name, "auto-delete", table! {});
    small.ask(1, &declare, &crate::support::queue::declare_ok(&name, 0, 0));
    small.consume(1, &name, "t", "no-ack");
    for size in [
        0, 1, 4087, 4088, 4089, 8176, 8177, 131_064, 131_065, 300_000,
    ] {
        let body: Vec<u8> = (0..size).map(|at| (at % 251) as u8).collect();
        large.publish(1, "", &name, &body);
        assert_eq!(small.delivery(1).body, body, "{size} bytes");
    }
}
