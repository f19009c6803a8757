//! Messages that are never finished.

use std::time::Duration;

use crate::slow::ordinary_work;
use crate::support::raw::{BODY, HEADER, METHOD, frame, header};
use crate::support::{basic, channel, shared};

#[test]
fn an_announced_size_costs_nothing() {
    let broker = own!();
    let mut peer = broker.peer();
    let before = broker.rss_kib();
    for number in 1..=1000 {
        peer.open(number);
        peer.send(number, &basic::publish("", "nowhere", ""));
        peer.send_frame(HEADER, number, &header(128 << 20, &[0, 0]));
    }
    peer.open(1001);
    let grown = broker.rss_kib().saturating_sub(before);
    assert!(grown < 32 << 10, "grew by {grown} KiB");
}

#[test]
fn half_a_body_dies_with_its_channel_or_connection() {
    let mut peer = shared().channel();
    peer.open(2);
    let queue = peer.queue(2);
    for _ in 0..3 {
        peer.send(1, &basic::publish("", &queue, ""));
        peer.send_frame(HEADER, 1, &header(10, &[0, 0]));
        peer.send_frame(BODY, 1, b"half");
        // Only the connection can end now: any method is out of place.
        drop(peer);
        peer = shared().channel();
        peer.open(2);
    }
    let queue = peer.queue(2);
    peer.publish(1, "", &queue, "whole");
    assert_eq!(peer.take_soon(2, &queue).text(), "whole");
}

#[test]
fn a_refused_publish_swallows_its_content() {
    let mut peer = shared().channel();
    peer.send(1, &basic::publish("missing", "k", ""));
    peer.send_frame(HEADER, 1, &header(1000, &[0, 0]));
    peer.send_frame(BODY, 1, &[0; 500]);
    peer.send_frame(BODY, 1, &[0; 500]);
    let text = "NOT_FOUND - no exchange 'missing' in vhost '/'";
    peer.expect_channel_close(1, 404, text, 60, 40);
    peer.open(1);
}

#[test]
fn content_behind_an_error_is_swallowed() {
    let mut peer = shared().channel();
    let mut bytes = frame(METHOD, 1, &basic::ack(77, "").encode());
    bytes.extend(frame(METHOD, 1, &basic::publish("", "q", "").encode()));
    bytes.extend(frame(HEADER, 1, &header(8, &[0, 0])));
    bytes.extend(frame(BODY, 1, b"swal"));
    bytes.extend(frame(BODY, 1, b"lowd"));
    peer.send_bytes(&bytes);
    let text = "PRECONDITION_FAILED - unknown delivery tag 77";
    peer.expect_channel_close(1, 406, text, 60, 80);
    peer.open(1);
}

#[test]
fn many_halves_count_as_memory() {
    let broker = own!("vm_memory_high_watermark.absolute=100MiB");
    let mut good = broker.channel();
    let queue = good.queue(1);
    let mut peer = broker.peer();
    peer.stream
        .set_write_timeout(Some(Duration::from_secs(2)))
        .unwrap();
    let part = vec![0; 131_064];
    'all: for number in 1..=400 {
        let mut bytes = frame(METHOD, number, &channel::open().encode());
        bytes.extend(frame(METHOD, number, &basic::publish("", "q", "").encode()));
        bytes.extend(frame(HEADER, number, &header(128 << 20, &[0, 0])));
        bytes.extend(frame(BODY, number, &part).repeat(8));
        for piece in bytes.chunks(131_072) {
            use std::io::Write;
            if peer.stream.write_all(piece).is_err() {
                break 'all; // Blocked, or closed.
            }
        }
    }
    let rss = broker.rss_kib();
    assert!(rss < 250 << 10, "{rss} KiB");
    // Blocked or not, the broker sees that the peer is gone, and gets its memory back.
    drop(peer);
    ordinary_work(&mut good, &queue);
}

#[test]
fn a_connection_holds_only_so_many_halves() {
    let broker = own!("max_message_size=10000000");
    let mut peer = broker.peer();
    peer.stream
        .set_write_timeout(Some(Duration::from_secs(5)))
        .unwrap();
    // One message at its largest is always allowed, and some more; not 400 MB.
    let part = vec![0; 131_064];
    for number in 1..=40 {
        peer.try_send_bytes(&frame(METHOD, number, &channel::open().encode()));
        peer.try_send_bytes(&frame(
            METHOD,
            number,
            &basic::publish("", "q", "").encode(),
        ));
        peer.try_send_bytes(&frame(HEADER, number, &header(10_000_000, &[0, 0])));
        for _ in 0..76 {
            peer.try_send_bytes(&frame(BODY, number, &part));
        }
    }
    let closed = peer.connection_close();
    assert_eq!(closed.number(0), 506, "{closed:?}");
    assert!(
        closed.text(1).starts_with("RESOURCE_ERROR - "),
        "{closed:?}"
    );
    peer.send_close_ok();
}
