//! Peers that never read: what is meant for them waits in the queue, not in the connection.

use std::time::Duration;

use crate::slow::ordinary_work;
use crate::support::{Peer, basic, queue};

const MIB: u32 = 1 << 20;

fn stuck_consumer(broker: &crate::support::Broker, name: &str, flags: &str) -> Peer {
    let mut peer = broker.channel();
    peer.consume(1, name, "stuck", flags);
    peer
}

#[test]
fn deliveries_to_it_are_bounded() {
    for flags in ["", "no-ack"] {
        let broker = own!("vm_memory_high_watermark.absolute=2GiB");
        let mut good = broker.channel();
        good.ask(
            1,
            &queue::declare("q", "", table! {}),
            &queue::declare_ok("q", 0, 0),
        );
        let stuck = stuck_consumer(&broker, "q", flags);
        good.confirm(1);
        for _ in 0..100 {
            good.publish(1, "", "q", vec![0; MIB as usize]);
        }
        good.acked(1, 100);
        // The messages themselves and not much more.
        let rss = broker.rss_kib();
        assert!(
            rss < 180 << 10,
            "{rss} KiB for 100 MiB of messages, {flags:?}"
        );
        if flags.is_empty() {
            // Without credit limit everything may be on its way, but nothing is settled.
            drop(stuck);
            good.wait_ready(1, "q", 100);
        } else {
            let (ready, _) = good.counts(1, "q");
            assert!(
                ready > 50,
                "{ready} ready: the others were spent on a peer that never reads"
            );
        }
        let other = good.queue(1);
        good.open(2);
        good.publish(2, "", &other, "x");
        assert_eq!(good.take_soon(2, &other).text(), "x");
    }
}

#[test]
fn others_on_the_same_queue_go_on() {
    let broker = own!();
    let mut good = broker.channel();
    good.ask(
        1,
        &queue::declare("q", "", table! {}),
        &queue::declare_ok("q", 0, 0),
    );
    let _stuck = stuck_consumer(&broker, "q", "no-ack");
    let mut reader = broker.channel();
    reader.consume(1, "q", "good", "no-ack");
    let count = 400;
    let body = vec![0; 100_000];
    let publisher = std::thread::spawn(move || {
        for _ in 0..count {
            good.publish(1, "", "q", &body);
        }
        good
    });
    // At least half come here; the stuck one takes what its buffers hold, then is passed over.
    for _ in 0..count / 2 {
        reader.delivery(1);
    }
    let mut good = publisher.join().unwrap();
    let other = good.queue(1);
    let took = ordinary_work(&mut good, &other);
    assert!(took < Duration::from_secs(10), "{took:?}");
}

#[test]
fn its_acks_are_still_heard() {
    let broker = own!();
    let mut good = broker.channel();
    good.ask(
        1,
        &queue::declare("q", "", table! {}),
        &queue::declare_ok("q", 0, 0),
    );
    let mut deaf = stuck_consumer(&broker, "q", "");
    for _ in 0..200 {
        good.publish(1, "", "q", vec![0; 200_000]);
    }
    let first = deaf.delivery(1);
    deaf.send(1, &basic::reject(first.tag, "requeue"));
    deaf.stream.shutdown(std::net::Shutdown::Both).unwrap();
    drop(deaf);
    good.wait_ready(1, "q", 200);
}
