//! Leveret.

pub mod auth;
pub mod broker;
pub mod config;
pub mod connection;
pub mod exchange;
pub mod perf;
pub mod server;
pub mod message;
pub mod queue;
pub mod store;
pub mod wire;
