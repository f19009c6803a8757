//! The AMQP door: one task for each connection, which owns everything of it and locks nothing.
//!
//! `session` is the protocol without a socket, `task` moves bytes between it and the socket, `handshake` comes before the session
//! is open, `channel/` has the methods, one class of them a file, `context` what channels share. Called by server (`serve`).

mod buffers;
mod channel;
mod consumers;
mod context;
mod handshake;
mod heartbeat;
mod output;
mod queues;
pub mod session;
mod task;

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::net::TcpStream;

use crate::broker::Broker;
use crate::wire::limits;

/// What every connection is told.
#[derive(Clone, Debug)]
pub struct Settings {
    /// SASL mechanisms offered.
    pub mechanisms: Vec<String>,
    /// Seconds proposed in tune.
    pub heartbeat_s: u16,
    /// Bytes of a frame proposed in tune; 0 is no limit.
    pub frame_max: u32,
    /// Bytes of a frame before tune is done.
    pub initial_frame_max: u32,
    /// Channels proposed in tune; 0 is no limit.
    pub channel_max: u16,
    /// Bytes of a message's body.
    pub max_message_size: u64,
    /// Milliseconds from accept to open-ok.
    pub handshake_timeout_ms: Option<u64>,
    /// Milliseconds that a delivery may be out unacknowledged.
    pub consumer_timeout_ms: Option<u64>,
    /// Consumers of one channel; `consumer_max_per_channel`.
    pub consumers_per_channel_max: Option<u32>,
    /// `product` of the server-properties.
    pub product_name: String,
    /// `version` of the server-properties: the RabbitMQ level that clients may rely on.
    pub product_version: String,
    /// `cluster_name` of the server-properties.
    pub cluster_name: String,
    /// The node's name, which some reply texts show.
    pub node_name: String,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            mechanisms: vec!["PLAIN".into(), "AMQPLAIN".into()],
            heartbeat_s: limits::HEARTBEAT_S_DEFAULT,
            frame_max: limits::FRAME_BYTES_DEFAULT,
            initial_frame_max: limits::FRAME_BYTES_BEFORE_TUNE,
            channel_max: limits::CHANNELS_DEFAULT,
            max_message_size: limits::MESSAGE_BYTES_DEFAULT,
            handshake_timeout_ms: Some(limits::HANDSHAKE_MS_DEFAULT),
            consumer_timeout_ms: Some(1_800_000),
            consumers_per_channel_max: None,
            product_name: "Leveret".into(),
            product_version: "4.2.0".into(),
            cluster_name: "leveret".into(),
            node_name: "leveret@localhost".into(),
        }
    }
}

/// Serves one accepted connection until it ends.
pub async fn serve(
    stream: TcpStream,
    peer: SocketAddr,
    broker: Arc<Broker>,
    settings: Arc<Settings>,
) {
    task::Task::new(stream, peer, broker, settings).await;
}
