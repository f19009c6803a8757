//! Every AMQP 0-9-1 method as class, method and fields: built by the functions of its class, compared as a whole.
//! Flags are given by name: `queue::declare("q", "durable exclusive", table! {})`.

use super::raw::Reader;
use super::table::Table;

#[derive(Clone, Debug, PartialEq)]
pub enum Field {
    U8(u8),
    U16(u16),
    U32(u32),
    U64(u64),
    Bits(u8),
    Short(String),
    Long(Vec<u8>),
    Table(Table),
}
use Field::{Bits, Long, Short, U8, U16, U32, U64};

#[derive(Clone, Debug, PartialEq)]
pub struct Method {
    pub class: u16,
    pub method: u16,
    pub fields: Vec<Field>,
}

/// What follows the ids, a letter a field: B octet, s short, l long, q longlong, b bits, S short string, L long string, T table.
fn signature(class: u16, method: u16) -> &'static str {
    match (class, method) {
        (10, 10) => "BBTLL",
        (10, 11) => "TSLS",
        (10, 20 | 21) | (20, 11) => "L",
        (10, 30 | 31) => "sls",
        (10, 40) => "SSb",
        (10, 41 | 60) | (60, 21 | 31 | 72) | (20, 10) => "S",
        (10 | 20, 50) | (20, 40) => "sSss",
        (10, 70) => "LS",
        (20, 20 | 21) => "b",
        (30, 10) => "Sb",
        (30, 11) => "s",
        (50, 11) => "Sll",
        (50, 31 | 41) => "l",
        (60, 30) => "Sb",
        (60, 50) => "sSSS",
        (60, 60) => "SqbSS",
        (60, 71) => "qbSSl",
        (60, 80 | 90 | 120) => "qb",
        (10, 51 | 61 | 71) | (20, 41) | (40, 11 | 21 | 31 | 51) | (50, 21 | 51) => "",
        (60, 11 | 111) | (85, 11) | (90, 11 | 21 | 31) => "",
        other => panic!("the peer sent method {other:?}"),
    }
}

impl Method {
    pub fn new(class: u16, method: u16, fields: Vec<Field>) -> Self {
        Self {
            class,
            method,
            fields,
        }
    }

    pub fn is(&self, class: u16, method: u16) -> bool {
        (self.class, self.method) == (class, method)
    }

    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        out.extend_from_slice(&self.class.to_be_bytes());
        out.extend_from_slice(&self.method.to_be_bytes());
        for field in &self.fields {
            match field {
                U8(value) | Bits(value) => out.push(*value),
                U16(value) => out.extend_from_slice(&value.to_be_bytes()),
                U32(value) => out.extend_from_slice(&value.to_be_bytes()),
                U64(value) => out.extend_from_slice(&value.to_be_bytes()),
                Short(text) => {
                    out.push(u8::try_from(text.len()).expect("short"));
                    out.extend_from_slice(text.as_bytes());
                }
                Long(bytes) => {
                    out.extend_from_slice(&u32::try_from(bytes.len()).expect("fits").to_be_bytes());
                    out.extend_from_slice(bytes);
                }
                Field::Table(table) => table.write(&mut out),
            }
        }
        out
    }

    pub fn decode(payload: &[u8]) -> Self {
        let mut reader = Reader(payload);
        let (class, method) = (reader.u16(), reader.u16());
        let fields = signature(class, method).chars().map(|letter| match letter {
            'B' => U8(reader.u8()),
            's' => U16(reader.u16()),
            'l' => U32(reader.u32()),
            'q' => U64(reader.u64()),
            'b' => Bits(reader.u8()),
            'S' => Short(reader.short()),
            'L' => Long(reader.long().to_vec()),
            _ => Field::Table(Table::read(&mut reader)),
        });
        let fields = fields.collect();
        assert!(
            reader.0.is_empty(),
            "bytes behind method {class}/{method}: {payload:?}"
        );
        Self {
            class,
            method,
            fields,
        }
    }

    /// A number or the bits.
    pub fn number(&self, at: usize) -> u64 {
        match &self.fields[at] {
            U8(value) | Bits(value) => u64::from(*value),
            U16(value) => u64::from(*value),
            U32(value) => u64::from(*value),
            U64(value) => *value,
            other => panic!("{other:?}"),
        }
    }

    /// A string, short or long.
    pub fn text(&self, at: usize) -> String {
        match &self.fields[at] {
            Short(text) => text.clone(),
            Long(bytes) => String::from_utf8_lossy(bytes).into_owned(),
            other => panic!("{other:?}"),
        }
    }

    pub fn table(&self, at: usize) -> &Table {
        match &self.fields[at] {
            Field::Table(table) => table,
            other => panic!("{other:?}"),
        }
    }
}

fn flags(names: &[&str], wanted: &str) -> Field {
    let bits = wanted.split_whitespace().map(|flag| {
        let at = names.iter().position(|name| *name == flag);
        1u8 << at.unwrap_or_else(|| panic!("no flag {flag:?}, but {names:?}"))
    });
    Bits(bits.fold(0, |all, bit| all | bit))
}

fn short(text: &str) -> Field {
    Short(text.to_owned())
}

pub mod connection {
    use super::*;
    pub fn start_ok(properties: Table, mechanism: &str, response: &[u8]) -> Method {
        let fields = vec![
            Field::Table(properties),
            short(mechanism),
            Long(response.to_vec()),
            short("en_US"),
        ];
        Method::new(10, 11, fields)
    }
    pub fn tune_ok(channel_max: u16, frame_max: u32, heartbeat: u16) -> Method {
        Method::new(
            10,
            31,
            vec![U16(channel_max), U32(frame_max), U16(heartbeat)],
        )
    }
    pub fn open(vhost: &str) -> Method {
        Method::new(10, 40, vec![short(vhost), short(""), Bits(0)])
    }
    pub fn open_ok() -> Method {
        Method::new(10, 41, vec![short("")])
    }
    pub fn close() -> Method {
        Method::new(10, 50, vec![U16(200), short("bye"), U16(0), U16(0)])
    }
    pub fn closed(code: u16, text: &str, class: u16, method: u16) -> Method {
        Method::new(
            10,
            50,
            vec![U16(code), short(text), U16(class), U16(method)],
        )
    }
    pub fn close_ok() -> Method {
        Method::new(10, 51, vec![])
    }
    pub fn blocked(reason: &str) -> Method {
        Method::new(10, 60, vec![short(reason)])
    }
    pub fn unblocked() -> Method {
        Method::new(10, 61, vec![])
    }
    pub fn update_secret(secret: &str, reason: &str) -> Method {
        Method::new(10, 70, vec![Long(secret.into()), short(reason)])
    }
    pub fn update_secret_ok() -> Method {
        Method::new(10, 71, vec![])
    }
}

pub mod channel {
    use super::*;
    pub fn open() -> Method {
        Method::new(20, 10, vec![short("")])
    }
    pub fn open_ok() -> Method {
        Method::new(20, 11, vec![Long(vec![])])
    }
    pub fn flow(active: bool) -> Method {
        Method::new(20, 20, vec![Bits(u8::from(active))])
    }
    pub fn flow_ok(active: bool) -> Method {
        Method::new(20, 21, vec![Bits(u8::from(active))])
    }
    pub fn close() -> Method {
        Method::new(20, 40, vec![U16(200), short("bye"), U16(0), U16(0)])
    }
    pub fn closed(code: u16, text: &str, class: u16, method: u16) -> Method {
        Method::new(
            20,
            40,
            vec![U16(code), short(text), U16(class), U16(method)],
        )
    }
    pub fn close_ok() -> Method {
        Method::new(20, 41, vec![])
    }
}

pub mod access {
    use super::*;
    pub fn request(realm: &str) -> Method {
        Method::new(30, 10, vec![short(realm), Bits(0)])
    }
    pub fn request_ok(ticket: u16) -> Method {
        Method::new(30, 11, vec![U16(ticket)])
    }
}

pub mod exchange {
    use super::*;
    /// Flags: passive durable auto-delete internal nowait.
    pub fn declare(name: &str, kind: &str, wanted: &str, arguments: Table) -> Method {
        let names = ["passive", "durable", "auto-delete", "internal", "nowait"];
        let fields = vec![
            U16(0),
            short(name),
            short(kind),
            flags(&names, wanted),
            Field::Table(arguments),
        ];
        Method::new(40, 10, fields)
    }
    pub fn declare_ok() -> Method {
        Method::new(40, 11, vec![])
    }
    /// Flags: if-unused nowait.
    pub fn delete(name: &str, wanted: &str) -> Method {
        Method::new(
            40,
            20,
            vec![U16(0), short(name), flags(&["if-unused", "nowait"], wanted)],
        )
    }
    pub fn delete_ok() -> Method {
        Method::new(40, 21, vec![])
    }
    pub fn bind(destination: &str, source: &str, key: &str, arguments: Table) -> Method {
        Method::new(40, 30, ends(destination, source, key, arguments))
    }
    pub fn bind_ok() -> Method {
        Method::new(40, 31, vec![])
    }
    pub fn unbind(destination: &str, source: &str, key: &str, arguments: Table) -> Method {
        Method::new(40, 40, ends(destination, source, key, arguments))
    }
    pub fn unbind_ok() -> Method {
        Method::new(40, 51, vec![])
    }
    fn ends(destination: &str, source: &str, key: &str, arguments: Table) -> Vec<Field> {
        let arguments = Field::Table(arguments);
        vec![
            U16(0),
            short(destination),
            short(source),
            short(key),
            Bits(0),
            arguments,
        ]
    }
    /// The same without an answer.
    pub fn nowait(mut method: Method) -> Method {
        method.fields[4] = Bits(1);
        method
    }
}

pub mod queue {
    use super::*;
    /// Flags: passive durable exclusive auto-delete nowait.
    pub fn declare(name: &str, wanted: &str, arguments: Table) -> Method {
        let names = ["passive", "durable", "exclusive", "auto-delete", "nowait"];
        Method::new(
            50,
            10,
            vec![
                U16(0),
                short(name),
                flags(&names, wanted),
                Field::Table(arguments),
            ],
        )
    }
    pub fn declare_ok(name: &str, messages: u32, consumers: u32) -> Method {
        Method::new(50, 11, vec![short(name), U32(messages), U32(consumers)])
    }
    pub fn bind(name: &str, exchange: &str, key: &str, arguments: Table) -> Method {
        let arguments = Field::Table(arguments);
        Method::new(
            50,
            20,
            vec![
                U16(0),
                short(name),
                short(exchange),
                short(key),
                Bits(0),
                arguments,
            ],
        )
    }
    pub fn bind_ok() -> Method {
        Method::new(50, 21, vec![])
    }
    /// A bind without an answer.
    pub fn nowait(mut bind: Method) -> Method {
        bind.fields[4] = Bits(1);
        bind
    }
    pub fn unbind(name: &str, exchange: &str, key: &str, arguments: Table) -> Method {
        let arguments = Field::Table(arguments);
        Method::new(
            50,
            50,
            vec![U16(0), short(name), short(exchange), short(key), arguments],
        )
    }
    pub fn unbind_ok() -> Method {
        Method::new(50, 51, vec![])
    }
    /// Flags: nowait.
    pub fn purge(name: &str, wanted: &str) -> Method {
        Method::new(
            50,
            30,
            vec![U16(0), short(name), flags(&["nowait"], wanted)],
        )
    }
    pub fn purge_ok(messages: u32) -> Method {
        Method::new(50, 31, vec![U32(messages)])
    }
    /// Flags: if-unused if-empty nowait.
    pub fn delete(name: &str, wanted: &str) -> Method {
        let names = ["if-unused", "if-empty", "nowait"];
        Method::new(50, 40, vec![U16(0), short(name), flags(&names, wanted)])
    }
    pub fn delete_ok(messages: u32) -> Method {
        Method::new(50, 41, vec![U32(messages)])
    }
}

pub mod basic {
    use super::*;
    pub fn qos(size: u32, count: u16, global: bool) -> Method {
        Method::new(60, 10, vec![U32(size), U16(count), Bits(u8::from(global))])
    }
    pub fn qos_ok() -> Method {
        Method::new(60, 11, vec![])
    }
    /// Flags: no-local no-ack exclusive nowait.
    pub fn consume(queue: &str, tag: &str, wanted: &str, arguments: Table) -> Method {
        let names = ["no-local", "no-ack", "exclusive", "nowait"];
        let fields = vec![
            U16(0),
            short(queue),
            short(tag),
            flags(&names, wanted),
            Field::Table(arguments),
        ];
        Method::new(60, 20, fields)
    }
    pub fn consume_ok(tag: &str) -> Method {
        Method::new(60, 21, vec![short(tag)])
    }
    /// Flags: nowait.
    pub fn cancel(tag: &str, wanted: &str) -> Method {
        Method::new(60, 30, vec![short(tag), flags(&["nowait"], wanted)])
    }
    pub fn cancel_ok(tag: &str) -> Method {
        Method::new(60, 31, vec![short(tag)])
    }
    /// Flags: mandatory immediate.
    pub fn publish(exchange: &str, key: &str, wanted: &str) -> Method {
        let bits = flags(&["mandatory", "immediate"], wanted);
        Method::new(60, 40, vec![U16(0), short(exchange), short(key), bits])
    }
    /// Flags: no-ack.
    pub fn get(queue: &str, wanted: &str) -> Method {
        Method::new(
            60,
            70,
            vec![U16(0), short(queue), flags(&["no-ack"], wanted)],
        )
    }
    pub fn get_empty() -> Method {
        Method::new(60, 72, vec![short("")])
    }
    /// Flags: multiple.
    pub fn ack(tag: u64, wanted: &str) -> Method {
        Method::new(60, 80, vec![U64(tag), flags(&["multiple"], wanted)])
    }
    /// Flags: requeue.
    pub fn reject(tag: u64, wanted: &str) -> Method {
        Method::new(60, 90, vec![U64(tag), flags(&["requeue"], wanted)])
    }
    /// Flags: multiple requeue.
    pub fn nack(tag: u64, wanted: &str) -> Method {
        Method::new(
            60,
            120,
            vec![U64(tag), flags(&["multiple", "requeue"], wanted)],
        )
    }
    pub fn recover_async(requeue: bool) -> Method {
        Method::new(60, 100, vec![Bits(u8::from(requeue))])
    }
    pub fn recover(requeue: bool) -> Method {
        Method::new(60, 110, vec![Bits(u8::from(requeue))])
    }
    pub fn recover_ok() -> Method {
        Method::new(60, 111, vec![])
    }
}

pub mod confirm {
    use super::*;
    pub fn select() -> Method {
        Method::new(85, 10, vec![Bits(0)])
    }
    pub fn select_nowait() -> Method {
        Method::new(85, 10, vec![Bits(1)])
    }
    pub fn select_ok() -> Method {
        Method::new(85, 11, vec![])
    }
}

pub mod tx {
    use super::*;
    pub fn select() -> Method {
        Method::new(90, 10, vec![])
    }
    pub fn select_ok() -> Method {
        Method::new(90, 11, vec![])
    }
    pub fn commit() -> Method {
        Method::new(90, 20, vec![])
    }
    pub fn commit_ok() -> Method {
        Method::new(90, 21, vec![])
    }
    pub fn rollback() -> Method {
        Method::new(90, 30, vec![])
    }
    pub fn rollback_ok() -> Method {
        Method::new(90, 31, vec![])
    }
}
