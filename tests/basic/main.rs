//! The basic class, confirm and tx: messages from publish to settlement (BEHAVIOURS 2.3, 3, 4.3 to 7).
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[macro_use]
#[path = "../support/mod.rs"]
mod support;

mod ack;
mod at_least_once;
mod cancel;
mod confirm;
mod consume;
mod consumer_timeout;
mod dead_letter;
mod exact_ttl;
mod get;
mod headers_exchange;
mod mandatory;
mod max_length;
mod ordering_keys;
mod overflow;
mod priority;
mod programs;
mod properties;
mod publish;
mod qos;
mod quorum;
mod recover;
mod reply_to;
mod requeue;
mod retry;
mod routing;
mod single_active;
mod sizes;
mod topic;
mod ttl;
mod tx;
