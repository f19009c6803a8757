//! consume: tags, flags, priorities, turns (BEHAVIOURS 2.3, 6).

use crate::support::{Delivery, Peer, Value, basic, queue, shared, unique};

#[test]
fn the_server_makes_up_tags() {
    let mut peer = shared().channel();
    let queue = peer.queue(1);
    let tags: Vec<String> = (0..2)
        .map(|_| {
            let ok = peer.call(1, &basic::consume(&queue, "", "", table! {}));
            assert!(ok.is(60, 21), "{ok:?}");
            ok.text(0)
        })
        .collect();
    assert_ne!(tags[0], tags[1]);
    for tag in tags {
        let random = tag.strip_prefix("amq.ctag-").expect("amq.ctag- prefix");
        assert_eq!(random.len(), 22, "{tag}");
    }
}

#[test]
fn a_tag_is_used_once_a_channel() {
    let mut peer = shared().channel();
    peer.open(2);
    let queue = peer.queue(1);
    peer.consume(1, &queue, "t", "");
    peer.consume(2, &queue, "t", "");
    let text = "NOT_ALLOWED - attempt to reuse consumer tag 't'";
    peer.fatal(1, &basic::consume(&queue, "t", "", table! {}), 530, text);
}

#[test]
fn a_cancelled_tag_is_free_again() {
    let mut peer = shared().channel();
    let queue = peer.queue(1);
    for _ in 0..3 {
        peer.consume(1, &queue, "t", "");
        peer.ask(1, &basic::cancel("t", ""), &basic::cancel_ok("t"));
    }
}

#[test]
fn consume_ok_comes_before_the_first_delivery() {
    let mut peer = shared().channel();
    let queue = peer.queue(1);
    for number in 0..50 {
        peer.publish(1, "", &queue, "x");
        let tag = number.to_string();
        peer.consume(1, &queue, &tag, "no-ack");
        assert_eq!(peer.delivery(1).consumer, tag);
        peer.ask(1, &basic::cancel(&tag, ""), &basic::cancel_ok(&tag));
    }
}

#[test]
fn nowait_is_not_answered() {
    let mut peer = shared().channel();
    let queue = peer.queue(1);
    peer.publish(1, "", &queue, "x");
    peer.send(1, &basic::consume(&queue, "t", "nowait no-ack", table! {}));
    assert_eq!(peer.delivery(1).consumer, "t");
}

#[test]
fn deliveries_count_up_and_carry_everything() {
    let mut peer = shared().channel();
    let name = peer.exchange(1, "topic");
    let queue = peer.queue(1);
    peer.bind(1, &queue, &name, "#");
    peer.consume(1, &queue, "t", "");
    for number in 1..=3u64 {
        peer.publish(1, &name, "some.key", number.to_string());
        let delivery = peer.delivery(1);
        let want = Delivery {
            consumer: "t".to_owned(),
            tag: number,
            redelivered: false,
            exchange: name.clone(),
            routing_key: "some.key".to_owned(),
            left: 0,
            properties: vec![0, 0],
            body: number.to_string().into_bytes(),
        };
        assert_eq!(delivery, want);
    }
}

#[test]
fn no_ack_deliveries_are_settled() {
    let mut peer = shared().channel();
    let queue = peer.queue(1);
    peer.publish(1, "", &queue, "x");
    peer.consume(1, &queue, "t", "no-ack");
    let delivery = peer.delivery(1);
    let text = format!(
        "PRECONDITION_FAILED - unknown delivery tag {}",
        delivery.tag
    );
    peer.refused(1, &basic::ack(delivery.tag, ""), 406, &text);
    peer.has(1, &queue, 0, 0);
}

#[test]
fn no_local_is_ignored() {
    let mut peer = shared().channel();
    let queue = peer.queue(1);
    peer.consume(1, &queue, "t", "no-local no-ack");
    peer.publish(1, "", &queue, "x");
    peer.delivery(1);
}

#[test]
fn an_exclusive_consumer_is_alone() {
    let mut peer = shared().channel();
    let name = peer.queue(1);
    peer.open(2);
    let text = format!("ACCESS_REFUSED - queue '{name}' in vhost '/' in exclusive use");
    peer.consume(2, &name, "alone", "exclusive");
    for flags in ["", "exclusive"] {
        peer.refused(1, &basic::consume(&name, "t", flags, table! {}), 403, &text);
    }
    peer.ask(2, &basic::cancel("alone", ""), &basic::cancel_ok("alone"));
    peer.consume(2, &name, "first", "");
    peer.refused(
        1,
        &basic::consume(&name, "t", "exclusive", table! {}),
        403,
        &text,
    );
    peer.consume(1, &name, "t", "");
}

#[test]
fn a_missing_queue() {
    let mut peer = shared().channel();
    let consume = basic::consume("missing", "t", "", table! {});
    peer.refused(
        1,
        &consume,
        404,
        "NOT_FOUND - no queue 'missing' in vhost '/'",
    );
}

#[test]
fn consumers_take_turns() {
    let mut peer = shared().channel();
    let queue = peer.queue(1);
    let channels = [2, 3, 4];
    for channel in channels {
        peer.open(channel);
        peer.consume(channel, &queue, "t", "no-ack");
    }
    for _ in 0..300 {
        peer.publish(1, "", &queue, "x");
    }
    for channel in channels {
        // 100 each.
        for _ in 0..100 {
            peer.delivery(channel);
        }
    }
    peer.quiet(1, &queue);
}

#[test]
fn a_busy_consumer_is_passed_over() {
    let mut peer = shared().channel();
    let queue = peer.queue(1);
    for channel in [2, 3] {
        peer.open(channel);
        peer.prefetch(channel, 1);
        peer.consume(channel, &queue, "t", "");
    }
    for number in 0..10 {
        peer.publish(1, "", &queue, number.to_string());
    }
    // One never acknowledges, the other takes the rest.
    let stuck = peer.delivery(2);
    for _ in 0..9 {
        let delivery = peer.delivery(3);
        peer.send(3, &basic::ack(delivery.tag, ""));
    }
    peer.has(1, &queue, 0, 2);
    peer.send(2, &basic::ack(stuck.tag, ""));
}

fn with_priority(peer: &mut Peer, channel: u16, queue: &str, tag: &str, priority: i32) {
    let arguments = table! { "x-priority" => priority };
    peer.ask(
        channel,
        &basic::consume(queue, tag, "", arguments),
        &basic::consume_ok(tag),
    );
}

#[test]
fn higher_priorities_are_served_first() {
    let mut peer = shared().channel();
    let queue = peer.queue(1);
    peer.prefetch(1, 2);
    with_priority(&mut peer, 1, &queue, "low", -5);
    peer.consume(1, &queue, "middle", "");
    with_priority(&mut peer, 1, &queue, "high", 10);
    for number in 0..7 {
        peer.publish(1, "", &queue, number.to_string());
    }
    let mut got = Vec::new();
    for _ in 0..6 {
        got.push(peer.delivery(1));
    }
    let tags: Vec<&str> = got
        .iter()
        .map(|delivery| delivery.consumer.as_str())
        .collect();
    assert_eq!(tags, ["high", "high", "middle", "middle", "low", "low"]);
    // Whoever is free first and highest.
    peer.send(1, &basic::ack(got[0].tag, ""));
    assert_eq!(peer.delivery(1).consumer, "high");
}

#[test]
fn a_priority_is_an_integer() {
    let mut peer = shared().channel();
    let name = peer.queue(1);
    let text = format!(
        "PRECONDITION_FAILED - invalid arg 'x-priority' for queue '{name}' in vhost '/': \"expected integer, got longstr\""
    );
    let consume = basic::consume(&name, "t", "", table! { "x-priority" => "5" });
    peer.refused(1, &consume, 406, &text);
    let widths: [Value; 4] = [1i8.into(), 1i16.into(), 1i64.into(), 1u8.into()];
    for (number, value) in widths.into_iter().enumerate() {
        let tag = number.to_string();
        let consume = basic::consume(&name, &tag, "", table! { "x-priority" => value });
        peer.ask(1, &consume, &basic::consume_ok(&tag));
    }
}

#[test]
fn unknown_arguments_are_ignored() {
    let mut peer = shared().channel();
    let name = peer.queue(1);
    let arguments = table! { "x-cancel-on-ha-failover" => true, "my-own" => 5i32 };
    peer.ask(
        1,
        &basic::consume(&name, "t", "", arguments),
        &basic::consume_ok("t"),
    );
}

#[test]
fn the_limit_of_consumers_on_a_channel() {
    let broker = own!("consumer_max_per_channel=2");
    let mut peer = broker.channel();
    let queue = peer.queue(1);
    peer.consume(1, &queue, "a", "");
    peer.consume(1, &queue, "b", "");
    peer.open(2);
    peer.consume(2, &queue, "c", "");
    let text = "NOT_ALLOWED - reached maximum (2) of consumers per channel";
    peer.fatal(1, &basic::consume(&queue, "c", "", table! {}), 530, text);
}

#[test]
fn a_thousand_consumers_on_a_thousand_queues() {
    let mut peer = shared().channel();
    let names: Vec<String> = (0..1000).map(|_| unique("many")).collect();
    for name in &names {
        peer.send(1, &queue::declare(name, "exclusive nowait", table! {}));
        peer.send(1, &basic::consume(name, name, "no-ack nowait", table! {}));
        peer.send(1, &basic::publish("", name, ""));
        peer.send_frame(2, 1, &crate::support::raw::header(0, &[0, 0]));
    }
    let mut tags: Vec<String> = (0..1000).map(|_| peer.delivery(1).consumer).collect();
    tags.sort();
    let mut sorted = names;
    sorted.sort();
    assert_eq!(tags, sorted);
}
