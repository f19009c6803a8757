//! `x-dead-letter-strategy: at-least-once`: a dead letter stays in its queue until all queues that it goes to have it.

use crate::support::{End, Home, Peer, Properties, Table, basic, exchange, queue, shared, unique};

/// A quorum queue whose dead letters go to that exchange.
fn source(peer: &mut Peer, exchange: &str, more: Table) -> String {
    let name = unique("source");
    let mut arguments = table! {
        "x-queue-type" => "quorum", "x-dead-letter-exchange" => exchange, "x-dead-letter-routing-key" => "dead",
        "x-dead-letter-strategy" => "at-least-once"
    };
    arguments.0.extend(more.0);
    let declare = queue::declare(&name, "durable", arguments);
    peer.ask(1, &declare, &queue::declare_ok(&name, 0, 0));
    name
}

fn rejecting() -> Table {
    table! { "x-overflow" => "reject-publish" }
}

/// Publishes texts and rejects them.
fn die(peer: &mut Peer, queue: &str, texts: &[&str]) {
    for text in texts {
        peer.publish_with(1, "", queue, "", &Properties::persistent(), text);
        peer.wait_ready(1, queue, 1);
        let got = peer.get(1, queue).expect("it is ready");
        peer.send(1, &basic::reject(got.tag, ""));
        peer.wait_ready(1, queue, 0);
    }
}

fn bound(peer: &mut Peer, exchange: &str, arguments: Table) -> String {
    let name = unique("target");
    let declare = queue::declare(&name, "durable", arguments);
    peer.ask(1, &declare, &queue::declare_ok(&name, 0, 0));
    peer.bind(1, &name, exchange, "dead");
    name
}

fn made(peer: &mut Peer) -> String {
    let name = unique("dlx");
    made_as(peer, &name);
    name
}

fn made_as(peer: &mut Peer, name: &str) {
    let declare = exchange::declare(name, "direct", "durable", table! {});
    peer.ask(1, &declare, &exchange::declare_ok());
}

#[test]
fn dead_letters_wait_for_their_exchange_and_a_route() {
    let mut peer = shared().channel();
    let dlx = unique("dlx");
    let name = source(&mut peer, &dlx, rejecting());
    die(&mut peer, &name, &["one", "two"]);
    // They are in nobody's way, and not ready.
    peer.has(1, &name, 0, 0);
    made_as(&mut peer, &dlx);
    let target = bound(&mut peer, &dlx, table! {});
    for text in ["one", "two"] {
        let got = peer.take_soon(1, &target);
        assert_eq!((got.text(), got.routing_key.as_str()), (text, "dead"));
        assert_eq!(got.deaths().len(), 1);
    }
    peer.has(1, &target, 0, 0);
}

#[test]
fn dead_letters_wait_for_room_in_all_of_their_queues_and_come_once() {
    let mut peer = shared().channel();
    let dlx = made(&mut peer);
    let full = table! { "x-max-length" => 1i32, "x-overflow" => "reject-publish" };
    let (narrow, wide) = (
        bound(&mut peer, &dlx, full),
        bound(&mut peer, &dlx, table! {}),
    );
    let name = source(&mut peer, &dlx, rejecting());
    die(&mut peer, &name, &["one", "two", "three"]);
    for text in ["one", "two", "three"] {
        assert_eq!(peer.take_soon(1, &narrow).text(), text);
        assert_eq!(peer.take_soon(1, &wide).text(), text);
    }
    peer.has(1, &narrow, 0, 0);
    peer.has(1, &wide, 0, 0);
}

#[test]
fn waiting_dead_letters_count_for_the_length_limit() {
    let mut peer = shared().channel();
    let dlx = unique("dlx");
    let mut more = rejecting();
    more.0.extend(table! { "x-max-length" => 2i32 }.0);
    let name = source(&mut peer, &dlx, more);
    die(&mut peer, &name, &["one", "two"]);
    peer.open(2);
    peer.confirm(2);
    peer.publish(2, "", &name, "refused");
    let nack = peer.expect_method(2, 60, 120);
    assert_eq!(nack.number(0), 1);
    // Once they have found their place, there is room again.
    made_as(&mut peer, &dlx);
    let target = bound(&mut peer, &dlx, table! {});
    for text in ["one", "two"] {
        assert_eq!(peer.take_soon(1, &target).text(), text);
    }
    peer.publish(2, "", &name, "taken");
    let ack = peer.expect_method(2, 60, 80);
    assert_eq!(ack.number(0), 2);
}

#[test]
fn without_reject_publish_it_is_at_most_once() {
    let mut peer = shared().channel();
    let dlx = unique("dlx");
    let name = source(&mut peer, &dlx, table! {});
    die(&mut peer, &name, &["lost"]);
    made_as(&mut peer, &dlx);
    let target = bound(&mut peer, &dlx, table! {});
    die(&mut peer, &name, &["kept"]);
    assert_eq!(peer.take_soon(1, &target).text(), "kept");
    peer.has(1, &target, 0, 0);
}

#[test]
fn a_killed_broker_loses_no_waiting_dead_letter_and_doubles_none() {
    let mut home = Home::with(&[]);
    let mut peer = home.channel();
    let dlx = made(&mut peer);
    let expired = table! {
        "x-overflow" => "reject-publish", "x-message-ttl" => 1i32
    };
    let name = source(&mut peer, &dlx, expired);
    peer.open(2);
    peer.confirm(2);
    let all: Vec<String> = (0..50).map(|number| format!("m{number}")).collect();
    for text in &all {
        peer.publish_with(2, "", &name, "", &Properties::persistent(), text);
    }
    peer.acked(2, 50);
    peer.wait_ready(1, &name, 0);
    drop(peer);
    home.restart(End::Kill);
    let mut peer = home.channel();
    let target = bound(&mut peer, &dlx, table! { "x-queue-type" => "quorum" });
    let first = peer.take_soon(1, &target);
    assert_eq!(first.text(), all[0]);
    for text in &all[1..] {
        assert_eq!(peer.take_soon(1, &target).text(), text);
    }
    drop(peer);
    home.settle(End::Kill);
    home.restart(End::Kill);
    let mut peer = home.channel();
    peer.has(1, &target, 0, 0);
    peer.has(1, &name, 0, 0);
    assert!(peer.take(1, &target).is_none());
}
