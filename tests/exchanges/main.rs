//! The exchange kinds that RabbitMQ has as plugins, and what hangs on them.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[macro_use]
#[path = "../support/mod.rs"]
mod support;

mod dedup_exchange;
mod dedup_queue;
mod delayed;
mod hashing;
mod random;
mod recent_history;
