//! x-exact-ttl: an expired message leaves when its time has come, wherever it stands. Leveret's own.

use crate::support::{Properties, basic, shared};

#[test]
fn a_message_behind_another_expires_in_time_and_is_dead_lettered() {
    decided!("an argument of its own");
    let mut peer = shared().channel();
    let dead = peer.queue(1);
    let arguments = table! {
        "x-exact-ttl" => true,
        "x-dead-letter-exchange" => "",
        "x-dead-letter-routing-key" => &dead
    };
    let queue = peer.queue_with(1, arguments);
    peer.publish(1, "", &queue, "stays");
    for (ms, body) in [("150", "second"), ("60", "first"), ("600000", "stays, too")] {
        peer.publish_with(1, "", &queue, "", &Properties::expiration(ms), body);
    }
    peer.has(1, &queue, 4, 0);
    for body in ["first", "second"] {
        let letter = peer.take_soon(1, &dead);
        assert_eq!(letter.text(), body);
        assert_eq!(letter.deaths()[0].str("reason"), "expired");
    }
    peer.has(1, &queue, 2, 0);
    assert_eq!(peer.take(1, &queue).expect("there").text(), "stays");
}

#[test]
fn what_is_out_does_not_expire_until_it_comes_back() {
    decided!("an argument of its own");
    let mut peer = shared().channel();
    let queue = peer.queue_with(
        1,
        table! { "x-exact-ttl" => true, "x-message-ttl" => 100i32 },
    );
    peer.publish(1, "", &queue, "out");
    let out = peer.get(1, &queue).expect("there");
    peer.publish(1, "", &queue, "other");
    peer.wait_ready(1, &queue, 0);
    assert!(!out.redelivered);
    // It is over by now, and goes at once.
    peer.send(1, &basic::nack(out.tag, "requeue"));
    peer.has(1, &queue, 0, 0);
    // A message without a consumer that waits is over at once with a TTL of 0.
    peer.publish_with(1, "", &queue, "", &Properties::expiration("0"), "none");
    peer.has(1, &queue, 0, 0);
}

#[test]
fn a_waiting_consumer_gets_what_has_a_ttl_of_zero() {
    decided!("an argument of its own");
    let mut peer = shared().channel();
    let queue = peer.queue_with(1, table! { "x-exact-ttl" => true });
    peer.consume(1, &queue, "c", "no-ack");
    peer.publish_with(1, "", &queue, "", &Properties::expiration("0"), "here");
    assert_eq!(peer.delivery(1).text(), "here");
}
