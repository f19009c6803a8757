//! `leveret peek` and `leveret redrive`.

use super::run::{ctl, leveret, uri};
use super::support::{Peer, Properties, basic, eventually, exchange, queue};

#[test]
fn dead_letters_are_looked_at_and_brought_back() {
    let broker = own!();
    let mut peer: Peer = broker.channel();
    let arguments = table! {
        "x-dead-letter-exchange" => "", "x-dead-letter-routing-key" => "dead",
    };
    peer.ask(
        1,
        &queue::declare("dead", "", table! {}),
        &queue::declare_ok("dead", 0, 0),
    );
    peer.ask(
        1,
        &queue::declare("work", "", arguments),
        &queue::declare_ok("work", 0, 0),
    );
    for body in ["a", "b", "c"] {
        peer.publish(1, "", "work", body);
        let got = peer.get(1, "work").expect("it is there");
        peer.send(1, &basic::reject(got.tag, ""));
    }
    eventually("they are dead", || peer.counts(1, "dead").0 == 3);
    let uri = uri(&broker);
    let said = leveret(&["peek", "dead", "--uri", &uri, "--count", "2"]);
    assert_eq!(said.code, 0, "{said:?}");
    assert_eq!(said.out.lines().count(), 3, "{said:?}");
    let said = leveret(&["peek", "dead", "--uri", &uri, "--formatter", "json"]);
    let messages = said.json();
    let first = &messages["messages"][0];
    assert_eq!(first["payload"], "a");
    assert_eq!(
        first["properties"]["headers"]["x-death"][0]["reason"],
        "rejected"
    );
    let words = [
        "redrive",
        "dead",
        "--uri",
        &uri,
        "--reason",
        "rejected",
        "--from-queue",
        "work",
        "--count",
        "1",
    ];
    leveret(&words).says("Moved 1 messages, passed over 0, 0 have no queue to go back to\n");
    let words = [
        "redrive",
        "dead",
        "--uri",
        &uri,
        "--rate",
        "1000",
        "--formatter",
        "json",
    ];
    assert_eq!(leveret(&words).json()["moved"], 2);
    assert_eq!(peer.counts(1, "work").0, 3);
    leveret(&["redrive", "none", "--uri", &uri]).fails(65, "no queue 'none' in vhost '/'");
    leveret(&["peek", "q", "--uri", &uri, "-p", "none"])
        .fails(65, "Virtual host 'none' does not exist");
    leveret(&["redrive", "dead", "--uri", &uri, "--reason", "bored"])
        .fails(69, "reason must be one of");
    leveret(&["redrive", "dead", "--uri", &uri, "--rate", "fast"]).fails(64, "--rate : fast");
    ctl(&broker, &["peek", "work", "--count", "0"])
        .says("Messages of queue 'work' in vhost '/' ...\n");
}

#[test]
fn what_an_exchange_holds_is_looked_at() {
    let broker = own!();
    let mut peer: Peer = broker.channel();
    let arguments = table! { "x-delayed-type" => "direct" };
    let declare = exchange::declare("late", "x-delayed-message", "durable", arguments);
    peer.ask(1, &declare, &exchange::declare_ok());
    peer.confirm(1);
    let held = Properties::headers(table! { "x-delay" => 3_600_000i32 });
    peer.publish_with(1, "late", "k", "", &held, "hour");
    peer.acked(1, 1);
    let uri = uri(&broker);
    let words = ["peek", "--exchange", "late", "--uri", &uri];
    let said = leveret(&words);
    assert_eq!(said.code, 0, "{said:?}");
    let head: Vec<&str> = said
        .out
        .lines()
        .next()
        .expect("a head")
        .split('\t')
        .collect();
    assert!(head.contains(&"due_at"), "{said:?}");
    let said = ctl(
        &broker,
        &["peek", "--exchange", "late", "--formatter", "json"],
    );
    let first = &said.json()["messages"][0];
    assert_eq!(first["payload"], "hour");
    assert!(first["due_at"].is_u64(), "{first}");
    leveret(&["peek", "--exchange", "none", "--uri", &uri])
        .fails(65, "no exchange 'none' in vhost '/'");
    leveret(&["peek", "--exchange", "amq.topic", "--uri", &uri])
        .fails(69, "its type is not x-delayed-message");
    ctl(&broker, &["peek"]).fails(64, "not enough arguments.");
    ctl(&broker, &["peek", "q", "--exchange", "late"]).fails(64, "too many arguments.");
}
