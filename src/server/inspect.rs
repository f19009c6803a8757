//! `leveret store inspect DIR`: what is in a data directory, for people. Reads only; `main` calls.
//!
//! The store does the looking (`store::inspect`) and knows keys as bytes; how they are spelled is the broker's knowledge, and the
//! two meet here.

use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

use crate::broker::definitions::names;
use crate::store::StoreError;
use crate::store::disk::Directory;
use crate::store::inspect::{Inspection, inspect};
use crate::store::record::Kind;

/// Prints what is in the directory. Exit code 1 when something in it is damaged, or it cannot be read.
pub fn run(directory: &Path) -> ExitCode {
    match look(directory) {
        Ok(shown) => {
            // Whoever closed the pipe does not want to know.
            let _ = std::io::stdout().write_all(shown.text(&spelled).as_bytes());
            match is_damaged(&shown) {
                true => super::fail(&format!("{} is damaged", directory.display())),
                false => ExitCode::SUCCESS,
            }
        }
        Err(error) => super::fail(&error.to_string()),
    }
}

fn look(directory: &Path) -> Result<Inspection, StoreError> {
    inspect(&Directory::read_only(directory)?)
}

fn is_damaged(shown: &Inspection) -> bool {
    !shown.damage.is_empty()
        || shown
            .checkpoints
            .iter()
            .any(|checkpoint| checkpoint.content.is_err())
}

/// The key of a definition as RabbitMQ's texts spell such things.
fn spelled(kind: Kind, key: &[u8]) -> String {
    match (kind, names(key).as_slice()) {
        (Kind::Permission, [user, vhost]) => format!("user '{user}' in vhost '{vhost}'"),
        (Kind::Exchange | Kind::Queue, [vhost, name]) => format!("'{name}' in vhost '{vhost}'"),
        (Kind::Queue, [vhost, exchange, purpose]) => {
            format!("{purpose} of exchange '{exchange}' in vhost '{vhost}'")
        }
        (Kind::Binding, [vhost, source, kind, destination, routing_key, ..]) => {
            format!("'{source}' to {kind} '{destination}' by '{routing_key}' in vhost '{vhost}'")
        }
        (_, [name]) => format!("'{name}'"),
        // What a later version writes otherwise is shown as it is.
        _ => format!("'{}'", key.escape_ascii()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::broker::{self, definitions};

    #[test]
    fn keys_are_spelled_for_people() {
        let (kind, key, _) =
            definitions::vhost("/", &broker::operator::VhostMetadata::default(), false);
        assert_eq!(spelled(kind, &key), "'/'");
        assert_eq!(spelled(Kind::Queue, b"\xff\xff"), "'\\xff\\xff'");
    }

    #[test]
    fn a_directory_that_is_not_there_is_an_error() {
        let error = look(Path::new("/nonexistent/leveret")).expect_err("nothing there");
        assert!(
            error.to_string().contains("/nonexistent/leveret"),
            "{error}"
        );
    }
}
