//! Limits of connections and channels: at the limit it works, one past it gets its error (BEHAVIOURS 1.4, 1.5, 1.7).

use crate::support::{Login, channel, connection, shared};

#[test]
fn channel_max_counts_channels_not_numbers() {
    let login = Login {
        channel_max: 2,
        ..Login::default()
    };
    let mut peer = shared().peer_with(&login);
    peer.open(7);
    peer.open(2000);
    peer.send(1, &channel::open());
    let text =
        "NOT_ALLOWED - number of channels opened (2) has reached the negotiated channel_max (2)";
    peer.expect_connection_close(530, text, 0, 0);
}

#[test]
fn a_closed_channel_makes_room() {
    let login = Login {
        channel_max: 1,
        ..Login::default()
    };
    let mut peer = shared().peer_with(&login);
    for number in 1..20 {
        peer.open(number);
        peer.ask(number, &channel::close(), &channel::close_ok());
    }
}

#[test]
fn all_2047_channels_open() {
    let mut peer = shared().peer();
    for number in 1..=2047 {
        peer.send(number, &channel::open());
    }
    for number in 1..=2047 {
        peer.expect(number, &channel::open_ok());
    }
    peer.send(2048, &channel::open());
    let text = "NOT_ALLOWED - number of channels opened (2047) has reached the negotiated channel_max (2047)";
    peer.expect_connection_close(530, text, 0, 0);
}

#[test]
fn the_highest_channel_number_is_65535() {
    let mut peer = shared().peer();
    peer.open(65_535);
    peer.queue(65_535);
    peer.close();
}

#[test]
fn connection_max_refuses_the_next_connection() {
    let broker = own!("connection_max=2");
    let first = broker.peer();
    let _second = broker.peer();
    let mut third = broker.connect();
    third.authenticate(&Login::default());
    third.send(0, &connection::tune_ok(2047, 131_072, 0));
    third.send(0, &connection::open("/"));
    let text = "NOT_ALLOWED - connection refused: node connection limit (2) is reached";
    third.expect_connection_close(530, text, 10, 40);
    // One that ends makes room.
    first.close();
    crate::support::eventually("there is room", || {
        let mut next = broker.connect();
        next.authenticate(&Login::default());
        next.send(0, &connection::tune_ok(2047, 131_072, 0));
        next.call(0, &connection::open("/")) == connection::open_ok()
    });
}

#[test]
fn channel_max_per_node_refuses_the_next_channel() {
    let broker = own!("channel_max_per_node=2");
    let mut one = broker.channel();
    let mut two = broker.channel();
    two.send(2, &channel::open());
    let closed = two.connection_close();
    assert_eq!(
        (closed.number(0), closed.number(2), closed.number(3)),
        (530, 0, 0)
    );
    let text = closed.text(1);
    let head = "NOT_ALLOWED - number of channels opened on node '";
    assert!(text.starts_with(head), "{text}");
    assert!(
        text.ends_with("' has reached the maximum allowed limit of (2)"),
        "{text}"
    );
    two.send_close_ok();
    one.open(2);
}
