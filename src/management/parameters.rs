//! Runtime parameters, which belong to a vhost, and global ones. To RabbitMQ policies are parameters, too: they are listed when their
//! component is asked for, operator policies always.

use serde_json::{Value, json};

use super::call::required;
use super::{Answer, Call, Refusal, list};
use crate::broker::operator::parameters::{CLUSTER_NAME, OPERATOR_POLICY, POLICY, Parameter};
use crate::broker::operator::{Denied, Put};
use crate::broker::vhost::Vhost;

fn document(parameter: &Parameter) -> Value {
    json!({
        "value": parameter.value,
        "vhost": *parameter.vhost,
        "component": *parameter.component,
        "name": *parameter.name,
    })
}

/// What a vhost has of a component, or with none of all that are no policies.
fn of_vhost(vhost: &Vhost, component: &str) -> Vec<Value> {
    let mut documents = Vec::new();
    let policies = vhost.policies();
    for (operator, name) in [(true, OPERATOR_POLICY), (false, POLICY)] {
        if component == name || (component.is_empty() && operator) {
            let of = policies.of(operator).iter();
            documents.extend(of.map(|policy| {
                json!({
                    "value": policy.fields(),
                    "vhost": *vhost.name,
                    "component": name,
                    "name": *policy.name,
                })
            }));
        }
    }
    let parameters = vhost.parameters();
    let wanted = parameters
        .iter()
        .filter(|one| component.is_empty() || *one.component == *component);
    documents.extend(wanted.map(document));
    documents
}

/// GET /parameters, /parameters/component and /parameters/component/vhost.
pub fn all(call: &Call) -> Result<Answer, Refusal> {
    let component = call.param("component");
    let vhosts = call.own_vhosts()?;
    let documents = vhosts.iter().flat_map(|vhost| of_vhost(vhost, component));
    Ok(list::plain(call, documents.collect(), &["vhost", "name"]))
}

/// GET /parameters/component/vhost/name.
pub fn one(call: &Call) -> Result<Answer, Refusal> {
    let vhost = call.vhost()?;
    let name = call.param("name");
    let mut documents = of_vhost(&vhost, call.param("component"));
    documents.retain(|document| document["name"] == name);
    let document = documents.pop().ok_or_else(Refusal::missing)?;
    Ok(Answer::Json(list::pick(call, document)))
}

fn stored(call: &Call) -> Result<Put, Refusal> {
    call.vhost_to_change()?;
    let [value] = required(&call.object()?, ["value"])?;
    let (component, vhost, name) = (
        call.param("component"),
        call.param("vhost"),
        call.param("name"),
    );
    let broker = call.broker();
    let put = match value {
        Value::Object(fields) if component == OPERATOR_POLICY => {
            broker.put_policy(vhost, true, name, &fields)
        }
        value => broker.put_parameter(component, vhost, name, value),
    };
    Ok(put?)
}

/// PUT /parameters/component/vhost/name.
pub fn put(call: &Call) -> Result<Answer, Refusal> {
    stored(call).map(Answer::from).map_err(Refusal::escaped)
}

/// DELETE /parameters/component/vhost/name.
pub fn delete(call: &Call) -> Result<Answer, Refusal> {
    let (vhost, name) = (call.param("vhost"), call.param("name"));
    let broker = call.broker();
    let cleared = match call.param("component") {
        POLICY => Err(Denied::bad("policies may not be cleared using this method")),
        OPERATOR_POLICY => broker.clear_policy(vhost, true, name),
        component => broker.clear_parameter(component, vhost, name),
    };
    match cleared {
        Err(Denied::NoVhost) => Err(Refusal::missing()),
        other => Ok(other.map(|()| Answer::Done)?),
    }
}

fn global(name: &str, value: &Value) -> Value {
    json!({"name": name, "value": value})
}

/// GET /global-parameters.
pub fn all_global(call: &Call) -> Result<Answer, Refusal> {
    let all = call.broker().global_parameters();
    let documents = all.iter().map(|(name, value)| global(name, value));
    Ok(list::plain(call, documents.collect(), &["name"]))
}

/// GET /global-parameters/name.
pub fn one_global(call: &Call) -> Result<Answer, Refusal> {
    let name = call.param("name");
    let value = call.broker().global_parameter(name);
    let document = global(name, &value.ok_or_else(Refusal::missing)?);
    Ok(Answer::Json(list::pick(call, document)))
}

/// PUT /global-parameters/name.
pub fn put_global(call: &Call) -> Result<Answer, Refusal> {
    let [value] = required(&call.object()?, ["value"])?;
    let name = call.param("name");
    let put = call.broker().put_global_parameter(name, value);
    Ok(put?.into())
}

/// DELETE /global-parameters/name.
pub fn delete_global(call: &Call) -> Result<Answer, Refusal> {
    call.broker().clear_global_parameter(call.param("name"))?;
    Ok(Answer::Done)
}

/// The cluster's name: what an operator has said, else what the configuration says.
pub fn cluster_name(call: &Call) -> String {
    let said = call.broker().cluster_name();
    said.unwrap_or_else(|| call.door.settings.cluster_name.clone())
}

/// GET /cluster-name.
pub fn show_cluster_name(call: &Call) -> Result<Answer, Refusal> {
    Ok(Answer::Json(json!({"name": cluster_name(call)})))
}

/// PUT /cluster-name.
pub fn put_cluster_name(call: &Call) -> Result<Answer, Refusal> {
    let [name] = required(&call.object()?, ["name"])?;
    if !name.is_string() {
        return Err(Refusal::bad("name is not a string"));
    }
    call.broker().put_global_parameter(CLUSTER_NAME, name)?;
    Ok(Answer::Done)
}
