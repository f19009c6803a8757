//! Property blocks: known bytes, every listed fault, look-ups and edits against a plain struct.

use amq_protocol::protocol::basic::parse_properties;
use proptest::prelude::*;

use super::*;
use crate::wire::testing::{self, Block};

fn refused(raw: &[u8]) -> String {
    Properties::new(raw).check().unwrap_err().to_string()
}

#[test]
fn the_common_blocks_pass() {
    for raw in [
        &[0, 0][..],
        &[0x10, 0, 2],
        &[0x90, 0, 3, b'a', b'/', b'b', 2],
        &[0x80, 0, 0],
        &[0x20, 0, 0, 0, 0, 0],
    ] {
        assert_eq!(Properties::new(raw).check(), Ok(()), "{raw:?}");
    }
    assert_eq!(Properties::EMPTY.check(), Ok(()));
    assert!(Properties::new(&[0x10, 0, 2]).persistent());
    assert!(!Properties::new(&[0x10, 0, 1]).persistent());
    assert_eq!(
        Properties::new(&[0x20, 0, 0, 0, 0, 0]).headers(),
        Some(&[][..])
    );
    assert_eq!(Properties::EMPTY.headers(), None);
}

#[test]
fn every_fault_gets_a_text_that_names_it() {
    let texts = [
        (&[][..], "no property flags"),
        (&[0x10], "no property flags"),
        (&[0, 1, 0, 0], "property flags with continuation bit set"),
        (&[0, 2], "unknown property flag (bit 1) set"),
        (&[0x10, 0], "delivery-mode is longer than the block"),
        (&[0x80, 0, 3, b'a'], "content-type is longer than the block"),
        (&[0, 0x40, 0], "timestamp is longer than the block"),
        (&[0, 0, 7], "1 bytes after the last property"),
        (&[0x10, 0, 1, 9, 9], "2 bytes after the last property"),
        (&[0x20, 0, 0, 0, 0, 9], "headers is longer than the block"),
        (
            &[0x20, 0, 0, 0, 0, 3, 1, b'k', b'q'],
            "headers: unknown field type 'q'",
        ),
        (
            &[0x20, 0, 0, 0, 0, 3, 1, b'k', b'I'],
            "headers: field is longer than its table",
        ),
    ];
    for (raw, text) in texts {
        assert_eq!(
            refused(raw),
            format!("501 0/0 FRAME_ERROR - cannot decode properties: {text}")
        );
    }
}

#[test]
fn headers_nested_too_deep_are_refused_without_recursion() {
    let mut headers = Vec::new();
    for _ in 0..100_000 {
        headers.extend_from_slice(&[0, b'F', 0xFF, 0xFF, 0xFF, 0xFF]);
    }
    // Lengths that fit: each level ends where the whole ends.
    let total = headers.len();
    for (level, field) in headers.chunks_exact_mut(6).enumerate() {
        let inside = (total - (level + 1) * 6) as u32;
        field[2..].copy_from_slice(&inside.to_be_bytes());
    }
    let raw = PropertiesBuilder {
        headers: Some(&headers),
        ..PropertiesBuilder::default()
    }
    .build();
    assert_eq!(
        refused(&raw),
        "501 0/0 FRAME_ERROR - cannot decode properties: headers: nested deeper than 64 levels"
    );
}

#[test]
fn names_in_headers_and_short_strings_may_be_any_bytes() {
    let raw = [0xA0, 0, 1, 0xFF, 0, 0, 0, 3, 1, 0xFF, b'V'];
    assert_eq!(Properties::new(&raw).check(), Ok(()));
    assert_eq!(
        Properties::new(&raw).header(&[0xFF]),
        Some(table::Value::Void)
    );
}

/// What look-ups find in the bytes.
fn look_up(raw: &[u8]) -> Block {
    let found = Properties::new(raw);
    let own = |bytes: Option<&[u8]>| bytes.map(<[u8]>::to_vec);
    Block {
        short: [
            own(found.content_type()),
            own(found.content_encoding()),
            own(found.correlation_id()),
            own(found.reply_to()),
            own(found.expiration()),
            own(found.message_id()),
            own(found.kind()),
            own(found.user_id()),
            own(found.app_id()),
            own(found.cluster_id()),
        ],
        headers: own(found.headers()),
        delivery_mode: found.delivery_mode(),
        priority: found.priority(),
        timestamp: found.timestamp(),
    }
}

proptest! {
    #[test]
    fn blocks_come_back_as_they_were_built(block in testing::block()) {
        let raw = block.build();
        prop_assert_eq!(Properties::new(&raw).check(), Ok(()));
        prop_assert_eq!(format!("{:?}", look_up(&raw)), format!("{block:?}"));
        prop_assert_eq!(rewrite(&raw, &Edits::default()), raw);
    }

    #[test]
    fn a_block_the_library_reads_is_found_sound(block in testing::block()) {
        // The library wants UTF-8 in short strings; we pass any bytes on.
        let raw = block.build();
        if block.short.iter().flatten().all(|bytes| std::str::from_utf8(bytes).is_ok()) {
            let (rest, theirs) = parse_properties(&raw[..]).unwrap();
            prop_assert!(rest.is_empty());
            prop_assert_eq!(theirs.delivery_mode().as_ref(), block.delivery_mode.as_ref());
        }
    }

    #[test]
    fn an_edit_changes_what_it_names_and_nothing_else(
        block in testing::block(),
        headers in any::<Option<Vec<u8>>>(),
        remove_headers in any::<bool>(),
        delivery_mode in any::<Option<u8>>(),
        reply_to in proptest::option::of(prop::collection::vec(any::<u8>(), 0..20)),
        remove_expiration in any::<bool>(),
        timestamp in any::<Option<u64>>(),
    ) {
        let edits = Edits {
            headers: headers.clone(),
            remove_headers,
            delivery_mode,
            priority: None,
            reply_to: reply_to.as_deref(),
            remove_expiration,
            timestamp,
        };
        let edited = rewrite(&block.build(), &edits);
        let mut expected = block;
        expected.headers = headers.or(expected.headers).filter(|_| !remove_headers);
        expected.delivery_mode = delivery_mode.or(expected.delivery_mode);
        expected.timestamp = timestamp.or(expected.timestamp);
        expected.short[3] = reply_to.or(expected.short[3].take());
        if remove_expiration {
            expected.short[4] = None;
        }
        prop_assert_eq!(edited, expected.build());
    }

    #[test]
    fn no_bytes_panic(
        block in testing::block(),
        hits in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
        cut in any::<prop::sample::Index>(),
    ) {
        let mut raw = block.build();
        for (at, octet) in &hits {
            let at = at.index(raw.len());
            raw[at] = *octet;
        }
        raw.truncate(cut.index(raw.len() + 1));
        let _ = look_up(&raw);
        let rewritten = rewrite(&raw, &Edits::default());
        if Properties::new(&raw).check().is_ok() {
            prop_assert_eq!(rewritten, raw);
        }
    }

    #[test]
    fn the_fast_path_agrees_with_the_slow_one(raw in prop::collection::vec(any::<u8>(), 0..12), high in 0u8..4) {
        let mut raw = raw;
        if let [first, second, ..] = &mut raw[..] {
            (*first, *second) = ([0, 0x10, 0x80, 0x90][high as usize], 0);
        }
        let properties = Properties::new(&raw);
        prop_assert_eq!(properties.check(), properties.check_all());
    }
}
