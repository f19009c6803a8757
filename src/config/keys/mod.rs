//! The table of all keys: RabbitMQ 3.10's own, those that 4.x added and users meet, and Leveret's. One row a key.
//!
//! The rows stand in one file a theme, one line a row; here they become one list that can be searched. Reading values
//! is `value.rs`, obeying them `build.rs`; `check.rs` and `explain.rs` call.

mod amqp;
mod auth;
mod cluster;
mod erlang;
mod leveret;
mod logging;
mod management;
mod memory;
mod network;
mod newer;
mod plugins;
mod tls;
mod users;

use std::sync::OnceLock;

use super::value::Kind;

/// What becomes of a key.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Class {
    /// Obeyed.
    Used,
    /// Accepted with one log line: what it tunes does not exist in Leveret, and nothing is lost.
    Ignored,
    /// Accepted with one log line: what it asks for is not there yet.
    Later,
    /// Dropping it would weaken security or leave users out: the start stops, unless the value is one of these, which
    /// say what holds anyway.
    Refused(&'static [&'static str]),
}

/// What holds when nobody sets the key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Preset {
    /// This value.
    Default(&'static str),
    /// Nothing; this is a value as an example.
    Unset(&'static str),
}

impl Preset {
    /// The text of either.
    pub fn text(&self) -> &'static str {
        match self {
            Preset::Default(text) | Preset::Unset(text) => text,
        }
    }
}

/// One key as it stands in a table. A word of the name that starts with `$` stands for any word; what follows the `$`
/// is an example of it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Row {
    name: &'static str,
    kind: Kind,
    preset: Preset,
    class: Class,
    doc: &'static str,
}

/// Rows that return under another prefix, such as TLS options.
struct Set {
    prefix: &'static str,
    rows: &'static [Row],
    /// What becomes of them there, if not what the row says.
    class: Option<Class>,
}

/// A theme: a heading in the documented file, and its rows.
struct Section {
    title: &'static str,
    rows: &'static [Row],
    sets: &'static [Set],
}

const fn row(
    name: &'static str,
    kind: Kind,
    preset: Preset,
    class: Class,
    doc: &'static str,
) -> Row {
    Row {
        name,
        kind,
        preset,
        class,
        doc,
    }
}

/// A default.
const fn is(value: &'static str) -> Preset {
    Preset::Default(value)
}

/// No default; an example.
const fn eg(value: &'static str) -> Preset {
    Preset::Unset(value)
}

/// Only the word `none`.
const NONE: Kind = Kind::Enum(&["none"]);

static SECTIONS: [&Section; 17] = [
    &leveret::SECTION,
    &network::SECTION,
    &amqp::SECTION,
    &users::SECTION,
    &memory::SECTION,
    &logging::SECTION,
    &tls::SECTION,
    &auth::SECTION,
    &users::DEFINITIONS,
    &memory::STORAGE,
    &cluster::SECTION,
    &cluster::DISCOVERY,
    &management::SECTION,
    &management::PROMETHEUS,
    &plugins::SECTION,
    &newer::SECTION,
    &erlang::SECTION,
];

/// One key, ready to be matched.
#[derive(Debug, Clone)]
pub struct Key {
    /// The whole name; words that stand for any word start with `$`.
    pub name: String,
    /// What its value looks like.
    pub kind: Kind,
    /// What holds when it is not set.
    pub preset: Preset,
    /// What becomes of it.
    pub class: Class,
    /// What it does and why its default is what it is, in a sentence or two.
    pub doc: &'static str,
    /// Heading under which it is documented.
    pub section: &'static str,
}

impl Key {
    fn words(&self) -> impl Iterator<Item = &str> {
        self.name.split('.')
    }

    /// Whether these words are this key.
    pub fn matches(&self, words: &[String]) -> bool {
        let mut given = words.iter();
        let fits = |pattern: &str| {
            given
                .next()
                .is_some_and(|word| pattern.starts_with('$') || pattern == word)
        };
        self.words().all(fits) && given.next().is_none()
    }

    /// A full name of this key, with examples for the words that may be any.
    pub fn example(&self) -> String {
        self.name.replace('$', "")
    }

    /// How many words are fixed: a key that fixes more of them wins over one that fixes fewer.
    fn fixed_words(&self) -> usize {
        self.words().filter(|word| !word.starts_with('$')).count()
    }
}

/// Every key, in the order in which the documented file shows them.
pub fn all() -> &'static [Key] {
    static KEYS: OnceLock<Vec<Key>> = OnceLock::new();
    KEYS.get_or_init(|| {
        let mut keys = Vec::with_capacity(1_000);
        for section in SECTIONS {
            keys.extend(
                section
                    .rows
                    .iter()
                    .map(|row| key_of(row, "", None, section.title)),
            );
            for set in section.sets {
                keys.extend(
                    set.rows
                        .iter()
                        .map(|row| key_of(row, set.prefix, set.class, section.title)),
                );
            }
        }
        keys
    })
}

fn key_of(row: &Row, prefix: &str, class: Option<Class>, section: &'static str) -> Key {
    // The row named "" of a set is the prefix itself, as in `ssl_options = none`.
    let name = match (prefix, row.name) {
        ("", name) => name.to_owned(),
        (prefix, "") => prefix.to_owned(),
        (prefix, name) => format!("{prefix}.{name}"),
    };
    let class = class.unwrap_or(row.class);
    Key {
        name,
        kind: row.kind,
        preset: row.preset,
        class,
        doc: row.doc,
        section,
    }
}

/// The key that these words name.
pub fn find(words: &[String]) -> Option<&'static Key> {
    all()
        .iter()
        .filter(|key| key.matches(words))
        .max_by_key(|key| key.fixed_words())
}

/// The known key that looks most like these words; where a known key allows any word, the given word stands there.
pub fn nearest(words: &[String]) -> String {
    let wanted = super::syntax::join(words);
    let mut best = (usize::MAX, String::new());
    for key in all() {
        let candidate: Vec<&str> = key
            .words()
            .enumerate()
            .map(|(place, pattern)| match pattern.strip_prefix('$') {
                Some(example) => words.get(place).map_or(example, String::as_str),
                None => pattern,
            })
            .collect();
        let candidate = candidate.join(".");
        let distance = strsim::damerau_levenshtein(&wanted, &candidate);
        if distance < best.0 {
            best = (distance, candidate);
        }
    }
    best.1
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(name: &str) -> Vec<String> {
        name.split('.').map(str::to_owned).collect()
    }

    #[test]
    fn no_key_stands_twice_and_each_has_a_sentence() {
        let mut names = std::collections::HashSet::new();
        for key in all() {
            let shape: Vec<&str> = key
                .words()
                .map(|word| if word.starts_with('$') { "$" } else { word })
                .collect();
            assert!(names.insert(shape.join(".")), "{} stands twice", key.name);
            assert!(
                key.doc.ends_with('.') && key.doc.len() > 10,
                "{}: {}",
                key.name,
                key.doc
            );
        }
    }

    #[test]
    fn every_default_and_every_harmless_value_is_of_its_kind() {
        for key in all() {
            let text = key.preset.text();
            assert_eq!(key.kind.check(text), Ok(()), "{} = {text}", key.name);
            if let Class::Refused(harmless) = key.class {
                for value in harmless {
                    assert_eq!(key.kind.check(value), Ok(()), "{} = {value}", key.name);
                }
            }
        }
    }

    #[test]
    fn keys_are_found_by_word_and_the_fixed_one_wins() {
        assert_eq!(find(&words("heartbeat")).expect("known").name, "heartbeat");
        assert_eq!(
            find(&words("listeners.tcp.anything")).expect("known").name,
            "listeners.tcp.$default"
        );
        assert_eq!(find(&words("listeners.tcp")).expect("known").kind, NONE);
        assert!(find(&words("listeners.tcp.a.b")).is_none());
        assert!(find(&words("heartbeats")).is_none());
        assert!(find(&[]).is_none());
    }

    #[test]
    fn every_key_of_rabbitmq_3_10_is_known() {
        // The names in the schema files of Debian 12's package, plugins included.
        let names = include_str!("../../../tests/config/rabbitmq-3.10-keys.txt");
        assert_eq!(names.lines().count(), 849);
        all_known(names);
    }

    #[test]
    fn every_key_of_rabbitmq_4_0_is_known() {
        let names = include_str!("../../../tests/config/rabbitmq-4.0-keys.txt");
        assert_eq!(names.lines().count(), 986);
        all_known(names);
    }

    fn all_known(names: &str) {
        for name in names.lines() {
            assert!(find(&words(&name.replace('$', ""))).is_some(), "{name}");
        }
    }

    #[test]
    fn the_nearest_key_is_named() {
        assert_eq!(nearest(&words("heartbeet")), "heartbeat");
        assert_eq!(
            nearest(&words("listener.tcp.default")),
            "listeners.tcp.default"
        );
        assert_eq!(nearest(&words("listeners.tpc.mine")), "listeners.tcp.mine");
        assert_eq!(
            nearest(&words("vm_memory_high_watermark.realtive")),
            "vm_memory_high_watermark.relative"
        );
        assert_eq!(
            nearest(&words("default_user_tag.administrator")),
            "default_user_tags.administrator"
        );
    }
}
