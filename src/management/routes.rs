//! The table of routes: path, method, who may, handler. Paths stand behind `/api`; names in braces are what handlers ask for.

use super::login::Who::{
    self, Administrator, Any, GlobalPolicymaker, Monitor, Policymaker, Vhost, VhostMonitor,
};
use super::{
    Answer, Call, Refusal, bindings, channels, connections, dead_letters, definitions, exchanges,
    health, limits, messages, operation, overview, parameters, permissions, policies, queues,
    replay, stream_groups, users, vhosts,
};

/// The methods that routes know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verb {
    /// And HEAD with it.
    Get,
    /// PUT.
    Put,
    /// POST.
    Post,
    /// DELETE.
    Delete,
}

impl Verb {
    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Put => "PUT",
            Self::Post => "POST",
            Self::Delete => "DELETE",
        }
    }
}

/// What answers one method.
pub struct Handler {
    /// The method; HEAD comes with GET.
    pub verb: Verb,
    /// Who may.
    pub who: Who,
    /// What does it, on a blocking thread.
    pub handler: fn(&Call) -> Result<Answer, Refusal>,
}

/// One path.
pub struct Route {
    /// Behind the prefix and `/api`.
    pub path: &'static str,
    /// What may be done with it.
    pub handlers: &'static [Handler],
    /// Its bodies are definitions or messages.
    pub large_bodies: bool,
}

impl Route {
    /// The header Allow.
    pub fn allows(&self) -> String {
        let mut methods = Vec::new();
        for handler in self.handlers {
            if handler.verb == Verb::Get {
                methods.push("HEAD");
            }
            methods.push(handler.verb.name());
        }
        methods.push("OPTIONS");
        methods.join(", ")
    }
}

const fn get(who: Who, handler: fn(&Call) -> Result<Answer, Refusal>) -> Handler {
    Handler {
        verb: Verb::Get,
        who,
        handler,
    }
}

const fn route(path: &'static str, handlers: &'static [Handler]) -> Route {
    Route {
        path,
        handlers,
        large_bodies: false,
    }
}

const fn put(who: Who, handler: fn(&Call) -> Result<Answer, Refusal>) -> Handler {
    Handler {
        verb: Verb::Put,
        who,
        handler,
    }
}

const fn post(who: Who, handler: fn(&Call) -> Result<Answer, Refusal>) -> Handler {
    Handler {
        verb: Verb::Post,
        who,
        handler,
    }
}

const fn delete(who: Who, handler: fn(&Call) -> Result<Answer, Refusal>) -> Handler {
    Handler {
        verb: Verb::Delete,
        who,
        handler,
    }
}

/// A path whose bodies may be large.
const fn large(path: &'static str, handlers: &'static [Handler]) -> Route {
    Route {
        path,
        handlers,
        large_bodies: true,
    }
}

/// Every path there is.
#[rustfmt::skip]
pub static ROUTES: &[Route] = &[
    route("/overview", &[get(Any, overview::overview)]),
    route("/whoami", &[get(Any, overview::whoami)]),
    route("/version", &[get(Any, overview::version)]),
    route("/cluster-name", &[get(Any, parameters::show_cluster_name), put(Administrator, parameters::put_cluster_name)]),
    route("/extensions", &[get(Any, overview::extensions)]),
    route("/nodes", &[get(Monitor, overview::nodes)]),
    route("/nodes/{node}", &[get(Monitor, overview::node)]),

    route("/vhosts", &[get(Any, vhosts::all)]),
    route("/vhosts/{vhost}", &[get(Administrator, vhosts::one), put(Administrator, vhosts::put), delete(Administrator, vhosts::delete)]),
    route("/vhosts/{vhost}/start/{node}", &[post(Administrator, vhosts::start)]),
    route("/vhosts/{vhost}/deletion/protection", &[post(Administrator, vhosts::protect), delete(Administrator, vhosts::unprotect)]),
    route("/vhosts/{vhost}/permissions", &[get(Administrator, permissions::of_vhost)]),
    route("/vhosts/{vhost}/topic-permissions", &[get(Administrator, permissions::topic_of_vhost)]),

    route("/users", &[get(Administrator, users::all)]),
    route("/users/without-permissions", &[get(Administrator, users::without_permissions)]),
    route("/users/bulk-delete", &[post(Administrator, users::bulk_delete)]),
    route("/users/{user}", &[get(Administrator, users::one), put(Administrator, users::put), delete(Administrator, users::delete)]),
    route("/users/{user}/permissions", &[get(Administrator, permissions::of_user)]),
    route("/users/{user}/topic-permissions", &[get(Administrator, permissions::topic_of_user)]),
    route("/auth/hash_password/{password}", &[get(Administrator, users::hash_password)]),

    route("/permissions", &[get(Administrator, permissions::all)]),
    route("/permissions/{vhost}/{user}", &[get(Administrator, permissions::one), put(Administrator, permissions::put), delete(Administrator, permissions::delete)]),
    route("/topic-permissions", &[get(Administrator, permissions::all_topic)]),
    route("/topic-permissions/{vhost}/{user}", &[get(Administrator, permissions::one_topic), put(Administrator, permissions::put_topic), delete(Administrator, permissions::delete_topic)]),
    route("/topic-permissions/{vhost}/{user}/{exchange}", &[delete(Administrator, permissions::delete_topic_of)]),

    route("/policies", &[get(Any, policies::all)]),
    route("/policies/{vhost}", &[get(Vhost, policies::all)]),
    route("/policies/{vhost}/{name}", &[get(Policymaker, policies::one), put(Policymaker, policies::put), delete(Policymaker, policies::delete)]),
    route("/operator-policies", &[get(Any, policies::all_operator)]),
    route("/operator-policies/{vhost}", &[get(Vhost, policies::all_operator)]),
    route("/operator-policies/{vhost}/{name}", &[get(Administrator, policies::one_operator), put(Administrator, policies::put_operator), delete(Administrator, policies::delete_operator)]),

    route("/parameters", &[get(GlobalPolicymaker, parameters::all)]),
    route("/parameters/{component}", &[get(GlobalPolicymaker, parameters::all)]),
    route("/parameters/{component}/{vhost}", &[get(Policymaker, parameters::all)]),
    route("/parameters/{component}/{vhost}/{name}", &[get(Policymaker, parameters::one), put(Policymaker, parameters::put), delete(Policymaker, parameters::delete)]),
    route("/global-parameters", &[get(GlobalPolicymaker, parameters::all_global)]),
    route("/global-parameters/{name}", &[get(GlobalPolicymaker, parameters::one_global), put(GlobalPolicymaker, parameters::put_global), delete(GlobalPolicymaker, parameters::delete_global)]),

    route("/vhost-limits", &[get(Any, limits::vhosts)]),
    route("/vhost-limits/{vhost}", &[get(VhostMonitor, limits::vhosts)]),
    route("/vhost-limits/{vhost}/{name}", &[put(Administrator, limits::put_vhost), delete(Administrator, limits::delete_vhost)]),
    route("/user-limits", &[get(Any, limits::users)]),
    route("/user-limits/{user}", &[get(Any, limits::users)]),
    route("/user-limits/{user}/{name}", &[put(Administrator, limits::put_user), delete(Administrator, limits::delete_user)]),

    large("/definitions", &[get(Administrator, definitions::all), post(Administrator, definitions::import)]),
    large("/definitions/{vhost}", &[get(Administrator, definitions::of_vhost), post(Administrator, definitions::import_vhost)]),

    route("/connections", &[get(Any, connections::all)]),
    route("/connections/username/{username}", &[get(Any, connections::all_of_user), delete(Any, connections::delete_of_user)]),
    route("/connections/{name}", &[get(Any, connections::one), delete(Any, connections::delete)]),
    route("/connections/{name}/channels", &[get(Any, channels::of_connection)]),
    route("/vhosts/{vhost}/connections", &[get(Vhost, connections::of_vhost)]),
    route("/channels", &[get(Any, channels::all)]),
    route("/channels/{channel}", &[get(Any, channels::one)]),
    route("/vhosts/{vhost}/channels", &[get(Vhost, channels::of_vhost)]),
    route("/consumers", &[get(Any, channels::consumers)]),
    route("/consumers/{vhost}", &[get(Any, channels::consumers)]),

    route("/exchanges", &[get(Any, exchanges::all)]),
    route("/exchanges/{vhost}", &[get(VhostMonitor, exchanges::all)]),
    route("/exchanges/{vhost}/{exchange}", &[get(VhostMonitor, exchanges::one), put(Vhost, exchanges::declare), delete(Vhost, exchanges::delete)]),
    large("/exchanges/{vhost}/{exchange}/publish", &[post(Vhost, messages::publish)]),
    route("/exchanges/{vhost}/{exchange}/bindings/source", &[get(VhostMonitor, bindings::of_source)]),
    route("/exchanges/{vhost}/{exchange}/bindings/destination", &[get(VhostMonitor, bindings::of_destination)]),

    route("/queues", &[get(Any, queues::all)]),
    route("/queues/detailed", &[get(Any, queues::all)]),
    route("/queues/{vhost}", &[get(VhostMonitor, queues::all)]),
    route("/queues/{vhost}/{name}", &[get(VhostMonitor, queues::one), put(Vhost, queues::declare), delete(Vhost, queues::delete)]),
    route("/queues/{vhost}/{name}/bindings", &[get(VhostMonitor, bindings::of_queue)]),
    route("/queues/{vhost}/{name}/contents", &[delete(Vhost, queues::purge)]),
    route("/queues/{vhost}/{name}/get", &[post(Vhost, messages::get)]),
    route("/queues/{vhost}/{name}/actions", &[post(Vhost, queues::actions)]),

    route("/bindings", &[get(Any, bindings::all)]),
    route("/bindings/{vhost}", &[get(VhostMonitor, bindings::all)]),
    route("/bindings/{vhost}/e/{source}/q/{queue}", &[get(VhostMonitor, bindings::to_queue), post(Vhost, bindings::bind_queue)]),
    route("/bindings/{vhost}/e/{source}/e/{destination}", &[get(VhostMonitor, bindings::to_exchange), post(Vhost, bindings::bind_exchange)]),
    route("/bindings/{vhost}/e/{source}/q/{queue}/{props}", &[get(VhostMonitor, bindings::one_to_queue), delete(Vhost, bindings::unbind_queue)]),
    route("/bindings/{vhost}/e/{source}/e/{destination}/{props}", &[get(VhostMonitor, bindings::one_to_exchange), delete(Vhost, bindings::unbind_exchange)]),

    route("/leveret/queues/{vhost}/{name}/peek", &[get(Vhost, dead_letters::peek)]),
    route("/leveret/exchanges/{vhost}/{exchange}/peek", &[get(Vhost, dead_letters::peek_exchange)]),
    route("/leveret/queues/{vhost}/{name}/redrive", &[post(Vhost, dead_letters::redrive)]),
    route("/leveret/queues/{vhost}/{name}/acked", &[get(Vhost, dead_letters::acked)]),
    route("/leveret/queues/{vhost}/{name}/replay", &[post(Vhost, replay::replay)]),
    route("/leveret/queues/{vhost}/{name}/groups", &[get(Vhost, stream_groups::all)]),
    route("/leveret/queues/{vhost}/{name}/groups/{group}", &[get(Vhost, stream_groups::one), put(Vhost, stream_groups::put), delete(Vhost, stream_groups::delete)]),
    route("/leveret/app", &[get(Monitor, operation::app), put(Administrator, operation::set_app)]),
    route("/leveret/vm-memory-high-watermark", &[get(Monitor, operation::memory), put(Administrator, operation::set_memory)]),
    route("/leveret/disk-free-limit", &[get(Monitor, operation::disk), put(Administrator, operation::set_disk)]),

    route("/aliveness-test/{vhost}", &[get(Vhost, health::aliveness)]),
    route("/health/checks/alarms", &[get(Any, health::alarms)]),
    route("/health/checks/local-alarms", &[get(Any, health::alarms)]),
    route("/health/checks/virtual-hosts", &[get(Any, health::virtual_hosts)]),
    route("/health/checks/node-is-quorum-critical", &[get(Any, health::quorum_critical)]),
    route("/health/checks/certificate-expiration/{within}/{unit}", &[get(Any, health::certificates)]),
    route("/health/checks/is-in-service", &[get(Any, health::in_service)]),
    route("/health/checks/ready-to-serve-clients", &[get(Any, health::in_service)]),
    route("/health/checks/port-listener/{port}", &[get(Any, health::port)]),
    route("/health/checks/protocol-listener/{protocol}", &[get(Any, health::protocol)]),
];
