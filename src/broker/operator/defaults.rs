//! What every new vhost gets without being asked: a queue type, limits, operator policies, permissions of users. The configuration
//! says which (`default_queue_type`, `default_limits`, `default_policies`, `default_users`); vhosts that are there stay as they are.

use std::sync::Arc;

use serde_json::{Map, Value};

use super::Denied;
use super::limits::{MAX_CONNECTIONS, MAX_QUEUES};
use super::parameters::{LIMITS, VHOST_LIMITS};
use super::policies::Policy;
use crate::auth::{Pattern, Permission};
use crate::broker::Broker;
use crate::broker::vhost::Vhost;

/// See the module. Of several limits the first whose pattern matches counts, of all else every one.
#[derive(Debug, Default)]
pub struct VhostDefaults {
    /// Its queue type, where whoever makes it does not say one.
    pub queue_type: Option<String>,
    limits: Vec<(Pattern, Map<String, Value>)>,
    policies: Vec<(Pattern, Arc<Policy>)>,
    permissions: Vec<(Pattern, Arc<str>, Permission)>,
}

fn pattern(text: &str) -> Result<Pattern, Denied> {
    Pattern::of_policy(text).map_err(|error| Denied::bad(error.reason))
}

impl VhostDefaults {
    /// Limits of vhosts whose names match; `None` is none.
    ///
    /// # Errors
    /// The pattern is none.
    pub fn limit(
        &mut self,
        vhosts: &str,
        connections: Option<u64>,
        queues: Option<u64>,
    ) -> Result<(), Denied> {
        let given = [(MAX_CONNECTIONS, connections), (MAX_QUEUES, queues)];
        let limits = given
            .into_iter()
            .filter_map(|(name, most)| Some((name.to_owned(), most?.into())));
        self.limits.push((pattern(vhosts)?, limits.collect()));
        Ok(())
    }

    /// How many queues a vhost of that name may have; `None` without end.
    pub(in crate::broker) fn queues_most(&self, vhost: &str) -> Option<u64> {
        let mut limits = self.limits.iter();
        let (_, limits) = limits.find(|(vhosts, _)| vhosts.matches(vhost.as_bytes()))?;
        limits.get(MAX_QUEUES)?.as_u64()
    }

    /// An operator policy in vhosts whose names match, for the queues of that pattern.
    ///
    /// # Errors
    /// As an operator's, who sets such a policy.
    pub fn policy(
        &mut self,
        name: &str,
        vhosts: &str,
        queues: &str,
        definition: Map<String, Value>,
    ) -> Result<(), Denied> {
        let fields = Map::from_iter([
            ("pattern".to_owned(), queues.into()),
            ("definition".to_owned(), Value::Object(definition)),
        ]);
        let policy = Policy::new(name, true, &fields)?;
        self.policies.push((pattern(vhosts)?, Arc::new(policy)));
        Ok(())
    }

    /// What a user may do in vhosts whose names match.
    ///
    /// # Errors
    /// The pattern is none.
    pub fn permission(
        &mut self,
        user: &str,
        vhosts: &str,
        permission: Permission,
    ) -> Result<(), Denied> {
        self.permissions
            .push((pattern(vhosts)?, user.into(), permission));
        Ok(())
    }
}

impl Broker {
    /// Gives a vhost that is new what every new one gets. The caller holds the change.
    pub(super) fn give_defaults(&self, vhost: &Vhost) {
        let defaults = &self.settings.vhost_defaults;
        let name = vhost.name.as_bytes();
        let mut limits = defaults.limits.iter();
        if let Some((_, limits)) = limits.find(|(vhosts, _)| vhosts.matches(name)) {
            let limits = Value::Object(limits.clone());
            // Whole numbers are good limits.
            let _ = self.store_parameter(vhost, VHOST_LIMITS, LIMITS, limits);
        }
        for (vhosts, policy) in &defaults.policies {
            if vhosts.matches(name) {
                self.store_shared_policy(vhost, true, Arc::clone(policy));
            }
        }
        for (vhosts, user, permission) in &defaults.permissions {
            if vhosts.matches(name) && self.users.user(user).is_some() {
                self.store_permission(user, &vhost.name, permission.clone());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::broker::Settings;
    use crate::broker::operator::VhostMetadata;

    fn broker() -> Arc<Broker> {
        let mut defaults = VhostDefaults {
            queue_type: Some("quorum".to_owned()),
            ..VhostDefaults::default()
        };
        defaults.limit("^t", Some(10), None).unwrap();
        defaults.limit("", None, Some(5)).unwrap();
        let definition = Map::from_iter([("max-length".to_owned(), json!(7))]);
        defaults.policy("one", "^t", ".*", definition).unwrap();
        let settings = Settings {
            vhost_defaults: Arc::new(defaults),
            ..Settings::default()
        };
        Broker::new(settings, Arc::default())
    }

    #[test]
    fn a_new_vhost_gets_what_matches_its_name() {
        let broker = broker();
        let put = |name: &str, metadata| broker.put_vhost(name, metadata, None).unwrap();
        put("tenant", VhostMetadata::default());
        let tenant = broker.vhost("tenant").unwrap();
        assert_eq!(tenant.default_queue_type(), "quorum");
        let limits = tenant.parameter(VHOST_LIMITS, LIMITS);
        assert_eq!(limits, Some(json!({"max-connections": 10})));
        assert!(tenant.policies().find(true, "one").is_some());
        let classic = VhostMetadata {
            default_queue_type: Some("classic".to_owned()),
            ..VhostMetadata::default()
        };
        put("other", classic);
        let other = broker.vhost("other").unwrap();
        assert_eq!(other.default_queue_type(), "classic");
        assert_eq!(
            other.parameter(VHOST_LIMITS, LIMITS),
            Some(json!({"max-queues": 5}))
        );
        assert!(other.policies().is_empty());
        // Said again, nothing comes back that was taken away.
        broker.clear_policy("tenant", true, "one").unwrap();
        put("tenant", VhostMetadata::default());
        assert!(tenant.policies().is_empty());
        assert_eq!(broker.add_vhost("t2").default_queue_type(), "quorum");
    }
}
