//! Bodies from nothing to 128 MiB, in frames of any size.

use crate::support::raw::{BODY, HEADER, content, header};
use crate::support::{Properties, basic, shared};

#[test]
fn any_size() {
    let mut peer = shared().channel();
    let queue = peer.queue(1);
    for size in [
        0,
        1,
        2,
        15,
        16,
        255,
        256,
        4095,
        65_535,
        65_536,
        131_064,
        131_065,
        1 << 20,
        5_000_001,
    ] {
        let body: Vec<u8> = (0..size).map(|at| (at % 253) as u8).collect();
        peer.publish(1, "", &queue, &body);
        let got = peer.take_soon(1, &queue).body;
        assert!(got == body, "{size} bytes");
    }
}

#[test]
fn in_parts_of_any_size() {
    let mut peer = shared().channel();
    let queue = peer.queue(1);
    let body: Vec<u8> = (0..100_000).map(|at| (at % 253) as u8).collect();
    for part in [1, 7, 4088, 65_536, 99_999] {
        let body = if part == 1 { &body[..3000] } else { &body };
        let method = basic::publish("", &queue, "");
        peer.send_bytes(&content(1, &method, &[0, 0], body, part));
        let got = peer.take_soon(1, &queue).body;
        assert!(got == body, "parts of {part} bytes");
    }
}

#[test]
fn a_peer_that_sends_byte_by_byte() {
    let mut peer = shared().channel();
    let queue = peer.queue(1);
    let bytes = content(1, &basic::publish("", &queue, ""), &[0, 0], b"slowly", 2);
    for byte in bytes {
        peer.send_bytes(&[byte]);
    }
    assert_eq!(peer.take_soon(1, &queue).text(), "slowly");
}

#[test]
fn an_empty_body_has_no_body_frame() {
    let mut peer = shared().channel();
    let queue = peer.queue(1);
    peer.send(1, &basic::publish("", &queue, ""));
    peer.send_frame(HEADER, 1, &header(0, &[0, 0]));
    peer.consume(1, &queue, "t", "no-ack");
    assert_eq!(peer.delivery(1).body, b"");
    // Nothing but the header came.
    peer.ask(1, &basic::qos(0, 0, false), &basic::qos_ok());
}

#[test]
fn the_largest_message() {
    decided!("128 MiB by default; RabbitMQ 4 has 16");
    let size = 128 << 20;
    let mut peer = shared().channel();
    let queue = peer.queue(1);
    let part = vec![0xA5; 131_064];
    peer.send(1, &basic::publish("", &queue, ""));
    peer.send_frame(HEADER, 1, &header(size, &Properties::default().encode()));
    let mut left = size as usize;
    while left > 0 {
        let now = left.min(part.len());
        peer.send_frame(BODY, 1, &part[..now]);
        left -= now;
    }
    let got = peer.take_soon(1, &queue).body;
    assert_eq!(got.len() as u64, size);
    assert!(got.iter().all(|byte| *byte == 0xA5));
}

#[test]
fn one_byte_more_than_the_largest() {
    decided!("128 MiB by default; RabbitMQ 4 has 16");
    let size = (128 << 20) + 1;
    let mut peer = shared().channel();
    peer.send(1, &basic::publish("", "nowhere", ""));
    peer.send_frame(HEADER, 1, &header(size, &[0, 0]));
    // RabbitMQ reads all of it first; saying so at once spares the bytes, so either way is taken.
    let part = vec![0; 131_064];
    let mut left = size as usize;
    while left > 0 {
        let now = left.min(part.len());
        peer.try_send_bytes(&crate::support::raw::frame(BODY, 1, &part[..now]));
        left -= now;
    }
    let text =
        "PRECONDITION_FAILED - message size 134217729 is larger than configured max size 134217728";
    peer.expect_channel_close(1, 406, text, 60, 40);
    peer.open(1);
}
