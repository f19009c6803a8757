//! Field tables as they lie on the wire, order and types kept; RabbitMQ's type letters.

use super::raw::Reader;

/// Fields in wire order; keys may repeat.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Table(pub Vec<(String, Value)>);

/// One field's value.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    Bool(bool),
    I8(i8),
    U8(u8),
    I16(i16),
    U16(u16),
    I32(i32),
    U32(u32),
    I64(i64),
    /// `L`, which RabbitMQ reads as `l`.
    BigL(i64),
    F32(f32),
    F64(f64),
    Decimal(u8, u32),
    Str(String),
    Bytes(Vec<u8>),
    Array(Vec<Value>),
    Time(u64),
    Table(Table),
    Void,
}

impl Table {
    pub fn get(&self, key: &str) -> Option<&Value> {
        self.0
            .iter()
            .find(|(name, _)| name == key)
            .map(|(_, value)| value)
    }

    pub fn keys(&self) -> Vec<&str> {
        self.0.iter().map(|(name, _)| name.as_str()).collect()
    }

    /// A longstr field.
    pub fn str(&self, key: &str) -> &str {
        match self.get(key) {
            Some(Value::Str(text)) => text,
            other => panic!("{key} is {other:?} in {self:?}"),
        }
    }

    /// A `long` field.
    pub fn long(&self, key: &str) -> i64 {
        match self.get(key) {
            Some(Value::I64(number)) => *number,
            other => panic!("{key} is {other:?} in {self:?}"),
        }
    }

    pub fn table(&self, key: &str) -> &Table {
        match self.get(key) {
            Some(Value::Table(table)) => table,
            other => panic!("{key} is {other:?} in {self:?}"),
        }
    }

    /// An array of tables.
    pub fn tables(&self, key: &str) -> Vec<&Table> {
        let Some(Value::Array(items)) = self.get(key) else {
            panic!("no {key} in {self:?}")
        };
        let tables = items.iter().map(|item| match item {
            Value::Table(table) => table,
            other => panic!("{other:?} in {key}"),
        });
        tables.collect()
    }

    /// Without its length.
    pub fn payload(&self) -> Vec<u8> {
        let mut out = Vec::new();
        for (name, value) in &self.0 {
            out.push(u8::try_from(name.len()).expect("a short key"));
            out.extend_from_slice(name.as_bytes());
            value.write(&mut out);
        }
        out
    }

    pub fn write(&self, out: &mut Vec<u8>) {
        long(out, &self.payload());
    }

    pub fn read(reader: &mut Reader<'_>) -> Self {
        let bytes = reader.long();
        let mut inner = Reader(bytes);
        let mut fields = Vec::new();
        while !inner.0.is_empty() {
            fields.push((inner.short(), Value::read(&mut inner)));
        }
        Self(fields)
    }
}

fn long(out: &mut Vec<u8>, bytes: &[u8]) {
    out.extend_from_slice(&u32::try_from(bytes.len()).expect("fits").to_be_bytes());
    out.extend_from_slice(bytes);
}

impl Value {
    pub fn write(&self, out: &mut Vec<u8>) {
        let mut put = |letter: u8, bytes: &[u8]| {
            out.push(letter);
            out.extend_from_slice(bytes);
        };
        match self {
            Self::Bool(value) => put(b't', &[u8::from(*value)]),
            Self::I8(value) => put(b'b', &value.to_be_bytes()),
            Self::U8(value) => put(b'B', &value.to_be_bytes()),
            Self::I16(value) => put(b's', &value.to_be_bytes()),
            Self::U16(value) => put(b'u', &value.to_be_bytes()),
            Self::I32(value) => put(b'I', &value.to_be_bytes()),
            Self::U32(value) => put(b'i', &value.to_be_bytes()),
            Self::I64(value) => put(b'l', &value.to_be_bytes()),
            Self::BigL(value) => put(b'L', &value.to_be_bytes()),
            Self::F32(value) => put(b'f', &value.to_be_bytes()),
            Self::F64(value) => put(b'd', &value.to_be_bytes()),
            Self::Time(value) => put(b'T', &value.to_be_bytes()),
            Self::Void => put(b'V', &[]),
            Self::Decimal(scale, value) => {
                put(b'D', &[*scale]);
                out.extend_from_slice(&value.to_be_bytes());
            }
            Self::Str(text) => {
                put(b'S', &[]);
                long(out, text.as_bytes());
            }
            Self::Bytes(bytes) => {
                put(b'x', &[]);
                long(out, bytes);
            }
            Self::Table(table) => {
                put(b'F', &[]);
                table.write(out);
            }
            Self::Array(items) => {
                put(b'A', &[]);
                let mut inner = Vec::new();
                items.iter().for_each(|item| item.write(&mut inner));
                long(out, &inner);
            }
        }
    }

    fn read(reader: &mut Reader<'_>) -> Self {
        match reader.u8() {
            b't' => Self::Bool(reader.u8() != 0),
            b'b' => Self::I8(i8::from_be_bytes(reader.take())),
            b'B' => Self::U8(reader.u8()),
            b's' => Self::I16(i16::from_be_bytes(reader.take())),
            b'u' => Self::U16(reader.u16()),
            b'I' => Self::I32(i32::from_be_bytes(reader.take())),
            b'i' => Self::U32(reader.u32()),
            b'l' => Self::I64(i64::from_be_bytes(reader.take())),
            b'L' => Self::BigL(i64::from_be_bytes(reader.take())),
            b'f' => Self::F32(f32::from_be_bytes(reader.take())),
            b'd' => Self::F64(f64::from_be_bytes(reader.take())),
            b'D' => Self::Decimal(reader.u8(), reader.u32()),
            b'S' => Self::Str(String::from_utf8_lossy(reader.long()).into_owned()),
            b'x' => Self::Bytes(reader.long().to_vec()),
            b'T' => Self::Time(reader.u64()),
            b'F' => Self::Table(Table::read(reader)),
            b'V' => Self::Void,
            b'A' => {
                let mut inner = Reader(reader.long());
                let mut items = Vec::new();
                while !inner.0.is_empty() {
                    items.push(Self::read(&mut inner));
                }
                Self::Array(items)
            }
            other => panic!("field type {:?}", char::from(other)),
        }
    }
}

macro_rules! from {
    ($($kind:ty => $variant:ident),*) => {
        $(impl From<$kind> for Value {
            fn from(value: $kind) -> Self {
                Self::$variant(value)
            }
        })*
    };
}
from!(bool => Bool, i8 => I8, u8 => U8, i16 => I16, u16 => U16, i32 => I32, u32 => U32, i64 => I64, f32 => F32, f64 => F64,
    String => Str, Vec<Value> => Array, Table => Table);

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Str(text.to_owned())
    }
}

impl From<&String> for Value {
    fn from(text: &String) -> Self {
        Self::Str(text.clone())
    }
}

/// An array of longstr.
pub fn strings(items: &[&str]) -> Value {
    Value::Array(items.iter().map(|item| Value::from(*item)).collect())
}
