//! Priorities: the highest first, and of one priority the oldest, also of what a crash has left.

use std::collections::BTreeMap;

use super::peer::{Got, Peer, Wanted};
use super::{End, Part, Stage, note};
use crate::simulator::model::Verdict;
use crate::simulator::wire;

const QUEUE: &str = "ranked";
const MOST: u8 = 4;

#[derive(Debug)]
struct Sent {
    level: u8,
    confirmed: bool,
    weak: bool,
    held: Option<u64>,
    acked: bool,
    gone: bool,
}

/// See the module.
pub struct Ranks {
    peer: Peer,
    sent: BTreeMap<u64, Sent>,
}

impl Ranks {
    pub fn new(number: usize) -> Self {
        Self {
            peer: Peer::new(number),
            sent: BTreeMap::new(),
        }
    }

    /// A message was fetched from the head. One that a disk with faults has not taken may be set aside meanwhile.
    fn arrive(&mut self, got: &Got, hurt: bool) -> Verdict {
        let Some(sent) = self.sent.get(&got.id) else {
            return Err(format!("{} was never published", got.id));
        };
        if sent.gone || sent.acked || sent.held.is_some() {
            return Err(format!("{got:?} comes a second time: {sent:?}"));
        }
        let rank = |id: u64, sent: &Sent| (u8::MAX - sent.level, id);
        let mine = rank(got.id, sent);
        let first = self.sent.iter().find(|(id, other)| {
            let ready = !other.gone && !other.acked && !other.weak && other.held.is_none();
            let ready = ready && (other.confirmed || !hurt);
            ready && rank(**id, other) < mine
        });
        if let Some((id, other)) = first {
            return Err(format!(
                "{} of level {} comes before {id} of level {}",
                got.id, sent.level, other.level
            ));
        }
        let sent = self.sent.get_mut(&got.id).expect("it is there");
        sent.weak = false;
        sent.held = Some(got.tag);
        Ok(())
    }
}

impl Part for Ranks {
    fn name(&self) -> &'static str {
        "priorities"
    }

    fn peer(&mut self) -> &mut Peer {
        &mut self.peer
    }

    fn set_up(&mut self, stage: &mut Stage) -> Verdict {
        let arguments = [("x-max-priority", wire::number(MOST.into()))];
        self.peer.ask_declare(QUEUE, &arguments);
        stage.answer(&mut self.peer)?;
        Ok(())
    }

    fn step(&mut self, stage: &mut Stage) -> Verdict {
        match stage.random.below(10) {
            0..5 => {
                for _ in 0..1 + stage.random.below(5) {
                    let id = stage.number();
                    let priority = stage.random.chance(85).then(|| stage.random.below(7) as u8);
                    let wanted = Wanted {
                        priority,
                        ..Wanted::default()
                    };
                    self.peer.publish("", QUEUE, id, &wanted);
                    let sent = Sent {
                        level: priority.unwrap_or(0).min(MOST),
                        confirmed: false,
                        weak: false,
                        held: None,
                        acked: false,
                        gone: false,
                    };
                    self.sent.insert(id, sent);
                }
            }
            5..8 => {
                let Some(got) = stage.get(&mut self.peer, QUEUE)? else {
                    return Ok(());
                };
                self.arrive(&got, stage.hurt)?;
            }
            _ => {
                let held = self.sent.iter_mut().filter(|(_, sent)| sent.held.is_some());
                let mut held: Vec<_> = held.map(|(_, sent)| sent).collect();
                let at = stage.random.below(held.len());
                if let Some(sent) = held.get_mut(at)
                    && let Some(tag) = sent.held.take()
                {
                    if stage.random.chance(50) {
                        self.peer.ack(tag);
                        sent.acked = true;
                    } else {
                        self.peer.requeue(tag);
                    }
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
        self.sent.values_mut().for_each(|sent| sent.held = None);
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
        for sent in self.sent.values_mut() {
            if end == End::Clean {
                sent.gone |= sent.acked;
            } else {
                sent.weak |= !sent.confirmed || sent.acked;
                sent.acked = false;
            }
        }
    }

    fn look(&mut self, stage: &mut Stage) -> Verdict {
        // In order, as each must be the first of those that are left.
        for got in stage.get_all(&mut self.peer, QUEUE)? {
            self.arrive(&got, stage.hurt)?;
        }
        for (id, sent) in &mut self.sent {
            if sent.gone || sent.acked || sent.held.take().is_some() {
                continue;
            }
            if !sent.weak {
                return Err(format!("{id} is lost: {sent:?}"));
            }
            sent.gone = true;
        }
        self.peer.requeue_all();
        stage.flush(&mut self.peer)
    }
}
