//! Connections, their channels and consumers.

use std::thread;
use std::time::Duration;

use serde_json::Value;

use super::client::path;
use super::command::{Output, Run};
use super::failure::{Failure, UNAVAILABLE};
use super::list::{List, at, items, made, same, text};

/// list_connections.
pub static CONNECTIONS: List = List {
    columns: &[
        made("pid", |connection| pid_of(text(connection, &["name"]))),
        same("name"),
        same("port"),
        same("host"),
        same("peer_port"),
        same("peer_host"),
        same("ssl"),
        same("ssl_protocol"),
        same("ssl_key_exchange"),
        same("ssl_cipher"),
        same("ssl_hash"),
        same("peer_cert_subject"),
        same("peer_cert_issuer"),
        same("peer_cert_validity"),
        same("state"),
        same("channels"),
        same("protocol"),
        same("auth_mechanism"),
        same("user"),
        same("vhost"),
        same("timeout"),
        same("frame_max"),
        same("channel_max"),
        same("client_properties"),
        same("connected_at"),
        same("recv_oct"),
        same("recv_cnt"),
        same("send_oct"),
        same("send_cnt"),
        same("send_pend"),
    ],
    unasked: &["user", "peer_host", "peer_port", "state"],
};

/// list_channels.
pub static CHANNELS: List = List {
    columns: &[
        made("pid", |channel| {
            channel_pid(
                text(channel, &["connection_details", "name"]),
                channel.get("number"),
            )
        }),
        made("connection", |channel| {
            pid_of(text(channel, &["connection_details", "name"]))
        }),
        same("name"),
        same("number"),
        same("user"),
        same("vhost"),
        same("transactional"),
        same("confirm"),
        same("consumer_count"),
        same("messages_unacknowledged"),
        same("messages_uncommitted"),
        same("acks_uncommitted"),
        same("messages_unconfirmed"),
        same("prefetch_count"),
    ],
    unasked: &["pid", "user", "consumer_count", "messages_unacknowledged"],
};

/// list_consumers.
pub static CONSUMERS: List = List {
    columns: &[
        at("queue_name", &["queue", "name"]),
        made("channel_pid", |consumer| {
            let channel = consumer.get("channel_details");
            let name = channel.map_or("", |channel| text(channel, &["connection_name"]));
            channel_pid(name, channel.and_then(|channel| channel.get("number")))
        }),
        same("consumer_tag"),
        same("ack_required"),
        same("prefetch_count"),
        same("active"),
        same("activity_status"),
        same("arguments"),
    ],
    unasked: &[
        "queue_name",
        "channel_pid",
        "consumer_tag",
        "ack_required",
        "prefetch_count",
        "active",
        "arguments",
    ],
};

/// There is no process to name, but scripts cut `<...>` out of a list and hand it to close_connection: it is the connection's
/// name without the arrow, whose head would end it too soon.
pub fn pid_of(name: &str) -> Value {
    match name.is_empty() {
        true => Value::Null,
        false => format!("<{}>", name.replacen(" -> ", "-", 1)).into(),
    }
}

fn channel_pid(connection: &str, number: Option<&Value>) -> Value {
    match (pid_of(connection), number) {
        (Value::String(pid), Some(number)) => {
            format!("{}.{number}>", pid.trim_end_matches('>')).into()
        }
        (pid, _) => pid,
    }
}

/// The name behind what list_connections calls a pid; a name is one already.
fn name_of(pid: &str) -> String {
    match pid.strip_prefix('<').and_then(|pid| pid.strip_suffix('>')) {
        Some(name) => name.replacen('-', " -> ", 1),
        None => pid.to_owned(),
    }
}

/// list_connections
pub fn list(run: &Run<'_>) -> Result<Output, Failure> {
    let connections = items(run.client.read("/connections")?);
    Ok(Output::Rows(CONNECTIONS.rows(run, &connections)?))
}

/// list_channels
pub fn list_channels(run: &Run<'_>) -> Result<Output, Failure> {
    let channels = items(run.client.read("/channels")?);
    Ok(Output::Rows(CHANNELS.rows(run, &channels)?))
}

/// list_consumers
pub fn list_consumers(run: &Run<'_>) -> Result<Output, Failure> {
    let consumers = super::queues::in_vhost(run, "consumers")?;
    Ok(Output::Rows(CONSUMERS.rows(run, &consumers)?))
}

/// close_connection
pub fn close(run: &Run<'_>) -> Result<Output, Failure> {
    let name = name_of(run.argument(0));
    match close_one(run, &name, run.argument(1))? {
        true => Ok(Output::Done),
        // What looks like a pid may have been one a moment ago.
        false if run.argument(0).starts_with('<') => Ok(Output::Done),
        false => Err(Failure::error(
            UNAVAILABLE,
            format!("no connection '{name}'"),
        )),
    }
}

/// close_all_connections
pub fn close_all(run: &Run<'_>) -> Result<Output, Failure> {
    let found = match run.options.has("global") {
        true => items(run.client.read("/connections")?),
        false => {
            let path = path(&["vhosts", run.vhost(), "connections"]);
            let reply = run.client.get(&path)?;
            match reply.status {
                404 => Vec::new(),
                _ if reply.is_success() => items(reply.body),
                _ => return Err(run.client.refused(&path, &reply)),
            }
        }
    };
    let limit = match run.parsed("limit")? {
        None | Some(0) => usize::MAX,
        Some(limit) => usize::try_from(limit).unwrap_or(usize::MAX),
    };
    let delay = Duration::from_millis(run.parsed("per-connection-delay")?.unwrap_or(0));
    let mut closed = 0_u64;
    for connection in found.iter().take(limit) {
        if close_one(run, text(connection, &["name"]), run.argument(0))? {
            closed += 1;
        }
        thread::sleep(delay);
    }
    Ok(Output::Said(format!("Closed {closed} connections")))
}

/// What close_all_connections says first.
pub fn close_all_banner(run: &Run<'_>) -> Result<String, Failure> {
    let reason = run.argument(0);
    Ok(match run.options.has("global") {
        true => format!(
            "Closing all connections to node {}, reason: {reason}...",
            run.node()?
        ),
        false => format!(
            "Closing all connections in vhost {}, reason: {reason}...",
            run.vhost()
        ),
    })
}

/// close_all_user_connections
pub fn close_all_of_user(run: &Run<'_>) -> Result<Output, Failure> {
    for connection in items(run.client.read("/connections")?) {
        if text(&connection, &["user"]) == run.argument(0) {
            close_one(run, text(&connection, &["name"]), run.argument(1))?;
        }
    }
    Ok(Output::Done)
}

/// False where it is not there any more.
fn close_one(run: &Run<'_>, name: &str, reason: &str) -> Result<bool, Failure> {
    let path = path(&["connections", name]);
    let reply = run.client.delete_because(&path, reason)?;
    match reply.status {
        404 => Ok(false),
        _ if reply.is_success() => Ok(true),
        _ => Err(run.client.refused(&path, &reply)),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_pid_is_one_word_in_brackets_and_leads_back_to_its_connection() {
        for name in [
            "127.0.0.1:5000 -> 127.0.0.1:5672",
            "[::1]:5000 -> [::1]:5672",
        ] {
            let pid = pid_of(name);
            let pid = pid.as_str().unwrap();
            let inside = pid
                .strip_prefix('<')
                .and_then(|pid| pid.strip_suffix('>'))
                .unwrap();
            assert!(!inside.contains(['<', '>', ' ', '\t']), "{pid}");
            assert_eq!(name_of(pid), name);
            assert_eq!(name_of(name), name);
        }
    }

    #[test]
    fn a_channel_adds_its_number() {
        assert_eq!(
            channel_pid("a:1 -> b:2", Some(&json!(3))),
            json!("<a:1-b:2.3>")
        );
        assert_eq!(channel_pid("", Some(&json!(3))), Value::Null);
    }
}
