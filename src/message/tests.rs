//! What goes into a message comes out of it again, and as bytes that `wire::content` would have written.

use proptest::prelude::*;

use super::*;
use crate::wire::content;

/// Properties with nothing in them.
const NONE: [u8; 2] = [0, 0];
/// delivery-mode 2.
const DURABLE: [u8; 3] = [0x10, 0, 2];

fn written(message: &Message, channel: u16, frame_max: u32) -> Vec<u8> {
    let mut out = b"before".to_vec();
    message.write_content(&mut out, channel, frame_max);
    out.split_off(6)
}

fn expected(message: &Message, channel: u16, frame_max: u32) -> Vec<u8> {
    let mut out = Vec::new();
    let (properties, body) = (message.properties(), message.body());
    content::write_content(&mut out, channel, properties, body, frame_max);
    out
}

fn expiring(expiration: &[u8]) -> Vec<u8> {
    let mut properties = vec![0x01, 0, expiration.len() as u8];
    properties.extend_from_slice(expiration);
    properties
}

#[test]
fn names_properties_and_body_come_back() {
    let message = Message::new(b"orders", b"eu.\xff.new", &DURABLE, b"a body");
    assert_eq!(message.exchange(), b"orders");
    assert_eq!(message.routing_key(), b"eu.\xff.new");
    assert_eq!(message.names(), b"\x06orders\x08eu.\xff.new");
    assert_eq!(message.properties(), DURABLE);
    assert_eq!(message.body(), b"a body");
    assert_eq!(message.body_len(), 6);
    assert!(!message.is_large());

    let same = Message::from_parts(
        message.names(),
        message.properties(),
        message.body(),
        std::iter::empty(),
    );
    assert_eq!(written(&same, 3, 4096), written(&message, 3, 4096));
}

#[test]
fn names_can_be_empty_and_as_long_as_the_wire_allows() {
    for (exchange, key) in [(0, 0), (0, 255), (255, 0), (255, 255)] {
        let (exchange, key) = (vec![b'e'; exchange], vec![b'k'; key]);
        let message = Message::new(&exchange, &key, &NONE, b"");
        assert_eq!(message.exchange(), exchange);
        assert_eq!(message.routing_key(), key);
        assert_eq!(message.properties(), NONE);
    }
}

#[test]
fn an_empty_body_has_no_frame() {
    let message = Message::new(b"", b"q", &DURABLE, b"");
    assert_eq!(message.body(), b"");
    assert_eq!(message.body_len(), 0);
    let frames = written(&message, 0x0102, 4096);
    let header = [
        2, 1, 2, 0, 0, 0, 15, 0, 60, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10, 0, 2, 0xCE,
    ];
    assert_eq!(frames, header);
}

#[test]
fn a_body_is_split_only_where_the_frame_limit_demands_it() {
    let body: Vec<u8> = (0..100).collect();
    let message = Message::new(b"x", b"k", &NONE, &body);
    let one = written(&message, 9, 108);
    assert_eq!(one.len(), 22 + 108);
    let two = written(&message, 9, 107);
    assert_eq!(two.len(), 22 + 108 + 8);
    for frame_max in [0, 9, 50, 107, 108, 109, u32::MAX] {
        assert_eq!(
            written(&message, 9, frame_max),
            expected(&message, 9, frame_max),
            "frame_max {frame_max}"
        );
    }
}

#[test]
fn a_large_body_lies_apart_and_is_not_written() {
    let small = Message::new(b"x", b"k", &NONE, &vec![7; LARGE_BODY_BYTES - 1]);
    assert!(!small.is_large());
    assert_eq!(small.body_len(), LARGE_BODY_BYTES - 1);

    let body = vec![7; LARGE_BODY_BYTES];
    let large = Message::new(b"x", b"k", &DURABLE, &body);
    assert!(large.is_large() && large.is_persistent());
    assert_eq!(large.body(), body);
    assert_eq!(large.body_len(), LARGE_BODY_BYTES);
    assert_eq!(large.properties(), DURABLE);
    assert!(large.pins().1 < 100, "the chunk holds only the head");
    assert!(large.memory() > LARGE_BODY_BYTES);
    let mut header = Vec::new();
    content::write_header(&mut header, 300, &DURABLE, LARGE_BODY_BYTES as u64);
    assert_eq!(written(&large, 300, 4096), header);
}

#[test]
fn only_delivery_mode_2_is_persistent() {
    let of = |properties: &[u8]| Message::new(b"", b"q", properties, b"x").is_persistent();
    assert!(of(&DURABLE));
    assert!(!of(&NONE));
    assert!(!of(&[0x10, 0, 1]));
    // Behind a content type.
    assert!(of(&[0x90, 0, 1, b't', 2]));
}

#[test]
fn the_time_to_live_is_read_from_the_expiration() {
    let of = |properties: &[u8]| Message::new(b"", b"q", properties, b"x").ttl_ms();
    assert_eq!(of(&NONE), None);
    assert_eq!(of(&DURABLE), None);
    assert_eq!(of(&expiring(b"0")), Some(0));
    assert_eq!(of(&expiring(b"60000")), Some(60_000));
    for unreadable in [&b""[..], b"-1", b"1s", b"\xff", b"99999999999999999999"] {
        assert_eq!(of(&expiring(unreadable)), None);
    }
}

#[test]
fn messages_of_a_chunk_share_it_and_do_not_mix() {
    let mut builder = ChunkBuilder::with_capacity(1024);
    assert!(builder.is_empty());
    let drafts: Vec<Draft> = (0..5u8)
        .map(|n| builder.push(b"\x00\x01k", &DURABLE, n % 2 == 0, &vec![n; n.into()]))
        .collect();
    assert!(!builder.is_empty());
    let sealed = builder.seal();
    let messages: Vec<Message> = drafts.iter().map(|draft| sealed.message(draft)).collect();
    for (n, message) in (0u8..).zip(&messages) {
        assert_eq!(message.body(), vec![n; n.into()]);
        assert_eq!(message.routing_key(), b"k");
        assert_eq!(message.is_persistent(), n % 2 == 0);
        assert_eq!(message.pins(), messages[0].pins());
        assert_eq!(written(message, 1, 4096), expected(message, 1, 4096));
    }
}

#[test]
fn a_chunk_fills_exactly() {
    for body in [0, 10] {
        let size = ChunkBuilder::size(3, DURABLE.len(), body);
        let mut builder = ChunkBuilder::with_capacity(2 * size);
        for _ in 0..2 {
            assert!(builder.fits(size));
            builder.push(b"\x00\x01k", &DURABLE, true, &vec![1; body]);
        }
        assert!(!builder.fits(1));
        assert_eq!(builder.data.len(), 2 * size);
    }
    let mut builder = ChunkBuilder::with_capacity(1024);
    let body = vec![1; LARGE_BODY_BYTES].into_boxed_slice();
    builder.push_large(b"\x00\x01k", &DURABLE, true, body);
    assert!(!builder.fits(1), "a large body has its chunk to itself");
}

#[test]
fn a_straggler_is_copied_out_of_its_chunk() {
    let mut builder = ChunkBuilder::with_capacity(1024);
    builder.push(b"\x00\x01k", &NONE, false, &[1; 500]);
    let draft = builder.push(b"\x01e\x01k", &DURABLE, true, b"straggler");
    let mut straggler = builder.seal().message(&draft);
    straggler.flags |= DEAD_LETTERED;

    let size = straggler.wire_len();
    let mut builder = ChunkBuilder::with_capacity(size + 1);
    let draft = builder.push_copy(&straggler).expect("it fits");
    assert!(builder.push_copy(&straggler).is_none(), "the chunk is full");
    let copy = builder.seal().message(&draft);
    assert_ne!(copy.pins().0, straggler.pins().0);
    assert_eq!(copy.pins().1, size);
    assert_eq!(copy.names(), straggler.names());
    assert_eq!(copy.properties(), DURABLE);
    assert_eq!(copy.body(), b"straggler");
    assert!(copy.is_persistent() && copy.is_dead_lettered());
    assert_eq!(written(&copy, 8, 4096), written(&straggler, 8, 4096));

    // Alone it goes in whatever the room.
    let mut builder = ChunkBuilder::with_capacity(0);
    let draft = builder.push_copy(&straggler).expect("the chunk was empty");
    assert_eq!(builder.seal().message(&draft).body(), b"straggler");
}

#[test]
fn dead_lettering_changes_the_address_and_remembers() {
    let message = Message::new(b"x", b"k", &NONE, b"body");
    assert!(!message.is_dead_lettered() && !message.keys_replaced());

    let once = message.dead_lettered(b"dlx", b"k", &DURABLE, false);
    assert!(once.is_dead_lettered() && !once.keys_replaced() && once.is_persistent());
    assert_eq!(once.exchange(), b"dlx");
    assert_eq!(once.routing_key(), b"k");
    assert_eq!(once.properties(), DURABLE);
    assert_eq!(once.body(), b"body");
    assert_eq!(message.exchange(), b"x");

    let twice = once.dead_lettered(b"dlx", b"other", &NONE, true);
    assert!(twice.keys_replaced() && !twice.is_persistent());
    let thrice = twice.dead_lettered(b"dlx", b"other", &NONE, false);
    assert!(thrice.is_dead_lettered() && thrice.keys_replaced());
}

#[test]
fn sealing_gives_back_what_was_not_needed() {
    let sealed = |bytes: usize| {
        let mut builder = ChunkBuilder::with_capacity(bytes);
        let draft = builder.push(b"\x00\x01k", &NONE, false, &[1; 1000]);
        let sealed = builder.seal();
        assert_eq!(sealed.message(&draft).body(), [1; 1000]);
        (sealed.0.data.len(), sealed.0.data.capacity())
    };
    let (len, capacity) = sealed(CHUNK_BYTES_MAX);
    assert!(capacity < len + len / 4, "{capacity} for {len}");
    // A small rest is not worth a move.
    assert!(sealed(1100).1 >= 1100);
}

proptest! {
    #[test]
    fn frames_are_those_of_the_wire(
        messages in prop::collection::vec(
            (
                prop::collection::vec(any::<u8>(), 0..256),
                prop::collection::vec(any::<u8>(), 0..256),
                prop::collection::vec(any::<u8>(), 2..200),
                prop::collection::vec(any::<u8>(), 0..600),
                any::<bool>(),
            ),
            1..6,
        ),
        channel in any::<u16>(),
        frame_max in 9u32..700,
    ) {
        let mut builder = ChunkBuilder::with_capacity(0);
        let drafts: Vec<Draft> = messages
            .iter()
            .map(|(exchange, key, properties, body, persistent)| {
                let mut names = Vec::new();
                for name in [exchange, key] {
                    names.push(name.len() as u8);
                    names.extend_from_slice(name);
                }
                let before = builder.data.len();
                let draft = builder.push(&names, properties, *persistent, body);
                let size = ChunkBuilder::size(names.len(), properties.len(), body.len());
                assert_eq!(builder.data.len() - before, size);
                draft
            })
            .collect();
        let sealed = builder.seal();
        for (draft, (exchange, key, properties, body, persistent)) in drafts.iter().zip(&messages) {
            let message = sealed.message(draft);
            prop_assert_eq!(message.exchange(), &exchange[..]);
            prop_assert_eq!(message.routing_key(), &key[..]);
            prop_assert_eq!(message.properties(), &properties[..]);
            prop_assert_eq!(message.body(), &body[..]);
            prop_assert_eq!(message.is_persistent(), *persistent);
            let _ = message.ttl_ms();
            let mut expected = Vec::new();
            content::write_content(&mut expected, channel, properties, body, frame_max);
            prop_assert_eq!(written(&message, channel, frame_max), expected);
        }
    }
}

#[test]
fn keys_of_a_bcc_header_stay_with_the_message_and_nobody_sees_them() {
    for body in [vec![], b"small".to_vec(), vec![7; LARGE_BODY_BYTES]] {
        let keys: [&[u8]; 2] = [b"one", b""];
        let names = b"\x01x\x01k";
        let hidden = Message::from_parts(names, &[0, 0], &body, keys.into_iter());
        let plain = Message::from_parts(names, &[0, 0], &body, std::iter::empty());
        assert!(hidden.hidden_keys().eq(keys) && plain.hidden_keys().next().is_none());
        let mut sent = (Vec::new(), Vec::new());
        hidden.write_content(&mut sent.0, 1, 131_072);
        plain.write_content(&mut sent.1, 1, 131_072);
        assert_eq!(sent.0, sent.1);
        let letter = hidden.dead_lettered(b"dlx", b"k", &[0, 0], false);
        assert!(letter.hidden_keys().eq(keys) && letter.body() == body);
        if !hidden.is_large() {
            let mut builder = ChunkBuilder::with_capacity(1024);
            let draft = builder.push_copy(&hidden).unwrap();
            assert!(builder.seal().message(&draft).hidden_keys().eq(keys));
        }
    }
}

/// All messages of a chunk, by their places.
fn read_back(chunk: &SealedChunk, flags: &[u8]) -> Option<Vec<Message>> {
    let mut start = 0;
    flags
        .iter()
        .map(|flags| {
            let message = chunk.message_at(start, *flags)?;
            start += message.place().bytes;
            Some(message)
        })
        .collect()
}

#[test]
fn messages_are_read_back_from_the_bytes_of_their_chunk() {
    let keys: [&[u8]; 2] = [b"one", b""];
    let mut builder = ChunkBuilder::with_capacity(100);
    let plain = builder.push(b"\x01x\x00", &[0x10, 0, 2], true, b"body");
    let mut hidden = builder.push(b"\x00\x01k", &[0, 0], false, b"");
    builder.push_hidden_keys(&mut hidden, keys.into_iter());
    let last = builder.push(b"\x00\x00", &[0, 0], false, &[9; 300]);
    let sealed = builder.seal();
    let messages = [plain, hidden, last].map(|draft| sealed.message(&draft));
    let flags: Vec<u8> = messages
        .iter()
        .map(|message| message.place().flags)
        .collect();
    let again = SealedChunk::from_parts(sealed.parts().0.to_vec(), None);
    let read = read_back(&again, &flags).expect("whole");
    for (was, is) in messages.iter().zip(&read) {
        assert_eq!(was.place(), is.place());
        assert_eq!(
            (was.names(), was.properties(), was.body()),
            (is.names(), is.properties(), is.body())
        );
        assert_eq!(was.is_persistent(), is.is_persistent());
        assert!(was.hidden_keys().eq(is.hidden_keys()));
    }
    assert!(again.message_at(sealed.parts().0.len() as u32, 0).is_none());
}

#[test]
fn a_large_message_is_read_back_with_its_body() {
    let was = Message::from_parts(
        b"\x00\x01k",
        &[0, 0],
        &[3; LARGE_BODY_BYTES],
        std::iter::once(&b"bcc"[..]),
    );
    let chunk = was.chunk();
    let read = |large: &[u8]| {
        SealedChunk::from_parts(chunk.parts().0.to_vec(), Some(large.into()))
            .message_at(0, was.place().flags)
    };
    let is = read(chunk.parts().1.expect("large")).expect("whole");
    assert!(is.is_large() && is.body() == was.body() && is.hidden_keys().eq(was.hidden_keys()));
    assert!(read(&[3; 10]).is_none());
}

proptest! {
    #[test]
    fn damaged_bytes_are_no_message_or_another_but_never_a_panic(
        bodies in prop::collection::vec((prop::collection::vec(any::<u8>(), 0..40), any::<bool>()), 1..4),
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
        cut in any::<prop::sample::Index>(),
        flags in any::<u8>(),
    ) {
        let mut builder = ChunkBuilder::with_capacity(0);
        for (body, hidden) in &bodies {
            let mut draft = builder.push(b"\x01x\x03key", &[0x01, 0, 2, b'4', b'2'], false, body);
            if *hidden {
                builder.push_hidden_keys(&mut draft, [&b"a"[..], b"bc"].into_iter());
            }
        }
        let mut data = builder.seal().parts().0.to_vec();
        for (at, byte) in damage {
            let at = at.index(data.len());
            data[at] = byte;
        }
        data.truncate(cut.index(data.len() + 1));
        let len = data.len() as u32;
        let chunk = SealedChunk::from_parts(data, None);
        for start in 0..=len {
            if let Some(message) = chunk.message_at(start, flags) {
                let _ = (message.names(), message.exchange(), message.routing_key(), message.properties());
                let _ = (message.body().len(), message.ttl_ms(), message.hidden_keys().count(), message.memory());
                prop_assert!(message.place().start + message.place().bytes <= len);
                let mut out = Vec::new();
                message.write_content(&mut out, 1, 4096);
            }
        }
    }
}

/// The format is on disks: these bytes never change.
#[test]
fn the_bytes_of_a_chunk() {
    let mut builder = ChunkBuilder::with_capacity(200);
    let first = builder.push(b"\x01x\x02rk", &DURABLE, true, b"body");
    let mut second = builder.push(b"\x00\x01k", &NONE, false, b"");
    builder.push_hidden_keys(&mut second, [&b"bcc"[..]].into_iter());
    let sealed = builder.seal();
    let expected = [
        // Names, header frame, body frame.
        &b"\x01x\x02rk"[..],
        &[
            2, 0, 0, 0, 0, 0, 15, 0, 60, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4, 0x10, 0, 2, 0xCE,
        ],
        b"\x03\0\0\0\0\0\x04body\xCE",
        // Without a body; then keys that nobody sees.
        b"\x00\x01k",
        &[
            2, 0, 0, 0, 0, 0, 14, 0, 60, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xCE,
        ],
        b"\x07\0\0\0\x03\0\0\0bcc",
    ]
    .concat();
    assert_eq!(sealed.parts(), (&expected[..], None));
    let places = [first, second].map(|draft| sealed.message(&draft).place());
    assert_eq!((places[0].flags, places[1].flags), (2, 8));
    let large = Message::from_parts(
        b"\x00\x01k",
        &NONE,
        &[7; LARGE_BODY_BYTES],
        std::iter::empty(),
    );
    let head = [
        &b"\x00\x01k"[..],
        &[
            2, 0, 0, 0, 0, 0, 14, 0, 60, 0, 0, 0, 0, 0, 0, 0, 0, 0x40, 0, 0, 0, 0xCE,
        ],
    ]
    .concat();
    let chunk = large.chunk();
    assert_eq!(chunk.parts(), (&head[..], Some(&[7; LARGE_BODY_BYTES][..])));
}
