//! How often a message was delivered, across restarts: the count goes on, the limit holds, and where nothing is counted nothing is.

use super::*;
use crate::support::home::both;

fn count(got: &Delivery) -> Option<i64> {
    match got.headers().get("x-delivery-count") {
        Some(Value::I64(count)) => Some(*count),
        None => None,
        Some(other) => panic!("{other:?}"),
    }
}

/// Takes the one message and gives it back, `times` times.
fn fail(peer: &mut Peer, name: &str, times: u32) {
    for _ in 0..times {
        peer.wait_ready(1, name, 1);
        let got = peer.get(1, name).expect("it is ready");
        peer.send(1, &basic::nack(got.tag, "requeue"));
    }
    peer.wait_ready(1, name, 1);
}

#[test]
fn a_delivery_count_goes_on_and_its_limit_holds() {
    for kind in ["quorum", "classic"] {
        both(|home, end| {
            if kind == "classic" {
                decided!("RabbitMQ refuses the limit on classic queues");
            }
            let mut peer = home.channel();
            let (name, dead) = (unique("counted"), durable_queue(&mut peer));
            let arguments = table! {
                "x-queue-type" => kind, "x-delivery-limit" => 3i32,
                "x-dead-letter-exchange" => "", "x-dead-letter-routing-key" => dead.as_str(),
            };
            durable(&mut peer, &name, arguments);
            confirmed(
                &mut peer,
                ("", &name),
                [(Properties::persistent(), "poison")],
            );
            fail(&mut peer, &name, 2);
            home.settle(end);
            // Twice, so that what a recovery found is written again.
            for _ in 0..2 {
                home.restart(end);
            }
            let mut peer = home.channel();
            let got = peer.get(1, &name).expect("it is there");
            assert_eq!(count(&got), Some(2), "{kind} {end:?}");
            peer.send(1, &basic::nack(got.tag, "requeue"));
            peer.wait_ready(1, &name, 1);
            let got = peer.get(1, &name).expect("the limit is not passed");
            assert_eq!(count(&got), Some(3), "{kind} {end:?}");
            peer.send(1, &basic::nack(got.tag, "requeue"));
            peer.wait_ready(1, &dead, 1);
            assert_eq!(peer.counts(1, &name).0, 0);
            home.settle(end);
            home.restart(end);
            let mut peer = home.channel();
            let got = peer.get(1, &dead).expect("it died");
            let death = &got.deaths()[0];
            assert_eq!(death.get("reason"), Some(&Value::from("delivery_limit")));
            assert_eq!(death.get("queue"), Some(&Value::from(name.as_str())));
            assert_eq!(peer.counts(1, &name).0, 0);
        });
    }
}

#[test]
fn each_message_keeps_its_own_count() {
    both(|home, end| {
        let mut peer = home.channel();
        let name = unique("counted");
        durable(&mut peer, &name, table! { "x-queue-type" => "quorum" });
        let texts: Vec<String> = (0..200).map(|number| number.to_string()).collect();
        let messages = texts.iter().map(|text| (Properties::persistent(), text));
        confirmed(&mut peer, ("", &name), messages);
        // Number n is given back n % 4 times; at the end all are back.
        for round in 0..3u32 {
            let all: Vec<Delivery> = (0..200)
                .map(|_| peer.get(1, &name).expect("all are there"))
                .collect();
            for got in all {
                let number: u32 = got.text().parse().expect("a number");
                let counts = round < number % 4;
                // A reject gives it back and does not count, as in RabbitMQ 4.
                let back = match counts {
                    true => basic::nack(got.tag, "requeue"),
                    false => basic::reject(got.tag, "requeue"),
                };
                peer.send(1, &back);
            }
            peer.wait_ready(1, &name, 200);
        }
        let before = all_counts(&mut peer, &name);
        home.settle(end);
        home.restart(end);
        let mut peer = home.channel();
        assert_eq!(all_counts(&mut peer, &name), before, "{end:?}");
        assert!(
            before.iter().any(|(_, count)| *count == Some(3)),
            "{before:?}"
        );
        assert!(
            before.iter().any(|(_, count)| count.unwrap_or(0) == 0),
            "{before:?}"
        );
    });
}

/// Text and count of each, sorted; all stay out until the channel is closed.
fn all_counts(peer: &mut Peer, name: &str) -> Vec<(String, Option<i64>)> {
    peer.open(7);
    let mut all: Vec<(String, Option<i64>)> = Vec::new();
    while let Some(got) = peer.get(7, name) {
        all.push((got.text().to_owned(), count(&got)));
    }
    assert_eq!(all.len(), 200);
    all.sort();
    // They go back uncounted: the last look is not the next one's business.
    peer.ask(7, &channel::close(), &channel::close_ok());
    all
}
