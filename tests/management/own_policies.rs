//! Policies with Leveret's own keys, on what they are for: duplicates and redeclares, of queues and exchanges that are there and
//! of new ones.

use serde_json::{Value, json};

use super::client::{Client, guest, of};
use super::support::{
    End, Home, Peer, Properties, Table, basic, exchange, now_ms, queue, shared, unique,
};

fn set(client: &Client, name: &str, pattern: &str, definition: Value) {
    let body = json!({"pattern": format!("^{pattern}$"), "definition": definition});
    let answer = client.put(&format!("/policies/%2F/{name}"), &body.to_string());
    assert!([201, 204].contains(&answer.status), "{answer:?}");
}

fn clear(client: &Client, name: &str) {
    client.delete(&format!("/policies/%2F/{name}")).is(204, "");
}

fn with_id(id: &str) -> Properties {
    Properties {
        message_id: Some(id.to_owned()),
        ..Properties::persistent()
    }
}

fn declared(peer: &mut Peer, name: &str, arguments: Table) {
    let declare = exchange::declare(name, "fanout", "durable", arguments);
    peer.ask(1, &declare, &exchange::declare_ok());
}

fn texts(peer: &mut Peer, queue: &str) -> Vec<String> {
    let all = std::iter::from_fn(|| peer.take(1, queue));
    all.map(|one| one.text().to_owned()).collect()
}

#[test]
fn a_window_comes_to_a_queue_and_an_exchange_and_goes() {
    let (name, mut peer) = (unique("once"), shared().channel());
    declared(&mut peer, &name, table! {});
    let declare = queue::declare(&name, "durable", table! {});
    peer.ask(1, &declare, &queue::declare_ok(&name, 0, 0));
    let behind = peer.queue(1);
    peer.bind(1, &behind, &name, "");
    let both = |peer: &mut Peer, id: &str, text: &str| {
        peer.publish_with(1, &name, "", "", &with_id(id), text);
        peer.publish_with(1, "", &name, "", &with_id(id), text);
        [texts(peer, &behind), texts(peer, &name)]
    };
    let none: [Vec<String>; 2] = Default::default();
    let twice = |text: &str| [vec![text.to_owned()], vec![text.to_owned()]];
    assert_eq!(both(&mut peer, "a", "before"), twice("before"));
    set(&guest(), &name, &name, json!({"dedup-window": 600_000}));
    assert_eq!(both(&mut peer, "a", "first"), twice("first"));
    assert_eq!(both(&mut peer, "a", "second"), none);
    // Another size: what is known stays.
    set(&guest(), &name, &name, json!({"dedup-size": 1}));
    assert_eq!(both(&mut peer, "a", "third"), none);
    assert_eq!(both(&mut peer, "b", "b"), twice("b"));
    assert_eq!(both(&mut peer, "a", "fourth"), twice("fourth"));
    clear(&guest(), &name);
    assert_eq!(both(&mut peer, "a", "fifth"), twice("fifth"));
    // And what was known is not when it comes back.
    set(&guest(), &name, &name, json!({"dedup-header": "h"}));
    assert_eq!(both(&mut peer, "a", "sixth"), twice("sixth"));
    clear(&guest(), &name);
    peer.ask(1, &exchange::delete(&name, ""), &exchange::delete_ok());
    peer.ask(1, &queue::delete(&name, ""), &queue::delete_ok(0));
}

#[test]
fn an_exchange_has_its_policys_window_after_a_restart() {
    let mut home = Home::with(&[]);
    let own = "amq.fanout";
    let mut peer = home.channel();
    declared(&mut peer, "x", table! {});
    let client = of(&home);
    set(
        &client,
        "p",
        "(x|amq.fanout)",
        json!({"dedup-window": 600_000}),
    );
    let declare = queue::declare("q", "durable", table! {});
    peer.ask(1, &declare, &queue::declare_ok("q", 0, 0));
    for name in ["x", own] {
        peer.bind(1, "q", name, "");
    }
    peer.confirm(1);
    for name in ["x", own] {
        peer.publish_with(1, name, "", "", &with_id("a"), name);
    }
    peer.acked(1, 2);
    for round in 0..2 {
        home.restart(End::Kill);
        let mut peer = home.channel();
        peer.confirm(1);
        for name in ["x", own] {
            peer.publish_with(1, name, "", "", &with_id("a"), "again");
        }
        peer.acked(1, 2);
        peer.has(1, "q", 2, 0);
        // A checkpoint is behind the second.
        if round == 0 {
            home.restart(End::Stop);
        }
    }
    let mut peer = home.channel();
    assert_eq!(texts(&mut peer, "q"), ["x", own]);
    clear(&of(&home), "p");
    peer.publish_with(1, "x", "", "", &with_id("a"), "again");
    assert_eq!(texts(&mut peer, "q"), ["again"]);
}

#[test]
fn a_policy_lets_redeclares_pass() {
    let (name, mut peer) = (unique("relaxed"), shared().channel());
    declared(&mut peer, &name, table! {});
    let declare = queue::declare(&name, "durable", table! {});
    peer.ask(1, &declare, &queue::declare_ok(&name, 0, 0));
    set(&guest(), &name, &name, json!({"relaxed-redeclare": true}));
    let other = table! { "alternate-exchange" => "other" };
    declared(&mut peer, &name, other.clone());
    let longer = queue::declare(&name, "durable", table! { "x-max-length" => 5i32 });
    peer.ask(1, &longer, &queue::declare_ok(&name, 0, 0));
    clear(&guest(), &name);
    let declare = exchange::declare(&name, "fanout", "durable", other);
    let text = format!(
        "PRECONDITION_FAILED - inequivalent arg 'alternate-exchange' for exchange '{name}' in vhost '/': received the value 'other' of type 'longstr' but current is none"
    );
    peer.refused(1, &declare, 406, &text);
    let text = format!(
        "PRECONDITION_FAILED - inequivalent arg 'x-max-length' for queue '{name}' in vhost '/': received the value '5' of type 'signedint' but current is none"
    );
    peer.refused(1, &longer, 406, &text);
    // An exchange may say so itself.
    let own = unique("relaxed");
    declared(&mut peer, &own, table! { "x-relaxed-redeclare" => true });
    declared(&mut peer, &own, table! { "alternate-exchange" => "other" });
    for name in [&name, &own] {
        peer.ask(1, &exchange::delete(name, ""), &exchange::delete_ok());
    }
    peer.ask(1, &queue::delete(&name, ""), &queue::delete_ok(0));
}

#[test]
fn a_window_that_no_queue_could_have_is_refused() {
    let name = unique("p");
    for (definition, why) in [
        (json!({"dedup-window": 0}), "value_zero"),
        (json!({"dedup-size": "many"}), "expected integer"),
        (json!({"dedup-header": ""}), "expected the name of a header"),
    ] {
        let body = json!({"pattern": ".*", "definition": definition}).to_string();
        let answer = guest().put(&format!("/policies/%2F/{name}"), &body);
        assert_eq!(answer.status, 400);
        assert!(answer.body.contains(why), "{}", answer.body);
    }
}

#[test]
fn an_exchange_says_how_many_messages_it_holds() {
    let (name, mut peer) = (unique("x"), shared().channel());
    let arguments = table! { "x-delayed-type" => "direct" };
    let declare = exchange::declare(&name, "x-delayed-message", "durable", arguments);
    peer.ask(1, &declare, &exchange::declare_ok());
    peer.confirm(1);
    let held = Properties {
        headers: Some(table! { "x-delay" => 3_600_000i32 }),
        ..Properties::persistent()
    };
    let queues = guest().get("/overview").json()["object_totals"]["queues"].clone();
    for _ in 0..3 {
        peer.publish_with(1, &name, "", "", &held, "x");
    }
    peer.acked(1, 3);
    let shown = guest().get(&format!("/exchanges/%2F/{name}")).json();
    assert_eq!(shown["messages_delayed"], 3);
    assert!(queues.is_number());
    let all = guest().get("/queues/%2F").json().to_string();
    assert!(!all.contains(&name), "its queue is in no list");
    let peeked = |query: &str| {
        let path = format!("/leveret/exchanges/%2F/{name}/peek?{query}");
        let answer = guest().get(&path);
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.json()
    };
    let all = peeked("");
    let hour = 3_600_000;
    for one in all["messages"].as_array().expect("a list") {
        let due = one["due_at"].as_u64().expect("a time");
        assert!(due.abs_diff(now_ms() + hour) < 60_000, "{one}");
        assert_eq!(
            (&one["payload"], &one["exchange"]),
            (&json!("x"), &json!(name))
        );
        assert_eq!(one["properties"]["headers"]["x-delay"], hour);
    }
    let first = peeked("count=2");
    let rest = peeked(&format!("count=5&from={}", first["next"]));
    let count = |one: &Value| one["messages"].as_array().map(Vec::len);
    assert_eq!(
        [&all, &first, &rest].map(count),
        [Some(3), Some(2), Some(1)]
    );
    let other = guest().get("/leveret/exchanges/%2F/amq.topic/peek");
    assert_eq!(other.status, 400, "{other:?}");
    let none = guest().get("/leveret/exchanges/%2F/none-of-it/peek");
    assert_eq!(none.status, 404, "{none:?}");
    let unchanged = guest().get(&format!("/exchanges/%2F/{name}")).json();
    assert_eq!(unchanged["messages_delayed"], 3);
    let all = guest().get("/definitions").json()["queues"].to_string();
    assert!(!all.contains(&name), "and in no definitions");
    peer.ask(1, &exchange::delete(&name, ""), &exchange::delete_ok());
}

fn keyed(peer: &mut Peer, queue: &str, messages: &[&str]) {
    for message in messages {
        let key = message.split(' ').next().expect("a key");
        let properties = Properties {
            headers: Some(table! { "customer" => key }),
            ..Properties::persistent()
        };
        peer.publish_with(1, "", queue, "", &properties, message);
    }
}

#[test]
fn keys_come_to_a_queue_with_messages_and_go() {
    let (name, mut peer) = (unique("keyed"), shared().channel());
    let declare = queue::declare(&name, "durable", table! {});
    peer.ask(1, &declare, &queue::declare_ok(&name, 0, 0));
    keyed(
        &mut peer,
        &name,
        &["a 1", "a 2", "b 1", "a 3", "b 2", "c 1"],
    );
    let first = peer.get(1, &name).expect("a message");
    assert_eq!(first.text(), "a 1");
    set(&guest(), &name, &name, json!({"group-header": "customer"}));
    keyed(&mut peer, &name, &["b 3"]);
    // The key of the one that is out is busy, though it left before there were keys.
    let second = peer.get(1, &name).expect("a message");
    let third = peer.get(1, &name).expect("a message");
    assert_eq!((second.text(), third.text()), ("b 1", "c 1"));
    assert_eq!(peer.get(1, &name), None);
    peer.send(1, &basic::ack(first.tag, ""));
    assert_eq!(peer.get(1, &name).expect("a message").text(), "a 2");
    assert_eq!(peer.get(1, &name), None);
    // Given back, it is still the first of its key.
    peer.send(1, &basic::nack(second.tag, "requeue"));
    let again = peer.get(1, &name).expect("a message");
    assert_eq!((again.text(), peer.get(1, &name)), ("b 1", None));
    clear(&guest(), &name);
    let rest = texts(&mut peer, &name);
    assert_eq!(rest, ["a 3", "b 2", "b 3"]);
}

#[test]
fn keys_of_a_policy_hold_across_a_kill() {
    let mut home = Home::with(&[]);
    let mut peer = home.channel();
    let api = of(&home);
    let declare = queue::declare("keyed", "durable", table! {});
    peer.ask(1, &declare, &queue::declare_ok("keyed", 0, 0));
    set(&api, "keys", "keyed", json!({"group-header": "customer"}));
    peer.confirm(1);
    keyed(&mut peer, "keyed", &["a 1", "a 2", "b 1"]);
    peer.acked(1, 3);
    home.restart(End::Kill);
    let mut peer = home.channel();
    peer.wait_ready(1, "keyed", 3);
    let first = peer.get(1, "keyed").expect("a message");
    let second = peer.get(1, "keyed").expect("a message");
    assert_eq!((first.text(), second.text()), ("a 1", "b 1"));
    assert_eq!(peer.get(1, "keyed"), None);
}

#[test]
fn a_key_that_is_none_is_refused() {
    let name = unique("keyed");
    for value in [json!(5), json!(false), json!("x".repeat(256)), json!(["a"])] {
        let body = json!({"pattern": "^none$", "definition": {"group-header": value}});
        let answer = guest().put(&format!("/policies/%2F/{name}"), &body.to_string());
        assert_eq!(answer.status, 400, "{answer:?}");
    }
}
