//! The definitions of a running broker as a document. Takes the topology's lock of one vhost at a time.

use serde_json::{Value, json};

use super::{
    Binding, Document, Exchange, GlobalParameter, IMPORTED_HASH, Loose, Metadata, Parameter,
    Permission, Policy, Queue, Scope, Tags, TopicPermission, User, Vhost, VhostHead,
};
use crate::broker::json::of_table;
use crate::broker::operator::parameters::{LIMITS, OPERATOR_POLICY, VHOST_LIMITS};
use crate::broker::operator::shown_limits;
use crate::broker::{Broker, vhost};

/// The level of RabbitMQ that the document's shape is of.
const VERSION: &str = "4.2.0";

/// What RabbitMQ says where no type is set.
const UNDEFINED: &str = "undefined";

impl Document {
    /// Everything that the broker has. `cluster` is its name.
    pub fn of_broker(broker: &Broker, cluster: &str) -> Self {
        let explanation = format!("Definitions of cluster '{cluster}'");
        let mut document = Self::empty("cluster", explanation);
        document.original_cluster_name = Some(cluster.to_owned());
        let vhosts = broker.all_vhosts();
        document.users = Some(users(broker));
        document.vhosts = Some(vhosts.iter().map(|vhost| one_vhost(vhost)).collect());
        document.permissions = Some(permissions(broker));
        document.topic_permissions = Some(topic_permissions(broker));
        document.global_parameters = Some(global_parameters(broker));
        for vhost in vhosts {
            document.add(&vhost, Scope::Cluster);
        }
        document
    }

    /// What one vhost has, without users and permissions.
    pub fn of_vhost(vhost: &vhost::Vhost) -> Self {
        let name = &vhost.name;
        let explanation = format!("Definitions of virtual host '{name}'");
        let mut document = Self::empty("single_virtual_host", explanation);
        document.original_vhost_name = Some(name.to_string());
        document.vhost = Some(VhostHead {
            metadata: metadata(vhost),
            description: vhost.metadata().description.clone(),
            default_queue_type: queue_type(vhost),
            limits: limits(vhost),
        });
        document.add(vhost, Scope::Vhost);
        document
    }

    fn empty(format: &'static str, explanation: String) -> Self {
        Self {
            rabbit_version: VERSION.to_owned(),
            rabbitmq_version: VERSION.to_owned(),
            product_name: "Leveret".to_owned(),
            product_version: env!("CARGO_PKG_VERSION").to_owned(),
            rabbitmq_definition_format: format,
            original_cluster_name: None,
            original_vhost_name: None,
            explanation,
            vhost: None,
            users: None,
            vhosts: None,
            permissions: None,
            topic_permissions: None,
            parameters: Vec::new(),
            global_parameters: None,
            policies: Vec::new(),
            queues: Vec::new(),
            exchanges: Vec::new(),
            bindings: Vec::new(),
        }
    }

    /// Adds the objects of a vhost.
    fn add(&mut self, vhost: &vhost::Vhost, scope: Scope) {
        let named = || (scope == Scope::Cluster).then(|| vhost.name.to_string());
        for parameter in vhost.parameters() {
            self.parameters.push(Parameter {
                value: parameter.value,
                vhost: named(),
                component: parameter.component.to_string(),
                name: parameter.name.to_string(),
            });
        }
        let policies = vhost.policies();
        for policy in &policies.operator {
            self.parameters.push(Parameter {
                value: Value::Object(policy.fields()),
                vhost: named(),
                component: OPERATOR_POLICY.to_owned(),
                name: policy.name.to_string(),
            });
        }
        for policy in &policies.policies {
            self.policies.push(Policy {
                vhost: named(),
                name: policy.name.to_string(),
                fields: policy.fields(),
            });
        }
        let bindings = vhost.bindings.lock();
        let mut queues = vhost.all_queues();
        queues.sort_by(|a, b| a.spec.name.cmp(&b.spec.name));
        for queue in queues.iter().filter(|queue| queue.spec.owner.is_none()) {
            self.queues.push(Queue {
                name: queue.spec.name.to_string(),
                vhost: named(),
                durable: queue.spec.durable,
                auto_delete: queue.spec.auto_delete,
                arguments: Loose::Fields(of_table(&queue.spec.arguments)),
            });
        }
        let mut exchanges = vhost.all_exchanges();
        exchanges.retain(|one| !one.name.is_empty() && !one.name.starts_with("amq."));
        exchanges.sort_by(|a, b| a.name.cmp(&b.name));
        for exchange in &exchanges {
            self.exchanges.push(Exchange {
                name: exchange.name.to_string(),
                vhost: named(),
                kind: exchange.kind.name.to_owned(),
                durable: exchange.durable,
                auto_delete: exchange.auto_delete,
                internal: exchange.internal,
                arguments: Loose::Fields(of_table(&exchange.arguments)),
            });
        }
        let before = self.bindings.len();
        for binding in bindings.each_written(&vhost.name) {
            let exclusive = binding.to_queue
                && vhost
                    .queue(binding.destination)
                    .is_some_and(|queue| queue.spec.owner.is_some());
            if exclusive {
                continue;
            }
            let kind = if binding.to_queue {
                "queue"
            } else {
                "exchange"
            };
            self.bindings.push(Binding {
                source: binding.source.to_owned(),
                vhost: named(),
                destination: binding.destination.to_owned(),
                destination_type: kind.to_owned(),
                routing_key: binding.routing_key.to_owned(),
                arguments: Loose::Fields(of_table(binding.arguments)),
            });
        }
        drop(bindings);
        let key = |one: &Binding| {
            let names = [&one.source, &one.destination_type, &one.destination];
            (names.map(String::clone), one.routing_key.clone())
        };
        self.bindings[before..].sort_by_cached_key(key);
    }
}

fn queue_type(vhost: &vhost::Vhost) -> String {
    let metadata = vhost.metadata();
    let kind = metadata.default_queue_type.as_deref();
    kind.unwrap_or(UNDEFINED).to_owned()
}

/// The limits of a vhost; where there are none, the empty list that RabbitMQ has there.
fn limits(vhost: &vhost::Vhost) -> Value {
    match vhost.parameter(VHOST_LIMITS, LIMITS) {
        Some(Value::Object(limits)) if !limits.is_empty() => Value::Object(limits),
        _ => json!([]),
    }
}

fn metadata(vhost: &vhost::Vhost) -> Metadata {
    let metadata = vhost.metadata();
    Metadata {
        description: Some(metadata.description.clone()),
        tags: Tags::List(metadata.tags.clone()),
        default_queue_type: Some(queue_type(vhost)),
        tracing: metadata.tracing.then_some(true),
        protected_from_deletion: metadata.protected.then_some(true),
    }
}

fn one_vhost(vhost: &vhost::Vhost) -> Vhost {
    let said = vhost.metadata();
    Vhost {
        name: vhost.name.to_string(),
        description: Some(said.description.clone()),
        metadata: Some(metadata(vhost)),
        tags: Some(Tags::List(said.tags.clone())),
        default_queue_type: Some(queue_type(vhost)),
    }
}

fn users(broker: &Broker) -> Vec<User> {
    let one = |user: &std::sync::Arc<crate::auth::User>| User {
        name: user.name.to_string(),
        password_hash: Some(user.password.to_base64()),
        password: None,
        hashing_algorithm: Some(user.password.algorithm().name().to_owned()),
        tags: Tags::List(user.tags.clone()),
        limits: Loose::Fields(shown_limits(&user.limits)),
    };
    broker.users.all().iter().map(one).collect()
}

/// Of vhosts that are not there any more nothing is said.
fn permissions(broker: &Broker) -> Vec<Permission> {
    let all = broker.users.all_permissions().into_iter();
    all.filter(|(_, vhost, _)| broker.vhost(vhost).is_some())
        .map(|(user, vhost, permission)| Permission {
            user: user.to_string(),
            vhost: vhost.to_string(),
            configure: permission.configure.source().to_owned(),
            write: permission.write.source().to_owned(),
            read: permission.read.source().to_owned(),
        })
        .collect()
}

fn topic_permissions(broker: &Broker) -> Vec<TopicPermission> {
    let all = broker.users.all_topic_permissions().into_iter();
    all.filter(|(_, vhost, _, _)| broker.vhost(vhost).is_some())
        .map(|(user, vhost, exchange, permission)| TopicPermission {
            user: user.to_string(),
            vhost: vhost.to_string(),
            exchange: exchange.to_string(),
            write: permission.write.source().to_owned(),
            read: permission.read.source().to_owned(),
        })
        .collect()
}

fn global_parameters(broker: &Broker) -> Vec<GlobalParameter> {
    let all = broker.global_parameters().into_iter();
    all.filter(|(name, _)| **name != *IMPORTED_HASH)
        .map(|(name, value)| GlobalParameter {
            name: name.to_string(),
            value: json!(value),
        })
        .collect()
}
