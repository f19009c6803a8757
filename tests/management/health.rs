//! Health checks and the aliveness test.

use serde_json::json;

use super::client::{guest, of};
use super::support::{Broker, broker::shared, eventually, foreign};

#[test]
fn what_is_well_says_so() {
    for check in [
        "alarms",
        "local-alarms",
        "virtual-hosts",
        "certificate-expiration/1/days",
    ] {
        guest()
            .get(&format!("/health/checks/{check}"))
            .is(200, r#"{"status":"ok"}"#);
    }
    guest()
        .get("/aliveness-test/%2F")
        .is(200, r#"{"status":"ok"}"#);
    let port = shared().address.port();
    let expected = json!({"status": "ok", "port": port}).to_string();
    guest()
        .get(&format!("/health/checks/port-listener/{port}"))
        .is(200, &expected);
    let expected = r#"{"status":"ok","protocol":"amqp"}"#;
    guest()
        .get("/health/checks/protocol-listener/amqp")
        .is(200, expected);
}

#[test]
fn what_does_not_listen_is_a_503() {
    let answer = guest().get("/health/checks/port-listener/1");
    assert_eq!(answer.status, 503);
    assert_eq!(answer.json()["reason"], "No active listener");
    assert_eq!(answer.json()["missing"], 1);
    let expected = r#"{"error":"bad_request","reason":"Invalid port"}"#;
    guest()
        .get("/health/checks/port-listener/x")
        .is(400, expected);
    assert_eq!(
        guest().get("/health/checks/protocol-listener/mqtt").status,
        503
    );
}

#[test]
fn an_alarm_shows() {
    if foreign() {
        return;
    }
    let broker = Broker::with(&["vm_memory_high_watermark.absolute=1KiB"]);
    let client = of(&broker);
    eventually("the alarm", || {
        client.get("/health/checks/alarms").status == 503
    });
    let answer = client.get("/health/checks/local-alarms").json();
    assert_eq!(answer["status"], "failed");
    assert_eq!(answer["alarms"][0]["resource"], "memory");
    assert_eq!(client.get("/nodes").json()[0]["mem_alarm"], true);
}
