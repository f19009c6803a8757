//! Queue arguments: wrong values and their texts (BEHAVIOURS 4.2).

use crate::support::{Table, Value, queue, shared, unique};

#[test]
fn wrong_values() {
    let mut peer = shared().channel();
    let too_long = "{value_too_large,315360000001}";
    let no_integer = "\"expected integer, got longstr\"";
    let cases: [(&str, Value, &str); 18] = [
        ("x-message-ttl", (-1i32).into(), "{value_negative,-1}"),
        ("x-message-ttl", 315_360_000_001i64.into(), too_long),
        ("x-message-ttl", "1000".into(), no_integer),
        ("x-expires", 0i32.into(), "{value_zero,0}"),
        ("x-expires", (-2i32).into(), "{value_negative,-2}"),
        ("x-expires", 315_360_000_001i64.into(), too_long),
        ("x-expires", "1".into(), no_integer),
        ("x-max-length", (-1i32).into(), "{value_negative,-1}"),
        (
            "x-max-length",
            true.into(),
            "\"expected integer, got bool\"",
        ),
        ("x-max-length-bytes", (-1i64).into(), "{value_negative,-1}"),
        ("x-max-length-bytes", "5".into(), no_integer),
        ("x-overflow", "nonsense".into(), "invalid_overflow"),
        ("x-overflow", 1i32.into(), "{unacceptable_type,signedint}"),
        (
            "x-queue-type",
            "foo".into(),
            "\"unsupported queue type 'foo'\"",
        ),
        ("x-queue-type", 1i32.into(), "{unacceptable_type,signedint}"),
        ("x-max-priority", 256i32.into(), "{max_value_exceeded,256}"),
        ("x-max-priority", (-1i32).into(), "{value_negative,-1}"),
        (
            "x-single-active-consumer",
            "true".into(),
            "{unacceptable_type,longstr}",
        ),
    ];
    for (key, value, reason) in cases {
        let name = unique("q");
        let declare = queue::declare(&name, "", table! { key => value });
        let resource = format!("queue '{name}' in vhost '/'");
        let text = format!("PRECONDITION_FAILED - invalid arg '{key}' for {resource}: {reason}");
        peer.refused(1, &declare, 406, &text);
    }
}

#[test]
fn limits_themselves_are_fine() {
    let mut peer = shared().channel();
    for (key, value) in [
        ("x-message-ttl", 0i64),
        ("x-message-ttl", 315_360_000_000),
        ("x-expires", 315_360_000_000),
        ("x-max-length", 0),
        ("x-max-length-bytes", i64::MAX),
    ] {
        let name = peer.queue_with(1, table! { key => value });
        peer.ask(1, &queue::delete(&name, ""), &queue::delete_ok(0));
    }
    peer.queue_with(1, table! { "x-overflow" => "drop-head" });
}

fn refused(arguments: Table, text: &str) {
    let mut peer = shared().channel();
    let name = unique("q");
    let text = text.replace("<R>", &format!("queue '{name}' in vhost '/'"));
    peer.refused(1, &queue::declare(&name, "", arguments), 406, &text);
}

#[test]
fn a_dead_letter_exchange_is_a_name() {
    let text =
        "PRECONDITION_FAILED - invalid type 'signedint' for arg 'x-dead-letter-exchange' in <R>";
    refused(table! { "x-dead-letter-exchange" => 1i32 }, text);
}

#[test]
fn a_dead_letter_key_needs_its_exchange() {
    let head = "PRECONDITION_FAILED - invalid arg 'x-dead-letter-routing-key' for <R>:";
    let key = "x-dead-letter-routing-key";
    refused(
        table! { key => "k" },
        &format!("{head} routing_key_but_no_dlx_defined"),
    );
    let both = table! { "x-dead-letter-exchange" => "", key => 1i32 };
    refused(both, &format!("{head} {{unacceptable_type,signedint}}"));
}

#[test]
fn arguments_of_other_queue_types() {
    let cases: [(&str, Value); 4] = [
        ("x-max-age", "1h".into()),
        ("x-dead-letter-strategy", "at-least-once".into()),
        ("x-quorum-initial-group-size", 1i32.into()),
        ("x-stream-max-segment-size-bytes", 1000i32.into()),
    ];
    for (key, value) in cases {
        let text = format!(
            "PRECONDITION_FAILED - invalid arg '{key}' for <R> of queue type rabbit_classic_queue"
        );
        refused(table! { key => value }, &text);
    }
}

#[test]
fn queue_mode_and_version() {
    let mut peer = shared().channel();
    for mode in ["default", "lazy"] {
        peer.queue_with(1, table! { "x-queue-mode" => mode });
    }
    for version in [1i32, 2] {
        peer.queue_with(1, table! { "x-queue-version" => version });
    }
    let text = "PRECONDITION_FAILED - invalid arg 'x-queue-mode' for <R>: \"unsupported queue mode 'foo'\"";
    refused(table! { "x-queue-mode" => "foo" }, text);
    let text = "PRECONDITION_FAILED - invalid arg 'x-queue-version' for <R>: \"unsupported queue version '3'\"";
    refused(table! { "x-queue-version" => 3i32 }, text);
}

#[test]
fn queue_mode_is_compared() {
    let mut peer = shared().channel();
    let name = peer.queue_with(1, table! { "x-queue-mode" => "lazy" });
    let text = format!(
        "PRECONDITION_FAILED - inequivalent arg 'x-queue-mode' for queue '{name}' in vhost '/': received 'default' but current is 'lazy'"
    );
    let other = queue::declare(&name, "exclusive", table! { "x-queue-mode" => "default" });
    peer.refused(1, &other, 406, &text);
}

#[test]
fn legacy_arguments_are_accepted_without_effect() {
    let mut peer = shared().channel();
    peer.queue_with(
        1,
        table! { "x-ha-policy" => "all", "x-queue-master-locator" => "min-masters" },
    );
}
