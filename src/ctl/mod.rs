//! The operators' command line: rabbitmqctl's commands, options, columns, texts and exit codes over RabbitMQ's HTTP API. It runs in a
//! process of its own and needs nothing of the broker's rooms; RabbitMQ can be operated with it, too.
//!
//! `commands` is the table; each noun has a file with its commands' work and its lists' columns; `options` reads the line, `client`
//! talks, `format` prints. Here a line goes through them.

mod client;
mod command;
mod commands;
mod connections;
mod dead_letters;
mod definitions;
mod failure;
mod format;
mod list;
mod node;
mod options;
mod policies;
mod queues;
mod stream_groups;
mod uri;
mod users;
mod vhosts;

use std::ffi::OsString;
use std::fmt::Write as _;
use std::io::Write as _;
use std::process::ExitCode;
use std::time::Duration;

use serde_json::json;

use self::client::Client;
use self::command::{Command, Output, Run};
pub use self::definitions::{read_named as read_definitions, write_named as write_definitions};
use self::failure::{Failure, USAGE};
use self::format::Formatter;
use self::options::Options;
use self::uri::Uri;

/// How long one call may take unasked.
const CALL: Duration = Duration::from_secs(60);
/// Names so alike that one may have been meant for the other.
const ALIKE: f64 = 0.8;
/// Where it connects unasked.
const HERE: &str = "http://guest:guest@127.0.0.1:15672";
/// The environment's variable for that.
const VARIABLE: &str = "LEVERET_URI";

/// A command line as the system gives it, without the program's name.
pub fn run_os(line: impl Iterator<Item = OsString>) -> ExitCode {
    let words: Result<Vec<String>, OsString> = line.map(OsString::into_string).collect();
    match words {
        Ok(words) => run(words),
        Err(word) => {
            let text = format!("{} is not UTF-8", word.to_string_lossy());
            finish(Err(Failure::bare(USAGE, text)), &[], None)
        }
    }
}

/// A command line, without the program's name.
pub fn run(line: Vec<String>) -> ExitCode {
    let options = Options::parse(&line, |name| {
        commands::find(name).map_or(&[][..], |command| command.flags)
    });
    let name = match &options {
        Ok(options) => options.command.clone(),
        // For its usage.
        Err(_) => line
            .iter()
            .find(|word| commands::find(word).is_some())
            .cloned()
            .unwrap_or_default(),
    };
    let command = commands::find(&name);
    let outcome = options.and_then(|options| match command {
        Some(command) if options.help => {
            print(&help_of(command));
            Ok(())
        }
        Some(command) => carry_out(command, &options),
        None if name == "help" || (name.is_empty() && options.help) => help(&options),
        None if name.is_empty() => Err(Failure::bare(USAGE, overview())),
        None => Err(Failure::bare(USAGE, unknown(&name))),
    });
    finish(outcome, &line, command)
}

/// Says what went wrong; the exit code.
fn finish(outcome: Result<(), Failure>, line: &[String], command: Option<&Command>) -> ExitCode {
    let Err(failure) = outcome else {
        return ExitCode::SUCCESS;
    };
    let mut text = failure.text;
    if failure.arguments {
        let _ = write!(text, "\nArguments given:\n\t{}", line.join(" "));
        if let Some(command) = command {
            let _ = write!(text, "\n\nUsage\n\n{}", usage(command));
        }
    }
    // Nobody is left to be told where this fails.
    let _ = writeln!(std::io::stderr(), "{text}");
    ExitCode::from(failure.code)
}

fn carry_out(command: &Command, options: &Options) -> Result<(), Failure> {
    let given = options.arguments.len();
    if given < command.least {
        return Err(Failure::usage(USAGE, "not enough arguments."));
    }
    if given > command.most {
        return Err(Failure::usage(USAGE, "too many arguments."));
    }
    if let Some(list) = command.list {
        list.choose(&options.arguments)?;
    }
    let variable = std::env::var(VARIABLE).ok().filter(|uri| !uri.is_empty());
    let uri = options.uri.clone().or(variable).unwrap_or(HERE.to_owned());
    let uri = Uri::parse(&uri).map_err(|fault| Failure::usage(USAGE, fault))?;
    let unasked = match command.name {
        "redrive" | "replay" => dead_letters::PATIENCE,
        _ => CALL,
    };
    let client = Client::new(uri, options.timeout.unwrap_or(unasked))?;
    let run = Run {
        client: &client,
        options,
    };
    let formatter = options.formatter;
    if !options.quiet && !formatter.is_some_and(Formatter::is_for_machines) {
        let banner = (command.banner)(&run)?;
        if !banner.is_empty() {
            print(&format!("{banner}\n"));
        }
    }
    let output = (command.run)(&run)?;
    print(&shown(output, options));
    Ok(())
}

/// An answer as text with its last line's end.
fn shown(output: Output, options: &Options) -> String {
    let formatter = options.formatter.unwrap_or(Formatter::Table);
    match output {
        Output::Rows(rows) => rows.print(formatter, options.headless),
        Output::Headless(rows) => rows.print(formatter, true),
        Output::Document(document, _) if formatter == Formatter::Json => format!("{document}\n"),
        Output::Document(_, text) => format!("{text}\n"),
        Output::Said(text) if formatter == Formatter::Json => {
            format!("{}\n", json!({"status": "ok", "message": text}))
        }
        // What add_user reminds of is not its answer.
        Output::Said(text) if options.quiet && text.starts_with("Done.") => String::new(),
        Output::Said(text) => format!("{text}\n"),
        Output::Done if formatter == Formatter::Json => format!("{}\n", json!({"status": "ok"})),
        Output::Done => String::new(),
    }
}

/// A reader who went away (`| head`) is no failure.
fn print(text: &str) {
    let mut out = std::io::stdout().lock();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

fn usage(command: &Command) -> String {
    format!(
        "rabbitmqctl [--node <node>] [--longnames] [--quiet] [--uri <uri>] {}",
        command.usage
    )
}

fn help(options: &Options) -> Result<(), Failure> {
    match options.arguments.first() {
        None => print(&format!("{}\n", overview())),
        Some(name) => match commands::find(name) {
            Some(command) => print(&help_of(command)),
            None => return Err(Failure::bare(USAGE, unknown(name))),
        },
    }
    Ok(())
}

fn help_of(command: &Command) -> String {
    let mut out = format!("\nUsage\n\n{}\n\n{}.\n", usage(command), command.help);
    if let Some(list) = command.list {
        let mut names: Vec<&str> = list.columns.iter().map(|column| column.name).collect();
        names.sort_unstable();
        let _ = write!(
            out,
            "\nArguments and Options\n\n<column>\n\tmust be one of {}\n",
            names.join(", ")
        );
    }
    out.push_str(GENERAL);
    out
}

/// The options of all commands.
const GENERAL: &str = "
General Options

-n, --node <node>      accepted and not looked at: --uri says where to connect
-p, --vhost <vhost>    for commands that are scoped to a virtual host [default: /]
-q, --quiet            suppress informational messages
-s, --silent           suppress informational messages and table header row
-t, --timeout <n>      operation timeout in seconds [default: 60]
--formatter <name>     table, pretty_table, csv, json
--no-table-headers     no header row
--uri <uri>            http://user:password@host:port of the HTTP API
                       [default: LEVERET_URI, or http://guest:guest@127.0.0.1:15672]
";

fn overview() -> String {
    let mut out = String::from(
        "\nUsage\n\nrabbitmqctl [--node <node>] [--timeout <timeout>] [--longnames] [--quiet] [--uri <uri>] <command> [<command options>]\n\nAvailable commands:\n",
    );
    for (group, commands) in commands::GROUPS {
        let _ = write!(out, "\n{group}:\n\n");
        for command in *commands {
            let _ = writeln!(out, "   {:<45} {}", command.name, command.help);
        }
    }
    out.push_str("\nUse 'rabbitmqctl help <command>' to learn more about a specific command");
    out
}

fn unknown(name: &str) -> String {
    let alike = commands::all()
        .map(|command| (strsim::jaro(command.name, name), command.name))
        .filter(|(likeness, _)| *likeness >= ALIKE)
        .max_by(|one, other| one.0.total_cmp(&other.0));
    match alike {
        Some((_, meant)) => format!("\nCommand '{name}' not found. \nDid you mean '{meant}'? \n"),
        None => format!("\nCommand '{name}' not found. \n{}", overview()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_known_once_and_usages_start_with_them() {
        let mut names: Vec<&str> = commands::all().map(|command| command.name).collect();
        for command in commands::all() {
            assert!(command.usage.starts_with(command.name), "{}", command.name);
            assert!(command.least <= command.most, "{}", command.name);
        }
        let count = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), count);
    }

    #[test]
    fn columns_shown_unasked_exist() {
        for command in commands::all() {
            if let Some(list) = command.list {
                assert!(list.choose(&[]).is_ok(), "{}", command.name);
            }
        }
    }

    #[test]
    fn a_mistyped_command_gets_the_nearest() {
        assert!(unknown("list_quees").contains("Did you mean 'list_queues'?"));
        assert!(unknown("nonsense").contains("Available commands:"));
    }
}
