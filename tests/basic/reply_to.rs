//! Direct reply-to: answers without a queue (BEHAVIOURS 3, 2.3).

use crate::support::{Peer, Properties, basic, channel, queue, shared};

const REPLY: &str = "amq.rabbitmq.reply-to";

/// A client that waits for replies on channel 1, and the token that a server would see.
fn client() -> (Peer, String) {
    let mut peer = shared().channel();
    peer.consume(1, REPLY, "replies", "no-ack");
    let requests = peer.queue(1);
    let properties = Properties {
        correlation_id: Some("7".to_owned()),
        ..Properties::reply_to(REPLY)
    };
    peer.publish_with(1, "", &requests, "", &properties, "request");
    let request = peer.take_soon(1, &requests);
    let got = request.properties();
    assert_eq!(got.correlation_id.as_deref(), Some("7"));
    let token = got.reply_to.expect("kept");
    assert!(token.starts_with("amq.rabbitmq.reply-to."), "{token}");
    (peer, token)
}

#[test]
fn a_reply_finds_its_way() {
    let (mut client, token) = client();
    let mut server = shared().channel();
    let properties = Properties {
        correlation_id: Some("7".to_owned()),
        ..Properties::default()
    };
    server.publish_with(1, "", &token, "", &properties, "reply");
    let reply = client.delivery(1);
    assert_eq!(
        (reply.text(), reply.consumer.as_str()),
        ("reply", "replies")
    );
    assert_eq!((reply.exchange.as_str(), &reply.routing_key), ("", &token));
    assert_eq!(reply.properties(), properties);
    assert!(!reply.redelivered);
}

#[test]
fn many_replies_keep_their_order() {
    let (mut client, token) = client();
    let mut server = shared().channel();
    for number in 0..200 {
        server.publish(1, "", &token, number.to_string());
    }
    for number in 0..200 {
        assert_eq!(client.delivery(1).text(), number.to_string());
    }
}

#[test]
fn a_live_address_can_be_asked_for() {
    let (mut client, token) = client();
    let mut server = shared().channel();
    let ok = queue::declare_ok(&token, 0, 1);
    server.ask(1, &queue::declare(&token, "passive", table! {}), &ok);
    client.ask(1, &channel::close(), &channel::close_ok());
    server.send(1, &queue::declare(&token, "passive", table! {}));
    let closed = server.expect_method(1, 20, 40);
    assert_eq!(closed.number(0), 404, "{closed:?}");
}

#[test]
fn a_mandatory_reply_to_a_live_address_is_routed() {
    decided!("RabbitMQ 4.0 delivers it and returns it, too");
    let (mut client, token) = client();
    let mut server = shared().channel();
    server.publish_with(1, "", &token, "mandatory", &Properties::default(), "reply");
    assert_eq!(client.delivery(1).text(), "reply");
    let probe = server.queue(1);
    server.quiet(1, &probe);
}

#[test]
fn a_mandatory_reply_to_nobody_comes_back() {
    let (client, token) = client();
    client.close();
    let mut server = shared().channel();
    for address in [token.as_str(), "amq.rabbitmq.reply-to.nonsense"] {
        server.publish_with(1, "", address, "mandatory", &Properties::default(), "reply");
        assert_eq!(server.returned(1).code, 312);
    }
    // Without the flag it is just lost.
    server.publish(1, "", &token, "reply");
    let probe = server.queue(1);
    server.quiet(1, &probe);
}

#[test]
fn a_confirmed_reply() {
    let (mut client, token) = client();
    let mut server = shared().channel();
    server.confirm(1);
    server.publish(1, "", &token, "reply");
    server.acked(1, 1);
    assert_eq!(client.delivery(1).text(), "reply");
}

#[test]
fn one_reply_consumer_a_channel() {
    let (mut client, _) = client();
    let text = "PRECONDITION_FAILED - reply consumer already set";
    client.refused(
        1,
        &basic::consume(REPLY, "again", "no-ack", table! {}),
        406,
        text,
    );
}

#[test]
fn replies_cannot_be_acknowledged() {
    let mut peer = shared().channel();
    let text = "PRECONDITION_FAILED - reply consumer cannot acknowledge";
    peer.refused(1, &basic::consume(REPLY, "t", "", table! {}), 406, text);
}

#[test]
fn a_request_needs_the_consumer_first() {
    let mut peer = shared().channel();
    let requests = peer.queue(1);
    let text = "PRECONDITION_FAILED - fast reply consumer does not exist";
    peer.publish_refused(1, ("", &requests), &Properties::reply_to(REPLY), 406, text);
}

#[test]
fn a_cancelled_consumer_can_come_again() {
    let (mut client, token) = client();
    client.ask(
        1,
        &basic::cancel("replies", ""),
        &basic::cancel_ok("replies"),
    );
    client.consume(1, REPLY, "later", "no-ack");
    let mut server = shared().channel();
    server.publish_with(1, "", &token, "", &Properties::default(), "late");
    let probe = server.queue(1);
    server.quiet(1, &probe);
}

#[test]
fn an_ordinary_reply_to_is_left_alone() {
    let mut peer = shared().channel();
    let queue = peer.queue(1);
    let properties = Properties::reply_to("my.own.queue");
    peer.publish_with(1, "", &queue, "", &properties, "x");
    assert_eq!(peer.take_soon(1, &queue).properties(), properties);
}
