//! The delayed message exchange, as RabbitMQ's plugin of that name has it: it routes like the kind that its argument
//! `x-delayed-type` names, but a message with a header `x-delay` only when so many milliseconds have passed. The broker holds
//! the message until then and gives it back with the number negated, which delays it nowhere any more.

use std::hash::Hash;

use crate::wire::properties::{Edits, Properties, rewrite};
use crate::wire::reply::Reply;
use crate::wire::table::{Table, write_i32, write_i64, write_name};
use crate::wire::{AMQPValue, FieldTable};

use super::direct::Direct;
use super::stable::Stable;
use super::{Depends, Envelope, ExchangeKind, Kind, KindInfo, Matcher, find, matcher};

const TYPE: &str = "x-delayed-type";
const HEADER: &[u8] = b"x-delay";

/// The kind that `x-delayed-type` names, if it may be that.
pub(super) fn underlying(arguments: &FieldTable) -> Option<&'static KindInfo> {
    find(name(arguments)?)
        .ok()
        .filter(|info| info.kind != Kind::Delayed)
}

fn name(arguments: &FieldTable) -> Option<&str> {
    match arguments.inner().get(TYPE)? {
        AMQPValue::LongString(name) => std::str::from_utf8(name.as_bytes()).ok(),
        AMQPValue::ShortString(name) => Some(name.as_str()),
        _ => None,
    }
}

/// For how many milliseconds a message is to be held; `None` when it is not.
pub fn delay_ms(properties: Properties<'_>) -> Option<u64> {
    let delay = properties.header(HEADER)?.integer()?;
    u64::try_from(delay).ok().filter(|delay| *delay > 0)
}

/// The property block of a message that was held: its delay is negative from now on. As in the plugin it is a signed
/// integer of 32 bits, whatever it was; a longer one only where it has to be.
pub fn held_properties(properties: Properties<'_>) -> Vec<u8> {
    let mut headers = Vec::new();
    let mut found = false;
    for field in properties
        .headers()
        .map(Table)
        .into_iter()
        .flat_map(Table::fields)
    {
        match field
            .value
            .integer()
            .filter(|_| field.name == HEADER && !found)
        {
            Some(delay) => {
                found = true;
                write_name(&mut headers, HEADER);
                let delay = delay.saturating_neg();
                match i32::try_from(delay) {
                    Ok(delay) => write_i32(&mut headers, delay),
                    Err(_) => write_i64(&mut headers, delay),
                }
            }
            None => headers.extend_from_slice(field.raw),
        }
    }
    let edits = Edits {
        headers: found.then_some(headers),
        ..Edits::default()
    };
    rewrite(properties.raw(), &edits)
}

/// Matcher of the delayed message exchange: that of the kind beneath.
pub struct Delayed<T>(Box<dyn Matcher<T>>);

impl<T> ExchangeKind for Delayed<T> {
    fn check_declare(arguments: &FieldTable) -> Result<(), Reply> {
        if let Some(info) = underlying(arguments) {
            return info.check_declare(arguments);
        }
        if let Some(name) = name(arguments).filter(|name| *name != Kind::Delayed.info().name) {
            find(name)?;
        }
        let text = format!("Invalid argument, '{TYPE}' must be an existing exchange type");
        Err(Reply::precondition_failed(&text).at(40, 10))
    }
}

impl<T: Clone + Eq + Hash + Stable + Send + Sync + 'static> Default for Delayed<T> {
    fn default() -> Self {
        Self(Box::new(Direct::default()))
    }
}

impl<T: Clone + Eq + Hash + Stable + Send + Sync + 'static> Matcher<T> for Delayed<T> {
    fn configure(&mut self, arguments: &FieldTable) {
        if let Some(info) = underlying(arguments) {
            self.0 = matcher(info.kind);
            self.0.configure(arguments);
        }
    }

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
        self.0.depends().max(Depends::Message)
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{arguments, routed};
    use super::*;
    use crate::wire::properties::PropertiesBuilder;
    use crate::wire::table::{Value, write_long_string};

    fn block(write: impl Fn(&mut Vec<u8>)) -> Vec<u8> {
        let mut headers = Vec::new();
        write_name(&mut headers, b"a");
        write_long_string(&mut headers, b"b");
        write(&mut headers);
        PropertiesBuilder {
            headers: Some(&headers),
            message_id: Some(b"id"),
            ..PropertiesBuilder::default()
        }
        .build()
    }

    fn delay(write: fn(&mut Vec<u8>)) -> Vec<u8> {
        block(|out| {
            write_name(out, HEADER);
            write(out);
        })
    }

    #[test]
    fn a_positive_integer_delays() {
        let of = |write| delay_ms(Properties::new(&delay(write)));
        assert_eq!(of(|out| write_i32(out, 5000)), Some(5000));
        assert_eq!(of(|out| write_i64(out, 1 << 40)), Some(1 << 40));
        assert_eq!(of(|out| write_i32(out, 0)), None);
        assert_eq!(of(|out| write_i32(out, -5)), None);
        assert_eq!(of(|out| write_long_string(out, b"5000")), None);
        assert_eq!(delay_ms(Properties::new(&block(|_| ()))), None);
        assert_eq!(delay_ms(Properties::new(&[0, 0])), None);
    }

    #[test]
    fn a_delay_that_is_over_is_negative_and_all_else_stays() {
        for (write, after) in [
            (
                (|out| write_i32(out, 5000)) as fn(&mut Vec<u8>),
                Value::I32(-5000),
            ),
            (|out| write_i64(out, 5000), Value::I32(-5000)),
            (|out| write_i64(out, 1 << 40), Value::I64(-(1 << 40))),
            (|out| write_i64(out, i64::MIN), Value::I64(i64::MAX)),
        ] {
            let block = held_properties(Properties::new(&delay(write)));
            let held = Properties::new(&block);
            assert_eq!(held.header(HEADER), Some(after));
            assert_eq!(held.header(b"a"), Some(Value::LongString(b"b")));
            assert_eq!(held.message_id(), Some(&b"id"[..]));
        }
        let none = block(|_| ());
        assert_eq!(held_properties(Properties::new(&none)), none);
    }

    #[test]
    fn it_routes_like_the_kind_that_it_names() {
        let none = FieldTable::default();
        for (kind, key, met) in [
            ("direct", "a.b", false),
            ("topic", "a.b", true),
            ("fanout", "", true),
        ] {
            let mut delayed = Delayed::default();
            delayed.configure(&arguments(&[(TYPE, kind)]));
            delayed.bind(b"a.#", &none, 1u8);
            assert_eq!(!routed(&delayed, key.as_bytes()).is_empty(), met, "{kind}");
            delayed.unbind(b"a.#", &none, &1);
            assert!(routed(&delayed, b"a.#").is_empty());
        }
    }

    #[test]
    fn the_kind_must_be_there_and_another() {
        let text = |pairs: &[(&str, &str)]| {
            Delayed::<()>::check_declare(&arguments(pairs))
                .map_err(|reply| (reply.code, reply.text))
        };
        let invalid = "PRECONDITION_FAILED - Invalid argument, 'x-delayed-type' must be an existing exchange type";
        assert_eq!(text(&[]), Err((406, invalid.to_owned())));
        assert_eq!(
            text(&[(TYPE, "x-delayed-message")]),
            Err((406, invalid.to_owned()))
        );
        let unknown = "PRECONDITION_FAILED - unknown exchange type 'foo'";
        assert_eq!(text(&[(TYPE, "foo")]), Err((406, unknown.to_owned())));
        assert_eq!(text(&[(TYPE, "topic")]), Ok(()));
        // What the kind beneath says of the arguments counts.
        let history = [
            (TYPE, "x-recent-history"),
            ("x-recent-history-length", "many"),
        ];
        assert!(text(&history).is_err());
    }
}
