//! Connections: lists, one, DELETE.

use std::collections::HashMap;
use std::sync::Arc;

use amq_protocol::types::AMQPValue;
use serde_json::{Value, json};

use super::json::{from_table, from_value};
use super::login::{is_administrator, is_monitor};
use super::{Answer, Call, Refusal, ask, list};
use crate::broker::Connection;
use crate::queue::figures::{Course, Detail, Figures};
use crate::queue::mailbox::Control;
use crate::wire::reply::Reply;
use crate::wire::table;

/// What a client is told that is closed without a reason.
const NO_REASON: &str = "Closed via management plugin";

/// Name and ends, as what belongs to a connection shows them.
pub fn details(connection: &Connection) -> Value {
    json!({
        "name": connection.name(),
        "peer_host": connection.peer.ip().to_canonical().to_string(),
        "peer_port": connection.peer.port(),
    })
}

/// What does not change while it is open.
fn document(call: &Call, connection: &Connection) -> Value {
    let mut document = json!({
        "name": connection.name(),
        "vhost": *connection.vhost,
        "user": *connection.user,
        "node": call.door.settings.node_name,
    });
    if call.flag("disable_stats") {
        return document;
    }
    let properties = table::to_field_table(&connection.client_properties).unwrap_or_default();
    let given = properties.inner().get("connection_name");
    if let Some(name @ AMQPValue::LongString(_)) = given {
        document["user_provided_name"] = from_value(name);
    }
    let none = [
        "ssl_protocol",
        "ssl_key_exchange",
        "ssl_cipher",
        "ssl_hash",
        "peer_cert_subject",
        "peer_cert_issuer",
        "peer_cert_validity",
    ];
    for name in none {
        document[name] = Value::Null;
    }
    let rest = json!({
        "type": "network",
        "protocol": "AMQP 0-9-1",
        "user_who_performed_action": *connection.user,
        "auth_mechanism": connection.mechanism,
        "client_properties": from_table(&properties),
        "connected_at": connection.opened_ms,
        "channel_max": connection.channel_max,
        "frame_max": connection.frame_max,
        "timeout": connection.heartbeat_s,
        "host": connection.local.ip().to_canonical().to_string(),
        "port": connection.local.port(),
        "peer_host": connection.peer.ip().to_canonical().to_string(),
        "peer_port": connection.peer.port(),
        "ssl": false,
    });
    merge(&mut document, rest);
    document
}

fn merge(document: &mut Value, more: Value) {
    if let (Value::Object(document), Value::Object(more)) = (document, more) {
        document.extend(more);
    }
}

/// What it says of itself now.
fn figures_of(figures: &Figures) -> Value {
    json!({
        "state": match figures.course {
            Course::Running => "running",
            Course::Flow => "flow",
            Course::Blocking => "blocking",
            Course::Blocked => "blocked",
        },
        "channels": figures.channel_count,
        "recv_oct": figures.received,
        "send_oct": figures.sent,
        "send_pend": figures.pending,
    })
}

/// The connections that the caller sees: monitors all, others their own.
pub fn visible(call: &Call) -> Vec<Arc<Connection>> {
    let mut all = call.broker().registry().all();
    if !is_monitor(&call.user) {
        all.retain(|connection| connection.user == call.user.name);
    }
    all
}

/// The answers of connections, by the connections' ids.
pub fn ask_all(connections: &[Arc<Connection>], detail: Detail) -> HashMap<u64, Figures> {
    let mailboxes = connections.iter().map(|one| Arc::clone(&one.mailbox));
    let answers = ask::all(mailboxes, detail).into_iter();
    answers.map(|one| (one.connection, one)).collect()
}

fn answer(call: &Call, connections: &[Arc<Connection>], paged: bool) -> Result<Answer, Refusal> {
    let documents = connections.iter().map(|one| document(call, one)).collect();
    if call.flag("disable_stats") {
        return match paged {
            true => list::paged(call, documents),
            false => Ok(list::plain(call, documents, &["vhost", "name"])),
        };
    }
    let with_figures = |mut documents: Vec<Value>| {
        let shown: HashMap<&str, usize> = documents
            .iter()
            .enumerate()
            .map(|(index, document)| (document["name"].as_str().unwrap_or(""), index))
            .collect();
        let indexes: Vec<(usize, Arc<Connection>)> = connections
            .iter()
            .filter_map(|one| Some((*shown.get(one.name().as_str())?, Arc::clone(one))))
            .collect();
        let asked: Vec<_> = indexes.iter().map(|(_, one)| Arc::clone(one)).collect();
        let answers = ask_all(&asked, Detail::Totals);
        for (index, connection) in indexes {
            if let Some(figures) = answers.get(&connection.id) {
                merge(&mut documents[index], figures_of(figures));
            }
        }
        documents
    };
    match paged {
        true => list::with_details(call, documents, with_figures),
        false => {
            let documents = with_figures(documents);
            Ok(list::plain(call, documents, &["vhost", "name"]))
        }
    }
}

/// GET /connections.
pub fn all(call: &Call) -> Result<Answer, Refusal> {
    answer(call, &visible(call), true)
}

/// GET /vhosts/vhost/connections.
pub fn of_vhost(call: &Call) -> Result<Answer, Refusal> {
    let vhost = call.vhost()?;
    let mut connections = visible(call);
    connections.retain(|connection| connection.vhost == vhost.name);
    answer(call, &connections, false)
}

fn not_yours() -> Refusal {
    Refusal::not_authorised("User not authorised to access object")
}

/// The connection that the path names, if the caller may see it.
pub fn named(call: &Call) -> Result<Arc<Connection>, Refusal> {
    by_name(call, call.param("name"))
}

/// The connection of that name, if the caller may see it.
pub fn by_name(call: &Call, name: &str) -> Result<Arc<Connection>, Refusal> {
    let all = call.broker().registry().all();
    let found = all.into_iter().find(|one| one.name() == name);
    let found = found.ok_or_else(Refusal::missing)?;
    match is_monitor(&call.user) || found.user == call.user.name {
        true => Ok(found),
        false => Err(not_yours()),
    }
}

/// GET /connections/name.
pub fn one(call: &Call) -> Result<Answer, Refusal> {
    let connection = named(call)?;
    let mut document = document(call, &connection);
    let answers = ask_all(&[Arc::clone(&connection)], Detail::Totals);
    if let Some(figures) = answers.get(&connection.id) {
        merge(&mut document, figures_of(figures));
    }
    Ok(Answer::Json(document))
}

fn of_user(call: &Call) -> Vec<Arc<Connection>> {
    let mut all = call.broker().registry().all();
    all.retain(|connection| *connection.user == *call.param("username"));
    all
}

/// GET /connections/username/name.
pub fn all_of_user(call: &Call) -> Result<Answer, Refusal> {
    if !is_monitor(&call.user) && *call.user.name != *call.param("username") {
        return Err(not_yours());
    }
    answer(call, &of_user(call), false)
}

fn close(call: &Call, connections: &[Arc<Connection>]) {
    let reason = call.reason.as_deref().filter(|reason| !reason.is_empty());
    let reply = Reply::forced(reason.unwrap_or(NO_REASON));
    for connection in connections {
        let mailbox = &connection.mailbox;
        mailbox.control(Control::Close(reply.clone()));
    }
    for connection in connections {
        ask::until_done(&connection.mailbox);
    }
}

/// DELETE /connections/name.
pub fn delete(call: &Call) -> Result<Answer, Refusal> {
    let connection = named(call)?;
    if !is_administrator(&call.user) && connection.user != call.user.name {
        return Err(not_yours());
    }
    close(call, &[connection]);
    Ok(Answer::Done)
}

/// DELETE /connections/username/name.
pub fn delete_of_user(call: &Call) -> Result<Answer, Refusal> {
    if !is_administrator(&call.user) && *call.user.name != *call.param("username") {
        return Err(not_yours());
    }
    close(call, &of_user(call));
    Ok(Answer::Done)
}
