//! Limits and timings of the protocol: connections, channels, messages, consumers, vhosts.

use super::super::value::{MILLIS, POSITIVE, integer, integer_or};
use super::Class::{Ignored, Later, Used};
use super::{Kind, Section, eg, is, row};

/// A count without end, as RabbitMQ spells it.
const COUNT: Kind = integer_or("", 0, u32::MAX as u64, &["infinity"]);

pub(super) const SECTION: Section = Section {
    title: "Protocol: limits and timings",
    #[rustfmt::skip]
    rows: &[
        row("heartbeat", integer("s", 0, 65_535), is("60"), Used, "Seconds between heartbeats that the server proposes; the client decides, 0 means none. A minute finds a dead peer in two to three."),
        row("frame_max", Kind::BinarySize, is("131072"), Used, "Largest frame, its 8 bytes of envelope included, that the server proposes; from 4096 up, 0 for no limit. 128 KiB amortises the cost of a frame without one message keeping others waiting."),
        row("initial_frame_max", Kind::BinarySize, is("8192"), Used, "Largest frame before the client has logged in. Small, because nobody knows yet who sends it; 8192 leaves room for long tokens."),
        row("channel_max", integer("channels", 0, 65_535), is("2047"), Used, "Channels of one connection that the server proposes, 0 for no limit but the protocol's 65535. Clients that leak channels are found before they harm."),
        row("channel_max_per_node", COUNT, is("infinity"), Used, "Channels of all connections together."),
        row("connection_max", COUNT, is("infinity"), Used, "Connections at the same time; one more is refused with 530."),
        row("consumer_max_per_channel", COUNT, is("infinity"), Used, "Consumers of one channel; one more is refused with 530."),
        row("max_message_size", integer("bytes", 1, 536_870_912), is("134217728"), Used, "Largest message body; a larger one closes its channel with 406. 128 MiB as in RabbitMQ 3.x, because clients may rely on it; larger bodies belong in an object store."),
        row("consumer_timeout", integer_or("ms", 1, u64::MAX, &["infinity", "undefined"]), is("1800000"), Used, "Time within which a consumer has to settle a delivery, else it is cancelled and its messages return. 30 minutes: stuck consumers should not hold messages for ever."),
        row("consumer_disconnected_timeout", MILLIS, is("60000"), Later, "Time for which a queue waits for a consumer on a node that it lost."),
        row("vhost_max", COUNT, is("infinity"), Used, "Virtual hosts; making one more is refused."),
        row("cluster_queue_limit", COUNT, is("infinity"), Used, "Queues of the whole broker; declaring one more is refused."),
        row("cluster_exchange_limit", COUNT, is("infinity"), Used, "Exchanges of the whole broker; declaring one more is refused."),
        row("default_limits.vhosts.$1.pattern", Kind::Regex, eg("^tenant"), Used, "Virtual hosts whose names match get the limits beside it when they are made."),
        row("default_limits.vhosts.$1.max_connections", COUNT, eg("1000"), Used, "Connections of each such virtual host."),
        row("default_limits.vhosts.$1.max_queues", COUNT, eg("1000"), Used, "Queues of each such virtual host."),
        row("default_queue_type", Kind::Enum(&["classic", "quorum", "stream", "rabbit_classic_queue", "rabbit_quorum_queue", "rabbit_stream_queue"]), is("classic"), Used, "Type of the queues that are declared without x-queue-type in virtual hosts that are made from now on and do not name another."),
        row("channel_operation_timeout", MILLIS, is("15000"), Ignored, "Time for which a RabbitMQ channel waits for a queue of another node."),
        row("default_worker_pool_size", POSITIVE, eg("4"), Ignored, "Erlang processes for background work."),
        row("message_interceptors.incoming.$set_header_timestamp.overwrite", Kind::Bool, eg("false"), Later, "Add the time of arrival to each message, or replace it."),
        row("message_interceptors.incoming.set_header_routing_node.overwrite", Kind::Bool, eg("false"), Later, "Add the name of this node to each message, or replace it."),
        row("deprecated_features.permit.$transient_nonexcl_queues", Kind::Bool, eg("true"), Ignored, "Whether RabbitMQ still allows a deprecated feature. Leveret supports them for good."),
    ],
    sets: &[],
};
