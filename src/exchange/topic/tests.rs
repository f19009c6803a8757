//! Topic matching: the facts of the reference one by one, then against a naive matcher.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::super::tests::{envelope, routed};
use super::*;

fn matches(pattern: &str, key: &str) -> bool {
    let mut topic = Topic::default();
    topic.bind(pattern.as_bytes(), &FieldTable::default(), 1);
    !routed(&topic, key.as_bytes()).is_empty()
}

/// As the specification puts it, by recursion over both.
fn naive(pattern: &[&str], key: &[&str]) -> bool {
    match (pattern, key) {
        ([], []) => true,
        (["#", rest @ ..], key) => (0..=key.len()).any(|skipped| naive(rest, &key[skipped..])),
        (["*", rest @ ..], [_, key @ ..]) => naive(rest, key),
        ([word, rest @ ..], [first, key @ ..]) => word == first && naive(rest, key),
        _ => false,
    }
}

fn split(text: &str) -> Vec<&str> {
    if text.is_empty() {
        Vec::new()
    } else {
        text.split('.').collect()
    }
}

#[test]
fn the_empty_key_has_no_words() {
    for (pattern, expected) in [
        ("", true),
        ("#", true),
        ("#.#", true),
        ("*", false),
        ("*.#", false),
    ] {
        assert_eq!(matches(pattern, ""), expected, "{pattern}");
    }
}

#[test]
fn words_between_dots_may_be_empty() {
    assert!(matches("a.", "a."));
    assert!(matches("a.*", "a."));
    assert!(!matches("a", "a."));
    assert!(matches("*.*", "."));
    assert!(matches(".", "."));
    assert!(!matches("*", "."));
    assert!(matches("..", ".."));
    assert!(matches("*.*.*", ".."));
    assert!(matches("a..b", "a..b"));
    assert!(matches("a.*.b", "a..b"));
}

#[test]
fn a_hash_stands_for_any_number_of_words() {
    for key in ["a", "a.b", "a.", "a..b"] {
        assert!(matches("a.#", key), "{key}");
    }
    assert!(!matches("a.#", "b"));
    assert!(!matches("a.#", "ab"));
    assert!(matches("*.#", "a") && matches("*.#", "a.b.c"));
    assert!(matches("a.#.b", "a.b") && matches("a.#.b", "a.x.y.b"));
    assert!(!matches("a.#.b", "a"));
    for key in ["a", "x.a", "a.x", "x.y.a.z"] {
        assert!(matches("#.a.#", key), "{key}");
    }
    assert!(!matches("#.a.#", "x.y"));
    assert!(matches("#.#", "a") && matches("#.#.#", "a.b.c"));
}

#[test]
fn wildcards_are_whole_words_only_and_case_counts() {
    assert!(!matches("a*", "ab") && matches("a*", "a*"));
    assert!(!matches("#a", "ba") && matches("a.b#", "a.b#"));
    assert!(!matches("A", "a"));
    assert!(
        matches("*", "#") && !matches("x", "*"),
        "in a message they are plain words"
    );
}

#[test]
fn a_target_bound_under_several_keys_is_unbound_one_by_one() {
    let none = FieldTable::default();
    let mut topic = Topic::default();
    topic.bind(b"a.*", &none, 1);
    topic.bind(b"a.#", &none, 1);
    topic.bind(b"a.#", &none, 2);
    topic.unbind(b"a.#", &none, &1);
    topic.unbind(b"b.#", &none, &1);
    assert_eq!(routed(&topic, b"a.x"), [1, 2]);
    assert_eq!(routed(&topic, b"a"), [2]);
    topic.unbind(b"a.*", &none, &1);
    assert_eq!(routed(&topic, b"a.x"), [2]);
}

#[test]
fn nothing_stays_of_bindings_that_are_gone() {
    let none = FieldTable::default();
    let mut topic = Topic::default();
    for _ in 0..3 {
        for n in 0..100 {
            topic.bind(format!("a.{n}.#.b.*.{n}").as_bytes(), &none, n);
        }
        for n in 0..100 {
            topic.unbind(format!("a.{n}.#.b.*.{n}").as_bytes(), &none, &n);
        }
    }
    assert!(matches!(topic.nodes[0].words, Words::None));
    assert_eq!(topic.free.len(), topic.nodes.len() - 1);
    assert!(topic.nodes.len() <= 502, "places are used again");
}

/// Matchers that try every way of a `#` in turn need time exponential in the number of `#` here.
#[test]
fn many_hashes_in_a_pattern_cost_little() {
    let none = FieldTable::default();
    let mut topic = Topic::default();
    let pattern = ["#.a"; 60].join(".");
    topic.bind(pattern.as_bytes(), &none, 1);
    topic.bind(["#"; 127].join(".").as_bytes(), &none, 2);
    topic.bind((pattern + ".never").as_bytes(), &none, 3);
    let key = ["a"; 128].join(".");
    let before = std::time::Instant::now();
    assert_eq!(routed(&topic, key.as_bytes()), [1, 2]);
    assert!(before.elapsed() < std::time::Duration::from_secs(1));
}

#[test]
fn a_thousand_bindings_are_matched_by_key() {
    let none = FieldTable::default();
    let mut topic = Topic::default();
    for n in 0..1000 {
        topic.bind(format!("stock.{n}.*").as_bytes(), &none, n);
    }
    assert_eq!(routed(&topic, b"stock.777.nyse"), [777]);
    assert!(routed(&topic, b"stock.1000.nyse").is_empty());
}

fn key(words: &'static [&'static str]) -> impl Strategy<Value = String> {
    prop::collection::vec(prop::sample::select(words), 0..7).prop_map(|words| words.join("."))
}

proptest! {
    #[test]
    fn topics_match_as_the_naive_matcher_does(
        patterns in prop::collection::vec((key(&["a", "b", "*", "#", "#", ""]), 0u32..6), 1..40),
        gone in prop::collection::vec(any::<prop::sample::Index>(), 0..20),
        keys in prop::collection::vec(key(&["a", "b", "c", ""]), 1..10),
    ) {
        let none = FieldTable::default();
        let mut topic = Topic::default();
        let mut model = patterns.clone();
        for (pattern, target) in &patterns {
            topic.bind(pattern.as_bytes(), &none, *target);
        }
        for index in gone {
            if !model.is_empty() {
                let (pattern, target) = model.swap_remove(index.index(model.len()));
                topic.unbind(pattern.as_bytes(), &none, &target);
            }
        }
        for key in keys {
            let expected: BTreeSet<u32> = model
                .iter()
                .filter(|(pattern, _)| naive(&split(pattern), &split(&key)))
                .map(|(_, target)| *target)
                .collect();
            let mut found = Vec::new();
            topic.route(&envelope(key.as_bytes(), &[0, 0]), &mut found);
            prop_assert_eq!(found.into_iter().collect::<BTreeSet<_>>(), expected, "key {:?}", key);
        }
    }
}
