//! Runtime parameters (component, vhost, name -> JSON) and global ones (name -> JSON). Policies are parameters to RabbitMQ, too, but
//! have verbs of their own.

use std::sync::Arc;

use serde_json::Value;

use super::limits::vhost_limit_faults;
use super::{Denied, Put, check_name};
use crate::broker::Broker;
use crate::broker::json::{VALUE_BYTES_MAX, check_value};
use crate::broker::vhost::Vhost;

/// The component of vhost limits.
pub const VHOST_LIMITS: &str = "vhost-limits";
/// The only name that counts in that component.
pub const LIMITS: &str = "limits";
/// The component of policies.
pub const POLICY: &str = "policy";
/// The component of operator policies.
pub const OPERATOR_POLICY: &str = "operator_policy";

/// The global parameter that names the cluster.
pub const CLUSTER_NAME: &str = "cluster_name";

/// One runtime parameter.
#[derive(Clone, Debug, PartialEq)]
pub struct Parameter {
    /// What it is for.
    pub component: Arc<str>,
    /// The vhost.
    pub vhost: Arc<str>,
    /// Its name.
    pub name: Arc<str>,
    /// What it says.
    pub value: Value,
}

/// Whether a parameter of that component may have that value.
pub(in crate::broker) fn check_parameter(
    component: &str,
    name: &str,
    value: &Value,
) -> Result<(), Denied> {
    check_name("parameter", name)?;
    check_value(value).map_err(|fault| Denied::validation(&[fault]))?;
    let faults = match component {
        POLICY | OPERATOR_POLICY => {
            return Err(Denied::bad("policies may not be set using this method"));
        }
        VHOST_LIMITS => vhost_limit_faults(value),
        other => vec![format!("component {other} not found")],
    };
    if faults.is_empty() {
        Ok(())
    } else {
        Err(Denied::validation(&faults))
    }
}

impl Broker {
    /// Sets a runtime parameter.
    pub fn put_parameter(
        &self,
        component: &str,
        vhost: &str,
        name: &str,
        value: Value,
    ) -> Result<Put, Denied> {
        let _one = self.operating.lock();
        let vhost = self.known_vhost(vhost)?;
        self.store_parameter(&vhost, component, name, value)
    }

    /// Checks a parameter, takes it over and writes it down. The caller holds the change.
    pub(in crate::broker) fn store_parameter(
        &self,
        vhost: &Vhost,
        component: &str,
        name: &str,
        value: Value,
    ) -> Result<Put, Denied> {
        check_parameter(component, name, &value)?;
        let mut change = self.definitions.change();
        change.parameter(component, &vhost.name, name, &value);
        let is_new = vhost.set_parameter(component, name, Some(value));
        change.commit();
        Ok(Put::of(is_new))
    }

    /// Clears a runtime parameter.
    pub fn clear_parameter(&self, component: &str, vhost: &str, name: &str) -> Result<(), Denied> {
        let _one = self.operating.lock();
        let vhost = self.known_vhost(vhost)?;
        if vhost.parameter(component, name).is_none() {
            return Err(Denied::NotFound);
        }
        let mut change = self.definitions.change();
        change.no_parameter(component, &vhost.name, name);
        vhost.set_parameter(component, name, None);
        change.commit();
        Ok(())
    }

    /// All runtime parameters but policies, by vhost, component and name. Operator policies, which RabbitMQ lists with them, are
    /// in [`Vhost::policies`].
    pub fn parameters(&self) -> Vec<Parameter> {
        let vhosts = self.all_vhosts();
        vhosts.iter().flat_map(|vhost| vhost.parameters()).collect()
    }

    /// A global parameter.
    pub fn global_parameter(&self, name: &str) -> Option<Value> {
        self.globals.read().get(name).cloned()
    }

    /// The cluster's name, where an operator has said one.
    pub fn cluster_name(&self) -> Option<String> {
        match self.globals.read().get(CLUSTER_NAME)? {
            Value::String(name) => Some(name.clone()),
            _ => None,
        }
    }

    /// All global parameters, by name.
    pub fn global_parameters(&self) -> Vec<(Arc<str>, Value)> {
        let globals = self.globals.read();
        globals
            .iter()
            .map(|(n, v)| (Arc::clone(n), v.clone()))
            .collect()
    }

    /// Sets a global parameter, which may be anything.
    pub fn put_global_parameter(&self, name: &str, value: Value) -> Result<Put, Denied> {
        let _one = self.operating.lock();
        self.store_global_parameter(name, value)
    }

    /// As [`put_global_parameter`](Self::put_global_parameter); the caller holds the change.
    pub(in crate::broker) fn store_global_parameter(
        &self,
        name: &str,
        value: Value,
    ) -> Result<Put, Denied> {
        check_name("parameter", name)?;
        check_value(&value).map_err(Denied::bad)?;
        let mut change = self.definitions.change();
        change.global_parameter(name, &value);
        let before = self.globals.write().insert(name.into(), value);
        change.commit();
        Ok(Put::of(before.is_none()))
    }

    /// Clears a global parameter.
    pub fn clear_global_parameter(&self, name: &str) -> Result<(), Denied> {
        let _one = self.operating.lock();
        if self.globals.write().remove(name).is_none() {
            return Err(Denied::NotFound);
        }
        let mut change = self.definitions.change();
        change.no_global_parameter(name);
        change.commit();
        Ok(())
    }
}

const _: () = assert!(VALUE_BYTES_MAX < u32::MAX as usize);
