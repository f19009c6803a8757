//! Limits of vhosts and of users: lists, PUT and DELETE of one.

use serde_json::{Map, Value, json};

use super::call::required;
use super::{Answer, Call, Refusal, list, users};

fn of_vhost(vhost: &str, limits: &Map<String, Value>) -> Value {
    json!({"vhost": vhost, "value": limits})
}

/// GET /vhost-limits and /vhost-limits/vhost.
pub fn vhosts(call: &Call) -> Result<Answer, Refusal> {
    let limits = call.broker().vhost_limits();
    let documents = call.vhosts()?.into_iter();
    let documents = documents
        .filter_map(|vhost| Some(of_vhost(&vhost.name, limits.get(&vhost.name)?)))
        .collect();
    Ok(list::plain(call, documents, &["vhost"]))
}

/// PUT /vhost-limits/vhost/name.
pub fn put_vhost(call: &Call) -> Result<Answer, Refusal> {
    let [value] = required(&call.object()?, ["value"])?;
    call.broker()
        .set_vhost_limit(call.param("vhost"), call.param("name"), &value)?;
    Ok(Answer::Done)
}

/// DELETE /vhost-limits/vhost/name.
pub fn delete_vhost(call: &Call) -> Result<Answer, Refusal> {
    call.broker()
        .clear_vhost_limit(call.param("vhost"), call.param("name"))?;
    Ok(Answer::Done)
}

/// GET /user-limits and /user-limits/user.
pub fn users(call: &Call) -> Result<Answer, Refusal> {
    let only = match call.param("user") {
        "" => None,
        _ => Some(users::named(call)?),
    };
    let all = call.broker().user_limits();
    let documents = all
        .iter()
        .filter(|(name, _)| only.as_ref().is_none_or(|only| only.name == **name))
        .map(|(name, limits)| json!({"user": **name, "value": limits}))
        .collect();
    Ok(list::plain(call, documents, &["user"]))
}

/// PUT /user-limits/user/name.
pub fn put_user(call: &Call) -> Result<Answer, Refusal> {
    let [value] = required(&call.object()?, ["value"])?;
    call.broker()
        .set_user_limit(call.param("user"), call.param("name"), &value)?;
    Ok(Answer::Done)
}

/// DELETE /user-limits/user/name.
pub fn delete_user(call: &Call) -> Result<Answer, Refusal> {
    let user = users::named(call)?;
    call.broker()
        .clear_user_limit(&user.name, call.param("name"))?;
    Ok(Answer::Done)
}
