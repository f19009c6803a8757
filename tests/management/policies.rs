//! Policies and operator policies: made, shown, applied, refused.

use serde_json::{Value, json};

use super::client::{MISSING, bad, guest};
use super::support::{foreign, unique};

const NO_VHOST: &str = r#"{"error":"not_found","reason":"vhost_not_found"}"#;

#[test]
fn a_policy_is_created_once_and_changed_after() {
    let name = unique("p");
    for noun in ["policies", "operator-policies"] {
        let path = format!("/{noun}/%2F/{name}");
        let pattern = format!("^{name}");
        let body = json!({"pattern": pattern, "definition": {"max-length": 5}});
        guest().put(&path, &body.to_string()).is(201, "");
        let body = json!({"pattern": pattern, "definition": {"max-length": 6}, "priority": 3, "apply-to": "queues", "extra": 1, "name": "other"});
        guest().put(&path, &body.to_string()).is(204, "");
        let shown = json!({"vhost": "/", "name": name, "pattern": pattern, "apply-to": "queues", "definition": {"max-length": 6}, "priority": 3});
        guest().get(&path).is(200, &shown.to_string());
        for list in [format!("/{noun}"), format!("/{noun}/%2F")] {
            let all = guest().get(&list).json();
            assert!(all.as_array().expect("a list").contains(&shown), "{list}");
        }
        guest().delete(&path).is(204, "");
        guest().delete(&path).is(404, MISSING);
        guest().get(&path).is(404, MISSING);
        guest().get(&format!("/{noun}/none")).is(404, MISSING);
        guest().get(&format!("/{noun}/none/p")).is(404, MISSING);
        if !foreign() || noun == "policies" {
            // RabbitMQ says 500 to the other.
            guest().delete(&format!("/{noun}/none/p")).is(404, MISSING);
        }
    }
    guest().put("/policies/none/p", "{}").is(404, NO_VHOST);
}

#[test]
fn a_policy_with_one_fault_is_refused_as_a_whole() {
    let name = unique("p");
    let refused = |noun: &str, body: Value, reason: &str| {
        let path = format!("/{noun}/%2F/{name}");
        let answer = guest().put(&path, &body.to_string());
        answer.is(400, &bad(json!(reason)));
        guest().get(&path).is(404, MISSING);
    };
    let policy = |body: Value, reason: &str| refused("policies", body, reason);
    let valid = |fault: &str| format!("Validation failed\n\n{fault}\n");
    policy(
        json!({"definition": {"max-length": 5}}),
        "[{key_missing,pattern}]",
    );
    policy(json!({"pattern": "x"}), "[{key_missing,definition}]");
    policy(
        json!({}),
        "[{key_missing,pattern},{key_missing,definition}]",
    );
    policy(
        json!({"pattern": "x", "definition": {}}),
        &valid("no policy provided"),
    );
    policy(
        json!({"pattern": "x", "definition": {"bogus": 5}}),
        &valid("[{&lt;&lt;\"bogus\"&gt;&gt;,5}] are not recognised policy settings"),
    );
    policy(
        json!({"pattern": "x", "definition": {"max-length": -1}}),
        &valid("-1 is not a valid maximum length"),
    );
    policy(
        json!({"pattern": "x", "definition": {"max-length": 1}, "priority": "high"}),
        &valid("priority should be a number, actually was &lt;&lt;\"high\"&gt;&gt;"),
    );
    policy(
        json!({"pattern": 5, "definition": {"max-length": 1}}),
        &valid("pattern should be a binary but was 5"),
    );
    policy(
        json!({"pattern": "x", "definition": {"max-length": 1}, "apply-to": "zz"}),
        &valid(
            "apply-to 'zz' unrecognised; should be one of: 'queues', 'classic_queues',  'quorum_queues', 'streams', 'exchanges', or 'all'",
        ),
    );
    refused(
        "operator-policies",
        json!({"pattern": "x", "definition": {"dead-letter-exchange": "x"}}),
        &valid("[{<<\"dead-letter-exchange\">>,<<\"x\">>}] are not recognised policy settings"),
    );
    let path = format!("/policies/%2F/{name}");
    let answer = guest().put(&path, r#"{"pattern":"(","definition":{"max-length":1}}"#);
    assert_eq!(answer.status, 400);
    let reason = answer.json()["reason"].to_string();
    assert!(reason.contains("pattern should be regular expression but is invalid: "));
}

#[test]
fn queues_and_exchanges_show_the_policies_that_apply() {
    if foreign() {
        // Its statistics come seconds late.
        return;
    }
    let name = unique("p");
    let queue = format!("/queues/%2F/{name}.q");
    let exchange = format!("/exchanges/%2F/{name}.x");
    guest().put(&queue, r#"{"durable":true}"#).is(201, "");
    guest().put(&exchange, "{}").is(201, "");
    let fields = ["policy", "operator_policy", "effective_policy_definition"];
    let of = |document: Value| fields.map(|field| document[field].clone());
    assert_eq!(
        of(guest().get(&queue).json()),
        [json!(null), json!(null), json!({})]
    );
    assert_eq!(guest().get(&exchange).json().get("policy"), None);
    let put = |noun: &str, which: &str, body: Value| {
        let path = format!("/{noun}/%2F/{name}.{which}");
        assert!(guest().put(&path, &body.to_string()).status < 300);
        path
    };
    let all = put(
        "policies",
        "all",
        json!({"pattern": format!("^{name}"), "definition": {"max-length": 10, "alternate-exchange": "ae"}}),
    );
    let low = put(
        "policies",
        "low",
        json!({"pattern": format!("^{name}"), "definition": {"alternate-exchange": "ae"}, "apply-to": "exchanges", "priority": -1}),
    );
    let queues = put(
        "policies",
        "queues",
        json!({"pattern": format!("^{name}"), "definition": {"max-length": 10, "message-ttl": 5}, "apply-to": "queues", "priority": 1}),
    );
    let operator = put(
        "operator-policies",
        "op",
        json!({"pattern": format!("^{name}"), "definition": {"max-length": 3, "expires": 100_000}}),
    );
    let merged = json!({"max-length": 3, "expires": 100_000, "message-ttl": 5});
    let expected = [
        json!(format!("{name}.queues")),
        json!(format!("{name}.op")),
        merged,
    ];
    assert_eq!(of(guest().get(&queue).json()), expected);
    let list = guest().get("/queues/%2F").json();
    let listed = list.as_array().expect("a list").iter();
    let mut listed = listed.filter(|one| one["name"] == format!("{name}.q"));
    assert_eq!(of(listed.next().expect("it is listed").clone()), expected);
    assert_eq!(
        guest().get(&exchange).json()["policy"],
        format!("{name}.all")
    );
    // One that is made later has it from the start.
    let later = format!("/queues/%2F/{name}.later");
    guest().put(&later, "{}").is(201, "");
    assert_eq!(of(guest().get(&later).json()), expected);
    guest().delete(&queues).is(204, "");
    guest().delete(&operator).is(204, "");
    guest().delete(&all).is(204, "");
    assert_eq!(
        of(guest().get(&queue).json()),
        [json!(null), json!(null), json!({})]
    );
    assert_eq!(
        guest().get(&exchange).json()["policy"],
        format!("{name}.low")
    );
    guest().delete(&low).is(204, "");
    for path in [queue, later, exchange] {
        guest().delete(&path).is(204, "");
    }
}
