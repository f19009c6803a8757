//! Out of file descriptors: accepting pauses with a line in the log, nothing else stops, and it recovers.

use std::net::TcpStream;

use crate::slow::ordinary_work;
use crate::support::Broker;

#[test]
fn accepting_pauses_and_goes_on() {
    decided!("needs a broker with few files");
    let broker = Broker::with_files(&["log.console.level=info"], 48);
    let mut good = broker.channel();
    let queue = good.queue(1);
    // More than it can have; the system's backlog takes the rest.
    let crowd: Vec<TcpStream> = (0..100)
        .map(|_| TcpStream::connect(broker.address).expect("the backlog"))
        .collect();
    crate::support::eventually("it says so", || {
        broker.log().iter().any(|line| {
            let line = line.to_lowercase();
            line.contains("descriptor") || line.contains("open files")
        })
    });
    ordinary_work(&mut good, &queue);
    drop(crowd);
    let mut next = broker.channel();
    let other = next.queue(1);
    ordinary_work(&mut next, &other);
    // Said once in a while, not once for each that waits.
    let lines = broker.log().len();
    assert!(lines < 1000, "{lines} lines in the log");
}
