//! What a session says of itself when somebody asks.

use std::net::SocketAddr;

use super::open::Open;
use super::{Session, State};
use crate::broker::events::Event;
use crate::queue::figures::{ConsumerFigures, Course, Detail, Figures, Question};

impl Session {
    /// The connection's end on this side is there.
    pub fn at(mut self, local: SocketAddr) -> Self {
        self.local = local;
        self
    }

    /// The connection is listed no more.
    pub(super) fn leave(&self) {
        if let Some(connection) = self.broker.registry().remove(self.id) {
            let event = || Event::connection("connection.closed", &connection);
            self.broker.events().tell(self.now, event);
        }
    }

    /// Answers; whoever has asked may have given up.
    pub(super) fn describe(&self, question: &Question) {
        let State::Open(open) = &self.state else {
            return;
        };
        let _ = question.answer.send(self.figures(open, question.detail));
    }

    fn figures(&self, open: &Open, detail: Detail) -> Figures {
        let course = match () {
            () if self.blocked => Course::Blocked,
            () if self.held => Course::Flow,
            () if self.broker.is_alarmed() => Course::Blocking,
            () => Course::Running,
        };
        let channels = open.channels.iter().filter(|channel| !channel.closing);
        let mut figures = Figures {
            connection: self.id,
            course,
            received: self.received,
            sent: self.output.total(),
            pending: self.output.len() as u64,
            channel_count: channels.clone().count(),
            channels: Vec::new(),
            consumers: Vec::new(),
        };
        if detail != Detail::Totals {
            figures.channels = channels.map(|channel| channel.figures(&open.cx)).collect();
        }
        if detail == Detail::Consumers {
            let all = open.cx.consumers.all().iter();
            let consumers = all.filter(|consumer| consumer.is_first());
            let each = consumers.map(|consumer| ConsumerFigures {
                tag: consumer.tag.clone(),
                channel: consumer.channel,
                queue: open.cx.queues.get(consumer.queue).clone(),
                number: consumer.number,
                no_ack: consumer.no_ack,
                exclusive: consumer.exclusive,
                prefetch: consumer.prefetch,
                timeout_ms: consumer.timeout_ms,
                arguments: consumer.arguments.clone(),
            });
            figures.consumers = each.collect();
        }
        figures
    }
}
