//! Walks over small topologies, the facts of the reference one by one, then random ones against a naive search.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::super::{Kind, Matcher, matcher};
use super::*;
use crate::wire::properties::PropertiesBuilder;
use crate::wire::{AMQPValue, FieldArray, FieldTable, table};

type To = Target<u32, &'static str>;

/// Exchanges by name, queues by number.
#[derive(Default)]
struct Topology {
    exchanges: BTreeMap<&'static str, Box<dyn Matcher<To>>>,
    alternates: BTreeMap<&'static str, &'static str>,
}

impl Topology {
    fn bind(&mut self, exchange: &'static str, key: &str, target: To) {
        let new = || matcher(Kind::Direct);
        let matcher = self.exchanges.entry(exchange).or_insert_with(new);
        matcher.bind(key.as_bytes(), &FieldTable::default(), target);
    }

    fn route(&self, start: &'static str, keys: &[&str]) -> (Vec<u32>, Vec<&'static str>) {
        let keys: Vec<&[u8]> = keys.iter().map(|key| key.as_bytes()).collect();
        let (mut scratch, mut queues) = (Scratch::default(), vec![99]);
        route(
            self,
            &start,
            &keys,
            Properties::EMPTY,
            &mut scratch,
            &mut queues,
        );
        (queues, scratch.visited)
    }
}

impl Graph for Topology {
    type Queue = u32;
    type Exchange = &'static str;

    fn targets(&self, exchange: &&'static str, message: &Envelope<'_>, out: &mut Vec<To>) {
        if let Some(matcher) = self.exchanges.get(exchange) {
            matcher.route(message, out);
        }
    }

    fn alternate(&self, exchange: &&'static str) -> Option<&'static str> {
        self.alternates.get(exchange).copied()
    }
}

use Target::{Exchange, Queue};

#[test]
fn a_queue_is_found_once_however_many_ways_lead_to_it() {
    let mut topology = Topology::default();
    topology.bind("a", "k", Queue(1));
    topology.bind("a", "l", Queue(1));
    topology.bind("a", "k", Exchange("b"));
    topology.bind("b", "k", Queue(1));
    topology.bind("b", "k", Queue(2));
    assert_eq!(
        topology.route("a", &["k", "l", "k"]),
        (vec![1, 2], vec!["a", "b"])
    );
    assert_eq!(topology.route("a", &["none"]), (vec![], vec!["a"]));
    assert_eq!(topology.route("missing", &["k"]), (vec![], vec!["missing"]));
}

#[test]
fn cycles_end() {
    let mut topology = Topology::default();
    topology.bind("a", "k", Exchange("b"));
    topology.bind("b", "k", Exchange("c"));
    topology.bind("c", "k", Exchange("a"));
    topology.bind("c", "k", Exchange("c"));
    topology.bind("c", "k", Queue(1));
    assert_eq!(topology.route("b", &["k"]), (vec![1], vec!["b", "c", "a"]));
}

#[test]
fn the_alternate_is_used_when_the_exchange_has_no_target_for_any_key() {
    let mut topology = Topology::default();
    topology.alternates.insert("a", "ae");
    topology.bind("a", "k", Queue(1));
    topology.bind("ae", "other", Queue(2));
    assert_eq!(topology.route("a", &["k", "other"]).0, [1]);
    assert_eq!(topology.route("a", &["other"]), (vec![2], vec!["a", "ae"]));
    assert!(topology.route("a", &["unknown"]).0.is_empty());
}

#[test]
fn a_binding_to_an_exchange_without_queues_keeps_the_alternate_out() {
    let mut topology = Topology::default();
    topology.alternates.insert("a", "ae");
    topology.bind("a", "k", Exchange("empty"));
    topology.bind("ae", "k", Queue(1));
    assert!(topology.route("a", &["k"]).0.is_empty());
    topology.alternates.insert("empty", "ae");
    assert_eq!(
        topology.route("a", &["k"]).0,
        [1],
        "but the bound exchange has its own"
    );
}

#[test]
fn alternates_may_be_chained_missing_and_circular() {
    let mut topology = Topology::default();
    topology.alternates.insert("a", "b");
    topology.alternates.insert("b", "c");
    topology.alternates.insert("c", "a");
    assert_eq!(topology.route("a", &["k"]), (vec![], vec!["a", "b", "c"]));
    topology.bind("c", "k", Queue(1));
    assert_eq!(topology.route("a", &["k"]).0, [1]);
    topology.alternates.insert("x", "missing");
    assert_eq!(topology.route("x", &["k"]), (vec![], vec!["x", "missing"]));
}

#[test]
fn hundreds_of_queues_are_each_found_once() {
    let mut topology = Topology::default();
    for queue in 0..500 {
        topology.bind("a", "k", Queue(queue));
        topology.bind("a", "l", Queue(queue));
    }
    topology.bind("a", "l", Queue(500));
    let (queues, _) = topology.route("a", &["k", "l"]);
    assert_eq!(queues, (0..=500).collect::<Vec<_>>());
}

/// A property block whose headers are these.
fn block(headers: &[(&str, AMQPValue)]) -> Vec<u8> {
    let mut raw = Vec::new();
    for (name, value) in headers {
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

fn array(keys: &[&str]) -> AMQPValue {
    let items: Vec<_> = keys
        .iter()
        .map(|key| AMQPValue::LongString((*key).into()))
        .collect();
    AMQPValue::FieldArray(FieldArray::from(items))
}

#[test]
fn cc_and_bcc_bring_keys_after_the_messages_own() {
    let mut mixed = array(&["c"]);
    if let AMQPValue::FieldArray(items) = &mut mixed {
        items.push(AMQPValue::LongInt(1));
    }
    let raw = block(&[
        ("BCC", mixed),
        ("cc", array(&["x"])),
        ("CC", array(&["a", "b"])),
        ("CC", array(&["y"])),
    ]);
    let keys = extra_keys(Properties::new(&raw)).unwrap();
    assert_eq!(keys.after(b"k").as_slice(), [&b"k"[..], b"a", b"b", b"c"]);
    assert!(keys.has_bcc && !keys.is_empty());
}

#[test]
fn a_message_without_cc_and_bcc_has_no_further_keys() {
    for raw in [vec![0, 0], block(&[]), block(&[("cc", array(&["x"]))])] {
        let keys = extra_keys(Properties::new(&raw)).unwrap();
        assert!(keys.is_empty() && !keys.has_bcc);
        assert_eq!(keys.after(b"k").as_slice(), [b"k"]);
    }
    let raw = block(&[("BCC", array(&[]))]);
    let keys = extra_keys(Properties::new(&raw)).unwrap();
    assert!(
        keys.is_empty() && keys.has_bcc,
        "an empty BCC is still to be removed"
    );
}

#[test]
fn cc_and_bcc_have_to_be_arrays() {
    for (name, value, text) in [
        ("CC", AMQPValue::LongString("a".into()), "\"CC\",longstr"),
        ("BCC", AMQPValue::LongInt(1), "\"BCC\",signedint"),
    ] {
        let raw = block(&[("BCC", value.clone()), (name, value)]);
        let reply = extra_keys(Properties::new(&raw)).unwrap_err();
        assert_eq!((reply.code, reply.class, reply.method), (406, 60, 40));
        assert_eq!(
            reply.text,
            format!(
                "PRECONDITION_FAILED - invalid message: {{unacceptable_type_in_header,{text}}}"
            )
        );
    }
}

const NAMES: [&str; 6] = ["a", "b", "c", "d", "e", "missing"];

/// Queues and visited exchanges by the plainest search there is.
fn naive(
    bindings: &[(usize, usize, Option<usize>, u32)],
    alternates: &BTreeMap<&'static str, &'static str>,
    start: &'static str,
    keys: &[usize],
) -> (BTreeSet<u32>, BTreeSet<&'static str>) {
    let (mut queues, mut visited, mut todo) = (BTreeSet::new(), BTreeSet::new(), vec![start]);
    while let Some(name) = todo.pop() {
        if !visited.insert(name) {
            continue;
        }
        let mut any = false;
        for (exchange, key, to, queue) in bindings {
            if NAMES[*exchange] == name && keys.contains(key) {
                any = true;
                match to {
                    Some(to) => todo.push(NAMES[*to]),
                    None => drop(queues.insert(*queue)),
                }
            }
        }
        if !any {
            todo.extend(alternates.get(name));
        }
    }
    (queues, visited)
}

proptest! {
    #[test]
    fn walks_find_what_a_naive_search_finds(
        bindings in prop::collection::vec((0usize..5, 0usize..3, prop::option::of(0usize..6), 0u32..60), 0..120),
        alternates in prop::collection::btree_map(prop::sample::select(&NAMES[..]), prop::sample::select(&NAMES[..]), 0..5),
        start in prop::sample::select(&NAMES[..]),
        keys in prop::collection::vec(0usize..4, 1..4),
    ) {
        let mut topology = Topology { alternates: alternates.clone(), ..Topology::default() };
        for &(exchange, key, to, queue) in &bindings {
            let target = to.map_or(Queue(queue), |to| Exchange(NAMES[to]));
            topology.bind(NAMES[exchange], &key.to_string(), target);
        }
        let words: Vec<String> = keys.iter().map(usize::to_string).collect();
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let (queues, visited) = topology.route(start, &words);
        let found = (queues.iter().copied().collect(), visited.iter().copied().collect());
        prop_assert_eq!(found, naive(&bindings, &alternates, start, &keys));
        prop_assert_eq!(queues.len(), queues.iter().collect::<BTreeSet<_>>().len());
        prop_assert_eq!(visited.len(), visited.iter().collect::<BTreeSet<_>>().len());
    }
}
