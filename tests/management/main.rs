//! RabbitMQ's management HTTP API, by hand-written requests. `LEVERET_TEST_URI` and `LEVERET_TEST_HTTP` (ADDRESS:PORT) hold the
//! tests against somebody else's broker.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[macro_use]
#[path = "../support/mod.rs"]
mod support;

mod bindings;
mod bodies;
mod client;
mod connections;
mod dead_letters;
mod defaults;
mod definitions;
mod door;
mod exchanges;
mod firehose;
mod health;
mod killed;
mod lists;
mod messages;
mod operation;
mod own_policies;
mod policies;
mod queues;
mod retained;
mod stream_groups;
mod users;
mod vhosts;
mod whole;
