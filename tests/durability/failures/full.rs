//! A disk without room, and one that cannot be written at all.

use super::mount::Mount;
use super::*;
use crate::restart::durable_queue;

/// Above what any disk has.
const ABSURD: &str = "disk_free_limit.absolute=1000000TB";

/// What a publisher was told, by numbers of messages.
#[derive(Debug, Default, PartialEq)]
struct Told {
    acked: Vec<u32>,
    nacked: Vec<u32>,
    /// Published while the alarm was on: it waits in the socket, since the connection is not read.
    held: u32,
}

/// Publishes on channel 1, which has confirms, one after the other, until the broker blocks the connection.
fn fill(peer: &mut Peer, queue: &str, first: u32) -> Told {
    let mut told = Told::default();
    for number in first..first + 1000 {
        let properties = Properties::persistent();
        peer.publish_with(1, "", queue, "", &properties, body(number, MIB));
        let frame = peer.frame_within(PATIENCE).expect("still connected");
        let answer = Method::decode(&frame.payload);
        match (answer.class, answer.method) {
            (60, 80) => told.acked.push(number),
            (60, 120) => told.nacked.push(number),
            _ => {
                assert_eq!(answer, connection::blocked("low on disk"));
                told.held = number;
                return told;
            }
        }
    }
    panic!("the disk has room for everything");
}

/// Takes messages for good: these numbers, in order.
fn consume(home: &Home, queue: &str, numbers: impl IntoIterator<Item = u32>) {
    let mut peer = home.channel();
    for want in numbers {
        let got = peer.get(1, queue).expect("a message");
        assert_eq!(number(&got, MIB), want);
        peer.send(1, &basic::ack(got.tag, ""));
    }
    peer.close();
}

#[test]
fn below_the_free_limit_publishers_are_blocked_with_the_reason_and_consumers_go_on() {
    decided!("it needs a restart with other settings");
    let mut home = Home::with(&[]);
    let queue = durable_queue(&mut home.channel());
    publish(&mut home.channel(), &queue, 0..5, MIB);
    home.end(End::Stop);
    home.settings = vec![ABSURD.into()];
    home.start();
    let mut publisher = home.channel();
    publisher.confirm(1);
    let held = Told {
        held: 5,
        ..Told::default()
    };
    assert_eq!(fill(&mut publisher, &queue, 5), held);
    consume(&home, &queue, 0..5);
    home.channel().has(1, &queue, 0, 0);
}

/// The journal meets the end of the disk, since nothing warns before it; with a kill and a start while there is no room.
fn a_full_disk(killed: bool) {
    let mut home = Home::vacant(&["disk_free_limit.absolute=0"]);
    let Some(disk) = Mount::at(&home.data, "-t tmpfs -o size=110m tmpfs") else {
        return;
    };
    home.before = disk.enter();
    home.start();
    let queue = durable_queue(&mut home.channel());
    let mut publisher = home.channel();
    publisher.confirm(1);
    let mut told = fill(&mut publisher, &queue, 0);
    assert!(told.acked.len() > 10 && !told.nacked.is_empty(), "{told:?}");
    home.find("cannot be written");
    if killed {
        home.restart(End::Kill);
        publisher = home.channel();
        publisher.confirm(1);
    }
    // What was refused may be there or not.
    let confirmed = |numbers: Vec<u32>, told: &[&Told]| -> Vec<u32> {
        let unsure = |number: &u32| {
            told.iter()
                .any(|told| told.held == *number || told.nacked.contains(number))
        };
        numbers.into_iter().filter(|one| !unsure(one)).collect()
    };
    assert_eq!(confirmed(waiting(&home, &queue, MIB), &[&told]), told.acked);
    consume(&home, &queue, told.acked.drain(..5));
    let again = match killed {
        true => fill(&mut publisher, &queue, 1000),
        false => Told::default(),
    };
    assert!(again.acked.is_empty(), "there was no room");
    disk.again("size=400m");
    publisher.expect(0, &connection::unblocked());
    publish(&mut home.channel(), &queue, 2000..2010, MIB);
    home.restart(End::Kill);
    let there = confirmed(waiting(&home, &queue, MIB), &[&told, &again]);
    assert_eq!(there, [told.acked, (2000..2010).collect()].concat());
}

#[test]
fn a_full_disk_refuses_and_blocks_and_all_goes_on_once_there_is_room() {
    decided!("it needs a disk of its own");
    a_full_disk(false);
}

#[test]
fn a_start_on_a_full_disk_serves_what_is_there() {
    decided!("it needs a disk of its own");
    a_full_disk(true);
}

#[test]
fn publishers_go_on_when_consumers_have_made_room() {
    decided!("it needs a disk of its own");
    let mut home = Home::vacant(&["disk_free_limit.absolute=50MB"]);
    let Some(disk) = Mount::at(&home.data, "-t tmpfs -o size=300m tmpfs") else {
        return;
    };
    home.before = disk.enter();
    home.start();
    let queue = durable_queue(&mut home.channel());
    let mut publisher = home.channel();
    publisher.confirm(1);
    let told = fill(&mut publisher, &queue, 0);
    let count = told.held;
    assert!(told.nacked.is_empty() && count > 50, "{told:?}");
    consume(&home, &queue, told.acked);
    publisher.expect(0, &connection::unblocked());
    publisher.acked_one(1, u64::from(count) + 1);
    publish(&mut home.channel(), &queue, count + 1..count + 10, MIB);
    home.restart(End::Kill);
    assert_eq!(
        waiting(&home, &queue, MIB),
        (count..count + 10).collect::<Vec<_>>()
    );
}

#[test]
fn a_read_only_disk_is_refused_and_can_be_inspected() {
    decided!("it needs a disk of its own");
    let mut home = Home::with(&[]);
    let queue = durable_queue(&mut home.channel());
    publish(&mut home.channel(), &queue, 0..5, 100);
    home.end(End::Kill);
    let data = home.data.display().to_string();
    let words = format!("-o bind,ro '{data}'");
    let Some(disk) = Mount::at(&home.data, &words) else {
        return;
    };
    home.before = disk.enter();
    let refusal = home.refusal();
    assert!(
        refusal.contains(&format!(
            "cannot write in the data directory: {data}: Read-only"
        )),
        "{refusal}"
    );
    let (code, shown) = disk.run(&[env!("CARGO_BIN_EXE_leveret"), "store", "inspect", &data]);
    assert_eq!(code, Some(0), "{shown}");
    assert!(
        shown.contains(&queue) && shown.contains("5 messages"),
        "{shown}"
    );
    home.before.clear();
    home.start();
    assert_eq!(waiting(&home, &queue, 100), (0..5).collect::<Vec<_>>());
}
