//! The users and what they may do, shared by all connections. Reads take a short read lock and give out `Arc`s; every
//! change makes new ones and raises the version, by which a channel sees that what it keeps is old.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::RwLock;

use crate::wire::reply::Reply;

use super::limits::UserLimits;
use super::mechanism::Mechanism;
use super::password::PasswordHash;
use super::permission::{Permission, TopicPermission};

/// A user. Changing one makes a new value; connections keep the one they logged in as.
#[derive(Clone)]
pub struct User {
    /// Their name.
    pub name: Arc<str>,
    /// Management tags; they grant nothing in AMQP but `impersonator`.
    pub tags: Vec<String>,
    /// What is kept of their password.
    pub password: PasswordHash,
    /// How much they may have open; the same for every value of one user.
    pub limits: Arc<UserLimits>,
}

impl User {
    /// Whether the user carries that tag.
    pub fn has_tag(&self, tag: &str) -> bool {
        self.tags.iter().any(|known| known == tag)
    }
}

impl fmt::Debug for User {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("User")
            .field("name", &self.name)
            .field("tags", &self.tags)
            .finish_non_exhaustive()
    }
}

/// Why nobody was logged in. Its text is for the log, not for the client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AuthError {
    /// Unknown user, wrong or empty password; nobody is told which.
    BadCredentials {
        /// The mechanism.
        mechanism: &'static str,
        /// The name, as far as it is text.
        user: String,
    },
    /// The user may only come from this machine.
    LoopbackOnly {
        /// The mechanism.
        mechanism: &'static str,
        /// The user.
        user: String,
    },
    /// The response is not what the mechanism demands.
    Malformed {
        /// The mechanism.
        mechanism: &'static str,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// A mechanism that was not offered.
    UnknownMechanism(String),
}

impl AuthError {
    /// What a client is told that can be told (capability `authentication_failure_close`): 403 on the connection for
    /// credentials that are wrong or used from elsewhere. `None`: the connection is dropped without a word.
    pub fn reply(&self) -> Option<Reply> {
        match self {
            Self::BadCredentials { mechanism, .. } | Self::LoopbackOnly { mechanism, .. } => {
                Some(Reply::login_refused(mechanism))
            }
            Self::Malformed { .. } | Self::UnknownMechanism(_) => None,
        }
    }
}

impl fmt::Display for AuthError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BadCredentials { mechanism, user } => {
                write!(
                    f,
                    "{mechanism} login refused: user '{user}' - invalid credentials"
                )
            }
            Self::LoopbackOnly { mechanism, user } => write!(
                f,
                "{mechanism} login refused: user '{user}' can only connect via localhost"
            ),
            Self::Malformed { mechanism, reason } => {
                write!(f, "{mechanism} login failed: {reason}")
            }
            Self::UnknownMechanism(name) => {
                write!(f, "unknown authentication mechanism '{name}'")
            }
        }
    }
}

impl std::error::Error for AuthError {}

/// A topic permission with the names of user, virtual host and exchange.
pub type TopicRow = (Arc<str>, Arc<str>, Arc<str>, Arc<TopicPermission>);

/// Everybody, and what they may do.
pub struct Users {
    inner: RwLock<Inner>,
    version: AtomicU64,
    /// Stands in for a user who does not exist, so that refusing takes as long.
    nobody: PasswordHash,
}

#[derive(Default)]
struct Inner {
    users: HashMap<Arc<str>, Entry, ahash::RandomState>,
    loopback_only: HashSet<String>,
}

struct Entry {
    user: Arc<User>,
    /// By virtual host.
    permissions: BTreeMap<Arc<str>, Arc<Permission>>,
    /// By virtual host, then exchange.
    topics: BTreeMap<Arc<str>, BTreeMap<Arc<str>, Arc<TopicPermission>>>,
}

impl fmt::Debug for Users {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Users {{ count: {} }}", self.inner.read().users.len())
    }
}

impl Default for Users {
    fn default() -> Self {
        Self::new()
    }
}

impl Users {
    /// No users yet; nobody is restricted to loopback.
    pub fn new() -> Self {
        Self {
            inner: RwLock::default(),
            version: AtomicU64::new(0),
            nobody: PasswordHash::new(b"nobody"),
        }
    }

    /// Raised by every change, after it can be seen: who reads the version first and then asks never keeps an old answer
    /// under a new version.
    pub fn version(&self) -> u64 {
        self.version.load(Ordering::Acquire)
    }

    fn change<R>(&self, change: impl FnOnce(&mut Inner) -> R) -> R {
        let mut inner = self.inner.write();
        let result = change(&mut inner);
        self.version.fetch_add(1, Ordering::Release);
        result
    }

    /// Adds a user, or gives a known one a new password and new tags; permissions stay.
    pub fn put(&self, name: &str, password: PasswordHash, tags: Vec<String>) {
        let name: Arc<str> = name.into();
        self.change(|inner| {
            let known = inner.users.get_mut(&name);
            let user = Arc::new(User {
                name: name.clone(),
                tags,
                password,
                limits: known
                    .as_ref()
                    .map(|entry| Arc::clone(&entry.user.limits))
                    .unwrap_or_default(),
            });
            match known {
                Some(entry) => entry.user = user,
                None => {
                    let entry = Entry {
                        user,
                        permissions: BTreeMap::new(),
                        topics: BTreeMap::new(),
                    };
                    inner.users.insert(name, entry);
                }
            }
        });
    }

    /// Removes a user with all permissions. False when there is none.
    pub fn remove(&self, name: &str) -> bool {
        self.change(|inner| inner.users.remove(name).is_some())
    }

    /// The user of that name.
    pub fn user(&self, name: &str) -> Option<Arc<User>> {
        let inner = self.inner.read();
        Some(inner.users.get(name)?.user.clone())
    }

    /// All users, by name.
    pub fn all(&self) -> Vec<Arc<User>> {
        let inner = self.inner.read();
        let mut users: Vec<_> = inner
            .users
            .values()
            .map(|entry| entry.user.clone())
            .collect();
        drop(inner);
        users.sort_by(|a, b| a.name.cmp(&b.name));
        users
    }

    /// Users that may log in from this machine only, in place of those set before. They need not exist.
    pub fn set_loopback_only(&self, users: impl IntoIterator<Item = String>) {
        let users = users.into_iter().collect();
        self.change(|inner| inner.loopback_only = users);
    }

    /// Logs somebody in. `mechanism` and `response` are those of start-ok.
    ///
    /// # Errors
    /// See [`AuthError`]; its text is for the log.
    pub fn authenticate(
        &self,
        mechanism: &str,
        response: &[u8],
        peer_is_loopback: bool,
    ) -> Result<Arc<User>, AuthError> {
        let Some(known) = Mechanism::find(mechanism) else {
            return Err(AuthError::UnknownMechanism(mechanism.to_owned()));
        };
        let mechanism = known.name();
        let credentials = known
            .credentials(response)
            .map_err(|reason| AuthError::Malformed { mechanism, reason })?;
        let name = String::from_utf8_lossy(credentials.user);
        let user = self
            .user(&name)
            .filter(|_| std::str::from_utf8(credentials.user).is_ok());
        let hash = user.as_ref().map_or(&self.nobody, |user| &user.password);
        // An empty password is refused even where its hash is right.
        let right = hash.is(credentials.password) && !credentials.password.is_empty();
        let Some(user) = user.filter(|_| right) else {
            let user = name.into_owned();
            return Err(AuthError::BadCredentials { mechanism, user });
        };
        if !peer_is_loopback && self.inner.read().loopback_only.contains(&*user.name) {
            let user = user.name.to_string();
            return Err(AuthError::LoopbackOnly { mechanism, user });
        }
        Ok(user)
    }

    /// What that user may do in that virtual host; `None`: they may not open it.
    pub fn permission(&self, user: &str, vhost: &str) -> Option<Arc<Permission>> {
        let inner = self.inner.read();
        inner.users.get(user)?.permissions.get(vhost).cloned()
    }

    /// Sets what a user may do in a virtual host. False when there is no such user.
    pub fn set_permission(&self, user: &str, vhost: &str, permission: Permission) -> bool {
        self.change(|inner| {
            let entry = inner.users.get_mut(user);
            entry.is_some_and(|entry| {
                entry.permissions.insert(vhost.into(), Arc::new(permission));
                true
            })
        })
    }

    /// Takes a permission away. False when there is none.
    pub fn clear_permission(&self, user: &str, vhost: &str) -> bool {
        self.change(|inner| {
            let entry = inner.users.get_mut(user);
            entry.is_some_and(|entry| entry.permissions.remove(vhost).is_some())
        })
    }

    /// All permissions as (user, virtual host, permission), by user and virtual host.
    pub fn all_permissions(&self) -> Vec<(Arc<str>, Arc<str>, Arc<Permission>)> {
        let inner = self.inner.read();
        let mut all = Vec::new();
        for entry in inner.users.values() {
            let user = &entry.user.name;
            let own = entry.permissions.iter();
            all.extend(own.map(|(vhost, one)| (user.clone(), vhost.clone(), one.clone())));
        }
        drop(inner);
        all.sort_by(|a, b| (&a.0, &a.1).cmp(&(&b.0, &b.1)));
        all
    }

    /// All topic permissions as (user, virtual host, exchange, permission), by their names.
    pub fn all_topic_permissions(&self) -> Vec<TopicRow> {
        let inner = self.inner.read();
        let mut all = Vec::new();
        for entry in inner.users.values() {
            for (vhost, exchanges) in &entry.topics {
                all.extend(exchanges.iter().map(|(exchange, one)| {
                    let user = entry.user.name.clone();
                    (user, vhost.clone(), exchange.clone(), one.clone())
                }));
            }
        }
        drop(inner);
        all.sort_by(|a, b| (&a.0, &a.1, &a.2).cmp(&(&b.0, &b.1, &b.2)));
        all
    }

    /// Which keys that user may use at that topic exchange; `None`: all.
    pub fn topic_permission(
        &self,
        user: &str,
        vhost: &str,
        exchange: &str,
    ) -> Option<Arc<TopicPermission>> {
        let inner = self.inner.read();
        let topics = &inner.users.get(user)?.topics;
        topics.get(vhost)?.get(exchange).cloned()
    }

    /// Sets which keys a user may use at a topic exchange. False when there is no such user.
    pub fn set_topic_permission(
        &self,
        user: &str,
        vhost: &str,
        exchange: &str,
        permission: TopicPermission,
    ) -> bool {
        self.change(|inner| {
            let entry = inner.users.get_mut(user);
            entry.is_some_and(|entry| {
                let topics = entry.topics.entry(vhost.into()).or_default();
                topics.insert(exchange.into(), Arc::new(permission));
                true
            })
        })
    }

    /// Takes a topic permission away, or with `None` all that the user has in that virtual host. False when there is none.
    pub fn clear_topic_permission(&self, user: &str, vhost: &str, exchange: Option<&str>) -> bool {
        self.change(|inner| {
            let Some(entry) = inner.users.get_mut(user) else {
                return false;
            };
            match (entry.topics.get_mut(vhost), exchange) {
                (Some(topics), Some(exchange)) => topics.remove(exchange).is_some(),
                (Some(_), None) => entry.topics.remove(vhost).is_some(),
                (None, _) => false,
            }
        })
    }

    /// Forgets all permissions in a virtual host that is gone.
    pub fn forget_vhost(&self, vhost: &str) {
        self.change(|inner| {
            for entry in inner.users.values_mut() {
                entry.permissions.remove(vhost);
                entry.topics.remove(vhost);
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::super::permission::Verb;
    use super::*;

    fn users() -> Users {
        let users = Users::new();
        users.put(
            "guest",
            PasswordHash::new(b"guest"),
            vec!["administrator".into()],
        );
        users.set_loopback_only(["guest".to_owned()]);
        users.put("bob", PasswordHash::new(b"builder"), vec![]);
        users
    }

    fn login(
        users: &Users,
        user: &str,
        password: &str,
        local: bool,
    ) -> Result<Arc<User>, AuthError> {
        users.authenticate("PLAIN", format!("\0{user}\0{password}").as_bytes(), local)
    }

    #[test]
    fn the_right_password_lets_in() {
        let users = users();
        let guest = login(&users, "guest", "guest", true).unwrap();
        assert_eq!(&*guest.name, "guest");
        assert!(guest.has_tag("administrator") && !guest.has_tag("management"));
        assert!(login(&users, "bob", "builder", false).is_ok());
    }

    #[test]
    fn wrong_credentials_are_told_in_rabbitmqs_words() {
        let users = users();
        users.put("empty", PasswordHash::new(b""), vec![]);
        users.put("none", PasswordHash::none(), vec![]);
        for (user, password) in [
            ("guest", "x"),
            ("nobody", "nobody"),
            ("empty", ""),
            ("none", ""),
            ("none", "x"),
            ("", ""),
        ] {
            let error = login(&users, user, password, true).unwrap_err();
            let mechanism = "PLAIN";
            assert_eq!(
                error,
                AuthError::BadCredentials {
                    mechanism,
                    user: user.into()
                }
            );
            let reply = error.reply().unwrap();
            assert_eq!((reply.code, reply.class, reply.method), (403, 0, 0));
            assert_eq!(
                reply.text,
                "ACCESS_REFUSED - Login was refused using authentication mechanism PLAIN. For details see the broker logfile."
            );
        }
        assert!(
            users
                .authenticate("PLAIN", b"\0\xffguest\0guest", true)
                .is_err()
        );
    }

    #[test]
    fn a_loopback_only_user_is_refused_from_elsewhere() {
        let users = users();
        let error = login(&users, "guest", "guest", false).unwrap_err();
        assert!(matches!(error, AuthError::LoopbackOnly { .. }));
        assert_eq!(error.reply(), Some(Reply::login_refused("PLAIN")));
        assert!(
            error
                .to_string()
                .ends_with("user 'guest' can only connect via localhost")
        );
        let wrong = login(&users, "guest", "x", false).unwrap_err();
        assert!(matches!(wrong, AuthError::BadCredentials { .. }));
        users.set_loopback_only([]);
        assert!(login(&users, "guest", "guest", false).is_ok());
    }

    #[test]
    fn malformed_responses_and_unknown_mechanisms_get_no_reply() {
        let users = users();
        let error = users
            .authenticate("PLAIN", b"zz\0guest\0guest", true)
            .unwrap_err();
        assert!(matches!(
            error,
            AuthError::Malformed {
                mechanism: "PLAIN",
                ..
            }
        ));
        assert_eq!(error.reply(), None);
        let error = users.authenticate("EXTERNAL", b"", true).unwrap_err();
        assert_eq!(error, AuthError::UnknownMechanism("EXTERNAL".into()));
        assert_eq!(error.reply(), None);
    }

    #[test]
    fn every_change_raises_the_version() {
        let users = users();
        let mut version = users.version();
        let all = || Permission::new(".*", ".*", ".*").unwrap();
        let topic = || TopicPermission::new("^a", "^b", "bob", "/").unwrap();
        let changes: [&dyn Fn() -> bool; 8] = [
            &|| users.set_permission("bob", "/", all()),
            &|| users.set_topic_permission("bob", "/", "amq.topic", topic()),
            &|| users.clear_topic_permission("bob", "/", Some("amq.topic")),
            &|| users.set_topic_permission("bob", "/", "amq.topic", topic()),
            &|| users.clear_topic_permission("bob", "/", None),
            &|| users.clear_permission("bob", "/"),
            &|| users.set_permission("bob", "/", all()),
            &|| users.remove("bob"),
        ];
        for change in changes {
            assert!(change());
            assert!(users.version() > version);
            version = users.version();
        }
        assert!(users.permission("bob", "/").is_none());
        assert!(!users.set_permission("bob", "/", all()));
    }

    #[test]
    fn permissions_are_by_user_and_vhost_and_survive_a_new_password() {
        let users = users();
        users.set_permission("bob", "v", Permission::new("^b", "", ".*").unwrap());
        users.set_topic_permission(
            "bob",
            "v",
            "t",
            TopicPermission::new("^{username}", "", "bob", "v").unwrap(),
        );
        users.put(
            "bob",
            PasswordHash::new(b"new"),
            vec!["impersonator".into()],
        );
        assert!(login(&users, "bob", "builder", true).is_err());
        assert!(
            login(&users, "bob", "new", true)
                .unwrap()
                .has_tag("impersonator")
        );
        let permission = users.permission("bob", "v").unwrap();
        assert!(permission.allows(Verb::Configure, "b1") && !permission.allows(Verb::Write, "b1"));
        assert!(users.permission("bob", "/").is_none() && users.permission("guest", "v").is_none());
        let topic = users.topic_permission("bob", "v", "t").unwrap();
        assert!(topic.allows(Verb::Write, b"bob.x") && !topic.allows(Verb::Write, b"eve.x"));
        assert!(users.topic_permission("bob", "v", "u").is_none());
        users.forget_vhost("v");
        assert!(
            users.permission("bob", "v").is_none()
                && users.topic_permission("bob", "v", "t").is_none()
        );
        assert_eq!(
            users
                .all()
                .iter()
                .map(|user| &*user.name)
                .collect::<Vec<_>>(),
            ["bob", "guest"]
        );
    }
}
