//! start and start-ok: what the server says of itself, who may log in (BEHAVIOURS 1.2, 1.3).

use crate::support::raw::Peer;
use crate::support::table::Value;
use crate::support::{Login, Method, connection, shared};

const REFUSED: &str = "ACCESS_REFUSED - Login was refused using authentication mechanism";

fn refused(mechanism: &str, response: &[u8], capability: bool) {
    let mut peer = shared().connect();
    peer.start();
    let login = Login {
        capabilities: if capability {
            &["authentication_failure_close"]
        } else {
            &[]
        },
        ..Login::default()
    };
    peer.send(
        0,
        &connection::start_ok(login.properties(), mechanism, response),
    );
    if capability {
        let text = format!("{REFUSED} {mechanism}. For details see the broker logfile.");
        peer.expect_connection_close(403, &text, 0, 0);
    } else {
        peer.expect_closed();
    }
}

/// Failures other than a wrong password are never explained on the wire.
fn dropped(mechanism: &str, response: &[u8]) {
    let mut peer = shared().connect();
    peer.start();
    let properties = Login::default().properties();
    peer.send(0, &connection::start_ok(properties, mechanism, response));
    peer.expect_closed();
}

fn accepted(mechanism: &str, response: &[u8]) -> Peer {
    let mut peer = shared().connect();
    peer.start();
    let properties = Login::default().properties();
    peer.send(0, &connection::start_ok(properties, mechanism, response));
    peer.expect_method(0, 10, 30);
    peer
}

/// AMQPLAIN: a table without its length.
fn amqplain(user: &str, password: &str) -> Vec<u8> {
    table! { "LOGIN" => user, "PASSWORD" => password }.payload()
}

#[test]
fn start_offers_both_mechanisms_and_one_locale() {
    let start = shared().connect().start();
    let offered = start.text(3);
    let mechanisms: Vec<&str> = offered.split(' ').collect();
    assert!(mechanisms.contains(&"PLAIN"), "{offered}");
    assert!(mechanisms.contains(&"AMQPLAIN"), "{offered}");
    assert_eq!(start.text(4), "en_US");
}

#[test]
fn server_properties_have_what_clients_look_for() {
    let start: Method = shared().connect().start();
    let properties = start.table(2);
    let capabilities = properties.table("capabilities");
    for name in [
        "publisher_confirms",
        "exchange_exchange_bindings",
        "basic.nack",
        "consumer_cancel_notify",
        "connection.blocked",
        "consumer_priorities",
        "authentication_failure_close",
        "per_consumer_qos",
        "direct_reply_to",
    ] {
        assert_eq!(capabilities.get(name), Some(&Value::Bool(true)), "{name}");
    }
    for name in [
        "cluster_name",
        "copyright",
        "information",
        "platform",
        "product",
        "version",
    ] {
        assert!(!properties.str(name).is_empty(), "{name}");
    }
}

#[test]
fn the_product_is_leveret_on_the_level_of_a_rabbitmq() {
    decided!("RabbitMQ says RabbitMQ");
    let start = shared().connect().start();
    let properties = start.table(2);
    assert_eq!(properties.str("product"), "Leveret");
    let version = properties.str("version");
    let numbers: Vec<u32> = version
        .split('.')
        .map(|part| part.parse().expect(version))
        .collect();
    assert!(numbers.len() == 3 && numbers[0] >= 4, "{version}");
    assert_eq!(properties.str("leveret_version"), env!("CARGO_PKG_VERSION"));
}

#[test]
fn product_name_and_version_can_be_set() {
    let broker = own!("product_name=RabbitMQ", "product_version=3.10.8");
    let start = broker.connect().start();
    assert_eq!(start.table(2).str("product"), "RabbitMQ");
    assert_eq!(start.table(2).str("version"), "3.10.8");
}

#[test]
fn plain_and_amqplain_log_in() {
    accepted("PLAIN", b"\0guest\0guest");
    accepted("AMQPLAIN", &amqplain("guest", "guest"));
}

#[test]
fn a_wrong_password_is_told_to_clients_that_understand() {
    refused("PLAIN", b"\0guest\0wrong", true);
    refused("PLAIN", b"\0nobody\0guest", true);
    refused("PLAIN", b"\0guest\0", true);
    refused("AMQPLAIN", &amqplain("guest", "wrong"), true);
    refused("AMQPLAIN", &amqplain("nobody", ""), true);
}

#[test]
fn a_wrong_password_drops_the_others() {
    refused("PLAIN", b"\0guest\0wrong", false);
}

#[test]
fn malformed_plain_is_dropped() {
    dropped("PLAIN", b"zz\0guest\0guest");
}

#[test]
fn plain_with_a_tail_is_dropped() {
    dropped("PLAIN", b"\0guest\0guest\0more");
}

#[test]
fn plain_without_password_field_is_dropped() {
    dropped("PLAIN", b"\0guest");
}

#[test]
fn malformed_amqplain_is_dropped() {
    dropped("AMQPLAIN", b"\x05LOGINS\0\0\0\xffguest");
}

#[test]
fn amqplain_without_password_is_dropped() {
    dropped("AMQPLAIN", &table! { "LOGIN" => "guest" }.payload());
}

#[test]
fn an_unknown_mechanism_is_dropped() {
    dropped("EXTERNAL", b"guest");
}

#[test]
fn a_default_user_of_another_name_replaces_guest() {
    let broker = own!(
        "default_user=alice",
        "default_pass=secret",
        "default_vhost=shop"
    );
    broker.peer().close();
    let mut peer = broker.connect();
    peer.start();
    let login = Login::default();
    peer.send(
        0,
        &connection::start_ok(login.properties(), "PLAIN", &login.plain()),
    );
    let text = format!("{REFUSED} PLAIN. For details see the broker logfile.");
    peer.expect_connection_close(403, &text, 0, 0);
}
