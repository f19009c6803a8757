//! Listeners and socket options.

use super::super::value::{BYTE, INTEGER, MILLIS, PORT, integer, integer_or};
use super::Class::{Ignored, Later, Refused, Used};
use super::{Kind, NONE, Row, Section, Set, eg, is, row};

const INT_MAX: u64 = i32::MAX as u64;

pub(super) const SECTION: Section = Section {
    title: "Listeners and sockets",
    #[rustfmt::skip]
    rows: &[
        row("listeners.tcp.$default", Kind::Listener, eg("5672"), Used, "Where AMQP clients connect: PORT (all IPv4 and IPv6 interfaces), IPV4:PORT or [IPV6]:PORT; port 0 lets the system choose. Any number of these, each under a name of its own. Without any: 5672 on all interfaces where there is a configuration file, as RabbitMQ; without a file 127.0.0.1:5672 and [::1]:5672, so that a first try is not open to the network."),
        row("listeners.tcp", NONE, eg("none"), Refused(&[]), "No AMQP listener without TLS. Refused, because TLS listeners are not supported yet."),
        row("num_acceptors.tcp", integer("", 1, INT_MAX), is("10"), Ignored, "Erlang processes that accept connections. Leveret accepts in one task a listener."),
        row("num_acceptors.ssl", integer("", 1, INT_MAX), is("10"), Ignored, "The same for TLS listeners."),
        row("handshake_timeout", integer_or("ms", 1, u64::MAX, &["infinity"]), is("10000"), Used, "Time from a connection's start to connection.open-ok. Whoever needs longer is dropped, so that half-open connections cannot pile up."),
        row("reverse_dns_lookups", Kind::Bool, is("false"), Later, "Show clients' host names instead of their addresses."),
        row("proxy_protocol", Kind::Bool, is("false"), Refused(&["false", "off"]), "Take clients' addresses from a proxy's PROXY header. Refused when true: without it every client would seem to come from the proxy, which loopback_users trusts or not."),
        row("socket_writer.gc_threshold", integer_or("bytes", 1, u64::MAX, &["off"]), is("1000000000"), Ignored, "Bytes after which Erlang's socket writers collect garbage. Leveret has none to collect."),
    ],
    sets: &[Set {
        prefix: "tcp_listen_options",
        rows: SOCKET_ROWS,
        class: None,
    }],
};

/// Socket options: under `tcp_listen_options` here, and under plugins' prefixes elsewhere.
#[rustfmt::skip]
pub(super) const SOCKET_ROWS: &[Row] = &[
    row("backlog", integer("connections", 1, INT_MAX), is("1024"), Used, "Connections that the system completes while they wait to be accepted. More than RabbitMQ's 128, so that thousands of clients that reconnect at once are not turned away; the system may cap it (net.core.somaxconn)."),
    row("nodelay", Kind::Bool, is("true"), Used, "Send small packets at once (TCP_NODELAY). Leveret writes whole batches, so waiting would only add latency."),
    row("keepalive", Kind::Bool, is("false"), Used, "Let the system probe idle connections (SO_KEEPALIVE). Off, because AMQP has heartbeats."),
    row("sndbuf", integer("bytes", 1, INT_MAX), eg("196608"), Used, "Size of the system's send buffer of a connection (SO_SNDBUF). Unset, the system sizes it as the connection needs, which is best for most."),
    row("recbuf", integer("bytes", 1, INT_MAX), eg("196608"), Used, "Size of the system's receive buffer of a connection (SO_RCVBUF). Unset, the system sizes it as the connection needs."),
    row("linger.on", Kind::Bool, is("true"), Used, "What closing a socket does with unsent bytes: true waits for linger.timeout and then resets the connection, so that none lingers in the system after its client has gone."),
    row("linger.timeout", integer("s", 0, 65_535), is("0"), Used, "Seconds that linger.on waits. 0 resets at once, as RabbitMQ does."),
    row("", NONE, eg("none"), Ignored, "No socket options of your own: Leveret's defaults hold."),
    row("buffer", INTEGER, eg("196608"), Ignored, "Size of Erlang's buffer for a socket. Leveret sizes its own as needed."),
    row("delay_send", Kind::Bool, is("false"), Ignored, "Let Erlang gather small writes. Leveret always does."),
    row("dontroute", Kind::Bool, is("false"), Ignored, "Reach only directly connected networks."),
    row("exit_on_close", Kind::Bool, is("false"), Ignored, "What Erlang does with a socket that its peer closed."),
    row("fd", INTEGER, eg("3"), Ignored, "Listen on a descriptor that was opened before the start."),
    row("high_msgq_watermark", INTEGER, eg("8192"), Ignored, "Erlang's message queue of a socket above which writers wait."),
    row("high_watermark", INTEGER, eg("8192"), Ignored, "Erlang's send queue of a socket above which writers wait."),
    row("low_msgq_watermark", INTEGER, eg("4096"), Ignored, "Erlang's message queue of a socket below which writers go on."),
    row("low_watermark", INTEGER, eg("4096"), Ignored, "Erlang's send queue of a socket below which writers go on."),
    row("port", PORT, eg("5672"), Ignored, "A port for Erlang's socket; listeners.tcp says where to listen."),
    row("priority", INTEGER, eg("0"), Ignored, "Priority of the socket's packets in the system."),
    row("send_timeout", MILLIS, eg("15000"), Ignored, "Time after which Erlang gives up on a write. Leveret closes a connection whose peer takes nothing for the heartbeat's dead time."),
    row("send_timeout_close", Kind::Bool, is("true"), Ignored, "Close the socket after send_timeout."),
    row("tos", BYTE, eg("0"), Ignored, "Type of service in the headers of IP packets."),
];
