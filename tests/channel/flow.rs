//! flow: the server never stops, and a client may not.

use crate::support::{channel, shared};

#[test]
fn active_is_answered() {
    shared()
        .channel()
        .ask(1, &channel::flow(true), &channel::flow_ok(true));
}

#[test]
fn inactive_is_not_implemented() {
    shared().channel().fatal(
        1,
        &channel::flow(false),
        540,
        "NOT_IMPLEMENTED - active=false",
    );
}
