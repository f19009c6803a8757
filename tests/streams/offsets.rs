//! Where consumers begin: `x-stream-offset`.

use std::time::Duration;

use super::stream::{consume, declared, filled, numbers, publish, read};
use crate::support::{Table, Value, now_ms, shared};

fn first_of(peer: &mut crate::support::Peer, channel: u16, name: &str, offset: Value) -> String {
    peer.open(channel);
    let arguments = Table(vec![("x-stream-offset".to_owned(), offset)]);
    consume(peer, channel, name, 1, arguments);
    peer.delivery(channel).text().to_owned()
}

#[test]
fn first_last_numbers_and_the_last_n() {
    let mut peer = shared().channel();
    let name = filled(&mut peer, 10);
    for (at, (offset, first)) in [
        (Value::from("first"), "0"),
        (Value::from("last"), "9"),
        (Value::I64(4), "4"),
        (Value::I32(0), "0"),
        (Value::I64(-3), "7"),
        (Value::I64(-100), "0"),
        (Value::from("1h"), "0"),
        (Value::from("7D"), "0"),
        (Value::Time(0), "0"),
    ]
    .into_iter()
    .enumerate()
    {
        let got = first_of(&mut peer, 2 + at as u16, &name, offset.clone());
        assert_eq!(got, first, "{offset:?}");
    }
}

#[test]
fn next_an_offset_behind_the_end_and_a_time_to_come_are_the_next_message() {
    let mut peer = shared().channel();
    let name = filled(&mut peer, 3);
    let soon = now_ms() / 1000 + 3600;
    let offsets = [
        None,
        Some(Value::from("next")),
        Some(Value::I64(3)),
        Some(Value::I64(1_000_000)),
        Some(Value::Time(soon)),
    ];
    for (at, offset) in offsets.iter().enumerate() {
        let channel = 2 + at as u16;
        peer.open(channel);
        let arguments = offset
            .iter()
            .map(|one| ("x-stream-offset".to_owned(), one.clone()));
        consume(&mut peer, channel, &name, 5, Table(arguments.collect()));
    }
    publish(&mut peer, &name, 3..5);
    for channel in 2..7 {
        assert_eq!(read(&mut peer, channel, 2), numbers(3..5));
    }
}

#[test]
fn a_time_is_found_among_many() {
    let mut peer = shared().channel();
    let name = declared(&mut peer);
    peer.confirm(1);
    publish(&mut peer, &name, 0..40);
    // Timestamps are whole seconds: the next messages come in another one.
    let second = now_ms() / 1000 + 1;
    while now_ms() / 1000 < second {
        std::thread::sleep(Duration::from_millis(20));
    }
    publish(&mut peer, &name, 40..80);
    assert_eq!(first_of(&mut peer, 2, &name, Value::Time(second)), "40");
    assert_eq!(
        first_of(&mut peer, 3, &name, Value::Time(second - 100)),
        "0"
    );
}
