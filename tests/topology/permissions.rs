//! Configure, write and read patterns on every operation (BEHAVIOURS 2.3). The user may configure `c...`, write `...w...`
//! and read `...r...`, and the server's own names as the patterns say. Held against RabbitMQ, it is the user `limited`.

use std::sync::OnceLock;

use crate::support::{
    Broker, Login, Method, Peer, Properties, basic, exchange, foreign, queue, shared, unique,
};

pub const CONFIGURE: &str = "^(c|amq\\.gen-)";
pub const WRITE: &str = "w|amq\\.(direct|gen-)|amq\\.default";
pub const READ: &str = "r[0-9-]|amq\\.(fanout|gen-)";

fn peer() -> Peer {
    static LIMITED: OnceLock<Broker> = OnceLock::new();
    let login = Login {
        user: "limited".to_owned(),
        password: "limited".to_owned(),
        ..Login::default()
    };
    let broker = if foreign() {
        shared()
    } else {
        LIMITED.get_or_init(|| {
            Broker::with(&[
                "default_user=limited",
                "default_pass=limited",
                &format!("default_permissions.configure={CONFIGURE}"),
                &format!("default_permissions.write={WRITE}"),
                &format!("default_permissions.read={READ}"),
            ])
        })
    };
    let mut peer = broker.peer_with(&login);
    peer.open(1);
    peer
}

fn refused(peer: &mut Peer, method: &Method, verb: &str, resource: &str) {
    let text = format!(
        "ACCESS_REFUSED - {verb} access to {resource} in vhost '/' refused for user 'limited'"
    );
    peer.refused(1, method, 403, &text);
}

/// An exclusive queue with this stem.
fn own(peer: &mut Peer, stem: &str) -> String {
    let name = unique(stem);
    let declare = queue::declare(&name, "exclusive", table! {});
    peer.ask(1, &declare, &queue::declare_ok(&name, 0, 0));
    name
}

#[test]
fn declare_and_delete_want_configure() {
    let mut peer = peer();
    let name = own(&mut peer, "c");
    peer.ask(1, &queue::delete(&name, ""), &queue::delete_ok(0));
    refused(
        &mut peer,
        &queue::declare("x1", "", table! {}),
        "configure",
        "queue 'x1'",
    );
    refused(
        &mut peer,
        &queue::delete("x1", ""),
        "configure",
        "queue 'x1'",
    );
    let declare = exchange::declare("x1", "direct", "", table! {});
    refused(&mut peer, &declare, "configure", "exchange 'x1'");
    refused(
        &mut peer,
        &exchange::delete("x1", ""),
        "configure",
        "exchange 'x1'",
    );
}

#[test]
fn passive_declares_want_nothing() {
    let mut peer = peer();
    let passive = exchange::declare("amq.topic", "", "passive", table! {});
    peer.ask(1, &passive, &exchange::declare_ok());
    let passive = queue::declare("x1", "passive", table! {});
    peer.refused(1, &passive, 404, "NOT_FOUND - no queue 'x1' in vhost '/'");
}

#[test]
fn server_names_are_checked_like_others() {
    let mut peer = peer();
    let ok = peer.call(1, &queue::declare("", "exclusive", table! {}));
    assert!(ok.is(50, 11), "{ok:?}");
}

#[test]
fn bind_wants_write_on_the_queue_and_read_on_the_exchange() {
    let mut peer = peer();
    let (plain, write) = (own(&mut peer, "c"), own(&mut peer, "cw"));
    peer.ask(
        1,
        &queue::bind(&write, "amq.fanout", "", table! {}),
        &queue::bind_ok(),
    );
    peer.ask(
        1,
        &queue::unbind(&write, "amq.fanout", "", table! {}),
        &queue::unbind_ok(),
    );
    for (method, verb, resource) in [
        (
            queue::bind(&plain, "amq.fanout", "", table! {}),
            "write",
            format!("queue '{plain}'"),
        ),
        (
            queue::bind(&write, "amq.topic", "", table! {}),
            "read",
            "exchange 'amq.topic'".into(),
        ),
        (
            queue::unbind(&plain, "amq.fanout", "", table! {}),
            "write",
            format!("queue '{plain}'"),
        ),
        (
            queue::unbind(&write, "amq.topic", "", table! {}),
            "read",
            "exchange 'amq.topic'".into(),
        ),
    ] {
        refused(&mut peer, &method, verb, &resource);
    }
}

#[test]
fn exchange_bind_wants_write_on_the_destination_and_read_on_the_source() {
    let mut peer = peer();
    let bind = |destination: &str, source: &str| exchange::bind(destination, source, "", table! {});
    peer.ask(1, &bind("amq.direct", "amq.fanout"), &exchange::bind_ok());
    let unbind = exchange::unbind("amq.direct", "amq.fanout", "", table! {});
    peer.ask(1, &unbind, &exchange::unbind_ok());
    refused(
        &mut peer,
        &bind("amq.topic", "amq.fanout"),
        "write",
        "exchange 'amq.topic'",
    );
    refused(
        &mut peer,
        &bind("amq.direct", "amq.topic"),
        "read",
        "exchange 'amq.topic'",
    );
}

#[test]
fn consuming_and_purging_want_read() {
    let mut peer = peer();
    let (plain, read) = (own(&mut peer, "c"), own(&mut peer, "cr"));
    assert!(peer.take(1, &read).is_none());
    peer.consume(1, &read, "t", "");
    peer.ask(1, &queue::purge(&read, ""), &queue::purge_ok(0));
    let resource = format!("queue '{plain}'");
    for method in [
        basic::get(&plain, ""),
        basic::consume(&plain, "", "", table! {}),
        queue::purge(&plain, ""),
    ] {
        refused(&mut peer, &method, "read", &resource);
    }
}

#[test]
fn publishing_wants_write_and_asks_before_existence() {
    let mut peer = peer();
    let read = own(&mut peer, "cr");
    peer.publish(1, "", &read, "by the default exchange, called amq.default");
    peer.wait_ready(1, &read, 1);
    for name in ["amq.topic", "missing"] {
        let text = format!(
            "ACCESS_REFUSED - write access to exchange '{name}' in vhost '/' refused for user 'limited'"
        );
        peer.publish_refused(1, (name, "k"), &Properties::default(), 403, &text);
    }
}

#[test]
fn the_default_exchange_is_called_amq_default() {
    let broker = own!("default_permissions.write=^nothing$");
    let mut peer = broker.channel();
    let text = "ACCESS_REFUSED - write access to exchange 'amq.default' in vhost '/' refused for user 'guest'";
    peer.publish_refused(1, ("", "k"), &Properties::default(), 403, text);
}

#[test]
fn an_alternate_exchange_wants_read_and_write() {
    let mut peer = peer();
    let declare = |name: &str, alternate: &str| {
        exchange::declare(
            name,
            "direct",
            "auto-delete",
            table! { "alternate-exchange" => alternate },
        )
    };
    let (plain, read) = (unique("c"), unique("cr"));
    peer.ask(1, &declare(&read, "amq.direct"), &exchange::declare_ok());
    refused(
        &mut peer,
        &declare(&plain, "amq.direct"),
        "read",
        &format!("exchange '{plain}'"),
    );
    let other = unique("cr");
    refused(
        &mut peer,
        &declare(&other, "amq.topic"),
        "write",
        "exchange 'amq.topic'",
    );
    peer.ask(1, &exchange::delete(&read, ""), &exchange::delete_ok());
}

#[test]
fn a_dead_letter_exchange_wants_read_and_write() {
    let mut peer = peer();
    let declare = |name: &str, dlx: &str| {
        queue::declare(
            name,
            "exclusive",
            table! { "x-dead-letter-exchange" => dlx },
        )
    };
    let (plain, read) = (unique("c"), unique("cr"));
    peer.ask(
        1,
        &declare(&read, "amq.direct"),
        &queue::declare_ok(&read, 0, 0),
    );
    refused(
        &mut peer,
        &declare(&plain, "amq.direct"),
        "read",
        &format!("queue '{plain}'"),
    );
    let other = unique("cr");
    refused(
        &mut peer,
        &declare(&other, "amq.topic"),
        "write",
        "exchange 'amq.topic'",
    );
}

#[test]
fn empty_patterns_allow_nothing() {
    let broker = own!(
        "default_permissions.configure=",
        "default_permissions.write=",
        "default_permissions.read="
    );
    let mut peer = broker.channel();
    let text =
        "ACCESS_REFUSED - configure access to queue 'q' in vhost '/' refused for user 'guest'";
    peer.refused(1, &queue::declare("q", "", table! {}), 403, text);
}
