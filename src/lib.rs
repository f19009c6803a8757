//! Leveret.

pub mod auth;
pub mod exchange;
pub mod wire;
