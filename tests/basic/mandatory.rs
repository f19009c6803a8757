//! Mandatory messages come back when no queue takes them, before they are confirmed (BEHAVIOURS 5).

use crate::support::{Properties, exchange, shared, unique};

#[test]
fn an_unroutable_message_comes_back_whole() {
    let mut peer = shared().channel();
    let properties = Properties {
        message_id: Some("m1".to_owned()),
        ..Properties::headers(table! { "z" => 1i32, "a" => "x" })
    };
    let body = vec![9; 200_000];
    peer.publish_with(1, "amq.direct", "nobody's", "mandatory", &properties, &body);
    let returned = peer.returned(1);
    assert_eq!((returned.code, returned.text.as_str()), (312, "NO_ROUTE"));
    assert_eq!(returned.exchange, "amq.direct");
    assert_eq!(returned.routing_key, "nobody's");
    assert_eq!(returned.body, body);
    assert_eq!(
        Properties::decode(&returned.properties)
            .message_id
            .as_deref(),
        Some("m1")
    );
}

#[test]
fn a_routed_message_does_not() {
    let mut peer = shared().channel();
    let queue = peer.queue(1);
    peer.publish_with(1, "", &queue, "mandatory", &Properties::default(), "x");
    peer.has(1, &queue, 1, 0);
}

#[test]
fn without_the_flag_nothing_comes_back() {
    let mut peer = shared().channel();
    let queue = peer.queue(1);
    peer.publish(1, "amq.direct", "nobody's", "x");
    peer.quiet(1, &queue);
}

#[test]
fn the_return_comes_before_the_confirm() {
    let mut peer = shared().channel();
    peer.confirm(1);
    peer.publish_with(
        1,
        "",
        "no such queue",
        "mandatory",
        &Properties::default(),
        "x",
    );
    peer.returned(1);
    peer.acked(1, 1);
}

#[test]
fn the_alternate_exchange_is_asked_first() {
    let mut peer = shared().channel();
    let second = peer.exchange(1, "direct");
    let queue = peer.queue(1);
    peer.bind(1, &queue, &second, "k");
    let first = unique("x");
    let declare = exchange::declare(
        &first,
        "direct",
        "",
        table! { "alternate-exchange" => &second },
    );
    peer.ask(1, &declare, &exchange::declare_ok());
    for key in ["k", "nobody's"] {
        peer.publish_with(1, &first, key, "mandatory", &Properties::default(), key);
    }
    let returned = peer.returned(1);
    assert_eq!(
        (returned.routing_key.as_str(), returned.exchange),
        ("nobody's", first.clone())
    );
    peer.has(1, &queue, 1, 0);
    peer.ask(1, &exchange::delete(&first, ""), &exchange::delete_ok());
}

#[test]
fn an_exchange_without_queues_behind_it_returns() {
    let mut peer = shared().channel();
    let (first, second) = (peer.exchange(1, "fanout"), peer.exchange(1, "fanout"));
    let bind = exchange::bind(&second, &first, "", table! {});
    peer.ask(1, &bind, &exchange::bind_ok());
    peer.publish_with(1, &first, "", "mandatory", &Properties::default(), "x");
    assert_eq!(peer.returned(1).code, 312);
    peer.ask(1, &exchange::delete(&first, ""), &exchange::delete_ok());
    peer.ask(1, &exchange::delete(&second, ""), &exchange::delete_ok());
}
