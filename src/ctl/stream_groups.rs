//! Leveret's own commands for streams: their groups of consumers. RabbitMQ's API has no such routes.

use serde_json::{Value, json};

use super::client::{Reply, path};
use super::command::{Output, Run};
use super::dead_letters::answered;
use super::failure::{Failure, UNAVAILABLE, USAGE};
use super::format::{Formatter, Rows};
use super::list::items;

/// What the table of groups shows: a row for each partition.
const COLUMNS: [&str; 8] = [
    "name",
    "partition",
    "first_offset",
    "next_offset",
    "offset",
    "lag",
    "unacked",
    "consumers",
];

fn place(run: &Run<'_>) -> String {
    let (stream, vhost) = (run.argument(0), run.vhost());
    match run.argument(1) {
        "" => path(&["leveret", "queues", vhost, stream, "groups"]),
        group => path(&["leveret", "queues", vhost, stream, "groups", group]),
    }
}

/// list_stream_groups
pub fn list(run: &Run<'_>) -> Result<Output, Failure> {
    let place = place(run);
    let document = answered(run, &place, run.client.get(&place)?)?;
    if run.options.formatter == Some(Formatter::Json) {
        return Ok(Output::Document(document, String::new()));
    }
    let mut cells = Vec::new();
    for group in items(document) {
        let parts = items(group.get("partitions").cloned().unwrap_or_default());
        for part in parts {
            let cell = |name: &&str| match *name {
                "name" => group.get("name").cloned().unwrap_or(Value::Null),
                name => part.get(name).cloned().unwrap_or(Value::Null),
            };
            cells.push(COLUMNS.iter().map(cell).collect());
        }
    }
    let columns = COLUMNS.to_vec();
    Ok(Output::Rows(Rows { columns, cells }))
}

/// seek_stream_group
pub fn seek(run: &Run<'_>) -> Result<Output, Failure> {
    let to = run.argument(2);
    let timestamp: Option<u64> = run.parsed("timestamp")?;
    let body = match (to, timestamp) {
        ("", Some(seconds)) => json!({"timestamp": seconds}),
        (to, None) if !to.is_empty() => match to.parse::<i64>() {
            Ok(number) => json!({"offset": number}),
            Err(_) => json!({"offset": to}),
        },
        _ => {
            let text = "Either an offset or --timestamp must be given";
            return Err(Failure::usage(USAGE, text));
        }
    };
    let mut place = place(run);
    if let Some(partition) = run.options.own("partition") {
        place.push_str("?partition=");
        place.push_str(partition);
    }
    let moved = answered(run, &place, run.client.put(&place, &body)?)?;
    let mut text = String::new();
    for part in items(moved.get("partitions").cloned().unwrap_or_default()) {
        let number = |name: &str| part.get(name).and_then(Value::as_u64).unwrap_or(0);
        if !text.is_empty() {
            text.push('\n');
        }
        text.push_str(&format!(
            "Group '{}' goes on at offset {} of partition {}",
            run.argument(1),
            number("offset"),
            number("partition")
        ));
    }
    Ok(Output::Document(moved, text))
}

/// replay
pub fn replay(run: &Run<'_>) -> Result<Output, Failure> {
    let mut body = serde_json::Map::new();
    if let Some(to) = run.options.own("to") {
        body.insert("to".into(), to.into());
    }
    if let Some(offset) = run.options.own("offset") {
        let number = offset.parse::<i64>();
        body.insert(
            "offset".into(),
            number.map_or_else(|_| offset.into(), Value::from),
        );
    }
    for option in ["timestamp", "partition", "count"] {
        if let Some(number) = run.parsed::<u64>(option)? {
            body.insert(option.into(), number.into());
        }
    }
    if let Some(rate) = run.parsed::<f64>("rate")? {
        body.insert("rate".into(), json!(rate));
    }
    let place = path(&["leveret", "queues", run.vhost(), run.argument(0), "replay"]);
    let reply = run.client.post(&place, &Value::Object(body))?;
    let tally = answered(run, &place, reply)?;
    let placed = tally.get("placed").and_then(Value::as_u64).unwrap_or(0);
    let mut text = format!("Placed {placed} messages");
    if tally.get("complete") == Some(&Value::Bool(false)) {
        text.push_str("; then the queue had no room for more");
    }
    Ok(Output::Document(tally, text))
}

/// delete_stream_group
pub fn delete(run: &Run<'_>) -> Result<Output, Failure> {
    let place = place(run);
    let reply: Reply = run.client.delete(&place)?;
    let stream = path(&["leveret", "queues", run.vhost(), run.argument(0), "groups"]);
    if reply.status == 404 && run.client.get(&stream)?.is_success() {
        return Err(Failure::error(
            UNAVAILABLE,
            format!(
                "stream '{}' has no group '{}'",
                run.argument(0),
                run.argument(1)
            ),
        ));
    }
    answered(run, &place, reply)?;
    Ok(Output::Done)
}
