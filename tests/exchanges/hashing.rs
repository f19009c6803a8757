//! `x-consistent-hash` and `x-modulus-hash` (BEHAVIOURS 3.1).

use crate::support::{
    Peer, Properties, Table, exchange, foreign, queue, shared, table::strings, unique,
};

/// An exchange with arguments.
fn declared(peer: &mut Peer, kind: &str, arguments: Table) -> String {
    let name = unique("x");
    let declare = exchange::declare(&name, kind, "auto-delete", arguments);
    peer.ask(1, &declare, &exchange::declare_ok());
    name
}

/// Queues bound with these keys.
fn bound(peer: &mut Peer, exchange: &str, keys: &[&str]) -> Vec<String> {
    keys.iter()
        .map(|key| {
            let queue = peer.queue(1);
            peer.bind(1, &queue, exchange, key);
            queue
        })
        .collect()
}

/// Ready messages of each, once they are `count` in all.
fn counts(peer: &mut Peer, queues: &[String], count: u32) -> Vec<u32> {
    let mut counts = Vec::new();
    crate::support::eventually("all messages are there", || {
        counts = queues.iter().map(|queue| peer.counts(1, queue).0).collect();
        counts.iter().sum::<u32>() >= count
    });
    assert_eq!(counts.iter().sum::<u32>(), count, "each message once");
    counts
}

#[test]
fn messages_are_shared_by_weight_and_a_key_stays_with_its_queue() {
    let mut peer = shared().channel();
    let name = declared(&mut peer, "x-consistent-hash", table! {});
    let queues = bound(&mut peer, &name, &["1", "3"]);
    for _ in 0..2 {
        for key in 0..1000 {
            peer.publish(1, &name, &format!("key {key}"), "x");
        }
    }
    let counts = counts(&mut peer, &queues, 2000);
    assert!(
        counts.iter().all(|count| count % 2 == 0),
        "both of a key in one queue: {counts:?}"
    );
    assert!((350..650).contains(&counts[0]), "{counts:?}");
}

#[test]
fn keys_stay_where_they_are_when_another_queue_comes_and_goes() {
    let mut peer = shared().channel();
    let name = declared(&mut peer, "x-consistent-hash", table! {});
    let mut queues = bound(&mut peer, &name, &["10", "10"]);
    let publish = |peer: &mut Peer| {
        for key in 0..300 {
            peer.publish(1, &name, &format!("key {key}"), format!("{key}"));
        }
    };
    let take = |peer: &mut Peer, queue: &str| -> Vec<String> {
        let all = std::iter::from_fn(|| peer.take(1, queue));
        all.map(|one| one.text().to_owned()).collect()
    };
    publish(&mut peer);
    counts(&mut peer, &queues, 300);
    let before = take(&mut peer, &queues[0]);
    take(&mut peer, &queues[1]);
    queues.extend(bound(&mut peer, &name, &["10"]));
    publish(&mut peer);
    counts(&mut peer, &queues, 300);
    let with_third = take(&mut peer, &queues[0]);
    assert!(
        with_third.iter().all(|key| before.contains(key)),
        "nothing moves between old queues"
    );
    assert!(with_third.len() < before.len());
    take(&mut peer, &queues[1]);
    take(&mut peer, &queues[2]);
    let third = queues.pop().expect("three");
    peer.ask(1, &queue::delete(&third, ""), &queue::delete_ok(0));
    publish(&mut peer);
    counts(&mut peer, &queues, 300);
    assert_eq!(take(&mut peer, &queues[0]), before, "as before the third");
}

#[test]
fn a_header_or_a_property_decides_instead_of_the_key() {
    let mut peer = shared().channel();
    let by_header = table! { "hash-header" => "customer" };
    let by_id = table! { "hash-property" => "message_id" };
    let by_correlation = table! { "hash-property" => "correlation_id" };
    let by_timestamp = table! { "hash-property" => "timestamp" };
    let of = |value: i32, arguments: &Table| {
        let text = Some(value.to_string());
        match arguments.keys()[0] {
            "hash-header" => {
                Properties::headers(table! { "customer" => value.to_string().as_str() })
            }
            _ => match arguments.str("hash-property") {
                "message_id" => Properties {
                    message_id: text,
                    ..Properties::default()
                },
                "correlation_id" => Properties {
                    correlation_id: text,
                    ..Properties::default()
                },
                _ => Properties {
                    timestamp: Some(1_000_000 + u64::try_from(value).unwrap()),
                    ..Properties::default()
                },
            },
        }
    };
    for arguments in [by_header, by_id, by_correlation, by_timestamp] {
        let name = declared(&mut peer, "x-consistent-hash", arguments.clone());
        let queues = bound(&mut peer, &name, &["5", "5", "5"]);
        // Two keys in turn: neither may be remembered for the other value.
        for value in 0..200 {
            for key in ["a", "b"] {
                peer.publish_with(1, &name, key, "", &of(value, &arguments), "x");
            }
        }
        // Without what is asked for: all to one queue.
        let counts = counts(&mut peer, &queues, 400);
        assert!(
            counts.iter().all(|count| *count > 40 && count % 2 == 0),
            "{counts:?}"
        );
    }
}

#[test]
fn messages_without_the_header_share_one_queue() {
    let mut peer = shared().channel();
    let name = declared(
        &mut peer,
        "x-consistent-hash",
        table! { "hash-header" => "h" },
    );
    let queues = bound(&mut peer, &name, &["1", "1", "1"]);
    for key in 0..20 {
        peer.publish(1, &name, &format!("{key}"), "x");
        peer.publish_with(
            1,
            &name,
            &format!("{key}"),
            "",
            &Properties::headers(table! { "H" => key }),
            "x",
        );
    }
    let mut counts = counts(&mut peer, &queues, 40);
    counts.sort_unstable();
    assert_eq!(counts, [0, 0, 40]);
}

#[test]
fn one_queue_gets_a_message_whatever_extra_keys_it_has() {
    let mut peer = shared().channel();
    for kind in ["x-consistent-hash", "x-random"] {
        let name = declared(&mut peer, kind, table! {});
        let queues = bound(&mut peer, &name, &["1", "1", "1"]);
        let extra = Properties::headers(table! { "CC" => strings(&["a", "b", "c", "d", "e"]) });
        for key in 0..50 {
            peer.publish_with(1, &name, &format!("{key}"), "", &extra, "x");
        }
        counts(&mut peer, &queues, 50);
    }
}

#[test]
fn a_weight_that_is_no_number_above_zero_is_refused() {
    let mut peer = shared().channel();
    let name = unique("x");
    let declare = exchange::declare(&name, "x-consistent-hash", "", table! {});
    peer.ask(1, &declare, &exchange::declare_ok());
    for (key, text) in [
        ("a", "The binding key must be an integer: <<\"a\">>"),
        ("", "The binding key must be an integer: <<>>"),
        ("1.5", "The binding key must be an integer: <<\"1.5\">>"),
        ("0", "The binding key must be greater than 0"),
        ("-1", "The binding key must be greater than 0"),
    ] {
        let queue = peer.queue(1);
        let bind = queue::bind(&queue, &name, key, table! {});
        peer.refused(1, &bind, 406, &format!("PRECONDITION_FAILED - {text}"));
    }
    // Whatever the declare that follows says, an exchange is what it was.
    let again = exchange::declare(
        &name,
        "x-consistent-hash",
        "",
        table! { "hash-header" => "h" },
    );
    peer.ask(1, &again, &exchange::declare_ok());
    peer.ask(1, &exchange::delete(&name, ""), &exchange::delete_ok());
}

#[test]
fn what_cannot_be_hashed_is_refused() {
    let mut peer = shared().channel();
    for (arguments, text) in [
        (
            table! { "hash-property" => "zz" },
            "Unsupported property: zz",
        ),
        (
            table! { "hash-property" => "timestamp", "hash-header" => "h" },
            "hash-header and hash-property are mutually exclusive",
        ),
    ] {
        let declare = exchange::declare(&unique("x"), "x-consistent-hash", "", arguments);
        peer.refused(1, &declare, 406, &format!("PRECONDITION_FAILED - {text}"));
    }
    if !foreign() {
        // RabbitMQ's plugin crashes.
        let declare = exchange::declare(
            "n",
            "x-consistent-hash",
            "",
            table! { "hash-header" => 1i32 },
        );
        let text = "PRECONDITION_FAILED - hash-header must be a string, not signedint";
        peer.refused(1, &declare, 406, text);
    }
}

#[test]
fn without_a_binding_a_message_is_returned() {
    let mut peer = shared().channel();
    let kinds = [
        "x-consistent-hash",
        "x-random",
        "x-modulus-hash",
        "x-local-random",
    ];
    // 4.3 has the modulus hash in its core; before, it came with the sharding plugin.
    for kind in kinds
        .into_iter()
        .filter(|kind| !foreign() || *kind != "x-modulus-hash")
    {
        let name = declared(&mut peer, kind, table! {});
        peer.publish_with(1, &name, "k", "mandatory", &Properties::default(), "back");
        assert_eq!(peer.returned(1).body, b"back");
        let bind = exchange::bind(
            "amq.fanout",
            &name,
            if kind.ends_with("local-random") {
                ""
            } else {
                "1"
            },
            table! {},
        );
        if !(foreign() && kind == "x-local-random") {
            peer.ask(1, &bind, &exchange::bind_ok());
        }
    }
}

#[test]
fn the_modulus_of_a_hash_of_the_key_chooses_a_binding() {
    if foreign() {
        return;
    }
    let mut peer = shared().channel();
    let name = declared(&mut peer, "x-modulus-hash", table! {});
    let queues = bound(&mut peer, &name, &["any", ""]);
    peer.bind(1, &queues[0], &name, "a second binding, a second share");
    for _ in 0..2 {
        for key in 0..600 {
            peer.publish(1, &name, &format!("key {key}"), "x");
        }
    }
    let counts = counts(&mut peer, &queues, 1200);
    assert!(counts.iter().all(|count| count % 2 == 0));
    assert!((320..480).contains(&counts[1]), "{counts:?}");
}

#[test]
fn a_route_that_was_remembered_follows_the_bindings() {
    let mut peer = shared().channel();
    let name = declared(&mut peer, "x-consistent-hash", table! {});
    let queues = bound(&mut peer, &name, &["1", "1"]);
    for _ in 0..10 {
        peer.publish(1, &name, "k", "x");
    }
    let had = counts(&mut peer, &queues, 10);
    let (has, other) = if had[0] == 10 { (0, 1) } else { (1, 0) };
    peer.ask(
        1,
        &queue::unbind(&queues[has], &name, "1", table! {}),
        &queue::unbind_ok(),
    );
    peer.publish(1, &name, "k", "x");
    peer.has(1, &queues[other], 1, 0);
}
