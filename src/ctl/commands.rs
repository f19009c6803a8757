//! The table of commands, in the groups and the order in which help shows them.

use super::command::{Command, Run};
use super::failure::Failure;
use super::options::flag;
use super::{
    connections, dead_letters, definitions, node, policies, queues, stream_groups, users, vhosts,
};

/// Groups of commands.
#[rustfmt::skip]
pub static GROUPS: &[(&str, &[Command])] = &[
    ("Queues, exchanges, bindings", &[
        Command {
            name: "list_queues", usage: "list_queues [--vhost <vhost>] [--online] [--offline] [--local] [--no-table-headers] [<column>, ...] [--timeout <timeout>]",
            help: "Lists queues and their properties", least: 0, most: usize::MAX, flags: &[flag("online", None, false), flag("offline", None, false), flag("local", None, false)],
            list: Some(&queues::QUEUES), banner: |run| Ok(format!("Timeout: {:.1} seconds ...\nListing queues for vhost {} ...", run.options.timeout.unwrap_or(super::CALL).as_secs_f64(), run.vhost())), run: queues::list,
        },
        Command {
            name: "delete_queue", usage: "delete_queue [--vhost <vhost>] <queue_name> [--if-empty|-e] [--if-unused|-u] [--timeout <timeout>]",
            help: "Deletes a queue", least: 1, most: 1, flags: &[flag("if-empty", Some('e'), false), flag("if-unused", Some('u'), false)],
            list: None, banner: queues::delete_banner, run: queues::delete,
        },
        Command {
            name: "purge_queue", usage: "purge_queue <queue> [--timeout <timeout>]",
            help: "Purges a queue (removes all messages in it)", least: 1, most: 1, flags: &[],
            list: None, banner: |run| Ok(format!("Purging queue '{}' in vhost '{}' ...", run.argument(0), run.vhost())), run: queues::purge,
        },
        Command {
            name: "list_exchanges", usage: "list_exchanges [--vhost <vhost>] [--no-table-headers] [<column> ...] [--timeout <timeout>]",
            help: "Lists exchanges", least: 0, most: usize::MAX, flags: &[],
            list: Some(&queues::EXCHANGES), banner: |run| Ok(format!("Listing exchanges for vhost {} ...", run.vhost())), run: queues::list_exchanges,
        },
        Command {
            name: "list_bindings", usage: "list_bindings [--vhost <vhost>] [--no-table-headers] [<column> ...] [--timeout <timeout>]",
            help: "Lists all bindings on a vhost", least: 0, most: usize::MAX, flags: &[],
            list: Some(&queues::BINDINGS), banner: |run| Ok(format!("Listing bindings for vhost {}...", run.vhost())), run: queues::list_bindings,
        },
    ]),
    ("Connections, channels, consumers", &[
        Command {
            name: "list_connections", usage: "list_connections [--no-table-headers] [<column> ...] [--timeout <timeout>]",
            help: "Lists AMQP 0.9.1 connections for the node", least: 0, most: usize::MAX, flags: &[],
            list: Some(&connections::CONNECTIONS), banner: |_| Ok("Listing connections ...".to_owned()), run: connections::list,
        },
        Command {
            name: "list_channels", usage: "list_channels [--no-table-headers] [<column> ...]",
            help: "Lists all channels in the node", least: 0, most: usize::MAX, flags: &[],
            list: Some(&connections::CHANNELS), banner: |_| Ok("Listing channels ...".to_owned()), run: connections::list_channels,
        },
        Command {
            name: "list_consumers", usage: "list_consumers [--vhost <vhost>] [--no-table-headers] [<column> ...] [--timeout <timeout>]",
            help: "Lists all consumers for a vhost", least: 0, most: usize::MAX, flags: &[],
            list: Some(&connections::CONSUMERS), banner: |run| Ok(format!("Listing consumers in vhost {} ...", run.vhost())), run: connections::list_consumers,
        },
        Command {
            name: "close_connection", usage: "close_connection <connection pid> <explanation>",
            help: "Closes the connection that list_connections shows with this pid, or of this name", least: 2, most: 2, flags: &[],
            list: None, banner: |run| Ok(format!("Closing connection {}, reason: {}...", run.argument(0), run.argument(1))), run: connections::close,
        },
        Command {
            name: "close_all_connections", usage: "close_all_connections [--vhost <vhost> --limit <limit>] [-n <node> --global] [--per-connection-delay <delay>] <explanation>",
            help: "Closes all connections of a vhost or of the node", least: 1, most: 1, flags: &[flag("global", None, false), flag("limit", None, true), flag("per-connection-delay", None, true)],
            list: None, banner: connections::close_all_banner, run: connections::close_all,
        },
        Command {
            name: "close_all_user_connections", usage: "close_all_user_connections <username> <explanation>",
            help: "Closes all connections of a user", least: 2, most: 2, flags: &[],
            list: None, banner: |run| Ok(format!("Closing all connections of user \"{}\", reason: {}...", run.argument(0), run.argument(1))), run: connections::close_all_of_user,
        },
    ]),
    ("Users and permissions", &[
        Command {
            name: "list_users", usage: "list_users [--no-table-headers] [--timeout <timeout>]",
            help: "List user names and tags", least: 0, most: 0, flags: &[],
            list: None, banner: |_| Ok("Listing users ...".to_owned()), run: users::list,
        },
        Command {
            name: "add_user", usage: "add_user <username> [<password>] [<password_hash> --pre-hashed-password]",
            help: "Creates a new user", least: 1, most: 2, flags: &[flag("pre-hashed-password", None, false)],
            list: None, banner: |run| Ok(format!("Adding user \"{}\" ...", run.argument(0))), run: users::add,
        },
        Command {
            name: "delete_user", usage: "delete_user <username>",
            help: "Removes a user", least: 1, most: 1, flags: &[],
            list: None, banner: |run| Ok(format!("Deleting user \"{}\" ...", run.argument(0))), run: users::delete,
        },
        Command {
            name: "change_password", usage: "change_password <username> <password>",
            help: "Changes the user password", least: 1, most: 2, flags: &[],
            list: None, banner: |run| Ok(format!("Changing password for user \"{}\" ...", run.argument(0))), run: users::change_password,
        },
        Command {
            name: "authenticate_user", usage: "authenticate_user <username> <password>",
            help: "Attempts to authenticate a user. Exits with a non-zero code if authentication fails", least: 1, most: 2, flags: &[],
            list: None, banner: |run| Ok(format!("Authenticating user \"{}\" ...", run.argument(0))), run: users::authenticate,
        },
        Command {
            name: "set_user_tags", usage: "set_user_tags <username> <tag> [...]",
            help: "Sets user tags", least: 1, most: usize::MAX, flags: &[],
            list: None, banner: users::set_tags_banner, run: users::set_tags,
        },
        Command {
            name: "list_permissions", usage: "list_permissions [--vhost <vhost>] [--no-table-headers] [--timeout <timeout>]",
            help: "Lists user permissions in a virtual host", least: 0, most: 0, flags: &[],
            list: None, banner: |run| Ok(format!("Listing permissions for vhost \"{}\" ...", run.vhost())), run: users::list_permissions,
        },
        Command {
            name: "list_user_permissions", usage: "list_user_permissions [--no-table-headers] <username> [--timeout <timeout>]",
            help: "Lists permissions of a user across all virtual hosts", least: 1, most: 1, flags: &[],
            list: None, banner: |run| Ok(format!("Listing permissions for user \"{}\" ...", run.argument(0))), run: users::list_user_permissions,
        },
        Command {
            name: "set_permissions", usage: "set_permissions [--vhost <vhost>] <username> <conf> <write> <read>",
            help: "Sets user permissions for a vhost", least: 4, most: 4, flags: &[],
            list: None, banner: |run| Ok(format!("Setting permissions for user \"{}\" in vhost \"{}\" ...", run.argument(0), run.vhost())), run: users::set_permissions,
        },
        Command {
            name: "clear_permissions", usage: "clear_permissions [--vhost <vhost>] <username>",
            help: "Revokes user permissions for a vhost", least: 1, most: 1, flags: &[],
            list: None, banner: |run| Ok(format!("Clearing permissions for user \"{}\" in vhost \"{}\" ...", run.argument(0), run.vhost())), run: users::clear_permissions,
        },
        Command {
            name: "list_topic_permissions", usage: "list_topic_permissions [--vhost <vhost>] [--no-table-headers] [--timeout <timeout>]",
            help: "Lists topic permissions in a virtual host", least: 0, most: 0, flags: &[],
            list: None, banner: |run| Ok(format!("Listing topic permissions for vhost \"{}\" ...", run.vhost())), run: users::list_topic_permissions,
        },
        Command {
            name: "list_user_topic_permissions", usage: "list_user_topic_permissions [--no-table-headers] <username> [--timeout <timeout>]",
            help: "Lists user topic permissions", least: 1, most: 1, flags: &[],
            list: None, banner: |run| Ok(format!("Listing topic permissions for user \"{}\" ...", run.argument(0))), run: users::list_user_topic_permissions,
        },
        Command {
            name: "set_topic_permissions", usage: "set_topic_permissions [--vhost <vhost>] <username> <exchange> <write> <read>",
            help: "Sets user topic permissions for an exchange", least: 4, most: 4, flags: &[],
            list: None, banner: |run| Ok(format!("Setting topic permissions on \"{}\" for user \"{}\" in vhost \"{}\" ...", run.argument(1), run.argument(0), run.vhost())), run: users::set_topic_permissions,
        },
        Command {
            name: "clear_topic_permissions", usage: "clear_topic_permissions [--vhost <vhost>] <username> [<exchange>]",
            help: "Clears user topic permissions for a vhost or exchange", least: 1, most: 2, flags: &[],
            list: None, banner: users::clear_topic_banner, run: users::clear_topic_permissions,
        },
    ]),
    ("Virtual hosts", &[
        Command {
            name: "list_vhosts", usage: "list_vhosts [--no-table-headers] [<column> ...] [--timeout <timeout>]",
            help: "Lists virtual hosts", least: 0, most: usize::MAX, flags: &[],
            list: Some(&vhosts::VHOSTS), banner: |_| Ok("Listing vhosts ...".to_owned()), run: vhosts::list,
        },
        Command {
            name: "add_vhost", usage: "add_vhost <vhost> [--description <description> --tags \"<tag1>,<tag2>,<...>\" --default-queue-type <quorum|classic|stream>]",
            help: "Creates a virtual host", least: 1, most: 1, flags: &[flag("description", None, true), flag("tags", None, true), flag("default-queue-type", None, true)],
            list: None, banner: |run| Ok(format!("Adding vhost \"{}\" ...", run.argument(0))), run: vhosts::add,
        },
        Command {
            name: "delete_vhost", usage: "delete_vhost <vhost>",
            help: "Deletes a virtual host", least: 1, most: 1, flags: &[],
            list: None, banner: |run| Ok(format!("Deleting vhost \"{}\" ...", run.argument(0))), run: vhosts::delete,
        },
        Command {
            name: "trace_on", usage: "trace_on [--vhost <vhost>]",
            help: "Copies each message of a vhost to the exchange amq.rabbitmq.trace", least: 0, most: 0, flags: &[],
            list: None, banner: |run| Ok(format!("Starting tracing for vhost \"{}\" ...", run.vhost())), run: vhosts::trace_on,
        },
        Command {
            name: "trace_off", usage: "trace_off [--vhost <vhost>]",
            help: "Ends that", least: 0, most: 0, flags: &[],
            list: None, banner: |run| Ok(format!("Stopping tracing for vhost \"{}\" ...", run.vhost())), run: vhosts::trace_off,
        },
        Command {
            name: "list_vhost_limits", usage: "list_vhost_limits [--vhost <vhost>] [--global] [--no-table-headers]",
            help: "Displays configured virtual host limits", least: 0, most: 0, flags: &[flag("global", None, false)],
            list: None, banner: policies::list_vhost_limits_banner, run: policies::list_vhost_limits,
        },
        Command {
            name: "set_vhost_limits", usage: "set_vhost_limits [--vhost <vhost>] <definition>",
            help: "Sets virtual host limits", least: 1, most: 1, flags: &[],
            list: None, banner: |run| Ok(format!("Setting vhost limits to \"{}\" for vhost \"{}\" ...", run.argument(0), run.vhost())), run: policies::set_vhost_limits,
        },
        Command {
            name: "clear_vhost_limits", usage: "clear_vhost_limits [--vhost <vhost>]",
            help: "Clears virtual host limits", least: 0, most: 0, flags: &[],
            list: None, banner: |run| Ok(format!("Clearing vhost \"{}\" limits ...", run.vhost())), run: policies::clear_vhost_limits,
        },
        Command {
            name: "list_user_limits", usage: "list_user_limits [--user <username>] [--global]",
            help: "Displays configured user limits", least: 0, most: 0, flags: &[flag("global", None, false), flag("user", None, true)],
            list: None, banner: policies::list_user_limits_banner, run: policies::list_user_limits,
        },
        Command {
            name: "set_user_limits", usage: "set_user_limits <username> <definition>",
            help: "Sets user limits", least: 2, most: 2, flags: &[],
            list: None, banner: |run| Ok(format!("Setting user limits to \"{}\" for user \"{}\" ...", run.argument(1), run.argument(0))), run: policies::set_user_limits,
        },
        Command {
            name: "clear_user_limits", usage: "clear_user_limits <username> <limit_type> | all",
            help: "Clears user connection/channel limits", least: 2, most: 2, flags: &[],
            list: None, banner: policies::clear_user_limits_banner, run: policies::clear_user_limits,
        },
    ]),
    ("Policies and parameters", &[
        Command {
            name: "list_policies", usage: "list_policies [--vhost <vhost>] [--no-table-headers] [--timeout <timeout>]",
            help: "Lists all policies in a virtual host", least: 0, most: 0, flags: &[],
            list: None, banner: |run| Ok(format!("Listing policies for vhost \"{}\" ...", run.vhost())), run: policies::list,
        },
        Command {
            name: "set_policy", usage: "set_policy [--vhost <vhost>] [--priority <priority>] [--apply-to <apply-to>] <name> <pattern> <definition>",
            help: "Sets or updates a policy", least: 3, most: 3, flags: &[flag("priority", None, true), flag("apply-to", None, true)],
            list: None, banner: policies::set_banner, run: policies::set,
        },
        Command {
            name: "clear_policy", usage: "clear_policy [--vhost <vhost>] <name>",
            help: "Clears (removes) a policy", least: 1, most: 1, flags: &[],
            list: None, banner: |run| Ok(format!("Clearing policy \"{}\" on vhost \"{}\" ...", run.argument(0), run.vhost())), run: policies::clear,
        },
        Command {
            name: "list_operator_policies", usage: "list_operator_policies [--vhost <vhost>] [--no-table-headers] [--timeout <timeout>]",
            help: "Lists operator policy overrides for a virtual host", least: 0, most: 0, flags: &[],
            list: None, banner: |run| Ok(format!("Listing operator policy overrides for vhost \"{}\" ...", run.vhost())), run: policies::list_operator,
        },
        Command {
            name: "set_operator_policy", usage: "set_operator_policy [--vhost <vhost>] [--priority <priority>] [--apply-to <apply-to>] <name> <pattern> <definition>",
            help: "Sets an operator policy that overrides a subset of arguments in user policies", least: 3, most: 3, flags: &[flag("priority", None, true), flag("apply-to", None, true)],
            list: None, banner: policies::set_operator_banner, run: policies::set_operator,
        },
        Command {
            name: "clear_operator_policy", usage: "clear_operator_policy [--vhost <vhost>] <name>",
            help: "Clears an operator policy", least: 1, most: 1, flags: &[],
            list: None, banner: |run| Ok(format!("Clearing operator policy \"{}\" on vhost \"{}\" ...", run.argument(0), run.vhost())), run: policies::clear_operator,
        },
        Command {
            name: "list_parameters", usage: "list_parameters [--vhost <vhost>] [--no-table-headers] [--timeout <timeout>]",
            help: "Lists runtime parameters for a virtual host", least: 0, most: 0, flags: &[],
            list: None, banner: |run| Ok(format!("Listing runtime parameters for vhost \"{}\" ...", run.vhost())), run: policies::list_parameters,
        },
        Command {
            name: "set_parameter", usage: "set_parameter [--vhost <vhost>] <component_name> <name> <value>",
            help: "Sets a runtime parameter", least: 3, most: 3, flags: &[],
            list: None, banner: |run| Ok(format!("Setting runtime parameter \"{}\" for component \"{}\" to \"{}\" in vhost \"{}\" ...", run.argument(1), run.argument(0), run.argument(2), run.vhost())), run: policies::set_parameter,
        },
        Command {
            name: "clear_parameter", usage: "clear_parameter [--vhost <vhost>] <component_name> <name>",
            help: "Clears a runtime parameter", least: 2, most: 2, flags: &[],
            list: None, banner: |run| Ok(format!("Clearing runtime parameter \"{}\" for component \"{}\" on vhost \"{}\" ...", run.argument(1), run.argument(0), run.vhost())), run: policies::clear_parameter,
        },
        Command {
            name: "list_global_parameters", usage: "list_global_parameters [--no-table-headers] [--timeout <timeout>]",
            help: "Lists global runtime parameters", least: 0, most: 0, flags: &[],
            list: None, banner: |_| Ok("Listing global runtime parameters ...".to_owned()), run: policies::list_global_parameters,
        },
        Command {
            name: "set_global_parameter", usage: "set_global_parameter <name> <value>",
            help: "Sets a global runtime parameter", least: 2, most: 2, flags: &[],
            list: None, banner: |run| Ok(format!("Setting global runtime parameter \"{}\" to \"{}\" ...", run.argument(0), run.argument(1))), run: policies::set_global_parameter,
        },
        Command {
            name: "clear_global_parameter", usage: "clear_global_parameter <name>",
            help: "Clears a global runtime parameter", least: 1, most: 1, flags: &[],
            list: None, banner: |run| Ok(format!("Clearing global runtime parameter \"{}\" ...", run.argument(0))), run: policies::clear_global_parameter,
        },
        Command {
            name: "import_definitions", usage: "import_definitions <file_path | \"-\"> [--vhost <vhost>] [--timeout <timeout>]",
            help: "Imports definitions in JSON", least: 1, most: 1, flags: &[],
            list: None, banner: |run| Ok(format!("Importing definitions in JSON from {} ...", run.argument(0))), run: definitions::import,
        },
        Command {
            name: "export_definitions", usage: "export_definitions <file_path | \"-\"> [--vhost <vhost>] [--timeout <timeout>]",
            help: "Exports definitions in JSON", least: 1, most: 1, flags: &[],
            list: None, banner: silent, run: definitions::export,
        },
    ]),
    ("Dead letters", &[
        Command {
            name: "peek", usage: "peek [--vhost <vhost>] <queue> | --exchange <exchange> [--count <n>] [--offset <n>] [--from <sequence>] [--truncate <bytes>] [--encoding auto|base64]",
            help: "Shows messages that wait in a queue, or that a delayed message exchange holds, and changes nothing", least: 0, most: 1,
            flags: &[flag("exchange", None, true), flag("count", None, true), flag("offset", None, true), flag("from", None, true), flag("truncate", None, true), flag("encoding", None, true)],
            list: None, banner: dead_letters::peek_banner, run: dead_letters::peek,
        },
        Command {
            name: "redrive", usage: "redrive [--vhost <vhost>] <queue> [--reason <reason>] [--from-queue <queue>] [--message-id <id>] [--header <name>=<text>] [--count <n>] [--rate <n a second>]",
            help: "Brings dead letters back to the queues that they died in", least: 1, most: 1,
            flags: &[flag("reason", None, true), flag("from-queue", None, true), flag("message-id", None, true), flag("header", None, true), flag("count", None, true), flag("rate", None, true)],
            list: None, banner: |run| Ok(format!("Bringing back messages of queue '{}' in vhost '{}' ...", run.argument(0), run.vhost())), run: dead_letters::redrive,
        },
    ]),
    ("Streams", &[
        Command {
            name: "list_stream_groups", usage: "list_stream_groups [--vhost <vhost>] <stream>",
            help: "Lists the groups of a stream's consumers, how far each has come and what is left to do", least: 1, most: 1, flags: &[],
            list: None, banner: |run| Ok(format!("Groups of stream '{}' in vhost '{}' ...", run.argument(0), run.vhost())), run: stream_groups::list,
        },
        Command {
            name: "seek_stream_group", usage: "seek_stream_group [--vhost <vhost>] <stream> <group> [<first|last|next|offset|interval>] [--timestamp <seconds>] [--partition <n>]",
            help: "Moves a group to another place in its stream, or makes one there", least: 2, most: 3,
            flags: &[flag("timestamp", None, true), flag("partition", None, true)],
            list: None, banner: |run| Ok(format!("Moving group '{}' of stream '{}' in vhost '{}' ...", run.argument(1), run.argument(0), run.vhost())), run: stream_groups::seek,
        },
        Command {
            name: "replay", usage: "replay [--vhost <vhost>] <queue or stream> [--to <queue>] [--offset <first|offset|interval>] [--timestamp <seconds>] [--partition <n>] [--count <n>] [--rate <n a second>]",
            help: "Places messages of a stream, or acknowledged ones that a queue retains, into a queue once more", least: 1, most: 1,
            flags: &[flag("to", None, true), flag("offset", None, true), flag("timestamp", None, true), flag("partition", None, true), flag("count", None, true), flag("rate", None, true)],
            list: None, banner: |run| Ok(format!("Replaying messages of '{}' in vhost '{}' ...", run.argument(0), run.vhost())), run: stream_groups::replay,
        },
        Command {
            name: "delete_stream_group", usage: "delete_stream_group [--vhost <vhost>] <stream> <group>",
            help: "Forgets a group and cancels its consumers", least: 2, most: 2, flags: &[],
            list: None, banner: |run| Ok(format!("Deleting group '{}' of stream '{}' in vhost '{}' ...", run.argument(1), run.argument(0), run.vhost())), run: stream_groups::delete,
        },
    ]),
    ("Node", &[
        Command {
            name: "status", usage: "status [--unit <unit>] [--timeout <timeout>]",
            help: "Displays status of a node", least: 0, most: 0, flags: &[flag("unit", None, true)],
            list: None, banner: node::status_banner, run: node::status,
        },
        Command {
            name: "ping", usage: "ping [--timeout <timeout>]",
            help: "Checks that the server answers", least: 0, most: 0, flags: &[],
            list: None, banner: node::ping_banner, run: node::ping,
        },
        Command {
            name: "await_startup", usage: "await_startup",
            help: "Waits until the server answers", least: 0, most: 0, flags: &[],
            list: None, banner: silent, run: node::await_startup,
        },
        Command {
            name: "wait", usage: "wait [<pidfile>] [--pid|-P <pid>] [--timeout <timeout>]",
            help: "The same as await_startup", least: 0, most: 1, flags: &[flag("pid", Some('P'), true)],
            list: None, banner: silent, run: node::wait,
        },
        Command {
            name: "version", usage: "version",
            help: "Displays the RabbitMQ version that the server behaves like", least: 0, most: 0, flags: &[],
            list: None, banner: silent, run: node::version,
        },
        Command {
            name: "stop_app", usage: "stop_app",
            help: "Closes all AMQP connections and takes no new ones; the HTTP API stays", least: 0, most: 0, flags: &[],
            list: None, banner: node::stop_banner, run: node::stop_app,
        },
        Command {
            name: "start_app", usage: "start_app",
            help: "Takes AMQP connections again", least: 0, most: 0, flags: &[],
            list: None, banner: node::start_banner, run: node::start_app,
        },
        Command {
            name: "set_vm_memory_high_watermark", usage: "set_vm_memory_high_watermark <fraction> | absolute <value>",
            help: "Sets the memory above which publishers are blocked", least: 1, most: 2, flags: &[],
            list: None, banner: node::set_memory_banner, run: node::set_memory,
        },
        Command {
            name: "set_disk_free_limit", usage: "set_disk_free_limit <disk_limit> | mem_relative <fraction>",
            help: "Sets the free disk space below which publishers are blocked", least: 1, most: 2, flags: &[],
            list: None, banner: node::set_disk_banner, run: node::set_disk,
        },
    ]),
];

fn silent(_: &Run<'_>) -> Result<String, Failure> {
    Ok(String::new())
}

/// A command by its name.
pub fn find(name: &str) -> Option<&'static Command> {
    all().find(|command| command.name == name)
}

/// Every command.
pub fn all() -> impl Iterator<Item = &'static Command> {
    GROUPS.iter().flat_map(|(_, commands)| commands.iter())
}
