//! The command line after the program's name: a command, its arguments, its options, in any order.

use std::time::Duration;

use super::failure::{Failure, USAGE};
use super::format::Formatter;

/// What was asked for.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// The command's name; empty if there is none.
    pub command: String,
    /// Its arguments.
    pub arguments: Vec<String>,
    /// `--uri`.
    pub uri: Option<String>,
    /// `-p`.
    pub vhost: Option<String>,
    /// No word about what is being done.
    pub quiet: bool,
    /// No names of columns.
    pub headless: bool,
    /// `-t`.
    pub timeout: Option<Duration>,
    /// `--formatter`.
    pub formatter: Option<Formatter>,
    /// `--help`.
    pub help: bool,
    /// Options of this command alone, without dashes, and their values.
    pub own: Vec<(String, String)>,
}

/// An option of some commands: long name, short name, whether a value follows.
pub struct Flag {
    /// Without dashes.
    pub long: &'static str,
    /// One letter, or nothing.
    pub short: Option<char>,
    /// A value follows.
    pub valued: bool,
}

/// Options that every command takes.
const GENERAL: &[Flag] = &[
    flag("node", Some('n'), true),
    flag("quiet", Some('q'), false),
    flag("silent", Some('s'), false),
    flag("longnames", Some('l'), false),
    flag("timeout", Some('t'), true),
    flag("vhost", Some('p'), true),
    flag("formatter", None, true),
    flag("printer", None, true),
    flag("file", None, true),
    flag("script-name", None, true),
    flag("erlang-cookie", None, true),
    flag("aliases-file", None, true),
    flag("table-headers", None, false),
    flag("no-table-headers", None, false),
    flag("dry-run", None, false),
    flag("print-stacktrace", None, false),
    flag("help", Some('?'), false),
    flag("uri", None, true),
];

/// A row of a table of options.
pub const fn flag(long: &'static str, short: Option<char>, valued: bool) -> Flag {
    Flag {
        long,
        short,
        valued,
    }
}

impl Options {
    /// Reads a line. `flags` gives the options of a command.
    pub fn parse(
        line: &[String],
        flags: impl Fn(&str) -> &'static [Flag],
    ) -> Result<Self, Failure> {
        let command = command_of(line);
        let own = command.map_or(&[][..], |place| flags(&line[place]));
        let mut options = Self::default();
        let mut unknown = Vec::new();
        let mut words = line.iter();
        let mut only_arguments = false;
        while let Some(word) = words.next() {
            if only_arguments || !is_option(word) {
                match options.command.is_empty() {
                    true => options.command.clone_from(word),
                    false => options.arguments.push(word.clone()),
                }
                continue;
            }
            if word == "--" {
                only_arguments = true;
                continue;
            }
            let (name, joined) = match word.split_once('=') {
                Some((name, value)) if word.starts_with("--") => (name, Some(value.to_owned())),
                _ => (word.as_str(), None),
            };
            let Some(flag) = find(own, name).or_else(|| find(GENERAL, name)) else {
                unknown.push(format!("{name} : {}", joined.unwrap_or_default()));
                continue;
            };
            let value = match (flag.valued, joined) {
                (_, Some(value)) => value,
                (true, None) => match words.next() {
                    Some(value) => value.clone(),
                    None => {
                        unknown.push(format!("{name} : "));
                        continue;
                    }
                },
                (false, None) => String::new(),
            };
            if let Err(fault) = options.take(flag.long, value) {
                unknown.push(format!("{name} : {fault}"));
            }
        }
        match unknown.is_empty() {
            true => Ok(options),
            false => Err(Failure::usage(
                USAGE,
                format!("Invalid options for this command:\n{}", unknown.join("\n")),
            )),
        }
    }

    /// The vhost that is meant.
    pub fn vhost(&self) -> &str {
        self.vhost.as_deref().unwrap_or("/")
    }

    /// Whether an option of the command was given.
    pub fn has(&self, name: &str) -> bool {
        self.own(name).is_some()
    }

    /// Its value.
    pub fn own(&self, name: &str) -> Option<&str> {
        let found = self.own.iter().rev().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str())
    }

    fn take(&mut self, name: &str, value: String) -> Result<(), String> {
        match name {
            "quiet" => self.quiet = true,
            "silent" => (self.quiet, self.headless) = (true, true),
            "no-table-headers" => self.headless = true,
            "table-headers" => self.headless = value == "false",
            "help" => self.help = true,
            "vhost" => self.vhost = Some(value),
            "uri" => self.uri = Some(value),
            "timeout" if value == "infinity" => self.timeout = Some(Duration::MAX),
            "timeout" => {
                let seconds = value.parse::<f64>().ok();
                let seconds = seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
                self.timeout = Some(seconds.ok_or(value)?);
            }
            "formatter" => self.formatter = Some(Formatter::find(&value).ok_or(value)?),
            name if GENERAL.iter().any(|flag| flag.long == name) => {}
            name => self.own.push((name.to_owned(), value)),
        }
        Ok(())
    }
}

/// Where the command stands: the first word that is no option and no option's value.
fn command_of(line: &[String]) -> Option<usize> {
    let mut place = 0;
    while let Some(word) = line.get(place) {
        if !is_option(word) {
            return Some(place);
        }
        let valued = find(GENERAL, word).is_some_and(|flag| flag.valued);
        place += if valued { 2 } else { 1 };
    }
    None
}

/// A number below zero and a single dash are arguments.
fn is_option(word: &str) -> bool {
    let Some(rest) = word.strip_prefix('-') else {
        return false;
    };
    !rest.is_empty() && !rest.starts_with(|letter: char| letter.is_ascii_digit())
}

fn find(flags: &'static [Flag], word: &str) -> Option<&'static Flag> {
    flags.iter().find(|flag| match word.strip_prefix("--") {
        Some(long) => flag.long == long || flag.long.replace('-', "_") == long,
        None => flag.short.is_some_and(|short| {
            let mut letters = word.chars().skip(1);
            letters.next() == Some(short) && letters.next().is_none()
        }),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Options, Failure> {
        let words: Vec<String> = line.split(' ').map(str::to_owned).collect();
        Options::parse(&words, |command| match command {
            "set_policy" => const { &[flag("priority", None, true)] },
            _ => &[],
        })
    }

    #[test]
    fn options_stand_anywhere() {
        let options =
            parse("-q -n rabbit@host list_queues -p v1 name --formatter=json messages -t 5")
                .unwrap();
        assert_eq!(options.command, "list_queues");
        assert_eq!(options.arguments, ["name", "messages"]);
        assert_eq!(options.vhost(), "v1");
        assert!(options.quiet && !options.headless);
        assert_eq!(options.formatter, Some(Formatter::Json));
        assert_eq!(options.timeout, Some(Duration::from_secs(5)));
    }

    #[test]
    fn a_command_has_options_of_its_own() {
        assert_eq!(
            parse("set_policy --priority 3 n").unwrap().own("priority"),
            Some("3")
        );
        assert!(parse("list_queues --priority 3").is_err());
    }

    #[test]
    fn what_is_unknown_or_wrong_is_named() {
        for line in [
            "x --nonsense",
            "x -z",
            "x --formatter foo",
            "x -t soon",
            "x -p",
            "x -t -1",
        ] {
            let failure = parse(line).unwrap_err();
            assert_eq!(failure.code, USAGE, "{line}");
        }
        let failure = parse("list_queues --nonsense").unwrap_err();
        assert!(
            failure
                .text
                .contains("Invalid options for this command:\n--nonsense : ")
        );
    }

    #[test]
    fn arguments_may_look_like_numbers_or_come_after_two_dashes() {
        assert_eq!(parse("x -5 - -- -q").unwrap().arguments, ["-5", "-", "-q"]);
    }
}
