//! Exchanges: lists, one, PUT, DELETE.

use serde_json::{Value, json};

use super::call::truth;
use super::json::{arguments, from_table, short};
use super::{Answer, Call, Refusal, list};
use crate::broker::exchange::Exchange;
use crate::broker::hidden::Purpose;
use crate::broker::topology::DeclareExchange;

/// One as the API shows it.
pub fn document(vhost: &str, exchange: &Exchange) -> Value {
    let mut document = json!({
        "name": *exchange.name,
        "vhost": vhost,
        "type": exchange.kind.name,
        "durable": exchange.durable,
        "auto_delete": exchange.auto_delete,
        "internal": exchange.internal,
        "arguments": from_table(&exchange.arguments),
    });
    if let Some(queue) = exchange.hidden(Purpose::Delay) {
        document["messages_delayed"] = queue.ready().into();
    }
    if let Some(policy) = exchange.policy() {
        document["policy"] = (*policy.name).into();
    }
    if exchange.name.is_empty() || exchange.name.starts_with("amq.") {
        document["user_who_performed_action"] = "rmq-internal".into();
    }
    document
}

/// GET /exchanges and /exchanges/vhost.
pub fn all(call: &Call) -> Result<Answer, Refusal> {
    let mut documents = Vec::new();
    for vhost in call.vhosts()? {
        let exchanges = vhost.all_exchanges();
        documents.extend(exchanges.iter().map(|one| document(&vhost.name, one)));
    }
    list::paged(call, documents)
}

/// GET /exchanges/vhost/name.
pub fn one(call: &Call) -> Result<Answer, Refusal> {
    let vhost = call.vhost()?;
    let exchange = vhost.exchange(call.param("exchange"));
    let exchange = exchange.ok_or_else(Refusal::missing)?;
    let mut document = document(&vhost.name, &exchange);
    document["incoming"] = json!([]);
    document["outgoing"] = json!([]);
    Ok(Answer::Json(list::pick(call, document)))
}

/// PUT /exchanges/vhost/name.
pub fn declare(call: &Call) -> Result<Answer, Refusal> {
    let vhost = call.vhost_to_change()?;
    let object = call.object()?;
    let kind = match object.get("type") {
        None => "direct",
        Some(Value::String(kind)) => short(kind)?,
        Some(_) => return Err(Refusal::bad("type is not a string")),
    };
    let name = short(call.param("exchange"))?;
    let declare = DeclareExchange {
        name,
        kind,
        durable: truth(&object, "durable", false)?,
        auto_delete: truth(&object, "auto_delete", false)?,
        internal: truth(&object, "internal", false)?,
        arguments: arguments(&object)?,
    };
    let existed = vhost.exchange(name).is_some();
    let mut access = call.access(&vhost)?;
    if name.is_empty() {
        return Err(Refusal::not_authorised("Access refused."));
    }
    vhost.declare_exchange(call.broker(), &mut access, declare)?;
    Ok(if existed {
        Answer::Done
    } else {
        Answer::Created(None)
    })
}

/// DELETE /exchanges/vhost/name.
pub fn delete(call: &Call) -> Result<Answer, Refusal> {
    let vhost = call.vhost()?;
    let name = call.param("exchange");
    vhost.exchange(name).ok_or_else(Refusal::missing)?;
    let mut access = call.access(&vhost)?;
    if name.is_empty() {
        return Err(Refusal::not_authorised("Access refused."));
    }
    vhost.delete_exchange(&mut access, name, call.flag("if-unused"))?;
    Ok(Answer::Done)
}
