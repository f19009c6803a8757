//! Waiting on a blocking thread for what happens elsewhere, and not for ever.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use tokio::runtime::Handle;

use super::Refusal;
use crate::broker::Broker;
use crate::queue::mailbox::Mailbox;
use crate::store::{Due, Receipt};

/// Longest wait for the disk.
const PATIENCE: Duration = Duration::from_secs(30);

/// Until what the receipt stands for is safe.
pub fn for_disk(broker: &Broker, receipt: Receipt) -> Result<(), Refusal> {
    let journal = broker.journal();
    let due = until(poll_fn(|cx| match journal.is_due(receipt) {
        Due::No => {
            journal.wait(receipt, cx.waker());
            match journal.is_due(receipt) {
                Due::No => Poll::Pending,
                due => Poll::Ready(due),
            }
        }
        due => Poll::Ready(due),
    }))?;
    match due {
        Due::Yes => Ok(()),
        _ => Err(Refusal::unavailable(
            "what was asked for could not be written to disk",
        )),
    }
}

/// Until the mailbox has a word; it is taken out.
pub fn for_mail(mailbox: &Arc<Mailbox>) -> Result<(), Refusal> {
    until(poll_fn(|cx| mailbox.poll(false, cx)))?;
    mailbox.drain(false, Vec::new());
    Ok(())
}

fn until<T>(event: impl Future<Output = T>) -> Result<T, Refusal> {
    let waited = Handle::current().block_on(async { tokio::time::timeout(PATIENCE, event).await });
    waited.map_err(|_| Refusal::unavailable("the disk takes too long"))
}
