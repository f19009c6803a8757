//! The memory alarm: publishers stop, all others go on (BEHAVIOURS 1.9).

use std::time::Duration;

use crate::support::{Login, Peer, Properties, basic, connection, queue};

/// Publishes until the broker says `blocked`.
fn fill(peer: &mut Peer, name: &str) {
    for _ in 0..200 {
        peer.publish(1, "", name, vec![0; 1 << 20]);
        peer.stream
            .set_read_timeout(Some(Duration::from_millis(1)))
            .unwrap();
        let mut byte = [0];
        if peer.stream.peek(&mut byte).is_ok() {
            break;
        }
    }
    peer.expect(0, &connection::blocked("low on memory"));
}

#[test]
fn a_publisher_is_blocked_and_unblocked() {
    let broker = own!(
        "vm_memory_high_watermark.absolute=64MiB",
        "message_memory_budget=1GiB"
    );
    let mut consumer = broker.channel();
    let name = "fill";
    consumer.ask(
        1,
        &queue::declare(name, "", table! {}),
        &queue::declare_ok(name, 0, 0),
    );
    // Open before the alarm, it never publishes.
    let mut bystander = broker.channel();

    let mut publisher = broker.channel();
    fill(&mut publisher, name);
    // The blocked connection is not read any more ...
    publisher.send(1, &basic::get(name, "no-ack"));
    // ... the others are.
    bystander.counts(1, name);
    let mut late = broker.channel();
    late.counts(1, name);
    // A second publisher is told with its first publish.
    let mut second = broker.channel();
    second.publish(1, "", name, "x");
    second.expect(0, &connection::blocked("low on memory"));
    // One that cannot be told is held up in silence.
    let login = Login {
        capabilities: &["publisher_confirms"],
        ..broker.login()
    };
    let mut mute = broker.peer_with(&login);
    mute.open(1);
    mute.publish_with(1, "", name, "", &Properties::default(), "y");

    let purged = consumer.call(1, &queue::purge(name, ""));
    assert!(purged.is(50, 31), "{purged:?}");
    second.expect(0, &connection::unblocked());
    publisher.expect(0, &connection::unblocked());
    let answer = publisher.next(1);
    assert!(answer.is(60, 71) || answer.is(60, 72), "{answer:?}");
    mute.counts(1, name);
    second.close();
}

#[test]
fn consumers_go_on_while_publishers_wait() {
    let broker = own!(
        "vm_memory_high_watermark.absolute=64MiB",
        "message_memory_budget=1GiB"
    );
    let mut consumer = broker.channel();
    let name = "drain";
    consumer.ask(
        1,
        &queue::declare(name, "", table! {}),
        &queue::declare_ok(name, 0, 0),
    );
    let mut publisher = broker.channel();
    fill(&mut publisher, name);
    let (ready, _) = consumer.counts(1, name);
    consumer.prefetch(1, 1);
    consumer.consume(1, name, "t", "");
    for _ in 0..ready {
        let delivery = consumer.delivery(1);
        consumer.send(1, &basic::ack(delivery.tag, ""));
    }
    publisher.expect(0, &connection::unblocked());
}

#[test]
fn a_blocked_peer_need_not_beat() {
    let broker = own!(
        "vm_memory_high_watermark.absolute=64MiB",
        "message_memory_budget=1GiB"
    );
    let mut consumer = broker.channel();
    let name = "patience";
    consumer.ask(
        1,
        &queue::declare(name, "", table! {}),
        &queue::declare_ok(name, 0, 0),
    );
    let mut publisher = broker.peer_with(&Login {
        heartbeat: 1,
        ..broker.login()
    });
    publisher.open(1);
    fill(&mut publisher, name);
    // Far beyond the dead time. Heartbeats still come from the broker.
    let begun = std::time::Instant::now();
    let mut beats = 0;
    while begun.elapsed() < Duration::from_secs(5) {
        let frame = publisher
            .frame_within(Duration::from_secs(3))
            .expect("still connected");
        assert_eq!(frame.kind, 8);
        beats += 1;
    }
    assert!(beats >= 3, "{beats}");
    assert!(consumer.call(1, &queue::purge(name, "")).is(50, 31));
    publisher.expect(0, &connection::unblocked());
}
