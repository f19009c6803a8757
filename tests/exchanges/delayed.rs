//! `x-delayed-message`: a message with a header `x-delay` is routed when so many milliseconds have passed.

use std::time::{Duration, Instant};

use crate::support::{
    End, Home, Peer, Properties, Value, eventually, exchange, home, now_ms, queue, shared,
    table::strings, tx, unique,
};

/// An exchange over one of that kind.
fn declared(peer: &mut Peer, kind: &str, wanted: &str) -> String {
    let name = unique("x");
    let arguments = table! { "x-delayed-type" => kind };
    let declare = exchange::declare(&name, "x-delayed-message", wanted, arguments);
    peer.ask(1, &declare, &exchange::declare_ok());
    name
}

fn delay(ms: impl Into<Value>) -> Properties {
    Properties {
        headers: Some(table! { "x-delay" => ms.into() }),
        ..Properties::persistent()
    }
}

fn gone(peer: &mut Peer, name: &str) {
    peer.ask(1, &exchange::delete(name, ""), &exchange::delete_ok());
}

#[test]
fn a_message_comes_when_its_delay_is_over_and_not_before() {
    let mut peer = shared().channel();
    let name = declared(&mut peer, "direct", "");
    let queue = peer.queue(1);
    peer.bind(1, &queue, &name, "k");
    peer.consume(1, &queue, "c", "no-ack");
    let begun = Instant::now();
    for (ms, text) in [(600i32, "third"), (200, "first"), (400, "second")] {
        peer.publish_with(1, &name, "k", "", &delay(ms), text);
    }
    peer.publish(1, &name, "k", "at once");
    for (text, ms) in [
        ("at once", 0),
        ("first", 200),
        ("second", 400),
        ("third", 600),
    ] {
        let got = peer.delivery(1);
        assert_eq!(got.text(), text);
        let after = begun.elapsed().as_millis();
        assert!(after >= ms, "{text} came after {after} ms");
        assert_eq!((got.exchange, got.routing_key), (name.clone(), "k".into()));
    }
    gone(&mut peer, &name);
}

#[test]
fn a_delivered_message_says_that_its_delay_is_over() {
    let mut peer = shared().channel();
    let name = declared(&mut peer, "fanout", "");
    let queue = peer.queue(1);
    peer.bind(1, &queue, &name, "");
    let headers = table! { "a" => "b", "x-delay" => 50i64, "z" => 7i32 };
    let properties = Properties {
        headers: Some(headers),
        message_id: Some("id".into()),
        content_type: Some("text/plain".into()),
        ..Properties::persistent()
    };
    peer.publish_with(1, &name, "k", "", &properties, "text");
    let got = peer.take_soon(1, &queue);
    let expected = Properties {
        headers: Some(table! { "a" => "b", "x-delay" => -50i32, "z" => 7i32 }),
        ..properties
    };
    assert_eq!(got.properties(), expected);
    assert!(!got.redelivered);
    gone(&mut peer, &name);
}

#[test]
fn what_is_no_delay_goes_at_once() {
    let mut peer = shared().channel();
    let name = declared(&mut peer, "fanout", "");
    let queue = peer.queue(1);
    peer.bind(1, &queue, &name, "");
    for value in [
        Value::from(0i32),
        (-5i32).into(),
        "60000".into(),
        true.into(),
    ] {
        let properties = delay(value);
        peer.publish_with(1, &name, "", "mandatory", &properties, "x");
        let got = peer.take(1, &queue).expect("it is there");
        assert_eq!(got.properties(), properties, "as it came");
    }
    gone(&mut peer, &name);
}

#[test]
fn it_routes_as_its_type_does_and_as_bindings_are_when_the_delay_is_over() {
    let mut peer = shared().channel();
    for (kind, key, met, arguments) in [
        ("direct", "a.b", "a.b", table! {}),
        ("topic", "a.*", "a.b", table! {}),
        ("fanout", "", "any", table! {}),
        (
            "headers",
            "",
            "",
            table! { "x-match" => "any-with-x", "x-delay" => -150i32 },
        ),
        ("x-consistent-hash", "3", "any", table! {}),
        ("x-modulus-hash", "", "any", table! {}),
        ("x-random", "", "any", table! {}),
        ("x-local-random", "", "any", table! {}),
        ("x-recent-history", "", "any", table! {}),
    ] {
        let name = declared(&mut peer, kind, "");
        let (late, early) = (peer.queue(1), peer.queue(1));
        if kind != "x-recent-history" {
            let bind = queue::bind(&early, &name, key, arguments.clone());
            peer.ask(1, &bind, &queue::bind_ok());
        }
        peer.publish_with(1, &name, met, "", &delay(150i32), kind);
        let bind = queue::bind(&late, &name, key, arguments.clone());
        peer.ask(1, &bind, &queue::bind_ok());
        if kind != "x-recent-history" {
            let unbind = queue::unbind(&early, &name, key, arguments);
            peer.ask(1, &unbind, &queue::unbind_ok());
        }
        // Not even remembered before it is due.
        peer.has(1, &late, 0, 0);
        assert_eq!(peer.take_soon(1, &late).text(), kind);
        peer.has(1, &early, 0, 0);
        gone(&mut peer, &name);
    }
}

#[test]
fn what_the_type_says_of_bindings_counts() {
    let mut peer = shared().channel();
    let name = declared(&mut peer, "x-consistent-hash", "");
    let queue = peer.queue(1);
    let bind = queue::bind(&queue, &name, "no number", table! {});
    let close = peer.call(1, &bind);
    assert_eq!((close.class, close.method, close.number(0)), (20, 40, 406));
}

#[test]
fn cc_and_bcc_keys_count_when_the_delay_is_over() {
    let mut peer = shared().channel();
    let name = declared(&mut peer, "direct", "");
    let queues = ["own", "copy", "blind"].map(|key| {
        let queue = peer.queue(1);
        peer.bind(1, &queue, &name, key);
        queue
    });
    let headers = table! {
        "x-delay" => 50i32, "CC" => strings(&["copy"]), "BCC" => strings(&["blind"])
    };
    peer.publish_with(1, &name, "own", "", &Properties::headers(headers), "x");
    for queue in &queues {
        let got = peer.take_soon(1, queue);
        let shown = table! { "x-delay" => -50i32, "CC" => strings(&["copy"]) };
        assert_eq!(got.headers(), shown);
        peer.has(1, queue, 0, 0);
    }
    gone(&mut peer, &name);
}

#[test]
fn a_held_message_is_confirmed_and_never_returned() {
    let mut peer = shared().channel();
    peer.confirm(1);
    let name = declared(&mut peer, "direct", "durable");
    // Nobody is bound, and an alternate exchange is for what is due.
    peer.publish_with(1, &name, "k", "mandatory", &delay(3_600_000i32), "x");
    peer.acked_one(1, 1);
    peer.publish_with(1, &name, "k", "mandatory", &delay(0i32), "x");
    assert_eq!(peer.returned(1).code, 312);
    peer.acked_one(1, 2);
    gone(&mut peer, &name);
}

#[test]
fn exchanges_may_stand_before_and_behind_it() {
    let mut peer = shared().channel();
    let (front, back) = (peer.exchange(1, "topic"), peer.exchange(1, "direct"));
    let (name, other) = (
        declared(&mut peer, "fanout", ""),
        declared(&mut peer, "fanout", ""),
    );
    for (destination, source, key) in [
        (&name, &front, "a.#"),
        (&other, &name, ""),
        (&back, &other, ""),
    ] {
        let bind = exchange::bind(destination, source, key, table! {});
        peer.ask(1, &bind, &exchange::bind_ok());
    }
    let queue = peer.queue(1);
    peer.bind(1, &queue, &back, "a.b");
    let begun = Instant::now();
    peer.publish_with(1, &front, "a.b", "", &delay(300i32), "x");
    let got = peer.take_soon(1, &queue);
    assert!(begun.elapsed() >= Duration::from_millis(300));
    // Delayed once, by the first; and it is the message that was published.
    assert_eq!(got.headers().get("x-delay"), Some(&Value::from(-300i32)));
    assert_eq!((got.exchange, got.routing_key), (front, "a.b".into()));
    peer.has(1, &queue, 0, 0);
    for one in [name, other] {
        gone(&mut peer, &one);
    }
}

#[test]
fn what_is_unroutable_when_it_is_due_goes_to_the_alternate_exchange() {
    let mut peer = shared().channel();
    let alternate = peer.exchange(1, "fanout");
    let queue = peer.queue(1);
    peer.bind(1, &queue, &alternate, "");
    let name = unique("x");
    let arguments =
        table! { "x-delayed-type" => "direct", "alternate-exchange" => alternate.as_str() };
    let declare = exchange::declare(&name, "x-delayed-message", "", arguments);
    peer.ask(1, &declare, &exchange::declare_ok());
    peer.publish_with(1, &name, "nobody's", "", &delay(150i32), "x");
    peer.has(1, &queue, 0, 0);
    assert_eq!(peer.take_soon(1, &queue).exchange, name);
    gone(&mut peer, &name);
    // And it may itself be the alternate of another.
    let name = declared(&mut peer, "fanout", "");
    peer.bind(1, &queue, &name, "");
    let first = unique("x");
    let arguments = table! { "alternate-exchange" => name.as_str() };
    let declare = exchange::declare(&first, "direct", "", arguments);
    peer.ask(1, &declare, &exchange::declare_ok());
    peer.publish_with(1, &first, "k", "", &delay(150i32), "x");
    peer.has(1, &queue, 0, 0);
    assert_eq!(peer.take_soon(1, &queue).exchange, first);
    for one in [name, first] {
        gone(&mut peer, &one);
    }
}

#[test]
fn dead_letters_are_delayed_on_their_way() {
    let mut peer = shared().channel();
    let name = declared(&mut peer, "direct", "");
    let source = peer.queue_with(
        1,
        table! { "x-dead-letter-exchange" => name.as_str(), "x-message-ttl" => 1i32 },
    );
    let dead = peer.queue(1);
    peer.bind(1, &dead, &name, &source);
    let begun = Instant::now();
    peer.publish_with(1, "", &source, "", &delay(300i32), "x");
    let got = peer.take_soon(1, &dead);
    assert!(begun.elapsed() >= Duration::from_millis(300));
    assert_eq!(got.exchange, name);
    assert_eq!(got.headers().get("x-delay"), Some(&Value::from(-300i32)));
    assert_eq!(got.deaths()[0].str("queue"), source);
    gone(&mut peer, &name);
}

#[test]
fn a_transaction_holds_at_its_commit() {
    let mut peer = shared().channel();
    let name = declared(&mut peer, "fanout", "durable");
    let queue = peer.queue(1);
    peer.bind(1, &queue, &name, "");
    peer.ask(1, &tx::select(), &tx::select_ok());
    peer.publish_with(1, &name, "", "", &delay(50i32), "rolled back");
    peer.ask(1, &tx::rollback(), &tx::rollback_ok());
    peer.publish_with(1, &name, "", "", &delay(100i32), "committed");
    peer.ask(1, &tx::commit(), &tx::commit_ok());
    assert_eq!(peer.take_soon(1, &queue).text(), "committed");
    gone(&mut peer, &name);
}

#[test]
fn deleting_it_deletes_what_it_holds() {
    let mut peer = shared().channel();
    let name = declared(&mut peer, "fanout", "durable");
    let queue = peer.queue(1);
    peer.bind(1, &queue, &name, "");
    peer.publish_with(1, &name, "", "", &delay(200i32), "gone");
    gone(&mut peer, &name);
    let arguments = table! { "x-delayed-type" => "fanout" };
    let declare = exchange::declare(&name, "x-delayed-message", "durable", arguments);
    peer.ask(1, &declare, &exchange::declare_ok());
    peer.bind(1, &queue, &name, "");
    peer.publish_with(1, &name, "", "", &delay(400i32), "new");
    assert_eq!(peer.take_soon(1, &queue).text(), "new");
    peer.has(1, &queue, 0, 0);
    gone(&mut peer, &name);
}

#[test]
fn a_declare_needs_a_type_that_is_there() {
    let mut peer = shared().channel();
    let name = unique("x");
    let invalid = "PRECONDITION_FAILED - Invalid argument, 'x-delayed-type' must be an existing exchange type";
    for (arguments, text) in [
        (table! {}, invalid),
        (table! { "x-delayed-type" => 1i32 }, invalid),
        (table! { "x-delayed-type" => "x-delayed-message" }, invalid),
        (
            table! { "x-delayed-type" => "foo" },
            "PRECONDITION_FAILED - unknown exchange type 'foo'",
        ),
    ] {
        let declare = exchange::declare(&name, "x-delayed-message", "", arguments);
        peer.refused(1, &declare, 406, text);
    }
    // Redeclared, its flags and its type count, as for any exchange.
    let name = declared(&mut peer, "direct", "");
    let arguments = table! { "x-delayed-type" => "direct" };
    let declare =
        |kind: &str, flags: &str| exchange::declare(&name, kind, flags, arguments.clone());
    peer.ask(
        1,
        &declare("x-delayed-message", ""),
        &exchange::declare_ok(),
    );
    let text = format!(
        "PRECONDITION_FAILED - inequivalent arg 'durable' for exchange '{name}' in vhost '/': received 'true' but current is 'false'"
    );
    peer.refused(1, &declare("x-delayed-message", "durable"), 406, &text);
    let passive = exchange::declare(&name, "x-delayed-message", "passive", table! {});
    peer.ask(1, &passive, &exchange::declare_ok());
    gone(&mut peer, &name);
}

#[test]
fn its_queue_is_nobodys() {
    let mut peer = shared().channel();
    let name = declared(&mut peer, "direct", "");
    let queue = format!("amq.delayed.{name}");
    let text = format!("NOT_FOUND - no queue '{queue}' in vhost '/'");
    let passive = queue::declare(&queue, "passive", table! {});
    peer.refused(1, &passive, 404, &text);
    peer.publish(1, "", &queue, "to nobody");
    gone(&mut peer, &name);
}

fn durable_pair(peer: &mut Peer) {
    let arguments = table! { "x-delayed-type" => "fanout" };
    let declare = exchange::declare("x", "x-delayed-message", "durable", arguments);
    peer.ask(1, &declare, &exchange::declare_ok());
    let declare = queue::declare("q", "durable", table! {});
    peer.ask(1, &declare, &queue::declare_ok("q", 0, 0));
    peer.bind(1, "q", "x", "");
}

fn texts(peer: &mut Peer, queue: &str) -> Vec<String> {
    let all = std::iter::from_fn(|| peer.take(1, queue));
    all.map(|one| one.text().to_owned()).collect()
}

#[test]
fn a_confirmed_message_is_held_across_a_restart_and_what_is_due_meanwhile_comes_then() {
    home::both(|home, end| {
        let mut peer = home.channel();
        durable_pair(&mut peer);
        peer.confirm(1);
        peer.publish_with(1, "x", "", "", &delay(3_600_000i32), "much later");
        peer.publish_with(1, "x", "", "", &delay(600i32), "meanwhile");
        // What is not to survive does not.
        let passing = Properties::headers(table! { "x-delay" => 3_600_000i32 });
        peer.publish_with(1, "x", "", "", &passing, "passing");
        peer.acked(1, 3);
        home.settle(end);
        home.end(end);
        std::thread::sleep(Duration::from_millis(700));
        home.start();
        let mut peer = home.channel();
        peer.wait_ready(1, "q", 1);
        assert_eq!(texts(&mut peer, "q"), ["meanwhile"]);
        peer.confirm(1);
        let due = now_ms() + 3000;
        peer.publish_with(1, "x", "", "", &delay(3000i32), "later");
        peer.acked(1, 1);
        // Again, so that what a recovery found is written again.
        home.settle(end);
        home.restart(end);
        let mut peer = home.channel();
        let mut before = now_ms();
        eventually("it is due", || {
            let ready = peer.counts(1, "q").0;
            before = if ready == 0 { now_ms() } else { before };
            ready == 1
        });
        assert!(now_ms() >= due, "not before its time");
        assert!(before < due + 2000, "but then");
        assert_eq!(texts(&mut peer, "q"), ["later"]);
        drop(peer);
        home.settle(end);
        home.restart(end);
        let mut peer = home.channel();
        assert_eq!(texts(&mut peer, "q"), [""; 0], "nothing comes twice");
        gone(&mut peer, "x");
    });
}

#[test]
fn each_comes_once_though_the_broker_is_killed_while_they_are_due() {
    let mut home = Home::with(&["checkpoint_interval_size=1MiB"]);
    let mut peer = home.channel();
    durable_pair(&mut peer);
    peer.confirm(1);
    let body = vec![b'x'; 500];
    let mut due = Vec::new();
    for number in 0..4000u32 {
        let ms = 1500 + (number * 7919 % 3000) as i32;
        let properties = Properties {
            message_id: Some(number.to_string()),
            timestamp: None,
            ..delay(ms)
        };
        peer.publish_with(1, "x", "", "", &properties, &body);
        due.push(now_ms() + ms as u64);
    }
    peer.acked(1, 4000);
    let mut seen = std::collections::BTreeMap::<u32, u32>::new();
    let last = due.iter().max().copied().unwrap_or(0);
    let mut lives = 0;
    while now_ms() < last {
        std::thread::sleep(Duration::from_millis(300));
        home.restart(End::Kill);
        lives += 1;
    }
    let mut peer = home.channel();
    peer.wait_ready(1, "q", 4000);
    while let Some(got) = peer.take(1, "q") {
        let number = got.properties().message_id.unwrap().parse().unwrap();
        *seen.entry(number).or_default() += 1;
    }
    assert!(lives > 3);
    assert_eq!(seen.len(), 4000);
    assert!(seen.values().all(|count| *count == 1), "each of them once");
    gone(&mut peer, "x");
}

#[test]
fn more_than_memory_is_held_and_comes_in_order() {
    let home = Home::with(&["message_memory_budget=1MiB"]);
    let mut peer = home.channel();
    durable_pair(&mut peer);
    peer.confirm(1);
    let count = 6000u32;
    let begun = now_ms();
    for number in 0..count {
        // The last published comes first.
        let ms = 3000 + (count - number) as i32 - (now_ms() - begun) as i32;
        let properties = Properties {
            message_id: Some(number.to_string()),
            delivery_mode: Some(1 + (number % 2) as u8),
            ..delay(ms)
        };
        peer.publish_with(1, "x", "", "", &properties, vec![b'x'; 2000]);
    }
    peer.acked(1, u64::from(count));
    peer.wait_ready(1, "q", count);
    let mut last = count;
    let mut before = 0;
    while let Some(got) = peer.take(1, "q") {
        let number: u32 = got.properties().message_id.unwrap().parse().unwrap();
        assert_eq!(got.body.len(), 2000);
        // Two in the same millisecond come as they were published.
        before += u32::from(number < last);
        last = number;
    }
    assert!(before > count * 9 / 10, "{before} in order");
    gone(&mut peer, "x");
}
