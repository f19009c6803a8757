//! The broker to measure: an AMQP URI, and sockets to it.

use super::fault::Fault;
use amq_protocol::uri::{AMQPScheme, AMQPUri};
use std::fmt;
use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::str::FromStr;
use std::time::Duration;

/// How long a TCP connect may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Sockets wake up this often, so that nobody sleeps through the end of a run.
pub const SOCKET_TIMEOUT: Duration = Duration::from_millis(100);

/// Where to connect and as whom.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// Host name or address.
    pub host: String,
    /// TCP port.
    pub port: u16,
    /// User name.
    pub user: String,
    /// Password.
    pub password: String,
    /// Virtual host.
    pub vhost: String,
}

impl FromStr for Target {
    type Err = Fault;

    fn from_str(text: &str) -> Result<Target, Fault> {
        let uri: AMQPUri = text
            .parse()
            .map_err(|error: String| Fault::new(error).doing(format!("URI '{text}'")))?;
        if uri.scheme == AMQPScheme::AMQPS {
            return Err(Fault::new(format!(
                "URI '{text}': perf speaks amqp:// only, not amqps://"
            )));
        }
        // The parser knows no IPv6 addresses and calls them localhost.
        let bracketed = text
            .split_once('[')
            .and_then(|(_, rest)| rest.split_once(']'));
        Ok(Target {
            host: bracketed.map_or(uri.authority.host, |(address, _)| address.to_owned()),
            port: uri.authority.port,
            user: uri.authority.userinfo.username,
            password: uri.authority.userinfo.password,
            // amqp://host/ names the empty vhost, which no broker has by default and nobody means.
            vhost: if uri.vhost.is_empty() {
                "/".to_owned()
            } else {
                uri.vhost
            },
        })
    }
}

impl fmt::Display for Target {
    /// Without the password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let vhost = if self.vhost == "/" { "" } else { &self.vhost };
        match self.host.contains(':') {
            true => write!(
                f,
                "amqp://{}@[{}]:{}/{vhost}",
                self.user, self.host, self.port
            ),
            false => write!(
                f,
                "amqp://{}@{}:{}/{vhost}",
                self.user, self.host, self.port
            ),
        }
    }
}

impl Target {
    /// The first address of the host.
    pub fn address(&self) -> Result<SocketAddr, Fault> {
        let found = (self.host.as_str(), self.port)
            .to_socket_addrs()
            .map(|mut addresses| addresses.next());
        match found {
            Ok(Some(address)) => Ok(address),
            Ok(None) => Err(Fault::new(format!("{} has no address", self.host))),
            Err(error) => Err(Fault::from(error).doing(&self.host)),
        }
    }

    /// A connected socket with [`prepare`]'s options.
    pub fn connect(&self) -> Result<TcpStream, Fault> {
        let address = self.address()?;
        let connect = || {
            let stream = TcpStream::connect_timeout(&address, CONNECT_TIMEOUT)?;
            prepare(&stream)?;
            Ok::<_, std::io::Error>(stream)
        };
        connect().map_err(|error| Fault::from(error).doing(format!("connecting to {address}")))
    }
}

/// No delay, and short timeouts in both directions.
pub fn prepare(stream: &TcpStream) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(SOCKET_TIMEOUT))?;
    stream.set_write_timeout(Some(SOCKET_TIMEOUT))
}

/// Whether an I/O error only says that a socket's timeout has passed.
pub fn timed_out(error: &std::io::Error) -> bool {
    use std::io::ErrorKind::{Interrupted, TimedOut, WouldBlock};
    matches!(error.kind(), WouldBlock | TimedOut | Interrupted)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uris_are_read_as_clients_read_them() {
        let target: Target = "amqp://me:p%40ss@[::1]:5673/my%2Fhost".parse().unwrap();
        assert_eq!(
            (target.host.as_str(), target.port, target.vhost.as_str()),
            ("::1", 5673, "my/host")
        );
        assert_eq!(target.password, "p@ss");
        assert_eq!(target.to_string(), "amqp://me@[::1]:5673/my/host");
        for plain in [
            "amqp://localhost",
            "amqp://localhost/",
            "amqp://localhost/%2f",
        ] {
            let target: Target = plain.parse().unwrap();
            assert_eq!(
                (target.user.as_str(), target.port, target.vhost.as_str()),
                ("guest", 5672, "/"),
                "{plain}"
            );
        }
        assert!("amqps://localhost".parse::<Target>().is_err());
        assert!("http://localhost".parse::<Target>().is_err());
    }
}
