//! Field tables and arrays as raw bytes: check them, walk them, find a field, without allocating. Message headers are
//! only ever seen this way. `write` builds raw tables, `convert` goes to and from the library's `FieldTable`, which holds
//! the arguments of declares and binds.
//!
//! "Raw" is always the payload of a table or array, without its four octets of length.

mod convert;
mod write;

pub use convert::{equivalent, integer, to_value, type_name, write_fields, write_value};
pub use convert::{from_field_table, to_field_table};
pub use write::{
    close, open_array, open_table, write_bool, write_i32, write_i64, write_long_string, write_name,
    write_timestamp,
};

use std::fmt;

use super::cursor::Cursor;
use super::limits::TABLE_DEPTH_MAX;

/// Why bytes are not a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// A field type that RabbitMQ does not know.
    UnknownType(u8),
    /// A length reaches beyond the bytes at hand.
    Truncated,
    /// More than [`TABLE_DEPTH_MAX`] levels.
    TooDeep,
    /// A field name that is not UTF-8; only where names become text.
    BadName,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownType(octet) if octet.is_ascii_graphic() => {
                write!(f, "unknown field type '{}'", char::from(*octet))
            }
            Self::UnknownType(octet) => write!(f, "unknown field type {octet}"),
            Self::Truncated => f.write_str("field is longer than its table"),
            Self::TooDeep => write!(f, "nested deeper than {TABLE_DEPTH_MAX} levels"),
            Self::BadName => f.write_str("field name is not valid UTF-8"),
        }
    }
}

/// One value, borrowed from the wire. Equality is of types and values, bit by bit for nested ones.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Value<'a> {
    /// `t`
    Bool(bool),
    /// `b`
    I8(i8),
    /// `B`
    U8(u8),
    /// `s`
    I16(i16),
    /// `u`
    U16(u16),
    /// `I`
    I32(i32),
    /// `i`
    U32(u32),
    /// `l` and `L`
    I64(i64),
    /// `f`
    F32(f32),
    /// `d`
    F64(f64),
    /// `D`
    Decimal {
        /// Decimal places.
        scale: u8,
        /// Unscaled value.
        value: u32,
    },
    /// `S`: any bytes.
    LongString(&'a [u8]),
    /// `x`: any bytes.
    Bytes(&'a [u8]),
    /// `T`: seconds since the epoch.
    Timestamp(u64),
    /// `A`
    Array(Array<'a>),
    /// `F`
    Table(Table<'a>),
    /// `V`
    Void,
}

impl<'a> Value<'a> {
    /// RabbitMQ's name of the type, as its texts print it.
    pub fn type_name(&self) -> &'static str {
        match self {
            Self::Bool(_) => "bool",
            Self::I8(_) => "byte",
            Self::U8(_) => "unsignedbyte",
            Self::I16(_) => "short",
            Self::U16(_) => "unsignedshort",
            Self::I32(_) => "signedint",
            Self::U32(_) => "unsignedint",
            Self::I64(_) => "long",
            Self::F32(_) => "float",
            Self::F64(_) => "double",
            Self::Decimal { .. } => "decimal",
            Self::LongString(_) => "longstr",
            Self::Bytes(_) => "binary",
            Self::Timestamp(_) => "timestamp",
            Self::Array(_) => "array",
            Self::Table(_) => "table",
            Self::Void => "void",
        }
    }

    /// The number, whatever integer type carries it; timestamps are not numbers.
    pub fn integer(&self) -> Option<i64> {
        Some(match *self {
            Self::I8(v) => v.into(),
            Self::U8(v) => v.into(),
            Self::I16(v) => v.into(),
            Self::U16(v) => v.into(),
            Self::I32(v) => v.into(),
            Self::U32(v) => v.into(),
            Self::I64(v) => v,
            _ => return None,
        })
    }

    /// The bytes of a long string.
    pub fn long_string(&self) -> Option<&'a [u8]> {
        match *self {
            Self::LongString(bytes) => Some(bytes),
            _ => None,
        }
    }
}

/// One field of a table.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Field<'a> {
    /// Its name: any bytes.
    pub name: &'a [u8],
    /// Its value.
    pub value: Value<'a>,
    /// Name, type and value exactly as on the wire.
    pub raw: &'a [u8],
}

/// The payload of a table. Unchecked bytes are harmless: walking them ends early.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Table<'a>(pub &'a [u8]);

impl<'a> Table<'a> {
    /// All fields in the order of the wire, duplicates included.
    pub fn fields(self) -> impl Iterator<Item = Field<'a>> + Clone {
        let mut rest = Cursor(self.0);
        std::iter::from_fn(move || {
            let before = rest.0;
            let name = rest.short()?;
            let value = value(&mut rest)?;
            let raw = &before[..before.len() - rest.0.len()];
            Some(Field { name, value, raw })
        })
    }

    /// Names and values in the order of the wire.
    pub fn iter(self) -> impl Iterator<Item = (&'a [u8], Value<'a>)> + Clone {
        self.fields().map(|field| (field.name, field.value))
    }

    /// The first field of that name, as RabbitMQ looks fields up.
    pub fn find(self, name: &[u8]) -> Option<Value<'a>> {
        self.iter()
            .find_map(|(found, value)| (found == name).then_some(value))
    }

    /// The raw payload without the fields of these names.
    pub fn without(self, names: &[&[u8]]) -> Vec<u8> {
        let mut kept = Vec::with_capacity(self.0.len());
        for field in self.fields() {
            if !names.contains(&field.name) {
                kept.extend_from_slice(field.raw);
            }
        }
        kept
    }

    /// No fields at all.
    pub fn is_empty(self) -> bool {
        self.0.is_empty()
    }
}

/// The payload of an array. Unchecked bytes are harmless: walking them ends early.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Array<'a>(pub &'a [u8]);

impl<'a> Array<'a> {
    /// All items in order.
    pub fn iter(self) -> impl Iterator<Item = Value<'a>> + Clone {
        let mut rest = Cursor(self.0);
        std::iter::from_fn(move || value(&mut rest))
    }
}

/// The value at the cursor, type octet first.
fn value<'a>(rest: &mut Cursor<'a>) -> Option<Value<'a>> {
    Some(match rest.u8()? {
        b't' => Value::Bool(rest.u8()? != 0),
        b'b' => Value::I8(rest.u8()? as i8),
        b'B' => Value::U8(rest.u8()?),
        b's' => Value::I16(rest.u16()? as i16),
        b'u' => Value::U16(rest.u16()?),
        b'I' => Value::I32(rest.u32()? as i32),
        b'i' => Value::U32(rest.u32()?),
        b'l' | b'L' => Value::I64(rest.u64()? as i64),
        b'f' => Value::F32(f32::from_bits(rest.u32()?)),
        b'd' => Value::F64(f64::from_bits(rest.u64()?)),
        b'D' => Value::Decimal {
            scale: rest.u8()?,
            value: rest.u32()?,
        },
        b'S' => Value::LongString(rest.long()?),
        b'x' => Value::Bytes(rest.long()?),
        b'T' => Value::Timestamp(rest.u64()?),
        b'A' => Value::Array(Array(rest.long()?)),
        b'F' => Value::Table(Table(rest.long()?)),
        b'V' => Value::Void,
        _ => return None,
    })
}

/// Checks structure, field types and depth of a whole table, without recursion: after it, walking the table reaches
/// every field. With `utf8_names`, names that are to become text must be UTF-8.
pub fn check(raw: &[u8], utf8_names: bool) -> Result<(), Fault> {
    // Where each open table or array ends, and whether its items have names; the innermost is kept in locals.
    let mut open = [(0usize, false); TABLE_DEPTH_MAX];
    let mut depth = 1;
    let (mut end, mut named) = (raw.len(), true);
    let mut at = 0;
    loop {
        if at == end {
            depth -= 1;
            if depth == 0 {
                return Ok(());
            }
            (end, named) = open[depth - 1];
            continue;
        }
        let mut rest = Cursor(&raw[at..end]);
        if named {
            let name = rest.short().ok_or(Fault::Truncated)?;
            if utf8_names && std::str::from_utf8(name).is_err() {
                return Err(Fault::BadName);
            }
        }
        let kind = rest.u8().ok_or(Fault::Truncated)?;
        let size = match kind {
            b'V' => 0,
            b't' | b'b' | b'B' => 1,
            b's' | b'u' => 2,
            b'I' | b'i' | b'f' => 4,
            b'D' => 5,
            b'l' | b'L' | b'd' | b'T' => 8,
            b'S' | b'x' | b'A' | b'F' => rest.u32().ok_or(Fault::Truncated)? as usize,
            other => return Err(Fault::UnknownType(other)),
        };
        let start = end - rest.0.len();
        if size > rest.0.len() {
            return Err(Fault::Truncated);
        }
        if matches!(kind, b'A' | b'F') {
            if depth == TABLE_DEPTH_MAX {
                return Err(Fault::TooDeep);
            }
            open[depth - 1] = (end, named);
            depth += 1;
            (end, named) = (start + size, kind == b'F');
            at = start;
        } else {
            at = start + size;
        }
    }
}

#[cfg(test)]
mod tests;
