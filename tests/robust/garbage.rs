//! Noise, from a seed.

use crate::slow::ordinary_work;
use crate::support::raw::frame;
use crate::support::{Method, basic, queue, shared, tx};

/// A small generator, so that a failure can be repeated.
struct Noise(u64);

impl Noise {
    fn next(&mut self) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        self.0 >> 33
    }
    fn below(&mut self, bound: usize) -> usize {
        self.next() as usize % bound
    }
}

#[test]
fn random_bytes_instead_of_frames() {
    let mut good = shared().channel();
    let queue = good.queue(1);
    for seed in 0..50 {
        let mut noise = Noise(seed);
        let bytes: Vec<u8> = (0..500).map(|_| noise.next() as u8).collect();
        let mut peer = shared().connect();
        peer.try_send_bytes(&bytes);
        let mut peer = shared().channel();
        peer.try_send_bytes(&bytes);
        let mut peer = shared().connect();
        peer.start();
        peer.try_send_bytes(&bytes);
    }
    ordinary_work(&mut good, &queue);
}

#[test]
fn methods_with_flipped_bytes() {
    let mut good = shared().channel();
    let name = good.queue(1);
    let methods: Vec<Method> = vec![
        queue::declare(
            &name,
            "passive",
            table! { "x-max-length" => 5i32, "t" => table! { "a" => 1i64 } },
        ),
        queue::bind(&name, "amq.topic", "a.b.#", table! { "x-match" => "any" }),
        basic::consume(&name, "tag", "no-ack", table! { "x-priority" => 3i32 }),
        basic::publish("amq.headers", "key", "mandatory"),
        basic::qos(0, 10, true),
        basic::get(&name, ""),
        basic::nack(1, "multiple requeue"),
        tx::select(),
    ];
    for seed in 0..200 {
        let mut noise = Noise(seed);
        let mut payload = methods[noise.below(methods.len())].encode();
        for _ in 0..=noise.below(3) {
            let at = noise.below(payload.len());
            payload[at] = noise.next() as u8;
        }
        let mut peer = shared().channel();
        peer.try_send_bytes(&frame(1, 1, &payload));
        peer.try_send_bytes(&frame(2, 1, &crate::support::raw::header(1, &[0, 0])));
        // Hangs up cleanly whatever was answered.
    }
    crate::slow::ordinary_work(&mut good, &name);
}
