//! Dead letters: when, where to, and what is written on them (BEHAVIOURS 7).

use crate::support::table::strings;
use crate::support::{
    Peer, Properties, Table, Value, basic, exchange, now_ms, queue, shared, unique,
};

/// A queue whose dead letters go to the second one through the default exchange.
fn pair(peer: &mut Peer, more: Table) -> (String, String) {
    let grave = peer.queue(1);
    let mut arguments =
        table! { "x-dead-letter-exchange" => "", "x-dead-letter-routing-key" => &grave };
    arguments.0.extend(more.0);
    (peer.queue_with(1, arguments), grave)
}

fn reject(peer: &mut Peer, queue: &str) {
    let delivery = loop {
        if let Some(delivery) = peer.get(1, queue) {
            break delivery;
        }
    };
    peer.send(1, &basic::reject(delivery.tag, ""));
}

#[test]
fn a_rejected_message() {
    let mut peer = shared().channel();
    let (queue, grave) = pair(&mut peer, table! {});
    let properties = Properties {
        message_id: Some("m".into()),
        delivery_mode: Some(1),
        ..Properties::headers(table! { "mine" => 5i32 })
    };
    let before = now_ms() / 1000;
    peer.publish_with(1, "", &queue, "", &properties, "body");
    reject(&mut peer, &queue);
    let letter = peer.take_soon(1, &grave);
    assert_eq!((letter.text(), letter.exchange.as_str()), ("body", ""));
    assert_eq!(letter.routing_key, grave);
    assert!(!letter.redelivered);
    let got = letter.properties();
    assert_eq!(
        (got.message_id.as_deref(), got.delivery_mode),
        (Some("m"), Some(1))
    );
    let headers = letter.headers();
    assert_eq!(headers.get("mine"), Some(&Value::I32(5)));
    for when in ["first", "last"] {
        assert_eq!(headers.str(&format!("x-{when}-death-reason")), "rejected");
        assert_eq!(headers.str(&format!("x-{when}-death-queue")), queue);
        assert_eq!(headers.str(&format!("x-{when}-death-exchange")), "");
    }
    let deaths = letter.deaths();
    assert_eq!(deaths.len(), 1);
    let death = &deaths[0];
    // Names, types and their order, as RabbitMQ 4 writes them.
    assert_eq!(
        death.keys(),
        [
            "count",
            "reason",
            "queue",
            "time",
            "exchange",
            "routing-keys"
        ]
    );
    assert_eq!(death.long("count"), 1);
    assert_eq!(death.str("reason"), "rejected");
    assert_eq!(death.str("queue"), queue);
    assert_eq!(death.str("exchange"), "");
    assert_eq!(death.get("routing-keys"), Some(&strings(&[&queue])));
    let Some(Value::Time(time)) = death.get("time") else {
        panic!("{death:?}")
    };
    assert!((before..=now_ms() / 1000 + 1).contains(time), "{time}");
}

#[test]
fn a_nacked_message_and_many_of_them() {
    let mut peer = shared().channel();
    let (queue, grave) = pair(&mut peer, table! {});
    for number in 0..100 {
        peer.publish(1, "", &queue, number.to_string());
    }
    peer.has(1, &queue, 100, 0);
    for _ in 0..100 {
        peer.get(1, &queue).expect("there");
    }
    peer.send(1, &basic::nack(0, "multiple"));
    peer.wait_ready(1, &grave, 100);
    for number in 0..100 {
        let letter = peer.take(1, &grave).expect("there");
        assert_eq!(letter.text(), number.to_string(), "in order");
        assert_eq!(letter.deaths()[0].str("reason"), "rejected");
    }
}

#[test]
fn acked_requeued_and_purged_messages_are_none() {
    let mut peer = shared().channel();
    let (name, grave) = pair(&mut peer, table! {});
    for _ in 0..3 {
        peer.publish(1, "", &name, "x");
    }
    peer.has(1, &name, 3, 0);
    let one = peer.get(1, &name).expect("there");
    peer.send(1, &basic::ack(one.tag, ""));
    let two = peer.get(1, &name).expect("there");
    peer.send(1, &basic::nack(two.tag, "requeue"));
    peer.has(1, &name, 2, 0);
    peer.ask(1, &queue::purge(&name, ""), &queue::purge_ok(2));
    peer.publish(1, "", &name, "deleted");
    peer.has(1, &name, 1, 0);
    peer.ask(1, &queue::delete(&name, ""), &queue::delete_ok(1));
    peer.quiet(1, &grave);
    peer.has(1, &grave, 0, 0);
}

#[test]
fn an_expired_message_by_the_queues_ttl() {
    let mut peer = shared().channel();
    let (queue, grave) = pair(&mut peer, table! { "x-message-ttl" => 50i32 });
    peer.publish(1, "", &queue, "x");
    let letter = peer.take_soon(1, &grave);
    let death = &letter.deaths()[0];
    assert_eq!(
        (death.str("reason"), death.str("queue")),
        ("expired", queue.as_str())
    );
    assert_eq!(death.get("original-expiration"), None);
}

#[test]
fn an_expired_message_by_its_own() {
    let mut peer = shared().channel();
    let (queue, grave) = pair(&mut peer, table! {});
    let properties = Properties {
        app_id: Some("app".into()),
        ..Properties::expiration("50")
    };
    peer.publish_with(1, "", &queue, "", &properties, "x");
    let letter = peer.take_soon(1, &grave);
    // Without its expiration, or it would die again.
    let got = letter.properties();
    assert_eq!((got.expiration, got.app_id.as_deref()), (None, Some("app")));
    let death = &letter.deaths()[0];
    assert_eq!(death.str("original-expiration"), "50");
    assert_eq!(
        death.keys(),
        [
            "original-expiration",
            "count",
            "reason",
            "queue",
            "time",
            "exchange",
            "routing-keys"
        ]
    );
}

#[test]
fn an_expiration_is_removed_also_when_rejected() {
    let mut peer = shared().channel();
    let (queue, grave) = pair(&mut peer, table! {});
    peer.publish_with(1, "", &queue, "", &Properties::expiration("600000"), "x");
    reject(&mut peer, &queue);
    let letter = peer.take_soon(1, &grave);
    assert_eq!(letter.properties().expiration, None);
    assert_eq!(letter.deaths()[0].str("original-expiration"), "600000");
}

#[test]
fn a_message_beyond_the_length() {
    let mut peer = shared().channel();
    let (queue, grave) = pair(&mut peer, table! { "x-max-length" => 1i32 });
    for body in ["1", "2", "3"] {
        peer.publish(1, "", &queue, body);
    }
    for body in ["1", "2"] {
        let letter = peer.take_soon(1, &grave);
        assert_eq!(letter.text(), body);
        assert_eq!(letter.deaths()[0].str("reason"), "maxlen");
    }
    peer.has(1, &queue, 1, 0);
}

#[test]
fn without_a_key_the_old_keys_route() {
    let mut peer = shared().channel();
    let (inward, outward) = (peer.exchange(1, "direct"), peer.exchange(1, "topic"));
    let queue = peer.queue_with(1, table! { "x-dead-letter-exchange" => &outward });
    peer.bind(1, &queue, &inward, "main");
    let graves: Vec<String> = ["main", "copy", "blind"]
        .into_iter()
        .map(|key| {
            let grave = peer.queue(1);
            peer.bind(1, &grave, &outward, key);
            grave
        })
        .collect();
    let headers = table! { "CC" => strings(&["copy"]), "BCC" => strings(&["blind"]) };
    peer.publish_with(1, &inward, "main", "", &Properties::headers(headers), "x");
    reject(&mut peer, &queue);
    for grave in &graves {
        let letter = peer.take_soon(1, grave);
        assert_eq!(letter.exchange, outward);
        let death = &letter.deaths()[0];
        assert_eq!(death.str("exchange"), inward);
        // Blind copies stay blind.
        assert_eq!(death.get("routing-keys"), Some(&strings(&["main", "copy"])));
        assert_eq!(letter.headers().get("CC"), Some(&strings(&["copy"])));
        assert_eq!(letter.headers().get("BCC"), None);
    }
}

#[test]
fn with_a_key_only_that_one_routes() {
    let mut peer = shared().channel();
    let outward = peer.exchange(1, "direct");
    let arguments =
        table! { "x-dead-letter-exchange" => &outward, "x-dead-letter-routing-key" => "dead" };
    let queue = peer.queue_with(1, arguments);
    let (dead, copy) = (peer.queue(1), peer.queue(1));
    peer.bind(1, &dead, &outward, "dead");
    peer.bind(1, &copy, &outward, "copy");
    let headers = table! { "CC" => strings(&["copy"]) };
    peer.publish_with(1, "", &queue, "", &Properties::headers(headers), "x");
    reject(&mut peer, &queue);
    let letter = peer.take_soon(1, &dead);
    assert_eq!(letter.routing_key, "dead");
    assert_eq!(letter.headers().get("CC"), Some(&strings(&["copy"])));
    peer.quiet(1, &copy);
    peer.has(1, &copy, 0, 0);
}

#[test]
fn a_missing_exchange_loses_the_message() {
    let mut peer = shared().channel();
    let queue = peer.queue_with(1, table! { "x-dead-letter-exchange" => unique("missing") });
    peer.publish(1, "", &queue, "x");
    reject(&mut peer, &queue);
    peer.quiet(1, &queue);
    peer.has(1, &queue, 0, 0);
}

#[test]
fn the_exchange_is_looked_up_at_the_time_of_death() {
    let mut peer = shared().channel();
    let name = unique("later");
    let queue = peer.queue_with(1, table! { "x-dead-letter-exchange" => &name });
    let grave = peer.queue(1);
    let declare = exchange::declare(&name, "fanout", "auto-delete", table! {});
    peer.ask(1, &declare, &exchange::declare_ok());
    peer.bind(1, &grave, &name, "");
    peer.publish(1, "", &queue, "x");
    reject(&mut peer, &queue);
    assert_eq!(peer.take_soon(1, &grave).exchange, name);
}

#[test]
fn a_second_death_of_the_same_kind_counts_up() {
    let mut peer = shared().channel();
    let (queue, grave) = pair(&mut peer, table! {});
    peer.publish(1, "", &queue, "x");
    for count in 1..=3 {
        reject(&mut peer, &queue);
        let letter = peer.take_soon(1, &grave);
        let deaths = letter.deaths();
        if count == 1 {
            assert_eq!(deaths[0].long("count"), 1);
        }
        // A client's x-death is its own affair, so carry on by hand only with the broker's own cycle (below).
        peer.publish_with(1, "", &queue, "", &letter.properties(), "x");
        if count > 1 {
            // RabbitMQ 4 does not count from what a client publishes.
            assert_eq!(deaths[0].long("count"), 1);
            assert_eq!(deaths.len(), 1);
        }
    }
}

#[test]
fn rejected_messages_may_go_round_for_ever() {
    let mut peer = shared().channel();
    // Each is the other's grave: rejected in both.
    let (one, two) = (unique("one"), unique("two"));
    for (name, other) in [(&one, &two), (&two, &one)] {
        let arguments =
            table! { "x-dead-letter-exchange" => "", "x-dead-letter-routing-key" => other };
        let declare = queue::declare(name, "exclusive", arguments);
        peer.ask(1, &declare, &queue::declare_ok(name, 0, 0));
    }
    peer.publish(1, "", &one, "x");
    for _ in 0..3 {
        reject(&mut peer, &one);
        reject(&mut peer, &two);
    }
    let letter = peer.take_soon(1, &one);
    let deaths = letter.deaths();
    let told: Vec<(&str, &str, i64)> = deaths
        .iter()
        .map(|death| (death.str("queue"), death.str("reason"), death.long("count")))
        .collect();
    // The latest first.
    assert_eq!(
        told,
        [(two.as_str(), "rejected", 3), (one.as_str(), "rejected", 3)]
    );
    assert_eq!(deaths[0].get("routing-keys"), Some(&strings(&[&two])));
    assert_eq!(deaths[1].get("routing-keys"), Some(&strings(&[&one])));
    let headers = letter.headers();
    assert_eq!(headers.str("x-first-death-queue"), one);
    assert_eq!(headers.str("x-first-death-reason"), "rejected");
    assert_eq!(headers.str("x-last-death-queue"), two);
}

#[test]
fn a_cycle_without_a_reject_ends() {
    let mut peer = shared().channel();
    let name = unique("self");
    let arguments = table! {
        "x-dead-letter-exchange" => "", "x-dead-letter-routing-key" => &name, "x-message-ttl" => 20i32,
    };
    peer.ask(
        1,
        &queue::declare(&name, "exclusive", arguments),
        &queue::declare_ok(&name, 0, 0),
    );
    peer.publish(1, "", &name, "x");
    // Gone for good, not expiring round and round.
    peer.wait_ready(1, &name, 0);
    std::thread::sleep(std::time::Duration::from_millis(100));
    peer.has(1, &name, 0, 0);
}

#[test]
fn a_retry_loop_with_a_delay_queue_works() {
    let mut peer = shared().channel();
    let (work, delay) = (unique("work"), unique("delay"));
    let arguments =
        table! { "x-dead-letter-exchange" => "", "x-dead-letter-routing-key" => &delay };
    peer.ask(
        1,
        &queue::declare(&work, "exclusive", arguments),
        &queue::declare_ok(&work, 0, 0),
    );
    let arguments = table! {
        "x-dead-letter-exchange" => "", "x-dead-letter-routing-key" => &work, "x-message-ttl" => 20i32,
    };
    peer.ask(
        1,
        &queue::declare(&delay, "exclusive", arguments),
        &queue::declare_ok(&delay, 0, 0),
    );
    peer.publish(1, "", &work, "x");
    peer.consume(1, &work, "t", "");
    for round in 0..4i64 {
        let delivery = peer.delivery(1);
        let deaths = delivery.deaths();
        if round > 0 {
            let told: Vec<(&str, &str, i64)> = deaths
                .iter()
                .map(|death| (death.str("queue"), death.str("reason"), death.long("count")))
                .collect();
            let want = [
                (delay.as_str(), "expired", round),
                (work.as_str(), "rejected", round),
            ];
            assert_eq!(told, want);
        }
        peer.send(1, &basic::nack(delivery.tag, ""));
    }
}

#[test]
fn a_clients_own_x_death_is_replaced() {
    let mut peer = shared().channel();
    let (queue, grave) = pair(&mut peer, table! {});
    let forged = table! {
        "x-death" => vec![table! { "count" => 7i64, "queue" => &queue, "reason" => "rejected" }.into()],
        "x-first-death-queue" => "nowhere",
    };
    let properties = Properties::headers(forged);
    peer.publish_with(1, "", &queue, "", &properties, "x");
    reject(&mut peer, &queue);
    let letter = peer.take_soon(1, &grave);
    assert_eq!(letter.deaths().len(), 1);
    assert_eq!(letter.deaths()[0].long("count"), 1);
    assert_eq!(letter.headers().str("x-first-death-queue"), queue);
}

#[test]
fn only_what_the_broker_adds_changes() {
    decided!("RabbitMQ 4 sorts the headers");
    let mut peer = shared().channel();
    let (queue, grave) = pair(&mut peer, table! {});
    let mine = table! { "z" => 1i32, "a" => Value::BigL(3), "m" => "x" };
    let properties = Properties {
        kind: Some("t".into()),
        ..Properties::headers(mine.clone())
    };
    peer.publish_with(1, "", &queue, "", &properties, "x");
    reject(&mut peer, &queue);
    let letter = peer.take_soon(1, &grave);
    let got = letter.headers();
    let own: Vec<(String, Value)> = got
        .0
        .into_iter()
        .filter(|(name, _)| !name.contains("death"))
        .collect();
    assert_eq!(own, mine.0);
    assert_eq!(letter.properties().kind.as_deref(), Some("t"));
}

#[test]
fn to_a_fanout_of_graves() {
    let mut peer = shared().channel();
    let outward = peer.exchange(1, "fanout");
    let queue = peer.queue_with(1, table! { "x-dead-letter-exchange" => &outward });
    let graves: Vec<String> = (0..5).map(|_| peer.queue(1)).collect();
    for grave in &graves {
        peer.bind(1, grave, &outward, "");
    }
    peer.publish(1, "", &queue, "x");
    reject(&mut peer, &queue);
    for grave in &graves {
        assert_eq!(peer.take_soon(1, grave).routing_key, queue);
    }
}
