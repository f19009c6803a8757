//! Leveret's own routes for streams: the groups of a stream's consumers, how far each has come, and another place for it.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Value, json};

use super::json::to_value;
use super::{Answer, Call, NO_CONNECTION, Refusal, wait};
use crate::auth::Verb;
use crate::queue::arguments::QueueKind;
use crate::queue::stream::offset::OffsetSpec;
use crate::queue::stream::{GROUPS_MAX, GroupFigures};
use crate::queue::{Effects, Queue};
use crate::store::Receipt;
use crate::wire::limits::SHORT_STRING_BYTES_MAX;

/// The stream that the path names, and the queues that its messages are in: its partitions, or itself.
fn stream(call: &Call, verb: Verb) -> Result<(Arc<Queue>, Vec<Arc<Queue>>), Refusal> {
    let vhost = match verb {
        Verb::Read => call.vhost()?,
        _ => call.vhost_to_change()?,
    };
    let name = call.param("name");
    vhost.queue(name).ok_or_else(Refusal::missing)?;
    call.access(&vhost)?.queue(verb, name)?;
    let queue = vhost.usable_queue(name, NO_CONNECTION)?;
    if queue.kind != QueueKind::Stream {
        return Err(Refusal::bad(format!("{} is no stream", queue.resource())));
    }
    let parts = match queue.partitions() {
        [] => vec![Arc::clone(&queue)],
        parts => parts.to_vec(),
    };
    Ok((queue, parts))
}

fn part(number: usize, queue: &Arc<Queue>, group: &GroupFigures) -> Value {
    let figures = queue.lock().stream_figures();
    json!({
        "partition": number,
        "first_offset": figures.map(|one| one.first),
        "next_offset": figures.map(|one| one.next),
        "offset": group.offset,
        "lag": group.lag,
        "unacked": group.unacked,
        "consumers": group.consumers,
    })
}

fn document(name: &str, parts: &[(usize, Arc<Queue>, GroupFigures)]) -> Value {
    let terms = parts.first().map(|(.., group)| group.terms.clone());
    let terms = terms.unwrap_or_default();
    let sum = |of: fn(&GroupFigures) -> u64| -> u64 { parts.iter().map(|part| of(&part.2)).sum() };
    let consumers = parts.iter().map(|(.., group)| group.consumers).max();
    let letters = terms.dead_letter.as_ref();
    json!({
        "name": name,
        "lag": sum(|group| group.lag),
        "unacked": sum(|group| group.unacked as u64),
        "consumers": consumers,
        "single_active_consumer": terms.single_active,
        "delivery_limit": terms.delivery_limit,
        "dead_letter_exchange": letters.map(|to| to.exchange.to_string()),
        "dead_letter_routing_key": letters.and_then(|to| to.routing_key.as_deref()),
        "partitions": parts
            .iter()
            .map(|(number, queue, group)| self::part(*number, queue, group))
            .collect::<Vec<_>>(),
    })
}

type Found = BTreeMap<Arc<str>, Vec<(usize, Arc<Queue>, GroupFigures)>>;

fn found(parts: &[Arc<Queue>]) -> Found {
    let mut found = Found::new();
    for (number, queue) in parts.iter().enumerate() {
        let groups = queue.lock().groups();
        for group in groups {
            let of_name = found.entry(Arc::clone(&group.name)).or_default();
            of_name.push((number, Arc::clone(queue), group));
        }
    }
    found
}

/// GET /leveret/queues/vhost/name/groups.
pub fn all(call: &Call) -> Result<Answer, Refusal> {
    let (_, parts) = stream(call, Verb::Read)?;
    let found = found(&parts);
    let documents = found.iter().map(|(name, parts)| document(name, parts));
    Ok(Answer::Json(documents.collect()))
}

/// GET /leveret/queues/vhost/name/groups/group.
pub fn one(call: &Call) -> Result<Answer, Refusal> {
    let (_, parts) = stream(call, Verb::Read)?;
    let name = call.param("group");
    let found = found(&parts);
    let parts = found.get(name).ok_or_else(Refusal::missing)?;
    Ok(Answer::Json(document(name, parts)))
}

/// Where a body says that the group is to go on: `{"offset": as x-stream-offset}` or `{"timestamp": seconds}`.
fn place(call: &Call) -> Result<OffsetSpec, Refusal> {
    let object = call.object()?;
    match (object.get("offset"), object.get("timestamp")) {
        (Some(offset), None) => {
            let offset = to_value(offset)?;
            OffsetSpec::parse(&offset)
                .map_err(|reason| Refusal::bad(format!("invalid offset: {reason}")))
        }
        (None, Some(Value::Number(seconds))) if seconds.is_u64() => {
            let seconds = seconds.as_u64().unwrap_or(0);
            Ok(OffsetSpec::Since(seconds.saturating_mul(1000)))
        }
        _ => Err(Refusal::bad(
            "either offset or timestamp (seconds since the epoch) must be given",
        )),
    }
}

/// PUT /leveret/queues/vhost/name/groups/group: moves a group, or makes one. With `?partition=` only there.
pub fn put(call: &Call) -> Result<Answer, Refusal> {
    let (_, parts) = stream(call, Verb::Configure)?;
    let to = place(call)?;
    let name = call.param("group");
    if name.len() > SHORT_STRING_BYTES_MAX {
        return Err(Refusal::bad("a group's name has at most 255 bytes"));
    }
    let only =
        match call.query("partition") {
            None => None,
            Some(text) => {
                let number: Option<usize> = text.parse().ok();
                Some(number.filter(|at| *at < parts.len()).ok_or_else(|| {
                    Refusal::bad(format!("partition must be below {}", parts.len()))
                })?)
            }
        };
    let broker = call.broker();
    let (mut offsets, mut receipt) = (Vec::new(), Receipt::NOTHING);
    for (number, queue) in parts.iter().enumerate() {
        if only.is_some_and(|only| only != number) {
            continue;
        }
        let mut effects = Effects::default();
        let mut locked = queue.lock();
        let offset = locked.seek_group(name, to, broker.now(), &mut effects);
        receipt = receipt.max(locked.commit());
        broker.perform(queue, effects);
        if offset.is_none() {
            let reason = format!("the stream has {GROUPS_MAX} groups already");
            return Err(Refusal::bad(reason));
        }
        offsets.push(json!({"partition": number, "offset": offset}));
    }
    wait::for_disk(broker, receipt)?;
    Ok(Answer::Json(json!({"name": name, "partitions": offsets})))
}

/// DELETE /leveret/queues/vhost/name/groups/group: its consumers are cancelled.
pub fn delete(call: &Call) -> Result<Answer, Refusal> {
    let (_, parts) = stream(call, Verb::Configure)?;
    let name = call.param("group");
    let (mut is_there, mut receipt) = (false, Receipt::NOTHING);
    for queue in &parts {
        let mut locked = queue.lock();
        is_there |= locked.end_group(name);
        receipt = receipt.max(locked.commit());
    }
    if !is_there {
        return Err(Refusal::missing());
    }
    wait::for_disk(call.broker(), receipt)?;
    Ok(Answer::Done)
}
