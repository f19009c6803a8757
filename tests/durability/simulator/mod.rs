//! The simulator: a broker on a faulty disk, driven step by step by a seed, checked against what it promised.
//!
//! `cargo test` does a few hundred seeds. More of them, and what the variables mean: `campaign.rs`.
//!
//! ```text
//! LEVERET_ROUNDS=20000 cargo test --release --test durability simulator::campaign -- --ignored --nocapture
//! ```

mod client;
mod features;
mod model;
mod random;
mod run;
mod wire;
mod world;

use self::run::{Outcome, Sabotage, run};

/// Seeds that have found something once. Both: commit-ok before the disk knew that a queue with one of its acks was deleted.
const KEPT: [u64; 2] = [25_772, 26_981];

fn check(seed: u64) {
    let outcome = run(seed, Sabotage::None);
    if let Err(why) = outcome.verdict {
        for line in &outcome.trace {
            println!("{line}");
        }
        panic!("seed {seed}: {why}");
    }
}

#[test]
fn what_was_confirmed_is_there_after_any_crash() {
    for seed in KEPT.into_iter().chain(0..500) {
        check(seed);
    }
}

/// The seed that is in `LEVERET_FROM_SEED`, with everything that happens.
#[test]
#[ignore = "to look at one seed"]
fn one() {
    let seed = std::env::var("LEVERET_FROM_SEED").expect("a seed");
    check(seed.parse().expect("a number"));
}

fn check_features(seed: u64) {
    let outcome = features::run(seed, None, false);
    if let Err(why) = outcome.verdict {
        for line in &outcome.trace {
            println!("{line}");
        }
        panic!("seed {seed}: {why}");
    }
}

#[test]
fn what_features_promise_holds_after_any_crash() {
    for seed in 0..200 {
        check_features(seed);
    }
}

/// As [`one`].
#[test]
#[ignore = "to look at one seed"]
fn one_of_features() {
    let seed = std::env::var("LEVERET_FROM_SEED").expect("a seed");
    check_features(seed.parse().expect("a number"));
}

/// With all of its parts, or only with the one that `LEVERET_PART` names.
#[test]
#[ignore = "a campaign: as long as LEVERET_MINUTES or LEVERET_ROUNDS say"]
fn campaign_of_features() {
    let part = std::env::var("LEVERET_PART").ok();
    crate::campaign::campaign("## Simulator of features", 20_000, |seed| {
        let Outcome {
            verdict, figures, ..
        } = features::run(seed, part.as_deref(), false);
        crate::campaign::Outcome {
            rounds: figures.lives as u64,
            confirmed: figures.confirmed as u64,
            faults: verdict.err().into_iter().collect(),
        }
    });
}

#[test]
fn features_of_a_seed_do_the_same_every_time() {
    for seed in 0..10 {
        let (one, other) = (
            features::run(seed, None, false),
            features::run(seed, None, false),
        );
        assert_eq!(one.hash, other.hash, "seed {seed}");
        assert_eq!(one.figures, other.figures, "seed {seed}");
    }
}

/// Each part of it finds out that syncs do nothing.
#[test]
fn a_feature_whose_syncs_do_nothing_is_found_out() {
    for name in features::names() {
        let mut seeds = 0..200;
        let found = seeds.find(|seed| features::run(*seed, Some(name), true).verdict.is_err());
        assert!(found.is_some(), "{name}");
    }
}

#[test]
#[ignore = "a campaign: as long as LEVERET_MINUTES or LEVERET_ROUNDS say"]
fn campaign() {
    crate::campaign::campaign("## Simulator", 20_000, |seed| {
        let Outcome {
            verdict, figures, ..
        } = run(seed, Sabotage::None);
        crate::campaign::Outcome {
            rounds: figures.lives as u64,
            confirmed: figures.confirmed as u64,
            faults: verdict.err().into_iter().collect(),
        }
    });
}

#[test]
fn a_seed_does_the_same_every_time() {
    for seed in 0..20 {
        let (one, other) = (run(seed, Sabotage::None), run(seed, Sabotage::None));
        assert_eq!(one.hash, other.hash, "seed {seed}");
        assert_eq!(one.figures, other.figures, "seed {seed}");
    }
}

/// A simulator that finds nothing has to show that it would.
#[test]
fn a_broker_that_breaks_its_promise_is_found_out() {
    for sabotage in [
        Sabotage::NoSync,
        Sabotage::Lose,
        Sabotage::Double,
        Sabotage::Swap,
        Sabotage::Forget,
    ] {
        let found = (0..100).find(|seed| run(*seed, sabotage).verdict.is_err());
        assert!(found.is_some(), "{sabotage:?}");
    }
}

/// Of a transaction without an answer nothing is promised but that it is whole: no other check would see half of one.
#[test]
fn half_a_transaction_is_found_out() {
    let found = (0..200).find(|seed| {
        let verdict = run(*seed, Sabotage::Half).verdict;
        verdict.is_err_and(|why| why.contains("is there in part"))
    });
    assert!(found.is_some());
}
