//! Queues that belong to exchanges: where a delayed message exchange holds its messages until they are due, and where an
//! exchange that drops duplicates has the ids that it knows.
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
use super::operator::policies::dedup_of;
use super::vhost::Vhost;
use crate::exchange::{Kind, cache};
use crate::queue::arguments::dedup::window;
use crate::queue::dedup::{Dedup, IdFrom, PLUGIN_HEADER, SIZE_MAX, Window};
use crate::queue::order::Order;
use crate::queue::{Effects, Queue, QueueSpec, Rules};

/// What a hidden queue is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// It holds messages until they are due.
    Delay,
    /// It has no messages, but the ids of those that its exchange has passed on.
    Window,
}

/// A header by which a message says how long its id counts, as in RabbitMQ's plugin.
const TIME_HEADER: &[u8] = b"x-cache-ttl";

impl Purpose {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::Delay, Self::Window];

    /// Behind the names of vhost and exchange in the key of its definition.
    pub fn name(self) -> &'static str {
        match self {
            Self::Delay => "delay",
            Self::Window => "window",
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
            Self::Window => "amq.dedup.",
        }
    }

    /// Whether the exchange has one for this now; then its rules, and whether it outlives the process.
    fn wanted(self, exchange: &Exchange) -> Option<(Rules, bool)> {
        match self {
            Self::Delay if exchange.kind.kind == Kind::Delayed => {
                let order = Order {
                    until_due: true,
                    ..Order::default()
                };
                let rules = Rules {
                    order,
                    ..Rules::default()
                };
                Some((rules, exchange.durable))
            }
            // Nothing but names of queues is known to the default exchange.
            Self::Window if exchange.name.is_empty() => None,
            Self::Delay => None,
            Self::Window => {
                let (window, durable) = wanted_window(exchange)?;
                let rules = Rules {
                    dedup: Some(Dedup {
                        window: Some(window),
                        held: false,
                    }),
                    ..Rules::default()
                };
                Some((rules, durable))
            }
        }
    }

    /// What a hidden queue of an exchange is, if the exchange has one for this now.
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

/// The window of the plugin's exchange, or the one that `x-dedup-window` and its like ask for, or a policy with those keys; and
/// whether it outlives the process.
fn wanted_window(exchange: &Exchange) -> Option<(Window, bool)> {
    if exchange.routing.kind == Kind::Deduplication {
        let cache = cache(&exchange.arguments)?;
        let window = Window {
            time_ms: cache.ttl_ms,
            size: cache.size.min(SIZE_MAX),
            from: IdFrom::Header(PLUGIN_HEADER.into()),
            time_header: Some(TIME_HEADER),
        };
        return Some((window, exchange.durable && cache.on_disk));
    }
    let arguments = match exchange.policy() {
        Some(policy) => dedup_of(&policy, &exchange.arguments),
        None => exchange.arguments.clone(),
    };
    window(&arguments).map(|window| (window, exchange.durable))
}

/// Gives an exchange the queues that it has not got yet, and writes them down. A new exchange gets them before anybody can
/// publish to it.
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
        delete(exchange, purpose, &queue, change);
    }
}

fn delete(exchange: &Exchange, purpose: Purpose, queue: &Arc<Queue>, change: &mut Change<'_>) {
    // Nobody else can have deleted it, and nobody waits for anything of it.
    let _ = queue.lock().delete(false, false, &mut Effects::default());
    change.no_hidden_queue(&exchange.name, purpose, queue);
}

/// Another policy applies to an exchange, and may say something else of duplicates. The ids that it knows stay as long as it
/// drops any. The caller holds the topology.
pub fn refresh(broker: &Broker, vhost: &Arc<str>, exchange: &Exchange, change: &mut Change<'_>) {
    let purpose = Purpose::Window;
    match (exchange.hidden(purpose), purpose.wanted(exchange)) {
        (Some(queue), Some((rules, _))) => {
            let mut effects = Effects::default();
            let mut locked = queue.lock();
            if locked.rules().dedup != rules.dedup {
                let applied = queue.applied();
                locked.set_rules(Arc::new(rules), applied, broker.now(), &mut effects);
            }
            drop(locked);
            broker.perform(&queue, effects);
        }
        (Some(queue), None) => {
            exchange.forget_window();
            delete(exchange, purpose, &queue, change);
        }
        (None, _) => attach(broker, vhost, exchange, change),
    }
}

impl Vhost {
    /// All queues, those of exchanges and other queues included, in no order.
    pub fn every_queue(&self) -> Vec<Arc<Queue>> {
        let mut all = self.all_queues();
        all.extend(self.all_parts());
        for exchange in self.all_exchanges() {
            all.extend(exchange.all_hidden().map(|(_, queue)| queue));
        }
        all
    }

    /// The exchange that holds messages in this queue.
    pub fn holder(&self, queue: &Queue) -> Option<Arc<Exchange>> {
        let name = queue.spec.name.strip_prefix(Purpose::Delay.prefix())?;
        let exchange = self.exchange(name)?;
        let is_own = exchange
            .hidden(Purpose::Delay)
            .is_some_and(|own| *own == *queue);
        is_own.then_some(exchange)
    }
}
