//! How much a vhost or a user may have: set, clear, list. What is enforced: `max-connections` and `max-queues` of a vhost,
//! `max-connections` and `max-channels` of a user. A negative limit is none.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use serde_json::{Map, Value};

use super::Denied;
use super::parameters::{LIMITS, VHOST_LIMITS};
use crate::auth::UserLimits;
use crate::broker::Broker;
use crate::broker::json::printed;

/// Connections of a vhost or a user.
pub const MAX_CONNECTIONS: &str = "max-connections";
/// Queues of a vhost.
pub const MAX_QUEUES: &str = "max-queues";
/// Channels of a user, of all connections together.
pub const MAX_CHANNELS: &str = "max-channels";

/// A vhost's limits as they are enforced; what is shown is the parameter `vhost-limits`.
#[derive(Debug)]
pub struct VhostLimits {
    connections: AtomicI64,
    queues: AtomicI64,
}

impl Default for VhostLimits {
    fn default() -> Self {
        Self {
            connections: AtomicI64::new(-1),
            queues: AtomicI64::new(-1),
        }
    }
}

impl VhostLimits {
    /// Connections that may be open; `None` without end.
    pub fn connections_most(&self) -> Option<u64> {
        u64::try_from(self.connections.load(Ordering::Acquire)).ok()
    }

    /// Queues that may be there; `None` without end.
    pub fn queues_most(&self) -> Option<u64> {
        u64::try_from(self.queues.load(Ordering::Acquire)).ok()
    }

    /// Takes over a checked value of the parameter; `None` when it is gone.
    pub(in crate::broker) fn set(&self, value: Option<&Value>) {
        let of = |name| {
            value
                .and_then(|value| value.get(name)?.as_i64())
                .unwrap_or(-1)
        };
        self.connections
            .store(of(MAX_CONNECTIONS), Ordering::Release);
        self.queues.store(of(MAX_QUEUES), Ordering::Release);
    }
}

/// The faults of a value of the parameter `vhost-limits`, in RabbitMQ's words.
pub(super) fn vhost_limit_faults(value: &Value) -> Vec<String> {
    let fields = match value {
        Value::Object(fields) => fields,
        // Erlang's empty map and empty list look alike in RabbitMQ's exports.
        Value::Array(items) if items.is_empty() => return Vec::new(),
        other => return vec![format!("limits not a list {}", printed(other))],
    };
    let known = [MAX_CONNECTIONS, MAX_QUEUES];
    let mut faults: Vec<String> = known
        .iter()
        .filter_map(|name| not_a_number(name, fields.get(*name)?))
        .collect();
    if let Some(terms) = unrecognised(fields, &known) {
        faults.push(format!("Unrecognised terms {terms} in limits"));
    }
    faults
}

fn not_a_number(name: &str, value: &Value) -> Option<String> {
    value
        .as_i64()
        .is_none()
        .then(|| format!("{name} should be a number, actually was {}", printed(value)))
}

fn unrecognised(fields: &Map<String, Value>, known: &[&str]) -> Option<String> {
    let others: Map<String, Value> = fields
        .iter()
        .filter(|(name, _)| !known.contains(&name.as_str()))
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect();
    (!others.is_empty()).then(|| crate::broker::json::proplist(&others))
}

/// `max-connections` and `max-channels` of a user, checked.
pub(in crate::broker) fn check_user_limits(
    fields: &Map<String, Value>,
) -> Result<(Option<i64>, Option<i64>), Denied> {
    let known = [MAX_CONNECTIONS, MAX_CHANNELS];
    let fault = known
        .iter()
        .find_map(|name| not_a_number(name, fields.get(*name)?));
    if let Some(fault) = fault {
        return Err(Denied::bad(fault));
    }
    if let Some(terms) = unrecognised(fields, &known) {
        return Err(Denied::bad(format!(
            "Unrecognised terms {terms} in user-limits"
        )));
    }
    let of = |name| fields.get(name).and_then(Value::as_i64);
    Ok((of(MAX_CONNECTIONS), of(MAX_CHANNELS)))
}

/// A user's limits as they are shown.
pub fn shown(limits: &UserLimits) -> Map<String, Value> {
    [
        (MAX_CHANNELS, limits.channels()),
        (MAX_CONNECTIONS, limits.connections()),
    ]
    .into_iter()
    .filter_map(|(name, value)| Some((name.to_owned(), value?.into())))
    .collect()
}

impl Broker {
    /// Sets one limit of a vhost.
    pub fn set_vhost_limit(&self, vhost: &str, name: &str, value: &Value) -> Result<(), Denied> {
        self.change_vhost_limits(vhost, |limits| {
            limits.insert(name.to_owned(), value.clone());
        })
    }

    /// Clears one limit of a vhost. One that is not set is cleared.
    pub fn clear_vhost_limit(&self, vhost: &str, name: &str) -> Result<(), Denied> {
        self.change_vhost_limits(vhost, |limits| {
            limits.remove(name);
        })
    }

    fn change_vhost_limits(
        &self,
        vhost: &str,
        change: impl FnOnce(&mut Map<String, Value>),
    ) -> Result<(), Denied> {
        let _one = self.operating.lock();
        let known = self.known_vhost(vhost)?;
        let mut limits = match known.parameter(VHOST_LIMITS, LIMITS) {
            Some(Value::Object(limits)) => limits,
            _ => Map::new(),
        };
        change(&mut limits);
        self.store_parameter(&known, VHOST_LIMITS, LIMITS, Value::Object(limits))?;
        Ok(())
    }

    /// The limits of all vhosts that have any, by name.
    pub fn vhost_limits(&self) -> BTreeMap<Arc<str>, Map<String, Value>> {
        self.all_vhosts()
            .iter()
            .filter_map(|vhost| match vhost.parameter(VHOST_LIMITS, LIMITS) {
                Some(Value::Object(limits)) if !limits.is_empty() => {
                    Some((Arc::clone(&vhost.name), limits))
                }
                _ => None,
            })
            .collect()
    }

    /// Sets one limit of a user.
    pub fn set_user_limit(&self, user: &str, name: &str, value: &Value) -> Result<(), Denied> {
        let one = Map::from_iter([(name.to_owned(), value.clone())]);
        check_user_limits(&one)?;
        self.change_user_limits(user, |limits| {
            limits.insert(name.to_owned(), value.clone());
        })
    }

    /// Clears one limit of a user. One that is not set is cleared.
    pub fn clear_user_limit(&self, user: &str, name: &str) -> Result<(), Denied> {
        self.change_user_limits(user, |limits| {
            limits.remove(name);
        })
    }

    fn change_user_limits(
        &self,
        name: &str,
        change: impl FnOnce(&mut Map<String, Value>),
    ) -> Result<(), Denied> {
        let _one = self.operating.lock();
        let user = self
            .users
            .user(name)
            .ok_or_else(|| Denied::Bad(Value::Array(vec!["no_such_user".into(), name.into()])))?;
        let mut limits = shown(&user.limits);
        change(&mut limits);
        let (connections, channels) = check_user_limits(&limits)?;
        user.limits.set(connections, channels);
        let mut change = self.definitions.change();
        change.user(&user);
        change.commit();
        Ok(())
    }

    /// The limits of all users that have any, by name.
    pub fn user_limits(&self) -> BTreeMap<Arc<str>, Map<String, Value>> {
        self.users
            .all()
            .iter()
            .map(|user| (Arc::clone(&user.name), shown(&user.limits)))
            .filter(|(_, limits)| !limits.is_empty())
            .collect()
    }
}
