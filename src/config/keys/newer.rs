//! Keys that RabbitMQ added between 3.10 and 4.0 for things that Leveret does not have yet, so that newer files load, too.

use super::super::value::{INTEGER, MILLIS, POSITIVE, integer, integer_or};
use super::Class::{Ignored, Later};
use super::tls::CLIENT_ROWS;
use super::{Class, Kind, Row, Section, Set, eg, is, row};

const LATER: Option<Class> = Some(Later);
const CHECK: Kind = Kind::Enum(&["verify_peer", "verify_none"]);
const LOGON: Kind = Kind::Enum(&["sp_initiated", "idp_initiated"]);

pub(super) const SECTION: Section = Section {
    title: "Further keys of RabbitMQ 4",
    #[rustfmt::skip]
    rows: &[
        row("session_max_per_connection", integer("", 1, 65_535), is("64"), Later, "AMQP 1.0 sessions of a connection."),
        row("link_max_per_session", integer("", 1, u32::MAX as u64), is("256"), Later, "AMQP 1.0 links of a session."),
        row("ranch_connection_max", integer_or("", 1, u64::MAX, &["infinity"]), is("infinity"), Ignored, "Connections of one listener in Erlang's library for sockets; connection_max limits all of them."),
        row("runtime_parameters.limits.$shovel", INTEGER, eg("100"), Later, "How many runtime parameters of a kind there may be."),
        row("metadata_store.khepri.default_timeout", MILLIS, is("30000"), Ignored, "Time for an operation of RabbitMQ's metadata store."),
        row("raft.adaptive_failure_detector.poll_interval", POSITIVE, is("5000"), Ignored, "How often RabbitMQ's nodes look for each other, in milliseconds."),
        row("quorum_queue.continuous_membership_reconciliation.enabled", Kind::Bool, is("false"), Later, "Add missing replicas of quorum queues."),
        row("quorum_queue.continuous_membership_reconciliation.auto_remove", Kind::Bool, is("false"), Later, "Remove replicas on nodes that have left."),
        row("quorum_queue.continuous_membership_reconciliation.interval", MILLIS, is("3600000"), Later, "How often it is looked for them."),
        row("quorum_queue.continuous_membership_reconciliation.trigger_interval", MILLIS, is("10000"), Later, "How soon after a node came or went."),
        row("quorum_queue.continuous_membership_reconciliation.target_group_size", INTEGER, eg("3"), Later, "How many replicas there should be."),
        row("quorum_queue.property_equivalence.relaxed_checks_on_redeclaration", Kind::Bool, is("false"), Later, "Let clients declare a quorum queue as a classic one."),
        row("stream.replication.port_range.min", POSITIVE, eg("6000"), Ignored, "First port for replicas of streams."),
        row("stream.replication.port_range.max", POSITIVE, eg("6500"), Ignored, "Last port for replicas of streams."),
        row("shovel.topology.predeclared", Kind::Bool, is("false"), Later, "Whether shovels declare nothing themselves."),
        row("tracing.dir", Kind::Path, eg("/var/tmp/rabbitmq-tracing"), Later, "Directory of files with traced messages."),
        row("tracing.username", Kind::Text, is("guest"), Later, "User who traces."),
        row("tracing.password", Kind::Text, is("guest"), Later, "Password of that user."),
        row("stomp.max_frame_size", INTEGER, is("4194304"), Later, "Largest STOMP frame."),
        row("mqtt.mailbox_soft_limit", INTEGER, is("200"), Later, "Deliveries that an MQTT connection may have in hand before some are dropped."),
        row("mqtt.max_packet_size_unauthenticated", POSITIVE, is("65536"), Later, "Largest MQTT packet before login."),
        row("mqtt.max_packet_size_authenticated", POSITIVE, is("16777216"), Later, "Largest MQTT packet after login."),
        row("mqtt.max_session_expiry_interval_seconds", integer_or("s", 0, u64::MAX, &["infinity"]), is("86400"), Later, "Longest time for which an MQTT session outlives its connection."),
        row("mqtt.topic_alias_maximum", INTEGER, is("16"), Later, "Topic aliases of an MQTT connection."),
        row("mqtt.ssl_cert_client_id_from", Kind::Enum(&["distinguished_name", "subject_alternative_name"]), eg("distinguished_name"), Later, "Which part of a certificate names the MQTT client."),
        row("mqtt.ssl_cert_login_san_type", Kind::Enum(&["dns", "ip", "email", "uri", "other_name"]), eg("dns"), Later, "Which kind of alternative name it is."),
        row("mqtt.ssl_cert_login_san_index", INTEGER, eg("0"), Later, "Which of the alternative names it is."),
        row("web_mqtt.use_file_handle_cache", Kind::Bool, is("true"), Ignored, "Count WebSockets as files."),
        row("web_stomp.use_file_handle_cache", Kind::Bool, is("true"), Ignored, "Count WebSockets as files."),
        row("prometheus.authentication.enabled", Kind::Bool, is("false"), Later, "Whether metrics need a login."),
        row("prometheus.tcp.listener", Kind::Text, eg("15692"), Later, "Where metrics are served, or none."),
        row("management.restrictions.operator_policy_changes.disabled", Kind::Bool, is("false"), Later, "Forbid to change operator policies by HTTP."),
        row("management.restrictions.quorum_queue_replica_operations.disabled", Kind::Bool, is("false"), Later, "Forbid to change replicas by HTTP."),
        row("management.oauth_enabled", Kind::Bool, is("false"), Later, "Log in to the user interface with OAuth 2."),
        row("management.oauth_disable_basic_auth", Kind::Bool, is("true"), Later, "Then refuse names and passwords."),
        row("cluster_formation.aws.hostname_path", Kind::Text, eg("privateDnsName"), Later, "Where AWS says a node's name."),
        row("cluster_formation.consul.svc_id", Kind::Text, eg("rabbitmq:one"), Later, "Identity of this node in Consul."),
        row("cluster_formation.k8s.tls.cacertfile", Kind::Path, eg("/etc/rabbitmq/ca.pem"), Later, "Authorities trusted for Kubernetes."),
        row("cluster_formation.k8s.tls.certfile", Kind::Path, eg("/etc/rabbitmq/cert.pem"), Later, "Our certificate for Kubernetes."),
        row("cluster_formation.k8s.tls.keyfile", Kind::Path, eg("/etc/rabbitmq/key.pem"), Later, "Our key for Kubernetes."),
        row("cluster_formation.k8s.tls.verify", CHECK, is("verify_none"), Later, "Whether Kubernetes' certificate is checked."),
        row("cluster_formation.k8s.tls.fail_if_no_peer_cert", Kind::Bool, is("false"), Later, "Whether Kubernetes must have a certificate."),
        row("auth_http.ssl_options.sni", Kind::Text, is("none"), Later, "Host name sent in the TLS handshake."),
        row("auth_http.ssl_options.hostname_verification", Kind::Enum(&["wildcard", "none"]), is("none"), Later, "How the web server's host name is compared."),
        row("auth_oauth2.verify_aud", Kind::Bool, is("true"), Later, "Whether a token must name this broker."),
        row("auth_oauth2.default_oauth_provider", Kind::Text, eg("one"), Later, "Who signs tokens unless the resource says otherwise."),
        row("auth_oauth2.https.verify", CHECK, is("verify_none"), Later, "Whether providers' certificates are checked."),
        row("auth_oauth2.resource_servers.$1.id", Kind::Text, eg("rabbitmq"), Later, "A name of this broker in tokens."),
        row("auth_oauth2.resource_servers.$1.oauth_provider_id", Kind::Text, eg("one"), Later, "Who signs tokens for that name."),
        row("auth_oauth2.resource_servers.$1.additional_scopes_key", Kind::Text, eg("roles"), Later, "Further place of scopes in such a token."),
    ],
    sets: &[
        Set {
            prefix: "auth_http.ssl_options",
            rows: CLIENT_ROWS,
            class: LATER,
        },
        Set {
            prefix: "auth_oauth2",
            rows: PROVIDER_ROWS,
            class: None,
        },
        Set {
            prefix: "auth_oauth2.oauth_providers.$one",
            rows: PROVIDER_ROWS,
            class: None,
        },
        Set {
            prefix: "auth_oauth2.oauth_providers.$one",
            rows: SIGNING_ROWS,
            class: None,
        },
        Set {
            prefix: "auth_oauth2",
            rows: RESOURCE_ROWS,
            class: None,
        },
        Set {
            prefix: "auth_oauth2.resource_servers.$1",
            rows: RESOURCE_ROWS,
            class: None,
        },
        Set {
            prefix: "management",
            rows: LOGIN_ROWS,
            class: None,
        },
        Set {
            prefix: "management.oauth_resource_servers.$1",
            rows: LOGIN_ROWS,
            class: None,
        },
        Set {
            prefix: "management.oauth_resource_servers.$1",
            rows: SERVER_ROWS,
            class: None,
        },
    ],
};

/// Where an OAuth 2 provider is.
#[rustfmt::skip]
const PROVIDER_ROWS: &[Row] = &[
    row("issuer", Kind::Text, eg("https://example.com/realm"), Later, "Who signs tokens."),
    row("authorization_endpoint", Kind::Text, eg("https://example.com/authorize"), Later, "Page at which users log in."),
    row("token_endpoint", Kind::Text, eg("https://example.com/token"), Later, "Page that gives tokens."),
    row("end_session_endpoint", Kind::Text, eg("https://example.com/logout"), Later, "Page at which users log out."),
];

/// What a provider signs with; without a provider's name these are older keys.
#[rustfmt::skip]
const SIGNING_ROWS: &[Row] = &[
    row("jwks_uri", Kind::Text, eg("https://example.com/jwks"), Later, "Page with the keys that sign tokens."),
    row("default_key", Kind::Text, eg("id1"), Later, "Key that signs tokens which name none."),
    row("signing_keys.$id1", Kind::Path, eg("/etc/rabbitmq/key.pem"), Later, "A key that signs tokens."),
    row("algorithms.$1", Kind::Text, eg("HS256"), Later, "An algorithm that may sign tokens."),
    row("https.cacertfile", Kind::Path, eg("/etc/rabbitmq/ca.pem"), Later, "Authorities trusted for that page."),
    row("https.verify", CHECK, is("verify_none"), Later, "Whether that page's certificate is checked."),
    row("https.depth", INTEGER, is("10"), Later, "Longest chain of certificates."),
    row("https.hostname_verification", Kind::Enum(&["wildcard", "none"]), is("none"), Later, "How that page's host name is compared."),
    row("https.crl_check", Kind::Enum(&["true", "false", "peer", "best_effort"]), is("false"), Later, "Whether that certificate is looked up in revocation lists."),
];

/// How tokens speak of this broker.
#[rustfmt::skip]
const RESOURCE_ROWS: &[Row] = &[
    row("resource_server_type", Kind::Text, eg("rabbitmq"), Later, "Kind of this broker in tokens."),
    row("scope_prefix", Kind::Text, eg("rabbitmq."), Later, "What scopes for this broker start with."),
    row("preferred_username_claims.$1", Kind::Text, eg("user_name"), Later, "A part of a token that names the user."),
];

/// How the user interface logs in.
#[rustfmt::skip]
const LOGIN_ROWS: &[Row] = &[
    row("oauth_client_id", Kind::Text, eg("rabbit_client"), Later, "Name of the user interface there."),
    row("oauth_client_secret", Kind::Text, eg("secret"), Later, "Its secret."),
    row("oauth_provider_url", Kind::Text, eg("https://example.com/realm"), Later, "Where that login is."),
    row("oauth_metadata_url", Kind::Text, eg("https://example.com/realm/metadata"), Later, "Where that login is described."),
    row("oauth_response_type", Kind::Text, eg("code"), Later, "What that login gives."),
    row("oauth_scopes", Kind::Text, eg("openid profile"), Later, "What is asked for there."),
    row("oauth_initiated_logon_type", LOGON, is("sp_initiated"), Later, "Who begins the login."),
];

/// What only one of several logins has.
#[rustfmt::skip]
const SERVER_ROWS: &[Row] = &[
    row("id", Kind::Text, eg("rabbitmq"), Later, "Name of this broker for that login."),
    row("label", Kind::Text, eg("Production"), Later, "Name that users see."),
    row("disabled", Kind::Bool, is("false"), Later, "Whether that login is offered no more."),
];
