//! basic.get: one message at a time, on request.

use amq_protocol::protocol::{AMQPClass, basic};

use super::{Channel, Unacked};
use crate::auth::Verb;
use crate::broker::trace;
use crate::connection::context::Context;
use crate::connection::output::Output;
use crate::queue::arguments::QueueKind;
use crate::queue::{Effects, Taken, delivery_limit};
use crate::wire::method;
use crate::wire::reply::Reply;

impl Channel {
    pub(in crate::connection) fn get(
        &mut self,
        cx: &mut Context,
        out: &mut Output,
        get: &basic::Get,
    ) -> Result<(), Reply> {
        let name = self.queue_name(get.queue.as_str())?;
        cx.access.queue(Verb::Read, &name)?;
        let queue = cx.vhost.usable_queue(&name, cx.id)?;
        if queue.kind == QueueKind::Quorum && queue.lock().rules().single_active {
            return Err(Reply::get_from_single_active(&queue.resource()));
        }
        if queue.kind == QueueKind::Stream {
            return Err(Reply::not_for_streams("basic.get", &queue.resource()));
        }
        let mut effects = Effects::default();
        let (taken, attended) = {
            let mut locked = queue.lock();
            let taken = locked.get(get.no_ack, cx.now, &mut effects);
            if matches!(taken, Taken::Later) {
                locked.when_loaded(&cx.mailbox, cx.now, &mut effects);
            }
            (taken, locked.attended())
        };
        cx.broker.perform(&queue, effects);
        let got = match taken {
            Taken::Got(got) => got,
            Taken::Empty => {
                self.send(
                    out,
                    &AMQPClass::Basic(basic::AMQPMethod::GetEmpty(basic::GetEmpty {})),
                );
                return Ok(());
            }
            Taken::Later => {
                cx.parked = Some((self.number, get.clone()));
                return Ok(());
            }
        };
        if cx.vhost.is_traced() {
            let place = (cx.id, self.number);
            let message = &got.message;
            trace::delivered(
                &cx.broker,
                &cx.vhost,
                place,
                &queue,
                message,
                got.redelivered,
            );
        }
        out.gate_if_can(attended, cx.broker.journal());
        let tag = self.next_tag();
        let remaining = u32::try_from(got.remaining).unwrap_or(u32::MAX);
        method::write_get_ok(
            out.bytes(),
            self.number,
            tag,
            got.redelivered,
            got.message.names(),
            remaining,
        );
        if got.returned == 0 {
            out.content(self.number, &got.message, cx.tuned.frame_max);
        } else {
            let properties = delivery_limit::with_count(got.message.properties(), got.returned);
            out.plain_content(
                self.number,
                &properties,
                got.message.body(),
                cx.tuned.frame_max,
            );
        }
        if !get.no_ack {
            let index = cx.queues.acquire(&queue);
            let timeout = queue.lock().rules().consumer_timeout_ms;
            self.watch
                .delivered(cx.now, timeout.or(cx.settings.consumer_timeout_ms));
            self.unacked
                .push(Unacked::new(tag, index, got.sequence, 0, false, cx.now));
        }
        Ok(())
    }
}
