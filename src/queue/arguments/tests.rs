//! The texts are those of a running RabbitMQ 4.0.5, queue for queue.

use super::*;
use crate::wire::reply::Scope;
use amq_protocol::types::{ByteArray, DecimalValue, FieldArray};

const QUEUE: &str = "queue 'q' in vhost '/'";

fn text(value: &str) -> AMQPValue {
    AMQPValue::LongString(value.into())
}

fn int(value: i64) -> AMQPValue {
    i32::try_from(value).map_or(AMQPValue::LongLongInt(value), AMQPValue::LongInt)
}

fn yes() -> AMQPValue {
    AMQPValue::Boolean(true)
}

fn table(fields: &[(&str, AMQPValue)]) -> FieldTable {
    let mut table = FieldTable::default();
    for (name, value) in fields {
        table.insert(ShortString::from(*name), value.clone());
    }
    table
}

fn declare(fields: &[(&str, AMQPValue)]) -> Result<QueueArguments, Reply> {
    parse(QUEUE, &table(fields), true, false, false, false)
}

/// What follows `invalid arg '<name>' for queue 'q' in vhost '/'`.
#[track_caller]
fn refused_with(kind: &str, name: &str, value: AMQPValue, tail: &str) {
    let reply = declare(&[(QUEUE_TYPE, text(kind)), (name, value)]).unwrap_err();
    assert_eq!((reply.scope, reply.code), (Scope::Channel, 406));
    assert_eq!(
        reply.text,
        format!("PRECONDITION_FAILED - invalid arg '{name}' for {QUEUE}{tail}")
    );
}

#[test]
fn a_declare_without_arguments_is_a_classic_queue_without_limits() {
    assert_eq!(declare(&[]).unwrap(), QueueArguments::default());
    assert_eq!(
        declare(&[(QUEUE_TYPE, text("classic"))]).unwrap().kind,
        QueueKind::Classic
    );
}

#[test]
fn a_queue_says_what_its_confirms_wait_for() {
    let sync = |value| declare(&[("x-sync", text(value))]).unwrap().sync;
    assert_eq!(sync("fsync"), Some(Urgency::Synced));
    assert_eq!(sync("os"), Some(Urgency::Written));
    assert_eq!(declare(&[]).unwrap().sync, None);
}

#[test]
fn every_argument_that_works_is_typed() {
    let arguments = declare(&[
        ("x-message-ttl", int(0)),
        ("x-expires", AMQPValue::ShortShortUInt(9)),
        ("x-max-length", AMQPValue::LongUInt(u32::MAX)),
        ("x-max-length-bytes", int(1 << 40)),
        ("x-overflow", text("reject-publish")),
        ("x-single-active-consumer", yes()),
        ("x-delivery-limit", int(-1)),
        ("x-relaxed-redeclare", yes()),
        ("x-dead-letter-exchange", text("")),
        ("x-dead-letter-routing-key", text("key")),
        ("x-consumer-timeout", int(1000)),
    ]);
    assert_eq!(
        arguments.unwrap(),
        QueueArguments {
            kind: QueueKind::Classic,
            message_ttl_ms: Some(0),
            expires_ms: Some(9),
            max_length: Some(u64::from(u32::MAX)),
            max_length_bytes: Some(1 << 40),
            overflow: Overflow::RejectPublish,
            at_least_once: false,
            single_active: true,
            delivery_limit: Some(-1),
            relaxed_redeclare: true,
            dead_letter_exchange: Some("".into()),
            dead_letter_routing_key: Some("key".into()),
            consumer_timeout_ms: Some(1000),
            sync: None,
            dedup: None,
            max_priority: 0,
            group_header: None,
            retry: None,
            exact_ttl: false,
            retain_acked_ms: None,
            max_age_ms: None,
            partitions: 0,
            partition_key: None,
            segment_bytes: None,
        }
    );
}

#[test]
fn values_without_effect_are_accepted() {
    for (name, value) in [
        ("x-single-active-consumer", AMQPValue::Boolean(false)),
        ("x-overflow", text("drop-head")),
        ("x-max-priority", int(0)),
        ("x-queue-mode", text("default")),
        ("x-queue-mode", text("lazy")),
        ("x-queue-version", int(1)),
        ("x-queue-version", int(2)),
        ("x-queue-leader-locator", text("balanced")),
        ("x-queue-master-locator", int(1)),
        ("x-exact-ttl", AMQPValue::Boolean(false)),
        ("x-stream-filter-size-bytes", int(16)),
        ("x-ha-policy", text("all")),
        ("x-message-ttl", int(315_360_000_000)),
        (QUEUE_TYPE, text("undefined")),
        ("foo", AMQPValue::Void),
    ] {
        assert_eq!(declare(&[(name, value)]).map(|_| ()), Ok(()), "{name}");
    }
}

#[test]
fn numbers_must_be_integers_and_in_range() {
    for name in [
        "x-message-ttl",
        "x-expires",
        "x-max-length",
        "x-max-length-bytes",
        "x-max-priority",
        "x-queue-version",
    ] {
        refused_with("classic", name, int(-1), ": {value_negative,-1}");
        for (value, kind) in [
            (text("a"), "longstr"),
            (yes(), "bool"),
            (AMQPValue::Void, "void"),
            (AMQPValue::Float(1.0), "float"),
            (AMQPValue::Double(1.0), "double"),
            (AMQPValue::Timestamp(1), "timestamp"),
            (
                AMQPValue::DecimalValue(DecimalValue {
                    scale: 1,
                    value: 15,
                }),
                "decimal",
            ),
            (AMQPValue::FieldTable(table(&[])), "table"),
            (AMQPValue::FieldArray(FieldArray::default()), "array"),
            (AMQPValue::ByteArray(ByteArray::from(&b"a"[..])), "binary"),
        ] {
            refused_with(
                "classic",
                name,
                value,
                &format!(": \"expected integer, got {kind}\""),
            );
        }
    }
    refused_with(
        "classic",
        "x-message-ttl",
        int(315_360_000_001),
        ": {value_too_large,315360000001}",
    );
    refused_with(
        "classic",
        "x-expires",
        int(315_360_000_001),
        ": {value_too_large,315360000001}",
    );
    refused_with("classic", "x-expires", int(0), ": {value_zero,0}");
    refused_with("classic", "x-expires", int(-2), ": {value_negative,-2}");
    refused_with(
        "classic",
        "x-max-priority",
        int(256),
        ": {max_value_exceeded,256}",
    );
    refused_with(
        "classic",
        "x-queue-version",
        int(3),
        ": \"unsupported queue version '3'\"",
    );
    refused_with(
        "classic",
        "x-queue-version",
        int(0),
        ": \"unsupported queue version '0'\"",
    );
    refused_with(
        "quorum",
        "x-quorum-initial-group-size",
        int(0),
        ": {value_zero,0}",
    );
    refused_with(
        "quorum",
        "x-quorum-initial-group-size",
        int(-1),
        ": {value_negative,-1}",
    );
    refused_with(
        "quorum",
        "x-max-in-memory-length",
        int(-1),
        ": {value_negative,-1}",
    );
    refused_with(
        "stream",
        "x-initial-cluster-size",
        int(0),
        ": {value_zero,0}",
    );
    refused_with(
        "stream",
        "x-stream-max-segment-size-bytes",
        int(-1),
        ": {value_negative,-1}",
    );
}

#[test]
fn texts_must_be_known_ones() {
    refused_with("classic", "x-overflow", text("foo"), ": invalid_overflow");
    refused_with(
        "classic",
        "x-overflow",
        int(1),
        ": {unacceptable_type,signedint}",
    );
    refused_with(
        "classic",
        "x-queue-mode",
        text("foo"),
        ": \"unsupported queue mode 'foo'\"",
    );
    refused_with(
        "classic",
        "x-sync",
        text("never"),
        ": \"unsupported sync 'never'\"",
    );
    refused_with("classic", "x-sync", yes(), ": {unacceptable_type,bool}");
    refused_with(
        "classic",
        "x-queue-mode",
        int(1),
        ": {unacceptable_type,signedint}",
    );
    refused_with(
        "classic",
        "x-single-active-consumer",
        text("a"),
        ": {unacceptable_type,longstr}",
    );
    refused_with(
        "classic",
        "x-queue-leader-locator",
        text("foo"),
        ": invalid_queue_locator_arg",
    );
    refused_with(
        "classic",
        "x-queue-leader-locator",
        int(1),
        ": {unacceptable_type,signedint}",
    );
    refused_with(
        "quorum",
        "x-dead-letter-strategy",
        text("foo"),
        ": invalid_dlx_strategy",
    );
    refused_with(
        "quorum",
        "x-dead-letter-strategy",
        int(1),
        ": {unacceptable_type,signedint}",
    );
    for age in ["abc", "-1D", "1", "0D", "1DD", ""] {
        refused_with("stream", "x-max-age", text(age), ": invalid_max_age");
    }
    refused_with(
        "stream",
        "x-max-age",
        int(1),
        ": {unacceptable_type,signedint}",
    );
    let kind = |value| declare(&[(QUEUE_TYPE, value)]).unwrap_err().text;
    let head = format!("PRECONDITION_FAILED - invalid arg 'x-queue-type' for {QUEUE}: ");
    assert_eq!(
        kind(text("foo")),
        format!("{head}\"unsupported queue type 'foo'\"")
    );
    assert_eq!(
        kind(text("")),
        format!("{head}\"unsupported queue type ''\"")
    );
    assert_eq!(
        kind(int(1)),
        format!("{head}{{unacceptable_type,signedint}}")
    );
    assert_eq!(
        kind(AMQPValue::Void),
        format!("{head}{{unacceptable_type,void}}")
    );
}

#[test]
fn a_dead_letter_routing_key_needs_an_exchange() {
    let name = "x-dead-letter-routing-key";
    refused_with(
        "classic",
        name,
        text("a"),
        ": routing_key_but_no_dlx_defined",
    );
    refused_with("classic", name, int(1), ": {unacceptable_type,signedint}");
    let long = declare(&[
        ("x-dead-letter-exchange", text("")),
        (name, text(&"a".repeat(256))),
    ])
    .unwrap_err();
    assert_eq!(
        long.text,
        format!(
            "PRECONDITION_FAILED - invalid arg '{name}' for {QUEUE}: \"routing key of 256 bytes is longer than 255\""
        )
    );
    // The exchange's type has a text of its own and comes before everything else.
    let reply = declare(&[
        ("x-dead-letter-exchange", int(1)),
        (QUEUE_TYPE, text("foo")),
    ])
    .unwrap_err();
    assert_eq!(
        reply.text,
        format!(
            "PRECONDITION_FAILED - invalid type 'signedint' for arg 'x-dead-letter-exchange' in {QUEUE}"
        )
    );
}

#[test]
fn an_argument_of_another_kind_is_refused() {
    for (kind, module, names) in [
        (
            "classic",
            "rabbit_classic_queue",
            &[
                "x-dead-letter-strategy",
                "x-quorum-initial-group-size",
                "x-max-in-memory-length",
                "x-max-in-memory-bytes",
                "x-max-age",
                "x-stream-max-segment-size-bytes",
                "x-initial-cluster-size",
            ][..],
        ),
        (
            "quorum",
            "rabbit_quorum_queue",
            &[
                "x-max-priority",
                "x-queue-mode",
                "x-queue-version",
                "x-max-age",
                "x-queue-master-locator",
            ][..],
        ),
        (
            "stream",
            "rabbit_stream_queue",
            &[
                "x-message-ttl",
                "x-max-length",
                "x-expires",
                "x-single-active-consumer",
                "x-overflow",
                "x-dead-letter-exchange",
                "x-dead-letter-routing-key",
                "x-max-priority",
                "x-quorum-initial-group-size",
            ][..],
        ),
    ] {
        for name in names {
            let value = text("");
            refused_with(kind, name, value, &format!(" of queue type {module}"));
        }
    }
}

#[test]
fn values_are_checked_in_rabbitmqs_order_and_before_foreign_arguments() {
    let first = |fields: &[(&str, AMQPValue)]| {
        let text = declare(fields).unwrap_err().text;
        text.split('\'').nth(1).unwrap().to_owned()
    };
    assert_eq!(
        first(&[("x-max-length", int(-1)), ("x-expires", int(0))]),
        "x-expires"
    );
    assert_eq!(
        first(&[
            ("x-max-length", int(-1)),
            ("x-dead-letter-strategy", int(1))
        ]),
        "x-max-length"
    );
    assert_eq!(
        first(&[("x-max-age", text("a")), ("x-dead-letter-strategy", int(1))]),
        "x-dead-letter-strategy"
    );
}

#[test]
fn quorum_queues_and_streams_refuse_names_and_properties_that_do_not_fit_them() {
    for (kind, module) in [
        ("quorum", "rabbit_quorum_queue"),
        ("stream", "rabbit_stream_queue"),
    ] {
        let with =
            |arguments: &[(&str, AMQPValue)], durable, exclusive, auto_delete, server_named| {
                let mut fields = vec![(QUEUE_TYPE, text(kind))];
                fields.extend_from_slice(arguments);
                parse(
                    QUEUE,
                    &table(&fields),
                    durable,
                    exclusive,
                    auto_delete,
                    server_named,
                )
                .unwrap_err()
                .text
            };
        let server_named =
            format!("PRECONDITION_FAILED - Cannot declare a server-named queue for type {module}");
        assert_eq!(with(&[], true, false, false, true), server_named);
        assert_eq!(
            with(
                &[("x-dead-letter-exchange", int(1))],
                false,
                true,
                false,
                true
            ),
            server_named
        );
        let property =
            |name| format!("PRECONDITION_FAILED - invalid property '{name}' for {QUEUE}");
        assert_eq!(with(&[], false, true, true, false), property("auto-delete"));
        assert_eq!(
            with(&[], false, true, false, false),
            property("exclusive-owner")
        );
        assert_eq!(
            with(&[], false, false, false, false),
            property("non-durable")
        );
        assert!(
            with(&[("x-max-length-bytes", int(-1))], false, true, true, false)
                .ends_with("{value_negative,-1}")
        );
    }
    let stream = |name, value| {
        declare(&[(QUEUE_TYPE, text("stream")), (name, value)])
            .unwrap_err()
            .text
    };
    assert_eq!(
        stream("x-stream-max-segment-size-bytes", int(3_000_000_001)),
        "PRECONDITION_FAILED - Exceeded max value for x-stream-max-segment-size-bytes"
    );
    for value in [int(15), int(256), text("s")] {
        assert_eq!(
            stream("x-stream-filter-size-bytes", value),
            "PRECONDITION_FAILED - Invalid value for  x-stream-filter-size-bytes"
        );
    }
}

#[test]
fn the_kind_is_always_stored() {
    let kept = stored(&table(&[("foo", int(1))]), QueueKind::Classic);
    assert_eq!(
        kept,
        table(&[("foo", int(1)), (QUEUE_TYPE, text("classic"))])
    );
}

/// What follows `inequivalent arg `, or nothing when the arguments are equivalent.
fn difference(existing: &[(&str, AMQPValue)], received: &[(&str, AMQPValue)]) -> String {
    match equivalent(&table(existing), &table(received), QUEUE) {
        Ok(()) => String::new(),
        Err(reply) => {
            assert_eq!((reply.scope, reply.code), (Scope::Channel, 406));
            let head = "PRECONDITION_FAILED - inequivalent arg ";
            reply.text.strip_prefix(head).unwrap().replace(QUEUE, "Q")
        }
    }
}

#[test]
fn equal_arguments_are_equivalent_whatever_the_width_of_their_numbers() {
    for (existing, received) in [
        (vec![], vec![]),
        (vec![], vec![(QUEUE_TYPE, text("classic"))]),
        (vec![(QUEUE_TYPE, text("classic"))], vec![]),
        (
            vec![("x-max-length", int(1))],
            vec![("x-max-length", AMQPValue::ShortShortInt(1))],
        ),
        (vec![], vec![("foo", int(1)), ("x-ha-policy", text("all"))]),
        // Unknown to the classic queue that exists.
        (vec![], vec![("x-max-age", int(1))]),
    ] {
        assert_eq!(difference(&existing, &received), "");
    }
}

#[test]
fn the_first_argument_that_differs_is_named_in_rabbitmqs_words() {
    let ttl = |value: i64| vec![("x-message-ttl", int(value))];
    let received =
        |value: AMQPValue| difference(&[("x-max-length", int(1))], &[("x-max-length", value)]);
    let added = |value: AMQPValue| difference(&[], &[("x-max-length", value)]);
    let differs = |tail: &str| format!("'x-max-length' for Q: received {tail} but current is '1'");
    let is_new =
        |tail: &str| format!("'x-max-length' for Q: received the value {tail} but current is none");
    assert_eq!(
        difference(&[], &ttl(1)),
        "'x-message-ttl' for Q: received the value '1' of type 'signedint' but current is none"
    );
    assert_eq!(
        difference(&ttl(1000), &[]),
        "'x-message-ttl' for Q: received none but current is the value '1000' of type 'signedint'"
    );
    assert_eq!(
        difference(&ttl(1), &ttl(2)),
        "'x-message-ttl' for Q: received '2' but current is '1'"
    );
    assert_eq!(
        difference(&ttl(1), &[("x-message-ttl", text("1"))]),
        "'x-message-ttl' for Q: received '1' but current is '1'"
    );
    assert_eq!(
        difference(&[], &[(QUEUE_TYPE, text("quorum"))]),
        "'x-queue-type' for Q: received 'quorum' but current is 'classic'"
    );
    assert_eq!(
        difference(&[], &[(QUEUE_TYPE, int(1))]),
        "'x-queue-type' for Q: received '1' but current is 'classic'"
    );
    assert_eq!(
        difference(&[("x-max-length", int(1)), ("x-expires", int(9))], &[]),
        "'x-expires' for Q: received none but current is the value '9' of type 'signedint'"
    );
    assert_eq!(
        difference(
            &[],
            &[("x-single-active-consumer", AMQPValue::Boolean(false))]
        ),
        "'x-single-active-consumer' for Q: received the value 'false' of type 'bool' but current is none"
    );
    assert_eq!(
        difference(&[], &[("x-queue-mode", text("lazy"))]),
        "'x-queue-mode' for Q: received the value 'lazy' of type 'longstr' but current is none"
    );

    let nested = AMQPValue::FieldTable(table(&[("a", int(1)), ("b", text("c"))]));
    let array = AMQPValue::FieldArray(vec![int(1), text("a"), AMQPValue::Void, yes()].into());
    assert_eq!(
        received(nested),
        differs("'[{<<\"a\">>,signedint,1},{<<\"b\">>,longstr,<<\"c\">>}]'")
    );
    assert_eq!(
        received(array),
        differs("'[{signedint,1},{longstr,<<\"a\">>},{void,undefined},{bool,true}]'")
    );
    assert_eq!(received(AMQPValue::Void), differs("none"));
    assert_eq!(
        received(AMQPValue::Timestamp(1_577_836_800)),
        differs("'1577836800'")
    );
    assert_eq!(received(int(1 << 40)), differs("'1099511627776'"));
    assert_eq!(added(AMQPValue::Void), is_new("'undefined' of type 'void'"));
    assert_eq!(
        added(int(1 << 40)),
        is_new("'1099511627776' of type 'long'")
    );
    let decimal = AMQPValue::DecimalValue(DecimalValue {
        scale: 1,
        value: 15,
    });
    assert_eq!(added(decimal), is_new("'{1,15}' of type 'decimal'"));
}

#[test]
fn consumers_may_have_a_priority_and_nothing_of_a_stream() {
    let consume =
        |name: &str, value| parse_consumer(QUEUE, &table(&[(name, value)]), QueueKind::Classic);
    assert_eq!(
        parse_consumer(QUEUE, &table(&[]), QueueKind::Classic).unwrap(),
        ConsumerArguments::default()
    );
    assert_eq!(consume("x-priority", int(-5)).unwrap().priority, -5);
    assert_eq!(
        consume("x-priority", int(1 << 40)).unwrap().priority,
        1 << 40
    );
    assert_eq!(
        consume("x-consumer-timeout", int(5)).unwrap().timeout_ms,
        Some(5)
    );
    assert!(consume("x-cancel-on-ha-failover", int(1)).is_ok());
    assert!(consume("foo", AMQPValue::Void).is_ok());
    for (value, kind) in [
        (text("a"), "longstr"),
        (yes(), "bool"),
        (AMQPValue::Void, "void"),
    ] {
        assert_eq!(
            consume("x-priority", value).unwrap_err().text,
            format!(
                "PRECONDITION_FAILED - invalid arg 'x-priority' for {QUEUE}: \"expected integer, got {kind}\""
            )
        );
    }
    for name in [
        "x-stream-offset",
        "x-stream-filter",
        "x-stream-match-unfiltered",
    ] {
        assert_eq!(
            consume(name, text("first")).unwrap_err().text,
            format!(
                "PRECONDITION_FAILED - invalid arg '{name}' for {QUEUE} of queue type rabbit_classic_queue"
            )
        );
    }
}

#[test]
fn an_expiration_is_a_decimal_number_of_milliseconds() {
    for (text, milliseconds) in [
        ("0", 0),
        ("5", 5),
        ("+5", 5),
        ("-0", 0),
        ("00005", 5),
        ("315360000000", 315_360_000_000),
    ] {
        assert_eq!(expiration(text.as_bytes()), Ok(milliseconds));
    }
    for (text, reason) in [
        ("abc", "no_integer"),
        ("", "no_integer"),
        (" 5", "no_integer"),
        ("-", "no_integer"),
        ("é", "no_integer"),
        ("5s", "{leftover_string,\"s\"}"),
        ("-5s", "{leftover_string,\"s\"}"),
        ("5.0", "{leftover_string,\".0\"}"),
        ("5 ", "{leftover_string,\" \"}"),
        ("5\"s", "{leftover_string,\"\\\"s\"}"),
        ("5\n", "{leftover_string,\"\\n\"}"),
        ("5\\", "{leftover_string,\"\\\\\"}"),
        ("5é", "{leftover_string,\"Ã©\"}"),
        ("5\u{1}", "{leftover_string,[1]}"),
        ("-5", "{value_negative,-5}"),
        ("315360000001", "{value_too_large,315360000001}"),
        (
            "99999999999999999999999",
            "{value_too_large,99999999999999999999999}",
        ),
        (
            "-99999999999999999999999",
            "{value_negative,-99999999999999999999999}",
        ),
    ] {
        let reply = expiration(text.as_bytes()).unwrap_err();
        assert_eq!((reply.scope, reply.code), (Scope::Channel, 406));
        assert_eq!(
            reply.text,
            format!("PRECONDITION_FAILED - invalid expiration '{text}': {reason}")
        );
    }
}
