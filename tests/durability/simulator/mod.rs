//! The simulator: a broker on a faulty disk, driven step by step by a seed, checked against what it promised.

mod client;
mod model;
mod random;
mod run;
mod wire;
mod world;

use self::run::{Sabotage, run};

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
    for seed in 0..3000 {
        check(seed);
    }
}
