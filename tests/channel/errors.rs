//! A channel's error is that channel's own; a connection's error is everybody's.

use crate::support::{basic, channel, queue, shared};

#[test]
fn the_other_channels_go_on() {
    let mut peer = shared().channel();
    peer.open(2);
    let name = peer.queue(2);
    peer.consume(2, &name, "t", "no-ack");
    let passive = queue::declare("missing", "passive", table! {});
    peer.refused(
        1,
        &passive,
        404,
        "NOT_FOUND - no queue 'missing' in vhost '/'",
    );
    peer.publish(1, "", &name, "still here");
    assert_eq!(peer.delivery(2).text(), "still here");
}

#[test]
fn the_failing_method_is_named() {
    let mut peer = shared().channel();
    let text = "NOT_FOUND - no queue 'missing' in vhost '/'";
    for method in [
        queue::declare("missing", "passive", table! {}),
        queue::purge("missing", ""),
        queue::bind("missing", "amq.direct", "k", table! {}),
        basic::get("missing", ""),
        basic::consume("missing", "", "", table! {}),
    ] {
        peer.refused(1, &method, 404, text);
    }
}

#[test]
fn an_error_on_every_channel_leaves_the_connection() {
    let mut peer = shared().peer();
    for number in 1..=50 {
        peer.open(number);
        peer.send(number, &basic::ack(1, ""));
    }
    for number in 1..=50 {
        let text = "PRECONDITION_FAILED - unknown delivery tag 1";
        peer.expect_channel_close(number, 406, text, 60, 80);
    }
    peer.open(1);
    peer.close();
}

#[test]
fn a_connection_error_ends_all_channels_and_their_queues() {
    let mut peer = shared().channel();
    let name = peer.queue(1);
    peer.open(2);
    peer.fatal(
        2,
        &channel::flow(false),
        540,
        "NOT_IMPLEMENTED - active=false",
    );
    let mut other = shared().channel();
    let text = format!("NOT_FOUND - no queue '{name}' in vhost '/'");
    other.refused(1, &queue::declare(&name, "passive", table! {}), 404, &text);
}

#[test]
fn long_texts_are_cut_to_what_fits() {
    let mut peer = shared().channel();
    let name = "q".repeat(255);
    peer.send(1, &queue::declare(&name, "passive", table! {}));
    let closed = peer.expect_method(1, 20, 40);
    let text = closed.text(1);
    assert!(text.len() <= 255 && text.ends_with("..."), "{text}");
    assert!(text.starts_with("NOT_FOUND - no queue 'qqq"), "{text}");
}
