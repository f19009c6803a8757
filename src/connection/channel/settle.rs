//! basic.ack, nack, reject, recover: how deliveries end.

use amq_protocol::protocol::{AMQPClass, basic};

use super::{Channel, Mode, Unacked};
use crate::connection::context::Context;
use crate::connection::output::Output;
use crate::queue::Outcome;
use crate::wire::reply::Reply;

impl Channel {
    /// Settles the delivery with `tag`, or with `multiple` all up to it (0: all there are).
    #[inline]
    pub(crate) fn settle(
        &mut self,
        cx: &mut Context,
        out: &mut Output,
        tag: u64,
        multiple: bool,
        outcome: Outcome,
    ) -> Result<(), Reply> {
        let unknown = || Reply::unknown_delivery_tag(tag);
        if let Mode::Tx(tx) = &mut self.mode {
            if multiple {
                return self
                    .unacked
                    .take_upto(tag, |unacked| tx.settle(unacked, outcome))
                    .ok_or_else(unknown);
            }
            tx.settle(self.unacked.take(tag).ok_or_else(unknown)?, outcome);
            return Ok(());
        }
        let mut counted = 0;
        let mut each = |unacked: Unacked| {
            counted += Self::uncount(cx, &unacked);
            cx.settle(unacked.queue, unacked.sequence, outcome, out);
        };
        let known = if multiple {
            self.unacked.take_upto(tag, each)
        } else {
            self.unacked.take(tag).map(&mut each)
        };
        self.free(cx, counted);
        known.ok_or_else(unknown)
    }

    /// How many credits of the channel's shared limit a delivery gives back; one that its consumer's own limit had goes back there.
    #[inline]
    pub(super) fn uncount(cx: &mut Context, unacked: &Unacked) -> u32 {
        if unacked.own_limit {
            cx.uncount(unacked.consumer);
            return 0;
        }
        u32::from(unacked.counted)
    }

    /// Gives credits of the shared limit back; the channel's queues are served once the settles have reached them.
    pub(super) fn free(&mut self, cx: &mut Context, counted: u32) {
        if counted > 0
            && let Some(credit) = &self.credit
        {
            credit.release(counted);
            if !cx.freed.contains(&self.number) {
                cx.freed.push(self.number);
            }
        }
    }

    /// basic.recover: everything goes back to its queue. Without requeue is not offered, as in RabbitMQ.
    pub(super) fn recover(
        &mut self,
        cx: &mut Context,
        out: &mut Output,
        requeue: bool,
        answer: bool,
    ) -> Result<(), Reply> {
        if !requeue {
            return Err(Reply::recover_without_requeue());
        }
        self.requeue_all(cx, out, Outcome::Return);
        if answer {
            self.send(
                out,
                &AMQPClass::Basic(basic::AMQPMethod::RecoverOk(basic::RecoverOk {})),
            );
        }
        Ok(())
    }

    /// Puts all that is out back.
    pub(super) fn requeue_all(&mut self, cx: &mut Context, out: &mut Output, outcome: Outcome) {
        let mut all = Vec::with_capacity(self.unacked.len());
        let _ = self.unacked.take_upto(0, |unacked| all.push(unacked));
        self.requeue(cx, out, all, outcome);
        cx.flush_settles();
    }

    pub(super) fn requeue(
        &mut self,
        cx: &mut Context,
        out: &mut Output,
        mut unacked: Vec<Unacked>,
        outcome: Outcome,
    ) {
        unacked.sort_by_key(|one| one.queue);
        let mut counted = 0;
        for one in unacked {
            counted += Self::uncount(cx, &one);
            cx.settle(one.queue, one.sequence, outcome, out);
        }
        self.free(cx, counted);
    }
}
