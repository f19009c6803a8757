//! What a handler says, as an HTTP response: RabbitMQ's status codes, headers and error bodies.

use std::future::Future;
use std::pin::Pin;

use axum::body::Body;
use axum::http::{HeaderValue, Response, StatusCode, header};
use serde_json::{Value, json};

use crate::broker::operator::{Denied, Put};
use crate::wire::reply::Reply;

/// What goes on without a worker, and its answer.
pub type Later = Pin<Box<dyn Future<Output = Result<Answer, Refusal>> + Send>>;

/// What a handler says when all went well.
pub enum Answer {
    /// 200 with a document.
    Json(Value),
    /// 201; where it is now, if that was not said by the client.
    Created(Option<String>),
    /// 204.
    Done,
    /// 200 with a document that browsers keep as a file of that name.
    File(Value, String),
    /// 303: where a browser that has sent a form goes on.
    Elsewhere(String),
    /// It takes its time; `dispatch` waits for it.
    Later(Later),
}

/// Why a request did not do what it should.
#[derive(Debug)]
pub struct Refusal {
    /// The status code.
    pub status: StatusCode,
    /// The body; empty for `None`.
    pub body: Option<Value>,
    /// Asks for a name and a password.
    pub challenge: bool,
}

impl Refusal {
    /// `{"error": error, "reason": reason}`.
    pub fn new(status: StatusCode, error: &str, reason: impl Into<Value>) -> Self {
        let reason: Value = reason.into();
        Self {
            status,
            body: Some(json!({"error": error, "reason": reason})),
            challenge: false,
        }
    }

    /// 400 bad_request.
    pub fn bad(reason: impl Into<Value>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "bad_request", reason)
    }

    /// 503 service_unavailable.
    pub fn unavailable(reason: impl Into<Value>) -> Self {
        Self::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "service_unavailable",
            reason,
        )
    }

    /// 404 for what the path names and is not there.
    pub fn missing() -> Self {
        Self::new(StatusCode::NOT_FOUND, "Object Not Found", "Not Found")
    }

    /// 404 not_found with a reason of its own.
    pub fn not_found(reason: &str) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not_found", reason)
    }

    /// 401 for who is known and may not.
    pub fn not_authorised(reason: &str) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "not_authorised", reason)
    }
}

impl Refusal {
    /// With `<` and `>` as HTML wants them: RabbitMQ escapes what it says about policies and parameters, and nothing else.
    pub fn escaped(mut self) -> Self {
        if let Some(Value::String(reason)) = self.body.as_mut().map(|body| &mut body["reason"]) {
            *reason = reason.replace('<', "&lt;").replace('>', "&gt;");
        }
        self
    }
}

/// What the broker's verbs refuse.
impl From<Denied> for Refusal {
    fn from(denied: Denied) -> Self {
        match denied {
            Denied::NotFound => Self::missing(),
            Denied::NoVhost => Self::not_found("vhost_not_found"),
            Denied::Bad(reason) => Self::bad(reason),
            Denied::Protected(reason) => Self::new(
                StatusCode::PRECONDITION_FAILED,
                "precondition_failed",
                reason,
            ),
            Denied::Lost => Self::unavailable("what was asked for could not be written to disk"),
        }
    }
}

impl Refusal {
    /// What AMQP refuses with the end of a connection, code and all, as RabbitMQ shows it where it asks over AMQP itself.
    pub fn coded(reply: &Reply) -> Self {
        Self::bad(format!("{} {}", reply.code, told(reply)))
    }
}

/// A reply's text without its code's name.
fn told(reply: &Reply) -> &str {
    let text = reply.text.as_str();
    text.split_once(" - ").map_or(text, |(_, told)| told)
}

impl From<Put> for Answer {
    fn from(put: Put) -> Self {
        match put {
            Put::Created => Self::Created(None),
            Put::Updated => Self::Done,
        }
    }
}

/// What AMQP refuses, HTTP refuses: 403 is 401, everything else is the client's mistake. The text loses its code's name.
impl From<Reply> for Refusal {
    fn from(reply: Reply) -> Self {
        let text = told(&reply);
        match reply.code {
            403 => Self::not_authorised("Access refused."),
            404 => Self::not_found(text),
            _ => Self::bad(text),
        }
    }
}

impl Answer {
    /// As it goes out.
    pub fn into_response(self) -> Response<Body> {
        match self {
            Self::Json(value) => document(StatusCode::OK, &value),
            Self::Created(location) => {
                let mut response = empty(StatusCode::CREATED);
                if let Some(location) = location.and_then(|place| place.parse().ok()) {
                    response.headers_mut().insert(header::LOCATION, location);
                }
                response
            }
            Self::Done => empty(StatusCode::NO_CONTENT),
            Self::File(value, name) => {
                let mut response = document(StatusCode::OK, &value);
                let disposition = format!("attachment; filename={name}");
                if let Ok(disposition) = disposition.parse() {
                    let headers = response.headers_mut();
                    headers.insert(header::CONTENT_DISPOSITION, disposition);
                }
                response
            }
            Self::Elsewhere(place) => {
                let mut response = empty(StatusCode::SEE_OTHER);
                if let Ok(place) = place.parse() {
                    response.headers_mut().insert(header::LOCATION, place);
                }
                response
            }
            // Waited for already.
            Self::Later(_) => empty(StatusCode::ACCEPTED),
        }
    }
}

impl Refusal {
    /// As it goes out.
    pub fn into_response(self) -> Response<Body> {
        let mut response = match &self.body {
            Some(body) => document(self.status, body),
            None => empty(self.status),
        };
        if self.challenge {
            let basic = HeaderValue::from_static("Basic realm=\"RabbitMQ Management\"");
            response
                .headers_mut()
                .insert(header::WWW_AUTHENTICATE, basic);
        }
        response
    }
}

/// A response without a body.
pub fn empty(status: StatusCode) -> Response<Body> {
    finish(status, Body::empty())
}

fn document(status: StatusCode, value: &Value) -> Response<Body> {
    let mut response = finish(status, Body::from(value.to_string()));
    let json = HeaderValue::from_static("application/json");
    response.headers_mut().insert(header::CONTENT_TYPE, json);
    response
}

fn finish(status: StatusCode, body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    let vary = HeaderValue::from_static("accept, accept-encoding, origin");
    headers.insert(header::VARY, vary);
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amqp_refusals_lose_the_name_of_their_code() {
        let refusal = Refusal::from(Reply::precondition_failed("it is so"));
        assert_eq!(refusal.status, StatusCode::BAD_REQUEST);
        let body = refusal.body.expect("a body");
        assert_eq!(body, json!({"error": "bad_request", "reason": "it is so"}));
        let refusal = Refusal::from(Reply::access_refused("configure", "queue 'q'", "bob"));
        assert_eq!(refusal.status, StatusCode::UNAUTHORIZED);
    }
}
