//! `leveret ctl` and the groups of streams.

use super::run::{ctl, quiet};
use super::support::{Peer, basic, queue};

#[test]
fn groups_are_listed_moved_and_deleted() {
    let broker = own!();
    let mut peer: Peer = broker.channel();
    let declare = queue::declare("s", "durable", table! { "x-queue-type" => "stream" });
    peer.ask(1, &declare, &queue::declare_ok("s", 0, 0));
    peer.confirm(1);
    for number in 0..5u64 {
        peer.publish(1, "", "s", number.to_string());
    }
    peer.acked(1, 5);
    peer.prefetch(1, 1);
    let group = table! { "x-stream-group" => "g", "x-stream-offset" => "first" };
    peer.ask(
        1,
        &basic::consume("s", "c", "", group),
        &basic::consume_ok("c"),
    );
    let said = ctl(&broker, &["list_stream_groups", "s", "--formatter", "json"]);
    let group = &said.json()[0];
    assert_eq!((&group["name"], &group["lag"]), (&"g".into(), &5.into()));
    let said = quiet(&broker, &["list_stream_groups", "s"]);
    assert_eq!(said.code, 0, "{said:?}");
    let rows: Vec<&str> = said.out.lines().collect();
    assert_eq!(rows[1], "g\t0\t0\t5\t0\t5\t1\t1", "{said:?}");
    let said = quiet(&broker, &["seek_stream_group", "s", "g", "3"]);
    said.says("Group 'g' goes on at offset 3 of partition 0\n");
    let said = quiet(
        &broker,
        &["seek_stream_group", "s", "h", "--timestamp", "0"],
    );
    said.says("Group 'h' goes on at offset 0 of partition 0\n");
    ctl(&broker, &["seek_stream_group", "s", "g"]).fails(64, "Either an offset or --timestamp");
    ctl(&broker, &["seek_stream_group", "s", "g", "never"]).fails(69, "invalid offset");
    assert_eq!(ctl(&broker, &["delete_stream_group", "s", "g"]).code, 0);
    ctl(&broker, &["delete_stream_group", "s", "g"]).fails(69, "stream 's' has no group 'g'");
    ctl(&broker, &["list_stream_groups", "none"]).fails(65, "no queue 'none' in vhost '/'");
}
