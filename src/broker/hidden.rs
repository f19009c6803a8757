//! Queues that belong to exchanges: where a delayed message exchange holds its messages until they are due.
//!
//! Such a queue stands under no name: nobody can declare, bind, consume from or delete it, no policy and no limit is for it, and no
//! list shows it. It comes and goes with its exchange, in the same append to the journal, and survives the process if its
//! exchange does. Journal, checkpoints, memory limits and timers treat it as any other. Its own name is for the log; clients
//! cannot give a queue such a name.

use std::sync::Arc;

use amq_protocol::types::FieldTable;

use super::Broker;
use super::definitions::Change;
use super::exchange::Exchange;
use super::vhost::Vhost;
use crate::exchange::Kind;
use crate::queue::order::Order;
use crate::queue::{Effects, Queue, QueueSpec, Rules};

/// What a hidden queue is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// It holds messages until they are due.
    Delay,
}

impl Purpose {
    /// All of them.
    pub const ALL: [Self; 1] = [Self::Delay];

    /// Behind the names of vhost and exchange in the key of its definition.
    pub fn name(self) -> &'static str {
        match self {
            Self::Delay => "delay",
        }
    }

    /// What that name stands for.
    pub fn find(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|one| one.name() == name)
    }

    /// In front of the exchange's name in its own.
    fn prefix(self) -> &'static str {
        match self {
            Self::Delay => "amq.delayed.",
        }
    }

    /// Whether the exchange has one for this; then its rules, and whether it outlives the process.
    fn wanted(self, exchange: &Exchange) -> Option<(Rules, bool)> {
        match self {
            Self::Delay => (exchange.kind.kind == Kind::Delayed).then(|| {
                let order = Order {
                    until_due: true,
                    ..Order::default()
                };
                let rules = Rules {
                    order,
                    ..Rules::default()
                };
                (rules, exchange.durable)
            }),
        }
    }

    /// What a hidden queue of an exchange is, if the exchange has one for this.
    pub fn spec(
        self,
        id: u64,
        vhost: &Arc<str>,
        exchange: &Exchange,
    ) -> Option<(QueueSpec, Rules)> {
        let (rules, durable) = self.wanted(exchange)?;
        let spec = QueueSpec {
            name: format!("{}{}", self.prefix(), exchange.name).into(),
            vhost: Arc::clone(vhost),
            id,
            durable,
            owner: None,
            auto_delete: false,
            arguments: FieldTable::default(),
        };
        Some((spec, rules))
    }
}

/// Gives an exchange the queues that it has not got yet, and writes them down. Before anybody can publish to it.
pub fn attach(broker: &Broker, vhost: &Arc<str>, exchange: &Exchange, change: &mut Change<'_>) {
    for purpose in Purpose::ALL {
        if exchange.hidden(purpose).is_some() {
            continue;
        }
        let Some((spec, rules)) = purpose.spec(broker.next_id(), vhost, exchange) else {
            continue;
        };
        let queue = Queue::new(
            spec,
            rules,
            Arc::clone(broker.journal()),
            broker.settings.sync.into(),
            broker.now(),
        );
        change.hidden_queue(&exchange.name, purpose, &queue);
        exchange.attach(purpose, queue);
    }
}

/// An exchange goes, and its queues with all that is in them. The caller holds the topology.
pub fn detach(exchange: &Exchange, change: &mut Change<'_>) {
    for (purpose, queue) in exchange.all_hidden() {
        // Nobody else can have deleted it, and nobody waits for anything of it.
        let _ = queue.lock().delete(false, false, &mut Effects::default());
        change.no_hidden_queue(&exchange.name, purpose, queue);
    }
}

impl Vhost {
    /// All queues, those of exchanges included, in no order.
    pub fn every_queue(&self) -> Vec<Arc<Queue>> {
        let mut all = self.all_queues();
        for exchange in self.all_exchanges() {
            all.extend(exchange.all_hidden().map(|(_, queue)| Arc::clone(queue)));
        }
        all
    }

    /// The exchange that holds messages in this queue.
    pub fn holder(&self, queue: &Queue) -> Option<Arc<Exchange>> {
        let name = queue.spec.name.strip_prefix(Purpose::Delay.prefix())?;
        let exchange = self.exchange(name)?;
        let is_own = exchange
            .hidden(Purpose::Delay)
            .is_some_and(|own| **own == *queue);
        is_own.then_some(exchange)
    }
}
