//! The house keeps its order: rooms on floors, files of one page, no panics by habit.
//!
//! Reads the sources as text. A room is a directory or file right under `src/`; it may use rooms on lower floors, never one
//! above and never its neighbour. When this test fails, either the import is wrong or the house has a new room: then give
//! it a floor here and in the docs of `src/lib.rs`.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

/// Rooms, lowest floor first. A room that is not listed fails the test.
const FLOORS: [&[&str]; 9] = [
    &["wire"],
    &["message"],
    &["exchange", "store"],
    &["queue", "auth"],
    &["broker"],
    &["connection", "management", "mqtt", "cluster"],
    &["config"],
    &["server", "perf", "ctl"],
    &["main"],
];

/// The crate's root: it names the rooms and uses none.
const ROOT: &str = "lib";

/// Lines of a source file that are not tests.
const FILE_LINES_MAX: usize = 600;

/// One Rust file under `src/`.
struct Source {
    /// From the repository's root, for messages.
    path: PathBuf,
    /// The room it belongs to.
    room: String,
    /// How many modules deep: `queue/mod.rs` is 1, `queue/core.rs` is 2.
    depth: usize,
    /// The whole text.
    text: String,
    /// Its code: the lines before the tests with comments and the insides of strings blanked, so that lines keep their numbers.
    code: String,
}

#[test]
fn no_room_uses_one_above_or_beside_it() {
    let mut faults = String::new();
    for source in sources() {
        let Some(own) = floor(&source.room) else {
            if source.room != ROOT {
                let _ = writeln!(
                    faults,
                    "{}: room '{}' has no floor",
                    source.path.display(),
                    source.room
                );
            }
            continue;
        };
        // Tests keep to the floors, too.
        for (line, used) in rooms_used(&blanked(&source.text), source.depth) {
            let allowed = used == source.room || floor(&used).is_some_and(|floor| floor < own);
            if !allowed {
                let path = source.path.display();
                let _ = writeln!(
                    faults,
                    "{path}:{line}: '{}' must not use '{used}'",
                    source.room
                );
            }
        }
    }
    assert!(faults.is_empty(), "\n{faults}");
}

#[test]
fn every_file_says_what_it_is_and_fits_a_few_pages() {
    let mut faults = String::new();
    for source in sources() {
        let path = source.path.display();
        if !source.text.starts_with("//!") && !is_test_file(&source.path) {
            let _ = writeln!(faults, "{path}: does not open with `//!`");
        }
        let lines = source.code.lines().count();
        if lines > FILE_LINES_MAX {
            let _ = writeln!(
                faults,
                "{path}: {lines} lines that are not tests; {FILE_LINES_MAX} are allowed"
            );
        }
    }
    assert!(faults.is_empty(), "\n{faults}");
}

#[test]
fn nothing_is_unfinished_and_nothing_panics_by_habit() {
    let mut faults = String::new();
    for source in sources() {
        for (number, line) in source.code.lines().enumerate() {
            for habit in ["todo!", "unimplemented!", ".unwrap()", "dbg!"] {
                if line.contains(habit) {
                    let _ = writeln!(faults, "{}:{}: {habit}", source.path.display(), number + 1);
                }
            }
        }
        let unfinished = ["TO", "DO"].concat();
        for (number, line) in source.text.lines().enumerate() {
            if line.contains(&unfinished) {
                let _ = writeln!(
                    faults,
                    "{}:{}: {unfinished}",
                    source.path.display(),
                    number + 1
                );
            }
        }
    }
    assert!(faults.is_empty(), "\n{faults}");
}

#[test]
fn no_file_names_a_place_that_only_one_machine_has() {
    let places: Vec<String> = ["work", "home", "root", "Users"]
        .iter()
        .map(|name| format!("/{name}/"))
        .collect();
    let mut faults = String::new();
    let mut files = Vec::new();
    for place in [
        "src", "tests", "interop", "fuzz", "config", "benches", ".ci",
    ] {
        walk(&root().join(place), &mut files);
    }
    files.extend(["README.md", "CHANGELOG.md", "Cargo.toml"].map(|name| root().join(name)));
    for file in files {
        // What is not text is a seed for the fuzzer or an old data directory.
        let Ok(text) = fs::read_to_string(&file) else {
            continue;
        };
        for (number, line) in text.lines().enumerate() {
            if places.iter().any(|place| starts_a_path(line, place)) {
                let _ = writeln!(
                    faults,
                    "{}:{}: {}",
                    relative(&file).display(),
                    number + 1,
                    line.trim()
                );
            }
        }
    }
    assert!(faults.is_empty(), "\n{faults}");
}

/// Whether the line has that place at the beginning of a path, not in the middle of a URL or of another path.
fn starts_a_path(line: &str, place: &str) -> bool {
    line.match_indices(place).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        before.is_none_or(|before| !before.is_alphanumeric() && !"/._-$}%".contains(before))
    })
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn relative(path: &Path) -> PathBuf {
    path.strip_prefix(root()).unwrap_or(path).to_path_buf()
}

fn floor(room: &str) -> Option<usize> {
    FLOORS.iter().position(|rooms| rooms.contains(&room))
}

/// `tests.rs` and everything in a directory `tests`: only compiled for tests.
fn is_test_file(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name == "tests.rs")
        || path.components().any(|part| part.as_os_str() == "tests")
}

fn sources() -> Vec<Source> {
    let mut files = Vec::new();
    walk(&root().join("src"), &mut files);
    files.retain(|file| file.extension().is_some_and(|extension| extension == "rs"));
    assert!(!files.is_empty(), "no sources found");
    files.iter().map(|file| read(file)).collect()
}

fn read(file: &Path) -> Source {
    let path = relative(file);
    let text = fs::read_to_string(file).expect("a source file is readable text");
    let mut modules: Vec<String> = path
        .with_extension("")
        .components()
        .skip(1)
        .map(|part| part.as_os_str().to_string_lossy().into_owned())
        .collect();
    if modules.last().is_some_and(|last| last == "mod") {
        modules.pop();
    }
    let code = if is_test_file(&path) {
        String::new()
    } else {
        without_tests(&blanked(&text)).to_owned()
    };
    Source {
        room: modules[0].clone(),
        depth: modules.len(),
        path,
        text,
        code,
    }
}

/// All files below a directory; nothing when it does not exist.
fn walk(directory: &Path, files: &mut Vec<PathBuf>) {
    let Ok(entries) = fs::read_dir(directory) else {
        return;
    };
    for entry in entries {
        let path = entry.expect("a directory entry is readable").path();
        if path.is_dir() {
            let name = path.file_name().unwrap_or_default();
            if !["target", "node_modules", "__pycache__", ".venv"]
                .iter()
                .any(|skipped| name == *skipped)
            {
                walk(&path, files);
            }
        } else {
            files.push(path);
        }
    }
    files.sort();
}

/// The text up to its tests, which stand at the end of a file.
fn without_tests(code: &str) -> &str {
    let end = code.find("#[cfg(test)]\nmod ").unwrap_or(code.len());
    &code[..end]
}

/// The text with comments and the insides of string and character literals replaced by spaces; line ends stay.
fn blanked(text: &str) -> String {
    #[derive(PartialEq)]
    enum In {
        Code,
        Line,
        Block(usize),
        Text,
        Raw(usize),
    }
    let chars: Vec<char> = text.chars().collect();
    let (mut out, mut state, mut at) = (String::with_capacity(text.len()), In::Code, 0);
    let is = |at: usize, wanted: char| chars.get(at) == Some(&wanted);
    while at < chars.len() {
        let (char, mut used) = (chars[at], 1);
        let mut keep = false;
        match state {
            In::Code if char == '/' && is(at + 1, '/') => state = In::Line,
            In::Code if char == '/' && is(at + 1, '*') => (state, used) = (In::Block(1), 2),
            In::Code
                if char == 'r'
                    && !chars[..at]
                        .last()
                        .is_some_and(|before| before.is_alphanumeric() || *before == '_') =>
            {
                let hashes = chars[at + 1..]
                    .iter()
                    .take_while(|char| **char == '#')
                    .count();
                if is(at + 1 + hashes, '"') {
                    (state, used) = (In::Raw(hashes), hashes + 2);
                } else {
                    keep = true;
                }
            }
            In::Code if char == '"' => state = In::Text,
            // A character, not a lifetime.
            In::Code if char == '\'' && is(at + 1, '\\') => {
                let close = chars[at + 3..].iter().position(|char| *char == '\'');
                used = close.map_or(1, |close| close + 4);
            }
            In::Code if char == '\'' && is(at + 2, '\'') => used = 3,
            In::Code => keep = true,
            In::Line if char == '\n' => state = In::Code,
            In::Block(depth) if char == '*' && is(at + 1, '/') => {
                state = if depth == 1 {
                    In::Code
                } else {
                    In::Block(depth - 1)
                };
                used = 2;
            }
            In::Block(depth) if char == '/' && is(at + 1, '*') => {
                (state, used) = (In::Block(depth + 1), 2)
            }
            In::Text if char == '\\' => used = 2,
            In::Text if char == '"' => state = In::Code,
            In::Raw(hashes) if char == '"' && (1..=hashes).all(|hash| is(at + hash, '#')) => {
                (state, used) = (In::Code, hashes + 1);
            }
            _ => {}
        }
        for char in &chars[at..(at + used).min(chars.len())] {
            out.push(if keep || *char == '\n' { *char } else { ' ' });
        }
        at += used;
    }
    out
}

/// Every room that blanked code names: through `crate::`, through `leveret::` in the program, or by climbing out of its own
/// room with `super::`. With the line.
fn rooms_used(code: &str, depth: usize) -> BTreeSet<(usize, String)> {
    let rooms: BTreeSet<&str> = FLOORS
        .iter()
        .flat_map(|rooms| rooms.iter().copied())
        .collect();
    let mut used = BTreeSet::new();
    for root in ["crate::", "leveret::"] {
        for (at, _) in code.match_indices(root) {
            if code[..at]
                .chars()
                .next_back()
                .is_some_and(|before| before.is_alphanumeric() || before == '_' || before == ':')
            {
                continue;
            }
            let line = code[..at].lines().count().max(1);
            for name in first_names(&code[at + root.len()..]) {
                if rooms.contains(name.as_str()) {
                    used.insert((line, name));
                }
            }
        }
    }
    for (at, _) in code.match_indices("super::") {
        if code[..at].ends_with("super::") {
            continue;
        }
        let mut rest = &code[at..];
        let mut climbed = 0;
        while let Some(above) = rest.strip_prefix("super::") {
            (rest, climbed) = (above, climbed + 1);
        }
        // An inline module may climb once more; then a name of another room is what gives it away.
        if climbed >= depth {
            let line = code[..at].lines().count().max(1);
            for name in first_names(rest) {
                if rooms.contains(name.as_str()) {
                    used.insert((line, name));
                }
            }
        }
    }
    used
}

/// The first segment of a path, or of each path of a `{group}`.
fn first_names(path: &str) -> Vec<String> {
    let name = |text: &str| -> String {
        text.trim_start()
            .chars()
            .take_while(|char| char.is_alphanumeric() || *char == '_')
            .collect()
    };
    let Some(group) = path.trim_start().strip_prefix('{') else {
        return vec![name(path)];
    };
    let (mut names, mut depth, mut fresh) = (Vec::new(), 1, true);
    for (at, char) in group.char_indices() {
        match char {
            '{' => depth += 1,
            '}' if depth == 1 => break,
            '}' => depth -= 1,
            ',' if depth == 1 => fresh = true,
            char if fresh && !char.is_whitespace() => {
                names.push(name(&group[at..]));
                fresh = false;
            }
            _ => {}
        }
    }
    names
}

#[test]
fn the_reader_of_sources_reads_them_right() {
    let code = blanked(
        "use crate::wire; // crate::server\nlet a = \"crate::perf \\\" x\"; let b = 'x'; let c: &'a str;\n/* crate::mqtt */ r#\"crate::\"#",
    );
    assert!(code.starts_with("use crate::wire; "));
    assert_eq!(code.matches("crate").count(), 1);
    assert!(code.contains("let c: &'a str;"));
    let lines = |code: &str, depth| {
        rooms_used(&blanked(code), depth)
            .into_iter()
            .collect::<Vec<_>>()
    };
    assert_eq!(
        lines(
            "use crate::wire::frame;\nfn a() { crate::broker::run() }",
            1
        ),
        [(1, "wire".into()), (2, "broker".into())]
    );
    assert_eq!(
        lines("use crate::{auth::Users, queue::{self, core}};", 1),
        [(1, "auth".into()), (1, "queue".into())]
    );
    assert_eq!(
        lines("use super::super::broker::Broker;", 2),
        [(1, "broker".into())]
    );
    assert_eq!(lines("use super::store::x;", 2), []);
    assert_eq!(
        lines("pub(in crate::queue) fn a() {}", 2),
        [(1, "queue".into())]
    );
    let place = ["/ho", "me/"].concat();
    assert!(starts_a_path(&format!("see `{place}me`"), &place));
    assert!(!starts_a_path(&format!("https://x.org{place}me"), &place));
}
