//! Malformed frames and methods (BEHAVIOURS 1.7). Where RabbitMQ hangs up without a word, Leveret says what is wrong.

use crate::support::raw::{HEADER, METHOD, frame, header};
use crate::support::{Peer, basic, connection, queue, shared};

fn closed_with(mut peer: Peer, code: u64, class: u64, method: u64) -> String {
    let closed = peer.connection_close();
    let got = (closed.number(0), closed.number(2), closed.number(3));
    assert_eq!(got, (code, class, method), "{closed:?}");
    peer.send_close_ok();
    closed.text(1)
}

#[test]
fn a_frame_larger_than_negotiated() {
    let mut peer = shared().channel();
    peer.send_bytes(&[1, 0, 1, 0, 2, 0, 1]);
    let text = "FRAME_ERROR - type 1, all octets = <<>>: {frame_too_large,131073,131064}";
    peer.expect_connection_close(501, text, 0, 0);
}

#[test]
fn a_wrong_end_octet() {
    let mut peer = shared().channel();
    let mut bytes = frame(METHOD, 1, &[0, 60, 0, 60]);
    *bytes.last_mut().unwrap() = 0;
    peer.send_bytes(&bytes);
    let text = "FRAME_ERROR - type 1, all octets = <<0,60,0,60>>: {invalid_frame_end_marker,0}";
    peer.expect_connection_close(501, text, 0, 0);
}

#[test]
fn an_unknown_frame_type() {
    for kind in [0, 4, 5, 9, 255] {
        let mut peer = shared().channel();
        peer.send_frame(kind, 1, &[0, 60, 0, 60]);
        let text = format!("FRAME_ERROR - type {kind}, all octets = <<0,60,0,60>>: unknown_frame");
        peer.expect_connection_close(501, &text, 0, 0);
    }
}

#[test]
fn a_long_unknown_frame_is_quoted_in_part() {
    let mut peer = shared().channel();
    peer.send_frame(9, 1, &[1; 40]);
    let text = "FRAME_ERROR - type 9, first 16 octets = <<1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1>>: unknown_frame";
    peer.expect_connection_close(501, text, 0, 0);
}

#[test]
fn an_unknown_class_or_method() {
    decided!("RabbitMQ hangs up without a frame");
    for (class, method) in [(60u16, 99u16), (61, 10), (0, 0), (65_535, 65_535), (20, 77)] {
        let mut peer = shared().channel();
        let payload = [class.to_be_bytes(), method.to_be_bytes()].concat();
        peer.send_frame(METHOD, 1, &payload);
        let text = closed_with(peer, 503, class.into(), method.into());
        assert!(text.starts_with("COMMAND_INVALID - "), "{text}");
    }
}

#[test]
fn an_unknown_method_on_channel_0() {
    decided!("RabbitMQ hangs up without a frame");
    let mut peer = shared().peer();
    peer.send_frame(METHOD, 0, &[0, 10, 0, 99]);
    closed_with(peer, 503, 10, 99);
}

#[test]
fn a_method_frame_without_ids() {
    decided!("RabbitMQ hangs up without a frame");
    for payload in [b"".as_slice(), b"\0", b"\0\x3c\0"] {
        let mut peer = shared().channel();
        peer.send_frame(METHOD, 1, payload);
        let text = closed_with(peer, 501, 0, 0);
        assert!(text.starts_with("FRAME_ERROR - "), "{text}");
    }
}

#[test]
fn a_truncated_method() {
    let whole = queue::declare("abc", "", table! {}).encode();
    for cut in [4, 6, 8, whole.len() - 1] {
        let mut peer = shared().channel();
        peer.send_frame(METHOD, 1, &whole[..cut]);
        let text = closed_with(peer, 501, 50, 10);
        assert!(text.starts_with("FRAME_ERROR - cannot decode <<"), "{text}");
    }
}

#[test]
fn a_method_with_a_tail() {
    let methods = [
        queue::declare("abc", "", table! {}),
        queue::purge("abc", ""),
        basic::qos(0, 1, false),
    ];
    for method in methods {
        let mut peer = shared().channel();
        let mut payload = method.encode();
        payload.push(0);
        peer.send_frame(METHOD, 1, &payload);
        let text = closed_with(peer, 501, method.class.into(), method.method.into());
        assert!(text.starts_with("FRAME_ERROR - cannot decode <<"), "{text}");
    }
}

#[test]
fn a_truncated_publish_or_ack() {
    for method in [basic::publish("x", "key", ""), basic::ack(1, "")] {
        for cut in [4, 6, method.encode().len() - 1] {
            let mut peer = shared().channel();
            peer.send_frame(METHOD, 1, &method.encode()[..cut]);
            let text = closed_with(peer, 501, 60, method.method.into());
            assert!(text.starts_with("FRAME_ERROR - cannot decode <<"), "{text}");
        }
        let mut peer = shared().channel();
        let mut payload = method.encode();
        payload.push(0);
        peer.send_frame(METHOD, 1, &payload);
        let text = closed_with(peer, 501, 60, method.method.into());
        assert!(text.starts_with("FRAME_ERROR - cannot decode <<"), "{text}");
    }
}

#[test]
fn a_short_string_that_is_no_utf8() {
    for method in [
        queue::declare("abc", "", table! {}),
        queue::bind("q", "abc", "k", table! {}),
        queue::bind("q", "x", "abc", table! {}),
        basic::consume("q", "abc", "", table! {}),
        basic::cancel("abc", ""),
    ] {
        let mut payload = method.encode();
        let at = payload
            .windows(3)
            .position(|bytes| bytes == b"abc")
            .unwrap();
        payload[at] = 0xff;
        let mut peer = shared().channel();
        peer.send_frame(METHOD, 1, &payload);
        let text = "FRAME_ERROR - Malformed UTF-8 in shortstr";
        peer.expect_connection_close(501, text, 0, 0);
    }
}

#[test]
fn a_routing_key_of_a_publish_may_be_any_bytes() {
    let mut peer = shared().channel();
    let mut payload = basic::publish("", "abc", "mandatory").encode();
    let at = payload
        .windows(3)
        .position(|bytes| bytes == b"abc")
        .unwrap();
    payload[at] = 0xff;
    peer.send_frame(METHOD, 1, &payload);
    peer.send_frame(HEADER, 1, &header(0, &[0, 0]));
    let returned = peer.frame(1).payload;
    assert_eq!(returned[..4], [0, 60, 0, 50]);
    assert!(returned.ends_with(b"\x03\xffbc"), "{returned:?}");
}

#[test]
fn an_unknown_field_type_in_a_table() {
    decided!("RabbitMQ hangs up without a frame");
    let mut payload = queue::declare("abc", "", table! { "key" => true }).encode();
    let at = payload
        .windows(4)
        .position(|bytes| bytes == b"keyt")
        .unwrap();
    payload[at + 3] = b'?';
    let mut peer = shared().channel();
    peer.send_frame(METHOD, 1, &payload);
    let text = closed_with(peer, 501, 50, 10);
    assert!(text.starts_with("FRAME_ERROR - "), "{text}");
}

#[test]
fn a_table_field_that_is_longer_than_its_table() {
    decided!("RabbitMQ hangs up without a frame");
    let mut payload = queue::declare("abc", "", table! { "key" => "value" }).encode();
    let at = payload
        .windows(4)
        .position(|bytes| bytes == b"keyS")
        .unwrap();
    payload[at + 7] = 200;
    let mut peer = shared().channel();
    peer.send_frame(METHOD, 1, &payload);
    let text = closed_with(peer, 501, 50, 10);
    assert!(text.starts_with("FRAME_ERROR - "), "{text}");
}

/// Publishes with this property block.
fn with_properties(block: &[u8]) -> Peer {
    let mut peer = shared().channel();
    peer.send(1, &basic::publish("", "nowhere", ""));
    peer.send_frame(HEADER, 1, &header(0, block));
    peer
}

#[test]
fn properties_that_cannot_be_decoded() {
    decided!("RabbitMQ answers 541 INTERNAL_ERROR");
    let cases: [(&str, &[u8]); 8] = [
        ("no flags", b""),
        ("half the flags", b"\x80"),
        ("continuation bit", b"\x00\x01\x00\x00"),
        ("reserved bit", b"\x00\x02"),
        ("content type missing", b"\x80\x00"),
        ("content type cut", b"\x80\x00\x05ab"),
        ("a tail", b"\x00\x00tail"),
        ("headers cut", b"\x20\x00\x00\x00\x00\x05\x01aS"),
    ];
    for (what, block) in cases {
        let mut peer = with_properties(block);
        let closed = peer.connection_close();
        assert_eq!(closed.number(0), 501, "{what}: {closed:?}");
        assert!(
            closed.text(1).starts_with("FRAME_ERROR - "),
            "{what}: {closed:?}"
        );
        peer.send_close_ok();
    }
}

#[test]
fn headers_that_cannot_be_decoded() {
    decided!("RabbitMQ answers 541 INTERNAL_ERROR");
    let tables: [&[u8]; 4] = [
        b"\x01a?\x00",             // unknown type
        b"\x01aS\x00\x00\x00\xff", // longer than the table
        b"\x05ab",                 // key cut
        b"\x01a",                  // no value
    ];
    for table in tables {
        let mut block = vec![0x20, 0x00];
        block.extend_from_slice(&u32::try_from(table.len()).unwrap().to_be_bytes());
        block.extend_from_slice(table);
        let mut peer = with_properties(&block);
        let closed = peer.connection_close();
        assert_eq!(closed.number(0), 501, "{table:?}: {closed:?}");
        peer.send_close_ok();
    }
}

#[test]
fn a_truncated_content_header() {
    decided!("RabbitMQ's answer depends on where it breaks");
    for size in [0, 3, 11, 13] {
        let mut peer = shared().channel();
        peer.send(1, &basic::publish("", "nowhere", ""));
        peer.send_frame(HEADER, 1, &header(0, &[0, 0])[..size]);
        let closed = peer.connection_close();
        assert!([501, 505].contains(&closed.number(0)), "{closed:?}");
        peer.send_close_ok();
    }
}

#[test]
fn after_a_frame_error_nothing_is_read_any_more() {
    let mut peer = shared().channel();
    let mut bytes = frame(9, 1, &[0]);
    bytes.extend(frame(
        METHOD,
        0,
        &connection::update_secret("s", "r").encode(),
    ));
    peer.send_bytes(&bytes);
    let closed = peer.connection_close();
    assert_eq!(closed.number(0), 501);
    peer.try_send_bytes(&frame(METHOD, 0, &connection::close_ok().encode()));
    peer.expect_closed();
}
