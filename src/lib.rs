//! Leveret.

pub mod wire;
