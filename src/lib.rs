//! Leveret.

pub mod auth;
pub mod broker;
pub mod config;
pub mod connection;
pub mod exchange;

pub mod message;
pub mod perf;
pub mod queue;
pub mod server;
pub mod store;
pub mod wire;
