//! What a command is: a row of the table in `commands.rs`.

use std::str::FromStr;

use serde_json::Value;

use super::client::Client;
use super::failure::{Failure, USAGE};
use super::format::Rows;
use super::list::List;
use super::options::{Flag, Options};

/// One command.
pub struct Command {
    /// rabbitmqctl's name.
    pub name: &'static str,
    /// Its arguments and options, as the usage line has them.
    pub usage: &'static str,
    /// What it does.
    pub help: &'static str,
    /// Arguments at least.
    pub least: usize,
    /// And at most.
    pub most: usize,
    /// Options of its own.
    pub flags: &'static [Flag],
    /// Its arguments are columns of this list.
    pub list: Option<&'static List>,
    /// What it says before it starts; empty for nothing.
    pub banner: fn(&Run<'_>) -> Result<String, Failure>,
    /// The work.
    pub run: fn(&Run<'_>) -> Result<Output, Failure>,
}

/// A command line about to be carried out.
pub struct Run<'a> {
    /// The way to the server.
    pub client: &'a Client,
    /// What was asked for.
    pub options: &'a Options,
}

/// What a command has to say.
#[derive(Debug)]
pub enum Output {
    /// All went well.
    Done,
    /// The same in words.
    Said(String),
    /// A list.
    Rows(Rows),
    /// A list that never has a head.
    Headless(Rows),
    /// A document for `--formatter json`, and the same as text.
    Document(Value, String),
}

impl Run<'_> {
    /// An argument; the command's `least` and `most` say which there are.
    pub fn argument(&self, place: usize) -> &str {
        self.options.arguments.get(place).map_or("", String::as_str)
    }

    /// The value of an option that is a number, or another thing that can be read; `None` when it was not given.
    pub fn parsed<T: FromStr>(&self, name: &str) -> Result<Option<T>, Failure> {
        let read = |text: &str| {
            text.parse().map_err(|_| {
                let text = format!("Invalid options for this command:\n--{name} : {text}");
                Failure::usage(USAGE, text)
            })
        };
        self.options.own(name).map(read).transpose()
    }

    /// The vhost that is meant.
    pub fn vhost(&self) -> &str {
        self.options.vhost()
    }

    /// The node's name, as the server says it.
    pub fn node(&self) -> Result<String, Failure> {
        let overview = self.client.read("/overview")?;
        Ok(super::list::text(&overview, &["node"]).to_owned())
    }
}
