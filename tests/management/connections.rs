//! Connections, channels and consumers: what they show, who sees them, and how they are closed.

use serde_json::{Value, json};

use super::client::{Client, guest, of};
use super::support::{
    Login, Peer, basic, broker::shared, confirm, eventually, foreign, queue, tx, unique,
};

fn name_of(peer: &Peer) -> String {
    let local = peer.stream.local_addr().expect("connected");
    let far = peer.stream.peer_addr().expect("connected");
    format!("{local} -> {far}")
}

/// As a segment of a path.
fn path_of(name: &str) -> String {
    name.replace(' ', "%20").replace('>', "%3E")
}

fn peer() -> Peer {
    shared().peer_with(&Login {
        heartbeat: 60,
        ..shared().login()
    })
}

/// A document, once it is there and good: RabbitMQ collects its figures every few seconds.
fn soon(client: &Client, path: &str, is_good: impl Fn(&Value) -> bool) -> Value {
    let mut found = Value::Null;
    eventually(path, || {
        let answer = client.get(path);
        if answer.status != 200 {
            return false;
        }
        found = answer.json();
        is_good(&found)
    });
    found
}

fn own<'a>(list: &'a Value, name: &str) -> Option<&'a Value> {
    list.as_array()?.iter().find(|one| one["name"] == name)
}

#[test]
fn a_connection_shows_its_ends_its_client_and_what_was_agreed() {
    let mut peer = peer();
    peer.open(1);
    peer.open(7);
    let name = name_of(&peer);
    let path = format!("/connections/{}", path_of(&name));
    let one = soon(&guest(), &path, |one| one["channels"] == 2);
    let (near, far) = (
        peer.stream.local_addr().expect("connected"),
        peer.stream.peer_addr().expect("connected"),
    );
    for (field, value) in [
        ("name", json!(name)),
        ("peer_host", json!("127.0.0.1")),
        ("peer_port", json!(near.port())),
        ("host", json!("127.0.0.1")),
        ("port", json!(far.port())),
        ("protocol", json!("AMQP 0-9-1")),
        ("user", json!("guest")),
        ("vhost", json!("/")),
        ("state", json!("running")),
        ("type", json!("network")),
        ("ssl", json!(false)),
        ("auth_mechanism", json!("PLAIN")),
        ("channel_max", json!(2047)),
        ("frame_max", json!(131_072)),
        ("timeout", json!(60)),
        ("user_who_performed_action", json!("guest")),
    ] {
        assert_eq!(one[field], value, "{field}: {one}");
    }
    assert_eq!(one["client_properties"]["product"], "raw peer");
    let capabilities = &one["client_properties"]["capabilities"];
    assert_eq!(capabilities["basic.nack"], true);
    assert!(one.get("user_provided_name").is_none(), "{one}");
    assert!(one["connected_at"].as_u64() > Some(1_500_000_000_000));
    assert!(one["recv_oct"].as_u64() > Some(50), "{one}");
    assert!(one["send_oct"].as_u64() > Some(50), "{one}");
    let list = guest().get("/connections").json();
    assert_eq!(own(&list, &name).expect("listed")["channels"], 2);
    let list = guest().get("/vhosts/%2F/connections").json();
    assert_eq!(own(&list, &name).expect("listed")["user"], "guest");
    let list = guest().get("/connections/username/guest").json();
    assert_eq!(own(&list, &name).expect("listed")["vhost"], "/");
}

#[test]
fn lists_of_connections_come_in_pages_with_columns() {
    let (first, second) = (peer(), peer());
    let names = [name_of(&first), name_of(&second)];
    for name in &names {
        let path = format!("/connections/{}", path_of(name));
        soon(&guest(), &path, |_| true);
    }
    let port = first.stream.local_addr().expect("connected").port();
    let path = format!("/connections?page=1&page_size=5&name=:{port}&columns=name,channels");
    let page = soon(&guest(), &path, |page| page["filtered_count"] == 1);
    assert_eq!(page["items"], json!([{"name": names[0], "channels": 0}]));
    assert!(page["total_count"].as_u64() >= Some(2));
    let sorted = guest()
        .get("/connections?page=1&sort=recv_oct&columns=recv_oct&page_size=500")
        .json();
    let counts: Vec<u64> = sorted["items"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|one| one["recv_oct"].as_u64().unwrap_or(0))
        .collect();
    assert!(counts.is_sorted() && counts.len() >= 2, "{counts:?}");
    let bare = guest().get("/connections?disable_stats=true").json();
    let bare = own(&bare, &names[1]).expect("listed");
    let mut fields: Vec<_> = bare.as_object().expect("an object").keys().collect();
    fields.sort();
    assert_eq!(fields, ["name", "node", "user", "vhost"]);
}

#[test]
fn a_channel_counts_what_is_out_and_in_which_mode_it_is() {
    let mut peer = peer();
    for number in 1..=3 {
        peer.open(number);
    }
    let q = unique("q");
    peer.ask(
        1,
        &queue::declare(&q, "", table! {}),
        &queue::declare_ok(&q, 0, 0),
    );
    for body in ["a", "b", "c"] {
        peer.publish(1, "", &q, body);
    }
    peer.ask(1, &basic::qos(0, 2, false), &basic::qos_ok());
    let tag = unique("ctag");
    let arguments = table! { "x-priority" => 3 };
    let consume = basic::consume(&q, &tag, "", arguments);
    peer.ask(1, &consume, &basic::consume_ok(&tag));
    peer.texts(1, 2);
    peer.ask(2, &confirm::select(), &confirm::select_ok());
    peer.ask(3, &tx::select(), &tx::select_ok());
    peer.publish(3, "", &q, "d");
    let got = peer.get(3, &q).expect("one is left");
    peer.send(3, &basic::ack(got.tag, ""));

    let name = name_of(&peer);
    let path = format!("/connections/{}/channels", path_of(&name));
    let list = soon(&guest(), &path, |list| {
        list[0]["messages_unacknowledged"] == 2 && list[2]["acks_uncommitted"] == 1
    });
    let expected = [
        json!({"number": 1, "confirm": false, "transactional": false, "prefetch_count": 2, "consumer_count": 1,
            "messages_unacknowledged": 2, "messages_unconfirmed": 0, "messages_uncommitted": 0, "acks_uncommitted": 0}),
        json!({"number": 2, "confirm": true, "transactional": false, "prefetch_count": 0, "consumer_count": 0,
            "messages_unacknowledged": 0, "messages_unconfirmed": 0, "messages_uncommitted": 0, "acks_uncommitted": 0}),
        json!({"number": 3, "confirm": false, "transactional": true, "prefetch_count": 0, "consumer_count": 0,
            "messages_unacknowledged": 0, "messages_unconfirmed": 0, "messages_uncommitted": 1, "acks_uncommitted": 1}),
    ];
    for (channel, expected) in list.as_array().expect("a list").iter().zip(&expected) {
        for (field, value) in expected.as_object().expect("an object") {
            assert_eq!(&channel[field], value, "{field}: {channel}");
        }
        assert_eq!(channel["user"], "guest");
        assert_eq!(channel["vhost"], "/");
        assert_eq!(channel["state"], "running");
        assert_eq!(channel["connection_details"]["name"], name.as_str());
    }
    let first = format!("{name} (1)");
    let path = format!("/channels/{}", path_of(&first));
    let one = guest().get(&path).json();
    assert_eq!(one["name"], first.as_str());
    let consumer = &one["consumer_details"][0];
    assert_eq!(consumer["consumer_tag"], tag.as_str());
    assert_eq!(consumer["arguments"], json!({"x-priority": 3}));
    for path in ["/channels", "/vhosts/%2F/channels"] {
        let list = guest().get(path).json();
        assert_eq!(own(&list, &first).expect("listed")["prefetch_count"], 2);
    }
    let page = guest().get("/channels?page=1&page_size=1").json();
    assert_eq!(page["item_count"], 1);
    guest().delete(&format!("/queues/%2F/{q}")).is(204, "");
}

#[test]
fn consumers_show_their_queue_and_their_channel() {
    let mut peer = peer();
    peer.open(1);
    let q = unique("q");
    let single = table! { "x-single-active-consumer" => true };
    peer.ask(
        1,
        &queue::declare(&q, "", single),
        &queue::declare_ok(&q, 0, 0),
    );
    let (first, second) = (unique("first"), unique("second"));
    for tag in [&first, &second] {
        let consume = basic::consume(&q, tag, "no-ack", table! {});
        peer.ask(1, &consume, &basic::consume_ok(tag));
    }
    let name = name_of(&peer);
    let near = peer.stream.local_addr().expect("connected");
    let shown = |tag: &str, active: bool, status: &str, node: &Value| {
        json!({
            "consumer_tag": tag, "ack_required": false, "exclusive": false, "prefetch_count": 0,
            "active": active, "activity_status": status, "arguments": {}, "consumer_timeout": 1_800_000,
            "queue": {"name": q, "vhost": "/"},
            "channel_details": {
                "name": format!("{name} (1)"), "number": 1, "user": "guest", "connection_name": name,
                "peer_host": "127.0.0.1", "peer_port": near.port(), "node": node,
            },
        })
    };
    for path in ["/consumers", "/consumers/%2F"] {
        let mut found = Vec::new();
        eventually(path, || {
            let list = guest().get(path).json();
            let list = list.as_array().expect("a list").iter();
            found = list
                .filter(|one| one["queue"]["name"] == q.as_str())
                .cloned()
                .collect();
            found.len() == 2
        });
        found.sort_by_key(|one| one["active"] != true);
        let node = &found[0]["channel_details"]["node"];
        assert_eq!(found[0], shown(&first, true, "single_active", node));
        assert_eq!(found[1], shown(&second, false, "waiting", node));
    }
    let path = format!("/queues/%2F/{q}");
    let one = soon(&guest(), &path, |one| {
        one["consumer_details"].as_array().map(Vec::len) == Some(2)
            && one["single_active_consumer_tag"] != Value::Null
    });
    assert_eq!(one["single_active_consumer_tag"], first.as_str());
    assert_eq!(one["exclusive_consumer_tag"], Value::Null);
    peer.ask(1, &basic::cancel(&first, ""), &basic::cancel_ok(&first));
    soon(&guest(), &path, |one| {
        one["single_active_consumer_tag"] == second.as_str()
    });
    guest().delete(&path).is(204, "");
}

#[test]
fn exclusive_queues_and_consumers_are_named() {
    let mut peer = peer();
    peer.open(1);
    let (q, tag) = (unique("q"), unique("ctag"));
    peer.ask(
        1,
        &queue::declare(&q, "exclusive", table! {}),
        &queue::declare_ok(&q, 0, 0),
    );
    let consume = basic::consume(&q, &tag, "exclusive", table! {});
    peer.ask(1, &consume, &basic::consume_ok(&tag));
    let path = format!("/queues/%2F/{q}");
    let one = soon(&guest(), &path, |one| {
        one["exclusive_consumer_tag"] == tag.as_str()
    });
    assert_eq!(one["owner_pid_details"]["name"], name_of(&peer).as_str());
    assert_eq!(one["consumer_details"][0]["exclusive"], true);
}

#[test]
fn a_closed_connection_gets_320_with_the_reason() {
    let (mut told, mut untold) = (peer(), peer());
    told.open(1);
    let path = |peer: &Peer| format!("/connections/{}", path_of(&name_of(peer)));
    let (first, second) = (path(&told), path(&untold));
    for path in [&first, &second] {
        soon(&guest(), path, |_| true);
    }
    let reason = "X-Reason: it was time\r\n";
    guest().send_with("DELETE", &first, "", reason).is(204, "");
    told.expect_connection_close(320, "CONNECTION_FORCED - it was time", 0, 0);
    guest().delete(&second).is(204, "");
    let text = "CONNECTION_FORCED - Closed via management plugin";
    untold.expect_connection_close(320, text, 0, 0);
    let missing = r#"{"error":"Object Not Found","reason":"Not Found"}"#;
    eventually("it is gone", || guest().get(&first).status == 404);
    guest().delete(&first).is(404, missing);
}

#[test]
fn what_is_not_there_is_404() {
    let missing = r#"{"error":"Object Not Found","reason":"Not Found"}"#;
    for path in [
        "/connections/none",
        "/channels/none",
        "/channels/none%20(1)",
        "/vhosts/none/connections",
        "/vhosts/none/channels",
        "/consumers/none",
    ] {
        guest().get(path).is(404, missing);
    }
    guest().get("/connections/username/nobody").is(200, "[]");
    guest().delete("/connections/username/nobody").is(204, "");
    guest().send("DELETE", "/channels/none", "").is(405, "");
}

#[test]
fn users_see_and_close_their_own_and_monitors_see_all() {
    if foreign() {
        return;
    }
    let broker = own!(
        "default_users.eve.password=e",
        "default_users.eve.tags=management",
        "default_users.max.password=m",
        "default_users.max.tags=monitoring",
    );
    let client = of(&broker);
    let (eve, max) = (client.with("eve", "e"), client.with("max", "m"));
    let mut theirs = broker.peer_with(&Login {
        user: "eve".into(),
        password: "e".into(),
        ..broker.login()
    });
    let mut other = broker.peer();
    for peer in [&mut theirs, &mut other] {
        peer.open(1);
    }
    let count = |client: &Client, path: &str| client.get(path).json().as_array().map(Vec::len);
    for path in ["/connections", "/channels", "/vhosts/%2F/connections"] {
        assert_eq!(count(&eve, path), Some(1), "{path}");
        assert_eq!(count(&max, path), Some(2), "{path}");
    }
    let denied = r#"{"error":"not_authorised","reason":"User not authorised to access object"}"#;
    let path = |peer: &Peer| format!("/connections/{}", path_of(&name_of(peer)));
    eve.get(&path(&other)).is(401, denied);
    eve.get(&format!("{}/channels", path(&other)))
        .is(401, denied);
    eve.get("/connections/username/guest").is(401, denied);
    assert_eq!(max.get(&path(&theirs)).json()["user"], "eve");
    eve.delete(&path(&other)).is(401, denied);
    max.delete(&path(&theirs)).is(401, denied);
    max.delete("/connections/username/eve").is(401, denied);
    eve.delete("/connections/username/eve").is(204, "");
    let text = "CONNECTION_FORCED - Closed via management plugin";
    theirs.expect_connection_close(320, text, 0, 0);
    // It answered when the connection was over.
    assert_eq!(count(&client, "/connections"), Some(1));
    client.delete(&path(&other)).is(204, "");
    other.expect_connection_close(320, text, 0, 0);
}

#[test]
fn a_blocked_connection_says_so() {
    let broker = own!("vm_memory_high_watermark.absolute=1KiB");
    let client = of(&broker);
    eventually("the alarm", || {
        client.get("/health/checks/alarms").status == 503
    });
    let mut peer = broker.channel();
    let path = format!("/connections/{}", path_of(&name_of(&peer)));
    assert_eq!(client.get(&path).json()["state"], "blocking");
    peer.publish(1, "", "nowhere", "x");
    eventually("it is blocked", || {
        client.get(&path).json()["state"] == "blocked"
    });
    // A peer that is not read can be closed all the same.
    client.delete(&path).is(204, "");
    assert_eq!(client.get(&path).status, 404);
}

#[test]
fn what_is_listed_is_there_while_connections_come_and_go() {
    let broker = own!();
    let client = of(&broker);
    let stop = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        let come_and_go = || {
            while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                let mut peer = broker.channel();
                peer.send(1, &queue::declare("", "exclusive", table! {}));
            }
        };
        scope.spawn(come_and_go);
        scope.spawn(come_and_go);
        for _ in 0..100 {
            for path in ["/connections", "/channels", "/consumers"] {
                assert!(client.get(path).json().is_array());
            }
        }
        stop.store(true, std::sync::atomic::Ordering::Relaxed);
    });
    eventually("all are gone", || {
        client.get("/connections").json() == json!([])
    });
}
