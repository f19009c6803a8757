//! Declare, bind, delete, and their rules: what changes a vhost's topology, one change at a time.
//!
//! Every verb checks permission first, then existence, as RabbitMQ does, and answers with RabbitMQ's texts (BEHAVIOURS 2.3, 3, 4).
//! Holds the vhost's bindings lock for the whole change; queue locks are taken below it, never the other way round.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use amq_protocol::types::FieldTable;

use super::access::Access;
use super::exchange::{Destination, Exchange, ExchangeSpec};
use super::reply_to::ReplyAddresses;
use super::vhost::Vhost;
use super::{Broker, random};
use crate::auth::Verb;
use crate::exchange::{Kind, Target, alternate, find};
use crate::queue::{Effects, Queue, QueueSpec, Refused, Rules, arguments};
use crate::wire::reply::{Reply, exchange_resource, queue_resource};
use crate::wire::table;

/// What makes two bindings of one exchange the same.
#[derive(Clone, PartialEq, Eq, Hash)]
struct BindingKey {
    /// Id of the queue or exchange; they share one counter.
    destination: u64,
    routing_key: Arc<str>,
    /// The arguments in wire form, sorted by name.
    arguments: Arc<[u8]>,
}

struct Binding {
    source: Arc<Exchange>,
    destination: Destination,
    arguments: FieldTable,
}

/// All bindings of a vhost, found from both ends.
#[derive(Default)]
pub struct Bindings {
    by_source: HashMap<u64, HashMap<BindingKey, Binding>>,
    by_destination: HashMap<u64, HashSet<(u64, BindingKey)>>,
}

impl Bindings {
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
    fn remove(&mut self, source: u64, key: &BindingKey) -> Option<Arc<Exchange>> {
        let bindings = self.by_source.get_mut(&source)?;
        let binding = bindings.remove(key)?;
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

    fn has_source(&self, source: &Exchange) -> bool {
        self.by_source.contains_key(&source.id)
    }
}

/// What exchange.declare asks for, as it came.
pub struct DeclareExchange<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its kind's name.
    pub kind: &'a str,
    /// Flags as declared.
    pub durable: bool,
    /// Flags as declared.
    pub auto_delete: bool,
    /// Flags as declared.
    pub internal: bool,
    /// The arguments.
    pub arguments: FieldTable,
}

/// What queue.declare asks for, as it came.
pub struct DeclareQueue<'a> {
    /// Its name; empty for one that the broker makes.
    pub name: &'a str,
    /// Flags as declared.
    pub durable: bool,
    /// Flags as declared.
    pub exclusive: bool,
    /// Flags as declared.
    pub auto_delete: bool,
    /// The arguments.
    pub arguments: FieldTable,
    /// The connection that declares.
    pub connection: u64,
}

/// What queue.declare-ok says.
pub struct Declared {
    /// Its name.
    pub name: Arc<str>,
    /// The queue, unless it is an address of direct reply-to.
    pub queue: Option<Arc<Queue>>,
    /// Ready messages.
    pub messages: usize,
    /// Consumers.
    pub consumers: usize,
}

/// One end of queue.bind or exchange.bind.
pub enum BindTo<'a> {
    /// A queue.
    Queue(Cow<'a, str>),
    /// An exchange.
    Exchange(Cow<'a, str>),
}

/// RabbitMQ strips CR and LF from names in declare, bind and delete.
pub fn clean_name(name: &str) -> Cow<'_, str> {
    if name.contains(['\r', '\n']) {
        name.replace(['\r', '\n'], "").into()
    } else {
        name.into()
    }
}

/// A name that the broker makes: `prefix` and 22 characters that nobody guesses.
pub fn generated_name(prefix: &str) -> String {
    use base64::Engine;
    let mut bytes = [0u8; 16];
    random(&mut bytes);
    format!(
        "{prefix}{}",
        base64::prelude::BASE64_URL_SAFE_NO_PAD.encode(bytes)
    )
}

impl Vhost {
    fn no_exchange(&self, name: &str) -> Reply {
        Reply::not_found_exchange(name, &self.name)
    }

    fn no_queue(&self, name: &str) -> Reply {
        Reply::not_found_queue(name, &self.name)
    }

    /// The queue of that name, if this connection may use it: 404, or 405 for another connection's exclusive queue.
    pub fn usable_queue(&self, name: &str, connection: u64) -> Result<Arc<Queue>, Reply> {
        let queue = self.queue(name).ok_or_else(|| self.no_queue(name))?;
        self.check_owner(&queue, connection)?;
        Ok(queue)
    }

    fn check_owner(&self, queue: &Queue, connection: u64) -> Result<(), Reply> {
        match queue.spec.owner {
            Some(owner) if owner != connection => {
                Err(Reply::resource_locked(&queue.spec.name, &self.name))
            }
            _ => Ok(()),
        }
    }

    /// The exchange of that name, or 404.
    pub fn existing_exchange(&self, name: &str) -> Result<Arc<Exchange>, Reply> {
        self.exchange(name).ok_or_else(|| self.no_exchange(name))
    }

    /// Links the exchanges that every vhost has.
    pub(super) fn predeclare(&self, broker: &Broker) {
        let exchanges = [
            ("", Kind::Direct, false),
            ("amq.direct", Kind::Direct, false),
            ("amq.fanout", Kind::Fanout, false),
            ("amq.topic", Kind::Topic, false),
            ("amq.headers", Kind::Headers, false),
            ("amq.match", Kind::Headers, false),
            ("amq.rabbitmq.trace", Kind::Topic, true),
        ];
        for (name, kind, internal) in exchanges {
            if name.is_empty() {
                self.exchanges
                    .insert(Arc::clone(&self.default.name), Arc::clone(&self.default));
                continue;
            }
            let spec = ExchangeSpec {
                name: name.into(),
                kind: kind.info(),
                durable: true,
                auto_delete: false,
                internal,
                arguments: FieldTable::default(),
                alternate: None,
            };
            self.exchanges
                .insert(name.into(), Exchange::new(broker.next_id(), spec));
        }
    }

    /// exchange.declare, not passive.
    pub fn declare_exchange(
        &self,
        broker: &Broker,
        access: &mut Access,
        declare: DeclareExchange<'_>,
    ) -> Result<(), Reply> {
        let kind = find(declare.kind)?;
        if declare.name.is_empty() {
            return Err(Reply::default_exchange());
        }
        let name = clean_name(declare.name);
        access.exchange(Verb::Configure, &name)?;
        let _change = self.bindings.lock();
        let resource = exchange_resource(&name, &self.name);
        if let Some(existing) = self.exchange(&name) {
            return check_equivalent(&existing, &declare, &resource);
        }
        if name.starts_with("amq.") {
            return Err(Reply::reserved_name("exchange", &name));
        }
        let alternate = alternate(&declare.arguments, &resource)?;
        if let Some(alternate) = &alternate {
            access.exchange(Verb::Read, &name)?;
            access.exchange(Verb::Write, alternate)?;
        }
        kind.check_declare(&declare.arguments)?;
        if let Some(most) = broker.settings.exchanges_max
            && broker.exchange_count() >= most
        {
            return Err(Reply::exchange_limit(&name, &self.name, most as u64));
        }
        let spec = ExchangeSpec {
            name: name.as_ref().into(),
            kind,
            durable: declare.durable,
            auto_delete: declare.auto_delete,
            internal: declare.internal,
            alternate,
            arguments: declare.arguments,
        };
        if spec.alternate.is_some() {
            self.alternates.fetch_add(1, Ordering::AcqRel);
        }
        self.exchanges.insert(
            Arc::clone(&spec.name),
            Exchange::new(broker.next_id(), spec),
        );
        self.invalidate_alternates(&name);
        Ok(())
    }

    /// Exchanges whose alternate has come or gone: their cached routes are void.
    fn invalidate_alternates(&self, name: &str) {
        if self.alternates.load(Ordering::Acquire) == 0 {
            return;
        }
        for exchange in self.exchanges.all() {
            if exchange.alternate.as_deref() == Some(name) {
                exchange.invalidate();
            }
        }
    }

    /// exchange.delete. A missing exchange is a success.
    pub fn delete_exchange(
        &self,
        access: &mut Access,
        name: &str,
        if_unused: bool,
    ) -> Result<(), Reply> {
        let name = clean_name(name);
        if name.is_empty() {
            return Err(Reply::default_exchange());
        }
        if name.starts_with("amq.") {
            return Err(Reply::system_exchange(&name, &self.name));
        }
        access.exchange(Verb::Configure, &name)?;
        let mut bindings = self.bindings.lock();
        let Some(exchange) = self.exchange(&name) else {
            return Ok(());
        };
        if if_unused && bindings.has_source(&exchange) {
            return Err(Reply::exchange_in_use(&name, &self.name));
        }
        self.unlink_exchange(&mut bindings, &exchange);
        Ok(())
    }

    fn unlink_exchange(&self, bindings: &mut Bindings, exchange: &Arc<Exchange>) {
        let mut unlink = vec![Arc::clone(exchange)];
        while let Some(exchange) = unlink.pop() {
            if !self.exchanges.remove(&exchange.name, &exchange) {
                continue;
            }
            exchange.die();
            if exchange.alternate.is_some() {
                self.alternates.fetch_sub(1, Ordering::AcqRel);
            }
            self.invalidate_alternates(&exchange.name);
            let keys: Vec<BindingKey> = bindings
                .by_source
                .get(&exchange.id)
                .map(|own| own.keys().cloned().collect())
                .unwrap_or_default();
            for key in keys {
                bindings.remove(exchange.id, &key);
            }
            unlink.extend(self.unbind_destination(bindings, exchange.id));
        }
    }

    /// Removes every binding to a destination; returns the auto-delete exchanges that lost their last binding by it.
    fn unbind_destination(&self, bindings: &mut Bindings, destination: u64) -> Vec<Arc<Exchange>> {
        let mut abandoned = Vec::new();
        for (source, key) in bindings
            .by_destination
            .remove(&destination)
            .unwrap_or_default()
        {
            abandoned.extend(
                bindings
                    .remove(source, &key)
                    .filter(|exchange| exchange.auto_delete),
            );
        }
        abandoned
    }

    /// queue.bind and exchange.bind.
    pub fn bind(
        &self,
        access: &mut Access,
        connection: u64,
        source: &str,
        destination: &BindTo<'_>,
        routing_key: &str,
        arguments: FieldTable,
    ) -> Result<(), Reply> {
        let (source, destination) = self.binding_ends(access, source, destination, routing_key)?;
        let mut bindings = self.bindings.lock();
        let source = self.existing_exchange(&source)?;
        let destination = self.destination(&destination, connection)?;
        source
            .kind
            .check_binding(routing_key.as_bytes(), &arguments)?;
        let key = binding_key(&destination, routing_key, &arguments);
        bindings.add(
            key,
            Binding {
                source,
                destination,
                arguments,
            },
        );
        Ok(())
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
        if let Some(abandoned) = bindings
            .remove(source.id, &key)
            .filter(|exchange| exchange.auto_delete)
        {
            self.unlink_exchange(&mut bindings, &abandoned);
        }
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

    /// queue.declare, passive.
    pub fn find_queue(
        &self,
        broker: &Broker,
        name: &str,
        connection: u64,
    ) -> Result<Declared, Reply> {
        let name = clean_name(name);
        if *name == *ReplyAddresses::QUEUE {
            return Ok(Declared {
                name: name.as_ref().into(),
                queue: None,
                messages: 0,
                consumers: 1,
            });
        }
        if Self::is_reply_address(name.as_bytes()) {
            return self.declare_reply_address(broker, &name);
        }
        let queue = self.usable_queue(&name, connection)?;
        Ok(used(broker, queue))
    }

    /// A declare of a reply address asks whether somebody listens there; the bare name always exists.
    fn declare_reply_address(&self, broker: &Broker, name: &str) -> Result<Declared, Reply> {
        if broker.reply_addresses.is_open(name.as_bytes()) {
            return Ok(Declared {
                name: name.into(),
                queue: None,
                messages: 0,
                consumers: 1,
            });
        }
        Err(self.no_queue(name))
    }

    /// queue.declare, not passive.
    pub fn declare_queue(
        &self,
        broker: &Broker,
        access: &mut Access,
        declare: DeclareQueue<'_>,
    ) -> Result<Declared, Reply> {
        let given = clean_name(declare.name);
        if *given == *ReplyAddresses::QUEUE {
            return Ok(Declared {
                name: given.as_ref().into(),
                queue: None,
                messages: 0,
                consumers: 1,
            });
        }
        if Self::is_reply_address(given.as_bytes()) {
            return self.declare_reply_address(broker, &given);
        }
        let server_named = given.is_empty();
        let name = if server_named {
            generated_name("amq.gen-")
        } else {
            given.into_owned()
        };
        let resource = queue_resource(&name, &self.name);
        access.queue(Verb::Configure, &name)?;
        let _change = self.bindings.lock();
        if let Some(queue) = self.queue(&name) {
            self.check_redeclare(&queue, &declare, &resource)?;
            return Ok(used(broker, queue));
        }
        if !server_named && name.starts_with("amq.") {
            return Err(Reply::reserved_name("queue", &name));
        }
        if let Some(exchange) = arguments::dead_letter_exchange(&resource, &declare.arguments)? {
            access.queue(Verb::Read, &name)?;
            access.exchange(Verb::Write, &exchange)?;
        }
        if let Some(most) = broker.settings.queues_max
            && broker.queue_count() >= most
        {
            return Err(Reply::cluster_queue_limit(&name, most as u64));
        }
        let parsed = arguments::parse(
            &resource,
            &declare.arguments,
            declare.durable,
            declare.exclusive,
            declare.auto_delete,
            server_named,
        )?;
        let spec = QueueSpec {
            name: name.as_str().into(),
            vhost: Arc::clone(&self.name),
            id: broker.next_id(),
            durable: declare.durable && !declare.exclusive,
            owner: declare.exclusive.then_some(declare.connection),
            auto_delete: declare.auto_delete,
            arguments: arguments::stored(&declare.arguments, parsed.kind),
        };
        let queue = Queue::new(
            spec,
            Rules::of(&parsed),
            Arc::clone(&broker.journal),
            broker.now(),
        );
        self.queues
            .insert(Arc::clone(&queue.spec.name), Arc::clone(&queue));
        Ok(used(broker, queue))
    }

    fn check_redeclare(
        &self,
        queue: &Queue,
        declare: &DeclareQueue<'_>,
        resource: &str,
    ) -> Result<(), Reply> {
        if queue.spec.owner != declare.exclusive.then_some(declare.connection) {
            return Err(Reply::resource_locked(&queue.spec.name, &self.name));
        }
        let durable = declare.durable && !declare.exclusive;
        if queue.spec.durable != durable {
            return Err(Reply::inequivalent(
                "durable",
                resource,
                &durable.to_string(),
                &queue.spec.durable.to_string(),
            ));
        }
        if queue.spec.auto_delete != declare.auto_delete {
            let (received, current) = (
                declare.auto_delete.to_string(),
                queue.spec.auto_delete.to_string(),
            );
            return Err(Reply::inequivalent(
                "auto_delete",
                resource,
                &received,
                &current,
            ));
        }
        arguments::equivalent(&queue.spec.arguments, &declare.arguments, resource)
    }

    /// queue.delete; returns the ready messages that went with it. A missing queue is a success with none.
    pub fn delete_queue(
        &self,
        broker: &Broker,
        access: &mut Access,
        name: &str,
        connection: u64,
        if_unused: bool,
        if_empty: bool,
    ) -> Result<usize, Reply> {
        let name = clean_name(name);
        access.queue(Verb::Configure, &name)?;
        let Some(queue) = self.queue(&name) else {
            return Ok(0);
        };
        self.check_owner(&queue, connection)?;
        match self.remove_queue(broker, &queue, if_unused, if_empty) {
            Ok(ready) => Ok(ready),
            Err(Refused::Gone) => Ok(0),
            Err(Refused::InUse) => Err(Reply::queue_in_use(&name, &self.name)),
            Err(Refused::NotEmpty) => Err(Reply::not_empty(&name, &self.name)),
        }
    }

    /// Deletes a queue that the caller holds, whatever its name stands for by now.
    pub fn remove_queue(
        &self,
        broker: &Broker,
        queue: &Arc<Queue>,
        if_unused: bool,
        if_empty: bool,
    ) -> Result<usize, Refused> {
        let mut bindings = self.bindings.lock();
        let mut effects = Effects::default();
        let ready = queue.lock().delete(if_unused, if_empty, &mut effects)?;
        self.unlink_queue(&mut bindings, queue);
        drop(bindings);
        broker.perform(queue, effects);
        Ok(ready)
    }

    /// Deletes an auto-delete or expiring queue if it still has nobody.
    pub(super) fn remove_abandoned(&self, broker: &Broker, queue: &Arc<Queue>) {
        let mut bindings = self.bindings.lock();
        let mut effects = Effects::default();
        {
            let mut locked = queue.lock();
            if !locked.is_abandoned(broker.now())
                || locked.delete(false, false, &mut effects).is_err()
            {
                return;
            }
        }
        self.unlink_queue(&mut bindings, queue);
        drop(bindings);
        broker.perform(queue, effects);
    }

    fn unlink_queue(&self, bindings: &mut Bindings, queue: &Arc<Queue>) {
        self.queues.remove(&queue.spec.name, queue);
        for exchange in self.unbind_destination(bindings, queue.spec.id) {
            self.unlink_exchange(bindings, &exchange);
        }
    }
}

/// A declare uses the queue, which puts off its `x-expires`.
fn used(broker: &Broker, queue: Arc<Queue>) -> Declared {
    let mut effects = Effects::default();
    let (messages, consumers) = {
        let mut locked = queue.lock();
        locked.touch(broker.now(), &mut effects);
        locked.counts()
    };
    broker.perform(&queue, effects);
    Declared {
        name: Arc::clone(&queue.spec.name),
        queue: Some(queue),
        messages,
        consumers,
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

fn check_equivalent(
    existing: &Exchange,
    declare: &DeclareExchange<'_>,
    resource: &str,
) -> Result<(), Reply> {
    let flags = [
        ("durable", declare.durable, existing.durable),
        ("auto_delete", declare.auto_delete, existing.auto_delete),
        ("internal", declare.internal, existing.internal),
    ];
    if existing.kind.name != declare.kind {
        return Err(Reply::inequivalent(
            "type",
            resource,
            declare.kind,
            existing.kind.name,
        ));
    }
    for (field, received, current) in flags {
        if received != current {
            return Err(Reply::inequivalent(
                field,
                resource,
                &received.to_string(),
                &current.to_string(),
            ));
        }
    }
    let (current, received) = (existing.arguments.inner(), declare.arguments.inner());
    const ALTERNATE: &str = "alternate-exchange";
    arguments::compare(
        ALTERNATE,
        current.get(ALTERNATE),
        received.get(ALTERNATE),
        resource,
    )
}
