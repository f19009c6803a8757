//! What every new vhost gets, from the configuration to the broker. `core` calls.

use serde_json::Map;

use crate::auth::Permission;
use crate::broker::operator::VhostDefaults;
use crate::config::{Config, PolicyValue};

/// The broker's defaults; a fault is named by its key.
pub fn of_vhosts(config: &Config) -> Result<VhostDefaults, String> {
    let given = &config.vhost_defaults;
    let mut defaults = VhostDefaults::default();
    defaults.queue_type.clone_from(&given.queue_type);
    for limits in &given.limits {
        let (connections, queues) = (limits.connections, limits.queues);
        defaults
            .limit(&limits.pattern, connections, queues)
            .map_err(|denied| format!("default_limits.vhosts: {denied}"))?;
    }
    for policy in &given.policies {
        let values = policy.definition.iter().map(|(key, value)| {
            let value = match value {
                PolicyValue::Number(number) => (*number).into(),
                PolicyValue::Text(text) => text.as_str().into(),
            };
            (key.clone(), value)
        });
        let definition: Map<_, _> = values.collect();
        let name = &policy.name;
        defaults
            .policy(name, &policy.vhosts, &policy.queues, definition)
            .map_err(|denied| format!("default_policies.operator.{name}: {denied}"))?;
    }
    for user in &config.users {
        let Some((vhosts, given)) = &user.later else {
            continue;
        };
        let fault = |why: String| format!("default_users.{}: {why}", user.name);
        let permission = Permission::new(&given.configure, &given.write, &given.read)
            .map_err(|error| fault(error.to_string()))?;
        defaults
            .permission(&user.name, vhosts, permission)
            .map_err(|denied| fault(denied.to_string()))?;
    }
    Ok(defaults)
}
