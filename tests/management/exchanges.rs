//! Exchanges: declared, shown, deleted.

use serde_json::json;

use super::client::guest;
use super::support::unique;

const MISSING: &str = r#"{"error":"Object Not Found","reason":"Not Found"}"#;
const REFUSED: &str = r#"{"error":"not_authorised","reason":"Access refused."}"#;

#[test]
fn an_exchange_is_created_once_and_confirmed_after() {
    let name = unique("x");
    let path = format!("/exchanges/%2F/{name}");
    let body = r#"{"type":"topic","durable":true,"arguments":{"alternate-exchange":"ae"}}"#;
    guest().put(&path, body).is(201, "");
    guest().put(&path, body).is(204, "");
    let shown = guest().get(&path).json();
    assert_eq!(shown["type"], "topic");
    assert_eq!(shown["durable"], true);
    assert_eq!(shown["internal"], false);
    assert_eq!(shown["arguments"], json!({"alternate-exchange": "ae"}));
    assert_eq!(shown["incoming"], json!([]));
    let answer = guest().put(&path, r#"{"type":"fanout","durable":true}"#);
    let expected = json!({"error": "bad_request", "reason": format!("inequivalent arg 'type' for exchange '{name}' in vhost '/': received 'fanout' but current is 'topic'")});
    answer.is(400, &expected.to_string());
    guest().delete(&path).is(204, "");
    guest().get(&path).is(404, MISSING);
    guest().delete(&path).is(404, MISSING);
}

#[test]
fn the_type_is_direct_where_none_is_given() {
    let path = format!("/exchanges/%2F/{}", unique("x"));
    guest().put(&path, "{}").is(201, "");
    assert_eq!(guest().get(&path).json()["type"], "direct");
    assert_eq!(guest().get(&path).json()["durable"], false);
    guest().delete(&path).is(204, "");
    let answer = guest().put(&path, r#"{"type":"zz"}"#);
    assert_eq!(answer.status, 400, "{answer:?}");
}

#[test]
fn the_brokers_own_are_not_for_others() {
    guest().delete("/exchanges/%2F/amq.direct").is(401, REFUSED);
    guest()
        .put("/exchanges/%2F/amq.mine", "{}")
        .is(401, REFUSED);
    let shown = guest().get("/exchanges/%2F/amq.default").json();
    assert_eq!(shown["name"], "");
    assert_eq!(shown["type"], "direct");
}

#[test]
fn an_exchange_in_use_stays_if_asked_to() {
    let (exchange, queue) = (unique("x"), unique("q"));
    let path = format!("/exchanges/%2F/{exchange}");
    guest().put(&path, "{}").is(201, "");
    guest()
        .put(&format!("/queues/%2F/{queue}"), "{}")
        .is(201, "");
    let binding = format!("/bindings/%2F/e/{exchange}/q/{queue}");
    assert_eq!(guest().post(&binding, "{}").status, 201);
    let answer = guest().delete(&format!("{path}?if-unused=true"));
    assert_eq!(answer.status, 400, "{answer:?}");
    guest().delete(&format!("/queues/%2F/{queue}")).is(204, "");
    guest()
        .delete(&format!("{path}?if-unused=true"))
        .is(204, "");
}
