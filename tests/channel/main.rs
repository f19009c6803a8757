//! The channel class: life cycle, flow, and how errors stay inside one channel (BEHAVIOURS 2.1, 2.2).
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[macro_use]
#[path = "../support/mod.rs"]
mod support;

mod close;
mod errors;
mod flow;
mod open;
