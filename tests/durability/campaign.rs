//! Campaigns: one seed after another for as long as the environment says, with a row in `campaigns.md`.
//!
//! ```text
//! LEVERET_ROUNDS=100       so many rounds
//! LEVERET_MINUTES=30       or so long
//! LEVERET_FROM_SEED=101    from this seed on
//! ```
//!
//! The row is written anew after every few seeds, so that a campaign may be stopped at any time and continued with the seed
//! behind its last.

use std::time::{Duration, Instant};

/// What came of a seed.
pub struct Outcome {
    /// What the row counts.
    pub rounds: u64,
    pub confirmed: u64,
    /// What is wrong.
    pub faults: Vec<String>,
}

const CAMPAIGNS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/durability/campaigns.md");
/// The row may be so old.
const ROW_AGE: Duration = Duration::from_secs(2);

fn number(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().expect("a number"))
}

/// Runs seeds and keeps a row in this section of `campaigns.md`; panics in the end if any has faults.
pub fn campaign(section: &str, rounds: u64, mut run: impl FnMut(u64) -> Outcome) {
    let minutes = number("LEVERET_MINUTES");
    let default = if minutes.is_some() { u64::MAX } else { rounds };
    let rounds = number("LEVERET_ROUNDS").unwrap_or(default);
    let end = minutes.map(|minutes| Instant::now() + Duration::from_secs(60 * minutes));
    let mut row = Row::begin(section, number("LEVERET_FROM_SEED").unwrap_or(1));
    for seed in row.first.. {
        let outcome = run(seed);
        if !outcome.faults.is_empty() {
            println!("seed {seed}: {:#?}", outcome.faults);
        }
        row.add(seed, &outcome);
        if row.rounds >= rounds || end.is_some_and(|end| Instant::now() >= end) {
            break;
        }
    }
    row.write();
    assert!(row.failed.is_empty(), "seeds with faults: {:?}", row.failed);
}

struct Row {
    head: String,
    tail: String,
    first: u64,
    last: u64,
    rounds: u64,
    confirmed: u64,
    failed: Vec<u64>,
    when: String,
    version: String,
    written: Instant,
}

impl Row {
    fn begin(section: &str, first: u64) -> Self {
        let output = |program: &str, arguments: &[&str]| {
            let output = std::process::Command::new(program).args(arguments).output();
            String::from_utf8_lossy(&output.expect("it runs").stdout)
                .trim()
                .to_owned()
        };
        let text = std::fs::read_to_string(CAMPAIGNS).expect("campaigns.md");
        let section = text.find(section).expect("a section for this");
        let end = text[section + 3..]
            .find("\n## ")
            .map_or(text.len(), |at| section + 3 + at);
        Self {
            head: text[..end].trim_end().to_owned() + "\n",
            tail: text[end..].to_owned(),
            first,
            last: first,
            rounds: 0,
            confirmed: 0,
            failed: Vec::new(),
            when: output("date", &["-u", "+%Y-%m-%d %H:%M"]),
            version: output("git", &["describe", "--always", "--dirty"]),
            written: Instant::now(),
        }
    }

    fn add(&mut self, seed: u64, outcome: &Outcome) {
        self.last = seed;
        self.rounds += outcome.rounds;
        self.confirmed += outcome.confirmed;
        if !outcome.faults.is_empty() {
            self.failed.push(seed);
        }
        if self.written.elapsed() > ROW_AGE {
            self.write();
        }
    }

    fn write(&mut self) {
        self.written = Instant::now();
        let findings = match self.failed.as_slice() {
            [] => format!("none; {} messages confirmed", self.confirmed),
            failed => format!("seeds {failed:?}"),
        };
        let row = format!(
            "| {} | {} | {}-{} | {} | {findings} |\n",
            self.when, self.version, self.first, self.last, self.rounds
        );
        let (head, tail) = (&self.head, &self.tail);
        std::fs::write(CAMPAIGNS, format!("{head}{row}{tail}")).expect("campaigns.md");
    }
}
