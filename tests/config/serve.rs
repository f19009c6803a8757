//! What the listeners do with what they are told: addresses, ports, precedence.

use std::net::TcpListener;

use crate::support::{Running, home, leveret, refusal, write};

fn port(address: &str) -> u16 {
    address
        .rsplit(':')
        .next()
        .and_then(|port| port.parse().ok())
        .expect("a port")
}

#[test]
fn port_0_is_logged_as_the_port_it_became() {
    let home = home();
    let mut running =
        Running::start(leveret(home.path()).args(["--set", "listeners.tcp.default=127.0.0.1:0"]));
    let addresses = running.addresses(1);
    assert!(
        addresses[0].starts_with("127.0.0.1:") && port(&addresses[0]) != 0,
        "{addresses:?}"
    );
    std::net::TcpStream::connect(&addresses[0]).expect("somebody listens");
}

#[test]
fn a_bare_port_means_all_interfaces_at_one_port() {
    let home = home();
    let mut running = Running::start(leveret(home.path()).env("RABBITMQ_NODE_PORT", "0"));
    let has_v6 = TcpListener::bind("[::1]:0").is_ok();
    let addresses = running.addresses(if has_v6 { 2 } else { 1 });
    assert!(addresses[0].starts_with("0.0.0.0:"), "{addresses:?}");
    if has_v6 {
        assert!(addresses[1].starts_with("[::]:"), "{addresses:?}");
        assert_eq!(port(&addresses[0]), port(&addresses[1]));
    }
}

#[test]
fn an_ipv6_address_is_logged_in_brackets() {
    let home = home();
    if TcpListener::bind("[::1]:0").is_err() {
        // This machine has no IPv6, so there is nothing to listen on.
        return;
    }
    let mut running =
        Running::start(leveret(home.path()).args(["--set", "listeners.tcp.default=[::1]:0"]));
    assert!(running.addresses(1)[0].starts_with("[::1]:"));
}

#[test]
fn flag_wins_over_variable_and_variable_over_file() {
    let home = home();
    let held: Vec<TcpListener> = (0..3)
        .map(|_| TcpListener::bind("127.0.0.1:0").expect("a port"))
        .collect();
    let ports: Vec<u16> = held
        .iter()
        .map(|socket| socket.local_addr().expect("bound").port())
        .collect();
    // All three ports are in use, so that the refusal tells which one was meant.
    let path = write(
        home.path(),
        "rabbitmq.conf",
        &format!("\nlisteners.tcp.default = 127.0.0.1:{}\n", ports[0]),
    );
    let of_file = refusal(leveret(home.path()).arg("--config").arg(&path));
    let expected = format!(
        "leveret: {}:2: key 'listeners.tcp.default': cannot listen on 127.0.0.1:{}: the port is in use by another process",
        path.display(),
        ports[0]
    );
    assert_eq!(of_file, expected);
    let variables = [
        ("RABBITMQ_NODE_IP_ADDRESS", "127.0.0.1".to_owned()),
        ("RABBITMQ_NODE_PORT", ports[1].to_string()),
    ];
    let of_variable = refusal(
        leveret(home.path())
            .arg("--config")
            .arg(&path)
            .envs(variables.clone()),
    );
    assert!(
        of_variable.starts_with("leveret: environment variable RABBITMQ_NODE_IP_ADDRESS: key"),
        "{of_variable}"
    );
    assert!(
        of_variable.contains(&format!("127.0.0.1:{}:", ports[1])),
        "{of_variable}"
    );
    let flag = format!("listeners.tcp.default=127.0.0.1:{}", ports[2]);
    let of_flag = refusal(
        leveret(home.path())
            .arg("--config")
            .arg(&path)
            .envs(variables)
            .args(["--set", &flag]),
    );
    assert!(
        of_flag.starts_with("leveret: --set: key")
            && of_flag.contains(&format!("127.0.0.1:{}:", ports[2])),
        "{of_flag}"
    );
}

#[test]
fn keys_without_effect_are_logged_once_at_the_start() {
    let home = home();
    let path = write(
        home.path(),
        "rabbitmq.conf",
        "listeners.tcp.1 = 127.0.0.1:0\ncluster_keepalive_interval = 10000\n",
    );
    let mut running = Running::start(
        leveret(home.path())
            .arg("--config")
            .arg(&path)
            .env("RABBITMQ_ERLANG_COOKIE", "x"),
    );
    running.addresses(1);
    let count = |text: &str| {
        running
            .seen()
            .iter()
            .filter(|line| line.contains(text))
            .count()
    };
    assert_eq!(
        count("key 'cluster_keepalive_interval' has no effect yet"),
        1,
        "{:#?}",
        running.seen()
    );
    assert_eq!(
        count("RABBITMQ_ERLANG_COOKIE: accepted without effect"),
        1,
        "{:#?}",
        running.seen()
    );
}

#[test]
fn logs_may_be_json_and_go_to_a_file() {
    let home = home();
    let log = home.path().join("logs/broker.log");
    let mut running = Running::start(leveret(home.path()).args([
        "--set",
        "listeners.tcp.default=127.0.0.1:0",
        "--set",
        "log.console.formatter=json",
        "--set",
        &format!("log.file={}", log.display()),
    ]));
    let line = running.wait_for("listening amqp").expect("a line");
    let object: serde_json::Value = serde_json::from_str(&line).expect("JSON");
    assert!(
        object["message"]
            .as_str()
            .is_some_and(|text| text.starts_with("listening amqp 127.0.0.1:")),
        "{line}"
    );
    running.signal("TERM");
    running.end();
    let text = std::fs::read_to_string(&log).expect("a log file");
    assert!(
        text.contains("INFO listening amqp 127.0.0.1:") && text.contains("stopped"),
        "{text}"
    );
}
