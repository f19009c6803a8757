//! The checks of operators' verbs alone, for whoever must know that all of many changes will be taken before the first is made.

use serde_json::{Map, Value};

use super::limits::check_user_limits;
pub(in crate::broker) use super::parameters::check_parameter as parameter;
pub(in crate::broker) use super::permissions::{permission, topic_permission};
use super::{Denied, Password, UserSpec, VhostMetadata, check_name};
use crate::auth::PasswordHash;
use crate::broker::json::check_value;

/// A user, checked.
pub struct CheckedUser {
    /// Their name.
    pub name: String,
    /// What is kept of their password.
    pub password: PasswordHash,
    /// Their tags.
    pub tags: Vec<String>,
    /// `max-connections` and `max-channels`; `None` leaves them.
    pub limits: Option<(Option<i64>, Option<i64>)>,
}

/// A user out of the fields that definitions and the HTTP API have.
pub fn user_spec(
    password: Option<String>,
    hash: Option<String>,
    algorithm: Option<String>,
    tags: Vec<String>,
    limits: Map<String, Value>,
) -> Result<UserSpec, Denied> {
    let password = match (password, hash) {
        (Some(_), Some(_)) => {
            return Err(Denied::bad("both_password_and_password_hash_are_provided"));
        }
        (Some(password), None) => Password::Plain(password),
        (None, Some(hash)) => Password::Hash(hash, algorithm),
        (None, None) => Password::None,
    };
    Ok(UserSpec {
        password,
        tags,
        limits: Some(limits),
    })
}

/// Checks a user.
pub fn user(name: &str, spec: UserSpec) -> Result<CheckedUser, Denied> {
    check_name("user", name)?;
    Ok(CheckedUser {
        name: name.to_owned(),
        password: spec.password.hash()?,
        tags: spec.tags,
        limits: spec.limits.as_ref().map(check_user_limits).transpose()?,
    })
}

/// Checks a vhost.
pub fn vhost(name: &str, metadata: VhostMetadata) -> Result<VhostMetadata, Denied> {
    check_name("vhost", name)?;
    metadata.checked()
}

/// Checks a global parameter.
pub fn global_parameter(name: &str, value: &Value) -> Result<(), Denied> {
    check_name("parameter", name)?;
    check_value(value).map_err(Denied::bad)
}
