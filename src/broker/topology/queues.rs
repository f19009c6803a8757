//! queue.declare and queue.delete, the end of queues that nobody uses, and the addresses of direct reply-to that look like queues.

use std::sync::Arc;

use amq_protocol::types::{AMQPValue, FieldTable, LongString, ShortString};

use super::bindings::Bindings;
use super::{clean_name, generated_name};
use crate::auth::Verb;
use crate::broker::Broker;
use crate::broker::access::Access;
use crate::broker::events::INTERNAL_USER;
use crate::broker::parts;
use crate::broker::reply_to::ReplyAddresses;
use crate::broker::vhost::Vhost;
use crate::queue::arguments::QueueKind;
use crate::queue::{Effects, Queue, QueueSpec, Refused, Rules, arguments};
use crate::wire::reply::{Reply, queue_resource};

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

impl Vhost {
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
        mut declare: DeclareQueue<'_>,
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
        // Only a passive declare finds a queue of such a name, even one that the broker named.
        if !server_named && name.starts_with("amq.") {
            return Err(Reply::reserved_name("queue", &name));
        }
        let resource = queue_resource(&name, &self.name);
        access.queue(Verb::Configure, &name)?;
        self.add_default_type(&mut declare);
        let _change = self.bindings.lock();
        self.check_stays()?;
        if let Some(queue) = self.queue(&name) {
            if let Err(reply) = self.check_redeclare(&queue, &declare, &resource) {
                let is_relaxed = reply.code == 406
                    && (broker.settings.relaxed_redeclare
                        || queue.lock().rules().relaxed_redeclare);
                if !is_relaxed {
                    return Err(reply);
                }
                tracing::warn!("redeclare accepted, and without effect: {}", reply.text);
            }
            return Ok(used(broker, queue));
        }
        if let Some(exchange) = arguments::dead_letter_exchange(&resource, &declare.arguments)? {
            access.queue(Verb::Read, &name)?;
            access.exchange(Verb::Write, &exchange)?;
        }
        let parsed = arguments::parse(
            &resource,
            &declare.arguments,
            declare.durable,
            declare.exclusive,
            declare.auto_delete,
            server_named,
        )?;
        if let Some(most) = self.limits.queues_most()
            && self.queue_count() as u64 >= most
        {
            return Err(Reply::vhost_queue_limit(&name, &self.name, most));
        }
        if let Some(most) = broker.settings.queues_max
            && broker.queue_count() >= most
        {
            return Err(Reply::cluster_queue_limit(&name, most as u64));
        }
        let spec = QueueSpec {
            name: name.as_str().into(),
            vhost: Arc::clone(&self.name),
            id: broker.next_id(),
            durable: declare.durable && !declare.exclusive,
            owner: declare.exclusive.then_some(declare.connection),
            auto_delete: declare.auto_delete,
            arguments: arguments::stored(&declare.arguments, parsed.kind),
        };
        let rules = Rules::of(&parsed);
        if parsed.at_least_once && !rules.at_least_once {
            tracing::warn!(
                "{resource} asks for dead letters at least once, but has no dead-letter exchange or does not reject publishes: at most once"
            );
        }
        let queue = self.create_queue(broker, spec, rules, &access.user.name);
        Ok(used(broker, queue))
    }

    /// A queue that is not there yet, with the rules that its arguments alone make, for the user `by`. The caller holds the topology.
    pub(super) fn create_queue(
        &self,
        broker: &Broker,
        spec: QueueSpec,
        plain: Rules,
        by: &str,
    ) -> Arc<Queue> {
        let (rules, applied) = self.rules_for(&spec, plain);
        let queue = Queue::new(
            spec,
            rules,
            Arc::clone(&broker.journal),
            broker.settings.sync.into(),
            broker.now(),
        );
        queue.note_applied(applied);
        broker.timers.watch(&queue);
        // Before anybody can publish to it.
        let mut change = self.definitions.change();
        change.queue(&queue);
        parts::attach(broker, &queue, &mut change);
        change.by(by);
        change.commit();
        self.queues
            .insert(Arc::clone(&queue.spec.name), Arc::clone(&queue));
        queue
    }

    /// A durable queue that others may use gets the vhost's default type where it does not name one.
    fn add_default_type(&self, declare: &mut DeclareQueue<'_>) {
        if !declare.durable || declare.exclusive || declare.auto_delete {
            return;
        }
        let metadata = self.metadata();
        let Some(kind) = metadata.default_queue_type.as_deref() else {
            return;
        };
        let named = declare.arguments.inner().get(arguments::QUEUE_TYPE);
        let is_open = match named {
            None => true,
            Some(AMQPValue::LongString(name)) => name.as_bytes() == b"undefined",
            Some(_) => false,
        };
        if is_open && !declare.name.is_empty() {
            let kind = AMQPValue::LongString(LongString::from(kind));
            let name = ShortString::from(arguments::QUEUE_TYPE);
            declare.arguments.insert(name, kind);
        }
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
        if queue.kind == QueueKind::Quorum {
            for (flag, name) in [(if_unused, "unused"), (if_empty, "empty")] {
                if flag {
                    return Err(Reply::conditional_delete(&queue.resource(), name));
                }
            }
        }
        // A stream goes whatever is in it and whoever reads it, and nobody is told how much that was, as in RabbitMQ.
        let is_stream = queue.kind == QueueKind::Stream;
        let (if_unused, if_empty) = (if_unused && !is_stream, if_empty && !is_stream);
        match self.remove_queue(broker, &queue, if_unused, if_empty, &access.user.name) {
            Ok(_) if is_stream => Ok(0),
            Ok(ready) => Ok(ready),
            Err(Refused::Gone) => Ok(0),
            Err(Refused::InUse) => Err(Reply::queue_in_use(&name, &self.name)),
            Err(Refused::NotEmpty) => Err(Reply::not_empty(&name, &self.name)),
        }
    }

    /// Deletes a queue that the caller holds, whatever its name stands for by now, for the user `by`.
    pub fn remove_queue(
        &self,
        broker: &Broker,
        queue: &Arc<Queue>,
        if_unused: bool,
        if_empty: bool,
        by: &str,
    ) -> Result<usize, Refused> {
        let mut bindings = self.bindings.lock();
        let mut effects = Effects::default();
        let ready = queue.lock().delete(if_unused, if_empty, &mut effects)?;
        self.unlink_queue(&mut bindings, queue, by);
        drop(bindings);
        broker.perform(queue, effects);
        Ok(ready)
    }

    /// Deletes an auto-delete or expiring queue if it still has nobody.
    pub(in crate::broker) fn remove_abandoned(&self, broker: &Broker, queue: &Arc<Queue>) {
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
        self.unlink_queue(&mut bindings, queue, INTERNAL_USER);
        drop(bindings);
        broker.perform(queue, effects);
    }

    fn unlink_queue(&self, bindings: &mut Bindings, queue: &Arc<Queue>, by: &str) {
        let mut change = self.definitions.change();
        change.no_queue(queue);
        parts::delete(queue, &mut change);
        self.queues.remove(&queue.spec.name, queue);
        for exchange in self.unbind_destination(bindings, queue.spec.id, &mut change) {
            self.unlink_exchange(bindings, &exchange, &mut change);
        }
        change.by(by);
        change.commit();
    }
}

/// A declare uses the queue, which puts off its `x-expires`.
fn used(broker: &Broker, queue: Arc<Queue>) -> Declared {
    let mut effects = Effects::default();
    let (messages, consumers) = {
        let mut locked = queue.lock();
        locked.touch(broker.now(), &mut effects);
        let (messages, consumers) = locked.counts();
        let messages = messages.max(queue.ready());
        // RabbitMQ counts no readers here.
        let is_stream = queue.kind == QueueKind::Stream;
        (messages, if is_stream { 0 } else { consumers })
    };
    broker.perform(&queue, effects);
    Declared {
        name: Arc::clone(&queue.spec.name),
        queue: Some(queue),
        messages,
        consumers,
    }
}
