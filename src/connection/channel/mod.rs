//! One channel: its state, and which file answers which method.
//!
//! ```text
//! Open --fault--> Closing --close-ok--> (gone)        Closing ignores everything but close and close-ok
//! ```
//!
//! A channel belongs to its session; what channels share is the [`Context`]. A method's handler returns a [`Reply`] as its fault,
//! which closes the channel or the connection. Deliveries are written by `deliver`, publishes by `publish`; each other class of
//! methods has a file of its own.

pub mod confirm;
mod consume;
mod deliver;
mod get;
pub mod publish;
mod reply_to;
mod settle;
mod timeout;
mod topology;
mod tx;
mod unacked;

use std::sync::Arc;

use amq_protocol::protocol::{
    AMQPClass, access, basic, channel, confirm as confirm_class, exchange, queue,
};

use self::publish::Content;
use self::reply_to::ReplyConsumer;
use self::timeout::Watch;
use self::tx::Tx;
pub use self::unacked::Unacked;
use self::unacked::UnackedList;
use super::context::Context;
use super::output::Output;
use crate::queue::ChannelCredit;
use crate::queue::figures::ChannelFigures;
use crate::wire::method;
use crate::wire::reply::Reply;

/// How publishes and settles of a channel are taken.
pub(super) enum Mode {
    /// As they come.
    Plain,
    /// As they come, and publishes are confirmed.
    Confirm,
    /// Kept until tx.commit.
    Tx(Box<Tx>),
}

/// One channel of a connection.
pub struct Channel {
    pub(super) number: u16,
    /// The broker has closed it and waits for close-ok.
    pub(super) closing: bool,
    pub(super) content: Content,
    pub(super) mode: Mode,
    /// Delivery tag of the last delivery.
    last_tag: u64,
    pub(super) unacked: UnackedList,
    /// Prefetch limit of consumers yet to come; 0 is none.
    prefetch: u32,
    /// The limit that its consumers share; made with the first consumer or limit.
    credit: Option<Arc<ChannelCredit>>,
    consumers: u32,
    /// The queue declared last, which an empty name stands for.
    last_queue: Option<Arc<str>>,
    reply: Option<Box<ReplyConsumer>>,
    watch: Watch,
}

impl Channel {
    /// A channel just opened.
    pub fn new(number: u16) -> Self {
        Self {
            number,
            closing: false,
            content: Content::None,
            mode: Mode::Plain,
            last_tag: 0,
            unacked: UnackedList::default(),
            prefetch: 0,
            credit: None,
            consumers: 0,
            last_queue: None,
            reply: None,
            watch: Watch::default(),
        }
    }

    fn send(&self, out: &mut Output, method: &AMQPClass) {
        method::write(out.bytes(), self.number, method);
    }

    fn next_tag(&mut self) -> u64 {
        self.last_tag += 1;
        self.last_tag
    }

    fn credit(&mut self) -> &Arc<ChannelCredit> {
        self.credit.get_or_insert_default()
    }

    /// Handles a method other than the hot ones and those that open and close; everything collected is flushed already.
    pub(super) fn method(
        &mut self,
        cx: &mut Context,
        out: &mut Output,
        payload: &[u8],
    ) -> Result<(), Reply> {
        match method::parse(payload)? {
            AMQPClass::Channel(channel::AMQPMethod::Flow(flow)) => self.flow(out, &flow),
            AMQPClass::Access(access::AMQPMethod::Request(_)) => {
                let ok = access::AMQPMethod::RequestOk(access::RequestOk {});
                self.send(out, &AMQPClass::Access(ok));
                Ok(())
            }
            AMQPClass::Exchange(one) => match one {
                exchange::AMQPMethod::Declare(declare) => self.exchange_declare(cx, out, declare),
                exchange::AMQPMethod::Delete(delete) => self.exchange_delete(cx, out, &delete),
                exchange::AMQPMethod::Bind(bind) => self.exchange_bind(cx, out, bind),
                exchange::AMQPMethod::Unbind(unbind) => self.exchange_unbind(cx, out, &unbind),
                _ => Err(unexpected(payload)),
            },
            AMQPClass::Queue(one) => match one {
                queue::AMQPMethod::Declare(declare) => self.queue_declare(cx, out, declare),
                queue::AMQPMethod::Bind(bind) => self.queue_bind(cx, out, bind),
                queue::AMQPMethod::Unbind(unbind) => self.queue_unbind(cx, out, &unbind),
                queue::AMQPMethod::Purge(purge) => self.queue_purge(cx, out, &purge),
                queue::AMQPMethod::Delete(delete) => self.queue_delete(cx, out, &delete),
                _ => Err(unexpected(payload)),
            },
            AMQPClass::Basic(one) => match one {
                basic::AMQPMethod::Qos(qos) => {
                    self.qos(cx, out, &qos, method::qos_prefetch_size(payload))
                }
                basic::AMQPMethod::Consume(consume) => self.consume(cx, out, &consume),
                basic::AMQPMethod::Cancel(cancel) => self.cancel(cx, out, &cancel),
                // A client that answers our basic.cancel: RabbitMQ takes that as a cancel, of a consumer that is gone.
                basic::AMQPMethod::CancelOk(_) => Ok(()),
                basic::AMQPMethod::Get(get) => self.get(cx, out, &get),
                basic::AMQPMethod::Recover(recover) => self.recover(cx, out, recover.requeue, true),
                basic::AMQPMethod::RecoverAsync(recover) => {
                    self.recover(cx, out, recover.requeue, false)
                }
                _ => Err(unexpected(payload)),
            },
            AMQPClass::Confirm(confirm_class::AMQPMethod::Select(select)) => {
                self.confirm_select(cx, out, select.nowait)
            }
            AMQPClass::Tx(one) => self.tx(cx, out, payload, &one),
            _ => Err(unexpected(payload)),
        }
        .map_err(|reply| match (reply.class, method::id(payload)) {
            (0, Some(id)) => reply.at_id(id),
            _ => reply,
        })
    }

    fn flow(&mut self, out: &mut Output, flow: &channel::Flow) -> Result<(), Reply> {
        if !flow.active {
            return Err(Reply::flow_inactive());
        }
        self.send(
            out,
            &AMQPClass::Channel(channel::AMQPMethod::FlowOk(channel::FlowOk {
                active: true,
            })),
        );
        Ok(())
    }

    fn confirm_select(
        &mut self,
        cx: &mut Context,
        out: &mut Output,
        nowait: bool,
    ) -> Result<(), Reply> {
        match self.mode {
            Mode::Tx(_) => return Err(Reply::tx_to_confirm()),
            Mode::Plain => {
                self.mode = Mode::Confirm;
                cx.confirms.select(self.number);
            }
            Mode::Confirm => {}
        }
        if !nowait {
            let ok = confirm_class::AMQPMethod::SelectOk(confirm_class::SelectOk {});
            self.send(out, &AMQPClass::Confirm(ok));
        }
        Ok(())
    }

    /// What somebody who asks is told.
    pub(crate) fn figures(&self, cx: &Context) -> ChannelFigures {
        let (uncommitted, uncommitted_acks) = match &self.mode {
            Mode::Tx(tx) => tx.waiting(),
            Mode::Plain | Mode::Confirm => (0, 0),
        };
        ChannelFigures {
            number: self.number,
            confirm: matches!(self.mode, Mode::Confirm),
            transactional: matches!(self.mode, Mode::Tx(_)),
            consumers: self.consumers,
            unacked: self.unacked.len() as u64,
            unconfirmed: cx.confirms.unconfirmed(self.number),
            uncommitted: uncommitted as u64,
            uncommitted_acks: uncommitted_acks as u64,
            prefetch: self.prefetch,
            global_prefetch: self.credit.as_ref().map_or(0, |credit| credit.limit()),
        }
    }

    /// The end of the channel, however it comes: consumers go, what is out goes back, what was collected is applied first.
    pub(super) fn end(&mut self, cx: &mut Context, out: &mut Output) {
        cx.flush(out);
        cx.half_sent -= self.content.held();
        self.content = Content::None;
        if let Mode::Tx(tx) = &mut self.mode {
            self.unacked.restore(tx.take_settles());
        }
        self.cancel_all(cx, out);
        if let Some(reply) = self.reply.take() {
            cx.broker.reply_addresses.close(&reply.address);
        }
        cx.confirms.acknowledge(cx.broker.journal(), out);
        cx.confirms.remove(self.number);
        self.mode = Mode::Plain;
    }
}

/// A method that only the broker sends, or one that has no place in an open channel.
fn unexpected(payload: &[u8]) -> Reply {
    Reply::unimplemented_method().at_id(method::id(payload).unwrap_or(0))
}
