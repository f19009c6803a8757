//! JSON to AMQP values and back, as RabbitMQ's HTTP API and definitions have them, and JSON as Erlang prints it in texts.

use amq_protocol::types::{AMQPValue, FieldArray, FieldTable, LongString, ShortString};
use serde_json::{Map, Number, Value};

use crate::wire::limits::{SHORT_STRING_BYTES_MAX, TABLE_DEPTH_MAX};

/// Bytes of a parameter's or a policy's JSON.
pub const VALUE_BYTES_MAX: usize = 1 << 20;

/// A table of arguments: integers become `long`, texts `longstr`, as RabbitMQ has it.
///
/// # Errors
/// A name longer than an AMQP table can have, or too many levels.
pub fn to_table(fields: &Map<String, Value>) -> Result<FieldTable, String> {
    table(fields, 1)
}

fn table(fields: &Map<String, Value>, depth: usize) -> Result<FieldTable, String> {
    if depth >= TABLE_DEPTH_MAX {
        return Err(format!("nested deeper than {TABLE_DEPTH_MAX} levels"));
    }
    let mut table = FieldTable::default();
    for (name, value) in fields {
        if name.len() > SHORT_STRING_BYTES_MAX {
            return Err(format!(
                "a name is longer than {SHORT_STRING_BYTES_MAX} bytes"
            ));
        }
        table.insert(ShortString::from(name.as_str()), amqp(value, depth)?);
    }
    Ok(table)
}

fn amqp(value: &Value, depth: usize) -> Result<AMQPValue, String> {
    if depth >= TABLE_DEPTH_MAX {
        return Err(format!("nested deeper than {TABLE_DEPTH_MAX} levels"));
    }
    Ok(match value {
        Value::Null => AMQPValue::Void,
        Value::Bool(flag) => AMQPValue::Boolean(*flag),
        Value::Number(number) => match number.as_i64() {
            Some(number) => AMQPValue::LongLongInt(number),
            None => AMQPValue::Double(number.as_f64().unwrap_or_default()),
        },
        Value::String(text) => AMQPValue::LongString(LongString::from(text.as_str())),
        Value::Array(items) => {
            let items: Result<Vec<_>, _> = items.iter().map(|item| amqp(item, depth + 1)).collect();
            AMQPValue::FieldArray(FieldArray::from(items?))
        }
        Value::Object(fields) => AMQPValue::FieldTable(table(fields, depth + 1)?),
    })
}

/// Arguments as JSON.
pub fn of_table(table: &FieldTable) -> Map<String, Value> {
    table
        .into_iter()
        .map(|(name, value)| (name.as_str().to_owned(), of_amqp(value)))
        .collect()
}

/// A value as JSON. Bytes that are no text are shown as well as may be.
pub fn of_amqp(value: &AMQPValue) -> Value {
    let text = |bytes: &[u8]| Value::String(String::from_utf8_lossy(bytes).into_owned());
    let float = |number: f64| Number::from_f64(number).map_or(Value::Null, Value::Number);
    match value {
        AMQPValue::Boolean(v) => Value::Bool(*v),
        AMQPValue::ShortShortInt(v) => (*v).into(),
        AMQPValue::ShortShortUInt(v) => (*v).into(),
        AMQPValue::ShortInt(v) => (*v).into(),
        AMQPValue::ShortUInt(v) => (*v).into(),
        AMQPValue::LongInt(v) => (*v).into(),
        AMQPValue::LongUInt(v) => (*v).into(),
        AMQPValue::LongLongInt(v) => (*v).into(),
        AMQPValue::Timestamp(v) => (*v).into(),
        AMQPValue::Float(v) => float(f64::from(*v)),
        AMQPValue::Double(v) => float(*v),
        AMQPValue::DecimalValue(v) => float(f64::from(v.value) / 10f64.powi(i32::from(v.scale))),
        AMQPValue::ShortString(v) => text(v.as_str().as_bytes()),
        AMQPValue::LongString(v) => text(v.as_bytes()),
        AMQPValue::ByteArray(v) => text(v.as_slice()),
        AMQPValue::FieldArray(items) => items.as_slice().iter().map(of_amqp).collect(),
        AMQPValue::FieldTable(table) => Value::Object(of_table(table)),
        AMQPValue::Void => Value::Null,
    }
}

/// Whether a value is small enough to be kept.
pub fn check_value(value: &Value) -> Result<(), String> {
    if value.to_string().len() > VALUE_BYTES_MAX {
        return Err(format!("value is longer than {VALUE_BYTES_MAX} bytes"));
    }
    Ok(())
}

/// A value as Erlang prints it in RabbitMQ's texts.
pub fn printed(value: &Value) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::Bool(flag) => flag.to_string(),
        Value::Number(number) => number.to_string(),
        Value::String(text) => binary(text),
        Value::Array(items) => {
            let items: Vec<String> = items.iter().map(printed).collect();
            format!("[{}]", items.join(","))
        }
        Value::Object(fields) => {
            let fields: Vec<String> = fields
                .iter()
                .map(|(name, value)| format!("{} => {}", binary(name), printed(value)))
                .collect();
            format!("#{{{}}}", fields.join(","))
        }
    }
}

/// The fields of an object as Erlang prints a property list.
pub fn proplist(fields: &Map<String, Value>) -> String {
    let fields: Vec<String> = fields
        .iter()
        .map(|(name, value)| format!("{{{},{}}}", binary(name), printed(value)))
        .collect();
    format!("[{}]", fields.join(","))
}

fn binary(text: &str) -> String {
    crate::wire::erlang::binary(text.as_bytes())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn integers_become_long_and_everything_comes_back() {
        let value = json!({"a": 1, "b": "x", "c": true, "d": 1.5, "e": [1, {"f": null}], "g": -1});
        let Value::Object(fields) = &value else {
            unreachable!("it is an object")
        };
        let table = to_table(fields).unwrap();
        assert_eq!(table.inner().get("a"), Some(&AMQPValue::LongLongInt(1)));
        assert_eq!(Value::Object(of_table(&table)), value);
    }

    #[test]
    fn what_no_table_can_hold_is_refused() {
        let mut deep = json!(1);
        for _ in 0..TABLE_DEPTH_MAX {
            deep = json!({ "x": deep });
        }
        let Value::Object(fields) = deep else {
            unreachable!("it is an object")
        };
        assert!(to_table(&fields).is_err());
        let long = Map::from_iter([("x".repeat(256), json!(1))]);
        assert!(to_table(&long).is_err());
    }

    #[test]
    fn values_print_as_erlang_prints_them() {
        let value = json!([1, {"a": true}]);
        assert_eq!(printed(&value), "[1,#{<<\"a\">> => true}]");
        let fields = Map::from_iter([("bogus".to_owned(), json!("x"))]);
        assert_eq!(proplist(&fields), "[{<<\"bogus\">>,<<\"x\">>}]");
    }
}
