//! basic.qos, consume, cancel: who gets what, how much at a time.

use std::sync::Arc;

use amq_protocol::protocol::{AMQPClass, basic};

use super::Channel;
use crate::auth::Verb;
use crate::broker::events::Event;
use crate::broker::reply_to::ReplyAddresses;
use crate::broker::topology::generated_name;
use crate::connection::consumers::Consumer;
use crate::connection::context::Context;
use crate::connection::output::Output;
use crate::queue::arguments::QueueKind;
use crate::queue::mailbox::Delivery;
use crate::queue::{ChannelCredit, ConsumerSpec, Effects, Outcome, arguments};
use crate::store::Receipt;
use crate::wire::method::DeliverPrefix;
use crate::wire::reply::Reply;
use crate::wire::table;

impl Channel {
    /// basic.qos: per consumer for those started later; global for all consumers of the channel, at once.
    pub(super) fn qos(
        &mut self,
        cx: &mut Context,
        out: &mut Output,
        qos: &basic::Qos,
        prefetch_size: u32,
    ) -> Result<(), Reply> {
        if prefetch_size != 0 {
            return Err(Reply::prefetch_size(prefetch_size));
        }
        let limit = if qos.global {
            u32::from(qos.prefetch_count)
        } else {
            self.prefetch = u32::from(qos.prefetch_count);
            0
        };
        let limited = self
            .credit
            .as_ref()
            .is_some_and(|credit| credit.is_limited());
        if limit != 0 || limited {
            let mut newly = 0;
            if limit != 0 {
                for unacked in self.unacked.each_mut().filter(|unacked| {
                    !unacked.counted && unacked.consumer != 0 && !unacked.own_limit
                }) {
                    unacked.counted = true;
                    newly += 1;
                }
            }
            self.credit().set_limit(limit, newly);
            cx.freed.push(self.number);
        }
        self.send(
            out,
            &AMQPClass::Basic(basic::AMQPMethod::QosOk(basic::QosOk {})),
        );
        Ok(())
    }

    pub(super) fn consume(
        &mut self,
        cx: &mut Context,
        out: &mut Output,
        consume: &basic::Consume,
    ) -> Result<(), Reply> {
        let given = consume.consumer_tag.as_str();
        if consume.queue.as_str() == ReplyAddresses::QUEUE {
            return self.consume_replies(cx, out, consume);
        }
        let name = self.queue_name(consume.queue.as_str())?;
        if !given.is_empty() && self.has_consumer(cx, given) {
            return Err(Reply::consumer_tag_reused(given));
        }
        if let Some(most) = cx.settings.consumers_per_channel_max
            && self.consumers >= most
        {
            return Err(Reply::consumer_limit(u64::from(most)));
        }
        cx.access.queue(Verb::Read, &name)?;
        let queue = cx.vhost.usable_queue(&name, cx.id)?;
        // Quorum queues and streams do not know exclusive consumers, as in RabbitMQ.
        let exclusive = consume.exclusive && queue.kind == QueueKind::Classic;
        let is_stream = queue.kind == QueueKind::Stream;
        let limited = self.credit.as_ref().is_some_and(|one| one.is_limited());
        if queue.kind == QueueKind::Quorum && limited {
            return Err(Reply::no_global_qos(&queue.resource()));
        }
        let parsed = arguments::parse_consumer(&queue.resource(), &consume.arguments, queue.kind)?;
        if let Some(group) = &parsed.wanted.group {
            if group.name.is_none() && given.is_empty() {
                return Err(Reply::unnamed_group(&queue.resource()));
            }
            // What dies for the group goes there, as if the consumer had published it.
            let letters = group
                .terms
                .as_ref()
                .and_then(|terms| terms.dead_letter.as_ref());
            if let Some(to) = letters {
                cx.access.exchange(Verb::Write, &to.exchange)?;
            }
        }
        if is_stream && self.prefetch == 0 {
            return Err(Reply::no_prefetch(&queue.resource()));
        }
        if is_stream && consume.no_ack {
            return Err(Reply::no_ack_from_stream(&queue.resource()));
        }
        let tag: Arc<str> = if given.is_empty() {
            generated_name("amq.ctag-").into()
        } else {
            given.into()
        };
        let parts = queue.partitions();
        let own_limit = (!parts.is_empty()).then(|| {
            let credit = Arc::<ChannelCredit>::default();
            credit.set_limit(self.prefetch, 0);
            credit
        });
        let each = match parts {
            [] => std::slice::from_ref(&queue),
            parts => parts,
        };
        let mut gate = Receipt::NOTHING;
        for (at, part) in each.iter().enumerate() {
            let id = cx.consumers.next_id();
            let spec = ConsumerSpec {
                mailbox: Arc::clone(&cx.mailbox),
                id,
                no_ack: consume.no_ack,
                exclusive,
                priority: parsed.priority,
                prefetch: if own_limit.is_some() {
                    0
                } else {
                    self.prefetch
                },
                channel: match &own_limit {
                    Some(own) => Arc::clone(own),
                    None => Arc::clone(self.credit()),
                },
            };
            let added = {
                let mut locked = part.lock();
                if locked.is_gone() {
                    Err(Reply::not_found_queue(&name, &cx.vhost.name))
                } else if is_stream {
                    let added = locked.consume_stream(spec, &parsed.wanted, &tag, cx.now);
                    added.map_err(|why| Reply::precondition_failed(&why))
                } else {
                    let added = locked.consume(spec);
                    added
                        .map(|number| (number, locked.attended()))
                        .map_err(|_| Reply::exclusive_use(&name, &cx.vhost.name))
                }
                .map(|(number, attended)| (number, Arc::clone(locked.rules()), attended))
            };
            let (number, rules, attended) = match added {
                Ok(added) => added,
                Err(reply) => {
                    // Those of the partitions before it.
                    self.drop_consumer(cx, &tag);
                    return Err(reply);
                }
            };
            gate = gate.max(attended);
            let timeout_ms = parsed.timeout_ms.or(rules.consumer_timeout_ms);
            cx.consumers.add(Consumer {
                id,
                channel: self.number,
                prefix: DeliverPrefix::new(self.number, tag.as_bytes()),
                tag: Arc::clone(&tag),
                queue: cx.queues.acquire(part),
                number,
                no_ack: consume.no_ack,
                timeout_ms: timeout_ms.or(cx.settings.consumer_timeout_ms),
                own_timeout_ms: parsed.timeout_ms,
                prefetch: self.prefetch,
                partition: own_limit.is_some().then_some(at as u16),
                credit: own_limit.clone(),
                exclusive,
                arguments: (!consume.arguments.inner().is_empty())
                    .then(|| table::from_field_table(&consume.arguments).into()),
            });
        }
        self.consumers += 1;
        let event = || {
            Event::consumer("consumer.created", &queue, &tag)
                .flag("ack_required", !consume.no_ack)
                .flag("exclusive", exclusive)
                .number("prefetch_count", self.prefetch.into())
                .arguments(&consume.arguments)
        };
        cx.broker.events().tell(cx.now, event);
        out.gate_if_can(gate, cx.broker.journal());
        self.consume_ok(out, consume.nowait, &tag);
        for part in each {
            let mut effects = Effects::default();
            part.lock()
                .resume(std::iter::empty(), false, cx.now, &mut effects);
            cx.broker.perform(part, effects);
        }
        Ok(())
    }

    /// A consumer that could not be added as a whole goes without having been one.
    #[cold]
    fn drop_consumer(&mut self, cx: &mut Context, tag: &str) {
        for id in cx.consumers.all_by_tag(self.number, tag) {
            self.stop(cx, id);
            self.unsend(cx, |delivery| delivery.consumer == id);
            if let Some(consumer) = cx.consumers.remove(id) {
                cx.queues.release(consumer.queue, 1);
            }
        }
    }

    pub(super) fn consume_ok(&self, out: &mut Output, nowait: bool, tag: &str) {
        if !nowait {
            let ok = basic::ConsumeOk {
                consumer_tag: tag.into(),
            };
            self.send(out, &AMQPClass::Basic(basic::AMQPMethod::ConsumeOk(ok)));
        }
    }

    pub(super) fn has_consumer(&self, cx: &Context, tag: &str) -> bool {
        cx.consumers.by_tag(self.number, tag).is_some()
            || self.reply.as_ref().is_some_and(|reply| &*reply.tag == tag)
    }

    /// basic.cancel: the consumer goes, what is on its way to it arrives, then cancel-ok. An unknown tag is a success.
    pub(super) fn cancel(
        &mut self,
        cx: &mut Context,
        out: &mut Output,
        cancel: &basic::Cancel,
    ) -> Result<(), Reply> {
        let tag = cancel.consumer_tag.as_str();
        let ids = cx.consumers.all_by_tag(self.number, tag);
        for id in &ids {
            self.stop(cx, *id);
        }
        for id in &ids {
            self.deliver_rest(cx, out, *id);
        }
        for id in &ids {
            self.forget(cx, *id);
        }
        if !ids.is_empty() {
            // That was it.
        } else if self.reply.as_ref().is_some_and(|reply| &*reply.tag == tag) {
            self.cancel_replies(cx);
        }
        if !cancel.nowait {
            let ok = basic::CancelOk {
                consumer_tag: tag.into(),
            };
            self.send(out, &AMQPClass::Basic(basic::AMQPMethod::CancelOk(ok)));
        }
        Ok(())
    }

    /// Takes the consumer off its queue and everything that is on its way to it out of the mailbox.
    fn stop(&mut self, cx: &mut Context, id: u32) {
        let Some(consumer) = cx.consumers.get(id) else {
            return;
        };
        let queue = Arc::clone(cx.queues.get(consumer.queue));
        let mut effects = Effects::default();
        queue.lock().cancel(consumer.number, cx.now, &mut effects);
        let drained = cx.mailbox.drain_deliveries();
        cx.pull(drained.deliveries, drained.waiting);
        cx.broker.perform(&queue, effects);
    }

    fn forget(&mut self, cx: &mut Context, id: u32) {
        if let Some(consumer) = cx.consumers.remove(id) {
            if consumer.is_first() {
                let queue = cx.queues.get(consumer.queue);
                let event = || Event::consumer("consumer.deleted", queue, &consumer.tag);
                cx.broker.events().tell(cx.now, event);
                self.consumers -= 1;
            }
            cx.queues.release(consumer.queue, 1);
        }
    }

    /// Encodes what the backlog still has for a consumer that is being cancelled.
    fn deliver_rest(&mut self, cx: &mut Context, out: &mut Output, id: u32) {
        let (own, others): (Vec<Delivery>, Vec<Delivery>) = cx
            .backlog
            .drain(..)
            .partition(|delivery| delivery.consumer == id);
        cx.backlog = others.into();
        for delivery in own {
            self.deliver(cx, out, delivery);
        }
        // No-ack deliveries just made are settled before their consumer's record goes.
        cx.flush_settles();
    }

    /// The queue of a consumer is gone: tell the client, if it asked for that.
    pub(crate) fn consumer_cancelled(&mut self, cx: &mut Context, out: &mut Output, id: u32) {
        let Some(tag) = cx
            .consumers
            .get(id)
            .map(|consumer| Arc::clone(&consumer.tag))
        else {
            return;
        };
        // Of several partitions some may know no more of it than that it has come.
        let mut ids = cx.consumers.all_by_tag(self.number, &tag);
        ids.retain(|other| *other != id);
        for other in &ids {
            self.stop(cx, *other);
        }
        for id in std::iter::once(id).chain(ids) {
            self.deliver_rest(cx, out, id);
            self.forget(cx, id);
        }
        if cx.capabilities.consumer_cancel_notify {
            self.notify_cancelled(out, &tag);
        }
    }

    fn notify_cancelled(&self, out: &mut Output, tag: &str) {
        let cancel = basic::Cancel {
            consumer_tag: tag.into(),
            nowait: true,
        };
        self.send(out, &AMQPClass::Basic(basic::AMQPMethod::Cancel(cancel)));
    }

    /// A consumer has held a delivery for too long: it is cancelled and what it holds goes back.
    pub(crate) fn consumer_timed_out(&mut self, cx: &mut Context, out: &mut Output, id: u32) {
        let Some(tag) = cx
            .consumers
            .get(id)
            .map(|consumer| Arc::clone(&consumer.tag))
        else {
            return;
        };
        cx.flush(out);
        let ids = cx.consumers.all_by_tag(self.number, &tag);
        for id in &ids {
            self.stop(cx, *id);
        }
        for id in ids {
            self.unsend(cx, |delivery| delivery.consumer == id);
            let held = self.unacked.take_consumer(id);
            self.requeue(cx, out, held, Outcome::Requeue);
            cx.flush_settles();
            self.forget(cx, id);
        }
        self.notify_cancelled(out, &tag);
    }

    /// The channel ends: all its consumers go, then what they hold goes back, and after it what was still on its way to them.
    pub(super) fn cancel_all(&mut self, cx: &mut Context, out: &mut Output) {
        let ids: Vec<u32> = cx
            .consumers
            .of_channel(self.number)
            .map(|consumer| consumer.id)
            .collect();
        for id in &ids {
            self.stop(cx, *id);
        }
        self.requeue_all(cx, out, Outcome::Requeue);
        if ids.is_empty() {
            return;
        }
        self.unsend(cx, |delivery| ids.contains(&delivery.consumer));
        for id in ids {
            self.forget(cx, id);
        }
    }

    /// Gives deliveries in the backlog back to their queues.
    fn unsend(&mut self, cx: &mut Context, which: impl Fn(&Delivery) -> bool) {
        let (own, others): (Vec<Delivery>, Vec<Delivery>) = cx.backlog.drain(..).partition(which);
        cx.backlog = others.into();
        let mut counted = 0;
        for delivery in own.iter().filter(|delivery| delivery.counted) {
            let consumer = cx.consumers.get(delivery.consumer);
            match consumer.and_then(|consumer| consumer.credit.as_ref()) {
                Some(credit) => credit.release(1),
                None => counted += 1,
            }
        }
        self.free(cx, counted);
        let mut own = own.into_iter().peekable();
        while let Some(first) = own.peek() {
            let id = first.consumer;
            let Some(consumer) = cx.consumers.get(id) else {
                own.next();
                continue;
            };
            let queue = Arc::clone(cx.queues.get(consumer.queue));
            let mut effects = Effects::default();
            let run = std::iter::from_fn(|| own.next_if(|delivery| delivery.consumer == id));
            let number = consumer.number;
            queue.lock().unsend(number, run, cx.now, &mut effects);
            cx.broker.perform(&queue, effects);
        }
    }
}
