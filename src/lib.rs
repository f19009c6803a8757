//! Leveret.

pub mod auth;
pub mod config;
pub mod exchange;
pub mod perf;
pub mod server;
pub mod wire;
