//! Policies and operator policies: lists, one, PUT, DELETE. Both have the same verbs, and different people may use them.

use std::sync::Arc;

use serde_json::{Map, Value};

use super::call::required;
use super::{Answer, Call, Refusal, list};
use crate::broker::operator::Denied;
use crate::broker::operator::policies::Policy;
use crate::broker::vhost::Vhost;

/// One as the API shows it.
fn document(vhost: &str, policy: &Policy) -> Value {
    let mut document = Map::new();
    document.insert("vhost".to_owned(), vhost.into());
    document.insert("name".to_owned(), (*policy.name).into());
    document.extend(policy.fields());
    Value::Object(document)
}

fn listed(call: &Call, operator: bool) -> Result<Answer, Refusal> {
    let mut documents = Vec::new();
    for vhost in call.own_vhosts()? {
        let policies = vhost.policies();
        let of = policies.of(operator).iter();
        documents.extend(of.map(|policy| document(&vhost.name, policy)));
    }
    Ok(list::plain(call, documents, &["vhost", "name"]))
}

fn shown(call: &Call, operator: bool) -> Result<Answer, Refusal> {
    let vhost: Arc<Vhost> = call.vhost()?;
    let policies = vhost.policies();
    let policy = policies.find(operator, call.param("name"));
    let policy = policy.ok_or_else(Refusal::missing)?;
    Ok(Answer::Json(list::pick(
        call,
        document(&vhost.name, policy),
    )))
}

fn stored(call: &Call, operator: bool) -> Result<Answer, Refusal> {
    call.vhost_to_change()?;
    let object = call.object()?;
    required(&object, ["pattern", "definition"])?;
    let (vhost, name) = (call.param("vhost"), call.param("name"));
    let put = call.broker().put_policy(vhost, operator, name, &object)?;
    Ok(put.into())
}

fn cleared(call: &Call, operator: bool) -> Result<Answer, Refusal> {
    let (vhost, name) = (call.param("vhost"), call.param("name"));
    match call.broker().clear_policy(vhost, operator, name) {
        Err(Denied::NoVhost) => Err(Refusal::missing()),
        other => Ok(other.map(|()| Answer::Done)?),
    }
}

/// GET /policies and /policies/vhost.
pub fn all(call: &Call) -> Result<Answer, Refusal> {
    listed(call, false)
}

/// GET /policies/vhost/name.
pub fn one(call: &Call) -> Result<Answer, Refusal> {
    shown(call, false)
}

/// PUT /policies/vhost/name.
pub fn put(call: &Call) -> Result<Answer, Refusal> {
    stored(call, false).map_err(Refusal::escaped)
}

/// DELETE /policies/vhost/name.
pub fn delete(call: &Call) -> Result<Answer, Refusal> {
    cleared(call, false)
}

/// GET /operator-policies and /operator-policies/vhost.
pub fn all_operator(call: &Call) -> Result<Answer, Refusal> {
    listed(call, true)
}

/// GET /operator-policies/vhost/name.
pub fn one_operator(call: &Call) -> Result<Answer, Refusal> {
    shown(call, true)
}

/// PUT /operator-policies/vhost/name.
pub fn put_operator(call: &Call) -> Result<Answer, Refusal> {
    stored(call, true)
}

/// DELETE /operator-policies/vhost/name.
pub fn delete_operator(call: &Call) -> Result<Answer, Refusal> {
    cleared(call, true)
}
