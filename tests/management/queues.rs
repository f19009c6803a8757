//! Queues: declared, shown, purged, deleted.

use serde_json::json;

use super::client::guest;
use super::support::{broker::shared, eventually, unique};

const MISSING: &str = r#"{"error":"Object Not Found","reason":"Not Found"}"#;

#[test]
fn a_queue_is_created_once_and_confirmed_after() {
    let name = unique("q");
    let path = format!("/queues/%2F/{name}");
    let body = r#"{"durable":true,"arguments":{"x-message-ttl":60000}}"#;
    guest().put(&path, body).is(201, "");
    guest().put(&path, body).is(204, "");
    let queue = guest().get(&path).json();
    for (field, value) in [
        ("name", json!(name)),
        ("vhost", json!("/")),
        ("durable", json!(true)),
        ("auto_delete", json!(false)),
        ("exclusive", json!(false)),
        ("type", json!("classic")),
        ("state", json!("running")),
    ] {
        assert_eq!(queue[field], value, "{field}: {queue}");
    }
    assert_eq!(queue["arguments"]["x-message-ttl"], 60000);
    guest().delete(&path).is(204, "");
    guest().get(&path).is(404, MISSING);
    guest().delete(&path).is(404, MISSING);
}

#[test]
fn declares_that_contradict_get_amqps_text() {
    let name = unique("q");
    let path = format!("/queues/%2F/{name}");
    guest().put(&path, "").is(201, "");
    let expected = json!({"error": "bad_request", "reason": format!("inequivalent arg 'durable' for queue '{name}' in vhost '/': received 'true' but current is 'false'")});
    guest()
        .put(&path, r#"{"durable":"true"}"#)
        .is(400, &expected.to_string());
    let expected = r#"{"error":"bad_request","reason":["not_boolean","yes"]}"#;
    guest().put(&path, r#"{"durable":"yes"}"#).is(400, expected);
    let expected = json!({"error": "bad_request", "reason": format!("invalid arg 'x-message-ttl' for queue '{name}.2' in vhost '/': {{value_negative,-1}}")});
    guest()
        .put(
            &format!("{path}.2"),
            r#"{"arguments":{"x-message-ttl":-1}}"#,
        )
        .is(400, &expected.to_string());
    guest().delete(&path).is(204, "");
}

#[test]
fn names_that_are_the_brokers_are_refused_and_vhosts_must_be_there() {
    let expected = r#"{"error":"not_authorised","reason":"Access refused."}"#;
    guest().put("/queues/%2F/amq.mine", "{}").is(401, expected);
    let expected = r#"{"error":"not_found","reason":"vhost_not_found"}"#;
    guest().put("/queues/none/q", "{}").is(404, expected);
    guest().get("/queues/none").is(404, MISSING);
}

#[test]
fn names_may_hold_anything_that_a_url_can_escape() {
    let name = unique("q");
    let path = format!("/queues/%2F/{name}%20%2F%C3%A9%25");
    guest().put(&path, "{}").is(201, "");
    let shown = guest().get(&path).json();
    assert_eq!(shown["name"], format!("{name} /é%"));
    guest().delete(&path).is(204, "");
}

#[test]
fn deletes_obey_their_conditions() {
    let name = unique("q");
    let path = format!("/queues/%2F/{name}");
    guest().put(&path, "{}").is(201, "");
    let publish = format!(
        r#"{{"properties":{{}},"routing_key":"{name}","payload":"x","payload_encoding":"string"}}"#
    );
    guest()
        .post("/exchanges/%2F/amq.default/publish", &publish)
        .is(200, r#"{"routed":true}"#);
    let answer = guest().delete(&format!("{path}?if-empty=true"));
    assert_eq!(answer.status, 400, "{answer:?}");
    guest().delete(&format!("{path}/contents")).is(204, "");
    guest()
        .delete(&format!("{path}?if-empty=true&if-unused=true"))
        .is(204, "");
    guest().delete(&format!("{path}/contents")).is(404, MISSING);
}

#[test]
fn counts_are_those_of_the_queue() {
    let name = unique("q");
    let path = format!("/queues/%2F/{name}");
    guest().put(&path, "{}").is(201, "");
    let mut peer = shared().channel();
    for _ in 0..3 {
        peer.publish(1, "", &name, b"x");
    }
    eventually("three ready messages", || {
        guest().get(&path).json()["messages_ready"] == 3
    });
    assert_eq!(guest().get(&path).json()["messages"], 3);
    guest().delete(&path).is(204, "");
}
