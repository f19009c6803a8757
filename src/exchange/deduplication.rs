//! The deduplication exchange of RabbitMQ's community plugin: a fanout that passes on one message of each value of the header
//! `x-deduplication-header`. Here is what it takes to be one; the values are kept by the broker.

use std::hash::Hash;

use crate::wire::reply::Reply;
use crate::wire::table::integer;
use crate::wire::{AMQPValue, FieldTable};

use super::fanout::Fanout;
use super::{Depends, Envelope, ExchangeKind, Matcher};

const SIZE: &str = "x-cache-size";
const TTL: &str = "x-cache-ttl";
const PERSISTENCE: &str = "x-cache-persistence";

/// What such an exchange remembers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cache {
    /// How many values, the last ones.
    pub size: u64,
    /// How long each of them counts, milliseconds; for ever when not given.
    pub ttl_ms: Option<u64>,
    /// They outlive the process.
    pub on_disk: bool,
}

/// What the arguments ask for; `None` when the exchange may not be declared with them.
pub fn cache(arguments: &FieldTable) -> Option<Cache> {
    Some(Cache {
        size: positive(arguments, SIZE)?,
        ttl_ms: positive(arguments, TTL),
        on_disk: persistence(arguments) == Some("disk"),
    })
}

/// As in the plugin, a number may be spelled out.
fn positive(arguments: &FieldTable, name: &str) -> Option<u64> {
    let number = match arguments.inner().get(name)? {
        AMQPValue::LongString(text) => std::str::from_utf8(text.as_bytes()).ok()?.parse().ok()?,
        value => integer(value)?,
    };
    u64::try_from(number).ok().filter(|number| *number > 0)
}

fn persistence(arguments: &FieldTable) -> Option<&str> {
    match arguments.inner().get(PERSISTENCE) {
        None => Some("memory"),
        Some(AMQPValue::LongString(name)) => std::str::from_utf8(name.as_bytes())
            .ok()
            .filter(|name| ["disk", "memory"].contains(name)),
        Some(_) => None,
    }
}

/// Matcher of the deduplication exchange.
#[derive(Debug)]
pub struct Deduplication<T>(Fanout<T>);

impl<T> ExchangeKind for Deduplication<T> {
    fn check_declare(arguments: &FieldTable) -> Result<(), Reply> {
        let refused = |text: &str| Err(Reply::precondition_failed(text).at(40, 10));
        if positive(arguments, SIZE).is_none() {
            return refused(
                "Missing or invalid argument, 'x-cache-size' must be an integer greater than 0",
            );
        }
        if arguments.contains_key(TTL) && positive(arguments, TTL).is_none() {
            return refused("Invalid argument, 'x-cache-ttl' must be an integer greater than 0");
        }
        if persistence(arguments).is_none() {
            return refused(
                "Invalid argument, 'x-cache-persistence' must be either 'disk' or 'memory'",
            );
        }
        Ok(())
    }
}

impl<T> Default for Deduplication<T> {
    fn default() -> Self {
        Self(Fanout::default())
    }
}

impl<T: Clone + Eq + Hash + Send + Sync> Matcher<T> for Deduplication<T> {
    fn bind(&mut self, key: &[u8], arguments: &FieldTable, target: T) {
        self.0.bind(key, arguments, target);
    }

    fn unbind(&mut self, key: &[u8], arguments: &FieldTable, target: &T) {
        self.0.unbind(key, arguments, target);
    }

    fn route(&self, message: &Envelope<'_>, targets: &mut Vec<T>) {
        self.0.route(message, targets);
    }

    fn depends(&self) -> Depends {
        Depends::Message
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(pairs: &[(&str, AMQPValue)]) -> FieldTable {
        let mut table = FieldTable::default();
        for (name, value) in pairs {
            table.insert((*name).into(), value.clone());
        }
        table
    }

    fn text(text: &str) -> AMQPValue {
        AMQPValue::LongString(text.into())
    }

    #[test]
    fn arguments_are_read_as_the_plugin_does() {
        let given = [
            (SIZE, text("10")),
            (TTL, AMQPValue::LongLongInt(500)),
            (PERSISTENCE, text("disk")),
        ];
        let expected = Cache {
            size: 10,
            ttl_ms: Some(500),
            on_disk: true,
        };
        assert_eq!(cache(&table(&given)), Some(expected));
        let given = [(SIZE, AMQPValue::LongInt(1))];
        let expected = Cache {
            size: 1,
            ttl_ms: None,
            on_disk: false,
        };
        assert_eq!(cache(&table(&given)), Some(expected));
    }

    #[test]
    fn others_are_refused() {
        let size = (SIZE, AMQPValue::LongInt(1));
        for (given, name) in [
            (vec![], SIZE),
            (vec![(SIZE, AMQPValue::LongInt(0))], SIZE),
            (vec![(SIZE, text("many"))], SIZE),
            (vec![size.clone(), (TTL, AMQPValue::LongInt(-1))], TTL),
            (vec![size.clone(), (PERSISTENCE, text("tape"))], PERSISTENCE),
            (
                vec![size, (PERSISTENCE, AMQPValue::Boolean(true))],
                PERSISTENCE,
            ),
        ] {
            let reply = Deduplication::<()>::check_declare(&table(&given)).unwrap_err();
            assert_eq!((reply.code, reply.class, reply.method), (406, 40, 10));
            assert!(reply.text.contains(name), "{}", reply.text);
        }
    }
}
