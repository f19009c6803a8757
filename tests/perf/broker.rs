//! `leveret perf` against a running Leveret: every message that is published is consumed, confirmed and counted.

use super::support::{json, median};
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

/// A broker on a free port; killed when dropped.
struct Broker {
    child: Child,
    uri: String,
    _home: tempfile::TempDir,
}

impl Broker {
    fn start() -> Broker {
        let home = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a directory");
        let mut command = Command::new(env!("CARGO_BIN_EXE_leveret"));
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("RABBITMQ_") {
                command.env_remove(name);
            }
        }
        let mut child = command
            .current_dir(home.path())
            .args(["--set", "listeners.tcp.1=127.0.0.1:0"])
            .args(["--set", "management.tcp.port=none"])
            .stdout(Stdio::piped())
            .spawn()
            .expect("started");
        let mut lines = BufReader::new(child.stdout.take().expect("piped")).lines();
        let address = lines
            .by_ref()
            .map_while(Result::ok)
            .find_map(|line| Some(line.split_once("listening amqp ")?.1.trim().to_owned()))
            .expect("a line with the address");
        // Nobody may fill the pipe.
        std::thread::spawn(move || lines.map_while(Result::ok).for_each(drop));
        Broker {
            child,
            uri: format!("amqp://{address}"),
            _home: home,
        }
    }

    /// Runs one round and gives its JSON.
    fn perf(&self, line: &str) -> serde_json::Value {
        let pid = self.child.id();
        let line = format!(
            "--uri {} --broker-pid {pid} --json --quiet {line}",
            self.uri
        );
        json(&line).remove(0)
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Asserts figures of the first subject.
fn assert_counts(document: &serde_json::Value, counts: &[(&str, f64)]) {
    for (figure, count) in counts {
        assert_eq!(
            median(document, 0, figure),
            *count,
            "{figure}: {document:#}"
        );
    }
    let faults = &document["subjects"][0]["rounds"][0]["faults"];
    assert_eq!(faults.as_array().map(Vec::len), Some(0), "{faults}");
}

#[test]
fn confirmed_and_acknowledged_messages_are_all_counted() {
    let broker = Broker::start();
    let document = broker.perf("-C 5000 -c 100 -q 50 -A 7 -s 1000 -p");
    assert_counts(
        &document,
        &[
            ("published", 5000.0),
            ("confirmed", 5000.0),
            ("nacked", 0.0),
            ("consumed", 5000.0),
        ],
    );
    for figure in [
        "latency_p50_us",
        "confirm_p99_us",
        "broker_cores",
        "broker_rss_kib",
        "producer_cpu_us_per_message",
    ] {
        assert!(median(&document, 0, figure) >= 0.0);
    }
}

#[test]
fn exchanges_of_all_types_bring_every_message_to_its_queues() {
    let broker = Broker::start();
    for (line, consumed) in [
        ("-e perf.fanout -t fanout --queues 4 -y 4", 4000.0),
        (
            "-e perf.topic -t topic --bindings 20 --routing-keys 500",
            1000.0,
        ),
        (
            "-e perf.headers -t headers --bindings 5 --routing-keys 5",
            1000.0,
        ),
        (
            "-e perf.direct -t direct --routing-keys 30 --queues 3 -y 3",
            1000.0,
        ),
        ("-e amq.direct --exclusive", 1000.0),
    ] {
        let document = broker.perf(&format!("-a -C 1000 {line}"));
        assert_counts(&document, &[("published", 1000.0), ("consumed", consumed)]);
    }
}

#[test]
fn what_one_run_leaves_another_can_consume() {
    let broker = Broker::start();
    let document = broker.perf("--publish-only -C 3000 -u left --keep");
    assert_counts(&document, &[("published", 3000.0)]);
    let document = broker.perf("--consume-only -a -u left -z 30");
    assert_counts(&document, &[("consumed", 3000.0)]);
}

#[test]
fn many_connections_on_one_thread_count_like_threads() {
    let broker = Broker::start();
    let document = broker.perf("-x 40 -y 40 --queues 40 -c 20 -q 20 -C 50");
    assert_counts(
        &document,
        &[
            ("published", 2000.0),
            ("confirmed", 2000.0),
            ("consumed", 2000.0),
        ],
    );
}

#[test]
fn unroutable_mandatory_messages_come_back() {
    let broker = Broker::start();
    let document = broker.perf("--publish-only -C 500 -c 100 --mandatory -k nowhere");
    assert_counts(&document, &[("returned", 500.0), ("confirmed", 500.0)]);
}

#[test]
fn a_timed_run_ends_and_is_compared_with_the_relay() {
    let broker = Broker::start();
    let document = broker.perf("-a -r 500 -z 500ms --warmup 100ms --vs relay --rounds 2");
    assert!(median(&document, 0, "consumed") > 100.0 && median(&document, 1, "consumed") > 100.0);
    assert!(document["ratios"]["latency_p50_us"]["median"].as_f64() > Some(0.0));
}

#[test]
fn connections_and_queues_are_counted_and_closed_again() {
    let broker = Broker::start();
    let (uri, pid) = (&broker.uri, broker.child.id());
    let line = format!(
        "connections --uri {uri} --broker-pid {pid} --count 100 --hold 100ms --json --quiet"
    );
    let document = json(&line).remove(0);
    assert!(median(&document, 0, "connect_rate") > 0.0);
    assert!(median(&document, 0, "broker_kib_per_connection") >= 0.0);
    let line = format!("queues --uri {uri} --broker-pid {pid} --count 100 --json --quiet");
    let document = json(&line).remove(0);
    assert!(median(&document, 0, "declare_rate") > 0.0);
}
