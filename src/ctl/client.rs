//! One HTTP connection to the management API, used call by call. Nothing here knows what is called.

use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::client::conn::http1;
use hyper::{Method, Request, header};
use hyper_util::rt::TokioIo;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;
use tokio::net::TcpStream;
use tokio::runtime::Runtime;

use super::failure::{DATA, Failure, NOT_PERMITTED, SOFTWARE, TEMPORARY, UNAVAILABLE};
use super::uri::Uri;

/// Bytes of an answer; what is more is refused and not read.
const ANSWER_BYTES: usize = 1 << 30;
/// Time to connect.
const CONNECT: Duration = Duration::from_secs(10);
/// What names in a path keep unescaped.
const KEPT: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'~');

/// See the module.
pub struct Client {
    uri: Uri,
    runtime: Runtime,
    timeout: Duration,
}

/// What the server said.
#[derive(Clone, Debug)]
pub struct Reply {
    /// The status code.
    pub status: u16,
    /// The document; null where there is none.
    pub body: Value,
}

impl Reply {
    /// All went well.
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// The error's words, as a text. RabbitMQ writes them for a browser.
    pub fn reason(&self) -> String {
        let words = self.words();
        words.replace("&lt;", "<").replace("&gt;", ">")
    }

    fn words(&self) -> String {
        match self.body.get("reason").or_else(|| self.body.get("error")) {
            Some(Value::String(text)) => text.clone(),
            Some(Value::Array(items)) => {
                let words = items.iter().map(|item| match item {
                    Value::String(text) => text.clone(),
                    other => text_of_bytes(other).unwrap_or_else(|| other.to_string()),
                });
                words.collect::<Vec<_>>().join(" ")
            }
            Some(other) => other.to_string(),
            None => format!("HTTP status {}", self.status),
        }
    }
}

/// RabbitMQ writes some texts as lists of their characters.
fn text_of_bytes(value: &Value) -> Option<String> {
    let items = value.as_array()?;
    let letters = items.iter().map(|item| {
        let code = u32::try_from(item.as_u64()?).ok()?;
        char::from_u32(code).filter(|letter| !letter.is_control())
    });
    letters.collect()
}

/// A path below `/api` of names that may hold anything.
pub fn path(parts: &[&str]) -> String {
    let mut path = String::new();
    for part in parts {
        path.push('/');
        path.extend(utf8_percent_encode(part, KEPT));
    }
    path
}

/// One field of a query, name and value joined.
pub fn field(name: &str, value: &str) -> String {
    format!("{name}={}", utf8_percent_encode(value, KEPT))
}

impl Client {
    /// Connects to nothing yet. `timeout` is for each call.
    pub fn new(uri: Uri, timeout: Duration) -> Result<Self, Failure> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| Failure::bare(SOFTWARE, format!("Error: {error}")))?;
        Ok(Self {
            uri,
            runtime,
            timeout,
        })
    }

    /// Where it connects.
    pub fn uri(&self) -> &Uri {
        &self.uri
    }

    /// What stands at a path, whatever the status, but for who is not let in.
    pub fn get(&self, path: &str) -> Result<Reply, Failure> {
        self.call(&Method::GET, path, None, &[])
    }

    /// Puts a document there.
    pub fn put(&self, path: &str, body: &Value) -> Result<Reply, Failure> {
        self.call(&Method::PUT, path, Some(body), &[])
    }

    /// Hands a document in.
    pub fn post(&self, path: &str, body: &Value) -> Result<Reply, Failure> {
        self.call(&Method::POST, path, Some(body), &[])
    }

    /// Removes what stands there.
    pub fn delete(&self, path: &str) -> Result<Reply, Failure> {
        self.call(&Method::DELETE, path, None, &[])
    }

    /// The same and says why.
    pub fn delete_because(&self, path: &str, reason: &str) -> Result<Reply, Failure> {
        let reason = reason.replace(|letter: char| letter.is_control(), " ");
        self.call(&Method::DELETE, path, None, &[("x-reason", &reason)])
    }

    /// A document that must be there.
    pub fn read(&self, path: &str) -> Result<Value, Failure> {
        let reply = self.get(path)?;
        match reply.is_success() {
            true => Ok(reply.body),
            false => Err(self.refused(path, &reply)),
        }
    }

    /// What an answer that nobody expected is to the user.
    pub fn refused(&self, path: &str, reply: &Reply) -> Failure {
        let reason = reply.reason();
        match reply.status {
            404 | 405 => Failure::error(DATA, format!("{}/api{path}: {reason}", self.uri.shown())),
            _ => Failure::error(UNAVAILABLE, reason),
        }
    }

    fn call(
        &self,
        method: &Method,
        path: &str,
        body: Option<&Value>,
        headers: &[(&str, &str)],
    ) -> Result<Reply, Failure> {
        let answer = self.runtime.block_on(async {
            tokio::time::timeout(self.timeout, self.exchange(method, path, body, headers)).await
        });
        let reply = answer.unwrap_or_else(|_| {
            Err(Failure::bare(
                TEMPORARY,
                format!(
                    "Error: operation {method} {path} at {} timed out. Timeout value used: {} ms",
                    self.uri.shown(),
                    self.timeout.as_millis()
                ),
            ))
        })?;
        if reply.status == 401 {
            return Err(Failure::bare(
                NOT_PERMITTED,
                format!(
                    "Error: user '{}' may not {method} {path} at {}: {}",
                    self.uri.user,
                    self.uri.shown(),
                    reply.reason()
                ),
            ));
        }
        Ok(reply)
    }

    async fn exchange(
        &self,
        method: &Method,
        path: &str,
        body: Option<&Value>,
        headers: &[(&str, &str)],
    ) -> Result<Reply, Failure> {
        let lost = |error: &dyn std::fmt::Display| {
            let text = format!("Error: unable to reach {}: {error}", self.uri.shown());
            Failure::bare(UNAVAILABLE, text)
        };
        let place = (self.uri.host.as_str(), self.uri.port);
        let stream = tokio::time::timeout(CONNECT, TcpStream::connect(place))
            .await
            .map_err(|_| lost(&"no answer"))?
            .map_err(|error| lost(&error))?;
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream))
            .await
            .map_err(|error| lost(&error))?;
        let driver = tokio::spawn(connection);
        let bytes = body.map_or_else(Bytes::new, |body| Bytes::from(body.to_string()));
        // No Accept: RabbitMQ answers 406 to it where there is no body to send.
        let mut request = Request::builder()
            .method(method)
            .uri(format!("{}/api{path}", self.uri.prefix))
            .header(header::HOST, self.uri.authority())
            .header(header::AUTHORIZATION, self.uri.authorization());
        if body.is_some() {
            request = request.header(header::CONTENT_TYPE, "application/json");
        }
        for (name, value) in headers {
            request = request.header(*name, value.as_bytes());
        }
        let request = request
            .body(Full::new(bytes))
            .map_err(|error| lost(&error))?;
        let answer = sender
            .send_request(request)
            .await
            .map_err(|error| lost(&error))?;
        let status = answer.status().as_u16();
        let text = Limited::new(answer.into_body(), ANSWER_BYTES)
            .collect()
            .await
            .map_err(|error| lost(&error))?
            .to_bytes();
        driver.abort();
        let body = match (text.is_empty(), serde_json::from_slice(&text)) {
            (true, _) => Value::Null,
            (false, Ok(value)) => value,
            (false, Err(_)) if !(200..300).contains(&status) => Value::Null,
            (false, Err(error)) => return Err(lost(&format!("the answer is not JSON: {error}"))),
        };
        Ok(Reply { status, body })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn names_in_paths_may_hold_anything() {
        assert_eq!(
            path(&["queues", "/", "a b%é"]),
            "/queues/%2F/a%20b%25%C3%A9"
        );
        assert_eq!(field("q", "a&b"), "q=a%26b");
    }

    #[test]
    fn reasons_are_words_in_each_of_rabbitmqs_forms() {
        let reason = |body| Reply { status: 400, body }.reason();
        assert_eq!(reason(json!({"error": "e", "reason": "r"})), "r");
        assert_eq!(reason(json!({"error": "e", "reason": ["a", "b"]})), "a b");
        assert_eq!(
            reason(json!({"reason": ["invalid_regexp", [42]]})),
            "invalid_regexp *"
        );
        assert_eq!(reason(Value::Null), "HTTP status 400");
    }
}
