//! Delivery counts: how often a message came back is not forgotten once it is on disk, and decides when it dies.

use std::collections::BTreeMap;

use super::peer::{Got, Peer, Wanted};
use super::{End, Part, Stage, note};
use crate::simulator::model::Verdict;
use crate::simulator::wire;

/// A message may come back so often.
const LIMIT: u64 = 5;

#[derive(Debug)]
struct Sent {
    /// It came back at least and at most so often.
    least: u64,
    most: u64,
    /// What the disk knows of it.
    written: u64,
    confirmed: bool,
    weak: bool,
    /// The tag by which it is held.
    held: Option<u64>,
    acked: bool,
    gone: bool,
}

/// See the module.
pub struct Counts {
    kind: &'static str,
    queue: &'static str,
    dead: &'static str,
    peer: Peer,
    sent: BTreeMap<u64, Sent>,
    /// Something may have been fetched that nobody has seen.
    blind: bool,
}

impl Counts {
    pub fn new(number: usize, kind: &'static str) -> Self {
        let quorum = kind == "quorum";
        Self {
            kind,
            queue: if quorum { "counted" } else { "counted.classic" },
            dead: if quorum { "over" } else { "over.classic" },
            peer: Peer::new(number),
            sent: BTreeMap::new(),
            blind: false,
        }
    }

    /// A message has come out of the queue.
    fn arrive(&mut self, got: &Got) -> Verdict {
        let Some(sent) = self.sent.get_mut(&got.id) else {
            return Err(format!("{} was never published", got.id));
        };
        if sent.gone || sent.acked || sent.held.is_some() {
            return Err(format!("{got:?} comes a second time: {sent:?}"));
        }
        let count = got.count.unwrap_or(0);
        if count < sent.least || count > sent.most {
            return Err(format!("{got:?} has a wrong count: {sent:?}"));
        }
        if count > LIMIT {
            return Err(format!("{got:?} is over the limit"));
        }
        if count > 0 && !got.redelivered {
            return Err(format!("{got:?} says that it is new"));
        }
        (sent.least, sent.most) = (count, count);
        sent.weak = false;
        sent.held = Some(got.tag);
        Ok(())
    }

    fn requeue(&mut self, id: u64) {
        if let Some(sent) = self.sent.get_mut(&id)
            && let Some(tag) = sent.held.take()
        {
            self.peer.requeue(tag);
            sent.least += 1;
            sent.most += 1;
        }
    }
}

impl Part for Counts {
    fn name(&self) -> &'static str {
        if self.kind == "quorum" {
            "delivery counts of a quorum queue"
        } else {
            "delivery counts of a classic queue"
        }
    }

    fn peer(&mut self) -> &mut Peer {
        &mut self.peer
    }

    fn set_up(&mut self, stage: &mut Stage) -> Verdict {
        let arguments = [
            ("x-queue-type", wire::text(self.kind)),
            ("x-delivery-limit", wire::number(LIMIT as u32)),
            ("x-dead-letter-exchange", wire::text("")),
            ("x-dead-letter-routing-key", wire::text(self.dead)),
        ];
        self.peer.ask_declare(self.dead, &[]);
        self.peer.ask_declare(self.queue, &arguments);
        for _ in 0..2 {
            stage.answer(&mut self.peer)?;
        }
        Ok(())
    }

    fn step(&mut self, stage: &mut Stage) -> Verdict {
        let held: Vec<u64> = self
            .sent
            .iter()
            .filter_map(|(id, sent)| sent.held.map(|_| *id))
            .collect();
        match stage.random.below(10) {
            0..3 => {
                let id = stage.number();
                self.peer.publish("", self.queue, id, &Wanted::default());
                let sent = Sent {
                    least: 0,
                    most: 0,
                    written: 0,
                    confirmed: false,
                    weak: false,
                    held: None,
                    acked: false,
                    gone: false,
                };
                self.sent.insert(id, sent);
            }
            3..7 => {
                let Some(got) = stage.get(&mut self.peer, self.queue)? else {
                    self.blind |=
                        stage.disk.is_off() || self.peer.closed.is_some() || self.peer.gives_up;
                    return Ok(());
                };
                self.arrive(&got)?;
                if stage.random.chance(70) {
                    self.requeue(got.id);
                }
            }
            7 => {
                if let Some(id) = stage.random.one_of(&held)
                    && let Some(sent) = self.sent.get_mut(id)
                    && let Some(tag) = sent.held.take()
                {
                    self.peer.ack(tag);
                    sent.acked = true;
                }
            }
            _ => {
                if let Some(id) = stage.random.one_of(&held).copied() {
                    self.requeue(id);
                }
            }
        }
        stage.flush(&mut self.peer)
    }

    fn confirmed(&mut self, ids: &[u64]) {
        note(&mut self.sent, ids, |sent| sent.confirmed = true);
    }

    fn doubtful(&mut self, ids: &[u64]) {
        note(&mut self.sent, ids, |sent| sent.weak = true);
    }

    fn returned(&mut self, unheard: bool) {
        let blind = std::mem::take(&mut self.blind);
        for sent in self.sent.values_mut() {
            if unheard && sent.acked && !sent.gone {
                (sent.acked, sent.weak) = (false, true);
                sent.most += 1;
            }
            if unheard {
                // A requeue may not have been heard.
                sent.least = sent.least.saturating_sub(1);
            }
            if sent.held.take().is_some() || blind {
                sent.most += 1;
            }
        }
    }

    fn quiet(&mut self) {
        for sent in self.sent.values_mut() {
            sent.gone |= sent.acked;
            sent.written = sent.least;
        }
    }

    fn ended(&mut self, end: End) {
        for sent in self.sent.values_mut() {
            if end == End::Clean {
                sent.gone |= sent.acked;
                continue;
            }
            sent.least = sent.written;
            sent.weak |= !sent.confirmed || sent.acked;
            sent.acked = false;
        }
    }

    fn look(&mut self, stage: &mut Stage) -> Verdict {
        let seen = stage.get_all(&mut self.peer, self.queue)?;
        for got in &seen {
            self.arrive(got)?;
        }
        // Not given back one by one: what dies of it is seen next time.
        let dead = stage.get_all(&mut self.peer, self.dead)?;
        for (id, sent) in &mut self.sent {
            let is_dead = dead.iter().find(|got| got.id == *id);
            if let Some(got) = is_dead {
                if !got.over_limit || sent.most <= LIMIT || sent.gone {
                    return Err(format!("{got:?} had no reason to die: {sent:?}"));
                }
                if sent.held.is_none() {
                    sent.weak = false;
                    sent.least = LIMIT + 1;
                }
                continue;
            }
            if sent.held.is_some() || sent.gone || sent.acked {
                continue;
            }
            if !sent.weak {
                return Err(format!("{id} is lost: {sent:?}"));
            }
            sent.gone = true;
        }
        for got in &seen {
            let sent = self.sent.get_mut(&got.id).expect("it has arrived");
            sent.held = None;
            sent.least += 1;
            sent.most += 1;
        }
        self.peer.requeue_all();
        stage.until_idle(&mut self.peer)
    }
}
