//! A virtual host: its names, and the routing of a message through them. Declaring and deleting is in topology.rs.

use std::cell::RefCell;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use parking_lot::{Mutex, RwLock};
use smallvec::SmallVec;

use super::definitions::Definitions;
use super::exchange::{Destination, Exchange};
use super::names::Names;
use super::operator::policies::Policies;
use super::operator::{VhostLimits, VhostMetadata};
use super::reply_to::ReplyAddresses;
use super::topology::Bindings;
use crate::exchange::{Envelope, Graph, Scratch, Target, route, wants_history};
use crate::message::Message;
use crate::queue::Queue;
use crate::wire::properties::Properties;
use crate::wire::reply::Reply;

mod once;
mod settings;

pub use self::once::Claim;
use self::once::Once;

/// One virtual host.
pub struct Vhost {
    /// Its name.
    pub name: Arc<str>,
    pub(super) exchanges: Names<Exchange>,
    pub(super) queues: Names<Queue>,
    /// Serialises every change of the topology. Taken before any queue's lock.
    pub(super) bindings: Mutex<Bindings>,
    /// Where changes of the topology are written.
    pub(super) definitions: Arc<Definitions>,
    /// Exchanges that name an alternate exchange.
    pub(super) alternates: AtomicUsize,
    /// The default exchange, which every queue is bound to by its name.
    pub default: Arc<Exchange>,
    /// How much may be open in it.
    pub limits: VhostLimits,
    /// It is on its way out: nothing is declared in it any more.
    pub(super) deleting: AtomicBool,
    /// Its firehose is on.
    pub(super) traced: AtomicBool,
    pub(super) metadata: RwLock<Arc<VhostMetadata>>,
    pub(super) policies: RwLock<Arc<Policies>>,
    pub(super) parameters: RwLock<settings::Parameters>,
}

impl Vhost {
    /// The exchange of that name.
    pub fn exchange(&self, name: &str) -> Option<Arc<Exchange>> {
        self.exchanges.get(name)
    }

    /// The queue of that name.
    pub fn queue(&self, name: &str) -> Option<Arc<Queue>> {
        self.queues.get(name)
    }

    /// All exchanges, in no order; the default one is among them.
    pub fn all_exchanges(&self) -> Vec<Arc<Exchange>> {
        self.exchanges.all()
    }

    /// Whether it is being deleted.
    pub fn is_deleting(&self) -> bool {
        self.deleting.load(Ordering::Acquire)
    }

    /// Whether its firehose is on.
    #[inline]
    pub fn is_traced(&self) -> bool {
        self.traced.load(Ordering::Acquire)
    }

    /// Refuses a declare where the vhost is being deleted. The caller holds the topology.
    pub(super) fn check_stays(&self) -> Result<(), Reply> {
        if self.is_deleting() {
            return Err(Reply::vhost_deleted(&self.name));
        }
        Ok(())
    }

    /// All queues, in no order.
    pub fn all_queues(&self) -> Vec<Arc<Queue>> {
        self.queues.all()
    }

    /// How many queues there are.
    pub fn queue_count(&self) -> usize {
        self.queues.len()
    }

    /// Whether `name` is an address of direct reply-to.
    pub fn is_reply_address(name: &[u8]) -> bool {
        name.starts_with(ReplyAddresses::PREFIX.as_bytes())
    }
}

impl Drop for Vhost {
    fn drop(&mut self) {
        for exchange in self.exchanges.all() {
            exchange.clear();
        }
    }
}

/// Exchanges that a route asked, each with its version at that moment.
pub type Asked = SmallVec<[(Arc<Exchange>, u64); 2]>;

/// A vhost's exchanges as a graph to route through; notes each exchange that a route asks, with its version at that moment.
pub struct Walk {
    vhost: Arc<Vhost>,
    asked: RefCell<Asked>,
    scratch: Scratch<Self>,
    /// What exchanges that drop duplicates say of the message.
    once: RefCell<Once>,
}

impl Walk {
    /// A walk through `vhost`; allocates nothing yet.
    pub fn new(vhost: Arc<Vhost>) -> Self {
        Self {
            vhost,
            asked: RefCell::default(),
            scratch: Scratch::default(),
            once: RefCell::default(),
        }
    }

    /// The vhost.
    pub fn vhost(&self) -> &Arc<Vhost> {
        &self.vhost
    }

    /// The queues that a message given to `start` goes to, each once, in `queues`. It is no publish: no exchange asks whether it
    /// came before.
    pub fn route(
        &mut self,
        start: &Arc<Exchange>,
        keys: &[&[u8]],
        properties: Properties<'_>,
        queues: &mut Vec<Arc<Queue>>,
    ) {
        self.asked.borrow_mut().clear();
        let mut scratch = std::mem::take(&mut self.scratch);
        route(self, start, keys, properties, &mut scratch, queues);
        self.scratch = scratch;
    }

    /// Gives the message that was just routed to the exchanges on its way that remember what they saw.
    pub fn remember(&self, message: impl Fn() -> Message) {
        let asked = self.asked.borrow();
        for (place, (exchange, version)) in asked.iter().enumerate() {
            // Asked once for each of the message's keys.
            if let Some(history) = exchange.history()
                && !asked[..place].iter().any(|(known, _)| known == exchange)
            {
                let message = message();
                let properties = Properties::new(message.properties());
                // One that is held has not come yet.
                if wants_history(properties) && exchange.holds(properties).is_none() {
                    history.remember(*version, message);
                }
            }
        }
    }

    /// The exchanges that the last route asked, with the version that each had then.
    pub fn asked(&self) -> Asked {
        self.asked.borrow().clone()
    }
}

impl Graph for Walk {
    type Queue = Arc<Queue>;
    type Exchange = Arc<Exchange>;

    fn targets(
        &self,
        exchange: &Arc<Exchange>,
        message: &Envelope<'_>,
        out: &mut Vec<Destination>,
    ) {
        let version = if exchange.id == self.vhost.default.id {
            let queue = std::str::from_utf8(message.routing_key)
                .ok()
                .and_then(|name| self.vhost.queues.get(name));
            out.extend(queue.map(Target::Queue));
            exchange.version()
        } else if self.once.borrow_mut().is_dropped_by(exchange, message) {
            exchange.version()
        } else {
            exchange.route(message, out)
        };
        self.asked
            .borrow_mut()
            .push((Arc::clone(exchange), version));
    }

    fn alternate(&self, exchange: &Arc<Exchange>) -> Option<Arc<Exchange>> {
        if self.once.borrow().has_dropped(exchange) {
            return None;
        }
        exchange
            .alternate()
            .and_then(|name| self.vhost.exchanges.get(&name))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use amq_protocol::types::FieldTable;

    use crate::auth::Users;
    use crate::broker::{Broker, Settings};
    use crate::exchange::Target;

    /// Found by the leak check of the fuzzer: exchanges bound in a circle outlived their broker.
    #[test]
    fn a_circle_of_exchanges_goes_with_its_broker() {
        let broker = Broker::new(Settings::default(), Arc::new(Users::new()));
        let vhost = broker.add_vhost("/");
        let [one, two] = ["amq.direct", "amq.topic"]
            .map(|name| vhost.exchange(name).expect("every vhost has it"));
        let none = FieldTable::default();
        one.bind(b"key", &none, Target::Exchange(Arc::clone(&two)));
        two.bind(b"key", &none, Target::Exchange(Arc::clone(&one)));
        let weak = [&one, &two].map(Arc::downgrade);
        drop((one, two, vhost, broker));
        assert!(weak.iter().all(|exchange| exchange.upgrade().is_none()));
    }
}
