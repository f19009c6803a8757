//! Leveret's own routes for what rabbitmqctl does without RabbitMQ's HTTP API.

use std::net::TcpStream;

use serde_json::json;

use super::client::{guest, of};
use super::support::{basic, eventually, queue, unique};

#[test]
fn amqp_stops_and_starts_again_and_what_is_durable_stays() {
    let broker = own!();
    let client = of(&broker);
    let mut peer = broker.channel();
    let q = unique("q");
    peer.ask(
        1,
        &queue::declare(&q, "durable", table! {}),
        &queue::declare_ok(&q, 0, 0),
    );
    peer.publish(1, "", &q, "kept");
    peer.counts(1, &q);
    client.get("/leveret/app").is(200, r#"{"running":true}"#);
    client
        .put("/leveret/app", r#"{"running":false}"#)
        .is(204, "");
    let text = "CONNECTION_FORCED - broker forced connection closure with reason 'shutdown'";
    peer.expect_connection_close(320, text, 0, 0);
    assert!(TcpStream::connect(broker.address).is_err(), "it listens");
    client.get("/leveret/app").is(200, r#"{"running":false}"#);
    client.get("/connections").is(200, "[]");
    assert_eq!(client.get("/health/checks/is-in-service").status, 503);
    assert_eq!(client.get("/nodes").json()[0]["running"], false);
    let port = broker.address.port();
    let path = format!("/health/checks/port-listener/{port}");
    assert_eq!(client.get(&path).status, 503);
    // Twice is as good as once.
    client
        .put("/leveret/app", r#"{"running":false}"#)
        .is(204, "");
    for _ in 0..2 {
        client
            .put("/leveret/app", r#"{"running":true}"#)
            .is(204, "");
    }
    assert_eq!(client.get(&path).status, 200);
    let mut peer = broker.channel();
    let got = peer.get(1, &q).expect("it is still there");
    peer.send(1, &basic::ack(got.tag, ""));
    assert_eq!(got.text(), "kept");
    broker.stop();
}

#[test]
fn a_port_that_somebody_took_is_said_and_nothing_listens() {
    let broker = own!();
    let client = of(&broker);
    client
        .put("/leveret/app", r#"{"running":false}"#)
        .is(204, "");
    let taken = std::net::TcpListener::bind(broker.address).expect("it is free");
    let answer = client.put("/leveret/app", r#"{"running":true}"#);
    assert_eq!(answer.status, 503, "{answer:?}");
    let reason = answer.json()["reason"].as_str().unwrap_or("").to_owned();
    assert!(
        reason.starts_with(&format!("cannot listen on {}: ", broker.address)),
        "{reason}"
    );
    client.get("/leveret/app").is(200, r#"{"running":false}"#);
    drop(taken);
    eventually("the port is free", || {
        client.put("/leveret/app", r#"{"running":true}"#).status == 204
    });
    broker.channel();
}

#[test]
fn the_memory_watermark_raises_and_clears_the_alarm() {
    let broker = own!();
    let client = of(&broker);
    let alarmed = || client.get("/health/checks/alarms").status == 503;
    assert!(!alarmed());
    let path = "/leveret/vm-memory-high-watermark";
    client.put(path, r#"{"absolute":"1MiB"}"#).is(204, "");
    client.get(path).is(200, r#"{"limit":1048576}"#);
    eventually("the alarm", alarmed);
    client.put(path, r#"{"relative":0.9}"#).is(204, "");
    eventually("its end", || !alarmed());
    let node = client.get("/nodes").json();
    assert!(node[0]["mem_limit"].as_u64() > Some(1 << 24), "{node}");
    client.put(path, r#"{"relative":0}"#).is(204, "");
    eventually("the alarm", alarmed);
}

#[test]
fn the_disk_limit_raises_and_clears_the_alarm() {
    let broker = own!();
    let client = of(&broker);
    let alarmed = || client.get("/health/checks/alarms").status == 503;
    let path = "/leveret/disk-free-limit";
    client.put(path, r#"{"absolute":"1000TB"}"#).is(204, "");
    client.get(path).is(200, r#"{"limit":1000000000000000}"#);
    eventually("the alarm", alarmed);
    client.put(path, r#"{"absolute":1000}"#).is(204, "");
    eventually("its end", || !alarmed());
    client.put(path, r#"{"mem_relative":0.0001}"#).is(204, "");
    let node = client.get("/nodes").json();
    assert!(node[0]["disk_free_limit"].as_u64() > Some(1000), "{node}");
}

#[test]
fn limits_that_make_no_sense_are_refused_and_change_nothing() {
    decided!("RabbitMQ has no such routes");
    let paths = [
        "/leveret/vm-memory-high-watermark",
        "/leveret/disk-free-limit",
    ];
    for path in paths {
        let before = guest().get(path).json();
        for body in [
            json!({}),
            json!({"absolute": "much"}),
            json!({"absolute": -1}),
            json!({"absolute": 1.5}),
            json!({"relative": "half"}),
            json!({"relative": 0.5, "absolute": "1GB"}),
            json!({"relative": -0.5}),
            json!({"mem_relative": -0.5}),
            json!({"relative": 1.1}),
        ] {
            assert_eq!(
                guest().put(path, &body.to_string()).status,
                400,
                "{path} {body}"
            );
        }
        assert_eq!(guest().get(path).json(), before);
    }
    for body in ["{}", r#"{"running":"no"}"#, "true"] {
        assert_eq!(guest().put("/leveret/app", body).status, 400, "{body}");
    }
    guest()
        .nobody()
        .put("/leveret/app", r#"{"running":false}"#)
        .is(401, "");
}

#[test]
fn only_administrators_operate() {
    let broker = own!(
        "default_users.max.password=m",
        "default_users.max.tags=monitoring",
    );
    let max = of(&broker).with("max", "m");
    let expected = r#"{"error":"not_authorised","reason":"Not administrator user"}"#;
    max.put("/leveret/app", r#"{"running":false}"#)
        .is(401, expected);
    max.put("/leveret/disk-free-limit", r#"{"absolute":1}"#)
        .is(401, expected);
    max.get("/leveret/app").is(200, r#"{"running":true}"#);
}
