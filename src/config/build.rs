//! Checked settings become the typed [`Config`]; where nothing is set, the table's default holds. Whether each value alone
//! is of its kind was checked before; here only what several keys say together can be wrong.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::PathBuf;
use std::time::Duration;

use super::keys::{self, Preset};
use super::origin::{ConfigError, Origin, Setting};
use super::settings::{
    Config, ConsoleLog, Definitions, FileLog, Limits, Listener, Log, LogFormat, LogLevel,
    Management, Mechanism, Memory, Permissions, Storage, Sync, Tcp, UserSeed, Watermark,
};
use super::value;

/// The smallest frame_max that AMQP allows.
const FRAME_MIN: u64 = 4_096;
/// The largest that the wire's 32 bits leave room for.
const FRAME_MAX: u64 = u32::MAX as u64;

/// Checkpoints closer to each other would write more than the journal itself.
const CHECKPOINT_INTERVAL_MIN: u64 = 1 << 20;

/// The configuration that these settings make.
pub fn build(settings: &BTreeMap<String, Setting>) -> Result<Config, ConfigError> {
    let read = Reader { settings };
    let node_name = read
        .text("node_name")
        .or(read.text("nodename"))
        .unwrap_or_else(|| format!("rabbit@{}", super::host_name()));
    let data_dir = PathBuf::from(read.default_text("data_dir"));
    let default_vhost = read.default_text("default_vhost");
    Ok(Config {
        listeners: read.listeners(),
        tcp: read.tcp(),
        management: read.management(),
        cluster_name: read
            .text("cluster_name")
            .unwrap_or_else(|| node_name.clone()),
        node_name,
        product_name: read
            .text("product.name")
            .unwrap_or_else(|| read.default_text("product_name")),
        product_version: read
            .text("product.version")
            .unwrap_or_else(|| read.default_text("product_version")),
        users: read.users(&default_vhost)?,
        default_vhost,
        vhost_defaults: read.vhost_defaults(),
        definitions: read.definitions(),
        loopback_users: read.loopback_users(),
        auth_mechanisms: read.mechanisms(),
        heartbeat_s: read.small("heartbeat"),
        frame_max: read.frame_bytes("frame_max", true)?,
        initial_frame_max: read.frame_bytes("initial_frame_max", false)?,
        channel_max: read.small("channel_max"),
        max_message_size: read.count("max_message_size").unwrap_or(u64::MAX),
        handshake_timeout: read.count("handshake_timeout").map(Duration::from_millis),
        consumer_timeout: read.count("consumer_timeout").map(Duration::from_millis),
        limits: read.limits(),
        memory: read.memory(),
        storage: read.storage()?,
        log: read.log(&data_dir),
        data_dir,
    })
}

/// Looks settings up. Values are of their kinds, so what does not parse is a word that means "no number".
struct Reader<'a> {
    settings: &'a BTreeMap<String, Setting>,
}

impl Reader<'_> {
    fn text(&self, key: &str) -> Option<String> {
        self.settings.get(key).map(|setting| setting.value.clone())
    }

    /// The value that is set, else the table's default.
    fn default_text(&self, key: &str) -> String {
        self.text(key).unwrap_or_else(|| {
            let words: Vec<String> = key.split('.').map(str::to_owned).collect();
            let known =
                keys::find(&words).expect("every key that is built from stands in the table");
            match known.preset {
                Preset::Default(text) => text.to_owned(),
                Preset::Unset(_) => String::new(),
            }
        })
    }

    /// A number; `None` for a word such as `infinity`, or where there is no default.
    fn count(&self, key: &str) -> Option<u64> {
        value::read_integer(&self.default_text(key))
    }

    /// A size with RabbitMQ's units for memory and disk.
    fn bytes(&self, key: &str) -> u64 {
        value::read_size(&self.default_text(key)).expect("checked to be a size")
    }

    /// A number that the table bounds to 16 bits.
    fn small(&self, key: &str) -> u16 {
        u16::try_from(self.count(key).unwrap_or(0)).unwrap_or(u16::MAX)
    }

    fn flag(&self, key: &str) -> bool {
        value::read_bool(&self.default_text(key)).unwrap_or(false)
    }

    fn fail(&self, key: &str, text: String) -> ConfigError {
        let origin = self
            .settings
            .get(key)
            .map_or(Origin::Default, |setting| setting.origin.clone());
        ConfigError::new(origin, format!("key '{key}': {text}"))
    }

    /// The settings under a prefix that have one word more, with that word.
    fn under<'b>(&'b self, prefix: &'b [&str]) -> impl Iterator<Item = (&'b str, &'b Setting)> {
        self.settings.values().filter_map(move |setting| {
            let (last, head) = setting.words.split_last()?;
            (head == prefix).then_some((last.as_str(), setting))
        })
    }

    /// The words that stand after a prefix, with whatever follows them.
    fn names(&self, prefix: &str) -> BTreeSet<String> {
        let longer = self
            .settings
            .values()
            .filter(|setting| setting.words.len() > 2 && setting.words[0] == prefix);
        longer.map(|setting| setting.words[1].clone()).collect()
    }

    fn listeners(&self) -> Vec<Listener> {
        let mut listeners = Vec::new();
        for (_, setting) in self.under(&["listeners", "tcp"]) {
            let (address, port) =
                value::read_listener(&setting.value).expect("checked to be a listener");
            listeners.push(Listener {
                address,
                port,
                key: setting.key(),
                origin: setting.origin.clone(),
            });
        }
        if listeners.is_empty() {
            listeners.push(Listener::by_default(IpAddr::V4(Ipv4Addr::LOCALHOST)));
            listeners.push(Listener::by_default(IpAddr::V6(Ipv6Addr::LOCALHOST)));
        }
        listeners
    }

    fn management(&self) -> Management {
        let key = ["management.tcp.port", "management.listener.port"]
            .into_iter()
            .find(|key| self.settings.contains_key(*key))
            .unwrap_or("management.tcp.port");
        let ip = self
            .text("management.tcp.ip")
            .or_else(|| self.text("management.listener.ip"));
        let origin = |key: &str| {
            let setting = self.settings.get(key);
            setting.map_or(Origin::Default, |setting| setting.origin.clone())
        };
        let mut listeners = Vec::new();
        // No number is the word `none`.
        if let Some(port) = self.count(key).and_then(|port| u16::try_from(port).ok()) {
            let mut listen = |address: IpAddr, origin: Origin| {
                listeners.push(Listener {
                    address: value::ListenAddress::Ip(address),
                    port,
                    key: key.to_owned(),
                    origin,
                });
            };
            match ip.and_then(|ip| value::read_ip(&ip)) {
                Some(ip) => listen(ip, origin("management.tcp.ip")),
                None => {
                    listen(IpAddr::V4(Ipv4Addr::LOCALHOST), origin(key));
                    // Nobody asked for this one: a machine without IPv6 does without.
                    listen(IpAddr::V6(Ipv6Addr::LOCALHOST), Origin::Default);
                }
            }
        }
        let prefix = self.default_text("management.path_prefix");
        let prefix = prefix.trim_matches('/');
        Management {
            listeners,
            body_bytes_max: self.count("management.http.max_body_size").unwrap_or(0),
            path_prefix: if prefix.is_empty() {
                String::new()
            } else {
                format!("/{prefix}")
            },
            idle_timeout: Duration::from_millis(
                self.count("management.tcp.idle_timeout")
                    .unwrap_or(0)
                    .max(1),
            ),
        }
    }

    fn tcp(&self) -> Tcp {
        let bytes = |key: &str| {
            self.count(key)
                .and_then(|number| usize::try_from(number).ok())
        };
        let linger =
            Duration::from_secs(self.count("tcp_listen_options.linger.timeout").unwrap_or(0));
        Tcp {
            backlog: self
                .count("tcp_listen_options.backlog")
                .and_then(|number| i32::try_from(number).ok())
                .unwrap_or(i32::MAX),
            nodelay: self.flag("tcp_listen_options.nodelay"),
            keepalive: self.flag("tcp_listen_options.keepalive"),
            send_buffer: bytes("tcp_listen_options.sndbuf"),
            receive_buffer: bytes("tcp_listen_options.recbuf"),
            linger: self.flag("tcp_listen_options.linger.on").then_some(linger),
        }
    }

    fn users(&self, default_vhost: &str) -> Result<Vec<UserSeed>, ConfigError> {
        let permissions = Permissions {
            configure: self.default_text("default_permissions.configure"),
            write: self.default_text("default_permissions.write"),
            read: self.default_text("default_permissions.read"),
        };
        let mut tags: Vec<String> = Vec::new();
        let mut any = false;
        for (tag, setting) in self.under(&["default_user_tags"]) {
            any = true;
            if value::read_bool(&setting.value) == Some(true) {
                tags.push(tag.to_owned());
            }
        }
        if !any {
            tags.push("administrator".to_owned());
        }
        let (name, password) = (
            self.default_text("default_user"),
            self.default_text("default_pass"),
        );
        if name.is_empty() {
            return Err(self.fail("default_user", "expected a name, found ''".to_owned()));
        }
        let mut users = vec![UserSeed {
            name,
            password,
            tags,
            permissions: Some(permissions),
            later: None,
        }];
        for name in self.names("default_users") {
            let user = self.further_user(&name, default_vhost)?;
            if let Some(same) = users.iter_mut().find(|user| user.name == name) {
                *same = user;
            } else {
                users.push(user);
            }
        }
        Ok(users)
    }

    fn further_user(&self, name: &str, default_vhost: &str) -> Result<UserSeed, ConfigError> {
        let escaped = name.replace('.', "\\.");
        let key = |last: &str| format!("default_users.{escaped}.{last}");
        let or =
            |last: &str, default: &str| self.text(&key(last)).unwrap_or_else(|| default.to_owned());
        let Some(password) = self.text(&key("password")) else {
            let given = self.settings.values().find(|setting| {
                setting.words.len() > 1
                    && setting.words[0] == "default_users"
                    && setting.words[1] == name
            });
            let origin = given.map_or(Origin::Default, |setting| setting.origin.clone());
            return Err(ConfigError::new(
                origin,
                format!(
                    "user '{name}' has no password: set key '{}'",
                    key("password")
                ),
            ));
        };
        let pattern = or("vhost_pattern", ".*");
        let here = fancy_regex::Regex::new(&pattern)
            .ok()
            .and_then(|pattern| pattern.is_match(default_vhost).ok());
        let permissions = Permissions {
            configure: or("configure", ".*"),
            write: or("write", ".*"),
            read: or("read", ".*"),
        };
        let tags = or("tags", "")
            .split([',', ' '])
            .filter(|tag| !tag.is_empty())
            .map(str::to_owned)
            .collect();
        Ok(UserSeed {
            name: name.to_owned(),
            password,
            tags,
            permissions: (here == Some(true)).then(|| permissions.clone()),
            later: Some((pattern, permissions)),
        })
    }

    fn definitions(&self) -> Definitions {
        let keys = [
            "load_definitions",
            "management.load_definitions",
            "definitions.local.path",
        ];
        let mut paths: Vec<PathBuf> = Vec::new();
        for path in keys.into_iter().filter_map(|key| self.text(key)) {
            if !paths.contains(&PathBuf::from(&path)) {
                paths.push(path.into());
            }
        }
        Definitions {
            paths,
            skip_if_unchanged: self.flag("definitions.skip_if_unchanged"),
        }
    }

    fn loopback_users(&self) -> Vec<String> {
        if self.settings.contains_key("loopback_users") {
            return Vec::new();
        }
        let mut any = false;
        let mut users = Vec::new();
        for (user, setting) in self.under(&["loopback_users"]) {
            any = true;
            if value::read_bool(&setting.value) == Some(true) {
                users.push(user.to_owned());
            }
        }
        if !any {
            users.push("guest".to_owned());
        }
        users
    }

    fn mechanisms(&self) -> Vec<Mechanism> {
        let mut mechanisms = Vec::new();
        for (_, setting) in self.under(&["auth_mechanisms"]) {
            let mechanism = if setting.value == "PLAIN" {
                Mechanism::Plain
            } else {
                Mechanism::Amqplain
            };
            if !mechanisms.contains(&mechanism) {
                mechanisms.push(mechanism);
            }
        }
        if mechanisms.is_empty() {
            mechanisms.extend([Mechanism::Plain, Mechanism::Amqplain]);
        }
        mechanisms
    }

    fn frame_bytes(&self, key: &str, zero: bool) -> Result<u32, ConfigError> {
        let text = self.default_text(key);
        let bytes = value::read_binary_size(&text).unwrap_or(u64::MAX);
        let good = (FRAME_MIN..=FRAME_MAX).contains(&bytes) || (zero && bytes == 0);
        match u32::try_from(bytes) {
            Ok(bytes) if good => Ok(bytes),
            _ => {
                let or_zero = if zero { ", or 0 for no limit" } else { "" };
                Err(self.fail(
                    key,
                    format!("expected {FRAME_MIN} to {FRAME_MAX} bytes{or_zero}, found '{text}'"),
                ))
            }
        }
    }

    fn limits(&self) -> Limits {
        Limits {
            connections: self.count("connection_max"),
            channels: self.count("channel_max_per_node"),
            consumers_per_channel: self.count("consumer_max_per_channel"),
            vhosts: self.count("vhost_max"),
            queues: self.count("cluster_queue_limit"),
            exchanges: self.count("cluster_exchange_limit"),
        }
    }

    fn memory(&self) -> Memory {
        let relative = self.text("vm_memory_high_watermark.relative");
        let absolute = self
            .text("vm_memory_high_watermark.absolute")
            .and_then(|text| value::read_size(&text));
        let watermark = match (relative, absolute) {
            (None, Some(bytes)) => Watermark::Absolute(bytes),
            (relative, _) => {
                let text = relative
                    .unwrap_or_else(|| self.default_text("vm_memory_high_watermark.relative"));
                Watermark::Relative(value::read_float(&text).expect("checked to be a number"))
            }
        };
        Memory {
            watermark,
            total: self
                .text("total_memory_available_override_value")
                .and_then(|text| value::read_size(&text)),
            interval: Duration::from_millis(self.count("memory_monitor_interval").unwrap_or(2_500)),
        }
    }

    fn storage(&self) -> Result<Storage, ConfigError> {
        let relative = self
            .text("disk_free_limit.relative")
            .and_then(|text| value::read_float(&text));
        let free_limit = match (self.text("disk_free_limit.absolute"), relative) {
            (None, Some(part)) => Watermark::Relative(part),
            // As RabbitMQ 4; 3.x took the relative one.
            _ => Watermark::Absolute(self.bytes("disk_free_limit.absolute")),
        };
        let checkpoint_interval = self.bytes("checkpoint_interval_size");
        if checkpoint_interval < CHECKPOINT_INTERVAL_MIN {
            let text = self.default_text("checkpoint_interval_size");
            return Err(self.fail(
                "checkpoint_interval_size",
                format!("expected at least 1MiB, found '{text}'"),
            ));
        }
        Ok(Storage {
            sync: match self.default_text("sync").as_str() {
                "os" => Sync::Os,
                _ => Sync::Fsync,
            },
            relaxed_redeclare: self.default_text("relaxed_redeclare") == "true",
            memory_budget: self.bytes("message_memory_budget"),
            checkpoint_interval,
            free_limit,
        })
    }

    fn log(&self, data_dir: &std::path::Path) -> Log {
        let format = |key: &str| {
            if self.default_text(key) == "json" {
                LogFormat::Json
            } else {
                LogFormat::Text
            }
        };
        let general = self.text("log.default.level");
        let sink = |key: &str| {
            let text = self
                .text(key)
                .or_else(|| general.clone())
                .unwrap_or_else(|| self.default_text(key));
            level(&text)
        };
        let console = self.flag("log.console").then(|| ConsoleLog {
            level: sink("log.console.level"),
            format: format("log.console.formatter"),
            stderr: self.default_text("log.console.stdio") == "stderr",
            colors: self.flag("log.console.use_colors"),
        });
        let directory = self.text("log.dir").map(PathBuf::from);
        let name = match self.text("log.file").as_deref() {
            Some("false" | "off") => None,
            Some("true" | "on" | "") => Some("leveret.log".to_owned()),
            Some(name) => Some(name.to_owned()),
            None => directory.is_some().then(|| "leveret.log".to_owned()),
        };
        let file = name.map(|name| FileLog {
            path: directory.unwrap_or_else(|| data_dir.join("log")).join(name),
            level: sink("log.file.level"),
            format: format("log.file.formatter"),
        });
        let mut categories = Vec::new();
        for category in ["connection", "channel", "queue"] {
            if let Some(text) = self.text(&format!("log.{category}.level")) {
                categories.push((category.to_owned(), level(&text)));
            }
        }
        Log {
            console,
            file,
            categories,
        }
    }
}

/// RabbitMQ's levels as ours.
fn level(text: &str) -> LogLevel {
    match text {
        "none" => LogLevel::Off,
        "error" | "critical" | "alert" | "emergency" => LogLevel::Error,
        "warning" => LogLevel::Warning,
        "info" | "notice" => LogLevel::Info,
        // debug, and the comparisons that log.file.level takes, which let it through.
        _ => LogLevel::Debug,
    }
}

mod vhosts;

#[cfg(test)]
mod tests;
