//! The table of keys as a documented configuration file: `config/leveret.conf` is what this writes. A test compares the
//! two, so the file can neither miss a key nor tell an old default.

use std::fmt::Write as _;

use super::keys::{self, Class, Key, Preset};
use super::value::Kind;

const WIDTH: usize = 110;

const HEAD: &str = "\
## Leveret's configuration: every key, what it does, its unit, its default and why.
##
## This is RabbitMQ's own format, so a rabbitmq.conf works as it is:
##   * 'key = value', one a line; '#' starts a comment; a value with a '#' in it stands in single quotes.
##   * $(NAME) in a value is replaced with an environment variable, or with another key's value.
##   * The files conf.d/*.conf beside this one are read after it, in alphabetical order; what is read later wins.
##     RABBITMQ_CONFIG_FILES names another directory or a pattern.
##   * Environment variables (RABBITMQ_DEFAULT_USER, RABBITMQ_NODE_PORT ...) win over files, --set KEY=VALUE wins over all.
##   * An unknown key or a bad value stops the start and is named with file and line. Try: leveret check-config FILE
##
## Lines that start with '# ' are settings with their defaults, or with an example where there is no default ('Unset by
## default'). Lines that start with '#! ' would stop the start: what they ask for is not supported yet, and dropping it
## would weaken security. Everything else starts with '## '.
##
## Times are in the unit named; sizes are bytes, or have a unit: kB, MB, GB (powers of 1000), KiB, MiB, GiB (of 1024).
## In frame_max and the other sizes so marked, KB, MB and GB are powers of 1024, as in RabbitMQ.
";

/// The whole text of `config/leveret.conf`.
pub fn documented_file() -> String {
    let mut out = String::from(HEAD);
    let mut section = "";
    for key in keys::all() {
        if key.section != section {
            section = key.section;
            heading(&mut out, section);
        }
        if key.class == Class::Used || matches!(key.class, Class::Refused(_)) {
            in_full(&mut out, key);
        }
        if last_of_section(key) {
            without_effect(&mut out, section);
        }
    }
    out
}

fn heading(out: &mut String, title: &str) {
    let _ = writeln!(
        out,
        "\n\n## {}\n## {title}\n## {}",
        "=".repeat(WIDTH - 3),
        "=".repeat(WIDTH - 3)
    );
}

fn last_of_section(key: &Key) -> bool {
    keys::all()
        .iter()
        .rfind(|other| other.section == key.section)
        .is_some_and(|last| last.name == key.name)
}

fn in_full(out: &mut String, key: &Key) {
    let mut text = key.doc.to_owned();
    // A text or a name needs no explanation, and a listener has one.
    if !matches!(key.kind, Kind::Text | Kind::Path | Kind::Listener) {
        let _ = write!(text, " Takes {}.", key.kind.expected());
    }
    if matches!(key.preset, Preset::Unset(_)) && matches!(key.class, Class::Used) {
        text.push_str(" Unset by default.");
    }
    out.push('\n');
    for line in wrap(&text) {
        let _ = writeln!(out, "## {line}");
    }
    let _ = writeln!(out, "{}", setting(key));
}

/// The keys of a section that change nothing, one line each.
fn without_effect(out: &mut String, section: &str) {
    for (class, title) in [
        (Class::Later, "Accepted, without effect yet:"),
        (Class::Ignored, "Accepted, without effect in Leveret:"),
    ] {
        let keys: Vec<&Key> = keys::all()
            .iter()
            .filter(|key| key.section == section && key.class == class)
            .collect();
        if keys.is_empty() {
            continue;
        }
        let _ = writeln!(out, "\n## {title}");
        for key in keys {
            let unit = match key.kind {
                Kind::Integer { unit, .. } if !unit.is_empty() => format!(" ({unit})"),
                _ => String::new(),
            };
            let _ = writeln!(out, "{}  # {}{unit}", setting(key), key.doc);
        }
    }
}

fn setting(key: &Key) -> String {
    let value = key.preset.text();
    // What is written here must read as the same value.
    let quoted =
        value.is_empty() || value.contains('#') || value.starts_with(' ') || value.contains("$(");
    let value = if quoted {
        format!("'{value}'")
    } else {
        value.to_owned()
    };
    let harmless = match key.class {
        Class::Refused(values) => values.contains(&key.preset.text()),
        _ => true,
    };
    format!(
        "{} {} = {value}",
        if harmless { "#" } else { "#!" },
        key.example()
    )
}

fn wrap(text: &str) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        let line = lines.last_mut().expect("there is always a line");
        if !line.is_empty() && line.len() + 1 + word.len() > WIDTH - 3 {
            lines.push(word.to_owned());
        } else {
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::super::syntax::{self, Statement};
    use super::super::{Config, Sources};
    use super::*;

    const PATH: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/config/leveret.conf");

    /// `LEVERET_WRITE=1 cargo test documented` writes the file anew after a change of the table.
    #[test]
    fn the_documented_file_is_up_to_date() {
        let written = documented_file();
        if std::env::var_os("LEVERET_WRITE").is_some() {
            std::fs::write(PATH, &written).expect("written");
        }
        let stored = std::fs::read_to_string(PATH).expect("config/leveret.conf");
        assert!(
            stored == written,
            "config/leveret.conf is out of date: LEVERET_WRITE=1 cargo test --lib documented"
        );
    }

    #[test]
    fn the_documented_file_loads_as_it_is_and_changes_nothing_but_the_listeners() {
        let sources = Sources {
            file: Some(PATH.into()),
            ..Sources::default()
        };
        let (mut config, _) = Config::load(sources).expect("loads");
        let default = Config::load(Sources::default()).expect("loads").0;
        // The one thing that a file of comments changes: there is a file, so it listens as RabbitMQ would.
        config.listeners.clone_from(&default.listeners);
        assert_eq!(config, default);
    }

    fn uncommented(marks: &[&str]) -> String {
        let lines = documented_file();
        let settings = lines
            .lines()
            .filter_map(|line| marks.iter().find_map(|mark| line.strip_prefix(mark)));
        settings.collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn every_line_of_it_may_be_uncommented() {
        let home = tempfile::tempdir().expect("directory");
        let path = home.path().join("all.conf");
        std::fs::write(&path, uncommented(&["# "])).expect("written");
        let (config, notices) = Config::load(Sources {
            file: Some(path),
            ..Sources::default()
        })
        .expect("loads");
        let defaults = Config::load(Sources::default()).expect("loads").0;
        assert_eq!(config.heartbeat_s, defaults.heartbeat_s);
        assert_eq!(config.memory.watermark, defaults.memory.watermark);
        assert_eq!(config.product_name, defaults.product_name);
        assert!(notices.len() > 500, "{}", notices.len());
    }

    #[test]
    fn it_names_every_key() {
        let statements = syntax::parse(&uncommented(&["# ", "#! "])).expect("well-formed");
        let mut shown = std::collections::HashSet::new();
        for (line, statement) in statements {
            let Statement::Setting { key, .. } = statement else {
                panic!("line {line} is not a setting");
            };
            let found = keys::find(&key).expect("known");
            assert!(shown.insert(&found.name), "{} is shown twice", found.name);
        }
        for key in keys::all() {
            assert!(shown.contains(&key.name), "{} is missing", key.name);
        }
    }

    #[test]
    fn what_would_stop_the_start_does_when_uncommented() {
        for line in uncommented(&["#! "]).lines() {
            let (key, value) = line.split_once(" = ").expect("a setting");
            let set = vec![format!("{key}={value}")];
            let error = Config::load(Sources {
                set,
                ..Sources::default()
            })
            .expect_err(line)
            .to_string();
            assert!(error.contains("not supported yet"), "{error}");
        }
    }
}
