//! Messages that are held until they are due, wherever their bytes lie meanwhile.

use std::collections::BTreeMap;

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::queue::dead_letter::Reason;
use crate::wire::properties::PropertiesBuilder;
use crate::wire::table::{write_i64, write_name};

#[derive(Clone, Debug)]
enum Deed {
    /// So many messages of this length and delay; bit i of the mask says whether message i % 8 is persistent.
    Publish(usize, usize, i64, u8),
    Advance(u64),
    Journal,
    Evict(u64),
    Go(usize),
    /// What is due is taken and done with; so many at a time.
    Drain(usize),
    Purge,
}

struct Held {
    world: World,
    /// Due time and length of what is there, by number.
    there: BTreeMap<u64, (u64, usize)>,
}

impl Held {
    fn new(durable: bool) -> Self {
        let mut world = World::new(durable, None, Levels::One);
        let rules = Rules {
            order: Order {
                until_due: true,
                ..Order::default()
            },
            ..Rules::default()
        };
        let (spec, journal) = (world.queue.spec.clone(), Arc::clone(&world.journal));
        world.queue = Queue::new(spec, rules, journal, Urgency::Synced, 1);
        let there = BTreeMap::new();
        Self { world, there }
    }

    fn publish(&mut self, count: usize, len: usize, delay: i64, persistent: u8) {
        let world = &mut self.world;
        let mut builder = ChunkBuilder::with_capacity(CHUNK_BYTES_MAX);
        let mut drafts = Vec::new();
        for at in 0..count {
            let is_persistent = persistent >> (at % 8) & 1 == 1;
            // Every third is due a little earlier than the one before it.
            let delay = delay - (at % 3) as i64;
            let mut headers = Vec::new();
            write_name(&mut headers, b"x-delay");
            write_i64(&mut headers, delay);
            let properties = PropertiesBuilder {
                headers: Some(&headers),
                delivery_mode: Some(1 + u8::from(is_persistent)),
                ..PropertiesBuilder::default()
            };
            let due = world.now + u64::try_from(delay).unwrap_or(0);
            self.there.insert(world.next, (due, len));
            let body = body(world.next, len);
            drafts.push(builder.push(&[0, 0], &properties.build(), is_persistent, &body));
            world.next += 1;
        }
        let chunk = builder.seal();
        let mut links = Links::default();
        links.link(&chunk, &world.journal);
        let messages = drafts.iter().map(|draft| chunk.message(draft));
        let mut effects = Effects::default();
        let mut locked = world.queue.lock();
        locked
            .publish(messages, &links, world.now, &mut effects)
            .expect("it is there");
        drop(locked);
        world.effects(effects);
    }

    fn tick(&mut self) {
        let mut effects = Effects::default();
        self.world.queue.lock().tick(self.world.now, &mut effects);
        self.world.effects(effects);
    }

    fn drain(&mut self, most: usize) -> bool {
        self.tick();
        let world = &mut self.world;
        let due = world.queue.lock().take_dying(most, world.now);
        for (sequence, message, reason) in &due {
            assert_eq!(*reason, Reason::Due);
            let (at, len) = self.there.remove(sequence).expect("it comes once");
            assert!(at <= world.now, "not before its time");
            assert!(message.body() == body(*sequence, len), "byte for byte");
        }
        let sequences: Vec<u64> = due.iter().map(|(sequence, ..)| *sequence).collect();
        let mut effects = Effects::default();
        world
            .queue
            .lock()
            .buried(&sequences, world.now, &mut effects);
        world.effects(effects);
        !sequences.is_empty()
    }

    fn run(&mut self, deed: &Deed) {
        match *deed {
            Deed::Publish(count, len, delay, persistent) => {
                self.publish(count, len, delay, persistent);
            }
            Deed::Advance(by) => {
                self.world.now += by;
                self.tick();
            }
            Deed::Journal => {
                for _ in 0..3 {
                    self.world.journal.step(self.world.now);
                }
            }
            Deed::Evict(keep) => self.world.evict(keep, false),
            Deed::Go(steps) => {
                for _ in 0..steps {
                    self.world.go();
                }
            }
            Deed::Drain(most) => {
                self.drain(most);
            }
            Deed::Purge => {
                let (_, effects) = self.world.queue.purge(self.world.now);
                self.world.effects(effects);
                let locked = self.world.queue.lock();
                let dying: Vec<u64> = locked.core.dying.iter().map(|one| one.0).collect();
                drop(locked);
                self.there.retain(|sequence, _| dying.contains(sequence));
            }
        }
        let locked = self.world.queue.lock();
        locked.core.check();
        assert_eq!(
            locked.core.ready + locked.core.dying.len(),
            self.there.len()
        );
    }

    /// All that is there comes when its time has come, and what is next comes first.
    fn finish(&mut self) {
        while let Some((first, _)) = self.there.values().min().copied() {
            self.world.now = self.world.now.max(first);
            let due = |there: &BTreeMap<u64, (u64, usize)>, now: u64| {
                there.values().filter(|(at, _)| *at <= now).count()
            };
            let expected = due(&self.there, self.world.now);
            let before = self.there.len();
            let mut idle = 0;
            while before - self.there.len() < expected {
                let moved = self.drain(100);
                idle = if self.world.go() || moved {
                    0
                } else {
                    idle + 1
                };
                assert!(idle < 10, "nobody brings what is due");
            }
        }
    }
}

fn deeds() -> impl Strategy<Value = Vec<Deed>> {
    let deed = prop_oneof![
        4 => (1..60usize, 0..3000usize, -5..3000i64, any::<u8>())
            .prop_map(|(count, len, delay, mask)| Deed::Publish(count, len, delay, mask)),
        3 => (0..800u64).prop_map(Deed::Advance),
        3 => Just(Deed::Journal),
        4 => (0..20_000u64).prop_map(Deed::Evict),
        4 => (1..6usize).prop_map(Deed::Go),
        3 => (1..200usize).prop_map(Deed::Drain),
        1 => Just(Deed::Purge),
    ];
    vec(deed, 1..80)
}

proptest! {
    #[test]
    fn held_messages_come_once_whole_and_in_time(durable: bool, deeds in deeds()) {
        let mut held = Held::new(durable);
        for deed in &deeds {
            held.run(deed);
        }
        held.finish();
        prop_assert!(held.world.queue.lock().core.dying.is_empty());
    }
}
