//! What can go wrong in a run, as one line for the user.

use crate::wire::reply::Reply;
use std::fmt;

/// A reason to end a run, with the knowledge of every caller in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault(String);

impl Fault {
    /// From a whole sentence.
    pub fn new(text: impl Into<String>) -> Fault {
        Fault(text.into())
    }

    /// Adds what was being done.
    pub fn doing(self, what: impl fmt::Display) -> Fault {
        Fault(format!("{what}: {}", self.0))
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Fault {}

impl From<std::io::Error> for Fault {
    fn from(error: std::io::Error) -> Fault {
        Fault(error.to_string())
    }
}

impl From<Reply> for Fault {
    /// What our own parser says about the broker's bytes.
    fn from(reply: Reply) -> Fault {
        Fault(reply.text).doing("the broker's bytes are not understood")
    }
}
