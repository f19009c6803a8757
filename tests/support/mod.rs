//! What the socket tests share: a broker of their own (`broker`), a peer that speaks in raw frames (`raw`), and the bytes
//! they exchange (`method`, `table`, `properties`), written anew so that nothing of Leveret's codec is trusted here.
//!
//! With `LEVERET_TEST_URI=amqp://guest:guest@127.0.0.1:5673/%2f` the shared broker is that address, so that the tests can be
//! held against a real RabbitMQ. Only then are tests skipped: those that need settings of their own (`own!`) and those of
//! what Leveret decided to do otherwise (`decided!`).
#![allow(
    dead_code,
    unused_macros,
    unused_imports,
    reason = "each test binary uses a part of this"
)]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

/// A broker with these settings; against a foreign broker the test ends here.
macro_rules! own {
    ($($setting:expr),* $(,)?) => {{
        if $crate::support::foreign() {
            eprintln!("skipped: needs a broker with its own settings");
            return;
        }
        $crate::support::Broker::with(&[$($setting),*])
    }};
}

/// Ends the test against a foreign broker: it pins what Leveret decided to do otherwise than RabbitMQ 4.0.
macro_rules! decided {
    ($why:expr) => {
        if $crate::support::foreign() {
            eprintln!("skipped: Leveret differs on purpose: {}", $why);
            return;
        }
    };
}

/// `table! { "key" => value, ... }`: fields in the given order.
macro_rules! table {
    () => { $crate::support::Table::default() };
    ($($key:expr => $value:expr),+ $(,)?) => {
        $crate::support::Table(vec![$(($key.to_string(), $crate::support::Value::from($value))),+])
    };
}

pub mod broker;
pub mod home;
pub mod method;
pub mod properties;
pub mod raw;
pub mod table;

pub use broker::{Broker, Start, foreign, shared};
pub use home::{End, Home};
pub use method::{Method, access, basic, channel, confirm, connection, exchange, queue, tx};
pub use properties::Properties;
pub use raw::{Delivery, Login, Peer, Returned};
pub use table::{Table, Value};

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// How long a test waits for what must happen. Long, because the machine may be busy; a test that passes never waits it out.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// A name that no other test uses, also not in an earlier run against the same broker.
pub fn unique(stem: &str) -> String {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let now = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .expect("the clock is past 1970")
        .as_micros();
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    format!("{stem}-{now:x}-{number}")
}

/// Asks until `condition` holds.
pub fn eventually(what: &str, mut condition: impl FnMut() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !condition() {
        assert!(Instant::now() < end, "never happened: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Milliseconds since the epoch.
pub fn now_ms() -> u64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    u64::try_from(now.expect("the clock is past 1970").as_millis()).expect("fits for ages")
}
