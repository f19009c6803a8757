//! kill -9 of the real process under load from real clients, also while it recovers; every message accounted for.
//!
//! `cargo test` does a few rounds. A hundred:
//!
//! ```text
//! LEVERET_ROUNDS=100 cargo test --release --test durability kill::campaign -- --ignored --nocapture
//! LEVERET_MINUTES=30 LEVERET_FROM_SEED=101 ...          # so long instead, from this seed on
//! ```
//!
//! A campaign adds a row to `campaigns.md` and keeps it up to date after each seed, so that it may be stopped at any time and
//! continued with the seed behind its last. A round is a kill; a seed is a data directory with one to five of them. The seed
//! chooses what the clients do and when the broker is killed; the rest is up to the machine, so a seed may not fail again.

mod body;
mod book;
mod clients;

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crate::support::{End, Home, foreign};
use body::Random;
use book::Book;
use clients::*;

/// Settings that make much of little load: files that fill up, checkpoints all the time, messages that do not fit.
const SETTINGS: [&[&str]; 3] = [
    &[],
    &["checkpoint_interval_size=1MiB"],
    &[
        "checkpoint_interval_size=1MiB",
        "message_memory_budget=1MiB",
    ],
];

/// What came of a seed.
struct Outcome {
    rounds: u64,
    confirmed: u64,
    undone: u64,
    faults: Vec<String>,
}

fn run(seed: u64) -> Outcome {
    let mut random = Random(seed);
    let settings = SETTINGS[random.below(SETTINGS.len() as u64) as usize];
    let mut home = Home::with(settings);
    let book = Arc::new(Mutex::new(Book::default()));
    book.lock().unwrap().repeating.push(DEAD.to_owned());
    let rounds = 1 + random.below(5);
    for round in 0..rounds {
        let last = round + 1 == rounds;
        life(&mut home, &book, &mut random);
        for _ in 0..random.below(3) {
            // Killed again while it recovers, or a little later.
            let broker = home.spawn();
            std::thread::sleep(Duration::from_millis(random.below(60)));
            broker.kill();
        }
        home.start();
        book.lock().unwrap().next_life();
        if last || random.once_in(3) {
            look(&home, &book, last);
        }
        if !book.lock().unwrap().faults.is_empty() {
            break;
        }
    }
    let book = book.lock().unwrap();
    Outcome {
        rounds: u64::from(book.life),
        confirmed: book.confirmed,
        undone: book.undone,
        faults: book.faults.clone(),
    }
}

/// Clients at work for a while, then the kill; when this returns nobody writes into the books any more.
fn life(home: &mut Home, book: &Arc<Mutex<Book>>, random: &mut Random) {
    let runtime = runtime();
    let client = |seed: u64| Client {
        uri: home.uri(),
        book: Arc::clone(book),
        seed,
    };
    runtime
        .block_on(client(0).prepare())
        .expect("the broker lives");
    let mut tasks = Vec::new();
    let mut begin = |task: std::pin::Pin<Box<dyn Future<Output = lapin::Result<()>> + Send>>| {
        tasks.push(runtime.spawn(task));
    };
    let window = |random: &mut Random| [1, 10, 200][random.below(3) as usize];
    for queue in PLAIN.iter().chain(&[BACKLOG, SOURCE, DYING, RETURNED]) {
        let window = window(random);
        begin(Box::pin(client(random.next()).publisher(
            "",
            vec![(*queue).to_owned()],
            window,
        )));
    }
    let fan: Vec<String> = (0..FANOUT_QUEUES)
        .map(|number| format!("fan-{number}"))
        .collect();
    begin(Box::pin(client(random.next()).publisher(
        FANOUT,
        fan.clone(),
        window(random),
    )));
    for queue in PLAIN
        .iter()
        .map(|name| (*name).to_owned())
        .chain(fan.into_iter().step_by(2))
        .chain([DEAD.to_owned()])
    {
        let prefetch = [1, 20, 300][random.below(3) as usize];
        let at_a_time = 1 + random.below(u64::from(prefetch).min(30)) as usize;
        begin(Box::pin(
            client(random.next()).consumer(queue, prefetch, at_a_time),
        ));
    }
    begin(Box::pin(client(random.next()).rejecter()));
    begin(Box::pin(client(random.next()).returner()));
    begin(Box::pin(client(random.next()).transactions()));
    begin(Box::pin(client(random.next()).recreator()));
    begin(Box::pin(client(random.next()).declarer()));
    let length = match random.below(4) {
        0 => 20 + random.below(200),
        1 | 2 => 200 + random.below(800),
        _ => 1000 + random.below(1500),
    };
    std::thread::sleep(Duration::from_millis(length));
    // None of them has a reason to fail while the broker lives.
    for task in tasks.iter_mut().filter(|task| task.is_finished()) {
        if let Err(error) = runtime.block_on(task).expect("no client panics") {
            book.lock()
                .unwrap()
                .faults
                .push(format!("a client failed: {error}"));
        }
    }
    book.lock().unwrap().killed();
    home.end(End::Kill);
    tasks.iter().for_each(|task| task.abort());
    runtime.shutdown_timeout(Duration::from_secs(5));
}

/// Looks at every queue and settles the account.
fn look(home: &Home, book: &Arc<Mutex<Book>>, empty: bool) {
    let client = Client {
        uri: home.uri(),
        book: Arc::clone(book),
        seed: 0,
    };
    let looked = runtime().block_on(async {
        for queue in client.book().queues() {
            // The kill may have come between its deletion and its return.
            if queue == RECREATED {
                client.prepare().await?;
            }
            client.empty(&queue, empty).await?;
        }
        client.check_declared().await
    });
    looked.expect("the broker lives");
    book.lock().unwrap().account();
}

fn runtime() -> tokio::runtime::Runtime {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    builder
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime")
}

#[test]
fn confirmed_messages_survive_kill_9() {
    if foreign() {
        return;
    }
    let begun = Instant::now();
    for seed in [1, 2, 3] {
        let outcome = run(seed);
        assert!(
            outcome.faults.is_empty(),
            "seed {seed}: {:#?}",
            outcome.faults
        );
        // A machine under stress need not do them all.
        if begun.elapsed() > Duration::from_secs(12) {
            break;
        }
    }
}

#[test]
#[ignore = "a campaign: as long as LEVERET_MINUTES or LEVERET_ROUNDS say"]
fn campaign() {
    let number = |name: &str| {
        std::env::var(name)
            .ok()
            .map(|text| text.parse::<u64>().expect("a number"))
    };
    let rounds = number("LEVERET_ROUNDS").unwrap_or(if number("LEVERET_MINUTES").is_some() {
        u64::MAX
    } else {
        100
    });
    let end =
        number("LEVERET_MINUTES").map(|minutes| Instant::now() + Duration::from_secs(60 * minutes));
    let first = number("LEVERET_FROM_SEED").unwrap_or(1);
    let mut row = Row::begin(first);
    for seed in first.. {
        let outcome = run(seed);
        println!(
            "seed {seed}: {} kills, {} confirmed, {} acks undone, {:?}",
            outcome.rounds, outcome.confirmed, outcome.undone, outcome.faults
        );
        row.add(seed, &outcome);
        if row.rounds >= rounds || end.is_some_and(|end| Instant::now() >= end) {
            break;
        }
    }
    assert!(row.failed.is_empty(), "seeds with faults: {:?}", row.failed);
}

/// A row of `campaigns.md`, the last line of the file, written anew after each seed.
struct Row {
    head: String,
    tail: String,
    first: u64,
    rounds: u64,
    confirmed: u64,
    failed: Vec<u64>,
    when: String,
    version: String,
}

const CAMPAIGNS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/durability/campaigns.md");
const SECTION: &str = "## kill -9";

impl Row {
    fn begin(first: u64) -> Self {
        let output = |program: &str, arguments: &[&str]| {
            let output = std::process::Command::new(program).args(arguments).output();
            String::from_utf8_lossy(&output.expect("it runs").stdout)
                .trim()
                .to_owned()
        };
        let text = std::fs::read_to_string(CAMPAIGNS).expect("campaigns.md");
        let section = text.find(SECTION).expect("a section for this");
        let end = text[section + 3..]
            .find("\n## ")
            .map_or(text.len(), |at| section + 3 + at);
        Self {
            head: text[..end].trim_end().to_owned() + "\n",
            tail: text[end..].to_owned(),
            first,
            rounds: 0,
            confirmed: 0,
            failed: Vec::new(),
            when: output("date", &["-u", "+%Y-%m-%d %H:%M"]),
            version: output("git", &["describe", "--always", "--dirty"]),
        }
    }

    fn add(&mut self, seed: u64, outcome: &Outcome) {
        self.rounds += outcome.rounds;
        self.confirmed += outcome.confirmed;
        if !outcome.faults.is_empty() {
            self.failed.push(seed);
        }
        let findings = match self.failed.as_slice() {
            [] => format!("none; {} messages confirmed", self.confirmed),
            failed => format!("seeds {failed:?}"),
        };
        let (first, rounds) = (self.first, self.rounds);
        let row = format!(
            "| {} | {} | {first}-{seed} | {rounds} | {findings} |\n",
            self.when, self.version
        );
        let (head, tail) = (&self.head, &self.tail);
        std::fs::write(CAMPAIGNS, format!("{head}{row}{tail}")).expect("campaigns.md");
    }
}
