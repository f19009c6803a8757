//! What becomes of a message's headers and routing keys when a queue gives it up: RabbitMQ 4's `x-death` and its kin.
//!
//! [`bury`] writes the history into the property block, [`keys`] says what the dead letter is routed by, [`is_cycle`]
//! which queues must not get it. All work on raw bytes and know neither queue nor exchange; called by broker.
//!
//! As RabbitMQ 4.0 puts it on the wire:
//!
//! ```text
//! x-death  array, newest first, one table for each (queue, reason):
//!          [original-expiration S,] count l, reason S, queue S, time T, exchange S, routing-keys A of S
//! x-first-death-exchange, -queue, -reason  S, of the first death ever
//! x-last-death-exchange, -queue, -reason   S, of the latest
//! ```
//!
//! A repeated (queue, reason) adds one to its count and moves to the front; its other fields stay those of the first time.
//! `expiration` leaves the properties, so that the message does not expire again, and stays as `original-expiration`, in
//! plain decimal. CC stays in the headers, but no longer counts once a dead-letter routing key has replaced the keys.
//!
//! Only the broker's own history is continued. A client may publish headers of these names: they are ordinary headers
//! until the message dies, then they are replaced. Since headers cannot tell, the message remembers ([`Past`]).
//!
//! Of the headers, only these seven change: they are taken out where they were and stand at the end, in the order above, which
//! is where RabbitMQ's sorting puts them in most messages. All other headers and properties keep order and bytes.

use crate::wire::properties::{Edits, Properties, rewrite};
use crate::wire::table::{
    Array, Table, Value, close, open_array, open_table, write_i64, write_long_string, write_name,
    write_timestamp,
};

use super::arguments::expiration;

/// Most entries of `x-death`; beyond it the oldest go. RabbitMQ has no bound; its entries are as many as a message has
/// seen queues, which a loop through ever new queues would grow until no header frame holds it.
pub const DEATHS_MAX: usize = 256;

const DEATHS: &[u8] = b"x-death";
const FIRST_EXCHANGE: &[u8] = b"x-first-death-exchange";
const FIRST_QUEUE: &[u8] = b"x-first-death-queue";
const FIRST_REASON: &[u8] = b"x-first-death-reason";
const LAST_EXCHANGE: &[u8] = b"x-last-death-exchange";
const LAST_QUEUE: &[u8] = b"x-last-death-queue";
const LAST_REASON: &[u8] = b"x-last-death-reason";

/// Every header that this file writes.
const OURS: [&[u8]; 7] = [
    DEATHS,
    FIRST_EXCHANGE,
    FIRST_QUEUE,
    FIRST_REASON,
    LAST_EXCHANGE,
    LAST_QUEUE,
    LAST_REASON,
];

/// Why a queue gave a message up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// basic.reject or basic.nack without requeue.
    Rejected,
    /// The queue's or the message's own time to live.
    Expired,
    /// The queue was full and the message the oldest.
    MaxLen,
    /// Returned more often than the queue allows.
    DeliveryLimit,
    /// Held until now, see `queue/order.rs`: no death for anybody but the broker.
    Due,
}

impl Reason {
    /// The reason as `x-death` gives it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Rejected => "rejected",
            Self::Expired => "expired",
            Self::MaxLen => "maxlen",
            Self::DeliveryLimit => "delivery_limit",
            Self::Due => "due",
        }
    }
}

/// One death.
#[derive(Clone, Copy, Debug)]
pub struct Death<'a> {
    /// Why.
    pub reason: Reason,
    /// The queue that the message dies in.
    pub queue: &'a str,
    /// When: milliseconds since the epoch.
    pub now_ms: u64,
}

/// What a message remembers of earlier deaths beside its bytes. A message from a client has none of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Past {
    /// It has been buried: the death headers are the broker's own.
    pub buried: bool,
    /// A dead-letter routing key has replaced all its keys: a CC header is only a header now.
    pub keys_replaced: bool,
}

impl Past {
    /// What it remembers after the next death, given whether the queue has a dead-letter routing key.
    pub fn after_death(self, replaces_keys: bool) -> Self {
        Self {
            buried: true,
            keys_replaced: self.keys_replaced || replaces_keys,
        }
    }
}

/// The keys that a message was published with: its routing key and the texts in its CC header. (BCC keys are gone.)
pub fn keys<'a>(
    routing_key: &'a [u8],
    properties: &'a [u8],
    past: Past,
) -> impl Iterator<Item = &'a [u8]> {
    let copies = match Properties::new(properties).header(b"CC") {
        Some(Value::Array(copies)) if !past.keys_replaced => copies,
        _ => Array(&[]),
    };
    std::iter::once(routing_key).chain(copies.iter().filter_map(|copy| copy.long_string()))
}

/// The property block of the dead letter. `exchange`, `routing_key` and `past` are those that the message died with.
///
/// Bytes that are no property block give a block that holds what could be read of them.
pub fn bury(
    properties: &[u8],
    exchange: &[u8],
    routing_key: &[u8],
    past: Past,
    death: &Death<'_>,
) -> Vec<u8> {
    let old = Properties::new(properties);
    let headers = Table(old.headers().unwrap_or_default());
    let mut new = headers.without(&OURS);
    new.reserve(320);

    write_name(&mut new, DEATHS);
    let deaths = open_array(&mut new);
    let mut known = if past.buried {
        own_deaths(headers)
    } else {
        Vec::new()
    };
    match known.iter().position(|entry| is_same(*entry, death)) {
        Some(at) => repeat_entry(&mut new, known.remove(at)),
        None => {
            let keys = keys(routing_key, properties, past);
            write_entry(&mut new, death, exchange, keys, old.expiration());
        }
    }
    for entry in known.iter().take(DEATHS_MAX - 1) {
        let opened = open_table(&mut new);
        new.extend_from_slice(entry.0);
        close(&mut new, opened);
    }
    close(&mut new, deaths);

    let first = |name, now| match headers.find(name) {
        Some(Value::LongString(first)) if past.buried => first,
        _ => now,
    };
    let (queue, reason) = (death.queue.as_bytes(), death.reason.name().as_bytes());
    for (name, value) in [
        (FIRST_EXCHANGE, first(FIRST_EXCHANGE, exchange)),
        (FIRST_QUEUE, first(FIRST_QUEUE, queue)),
        (FIRST_REASON, first(FIRST_REASON, reason)),
        (LAST_EXCHANGE, exchange),
        (LAST_QUEUE, queue),
        (LAST_REASON, reason),
    ] {
        write_name(&mut new, name);
        write_long_string(&mut new, value);
    }
    rewrite(
        properties,
        &Edits {
            headers: Some(new),
            remove_expiration: true,
            ..Edits::default()
        },
    )
}

/// The queue that a dead letter died in last, and why, in the words of `x-death`. Meant for messages that the broker buried: a
/// client can write whatever it likes.
pub fn last_death(properties: &[u8]) -> Option<(&[u8], &[u8])> {
    let headers = Table(Properties::new(properties).headers()?);
    let Some(Value::Array(entries)) = headers.find(DEATHS) else {
        return None;
    };
    let Value::Table(newest) = entries.iter().next()? else {
        return None;
    };
    match (newest.find(b"queue")?, newest.find(b"reason")?) {
        (Value::LongString(queue), Value::LongString(reason)) => Some((queue, reason)),
        _ => None,
    }
}

/// Whether the dead letter must not go to that queue: it died there before, and no client has rejected it since.
///
/// `properties` are those that [`bury`] made, for only they are sure to hold the broker's own history. A death by
/// rejection therefore never makes a cycle: it is the newest entry itself.
pub fn is_cycle(properties: &[u8], target_queue: &str) -> bool {
    let headers = Table(Properties::new(properties).headers().unwrap_or_default());
    for entry in own_deaths(headers) {
        if has(entry, b"reason", Reason::Rejected.name()) {
            return false;
        }
        if has(entry, b"queue", target_queue) {
            return true;
        }
    }
    false
}

/// The entries of `x-death`, newest first.
fn own_deaths(headers: Table<'_>) -> Vec<Table<'_>> {
    let Some(Value::Array(entries)) = headers.find(DEATHS) else {
        return Vec::new();
    };
    entries
        .iter()
        .filter_map(|entry| match entry {
            Value::Table(entry) => Some(entry),
            _ => None,
        })
        .collect()
}

fn has(entry: Table<'_>, field: &[u8], text: &str) -> bool {
    entry.find(field).and_then(|value| value.long_string()) == Some(text.as_bytes())
}

fn is_same(entry: Table<'_>, death: &Death<'_>) -> bool {
    has(entry, b"queue", death.queue) && has(entry, b"reason", death.reason.name())
}

/// An entry for the first death of its kind.
fn write_entry<'a>(
    out: &mut Vec<u8>,
    death: &Death<'_>,
    exchange: &[u8],
    keys: impl Iterator<Item = &'a [u8]>,
    ttl: Option<&[u8]>,
) {
    let entry = open_table(out);
    if let Some(ttl) = ttl {
        write_name(out, b"original-expiration");
        // It was checked when the message came; a text that is no number would stay as it is.
        match expiration(ttl) {
            Ok(milliseconds) => write_long_string(out, milliseconds.to_string().as_bytes()),
            Err(_) => write_long_string(out, ttl),
        }
    }
    write_name(out, b"count");
    write_i64(out, 1);
    write_name(out, b"reason");
    write_long_string(out, death.reason.name().as_bytes());
    write_name(out, b"queue");
    write_long_string(out, death.queue.as_bytes());
    write_name(out, b"time");
    write_timestamp(out, death.now_ms / 1000);
    write_name(out, b"exchange");
    write_long_string(out, exchange);
    write_name(out, b"routing-keys");
    let array = open_array(out);
    for key in keys {
        write_long_string(out, key);
    }
    close(out, array);
    close(out, entry);
}

/// The same entry with one more in its count.
fn repeat_entry(out: &mut Vec<u8>, known: Table<'_>) {
    let entry = open_table(out);
    for field in known.fields() {
        if field.name == b"count" {
            write_name(out, b"count");
            write_i64(out, field.value.integer().unwrap_or(0).saturating_add(1));
        } else {
            out.extend_from_slice(field.raw);
        }
    }
    close(out, entry);
}

#[cfg(test)]
mod tests;
