//! What the tests of this room share: strategies that make arbitrary tables, property blocks and names.

use amq_protocol::types::{AMQPValue, DecimalValue, FieldTable, ShortString};
use proptest::collection::{btree_map, vec};
use proptest::option;
use proptest::prelude::*;

/// Any value that has a type of its own on the wire, a few levels deep.
pub(crate) fn value() -> impl Strategy<Value = AMQPValue> {
    let leaf = prop_oneof![
        any::<bool>().prop_map(AMQPValue::Boolean),
        any::<i8>().prop_map(AMQPValue::ShortShortInt),
        any::<u8>().prop_map(AMQPValue::ShortShortUInt),
        any::<i16>().prop_map(AMQPValue::ShortInt),
        any::<u16>().prop_map(AMQPValue::ShortUInt),
        any::<i32>().prop_map(AMQPValue::LongInt),
        any::<u32>().prop_map(AMQPValue::LongUInt),
        any::<i64>().prop_map(AMQPValue::LongLongInt),
        any::<u64>().prop_map(AMQPValue::Timestamp),
        (-1.0e6f32..1.0e6).prop_map(AMQPValue::Float),
        (-1.0e9f64..1.0e9).prop_map(AMQPValue::Double),
        (any::<u8>(), any::<u32>())
            .prop_map(|(scale, value)| AMQPValue::DecimalValue(DecimalValue { scale, value })),
        vec(any::<u8>(), 0..40).prop_map(|bytes| AMQPValue::LongString(bytes.into())),
        vec(any::<u8>(), 0..40).prop_map(|bytes| AMQPValue::ByteArray(bytes.into())),
        Just(AMQPValue::Void),
    ];
    leaf.prop_recursive(4, 32, 6, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..6).prop_map(|items| AMQPValue::FieldArray(items.into())),
            btree_map(name(), inner, 0..6).prop_map(|map| AMQPValue::FieldTable(map.into())),
        ]
    })
}

/// Any table of arguments or headers.
pub(crate) fn table() -> impl Strategy<Value = FieldTable> {
    btree_map(name(), value(), 0..6).prop_map(FieldTable::from)
}

/// Any short string, beyond ASCII too.
pub(crate) fn name() -> impl Strategy<Value = ShortString> {
    prop_oneof!["[a-z.#*-]{0,12}", "\\PC{0,20}"].prop_map(|text| super::short_string(&text))
}

/// The properties of a block, any of the fourteen, to be built and looked up again.
#[derive(Clone, Debug, Default)]
pub(crate) struct Block {
    pub(crate) short: [Option<Vec<u8>>; 10],
    pub(crate) headers: Option<Vec<u8>>,
    pub(crate) delivery_mode: Option<u8>,
    pub(crate) priority: Option<u8>,
    pub(crate) timestamp: Option<u64>,
}

impl Block {
    pub(crate) fn build(&self) -> Vec<u8> {
        let short = |at: usize| self.short[at].as_deref();
        super::properties::PropertiesBuilder {
            content_type: short(0),
            content_encoding: short(1),
            headers: self.headers.as_deref(),
            delivery_mode: self.delivery_mode,
            priority: self.priority,
            correlation_id: short(2),
            reply_to: short(3),
            expiration: short(4),
            message_id: short(5),
            timestamp: self.timestamp,
            kind: short(6),
            user_id: short(7),
            app_id: short(8),
            cluster_id: short(9),
        }
        .build()
    }
}

/// Any sound property block.
pub(crate) fn block() -> impl Strategy<Value = Block> {
    let short = || option::of(vec(any::<u8>(), 0..30));
    let shorts = [(); 10].map(|()| short());
    let headers = option::of(table().prop_map(|t| super::table::from_field_table(&t)));
    let rest = (
        headers,
        any::<Option<u8>>(),
        any::<Option<u8>>(),
        any::<Option<u64>>(),
    );
    (shorts, rest).prop_map(
        |(short, (headers, delivery_mode, priority, timestamp))| Block {
            short,
            headers,
            delivery_mode,
            priority,
            timestamp,
        },
    )
}
