//! Reply codes and texts: who has to stop (a channel or the connection), RabbitMQ's code and RabbitMQ's words. One
//! constructor per situation: `connection` has those of BEHAVIOURS 1.x, `channel` those of 2.x; texts are those of
//! RabbitMQ 4 where versions differ. Sending them is the connection's work.

mod channel;
mod connection;

pub use channel::{exchange_resource, queue_resource};

use amq_protocol::protocol::{AMQPClass, channel as channel_class, connection as connection_class};

use super::limits::{REPLY_SNIPPET_BYTES, REPLY_TEXT_BYTES_MAX};
use super::{erlang, method, short_string};

/// Who has to stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scope {
    /// Only the channel it happened on.
    Channel,
    /// The whole connection.
    Connection,
}

/// A reply that closes a channel or a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// Who has to stop.
    pub scope: Scope,
    /// The reply code, 311 to 541.
    pub code: u16,
    /// The whole text, `CODE_NAME - ` in front, at most 255 bytes.
    pub text: String,
    /// Class of the method at fault; 0 where no method is.
    pub class: u16,
    /// Id of the method at fault; 0 where no method is.
    pub method: u16,
}

impl Reply {
    /// A reply of that code with an explanation of the caller's. The code decides the scope (BEHAVIOURS 2.2): 311 to 313
    /// and 403 to 406 close the channel, all others the connection.
    pub fn new(code: u16, explanation: &str) -> Self {
        let scope = match code {
            311..=313 | 403..=406 => Scope::Channel,
            _ => Scope::Connection,
        };
        Self::scoped(scope, code, explanation)
    }

    /// A reply whose scope is not the usual one of its code.
    pub fn scoped(scope: Scope, code: u16, explanation: &str) -> Self {
        Self {
            scope,
            code,
            text: limited(format!("{} - {explanation}", code_name(code))),
            class: 0,
            method: 0,
        }
    }

    /// Names the method at fault.
    #[must_use]
    pub fn at(mut self, class: u16, method: u16) -> Self {
        self.class = class;
        self.method = method;
        self
    }

    /// Names the method at fault by `class << 16 | method`, as the constants of [`super::method`] are.
    #[must_use]
    pub fn at_id(self, id: u32) -> Self {
        self.at((id >> 16) as u16, id as u16)
    }

    /// The close method that says this to the peer.
    pub fn close(&self) -> AMQPClass {
        let (reply_code, class_id, method_id) = (self.code, self.class, self.method);
        let reply_text = short_string(&self.text);
        match self.scope {
            Scope::Channel => {
                AMQPClass::Channel(channel_class::AMQPMethod::Close(channel_class::Close {
                    reply_code,
                    reply_text,
                    class_id,
                    method_id,
                }))
            }
            Scope::Connection => AMQPClass::Connection(connection_class::AMQPMethod::Close(
                connection_class::Close {
                    reply_code,
                    reply_text,
                    class_id,
                    method_id,
                },
            )),
        }
    }

    /// Appends the close frame: on `channel`, or on channel 0 when the connection is to be closed.
    pub fn write(&self, out: &mut Vec<u8>, channel: u16) {
        let channel = match self.scope {
            Scope::Channel => channel,
            Scope::Connection => 0,
        };
        method::write(out, channel, &self.close());
    }
}

impl std::fmt::Display for Reply {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self {
            code,
            text,
            class,
            method,
            ..
        } = self;
        write!(f, "{code} {class}/{method} {text}")
    }
}

impl std::error::Error for Reply {}

/// The name of a reply code as texts begin with it.
pub fn code_name(code: u16) -> &'static str {
    match code {
        200 => "REPLY_SUCCESS",
        311 => "CONTENT_TOO_LARGE",
        312 => "NO_ROUTE",
        313 => "NO_CONSUMERS",
        320 => "CONNECTION_FORCED",
        402 => "INVALID_PATH",
        403 => "ACCESS_REFUSED",
        404 => "NOT_FOUND",
        405 => "RESOURCE_LOCKED",
        406 => "PRECONDITION_FAILED",
        501 => "FRAME_ERROR",
        502 => "SYNTAX_ERROR",
        503 => "COMMAND_INVALID",
        504 => "CHANNEL_ERROR",
        505 => "UNEXPECTED_FRAME",
        506 => "RESOURCE_ERROR",
        530 => "NOT_ALLOWED",
        540 => "NOT_IMPLEMENTED",
        _ => "INTERNAL_ERROR",
    }
}

/// Cut to what a short string holds, `...` at the end, as RabbitMQ; never inside a character.
fn limited(mut text: String) -> String {
    if text.len() > REPLY_TEXT_BYTES_MAX {
        let mut end = REPLY_TEXT_BYTES_MAX - 3;
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        text.truncate(end);
        text.push_str("...");
    }
    text
}

/// `all octets = <<...>>`, or the first 16 of them.
fn snippet(payload: &[u8]) -> String {
    match payload.get(..REPLY_SNIPPET_BYTES) {
        Some(first) if payload.len() > REPLY_SNIPPET_BYTES => format!(
            "first {REPLY_SNIPPET_BYTES} octets = {}",
            erlang::binary(first)
        ),
        _ => format!("all octets = {}", erlang::binary(payload)),
    }
}

#[cfg(test)]
mod tests;
