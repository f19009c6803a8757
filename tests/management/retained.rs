//! `x-retain-acked`: what was acknowledged stays readable, and can be replayed; and streams into queues.

use serde_json::Value;

use super::client::{Client, guest, of};
use super::support::home::both;
use super::support::{Peer, Table, basic, broker::shared, eventually, queue, unique};

fn declared(peer: &mut Peer, arguments: Table) -> String {
    let name = unique("retained");
    let declare = queue::declare(&name, "durable", arguments);
    peer.ask(1, &declare, &queue::declare_ok(&name, 0, 0));
    name
}

fn acked(client: &Client, name: &str) -> Vec<String> {
    let answer = client.get(&format!("/leveret/queues/%2F/{name}/acked?count=100"));
    assert_eq!(answer.status, 200, "{answer:?}");
    let document: Value = answer.json();
    let messages = document["messages"].as_array().expect("a list").iter();
    messages
        .map(|message| message["payload"].as_str().expect("text").to_owned())
        .collect()
}

#[test]
fn what_was_acknowledged_is_there_after_a_restart_and_comes_again_on_request() {
    both(|home, end| {
        let mut peer = home.channel();
        let name = declared(&mut peer, table! { "x-retain-acked" => "7d" });
        for number in 0..6 {
            peer.publish(1, "", &name, number.to_string());
        }
        // By ack, by get without one, by a consumer without one; what is rejected was not acknowledged.
        peer.prefetch(1, 2);
        peer.consume(1, &name, "c", "");
        let first = peer.delivery(1);
        let second = peer.delivery(1);
        peer.ask(1, &basic::cancel("c", ""), &basic::cancel_ok("c"));
        peer.send(1, &basic::ack(first.tag, ""));
        peer.send(1, &basic::reject(second.tag, ""));
        assert_eq!(peer.take_soon(1, &name).text(), "2");
        peer.consume(1, &name, "d", "no-ack");
        assert_eq!(peer.texts(1, 3), ["3", "4", "5"]);
        peer.ask(1, &basic::cancel("d", ""), &basic::cancel_ok("d"));
        let client = of(home);
        eventually("they are retained", || acked(&client, &name).len() == 5);
        home.settle(end);
        home.restart(end);
        let client = of(home);
        assert_eq!(acked(&client, &name), ["0", "2", "3", "4", "5"]);
        let replay = format!("/leveret/queues/%2F/{name}/replay");
        let answer = client.post(&replay, r#"{"offset": 1, "count": 2}"#);
        assert_eq!((answer.status, &answer.json()["placed"]), (200, &2.into()));
        let mut peer = home.channel();
        assert_eq!(peer.take_soon(1, &name).text(), "2");
        assert_eq!(peer.take_soon(1, &name).text(), "3");
        // What is acknowledged again is retained again; a replay of all ends all the same.
        eventually("they are retained", || acked(&client, &name).len() == 7);
        let answer = client.post(&replay, "{}");
        assert_eq!(answer.json()["placed"], 7);
        assert_eq!(peer.counts(1, &name).0, 7);
    });
}

#[test]
fn a_stream_goes_into_a_queue() {
    let mut peer = shared().channel();
    let stream = declared(&mut peer, table! { "x-queue-type" => "stream" });
    let target = declared(&mut peer, table! {});
    peer.confirm(1);
    for number in 0..300u64 {
        peer.publish(1, "", &stream, number.to_string());
    }
    peer.acked(1, 300);
    let client = guest();
    let replay = format!("/leveret/queues/%2F/{stream}/replay");
    let body = format!(r#"{{"offset": -290, "to": "{target}", "rate": 100000}}"#);
    let answer = client.post(&replay, &body);
    assert_eq!(
        (answer.status, &answer.json()["placed"]),
        (200, &290.into()),
        "{answer:?}"
    );
    assert_eq!(peer.take_soon(1, &target).text(), "10");
    assert_eq!(peer.counts(1, &target).0, 289);
    for body in [
        "{}",
        r#"{"to": 5}"#,
        r#"{"offset": "soon", "to": "x"}"#,
        r#"{"count": 0}"#,
        r#"{"rate": -1}"#,
        r#"{"other": 1}"#,
    ] {
        assert_eq!(client.post(&replay, body).status, 400, "{body}");
    }
    let none = format!("/leveret/queues/%2F/{target}/replay");
    assert_eq!(client.post(&none, "{}").status, 400, "it retains nothing");
}

#[test]
fn what_retains_is_durable_and_says_for_how_long() {
    let mut peer = shared().channel();
    let name = unique("retained");
    let resource = format!("queue '{name}' in vhost '/'");
    for (flags, age, reason) in [
        ("", "7d", "\"only a durable queue can\""),
        ("durable exclusive", "7d", "\"only a durable queue can\""),
        ("durable", "soon", "\"expected an age as 7d or 12h\""),
        ("durable", "0h", "\"expected an age as 7d or 12h\""),
    ] {
        let declare = queue::declare(&name, flags, table! { "x-retain-acked" => age });
        let text =
            format!("PRECONDITION_FAILED - invalid arg 'x-retain-acked' for {resource}: {reason}");
        peer.refused(1, &declare, 406, &text);
    }
}
