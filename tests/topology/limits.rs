//! How many queues and exchanges there may be (BEHAVIOURS 2.3).

use crate::support::{exchange, queue};

#[test]
fn of_queues() {
    let broker = own!("cluster_queue_limit=2");
    let mut peer = broker.channel();
    let one = peer.queue(1);
    peer.queue(1);
    let text =
        "PRECONDITION_FAILED - cannot declare queue 'third': queue limit in cluster (2) is reached";
    peer.refused(1, &queue::declare("third", "", table! {}), 406, text);
    // One that exists may be declared again, and one that goes makes room.
    peer.ask(
        1,
        &queue::declare(&one, "exclusive", table! {}),
        &queue::declare_ok(&one, 0, 0),
    );
    peer.ask(1, &queue::delete(&one, ""), &queue::delete_ok(0));
    peer.ask(
        1,
        &queue::declare("third", "", table! {}),
        &queue::declare_ok("third", 0, 0),
    );
}

#[test]
fn of_exchanges() {
    // The predeclared ones count.
    let broker = own!("cluster_exchange_limit=8");
    let mut peer = broker.channel();
    let mut made = 0;
    let closed = loop {
        let name = format!("x{made}");
        let answer = peer.call(1, &exchange::declare(&name, "fanout", "", table! {}));
        if answer != exchange::declare_ok() {
            break answer;
        }
        made += 1;
        assert!(made <= 8, "no limit");
    };
    let text = format!(
        "PRECONDITION_FAILED - cannot declare exchange 'x{made}' in vhost '/': exchange limit of 8 is reached"
    );
    assert_eq!(closed, crate::support::channel::closed(406, &text, 40, 10));
}
