//! Faults that the real process meets on disk: files that are damaged, missing or cut, a disk that is full or read-only. What it
//! says, what it still serves, and that nothing else is lost. Which byte leads to which answer is tried in
//! `src/store/recovery/tests.rs`; refusals that need no contents are in `tests/config/storage.rs`.

mod damage;
mod full;
mod mount;

use crate::support::*;

const MIB: usize = 1 << 20;

/// A body that names itself, wherever it lies.
fn body(number: u32, bytes: usize) -> Vec<u8> {
    let mut body = mark(number).into_bytes();
    body.resize(bytes, b'.');
    body
}

/// How the body of a message begins.
fn mark(number: u32) -> String {
    format!("message {number};")
}

/// Publishes messages to a queue, each confirmed before the next: no two share a block.
fn publish(peer: &mut Peer, queue: &str, numbers: std::ops::Range<u32>, bytes: usize) {
    const CHANNEL: u16 = 98;
    peer.open(CHANNEL);
    peer.confirm(CHANNEL);
    for (tag, number) in (1..).zip(numbers) {
        let properties = Properties::persistent();
        peer.publish_with(CHANNEL, "", queue, "", &properties, body(number, bytes));
        peer.acked_one(CHANNEL, tag);
    }
    peer.ask(CHANNEL, &channel::close(), &channel::close_ok());
}

/// The numbers of all messages of a queue, in order. Their bodies are whole; they stay in the queue.
fn waiting(home: &Home, queue: &str, bytes: usize) -> Vec<u32> {
    // What is not acknowledged comes back when the connection goes; another one must not look before.
    let mut peer = home.channel();
    let got: Vec<Delivery> = std::iter::from_fn(|| peer.get(1, queue)).collect();
    peer.close();
    home.channel().wait_ready(1, queue, got.len() as u32);
    got.iter().map(|one| number(one, bytes)).collect()
}

/// The number of a message, whose body is whole.
fn number(delivery: &Delivery, bytes: usize) -> u32 {
    let text = String::from_utf8_lossy(&delivery.body);
    let number = text
        .strip_prefix("message ")
        .and_then(|text| text.split(';').next());
    let number = number.and_then(|number| number.parse().ok());
    let number = number.unwrap_or_else(|| panic!("not one of ours: {:.40}", text));
    assert!(
        delivery.body == body(number, bytes),
        "the body of {number} is another"
    );
    number
}
