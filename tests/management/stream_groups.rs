//! Leveret's own routes for streams: groups, how far they have come, another place; and what queues' documents say of streams.

use serde_json::{Value, json};

use super::client::{Client, guest};
use super::support::{Peer, Table, basic, broker::shared, eventually, queue, unique};

fn stream(peer: &mut Peer, more: Table) -> String {
    let name = unique("stream");
    let mut arguments = table! { "x-queue-type" => "stream" };
    arguments.0.extend(more.0);
    let declare = queue::declare(&name, "durable", arguments);
    peer.ask(1, &declare, &queue::declare_ok(&name, 0, 0));
    peer.confirm(1);
    for number in 0..10u64 {
        peer.publish(1, "", &name, number.to_string());
        peer.acked(1, number + 1);
    }
    name
}

fn consume(peer: &mut Peer, channel: u16, name: &str, more: Table) {
    peer.open(channel);
    peer.prefetch(channel, 4);
    let mut arguments = table! { "x-stream-group" => "g", "x-stream-offset" => "first" };
    arguments.0.extend(more.0);
    let tag = format!("c{channel}");
    let consume = basic::consume(name, &tag, "", arguments);
    peer.ask(channel, &consume, &basic::consume_ok(&tag));
}

fn groups(client: &Client, name: &str) -> Value {
    let answer = client.get(&format!("/leveret/queues/%2F/{name}/groups"));
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.json()
}

#[test]
fn groups_are_listed_with_their_lag_moved_and_deleted() {
    let mut peer = shared().channel();
    let name = stream(&mut peer, table! {});
    let client = guest();
    assert_eq!(groups(&client, &name), json!([]));
    consume(&mut peer, 2, &name, table! {});
    for _ in 0..3 {
        let got = peer.delivery(2);
        peer.send(2, &basic::ack(got.tag, ""));
    }
    eventually("three are done", || groups(&client, &name)[0]["lag"] == 7);
    let group = &groups(&client, &name)[0];
    assert_eq!(group["name"], "g");
    assert_eq!(
        (&group["consumers"], &group["unacked"]),
        (&json!(1), &json!(4))
    );
    let part = &group["partitions"][0];
    assert_eq!(
        (&part["offset"], &part["next_offset"]),
        (&json!(3), &json!(10))
    );
    // Back to the eighth: the consumer gets it once what it has is settled.
    let place = format!("/leveret/queues/%2F/{name}/groups/g");
    for (body, offset) in [
        (json!({"offset": 8}), 8),
        (json!({"offset": -1}), 9),
        (json!({"offset": "first"}), 0),
        (json!({"offset": 1000}), 10),
        (json!({"timestamp": 0}), 0),
        (json!({"offset": "1h"}), 0),
        (json!({"offset": 7}), 7),
    ] {
        let answer = client.put(&place, &body.to_string());
        assert_eq!(answer.status, 200, "{answer:?}");
        assert_eq!(answer.json()["partitions"][0]["offset"], offset, "{body}");
    }
    peer.send(2, &basic::ack(0, "multiple"));
    let mut texts = peer.texts(2, 4);
    while texts.last().is_some_and(|last| last != "7") {
        texts.append(&mut peer.texts(2, 1));
        peer.send(2, &basic::ack(0, "multiple"));
    }
    for body in [
        json!({"offset": "yesterday"}),
        json!({"offset": true}),
        json!({"offset": 1, "timestamp": 1}),
        json!({}),
    ] {
        assert_eq!(client.put(&place, &body.to_string()).status, 400, "{body}");
    }
    // A group that is not there yet is made.
    let other = format!("/leveret/queues/%2F/{name}/groups/later");
    assert_eq!(client.put(&other, r#"{"offset": "next"}"#).status, 200);
    assert_eq!(client.get(&other).json()["lag"], 0);
    assert_eq!(client.delete(&place).status, 204);
    let cancel = loop {
        let method = peer.next(2);
        if method.is(60, 30) {
            break method;
        }
        peer.read_delivery(2, &method);
    };
    assert_eq!(cancel.text(0), "c2");
    assert_eq!(client.delete(&place).status, 404);
    assert_eq!(groups(&client, &name).as_array().map(Vec::len), Some(1));
}

#[test]
fn partitions_are_shown_one_by_one() {
    let mut peer = shared().channel();
    let partitions = table! { "x-partitions" => super::support::Value::I32(3) };
    let name = stream(&mut peer, partitions);
    consume(
        &mut peer,
        2,
        &name,
        table! { "x-delivery-limit" => super::support::Value::I32(5) },
    );
    let client = guest();
    let group = &groups(&client, &name)[0];
    assert_eq!(group["partitions"].as_array().map(Vec::len), Some(3));
    assert_eq!(
        (&group["lag"], &group["delivery_limit"]),
        (&json!(10), &json!(5))
    );
    let place = format!("/leveret/queues/%2F/{name}/groups/g?partition=1");
    let answer = client.put(&place, r#"{"offset": "next"}"#);
    assert_eq!(
        answer.json()["partitions"].as_array().map(Vec::len),
        Some(1)
    );
    let place = format!("/leveret/queues/%2F/{name}/groups/g?partition=3");
    assert_eq!(client.put(&place, r#"{"offset": "next"}"#).status, 400);
    let document = client.get(&format!("/queues/%2F/{name}")).json();
    assert_eq!(document["messages"], 10);
    assert_eq!(document["partitions"].as_array().map(Vec::len), Some(3));
}

#[test]
fn only_streams_have_groups() {
    let mut peer = shared().channel();
    let name = peer.queue(1);
    let client = guest();
    let answer = client.get(&format!("/leveret/queues/%2F/{name}/groups"));
    assert_eq!(answer.status, 400);
    assert_eq!(client.get("/leveret/queues/%2F/none/groups").status, 404);
}

#[test]
fn a_streams_document_says_what_is_in_it() {
    let mut peer = shared().channel();
    let name = stream(&mut peer, table! {});
    let document = guest().get(&format!("/queues/%2F/{name}")).json();
    assert_eq!(
        (&document["type"], &document["messages"]),
        (&json!("stream"), &json!(10))
    );
    assert_eq!(
        (&document["segments"], &document["next_offset"]),
        (&json!(1), &json!(10))
    );
    assert_eq!(document["members"].as_array().map(Vec::len), Some(1));
    let peek = guest().get(&format!("/leveret/queues/%2F/{name}/peek?from=7"));
    let messages = peek.json();
    let bodies: Vec<&Value> = messages["messages"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|message| &message["payload"])
        .collect();
    assert_eq!(bodies, ["7", "8", "9"]);
}

#[test]
fn a_groups_dead_letters_need_permission_to_write() {
    let mut peer = shared().channel();
    let name = stream(&mut peer, table! {});
    let (client, user) = (guest(), unique("reader"));
    let created = client.put(
        &format!("/users/{user}"),
        r#"{"password": "p", "tags": ""}"#,
    );
    assert_eq!(created.status, 201, "{created:?}");
    let permission = r#"{"configure": "", "write": "", "read": ".*"}"#;
    let place = format!("/permissions/%2F/{user}");
    assert_eq!(client.put(&place, permission).status, 201);
    let mut reader = shared().peer_with(&super::support::Login {
        user: user.clone(),
        password: "p".into(),
        ..super::support::Login::default()
    });
    reader.open(1);
    reader.prefetch(1, 1);
    let arguments = table! { "x-stream-group" => "g", "x-dead-letter-exchange" => "amq.fanout" };
    let text = format!(
        "ACCESS_REFUSED - write access to exchange 'amq.fanout' in vhost '/' refused for user '{user}'"
    );
    reader.refused(1, &basic::consume(&name, "c", "", arguments), 403, &text);
    reader.prefetch(1, 1);
    let arguments = table! { "x-stream-group" => "g" };
    reader.ask(
        1,
        &basic::consume(&name, "c", "", arguments),
        &basic::consume_ok("c"),
    );
}
