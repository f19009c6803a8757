//! Messages that an exchange on their way knows by an id: each is placed at once, in one append with its ids, or found to be a
//! duplicate. They do not wait for the end of the round; what came before them on the connection goes first.

use std::sync::Arc;

use super::{Nowhere, Origin, Publisher, Unroutable};
use crate::broker::Broker;
use crate::broker::exchange::Exchange;
use crate::broker::transaction::{Failure, Transaction};
use crate::message::Message;
use crate::queue::{Effects, Queue};
use crate::store::Receipt;
use crate::wire::properties::Properties;

/// So often a message is routed anew because a queue on its way has just been deleted.
const TRIES: u32 = 3;

/// What the next flush is to tell of what was done before it.
#[derive(Default)]
pub(super) struct Early {
    pub receipt: Receipt,
    pub linked: bool,
    pub unroutable: Vec<Unroutable>,
}

/// One message, as it will be seen.
pub(super) struct Shown<'a> {
    pub message: Message,
    pub keys: &'a [&'a [u8]],
    pub origin: Origin,
}

impl Publisher {
    /// Places a message that has just been routed to `found`, unless it is a duplicate.
    #[cold]
    pub(super) fn publish_once(
        &mut self,
        broker: &Broker,
        exchange: &Arc<Exchange>,
        shown: Shown<'_>,
        mut found: Vec<Arc<Queue>>,
    ) -> Result<usize, Nowhere> {
        let Shown {
            message,
            keys,
            origin,
        } = shown;
        self.flush_early(broker);
        let mut tries = 0;
        loop {
            let (claims, echo) = self.walk.take_claims();
            self.early.receipt = self.early.receipt.max(echo);
            if found.is_empty() && !self.walk.has_dropped() {
                // What went early has its receipt told by the next flush.
                self.pending += 1;
                return Err(Nowhere {
                    body: message.body().to_vec(),
                });
            }
            let mut transaction = Transaction::default();
            for queue in &found {
                transaction.publish(queue, message.clone());
            }
            for claim in claims.iter().filter(|_| !found.is_empty()) {
                transaction.claim(claim, message.is_persistent());
            }
            let whole = origin.refusal().is_some();
            match transaction.commit_once(broker, broker.now(), whole, tries < TRIES) {
                Ok(receipt) => {
                    self.early.receipt = self.early.receipt.max(receipt);
                    self.early.linked |= receipt != Receipt::NOTHING;
                }
                Err(Failure::Refused) => self.refused.extend(origin.refusal()),
                Err(Failure::Again) => {
                    tries += 1;
                    let properties = Properties::new(message.properties());
                    let now = broker.now();
                    self.walk
                        .route_once(exchange, keys, properties, &mut found, now);
                    continue;
                }
            }
            self.pending += 1;
            return Ok(found.len());
        }
    }

    fn flush_early(&mut self, broker: &Broker) {
        if self.is_empty() {
            return;
        }
        let (mut wakers, mut unroutable) = (Effects::default(), Vec::new());
        let receipt = self.flush(broker, broker.now(), &mut wakers, &mut unroutable);
        wakers.wake();
        self.early.receipt = self.early.receipt.max(receipt);
        self.early.linked |= self.has_linked;
        self.early.unroutable.append(&mut unroutable);
    }
}
