//! Users: create, change, delete.

use super::{Denied, Put};
use crate::auth::{Algorithm, PasswordHash};
use crate::broker::Broker;
use crate::broker::events::Event;
use crate::wire::reply::Reply;
use serde_json::{Map, Value, json};

/// What a user logs in with.
#[derive(Clone, PartialEq, Eq)]
pub enum Password {
    /// Nothing: no password is right.
    None,
    /// This password, which is hashed.
    Plain(String),
    /// A hash as definitions have it; the algorithm's name, SHA-256 where none is given.
    Hash(String, Option<String>),
}

impl Password {
    pub(super) fn hash(&self) -> Result<PasswordHash, Denied> {
        match self {
            Self::None => Ok(PasswordHash::none()),
            Self::Plain(password) => Ok(PasswordHash::new(password.as_bytes())),
            Self::Hash(hash, algorithm) => {
                let algorithm = match algorithm.as_deref() {
                    None => Algorithm::default(),
                    Some(name) => Algorithm::find(name).ok_or_else(|| {
                        Denied::bad(format!("unknown hashing algorithm '{name}'"))
                    })?,
                };
                PasswordHash::parse(hash, algorithm)
                    .map_err(|_| Denied::Bad(json!(["not_base64", hash])))
            }
        }
    }
}

/// What a user is to be.
#[derive(Clone)]
pub struct UserSpec {
    /// What they log in with.
    pub password: Password,
    /// Their tags.
    pub tags: Vec<String>,
    /// Their limits; `None` leaves them.
    pub limits: Option<Map<String, Value>>,
}

/// The tags in `a, b,,c`.
pub fn tags_of(text: &str) -> Vec<String> {
    let tags = text.split(',').map(str::trim);
    tags.filter(|tag| !tag.is_empty())
        .map(str::to_owned)
        .collect()
}

impl Broker {
    /// Creates a user, or gives a known one another password and other tags.
    pub fn change_user(&self, name: &str, spec: UserSpec) -> Result<Put, Denied> {
        let _one = self.operating.lock();
        let user = super::check::user(name, spec)?;
        let is_new = self.users.user(name).is_none();
        self.store_user(name, user.password, user.tags, user.limits);
        Ok(Put::of(is_new))
    }

    /// Puts a user and writes it down. The caller holds the change.
    pub(in crate::broker) fn store_user(
        &self,
        name: &str,
        password: PasswordHash,
        tags: Vec<String>,
        limits: Option<(Option<i64>, Option<i64>)>,
    ) {
        // A comma divides tags on disk.
        let tags: Vec<String> = tags.iter().flat_map(|tag| tags_of(tag)).collect();
        let before = self.users.user(name);
        self.users.put(name, password, tags);
        let Some(user) = self.users.user(name) else {
            return;
        };
        if let Some((connections, channels)) = limits {
            user.limits.set(connections, channels);
        }
        let mut change = self.definitions.change();
        match &before {
            None => change.tell(|| Event::new("user.created").text("name", name)),
            Some(before) if before.password != user.password => {
                change.tell(|| Event::new("user.password.changed").text("name", name));
            }
            Some(_) => {}
        }
        if before.is_none_or(|before| before.tags != user.tags) {
            let event = || Event::new("user.tags.set").text("name", name);
            change.tell(|| event().text("tags", &user.tags.join(",")));
        }
        change.user(&user);
        change.commit();
    }

    /// Gives a user another password; tags and permissions stay.
    pub fn change_password(&self, name: &str, password: &Password) -> Result<(), Denied> {
        let _one = self.operating.lock();
        let user = self.users.user(name).ok_or(Denied::NotFound)?;
        self.store_user(name, password.hash()?, user.tags.clone(), None);
        Ok(())
    }

    /// Gives a user other tags; the password stays.
    pub fn set_user_tags(&self, name: &str, tags: Vec<String>) -> Result<(), Denied> {
        let _one = self.operating.lock();
        let user = self.users.user(name).ok_or(Denied::NotFound)?;
        self.store_user(name, user.password.clone(), tags, None);
        Ok(())
    }

    /// Deletes a user with its permissions and closes its connections.
    pub fn delete_user(&self, name: &str) -> Result<(), Denied> {
        let _one = self.operating.lock();
        let user = self.users.user(name).ok_or(Denied::NotFound)?;
        let mut change = self.definitions.change();
        for (of, vhost, _) in self.users.all_permissions() {
            if *of == *name {
                change.no_permission(name, &vhost);
            }
        }
        for (of, vhost, exchange, _) in self.users.all_topic_permissions() {
            if *of == *name {
                change.no_topic_permission(name, &vhost, &exchange);
            }
        }
        change.no_user(name);
        self.users.remove(name);
        change.commit();
        let reply = Reply::forced(&format!("user '{name}' is deleted"));
        self.registry
            .close_where(|connection| connection.user == user.name, &reply);
        Ok(())
    }
}
