//! kill -9 of the real process under load from real clients, also while it recovers; every message accounted for.
//!
//! `cargo test` does a few rounds. A hundred:
//!
//! ```text
//! LEVERET_ROUNDS=100 cargo test --release --test durability kill::campaign -- --ignored --nocapture
//! ```
//!
//! A round is a kill; a seed is a data directory with one to five of them. The seed chooses what the clients do and when the
//! broker is killed; the rest is up to the machine, so a seed may not fail again.

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
        let queues = client.book().queues();
        for queue in queues {
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
    crate::campaign::campaign("## kill -9", 100, |seed| {
        let outcome = run(seed);
        println!(
            "seed {seed}: {} kills, {} confirmed, {} acks undone",
            outcome.rounds, outcome.confirmed, outcome.undone
        );
        crate::campaign::Outcome {
            rounds: outcome.rounds,
            confirmed: outcome.confirmed,
            faults: outcome.faults,
        }
    });
}
