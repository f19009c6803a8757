//! Every way in which a disk can be wrong, against journals that the journal itself has written.

use std::io::IoSlice;

use super::*;
use crate::message::ChunkBuilder;
use crate::store::block::{BLOCK_HEAD, BlockHead, FileHeader, HEADER_BYTES};
use crate::store::checkpoint::Draft;
use crate::store::disk::Open;
use crate::store::faulty::FaultyDisk;
use crate::store::record::{Run, write};
use crate::store::{Journal, Settings, Urgency, Wait};

const QUEUE: u64 = 7;

/// A life of the process on a disk.
struct Life {
    disk: FaultyDisk,
    journal: Arc<Journal>,
    next: u64,
    now: u64,
}

impl Life {
    fn begin(disk: &FaultyDisk, file_bytes: u64) -> Self {
        let found = recover(&disk.shared(), false).expect("a sound disk");
        Self::go_on(disk, found, file_bytes)
    }

    fn go_on(disk: &FaultyDisk, found: Recovered, file_bytes: u64) -> Self {
        let settings = Settings {
            file_bytes,
            ..Settings::default()
        };
        let next = found
            .queues
            .get(&QUEUE)
            .map_or(1, |ledger| ledger.next_sequence().max(1));
        let journal = Journal::open(disk.shared(), found.opening, settings).expect("it opens");
        let mut life = Self {
            disk: disk.clone(),
            journal,
            next,
            now: 1000,
        };
        if found.definitions.is_empty() {
            let mut records = Vec::new();
            write::define(&mut records, Kind::Queue, b"q", &QUEUE.to_le_bytes());
            write::define(&mut records, Kind::Vhost, b"/", b"");
            life.commit(&records);
        }
        life
    }

    fn commit(&mut self, records: &[u8]) {
        self.journal.append(records, Urgency::Synced);
        while self.journal.step(self.now) == Wait::Work {}
    }

    fn link(&self, bodies: &[&[u8]]) -> (Run, super::super::Lease) {
        let mut builder = ChunkBuilder::with_capacity(1000);
        for body in bodies {
            builder.push(b"\0\x01k", &[0x10, 0, 2], true, body);
        }
        let linked = self.journal.link(&builder.seal());
        let run = Run {
            position: linked.position,
            length: linked.length,
            start: 0,
            count: bodies.len() as u32,
            bodies: bodies.iter().map(|body| body.len() as u32).sum(),
            flags: 1,
        };
        (run, linked.lease)
    }

    /// Publishes and waits for the confirm; a block of its own.
    fn publish(&mut self, bodies: &[&[u8]]) -> u64 {
        let (run, _lease) = self.link(bodies);
        let first = self.next;
        self.next += bodies.len() as u64;
        let mut records = Vec::new();
        write::place(&mut records, QUEUE, first, self.now, None, &[run]);
        self.commit(&records);
        first
    }

    /// Writes a block, and leaves it with the system.
    fn publish_unsynced(&mut self, bodies: &[&[u8]]) {
        let (run, _lease) = self.link(bodies);
        let mut records = Vec::new();
        write::place(&mut records, QUEUE, self.next, self.now, None, &[run]);
        self.next += bodies.len() as u64;
        self.journal.append(&records, Urgency::Written);
        self.journal.step(self.now);
    }

    fn settle(&mut self, sequence: u64) {
        let mut records = Vec::new();
        let range = sequence..sequence + 1;
        write::settle(&mut records, QUEUE, std::slice::from_ref(&range));
        self.commit(&records);
    }

    fn durable(&self) -> u64 {
        self.journal.open_block().0
    }

    fn checkpoint(&self, number: u64, clean: bool) {
        let found = look(&self.disk, false).expect("a sound disk");
        let (position, append) = self.journal.open_block();
        let mut draft = Draft::begin(position, append, found.next_id, clean);
        for ((kind, key), value) in &found.definitions {
            draft.define(*kind, key, value);
        }
        for (id, ledger) in &found.queues {
            draft.queue(*id, append, ledger);
        }
        draft
            .finish(&self.disk, number, self.durable())
            .expect("a disk");
    }
}

/// Sequence numbers of what is live in the queue.
fn live(found: &Recovered) -> Vec<u64> {
    let Some(ledger) = found.queues.get(&QUEUE) else {
        return Vec::new();
    };
    (0..ledger.next_sequence())
        .filter(|sequence| ledger.is_live(*sequence))
        .collect()
}

fn recovered(disk: &FaultyDisk) -> Recovered {
    recover(&disk.shared(), false).expect("a sound disk")
}

fn refused(disk: &FaultyDisk) -> String {
    match recover(&disk.shared(), false) {
        Ok(found) => panic!("not refused: {:?}", found.report),
        Err(error) => error.to_string(),
    }
}

fn journals(disk: &FaultyDisk) -> Vec<String> {
    let mut names = disk.shared().list().expect("a list");
    names.retain(|name| files::number(name).is_some());
    names
}

/// A copy, so that damage to one does not reach the other.
fn copy(disk: &FaultyDisk) -> FaultyDisk {
    let copy = FaultyDisk::seeded(1);
    for name in disk.shared().list().expect("a list") {
        copy.put(&name, &disk.contents(&name).expect("it is listed"));
    }
    copy
}

fn truncate(disk: &FaultyDisk, name: &str, bytes: usize) {
    let mut contents = disk.contents(name).expect("it is there");
    contents.truncate(bytes);
    disk.put(name, &contents);
}

/// Offsets of the blocks in a file.
fn blocks(disk: &FaultyDisk, name: &str) -> Vec<(usize, BlockHead)> {
    let bytes = disk.contents(name).expect("it is there");
    let header = FileHeader::decode(&bytes).expect("a header");
    let mut at = HEADER_BYTES;
    let mut blocks = Vec::new();
    while at + BLOCK_HEAD <= bytes.len() {
        let position = header.base + (at - HEADER_BYTES) as u64;
        let Some(head) = BlockHead::decode(&bytes[at..], header.number, position) else {
            break;
        };
        blocks.push((at, head));
        at += (head.end() - head.position) as usize;
    }
    blocks
}

/// Six messages in three files, each with a block of its own; the first is settled.
fn six() -> (FaultyDisk, Life) {
    let disk = FaultyDisk::seeded(1);
    let mut life = Life::begin(&disk, 150);
    for body in [b"one", b"two", b"six"] {
        life.publish(&[body, b"more"]);
    }
    life.settle(1);
    (disk, life)
}

#[test]
fn an_empty_directory_is_a_beginning() {
    let disk = FaultyDisk::seeded(1);
    let found = recovered(&disk);
    assert_eq!(found.opening.position, FIRST_POSITION);
    assert_eq!(
        (found.opening.next_append, found.opening.next_number),
        (1, 1)
    );
    assert!(found.clean && found.report.is_empty() && found.garbage.is_empty());
}

#[test]
fn what_was_written_comes_back() {
    let disk = FaultyDisk::seeded(1);
    let mut life = Life::begin(&disk, 500);
    life.publish(&[b"one", b"two"]);
    life.publish(&[b"three".as_slice(); 5]);
    life.settle(2);
    let mut records = Vec::new();
    write::requeue(&mut records, QUEUE, std::slice::from_ref(&(3..5)));
    write::attended(&mut records, QUEUE);
    life.commit(&records);
    let found = recovered(&disk);
    assert_eq!(live(&found), [1, 3, 4, 5, 6, 7]);
    let ledger = &found.queues[&QUEUE];
    assert_eq!((ledger.returned(3), ledger.returned(5)), (1, 0));
    assert_eq!(found.opening.position, life.durable());
    assert_eq!(found.opening.next_append, life.journal.next_append());
    assert_eq!(found.next_id, QUEUE + 1);
    assert!(!found.clean && found.report.is_empty());
    // The bodies are where the ledger says.
    let mut life = Life::go_on(&disk, found, 500);
    let found = recovered(&disk);
    for piece in found.queues[&QUEUE].pieces(3, 4) {
        let chunk = life
            .journal
            .read(piece.run.position, piece.run.length)
            .expect("it was synced");
        let message = chunk
            .messages(piece.run.start, piece.run.count, piece.run.flags)
            .next();
        assert_eq!(message.expect("a message").body(), b"three");
    }
    assert_eq!(life.publish(&[b"next"]), 8);
}

#[test]
fn a_checkpoint_stands_for_the_journal_before_it() {
    let (disk, mut life) = six();
    life.checkpoint(3, false);
    life.settle(2);
    life.publish(&[b"seven"]);
    let found = recovered(&disk);
    assert_eq!(live(&found), [3, 4, 5, 6, 7]);
    assert_eq!((found.checkpoint, found.clean), (3, false));
    life.checkpoint(4, true);
    let found = recovered(&disk);
    assert_eq!(live(&found), [3, 4, 5, 6, 7]);
    assert_eq!((found.checkpoint, found.clean), (4, true));
    assert_eq!(found.garbage, [checkpoint::name(3)]);
    assert_eq!(found.opening.next_append, life.journal.next_append());
    // One that was never finished is none.
    disk.put(&checkpoint::temporary(9), b"half");
    disk.put("notes.tmp", b"not ours");
    let found = recovered(&disk);
    assert_eq!(found.checkpoint, 4);
    assert_eq!(
        found.garbage,
        [checkpoint::temporary(9), checkpoint::name(3)]
    );
}

/// One bit of any byte: whatever it hits, either the start is refused, or nothing that matters is missing, or it was in the last
/// block, which nothing tells from a torn write.
#[test]
fn any_flipped_bit_is_noticed_or_does_not_matter() {
    let (disk, _life) = six();
    let names = journals(&disk);
    let last = names.last().expect("there are files");
    let last_block = blocks(&disk, last).last().expect("it has blocks").0;
    let expected = live(&recovered(&disk));
    let mut refusals = 0;
    for name in &names {
        let length = disk.contents(name).expect("it is there").len();
        for at in 0..length {
            // The rest of the header is not used.
            if (64..HEADER_BYTES).contains(&at) && at % 512 != 0 {
                continue;
            }
            disk.flip(name, at as u64, (at % 8) as u8);
            match recover(&disk.shared(), false) {
                Ok(found) => {
                    let exempt = name == last && at >= last_block;
                    assert!(exempt || live(&found) == expected, "{name} at {at}");
                    if exempt {
                        // At most the settle in the last block is forgotten.
                        assert!(live(&found).ends_with(&expected), "{name} at {at}");
                    }
                    assert!(exempt || found.garbage.is_empty(), "{name} at {at}");
                }
                Err(error) => {
                    refusals += 1;
                    assert!(error.is_damage(), "{error}");
                    assert!(error.to_string().contains(name.as_str()), "{error}");
                    let salvaged = recover(&disk.shared(), true).expect("salvage goes on");
                    assert!(!salvaged.report.is_empty());
                }
            }
            disk.flip(name, at as u64, (at % 8) as u8);
        }
    }
    assert!(refusals > 500, "{refusals}");
}

#[test]
fn any_flipped_bit_in_a_checkpoint_is_refused() {
    let (disk, mut life) = six();
    life.checkpoint(1, false);
    life.publish(&[b"seven"]);
    let name = checkpoint::name(1);
    for at in 0..disk.contents(&name).expect("it is there").len() {
        disk.flip(&name, at as u64, 3);
        let text = refused(&disk);
        assert!(text.contains("damaged") && text.contains(&name), "{text}");
        let found = recover(&disk.shared(), true).expect("salvage goes on");
        // The journal is there from its beginning, and says the same.
        assert_eq!(live(&found), [2, 3, 4, 5, 6, 7]);
        assert!(found.report[0].contains("going on without it"));
        disk.flip(&name, at as u64, 3);
    }
}

#[test]
fn damage_names_file_and_offset_and_salvage_costs_what_it_hit() {
    let (disk, _life) = six();
    let name = journals(&disk).remove(1);
    let (offset, head) = blocks(&disk, &name)[0];
    for at in [
        offset + 20,
        offset + BLOCK_HEAD + 20,
        offset + BLOCK_HEAD + head.bodies as usize,
    ] {
        let damaged = copy(&disk);
        damaged.flip(&name, at as u64, 0);
        let text = refused(&damaged);
        assert!(text.contains("damaged"), "{text}");
        assert!(
            text.ends_with(&format!("{name} at byte {offset}")),
            "{text}"
        );
        let found = recover(&damaged.shared(), true).expect("salvage goes on");
        assert!(found.report[0].contains("dropped"), "{:?}", found.report);
        let lost = live(&recovered(&disk)).len() - live(&found).len();
        assert!((1..=2).contains(&lost), "{lost}");
        assert!(found.garbage.is_empty());
    }
}

#[test]
fn a_damaged_header_costs_nothing() {
    let (disk, mut life) = six();
    let expected = live(&recovered(&disk));
    for name in journals(&disk) {
        for at in 0..64 {
            disk.flip(&name, at, 1);
        }
        let found = recovered(&disk);
        assert_eq!(live(&found), expected, "{name}");
        assert!(found.report[0].contains("header"), "{:?}", found.report);
        assert!(found.garbage.is_empty());
        // Nor what is written afterwards.
        let mut next = Life::go_on(&copy(&disk), found, 500);
        let first = next.publish(&[b"next"]);
        assert!(live(&recovered(&next.disk)).contains(&first));
        for at in 0..64 {
            disk.flip(&name, at, 1);
        }
    }
    life.publish(&[b"seven"]);
}

#[test]
fn a_missing_file_is_refused() {
    let (disk, _life) = six();
    let names = journals(&disk);
    assert!(names.len() >= 3);
    for name in &names[..names.len() - 1] {
        let less = copy(&disk);
        less.shared().remove(name).expect("it is there");
        let text = refused(&less);
        assert!(text.contains("missing"), "{text}");
        let found = recover(&less.shared(), true).expect("salvage goes on");
        assert!(!found.report.is_empty());
    }
    let none = copy(&disk);
    for name in &names {
        none.shared().remove(name).expect("it is there");
    }
    assert!(
        recovered(&none).definitions.is_empty(),
        "nothing says that there was anything"
    );
}

#[test]
fn a_file_that_only_a_ledger_needs_is_missed_too() {
    let (disk, mut life) = six();
    for number in 1..4 {
        life.publish(&[b"seven"]);
        life.checkpoint(number, number == 3);
    }
    let before = journals(&disk);
    // It is behind the checkpoint and holds live messages.
    let name = &before[1];
    let less = copy(&disk);
    less.shared().remove(name).expect("it is there");
    let text = refused(&less);
    assert!(text.contains("missing or cut short"), "{text}");
    let found = recover(&less.shared(), true).expect("salvage goes on");
    let report = found.report.join("\n");
    assert!(report.contains("dropped 2 messages"), "{report}");
    let short = copy(&disk);
    truncate(&short, name, HEADER_BYTES + 10);
    assert!(refused(&short).contains("missing or cut short"));
}

#[test]
fn files_and_checkpoints_of_a_later_version_are_refused() {
    let (disk, life) = six();
    life.checkpoint(1, false);
    let file = journals(&disk).remove(0);
    let newer = |name: &str, end: usize| {
        let mut bytes = disk.contents(name).expect("it is there");
        bytes[8] = 9;
        let end = end.min(bytes.len());
        let crc = crc32c::crc32c(&bytes[8..end]);
        bytes[4..8].copy_from_slice(&crc.to_le_bytes());
        let disk = copy(&disk);
        disk.put(name, &bytes);
        disk
    };
    for (name, end) in [(file, 64), (checkpoint::name(1), usize::MAX)] {
        let disk = newer(&name, end);
        let text = refused(&disk);
        assert!(
            text.contains(&name) && text.contains("of format 9"),
            "{text}"
        );
        // Not even with salvage: nothing is wrong with it.
        assert!(recover(&disk.shared(), true).is_err());
    }
}

#[test]
fn truncated_files_are_damage_or_the_torn_tail() {
    let (disk, life) = six();
    let names = journals(&disk);
    let expected = live(&recovered(&disk));
    for name in &names {
        let found = blocks(&disk, name);
        let (last, head) = *found.last().expect("it has blocks");
        for cut in [
            64,
            HEADER_BYTES,
            found[0].0 + 30,
            last + 70,
            last + (head.end() - head.position) as usize - 1,
        ] {
            let short = copy(&disk);
            truncate(&short, name, cut);
            match recover(&short.shared(), false) {
                // Only in the last file, and there nothing behind it says that it was more.
                Ok(found) => assert!(
                    name == &names[names.len() - 1] && found.opening.position <= life.durable()
                ),
                Err(error) => assert!(error.is_damage(), "{error}"),
            }
        }
        let exact = copy(&disk);
        truncate(&exact, name, last + (head.end() - head.position) as usize);
        assert_eq!(live(&recovered(&exact)), expected);
    }
    // A checkpoint knows.
    life.checkpoint(1, false);
    let last = names.last().expect("there are files");
    truncate(&disk, last, HEADER_BYTES);
    assert_eq!(live(&recovered(&disk)), expected);
}

#[test]
fn torn_blocks_are_cut_and_all_behind_them() {
    let disk = FaultyDisk::seeded(1);
    let mut life = Life::begin(&disk, 1 << 20);
    life.publish(&[b"safe"]);
    let position = life.durable();
    for _ in 0..3 {
        life.publish_unsynced(&[b"unsafe"]);
    }
    let name = journals(&disk).remove(0);
    let unsafe_blocks: Vec<usize> = blocks(&disk, &name)
        .into_iter()
        .filter(|(_, head)| head.position >= position)
        .map(|(at, _)| at)
        .collect();
    assert_eq!(unsafe_blocks.len(), 3);
    assert_eq!(live(&recovered(&disk)).len(), 4);
    // The first; the first two; a good one behind a bad one does not count.
    for torn in [&unsafe_blocks[..1], &unsafe_blocks[..2]] {
        let torn_disk = copy(&disk);
        for at in torn {
            torn_disk.flip(&name, *at as u64 + 70, 2);
        }
        let found = recovered(&torn_disk);
        assert_eq!(live(&found), [1]);
        assert_eq!(found.opening.position, position);
        assert!(found.report[0].contains("torn tail"), "{:?}", found.report);
        // The journal goes on in another file, in which the old blocks never come back.
        let number = found.opening.next_number;
        let mut next = Life::go_on(&torn_disk, found, 1 << 20);
        assert_eq!(next.publish(&[b"again"]), 2);
        for at in torn {
            torn_disk.flip(&name, *at as u64 + 70, 2);
        }
        let found = recovered(&torn_disk);
        assert_eq!(live(&found), [1, 2]);
        assert_eq!(found.opening.next_number, number + 1);
    }
    // The same below what is known to be safe is damage.
    life.publish(&[b"safe"]);
    life.publish(&[b"safe"]);
    disk.flip(&name, unsafe_blocks[0] as u64 + 70, 2);
    assert!(refused(&disk).ends_with(&format!("{name} at byte {}", unsafe_blocks[0])));
    let found = recover(&disk.shared(), true).expect("salvage goes on");
    assert_eq!(live(&found), [1, 3, 4, 5, 6]);
}

#[test]
fn stale_blocks_of_a_recycled_file_do_not_count() {
    let (disk, mut life) = six();
    let names = journals(&disk);
    let expected = live(&recovered(&disk));
    // What lay in the first file lies behind the last block of the newest, as after a recycling.
    let mut bytes = disk.contents(&names[names.len() - 1]).expect("it is there");
    let old = disk.contents(&names[0]).expect("it is there");
    let (last, head) = *blocks(&disk, &names[names.len() - 1])
        .last()
        .expect("it has blocks");
    let end = last + (head.end() - head.position) as usize;
    let stale = &old[HEADER_BYTES..];
    bytes.resize(bytes.len().max(end + stale.len()), 0);
    bytes[end..end + stale.len()].copy_from_slice(stale);
    disk.put(&names[names.len() - 1], &bytes);
    let found = recovered(&disk);
    assert_eq!(live(&found), expected);
    assert!(found.report.is_empty());
    life.now += 1;
}

/// The blocks that a killed process left with the system were replayed and built upon; then the power fails.
#[test]
fn what_was_replayed_after_a_kill_is_safe_from_the_next_power_loss() {
    for seed in 0..50 {
        let disk = FaultyDisk::seeded(seed);
        let mut life = Life::begin(&disk, 500);
        life.publish(&[b"safe"]);
        life.publish_unsynced(&[b"with the system"]);
        life.publish_unsynced(&[b"with the system"]);
        let disk = disk.kill();
        let found = recovered(&disk);
        assert_eq!(live(&found), [1, 2, 3]);
        let mut life = Life::go_on(&disk, found, 500);
        life.publish(&[b"confirmed"]);
        let found = recovered(&disk.crash());
        assert_eq!(live(&found), [1, 2, 3, 4], "seed {seed}");
    }
}

#[test]
fn an_older_checkpoint_goes_only_when_the_newer_ones_name_is_safe() {
    for seed in 0..50 {
        let disk = FaultyDisk::seeded(seed);
        let mut life = Life::begin(&disk, 500);
        life.publish(&[b"safe"]);
        life.checkpoint(1, false);
        life.publish(&[b"safe"]);
        // Killed between rename and sync.
        let shared = disk.shared();
        life.checkpoint(2, false);
        shared
            .rename(&checkpoint::name(2), "aside")
            .and_then(|()| shared.sync_names())
            .and_then(|()| shared.rename("aside", &checkpoint::name(2)))
            .expect("a disk");
        let disk = disk.kill();
        for name in recovered(&disk).garbage {
            disk.shared().remove(&name).expect("it is there");
        }
        assert_eq!(live(&recovered(&disk.crash())), [1, 2], "seed {seed}");
    }
}

#[test]
fn a_crash_during_recovery_changes_nothing() {
    for seed in 0..100 {
        let disk = FaultyDisk::seeded(seed);
        let mut life = Life::begin(&disk, 300);
        for _ in 0..4 {
            life.publish(&[b"safe", b"safe"]);
        }
        life.checkpoint(1, false);
        life.publish(&[b"safe"]);
        for _ in 0..5 {
            life.publish_unsynced(&[b"unsafe".as_slice(); 3]);
        }
        let mut disk = disk.crash();
        for changes in 0..4 {
            disk.cut_power_after(changes);
            if let Ok(found) = recover(&disk.shared(), false) {
                for name in found.garbage {
                    let _ = disk.shared().remove(&name);
                }
            }
            disk = disk.crash();
        }
        let found = recovered(&disk);
        assert!(
            live(&found).starts_with(&[1, 2, 3, 4, 5, 6, 7, 8, 9]),
            "seed {seed}"
        );
        let again = live(&found);
        let mut life = Life::go_on(&disk, found, 300);
        let next = life.publish(&[b"safe"]);
        let found = live(&recovered(&disk.crash()));
        assert!(
            found.starts_with(&again) && found.ends_with(&[next]),
            "seed {seed}"
        );
    }
}

#[test]
fn appends_after_salvage_count_for_the_checkpoint_that_is_left() {
    let (disk, life) = six();
    life.checkpoint(1, false);
    // A checkpoint whose ledgers know appends of blocks that are damaged.
    let found = look(&disk, false).expect("a sound disk");
    let mut draft = Draft::begin(FIRST_POSITION, 1, found.next_id, false);
    draft.define(Kind::Queue, b"q", &QUEUE.to_le_bytes());
    draft.queue(QUEUE, 1000, &found.queues[&QUEUE]);
    draft.finish(&disk, 2, life.durable()).expect("a disk");
    let name = journals(&disk).remove(0);
    disk.flip(&name, HEADER_BYTES as u64 + 3, 0);
    let found = recover(&disk.shared(), true).expect("salvage goes on");
    assert_eq!(found.opening.next_append, 1000);
    assert!(found.opening.position >= life.durable());
}

#[test]
fn a_file_that_cannot_be_read_is_refused() {
    use crate::store::faulty::Operation;
    let (disk, _life) = six();
    let opens = 1;
    disk.fail(Operation::Open, opens, 1);
    assert!(refused(&disk).contains("cannot read"));
    disk.heal();
    for skip in 0..6 {
        disk.fail(Operation::Read, skip, 1);
        let text = refused(&disk);
        assert!(
            text.contains("cannot read") && text.contains("journal-"),
            "{text}"
        );
        assert!(recover(&disk.shared(), true).is_ok());
        disk.heal();
    }
    disk.fail(Operation::SyncNames, 0, 1);
    assert!(refused(&disk).contains("cannot sync"));
}

#[test]
fn numbers_at_their_end_do_not_panic() {
    let disk = FaultyDisk::seeded(1);
    for (number, base) in [(1, 8), (2, u64::MAX - 4096), (3, u64::MAX)] {
        let header = FileHeader {
            number,
            base,
            durable: u64::MAX,
            next_append: u64::MAX,
            ..FileHeader::default()
        };
        let file = disk
            .shared()
            .open(&files::name(number), Open::Create)
            .expect("a disk");
        file.allocate(10_000).expect("room");
        file.write_at(&[IoSlice::new(&header.encode())], 0)
            .expect("room");
    }
    assert!(recover(&disk.shared(), false).is_err());
    let _ = recover(&disk.shared(), true);
    let draft = Draft::begin(u64::MAX, u64::MAX, u64::MAX, false);
    draft.finish(&disk, 5, u64::MAX).expect("a disk");
    let _ = recover(&disk.shared(), false);
    let _ = recover(&disk.shared(), true);
}

#[test]
#[ignore = "measures"]
fn measure() {
    for (count, size) in [(60_000, 1000), (2000, 32_000), (20, 3_200_000)] {
        let disk = FaultyDisk::seeded(5);
        let mut life = Life::begin(&disk, 32 << 20);
        let body = vec![7; size];
        for _ in 0..count {
            life.publish(&[&body]);
        }
        let directory = tempfile::tempdir().expect("a directory");
        for name in disk.shared().list().expect("a list") {
            std::fs::write(directory.path().join(&name), disk.contents(&name).unwrap()).unwrap();
        }
        let real: Arc<dyn Disk> =
            Arc::new(crate::store::disk::Directory::open(directory.path()).unwrap());
        for _ in 0..3 {
            let begun = std::time::Instant::now();
            let found = recover(&real, false).expect("a sound disk");
            eprintln!(
                "{count} of {size}: {:?}, {} live",
                begun.elapsed(),
                live(&found).len()
            );
        }
    }
}
