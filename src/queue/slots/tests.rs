//! Slots alone: a map with an order, and a sweep that nobody can see but by the memory it gives back.

use std::collections::{BTreeMap, BTreeSet};

use proptest::collection::vec;
use proptest::prelude::*;

use super::sweep::PIN_SLACK_BYTES;
use super::*;
use crate::message::{CHUNK_BYTES_MAX, ChunkBuilder};

/// Messages of one publisher's rounds; with `others` each shares its chunk with so many that go elsewhere.
fn messages(first: u64, count: u64, len: usize, others: usize) -> Vec<Message> {
    let mut all = Vec::new();
    let mut builder = ChunkBuilder::with_capacity(CHUNK_BYTES_MAX);
    let mut drafts = Vec::new();
    for number in first..first + count {
        let key = number.to_string();
        let names = [&[0, key.len() as u8], key.as_bytes()].concat();
        let body = vec![number as u8; len];
        if !builder.fits(ChunkBuilder::size(names.len(), 2, len)) {
            let fresh = ChunkBuilder::with_capacity(CHUNK_BYTES_MAX);
            let full = std::mem::replace(&mut builder, fresh).seal();
            all.extend(drafts.drain(..).map(|draft| full.message(&draft)));
        }
        drafts.push(builder.push(&names, &[0, 0], false, &body));
        for _ in 0..others {
            if builder.fits(ChunkBuilder::size(2, 2, 4000)) {
                builder.push(&[0, 0], &[0, 0], false, &[0; 4000]);
            }
        }
    }
    let sealed = builder.seal();
    all.extend(drafts.iter().map(|draft| sealed.message(draft)));
    all
}

/// Names, properties, body.
type Content = (Vec<u8>, Vec<u8>, Vec<u8>);

fn content(message: &Message) -> Content {
    (
        message.names().to_vec(),
        message.properties().to_vec(),
        message.body().to_vec(),
    )
}

/// Bytes of all chunks that the messages keep alive.
fn pinned(slots: &Slots) -> usize {
    let chunks: BTreeSet<(usize, usize)> = slots
        .each()
        .filter_map(|(_, slot)| slot.message.as_ref().map(Message::pins))
        .collect();
    chunks.iter().map(|(_, bytes)| bytes).sum()
}

fn sweep_all(slots: &mut Slots) -> usize {
    let mut sweeps = 0;
    while slots.wants_sweep() {
        slots.sweep(1000);
        sweeps += 1;
        assert!(sweeps < 100, "a sweep that never ends");
    }
    sweeps
}

/// The sweep after a shrink began anew with each step, looked at the first 1000 messages for ever, and freed nothing.
#[test]
fn stragglers_of_a_long_queue_do_not_hold_the_chunks_of_those_that_left() {
    let mut slots = Slots::default();
    for message in messages(0, 20_000, 1000, 0) {
        slots.push(message, u64::MAX);
    }
    assert!(!slots.wants_sweep(), "full chunks are as they should be");
    for sequence in 0..20_000 {
        slots.take_ready(sequence);
    }
    for sequence in (0..20_000).filter(|sequence| sequence % 50 != 0) {
        slots.remove(sequence);
    }
    let before: Vec<_> = slots
        .each()
        .map(|(sequence, slot)| (sequence, slot.message.as_ref().map(content)))
        .collect();
    assert!(pinned(&slots) > 19_000_000);
    let sweeps = sweep_all(&mut slots);
    assert!(sweeps <= 21, "{sweeps} sweeps");
    assert!(pinned(&slots) < 800_000, "{} bytes", pinned(&slots));
    let after: Vec<_> = slots
        .each()
        .map(|(sequence, slot)| (sequence, slot.message.as_ref().map(content)))
        .collect();
    assert!(before == after);
    slots.check();
}

#[test]
fn a_queue_that_gets_one_message_of_each_chunk_does_not_hold_the_chunks() {
    let mut slots = Slots::default();
    for number in 0..1000 {
        for message in messages(number, 1, 100, 15) {
            slots.push(message, u64::MAX);
        }
        if slots.wants_sweep() {
            slots.sweep(1000);
        }
    }
    assert!(pinned(&slots) < 2 * PIN_SLACK_BYTES, "{}", pinned(&slots));
}

#[derive(Clone, Debug)]
enum Op {
    Push(u64, usize, usize),
    /// Takes so many of the oldest ready ones.
    Take(usize),
    /// Puts those back that the mask means, of the ones taken.
    PutBack(u64),
    /// Settles those that the mask means.
    Remove(u64),
    Sweep(usize),
    TakeAll,
    /// So many never-taken messages become cold: the tail's first, the front's last, or some in the middle.
    Evict(u8, usize),
    /// So many cold ones come back.
    Load(usize),
    /// So many cold ones cannot be read.
    Lose(usize),
    DropCold,
    /// Bytes of taken messages leave memory and come back.
    Body(u64),
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        6 => (1..150u64, 0..300usize, 0..16usize).prop_map(|(count, len, others)| Op::Push(count, len, others)),
        6 => (0..300usize).prop_map(Op::Take),
        3 => any::<u64>().prop_map(Op::PutBack),
        6 => prop_oneof![any::<u64>(), Just(u64::MAX), Just(u64::MAX - 1)].prop_map(Op::Remove),
        4 => (0..1000usize).prop_map(Op::Sweep),
        1 => Just(Op::TakeAll),
        8 => (0..3u8, 1..300usize).prop_map(|(place, count)| Op::Evict(place, count)),
        6 => (1..300usize).prop_map(Op::Load),
        1 => (1..100usize).prop_map(Op::Lose),
        1 => Just(Op::DropCold),
        1 => any::<u64>().prop_map(Op::Body),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn slots_are_a_map_in_order(ops in vec(op(), 1..60)) {
        let mut slots = Slots::default();
        // The content of each, and whether it is ready.
        let mut model: BTreeMap<u64, (Content, bool)> = BTreeMap::new();
        // What lies on disk alone.
        let mut disk: BTreeMap<u64, Message> = BTreeMap::new();
        let mut next = 0;
        let mut lost_some = false;
        for op in ops {
            match op {
                Op::Push(count, len, others) => {
                    for message in messages(next, count, len, others) {
                        let was = content(&message);
                        prop_assert_eq!(slots.push(message, u64::MAX), next);
                        model.insert(next, (was, true));
                        next += 1;
                    }
                }
                Op::Take(count) => {
                    for _ in 0..count {
                        let first = model.iter_mut().find(|(_, (_, ready))| *ready);
                        let first = first.filter(|(sequence, _)| !disk.contains_key(sequence));
                        prop_assert_eq!(slots.first_ready(), first.as_ref().map(|(sequence, _)| **sequence));
                        let Some((sequence, (_, ready))) = first else { break };
                        slots.take_ready(*sequence);
                        *ready = false;
                    }
                }
                Op::PutBack(mask) => {
                    for (sequence, (_, ready)) in &mut model {
                        if !*ready && mask >> (sequence % 64) & 1 == 1 {
                            slots.put_back(*sequence, Back::Unsent);
                            *ready = true;
                        }
                    }
                }
                Op::Remove(mask) => {
                    let settled: Vec<u64> = model
                        .iter()
                        .filter(|(sequence, (_, ready))| !*ready && mask >> (*sequence % 64) & 1 == 1)
                        .map(|(sequence, _)| *sequence)
                        .collect();
                    for sequence in settled {
                        let (was, _) = model.remove(&sequence).expect("just found");
                        let message = slots.remove(sequence).expect("it is there");
                        prop_assert_eq!(content(&message), was);
                        prop_assert!(slots.remove(sequence).is_none() && slots.get_mut(sequence).is_none());
                    }
                }
                Op::Sweep(steps) => drop(slots.sweep(steps)),
                Op::TakeAll => {
                    drop(slots.take_all());
                    model.clear();
                    disk.clear();
                }
                Op::Evict(place, count) => {
                    let range = match (place, slots.cold()) {
                        (0, Some(cold)) => (cold.end, next.min(cold.end + count as u64)),
                        (1, Some(cold)) => {
                            let front: Vec<u64> = slots.front().map(|(sequence, _)| sequence).collect();
                            (front[front.len() - count.min(front.len())..].first().copied().unwrap_or(cold.first), cold.first)
                        }
                        (_, None) => {
                            let front: Vec<u64> = slots.front().map(|(sequence, _)| sequence).collect();
                            let from = front.get(count / 2).copied().unwrap_or(next);
                            (from, next.min(from + count as u64))
                        }
                        _ => continue,
                    };
                    let leaving: Vec<(u64, Message)> = slots
                        .each()
                        .filter(|(sequence, _)| (range.0..range.1).contains(sequence))
                        .map(|(sequence, slot)| (sequence, slot.message.clone().expect("never taken")))
                        .collect();
                    match slots.evict(range.0, range.1) {
                        Some(evicted) => {
                            prop_assert_eq!(evicted.count, leaving.len());
                            disk.extend(leaving);
                        }
                        None => prop_assert!(range.0 >= range.1),
                    }
                }
                Op::Load(count) => {
                    for _ in 0..count {
                        let Some((sequence, message)) = disk.pop_first() else { break };
                        prop_assert!(slots.load(sequence, Slot::ready(message, u64::MAX)));
                        prop_assert!(slots.first_ready().is_some());
                    }
                }
                Op::Lose(count) => {
                    let lost: Vec<u64> = disk.keys().copied().take(count).collect();
                    let Some(last) = lost.last() else { continue };
                    slots.pass_over(last + 1, lost.len());
                    lost_some = true;
                    for sequence in &lost {
                        disk.remove(sequence);
                        model.remove(sequence);
                    }
                }
                Op::DropCold => {
                    let dropped = slots.drop_cold();
                    prop_assert_eq!(dropped.map_or(0, |range| range.count), disk.len());
                    for sequence in std::mem::take(&mut disk).keys() {
                        model.remove(sequence);
                    }
                }
                Op::Body(mask) => {
                    let taken: Vec<u64> = slots.taken(0).map(|(sequence, _)| sequence).collect();
                    for sequence in taken.into_iter().filter(|sequence| mask >> (sequence % 64) & 1 == 1) {
                        let message = slots.drop_body(sequence).expect("it has its bytes");
                        slots.check();
                        slots.give_back(sequence, message);
                    }
                }
            }
            let bytes: u64 = disk.values().map(|message| message.body_len() as u64).sum();
            prop_assert_eq!(slots.cold().map(|cold| cold.count), (!disk.is_empty()).then_some(disk.len()));
            // Nobody knows the size of what could not be read; it is forgotten with the range.
            let known = slots.cold_bytes();
            prop_assert!(known == bytes || (known > bytes && lost_some));
            lost_some &= !disk.is_empty();
            slots.check();
            prop_assert_eq!((slots.live(), slots.next_sequence()), (model.len(), next));
            let mut expected = model.iter().filter(|(sequence, _)| !disk.contains_key(sequence));
            for (sequence, slot) in slots.each() {
                let (wanted, (was, _)) = expected.next().expect("no message too many");
                prop_assert_eq!(sequence, *wanted);
                prop_assert!(slot.message.as_ref().map(content).as_ref() == Some(was), "{sequence} has changed");
            }
            prop_assert!(expected.next().is_none());
        }
        sweep_all(&mut slots);
    }
}
