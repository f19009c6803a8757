//! Permissions and topic permissions: set and clear.

use serde_json::json;

use super::{Denied, Put};
use crate::auth::{BadPattern, Permission, TopicPermission};
use crate::broker::Broker;
use crate::wire::limits::SHORT_STRING_BYTES_MAX;

/// Longest pattern, bytes: a name has 255, and a list of a hundred names is a long one.
const PATTERN_BYTES_MAX: usize = 16 * 1024;

fn bad_pattern(error: &BadPattern) -> Denied {
    Denied::Bad(json!(["invalid_regexp", error.pattern, error.reason]))
}

fn check_length(pattern: &str) -> Result<(), Denied> {
    if pattern.len() > PATTERN_BYTES_MAX {
        let reason = format!("longer than {PATTERN_BYTES_MAX} bytes");
        return Err(Denied::Bad(json!(["invalid_regexp", "", reason])));
    }
    Ok(())
}

/// The three patterns, compiled.
pub(in crate::broker) fn permission(
    configure: &str,
    write: &str,
    read: &str,
) -> Result<Permission, Denied> {
    [configure, write, read]
        .into_iter()
        .try_for_each(check_length)?;
    Permission::new(configure, write, read).map_err(|error| bad_pattern(&error))
}

/// The two patterns, compiled for that user in that vhost.
pub(in crate::broker) fn topic_permission(
    write: &str,
    read: &str,
    user: &str,
    vhost: &str,
) -> Result<TopicPermission, Denied> {
    [write, read].into_iter().try_for_each(check_length)?;
    TopicPermission::new(write, read, user, vhost).map_err(|error| bad_pattern(&error))
}

impl Broker {
    fn check_both(&self, user: &str, vhost: &str) -> Result<(), Denied> {
        if self.users.user(user).is_none() || self.vhost(vhost).is_none() {
            return Err(Denied::bad("vhost_or_user_not_found"));
        }
        Ok(())
    }

    /// Says what a user may do in a vhost.
    pub fn put_permission(
        &self,
        user: &str,
        vhost: &str,
        configure: &str,
        write: &str,
        read: &str,
    ) -> Result<Put, Denied> {
        let _one = self.operating.lock();
        let permission = permission(configure, write, read)?;
        self.check_both(user, vhost)?;
        Ok(self.store_permission(user, vhost, permission))
    }

    /// Puts a checked permission and writes it down. The caller holds the change.
    pub(in crate::broker) fn store_permission(
        &self,
        user: &str,
        vhost: &str,
        permission: Permission,
    ) -> Put {
        let is_new = self.users.permission(user, vhost).is_none();
        let mut change = self.definitions.change();
        change.permission(user, vhost, &permission);
        self.users.set_permission(user, vhost, permission);
        change.commit();
        Put::of(is_new)
    }

    /// Takes a permission away.
    pub fn clear_permission(&self, user: &str, vhost: &str) -> Result<(), Denied> {
        let _one = self.operating.lock();
        if !self.users.clear_permission(user, vhost) {
            return Err(Denied::NotFound);
        }
        let mut change = self.definitions.change();
        change.no_permission(user, vhost);
        change.commit();
        Ok(())
    }

    /// Says which keys a user may use at a topic exchange, which need not be there.
    pub fn put_topic_permission(
        &self,
        user: &str,
        vhost: &str,
        exchange: &str,
        write: &str,
        read: &str,
    ) -> Result<Put, Denied> {
        let _one = self.operating.lock();
        let permission = topic_permission(write, read, user, vhost)?;
        self.check_both(user, vhost)?;
        if exchange.len() > SHORT_STRING_BYTES_MAX {
            return Err(Denied::bad(format!(
                "exchange name is longer than {SHORT_STRING_BYTES_MAX} bytes"
            )));
        }
        Ok(self.store_topic_permission(user, vhost, exchange, permission))
    }

    /// Puts a checked topic permission and writes it down. The caller holds the change.
    pub(in crate::broker) fn store_topic_permission(
        &self,
        user: &str,
        vhost: &str,
        exchange: &str,
        permission: TopicPermission,
    ) -> Put {
        let is_new = self.users.topic_permission(user, vhost, exchange).is_none();
        let mut change = self.definitions.change();
        change.topic_permission(user, vhost, exchange, &permission);
        self.users
            .set_topic_permission(user, vhost, exchange, permission);
        change.commit();
        Put::of(is_new)
    }

    /// Takes a topic permission away, or with `None` all that the user has in that vhost.
    pub fn clear_topic_permission(
        &self,
        user: &str,
        vhost: &str,
        exchange: Option<&str>,
    ) -> Result<(), Denied> {
        let _one = self.operating.lock();
        let mut change = self.definitions.change();
        for (of, at, name, _) in self.users.all_topic_permissions() {
            let is_meant = *of == *user && *at == *vhost;
            if is_meant && exchange.is_none_or(|exchange| *name == *exchange) {
                change.no_topic_permission(user, vhost, &name);
            }
        }
        if !self.users.clear_topic_permission(user, vhost, exchange) {
            return Err(Denied::NotFound);
        }
        change.commit();
        Ok(())
    }
}
