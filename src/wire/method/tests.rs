//! Methods: by example bytes, against the library, and every one there and back.

use amq_protocol::protocol::{access, basic, channel, confirm, connection, exchange, queue, tx};
use proptest::prelude::*;

use super::*;
use crate::wire::frame::{Cut, cut};
use crate::wire::testing;

/// The payload of the one frame in these bytes.
fn payload(bytes: &[u8]) -> &[u8] {
    match cut(bytes, 0) {
        Cut::Whole { frame, used } if used == bytes.len() => frame.payload,
        other => panic!("{other:?}"),
    }
}

fn refused(payload: &[u8]) -> String {
    parse(payload).unwrap_err().to_string()
}

/// queue.declare of `q` with these raw arguments.
fn declare(arguments: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0, 50, 0, 10, 0, 0, 1, b'q', 0];
    bytes.extend_from_slice(&(arguments.len() as u32).to_be_bytes());
    bytes.extend_from_slice(arguments);
    bytes
}

#[test]
fn a_publish_is_read_in_place() {
    let bytes = [0, 60, 0, 40, 0, 0, 1, b'x', 2, b'k', b'y', 1];
    let publish = parse_publish(&bytes).unwrap();
    assert_eq!(publish.names, [1, b'x', 2, b'k', b'y']);
    assert_eq!(
        (publish.exchange, publish.routing_key),
        (&b"x"[..], &b"ky"[..])
    );
    assert!(publish.mandatory && !publish.immediate);
    assert_eq!(id(&bytes), Some(BASIC_PUBLISH));

    for end in 4..bytes.len() {
        assert_eq!(parse_publish(&bytes[..end]).unwrap_err().code, 501);
    }
    let mut long = bytes.to_vec();
    long.push(0);
    assert_eq!(
        parse_publish(&long).unwrap_err().to_string(),
        "501 60/40 FRAME_ERROR - cannot decode <<0,0,1,120,2,107,121,1,0>>"
    );
    // Names may be any bytes, as in RabbitMQ.
    let odd = [0, 60, 0, 40, 0, 0, 1, 0xFF, 1, 0xC3, 0];
    let publish = parse_publish(&odd).unwrap();
    assert_eq!(
        (publish.exchange, publish.routing_key),
        (&[0xFF][..], &[0xC3][..])
    );
}

#[test]
fn bytes_too_few_or_too_many_are_shown() {
    assert_eq!(
        refused(&[0, 50, 0, 10, 0, 0, 9, b'q']),
        "501 50/10 FRAME_ERROR - cannot decode <<0,0,9,113>>"
    );
    let mut long = declare(&[]);
    long.push(1);
    assert!(refused(&long).starts_with("501 50/10 FRAME_ERROR - cannot decode <<"));
    assert_eq!(
        parse(&[0, 50, 0, 10]).unwrap_err().text,
        "FRAME_ERROR - cannot decode <<>>"
    );
    let huge = [&[0, 50, 0, 10][..], &[200; 1000]].concat();
    assert_eq!(parse(&huge).unwrap_err().text.len(), 255);
    assert_eq!(
        refused(&[0, 50]),
        "501 0/0 FRAME_ERROR - type 1, all octets = <<0,50>>: unknown_frame"
    );
}

#[test]
fn unknown_methods_and_classes_get_an_answer() {
    assert_eq!(
        refused(&[0, 50, 0, 99]),
        "503 50/99 COMMAND_INVALID - unknown method 99 of class 50"
    );
    assert_eq!(
        refused(&[1, 0, 0, 10, 5]),
        "503 256/10 COMMAND_INVALID - unknown method 10 of class 256"
    );
    assert_eq!(
        refused(&[0, 70, 0, 10]),
        "540 70/10 NOT_IMPLEMENTED - class file is not offered"
    );
}

#[test]
fn bad_names_and_tables_get_an_answer() {
    assert_eq!(
        refused(&[0, 50, 0, 10, 0, 0, 1, 0xFF, 0, 0, 0, 0, 0]),
        "501 0/0 FRAME_ERROR - Malformed UTF-8 in shortstr"
    );
    assert_eq!(
        refused(&declare(&[1, b'k', b'q'])),
        "501 50/10 FRAME_ERROR - cannot decode table: unknown field type 'q'"
    );
    assert_eq!(
        refused(&declare(&[1, b'k', b'I', 0])),
        "501 50/10 FRAME_ERROR - cannot decode table: field is longer than its table"
    );
    assert_eq!(
        refused(&declare(&[1, 0xFF, b'V'])),
        "501 50/10 FRAME_ERROR - cannot decode table: field name is not valid UTF-8"
    );
}

/// `depth` tables inside each other, as the arguments of a declare.
fn deep(depth: usize) -> Vec<u8> {
    let mut raw = Vec::new();
    for level in (1..depth).rev() {
        let inside = ((depth - 1 - level) * 6) as u32;
        let mut field = vec![0, b'F'];
        field.extend_from_slice(&inside.to_be_bytes());
        raw.splice(0..0, field);
    }
    declare(&raw)
}

#[test]
fn the_deepest_table_allowed_is_parsed_on_a_small_stack_and_a_deeper_one_is_refused() {
    let max = crate::wire::limits::TABLE_DEPTH_MAX;
    std::thread::Builder::new()
        .stack_size(512 * 1024)
        .spawn(move || {
            let method = parse(&deep(max)).unwrap();
            let mut out = Vec::new();
            write(&mut out, 1, &method);
            assert_eq!(payload(&out), deep(max));
        })
        .unwrap()
        .join()
        .unwrap();
    let text = "501 50/10 FRAME_ERROR - cannot decode table: nested deeper than 64 levels";
    assert_eq!(refused(&deep(max + 1)), text);
    assert_eq!(refused(&deep(3000)), text);
}

#[test]
fn long_strings_and_binaries_keep_any_bytes() {
    let raw = [
        1, b'k', b'S', 0, 0, 0, 2, 0xFF, 0, 1, b'x', b'x', 0, 0, 0, 1, 0xFE,
    ];
    let method = parse(&declare(&raw)).unwrap();
    let mut out = Vec::new();
    write(&mut out, 1, &method);
    assert_eq!(payload(&out), declare(&raw));
}

#[test]
fn the_prefetch_size_is_not_lost() {
    let qos = [0, 60, 0, 10, 0, 0, 0, 7, 0, 9, 1];
    assert_eq!(qos_prefetch_size(&qos), 7);
    assert_eq!(qos_prefetch_size(&qos[..5]), 0);
    let expected = basic::Qos {
        prefetch_count: 9,
        global: true,
    };
    assert_eq!(
        parse(&qos),
        Ok(AMQPClass::Basic(basic::AMQPMethod::Qos(expected)))
    );
}

#[test]
fn confirms_are_frames_of_the_known_bytes() {
    let mut out = Vec::new();
    write_ack(&mut out, 1, 2, true);
    write_nack(&mut out, 1, 3, false);
    assert_eq!(
        out,
        [
            1, 0, 1, 0, 0, 0, 13, 0, 60, 0, 80, 0, 0, 0, 0, 0, 0, 0, 2, 1, 0xCE, //
            1, 0, 1, 0, 0, 0, 13, 0, 60, 0, 120, 0, 0, 0, 0, 0, 0, 0, 3, 2, 0xCE
        ]
    );
    let nack = Nack {
        tag: 3,
        multiple: false,
        requeue: true,
    };
    assert_eq!(parse_nack(payload(&out[21..])), Ok(nack));
    assert_eq!(parse_ack(&out[7..19]).unwrap_err().code, 501);
}

/// One of each method that has no fields worth varying.
fn plain_methods() -> Vec<AMQPClass> {
    use AMQPClass::{Access, Basic, Channel, Confirm, Connection, Exchange, Queue, Tx};
    vec![
        Connection(connection::AMQPMethod::CloseOk(connection::CloseOk {})),
        Connection(connection::AMQPMethod::OpenOk(connection::OpenOk {})),
        Connection(connection::AMQPMethod::Unblocked(connection::Unblocked {})),
        Connection(connection::AMQPMethod::UpdateSecretOk(
            connection::UpdateSecretOk {},
        )),
        Channel(channel::AMQPMethod::Open(channel::Open {})),
        Channel(channel::AMQPMethod::OpenOk(channel::OpenOk {})),
        Channel(channel::AMQPMethod::CloseOk(channel::CloseOk {})),
        Access(access::AMQPMethod::RequestOk(access::RequestOk {})),
        Exchange(exchange::AMQPMethod::DeclareOk(exchange::DeclareOk {})),
        Exchange(exchange::AMQPMethod::DeleteOk(exchange::DeleteOk {})),
        Exchange(exchange::AMQPMethod::BindOk(exchange::BindOk {})),
        Exchange(exchange::AMQPMethod::UnbindOk(exchange::UnbindOk {})),
        Queue(queue::AMQPMethod::BindOk(queue::BindOk {})),
        Queue(queue::AMQPMethod::UnbindOk(queue::UnbindOk {})),
        Basic(basic::AMQPMethod::QosOk(basic::QosOk {})),
        Basic(basic::AMQPMethod::GetEmpty(basic::GetEmpty {})),
        Basic(basic::AMQPMethod::RecoverOk(basic::RecoverOk {})),
        Confirm(confirm::AMQPMethod::SelectOk(confirm::SelectOk {})),
        Tx(tx::AMQPMethod::Select(tx::Select {})),
        Tx(tx::AMQPMethod::SelectOk(tx::SelectOk {})),
        Tx(tx::AMQPMethod::Commit(tx::Commit {})),
        Tx(tx::AMQPMethod::CommitOk(tx::CommitOk {})),
        Tx(tx::AMQPMethod::Rollback(tx::Rollback {})),
        Tx(tx::AMQPMethod::RollbackOk(tx::RollbackOk {})),
    ]
}

/// Any method that has fields, its fields drawn at random.
fn methods() -> impl Strategy<Value = Vec<AMQPClass>> {
    use AMQPClass::{Access, Basic, Channel, Confirm, Connection, Exchange, Queue};
    let names = [(); 4].map(|()| testing::name());
    let numbers = (any::<u8>(), any::<u16>(), any::<u32>(), any::<u64>());
    let bits = any::<[bool; 5]>();
    let bytes = prop::collection::vec(any::<u8>(), 0..40);
    (names, testing::table(), numbers, bits, bytes).prop_map(
        |([a, b, c, d], arguments, (octet, short, long, longlong), [p, q, r, s, t], bytes)| {
            vec![
                Connection(connection::AMQPMethod::Start(connection::Start {
                    version_major: octet,
                    version_minor: 9,
                    server_properties: arguments.clone(),
                    mechanisms: bytes.clone().into(),
                    locales: "en_US".into(),
                })),
                Connection(connection::AMQPMethod::StartOk(connection::StartOk {
                    client_properties: arguments.clone(),
                    mechanism: a.clone(),
                    response: bytes.clone().into(),
                    locale: b.clone(),
                })),
                Connection(connection::AMQPMethod::Secure(connection::Secure {
                    challenge: bytes.clone().into(),
                })),
                Connection(connection::AMQPMethod::SecureOk(connection::SecureOk {
                    response: bytes.clone().into(),
                })),
                Connection(connection::AMQPMethod::Tune(connection::Tune {
                    channel_max: short,
                    frame_max: long,
                    heartbeat: short,
                })),
                Connection(connection::AMQPMethod::TuneOk(connection::TuneOk {
                    channel_max: short,
                    frame_max: long,
                    heartbeat: short,
                })),
                Connection(connection::AMQPMethod::Open(connection::Open {
                    virtual_host: a.clone(),
                })),
                Connection(connection::AMQPMethod::Close(connection::Close {
                    reply_code: short,
                    reply_text: a.clone(),
                    class_id: 60,
                    method_id: 40,
                })),
                Connection(connection::AMQPMethod::Blocked(connection::Blocked {
                    reason: a.clone(),
                })),
                Connection(connection::AMQPMethod::UpdateSecret(
                    connection::UpdateSecret {
                        new_secret: bytes.into(),
                        reason: a.clone(),
                    },
                )),
                Channel(channel::AMQPMethod::Flow(channel::Flow { active: p })),
                Channel(channel::AMQPMethod::FlowOk(channel::FlowOk { active: p })),
                Channel(channel::AMQPMethod::Close(channel::Close {
                    reply_code: short,
                    reply_text: a.clone(),
                    class_id: 60,
                    method_id: 40,
                })),
                Access(access::AMQPMethod::Request(access::Request {
                    realm: a.clone(),
                    exclusive: p,
                    passive: q,
                    active: r,
                    write: s,
                    read: t,
                })),
                Exchange(exchange::AMQPMethod::Declare(exchange::Declare {
                    exchange: a.clone(),
                    kind: b.clone(),
                    passive: p,
                    durable: q,
                    auto_delete: r,
                    internal: s,
                    nowait: t,
                    arguments: arguments.clone(),
                })),
                Exchange(exchange::AMQPMethod::Delete(exchange::Delete {
                    exchange: a.clone(),
                    if_unused: p,
                    nowait: q,
                })),
                Exchange(exchange::AMQPMethod::Bind(exchange::Bind {
                    destination: a.clone(),
                    source: b.clone(),
                    routing_key: c.clone(),
                    nowait: p,
                    arguments: arguments.clone(),
                })),
                Exchange(exchange::AMQPMethod::Unbind(exchange::Unbind {
                    destination: a.clone(),
                    source: b.clone(),
                    routing_key: c.clone(),
                    nowait: p,
                    arguments: arguments.clone(),
                })),
                Queue(queue::AMQPMethod::Declare(queue::Declare {
                    queue: a.clone(),
                    passive: p,
                    durable: q,
                    exclusive: r,
                    auto_delete: s,
                    nowait: t,
                    arguments: arguments.clone(),
                })),
                Queue(queue::AMQPMethod::DeclareOk(queue::DeclareOk {
                    queue: a.clone(),
                    message_count: long,
                    consumer_count: long,
                })),
                Queue(queue::AMQPMethod::Bind(queue::Bind {
                    queue: a.clone(),
                    exchange: b.clone(),
                    routing_key: c.clone(),
                    nowait: p,
                    arguments: arguments.clone(),
                })),
                Queue(queue::AMQPMethod::Unbind(queue::Unbind {
                    queue: a.clone(),
                    exchange: b.clone(),
                    routing_key: c.clone(),
                    arguments: arguments.clone(),
                })),
                Queue(queue::AMQPMethod::Purge(queue::Purge {
                    queue: a.clone(),
                    nowait: p,
                })),
                Queue(queue::AMQPMethod::PurgeOk(queue::PurgeOk {
                    message_count: long,
                })),
                Queue(queue::AMQPMethod::Delete(queue::Delete {
                    queue: a.clone(),
                    if_unused: p,
                    if_empty: q,
                    nowait: r,
                })),
                Queue(queue::AMQPMethod::DeleteOk(queue::DeleteOk {
                    message_count: long,
                })),
                Basic(basic::AMQPMethod::Qos(basic::Qos {
                    prefetch_count: short,
                    global: p,
                })),
                Basic(basic::AMQPMethod::Consume(basic::Consume {
                    queue: a.clone(),
                    consumer_tag: b.clone(),
                    no_local: p,
                    no_ack: q,
                    exclusive: r,
                    nowait: s,
                    arguments,
                })),
                Basic(basic::AMQPMethod::ConsumeOk(basic::ConsumeOk {
                    consumer_tag: a.clone(),
                })),
                Basic(basic::AMQPMethod::Cancel(basic::Cancel {
                    consumer_tag: a.clone(),
                    nowait: p,
                })),
                Basic(basic::AMQPMethod::CancelOk(basic::CancelOk {
                    consumer_tag: a.clone(),
                })),
                Basic(basic::AMQPMethod::Publish(basic::Publish {
                    exchange: a.clone(),
                    routing_key: b.clone(),
                    mandatory: p,
                    immediate: q,
                })),
                Basic(basic::AMQPMethod::Return(basic::Return {
                    reply_code: short,
                    reply_text: a.clone(),
                    exchange: b.clone(),
                    routing_key: c.clone(),
                })),
                Basic(basic::AMQPMethod::Deliver(basic::Deliver {
                    consumer_tag: d,
                    delivery_tag: longlong,
                    redelivered: p,
                    exchange: b.clone(),
                    routing_key: c.clone(),
                })),
                Basic(basic::AMQPMethod::Get(basic::Get {
                    queue: a,
                    no_ack: p,
                })),
                Basic(basic::AMQPMethod::GetOk(basic::GetOk {
                    delivery_tag: longlong,
                    redelivered: p,
                    exchange: b,
                    routing_key: c,
                    message_count: long,
                })),
                Basic(basic::AMQPMethod::Ack(basic::Ack {
                    delivery_tag: longlong,
                    multiple: p,
                })),
                Basic(basic::AMQPMethod::Reject(basic::Reject {
                    delivery_tag: longlong,
                    requeue: p,
                })),
                Basic(basic::AMQPMethod::Nack(basic::Nack {
                    delivery_tag: longlong,
                    multiple: p,
                    requeue: q,
                })),
                Basic(basic::AMQPMethod::Recover(basic::Recover { requeue: p })),
                Basic(basic::AMQPMethod::RecoverAsync(basic::RecoverAsync {
                    requeue: p,
                })),
                Confirm(confirm::AMQPMethod::Select(confirm::Select { nowait: p })),
            ]
        },
    )
}

/// What the hand-written parsers read must be what the library reads, and what they write the same bytes.
fn hot_agrees(method: &AMQPClass, bytes: &[u8], payload: &[u8]) {
    let short = |text: &str| {
        let mut bytes = vec![text.len() as u8];
        bytes.extend_from_slice(text.as_bytes());
        bytes
    };
    let names = |x: &str, key: &str| [short(x), short(key)].concat();
    let mut out = Vec::new();
    let AMQPClass::Basic(method) = method else {
        return;
    };
    match method {
        basic::AMQPMethod::Publish(m) => {
            let read = parse_publish(payload).unwrap();
            let (exchange, key) = (m.exchange.as_str(), m.routing_key.as_str());
            assert_eq!(read.exchange, exchange.as_bytes());
            assert_eq!(read.routing_key, key.as_bytes());
            assert_eq!(read.names, names(exchange, key));
            assert_eq!((read.mandatory, read.immediate), (m.mandatory, m.immediate));
            if m.immediate {
                return;
            }
            write_publish(
                &mut out,
                7,
                exchange.as_bytes(),
                key.as_bytes(),
                m.mandatory,
            );
            let prefix = PublishPrefix::new(7, exchange.as_bytes(), key.as_bytes(), m.mandatory);
            assert_eq!(prefix.frame(), out);
        }
        basic::AMQPMethod::Deliver(m) => {
            let read = parse_deliver(payload).unwrap();
            assert_eq!(read.consumer_tag, m.consumer_tag.as_str().as_bytes());
            assert_eq!(read.exchange, m.exchange.as_str().as_bytes());
            assert_eq!(read.routing_key, m.routing_key.as_str().as_bytes());
            assert_eq!(
                (read.delivery_tag, read.redelivered),
                (m.delivery_tag, m.redelivered)
            );
            let prefix = DeliverPrefix::new(7, m.consumer_tag.as_str().as_bytes());
            let names = names(m.exchange.as_str(), m.routing_key.as_str());
            write_deliver(&mut out, &prefix, m.delivery_tag, m.redelivered, &names);
            assert_eq!(out.len(), prefix.frame_size(&names));
        }
        basic::AMQPMethod::GetOk(m) => {
            let read = parse_get_ok(payload).unwrap();
            assert_eq!(read.exchange, m.exchange.as_str().as_bytes());
            assert_eq!(read.routing_key, m.routing_key.as_str().as_bytes());
            assert_eq!(
                (read.delivery_tag, read.redelivered),
                (m.delivery_tag, m.redelivered)
            );
            assert_eq!(read.message_count, m.message_count);
            let names = names(m.exchange.as_str(), m.routing_key.as_str());
            write_get_ok(
                &mut out,
                7,
                m.delivery_tag,
                m.redelivered,
                &names,
                m.message_count,
            );
        }
        basic::AMQPMethod::Return(m) => {
            let read = parse_return(payload).unwrap();
            assert_eq!(
                (read.code, read.text),
                (m.reply_code, m.reply_text.as_str().as_bytes())
            );
            assert_eq!(read.exchange, m.exchange.as_str().as_bytes());
            assert_eq!(read.routing_key, m.routing_key.as_str().as_bytes());
            let names = names(m.exchange.as_str(), m.routing_key.as_str());
            write_return(&mut out, 7, m.reply_code, m.reply_text.as_str(), &names);
        }
        basic::AMQPMethod::Ack(m) => {
            let ack = Ack {
                tag: m.delivery_tag,
                multiple: m.multiple,
            };
            assert_eq!(parse_ack(payload), Ok(ack));
            write_ack(&mut out, 7, m.delivery_tag, m.multiple);
        }
        basic::AMQPMethod::Reject(m) => {
            let reject = Reject {
                tag: m.delivery_tag,
                requeue: m.requeue,
            };
            assert_eq!(parse_reject(payload), Ok(reject));
            write_reject(&mut out, 7, m.delivery_tag, m.requeue);
        }
        basic::AMQPMethod::Nack(m) => {
            let nack = Nack {
                tag: m.delivery_tag,
                multiple: m.multiple,
                requeue: m.requeue,
            };
            assert_eq!(parse_nack(payload), Ok(nack));
            if !m.requeue {
                return;
            }
            write_nack(&mut out, 7, m.delivery_tag, m.multiple);
        }
        _ => return,
    }
    assert_eq!(out, bytes);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn every_method_comes_back_as_it_was_written(methods in methods()) {
        for method in plain_methods().into_iter().chain(methods) {
            let mut bytes = Vec::new();
            write(&mut bytes, 7, &method);
            prop_assert_eq!(&bytes[..3], [1, 0, 7]);
            let payload = payload(&bytes);
            prop_assert_eq!(parse(payload), Ok(method.clone()));
            prop_assert_eq!(
                id(payload),
                Some(u32::from(method.get_amqp_class_id()) << 16 | u32::from(method.get_amqp_method_id()))
            );
            hot_agrees(&method, &bytes, payload);
            // One byte less or more never passes.
            let mut longer = payload.to_vec();
            longer.push(0);
            prop_assert!(parse(&longer).is_err());
            if payload.len() > 4 {
                prop_assert!(parse(&payload[..payload.len() - 1]).is_err());
            }
        }
    }

}

proptest! {
    #[test]
    fn no_bytes_panic_and_what_the_check_passes_the_library_reads(
        methods in methods(),
        which in any::<prop::sample::Index>(),
        hits in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
        cut in any::<prop::sample::Index>(),
        shorten in any::<bool>(),
    ) {
        let mut bytes = Vec::new();
        write(&mut bytes, 7, which.get(&methods));
        let mut payload = payload(&bytes).to_vec();
        for (at, octet) in &hits {
            let at = at.index(payload.len());
            payload[at] = *octet;
        }
        if shorten {
            payload.truncate(cut.index(payload.len() + 1));
        }
        let _ = parse_publish(&payload);
        let _ = parse_deliver(&payload);
        let _ = parse_get_ok(&payload);
        let _ = parse_return(&payload);
        let _ = (parse_ack(&payload), parse_nack(&payload), parse_reject(&payload));
        if let Some(id) = id(&payload) {
            let sound = signature::check(id, &payload[4..]).is_ok();
            prop_assert_eq!(parse(&payload).is_ok(), sound);
        }
    }

    #[test]
    fn random_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..80)) {
        let _ = parse(&bytes);
        let _ = parse_publish(&bytes);
        let _ = parse_deliver(&bytes);
        let _ = crate::wire::content::parse_header(&bytes);
    }
}
