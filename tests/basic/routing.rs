//! Direct and fanout exchanges, CC and BCC, alternate exchanges, exchanges bound to exchanges (BEHAVIOURS 3).

use crate::support::table::strings;
use crate::support::{Peer, Properties, Table, exchange, shared, unique};

/// An exchange that stays until it is deleted.
fn declare(peer: &mut Peer, kind: &str, arguments: Table) -> String {
    let name = unique("x");
    let declare = exchange::declare(&name, kind, "", arguments);
    peer.ask(1, &declare, &exchange::declare_ok());
    name
}

fn delete(peer: &mut Peer, names: &[&str]) {
    for name in names {
        peer.ask(1, &exchange::delete(name, ""), &exchange::delete_ok());
    }
}

fn link(peer: &mut Peer, destination: &str, source: &str, key: &str) {
    let bind = exchange::bind(destination, source, key, table! {});
    peer.ask(1, &bind, &exchange::bind_ok());
}

/// The only message in a queue.
fn only(peer: &mut Peer, queue: &str) -> crate::support::Delivery {
    peer.has(1, queue, 1, 0);
    peer.take(1, queue).expect("one message")
}

#[test]
fn direct_wants_the_same_key() {
    let mut peer = shared().channel();
    let name = peer.exchange(1, "direct");
    let (one, two) = (peer.queue(1), peer.queue(1));
    peer.bind(1, &one, &name, "a");
    peer.bind(1, &two, &name, "a");
    peer.bind(1, &two, &name, "b");
    for key in ["a", "b", "A", "", "a.b"] {
        peer.publish(1, &name, key, key);
    }
    peer.has(1, &one, 1, 0);
    peer.has(1, &two, 2, 0);
    let delivery = peer.take(1, &two).expect("there");
    assert_eq!(
        (delivery.exchange, delivery.routing_key),
        (name, "a".to_owned())
    );
}

#[test]
fn fanout_ignores_the_key() {
    let mut peer = shared().channel();
    let name = peer.exchange(1, "fanout");
    let queues: Vec<String> = (0..10).map(|_| peer.queue(1)).collect();
    for queue in &queues {
        peer.bind(1, queue, &name, "never sent");
    }
    peer.publish(1, &name, "any", "x");
    for queue in &queues {
        assert_eq!(only(&mut peer, queue).text(), "x");
    }
}

#[test]
fn one_copy_for_each_queue_however_many_ways_lead_there() {
    let mut peer = shared().channel();
    let name = peer.exchange(1, "topic");
    let queue = peer.queue(1);
    for key in ["#", "a.*", "*.b", "a.b"] {
        peer.bind(1, &queue, &name, key);
    }
    let cc = Properties::headers(table! { "CC" => strings(&["a.c", "a.b", "z"]) });
    peer.publish_with(1, &name, "a.b", "", &cc, "once");
    peer.has(1, &queue, 1, 0);
}

#[test]
fn cc_routes_and_stays_and_bcc_routes_and_goes() {
    let mut peer = shared().channel();
    let name = peer.exchange(1, "direct");
    let (main, cc, bcc) = (peer.queue(1), peer.queue(1), peer.queue(1));
    for (queue, key) in [(&main, "main"), (&cc, "cc"), (&bcc, "bcc")] {
        peer.bind(1, queue, &name, key);
    }
    let before = table! { "a" => 1i32, "cc" => strings(&["bcc"]) };
    let mut headers = before.clone();
    headers.0.push(("CC".into(), strings(&["cc", "none"])));
    headers.0.push(("BCC".into(), strings(&["bcc"])));
    peer.publish_with(1, &name, "main", "", &Properties::headers(headers), "x");
    for queue in [&main, &cc, &bcc] {
        let delivery = only(&mut peer, queue);
        assert_eq!(delivery.routing_key, "main");
        let headers = delivery.headers();
        assert_eq!(headers.get("CC"), Some(&strings(&["cc", "none"])));
        assert_eq!(headers.get("BCC"), None);
        assert_eq!(headers.get("a"), before.get("a"));
        assert_eq!(headers.get("cc"), before.get("cc"));
    }
}

#[test]
fn cc_on_the_default_exchange_names_queues() {
    let mut peer = shared().channel();
    let (one, two) = (peer.queue(1), peer.queue(1));
    let properties = Properties::headers(table! { "CC" => strings(&[&one, &two]) });
    peer.publish_with(1, "", "nobody", "", &properties, "x");
    only(&mut peer, &one);
    only(&mut peer, &two);
}

#[test]
fn bcc_as_the_only_header_leaves_an_empty_table_or_none() {
    let mut peer = shared().channel();
    let (one, two) = (peer.queue(1), peer.queue(1));
    let properties = Properties {
        message_id: Some("m".into()),
        ..Properties::headers(table! { "BCC" => strings(&[&two]) })
    };
    peer.publish_with(1, "", &one, "", &properties, "x");
    for queue in [&one, &two] {
        let delivery = only(&mut peer, queue);
        assert_eq!(delivery.headers(), table! {});
        assert_eq!(delivery.properties().message_id.as_deref(), Some("m"));
    }
}

#[test]
fn other_values_among_the_extra_keys_are_ignored() {
    let mut peer = shared().channel();
    let queue = peer.queue(1);
    let keys = vec![5i32.into(), true.into(), (&queue).into()];
    let properties = Properties::headers(table! { "CC" => keys });
    peer.publish_with(1, "", "nobody", "", &properties, "x");
    only(&mut peer, &queue);
}

#[test]
fn exchanges_pass_on_what_matches() {
    let mut peer = shared().channel();
    let first = declare(&mut peer, "topic", table! {});
    let second = declare(&mut peer, "direct", table! {});
    let third = declare(&mut peer, "fanout", table! {});
    let (two, three) = (peer.queue(1), peer.queue(1));
    link(&mut peer, &second, &first, "a.*");
    link(&mut peer, &third, &second, "a.b");
    peer.bind(1, &two, &second, "a.c");
    peer.bind(1, &three, &third, "");
    for key in ["a.b", "a.c", "a.d", "x.b"] {
        peer.publish(1, &first, key, key);
    }
    let delivery = only(&mut peer, &two);
    assert_eq!(
        (delivery.exchange.as_str(), delivery.text()),
        (first.as_str(), "a.c")
    );
    assert_eq!(only(&mut peer, &three).text(), "a.b");
    delete(&mut peer, &[&first, &second, &third]);
}

#[test]
fn cycles_of_exchanges_are_harmless() {
    let mut peer = shared().channel();
    let names: Vec<String> = (0..3)
        .map(|_| declare(&mut peer, "fanout", table! {}))
        .collect();
    for at in 0..3 {
        link(&mut peer, &names[at], &names[(at + 1) % 3], "");
    }
    let queue = peer.queue(1);
    for name in &names {
        peer.bind(1, &queue, name, "");
    }
    peer.publish(1, &names[1], "", "once");
    let delivery = only(&mut peer, &queue);
    assert_eq!(delivery.exchange, names[1]);
    delete(&mut peer, &[&names[0], &names[1], &names[2]]);
}

#[test]
fn an_unbound_exchange_passes_nothing_on() {
    let mut peer = shared().channel();
    let first = declare(&mut peer, "fanout", table! {});
    let second = declare(&mut peer, "fanout", table! {});
    let queue = peer.queue(1);
    peer.bind(1, &queue, &second, "");
    link(&mut peer, &second, &first, "");
    peer.publish(1, &first, "", "x");
    only(&mut peer, &queue);
    peer.ask(
        1,
        &exchange::unbind(&second, &first, "", table! {}),
        &exchange::unbind_ok(),
    );
    peer.publish(1, &first, "", "y");
    peer.publish(1, &second, "", "z");
    assert_eq!(only(&mut peer, &queue).text(), "z");
    delete(&mut peer, &[&first, &second]);
}

#[test]
fn the_alternate_exchange_takes_what_nobody_wants() {
    let mut peer = shared().channel();
    let second = unique("x");
    // It may come into being later.
    let first = declare(
        &mut peer,
        "direct",
        table! { "alternate-exchange" => &second },
    );
    let (bound, rest) = (peer.queue(1), peer.queue(1));
    peer.bind(1, &bound, &first, "k");
    peer.publish(1, &first, "lost", "too early");
    let fanout = exchange::declare(&second, "fanout", "", table! {});
    peer.ask(1, &fanout, &exchange::declare_ok());
    peer.bind(1, &rest, &second, "");
    peer.publish(1, &first, "k", "bound");
    peer.publish(1, &first, "other", "rest");
    assert_eq!(only(&mut peer, &bound).text(), "bound");
    let delivery = only(&mut peer, &rest);
    assert_eq!(
        (delivery.text(), delivery.exchange.as_str()),
        ("rest", first.as_str())
    );
    delete(&mut peer, &[&first, &second]);
}

#[test]
fn chains_and_cycles_of_alternate_exchanges_end() {
    let mut peer = shared().channel();
    let (one, two) = (unique("x"), unique("x"));
    for (name, other) in [(&one, &two), (&two, &one)] {
        let arguments = table! { "alternate-exchange" => other };
        let method = exchange::declare(name, "direct", "", arguments);
        peer.ask(1, &method, &exchange::declare_ok());
    }
    let queue = peer.queue(1);
    peer.bind(1, &queue, &two, "k");
    peer.publish(1, &one, "k", "found");
    peer.publish(1, &one, "nobody's", "lost");
    peer.publish(1, &two, "nobody's", "lost");
    assert_eq!(only(&mut peer, &queue).text(), "found");
    delete(&mut peer, &[&one, &two]);
}

#[test]
fn an_exchange_behind_it_counts_as_a_destination() {
    let mut peer = shared().channel();
    let second = declare(&mut peer, "fanout", table! {});
    let third = declare(&mut peer, "fanout", table! {});
    let first = declare(
        &mut peer,
        "fanout",
        table! { "alternate-exchange" => &second },
    );
    let queue = peer.queue(1);
    peer.bind(1, &queue, &second, "");
    link(&mut peer, &third, &first, "");
    // The third exchange has no queues, yet the alternate is not asked.
    peer.publish(1, &first, "", "lost");
    peer.publish(1, &second, "", "kept");
    assert_eq!(only(&mut peer, &queue).text(), "kept");
    delete(&mut peer, &[&first, &second, &third]);
}

#[test]
fn a_route_changes_with_its_bindings_at_once() {
    let mut peer = shared().channel();
    let name = declare(&mut peer, "direct", table! {});
    let queue = peer.queue(1);
    for round in 0..50 {
        peer.publish(1, &name, "k", "lost");
        peer.bind(1, &queue, &name, "k");
        let body = round.to_string();
        peer.publish(1, &name, "k", &body);
        assert_eq!(only(&mut peer, &queue).text(), body);
        let unbind = crate::support::queue::unbind(&queue, &name, "k", table! {});
        peer.ask(1, &unbind, &crate::support::queue::unbind_ok());
    }
    delete(&mut peer, &[&name]);
}

#[test]
fn a_new_queue_of_the_same_name_is_found() {
    let mut peer = shared().channel();
    let queue = peer.queue(1);
    for _ in 0..20 {
        peer.publish(1, "", &queue, "x");
        only(&mut peer, &queue);
        let delete = crate::support::queue::delete(&queue, "");
        peer.ask(1, &delete, &crate::support::queue::delete_ok(0));
        peer.publish(1, "", &queue, "lost");
        let declare = crate::support::queue::declare(&queue, "exclusive", table! {});
        peer.ask(
            1,
            &declare,
            &crate::support::queue::declare_ok(&queue, 0, 0),
        );
    }
}
