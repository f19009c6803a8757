//! Vhosts: create, describe, delete.
//!
//! A deletion begins with a mark on disk and ends with the vhost's own record; in between its queues, exchanges and bindings go
//! one by one. Whoever is killed on the way goes on at the next start (`restore.rs` calls [`Broker::finish_deletion`]).

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::{Denied, Put};
use crate::broker::Broker;
use crate::broker::events::{Event, INTERNAL_USER};
use crate::broker::vhost::Vhost;
use crate::wire::reply::Reply;

/// What is said about a vhost besides its name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct VhostMetadata {
    /// What it is for.
    pub description: String,
    /// Labels.
    pub tags: Vec<String>,
    /// The type of durable queues that are declared without `x-queue-type`; classic where it is not said.
    pub default_queue_type: Option<String>,
    /// Whether its messages are copied to `amq.rabbitmq.trace`.
    pub tracing: bool,
    /// Whether it may not be deleted.
    pub protected: bool,
}

/// What RabbitMQ shows where no type is set; it means none when it is read, too.
const UNDEFINED: &str = "undefined";

impl VhostMetadata {
    /// Checked, and without the word for nothing.
    pub(in crate::broker) fn checked(mut self) -> Result<Self, Denied> {
        self.default_queue_type = self.default_queue_type.filter(|kind| kind != UNDEFINED);
        match self.default_queue_type.as_deref() {
            None | Some("classic" | "quorum" | "stream") => Ok(self),
            Some(_) => Err(Denied::bad("invalid_queue_type")),
        }
    }
}

impl Broker {
    /// Creates a vhost, or gives a known one another description, other tags and another default queue type. `tracing` of
    /// `None` leaves the firehose as it is.
    pub fn put_vhost(
        &self,
        name: &str,
        metadata: VhostMetadata,
        tracing: Option<bool>,
    ) -> Result<Put, Denied> {
        let _one = self.operating.lock();
        let metadata = super::check::vhost(name, metadata)?;
        if self.vhost(name).is_none() {
            self.check_room_for_vhosts(name, 1)?;
        }
        Ok(self.store_vhost(name, metadata, tracing))
    }

    /// Whether so many new vhosts, of which `name` is the last, are within `vhost_max`.
    pub(in crate::broker) fn check_room_for_vhosts(
        &self,
        name: &str,
        new: usize,
    ) -> Result<(), Denied> {
        match self.settings.vhosts_max {
            Some(most) if self.vhosts.read().len() + new > most => Err(Denied::bad(format!(
                "cannot create vhost '{name}': vhost limit of {most} is reached"
            ))),
            _ => Ok(()),
        }
    }

    /// Puts a checked vhost and writes it down. The caller holds the change.
    pub(in crate::broker) fn store_vhost(
        &self,
        name: &str,
        mut metadata: VhostMetadata,
        tracing: Option<bool>,
    ) -> Put {
        let known = self.vhost(name);
        if known.is_none() && metadata.default_queue_type.is_none() {
            metadata.default_queue_type = self.settings.vhost_defaults.queue_type.clone();
        }
        metadata.tracing =
            tracing.unwrap_or_else(|| known.as_ref().is_some_and(|vhost| vhost.metadata().tracing));
        let put = Put::of(known.is_none());
        let mut change = self.definitions.change();
        if known.is_none() {
            let event = || Event::new("vhost.created").text("name", name);
            change.tell(|| event().text("description", &metadata.description));
        }
        change.vhost(name, &metadata, false);
        match known {
            Some(vhost) => {
                vhost.set_metadata(metadata);
                change.commit();
            }
            None => {
                let vhost = self.new_vhost(name, metadata);
                self.link_vhost(Arc::clone(&vhost));
                change.commit();
                self.give_defaults(&vhost);
            }
        }
        put
    }

    pub(in crate::broker) fn link_vhost(&self, vhost: Arc<Vhost>) {
        self.vhosts.write().insert(Arc::clone(&vhost.name), vhost);
    }

    /// Switches the firehose of a vhost.
    pub fn set_tracing(&self, name: &str, tracing: bool) -> Result<(), Denied> {
        self.change_vhost(name, |metadata| metadata.tracing = tracing)
    }

    /// Protects a vhost from being deleted, or no longer.
    pub fn protect_vhost(&self, name: &str, protected: bool) -> Result<(), Denied> {
        self.change_vhost(name, |metadata| metadata.protected = protected)
    }

    fn change_vhost(
        &self,
        name: &str,
        edit: impl FnOnce(&mut VhostMetadata),
    ) -> Result<(), Denied> {
        let _one = self.operating.lock();
        let vhost = self.known_vhost(name)?;
        let mut metadata = vhost.metadata().as_ref().clone();
        edit(&mut metadata);
        let mut change = self.definitions.change();
        change.vhost(name, &metadata, false);
        vhost.set_metadata(metadata);
        change.commit();
        Ok(())
    }

    /// Deletes a vhost with everything in it and closes its connections.
    pub fn delete_vhost(&self, name: &str) -> Result<(), Denied> {
        let _one = self.operating.lock();
        let vhost = self.vhost(name).ok_or(Denied::NotFound)?;
        if vhost.metadata().protected {
            return Err(Denied::Protected(format!(
                "Refusing to delete virtual host '{name}' because it is protected from deletion"
            )));
        }
        {
            // Whoever declares holds this lock, too: nothing comes in after the mark.
            let _topology = vhost.bindings.lock();
            vhost.deleting.store(true, Ordering::Release);
            let mut change = self.definitions.change();
            change.vhost(name, &vhost.metadata(), true);
            change.commit();
        }
        self.finish_deletion(&vhost);
        Ok(())
    }

    /// Takes everything out of a vhost that is marked, then the vhost itself. Each queue is a lock hold of its own.
    pub(in crate::broker) fn finish_deletion(&self, vhost: &Arc<Vhost>) {
        let name = &vhost.name;
        let reply = Reply::vhost_deleted(name);
        self.registry
            .close_where(|connection| connection.vhost == *name, &reply);
        for queue in vhost.all_queues() {
            // One that somebody else deletes meanwhile is gone as well.
            let _ = vhost.remove_queue(self, &queue, false, false, INTERNAL_USER);
        }
        vhost.remove_exchanges();
        let mut change = self.definitions.change();
        vhost.forget_settings(&mut change);
        for (user, of, _) in self.users.all_permissions() {
            if of == *name {
                change.no_permission(&user, name);
            }
        }
        for (user, of, exchange, _) in self.users.all_topic_permissions() {
            if of == *name {
                change.no_topic_permission(&user, name, &exchange);
            }
        }
        change.no_vhost(name);
        self.users.forget_vhost(name);
        self.vhosts.write().remove(name);
        change.commit();
    }
}
