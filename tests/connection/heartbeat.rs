//! Heartbeats: sent when nothing else is, missed at the peer's cost (BEHAVIOURS 1.6).

use std::time::{Duration, Instant};

use crate::support::raw::{HEARTBEAT, frame};
use crate::support::{Login, shared};

fn beating(heartbeat: u16) -> crate::support::Peer {
    shared().peer_with(&Login {
        heartbeat,
        ..Login::default()
    })
}

#[test]
fn are_sent_while_nothing_else_is() {
    let mut peer = beating(2);
    let begun = Instant::now();
    for _ in 0..2 {
        let got = peer.frame_within(Duration::from_secs(5)).expect("a frame");
        assert_eq!(
            (got.kind, got.channel, got.payload.len()),
            (HEARTBEAT, 0, 0)
        );
    }
    let took = begun.elapsed();
    assert!(
        took > Duration::from_millis(800) && took < Duration::from_secs(5),
        "{took:?}"
    );
}

#[test]
fn a_silent_peer_is_dropped_without_a_word() {
    let mut peer = beating(1);
    let begun = Instant::now();
    peer.expect_closed_within(Duration::from_secs(10));
    let took = begun.elapsed();
    assert!(
        took > Duration::from_millis(1500) && took < Duration::from_secs(6),
        "{took:?}"
    );
}

/// Three peers at once, far beyond the dead time of two of them.
#[test]
fn who_beats_or_talks_or_need_not_stays() {
    let (mut beats, mut talks, mut silent) = (beating(1), beating(1), beating(0));
    talks.open(1);
    let queue = talks.queue(1);
    for _ in 0..10 {
        std::thread::sleep(Duration::from_millis(500));
        beats.send_frame(HEARTBEAT, 0, &[]);
        talks.counts(1, &queue);
    }
    beats.open(1);
    silent.open(1);
}

#[test]
fn may_come_in_the_middle_of_a_content() {
    use crate::support::raw::{BODY, HEADER, METHOD, header};
    let mut peer = shared().channel();
    let queue = peer.queue(1);
    let publish = crate::support::basic::publish("", &queue, "");
    let mut bytes = frame(METHOD, 1, &publish.encode());
    bytes.extend(frame(HEARTBEAT, 0, &[]));
    bytes.extend(frame(HEADER, 1, &header(4, &[0, 0])));
    bytes.extend(frame(HEARTBEAT, 0, &[]));
    bytes.extend(frame(BODY, 1, b"ab"));
    bytes.extend(frame(HEARTBEAT, 0, &[]));
    bytes.extend(frame(BODY, 1, b"cd"));
    peer.send_bytes(&bytes);
    assert_eq!(peer.take(1, &queue).expect("published").body, b"abcd");
}

#[test]
fn belong_to_channel_0() {
    let mut peer = shared().channel();
    peer.send_frame(HEARTBEAT, 1, &[]);
    let text = "UNEXPECTED_FRAME - type 8, all octets = <<>>";
    peer.expect_connection_close(505, text, 0, 0);
}
