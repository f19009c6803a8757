//! Bindings: lists from every side, one, POST and DELETE.

use amq_protocol::types::FieldTable;
use serde_json::{Value, json};

use super::binding_key::properties_key;
use super::json::{arguments, encoded, from_table, short};
use super::{Answer, Call, Refusal, list};
use crate::broker::topology::{BindTo, BindingView};
use crate::broker::vhost::Vhost;

/// How lists of bindings are sorted.
const ORDER: [&str; 3] = ["vhost", "source", "destination"];

/// One as the API shows it.
pub fn document(vhost: &str, binding: &BindingView) -> Value {
    json!({
        "source": *binding.source,
        "vhost": vhost,
        "destination": *binding.destination,
        "destination_type": if binding.to_queue { "queue" } else { "exchange" },
        "routing_key": *binding.routing_key,
        "arguments": from_table(&binding.arguments),
        "properties_key": properties_key(&binding.routing_key, &binding.arguments),
    })
}

fn answer(call: &Call, vhost: &Vhost, bindings: &[BindingView]) -> Answer {
    let documents = bindings.iter();
    let documents = documents.map(|one| document(&vhost.name, one)).collect();
    list::plain(call, documents, &ORDER)
}

/// GET /bindings and /bindings/vhost.
pub fn all(call: &Call) -> Result<Answer, Refusal> {
    let mut documents = Vec::new();
    for vhost in call.vhosts()? {
        let bindings = vhost.all_bindings();
        documents.extend(bindings.iter().map(|one| document(&vhost.name, one)));
    }
    Ok(list::plain(call, documents, &ORDER))
}

/// GET /queues/vhost/name/bindings.
pub fn of_queue(call: &Call) -> Result<Answer, Refusal> {
    let vhost = call.vhost()?;
    let queue = vhost.queue(call.param("name"));
    let queue = queue.ok_or_else(Refusal::missing)?;
    Ok(answer(call, &vhost, &vhost.bindings_to_queue(&queue)))
}

/// GET /exchanges/vhost/name/bindings/source.
pub fn of_source(call: &Call) -> Result<Answer, Refusal> {
    let vhost = call.vhost()?;
    let exchange = vhost.exchange(call.param("exchange"));
    let exchange = exchange.ok_or_else(Refusal::missing)?;
    Ok(answer(call, &vhost, &vhost.bindings_from(&exchange)))
}

/// GET /exchanges/vhost/name/bindings/destination.
pub fn of_destination(call: &Call) -> Result<Answer, Refusal> {
    let vhost = call.vhost()?;
    let exchange = vhost.exchange(call.param("exchange"));
    let exchange = exchange.ok_or_else(Refusal::missing)?;
    Ok(answer(call, &vhost, &vhost.bindings_to_exchange(&exchange)))
}

/// The bindings between the two ends that the path names.
fn between(call: &Call, vhost: &Vhost, to_queue: bool) -> Vec<BindingView> {
    let destination = call.param(if to_queue { "queue" } else { "destination" });
    let Some(source) = vhost.exchange(call.param("source")) else {
        return Vec::new();
    };
    let mut bindings = vhost.bindings_from(&source);
    bindings.retain(|one| one.to_queue == to_queue && *one.destination == *destination);
    bindings
}

/// GET /bindings/vhost/e/source/q/queue.
pub fn to_queue(call: &Call) -> Result<Answer, Refusal> {
    let vhost = call.vhost()?;
    Ok(answer(call, &vhost, &between(call, &vhost, true)))
}

/// GET /bindings/vhost/e/source/e/destination.
pub fn to_exchange(call: &Call) -> Result<Answer, Refusal> {
    let vhost = call.vhost()?;
    Ok(answer(call, &vhost, &between(call, &vhost, false)))
}

/// POST /bindings/vhost/e/source/q/queue.
pub fn bind_queue(call: &Call) -> Result<Answer, Refusal> {
    bind(call, true)
}

/// POST /bindings/vhost/e/source/e/destination.
pub fn bind_exchange(call: &Call) -> Result<Answer, Refusal> {
    bind(call, false)
}

fn bind(call: &Call, to_queue: bool) -> Result<Answer, Refusal> {
    let vhost = call.vhost_to_change()?;
    let object = call.object()?;
    let routing_key = match object.get("routing_key") {
        None => "",
        Some(Value::String(key)) => short(key)?,
        Some(_) => return Err(Refusal::bad("routing_key is not a string")),
    };
    let arguments = arguments(&object)?;
    let key = properties_key(routing_key, &arguments);
    let (name, destination) = end(call, to_queue);
    let mut access = call.access(&vhost)?;
    if call.param("source").is_empty() {
        return Err(Refusal::not_authorised("Access refused."));
    }
    vhost.bind(
        call.broker(),
        &mut access,
        super::NO_CONNECTION,
        call.param("source"),
        &destination,
        routing_key,
        arguments,
    )?;
    Ok(Answer::Created(Some(format!(
        "{}/{}",
        encoded(name),
        encoded(&key)
    ))))
}

fn end(call: &Call, to_queue: bool) -> (&str, BindTo<'_>) {
    if to_queue {
        let name = call.param("queue");
        (name, BindTo::Queue(name.into()))
    } else {
        let name = call.param("destination");
        (name, BindTo::Exchange(name.into()))
    }
}

/// The binding that the whole path names.
fn named(call: &Call, vhost: &Vhost, to_queue: bool) -> Result<BindingView, Refusal> {
    let props = call.param("props");
    let is_it = |one: &BindingView| {
        properties_key(&one.routing_key, &one.arguments) == props
            || (one.arguments.inner().is_empty() && *one.routing_key == *props)
    };
    let all = between(call, vhost, to_queue);
    all.into_iter().find(is_it).ok_or_else(Refusal::missing)
}

/// GET /bindings/vhost/e/source/q/queue/props.
pub fn one_to_queue(call: &Call) -> Result<Answer, Refusal> {
    one(call, true)
}

/// GET /bindings/vhost/e/source/e/destination/props.
pub fn one_to_exchange(call: &Call) -> Result<Answer, Refusal> {
    one(call, false)
}

fn one(call: &Call, to_queue: bool) -> Result<Answer, Refusal> {
    let vhost = call.vhost()?;
    let binding = named(call, &vhost, to_queue)?;
    let document = document(&vhost.name, &binding);
    Ok(Answer::Json(list::pick(call, document)))
}

/// DELETE /bindings/vhost/e/source/q/queue/props.
pub fn unbind_queue(call: &Call) -> Result<Answer, Refusal> {
    unbind(call, true)
}

/// DELETE /bindings/vhost/e/source/e/destination/props.
pub fn unbind_exchange(call: &Call) -> Result<Answer, Refusal> {
    unbind(call, false)
}

fn unbind(call: &Call, to_queue: bool) -> Result<Answer, Refusal> {
    let vhost = call.vhost()?;
    let binding = named(call, &vhost, to_queue)?;
    let arguments: &FieldTable = &binding.arguments;
    let (_, destination) = end(call, to_queue);
    let mut access = call.access(&vhost)?;
    if call.param("source").is_empty() {
        return Err(Refusal::not_authorised("Access refused."));
    }
    vhost.unbind(
        &mut access,
        call.param("source"),
        &destination,
        &binding.routing_key,
        arguments,
    )?;
    Ok(Answer::Done)
}
