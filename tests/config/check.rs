//! `leveret check-config`, `--help`, `--version`, and every way in which a configuration can be wrong.

use crate::support::{home, leveret, output, refusal, write};

#[test]
fn version_and_help_are_told() {
    let home = home();
    let version = output(leveret(home.path()).arg("--version"));
    assert!(version.status.success());
    let expected = format!("leveret {}\n", env!("CARGO_PKG_VERSION"));
    assert_eq!(String::from_utf8_lossy(&version.stdout), expected);
    let help = output(leveret(home.path()).arg("--help"));
    let text = String::from_utf8_lossy(&help.stdout);
    for word in ["serve", "check-config", "--config", "--data-dir", "--set"] {
        assert!(text.contains(word), "{word} in {text}");
    }
}

#[test]
fn the_documented_file_is_good() {
    let home = home();
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/config/leveret.conf");
    let output = output(leveret(home.path()).args(["check-config", path]));
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    assert!(String::from_utf8_lossy(&output.stdout).ends_with("leveret.conf: good\n"));
}

#[test]
fn a_users_rabbitmq_conf_is_good_and_what_has_no_effect_is_named_once() {
    let home = home();
    let path = write(
        home.path(),
        "rabbitmq.conf",
        "listeners.tcp.default = 5672\nvm_memory_high_watermark.relative = 0.4\ncluster_partition_handling = autoheal\n\
         queue_leader_locator = balanced\nlog.console = true\nmanagement.login_session_timeout = 480\n",
    );
    let output = output(leveret(home.path()).arg("check-config").arg(&path));
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    for (line, key) in [
        (3, "cluster_partition_handling"),
        (4, "queue_leader_locator"),
        (6, "management.login_session_timeout"),
    ] {
        let start = format!("{}:{line}: key '{key}' ", path.display());
        assert_eq!(
            text.lines().filter(|line| line.starts_with(&start)).count(),
            1,
            "{start} in {text}"
        );
    }
    assert_eq!(text.lines().count(), 4, "{text}");
}

#[test]
fn what_is_wrong_is_one_line_with_file_line_and_key() {
    let home = home();
    for (text, expected) in [
        (
            "\nheartbeet = 60",
            ":2: unknown key 'heartbeet'; the nearest known key is 'heartbeat'",
        ),
        (
            "listener.tcp.mine = 1",
            ":1: unknown key 'listener.tcp.mine'; the nearest known key is 'listeners.tcp.mine'",
        ),
        ("a = 1\n# c\n\nheartbeat = 60", ":1: unknown key 'a'"),
        (
            "heartbeat = soon",
            ":1: key 'heartbeat': expected a whole number from 0 to 65535 (s), found 'soon'",
        ),
        ("heartbeat = 65536", ":1: key 'heartbeat': expected"),
        ("heartbeat = -1", ":1: key 'heartbeat': expected"),
        ("frame_max = 4095", ":1: key 'frame_max': expected 4096 to"),
        (
            "max_message_size = 536870913",
            ":1: key 'max_message_size': expected a whole number from 1 to 536870912",
        ),
        (
            "listeners.tcp.default = 127.0.0.1",
            ":1: key 'listeners.tcp.default': expected PORT, IPV4:PORT",
        ),
        (
            "default_permissions.read = (",
            ":1: key 'default_permissions.read': expected a regular expression",
        ),
        (
            "log.console.level = loud",
            ":1: key 'log.console.level': expected one of debug, info",
        ),
        (
            "heartbeat 60",
            ":1: expected 'key = value', found 'heartbeat 60'",
        ),
        ("heartbeat =", ":1: key 'heartbeat' has no value"),
        (
            "heartbeat = $(NOBODY_SET_THIS)",
            ":1: key 'heartbeat': $(NOBODY_SET_THIS) is neither",
        ),
        (
            "listeners.ssl.default = 5671",
            ":1: key 'listeners.ssl.default': '5671' is not supported yet",
        ),
        (
            "listeners.tcp = none",
            ":1: key 'listeners.tcp': 'none' is not supported yet",
        ),
        (
            "auth_backends.1 = ldap",
            ":1: key 'auth_backends.1': 'ldap' is not supported yet",
        ),
        (
            "auth_mechanisms.1 = EXTERNAL",
            ":1: key 'auth_mechanisms.1': 'EXTERNAL' is not supported yet",
        ),
        (
            "ssl_options.certfile = /x",
            ":1: key 'ssl_options.certfile': '/x' is not supported yet",
        ),
        (
            "management.ssl.port = 15671",
            ":1: key 'management.ssl.port': '15671' is not supported yet",
        ),
        (
            "proxy_protocol = true",
            ":1: key 'proxy_protocol': 'true' is not supported yet",
        ),
    ] {
        let path = write(home.path(), "bad.conf", text);
        for command in [&["check-config"][..], &["serve", "--config"], &["--config"]] {
            let line = refusal(leveret(home.path()).args(command).arg(&path));
            let start = format!("leveret: {}{expected}", path.display());
            assert!(
                line.starts_with(&start),
                "{line}\nshould start with\n{start}"
            );
        }
    }
}

#[test]
fn a_file_that_cannot_be_read_is_named() {
    let home = home();
    let line = refusal(leveret(home.path()).args(["check-config", "none.conf"]));
    assert_eq!(
        line,
        "leveret: none.conf: cannot read this file: No such file or directory (os error 2)"
    );
    let line = refusal(leveret(home.path()).args(["--config", "none.conf"]));
    assert!(
        line.starts_with("leveret: none.conf: cannot read this file"),
        "{line}"
    );
    let line = refusal(leveret(home.path()).args(["check-config", "."]));
    assert!(
        line.starts_with("leveret: .: cannot read this file"),
        "{line}"
    );
}

#[test]
fn later_files_and_the_environment_are_checked_too() {
    let home = home();
    let path = write(home.path(), "rabbitmq.conf", "heartbeat = 10\n");
    let more = write(home.path(), "conf.d/10.conf", "\nheartbeat = x\n");
    let line = refusal(leveret(home.path()).arg("check-config").arg(&path));
    assert!(
        line.contains(&format!("{}:2: key 'heartbeat'", more.display())),
        "{line}"
    );
    // The last one wins, so a bad value that is replaced does no harm.
    write(home.path(), "conf.d/20.conf", "heartbeat = 20\n");
    assert!(
        output(leveret(home.path()).arg("check-config").arg(&path))
            .status
            .success()
    );
    let line = refusal(
        leveret(home.path())
            .arg("check-config")
            .arg(&path)
            .env("RABBITMQ_NODE_PORT", "x"),
    );
    assert!(
        line.starts_with(
            "leveret: environment variable RABBITMQ_NODE_PORT: key 'listeners.tcp.default'"
        ),
        "{line}"
    );
    let line = refusal(leveret(home.path()).env("RABBITMQ_CONFIG_FILE", home.path().join("none")));
    assert!(line.contains("none: cannot read this file"), "{line}");
    let line = refusal(leveret(home.path()).env("RABBITMQ_SSL_CERTFILE", "/x"));
    assert!(
        line.starts_with(
            "leveret: environment variable RABBITMQ_SSL_CERTFILE: no longer supported"
        ),
        "{line}"
    );
}

#[test]
fn flags_are_checked_like_files() {
    let home = home();
    for (flag, expected) in [
        (
            "heartbeet=1",
            "leveret: --set: unknown key 'heartbeet'; the nearest known key is 'heartbeat'",
        ),
        ("heartbeat=x", "leveret: --set: key 'heartbeat': expected"),
        (
            "heartbeat",
            "leveret: --set: expected KEY=VALUE, found 'heartbeat'",
        ),
    ] {
        let line = refusal(leveret(home.path()).args(["--set", flag]));
        assert!(line.starts_with(expected), "{line}");
    }
}
