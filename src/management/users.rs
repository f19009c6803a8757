//! Users: lists, one, PUT, DELETE, many at once.

use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::{Answer, Call, Refusal, call, list};
use crate::auth::{PasswordHash, User};
use crate::broker::operator::{Denied, Password, UserSpec, shown_limits, tags_of};

/// One as the API shows it.
fn document(user: &User) -> Value {
    json!({
        "name": *user.name,
        "password_hash": user.password.to_base64(),
        "hashing_algorithm": user.password.algorithm().name(),
        "tags": user.tags,
        "limits": shown_limits(&user.limits),
    })
}

/// GET /users.
pub fn all(call: &Call) -> Result<Answer, Refusal> {
    let users = call.broker().users.all();
    list::paged(call, users.iter().map(|user| document(user)).collect())
}

/// GET /users/without-permissions.
pub fn without_permissions(call: &Call) -> Result<Answer, Refusal> {
    let broker = call.broker();
    let permissions = broker.users.all_permissions();
    let mut users = broker.users.all();
    users.retain(|user| permissions.iter().all(|(name, _, _)| *name != user.name));
    let users = users.iter().map(|user| document(user)).collect();
    Ok(list::plain(call, users, &["name"]))
}

/// The user that the path names.
pub fn named(call: &Call) -> Result<Arc<User>, Refusal> {
    let found = call.broker().users.user(call.param("user"));
    found.ok_or_else(Refusal::missing)
}

/// GET /users/name.
pub fn one(call: &Call) -> Result<Answer, Refusal> {
    let user = named(call)?;
    Ok(Answer::Json(list::pick(call, document(&user))))
}

/// PUT /users/name: name and tags, and a password, its hash or neither.
pub fn put(call: &Call) -> Result<Answer, Refusal> {
    let object = call.object()?;
    let tags = match object.get("tags") {
        None => return Err(Refusal::bad("tags_not_present")),
        Some(tags) => texts("tags", tags)?,
    };
    let text = |name| call::text(&object, name);
    let password = match (text("password")?, text("password_hash")?) {
        (Some(_), Some(_)) => {
            let reason = "both_password_and_password_hash_are_provided";
            return Err(Refusal::bad(reason));
        }
        // With an empty one nobody gets in; RabbitMQ shows no hash of it.
        (Some(password), None) if password.is_empty() => Password::None,
        (Some(password), None) => Password::Plain(password),
        (None, Some(hash)) => Password::Hash(hash, text("hashing_algorithm")?),
        (None, None) => Password::None,
    };
    let limits = match object.get("limits") {
        None => None,
        Some(Value::Object(limits)) => Some(limits.clone()),
        Some(Value::Array(items)) if items.is_empty() => Some(Map::new()),
        Some(_) => return Err(Refusal::bad("limits is not an object")),
    };
    let spec = UserSpec {
        password,
        tags,
        limits,
    };
    Ok(call.broker().change_user(call.param("user"), spec)?.into())
}

/// Texts as `a, b` or as an array.
pub fn texts(name: &str, value: &Value) -> Result<Vec<String>, Refusal> {
    let wrong = || {
        Refusal::bad(format!(
            "{name} is neither a string nor an array of strings"
        ))
    };
    match value {
        Value::String(text) => Ok(tags_of(text)),
        Value::Array(items) => items
            .iter()
            .map(|item| item.as_str().map(str::to_owned).ok_or_else(wrong))
            .collect(),
        _ => Err(wrong()),
    }
}

/// DELETE /users/name.
pub fn delete(call: &Call) -> Result<Answer, Refusal> {
    call.broker().delete_user(call.param("user"))?;
    Ok(Answer::Done)
}

/// POST /users/bulk-delete. Those who are not there are deleted.
pub fn bulk_delete(call: &Call) -> Result<Answer, Refusal> {
    let [users] = call::required(&call.object()?, ["users"])?;
    let Value::Array(_) = users else {
        return Err(Refusal::bad("users is not an array"));
    };
    for user in texts("users", &users)? {
        match call.broker().delete_user(&user) {
            Ok(()) | Err(Denied::NotFound) => {}
            Err(denied) => return Err(denied.into()),
        }
    }
    Ok(Answer::Done)
}

/// GET /auth/hash_password/password.
pub fn hash_password(call: &Call) -> Result<Answer, Refusal> {
    let hash = PasswordHash::new(call.param("password").as_bytes());
    Ok(Answer::Json(json!({"ok": hash.to_base64()})))
}
