//! The lists: columns, order, formats.

use serde_json::json;

use super::run::{ctl, quiet};
use super::support::{Peer, basic, confirm, exchange, queue};

fn declare(peer: &mut Peer, name: &str, wanted: &str) {
    let declare = queue::declare(name, wanted, table! {});
    peer.ask(1, &declare, &queue::declare_ok(name, 0, 0));
}

#[test]
fn queues_are_listed_by_the_columns_asked_for() {
    let broker = own!();
    let mut peer = broker.channel();
    declare(&mut peer, "one", "durable");
    declare(&mut peer, "two", "");
    for _ in 0..3 {
        peer.publish(1, "", "two", "x");
    }
    peer.counts(1, "two");
    ctl(&broker, &["list_queues"]).says(
        "Timeout: 60.0 seconds ...\nListing queues for vhost / ...\nname\tmessages\none\t0\ntwo\t3\n",
    );
    quiet(&broker, &["list_queues"]).says("name\tmessages\none\t0\ntwo\t3\n");
    ctl(&broker, &["-s", "list_queues"]).says("one\t0\ntwo\t3\n");
    quiet(&broker, &["list_queues", "--no-table-headers", "name"]).says("one\ntwo\n");
    quiet(&broker, &["list_queues", "durable,consumers", "name"])
        .says("durable\tconsumers\tname\ntrue\t0\tone\nfalse\t0\ttwo\n");
    let expected = json!([{"name": "one", "messages": 0}, {"name": "two", "messages": 3}]);
    assert_eq!(
        quiet(&broker, &["list_queues", "--formatter", "json"]).json(),
        expected
    );
    quiet(&broker, &["list_queues", "--formatter", "csv"])
        .says("\"name\",\"messages\"\n\"one\",0\n\"two\",3\n");
    // As in RabbitMQ a vhost that is not there has nothing.
    assert_eq!(quiet(&broker, &["-p", "none", "list_queues"]).code, 0);
}

#[test]
fn exchanges_and_bindings_are_listed() {
    let broker = own!();
    let mut peer = broker.channel();
    declare(&mut peer, "q", "");
    peer.ask(
        1,
        &exchange::declare("x", "topic", "", table! {}),
        &exchange::declare_ok(),
    );
    peer.ask(
        1,
        &queue::bind("q", "x", "a.#", table! {}),
        &queue::bind_ok(),
    );
    let exchanges = quiet(&broker, &["list_exchanges", "--no-table-headers"]);
    for line in ["\tdirect\n", "amq.topic\ttopic\n", "x\ttopic\n"] {
        assert!(exchanges.out.contains(line), "{line:?} in {exchanges:?}");
    }
    quiet(&broker, &["list_bindings", "source_name", "destination_name", "destination_kind", "routing_key"])
        .says("source_name\tdestination_name\tdestination_kind\trouting_key\n\tq\tqueue\tq\nx\tq\tqueue\ta.#\n");
}

#[test]
fn connections_channels_and_consumers_are_listed() {
    let broker = own!();
    let mut peer = broker.channel();
    declare(&mut peer, "q", "");
    peer.ask(1, &confirm::select(), &confirm::select_ok());
    let consume = basic::consume("q", "tag", "", table! {});
    peer.ask(1, &consume, &basic::consume_ok("tag"));
    let near = peer.stream.local_addr().expect("connected");
    let far = broker.address;
    quiet(&broker, &["list_connections"]).says(&format!(
        "user\tpeer_host\tpeer_port\tstate\nguest\t127.0.0.1\t{}\trunning\n",
        near.port()
    ));
    quiet(&broker, &["list_connections", "name", "channels", "protocol", "auth_mechanism", "vhost"]).says(
        &format!("name\tchannels\tprotocol\tauth_mechanism\tvhost\n{near} -> {far}\t1\tAMQP 0-9-1\tPLAIN\t/\n"),
    );
    quiet(
        &broker,
        &[
            "list_channels",
            "number",
            "user",
            "confirm",
            "consumer_count",
            "messages_unacknowledged",
        ],
    )
    .says("number\tuser\tconfirm\tconsumer_count\tmessages_unacknowledged\n1\tguest\ttrue\t1\t0\n");
    quiet(
        &broker,
        &[
            "list_consumers",
            "queue_name",
            "consumer_tag",
            "ack_required",
            "prefetch_count",
            "active",
        ],
    )
    .says(
        "queue_name\tconsumer_tag\tack_required\tprefetch_count\tactive\nq\ttag\ttrue\t0\ttrue\n",
    );
    let consumers = quiet(&broker, &["list_consumers", "--formatter", "json"]).json();
    assert_eq!(consumers[0]["arguments"], json!([]), "{consumers}");
}

#[test]
fn names_that_hold_tabs_are_on_one_line() {
    let broker = own!();
    let mut peer = broker.channel();
    // A line's end does not get into a name, as in RabbitMQ.
    let declare = queue::declare("a\tb\nc", "", table! {});
    peer.ask(1, &declare, &queue::declare_ok("a\tbc", 0, 0));
    let listed = quiet(&broker, &["list_queues", "--no-table-headers", "name"]);
    assert_eq!(listed.out.lines().count(), 1, "{listed:?}");
    let listed = quiet(&broker, &["list_queues", "name", "--formatter", "json"]);
    assert_eq!(listed.json(), json!([{"name": "a\tbc"}]));
}
