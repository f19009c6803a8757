//! The firehose: in a vhost that is traced, a copy of every message that is published, and of every one that is delivered, goes
//! to its exchange `amq.rabbitmq.trace`, with routing keys `publish.<exchange>` and `deliver.<queue>` and headers that say what
//! happened (RabbitMQ's `rabbit_trace`). Copies are not traced themselves.
//!
//! A vhost that is not traced pays nothing for a publish: switching the firehose voids every remembered route, and while it is
//! on no route is remembered, so that each publish comes by where this is looked at.

use std::sync::Arc;

use amq_protocol::types::{AMQPValue, FieldArray, FieldTable, LongString, ShortString};

use super::Broker;
use super::announce::announce;
use super::vhost::Vhost;
use crate::exchange::extra_keys;
use crate::message::Message;
use crate::queue::Queue;
use crate::wire::properties::{Properties, PropertiesBuilder};
use crate::wire::table;

/// The firehose's exchange.
pub const TRACE_EXCHANGE: &str = "amq.rabbitmq.trace";

/// A message that comes by.
pub struct Traced<'a> {
    /// The id of the connection that publishes it or gets it.
    pub connection: u64,
    /// The number of the channel.
    pub channel: u16,
    /// The exchange that it was published to.
    pub exchange: &'a str,
    /// The keys that it is or was routed by.
    pub keys: &'a [&'a [u8]],
    /// Its properties.
    pub properties: Properties<'a>,
    /// Its body.
    pub body: &'a [u8],
}

fn text(bytes: &[u8]) -> AMQPValue {
    AMQPValue::LongString(LongString::from(bytes))
}

fn texts<'a>(all: impl Iterator<Item = &'a [u8]>) -> AMQPValue {
    AMQPValue::FieldArray(FieldArray::from(all.map(text).collect::<Vec<_>>()))
}

fn put(fields: &mut FieldTable, name: &str, value: AMQPValue) {
    fields.insert(ShortString::from(name), value);
}

fn number(value: u64) -> AMQPValue {
    match i32::try_from(value) {
        Ok(value) => AMQPValue::LongInt(value),
        Err(_) => AMQPValue::LongLongInt(value as i64),
    }
}

/// A property block as a table.
fn shown(properties: Properties<'_>) -> FieldTable {
    let mut fields = FieldTable::default();
    for (name, value) in properties.texts() {
        put(&mut fields, name, text(value));
    }
    let numbers = [
        ("delivery_mode", properties.delivery_mode().map(u64::from)),
        ("priority", properties.priority().map(u64::from)),
        ("timestamp", properties.timestamp()),
    ];
    for (name, value) in numbers {
        if let Some(value) = value {
            put(&mut fields, name, number(value));
        }
    }
    if let Some(headers) = properties.headers().map(table::to_field_table) {
        put(
            &mut fields,
            "headers",
            AMQPValue::FieldTable(headers.unwrap_or_default()),
        );
    }
    fields
}

impl Traced<'_> {
    fn headers(&self, broker: &Broker, vhost: &Vhost) -> FieldTable {
        let mut fields = FieldTable::default();
        put(&mut fields, "exchange_name", text(self.exchange.as_bytes()));
        put(
            &mut fields,
            "routing_keys",
            texts(self.keys.iter().copied()),
        );
        put(
            &mut fields,
            "properties",
            AMQPValue::FieldTable(shown(self.properties)),
        );
        put(
            &mut fields,
            "node",
            text(broker.settings.node_name.as_bytes()),
        );
        put(&mut fields, "vhost", text(vhost.name.as_bytes()));
        // What comes by the HTTP API has no connection.
        if let Some(connection) = broker.registry().get(self.connection) {
            put(
                &mut fields,
                "connection",
                text(connection.name().as_bytes()),
            );
            put(&mut fields, "user", text(connection.user.as_bytes()));
        }
        put(
            &mut fields,
            "channel",
            AMQPValue::LongInt(self.channel.into()),
        );
        fields
    }

    fn send(&self, broker: &Broker, vhost: &Arc<Vhost>, key: &str, fields: &FieldTable) {
        let Some(exchange) = vhost.exchange(TRACE_EXCHANGE) else {
            return;
        };
        let headers = table::from_field_table(fields);
        let properties = PropertiesBuilder {
            headers: Some(&headers),
            ..PropertiesBuilder::default()
        };
        announce(
            broker,
            vhost,
            &exchange,
            key,
            &properties.build(),
            self.body,
        );
    }

    /// It has been published, and goes to these queues. The caller holds no lock.
    pub fn published(&self, broker: &Broker, vhost: &Arc<Vhost>, queues: &[Arc<Queue>]) {
        if self.exchange == TRACE_EXCHANGE {
            return;
        }
        let mut fields = self.headers(broker, vhost);
        let routed = queues.iter().map(|queue| queue.spec.name.as_bytes());
        put(&mut fields, "routed_queues", texts(routed));
        let key = format!("publish.{}", self.exchange);
        self.send(broker, vhost, &key, &fields);
    }
}

/// A message has been taken from that queue for a client. The caller holds no lock.
#[cold]
pub fn delivered(
    broker: &Broker,
    vhost: &Arc<Vhost>,
    (connection, channel): (u64, u16),
    queue: &Queue,
    message: &Message,
    redelivered: bool,
) {
    let exchange = String::from_utf8_lossy(message.exchange());
    if exchange == TRACE_EXCHANGE {
        return;
    }
    let properties = Properties::new(message.properties());
    let extra = extra_keys(properties).unwrap_or_default();
    let mut keys = extra.after(message.routing_key());
    keys.extend(message.hidden_keys());
    let traced = Traced {
        connection,
        channel,
        exchange: &exchange,
        keys: &keys,
        properties,
        body: message.body(),
    };
    let mut fields = traced.headers(broker, vhost);
    put(
        &mut fields,
        "redelivered",
        AMQPValue::LongInt(redelivered.into()),
    );
    let key = format!("deliver.{}", queue.spec.name);
    traced.send(broker, vhost, &key, &fields);
}
