//! queue.bind and queue.unbind: identity, the last declared queue, headers' arguments.

use crate::support::{Value, exchange, queue, shared, unique};

#[test]
fn a_second_equal_binding_is_the_same() {
    let mut peer = shared().channel();
    let name = peer.exchange(1, "direct");
    let queue = peer.queue(1);
    peer.bind(1, &queue, &name, "k");
    peer.bind(1, &queue, &name, "k");
    peer.bind(1, &queue, &name, "other");
    peer.publish(1, &name, "k", "once");
    peer.has(1, &queue, 1, 0);
    // One unbind removes it.
    peer.ask(
        1,
        &queue::unbind(&queue, &name, "k", table! {}),
        &queue::unbind_ok(),
    );
    peer.publish(1, &name, "k", "not at all");
    peer.has(1, &queue, 1, 0);
}

#[test]
fn bindings_differ_by_their_arguments() {
    let mut peer = shared().channel();
    let name = peer.exchange(1, "direct");
    let queue = peer.queue(1);
    let with = table! { "b" => 1i32, "a" => 2i32 };
    peer.bind(1, &queue, &name, "the exchange stays");
    peer.bind(1, &queue, &name, "k");
    peer.ask(1, &queue::bind(&queue, &name, "k", with), &queue::bind_ok());
    peer.ask(
        1,
        &queue::unbind(&queue, &name, "k", table! {}),
        &queue::unbind_ok(),
    );
    peer.publish(1, &name, "k", "by the other");
    peer.has(1, &queue, 1, 0);
    // The order of the arguments does not matter.
    let sorted = table! { "a" => 2i32, "b" => 1i32 };
    peer.ask(
        1,
        &queue::unbind(&queue, &name, "k", sorted),
        &queue::unbind_ok(),
    );
    peer.publish(1, &name, "k", "by none");
    peer.has(1, &queue, 1, 0);
}

#[test]
fn what_is_missing_is_named_exchange_first() {
    let mut peer = shared().channel();
    let queue = peer.queue(1);
    let no_exchange = "NOT_FOUND - no exchange 'missing' in vhost '/'";
    let no_queue = "NOT_FOUND - no queue 'nobody' in vhost '/'";
    peer.refused(
        1,
        &queue::bind(&queue, "missing", "k", table! {}),
        404,
        no_exchange,
    );
    peer.refused(
        1,
        &queue::bind("nobody", "amq.direct", "k", table! {}),
        404,
        no_queue,
    );
    peer.refused(
        1,
        &queue::bind("nobody", "missing", "k", table! {}),
        404,
        no_exchange,
    );
}

#[test]
fn unbind_succeeds_whatever_is_missing() {
    let mut peer = shared().channel();
    let queue = peer.queue(1);
    for method in [
        queue::unbind(&queue, "amq.direct", "never bound", table! {}),
        queue::unbind(&queue, "missing", "k", table! {}),
        queue::unbind("nobody", "amq.direct", "k", table! {}),
        queue::unbind("nobody", "missing", "k", table! {}),
    ] {
        peer.ask(1, &method, &queue::unbind_ok());
    }
}

#[test]
fn nowait_is_not_answered() {
    let mut peer = shared().channel();
    let name = peer.exchange(1, "fanout");
    let queue = peer.queue(1);
    peer.send(1, &queue::nowait(queue::bind(&queue, &name, "", table! {})));
    peer.publish(1, &name, "", "x");
    peer.has(1, &queue, 1, 0);
}

#[test]
fn empty_queue_and_key_mean_the_last_declared_queue() {
    let mut peer = shared().channel();
    let name = peer.exchange(1, "direct");
    let queue = peer.queue(1);
    peer.ask(1, &queue::bind("", &name, "", table! {}), &queue::bind_ok());
    peer.publish(1, &name, &queue, "by its name");
    peer.publish(1, &name, "", "not by the empty key");
    peer.has(1, &queue, 1, 0);
    peer.ask(1, &queue::purge("", ""), &queue::purge_ok(1));
    // With a key, only the queue is filled in.
    peer.ask(
        1,
        &queue::bind("", &name, "k", table! {}),
        &queue::bind_ok(),
    );
    peer.publish(1, &name, "k", "by the key");
    peer.has(1, &queue, 1, 0);
    peer.ask(
        1,
        &queue::unbind("", &name, "k", table! {}),
        &queue::unbind_ok(),
    );
    peer.publish(1, &name, "k", "no more");
    peer.has(1, &queue, 1, 0);
    // A given queue keeps its empty key.
    peer.bind(1, &queue, &name, "");
    peer.publish(1, &name, "", "by the empty key");
    peer.has(1, &queue, 2, 0);
}

#[test]
fn x_match_is_checked() {
    let mut peer = shared().channel();
    let queue = peer.queue(1);
    let bind = |value: Value| queue::bind(&queue, "amq.headers", "", table! { "x-match" => value });
    let text = "PRECONDITION_FAILED - Invalid x-match field value <<\"foo\">>; expected all, any, all-with-x, or any-with-x";
    peer.refused(1, &bind("foo".into()), 406, text);
    let text =
        "PRECONDITION_FAILED - Invalid x-match field type signedint (value 1); expected longstr";
    peer.refused(1, &bind(1i32.into()), 406, text);
    for kind in ["all", "any", "all-with-x", "any-with-x"] {
        peer.ask(1, &bind(kind.into()), &queue::bind_ok());
    }
}

#[test]
fn the_trace_exchange_can_be_bound() {
    let mut peer = shared().channel();
    let queue = peer.queue(1);
    peer.bind(1, &queue, "amq.rabbitmq.trace", "#");
}

#[test]
fn a_deleted_queue_takes_its_bindings_along() {
    let mut peer = shared().channel();
    let name = unique("x");
    peer.ask(
        1,
        &exchange::declare(&name, "fanout", "", table! {}),
        &exchange::declare_ok(),
    );
    let queue = peer.queue(1);
    peer.bind(1, &queue, &name, "");
    peer.ask(1, &queue::delete(&queue, ""), &queue::delete_ok(0));
    let again = queue::declare(&queue, "exclusive", table! {});
    peer.ask(1, &again, &queue::declare_ok(&queue, 0, 0));
    peer.publish(1, &name, "", "nobody");
    peer.has(1, &queue, 0, 0);
    peer.ask(
        1,
        &exchange::delete(&name, "if-unused"),
        &exchange::delete_ok(),
    );
}
