//! `x-random` and `x-local-random`.

use crate::support::{exchange, queue, shared, unique};

#[test]
fn each_message_goes_to_one_queue_by_chance() {
    let mut peer = shared().channel();
    for (kind, key) in [("x-random", "any"), ("x-local-random", "")] {
        let name = peer.exchange(1, kind);
        let queues: Vec<String> = (0..3)
            .map(|_| {
                let queue = peer.queue(1);
                peer.bind(1, &queue, &name, key);
                queue
            })
            .collect();
        // One key: were its route remembered, one queue would get everything.
        for _ in 0..600 {
            peer.publish(1, &name, "k", "x");
        }
        let mut counts = Vec::new();
        crate::support::eventually("all messages are there", || {
            counts = queues.iter().map(|queue| peer.counts(1, queue).0).collect();
            counts.iter().sum::<u32>() >= 600
        });
        assert_eq!(counts.iter().sum::<u32>(), 600);
        assert!(
            counts.iter().all(|count| *count > 120),
            "{kind}: {counts:?}"
        );
    }
}

#[test]
fn a_binding_to_a_local_random_exchange_has_no_key() {
    let mut peer = shared().channel();
    let name = unique("x");
    let declare = exchange::declare(&name, "x-local-random", "", table! {});
    peer.ask(1, &declare, &exchange::declare_ok());
    let queue = peer.queue(1);
    let text = "PRECONDITION_FAILED - Non empty binding 'k' key not permitted";
    peer.refused(1, &queue::bind(&queue, &name, "k", table! {}), 406, text);
    peer.ask(1, &exchange::delete(&name, ""), &exchange::delete_ok());
}
