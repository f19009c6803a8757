//! SIGTERM: every connection is told, and the broker is gone with exit code 0.

use crate::support::{connection, queue};

#[test]
fn connections_are_closed_with_320() {
    let broker = own!();
    let mut idle = broker.peer();
    let mut busy = broker.channel();
    busy.queue(1);
    let mut half = broker.connect();
    half.start();
    let stop = std::thread::spawn(move || broker.stop());
    let text = "CONNECTION_FORCED - broker forced connection closure with reason 'shutdown'";
    idle.expect_connection_close(320, text, 0, 0);
    busy.expect_connection_close(320, text, 0, 0);
    half.expect_closed();
    stop.join().unwrap();
}

#[test]
fn a_peer_that_does_not_answer_does_not_keep_it() {
    let broker = own!();
    let mut mute = broker.channel();
    let queue = mute.queue(1);
    mute.publish(1, "", &queue, vec![0; 100_000]);
    let _stranger = broker.connect();
    broker.stop();
    assert_eq!(mute.connection_close().number(0), 320);
}

#[test]
fn the_port_is_closed_at_once() {
    let broker = own!();
    let address = broker.address;
    let mut peer = broker.channel();
    let name = peer.queue(1);
    peer.ask(1, &queue::purge(&name, ""), &queue::purge_ok(0));
    peer.ask(0, &connection::close(), &connection::close_ok());
    broker.stop();
    assert!(std::net::TcpStream::connect(address).is_err());
}
