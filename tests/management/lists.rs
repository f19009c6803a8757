//! Lists: pages, filters, order, columns.

use serde_json::{Value, json};

use super::client::guest;
use super::support::unique;

fn names(list: &Value) -> Vec<String> {
    let items = list.as_array().expect("a list");
    items
        .iter()
        .map(|one| one["name"].as_str().expect("a name").to_owned())
        .collect()
}

#[test]
fn pages_are_cut_out_of_what_the_name_leaves() {
    let stem = unique("page");
    let all: Vec<String> = (0..5).map(|number| format!("{stem}.{number}")).collect();
    for name in &all {
        guest()
            .put(&format!("/queues/%2F/{name}"), "{}")
            .is(201, "");
    }
    let page = guest()
        .get(&format!(
            "/queues/%2F?page=2&page_size=2&name={}",
            stem.to_uppercase()
        ))
        .json();
    assert_eq!(names(&page["items"]), all[2..4]);
    for (field, value) in [
        ("filtered_count", 5),
        ("item_count", 2),
        ("page", 2),
        ("page_count", 3),
        ("page_size", 2),
    ] {
        assert_eq!(page[field], value, "{field}: {page}");
    }
    let page = guest()
        .get(&format!(
            "/queues?page=1&use_regex=true&name=^{stem}..$&sort=name&sort_reverse=true&columns=name"
        ))
        .json();
    let expected: Vec<Value> = all.iter().rev().map(|name| json!({"name": name})).collect();
    assert_eq!(page["items"], json!(expected));
    let answer = guest().get(&format!("/queues?page=9&page_size=2&name={stem}"));
    answer.is(400, r#"{"error":"page_out_of_range","reason":"Page out of range, page: 9 page size: 2, len: 5"}"#);
    for name in &all {
        guest().delete(&format!("/queues/%2F/{name}")).is(204, "");
    }
}

#[test]
fn nonsense_is_refused_in_rabbitmqs_words() {
    let invalid = |reason: &str| {
        let reason = format!("Invalid pagination parameters: {reason}");
        json!({"error": "invalid_pagination_parameters", "reason": reason}).to_string()
    };
    guest()
        .get("/queues?page=0")
        .is(400, &invalid("page number 0, page size undefined"));
    guest()
        .get("/exchanges?page=1&page_size=501")
        .is(400, &invalid("page number 1, page size 501"));
    let bad = r#"{"error":"bad_request","reason":"Pagination parameters are invalid"}"#;
    guest().get("/queues?page=x").is(400, bad);
    // Without a page its size does not matter.
    assert_eq!(guest().get("/queues?page_size=7").status, 200);
}

#[test]
fn columns_are_picked_and_arguments_shown_whole() {
    let name = unique("q");
    let path = format!("/queues/%2F/{name}");
    guest()
        .put(&path, r#"{"arguments":{"x-expires":600000}}"#)
        .is(201, "");
    let expected =
        json!({"name": name, "arguments": {"x-expires": 600000, "x-queue-type": "classic"}});
    let shown = guest().get(&format!("{path}?columns=name,arguments.x-expires,none"));
    shown.is(200, &expected.to_string());
    guest().delete(&path).is(204, "");
}

#[test]
fn every_vhost_has_its_exchanges() {
    let all = names(&guest().get("/exchanges/%2F").json());
    for name in [
        "",
        "amq.direct",
        "amq.fanout",
        "amq.headers",
        "amq.match",
        "amq.rabbitmq.trace",
        "amq.topic",
    ] {
        assert!(all.iter().any(|known| known == name), "{name}: {all:?}");
    }
    assert!(all.is_sorted());
}
