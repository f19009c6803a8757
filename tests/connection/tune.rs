//! tune: what the server proposes, what it takes (BEHAVIOURS 1.4).

use crate::support::{Login, Properties, connection, queue, shared};

fn tuned(channel_max: u16, frame_max: u32) -> crate::support::Peer {
    let mut peer = shared().connect();
    peer.authenticate(&Login::default());
    peer.send(0, &connection::tune_ok(channel_max, frame_max, 0));
    peer.send(0, &connection::open("/"));
    peer
}

#[test]
fn proposes_rabbitmqs_defaults() {
    let tune = shared().connect().authenticate(&Login::default());
    assert_eq!(
        (tune.number(0), tune.number(1), tune.number(2)),
        (2047, 131_072, 60)
    );
}

#[test]
fn proposes_what_is_configured() {
    let broker = own!("channel_max=100", "frame_max=65536", "heartbeat=17");
    let tune = broker.connect().authenticate(&Login::default());
    assert_eq!(
        (tune.number(0), tune.number(1), tune.number(2)),
        (100, 65_536, 17)
    );
}

#[test]
fn takes_less_than_proposed() {
    tuned(1, 4096).expect(0, &connection::open_ok());
}

#[test]
fn takes_exactly_what_was_proposed() {
    tuned(2047, 131_072).expect(0, &connection::open_ok());
}

/// All at once, because each is kept waiting for three seconds.
#[test]
fn other_limits_are_refused_without_a_word() {
    let cases = [
        ("more channels than proposed", 2048, 131_072),
        ("no limit of channels", 0, 131_072),
        ("larger frames than proposed", 2047, 131_073),
        ("no limit of frames", 2047, 0),
        ("frames under 4096", 2047, 4095),
    ];
    let peers = cases.map(|(what, channels, frames)| (what, tuned(channels, frames)));
    for (what, mut peer) in peers {
        assert_eq!(peer.frame_within(crate::support::PATIENCE), None, "{what}");
    }
}

#[test]
fn both_no_limits_are_taken_where_the_server_has_none() {
    let broker = own!("channel_max=0", "frame_max=0");
    let mut peer = broker.connect();
    let tune = peer.authenticate(&Login::default());
    assert_eq!((tune.number(0), tune.number(1)), (0, 0));
    peer.send(0, &connection::tune_ok(0, 0, 0));
    peer.ask(0, &connection::open("/"), &connection::open_ok());
}

#[test]
fn bodies_are_split_at_the_negotiated_size() {
    let login = Login {
        frame_max: 4096,
        ..Login::default()
    };
    let mut peer = shared().peer_with(&login);
    peer.open(1);
    let queue = peer.queue(1);
    let body = vec![7; 10_000];
    peer.publish(1, "", &queue, &body);
    peer.send(1, &crate::support::basic::get(&queue, "no-ack"));
    peer.expect_method(1, 60, 71);
    let sizes: Vec<usize> = (0..4).map(|_| peer.frame(1).payload.len()).collect();
    assert_eq!(sizes[1..], [4088, 4088, 10_000 - 2 * 4088]);
}

#[test]
fn the_largest_frame_works_and_eight_bytes_more_are_forgiven() {
    let login = Login {
        frame_max: 4096,
        ..Login::default()
    };
    let mut peer = shared().peer_with(&login);
    peer.open(1);
    let queue = peer.queue(1);
    for size in [4088, 4096] {
        let method = crate::support::basic::publish("", &queue, "");
        let properties = Properties::default().encode();
        let body = vec![1; size];
        let bytes = crate::support::raw::content(1, &method, &properties, &body, size);
        peer.send_bytes(&bytes);
        assert_eq!(peer.take(1, &queue).expect("published").body, body);
    }
    peer.ask(1, &queue::delete(&queue, ""), &queue::delete_ok(0));
}

#[test]
fn one_byte_more_is_a_frame_error() {
    let login = Login {
        frame_max: 4096,
        ..Login::default()
    };
    let mut peer = shared().peer_with(&login);
    peer.open(1);
    // The seven bytes of the head are enough.
    peer.send_bytes(&[3, 0, 1, 0, 0, 0x10, 0x01]);
    let text = "FRAME_ERROR - type 3, all octets = <<>>: {frame_too_large,4097,4088}";
    peer.expect_connection_close(501, text, 0, 0);
}

#[test]
fn before_tune_frames_are_small() {
    let mut peer = shared().connect();
    peer.start();
    let mut properties = Login::default().properties();
    properties
        .0
        .push(("long".to_owned(), "x".repeat(3000).into()));
    peer.send(
        0,
        &connection::start_ok(properties, "PLAIN", b"\0guest\0guest"),
    );
    peer.expect_method(0, 10, 30);

    decided!("8192 before tune, as RabbitMQ 4.1; 4.0 has 4096");
    let mut peer = shared().connect();
    peer.start();
    let mut properties = Login::default().properties();
    properties
        .0
        .push(("long".to_owned(), "x".repeat(7000).into()));
    peer.send(
        0,
        &connection::start_ok(properties, "PLAIN", b"\0guest\0guest"),
    );
    peer.expect_method(0, 10, 30);
}

#[test]
fn a_large_frame_before_tune_ends_it() {
    let mut peer = shared().connect();
    peer.start();
    peer.send_bytes(&[1, 0, 0, 0, 0, 0x20, 0x01]);
    while let Some(frame) = peer.frame_within(crate::support::PATIENCE) {
        let method = crate::support::Method::decode(&frame.payload);
        assert!(method.is(10, 50) && method.number(0) == 501, "{method:?}");
    }
}

#[test]
fn the_limit_before_tune_can_be_set() {
    let broker = own!("initial_frame_max=4096");
    let mut peer = broker.connect();
    peer.start();
    let mut properties = Login::default().properties();
    properties
        .0
        .push(("long".to_owned(), "x".repeat(5000).into()));
    let start_ok = connection::start_ok(properties, "PLAIN", b"\0guest\0guest");
    peer.try_send_bytes(&crate::support::raw::frame(1, 0, &start_ok.encode()));
    while let Some(frame) = peer.frame_within(crate::support::PATIENCE) {
        let method = crate::support::Method::decode(&frame.payload);
        assert!(method.is(10, 50) && method.number(0) == 501, "{method:?}");
    }
}
