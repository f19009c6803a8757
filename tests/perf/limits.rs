//! `leveret perf limits`: producers, relay process and consumers together, without a broker.

use super::support::{json, median, perf};

#[test]
fn the_relay_delivers_what_is_published_and_is_measured() {
    let documents = json("limits -s 16,2000 -z 500ms -r 200 --json --quiet");
    assert_eq!(
        documents.len(),
        5,
        "full speed and latency for each size, and the disk"
    );
    for document in &documents[..4] {
        let (published, consumed) = (
            median(document, 0, "published"),
            median(document, 0, "consumed"),
        );
        assert!(published > 0.0 && consumed > 0.0);
        for figure in ["latency_p50_us", "latency_p99_us", "latency_max_us"] {
            assert!(median(document, 0, figure) > 0.0);
        }
        assert!(median(document, 0, "broker_rss_kib") > 100.0);
        assert!(median(document, 0, "broker_cpu_us_per_message") >= 0.0);
    }
    for paced in [&documents[1], &documents[3]] {
        let published = median(paced, 0, "published");
        assert!(
            (50.0..=150.0).contains(&published),
            "half a second at 200/s: {published}"
        );
    }
}

#[test]
fn the_disk_is_measured_and_nothing_is_left_of_it() {
    let home = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a directory");
    let directory = home.path().display();
    let documents = json(&format!(
        "limits --disk-only --data-dir {directory} -z 200ms --rounds 2 --json --quiet"
    ));
    assert_eq!(documents.len(), 1);
    for figure in [
        "fdatasync_4k_rate",
        "fdatasync_1k_rate",
        "write_bandwidth",
        "read_bandwidth",
    ] {
        assert!(median(&documents[0], 0, figure) > 1.0, "{figure}");
    }
    assert_eq!(
        std::fs::read_dir(home.path()).expect("it is there").count(),
        0
    );
    let refused = perf(&format!("limits --disk-only --data-dir {directory}/none"));
    assert_eq!(refused.status.code(), Some(1));
    let text = String::from_utf8_lossy(&refused.stderr);
    assert!(text.contains("none: No such file"), "{text}");
}

#[test]
fn rounds_give_a_median_between_the_lowest_and_the_highest() {
    let documents = json("limits -s 16 -z 200ms --rounds 3 --json --quiet");
    let subject = &documents[0]["subjects"][0];
    assert_eq!(subject["rounds"].as_array().map(Vec::len), Some(3));
    let rate = &subject["summary"]["consume_rate"];
    let value = |name: &str| rate[name].as_f64().expect("a number");
    assert!(value("min") <= value("median") && value("median") <= value("max"));
}
