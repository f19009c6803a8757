//! Restarts of the real process.
