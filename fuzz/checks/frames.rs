//! What must hold for any bytes that a stranger sends to the wire's parsers: no panic, no endless loop, and what is accepted
//! survives being written and read again. Shared by the libFuzzer target and by the ordinary test.
//!
//! The first byte chooses how the rest is looked at, so that a mutation need not get sizes and end octets right to reach
//! what lies behind them.

use leveret::queue::arguments;
use leveret::queue::dead_letter::{self, Death, Past, Reason};
use leveret::wire::content;
use leveret::wire::frame::{self, Cut, Frame};
use leveret::wire::method::{self, DeliverPrefix};
use leveret::wire::properties::{Edits, Properties, PropertiesBuilder, rewrite};
use leveret::wire::reply::Reply;
use leveret::wire::table::{self, Array, Table, Value};

/// Looks at `data` in the way that its first byte says.
pub fn check(data: &[u8]) {
    let Some((view, rest)) = data.split_first() else {
        return;
    };
    match view % 7 {
        0 => stream(rest, 0),
        1 => stream(rest, 4096),
        2 => payload(frame::METHOD, rest),
        3 => payload(frame::HEADER, rest),
        4 => properties(rest),
        5 => fields(rest),
        _ => rules(rest),
    }
}

/// A connection's bytes, cut into frames.
fn stream(mut bytes: &[u8], frame_max: u32) {
    loop {
        match frame::cut(bytes, frame_max) {
            Cut::Whole { frame, used } => {
                assert!(used >= frame::OVERHEAD && used <= bytes.len());
                assert_eq!(used, frame.payload.len() + frame::OVERHEAD);
                assert_eq!(
                    written(frame),
                    bytes[..used],
                    "a frame is written as it came"
                );
                for part in [0, 1, frame::HEAD - 1, frame::HEAD, used / 2, used - 1] {
                    match frame::cut(&bytes[..part], frame_max) {
                        Cut::Partial { need } => assert!(need > part && need <= used),
                        other => panic!("part of a frame is {other:?}"),
                    }
                }
                self::frame(frame);
                bytes = &bytes[used..];
            }
            Cut::Partial { need } => {
                assert!(need > bytes.len());
                return;
            }
            Cut::Bad(refusal) => return reply(refusal),
        }
    }
}

fn written(frame: Frame<'_>) -> Vec<u8> {
    let mut out = Vec::new();
    let begun = frame::begin(&mut out, frame.kind, frame.channel);
    out.extend_from_slice(frame.payload);
    frame::end(&mut out, begun);
    out
}

/// The one frame that these bytes are.
fn only(bytes: &[u8]) -> Frame<'_> {
    match frame::cut(bytes, 0) {
        Cut::Whole { frame, used } if used == bytes.len() => frame,
        other => panic!("not one whole frame: {other:?}"),
    }
}

fn payload(kind: u8, payload: &[u8]) {
    frame(Frame {
        kind,
        channel: 1,
        payload,
    });
}

fn frame(frame: Frame<'_>) {
    match frame.kind {
        frame::METHOD => method(frame.payload),
        frame::HEADER => match content::parse_header(frame.payload) {
            Ok(header) => {
                if let Err(refusal) = header.expect_basic() {
                    reply(refusal);
                }
                properties(header.properties);
            }
            Err(refusal) => reply(refusal),
        },
        _ => {}
    }
}

/// A reply to a stranger's fault is itself a proper frame.
fn reply(reply: Reply) {
    assert!(reply.text.len() <= 255);
    let mut out = Vec::new();
    reply.write(&mut out, 7);
    assert!(method::parse(only(&out).payload).is_ok());
}

fn method(payload: &[u8]) {
    by_hand(payload);
    let parsed = match method::parse(payload) {
        Ok(parsed) => parsed,
        Err(refusal) => return reply(refusal),
    };
    // Bytes are compared, not values: a NaN in a table is not equal to itself.
    let mut once = Vec::new();
    method::write(&mut once, 1, &parsed);
    let again = method::parse(only(&once).payload).expect("what was written can be read");
    let mut twice = Vec::new();
    method::write(&mut twice, 1, &again);
    assert_eq!(once, twice);
}

/// The methods that are read by hand: what they accept, the general parser accepts, and the writer's bytes are read back.
fn by_hand(payload: &[u8]) {
    let mut out = Vec::new();
    let general = method::parse(payload).is_ok();
    let _ = method::qos_prefetch_size(payload);
    // Each is also tried on bytes of other methods, which a caller would not do; only panics count there.
    let (publish, ack) = (method::parse_publish(payload), method::parse_ack(payload));
    let (nack, reject) = (method::parse_nack(payload), method::parse_reject(payload));
    let (deliver, got) = (
        method::parse_deliver(payload),
        method::parse_get_ok(payload),
    );
    let returned = method::parse_return(payload);
    match method::id(payload) {
        // A routing key may be any bytes, which the general parser does not know.
        Some(method::BASIC_PUBLISH) => {
            assert!(publish.is_ok() || !general);
            if let Ok(publish) = publish {
                let (exchange, key) = (publish.exchange, publish.routing_key);
                assert_eq!(publish.names.len(), exchange.len() + key.len() + 2);
                method::write_publish(&mut out, 1, exchange, key, publish.mandatory);
                let read = method::parse_publish(only(&out).payload).expect("ours");
                assert_eq!(
                    (read.names, read.mandatory),
                    (publish.names, publish.mandatory)
                );
            }
        }
        Some(method::BASIC_ACK) => {
            assert_eq!(ack.is_ok(), general);
            if let Ok(ack) = ack {
                method::write_ack(&mut out, 1, ack.tag, ack.multiple);
                assert_eq!(method::parse_ack(only(&out).payload), Ok(ack));
            }
        }
        Some(method::BASIC_NACK) => assert_eq!(nack.is_ok(), general),
        Some(method::BASIC_REJECT) => {
            assert_eq!(reject.is_ok(), general);
            if let Ok(reject) = reject {
                method::write_reject(&mut out, 1, reject.tag, reject.requeue);
                assert_eq!(method::parse_reject(only(&out).payload), Ok(reject));
            }
        }
        // What only clients read is not checked for UTF-8 there.
        Some(method::BASIC_DELIVER) => {
            assert!(deliver.is_ok() || !general);
            if let Ok(deliver) = deliver {
                let prefix = DeliverPrefix::new(1, deliver.consumer_tag);
                let names = names(deliver.exchange, deliver.routing_key);
                let (tag, redelivered) = (deliver.delivery_tag, deliver.redelivered);
                method::write_deliver(&mut out, &prefix, tag, redelivered, &names);
                assert_eq!(prefix.frame_size(&names), out.len());
                assert_eq!(method::parse_deliver(only(&out).payload), Ok(deliver));
            }
        }
        Some(method::BASIC_GET_OK) => {
            assert!(got.is_ok() || !general);
            if let Ok(got) = got {
                let names = names(got.exchange, got.routing_key);
                let (tag, count) = (got.delivery_tag, got.message_count);
                method::write_get_ok(&mut out, 1, tag, got.redelivered, &names, count);
                assert_eq!(method::parse_get_ok(only(&out).payload), Ok(got));
            }
        }
        Some(method::BASIC_RETURN) => assert!(returned.is_ok() || !general),
        _ => {}
    }
}

fn names(exchange: &[u8], routing_key: &[u8]) -> Vec<u8> {
    let mut names = Vec::new();
    for name in [exchange, routing_key] {
        names.push(u8::try_from(name.len()).expect("a short string"));
        names.extend_from_slice(name);
    }
    names
}

/// A message's property block.
fn properties(raw: &[u8]) {
    let block = Properties::new(raw);
    let sound = block.check();
    let all = PropertiesBuilder {
        content_type: block.content_type(),
        content_encoding: block.content_encoding(),
        headers: block.headers(),
        delivery_mode: block.delivery_mode(),
        priority: block.priority(),
        correlation_id: block.correlation_id(),
        reply_to: block.reply_to(),
        expiration: block.expiration(),
        message_id: block.message_id(),
        timestamp: block.timestamp(),
        kind: block.kind(),
        user_id: block.user_id(),
        app_id: block.app_id(),
        cluster_id: block.cluster_id(),
    };
    let rebuilt = all.build();
    let untouched = rewrite(raw, &Edits::default());
    assert_eq!(rebuilt, untouched, "the edit keeps what the look-ups find");
    let edits = Edits {
        headers: Some(b"\x01aV".to_vec()),
        remove_expiration: true,
        delivery_mode: Some(2),
        reply_to: Some(&[b'r'; 300]),
        ..Edits::default()
    };
    let edited = rewrite(raw, &edits);
    assert_eq!(Properties::new(&edited).check(), Ok(()));
    assert_eq!(Properties::new(&edited).expiration(), None);
    assert_eq!(Properties::new(&edited).header(b"a"), Some(Value::Void));
    assert!(Properties::new(&edited).persistent());
    match sound {
        Ok(()) => {
            assert_eq!(untouched, raw, "what nobody edits stays byte for byte");
            let mut out = Vec::new();
            content::write_content(&mut out, 1, raw, b"0123456789", 0);
            assert_eq!(out.len(), content::wire_size(raw.len(), 10, 0));
            fields(block.headers().unwrap_or_default());
        }
        Err(refusal) => {
            reply(refusal);
            // Unchecked bytes may still be walked.
            walk(Table(block.headers().unwrap_or_default()), 0);
        }
    }
}

/// The payload of a table.
fn fields(raw: &[u8]) {
    let checked = table::check(raw, false);
    let walked = walk(Table(raw), 0);
    if checked.is_ok() {
        assert_eq!(walked, raw.len(), "a sound table is walked to its end");
    }
    assert_eq!(Table(raw).without(&[]).len(), walked);
    let Ok(parsed) = table::to_field_table(raw) else {
        return;
    };
    assert!(checked.is_ok());
    for (name, _) in Table(raw).iter() {
        assert!(Table(raw).find(name).is_some());
    }
    let once = table::from_field_table(&parsed);
    let again = table::to_field_table(&once).expect("what was written can be read");
    assert_eq!(table::from_field_table(&again), once);
    for (_, value) in &parsed {
        let _ = (table::equivalent(value, value), table::integer(value));
        let _ = leveret::wire::erlang::plain(value);
    }
}

/// What a queue's rules read of strangers' bytes: the arguments of a declare, the headers of a dying message.
fn rules(raw: &[u8]) {
    const QUEUE: &str = "queue 'q' in vhost '/'";
    if let Ok(wanted) = table::to_field_table(raw) {
        match arguments::parse(QUEUE, &wanted, true, false, false, false) {
            Ok(parsed) => {
                let kept = arguments::stored(&wanted, parsed.kind);
                assert_eq!(
                    arguments::parse(QUEUE, &kept, true, false, false, false),
                    Ok(parsed)
                );
            }
            Err(refusal) => reply(refusal),
        }
        // A NaN is not even equal to itself.
        if let Err(refusal) = arguments::equivalent(&wanted, &wanted, QUEUE) {
            reply(refusal);
        }
        let _ = arguments::parse_consumer(QUEUE, &wanted, arguments::QueueKind::Classic);
    }
    let death = Death {
        reason: Reason::Expired,
        queue: "q",
        now_ms: 0,
    };
    for past in [Past::default(), Past::default().after_death(false)] {
        let keys = dead_letter::keys(b"key", raw, past).count();
        assert!(keys >= 1);
        let letter = dead_letter::bury(raw, b"x", b"key", past, &death);
        // Except for headers that are too deep already, a letter can always be read.
        if Properties::new(raw).check().is_ok() {
            assert_eq!(Properties::new(&letter).check(), Ok(()));
        }
        assert!(dead_letter::is_cycle(&letter, "q"));
        let again = dead_letter::bury(&letter, b"x", b"key", past.after_death(false), &death);
        assert_eq!(again.len(), letter.len(), "only a count has changed");
    }
    if let Ok(milliseconds) = arguments::expiration(raw) {
        assert_eq!(
            arguments::expiration(milliseconds.to_string().as_bytes()),
            Ok(milliseconds)
        );
    }
}

/// Walks a table and everything in it as far as the structure goes; how many bytes that were. Unchecked bytes are not limited
/// in depth, so this limits itself.
fn walk(table: Table<'_>, depth: usize) -> usize {
    let mut length = 0;
    for field in table.fields() {
        length += field.raw.len();
        inside(field.value, depth);
    }
    length
}

fn inside(value: Value<'_>, depth: usize) {
    let _ = (value.type_name(), value.integer(), value.long_string());
    match value {
        _ if depth > 100 => {}
        Value::Table(table) => {
            walk(table, depth + 1);
        }
        Value::Array(Array(raw)) => {
            Array(raw).iter().for_each(|item| inside(item, depth + 1));
        }
        _ => {}
    }
}
