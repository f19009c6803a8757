//! One request as its handler sees it: who, which names in the path, which query, which body.

use std::sync::Arc;

use axum::body::Bytes;
use serde_json::{Map, Value};

use super::login;
use super::{Door, Refusal};
use crate::auth::User;
use crate::broker::Broker;
use crate::broker::access::Access;
use crate::broker::vhost::Vhost;

/// See the module.
pub struct Call {
    pub(super) door: Arc<Door>,
    /// Who calls.
    pub(super) user: Arc<User>,
    /// Names in the path, decoded.
    pub(super) params: Vec<(String, String)>,
    /// Fields of the query, decoded.
    pub(super) query: Vec<(String, String)>,
    /// The body; empty where the method has none.
    pub(super) body: Bytes,
    /// The header Content-Type.
    pub(super) content_type: Option<String>,
    /// The header X-Reason.
    pub(super) reason: Option<String>,
}

impl Call {
    /// The broker.
    pub fn broker(&self) -> &Arc<Broker> {
        &self.door.broker
    }

    /// A name in the path; the default exchange's is empty.
    pub fn param(&self, name: &str) -> &str {
        let found = self.params.iter().find(|(known, _)| known == name);
        match found.map(|(_, value)| value.as_str()) {
            Some("amq.default") if ["exchange", "source", "destination"].contains(&name) => "",
            value => value.unwrap_or(""),
        }
    }

    /// A field of the query.
    pub fn query(&self, name: &str) -> Option<&str> {
        let found = self.query.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str())
    }

    /// Whether a field of the query is `true`.
    pub fn flag(&self, name: &str) -> bool {
        self.query(name) == Some("true")
    }

    /// The body as an object; nothing is an empty one.
    pub fn object(&self) -> Result<Map<String, Value>, Refusal> {
        match &self.body[..] {
            b"" | b"null" | b"undefined" => return Ok(Map::new()),
            _ => {}
        }
        match serde_json::from_slice(&self.body) {
            Ok(Value::Object(object)) => Ok(object),
            _ => Err(Refusal::bad("not_json")),
        }
    }

    /// The vhost of the path, or 404.
    pub fn vhost(&self) -> Result<Arc<Vhost>, Refusal> {
        let found = self.broker().vhost(self.param("vhost"));
        found.ok_or_else(Refusal::missing)
    }

    /// The vhost of the path where something is to be made in it.
    pub fn vhost_to_change(&self) -> Result<Arc<Vhost>, Refusal> {
        let found = self.broker().vhost(self.param("vhost"));
        found.ok_or_else(|| Refusal::not_found("vhost_not_found"))
    }

    /// What the caller may do in a vhost by AMQP's rules.
    pub fn access(&self, vhost: &Vhost) -> Result<Access, Refusal> {
        let (users, user) = (&self.broker().users, Arc::clone(&self.user));
        Access::new(users, user, Arc::clone(&vhost.name))
            .ok_or_else(|| Refusal::not_authorised("Access refused."))
    }

    /// The vhosts that the path asks for: the one that it names, else all that the caller sees.
    pub fn vhosts(&self) -> Result<Vec<Arc<Vhost>>, Refusal> {
        if !self.param("vhost").is_empty() {
            return Ok(vec![self.vhost()?]);
        }
        let broker = self.broker();
        let mut all = broker.all_vhosts();
        all.retain(|vhost| login::sees(broker, &self.user, &vhost.name));
        Ok(all)
    }

    /// The same where monitors see what they may open alone.
    pub fn own_vhosts(&self) -> Result<Vec<Arc<Vhost>>, Refusal> {
        if !self.param("vhost").is_empty() {
            return Ok(vec![self.vhost()?]);
        }
        let broker = self.broker();
        let mut all = broker.all_vhosts();
        all.retain(|vhost| login::reaches(broker, &self.user, &vhost.name));
        Ok(all)
    }
}

/// Fields that must be there: `[{key_missing,read}]` where one is not, as RabbitMQ prints it.
pub fn required<const N: usize>(
    object: &Map<String, Value>,
    names: [&str; N],
) -> Result<[Value; N], Refusal> {
    let missing: Vec<String> = names
        .iter()
        .filter(|name| !object.contains_key(**name))
        .map(|name| format!("{{key_missing,{name}}}"))
        .collect();
    if !missing.is_empty() {
        return Err(Refusal::bad(format!("[{}]", missing.join(","))));
    }
    Ok(names.map(|name| object[name].clone()))
}

/// A truth value, which may be written as a text; `default` where there is none.
pub fn truth(object: &Map<String, Value>, name: &str, default: bool) -> Result<bool, Refusal> {
    match object.get(name) {
        None => Ok(default),
        Some(Value::Bool(value)) => Ok(*value),
        Some(Value::String(text)) if text == "true" => Ok(true),
        Some(Value::String(text)) if text == "false" => Ok(false),
        Some(other) => Err(Refusal::bad(serde_json::json!(["not_boolean", other]))),
    }
}

/// A field that is a text; `None` where it is missing.
pub fn text(object: &Map<String, Value>, name: &str) -> Result<Option<String>, Refusal> {
    match object.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.clone())),
        Some(_) => Err(Refusal::bad(format!("{name} is not a string"))),
    }
}

/// Values that must be texts.
pub fn text_of<const N: usize>(
    names: [&str; N],
    values: [Value; N],
) -> Result<[String; N], Refusal> {
    let mut texts = [const { String::new() }; N];
    for ((text, value), name) in texts.iter_mut().zip(values).zip(names) {
        match value {
            Value::String(value) => *text = value,
            _ => return Err(Refusal::bad(format!("{name} is not a string"))),
        }
    }
    Ok(texts)
}
