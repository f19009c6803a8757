use super::*;
use crate::wire::properties::PropertiesBuilder;
use proptest::prelude::*;

const NOW_MS: u64 = 1_795_227_208_999;

fn death(reason: Reason, queue: &str) -> Death<'_> {
    Death {
        reason,
        queue,
        now_ms: NOW_MS,
    }
}

const CLIENT: Past = Past {
    buried: false,
    keys_replaced: false,
};
const BURIED: Past = Past {
    buried: true,
    keys_replaced: false,
};

fn bytes(hex: &str) -> Vec<u8> {
    (0..hex.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap())
        .collect()
}

fn headers(build: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut raw = Vec::new();
    build(&mut raw);
    PropertiesBuilder {
        headers: Some(&raw),
        ..PropertiesBuilder::default()
    }
    .build()
}

/// One entry of `x-death`, read back.
#[derive(Clone, Debug, PartialEq)]
struct Entry {
    ttl: Option<String>,
    count: i64,
    reason: String,
    queue: String,
    time: u64,
    exchange: String,
    keys: Vec<String>,
}

fn string(value: Option<Value<'_>>) -> String {
    String::from_utf8(
        value
            .and_then(|value| value.long_string())
            .expect("a text")
            .to_vec(),
    )
    .unwrap()
}

fn entries(properties: &[u8]) -> Vec<Entry> {
    let Some(Value::Array(deaths)) = Properties::new(properties).header(b"x-death") else {
        panic!("no x-death");
    };
    deaths
        .iter()
        .map(|entry| {
            let Value::Table(entry) = entry else {
                panic!("not a table")
            };
            let names: Vec<&[u8]> = entry.iter().map(|(name, _)| name).collect();
            let ttl = entry
                .find(b"original-expiration")
                .map(|ttl| string(Some(ttl)));
            let expected: [&[u8]; 6] = [
                b"count",
                b"reason",
                b"queue",
                b"time",
                b"exchange",
                b"routing-keys",
            ];
            assert_eq!(names[usize::from(ttl.is_some())..], expected);
            let Some(Value::I64(count)) = entry.find(b"count") else {
                panic!("count")
            };
            let Some(Value::Timestamp(time)) = entry.find(b"time") else {
                panic!("time")
            };
            let Some(Value::Array(keys)) = entry.find(b"routing-keys") else {
                panic!("keys")
            };
            Entry {
                ttl,
                count,
                reason: string(entry.find(b"reason")),
                queue: string(entry.find(b"queue")),
                time,
                exchange: string(entry.find(b"exchange")),
                keys: keys.iter().map(|key| string(Some(key))).collect(),
            }
        })
        .collect()
}

/// The whole block as RabbitMQ 4.0.5 sent it for a rejected message without properties.
#[test]
fn a_first_death_is_byte_for_byte_rabbitmqs() {
    let mut expected = bytes(
        "20000000012607782d6465617468410000006a460000006505636f756e746c0000000000000001\
06726561736f6e530000000872656a6563746564057175657565530000000264310474696d6554000000006b00fe48\
0865786368616e676553000000000c726f7574696e672d6b65797341000000075300000002643116782d6669727374\
2d64656174682d65786368616e6765530000000013782d66697273742d64656174682d7175657565530000000264\
3114782d66697273742d64656174682d726561736f6e530000000872656a656374656415782d6c6173742d6465617468\
2d65786368616e6765530000000012782d6c6173742d64656174682d71756575655300000002643113782d6c6173742d\
64656174682d726561736f6e530000000872656a6563746564",
    );
    let time = expected
        .windows(4)
        .position(|four| four == [0x6b, 0x00, 0xfe, 0x48])
        .unwrap();
    expected[time..time + 4].copy_from_slice(&u32::try_from(NOW_MS / 1000).unwrap().to_be_bytes());
    let letter = bury(&[0, 0], b"", b"d1", CLIENT, &death(Reason::Rejected, "d1"));
    assert_eq!(letter, expected);
}

/// RabbitMQ 4.0.5: expired in d2 after a rejection in d1, published with header h and expiration 60000.
#[test]
fn a_second_death_is_byte_for_byte_rabbitmqs() {
    let mut expected = bytes(
        "2000000001b30168490000000107782d646561746841000000f1460000006405636f756e746c0000000000000001\
06726561736f6e530000000765787069726564057175657565530000000264320474696d6554000000006b00fe4b0865\
786368616e676553000000000c726f7574696e672d6b6579734100000007530000000264324600000083136f72696769\
6e616c2d65787069726174696f6e5300000005363030303005636f756e746c000000000000000106726561736f6e5300\
00000872656a6563746564057175657565530000000264310474696d6554000000006b00fe4b0865786368616e676553\
000000000c726f7574696e672d6b65797341000000075300000002643116782d66697273742d64656174682d65786368\
616e6765530000000013782d66697273742d64656174682d71756575655300000002643114782d66697273742d646561\
74682d726561736f6e530000000872656a656374656415782d6c6173742d64656174682d65786368616e676553000000\
0012782d6c6173742d64656174682d71756575655300000002643213782d6c6173742d64656174682d726561736f6e53\
0000000765787069726564",
    );
    let time = u32::try_from(NOW_MS / 1000).unwrap().to_be_bytes();
    for at in 0..expected.len() - 4 {
        if expected[at..at + 4] == [0x6b, 0x00, 0xfe, 0x4b] {
            expected[at..at + 4].copy_from_slice(&time);
        }
    }
    let mut raw = Vec::new();
    write_name(&mut raw, b"h");
    crate::wire::table::write_i32(&mut raw, 1);
    let published = PropertiesBuilder {
        headers: Some(&raw),
        expiration: Some(b"60000"),
        ..Default::default()
    }
    .build();
    let in_d2 = bury(
        &published,
        b"",
        b"d1",
        CLIENT,
        &death(Reason::Rejected, "d1"),
    );
    let back_in_d1 = bury(
        &in_d2,
        b"",
        b"d2",
        CLIENT.after_death(true),
        &death(Reason::Expired, "d2"),
    );
    assert_eq!(back_in_d1, expected);
}

#[test]
fn the_same_death_again_counts_and_moves_to_the_front() {
    let one = bury(&[0, 0], b"x", b"k", CLIENT, &death(Reason::Rejected, "a"));
    let two = bury(&one, b"dlx", b"k2", BURIED, &death(Reason::Expired, "b"));
    let again = Death {
        now_ms: NOW_MS + 60_000,
        ..death(Reason::Rejected, "a")
    };
    let three = bury(&two, b"other", b"k3", BURIED, &again);
    let deaths = entries(&three);
    assert_eq!(deaths.len(), 2);
    let entry = &deaths[0];
    assert_eq!(
        (entry.queue.as_str(), entry.count, entry.time),
        ("a", 2, NOW_MS / 1000)
    );
    assert_eq!(
        (entry.exchange.as_str(), entry.keys.as_slice()),
        ("x", &["k".to_owned()][..])
    );
    assert_eq!(deaths[1].queue, "b");
    let block = Properties::new(&three);
    assert_eq!(string(block.header(b"x-first-death-exchange")), "x");
    assert_eq!(string(block.header(b"x-last-death-exchange")), "other");
    assert_eq!(string(block.header(b"x-last-death-queue")), "a");
}

#[test]
fn a_clients_own_death_headers_are_replaced_and_others_of_such_names_stay() {
    let published = headers(|raw| {
        write_name(raw, b"x-first-death-queue");
        write_long_string(raw, b"mine");
        write_name(raw, b"zz");
        write_i64(raw, 1);
        write_name(raw, b"x-death");
        write_long_string(raw, b"mine");
        write_name(raw, b"x-last-death-foo");
        write_long_string(raw, b"mine");
        write_name(raw, b"aa");
        write_i64(raw, 2);
    });
    let letter = bury(&published, b"", b"q", CLIENT, &death(Reason::MaxLen, "q"));
    let block = Properties::new(&letter);
    assert_eq!(string(block.header(b"x-first-death-queue")), "q");
    assert_eq!(entries(&letter).len(), 1);
    let names: Vec<&[u8]> = Table(block.headers().unwrap())
        .iter()
        .map(|(name, _)| name)
        .collect();
    assert_eq!(names[..3], [&b"zz"[..], b"x-last-death-foo", b"aa"]);
    assert_eq!(names[3..], OURS);

    // A client that publishes a dead letter's headers again starts a new history.
    let dead = bury(&[0, 0], b"", b"q", CLIENT, &death(Reason::Rejected, "q"));
    let again = bury(&dead, b"", b"q", CLIENT, &death(Reason::Rejected, "q"));
    assert_eq!(entries(&again)[0].count, 1);
}

#[test]
fn the_expiration_leaves_and_is_remembered_in_plain_decimal() {
    for (text, remembered) in [("50000", "50000"), ("0010", "10"), ("+5", "5"), ("0", "0")] {
        let published = PropertiesBuilder {
            content_type: Some(b"t"),
            expiration: Some(text.as_bytes()),
            priority: Some(3),
            ..Default::default()
        }
        .build();
        let letter = bury(&published, b"", b"q", CLIENT, &death(Reason::Expired, "q"));
        let block = Properties::new(&letter);
        assert_eq!(
            (block.expiration(), block.priority(), block.content_type()),
            (None, Some(3), Some(&b"t"[..]))
        );
        assert_eq!(entries(&letter)[0].ttl.as_deref(), Some(remembered));
    }
}

#[test]
fn all_keys_are_the_main_one_and_the_texts_in_cc_until_a_dead_letter_key_replaces_them() {
    let published = headers(|raw| {
        write_name(raw, b"CC");
        let cc = open_array(raw);
        write_long_string(raw, b"cc1");
        write_i64(raw, 5);
        write_long_string(raw, b"q");
        close(raw, cc);
    });
    let all: Vec<&[u8]> = keys(b"q", &published, CLIENT).collect();
    assert_eq!(all, [&b"q"[..], b"cc1", b"q"]);
    let replaced = CLIENT.after_death(true);
    assert_eq!(
        keys(b"dead", &published, replaced).collect::<Vec<_>>(),
        [b"dead"]
    );
    assert_eq!(replaced.after_death(false), replaced);

    let letter = bury(&published, b"", b"q", CLIENT, &death(Reason::Rejected, "q"));
    assert_eq!(entries(&letter)[0].keys, ["q", "cc1", "q"]);
    assert!(Properties::new(&letter).header(b"CC").is_some());
    let second = bury(
        &letter,
        b"",
        b"dead",
        replaced,
        &death(Reason::Rejected, "d"),
    );
    assert_eq!(entries(&second)[0].keys, ["dead"]);
}

#[test]
fn a_cycle_without_a_rejection_is_cut() {
    let one = bury(&[0, 0], b"", b"a", CLIENT, &death(Reason::Expired, "a"));
    assert!(is_cycle(&one, "a"), "straight back");
    assert!(!is_cycle(&one, "b"));
    let two = bury(&one, b"", b"b", BURIED, &death(Reason::Rejected, "b"));
    assert!(
        !is_cycle(&two, "a") && !is_cycle(&two, "b"),
        "somebody rejected it on the way"
    );
    let three = bury(&two, b"", b"c", BURIED, &death(Reason::MaxLen, "c"));
    assert!(is_cycle(&three, "c"));
    assert!(!is_cycle(&three, "a"));
}

#[test]
fn a_history_has_an_end() {
    let (mut letter, mut past) = (vec![0, 0], CLIENT);
    for number in 0..DEATHS_MAX + 5 {
        letter = bury(
            &letter,
            b"",
            b"k",
            past,
            &death(Reason::Expired, &format!("q{number}")),
        );
        past = past.after_death(false);
    }
    let deaths = entries(&letter);
    assert_eq!(deaths.len(), DEATHS_MAX);
    assert_eq!(deaths[0].queue, format!("q{}", DEATHS_MAX + 4));
    assert_eq!(
        string(Properties::new(&letter).header(b"x-first-death-queue")),
        "q0"
    );
}

#[test]
fn bytes_that_are_no_properties_do_no_harm() {
    for length in 0..40 {
        let noise: Vec<u8> = (0..length)
            .map(|at| 0xff_u8.wrapping_sub(at).wrapping_mul(7))
            .collect();
        let letter = bury(&noise, b"x", b"k", BURIED, &death(Reason::Expired, "q"));
        assert!(Properties::new(&letter).check().is_ok());
        assert!(is_cycle(&letter, "q"));
        let _ = (is_cycle(&noise, "q"), keys(b"k", &noise, CLIENT).count());
    }
}

fn reasons() -> impl Strategy<Value = Reason> {
    prop_oneof![
        Just(Reason::Rejected),
        Just(Reason::Expired),
        Just(Reason::MaxLen),
        Just(Reason::DeliveryLimit)
    ]
}

proptest! {
    /// Against a list that is kept as RabbitMQ's documentation describes it.
    #[test]
    fn any_course_of_deaths_leaves_the_history_of_a_simple_model(
        steps in prop::collection::vec((reasons(), 0..4_u8, "[a-z]{0,3}", "[a-z]{0,3}", 0..100_000_u64), 1..12),
        others in prop::collection::vec(("[a-zA-Z-]{0,20}", any::<i64>()), 0..5),
        ttl in prop::option::of(0..1_000_000_u64),
    ) {
        let mut raw = Vec::new();
        for (name, value) in &others {
            write_name(&mut raw, name.as_bytes());
            write_i64(&mut raw, *value);
        }
        let text = ttl.map(|ttl| ttl.to_string());
        let mut letter = PropertiesBuilder {
            headers: (!others.is_empty()).then_some(&raw),
            expiration: text.as_deref().map(str::as_bytes),
            app_id: Some(b"app"),
            ..Default::default()
        }.build();
        let (mut past, mut model, mut ttl) = (CLIENT, Vec::<Entry>::new(), text.clone());
        for (reason, queue, exchange, key, now_ms) in &steps {
            let queue = format!("q{queue}");
            let death = Death { reason: *reason, queue: &queue, now_ms: *now_ms };
            letter = bury(&letter, exchange.as_bytes(), key.as_bytes(), past, &death);
            past = past.after_death(false);
            let at = model.iter().position(|entry| entry.queue == queue && entry.reason == reason.name());
            let mut entry = match at {
                Some(at) => model.remove(at),
                None => Entry {
                    ttl: ttl.clone(),
                    count: 0,
                    reason: reason.name().to_owned(),
                    queue: queue.clone(),
                    time: now_ms / 1000,
                    exchange: exchange.clone(),
                    keys: vec![key.clone()],
                },
            };
            ttl = None;
            entry.count += 1;
            model.insert(0, entry);

            prop_assert!(Properties::new(&letter).check().is_ok());
            prop_assert_eq!(&entries(&letter), &model);
            for target in ["q0", "q1", "q2", "q3", "elsewhere"] {
                let walked = model.iter().position(|entry| entry.queue == target);
                let cycle = walked.is_some_and(|end| {
                    model[..=end].iter().all(|entry| entry.reason != "rejected")
                });
                prop_assert_eq!(is_cycle(&letter, target), cycle);
            }
        }
        let block = Properties::new(&letter);
        prop_assert_eq!(string(block.header(b"x-first-death-queue")), format!("q{}", steps[0].1));
        prop_assert_eq!(string(block.header(b"x-last-death-reason")), steps[steps.len() - 1].0.name());
        prop_assert_eq!(block.app_id(), Some(&b"app"[..]));
        prop_assert!(block.headers().unwrap().starts_with(&raw), "other headers keep order and bytes");
    }
}
