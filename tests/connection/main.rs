//! The connection class, frame by frame: header, handshake, limits, faults, end.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[macro_use]
#[path = "../support/mod.rs"]
mod support;

mod blocked;
mod close;
mod frames;
mod header;
mod heartbeat;
mod limits;
mod open;
mod shutdown;
mod start;
mod states;
mod tune;
mod update_secret;
