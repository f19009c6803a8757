//! What exchanges that drop duplicates say of a message that is being routed: each knows ids, of which the message may have one.
//!
//! A message with a new id claims it; whoever places the message notes the id in the same append (`Transaction::claim`), and
//! routes anew if somebody else was faster.

use std::collections::HashSet;
use std::sync::Arc;

use smallvec::SmallVec;

use super::Walk;
use crate::broker::exchange::Exchange;
use crate::broker::hidden::Purpose;
use crate::exchange::Envelope;
use crate::queue::Queue;
use crate::store::Receipt;
use crate::store::seen::Id;
use crate::wire::properties::Properties;

/// An id that is to be noted when its message is placed.
#[derive(Clone)]
pub struct Claim {
    /// The exchange's window.
    pub window: Arc<Queue>,
    /// The id.
    pub id: Id,
    /// Until when it counts.
    pub until: u64,
    /// It is written even where the message is not.
    pub kept: bool,
}

/// See the module.
#[derive(Default)]
pub(super) struct Once {
    /// When the message was published; `None` where nobody asks.
    now: Option<u64>,
    claims: SmallVec<[Claim; 1]>,
    /// Ids of the exchanges that know the message.
    dropped: SmallVec<[u64; 2]>,
    /// What the messages that it repeats wait for.
    echo: Receipt,
    /// Windows and ids that others of the same transaction have claimed.
    claimed: HashSet<(u64, Id)>,
}

impl Once {
    /// Whether the exchange knows the message.
    pub fn has_dropped(&self, exchange: &Exchange) -> bool {
        // What is left of an earlier message does not count where nobody asks.
        self.now.is_some() && self.dropped.contains(&exchange.id)
    }

    /// Whether the exchange knows the message, which has come there now; if not, its id there is claimed.
    pub fn is_dropped_by(&mut self, exchange: &Exchange, message: &Envelope<'_>) -> bool {
        let Some(now) = self.now else {
            return false;
        };
        if !message.first {
            return self.has_dropped(exchange);
        }
        let Some(window) = exchange.hidden(Purpose::Window) else {
            return false;
        };
        let mut locked = window.lock();
        let Some(known) = locked.recognise(message.properties, now) else {
            return false;
        };
        if known.seen {
            locked.echo();
            self.echo = self.echo.max(locked.commit());
        } else {
            drop(locked);
            if !self.claimed.contains(&(window.spec.id, known.id)) {
                self.claims.push(Claim {
                    window,
                    id: known.id,
                    until: known.until,
                    kept: known.kept,
                });
                return false;
            }
        }
        self.dropped.push(exchange.id);
        true
    }
}

impl Walk {
    /// The queues that a message published to `start` goes to, each once, in `queues`. Exchanges that drop duplicates ask whether
    /// it came before.
    pub fn route_once(
        &mut self,
        start: &Arc<Exchange>,
        keys: &[&[u8]],
        properties: Properties<'_>,
        queues: &mut Vec<Arc<Queue>>,
        now: u64,
    ) {
        let once = self.once.get_mut();
        once.now = Some(now);
        once.claims.clear();
        once.dropped.clear();
        self.route(start, keys, properties, queues);
        self.once.get_mut().now = None;
    }

    /// Whether an exchange knows the id of the message that was just routed, or is to know it.
    pub fn is_once(&self) -> bool {
        let once = self.once.borrow();
        !once.claims.is_empty() || !once.dropped.is_empty()
    }

    /// Whether an exchange has dropped it.
    pub fn has_dropped(&self) -> bool {
        !self.once.borrow().dropped.is_empty()
    }

    /// The ids that are to be noted with it, and what its confirm waits for where it is a duplicate.
    pub fn take_claims(&mut self) -> (SmallVec<[Claim; 1]>, Receipt) {
        let once = self.once.get_mut();
        (
            std::mem::take(&mut once.claims),
            std::mem::take(&mut once.echo),
        )
    }

    /// Windows and ids that count as known, though they are not noted yet.
    pub fn claimed(&mut self) -> &mut HashSet<(u64, Id)> {
        &mut self.once.get_mut().claimed
    }
}
