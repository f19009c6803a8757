//! Replies that end a connection: frames, handshake, virtual host, limits, shutdown (BEHAVIOURS 1.3 to 1.10, 2.1).

use super::{Reply, Scope, snippet};
use crate::wire::frame::OVERHEAD;
use crate::wire::{erlang, table};

/// Frames and content that cannot be read (BEHAVIOURS 1.6, 1.7).
impl Reply {
    /// A payload of `size` bytes where a whole frame may have `frame_max`.
    pub fn frame_too_large(kind: u8, size: u32, frame_max: u32) -> Self {
        let limit = frame_max.saturating_sub(OVERHEAD as u32);
        Self::frame_error(kind, &[], &format!("{{frame_too_large,{size},{limit}}}"))
    }

    /// Something else than 0xCE at the end.
    pub fn invalid_frame_end(kind: u8, payload: &[u8], marker: u8) -> Self {
        Self::frame_error(
            kind,
            payload,
            &format!("{{invalid_frame_end_marker,{marker}}}"),
        )
    }

    /// A frame of no known type, or too short for its type.
    #[cold]
    pub fn unknown_frame(kind: u8, payload: &[u8]) -> Self {
        Self::frame_error(kind, payload, "unknown_frame")
    }

    fn frame_error(kind: u8, payload: &[u8], what: &str) -> Self {
        Self::new(501, &format!("type {kind}, {}: {what}", snippet(payload)))
    }

    /// A frame that is right in itself at a place where it may not be: heartbeat on a channel, channel before open-ok.
    pub fn unexpected_frame(kind: u8, payload: &[u8]) -> Self {
        Self::new(505, &format!("type {kind}, {}", snippet(payload)))
    }

    /// Method fields that are too short or too long. `fields` are the bytes after the method id.
    #[cold]
    pub fn cannot_decode(class: u16, method: u16, fields: &[u8]) -> Self {
        // The text is cut at 255 bytes; no need to print a megabyte first.
        let shown = &fields[..fields.len().min(256)];
        Self::new(501, &format!("cannot decode {}", erlang::numbers(shown))).at(class, method)
    }

    /// A short string in a method that is not UTF-8.
    #[cold]
    pub fn malformed_utf8() -> Self {
        Self::new(501, "Malformed UTF-8 in shortstr")
    }

    /// A table in a method that cannot be read. RabbitMQ drops the connection without a word.
    #[cold]
    pub fn bad_table(class: u16, method: u16, fault: table::Fault) -> Self {
        Self::new(501, &format!("cannot decode table: {fault}")).at(class, method)
    }

    /// A property block that cannot be read. RabbitMQ answers a bare 541 INTERNAL_ERROR.
    #[cold]
    pub fn bad_properties(fault: &str) -> Self {
        Self::new(501, &format!("cannot decode properties: {fault}"))
    }

    /// A class or method that AMQP 0-9-1 does not have. RabbitMQ drops the connection without a word.
    #[cold]
    pub fn unknown_method(class: u16, method: u16) -> Self {
        Self::new(503, &format!("unknown method {method} of class {class}")).at(class, method)
    }

    /// A class of AMQP 0-9 that neither RabbitMQ nor we offer.
    #[cold]
    pub fn not_offered(class: u16, method: u16, name: &str) -> Self {
        Self::new(540, &format!("class {name} is not offered")).at(class, method)
    }

    /// A method that only a server may send, or that makes no sense here.
    pub fn unimplemented_method() -> Self {
        Self::new(503, "unimplemented method")
    }

    /// Content header or body where a method has to be.
    pub fn expected_method() -> Self {
        Self::new(505, "expected method frame, got non method frame instead")
    }

    /// Something else than a content header after basic.publish.
    pub fn expected_content_header() -> Self {
        let text = "expected content header for class 60, got non content header frame instead";
        Self::new(505, text).at(60, 40)
    }

    /// A content header of another class after basic.publish.
    pub fn expected_content_class(class: u16) -> Self {
        let text =
            format!("expected content header for class 60, got one for class {class} instead");
        Self::new(505, &text).at(60, 40)
    }

    /// Something else than a body while one is due.
    pub fn expected_content_body() -> Self {
        let text = "expected content body, got non content body frame instead";
        Self::new(505, text).at(60, 40)
    }
}

/// Handshake and life of the connection (BEHAVIOURS 1.3 to 1.5, 1.8, 1.10).
impl Reply {
    /// Wrong credentials, told only to clients with the capability `authentication_failure_close`.
    pub fn login_refused(mechanism: &str) -> Self {
        let text = format!(
            "Login was refused using authentication mechanism {mechanism}. For details see the broker logfile."
        );
        Self::scoped(Scope::Connection, 403, &text)
    }

    /// No such mechanism; logged, not sent.
    pub fn unknown_mechanism(mechanism: &str) -> Self {
        Self::new(
            503,
            &format!("unknown authentication mechanism '{mechanism}'"),
        )
    }

    /// A response that its mechanism cannot read; logged, not sent. The response itself is a secret and not printed.
    pub fn malformed_response(mechanism: &str) -> Self {
        Self::new(502, &format!("{mechanism} response invalid"))
    }

    /// tune-ok asks for less than the least (`field` is frame_max or channel_max); logged, not sent.
    pub fn negotiated_too_low(field: &str, value: u32, minimum: u32) -> Self {
        let text = format!(
            "negotiated {field} = {value} is lower than the minimum allowed value ({minimum})"
        );
        Self::new(530, &text)
    }

    /// tune-ok asks for more than was proposed, 0 meaning no limit; logged, not sent.
    pub fn negotiated_too_high(field: &str, value: u32, maximum: u32) -> Self {
        let no_limit = if value == 0 { " (no limit)" } else { "" };
        let text = format!(
            "negotiated {field} = {value}{no_limit} is higher than the maximum allowed value ({maximum})"
        );
        Self::new(530, &text)
    }

    /// connection.open for a virtual host that is not there.
    pub fn vhost_not_found(vhost: &str) -> Self {
        Self::new(530, &format!("vhost {vhost} not found")).at(10, 40)
    }

    /// connection.open without permissions on the virtual host.
    pub fn vhost_refused(vhost: &str, user: &str) -> Self {
        let text = format!("access to vhost '{vhost}' refused for user '{user}'");
        Self::new(530, &text).at(10, 40)
    }

    /// The virtual host has all the connections it may have.
    pub fn vhost_connection_limit(vhost: &str, user: &str, limit: u64) -> Self {
        let text = format!(
            "access to vhost '{vhost}' refused for user '{user}': connection limit ({limit}) is reached"
        );
        Self::new(530, &text).at(10, 40)
    }

    /// The user has all the connections they may have.
    pub fn user_connection_limit(user: &str, limit: u64) -> Self {
        let text = format!(
            "connection refused for user '{user}': user connection limit ({limit}) is reached"
        );
        Self::new(530, &text).at(10, 40)
    }

    /// The node has all the connections it may have.
    pub fn node_connection_limit(limit: u64) -> Self {
        let text = format!("connection refused: node connection limit ({limit}) is reached");
        Self::new(530, &text).at(10, 40)
    }

    /// The virtual host is stopped.
    pub fn vhost_down(vhost: &str, user: &str) -> Self {
        let text =
            format!("access to vhost '{vhost}' refused for user '{user}': vhost '{vhost}' is down");
        Self::new(541, &text).at(10, 40)
    }

    /// The virtual host was deleted under the connection.
    pub fn vhost_deleted(vhost: &str) -> Self {
        Self::forced(&format!("vhost '{vhost}' is deleted"))
    }

    /// The operator closes the connection for this reason.
    pub fn forced(reason: &str) -> Self {
        Self::new(320, reason)
    }

    /// The broker stops.
    pub fn shutdown() -> Self {
        Self::forced("broker forced connection closure with reason 'shutdown'")
    }

    /// connection.update-secret that the user's backend refuses.
    pub fn secret_refused() -> Self {
        Self::new(530, "New secret was refused by one of the backends").at(10, 70)
    }

    /// connection.update-secret that failed.
    pub fn secret_failed() -> Self {
        Self::new(530, "Secret update failed").at(10, 70)
    }

    /// A connection method in a state that has no use for it.
    pub fn unexpected_connection_method(class: u16, method: u16, state: &str) -> Self {
        let text = format!("unexpected method in connection state {state}");
        Self::new(504, &text).at(class, method)
    }

    /// More memory, or more of anything, than one connection may hold.
    pub fn resource_error(what: &str) -> Self {
        Self::new(506, what)
    }

    /// Something of ours failed.
    pub fn internal_error(what: &str) -> Self {
        Self::new(541, what)
    }
}

/// Opening channels (BEHAVIOURS 1.7, 2.1).
impl Reply {
    /// More channels than negotiated; `open` is how many there are.
    pub fn channel_max_reached(open: usize, channel_max: u16) -> Self {
        let text = format!(
            "number of channels opened ({open}) has reached the negotiated channel_max ({channel_max})"
        );
        Self::new(530, &text)
    }

    /// More channels than the user may have.
    pub fn user_channel_limit(user: &str, limit: u64) -> Self {
        let text = format!(
            "number of channels opened for user '{user}' has reached the maximum allowed user limit of ({limit})"
        );
        Self::new(530, &text)
    }

    /// More channels than the node may have.
    pub fn node_channel_limit(node: &str, limit: u64) -> Self {
        let text = format!(
            "number of channels opened on node '{node}' has reached the maximum allowed limit of ({limit})"
        );
        Self::new(530, &text)
    }

    /// channel.open on an open channel.
    pub fn second_channel_open() -> Self {
        Self::new(504, "second 'channel.open' seen").at(20, 10)
    }

    /// Any other method before channel.open.
    pub fn expected_channel_open(class: u16, method: u16) -> Self {
        Self::new(504, "expected 'channel.open'").at(class, method)
    }
}
