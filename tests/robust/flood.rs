//! Peers that ask more than they can hear.

use std::time::{Duration, Instant};

use crate::slow::ordinary_work;
use crate::support::raw::frame;
use crate::support::{basic, channel, queue, shared};

#[test]
fn a_flood_of_methods_is_answered_in_order() {
    let mut flooder = shared().channel();
    let name = flooder.queue(1);
    let one = frame(1, 1, &queue::declare(&name, "passive", table! {}).encode());
    let mut writer = flooder.stream.try_clone().unwrap();
    let flood = std::thread::spawn(move || {
        use std::io::Write;
        let hundred = one.repeat(100);
        for _ in 0..500 {
            writer
                .write_all(&hundred)
                .expect("it is read as fast as it is answered");
        }
    });
    let mut good = shared().channel();
    let other = good.queue(1);
    let took = ordinary_work(&mut good, &other);
    assert!(took < Duration::from_secs(10), "{took:?}");
    for _ in 0..50_000 {
        flooder.expect(1, &queue::declare_ok(&name, 0, 0));
    }
    flood.join().unwrap();
}

#[test]
fn a_flooder_that_never_reads_is_pushed_back() {
    let broker = own!();
    let mut flooder = broker.channel();
    let name = flooder.queue(1);
    let before = broker.rss_kib();
    let hundred = frame(1, 1, &queue::declare(&name, "passive", table! {}).encode()).repeat(100);
    flooder
        .stream
        .set_write_timeout(Some(Duration::from_secs(1)))
        .unwrap();
    let begun = Instant::now();
    let mut sent = 0;
    // Until TCP pushes back.
    while begun.elapsed() < Duration::from_secs(20) && sent < (256 << 20) {
        use std::io::Write;
        match flooder.stream.write(&hundred) {
            Ok(count) => sent += count,
            Err(_) => break,
        }
    }
    assert!(sent < (256 << 20), "never pushed back");
    let grown = broker.rss_kib().saturating_sub(before);
    assert!(grown < 64 << 10, "grew by {grown} KiB");
    let mut good = broker.channel();
    let other = good.queue(1);
    ordinary_work(&mut good, &other);
}

#[test]
fn channels_opened_and_closed_all_the_time() {
    let mut peer = shared().peer();
    let mut bytes = Vec::new();
    for number in 1..=2000u16 {
        bytes.extend(frame(1, number, &channel::open().encode()));
        bytes.extend(frame(1, number, &basic::qos(0, 1, false).encode()));
        bytes.extend(frame(1, number, &channel::close().encode()));
    }
    peer.send_bytes(&bytes);
    for number in 1..=2000 {
        peer.expect(number, &channel::open_ok());
        peer.expect(number, &basic::qos_ok());
        peer.expect(number, &channel::close_ok());
    }
}

#[test]
fn connections_opened_and_dropped_all_the_time() {
    let mut good = shared().channel();
    let queue = good.queue(1);
    for _ in 0..100 {
        let mut peer = shared().connect();
        peer.start();
        drop(peer);
        drop(shared().peer());
    }
    ordinary_work(&mut good, &queue);
}
