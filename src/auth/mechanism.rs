//! SASL mechanisms: a client's response to a name and a password. Whether they are right is for `users` to say.

use crate::wire::table::{self, Table, Value};

/// All that there are; the configuration says which of them connection.start offers.
pub const MECHANISMS: &str = "PLAIN AMQPLAIN";

/// A way to say who one is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mechanism {
    /// RFC 4616 without an authorization identity.
    Plain,
    /// A field table, from before AMQP 0-9.
    AmqPlain,
}

/// A name and a password as the client sent them, perhaps no UTF-8. Never printed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Credentials<'a> {
    /// The user's name.
    pub user: &'a [u8],
    /// The password in clear.
    pub password: &'a [u8],
}

impl Mechanism {
    /// The mechanism of that name; names are compared exactly, as RabbitMQ does.
    pub fn find(name: &str) -> Option<Self> {
        match name {
            "PLAIN" => Some(Self::Plain),
            "AMQPLAIN" => Some(Self::AmqPlain),
            _ => None,
        }
    }

    /// Its name in connection.start and start-ok.
    pub fn name(self) -> &'static str {
        match self {
            Self::Plain => "PLAIN",
            Self::AmqPlain => "AMQPLAIN",
        }
    }

    /// Takes a response apart.
    ///
    /// # Errors
    /// What is wrong with it, without any of its content.
    pub fn credentials(self, response: &[u8]) -> Result<Credentials<'_>, &'static str> {
        match self {
            Self::Plain => plain(response),
            Self::AmqPlain => amqplain(response),
        }
    }
}

/// `NUL user NUL password`: nothing before, nothing after, no NUL in either.
fn plain(response: &[u8]) -> Result<Credentials<'_>, &'static str> {
    let mut parts = response.split(|&byte| byte == 0);
    match (parts.next(), parts.next(), parts.next(), parts.next()) {
        (Some([]), Some(user), Some(password), None) => Ok(Credentials { user, password }),
        (Some([_, ..]), ..) => Err("the response has an authorization identity"),
        _ => Err("the response is not NUL, user, NUL, password"),
    }
}

/// A table without its length, with the fields LOGIN and PASSWORD.
fn amqplain(response: &[u8]) -> Result<Credentials<'_>, &'static str> {
    table::check(response, false).map_err(|_| "the response is not a field table")?;
    let text = |name: &[u8]| match Table(response).find(name) {
        None => Err("the table is missing LOGIN or PASSWORD"),
        Some(Value::LongString(bytes) | Value::Bytes(bytes)) => Ok(bytes),
        Some(_) => Err("the table has a LOGIN or PASSWORD that is no string"),
    };
    Ok(Credentials {
        user: text(b"LOGIN")?,
        password: text(b"PASSWORD")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Name and password with a slash between.
    fn read(mechanism: Mechanism, response: &[u8]) -> Option<String> {
        let read = mechanism.credentials(response).ok()?;
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        Some(format!("{}/{}", text(read.user), text(read.password)))
    }

    #[test]
    fn plain_is_exactly_a_name_and_a_password() {
        let plain = |response: &[u8]| read(Mechanism::Plain, response);
        assert_eq!(plain(b"\0guest\0secret"), Some("guest/secret".into()));
        assert_eq!(plain(b"\0guest\0"), Some("guest/".into()));
        assert_eq!(plain(b"\0\0"), Some("/".into()));
        for wrong in [
            &b""[..],
            b"\0",
            b"\0guest",
            b"guest\0secret",
            b"zz\0guest\0secret",
            b"\0guest\0secret\0",
            b"\0g\0s\0t",
        ] {
            assert_eq!(plain(wrong), None, "{wrong:?}");
        }
    }

    fn login(user: &[u8], password: Option<u8>) -> Vec<u8> {
        let mut raw = Vec::new();
        table::write_name(&mut raw, b"LOGIN");
        table::write_long_string(&mut raw, user);
        if let Some(kind) = password {
            table::write_name(&mut raw, b"PASSWORD");
            raw.extend_from_slice(&[kind, 0, 0, 0, 1, b'p']);
        }
        raw
    }

    #[test]
    fn amqplain_is_a_table_with_login_and_password() {
        let amqplain = |response: &[u8]| read(Mechanism::AmqPlain, response);
        assert_eq!(amqplain(&login(b"u", Some(b'S'))), Some("u/p".into()));
        assert_eq!(amqplain(&login(b"u", Some(b'x'))), Some("u/p".into()));
        assert_eq!(amqplain(&login(b"u", Some(b'A'))), None);
        assert_eq!(amqplain(&login(b"u", None)), None);
        assert_eq!(amqplain(b"\0guest\0guest"), None);
        assert_eq!(amqplain(b""), None);
        let mut with_length = vec![0, 0, 0, 0];
        with_length.extend(login(b"u", Some(b'S')));
        assert_eq!(amqplain(&with_length), None);
    }

    #[test]
    fn every_mechanism_offered_is_found_and_no_other() {
        for name in MECHANISMS.split(' ') {
            assert_eq!(Mechanism::find(name).unwrap().name(), name);
        }
        for name in ["", "plain", "EXTERNAL", "ANONYMOUS", "PLAIN AMQPLAIN"] {
            assert_eq!(Mechanism::find(name), None);
        }
    }
}
