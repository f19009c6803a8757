//! publish: what is refused, in which order it is looked at (BEHAVIOURS 2.3, 5).

use crate::support::table::strings;
use crate::support::{Login, Properties, basic, exchange, shared, unique};

const NONE: Properties = Properties {
    content_type: None,
    content_encoding: None,
    headers: None,
    delivery_mode: None,
    priority: None,
    correlation_id: None,
    reply_to: None,
    expiration: None,
    message_id: None,
    timestamp: None,
    kind: None,
    user_id: None,
    app_id: None,
    cluster_id: None,
};

#[test]
fn the_default_exchange_routes_by_queue_name() {
    let mut peer = shared().channel();
    let queue = peer.queue(1);
    peer.publish(1, "", &queue, "hello");
    let delivery = peer.take(1, &queue).expect("routed");
    assert_eq!((delivery.exchange.as_str(), delivery.text()), ("", "hello"));
    assert_eq!(delivery.routing_key, queue);
    assert_eq!(delivery.properties, [0, 0]);
}

#[test]
fn a_missing_exchange() {
    let mut peer = shared().channel();
    let text = "NOT_FOUND - no exchange 'missing' in vhost '/'";
    peer.publish_refused(1, ("missing", "k"), &NONE, 404, text);
}

#[test]
fn an_internal_exchange() {
    let mut peer = shared().channel();
    let name = unique("x");
    let declare = exchange::declare(&name, "fanout", "internal", table! {});
    peer.ask(1, &declare, &exchange::declare_ok());
    let text =
        format!("ACCESS_REFUSED - cannot publish to internal exchange '{name}' in vhost '/'");
    peer.publish_refused(1, (&name, "k"), &NONE, 403, &text);
    peer.ask(1, &exchange::delete(&name, ""), &exchange::delete_ok());
}

#[test]
fn immediate_is_not_implemented() {
    let mut peer = shared().channel();
    peer.publish_with(1, "", "k", "immediate", &NONE, "x");
    let text = "NOT_IMPLEMENTED - immediate=true";
    peer.expect_connection_close(540, text, 60, 40);
}

#[test]
fn bad_expirations() {
    let mut peer = shared().channel();
    let queue = peer.queue(1);
    for (expiration, reason) in [
        ("abc", "no_integer"),
        ("", "no_integer"),
        ("5s", "{leftover_string,\"s\"}"),
        ("-5", "{value_negative,-5}"),
        ("315360000001", "{value_too_large,315360000001}"),
    ] {
        let text = format!("PRECONDITION_FAILED - invalid expiration '{expiration}': {reason}");
        let properties = Properties::expiration(expiration);
        peer.publish_refused(1, ("", &queue), &properties, 406, &text);
    }
}

#[test]
fn the_user_id_must_be_the_users_own() {
    let mut peer = shared().channel();
    let queue = peer.queue(1);
    let own = Properties {
        user_id: Some("guest".to_owned()),
        ..NONE
    };
    peer.publish_with(1, "", &queue, "", &own, "mine");
    assert_eq!(peer.take(1, &queue).expect("routed").properties(), own);
    let other = Properties {
        user_id: Some("bob".to_owned()),
        ..NONE
    };
    let text =
        "PRECONDITION_FAILED - user_id property set to 'bob' but authenticated user was 'guest'";
    peer.publish_refused(1, ("", &queue), &other, 406, text);
}

#[test]
fn an_impersonator_may_name_anybody() {
    let broker = own!("default_user_tags.impersonator=true");
    let mut peer = broker.channel();
    let queue = peer.queue(1);
    let other = Properties {
        user_id: Some("bob".to_owned()),
        ..NONE
    };
    peer.publish_with(1, "", &queue, "", &other, "x");
    peer.take(1, &queue).expect("accepted");
}

#[test]
fn cc_and_bcc_must_be_arrays() {
    let mut peer = shared().channel();
    for key in ["CC", "BCC"] {
        let text = format!(
            "PRECONDITION_FAILED - invalid message: {{unacceptable_type_in_header,\"{key}\",longstr}}"
        );
        let properties = Properties::headers(table! { key => "one" });
        peer.publish_refused(1, ("amq.direct", "k"), &properties, 406, &text);
    }
}

#[test]
fn the_first_fault_is_told() {
    let mut peer = shared().channel();
    // Exchange before expiration, expiration before CC, CC before user-id.
    let mut properties = Properties {
        expiration: Some("x".to_owned()),
        user_id: Some("bob".to_owned()),
        ..Properties::headers(table! { "CC" => "one" })
    };
    let text = "NOT_FOUND - no exchange 'missing' in vhost '/'";
    peer.publish_refused(1, ("missing", "k"), &properties, 404, text);
    let text = "PRECONDITION_FAILED - invalid expiration 'x': no_integer";
    peer.publish_refused(1, ("amq.direct", "k"), &properties, 406, text);
    properties.expiration = None;
    let text =
        "PRECONDITION_FAILED - invalid message: {unacceptable_type_in_header,\"CC\",longstr}";
    peer.publish_refused(1, ("amq.direct", "k"), &properties, 406, text);
    properties.headers = Some(table! { "CC" => strings(&["one"]) });
    let text =
        "PRECONDITION_FAILED - user_id property set to 'bob' but authenticated user was 'guest'";
    peer.publish_refused(1, ("amq.direct", "k"), &properties, 406, text);
}

#[test]
fn a_message_over_the_configured_size() {
    let broker = own!("max_message_size=1000");
    let mut peer = broker.channel();
    let queue = peer.queue(1);
    peer.publish(1, "", &queue, vec![0; 1000]);
    assert_eq!(peer.take(1, &queue).expect("at the limit").body.len(), 1000);
    peer.publish(1, "", &queue, vec![0; 1001]);
    let text = "PRECONDITION_FAILED - message size 1001 is larger than configured max size 1000";
    peer.expect_channel_close(1, 406, text, 60, 40);
    peer.open(1);
    peer.has(1, &queue, 0, 0);
}

#[test]
fn a_stream_of_publishes_keeps_its_order() {
    let mut peer = shared().channel();
    let queue = peer.queue(1);
    let mut bytes = Vec::new();
    for number in 0..5000u32 {
        let method = basic::publish("", &queue, "");
        let body = number.to_string();
        bytes.extend(crate::support::raw::content(
            1,
            &method,
            &[0, 0],
            body.as_bytes(),
            4088,
        ));
    }
    peer.send_bytes(&bytes);
    peer.consume(1, &queue, "t", "no-ack");
    for number in 0..5000u32 {
        assert_eq!(peer.delivery(1).text(), number.to_string());
    }
}

#[test]
fn publishes_before_an_error_count_and_those_behind_it_do_not() {
    let mut peer = shared().channel();
    peer.open(2);
    let queue = peer.queue(2);
    let mut bytes = Vec::new();
    for (target, body) in [("", "before"), ("missing", "fault"), ("", "behind")] {
        let method = basic::publish(target, &queue, "");
        bytes.extend(crate::support::raw::content(
            1,
            &method,
            &[0, 0],
            body.as_bytes(),
            4088,
        ));
    }
    peer.send_bytes(&bytes);
    let text = "NOT_FOUND - no exchange 'missing' in vhost '/'";
    peer.expect_channel_close(1, 404, text, 60, 40);
    peer.has(2, &queue, 1, 0);
    assert_eq!(peer.take(2, &queue).expect("before").text(), "before");
}

#[test]
fn two_connections_see_the_same_queue() {
    let name = unique("shared");
    let mut one = shared().channel();
    let declare = crate::support::queue::declare(&name, "", table! {});
    one.ask(1, &declare, &crate::support::queue::declare_ok(&name, 0, 0));
    let mut two = shared().peer_with(&Login {
        frame_max: 4096,
        ..Login::default()
    });
    two.open(9);
    two.consume(9, &name, "t", "no-ack");
    let body = vec![42; 100_000];
    one.publish(1, "", &name, &body);
    assert_eq!(two.delivery(9).body, body);
    let delete = crate::support::queue::delete(&name, "");
    one.ask(1, &delete, &crate::support::queue::delete_ok(0));
}
