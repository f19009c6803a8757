//! Policies: a change that was answered is there after a crash, none is there without those before it, and queues obey.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use leveret::broker::operator::Denied;
use serde_json::json;

use super::peer::{Peer, Wanted};
use super::{End, Part, Stage};
use crate::simulator::model::Verdict;

const QUEUE: &str = "governed";
/// Published to see whether a limit holds: more than any allows.
const TOO_MANY: usize = 9;

/// Operator or not, and name; what it allows, and its priority.
type Key = (bool, &'static str);
type State = BTreeMap<Key, (u64, i64)>;

const NAMES: [Key; 5] = [
    (false, "one"),
    (false, "two"),
    (false, "three"),
    (true, "one"),
    (true, "two"),
];

/// What somebody waits for.
type Answer = Pin<Box<dyn Future<Output = Result<(), Denied>>>>;

struct Change {
    key: Key,
    to: Option<(u64, i64)>,
    /// Somebody waits for its answer.
    waits: Option<Answer>,
    answered: bool,
}

/// See the module.
pub struct Policies {
    peer: Peer,
    /// What was there when the broker started, and what was asked for since, in order.
    before: State,
    changes: Vec<Change>,
}

impl Policies {
    pub fn new(number: usize) -> Self {
        Self {
            peer: Peer::new(number),
            before: State::new(),
            changes: Vec::new(),
        }
    }

    /// What is there when the first so many changes are.
    fn after(&self, changes: usize) -> State {
        let mut state = self.before.clone();
        for change in &self.changes[..changes] {
            match change.to {
                Some(to) => drop(state.insert(change.key, to)),
                None => drop(state.remove(&change.key)),
            }
        }
        state
    }

    /// Hears which changes are answered.
    fn hear(&mut self) {
        let context = &mut Context::from_waker(Waker::noop());
        for change in &mut self.changes {
            let Some(waits) = &mut change.waits else {
                continue;
            };
            if let Poll::Ready(done) = waits.as_mut().poll(context) {
                change.answered = done.is_ok();
                change.waits = None;
            }
        }
    }

    fn change(&mut self, stage: &mut Stage) -> Verdict {
        let key = NAMES[stage.random.below(NAMES.len())];
        let state = self.after(self.changes.len());
        let broker = &stage.world.broker;
        let to = if state.contains_key(&key) && stage.random.chance(40) {
            broker
                .clear_policy("/", key.0, key.1)
                .map_err(|why| why.to_string())?;
            None
        } else {
            let most = 1 + stage.random.below(TOO_MANY - 1) as u64;
            let priority = stage.random.below(3) as i64;
            let fields = json!({
                "pattern": format!("^{QUEUE}$"),
                "apply-to": "queues",
                "priority": priority,
                "definition": { "max-length": most },
            });
            let fields = fields.as_object().expect("it is one");
            broker
                .put_policy("/", key.0, key.1, fields)
                .map_err(|why| why.to_string())?;
            Some((most, priority))
        };
        let broker = std::sync::Arc::clone(broker);
        stage.note(format!("{key:?} {to:?}"));
        self.changes.push(Change {
            key,
            to,
            waits: Some(Box::pin(async move { broker.settled().await })),
            answered: false,
        });
        Ok(())
    }

    /// The length that holds.
    fn most(state: &State) -> Option<u64> {
        let first = |operator: bool| {
            let own = state.iter().filter(|((of, _), _)| *of == operator);
            // Of equal ones the one whose name comes first.
            let best = own.min_by_key(|((_, name), (_, priority))| (-priority, *name));
            best.map(|(_, (most, _))| *most)
        };
        first(false).into_iter().chain(first(true)).min()
    }

    /// A queue does what the policies say.
    fn obeys(&mut self, state: &State, stage: &mut Stage) -> Verdict {
        let ready = |stage: &mut Stage, peer: &mut Peer| {
            peer.ask_count(QUEUE);
            let item = stage.answer(peer)?;
            Ok::<_, String>(item.map(|item| {
                let mut fields = crate::simulator::wire::Fields(&item.fields);
                let _ = fields.short();
                u64::from(fields.u32())
            }))
        };
        self.peer.ask_purge(QUEUE);
        if stage.answer(&mut self.peer)?.is_none() {
            return Ok(());
        }
        for _ in 0..TOO_MANY {
            let id = stage.number();
            self.peer.publish("", QUEUE, id, &Wanted::default());
        }
        if !stage.all_confirmed(&mut self.peer)? {
            return Ok(());
        }
        let Some(ready) = ready(stage, &mut self.peer)? else {
            return Ok(());
        };
        let most = Self::most(state).unwrap_or(TOO_MANY as u64);
        if ready != most {
            return Err(format!("{ready} messages where {most} may be: {state:?}"));
        }
        Ok(())
    }

    /// What the broker says is there.
    fn found(stage: &Stage) -> State {
        let vhost = stage.world.broker.vhost("/").expect("it is there");
        let policies = vhost.policies();
        let mut state = State::new();
        for key in NAMES {
            if let Some(policy) = policies.find(key.0, key.1) {
                let most = policy.definition["max-length"].as_u64().unwrap_or(0);
                state.insert(key, (most, policy.priority as i64));
            }
        }
        state
    }
}

impl Part for Policies {
    fn name(&self) -> &'static str {
        "policies"
    }

    fn peer(&mut self) -> &mut Peer {
        &mut self.peer
    }

    fn set_up(&mut self, stage: &mut Stage) -> Verdict {
        self.peer.ask_declare(QUEUE, &[]);
        stage.answer(&mut self.peer)?;
        Ok(())
    }

    fn step(&mut self, stage: &mut Stage) -> Verdict {
        self.hear();
        match stage.random.below(10) {
            0..6 => self.change(stage),
            6 => {
                let state = self.after(self.changes.len());
                self.obeys(&state, stage)
            }
            _ => Ok(()),
        }
    }

    fn confirmed(&mut self, _ids: &[u64]) {}

    fn doubtful(&mut self, _ids: &[u64]) {}

    fn returned(&mut self, _unheard: bool) {}

    fn quiet(&mut self) {
        self.hear();
    }

    fn ended(&mut self, end: End) {
        for change in &mut self.changes {
            change.waits = None;
            change.answered |= end == End::Clean;
        }
    }

    fn look(&mut self, stage: &mut Stage) -> Verdict {
        let found = Self::found(stage);
        let answered = self.changes.iter().rposition(|change| change.answered);
        let least = answered.map_or(0, |at| at + 1);
        let fits = |at: &usize| self.after(*at) == found;
        if !(least..=self.changes.len()).any(|at| fits(&at)) {
            return Err(format!(
                "{found:?} is there, where {:?} was answered and {:?} was the last",
                self.after(least),
                self.after(self.changes.len())
            ));
        }
        self.before = found.clone();
        self.changes.clear();
        self.obeys(&found, stage)
    }
}
