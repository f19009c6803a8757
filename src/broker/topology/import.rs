//! Queues, exchanges and bindings out of a document of definitions: checked first, all of them, and only then made. What is there
//! already stays as it is, whatever the document says of it. No connection asks, so nobody's permission is looked at, and limits of
//! a vhost do not count, as in RabbitMQ.

use std::sync::Arc;

use amq_protocol::types::{AMQPValue, FieldTable, LongString, ShortString};

use crate::broker::Broker;
use crate::broker::events::INTERNAL_USER;
use crate::broker::exchange::ExchangeSpec;
use crate::broker::vhost::Vhost;
use crate::exchange::{KindInfo, Target, alternate, find};
use crate::queue::arguments::dedup::check as check_dedup;
use crate::queue::arguments::{self, QUEUE_TYPE};
use crate::queue::{QueueSpec, Rules};
use crate::wire::reply::{Reply, exchange_resource, queue_resource};

/// A queue to be made.
pub struct NewQueue {
    name: Arc<str>,
    durable: bool,
    auto_delete: bool,
    arguments: FieldTable,
    rules: Rules,
}

impl NewQueue {
    /// Checks a queue of a document; `default_type` is the type of its vhost for queues that do not name one.
    pub fn check(
        name: &str,
        vhost: &str,
        durable: bool,
        auto_delete: bool,
        mut arguments: FieldTable,
        default_type: Option<&str>,
    ) -> Result<Self, Reply> {
        if let Some(kind) = default_type.filter(|_| durable && !auto_delete)
            && !arguments.contains_key(QUEUE_TYPE)
        {
            let kind = AMQPValue::LongString(LongString::from(kind));
            arguments.insert(ShortString::from(QUEUE_TYPE), kind);
        }
        let resource = queue_resource(name, vhost);
        let parsed = arguments::parse(&resource, &arguments, durable, false, auto_delete, false)?;
        Ok(Self {
            name: name.into(),
            durable,
            auto_delete,
            arguments: arguments::stored(&arguments, parsed.kind),
            rules: Rules::of(&parsed),
        })
    }
}

/// An exchange to be made.
pub struct NewExchange {
    spec: ExchangeSpec,
}

impl NewExchange {
    /// Checks an exchange of a document.
    pub fn check(
        name: &str,
        vhost: &str,
        kind: &str,
        [durable, auto_delete, internal]: [bool; 3],
        arguments: FieldTable,
    ) -> Result<Self, Reply> {
        let kind = find(kind)?;
        kind.check_declare(&arguments)?;
        let resource = exchange_resource(name, vhost);
        check_dedup(&arguments, &resource)?;
        let alternate = alternate(&arguments, &resource)?;
        Ok(Self {
            spec: ExchangeSpec {
                name: name.into(),
                kind,
                durable,
                auto_delete,
                internal,
                arguments,
                alternate,
            },
        })
    }

    /// The kind by which it routes.
    pub fn kind(&self) -> &'static KindInfo {
        self.spec.kind.routing(&self.spec.arguments)
    }
}

/// A binding to be made.
pub struct NewBinding {
    /// Name of the exchange it leads from.
    pub source: String,
    /// Whether it leads to a queue; else to an exchange.
    pub to_queue: bool,
    /// Name of what it leads to.
    pub destination: String,
    /// Its routing key.
    pub routing_key: String,
    /// Its arguments.
    pub arguments: FieldTable,
}

impl Vhost {
    /// Makes a queue, unless there is one of that name.
    pub(in crate::broker) fn import_queue(&self, broker: &Broker, new: NewQueue) {
        let _topology = self.bindings.lock();
        if self.is_deleting() || self.queue(&new.name).is_some() {
            return;
        }
        let spec = QueueSpec {
            name: new.name,
            vhost: Arc::clone(&self.name),
            id: broker.next_id(),
            durable: new.durable,
            owner: None,
            auto_delete: new.auto_delete,
            arguments: new.arguments,
        };
        self.create_queue(broker, spec, new.rules, INTERNAL_USER);
    }

    /// Makes an exchange, unless there is one of that name.
    pub(in crate::broker) fn import_exchange(&self, broker: &Broker, new: NewExchange) {
        let _topology = self.bindings.lock();
        if !self.is_deleting() && self.exchange(&new.spec.name).is_none() {
            self.create_exchange(broker, new.spec, INTERNAL_USER);
        }
    }

    /// Makes a binding, unless it is there. False when one of its ends is not.
    pub(in crate::broker) fn import_binding(&self, new: NewBinding) -> bool {
        let mut bindings = self.bindings.lock();
        let destination = if new.to_queue {
            self.queue(&new.destination).map(Target::Queue)
        } else {
            self.exchange(&new.destination).map(Target::Exchange)
        };
        let (Some(source), Some(destination)) = (self.exchange(&new.source), destination) else {
            return false;
        };
        if self.is_deleting() {
            return false;
        }
        self.link_binding(
            &mut bindings,
            source,
            destination,
            &new.routing_key,
            new.arguments,
            INTERNAL_USER,
        );
        true
    }
}
