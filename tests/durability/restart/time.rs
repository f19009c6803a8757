//! Time goes on while the broker is down.

use std::time::Duration;

use super::*;
use crate::support::home::both;

/// Longer than a restart, here and of RabbitMQ.
const SHORT_MS: u32 = 1500;
const DOWN: Duration = Duration::from_millis(1700);

#[test]
fn what_expires_while_the_broker_is_down_is_gone_when_it_is_back() {
    both(|home, end| {
        let mut peer = home.channel();
        let name = durable_queue(&mut peer);
        let short = Properties {
            expiration: Some(SHORT_MS.to_string()),
            ..Properties::persistent()
        };
        let long = Properties {
            expiration: Some("86400000".into()),
            ..Properties::persistent()
        };
        let messages = [
            (short.clone(), "1"),
            (short, "2"),
            (long, "3"),
            (Properties::persistent(), "4"),
        ];
        confirmed(&mut peer, ("", &name), messages);
        let by_queue = unique("ttl");
        durable(
            &mut peer,
            &by_queue,
            table! { "x-message-ttl" => SHORT_MS as i32 },
        );
        keep(&mut peer, &by_queue, numbers(0..5));
        home.end(end);
        std::thread::sleep(DOWN);
        home.start();
        let mut peer = home.channel();
        assert_eq!(bodies(&mut peer, &name), ["3", "4"]);
        peer.wait_ready(1, &by_queue, 0);
        keep(&mut peer, &by_queue, ["new"]);
        peer.has(1, &by_queue, 1, 0);
    });
}

#[test]
fn a_deadline_stays_where_it_was() {
    both(|home, end| {
        let mut peer = home.channel();
        let name = unique("ttl");
        let ttl_ms = if foreign() { 12_000 } else { 3000u64 };
        durable(
            &mut peer,
            &name,
            table! { "x-message-ttl" => ttl_ms as i32 },
        );
        keep(&mut peer, &name, ["one"]);
        let published_ms = now_ms();
        // A clean stop waits for those who do not answer.
        drop(peer);
        home.restart(end);
        let mut peer = home.channel();
        peer.has(1, &name, 1, 0);
        peer.wait_ready(1, &name, 0);
        let lived_ms = now_ms() - published_ms;
        // A second for a busy machine; a deadline counted from the restart would be later than that only on an idle one.
        assert!(
            (ttl_ms - 100..ttl_ms + 1000).contains(&lived_ms),
            "{lived_ms} ms"
        );
    });
}

#[test]
fn what_expires_while_the_broker_is_down_is_dead_lettered_when_it_is_back() {
    both(|home, end| {
        let mut peer = home.channel();
        let dead = durable_queue(&mut peer);
        let name = unique("ttl");
        let arguments =
            table! { "x-dead-letter-exchange" => "", "x-dead-letter-routing-key" => &dead };
        durable(&mut peer, &name, arguments);
        let short = Properties {
            expiration: Some(SHORT_MS.to_string()),
            ..Properties::persistent()
        };
        confirmed(&mut peer, ("", &name), [(short, "expired")]);
        home.end(end);
        std::thread::sleep(DOWN);
        home.start();
        let mut peer = home.channel();
        let got = peer.take_soon(1, &dead);
        assert_eq!(
            (got.text(), got.routing_key.as_str()),
            ("expired", dead.as_str())
        );
        let deaths = got.deaths();
        assert_eq!(deaths.len(), 1);
        assert_eq!(
            (deaths[0].str("reason"), deaths[0].str("queue")),
            ("expired", name.as_str())
        );
        assert_eq!(deaths[0].str("original-expiration"), SHORT_MS.to_string());
        assert_eq!(got.properties().expiration, None);
        assert_eq!(got.properties().delivery_mode, Some(2));
        peer.has(1, &name, 0, 0);
    });
}

/// RabbitMQ counts the time without use from the start on.
#[test]
fn an_unused_queue_has_its_time_again_after_a_restart() {
    both(|home, end| {
        let mut peer = home.channel();
        let name = unique("expires");
        durable(&mut peer, &name, table! { "x-expires" => SHORT_MS as i32 });
        home.end(end);
        std::thread::sleep(DOWN);
        home.start();
        let mut peer = home.channel();
        peer.has(1, &name, 0, 0);
        std::thread::sleep(DOWN + Duration::from_millis(300));
        queue_is_gone(&mut peer, &name);
        home.settle(end);
        home.restart(end);
        let mut peer = home.channel();
        queue_is_gone(&mut peer, &name);
    });
}
