//! TLS options, for the AMQP listeners and, as rows to be repeated, for everything else that has them.

use super::super::value::{BYTE, INTEGER, MILLIS};
use super::Class::{Ignored, Refused};
use super::{Kind, Row, Section, Set, eg, is, row};

pub(super) const SECTION: Section = Section {
    title: "TLS (not supported yet; what would weaken security if dropped stops the start)",
    #[rustfmt::skip]
    rows: &[
        row("listeners.ssl.$default", Kind::Listener, eg("5671"), Refused(&[]), "Where AMQP clients connect with TLS. Refused until TLS is supported."),
        row("listeners.ssl", Kind::Enum(&["none"]), is("none"), Refused(&["none"]), "No TLS listener, which is so anyway."),
        row("ssl_allow_poodle_attack", Kind::Bool, is("false"), Ignored, "Allow SSL 3, which Leveret never will."),
        row("ssl_cert_login_from", Kind::Enum(&["distinguished_name", "common_name", "subject_alternative_name", "subject_alt_name"]), is("distinguished_name"), Ignored, "Which part of a client's certificate names the user, for the mechanism EXTERNAL."),
        row("ssl_cert_login_san_type", Kind::Enum(&["dns", "ip", "email", "uri", "other_name"]), is("dns"), Ignored, "Which kind of alternative name it is."),
        row("ssl_cert_login_san_index", INTEGER, is("0"), Ignored, "Which of the alternative names it is."),
        row("ssl_handshake_timeout", MILLIS, is("5000"), Ignored, "Time for the TLS handshake."),
    ],
    sets: &[
        Set {
            prefix: "ssl_options",
            rows: ROWS,
            class: None,
        },
        Set {
            prefix: "ssl_options",
            rows: LISTENER_ROWS,
            class: None,
        },
    ],
};

/// What a TLS server or client may say, after its prefix.
#[rustfmt::skip]
pub(super) const ROWS: &[Row] = &[
    row("", Kind::Enum(&["none"]), is("none"), Refused(&["none"]), "No TLS options."),
    row("verify", Kind::Enum(&["verify_peer", "verify_none"]), is("verify_none"), Refused(&["verify_none"]), "Whether the other side's certificate is checked."),
    row("fail_if_no_peer_cert", Kind::Bool, is("false"), Refused(&["false", "off"]), "Whether the other side must have a certificate."),
    row("cacertfile", Kind::Path, eg("/etc/rabbitmq/ca.pem"), Refused(&[]), "File with the certificates of trusted authorities."),
    row("certfile", Kind::Path, eg("/etc/rabbitmq/cert.pem"), Refused(&[]), "File with our own certificate."),
    row("cacerts.$1", Kind::Text, eg("DER"), Refused(&[]), "A trusted authority's certificate itself."),
    row("cert", Kind::Text, eg("DER"), Refused(&[]), "Our own certificate itself."),
    row("client_renegotiation", Kind::Bool, is("true"), Refused(&["true", "on"]), "Whether clients may renegotiate."),
    row("crl_check", Kind::Enum(&["true", "false", "peer", "best_effort"]), is("false"), Refused(&["false"]), "Whether certificates are looked up in revocation lists."),
    row("depth", BYTE, is("1"), Refused(&["1"]), "Longest chain of certificates."),
    row("dh", Kind::Text, eg("DER"), Refused(&[]), "Diffie-Hellman parameters themselves."),
    row("dhfile", Kind::Path, eg("/etc/rabbitmq/dh.pem"), Refused(&[]), "File with Diffie-Hellman parameters."),
    row("honor_cipher_order", Kind::Bool, is("false"), Refused(&["false", "off"]), "Whether our order of ciphers counts."),
    row("honor_ecc_order", Kind::Bool, is("false"), Refused(&["false", "off"]), "Whether our order of curves counts."),
    row("key.RSAPrivateKey", Kind::Text, eg("DER"), Refused(&[]), "Our private key itself, RSA."),
    row("key.DSAPrivateKey", Kind::Text, eg("DER"), Refused(&[]), "Our private key itself, DSA."),
    row("key.PrivateKeyInfo", Kind::Text, eg("DER"), Refused(&[]), "Our private key itself, PKCS 8."),
    row("keyfile", Kind::Path, eg("/etc/rabbitmq/key.pem"), Refused(&[]), "File with our private key."),
    row("log_level", Kind::Enum(&["emergency", "alert", "critical", "error", "warning", "notice", "info", "debug"]), is("notice"), Ignored, "What TLS writes to the log."),
    row("log_alert", Kind::Bool, is("true"), Ignored, "Whether TLS alerts are logged."),
    row("password", Kind::Text, eg("secret"), Refused(&[]), "Password of the private key."),
    row("psk_identity", Kind::Text, eg("id"), Refused(&[]), "Identity for pre-shared keys."),
    row("reuse_session", Kind::Bool, is("true"), Ignored, "Whether sessions may be resumed."),
    row("reuse_sessions", Kind::Bool, is("true"), Ignored, "Whether sessions may be resumed."),
    row("secure_renegotiate", Kind::Bool, is("true"), Refused(&["true", "on"]), "Whether renegotiation must be secure."),
    row("versions.$1", Kind::Text, eg("tlsv1.3"), Refused(&[]), "A TLS version that is allowed."),
    row("ciphers.$1", Kind::Text, eg("TLS_AES_256_GCM_SHA384"), Refused(&[]), "A cipher that is allowed."),
];

/// What only the AMQP listeners' options have.
#[rustfmt::skip]
const LISTENER_ROWS: &[Row] = &[
    row("bypass_pem_cache", Kind::Bool, is("false"), Ignored, "Whether Erlang reads certificate files anew each time."),
];

/// What a TLS client may say: the same.
pub(super) const CLIENT_ROWS: &[Row] = ROWS;
