//! What a session answers does not depend on how its bytes are cut into reads: random programs, each fed frame by frame with a
//! whole round after every frame, all at once, and in random pieces.
//!
//! Batching may change when a frame leaves, not what is in it. Compared are, for each channel, the answers in order with returned
//! and fetched messages; for each consumer its deliveries in order; and which publishes were confirmed.

mod peer;
mod program;

use std::collections::{BTreeMap, BTreeSet};

use leveret::wire::content::write_content;
use leveret::wire::frame;
use leveret::wire::method;

use self::peer::{Feed, Peer};
use self::program::{Program, Random, method_frame};

/// Programs that are run.
const PROGRAMS: u64 = 300;
/// The first one's seed; the others follow.
const SEED: u64 = 20_000;
/// Phases of a program: what a phase settles is what came in the phases before it.
const PHASES: usize = 12;

/// A method with its content, if it has one: channel, payload of the method, header, body.
pub type Item = (u16, Vec<u8>, Vec<u8>, Vec<u8>);

/// What does not depend on batching.
#[derive(Default)]
struct Seen {
    answers: BTreeMap<u16, Vec<Item>>,
    deliveries: BTreeMap<u16, Vec<Item>>,
    confirmed: BTreeSet<(u16, u64)>,
}

impl Seen {
    /// The first that is not the same.
    fn difference(&self, other: &Self) -> Option<String> {
        for (one, two) in [
            (&self.answers, &other.answers),
            (&self.deliveries, &other.deliveries),
        ] {
            for channel in 0..=program::CHANNELS {
                let one = one.get(&channel).map_or(&[][..], Vec::as_slice);
                let two = two.get(&channel).map_or(&[][..], Vec::as_slice);
                let same = one
                    .iter()
                    .zip(two)
                    .take_while(|(one, two)| one == two)
                    .count();
                if same < one.len().max(two.len()) {
                    let next =
                        |items: &[Item]| show(items.get(same).map_or(&[], std::slice::from_ref));
                    return Some(format!(
                        "channel {channel}, item {same} of {} and {}\n{}{}",
                        one.len(),
                        two.len(),
                        next(one),
                        next(two)
                    ));
                }
            }
        }
        (self.confirmed != other.confirmed)
            .then(|| format!("{:?}\n{:?}", self.confirmed, other.confirmed))
    }
}

fn seen(items: &[Item], acked: &mut BTreeMap<u16, u64>) -> Seen {
    let mut seen = Seen::default();
    for item in items {
        let (channel, payload, ..) = item;
        match method::id(payload) {
            Some(method::BASIC_DELIVER) => {
                seen.deliveries
                    .entry(*channel)
                    .or_default()
                    .push(item.clone());
            }
            Some(method::BASIC_ACK) => {
                let ack = method::parse_ack(payload).expect("an ack");
                let before = acked.entry(*channel).or_default();
                let from = if ack.multiple { *before + 1 } else { ack.tag };
                seen.confirmed
                    .extend((from..=ack.tag).map(|tag| (*channel, tag)));
                *before = ack.tag;
            }
            Some(id) => {
                if id == program::CHANNEL_CLOSE {
                    acked.remove(channel);
                }
                seen.answers.entry(*channel).or_default().push(item.clone());
            }
            None => panic!("not a method"),
        }
    }
    seen
}

fn run(seed: u64) {
    let mut peers = [
        Peer::new(Feed::Frames),
        Peer::new(Feed::Whole),
        Peer::new(Feed::Pieces(Random::new(seed))),
    ];
    let mut acked: [BTreeMap<u16, u64>; 3] = Default::default();
    let mut program = Program::new(seed);
    for phase in 0..PHASES {
        let bytes = program.phase();
        let mut first = None;
        for (peer, acked) in peers.iter_mut().zip(&mut acked) {
            peer.feed(&bytes);
            let items = peer.items();
            let now = seen(&items, acked);
            match &first {
                None => {
                    program.answered(&items);
                    first = Some(now);
                }
                Some(one) => {
                    if let Some(difference) = one.difference(&now) {
                        panic!(
                            "seed {seed}, phase {phase}, {}:\n{}frame by frame, then otherwise:\n{difference}",
                            peer.feed_name(),
                            show(&peer::items(&bytes)),
                        );
                    }
                }
            }
        }
    }
}

#[test]
fn how_bytes_are_cut_into_reads_changes_no_answer() {
    for seed in SEED..SEED + PROGRAMS {
        if std::panic::catch_unwind(|| run(seed)).is_err() {
            panic!("seed {seed} failed");
        }
    }
}

/// `LEVERET_SEED=n` runs one program.
#[test]
fn the_program_of_a_given_seed() {
    if let Some(seed) = std::env::var("LEVERET_SEED")
        .ok()
        .and_then(|seed| seed.parse().ok())
    {
        run(seed);
    }
}

/// Everything after the protocol header, cut into frames.
pub fn frames(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut left = bytes;
    std::iter::from_fn(move || match frame::cut(left, 0) {
        frame::Cut::Whole { used, .. } => {
            let (one, rest) = left.split_at(used);
            left = rest;
            Some(one)
        }
        frame::Cut::Partial { .. } if left.is_empty() => None,
        other => panic!("not frames: {other:?}"),
    })
}

/// A method's payload for people.
fn show(items: &[Item]) -> String {
    let text = |bytes: &[u8]| bytes.escape_ascii().to_string();
    items
        .iter()
        .map(|(channel, payload, header, body)| {
            let id = method::id(payload).unwrap_or(0);
            format!(
                "  {channel}: {}.{} {} | {} | {}\n",
                id >> 16,
                id & 0xffff,
                text(&payload[4..]),
                text(header),
                text(&body[..body.len().min(8)])
            )
        })
        .collect()
}

/// A queue was deleted and declared anew; a publish by a route remembered from before met the old one only when the round's
/// messages were placed, and was sent on behind later messages that knew the new one.
#[test]
fn a_queue_declared_anew_gets_messages_in_order_by_whatever_route() {
    let (publish, queue) = (method::BASIC_PUBLISH, |id: u32| 50 << 16 | id);
    let by_name: [&[u8]; 2] = [b"\0\0", b"\0\x01q\0"];
    let by_topic: [&[u8]; 2] = [b"\0\0", b"\x09amq.topic\x01k\0"];
    let declare = |out: &mut Vec<u8>| {
        method_frame(out, 1, queue(10), &[b"\0\0\x01q\0\0\0\0\0"]);
    };
    let message = |out: &mut Vec<u8>, names: &[&[u8]], body: &[u8]| {
        method_frame(out, 1, publish, names);
        write_content(out, 1, &[0, 0], body, 4096);
    };
    let mut peer = Peer::new(Feed::Whole);
    let mut out = Vec::new();
    method_frame(&mut out, 1, 20 << 16 | 10, &[b"\0"]);
    declare(&mut out);
    message(&mut out, &by_name, b"0");
    method_frame(&mut out, 1, queue(40), &[b"\0\0\x01q\0"]);
    declare(&mut out);
    method_frame(
        &mut out,
        1,
        queue(20),
        &[b"\0\0\x01q\x09amq.topic\x01k\0\0\0\0\0"],
    );
    for (names, body) in [(&by_name, b"1"), (&by_topic, b"2"), (&by_name, b"3")] {
        message(&mut out, names, body);
    }
    for _ in 0..3 {
        method_frame(&mut out, 1, 60 << 16 | 70, &[b"\0\0\x01q\x01"]);
    }
    peer.feed(&out);
    let bodies: Vec<Vec<u8>> = peer
        .items()
        .into_iter()
        .map(|(.., body)| body)
        .filter(|body| !body.is_empty())
        .collect();
    assert_eq!(bodies, [b"1", b"2", b"3"]);
}
