//! The open connections: who they are, and how to reach them.

use std::collections::HashMap;
use std::net::SocketAddr;
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
    /// The client's end.
    pub peer: SocketAddr,
    /// This end.
    pub local: SocketAddr,
    /// When it was opened, milliseconds since the epoch.
    pub opened_ms: u64,
    /// How the user has logged in.
    pub mechanism: Box<str>,
    /// What the client says of itself, as a table's bytes.
    pub client_properties: Box<[u8]>,
    /// Channels that it may have.
    pub channel_max: u16,
    /// Bytes of a frame.
    pub frame_max: u32,
    /// Seconds between heartbeats; 0 is none.
    pub heartbeat_s: u16,
}

impl Connection {
    /// As RabbitMQ calls it, by its two ends.
    pub fn name(&self) -> String {
        let canonical = |end: SocketAddr| SocketAddr::new(end.ip().to_canonical(), end.port());
        format!("{} -> {}", canonical(self.peer), canonical(self.local))
    }
}

/// Why a connection may not open.
#[derive(Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The node has this many connections and may not have more.
    NodeLimit(u64),
    /// The vhost has.
    VhostLimit(u64),
    /// The user has.
    UserLimit(u64),
}

impl Refusal {
    /// The reply that says so.
    pub fn reply(&self, vhost: &str, user: &str) -> Reply {
        match *self {
            Self::NodeLimit(most) => Reply::node_connection_limit(most),
            Self::VhostLimit(most) => Reply::vhost_connection_limit(vhost, user, most),
            Self::UserLimit(most) => Reply::user_connection_limit(user, most),
        }
    }
}

/// Connections that may be open; `None` without end.
#[derive(Clone, Copy, Debug, Default)]
pub struct Most {
    /// On the node.
    pub node: Option<u64>,
    /// In the vhost.
    pub vhost: Option<u64>,
    /// Of the user.
    pub user: Option<u64>,
}

/// All connections whose vhost is open.
#[derive(Default)]
pub struct Registry {
    open: Mutex<Open>,
}

#[derive(Default)]
struct Open {
    connections: HashMap<u64, Arc<Connection>>,
    of_vhosts: HashMap<Arc<str>, u64>,
    of_users: HashMap<Arc<str>, u64>,
}

impl Open {
    /// In RabbitMQ's order: node, vhost, user.
    fn admits(&self, vhost: &str, user: &str, most: &Most) -> Result<(), Refusal> {
        let of =
            |counts: &HashMap<Arc<str>, u64>, name: &str| counts.get(name).copied().unwrap_or(0);
        let full = |open: u64, most: Option<u64>| most.filter(|most| open >= *most);
        if let Some(most) = full(self.connections.len() as u64, most.node) {
            return Err(Refusal::NodeLimit(most));
        }
        if let Some(most) = full(of(&self.of_vhosts, vhost), most.vhost) {
            return Err(Refusal::VhostLimit(most));
        }
        if let Some(most) = full(of(&self.of_users, user), most.user) {
            return Err(Refusal::UserLimit(most));
        }
        Ok(())
    }
}

fn count(counts: &mut HashMap<Arc<str>, u64>, name: &Arc<str>) {
    *counts.entry(Arc::clone(name)).or_default() += 1;
}

fn uncount(counts: &mut HashMap<Arc<str>, u64>, name: &Arc<str>) {
    if let Some(left) = counts.get_mut(name) {
        *left -= 1;
        if *left == 0 {
            counts.remove(name);
        }
    }
}

impl Registry {
    /// Whether one more connection of that user to that vhost may be there now.
    pub fn admits(&self, vhost: &str, user: &str, most: &Most) -> Result<(), Refusal> {
        self.open.lock().admits(vhost, user, most)
    }

    /// Adds a connection, unless there are as many as there may be.
    pub fn add(&self, connection: Arc<Connection>, most: &Most) -> Result<(), Refusal> {
        let mut open = self.open.lock();
        open.admits(&connection.vhost, &connection.user, most)?;
        count(&mut open.of_vhosts, &connection.vhost);
        count(&mut open.of_users, &connection.user);
        open.connections.insert(connection.id, connection);
        Ok(())
    }

    /// The connection has ended. Returns it, the first time.
    pub fn remove(&self, id: u64) -> Option<Arc<Connection>> {
        let mut open = self.open.lock();
        let connection = open.connections.remove(&id)?;
        uncount(&mut open.of_vhosts, &connection.vhost);
        uncount(&mut open.of_users, &connection.user);
        Some(connection)
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.open.lock().connections.len()
    }

    /// The connection of that id.
    pub fn get(&self, id: u64) -> Option<Arc<Connection>> {
        self.open.lock().connections.get(&id).cloned()
    }

    /// All of them, in no order.
    pub fn all(&self) -> Vec<Arc<Connection>> {
        self.open.lock().connections.values().cloned().collect()
    }

    /// An alarm was raised or cleared.
    pub fn announce_alarm(&self) {
        for connection in self.all() {
            connection.mailbox.control(Control::Alarm);
        }
    }

    /// Tells the connections that `which` picks to close.
    pub fn close_where(&self, which: impl Fn(&Connection) -> bool, reply: &Reply) {
        for connection in self.all() {
            if which(&connection) {
                connection.mailbox.control(Control::Close(reply.clone()));
            }
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
