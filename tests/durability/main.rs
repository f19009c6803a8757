//! Nothing confirmed is ever lost: a simulated broker on a simulated disk, real restarts, real kills.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[macro_use]
#[path = "../support/mod.rs"]
mod support;

mod campaign;
mod failures;
mod fixture;
mod held;
mod kill;
mod reclaim;
mod restart;
mod simulator;
mod space;
mod streams;
mod world;
