//! What an operator changes while the broker runs: vhosts, users, permissions, limits, parameters, policies. One noun a file.
//!
//! Every verb here checks first, changes the broker, and writes the change to the journal in one append; whoever reports success
//! waits for [`Broker::settled`] (or the receipt of [`super::definitions::Definitions`]). One change at a time, under
//! [`Operating`]. A verb may visit every queue of a vhost, in bounded lock holds: call it where it does not keep a task of
//! connections waiting. A refusal is [`Denied`], which says what RabbitMQ's HTTP API would.

pub mod check;
mod defaults;
pub(in crate::broker) mod limits;
pub mod parameters;
mod permissions;
pub mod policies;
mod users;
mod vhosts;

use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;

use parking_lot::Mutex;
use serde_json::Value;

pub use self::defaults::VhostDefaults;
pub use self::limits::{
    MAX_CHANNELS, MAX_CONNECTIONS, MAX_QUEUES, VhostLimits, shown as shown_limits,
};
pub use self::users::{Password, UserSpec, tags_of};
pub use self::vhosts::VhostMetadata;
use super::Broker;
use super::vhost::Vhost;
use crate::store::Due;
use crate::wire::limits::SHORT_STRING_BYTES_MAX;

/// Held for the whole of a change. Taken before every other lock.
pub type Operating = Mutex<()>;

/// Why a change was refused.
#[derive(Clone, Debug, PartialEq)]
pub enum Denied {
    /// There is no such object: 404 `Object Not Found`.
    NotFound,
    /// There is no such vhost: 404 `vhost_not_found`.
    NoVhost,
    /// What was asked for is wrong: 400 `bad_request` with this reason, a text or an array.
    Bad(Value),
    /// It is protected: 412 `precondition_failed` with this reason.
    Protected(String),
    /// The disk does not take it.
    Lost,
}

impl Denied {
    /// A bad request with that reason.
    pub fn bad(reason: impl Into<String>) -> Self {
        Self::Bad(Value::String(reason.into()))
    }

    /// What parameters and policies are refused with: a line for each fault.
    pub fn validation(faults: &[String]) -> Self {
        Self::bad(format!("Validation failed\n\n{}\n", faults.join("\n")))
    }

    /// A field is missing in what was asked for.
    pub fn missing(field: &str) -> Self {
        Self::bad(format!("[{{key_missing,{field}}}]"))
    }
}

impl std::fmt::Display for Denied {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::NotFound => f.write_str("not found"),
            Self::NoVhost => f.write_str("vhost_not_found"),
            Self::Bad(Value::String(text)) => f.write_str(text.trim_end()),
            Self::Bad(value) => write!(f, "{value}"),
            Self::Protected(reason) => f.write_str(reason),
            Self::Lost => f.write_str("the disk does not take it"),
        }
    }
}

impl std::error::Error for Denied {}

/// What a successful put did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Put {
    /// The object is new: 201.
    Created,
    /// It was there: 204.
    Updated,
}

impl Put {
    fn of(is_new: bool) -> Self {
        if is_new { Self::Created } else { Self::Updated }
    }
}

/// A name that a user of AMQP can say, and that fits a key on disk.
pub(super) fn check_name(what: &str, name: &str) -> Result<(), Denied> {
    if name.is_empty() {
        return Err(Denied::bad(format!("{what} name must not be empty")));
    }
    if name.len() > SHORT_STRING_BYTES_MAX {
        return Err(Denied::bad(format!(
            "{what} name is longer than {SHORT_STRING_BYTES_MAX} bytes"
        )));
    }
    Ok(())
}

impl Broker {
    /// The vhost of that name, or the refusal that says that there is none.
    pub fn known_vhost(&self, name: &str) -> Result<Arc<Vhost>, Denied> {
        self.vhost(name).ok_or(Denied::NoVhost)
    }

    /// Waits until everything defined so far is on disk.
    ///
    /// # Errors
    /// [`Denied::Lost`] when the disk has failed.
    pub async fn settled(&self) -> Result<(), Denied> {
        let receipt = self.definitions.receipt();
        poll_fn(|context| {
            let due = |journal: &crate::store::Journal| match journal.is_due(receipt) {
                Due::Yes => Some(Ok(())),
                Due::Lost => Some(Err(Denied::Lost)),
                Due::No => None,
            };
            if let Some(done) = due(&self.journal) {
                return Poll::Ready(done);
            }
            self.journal.wait(receipt, context.waker());
            // It may have become due between the look and the wait.
            due(&self.journal).map_or(Poll::Pending, Poll::Ready)
        })
        .await
    }
}

#[cfg(test)]
mod tests;
