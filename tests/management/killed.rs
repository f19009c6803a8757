//! What an operator was told to be done is there after a kill -9 right behind the answer.

use serde_json::{Value, json};

use super::client::of;
use super::support::{Home, foreign, home::End};

/// One change, and what is seen of it.
struct Step {
    method: &'static str,
    path: &'static str,
    body: Value,
    status: u16,
    /// Where it is to be seen.
    seen: &'static str,
    /// What is seen there: fields of an object, or a whole array; null for 404.
    as_what: Value,
}

fn step(
    method: &'static str,
    path: &'static str,
    body: Value,
    status: u16,
    seen: &'static str,
    as_what: Value,
) -> Step {
    Step {
        method,
        path,
        body,
        status,
        seen,
        as_what,
    }
}

fn check(home: &Home, step: &Step) {
    let answer = of(home).get(step.seen);
    if step.as_what.is_null() {
        assert_eq!(answer.status, 404, "{} {answer:?}", step.path);
        return;
    }
    assert_eq!(answer.status, 200, "{} {answer:?}", step.path);
    let shown = answer.json();
    match &step.as_what {
        Value::Object(fields) => {
            for (name, value) in fields {
                assert_eq!(&shown[name], value, "{} {name}", step.path);
            }
        }
        all => assert_eq!(&shown, all, "{}", step.path),
    }
}

#[test]
fn every_change_survives_a_kill_right_behind_its_answer() {
    if foreign() {
        return;
    }
    let everything = json!({"configure": "a", "write": "b", "read": "c"});
    let row = json!([{"user": "u", "vhost": "v", "exchange": "x", "write": "w", "read": "r"}]);
    let policy = |length: u64| json!({"pattern": "^q", "definition": {"max-length": length}, "priority": 2, "apply-to": "queues"});
    let steps = [
        step(
            "PUT",
            "/vhosts/v",
            json!({"description": "d", "tags": "t", "default_queue_type": "quorum", "tracing": true}),
            201,
            "/vhosts/v",
            json!({"description": "d", "tags": ["t"], "default_queue_type": "quorum", "tracing": true}),
        ),
        step(
            "PUT",
            "/users/u",
            json!({"password_hash": "aGVsbG8gd29ybGQ=", "tags": "monitoring"}),
            201,
            "/users/u",
            json!({"password_hash": "aGVsbG8gd29ybGQ=", "tags": ["monitoring"]}),
        ),
        step(
            "PUT",
            "/users/u",
            json!({"password_hash": "aGVsbG8gd29ybGQh", "tags": "administrator"}),
            204,
            "/users/u",
            json!({"password_hash": "aGVsbG8gd29ybGQh", "tags": ["administrator"]}),
        ),
        step(
            "PUT",
            "/permissions/v/u",
            everything.clone(),
            201,
            "/permissions/v/u",
            everything,
        ),
        step(
            "PUT",
            "/topic-permissions/v/u",
            json!({"exchange": "x", "write": "w", "read": "r"}),
            201,
            "/topic-permissions/v/u",
            row,
        ),
        step(
            "PUT",
            "/policies/v/p",
            policy(5),
            201,
            "/policies/v/p",
            policy(5),
        ),
        step(
            "PUT",
            "/policies/v/p",
            policy(6),
            204,
            "/policies/v/p",
            policy(6),
        ),
        step(
            "PUT",
            "/operator-policies/v/o",
            policy(4),
            201,
            "/operator-policies/v/o",
            policy(4),
        ),
        step(
            "PUT",
            "/queues/v/q",
            json!({"durable": true}),
            201,
            "/queues/v/q",
            json!({"policy": "p", "operator_policy": "o", "type": "quorum", "effective_policy_definition": {"max-length": 4}}),
        ),
        step(
            "PUT",
            "/vhost-limits/v/max-queues",
            json!({"value": 9}),
            204,
            "/vhost-limits/v",
            json!([{"vhost": "v", "value": {"max-queues": 9}}]),
        ),
        step(
            "PUT",
            "/user-limits/u/max-channels",
            json!({"value": 8}),
            204,
            "/user-limits/u",
            json!([{"user": "u", "value": {"max-channels": 8}}]),
        ),
        step(
            "PUT",
            "/global-parameters/g",
            json!({"value": {"a": [1]}}),
            201,
            "/global-parameters/g",
            json!({"value": {"a": [1]}}),
        ),
        step(
            "DELETE",
            "/policies/v/p",
            json!(null),
            204,
            "/policies/v/p",
            json!(null),
        ),
        step(
            "DELETE",
            "/operator-policies/v/o",
            json!(null),
            204,
            "/queues/v/q",
            json!({"policy": null, "operator_policy": null}),
        ),
        step(
            "DELETE",
            "/topic-permissions/v/u",
            json!(null),
            204,
            "/topic-permissions/v/u",
            json!(null),
        ),
        step(
            "DELETE",
            "/permissions/v/u",
            json!(null),
            204,
            "/permissions/v/u",
            json!(null),
        ),
        step(
            "DELETE",
            "/vhost-limits/v/max-queues",
            json!(null),
            204,
            "/vhost-limits/v",
            json!([]),
        ),
        step(
            "DELETE",
            "/user-limits/u/max-channels",
            json!(null),
            204,
            "/user-limits/u",
            json!([]),
        ),
        step(
            "DELETE",
            "/global-parameters/g",
            json!(null),
            204,
            "/global-parameters/g",
            json!(null),
        ),
        step(
            "DELETE",
            "/users/u",
            json!(null),
            204,
            "/users/u",
            json!(null),
        ),
        step(
            "DELETE",
            "/vhosts/v",
            json!(null),
            204,
            "/vhosts/v",
            json!(null),
        ),
    ];
    let mut home = Home::with(&[]);
    for step in &steps {
        let body = match &step.body {
            Value::Null => String::new(),
            body => body.to_string(),
        };
        let answer = of(&home).send(step.method, step.path, &body);
        home.end(End::Kill);
        assert_eq!(answer.status, step.status, "{} {answer:?}", step.path);
        home.start();
        check(&home, step);
    }
}
