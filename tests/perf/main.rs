//! `leveret perf` as a user runs it: what it counts, what its JSON holds, and that it always ends. No speed is asserted.

mod broker;
mod limits;
mod refusals;
mod restart;
mod support;
