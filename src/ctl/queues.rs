//! Queues, exchanges and bindings.

use serde_json::Value;

use super::client::{Reply, field, path};
use super::command::{Output, Run};
use super::connections::pid_of;
use super::failure::{DATA, Failure, UNAVAILABLE, USAGE};
use super::list::{List, at, items, made, same, text};

/// list_queues.
pub static QUEUES: List = List {
    columns: &[
        same("name"),
        same("durable"),
        same("auto_delete"),
        same("arguments"),
        same("policy"),
        same("operator_policy"),
        same("effective_policy_definition"),
        made("pid", queue_pid),
        made("owner_pid", |queue| {
            pid_of(text(queue, &["owner_pid_details", "name"]))
        }),
        same("exclusive"),
        made("exclusive_consumer_pid", |_| Value::Null),
        same("exclusive_consumer_tag"),
        same("messages_ready"),
        same("messages_unacknowledged"),
        same("messages"),
        same("messages_ready_ram"),
        same("messages_unacknowledged_ram"),
        same("messages_ram"),
        same("messages_persistent"),
        same("message_bytes"),
        same("message_bytes_ready"),
        same("message_bytes_unacknowledged"),
        same("message_bytes_ram"),
        same("message_bytes_persistent"),
        same("head_message_timestamp"),
        at("disk_reads", &["message_stats", "disk_reads"]),
        at("disk_writes", &["message_stats", "disk_writes"]),
        same("consumers"),
        same("consumer_utilisation"),
        same("consumer_capacity"),
        same("memory"),
        same("state"),
        same("type"),
        same("leader"),
        same("members"),
        same("online"),
    ],
    unasked: &["name", "messages"],
};

/// list_exchanges.
pub static EXCHANGES: List = List {
    columns: &[
        same("name"),
        same("type"),
        same("durable"),
        same("auto_delete"),
        same("internal"),
        same("arguments"),
        same("policy"),
    ],
    unasked: &["name", "type"],
};

/// list_bindings.
pub static BINDINGS: List = List {
    columns: &[
        at("source_name", &["source"]),
        made("source_kind", |_| "exchange".into()),
        at("destination_name", &["destination"]),
        at("destination_kind", &["destination_type"]),
        same("routing_key"),
        same("arguments"),
    ],
    unasked: &[
        "source_name",
        "source_kind",
        "destination_name",
        "destination_kind",
        "routing_key",
        "arguments",
    ],
};

/// There is no process to name; the queue's name tells it from others.
fn queue_pid(queue: &Value) -> Value {
    format!("<{}>", text(queue, &["name"])).into()
}

/// What is in a vhost; nothing where that is not there, as rabbitmqctl has it.
pub fn in_vhost(run: &Run<'_>, noun: &str) -> Result<Vec<Value>, Failure> {
    let path = path(&[noun, run.vhost()]);
    let reply = run.client.get(&path)?;
    match reply.status {
        404 => Ok(Vec::new()),
        _ if reply.is_success() => Ok(items(reply.body)),
        _ => Err(run.client.refused(&path, &reply)),
    }
}

/// list_queues
pub fn list(run: &Run<'_>) -> Result<Output, Failure> {
    let mut queues = in_vhost(run, "queues")?;
    let down = |queue: &Value| ["down", "stopped"].contains(&text(queue, &["state"]));
    if run.options.has("offline") && !run.options.has("online") {
        queues.retain(down);
    } else if run.options.has("online") {
        queues.retain(|queue| !down(queue));
    }
    Ok(Output::Rows(QUEUES.rows(run, &queues)?))
}

/// list_exchanges
pub fn list_exchanges(run: &Run<'_>) -> Result<Output, Failure> {
    Ok(Output::Rows(
        EXCHANGES.rows(run, &in_vhost(run, "exchanges")?)?,
    ))
}

/// list_bindings
pub fn list_bindings(run: &Run<'_>) -> Result<Output, Failure> {
    Ok(Output::Rows(
        BINDINGS.rows(run, &in_vhost(run, "bindings")?)?,
    ))
}

/// purge_queue
pub fn purge(run: &Run<'_>) -> Result<Output, Failure> {
    let path = path(&["queues", run.vhost(), run.argument(0), "contents"]);
    let reply = run.client.delete(&path)?;
    match reply.status {
        404 => Err(Failure::bare(
            DATA,
            "Object (queue, stream, exchange, etc) was not found",
        )),
        _ if reply.is_success() => Ok(Output::Done),
        _ => Err(run.client.refused(&path, &reply)),
    }
}

/// delete_queue
pub fn delete(run: &Run<'_>) -> Result<Output, Failure> {
    let plain = path(&["queues", run.vhost(), run.argument(0)]);
    let not_found = || Failure::error(USAGE, "Queue not found");
    let before = run.client.get(&plain)?;
    if before.status == 404 {
        return Err(not_found());
    }
    let ready = before
        .body
        .get("messages_ready")
        .and_then(Value::as_u64)
        .unwrap_or(0);
    let conditions: Vec<String> = ["if-empty", "if-unused"]
        .iter()
        .filter(|name| run.options.has(name))
        .map(|name| field(name, "true"))
        .collect();
    let asked = match conditions.is_empty() {
        true => plain,
        false => format!("{plain}?{}", conditions.join("&")),
    };
    let reply: Reply = run.client.delete(&asked)?;
    match reply.status {
        404 => Err(not_found()),
        400 => Err(Failure::error(UNAVAILABLE, reply.reason())),
        _ if reply.is_success() => {
            let text = format!("Queue was successfully deleted with {ready} ready messages");
            Ok(Output::Said(text))
        }
        _ => Err(run.client.refused(&asked, &reply)),
    }
}

/// What delete_queue says first.
pub fn delete_banner(run: &Run<'_>) -> Result<String, Failure> {
    let conditions: Vec<&str> = [
        ("if-empty", "if queue is empty "),
        ("if-unused", "if queue is unused "),
    ]
    .iter()
    .filter(|(name, _)| run.options.has(name))
    .map(|(_, words)| *words)
    .collect();
    Ok(format!(
        "Deleting queue '{}' on vhost '{}' {}...",
        run.argument(0),
        run.vhost(),
        conditions.join("and ")
    ))
}
