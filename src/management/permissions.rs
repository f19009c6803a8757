//! Permissions and topic permissions: lists from every side, one, PUT, DELETE.

use serde_json::{Value, json};

use super::call::{required, text_of};
use super::{Answer, Call, Refusal, list, users};
use crate::auth::{Permission, TopicPermission};

/// How lists are sorted.
const ORDER: [&str; 3] = ["vhost", "user", "exchange"];

fn document(user: &str, vhost: &str, permission: &Permission) -> Value {
    json!({
        "user": user,
        "vhost": vhost,
        "configure": permission.configure.source(),
        "write": permission.write.source(),
        "read": permission.read.source(),
    })
}

fn topic_document(user: &str, vhost: &str, exchange: &str, permission: &TopicPermission) -> Value {
    json!({
        "user": user,
        "vhost": vhost,
        "exchange": exchange,
        "write": permission.write.source(),
        "read": permission.read.source(),
    })
}

/// All of vhosts that are there, for that user or in that vhost alone where one is asked for.
fn rows(call: &Call, user: Option<&str>, vhost: Option<&str>) -> Vec<Value> {
    let broker = call.broker();
    let all = broker.users.all_permissions().into_iter();
    all.filter(|(of, at, _)| {
        user.is_none_or(|user| *user == **of)
            && vhost.is_none_or(|vhost| *vhost == **at)
            && broker.vhost(at).is_some()
    })
    .map(|(of, at, permission)| document(&of, &at, &permission))
    .collect()
}

fn topic_rows(call: &Call, user: Option<&str>, vhost: Option<&str>) -> Vec<Value> {
    let broker = call.broker();
    let all = broker.users.all_topic_permissions().into_iter();
    all.filter(|(of, at, _, _)| {
        user.is_none_or(|user| *user == **of)
            && vhost.is_none_or(|vhost| *vhost == **at)
            && broker.vhost(at).is_some()
    })
    .map(|(of, at, exchange, permission)| topic_document(&of, &at, &exchange, &permission))
    .collect()
}

/// GET /permissions.
pub fn all(call: &Call) -> Result<Answer, Refusal> {
    Ok(list::plain(call, rows(call, None, None), &ORDER))
}

/// GET /users/name/permissions.
pub fn of_user(call: &Call) -> Result<Answer, Refusal> {
    let user = users::named(call)?;
    let rows = rows(call, Some(&user.name), None);
    Ok(list::plain(call, rows, &ORDER))
}

/// GET /vhosts/name/permissions.
pub fn of_vhost(call: &Call) -> Result<Answer, Refusal> {
    let vhost = call.vhost()?;
    let rows = rows(call, None, Some(&vhost.name));
    Ok(list::plain(call, rows, &ORDER))
}

/// GET /permissions/vhost/user.
pub fn one(call: &Call) -> Result<Answer, Refusal> {
    let (vhost, user) = (call.vhost()?, users::named(call)?);
    let found = call.broker().users.permission(&user.name, &vhost.name);
    let permission = found.ok_or_else(Refusal::missing)?;
    let document = document(&user.name, &vhost.name, &permission);
    Ok(Answer::Json(list::pick(call, document)))
}

/// PUT /permissions/vhost/user.
pub fn put(call: &Call) -> Result<Answer, Refusal> {
    let names = ["configure", "write", "read"];
    let values = required(&call.object()?, names)?;
    let [configure, write, read] = text_of(names, values)?;
    let (user, vhost) = (call.param("user"), call.param("vhost"));
    let put = call
        .broker()
        .put_permission(user, vhost, &configure, &write, &read)?;
    Ok(put.into())
}

/// DELETE /permissions/vhost/user.
pub fn delete(call: &Call) -> Result<Answer, Refusal> {
    call.broker()
        .clear_permission(call.param("user"), call.param("vhost"))?;
    Ok(Answer::Done)
}

/// GET /topic-permissions.
pub fn all_topic(call: &Call) -> Result<Answer, Refusal> {
    Ok(list::plain(call, topic_rows(call, None, None), &ORDER))
}

/// GET /users/name/topic-permissions.
pub fn topic_of_user(call: &Call) -> Result<Answer, Refusal> {
    let user = users::named(call)?;
    let rows = topic_rows(call, Some(&user.name), None);
    Ok(list::plain(call, rows, &ORDER))
}

/// GET /vhosts/name/topic-permissions.
pub fn topic_of_vhost(call: &Call) -> Result<Answer, Refusal> {
    let vhost = call.vhost()?;
    let rows = topic_rows(call, None, Some(&vhost.name));
    Ok(list::plain(call, rows, &ORDER))
}

/// GET /topic-permissions/vhost/user: a list, since there is one for each exchange.
pub fn one_topic(call: &Call) -> Result<Answer, Refusal> {
    let (vhost, user) = (call.vhost()?, users::named(call)?);
    let rows = topic_rows(call, Some(&user.name), Some(&vhost.name));
    if rows.is_empty() {
        return Err(Refusal::missing());
    }
    Ok(list::plain(call, rows, &ORDER))
}

/// PUT /topic-permissions/vhost/user.
pub fn put_topic(call: &Call) -> Result<Answer, Refusal> {
    let names = ["exchange", "write", "read"];
    let values = required(&call.object()?, names)?;
    let [exchange, write, read] = text_of(names, values)?;
    let (user, vhost) = (call.param("user"), call.param("vhost"));
    // The path names all that a user has in a vhost: 201 is for the first of it.
    let is_known = !topic_rows(call, Some(user), Some(vhost)).is_empty();
    let put = call
        .broker()
        .put_topic_permission(user, vhost, &exchange, &write, &read)?;
    Ok(if is_known { Answer::Done } else { put.into() })
}

/// DELETE /topic-permissions/vhost/user.
pub fn delete_topic(call: &Call) -> Result<Answer, Refusal> {
    call.broker()
        .clear_topic_permission(call.param("user"), call.param("vhost"), None)?;
    Ok(Answer::Done)
}

/// DELETE /topic-permissions/vhost/user/exchange.
pub fn delete_topic_of(call: &Call) -> Result<Answer, Refusal> {
    let (user, vhost) = (call.param("user"), call.param("vhost"));
    let exchange = Some(call.param("exchange"));
    call.broker()
        .clear_topic_permission(user, vhost, exchange)?;
    Ok(Answer::Done)
}
