//! Where the HTTP API is and who calls it: `http://user:password@host:port/prefix`.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use percent_encoding::percent_decode_str;

/// The port of RabbitMQ's HTTP API.
const PORT: u16 = 15672;

/// See the module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Uri {
    /// Name or address, without brackets.
    pub host: String,
    /// The port.
    pub port: u16,
    /// What `/api` comes after: empty, or a slash and no slash at the end.
    pub prefix: String,
    /// Who calls.
    pub user: String,
    /// With which password.
    pub password: String,
}

impl Uri {
    /// Reads one; what is not given is guest, guest, 15672 and no prefix.
    pub fn parse(text: &str) -> Result<Self, String> {
        let fault = |reason: &str| {
            format!(
                "'{}' is not a URI like http://user:password@host:15672: {reason}",
                hide(text)
            )
        };
        let rest = match text.split_once("://") {
            Some(("http", rest)) => rest,
            Some((scheme, _)) => return Err(fault(&format!("scheme '{scheme}' is not http"))),
            None => return Err(fault("it does not start with http://")),
        };
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        let (login, place) = match authority.rsplit_once('@') {
            Some((login, place)) => (Some(login), place),
            None => (None, authority),
        };
        let (user, password) = match login {
            Some(login) => {
                let (user, password) = login.split_once(':').unwrap_or((login, ""));
                (
                    decoded(user).ok_or_else(|| fault("the user is not UTF-8"))?,
                    decoded(password).ok_or_else(|| fault("the password is not UTF-8"))?,
                )
            }
            None => ("guest".to_owned(), "guest".to_owned()),
        };
        let (host, port) = match place.strip_prefix('[') {
            Some(bracketed) => {
                let (host, after) = bracketed
                    .split_once(']')
                    .ok_or_else(|| fault("a bracket is not closed"))?;
                (host, after.strip_prefix(':'))
            }
            None => match place.split_once(':') {
                Some((host, port)) => (host, Some(port)),
                None => (place, None),
            },
        };
        if host.is_empty() {
            return Err(fault("no host"));
        }
        let port = match port {
            None | Some("") => PORT,
            Some(port) => port
                .parse()
                .map_err(|_| fault("the port is not a number up to 65535"))?,
        };
        let path = path.trim_end_matches('/');
        let sound = |text: &str| text.bytes().all(|byte| byte.is_ascii_graphic());
        if !sound(path) || !sound(host) || path.contains(['?', '#']) {
            return Err(fault("host and path are plain"));
        }
        Ok(Self {
            host: host.to_owned(),
            port,
            prefix: match path {
                "" => String::new(),
                path => format!("/{path}"),
            },
            user,
            password,
        })
    }

    /// For people: without the password.
    pub fn shown(&self) -> String {
        format!("http://{}{}", self.authority(), self.prefix)
    }

    /// Host and port as the Host header has them.
    pub fn authority(&self) -> String {
        match self.host.contains(':') {
            true => format!("[{}]:{}", self.host, self.port),
            false => format!("{}:{}", self.host, self.port),
        }
    }

    /// The header Authorization.
    pub fn authorization(&self) -> String {
        let login = format!("{}:{}", self.user, self.password);
        format!("Basic {}", STANDARD.encode(login))
    }
}

fn decoded(text: &str) -> Option<String> {
    let decoded = percent_decode_str(text).decode_utf8().ok()?;
    Some(decoded.into_owned())
}

/// A password in a URI that was mistyped stays out of the terminal's history.
fn hide(text: &str) -> &str {
    text.rsplit_once('@').map_or(text, |(_, place)| place)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_given_has_rabbitmqs_defaults() {
        let uri = Uri::parse("http://broker").unwrap();
        assert_eq!(uri.authority(), "broker:15672");
        assert_eq!(
            (uri.user.as_str(), uri.password.as_str()),
            ("guest", "guest")
        );
        assert_eq!(uri.prefix, "");
    }

    #[test]
    fn every_part_may_be_given() {
        let uri = Uri::parse("http://o%40p:s%3A%2F@[::1]:80/mq/").unwrap();
        assert_eq!(uri.authority(), "[::1]:80");
        assert_eq!((uri.user.as_str(), uri.password.as_str()), ("o@p", "s:/"));
        assert_eq!(uri.prefix, "/mq");
        assert_eq!(uri.shown(), "http://[::1]:80/mq");
    }

    #[test]
    fn what_is_no_uri_is_named_without_its_password() {
        for text in [
            "",
            "x",
            "https://a",
            "http://",
            "http://a:b",
            "http://[::1",
            "http://a:99999",
            "http://a/b c",
        ] {
            assert!(Uri::parse(text).is_err(), "{text}");
        }
        let fault = Uri::parse("amqp://u:secret@h").unwrap_err();
        assert!(!fault.contains("secret"), "{fault}");
    }
}
