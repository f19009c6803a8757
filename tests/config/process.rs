//! How the process ends: signals, and how long it takes whatever peers do.

use std::net::TcpStream;
use std::time::Duration;

use crate::support::{Running, home, leveret};

fn start(home: &std::path::Path) -> (Running, String) {
    let mut running =
        Running::start(leveret(home).args(["serve", "--set", "listeners.tcp.default=127.0.0.1:0"]));
    let address = running.addresses(1).remove(0);
    (running, address)
}

#[test]
fn sigterm_and_ctrl_c_end_it_with_exit_code_0() {
    for name in ["TERM", "INT"] {
        let home = home();
        let (mut running, address) = start(home.path());
        running.signal(name);
        let (status, took) = running.end();
        assert_eq!(status.code(), Some(0), "{name}");
        assert!(took < Duration::from_secs(5), "{name}: {took:?}");
        let words = format!("stopping: SIG{name}");
        assert!(
            running.seen().iter().any(|line| line.contains(&words)),
            "{:#?}",
            running.seen()
        );
        assert!(
            TcpStream::connect(&address).is_err(),
            "{name}: somebody still listens"
        );
    }
}

#[test]
fn a_broker_that_logs_nothing_waits_for_the_signal_too() {
    let home = home();
    let level = "log.console.level=none";
    let mut running = Running::start(leveret(home.path()).args([
        "--set",
        "listeners.tcp.default=127.0.0.1:0",
        "--set",
        level,
    ]));
    std::thread::sleep(Duration::from_millis(500));
    running.signal("TERM");
    let (status, _) = running.end();
    assert_eq!(status.code(), Some(0));
    assert!(running.seen().is_empty(), "{:#?}", running.seen());
}

#[test]
fn peers_that_say_nothing_do_not_hold_the_end_up() {
    let home = home();
    let (mut running, address) = start(home.path());
    let silent: Vec<TcpStream> = (0..20)
        .map(|_| TcpStream::connect(&address).expect("connected"))
        .collect();
    running.signal("TERM");
    let (status, took) = running.end();
    assert_eq!(status.code(), Some(0));
    assert!(took < Duration::from_secs(5), "{took:?}");
    drop(silent);
}

#[test]
fn an_idle_broker_hardly_uses_the_processor() {
    let home = home();
    let (running, _) = start(home.path());
    // User and system time in ticks of 10 ms, fields 14 and 15 of stat.
    let ticks = || {
        let text =
            std::fs::read_to_string(format!("/proc/{}/stat", running.id())).expect("it runs");
        let fields: Vec<&str> = text
            .rsplit(')')
            .next()
            .expect("fields")
            .split_whitespace()
            .collect();
        let field = |number: usize| fields[number - 3].parse::<u64>().expect("a number");
        field(14) + field(15)
    };
    std::thread::sleep(Duration::from_millis(300));
    let before = ticks();
    std::thread::sleep(Duration::from_secs(5));
    // 0.1 % of 5 s is half a tick; one more may be rounding.
    assert!(ticks() - before <= 1, "{} ticks in 5 s", ticks() - before);
}
