//! Definitions: the whole broker's and one vhost's, out and in. In comes JSON, or a form with a file as RabbitMQ's management UI
//! sends it.

use axum::body::Bytes;
use serde_json::{Value, json};

use super::{Answer, Call, Refusal, form, parameters};
use crate::broker::document::Document;

fn answer(call: &Call, document: &Document) -> Answer {
    let document = json!(document);
    match call.query("download") {
        Some(name) => Answer::File(document, name.to_owned()),
        None => Answer::Json(document),
    }
}

/// GET /definitions.
pub fn all(call: &Call) -> Result<Answer, Refusal> {
    let cluster = parameters::cluster_name(call);
    Ok(answer(call, &Document::of_broker(call.broker(), &cluster)))
}

/// GET /definitions/vhost.
pub fn of_vhost(call: &Call) -> Result<Answer, Refusal> {
    let vhost = call.broker().vhost(call.param("vhost"));
    let vhost = vhost.ok_or_else(|| Refusal::bad("vhost_not_found"))?;
    Ok(answer(call, &Document::of_vhost(&vhost)))
}

/// POST /definitions.
pub fn import(call: &Call) -> Result<Answer, Refusal> {
    take(call, None)
}

/// POST /definitions/vhost.
pub fn import_vhost(call: &Call) -> Result<Answer, Refusal> {
    let vhost = call.vhost_to_change()?;
    take(call, Some(&vhost.name))
}

fn take(call: &Call, vhost: Option<&str>) -> Result<Answer, Refusal> {
    let (text, redirect) = said(call)?;
    if !text.is_empty() {
        let unreadable = || Refusal::bad("failed_to_parse_json");
        let document: Value = serde_json::from_slice(&text).map_err(|_| unreadable())?;
        if !document.is_object() {
            return Err(unreadable());
        }
        let imported = call
            .broker()
            .import_by(&document, vhost, Some(&call.user.name));
        imported.map_err(|error| Refusal::bad(error.to_string()))?;
    }
    Ok(match redirect {
        Some(place) => Answer::Elsewhere(place),
        None => Answer::Done,
    })
}

/// The document in the body, and where the browser wants to go afterwards.
fn said(call: &Call) -> Result<(Bytes, Option<String>), Refusal> {
    let Some(boundary) = call.content_type.as_deref().and_then(form::boundary) else {
        return Ok((call.body.clone(), None));
    };
    let fields = form::fields(&call.body, &boundary);
    let fields = fields.ok_or_else(|| Refusal::bad("failed_to_parse_json"))?;
    let field = |wanted| {
        let found = fields.iter().find(|(name, _)| name == wanted)?;
        Some(found.1)
    };
    let file = field("file").filter(|file| !file.is_empty());
    let file = file.ok_or_else(|| Refusal::bad("failed_to_parse_json"))?;
    let redirect = field("redirect").and_then(|place| std::str::from_utf8(place).ok());
    Ok((call.body.slice_ref(file), redirect.map(str::to_owned)))
}
