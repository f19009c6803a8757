//! Topic patterns: `*` is one word, `#` any number of them, an empty word is a word (BEHAVIOURS 3).

use crate::support::{shared, unique};

const CASES: &[(&str, &[&str], &[&str])] = &[
    // pattern, keys that match, keys that do not
    ("", &[""], &["a", "."]),
    ("#", &["", "a", "a.b.c", ".", "..", "#"], &[]),
    ("#.#", &["", "a", "a.b"], &[]),
    (
        "a.#",
        &["a", "a.b", "a.", "a..b", "a.b.c"],
        &["", "b", "ab", "A"],
    ),
    ("#.a", &["a", "b.a", ".a"], &["a.b", "a."]),
    ("*", &["a", "*", "#"], &["", "a.b", "."]),
    ("*.#", &["a", "a.b", ".", "a."], &[""]),
    ("*.*", &["a.b", ".", "a."], &["", "a", "a.b.c", ".."]),
    ("a.*.c", &["a.b.c", "a..c"], &["a.c", "a.b.b.c"]),
    (
        "a.#.b",
        &["a.b", "a.x.b", "a.x.y.b", "a..b"],
        &["a", "b", "a.b.c"],
    ),
    (
        "#.a.#",
        &["a", "x.a", "a.x", "x.a.y", "a.a"],
        &["", "b", "xa"],
    ),
    ("*.a.#", &["x.a", "x.a.b", ".a"], &["a", "x.b.a"]),
    ("#.a.*", &["a.x", "x.a.y", "a.a"], &["a", "x.a"]),
    ("a*", &["a*"], &["ab", "a"]),
    ("#a", &["#a"], &["a", "x.a"]),
    ("a.b", &["a.b"], &["a.B", "a.b.", ".a.b"]),
    ("#.*.#", &["a", "a.b", "."], &[""]),
    ("*.#.*", &["a.b", "a.b.c", "."], &["a", ""]),
];

#[test]
fn patterns() {
    let mut peer = shared().channel();
    for (pattern, matching, others) in CASES {
        let name = peer.exchange(1, "topic");
        let queue = peer.queue(1);
        peer.bind(1, &queue, &name, pattern);
        // The key that ends the queue of what was routed.
        let end = unique("end");
        peer.bind(1, &queue, &name, &end);
        for key in matching.iter().chain(*others) {
            peer.publish(1, &name, key, key);
        }
        peer.publish(1, &name, &end, "end");
        let mut got = Vec::new();
        peer.consume(1, &queue, &queue, "no-ack");
        loop {
            let delivery = peer.delivery(1);
            if delivery.text() == "end" {
                break;
            }
            got.push(delivery.routing_key);
        }
        assert_eq!(&got, matching, "pattern {pattern:?}");
    }
}

#[test]
fn a_thousand_patterns() {
    let mut peer = shared().channel();
    let name = peer.exchange(1, "topic");
    let (all, one) = (peer.queue(1), peer.queue(1));
    for number in 0..1000 {
        let queue = if number == 500 { &one } else { &all };
        peer.bind(1, queue, &name, &format!("stock.*.{number}.#"));
    }
    peer.publish(1, &name, "stock.nyse.500.ibm", "for one");
    peer.publish(1, &name, "stock.nyse.7", "for all");
    peer.publish(1, &name, "stock.7", "for nobody");
    peer.has(1, &one, 1, 0);
    peer.has(1, &all, 1, 0);
}
