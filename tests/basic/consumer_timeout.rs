//! A consumer that does not settle in time (BEHAVIOURS 6.9, "Decided").

use crate::support::{Broker, Login, basic};

fn broker() -> Broker {
    Broker::with(&["consumer_timeout=1000"])
}

#[test]
fn it_is_cancelled_and_its_messages_return() {
    decided!("RabbitMQ 4.0 closes the channel, once a minute");
    let broker = broker();
    let mut peer = broker.channel();
    peer.open(2);
    let queue = peer.queue(1);
    for body in ["a", "b"] {
        peer.publish(1, "", &queue, body);
    }
    peer.consume(2, &queue, "slow", "");
    let first = peer.delivery(2);
    peer.delivery(2);
    peer.send(2, &basic::ack(first.tag, ""));
    peer.expect(2, &basic::cancel("slow", "nowait"));
    peer.wait_ready(1, &queue, 1);
    let again = peer.take(1, &queue).expect("returned");
    assert_eq!((again.text(), again.redelivered), ("b", true));
    // The channel goes on.
    peer.has(2, &queue, 0, 0);
}

#[test]
fn a_client_that_cannot_be_told_loses_the_channel() {
    decided!("RabbitMQ 4.0 looks once a minute");
    let broker = broker();
    let mut peer = broker.peer_with(&Login {
        capabilities: &[],
        ..broker.login()
    });
    peer.open(1);
    peer.open(2);
    let queue = peer.queue(1);
    peer.publish(1, "", &queue, "a");
    peer.consume(2, &queue, "slow", "");
    peer.delivery(2);
    let text = "PRECONDITION_FAILED - delivery acknowledgement on channel 2 timed out. Timeout value used: 1000 ms. This timeout value can be configured, see consumers doc guide to learn more";
    peer.expect_channel_close(2, 406, text, 0, 0);
    peer.wait_ready(1, &queue, 1);
}

#[test]
fn those_that_settle_stay() {
    decided!("needs a short timeout");
    let broker = broker();
    let mut peer = broker.channel();
    let queue = peer.queue(1);
    peer.consume(1, &queue, "t", "");
    peer.open(2);
    let free = peer.queue(2);
    peer.publish(1, "", &free, "no ack wanted");
    peer.consume(2, &free, "t", "no-ack");
    peer.delivery(2);
    for _ in 0..5 {
        peer.publish(1, "", &queue, "x");
        let delivery = peer.delivery(1);
        std::thread::sleep(std::time::Duration::from_millis(500));
        peer.send(1, &basic::ack(delivery.tag, ""));
    }
    peer.has(1, &queue, 0, 1);
    peer.has(2, &free, 0, 1);
}
