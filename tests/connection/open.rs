//! open: the vhost and who may enter it (BEHAVIOURS 1.5).

use crate::support::{Login, connection, shared};

fn refused(vhost: &str) {
    let mut peer = shared().connect();
    peer.authenticate(&Login::default());
    peer.send(0, &connection::tune_ok(2047, 131_072, 0));
    peer.send(0, &connection::open(vhost));
    let text = format!("NOT_ALLOWED - vhost {vhost} not found");
    peer.expect_connection_close(530, &text, 10, 40);
}

#[test]
fn the_default_vhost_opens() {
    let mut peer = shared().peer();
    peer.open(1);
    peer.close();
}

#[test]
fn an_unknown_vhost_is_named() {
    refused("nowhere");
}

#[test]
fn vhost_names_are_taken_as_they_are() {
    refused("");
    refused("%2f");
    refused("//");
}

#[test]
fn everything_may_be_sent_at_once() {
    let mut peer = shared().connect();
    peer.send_bytes(crate::support::raw::PROTOCOL);
    let login = Login::default();
    peer.send(
        0,
        &connection::start_ok(login.properties(), "PLAIN", &login.plain()),
    );
    peer.send(0, &connection::tune_ok(2047, 131_072, 0));
    peer.send(0, &connection::open("/"));
    peer.send(1, &crate::support::channel::open());
    peer.expect_method(0, 10, 10);
    peer.expect_method(0, 10, 30);
    peer.expect(0, &connection::open_ok());
    peer.expect(1, &crate::support::channel::open_ok());
}

#[test]
fn a_configured_vhost_is_the_only_one() {
    let broker = own!("default_vhost=shop");
    broker.peer().close();
    let mut peer = broker.connect();
    peer.authenticate(&Login::default());
    peer.send(0, &connection::tune_ok(2047, 131_072, 0));
    peer.send(0, &connection::open("/"));
    peer.expect_connection_close(530, "NOT_ALLOWED - vhost / not found", 10, 40);
}
