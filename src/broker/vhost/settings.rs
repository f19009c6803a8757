//! What operators have said about a vhost: its metadata, its policies, its parameters. Read by whoever declares, opens or lists;
//! changed by `operator` alone, one change at a time.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use serde_json::Value;

use super::Vhost;
use crate::broker::definitions::Change;
use crate::broker::operator::VhostMetadata;
use crate::broker::operator::parameters::{LIMITS, Parameter, VHOST_LIMITS};
use crate::broker::operator::policies::Policies;

/// Runtime parameters by component and name.
pub type Parameters = BTreeMap<(Arc<str>, Arc<str>), Value>;

impl Vhost {
    /// What is said about it.
    pub fn metadata(&self) -> Arc<VhostMetadata> {
        Arc::clone(&self.metadata.read())
    }

    /// The type of queues that are declared without one, as it is shown.
    pub fn default_queue_type(&self) -> String {
        let metadata = self.metadata();
        let kind = metadata.default_queue_type.as_deref();
        kind.unwrap_or("classic").to_owned()
    }

    pub(in crate::broker) fn set_metadata(&self, metadata: VhostMetadata) {
        let traced = metadata.tracing;
        *self.metadata.write() = Arc::new(metadata);
        if self.traced.swap(traced, Ordering::AcqRel) != traced {
            // Remembered routes pass the firehose by.
            for exchange in self.all_exchanges() {
                exchange.invalidate();
            }
        }
    }

    /// Its policies as of now.
    pub fn policies(&self) -> Arc<Policies> {
        Arc::clone(&self.policies.read())
    }

    pub(in crate::broker) fn set_policies(&self, policies: Arc<Policies>) {
        *self.policies.write() = policies;
    }

    /// A runtime parameter.
    pub fn parameter(&self, component: &str, name: &str) -> Option<Value> {
        let parameters = self.parameters.read();
        parameters.get(&(component.into(), name.into())).cloned()
    }

    /// All runtime parameters.
    pub fn parameters(&self) -> Vec<Parameter> {
        let parameters = self.parameters.read();
        let one = |((component, name), value): (&(Arc<str>, Arc<str>), &Value)| Parameter {
            component: Arc::clone(component),
            vhost: Arc::clone(&self.name),
            name: Arc::clone(name),
            value: value.clone(),
        };
        parameters.iter().map(one).collect()
    }

    /// Sets or clears a checked parameter, and obeys it; returns whether it is new.
    pub(in crate::broker) fn set_parameter(
        &self,
        component: &str,
        name: &str,
        value: Option<Value>,
    ) -> bool {
        let mut parameters = self.parameters.write();
        if component == VHOST_LIMITS && name == LIMITS {
            self.limits.set(value.as_ref());
        }
        let key = (component.into(), name.into());
        match value {
            Some(value) => parameters.insert(key, value).is_none(),
            None => parameters.remove(&key).is_none(),
        }
    }

    /// Forgets policies and parameters: the vhost goes.
    pub(in crate::broker) fn forget_settings(&self, change: &mut Change<'_>) {
        let policies = self.policies();
        for operator in [false, true] {
            for policy in policies.of(operator) {
                change.no_policy(&self.name, operator, &policy.name);
            }
        }
        for parameter in self.parameters() {
            change.no_parameter(&parameter.component, &self.name, &parameter.name);
        }
        self.set_policies(Arc::default());
        self.parameters.write().clear();
    }
}
