//! Policies and operator policies: what one is, the choice of the one that applies, and applying a change to what is there.
//!
//! What a queue or exchange gets is decided from a snapshot of all policies of its vhost ([`Policies`]), without any lock held
//! while patterns are tried. A change swaps the snapshot while the topology is held, so that whoever is declared afterwards sees
//! it, and then goes through the objects that were there: each gets its new rules under its own lock alone. The checks of a
//! definition's values are in `policy_check.rs`.

use std::sync::Arc;

use amq_protocol::types::{AMQPValue, FieldTable};
use serde_json::{Map, Value, json};

use super::{Denied, Put, check_name};
use crate::auth::Pattern;
use crate::broker::Broker;
use crate::broker::exchange::Exchange;
use crate::broker::json;
use crate::broker::parts;
use crate::broker::policy_check::check_definition;
use crate::broker::vhost::Vhost;
use crate::queue::arguments::QueueKind;
use crate::queue::policy::{self, Applied};
use crate::queue::{Effects, Queue, QueueSpec, Rules};

/// What a policy applies to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ApplyTo {
    /// Queues and exchanges.
    All,
    /// Queues of every type.
    Queues,
    /// Queues of that type.
    Kind(QueueKind),
    /// Exchanges.
    Exchanges,
}

impl ApplyTo {
    const NAMES: [(&'static str, Self); 6] = [
        ("all", Self::All),
        ("queues", Self::Queues),
        ("classic_queues", Self::Kind(QueueKind::Classic)),
        ("quorum_queues", Self::Kind(QueueKind::Quorum)),
        ("streams", Self::Kind(QueueKind::Stream)),
        ("exchanges", Self::Exchanges),
    ];

    fn find(name: &str) -> Option<Self> {
        let known = Self::NAMES.iter().find(|(known, _)| *known == name)?;
        Some(known.1)
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        let known = Self::NAMES.iter().find(|(_, known)| *known == self);
        known.map_or("all", |known| known.0)
    }
}

/// A policy or operator policy, checked.
#[derive(Debug)]
pub struct Policy {
    /// Its name.
    pub name: Arc<str>,
    /// Names that it is for.
    pub pattern: Pattern,
    /// What it is for.
    pub apply_to: ApplyTo,
    /// The highest applies.
    pub priority: f64,
    /// Its keys and values, as they were set.
    pub definition: Map<String, Value>,
    /// The same for queues.
    queues: Arc<policy::Policy>,
}

/// Longest pattern, bytes.
const PATTERN_BYTES_MAX: usize = 16 * 1024;

impl Policy {
    /// A policy out of the fields `pattern`, `definition`, `priority` (0) and `apply-to` (all); others are passed over, as in
    /// RabbitMQ.
    ///
    /// # Errors
    /// In RabbitMQ's words; nothing of a policy with one fault is taken.
    pub fn new(name: &str, operator: bool, fields: &Map<String, Value>) -> Result<Self, Denied> {
        check_name("policy", name)?;
        let mut faults = Vec::new();
        let zero = json!(0);
        let priority = fields.get("priority").unwrap_or(&zero);
        let Some(number) = priority.as_f64() else {
            let text = json::printed(priority);
            return Err(Denied::validation(&[format!(
                "priority should be a number, actually was {text}"
            )]));
        };
        let pattern = fields.get("pattern").ok_or(Denied::missing("pattern"))?;
        let pattern = compiled(pattern).map_err(|fault| faults.push(fault));
        let apply_to = match fields.get("apply-to") {
            None => Some(ApplyTo::All),
            Some(Value::String(name)) => ApplyTo::find(name),
            Some(_) => None,
        };
        if apply_to.is_none() {
            let given = match &fields["apply-to"] {
                Value::String(name) => name.clone(),
                other => json::printed(other),
            };
            faults.push(format!(
                "apply-to '{given}' unrecognised; should be one of: 'queues', 'classic_queues',  'quorum_queues', 'streams', 'exchanges', or 'all'"
            ));
        }
        let definition = fields
            .get("definition")
            .ok_or(Denied::missing("definition"))?;
        let checked = check_definition(definition, operator).map_err(|fault| faults.push(fault));
        match (pattern, apply_to, checked, definition) {
            (Ok(pattern), Some(apply_to), Ok(table), Value::Object(definition)) => Ok(Self {
                name: name.into(),
                pattern,
                apply_to,
                priority: number,
                definition: definition.clone(),
                queues: Arc::new(policy::Policy {
                    name: name.into(),
                    definition: table,
                }),
            }),
            _ => Err(Denied::validation(&faults)),
        }
    }

    fn is_for_queue(&self, kind: QueueKind, name: &str) -> bool {
        let kinds = match self.apply_to {
            ApplyTo::All | ApplyTo::Queues => true,
            ApplyTo::Kind(only) => only == kind,
            ApplyTo::Exchanges => false,
        };
        kinds
            && self.pattern.matches(name.as_bytes())
            && policy::is_applicable(&self.queues.definition, kind)
    }

    fn is_for_exchange(&self, name: &str) -> bool {
        matches!(self.apply_to, ApplyTo::All | ApplyTo::Exchanges)
            && self.pattern.matches(name.as_bytes())
    }

    /// The fields that `new` reads.
    pub fn fields(&self) -> Map<String, Value> {
        let whole = self.priority.fract() == 0.0 && self.priority.abs() < 1e15;
        let priority = if whole {
            json!(self.priority as i64)
        } else {
            json!(self.priority)
        };
        Map::from_iter([
            ("pattern".to_owned(), json!(self.pattern.source())),
            ("definition".to_owned(), json!(self.definition)),
            ("priority".to_owned(), priority),
            ("apply-to".to_owned(), json!(self.apply_to.name())),
        ])
    }
}

fn compiled(pattern: &Value) -> Result<Pattern, String> {
    let Value::String(text) = pattern else {
        return Err(format!(
            "pattern should be a binary but was {}",
            json::printed(pattern)
        ));
    };
    let invalid =
        |why: &str| format!("pattern should be regular expression but is invalid: {{\"{why}\",0}}");
    if text.len() > PATTERN_BYTES_MAX {
        return Err(invalid("regular expression is too large"));
    }
    Pattern::of_policy(text).map_err(|error| invalid(&error.reason))
}

/// All policies of a vhost, as of one moment. Each list is in the order in which policies are asked: the highest priority first,
/// of equal ones the one whose name comes first.
#[derive(Clone, Debug, Default)]
pub struct Policies {
    /// Policies.
    pub policies: Vec<Arc<Policy>>,
    /// Operator policies.
    pub operator: Vec<Arc<Policy>>,
}

impl Policies {
    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.policies.is_empty() && self.operator.is_empty()
    }

    /// The list of one sort.
    pub fn of(&self, operator: bool) -> &Vec<Arc<Policy>> {
        if operator {
            &self.operator
        } else {
            &self.policies
        }
    }

    fn of_mut(&mut self, operator: bool) -> &mut Vec<Arc<Policy>> {
        if operator {
            &mut self.operator
        } else {
            &mut self.policies
        }
    }

    /// The policy of that name.
    pub fn find(&self, operator: bool, name: &str) -> Option<&Arc<Policy>> {
        self.of(operator)
            .iter()
            .find(|policy| *policy.name == *name)
    }

    /// With one policy put in, or taken out.
    pub(in crate::broker) fn with(
        &self,
        operator: bool,
        name: &str,
        policy: Option<Arc<Policy>>,
    ) -> Self {
        let mut all = self.clone();
        let list = all.of_mut(operator);
        list.retain(|policy| *policy.name != *name);
        list.extend(policy);
        list.sort_by(|a, b| {
            b.priority
                .total_cmp(&a.priority)
                .then_with(|| a.name.cmp(&b.name))
        });
        all
    }

    /// What applies to a queue.
    pub fn for_queue(&self, name: &str, kind: QueueKind) -> Applied {
        let first = |list: &[Arc<Policy>]| {
            let found = list.iter().find(|policy| policy.is_for_queue(kind, name));
            found.map(|policy| Arc::clone(&policy.queues))
        };
        Applied {
            policy: first(&self.policies),
            operator: first(&self.operator),
        }
    }

    /// The policy that applies to an exchange.
    pub fn for_exchange(&self, name: &str) -> Option<&Arc<Policy>> {
        self.policies
            .iter()
            .find(|policy| policy.is_for_exchange(name))
    }
}

/// The kind of a queue with those stored arguments.
fn kind_of(spec: &QueueSpec) -> QueueKind {
    QueueKind::of(&spec.arguments)
}

impl Vhost {
    /// What applies to a queue that is declared now, and what comes of it.
    pub(in crate::broker) fn rules_for(&self, spec: &QueueSpec, plain: Rules) -> (Rules, Applied) {
        let policies = self.policies();
        if policies.is_empty() {
            return (plain, Applied::default());
        }
        let applied = policies.for_queue(&spec.name, kind_of(spec));
        if applied.is_none() {
            return (plain, applied);
        }
        match policy::rules(spec, &applied) {
            Ok(rules) => (rules, applied),
            Err(reply) => {
                tracing::error!(queue = %spec.name, "its policies cannot be applied: {reply}");
                (plain, Applied::default())
            }
        }
    }

    /// An exchange that becomes known gets its policy.
    pub(in crate::broker) fn apply_to_exchange(&self, exchange: &Exchange) -> bool {
        let policies = self.policies();
        let policy = policies.for_exchange(&exchange.name);
        exchange.set_policy(policy.cloned())
    }

    fn apply_to_queue(&self, broker: &Broker, policies: &Policies, queue: &Arc<Queue>) {
        let applied = policies.for_queue(&queue.spec.name, kind_of(&queue.spec));
        if applied == queue.applied() {
            return;
        }
        match policy::rules(&queue.spec, &applied) {
            Ok(rules) => {
                let mut effects = Effects::default();
                let rules = Arc::new(rules);
                queue
                    .lock()
                    .set_rules(Arc::clone(&rules), applied, broker.now(), &mut effects);
                broker.perform(queue, effects);
                parts::set_rules(broker, queue, &rules);
            }
            Err(reply) => {
                tracing::error!(queue = %queue.spec.name, "its policies cannot be applied: {reply}");
            }
        }
    }

    /// Swaps the policies and applies them to everything that the changed one, old or new, may be for.
    pub(in crate::broker) fn change_policies(
        &self,
        broker: &Broker,
        policies: Policies,
        changed: &[Arc<Policy>],
    ) {
        let policies = Arc::new(policies);
        {
            let _topology = self.bindings.lock();
            self.set_policies(Arc::clone(&policies));
        }
        for queue in self.all_queues() {
            let name = queue.spec.name.as_bytes();
            if changed.iter().any(|policy| policy.pattern.matches(name)) {
                self.apply_to_queue(broker, &policies, &queue);
            }
        }
        for exchange in self.exchanges.all() {
            let name = exchange.name.as_bytes();
            if changed.iter().any(|policy| policy.pattern.matches(name)) {
                self.refresh_exchange(broker, &exchange);
            }
        }
    }
}

impl Broker {
    /// Sets a policy, or with `operator` an operator policy, from the fields that [`Policy::new`] reads, and applies it.
    pub fn put_policy(
        &self,
        vhost: &str,
        operator: bool,
        name: &str,
        fields: &Map<String, Value>,
    ) -> Result<Put, Denied> {
        let _one = self.operating.lock();
        let vhost = self.known_vhost(vhost)?;
        let policy = Policy::new(name, operator, fields)?;
        Ok(self.store_policy(&vhost, operator, policy))
    }

    /// Takes a checked policy over, writes it down and applies it. The caller holds the change.
    pub(in crate::broker) fn store_policy(
        &self,
        vhost: &Vhost,
        operator: bool,
        policy: Policy,
    ) -> Put {
        self.store_shared_policy(vhost, operator, Arc::new(policy))
    }

    /// The same for one that several vhosts have.
    pub(super) fn store_shared_policy(
        &self,
        vhost: &Vhost,
        operator: bool,
        policy: Arc<Policy>,
    ) -> Put {
        let before = vhost.policies();
        let old = before.find(operator, &policy.name).cloned();
        let put = Put::of(old.is_none());
        let mut change = self.definitions.change();
        change.policy(&vhost.name, operator, &policy);
        let policies = before.with(operator, &policy.name, Some(Arc::clone(&policy)));
        let changed: Vec<_> = old.into_iter().chain([policy]).collect();
        vhost.change_policies(self, policies, &changed);
        change.commit();
        put
    }

    /// Clears a policy, and what it did.
    pub fn clear_policy(&self, vhost: &str, operator: bool, name: &str) -> Result<(), Denied> {
        let _one = self.operating.lock();
        let vhost = self.known_vhost(vhost)?;
        let before = vhost.policies();
        let old = before.find(operator, name).ok_or(Denied::NotFound)?;
        let mut change = self.definitions.change();
        change.no_policy(&vhost.name, operator, name);
        let policies = before.with(operator, name, None);
        vhost.change_policies(self, policies, &[Arc::clone(old)]);
        change.commit();
        Ok(())
    }
}

/// `alternate-exchange` of a policy.
pub(in crate::broker) fn alternate_of(policy: &Policy) -> Option<Arc<str>> {
    match policy.definition.get("alternate-exchange")? {
        Value::String(name) => Some(name.as_str().into()),
        _ => None,
    }
}

/// `relaxed-redeclare` of a policy.
pub(in crate::broker) fn is_relaxed_by(policy: &Policy) -> bool {
    policy.definition.get("relaxed-redeclare") == Some(&Value::Bool(true))
}

/// An exchange's arguments about duplicates, and what a policy says where they say nothing.
pub(in crate::broker) fn dedup_of(policy: &Policy, arguments: &FieldTable) -> FieldTable {
    let mut merged = FieldTable::default();
    for (name, value) in &policy.queues.definition {
        if name.as_str().starts_with("dedup-") {
            merged.insert(format!("x-{name}").into(), value.clone());
        }
    }
    for (name, value) in arguments {
        merged.insert(name.clone(), value.clone());
    }
    merged
}

/// The effective definition of a queue's policies as it is shown.
pub fn effective_definition(queue: &Queue) -> Map<String, Value> {
    let table: FieldTable = queue.applied().definition();
    let shown = |value: &AMQPValue| json::of_amqp(value);
    table
        .into_iter()
        .map(|(name, value)| (name.as_str().to_owned(), shown(value)))
        .collect()
}
