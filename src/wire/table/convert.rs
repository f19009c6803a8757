//! Raw tables to the library's `FieldTable` and back, and RabbitMQ's notion of equal arguments. For arguments of declares,
//! binds and consumes; never on the way of a message.

use amq_protocol::types::{AMQPValue, DecimalValue, FieldArray, FieldTable, ShortString};

use super::{Fault, Table, Value, check, close, open_array, open_table, write, write_name};

/// Copies a raw table. Of two fields with one name the first counts, as in RabbitMQ's look-ups.
///
/// # Errors
/// Bad structure, too deep, unknown type, or a name that is not UTF-8.
pub fn to_field_table(raw: &[u8]) -> Result<FieldTable, Fault> {
    check(raw, true)?;
    Ok(table(Table(raw)))
}

/// Copies one value; nested bytes should have been checked.
pub fn to_value(value: &Value<'_>) -> AMQPValue {
    match *value {
        Value::Bool(v) => AMQPValue::Boolean(v),
        Value::I8(v) => AMQPValue::ShortShortInt(v),
        Value::U8(v) => AMQPValue::ShortShortUInt(v),
        Value::I16(v) => AMQPValue::ShortInt(v),
        Value::U16(v) => AMQPValue::ShortUInt(v),
        Value::I32(v) => AMQPValue::LongInt(v),
        Value::U32(v) => AMQPValue::LongUInt(v),
        Value::I64(v) => AMQPValue::LongLongInt(v),
        Value::F32(v) => AMQPValue::Float(v),
        Value::F64(v) => AMQPValue::Double(v),
        Value::Decimal { scale, value } => AMQPValue::DecimalValue(DecimalValue { scale, value }),
        Value::LongString(bytes) => AMQPValue::LongString(bytes.into()),
        Value::Bytes(bytes) => AMQPValue::ByteArray(bytes.into()),
        Value::Timestamp(v) => AMQPValue::Timestamp(v),
        Value::Array(items) => {
            let items: Vec<AMQPValue> = items.iter().map(|item| to_value(&item)).collect();
            AMQPValue::FieldArray(FieldArray::from(items))
        }
        Value::Table(nested) => AMQPValue::FieldTable(table(nested)),
        Value::Void => AMQPValue::Void,
    }
}

/// The recursion ends at the depth that `check` allowed.
fn table(raw: Table<'_>) -> FieldTable {
    let mut table = FieldTable::default();
    for (name, value) in raw.iter() {
        let Ok(name) = std::str::from_utf8(name) else {
            continue;
        };
        if !table.contains_key(name) {
            table.insert(ShortString::from(name), to_value(&value));
        }
    }
    table
}

/// The raw payload of a table.
pub fn from_field_table(table: &FieldTable) -> Vec<u8> {
    let mut out = Vec::new();
    write_fields(&mut out, table);
    out
}

/// Appends all fields of a table.
pub fn write_fields(out: &mut Vec<u8>, table: &FieldTable) {
    for (name, value) in table {
        write_name(out, name.as_str().as_bytes());
        write_value(out, value);
    }
}

/// Appends one value, type octet first. The library's ShortString has no type of its own on the wire: written as `S`.
pub fn write_value(out: &mut Vec<u8>, value: &AMQPValue) {
    fn put<const N: usize>(out: &mut Vec<u8>, kind: u8, bytes: [u8; N]) {
        out.push(kind);
        out.extend_from_slice(&bytes);
    }
    match value {
        AMQPValue::Boolean(v) => write::write_bool(out, *v),
        AMQPValue::ShortShortInt(v) => put(out, b'b', v.to_be_bytes()),
        AMQPValue::ShortShortUInt(v) => put(out, b'B', v.to_be_bytes()),
        AMQPValue::ShortInt(v) => put(out, b's', v.to_be_bytes()),
        AMQPValue::ShortUInt(v) => put(out, b'u', v.to_be_bytes()),
        AMQPValue::LongInt(v) => write::write_i32(out, *v),
        AMQPValue::LongUInt(v) => put(out, b'i', v.to_be_bytes()),
        AMQPValue::LongLongInt(v) => write::write_i64(out, *v),
        AMQPValue::Float(v) => put(out, b'f', v.to_be_bytes()),
        AMQPValue::Double(v) => put(out, b'd', v.to_be_bytes()),
        AMQPValue::DecimalValue(v) => {
            put(out, b'D', [v.scale]);
            out.extend_from_slice(&v.value.to_be_bytes());
        }
        AMQPValue::ShortString(v) => write::write_long_string(out, v.as_str().as_bytes()),
        AMQPValue::LongString(v) => write::write_long_string(out, v.as_bytes()),
        AMQPValue::ByteArray(v) => {
            put(out, b'x', (v.len() as u32).to_be_bytes());
            out.extend_from_slice(v.as_slice());
        }
        AMQPValue::Timestamp(v) => write::write_timestamp(out, *v),
        AMQPValue::FieldArray(items) => {
            let opened = open_array(out);
            for item in items.as_slice() {
                write_value(out, item);
            }
            close(out, opened);
        }
        AMQPValue::FieldTable(nested) => {
            let opened = open_table(out);
            write_fields(out, nested);
            close(out, opened);
        }
        AMQPValue::Void => out.push(b'V'),
    }
}

/// RabbitMQ's name of a value's type, as its texts print it.
pub fn type_name(value: &AMQPValue) -> &'static str {
    match value {
        AMQPValue::Boolean(_) => "bool",
        AMQPValue::ShortShortInt(_) => "byte",
        AMQPValue::ShortShortUInt(_) => "unsignedbyte",
        AMQPValue::ShortInt(_) => "short",
        AMQPValue::ShortUInt(_) => "unsignedshort",
        AMQPValue::LongInt(_) => "signedint",
        AMQPValue::LongUInt(_) => "unsignedint",
        AMQPValue::LongLongInt(_) => "long",
        AMQPValue::Float(_) => "float",
        AMQPValue::Double(_) => "double",
        AMQPValue::DecimalValue(_) => "decimal",
        AMQPValue::ShortString(_) | AMQPValue::LongString(_) => "longstr",
        AMQPValue::FieldArray(_) => "array",
        AMQPValue::Timestamp(_) => "timestamp",
        AMQPValue::FieldTable(_) => "table",
        AMQPValue::ByteArray(_) => "binary",
        AMQPValue::Void => "void",
    }
}

/// The number in an argument, whatever integer type carries it; timestamps are not numbers.
pub fn integer(value: &AMQPValue) -> Option<i64> {
    Some(match *value {
        AMQPValue::ShortShortInt(v) => v.into(),
        AMQPValue::ShortShortUInt(v) => v.into(),
        AMQPValue::ShortInt(v) => v.into(),
        AMQPValue::ShortUInt(v) => v.into(),
        AMQPValue::LongInt(v) => v.into(),
        AMQPValue::LongUInt(v) => v.into(),
        AMQPValue::LongLongInt(v) => v,
        _ => return None,
    })
}

/// RabbitMQ's notion of equal arguments: all integer types are one class, float and double are one, everything else
/// must have the same type. Nested values must be the same.
pub fn equivalent(a: &AMQPValue, b: &AMQPValue) -> bool {
    if let (Some(a), Some(b)) = (integer(a), integer(b)) {
        return a == b;
    }
    let float = |value: &AMQPValue| match *value {
        AMQPValue::Float(v) => Some(f64::from(v)),
        AMQPValue::Double(v) => Some(v),
        _ => None,
    };
    if let (Some(a), Some(b)) = (float(a), float(b)) {
        return a == b;
    }
    a == b
}
