//! The broker as a whole: overview, nodes, who am I, names and versions.

use serde_json::{Value, json};

use super::login::{is_monitor, sees};
use super::{Answer, Call, Refusal, list, parameters};
use crate::broker::Alarm;

/// GET /overview.
pub fn overview(call: &Call) -> Result<Answer, Refusal> {
    let (broker, settings) = (call.broker(), &call.door.settings);
    let mut totals = [
        broker.channels() as u64,
        broker.connections() as u64,
        0,
        0,
        0,
    ];
    let (mut ready, mut unacked, mut any) = (0u64, 0u64, false);
    for vhost in broker.all_vhosts() {
        if !sees(broker, &call.user, &vhost.name) {
            continue;
        }
        totals[3] += vhost.all_exchanges().len() as u64;
        for queue in vhost.all_queues() {
            any = true;
            totals[4] += 1;
            totals[2] += queue.consumers() as u64;
            ready += queue.ready() as u64;
            unacked += queue.unacked() as u64;
        }
    }
    let mut document = json!({
        "management_version": settings.product_version,
        "rates_mode": "none",
        "sample_retention_policies": {"global": [], "basic": [], "detailed": []},
        "exchange_types": exchange_types(),
        "product_version": settings.product_version,
        "product_name": settings.product_name,
        "rabbitmq_version": settings.product_version,
        "leveret_version": env!("CARGO_PKG_VERSION"),
        "cluster_name": parameters::cluster_name(call),
        "cluster_tags": {},
        "node_tags": {},
        "erlang_version": "",
        "erlang_full_version": "",
        "disable_stats": false,
        "default_queue_type": broker.settings.vhost_defaults.queue_type.as_deref().unwrap_or("classic"),
        "is_op_policy_updating_enabled": true,
        "enable_queue_totals": false,
        "message_stats": {},
        "churn_rates": {},
        "queue_totals": {},
        "object_totals": {
            "channels": totals[0],
            "connections": totals[1],
            "consumers": totals[2],
            "exchanges": totals[3],
            "queues": totals[4],
        },
        "statistics_db_event_queue": 0,
        "node": settings.node_name,
    });
    if any {
        document["queue_totals"] = json!({
            "messages": ready + unacked,
            "messages_ready": ready,
            "messages_unacknowledged": unacked,
        });
    }
    if is_monitor(&call.user) {
        document["listeners"] = listeners(call);
        document["contexts"] = contexts(call);
    }
    Ok(Answer::Json(list::pick(call, document)))
}

/// The listeners of the node.
pub fn listeners(call: &Call) -> Value {
    let node = &call.door.settings.node_name;
    let all = call.door.machine.listeners();
    all.iter()
        .map(|listener| {
            json!({
                "node": node,
                "protocol": listener.protocol,
                "ip_address": listener.address.ip().to_string(),
                "port": listener.address.port(),
                "socket_opts": {},
            })
        })
        .collect()
}

fn contexts(call: &Call) -> Value {
    let all = call.door.machine.listeners();
    let http = all.iter().filter(|listener| listener.protocol == "http");
    http.map(|listener| {
        json!({
            "ssl_opts": [],
            "node": call.door.settings.node_name,
            "description": "RabbitMQ Management",
            "path": format!("{}/", call.door.settings.path_prefix),
            "ip": listener.address.ip().to_string(),
            "port": listener.address.port().to_string(),
        })
    })
    .collect()
}

fn exchange_types() -> Value {
    crate::exchange::kinds()
        .iter()
        .map(|kind| json!({"name": kind.name, "description": "", "enabled": true}))
        .collect()
}

/// GET /whoami.
pub fn whoami(call: &Call) -> Result<Answer, Refusal> {
    let user = &call.user;
    Ok(Answer::Json(json!({
        "name": *user.name,
        "tags": user.tags,
        "is_internal_user": true,
    })))
}

/// GET /version.
pub fn version(call: &Call) -> Result<Answer, Refusal> {
    Ok(Answer::Json(
        call.door.settings.product_version.clone().into(),
    ))
}

/// GET /extensions: there are none.
pub fn extensions(_: &Call) -> Result<Answer, Refusal> {
    Ok(Answer::Json(json!([])))
}

/// GET /nodes.
pub fn nodes(call: &Call) -> Result<Answer, Refusal> {
    Ok(list::plain(call, vec![document(call)], &["name"]))
}

/// GET /nodes/name.
pub fn node(call: &Call) -> Result<Answer, Refusal> {
    if call.param("node") != call.door.settings.node_name {
        return Err(Refusal::missing());
    }
    Ok(Answer::Json(list::pick(call, document(call))))
}

fn document(call: &Call) -> Value {
    let (broker, settings) = (call.broker(), &call.door.settings);
    let gauges = call.door.machine.gauges();
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    json!({
        "name": settings.node_name,
        "type": "disc",
        "running": !broker.is_stopping() && !broker.is_paused(),
        "being_drained": false,
        "partitions": [],
        "os_pid": std::process::id().to_string(),
        "fd_used": gauges.descriptors_used,
        "fd_total": gauges.descriptors_max,
        "sockets_used": broker.sessions(),
        "sockets_total": gauges.descriptors_max,
        "mem_used": gauges.memory_used,
        "mem_limit": gauges.memory_limit,
        "mem_alarm": broker.has_alarm(Alarm::Memory),
        "mem_calculation_strategy": "rss",
        "disk_free": gauges.disk_free,
        "disk_free_limit": gauges.disk_limit,
        "disk_free_alarm": broker.has_alarm(Alarm::Disk),
        "proc_used": 0,
        "proc_total": 0,
        "run_queue": 0,
        "processors": processors,
        "uptime": broker.now().saturating_sub(settings.started_ms),
        "rates_mode": "none",
        "net_ticktime": 60,
        "exchange_types": exchange_types(),
        "auth_mechanisms": [
            {"name": "PLAIN", "description": "SASL PLAIN authentication mechanism", "enabled": true},
            {"name": "AMQPLAIN", "description": "QPid AMQPLAIN mechanism", "enabled": true},
        ],
        "applications": [{"name": "leveret", "description": settings.product_name, "version": env!("CARGO_PKG_VERSION")}],
        "contexts": contexts(call),
        "log_files": [],
        "config_files": [],
        "db_dir": call.door.machine.data_dir(),
        "enabled_plugins": [],
        "cluster_links": [],
    })
}
