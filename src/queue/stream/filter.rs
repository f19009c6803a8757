//! `x-stream-filter`: which messages of a stream a consumer wants, by the value that publishers gave them.
//!
//! RabbitMQ asks a Bloom filter for each chunk, so that its consumers get messages that they did not ask for and must look again.
//! Here every message is looked at: a consumer gets what it asked for and nothing else.

use std::sync::Arc;

use amq_protocol::types::{AMQPValue, FieldTable};

use crate::message::Message;
use crate::wire::properties::Properties;
use crate::wire::table::Value;

/// The header by which publishers give a message its value.
const HEADER: &[u8] = b"x-stream-filter-value";
/// The consumer's arguments.
pub const VALUES: &str = "x-stream-filter";
/// Whether messages without a value are wanted, too.
pub const UNFILTERED: &str = "x-stream-match-unfiltered";

/// See the module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Filter {
    /// Sorted.
    values: Vec<Arc<[u8]>>,
    unfiltered: bool,
}

impl Filter {
    /// What a consumer asks for; `None` is everything. What is neither a string nor a list is passed over, and so is what is no
    /// string in a list, as in RabbitMQ. The error says what is wrong with a list that has none.
    pub fn of(arguments: &FieldTable) -> Result<Option<Self>, String> {
        let text = |value: &AMQPValue| match value {
            AMQPValue::LongString(text) => Some(Arc::from(text.as_bytes())),
            _ => None,
        };
        let mut values: Vec<Arc<[u8]>> = match arguments.inner().get(VALUES) {
            None => return Ok(None),
            Some(AMQPValue::FieldArray(all)) => all.as_slice().iter().filter_map(text).collect(),
            Some(one) => match text(one) {
                Some(one) => vec![one],
                None => return Ok(None),
            },
        };
        if values.is_empty() {
            return Err("\"expected at least one string\"".to_owned());
        }
        values.sort();
        // An empty value is none.
        let unfiltered = arguments.inner().get(UNFILTERED) == Some(&AMQPValue::Boolean(true))
            || values.first().is_some_and(|first| first.is_empty());
        Ok(Some(Self { values, unfiltered }))
    }

    /// Whether the consumer wants it.
    pub fn accepts(&self, message: &Message) -> bool {
        match Properties::new(message.properties()).header(HEADER) {
            Some(Value::LongString(value)) if !value.is_empty() => self
                .values
                .binary_search_by(|one| one[..].cmp(value))
                .is_ok(),
            _ => self.unfiltered,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::properties::PropertiesBuilder;
    use crate::wire::table::write_name;

    fn message(value: Option<&str>) -> Message {
        let mut headers = Vec::new();
        if let Some(value) = value {
            write_name(&mut headers, HEADER);
            headers.push(b'S');
            headers.extend_from_slice(&(value.len() as u32).to_be_bytes());
            headers.extend_from_slice(value.as_bytes());
        }
        let properties = PropertiesBuilder {
            headers: Some(&headers),
            ..PropertiesBuilder::default()
        };
        Message::new(b"", b"q", &properties.build(), b"x")
    }

    fn filter(values: AMQPValue, unfiltered: bool) -> Result<Option<Filter>, String> {
        let mut arguments = FieldTable::default();
        arguments.insert(VALUES.into(), values);
        arguments.insert(UNFILTERED.into(), AMQPValue::Boolean(unfiltered));
        Filter::of(&arguments)
    }

    #[test]
    fn only_what_was_asked_for_is_accepted() {
        let one = filter(AMQPValue::LongString("b".into()), false)
            .unwrap()
            .unwrap();
        assert!(one.accepts(&message(Some("b"))));
        assert!(!one.accepts(&message(Some("a"))) && !one.accepts(&message(None)));
        let array = vec![
            AMQPValue::LongString("c".into()),
            AMQPValue::LongInt(5),
            AMQPValue::LongString("a".into()),
        ];
        let some = filter(AMQPValue::FieldArray(array.into()), true)
            .unwrap()
            .unwrap();
        assert!(some.accepts(&message(Some("a"))) && some.accepts(&message(Some("c"))));
        assert!(some.accepts(&message(None)) && !some.accepts(&message(Some("b"))));
        assert!(some.accepts(&message(Some(""))));
        let none = filter(AMQPValue::LongString("".into()), false)
            .unwrap()
            .unwrap();
        assert!(none.accepts(&message(None)) && none.accepts(&message(Some(""))));
        assert!(!none.accepts(&message(Some("a"))));
    }

    #[test]
    fn what_is_no_string_is_no_filter() {
        assert_eq!(filter(AMQPValue::LongInt(5), false), Ok(None));
        assert_eq!(Filter::of(&FieldTable::default()), Ok(None));
        for list in [vec![], vec![AMQPValue::LongInt(5)]] {
            assert!(filter(AMQPValue::FieldArray(list.into()), true).is_err());
        }
    }
}
