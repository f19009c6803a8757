//! From a mailbox's entry to frames: the hot way out.

use super::{Channel, Unacked};
use crate::broker::trace;
use crate::connection::context::Context;
use crate::connection::output::Output;
use crate::message::Message;
use crate::queue::mailbox::{Delivery, STREAMED};
use crate::queue::stream::place::Place;
use crate::queue::{Outcome, Queue, delivery_limit};
use crate::wire::method;

impl Channel {
    /// Encodes one delivery to a consumer of this channel.
    #[inline]
    pub(crate) fn deliver(&mut self, cx: &mut Context, out: &mut Output, delivery: Delivery) {
        let Some(consumer) = cx.consumers.get(delivery.consumer) else {
            return;
        };
        let tag = self.next_tag();
        let message = &delivery.message;
        if cx.traced {
            self.trace(cx, consumer.queue, message, delivery.redelivered);
        }
        method::write_deliver(
            out.bytes(),
            &consumer.prefix,
            tag,
            delivery.redelivered,
            message.names(),
        );
        let mut sequence = delivery.sequence;
        if delivery.returned == 0 {
            out.content(self.number, message, cx.tuned.frame_max);
        } else if delivery.returned & STREAMED == 0 {
            self.counted_content(cx, out, message, delivery.returned);
        } else {
            self.streamed_content(cx, out, &delivery, consumer.partition);
            sequence = Queue::settle_key(consumer.number, sequence);
        }
        let queue = consumer.queue;
        cx.queues.add_use(queue);
        if consumer.no_ack {
            cx.settle(queue, sequence, Outcome::Ack, out);
        } else {
            let mut unacked = Unacked::new(
                tag,
                queue,
                sequence,
                delivery.consumer,
                delivery.counted,
                cx.now,
            );
            unacked.own_limit = consumer.credit.is_some();
            self.watch.delivered(cx.now, consumer.timeout_ms);
            self.unacked.push(unacked);
        }
    }

    /// Tells the firehose of a delivery.
    #[cold]
    fn trace(&self, cx: &Context, queue: u32, message: &Message, redelivered: bool) {
        let queue = cx.queues.get(queue);
        let place = (cx.id, self.number);
        trace::delivered(&cx.broker, &cx.vhost, place, queue, message, redelivered);
    }

    /// A message that has come back, to a consumer that is told how often.
    #[cold]
    fn counted_content(&self, cx: &Context, out: &mut Output, message: &Message, returned: u32) {
        let properties = delivery_limit::with_count(message.properties(), returned);
        out.plain_content(self.number, &properties, message.body(), cx.tuned.frame_max);
    }

    /// A message of a stream: its headers say where it stands.
    #[inline(never)]
    fn streamed_content(
        &self,
        cx: &Context,
        out: &mut Output,
        delivery: &Delivery,
        partition: Option<u16>,
    ) {
        let message = &delivery.message;
        let place = Place {
            offset: delivery.sequence,
            returned: delivery.returned & !STREAMED,
            partition,
        };
        let properties = place.write(message.properties());
        out.plain_content(self.number, &properties, message.body(), cx.tuned.frame_max);
    }

    /// Encodes a direct reply.
    pub(crate) fn deliver_reply(&mut self, cx: &Context, out: &mut Output, message: &Message) {
        // Always the same, as RabbitMQ: there is nothing to settle.
        let tag = 1;
        let Some(reply) = &self.reply else { return };
        method::write_deliver(out.bytes(), &reply.prefix, tag, false, message.names());
        out.content(self.number, message, cx.tuned.frame_max);
    }
}
