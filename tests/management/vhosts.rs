//! Virtual hosts, their limits, runtime parameters.

use serde_json::json;

use super::client::{MISSING, bad, guest, of};
use super::support::{Broker, Value, foreign, unique};

const NO_VHOST: &str = r#"{"error":"not_found","reason":"vhost_not_found"}"#;

#[test]
fn a_vhost_is_created_described_and_deleted() {
    let name = unique("v");
    let path = format!("/vhosts/{name}");
    guest().put(&path, "").is(201, "");
    // Whoever makes one may use it.
    let all =
        json!([{"user": "guest", "vhost": name, "configure": ".*", "write": ".*", "read": ".*"}]);
    guest()
        .get(&format!("{path}/permissions"))
        .is(200, &all.to_string());
    let body = r#"{"description":"d","tags":"a,b","default_queue_type":"quorum","tracing":true}"#;
    guest().put(&path, body).is(204, "");
    let shown = guest().get(&path).json();
    assert_eq!(shown["name"], name);
    assert_eq!(shown["tracing"], true);
    let expected = json!({"description": "d", "tags": ["a", "b"], "default_queue_type": "quorum"});
    assert_eq!(shown["metadata"], expected);
    for field in ["description", "tags", "default_queue_type"] {
        assert_eq!(shown[field], expected[field]);
    }
    // What is not said is taken away, but for the type and tracing.
    guest().put(&path, r#"{"tags":["c"]}"#).is(204, "");
    let shown = guest().get(&path).json();
    let expected = json!({"description": "", "tags": ["c"], "default_queue_type": "quorum"});
    assert_eq!(shown["metadata"], expected);
    assert_eq!(shown["tracing"], true);
    guest().put(&path, r#"{"tracing":false}"#).is(204, "");
    assert_eq!(guest().get(&path).json()["tracing"], false);
    guest()
        .put(&path, r#"{"tracing":"yes"}"#)
        .is(400, &bad(json!(["not_boolean", "yes"])));
    guest().put(&path, "[").is(400, &bad(json!("not_json")));
    guest().put(&format!("/queues/{name}/q"), "{}").is(201, "");
    guest().delete(&path).is(204, "");
    guest().delete(&path).is(404, MISSING);
    guest().get(&path).is(404, MISSING);
    guest().get(&format!("/queues/{name}/q")).is(404, MISSING);
}

#[test]
fn a_wrong_default_queue_type_makes_no_vhost() {
    if foreign() {
        return;
    }
    let path = format!("/vhosts/{}", unique("v"));
    guest()
        .put(&path, r#"{"default_queue_type":"bogus"}"#)
        .is(400, &bad(json!("invalid_queue_type")));
    guest()
        .put(&path, r#"{"description":5}"#)
        .is(400, &bad(json!("description is not a string")));
    guest().get(&path).is(404, MISSING);
}

#[test]
fn a_vhost_is_started_where_it_is() {
    let node = guest().get("/overview").json()["node"].clone();
    let node = node.as_str().expect("a name");
    guest()
        .post(&format!("/vhosts/%2F/start/{node}"), "")
        .is(204, "");
    guest().post("/vhosts/%2F/start/nonode", "").is(
        400,
        &bad(json!("Request to node nonode failed with nodedown")),
    );
    guest().post(&format!("/vhosts/none/start/{node}"), "").is(
        400,
        &bad(json!(format!(
            "Request to node {node} failed with {{no_such_vhost,<<\"none\">>}}"
        ))),
    );
}

#[test]
fn vhost_limits_are_set_obeyed_and_cleared() {
    let name = unique("v");
    guest().put(&format!("/vhosts/{name}"), "").is(201, "");
    let path = format!("/vhost-limits/{name}");
    let limit = |limit: &str, body: &str| guest().put(&format!("{path}/{limit}"), body);
    guest().get(&path).is(200, "[]");
    limit("max-connections", r#"{"value":6}"#).is(204, "");
    limit("max-queues", r#"{"value":1}"#).is(204, "");
    let both = json!([{"vhost": name, "value": {"max-connections": 6, "max-queues": 1}}]);
    guest().get(&path).is(200, &both.to_string());
    let all = guest().get("/vhost-limits").json();
    assert!(all.as_array().expect("a list").contains(&both[0]));
    let parameter = json!({"component": "vhost-limits", "vhost": name, "name": "limits", "value": both[0]["value"]});
    guest()
        .get(&format!("/parameters/vhost-limits/{name}/limits"))
        .is(200, &parameter.to_string());
    let queue = |queue: &str| guest().put(&format!("/queues/{name}/{queue}"), "{}");
    queue("a").is(201, "");
    assert_eq!(queue("b").status, 400);
    limit("max-queues", r#"{"value":"a"}"#).is(
        400,
        &bad(json!(
            "Validation failed\n\nmax-queues should be a number, actually was <<\"a\">>\n"
        )),
    );
    limit("zzz", r#"{"value":1}"#).is(
        400,
        &bad(json!(
            "Validation failed\n\nUnrecognised terms [{<<\"zzz\">>,1}] in limits\n"
        )),
    );
    limit("max-queues", "{}").is(400, &bad(json!("[{key_missing,value}]")));
    guest().delete(&format!("{path}/max-queues")).is(204, "");
    guest().delete(&format!("{path}/max-queues")).is(204, "");
    queue("b").is(201, "");
    guest()
        .put("/vhost-limits/none/max-queues", r#"{"value":1}"#)
        .is(404, NO_VHOST);
    guest()
        .delete("/vhost-limits/none/max-queues")
        .is(404, NO_VHOST);
    guest().get("/vhost-limits/none").is(404, MISSING);
    guest().delete(&format!("/vhosts/{name}")).is(204, "");
}

#[test]
fn parameters_are_of_known_components() {
    let name = unique("v");
    guest().put(&format!("/vhosts/{name}"), "").is(201, "");
    let path = format!("/parameters/vhost-limits/{name}/limits");
    let body = r#"{"component":"x","vhost":"y","name":"z","value":{"max-queues":5}}"#;
    guest().put(&path, body).is(201, "");
    guest().put(&path, body).is(204, "");
    let shown = json!({"component": "vhost-limits", "vhost": name, "name": "limits", "value": {"max-queues": 5}});
    guest().get(&path).is(200, &shown.to_string());
    for list in ["/parameters", "/parameters/vhost-limits"] {
        let all = guest().get(list).json();
        assert!(all.as_array().expect("a list").contains(&shown), "{list}");
    }
    let one = json!([shown]).to_string();
    guest()
        .get(&format!("/parameters/vhost-limits/{name}"))
        .is(200, &one);
    guest().get("/parameters/nocomp").is(200, "[]");
    guest().get("/parameters/nocomp/none").is(404, MISSING);
    let refused = |path: &str, body: &str, reason: &str| {
        let path = format!("/parameters/{}", path.replace("VHOST", &name));
        guest().put(&path, body).is(400, &bad(json!(reason)));
    };
    refused(
        "nocomp/VHOST/x",
        r#"{"value":5}"#,
        "Validation failed\n\ncomponent nocomp not found\n",
    );
    refused("nocomp/VHOST/x", "{}", "[{key_missing,value}]");
    refused(
        "policy/VHOST/x",
        r#"{"value":{}}"#,
        "policies may not be set using this method",
    );
    refused(
        "vhost-limits/VHOST/limits",
        r#"{"value":{"max-connections":"a"}}"#,
        "Validation failed\n\nmax-connections should be a number, actually was &lt;&lt;\"a\"&gt;&gt;\n",
    );
    refused(
        "vhost-limits/VHOST/limits",
        r#"{"value":5}"#,
        "Validation failed\n\nlimits not a list 5\n",
    );
    guest()
        .put("/parameters/nocomp/none/x", r#"{"value":5}"#)
        .is(404, NO_VHOST);
    guest().delete(&path).is(204, "");
    guest().delete(&path).is(404, MISSING);
    guest().get(&path).is(404, MISSING);
    guest().delete("/parameters/nocomp/none/x").is(404, MISSING);
    // Operator policies are parameters, too.
    let policy = json!({"pattern": "^none$", "definition": {"max-length": 5}, "priority": 0, "apply-to": "all"});
    let put = guest().put(&format!("/operator-policies/{name}/o"), &policy.to_string());
    put.is(201, "");
    let path = format!("/parameters/operator_policy/{name}/o");
    let shown =
        json!({"component": "operator_policy", "vhost": name, "name": "o", "value": policy});
    guest().get(&path).is(200, &shown.to_string());
    let value = json!({"value": policy}).to_string();
    guest().put(&path, &value).is(204, "");
    guest().delete(&path).is(204, "");
    guest()
        .get(&format!("/operator-policies/{name}/o"))
        .is(404, MISSING);
    guest().delete(&format!("/vhosts/{name}")).is(204, "");
}

#[test]
fn global_parameters_hold_anything() {
    let path = format!("/global-parameters/{}", unique("g"));
    let value = json!({"a": [1, 2.5, null, "x"], "b": {"c": true}});
    let body = json!({"value": value, "name": "other"});
    guest().put(&path, &body.to_string()).is(201, "");
    guest().put(&path, &body.to_string()).is(204, "");
    assert_eq!(guest().get(&path).json()["value"], value);
    guest()
        .put(&path, "{}")
        .is(400, &bad(json!("[{key_missing,value}]")));
    guest().delete(&path).is(204, "");
    guest().delete(&path).is(404, MISSING);
    guest().get(&path).is(404, MISSING);
}

#[test]
fn the_cluster_can_be_named() {
    if foreign() {
        return;
    }
    let broker = Broker::with(&["cluster_name=first"]);
    let client = of(&broker);
    client.get("/cluster-name").is(200, r#"{"name":"first"}"#);
    client
        .put("/cluster-name", r#"{"name":"second"}"#)
        .is(204, "");
    client
        .put("/cluster-name", "{}")
        .is(400, &bad(json!("[{key_missing,name}]")));
    client.get("/cluster-name").is(200, r#"{"name":"second"}"#);
    assert_eq!(client.get("/overview").json()["cluster_name"], "second");
    let shown = r#"{"name":"cluster_name","value":"second"}"#;
    client.get("/global-parameters/cluster_name").is(200, shown);
    let document = client.get("/definitions").json();
    assert_eq!(document["original_cluster_name"], "second");
    // Clients that come from now on hear it, too.
    let start = broker.connect().start();
    let name = start.table(2).get("cluster_name").cloned();
    assert_eq!(name, Some(Value::from("second")));
}

#[test]
fn there_are_no_more_vhosts_than_allowed() {
    if foreign() {
        return;
    }
    let broker = Broker::with(&["vhost_max=2"]);
    let client = of(&broker);
    client.put("/vhosts/one", "").is(201, "");
    let full = bad(json!(
        "cannot create vhost 'two': vhost limit of 2 is reached"
    ));
    client.put("/vhosts/two", "").is(400, &full);
    // One that is there may be changed, in definitions, too.
    client.put("/vhosts/one", r#"{"tags":"a"}"#).is(204, "");
    let document = |name: &str| json!({"vhosts": [{"name": "one"}, {"name": name}]}).to_string();
    client.post("/definitions", &document("/")).is(204, "");
    let refused = client.post("/definitions", &document("two"));
    assert_eq!(refused.status, 400, "{refused:?}");
    client.delete("/vhosts/one").is(204, "");
    client.put("/vhosts/two", "").is(201, "");
}

#[test]
fn an_import_keeps_to_the_queues_that_a_vhost_may_have() {
    let name = unique("v");
    let path = format!("/vhosts/{name}");
    guest().put(&path, "").is(201, "");
    let queue =
        |name: &str| json!({"name": name, "durable": true, "auto_delete": false, "arguments": {}});
    let import = |queues: &[&str]| {
        let queues: Vec<_> = queues.iter().map(|name| queue(name)).collect();
        let document = json!({"queues": queues}).to_string();
        guest().post(&format!("/definitions/{name}"), &document)
    };
    import(&["a"]).is(204, "");
    let limit = format!("/vhost-limits/{name}/max-queues");
    guest().put(&limit, r#"{"value":2}"#).is(204, "");
    let full = format!(
        "Adding 2 queue(s) to virtual host \"{name}\" would exceed the limit of 2 queue(s).\n\nThis virtual host currently has 1 queue(s) defined.\n\nImport aborted!"
    );
    import(&["a", "b", "c"]).is(400, &bad(json!(full)));
    let count = || {
        let queues = guest().get(&format!("/queues/{name}")).json();
        queues.as_array().map(Vec::len)
    };
    assert_eq!(count(), Some(1));
    import(&["a", "b"]).is(204, "");
    import(&["a", "b"]).is(204, "");
    assert_eq!(count(), Some(2));
    guest().delete(&path).is(204, "");
}

#[test]
fn a_protected_vhost_is_not_deleted() {
    if foreign() {
        // It is of RabbitMQ 4.1.
        return;
    }
    let name = unique("v");
    let path = format!("/vhosts/{name}");
    let switch = format!("{path}/deletion/protection");
    guest().post(&switch, "").is(404, MISSING);
    guest().put(&path, "").is(201, "");
    guest().post(&switch, "").is(204, "");
    let shown = guest().get(&path).json();
    assert_eq!(shown["metadata"]["protected_from_deletion"], true);
    let refused = json!({"error": "precondition_failed", "reason": format!("Refusing to delete virtual host '{name}' because it is protected from deletion")});
    guest().delete(&path).is(412, &refused.to_string());
    // It stays so when the vhost is described again.
    guest().put(&path, r#"{"description":"d"}"#).is(204, "");
    guest().delete(&path).is(412, &refused.to_string());
    guest().delete(&switch).is(204, "");
    guest().delete(&path).is(204, "");
    guest()
        .put(&path, r#"{"protected_from_deletion":true}"#)
        .is(201, "");
    guest().delete(&path).is(412, &refused.to_string());
    guest().delete(&switch).is(204, "");
    guest().delete(&path).is(204, "");
}
