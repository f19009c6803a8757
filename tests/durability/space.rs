//! Disk space comes back, and how much is written for it.

use leveret::broker::reclaim::Policy;
use leveret::store::faulty::FaultyDisk;

use super::world::{MIB, Random, World, bodies, on_disk};

#[test]
fn messages_that_are_consumed_soon_are_written_once_and_their_files_go() {
    let mut world = World::open(FaultyDisk::seeded(1), Policy::default());
    let queue = world.queue("q");
    for round in 0..400 {
        world.publish(
            std::slice::from_ref(&queue),
            &bodies(round * 100, 100, 1024),
        );
        world.consume(&queue, 100);
        world.pass(50);
        assert!(world.files() <= 6, "{} files", world.files());
    }
    world.pass(5000);
    assert!(world.files() <= 1, "{} files", world.files());
    let amplification = world.amplification();
    println!("consumed soon: {amplification:.3}");
    assert!(amplification <= 1.2, "{amplification}");
    assert_eq!(world.keeper.done().bytes_moved, 0);
}

#[test]
fn an_idle_broker_writes_nothing() {
    let mut world = World::open(FaultyDisk::seeded(2), Policy::default());
    let queue = world.queue("q");
    world.publish(std::slice::from_ref(&queue), &bodies(0, 5000, 1024));
    world.consume(&queue, 4000);
    world.pass(100_000);
    let before = world.disk.work();
    world.pass(1_000_000);
    assert_eq!(world.disk.work(), before);
}

#[test]
fn a_dense_backlog_is_written_once_and_drains_away() {
    let mut world = World::open(FaultyDisk::seeded(3), Policy::default());
    let queue = world.queue("q");
    for round in 0..400 {
        world.publish(
            std::slice::from_ref(&queue),
            &bodies(round * 100, 100, 1024),
        );
        world.pass(50);
    }
    world.pass(100_000);
    let amplification = world.amplification();
    println!("dense backlog: {amplification:.3}");
    assert!(amplification <= 1.2, "{amplification}");
    let mut world = world.kill(Policy::default());
    let queue = world.queue("q");
    assert_eq!(on_disk(&world, &queue), (0..40_000).collect::<Vec<_>>());
    let before = world.files();
    {
        let mut locked = queue.lock();
        locked.log().expect("durable").settled_range(0..20_000);
    }
    world.pass(10_000);
    assert!(
        world.files() < before / 2 + 3,
        "{} of {before} files",
        world.files()
    );
    {
        let mut locked = queue.lock();
        locked.log().expect("durable").settled_range(20_000..40_000);
    }
    world.pass(10_000);
    assert!(world.files() <= 1, "{} files", world.files());
}

#[test]
fn a_message_in_ten_queues_is_written_once_also_after_compaction() {
    let mut world = World::open(FaultyDisk::seeded(4), Policy::default());
    let queues: Vec<_> = (0..10).map(|n| world.queue(&format!("q{n}"))).collect();
    for round in 0..200 {
        world.publish(&queues, &bodies(round * 100, 100, 1024));
        world.pass(50);
    }
    let amplification = world.amplification();
    println!("ten queues: {amplification:.3}");
    assert!(amplification <= 1.2, "{amplification}");
    // Of every hundred messages, all ten queues keep ten.
    let keep = |number: u64| number % 100 < 10;
    for queue in &queues {
        let taken = world.take(queue, usize::MAX);
        let gone: Vec<u64> = (0..)
            .zip(taken)
            .filter(|(n, _)| !keep(*n))
            .map(|(_, s)| s)
            .collect();
        world.acknowledge(queue, &gone);
    }
    world.pass(200_000);
    let done = world.keeper.done();
    assert!(done.files_compacted > 10, "{done:?}");
    let live = 2000 * 1060;
    assert!(done.bytes_moved < live * 11 / 10, "{done:?}");
    assert!(world.files() <= 6, "{} files for two MiB", world.files());
    let kept: Vec<u64> = (0..20_000).filter(|n| keep(*n)).collect();
    let world = world.kill(Policy::default());
    for n in 0..10 {
        let queue = world.queue(&format!("q{n}"));
        assert_eq!(on_disk(&world, &queue), kept);
    }
}

/// What the default is for files of 32 MiB, for files of one.
fn scaled() -> Policy {
    Policy {
        gain_bytes: 2 * MIB,
        pressure_bytes: 4 * MIB,
        ..Policy::default()
    }
}

/// A steady backlog of 8 MiB from which messages go at random. Of a hundred new ones, `soon` go at once. Returns the amplification
/// once it is steady, and the most bytes of files for one live byte.
fn steady(seed: u64, bytes: usize, soon: usize) -> (f64, f64) {
    let mut world = World::open(FaultyDisk::seeded(seed), scaled());
    let mut random = Random(seed);
    let queue = world.queue("q");
    let backlog = 8 * MIB as usize / (bytes + 50);
    let round = 100 * 1024 / bytes;
    let mut waiting = Vec::new();
    let (mut number, mut most) = (0, 0_f64);
    let mut before = (0, 0);
    let total = 7 * backlog / round * 100 / (100 - soon);
    for turn in 0..total {
        world.publish(
            std::slice::from_ref(&queue),
            &bodies(number, round as u64, bytes),
        );
        number += round as u64;
        let mut new = world.take(&queue, usize::MAX);
        let mut gone: Vec<u64> = (0..round * soon / 100)
            .map(|_| new.swap_remove(random.below(new.len() as u64) as usize))
            .collect();
        waiting.append(&mut new);
        while waiting.len() > backlog {
            gone.push(waiting.swap_remove(random.below(waiting.len() as u64) as usize));
        }
        world.acknowledge(&queue, &gone);
        world.pass(50);
        if turn >= total / 4 {
            if before.0 == 0 {
                before = (world.disk.work().written_bytes, world.published);
            }
            // Four files are spares: at this scale they would count for much.
            let used = world.disk.used_bytes().saturating_sub(4 * MIB);
            most = most.max(used as f64 / (backlog * (bytes + 50)) as f64);
        }
    }
    let written = world.disk.work().written_bytes - before.0;
    let amplification = written as f64 / (world.published - before.1) as f64;
    println!(
        "steady, {bytes} B, {soon} % soon: {amplification:.3} written, {most:.2} held, {:?}",
        world.keeper.done()
    );
    (amplification, most)
}

#[test]
fn the_worst_steady_mix_is_written_not_much_more_than_twice() {
    for (seed, (bytes, soon)) in (10..).zip([(1024, 0), (1024, 50), (1024, 80), (300, 50)]) {
        let (amplification, most) = steady(seed, bytes, soon);
        assert!(
            amplification <= 2.3,
            "{bytes} B, {soon} % soon: {amplification}"
        );
        assert!(most <= 3.0, "{bytes} B, {soon} % soon: {most}");
    }
}
