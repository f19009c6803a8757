//! The `rabbitmq.conf` dialect, as text: lines of `key = value`, comments and includes. No files are read here, no key
//! is known here; `files.rs` calls.
//!
//! The rules are those of RabbitMQ's own parser: a key is a row of words joined by dots (`\.` is a dot inside a word);
//! an unquoted value ends before blanks and `#`, so a value with a `#` in it needs single quotes; a quoted value may
//! hold anything but a single quote, line ends included; double quotes mean nothing.

use nom::branch::alt;
use nom::bytes::complete::{tag, take_till, take_while, take_while1};
use nom::character::complete::{char, satisfy, space0, space1};
use nom::combinator::{map, opt, recognize, value};
use nom::multi::{many1, separated_list1};
use nom::sequence::{delimited, preceded};
use nom::{IResult, Parser};

/// One line that says something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Statement {
    /// `key = value`, the key as its words.
    Setting {
        /// The words between the dots, escapes resolved.
        key: Vec<String>,
        /// What stands right of the `=`, without quotes and blanks around it. `$(...)` is not yet replaced.
        value: String,
    },
    /// `include FILE`, a name or pattern relative to the including file.
    Include(String),
}

/// A line that is neither a setting nor a comment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Malformed {
    /// Counted from 1.
    pub line: usize,
    /// What is wrong, to be read after the place.
    pub reason: String,
}

/// All statements of a file, each with the number of its line, counted from 1.
pub fn parse(text: &str) -> Result<Vec<(usize, Statement)>, Malformed> {
    let mut statements = Vec::new();
    let mut rest = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut line = 1;
    while !rest.is_empty() {
        let (after, statement) = statement_line(rest).map_err(|_| malformed(rest, line))?;
        if let Some(statement) = statement {
            statements.push((line, statement));
        }
        let used = rest.len() - after.len();
        line += rest[..used].bytes().filter(|&byte| byte == b'\n').count();
        rest = after;
    }
    Ok(statements)
}

/// `key=value` as `--set` takes it: the key up to the first `=`, the value taken as it is, blanks around it removed.
pub fn parse_assignment(text: &str) -> Option<(Vec<String>, String)> {
    let (name, value) = text.split_once('=')?;
    let (rest, words) = key(name.trim()).ok()?;
    if !rest.is_empty() {
        return None;
    }
    let value = value.trim();
    let bare = value
        .strip_prefix('\'')
        .and_then(|inner| inner.strip_suffix('\''));
    Some((words, bare.unwrap_or(value).to_owned()))
}

/// A key's words written as they stand in a file.
pub fn join(words: &[String]) -> String {
    let escaped: Vec<String> = words.iter().map(|word| word.replace('.', "\\.")).collect();
    escaped.join(".")
}

fn statement_line(input: &str) -> IResult<&str, Option<Statement>> {
    let (input, statement) = alt((
        map(setting, Some),
        map(include, Some),
        value(None, comment),
        value(None, space0),
    ))
    .parse(input)?;
    let (input, ()) = line_end(input)?;
    Ok((input, statement))
}

fn line_end(input: &str) -> IResult<&str, ()> {
    if input.is_empty() {
        return Ok((input, ()));
    }
    value((), alt((tag("\r\n"), tag("\n")))).parse(input)
}

fn setting(input: &str) -> IResult<&str, Statement> {
    let (input, key) = delimited(space0, key, space0).parse(input)?;
    let (input, _) = (char('='), space0).parse(input)?;
    let (input, value) = alt((quoted, unquoted)).parse(input)?;
    let (input, _) = (space0, opt(comment)).parse(input)?;
    let value = value.to_owned();
    Ok((input, Statement::Setting { key, value }))
}

fn key(input: &str) -> IResult<&str, Vec<String>> {
    separated_list1(char('.'), word).parse(input)
}

fn word(input: &str) -> IResult<&str, String> {
    let plain = satisfy(|letter| letter.is_ascii_alphanumeric() || letter == '_' || letter == '-');
    map(
        recognize(many1(alt((tag("\\."), recognize(plain))))),
        |word: &str| word.replace("\\.", "."),
    )
    .parse(input)
}

fn quoted(input: &str) -> IResult<&str, &str> {
    delimited(char('\''), take_till(|letter| letter == '\''), char('\'')).parse(input)
}

fn unquoted(input: &str) -> IResult<&str, &str> {
    let (rest, text) = take_while1(|letter| !matches!(letter, '\n' | '#')).parse(input)?;
    let text = text.trim_end_matches([' ', '\t', '\r']);
    if text.is_empty() {
        return Err(nom::Err::Error(nom::error::Error::new(
            input,
            nom::error::ErrorKind::NonEmpty,
        )));
    }
    // What was trimmed may be the "\r" of a line end: give it back.
    let end = input.len() - rest.len();
    let rest = if input[text.len()..end].contains('\r') {
        &input[text.len()..]
    } else {
        rest
    };
    Ok((rest.trim_start_matches([' ', '\t']), text))
}

fn comment(input: &str) -> IResult<&str, &str> {
    recognize((space0, char('#'), take_while(|letter| letter != '\n')))
        .parse(input)
        .map(|(rest, text)| {
            // A "\r" before the line end belongs to the line end.
            let back = usize::from(text.ends_with('\r') && rest.starts_with('\n'));
            (&input[input.len() - rest.len() - back..], text)
        })
}

fn include(input: &str) -> IResult<&str, Statement> {
    let (input, _) = (space0, tag("include"), space1).parse(input)?;
    let allowed = |letter: char| letter.is_ascii_alphanumeric() || "-_.*?/".contains(letter);
    let (input, name) = take_while1(allowed).parse(input)?;
    let (input, _) = (space0, opt(preceded(space0, comment))).parse(input)?;
    Ok((input, Statement::Include(name.to_owned())))
}

fn malformed(rest: &str, line: usize) -> Malformed {
    let text = rest.lines().next().unwrap_or_default().trim();
    let reason = match text.split_once('=') {
        None => format!("expected 'key = value', found '{}'", shorten(text)),
        Some((name, after)) => {
            let (name, after) = (name.trim(), after.trim());
            if !matches!(key(name), Ok(("", _))) {
                format!(
                    "'{}' is not a key: words of letters, digits, '_' and '-', joined by dots",
                    shorten(name)
                )
            } else if after.is_empty() || after.starts_with('#') {
                format!("key '{name}' has no value (an empty one is written as '')")
            } else {
                format!("key '{name}': nothing may follow the closing quote but a comment")
            }
        }
    };
    Malformed { line, reason }
}

fn shorten(text: &str) -> String {
    const SHOWN_MAX: usize = 60;
    match text.char_indices().nth(SHOWN_MAX) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(text: &str) -> Vec<(usize, String, String)> {
        let statements = parse(text).expect("well-formed");
        statements
            .into_iter()
            .map(|(line, statement)| match statement {
                Statement::Setting { key, value } => (line, join(&key), value),
                Statement::Include(name) => (line, "include".to_owned(), name),
            })
            .collect()
    }

    fn one(text: &str) -> (String, String) {
        let mut all = settings(text);
        assert_eq!(all.len(), 1, "{text:?}");
        let (_, key, value) = all.remove(0);
        (key, value)
    }

    fn pair(key: &str, value: &str) -> (String, String) {
        (key.to_owned(), value.to_owned())
    }

    #[test]
    fn settings_comments_and_blank_lines_are_told_apart_and_counted() {
        let text = "# head\n\n a = 1 # one\r\n\t\n  # indented\nb.c_d-e=2\n\t\t\nlast = x";
        let expected = [(3, "a", "1"), (6, "b.c_d-e", "2"), (8, "last", "x")];
        let expected: Vec<_> = expected
            .iter()
            .map(|&(line, key, value)| (line, key.to_owned(), value.to_owned()))
            .collect();
        assert_eq!(settings(text), expected);
    }

    #[test]
    fn an_unquoted_value_ends_before_blanks_and_number_sign() {
        assert_eq!(one("a = x y  \n"), pair("a", "x y"));
        assert_eq!(one("a = b#c\n"), pair("a", "b"));
        assert_eq!(one("a = b \t # c\r\n"), pair("a", "b"));
        assert_eq!(one("a = \"q\"\n"), pair("a", "\"q\""));
        assert_eq!(one("a = x=y\n"), pair("a", "x=y"));
        assert_eq!(one("a = grün\n"), pair("a", "grün"));
    }

    #[test]
    fn a_quoted_value_holds_anything_but_a_quote() {
        assert_eq!(one("a = 'b#c ' # d\n"), pair("a", "b#c "));
        assert_eq!(one("a = ''\n"), pair("a", ""));
        assert_eq!(one("a = 'b\nc'\n"), pair("a", "b\nc"));
        assert_eq!(one("a = 'open\n"), pair("a", "'open"));
        assert_eq!(settings("a = 'x\ny'\nb = 1\n")[1].0, 3);
    }

    #[test]
    fn an_escaped_dot_belongs_to_its_word() {
        let (line, statement) = parse("users.a\\.b.tag = t").expect("well-formed").remove(0);
        let key = ["users", "a.b", "tag"].map(str::to_owned).to_vec();
        assert_eq!(
            (line, statement),
            (
                1,
                Statement::Setting {
                    key: key.clone(),
                    value: "t".to_owned()
                }
            )
        );
        assert_eq!(join(&key), "users.a\\.b.tag");
    }

    #[test]
    fn includes_are_found() {
        assert_eq!(
            one("include conf.d/*.conf # more\n"),
            pair("include", "conf.d/*.conf")
        );
        assert_eq!(one("include = 3"), pair("include", "3"));
    }

    #[test]
    fn malformed_lines_say_what_is_wrong_with_their_number() {
        for (text, line, part) in [
            ("a = 1\nhello world\n", 2, "expected 'key = value'"),
            ("a =\n", 1, "key 'a' has no value"),
            ("a = # c\n", 1, "key 'a' has no value"),
            ("a b = 1\n", 1, "'a b' is not a key"),
            ("a.b. = 1\n", 1, "'a.b.' is not a key"),
            ("é = 1\n", 1, "is not a key"),
            ("\n\na = 'x' y\n", 3, "closing quote"),
        ] {
            let error = parse(text).expect_err(text);
            assert_eq!(error.line, line, "{text:?}");
            assert!(error.reason.contains(part), "{text:?}: {}", error.reason);
        }
    }

    #[test]
    fn assignments_of_the_command_line_keep_number_signs() {
        let words = |text: &str| text.split('.').map(str::to_owned).collect::<Vec<_>>();
        assert_eq!(
            parse_assignment("a.b=c#d"),
            Some((words("a.b"), "c#d".to_owned()))
        );
        assert_eq!(
            parse_assignment(" a = 'c' "),
            Some((words("a"), "c".to_owned()))
        );
        assert_eq!(
            parse_assignment("a=b=c"),
            Some((words("a"), "b=c".to_owned()))
        );
        assert_eq!(parse_assignment("a="), Some((words("a"), String::new())));
        assert_eq!(parse_assignment("a"), None);
        assert_eq!(parse_assignment("a b=1"), None);
    }

    #[test]
    fn no_bytes_make_the_parser_panic_or_hang() {
        let pieces = [
            "a", "=", "'", "#", "\r", "\n", "\r\n", " ", "\\.", ".", "include", "é", "\t",
            "\u{feff}",
        ];
        let mut state = 1_u64;
        for _ in 0..20_000 {
            let mut text = String::new();
            for _ in 0..12 {
                state = state
                    .wrapping_mul(6_364_136_223_846_793_005)
                    .wrapping_add(1_442_695_040_888_963_407);
                text.push_str(pieces[(state >> 33) as usize % pieces.len()]);
            }
            let _ = parse(&text);
        }
    }
}
