//! Leveret's own keys. Those whose feature is still to come are known already, so that files need not change.

use super::Class::{Later, Used};
use super::{Kind, Section, eg, is, row};

pub(super) const SECTION: Section = Section {
    title: "Leveret's own",
    #[rustfmt::skip]
    rows: &[
        row("data_dir", Kind::Path, is("leveret-data"), Used, "Directory for everything that outlives the process, created with mode 0700. Relative names start at the working directory. Beside the working directory by default, so that a first try needs no rights."),
        row("node_name", Kind::Text, eg("rabbit@localhost"), Used, "Name of this node where RabbitMQ shows one (cluster_name in server properties, some reply texts). By default rabbit@ and the host's name, as clients and tools expect it."),
        row("product_name", Kind::Text, is("Leveret"), Used, "The product in the server properties that clients see. RabbitMQ's key product.name means the same."),
        row("product_version", Kind::Text, is("4.2.0"), Used, "The version in the server properties. Clients parse it to decide what a broker can do, so the default is the RabbitMQ level that Leveret behaves like. RabbitMQ's key product.version means the same."),
        row("message_memory_budget", Kind::Size, is("64MiB"), Later, "Memory for messages at rest; beyond it they lie on disk only. Small, because the system's page cache does the rest. Without effect until messages are stored on disk."),
        row("checkpoint_interval_size", Kind::Size, is("64MiB"), Later, "Journal bytes between two checkpoints, which bounds the work of a restart. Without effect until messages are stored on disk."),
        row("sync", Kind::Enum(&["fsync", "os"]), is("fsync"), Later, "When a confirmed message counts as stored: fsync waits for the disk, os trusts the system's cache. fsync, because a confirm is a promise. Without effect until messages are stored on disk."),
    ],
    sets: &[],
};
