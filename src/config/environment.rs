//! The environment variables of RabbitMQ's server and Docker image, as settings. `load` in `mod.rs` calls.

use std::collections::BTreeMap;
use std::path::Path;

use super::origin::{ConfigError, Notice, Origin, Setting};

/// Variables that mean one key.
const KEYS: &[(&str, &str)] = &[
    ("RABBITMQ_DEFAULT_USER", "default_user"),
    ("RABBITMQ_DEFAULT_PASS", "default_pass"),
    ("RABBITMQ_DEFAULT_VHOST", "default_vhost"),
    ("RABBITMQ_PRODUCT_NAME", "product_name"),
    ("RABBITMQ_PRODUCT_VERSION", "product_version"),
    ("RABBITMQ_LOG_BASE", "log.dir"),
    // The three that say where data lies, the more exact one last, because it wins.
    ("RABBITMQ_DATA_DIR", "data_dir"),
    ("RABBITMQ_MNESIA_BASE", "data_dir"),
    ("RABBITMQ_MNESIA_DIR", "data_dir"),
];

/// Variables that the Docker image no longer takes; it does not start with them, so that nobody believes in a password or a
/// certificate that is not used.
const REMOVED: &[&str] = &[
    "RABBITMQ_DEFAULT_PASS_FILE",
    "RABBITMQ_DEFAULT_USER_FILE",
    "RABBITMQ_VM_MEMORY_HIGH_WATERMARK",
];
/// The same by what they start with.
const REMOVED_PREFIXES: &[&str] = &["RABBITMQ_SSL_", "RABBITMQ_MANAGEMENT_SSL_"];

/// Variables that have no meaning here.
const IGNORED: &[&str] = &[
    "RABBITMQ_CTL_ERL_ARGS",
    "RABBITMQ_DIST_PORT",
    "RABBITMQ_ENABLED_PLUGINS",
    "RABBITMQ_ENABLED_PLUGINS_FILE",
    "RABBITMQ_ERLANG_COOKIE",
    "RABBITMQ_FEATURE_FLAGS",
    "RABBITMQ_IO_THREAD_POOL_SIZE",
    "RABBITMQ_PLUGINS_DIR",
    "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS",
    "RABBITMQ_SERVER_ERL_ARGS",
    "RABBITMQ_SERVER_START_ARGS",
    "RABBITMQ_USE_LONGNAME",
];

/// Settings that the environment makes, in rising order of priority, and what is to be said about the rest.
#[derive(Debug, Default)]
pub struct FromEnvironment {
    /// What the variables set.
    pub settings: Vec<Setting>,
    /// Variables without effect.
    pub notices: Vec<Notice>,
    /// The listeners of files do not count, because a variable names the listener.
    pub replaces_listeners: bool,
}

/// What the variables say. Empty ones count as not set, as in RabbitMQ's scripts.
pub fn read(environment: &BTreeMap<String, String>) -> Result<FromEnvironment, ConfigError> {
    let mut read = FromEnvironment::default();
    for (name, value) in environment {
        if value.is_empty() {
            continue;
        }
        let removed = REMOVED.contains(&name.as_str())
            || REMOVED_PREFIXES
                .iter()
                .any(|prefix| name.starts_with(prefix));
        if removed {
            let text = "no longer supported, as in RabbitMQ's Docker image: use the configuration file instead";
            return Err(ConfigError::new(Origin::Environment(name.clone()), text));
        }
        if IGNORED.contains(&name.as_str()) {
            let text = "accepted without effect in Leveret".to_owned();
            read.notices.push(Notice {
                origin: Origin::Environment(name.clone()),
                text,
            });
        }
    }
    let get = |name: &str| environment.get(name).filter(|value| !value.is_empty());
    for (variable, key) in KEYS {
        if let Some(value) = get(variable) {
            read.set(key, value, variable);
        }
    }
    if let Some(value) = get("RABBITMQ_NODENAME") {
        let name = if value.contains('@') {
            value.clone()
        } else {
            format!("{value}@{}", super::host_name())
        };
        read.set("node_name", &name, "RABBITMQ_NODENAME");
    }
    read.listener(get("RABBITMQ_NODE_IP_ADDRESS"), get("RABBITMQ_NODE_PORT"));
    match get("RABBITMQ_LOGS").map(String::as_str) {
        Some("-" | "-stderr") => {
            read.set("log.console", "true", "RABBITMQ_LOGS");
            read.set("log.file", "false", "RABBITMQ_LOGS");
        }
        Some(path) => read.set("log.file", path, "RABBITMQ_LOGS"),
        None => {}
    }
    if get("RABBITMQ_LOGS").is_some_and(|value| value == "-stderr") {
        read.set("log.console.stdio", "stderr", "RABBITMQ_LOGS");
    }
    if let Some(value) = get("RABBITMQ_LOG") {
        read.levels(value);
    }
    if let Some(path) = get("RABBITMQ_ADVANCED_CONFIG_FILE") {
        let origin = Origin::Environment("RABBITMQ_ADVANCED_CONFIG_FILE".to_owned());
        if Path::new(path).exists() {
            let text = format!(
                "'{path}': Erlang terms are not supported: write the settings as key = value in the configuration file"
            );
            return Err(ConfigError::new(origin, text));
        }
        read.notices.push(Notice {
            origin,
            text: format!("accepted without effect: there is no file '{path}'"),
        });
    }
    Ok(read)
}

/// Variables of the file that RABBITMQ_CONF_ENV_FILE names, added to the environment where it does not have them. Only plain
/// assignments are understood; the names may leave `RABBITMQ_` out, as in RabbitMQ.
pub fn add_file(environment: &mut BTreeMap<String, String>) -> Result<(), ConfigError> {
    let Some(name) = environment
        .get("RABBITMQ_CONF_ENV_FILE")
        .filter(|name| !name.is_empty())
        .cloned()
    else {
        return Ok(());
    };
    let path: std::sync::Arc<Path> = Path::new(&name).into();
    let text = std::fs::read_to_string(&path).map_err(|error| {
        ConfigError::new(
            Origin::File(path.clone()),
            format!("cannot read this file: {error}"),
        )
    })?;
    for (index, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let (variable, value) = assignment(line).ok_or_else(|| {
            let text = format!(
                "expected NAME=VALUE, found '{line}': other shell commands are not supported"
            );
            ConfigError::new(Origin::Line(path.clone(), index + 1), text)
        })?;
        environment.entry(variable).or_insert(value);
    }
    Ok(())
}

fn assignment(line: &str) -> Option<(String, String)> {
    let (name, value) = line
        .strip_prefix("export ")
        .unwrap_or(line)
        .trim_start()
        .split_once('=')?;
    let plain = !name.is_empty()
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    if !plain {
        return None;
    }
    let unquoted = ['"', '\'']
        .iter()
        .find_map(|&quote| {
            value
                .strip_prefix(quote)
                .and_then(|rest| rest.strip_suffix(quote))
        })
        .unwrap_or(value);
    let literal = !unquoted.contains(['$', '`', '"', '\'', '\\', ';', '&', '|'])
        && (unquoted != value || !value.contains(' '));
    let name = if name.starts_with("RABBITMQ_") {
        name.to_owned()
    } else {
        format!("RABBITMQ_{name}")
    };
    literal.then(|| (name, unquoted.to_owned()))
}

impl FromEnvironment {
    fn set(&mut self, key: &str, value: &str, variable: &str) {
        let words = key.split('.').map(str::to_owned).collect();
        let origin = Origin::Environment(variable.to_owned());
        self.settings.push(Setting {
            words,
            value: value.to_owned(),
            origin,
        });
    }

    fn listener(&mut self, address: Option<&String>, port: Option<&String>) {
        let (value, variable) = match (address, port) {
            (None, None) => return,
            (None, Some(port)) => (port.clone(), "RABBITMQ_NODE_PORT"),
            (Some(address), port) => {
                let port = port.map_or("5672", String::as_str);
                let bracketed = if address.contains(':') && !address.starts_with('[') {
                    format!("[{address}]:{port}")
                } else {
                    format!("{address}:{port}")
                };
                (bracketed, "RABBITMQ_NODE_IP_ADDRESS")
            }
        };
        self.set("listeners.tcp.default", &value, variable);
        self.replaces_listeners = true;
    }

    /// RABBITMQ_LOG: levels, also of one category, and how lines look, separated by commas.
    fn levels(&mut self, value: &str) {
        const NAME: &str = "RABBITMQ_LOG";
        for item in value
            .split(',')
            .map(str::trim)
            .filter(|item| !item.is_empty())
        {
            match (item, item.split_once('=')) {
                ("+color" | "+colour", _) => self.set("log.console.use_colors", "on", NAME),
                ("-color" | "-colour", _) => self.set("log.console.use_colors", "off", NAME),
                ("+json", _) => self.set("log.console.formatter", "json", NAME),
                ("-json", _) => self.set("log.console.formatter", "plaintext", NAME),
                (_, Some((category, level))) => {
                    self.set(&format!("log.{category}.level"), level, NAME)
                }
                (level, None) => {
                    self.set("log.console.level", level, NAME);
                    self.set("log.file.level", level, NAME);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment(list: &[(&str, &str)]) -> BTreeMap<String, String> {
        list.iter()
            .map(|&(name, value)| (name.to_owned(), value.to_owned()))
            .collect()
    }

    fn settings(list: &[(&str, &str)]) -> Vec<String> {
        let read = read(&environment(list)).expect("read");
        read.settings
            .iter()
            .map(|setting| format!("{}={}", setting.key(), setting.value))
            .collect()
    }

    #[test]
    fn variables_become_settings_and_empty_ones_do_not_count() {
        assert_eq!(
            settings(&[
                ("RABBITMQ_DEFAULT_USER", "u"),
                ("RABBITMQ_DEFAULT_PASS", "p"),
                ("RABBITMQ_DEFAULT_VHOST", "v")
            ]),
            ["default_user=u", "default_pass=p", "default_vhost=v"]
        );
        assert!(settings(&[("RABBITMQ_DEFAULT_USER", ""), ("PATH", "/bin")]).is_empty());
        assert_eq!(settings(&[("RABBITMQ_NODENAME", "a@b")]), ["node_name=a@b"]);
        assert!(settings(&[("RABBITMQ_NODENAME", "a")])[0].starts_with("node_name=a@"));
    }

    #[test]
    fn the_listener_is_made_of_address_and_port() {
        assert_eq!(
            settings(&[("RABBITMQ_NODE_PORT", "5")]),
            ["listeners.tcp.default=5"]
        );
        assert_eq!(
            settings(&[("RABBITMQ_NODE_IP_ADDRESS", "::1")]),
            ["listeners.tcp.default=[::1]:5672"]
        );
        assert_eq!(
            settings(&[
                ("RABBITMQ_NODE_IP_ADDRESS", "10.0.0.1"),
                ("RABBITMQ_NODE_PORT", "7")
            ]),
            ["listeners.tcp.default=10.0.0.1:7"]
        );
        assert!(
            read(&environment(&[("RABBITMQ_NODE_PORT", "5")]))
                .expect("read")
                .replaces_listeners
        );
    }

    #[test]
    fn log_variables_are_understood() {
        assert_eq!(
            settings(&[("RABBITMQ_LOGS", "-")]),
            ["log.console=true", "log.file=false"]
        );
        assert_eq!(
            settings(&[("RABBITMQ_LOGS", "/x/y.log")]),
            ["log.file=/x/y.log"]
        );
        assert_eq!(
            settings(&[("RABBITMQ_LOG", "debug,connection=warning,-color")]),
            [
                "log.console.level=debug",
                "log.file.level=debug",
                "log.connection.level=warning",
                "log.console.use_colors=off"
            ]
        );
    }

    #[test]
    fn removed_variables_stop_the_start() {
        for name in [
            "RABBITMQ_DEFAULT_PASS_FILE",
            "RABBITMQ_SSL_CERTFILE",
            "RABBITMQ_MANAGEMENT_SSL_KEYFILE",
            "RABBITMQ_VM_MEMORY_HIGH_WATERMARK",
        ] {
            let error = read(&environment(&[(name, "x")]))
                .expect_err(name)
                .to_string();
            assert!(
                error.starts_with(&format!("environment variable {name}: no longer supported")),
                "{error}"
            );
            assert!(read(&environment(&[(name, "")])).is_ok());
        }
    }

    #[test]
    fn meaningless_variables_are_noticed() {
        let read = read(&environment(&[("RABBITMQ_ERLANG_COOKIE", "x")])).expect("read");
        assert_eq!(read.notices.len(), 1);
        assert!(
            !read.notices[0].to_string().contains('x')
                || read.notices[0].to_string().contains("without effect")
        );
    }

    #[test]
    fn the_environment_file_adds_plain_assignments() {
        let home = tempfile::tempdir().expect("directory");
        let path = home.path().join("rabbitmq-env.conf");
        std::fs::write(
            &path,
            "# c\nNODE_PORT=5673\nexport RABBITMQ_DEFAULT_USER=\"a b\"\nDEFAULT_PASS='x'\n",
        )
        .expect("written");
        let mut all = environment(&[
            ("RABBITMQ_CONF_ENV_FILE", &path.to_string_lossy()),
            ("RABBITMQ_DEFAULT_PASS", "mine"),
        ]);
        add_file(&mut all).expect("read");
        assert_eq!(all["RABBITMQ_NODE_PORT"], "5673");
        assert_eq!(all["RABBITMQ_DEFAULT_USER"], "a b");
        assert_eq!(all["RABBITMQ_DEFAULT_PASS"], "mine");
        std::fs::write(&path, "A=1\nB=$(date)\n").expect("written");
        let error = add_file(&mut all).expect_err("a command").to_string();
        assert!(
            error.contains("rabbitmq-env.conf:2: expected NAME=VALUE"),
            "{error}"
        );
    }
}
