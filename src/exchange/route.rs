//! From the exchange that was published to, to the queues: over bindings between exchanges, alternate exchanges, and with
//! the extra keys of CC and BCC. Each queue is found once, each exchange visited once, so cycles do no harm.
//!
//! The topology is seen through [`Graph`]; who calls holds its locks. What is found may be kept by the caller under the
//! routing key for as long as nothing in [`Scratch::visited`] changes.

use std::hash::Hash;

use smallvec::SmallVec;

use crate::wire::properties::Properties;
use crate::wire::reply::Reply;
use crate::wire::table::{Table, Value};

use super::{Envelope, Stable};

/// Where a binding leads.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Target<Q, X> {
    /// To a queue: the message has arrived.
    Queue(Q),
    /// To another exchange: the message is routed there as well.
    Exchange(X),
}

impl<Q: Stable, X: Stable> Stable for Target<Q, X> {
    fn stable(&self) -> u64 {
        match self {
            Self::Queue(queue) => queue.stable(),
            // Not the number of the queue of that name.
            Self::Exchange(exchange) => !exchange.stable(),
        }
    }
}

/// Exchanges and what is bound to them.
pub trait Graph {
    /// A handle of a queue, cheap to clone.
    type Queue: Clone + Eq + Hash;
    /// A handle of an exchange, cheap to clone; equal handles are one exchange.
    type Exchange: Clone + Eq + Hash;

    /// Appends where this exchange sends the message, some perhaps twice. An exchange that does not exist sends it nowhere.
    fn targets(
        &self,
        exchange: &Self::Exchange,
        message: &Envelope<'_>,
        out: &mut Vec<Target<Self::Queue, Self::Exchange>>,
    );

    /// Where the message goes when this exchange has no target for it.
    fn alternate(&self, exchange: &Self::Exchange) -> Option<Self::Exchange>;
}

/// Memory that `route` uses again for the next message.
pub struct Scratch<G: Graph> {
    /// The exchanges that the last message went through, the one it was published to first. Missing ones that a binding
    /// or an `alternate` named are among them.
    pub visited: Vec<G::Exchange>,
    targets: Vec<Target<G::Queue, G::Exchange>>,
    known_exchanges: Known,
    known_queues: Known,
}

impl<G: Graph> Default for Scratch<G> {
    fn default() -> Self {
        Self {
            visited: Vec::new(),
            targets: Vec::new(),
            known_exchanges: Known::default(),
            known_queues: Known::default(),
        }
    }
}

impl<G: Graph> std::fmt::Debug for Scratch<G> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Scratch {{ visited: {} }}", self.visited.len())
    }
}

/// Finds the queues of one message. `keys` are its routing key, then those of CC and BCC; `queues` is emptied first and
/// then holds each queue once, in the order they were found. No queue at all means that the message is unroutable.
pub fn route<G: Graph>(
    graph: &G,
    start: &G::Exchange,
    keys: &[&[u8]],
    properties: Properties<'_>,
    scratch: &mut Scratch<G>,
    queues: &mut Vec<G::Queue>,
) {
    let Scratch {
        visited,
        targets,
        known_exchanges,
        known_queues,
    } = scratch;
    queues.clear();
    known_queues.clear();
    visited.clear();
    known_exchanges.clear();
    visited.push(start.clone());
    let mut next = 0;
    while let Some(exchange) = visited.get(next) {
        next += 1;
        for (place, &routing_key) in keys.iter().enumerate() {
            let message = Envelope {
                routing_key,
                first: place == 0,
                properties,
            };
            graph.targets(exchange, &message, targets);
        }
        // Only an exchange without any target has use for its alternate: a binding to an exchange counts as a target
        // even where that one knows no queue.
        if targets.is_empty() {
            targets.extend(graph.alternate(exchange).map(Target::Exchange));
        }
        let more = targets.len();
        for target in targets.drain(..) {
            match target {
                Target::Queue(queue) => known_queues.add(queues, queue, more),
                Target::Exchange(exchange) => known_exchanges.add(visited, exchange, more),
            }
        }
    }
}

/// Up to here a search through a list is faster than an index.
const SEARCHED_IN_PLACE: usize = 16;

/// Which items a growing list has: nothing while it is short, then an open hash table of places in it.
#[derive(Default)]
struct Known {
    /// Upper half of an item's hash, then its place plus one; 0 where there is none. As many as a power of two, at most
    /// half of them used.
    slots: Vec<u64>,
    hasher: ahash::RandomState,
}

impl Known {
    fn clear(&mut self) {
        self.slots.clear();
    }

    /// Appends an item that is not in the list. `more` may follow it.
    #[inline]
    fn add<T: Eq + Hash>(&mut self, list: &mut Vec<T>, item: T, more: usize) {
        if list.len() < SEARCHED_IN_PLACE {
            if !list.contains(&item) {
                list.push(item);
            }
        } else {
            self.add_to_long(list, item, more);
        }
    }

    fn add_to_long<T: Eq + Hash>(&mut self, list: &mut Vec<T>, item: T, more: usize) {
        if self.slots.len() < (list.len() + 1) * 2 {
            let slots = ((list.len() + 1) * 2).max(list.len() + more);
            self.slots.clear();
            self.slots.resize(slots.next_power_of_two() * 2, 0);
            for (place, known) in list.iter().enumerate() {
                let hash = self.hasher.hash_one(known);
                let slot = self.slot(hash, |_| false);
                self.fill(slot, hash, place);
            }
        }
        let hash = self.hasher.hash_one(&item);
        let slot = self.slot(hash, |place| list[place] == item);
        if self.slots[slot] == 0 {
            self.fill(slot, hash, list.len());
            list.push(item);
        }
    }

    fn fill(&mut self, slot: usize, hash: u64, place: usize) {
        self.slots[slot] = hash & UPPER_HALF | (place as u64 + 1);
    }

    /// The slot of the item with that hash, or the empty one where it belongs.
    fn slot(&self, hash: u64, is: impl Fn(usize) -> bool) -> usize {
        let mask = self.slots.len() - 1;
        let mut at = hash as usize & mask;
        loop {
            let found = self.slots[at];
            let place = found & !UPPER_HALF;
            if found == 0 || (found ^ hash) & UPPER_HALF == 0 && is(place as usize - 1) {
                return at;
            }
            at = (at + 1) & mask;
        }
    }
}

const UPPER_HALF: u64 = !0 << 32;

/// Keys that a message brings besides its routing key, in its headers CC and BCC.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ExtraKeys<'a> {
    /// Those of CC.
    pub cc: SmallVec<[&'a [u8]; 4]>,
    /// Those of BCC.
    pub bcc: SmallVec<[&'a [u8]; 4]>,
    /// There is a BCC header, perhaps of no keys: it is to be taken away before anybody sees the message.
    pub has_bcc: bool,
}

impl<'a> ExtraKeys<'a> {
    /// No further keys to route by.
    pub fn is_empty(&self) -> bool {
        self.cc.is_empty() && self.bcc.is_empty()
    }

    /// All keys of a message: its routing key, then CC, then BCC.
    pub fn after(&self, routing_key: &'a [u8]) -> SmallVec<[&'a [u8]; 8]> {
        let mut keys = SmallVec::with_capacity(1 + self.cc.len() + self.bcc.len());
        keys.push(routing_key);
        keys.extend_from_slice(&self.cc);
        keys.extend_from_slice(&self.bcc);
        keys
    }
}

/// Reads CC and BCC. Items that are no strings are passed over, names count in exactly this case.
///
/// # Errors
/// 406 at basic.publish when one of them is not an array.
#[inline]
pub fn extra_keys(properties: Properties<'_>) -> Result<ExtraKeys<'_>, Reply> {
    match properties.headers() {
        None => Ok(ExtraKeys::default()),
        Some(raw) => extra_keys_of(Table(raw)),
    }
}

fn extra_keys_of(headers: Table<'_>) -> Result<ExtraKeys<'_>, Reply> {
    let (mut cc, mut bcc) = (None, None);
    for (name, value) in headers.iter() {
        match name {
            b"CC" => cc = cc.or(Some(value)),
            b"BCC" => bcc = bcc.or(Some(value)),
            _ => {}
        }
    }
    let keys = |name: &str, value| match value {
        None => Ok(SmallVec::new()),
        Some(Value::Array(items)) => {
            Ok(items.iter().filter_map(|item| item.long_string()).collect())
        }
        Some(other) => Err(Reply::unacceptable_header(name, other.type_name())),
    };
    Ok(ExtraKeys {
        cc: keys("CC", cc)?,
        bcc: keys("BCC", bcc)?,
        has_bcc: bcc.is_some(),
    })
}

#[cfg(test)]
mod tests;
