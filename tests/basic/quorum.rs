//! Quorum queues and delivery limits (BEHAVIOURS 4.2, 6.8).

use crate::support::{Peer, Properties, Table, Value, basic, channel, queue, shared, unique};

fn declared_with(peer: &mut Peer, more: Table) -> String {
    let name = unique("quorum");
    let mut arguments = table! { "x-queue-type" => "quorum" };
    arguments.0.extend(more.0);
    peer.ask(
        1,
        &queue::declare(&name, "durable", arguments),
        &queue::declare_ok(&name, 0, 0),
    );
    name
}

fn declared(peer: &mut Peer) -> String {
    declared_with(peer, table! {})
}

fn count(headers: &Table) -> Option<i64> {
    match headers.get("x-delivery-count") {
        Some(Value::I64(count)) => Some(*count),
        None => None,
        Some(other) => panic!("{other:?}"),
    }
}

#[test]
fn what_it_is_not_declared_as() {
    let mut peer = shared().channel();
    let name = unique("quorum");
    let resource = format!("queue '{name}' in vhost '/'");
    for (flags, property) in [
        ("", "non-durable"),
        ("durable exclusive", "exclusive-owner"),
        ("durable auto-delete", "auto-delete"),
    ] {
        let declare = queue::declare(&name, flags, table! { "x-queue-type" => "quorum" });
        let text = format!("PRECONDITION_FAILED - invalid property '{property}' for {resource}");
        peer.refused(1, &declare, 406, &text);
    }
    for (key, value) in [
        ("x-max-priority", Value::I32(5)),
        ("x-queue-mode", "lazy".into()),
        ("x-queue-version", Value::I32(2)),
    ] {
        let arguments = table! { "x-queue-type" => "quorum", key => value };
        let text = format!(
            "PRECONDITION_FAILED - invalid arg '{key}' for {resource} of queue type rabbit_quorum_queue"
        );
        peer.refused(1, &queue::declare(&name, "durable", arguments), 406, &text);
    }
    let text =
        "PRECONDITION_FAILED - Cannot declare a server-named queue for type rabbit_quorum_queue";
    let declare = queue::declare("", "durable", table! { "x-queue-type" => "quorum" });
    peer.refused(1, &declare, 406, text);
}

#[test]
fn what_it_takes() {
    let mut peer = shared().channel();
    let name = declared_with(
        &mut peer,
        table! {
            "x-quorum-initial-group-size" => 3i32, "x-delivery-limit" => -1i32, "x-max-length" => 5i32,
            "x-max-in-memory-length" => 1i32, "x-max-in-memory-bytes" => 1i32,
            "x-queue-leader-locator" => "balanced", "x-message-ttl" => 60_000i32
        },
    );
    let text = format!(
        "PRECONDITION_FAILED - inequivalent arg 'x-max-length' for queue '{name}' in vhost '/': received none but current is the value '5' of type 'signedint'"
    );
    let arguments = table! { "x-queue-type" => "quorum", "x-message-ttl" => 60_000i32 };
    peer.refused(1, &queue::declare(&name, "durable", arguments), 406, &text);
    peer.ask(1, &queue::delete(&name, ""), &queue::delete_ok(0));
}

#[test]
fn the_kind_is_part_of_a_redeclare() {
    let mut peer = shared().channel();
    let name = declared(&mut peer);
    let text = format!(
        "PRECONDITION_FAILED - inequivalent arg 'x-queue-type' for queue '{name}' in vhost '/': received 'classic' but current is 'quorum'"
    );
    for arguments in [table! {}, table! { "x-queue-type" => "classic" }] {
        peer.refused(1, &queue::declare(&name, "durable", arguments), 406, &text);
    }
    peer.ask(1, &queue::delete(&name, ""), &queue::delete_ok(0));
}

#[test]
fn conditional_deletion_is_not_offered() {
    for condition in ["unused", "empty"] {
        let mut peer = shared().channel();
        let name = declared(&mut peer);
        let text = format!(
            "NOT_IMPLEMENTED - cannot delete queue '{name}' in vhost '/'. queue.delete operations with if-{condition} flag set are not supported by quorum queues"
        );
        let delete = queue::delete(&name, &format!("if-{condition}"));
        peer.fatal(1, &delete, 540, &text);
        shared()
            .channel()
            .ask(1, &queue::delete(&name, ""), &queue::delete_ok(0));
    }
}

#[test]
fn a_shared_prefetch_limit_is_not_offered() {
    let mut peer = shared().channel();
    let name = declared(&mut peer);
    peer.ask(1, &basic::qos(0, 5, true), &basic::qos_ok());
    let text = format!("NOT_IMPLEMENTED - queue '{name}' in vhost '/' does not support global qos");
    peer.fatal(1, &basic::consume(&name, "t", "", table! {}), 540, &text);
    shared()
        .channel()
        .ask(1, &queue::delete(&name, ""), &queue::delete_ok(0));
}

#[test]
fn deliveries_say_how_often_they_came_back() {
    let mut peer = shared().channel();
    let name = declared(&mut peer);
    peer.confirm(1);
    let properties = Properties::headers(table! { "mine" => 1i32 });
    peer.publish_with(1, "", &name, "", &properties, "x");
    peer.acked(1, 1);
    peer.open(2);
    peer.consume(2, &name, "t", "");
    let first = peer.delivery(2);
    assert_eq!((count(&first.headers()), first.redelivered), (None, false));
    peer.send(2, &basic::reject(first.tag, "requeue"));
    let second = peer.delivery(2);
    assert_eq!(
        (count(&second.headers()), second.redelivered),
        (Some(1), true)
    );
    assert_eq!(second.headers().get("mine"), Some(&Value::I32(1)));
    peer.send(2, &basic::nack(second.tag, "requeue"));
    assert_eq!(count(&peer.delivery(2).headers()), Some(2));
    // A channel that goes counts, too.
    peer.ask(2, &channel::close(), &channel::close_ok());
    peer.wait_ready(1, &name, 1);
    let last = peer.take_soon(1, &name);
    assert_eq!(count(&last.headers()), Some(3));
    peer.call(1, &queue::delete(&name, ""));
}

/// Gives the message back until it is gone; returns how often it was delivered.
fn returns(peer: &mut Peer, name: &str) -> u32 {
    let mut deliveries = 0;
    while let Some(delivery) = peer.get(1, name) {
        deliveries += 1;
        peer.send(1, &basic::reject(delivery.tag, "requeue"));
        peer.quiet(1, name);
        assert!(deliveries < 40);
    }
    deliveries
}

#[test]
fn the_default_limit_is_20() {
    let mut peer = shared().channel();
    let name = declared(&mut peer);
    peer.confirm(1);
    peer.publish(1, "", &name, "poison");
    peer.acked(1, 1);
    assert_eq!(returns(&mut peer, &name), 21);
    peer.call(1, &queue::delete(&name, ""));
}

#[test]
fn beyond_the_limit_it_is_dead_lettered() {
    let mut peer = shared().channel();
    let grave = peer.queue(1);
    let letters = table! { "x-dead-letter-exchange" => "", "x-dead-letter-routing-key" => &grave };
    let mut arguments = table! { "x-delivery-limit" => 2i32 };
    arguments.0.extend(letters.0.clone());
    let name = declared_with(&mut peer, arguments.clone());
    peer.confirm(1);
    peer.publish(1, "", &name, "poison");
    peer.acked(1, 1);
    assert_eq!(returns(&mut peer, &name), 3);
    let letter = peer.take_soon(1, &grave);
    let deaths = letter.deaths();
    assert_eq!(deaths[0].str("reason"), "delivery_limit");
    assert_eq!(deaths[0].str("queue"), name);
    peer.call(1, &queue::delete(&name, ""));
    decided!("RabbitMQ refuses a delivery limit on classic queues");
    peer.open(2);
    let classic = peer.queue_with(1, arguments);
    peer.publish(2, "", &classic, "poison");
    peer.wait_ready(1, &classic, 1);
    assert_eq!(returns(&mut peer, &classic), 3);
    assert_eq!(
        peer.take_soon(1, &grave).deaths()[0].str("reason"),
        "delivery_limit"
    );
    // None unless asked for.
    let plain = peer.queue(1);
    peer.publish(2, "", &plain, "x");
    peer.wait_ready(1, &plain, 1);
    for _ in 0..30 {
        let delivery = peer.get(1, &plain).expect("still there");
        assert_eq!(count(&delivery.headers()), None);
        peer.send(1, &basic::reject(delivery.tag, "requeue"));
        peer.wait_ready(1, &plain, 1);
    }
}

#[test]
fn a_limit_of_a_classic_queue_is_a_number() {
    decided!("RabbitMQ refuses a delivery limit on classic queues");
    let mut peer = shared().channel();
    let name = unique("q");
    let declare = queue::declare(&name, "", table! { "x-delivery-limit" => "5" });
    let text = format!(
        "PRECONDITION_FAILED - invalid arg 'x-delivery-limit' for queue '{name}' in vhost '/': \"expected integer, got longstr\""
    );
    peer.refused(1, &declare, 406, &text);
}

#[test]
fn exclusive_consumers_are_not_known() {
    let mut peer = shared().channel();
    let name = declared(&mut peer);
    peer.consume(1, &name, "a", "exclusive");
    peer.consume(1, &name, "b", "");
    peer.call(1, &queue::delete(&name, ""));
}
