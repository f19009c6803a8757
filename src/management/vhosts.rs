//! Virtual hosts: list, one.

use serde_json::{Value, json};

use super::{Answer, Call, Refusal, list};
use crate::broker::vhost::Vhost;

/// One as the API shows it.
fn document(call: &Call, vhost: &Vhost) -> Value {
    let (mut ready, mut unacked) = (0, 0);
    for queue in vhost.all_queues() {
        ready += queue.ready();
        unacked += queue.unacked();
    }
    let mut cluster = serde_json::Map::new();
    cluster.insert(call.door.settings.node_name.clone(), "running".into());
    json!({
        "name": *vhost.name,
        "description": "",
        "tags": [],
        "default_queue_type": "classic",
        "metadata": {"description": "", "tags": [], "default_queue_type": "classic"},
        "tracing": false,
        "cluster_state": cluster,
        "messages": ready + unacked,
        "messages_ready": ready,
        "messages_unacknowledged": unacked,
    })
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
