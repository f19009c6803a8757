//! Who calls, and whether they may: basic authentication and the tags that the API asks for.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::http::{HeaderMap, StatusCode, header};
use base64::Engine;

use super::Refusal;
use crate::auth::{AuthError, User};
use crate::broker::Broker;

/// Who may use a route. Everybody needs a tag that lets into the API at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Who {
    /// Any tag of the API.
    Any,
    /// Who may open the vhost that the path names; administrators may without.
    Vhost,
    /// The same, and monitors.
    VhostMonitor,
    /// monitoring or administrator.
    Monitor,
    /// policymaker in a vhost that they may open, or administrator.
    Policymaker,
    /// policymaker or administrator, for what belongs to no vhost.
    GlobalPolicymaker,
    /// administrator.
    Administrator,
}

/// What a tag of the API allows.
pub fn is_administrator(user: &User) -> bool {
    user.has_tag("administrator")
}

/// May see what belongs to others.
pub fn is_monitor(user: &User) -> bool {
    is_administrator(user) || user.has_tag("monitoring")
}

fn is_policymaker(user: &User) -> bool {
    is_administrator(user) || user.has_tag("policymaker")
}

fn may_call(user: &User) -> bool {
    is_monitor(user) || is_policymaker(user) || user.has_tag("management")
}

/// Whether the user may open that vhost.
pub fn may_open(broker: &Broker, user: &User, vhost: &str) -> bool {
    broker.users.permission(&user.name, vhost).is_some()
}

/// The vhosts that the user sees.
pub fn sees(broker: &Broker, user: &User, vhost: &str) -> bool {
    is_monitor(user) || may_open(broker, user, vhost)
}

/// The vhosts whose policies and parameters the user sees.
pub fn reaches(broker: &Broker, user: &User, vhost: &str) -> bool {
    is_administrator(user) || may_open(broker, user, vhost)
}

/// Who has sent this request.
pub fn log_in(
    broker: &Broker,
    headers: &HeaderMap,
    peer: SocketAddr,
) -> Result<Arc<User>, Refusal> {
    let Some((name, password)) = credentials(headers) else {
        return Err(Refusal {
            status: StatusCode::UNAUTHORIZED,
            body: None,
            challenge: true,
        });
    };
    let response = [b"\0", name.as_slice(), b"\0", password.as_slice()].concat();
    let loopback = peer.ip().to_canonical().is_loopback();
    let user = match broker.users.authenticate("PLAIN", &response, loopback) {
        Ok(user) => user,
        Err(error @ AuthError::LoopbackOnly { .. }) => {
            tracing::warn!(%peer, "HTTP access denied: {error}");
            let reason = "User can only log in via localhost";
            return Err(Refusal::not_authorised(reason));
        }
        Err(error) => {
            tracing::warn!(%peer, "HTTP access denied: {error}");
            let status = StatusCode::UNAUTHORIZED;
            return Err(Refusal::new(status, "not_authorized", "Not_Authorized"));
        }
    };
    if !may_call(&user) {
        return Err(denied(&user, "Not management user"));
    }
    Ok(user)
}

fn denied(user: &User, reason: &str) -> Refusal {
    tracing::warn!("HTTP access denied: user '{}' - {reason}", user.name);
    Refusal::not_authorised(reason)
}

/// Whether the user may use a route for `who`; `vhost` is the one that the path names.
pub fn check(broker: &Broker, user: &User, who: Who, vhost: Option<&str>) -> Result<(), Refusal> {
    // What is not there is not guarded: the handler says 404.
    let opens =
        || vhost.is_none_or(|vhost| broker.vhost(vhost).is_none() || may_open(broker, user, vhost));
    let (allowed, reason) = match who {
        Who::Any => (true, ""),
        Who::Vhost => (
            is_administrator(user) || opens(),
            "User not authorised to access virtual host",
        ),
        Who::VhostMonitor => (
            is_monitor(user) || opens(),
            "User not authorised to access virtual host",
        ),
        Who::Monitor => (is_monitor(user), "Not monitor user"),
        Who::Policymaker => (
            is_administrator(user) || (is_policymaker(user) && opens()),
            "User not authorised to access object",
        ),
        Who::GlobalPolicymaker => (is_policymaker(user), "User not authorised to access object"),
        Who::Administrator => (is_administrator(user), "Not administrator user"),
    };
    if allowed {
        Ok(())
    } else {
        Err(denied(user, reason))
    }
}

fn credentials(headers: &HeaderMap) -> Option<(Vec<u8>, Vec<u8>)> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, encoded) = value.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let decoded = base64::prelude::BASE64_STANDARD
        .decode(encoded.trim())
        .ok()?;
    let colon = decoded.iter().position(|byte| *byte == b':')?;
    let (name, password) = (decoded[..colon].to_vec(), decoded[colon + 1..].to_vec());
    // A zero would end the name early in PLAIN.
    (!name.contains(&0) && !password.contains(&0)).then_some((name, password))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_are_split_at_the_first_colon() {
        let mut headers = HeaderMap::new();
        let encoded = base64::prelude::BASE64_STANDARD.encode("bob:pass:word");
        headers.insert(
            header::AUTHORIZATION,
            format!("basic {encoded}").parse().unwrap(),
        );
        assert_eq!(
            credentials(&headers),
            Some((b"bob".to_vec(), b"pass:word".to_vec()))
        );
        for bad in ["Basic", "Basic !", "Bearer x", "Basic Ym9i"] {
            headers.insert(header::AUTHORIZATION, bad.parse().unwrap());
            assert_eq!(credentials(&headers), None, "{bad}");
        }
    }
}
