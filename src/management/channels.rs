//! Channels and consumers: lists, and one channel.

use std::collections::HashMap;
use std::sync::Arc;

use serde_json::{Value, json};

use super::connections::{ask_all, details, named, visible};
use super::json::from_table;
use super::{Answer, Call, Refusal, ask, list};
use crate::broker::Connection;
use crate::queue::Queue;
use crate::queue::arguments::QueueKind;
use crate::queue::figures::{ChannelFigures, ConsumerFigures, Detail};
use crate::queue::mailbox::Mailbox;
use crate::wire::table;

fn name_of(connection: &Connection, number: u16) -> String {
    format!("{} ({number})", connection.name())
}

fn document(call: &Call, connection: &Connection, channel: &ChannelFigures) -> Value {
    let mut document = json!({
        "name": name_of(connection, channel.number),
        "vhost": *connection.vhost,
        "user": *connection.user,
        "number": channel.number,
        "node": call.door.settings.node_name,
    });
    if call.flag("disable_stats") {
        return document;
    }
    let more = json!({
        "state": "running",
        "user_who_performed_action": *connection.user,
        "connection_details": details(connection),
        "confirm": channel.confirm,
        "transactional": channel.transactional,
        "consumer_count": channel.consumers,
        "messages_unacknowledged": channel.unacked,
        "messages_unconfirmed": channel.unconfirmed,
        "messages_uncommitted": channel.uncommitted,
        "acks_uncommitted": channel.uncommitted_acks,
        "prefetch_count": channel.prefetch,
        "global_prefetch_count": channel.global_prefetch,
    });
    if let (Value::Object(document), Value::Object(more)) = (&mut document, more) {
        document.extend(more);
    }
    document
}

fn documents(call: &Call, connections: &[Arc<Connection>]) -> Vec<Value> {
    let answers = ask_all(connections, Detail::Channels);
    let each = connections.iter().filter_map(|connection| {
        let figures = answers.get(&connection.id)?;
        let channels = figures.channels.iter();
        Some(channels.map(|channel| document(call, connection, channel)))
    });
    each.flatten().collect()
}

/// How lists in no pages are sorted.
const ORDER: [&str; 3] = ["vhost", "connection_details.name", "number"];

/// GET /channels.
pub fn all(call: &Call) -> Result<Answer, Refusal> {
    list::paged(call, documents(call, &visible(call)))
}

/// GET /vhosts/vhost/channels.
pub fn of_vhost(call: &Call) -> Result<Answer, Refusal> {
    let vhost = call.vhost()?;
    let mut connections = visible(call);
    connections.retain(|connection| connection.vhost == vhost.name);
    Ok(list::plain(call, documents(call, &connections), &ORDER))
}

/// GET /connections/name/channels.
pub fn of_connection(call: &Call) -> Result<Answer, Refusal> {
    let connection = named(call)?;
    Ok(list::plain(call, documents(call, &[connection]), &ORDER))
}

/// GET /channels/name.
pub fn one(call: &Call) -> Result<Answer, Refusal> {
    let wanted = call.param("channel");
    let split = wanted
        .strip_suffix(')')
        .and_then(|name| name.rsplit_once(" ("));
    let number = split.and_then(|(_, number)| number.parse::<u16>().ok());
    let (Some((name, _)), Some(number)) = (split, number) else {
        return Err(Refusal::missing());
    };
    let connection = super::connections::by_name(call, name)?;
    let asked = [Arc::clone(&connection)];
    let answers = ask_all(&asked, Detail::Consumers);
    let figures = answers.get(&connection.id).ok_or_else(Refusal::missing)?;
    let channels = &figures.channels;
    let channel = channels.iter().find(|channel| channel.number == number);
    let channel = channel.ok_or_else(Refusal::missing)?;
    let mut document = document(call, &connection, channel);
    let consumers = figures.consumers.iter();
    let own = consumers.filter(|consumer| consumer.channel == number);
    document["consumer_details"] = own.map(|one| consumer(call, &connection, one)).collect();
    Ok(Answer::Json(document))
}

fn consumer(call: &Call, connection: &Connection, consumer: &ConsumerFigures) -> Value {
    let locked = consumer.queue.lock();
    let is_chosen = match (consumer.queue.kind, locked.rules().partition) {
        // One of several: what holds for it does not hold for the others.
        (_, Some(_)) => None,
        (QueueKind::Stream, _) => locked.is_active_in_group(consumer.number),
        _ => locked
            .active_consumer()
            .map(|active| active == consumer.number),
    };
    drop(locked);
    let (is_active, status) = match is_chosen {
        None => (true, "up"),
        Some(true) => (true, "single_active"),
        Some(false) => (false, "waiting"),
    };
    let arguments = consumer.arguments.as_deref().map(table::to_field_table);
    let arguments = arguments.and_then(Result::ok).unwrap_or_default();
    let mut document = json!({
        "consumer_tag": *consumer.tag,
        "ack_required": !consumer.no_ack,
        "exclusive": consumer.exclusive,
        "prefetch_count": consumer.prefetch,
        "active": is_active,
        "activity_status": status,
        "arguments": from_table(&arguments),
        "queue": {"name": *consumer.queue.spec.name, "vhost": *consumer.queue.spec.vhost},
        "channel_details": {
            "name": name_of(connection, consumer.channel),
            "number": consumer.channel,
            "user": *connection.user,
            "connection_name": connection.name(),
            "peer_host": connection.peer.ip().to_canonical().to_string(),
            "peer_port": connection.peer.port(),
            "node": call.door.settings.node_name,
        },
    });
    if let Some(timeout) = consumer.timeout_ms {
        document["consumer_timeout"] = timeout.into();
    }
    document
}

/// GET /consumers and /consumers/vhost.
pub fn consumers(call: &Call) -> Result<Answer, Refusal> {
    let mut connections = visible(call);
    if !call.param("vhost").is_empty() {
        let vhost = call.vhost()?;
        connections.retain(|connection| connection.vhost == vhost.name);
    }
    connections.sort_by_key(|connection| connection.id);
    let answers = ask_all(&connections, Detail::Consumers);
    let mut documents = Vec::new();
    for connection in &connections {
        if let Some(figures) = answers.get(&connection.id) {
            let consumers = figures.consumers.iter();
            documents.extend(consumers.map(|one| consumer(call, connection, one)));
        }
    }
    Ok(list::plain(call, documents, &["vhost", "name"]))
}

/// A queue's consumers as its document shows them, in the order in which they came to it.
pub fn of_queue(call: &Call, queue: &Arc<Queue>) -> Vec<Value> {
    let mut found = of_queues(call, std::slice::from_ref(queue));
    found.remove(&queue.spec.id).unwrap_or_default()
}

/// The same for many, by the ids of the queues. Each connection is asked once.
pub fn of_queues(call: &Call, queues: &[Arc<Queue>]) -> HashMap<u64, Vec<Value>> {
    // Not under a queue's lock: a consumer on its way out takes it.
    // A consumer of a stream with partitions stands in each of them, and is told of by the first.
    let first = |queue: &Arc<Queue>| Arc::clone(queue.partitions().first().unwrap_or(queue));
    let consuming = queues
        .iter()
        .flat_map(|queue| first(queue).lock().consuming());
    let mut consuming: Vec<Arc<Mailbox>> = consuming.collect();
    consuming.sort_by_key(|mailbox| Arc::as_ptr(mailbox).addr());
    consuming.dedup_by(|one, other| Arc::ptr_eq(one, other));
    let answers = ask::all(consuming.into_iter(), Detail::Consumers);
    let registry = call.broker().registry();
    let wanted = queues
        .iter()
        .map(|queue| (first(queue).spec.id, queue.spec.id));
    let wanted: HashMap<u64, u64> = wanted.collect();
    let mut found: HashMap<u64, Vec<(u32, Value)>> = HashMap::new();
    for figures in &answers {
        let Some(connection) = registry.get(figures.connection) else {
            continue;
        };
        for one in &figures.consumers {
            if let Some(id) = wanted.get(&one.queue.spec.id).copied() {
                let document = consumer(call, &connection, one);
                found.entry(id).or_default().push((one.number, document));
            }
        }
    }
    let in_order = |mut one: Vec<(u32, Value)>| {
        one.sort_by_key(|(number, _)| *number);
        one.into_iter().map(|(_, document)| document).collect()
    };
    let each = found.into_iter();
    each.map(|(id, one)| (id, in_order(one))).collect()
}

/// The tag of the single active consumer, and that of the exclusive one, where the queue has such.
pub fn singled_out(consumers: &[Value]) -> (Value, Value) {
    let tag = |found: Option<&Value>| found.map_or(Value::Null, |one| one["consumer_tag"].clone());
    let active = consumers
        .iter()
        .find(|one| one["activity_status"] == "single_active");
    let exclusive = consumers.iter().find(|one| one["exclusive"] == true);
    (tag(active), tag(exclusive))
}
