//! Strangers, broken and hostile peers: nobody else notices (issue "Bad input").
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[macro_use]
#[path = "../support/mod.rs"]
mod support;

mod files;
mod flood;
mod garbage;
mod half_sent;
mod limits;
mod never_reads;
mod slow;
