//! What others ask of a connection through its mailbox, besides deliveries.

use super::open::Fault;
use super::{CLOSE_MS, Session, State};
use crate::connection::output::CAP_BYTES;
use crate::queue::mailbox::Control;

impl Session {
    pub(super) fn control(&mut self, control: Control) {
        match control {
            Control::Close(reply) => self.close(reply, CLOSE_MS),
            Control::Alarm => self.look_at_alarms(false),
            Control::Describe(question) => self.describe(&question),
            Control::Loaded => {
                let State::Open(open) = &mut self.state else {
                    return;
                };
                if let Err(Fault::Reply(reply)) = open.get_again(&mut self.output) {
                    self.fail(reply);
                }
            }
            Control::ConsumerCancelled(id) => {
                let State::Open(open) = &mut self.state else {
                    return;
                };
                // What is on its way to it may still lie in the mailbox.
                let drained = open.cx.mailbox.drain_deliveries();
                open.cx.pull(drained.deliveries, drained.waiting);
                let Some(number) = open.cx.consumers.get(id).map(|consumer| consumer.channel)
                else {
                    return;
                };
                if let Some(index) = open.index(number) {
                    open.channels[index].consumer_cancelled(&mut open.cx, &mut self.output, id);
                }
            }
            Control::DirectReply { channel, message } => {
                // At most once: a peer that does not read what it asked for gets no more of it.
                if self.output.len() >= CAP_BYTES {
                    return;
                }
                let State::Open(open) = &mut self.state else {
                    return;
                };
                if let Some(index) = open
                    .index(channel)
                    .filter(|index| !open.channels[*index].closing)
                {
                    open.channels[index].deliver_reply(&open.cx, &mut self.output, &message);
                }
            }
        }
    }
}
