//! The journal on a disk that fails on demand: what is due when, where things go after a failure, what a restart finds.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Wake, Waker};

use super::*;
use crate::message::{Message, SealedChunk};
use crate::store::faulty::{FaultyDisk, Operation};
use crate::store::ledger::Ledger;
use crate::store::record::{Kind, Run, write};
use crate::store::recovery::{Recovered, recover};

const QUEUE: u64 = 7;
const SMALL: Settings = Settings {
    file_bytes: 16 << 10,
    window_bytes: 64 << 10,
    reserve: 2,
};

fn chunk(body: &[u8]) -> SealedChunk {
    Message::new(b"", b"key", &[0x10, 0, 2], body).chunk()
}

/// A journal with one queue defined.
fn begin(disk: &FaultyDisk) -> Arc<Journal> {
    let found = recover(&disk.shared(), false).expect("a sound disk");
    let journal = Journal::open(disk.shared(), found.opening, SMALL).unwrap();
    let mut records = Vec::new();
    write::define(&mut records, Kind::Queue, b"queue", &QUEUE.to_le_bytes());
    journal.append(&records, Urgency::Synced);
    run(&journal, 0);
    journal
}

/// Steps until there is nothing to do at this time.
fn run(journal: &Journal, now: u64) -> Wait {
    loop {
        match journal.step(now) {
            Wait::Work => {}
            wait => return wait,
        }
    }
}

/// Places a message as sequence number `sequence`; its receipt, and where it lies.
fn place(journal: &Journal, sequence: u64, body: &[u8], urgency: Urgency) -> (Receipt, Run) {
    let chunk = chunk(body);
    let linked = journal.link(&chunk);
    let run = Run {
        position: linked.position,
        length: linked.length,
        start: 0,
        count: 1,
        bodies: body.len() as u32,
        flags: 2,
    };
    let mut records = Vec::new();
    write::place(&mut records, QUEUE, sequence, 5, None, &[run]);
    let append = journal.append(&records, urgency);
    (Receipt::of(append, urgency), run)
}

fn body_of(journal: &Journal, run: Run) -> Vec<u8> {
    let chunk = journal.read(run.position, run.length).expect("it is there");
    chunk
        .message_at(run.start, run.flags)
        .unwrap()
        .body()
        .to_vec()
}

fn found(disk: &FaultyDisk) -> (Recovered, Vec<u64>) {
    let found = recover(&disk.shared(), false).expect("no damage");
    let sequences = found.queues.get(&QUEUE).map(live).unwrap_or_default();
    (found, sequences)
}

fn live(ledger: &Ledger) -> Vec<u64> {
    ledger
        .pieces(0, u64::MAX)
        .flat_map(|piece| {
            let first = piece.first;
            (0..piece.run.count)
                .filter(move |at| piece.is_live(*at))
                .map(move |at| first + u64::from(at))
        })
        .collect()
}

#[derive(Default)]
struct Counter(AtomicUsize);

impl Wake for Counter {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

#[test]
fn a_receipt_is_due_once_its_level_is_reached() {
    let disk = FaultyDisk::seeded(1);
    let journal = begin(&disk);
    let (written, _) = place(&journal, 1, b"one", Urgency::Written);
    assert_eq!(journal.is_due(written), Due::No);
    assert!(matches!(journal.step(1000), Wait::Until(1200)));
    assert_eq!(journal.is_due(written), Due::Yes);
    assert!(!disk.is_synced());
    let (synced, _) = place(&journal, 2, b"two", Urgency::Synced);
    let both = written.max(synced);
    assert_eq!(journal.is_due(both), Due::No);
    run(&journal, 1001);
    assert_eq!(journal.is_due(both), Due::Yes);
    assert!(disk.is_synced());
    assert!(both.covers(written) && both.covers(synced) && !written.covers(synced));
    assert_eq!(journal.is_due(Receipt::NOTHING), Due::Yes);
}

#[test]
fn a_dirty_tail_is_synced_soon_though_nobody_waits() {
    let disk = FaultyDisk::seeded(1);
    let journal = begin(&disk);
    let mut records = Vec::new();
    write::settle(&mut records, QUEUE, std::slice::from_ref(&(1..2)));
    journal.append(&records, Urgency::Lazy);
    let work = disk.work();
    assert_eq!(journal.step(1000), Wait::Until(1200));
    assert_eq!(journal.step(1100), Wait::Until(1200));
    assert_eq!(disk.work(), work, "a settle alone is not hurried");
    assert_eq!(run(&journal, 1200), Wait::Forever);
    assert!(disk.is_synced() && disk.work() != work);
    let work = disk.work();
    assert_eq!(run(&journal, 99_000), Wait::Forever);
    assert_eq!(disk.work(), work, "an idle journal writes nothing");
}

#[test]
fn files_follow_each_other_and_all_of_them_are_found() {
    let disk = FaultyDisk::seeded(1);
    let journal = begin(&disk);
    let body = |sequence: u64| vec![sequence as u8; 5000];
    let runs: Vec<Run> = (1..30)
        .map(|sequence| {
            let (receipt, placed) = place(&journal, sequence, &body(sequence), Urgency::Synced);
            run(&journal, sequence);
            assert_eq!(journal.is_due(receipt), Due::Yes);
            placed
        })
        .collect();
    assert!(journal.files().all().len() > 5);
    for (sequence, placed) in (1..).zip(&runs) {
        assert_eq!(body_of(&journal, *placed), body(sequence));
    }
    let disk = disk.crash();
    let (found, sequences) = found(&disk);
    assert_eq!(sequences, (1..30).collect::<Vec<_>>());
    assert!(found.report.is_empty() && !found.clean);
    let again = Journal::open(disk.shared(), found.opening, SMALL).unwrap();
    assert_eq!(body_of(&again, runs[17]), body(18));
    assert!(found.next_id > QUEUE);
}

/// Whichever operation fails first: what is confirmed is there, in the next life as well.
#[test]
fn after_a_failure_the_journal_goes_on_in_another_file() {
    for operation in [Operation::Write, Operation::Sync, Operation::SyncNames] {
        for skip in 0..4 {
            let disk = FaultyDisk::seeded(skip);
            let journal = begin(&disk);
            let mut confirmed = Vec::new();
            let mut runs = Vec::new();
            disk.fail(operation, skip, 1);
            for sequence in 1..8 {
                let (receipt, placed) = place(&journal, sequence, &[9; 6000], Urgency::Synced);
                run(&journal, sequence);
                assert_eq!(journal.is_due(receipt), Due::Yes, "{operation:?} {skip}");
                confirmed.push(sequence);
                runs.push(placed);
            }
            assert!(!journal.has_failed());
            for placed in runs {
                assert_eq!(body_of(&journal, placed), [9; 6000]);
            }
            let (_, sequences) = found(&disk.crash());
            assert_eq!(sequences, confirmed, "{operation:?} {skip}");
        }
    }
}

#[test]
fn what_cannot_be_written_is_lost_until_it_can() {
    let disk = FaultyDisk::seeded(1);
    let journal = begin(&disk);
    disk.fail(Operation::Sync, 0, 1000);
    let (receipt, _) = place(&journal, 1, b"one", Urgency::Synced);
    let counter = Arc::new(Counter::default());
    journal.wait(receipt, &Waker::from(Arc::clone(&counter)));
    assert_eq!(run(&journal, 1000), Wait::Until(2000));
    assert_eq!(journal.is_due(receipt), Due::Lost);
    assert_eq!(counter.0.load(Ordering::Relaxed), 1);
    assert!(journal.has_failed());
    let (later, _) = place(&journal, 2, b"two", Urgency::Synced);
    assert_eq!(journal.is_due(later), Due::No);
    assert_eq!(journal.step(1500), Wait::Until(2000));
    assert_eq!(journal.step(2000), Wait::Until(3000));
    assert_eq!(journal.is_due(later), Due::Lost);
    disk.heal();
    run(&journal, 3000);
    assert!(!journal.has_failed());
    assert_eq!(journal.is_due(later), Due::Yes);
    assert_eq!(found(&disk.crash()).1, [1, 2]);
}

#[test]
fn a_full_disk_leaves_the_reserve_and_then_blocks() {
    let disk = FaultyDisk::seeded(1);
    let journal = begin(&disk);
    let mut sequence = 0;
    let mut next = |journal: &Journal| {
        sequence += 1;
        let (receipt, _) = place(journal, sequence, &[3; 4000], Urgency::Synced);
        run(journal, sequence * 10_000);
        journal.is_due(receipt)
    };
    for _ in 0..8 {
        assert_eq!(next(&journal), Due::Yes);
    }
    disk.set_capacity(disk.used_bytes());
    let mut more = 0;
    while next(&journal) == Due::Yes {
        more += 1;
    }
    // Two files of the reserve, and what was left of the last one.
    assert!((3..16).contains(&more), "{more}");
    assert!(journal.has_failed());
    disk.heal();
    assert_eq!(next(&journal), Due::Yes);
    let (_, sequences) = found(&disk.crash());
    assert_eq!(sequences.len() as u64, sequence);
}

#[test]
fn publishers_are_held_while_the_window_is_full() {
    let disk = FaultyDisk::seeded(1);
    let journal = begin(&disk);
    for sequence in 1..=20 {
        place(&journal, sequence, &[1; 4000], Urgency::Synced);
    }
    assert!(journal.is_congested());
    let counter = Arc::new(Counter::default());
    journal.wait_for_room(&Waker::from(Arc::clone(&counter)));
    assert_eq!(counter.0.load(Ordering::Relaxed), 0);
    run(&journal, 1);
    assert_eq!(counter.0.load(Ordering::Relaxed), 1);
    assert!(!journal.is_congested());
}

#[test]
fn a_file_is_dead_when_no_lease_is_left_and_is_used_again() {
    let disk = FaultyDisk::seeded(1);
    let journal = begin(&disk);
    let mut leases = Vec::new();
    for sequence in 1..12 {
        let (_, placed) = place(&journal, sequence, &[7; 5000], Urgency::Synced);
        leases.push(journal.files().lease(placed.position));
        run(&journal, sequence);
    }
    let dead = |journal: &Journal| {
        let all = journal.files().all();
        all.into_iter().filter(|file| file.dead).collect::<Vec<_>>()
    };
    assert!(
        dead(&journal).iter().all(|file| file.number == 1),
        "the definition's file has no bodies"
    );
    leases.truncate(8);
    let before = dead(&journal).len();
    leases.clear();
    let all = dead(&journal);
    assert!(all.len() > before);
    for file in &all {
        match journal.files().forget(file.base) {
            Some(number) => journal.recycle(number).unwrap(),
            None => assert!(file.end.is_none(), "only what is still written is kept"),
        }
    }
    let names = disk.list().unwrap();
    assert!(names.iter().any(|name| name.starts_with("spare-")));
    // What a recycled file held does not come back.
    for sequence in 12..20 {
        place(&journal, sequence, &[8; 5000], Urgency::Synced);
        run(&journal, sequence);
    }
    assert!(disk.list().unwrap().len() <= names.len() + 2);
}

#[test]
fn nothing_is_due_that_a_crash_can_take() {
    for seed in 0..300 {
        let disk = FaultyDisk::seeded(seed);
        let journal = begin(&disk);
        let mut receipts = Vec::new();
        for sequence in 1..=seed % 17 + 1 {
            let body = vec![sequence as u8; (seed * 37 % 6000) as usize];
            let (receipt, _) = place(&journal, sequence, &body, Urgency::Synced);
            receipts.push((sequence, receipt));
            if (seed + sequence) % 3 == 0 {
                run(&journal, sequence);
            }
        }
        let due: Vec<u64> = receipts
            .iter()
            .filter(|(_, receipt)| journal.is_due(*receipt) == Due::Yes)
            .map(|(sequence, _)| *sequence)
            .collect();
        // Some of the rest is under way when the power goes.
        disk.cut_power_after(seed % 4);
        journal.step(99);
        let (_, sequences) = found(&disk.crash());
        assert!(
            sequences.starts_with(&due),
            "seed {seed}: {due:?} of {sequences:?}"
        );
    }
}
