//! Exchanges, queues and bindings: what may be declared, how it is compared, what goes with what (BEHAVIOURS 2.3, 3, 4).
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[macro_use]
#[path = "../support/mod.rs"]
mod support;

mod arguments;
mod bindings;
mod exchange_bindings;
mod exchange_declare;
mod exchange_delete;
mod exclusive;
mod expires;
mod limits;
mod permissions;
mod queue_declare;
mod queue_delete;
mod relaxed;
