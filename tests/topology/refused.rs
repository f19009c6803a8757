//! What comes later is refused with 540 and the name of the argument, never silently accepted.

use crate::support::{Value, queue, shared, unique};

#[test]
fn features_that_come_later() {
    decided!("these come in a later issue");
    let cases: [(&str, Value); 1] = [("x-queue-type", "stream".into())];
    for (key, value) in cases {
        let name = unique("q");
        let mut peer = shared().channel();
        peer.send(
            1,
            &queue::declare(&name, "durable", table! { key => value.clone() }),
        );
        let closed = peer.connection_close();
        let got = (closed.number(0), closed.number(2), closed.number(3));
        assert_eq!(got, (540, 50, 10), "{closed:?}");
        let text = closed.text(1);
        assert!(text.starts_with("NOT_IMPLEMENTED - "), "{text}");
        assert!(text.contains(key), "{text}");
        peer.send_close_ok();
        // And nothing was declared.
        let mut peer = shared().channel();
        let text = format!("NOT_FOUND - no queue '{name}' in vhost '/'");
        peer.refused(1, &queue::declare(&name, "passive", table! {}), 404, &text);
    }
}

#[test]
fn no_single_active_consumer_is_an_ordinary_queue() {
    let mut peer = shared().channel();
    peer.queue_with(1, table! { "x-single-active-consumer" => false });
}
