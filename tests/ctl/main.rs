//! `leveret ctl`, and the same binary under rabbitmqctl's name, against a running broker: outputs, exit codes, effects. And import and
//! export on a data directory that nobody serves from.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[macro_use]
#[path = "../support/mod.rs"]
mod support;

mod dead_letters;
mod lists;
mod node;
mod objects;
mod offline;
mod operating;
mod run;
mod streams;
