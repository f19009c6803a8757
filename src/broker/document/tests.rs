//! Documents in and out of a broker without sockets.

use std::sync::Arc;

use serde_json::{Value, json};

use super::Document;
use crate::auth::Users;
use crate::broker::{Broker, Settings};

fn broker() -> Arc<Broker> {
    Broker::new(Settings::default(), Arc::new(Users::new()))
}

fn exported(broker: &Broker) -> Value {
    serde_json::to_value(Document::of_broker(broker, "rabbit@here")).unwrap()
}

/// What RabbitMQ 4 exports, with one of everything.
fn everything() -> Value {
    json!({
        "users": [{"name": "bob", "password_hash": "Qlnf7J+QIVvmdbhhRtxbwXjcTXthJ3dtTHK5juEWEx94/WYe",
            "hashing_algorithm": "rabbit_password_hashing_sha256", "tags": ["monitoring", "impersonator"],
            "limits": {"max-channels": 5}}],
        "vhosts": [{"name": "v1", "description": "d", "metadata": {"description": "d", "tags": ["a"],
            "default_queue_type": "classic"}, "tags": ["a"], "default_queue_type": "classic"}],
        "permissions": [{"user": "bob", "vhost": "v1", "configure": ".*", "write": "^w", "read": ""}],
        "topic_permissions": [{"user": "bob", "vhost": "v1", "exchange": "amq.topic", "write": "^a", "read": "^b"}],
        "parameters": [
            {"value": {"max-connections": 10}, "vhost": "v1", "component": "vhost-limits", "name": "limits"},
            {"value": {"pattern": "^q", "definition": {"expires": 100000, "max-length": 3}, "priority": 0,
                "apply-to": "queues"}, "vhost": "v1", "component": "operator_policy", "name": "op1"}],
        "global_parameters": [{"name": "internal_cluster_id", "value": "rabbitmq-cluster-id-x"}],
        "policies": [{"vhost": "v1", "name": "p1", "pattern": "^q", "apply-to": "queues",
            "definition": {"max-length": 5, "message-ttl": 1000}, "priority": 1}],
        "queues": [{"name": "q1", "vhost": "v1", "durable": true, "auto_delete": false,
            "arguments": {"x-message-ttl": 1000, "x-queue-type": "classic", "x-sync": "os"}}],
        "exchanges": [{"name": "x1", "vhost": "v1", "type": "topic", "durable": false, "auto_delete": false,
            "internal": false, "arguments": {"alternate-exchange": "ae"}}],
        "bindings": [{"source": "x1", "vhost": "v1", "destination": "q1", "destination_type": "queue",
            "routing_key": "k", "arguments": {"a": 1, "b": "x"}}],
    })
}

#[test]
fn what_is_imported_is_exported_again() {
    let broker = broker();
    let document = everything();
    broker.import(&document, None).unwrap();
    let out = exported(&broker);
    for (array, objects) in document.as_object().unwrap() {
        assert_eq!(&out[array], objects, "{array}");
    }
    assert_eq!(out["rabbitmq_definition_format"], "cluster");
    let keys: Vec<&str> = ["rabbit_version", "users", "bindings"].to_vec();
    let text = serde_json::to_string(&Document::of_broker(&broker, "c")).unwrap();
    let at = |key: &str| text.find(&format!("\"{key}\":")).unwrap();
    assert!(keys.windows(2).all(|two| at(two[0]) < at(two[1])));
    // Twice is as good as once.
    broker.import(&document, None).unwrap();
    assert_eq!(exported(&broker), out);
    let queue = broker.vhost("v1").unwrap().queue("q1").unwrap();
    assert_eq!(queue.lock().rules().limits.messages, Some(3));
}

#[test]
fn one_vhost_goes_into_another() {
    let one = broker();
    one.import(&everything(), None).unwrap();
    let document = Document::of_vhost(&one.vhost("v1").unwrap());
    let document = serde_json::to_value(document).unwrap();
    assert_eq!(document["original_vhost_name"], "v1");
    assert!(document.get("users").is_none() && document.get("vhosts").is_none());
    assert!(document["queues"][0].get("vhost").is_none());
    let two = broker();
    assert_eq!(
        two.import(&document, Some("w")).unwrap_err().to_string(),
        "Please create virtual host \"w\" prior to importing definitions."
    );
    two.add_vhost("w");
    two.import(&document, Some("w")).unwrap();
    let out = serde_json::to_value(Document::of_vhost(&two.vhost("w").unwrap())).unwrap();
    for array in ["parameters", "policies", "queues", "exchanges", "bindings"] {
        assert_eq!(out[array], document[array], "{array}");
    }
}

#[test]
fn a_fault_changes_nothing_and_is_named() {
    let with = |array: &str, object: Value| {
        let mut document = everything();
        document[array].as_array_mut().unwrap().push(object);
        document
    };
    for (document, object, reason) in [
        (
            with(
                "queues",
                json!({"name": "s", "vhost": "v1", "durable": false, "arguments": {"x-queue-type": "stream"}}),
            ),
            "queue 's' in vhost 'v1'",
            "invalid property 'non-durable'",
        ),
        (
            with(
                "queues",
                json!({"name": "q", "vhost": "v1", "arguments": {"x-message-ttl": -1}}),
            ),
            "queue 'q' in vhost 'v1'",
            "invalid arg 'x-message-ttl'",
        ),
        (
            with("queues", json!({"name": "q", "vhost": "nov"})),
            "queue 'q'",
            "Please create virtual host \"nov\" prior to importing definitions.",
        ),
        (
            with("queues", json!({"vhost": "v1"})),
            "queue 2 of 'queues'",
            "missing field `name`",
        ),
        (
            with(
                "exchanges",
                json!({"name": "x", "vhost": "v1", "type": "bogus"}),
            ),
            "exchange 'x' in vhost 'v1'",
            "unknown exchange type 'bogus'",
        ),
        (
            with(
                "users",
                json!({"name": "u", "password_hash": "zz!", "tags": ""}),
            ),
            "user 'u'",
            "not_base64",
        ),
        (
            with(
                "permissions",
                json!({"user": "nobody", "vhost": "v1", "configure": "", "write": "", "read": ""}),
            ),
            "permission of user 'nobody' in vhost 'v1'",
            "there is no user 'nobody'",
        ),
        (
            with(
                "policies",
                json!({"name": "p", "vhost": "v1", "pattern": "(", "definition": {"max-length": 1}}),
            ),
            "policy 'p' in vhost 'v1'",
            "pattern should be regular expression",
        ),
        (
            with(
                "parameters",
                json!({"component": "shovel", "vhost": "v1", "name": "s", "value": {}}),
            ),
            "parameter 's' of component 'shovel'",
            "component shovel not found",
        ),
        (
            with(
                "bindings",
                json!({"source": "amq.headers", "vhost": "v1", "destination": "q1", "destination_type": "what"}),
            ),
            "binding 'amq.headers' -> 'q1' in vhost 'v1'",
            "unknown destination_type 'what'",
        ),
    ] {
        let broker = broker();
        let error = broker.import(&document, None).unwrap_err();
        assert_eq!(error.object, object);
        assert!(error.reason.contains(reason), "{error}");
        assert!(broker.all_vhosts().is_empty() && broker.users.all().is_empty());
    }
    assert!(Document::parse(b"[1]").is_err() && Document::parse(b"{").is_err());
}

#[test]
fn old_files_and_unknown_keys_are_taken() {
    let broker = broker();
    let document = json!({
        "bogus": 1,
        "vhosts": [{"name": "/", "zzz": true}],
        "users": [{"name": "u", "password_hash": "AAAA", "tags": "administrator,x", "limits": []}],
        "queues": [{"name": "q", "vhost": "/", "durable": true, "auto_delete": false, "arguments": []}],
        "bindings": [{"source": "gone", "vhost": "/", "destination": "q", "destination_type": "queue",
            "routing_key": "", "arguments": {}}],
    });
    broker.import(&document, None).unwrap();
    let out = exported(&broker);
    assert_eq!(out["users"][0]["tags"], json!(["administrator", "x"]));
    assert_eq!(
        out["queues"][0]["arguments"],
        json!({"x-queue-type": "classic"})
    );
    assert_eq!(out["bindings"], json!([]));
}
