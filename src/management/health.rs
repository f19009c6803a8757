//! Health checks and the aliveness test.

use axum::http::StatusCode;
use serde_json::{Value, json};

use super::{Answer, Call, Refusal};
use crate::broker::Alarm;

fn ok() -> Result<Answer, Refusal> {
    Ok(Answer::Json(json!({"status": "ok"})))
}

fn failed(mut details: Value, reason: &str) -> Refusal {
    details["status"] = "failed".into();
    details["reason"] = reason.into();
    Refusal {
        status: StatusCode::SERVICE_UNAVAILABLE,
        body: Some(details),
        challenge: false,
    }
}

/// GET /health/checks/alarms and local-alarms.
pub fn alarms(call: &Call) -> Result<Answer, Refusal> {
    let kinds = [(Alarm::Memory, "memory"), (Alarm::Disk, "disk")];
    let raised: Vec<Value> = kinds
        .iter()
        .filter(|(alarm, _)| call.broker().has_alarm(*alarm))
        .map(|(_, resource)| json!({"node": call.door.settings.node_name, "resource": resource}))
        .collect();
    if raised.is_empty() {
        return ok();
    }
    let reason = "There are alarms in effect in the cluster";
    Err(failed(json!({"alarms": raised}), reason))
}

/// GET /health/checks/virtual-hosts: they run as long as the process does.
pub fn virtual_hosts(_: &Call) -> Result<Answer, Refusal> {
    ok()
}

/// GET /health/checks/node-is-quorum-critical.
pub fn quorum_critical(_: &Call) -> Result<Answer, Refusal> {
    let document = json!({"status": "ok", "reason": "single node cluster"});
    Ok(Answer::Json(document))
}

/// GET /health/checks/certificate-expiration: there are none yet.
pub fn certificates(_: &Call) -> Result<Answer, Refusal> {
    ok()
}

/// GET /health/checks/is-in-service and ready-to-serve-clients.
pub fn in_service(call: &Call) -> Result<Answer, Refusal> {
    if call.broker().is_stopping() {
        return Err(failed(json!({}), "the node is stopping"));
    }
    if call.broker().is_paused() {
        return Err(failed(json!({}), "AMQP is stopped"));
    }
    ok()
}

/// GET /health/checks/port-listener/port.
pub fn port(call: &Call) -> Result<Answer, Refusal> {
    let Ok(port) = call.param("port").parse::<u16>() else {
        return Err(Refusal::bad("Invalid port"));
    };
    let listeners = call.door.machine.listeners();
    let ports: Vec<u16> = listeners.iter().map(|one| one.address.port()).collect();
    if ports.contains(&port) {
        return Ok(Answer::Json(json!({"status": "ok", "port": port})));
    }
    let details = json!({"missing": port, "ports": ports});
    Err(failed(details, "No active listener"))
}

/// GET /health/checks/protocol-listener/name.
pub fn protocol(call: &Call) -> Result<Answer, Refusal> {
    let asked = call.param("protocol");
    let wanted = match asked.to_ascii_lowercase().as_str() {
        "amqp091" | "amqp0.9.1" | "amqp-0-9-1" | "amqp" => "amqp".to_owned(),
        other => other.to_owned(),
    };
    let listeners = call.door.machine.listeners();
    let mut protocols: Vec<&str> = listeners.iter().map(|one| one.protocol).collect();
    protocols.dedup();
    if protocols.contains(&wanted.as_str()) {
        let document = json!({"status": "ok", "protocol": wanted});
        return Ok(Answer::Json(document));
    }
    let details = json!({"missing": wanted, "protocols": protocols});
    Err(failed(details, "No active listener"))
}

/// GET /aliveness-test/vhost. As RabbitMQ since 4.1 it makes no queue: that the vhost answers is the test.
pub fn aliveness(call: &Call) -> Result<Answer, Refusal> {
    let vhost = call.vhost()?;
    call.access(&vhost)?;
    ok()
}
