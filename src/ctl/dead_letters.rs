//! Leveret's own commands for dead letters: a look at a queue's messages, and their way back. RabbitMQ's API has no such routes.

use std::time::Duration;

use serde_json::{Map, Value, json};

use super::client::{Reply, field, path};
use super::command::{Output, Run};
use super::failure::{DATA, Failure, UNAVAILABLE, USAGE};
use super::format::{Formatter, Rows};
use super::list::items;
use super::vhosts::find;

/// How long a redrive may take unasked; hanging up ends it.
pub const PATIENCE: Duration = Duration::from_secs(7 * 24 * 3600);
/// What a peek's table shows.
const COLUMNS: [&str; 7] = [
    "sequence",
    "exchange",
    "routing_key",
    "redelivered",
    "delivery_count",
    "properties",
    "payload",
];

/// The same where they wait until they are due.
const HELD_COLUMNS: [&str; 6] = [
    "sequence",
    "exchange",
    "routing_key",
    "due_at",
    "properties",
    "payload",
];

/// Whose messages they are: `queue` or `exchange`, and its name.
fn whose<'a>(run: &'a Run<'_>) -> (&'static str, &'a str) {
    match run.options.own("exchange") {
        Some(name) => ("exchange", name),
        None => ("queue", run.argument(0)),
    }
}

fn place(run: &Run<'_>, verb: &str) -> String {
    let (what, name) = whose(run);
    path(&["leveret", &format!("{what}s"), run.vhost(), name, verb])
}

/// An answer about a queue, or what is wrong.
pub fn answered(run: &Run<'_>, place: &str, reply: Reply) -> Result<Value, Failure> {
    match reply.status {
        404 => {
            let ((what, name), vhost) = (whose(run), run.vhost());
            let found = run.client.get(&path(&[&format!("{what}s"), vhost, name]))?;
            Err(match found.status {
                404 if find(run.client, vhost)?.is_none() => Failure::no_vhost(vhost),
                404 => Failure::bare(DATA, format!("no {what} '{name}' in vhost '{vhost}'")),
                _ => Failure::error(
                    UNAVAILABLE,
                    format!(
                        "the server at {} cannot do this: it has no {place}",
                        run.client.uri().shown()
                    ),
                ),
            })
        }
        _ if reply.is_success() => Ok(reply.body),
        _ => Err(run.client.refused(place, &reply)),
    }
}

/// What peek says first.
pub fn peek_banner(run: &Run<'_>) -> Result<String, Failure> {
    let ((what, name), vhost) = (whose(run), run.vhost());
    Ok(format!(
        "Messages of {what} '{name}' in vhost '{vhost}' ..."
    ))
}

/// peek
pub fn peek(run: &Run<'_>) -> Result<Output, Failure> {
    let held = run.options.own("exchange").is_some();
    if held != run.options.arguments.is_empty() {
        let fault = if held {
            "too many arguments."
        } else {
            "not enough arguments."
        };
        return Err(Failure::usage(USAGE, fault));
    }
    let options = ["count", "offset", "from", "truncate", "encoding"];
    let asked: Vec<String> = options
        .iter()
        .filter_map(|name| Some(field(name, run.options.own(name)?)))
        .collect();
    let place = place(run, "peek");
    let asked = format!("{place}?{}", asked.join("&"));
    let document = answered(run, &place, run.client.get(&asked)?)?;
    let messages = items(document.get("messages").cloned().unwrap_or_default());
    let columns = if held {
        &HELD_COLUMNS[..]
    } else {
        &COLUMNS[..]
    };
    let cell = |message: &Value, name: &str| message.get(name).cloned().unwrap_or(Value::Null);
    if run.options.formatter == Some(Formatter::Json) {
        return Ok(Output::Document(document, String::new()));
    }
    Ok(Output::Rows(Rows {
        columns: columns.to_vec(),
        cells: messages
            .iter()
            .map(|message| columns.iter().map(|name| cell(message, name)).collect())
            .collect(),
    }))
}

/// redrive
pub fn redrive(run: &Run<'_>) -> Result<Output, Failure> {
    let mut body = Map::new();
    for (option, name) in [
        ("reason", "reason"),
        ("from-queue", "queue"),
        ("message-id", "message_id"),
    ] {
        if let Some(text) = run.options.own(option) {
            body.insert(name.into(), text.into());
        }
    }
    let wrong = |option: &str, text: &str| {
        Failure::usage(
            USAGE,
            format!("Invalid options for this command:\n--{option} : {text}"),
        )
    };
    if let Some(header) = run.options.own("header") {
        let split = header.split_once('=');
        let (name, text) = split.ok_or_else(|| wrong("header", header))?;
        body.insert("header".into(), json!({name: text}));
    }
    if let Some(count) = run.parsed::<u64>("count")? {
        body.insert("count".into(), count.into());
    }
    if let Some(rate) = run.parsed::<f64>("rate")? {
        body.insert("rate".into(), json!(rate));
    }
    let place = place(run, "redrive");
    let reply = run.client.post(&place, &Value::Object(body))?;
    let tally = answered(run, &place, reply)?;
    let number = |name: &str| tally.get(name).and_then(Value::as_u64).unwrap_or(0);
    let mut text = format!(
        "Moved {} messages, passed over {}, {} have no queue to go back to",
        number("moved"),
        number("passed_over"),
        number("stranded")
    );
    if tally.get("complete") == Some(&Value::Bool(false)) {
        text.push_str("\nThere is more behind the messages that were passed over; take some of them away first");
    }
    Ok(Output::Document(tally, text))
}
