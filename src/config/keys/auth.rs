//! Other judges of users and permissions: LDAP, HTTP, OAuth 2, a cache, trusted certificates. None is supported yet; choosing
//! one (`auth_backends`) stops the start, so these keys alone lose nothing.

use super::super::value::{INTEGER, MILLIS, PORT, integer_or};
use super::Class::Later;
use super::tls::CLIENT_ROWS;
use super::{Class, Kind, NONE, Row, Section, Set, eg, is, row};

const LATER: Option<Class> = Some(Later);
const CHECK: Kind = Kind::Enum(&["verify_peer", "verify_none"]);
const HOSTNAMES: Kind = Kind::Enum(&["wildcard", "none"]);

pub(super) const SECTION: Section = Section {
    title: "Other authentication backends (none is supported yet; see auth_backends)",
    #[rustfmt::skip]
    rows: &[
        row("auth_cache.cached_backend", Kind::Text, eg("ldap"), Later, "The backend whose answers are cached."),
        row("auth_cache.cached_backend.authn", Kind::Text, eg("ldap"), Later, "The same for passwords alone."),
        row("auth_cache.cached_backend.authz", Kind::Text, eg("ldap"), Later, "The same for permissions alone."),
        row("auth_cache.cache_ttl", MILLIS, is("15000"), Later, "How long an answer is kept."),
        row("auth_cache.cache_module", Kind::Text, is("rabbit_auth_cache_ets"), Later, "Where answers are kept."),
        row("auth_cache.cache_refusals", Kind::Bool, is("false"), Later, "Whether refusals are kept, too."),
        row("auth_http.http_method", Kind::Enum(&["get", "post"]), is("get"), Later, "How the web server is asked."),
        row("auth_http.user_path", Kind::Text, eg("http://localhost:8000/auth/user"), Later, "Page that judges users."),
        row("auth_http.vhost_path", Kind::Text, eg("http://localhost:8000/auth/vhost"), Later, "Page that judges access to virtual hosts."),
        row("auth_http.resource_path", Kind::Text, eg("http://localhost:8000/auth/resource"), Later, "Page that judges permissions."),
        row("auth_http.topic_path", Kind::Text, eg("http://localhost:8000/auth/topic"), Later, "Page that judges topic permissions."),
        row("auth_http.request_timeout", MILLIS, is("15000"), Later, "Time for an answer."),
        row("auth_http.connection_timeout", MILLIS, is("15000"), Later, "Time for a connection."),
        row("auth_ldap.servers", NONE, is("none"), Later, "No LDAP server."),
        row("auth_ldap.servers.$1", Kind::Text, eg("ldap.example.com"), Later, "An LDAP server."),
        row("auth_ldap.port", PORT, is("389"), Later, "Port of the LDAP servers."),
        row("auth_ldap.connection_pool_size", INTEGER, is("64"), Later, "Connections to them."),
        row("auth_ldap.timeout", integer_or("ms", 0, u64::MAX, &["infinity"]), is("infinity"), Later, "Time for an answer."),
        row("auth_ldap.idle_timeout", integer_or("ms", 0, u64::MAX, &["infinity"]), is("300000"), Later, "Time after which an idle connection is closed."),
        row("auth_ldap.log", Kind::Enum(&["true", "false", "network", "network_unsafe"]), is("false"), Later, "What is logged of the talk with LDAP."),
        row("auth_ldap.user_bind_pattern", Kind::Text, eg("${username}"), Later, "How a user's name becomes a bind name."),
        row("auth_ldap.user_dn_pattern", Kind::Text, eg("cn=${username},ou=People,dc=example,dc=com"), Later, "How a user's name becomes a distinguished name."),
        row("auth_ldap.dn_lookup_attribute", Kind::Text, is("none"), Later, "Attribute by which a user's distinguished name is looked up."),
        row("auth_ldap.dn_lookup_base", Kind::Text, is("none"), Later, "Where it is looked up."),
        row("auth_ldap.dn_lookup_bind", Kind::Enum(&["as_user", "anon"]), is("as_user"), Later, "As whom it is looked up."),
        row("auth_ldap.dn_lookup_bind.user_dn", Kind::Text, eg("cn=reader"), Later, "The distinguished name of whom."),
        row("auth_ldap.dn_lookup_bind.password", Kind::Text, eg("secret"), Later, "The password of whom."),
        row("auth_ldap.other_bind", Kind::Enum(&["as_user", "anon"]), is("as_user"), Later, "As whom permissions are looked up."),
        row("auth_ldap.other_bind.user_dn", Kind::Text, eg("cn=reader"), Later, "The distinguished name of whom."),
        row("auth_ldap.other_bind.password", Kind::Text, eg("secret"), Later, "The password of whom."),
        row("auth_ldap.group_lookup_base", Kind::Text, is("none"), Later, "Where groups are looked up."),
        row("auth_ldap.use_ssl", Kind::Bool, is("false"), Later, "Whether LDAP is spoken over TLS."),
        row("auth_ldap.use_starttls", Kind::Bool, is("false"), Later, "Whether LDAP turns to TLS after connecting."),
        row("auth_oauth2.resource_server_id", Kind::Text, eg("rabbitmq"), Later, "Name of this broker in tokens."),
        row("auth_oauth2.additional_scopes_key", Kind::Text, eg("roles"), Later, "Further place of scopes in a token."),
        row("auth_oauth2.default_key", Kind::Text, eg("id1"), Later, "Key that signs tokens which name none."),
        row("auth_oauth2.signing_keys.$id1", Kind::Path, eg("/etc/rabbitmq/key.pem"), Later, "A key that signs tokens."),
        row("auth_oauth2.jwks_url", Kind::Text, eg("https://example.com/jwks"), Later, "Page with the keys that sign tokens."),
        row("auth_oauth2.https.peer_verification", CHECK, is("verify_none"), Later, "Whether that page's certificate is checked."),
        row("auth_oauth2.https.cacertfile", Kind::Path, eg("/etc/rabbitmq/ca.pem"), Later, "Authorities trusted for that."),
        row("auth_oauth2.https.depth", INTEGER, is("10"), Later, "Longest chain of certificates."),
        row("auth_oauth2.https.hostname_verification", HOSTNAMES, is("none"), Later, "How that page's host name is compared."),
        row("auth_oauth2.https.crl_check", Kind::Enum(&["true", "false", "peer", "best_effort"]), is("false"), Later, "Whether that certificate is looked up in revocation lists."),
        row("auth_oauth2.https.fail_if_no_peer_cert", Kind::Bool, is("false"), Later, "Whether that page must have a certificate."),
        row("auth_oauth2.algorithms.$1", Kind::Text, eg("HS256"), Later, "An algorithm that may sign tokens."),
        row("trust_store.providers.$1", Kind::Text, eg("file"), Later, "Where trusted client certificates come from."),
        row("trust_store.refresh_interval", INTEGER, is("30"), Later, "How often they are fetched, in seconds."),
        row("trust_store.directory", Kind::Path, eg("/etc/rabbitmq/trusted"), Later, "Directory with them."),
        row("trust_store.url", Kind::Text, eg("https://example.com/certificates"), Later, "Page with them."),
    ],
    sets: &[
        Set {
            prefix: "auth_ldap.ssl_options",
            rows: CLIENT_ROWS,
            class: LATER,
        },
        Set {
            prefix: "auth_ldap.ssl_options",
            rows: NAME_ROWS,
            class: LATER,
        },
        Set {
            prefix: "trust_store.ssl_options",
            rows: CLIENT_ROWS,
            class: LATER,
        },
    ],
};

/// What only LDAP's TLS options have.
#[rustfmt::skip]
const NAME_ROWS: &[Row] = &[
    row("sni", Kind::Text, is("none"), Later, "Host name sent in the TLS handshake."),
    row("hostname_verification", HOSTNAMES, is("none"), Later, "How the server's host name is compared."),
];
