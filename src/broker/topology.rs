//! Declare, bind, delete, and their rules: what changes a vhost's topology, one change at a time.
//!
//! Every verb that changes something checks permission before existence, as RabbitMQ does, and answers with RabbitMQ's texts
//! (BEHAVIOURS 2.3, 3, 4).
//! Holds the vhost's bindings lock for the whole change; queue locks are taken below it, never the other way round. One file for
//! each kind of thing; here is what they share.

mod bindings;
mod exchanges;
mod import;
mod queues;
mod views;

use std::borrow::Cow;
use std::sync::Arc;

pub use self::bindings::{BindTo, Bindings};
pub use self::exchanges::DeclareExchange;
pub(in crate::broker) use self::import::{NewBinding, NewExchange, NewQueue};
pub use self::queues::{DeclareQueue, Declared};
pub use self::views::BindingView;
use super::exchange::Exchange;
use super::random;
use super::vhost::Vhost;
use crate::queue::Queue;
use crate::wire::reply::Reply;

/// RabbitMQ strips CR and LF from names in declare, bind and delete.
pub fn clean_name(name: &str) -> Cow<'_, str> {
    if name.contains(['\r', '\n']) {
        name.replace(['\r', '\n'], "").into()
    } else {
        name.into()
    }
}

/// A name that the broker makes: `prefix` and 22 characters that nobody guesses.
pub fn generated_name(prefix: &str) -> String {
    use base64::Engine;
    let mut bytes = [0u8; 16];
    random(&mut bytes);
    format!(
        "{prefix}{}",
        base64::prelude::BASE64_URL_SAFE_NO_PAD.encode(bytes)
    )
}

impl Vhost {
    fn no_exchange(&self, name: &str) -> Reply {
        Reply::not_found_exchange(name, &self.name)
    }

    fn no_queue(&self, name: &str) -> Reply {
        Reply::not_found_queue(name, &self.name)
    }

    /// The queue of that name, if this connection may use it: 404, or 405 for another connection's exclusive queue.
    pub fn usable_queue(&self, name: &str, connection: u64) -> Result<Arc<Queue>, Reply> {
        let queue = self.queue(name).ok_or_else(|| self.no_queue(name))?;
        self.check_owner(&queue, connection)?;
        Ok(queue)
    }

    fn check_owner(&self, queue: &Queue, connection: u64) -> Result<(), Reply> {
        match queue.spec.owner {
            Some(owner) if owner != connection => {
                Err(Reply::resource_locked(&queue.spec.name, &self.name))
            }
            _ => Ok(()),
        }
    }

    /// The exchange of that name, or 404.
    pub fn existing_exchange(&self, name: &str) -> Result<Arc<Exchange>, Reply> {
        self.exchange(name).ok_or_else(|| self.no_exchange(name))
    }
}
