//! exchange.declare: types, names, equivalence.

use crate::support::{exchange, queue, shared, unique};

#[test]
fn the_predeclared_exchanges_are_there() {
    let mut peer = shared().channel();
    for (name, kind) in [
        ("amq.direct", "direct"),
        ("amq.fanout", "fanout"),
        ("amq.topic", "topic"),
        ("amq.headers", "headers"),
        ("amq.match", "headers"),
    ] {
        let again = exchange::declare(name, kind, "durable", table! {});
        peer.ask(1, &again, &exchange::declare_ok());
        let passive = exchange::declare(name, "", "passive", table! {});
        peer.ask(1, &passive, &exchange::declare_ok());
    }
    let trace = exchange::declare("amq.rabbitmq.trace", "topic", "durable internal", table! {});
    peer.ask(1, &trace, &exchange::declare_ok());
}

#[test]
fn every_kind_can_be_declared_again_and_passively() {
    let mut peer = shared().channel();
    for kind in ["direct", "fanout", "topic", "headers"] {
        for flags in [
            "",
            "durable",
            "auto-delete",
            "internal",
            "durable auto-delete internal",
        ] {
            let name = unique("x");
            for _ in 0..2 {
                let declare = exchange::declare(&name, kind, flags, table! {});
                peer.ask(1, &declare, &exchange::declare_ok());
            }
            let passive = exchange::declare(&name, "", "passive", table! {});
            peer.ask(1, &passive, &exchange::declare_ok());
            peer.ask(1, &exchange::delete(&name, ""), &exchange::delete_ok());
        }
    }
}

#[test]
fn nowait_is_not_answered() {
    let mut peer = shared().channel();
    let name = unique("x");
    peer.send(1, &exchange::declare(&name, "fanout", "nowait", table! {}));
    let passive = exchange::declare(&name, "", "passive", table! {});
    peer.ask(1, &passive, &exchange::declare_ok());
    peer.send(1, &exchange::delete(&name, "nowait"));
    let text = format!("NOT_FOUND - no exchange '{name}' in vhost '/'");
    peer.refused(1, &passive, 404, &text);
}

#[test]
fn an_unknown_type() {
    let mut peer = shared().channel();
    let declare = exchange::declare(&unique("x"), "nonsense", "", table! {});
    let text = "PRECONDITION_FAILED - unknown exchange type 'nonsense'";
    peer.refused(1, &declare, 406, text);
    let declare = exchange::declare(&unique("x"), "", "", table! {});
    peer.refused(
        1,
        &declare,
        406,
        "PRECONDITION_FAILED - invalid exchange type ''",
    );
}

#[test]
fn a_reserved_name() {
    let mut peer = shared().channel();
    let declare = exchange::declare("amq.mine", "direct", "", table! {});
    let text = "ACCESS_REFUSED - exchange name 'amq.mine' contains reserved prefix 'amq.*'";
    peer.refused(1, &declare, 403, text);
}

#[test]
fn the_default_exchange_is_out_of_bounds() {
    let mut peer = shared().channel();
    let name = peer.queue(1);
    let text = "ACCESS_REFUSED - operation not permitted on the default exchange";
    for method in [
        exchange::declare("", "direct", "durable", table! {}),
        exchange::delete("", ""),
        queue::bind(&name, "", "k", table! {}),
        queue::unbind(&name, "", "k", table! {}),
        exchange::bind("", "amq.direct", "k", table! {}),
        exchange::bind("amq.direct", "", "k", table! {}),
        exchange::unbind("", "amq.direct", "k", table! {}),
        exchange::unbind("amq.direct", "", "k", table! {}),
    ] {
        peer.refused(1, &method, 403, text);
    }
}

#[test]
fn passive_of_a_missing_exchange() {
    let mut peer = shared().channel();
    let passive = exchange::declare("missing", "direct", "passive", table! {});
    peer.refused(
        1,
        &passive,
        404,
        "NOT_FOUND - no exchange 'missing' in vhost '/'",
    );
}

#[test]
fn every_field_is_compared() {
    let mut peer = shared().channel();
    let name = unique("x");
    let declare = |kind: &str, flags: &str| exchange::declare(&name, kind, flags, table! {});
    peer.ask(1, &declare("direct", ""), &exchange::declare_ok());
    for (kind, flags, field, received, current) in [
        ("topic", "", "type", "topic", "direct"),
        ("direct", "durable", "durable", "true", "false"),
        ("direct", "auto-delete", "auto_delete", "true", "false"),
        ("direct", "internal", "internal", "true", "false"),
    ] {
        let text = format!(
            "PRECONDITION_FAILED - inequivalent arg '{field}' for exchange '{name}' in vhost '/': received '{received}' but current is '{current}'"
        );
        peer.refused(1, &declare(kind, flags), 406, &text);
    }
    peer.ask(1, &exchange::delete(&name, ""), &exchange::delete_ok());
}

#[test]
fn of_the_arguments_only_the_alternate_exchange_is_compared() {
    let mut peer = shared().channel();
    let name = unique("x");
    let declare = |arguments| exchange::declare(&name, "direct", "", arguments);
    let ae = table! { "alternate-exchange" => "one" };
    peer.ask(1, &declare(ae.clone()), &exchange::declare_ok());
    let more = table! { "alternate-exchange" => "one", "other" => 5i32 };
    peer.ask(1, &declare(more), &exchange::declare_ok());
    let resource = format!("exchange '{name}' in vhost '/'");
    let head = "PRECONDITION_FAILED - inequivalent arg 'alternate-exchange' for";
    let text = format!("{head} {resource}: received 'two' but current is 'one'");
    peer.refused(
        1,
        &declare(table! { "alternate-exchange" => "two" }),
        406,
        &text,
    );
    let text = format!(
        "{head} {resource}: received none but current is the value 'one' of type 'longstr'"
    );
    peer.refused(1, &declare(table! {}), 406, &text);
    peer.ask(1, &exchange::delete(&name, ""), &exchange::delete_ok());

    peer.ask(1, &declare(table! {}), &exchange::declare_ok());
    let text = format!(
        "{head} {resource}: received the value 'one' of type 'longstr' but current is none"
    );
    peer.refused(1, &declare(ae), 406, &text);
    peer.ask(1, &exchange::delete(&name, ""), &exchange::delete_ok());
}

#[test]
fn an_alternate_exchange_of_the_wrong_type() {
    let mut peer = shared().channel();
    let name = unique("x");
    let declare = exchange::declare(&name, "direct", "", table! { "alternate-exchange" => 5i32 });
    let text = format!(
        "PRECONDITION_FAILED - invalid type 'signedint' for arg 'alternate-exchange' in exchange '{name}' in vhost '/'"
    );
    peer.refused(1, &declare, 406, &text);
}

#[test]
fn line_ends_are_stripped_from_names() {
    let mut peer = shared().channel();
    let name = unique("x");
    let (head, tail) = name.split_at(3);
    let broken = format!("{head}\r\n{tail}");
    peer.ask(
        1,
        &exchange::declare(&broken, "direct", "", table! {}),
        &exchange::declare_ok(),
    );
    let passive = exchange::declare(&name, "", "passive", table! {});
    peer.ask(1, &passive, &exchange::declare_ok());
    peer.ask(1, &exchange::delete(&broken, ""), &exchange::delete_ok());
    let text = format!("NOT_FOUND - no exchange '{name}' in vhost '/'");
    peer.refused(1, &passive, 404, &text);
}

#[test]
fn the_longest_name_works() {
    let mut peer = shared().channel();
    let mut name = unique("long");
    name.push_str(&"ü".repeat((255 - name.len()) / 2));
    while name.len() < 255 {
        name.push('x');
    }
    let declare = exchange::declare(&name, "fanout", "", table! {});
    peer.ask(1, &declare, &exchange::declare_ok());
    peer.ask(1, &exchange::delete(&name, ""), &exchange::delete_ok());
}
