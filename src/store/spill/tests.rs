//! Spill files on a faulty disk.

use super::*;
use crate::store::faulty::{FaultyDisk, Operation};

fn names(disk: &FaultyDisk) -> Vec<String> {
    disk.list().expect("listed")
}

#[test]
fn extents_come_back_and_files_go_with_their_last_extent() {
    let disk = FaultyDisk::seeded(1);
    disk.put("spill-000001.dat", b"left by another process");
    disk.put("journal-000000000001.log", b"not ours");
    let spill = Spill::open(disk.shared()).expect("opened");
    assert_eq!(names(&disk), ["journal-000000000001.log"]);
    let body = vec![7; 5 * 1024 * 1024];
    let mut extents: Vec<Extent> = (0..20u8)
        .map(|number| spill.write(&[&[number], b"", &body]).expect("written"))
        .collect();
    assert_eq!(names(&disk).len(), 1 + 3);
    for (number, extent) in extents.iter().enumerate() {
        let bytes = extent.read().expect("read");
        assert_eq!(bytes.len(), extent.length() as usize);
        assert_eq!((bytes[0], &bytes[1..]), (number as u8, &body[..]));
    }
    extents.drain(..7);
    assert_eq!(names(&disk).len(), 1 + 2);
    extents.clear();
    spill.tidy();
    assert_eq!(names(&disk), ["journal-000000000001.log"]);
    assert!(spill.write(&[b"again"]).expect("written").read().is_ok());
}

#[test]
fn after_a_failed_write_another_file_is_used() {
    let disk = FaultyDisk::seeded(2);
    let spill = Spill::open(disk.shared()).expect("opened");
    let first = spill.write(&[b"one"]).expect("written");
    disk.fail(Operation::Write, 0, 1);
    let error = spill.write(&[b"two"]).err().expect("refused");
    assert!(error.to_string().contains("spill-000001.dat"), "{error}");
    let third = spill.write(&[b"three"]).expect("written");
    assert_eq!(first.read().expect("read"), b"one");
    assert_eq!(third.read().expect("read"), b"three");
    assert_eq!(names(&disk), ["spill-000001.dat", "spill-000002.dat"]);
}

#[test]
fn rot_is_found() {
    let disk = FaultyDisk::seeded(3);
    let spill = Spill::open(disk.shared()).expect("opened");
    let extent = spill.write(&[b"some", b"thing"]).expect("written");
    assert!(disk.flip("spill-000001.dat", 6, 3));
    assert!(extent.read().is_err_and(|error| error.is_damage()));
}
