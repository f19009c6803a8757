//! Erlang's virtual machine and the network between RabbitMQ's nodes. Leveret has neither.

use super::super::value::{INTEGER, POSITIVE, integer};
use super::Class::{Ignored, Used};
use super::{Kind, Section, eg, is, row};

const SWITCH: Kind = Kind::Enum(&["true", "false"]);

pub(super) const SECTION: Section = Section {
    title: "Erlang (Leveret does not need it)",
    #[rustfmt::skip]
    rows: &[
        row("product.name", Kind::Text, eg("Leveret"), Used, "RabbitMQ's name of product_name."),
        row("product.version", Kind::Text, eg("4.2.0"), Used, "RabbitMQ's name of product_version."),
        row("motd_file", Kind::Path, eg("/etc/rabbitmq/motd"), Ignored, "A greeting shown at the start."),
        row("nodename", Kind::Text, eg("rabbit@localhost"), Used, "Older name of node_name."),
        row("distributed_cookie", Kind::Text, eg("secret"), Ignored, "The secret that RabbitMQ's nodes share."),
        row("net_ticktime", POSITIVE, is("60"), Ignored, "Seconds after which a silent node counts as lost."),
        row("distribution.listener.port_range.min", POSITIVE, eg("25672"), Ignored, "First port for other nodes."),
        row("distribution.listener.port_range.max", POSITIVE, eg("25672"), Ignored, "Last port for other nodes."),
        row("distribution.listener.interface", Kind::Ip, eg("127.0.0.1"), Ignored, "Address for other nodes."),
        row("erlang.smp", Kind::Enum(&["enable", "auto", "disable"]), is("enable"), Ignored, "Use several processors."),
        row("erlang.W", Kind::Text, is("w"), Ignored, "How Erlang's warnings are logged."),
        row("erlang.K", Kind::Enum(&["true", "false", "on", "off"]), is("true"), Ignored, "Wait for sockets by kernel poll."),
        row("erlang.schedulers.total", integer("", 0, 1_024), eg("2"), Ignored, "Erlang's scheduler threads."),
        row("erlang.schedulers.online", integer("", 0, 1_024), eg("2"), Ignored, "Erlang's scheduler threads that run."),
        row("erlang.schedulers.force_wakeup_interval", INTEGER, eg("500"), Ignored, "How often Erlang wakes its schedulers, in milliseconds."),
        row("erlang.schedulers.compaction_of_load", SWITCH, eg("false"), Ignored, "Gather work on few schedulers."),
        row("erlang.schedulers.utilization_balancing", SWITCH, eg("true"), Ignored, "Spread work over all schedulers."),
        row("erlang.async_threads", integer("", 0, 1_024), is("64"), Ignored, "Erlang's threads for files."),
        row("erlang.async_threads.stack_size", Kind::BinarySize, eg("64KB"), Ignored, "Stack of those threads."),
        row("erlang.fullsweep_after", INTEGER, is("0"), Ignored, "Garbage collections after which a full one follows."),
        row("erlang.crash_dump", Kind::Path, eg("/var/log/rabbitmq/erl_crash.dump"), Ignored, "File that Erlang writes when it crashes."),
        row("erlang.process_limit", INTEGER, is("256000"), Ignored, "Erlang's processes."),
        row("erlang.max_ets_tables", INTEGER, is("256000"), Ignored, "Erlang's tables."),
        row("erlang.max_ports", INTEGER, is("65536"), Ignored, "Erlang's open files and sockets. Leveret takes as many as the system allows the process."),
        row("erlang.distribution_buffer_size", Kind::BinarySize, eg("32MB"), Ignored, "Buffer of a connection to another node."),
        row("erlang.distribution.port_range.minimum", INTEGER, eg("6000"), Ignored, "First port for other nodes."),
        row("erlang.distribution.port_range.maximum", INTEGER, eg("7999"), Ignored, "Last port for other nodes."),
        row("erlang.distribution.interface", Kind::Text, eg("127.0.0.1"), Ignored, "Address for other nodes."),
        row("erlang.distribution.net_ticktime", INTEGER, eg("60"), Ignored, "Seconds after which a silent node counts as lost."),
        row("sysmon_handler.thresholds.busy_processes", INTEGER, eg("30"), Ignored, "Warnings a second of busy Erlang processes."),
        row("sysmon_handler.thresholds.busy_ports", INTEGER, eg("2"), Ignored, "Warnings a second of busy Erlang ports."),
        row("sysmon_handler.triggers.process.garbage_collection", Kind::Duration(&["off"]), is("off"), Ignored, "Warn of long garbage collections."),
        row("sysmon_handler.triggers.process.long_scheduled_execution", Kind::Duration(&["off"]), is("off"), Ignored, "Warn of processes that run long."),
        row("sysmon_handler.triggers.process.heap_size", Kind::Text, is("off"), Ignored, "Warn of large processes."),
        row("sysmon_handler.triggers.port", Kind::Bool, is("on"), Ignored, "Warn of busy ports."),
        row("sysmon_handler.triggers.distribution_port", Kind::Bool, is("on"), Ignored, "Warn of busy connections to other nodes."),
    ],
    sets: &[],
};
