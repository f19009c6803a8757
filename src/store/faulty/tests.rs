use std::io::IoSlice;

use super::*;

fn write(file: &Arc<dyn File>, bytes: &[u8], at: u64) -> io::Result<()> {
    let (one, two) = bytes.split_at(bytes.len() / 3);
    file.write_at(&[IoSlice::new(one), IoSlice::new(two)], at)
}

fn read(disk: &FaultyDisk, name: &str) -> Option<Vec<u8>> {
    let file = disk.open(name, Open::Read).ok()?;
    let mut bytes = vec![1; file.len().expect("a length") as usize + 10];
    let count = file.read_at(&mut bytes, 0).expect("bytes");
    bytes.truncate(count);
    assert_eq!(disk.contents(name).as_ref(), Some(&bytes));
    Some(bytes)
}

/// A file whose bytes and name are synced.
fn synced(disk: &FaultyDisk, name: &str, bytes: &[u8]) -> Arc<dyn File> {
    let file = disk.open(name, Open::Create).expect("created");
    write(&file, bytes, 0).expect("written");
    file.sync().expect("synced");
    disk.sync_names().expect("synced");
    file
}

#[test]
fn without_orders_it_is_a_disk_in_memory() {
    let disk = FaultyDisk::seeded(1);
    let file = disk.open("a", Open::Create).unwrap();
    assert!(disk.open("a", Open::Create).is_err());
    assert!(disk.open("b", Open::Write).is_err());
    let body: Vec<u8> = (0..20_000u32).map(|n| (n / 7) as u8).collect();
    write(&file, &body, 5000).unwrap();
    let mut expected = vec![0; 5000];
    expected.extend_from_slice(&body);
    assert!(read(&disk, "a") == Some(expected));
    let mut two = [9; 4];
    assert_eq!(file.read_at(&mut two, 24_998).unwrap(), 2);
    assert_eq!(file.read_at(&mut two, 30_000).unwrap(), 0);
    file.allocate(40_000).unwrap();
    assert_eq!(file.len().unwrap(), 40_000);
    disk.rename("a", "c").unwrap();
    assert_eq!(disk.list().unwrap(), ["c"]);
    let reader = disk.open("c", Open::Read).unwrap();
    assert!(write(&reader, b"x", 0).is_err(), "opened for reading");
    disk.remove("c").unwrap();
    assert!(disk.list().unwrap().is_empty());
    assert_eq!(reader.len().unwrap(), 40_000, "open files stay");
    assert_eq!(disk.used_bytes(), 40_960, "and take room");
    drop((reader, file));
    assert_eq!(disk.used_bytes(), 0);
}

#[test]
fn what_is_synced_survives_and_of_the_rest_any_part() {
    let (mut whole, mut none, mut torn, mut later_only) = (0, 0, 0, 0);
    for seed in 0..400 {
        let disk = FaultyDisk::seeded(seed);
        let file = synced(&disk, "a", &[1; 3000]);
        write(&file, &[2; 3000], 3000).unwrap();
        write(&file, &[3; 3000], 6000).unwrap();
        let after = disk.crash();
        assert!(
            file.sync().is_err() && disk.list().is_err(),
            "the old disk is off"
        );
        let left = read(&after, "a").expect("its name is synced");
        assert!(left.len() >= 3000 && left.len() <= 9000);
        assert_eq!(left[..3000], [1; 3000]);
        let count = |byte| left[3000..].iter().filter(|one| **one == byte).count();
        match (count(2), count(3)) {
            (3000, 3000) => whole += 1,
            (0, 0) => none += 1,
            (0, 3000) => later_only += 1,
            (3000, 0) => {}
            _ => torn += 1,
        }
        assert_eq!(
            read(&after.crash(), "a"),
            Some(left),
            "what is left is safe"
        );
    }
    assert!(whole > 40 && none > 40 && torn > 20 && later_only > 5);
}

#[test]
fn names_are_kept_or_lost_until_they_are_synced() {
    let (mut old, mut new, mut neither) = (0, 0, 0);
    for seed in 0..200 {
        let disk = FaultyDisk::seeded(seed);
        synced(&disk, "keeps", b"1");
        synced(&disk, "old", b"2");
        disk.rename("old", "new").unwrap();
        let file = disk.open("made", Open::Create).unwrap();
        write(&file, b"3", 0).unwrap();
        file.sync().unwrap();
        let after = disk.crash();
        assert_eq!(read(&after, "keeps"), Some(b"1".to_vec()));
        match (read(&after, "old"), read(&after, "new")) {
            (Some(bytes), None) if bytes == b"2" => old += 1,
            (None, Some(bytes)) if bytes == b"2" => new += 1,
            other => panic!("seed {seed}: {other:?}"),
        }
        neither += u32::from(read(&after, "made").is_none());
    }
    assert!(old > 20 && new > 20 && neither > 20);
}

#[test]
fn a_name_used_again_is_not_there_without_its_first_change() {
    for seed in 0..200 {
        let disk = FaultyDisk::seeded(seed);
        synced(&disk, "a", b"1");
        disk.rename("a", "b").unwrap();
        synced_file(&disk, "a", b"2");
        let after = disk.crash();
        let bytes: Vec<Option<Vec<u8>>> = vec![read(&after, "a"), read(&after, "b")];
        assert!(
            bytes.contains(&Some(b"1".to_vec())),
            "seed {seed}: {bytes:?}"
        );
    }
}

/// A file whose bytes are synced and whose name is not.
fn synced_file(disk: &FaultyDisk, name: &str, bytes: &[u8]) {
    let file = disk.open(name, Open::Create).unwrap();
    write(&file, bytes, 0).unwrap();
    file.sync().unwrap();
}

#[test]
fn a_kill_loses_nothing_and_makes_nothing_safer() {
    let mut lost = 0;
    for seed in 0..100 {
        let disk = FaultyDisk::seeded(seed);
        let file = synced(&disk, "a", b"one");
        write(&file, b"two", 3).unwrap();
        let after = disk.kill();
        assert!(file.sync().is_err());
        assert_eq!(read(&after, "a"), Some(b"onetwo".to_vec()));
        assert!(!after.is_synced());
        lost += u32::from(read(&after.crash(), "a") != Some(b"onetwo".to_vec()));
    }
    assert!(lost > 20);
}

#[test]
fn ordered_operations_fail() {
    let disk = FaultyDisk::seeded(3);
    let file = synced(&disk, "a", b"1");
    disk.fail(Operation::Write, 1, 2);
    let answers: Vec<bool> = (0..4)
        .map(|at| write(&file, b"xyz", at * 3).is_ok())
        .collect();
    assert_eq!(answers, [true, false, false, true]);
    disk.fail(Operation::Read, 0, u64::MAX);
    assert!(file.read_at(&mut [0], 0).is_err());
    disk.heal();
    assert_eq!(file.read_at(&mut [0], 0).unwrap(), 1);
    for (operation, fails) in [
        (Operation::Open, disk.open("a", Open::Read).is_err()),
        (Operation::SyncNames, disk.sync_names().is_err()),
    ] {
        assert!(!fails);
        disk.fail(operation, 0, 1);
    }
    assert!(disk.open("a", Open::Read).is_err() && disk.sync_names().is_err());
}

#[test]
fn after_a_failed_sync_bytes_may_be_lost_that_are_still_read() {
    let (mut lost, mut kept, mut unseen) = (0, 0, 0);
    for seed in 0..200 {
        let disk = FaultyDisk::seeded(seed);
        let file = synced(&disk, "a", b"one");
        write(&file, b"two", 3).unwrap();
        disk.fail(Operation::Sync, 0, 1);
        assert!(file.sync().is_err());
        let seen = read(&disk, "a") == Some(b"onetwo".to_vec());
        file.sync().expect("says that all is well");
        let safe = read(&disk.crash(), "a") == Some(b"onetwo".to_vec());
        lost += u32::from(seen && !safe);
        kept += u32::from(safe);
        unseen += u32::from(!seen);
    }
    assert!(lost > 20 && kept > 20 && unseen > 10);
}

#[test]
fn a_full_disk_says_so_and_has_room_again() {
    let disk = FaultyDisk::seeded(4);
    disk.set_capacity(3 * 4096);
    let file = disk.open("a", Open::Create).unwrap();
    write(&file, &[1; 8000], 0).unwrap();
    let other = disk.open("b", Open::Create).unwrap();
    let error = write(&other, &[2; 5000], 0).expect_err("there is room for one page");
    assert_eq!(error.raw_os_error(), Some(libc::ENOSPC));
    assert_eq!(other.len().unwrap(), 4096, "part of it was written");
    assert!(other.allocate(8192).is_err());
    assert_eq!(disk.free_bytes().unwrap(), 0);
    write(&file, &[3; 8192], 0).expect("no more room is needed");
    drop(file);
    disk.remove("a").unwrap();
    assert_eq!(disk.free_bytes().unwrap(), 8192);
    other.allocate(8192).unwrap();
    disk.heal();
    write(&other, &[2; 50_000], 0).unwrap();
}

#[test]
fn the_power_can_fail_in_any_change() {
    for changes in 0..6 {
        let disk = FaultyDisk::seeded(changes);
        disk.cut_power_after(changes);
        let steps = || -> io::Result<()> {
            let file = disk.open("a", Open::Create)?;
            write(&file, b"one", 0)?;
            file.sync()?;
            disk.sync_names()?;
            disk.rename("a", "b")?;
            disk.sync_names()
        };
        assert!(steps().is_err(), "change {changes}");
        assert!(disk.is_off());
        let after = disk.crash();
        let left = read(&after, "a").or(read(&after, "b"));
        assert!(
            changes < 4 || left == Some(b"one".to_vec()),
            "change {changes}"
        );
    }
}

#[test]
fn the_same_seed_leaves_the_same() {
    let run = |seed| {
        let disk = FaultyDisk::seeded(seed);
        let file = synced(&disk, "a", &[7; 9000]);
        for n in 0..20 {
            write(&file, &[n; 700], u64::from(n) * 611).unwrap();
        }
        disk.fail(Operation::Sync, 0, 1);
        assert!(file.sync().is_err());
        disk.rename("a", "b").unwrap();
        let history = disk.history();
        let after = disk.crash();
        (
            history,
            after.list().unwrap(),
            read(&after, "a").or(read(&after, "b")),
        )
    };
    assert!(run(5) == run(5));
    assert!((0..20).any(|seed| run(seed) != run(5)));
}

#[test]
fn it_counts_flips_and_takes_what_it_is_given() {
    let disk = FaultyDisk::seeded(6);
    disk.put("a", b"abc");
    assert!(disk.is_synced() && !disk.flip("a", 3, 0) && !disk.flip("b", 0, 0));
    assert!(disk.flip("a", 1, 0));
    assert_eq!(read(&disk, "a"), Some(b"acc".to_vec()));
    assert_eq!(read(&disk.crash(), "a"), Some(b"acc".to_vec()));
    let disk = FaultyDisk::seeded(6);
    let file = synced(&disk, "a", &[0; 1000]);
    write(&file, &[1; 500], 0).unwrap();
    let work = disk.work();
    assert_eq!((work.written_bytes, work.syncs, work.changes), (1500, 1, 5));
}
