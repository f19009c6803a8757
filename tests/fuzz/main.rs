//! The fuzz targets as ordinary tests: the committed corpus, then mutations of it from a seed that is printed. libFuzzer finds
//! more (`fuzz/README.md`); this keeps what it found from coming back, on any toolchain.

#[path = "../../fuzz/checks/frames.rs"]
mod frames;
mod mutate;
#[path = "../../fuzz/checks/recovery.rs"]
mod recovery;
#[path = "../../fuzz/checks/session.rs"]
mod session;

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

/// Inputs made from the corpus, a target.
const MUTATIONS: u64 = 10_000;

/// Any number will do; a failure prints the one that failed.
const SEED: u64 = 0x1e_7e_2e_70;

#[test]
fn the_wires_parsers_survive_strangers_bytes() {
    run("frames", frames::check);
}

#[test]
fn a_start_survives_any_bytes_on_disk() {
    run("recovery", recovery::check);
}

#[test]
fn a_session_survives_strangers_bytes() {
    run("session", session::check);
}

fn run(target: &str, check: fn(&[u8])) {
    let corpus = corpus(target);
    for (name, data) in &corpus {
        survive(&format!("corpus file {name}"), data, check);
    }
    println!(
        "{target}: {} corpus files, {MUTATIONS} mutations from seed {SEED}",
        corpus.len()
    );
    for number in 0..MUTATIONS {
        let data = mutate::mutant(&corpus, SEED + number);
        survive(&format!("mutation {number} from seed {SEED}"), &data, check);
    }
}

/// Runs one input; a failure names it and prints its bytes, fit for a new corpus file.
fn survive(what: &str, data: &[u8], check: fn(&[u8])) {
    if let Err(panic) = catch_unwind(AssertUnwindSafe(|| check(data))) {
        let hex: String = data.iter().map(|byte| format!("{byte:02x}")).collect();
        println!("failed at {what}: {hex}");
        std::panic::resume_unwind(panic);
    }
}

/// The committed inputs of a target, in the order of their names.
fn corpus(target: &str) -> Vec<(String, Vec<u8>)> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("fuzz/corpus")
        .join(target);
    let mut files: Vec<(String, Vec<u8>)> = fs::read_dir(&directory)
        .expect("the corpus is part of the repository")
        .map(|entry| {
            let entry = entry.expect("a corpus file is readable");
            let name = entry.file_name().to_string_lossy().into_owned();
            (
                name,
                fs::read(entry.path()).expect("a corpus file is readable"),
            )
        })
        .collect();
    files.sort();
    assert!(!files.is_empty(), "no corpus in {}", directory.display());
    files
}
