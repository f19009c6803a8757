//! Streams: replay, offsets, retention, groups (BEHAVIOURS 8; FEATURES rows 34 to 36).
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[macro_use]
#[path = "../support/mod.rs"]
mod support;

mod declare;
mod filter;
mod groups;
mod offsets;
mod partitions;
mod programs;
mod read;
mod retention;
mod stream;
