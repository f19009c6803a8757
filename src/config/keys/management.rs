//! The HTTP API, its user interface, and metrics. The last two come later; what would open them wider than asked stops the start.

use super::super::value::{INTEGER, MILLIS, PORT, integer, integer_or};
use super::Class::{Ignored, Later, Refused, Used};
use super::tls::ROWS;
use super::{Class, Kind, NONE, Row, Section, Set, eg, is, row};

const LATER: Option<Class> = Some(Later);

/// A port, or none.
const HTTP_PORT: Kind = integer_or("", 0, u16::MAX as u64, &["none"]);

/// Among [`HTTP_ROWS`] the one that the HTTP API obeys.
const IDLE_TIMEOUT: Row = row(
    "idle_timeout",
    MILLIS,
    is("60000"),
    Later,
    "Time without any byte after which a connection is closed.",
);

pub(super) const SECTION: Section = Section {
    title: "Management: HTTP API",
    #[rustfmt::skip]
    rows: &[
        row("management.tcp.port", HTTP_PORT, is("15672"), Used, "Port of the HTTP API; 0 lets the system choose, none opens no such port."),
        row("management.tcp.ip", Kind::Ip, eg("0.0.0.0"), Used, "Address of the HTTP API. Unset, 127.0.0.1 and ::1: RabbitMQ opens it to the network, Leveret only when told to."),
        row("management.ssl.port", PORT, eg("15671"), Refused(&[]), "Port of the HTTP API with TLS. Refused until TLS is supported."),
        row("management.ssl.ip", Kind::Ip, eg("127.0.0.1"), Refused(&[]), "Address of the HTTP API with TLS. Refused until TLS is supported."),
        row("management.ssl.backlog", integer("connections", 1, i32::MAX as u64), is("1024"), Ignored, "Connections that wait to be accepted there."),
        row("management.listener.port", HTTP_PORT, eg("15672"), Used, "Older name of management.tcp.port."),
        row("management.listener.ip", Kind::Ip, eg("127.0.0.1"), Used, "Older name of management.tcp.ip."),
        row("management.listener.ssl", Kind::Bool, is("false"), Refused(&["false", "off"]), "Whether that listener speaks TLS. Refused until TLS is supported."),
        row("management.load_definitions", Kind::Path, eg("/etc/rabbitmq/definitions.json"), Used, "Older name of load_definitions."),
        row("management.http_log_dir", Kind::Path, eg("/var/log/rabbitmq/http"), Later, "Directory for a log of all requests."),
        row("management.http.max_body_size", integer("bytes", 0, u64::MAX), is("20000000"), Used, "Largest body of a request that brings definitions or a message. All others are bounded to 1 MiB, so that nobody can fill the memory with them."),
        row("management.path_prefix", Kind::Text, is(""), Used, "What all paths start with."),
        row("management.login_session_timeout", INTEGER, is("480"), Later, "Minutes for which a login in the user interface holds."),
        row("management.db_cache_multiplier", INTEGER, is("5"), Ignored, "How long RabbitMQ keeps the results of slow queries."),
        row("management.cors.allow_origins", NONE, is("none"), Later, "No web site but ours may call the HTTP API from a browser."),
        row("management.cors.allow_origins.$1", Kind::Text, eg("https://example.com"), Later, "A web site that may."),
        row("management.cors.max_age", INTEGER, is("1800"), Later, "Seconds for which browsers keep that answer."),
        row("management.csp.policy", Kind::Text, eg("default-src https:"), Later, "The header Content-Security-Policy."),
        row("management.hsts.policy", Kind::Text, eg("max-age=31536000; includeSubDomains"), Later, "The header Strict-Transport-Security."),
        row("management.headers.content_type_options", Kind::Text, eg("nosniff"), Later, "The header X-Content-Type-Options."),
        row("management.headers.xss_protection", Kind::Text, eg("1; mode=block"), Later, "The header X-XSS-Protection."),
        row("management.headers.frame_options", Kind::Text, eg("DENY"), Later, "The header X-Frame-Options."),
        row("management.disable_basic_auth", Kind::Bool, is("false"), Refused(&["false", "off"]), "Refuse names and passwords in the HTTP API. Refused when true: there is no other way to log in yet."),
        row("management.disable_stats", Kind::Bool, is("false"), Later, "Collect no figures for the user interface."),
        row("management.enable_queue_totals", Kind::Bool, is("false"), Later, "Show queues' message counts even so."),
        row("management.enable_uaa", Kind::Bool, is("false"), Later, "Log in to the user interface with OAuth 2."),
        row("management.uaa_client_id", Kind::Text, eg("rabbit_client"), Later, "Name of the user interface there."),
        row("management.uaa_location", Kind::Text, eg("https://example.com/uaa"), Later, "Where that login is."),
        row("management.rates_mode", Kind::Enum(&["basic", "detailed", "none"]), is("basic"), Later, "How much is counted for the user interface."),
        row("management.sample_retention_policies.$global.$minute", INTEGER, eg("5"), Later, "How finely the figures of a time are kept, in seconds."),
        row("management_agent.disable_metrics_collector", Kind::Bool, is("false"), Later, "Collect no figures at all."),
        row("management_agent.filter_aggregated_queue_metrics_pattern", Kind::Text, eg("^amq"), Later, "Queues that do not count in sums."),
    ],
    sets: &[
        Set {
            prefix: "management.tcp",
            rows: &[IDLE_TIMEOUT],
            class: Some(Used),
        },
        Set {
            prefix: "management.tcp",
            rows: HTTP_ROWS,
            class: None,
        },
        Set {
            prefix: "management.ssl",
            rows: &[IDLE_TIMEOUT],
            class: None,
        },
        Set {
            prefix: "management.ssl",
            rows: HTTP_ROWS,
            class: None,
        },
        Set {
            prefix: "management.ssl",
            rows: ROWS,
            class: None,
        },
        Set {
            prefix: "management.listener.server",
            rows: &[IDLE_TIMEOUT],
            class: None,
        },
        Set {
            prefix: "management.listener.server",
            rows: HTTP_ROWS,
            class: None,
        },
        Set {
            prefix: "management.listener.ssl_opts",
            rows: ROWS,
            class: None,
        },
    ],
};

pub(super) const PROMETHEUS: Section = Section {
    title: "Prometheus metrics (come later)",
    #[rustfmt::skip]
    rows: &[
        row("prometheus.return_per_object_metrics", Kind::Bool, is("false"), Later, "Metrics of each queue, exchange and connection by default."),
        row("prometheus.path", Kind::Text, is("/metrics"), Later, "Path of the metrics."),
        row("prometheus.tcp.port", PORT, is("15692"), Later, "Port of the metrics."),
        row("prometheus.tcp.ip", Kind::Ip, eg("127.0.0.1"), Later, "Address of the metrics."),
        row("prometheus.ssl.port", PORT, eg("15691"), Later, "Port of the metrics with TLS."),
        row("prometheus.ssl.ip", Kind::Ip, eg("127.0.0.1"), Later, "Address of the metrics with TLS."),
        row("prometheus.ssl.backlog", integer("connections", 1, i32::MAX as u64), is("1024"), Later, "Connections that wait to be accepted there."),
        row("prometheus.filter_aggregated_queue_metrics_pattern", Kind::Text, eg("^amq"), Later, "Queues that do not count in sums."),
    ],
    sets: &[
        Set {
            prefix: "prometheus.tcp",
            rows: &[IDLE_TIMEOUT],
            class: None,
        },
        Set {
            prefix: "prometheus.tcp",
            rows: HTTP_ROWS,
            class: None,
        },
        Set {
            prefix: "prometheus.ssl",
            rows: &[IDLE_TIMEOUT],
            class: None,
        },
        Set {
            prefix: "prometheus.ssl",
            rows: HTTP_ROWS,
            class: None,
        },
        Set {
            prefix: "prometheus.ssl",
            rows: ROWS,
            class: LATER,
        },
    ],
};

/// What RabbitMQ's web server may be told.
#[rustfmt::skip]
const HTTP_ROWS: &[Row] = &[
    row("compress", Kind::Bool, is("true"), Later, "Compress answers."),
    row("inactivity_timeout", MILLIS, is("300000"), Later, "Time without a request after which a connection is closed."),
    row("request_timeout", MILLIS, is("60000"), Later, "Time for a request."),
    row("shutdown_timeout", MILLIS, is("5000"), Later, "Time for open requests when the server stops."),
    row("max_keepalive", INTEGER, is("100"), Later, "Requests on one connection."),
];
