//! queue.declare: names, flags, equivalence, counts.

use crate::support::{Value, basic, queue, shared, unique};

fn server_named(peer: &mut crate::support::Peer) -> String {
    let ok = peer.call(1, &queue::declare("", "exclusive", table! {}));
    assert!(ok.is(50, 11), "{ok:?}");
    ok.text(0)
}

#[test]
fn the_server_makes_up_names() {
    let mut peer = shared().channel();
    let (one, two) = (server_named(&mut peer), server_named(&mut peer));
    assert_ne!(one, two);
    for name in [one, two] {
        let random = name.strip_prefix("amq.gen-").expect("amq.gen- prefix");
        assert_eq!(random.len(), 22, "{name}");
        let base64url = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        assert!(random.chars().all(base64url), "{name}");
        // The prefix stays reserved, also for what the server named.
        let again = queue::declare(&name, "exclusive", table! {});
        let text = format!("ACCESS_REFUSED - queue name '{name}' contains reserved prefix 'amq.*'");
        peer.refused(1, &again, 403, &text);
        peer.has(1, &name, 0, 0);
    }
}

#[test]
fn every_combination_of_flags() {
    let mut peer = shared().channel();
    for flags in [
        "",
        "durable",
        "exclusive",
        "auto-delete",
        "durable exclusive auto-delete",
    ] {
        let name = unique("q");
        for _ in 0..2 {
            let declare = queue::declare(&name, flags, table! {});
            peer.ask(1, &declare, &queue::declare_ok(&name, 0, 0));
        }
        let passive = queue::declare(&name, "passive", table! {});
        peer.ask(1, &passive, &queue::declare_ok(&name, 0, 0));
        peer.ask(1, &queue::delete(&name, ""), &queue::delete_ok(0));
    }
}

#[test]
fn nowait_is_not_answered_but_counts_as_last_declared() {
    let mut peer = shared().channel();
    let name = unique("q");
    peer.send(1, &queue::declare(&name, "exclusive nowait", table! {}));
    peer.ask(1, &queue::purge("", ""), &queue::purge_ok(0));
    peer.has(1, &name, 0, 0);
}

#[test]
fn a_reserved_name() {
    let mut peer = shared().channel();
    let declare = queue::declare("amq.mine", "", table! {});
    let text = "ACCESS_REFUSED - queue name 'amq.mine' contains reserved prefix 'amq.*'";
    peer.refused(1, &declare, 403, text);
    let passive = queue::declare("amq.mine", "passive", table! {});
    peer.refused(
        1,
        &passive,
        404,
        "NOT_FOUND - no queue 'amq.mine' in vhost '/'",
    );
}

#[test]
fn passive_of_a_missing_queue() {
    let mut peer = shared().channel();
    let passive = queue::declare("missing", "passive", table! {});
    peer.refused(
        1,
        &passive,
        404,
        "NOT_FOUND - no queue 'missing' in vhost '/'",
    );
    let passive = queue::declare("", "passive", table! {});
    peer.refused(1, &passive, 404, "NOT_FOUND - no queue '' in vhost '/'");
}

#[test]
fn without_a_declared_queue_the_empty_name_means_nothing() {
    let mut peer = shared().channel();
    let text = "NOT_FOUND - no previously declared queue";
    for method in [
        queue::bind("", "amq.direct", "", table! {}),
        queue::bind("", "amq.direct", "k", table! {}),
        queue::unbind("", "amq.direct", "k", table! {}),
        queue::purge("", ""),
        queue::delete("", ""),
        basic::get("", ""),
        basic::consume("", "", "", table! {}),
    ] {
        peer.refused(1, &method, 404, text);
    }
}

#[test]
fn the_last_declared_queue_is_the_channels_own() {
    let mut peer = shared().channel();
    peer.open(2);
    let name = peer.queue(1);
    peer.refused(
        2,
        &queue::purge("", ""),
        404,
        "NOT_FOUND - no previously declared queue",
    );
    // Also a passive declare counts, and a get or consume finds it.
    peer.counts(2, &name);
    peer.publish(2, "", &name, "x");
    assert_eq!(peer.take(2, "").expect("there").text(), "x");
    let ok = peer.call(2, &basic::consume("", "t", "", table! {}));
    assert_eq!(ok, basic::consume_ok("t"));
    peer.has(1, &name, 0, 1);
    peer.ask(2, &queue::delete("", ""), &queue::delete_ok(0));
}

#[test]
fn counts_ready_messages_and_consumers() {
    let mut peer = shared().channel();
    let name = peer.queue(1);
    for body in ["a", "b", "c"] {
        peer.publish(1, "", &name, body);
    }
    peer.has(1, &name, 3, 0);
    peer.get(1, &name).expect("there");
    peer.has(1, &name, 2, 0);
    peer.prefetch(1, 1);
    peer.consume(1, &name, "t", "");
    peer.delivery(1);
    peer.has(1, &name, 1, 1);
    let again = queue::declare(&name, "exclusive", table! {});
    peer.ask(1, &again, &queue::declare_ok(&name, 1, 1));
}

#[test]
fn flags_are_compared() {
    let mut peer = shared().channel();
    let name = unique("q");
    peer.ask(
        1,
        &queue::declare(&name, "", table! {}),
        &queue::declare_ok(&name, 0, 0),
    );
    for (flag, field) in [("durable", "durable"), ("auto-delete", "auto_delete")] {
        let text = format!(
            "PRECONDITION_FAILED - inequivalent arg '{field}' for queue '{name}' in vhost '/': received 'true' but current is 'false'"
        );
        peer.refused(1, &queue::declare(&name, flag, table! {}), 406, &text);
    }
    let text = format!(
        "RESOURCE_LOCKED - cannot obtain exclusive access to locked queue '{name}' in vhost '/'. It could be originally declared on another connection or the exclusive property value does not match that of the original declaration."
    );
    let text = if text.len() > 255 {
        format!("{}...", &text[..252])
    } else {
        text
    };
    peer.refused(
        1,
        &queue::declare(&name, "exclusive", table! {}),
        405,
        &text,
    );
    peer.ask(1, &queue::delete(&name, ""), &queue::delete_ok(0));
}

#[test]
fn durable_means_nothing_on_an_exclusive_queue() {
    let mut peer = shared().channel();
    let name = unique("q");
    for flags in ["exclusive durable", "exclusive", "exclusive durable"] {
        let declare = queue::declare(&name, flags, table! {});
        peer.ask(1, &declare, &queue::declare_ok(&name, 0, 0));
    }
}

#[test]
fn known_arguments_are_compared() {
    let mut peer = shared().channel();
    let cases: [(&str, Value, Value, &str); 6] = [
        (
            "x-message-ttl",
            1000i32.into(),
            2000i32.into(),
            "received '2000' but current is '1000'",
        ),
        (
            "x-expires",
            60_000i32.into(),
            1i32.into(),
            "received '1' but current is '60000'",
        ),
        (
            "x-max-length",
            5i32.into(),
            6i64.into(),
            "received '6' but current is '5'",
        ),
        (
            "x-max-length-bytes",
            5i32.into(),
            6i32.into(),
            "received '6' but current is '5'",
        ),
        (
            "x-dead-letter-exchange",
            "a".into(),
            "b".into(),
            "received 'b' but current is 'a'",
        ),
        (
            "x-max-length",
            5i32.into(),
            "5".into(),
            "received '5' but current is '5'",
        ),
    ];
    for (key, current, received, what) in cases {
        let name = peer.queue_with(1, table! { key => current });
        let text = format!(
            "PRECONDITION_FAILED - inequivalent arg '{key}' for queue '{name}' in vhost '/': {what}"
        );
        let other = queue::declare(&name, "exclusive", table! { key => received });
        peer.refused(1, &other, 406, &text);
    }
}

#[test]
fn a_missing_argument_is_told_with_its_type() {
    let mut peer = shared().channel();
    let name = peer.queue_with(1, table! { "x-message-ttl" => 1000i32 });
    let head = "PRECONDITION_FAILED - inequivalent arg 'x-message-ttl' for queue";
    let text = format!(
        "{head} '{name}' in vhost '/': received none but current is the value '1000' of type 'signedint'"
    );
    peer.refused(
        1,
        &queue::declare(&name, "exclusive", table! {}),
        406,
        &text,
    );
    let name = peer.queue(1);
    let text = format!(
        "{head} '{name}' in vhost '/': received the value '1000' of type 'long' but current is none"
    );
    let other = queue::declare(&name, "exclusive", table! { "x-message-ttl" => 1000i64 });
    peer.refused(1, &other, 406, &text);
}

#[test]
fn the_width_of_an_integer_does_not_matter() {
    let mut peer = shared().channel();
    let name = peer.queue_with(1, table! { "x-max-length" => 100i32 });
    let widths: [Value; 6] = [
        100i8.into(),
        100u8.into(),
        100i16.into(),
        100u16.into(),
        100u32.into(),
        100i64.into(),
    ];
    for value in widths {
        let again = queue::declare(&name, "exclusive", table! { "x-max-length" => value });
        peer.ask(1, &again, &queue::declare_ok(&name, 0, 0));
    }
}

#[test]
fn unknown_arguments_are_never_compared() {
    let mut peer = shared().channel();
    let name = peer.queue_with(1, table! { "my-own" => "thing", "x-ha-policy" => "all" });
    for arguments in [
        table! {},
        table! { "my-own" => 5i32 },
        table! { "x-unheard-of" => true },
    ] {
        let again = queue::declare(&name, "exclusive", arguments);
        peer.ask(1, &again, &queue::declare_ok(&name, 0, 0));
    }
}

#[test]
fn the_type_classic_may_be_named_or_not() {
    let mut peer = shared().channel();
    let name = peer.queue(1);
    let named = queue::declare(&name, "exclusive", table! { "x-queue-type" => "classic" });
    peer.ask(1, &named, &queue::declare_ok(&name, 0, 0));
    let name = peer.queue_with(1, table! { "x-queue-type" => "classic" });
    let silent = queue::declare(&name, "exclusive", table! {});
    peer.ask(1, &silent, &queue::declare_ok(&name, 0, 0));
}

#[test]
fn line_ends_are_stripped_from_names() {
    let mut peer = shared().channel();
    let name = unique("q");
    let (head, tail) = name.split_at(3);
    let broken = format!("{head}\r\n{tail}\n");
    let declare = queue::declare(&broken, "exclusive", table! {});
    peer.ask(1, &declare, &queue::declare_ok(&name, 0, 0));
    peer.ask(1, &queue::delete(&broken, ""), &queue::delete_ok(0));
}

#[test]
fn the_longest_name_works() {
    let mut peer = shared().channel();
    let mut name = unique("long");
    while name.len() < 255 {
        name.push('x');
    }
    let declare = queue::declare(&name, "exclusive", table! {});
    peer.ask(1, &declare, &queue::declare_ok(&name, 0, 0));
    peer.publish(1, "", &name, "x");
    assert_eq!(peer.take(1, &name).expect("there").routing_key, name);
}

#[test]
fn transient_shared_queues_are_accepted() {
    let mut peer = shared().channel();
    let name = unique("q");
    peer.ask(
        1,
        &queue::declare(&name, "", table! {}),
        &queue::declare_ok(&name, 0, 0),
    );
    peer.close();
    let mut peer = shared().channel();
    peer.ask(1, &queue::delete(&name, ""), &queue::delete_ok(0));
}
