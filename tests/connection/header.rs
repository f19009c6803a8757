//! The eight bytes before everything else (BEHAVIOURS 1.1).

use std::io::Read;

use crate::support::raw::Peer;
use crate::support::{PATIENCE, shared};

fn answer_to(bytes: &[u8]) -> Vec<u8> {
    let mut peer = shared().connect();
    peer.send_bytes(bytes);
    peer.stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut answer = Vec::new();
    // The broker may reset the connection once it has answered.
    let _ = peer.stream.read_to_end(&mut answer);
    answer
}

fn started(bytes: &[u8]) {
    let mut peer: Peer = shared().connect();
    peer.send_bytes(bytes);
    let start = peer.expect_method(0, 10, 10);
    assert_eq!((start.number(0), start.number(1)), (0, 9));
}

#[test]
fn amqp_0_9_1_is_answered_with_start() {
    started(b"AMQP\x00\x00\x09\x01");
}

#[test]
fn the_header_of_0_9_is_accepted_too() {
    started(b"AMQP\x01\x01\x00\x09");
}

#[test]
fn another_0_9_is_answered_with_our_version_and_the_end() {
    for version in [[0, 0, 9, 0], [0, 0, 9, 2], [0, 0, 10, 0]] {
        let header = [b"AMQP".as_slice(), &version].concat();
        assert_eq!(answer_to(&header), b"AMQP\x00\x00\x09\x01", "{version:?}");
    }
}

#[test]
fn anything_else_is_answered_with_our_version_and_the_end() {
    decided!("RabbitMQ 4 answers with the AMQP 1.0 header AMQP 3 1 0 0");
    let strangers: [&[u8]; 6] = [
        b"AMQP\x00\x01\x00\x00",
        b"AMQP\x03\x01\x00\x00",
        b"AMQP\x01\x01\x08\x00",
        b"AMQP\x00\x00\x08\x00",
        b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    ];
    for bytes in strangers {
        assert_eq!(answer_to(bytes), b"AMQP\x00\x00\x09\x01", "{bytes:?}");
    }
}

#[test]
fn the_header_may_come_byte_by_byte() {
    let mut peer = shared().connect();
    for byte in b"AMQP\x00\x00\x09\x01" {
        peer.send_bytes(&[*byte]);
    }
    peer.expect_method(0, 10, 10);
}

#[test]
fn a_health_check_that_hangs_up_harms_nobody() {
    for _ in 0..10 {
        drop(shared().connect());
    }
    shared().peer().close();
}

#[test]
fn who_says_nothing_is_dropped_after_the_handshake_timeout() {
    let broker = own!("handshake_timeout=300");
    let mut silent = broker.connect();
    let mut half = broker.connect();
    half.start();
    let mut open = broker.peer();
    silent.expect_closed();
    half.expect_closed();
    // An open connection is not under that clock.
    open.open(1);
}
