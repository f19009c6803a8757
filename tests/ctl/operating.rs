//! What is done to queues and connections.

use super::run::{ctl, quiet};
use super::support::{Broker, Peer, queue};

fn filled(broker: &Broker) -> Peer {
    let mut peer = broker.channel();
    peer.ask(
        1,
        &queue::declare("q", "durable", table! {}),
        &queue::declare_ok("q", 0, 0),
    );
    for _ in 0..3 {
        peer.publish(1, "", "q", "x");
    }
    peer.counts(1, "q");
    peer
}

#[test]
fn queues_are_purged_and_deleted() {
    let broker = own!();
    let mut peer = filled(&broker);
    ctl(&broker, &["purge_queue", "q"]).says("Purging queue 'q' in vhost '/' ...\n");
    assert_eq!(peer.counts(1, "q"), (0, 0));
    peer.publish(1, "", "q", "x");
    peer.counts(1, "q");
    let said = ctl(&broker, &["delete_queue", "q", "--if-empty"]);
    assert_eq!(said.code, 69, "{said:?}");
    ctl(&broker, &["delete_queue", "q"]).says(
        "Deleting queue 'q' on vhost '/' ...\nQueue was successfully deleted with 1 ready messages\n",
    );
    ctl(&broker, &["delete_queue", "q"]).fails(64, "Queue not found");
    let missing = "Object (queue, stream, exchange, etc) was not found";
    ctl(&broker, &["purge_queue", "q"]).fails(65, missing);
}

#[test]
fn connections_are_closed_by_name_by_pid_and_all_at_once() {
    let broker = own!();
    let (mut by_name, mut by_pid) = (broker.channel(), broker.channel());
    let name = |peer: &Peer| {
        let near = peer.stream.local_addr().expect("connected");
        format!("{near} -> {}", broker.address)
    };
    let said = ctl(
        &broker,
        &["close_connection", &name(&by_name), "enough of you"],
    );
    assert_eq!(said.code, 0, "{said:?}");
    by_name.expect_connection_close(320, "CONNECTION_FORCED - enough of you", 0, 0);
    let listed = quiet(&broker, &["list_connections", "--no-table-headers", "pid"]);
    let pid = listed.out.trim_end();
    assert!(pid.starts_with('<') && pid.ends_with('>'), "{listed:?}");
    assert_eq!(
        quiet(&broker, &["close_connection", pid, "and you"]).code,
        0
    );
    by_pid.expect_connection_close(320, "CONNECTION_FORCED - and you", 0, 0);
    let said = ctl(&broker, &["close_connection", "nobody", "why"]);
    said.fails(69, "no connection 'nobody'");

    let mut all = [broker.channel(), broker.channel()];
    quiet(&broker, &["close_all_connections", "all of you"]).says("Closed 2 connections\n");
    for peer in &mut all {
        peer.expect_connection_close(320, "CONNECTION_FORCED - all of you", 0, 0);
    }
    quiet(&broker, &["close_all_connections", "--global", "again"]).says("Closed 0 connections\n");
    let mut one = broker.channel();
    let words = ["close_all_user_connections", "guest", "as a user"];
    assert_eq!(quiet(&broker, &words).code, 0);
    one.expect_connection_close(320, "CONNECTION_FORCED - as a user", 0, 0);
}
