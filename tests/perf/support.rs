//! Running `leveret perf` and reading its JSON.

use serde_json::Value;
use std::process::{Command, Output};

/// Runs it to its end.
pub fn perf(line: &str) -> Output {
    Command::new(env!("CARGO_BIN_EXE_leveret"))
        .arg("perf")
        .args(line.split_whitespace())
        .output()
        .expect("started")
}

/// The JSON documents that it printed, after exit code 0.
pub fn json(line: &str) -> Vec<Value> {
    let output = perf(line);
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{line}: {complaint}");
    let documents = serde_json::Deserializer::from_slice(&output.stdout).into_iter();
    documents
        .collect::<Result<_, _>>()
        .expect("JSON on standard output")
}

/// The median of a figure of one subject.
pub fn median(document: &Value, subject: usize, figure: &str) -> f64 {
    let found = &document["subjects"][subject]["summary"][figure]["median"];
    found
        .as_f64()
        .unwrap_or_else(|| panic!("no {figure} in {document:#}"))
}
