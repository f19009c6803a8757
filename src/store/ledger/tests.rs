//! A ledger against a naive map, its bytes, and what it costs.

use std::collections::BTreeMap;
use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::store::files::Files;

#[derive(Clone, Debug)]
enum Step {
    Place(u32, u64),
    /// So many runs of one message each.
    PlaceMany(usize),
    Settle(usize),
    SettleRange(u64, u64),
    Requeue(usize),
    RequeueRange(u64, u64),
    Move(usize),
    Recode,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => (1u32..130, 0u64..3).prop_map(|(count, gap)| Step::Place(count, gap)),
        1 => (1usize..700).prop_map(Step::PlaceMany),
        8 => prop_oneof![0usize..400, 0usize..10_000].prop_map(Step::Settle),
        1 => (0u64..3000, 0u64..1000).prop_map(|(from, len)| Step::SettleRange(from, len)),
        1 => (0usize..4000).prop_map(Step::Requeue),
        1 => (0u64..3000, 0u64..1000).prop_map(|(from, len)| Step::RequeueRange(from, len)),
        1 => (0usize..2000).prop_map(Step::Move),
        1 => Just(Step::Recode),
    ]
}

fn run(position: u64, count: u32) -> Run {
    Run {
        position,
        length: 16 + count * 30,
        start: 0,
        count,
        bodies: count * 10,
        flags: 2,
    }
}

proptest! {
    /// A map of sequence number to position says the same.
    #[test]
    fn a_ledger_is_a_map_of_what_is_not_settled(steps in prop::collection::vec(step(), 1..80)) {
        let files = Files::default();
        files.add(1, 0, &Arc::default());
        let mut ledger = Ledger::default();
        let mut model: BTreeMap<u64, u64> = BTreeMap::new();
        let mut returned: BTreeMap<u64, u32> = BTreeMap::new();
        let (mut next, mut position) = (5, 1000);
        for step in steps {
            let nth = |index: usize| model.keys().nth(index % model.len().max(1)).copied();
            match step {
                Step::Place(count, gap) => {
                    next += gap;
                    position += 1000;
                    let lease = files.lease(position).unwrap();
                    ledger.place(next, run(position, count), 7, None, lease);
                    model.extend((next..next + u64::from(count)).map(|sequence| (sequence, position)));
                    next += u64::from(count);
                }
                Step::PlaceMany(count) => for _ in 0..count {
                    position += 100;
                    let lease = files.lease(position).unwrap();
                    ledger.place(next, run(position, 1), next / 100, None, lease);
                    model.insert(next, position);
                    next += 1;
                },
                Step::Settle(index) => if let Some(sequence) = nth(index) {
                    model.remove(&sequence);
                    returned.remove(&sequence);
                    settle(&mut ledger, sequence);
                    settle(&mut ledger, sequence);
                },
                Step::SettleRange(from, len) => {
                    model.retain(|sequence, _| !(from..from + len).contains(sequence));
                    returned.retain(|sequence, _| !(from..from + len).contains(sequence));
                    ledger.settle_range(from..from + len);
                }
                Step::Requeue(index) => if let Some(sequence) = nth(index) {
                    *returned.entry(sequence).or_default() += 1;
                    ledger.requeue(sequence);
                },
                Step::RequeueRange(from, len) => {
                    for sequence in model.range(from..from + len).map(|(sequence, _)| *sequence) {
                        *returned.entry(sequence).or_default() += 1;
                    }
                    ledger.requeue_range(from..from + len);
                }
                Step::Move(index) => {
                    let pieces: Vec<Piece> = ledger.pieces(0, u64::MAX).collect();
                    let Some(piece) = pieces.get(index % pieces.len().max(1)) else { continue };
                    position += 1000;
                    // Each live message becomes a run of its own.
                    let items: Vec<(u64, Run)> = (0..piece.run.count)
                        .filter(|at| piece.is_live(*at))
                        .map(|at| (piece.first + u64::from(at), run(position, 1)))
                        .collect();
                    for (sequence, _) in &items {
                        model.insert(*sequence, position);
                    }
                    let lease = files.lease(position).unwrap();
                    prop_assert!(items.len() < 2 || !ledger.moved(&items[1..], &lease));
                    prop_assert!(ledger.moved(&items, &lease));
                }
                Step::Recode => {
                    let mut bytes = Vec::new();
                    ledger.encode(&mut bytes);
                    let mut rest = bytes.as_slice();
                    ledger = Ledger::decode(&mut rest, &files, false).expect("what was encoded").0;
                    prop_assert!(rest.is_empty());
                    for end in (0..bytes.len()).step_by(1 + bytes.len() / 100) {
                        prop_assert!(Ledger::decode(&mut &bytes[..end], &files, false).is_none());
                    }
                }
            }
            prop_assert_eq!(ledger.live(), model.len() as u64);
            prop_assert_eq!(ledger.first(), model.keys().next().copied());
            let mut found = BTreeMap::new();
            for piece in ledger.pieces(0, u64::MAX) {
                let live: Vec<u32> = (0..piece.run.count).filter(|at| piece.is_live(*at)).collect();
                prop_assert_eq!(live.len() as u32, piece.live);
                found.extend(live.into_iter().map(|at| (piece.first + u64::from(at), piece.run.position)));
            }
            prop_assert_eq!(&found, &model);
            for sequence in (0..next).step_by(1 + next as usize / 500) {
                prop_assert_eq!(ledger.is_live(sequence), model.contains_key(&sequence));
                prop_assert_eq!(ledger.returned(sequence), returned.get(&sequence).copied().unwrap_or(0));
            }
        }
    }
}

fn settle(ledger: &mut Ledger, sequence: u64) {
    ledger.settle_range(sequence..sequence + 1);
}

fn lease(files: &Files) -> Lease {
    files.lease(1000).expect("the file is there")
}

/// The format is on disks: these bytes never change.
#[test]
fn the_bytes_of_a_ledger() {
    let files = Files::default();
    files.add(1, 0, &Arc::default());
    let mut ledger = Ledger::default();
    let first = Run {
        position: 1000,
        length: 100,
        start: 0,
        count: 2,
        bodies: 20,
        flags: 1,
    };
    let second = Run {
        position: 1164,
        start: 20,
        count: 3,
        ..first
    };
    ledger.place(5, first, 1000, None, lease(&files));
    ledger.place(7, second, 1001, Some(60), lease(&files));
    settle(&mut ledger, 8);
    ledger.requeue(5);
    ledger.attend();
    let mut bytes = Vec::new();
    ledger.encode(&mut bytes);
    let expected = [
        &[10, 0, 1][..],
        // Returned: 5..6, once.
        &[1, 5, 1, 1],
        // Spans: gap, position, length, time, message flags; count, bodies.
        &[2, 1 | 2 | 4 | 16 | 64, 5, 0xD0, 15, 100, 0xD0, 15, 1, 2, 20],
        // Position 64 on, start, time 1 on, TTL, one hole in one word; count, bodies.
        &[
            2 | 8 | 16 | 32 | 128,
            0x80,
            1,
            20,
            2,
            61,
            0,
            1,
            1,
            2,
            0,
            0,
            0,
            0,
            0,
            0,
            0,
            3,
            20,
        ],
    ]
    .concat();
    assert_eq!(bytes, expected);
    let (read, missing) = Ledger::decode(&mut bytes.as_slice(), &files, false).expect("a ledger");
    assert_eq!((read.live(), missing, read.returned(5)), (4, 0, 1));
    let pieces: Vec<Piece> = read.pieces(0, u64::MAX).collect();
    assert_eq!((pieces[0].run, pieces[1].run), (first, second));
    assert_eq!((pieces[1].time_ms, pieces[1].ttl_ms), (1001, Some(60)));
}

#[test]
fn no_bytes_panic() {
    let files = Files::default();
    files.add(1, 0, &Arc::default());
    let mut ledger = Ledger::default();
    for number in 0..4 {
        ledger.place(
            1 + number * 9,
            run(1000 + number * 400, 9),
            5,
            Some(number),
            lease(&files),
        );
    }
    settle(&mut ledger, 3);
    settle(&mut ledger, 10);
    ledger.requeue_range(2..30);
    let mut bytes = Vec::new();
    ledger.encode(&mut bytes);
    for at in 0..bytes.len() {
        for value in 0..=255 {
            let mut broken = bytes.clone();
            broken[at] = value;
            for lossy in [false, true] {
                if let Some((mut read, _)) = Ledger::decode(&mut broken.as_slice(), &files, lossy) {
                    read.requeue_range(0..u64::MAX);
                    read.settle_range(5..20);
                    assert_eq!(
                        read.pieces(0, u64::MAX)
                            .map(|piece| u64::from(piece.live))
                            .sum::<u64>(),
                        read.live()
                    );
                }
            }
        }
    }
}

/// A dense backlog costs a checkpoint about eight bytes a span, however far it has come.
#[test]
fn a_span_takes_about_eight_bytes_on_disk() {
    let files = Files::default();
    files.add(1, 0, &Arc::default());
    let mut ledger = Ledger::default();
    let mut position = 40 << 30;
    for number in 0..1000u64 {
        let run = Run {
            position,
            length: 1100 + (number % 7) as u32,
            start: 0,
            count: 1,
            bodies: 1024,
            flags: 1,
        };
        ledger.place(
            50_000_000 + number,
            run,
            1_700_000_000_000 + number,
            None,
            lease(&files),
        );
        position += u64::from(run.length) + 96;
    }
    let mut bytes = Vec::new();
    ledger.encode(&mut bytes);
    assert!(bytes.len() < 10_000, "{}", bytes.len());
}

#[test]
fn a_queue_without_persistent_messages_pays_nothing() {
    let mut ledger = Ledger::default();
    for sequence in 0..1000 {
        settle(&mut ledger, sequence);
        ledger.requeue(sequence);
    }
    ledger.settle_range(0..u64::MAX);
    assert!(ledger.is_empty() && ledger.first().is_none());
    assert_eq!((ledger.sheaves.capacity(), ledger.returned.len()), (0, 0));
}

#[test]
fn a_file_is_let_go_with_its_last_message() {
    let files = Files::default();
    files.found(1, 0, 2000);
    files.found(2, 2000, 4000);
    let mut ledger = Ledger::default();
    ledger.place(1, run(1000, 3), 0, None, files.lease(1000).unwrap());
    ledger.place(4, run(3000, 1), 0, None, files.lease(3000).unwrap());
    let dead = || files.all().iter().map(|file| file.dead).collect::<Vec<_>>();
    settle(&mut ledger, 2);
    settle(&mut ledger, 1);
    assert_eq!(dead(), [false, false]);
    settle(&mut ledger, 3);
    assert_eq!(dead(), [true, false]);
    assert_eq!(ledger.first(), Some(4));
    settle(&mut ledger, 4);
    assert_eq!(dead(), [true, true]);
}

#[test]
fn what_may_have_been_delivered_before() {
    let files = Files::default();
    files.add(1, 0, &Arc::default());
    let placed = || {
        let mut ledger = Ledger::default();
        ledger.place(1, run(1000, 3), 0, None, lease(&files));
        ledger
    };
    // Nobody has looked at it.
    let mut ledger = placed();
    ledger.wake_up(false);
    assert!(!ledger.was_delivered(1));
    // A crash while somebody did: any of them, but none that comes afterwards.
    assert!(ledger.attend() && !ledger.attend());
    ledger.wake_up(false);
    ledger.place(4, run(2000, 1), 0, None, lease(&files));
    assert!(ledger.was_delivered(3) && !ledger.was_delivered(4));
    // After a clean stop: those that came back.
    let mut ledger = placed();
    ledger.attend();
    ledger.requeue(2);
    ledger.wake_up(true);
    assert!(!ledger.was_delivered(1) && ledger.was_delivered(2));
}

/// A backlog of single messages once took 64 bytes each.
#[test]
fn a_backlog_of_single_messages_is_bound() {
    let files = Files::default();
    files.found(1, 0, 1 << 20);
    files.found(2, 1 << 20, 1 << 40);
    let mut ledger = Ledger::default();
    for number in 0..100_000u64 {
        let position = 1000 + 160 * number;
        let lease = files.lease(position).unwrap();
        ledger.place(1 + number, run(position, 1), number / 3, None, lease);
    }
    let loose = |ledger: &Ledger| {
        let live = ledger.sheaves.iter().filter(|sheaf| sheaf.live > 0);
        live.filter(|sheaf| sheaf.is_loose()).count()
    };
    assert!(loose(&ledger) <= 3);
    let bytes: usize = ledger.sheaves.iter().map(Sheaf::memory).sum();
    assert!(bytes < 12 * 100_000, "{bytes}");
    // Whoever settles here and there loosens a few, and only for a while.
    for number in 0..100_000u64 {
        settle(&mut ledger, 1 + number * 7919 % 100_000);
        assert!(loose(&ledger) <= LOOSE_MAX + 4);
        if number == 50_000 {
            assert!(ledger.spans() <= 50_000 + SPENT_MAX);
        }
    }
    assert!(ledger.is_empty() && files.all().iter().all(|file| file.dead));
}

/// What a stream of a hundred million messages asks when a reader names a time. How long a look takes is printed.
#[test]
fn a_time_is_found_among_a_hundred_million_messages() {
    let files = Files::default();
    files.add(1, 0, &Arc::default());
    let mut ledger = Ledger::default();
    let (runs, each) = (1_700_000u64, 60u64);
    for at in 0..runs {
        let position = 1000 + at * 2000;
        let lease = files.lease(position).unwrap();
        // Ten runs a millisecond, and one millisecond in ten without any.
        let time_ms = at / 10 + at / 100;
        ledger.place(at * each, run(position, each as u32), time_ms, None, lease);
    }
    ledger.settle_range(0..6000);
    let begun = std::time::Instant::now();
    let times: Vec<u64> = (0..1000).map(|at| at * 187).collect();
    let found: Vec<u64> = times.iter().map(|time| ledger.since(*time)).collect();
    println!("{:?} a look", begun.elapsed() / 1000);
    for (time_ms, found) in times.into_iter().zip(found) {
        // The times of runs go up: those around the one that was found tell whether it is the first.
        let at = found / each;
        let came = |at: u64| at / 10 + at / 100;
        assert!(at == runs || came(at) >= time_ms, "{time_ms}");
        assert!(at == 100 || came(at - 1) < time_ms, "{time_ms}");
    }
    assert_eq!(ledger.since(0), 6000);
    assert_eq!(ledger.since(u64::MAX), runs * each);
}
