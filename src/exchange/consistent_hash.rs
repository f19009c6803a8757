//! The consistent hash exchange: each message goes to one target, equal keys to the same one, targets get messages in
//! proportion to their weights, and a change of bindings moves no more keys than it must. What is hashed is the routing key,
//! or a header (`hash-header`), or a property (`hash-property`); a binding's key is its weight.
//!
//! By rendezvous: every target draws a number for the key, and the highest, its weight taken into account, wins. A target
//! that goes leaves its keys to the others in proportion, and one that comes takes from all; neither order of binding nor
//! restarts matter. (RabbitMQ 3.8 and newer count buckets: there, a target that goes moves keys of others, too, and a weight
//! costs memory.) The price is a step for each target: some ten nanoseconds.

use std::hash::Hash;

use smallvec::SmallVec;

use crate::wire::properties::Properties;
use crate::wire::reply::Reply;
use crate::wire::table::{self, Value};
use crate::wire::{AMQPValue, FieldTable, erlang};

use super::stable::{Stable, hash, spread};
use super::{Depends, Envelope, ExchangeKind, Matcher};

const HEADER: &str = "hash-header";
const PROPERTY: &str = "hash-property";

/// What of a message is hashed.
#[derive(Clone, Debug, PartialEq, Eq)]
enum HashOn {
    RoutingKey,
    Header(Box<[u8]>),
    MessageId,
    CorrelationId,
    Timestamp,
}

impl HashOn {
    fn of(arguments: &FieldTable) -> Result<Self, Reply> {
        let refused = |text: &str| Err(Reply::precondition_failed(text).at(40, 10));
        let header = string(arguments, HEADER)?;
        let property = string(arguments, PROPERTY)?;
        match (header, property) {
            (Some(_), Some(_)) => refused("hash-header and hash-property are mutually exclusive"),
            (Some(name), None) => Ok(Self::Header(name.into())),
            (None, None) => Ok(Self::RoutingKey),
            (None, Some(b"message_id")) => Ok(Self::MessageId),
            (None, Some(b"correlation_id")) => Ok(Self::CorrelationId),
            (None, Some(b"timestamp")) => Ok(Self::Timestamp),
            (None, Some(other)) => refused(&format!(
                "Unsupported property: {}",
                String::from_utf8_lossy(other)
            )),
        }
    }

    /// The number of a message. Those that lack what is asked for share one.
    fn number(&self, message: &Envelope<'_>) -> u64 {
        let properties = message.properties;
        let bytes = match self {
            Self::RoutingKey => Some(message.routing_key),
            Self::Header(name) => return header(properties, name),
            Self::MessageId => properties.message_id(),
            Self::CorrelationId => properties.correlation_id(),
            Self::Timestamp => return properties.timestamp().map_or(0, spread),
        };
        bytes.map_or(0, hash)
    }
}

/// Integers count by value, whatever their type; all else by its bytes.
fn header(properties: Properties<'_>, name: &[u8]) -> u64 {
    let Some(raw) = properties.headers() else {
        return 0;
    };
    let found = table::Table(raw).fields().find(|field| field.name == name);
    match found {
        None => 0,
        Some(field) => match (field.value.integer(), field.value) {
            (Some(number), _) => spread(number as u64),
            (None, Value::LongString(bytes)) => hash(bytes),
            (None, _) => hash(field.raw),
        },
    }
}

fn string<'a>(arguments: &'a FieldTable, key: &str) -> Result<Option<&'a [u8]>, Reply> {
    match arguments.inner().get(key) {
        None => Ok(None),
        Some(AMQPValue::LongString(text)) => Ok(Some(text.as_bytes())),
        Some(AMQPValue::ShortString(text)) => Ok(Some(text.as_str().as_bytes())),
        Some(other) => {
            // RabbitMQ's plugin crashes on these.
            let text = format!("{key} must be a string, not {}", table::type_name(other));
            Err(Reply::precondition_failed(&text).at(40, 10))
        }
    }
}

/// A weight as Erlang's `list_to_integer` reads it; beyond 64 bits it is no heavier.
fn weight(key: &[u8]) -> Result<u64, Reply> {
    let (negative, digits) = match key {
        [b'-', digits @ ..] => (true, digits),
        [b'+', digits @ ..] | digits => (false, digits),
    };
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        let text = format!(
            "The binding key must be an integer: {}",
            erlang::binary(key)
        );
        return Err(Reply::precondition_failed(&text));
    }
    let number = digits.iter().fold(0u64, |number, digit| {
        number
            .saturating_mul(10)
            .saturating_add(u64::from(digit - b'0'))
    });
    if negative || number == 0 {
        let text = "The binding key must be greater than 0";
        return Err(Reply::precondition_failed(text));
    }
    Ok(number)
}

/// Matcher of the consistent hash exchange.
#[derive(Debug)]
pub struct ConsistentHash<T> {
    on: HashOn,
    /// In the order of their numbers, so that equal draws end the same way whatever the order of binding was.
    targets: Vec<Weighted<T>>,
}

#[derive(Debug)]
struct Weighted<T> {
    number: u64,
    target: T,
    /// Of each of its bindings; the first counts, as in RabbitMQ.
    weights: SmallVec<[u64; 1]>,
}

impl<T> ExchangeKind for ConsistentHash<T> {
    fn check_declare(arguments: &FieldTable) -> Result<(), Reply> {
        HashOn::of(arguments).map(drop)
    }

    fn check_binding(key: &[u8], _arguments: &FieldTable) -> Result<(), Reply> {
        weight(key).map(drop)
    }
}

impl<T> Default for ConsistentHash<T> {
    fn default() -> Self {
        Self {
            on: HashOn::RoutingKey,
            targets: Vec::new(),
        }
    }
}

impl<T: Eq> ConsistentHash<T> {
    fn place(&self, number: u64, target: &T) -> Result<usize, usize> {
        let from = self.targets.partition_point(|known| known.number < number);
        self.targets[from..]
            .iter()
            .take_while(|known| known.number == number)
            .position(|known| known.target == *target)
            .map_or(Err(from), |at| Ok(from + at))
    }
}

impl<T: Clone + Eq + Hash + Stable + Send + Sync> Matcher<T> for ConsistentHash<T> {
    fn configure(&mut self, arguments: &FieldTable) {
        self.on = HashOn::of(arguments).unwrap_or(HashOn::RoutingKey);
    }

    fn bind(&mut self, key: &[u8], _arguments: &FieldTable, target: T) {
        let Ok(weight) = weight(key) else {
            return;
        };
        let number = target.stable();
        match self.place(number, &target) {
            Ok(at) => self.targets[at].weights.push(weight),
            Err(at) => {
                let weights = SmallVec::from_elem(weight, 1);
                self.targets.insert(
                    at,
                    Weighted {
                        number,
                        target,
                        weights,
                    },
                );
            }
        }
    }

    fn unbind(&mut self, key: &[u8], _arguments: &FieldTable, target: &T) {
        let (Ok(weight), Ok(at)) = (weight(key), self.place(target.stable(), target)) else {
            return;
        };
        let weights = &mut self.targets[at].weights;
        if let Some(place) = weights.iter().position(|known| *known == weight) {
            weights.remove(place);
        }
        if weights.is_empty() {
            self.targets.remove(at);
        }
    }

    fn route(&self, message: &Envelope<'_>, targets: &mut Vec<T>) {
        if !message.first {
            return;
        }
        let number = self.on.number(message);
        let best = self
            .targets
            .iter()
            .map(|known| (draw(number, known.number, known.weights[0]), known))
            .max_by(|a, b| a.0.total_cmp(&b.0));
        targets.extend(best.map(|(_, known)| known.target.clone()));
    }

    fn depends(&self) -> Depends {
        match self.on {
            HashOn::RoutingKey => Depends::RoutingKey,
            _ => Depends::Message,
        }
    }
}

/// What a target draws for a message: the highest of numbers drawn so is each one's with a chance in proportion to its weight.
fn draw(message: u64, target: u64, weight: u64) -> f64 {
    const ONE: f64 = (1u64 << 53) as f64;
    let even = ((spread(message ^ target) >> 11) as f64 + 0.5) / ONE;
    weight as f64 / -even.ln()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::super::tests::{arguments, envelope, routed};
    use super::*;
    use crate::wire::properties::PropertiesBuilder;

    fn with(weights: &[(u8, &str)]) -> ConsistentHash<u8> {
        let mut matcher = ConsistentHash::default();
        for (target, weight) in weights {
            matcher.bind(weight.as_bytes(), &FieldTable::default(), *target);
        }
        matcher
    }

    fn of_keys(matcher: &ConsistentHash<u8>, keys: u32) -> Vec<u8> {
        (0..keys)
            .map(|key| {
                let found = routed(matcher, format!("key.{key}").as_bytes());
                assert_eq!(found.len(), 1, "exactly one target");
                found[0]
            })
            .collect()
    }

    #[test]
    fn targets_get_keys_by_their_weights() {
        let found = of_keys(&with(&[(1, "1"), (2, "2"), (3, "7")]), 20_000);
        let mut counts: BTreeMap<u8, i32> = BTreeMap::new();
        for target in found {
            *counts.entry(target).or_default() += 1;
        }
        for (target, expected) in [(1, 2000), (2, 4000), (3, 14_000)] {
            let off = (counts[&target] - expected).abs();
            assert!(off < 300, "{counts:?}");
        }
    }

    #[test]
    fn a_change_moves_only_the_keys_it_must() {
        let before = of_keys(&with(&[(1, "1"), (2, "1"), (3, "1")]), 3000);
        let more = of_keys(&with(&[(3, "1"), (4, "1"), (1, "1"), (2, "1")]), 3000);
        let moved = before.iter().zip(&more).filter(|(a, b)| a != b);
        assert!(moved.clone().all(|(_, to)| *to == 4), "only to the new one");
        assert!((600..900).contains(&moved.count()));
        let less = of_keys(&with(&[(1, "1"), (3, "1")]), 3000);
        let moved = before.iter().zip(&less).filter(|(a, b)| a != b);
        assert!(
            moved.clone().all(|(from, _)| *from == 2),
            "only of the one that went"
        );
    }

    #[test]
    fn the_first_binding_of_a_target_decides_its_weight() {
        let none = FieldTable::default();
        let mut matcher = with(&[(1, "1"), (2, "1")]);
        let before = of_keys(&matcher, 500);
        matcher.bind(b"1000", &none, 1);
        assert_eq!(of_keys(&matcher, 500), before);
        matcher.unbind(b"1", &none, &1);
        assert!(of_keys(&matcher, 500).iter().filter(|to| **to == 1).count() > 480);
        matcher.unbind(b"1000", &none, &1);
        assert!(of_keys(&matcher, 500).iter().all(|to| *to == 2));
        matcher.unbind(b"1", &none, &2);
        assert!(routed(&matcher, b"k").is_empty());
    }

    #[test]
    fn weights_are_integers_above_zero() {
        for good in ["1", "+5", "007", "99999999999999999999999999"] {
            assert!(weight(good.as_bytes()).is_ok(), "{good}");
        }
        for (bad, text) in [
            ("0", "The binding key must be greater than 0"),
            ("-3", "The binding key must be greater than 0"),
            ("a", "The binding key must be an integer: <<\"a\">>"),
            ("1.5", "The binding key must be an integer: <<\"1.5\">>"),
            ("", "The binding key must be an integer: <<>>"),
            ("+", "The binding key must be an integer: <<\"+\">>"),
        ] {
            let reply = weight(bad.as_bytes()).unwrap_err();
            assert_eq!(reply.code, 406);
            assert_eq!(reply.text, format!("PRECONDITION_FAILED - {text}"));
        }
    }

    #[test]
    fn what_is_hashed_is_said_by_the_arguments() {
        let check = <ConsistentHash<u8> as ExchangeKind>::check_declare;
        for name in ["message_id", "correlation_id", "timestamp"] {
            assert!(check(&arguments(&[("hash-property", name)])).is_ok());
        }
        for (bad, text) in [
            (
                arguments(&[("hash-property", "zz")]),
                "Unsupported property: zz",
            ),
            (
                arguments(&[("hash-property", "zz"), ("hash-header", "h")]),
                "hash-header and hash-property are mutually exclusive",
            ),
        ] {
            let reply = check(&bad).unwrap_err();
            assert_eq!(reply.text, format!("PRECONDITION_FAILED - {text}"));
        }
    }

    #[test]
    fn a_property_decides_whatever_the_key() {
        let mut matcher = with(&[(1, "1"), (2, "1"), (3, "1")]);
        matcher.configure(&arguments(&[("hash-property", "message_id")]));
        assert_eq!(matcher.depends(), Depends::Message);
        let mut seen = std::collections::BTreeSet::new();
        for id in 0..50 {
            let id = id.to_string();
            let block = PropertiesBuilder {
                message_id: Some(id.as_bytes()),
                ..PropertiesBuilder::default()
            }
            .build();
            let find = |key: &[u8]| {
                let mut targets = Vec::new();
                matcher.route(&envelope(key, &block), &mut targets);
                targets
            };
            assert_eq!(find(b"a"), find(b"b"));
            seen.extend(find(b"a"));
        }
        assert_eq!(seen.len(), 3);
    }
}
