//! Leveret's own keys.

use super::Class::Used;
use super::{Kind, Section, eg, is, row};

pub(super) const SECTION: Section = Section {
    title: "Leveret's own",
    #[rustfmt::skip]
    rows: &[
        row("data_dir", Kind::Path, is("leveret-data"), Used, "Directory for everything that outlives the process, created with mode 0700. Relative names start at the working directory. Beside the working directory by default, so that a first try needs no rights."),
        row("node_name", Kind::Text, eg("rabbit@localhost"), Used, "Name of this node where RabbitMQ shows one (cluster_name in server properties, some reply texts). By default rabbit@ and the host's name, as clients and tools expect it."),
        row("product_name", Kind::Text, is("Leveret"), Used, "The product in the server properties that clients see. RabbitMQ's key product.name means the same."),
        row("product_version", Kind::Text, is("4.2.0"), Used, "The version in the server properties. Clients parse it to decide what a broker can do, so the default is the RabbitMQ level that Leveret behaves like. RabbitMQ's key product.version means the same."),
        row("message_memory_budget", Kind::Size, is("64MiB"), Used, "Memory for messages at rest; beyond it they lie on disk only, transient ones too, and come back before they are needed. Small, because the system's page cache does the rest."),
        row("checkpoint_interval_size", Kind::Size, is("64MiB"), Used, "Journal bytes between two checkpoints, at least 1MiB, which bounds what a restart has to read. Less restarts faster and writes more; the default reads in a tenth of a second."),
        row("sync", Kind::Enum(&["fsync", "os"]), is("fsync"), Used, "When a persistent message is confirmed: fsync once the disk has it, so that it survives loss of power; os once the operating system has it, so that it survives the end of the process, and the disk has it 200 ms later. The queue argument x-sync says it for one queue. fsync, because a confirm is a promise."),
        row("relaxed_redeclare", Kind::Bool, is("false"), Used, "Accept a declare of a queue or exchange that is there with other arguments or flags, with one log line, instead of closing the channel with 406. What is there stays as it is. The queue argument x-relaxed-redeclare, made for policies, says it for some queues. Off, because most programs want to hear of it."),
    ],
    sets: &[],
};
