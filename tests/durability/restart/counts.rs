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
