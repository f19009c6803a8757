//! A data directory that a past version has left behind, killed, is read with all that is in it. One for each version of the format,
//! under `fixtures/`. A format that changes gets a directory of its own, made with
//!
//! ```text
//! cargo test --release --test durability make_the_fixture -- --ignored
//! ```
//!
//! and the older ones stay as they are: what they hold is checked by the same words. A clean stop between two lives puts half of it
//! into a checkpoint, with ledgers that have holes; the other half lies in the journal behind.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::restart::messages::{body, everything};
use crate::restart::{bodies, confirmed, durable, keep, numbers, queue_is_gone};
use crate::support::*;

/// The format that `src/store/schema.rs` writes.
const FORMAT: u32 = 1;

/// Bytes of a journal file, which are stored without the zeros behind the last block.
const JOURNAL_BYTES: u64 = 4096 + (32 << 20);

/// How long the message in `f.ttl` lives.
const TTL_MS: u64 = 20_000;

fn stored(format: u32) -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    root.join(format!("tests/durability/fixtures/v{format}"))
}

/// A directory as the fixture's broker has left it, nobody on it.
fn home(format: u32) -> Home {
    let home = Home::vacant(&[]);
    fs::create_dir_all(&home.data).expect("made");
    for entry in fs::read_dir(stored(format)).expect("a fixture") {
        let path = entry.expect("an entry").path();
        let to = home.data.join(path.file_name().expect("a name"));
        fs::copy(&path, &to).expect("copied");
        if to.extension().is_some_and(|extension| extension == "log") {
            let file = fs::OpenOptions::new().write(true).open(&to);
            file.expect("opened").set_len(JOURNAL_BYTES).expect("grown");
        }
    }
    home
}

fn of_priority(priority: u8) -> Properties {
    Properties {
        priority: Some(priority),
        ..Properties::persistent()
    }
}

fn with_headers() -> Properties {
    Properties {
        // Ages later it still counts.
        expiration: None,
        ..everything()
    }
}

fn dead_letters_to(queue: &str) -> Table {
    table! { "x-dead-letter-exchange" => "", "x-dead-letter-routing-key" => queue }
}

fn arguments() -> Table {
    table! {
        "x-dead-letter-exchange" => "f.fanout",
        "x-max-length" => 1000i32,
        "x-max-length-bytes" => 1_000_000i64,
        "x-message-ttl" => 1_000_000_000i32,
        "x-overflow" => "drop-head",
        "x-unknown" => Value::Array(vec![Value::I8(-1), Value::Void]),
    }
}

const QUEUES: [&str; 10] = [
    "f.copy.1",
    "f.copy.2",
    "f.dead",
    "f.expired",
    "f.large",
    "f.moving",
    "f.priority",
    "f.routed",
    "f.settled",
    "f.unacked",
];

/// A binding with arguments.
fn bind_with(peer: &mut Peer, name: &str, exchange: &str, key: &str, arguments: Table) {
    let bind = queue::bind(name, exchange, key, arguments);
    peer.ask(1, &bind, &queue::bind_ok());
}

fn declare_exchange(peer: &mut Peer, name: &str, kind: &str) {
    let arguments = match kind {
        "direct" => table! { "alternate-exchange" => "f.fanout" },
        _ => table! {},
    };
    let declare = exchange::declare(name, kind, "durable", arguments);
    peer.ask(1, &declare, &exchange::declare_ok());
}

const EXCHANGES: [(&str, &str); 4] = [
    ("f.direct", "direct"),
    ("f.fanout", "fanout"),
    ("f.headers", "headers"),
    ("f.topic", "topic"),
];

/// Rejects the first message of a queue.
fn reject(peer: &mut Peer, name: &str) {
    let got = peer.get(1, name).expect("a message");
    peer.send(1, &basic::reject(got.tag, ""));
}

/// What lies in the checkpoint.
fn first_life(home: &Home) {
    let mut peer = home.channel();
    for (name, kind) in EXCHANGES {
        declare_exchange(&mut peer, name, kind);
    }
    for name in QUEUES {
        durable(&mut peer, name, table! {});
    }
    durable(&mut peer, "f.gone", table! {});
    durable(&mut peer, "f.arguments", arguments());
    durable(&mut peer, "f.source", dead_letters_to("f.dead"));
    durable(&mut peer, "f.ttl", dead_letters_to("f.expired"));
    let declare = queue::declare("f.passing", "", table! {});
    peer.ask(1, &declare, &queue::declare_ok("f.passing", 0, 0));
    peer.bind(1, "f.copy.1", "f.fanout", "");
    peer.bind(1, "f.copy.2", "f.fanout", "");
    peer.bind(1, "f.routed", "f.direct", "by.key");
    peer.bind(1, "f.routed", "f.direct", "removed");
    peer.bind(1, "f.routed", "f.topic", "by.*.#");
    let all = table! { "x-match" => "all", "number" => 7i32, "text" => "seven" };
    bind_with(&mut peer, "f.routed", "f.headers", "", all);
    let between = exchange::bind("f.direct", "f.topic", "to.direct", table! {});
    peer.ask(1, &between, &exchange::bind_ok());

    keep(&mut peer, "f.settled", numbers(0..100));
    let got: Vec<Delivery> = (0..50)
        .map(|_| peer.get(1, "f.settled").expect("a message"))
        .collect();
    for delivery in got.iter().filter(|one| one.tag % 3 == 0) {
        peer.send(1, &basic::ack(delivery.tag, ""));
    }
    keep(&mut peer, "f.source", ["first", "second"]);
    reject(&mut peer, "f.source");
    peer.wait_ready(1, "f.dead", 1);
    confirmed(
        &mut peer,
        ("f.fanout", "of both"),
        [(with_headers(), "one"), (Properties::persistent(), "two")],
    );
    confirmed(
        &mut peer,
        ("", "f.large"),
        [
            (with_headers(), body(20_000)),
            (Properties::persistent(), Vec::new()),
        ],
    );
    confirmed(
        &mut peer,
        ("", "f.priority"),
        [1, 5, 3].map(|at| (of_priority(at), at.to_string())),
    );
    keep(&mut peer, "f.unacked", numbers(0..10));
    peer.publish(1, "", "f.unacked", "transient");
    peer.publish(1, "", "f.passing", "transient");
    peer.has(1, "f.unacked", 11, 0);
}

/// What lies in the journal behind it.
fn second_life(home: &Home) {
    let mut peer = home.channel();
    durable(&mut peer, "f.late", table! {});
    let delete = queue::delete("f.gone", "");
    peer.ask(1, &delete, &queue::delete_ok(0));
    let unbind = queue::unbind("f.routed", "f.direct", "removed", table! {});
    peer.ask(1, &unbind, &queue::unbind_ok());
    peer.bind(1, "f.late", "f.topic", "late");
    keep(&mut peer, "f.late", ["late"]);
    keep(&mut peer, "f.unacked", numbers(10..15));
    // 0 and 1 are never answered, 2 and 3 are settled, 4 goes back.
    let tags: Vec<u64> = (0..5)
        .map(|_| peer.get(1, "f.unacked").expect("a message").tag)
        .collect();
    peer.send(1, &basic::ack(tags[2], ""));
    peer.send(1, &basic::ack(tags[3], ""));
    peer.send(1, &basic::nack(tags[4], "requeue"));
    peer.take(1, "f.copy.1").expect("a message");
    confirmed(&mut peer, ("", "f.priority"), [(of_priority(4), "4")]);
    reject(&mut peer, "f.source");
    peer.wait_ready(1, "f.dead", 2);
    let short = Properties {
        expiration: Some(TTL_MS.to_string()),
        timestamp: Some(now_ms() / 1000),
        ..Properties::persistent()
    };
    confirmed(&mut peer, ("", "f.ttl"), [(short, "short")]);
    home.settle(End::Kill);
}

/// Makes the fixture of the format that is written now. Nothing in the repository needs it a second time: a fixture is made before
/// its format is released and never changes afterwards.
#[test]
#[ignore = "writes into the repository"]
fn make_the_fixture() {
    let to = stored(FORMAT);
    assert!(!to.exists(), "{} is there: remove it first", to.display());
    let mut home = Home::with(&[
        "default_users.fixture.password=s3cret",
        "default_users.fixture.tags=monitoring",
        r"default_users.fixture.configure=^f\.",
        "default_users.fixture.write=.*",
        "default_users.fixture.read=.*",
    ]);
    first_life(&home);
    home.restart(End::Stop);
    second_life(&home);
    home.end(End::Kill);
    fs::create_dir_all(&to).expect("made");
    for path in home.files("") {
        let mut bytes = fs::read(&path).expect("read");
        if path.extension().is_some_and(|extension| extension == "log") {
            // A block may end with zeros that count, though not with many.
            let end = bytes.iter().rposition(|byte| *byte != 0).unwrap_or(0);
            bytes.truncate((end + 64).next_multiple_of(4096));
        }
        let name = path.file_name().expect("a name");
        fs::write(to.join(name), bytes).expect("written");
    }
}

#[test]
fn what_version_1_has_left_is_there() {
    decided!("it is about files of our own");
    let mut home = home(1);
    home.start();
    check_definitions(&home);
    check_messages(&home);
    check_routes(&home);
    // What this version makes of it is read as well.
    home.restart(End::Stop);
    check_definitions(&home);
}

fn check_definitions(home: &Home) {
    let mut peer = home.channel();
    let same = |peer: &mut Peer, name: &str, arguments: Table| {
        let ok = peer.call(1, &queue::declare(name, "durable", arguments));
        assert!(ok.is(50, 11), "{name}: {ok:?}");
    };
    for name in QUEUES.into_iter().chain(["f.late"]) {
        same(&mut peer, name, table! {});
    }
    same(&mut peer, "f.source", dead_letters_to("f.dead"));
    same(&mut peer, "f.ttl", dead_letters_to("f.expired"));
    // The same arguments are the same queue, and any other is not.
    same(&mut peer, "f.arguments", arguments());
    for at in 0..arguments().0.len() {
        let mut others = arguments();
        let (key, value) = others.0.remove(at);
        let lacking = queue::declare("f.arguments", "durable", others);
        // As in RabbitMQ what it does not know counts for nothing.
        if key == "x-unknown" {
            continue;
        }
        peer.send(1, &lacking);
        let closed = peer.next(1);
        assert!(
            closed.is(20, 40)
                && closed
                    .text(1)
                    .contains(&format!("inequivalent arg '{key}'")),
            "{key} {value:?}: {closed:?}"
        );
        peer.send(1, &channel::close_ok());
        peer.open(1);
    }
    for (name, kind) in EXCHANGES {
        declare_exchange(&mut peer, name, kind);
    }
    queue_is_gone(&mut peer, "f.gone");
    queue_is_gone(&mut peer, "f.passing");
    let login = Login {
        user: "fixture".into(),
        password: "s3cret".into(),
        ..home.login()
    };
    let mut fixture = home.peer_with(&login);
    fixture.open(1);
    durable(&mut fixture, "f.mine", table! {});
    fixture.ask(1, &queue::delete("f.mine", ""), &queue::delete_ok(0));
    let text = "ACCESS_REFUSED - configure access to queue 'other' in vhost '/' refused for user 'fixture'";
    fixture.refused(1, &queue::declare("other", "", table! {}), 403, text);
    let mut wrong = home.connect();
    wrong.start();
    let plain = Login {
        password: "another".into(),
        ..login
    };
    let start_ok = connection::start_ok(plain.properties(), "PLAIN", &plain.plain());
    wrong.send(0, &start_ok);
    assert_eq!(wrong.connection_close().number(0), 403);
}

fn check_messages(home: &Home) {
    let mut peer = home.channel();
    for number in (0..100).filter(|number| *number >= 50 || (number + 1) % 3 != 0) {
        let got = peer.take(1, "f.settled").expect("it is not settled");
        assert_eq!(got.text(), number.to_string());
        assert_eq!(got.redelivered, number < 50, "{number}");
    }
    assert_eq!(peer.take(1, "f.settled"), None);
    for number in [0, 1, 4].into_iter().chain(5..15) {
        let got = peer.take(1, "f.unacked").expect("it is not settled");
        assert_eq!(got.text(), number.to_string());
        assert!(got.redelivered || number > 4, "{number}");
    }
    assert_eq!(peer.take(1, "f.unacked"), None);
    let got = peer.take(1, "f.copy.2").expect("the first");
    assert_eq!(
        (got.text(), &got.properties),
        ("one", &with_headers().encode())
    );
    assert_eq!(
        (got.exchange.as_str(), got.routing_key.as_str()),
        ("f.fanout", "of both")
    );
    assert_eq!(bodies(&mut peer, "f.copy.2"), ["two"]);
    assert_eq!(bodies(&mut peer, "f.copy.1"), ["two"]);
    let got = peer.take(1, "f.large").expect("the first");
    assert!(got.body == body(20_000) && got.properties == with_headers().encode());
    assert_eq!(bodies(&mut peer, "f.large"), [""]);
    for priority in [1, 5, 3, 4] {
        let got = peer.take(1, "f.priority").expect("a message");
        assert_eq!(got.properties, of_priority(priority).encode());
        assert_eq!(got.text(), priority.to_string());
    }
    assert_eq!(bodies(&mut peer, "f.late"), ["late"]);
    for text in ["first", "second"] {
        let got = peer.take(1, "f.dead").expect("a dead letter");
        assert_eq!(got.text(), text);
        let deaths = got.deaths();
        assert_eq!(
            (deaths[0].str("queue"), deaths[0].str("reason")),
            ("f.source", "rejected")
        );
        assert_eq!((deaths[0].long("count"), deaths.len()), (1, 1));
        assert_eq!(got.headers().str("x-first-death-queue"), "f.source");
    }
    for name in ["f.source", "f.dead", "f.arguments", "f.moving", "f.routed"] {
        assert_eq!(peer.take(1, name), None, "{name}");
    }
    // It has died long since, unless the clock is behind the one of whoever made the fixture.
    let mut died = None;
    eventually("the message of f.ttl is where the time says", || {
        died = peer.take(1, "f.expired");
        died.is_some()
            || peer.get(1, "f.ttl").is_some_and(|got| {
                let published_s = got.properties().timestamp.expect("it has one");
                now_ms() < (published_s + 1) * 1000 + TTL_MS
            })
    });
    if let Some(died) = died {
        assert_eq!(
            (died.text(), died.deaths()[0].str("reason")),
            ("short", "expired")
        );
        assert_eq!(
            died.deaths()[0].str("original-expiration"),
            TTL_MS.to_string()
        );
    }
}

fn check_routes(home: &Home) {
    let mut peer = home.channel();
    let headers = Properties {
        headers: Some(table! { "text" => "seven", "number" => 7i32 }),
        ..Properties::persistent()
    };
    let plain = Properties::persistent();
    for (exchange, key, properties, to) in [
        ("f.direct", "by.key", &plain, "f.routed"),
        ("f.topic", "by.any.way", &plain, "f.routed"),
        ("f.topic", "late", &plain, "f.late"),
        ("f.headers", "", &headers, "f.routed"),
        // No binding is left; the alternate exchange has it, by whichever way it came.
        ("f.direct", "removed", &plain, "f.copy.1"),
        ("f.topic", "to.direct", &plain, "f.copy.2"),
    ] {
        confirmed(&mut peer, (exchange, key), [(properties.clone(), key)]);
        assert_eq!(bodies(&mut peer, to), [key], "{exchange} to {to}");
        for name in QUEUES {
            peer.call(1, &queue::purge(name, ""));
        }
    }
}

fn inspect(data: &Path) -> (Option<i32>, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_leveret"));
    let output = command.args(["store", "inspect"]).arg(data).output();
    let output = output.expect("started");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    (output.status.code(), text)
}

/// Every file with all of its bytes, as far as they are not zeros at its end.
fn contents(home: &Home) -> Vec<(PathBuf, u64, Vec<u8>)> {
    let read = |path: PathBuf| {
        let mut bytes = fs::read(&path).expect("read");
        let length = bytes.len() as u64;
        let end = bytes.iter().rposition(|byte| *byte != 0);
        bytes.truncate(end.map_or(0, |end| end + 1));
        (path, length, bytes)
    };
    home.files("").into_iter().map(read).collect()
}

#[test]
fn inspect_shows_the_whole_of_it_and_changes_no_byte() {
    decided!("it is about files of our own");
    let home = home(1);
    let before = contents(&home);
    let (code, text) = inspect(&home.data);
    assert_eq!(code, Some(0), "{text}");
    assert!(contents(&home) == before, "something has changed");
    println!("{text}");
    for part in [
        "last end     not clean",
        "checkpoints  1",
        "replay from ",
        "journal-000000000001.log  33558528 bytes  positions 8 to ",
        "live: ",
        "'f.settled' in vhost '/'",
        "'f.direct' to queue 'f.routed' by 'by.key' in vhost '/'",
        "'f.topic' to exchange 'f.direct' by 'to.direct' in vhost '/'",
        "user 'fixture' in vhost '/'",
    ] {
        assert!(text.contains(part), "{part} in\n{text}");
    }
    let line = |name: &str| {
        let quoted = format!("'{name}' in vhost '/'  id ");
        let line = text.lines().find(|line| line.contains(&quoted));
        line.unwrap_or_else(|| panic!("{name} in\n{text}"))
            .to_owned()
    };
    for (name, messages, bytes) in [
        ("f.unacked", 13, 18),
        ("f.large", 2, 20_000),
        ("f.copy.1", 1, 3),
        ("f.moving", 0, 0),
    ] {
        let want = format!("  {messages} messages  {bytes} bytes  ");
        assert!(line(name).contains(&want), "{}", line(name));
    }
    assert!(
        !text.contains("f.gone") && !text.contains("f.passing"),
        "{text}"
    );
}

#[test]
fn inspect_beside_a_broker_at_work_costs_it_nothing() {
    decided!("it is about files of our own");
    let mut home = home(1);
    home.start();
    let data = home.data.clone();
    let mut peer = home.channel();
    for round in 0..20 {
        keep(&mut peer, "f.moving", numbers(round * 50..(round + 1) * 50));
        let (code, text) = inspect(&data);
        assert_eq!(code, Some(0), "{text}");
        let want = format!("  {} messages  ", (round + 1) * 50);
        let line = text.lines().find(|line| line.contains("'f.moving'"));
        assert!(line.is_some_and(|line| line.contains(&want)), "{text}");
    }
    home.restart(End::Kill);
    assert_eq!(bodies(&mut home.channel(), "f.moving"), numbers(0..1000));
}
