//! What a client may ask of a queue in the `arguments` of queue.declare, and of a consumer in those of basic.consume.
//!
//! [`ARGUMENTS`] is the one place that knows an argument: its name, the queue kinds that take it, the check of its value. Everything else reads that table. An argument that is not in it is accepted, stored
//! and never looked at, as RabbitMQ does (`x-ha-policy`, a plugin's, a user's own).
//!
//! Order of checks, as RabbitMQ 4: server-named for the kind, type of the dead-letter exchange, `x-queue-type`, the values in
//! the table's order, arguments of other kinds in the order of their names, properties that the kind refuses; what Leveret
//! does not have yet comes last, as a connection error 540, so that a wrong value keeps its own text. Pure; called by broker
//! (declare) and connection (consume, publish).

mod checks;
mod consumer;
pub mod dedup;

use std::sync::Arc;

use amq_protocol::types::{AMQPValue, FieldTable, LongString, ShortString};

pub use self::checks::expiration;
pub use self::consumer::{ConsumerArguments, parse_consumer};
use super::dedup::Dedup;
use super::order;
use super::overflow::Overflow;
use super::retry::{self, Retry};
use super::stream::offset::age_ms;
use super::stream::segments::{Retention, SEGMENT_BYTES};
use crate::store::Urgency;
use crate::wire::limits::TTL_MS_MAX;
use crate::wire::reply::Reply;
use crate::wire::{erlang, table};

/// `x-queue-type`.
pub const QUEUE_TYPE: &str = "x-queue-type";
const FILTER_SIZE: &str = "x-stream-filter-size-bytes";
const DEAD_LETTER_EXCHANGE: &str = "x-dead-letter-exchange";
const DEAD_LETTER_ROUTING_KEY: &str = "x-dead-letter-routing-key";
const DEAD_LETTER_STRATEGY: &str = "x-dead-letter-strategy";
const SINGLE_ACTIVE: &str = "x-single-active-consumer";
const DELIVERY_LIMIT: &str = "x-delivery-limit";
/// Leveret's own, meant for policies: a redeclare with other arguments is accepted.
const RELAXED_REDECLARE: &str = "x-relaxed-redeclare";
const OVERFLOW: &str = "x-overflow";
const CONSUMER_TIMEOUT: &str = "x-consumer-timeout";
const SYNC: &str = "x-sync";
const MAX_AGE: &str = "x-max-age";
const RETAIN_ACKED: &str = "x-retain-acked";
const PARTITIONS: &str = "x-partitions";
const PARTITION_KEY: &str = "x-partition-key";
const SEGMENT_SIZE: &str = "x-stream-max-segment-size-bytes";
const GROUP_HEADER: &str = "x-group-header";
const RETRY_TYPE: &str = "x-delayed-retry-type";
const RETRY_MIN: &str = "x-delayed-retry-min";
const RETRY_MAX: &str = "x-delayed-retry-max";
const RETRY_FACTOR: &str = "x-delayed-retry-factor";
const RETRY_JITTER: &str = "x-delayed-retry-jitter";

/// The kinds of queue, as `x-queue-type` names them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum QueueKind {
    /// The kind that a declare without `x-queue-type` gets.
    #[default]
    Classic,
    /// Always durable and synced; returned messages come first.
    Quorum,
    /// An append-only log with readers; see `queue/stream`.
    Stream,
}

impl QueueKind {
    /// The kind that `x-queue-type` names. `undefined` is what RabbitMQ's exported definitions say for "not given".
    pub fn named(name: &[u8]) -> Option<Self> {
        match name {
            b"classic" | b"undefined" => Some(Self::Classic),
            b"quorum" => Some(Self::Quorum),
            b"stream" => Some(Self::Stream),
            _ => None,
        }
    }

    /// The kind of a queue with these arguments.
    pub fn of(arguments: &FieldTable) -> Self {
        match get(arguments, QUEUE_TYPE) {
            Some(AMQPValue::LongString(name)) => Self::named(name.as_bytes()).unwrap_or_default(),
            _ => Self::Classic,
        }
    }

    /// Its name in `x-queue-type`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Classic => "classic",
            Self::Quorum => "quorum",
            Self::Stream => "stream",
        }
    }

    /// The name that RabbitMQ's error texts use.
    fn module(self) -> &'static str {
        match self {
            Self::Classic => "rabbit_classic_queue",
            Self::Quorum => "rabbit_quorum_queue",
            Self::Stream => "rabbit_stream_queue",
        }
    }

    fn bit(self) -> u8 {
        match self {
            Self::Classic => C,
            Self::Quorum => Q,
            Self::Stream => S,
        }
    }
}

/// Everything a queue declare asked for, checked and typed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct QueueArguments {
    /// `x-queue-type`.
    pub kind: QueueKind,
    /// `x-message-ttl`, milliseconds, 0 to 315,360,000,000.
    pub message_ttl_ms: Option<u64>,
    /// `x-expires`: milliseconds without use until the queue goes, 1 to 315,360,000,000.
    pub expires_ms: Option<u64>,
    /// `x-max-length`: ready messages.
    pub max_length: Option<u64>,
    /// `x-max-length-bytes`: bytes in the bodies of ready messages.
    pub max_length_bytes: Option<u64>,
    /// `x-overflow`; quorum queues take `reject-publish-dlx` for `drop-head`, as in RabbitMQ.
    pub overflow: Overflow,
    /// `x-dead-letter-strategy` is `at-least-once`.
    pub at_least_once: bool,
    /// `x-single-active-consumer`.
    pub single_active: bool,
    /// `x-delivery-limit`: a negative one is none.
    pub delivery_limit: Option<i64>,
    /// `x-relaxed-redeclare`.
    pub relaxed_redeclare: bool,
    /// `x-dead-letter-exchange`; the empty name is the default exchange.
    pub dead_letter_exchange: Option<Arc<str>>,
    /// `x-dead-letter-routing-key`, at most 255 bytes; only beside a dead-letter exchange.
    pub dead_letter_routing_key: Option<Arc<str>>,
    /// `x-consumer-timeout`: milliseconds that a delivery may stay unacknowledged, instead of the broker's own setting.
    pub consumer_timeout_ms: Option<u64>,
    /// `x-max-priority`: the highest level of a classic queue; 0 is an ordinary queue.
    pub max_priority: u8,
    /// `x-group-header`: the header that names a message's key.
    pub group_header: Option<Arc<str>>,
    /// `x-delayed-retry-type` and its kin.
    pub retry: Option<Retry>,
    /// `x-exact-ttl`: an expired message leaves wherever it stands.
    pub exact_ttl: bool,
    /// `x-sync`: what a confirm waits for, instead of the broker's own setting; `fsync` is [`Urgency::Synced`], `os`
    /// [`Urgency::Written`].
    pub sync: Option<Urgency>,
    /// `x-dedup-window`, `x-dedup-size`, `x-dedup-header`, `x-message-deduplication`.
    pub dedup: Option<Dedup>,
    /// `x-retain-acked`: milliseconds that what was acknowledged stays readable.
    pub retain_acked_ms: Option<u64>,
    /// `x-max-age`, milliseconds.
    pub max_age_ms: Option<u64>,
    /// `x-partitions`: how many a stream has; 0 is none, and so is 1.
    pub partitions: u16,
    /// `x-partition-key`.
    pub partition_key: Option<Arc<str>>,
    /// `x-stream-max-segment-size-bytes`.
    pub segment_bytes: Option<u64>,
}

impl QueueArguments {
    /// What a stream keeps.
    pub fn retention(&self) -> Retention {
        Retention {
            segment_bytes: self.segment_bytes.unwrap_or(SEGMENT_BYTES),
            bytes: self.max_length_bytes,
            age_ms: self.max_age_ms,
        }
    }
}

/// Why a value is refused, in the words that follow `invalid arg '...' for ...: `.
type Reason = String;

/// One row of the table.
struct Argument {
    name: &'static str,
    /// The kinds that take it.
    kinds: u8,
    /// Whether kinds that do not take it refuse it; otherwise it is an unknown argument to them.
    refused_elsewhere: bool,
    /// Whether the value is fit, given its neighbours.
    check: fn(&AMQPValue, &FieldTable) -> Result<(), Reason>,
}

const C: u8 = 1;
const Q: u8 = 2;
const S: u8 = 4;

const fn row(
    name: &'static str,
    kinds: u8,
    check: fn(&AMQPValue, &FieldTable) -> Result<(), Reason>,
) -> Argument {
    Argument {
        name,
        kinds,
        refused_elsewhere: true,
        check,
    }
}

/// An argument newer than RabbitMQ 4.0, where every kind accepted it without a look.
const fn newer(argument: Argument) -> Argument {
    Argument {
        refused_elsewhere: false,
        ..argument
    }
}

/// Every argument that means something, in RabbitMQ's order of checks.
const ARGUMENTS: &[Argument] = &[
    row("x-expires", C | Q, checks::expires),
    row("x-message-ttl", C | Q, checks::expiry),
    row(DEAD_LETTER_EXCHANGE, C | Q, checks::dead_letter_exchange),
    row(
        DEAD_LETTER_ROUTING_KEY,
        C | Q,
        checks::dead_letter_routing_key,
    ),
    row(DEAD_LETTER_STRATEGY, Q, checks::dead_letter_strategy),
    row("x-max-length", C | Q, checks::not_negative),
    row("x-max-length-bytes", C | Q | S, checks::not_negative),
    row("x-max-in-memory-length", Q, checks::not_negative),
    row("x-max-in-memory-bytes", Q, checks::not_negative),
    // One level of priority is an ordinary queue.
    row("x-max-priority", C, checks::priority),
    row(OVERFLOW, C | Q, checks::overflow),
    row("x-queue-mode", C, checks::queue_mode),
    row("x-queue-version", C, checks::queue_version),
    row(SINGLE_ACTIVE, C | Q, checks::boolean),
    row(QUEUE_TYPE, C | Q | S, checks::queue_type),
    row("x-quorum-initial-group-size", Q, checks::positive),
    row(DELIVERY_LIMIT, C | Q, checks::delivery_limit),
    row(MAX_AGE, S, checks::max_age),
    row(SEGMENT_SIZE, S, checks::not_negative),
    newer(row(FILTER_SIZE, S, checks::anything)),
    row("x-initial-cluster-size", S, checks::positive),
    row("x-queue-master-locator", C, checks::anything),
    row("x-queue-leader-locator", C | Q | S, checks::leader_locator),
    newer(row(CONSUMER_TIMEOUT, C | Q, checks::not_negative)),
    // RabbitMQ 4.3's delayed retries; factor and jitter are Leveret's own.
    newer(row(RETRY_TYPE, C | Q, checks::retry_type)),
    newer(row(RETRY_MIN, C | Q, checks::retry_min)),
    newer(row(RETRY_MAX, C | Q, checks::retry_max)),
    newer(row(RETRY_FACTOR, C | Q, checks::retry_factor)),
    newer(row(RETRY_JITTER, C | Q, checks::retry_jitter)),
    newer(row("x-exact-ttl", C | Q, checks::boolean)),
    newer(row(SYNC, C | Q | S, checks::sync)),
    newer(row(RETAIN_ACKED, C | Q, checks::retain_acked)),
    newer(row(PARTITIONS, S, checks::partitions)),
    newer(row(PARTITION_KEY, S, checks::partition_key)),
    newer(row(RELAXED_REDECLARE, C | Q | S, checks::boolean)),
    newer(row(GROUP_HEADER, C | Q, checks::group_header)),
    newer(row(dedup::WINDOW, C | Q, checks::expires)),
    newer(row(dedup::SIZE, C | Q, dedup::check_size)),
    newer(row(dedup::HEADER, C | Q, dedup::check_header)),
    newer(row(dedup::HELD, C | Q, checks::anything)),
];

/// What a declare asks for, or the reply that refuses it. `resource` is `queue 'q' in vhost '/'`.
///
/// `server_named` is a declare with the empty name. See the file's head for the order of the checks.
pub fn parse(
    resource: &str,
    arguments: &FieldTable,
    durable: bool,
    exclusive: bool,
    auto_delete: bool,
    server_named: bool,
) -> Result<QueueArguments, Reply> {
    let named = match get(arguments, QUEUE_TYPE) {
        Some(AMQPValue::LongString(name)) => QueueKind::named(name.as_bytes()),
        _ => None,
    };
    let kind = named.unwrap_or_default();
    if server_named && kind != QueueKind::Classic {
        return Err(Reply::server_named_queue(kind.module()));
    }
    dead_letter_exchange(resource, arguments)?;
    if let Some(value) = get(arguments, QUEUE_TYPE) {
        checks::queue_type(value, arguments)
            .map_err(|reason| Reply::invalid_argument(QUEUE_TYPE, resource, &reason))?;
    }
    for argument in ARGUMENTS
        .iter()
        .filter(|argument| argument.kinds & kind.bit() != 0)
    {
        if let Some(value) = get(arguments, argument.name) {
            (argument.check)(value, arguments)
                .map_err(|reason| Reply::invalid_argument(argument.name, resource, &reason))?;
        }
    }
    for (name, _) in arguments {
        let taken_elsewhere = ARGUMENTS.iter().any(|argument| {
            argument.name == name.as_str()
                && argument.kinds & kind.bit() == 0
                && argument.refused_elsewhere
        });
        if taken_elsewhere {
            return Err(Reply::argument_of_other_type(
                name.as_str(),
                resource,
                kind.module(),
            ));
        }
    }
    if get(arguments, RETAIN_ACKED).is_some() && (!durable || exclusive) {
        let reason = "\"only a durable queue can\"";
        return Err(Reply::invalid_argument(RETAIN_ACKED, resource, reason));
    }
    if kind != QueueKind::Classic {
        checks::kind_properties(resource, arguments, kind, durable, exclusive, auto_delete)?;
    }
    Ok(QueueArguments {
        kind,
        message_ttl_ms: number(arguments, "x-message-ttl"),
        expires_ms: number(arguments, "x-expires"),
        max_length: number(arguments, "x-max-length"),
        max_length_bytes: number(arguments, "x-max-length-bytes"),
        overflow: overflow(arguments, kind),
        at_least_once: get(arguments, DEAD_LETTER_STRATEGY)
            .is_some_and(|value| checks::is_text(value, "at-least-once")),
        single_active: is_true(arguments, SINGLE_ACTIVE),
        // A quorum queue takes anything, and what is no number is no limit, as in RabbitMQ.
        delivery_limit: get(arguments, DELIVERY_LIMIT)
            .map(|value| table::integer(value).unwrap_or(-1)),
        relaxed_redeclare: is_true(arguments, RELAXED_REDECLARE),
        dead_letter_exchange: text(arguments, DEAD_LETTER_EXCHANGE),
        dead_letter_routing_key: text(arguments, DEAD_LETTER_ROUTING_KEY),
        consumer_timeout_ms: number(arguments, CONSUMER_TIMEOUT),
        max_priority: number(arguments, "x-max-priority").map_or(0, |most| most as u8),
        group_header: group_header(arguments),
        retry: retry(arguments),
        exact_ttl: get(arguments, "x-exact-ttl") == Some(&AMQPValue::Boolean(true)),
        sync: get(arguments, SYNC).map(|value| match checks::is_text(value, "os") {
            true => Urgency::Written,
            false => Urgency::Synced,
        }),
        dedup: dedup::of(arguments),
        retain_acked_ms: text(arguments, RETAIN_ACKED).and_then(|age| checks::days_or_age(&age)),
        max_age_ms: text(arguments, MAX_AGE).and_then(|age| age_ms(age.as_bytes())),
        partitions: match number(arguments, PARTITIONS) {
            Some(count @ 2..) => count as u16,
            _ => 0,
        },
        partition_key: text(arguments, PARTITION_KEY),
        segment_bytes: number(arguments, SEGMENT_SIZE),
    })
}

fn group_header(arguments: &FieldTable) -> Option<Arc<str>> {
    match get(arguments, GROUP_HEADER)? {
        AMQPValue::Boolean(true) => Some(Arc::from(order::GROUP_HEADER)),
        AMQPValue::LongString(name) if name.as_bytes().is_empty() => {
            Some(Arc::from(order::GROUP_HEADER))
        }
        _ => text(arguments, GROUP_HEADER),
    }
}

fn retry(arguments: &FieldTable) -> Option<Retry> {
    let kind = get(arguments, RETRY_TYPE)?;
    let named = [
        ("all", retry::Kind::All),
        ("failed", retry::Kind::Failed),
        ("returned", retry::Kind::Returned),
    ];
    let (_, kind) = named
        .into_iter()
        .find(|(name, _)| checks::is_text(kind, name))?;
    let min_ms = number(arguments, RETRY_MIN).unwrap_or(retry::MIN_MS);
    Some(Retry {
        kind,
        min_ms,
        max_ms: number(arguments, RETRY_MAX).unwrap_or(TTL_MS_MAX),
        factor: get(arguments, RETRY_FACTOR).and_then(checks::thousandths),
        jitter: get(arguments, RETRY_JITTER)
            .and_then(checks::thousandths)
            .unwrap_or(0),
    })
}

/// The dead-letter exchange that a declare names, for the permission checks that come before everything in [`parse`].
pub fn dead_letter_exchange(
    resource: &str,
    arguments: &FieldTable,
) -> Result<Option<Arc<str>>, Reply> {
    match get(arguments, DEAD_LETTER_EXCHANGE) {
        None => Ok(None),
        Some(AMQPValue::LongString(_)) => Ok(text(arguments, DEAD_LETTER_EXCHANGE)),
        Some(other) => Err(Reply::invalid_argument_type(
            DEAD_LETTER_EXCHANGE,
            resource,
            table::type_name(other),
        )),
    }
}

/// The arguments to keep with a new queue: as declared, and always with `x-queue-type`, as RabbitMQ 4 keeps and shows them.
pub fn stored(arguments: &FieldTable, kind: QueueKind) -> FieldTable {
    let mut stored = arguments.clone();
    let name = match kind {
        QueueKind::Classic => "classic",
        QueueKind::Quorum => "quorum",
        QueueKind::Stream => "stream",
    };
    stored.insert(
        ShortString::from(QUEUE_TYPE),
        AMQPValue::LongString(LongString::from(name)),
    );
    stored
}

/// The kind of a queue that has these arguments.
pub fn kind_of(existing: &FieldTable) -> QueueKind {
    match get(existing, QUEUE_TYPE) {
        Some(AMQPValue::LongString(name)) => QueueKind::named(name.as_bytes()).unwrap_or_default(),
        _ => QueueKind::Classic,
    }
}

/// Whether a declare of an existing queue means the same by its arguments; the reply names the first that differs.
///
/// Only arguments that the existing queue's kind takes are compared; numbers by value, whatever their width; a missing
/// `x-queue-type` is `classic` on either side. RabbitMQ forgets the size of a stream's filters, which changes nothing here either.
pub fn equivalent(
    existing: &FieldTable,
    received: &FieldTable,
    resource: &str,
) -> Result<(), Reply> {
    let classic = AMQPValue::LongString(LongString::from("classic"));
    let kind = kind_of(existing);
    for argument in ARGUMENTS
        .iter()
        .filter(|argument| argument.kinds & kind.bit() != 0 && argument.name != FILTER_SIZE)
    {
        let (mut current, mut new) = (get(existing, argument.name), get(received, argument.name));
        if argument.name == QUEUE_TYPE {
            current = current.or(Some(&classic));
            new = new.or(Some(&classic)).map(|value| {
                if checks::is_text(value, "undefined") {
                    &classic
                } else {
                    value
                }
            });
        }
        compare(argument.name, current, new, resource)?;
    }
    Ok(())
}

/// Whether one argument means the same in an existing object and in a declare of it.
pub fn compare(
    name: &str,
    current: Option<&AMQPValue>,
    received: Option<&AMQPValue>,
    resource: &str,
) -> Result<(), Reply> {
    let (received, current) = match (received, current) {
        (None, None) => return Ok(()),
        (Some(new), Some(current)) if table::equivalent(new, current) => return Ok(()),
        (Some(new), Some(current)) => (quoted(new), quoted(current)),
        (new, current) => (described(new), described(current)),
    };
    Err(Reply::precondition_failed(&format!(
        "inequivalent arg '{name}' for {resource}: received {received} but current is {current}"
    )))
}

/// A value where both sides have one. A void is nothing here, as RabbitMQ prints it.
fn quoted(value: &AMQPValue) -> String {
    match value {
        AMQPValue::Void => "none".to_owned(),
        value => format!("'{}'", erlang::plain(value)),
    }
}

/// A value where the other side has none.
fn described(value: Option<&AMQPValue>) -> String {
    value.map_or_else(
        || "none".to_owned(),
        |value| {
            format!(
                "the value '{}' of type '{}'",
                erlang::plain(value),
                table::type_name(value)
            )
        },
    )
}

fn get<'a>(arguments: &'a FieldTable, name: &str) -> Option<&'a AMQPValue> {
    arguments.inner().get(name)
}

fn is_true(arguments: &FieldTable, name: &str) -> bool {
    get(arguments, name) == Some(&AMQPValue::Boolean(true))
}

/// A checked `x-overflow`.
fn overflow(arguments: &FieldTable, kind: QueueKind) -> Overflow {
    let named = match get(arguments, OVERFLOW) {
        Some(AMQPValue::LongString(name)) => Overflow::named(name.as_bytes()),
        _ => None,
    };
    match named.unwrap_or_default() {
        Overflow::RejectPublishDlx if kind != QueueKind::Classic => Overflow::DropHead,
        overflow => overflow,
    }
}

/// A checked number; `None` when it is not given.
fn number(arguments: &FieldTable, name: &str) -> Option<u64> {
    get(arguments, name)
        .and_then(table::integer)
        .and_then(|value| u64::try_from(value).ok())
}

/// A checked text. A name that is not UTF-8 can name nothing that exists; it is kept with the bad bytes replaced.
fn text(arguments: &FieldTable, name: &str) -> Option<Arc<str>> {
    match get(arguments, name) {
        Some(AMQPValue::LongString(text)) => {
            Some(Arc::from(String::from_utf8_lossy(text.as_bytes())))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests;
