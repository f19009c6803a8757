//! The number of files and sockets that the process may hold: as many as the system allows. `run` in `mod.rs` calls.

use tracing::{info, warn};

/// Raises the soft limit of open files to the hard one. Where that fails, what is allowed already has to do.
pub fn raise_limit() {
    match rlimit::increase_nofile_limit(u64::MAX) {
        Ok(limit) => info!("up to {limit} files and sockets may be open"),
        Err(error) => warn!("cannot raise the limit of open files: {error}"),
    }
}
