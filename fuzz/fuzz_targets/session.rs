//! Strangers' bytes at whole sessions. Run with `cargo +nightly fuzz run session`; see `fuzz/README.md`.
#![no_main]

#[path = "../checks/session.rs"]
mod session;

libfuzzer_sys::fuzz_target!(|data: &[u8]| session::check(data));
