//! `x-recent-history`: a queue that is bound gets the last messages.

use crate::support::{
    End, Home, Peer, Properties, Table, eventually, exchange, foreign, queue, shared, unique,
};

fn declared(peer: &mut Peer, arguments: Table) -> String {
    let name = unique("x");
    let declare = exchange::declare(&name, "x-recent-history", "", arguments);
    peer.ask(1, &declare, &exchange::declare_ok());
    name
}

fn texts(peer: &mut Peer, queue: &str, count: u32) -> Vec<String> {
    peer.wait_ready(1, queue, count);
    (0..count)
        .map(|_| peer.take(1, queue).unwrap().text().to_owned())
        .collect()
}

#[test]
fn a_bound_queue_gets_the_last_twenty_in_order() {
    let mut peer = shared().channel();
    let name = declared(&mut peer, table! {});
    let early = peer.queue(1);
    peer.bind(1, &early, &name, "k");
    for number in 0..25 {
        peer.publish(1, &name, "any", format!("{number}"));
    }
    peer.has(1, &early, 25, 0);
    let late = peer.queue(1);
    peer.bind(1, &late, &name, "");
    let expected: Vec<String> = (5..25).map(|number| number.to_string()).collect();
    assert_eq!(texts(&mut peer, &late, 20), expected);
    // Once for a binding, not again for one that is there.
    peer.bind(1, &late, &name, "");
    peer.has(1, &late, 0, 0);
    // And as a fanout from then on.
    peer.publish(1, &name, "other", "new");
    assert_eq!(texts(&mut peer, &late, 1), ["new"]);
    peer.ask(1, &exchange::delete(&name, ""), &exchange::delete_ok());
}

#[test]
fn what_nobody_was_bound_for_is_remembered_too() {
    let mut peer = shared().channel();
    let name = declared(&mut peer, table! { "x-recent-history-length" => 2i32 });
    for text in ["one", "two", "three"] {
        let with_key = Properties {
            message_id: Some(text.to_owned()),
            ..Properties::persistent()
        };
        peer.publish_with(1, &name, text, "", &with_key, text);
    }
    // The publishes come first on this channel, so they have been seen before the bind.
    let late = peer.queue(1);
    peer.bind(1, &late, &name, "");
    peer.wait_ready(1, &late, 2);
    let first = peer.take(1, &late).unwrap();
    assert_eq!((first.text(), first.routing_key.as_str()), ("two", "two"));
    assert_eq!(first.exchange, name);
    assert_eq!(first.properties().message_id.as_deref(), Some("two"));
    peer.ask(1, &exchange::delete(&name, ""), &exchange::delete_ok());
}

#[test]
fn a_publisher_may_ask_for_no_trace() {
    let mut peer = shared().channel();
    let name = declared(&mut peer, table! {});
    for (text, value) in [("hidden", true), ("shown", false)] {
        let headers = table! { "x-recent-history-no-store" => value };
        peer.publish_with(1, &name, "", "", &Properties::headers(headers), text);
    }
    let late = peer.queue(1);
    peer.bind(1, &late, &name, "");
    assert_eq!(texts(&mut peer, &late, 1), ["shown"]);
    peer.has(1, &late, 0, 0);
    peer.ask(1, &exchange::delete(&name, ""), &exchange::delete_ok());
}

#[test]
fn a_bound_exchange_routes_the_last_messages() {
    if foreign() {
        // The plugin of 4.0 closes the connection with 541.
        return;
    }
    let mut peer = shared().channel();
    let name = declared(&mut peer, table! {});
    let direct = peer.exchange(1, "direct");
    let queue = peer.queue(1);
    peer.bind(1, &queue, &direct, "wanted");
    peer.publish(1, &name, "wanted", "yes");
    peer.publish(1, &name, "other", "no");
    let bind = exchange::bind(&direct, &name, "", table! {});
    peer.ask(1, &bind, &exchange::bind_ok());
    assert_eq!(texts(&mut peer, &queue, 1), ["yes"]);
    peer.has(1, &queue, 0, 0);
    peer.ask(1, &exchange::delete(&name, ""), &exchange::delete_ok());
}

#[test]
fn a_length_is_a_positive_integer() {
    let mut peer = shared().channel();
    for (arguments, printed) in [
        (table! { "x-recent-history-length" => 0i32 }, "0"),
        (table! { "x-recent-history-length" => -1i32 }, "-1"),
        (table! { "x-recent-history-length" => "20" }, "<<\"20\">>"),
        (table! { "x-recent-history-length" => true }, "true"),
    ] {
        let text = format!(
            "PRECONDITION_FAILED - Invalid argument {printed}, 'x-recent-history-length' must be a positive integer"
        );
        let declare = exchange::declare(&unique("x"), "x-recent-history", "", arguments);
        peer.refused(1, &declare, 406, &text);
    }
}

#[test]
fn a_queue_bound_before_a_restart_gets_nothing_twice() {
    let mut home = Home::with(&[]);
    let mut peer = home.channel();
    let declare = exchange::declare("x", "x-recent-history", "durable", table! {});
    peer.ask(1, &declare, &exchange::declare_ok());
    let declare = queue::declare("q", "durable", table! {});
    peer.ask(1, &declare, &queue::declare_ok("q", 0, 0));
    peer.bind(1, "q", "x", "");
    peer.confirm(1);
    peer.publish_with(1, "x", "", "", &Properties::persistent(), "once");
    peer.acked(1, 1);
    home.restart(End::Kill);
    let mut peer = home.channel();
    eventually("it is there", || peer.counts(1, "q").0 == 1);
    peer.publish_with(1, "x", "", "", &Properties::persistent(), "and more");
    assert_eq!(texts(&mut peer, "q", 2), ["once", "and more"]);
}
