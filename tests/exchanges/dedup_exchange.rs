//! Exchanges that drop duplicates: `x-message-deduplication` of RabbitMQ's community plugin, and `x-dedup-window` and its like on
//! an exchange of any kind.

use std::thread;

use crate::support::{
    End, Home, Peer, Properties, Table, Value, channel, eventually, exchange, home, queue, shared,
    tx, unique,
};

fn with_id(id: &str) -> Properties {
    Properties {
        message_id: Some(id.to_owned()),
        ..Properties::persistent()
    }
}

fn plugin(value: impl Into<Value>) -> Properties {
    Properties {
        headers: Some(table! { "x-deduplication-header" => value.into() }),
        ..Properties::persistent()
    }
}

fn declared(peer: &mut Peer, kind: &str, wanted: &str, arguments: Table) -> String {
    let name = unique("x");
    let declare = exchange::declare(&name, kind, wanted, arguments);
    peer.ask(1, &declare, &exchange::declare_ok());
    name
}

fn window() -> Table {
    table! { "x-dedup-window" => 600_000i32 }
}

fn gone(peer: &mut Peer, name: &str) {
    peer.ask(1, &exchange::delete(name, ""), &exchange::delete_ok());
}

fn texts(peer: &mut Peer, queue: &str) -> Vec<String> {
    let all = std::iter::from_fn(|| peer.take(1, queue));
    all.map(|one| one.text().to_owned()).collect()
}

#[test]
fn the_plugins_exchange_is_a_fanout_that_passes_each_value_once() {
    let mut peer = shared().channel();
    peer.confirm(1);
    let arguments = table! { "x-cache-size" => 100i32 };
    let name = declared(&mut peer, "x-message-deduplication", "", arguments);
    let queues = [peer.queue(1), peer.queue(1)];
    for queue in &queues {
        peer.bind(1, queue, &name, "no matter");
    }
    for (value, text) in [
        (Value::from("a"), "1"),
        ("b".into(), "2"),
        ("a".into(), "dropped"),
        (7i32.into(), "3"),
        (7i64.into(), "dropped"),
        ("7".into(), "4"),
    ] {
        // A duplicate is not returned: it was stored.
        peer.publish_with(1, &name, "k", "mandatory", &plugin(value), text);
    }
    for _ in 0..2 {
        peer.publish_with(1, &name, "k", "", &with_id("no header"), "free");
    }
    peer.acked(1, 8);
    for queue in &queues {
        assert_eq!(
            texts(&mut peer, queue),
            ["1", "2", "3", "4", "free", "free"]
        );
    }
    gone(&mut peer, &name);
}

#[test]
fn the_plugins_cache_has_a_size_and_a_time() {
    let mut peer = shared().channel();
    let arguments = table! { "x-cache-size" => "2", "x-cache-ttl" => 600_000i32 };
    let name = declared(&mut peer, "x-message-deduplication", "", arguments);
    let queue = peer.queue(1);
    peer.bind(1, &queue, &name, "");
    for (value, text) in [("a", "1"), ("b", "2"), ("c", "3"), ("c", "no"), ("a", "4")] {
        peer.publish_with(1, &name, "", "", &plugin(value), text);
    }
    assert_eq!(texts(&mut peer, &queue), ["1", "2", "3", "4"]);
    // A message may say for itself how long it counts.
    let short = Properties {
        headers: Some(table! { "x-deduplication-header" => "s", "x-cache-ttl" => 200i32 }),
        ..Properties::persistent()
    };
    let begun = std::time::Instant::now();
    peer.publish_with(1, &name, "", "", &short, "first");
    eventually("its time is over", || {
        peer.publish_with(1, &name, "", "", &short, "second");
        peer.counts(1, &queue).0 == 2
    });
    assert!(begun.elapsed().as_millis() >= 190);
    gone(&mut peer, &name);
}

#[test]
fn the_plugins_arguments_are_checked() {
    let mut peer = shared().channel();
    let size = "PRECONDITION_FAILED - Missing or invalid argument, 'x-cache-size' must be an integer greater than 0";
    for (arguments, text) in [
        (table! {}, size),
        (table! { "x-cache-size" => 0i32 }, size),
        (table! { "x-cache-size" => "many" }, size),
        (
            table! { "x-cache-size" => 1i32, "x-cache-ttl" => 0i32 },
            "PRECONDITION_FAILED - Invalid argument, 'x-cache-ttl' must be an integer greater than 0",
        ),
        (
            table! { "x-cache-size" => 1i32, "x-cache-persistence" => "tape" },
            "PRECONDITION_FAILED - Invalid argument, 'x-cache-persistence' must be either 'disk' or 'memory'",
        ),
    ] {
        let declare = exchange::declare(&unique("x"), "x-message-deduplication", "", arguments);
        peer.refused(1, &declare, 406, text);
    }
    let name = unique("x");
    for (key, value, reason) in [
        ("x-dedup-window", Value::from(0i32), "{value_zero,0}"),
        ("x-dedup-size", (-1i32).into(), "{value_negative,-1}"),
        (
            "x-dedup-header",
            1i32.into(),
            "\"expected string, got signedint\"",
        ),
    ] {
        let declare = exchange::declare(&name, "fanout", "", table! { key => value });
        let text = format!(
            "PRECONDITION_FAILED - invalid arg '{key}' for exchange '{name}' in vhost '/': {reason}"
        );
        peer.refused(1, &declare, 406, &text);
    }
}

#[test]
fn an_exchange_of_any_kind_drops_what_came_within_its_window_whoever_sent_it() {
    for kind in ["direct", "topic", "fanout", "x-consistent-hash"] {
        let mut peer = shared().channel();
        peer.confirm(1);
        let name = declared(&mut peer, kind, "durable", window());
        let queue = peer.queue(1);
        peer.bind(1, &queue, &name, "1");
        for (id, text) in [("a", "1"), ("b", "2"), ("a", "dropped")] {
            peer.publish_with(1, &name, "1", "mandatory", &with_id(id), text);
        }
        peer.acked(1, 3);
        let mut other = shared().channel();
        other.confirm(1);
        for (id, text) in [("b", "dropped"), ("c", "3")] {
            other.publish_with(1, &name, "1", "mandatory", &with_id(id), text);
        }
        other.acked(1, 2);
        assert_eq!(texts(&mut peer, &queue), ["1", "2", "3"], "{kind}");
        // Consumed or not, it was stored.
        peer.publish_with(1, &name, "1", "", &with_id("a"), "dropped");
        peer.acked_one(1, 4);
        peer.has(1, &queue, 0, 0);
        gone(&mut peer, &name);
    }
}

#[test]
fn messages_of_one_connection_keep_their_order() {
    let mut peer = shared().channel();
    let name = declared(&mut peer, "direct", "durable", window());
    let queue = peer.queue(1);
    peer.bind(1, &queue, &name, "k");
    let mut expected = Vec::new();
    for number in 0..300 {
        let text = number.to_string();
        match number % 3 {
            0 => peer.publish(1, &name, "k", &text),
            1 => peer.publish_with(1, &name, "k", "", &with_id(&text), &text),
            _ => peer.publish(1, "", &queue, &text),
        }
        expected.push(text);
    }
    peer.wait_ready(1, &queue, 300);
    assert_eq!(texts(&mut peer, &queue), expected);
    gone(&mut peer, &name);
}

#[test]
fn what_goes_nowhere_leaves_no_id() {
    let mut peer = shared().channel();
    peer.confirm(1);
    let name = declared(&mut peer, "direct", "", window());
    peer.publish_with(1, &name, "k", "mandatory", &with_id("a"), "returned");
    assert_eq!(peer.returned(1).body, b"returned");
    peer.acked_one(1, 1);
    let queue = peer.queue(1);
    peer.bind(1, &queue, &name, "k");
    for text in ["taken", "dropped"] {
        peer.publish_with(1, &name, "k", "mandatory", &with_id("a"), text);
    }
    peer.acked(1, 3);
    assert_eq!(texts(&mut peer, &queue), ["taken"]);
    gone(&mut peer, &name);
}

#[test]
fn a_duplicate_does_not_go_to_the_alternate_exchange_but_on_other_ways() {
    let mut peer = shared().channel();
    let alternate = peer.exchange(1, "fanout");
    let front = peer.exchange(1, "fanout");
    let arguments =
        table! { "x-dedup-window" => 600_000i32, "alternate-exchange" => alternate.as_str() };
    let name = declared(&mut peer, "direct", "", arguments);
    let [spare, behind, beside] = [peer.queue(1), peer.queue(1), peer.queue(1)];
    peer.bind(1, &spare, &alternate, "");
    peer.bind(1, &behind, &name, "k");
    peer.bind(1, &beside, &front, "");
    let bind = exchange::bind(&name, &front, "", table! {});
    peer.ask(1, &bind, &exchange::bind_ok());
    for text in ["1", "2"] {
        peer.publish_with(1, &front, "k", "", &with_id("a"), text);
    }
    assert_eq!(texts(&mut peer, &behind), ["1"]);
    assert_eq!(texts(&mut peer, &beside), ["1", "2"]);
    peer.has(1, &spare, 0, 0);
    // Unroutable is something else.
    peer.publish_with(1, &name, "nobody's", "", &with_id("b"), "3");
    assert_eq!(texts(&mut peer, &spare), ["3"]);
    gone(&mut peer, &name);
}

#[test]
fn a_refused_publish_leaves_no_id_and_no_message_elsewhere() {
    let mut peer = shared().channel();
    let name = declared(&mut peer, "fanout", "", window());
    let full = peer.queue_with(
        1,
        table! { "x-max-length" => 1i32, "x-overflow" => "reject-publish" },
    );
    let other = peer.queue(1);
    for queue in [&full, &other] {
        peer.bind(1, queue, &name, "");
    }
    peer.confirm(1);
    peer.publish_with(1, &name, "", "", &with_id("a"), "first");
    peer.acked_one(1, 1);
    peer.publish_with(1, &name, "", "", &with_id("b"), "refused");
    assert_eq!(peer.expect_method(1, 60, 120).number(0), 2);
    // What was taken is confirmed, full or not.
    peer.publish_with(1, &name, "", "", &with_id("a"), "again");
    peer.acked_one(1, 3);
    assert_eq!(texts(&mut peer, &full), ["first"]);
    peer.publish_with(1, &name, "", "", &with_id("b"), "taken");
    peer.acked_one(1, 4);
    assert_eq!(texts(&mut peer, &full), ["taken"]);
    assert_eq!(texts(&mut peer, &other), ["first", "taken"]);
    gone(&mut peer, &name);
}

#[test]
fn a_transaction_notes_its_ids_when_it_commits() {
    let mut peer = shared().channel();
    let name = declared(&mut peer, "fanout", "durable", window());
    let queue = peer.queue(1);
    peer.bind(1, &queue, &name, "");
    peer.ask(1, &tx::select(), &tx::select_ok());
    peer.publish_with(1, &name, "", "", &with_id("a"), "rolled back");
    peer.ask(1, &tx::rollback(), &tx::rollback_ok());
    let mut other = shared().channel();
    other.confirm(1);
    for text in ["first", "second"] {
        peer.publish_with(1, &name, "", "mandatory", &with_id("a"), text);
    }
    peer.publish_with(1, &name, "", "", &with_id("b"), "late");
    peer.publish_with(1, &name, "", "", &with_id("c"), "third");
    peer.has(1, &queue, 0, 0);
    // Somebody else is faster.
    other.publish_with(1, &name, "", "", &with_id("b"), "fast");
    other.acked_one(1, 1);
    peer.ask(1, &tx::commit(), &tx::commit_ok());
    peer.publish_with(1, &name, "", "mandatory", &with_id("c"), "fourth");
    peer.ask(1, &tx::commit(), &tx::commit_ok());
    assert_eq!(peer.get(1, &queue).unwrap().text(), "fast");
    assert_eq!(peer.get(1, &queue).unwrap().text(), "first");
    assert_eq!(peer.get(1, &queue).unwrap().text(), "third");
    assert_eq!(peer.get(1, &queue), None);
    gone(&mut other, &name);
}

#[test]
fn a_transaction_ends_though_its_exchange_goes_and_its_id_is_published_meanwhile() {
    let mut peer = shared().channel();
    let inner = declared(&mut peer, "fanout", "", window());
    let outer = declared(&mut peer, "fanout", "", table! {});
    peer.ask(
        1,
        &exchange::bind(&inner, &outer, "", table! {}),
        &exchange::bind_ok(),
    );
    let queue = peer.queue(1);
    peer.bind(1, &queue, &inner, "");
    peer.open(2);
    peer.ask(2, &tx::select(), &tx::select_ok());
    peer.publish_with(2, &outer, "", "", &with_id("one"), "in a transaction");
    // Answered behind the publish, which has been routed by then.
    peer.ask(2, &channel::flow(true), &channel::flow_ok(true));
    gone(&mut peer, &outer);
    peer.confirm(1);
    peer.publish_with(1, &inner, "", "", &with_id("one"), "first");
    peer.acked(1, 1);
    peer.ask(2, &tx::commit(), &tx::commit_ok());
    assert_eq!(texts(&mut peer, &queue), ["first"]);
    gone(&mut peer, &inner);
}

#[test]
fn of_many_publishers_at_once_one_wins() {
    let mut peer = shared().channel();
    let name = declared(&mut peer, "fanout", "durable", window());
    let queues = [peer.queue(1), peer.queue(1)];
    for queue in &queues {
        peer.bind(1, queue, &name, "");
    }
    thread::scope(|scope| {
        for publisher in 0..4 {
            let name = &name;
            scope.spawn(move || {
                let mut peer = shared().channel();
                peer.confirm(1);
                for number in 0..500 {
                    // Each in an order of its own.
                    let id = (number * (2 * publisher + 1)) % 500;
                    peer.publish_with(1, name, "", "", &with_id(&id.to_string()), id.to_string());
                }
                peer.acked(1, 500);
            });
        }
    });
    for queue in &queues {
        let mut found = texts(&mut peer, queue);
        assert_eq!(found.len(), 500);
        found.sort_unstable();
        found.dedup();
        assert_eq!(found.len(), 500);
    }
    gone(&mut peer, &name);
}

#[test]
fn dead_letters_are_no_duplicates() {
    let mut peer = shared().channel();
    let name = declared(&mut peer, "fanout", "", window());
    let source = peer.queue_with(
        1,
        table! { "x-message-ttl" => 1i32, "x-dead-letter-exchange" => name.as_str() },
    );
    let dead = peer.queue(1);
    peer.bind(1, &dead, &name, "");
    peer.publish_with(1, &name, "", "", &with_id("a"), "known");
    peer.publish_with(1, "", &source, "", &with_id("a"), "letter");
    peer.wait_ready(1, &dead, 2);
    assert_eq!(texts(&mut peer, &dead), ["known", "letter"]);
    gone(&mut peer, &name);
}

#[test]
fn a_delayed_message_is_known_from_its_publish_on() {
    let mut peer = shared().channel();
    peer.confirm(1);
    let arguments = table! { "x-delayed-type" => "fanout", "x-dedup-window" => 600_000i32 };
    let name = declared(&mut peer, "x-delayed-message", "durable", arguments);
    let queue = peer.queue(1);
    peer.bind(1, &queue, &name, "");
    let held = Properties {
        headers: Some(table! { "x-delay" => 200i32 }),
        ..with_id("a")
    };
    for text in ["held", "dropped"] {
        peer.publish_with(1, &name, "", "", &held, text);
    }
    peer.publish_with(1, &name, "", "", &with_id("a"), "dropped");
    peer.acked(1, 3);
    assert_eq!(peer.take_soon(1, &queue).text(), "held");
    peer.has(1, &queue, 0, 0);
    gone(&mut peer, &name);
    // The plugin's exchange may stand beneath, too.
    let arguments =
        table! { "x-delayed-type" => "x-message-deduplication", "x-cache-size" => 9i32 };
    let name = declared(&mut peer, "x-delayed-message", "", arguments);
    peer.bind(1, &queue, &name, "");
    let held = Properties {
        headers: Some(table! { "x-delay" => 50i32, "x-deduplication-header" => "a" }),
        ..Properties::default()
    };
    for text in ["held", "dropped"] {
        peer.publish_with(1, &name, "", "", &held, text);
    }
    peer.acked(1, 5);
    assert_eq!(peer.take_soon(1, &queue).text(), "held");
    peer.has(1, &queue, 0, 0);
    gone(&mut peer, &name);
}

#[test]
fn ids_go_with_their_exchange() {
    let mut peer = shared().channel();
    let name = declared(&mut peer, "fanout", "durable", window());
    let queue = peer.queue(1);
    for text in ["1", "2"] {
        peer.bind(1, &queue, &name, "");
        peer.publish_with(1, &name, "", "", &with_id("a"), text);
        gone(&mut peer, &name);
        let declare = exchange::declare(&name, "fanout", "durable", window());
        peer.ask(1, &declare, &exchange::declare_ok());
    }
    assert_eq!(texts(&mut peer, &queue), ["1", "2"]);
    gone(&mut peer, &name);
}

/// Exchanges that know on disk, that know in memory, and the queues behind them.
const DURABLE: [(&str, bool); 3] = [("own", true), ("disk", true), ("memory", false)];

fn prepared(peer: &mut Peer) {
    for (name, kind, arguments) in [
        ("own", "fanout", table! { "x-dedup-window" => 600_000i32 }),
        (
            "disk",
            "x-message-deduplication",
            table! { "x-cache-size" => 10_000i32, "x-cache-persistence" => "disk" },
        ),
        (
            "memory",
            "x-message-deduplication",
            table! { "x-cache-size" => 10_000i32 },
        ),
    ] {
        let declare = exchange::declare(name, kind, "durable", arguments);
        peer.ask(1, &declare, &exchange::declare_ok());
        let declare = queue::declare(name, "durable", table! {});
        peer.ask(1, &declare, &queue::declare_ok(name, 0, 0));
        peer.bind(1, name, name, "");
    }
}

fn numbered(number: u32) -> Properties {
    let id = number.to_string();
    Properties {
        message_id: Some(id.clone()),
        ..plugin(id.as_str())
    }
}

#[test]
fn confirmed_ids_outlive_the_process() {
    home::both_with(&["checkpoint_interval_size=1MiB"], |home, end| {
        let mut peer = home.channel();
        prepared(&mut peer);
        peer.confirm(1);
        let body = vec![b'x'; 1000];
        for number in 0..500 {
            for (name, _) in DURABLE {
                peer.publish_with(1, name, "", "", &numbered(number), &body);
            }
        }
        peer.acked(1, 1500);
        for (name, _) in DURABLE {
            peer.ask(1, &queue::purge(name, ""), &queue::purge_ok(500));
        }
        home.settle(end);
        // Twice, so that what a recovery found is written again.
        for round in 0..2 {
            home.restart(end);
            let mut peer = home.channel();
            peer.confirm(1);
            for number in 0..501 {
                for (name, _) in DURABLE {
                    peer.publish_with(1, name, "", "", &numbered(number), "again");
                }
            }
            peer.acked(1, 1503);
            let new = u32::from(round == 0);
            for (name, survives) in DURABLE {
                let expected = if survives { new } else { 501 };
                let (found, _) = peer.counts(1, name);
                assert_eq!(found, expected, "{name} after {end:?} {round}");
                let purged = queue::purge_ok(expected);
                peer.ask(1, &queue::purge(name, ""), &purged);
            }
            home.settle(end);
        }
    });
}

#[test]
fn a_publisher_that_repeats_what_was_not_confirmed_stores_each_message_once() {
    let mut home = Home::with(&["checkpoint_interval_size=1MiB"]);
    let mut peer = home.channel();
    let declare = exchange::declare("x", "fanout", "durable", window());
    peer.ask(1, &declare, &exchange::declare_ok());
    for name in ["q", "p"] {
        let declare = queue::declare(name, "durable", table! {});
        peer.ask(1, &declare, &queue::declare_ok(name, 0, 0));
        peer.bind(1, name, "x", "");
    }
    let mut next = 0u32;
    for _ in 0..8 {
        peer.confirm(1);
        // Half of it is confirmed; of the rest nobody knows, when the broker is killed.
        for number in next..next + 400 {
            peer.publish_with(1, "x", "", "", &numbered(number), vec![b'x'; 300]);
        }
        peer.acked(1, 200);
        next += 200;
        home.restart(End::Kill);
        peer = home.channel();
    }
    peer.confirm(1);
    for number in next..next + 200 {
        peer.publish_with(1, "x", "", "", &numbered(number), vec![b'x'; 300]);
    }
    peer.acked(1, 200);
    next += 200;
    for name in ["q", "p"] {
        let mut found = Vec::new();
        while let Some(got) = peer.take(1, name) {
            found.push(got.properties().message_id.unwrap().parse::<u32>().unwrap());
        }
        found.sort_unstable();
        assert_eq!(found, (0..next).collect::<Vec<_>>(), "{name}");
    }
}
