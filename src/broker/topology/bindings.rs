//! Bindings: the registry of all in a vhost, found from both ends, and queue.bind, exchange.bind and their opposites.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use amq_protocol::types::FieldTable;

use super::clean_name;
use crate::auth::Verb;
use crate::broker::Broker;
use crate::broker::access::Access;
use crate::broker::definitions::{self, Change};
use crate::broker::exchange::{Destination, Exchange};
use crate::broker::history::History;
use crate::broker::publish::{home, publish_one};
use crate::broker::vhost::{Vhost, Walk};
use crate::exchange::{Kind, Target, extra_keys};
use crate::queue::Effects;
use crate::wire::properties::Properties;
use crate::wire::reply::Reply;
use crate::wire::table;

/// What makes two bindings of one exchange the same.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(super) struct BindingKey {
    /// Id of the queue or exchange; they share one counter.
    destination: u64,
    pub(super) routing_key: Arc<str>,
    /// The arguments in wire form, sorted by name.
    arguments: Arc<[u8]>,
}

pub(super) struct Binding {
    pub(super) source: Arc<Exchange>,
    pub(super) destination: Destination,
    pub(super) arguments: FieldTable,
}

/// All bindings of a vhost, found from both ends.
#[derive(Default)]
pub struct Bindings {
    pub(super) by_source: HashMap<u64, HashMap<BindingKey, Binding>>,
    pub(super) by_destination: HashMap<u64, HashSet<(u64, BindingKey)>>,
}

impl Binding {
    /// As it is written.
    fn written<'a>(&'a self, vhost: &'a str, key: &'a BindingKey) -> definitions::Binding<'a> {
        let (to_queue, destination, durable) = match &self.destination {
            Target::Queue(queue) => (true, &queue.spec.name, queue.spec.durable),
            Target::Exchange(exchange) => (false, &exchange.name, exchange.durable),
        };
        definitions::Binding {
            vhost,
            source: &self.source.name,
            to_queue,
            destination,
            routing_key: &key.routing_key,
            arguments: &self.arguments,
            durable: durable && self.source.durable,
        }
    }
}

impl Bindings {
    /// Every binding, as it is written.
    pub(in crate::broker) fn each_written<'a>(
        &'a self,
        vhost: &'a str,
    ) -> impl Iterator<Item = definitions::Binding<'a>> {
        self.by_source
            .values()
            .flatten()
            .map(move |(key, binding)| binding.written(vhost, key))
    }

    fn add(&mut self, key: BindingKey, binding: Binding) -> bool {
        let bindings = self.by_source.entry(binding.source.id).or_default();
        if bindings.contains_key(&key) {
            return false;
        }
        binding.source.bind(
            key.routing_key.as_bytes(),
            &binding.arguments,
            binding.destination.clone(),
        );
        self.by_destination
            .entry(key.destination)
            .or_default()
            .insert((binding.source.id, key.clone()));
        bindings.insert(key, binding);
        true
    }

    /// Removes one binding; returns its source if that was the source's last.
    pub(super) fn remove(
        &mut self,
        source: u64,
        key: &BindingKey,
        vhost: &str,
        change: &mut Change<'_>,
    ) -> Option<Arc<Exchange>> {
        let bindings = self.by_source.get_mut(&source)?;
        let binding = bindings.remove(key)?;
        change.no_binding(&binding.written(vhost, key));
        let last = bindings.is_empty();
        if last {
            self.by_source.remove(&source);
        }
        if let Some(others) = self.by_destination.get_mut(&key.destination) {
            others.remove(&(source, key.clone()));
            if others.is_empty() {
                self.by_destination.remove(&key.destination);
            }
        }
        binding.source.unbind(
            key.routing_key.as_bytes(),
            &binding.arguments,
            &binding.destination,
        );
        last.then_some(binding.source)
    }

    pub(super) fn has_source(&self, source: &Exchange) -> bool {
        self.by_source.contains_key(&source.id)
    }
}

/// One end of queue.bind or exchange.bind.
pub enum BindTo<'a> {
    /// A queue.
    Queue(Cow<'a, str>),
    /// An exchange.
    Exchange(Cow<'a, str>),
}

impl Vhost {
    /// Removes every binding to a destination; returns the auto-delete exchanges that lost their last binding by it.
    pub(super) fn unbind_destination(
        &self,
        bindings: &mut Bindings,
        destination: u64,
        change: &mut Change<'_>,
    ) -> Vec<Arc<Exchange>> {
        let mut abandoned = Vec::new();
        for (source, key) in bindings
            .by_destination
            .remove(&destination)
            .unwrap_or_default()
        {
            abandoned.extend(
                bindings
                    .remove(source, &key, &self.name, change)
                    .filter(|exchange| exchange.auto_delete),
            );
        }
        abandoned
    }

    /// queue.bind and exchange.bind.
    #[expect(clippy::too_many_arguments, reason = "a binding has as many parts")]
    pub fn bind(
        &self,
        broker: &Broker,
        access: &mut Access,
        connection: u64,
        source: &str,
        destination: &BindTo<'_>,
        routing_key: &str,
        arguments: FieldTable,
    ) -> Result<(), Reply> {
        let (source, destination) = self.binding_ends(access, source, destination, routing_key)?;
        let mut bindings = self.bindings.lock();
        self.check_stays()?;
        let source = self.existing_exchange(&source)?;
        let destination = self.destination(&destination, connection)?;
        source
            .routing
            .check_binding(routing_key.as_bytes(), &arguments)?;
        let target = destination.clone();
        let new = self.link_binding(
            &mut bindings,
            Arc::clone(&source),
            destination,
            routing_key,
            arguments,
            &access.user.name,
        );
        let version = source.version();
        drop(bindings);
        if let Some(history) = source.history().filter(|_| new) {
            self.recall(broker, history, version, &target);
        }
        Ok(())
    }

    /// Adds a binding that was found on disk.
    pub(in crate::broker) fn restore_binding(
        &self,
        bindings: &mut Bindings,
        source: Arc<Exchange>,
        destination: Destination,
        routing_key: &str,
        arguments: FieldTable,
    ) {
        let key = binding_key(&destination, routing_key, &arguments);
        bindings.add(
            key,
            Binding {
                source,
                destination,
                arguments,
            },
        );
    }

    /// A new binding's target gets what its source remembers.
    fn recall(&self, broker: &Broker, history: &History, version: u64, target: &Destination) {
        let now = broker.now();
        for message in history.before(version) {
            let mut queues = Vec::new();
            match target {
                Target::Queue(queue) => queues.push(Arc::clone(queue)),
                Target::Exchange(exchange) => {
                    let properties = Properties::new(message.properties());
                    let extra = extra_keys(properties).unwrap_or_default();
                    let mut keys = extra.after(message.routing_key());
                    keys.extend(message.hidden_keys());
                    if let Some(vhost) = broker.vhost(&self.name) {
                        Walk::new(vhost).route(exchange, &keys, properties, &mut queues);
                    }
                }
            }
            for queue in queues {
                let mut effects = Effects::default();
                // Nobody waits for a confirm of these.
                let queue = home(&queue, &message);
                publish_one(broker, &queue, message.clone(), now, &mut effects);
                broker.perform(&queue, effects);
            }
        }
    }

    /// Adds a binding, unless it is there, and writes it down, for the user `by`. Whether it is new.
    pub(super) fn link_binding(
        &self,
        bindings: &mut Bindings,
        source: Arc<Exchange>,
        destination: Destination,
        routing_key: &str,
        arguments: FieldTable,
        by: &str,
    ) -> bool {
        let key = binding_key(&destination, routing_key, &arguments);
        let binding = Binding {
            source,
            destination,
            arguments,
        };
        let mut change = self.definitions.change();
        change.binding(&binding.written(&self.name, &key));
        let new = bindings.add(key, binding);
        if new {
            change.by(by);
            change.commit();
        }
        new
    }

    /// queue.unbind and exchange.unbind. What is missing is a success.
    pub fn unbind(
        &self,
        access: &mut Access,
        source: &str,
        destination: &BindTo<'_>,
        routing_key: &str,
        arguments: &FieldTable,
    ) -> Result<(), Reply> {
        let (source, destination) = self.binding_ends(access, source, destination, routing_key)?;
        let mut bindings = self.bindings.lock();
        let Some(source) = self.exchange(&source) else {
            return Ok(());
        };
        // Anybody may unbind an exclusive queue, as in RabbitMQ.
        let destination = match &destination {
            BindTo::Queue(name) => self.queue(name).map(Target::Queue),
            BindTo::Exchange(name) => self.exchange(name).map(Target::Exchange),
        };
        let Some(destination) = destination else {
            return Ok(());
        };
        let key = binding_key(&destination, routing_key, arguments);
        let mut change = self.definitions.change();
        if let Some(abandoned) = bindings
            .remove(source.id, &key, &self.name, &mut change)
            .filter(|exchange| exchange.auto_delete)
        {
            self.unlink_exchange(&mut bindings, &abandoned, &mut change);
        }
        change.by(&access.user.name);
        change.commit();
        Ok(())
    }

    /// Names of both ends, cleaned, once the user may bind them.
    fn binding_ends(
        &self,
        access: &mut Access,
        source: &str,
        destination: &BindTo<'_>,
        routing_key: &str,
    ) -> Result<(String, BindTo<'static>), Reply> {
        let source = clean_name(source).into_owned();
        let destination = match destination {
            BindTo::Queue(name) => {
                let name = clean_name(name).into_owned();
                access.queue(Verb::Write, &name)?;
                BindTo::Queue(name.into())
            }
            BindTo::Exchange(name) => {
                let name = clean_name(name).into_owned();
                if name.is_empty() {
                    return Err(Reply::default_exchange());
                }
                access.exchange(Verb::Write, &name)?;
                BindTo::Exchange(name.into())
            }
        };
        if source.is_empty() {
            return Err(Reply::default_exchange());
        }
        access.exchange(Verb::Read, &source)?;
        if self
            .exchange(&source)
            .is_some_and(|exchange| exchange.kind.kind == Kind::Topic)
        {
            access.topic(Verb::Read, &source, routing_key.as_bytes())?;
        }
        Ok((source, destination))
    }

    fn destination(&self, destination: &BindTo<'_>, connection: u64) -> Result<Destination, Reply> {
        Ok(match destination {
            BindTo::Queue(name) => Target::Queue(self.usable_queue(name, connection)?),
            BindTo::Exchange(name) => Target::Exchange(self.existing_exchange(name)?),
        })
    }
}

fn binding_key(destination: &Destination, routing_key: &str, arguments: &FieldTable) -> BindingKey {
    let destination = match destination {
        Target::Queue(queue) => queue.spec.id,
        Target::Exchange(exchange) => exchange.id,
    };
    BindingKey {
        destination,
        routing_key: routing_key.into(),
        arguments: table::from_field_table(arguments).into(),
    }
}
