//! exchange.delete, and exchanges that delete themselves.

use crate::support::{Peer, exchange, queue, shared, unique};

fn gone(peer: &mut Peer, name: &str) {
    let passive = exchange::declare(name, "", "passive", table! {});
    let text = format!("NOT_FOUND - no exchange '{name}' in vhost '/'");
    peer.refused(1, &passive, 404, &text);
}

fn there(peer: &mut Peer, name: &str) {
    let passive = exchange::declare(name, "", "passive", table! {});
    peer.ask(1, &passive, &exchange::declare_ok());
}

#[test]
fn a_missing_exchange_is_deleted_with_success() {
    let mut peer = shared().channel();
    peer.ask(1, &exchange::delete("missing", ""), &exchange::delete_ok());
    peer.ask(
        1,
        &exchange::delete("missing", "if-unused"),
        &exchange::delete_ok(),
    );
}

#[test]
fn system_exchanges_stay() {
    let mut peer = shared().channel();
    for name in [
        "amq.direct",
        "amq.fanout",
        "amq.topic",
        "amq.headers",
        "amq.match",
    ] {
        let text = format!(
            "ACCESS_REFUSED - deletion of system exchange '{name}' in vhost '/' not allowed"
        );
        peer.refused(1, &exchange::delete(name, ""), 403, &text);
    }
}

#[test]
fn if_unused_looks_at_bindings_as_source() {
    let mut peer = shared().channel();
    let name = unique("x");
    peer.ask(
        1,
        &exchange::declare(&name, "fanout", "", table! {}),
        &exchange::declare_ok(),
    );
    // As a destination it counts as unused.
    let source = peer.exchange(1, "fanout");
    peer.ask(
        1,
        &exchange::bind(&name, &source, "", table! {}),
        &exchange::bind_ok(),
    );
    let queue = peer.queue(1);
    peer.bind(1, &queue, &name, "");
    let text = format!("PRECONDITION_FAILED - exchange '{name}' in vhost '/' in use");
    peer.refused(1, &exchange::delete(&name, "if-unused"), 406, &text);
    peer.ask(
        1,
        &queue::unbind(&queue, &name, "", table! {}),
        &queue::unbind_ok(),
    );
    peer.ask(
        1,
        &exchange::delete(&name, "if-unused"),
        &exchange::delete_ok(),
    );
    gone(&mut peer, &name);
}

#[test]
fn bindings_go_and_queues_stay() {
    let mut peer = shared().channel();
    let name = peer.exchange(1, "fanout");
    let queue = peer.queue(1);
    peer.bind(1, &queue, &name, "");
    peer.ask(1, &exchange::delete(&name, ""), &exchange::delete_ok());
    peer.has(1, &queue, 0, 0);
    // A new one of the same name has no bindings.
    peer.ask(
        1,
        &exchange::declare(&name, "fanout", "", table! {}),
        &exchange::declare_ok(),
    );
    peer.publish(1, &name, "", "nobody");
    peer.has(1, &queue, 0, 0);
    peer.ask(
        1,
        &exchange::delete(&name, "if-unused"),
        &exchange::delete_ok(),
    );
}

#[test]
fn auto_delete_goes_with_its_last_binding() {
    let mut peer = shared().channel();
    let name = peer.exchange(1, "direct");
    let queue = peer.queue(1);
    there(&mut peer, &name);
    peer.bind(1, &queue, &name, "a");
    peer.bind(1, &queue, &name, "b");
    peer.ask(
        1,
        &queue::unbind(&queue, &name, "a", table! {}),
        &queue::unbind_ok(),
    );
    there(&mut peer, &name);
    // Removing what is not bound triggers nothing.
    peer.ask(
        1,
        &queue::unbind(&queue, &name, "zzz", table! {}),
        &queue::unbind_ok(),
    );
    there(&mut peer, &name);
    peer.ask(
        1,
        &queue::unbind(&queue, &name, "b", table! {}),
        &queue::unbind_ok(),
    );
    gone(&mut peer, &name);
}

#[test]
fn auto_delete_goes_with_its_last_queue() {
    let mut peer = shared().channel();
    let name = peer.exchange(1, "direct");
    let queue = peer.queue(1);
    peer.bind(1, &queue, &name, "a");
    peer.ask(1, &queue::delete(&queue, ""), &queue::delete_ok(0));
    gone(&mut peer, &name);
}

#[test]
fn auto_delete_cascades() {
    let mut peer = shared().channel();
    let first = peer.exchange(1, "direct");
    let second = peer.exchange(1, "direct");
    let queue = peer.queue(1);
    peer.bind(1, &queue, &second, "a");
    peer.ask(
        1,
        &exchange::bind(&second, &first, "a", table! {}),
        &exchange::bind_ok(),
    );
    peer.ask(1, &queue::delete(&queue, ""), &queue::delete_ok(0));
    gone(&mut peer, &second);
    gone(&mut peer, &first);
}

#[test]
fn auto_delete_does_not_mind_being_a_destination() {
    let mut peer = shared().channel();
    let name = peer.exchange(1, "direct");
    let source = unique("x");
    peer.ask(
        1,
        &exchange::declare(&source, "direct", "", table! {}),
        &exchange::declare_ok(),
    );
    peer.ask(
        1,
        &exchange::bind(&name, &source, "a", table! {}),
        &exchange::bind_ok(),
    );
    peer.ask(
        1,
        &exchange::unbind(&name, &source, "a", table! {}),
        &exchange::unbind_ok(),
    );
    there(&mut peer, &name);
    peer.ask(1, &exchange::delete(&source, ""), &exchange::delete_ok());
    peer.ask(1, &exchange::delete(&name, ""), &exchange::delete_ok());
}
