//! What policies do to a queue: which keys there are, how policy and operator policy become one definition, and how that and the
//! queue's own arguments become its [`Rules`].
//!
//! A policy's key `k` is the argument `x-k`: the merged definition is merged into the arguments, and those are parsed as a declare's
//! are. Whether a value is fit is checked when the policy is set, by the broker; which policy applies is the broker's choice, too.

use std::sync::Arc;

use amq_protocol::types::{AMQPValue, FieldTable, LongString, ShortString};

use super::arguments::{self, QueueKind};
use super::{Effects, Locked, Queue, QueueSpec, Rules};
use crate::wire::limits::TTL_MS_MAX;
use crate::wire::reply::{Reply, queue_resource};
use crate::wire::table;

/// What becomes of a key that is set twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Merge {
    /// The smaller number.
    Least,
    /// The smaller number, unless one is negative, which is no limit and wins.
    LeastLimit,
    /// The operator's before the policy's, the argument before both (but see [`merged`]).
    First,
}

/// One key of a policy for queues.
pub struct Key {
    /// Its name.
    pub name: &'static str,
    /// The argument that does the same; none where the key is for show.
    pub argument: Option<&'static str>,
    /// What becomes of it when it is set twice.
    pub merge: Merge,
    /// Whether an operator policy may have it.
    pub operator: bool,
    kinds: &'static [QueueKind],
}

impl Key {
    /// Whether queues of that kind know it. A policy with a key that a queue does not know does not apply to it at all.
    pub fn is_known_to(&self, kind: QueueKind) -> bool {
        self.kinds.contains(&kind)
    }
}

use QueueKind::{Classic, Quorum, Stream};

const ALL: &[QueueKind] = &[Classic, Quorum, Stream];
const MESSAGES: &[QueueKind] = &[Classic, Quorum];

const fn key(name: &'static str, argument: &'static str, merge: Merge) -> Key {
    Key {
        name,
        argument: Some(argument),
        merge,
        operator: false,
        kinds: MESSAGES,
    }
}

const fn operator(key: Key) -> Key {
    Key {
        operator: true,
        ..key
    }
}

const fn only(kinds: &'static [QueueKind], key: Key) -> Key {
    Key { kinds, ..key }
}

/// A key that RabbitMQ has and that changes nothing here.
const fn shown(name: &'static str) -> Key {
    Key {
        name,
        argument: None,
        merge: Merge::First,
        operator: false,
        kinds: MESSAGES,
    }
}

/// Every key for queues.
pub const KEYS: &[Key] = &[
    operator(key("message-ttl", "x-message-ttl", Merge::Least)),
    operator(key("expires", "x-expires", Merge::Least)),
    operator(key("max-length", "x-max-length", Merge::Least)),
    only(
        ALL,
        operator(key("max-length-bytes", "x-max-length-bytes", Merge::Least)),
    ),
    operator(key("overflow", "x-overflow", Merge::First)),
    key("dead-letter-exchange", DLX, Merge::First),
    key("dead-letter-routing-key", DLX_KEY, Merge::First),
    only(
        &[Quorum],
        key(
            "dead-letter-strategy",
            "x-dead-letter-strategy",
            Merge::First,
        ),
    ),
    operator(key("delivery-limit", "x-delivery-limit", Merge::LeastLimit)),
    key("consumer-timeout", "x-consumer-timeout", Merge::First),
    key("sync", "x-sync", Merge::First),
    key("exact-ttl", "x-exact-ttl", Merge::First),
    key("group-header", "x-group-header", Merge::First),
    key("dedup-window", "x-dedup-window", Merge::First),
    key("dedup-size", "x-dedup-size", Merge::First),
    key("dedup-header", "x-dedup-header", Merge::First),
    key("relaxed-redeclare", "x-relaxed-redeclare", Merge::First),
    key("delayed-retry-type", "x-delayed-retry-type", Merge::First),
    key("delayed-retry-min", "x-delayed-retry-min", Merge::First),
    key("delayed-retry-max", "x-delayed-retry-max", Merge::First),
    key(
        "delayed-retry-factor",
        "x-delayed-retry-factor",
        Merge::First,
    ),
    key(
        "delayed-retry-jitter",
        "x-delayed-retry-jitter",
        Merge::First,
    ),
    only(&[Classic], shown("queue-mode")),
    only(ALL, operator(shown("queue-version"))),
    only(&[Classic], shown("queue-master-locator")),
    only(&[Quorum], operator(shown("max-in-memory-length"))),
    only(&[Quorum], operator(shown("max-in-memory-bytes"))),
    only(&[Quorum], operator(shown("target-group-size"))),
    only(ALL, shown("queue-leader-locator")),
    only(&[Stream], key("max-age", "x-max-age", Merge::First)),
    only(
        &[Stream],
        key(
            "stream-max-segment-size-bytes",
            "x-stream-max-segment-size-bytes",
            Merge::First,
        ),
    ),
    only(ALL, shown("stream-filter-size-bytes")),
    only(&[Stream], shown("initial-cluster-size")),
];

const DLX: &str = "x-dead-letter-exchange";
const DLX_KEY: &str = "x-dead-letter-routing-key";

/// The key of that name.
pub fn key_named(name: &str) -> Option<&'static Key> {
    KEYS.iter().find(|key| key.name == name)
}

/// Whether a policy with that definition may apply to queues of that kind. Keys that are not for queues are no hindrance.
pub fn is_applicable(definition: &FieldTable, kind: QueueKind) -> bool {
    definition
        .into_iter()
        .all(|(name, _)| key_named(name.as_str()).is_none_or(|key| key.is_known_to(kind)))
}

/// A policy as a queue sees it.
#[derive(Debug, PartialEq)]
pub struct Policy {
    /// Its name.
    pub name: Arc<str>,
    /// Its keys and values.
    pub definition: FieldTable,
}

/// The policies that apply to one queue.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Applied {
    /// The policy.
    pub policy: Option<Arc<Policy>>,
    /// The operator policy.
    pub operator: Option<Arc<Policy>>,
}

impl Applied {
    /// Whether none applies.
    pub fn is_none(&self) -> bool {
        self.policy.is_none() && self.operator.is_none()
    }

    /// Both in one definition, as `effective_policy_definition` shows it.
    pub fn definition(&self) -> FieldTable {
        let mut merged = FieldTable::default();
        for policy in [&self.operator, &self.policy].into_iter().flatten() {
            for (name, value) in &policy.definition {
                let merge = key_named(name.as_str()).map_or(Merge::First, |key| key.merge);
                add(&mut merged, name.as_str(), value, merge);
            }
        }
        merged
    }
}

/// Adds a value that may be there already, which then goes first.
fn add(table: &mut FieldTable, name: &str, value: &AMQPValue, merge: Merge) {
    let value = match table.inner().get(name) {
        None => value.clone(),
        Some(first) => match (merge, table::integer(first), table::integer(value)) {
            (Merge::Least, Some(a), Some(b)) => AMQPValue::LongLongInt(a.min(b)),
            (Merge::LeastLimit, Some(a), Some(b)) if a < 0 || b < 0 => {
                AMQPValue::LongLongInt(a.max(b))
            }
            (Merge::LeastLimit, Some(a), Some(b)) => AMQPValue::LongLongInt(a.min(b)),
            _ => first.clone(),
        },
    };
    table.insert(ShortString::from(name), value);
}

/// A queue's arguments and what its policies add to them. For a stream a policy goes before the argument, smaller or not, as in
/// RabbitMQ.
fn merged(arguments: &FieldTable, applied: &Applied) -> FieldTable {
    let mut merged = arguments.clone();
    let definition = applied.definition();
    let is_stream = arguments::kind_of(arguments) == Stream;
    for key in KEYS {
        let (Some(argument), Some(value)) = (key.argument, definition.inner().get(key.name)) else {
            continue;
        };
        if is_stream {
            merged.insert(ShortString::from(argument), value.clone());
        } else {
            add(&mut merged, argument, &within_range(key, value), key.merge);
        }
    }
    // A policy's routing key counts only where there is an exchange.
    if !merged.contains_key(DLX) && !arguments.contains_key(DLX_KEY) {
        let kept = merged
            .into_iter()
            .filter(|(name, _)| name.as_str() != DLX_KEY);
        return kept
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect::<std::collections::BTreeMap<_, _>>()
            .into();
    }
    merged
}

/// RabbitMQ takes longer times in policies than in arguments: they are as good as for ever.
fn within_range(key: &Key, value: &AMQPValue) -> AMQPValue {
    let most = i64::try_from(TTL_MS_MAX).unwrap_or(i64::MAX);
    match table::integer(value) {
        Some(number) if matches!(key.name, "message-ttl" | "expires") => {
            AMQPValue::LongLongInt(number.min(most))
        }
        _ => value.clone(),
    }
}

/// The rules that arguments and policies make for a queue.
///
/// # Errors
/// The policies ask for what the queue cannot do; they are checked when they are set, so this does not happen unless the checks
/// there have a hole.
pub fn rules(spec: &QueueSpec, applied: &Applied) -> Result<Rules, Reply> {
    let resource = queue_resource(&spec.name, &spec.vhost);
    let arguments = merged(&spec.arguments, applied);
    let exclusive = spec.owner.is_some();
    let durable = spec.durable || exclusive;
    let parsed = arguments::parse(
        &resource,
        &arguments,
        durable,
        exclusive,
        spec.auto_delete,
        false,
    )?;
    Ok(Rules::of(&parsed))
}

/// Whether a queue of some kind that knows all keys of the definition can do what it says.
///
/// # Errors
/// Why none can, in the words of a declare.
pub fn check(definition: &FieldTable) -> Result<(), String> {
    let applied = Applied {
        policy: Some(Arc::new(Policy {
            name: "".into(),
            definition: definition.clone(),
        })),
        operator: None,
    };
    let mut fault = None;
    for kind in [Classic, Quorum, Stream] {
        let mut arguments = FieldTable::default();
        let name = AMQPValue::LongString(LongString::from(kind.name()));
        arguments.insert(ShortString::from("x-queue-type"), name);
        let parse = |arguments| arguments::parse("queue", arguments, true, false, false, false);
        // Where there are no queues of that kind, there is nothing that the policy could do to them.
        if !is_applicable(definition, kind) || parse(&arguments).is_err() {
            continue;
        }
        match parse(&merged(&arguments, &applied)) {
            Ok(_) => return Ok(()),
            Err(reply) => fault = fault.or(Some(reply.text)),
        }
    }
    fault.map_or(Ok(()), Err)
}

impl Queue {
    /// The policies that apply to it.
    pub fn applied(&self) -> Applied {
        self.applied.lock().clone()
    }

    /// Says so of a queue that nobody else knows yet; its rules are made with them already.
    pub fn note_applied(&self, applied: Applied) {
        *self.applied.lock() = applied;
    }
}

impl Locked<'_> {
    /// Other rules hold from now on, because policies have changed. What the limits do not allow any more goes in bounded steps; a
    /// message keeps the expiry that it was published with, as in RabbitMQ; an unused queue's time begins anew.
    pub fn set_rules(
        &mut self,
        rules: Arc<Rules>,
        applied: Applied,
        now: u64,
        effects: &mut Effects,
    ) {
        *self.queue.applied.lock() = applied;
        self.core.set_rules(self.queue, rules, now, effects);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(pairs: &[(&str, i64)]) -> FieldTable {
        let mut table = FieldTable::default();
        for (name, number) in pairs {
            table.insert((*name).into(), AMQPValue::LongLongInt(*number));
        }
        table
    }

    fn texts(pairs: &[(&str, &str)]) -> FieldTable {
        let mut table = FieldTable::default();
        for (name, text) in pairs {
            table.insert((*name).into(), AMQPValue::LongString((*text).into()));
        }
        table
    }

    fn applied(policy: FieldTable, operator: FieldTable) -> Applied {
        let some = |definition| {
            Some(Arc::new(Policy {
                name: "p".into(),
                definition,
            }))
        };
        Applied {
            policy: some(policy),
            operator: some(operator),
        }
    }

    fn rules_of(arguments: FieldTable, applied: &Applied) -> Rules {
        let spec = QueueSpec {
            name: "q".into(),
            vhost: "/".into(),
            id: 1,
            durable: true,
            owner: None,
            auto_delete: false,
            arguments,
        };
        rules(&spec, applied).unwrap()
    }

    #[test]
    fn the_smallest_of_argument_policy_and_operator_policy_counts() {
        let both = applied(
            of(&[("max-length", 10), ("message-ttl", 50)]),
            of(&[("max-length", 20), ("expires", 7)]),
        );
        let rules = rules_of(of(&[("x-max-length", 15), ("x-message-ttl", 60)]), &both);
        assert_eq!(rules.limits.messages, Some(10));
        assert_eq!(rules.message_ttl_ms, Some(50));
        assert_eq!(rules.expires_ms, Some(7));
        let rules = rules_of(of(&[("x-max-length", 5)]), &both);
        assert_eq!(rules.limits.messages, Some(5));
    }

    #[test]
    fn for_a_stream_the_policy_goes_before_the_argument() {
        let mut arguments = texts(&[("x-queue-type", "stream"), ("x-max-age", "1s")]);
        for (name, number) in [
            ("x-max-length-bytes", 10),
            ("x-stream-max-segment-size-bytes", 3),
        ] {
            arguments.insert(name.into(), AMQPValue::LongLongInt(number));
        }
        let mut policy = of(&[("max-length-bytes", 100)]);
        policy.insert("max-age".into(), AMQPValue::LongString("1h".into()));
        let operator = of(&[("max-length-bytes", 70)]);
        let kept = rules_of(arguments, &applied(policy, operator)).retention;
        assert_eq!((kept.bytes, kept.age_ms), (Some(70), Some(3_600_000)));
        assert_eq!(kept.segment_bytes, 3);
    }

    #[test]
    fn the_argument_wins_where_there_is_nothing_to_count() {
        let both = applied(
            texts(&[
                ("dead-letter-exchange", "p"),
                ("dead-letter-routing-key", "k"),
            ]),
            FieldTable::default(),
        );
        let own = rules_of(texts(&[("x-dead-letter-exchange", "own")]), &both);
        let own = own.dead_letter.unwrap();
        assert_eq!(
            (&*own.exchange, own.routing_key.as_deref()),
            ("own", Some("k"))
        );
        let from = rules_of(FieldTable::default(), &both).dead_letter.unwrap();
        assert_eq!(&*from.exchange, "p");
    }

    #[test]
    fn a_routing_key_without_an_exchange_is_nothing() {
        let alone = applied(
            texts(&[("dead-letter-routing-key", "k")]),
            FieldTable::default(),
        );
        assert!(
            rules_of(FieldTable::default(), &alone)
                .dead_letter
                .is_none()
        );
    }

    #[test]
    fn a_negative_delivery_limit_is_none_and_wins() {
        for (policy, operator, merged) in [(5, 3, 3), (-1, 3, 3), (3, -1, 3), (-2, -1, -1)] {
            let both = applied(
                of(&[("delivery-limit", policy)]),
                of(&[("delivery-limit", operator)]),
            );
            assert_eq!(
                both.definition().inner().get("delivery-limit"),
                Some(&AMQPValue::LongLongInt(merged))
            );
        }
    }

    #[test]
    fn longer_times_than_an_argument_may_have_are_cut() {
        let long = applied(of(&[("expires", i64::MAX)]), FieldTable::default());
        assert_eq!(
            rules_of(FieldTable::default(), &long).expires_ms,
            Some(TTL_MS_MAX)
        );
    }

    #[test]
    fn a_policy_with_a_key_that_the_kind_does_not_know_does_not_apply() {
        let mode = texts(&[("queue-mode", "lazy")]);
        assert!(is_applicable(&mode, Classic) && !is_applicable(&mode, Quorum));
        let strategy = texts(&[("dead-letter-strategy", "at-least-once")]);
        assert!(!is_applicable(&strategy, Classic) && is_applicable(&strategy, Quorum));
        assert!(is_applicable(
            &texts(&[("alternate-exchange", "x")]),
            Classic
        ));
    }

    #[test]
    fn every_key_has_another_name() {
        for (at, key) in KEYS.iter().enumerate() {
            assert!(KEYS[..at].iter().all(|other| other.name != key.name));
        }
    }
}
