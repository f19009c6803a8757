//! Virtual hosts: lists, one, PUT, DELETE, start.

use serde_json::{Map, Value, json};

use super::call::{text, truth};
use super::{Answer, Call, Refusal, list, users};
use crate::broker::operator::{Put, VhostMetadata};
use crate::broker::vhost::Vhost;

/// One as the API shows it.
fn document(call: &Call, vhost: &Vhost) -> Value {
    let (mut ready, mut unacked) = (0, 0);
    for queue in vhost.all_queues() {
        ready += queue.ready();
        unacked += queue.unacked();
    }
    let mut cluster = Map::new();
    cluster.insert(call.door.settings.node_name.clone(), "running".into());
    let metadata = vhost.metadata();
    let kind = vhost.default_queue_type();
    let mut document = json!({
        "name": *vhost.name,
        "description": metadata.description,
        "tags": metadata.tags,
        "default_queue_type": kind,
        "metadata": {
            "description": metadata.description,
            "tags": metadata.tags,
            "default_queue_type": kind,
        },
        "tracing": metadata.tracing,
        "cluster_state": cluster,
        "messages": ready + unacked,
        "messages_ready": ready,
        "messages_unacknowledged": unacked,
    });
    if metadata.protected {
        document["protected_from_deletion"] = true.into();
        document["metadata"]["protected_from_deletion"] = true.into();
    }
    for name in ["messages", "messages_ready", "messages_unacknowledged"] {
        document[format!("{name}_details")] = json!({"rate": 0.0});
    }
    document
}

/// GET /vhosts.
pub fn all(call: &Call) -> Result<Answer, Refusal> {
    let vhosts = call.vhosts()?;
    let documents = vhosts.iter().map(|vhost| document(call, vhost)).collect();
    list::paged(call, documents)
}

/// GET /vhosts/name.
pub fn one(call: &Call) -> Result<Answer, Refusal> {
    let vhost = call.vhost()?;
    Ok(Answer::Json(list::pick(call, document(call, &vhost))))
}

/// PUT /vhosts/name. Who makes one may do everything in it. Description and tags that are not said are taken away; the default
/// queue type, tracing and protection stay.
pub fn put(call: &Call) -> Result<Answer, Refusal> {
    let object = call.object()?;
    let (broker, name) = (call.broker(), call.param("vhost"));
    let kind = match text(&object, "default_queue_type")? {
        None => text(&object, "defaultqueuetype")?,
        kind => kind,
    };
    let known = broker.vhost(name).map(|vhost| vhost.metadata());
    let known_kind = || known.as_ref()?.default_queue_type.clone();
    let is_protected = known.as_ref().is_some_and(|known| known.protected);
    let tags = object.get("tags").map(|tags| users::texts("tags", tags));
    let metadata = VhostMetadata {
        description: text(&object, "description")?.unwrap_or_default(),
        tags: tags.transpose()?.unwrap_or_default(),
        default_queue_type: kind.or_else(known_kind),
        tracing: false,
        protected: truth(&object, "protected_from_deletion", is_protected)?,
    };
    let tracing = match object.contains_key("tracing") {
        true => Some(truth(&object, "tracing", false)?),
        false => None,
    };
    let put = broker.put_vhost(name, metadata, tracing)?;
    if put == Put::Created && broker.users.user(&call.user.name).is_some() {
        broker.put_permission(&call.user.name, name, ".*", ".*", ".*")?;
    }
    Ok(put.into())
}

/// DELETE /vhosts/name.
pub fn delete(call: &Call) -> Result<Answer, Refusal> {
    call.broker().delete_vhost(call.param("vhost"))?;
    Ok(Answer::Done)
}

/// POST /vhosts/name/deletion/protection.
pub fn protect(call: &Call) -> Result<Answer, Refusal> {
    let vhost = call.vhost()?;
    call.broker().protect_vhost(&vhost.name, true)?;
    Ok(Answer::Done)
}

/// DELETE /vhosts/name/deletion/protection.
pub fn unprotect(call: &Call) -> Result<Answer, Refusal> {
    let vhost = call.vhost()?;
    call.broker().protect_vhost(&vhost.name, false)?;
    Ok(Answer::Done)
}

/// POST /vhosts/name/start/node: it runs as long as the process does.
pub fn start(call: &Call) -> Result<Answer, Refusal> {
    let (vhost, node) = (call.param("vhost"), call.param("node"));
    let failed = |why: String| Refusal::bad(format!("Request to node {node} failed with {why}"));
    if node != call.door.settings.node_name {
        return Err(failed("nodedown".to_owned()));
    }
    if call.broker().vhost(vhost).is_none() {
        let name = crate::wire::erlang::binary(vhost.as_bytes());
        return Err(failed(format!("{{no_such_vhost,{name}}}")));
    }
    Ok(Answer::Done)
}
