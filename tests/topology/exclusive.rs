//! Exclusive queues belong to a connection.

use crate::support::{basic, queue, shared};

#[test]
fn are_locked_for_other_connections() {
    let mut owner = shared().channel();
    let name = owner.queue(1);
    let mut other = shared().channel();
    let text = format!(
        "RESOURCE_LOCKED - cannot obtain exclusive access to locked queue '{name}' in vhost '/'. It could be originally declared on another connection or the exclusive property value does not match that of the original declaration."
    );
    let text = if text.len() > 255 {
        format!("{}...", &text[..252])
    } else {
        text
    };
    for method in [
        queue::declare(&name, "exclusive", table! {}),
        queue::declare(&name, "passive", table! {}),
        queue::declare(&name, "exclusive", table! { "x-max-length" => 1i32 }),
        queue::declare(&name, "", table! {}),
        queue::bind(&name, "amq.direct", "k", table! {}),
        queue::purge(&name, ""),
        queue::delete(&name, ""),
        basic::get(&name, ""),
        basic::consume(&name, "", "", table! {}),
    ] {
        other.refused(1, &method, 405, &text);
    }
    // Publishing to it is anybody's right.
    other.publish(1, "", &name, "from outside");
    owner.wait_ready(1, &name, 1);
}

#[test]
fn are_open_to_all_channels_of_their_connection() {
    let mut owner = shared().channel();
    owner.open(2);
    let name = owner.queue(1);
    owner.bind(2, &name, "amq.direct", &name);
    owner.publish(2, "amq.direct", &name, "x");
    owner.consume(2, &name, "t", "no-ack");
    assert_eq!(owner.delivery(2).text(), "x");
    owner.ask(2, &queue::delete(&name, ""), &queue::delete_ok(0));
}

#[test]
fn exclusive_false_by_the_owner_is_a_mismatch() {
    let mut owner = shared().channel();
    let name = owner.queue(1);
    owner.send(1, &queue::declare(&name, "", table! {}));
    let closed = owner.expect_method(1, 20, 40);
    assert_eq!(closed.number(0), 405, "{closed:?}");
}
