//! Right frames at the wrong moment (BEHAVIOURS 1.7, 2.1).

use crate::support::raw::{BODY, HEADER, METHOD, PROTOCOL, header};
use crate::support::{Login, basic, channel, connection, queue, shared};

#[test]
fn a_frame_on_a_channel_before_open_ok() {
    let mut peer = shared().connect();
    peer.authenticate(&Login::default());
    peer.send(1, &channel::open());
    // RabbitMQ answers or just hangs up: before open-ok it explains little.
    while let Some(frame) = peer.frame_within(crate::support::PATIENCE) {
        let method = crate::support::Method::decode(&frame.payload);
        let text = "UNEXPECTED_FRAME - type 1, all octets = <<0,20,0,10,0>>";
        assert_eq!(method, connection::closed(505, text, 0, 0));
        peer.try_send_bytes(&crate::support::raw::frame(
            1,
            0,
            &connection::close_ok().encode(),
        ));
    }
}

#[test]
fn a_second_open() {
    let text = "CHANNEL_ERROR - unexpected method in connection state running";
    shared().peer().fatal(0, &connection::open("/"), 504, text);
}

#[test]
fn a_second_start_ok() {
    let text = "CHANNEL_ERROR - unexpected method in connection state running";
    let again = connection::start_ok(table! {}, "PLAIN", b"\0guest\0guest");
    shared().peer().fatal(0, &again, 504, text);
}

#[test]
fn a_second_tune_ok() {
    let text = "CHANNEL_ERROR - unexpected method in connection state running";
    shared()
        .peer()
        .fatal(0, &connection::tune_ok(1, 8192, 0), 504, text);
}

#[test]
fn a_second_protocol_header_is_an_unknown_frame() {
    let mut peer = shared().peer();
    // 'A' is the type, the rest a length far beyond frame_max.
    peer.send_bytes(PROTOCOL);
    let closed = peer.connection_close();
    assert_eq!(closed.number(0), 501);
    peer.send_close_ok();
}

#[test]
fn a_channel_method_on_channel_0() {
    decided!("RabbitMQ's connection process has no answer of its own to it");
    let mut peer = shared().peer();
    peer.send(0, &queue::declare("q", "", table! {}));
    let closed = peer.connection_close();
    assert!([503, 504, 505].contains(&closed.number(0)), "{closed:?}");
    peer.send_close_ok();
}

#[test]
fn a_connection_method_on_a_channel() {
    let mut peer = shared().channel();
    peer.send(1, &connection::close());
    let closed = peer.connection_close();
    assert!([503, 504, 505].contains(&closed.number(0)), "{closed:?}");
    peer.send_close_ok();
}

#[test]
fn methods_that_only_servers_send() {
    decided!("RabbitMQ's words are its own accident");
    for method in [
        queue::declare_ok("q", 0, 0),
        basic::consume_ok("t"),
        basic::get_empty(),
        channel::open_ok(),
        crate::support::tx::commit_ok(),
    ] {
        let mut peer = shared().channel();
        peer.send(1, &method);
        let closed = peer.connection_close();
        assert_eq!(closed.number(0), 503, "{closed:?}");
        assert_eq!(closed.number(2), u64::from(method.class), "{closed:?}");
        assert_eq!(closed.number(3), u64::from(method.method), "{closed:?}");
        peer.send_close_ok();
    }
}

#[test]
fn content_without_a_publish() {
    for kind in [HEADER, BODY] {
        let mut peer = shared().channel();
        peer.send_frame(kind, 1, &header(0, &[0, 0]));
        let text = "UNEXPECTED_FRAME - expected method frame, got non method frame instead";
        peer.expect_connection_close(505, text, 0, 0);
    }
}

#[test]
fn a_method_where_the_content_header_should_be() {
    let mut peer = shared().channel();
    peer.send(1, &basic::publish("", "q", ""));
    peer.send(1, &basic::qos(0, 1, false));
    let text = "UNEXPECTED_FRAME - expected content header for class 60, got non content header frame instead";
    peer.expect_connection_close(505, text, 60, 40);
}

#[test]
fn a_body_where_the_content_header_should_be() {
    let mut peer = shared().channel();
    peer.send(1, &basic::publish("", "q", ""));
    peer.send_frame(BODY, 1, b"x");
    let text = "UNEXPECTED_FRAME - expected content header for class 60, got non content header frame instead";
    peer.expect_connection_close(505, text, 60, 40);
}

#[test]
fn a_content_header_with_a_weight() {
    let mut peer = shared().channel();
    peer.send(1, &basic::publish("", "q", ""));
    let mut payload = header(0, &[0, 0]);
    payload[3] = 1;
    peer.send_frame(HEADER, 1, &payload);
    let text = "UNEXPECTED_FRAME - expected content header for class 60, got non content header frame instead";
    peer.expect_connection_close(505, text, 60, 40);
}

#[test]
fn a_content_header_of_another_class() {
    let mut peer = shared().channel();
    peer.send(1, &basic::publish("", "q", ""));
    let mut payload = header(0, &[0, 0]);
    payload[1] = 10;
    peer.send_frame(HEADER, 1, &payload);
    let text =
        "UNEXPECTED_FRAME - expected content header for class 60, got one for class 10 instead";
    peer.expect_connection_close(505, text, 60, 40);
}

#[test]
fn a_method_where_a_body_should_be() {
    let mut peer = shared().channel();
    peer.send(1, &basic::publish("", "q", ""));
    peer.send_frame(HEADER, 1, &header(10, &[0, 0]));
    peer.send_frame(BODY, 1, b"12345");
    peer.send(1, &basic::qos(0, 1, false));
    let text = "UNEXPECTED_FRAME - expected content body, got non content body frame instead";
    peer.expect_connection_close(505, text, 60, 40);
}

#[test]
fn a_second_header_where_a_body_should_be() {
    let mut peer = shared().channel();
    peer.send(1, &basic::publish("", "q", ""));
    peer.send_frame(HEADER, 1, &header(10, &[0, 0]));
    peer.send_frame(HEADER, 1, &header(10, &[0, 0]));
    let text = "UNEXPECTED_FRAME - expected content body, got non content body frame instead";
    peer.expect_connection_close(505, text, 60, 40);
}

#[test]
fn a_body_that_is_too_long() {
    let mut peer = shared().channel();
    peer.send(1, &basic::publish("", "q", ""));
    peer.send_frame(HEADER, 1, &header(3, &[0, 0]));
    peer.send_frame(BODY, 1, b"12345");
    peer.send(1, &basic::qos(0, 1, false));
    let closed = peer.connection_close();
    assert_eq!(closed.number(0), 505, "{closed:?}");
    peer.send_close_ok();
}

#[test]
fn a_body_frame_behind_an_empty_body() {
    let mut peer = shared().channel();
    peer.send(1, &basic::publish("", "q", ""));
    peer.send_frame(HEADER, 1, &header(0, &[0, 0]));
    peer.send_frame(BODY, 1, b"");
    let text = "UNEXPECTED_FRAME - expected method frame, got non method frame instead";
    peer.expect_connection_close(505, text, 0, 0);
}

#[test]
fn empty_body_frames_are_accepted_while_a_body_is_due() {
    let mut peer = shared().channel();
    let queue = peer.queue(1);
    peer.send(1, &basic::publish("", &queue, ""));
    peer.send_frame(HEADER, 1, &header(2, &[0, 0]));
    for part in [b"".as_slice(), b"a", b"", b"", b"b"] {
        peer.send_frame(BODY, 1, part);
    }
    assert_eq!(peer.take(1, &queue).expect("published").body, b"ab");
}

#[test]
fn contents_of_two_channels_may_interleave() {
    let mut peer = shared().channel();
    peer.open(2);
    let queue = peer.queue(1);
    peer.send(1, &basic::publish("", &queue, ""));
    peer.send(2, &basic::publish("", &queue, ""));
    peer.send_frame(HEADER, 2, &header(2, &[0, 0]));
    peer.send_frame(HEADER, 1, &header(2, &[0, 0]));
    peer.send_frame(BODY, 1, b"a");
    peer.send_frame(BODY, 2, b"xy");
    peer.wait_ready(2, &queue, 1);
    assert_eq!(peer.take(2, &queue).expect("published").body, b"xy");
    peer.send_frame(METHOD, 0, &connection::update_secret("s", "r").encode());
    peer.expect(0, &connection::update_secret_ok());
    peer.send_frame(BODY, 1, b"b");
    assert_eq!(peer.take(1, &queue).expect("published").body, b"ab");
}
