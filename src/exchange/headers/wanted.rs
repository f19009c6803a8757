//! What a headers binding asks of one header, and when a header is that. Values fall into classes; inside a class values
//! are compared, across classes nothing is equal.

use crate::wire::AMQPValue;
use crate::wire::table::Value;

/// One argument of a binding.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Wanted {
    /// Any value at all.
    Presence,
    Bool(bool),
    /// An integer of any width, or a timestamp: whatever an integer is in RabbitMQ.
    Integer(i128),
    /// Bits of a float or double.
    Double(u64),
    /// A string or bytes.
    Bytes(Box<[u8]>),
    Decimal(u8, u32),
    /// An array or a table.
    Nested(AMQPValue),
}

/// The part of a value that two equal values share, to be hashed.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) enum Class<'a> {
    Presence,
    Bool(bool),
    Integer(i128),
    Double(u64),
    Bytes(&'a [u8]),
    Decimal(u8, u32),
    Nested,
    /// A header without value: only a binding that asks for presence takes it.
    Void,
}

/// Zero has two forms that are equal.
fn bits(value: f64) -> u64 {
    (value + 0.0).to_bits()
}

impl Wanted {
    pub(super) fn new(argument: &AMQPValue) -> Self {
        match argument {
            AMQPValue::Void => Self::Presence,
            AMQPValue::Boolean(v) => Self::Bool(*v),
            AMQPValue::ShortShortInt(v) => Self::Integer((*v).into()),
            AMQPValue::ShortShortUInt(v) => Self::Integer((*v).into()),
            AMQPValue::ShortInt(v) => Self::Integer((*v).into()),
            AMQPValue::ShortUInt(v) => Self::Integer((*v).into()),
            AMQPValue::LongInt(v) => Self::Integer((*v).into()),
            AMQPValue::LongUInt(v) => Self::Integer((*v).into()),
            AMQPValue::LongLongInt(v) => Self::Integer((*v).into()),
            AMQPValue::Timestamp(v) => Self::Integer((*v).into()),
            AMQPValue::Float(v) => Self::Double(bits((*v).into())),
            AMQPValue::Double(v) => Self::Double(bits(*v)),
            AMQPValue::ShortString(v) => Self::Bytes(v.as_str().as_bytes().into()),
            AMQPValue::LongString(v) => Self::Bytes(v.as_bytes().into()),
            AMQPValue::ByteArray(v) => Self::Bytes(v.as_slice().into()),
            AMQPValue::DecimalValue(v) => Self::Decimal(v.scale, v.value),
            nested @ (AMQPValue::FieldArray(_) | AMQPValue::FieldTable(_)) => {
                Self::Nested(nested.clone())
            }
        }
    }

    pub(super) fn class(&self) -> Class<'_> {
        match self {
            Self::Presence => Class::Presence,
            Self::Bool(v) => Class::Bool(*v),
            Self::Integer(v) => Class::Integer(*v),
            Self::Double(v) => Class::Double(*v),
            Self::Bytes(v) => Class::Bytes(v),
            Self::Decimal(scale, v) => Class::Decimal(*scale, *v),
            Self::Nested(_) => Class::Nested,
        }
    }

    /// Whether that header is what is wanted.
    pub(super) fn is(&self, header: &Value<'_>) -> bool {
        match self {
            Self::Presence => true,
            Self::Nested(wanted) => same(wanted, header),
            plain => plain.class() == Class::of(header),
        }
    }
}

impl<'a> Class<'a> {
    pub(super) fn of(header: &Value<'a>) -> Self {
        match *header {
            Value::Bool(v) => Self::Bool(v),
            Value::I8(v) => Self::Integer(v.into()),
            Value::U8(v) => Self::Integer(v.into()),
            Value::I16(v) => Self::Integer(v.into()),
            Value::U16(v) => Self::Integer(v.into()),
            Value::I32(v) => Self::Integer(v.into()),
            Value::U32(v) => Self::Integer(v.into()),
            Value::I64(v) => Self::Integer(v.into()),
            Value::Timestamp(v) => Self::Integer(v.into()),
            Value::F32(v) => Self::Double(bits(v.into())),
            Value::F64(v) => Self::Double(bits(v)),
            Value::LongString(v) | Value::Bytes(v) => Self::Bytes(v),
            Value::Decimal { scale, value } => Self::Decimal(scale, value),
            Value::Array(_) | Value::Table(_) => Self::Nested,
            Value::Void => Self::Void,
        }
    }
}

/// Equality inside arrays and tables: types count, the order of a table's fields does not. Recursion ends where the
/// binding's arguments do, and they were checked for depth.
fn same(wanted: &AMQPValue, header: &Value<'_>) -> bool {
    match (wanted, header) {
        (AMQPValue::Boolean(a), Value::Bool(b)) => a == b,
        (AMQPValue::ShortShortInt(a), Value::I8(b)) => a == b,
        (AMQPValue::ShortShortUInt(a), Value::U8(b)) => a == b,
        (AMQPValue::ShortInt(a), Value::I16(b)) => a == b,
        (AMQPValue::ShortUInt(a), Value::U16(b)) => a == b,
        (AMQPValue::LongInt(a), Value::I32(b)) => a == b,
        (AMQPValue::LongUInt(a), Value::U32(b)) => a == b,
        (AMQPValue::LongLongInt(a), Value::I64(b)) => a == b,
        (AMQPValue::Timestamp(a), Value::Timestamp(b)) => a == b,
        (AMQPValue::Float(a), Value::F32(b)) => a == b,
        (AMQPValue::Double(a), Value::F64(b)) => a == b,
        (AMQPValue::LongString(a), Value::LongString(b)) => a.as_bytes() == *b,
        (AMQPValue::ShortString(a), Value::LongString(b)) => a.as_str().as_bytes() == *b,
        (AMQPValue::ByteArray(a), Value::Bytes(b)) => a.as_slice() == *b,
        (AMQPValue::DecimalValue(a), Value::Decimal { scale, value }) => {
            (a.scale, a.value) == (*scale, *value)
        }
        (AMQPValue::Void, Value::Void) => true,
        (AMQPValue::FieldArray(a), Value::Array(b)) => {
            let mut items = b.iter();
            a.as_slice()
                .iter()
                .all(|wanted| items.next().is_some_and(|item| same(wanted, &item)))
                && items.next().is_none()
        }
        (AMQPValue::FieldTable(a), Value::Table(b)) => {
            b.iter().count() == a.inner().len()
                && a.into_iter().all(|(name, wanted)| {
                    b.find(name.as_str().as_bytes())
                        .is_some_and(|value| same(wanted, &value))
                })
        }
        _ => false,
    }
}
