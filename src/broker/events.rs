//! What happens in the broker, for whoever binds a queue to `amq.rabbitmq.event`: a message without a body for each event, with
//! the event's name as its routing key and what it is about in its headers (RabbitMQ's `rabbitmq_event_exchange`).
//!
//! Whoever changes something [tells](Events::tell) of it, whatever locks are held; the [task](run) publishes afterwards, in order.
//! Nothing is built or kept before somebody has bound a queue.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};

use amq_protocol::types::{AMQPValue, FieldArray, FieldTable, LongString, ShortString};
use parking_lot::{Mutex, RwLock};
use tokio::sync::Notify;

use super::Broker;
use super::announce::announce;
use super::definitions::Binding;
use super::exchange::Exchange;
use super::operator::policies::Policy;
use super::registry::Connection;
use crate::auth::{Permission, TopicPermission};
use crate::queue::Queue;
use crate::wire::erlang;
use crate::wire::properties::PropertiesBuilder;
use crate::wire::table;

/// The exchange of events; there in the vhost that [`Settings::event_vhost`](super::Settings::event_vhost) names.
pub const EVENT_EXCHANGE: &str = "amq.rabbitmq.event";
/// Events that wait at most; what comes beyond that is lost.
const WAITING_MAX: usize = 10_000;
/// A longer argument is cut.
const ARGUMENT_BYTES_MAX: usize = 1000;
/// Who is named where no client has asked for it.
pub const INTERNAL_USER: &str = "rmq-internal";

/// One thing that has happened.
pub struct Event {
    key: &'static str,
    headers: FieldTable,
}

impl Event {
    /// An event of that name, which says nothing yet.
    pub fn new(key: &'static str) -> Self {
        Self {
            key,
            headers: FieldTable::default(),
        }
    }

    fn with(mut self, name: &str, value: AMQPValue) -> Self {
        self.headers.insert(ShortString::from(name), value);
        self
    }

    /// With a text.
    pub fn text(self, name: &str, text: &str) -> Self {
        self.with(name, AMQPValue::LongString(LongString::from(text)))
    }

    /// With a flag.
    pub fn flag(self, name: &str, flag: bool) -> Self {
        self.with(name, AMQPValue::Boolean(flag))
    }

    /// With a number.
    pub fn number(self, name: &str, number: i64) -> Self {
        self.with(name, AMQPValue::LongLongInt(number))
    }

    /// With the arguments of a declare or a binding: a text for each, as RabbitMQ's plugin prints them.
    pub fn arguments(self, arguments: &FieldTable) -> Self {
        let one = |(name, value): (&ShortString, &AMQPValue)| {
            let name = erlang::binary(name.as_str().as_bytes());
            let mut text = format!(
                "{{{name},{},{}}}",
                table::type_name(value),
                erlang::term(value)
            );
            text.truncate(text.floor_char_boundary(ARGUMENT_BYTES_MAX));
            AMQPValue::LongString(LongString::from(text))
        };
        let texts: Vec<AMQPValue> = arguments.into_iter().map(one).collect();
        self.with("arguments", AMQPValue::FieldArray(FieldArray::from(texts)))
    }

    /// A queue has come.
    pub fn queue_created(queue: &Queue) -> Self {
        let spec = &queue.spec;
        Self::new("queue.created")
            .text("name", &spec.name)
            .text("vhost", &spec.vhost)
            .flag("durable", spec.durable)
            .flag("auto_delete", spec.auto_delete)
            .flag("exclusive", spec.owner.is_some())
            .arguments(&spec.arguments)
    }

    /// A queue has gone.
    pub fn queue_deleted(queue: &Queue) -> Self {
        Self::new("queue.deleted")
            .text("name", &queue.spec.name)
            .text("vhost", &queue.spec.vhost)
    }

    /// An exchange has come.
    pub fn exchange_created(vhost: &str, exchange: &Exchange) -> Self {
        Self::new("exchange.created")
            .text("name", &exchange.name)
            .text("vhost", vhost)
            .text("type", exchange.kind.name)
            .flag("durable", exchange.durable)
            .flag("auto_delete", exchange.auto_delete)
            .flag("internal", exchange.internal)
            .arguments(&exchange.arguments)
    }

    /// An exchange has gone.
    pub fn exchange_deleted(vhost: &str, exchange: &Exchange) -> Self {
        Self::new("exchange.deleted")
            .text("name", &exchange.name)
            .text("vhost", vhost)
    }

    /// A binding has come (`binding.created`) or gone (`binding.deleted`).
    pub fn binding(key: &'static str, binding: &Binding<'_>) -> Self {
        let kind = if binding.to_queue {
            "queue"
        } else {
            "exchange"
        };
        Self::new(key)
            .text("source_name", binding.source)
            .text("source_kind", "exchange")
            .text("destination_name", binding.destination)
            .text("destination_kind", kind)
            .text("routing_key", binding.routing_key)
            .text("vhost", binding.vhost)
            .arguments(binding.arguments)
    }

    /// A policy or operator policy is set.
    pub fn policy_set(vhost: &str, policy: &Policy) -> Self {
        let fields = policy.fields();
        let text = |name: &str| match fields.get(name) {
            Some(serde_json::Value::String(text)) => text.clone(),
            other => other.map(ToString::to_string).unwrap_or_default(),
        };
        let priority = fields.get("priority").and_then(serde_json::Value::as_i64);
        Self::new("policy.set")
            .text("name", &policy.name)
            .text("vhost", vhost)
            .text("pattern", &text("pattern"))
            .text("apply-to", &text("apply-to"))
            .number("priority", priority.unwrap_or(0))
            .text("definition", &text("definition"))
    }

    /// A parameter, or a policy, is cleared.
    pub fn cleared(key: &'static str, vhost: &str, name: &str) -> Self {
        Self::new(key).text("name", name).text("vhost", vhost)
    }

    /// A user may do something in a vhost.
    pub fn permission_created(user: &str, vhost: &str, permission: &Permission) -> Self {
        Self::new("permission.created")
            .text("user", user)
            .text("vhost", vhost)
            .text("configure", permission.configure.source())
            .text("write", permission.write.source())
            .text("read", permission.read.source())
    }

    /// A user may do something with a topic exchange.
    pub fn topic_permission_created(
        user: &str,
        vhost: &str,
        exchange: &str,
        permission: &TopicPermission,
    ) -> Self {
        Self::new("topic.permission.created")
            .text("user", user)
            .text("vhost", vhost)
            .text("exchange", exchange)
            .text("write", permission.write.source())
            .text("read", permission.read.source())
    }

    /// A consumer has come (`consumer.created`) or gone (`consumer.deleted`).
    pub fn consumer(key: &'static str, queue: &Queue, tag: &str) -> Self {
        Self::new(key)
            .text("consumer_tag", tag)
            .text("queue", &queue.spec.name)
            .text("vhost", &queue.spec.vhost)
    }

    /// A channel has opened (`channel.created`) or ended (`channel.closed`).
    pub fn channel(key: &'static str, connection: &Connection, number: u16) -> Self {
        Self::new(key)
            .text("name", &format!("{} ({number})", connection.name()))
            .text("connection", &connection.name())
            .text("user", &connection.user)
            .text("vhost", &connection.vhost)
            .number("number", number.into())
    }

    /// A connection has opened (`connection.created`) or ended (`connection.closed`).
    pub fn connection(key: &'static str, connection: &Connection) -> Self {
        Self::new(key)
            .text("name", &connection.name())
            .text("user", &connection.user)
            .text("vhost", &connection.vhost)
            .text("protocol", "{0,9,1}")
            .text("auth_mechanism", &connection.mechanism)
            .text(
                "peer_host",
                &connection.peer.ip().to_canonical().to_string(),
            )
            .number("peer_port", connection.peer.port().into())
            .text("host", &connection.local.ip().to_canonical().to_string())
            .number("port", connection.local.port().into())
            .number("channel_max", connection.channel_max.into())
            .number("frame_max", connection.frame_max.into())
            .number("timeout", connection.heartbeat_s.into())
            .number("connected_at", connection.opened_ms as i64)
    }
}

/// What has happened and is not published yet.
#[derive(Default)]
pub struct Events {
    /// The exchange, and its version when nobody had bound anything.
    exchange: RwLock<(Weak<Exchange>, u64)>,
    waiting: Mutex<VecDeque<(Event, u64)>>,
    come: Notify,
    /// The last one found no room.
    losing: AtomicBool,
}

impl Events {
    /// The exchange of events is there.
    pub(super) fn watch(&self, exchange: &Arc<Exchange>) {
        *self.exchange.write() = (Arc::downgrade(exchange), exchange.version());
    }

    /// Whether anybody has ever bound a queue.
    pub fn is_watched(&self) -> bool {
        let exchange = self.exchange.read();
        exchange
            .0
            .upgrade()
            .is_some_and(|found| found.version() != exchange.1)
    }

    /// Something has happened at that time (milliseconds since the epoch). Asks for it only when somebody listens.
    pub fn tell(&self, now: u64, event: impl FnOnce() -> Event) {
        if self.is_watched() {
            self.push(event(), now);
        }
    }

    pub(super) fn push(&self, event: Event, now: u64) {
        let mut waiting = self.waiting.lock();
        let fits = waiting.len() < WAITING_MAX;
        if fits {
            waiting.push_back((event, now));
        }
        drop(waiting);
        // Once for each time that there are too many.
        if !self.losing.swap(!fits, Ordering::Relaxed) && !fits {
            tracing::warn!("{WAITING_MAX} events wait to be published: others are lost");
        }
        self.come.notify_one();
    }
}

/// Publishes events as they come, until it is dropped. Started by the server.
pub async fn run(broker: Arc<Broker>) {
    loop {
        let mut steps = 0;
        while step(&broker) {
            steps += 1;
            if steps % 64 == 0 {
                tokio::task::yield_now().await;
            }
        }
        broker.events().come.notified().await;
    }
}

/// Publishes one event; false when none waits.
fn step(broker: &Broker) -> bool {
    let Some((event, at_ms)) = broker.events().waiting.lock().pop_front() else {
        return false;
    };
    let Some(vhost) = broker
        .settings
        .event_vhost
        .as_deref()
        .and_then(|name| broker.vhost(name))
    else {
        return true;
    };
    if let Some(exchange) = vhost.exchange(EVENT_EXCHANGE) {
        let event = event.number("timestamp_in_ms", at_ms as i64);
        let headers = table::from_field_table(&event.headers);
        let properties = PropertiesBuilder {
            headers: Some(&headers),
            delivery_mode: Some(2),
            timestamp: Some(at_ms / 1000),
            ..PropertiesBuilder::default()
        };
        announce(
            broker,
            &vhost,
            &exchange,
            event.key,
            &properties.build(),
            b"",
        );
    }
    true
}
