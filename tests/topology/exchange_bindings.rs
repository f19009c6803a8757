//! exchange.bind and exchange.unbind; what is routed over them is in tests/basic/routing.rs.

use crate::support::{exchange, shared};

#[test]
fn bind_and_unbind_are_answered() {
    let mut peer = shared().channel();
    let (source, destination) = (peer.exchange(1, "fanout"), peer.exchange(1, "fanout"));
    let bind = exchange::bind(&destination, &source, "k", table! {});
    peer.ask(1, &bind, &exchange::bind_ok());
    peer.ask(1, &bind, &exchange::bind_ok());
    let unbind = exchange::unbind(&destination, &source, "k", table! {});
    peer.ask(1, &unbind, &exchange::unbind_ok());
}

#[test]
fn what_is_missing_is_named() {
    let mut peer = shared().channel();
    let text = "NOT_FOUND - no exchange 'missing' in vhost '/'";
    for (destination, source) in [("missing", "amq.direct"), ("amq.direct", "missing")] {
        peer.refused(
            1,
            &exchange::bind(destination, source, "k", table! {}),
            404,
            text,
        );
    }
}

#[test]
fn unbind_succeeds_whatever_is_missing() {
    let mut peer = shared().channel();
    for (destination, source) in [
        ("missing", "amq.direct"),
        ("amq.direct", "missing"),
        ("amq.fanout", "amq.direct"),
    ] {
        let unbind = exchange::unbind(destination, source, "never", table! {});
        peer.ask(1, &unbind, &exchange::unbind_ok());
    }
}

#[test]
fn nowait_is_not_answered() {
    let mut peer = shared().channel();
    let (source, destination) = (peer.exchange(1, "fanout"), peer.exchange(1, "fanout"));
    let queue = peer.queue(1);
    peer.bind(1, &queue, &destination, "");
    let bind = exchange::bind(&destination, &source, "", table! {});
    peer.send(1, &exchange::nowait(bind));
    peer.publish(1, &source, "", "x");
    peer.has(1, &queue, 1, 0);
    let unbind = exchange::unbind(&destination, &source, "", table! {});
    peer.send(1, &exchange::nowait(unbind));
    peer.has(1, &queue, 1, 0);
}

#[test]
fn an_exchange_may_be_bound_to_itself() {
    let mut peer = shared().channel();
    let name = peer.exchange(1, "fanout");
    let queue = peer.queue(1);
    peer.bind(1, &queue, &name, "");
    peer.ask(
        1,
        &exchange::bind(&name, &name, "", table! {}),
        &exchange::bind_ok(),
    );
    peer.publish(1, &name, "", "once");
    peer.has(1, &queue, 1, 0);
    peer.ask(1, &exchange::delete(&name, ""), &exchange::delete_ok());
}
