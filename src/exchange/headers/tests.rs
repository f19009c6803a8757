//! Headers matching: the facts of the reference one by one, then against a naive matcher.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::super::tests::{arguments, envelope};
use super::*;
use crate::wire::properties::PropertiesBuilder;
use crate::wire::{DecimalValue, FieldArray};

/// A property block whose headers are these fields, in this order.
fn properties(fields: &[(&str, AMQPValue)]) -> Vec<u8> {
    let mut raw = Vec::new();
    for (name, value) in fields {
        table::write_name(&mut raw, name.as_bytes());
        table::write_value(&mut raw, value);
    }
    let headers = Some(&raw[..]);
    PropertiesBuilder {
        headers,
        ..PropertiesBuilder::default()
    }
    .build()
}

fn table_of(fields: &[(&str, AMQPValue)]) -> FieldTable {
    let mut table = FieldTable::default();
    for (name, value) in fields {
        table.insert((*name).into(), value.clone());
    }
    table
}

fn routed<T: Clone + Eq + Hash + Ord + Send + Sync>(
    headers: &Headers<T>,
    block: &[u8],
) -> BTreeSet<T> {
    let mut targets = Vec::new();
    headers.route(&envelope(b"", block), &mut targets);
    targets.into_iter().collect()
}

fn matches(binding: &[(&str, AMQPValue)], message: &[(&str, AMQPValue)]) -> bool {
    let mut headers = Headers::default();
    headers.bind(b"", &table_of(binding), 1);
    !routed(&headers, &properties(message)).is_empty()
}

fn text(text: &str) -> AMQPValue {
    AMQPValue::LongString(text.into())
}

const ONE: AMQPValue = AMQPValue::LongInt(1);

#[test]
fn all_is_what_a_missing_x_match_means() {
    let binding = [("a", text("1")), ("b", text("2"))];
    assert!(matches(
        &binding,
        &[("b", text("2")), ("a", text("1")), ("c", ONE)]
    ));
    assert!(!matches(&binding, &[("a", text("1"))]));
    assert!(!matches(&binding, &[("a", text("1")), ("b", text("3"))]));
}

#[test]
fn any_needs_one_and_all_takes_everything_when_nothing_is_asked() {
    let any = ("x-match", text("any"));
    let binding = [any.clone(), ("a", text("1")), ("b", text("2"))];
    assert!(matches(&binding, &[("b", text("2"))]));
    assert!(!matches(&binding, &[("b", text("1"))]));
    assert!(!matches(&[any], &[("b", text("1"))]));
    assert!(matches(&[], &[("b", text("1"))]));
    assert!(matches(&[("x-match", text("all"))], &[]));
}

#[test]
fn a_message_without_headers_meets_only_what_asks_for_nothing() {
    let mut headers = Headers::default();
    headers.bind(b"", &FieldTable::default(), 1);
    headers.bind(b"", &arguments(&[("x-match", "any")]), 2);
    headers.bind(b"", &arguments(&[("a", "1")]), 3);
    assert_eq!(routed(&headers, &[0, 0]), BTreeSet::from([1]));
}

#[test]
fn arguments_with_x_count_only_where_the_word_says_so() {
    let word = |word: &str| {
        [
            ("x-match", text(word)),
            ("x-k", text("1")),
            ("a", text("1")),
        ]
    };
    let plain = [("a", text("1"))];
    assert!(matches(&word("all"), &plain) && matches(&word("any"), &plain));
    assert!(!matches(&word("all-with-x"), &plain) && matches(&word("any-with-x"), &plain));
    let with_x = [("x-k", text("1"))];
    assert!(!matches(&word("any"), &with_x) && matches(&word("any-with-x"), &with_x));
    assert!(matches(&word("all-with-x"), &word("all")));
}

#[test]
fn void_in_a_binding_asks_for_presence() {
    let binding = [("a", AMQPValue::Void)];
    for value in [
        text(""),
        ONE,
        AMQPValue::Void,
        AMQPValue::FieldTable(FieldTable::default()),
    ] {
        assert!(matches(&binding, &[("a", value)]));
    }
    assert!(!matches(&binding, &[("b", ONE)]));
    assert!(!matches(&[("a", ONE)], &[("a", AMQPValue::Void)]));
}

#[test]
fn integers_are_equal_in_any_width_and_equal_nothing_else() {
    let integers = [
        AMQPValue::ShortShortInt(1),
        AMQPValue::ShortShortUInt(1),
        AMQPValue::ShortInt(1),
        AMQPValue::ShortUInt(1),
        ONE,
        AMQPValue::LongUInt(1),
        AMQPValue::LongLongInt(1),
    ];
    let others = [
        text("1"),
        AMQPValue::Boolean(true),
        AMQPValue::Double(1.0),
        AMQPValue::Float(1.0),
        AMQPValue::DecimalValue(DecimalValue { scale: 0, value: 1 }),
        AMQPValue::LongInt(2),
    ];
    for a in &integers {
        for b in &integers {
            assert!(matches(&[("k", a.clone())], &[("k", b.clone())]));
        }
        for b in &others {
            assert!(!matches(&[("k", a.clone())], &[("k", b.clone())]));
            assert!(!matches(&[("k", b.clone())], &[("k", a.clone())]));
        }
    }
    for value in others {
        assert!(matches(&[("k", value.clone())], &[("k", value)]));
    }
}

#[test]
fn doubles_equal_floats_and_bytes_equal_strings() {
    let (double, float) = (AMQPValue::Double(1.5), AMQPValue::Float(1.5));
    assert!(matches(&[("k", double.clone())], &[("k", float.clone())]));
    assert!(matches(&[("k", float)], &[("k", double)]));
    assert!(matches(
        &[("k", AMQPValue::Double(-0.0))],
        &[("k", AMQPValue::Double(0.0))]
    ));
    let bytes = AMQPValue::ByteArray(b"a".as_slice().into());
    assert!(matches(&[("k", bytes)], &[("k", text("a"))]));
}

#[test]
fn a_timestamp_equals_itself_and_the_integer_of_its_seconds() {
    let timestamp = AMQPValue::Timestamp(1);
    assert!(matches(
        &[("k", timestamp.clone())],
        &[("k", timestamp.clone())]
    ));
    assert!(matches(&[("k", timestamp)], &[("k", ONE)]));
    let late = AMQPValue::Timestamp(u64::MAX);
    assert!(!matches(
        &[("k", late)],
        &[("k", AMQPValue::LongLongInt(-1))]
    ));
}

#[test]
fn arrays_and_tables_are_compared_deeply_with_types() {
    let array = |items: Vec<AMQPValue>| AMQPValue::FieldArray(FieldArray::from(items));
    let nested = |value| {
        array(vec![
            ONE,
            AMQPValue::FieldTable(table_of(&[("t", value), ("u", ONE)])),
        ])
    };
    let binding = [("k", nested(text("x")))];
    assert!(matches(&binding, &[("k", nested(text("x")))]));
    assert!(!matches(&binding, &[("k", nested(text("y")))]));
    assert!(!matches(&binding, &[("k", array(vec![ONE]))]));
    assert!(!matches(
        &[("k", array(vec![ONE]))],
        &[("k", nested(text("x")))]
    ));
    assert!(!matches(
        &[("k", array(vec![ONE]))],
        &[("k", array(vec![AMQPValue::LongLongInt(1)]))]
    ));
    assert!(matches(&[("k", array(vec![]))], &[("k", array(vec![]))]));
    assert!(!matches(
        &[("k", array(vec![]))],
        &[("k", AMQPValue::FieldTable(FieldTable::default()))]
    ));
}

#[test]
fn of_two_headers_with_one_name_the_last_counts() {
    let twice = [("k", text("1")), ("k", text("2"))];
    assert!(matches(&[("k", text("2"))], &twice));
    assert!(!matches(&[("k", text("1"))], &twice));
    let filler: Vec<String> = (0..40).map(|n| format!("f{n}")).collect();
    let mut many: Vec<(&str, AMQPValue)> = twice.to_vec();
    many.extend(filler.iter().map(|name| (name.as_str(), ONE)));
    assert!(matches(&[("k", text("2")), ("f7", ONE)], &many));
    assert!(!matches(&[("k", text("1"))], &many));
}

#[test]
fn a_bad_x_match_gets_rabbitmqs_words() {
    let check = Headers::<()>::check_binding;
    for word in ["all", "any", "all-with-x", "any-with-x"] {
        assert!(check(b"", &arguments(&[("x-match", word)])).is_ok());
    }
    assert_eq!(
        check(b"", &arguments(&[("x-match", "foo")]))
            .unwrap_err()
            .text,
        "PRECONDITION_FAILED - Invalid x-match field value <<\"foo\">>; expected all, any, all-with-x, or any-with-x"
    );
    assert_eq!(
        check(b"", &table_of(&[("x-match", ONE)])).unwrap_err().text,
        "PRECONDITION_FAILED - Invalid x-match field type signedint (value 1); expected longstr"
    );
}

#[test]
fn unbinding_removes_one_binding_and_leaves_nothing_of_it() {
    let nan = [("k", AMQPValue::Double(f64::NAN))];
    let every: Vec<(&[u8], FieldTable)> = vec![
        (b"a", arguments(&[("k", "1")])),
        (b"b", arguments(&[("k", "1")])),
        (b"a", FieldTable::default()),
        (
            b"a",
            arguments(&[("x-match", "any"), ("k", "1"), ("l", "2")]),
        ),
        (b"a", table_of(&nan)),
    ];
    let mut headers = Headers::default();
    for _ in 0..3 {
        for (key, arguments) in &every {
            headers.bind(key, arguments, 1);
            headers.bind(key, arguments, 2);
        }
        headers.unbind(b"c", &every[0].1, &1);
        for (key, arguments) in &every {
            headers.unbind(key, arguments, &1);
        }
        let block = properties(&[("k", text("1"))]);
        assert_eq!(routed(&headers, &block), BTreeSet::from([2]));
        for (key, arguments) in &every {
            headers.unbind(key, arguments, &2);
        }
        assert!(headers.by_field.is_empty() && headers.by_target.is_empty());
        assert!(headers.unconditional.is_empty());
        assert!(headers.bindings.iter().all(Option::is_none));
        assert_eq!(headers.free.len(), headers.bindings.len());
    }
    assert_eq!(headers.bindings.len(), 10, "places are used again");
}

fn value() -> impl Strategy<Value = AMQPValue> {
    prop_oneof![
        Just(AMQPValue::Void),
        any::<bool>().prop_map(AMQPValue::Boolean),
        (0i32..2).prop_map(AMQPValue::LongInt),
        (0i64..2).prop_map(AMQPValue::LongLongInt),
        (0u8..2).prop_map(|v| AMQPValue::Double(v.into())),
        "[ab]?".prop_map(|v| text(&v)),
    ]
}

fn fields() -> impl Strategy<Value = BTreeMap<String, AMQPValue>> {
    prop::collection::btree_map("x-[ab]|[abc]", value(), 0..5)
}

/// As the specification puts it, one argument after the other.
fn naive(
    word: &str,
    binding: &BTreeMap<String, AMQPValue>,
    message: &BTreeMap<String, AMQPValue>,
) -> bool {
    let mut results = binding
        .iter()
        .filter(|(name, _)| word.ends_with("-with-x") || !name.starts_with("x-"))
        .map(|(name, wanted)| match (wanted, message.get(name)) {
            (_, None) => false,
            (AMQPValue::Void, Some(_)) => true,
            (a, Some(b)) => {
                table::integer(a).is_some() && table::integer(a) == table::integer(b) || a == b
            }
        });
    if word.starts_with("any") {
        results.any(|met| met)
    } else {
        results.all(|met| met)
    }
}

proptest! {
    #[test]
    fn headers_match_as_the_naive_matcher_does(
        bindings in prop::collection::vec(
            (prop::sample::select(vec!["all", "any", "all-with-x", "any-with-x"]), fields(), 0u32..6),
            1..20,
        ),
        gone in prop::collection::vec(any::<prop::sample::Index>(), 0..10),
        messages in prop::collection::vec(fields(), 1..6),
        padding in prop::sample::select(vec![0usize, 20]),
    ) {
        let arguments = |word: &str, fields: &BTreeMap<String, AMQPValue>| {
            let mut table = FieldTable::default();
            table.insert("x-match".into(), text(word));
            for (name, value) in fields {
                table.insert(name.as_str().into(), value.clone());
            }
            table
        };
        let mut headers = Headers::default();
        let mut model = bindings.clone();
        for (word, fields, target) in &bindings {
            headers.bind(b"k", &arguments(word, fields), *target);
        }
        for index in gone {
            if !model.is_empty() {
                let (word, fields, target) = model.swap_remove(index.index(model.len()));
                headers.unbind(b"k", &arguments(word, &fields), &target);
            }
        }
        for mut message in messages {
            message.extend((0..padding).map(|n| (format!("z{n}"), ONE)));
            let expected: BTreeSet<u32> = model
                .iter()
                .filter(|(word, fields, _)| naive(word, fields, &message))
                .map(|(_, _, target)| *target)
                .collect();
            let block: Vec<(&str, AMQPValue)> =
                message.iter().map(|(name, value)| (name.as_str(), value.clone())).collect();
            prop_assert_eq!(routed(&headers, &properties(&block)), expected);
        }
    }
}
