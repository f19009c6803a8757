//! AMQP values as JSON and back, RabbitMQ's way, and the query of a URL.

use amq_protocol::types::{AMQPValue, FieldArray, FieldTable};
use base64::Engine;
use serde_json::{Map, Value};

use super::Refusal;

/// A table as an object.
pub fn from_table(table: &FieldTable) -> Value {
    let fields = table.inner().iter();
    Value::Object(
        fields
            .map(|(name, value)| (name.to_string(), from_value(value)))
            .collect(),
    )
}

/// A value. Texts that are not UTF-8 are shown as far as they are; byte arrays in base64.
pub fn from_value(value: &AMQPValue) -> Value {
    match value {
        AMQPValue::Boolean(value) => (*value).into(),
        AMQPValue::ShortShortInt(value) => (*value).into(),
        AMQPValue::ShortShortUInt(value) => (*value).into(),
        AMQPValue::ShortInt(value) => (*value).into(),
        AMQPValue::ShortUInt(value) => (*value).into(),
        AMQPValue::LongInt(value) => (*value).into(),
        AMQPValue::LongUInt(value) => (*value).into(),
        AMQPValue::LongLongInt(value) => (*value).into(),
        AMQPValue::Float(value) => f64::from(*value).into(),
        AMQPValue::Double(value) => (*value).into(),
        AMQPValue::DecimalValue(value) => {
            let scale = 10f64.powi(i32::from(value.scale));
            (f64::from(value.value) / scale).into()
        }
        AMQPValue::ShortString(text) => text.as_str().into(),
        AMQPValue::LongString(text) => String::from_utf8_lossy(text.as_bytes()).into(),
        AMQPValue::FieldArray(array) => array.as_slice().iter().map(from_value).collect(),
        AMQPValue::Timestamp(seconds) => (*seconds).into(),
        AMQPValue::FieldTable(table) => from_table(table),
        AMQPValue::ByteArray(bytes) => base64::prelude::BASE64_STANDARD
            .encode(bytes.as_slice())
            .into(),
        AMQPValue::Void => Value::Null,
    }
}

/// The arguments of a declare or of a binding. Whole numbers become `long`, texts `longstr`.
pub fn arguments(object: &Map<String, Value>) -> Result<FieldTable, Refusal> {
    match object.get("arguments") {
        None | Some(Value::Null) => Ok(FieldTable::default()),
        Some(Value::Object(fields)) => to_table(fields),
        // What PHP makes of an empty object.
        Some(Value::Array(items)) if items.is_empty() => Ok(FieldTable::default()),
        Some(_) => Err(Refusal::bad("arguments is not an object")),
    }
}

/// An object as a table.
pub fn to_table(object: &Map<String, Value>) -> Result<FieldTable, Refusal> {
    let mut table = FieldTable::default();
    for (name, value) in object {
        let name = short(name)?;
        table.insert(name.into(), to_value(value)?);
    }
    Ok(table)
}

/// A name that AMQP can carry.
pub fn short(name: &str) -> Result<&str, Refusal> {
    if name.len() > 255 {
        return Err(Refusal::bad(format!(
            "a name is longer than 255 bytes: {}...",
            name.chars().take(32).collect::<String>()
        )));
    }
    Ok(name)
}

/// A value as a table has it.
pub fn to_value(value: &Value) -> Result<AMQPValue, Refusal> {
    Ok(match value {
        Value::Null => AMQPValue::Void,
        Value::Bool(value) => AMQPValue::Boolean(*value),
        Value::Number(number) => match (number.as_i64(), number.as_f64()) {
            (Some(whole), _) => AMQPValue::LongLongInt(whole),
            (None, Some(float)) if number.is_f64() => AMQPValue::Double(float),
            _ => return Err(Refusal::bad(format!("the number {number} is too large"))),
        },
        Value::String(text) => AMQPValue::LongString(text.as_str().into()),
        Value::Array(items) => {
            let mut array = FieldArray::default();
            for item in items {
                array.push(to_value(item)?);
            }
            AMQPValue::FieldArray(array)
        }
        Value::Object(object) => AMQPValue::FieldTable(to_table(object)?),
    })
}

/// The fields of a URL's query, decoded.
pub fn query(text: &str) -> Vec<(String, String)> {
    let fields = text.split('&').filter(|field| !field.is_empty());
    fields
        .map(|field| {
            let (name, value) = field.split_once('=').unwrap_or((field, ""));
            (decoded(name), decoded(value))
        })
        .collect()
}

fn decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        rest = after;
        let hex = after.get(..2).and_then(|two| std::str::from_utf8(two).ok());
        let byte = hex.and_then(|two| u8::from_str_radix(two, 16).ok());
        match (first, byte) {
            (b'%', Some(byte)) => {
                bytes.push(byte);
                rest = &after[2..];
            }
            (b'+', _) => bytes.push(b' '),
            (other, _) => bytes.push(*other),
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// A name as a segment of a path: everything but letters, digits and `-._~` is escaped.
pub fn encoded(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                out.push(char::from(byte));
            }
            other => out.push_str(&format!("%{other:02X}")),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn queries_are_decoded() {
        let pairs = query("a=b%2Fc+d&flag&%zz=%4");
        let expected = [("a", "b/c d"), ("flag", ""), ("%zz", "%4")];
        let expected: Vec<_> = expected
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into();
        assert_eq!(pairs, expected);
        assert_eq!(encoded("a/b é~"), "a%2Fb%20%C3%A9~");
    }

    #[test]
    fn arguments_go_there_and_back() {
        let value =
            json!({"x": 1, "y": "text", "z": [true, null, 1.5], "t": {"deep": -9_000_000_000i64}});
        let object = value.as_object().unwrap();
        assert_eq!(from_table(&to_table(object).unwrap()), value);
        let large = json!({ "x": u64::MAX });
        assert!(to_table(large.as_object().unwrap()).is_err());
    }
}
