//! Every bound that a peer can reach on the wire: value, unit, reason. Settings that a user may change start from the defaults
//! below. Rooms above keep theirs beside what they bound (`queue/mailbox.rs`, `connection/output.rs`, `connection/channel`);
//! the table "Limits that a peer can reach" in README.md has them all.

/// Bytes of the smallest frame limit a peer may ask for in tune-ok (RabbitMQ up to 4.0; 8192 from 4.1).
pub const FRAME_BYTES_MIN: u32 = 4096;

/// Bytes of a whole frame that connection.tune proposes, as RabbitMQ.
pub const FRAME_BYTES_DEFAULT: u32 = 131_072;

/// Bytes of a whole frame before tune is done: enough for client properties, little for a stranger (RabbitMQ 4.1).
pub const FRAME_BYTES_BEFORE_TUNE: u32 = 8192;

/// Bytes of a frame where a configuration says 0, "no limit": nothing from a peer is unbounded.
pub const FRAME_BYTES_UNLIMITED: u32 = MESSAGE_BYTES_MAX as u32 + 8;

/// Channels of one connection that connection.tune proposes, as RabbitMQ.
pub const CHANNELS_DEFAULT: u16 = 2047;

/// Bytes of a short string: its length is one octet.
pub const SHORT_STRING_BYTES_MAX: usize = 255;

/// Bytes of a reply text: it travels as a short string.
pub const REPLY_TEXT_BYTES_MAX: usize = 255;

/// Octets of a refused frame that its reply text shows, as RabbitMQ.
pub const REPLY_SNIPPET_BYTES: usize = 16;

/// Tables and arrays inside each other, the outermost table counted. RabbitMQ has no bound; its own tables need 3
/// (x-death), and reading one level costs stack in every library, ours and the receiving clients'.
pub const TABLE_DEPTH_MAX: usize = 64;

/// Bytes of the largest message body a configuration may allow (RabbitMQ's absolute limit).
pub const MESSAGE_BYTES_MAX: u64 = 536_870_912;

/// Bytes of a message body by default, as RabbitMQ 3.10.
pub const MESSAGE_BYTES_DEFAULT: u64 = 134_217_728;

/// Milliseconds of the longest time to live or expiry: ten years, as RabbitMQ.
pub const TTL_MS_MAX: u64 = 315_360_000_000;

/// Seconds between heartbeats that connection.tune proposes, as RabbitMQ.
pub const HEARTBEAT_S_DEFAULT: u16 = 60;

/// Milliseconds from accept to connection.open-ok, as RabbitMQ: who takes longer is dropped.
pub const HANDSHAKE_MS_DEFAULT: u64 = 10_000;
