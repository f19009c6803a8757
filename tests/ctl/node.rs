//! The node: status, stopping and starting AMQP, limits, waiting.

use std::net::TcpStream;

use super::run::{ctl, leveret, quiet, uri};
use super::support::{eventually, queue};

#[test]
fn status_ping_and_version_answer() {
    let broker = own!();
    let status = quiet(&broker, &["status", "--formatter", "json"]).json();
    assert_eq!(status["product_name"], "Leveret");
    assert_eq!(status["pid"], broker.pid);
    assert_eq!(status["totals"]["connection_count"], 0);
    let _peer = broker.channel();
    let status = quiet(&broker, &["status", "--formatter", "json"]).json();
    assert_eq!(status["totals"]["connection_count"], 1);
    let text = ctl(&broker, &["status"]);
    assert!(text.out.starts_with("Status of node rabbit@"), "{text:?}");
    assert!(text.out.contains("Runtime\n\nOS PID: "), "{text:?}");
    quiet(&broker, &["ping"]).says("Ping succeeded\n");
    quiet(&broker, &["await_startup"]).says("");
    assert!(quiet(&broker, &["version"]).out.starts_with("4."));
}

#[test]
fn stop_app_and_start_app_close_and_open_amqp() {
    let broker = own!();
    let mut peer = broker.channel();
    peer.ask(
        1,
        &queue::declare("q", "durable", table! {}),
        &queue::declare_ok("q", 0, 0),
    );
    let said = ctl(&broker, &["stop_app"]);
    assert!(
        said.out
            .starts_with("Stopping rabbit application on node rabbit@"),
        "{said:?}"
    );
    assert_eq!(said.code, 0, "{said:?}");
    let text = "CONNECTION_FORCED - broker forced connection closure with reason 'shutdown'";
    peer.expect_connection_close(320, text, 0, 0);
    assert!(TcpStream::connect(broker.address).is_err());
    let waited = ctl(&broker, &["-t", "1", "await_startup"]);
    waited.fails(75, "timed out after 1 s. AMQP is stopped");
    let said = ctl(&broker, &["start_app"]);
    assert!(said.out.starts_with("Starting node rabbit@"), "{said:?}");
    assert_eq!(said.code, 0, "{said:?}");
    let mut peer = broker.channel();
    assert_eq!(peer.counts(1, "q"), (0, 0));
}

#[test]
fn watermarks_are_set_and_nonsense_is_65() {
    let broker = own!();
    let alarms = || quiet(&broker, &["status", "--formatter", "json"]).json()["alarms"].clone();
    assert_eq!(alarms(), serde_json::json!([]));
    let said = ctl(
        &broker,
        &["set_vm_memory_high_watermark", "absolute", "1MB"],
    );
    assert!(
        said.out.contains("Setting memory threshold on rabbit@"),
        "{said:?}"
    );
    assert!(said.out.contains(" to 1MB bytes ..."), "{said:?}");
    eventually("the alarm", || alarms() == serde_json::json!(["memory"]));
    quiet(&broker, &["set_vm_memory_high_watermark", "0.9"]).says("");
    eventually("its end", || alarms() == serde_json::json!([]));
    quiet(&broker, &["set_disk_free_limit", "1000TB"]).says("");
    eventually("the alarm", || alarms() == serde_json::json!(["disk"]));
    quiet(&broker, &["set_disk_free_limit", "mem_relative", "0.00001"]).says("");
    eventually("its end", || alarms() == serde_json::json!([]));
    let most = "The threshold should be a fraction between 0.0 and 1.0";
    ctl(&broker, &["set_vm_memory_high_watermark", "1.5"]).fails(65, most);
    for words in [
        ["set_vm_memory_high_watermark", "much"],
        ["set_disk_free_limit", "much"],
    ] {
        ctl(&broker, &words).fails(65, "Error (argument validation): Bad argument.");
    }
}

#[test]
fn what_waits_for_a_node_gives_up_in_time() {
    let port = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let nobody = format!("http://{}", port.local_addr().expect("bound"));
    drop(port);
    let said = leveret(&["ctl", "--uri", &nobody, "-t", "1", "await_startup"]);
    said.fails(75, "timed out after 1 s");
    let broker = own!();
    assert_eq!(
        leveret(&["ctl", "--uri", &uri(&broker), "-t", "30", "await_startup"]).code,
        0
    );
}
