//! Messages that a delayed message exchange holds, through kills: while they are published, while they are due, while the broker
//! recovers. None that was confirmed is lost, none comes before its time, none comes twice.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::support::*;

const LIVES: u32 = 8;
/// Published in each life; of the last ones nobody knows whether they were confirmed.
const PUBLISHED: u32 = 400;
const AWAITED: u64 = 250;
/// Longest delay.
const DELAY_MS: u64 = 3000;

/// What is known of one message.
struct Sent {
    due_ms: u64,
    confirmed: bool,
}

fn next(random: &mut u64) -> u64 {
    *random = random
        .wrapping_mul(6_364_136_223_846_793_005)
        .wrapping_add(1_442_695_040_888_963_407);
    *random >> 33
}

fn number(got: &Delivery) -> u32 {
    got.text()[..6].parse().expect("its number")
}

/// What is in the queue now. It goes back when the channel closes.
fn look(peer: &mut Peer, channel: u16, sent: &BTreeMap<u32, Sent>) -> BTreeSet<u32> {
    peer.open(channel);
    let mut seen = BTreeSet::new();
    while let Some(got) = peer.get(channel, "q") {
        let number = number(&got);
        assert!(seen.insert(number), "{number} is there twice");
        // Both clocks cut milliseconds off.
        assert!(now_ms() + 2 >= sent[&number].due_ms, "{number} is early");
        assert_eq!(got.headers().keys(), ["x-delay"]);
    }
    peer.ask(channel, &channel::close(), &channel::close_ok());
    seen
}

fn campaign(settings: &[&str], mut random: u64) {
    let mut home = Home::with(settings);
    let mut peer = home.channel();
    let arguments = table! { "x-delayed-type" => "topic" };
    let declare = exchange::declare("x", "x-delayed-message", "durable", arguments);
    peer.ask(1, &declare, &exchange::declare_ok());
    let declare = queue::declare("q", "durable", table! {});
    peer.ask(1, &declare, &queue::declare_ok("q", 0, 0));
    peer.bind(1, "q", "x", "a.#");
    let mut sent: BTreeMap<u32, Sent> = BTreeMap::new();
    for life in 0..LIVES {
        peer.confirm(1);
        for at in 0..PUBLISHED {
            let number = life * PUBLISHED + at;
            let delay_ms = 1 + next(&mut random) % DELAY_MS;
            let properties = Properties {
                headers: Some(table! { "x-delay" => delay_ms as i64 }),
                ..Properties::persistent()
            };
            let due_ms = now_ms() + delay_ms;
            let body = format!("{number:06}{}", "x".repeat((number % 700) as usize));
            peer.publish_with(1, "x", "a.b", "", &properties, body);
            let confirmed = u64::from(at) < AWAITED;
            sent.insert(number, Sent { due_ms, confirmed });
        }
        peer.acked(1, AWAITED);
        std::thread::sleep(Duration::from_millis(next(&mut random) % 600));
        home.end(End::Kill);
        for _ in 0..next(&mut random) % 3 {
            // Killed again while it recovers, or while it catches up.
            let broker = home.spawn();
            std::thread::sleep(Duration::from_millis(next(&mut random) % 80));
            broker.kill();
        }
        home.start();
        peer = home.channel();
        look(&mut peer, 2, &sent);
    }
    let last = sent.values().map(|one| one.due_ms).max().unwrap_or(0);
    std::thread::sleep(Duration::from_millis(last.saturating_sub(now_ms())));
    let mut missing = BTreeSet::new();
    for _ in 0..200 {
        let seen = look(&mut peer, 2, &sent);
        let lost = |(number, one): (&u32, &Sent)| {
            (one.confirmed && !seen.contains(number)).then_some(*number)
        };
        missing = sent.iter().filter_map(lost).collect();
        if missing.is_empty() {
            break;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    assert!(missing.is_empty(), "lost: {missing:?}");
    // Nothing is left that could come again.
    home.restart(End::Kill);
    let mut peer = home.channel();
    let seen = look(&mut peer, 2, &sent);
    assert_eq!(peer.counts(1, "q").0 as usize, seen.len());
}

#[test]
fn held_messages_come_once_and_not_before_their_time_whenever_the_broker_is_killed() {
    campaign(&[], 1);
}

#[test]
fn the_same_with_checkpoints_all_the_time_and_little_memory() {
    campaign(
        &[
            "checkpoint_interval_size=1MiB",
            "message_memory_budget=1MiB",
        ],
        2,
    );
}
