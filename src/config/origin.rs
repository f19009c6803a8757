//! Where a setting comes from, and the two things that are said about settings: errors and notices. Everyone in
//! `config` uses these.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

/// The place of a setting, as a user would look for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// A line of a file, counted from 1.
    Line(Arc<Path>, usize),
    /// A whole file.
    File(Arc<Path>),
    /// An environment variable.
    Environment(String),
    /// A flag of the command line, such as `--set`.
    Flag(&'static str),
    /// Nobody: what holds by default.
    Default,
}

impl fmt::Display for Origin {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::Line(path, line) => write!(out, "{}:{line}", path.display()),
            Origin::File(path) => write!(out, "{}", path.display()),
            Origin::Environment(name) => write!(out, "environment variable {name}"),
            Origin::Flag(name) => write!(out, "{name}"),
            Origin::Default => write!(out, "default"),
        }
    }
}

/// One key with its value, as somebody wrote it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setting {
    /// The key's words, the parts between its dots.
    pub words: Vec<String>,
    /// The value, without quotes.
    pub value: String,
    /// Where it was written.
    pub origin: Origin,
}

impl Setting {
    /// The key as it stands in a file.
    pub fn key(&self) -> String {
        super::syntax::join(&self.words)
    }
}

/// Why a configuration cannot be used: one line that names the place, the key and what is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigError {
    /// Where the fault is.
    pub origin: Origin,
    /// What the fault is.
    pub text: String,
}

impl ConfigError {
    /// An error at a place.
    pub fn new(origin: Origin, text: impl Into<String>) -> Self {
        ConfigError {
            origin,
            text: text.into(),
        }
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        // One line whatever a file or a system message holds.
        let text = self.text.replace(['\n', '\r'], " ");
        match &self.origin {
            Origin::Default => write!(out, "{text}"),
            origin => write!(out, "{origin}: {text}"),
        }
    }
}

impl std::error::Error for ConfigError {}

/// Something that was accepted without effect; logged once at the start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// Where it was written.
    pub origin: Origin,
    /// What happens to it, and why.
    pub text: String,
}

impl fmt::Display for Notice {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.origin {
            Origin::Default => write!(out, "{}", self.text),
            origin => write!(out, "{origin}: {}", self.text),
        }
    }
}
