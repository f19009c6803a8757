//! `definitions.json`, RabbitMQ's way to carry users, vhosts, permissions, parameters, policies, queues, exchanges and bindings
//! from one broker to another. [`Document::of_broker`] and [`Document::of_vhost`] write one; `import.rs` reads one.
//!
//! Shape and order of the keys are those of RabbitMQ 4. Messages are no definitions; exclusive queues, the exchanges that every
//! vhost has, and the bindings of the default exchange are left out, as RabbitMQ leaves them out.

mod export;
mod import;
#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

pub use self::import::ImportError;

/// JSON's object.
type Fields = Map<String, Value>;

/// What a document is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Everything.
    Cluster,
    /// One vhost: no users, no permissions, and no vhost named in its objects.
    Vhost,
}

/// Definitions, in the order of their keys.
#[derive(Clone, Debug, Serialize)]
pub struct Document {
    rabbit_version: String,
    rabbitmq_version: String,
    product_name: String,
    product_version: String,
    rabbitmq_definition_format: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    original_cluster_name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    original_vhost_name: Option<String>,
    explanation: String,
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    vhost: Option<VhostHead>,
    #[serde(skip_serializing_if = "Option::is_none")]
    users: Option<Vec<User>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    vhosts: Option<Vec<Vhost>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    permissions: Option<Vec<Permission>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    topic_permissions: Option<Vec<TopicPermission>>,
    parameters: Vec<Parameter>,
    #[serde(skip_serializing_if = "Option::is_none")]
    global_parameters: Option<Vec<GlobalParameter>>,
    policies: Vec<Policy>,
    queues: Vec<Queue>,
    exchanges: Vec<Exchange>,
    bindings: Vec<Binding>,
}

/// What the document of one vhost says about it.
#[derive(Clone, Debug, Serialize)]
struct VhostHead {
    metadata: Metadata,
    description: String,
    default_queue_type: String,
    limits: Value,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct User {
    name: String,
    #[serde(default)]
    password_hash: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    password: Option<String>,
    #[serde(default)]
    hashing_algorithm: Option<String>,
    #[serde(default)]
    tags: Tags,
    #[serde(default)]
    limits: Loose,
}

/// Tags: an array, or in older files one text with commas.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(untagged)]
enum Tags {
    List(Vec<String>),
    Text(String),
}

impl Default for Tags {
    fn default() -> Self {
        Self::List(Vec::new())
    }
}

impl Tags {
    fn list(&self) -> Vec<String> {
        match self {
            Self::List(tags) => tags.clone(),
            Self::Text(text) => super::operator::tags_of(text),
        }
    }
}

/// An object; older files have an empty array where it is empty.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(untagged)]
enum Loose {
    Fields(Fields),
    Empty([(); 0]),
}

impl Default for Loose {
    fn default() -> Self {
        Self::Fields(Fields::new())
    }
}

impl Loose {
    fn fields(&self) -> Fields {
        match self {
            Self::Fields(fields) => fields.clone(),
            Self::Empty(_) => Fields::new(),
        }
    }
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Metadata {
    #[serde(default)]
    description: Option<String>,
    #[serde(default)]
    tags: Tags,
    #[serde(default)]
    default_queue_type: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    tracing: Option<bool>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    protected_from_deletion: Option<bool>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Vhost {
    name: String,
    #[serde(default)]
    description: Option<String>,
    #[serde(default)]
    metadata: Option<Metadata>,
    #[serde(default)]
    tags: Option<Tags>,
    #[serde(default)]
    default_queue_type: Option<String>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Permission {
    user: String,
    vhost: String,
    configure: String,
    write: String,
    read: String,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct TopicPermission {
    user: String,
    vhost: String,
    exchange: String,
    write: String,
    read: String,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Parameter {
    value: Value,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    vhost: Option<String>,
    component: String,
    name: String,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct GlobalParameter {
    name: String,
    value: Value,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Policy {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    vhost: Option<String>,
    name: String,
    #[serde(flatten)]
    fields: Fields,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Queue {
    name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    vhost: Option<String>,
    #[serde(default)]
    durable: bool,
    #[serde(default)]
    auto_delete: bool,
    #[serde(default)]
    arguments: Loose,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Exchange {
    name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    vhost: Option<String>,
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    durable: bool,
    #[serde(default)]
    auto_delete: bool,
    #[serde(default)]
    internal: bool,
    #[serde(default)]
    arguments: Loose,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Binding {
    source: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    vhost: Option<String>,
    destination: String,
    destination_type: String,
    #[serde(default)]
    routing_key: String,
    #[serde(default)]
    arguments: Loose,
}

/// A name that only this broker uses: what was imported at the last start, for `definitions.skip_if_unchanged`.
pub const IMPORTED_HASH: &str = "imported_definition_hash_value";
