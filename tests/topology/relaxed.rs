//! `relaxed_redeclare` and `x-relaxed-redeclare`: a declare of what is there with other arguments does not break its client.

use crate::support::{Broker, exchange, queue, shared, unique};

#[test]
fn with_the_setting_other_arguments_and_flags_are_accepted_and_logged() {
    let broker = Broker::with(&["relaxed_redeclare=true"]);
    let mut peer = broker.channel();
    let name = unique("q");
    let ok = queue::declare_ok(&name, 0, 0);
    let first = table! { "x-max-length" => 1i32 };
    peer.ask(1, &queue::declare(&name, "durable", first), &ok);
    for (flags, arguments) in [
        ("durable", table! {}),
        ("durable", table! { "x-max-length" => 7i32 }),
        (
            "durable",
            table! { "x-queue-type" => "quorum", "x-max-length" => 1i32 },
        ),
        ("auto-delete", table! {}),
    ] {
        peer.ask(1, &queue::declare(&name, flags, arguments), &ok);
    }
    // What is there stays as it is.
    for body in ["1", "2"] {
        peer.publish(1, "", &name, body);
    }
    peer.has(1, &name, 1, 0);
    let line = broker.find("redeclare accepted");
    assert!(line.contains("x-max-length"), "{line}");
    // Exclusive use is no argument.
    let text = format!(
        "RESOURCE_LOCKED - cannot obtain exclusive access to locked queue '{name}' in vhost '/'. It could be originally declared on another connection or the exclusive property value does not match that of the original declaration."
    );
    peer.refused(
        1,
        &queue::declare(&name, "exclusive", table! {}),
        405,
        &text,
    );
    let source = unique("x");
    for (flags, arguments) in [
        ("durable", table! {}),
        ("", table! {}),
        ("durable", table! { "alternate-exchange" => "amq.fanout" }),
    ] {
        let declare = exchange::declare(&source, "direct", flags, arguments);
        peer.ask(1, &declare, &exchange::declare_ok());
    }
    let text = format!(
        "PRECONDITION_FAILED - inequivalent arg 'type' for exchange '{source}' in vhost '/': received 'topic' but current is 'direct'"
    );
    let topic = exchange::declare(&source, "topic", "durable", table! {});
    peer.refused(1, &topic, 406, &text);
}

#[test]
fn a_queue_may_say_it_for_itself() {
    decided!("Leveret's own argument");
    let mut peer = shared().channel();
    let name = unique("q");
    let ok = queue::declare_ok(&name, 0, 0);
    let arguments = table! { "x-relaxed-redeclare" => true };
    peer.ask(1, &queue::declare(&name, "exclusive", arguments), &ok);
    let other = table! { "x-message-ttl" => 5i32 };
    peer.ask(1, &queue::declare(&name, "exclusive", other), &ok);
}
