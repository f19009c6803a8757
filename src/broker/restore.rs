//! A broker out of what the disk has, and all its definitions for a checkpoint.
//!
//! [`open`] is called once at the start with what `store::recovery` found: definitions become vhosts, users, exchanges, queues
//! and bindings, and each queue starts with its messages where they lie. [`definitions`] is the opposite, for the keeper.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use serde_json::Value;

use super::definitions::{self, Definition, fields, flag, names, sub_table, text, texts};
use super::exchange::{Exchange, ExchangeSpec};
use super::hidden::{self, Purpose};
use super::operator::parameters::OPERATOR_POLICY;
use super::operator::policies::Policy;
use super::operator::{MAX_CHANNELS, MAX_CONNECTIONS, VhostMetadata};
use super::parts::{self, Role};
use super::vhost::Vhost;
use super::{Broker, Settings};
use crate::auth::{Algorithm, PasswordHash, Permission, TopicPermission, Users};
use crate::exchange::{Target, alternate, find};
use crate::queue::{Effects, Queue, QueueSpec, Rules, arguments};
use crate::store::Journal;
use crate::store::ledger::Ledger;
use crate::store::record::Kind;
use crate::store::recovery::Knowledge;
use crate::wire::reply::{exchange_resource, queue_resource};

/// What was found on disk.
pub struct Found {
    /// Kind, key and value of every definition.
    pub definitions: Vec<Definition>,
    /// What lies on disk for each queue, by its id.
    pub ledgers: HashMap<u64, Ledger>,
    /// Ids by which a queue knows duplicates, by its id.
    pub seen: HashMap<u64, Knowledge>,
    /// Higher than every id on disk.
    pub next_id: u64,
    /// The last run ended as it should: what had been delivered is known exactly.
    pub clean: bool,
}

/// A broker with what was found; the error names the definition that this version cannot make sense of.
pub fn open(
    settings: Settings,
    users: Arc<Users>,
    journal: Arc<Journal>,
    found: Found,
) -> Result<Arc<Broker>, String> {
    let broker = Broker::with(settings, users, journal, found.next_id.max(1));
    let mut restoring = Restoring {
        broker: &broker,
        ledgers: found.ledgers,
        seen: found.seen,
        clean: found.clean,
        attached: Vec::new(),
        parts: BTreeMap::new(),
    };
    for wanted in [
        Kind::Vhost,
        Kind::User,
        Kind::Permission,
        Kind::TopicPermission,
        Kind::Policy,
        Kind::Parameter,
        Kind::Exchange,
        Kind::Queue,
        Kind::Binding,
    ] {
        if wanted == Kind::Exchange {
            // Those that every vhost has were there before the policies.
            for vhost in broker.kept_vhosts() {
                for exchange in vhost.all_exchanges() {
                    vhost.refresh_policy(&exchange);
                }
            }
        }
        for (kind, key, value) in &found.definitions {
            if *kind == wanted {
                restoring
                    .one(wanted, key, value)
                    .map_err(|why| format!("{} {:?}: {why}", wanted.name(), names(key)))?;
            }
        }
    }
    restoring.attach_parts()?;
    restoring.attach_hidden();
    for (queue, effects) in restoring.attached.drain(..) {
        broker.perform(&queue, effects);
    }
    for vhost in broker.kept_vhosts() {
        if vhost.is_deleting() {
            broker.finish_deletion(&vhost);
        }
    }
    Ok(broker)
}

struct Restoring<'a> {
    broker: &'a Broker,
    ledgers: HashMap<u64, Ledger>,
    seen: HashMap<u64, Knowledge>,
    clean: bool,
    /// Queues of exchanges, and what they have to do once there are bindings.
    attached: Vec<(Arc<Queue>, Effects)>,
    /// Ids of queues that belong to others, by vhost and owner.
    parts: BTreeMap<(String, String), BTreeMap<Role, u64>>,
}

impl Restoring<'_> {
    fn one(&mut self, kind: Kind, key: &[u8], value: &[u8]) -> Result<(), String> {
        let key_names = names(key);
        match (kind, key_names.as_slice()) {
            (Kind::Vhost, [name]) => self.new_vhost(name, value),
            (Kind::User, [name]) => self.user(name, value),
            (Kind::Permission, [user, vhost]) => self.permission(user, vhost, value),
            (Kind::TopicPermission, [user, vhost, exchange]) => {
                self.topic_permission(user, vhost, exchange, value)
            }
            (Kind::Policy, [vhost, sort, name]) => self.policy(vhost, sort, name, value),
            (Kind::Parameter, [component, vhost, name]) => {
                let vhost = self.vhost(vhost)?;
                vhost.set_parameter(component, name, Some(json(value)?));
                Ok(())
            }
            (Kind::Parameter, [name]) => {
                let value = json(value)?;
                self.broker.globals.write().insert((*name).into(), value);
                Ok(())
            }
            (Kind::Exchange, [vhost, name]) => self.exchange(vhost, name, value),
            (Kind::Queue, [vhost, name]) => self.queue(vhost, name, value),
            (Kind::Queue, [vhost, owner, role]) if Role::find(role).is_some() => {
                self.part(vhost, owner, role, value)
            }
            (Kind::Queue, [vhost, exchange, purpose]) => {
                self.hidden_queue(vhost, exchange, purpose, value)
            }
            (Kind::Binding, [vhost, source, kind, destination, routing_key, ..]) => {
                self.binding(vhost, source, kind, destination, routing_key, value)
            }
            _ => Err("its key cannot be read".to_owned()),
        }
    }

    fn new_vhost(&self, name: &str, value: &[u8]) -> Result<(), String> {
        let fields = table(value)?;
        let metadata = VhostMetadata {
            description: text(&fields, "description").unwrap_or_default(),
            tags: texts(&fields, "tags"),
            default_queue_type: text(&fields, "default_queue_type"),
            protected: flag(&fields, "protected"),
            tracing: flag(&fields, "tracing"),
        };
        let vhost = self.broker.new_vhost(name, metadata);
        let deleting = flag(&fields, "deleting");
        vhost.deleting.store(deleting, Ordering::Release);
        self.broker.link_vhost(vhost);
        Ok(())
    }

    fn vhost(&self, name: &str) -> Result<Arc<Vhost>, String> {
        let vhost = self.broker.vhosts.read().get(name).cloned();
        vhost.ok_or_else(|| format!("there is no vhost '{name}'"))
    }

    fn user(&self, name: &str, value: &[u8]) -> Result<(), String> {
        let fields = table(value)?;
        let algorithm = field(&fields, "algorithm")?;
        let algorithm = Algorithm::find(&algorithm)
            .ok_or_else(|| format!("unknown password hash '{algorithm}'"))?;
        let password = PasswordHash::parse(&field(&fields, "hash")?, algorithm)
            .map_err(|_| "its password hash cannot be read".to_owned())?;
        let tags = field(&fields, "tags")?;
        let tags = tags
            .split(',')
            .filter(|tag| !tag.is_empty())
            .map(str::to_owned)
            .collect();
        self.broker.users.put(name, password, tags);
        if let Some(user) = self.broker.users.user(name) {
            let limit = |name| definitions::number(&fields, name);
            user.limits.set(limit(MAX_CONNECTIONS), limit(MAX_CHANNELS));
        }
        Ok(())
    }

    fn topic_permission(
        &self,
        user: &str,
        vhost: &str,
        exchange: &str,
        value: &[u8],
    ) -> Result<(), String> {
        let fields = table(value)?;
        let (write, read) = (field(&fields, "write")?, field(&fields, "read")?);
        let permission =
            TopicPermission::new(&write, &read, user, vhost).map_err(|error| error.to_string())?;
        let users = &self.broker.users;
        users.set_topic_permission(user, vhost, exchange, permission);
        Ok(())
    }

    fn policy(&self, vhost: &str, sort: &str, name: &str, value: &[u8]) -> Result<(), String> {
        let vhost = self.vhost(vhost)?;
        let operator = sort == OPERATOR_POLICY;
        let Value::Object(fields) = json(value)? else {
            return Err("it is no object".to_owned());
        };
        let policy = Policy::new(name, operator, &fields).map_err(|denied| denied.to_string())?;
        let all = vhost
            .policies()
            .with(operator, name, Some(Arc::new(policy)));
        vhost.set_policies(Arc::new(all));
        Ok(())
    }

    fn permission(&self, user: &str, vhost: &str, value: &[u8]) -> Result<(), String> {
        let fields = table(value)?;
        let [configure, write, read] =
            ["configure", "write", "read"].map(|verb| field(&fields, verb));
        let permission =
            Permission::new(&configure?, &write?, &read?).map_err(|error| error.to_string())?;
        self.broker.users.set_permission(user, vhost, permission);
        Ok(())
    }

    fn exchange(&self, vhost: &str, name: &str, value: &[u8]) -> Result<(), String> {
        let vhost = self.vhost(vhost)?;
        let fields = table(value)?;
        let arguments = sub_table(&fields, "arguments");
        let kind = find(&field(&fields, "type")?).map_err(|reply| reply.to_string())?;
        let resource = exchange_resource(name, &vhost.name);
        let spec = ExchangeSpec {
            name: name.into(),
            kind,
            durable: true,
            auto_delete: flag(&fields, "auto_delete"),
            internal: flag(&fields, "internal"),
            alternate: alternate(&arguments, &resource).map_err(|reply| reply.to_string())?,
            arguments,
        };
        vhost.link_exchange(Exchange::new(self.broker.next_id(), spec));
        Ok(())
    }

    fn queue(&mut self, vhost: &str, name: &str, value: &[u8]) -> Result<(), String> {
        let vhost = self.vhost(vhost)?;
        let (id, value) = definitions::split_queue(value).ok_or("it has no id")?;
        let fields = table(value)?;
        let arguments = sub_table(&fields, "arguments");
        let auto_delete = flag(&fields, "auto_delete");
        let resource = queue_resource(name, &vhost.name);
        let parsed = arguments::parse(&resource, &arguments, true, false, auto_delete, false)
            .map_err(|reply| reply.to_string())?;
        let spec = QueueSpec {
            name: name.into(),
            vhost: Arc::clone(&vhost.name),
            id,
            durable: true,
            owner: None,
            auto_delete,
            arguments,
        };
        let (rules, applied) = vhost.rules_for(&spec, Rules::of(&parsed));
        let (queue, effects) = self.recovered(spec, rules);
        queue.note_applied(applied);
        vhost
            .queues
            .insert(Arc::clone(&queue.spec.name), Arc::clone(&queue));
        self.broker.perform(&queue, effects);
        Ok(())
    }

    /// A queue that belongs to an exchange.
    fn hidden_queue(
        &mut self,
        vhost: &str,
        exchange: &str,
        purpose: &str,
        value: &[u8],
    ) -> Result<(), String> {
        let vhost = self.vhost(vhost)?;
        let (id, _) = definitions::split_queue(value).ok_or("it has no id")?;
        let purpose = Purpose::find(purpose).ok_or("nobody knows what it is for")?;
        let exchange = match (vhost.exchange(exchange), purpose) {
            (Some(exchange), _) => exchange,
            // A predeclared one of another configuration: only the default vhost has an exchange of events.
            (None, Purpose::Window) => {
                tracing::warn!(
                    "exchange '{exchange}' in vhost '{}' is not there: the ids that it knew are forgotten",
                    vhost.name
                );
                return Ok(());
            }
            (None, Purpose::Delay) => return Err("it has no exchange".to_owned()),
        };
        // The crash came between a policy and what it had to change.
        let Some((spec, rules)) = purpose.spec(id, &vhost.name, &exchange) else {
            return Ok(());
        };
        let (queue, effects) = self.recovered(spec, rules);
        exchange.attach(purpose, Arc::clone(&queue));
        self.attached.push((queue, effects));
        Ok(())
    }

    /// A queue that belongs to another, which may not be known yet.
    fn part(&mut self, vhost: &str, owner: &str, role: &str, value: &[u8]) -> Result<(), String> {
        let (id, _) = definitions::split_queue(value).ok_or("it has no id")?;
        let role = Role::find(role).ok_or("nobody knows what it is for")?;
        let key = (vhost.to_owned(), owner.to_owned());
        self.parts.entry(key).or_default().insert(role, id);
        Ok(())
    }

    fn attach_parts(&mut self) -> Result<(), String> {
        for ((vhost, name), ids) in std::mem::take(&mut self.parts) {
            let vhost = self.vhost(&vhost)?;
            let Some(owner) = vhost.queue(&name) else {
                tracing::error!("parts of a queue '{name}' that is not there are dropped");
                continue;
            };
            let own = Arc::clone(owner.lock().rules());
            let mut queues = Vec::with_capacity(ids.len());
            for role in Role::of(&own) {
                let id = ids.get(&role).ok_or_else(|| {
                    format!("a part of {} is missing: {role:?}", owner.resource())
                })?;
                let spec = parts::spec(&owner, *id);
                let (queue, effects) = self.recovered(spec, role.rules(&own));
                queue.note_applied(owner.applied());
                queues.push((role, Arc::clone(&queue)));
                self.attached.push((queue, effects));
            }
            parts::put(&owner, &own, queues);
        }
        Ok(())
    }

    fn recovered(&mut self, spec: QueueSpec, rules: Rules) -> (Arc<Queue>, Effects) {
        let id = spec.id;
        let ledger = self.ledgers.remove(&id).unwrap_or_default();
        let (queue, effects) = Queue::recovered(
            spec,
            rules,
            Arc::clone(&self.broker.journal),
            self.broker.settings.sync.into(),
            (ledger, self.seen.remove(&id).unwrap_or_default()),
            self.clean,
            self.broker.now(),
        );
        self.broker.timers.watch(&queue);
        (queue, effects)
    }

    /// Exchanges of earlier versions, and those whose queues do not outlive the process, get theirs.
    fn attach_hidden(&self) {
        for vhost in self.broker.kept_vhosts() {
            let _topology = vhost.bindings.lock();
            let mut change = self.broker.definitions.change();
            for exchange in vhost.all_exchanges() {
                hidden::attach(self.broker, &vhost.name, &exchange, &mut change);
            }
            change.commit();
        }
    }

    fn binding(
        &self,
        vhost: &str,
        source: &str,
        kind: &str,
        destination: &str,
        routing_key: &str,
        value: &[u8],
    ) -> Result<(), String> {
        let vhost = self.vhost(vhost)?;
        let destination = match kind {
            "queue" => vhost.queue(destination).map(Target::Queue),
            _ => vhost.exchange(destination).map(Target::Exchange),
        };
        // An end that is not there any more took the binding with it; the crash came between.
        if let (Some(source), Some(destination)) = (vhost.exchange(source), destination) {
            let mut bindings = vhost.bindings.lock();
            vhost.restore_binding(
                &mut bindings,
                source,
                destination,
                routing_key,
                table(value)?,
            );
        }
        Ok(())
    }
}

fn json(value: &[u8]) -> Result<Value, String> {
    let text = field(&table(value)?, "json")?;
    serde_json::from_str(&text).map_err(|error| format!("its JSON cannot be read: {error}"))
}

fn table(value: &[u8]) -> Result<amq_protocol::types::FieldTable, String> {
    fields(value).ok_or_else(|| "its table cannot be read".to_owned())
}

fn field(fields: &amq_protocol::types::FieldTable, name: &str) -> Result<String, String> {
    text(fields, name).ok_or_else(|| format!("it has no {name}"))
}

/// Every definition that outlives the process, as of one moment in each vhost. Takes the topology's lock of one vhost at a time.
pub fn definitions(broker: &Broker) -> Vec<Definition> {
    let mut all = Vec::new();
    let users = &broker.users;
    all.extend(users.all().iter().map(|user| definitions::user(user)));
    for (user, vhost, permission) in users.all_permissions() {
        all.push(definitions::permission(&user, &vhost, &permission));
    }
    for (user, vhost, exchange, permission) in users.all_topic_permissions() {
        all.push(definitions::topic_permission(
            &user,
            &vhost,
            &exchange,
            &permission,
        ));
    }
    for (name, value) in broker.global_parameters() {
        all.push(definitions::parameter(&[&name], &value));
    }
    for vhost in broker.kept_vhosts() {
        let deleting = vhost.is_deleting();
        all.push(definitions::vhost(&vhost.name, &vhost.metadata(), deleting));
        let policies = vhost.policies();
        for operator in [false, true] {
            for policy in policies.of(operator) {
                all.push(definitions::policy(&vhost.name, operator, policy));
            }
        }
        for one in vhost.parameters() {
            let names = [&*one.component, &*one.vhost, &*one.name];
            all.push(definitions::parameter(&names, &one.value));
        }
        let bindings = vhost.bindings.lock();
        for exchange in vhost.exchanges.all() {
            let predeclared = exchange.name.is_empty() || exchange.name.starts_with("amq.");
            if exchange.durable && !predeclared {
                all.push(definitions::exchange(&vhost.name, &exchange));
            }
            for (purpose, queue) in exchange.all_hidden() {
                if queue.spec.durable {
                    all.push(definitions::hidden_queue(&exchange.name, purpose, &queue));
                }
            }
        }
        for queue in vhost.all_queues() {
            if queue.spec.durable {
                all.push(definitions::queue(&queue));
                all.extend(parts::definitions(&queue));
            }
        }
        for binding in bindings.each_written(&vhost.name) {
            if binding.durable {
                all.push(definitions::binding(&binding));
            }
        }
    }
    all
}
