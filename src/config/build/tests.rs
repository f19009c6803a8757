//! From sources to the typed configuration: defaults, precedence, and what each used key does.

use std::time::Duration;

use super::super::{
    Config, ListenAddress, LogFormat, LogLevel, Mechanism, Notice, Permissions, Sources, Sync,
    Watermark,
};

fn load(set: &[&str]) -> Result<(Config, Vec<Notice>), String> {
    let set = set.iter().map(|&text| text.to_owned()).collect();
    Config::load(Sources {
        set,
        ..Sources::default()
    })
    .map_err(|error| error.to_string())
}

fn config(set: &[&str]) -> Config {
    load(set).expect("good").0
}

#[test]
fn nothing_said_gives_the_defaults() {
    let (config, notices) = load(&[]).expect("good");
    assert!(notices.is_empty());
    let listeners: Vec<_> = config
        .listeners
        .iter()
        .map(|listener| (listener.address, listener.port))
        .collect();
    let ip = |text: &str| ListenAddress::Ip(text.parse().expect("an address"));
    assert_eq!(listeners, [(ip("127.0.0.1"), 5672), (ip("::1"), 5672)]);
    assert_eq!(
        (
            config.heartbeat_s,
            config.frame_max,
            config.initial_frame_max,
            config.channel_max
        ),
        (60, 131_072, 8_192, 2_047)
    );
    assert_eq!(config.max_message_size, 134_217_728);
    assert_eq!(config.handshake_timeout, Some(Duration::from_secs(10)));
    assert_eq!(config.consumer_timeout, Some(Duration::from_secs(1_800)));
    assert_eq!(config.memory.watermark, Watermark::Relative(0.6));
    assert_eq!(config.default_vhost, "/");
    assert_eq!(config.loopback_users, ["guest"]);
    assert_eq!(
        config.auth_mechanisms,
        [Mechanism::Plain, Mechanism::Amqplain]
    );
    let guest = &config.users[0];
    assert_eq!(
        (
            guest.name.as_str(),
            guest.password.as_str(),
            guest.tags.as_slice()
        ),
        ("guest", "guest", &["administrator".to_owned()][..])
    );
    let all = Permissions {
        configure: ".*".to_owned(),
        write: ".*".to_owned(),
        read: ".*".to_owned(),
    };
    assert_eq!(guest.permissions, Some(all));
    assert_eq!(config.users.len(), 1);
    assert_eq!(config.tcp.backlog, 1_024);
    assert!(config.tcp.nodelay && !config.tcp.keepalive);
    assert_eq!(config.tcp.linger, Some(Duration::ZERO));
    assert_eq!(config.product_name, "Leveret");
    assert_eq!(config.product_version, "4.2.0");
    assert!(config.node_name.starts_with("rabbit@"));
    assert_eq!(config.cluster_name, config.node_name);
    assert_eq!(config.limits, super::Limits::default());
    assert_eq!(config.data_dir.to_str(), Some("leveret-data"));
    let console = config.log.console.expect("on");
    assert_eq!(
        (console.level, console.format),
        (LogLevel::Info, LogFormat::Text)
    );
    assert_eq!(config.log.file, None);
}

#[test]
fn a_later_source_wins_key_by_key() {
    let home = tempfile::tempdir().expect("directory");
    let file = home.path().join("rabbitmq.conf");
    std::fs::write(&file, "heartbeat = 10\nheartbeat = 11\ndefault_user = file\ndefault_pass = file\nlisteners.tcp.1 = 1\n").expect("written");
    let sources = |environment: &[(&str, &str)], set: &[&str]| Sources {
        file: Some(file.clone()),
        environment: environment
            .iter()
            .map(|&(name, value)| (name.to_owned(), value.to_owned()))
            .collect(),
        data_dir: None,
        set: set.iter().map(|&text| text.to_owned()).collect(),
    };
    let (config, _) = Config::load(sources(&[], &[])).expect("good");
    assert_eq!(
        (
            config.heartbeat_s,
            config.users[0].name.as_str(),
            config.listeners.len()
        ),
        (11, "file", 1)
    );
    let environment = [
        ("RABBITMQ_DEFAULT_USER", "variable"),
        ("RABBITMQ_NODE_PORT", "2"),
    ];
    let (config, _) = Config::load(sources(&environment, &[])).expect("good");
    assert_eq!(
        (
            config.users[0].name.as_str(),
            config.users[0].password.as_str()
        ),
        ("variable", "file")
    );
    let ports: Vec<u16> = config
        .listeners
        .iter()
        .map(|listener| listener.port)
        .collect();
    assert_eq!(ports, [2]);
    let (config, _) = Config::load(sources(
        &environment,
        &["default_user=flag", "heartbeat=12"],
    ))
    .expect("good");
    assert_eq!(
        (config.users[0].name.as_str(), config.heartbeat_s),
        ("flag", 12)
    );
}

#[test]
fn variables_are_replaced_before_values_are_checked() {
    let home = tempfile::tempdir().expect("directory");
    let file = home.path().join("rabbitmq.conf");
    std::fs::write(&file, "heartbeat = $(BEAT)\ndefault_pass = $(WORD)\n").expect("written");
    let environment = [("BEAT", "7"), ("WORD", "a#$(b)")];
    let environment = environment
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into_iter()
        .collect();
    let sources = Sources {
        file: Some(file.clone()),
        environment,
        ..Sources::default()
    };
    let (config, notices) = Config::load(sources).expect("good");
    assert_eq!(
        (config.heartbeat_s, config.users[0].password.as_str()),
        (7, "a#$(b)")
    );
    assert!(notices[0].text.contains("all interfaces"), "{notices:?}");
    let error = Config::load(Sources {
        file: Some(file),
        ..Sources::default()
    })
    .expect_err("missing")
    .to_string();
    assert!(
        error.contains(":1: key 'heartbeat': $(BEAT) is neither"),
        "{error}"
    );
}

#[test]
fn the_first_error_in_the_file_is_the_one_told() {
    let home = tempfile::tempdir().expect("directory");
    let file = home.path().join("rabbitmq.conf");
    std::fs::write(&file, "\nzzz = 1\naaa = 1\n").expect("written");
    let error = Config::load(Sources {
        file: Some(file),
        ..Sources::default()
    })
    .expect_err("unknown")
    .to_string();
    assert!(
        error.contains("rabbitmq.conf:2: unknown key 'zzz'"),
        "{error}"
    );
}

#[test]
fn users_get_tags_and_permissions() {
    let config = config(&[
        "default_user=admin",
        "default_user_tags.monitoring=true",
        "default_user_tags.administrator=false",
        "default_permissions.write=^a",
        "default_users.bob.password=x",
        "default_users.bob.tags=policymaker, management",
        "default_users.bob.read=^r",
        "default_users.eve.password=y",
        "default_users.eve.vhost_pattern=^other",
    ]);
    assert_eq!(
        (config.users[0].name.as_str(), &config.users[0].tags[..]),
        ("admin", &["monitoring".to_owned()][..])
    );
    assert_eq!(
        config.users[0]
            .permissions
            .as_ref()
            .map(|p| p.write.as_str()),
        Some("^a")
    );
    assert_eq!(config.users[1].tags, ["policymaker", "management"]);
    assert_eq!(
        config.users[1]
            .permissions
            .as_ref()
            .map(|p| (p.configure.as_str(), p.read.as_str())),
        Some((".*", "^r"))
    );
    assert_eq!(config.users[2].permissions, None);
    let error = load(&["default_users.bob.read=x"]).expect_err("no password");
    assert!(error.contains("user 'bob' has no password"), "{error}");
    assert!(!format!("{:?}", config.users).contains('y'.to_string().repeat(2).as_str()));
}

#[test]
fn loopback_users_are_replaced_as_a_whole() {
    assert_eq!(
        config(&["loopback_users=none"]).loopback_users,
        Vec::<String>::new()
    );
    assert_eq!(
        config(&["loopback_users.guest=false"]).loopback_users,
        Vec::<String>::new()
    );
    assert_eq!(config(&["loopback_users.bob=true"]).loopback_users, ["bob"]);
}

#[test]
fn mechanisms_may_be_narrowed() {
    assert_eq!(
        config(&["auth_mechanisms.1=AMQPLAIN"]).auth_mechanisms,
        [Mechanism::Amqplain]
    );
    assert_eq!(
        config(&["auth_mechanisms.1=AMQPLAIN", "auth_mechanisms.2=PLAIN"])
            .auth_mechanisms
            .len(),
        2
    );
}

#[test]
fn frames_have_a_least_size() {
    assert_eq!(config(&["frame_max=0"]).frame_max, 0);
    assert_eq!(config(&["frame_max=4096"]).frame_max, 4_096);
    assert_eq!(config(&["frame_max=64KB"]).frame_max, 65_536);
    for bad in [
        "frame_max=4095",
        "frame_max=4GB",
        "initial_frame_max=0",
        "initial_frame_max=100",
    ] {
        let error = load(&[bad]).expect_err(bad);
        assert!(
            error.starts_with("--set: key '") && error.contains("4096"),
            "{error}"
        );
    }
}

#[test]
fn infinity_means_no_limit() {
    assert_eq!(
        config(&["handshake_timeout=infinity"]).handshake_timeout,
        None
    );
    assert_eq!(
        config(&["consumer_timeout=infinity"]).consumer_timeout,
        None
    );
    let limits = config(&["connection_max=5"]).limits;
    assert_eq!((limits.connections, limits.queues), (Some(5), None));
}

#[test]
fn the_relative_watermark_wins_over_the_absolute_one() {
    let absolute = "vm_memory_high_watermark.absolute=1GiB";
    assert_eq!(
        config(&[absolute]).memory.watermark,
        Watermark::Absolute(1 << 30)
    );
    assert_eq!(
        config(&[absolute, "vm_memory_high_watermark.relative=0.3"])
            .memory
            .watermark,
        Watermark::Relative(0.3)
    );
    assert_eq!(
        config(&["total_memory_available_override_value=2GB"])
            .memory
            .total,
        Some(2_000_000_000)
    );
}

#[test]
fn storage_is_what_the_keys_say() {
    let storage = config(&[]).storage;
    assert_eq!(storage.sync, Sync::Fsync);
    assert_eq!(storage.free_limit, Watermark::Absolute(50_000_000));
    assert_eq!(
        (storage.memory_budget, storage.checkpoint_interval),
        (64 << 20, 64 << 20)
    );
    let storage = config(&[
        "sync=os",
        "message_memory_budget=1GB",
        "checkpoint_interval_size=1MiB",
        "disk_free_limit.relative=1.5",
    ])
    .storage;
    assert_eq!(storage.sync, Sync::Os);
    assert_eq!(storage.free_limit, Watermark::Relative(1.5));
    assert_eq!(
        (storage.memory_budget, storage.checkpoint_interval),
        (1_000_000_000, 1 << 20)
    );
    for (set, error) in [
        (
            "sync=never",
            "--set: key 'sync': expected one of fsync, os, found 'never'",
        ),
        (
            "checkpoint_interval_size=1000",
            "--set: key 'checkpoint_interval_size': expected at least 1MiB, found '1000'",
        ),
        (
            "message_memory_budget=much",
            "--set: key 'message_memory_budget': expected a size in bytes",
        ),
        (
            "disk_free_limit.absolute=-1",
            "--set: key 'disk_free_limit.absolute': expected a size in bytes",
        ),
        (
            "disk_free_limit.relative=x",
            "--set: key 'disk_free_limit.relative': expected a number from 0 on",
        ),
    ] {
        let refusal = load(&[set]).expect_err(set);
        assert!(refusal.starts_with(error), "{refusal}");
    }
}

#[test]
fn the_absolute_disk_limit_wins_over_the_relative_one_and_that_is_said() {
    let (config, notices) = load(&[
        "disk_free_limit.absolute=2GiB",
        "disk_free_limit.relative=1.0",
    ])
    .expect("good");
    assert_eq!(config.storage.free_limit, Watermark::Absolute(2 << 30));
    assert_eq!(notices.len(), 1, "{notices:?}");
    assert!(notices[0].text.contains("disk_free_limit.relative"));
}

#[test]
fn logs_go_where_the_keys_say() {
    let log = config(&[
        "log.file=x.log",
        "log.file.level=debug",
        "log.file.formatter=json",
        "log.connection.level=error",
    ])
    .log;
    let file = log.file.expect("on");
    assert_eq!(
        (file.path.to_str(), file.level, file.format),
        (
            Some("leveret-data/log/x.log"),
            LogLevel::Debug,
            LogFormat::Json
        )
    );
    assert_eq!(log.categories, [("connection".to_owned(), LogLevel::Error)]);
    let log = config(&[
        "log.dir=/tmp/l",
        "log.console=false",
        "log.default.level=warning",
    ])
    .log;
    assert_eq!(log.console, None);
    let file = log.file.expect("on");
    assert_eq!(
        (file.path.to_str(), file.level),
        (Some("/tmp/l/leveret.log"), LogLevel::Warning)
    );
    assert_eq!(config(&["log.dir=/tmp/l", "log.file=false"]).log.file, None);
    assert_eq!(
        config(&["log.file=/a/b.log"])
            .log
            .file
            .and_then(|file| file.path.to_str().map(str::to_owned))
            .as_deref(),
        Some("/a/b.log")
    );
}

#[test]
fn socket_options_are_read() {
    let tcp = config(&[
        "tcp_listen_options.backlog=7",
        "tcp_listen_options.nodelay=off",
        "tcp_listen_options.keepalive=true",
        "tcp_listen_options.sndbuf=1000",
        "tcp_listen_options.linger.timeout=3",
    ])
    .tcp;
    assert_eq!(
        (
            tcp.backlog,
            tcp.nodelay,
            tcp.keepalive,
            tcp.send_buffer,
            tcp.receive_buffer
        ),
        (7, false, true, Some(1_000), None)
    );
    assert_eq!(tcp.linger, Some(Duration::from_secs(3)));
    assert_eq!(
        config(&["tcp_listen_options.linger.on=false"]).tcp.linger,
        None
    );
}

#[test]
fn names_may_hold_escaped_dots() {
    let config = config(&["default_users.a\\.b.password=x"]);
    assert_eq!(config.users[1].name, "a.b");
}

#[test]
fn bad_flags_are_named() {
    assert_eq!(
        load(&["heartbeat"]).expect_err("no value"),
        "--set: expected KEY=VALUE, found 'heartbeat'"
    );
    assert_eq!(
        load(&["heartbeet=1"]).expect_err("unknown"),
        "--set: unknown key 'heartbeet'; the nearest known key is 'heartbeat'"
    );
}
