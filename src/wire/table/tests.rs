//! Tables: known bytes, faults, and what goes in comes out.

use amq_protocol::types::parsing::parse_field_table;
use amq_protocol::types::{AMQPValue, FieldTable};
use proptest::prelude::*;

use super::*;
use crate::wire::testing;

/// A field of name `k` and these bytes, type first.
fn field(value: &[u8]) -> Vec<u8> {
    let mut raw = vec![1, b'k'];
    raw.extend_from_slice(value);
    raw
}

/// A table of `depth` levels, the outermost counted, each but the innermost holding the next.
fn nested(depth: usize, kind: u8) -> Vec<u8> {
    let mut raw = Vec::new();
    for level in 1..depth {
        let mut outer = Vec::new();
        if level == depth - 1 || kind == b'F' {
            outer.extend_from_slice(&[1, b'k']);
        }
        outer.push(kind);
        outer.extend_from_slice(&(raw.len() as u32).to_be_bytes());
        outer.extend_from_slice(&raw);
        raw = outer;
    }
    raw
}

#[test]
fn every_type_is_read_by_its_letter() {
    let cases: [(&[u8], Value<'_>, &str); 18] = [
        (&[b't', 2], Value::Bool(true), "bool"),
        (&[b'b', 0xFF], Value::I8(-1), "byte"),
        (&[b'B', 0xFF], Value::U8(255), "unsignedbyte"),
        (&[b's', 0xFF, 0xFE], Value::I16(-2), "short"),
        (&[b'u', 0xFF, 0xFE], Value::U16(65534), "unsignedshort"),
        (&[b'I', 0xFF, 0xFF, 0xFF, 0xFF], Value::I32(-1), "signedint"),
        (&[b'i', 0, 0, 0, 1], Value::U32(1), "unsignedint"),
        (&[b'l', 0, 0, 0, 0, 0, 0, 0, 1], Value::I64(1), "long"),
        (
            &[b'L', 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF],
            Value::I64(-1),
            "long",
        ),
        (&[b'f', 0x3F, 0x80, 0, 0], Value::F32(1.0), "float"),
        (
            &[b'd', 0x3F, 0xF0, 0, 0, 0, 0, 0, 0],
            Value::F64(1.0),
            "double",
        ),
        (
            &[b'D', 2, 0, 0, 0, 5],
            Value::Decimal { scale: 2, value: 5 },
            "decimal",
        ),
        (
            &[b'S', 0, 0, 0, 2, 0xFF, 0],
            Value::LongString(&[0xFF, 0]),
            "longstr",
        ),
        (&[b'x', 0, 0, 0, 1, 7], Value::Bytes(&[7]), "binary"),
        (
            &[b'T', 0, 0, 0, 0, 0, 0, 0, 9],
            Value::Timestamp(9),
            "timestamp",
        ),
        (
            &[b'A', 0, 0, 0, 1, b'V'],
            Value::Array(Array(b"V")),
            "array",
        ),
        (
            &[b'F', 0, 0, 0, 3, 1, b'a', b'V'],
            Value::Table(Table(b"\x01aV")),
            "table",
        ),
        (b"V", Value::Void, "void"),
    ];
    for (bytes, expected, name) in cases {
        let raw = field(bytes);
        assert_eq!(check(&raw, true), Ok(()), "{name}");
        assert_eq!(Table(&raw).find(b"k"), Some(expected));
        assert_eq!(expected.type_name(), name);
        assert_eq!(type_name(&to_value(&expected)), name);
    }
}

#[test]
fn faults_are_named() {
    let fault = |raw: &[u8]| check(raw, true).unwrap_err();
    assert_eq!(fault(&field(b"q")).to_string(), "unknown field type 'q'");
    assert_eq!(fault(&field(&[0])).to_string(), "unknown field type 0");
    // The library knows 'U', RabbitMQ does not.
    assert_eq!(fault(&field(&[b'U', 0, 0])), Fault::UnknownType(b'U'));
    assert_eq!(fault(&[5, b'k']), Fault::Truncated);
    assert_eq!(fault(&[1, b'k']), Fault::Truncated);
    assert_eq!(fault(&field(&[b'I', 0, 0])), Fault::Truncated);
    assert_eq!(fault(&field(&[b'S', 0, 0, 0, 9, 1])), Fault::Truncated);
    assert_eq!(
        fault(&field(&[b'S', 0xFF, 0xFF, 0xFF, 0xFF])),
        Fault::Truncated
    );
    // An inner table may not reach beyond the outer one.
    assert_eq!(
        fault(&field(&[b'F', 0, 0, 0, 3, 1, b'a', b'I', 0, 0, 0, 0])),
        Fault::Truncated
    );
    assert_eq!(fault(&[1, 0xFF, b'V']), Fault::BadName);
    assert_eq!(check(&[1, 0xFF, b'V'], false), Ok(()));
}

#[test]
fn depth_at_the_limit_passes_and_one_more_does_not() {
    for kind in [b'F', b'A'] {
        assert_eq!(check(&nested(TABLE_DEPTH_MAX, kind), true), Ok(()));
        let deeper = nested(TABLE_DEPTH_MAX + 1, kind);
        assert_eq!(check(&deeper, true), Err(Fault::TooDeep));
        assert_eq!(to_field_table(&deeper), Err(Fault::TooDeep));
        assert_eq!(check(&nested(100_000, kind), true), Err(Fault::TooDeep));
    }
}

#[test]
fn the_deepest_table_allowed_needs_little_stack() {
    let deep = || {
        let table = to_field_table(&nested(TABLE_DEPTH_MAX, b'F')).unwrap();
        assert_eq!(from_field_table(&table), nested(TABLE_DEPTH_MAX, b'F'));
        assert!(crate::wire::erlang::term(&AMQPValue::FieldTable(table)).len() > TABLE_DEPTH_MAX);
    };
    std::thread::Builder::new()
        .stack_size(256 * 1024)
        .spawn(deep)
        .unwrap()
        .join()
        .unwrap();
}

#[test]
fn the_first_of_equal_names_counts() {
    let raw = [1, b'k', b't', 1, 1, b'k', b't', 0];
    assert_eq!(Table(&raw).find(b"k"), Some(Value::Bool(true)));
    let table = to_field_table(&raw).unwrap();
    assert_eq!(table.inner()["k"], AMQPValue::Boolean(true));
    assert_eq!(Table(&raw).iter().count(), 2);
}

#[test]
fn fields_are_taken_out_without_touching_the_others() {
    let mut raw = Vec::new();
    write_name(&mut raw, b"CC");
    write_i64(&mut raw, 1);
    write_name(&mut raw, b"BCC");
    let opened = open_array(&mut raw);
    write_long_string(&mut raw, b"key");
    close(&mut raw, opened);
    write_name(&mut raw, b"z");
    write_bool(&mut raw, true);
    assert_eq!(check(&raw, true), Ok(()));
    let kept = Table(&raw).without(&[b"BCC"]);
    let names: Vec<_> = Table(&kept).iter().map(|(name, _)| name).collect();
    assert_eq!(names, [&b"CC"[..], b"z"]);
    assert_eq!(kept[..12], raw[..12]);
}

#[test]
fn equal_arguments_ignore_the_width_of_numbers_only() {
    use AMQPValue::{
        Boolean, Double, Float, LongInt, LongLongInt, LongString, ShortShortUInt, Timestamp,
    };
    assert!(equivalent(&LongInt(1), &LongLongInt(1)));
    assert!(equivalent(&ShortShortUInt(1), &LongInt(1)));
    assert!(equivalent(&Float(1.0), &Double(1.0)));
    assert!(!equivalent(&LongInt(1), &LongInt(2)));
    assert!(!equivalent(&LongInt(1), &Double(1.0)));
    assert!(!equivalent(&LongInt(1), &Timestamp(1)));
    assert!(!equivalent(&LongInt(1), &Boolean(true)));
    assert!(!equivalent(&LongInt(1), &LongString("1".into())));
    assert!(equivalent(&LongString("1".into()), &LongString("1".into())));
}

proptest! {
    #[test]
    fn tables_come_back_as_they_were_written(table in testing::table()) {
        let raw = from_field_table(&table);
        prop_assert_eq!(check(&raw, true), Ok(()));
        prop_assert_eq!(&to_field_table(&raw).unwrap(), &table);
        // The library reads our bytes the same way.
        let mut framed = (raw.len() as u32).to_be_bytes().to_vec();
        framed.extend_from_slice(&raw);
        let (rest, theirs) = parse_field_table(&framed[..]).unwrap();
        prop_assert!(rest.is_empty());
        prop_assert_eq!(theirs, table);
        let rebuilt: Vec<u8> = Table(&raw).fields().flat_map(|field| field.raw).copied().collect();
        prop_assert_eq!(rebuilt, raw);
    }

    #[test]
    fn no_bytes_panic_and_checked_bytes_are_walked_to_the_end(
        table in testing::table(),
        hits in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
        cut in any::<prop::sample::Index>(),
    ) {
        let mut raw = from_field_table(&table);
        for (at, octet) in &hits {
            if !raw.is_empty() {
                let at = at.index(raw.len());
                raw[at] = *octet;
            }
        }
        raw.truncate(cut.index(raw.len() + 1));
        let walked: usize = Table(&raw).fields().map(|field| field.raw.len()).sum();
        match check(&raw, true) {
            Ok(()) => {
                prop_assert_eq!(walked, raw.len());
                let _: FieldTable = to_field_table(&raw).unwrap();
            }
            Err(fault) => prop_assert_eq!(to_field_table(&raw), Err(fault)),
        }
    }
}
