//! tx.select, commit, rollback: publishes and settles kept until the commit. Routing and its errors happen at the publish.

use std::sync::Arc;

use amq_protocol::protocol::{AMQPClass, tx};

use super::{Channel, Mode, Unacked};
use crate::broker::transaction::Transaction;
use crate::connection::context::{Context, NO_ROUTE};
use crate::connection::output::Output;
use crate::message::Message;
use crate::queue::{Outcome, Queue};
use crate::wire::method;
use crate::wire::reply::Reply;

/// What one transaction of a channel has collected.
#[derive(Default)]
pub struct Tx {
    publishes: Vec<(Message, Vec<Arc<Queue>>)>,
    /// Mandatory messages without a route, to be returned at the commit.
    returns: Vec<Message>,
    settles: Vec<(Unacked, Outcome)>,
    bytes: usize,
}

/// Bytes of uncommitted publishes that one channel may hold.
const UNCOMMITTED_BYTES_MAX: usize = 256 << 20;

impl Tx {
    /// Keeps a message for the queues that it was routed to.
    pub fn publish(&mut self, message: Message, queues: Vec<Arc<Queue>>) -> Result<(), Reply> {
        self.count(message.memory())?;
        self.publishes.push((message, queues));
        Ok(())
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
            publishes,
            returns,
            settles,
            ..
        } = std::mem::take(tx.as_mut());
        let mut transaction = Transaction::default();
        for (message, queues) in publishes {
            for queue in queues {
                transaction.publish(&queue, message.clone());
            }
        }
        for (unacked, outcome) in &settles {
            transaction.settle(cx.queues.get(unacked.queue), unacked.sequence, *outcome);
        }
        let Ok(receipt) = transaction.commit(&cx.broker, cx.now) else {
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
        let counted = settles.iter().filter(|(one, _)| one.counted).count();
        self.free(cx, counted as u32);
        // commit-ok is sent once all of it is on disk.
        out.gate(receipt, cx.broker.journal());
        for (unacked, _) in settles {
            cx.queues.release(unacked.queue, 1);
        }
        cx.flush_settles();
        Ok(())
    }
}
