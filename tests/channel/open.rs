//! open, and what may not come before it.

use crate::support::raw::{HEADER, frame, header};
use crate::support::{Method, access, basic, channel, confirm, queue, shared, tx};

#[test]
fn is_answered_with_an_empty_string() {
    let mut peer = shared().peer();
    peer.ask(1, &channel::open(), &channel::open_ok());
}

#[test]
fn a_second_open_costs_the_connection() {
    let text = "CHANNEL_ERROR - second 'channel.open' seen";
    shared().channel().fatal(1, &channel::open(), 504, text);
}

#[test]
fn every_other_method_wants_an_open_channel() {
    let methods: [Method; 8] = [
        queue::declare("q", "", table! {}),
        basic::qos(0, 1, false),
        basic::publish("", "q", ""),
        basic::ack(1, ""),
        channel::close(),
        channel::flow(true),
        confirm::select(),
        tx::select(),
    ];
    for method in methods {
        let mut peer = shared().channel();
        peer.send(2, &method);
        if method.is(60, 40) {
            // RabbitMQ looks when the content is complete.
            peer.try_send_bytes(&frame(HEADER, 2, &header(0, &[0, 0])));
        }
        let text = "CHANNEL_ERROR - expected 'channel.open'";
        peer.expect_connection_close(504, text, method.class, method.method);
    }
}

#[test]
fn content_on_a_closed_channel() {
    let mut peer = shared().channel();
    peer.send_frame(3, 9, b"x");
    let closed = peer.connection_close();
    assert!([504, 505].contains(&closed.number(0)), "{closed:?}");
    peer.send_close_ok();
}

#[test]
fn access_request_is_answered_with_ticket_1() {
    let mut peer = shared().channel();
    peer.ask(1, &access::request("/data"), &access::request_ok(1));
}
