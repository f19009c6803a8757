//! What the configuration gives to every new vhost.

use serde_json::json;

use super::client::of;
use super::support::{Broker, Home, foreign};

#[test]
fn new_vhosts_get_the_defaults_that_match_their_names() {
    if foreign() {
        return;
    }
    let broker = Broker::with(&[
        "default_queue_type=quorum",
        "default_limits.vhosts.1.pattern=^t",
        "default_limits.vhosts.1.max_queues=1",
        "default_limits.vhosts.2.max_connections=99",
        "default_policies.operator.short.vhost_pattern=^t",
        "default_policies.operator.short.queue_pattern=^q",
        "default_policies.operator.short.max_length=3",
        "default_policies.operator.short.expires=1h",
        "default_users.bob.password=b",
        "default_users.bob.vhost_pattern=^t",
        "default_users.bob.read=^q",
    ]);
    let client = of(&broker);
    assert_eq!(
        client.get("/overview").json()["default_queue_type"],
        "quorum"
    );
    client.put("/vhosts/t1", "").is(201, "");
    assert_eq!(
        client.get("/vhosts/t1").json()["default_queue_type"],
        "quorum"
    );
    let limits = json!([{"vhost": "t1", "value": {"max-queues": 1}}]);
    client.get("/vhost-limits/t1").is(200, &limits.to_string());
    let policy = json!([{"vhost": "t1", "name": "short", "pattern": "^q", "apply-to": "all", "priority": 0, "definition": {"max-length": 3, "expires": 3_600_000}}]);
    client
        .get("/operator-policies/t1")
        .is(200, &policy.to_string());
    let bob = json!({"user": "bob", "vhost": "t1", "configure": ".*", "write": ".*", "read": "^q"});
    client.get("/permissions/t1/bob").is(200, &bob.to_string());
    client
        .put("/queues/t1/q", r#"{"durable":true}"#)
        .is(201, "");
    let queue = client.get("/queues/t1/q").json();
    assert_eq!(queue["type"], "quorum");
    assert_eq!(queue["operator_policy"], "short");
    assert_eq!(client.put("/queues/t1/r", "{}").status, 400);
    // The first one counts as new, too; what is said wins; and vhosts that come with definitions are new ones.
    let limits = json!([{"vhost": "/", "value": {"max-connections": 99}}]);
    client.get("/vhost-limits/%2F").is(200, &limits.to_string());
    client
        .put("/vhosts/t2", r#"{"default_queue_type":"classic"}"#)
        .is(201, "");
    assert_eq!(
        client.get("/vhosts/t2").json()["default_queue_type"],
        "classic"
    );
    let document = json!({"vhosts": [{"name": "t3"}, {"name": "x"}], "queues": [{"name": "q", "vhost": "t3", "durable": true}]});
    client
        .post("/definitions", &document.to_string())
        .is(204, "");
    assert_eq!(client.get("/queues/t3/q").json()["type"], "quorum");
    assert_eq!(
        client.get("/operator-policies/t3").json()[0]["name"],
        "short"
    );
    client.get("/operator-policies/x").is(200, "[]");
    assert_eq!(client.get("/permissions/x/bob").status, 404);
    // Said again, a vhost gets nothing back.
    client.delete("/operator-policies/t1/short").is(204, "");
    client.put("/vhosts/t1", "{}").is(204, "");
    client.get("/operator-policies/t1").is(200, "[]");
}

#[test]
fn a_default_that_no_operator_may_set_stops_the_start() {
    if foreign() {
        return;
    }
    let words = Home::vacant(&["default_policies.operator.bad.bogus=1"]).refusal();
    let expected = "default_policies.operator.bad: Validation failed\n\n[{<<\"bogus\">>,1}] are not recognised policy settings";
    assert!(words.contains(expected), "{words}");
}
