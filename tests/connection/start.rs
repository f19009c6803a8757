//! start and start-ok: what the server says of itself, who may log in (BEHAVIOURS 1.2, 1.3).

use crate::support::raw::Peer;
use crate::support::table::Value;
use crate::support::{Login, Method, connection, shared};

const REFUSED: &str = "ACCESS_REFUSED - Login was refused using authentication mechanism";

fn refused(mechanism: &str, response: &[u8]) {
    let mut peer = answered(mechanism, response, Login::default().properties());
    let text = format!("{REFUSED} {mechanism}. For details see the broker logfile.");
    peer.expect_connection_close(403, &text, 0, 0);
}

/// Answers start with this; the broker will not explain what is wrong with it.
fn answered(mechanism: &str, response: &[u8], properties: crate::support::Table) -> Peer {
    let mut peer = shared().connect();
    peer.start();
    peer.send(0, &connection::start_ok(properties, mechanism, response));
    peer
}

fn accepted(mechanism: &str, response: &[u8]) {
    answered(mechanism, response, Login::default().properties()).expect_method(0, 10, 30);
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
    refused("PLAIN", b"\0guest\0wrong");
    refused("PLAIN", b"\0nobody\0guest");
    refused("PLAIN", b"\0guest\0");
    refused("AMQPLAIN", &amqplain("guest", "wrong"));
    refused("AMQPLAIN", &amqplain("nobody", ""));
}

/// All at once, because each is kept waiting for three seconds.
#[test]
fn what_is_not_told_is_dropped() {
    let long = b"\x05LOGINS\0\0\0\xffguest".to_vec();
    let cases: [(&str, &str, Vec<u8>); 6] = [
        (
            "PLAIN with an authorization identity",
            "PLAIN",
            b"zz\0guest\0guest".to_vec(),
        ),
        (
            "PLAIN with a tail",
            "PLAIN",
            b"\0guest\0guest\0more".to_vec(),
        ),
        ("PLAIN without a password", "PLAIN", b"\0guest".to_vec()),
        ("AMQPLAIN cut short", "AMQPLAIN", long),
        (
            "AMQPLAIN without a password",
            "AMQPLAIN",
            table! { "LOGIN" => "guest" }.payload(),
        ),
        ("an unknown mechanism", "EXTERNAL", b"guest".to_vec()),
    ];
    let mut peers: Vec<(&str, Peer)> = cases
        .into_iter()
        .map(|(what, mechanism, response)| {
            (
                what,
                answered(mechanism, &response, Login::default().properties()),
            )
        })
        .collect();
    // A wrong password, but a client that would not understand.
    peers.push((
        "a wrong password",
        answered("PLAIN", b"\0guest\0wrong", table! {}),
    ));
    for (what, mut peer) in peers {
        let frame = peer.frame_within(crate::support::PATIENCE);
        assert_eq!(frame, None, "{what}");
    }
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
