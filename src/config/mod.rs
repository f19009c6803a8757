//! What the user wants of the broker: RabbitMQ's `rabbitmq.conf`, its environment variables and `--set`, as one plain
//! struct of typed fields.
//!
//! `syntax` reads lines, `files` finds them, `environment` and `substitute` bring variables in, `keys` is the table of
//! all keys, `check` compares, `build` makes the [`Config`], `explain` writes the documented file. Only `server` and
//! `main` call; the rooms below get small settings structs of their own, never a `Config`.

mod build;
mod check;
mod environment;
mod explain;
mod files;
mod keys;
mod origin;
mod settings;
mod substitute;
mod syntax;
mod value;

use std::collections::BTreeMap;
use std::path::PathBuf;

pub use explain::documented_file;
pub use origin::{ConfigError, Notice, Origin, Setting};
pub use settings::{
    Config, ConsoleLog, Definitions, FileLog, Limits, Listener, Log, LogFormat, LogLevel,
    Management, Mechanism, Memory, OperatorPolicy, Permissions, PolicyValue, Storage, Sync, Tcp,
    UserSeed, VhostDefaults, VhostLimits, Watermark,
};
pub use value::{ListenAddress, read_size};

/// Where settings come from; later fields win over earlier ones.
#[derive(Debug, Clone, Default)]
pub struct Sources {
    /// The configuration file; without one, RABBITMQ_CONFIG_FILE names it, or there is none.
    pub file: Option<PathBuf>,
    /// The environment variables of the process.
    pub environment: BTreeMap<String, String>,
    /// `--data-dir`.
    pub data_dir: Option<PathBuf>,
    /// `--set`, each `KEY=VALUE`.
    pub set: Vec<String>,
}

impl Sources {
    /// The process's environment and nothing else. Variables that are not UTF-8 are left out; none of ours can be.
    pub fn from_process() -> Self {
        let environment = std::env::vars_os().filter_map(|(name, value)| {
            Some((name.into_string().ok()?, value.into_string().ok()?))
        });
        Sources {
            environment: environment.collect(),
            ..Sources::default()
        }
    }
}

impl Config {
    /// Reads, checks and types everything that was said, or tells the first thing that is wrong. The notices are to be
    /// logged, one line each.
    pub fn load(mut sources: Sources) -> Result<(Config, Vec<Notice>), ConfigError> {
        environment::add_file(&mut sources.environment)?;
        let variables = environment::read(&sources.environment)?;
        let variable = |name: &str| {
            sources
                .environment
                .get(name)
                .filter(|value| !value.is_empty())
        };
        let main = sources
            .file
            .clone()
            .or_else(|| variable("RABBITMQ_CONFIG_FILE").map(PathBuf::from));
        let further = variable("RABBITMQ_CONFIG_FILES").map(String::as_str);

        // What comes later wins, key by key.
        let mut settings = BTreeMap::new();
        for setting in files::read(main.as_deref(), further)? {
            settings.insert(setting.key(), setting);
        }
        if variables.replaces_listeners {
            settings.retain(|key, _| !key.starts_with("listeners.tcp"));
        }
        let flags = flags(&sources)?;
        for setting in variables.settings.into_iter().chain(flags) {
            settings.insert(setting.key(), setting);
        }

        // In the order of the files, so that the first error is the first that a reader meets.
        let mut in_order: Vec<&Setting> = settings.values().collect();
        in_order.sort_by_key(|setting| match &setting.origin {
            Origin::Line(path, line) => (path.to_path_buf(), *line),
            _ => (PathBuf::new(), 0),
        });
        let mut notices = variables.notices;
        let mut resolved = BTreeMap::new();
        for setting in in_order {
            let value = substitute::resolve(setting, &settings, &sources.environment)?;
            let setting = Setting {
                value,
                ..setting.clone()
            };
            notices.extend(check::check(&setting)?);
            resolved.insert(setting.key(), setting);
        }
        let mut config = build::build(&resolved)?;
        if let (Some(_), Some(relative)) = (
            resolved.get("disk_free_limit.absolute"),
            resolved.get("disk_free_limit.relative"),
        ) {
            notices.push(Notice {
                origin: relative.origin.clone(),
                text: "key 'disk_free_limit.relative' is without effect beside disk_free_limit.absolute, as in RabbitMQ 4"
                    .to_owned(),
            });
        }
        if main.is_some() && !resolved.keys().any(|key| key.starts_with("listeners.tcp")) {
            // A user's file means what it means to RabbitMQ. Only without any file the first try stays on this machine.
            config.listeners = vec![Listener::on_all_interfaces()];
            let text = "no listeners.tcp key is set: listening on all interfaces, as RabbitMQ";
            notices.push(Notice {
                origin: Origin::Default,
                text: text.to_owned(),
            });
        }
        Ok((config, notices))
    }
}

fn flags(sources: &Sources) -> Result<Vec<Setting>, ConfigError> {
    let mut settings = Vec::new();
    if let Some(path) = &sources.data_dir {
        let origin = Origin::Flag("--data-dir");
        let value = path
            .to_str()
            .ok_or_else(|| ConfigError::new(origin.clone(), "the name is not UTF-8"))?
            .to_owned();
        settings.push(Setting {
            words: vec!["data_dir".to_owned()],
            value,
            origin,
        });
    }
    for text in &sources.set {
        let origin = Origin::Flag("--set");
        let (words, value) = syntax::parse_assignment(text).ok_or_else(|| {
            ConfigError::new(
                origin.clone(),
                format!("expected KEY=VALUE, found '{text}'"),
            )
        })?;
        settings.push(Setting {
            words,
            value,
            origin,
        });
    }
    Ok(settings)
}

/// This machine's name up to its first dot, as RabbitMQ uses it in node names.
fn host_name() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let short = name.trim().split('.').next().unwrap_or_default();
    if short.is_empty() {
        "localhost".to_owned()
    } else {
        short.to_owned()
    }
}
