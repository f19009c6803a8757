//! What is done with messages: publish one, get some.

use std::sync::Arc;

use base64::Engine;
use serde_json::{Map, Value, json};

use super::call::required;
use super::properties;
use super::{Answer, Call, NO_CONNECTION, Refusal, wait};
use crate::auth::Verb;
use crate::broker::Broker;
use crate::broker::publish::{Origin, Publish, Publisher};
use crate::exchange::{Kind, extra_keys};
use crate::message::Message;
use crate::queue::arguments::QueueKind;
use crate::queue::mailbox::Mailbox;
use crate::queue::{Effects, Outcome, Queue, STEPS_MAX, Taken, arguments};
use crate::wire::properties::Properties;
use crate::wire::reply::Reply;

/// Bytes of payloads that one answer brings; the message that passes it is the last.
pub const ANSWER_BYTES_MAX: usize = 64 * 1024 * 1024;
/// Messages that one answer brings.
const ANSWER_MESSAGES_MAX: u64 = 100_000;

/// POST /exchanges/vhost/name/publish.
pub fn publish(call: &Call) -> Result<Answer, Refusal> {
    let vhost = call.vhost_to_change()?;
    let name = call.param("exchange");
    let Some(exchange) = vhost.exchange(name) else {
        return Err(Refusal::not_found("exchange_not_found"));
    };
    let object = call.object()?;
    let [routing_key, given, payload, encoding] = required(
        &object,
        ["routing_key", "properties", "payload", "payload_encoding"],
    )?;
    let text = |name: &str, value: &Value| match value {
        Value::String(text) => Ok(text.clone()),
        _ => Err(Refusal::bad(format!("{name} is not a string"))),
    };
    let routing_key = text("routing_key", &routing_key)?;
    if routing_key.len() > 255 {
        return Err(Refusal::bad("routing_key is longer than 255 bytes"));
    }
    let payload = text("payload", &payload)?;
    let body = match encoding.as_str() {
        Some("string") => payload.into_bytes(),
        Some("base64") => base64::prelude::BASE64_STANDARD
            .decode(&payload)
            .map_err(|_| Refusal::bad(json!(["not_base64", payload])))?,
        _ => return Err(Refusal::bad(json!(["unsupported_encoding", encoding]))),
    };
    let raw = properties::block(&given)?;
    let mut access = call.access(&vhost)?;
    access.exchange(Verb::Write, name)?;
    if exchange.internal {
        return Err(Refusal::not_authorised("Access refused."));
    }
    let parsed = Properties::new(&raw);
    if let Some(expiration) = parsed.expiration() {
        arguments::expiration(expiration)?;
    }
    if let Some(user) = parsed.user_id() {
        access.check_user_id(user)?;
    }
    let extra = extra_keys(parsed)?;
    if exchange.kind.kind == Kind::Topic {
        for key in extra.after(routing_key.as_bytes()) {
            access.topic(Verb::Write, name, key)?;
        }
    }
    let broker = call.broker();
    if broker.is_alarmed() {
        let reason = format!("publishing is blocked: {}", broker.alarm_reason());
        return Err(Refusal::bad(reason));
    }
    let mut names = Vec::with_capacity(name.len() + routing_key.len() + 2);
    for part in [name, routing_key.as_str()] {
        names.push(part.len() as u8);
        names.extend_from_slice(part.as_bytes());
    }
    let mut publisher = Publisher::new(Arc::clone(&vhost));
    let publish = Publish {
        names: &names,
        routing_key: routing_key.as_bytes(),
        properties: &raw,
        body,
        // Mandatory, so that it is heard of, should its queue go on the way.
        origin: Origin::new(1, true, Some(1)),
    };
    let placed = publisher.publish(broker, &exchange, publish);
    let (mut wakers, mut unroutable) = (Effects::default(), Vec::new());
    let receipt = publisher.flush(broker, broker.now(), &mut wakers, &mut unroutable);
    wakers.wake();
    if !publisher.take_refused().is_empty() {
        return Err(Refusal::bad("rejected"));
    }
    wait::for_disk(broker, receipt)?;
    let routed = placed.is_ok() && unroutable.is_empty();
    Ok(Answer::Json(json!({"routed": routed})))
}

/// Messages that were taken and not settled: they go back, whatever happens.
struct Held<'a> {
    broker: &'a Broker,
    queue: Arc<Queue>,
    sequences: Vec<u64>,
    outcome: Outcome,
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        for run in self.sequences.chunks(STEPS_MAX) {
            let mut effects = Effects::default();
            let now = self.broker.now();
            self.queue
                .lock()
                .settle(run, self.outcome, now, &mut effects);
            self.broker.perform(&self.queue, effects);
        }
    }
}

/// POST /queues/vhost/name/get.
pub fn get(call: &Call) -> Result<Answer, Refusal> {
    let vhost = call.vhost_to_change()?;
    let name = call.param("name");
    if vhost.queue(name).is_none() {
        return Err(Refusal::not_found("queue_not_found"));
    }
    let object = call.object()?;
    let [mode, count, encoding] = required(&object, ["ackmode", "count", "encoding"])?;
    let count = match &count {
        Value::Number(number) if number.as_i64().is_some() => number.as_i64().unwrap_or(0),
        Value::String(text) if text.parse::<i64>().is_ok() => text.parse().unwrap_or(0),
        other => return Err(Refusal::bad(json!(["not_integer", other]))),
    };
    let base64 = match encoding.as_str() {
        Some("auto") => false,
        Some("base64") => true,
        _ => {
            let reason = "Unsupported encoding. Please use auto or base64.";
            return Err(Refusal::bad(reason));
        }
    };
    let outcome = match mode.as_str() {
        Some("ack_requeue_true" | "reject_requeue_true") => Outcome::Requeue,
        Some("ack_requeue_false") => Outcome::Ack,
        Some("reject_requeue_false") => Outcome::Discard,
        _ => {
            return Err(Refusal::bad(
                "ackmode must be one of ack_requeue_true, ack_requeue_false, reject_requeue_true, reject_requeue_false",
            ));
        }
    };
    let truncate = match object.get("truncate") {
        None | Some(Value::Null) => None,
        Some(Value::Number(number)) => number.as_u64(),
        Some(Value::String(text)) if text.parse::<u64>().is_ok() => text.parse().ok(),
        Some(other) => return Err(Refusal::bad(json!(["not_integer", other]))),
    };
    let truncate = truncate.map(|bytes| usize::try_from(bytes).unwrap_or(usize::MAX));
    call.access(&vhost)?.queue(Verb::Read, name)?;
    let queue = vhost.usable_queue(name, NO_CONNECTION)?;
    if queue.kind == QueueKind::Stream {
        let reply = Reply::not_for_streams("basic.get", &queue.resource());
        return Err(Refusal::coded(&reply));
    }
    let mut held = Held {
        broker: call.broker(),
        queue,
        sequences: Vec::new(),
        // Until all of it is known to go out.
        outcome: Outcome::Requeue,
    };
    // As RabbitMQ, a count below zero is no end.
    let most = u64::try_from(count)
        .unwrap_or(u64::MAX)
        .min(ANSWER_MESSAGES_MAX);
    let (mut documents, mut bytes) = (Vec::new(), 0);
    while (documents.len() as u64) < most && bytes < ANSWER_BYTES_MAX {
        let Some((message, document)) = take(&mut held, base64, truncate)? else {
            break;
        };
        bytes += message.memory().min(truncate.unwrap_or(usize::MAX)) + 256;
        documents.push(document);
    }
    held.outcome = outcome;
    Ok(Answer::Json(documents.into()))
}

fn take(
    held: &mut Held<'_>,
    base64: bool,
    truncate: Option<usize>,
) -> Result<Option<(Message, Value)>, Refusal> {
    let mailbox: Arc<Mailbox> = Arc::default();
    loop {
        let mut effects = Effects::default();
        let now = held.broker.now();
        let (taken, attended) = {
            let mut locked = held.queue.lock();
            let taken = locked.get(false, now, &mut effects);
            if matches!(taken, Taken::Later) {
                locked.when_loaded(&mailbox, now, &mut effects);
            }
            (taken, locked.attended())
        };
        held.broker.perform(&held.queue, effects);
        let got = match taken {
            Taken::Got(got) => got,
            Taken::Empty => return Ok(None),
            Taken::Later => {
                wait::for_mail(&mailbox)?;
                continue;
            }
        };
        held.sequences.push(got.sequence);
        wait::for_disk(held.broker, attended)?;
        let mut document = Map::new();
        document.insert("redelivered".into(), got.redelivered.into());
        document.insert("message_count".into(), got.remaining.into());
        show(&mut document, &got.message, base64, truncate);
        return Ok(Some((got.message, document.into())));
    }
}

/// What a message brings: names, properties, payload.
pub fn show(
    document: &mut Map<String, Value>,
    message: &Message,
    base64: bool,
    truncate: Option<usize>,
) {
    let text = |bytes: &[u8]| Value::from(String::from_utf8_lossy(bytes));
    let body = message.body();
    let shown = &body[..body.len().min(truncate.unwrap_or(usize::MAX))];
    let (payload, encoding) = match std::str::from_utf8(shown) {
        Ok(text) if !base64 => (text.to_owned(), "string"),
        _ => (base64::prelude::BASE64_STANDARD.encode(shown), "base64"),
    };
    document.insert("payload_bytes".into(), body.len().into());
    document.insert("exchange".into(), text(message.exchange()));
    document.insert("routing_key".into(), text(message.routing_key()));
    document.insert("properties".into(), properties::document(message));
    document.insert("payload".into(), payload.into());
    document.insert("payload_encoding".into(), encoding.into());
}
