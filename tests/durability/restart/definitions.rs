//! Exchanges, queues, bindings, users: what outlives the broker, and that it is the same afterwards.

use super::*;
use crate::support::home::both;
use crate::support::table::strings;

#[test]
fn durable_exchanges_of_all_kinds_come_back_as_they_were() {
    both(|home, end| {
        let mut peer = home.channel();
        let own = unique("kind");
        let kinds = ["direct", "fanout", "topic", "headers"];
        let flags = ["durable", "durable internal", "durable auto-delete"];
        for kind in kinds {
            for flag in flags {
                let name = format!("{own} {kind} {flag}");
                let arguments = table! { "alternate-exchange" => &own, "unknown" => Value::Array(vec![true.into()]) };
                let declare = exchange::declare(&name, kind, flag, arguments);
                peer.ask(1, &declare, &exchange::declare_ok());
            }
            let passing = exchange::declare(&format!("{own} {kind}"), kind, "", table! {});
            peer.ask(1, &passing, &exchange::declare_ok());
        }
        home.restart(end);
        let mut peer = home.channel();
        for kind in kinds {
            exchange_is_gone(&mut peer, &format!("{own} {kind}"));
            for flag in flags {
                let name = format!("{own} {kind} {flag}");
                let arguments = || table! { "alternate-exchange" => &own };
                let declare = exchange::declare(&name, kind, flag, arguments());
                peer.ask(1, &declare, &exchange::declare_ok());
                let text = |field: &str, received: &str, current: &str| {
                    let what =
                        format!("inequivalent arg '{field}' for exchange '{name}' in vhost '/'");
                    format!(
                        "PRECONDITION_FAILED - {what}: received {received} but current is {current}"
                    )
                };
                let other =
                    exchange::declare(&name, kind, &flag.replace("durable", ""), arguments());
                peer.refused(1, &other, 406, &text("durable", "'false'", "'true'"));
                let other = exchange::declare(&name, kind, flag, table! {});
                let current = format!("the value '{own}' of type 'longstr'");
                peer.refused(
                    1,
                    &other,
                    406,
                    &text("alternate-exchange", "none", &current),
                );
            }
        }
    });
}

#[test]
fn bindings_route_as_before_and_those_of_passing_ends_are_gone() {
    both(|home, end| {
        let mut peer = home.channel();
        let own = unique("bound");
        let exchange = |kind: &str| format!("{own} {kind}");
        for kind in ["direct", "fanout", "topic", "headers"] {
            let declare = exchange::declare(&exchange(kind), kind, "durable", table! {});
            peer.ask(1, &declare, &exchange::declare_ok());
        }
        let queues: Vec<String> = (0..4).map(|_| durable_queue(&mut peer)).collect();
        let passing = unique("passing");
        let declare = queue::declare(&passing, "", table! {});
        peer.ask(1, &declare, &queue::declare_ok(&passing, 0, 0));
        let bind = |peer: &mut Peer, queue: &str, kind: &str, key: &str, arguments: Table| {
            let bind = queue::bind(queue, &exchange(kind), key, arguments);
            peer.ask(1, &bind, &queue::bind_ok());
        };
        bind(&mut peer, &queues[0], "direct", "k", table! {});
        bind(
            &mut peer,
            &queues[1],
            "direct",
            "k",
            table! { "same" => "but another" },
        );
        bind(&mut peer, &passing, "direct", "k", table! {});
        bind(&mut peer, &queues[1], "fanout", "", table! {});
        bind(&mut peer, &queues[2], "topic", "a.*.#", table! {});
        bind(&mut peer, &queues[0], "topic", "#.z", table! {});
        bind(
            &mut peer,
            &queues[3],
            "headers",
            "",
            table! { "x-match" => "any", "n" => 1i32, "s" => "x" },
        );
        bind(
            &mut peer,
            &queues[0],
            "headers",
            "",
            table! { "x-match" => "all", "n" => 1i32, "s" => "x" },
        );
        // Exchange to exchange: a message to the fanout goes on to the topic exchange.
        let chain = exchange::bind(&exchange("topic"), &exchange("fanout"), "", table! {});
        peer.ask(1, &chain, &exchange::bind_ok());
        // Bound and unbound again.
        bind(&mut peer, &queues[3], "direct", "k", table! {});
        let unbind = queue::unbind(&queues[3], &exchange("direct"), "k", table! {});
        peer.ask(1, &unbind, &queue::unbind_ok());
        let chain = exchange::bind(&exchange("direct"), &exchange("fanout"), "", table! {});
        peer.ask(1, &chain, &exchange::bind_ok());
        let unchain = exchange::unbind(&exchange("direct"), &exchange("fanout"), "", table! {});
        peer.ask(1, &unchain, &exchange::unbind_ok());

        let check = |peer: &mut Peer| {
            let header = |n: i32, s: &str| Properties::headers(table! { "n" => n, "s" => s });
            let cases: [(&str, &str, Properties, &[usize]); 8] = [
                ("direct", "k", Properties::default(), &[0, 1]),
                ("direct", "other", Properties::default(), &[]),
                ("fanout", "nowhere", Properties::default(), &[1]),
                ("fanout", "a.b.z", Properties::default(), &[0, 1, 2]),
                ("topic", "a.b", Properties::default(), &[2]),
                ("topic", "z", Properties::default(), &[0]),
                ("headers", "", header(1, "x"), &[0, 3]),
                ("headers", "", header(2, "x"), &[3]),
            ];
            for (kind, key, properties, to) in cases {
                let messages = [(properties, format!("{kind} {key}"))];
                confirmed(peer, (&exchange(kind), key), messages);
                for (at, name) in queues.iter().enumerate() {
                    let want = if to.contains(&at) { 1 } else { 0 };
                    let got = bodies(peer, name);
                    assert_eq!(got.len(), want, "{kind} {key} to queue {at}");
                }
            }
        };
        check(&mut peer);
        home.restart(end);
        let mut peer = home.channel();
        queue_is_gone(&mut peer, &passing);
        check(&mut peer);
        // What is bound anew is bound once.
        let again = queue::bind(&queues[0], &exchange("direct"), "k", table! {});
        peer.ask(1, &again, &queue::bind_ok());
        check(&mut peer);
        home.restart(end);
        let mut peer = home.channel();
        // A binding belongs to its queue: one made anew has none.
        peer.ask(1, &queue::delete(&queues[1], ""), &queue::delete_ok(0));
        home.restart(end);
        let mut peer = home.channel();
        durable(&mut peer, &queues[1], table! {});
        confirmed(
            &mut peer,
            (&exchange("direct"), "k"),
            [(Properties::default(), "once")],
        );
        peer.has(1, &queues[0], 1, 0);
        peer.has(1, &queues[1], 0, 0);
    });
}

#[test]
fn alternate_exchanges_come_back() {
    both(|home, end| {
        let mut peer = home.channel();
        let (main, other) = (unique("main"), unique("alternate"));
        let declare = exchange::declare(
            &main,
            "direct",
            "durable",
            table! { "alternate-exchange" => &other },
        );
        peer.ask(1, &declare, &exchange::declare_ok());
        let declare = exchange::declare(&other, "fanout", "durable", table! {});
        peer.ask(1, &declare, &exchange::declare_ok());
        let name = durable_queue(&mut peer);
        peer.bind(1, &name, &other, "");
        home.restart(end);
        let mut peer = home.channel();
        keep(&mut peer, &name, ["direct"]);
        confirmed(
            &mut peer,
            (&main, "nobody"),
            [(Properties::persistent(), "astray")],
        );
        assert_eq!(bodies(&mut peer, &name), ["direct", "astray"]);
    });
}

#[test]
fn queue_arguments_come_back() {
    both(|home, end| {
        let mut peer = home.channel();
        let own = unique("arguments");
        let sets: [(&str, Value, Value); 8] = [
            ("x-message-ttl", 86_400_000i64.into(), 86_400_000i32.into()),
            ("x-expires", 86_400_000i32.into(), 86_400_000i64.into()),
            ("x-max-length", 10i32.into(), 10i16.into()),
            ("x-max-length-bytes", 1000i32.into(), Value::U8(232)),
            (
                "x-dead-letter-exchange",
                "somewhere".into(),
                "elsewhere".into(),
            ),
            ("x-queue-mode", "lazy".into(), "default".into()),
            ("x-queue-type", "classic".into(), "classic".into()),
            ("unknown", strings(&["a", "b"]), 1i32.into()),
        ];
        for (key, value, _) in &sets {
            durable(
                &mut peer,
                &format!("{own} {key}"),
                Table(vec![(key.to_string(), value.clone())]),
            );
        }
        home.restart(end);
        let mut peer = home.channel();
        let answer = |peer: &mut Peer, key: &str, value: &Value| {
            let name = format!("{own} {key}");
            let declare = queue::declare(
                &name,
                "durable",
                Table(vec![(key.to_owned(), value.clone())]),
            );
            let method = peer.call(1, &declare);
            if method.is(50, 11) {
                return String::new();
            }
            peer.send(1, &channel::close_ok());
            peer.open(1);
            method.text(1)
        };
        for (key, value, other) in &sets {
            assert_eq!(answer(&mut peer, key, value), "", "the same {key}");
            let got = answer(&mut peer, key, other);
            let show = |value: &Value| match value {
                Value::Str(text) => format!("the value '{text}' of type 'longstr'"),
                other => format!("{other:?}"),
            };
            let inequivalent = |received: &str, current: &str| {
                let what = format!("inequivalent arg '{key}' for queue '{own} {key}' in vhost '/'");
                format!(
                    "PRECONDITION_FAILED - {what}: received {received} but current is {current}"
                )
            };
            let want = match *key {
                "x-dead-letter-exchange" => {
                    let text = |value: &Value| match value {
                        Value::Str(text) => format!("'{text}'"),
                        _ => show(value),
                    };
                    inequivalent(&text(other), &text(value))
                }
                "x-max-length-bytes" => inequivalent("'232'", "'1000'"),
                "x-queue-mode" => inequivalent("'default'", "'lazy'"),
                // Width does not count, nor do unknown arguments.
                _ => String::new(),
            };
            assert_eq!(got, want, "{key}");
        }
    });
}

#[test]
fn queues_that_belong_to_a_connection_or_a_life_are_gone() {
    both(|home, end| {
        let mut peer = home.channel();
        let (exclusive, passing, exchange) =
            (unique("exclusive"), unique("passing"), unique("fanout"));
        let declare = queue::declare(&exclusive, "durable exclusive", table! {});
        peer.ask(1, &declare, &queue::declare_ok(&exclusive, 0, 0));
        let declare = queue::declare(&passing, "", table! {});
        peer.ask(1, &declare, &queue::declare_ok(&passing, 0, 0));
        let declare = exchange::declare(&exchange, "fanout", "durable", table! {});
        peer.ask(1, &declare, &exchange::declare_ok());
        // Named by the server, but durable: it stays.
        let made = peer.call(1, &queue::declare("", "durable", table! {}));
        let generated = made.text(0);
        assert!(generated.starts_with("amq.gen-"), "{generated}");
        for name in [&exclusive, &passing, &generated] {
            peer.bind(1, name, &exchange, "");
        }
        confirmed(
            &mut peer,
            (&exchange, ""),
            (0..3).map(|_| (Properties::persistent(), "m")),
        );
        home.restart(end);
        let mut peer = home.channel();
        queue_is_gone(&mut peer, &exclusive);
        queue_is_gone(&mut peer, &passing);
        peer.has(1, &generated, 3, 0);
        confirmed(
            &mut peer,
            (&exchange, ""),
            [(Properties::persistent(), "m")],
        );
        peer.has(1, &generated, 4, 0);
        // The names are free.
        durable(&mut peer, &exclusive, table! {});
        durable(&mut peer, &passing, table! {});
    });
}

#[test]
fn auto_delete_rules_hold_on() {
    both(|home, end| {
        let mut peer = home.channel();
        let (unused, source) = (unique("auto"), unique("source"));
        let declare = queue::declare(&unused, "durable auto-delete", table! {});
        peer.ask(1, &declare, &queue::declare_ok(&unused, 0, 0));
        let declare = exchange::declare(&source, "fanout", "durable auto-delete", table! {});
        peer.ask(1, &declare, &exchange::declare_ok());
        peer.bind(1, &unused, &source, "");
        keep(&mut peer, &unused, ["kept"]);
        home.restart(end);
        let mut peer = home.channel();
        // Never consumed: both are still there, and still go with their last consumer and their last binding.
        peer.has(1, &unused, 1, 0);
        let passive = exchange::declare(&source, "fanout", "passive", table! {});
        peer.ask(1, &passive, &exchange::declare_ok());
        peer.consume(1, &unused, "last", "no-ack");
        assert_eq!(peer.delivery(1).text(), "kept");
        peer.ask(1, &basic::cancel("last", ""), &basic::cancel_ok("last"));
        if foreign() {
            std::thread::sleep(std::time::Duration::from_millis(300));
        }
        queue_is_gone(&mut peer, &unused);
        exchange_is_gone(&mut peer, &source);
        home.settle(end);
        home.restart(end);
        let mut peer = home.channel();
        queue_is_gone(&mut peer, &unused);
        exchange_is_gone(&mut peer, &source);
    });
}

#[test]
fn what_was_deleted_stays_deleted() {
    both(|home, end| {
        let mut peer = home.channel();
        let (gone, kept, exchange) = (unique("gone"), unique("kept"), unique("exchange"));
        for name in [&gone, &kept] {
            durable(&mut peer, name, table! {});
            keep(&mut peer, name, numbers(0..10));
        }
        let declare = exchange::declare(&exchange, "fanout", "durable", table! {});
        peer.ask(1, &declare, &exchange::declare_ok());
        peer.bind(1, &gone, &exchange, "");
        peer.bind(1, &kept, &exchange, "");
        home.restart(end);
        let mut peer = home.channel();
        peer.ask(1, &queue::delete(&gone, ""), &queue::delete_ok(10));
        peer.ask(1, &exchange::delete(&exchange, ""), &exchange::delete_ok());
        home.restart(end);
        let mut peer = home.channel();
        queue_is_gone(&mut peer, &gone);
        exchange_is_gone(&mut peer, &exchange);
        let declare = exchange::declare(&exchange, "fanout", "durable", table! {});
        peer.ask(1, &declare, &exchange::declare_ok());
        confirmed(
            &mut peer,
            (&exchange, ""),
            [(Properties::persistent(), "unbound")],
        );
        assert_eq!(bodies(&mut peer, &kept), numbers(0..10));
    });
}

#[test]
fn any_name_comes_back() {
    both(|home, end| {
        let mut peer = home.channel();
        let own = unique("n");
        let odd = [
            "/",
            "..",
            "../../etc",
            "a b",
            "\t",
            "\0",
            "\"'`$(){}[]*?#",
            "%2F%00",
            "ünï\u{1F407}",
            "\u{FEFF}",
            "journal-000000000001.log",
            "amq",
            "\x7F\x1B[31m",
        ];
        let mut names: Vec<String> = odd.iter().map(|stem| format!("{own}{stem}")).collect();
        names.push(format!("{own}{}", "n".repeat(255 - own.len())));
        let exchange = format!("{own}\u{1F407}/ \0");
        let declare = exchange::declare(&exchange, "direct", "durable", table! {});
        peer.ask(1, &declare, &exchange::declare_ok());
        for name in &names {
            durable(&mut peer, name, table! { "ключ\0" => name });
            let bind = queue::bind(name, &exchange, name, table! {});
            peer.ask(1, &bind, &queue::bind_ok());
            confirmed(
                &mut peer,
                (&exchange, name),
                [(Properties::persistent(), name)],
            );
        }
        home.restart(end);
        let mut peer = home.channel();
        for name in &names {
            confirmed(
                &mut peer,
                (&exchange, name),
                [(Properties::persistent(), "again")],
            );
            assert_eq!(bodies(&mut peer, name), [name.as_str(), "again"]);
        }
    });
}

#[test]
fn users_and_vhosts_are_those_of_the_first_start() {
    if foreign() {
        return;
    }
    let first = [
        "default_user=alice",
        "default_pass=first",
        "default_vhost=wonderland",
    ];
    for end in [End::Stop, End::Kill] {
        let mut home = Home::with(&first);
        let mut peer = home.channel();
        let name = durable_queue(&mut peer);
        keep(&mut peer, &name, ["kept"]);
        home.end(end);
        home.settings = [
            "default_user=bob",
            "default_pass=second",
            "default_vhost=elsewhere",
        ]
        .map(Into::into)
        .into();
        home.start();
        let login = |user: &str, password: &str, vhost: &str| Login {
            user: user.into(),
            password: password.into(),
            vhost: vhost.into(),
            ..Login::default()
        };
        let mut peer = home.peer_with(&login("alice", "first", "wonderland"));
        peer.open(1);
        assert_eq!(bodies(&mut peer, &name), ["kept"]);
        let mut stranger = home.connect();
        stranger.start();
        let bob = login("bob", "second", "elsewhere");
        let start_ok = connection::start_ok(bob.properties(), "PLAIN", &bob.plain());
        stranger.send(0, &start_ok);
        let refused = stranger.expect_method(0, 10, 50);
        assert_eq!(refused.number(0), 403, "{refused:?}");
    }
}
