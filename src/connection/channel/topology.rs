//! The methods of the classes exchange and queue: arguments in, the vhost's verbs, their -ok out.

use amq_protocol::protocol::{AMQPClass, exchange, queue};

use super::Channel;
use crate::auth::Verb;
use crate::broker::topology::{BindTo, DeclareExchange, DeclareQueue, clean_name};
use crate::connection::context::Context;
use crate::connection::output::Output;
use crate::queue::arguments::QueueKind;
use crate::wire::reply::Reply;

/// What was defined is on disk before its -ok is sent; what comes behind it keeps its order.
fn after_definitions(cx: &Context, out: &mut Output) {
    out.gate(cx.broker.definitions().receipt(), cx.broker.journal());
}

impl Channel {
    fn exchange_ok(
        &self,
        cx: &Context,
        out: &mut Output,
        nowait: bool,
        ok: exchange::AMQPMethod,
    ) -> Result<(), Reply> {
        if !nowait {
            after_definitions(cx, out);
            self.send(out, &AMQPClass::Exchange(ok));
        }
        Ok(())
    }

    fn queue_ok(
        &self,
        cx: &Context,
        out: &mut Output,
        nowait: bool,
        ok: queue::AMQPMethod,
    ) -> Result<(), Reply> {
        if !nowait {
            after_definitions(cx, out);
            self.send(out, &AMQPClass::Queue(ok));
        }
        Ok(())
    }

    pub(super) fn exchange_declare(
        &mut self,
        cx: &mut Context,
        out: &mut Output,
        declare: exchange::Declare,
    ) -> Result<(), Reply> {
        let name = declare.exchange.as_str();
        if declare.passive {
            if name.is_empty() {
                return Err(Reply::default_exchange());
            }
            cx.vhost.existing_exchange(&clean_name(name))?;
        } else {
            let spec = DeclareExchange {
                name,
                kind: declare.kind.as_str(),
                durable: declare.durable,
                auto_delete: declare.auto_delete,
                internal: declare.internal,
                arguments: declare.arguments,
            };
            cx.vhost
                .declare_exchange(&cx.broker, &mut cx.access, spec)?;
        }
        self.exchange_ok(
            cx,
            out,
            declare.nowait,
            exchange::AMQPMethod::DeclareOk(exchange::DeclareOk {}),
        )
    }

    pub(super) fn exchange_delete(
        &mut self,
        cx: &mut Context,
        out: &mut Output,
        delete: &exchange::Delete,
    ) -> Result<(), Reply> {
        cx.vhost
            .delete_exchange(&mut cx.access, delete.exchange.as_str(), delete.if_unused)?;
        self.exchange_ok(
            cx,
            out,
            delete.nowait,
            exchange::AMQPMethod::DeleteOk(exchange::DeleteOk {}),
        )
    }

    pub(super) fn exchange_bind(
        &mut self,
        cx: &mut Context,
        out: &mut Output,
        bind: exchange::Bind,
    ) -> Result<(), Reply> {
        let to = BindTo::Exchange(bind.destination.as_str().into());
        let key = bind.routing_key.as_str();
        cx.vhost.bind(
            &cx.broker,
            &mut cx.access,
            cx.id,
            bind.source.as_str(),
            &to,
            key,
            bind.arguments,
        )?;
        self.exchange_ok(
            cx,
            out,
            bind.nowait,
            exchange::AMQPMethod::BindOk(exchange::BindOk {}),
        )
    }

    pub(super) fn exchange_unbind(
        &mut self,
        cx: &mut Context,
        out: &mut Output,
        unbind: &exchange::Unbind,
    ) -> Result<(), Reply> {
        let to = BindTo::Exchange(unbind.destination.as_str().into());
        let key = unbind.routing_key.as_str();
        cx.vhost.unbind(
            &mut cx.access,
            unbind.source.as_str(),
            &to,
            key,
            &unbind.arguments,
        )?;
        self.exchange_ok(
            cx,
            out,
            unbind.nowait,
            exchange::AMQPMethod::UnbindOk(exchange::UnbindOk {}),
        )
    }

    /// The queue that a method names: an empty name is the one declared last on this channel.
    pub(super) fn queue_name(&self, name: &str) -> Result<String, Reply> {
        if name.is_empty() {
            return self
                .last_queue
                .as_ref()
                .map(|last| last.to_string())
                .ok_or_else(Reply::no_previous_queue);
        }
        Ok(clean_name(name).into_owned())
    }

    pub(super) fn queue_declare(
        &mut self,
        cx: &mut Context,
        out: &mut Output,
        declare: queue::Declare,
    ) -> Result<(), Reply> {
        let name = declare.queue.as_str();
        let declared = if declare.passive {
            cx.vhost.find_queue(&cx.broker, name, cx.id)?
        } else {
            let spec = DeclareQueue {
                name,
                durable: declare.durable,
                exclusive: declare.exclusive,
                auto_delete: declare.auto_delete,
                arguments: declare.arguments,
                connection: cx.id,
            };
            cx.vhost.declare_queue(&cx.broker, &mut cx.access, spec)?
        };
        if let Some(queue) = declared
            .queue
            .filter(|queue| queue.spec.owner == Some(cx.id))
        {
            cx.own(queue);
        }
        let ok = queue::DeclareOk {
            queue: declared.name.as_ref().into(),
            message_count: u32::try_from(declared.messages).unwrap_or(u32::MAX),
            consumer_count: u32::try_from(declared.consumers).unwrap_or(u32::MAX),
        };
        self.last_queue = Some(declared.name);
        self.queue_ok(cx, out, declare.nowait, queue::AMQPMethod::DeclareOk(ok))
    }

    /// queue.bind: with queue and routing key both empty, the key is the queue's name, too.
    fn binding(&self, queue: &str, routing_key: &str) -> Result<(String, String), Reply> {
        let name = self.queue_name(queue)?;
        let key = if queue.is_empty() && routing_key.is_empty() {
            name.clone()
        } else {
            routing_key.to_owned()
        };
        Ok((name, key))
    }

    pub(super) fn queue_bind(
        &mut self,
        cx: &mut Context,
        out: &mut Output,
        bind: queue::Bind,
    ) -> Result<(), Reply> {
        let (name, key) = self.binding(bind.queue.as_str(), bind.routing_key.as_str())?;
        let to = BindTo::Queue(name.into());
        cx.vhost.bind(
            &cx.broker,
            &mut cx.access,
            cx.id,
            bind.exchange.as_str(),
            &to,
            &key,
            bind.arguments,
        )?;
        self.queue_ok(
            cx,
            out,
            bind.nowait,
            queue::AMQPMethod::BindOk(queue::BindOk {}),
        )
    }

    pub(super) fn queue_unbind(
        &mut self,
        cx: &mut Context,
        out: &mut Output,
        unbind: &queue::Unbind,
    ) -> Result<(), Reply> {
        let (name, key) = self.binding(unbind.queue.as_str(), unbind.routing_key.as_str())?;
        let to = BindTo::Queue(name.into());
        cx.vhost.unbind(
            &mut cx.access,
            unbind.exchange.as_str(),
            &to,
            &key,
            &unbind.arguments,
        )?;
        self.queue_ok(
            cx,
            out,
            false,
            queue::AMQPMethod::UnbindOk(queue::UnbindOk {}),
        )
    }

    pub(super) fn queue_purge(
        &mut self,
        cx: &mut Context,
        out: &mut Output,
        purge: &queue::Purge,
    ) -> Result<(), Reply> {
        let name = self.queue_name(purge.queue.as_str())?;
        cx.access.queue(Verb::Read, &name)?;
        let queue = cx.vhost.usable_queue(&name, cx.id)?;
        if queue.kind == QueueKind::Stream {
            return Err(Reply::not_for_streams("queue.purge", &queue.resource()));
        }
        let (count, effects) = queue.purge(cx.now);
        cx.broker.perform(&queue, effects);
        let message_count = u32::try_from(count).unwrap_or(u32::MAX);
        self.queue_ok(
            cx,
            out,
            purge.nowait,
            queue::AMQPMethod::PurgeOk(queue::PurgeOk { message_count }),
        )
    }

    pub(super) fn queue_delete(
        &mut self,
        cx: &mut Context,
        out: &mut Output,
        delete: &queue::Delete,
    ) -> Result<(), Reply> {
        let name = self.queue_name(delete.queue.as_str())?;
        let count = cx.vhost.delete_queue(
            &cx.broker,
            &mut cx.access,
            &name,
            cx.id,
            delete.if_unused,
            delete.if_empty,
        )?;

        let message_count = u32::try_from(count).unwrap_or(u32::MAX);
        self.queue_ok(
            cx,
            out,
            delete.nowait,
            queue::AMQPMethod::DeleteOk(queue::DeleteOk { message_count }),
        )
    }
}
