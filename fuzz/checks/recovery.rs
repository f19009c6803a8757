//! What must hold for any bytes in a data directory: no panic, no endless work, and where a start is not refused, what it found is
//! in order, is found again, and stays when the journal goes on. Shared by the libFuzzer target and by the ordinary test.
//!
//! The first byte is the seed of the disk; the rest is files:
//!
//! ```text
//! kind u8    0 journal, 1 checkpoint, 2 unfinished checkpoint, 3 spare, 4 version; 8: its checksums are made right after the
//!            mutation, so that it reaches what lies behind them
//! number u8 | length u16 (little-endian) | bytes; those of a journal file leave out the zeros between its header and its blocks
//! ```

use std::sync::Arc;

use leveret::store::block::{
    BLOCK_HEAD, BlockHead, CHUNK_HEAD, ChunkHead, FileHeader, HEADER_BYTES,
};
use leveret::store::disk::Disk;
use leveret::store::faulty::FaultyDisk;
use leveret::store::record::{Kind, write};
use leveret::store::recovery::{self, Recovered};
use leveret::store::{Journal, Settings, Urgency, Wait, checkpoint, files, inspect};

/// Bytes of a file's header that mean something.
const HEADER_USED: usize = 64;

/// Looks at a disk with the files that `data` has.
pub fn check(data: &[u8]) {
    let Some((&seed, rest)) = data.split_first() else {
        return;
    };
    let disk = FaultyDisk::seeded(u64::from(seed));
    put_files(&disk, rest);
    let shared: Arc<dyn Disk> = disk.shared();
    for salvage in [false, true] {
        let found = recovery::recover(&shared, salvage);
        match (found, recovery::look(&disk, salvage)) {
            (Ok(one), Ok(other)) => {
                in_order(&one);
                assert_eq!(summary(&one), summary(&other));
                assert_eq!(one.report, other.report);
            }
            (Err(one), Err(other)) => assert_eq!(one.to_string(), other.to_string()),
            _ => panic!("the same disk is refused once only"),
        }
    }
    let changes = disk.work().changes;
    if let Ok(shown) = inspect::inspect(&disk) {
        assert!(shown.to_string().contains("journal"));
    }
    assert_eq!(disk.work().changes, changes, "looking changes nothing");
    go_on(&disk);
}

/// A journal that goes on where recovery ended adds to what was there and takes nothing away.
fn go_on(disk: &FaultyDisk) {
    let Ok(found) = recovery::recover(&disk.shared(), false) else {
        return;
    };
    let (mut definitions, queues) = (found.definitions.clone(), summary(&found).1);
    for name in &found.garbage {
        disk.remove(name).expect("it is there");
    }
    let settings = Settings {
        file_bytes: 1024,
        reserve: 0,
        ..Settings::default()
    };
    let journal = Journal::open(disk.shared(), found.opening, settings).expect("no file is needed");
    for number in 0..20u8 {
        let key = [b"an exchange that no corpus file has".as_slice(), &[number]].concat();
        let mut records = Vec::new();
        write::define(&mut records, Kind::Exchange, &key, &[number; 100]);
        journal.append(&records, Urgency::Synced);
        while journal.step(1000) == Wait::Work {}
        definitions.insert((Kind::Exchange, key), vec![number; 100]);
    }
    let found =
        recovery::recover(&disk.crash().shared(), false).unwrap_or_else(|error| panic!("{error}"));
    in_order(&found);
    assert!(!found.clean);
    assert_eq!(found.definitions, definitions);
    assert_eq!(summary(&found).1, queues);
}

fn in_order(found: &Recovered) {
    let opening = &found.opening;
    assert!(opening.position.is_multiple_of(8) && opening.position >= recovery::FIRST_POSITION);
    assert!(opening.next_append > 0 && opening.next_number > 0);
    for (id, ledger) in &found.queues {
        assert!(*id < found.next_id);
        let (mut live, mut next) = (0, 0);
        for piece in ledger.pieces(0, u64::MAX) {
            assert!(piece.first >= next && piece.end() <= ledger.next_sequence());
            let run = piece.run;
            assert!(run.position + u64::from(run.length) <= opening.position);
            let counted = (0..run.count).filter(|index| piece.is_live(*index)).count();
            assert!(counted > 0 && counted == piece.live as usize);
            live += counted as u64;
            next = piece.end();
        }
        assert_eq!(live, ledger.live());
    }
}

/// What is compared of two recoveries: positions and numbers, and the bytes of all ledgers.
fn summary(found: &Recovered) -> ([u64; 5], Vec<(u64, Vec<u8>)>) {
    let numbers = [
        found.opening.position,
        found.opening.next_append,
        found.opening.next_number,
        found.next_id,
        found.start,
    ];
    let mut queues: Vec<(u64, Vec<u8>)> = found
        .queues
        .iter()
        .map(|(id, ledger)| {
            let mut bytes = Vec::new();
            ledger.encode(&mut bytes);
            (*id, bytes)
        })
        .collect();
    queues.sort();
    (numbers, queues)
}

fn put_files(disk: &FaultyDisk, mut rest: &[u8]) {
    while let Some(([kind, number, low, high], behind)) = rest.split_first_chunk() {
        let length = usize::from(u16::from_le_bytes([*low, *high])).min(behind.len());
        let (bytes, behind) = behind.split_at(length);
        rest = behind;
        let (number, mut bytes) = (u64::from(*number), bytes.to_vec());
        let sound = kind & 8 != 0;
        let name = match kind % 8 % 5 {
            0 => {
                bytes = journal(bytes, sound);
                files::name(number)
            }
            3 => {
                bytes = journal(bytes, sound);
                format!("spare-{number:012}.dat")
            }
            4 => "version".to_owned(),
            kind => {
                if sound && bytes.len() > 8 {
                    let crc = crc32c::crc32c(&bytes[8..]);
                    bytes[4..8].copy_from_slice(&crc.to_le_bytes());
                }
                match kind {
                    1 => checkpoint::name(number),
                    _ => checkpoint::temporary(number),
                }
            }
        };
        disk.put(&name, &bytes);
    }
}

fn number(bytes: &[u8], at: usize) -> u64 {
    let bytes = bytes
        .get(at..at + 8)
        .and_then(|bytes| bytes.try_into().ok());
    bytes.map_or(0, u64::from_le_bytes)
}

/// A journal file with its zeros, and with right checksums if `sound`.
fn journal(mut bytes: Vec<u8>, sound: bool) -> Vec<u8> {
    let blocks = bytes.split_off(bytes.len().min(HEADER_USED));
    if sound && bytes.len() == HEADER_USED {
        let header = FileHeader {
            number: number(&bytes, 16),
            base: number(&bytes, 24),
            predecessor: number(&bytes, 32),
            created_ms: number(&bytes, 40),
            durable: number(&bytes, 48),
            next_append: number(&bytes, 56),
        };
        bytes.copy_from_slice(&header.encode());
    }
    let file = number(&bytes, 16);
    bytes.resize(HEADER_BYTES, 0);
    bytes.extend_from_slice(&blocks);
    if sound {
        right_blocks(&mut bytes, file);
    }
    bytes
}

fn right_blocks(bytes: &mut [u8], file: u64) {
    let mut at = HEADER_BYTES;
    while at + BLOCK_HEAD <= bytes.len() {
        let here = &mut bytes[at..];
        let position = number(here, 24);
        let Some(head) = BlockHead::decode(here, file, position) else {
            at += 8;
            continue;
        };
        let end = head.end().wrapping_sub(position);
        let Some(end) = usize::try_from(end).ok().filter(|end| *end <= here.len()) else {
            at += 8;
            continue;
        };
        let meta = BLOCK_HEAD + head.bodies as usize;
        right_chunks(
            &mut here[BLOCK_HEAD..meta],
            position.wrapping_add(BLOCK_HEAD as u64),
        );
        let head = head.encode(&here[meta..end]);
        here[..BLOCK_HEAD].copy_from_slice(&head);
        at += end.max(8);
    }
}

fn right_chunks(mut bodies: &mut [u8], mut position: u64) {
    while let Some(head) = ChunkHead::decode(bodies) {
        let length = head.length() as usize;
        if length > bodies.len() {
            return;
        }
        let crc = crc32c::crc32c(&bodies[CHUNK_HEAD..length]);
        let right = ChunkHead::new(crc, position, head.data, head.large).encode();
        bodies[..CHUNK_HEAD].copy_from_slice(&right);
        position = position.wrapping_add(length as u64);
        bodies = &mut bodies[length..];
    }
}
