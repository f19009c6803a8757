//! The books: what was published, confirmed, delivered and settled, in which life of the broker, and whether that adds up.
//!
//! What is asked for is entered before it is sent, what is answered after it has come, so that a client may be cut off at any time.

use std::collections::{BTreeMap, HashMap};
use std::time::{Duration, Instant};

use super::body::{self, Id};

/// Settles are on disk 200 ms after the broker has them; the rest is for a busy machine.
const UNSYNCED: Duration = Duration::from_millis(1000);

/// How a copy of a message was settled.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Settled {
    No,
    /// Sent in this life; whether the broker has it is not known.
    Asked(u32),
    /// The broker has had it since then.
    Known(u32, Instant),
    /// For good: in a committed transaction, or with its queue.
    Firm,
}

/// A message in a queue.
#[derive(Debug)]
struct Copy {
    confirmed: bool,
    transient: bool,
    published: u32,
    /// Where it was delivered last: life and session.
    seen: Option<(u32, u64)>,
    /// It was given back since then.
    given_back: bool,
    settled: Settled,
    /// Rejected at some time: it may be among the dead letters.
    rejected: bool,
}

/// Acks and publishes that are there whole or not at all.
pub struct Transaction {
    life: u32,
    inputs: Vec<(String, Id)>,
    outputs: Vec<(String, Id)>,
    committed: bool,
}

/// A delivery as it came.
pub struct Seen<'a> {
    pub queue: &'a str,
    pub body: &'a [u8],
    pub message_id: Option<&'a str>,
    pub redelivered: bool,
    /// Where: one number for each consumer that there ever was.
    pub session: u64,
}

#[derive(Default)]
pub struct Book {
    /// The present life, from 0.
    pub life: u32,
    killed: Vec<Instant>,
    queues: HashMap<String, BTreeMap<Id, Copy>>,
    transactions: Vec<Transaction>,
    /// Queues declared for their own sake: true once the broker has said so, false while it has not; absent when deleted.
    pub declared: BTreeMap<String, bool>,
    /// Queues of dead letters: what died twice is there twice.
    pub repeating: Vec<String>,
    last_stream: u32,
    last_session: u64,
    last: HashMap<(u64, u32), Id>,
    /// Acks that a kill undid.
    pub undone: u64,
    /// Confirmed messages (copies).
    pub confirmed: u64,
    /// Everything that is wrong.
    pub faults: Vec<String>,
}

impl Book {
    /// A number that no other publisher has.
    pub fn new_stream(&mut self) -> u64 {
        self.last_stream += 1;
        u64::from(self.last_stream) << 32
    }

    pub fn new_session(&mut self) -> u64 {
        self.last_session += 1;
        self.last_session
    }

    fn fault(&mut self, text: String) {
        if self.faults.len() < 20 {
            self.faults.push(format!("life {}: {text}", self.life));
        }
    }

    /// The process is about to be killed.
    pub fn killed(&mut self) {
        self.killed.push(Instant::now());
    }

    pub fn next_life(&mut self) {
        self.life += 1;
    }

    /// A message is sent and will go to this queue.
    pub fn publishing(&mut self, queue: &str, id: Id, transient: bool) {
        let copy = Copy {
            confirmed: false,
            transient,
            published: self.life,
            seen: None,
            given_back: false,
            settled: Settled::No,
            rejected: false,
        };
        self.queues
            .entry(queue.to_owned())
            .or_default()
            .insert(id, copy);
    }

    pub fn confirmed(&mut self, queue: &str, id: Id) {
        self.copy(queue, id).confirmed = true;
        self.confirmed += 1;
    }

    fn copy(&mut self, queue: &str, id: Id) -> &mut Copy {
        let copies = self.queues.get_mut(queue).expect("published there");
        copies.get_mut(&id).expect("published there")
    }

    /// A delivery; the id of the message if it is one of ours.
    pub fn delivered(&mut self, seen: &Seen<'_>) -> Option<Id> {
        let (queue, life) = (seen.queue, self.life);
        let id = match body::check(seen.body) {
            Ok(id) => id,
            Err(what) => {
                self.fault(format!("{queue}: {what}"));
                return None;
            }
        };
        let name = body::name(id);
        if seen.message_id != Some(&name) {
            self.fault(format!(
                "{queue}: {name} has the message-id {:?}",
                seen.message_id
            ));
        }
        let mut faults = Vec::new();
        let repeating = self.repeating.iter().any(|one| one == queue);
        let Some(copy) = self
            .queues
            .get_mut(queue)
            .and_then(|copies| copies.get_mut(&id))
        else {
            self.fault(format!("{queue}: {name} was never published there"));
            return None;
        };
        if copy.transient && copy.published < life {
            faults.push("is transient and has outlived the broker".to_owned());
        }
        if let Some((before, _)) = copy.seen {
            if !seen.redelivered && !repeating {
                faults.push(format!(
                    "was delivered in life {before} and is not called redelivered"
                ));
            }
            if before == life && !copy.given_back && !repeating {
                faults.push("is delivered twice".to_owned());
            }
        }
        match copy.settled {
            Settled::Firm => faults.push("was settled for good".to_owned()),
            Settled::Asked(before) | Settled::Known(before, _) if before == life && !repeating => {
                faults.push("was settled in this life".to_owned());
            }
            Settled::Known(before, when) if !repeating => {
                let age = self.killed[before as usize].saturating_duration_since(when);
                if age > UNSYNCED {
                    faults.push(format!(
                        "was settled {age:?} before the kill that ended life {before}"
                    ));
                }
            }
            _ => {}
        }
        if copy.settled != Settled::No {
            self.undone += 1;
        }
        // It has come back, so it has to stay until it is settled again.
        copy.settled = Settled::No;
        copy.seen = Some((life, seen.session));
        copy.given_back = false;
        for what in faults {
            self.fault(format!("{queue}: {name} {what}"));
        }
        Some(id)
    }

    /// To this session each stream comes in its order.
    pub fn in_order(&mut self, queue: &str, session: u64, id: Id) {
        let before = self.last.insert((session, body::stream(id)), id);
        if let Some(before) = before.filter(|before| *before >= id) {
            let (before, name) = (body::name(before), body::name(id));
            self.fault(format!("{queue}: {before} came before {name}"));
        }
    }

    pub fn settling(&mut self, queue: &str, id: Id) {
        self.copy(queue, id).settled = Settled::Asked(self.life);
    }

    /// The broker has answered something that came behind the settles of these.
    pub fn settled(&mut self, queue: &str, ids: &[Id]) {
        let known = Settled::Known(self.life, Instant::now());
        for id in ids {
            self.copy(queue, *id).settled = known;
        }
    }

    /// A queue is being purged (`Asked`), has been purged (`Known`), or is gone (`Firm`).
    pub fn emptied(&mut self, queue: &str, settled: Settled) {
        for copy in self
            .queues
            .entry(queue.to_owned())
            .or_default()
            .values_mut()
        {
            if copy.settled != Settled::Firm {
                copy.settled = settled;
            }
        }
    }

    pub fn giving_back(&mut self, queue: &str, id: Id) {
        self.copy(queue, id).given_back = true;
    }

    /// Everything that this session holds is given back.
    pub fn session_ends(&mut self, queue: &str, session: u64) {
        for copy in self
            .queues
            .entry(queue.to_owned())
            .or_default()
            .values_mut()
        {
            if copy.seen.is_some_and(|(_, by)| by == session) {
                copy.given_back = true;
            }
        }
    }

    /// A message is rejected and goes from one queue to the other.
    pub fn dying(&mut self, from: &str, to: &str, id: Id) {
        self.settling(from, id);
        self.copy(from, id).rejected = true;
        match self
            .queues
            .get_mut(to)
            .and_then(|copies| copies.get_mut(&id))
        {
            Some(copy) => copy.settled = Settled::No,
            None => self.publishing(to, id, false),
        }
    }

    /// What is about to be committed.
    pub fn committing(&mut self, inputs: Vec<(String, Id)>, outputs: Vec<(String, Id)>) -> usize {
        let (life, committed) = (self.life, false);
        self.transactions.push(Transaction {
            life,
            inputs,
            outputs,
            committed,
        });
        self.transactions.len() - 1
    }

    pub fn committed(&mut self, number: usize) {
        self.transactions[number].committed = true;
        let inputs = self.transactions[number].inputs.clone();
        for (queue, id) in inputs {
            self.copy(&queue, id).settled = Settled::Firm;
        }
        let outputs = self.transactions[number].outputs.clone();
        for (queue, id) in outputs {
            self.confirmed(&queue, id);
        }
    }

    /// Queues that something was published to.
    pub fn queues(&self) -> Vec<String> {
        let mut names: Vec<String> = self.queues.keys().cloned().collect();
        names.sort();
        names
    }

    /// Every message in every queue has been delivered in this life: what should have been there and was not?
    pub fn account(&mut self) {
        let life = self.life;
        let mut faults = Vec::new();
        let here = |queues: &HashMap<String, BTreeMap<Id, Copy>>,
                    (queue, id): &(String, Id),
                    after: u32| {
            queues[queue][id].seen.is_some_and(|(seen, _)| seen > after)
        };
        for transaction in self
            .transactions
            .iter_mut()
            .filter(|one| !one.committed && one.life < life)
        {
            let after = transaction.life;
            let count = |items: &[(String, Id)]| {
                items
                    .iter()
                    .filter(|item| here(&self.queues, item, after))
                    .count()
            };
            let (inputs, outputs) = (count(&transaction.inputs), count(&transaction.outputs));
            let names = || {
                let all = transaction.inputs.iter().chain(&transaction.outputs);
                all.map(|(queue, id)| format!("{queue} {}", body::name(*id)))
                    .collect::<Vec<_>>()
            };
            if outputs != 0 && (outputs < transaction.outputs.len() || inputs > 0) {
                let text = format!(
                    "{inputs} inputs and {outputs} outputs are there of the transaction {:?}",
                    names()
                );
                faults.push(text);
            }
            if outputs != 0 {
                transaction.committed = true;
                let mut copy = |(queue, id): &(String, Id), change: fn(&mut Copy)| {
                    let copies = self.queues.get_mut(queue).expect("published there");
                    change(copies.get_mut(id).expect("published there"));
                };
                for item in &transaction.inputs {
                    copy(item, |copy| copy.settled = Settled::Firm);
                }
                for item in &transaction.outputs {
                    copy(item, |copy| copy.confirmed = true);
                }
            }
        }
        for (queue, copies) in &self.queues {
            let mut lost = Vec::new();
            for (id, copy) in copies {
                let gone = copy.transient
                    || !copy.confirmed
                    || copy.seen.is_some_and(|(seen, _)| seen == life);
                if gone {
                    continue;
                }
                if copy.settled == Settled::No {
                    lost.push(body::name(*id));
                } else if copy.rejected {
                    let mut others = self
                        .repeating
                        .iter()
                        .filter_map(|other| self.queues.get(other)?.get(id));
                    if !others.any(|other| other.seen.is_some()) {
                        lost.push(format!("{} (rejected)", body::name(*id)));
                    }
                }
            }
            if !lost.is_empty() {
                let some = &lost[..lost.len().min(10)];
                faults.push(format!(
                    "{queue}: {} of {} lost: {some:?}",
                    lost.len(),
                    copies.len()
                ));
            }
        }
        // What was not there although it might have been does not come later.
        for copies in self.queues.values_mut() {
            for copy in copies.values_mut() {
                if copy.published < life && copy.seen.is_none_or(|(seen, _)| seen < life) {
                    copy.settled = Settled::Firm;
                }
            }
        }
        for what in faults {
            self.fault(what);
        }
    }
}
