//! A delayed message exchange: what it holds comes once, not before its time, and not never.

use std::collections::{BTreeMap, BTreeSet};

use leveret::broker::hidden::Purpose;

use super::peer::{Got, Peer, Wanted};
use super::{End, Part, Stage, note};
use crate::simulator::model::Verdict;
use crate::simulator::wire;

const EXCHANGE: &str = "late.x";
const QUEUE: &str = "late";

#[derive(Debug)]
struct Sent {
    /// It is due between these times: the broker may have taken it later than it was sent.
    due_ms: u64,
    by_ms: u64,
    persistent: bool,
    confirmed: bool,
    /// Its ack was sent.
    acked: bool,
    /// Its ack is on disk.
    gone: bool,
    /// It may be lost.
    weak: bool,
    /// It was in the queue, and nothing can bring it back to the exchange.
    out: bool,
}

/// See the module.
pub struct Delayed {
    peer: Peer,
    sent: BTreeMap<u64, Sent>,
    held: BTreeSet<u64>,
}

impl Delayed {
    pub fn new(number: usize) -> Self {
        Self {
            peer: Peer::new(number),
            sent: BTreeMap::new(),
            held: BTreeSet::new(),
        }
    }

    fn arrive(&mut self, got: &Got, now: u64) -> Verdict {
        let Some(sent) = self.sent.get_mut(&got.id) else {
            return Err(format!("{} was never published", got.id));
        };
        if now < sent.due_ms {
            return Err(format!(
                "{} comes {} ms before its time",
                got.id,
                sent.due_ms - now
            ));
        }
        if sent.gone || sent.acked || self.held.contains(&got.id) {
            return Err(format!("{got:?} comes a second time: {sent:?}"));
        }
        sent.out = true;
        sent.weak = false;
        Ok(())
    }
}

impl Part for Delayed {
    fn name(&self) -> &'static str {
        "delayed messages"
    }

    fn peer(&mut self) -> &mut Peer {
        &mut self.peer
    }

    fn set_up(&mut self, stage: &mut Stage) -> Verdict {
        let arguments = [("x-delayed-type", wire::text("fanout"))];
        self.peer
            .ask_exchange(EXCHANGE, "x-delayed-message", &arguments);
        self.peer.ask_declare(QUEUE, &[]);
        self.peer.ask_bind(QUEUE, EXCHANGE);
        for _ in 0..3 {
            stage.answer(&mut self.peer)?;
        }
        Ok(())
    }

    fn step(&mut self, stage: &mut Stage) -> Verdict {
        match stage.random.below(10) {
            0..5 => {
                let (from, first) = (stage.now(), stage.number());
                for _ in 0..1 + stage.random.below(4) {
                    let id = stage.number();
                    let delay_ms = [0, 1, 5, 50, 500, 3000, 20_000][stage.random.below(7)];
                    let persistent = stage.random.chance(90);
                    let wanted = Wanted {
                        transient: !persistent,
                        headers: vec![("x-delay", wire::number(delay_ms))],
                        ..Wanted::default()
                    };
                    self.peer.publish(EXCHANGE, "", id, &wanted);
                    let due_ms = stage.now() + u64::from(delay_ms);
                    stage.note(format!("{id} due at {due_ms}"));
                    let sent = Sent {
                        due_ms,
                        by_ms: due_ms,
                        persistent,
                        confirmed: false,
                        acked: false,
                        gone: false,
                        weak: false,
                        out: false,
                    };
                    self.sent.insert(id, sent);
                }
                let taken = stage.flush(&mut self.peer);
                for (_, sent) in self.sent.range_mut(first..) {
                    sent.by_ms += stage.now() - from;
                }
                taken
            }
            5..9 => {
                let Some(got) = stage.get(&mut self.peer, QUEUE)? else {
                    return Ok(());
                };
                self.arrive(&got, stage.now())?;
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
            _ => {
                stage.world.timers();
                Ok(())
            }
        }
    }

    fn confirmed(&mut self, ids: &[u64]) {
        note(&mut self.sent, ids, |sent| sent.confirmed = true);
    }

    fn doubtful(&mut self, ids: &[u64]) {
        note(&mut self.sent, ids, |sent| sent.weak = true);
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
        self.sent.retain(|_, sent| sent.persistent);
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
        let seen = stage.get_all(&mut self.peer, QUEUE)?;
        let now = stage.now();
        let mut there = BTreeSet::new();
        for got in &seen {
            self.arrive(got, now)?;
            if !there.insert(got.id) {
                return Err(format!("{got:?} is there twice"));
            }
        }
        let (mut surely, mut perhaps) = (0, 0);
        for (id, sent) in &mut self.sent {
            let may_be = !sent.gone && !sent.acked;
            if there.contains(id) || !may_be {
                continue;
            }
            if !sent.weak && sent.by_ms <= now {
                return Err(format!("{id} is lost, and it is {now}: {sent:?}"));
            }
            if sent.by_ms <= now {
                sent.gone = true;
                continue;
            }
            perhaps += 1;
            surely += usize::from(!sent.weak);
        }
        let vhost = stage.world.broker.vhost("/").expect("it is there");
        let exchange = vhost.exchange(EXCHANGE).ok_or("the exchange is lost")?;
        let held = exchange.hidden(Purpose::Delay).ok_or("it holds nothing")?;
        let held = held.ready();
        if held < surely || held > perhaps {
            return Err(format!("{held} are held, not {surely} to {perhaps}"));
        }
        self.peer.requeue_all();
        stage.until_idle(&mut self.peer)
    }
}
