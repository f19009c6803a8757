//! Definitions: RabbitMQ's own export in and out again, imports that fail, forms, single vhosts.

use std::process::Command;

use serde_json::{Value, json};

use super::client::{Answer, Client, MISSING, bad, guest, of};
use super::support::{Broker, Home, foreign, home, unique};

/// What RabbitMQ 4.0 has exported: 20 vhosts, 100 users, 500 queues; `interop/definitions/make.py` makes it.
fn exported() -> Value {
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/tests/management/fixtures/definitions-4.0.json.gz"
    );
    let output = Command::new("gzip").args(["-dc", path]).output();
    let output = output.expect("gzip, which every system has");
    assert!(output.status.success(), "{output:?}");
    serde_json::from_slice(&output.stdout).expect("JSON")
}

/// What says where a document comes from: all that may differ.
const ORIGIN: [&str; 6] = [
    "rabbit_version",
    "rabbitmq_version",
    "product_name",
    "product_version",
    "original_cluster_name",
    "explanation",
];

/// A document without its origin, its arrays in an order of their own: RabbitMQ's has no meaning.
fn content(mut document: Value) -> Value {
    let fields = document.as_object_mut().expect("an object");
    for name in ORIGIN {
        let had = fields.remove(name);
        assert!(had.is_some(), "{name} is missing");
    }
    for value in fields.values_mut() {
        if let Value::Array(items) = value {
            items.sort_by_cached_key(Value::to_string);
        }
    }
    document
}

/// Asserts that all is the same, and says where it is not.
#[track_caller]
fn same(left: &Value, right: &Value) {
    let (left, right) = (left.as_object().unwrap(), right.as_object().unwrap());
    let names = |document: &serde_json::Map<String, Value>| -> Vec<String> {
        document.keys().cloned().collect()
    };
    assert_eq!(names(left), names(right));
    for (name, value) in left {
        let (Value::Array(items), Value::Array(others)) = (value, &right[name]) else {
            assert_eq!(value, &right[name], "{name}");
            continue;
        };
        for item in items {
            assert!(others.contains(item), "{name}: {item} is lost");
        }
        assert_eq!(items.len(), others.len(), "{name}");
    }
}

fn export(client: &Client) -> Value {
    let answer = client.get("/definitions");
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.json()
}

#[test]
fn what_rabbitmq_exports_is_imported_and_exported_again_without_loss() {
    if foreign() {
        return;
    }
    let wanted = exported();
    let counts = ["vhosts", "users", "queues"].map(|noun| wanted[noun].as_array().map(Vec::len));
    assert_eq!(counts, [Some(20), Some(100), Some(500)]);
    let mut home = Home::with(&[]);
    let answer = of(&home).post("/definitions", &wanted.to_string());
    // What was answered for is on disk, as far as it is durable.
    home.end(home::End::Kill);
    answer.is(204, "");
    home.start();
    let durable = durable(content(wanted.clone()));
    same(&durable, &content(export(&of(&home))));
    // Once more brings back the rest, and changes nothing else.
    let client = of(&home);
    let again = [wanted.to_string(), export(&client).to_string()];
    for text in again {
        client.post("/definitions", &text).is(204, "");
        same(&content(wanted.clone()), &content(export(&client)));
    }
}

/// What of a document a restart leaves.
fn durable(mut document: Value) -> Value {
    let mut gone = Vec::new();
    for (array, kind) in [("queues", "queue"), ("exchanges", "exchange")] {
        let items = document[array].as_array_mut().expect("an array");
        items.retain(|item| {
            let stays = item["durable"] == true;
            if !stays {
                gone.push((kind, item["vhost"].clone(), item["name"].clone()));
            }
            stays
        });
    }
    assert!(!gone.is_empty(), "there is something to lose");
    let bindings = document["bindings"].as_array_mut().expect("an array");
    bindings.retain(|binding| {
        gone.iter().all(|(kind, vhost, name)| {
            let leads = binding["destination_type"] == *kind && binding["destination"] == *name;
            let begins = *kind == "exchange" && binding["source"] == *name;
            binding["vhost"] != *vhost || !(leads || begins)
        })
    });
    document
}

#[test]
fn what_rabbitmq_exports_is_loaded_at_the_start() {
    if foreign() {
        return;
    }
    let wanted = exported();
    let path = home::fresh("definitions").with_extension("json");
    std::fs::write(&path, wanted.to_string()).expect("a file");
    let broker = Broker::with(&[&format!("load_definitions={}", path.display())]);
    std::fs::remove_file(&path).expect("it was there");
    // guest has the password that it had there.
    same(&content(wanted), &content(export(&of(&broker))));
    let queue = of(&broker).get("/queues/x.y-14/p.294.quorum").json();
    assert_eq!(queue["type"], "quorum");
    assert_eq!(queue["arguments"]["x-delivery-limit"], 5);
}

#[test]
fn an_import_with_one_fault_changes_nothing_and_names_it() {
    if foreign() {
        // RabbitMQ keeps what came before the fault.
        return;
    }
    let broker = Broker::with(&[]);
    let client = of(&broker);
    let before = export(&client);
    let faults = [
        (
            "users",
            json!({"name": "bad user", "password_hash": "zz", "tags": ""}),
            "user 'bad user': ",
        ),
        (
            "vhosts",
            json!({"name": "bad vhost", "default_queue_type": "none"}),
            "vhost 'bad vhost': invalid_queue_type",
        ),
        (
            "permissions",
            json!({"user": "nobody", "vhost": "/", "configure": "", "write": "", "read": ""}),
            "permission of user 'nobody' in vhost '/': ",
        ),
        (
            "permissions",
            json!({"user": "guest", "vhost": "/", "configure": "(", "write": "", "read": ""}),
            "permission of user 'guest' in vhost '/': ",
        ),
        (
            "topic_permissions",
            json!({"user": "guest", "vhost": "/", "exchange": "x", "write": "(", "read": ""}),
            "topic permission of user 'guest' in vhost '/': ",
        ),
        (
            "parameters",
            json!({"component": "none", "vhost": "/", "name": "n", "value": 1}),
            "parameter 'n' of component 'none': ",
        ),
        (
            "parameters",
            json!({"component": "operator_policy", "vhost": "/", "name": "n", "value": {"pattern": "x", "definition": {"bogus": 1}}}),
            "parameter 'n' of component 'operator_policy': ",
        ),
        (
            "policies",
            json!({"vhost": "/", "name": "bad", "pattern": "(", "definition": {"max-length": 1}}),
            "policy 'bad' in vhost '/': Validation failed",
        ),
        (
            "queues",
            json!({"vhost": "/", "name": "bad", "durable": true, "arguments": {"x-max-length": -1}}),
            "queue 'bad' in vhost '/': PRECONDITION_FAILED - invalid arg 'x-max-length' for queue 'bad' in vhost '/': {value_negative,-1}",
        ),
        (
            "queues",
            json!({"vhost": "nov", "name": "bad"}),
            "queue 'bad': Please create virtual host \"nov\" prior to importing definitions.",
        ),
        (
            "queues",
            json!({"vhost": "/"}),
            "queue 501 of 'queues': missing field `name`",
        ),
        (
            "exchanges",
            json!({"vhost": "/", "name": "bad", "type": "zzz"}),
            "exchange 'bad' in vhost '/': ",
        ),
        (
            "bindings",
            json!({"vhost": "/", "source": "amq.direct", "destination": "x", "destination_type": "zzz"}),
            "binding 'amq.direct' -> 'x' in vhost '/': ",
        ),
        ("bindings", json!("text"), "binding 1364 of 'bindings': "),
    ];
    let good = exported();
    for (array, fault, named) in faults {
        let mut document = good.clone();
        let items = document[array].as_array_mut().expect("an array");
        items.push(fault);
        let answer = client.post("/definitions", &document.to_string());
        assert_eq!(answer.status, 400, "{answer:?}");
        let body = answer.json();
        assert_eq!(body["error"], "bad_request");
        let reason = body["reason"].as_str().expect("a text");
        assert!(reason.starts_with(named), "{reason}");
        assert_eq!(export(&client), before, "after {named}");
    }
    // Without the fault all of it is taken.
    client.post("/definitions", &good.to_string()).is(204, "");
}

#[test]
fn what_is_no_document_is_refused() {
    let no = bad(json!("failed_to_parse_json"));
    guest().post("/definitions", "[").is(400, &no);
    guest().post("/definitions", "[]").is(400, &no);
    guest().post("/definitions", "{}").is(204, "");
    guest()
        .post("/definitions", "{\"unknown\":[1]}")
        .is(204, "");
    guest()
        .get("/definitions/none")
        .is(400, &bad(json!("vhost_not_found")));
    let none = r#"{"error":"not_found","reason":"vhost_not_found"}"#;
    guest().post("/definitions/none", "{}").is(404, none);
    guest().delete("/definitions").is(405, "");
    if !foreign() {
        let answer = guest().post("/definitions", r#"{"users":5}"#);
        answer.is(400, &bad(json!("'users' is not an array")));
    }
}

/// A form as browsers and curl send it.
fn form(client: &Client, path: &str, fields: &[(&str, &str)]) -> Answer {
    let parts = fields.iter().map(|(name, content)| {
        format!("--XX\r\nContent-Disposition: form-data; name=\"{name}\"; filename=\"a.json\"\r\nContent-Type: application/json\r\n\r\n{content}\r\n")
    });
    let body: String = parts.chain(["--XX--\r\n".to_owned()]).collect();
    let kind = "Content-Type: multipart/form-data; boundary=XX\r\n";
    client.send_with("POST", path, &body, kind)
}

#[test]
fn a_form_brings_definitions_as_a_file() {
    let name = unique("v");
    let document = json!({"vhosts": [{"name": name}], "queues": [{"name": "q", "vhost": name, "durable": true, "auto_delete": false, "arguments": {}}]}).to_string();
    form(&guest(), "/definitions", &[("file", &document)]).is(204, "");
    assert_eq!(guest().get(&format!("/queues/{name}/q")).status, 200);
    // Who imports a new vhost may use it.
    let permission =
        json!([{"user": "guest", "vhost": name, "configure": ".*", "write": ".*", "read": ".*"}]);
    guest()
        .get(&format!("/vhosts/{name}/permissions"))
        .is(200, &permission.to_string());
    let fields = [("file", &*document), ("redirect", "../#/import-succeeded")];
    let answer = form(&guest(), "/definitions", &fields);
    answer.is(303, "");
    assert_eq!(answer.header("location"), Some("../#/import-succeeded"));
    let document = r#"{"queues":[{"name":"r","durable":true,"auto_delete":false,"arguments":{}}]}"#;
    let path = format!("/definitions/{name}");
    form(&guest(), &path, &[("file", document)]).is(204, "");
    assert_eq!(guest().get(&format!("/queues/{name}/r")).status, 200);
    let no = bad(json!("failed_to_parse_json"));
    form(&guest(), "/definitions", &[("other", document)]).is(400, &no);
    form(&guest(), "/definitions", &[("file", "{")]).is(400, &no);
    guest().delete(&format!("/vhosts/{name}")).is(204, "");
}

#[test]
fn a_vhost_goes_from_one_name_to_another() {
    let (one, two) = (unique("v"), unique("v"));
    for name in [&one, &two] {
        guest().put(&format!("/vhosts/{name}"), "").is(201, "");
    }
    let queue = r#"{"durable":true,"arguments":{"x-max-length":7,"x-queue-type":"classic"}}"#;
    guest().put(&format!("/queues/{one}/q"), queue).is(201, "");
    let exchange = r#"{"type":"topic","durable":true}"#;
    guest()
        .put(&format!("/exchanges/{one}/x"), exchange)
        .is(201, "");
    let binding = guest().post(
        &format!("/bindings/{one}/e/x/q/q"),
        r#"{"routing_key":"a.*"}"#,
    );
    assert_eq!(binding.status, 201);
    let policy = r#"{"pattern":"x","definition":{"max-length":1}}"#;
    guest()
        .put(&format!("/policies/{one}/p"), policy)
        .is(201, "");
    guest()
        .put(&format!("/vhost-limits/{one}/max-queues"), r#"{"value":5}"#)
        .is(204, "");
    let answer = guest().get(&format!("/definitions/{one}?download=mine.json"));
    let disposition = answer.header("content-disposition");
    assert_eq!(disposition, Some("attachment; filename=mine.json"));
    let document = answer.json();
    assert_eq!(document["original_vhost_name"], one);
    assert_eq!(
        document["rabbitmq_definition_format"],
        "single_virtual_host"
    );
    assert_eq!(document["limits"], json!({"max-queues": 5}));
    assert_eq!(document.get("users"), None);
    guest()
        .post(&format!("/definitions/{two}"), &document.to_string())
        .is(204, "");
    let copy = guest().get(&format!("/definitions/{two}")).json();
    for array in ["queues", "exchanges", "bindings", "policies", "parameters"] {
        assert_eq!(copy[array], document[array], "{array}");
        assert_eq!(copy[array].as_array().map(Vec::len), Some(1), "{array}");
    }
    for name in [&one, &two] {
        guest().delete(&format!("/vhosts/{name}")).is(204, "");
    }
    guest().get(&format!("/policies/{two}/p")).is(404, MISSING);
}
