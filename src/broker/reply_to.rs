//! Direct reply-to: addresses that lead straight to a channel's mailbox, without a queue.
//!
//! A channel that consumes `amq.rabbitmq.reply-to` gets an address; its publishes' reply-to is rewritten to it; whoever
//! publishes to the default exchange with that address as routing key reaches the channel, or nobody. At most once, nothing kept.

use std::collections::HashMap;
use std::sync::Arc;

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use parking_lot::RwLock;

use crate::message::Message;
use crate::queue::mailbox::{Control, Mailbox};

/// A channel of the connection with this mailbox.
type Asker = (Arc<Mailbox>, u16);

/// All live reply addresses of the broker.
#[derive(Default)]
pub struct ReplyAddresses {
    addresses: RwLock<HashMap<Box<[u8]>, Asker, ahash::RandomState>>,
}

impl ReplyAddresses {
    /// The queue name that clients consume.
    pub const QUEUE: &'static str = "amq.rabbitmq.reply-to";
    /// What every address begins with.
    pub const PREFIX: &'static str = "amq.rabbitmq.reply-to.";

    /// A new address, not to be guessed, for a channel of the connection with this mailbox.
    pub fn open(&self, mailbox: &Arc<Mailbox>, channel: u16) -> Arc<str> {
        let mut secret = [0u8; 24];
        crate::broker::random(&mut secret);
        let address: Arc<str> =
            format!("{}{}", Self::PREFIX, BASE64_URL_SAFE_NO_PAD.encode(secret)).into();
        self.addresses
            .write()
            .insert(address.as_bytes().into(), (Arc::clone(mailbox), channel));
        address
    }

    /// The channel has closed or cancelled.
    pub fn close(&self, address: &str) {
        self.addresses.write().remove(address.as_bytes());
    }

    /// Whether anybody listens there.
    pub fn is_open(&self, address: &[u8]) -> bool {
        self.addresses.read().contains_key(address)
    }

    /// Sends a reply; false when nobody listens.
    pub fn send(&self, address: &[u8], message: Message) -> bool {
        let target = self.addresses.read().get(address).cloned();
        match target {
            Some((mailbox, channel)) => {
                mailbox.control(Control::DirectReply { channel, message });
                true
            }
            None => false,
        }
    }
}
