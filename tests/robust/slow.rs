//! Peers that take their time.

use std::time::{Duration, Instant};

use crate::support::raw::{PROTOCOL, content};
use crate::support::{Peer, basic, shared};

/// Somebody else's ordinary work, which must stay ordinary.
pub fn ordinary_work(peer: &mut Peer, queue: &str) -> Duration {
    let begun = Instant::now();
    for number in 0..100 {
        peer.publish(1, "", queue, number.to_string());
        assert_eq!(peer.take_soon(1, queue).text(), number.to_string());
    }
    begun.elapsed()
}

#[test]
fn byte_by_byte_peers_harm_nobody() {
    let mut good = shared().channel();
    let queue = good.queue(1);
    // Some are in the middle of the protocol header, some of a method, some of a body.
    let mut slow: Vec<(Peer, Vec<u8>)> = Vec::new();
    for number in 0..30 {
        if number % 2 == 0 {
            slow.push((shared().connect(), PROTOCOL.to_vec()));
        } else {
            let mut peer = shared().channel();
            let name = peer.queue(1);
            slow.push((
                peer,
                content(1, &basic::publish("", &name, ""), &[0, 0], b"slow", 4),
            ));
        }
    }
    let begun = Instant::now();
    for at in 0..8 {
        for (peer, bytes) in &mut slow {
            peer.send_bytes(&bytes[at..=at]);
        }
        let took = ordinary_work(&mut good, &queue);
        assert!(took < Duration::from_secs(10), "{took:?}");
    }
    assert!(begun.elapsed() < Duration::from_secs(60));
    // And they get their due.
    for (number, (mut peer, bytes)) in slow.into_iter().enumerate() {
        if number % 2 == 0 {
            peer.expect_method(0, 10, 10);
        } else {
            peer.send_bytes(&bytes[8..]);
            peer.ask(1, &basic::qos(0, 1, false), &basic::qos_ok());
        }
    }
}
