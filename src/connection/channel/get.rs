//! basic.get: one message at a time, on request.

use amq_protocol::protocol::{AMQPClass, basic};

use super::{Channel, Unacked};
use crate::auth::Verb;
use crate::connection::context::Context;
use crate::connection::output::Output;
use crate::queue::Effects;
use crate::wire::method;
use crate::wire::reply::Reply;

impl Channel {
    pub(super) fn get(
        &mut self,
        cx: &mut Context,
        out: &mut Output,
        get: &basic::Get,
    ) -> Result<(), Reply> {
        let name = self.queue_name(get.queue.as_str())?;
        cx.access.queue(Verb::Read, &name)?;
        let queue = cx.vhost.usable_queue(&name, cx.id)?;
        let mut effects = Effects::default();
        let got = queue.lock().get(get.no_ack, cx.now, &mut effects);
        cx.broker.perform(&queue, effects);
        let Some(got) = got else {
            self.send(
                out,
                &AMQPClass::Basic(basic::AMQPMethod::GetEmpty(basic::GetEmpty {})),
            );
            return Ok(());
        };
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
        out.content(self.number, &got.message, cx.tuned.frame_max);
        if !get.no_ack {
            let index = cx.queues.acquire(&queue);
            self.watch
                .delivered(cx.now, cx.settings.consumer_timeout_ms);
            self.unacked
                .push(Unacked::new(tag, index, got.sequence, 0, false, cx.now));
        }
        Ok(())
    }
}
