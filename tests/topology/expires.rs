//! x-expires: a queue that nobody uses goes.

use std::time::{Duration, Instant};

use crate::support::{Peer, basic, channel, queue, shared};

fn exists(peer: &mut Peer, name: &str) -> bool {
    // A passive declare of its own channel would reset the timer: bind asks without touching.
    let answer = peer.call(1, &queue::bind(name, "amq.direct", name, table! {}));
    if answer.is(20, 40) {
        peer.send(1, &channel::close_ok());
        peer.open(1);
    }
    answer.is(50, 21)
}

#[test]
fn an_unused_queue_goes() {
    let mut peer = shared().channel();
    let name = peer.queue_with(1, table! { "x-expires" => 300i32 });
    peer.publish(1, "", &name, "lost");
    let begun = Instant::now();
    assert!(exists(&mut peer, &name));
    crate::support::eventually("it goes", || !exists(&mut peer, &name));
    assert!(
        begun.elapsed() > Duration::from_millis(250),
        "{:?}",
        begun.elapsed()
    );
}

#[test]
fn a_consumer_keeps_it_and_its_end_starts_the_clock() {
    let mut peer = shared().channel();
    let name = peer.queue_with(1, table! { "x-expires" => 200i32 });
    peer.consume(1, &name, "t", "");
    std::thread::sleep(Duration::from_millis(700));
    assert!(exists(&mut peer, &name));
    peer.ask(1, &basic::cancel("t", ""), &basic::cancel_ok("t"));
    crate::support::eventually("it goes", || !exists(&mut peer, &name));
}

#[test]
fn declare_and_get_start_the_clock_anew() {
    let mut peer = shared().channel();
    let arguments = table! { "x-expires" => 1000i32 };
    let name = peer.queue_with(1, arguments.clone());
    for round in 0..9 {
        std::thread::sleep(Duration::from_millis(250));
        match round % 3 {
            0 => drop(peer.counts(1, &name)),
            1 => assert!(peer.take(1, &name).is_none()),
            _ => {
                let again = queue::declare(&name, "exclusive", arguments.clone());
                peer.ask(1, &again, &queue::declare_ok(&name, 0, 0));
            }
        }
    }
    crate::support::eventually("it goes", || !exists(&mut peer, &name));
}
