//! `leveret perf restart`: brokers are started, ended and killed, and what was confirmed is delivered again.

use super::support::{json, median, perf};

#[test]
fn a_backlog_is_built_and_delivered_from_after_each_start() {
    let home = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a directory");
    let directory = home.path().display();
    for queues in ["", "--queues 3"] {
        let documents = json(&format!(
            "restart --data-dir {directory}/data{} --backlog 300 {queues} -s 50 --load 200ms --rounds 2 --json --quiet",
            queues.len()
        ));
        let document = &documents[0];
        assert_eq!(
            document["subjects"][0]["rounds"].as_array().map(Vec::len),
            Some(2)
        );
        for when in ["clean", "killed"] {
            let listening = median(document, 0, &format!("{when}_listening_us"));
            let delivery = median(document, 0, &format!("{when}_delivery_us"));
            assert!(0.0 < listening && listening < delivery, "{document:#}");
            assert!(median(document, 0, &format!("{when}_rss_kib")) > 1_000.0);
        }
        assert!(median(document, 0, "stop_seconds") < 5.0);
    }
    // It lies there still.
    let again = json(&format!(
        "restart --data-dir {directory}/data0 --load 0 --json --quiet"
    ));
    assert!(median(&again[0], 0, "clean_delivery_us") > 0.0);
}

#[test]
fn an_address_that_cannot_be_started_from_is_an_error() {
    let home = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a directory");
    std::fs::write(home.path().join("file"), "").expect("written");
    let refused = perf(&format!(
        "restart --data-dir {}/file --quiet",
        home.path().display()
    ));
    assert_eq!(refused.status.code(), Some(1));
    let text = String::from_utf8_lossy(&refused.stderr);
    assert!(text.contains("the broker did not start"), "{text}");
}
