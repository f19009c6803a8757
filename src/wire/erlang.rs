//! Values as RabbitMQ's texts print them: Erlang terms (`<<0,60>>`, `<<"foo">>`, `[{longstr,<<"a">>}]`). Only for reply
//! texts, which clients and their tests compare; nothing here is parsed back.

use std::borrow::Cow;
use std::fmt::Write;

use amq_protocol::types::{AMQPValue, FieldArray, FieldTable};

use super::table::type_name;

/// Bytes as Erlang's `~w` prints a binary: always numbers, `<<0,60,0,40>>`.
pub fn numbers(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() * 4 + 4);
    text.push_str("<<");
    for (at, byte) in bytes.iter().enumerate() {
        let comma = if at == 0 { "" } else { "," };
        // Writing into a String cannot fail.
        let _ = write!(text, "{comma}{byte}");
    }
    text.push_str(">>");
    text
}

/// Bytes as Erlang's `~p` prints a binary: `<<"foo">>` when every character is printable, numbers otherwise.
pub fn binary(bytes: &[u8]) -> String {
    let printable = |c: char| matches!(c, '\u{8}'..='\u{d}' | '\u{1b}' | ' '..='~' | '\u{a0}'..);
    match std::str::from_utf8(bytes) {
        Ok(text) if !text.is_empty() && text.chars().all(printable) => {
            let mut quoted = String::with_capacity(text.len() + 6);
            quoted.push_str("<<\"");
            for c in text.chars() {
                match c {
                    '"' => quoted.push_str("\\\""),
                    '\\' => quoted.push_str("\\\\"),
                    '\u{8}' => quoted.push_str("\\b"),
                    '\t' => quoted.push_str("\\t"),
                    '\n' => quoted.push_str("\\n"),
                    '\u{b}' => quoted.push_str("\\v"),
                    '\u{c}' => quoted.push_str("\\f"),
                    '\r' => quoted.push_str("\\r"),
                    '\u{1b}' => quoted.push_str("\\e"),
                    c => quoted.push(c),
                }
            }
            quoted.push_str(if text.is_ascii() { "\">>" } else { "\"/utf8>>" });
            quoted
        }
        _ => numbers(bytes),
    }
}

/// A name as Erlang's `~p` prints an atom: in quotes unless it is a lower-case word, so `direct` but `'x-random'`.
pub fn atom(name: &str) -> Cow<'_, str> {
    let bare = name.starts_with(|c: char| c.is_ascii_lowercase())
        && name
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '@'));
    match bare {
        true => Cow::Borrowed(name),
        false => Cow::Owned(format!("'{name}'")),
    }
}

/// An argument's value as the inequivalence texts print it: strings bare (`~ts`), all else as a term (`~tp`).
pub fn plain(value: &AMQPValue) -> String {
    match value {
        AMQPValue::LongString(text) => String::from_utf8_lossy(text.as_bytes()).into_owned(),
        AMQPValue::ShortString(text) => text.as_str().to_owned(),
        AMQPValue::ByteArray(bytes) => String::from_utf8_lossy(bytes.as_slice()).into_owned(),
        other => term(other),
    }
}

/// An argument's value as an Erlang term (`~tp`), without its type.
pub fn term(value: &AMQPValue) -> String {
    match value {
        AMQPValue::Boolean(v) => v.to_string(),
        AMQPValue::ShortShortInt(v) => v.to_string(),
        AMQPValue::ShortShortUInt(v) => v.to_string(),
        AMQPValue::ShortInt(v) => v.to_string(),
        AMQPValue::ShortUInt(v) => v.to_string(),
        AMQPValue::LongInt(v) => v.to_string(),
        AMQPValue::LongUInt(v) => v.to_string(),
        AMQPValue::LongLongInt(v) => v.to_string(),
        AMQPValue::Timestamp(v) => v.to_string(),
        AMQPValue::Float(v) => format!("{:?}", f64::from(*v)),
        AMQPValue::Double(v) => format!("{v:?}"),
        AMQPValue::DecimalValue(v) => format!("{{{},{}}}", v.scale, v.value),
        AMQPValue::ShortString(v) => binary(v.as_str().as_bytes()),
        AMQPValue::LongString(v) => binary(v.as_bytes()),
        AMQPValue::ByteArray(v) => binary(v.as_slice()),
        AMQPValue::FieldArray(v) => array(v),
        AMQPValue::FieldTable(v) => table(v),
        AMQPValue::Void => "undefined".to_owned(),
    }
}

fn array(values: &FieldArray) -> String {
    let items: Vec<String> = values
        .as_slice()
        .iter()
        .map(|value| format!("{{{},{}}}", type_name(value), term(value)))
        .collect();
    format!("[{}]", items.join(","))
}

fn table(fields: &FieldTable) -> String {
    let items: Vec<String> = fields
        .into_iter()
        .map(|(name, value)| {
            let name = binary(name.as_str().as_bytes());
            format!("{{{name},{},{}}}", type_name(value), term(value))
        })
        .collect();
    format!("[{}]", items.join(","))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn binaries_print_as_rabbitmq_prints_them() {
        assert_eq!(numbers(&[]), "<<>>");
        assert_eq!(numbers(&[0, 60, 255]), "<<0,60,255>>");
        assert_eq!(binary(b""), "<<>>");
        assert_eq!(binary(b"foo"), "<<\"foo\">>");
        assert_eq!(binary(b"a\"b\n"), "<<\"a\\\"b\\n\">>");
        assert_eq!(binary("é".as_bytes()), "<<\"é\"/utf8>>");
        assert_eq!(binary(&[0, 60, 0, 60]), "<<0,60,0,60>>");
    }

    #[test]
    fn atoms_are_quoted_unless_they_are_words() {
        assert_eq!(atom("direct"), "direct");
        assert_eq!(atom("x-random"), "'x-random'");
        assert_eq!(atom(""), "''");
    }

    #[test]
    fn arguments_print_strings_bare_and_arrays_as_terms() {
        let array = AMQPValue::FieldArray(vec![AMQPValue::LongString("a".into())].into());
        assert_eq!(plain(&array), "[{longstr,<<\"a\">>}]");
        assert_eq!(plain(&AMQPValue::LongString("a".into())), "a");
        assert_eq!(plain(&AMQPValue::Double(1.0)), "1.0");
        assert_eq!(plain(&AMQPValue::Boolean(true)), "true");
        let mut table = FieldTable::default();
        table.insert("k".into(), AMQPValue::LongInt(1));
        assert_eq!(
            plain(&AMQPValue::FieldTable(table)),
            "[{<<\"k\">>,signedint,1}]"
        );
    }
}
