//! Definitions on disk: vhosts, users, permissions, durable exchanges, queues and bindings as records of the journal, and back.
//!
//! A [`Change`] collects the records of one verb while the topology lock is held and appends them at once when it is
//! [committed](Change::commit), so that a crash finds the whole verb or nothing of it. An `-ok` waits for [`Definitions::receipt`].
//! A value is an AMQP table in wire form (a queue's begins with its id), which any later version can read and extend; the store
//! sees bytes. Called by the topology's verbs, by the server for the first user, and by `restore.rs` and the keeper.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use amq_protocol::types::{AMQPValue, FieldArray, FieldTable, LongString, ShortString};

use super::Clock;
use super::events::{Event, Events};
use super::exchange::Exchange;
use super::hidden::Purpose;
use super::operator::VhostMetadata;
use super::operator::parameters::{OPERATOR_POLICY, POLICY};
use super::operator::policies::Policy;
use super::operator::{MAX_CHANNELS, MAX_CONNECTIONS};
use crate::auth::{Permission, TopicPermission, User};
use crate::queue::Queue;
use crate::store::record::{self, Kind};
use crate::store::{Journal, Receipt, Urgency};
use crate::wire::table;
use serde_json::Value;

/// Bytes of the queue id in front of a queue's table.
const ID_BYTES: usize = 8;

/// The journal, as the topology sees it.
pub struct Definitions {
    journal: Arc<Journal>,
    /// Number of the last append that changed a definition.
    last: AtomicU64,
    events: Arc<Events>,
    clock: Clock,
}

impl Definitions {
    /// Definitions that go to `journal`; what changes is told to `events`.
    pub fn new(journal: Arc<Journal>, events: Arc<Events>, clock: Clock) -> Self {
        Self {
            journal,
            events,
            clock,
            last: AtomicU64::new(0),
        }
    }

    /// What an `-ok` waits for: everything defined so far, by whomever.
    pub fn receipt(&self) -> Receipt {
        Receipt::of(self.last.load(Ordering::Acquire), Urgency::Synced)
    }

    /// Begins a change. The caller holds the lock of what it changes.
    pub fn change(&self) -> Change<'_> {
        Change {
            definitions: self,
            records: Vec::new(),
            events: self.events.is_watched().then(Vec::new),
        }
    }
}

/// The records of one change.
#[must_use = "it is written when it is committed"]
pub struct Change<'a> {
    definitions: &'a Definitions,
    records: Vec<u8>,
    /// What is to be told of it, when somebody listens.
    events: Option<Vec<Event>>,
}

impl Change<'_> {
    /// Appends what was collected.
    pub fn commit(self) {
        if !self.records.is_empty() {
            let append = self
                .definitions
                .journal
                .append(&self.records, Urgency::Synced);
            self.definitions.last.fetch_max(append, Ordering::AcqRel);
        }
        for event in self.events.into_iter().flatten() {
            let now = self.definitions.clock.now();
            self.definitions.events.push(event, now);
        }
    }

    /// What has been told so far was done by that user.
    pub fn by(&mut self, user: &str) {
        let events = std::mem::take(&mut self.events);
        let named = |event: Event| event.text("user_who_performed_action", user);
        self.events = events.map(|events| events.into_iter().map(named).collect());
    }

    /// Something that is to be told once it is committed.
    pub fn tell(&mut self, event: impl FnOnce() -> Event) {
        if let Some(events) = &mut self.events {
            events.push(event());
        }
    }

    fn put(&mut self, (kind, key, value): (Kind, Vec<u8>, Vec<u8>)) {
        record::write::define(&mut self.records, kind, &key, &value);
    }

    fn forget(&mut self, kind: Kind, key: &[u8]) {
        record::write::forget(&mut self.records, kind, key);
    }

    /// A vhost is there, or on its way out.
    pub fn vhost(&mut self, name: &str, metadata: &VhostMetadata, deleting: bool) {
        self.put(vhost(name, metadata, deleting));
    }

    /// A vhost is gone.
    pub fn no_vhost(&mut self, name: &str) {
        self.tell(|| Event::new("vhost.deleted").text("name", name));
        self.forget(Kind::Vhost, &key(&[name]));
    }

    /// A user is there, or is another in something.
    pub fn user(&mut self, one: &User) {
        self.put(user(one));
    }

    /// A user is gone.
    pub fn no_user(&mut self, name: &str) {
        self.tell(|| Event::new("user.deleted").text("name", name));
        self.forget(Kind::User, &key(&[name]));
    }

    /// What a user may do in a vhost.
    pub fn permission(&mut self, user: &str, vhost: &str, permission: &Permission) {
        self.tell(|| Event::permission_created(user, vhost, permission));
        self.put(self::permission(user, vhost, permission));
    }

    /// A user may do nothing there any more.
    pub fn no_permission(&mut self, user: &str, vhost: &str) {
        let event = || Event::new("permission.deleted").text("user", user);
        self.tell(|| event().text("vhost", vhost));
        self.forget(Kind::Permission, &key(&[user, vhost]));
    }

    /// What a user may do with a topic exchange.
    pub fn topic_permission(
        &mut self,
        user: &str,
        vhost: &str,
        exchange: &str,
        permission: &TopicPermission,
    ) {
        self.tell(|| Event::topic_permission_created(user, vhost, exchange, permission));
        self.put(self::topic_permission(user, vhost, exchange, permission));
    }

    /// A topic permission is gone.
    pub fn no_topic_permission(&mut self, user: &str, vhost: &str, exchange: &str) {
        let event = || Event::new("topic.permission.deleted").text("user", user);
        self.tell(|| event().text("vhost", vhost).text("exchange", exchange));
        self.forget(Kind::TopicPermission, &key(&[user, vhost, exchange]));
    }

    /// A policy or operator policy is there.
    pub fn policy(&mut self, vhost: &str, operator: bool, one: &Policy) {
        self.tell(|| Event::policy_set(vhost, one));
        self.put(policy(vhost, operator, one));
    }

    /// A policy or operator policy is gone.
    pub fn no_policy(&mut self, vhost: &str, operator: bool, name: &str) {
        self.tell(|| Event::cleared("policy.cleared", vhost, name));
        self.forget(Kind::Policy, &policy_key(vhost, operator, name));
    }

    /// A runtime parameter is there.
    pub fn parameter(&mut self, component: &str, vhost: &str, name: &str, value: &Value) {
        let event = || Event::new("parameter.set").text("component", component);
        self.tell(|| event().text("vhost", vhost).text("name", name));
        self.put(parameter(&[component, vhost, name], value));
    }

    /// A runtime parameter is gone.
    pub fn no_parameter(&mut self, component: &str, vhost: &str, name: &str) {
        let event = || Event::cleared("parameter.cleared", vhost, name);
        self.tell(|| event().text("component", component));
        self.forget(Kind::Parameter, &key(&[component, vhost, name]));
    }

    /// A global parameter is there.
    pub fn global_parameter(&mut self, name: &str, value: &Value) {
        self.put(parameter(&[name], value));
    }

    /// A global parameter is gone.
    pub fn no_global_parameter(&mut self, name: &str) {
        self.forget(Kind::Parameter, &key(&[name]));
    }

    /// An exchange is there. One that does not outlive the process is passed over, here and below.
    pub fn exchange(&mut self, vhost: &str, exchange: &Exchange) {
        self.tell(|| Event::exchange_created(vhost, exchange));
        if exchange.durable {
            self.put(self::exchange(vhost, exchange));
        }
    }

    /// An exchange is gone.
    pub fn no_exchange(&mut self, vhost: &str, exchange: &Exchange) {
        self.tell(|| Event::exchange_deleted(vhost, exchange));
        if exchange.durable {
            self.forget(Kind::Exchange, &key(&[vhost, &exchange.name]));
        }
    }

    /// A queue is there.
    pub fn queue(&mut self, queue: &Queue) {
        self.tell(|| Event::queue_created(queue));
        if queue.spec.durable {
            self.put(self::queue(queue));
        }
    }

    /// A queue is gone with all that is in it.
    pub fn no_queue(&mut self, queue: &Queue) {
        self.tell(|| Event::queue_deleted(queue));
        if queue.spec.durable {
            self.forget(Kind::Queue, &key(&[&queue.spec.vhost, &queue.spec.name]));
        }
    }

    /// A queue of an exchange is there.
    pub fn hidden_queue(&mut self, exchange: &str, purpose: Purpose, queue: &Queue) {
        if queue.spec.durable {
            self.put(self::hidden_queue(exchange, purpose, queue));
        }
    }

    /// A queue of an exchange is gone with all that is in it.
    pub fn no_hidden_queue(&mut self, exchange: &str, purpose: Purpose, queue: &Queue) {
        if queue.spec.durable {
            self.forget(Kind::Queue, &hidden_key(exchange, purpose, queue));
        }
    }

    /// A queue that belongs to another of the same name is there, for this.
    pub fn part(&mut self, part: &Queue, role: &str) {
        if part.spec.durable {
            self.put(self::part(part, role));
        }
    }

    /// It is gone.
    pub fn no_part(&mut self, part: &Queue, role: &str) {
        if part.spec.durable {
            self.forget(Kind::Queue, &part_key(part, role));
        }
    }

    /// A binding is there.
    pub fn binding(&mut self, binding: &Binding<'_>) {
        self.tell(|| Event::binding("binding.created", binding));
        if binding.durable {
            self.put(self::binding(binding));
        }
    }

    /// A binding is gone.
    pub fn no_binding(&mut self, binding: &Binding<'_>) {
        self.tell(|| Event::binding("binding.deleted", binding));
        if binding.durable {
            self.forget(Kind::Binding, &binding_key(binding));
        }
    }
}

/// A binding, as it is written.
pub struct Binding<'a> {
    /// Name of its vhost.
    pub vhost: &'a str,
    /// Name of the exchange it leads from.
    pub source: &'a str,
    /// Whether it leads to a queue; else to an exchange.
    pub to_queue: bool,
    /// Name of what it leads to.
    pub destination: &'a str,
    /// Its routing key.
    pub routing_key: &'a str,
    /// Its arguments.
    pub arguments: &'a FieldTable,
    /// Both ends are durable.
    pub durable: bool,
}

/// Kind, key and value of a definition, as the journal and the checkpoint keep it.
pub type Definition = (Kind, Vec<u8>, Vec<u8>);

/// A vhost's. What is not said is left out: a vhost without metadata is the empty table that it has always been.
pub fn vhost(name: &str, metadata: &VhostMetadata, deleting: bool) -> Definition {
    let mut value = FieldTable::default();
    if !metadata.description.is_empty() {
        put_text(&mut value, "description", &metadata.description);
    }
    if !metadata.tags.is_empty() {
        put_texts(&mut value, "tags", &metadata.tags);
    }
    if let Some(kind) = &metadata.default_queue_type {
        put_text(&mut value, "default_queue_type", kind);
    }
    let flags = [
        ("tracing", metadata.tracing),
        ("protected", metadata.protected),
        ("deleting", deleting),
    ];
    for (name, flag) in flags {
        if flag {
            put_flag(&mut value, name, true);
        }
    }
    (Kind::Vhost, key(&[name]), table::from_field_table(&value))
}

/// A user's.
pub fn user(user: &User) -> Definition {
    let mut value = FieldTable::default();
    put_text(&mut value, "hash", &user.password.to_base64());
    put_text(&mut value, "algorithm", user.password.algorithm().name());
    put_text(&mut value, "tags", &user.tags.join(","));
    for (name, limit) in [
        (MAX_CONNECTIONS, user.limits.connections()),
        (MAX_CHANNELS, user.limits.channels()),
    ] {
        if let Some(limit) = limit {
            value.insert(ShortString::from(name), AMQPValue::LongLongInt(limit));
        }
    }
    (
        Kind::User,
        key(&[&user.name]),
        table::from_field_table(&value),
    )
}

/// A topic permission's.
pub fn topic_permission(
    user: &str,
    vhost: &str,
    exchange: &str,
    permission: &TopicPermission,
) -> Definition {
    let mut value = FieldTable::default();
    put_text(&mut value, "write", permission.write.source());
    put_text(&mut value, "read", permission.read.source());
    (
        Kind::TopicPermission,
        key(&[user, vhost, exchange]),
        table::from_field_table(&value),
    )
}

/// A policy's or operator policy's: its fields as JSON.
pub fn policy(vhost: &str, operator: bool, policy: &Policy) -> Definition {
    let key = policy_key(vhost, operator, &policy.name);
    (Kind::Policy, key, json_value(&policy.fields().into()))
}

fn policy_key(vhost: &str, operator: bool, name: &str) -> Vec<u8> {
    key(&[vhost, if operator { OPERATOR_POLICY } else { POLICY }, name])
}

/// A runtime parameter's (component, vhost, name) or a global parameter's (name).
pub fn parameter(names: &[&str], value: &Value) -> Definition {
    (Kind::Parameter, key(names), json_value(value))
}

/// JSON in a table, so that more can be said beside it one day.
fn json_value(value: &Value) -> Vec<u8> {
    let mut fields = FieldTable::default();
    put_text(&mut fields, "json", &value.to_string());
    table::from_field_table(&fields)
}

/// A permission's.
pub fn permission(user: &str, vhost: &str, permission: &Permission) -> Definition {
    let mut value = FieldTable::default();
    put_text(&mut value, "configure", permission.configure.source());
    put_text(&mut value, "write", permission.write.source());
    put_text(&mut value, "read", permission.read.source());
    (
        Kind::Permission,
        key(&[user, vhost]),
        table::from_field_table(&value),
    )
}

/// A durable exchange's.
pub fn exchange(vhost: &str, exchange: &Exchange) -> Definition {
    let mut value = FieldTable::default();
    put_text(&mut value, "type", exchange.kind.name);
    put_flag(&mut value, "auto_delete", exchange.auto_delete);
    put_flag(&mut value, "internal", exchange.internal);
    value.insert(
        ShortString::from("arguments"),
        AMQPValue::FieldTable(exchange.arguments.clone()),
    );
    (
        Kind::Exchange,
        key(&[vhost, &exchange.name]),
        table::from_field_table(&value),
    )
}

/// A durable queue's.
pub fn queue(queue: &Queue) -> Definition {
    let spec = &queue.spec;
    let mut value = FieldTable::default();
    put_flag(&mut value, "auto_delete", spec.auto_delete);
    value.insert(
        ShortString::from("arguments"),
        AMQPValue::FieldTable(spec.arguments.clone()),
    );
    let mut bytes = spec.id.to_le_bytes().to_vec();
    bytes.extend_from_slice(&table::from_field_table(&value));
    (Kind::Queue, key(&[&spec.vhost, &spec.name]), bytes)
}

/// That of a durable queue of an exchange: a queue's, under a key of three names.
pub fn hidden_queue(exchange: &str, purpose: Purpose, queue: &Queue) -> Definition {
    let (kind, _, value) = self::queue(queue);
    (kind, hidden_key(exchange, purpose, queue), value)
}

fn hidden_key(exchange: &str, purpose: Purpose, queue: &Queue) -> Vec<u8> {
    key(&[&queue.spec.vhost, exchange, purpose.name()])
}

/// That of a durable queue that belongs to another: a queue's, under a key of three names.
pub fn part(part: &Queue, role: &str) -> Definition {
    let (kind, _, value) = queue(part);
    (kind, part_key(part, role), value)
}

fn part_key(part: &Queue, role: &str) -> Vec<u8> {
    key(&[&part.spec.vhost, &part.spec.name, role])
}

/// A binding's.
pub fn binding(binding: &Binding<'_>) -> Definition {
    (
        Kind::Binding,
        binding_key(binding),
        table::from_field_table(binding.arguments),
    )
}

fn binding_key(binding: &Binding<'_>) -> Vec<u8> {
    let kind = if binding.to_queue {
        "queue"
    } else {
        "exchange"
    };
    let mut key = key(&[
        binding.vhost,
        binding.source,
        kind,
        binding.destination,
        binding.routing_key,
    ]);
    key.extend_from_slice(&table::from_field_table(binding.arguments));
    key
}

/// Names, each behind its length as u16, little-endian.
fn key(names: &[&str]) -> Vec<u8> {
    let mut key = Vec::new();
    for name in names {
        // A name is a shortstr; only a peer of a later version could make it longer.
        key.extend_from_slice(&(name.len() as u16).to_le_bytes());
        key.extend_from_slice(name.as_bytes());
    }
    key
}

/// The names in a key, as many as there are whole ones.
pub fn names(mut key: &[u8]) -> Vec<&str> {
    let mut names = Vec::new();
    while let Some((len, rest)) = key.split_first_chunk::<2>() {
        let Some((name, rest)) = rest.split_at_checked(usize::from(u16::from_le_bytes(*len)))
        else {
            break;
        };
        let Ok(name) = std::str::from_utf8(name) else {
            break;
        };
        names.push(name);
        key = rest;
    }
    names
}

/// A queue's id and the table behind it.
pub fn split_queue(value: &[u8]) -> Option<(u64, &[u8])> {
    let (id, rest) = value.split_first_chunk::<ID_BYTES>()?;
    Some((u64::from_le_bytes(*id), rest))
}

/// A value's table.
pub fn fields(value: &[u8]) -> Option<FieldTable> {
    table::to_field_table(value).ok()
}

/// A text of a value.
pub fn text(fields: &FieldTable, name: &str) -> Option<String> {
    match fields.inner().get(name)? {
        AMQPValue::LongString(text) => String::from_utf8(text.as_bytes().to_vec()).ok(),
        _ => None,
    }
}

/// A flag of a value; one that is not there is off.
pub fn flag(fields: &FieldTable, name: &str) -> bool {
    matches!(fields.inner().get(name), Some(AMQPValue::Boolean(true)))
}

/// A table within a value; one that is not there is empty.
pub fn sub_table(fields: &FieldTable, name: &str) -> FieldTable {
    match fields.inner().get(name) {
        Some(AMQPValue::FieldTable(table)) => table.clone(),
        _ => FieldTable::default(),
    }
}

fn put_text(fields: &mut FieldTable, name: &str, text: &str) {
    fields.insert(
        ShortString::from(name),
        AMQPValue::LongString(LongString::from(text)),
    );
}

fn put_texts(fields: &mut FieldTable, name: &str, texts: &[String]) {
    let texts: Vec<AMQPValue> = texts
        .iter()
        .map(|text| AMQPValue::LongString(LongString::from(text.as_str())))
        .collect();
    fields.insert(
        ShortString::from(name),
        AMQPValue::FieldArray(FieldArray::from(texts)),
    );
}

/// Texts of a value; none where they are not there.
pub fn texts(fields: &FieldTable, name: &str) -> Vec<String> {
    let Some(AMQPValue::FieldArray(texts)) = fields.inner().get(name) else {
        return Vec::new();
    };
    let one = |text: &AMQPValue| match text {
        AMQPValue::LongString(text) => String::from_utf8(text.as_bytes().to_vec()).ok(),
        _ => None,
    };
    texts.as_slice().iter().filter_map(one).collect()
}

/// A number of a value.
pub fn number(fields: &FieldTable, name: &str) -> Option<i64> {
    table::integer(fields.inner().get(name)?)
}

fn put_flag(fields: &mut FieldTable, name: &str, flag: bool) {
    fields.insert(ShortString::from(name), AMQPValue::Boolean(flag));
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The format is on disks: these bytes never change. Those of exchanges, queues, users and permissions are in the fixtures of
    /// tests/durability.
    #[test]
    fn the_bytes_of_vhosts_and_bindings() {
        let plain = VhostMetadata::default();
        assert_eq!(
            vhost("/", &plain, false),
            (Kind::Vhost, b"\x01\0/".to_vec(), Vec::new())
        );
        let mut arguments = FieldTable::default();
        put_text(&mut arguments, "a", "bc");
        put_flag(&mut arguments, "f", true);
        let fields = b"\x01aS\0\0\0\x02bc\x01ft\x01";
        let (kind, key, value) = binding(&Binding {
            vhost: "/",
            source: "from",
            to_queue: true,
            destination: "to",
            routing_key: "rk",
            arguments: &arguments,
            durable: true,
        });
        let expected = [&b"\x01\0/\x04\0from\x05\0queue\x02\0to\x02\0rk"[..], fields].concat();
        assert_eq!(
            (kind, key.as_slice(), value.as_slice()),
            (Kind::Binding, &expected[..], &fields[..])
        );
        assert_eq!(names(&key)[..5], ["/", "from", "queue", "to", "rk"]);
        assert_eq!(super::fields(&value), Some(arguments));
    }
}
