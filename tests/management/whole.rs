//! The broker as a whole: overview, nodes, who am I, vhosts.

use serde_json::json;

use super::client::guest;
use super::support::{broker::shared, unique};

#[test]
fn who_am_i() {
    let expected = r#"{"name":"guest","tags":["administrator"],"is_internal_user":true}"#;
    guest().get("/whoami").is(200, expected);
}

#[test]
fn the_overview_counts() {
    let name = unique("q");
    let before = guest().get("/overview").json();
    guest()
        .put(&format!("/queues/%2F/{name}"), "{}")
        .is(201, "");
    let after = guest().get("/overview").json();
    let count = |overview: &serde_json::Value| overview["object_totals"]["queues"].as_i64();
    assert!(count(&after) > Some(0), "{before} {after}");
    for field in [
        "rabbitmq_version",
        "management_version",
        "cluster_name",
        "node",
        "product_name",
    ] {
        assert!(after[field].is_string(), "{field}");
    }
    let listeners = after["listeners"].as_array().expect("a list");
    let port = shared().address.port();
    assert!(
        listeners
            .iter()
            .any(|one| one["protocol"] == "amqp" && one["port"] == port)
    );
    guest().delete(&format!("/queues/%2F/{name}")).is(204, "");
}

#[test]
fn the_node_is_shown_by_its_name() {
    let nodes = guest().get("/nodes").json();
    let name = nodes[0]["name"].as_str().expect("a name").to_owned();
    let node = guest().get(&format!("/nodes/{name}")).json();
    assert_eq!(node["running"], true);
    assert!(node["mem_used"].as_u64() > Some(1 << 20));
    assert!(node["disk_free"].as_u64() > Some(0));
    assert!(node["fd_used"].as_u64() > Some(2));
    guest()
        .get("/nodes/none@nowhere")
        .is(404, r#"{"error":"Object Not Found","reason":"Not Found"}"#);
    assert_eq!(guest().get("/overview").json()["node"], json!(name));
}

#[test]
fn the_default_vhost_is_there() {
    let vhost = guest().get("/vhosts/%2F").json();
    assert_eq!(vhost["name"], "/");
    assert_eq!(vhost["tracing"], false);
    let all = guest().get("/vhosts").json();
    assert!(
        all.as_array()
            .expect("a list")
            .iter()
            .any(|one| one["name"] == "/")
    );
    assert_eq!(guest().get("/vhosts/none").status, 404);
}
