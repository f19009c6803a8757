//! Memory and disk watermarks, and what RabbitMQ's storage engines know.

use super::super::value::{INTEGER, MILLIS, POSITIVE, integer, integer_or};
use super::Class::{Ignored, Later, Used};
use super::{Kind, Section, eg, is, row};

pub(super) const SECTION: Section = Section {
    title: "Memory and disk alarms",
    #[rustfmt::skip]
    rows: &[
        row("vm_memory_high_watermark.relative", Kind::Float { min: 0.0, max: f64::MAX }, is("0.6"), Used, "Part of the machine's memory, or of the container's limit, above which publishing connections are blocked until it is free again. The rest is for the system, its page cache and bursts."),
        row("vm_memory_high_watermark.absolute", Kind::Size, eg("2GB"), Used, "The same in bytes. The relative key wins if both are set, as in RabbitMQ."),
        row("total_memory_available_override_value", Kind::Size, eg("8GB"), Used, "Memory that the relative watermark is a part of, where the machine or the container does not tell the truth."),
        row("memory_monitor_interval", integer("ms", 1, u64::MAX), is("2500"), Used, "Longest time between two looks at the memory in use. While it grows Leveret looks every 50 ms, whatever this says, because a fast publisher fills gigabytes in seconds."),
        row("vm_memory_calculation_strategy", Kind::Enum(&["rss", "erlang", "allocated", "legacy"]), is("rss"), Ignored, "How memory in use is measured. Leveret always takes what the system counts for the process (RSS)."),
        row("vm_memory_high_watermark_paging_ratio", Kind::Float { min: 0.0, max: f64::MAX }, is("0.5"), Ignored, "Part of the watermark at which RabbitMQ starts to move messages to disk."),
        row("disk_free_limit.absolute", Kind::Size, is("50MB"), Used, "Free bytes on the disk of data_dir below which publishing connections are blocked until there is more; consumers go on. RabbitMQ's default: enough for what is in flight, and most disks have it."),
        row("disk_free_limit.relative", Kind::Float { min: 0.0, max: f64::MAX }, eg("1.0"), Used, "The same as a multiple of the machine's memory (or of total_memory_available_override_value). The absolute key wins if both are set, as in RabbitMQ 4."),
    ],
    sets: &[],
};

pub(super) const STORAGE: Section = Section {
    title: "RabbitMQ's queues and storage (Leveret's own tune themselves)",
    #[rustfmt::skip]
    rows: &[
        row("queue_index_embed_msgs_below", Kind::BinarySize, is("4096"), Ignored, "Bodies below this size lie in the queue's index."),
        row("classic_queue.default_version", integer("", 1, 2), is("2"), Ignored, "File format of classic queues. Leveret has one."),
        row("quorum_queue.compute_checksums", Kind::Bool, is("true"), Ignored, "Checksums in the log of quorum queues. Leveret always has them."),
        row("quorum_queue.initial_cluster_size", POSITIVE, is("3"), Later, "Replicas of a new quorum queue. Quorum queues come later."),
        row("queue_leader_locator", Kind::Text, is("client-local"), Ignored, "Node on which a new queue lives. There is one."),
        row("queue_master_locator", Kind::Text, is("client-local"), Ignored, "Older name of queue_leader_locator."),
        row("mirroring_sync_batch_size", Kind::BinarySize, is("4096"), Ignored, "Messages in a batch between mirrors of a queue, which RabbitMQ 4 has no more."),
        row("mirroring_sync_max_throughput", Kind::Size, is("0"), Ignored, "Bytes a second between mirrors of a queue."),
        row("message_store_shutdown_timeout", MILLIS, is("600000"), Ignored, "Time for RabbitMQ's message store to stop."),
        row("mnesia_table_loading_retry_timeout", MILLIS, is("30000"), Ignored, "Time for RabbitMQ's database to load a table."),
        row("mnesia_table_loading_retry_limit", POSITIVE, is("10"), Ignored, "Attempts of RabbitMQ's database to load a table."),
        row("vhost_restart_strategy", Kind::Enum(&["stop_node", "continue", "transient", "persistent"]), is("continue"), Ignored, "What RabbitMQ does when a virtual host crashes."),
        row("background_gc_enabled", Kind::Bool, is("false"), Ignored, "Collect garbage in the background. Leveret has none to collect."),
        row("background_gc_target_interval", MILLIS, is("60000"), Ignored, "How often garbage is collected in the background."),
        row("delegate_count", INTEGER, is("16"), Ignored, "Erlang processes that talk to other nodes."),
        row("hipe_compile", Kind::Bool, is("false"), Ignored, "Compile RabbitMQ to native code at the start."),
        row("collect_statistics", Kind::Enum(&["none", "coarse", "fine"]), is("none"), Later, "What is counted for management and metrics. Leveret always counts."),
        row("collect_statistics_interval", integer_or("ms", 1, u64::MAX, &[]), is("5000"), Later, "How often counts are published."),
        row("raft.segment_max_entries", POSITIVE, is("4096"), Ignored, "Entries of a file of RabbitMQ's Raft log."),
        row("raft.wal_max_size_bytes", POSITIVE, is("536870912"), Ignored, "Bytes of RabbitMQ's write-ahead log."),
        row("raft.wal_max_entries", POSITIVE, eg("500000"), Ignored, "Entries of RabbitMQ's write-ahead log."),
        row("raft.wal_hibernate_after", POSITIVE, eg("10000"), Ignored, "Idle time after which RabbitMQ's write-ahead log gives memory back."),
        row("raft.wal_max_batch_size", POSITIVE, is("4096"), Ignored, "Entries that RabbitMQ's write-ahead log writes at once."),
        row("raft.snapshot_chunk_size", POSITIVE, eg("1000000"), Ignored, "Bytes in which RabbitMQ sends a snapshot to another node."),
        row("raft.data_dir", Kind::Path, eg("/var/lib/rabbitmq/quorum"), Ignored, "Directory of RabbitMQ's Raft log. Leveret's files lie in data_dir."),
    ],
    sets: &[],
};
