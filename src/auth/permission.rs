//! What a user may do: patterns over names. A pattern is a PCRE as RabbitMQ uses it, compiled once when the permission
//! is set: unanchored, over bytes, `''` for nothing at all. Matching is bounded; what takes longer is refused.
//!
//! One difference to PCRE is known: `$` matches at the very end only, not before a newline there.

use std::sync::Arc;

use fancy_regex::{BytesMode, Regex, RegexBuilder};

/// Steps back that one match may take. Ten thousand are well under a millisecond, and honest patterns need none.
const BACKTRACKS_MAX: usize = 10_000;

/// Bytes of a compiled pattern.
const COMPILED_BYTES_MAX: usize = 1 << 20;

/// What one does with a thing. Texts name it by [`Verb::name`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verb {
    /// Declare, delete.
    Configure,
    /// Publish, be bound.
    Write,
    /// Consume, get, purge, bind to.
    Read,
}

impl Verb {
    /// The word in reply texts.
    pub fn name(self) -> &'static str {
        match self {
            Self::Configure => "configure",
            Self::Write => "write",
            Self::Read => "read",
        }
    }
}

/// A pattern that is no regular expression.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadPattern {
    /// The pattern.
    pub pattern: String,
    /// What is wrong with it.
    pub reason: String,
}

impl std::fmt::Display for BadPattern {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "invalid regular expression '{}': {}",
            self.pattern, self.reason
        )
    }
}

impl std::error::Error for BadPattern {}

/// A pattern over names.
#[derive(Clone, Debug)]
pub struct Pattern {
    source: Arc<str>,
    compiled: Compiled,
}

#[derive(Clone, Debug)]
enum Compiled {
    /// Only the empty name.
    Empty,
    /// Every name.
    Every,
    /// Names that begin so: by far the most common pattern, and policies try thousands.
    Prefix(Arc<[u8]>),
    Regex(Arc<Regex>),
}

impl Pattern {
    /// Compiles a pattern.
    ///
    /// # Errors
    /// It is no regular expression, or one too large.
    pub fn new(source: &str) -> Result<Self, BadPattern> {
        Self::expanded(source, source)
    }

    /// Compiles `expression`, but shows `source`.
    fn expanded(source: &str, expression: &str) -> Result<Self, BadPattern> {
        let compiled = match expression {
            "" | "^$" => Compiled::Empty,
            ".*" | "^.*" => Compiled::Every,
            other => match plain_prefix(other) {
                Some(prefix) => Compiled::Prefix(prefix.into()),
                None => Compiled::Regex(Arc::new(compile(other)?)),
            },
        };
        Ok(Self {
            source: source.into(),
            compiled,
        })
    }

    /// A pattern as policies have it, where the empty one is found in every name.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn of_policy(source: &str) -> Result<Self, BadPattern> {
        match source {
            "" => Self::expanded(source, ".*"),
            "^$" => Self::expanded(source, "^(?:)$"),
            other => Self::new(other),
        }
    }

    /// As it was given.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// Whether the pattern is found in the name. A pattern that needs too many steps is not.
    pub fn matches(&self, name: &[u8]) -> bool {
        match &self.compiled {
            Compiled::Empty => name.is_empty(),
            Compiled::Every => true,
            Compiled::Prefix(prefix) => name.starts_with(prefix),
            Compiled::Regex(regex) => regex.is_match(name).unwrap_or(false),
        }
    }
}

/// The text in `^text`, if nothing in it means more than itself.
fn plain_prefix(expression: &str) -> Option<&[u8]> {
    let prefix = expression.strip_prefix('^')?.as_bytes();
    let is_plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_:/,@ ".contains(byte);
    prefix.iter().all(is_plain).then_some(prefix)
}

fn compile(expression: &str) -> Result<Regex, BadPattern> {
    // RabbitMQ compiles without Unicode: `.` is a byte, `\w` is ASCII. A class of characters that are no bytes does not
    // compile that way and is taken for what its writer meant.
    let build = |mode| {
        RegexBuilder::new(expression)
            .bytes_mode(mode)
            .backtrack_limit(BACKTRACKS_MAX)
            .delegate_size_limit(COMPILED_BYTES_MAX)
            .max_prog_size(COMPILED_BYTES_MAX / 32)
            .build()
    };
    let built = build(BytesMode::Ascii);
    let built = match built {
        Err(_) if !expression.is_ascii() => build(BytesMode::UnicodeBytes),
        built => built,
    };
    built.map_err(|error| BadPattern {
        pattern: expression.to_owned(),
        reason: error.to_string(),
    })
}

/// What a user may do in a virtual host. Without one they cannot even open it.
#[derive(Clone, Debug)]
pub struct Permission {
    /// For [`Verb::Configure`].
    pub configure: Pattern,
    /// For [`Verb::Write`].
    pub write: Pattern,
    /// For [`Verb::Read`].
    pub read: Pattern,
}

impl Permission {
    /// Compiles the three patterns.
    ///
    /// # Errors
    /// The first of them that does not compile.
    pub fn new(configure: &str, write: &str, read: &str) -> Result<Self, BadPattern> {
        Ok(Self {
            configure: Pattern::new(configure)?,
            write: Pattern::new(write)?,
            read: Pattern::new(read)?,
        })
    }

    /// Whether that may be done to the exchange or queue of that name; the default exchange goes by `amq.default`, as its
    /// empty name, which no queue has, does too.
    pub fn allows(&self, verb: Verb, name: &str) -> bool {
        let pattern = match verb {
            Verb::Configure => &self.configure,
            Verb::Write => &self.write,
            Verb::Read => &self.read,
        };
        let name = if name.is_empty() { "amq.default" } else { name };
        pattern.matches(name.as_bytes())
    }
}

/// Which routing keys a user may use at one topic exchange. Without one they may use all.
#[derive(Clone, Debug)]
pub struct TopicPermission {
    /// For keys that are published with.
    pub write: Pattern,
    /// For keys that are bound with.
    pub read: Pattern,
}

impl TopicPermission {
    /// Compiles the patterns for that user in that virtual host, whose names replace `{username}` and `{vhost}`, taken
    /// literally.
    ///
    /// # Errors
    /// The first of them that does not compile.
    pub fn new(write: &str, read: &str, user: &str, vhost: &str) -> Result<Self, BadPattern> {
        let compile = |source: &str| Pattern::expanded(source, &expand(source, user, vhost));
        Ok(Self {
            write: compile(write)?,
            read: compile(read)?,
        })
    }

    /// Whether that key may be used. Keys of CC may be any bytes. There is nothing to configure.
    pub fn allows(&self, verb: Verb, routing_key: &[u8]) -> bool {
        match verb {
            Verb::Configure => true,
            Verb::Write => self.write.matches(routing_key),
            Verb::Read => self.read.matches(routing_key),
        }
    }
}

/// One pass, so that a name which looks like a placeholder is not replaced again.
fn expand(source: &str, user: &str, vhost: &str) -> String {
    let mut expanded = String::with_capacity(source.len());
    let mut rest = source;
    while let Some(at) = rest.find('{') {
        expanded.push_str(&rest[..at]);
        rest = &rest[at..];
        let found = [("{username}", user), ("{vhost}", vhost)]
            .into_iter()
            .find_map(|(placeholder, name)| Some((rest.strip_prefix(placeholder)?, name)));
        rest = match found {
            Some((after, name)) => {
                expanded.push_str(&fancy_regex::escape(name));
                after
            }
            None => {
                expanded.push('{');
                &rest[1..]
            }
        };
    }
    expanded.push_str(rest);
    expanded
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(pattern: &str, name: &str) -> bool {
        Pattern::new(pattern).unwrap().matches(name.as_bytes())
    }

    #[test]
    fn patterns_are_unanchored_and_the_empty_one_allows_nothing() {
        assert!(matches("p", "apb") && !matches("^p", "apb") && matches("^p", "pb"));
        assert!(matches(".*", "") && matches(".*", "any\nthing") && matches("^.*", "x"));
        assert!(!matches("", "x") && !matches("^$", "x"));
        assert!(matches("", ""));
        assert!(matches(
            "^(amq\\.gen.*|amq\\.default)$",
            "amq.gen-JzTY20BRgKO"
        ));
        assert!(matches("^(?!secret)", "open") && !matches("^(?!secret)", "secret.queue"));
        assert!(matches("^(a+)-\\1$", "aa-aa") && !matches("^(a+)-\\1$", "aa-a"));
        assert!(matches("(?i)^abc", "ABCd") && !matches("^abc", "ABC"));
        assert_eq!(Pattern::new("^p").unwrap().source(), "^p");
    }

    #[test]
    fn names_are_bytes_as_in_rabbitmq() {
        assert!(matches("^..$", "é"));
        assert!(!matches("^\\w+$", "é"));
        assert!(matches("^é$", "é") && !matches("^é$", "e"));
        assert!(matches("^[éè]+$", "éè") && !matches("^[éè]+$", "e"));
        assert!(Pattern::new("^.$").unwrap().matches(&[0xff]));
    }

    #[test]
    fn a_pattern_that_runs_away_refuses() {
        let name = "a".repeat(40) + "!";
        for runaway in ["^(a|aa)+\\1\\1$", "^(?:a|a(?=a)|aa)+$"] {
            let pattern = Pattern::new(runaway).unwrap();
            let before = std::time::Instant::now();
            assert!(!pattern.matches(name.as_bytes()), "{runaway}");
            assert!(before.elapsed() < std::time::Duration::from_secs(1));
            let Compiled::Regex(regex) = &pattern.compiled else {
                panic!("{runaway} is a regular expression");
            };
            assert!(regex.is_match(name.as_bytes()).is_err(), "{runaway}");
        }
    }

    #[test]
    fn what_is_no_expression_is_an_error() {
        for wrong in ["(", "[a", "*", "a{9999999}{9999}"] {
            let error = Pattern::new(wrong).unwrap_err();
            assert!(error.to_string().contains(wrong), "{error}");
        }
        assert!(Permission::new(".*", "(", ".*").is_err());
    }

    #[test]
    fn each_verb_has_its_pattern_and_the_default_exchange_its_name() {
        let permission = Permission::new("^c", "^(w|amq\\.default$)", "").unwrap();
        assert!(
            permission.allows(Verb::Configure, "c1") && !permission.allows(Verb::Configure, "w1")
        );
        assert!(permission.allows(Verb::Write, "w1") && permission.allows(Verb::Write, ""));
        assert!(!permission.allows(Verb::Read, "c1") && !permission.allows(Verb::Read, ""));
    }

    #[test]
    fn topic_patterns_take_the_users_name_literally() {
        let new = |write| TopicPermission::new(write, "^b", "a.c", "/").unwrap();
        let permission = new("^{username}\\.{vhost}\\.{x}{2}$");
        assert!(permission.allows(Verb::Write, b"a.c./.{x}}"));
        assert!(!permission.allows(Verb::Write, b"abc./.{x}}"));
        assert!(permission.allows(Verb::Read, b"b") && !permission.allows(Verb::Read, b"a"));
        assert_eq!(permission.write.source(), "^{username}\\.{vhost}\\.{x}{2}$");
        assert!(!new("").allows(Verb::Write, b"a"));
        let odd = TopicPermission::new("^{username}$", "", "{vhost}", "v").unwrap();
        assert!(odd.allows(Verb::Write, b"{vhost}") && !odd.allows(Verb::Write, b"v"));
    }
}
