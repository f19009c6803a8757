//! The users, permissions and definitions that a fresh broker starts with.

use super::super::value::POSITIVE;
use super::Class::{Ignored, Later, Refused, Used};
use super::tls::CLIENT_ROWS;
use super::{Kind, NONE, Section, Set, eg, is, row};

pub(super) const SECTION: Section = Section {
    title: "Users and permissions",
    #[rustfmt::skip]
    rows: &[
        row("default_vhost", Kind::Text, is("/"), Used, "The virtual host that a fresh broker has."),
        row("default_user", Kind::Text, is("guest"), Used, "The user that a fresh broker has. guest, because every client library tries it."),
        row("default_pass", Kind::Text, is("guest"), Used, "Password of that user. Well known, which is why guest may only come from this machine (loopback_users)."),
        row("default_user_tags.$administrator", Kind::Bool, is("true"), Used, "Tags of that user, each under its own name. Setting any of them replaces the default, administrator."),
        row("default_permissions.configure", Kind::Regex, is(".*"), Used, "What that user may declare and delete in the default virtual host, as a pattern of names."),
        row("default_permissions.write", Kind::Regex, is(".*"), Used, "What that user may publish and bind to."),
        row("default_permissions.read", Kind::Regex, is(".*"), Used, "What that user may consume and bind from."),
        row("default_users.$alice.password", Kind::Text, eg("secret"), Used, "Password of a further user, whose name stands in the key."),
        row("default_users.$alice.tags", Kind::Text, eg("policymaker,management"), Used, "Tags of that further user, separated by commas."),
        row("default_users.$alice.vhost_pattern", Kind::Regex, is(".*"), Used, "Virtual hosts in which that further user gets its permissions, also those that are made later."),
        row("default_users.$alice.configure", Kind::Regex, is(".*"), Used, "What that further user may declare and delete there."),
        row("default_users.$alice.write", Kind::Regex, is(".*"), Used, "What that further user may publish and bind to there."),
        row("default_users.$alice.read", Kind::Regex, is(".*"), Used, "What that further user may consume and bind from there."),
        row("loopback_users.$guest", Kind::Bool, is("true"), Used, "Users who may connect only from this machine (true). guest by default, because its password is known to everybody."),
        row("loopback_users", NONE, eg("none"), Used, "Every user may connect from everywhere. Give guest another password first."),
        row("auth_mechanisms.$1", Kind::Enum(&["PLAIN", "AMQPLAIN", "ANONYMOUS", "EXTERNAL", "RABBIT-CR-DEMO"]), is("PLAIN"), Refused(&["PLAIN", "AMQPLAIN"]), "Ways to log in that are offered, each under its own name; without any, PLAIN and AMQPLAIN. Others are not supported yet and stop the start."),
        row("auth_backends.$1", Kind::Text, is("internal"), Refused(&["internal", "rabbit_auth_backend_internal"]), "Who decides about users and permissions. Only the broker itself so far; others stop the start."),
        row("auth_backends.$1.authn", Kind::Text, is("internal"), Refused(&["internal", "rabbit_auth_backend_internal"]), "The same for passwords alone."),
        row("auth_backends.$1.authz", Kind::Text, is("internal"), Refused(&["internal", "rabbit_auth_backend_internal"]), "The same for permissions alone."),
        row("password_hashing_module", Kind::Enum(&["rabbit_password_hashing_sha256", "rabbit_password_hashing_sha512", "rabbit_password_hashing_md5"]), is("rabbit_password_hashing_sha256"), Refused(&["rabbit_password_hashing_sha256"]), "How passwords are kept: hashed with a salt and SHA-256. Others stop the start."),
        row("anonymous_login_user", Kind::Text, is("guest"), Ignored, "The user that ANONYMOUS logs in, which is not offered; none forbids it."),
        row("anonymous_login_pass", Kind::Text, is("guest"), Ignored, "Password of that user."),
        row("credential_validator.validation_backend", Kind::Text, is("rabbit_credential_validator_accept_everything"), Refused(&["rabbit_credential_validator_accept_everything"]), "Who judges new users' names and passwords. Judges other than the default stop the start."),
        row("credential_validator.min_length", POSITIVE, eg("8"), Ignored, "Shortest password, for the validation backend that asks for one."),
        row("credential_validator.regexp", Kind::Text, eg("^[a-z].*"), Ignored, "Pattern of passwords, for the validation backend that asks for one."),
    ],
    sets: &[],
};

pub(super) const DEFINITIONS: Section = Section {
    title: "Definitions loaded at the start",
    #[rustfmt::skip]
    rows: &[
        row("load_definitions", Kind::Path, eg("/etc/rabbitmq/definitions.json"), Used, "Users, permissions, queues and more to import at every start: a file of RabbitMQ's definitions, or a directory whose *.json files are taken in the order of their names. With it no default user and virtual host are made. A fault in it stops the start."),
        row("definitions.import_backend", Kind::Text, eg("local_filesystem"), Refused(&["local_filesystem"]), "Where definitions come from. Only the local file system; others stop the start."),
        row("definitions.local.path", Kind::Path, eg("/etc/rabbitmq/definitions.d"), Used, "File or directory with definitions, like load_definitions."),
        row("definitions.https.url", Kind::Text, eg("https://example.com/definitions.json"), Refused(&[]), "Web page with definitions. Not supported: the broker would start without the users meant."),
        row("definitions.skip_if_unchanged", Kind::Bool, is("false"), Used, "Import only what has changed since the last start."),
        row("definitions.hashing.algorithm", Kind::Enum(&["sha", "sha224", "sha256", "sha384", "sha512"]), is("sha256"), Ignored, "How that change is found: always with SHA-256."),
        row("default_policies.operator.$1.vhost_pattern", Kind::Regex, is(".*"), Used, "Virtual hosts that get an operator policy of that name when they are made."),
        row("default_policies.operator.$1.queue_pattern", Kind::Regex, is(".*"), Used, "Queues to which that operator policy applies."),
        row("default_policies.operator.$1.$message_ttl", Kind::Text, eg("60000"), Used, "One thing that such an operator policy sets, such as expires, message_ttl, max_length, max_length_bytes or delivery_limit. What no operator policy may have stops the start."),
        row("default_policies.operator.$1.classic_queues.$ha_mode", Kind::Text, eg("exactly"), Ignored, "How RabbitMQ 3 mirrored classic queues. There are no mirrors."),
    ],
    sets: &[Set {
        prefix: "definitions.tls",
        rows: CLIENT_ROWS,
        class: Some(Later),
    }],
};
