//! Direct reply-to on the side of the one who asks: the pseudo-queue `amq.rabbitmq.reply-to`.

use std::sync::Arc;

use amq_protocol::protocol::basic;

use super::Channel;
use crate::broker::topology::generated_name;
use crate::connection::context::Context;
use crate::connection::output::Output;
use crate::wire::method::DeliverPrefix;
use crate::wire::reply::Reply;

/// A channel's consumer of replies.
pub struct ReplyConsumer {
    /// Where replies are sent.
    pub address: Arc<str>,
    /// The consumer's tag.
    pub tag: Arc<str>,
    /// What its deliveries begin with.
    pub prefix: DeliverPrefix,
}

impl Channel {
    pub(super) fn consume_replies(
        &mut self,
        cx: &mut Context,
        out: &mut Output,
        consume: &basic::Consume,
    ) -> Result<(), Reply> {
        if self.reply.is_some() {
            return Err(Reply::reply_consumer_set());
        }
        if !consume.no_ack {
            return Err(Reply::reply_consumer_acknowledges());
        }
        let given = consume.consumer_tag.as_str();
        if !given.is_empty() && self.has_consumer(cx, given) {
            return Err(Reply::consumer_tag_reused(given));
        }
        let tag: Arc<str> = if given.is_empty() {
            generated_name("amq.ctag-").into()
        } else {
            given.into()
        };
        self.reply = Some(Box::new(ReplyConsumer {
            address: cx.broker.reply_addresses.open(&cx.mailbox, self.number),
            prefix: DeliverPrefix::new(self.number, tag.as_bytes()),
            tag: Arc::clone(&tag),
        }));
        self.consume_ok(out, consume.nowait, &tag);
        Ok(())
    }

    pub(super) fn cancel_replies(&mut self, cx: &Context) {
        if let Some(reply) = self.reply.take() {
            cx.broker.reply_addresses.close(&reply.address);
        }
    }

    /// The address that a publish with reply-to `amq.rabbitmq.reply-to` carries instead.
    pub(super) fn reply_address(&self) -> Result<Arc<str>, Reply> {
        self.reply
            .as_ref()
            .map(|reply| Arc::clone(&reply.address))
            .ok_or_else(Reply::no_reply_consumer)
    }
}
