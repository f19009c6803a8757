//! What one connection's user may do in its vhost: the permission checks of every operation, in RabbitMQ's words.

use std::sync::Arc;

use crate::auth::{Permission, User, Users, Verb};
use crate::wire::reply::Reply;

/// A user in a vhost. Owned by a session; looks its permission up again when any permission has changed.
pub struct Access {
    /// Who.
    pub user: Arc<User>,
    /// Where.
    pub vhost: Arc<str>,
    users: Arc<Users>,
    permission: Option<Arc<Permission>>,
    version: u64,
}

impl Access {
    /// Access of `user` to `vhost`; `None` when it has no permission row there at all.
    pub fn new(users: &Arc<Users>, user: Arc<User>, vhost: Arc<str>) -> Option<Self> {
        let version = users.version();
        let permission = users.permission(&user.name, &vhost)?;
        Some(Self {
            user,
            vhost,
            users: Arc::clone(users),
            permission: Some(permission),
            version,
        })
    }

    /// Counts the changes of any permission: what was allowed under one version holds only under that one.
    pub fn version(&self) -> u64 {
        self.users.version()
    }

    fn refresh(&mut self) {
        let version = self.users.version();
        if version != self.version {
            self.version = version;
            self.permission = self.users.permission(&self.user.name, &self.vhost);
        }
    }

    fn check(
        &mut self,
        verb: Verb,
        name: &str,
        resource: impl FnOnce() -> String,
    ) -> Result<(), Reply> {
        self.refresh();
        if self
            .permission
            .as_ref()
            .is_some_and(|permission| permission.allows(verb, name))
        {
            return Ok(());
        }
        Err(Reply::access_refused(
            verb.name(),
            &resource(),
            &self.user.name,
        ))
    }

    /// May it do this to the queue?
    pub fn queue(&mut self, verb: Verb, name: &str) -> Result<(), Reply> {
        let vhost = Arc::clone(&self.vhost);
        self.check(verb, name, || format!("queue '{name}' in vhost '{vhost}'"))
    }

    /// May it do this to the exchange? The default exchange is named `amq.default` in patterns and texts.
    pub fn exchange(&mut self, verb: Verb, name: &str) -> Result<(), Reply> {
        let name = if name.is_empty() { "amq.default" } else { name };
        let vhost = Arc::clone(&self.vhost);
        self.check(verb, name, || {
            format!("exchange '{name}' in vhost '{vhost}'")
        })
    }

    /// May it use this routing key with a topic exchange? Allowed where no topic permission is set.
    pub fn topic(&mut self, verb: Verb, exchange: &str, routing_key: &[u8]) -> Result<(), Reply> {
        let permission = self
            .users
            .topic_permission(&self.user.name, &self.vhost, exchange);
        if permission.is_none_or(|permission| permission.allows(verb, routing_key)) {
            return Ok(());
        }
        let key = String::from_utf8_lossy(routing_key);
        Err(Reply::topic_refused(
            verb.name(),
            &key,
            exchange,
            &self.vhost,
            &self.user.name,
        ))
    }

    /// A publish may name a user only if it is the one that is logged in, or if it may impersonate.
    pub fn check_user_id(&self, claimed: &[u8]) -> Result<(), Reply> {
        if claimed == self.user.name.as_bytes() || self.user.has_tag("impersonator") {
            return Ok(());
        }
        Err(Reply::user_id_mismatch(
            &String::from_utf8_lossy(claimed),
            &self.user.name,
        ))
    }
}
