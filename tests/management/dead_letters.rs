//! Leveret's own routes for dead letters: a look that changes nothing, and the way back.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::client::{Client, guest, of, silent};
use super::support::{Peer, basic, broker::shared, eventually, foreign, queue, unique};

/// A queue whose expired messages come into a second one.
fn pair(peer: &mut Peer) -> (String, String) {
    let (work, dead) = (unique("work"), unique("dead"));
    let arguments = table! {
        "x-dead-letter-exchange" => "", "x-dead-letter-routing-key" => dead.as_str(),
    };
    for (name, arguments) in [(&dead, table! {}), (&work, arguments)] {
        let declare = queue::declare(name, "durable", arguments);
        peer.ask(1, &declare, &queue::declare_ok(name, 0, 0));
    }
    (work, dead)
}

/// Messages that were rejected in `work`.
fn reject(peer: &mut Peer, work: &str, dead: &str, bodies: &[&str]) {
    let (before, _) = peer.counts(1, dead);
    for body in bodies {
        peer.publish(1, "", work, body);
        let got = peer.take_soon_unacked(1, work);
        peer.send(1, &basic::reject(got.tag, ""));
    }
    eventually("they are dead", || {
        peer.counts(1, dead).0 as usize == before as usize + bodies.len()
    });
}

trait Unacked {
    fn take_soon_unacked(&mut self, channel: u16, queue: &str) -> super::support::Delivery;
}

impl Unacked for Peer {
    fn take_soon_unacked(&mut self, channel: u16, queue: &str) -> super::support::Delivery {
        let mut found = None;
        eventually("a message", || {
            found = self.get(channel, queue);
            found.is_some()
        });
        found.expect("just found")
    }
}

fn peek(client: &Client, queue: &str, query: &str) -> Value {
    let path = format!("/leveret/queues/%2F/{queue}/peek?{query}");
    let answer = client.get(&path);
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.json()
}

fn bodies(peeked: &Value) -> Vec<&str> {
    let messages = peeked["messages"].as_array().expect("a list").iter();
    messages
        .map(|one| one["payload"].as_str().expect("a text"))
        .collect()
}

fn redrive(client: &Client, queue: &str, body: Value) -> Value {
    let path = format!("/leveret/queues/%2F/{queue}/redrive");
    let answer = client.post(&path, &body.to_string());
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.json()
}

#[test]
fn a_peek_shows_messages_in_order_and_changes_nothing() {
    decided!("RabbitMQ has no such route");
    let mut peer = shared().channel();
    let q = unique("q");
    peer.ask(
        1,
        &queue::declare(&q, "", table! {}),
        &queue::declare_ok(&q, 0, 0),
    );
    for number in 0..5 {
        peer.publish(1, "", &q, number.to_string());
    }
    peer.counts(1, &q);
    let all = peek(&guest(), &q, "");
    assert_eq!(bodies(&all), ["0", "1", "2", "3", "4"]);
    assert_eq!(all["next"], Value::Null);
    let first = &all["messages"][0];
    assert_eq!(first["redelivered"], false);
    assert_eq!(first["delivery_count"], 0);
    assert_eq!(first["routing_key"], q.as_str());
    assert_eq!(first["payload_bytes"], 1);
    // Page by page, by the cursor and by the offset.
    let some = peek(&guest(), &q, "count=2");
    assert_eq!(bodies(&some), ["0", "1"]);
    let rest = peek(&guest(), &q, &format!("count=2&from={}", some["next"]));
    assert_eq!(bodies(&rest), ["2", "3"]);
    assert_eq!(bodies(&peek(&guest(), &q, "offset=4")), ["4"]);
    assert_eq!(bodies(&peek(&guest(), &q, "offset=9")), [""; 0]);
    assert_eq!(bodies(&peek(&guest(), &q, "truncate=0&count=1")), [""]);
    // Nobody has seen them: the first delivery is no redelivery.
    let got = peer.get(1, &q).expect("a message");
    assert!(!got.redelivered);
    // What is out is not shown.
    assert_eq!(bodies(&peek(&guest(), &q, "")), ["1", "2", "3", "4"]);
    peer.send(1, &basic::nack(got.tag, "requeue"));
    eventually("it is back", || {
        peek(&guest(), &q, "count=1")["messages"][0]["payload"] == "0"
    });
    let again = peek(&guest(), &q, "count=1");
    assert_eq!(again["messages"][0]["redelivered"], true);
    guest().delete(&format!("/queues/%2F/{q}")).is(204, "");
}

#[test]
fn a_peek_of_large_messages_is_bounded_and_can_go_on() {
    decided!("RabbitMQ has no such route");
    let mut peer = shared().channel();
    let q = unique("q");
    peer.ask(
        1,
        &queue::declare(&q, "", table! {}),
        &queue::declare_ok(&q, 0, 0),
    );
    let body = "x".repeat(24 << 20);
    for _ in 0..4 {
        peer.publish(1, "", &q, &body);
    }
    peer.counts(1, &q);
    let some = peek(&guest(), &q, "");
    assert_eq!(some["messages"].as_array().map(Vec::len), Some(3));
    let rest = peek(&guest(), &q, &format!("from={}", some["next"]));
    assert_eq!(rest["messages"].as_array().map(Vec::len), Some(1));
    assert_eq!(rest["next"], Value::Null);
    let cut = peek(&guest(), &q, "truncate=1");
    assert_eq!(bodies(&cut), ["x"; 4]);
    guest().delete(&format!("/queues/%2F/{q}")).is(204, "");
}

#[test]
fn nonsense_is_refused() {
    decided!("RabbitMQ has no such routes");
    let q = unique("q");
    guest().put(&format!("/queues/%2F/{q}"), "{}").is(201, "");
    for query in [
        "count=x",
        "count=-1",
        "count=1001",
        "offset=100001",
        "from=x",
        "truncate=-1",
        "encoding=no",
    ] {
        let path = format!("/leveret/queues/%2F/{q}/peek?{query}");
        assert_eq!(guest().get(&path).status, 400, "{query}");
    }
    let path = format!("/leveret/queues/%2F/{q}/redrive");
    for body in [
        r#"{"raeson":"expired"}"#,
        r#"{"reason":"bored"}"#,
        r#"{"rate":0}"#,
        r#"{"count":"all"}"#,
        "[]",
    ] {
        assert_eq!(guest().post(&path, body).status, 400, "{body}");
    }
    let missing = r#"{"error":"Object Not Found","reason":"Not Found"}"#;
    guest()
        .get("/leveret/queues/%2F/none/peek")
        .is(404, missing);
    guest()
        .post("/leveret/queues/%2F/none/redrive", "{}")
        .is(404, missing);
    guest()
        .get("/leveret/queues/none/none/peek")
        .is(404, missing);
    guest().delete(&format!("/queues/%2F/{q}")).is(204, "");
}

#[test]
fn dead_letters_go_back_one_some_or_all() {
    decided!("RabbitMQ has no such route");
    let mut peer = shared().channel();
    let (work, dead) = pair(&mut peer);
    reject(&mut peer, &work, &dead, &["a", "b", "c", "d"]);
    // One that did not die.
    peer.publish(1, "", &dead, "alive");
    peer.wait_ready(1, &dead, 5);
    let none = redrive(&guest(), &dead, json!({"reason": "expired"}));
    assert_eq!(
        none,
        json!({"moved": 0, "passed_over": 5, "stranded": 0, "complete": true})
    );
    let one = redrive(
        &guest(),
        &dead,
        json!({"reason": "rejected", "queue": work, "count": 1}),
    );
    assert_eq!(one["moved"], 1);
    assert_eq!(bodies(&peek(&guest(), &work, "")), ["a"]);
    assert_eq!(bodies(&peek(&guest(), &dead, "")), ["b", "c", "d", "alive"]);
    let all = redrive(&guest(), &dead, json!({}));
    assert_eq!(
        all,
        json!({"moved": 3, "passed_over": 1, "stranded": 0, "complete": true})
    );
    assert_eq!(bodies(&peek(&guest(), &work, "")), ["a", "b", "c", "d"]);
    assert_eq!(bodies(&peek(&guest(), &dead, "")), ["alive"]);
    let got = peer.get(1, &work).expect("it is back");
    assert!(!got.redelivered);
    peer.send(1, &basic::ack(got.tag, ""));
    for name in [&work, &dead] {
        guest().delete(&format!("/queues/%2F/{name}")).is(204, "");
    }
}

#[test]
fn a_rate_is_kept_and_hanging_up_ends_it() {
    let broker = own!();
    let client = of(&broker);
    let mut peer = broker.channel();
    let (work, dead) = pair(&mut peer);
    let texts: Vec<String> = (0..30).map(|number| number.to_string()).collect();
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    reject(&mut peer, &work, &dead, &texts);
    let begun = Instant::now();
    let tally = redrive(&client, &dead, json!({"count": 11, "rate": 20}));
    assert_eq!(tally["moved"], 11);
    let took = begun.elapsed();
    assert!(
        took >= Duration::from_millis(450),
        "ten intervals of 50 ms took {took:?}"
    );
    // As many as there may be, each with most of its time to wait.
    let body = json!({"rate": 0.001}).to_string();
    let request = format!(
        "POST /api/leveret/queues/%2F/{dead}/redrive HTTP/1.1\r\nHost: x\r\nAuthorization: Basic Z3Vlc3Q6Z3Vlc3Q=\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let waiting: Vec<_> = (0..8)
        .map(|_| {
            let mut stream = silent(client.address);
            std::io::Write::write_all(&mut stream, request.as_bytes()).expect("written");
            stream
        })
        .collect();
    eventually("each has moved one", || peer.counts(1, &work).0 == 19);
    let path = format!("/leveret/queues/%2F/{dead}/redrive");
    assert_eq!(client.post(&path, "{}").status, 503);
    drop(waiting);
    eventually("their places are free", || {
        client.post(&path, "{}").status == 200
    });
    assert_eq!(peer.counts(1, &work).0, 30);
}

#[test]
fn what_a_redrive_brings_back_survives_a_kill() {
    if foreign() {
        return;
    }
    use super::support::{End, Home};
    let mut home = Home::with(&[]);
    let client = of(&home);
    let mut peer = home.channel();
    let (work, dead) = pair(&mut peer);
    let persistent = super::support::Properties {
        delivery_mode: Some(2),
        ..Default::default()
    };
    for body in ["a", "b"] {
        peer.publish_with(1, "", &work, "", &persistent, body);
        let got = peer.take_soon_unacked(1, &work);
        peer.send(1, &basic::reject(got.tag, ""));
    }
    eventually("they are dead", || peer.counts(1, &dead).0 == 2);
    assert_eq!(redrive(&client, &dead, json!({"count": 1}))["moved"], 1);
    home.restart(End::Kill);
    let client = of(&home);
    assert_eq!(bodies(&peek(&client, &work, "")), ["a"]);
    assert_eq!(bodies(&peek(&client, &dead, "")), ["b"]);
}
