//! Bytes and files that are not what was written.

use std::fs;
use std::path::{Path, PathBuf};

use super::*;
use crate::restart::durable_queue;

/// Bytes of a small body.
const SMALL: usize = 500;

/// Where the body of a message begins: the file and the byte in it.
fn place(home: &Home, number: u32) -> (PathBuf, usize) {
    let found = home.files("journal-").into_iter().find_map(|path| {
        let at = find(&fs::read(&path).expect("read"), mark(number).as_bytes())?;
        Some((path, at))
    });
    found.expect("it is on disk")
}

fn find(bytes: &[u8], what: &[u8]) -> Option<usize> {
    bytes.windows(what.len()).position(|part| part == what)
}

fn name(path: &Path) -> String {
    let name = path.file_name().expect("a name");
    name.to_string_lossy().into_owned()
}

/// Flips a bit.
fn flip(path: &Path, at: usize) {
    let mut bytes = fs::read(path).expect("read");
    bytes[at] ^= 0x10;
    fs::write(path, bytes).expect("written");
}

/// Starts with `--salvage`; the lines that tell what recovery had to do.
fn salvage(home: &mut Home) -> String {
    home.flags = vec!["--salvage".into()];
    home.start();
    home.flags.clear();
    let lines = home.log();
    let told: Vec<&str> = lines
        .iter()
        .filter_map(|line| Some(line.split_once("recovery: ")?.1))
        .collect();
    told.join("\n")
}

#[test]
fn a_second_process_is_refused_and_costs_the_first_nothing() {
    decided!("refusals are in our own words");
    let mut home = Home::with(&[]);
    let queue = durable_queue(&mut home.channel());
    publish(&mut home.channel(), &queue, 0..10, SMALL);
    for _ in 0..3 {
        let words = home.refusal();
        assert!(
            words.contains(&home.data.display().to_string())
                && words.contains("in use by another process"),
            "{words}"
        );
    }
    publish(&mut home.channel(), &queue, 10..20, SMALL);
    home.restart(End::Kill);
    assert_eq!(waiting(&home, &queue, SMALL), (0..20).collect::<Vec<_>>());
}

/// Files that are gone are missed whatever knows of them: the journal around them after a kill, the checkpoint after a stop.
fn a_missing_file(end: End, lose: impl Fn(&Path)) {
    const COUNT: u32 = 80;
    // No checkpoint but that of the stop.
    let mut home = Home::with(&["checkpoint_interval_size=1GiB"]);
    let queue = durable_queue(&mut home.channel());
    publish(&mut home.channel(), &queue, 0..COUNT, MIB);
    home.end(end);
    let files = home.files("journal-");
    assert!(files.len() >= 3, "{files:?}");
    let bytes = fs::read(&files[1]).expect("read");
    let kept: Vec<u32> = (0..COUNT)
        .filter(|number| find(&bytes, mark(*number).as_bytes()).is_none())
        .collect();
    assert!((1..COUNT as usize).contains(&kept.len()));
    lose(&files[1]);
    let words = home.refusal();
    let text = words.contains("missing") || words.contains(&name(&files[1]));
    assert!(
        text && words.contains(&home.data.display().to_string()),
        "{words}"
    );
    let told = salvage(&mut home);
    assert!(told.contains("dropped"), "{told}");
    assert_eq!(waiting(&home, &queue, MIB), kept);
    // A clean stop leaves the damage behind; what could not be read is left to be looked at, under another name.
    let aside = files[1].with_extension("log.unreadable");
    assert_eq!(told.contains("unreadable"), aside.is_dir());
    publish(&mut home.channel(), &queue, COUNT..COUNT + 1, MIB);
    home.restart(End::Stop);
    let all: Vec<u32> = kept.into_iter().chain([COUNT]).collect();
    assert_eq!(waiting(&home, &queue, MIB), all);
}

fn remove(path: &Path) {
    fs::remove_file(path).expect("removed");
}

#[test]
fn a_missing_journal_file_is_refused_after_a_kill_and_salvage_has_the_rest() {
    decided!("it is about files of our own");
    a_missing_file(End::Kill, remove);
}

#[test]
fn a_missing_journal_file_is_refused_after_a_stop_and_salvage_has_the_rest() {
    decided!("it is about files of our own");
    a_missing_file(End::Stop, remove);
}

#[test]
fn an_unreadable_journal_file_is_refused_by_name_and_salvage_has_the_rest() {
    decided!("it is about files of our own");
    // Nobody can read a directory as a file, root included.
    a_missing_file(End::Kill, |path| {
        remove(path);
        fs::create_dir(path).expect("made");
    });
}

#[test]
fn a_flipped_bit_in_a_confirmed_message_is_refused_by_file_and_offset_and_costs_only_that_message()
{
    decided!("it is about files of our own");
    for end in [End::Kill, End::Stop] {
        let mut home = Home::with(&[]);
        let queue = durable_queue(&mut home.channel());
        publish(&mut home.channel(), &queue, 0..20, SMALL);
        home.end(end);
        if end == End::Stop {
            // Then nothing is replayed; without its checkpoint the journal speaks for itself.
            for path in home.files("checkpoint-") {
                remove(&path);
            }
        }
        let (path, at) = place(&home, 7);
        flip(&path, at + SMALL / 2);
        let words = home.refusal();
        let offset = words.split_once(" at byte ").expect(&words).1;
        let digits = offset.split(|c: char| !c.is_ascii_digit()).next();
        let offset: usize = digits.and_then(|text| text.parse().ok()).expect(&words);
        assert!(words.contains(&name(&path)), "{words}");
        assert!(words.contains("--salvage"), "{words}");
        // The block begins there; nothing but heads lies between it and the body.
        assert!((offset..offset + 300).contains(&at), "{at}: {words}");
        let told = salvage(&mut home);
        assert!(
            told.contains(&format!("{} at byte {offset}", name(&path))) && told.contains("dropped"),
            "{told}"
        );
        let rest: Vec<u32> = (0..20).filter(|number| *number != 7).collect();
        assert_eq!(waiting(&home, &queue, SMALL), rest);
        home.restart(End::Stop);
        assert_eq!(waiting(&home, &queue, SMALL), rest);
    }
}

/// What a crash while the last block was being written can leave.
#[test]
fn a_torn_tail_is_cut_without_being_asked_and_what_comes_then_is_safe() {
    decided!("it is about files of our own");
    fn cut_short(path: &Path, at: usize) {
        let file = fs::OpenOptions::new().write(true).open(path);
        file.expect("opened").set_len(at as u64).expect("cut");
    }
    fn zeros(path: &Path, at: usize) {
        let mut bytes = fs::read(path).expect("read");
        bytes[at..].fill(0);
        fs::write(path, bytes).expect("written");
    }
    for tear in [cut_short as fn(&Path, usize), zeros] {
        let mut home = Home::with(&[]);
        let queue = durable_queue(&mut home.channel());
        publish(&mut home.channel(), &queue, 0..20, SMALL);
        home.end(End::Kill);
        let (path, at) = place(&home, 19);
        tear(&path, at + SMALL / 2);
        home.start();
        assert_eq!(waiting(&home, &queue, SMALL), (0..19).collect::<Vec<_>>());
        publish(&mut home.channel(), &queue, 30..40, SMALL);
        home.restart(End::Kill);
        let all: Vec<u32> = (0..19).chain(30..40).collect();
        assert_eq!(waiting(&home, &queue, SMALL), all);
    }
}

#[test]
fn a_damaged_checkpoint_is_refused_and_salvage_reads_the_journal_instead() {
    decided!("it is about files of our own");
    let mut home = Home::with(&[]);
    let queue = durable_queue(&mut home.channel());
    publish(&mut home.channel(), &queue, 0..20, SMALL);
    home.restart(End::Stop);
    publish(&mut home.channel(), &queue, 20..30, SMALL);
    home.end(End::Kill);
    let checkpoint = home.files("checkpoint-").pop().expect("of the stop");
    let middle = fs::metadata(&checkpoint).expect("there").len() / 2;
    flip(&checkpoint, middle as usize);
    let words = home.refusal();
    for part in [&name(&checkpoint), " at byte ", "--salvage"] {
        assert!(words.contains(part), "{words}");
    }
    let told = salvage(&mut home);
    assert!(told.contains(&name(&checkpoint)), "{told}");
    let all: Vec<u32> = (0..30).collect();
    assert_eq!(waiting(&home, &queue, SMALL), all);
    home.restart(End::Stop);
    assert_eq!(waiting(&home, &queue, SMALL), all);
}
