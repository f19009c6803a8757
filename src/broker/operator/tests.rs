//! Verbs of operators on a broker without sockets.

use amq_protocol::types::{AMQPValue, FieldTable};
use serde_json::{Map, Value, json};

use super::*;
use crate::auth::Users;
use crate::broker::Settings;
use crate::broker::access::Access;
use crate::broker::topology::{DeclareExchange, DeclareQueue};
use crate::queue::Queue;
use crate::queue::arguments::QueueKind;
use crate::wire::reply::Reply;

struct World {
    broker: Arc<Broker>,
}

fn fields(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(fields) => fields,
        other => panic!("no object: {other}"),
    }
}

impl World {
    fn new() -> Self {
        let broker = Broker::new(Settings::default(), Arc::new(Users::new()));
        broker.add_vhost("/");
        let world = Self { broker };
        world.user("guest");
        world.allow("guest", "/");
        world
    }

    fn user(&self, name: &str) {
        let spec = UserSpec {
            password: Password::Plain("x".into()),
            tags: Vec::new(),
            limits: None,
        };
        self.broker.change_user(name, spec).unwrap();
    }

    fn allow(&self, user: &str, vhost: &str) {
        self.broker
            .put_permission(user, vhost, ".*", ".*", ".*")
            .unwrap();
    }

    fn access(&self, vhost: &str) -> Access {
        let users = &self.broker.users;
        Access::new(users, users.user("guest").unwrap(), vhost.into()).unwrap()
    }

    fn declare(
        &self,
        vhost: &str,
        name: &str,
        durable: bool,
        arguments: FieldTable,
    ) -> Result<Arc<Queue>, Reply> {
        let declare = DeclareQueue {
            name,
            durable,
            exclusive: false,
            auto_delete: false,
            arguments,
            connection: 1,
        };
        let vhost = self.broker.vhost(vhost).unwrap();
        let declared = vhost.declare_queue(&self.broker, &mut self.access(&vhost.name), declare);
        declared.map(|declared| declared.queue.unwrap())
    }

    fn queue(&self, name: &str) -> Arc<Queue> {
        self.declare("/", name, true, FieldTable::default())
            .unwrap()
    }

    fn exchange(&self, name: &str) -> Arc<crate::broker::exchange::Exchange> {
        let declare = DeclareExchange {
            name,
            kind: "fanout",
            durable: true,
            auto_delete: false,
            internal: false,
            arguments: FieldTable::default(),
        };
        let vhost = self.broker.vhost("/").unwrap();
        vhost
            .declare_exchange(&self.broker, &mut self.access("/"), declare)
            .unwrap();
        vhost.exchange(name).unwrap()
    }

    fn policy(&self, operator: bool, name: &str, value: Value) -> Result<Put, Denied> {
        self.broker.put_policy("/", operator, name, &fields(value))
    }
}

fn max_length(queue: &Arc<Queue>) -> Option<u64> {
    queue.lock().rules().limits.messages
}

fn policy_name(queue: &Queue) -> Option<String> {
    let applied = queue.applied().policy;
    applied.map(|policy| policy.name.to_string())
}

#[test]
fn a_policy_applies_to_what_is_there_and_to_what_comes() {
    let world = World::new();
    let before = world.queue("q1");
    let put = world.policy(
        false,
        "p",
        json!({"pattern": "^q", "definition": {"max-length": 5}}),
    );
    assert_eq!(put, Ok(Put::Created));
    assert_eq!(max_length(&before), Some(5));
    assert_eq!(policy_name(&before).as_deref(), Some("p"));
    let after = world.queue("q2");
    assert_eq!(max_length(&after), Some(5));
    assert_eq!(max_length(&world.queue("other")), None);
    let put = world.policy(
        false,
        "p",
        json!({"pattern": "^o", "definition": {"max-length": 6}}),
    );
    assert_eq!(put, Ok(Put::Updated));
    assert_eq!((max_length(&before), max_length(&after)), (None, None));
    assert_eq!(max_length(&world.queue("other")), Some(6));
    world.broker.clear_policy("/", false, "p").unwrap();
    assert_eq!(max_length(&world.queue("other")), None);
    assert_eq!(
        world.broker.clear_policy("/", false, "p"),
        Err(Denied::NotFound)
    );
}

#[test]
fn the_highest_priority_applies_alone() {
    let world = World::new();
    let queue = world.queue("q");
    let set = |name: &str, priority: i64, definition: Value| {
        let value = json!({"pattern": "", "definition": definition, "priority": priority});
        world.policy(false, name, value).unwrap();
    };
    set("low", 0, json!({"max-length": 1, "message-ttl": 5}));
    set("high", 10, json!({"max-length": 9}));
    assert_eq!(policy_name(&queue).as_deref(), Some("high"));
    assert_eq!(queue.lock().rules().message_ttl_ms, None);
    set("high", -1, json!({"max-length": 9}));
    assert_eq!(policy_name(&queue).as_deref(), Some("low"));
    // A key that the queue's type does not know keeps the whole policy away.
    set(
        "high",
        10,
        json!({"max-length": 9, "dead-letter-strategy": "at-most-once"}),
    );
    assert_eq!(policy_name(&queue).as_deref(), Some("low"));
}

#[test]
fn an_operator_policy_narrows_what_arguments_and_policy_say() {
    let world = World::new();
    let mut arguments = FieldTable::default();
    arguments.insert("x-max-length".into(), AMQPValue::LongInt(7));
    let queue = world.declare("/", "q", true, arguments).unwrap();
    world
        .policy(
            true,
            "o",
            json!({"pattern": "q", "definition": {"max-length": 5}}),
        )
        .unwrap();
    assert_eq!(max_length(&queue), Some(5));
    let applied = queue.applied();
    assert!(applied.policy.is_none() && applied.operator.is_some());
    assert_eq!(
        Value::Object(policies::effective_definition(&queue)),
        json!({"max-length": 5})
    );
    world.broker.clear_policy("/", true, "o").unwrap();
    assert_eq!(max_length(&queue), Some(7));
}

#[test]
fn apply_to_chooses_queues_or_exchanges() {
    let world = World::new();
    let (queue, exchange) = (world.queue("x"), world.exchange("x"));
    let set = |apply_to: &str| {
        let definition = json!({"alternate-exchange": "ae"});
        let value = json!({"pattern": "x", "definition": definition, "apply-to": apply_to});
        world.policy(false, "p", value).unwrap();
    };
    for (apply_to, to_queue, to_exchange) in [
        ("all", true, true),
        ("queues", true, false),
        ("classic_queues", true, false),
        ("quorum_queues", false, false),
        ("streams", false, false),
        ("exchanges", false, true),
    ] {
        set(apply_to);
        assert_eq!(policy_name(&queue).is_some(), to_queue, "{apply_to}");
        assert_eq!(exchange.policy().is_some(), to_exchange, "{apply_to}");
        let alternate = exchange.alternate();
        assert_eq!(alternate.as_deref(), to_exchange.then_some("ae"));
    }
    world.broker.clear_policy("/", false, "p").unwrap();
    assert_eq!(exchange.alternate(), None);
}

#[test]
fn a_policy_with_a_fault_is_refused_as_a_whole() {
    let world = World::new();
    let queue = world.queue("q");
    let reason = |value: Value| match world.policy(false, "p", value).unwrap_err() {
        Denied::Bad(Value::String(reason)) => reason,
        other => panic!("{other:?}"),
    };
    let good = json!({"max-length": 1});
    for (value, text) in [
        (json!({"definition": good}), "[{key_missing,pattern}]"),
        (json!({"pattern": "q"}), "[{key_missing,definition}]"),
        (
            json!({"pattern": 5, "definition": good}),
            "Validation failed\n\npattern should be a binary but was 5\n",
        ),
        (
            json!({"pattern": "q", "definition": good, "priority": "x"}),
            "Validation failed\n\npriority should be a number, actually was <<\"x\">>\n",
        ),
        (
            json!({"pattern": "q", "definition": {"max-length": 1, "bogus": 1}}),
            "Validation failed\n\n[{<<\"bogus\">>,1}] are not recognised policy settings\n",
        ),
        (
            json!({"pattern": "q", "definition": good, "apply-to": "zzz"}),
            "Validation failed\n\napply-to 'zzz' unrecognised; should be one of: 'queues', 'classic_queues',  'quorum_queues', 'streams', 'exchanges', or 'all'\n",
        ),
    ] {
        assert_eq!(reason(value), text);
    }
    let bad = reason(json!({"pattern": "(", "definition": good}));
    assert!(
        bad.starts_with(
            "Validation failed\n\npattern should be regular expression but is invalid: "
        ),
        "{bad}"
    );
    assert!(world.broker.vhost("/").unwrap().policies().is_empty());
    assert_eq!(max_length(&queue), None);
    let gone = world
        .broker
        .put_policy("nov", false, "p", &fields(json!({})));
    assert_eq!(gone, Err(Denied::NoVhost));
}

#[test]
fn a_deleted_vhost_takes_everything_along() {
    let world = World::new();
    let broker = &world.broker;
    let metadata = VhostMetadata::default();
    assert_eq!(
        broker.put_vhost("v", metadata.clone(), None),
        Ok(Put::Created)
    );
    assert_eq!(
        broker.put_vhost("v", metadata.clone(), None),
        Ok(Put::Updated)
    );
    world.allow("guest", "v");
    broker
        .put_topic_permission("guest", "v", "amq.topic", "^a", "^b")
        .unwrap();
    let vhost = broker.vhost("v").unwrap();
    let queue = world
        .declare("v", "q", true, FieldTable::default())
        .unwrap();
    broker.set_vhost_limit("v", MAX_QUEUES, &json!(5)).unwrap();
    let policy = fields(json!({"pattern": "q", "definition": {"max-length": 1}}));
    broker.put_policy("v", false, "p", &policy).unwrap();
    broker.delete_vhost("v").unwrap();
    assert!(queue.is_gone() && vhost.is_deleting());
    assert!(broker.vhost("v").is_none() && vhost.all_queues().is_empty());
    assert!(broker.users.permission("guest", "v").is_none());
    assert!(broker.users.all_topic_permissions().is_empty());
    assert!(broker.parameters().is_empty());
    assert_eq!(broker.delete_vhost("v"), Err(Denied::NotFound));
    // Another of the same name has nothing of it, and who still holds the old one can declare nothing there.
    broker.put_vhost("v", metadata, None).unwrap();
    assert!(broker.vhost("v").unwrap().policies().is_empty());
    world.allow("guest", "v");
    let declare = DeclareQueue {
        name: "late",
        durable: true,
        exclusive: false,
        auto_delete: false,
        arguments: FieldTable::default(),
        connection: 1,
    };
    let refused = vhost.declare_queue(broker, &mut world.access("v"), declare);
    assert_eq!(
        refused.err().map(|reply| reply.text).as_deref(),
        Some("CONNECTION_FORCED - vhost 'v' is deleted")
    );
}

#[test]
fn a_vhost_limits_its_queues() {
    let world = World::new();
    let broker = &world.broker;
    broker.set_vhost_limit("/", MAX_QUEUES, &json!(1)).unwrap();
    world.queue("one");
    let refused = world.declare("/", "two", true, FieldTable::default());
    assert_eq!(
        refused.err().expect("refused").text,
        "PRECONDITION_FAILED - cannot declare queue 'two': queue limit in vhost '/' (1) is reached"
    );
    world.queue("one");
    broker.set_vhost_limit("/", MAX_QUEUES, &json!(-1)).unwrap();
    world.queue("two");
    let bad = broker.set_vhost_limit("/", "zzz", &json!(10));
    assert_eq!(
        bad,
        Err(Denied::bad(
            "Validation failed\n\nUnrecognised terms [{<<\"zzz\">>,10}] in limits\n"
        ))
    );
    let bad = broker.set_vhost_limit("/", MAX_QUEUES, &json!("x"));
    assert_eq!(
        bad,
        Err(Denied::bad(
            "Validation failed\n\nmax-queues should be a number, actually was <<\"x\">>\n"
        ))
    );
    broker.clear_vhost_limit("/", MAX_QUEUES).unwrap();
    assert!(broker.vhost_limits().is_empty());
}

#[test]
fn parameters_are_of_known_components_only() {
    let world = World::new();
    let broker = &world.broker;
    let bad = |component: &str, value: Value| {
        broker
            .put_parameter(component, "/", "limits", value)
            .unwrap_err()
    };
    assert_eq!(
        bad("nocomp", json!(5)),
        Denied::bad("Validation failed\n\ncomponent nocomp not found\n")
    );
    assert_eq!(
        bad("policy", json!({})),
        Denied::bad("policies may not be set using this method")
    );
    assert_eq!(
        bad("vhost-limits", json!(5)),
        Denied::bad("Validation failed\n\nlimits not a list 5\n")
    );
    let limits = json!({"max-queues": 5});
    let put = broker.put_parameter("vhost-limits", "/", "limits", limits);
    assert_eq!(put, Ok(Put::Created));
    assert_eq!(broker.vhost("/").unwrap().limits.queues_most(), Some(5));
    broker
        .clear_parameter("vhost-limits", "/", "limits")
        .unwrap();
    assert_eq!(broker.vhost("/").unwrap().limits.queues_most(), None);
    assert_eq!(
        broker.put_global_parameter("cluster_name", json!("rabbit")),
        Ok(Put::Created)
    );
    assert_eq!(
        broker.global_parameter("cluster_name"),
        Some(json!("rabbit"))
    );
    broker.clear_global_parameter("cluster_name").unwrap();
    assert_eq!(
        broker.clear_global_parameter("cluster_name"),
        Err(Denied::NotFound)
    );
}

#[test]
fn users_are_put_with_passwords_or_hashes() {
    let world = World::new();
    let broker = &world.broker;
    let put = |password, limits| {
        let tags = vec!["a".to_owned()];
        broker.change_user(
            "u",
            UserSpec {
                password,
                tags,
                limits,
            },
        )
    };
    let hash = |hash: &str, algorithm: Option<&str>| {
        Password::Hash(hash.to_owned(), algorithm.map(str::to_owned))
    };
    assert_eq!(put(hash("", None), None), Ok(Put::Created));
    assert_eq!(
        put(hash("zz!", None), None),
        Err(Denied::Bad(json!(["not_base64", "zz!"])))
    );
    assert!(put(hash("AAAA", Some("bogus")), None).is_err());
    let limits = fields(json!({"max-channels": 3, "max-connections": -1}));
    put(Password::None, Some(limits.clone())).unwrap();
    assert_eq!(broker.user_limits()["u"], limits);
    broker
        .change_password("u", &Password::Plain("y".into()))
        .unwrap();
    broker.set_user_tags("u", tags_of("monitoring, b")).unwrap();
    let user = broker.users.user("u").unwrap();
    assert!(user.password.is(b"y") && user.tags == ["monitoring", "b"]);
    assert_eq!(user.limits.channels(), Some(3));
    assert_eq!(
        broker.set_user_limit("u", "zzz", &json!(5)),
        Err(Denied::bad(
            "Unrecognised terms [{<<\"zzz\">>,5}] in user-limits"
        ))
    );
    assert_eq!(
        broker.set_user_limit("nouser", MAX_CHANNELS, &json!(1)),
        Err(Denied::Bad(json!(["no_such_user", "nouser"])))
    );
    assert_eq!(
        broker.put_permission("u", "nov", "", "", ""),
        Err(Denied::bad("vhost_or_user_not_found"))
    );
    let bad = broker.put_permission("u", "/", "(", "", "");
    assert!(matches!(bad, Err(Denied::Bad(Value::Array(parts))) if parts[0] == "invalid_regexp"));
    broker.delete_user("u").unwrap();
    assert_eq!(broker.delete_user("u"), Err(Denied::NotFound));
    let again = put(Password::None, None);
    assert_eq!(again, Ok(Put::Created));
    assert!(broker.user_limits().is_empty(), "another user of that name");
}

#[test]
fn the_default_type_is_for_durable_queues_that_others_may_use() {
    let world = World::new();
    let metadata = VhostMetadata {
        default_queue_type: Some("stream".into()),
        ..VhostMetadata::default()
    };
    world.broker.put_vhost("/", metadata, None).unwrap();
    for (name, durable, kind) in [
        ("s", true, QueueKind::Stream),
        ("t", false, QueueKind::Classic),
    ] {
        let declared = world.declare("/", name, durable, FieldTable::default());
        assert_eq!(declared.expect("declared").kind, kind);
    }
    let bogus = VhostMetadata {
        default_queue_type: Some("bogus".into()),
        ..VhostMetadata::default()
    };
    assert!(world.broker.put_vhost("/", bogus, None).is_err());
}

/// 1,000 policies and 10,000 queues: the goal is 1 s for a change in an optimised build.
#[test]
fn a_policy_change_is_quick_with_many_queues_and_policies() {
    let world = World::new();
    for at in 0..10_000 {
        world
            .declare("/", &format!("q{at}"), false, FieldTable::default())
            .unwrap();
    }
    let vhost = world.broker.vhost("/").unwrap();
    let mut all = policies::Policies::default();
    for at in 0..999 {
        let value = json!({"pattern": format!("^other{at}\\."), "definition": {"max-length": at}});
        let policy = policies::Policy::new(&format!("p{at}"), false, &fields(value)).unwrap();
        all.policies.push(Arc::new(policy));
    }
    vhost.set_policies(Arc::new(all));
    let begun = std::time::Instant::now();
    let value = json!({"pattern": "^q", "definition": {"max-length": 7}, "priority": -1});
    world.policy(false, "last", value).unwrap();
    let took = begun.elapsed();
    assert!(
        vhost
            .all_queues()
            .iter()
            .all(|queue| max_length(queue) == Some(7))
    );
    assert!(took.as_secs() < 5, "{took:?}");
    println!("{took:?}");
}
