//! The firehose of a vhost, and the broker's events.

use serde_json::json;

use super::client::guest;
use super::support::{
    Login, Peer, Properties, Table, Value, basic, exchange, queue, shared, table::strings, tx,
    unique,
};

fn text(headers: &Table, name: &str) -> String {
    match headers.get(name) {
        Some(Value::Str(text)) => text.clone(),
        other => panic!("{name}: {other:?}"),
    }
}

/// A vhost of its own whose firehose is on, a queue that drinks from it, and a channel there.
fn traced() -> (String, Peer, String) {
    let vhost = unique("vhost");
    let path = format!("/vhosts/{vhost}");
    // Whoever makes it may do everything in it.
    guest().put(&path, "{}").is(201, "");
    let mut peer = shared().peer_with(&Login {
        vhost: vhost.clone(),
        ..shared().login()
    });
    peer.open(1);
    let fire = peer.queue(1);
    peer.bind(1, &fire, "amq.rabbitmq.trace", "#");
    guest().put(&path, r#"{"tracing":true}"#).is(204, "");
    (vhost, peer, fire)
}

fn end(vhost: &str) {
    guest().delete(&format!("/vhosts/{vhost}")).is(204, "");
}

#[test]
fn every_publish_and_every_delivery_is_copied() {
    let (vhost, mut peer, fire) = traced();
    let path = format!("/vhosts/{vhost}");
    assert_eq!(guest().get(&path).json()["tracing"], true);
    let name = peer.queue(1);
    let given = Properties {
        message_id: Some("i".to_owned()),
        headers: Some(table! { "mine" => 1i32 }),
        ..Properties::persistent()
    };
    peer.publish_with(1, "", &name, "", &given, "body");
    let copy = peer.take_soon(1, &fire);
    assert_eq!(
        (copy.text(), copy.routing_key.as_str()),
        ("body", "publish.")
    );
    assert_eq!(copy.exchange, "amq.rabbitmq.trace");
    let headers = copy.headers();
    assert_eq!(text(&headers, "exchange_name"), "");
    assert_eq!(text(&headers, "vhost"), vhost);
    assert_eq!(text(&headers, "user"), shared().user);
    assert_eq!(headers.get("routing_keys"), Some(&strings(&[&name])));
    assert_eq!(headers.get("routed_queues"), Some(&strings(&[&name])));
    assert_eq!(headers.get("channel"), Some(&Value::I32(1)));
    let Some(Value::Table(properties)) = headers.get("properties") else {
        panic!("{headers:?}");
    };
    assert_eq!(text(properties, "message_id"), "i");
    assert_eq!(properties.get("delivery_mode"), Some(&Value::I32(2)));
    assert_eq!(
        properties.get("headers"),
        Some(&Value::Table(table! { "mine" => 1i32 }))
    );
    // Taken, put back, and taken by a consumer.
    let got = peer.get(1, &name).expect("it is ready");
    peer.send(1, &basic::reject(got.tag, "requeue"));
    peer.wait_ready(1, &name, 1);
    peer.consume(1, &name, "c", "no-ack");
    assert!(peer.delivery(1).redelivered);
    for redelivered in [0, 1] {
        let copy = peer.take_soon(1, &fire);
        assert_eq!(copy.routing_key, format!("deliver.{name}"));
        let headers = copy.headers();
        assert_eq!(headers.get("redelivered"), Some(&Value::I32(redelivered)));
    }
    // Nothing of what comes after it is off.
    guest().put(&path, r#"{"tracing":false}"#).is(204, "");
    peer.publish(1, "", &name, "untraced");
    assert_eq!(peer.delivery(1).text(), "untraced");
    peer.has(1, &fire, 0, 0);
    end(&vhost);
}

#[test]
fn what_has_been_routed_before_is_traced_and_so_are_transactions() {
    let (vhost, mut peer, fire) = traced();
    let path = format!("/vhosts/{vhost}");
    guest().put(&path, r#"{"tracing":false}"#).is(204, "");
    let name = peer.queue(1);
    for number in 0..3 {
        peer.publish(1, "", &name, format!("before {number}"));
    }
    peer.has(1, &name, 3, 0);
    guest().put(&path, r#"{"tracing":true}"#).is(204, "");
    peer.publish(1, "", &name, "after");
    assert_eq!(peer.take_soon(1, &fire).text(), "after");
    peer.open(2);
    peer.ask(2, &tx::select(), &tx::select_ok());
    peer.publish(2, "", &name, "in a transaction");
    peer.publish(2, "", "nowhere", "unroutable");
    peer.ask(2, &tx::commit(), &tx::commit_ok());
    assert_eq!(peer.take_soon(1, &fire).text(), "in a transaction");
    let copy = peer.take_soon(1, &fire);
    assert_eq!(copy.text(), "unroutable");
    assert_eq!(copy.headers().get("routed_queues"), Some(&strings(&[])));
    // What is taken from the firehose is not traced, or there would be no end.
    peer.has(1, &fire, 0, 0);
    end(&vhost);
}

/// The first event of that key which names all of these.
fn happened(peer: &mut Peer, events: &str, key: &str, names: &[(&str, &str)]) -> Table {
    loop {
        let event = peer.take_soon(1, events);
        let headers = event.headers();
        let is = |(name, value): &(&str, &str)| {
            headers.get(name) == Some(&Value::Str((*value).to_owned()))
        };
        if event.routing_key == key && names.iter().all(is) {
            assert_eq!(event.text(), "");
            assert_eq!(event.exchange, "amq.rabbitmq.event");
            assert!(matches!(
                headers.get("timestamp_in_ms"),
                Some(Value::I64(at)) if *at > 1_600_000_000_000
            ));
            return headers;
        }
    }
}

#[test]
fn events_tell_of_what_comes_and_goes() {
    let mut peer = shared().channel();
    let events = peer.queue(1);
    peer.bind(1, &events, "amq.rabbitmq.event", "#");
    let name = unique("seen");
    let named = [("name", name.as_str())];

    let declare = queue::declare(&name, "", table! { "x-message-ttl" => 5000i32 });
    peer.ask(1, &declare, &queue::declare_ok(&name, 0, 0));
    let seen = happened(&mut peer, &events, "queue.created", &named);
    assert_eq!(text(&seen, "vhost"), "/");
    assert_eq!(seen.get("durable"), Some(&Value::Bool(false)));
    assert_eq!(text(&seen, "user_who_performed_action"), shared().user);
    let Some(Value::Array(arguments)) = seen.get("arguments") else {
        panic!("{seen:?}");
    };
    let ttl = r#"{<<"x-message-ttl">>,signedint,5000}"#;
    assert!(
        arguments.contains(&Value::Str(ttl.to_owned())),
        "{arguments:?}"
    );

    let declare = exchange::declare(&name, "topic", "", table! {});
    peer.ask(1, &declare, &exchange::declare_ok());
    let seen = happened(&mut peer, &events, "exchange.created", &named);
    assert_eq!(text(&seen, "type"), "topic");
    peer.bind(1, &name, &name, "a.#");
    let ends = [("source_name", name.as_str()), ("routing_key", "a.#")];
    let seen = happened(&mut peer, &events, "binding.created", &ends);
    assert_eq!(text(&seen, "destination_kind"), "queue");

    let mut other = shared().channel();
    happened(
        &mut peer,
        &events,
        "connection.created",
        &[("user", &shared().user)],
    );
    happened(&mut peer, &events, "channel.created", &[]);
    other.consume(1, &name, "watched", "");
    let watched = [("consumer_tag", "watched"), ("queue", name.as_str())];
    let seen = happened(&mut peer, &events, "consumer.created", &watched);
    assert_eq!(seen.get("ack_required"), Some(&Value::Bool(true)));
    other.close();
    happened(&mut peer, &events, "consumer.deleted", &watched);
    happened(&mut peer, &events, "channel.closed", &[]);
    happened(&mut peer, &events, "connection.closed", &[]);

    let path = format!("/policies/%2F/{name}");
    let policy = json!({"pattern": "^none$", "definition": {"max-length": 5}});
    guest().put(&path, &policy.to_string()).is(201, "");
    let seen = happened(&mut peer, &events, "policy.set", &named);
    assert_eq!(text(&seen, "pattern"), "^none$");
    assert_eq!(seen.get("priority"), Some(&Value::I64(0)));
    guest().delete(&path).is(204, "");
    happened(&mut peer, &events, "policy.cleared", &named);

    let user = r#"{"password":"secret","tags":"monitoring"}"#;
    guest().put(&format!("/users/{name}"), user).is(201, "");
    happened(&mut peer, &events, "user.created", &named);
    let none = r#"{"configure":"","write":"","read":""}"#;
    let path = format!("/permissions/%2F/{name}");
    guest().put(&path, none).is(201, "");
    let of_user = [("user", name.as_str()), ("vhost", "/"), ("read", "")];
    happened(&mut peer, &events, "permission.created", &of_user);
    guest().delete(&format!("/users/{name}")).is(204, "");
    happened(&mut peer, &events, "user.deleted", &named);

    peer.ask(1, &exchange::delete(&name, ""), &exchange::delete_ok());
    happened(&mut peer, &events, "binding.deleted", &ends);
    peer.ask(1, &queue::delete(&name, ""), &queue::delete_ok(0));
    happened(&mut peer, &events, "queue.deleted", &named);
    let vhost = format!("/vhosts/{name}");
    guest().put(&vhost, "{}").is(201, "");
    happened(&mut peer, &events, "vhost.created", &named);
    guest().delete(&vhost).is(204, "");
    happened(&mut peer, &events, "vhost.deleted", &named);
}
