//! tx.select, commit, rollback: publishes and settles kept until the commit. Routing and its errors happen at the publish.

use std::collections::HashSet;
use std::sync::Arc;

use amq_protocol::protocol::{AMQPClass, tx};
use smallvec::SmallVec;

use super::{Channel, Mode, Unacked};
use crate::broker::transaction::{Failure, Transaction};
use crate::broker::vhost::{Claim, Walk};
use crate::connection::context::{Context, NO_ROUTE};
use crate::connection::output::Output;
use crate::exchange::extra_keys;
use crate::message::Message;
use crate::queue::{Outcome, Queue};
use crate::store::Receipt;
use crate::store::seen::Id;
use crate::wire::method;
use crate::wire::properties::Properties;
use crate::wire::reply::Reply;

/// What one transaction of a channel has collected.
#[derive(Default)]
pub struct Tx {
    publishes: Vec<Routed>,
    /// Mandatory messages without a route, to be returned at the commit.
    returns: Vec<Message>,
    settles: Vec<(Unacked, Outcome)>,
    bytes: usize,
    /// Windows and ids that its publishes claim.
    claimed: HashSet<(u64, Id)>,
    /// What the messages wait for that its duplicates repeat.
    echo: Receipt,
}

/// A message and where it goes.
struct Routed {
    message: Message,
    queues: Vec<Arc<Queue>>,
    claims: Claims,
}

type Claims = SmallVec<[Claim; 1]>;

impl Routed {
    /// Routes it once more: somebody else has published its id meanwhile.
    fn again(&mut self, tx: &mut Tx, walk: &mut Walk, now: u64) {
        let message = &self.message;
        let exchange = std::str::from_utf8(message.exchange())
            .ok()
            .and_then(|name| walk.vhost().exchange(name));
        let Some(exchange) = exchange else {
            // It is a duplicate somewhere on a way that is not there any more.
            self.claims.clear();
            self.queues.clear();
            return;
        };
        let properties = Properties::new(message.properties());
        let extra = extra_keys(properties).unwrap_or_default();
        let mut keys = extra.after(message.routing_key());
        keys.extend(message.hidden_keys());
        tx.lend_claimed(walk);
        walk.route_once(&exchange, &keys, properties, &mut self.queues, now);
        self.claims = tx.take_claims(walk, !self.queues.is_empty());
    }
}

/// Bytes of uncommitted publishes that one channel may hold.
const UNCOMMITTED_BYTES_MAX: usize = 256 << 20;

impl Tx {
    /// Keeps a message for the queues that it was routed to.
    pub fn publish(
        &mut self,
        message: Message,
        queues: Vec<Arc<Queue>>,
        claims: Claims,
    ) -> Result<(), Reply> {
        self.count(message.memory())?;
        self.publishes.push(Routed {
            message,
            queues,
            claims,
        });
        Ok(())
    }

    /// What it has claimed is known to the next message.
    pub fn lend_claimed(&mut self, walk: &mut Walk) {
        *walk.claimed() = std::mem::take(&mut self.claimed);
    }

    /// After that message was routed: its claims, if it has somewhere to go.
    pub fn take_claims(&mut self, walk: &mut Walk, goes: bool) -> Claims {
        self.claimed = std::mem::take(walk.claimed());
        let (mut claims, echo) = walk.take_claims();
        self.echo = self.echo.max(echo);
        if !goes {
            claims.clear();
        }
        let claimed = claims.iter().map(|one| (one.window.spec.id, one.id));
        self.claimed.extend(claimed);
        claims
    }

    /// Keeps a message that is to be returned.
    pub fn return_later(&mut self, message: Message) -> Result<(), Reply> {
        self.count(message.memory())?;
        self.returns.push(message);
        Ok(())
    }

    fn count(&mut self, bytes: usize) -> Result<(), Reply> {
        self.bytes += bytes;
        if self.bytes > UNCOMMITTED_BYTES_MAX {
            return Err(Reply::resource_error(
                "uncommitted publishes of one channel exceed 256 MiB",
            ));
        }
        Ok(())
    }

    /// Keeps a settle.
    pub fn settle(&mut self, unacked: Unacked, outcome: Outcome) {
        self.settles.push((unacked, outcome));
    }

    /// Publishes and settles that wait.
    pub fn waiting(&self) -> (usize, usize) {
        (
            self.publishes.len() + self.returns.len(),
            self.settles.len(),
        )
    }

    /// Takes the settles out: they did not happen.
    pub fn take_settles(&mut self) -> Vec<Unacked> {
        std::mem::take(&mut self.settles)
            .into_iter()
            .map(|(unacked, _)| unacked)
            .collect()
    }
}

impl Channel {
    pub(super) fn tx(
        &mut self,
        cx: &mut Context,
        out: &mut Output,
        payload: &[u8],
        method: &tx::AMQPMethod,
    ) -> Result<(), Reply> {
        let ok = match method {
            tx::AMQPMethod::Select(_) => {
                match self.mode {
                    Mode::Confirm => return Err(Reply::confirm_to_tx()),
                    Mode::Plain => self.mode = Mode::Tx(Box::default()),
                    Mode::Tx(_) => {}
                }
                tx::AMQPMethod::SelectOk(tx::SelectOk {})
            }
            tx::AMQPMethod::Commit(_) => {
                self.commit(cx, out)?;
                tx::AMQPMethod::CommitOk(tx::CommitOk {})
            }
            tx::AMQPMethod::Rollback(_) => {
                let Mode::Tx(tx) = &mut self.mode else {
                    return Err(Reply::not_transactional());
                };
                let settles = std::mem::take(tx.as_mut()).take_settles();
                self.unacked.restore(settles);
                tx::AMQPMethod::RollbackOk(tx::RollbackOk {})
            }
            _ => return Err(super::unexpected(payload)),
        };
        self.send(out, &AMQPClass::Tx(ok));
        Ok(())
    }

    fn commit(&mut self, cx: &mut Context, out: &mut Output) -> Result<(), Reply> {
        let Mode::Tx(tx) = &mut self.mode else {
            return Err(Reply::not_transactional());
        };
        let Tx {
            mut publishes,
            returns,
            settles,
            mut echo,
            ..
        } = std::mem::take(tx.as_mut());
        let done = loop {
            let mut transaction = Transaction::default();
            for routed in &publishes {
                for queue in &routed.queues {
                    transaction.publish(queue, routed.message.clone());
                }
                for claim in &routed.claims {
                    transaction.claim(claim, routed.message.is_persistent());
                }
            }
            for (unacked, outcome) in &settles {
                transaction.settle(cx.queues.get(unacked.queue), unacked.sequence, *outcome);
            }
            let done = transaction.commit_once(&cx.broker, cx.now, true, false);
            if done != Err(Failure::Again) {
                break done;
            }
            let (mut anew, mut walk) = (Tx::default(), Walk::new(cx.vhost.clone()));
            for routed in publishes.iter_mut().filter(|one| !one.claims.is_empty()) {
                routed.again(&mut anew, &mut walk, cx.now);
            }
            echo = echo.max(anew.echo);
        };
        let Ok(receipt) = done else {
            let settles = settles.into_iter().map(|(unacked, _)| unacked).collect();
            self.unacked.restore(settles);
            return Err(Reply::partial_tx());
        };
        for message in returns {
            method::write_return(
                out.bytes(),
                self.number,
                NO_ROUTE,
                "NO_ROUTE",
                message.names(),
            );
            out.content(self.number, &message, cx.tuned.frame_max);
        }
        let counted = settles.iter().map(|(one, _)| Self::uncount(cx, one)).sum();
        self.free(cx, counted);
        // commit-ok is sent once all of it is on disk.
        out.gate(receipt.max(echo), cx.broker.journal());
        for (unacked, _) in settles {
            cx.queues.release(unacked.queue, 1);
        }
        cx.flush_settles();
        Ok(())
    }
}
