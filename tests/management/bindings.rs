//! Bindings, from every side.

use serde_json::{Value, json};

use super::client::guest;
use super::support::unique;

const MISSING: &str = r#"{"error":"Object Not Found","reason":"Not Found"}"#;

#[test]
fn bindings_are_named_by_key_and_arguments() {
    let queue = unique("q");
    guest()
        .put(&format!("/queues/%2F/{queue}"), "{}")
        .is(201, "");
    let path = format!("/bindings/%2F/e/amq.headers/q/{queue}");
    let mut locations = Vec::new();
    for body in [
        r#"{"routing_key":"","arguments":{}}"#,
        r#"{"routing_key":"a b/c~d"}"#,
        r#"{"routing_key":"k","arguments":{"x-match":"all","n":"1"}}"#,
    ] {
        let answer = guest().post(&path, body);
        assert_eq!(answer.status, 201, "{answer:?}");
        locations.push(answer.header("location").expect("a place").to_owned());
    }
    assert_eq!(locations[0], format!("{queue}/~"));
    assert_eq!(locations[1], format!("{queue}/a%2Bb%252Fc%257Ed"));
    assert!(
        locations[2].starts_with(&format!("{queue}/k~")),
        "{locations:?}"
    );
    let all = guest().get(&path).json();
    assert_eq!(all.as_array().map(Vec::len), Some(3));
    let keys: Vec<&Value> = all
        .as_array()
        .expect("a list")
        .iter()
        .map(|one| &one["properties_key"])
        .collect();
    assert!(
        keys.contains(&&json!("~")) && keys.contains(&&json!("a+b%2Fc%7Ed")),
        "{keys:?}"
    );
    for location in &locations {
        let place = format!("/bindings/%2F/e/amq.headers/q/{location}");
        let one = guest().get(&place).json();
        assert_eq!(one["destination"], json!(queue));
        guest().delete(&place).is(204, "");
        guest().delete(&place).is(404, MISSING);
    }
    guest().get(&path).is(200, "[]");
    guest().delete(&format!("/queues/%2F/{queue}")).is(204, "");
}

#[test]
fn a_queue_shows_the_binding_of_the_default_exchange() {
    let queue = unique("q");
    guest()
        .put(&format!("/queues/%2F/{queue}"), "{}")
        .is(201, "");
    let path = format!("/queues/%2F/{queue}/bindings");
    let expected = json!([{
        "source": "", "vhost": "/", "destination": queue, "destination_type": "queue",
        "routing_key": queue, "arguments": {}, "properties_key": queue,
    }]);
    guest().get(&path).is(200, &expected.to_string());
    let all = guest().get("/bindings/%2F").json();
    assert!(all.as_array().expect("a list").contains(&expected[0]));
    guest().delete(&format!("/queues/%2F/{queue}")).is(204, "");
}

#[test]
fn exchanges_are_bound_to_exchanges() {
    let (from, to) = (unique("x"), unique("x"));
    for name in [&from, &to] {
        guest()
            .put(&format!("/exchanges/%2F/{name}"), r#"{"type":"fanout"}"#)
            .is(201, "");
    }
    let path = format!("/bindings/%2F/e/{from}/e/{to}");
    assert_eq!(guest().post(&path, r#"{"routing_key":"k"}"#).status, 201);
    let expected = json!([{
        "source": from, "vhost": "/", "destination": to, "destination_type": "exchange",
        "routing_key": "k", "arguments": {}, "properties_key": "k",
    }])
    .to_string();
    guest().get(&path).is(200, &expected);
    guest()
        .get(&format!("/exchanges/%2F/{from}/bindings/source"))
        .is(200, &expected);
    guest()
        .get(&format!("/exchanges/%2F/{to}/bindings/destination"))
        .is(200, &expected);
    guest()
        .get(&format!("/exchanges/%2F/{to}/bindings/source"))
        .is(200, "[]");
    guest().delete(&format!("{path}/k")).is(204, "");
    for name in [&from, &to] {
        guest()
            .delete(&format!("/exchanges/%2F/{name}"))
            .is(204, "");
    }
}

#[test]
fn ends_must_be_there_and_the_default_exchange_is_not_bound() {
    let answer = guest().post("/bindings/%2F/e/amq.direct/q/none", "{}");
    answer.is(
        404,
        r#"{"error":"not_found","reason":"no queue 'none' in vhost '/'"}"#,
    );
    let queue = unique("q");
    guest()
        .put(&format!("/queues/%2F/{queue}"), "{}")
        .is(201, "");
    let answer = guest().post(&format!("/bindings/%2F/e/amq.default/q/{queue}"), "{}");
    answer.is(
        401,
        r#"{"error":"not_authorised","reason":"Access refused."}"#,
    );
    guest().delete(&format!("/queues/%2F/{queue}")).is(204, "");
}
