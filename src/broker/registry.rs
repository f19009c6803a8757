//! The open connections: who they are, and how to reach them.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;

use crate::queue::mailbox::{Control, Mailbox};
use crate::wire::reply::Reply;

/// One open connection, as others see it.
pub struct Connection {
    /// Its id, which exclusive queues name as their owner.
    pub id: u64,
    /// How to reach it.
    pub mailbox: Arc<Mailbox>,
    /// Its user.
    pub user: Arc<str>,
    /// Its vhost.
    pub vhost: Arc<str>,
}

/// Why a connection may not open.
#[derive(Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The node has this many connections and may not have more.
    NodeLimit(usize),
}

/// All connections whose vhost is open.
#[derive(Default)]
pub struct Registry {
    open: Mutex<HashMap<u64, Arc<Connection>>>,
}

impl Registry {
    /// Adds a connection, unless there are `most`.
    pub fn add(&self, connection: Arc<Connection>, most: Option<usize>) -> Result<(), Refusal> {
        let mut open = self.open.lock();
        if let Some(most) = most.filter(|most| open.len() >= *most) {
            return Err(Refusal::NodeLimit(most));
        }
        open.insert(connection.id, connection);
        Ok(())
    }

    /// The connection has ended.
    pub fn remove(&self, id: u64) {
        self.open.lock().remove(&id);
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.open.lock().len()
    }

    fn all(&self) -> Vec<Arc<Connection>> {
        self.open.lock().values().cloned().collect()
    }

    /// An alarm was raised or cleared.
    pub fn announce_alarm(&self) {
        for connection in self.all() {
            connection.mailbox.control(Control::Alarm);
        }
    }

    /// The broker goes down.
    pub fn close_all(&self) {
        for connection in self.all() {
            connection
                .mailbox
                .control(Control::Close(Reply::shutdown()));
        }
    }
}
