//! Queues: lists, one, PUT, DELETE, purge. What is done with their messages is in `messages`.

use std::sync::Arc;

use amq_protocol::types::AMQPValue;
use serde_json::{Value, json};

use super::call::truth;
use super::json::{arguments, from_table, short};
use super::{Answer, Call, NO_CONNECTION, Refusal, channels, connections, list};
use crate::auth::Verb;
use crate::broker::operator::policies::effective_definition;
use crate::broker::topology::DeclareQueue;
use crate::broker::vhost::Vhost;
use crate::queue::Queue;
use crate::queue::arguments::QueueKind;
use crate::queue::policy::Policy;
use crate::wire::reply::Reply;

/// One as lists show it.
pub fn document(call: &Call, queue: &Arc<Queue>) -> Value {
    let spec = &queue.spec;
    let (ready, unacked) = (queue.ready(), queue.unacked());
    let kind = match spec.arguments.inner().get("x-queue-type") {
        Some(AMQPValue::LongString(kind)) => String::from_utf8_lossy(kind.as_bytes()).into_owned(),
        _ => "classic".to_owned(),
    };
    let mut document = json!({
        "name": *spec.name,
        "vhost": *spec.vhost,
        "type": kind,
        "node": call.door.settings.node_name,
        "state": "running",
        "durable": spec.durable,
        "auto_delete": spec.auto_delete,
        "exclusive": spec.owner.is_some(),
        "arguments": from_table(&spec.arguments),
        // What a stream has out is in it all the same.
        "messages": if queue.kind == QueueKind::Stream { ready } else { ready + unacked },
        "messages_ready": ready,
        "messages_unacknowledged": unacked,
    });
    if call.flag("disable_stats") {
        return document;
    }
    for name in ["messages", "messages_ready", "messages_unacknowledged"] {
        document[format!("{name}_details")] = json!({"rate": 0.0});
    }
    document["consumers"] = queue.consumers().into();
    document["memory"] = queue.resident().into();
    let applied = queue.applied();
    let name = |policy: Option<&Arc<Policy>>| policy.map(|policy| policy.name.to_string());
    document["policy"] = name(applied.policy.as_ref()).into();
    document["operator_policy"] = name(applied.operator.as_ref()).into();
    document["effective_policy_definition"] = effective_definition(queue).into();
    document["exclusive_consumer_tag"] = Value::Null;
    document["single_active_consumer_tag"] = Value::Null;
    if queue.kind == QueueKind::Stream {
        add_stream(call, queue, &mut document);
    } else {
        document["storage_version"] = 2.into();
    }
    if let Some(owner) = spec.owner.and_then(|id| call.broker().registry().get(id)) {
        document["owner_pid_details"] = connections::details(&owner);
    }
    document
}

/// What RabbitMQ says of streams alone; the offsets and bytes are Leveret's.
fn add_stream(call: &Call, queue: &Arc<Queue>, document: &mut Value) {
    let node = &call.door.settings.node_name;
    document["leader"] = node.as_str().into();
    document["members"] = json!([node]);
    document["online"] = json!([node]);
    document["readers"] = json!({node: queue.consumers()});
    let figures = |queue: &Arc<Queue>| queue.lock().stream_figures();
    if queue.partitions().is_empty() {
        if let Some(own) = figures(queue) {
            document["segments"] = own.segments.into();
            document["first_offset"] = own.first.into();
            document["next_offset"] = own.next.into();
            document["message_bytes"] = own.bytes.into();
        }
        return;
    }
    let parts = queue.partitions().iter().filter_map(figures);
    document["partitions"] = parts
        .map(|own| {
            json!({
                "segments": own.segments,
                "first_offset": own.first,
                "next_offset": own.next,
                "message_bytes": own.bytes,
            })
        })
        .collect();
}

/// Names the consumer that is singled out, in the documents of those queues that have such.
fn name_singled_out(call: &Call, queues: &[Arc<Queue>], documents: &mut [Value]) {
    if call.flag("disable_stats") {
        return;
    }
    let mut such = queues.to_vec();
    // The locks must be free again: consumers' connections may wait for them before they answer.
    such.retain(|queue| queue.lock().singles_out());
    let consumers = channels::of_queues(call, &such);
    for (queue, document) in queues.iter().zip(documents) {
        if let Some(own) = consumers.get(&queue.spec.id) {
            let (active, exclusive) = channels::singled_out(own);
            document["exclusive_consumer_tag"] = exclusive;
            document["single_active_consumer_tag"] = active;
        }
    }
}

fn all_of(call: &Call) -> Result<Vec<Value>, Refusal> {
    let vhosts = call.vhosts()?;
    let queues: Vec<Arc<Queue>> = vhosts.iter().flat_map(|vhost| vhost.all_queues()).collect();
    let each = queues.iter().map(|queue| document(call, queue));
    let mut documents: Vec<Value> = each.collect();
    name_singled_out(call, &queues, &mut documents);
    Ok(documents)
}

/// GET /queues, /queues/vhost and /queues/detailed.
pub fn all(call: &Call) -> Result<Answer, Refusal> {
    list::paged(call, all_of(call)?)
}

fn named(call: &Call) -> Result<(Arc<Vhost>, Arc<Queue>), Refusal> {
    let vhost = call.vhost()?;
    let queue = vhost.queue(call.param("name"));
    Ok((vhost, queue.ok_or_else(Refusal::missing)?))
}

/// GET /queues/vhost/name.
pub fn one(call: &Call) -> Result<Answer, Refusal> {
    let (_, queue) = named(call)?;
    let mut document = document(call, &queue);
    name_singled_out(
        call,
        std::slice::from_ref(&queue),
        std::slice::from_mut(&mut document),
    );
    document["consumer_details"] = channels::of_queue(call, &queue).into();
    document["incoming"] = json!([]);
    document["deliveries"] = json!([]);
    Ok(Answer::Json(list::pick(call, document)))
}

/// PUT /queues/vhost/name.
pub fn declare(call: &Call) -> Result<Answer, Refusal> {
    let vhost = call.vhost_to_change()?;
    let object = call.object()?;
    let name = short(call.param("name"))?;
    let declare = DeclareQueue {
        name,
        durable: truth(&object, "durable", false)?,
        // Nobody could use it: it would belong to a connection that ends at once.
        exclusive: false,
        auto_delete: truth(&object, "auto_delete", false)?,
        arguments: arguments(&object)?,
        connection: NO_CONNECTION,
    };
    let existed = vhost.queue(name).is_some();
    let mut access = call.access(&vhost)?;
    vhost.declare_queue(call.broker(), &mut access, declare)?;
    Ok(if existed {
        Answer::Done
    } else {
        Answer::Created(None)
    })
}

/// DELETE /queues/vhost/name.
pub fn delete(call: &Call) -> Result<Answer, Refusal> {
    let (vhost, queue) = named(call)?;
    let mut access = call.access(&vhost)?;
    vhost.delete_queue(
        call.broker(),
        &mut access,
        &queue.spec.name,
        NO_CONNECTION,
        call.flag("if-unused"),
        call.flag("if-empty"),
    )?;
    Ok(Answer::Done)
}

/// DELETE /queues/vhost/name/contents.
pub fn purge(call: &Call) -> Result<Answer, Refusal> {
    let (vhost, queue) = named(call)?;
    let name = &queue.spec.name;
    call.access(&vhost)?.queue(Verb::Read, name)?;
    let queue = vhost.usable_queue(name, NO_CONNECTION)?;
    if queue.kind == QueueKind::Stream {
        return Err(Reply::not_for_streams("queue.purge", &queue.resource()).into());
    }
    let broker = call.broker();
    let (_, effects) = queue.purge(broker.now());
    broker.perform(&queue, effects);
    Ok(Answer::Done)
}

/// POST /queues/vhost/name/actions: what RabbitMQ 3 had for mirrored queues.
pub fn actions(call: &Call) -> Result<Answer, Refusal> {
    named(call)?;
    let object = call.object()?;
    let action = match object.get("action") {
        None => return Err(Refusal::bad("[{key_missing,action}]")),
        Some(Value::String(action)) => action.clone(),
        Some(other) => other.to_string(),
    };
    Err(Refusal::bad(json!(["not_recognised", action])))
}
