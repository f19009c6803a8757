//! `leveret perf limits`: producers, relay process and consumers together, without a broker.

use super::support::{json, median};

#[test]
fn the_relay_delivers_what_is_published_and_is_measured() {
    let documents = json("limits -s 16,2000 -z 500ms -r 200 --json --quiet");
    assert_eq!(documents.len(), 4, "full speed and latency for each size");
    for document in &documents {
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
fn rounds_give_a_median_between_the_lowest_and_the_highest() {
    let documents = json("limits -s 16 -z 200ms --rounds 3 --json --quiet");
    let subject = &documents[0]["subjects"][0];
    assert_eq!(subject["rounds"].as_array().map(Vec::len), Some(3));
    let rate = &subject["summary"]["consume_rate"];
    let value = |name: &str| rate[name].as_f64().expect("a number");
    assert!(value("min") <= value("median") && value("median") <= value("max"));
}
