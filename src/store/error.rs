//! What went wrong with the store, in one line that names the file and the place in it.

use std::fmt;
use std::io;

/// A failure of the store. Its text is one line for the operator.
#[derive(Debug)]
pub struct StoreError {
    what: String,
    file: Option<String>,
    offset: Option<u64>,
    source: Option<io::Error>,
    damage: bool,
}

impl StoreError {
    /// A failure that is not one of a file.
    pub fn new(what: impl Into<String>) -> Self {
        Self {
            what: what.into(),
            file: None,
            offset: None,
            source: None,
            damage: false,
        }
    }

    /// The system has refused something.
    pub fn io(what: impl Into<String>, file: &str, source: io::Error) -> Self {
        Self {
            file: Some(file.to_owned()),
            source: Some(source),
            ..Self::new(what)
        }
    }

    /// Bytes are not what was written.
    pub fn damage(what: impl Into<String>, file: &str, offset: u64) -> Self {
        Self {
            file: Some(file.to_owned()),
            offset: Some(offset),
            damage: true,
            ..Self::new(what)
        }
    }

    /// Where in the file it was.
    pub fn at(self, offset: u64) -> Self {
        Self {
            offset: Some(offset),
            ..self
        }
    }

    /// Whether the system has refused something.
    pub fn is_io(&self) -> bool {
        self.source.is_some()
    }

    /// Whether a file is not there.
    pub fn is_not_found(&self) -> bool {
        let source = self.source.as_ref();
        source.is_some_and(|error| error.kind() == io::ErrorKind::NotFound)
    }

    /// Whether bytes are damaged, so that `--salvage` may help.
    pub fn is_damage(&self) -> bool {
        self.damage
    }
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.what)?;
        if let Some(file) = &self.file {
            write!(f, ": {file}")?;
        }
        if let Some(offset) = self.offset {
            write!(f, " at byte {offset}")?;
        }
        if let Some(source) = &self.source {
            write!(f, ": {source}")?;
        }
        Ok(())
    }
}

impl std::error::Error for StoreError {}
