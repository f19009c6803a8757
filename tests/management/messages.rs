//! Messages published and taken through the API.

use serde_json::{Value, json};

use super::client::{Answer, guest};
use super::support::unique;

fn publish(queue: &str, properties: Value, payload: &str, encoding: &str) -> Answer {
    let body = json!({
        "properties": properties, "routing_key": queue, "payload": payload, "payload_encoding": encoding,
    });
    guest().post("/exchanges/%2F/amq.default/publish", &body.to_string())
}

fn get(queue: &str, mode: &str, count: i64, encoding: &str) -> Answer {
    let body = json!({"count": count, "ackmode": mode, "encoding": encoding});
    guest().post(&format!("/queues/%2F/{queue}/get"), &body.to_string())
}

fn queue() -> String {
    let name = unique("q");
    guest()
        .put(&format!("/queues/%2F/{name}"), "{}")
        .is(201, "");
    name
}

#[test]
fn properties_and_payload_come_back_as_they_went() {
    let name = queue();
    publish(&name, json!({}), "plain", "string").is(200, r#"{"routed":true}"#);
    let properties = json!({
        "headers": {"a": 1, "b": "text", "deep": {"c": [true, null]}}, "delivery_mode": 2,
        "content_type": "text/plain", "timestamp": 5, "priority": 3, "message_id": "m",
        "type": "t", "app_id": "app", "correlation_id": "c", "reply_to": "r",
    });
    publish(&name, properties.clone(), "/wA=", "base64").is(200, r#"{"routed":true}"#);
    let expected = json!([
        {"payload_bytes": 5, "redelivered": false, "exchange": "", "routing_key": name, "message_count": 1,
         "properties": [], "payload": "plain", "payload_encoding": "string"},
        {"payload_bytes": 2, "redelivered": false, "exchange": "", "routing_key": name, "message_count": 0,
         "properties": properties, "payload": "/wA=", "payload_encoding": "base64"},
    ]);
    get(&name, "ack_requeue_true", 5, "auto").is(200, &expected.to_string());
    // They went back, and that shows.
    let again = get(&name, "ack_requeue_false", 1, "base64").json();
    assert_eq!(again[0]["redelivered"], true);
    assert_eq!(again[0]["payload"], "cGxhaW4=");
    assert_eq!(
        get(&name, "reject_requeue_false", -1, "auto")
            .json()
            .as_array()
            .map(Vec::len),
        Some(1)
    );
    get(&name, "ack_requeue_true", 1, "auto").is(200, "[]");
    guest().delete(&format!("/queues/%2F/{name}")).is(204, "");
}

#[test]
fn payloads_are_cut_when_asked() {
    let name = queue();
    publish(&name, json!([]), "0123456789", "string").is(200, r#"{"routed":true}"#);
    let body = r#"{"count":1,"ackmode":"ack_requeue_false","encoding":"auto","truncate":4}"#;
    let got = guest()
        .post(&format!("/queues/%2F/{name}/get"), body)
        .json();
    assert_eq!(got[0]["payload"], "0123");
    assert_eq!(got[0]["payload_bytes"], 10);
    guest().delete(&format!("/queues/%2F/{name}")).is(204, "");
}

#[test]
fn what_is_wrong_is_named() {
    let bad = |reason: Value| json!({"error": "bad_request", "reason": reason}).to_string();
    publish("none", json!({}), "x", "string").is(200, r#"{"routed":false}"#);
    publish("q", json!({}), "x", "zz").is(400, &bad(json!(["unsupported_encoding", "zz"])));
    publish("q", json!({}), "x!", "base64").is(400, &bad(json!(["not_base64", "x!"])));
    publish("q", json!({"priority": "x"}), "x", "string")
        .is(400, &bad(json!(["not_int", "priority"])));
    let missing = guest().post("/exchanges/%2F/none/publish", "{}");
    missing.is(
        404,
        r#"{"error":"not_found","reason":"exchange_not_found"}"#,
    );
    let name = queue();
    let path = format!("/queues/%2F/{name}/get");
    let expected = bad(json!(
        "[{key_missing,ackmode},{key_missing,count},{key_missing,encoding}]"
    ));
    guest().post(&path, "{}").is(400, &expected);
    let expected = bad(json!("Unsupported encoding. Please use auto or base64."));
    get(&name, "ack_requeue_true", 1, "zz").is(400, &expected);
    let body = r#"{"count":"a","ackmode":"ack_requeue_true","encoding":"auto"}"#;
    guest()
        .post(&path, body)
        .is(400, &bad(json!(["not_integer", "a"])));
    assert!(get(&name, "zz", 1, "auto").status >= 400);
    let missing = get("none", "ack_requeue_true", 1, "auto");
    missing.is(404, r#"{"error":"not_found","reason":"queue_not_found"}"#);
    guest().delete(&format!("/queues/%2F/{name}")).is(204, "");
}

#[test]
fn streams_are_read_by_consumers_only_and_not_purged() {
    let name = unique("stream");
    let path = format!("/queues/%2F/{name}");
    let body = r#"{"durable":true,"arguments":{"x-queue-type":"stream"}}"#;
    guest().put(&path, body).is(201, "");
    publish(&name, json!({}), "stays", "string").is(200, r#"{"routed":true}"#);
    let refused = |said: &str| {
        let reason = format!("{said} not supported by stream queues queue '{name}' in vhost '/'");
        json!({"error": "bad_request", "reason": reason}).to_string()
    };
    get(&name, "ack_requeue_false", 1, "auto").is(400, &refused("540 basic.get"));
    guest()
        .delete(&format!("{path}/contents"))
        .is(400, &refused("queue.purge"));
    assert_eq!(guest().get(&path).json()["messages"], 1);
    guest().delete(&path).is(204, "");
}
