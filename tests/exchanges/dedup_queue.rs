//! Queues that drop duplicates: `x-dedup-window` and its like, and `x-message-deduplication` of RabbitMQ's community plugin.

use crate::support::{End, Home, Peer, Properties, Table, basic, home, queue, shared, tx, unique};

fn with_id(id: &str) -> Properties {
    Properties {
        message_id: Some(id.to_owned()),
        ..Properties::persistent()
    }
}

fn plugin(value: impl Into<crate::support::Value>) -> Properties {
    Properties {
        headers: Some(table! { "x-deduplication-header" => value.into() }),
        ..Properties::persistent()
    }
}

/// A durable queue.
fn declared(peer: &mut Peer, arguments: Table) -> String {
    let name = unique("q");
    let declare = queue::declare(&name, "durable", arguments);
    peer.ask(1, &declare, &queue::declare_ok(&name, 0, 0));
    name
}

fn texts(peer: &mut Peer, queue: &str) -> Vec<String> {
    let all = std::iter::from_fn(|| peer.take(1, queue));
    all.map(|one| one.text().to_owned()).collect()
}

#[test]
fn a_duplicate_is_confirmed_and_dropped() {
    let mut peer = shared().channel();
    peer.confirm(1);
    let queue = declared(&mut peer, table! { "x-dedup-window" => 600_000i32 });
    for (id, text) in [("a", "1"), ("b", "2"), ("a", "3"), ("a", "4"), ("b", "5")] {
        peer.publish_with(1, "", &queue, "", &with_id(id), text);
    }
    peer.acked(1, 5);
    assert_eq!(texts(&mut peer, &queue), ["1", "2"]);
    // Also when the first was consumed meanwhile, and for another publisher.
    let mut other = shared().channel();
    other.confirm(1);
    other.publish_with(1, "", &queue, "mandatory", &with_id("a"), "6");
    // Without an id nothing is a duplicate.
    for _ in 0..2 {
        other.publish(1, "", &queue, "no id");
    }
    other.acked(1, 3);
    assert_eq!(texts(&mut peer, &queue), ["no id", "no id"]);
    peer.ask(1, &queue::delete(&queue, ""), &queue::delete_ok(0));
}

#[test]
fn an_id_counts_among_the_last_so_many() {
    let mut peer = shared().channel();
    let queue = declared(&mut peer, table! { "x-dedup-size" => 2i32 });
    for (id, text) in [("a", "1"), ("b", "2"), ("c", "3"), ("c", "4"), ("a", "5")] {
        peer.publish_with(1, "", &queue, "", &with_id(id), text);
    }
    assert_eq!(texts(&mut peer, &queue), ["1", "2", "3", "5"]);
    peer.ask(1, &queue::delete(&queue, ""), &queue::delete_ok(0));
}

#[test]
fn an_id_counts_for_its_time() {
    let mut peer = shared().channel();
    let queue = declared(&mut peer, table! { "x-dedup-window" => 300i32 });
    let begun = std::time::Instant::now();
    peer.publish_with(1, "", &queue, "", &with_id("a"), "first");
    crate::support::eventually("the window is over", || {
        peer.publish_with(1, "", &queue, "", &with_id("a"), "second");
        peer.counts(1, &queue).0 == 2
    });
    assert!(begun.elapsed().as_millis() >= 290, "not before its time");
    assert_eq!(texts(&mut peer, &queue), ["first", "second"]);
    peer.ask(1, &queue::delete(&queue, ""), &queue::delete_ok(0));
}

#[test]
fn the_id_may_be_a_header() {
    let mut peer = shared().channel();
    let arguments = table! { "x-dedup-window" => 600_000i32, "x-dedup-header" => "order" };
    let queue = declared(&mut peer, arguments);
    let order = |value: crate::support::Value| Properties {
        headers: Some(table! { "order" => value }),
        ..with_id("same")
    };
    for (value, text) in [
        (1i32.into(), "1"),
        (1i64.into(), "one again"),
        ("1".into(), "text"),
        ("2".into(), "2"),
        ("2".into(), "two again"),
    ] {
        peer.publish_with(1, "", &queue, "", &order(value), text);
    }
    assert_eq!(texts(&mut peer, &queue), ["1", "text", "2"]);
    peer.ask(1, &queue::delete(&queue, ""), &queue::delete_ok(0));
}

#[test]
fn dead_letters_and_requeued_messages_are_no_duplicates() {
    let mut peer = shared().channel();
    let dead = declared(&mut peer, table! { "x-dedup-window" => 600_000i32 });
    let arguments = table! {
        "x-dedup-window" => 600_000i32,
        "x-dead-letter-exchange" => "",
        "x-dead-letter-routing-key" => dead.as_str()
    };
    let source = declared(&mut peer, arguments);
    // The id is known where the letter goes.
    peer.publish_with(1, "", &dead, "", &with_id("a"), "known");
    peer.publish_with(1, "", &source, "", &with_id("a"), "letter");
    let first = peer.get(1, &source).unwrap();
    peer.send(1, &basic::nack(first.tag, "requeue"));
    let again = peer.get(1, &source).unwrap();
    assert_eq!(again.text(), "letter");
    peer.send(1, &basic::reject(again.tag, ""));
    peer.wait_ready(1, &dead, 2);
    assert_eq!(texts(&mut peer, &dead), ["known", "letter"]);
    for name in [source, dead] {
        peer.ask(1, &queue::delete(&name, ""), &queue::delete_ok(0));
    }
}

#[test]
fn a_rolled_back_publish_leaves_no_id() {
    let mut peer = shared().channel();
    let queue = declared(&mut peer, table! { "x-dedup-window" => 600_000i32 });
    peer.ask(1, &tx::select(), &tx::select_ok());
    peer.publish_with(1, "", &queue, "", &with_id("a"), "rolled back");
    peer.ask(1, &tx::rollback(), &tx::rollback_ok());
    for text in ["first", "second"] {
        peer.publish_with(1, "", &queue, "", &with_id("a"), text);
    }
    peer.ask(1, &tx::commit(), &tx::commit_ok());
    peer.publish_with(1, "", &queue, "", &with_id("a"), "third");
    peer.ask(1, &tx::commit(), &tx::commit_ok());
    let got = peer.get(1, &queue).unwrap();
    assert_eq!(got.text(), "first");
    peer.has(1, &queue, 0, 0);
    peer.ask(1, &queue::delete(&queue, ""), &queue::delete_ok(0));
}

#[test]
fn a_refused_publish_leaves_no_id() {
    let mut peer = shared().channel();
    let arguments = table! {
        "x-dedup-window" => 600_000i32,
        "x-max-length" => 1i32,
        "x-overflow" => "reject-publish"
    };
    let queue = declared(&mut peer, arguments);
    peer.confirm(1);
    peer.publish_with(1, "", &queue, "", &with_id("a"), "first");
    peer.acked_one(1, 1);
    peer.publish_with(1, "", &queue, "", &with_id("b"), "refused");
    let nack = peer.expect_method(1, 60, 120);
    assert_eq!(nack.number(0), 2);
    // What is there already is confirmed, full or not.
    peer.publish_with(1, "", &queue, "", &with_id("a"), "again");
    peer.acked_one(1, 3);
    assert_eq!(texts(&mut peer, &queue), ["first"]);
    peer.publish_with(1, "", &queue, "", &with_id("b"), "taken");
    peer.acked_one(1, 4);
    assert_eq!(texts(&mut peer, &queue), ["taken"]);
    peer.ask(1, &queue::delete(&queue, ""), &queue::delete_ok(0));
}

#[test]
fn a_confirmed_id_outlives_the_process_even_if_its_message_was_consumed() {
    home::both(|home, end| {
        let arguments = table! { "x-dedup-window" => 600_000i32 };
        let mut peer = home.channel();
        let declare = queue::declare("q", "durable", arguments.clone());
        peer.ask(1, &declare, &queue::declare_ok("q", 0, 0));
        peer.confirm(1);
        for number in 0..500 {
            peer.publish_with(1, "", "q", "", &with_id(&format!("{number}")), "x");
        }
        peer.acked(1, 500);
        while peer.counts(1, "q").0 > 0 {
            peer.take(1, "q");
        }
        home.settle(end);
        // Twice, so that what a recovery found is written again.
        for _ in 0..2 {
            home.restart(end);
            let mut peer = home.channel();
            peer.confirm(1);
            for number in 0..500 {
                peer.publish_with(1, "", "q", "", &with_id(&format!("{number}")), "again");
            }
            peer.acked(1, 500);
            let left = peer.counts(1, "q").0;
            assert_eq!(left, 0, "{end:?}: duplicates were stored");
        }
    });
}

#[test]
fn ids_survive_checkpoints() {
    let mut home = Home::with(&["checkpoint_interval_size=1MiB"]);
    let mut peer = home.channel();
    let declare = queue::declare("q", "durable", table! { "x-dedup-size" => 20_000i32 });
    peer.ask(1, &declare, &queue::declare_ok("q", 0, 0));
    peer.confirm(1);
    let body = vec![7; 1000];
    for number in 0..6000 {
        peer.publish_with(1, "", "q", "", &with_id(&format!("{number}")), &body);
    }
    peer.acked(1, 6000);
    crate::support::eventually("there is a checkpoint", || {
        !home.files("checkpoint-").is_empty()
    });
    home.restart(End::Kill);
    let mut peer = home.channel();
    peer.confirm(1);
    for number in 0..6001 {
        peer.publish_with(1, "", "q", "", &with_id(&format!("{number}")), "x");
    }
    peer.acked(1, 6001);
    assert_eq!(peer.counts(1, "q").0, 6001, "one of them is new");
}

#[test]
fn a_message_is_dropped_while_one_with_its_header_is_in_the_queue() {
    let mut peer = shared().channel();
    peer.confirm(1);
    let queue = declared(&mut peer, table! { "x-message-deduplication" => true });
    for text in ["1", "dropped"] {
        peer.publish_with(1, "", &queue, "", &plugin("a"), text);
    }
    peer.publish_with(1, "", &queue, "", &plugin("b"), "2");
    peer.publish_with(1, "", &queue, "", &plugin(7i32), "3");
    peer.publish_with(1, "", &queue, "", &plugin(7i64), "dropped");
    for _ in 0..2 {
        peer.publish_with(1, "", &queue, "", &with_id("no header"), "free");
    }
    peer.acked(1, 7);
    // Unacknowledged, it is still in the queue; requeued, too.
    let first = peer.get(1, &queue).unwrap();
    peer.publish_with(1, "", &queue, "", &plugin("a"), "dropped");
    peer.send(1, &basic::nack(first.tag, "requeue"));
    peer.publish_with(1, "", &queue, "", &plugin("a"), "dropped");
    peer.acked_one(1, 8);
    peer.acked_one(1, 9);
    let first = peer.get(1, &queue).unwrap();
    assert_eq!(first.text(), "1");
    peer.send(1, &basic::ack(first.tag, ""));
    peer.publish_with(1, "", &queue, "", &plugin("a"), "again");
    peer.acked_one(1, 10);
    assert_eq!(
        texts(&mut peer, &queue),
        ["2", "3", "free", "free", "again"]
    );
    // And after a purge.
    peer.publish_with(1, "", &queue, "", &plugin("a"), "purged");
    peer.acked_one(1, 11);
    peer.ask(1, &queue::purge(&queue, ""), &queue::purge_ok(1));
    peer.publish_with(1, "", &queue, "", &plugin("a"), "after");
    peer.acked_one(1, 12);
    assert_eq!(texts(&mut peer, &queue), ["after"]);
    peer.ask(1, &queue::delete(&queue, ""), &queue::delete_ok(0));
}

#[test]
fn what_is_in_the_queue_is_known_after_a_restart() {
    home::both(|home, end| {
        let mut peer = home.channel();
        let declare = queue::declare("q", "durable", table! { "x-message-deduplication" => true });
        peer.ask(1, &declare, &queue::declare_ok("q", 0, 0));
        peer.confirm(1);
        for id in ["a", "b", "c"] {
            peer.publish_with(1, "", "q", "", &plugin(id), id);
        }
        peer.acked(1, 3);
        assert_eq!(peer.take(1, "q").unwrap().text(), "a");
        home.settle(end);
        home.restart(end);
        let mut peer = home.channel();
        peer.confirm(1);
        for id in ["a", "b", "c"] {
            peer.publish_with(1, "", "q", "", &plugin(id), format!("{id} again"));
        }
        peer.acked(1, 3);
        assert_eq!(texts(&mut peer, "q"), ["b", "c", "a again"]);
    });
}

#[test]
fn arguments_of_another_kind_are_refused() {
    let mut peer = shared().channel();
    for (key, value, reason) in [
        (
            "x-dedup-window",
            crate::support::Value::from(0i32),
            "{value_zero,0}",
        ),
        (
            "x-dedup-window",
            "1".into(),
            "\"expected integer, got longstr\"",
        ),
        ("x-dedup-size", 0i32.into(), "{value_zero,0}"),
        ("x-dedup-size", (-1i32).into(), "{value_negative,-1}"),
        (
            "x-dedup-size",
            100_000_001i32.into(),
            "{value_too_large,100000001}",
        ),
        (
            "x-dedup-header",
            1i32.into(),
            "\"expected string, got signedint\"",
        ),
        (
            "x-dedup-header",
            "".into(),
            "\"expected the name of a header\"",
        ),
    ] {
        let name = unique("q");
        let declare = queue::declare(&name, "", table! { key => value });
        let text = format!(
            "PRECONDITION_FAILED - invalid arg '{key}' for queue '{name}' in vhost '/': {reason}"
        );
        peer.refused(1, &declare, 406, &text);
    }
}
