//! What a vhost's topology looks like from outside: copies for whoever lists it.

use std::sync::Arc;

use amq_protocol::types::FieldTable;

use super::bindings::{Binding, BindingKey};
use crate::broker::exchange::Exchange;
use crate::broker::vhost::Vhost;
use crate::exchange::Target;
use crate::queue::Queue;

/// One binding.
#[derive(Clone, Debug)]
pub struct BindingView {
    /// Name of its source; empty for the default exchange.
    pub source: Arc<str>,
    /// It leads to a queue, else to an exchange.
    pub to_queue: bool,
    /// Name of its destination.
    pub destination: Arc<str>,
    /// Its routing key.
    pub routing_key: Arc<str>,
    /// Its arguments.
    pub arguments: FieldTable,
}

impl BindingView {
    fn of(key: &BindingKey, binding: &Binding) -> Self {
        let (to_queue, destination) = match &binding.destination {
            Target::Queue(queue) => (true, &queue.spec.name),
            Target::Exchange(exchange) => (false, &exchange.name),
        };
        Self {
            source: Arc::clone(&binding.source.name),
            to_queue,
            destination: Arc::clone(destination),
            routing_key: Arc::clone(&key.routing_key),
            arguments: binding.arguments.clone(),
        }
    }

    /// What every queue has: the default exchange leads to it by its name.
    fn default_of(queue: &Queue) -> Self {
        Self {
            source: "".into(),
            to_queue: true,
            destination: Arc::clone(&queue.spec.name),
            routing_key: Arc::clone(&queue.spec.name),
            arguments: FieldTable::default(),
        }
    }
}

impl Vhost {
    /// All bindings, those of the default exchange included.
    pub fn all_bindings(&self) -> Vec<BindingView> {
        let queues = self.all_queues();
        let mut all: Vec<BindingView> = queues
            .iter()
            .map(|queue| BindingView::default_of(queue))
            .collect();
        let bindings = self.bindings.lock();
        let explicit = bindings.by_source.values().flatten();
        all.extend(explicit.map(|(key, binding)| BindingView::of(key, binding)));
        all
    }

    /// The bindings that start at an exchange.
    pub fn bindings_from(&self, source: &Exchange) -> Vec<BindingView> {
        if source.name.is_empty() {
            let queues = self.all_queues();
            return queues
                .iter()
                .map(|queue| BindingView::default_of(queue))
                .collect();
        }
        let bindings = self.bindings.lock();
        let own = bindings.by_source.get(&source.id).into_iter().flatten();
        own.map(|(key, binding)| BindingView::of(key, binding))
            .collect()
    }

    /// The bindings that lead to an exchange.
    pub fn bindings_to_exchange(&self, destination: &Exchange) -> Vec<BindingView> {
        self.bindings_to(destination.id)
    }

    /// The bindings that lead to a queue, that of the default exchange first.
    pub fn bindings_to_queue(&self, destination: &Queue) -> Vec<BindingView> {
        let mut all = vec![BindingView::default_of(destination)];
        all.extend(self.bindings_to(destination.spec.id));
        all
    }

    fn bindings_to(&self, destination: u64) -> Vec<BindingView> {
        let bindings = self.bindings.lock();
        let known = bindings.by_destination.get(&destination);
        let known = known.into_iter().flatten();
        known
            .filter_map(|(source, key)| {
                let binding = bindings.by_source.get(source)?.get(key)?;
                Some(BindingView::of(key, binding))
            })
            .collect()
    }
}
