//! Windows that drop duplicates, of queues and of exchanges: an id that was confirmed is known as long as it counts, and a message
//! whose id is not known is not swallowed.

use std::collections::{BTreeMap, BTreeSet};

use super::peer::{Got, Peer, Wanted};
use super::{End, Part, Stage};
use crate::simulator::model::Verdict;
use crate::simulator::wire;

/// One window: who has it, and how long an id counts.
#[derive(Clone, Copy)]
pub struct Window {
    name: &'static str,
    queue: &'static str,
    /// None: the queue itself has the window.
    exchange: Option<(&'static str, &'static str)>,
    ms: u32,
}

pub const WINDOWS: [Window; 5] = [
    Window {
        name: "a queue's window",
        queue: "once",
        exchange: None,
        ms: 600_000,
    },
    Window {
        name: "a queue's short window",
        queue: "once.short",
        exchange: None,
        ms: 900,
    },
    Window {
        name: "an exchange's window",
        queue: "once.fanout",
        exchange: Some(("once.fanout.x", "fanout")),
        ms: 600_000,
    },
    Window {
        name: "an exchange's short window",
        queue: "once.fanout.short",
        exchange: Some(("once.fanout.short.x", "fanout")),
        ms: 900,
    },
    Window {
        name: "the window of an x-message-deduplication",
        queue: "once.plugin",
        exchange: Some(("once.plugin.x", "x-message-deduplication")),
        ms: 600_000,
    },
];

/// What becomes of a publish.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Placed,
    Dropped,
    Either,
}

#[derive(Debug)]
struct Sent {
    name: u64,
    at_ms: u64,
    by_ms: u64,
    fate: Fate,
    confirmed: bool,
    acked: bool,
    gone: bool,
    weak: bool,
    /// It was in the queue.
    seen: bool,
}

/// What is known of an id in the window.
#[derive(Debug, Default)]
struct Id {
    /// It is known before this time, and not from the other on; between them nobody can say.
    surely_ms: u64,
    perhaps_ms: u64,
    /// The last message that may have been placed under it.
    last: Option<u64>,
    /// The only one that can be there, if the id is known now.
    alone: bool,
}

/// See the module.
pub struct Windows {
    window: Window,
    peer: Peer,
    sent: BTreeMap<u64, Sent>,
    ids: BTreeMap<u64, Id>,
    held: BTreeSet<u64>,
    next: u64,
    /// Those that do not outlive the process.
    transient: BTreeSet<u64>,
}

impl Windows {
    pub fn new(number: usize, window: Window) -> Self {
        Self {
            window,
            peer: Peer::new(number),
            sent: BTreeMap::new(),
            ids: BTreeMap::new(),
            held: BTreeSet::new(),
            next: 0,
            transient: BTreeSet::new(),
        }
    }

    fn arrive(&mut self, got: &Got) -> Verdict {
        let Some(sent) = self.sent.get_mut(&got.id) else {
            return Err(format!("{} was never published", got.id));
        };
        if sent.fate == Fate::Dropped {
            return Err(format!("a duplicate comes through: {} {sent:?}", got.id));
        }
        if sent.gone || sent.acked || self.held.contains(&got.id) {
            return Err(format!("{got:?} comes a second time: {sent:?}"));
        }
        sent.weak = false;
        sent.seen = true;
        // That it is there says that its id is known.
        let ms = u64::from(self.window.ms);
        let id = self.ids.entry(sent.name).or_default();
        if sent.at_ms + ms > id.surely_ms {
            // Whoever came after it was dropped.
            (id.last, id.alone) = (Some(got.id), true);
        }
        id.surely_ms = id.surely_ms.max(sent.at_ms + ms);
        id.perhaps_ms = id.perhaps_ms.max(sent.by_ms + ms);
        Ok(())
    }

    fn is_plugin(&self) -> bool {
        let exchange = self.window.exchange;
        exchange.is_some_and(|(_, kind)| kind != "fanout")
    }

    /// Publishes one; returns its number and the name by which it is known.
    fn publish(&mut self, stage: &mut Stage) -> (u64, u64) {
        let recent = self.next.saturating_sub(12);
        let name = if self.next > 0 && stage.random.chance(55) {
            recent + 1 + stage.random.below((self.next - recent) as usize) as u64
        } else {
            self.next += 1;
            self.next
        };
        let number = stage.number();
        let text = format!("d{name}");
        let transient = stage.random.chance(15);
        if transient {
            self.transient.insert(number);
        }
        let wanted = Wanted {
            transient,
            headers: if self.is_plugin() {
                vec![("x-deduplication-header", wire::text(&text))]
            } else {
                Vec::new()
            },
            message_id: Some(text),
            ..Wanted::default()
        };
        let (exchange, key) = match self.window.exchange {
            Some((exchange, _)) => (exchange, ""),
            None => ("", self.window.queue),
        };
        self.peer.publish(exchange, key, number, &wanted);
        (number, name)
    }

    /// What becomes of one that the broker has taken between these times.
    fn decide(&mut self, number: u64, name: u64, (from, to): (u64, u64)) -> Fate {
        let ms = u64::from(self.window.ms);
        let id = self.ids.entry(name).or_default();
        let fate = if to < id.surely_ms {
            Fate::Dropped
        } else if from >= id.perhaps_ms {
            (id.surely_ms, id.perhaps_ms) = (from + ms, to + ms);
            (id.last, id.alone) = (Some(number), true);
            Fate::Placed
        } else {
            // Somebody with that id has come, and nobody knows when.
            (id.surely_ms, id.perhaps_ms) = (from, to + ms);
            (id.last, id.alone) = (Some(number), false);
            Fate::Either
        };
        let sent = Sent {
            name,
            at_ms: from,
            by_ms: to,
            fate,
            confirmed: false,
            acked: false,
            gone: false,
            weak: fate == Fate::Either,
            seen: false,
        };
        self.sent.insert(number, sent);
        fate
    }
}

impl Part for Windows {
    fn name(&self) -> &'static str {
        self.window.name
    }

    fn peer(&mut self) -> &mut Peer {
        &mut self.peer
    }

    fn set_up(&mut self, stage: &mut Stage) -> Verdict {
        let window = [("x-dedup-window", wire::number(self.window.ms))];
        let cache = [
            ("x-cache-size", wire::number(1_000_000)),
            ("x-cache-ttl", wire::number(self.window.ms)),
            ("x-cache-persistence", wire::text("disk")),
        ];
        let queue = self.window.queue;
        let Some((exchange, kind)) = self.window.exchange else {
            self.peer.ask_declare(queue, &window);
            stage.answer(&mut self.peer)?;
            return Ok(());
        };
        let arguments = if kind == "fanout" {
            &window[..]
        } else {
            &cache
        };
        self.peer.ask_exchange(exchange, kind, arguments);
        self.peer.ask_declare(queue, &[]);
        self.peer.ask_bind(queue, exchange);
        for _ in 0..3 {
            stage.answer(&mut self.peer)?;
        }
        Ok(())
    }

    fn step(&mut self, stage: &mut Stage) -> Verdict {
        if stage.random.chance(65) {
            let from = stage.now();
            let count = 1 + stage.random.below(4);
            let some: Vec<_> = (0..count).map(|_| self.publish(stage)).collect();
            let taken = stage.flush(&mut self.peer);
            for (number, name) in some {
                let fate = self.decide(number, name, (from, stage.now()));
                stage.note(format!("{number} as {name}: {fate:?}"));
            }
            return taken;
        }
        let Some(got) = stage.get(&mut self.peer, self.window.queue)? else {
            return Ok(());
        };
        self.arrive(&got)?;
        match stage.random.below(4) {
            0 => drop(self.held.insert(got.id)),
            1 => self.peer.requeue(got.tag),
            _ => {
                self.peer.ack(got.tag);
                if let Some(sent) = self.sent.get_mut(&got.id) {
                    sent.acked = true;
                }
            }
        }
        stage.flush(&mut self.peer)
    }

    fn confirmed(&mut self, ids: &[u64]) {
        for number in ids {
            let Some(sent) = self.sent.get_mut(number) else {
                continue;
            };
            sent.confirmed = true;
            let (name, fate) = (sent.name, sent.fate);
            // What a duplicate's confirm says is that the message is there of which it is one.
            let id = self.ids.get(&name);
            let last = id.filter(|id| id.alone).and_then(|id| id.last);
            if fate == Fate::Dropped
                && let Some(first) = last.and_then(|last| self.sent.get_mut(&last))
                && !first.weak
            {
                first.confirmed = true;
            }
        }
    }

    fn doubtful(&mut self, ids: &[u64]) {
        for number in ids {
            let Some(sent) = self.sent.get_mut(number) else {
                continue;
            };
            sent.weak = true;
            if sent.fate == Fate::Placed && !sent.seen {
                sent.fate = Fate::Either;
                let id = self.ids.entry(sent.name).or_default();
                if id.last == Some(*number) {
                    id.surely_ms = 0;
                }
            } else if sent.fate == Fate::Dropped && !sent.confirmed {
                // If the one before it was never taken, this one may have been.
                sent.fate = Fate::Either;
                let id = self.ids.entry(sent.name).or_default();
                let until = sent.by_ms + u64::from(self.window.ms);
                let is_certain = id
                    .last
                    .and_then(|last| self.sent.get(&last))
                    .is_some_and(|last| last.confirmed || last.seen);
                let id = self.ids.entry(self.sent[number].name).or_default();
                if is_certain {
                    self.sent.get_mut(number).expect("it is there").fate = Fate::Dropped;
                } else {
                    id.surely_ms = 0;
                    id.perhaps_ms = id.perhaps_ms.max(until);
                    id.alone = false;
                }
            }
        }
    }

    fn returned(&mut self, unheard: bool) {
        self.held.clear();
        if unheard {
            for sent in self
                .sent
                .values_mut()
                .filter(|sent| !sent.gone && sent.acked)
            {
                (sent.acked, sent.weak) = (false, true);
            }
        }
    }

    fn quiet(&mut self) {
        for sent in self.sent.values_mut() {
            sent.gone |= sent.acked;
        }
    }

    fn ended(&mut self, end: End) {
        for (number, sent) in &mut self.sent {
            if self.transient.contains(number) {
                sent.gone = true;
            } else if end == End::Clean {
                sent.gone |= sent.acked;
            } else {
                sent.weak |= !sent.confirmed || sent.acked;
                sent.acked = false;
            }
        }
        let kept = self.is_plugin();
        for id in self.ids.values_mut() {
            let Some(last) = id.last else {
                continue;
            };
            if self.transient.contains(&last) && !kept {
                // What does not outlive the process leaves no id, or the next with it would be swallowed.
                *id = Id {
                    perhaps_ms: if id.alone { 0 } else { id.perhaps_ms },
                    ..Id::default()
                };
                continue;
            }
            // Of one that was seen only a confirm says that it stays so; that of a transient one says nothing of the disk.
            let promised = self.sent.get(&last).is_some_and(|last| last.confirmed);
            if end == End::Crash && (!promised || self.transient.contains(&last)) {
                id.surely_ms = 0;
            }
        }
    }

    fn look(&mut self, stage: &mut Stage) -> Verdict {
        let seen = stage.get_all(&mut self.peer, self.window.queue)?;
        let mut there = BTreeSet::new();
        let mut names = BTreeMap::new();
        for got in &seen {
            self.arrive(got)?;
            if !there.insert(got.id) {
                return Err(format!("{got:?} is there twice"));
            }
            let sent = &self.sent[&got.id];
            let until = sent.at_ms + u64::from(self.window.ms);
            if let Some((other, counts)) = names.insert(sent.name, (got.id, until))
                && counts > sent.by_ms
            {
                let name = sent.name;
                return Err(format!("{other} and {} are there as {name}", got.id));
            }
        }
        for (number, sent) in &mut self.sent {
            if there.contains(number) || sent.gone || sent.acked || sent.fate == Fate::Dropped {
                continue;
            }
            if !sent.weak {
                return Err(format!("{number} is lost: {sent:?}"));
            }
            sent.gone = true;
            let id = self.ids.entry(sent.name).or_default();
            // It never came: then its id may not be known, or the next with it would be swallowed.
            if !sent.seen && !sent.confirmed && id.alone && id.last == Some(*number) {
                (id.surely_ms, id.perhaps_ms) = (0, 0);
            }
        }
        self.peer.requeue_all();
        stage.flush(&mut self.peer)
    }
}
