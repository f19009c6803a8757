//! Other protocols that RabbitMQ's plugins speak. Their doors do not exist yet, so nothing they guard is open.

use super::super::value::{INTEGER, MILLIS, PORT, integer, integer_or};
use super::Class::Later;
use super::network::SOCKET_ROWS;
use super::tls::ROWS;
use super::{Class, Kind, NONE, Row, Section, Set, eg, is, row};

const LATER: Option<Class> = Some(Later);

pub(super) const SECTION: Section = Section {
    title: "Other protocols: MQTT, STOMP, streams, WebSockets (come later)",
    #[rustfmt::skip]
    rows: &[
        row("event_exchange.vhost", Kind::Text, is("/"), Later, "Virtual host of the exchange amq.rabbitmq.event."),
        row("amqp1_0.default_user", Kind::Text, eg("guest"), Later, "User of AMQP 1.0 clients that name none."),
        row("amqp1_0.default_vhost", Kind::Text, eg("/"), Later, "Virtual host of AMQP 1.0 clients."),
        row("amqp1_0.protocol_strict_mode", Kind::Bool, eg("false"), Later, "Refuse what AMQP 1.0 allows but RabbitMQ does not obey."),
        row("mqtt.default_user", Kind::Text, is("guest"), Later, "User of MQTT clients that name none."),
        row("mqtt.default_pass", Kind::Text, is("guest"), Later, "Password of that user."),
        row("mqtt.allow_anonymous", Kind::Bool, is("true"), Later, "Whether MQTT clients may name no user."),
        row("mqtt.vhost", Kind::Text, is("/"), Later, "Virtual host of MQTT clients."),
        row("mqtt.exchange", Kind::Text, is("amq.topic"), Later, "Exchange to which MQTT clients publish."),
        row("mqtt.subscription_ttl", integer_or("ms", 0, u64::MAX, &["undefined", "infinity"]), is("86400000"), Later, "Time for which subscriptions outlive their MQTT client."),
        row("mqtt.prefetch", INTEGER, is("10"), Later, "Unsettled deliveries of an MQTT client."),
        row("mqtt.sparkplug", Kind::Bool, is("false"), Later, "Translate the topics of Sparkplug."),
        row("mqtt.retained_message_store", Kind::Text, is("rabbit_mqtt_retained_msg_store_dets"), Later, "Where retained MQTT messages are kept."),
        row("mqtt.retained_message_store_dets_sync_interval", MILLIS, is("2000"), Later, "How often they are written to disk."),
        row("mqtt.login_timeout", MILLIS, is("10000"), Later, "Time for an MQTT client to log in."),
        row("mqtt.durable_queue_type", Kind::Enum(&["classic", "quorum"]), is("classic"), Later, "Kind of MQTT clients' durable queues."),
        row("stomp.default_vhost", Kind::Text, is("/"), Later, "Virtual host of STOMP clients."),
        row("stomp.default_user", Kind::Text, eg("guest"), Later, "User of STOMP clients that name none."),
        row("stomp.default_pass", Kind::Text, eg("guest"), Later, "Password of that user."),
        row("stomp.default_topic_exchange", Kind::Text, is("amq.topic"), Later, "Exchange of STOMP's topics."),
        row("stomp.implicit_connect", Kind::Bool, is("false"), Later, "Whether STOMP clients may leave CONNECT out."),
        row("stomp.login_timeout", MILLIS, is("10000"), Later, "Time for a STOMP client to log in."),
        row("stomp.hide_server_info", Kind::Bool, is("false"), Later, "Whether STOMP clients do not see the server's name."),
        row("stomp.default_nack_requeue", Kind::Bool, is("true"), Later, "Whether what a STOMP client refuses returns to its queue."),
        row("stream.initial_credits", INTEGER, is("50000"), Later, "Messages that a stream publisher may have unconfirmed."),
        row("stream.credits_required_for_unblocking", INTEGER, is("12500"), Later, "Free places at which a stream publisher goes on."),
        row("stream.frame_max", integer("bytes", 0, u64::MAX), is("1048576"), Later, "Largest frame of the stream protocol."),
        row("stream.heartbeat", integer("s", 0, 65_535), is("60"), Later, "Seconds between heartbeats of the stream protocol."),
        row("stream.advertised_host", Kind::Text, eg("broker.example.com"), Later, "Host name that stream clients are told."),
        row("stream.advertised_tls_host", Kind::Text, eg("broker.example.com"), Later, "Host name that stream clients with TLS are told."),
        row("stream.advertised_port", PORT, eg("5552"), Later, "Port that stream clients are told."),
        row("stream.advertised_tls_port", PORT, eg("5551"), Later, "Port that stream clients with TLS are told."),
        row("web_stomp.port", PORT, eg("15674"), Later, "Older name of web_stomp.tcp.port."),
        row("web_stomp.ws_frame", Kind::Enum(&["binary", "text"]), is("text"), Later, "Kind of WebSocket frames that carry STOMP."),
        row("web_stomp.use_http_auth", Kind::Bool, is("false"), Later, "Take user and password from the HTTP request."),
    ],
    sets: &[
        Set {
            prefix: "mqtt",
            rows: DOOR_ROWS,
            class: LATER,
        },
        Set {
            prefix: "mqtt.tcp_listen_options",
            rows: SOCKET_ROWS,
            class: LATER,
        },
        Set {
            prefix: "stomp",
            rows: DOOR_ROWS,
            class: LATER,
        },
        Set {
            prefix: "stomp.tcp_listen_options",
            rows: SOCKET_ROWS,
            class: LATER,
        },
        Set {
            prefix: "stream",
            rows: DOOR_ROWS,
            class: LATER,
        },
        Set {
            prefix: "stream.tcp_listen_options",
            rows: SOCKET_ROWS,
            class: LATER,
        },
        Set {
            prefix: "web_mqtt",
            rows: WEB_ROWS,
            class: LATER,
        },
        Set {
            prefix: "web_mqtt.ssl",
            rows: ROWS,
            class: LATER,
        },
        Set {
            prefix: "web_stomp",
            rows: WEB_ROWS,
            class: LATER,
        },
        Set {
            prefix: "web_stomp.ssl",
            rows: ROWS,
            class: LATER,
        },
    ],
};

/// What every further protocol's door has.
#[rustfmt::skip]
const DOOR_ROWS: &[Row] = &[
    row("listeners.tcp", NONE, eg("none"), Later, "No listener without TLS."),
    row("listeners.tcp.$default", Kind::Listener, eg("1883"), Later, "Where clients of this protocol connect."),
    row("listeners.ssl", NONE, is("none"), Later, "No listener with TLS."),
    row("listeners.ssl.$default", Kind::Listener, eg("8883"), Later, "Where clients of this protocol connect with TLS."),
    row("num_acceptors.tcp", INTEGER, is("10"), Later, "Erlang processes that accept connections."),
    row("num_acceptors.ssl", INTEGER, is("10"), Later, "Erlang processes that accept connections with TLS."),
    row("ssl_cert_login", Kind::Bool, is("false"), Later, "Whether a client's certificate names the user."),
    row("proxy_protocol", Kind::Bool, is("false"), Later, "Take clients' addresses from a proxy's PROXY header."),
];

/// What a protocol over WebSockets has.
#[rustfmt::skip]
const WEB_ROWS: &[Row] = &[
    row("num_acceptors.tcp", INTEGER, is("10"), Later, "Erlang processes that accept connections."),
    row("num_acceptors.ssl", INTEGER, is("10"), Later, "Erlang processes that accept connections with TLS."),
    row("max_connections", integer_or("", 0, u64::MAX, &["infinity"]), is("infinity"), Later, "Connections at the same time."),
    row("tcp.backlog", INTEGER, is("1024"), Later, "Connections that wait to be accepted."),
    row("tcp.listener", Kind::Text, eg("15675"), Later, "Where clients connect, or none."),
    row("tcp.ip", Kind::Ip, eg("127.0.0.1"), Later, "Address at which clients connect."),
    row("tcp.port", PORT, eg("15675"), Later, "Port at which clients connect."),
    row("ws_path", Kind::Text, is("/ws"), Later, "Path of the WebSocket."),
    row("ssl.listener", Kind::Text, eg("none"), Later, "Where clients connect with TLS, or none."),
    row("ssl.backlog", INTEGER, is("1024"), Later, "Connections that wait to be accepted with TLS."),
    row("ssl.ip", Kind::Ip, eg("127.0.0.1"), Later, "Address at which clients connect with TLS."),
    row("ssl.port", PORT, eg("15673"), Later, "Port at which clients connect with TLS."),
    row("cowboy_opts.max_empty_lines", INTEGER, is("5"), Later, "Empty lines before an HTTP request."),
    row("cowboy_opts.max_header_name_length", INTEGER, is("64"), Later, "Longest name of an HTTP header."),
    row("cowboy_opts.max_header_value_length", INTEGER, is("4096"), Later, "Longest value of an HTTP header."),
    row("cowboy_opts.max_headers", INTEGER, is("100"), Later, "HTTP headers of a request."),
    row("cowboy_opts.max_keepalive", INTEGER, is("100"), Later, "Requests on one connection."),
    row("cowboy_opts.max_request_line_length", INTEGER, is("8000"), Later, "Longest first line of an HTTP request."),
    row("cowboy_opts.timeout", MILLIS, is("60000"), Later, "Time without any byte after which a connection is closed."),
    row("cowboy_opts.idle_timeout", MILLIS, is("60000"), Later, "Time without any byte after which a connection is closed."),
    row("ws_opts.compress", Kind::Bool, is("false"), Later, "Compress WebSocket frames."),
    row("ws_opts.max_frame_size", INTEGER, eg("1048576"), Later, "Largest WebSocket frame."),
    row("ws_opts.idle_timeout", MILLIS, is("60000"), Later, "Time without a frame after which a WebSocket is closed."),
    row("proxy_protocol", Kind::Bool, is("false"), Later, "Take clients' addresses from a proxy's PROXY header."),
];
