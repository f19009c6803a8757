//! Retention: whole segments leave by size and by age.

use super::stream::{consume, declared_with, offset, read};
use crate::support::home::both;
use crate::support::{Home, Peer, Value, eventually, shared};

fn fill(peer: &mut Peer, name: &str, count: u64) {
    peer.confirm(1);
    for number in 0..count {
        peer.publish(1, "", name, format!("{number:0100}"));
        peer.acked(1, number + 1);
    }
}

fn first(peer: &mut Peer, channel: u16, name: &str) -> u64 {
    peer.open(channel);
    consume(
        peer,
        channel,
        name,
        1,
        table! { "x-stream-offset" => "first" },
    );
    offset(&peer.delivery(channel))
}

#[test]
fn the_oldest_segments_go_when_there_are_too_many_bytes() {
    both(|home, end| {
        let mut peer = home.channel();
        let arguments = table! {
            "x-max-length-bytes" => Value::I32(10_000),
            "x-stream-max-segment-size-bytes" => Value::I32(2_000),
        };
        let name = declared_with(&mut peer, arguments);
        fill(&mut peer, &name, 200);
        let (ready, _) = peer.counts(1, &name);
        let kept = u64::from(ready);
        assert!((40..100).contains(&kept), "{kept}");
        assert_eq!(first(&mut peer, 2, &name), 200 - kept);
        // Whoever asks for what is gone begins with what is there.
        peer.open(3);
        consume(
            &mut peer,
            3,
            &name,
            10,
            table! { "x-stream-offset" => Value::I64(5) },
        );
        assert_eq!(read(&mut peer, 3, 1)[0].0, 200 - kept);
        home.restart(end);
        let mut peer = home.channel();
        eventually("the count", || peer.counts(1, &name).0 == ready);
        assert_eq!(first(&mut peer, 2, &name), 200 - kept);
    });
}

#[test]
fn old_segments_go_and_the_last_one_stays() {
    let mut peer = shared().channel();
    let arguments = table! {
        "x-max-age" => "1s",
        "x-stream-max-segment-size-bytes" => Value::I32(2_000),
    };
    let name = declared_with(&mut peer, arguments);
    fill(&mut peer, &name, 50);
    eventually("the old ones are gone", || {
        let (ready, _) = peer.counts(1, &name);
        (1..=20).contains(&ready)
    });
}

#[test]
fn a_reader_behind_goes_on_with_what_is_there() {
    let home = Home::with(&[]);
    let mut peer = home.channel();
    let arguments = table! {
        "x-max-length-bytes" => Value::I32(10_000),
        "x-stream-max-segment-size-bytes" => Value::I32(2_000),
    };
    let name = declared_with(&mut peer, arguments);
    let mut slow = home.channel();
    consume(
        &mut slow,
        1,
        &name,
        1,
        table! { "x-stream-offset" => "first" },
    );
    fill(&mut peer, &name, 200);
    let kept = u64::from(peer.counts(1, &name).0);
    let mut offsets = read(&mut slow, 1, 2).into_iter().map(|(offset, _)| offset);
    assert_eq!(offsets.next(), Some(0));
    let next = offsets.next().expect("another");
    assert!(next <= 200 - kept, "{next}");
    let rest = read(&mut slow, 1, kept as usize);
    assert_eq!(rest.last().map(|(offset, _)| *offset), Some(199));
}
