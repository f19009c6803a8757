//! A document into a running broker. Everything in it is checked before anything is changed, so that a document with one fault
//! changes nothing; the error names the object. Additive, as in RabbitMQ: nothing is deleted, queues and exchanges that are there
//! stay as they are, all else is overwritten. Keys that nobody knows, and arrays that are missing, are passed over. A binding one
//! end of which is neither there nor in the document is passed over with a line in the log: RabbitMQ exports those of exclusive
//! queues, which it does not export.

use std::collections::{BTreeMap, HashMap, HashSet};

use serde::de::DeserializeOwned;
use serde_json::Value;

use super::{
    Binding, Document, Exchange, GlobalParameter, Metadata, Parameter, Permission, Policy, Queue,
    TopicPermission, User, Vhost,
};
use crate::auth;
use crate::broker::Broker;
use crate::broker::json::to_table;
use crate::broker::operator::limits::MAX_QUEUES;
use crate::broker::operator::parameters::{LIMITS, OPERATOR_POLICY, VHOST_LIMITS};
use crate::broker::operator::policies::Policy as NewPolicy;
use crate::broker::operator::{Denied, Put, VhostMetadata, check};
use crate::broker::topology::{NewBinding, NewExchange, NewQueue};
use crate::exchange::KindInfo;
use crate::wire::limits::SHORT_STRING_BYTES_MAX;

/// Why a document was not imported.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImportError {
    /// The object at fault, `queue 'q' in vhost '/'`; empty when it is the document itself.
    pub object: String,
    /// What is wrong with it.
    pub reason: String,
}

impl std::fmt::Display for ImportError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.object.is_empty() {
            return f.write_str(&self.reason);
        }
        write!(f, "{}: {}", self.object, self.reason)
    }
}

impl std::error::Error for ImportError {}

type Checked<T> = Result<T, ImportError>;

fn fault(object: impl Into<String>, reason: impl std::fmt::Display) -> ImportError {
    ImportError {
        object: object.into(),
        reason: reason.to_string(),
    }
}

/// Everything that a document asks for, checked.
#[derive(Default)]
struct Plan {
    users: Vec<check::CheckedUser>,
    vhosts: Vec<(String, VhostMetadata, Option<bool>)>,
    permissions: Vec<(String, String, auth::Permission)>,
    topic_permissions: Vec<(String, String, String, auth::TopicPermission)>,
    globals: Vec<(String, Value)>,
    parameters: Vec<(String, String, String, Value)>,
    policies: Vec<(String, bool, NewPolicy)>,
    exchanges: Vec<(String, NewExchange)>,
    queues: Vec<(String, NewQueue)>,
    bindings: Vec<(String, NewBinding)>,
}

/// Reads the objects of a document; with `only`, the vhost that they all are in.
struct Reading<'a> {
    broker: &'a Broker,
    only: Option<&'a str>,
    root: &'a serde_json::Map<String, Value>,
    plan: Plan,
    users: HashSet<String>,
    /// Vhosts of the document with their default queue types.
    types: HashMap<String, Option<String>>,
    /// Exchanges of the document.
    kinds: HashMap<(String, String), &'static KindInfo>,
    queues: HashSet<(String, String)>,
    /// Vhosts of the document that are not there yet.
    new_vhosts: usize,
}

impl Document {
    /// Reads the text of a document.
    ///
    /// # Errors
    /// It is no JSON object.
    pub fn parse(text: &[u8]) -> Checked<Value> {
        let value: Value = serde_json::from_slice(text)
            .map_err(|error| fault("", format!("not JSON: {error}")))?;
        if !value.is_object() {
            return Err(fault("", "not a JSON object"));
        }
        Ok(value)
    }
}

impl Broker {
    /// Imports a document, or with `vhost` one whose objects are all for that vhost.
    ///
    /// # Errors
    /// The first object at fault; nothing is changed then.
    pub fn import(&self, document: &Value, vhost: Option<&str>) -> Checked<()> {
        self.import_by(document, vhost, None)
    }

    /// The same for a user, who may do everything in the vhosts that are new, unless the document says otherwise.
    ///
    /// # Errors
    /// The first object at fault; nothing is changed then.
    pub fn import_by(
        &self,
        document: &Value,
        vhost: Option<&str>,
        user: Option<&str>,
    ) -> Checked<()> {
        let Value::Object(root) = document else {
            return Err(fault("", "not a JSON object"));
        };
        let _one = self.operating.lock();
        if let Some(name) = vhost
            && self.vhost(name).is_none()
        {
            return Err(unknown_vhost("", name));
        }
        let mut reading = Reading {
            broker: self,
            only: vhost,
            root,
            plan: Plan::default(),
            users: HashSet::new(),
            types: HashMap::new(),
            kinds: HashMap::new(),
            queues: HashSet::new(),
            new_vhosts: 0,
        };
        reading.read()?;
        self.apply(reading.plan, user);
        Ok(())
    }

    /// Carries out what was checked. The caller holds the change.
    fn apply(&self, plan: Plan, user: Option<&str>) {
        let mut new = Vec::new();
        for (name, metadata, tracing) in plan.vhosts {
            if self.store_vhost(&name, metadata, tracing) == Put::Created {
                new.push(name);
            }
        }
        for user in plan.users {
            self.store_user(&user.name, user.password, user.tags, user.limits);
        }
        if let Some(user) = user.filter(|user| self.users.user(user).is_some()) {
            for vhost in new {
                if let Ok(everything) = check::permission(".*", ".*", ".*") {
                    self.store_permission(user, &vhost, everything);
                }
            }
        }
        for (user, vhost, permission) in plan.permissions {
            self.store_permission(&user, &vhost, permission);
        }
        for (user, vhost, exchange, permission) in plan.topic_permissions {
            self.store_topic_permission(&user, &vhost, &exchange, permission);
        }
        for (name, value) in plan.globals {
            // It was checked.
            let _ = self.store_global_parameter(&name, value);
        }
        for (vhost, component, name, value) in plan.parameters {
            if let Some(vhost) = self.vhost(&vhost) {
                let _ = self.store_parameter(&vhost, &component, &name, value);
            }
        }
        for (vhost, operator, policy) in plan.policies {
            if let Some(vhost) = self.vhost(&vhost) {
                self.store_policy(&vhost, operator, policy);
            }
        }
        for (vhost, exchange) in plan.exchanges {
            if let Some(vhost) = self.vhost(&vhost) {
                vhost.import_exchange(self, exchange);
            }
        }
        for (vhost, queue) in plan.queues {
            if let Some(vhost) = self.vhost(&vhost) {
                vhost.import_queue(self, queue);
            }
        }
        for (name, binding) in plan.bindings {
            let text = format!("{} -> {}", binding.source, binding.destination);
            let made = self
                .vhost(&name)
                .is_some_and(|vhost| vhost.import_binding(binding));
            if !made {
                tracing::warn!("import: binding {text} in vhost '{name}' lacks an end");
            }
        }
    }
}

fn unknown_vhost(object: &str, name: &str) -> ImportError {
    fault(
        object,
        format!("Please create virtual host \"{name}\" prior to importing definitions."),
    )
}

impl Reading<'_> {
    fn read(&mut self) -> Checked<()> {
        if self.only.is_none() {
            self.each("vhosts", "vhost", Self::vhost)?;
            self.each("users", "user", Self::user)?;
            self.each("permissions", "permission", Self::permission)?;
            let topic = Self::topic_permission;
            self.each("topic_permissions", "topic permission", topic)?;
            let global = Self::global_parameter;
            self.each("global_parameters", "global parameter", global)?;
        }
        self.each("parameters", "parameter", Self::parameter)?;
        self.each("policies", "policy", Self::policy)?;
        self.each("exchanges", "exchange", Self::exchange)?;
        self.each("queues", "queue", Self::queue)?;
        self.queue_limits()?;
        self.each("bindings", "binding", Self::binding)
    }

    /// New queues must fit into `max-queues` of their vhosts, as the document or, where that says nothing, the broker has it; in
    /// RabbitMQ's words.
    fn queue_limits(&self) -> Checked<()> {
        let mut added: BTreeMap<&str, u64> = BTreeMap::new();
        for (vhost, name) in &self.queues {
            let known = self.broker.vhost(vhost);
            if known.is_none_or(|vhost| vhost.queue(name).is_none()) {
                *added.entry(vhost).or_default() += 1;
            }
        }
        for (name, added) in added {
            let said = self
                .plan
                .parameters
                .iter()
                .rev()
                .find(|(vhost, of, key, _)| {
                    (vhost.as_str(), of.as_str(), key.as_str()) == (name, VHOST_LIMITS, LIMITS)
                });
            let known = self.broker.vhost(name);
            let most = match (said, &known) {
                (Some((.., value)), _) => value.get(MAX_QUEUES).and_then(Value::as_u64),
                (None, Some(vhost)) => vhost.limits.queues_most(),
                (None, None) => self.broker.settings.vhost_defaults.queues_most(name),
            };
            let there = known.map_or(0, |vhost| vhost.queue_count() as u64);
            if let Some(most) = most.filter(|most| there + added > *most) {
                return Err(fault(
                    "",
                    format!(
                        "Adding {added} queue(s) to virtual host \"{name}\" would exceed the limit of {most} queue(s).\n\nThis virtual host currently has {there} queue(s) defined.\n\nImport aborted!"
                    ),
                ));
            }
        }
        Ok(())
    }

    /// Every object of one array; one that cannot be read is named by what is in it.
    fn each<T: DeserializeOwned>(
        &mut self,
        array: &str,
        noun: &str,
        take: fn(&mut Self, T) -> Checked<()>,
    ) -> Checked<()> {
        let root = self.root;
        let items = match root.get(array) {
            None | Some(Value::Null) => return Ok(()),
            Some(Value::Array(items)) => items,
            Some(_) => return Err(fault("", format!("'{array}' is not an array"))),
        };
        for (at, item) in items.iter().enumerate() {
            let named = item.get("name").or(item.get("source"));
            let name = match named.and_then(Value::as_str) {
                Some(name) => format!("{noun} '{name}'"),
                None => format!("{noun} {} of '{array}'", at + 1),
            };
            let object = T::deserialize(item).map_err(|error| fault(name, error))?;
            take(self, object)?;
        }
        Ok(())
    }

    /// The vhost of an object, which is there or in the document.
    fn known_vhost(&self, object: &str, named: Option<String>) -> Checked<String> {
        let name = match (self.only, named) {
            (Some(only), _) => only.to_owned(),
            (None, Some(name)) => name,
            (None, None) => return Err(fault(object, "missing field `vhost`")),
        };
        if self.types.contains_key(&name) || self.broker.vhost(&name).is_some() {
            Ok(name)
        } else {
            Err(unknown_vhost(object, &name))
        }
    }

    fn vhost(&mut self, vhost: Vhost) -> Checked<()> {
        let object = format!("vhost '{}'", vhost.name);
        let inner = vhost.metadata.unwrap_or_default();
        let tracing = inner.tracing;
        let protected = inner.protected_from_deletion;
        let mut metadata = metadata(
            inner,
            vhost.description,
            vhost.tags,
            vhost.default_queue_type,
        );
        let known = self.broker.vhost(&vhost.name);
        metadata.protected =
            protected.unwrap_or_else(|| known.is_some_and(|known| known.metadata().protected));
        let metadata =
            check::vhost(&vhost.name, metadata).map_err(|denied| fault(object.clone(), denied))?;
        if self.broker.vhost(&vhost.name).is_none() && !self.types.contains_key(&vhost.name) {
            self.new_vhosts += 1;
            let room = self
                .broker
                .check_room_for_vhosts(&vhost.name, self.new_vhosts);
            room.map_err(|denied| fault(object, denied))?;
        }
        let mut kind = metadata.default_queue_type.clone();
        if kind.is_none() && self.broker.vhost(&vhost.name).is_none() {
            kind = self.broker.settings.vhost_defaults.queue_type.clone();
        }
        self.types.insert(vhost.name.clone(), kind);
        self.plan.vhosts.push((vhost.name, metadata, tracing));
        Ok(())
    }

    fn user(&mut self, user: User) -> Checked<()> {
        let object = format!("user '{}'", user.name);
        let spec = check::user_spec(
            user.password,
            user.password_hash,
            user.hashing_algorithm,
            user.tags.list(),
            user.limits.fields(),
        );
        let checked = spec.and_then(|spec| check::user(&user.name, spec));
        let checked = checked.map_err(|denied| fault(object, denied))?;
        self.users.insert(user.name);
        self.plan.users.push(checked);
        Ok(())
    }

    fn known_user(&self, object: &str, name: &str) -> Checked<()> {
        if self.users.contains(name) || self.broker.users.user(name).is_some() {
            return Ok(());
        }
        Err(fault(object, format!("there is no user '{name}'")))
    }

    fn permission(&mut self, one: Permission) -> Checked<()> {
        let object = format!("permission of user '{}' in vhost '{}'", one.user, one.vhost);
        self.known_user(&object, &one.user)?;
        let vhost = self.known_vhost(&object, Some(one.vhost))?;
        let permission = check::permission(&one.configure, &one.write, &one.read)
            .map_err(|denied| fault(object, denied))?;
        self.plan.permissions.push((one.user, vhost, permission));
        Ok(())
    }

    fn topic_permission(&mut self, one: TopicPermission) -> Checked<()> {
        let object = format!(
            "topic permission of user '{}' in vhost '{}'",
            one.user, one.vhost
        );
        self.known_user(&object, &one.user)?;
        let vhost = self.known_vhost(&object, Some(one.vhost))?;
        check_length(&object, &one.exchange)?;
        let permission = check::topic_permission(&one.write, &one.read, &one.user, &vhost)
            .map_err(|denied| fault(object, denied))?;
        let row = (one.user, vhost, one.exchange, permission);
        self.plan.topic_permissions.push(row);
        Ok(())
    }

    fn global_parameter(&mut self, one: GlobalParameter) -> Checked<()> {
        let object = format!("global parameter '{}'", one.name);
        check::global_parameter(&one.name, &one.value).map_err(|denied| fault(object, denied))?;
        self.plan.globals.push((one.name, one.value));
        Ok(())
    }

    fn parameter(&mut self, one: Parameter) -> Checked<()> {
        let object = format!("parameter '{}' of component '{}'", one.name, one.component);
        let vhost = self.known_vhost(&object, one.vhost)?;
        let denied = |denied: Denied| fault(object.clone(), denied);
        if one.component == OPERATOR_POLICY {
            let Value::Object(fields) = &one.value else {
                return Err(fault(object, "its value is not an object"));
            };
            let policy = NewPolicy::new(&one.name, true, fields).map_err(denied)?;
            self.plan.policies.push((vhost, true, policy));
            return Ok(());
        }
        check::parameter(&one.component, &one.name, &one.value).map_err(denied)?;
        let row = (vhost, one.component, one.name, one.value);
        self.plan.parameters.push(row);
        Ok(())
    }

    fn policy(&mut self, one: Policy) -> Checked<()> {
        let object = format!("policy '{}'", one.name);
        let vhost = self.known_vhost(&object, one.vhost)?;
        let policy = NewPolicy::new(&one.name, false, &one.fields)
            .map_err(|denied| fault(format!("{object} in vhost '{vhost}'"), denied))?;
        self.plan.policies.push((vhost, false, policy));
        Ok(())
    }

    fn exchange(&mut self, one: Exchange) -> Checked<()> {
        let object = format!("exchange '{}'", one.name);
        let vhost = self.known_vhost(&object, one.vhost)?;
        let object = format!("{object} in vhost '{vhost}'");
        check_length(&object, &one.name)?;
        if one.name.is_empty() {
            return Err(fault(object, "the default exchange is always there"));
        }
        let arguments =
            to_table(&one.arguments.fields()).map_err(|why| fault(object.clone(), why))?;
        let flags = [one.durable, one.auto_delete, one.internal];
        let new = NewExchange::check(&one.name, &vhost, &one.kind, flags, arguments)
            .map_err(|reply| fault(object, reply.text))?;
        self.kinds.insert((vhost.clone(), one.name), new.kind());
        self.plan.exchanges.push((vhost, new));
        Ok(())
    }

    fn queue(&mut self, one: Queue) -> Checked<()> {
        let object = format!("queue '{}'", one.name);
        let vhost = self.known_vhost(&object, one.vhost)?;
        let object = format!("{object} in vhost '{vhost}'");
        check_length(&object, &one.name)?;
        if one.name.is_empty() {
            return Err(fault(object, "a queue must have a name"));
        }
        let arguments =
            to_table(&one.arguments.fields()).map_err(|why| fault(object.clone(), why))?;
        let default_type = match self.types.get(&vhost) {
            Some(kind) => kind.clone(),
            None => self
                .broker
                .vhost(&vhost)
                .and_then(|vhost| vhost.metadata().default_queue_type.clone()),
        };
        let new = NewQueue::check(
            &one.name,
            &vhost,
            one.durable,
            one.auto_delete,
            arguments,
            default_type.as_deref(),
        )
        .map_err(|reply| fault(object, reply.text))?;
        self.queues.insert((vhost.clone(), one.name));
        self.plan.queues.push((vhost, new));
        Ok(())
    }

    fn binding(&mut self, one: Binding) -> Checked<()> {
        let object = format!("binding '{}' -> '{}'", one.source, one.destination);
        let vhost = self.known_vhost(&object, one.vhost)?;
        let object = format!("{object} in vhost '{vhost}'");
        for name in [&one.source, &one.destination, &one.routing_key] {
            check_length(&object, name)?;
        }
        let to_queue = match one.destination_type.as_str() {
            "queue" => true,
            "exchange" => false,
            other => return Err(fault(object, format!("unknown destination_type '{other}'"))),
        };
        // Every queue is bound to the default exchange by its name, and by nothing else.
        if one.source.is_empty() {
            return Ok(());
        }
        let arguments =
            to_table(&one.arguments.fields()).map_err(|why| fault(object.clone(), why))?;
        let there = self.broker.vhost(&vhost);
        let known = there.as_ref().and_then(|vhost| vhost.exchange(&one.source));
        let kind = match known {
            Some(exchange) => Some(exchange.routing),
            None => self
                .kinds
                .get(&(vhost.clone(), one.source.clone()))
                .copied(),
        };
        if let Some(kind) = kind {
            kind.check_binding(one.routing_key.as_bytes(), &arguments)
                .map_err(|reply| fault(object, reply.text))?;
        }
        let binding = NewBinding {
            source: one.source,
            to_queue,
            destination: one.destination,
            routing_key: one.routing_key,
            arguments,
        };
        self.plan.bindings.push((vhost, binding));
        Ok(())
    }
}

/// What RabbitMQ 3 says in fields of the vhost, RabbitMQ 4 says in its metadata, too, which counts.
fn metadata(
    inner: Metadata,
    description: Option<String>,
    tags: Option<super::Tags>,
    default_queue_type: Option<String>,
) -> VhostMetadata {
    let inner_tags = inner.tags.list();
    VhostMetadata {
        description: inner.description.or(description).unwrap_or_default(),
        tags: if inner_tags.is_empty() {
            tags.map(|tags| tags.list()).unwrap_or_default()
        } else {
            inner_tags
        },
        default_queue_type: inner.default_queue_type.or(default_queue_type),
        tracing: false,
        protected: false,
    }
}

fn check_length(object: &str, name: &str) -> Checked<()> {
    if name.len() > SHORT_STRING_BYTES_MAX {
        return Err(fault(
            object,
            format!("a name is longer than {SHORT_STRING_BYTES_MAX} bytes"),
        ));
    }
    Ok(())
}
