//! Any bytes in a data directory. Run with `cargo +nightly fuzz run recovery`; see `fuzz/README.md`.
#![no_main]

#[path = "../checks/recovery.rs"]
mod recovery;

libfuzzer_sys::fuzz_target!(|data: &[u8]| recovery::check(data));
