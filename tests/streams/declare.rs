//! What a stream is declared as, and the methods that it does not have.

use super::stream::{consume, declared, filled};
use crate::support::{Table, Value, basic, channel, eventually, queue, shared, unique};

#[test]
fn what_it_is_not_declared_as() {
    let mut peer = shared().channel();
    let name = unique("stream");
    let resource = format!("queue '{name}' in vhost '/'");
    for (flags, property) in [
        ("", "non-durable"),
        ("durable exclusive", "exclusive-owner"),
        ("durable auto-delete", "auto-delete"),
    ] {
        let declare = queue::declare(&name, flags, table! { "x-queue-type" => "stream" });
        let text = format!("PRECONDITION_FAILED - invalid property '{property}' for {resource}");
        peer.refused(1, &declare, 406, &text);
    }
    for key in [
        "x-message-ttl",
        "x-expires",
        "x-max-length",
        "x-max-priority",
        "x-delivery-limit",
    ] {
        let arguments = table! { "x-queue-type" => "stream", key => Value::I32(5) };
        let text = format!(
            "PRECONDITION_FAILED - invalid arg '{key}' for {resource} of queue type rabbit_stream_queue"
        );
        peer.refused(1, &queue::declare(&name, "durable", arguments), 406, &text);
    }
    for age in ["10", "1.5h", "0s", "abc", "", "-1s"] {
        let arguments = table! { "x-queue-type" => "stream", "x-max-age" => age };
        let text = format!(
            "PRECONDITION_FAILED - invalid arg 'x-max-age' for {resource}: invalid_max_age"
        );
        peer.refused(1, &queue::declare(&name, "durable", arguments), 406, &text);
    }
    let text =
        "PRECONDITION_FAILED - Cannot declare a server-named queue for type rabbit_stream_queue";
    let declare = queue::declare("", "durable", table! { "x-queue-type" => "stream" });
    peer.refused(1, &declare, 406, text);
}

#[test]
fn a_redeclare_with_another_age_is_refused() {
    let mut peer = shared().channel();
    let name = super::stream::declared_with(&mut peer, table! { "x-max-age" => "1h" });
    let arguments = table! { "x-queue-type" => "stream", "x-max-age" => "60m" };
    let text = format!(
        "PRECONDITION_FAILED - inequivalent arg 'x-max-age' for queue '{name}' in vhost '/': received '60m' but current is '1h'"
    );
    peer.refused(1, &queue::declare(&name, "durable", arguments), 406, &text);
}

#[test]
fn a_redeclare_does_not_compare_the_size_of_filters() {
    let mut peer = shared().channel();
    let name = declared(&mut peer);
    let arguments =
        table! { "x-queue-type" => "stream", "x-stream-filter-size-bytes" => Value::I32(20) };
    peer.ask(
        1,
        &queue::declare(&name, "durable", arguments),
        &queue::declare_ok(&name, 0, 0),
    );
}

#[test]
fn an_offset_that_is_none_is_named_before_a_priority() {
    let mut peer = shared().channel();
    let name = declared(&mut peer);
    let arguments = table! { "x-priority" => Value::I32(1), "x-stream-offset" => "10" };
    let text = format!(
        "PRECONDITION_FAILED - invalid arg 'x-stream-offset' for queue '{name}' in vhost '/': {{invalid_stream_offset_arg,{{longstr,<<\"10\">>}}}}"
    );
    peer.refused(1, &basic::consume(&name, "c", "", arguments), 406, &text);
}

#[test]
fn get_and_purge_close_the_connection() {
    let mut peer = shared().channel();
    let name = declared(&mut peer);
    let text = format!(
        "NOT_IMPLEMENTED - basic.get not supported by stream queues queue '{name}' in vhost '/'"
    );
    peer.fatal(1, &basic::get(&name, ""), 540, &text);
    let text = format!(
        "NOT_IMPLEMENTED - queue.purge not supported by stream queues queue '{name}' in vhost '/'"
    );
    let peer = shared().channel();
    peer.fatal(1, &queue::purge(&name, ""), 540, &text);
}

#[test]
fn a_consumer_needs_a_prefetch_and_acknowledges() {
    let mut peer = shared().channel();
    let name = declared(&mut peer);
    let resource = format!("queue '{name}' in vhost '/'");
    let text =
        format!("PRECONDITION_FAILED - consumer prefetch count is not set for stream {resource}");
    let bare = basic::consume(&name, "c", "", table! {});
    peer.refused(1, &bare, 406, &text);
    peer.ask(1, &basic::qos(0, 5, true), &basic::qos_ok());
    peer.refused(1, &bare, 406, &text);
    peer.prefetch(1, 1);
    let priority = basic::consume(&name, "c", "", table! { "x-priority" => Value::I32(1) });
    let text = format!(
        "PRECONDITION_FAILED - invalid arg 'x-priority' for {resource} of queue type rabbit_stream_queue"
    );
    peer.refused(1, &priority, 406, &text);
    peer.prefetch(1, 1);
    let text =
        format!("NOT_IMPLEMENTED - automatic acknowledgement not supported by stream {resource}");
    peer.fatal(
        1,
        &basic::consume(&name, "c", "no-ack", table! {}),
        540,
        &text,
    );
}

#[test]
fn arguments_that_mean_nothing_are_named() {
    let mut peer = shared().channel();
    let name = declared(&mut peer);
    let list = |values: Vec<Value>| Value::Array(values);
    let bad: Vec<(&str, Value)> = vec![
        ("x-stream-offset", "foo".into()),
        ("x-stream-offset", "0.5h".into()),
        ("x-stream-offset", "0s".into()),
        ("x-stream-offset", Value::Bool(true)),
        ("x-stream-offset", Value::F64(1.0)),
        ("x-stream-filter", list(vec![])),
        ("x-stream-filter", list(vec![Value::I32(5)])),
        ("x-stream-group", "".into()),
        ("x-stream-group", Value::I32(1)),
        ("x-single-active-consumer", Value::I32(1)),
        ("x-delivery-limit", "many".into()),
        ("x-dead-letter-exchange", Value::I32(1)),
    ];
    for (key, value) in bad {
        peer.prefetch(1, 1);
        let arguments = Table(vec![(key.to_owned(), value)]);
        let text =
            format!("PRECONDITION_FAILED - invalid arg '{key}' for queue '{name}' in vhost '/': ");
        peer.send(1, &basic::consume(&name, "c", "", arguments));
        let close = peer.next(1);
        assert!(close.is(20, 40) && close.number(0) == 406, "{close:?}");
        assert!(close.text(1).starts_with(&text), "{close:?}");
        peer.send(1, &channel::close_ok());
        peer.open(1);
    }
}

#[test]
fn deleting_it_cancels_its_consumers_whatever_is_in_it() {
    let mut peer = shared().channel();
    let name = filled(&mut peer, 3);
    let mut other = shared().channel();
    consume(&mut other, 1, &name, 1, table! {});
    let delete = queue::delete(&name, "if-unused if-empty");
    peer.ask(1, &delete, &queue::delete_ok(0));
    let cancel = other.expect_method(1, 60, 30);
    assert_eq!(cancel.text(0), "c1");
    let declare = queue::declare(&name, "durable", table! { "x-queue-type" => "stream" });
    peer.ask(1, &declare, &queue::declare_ok(&name, 0, 0));
}

#[test]
fn its_readers_are_not_counted_and_do_not_exclude_each_other() {
    let mut peer = shared().channel();
    let name = filled(&mut peer, 2);
    let mut other = shared().channel();
    for (peer, tag) in [(&mut peer, "a"), (&mut other, "b")] {
        peer.prefetch(1, 10);
        let first = table! { "x-stream-offset" => "first" };
        let consume = basic::consume(&name, tag, "exclusive", first);
        peer.ask(1, &consume, &basic::consume_ok(tag));
        assert_eq!(peer.texts(1, 2), ["0", "1"]);
    }
    eventually("the counts", || peer.counts(1, &name) == (2, 0));
}
