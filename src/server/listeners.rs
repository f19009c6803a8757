//! Sockets that listen, and the tasks that accept. What becomes of a connection is the broker's business (`core.rs`).
//! `mod.rs` binds first, so that a port in use stops the start, and starts accepting last.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::{Duration, Instant};

use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tracing::{info, warn};

use crate::config::{ListenAddress, Listener, Origin, Tcp};

/// Times to look for a port that is free for IPv4 and IPv6, when the system chooses.
const COMMON_PORT_ATTEMPTS: usize = 32;
/// First and longest pause of accepting while descriptors or memory are exhausted.
const PAUSE_MIN: Duration = Duration::from_millis(100);
const PAUSE_MAX: Duration = Duration::from_secs(1);
/// At the limit, accepting may work and fail in turns; it is not logged more often than this.
const PAUSE_LOGGED_EVERY: Duration = Duration::from_secs(10);

/// Opens the listeners of AMQP, of which there must be one.
pub fn bind(listeners: &[Listener], tcp: &Tcp) -> Result<Vec<std::net::TcpListener>, String> {
    let bound = open_all(listeners, tcp)?;
    if bound.is_empty() {
        return Err(
            "nowhere to listen: neither 127.0.0.1 nor ::1 exists; set listeners.tcp.default"
                .to_owned(),
        );
    }
    Ok(bound)
}

/// Opens all listeners. The error is one line that names the key, its place and the address.
pub fn open_all(listeners: &[Listener], tcp: &Tcp) -> Result<Vec<std::net::TcpListener>, String> {
    let mut bound = Vec::new();
    for listener in listeners {
        let (opened, address) = match listener.address {
            ListenAddress::All => (
                everywhere(listener.port, tcp),
                SocketAddr::new(IpAddr::V6(Ipv6Addr::UNSPECIFIED), listener.port),
            ),
            ListenAddress::Ip(ip) => {
                let address = SocketAddr::new(ip, listener.port);
                // "::" alone takes IPv4, too, as in RabbitMQ, unless 0.0.0.0 has a listener of its own there.
                let own_v4 = listeners.iter().any(|other| {
                    other.address == ListenAddress::Ip(IpAddr::V4(Ipv4Addr::UNSPECIFIED))
                        && other.port == listener.port
                });
                (
                    open(address, !ip.is_unspecified() || own_v4, tcp).map(|socket| vec![socket]),
                    address,
                )
            }
        };
        match opened {
            Ok(sockets) => bound.extend(sockets),
            Err(error) if listener.origin == Origin::Default && is_missing(&error) => {
                info!("not listening on {address}: this machine does not have it");
            }
            Err(error) => {
                let place = match &listener.origin {
                    Origin::Default => String::new(),
                    origin => format!("{origin}: "),
                };
                let reason = match error.kind() {
                    io::ErrorKind::AddrInUse => "the port is in use by another process".to_owned(),
                    _ => error.to_string(),
                };
                return Err(format!(
                    "{place}key '{}': cannot listen on {address}: {reason}",
                    listener.key
                ));
            }
        }
    }
    Ok(bound)
}

/// Opens listeners where they were before.
pub fn open_again(
    addresses: &[SocketAddr],
    tcp: &Tcp,
) -> Result<Vec<std::net::TcpListener>, String> {
    let all_of_4 = |address: &SocketAddr| {
        let v4 = SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), address.port());
        addresses.contains(&v4)
    };
    let each = addresses.iter().map(|address| {
        // As when they were opened first: "::" alone takes IPv4, too.
        let v6_only = !address.ip().is_unspecified() || all_of_4(address);
        open(*address, v6_only, tcp).map_err(|error| format!("cannot listen on {address}: {error}"))
    });
    each.collect()
}

/// One socket for all IPv4 addresses and one for all IPv6 addresses, at the same port.
fn everywhere(port: u16, tcp: &Tcp) -> io::Result<Vec<std::net::TcpListener>> {
    let v4 = |port| {
        open(
            SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), port),
            true,
            tcp,
        )
    };
    let v6 = |port| {
        open(
            SocketAddr::new(IpAddr::V6(Ipv6Addr::UNSPECIFIED), port),
            true,
            tcp,
        )
    };
    let mut attempts = if port == 0 { COMMON_PORT_ATTEMPTS } else { 1 };
    loop {
        attempts -= 1;
        let first = match v4(port) {
            // A machine with IPv6 alone.
            Err(error) if is_missing(&error) => return Ok(vec![v6(port)?]),
            opened => opened?,
        };
        match v6(first.local_addr()?.port()) {
            Ok(second) => return Ok(vec![first, second]),
            Err(error) if is_missing(&error) => return Ok(vec![first]),
            Err(error) if error.kind() == io::ErrorKind::AddrInUse && attempts > 0 => {}
            Err(error) => return Err(error),
        }
    }
}

/// The machine has no such address, or no such protocol.
fn is_missing(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::AddrNotAvailable
        || error.raw_os_error() == Some(libc::EAFNOSUPPORT)
}

fn open(address: SocketAddr, v6_only: bool, tcp: &Tcp) -> io::Result<std::net::TcpListener> {
    let socket = Socket::new(
        Domain::for_address(address),
        Type::STREAM,
        Some(Protocol::TCP),
    )?;
    if address.is_ipv6() {
        socket.set_only_v6(v6_only)?;
    }
    socket.set_reuse_address(true)?;
    // Linux hands these on to every connection that is accepted, which spares a system call for each of them.
    socket.set_tcp_nodelay(tcp.nodelay)?;
    socket.set_keepalive(tcp.keepalive)?;
    socket.set_linger(tcp.linger)?;
    if let Some(bytes) = tcp.send_buffer {
        socket.set_send_buffer_size(bytes)?;
    }
    if let Some(bytes) = tcp.receive_buffer {
        socket.set_recv_buffer_size(bytes)?;
    }
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(tcp.backlog)?;
    Ok(socket.into())
}

/// The tasks that accept, one a socket.
pub struct Accepting {
    tasks: Vec<JoinHandle<()>>,
}

impl Accepting {
    /// Starts accepting on all sockets, and logs where. Needs a runtime.
    pub fn start(
        bound: Vec<std::net::TcpListener>,
        protocol: &str,
        hand_on: impl Fn(TcpStream, SocketAddr) + Clone + Send + 'static,
    ) -> Result<Self, String> {
        let mut tasks = Vec::with_capacity(bound.len());
        for socket in bound {
            let listener = TcpListener::from_std(socket)
                .map_err(|error| format!("cannot accept connections: {error}"))?;
            let address = listener
                .local_addr()
                .map_err(|error| format!("cannot accept connections: {error}"))?;
            info!("listening {protocol} {address}");
            tasks.push(tokio::spawn(accept(listener, address, hand_on.clone())));
        }
        Ok(Accepting { tasks })
    }

    /// Closes the sockets; connections that were accepted go on.
    pub async fn stop(self) {
        for task in &self.tasks {
            task.abort();
        }
        for task in self.tasks {
            // Aborted is what it is meant to be.
            let _ = task.await;
        }
    }
}

/// Hands every connection on, until the task is aborted.
async fn accept(
    listener: TcpListener,
    address: SocketAddr,
    hand_on: impl Fn(TcpStream, SocketAddr),
) {
    let mut pause = PAUSE_MIN;
    // A pause that was logged and whose end was not; when that was.
    let mut told = false;
    let mut logged: Option<Instant> = None;
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => {
                if told {
                    info!("accepting connections on {address} again");
                    told = false;
                }
                pause = PAUSE_MIN;
                // An IPv4 client of a socket that takes both is shown, and judged, as what it is.
                hand_on(
                    stream,
                    SocketAddr::new(peer.ip().to_canonical(), peer.port()),
                );
            }
            Err(error) if is_exhausted(&error) => {
                if !told && logged.is_none_or(|at| at.elapsed() >= PAUSE_LOGGED_EVERY) {
                    warn!("accepting connections on {address} pauses: {error}");
                    told = true;
                    logged = Some(Instant::now());
                }
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(PAUSE_MAX);
            }
            // The client has gone again before it was accepted, or the network had an error of that one connection.
            Err(_) => tokio::task::yield_now().await,
        }
    }
}

/// Descriptors or memory for sockets have run out, so that accepting at once would fail again.
fn is_exhausted(error: &io::Error) -> bool {
    matches!(
        error.raw_os_error(),
        Some(libc::EMFILE | libc::ENFILE | libc::ENOBUFS | libc::ENOMEM)
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Config, Sources};

    fn tcp() -> Tcp {
        Config::load(Sources::default()).expect("loads").0.tcp
    }

    fn listener(address: ListenAddress, port: u16) -> Listener {
        let origin = Origin::Flag("--set");
        Listener {
            address,
            port,
            key: "listeners.tcp.default".to_owned(),
            origin,
        }
    }

    #[test]
    fn a_bare_port_opens_both_protocols_at_one_port() {
        let bound = bind(&[listener(ListenAddress::All, 0)], &tcp()).expect("bound");
        let ports: Vec<u16> = bound
            .iter()
            .map(|socket| socket.local_addr().expect("bound").port())
            .collect();
        assert!(
            !ports.is_empty() && ports.iter().all(|&port| port == ports[0] && port != 0),
            "{ports:?}"
        );
    }

    #[test]
    fn a_port_in_use_names_key_place_and_address() {
        let ip = ListenAddress::Ip(IpAddr::V4(Ipv4Addr::LOCALHOST));
        let held = bind(&[listener(ip, 0)], &tcp()).expect("bound");
        let port = held[0].local_addr().expect("bound").port();
        let error = bind(&[listener(ip, port)], &tcp()).expect_err("in use");
        let expected = format!(
            "--set: key 'listeners.tcp.default': cannot listen on 127.0.0.1:{port}: the port is in use by another process"
        );
        assert_eq!(error, expected);
    }

    #[tokio::test]
    async fn accepted_sockets_have_the_listeners_options() {
        let mut tcp = tcp();
        tcp.keepalive = true;
        let ip = ListenAddress::Ip(IpAddr::V4(Ipv4Addr::LOCALHOST));
        let bound = bind(&[listener(ip, 0)], &tcp).expect("bound").remove(0);
        let address = bound.local_addr().expect("bound");
        let listener = TcpListener::from_std(bound).expect("a listener");
        let (sender, mut receiver) = tokio::sync::mpsc::unbounded_channel();
        let task = tokio::spawn(accept(listener, address, move |stream, peer| {
            sender.send((stream, peer)).expect("received");
        }));
        let client = TcpStream::connect(address).await.expect("connected");
        let (stream, peer) = receiver.recv().await.expect("accepted");
        assert_eq!(peer, client.local_addr().expect("connected"));
        let socket = socket2::SockRef::from(&stream);
        assert!(socket.tcp_nodelay().expect("an option"));
        assert!(socket.keepalive().expect("an option"));
        assert_eq!(socket.linger().expect("an option"), Some(Duration::ZERO));
        task.abort();
    }
}
