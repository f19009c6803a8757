//! From the protocol header to connection.open-ok.
//!
//! ```text
//! Header --"AMQP0091"--> StartOk --credentials--> TuneOk --limits--> Open --vhost--> (the session opens)
//! ```
//!
//! As RabbitMQ, whatever goes wrong before the vhost is opened ends the connection in silence after a pause, except refused
//! credentials of a client that says it understands `authentication_failure_close`, and bytes that are no frame or a frame that
//! is no method on channel 0 (501, 505; see `session`) (BEHAVIOURS 1.1 to 1.5).

use std::net::SocketAddr;
use std::sync::Arc;

use amq_protocol::protocol::{AMQPClass, connection};
use amq_protocol::types::{AMQPValue, FieldTable};

use super::Settings;
use crate::auth::User;
use crate::broker::Broker;
use crate::wire::reply::Reply;
use crate::wire::{limits, method, table};

/// What the client said it can do, as far as the broker acts on it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Capabilities {
    /// Refused credentials are answered with connection.close.
    pub authentication_failure_close: bool,
    /// It wants to know when its consumer's queue goes.
    pub consumer_cancel_notify: bool,
    /// It wants connection.blocked.
    pub connection_blocked: bool,
}

/// What was agreed in tune.
#[derive(Clone, Copy, Debug)]
pub struct Tuned {
    /// Open channels at a time.
    pub channel_max: u16,
    /// Bytes of a frame, 8 of them around the payload.
    pub frame_max: u32,
    /// Seconds; 0 is none.
    pub heartbeat_s: u16,
}

/// Where a handshake stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    StartOk,
    TuneOk,
    Open,
}

/// A handshake under way.
pub struct Handshake {
    stage: Stage,
    /// See [`Capabilities`].
    pub capabilities: Capabilities,
    /// `connection_name` of the client's properties.
    pub name: Option<Box<str>>,
    /// The client's properties, as a table's bytes.
    pub client_properties: Box<[u8]>,
    /// How the user has logged in.
    pub mechanism: Box<str>,
    user: Option<Arc<User>>,
    tuned: Tuned,
}

/// How a step of the handshake ends.
pub enum Step {
    /// Go on.
    Next,
    /// The client asked for this vhost; everything before is agreed.
    Open {
        /// The vhost's name, verbatim.
        vhost: String,
        /// Who has logged in.
        user: Arc<User>,
        /// The limits.
        tuned: Tuned,
    },
    /// Drop the connection after a pause; the log says why.
    Drop,
    /// Say so, then drop.
    Refuse(Reply),
    /// The client has closed.
    Closed,
}

/// Mechanisms offered, in the order in which RabbitMQ's clients expect them.
fn mechanisms(settings: &Settings) -> String {
    settings.mechanisms.join(" ")
}

impl Handshake {
    /// A handshake whose protocol header was right; `out` gets connection.start. `cluster_name` is the cluster's, where an
    /// operator has said another than the settings.
    pub fn start(settings: &Settings, cluster_name: Option<&str>, out: &mut Vec<u8>) -> Self {
        let start = connection::Start {
            version_major: 0,
            version_minor: 9,
            server_properties: server_properties(settings, cluster_name),
            mechanisms: mechanisms(settings).into(),
            locales: "en_US".into(),
        };
        method::write(
            out,
            0,
            &AMQPClass::Connection(connection::AMQPMethod::Start(start)),
        );
        Self {
            stage: Stage::StartOk,
            capabilities: Capabilities::default(),
            name: None,
            client_properties: Box::default(),
            mechanism: Box::default(),
            user: None,
            tuned: Tuned {
                channel_max: settings.channel_max,
                frame_max: settings.initial_frame_max,
                heartbeat_s: settings.heartbeat_s,
            },
        }
    }

    /// Bytes of a frame that the peer may send now.
    pub fn frame_max(&self) -> u32 {
        self.tuned.frame_max
    }

    /// Takes the payload of a method frame on channel 0.
    pub fn method(
        &mut self,
        broker: &Broker,
        settings: &Settings,
        peer: SocketAddr,
        payload: &[u8],
        out: &mut Vec<u8>,
    ) -> Step {
        let parsed = match method::parse(payload) {
            Ok(AMQPClass::Connection(parsed)) => parsed,
            Ok(_) => return dropped(peer, Reply::unexpected_frame(1, payload)),
            Err(reply) => return dropped(peer, reply),
        };
        use connection::AMQPMethod as Method;
        match (self.stage, parsed) {
            (Stage::StartOk, Method::StartOk(start_ok)) => {
                self.start_ok(broker, settings, peer, &start_ok, out)
            }
            (Stage::TuneOk, Method::TuneOk(tune_ok)) => self.tune_ok(settings, peer, &tune_ok),
            (Stage::Open, Method::Open(open)) => match self.user.take() {
                Some(user) => Step::Open {
                    vhost: open.virtual_host.to_string(),
                    user,
                    tuned: self.tuned,
                },
                None => dropped(peer, Reply::internal_error("opened without a user")),
            },
            (_, Method::Close(_)) => {
                method::write(
                    out,
                    0,
                    &AMQPClass::Connection(Method::CloseOk(connection::CloseOk {})),
                );
                Step::Closed
            }
            (stage, _) => {
                let id = method::id(payload).unwrap_or(0);
                let state = match stage {
                    Stage::StartOk => "starting",
                    Stage::TuneOk => "tuning",
                    Stage::Open => "opening",
                };
                dropped(
                    peer,
                    Reply::unexpected_connection_method((id >> 16) as u16, id as u16, state),
                )
            }
        }
    }

    fn start_ok(
        &mut self,
        broker: &Broker,
        settings: &Settings,
        peer: SocketAddr,
        start_ok: &connection::StartOk,
        out: &mut Vec<u8>,
    ) -> Step {
        self.capabilities = capabilities(&start_ok.client_properties);
        self.name = match start_ok.client_properties.inner().get("connection_name") {
            Some(AMQPValue::LongString(name)) => Some(name.to_string().into()),
            _ => None,
        };
        let mechanism = start_ok.mechanism.as_str();
        if !settings
            .mechanisms
            .iter()
            .any(|offered| offered == mechanism)
        {
            return dropped(peer, Reply::unknown_mechanism(mechanism));
        }
        self.client_properties = table::from_field_table(&start_ok.client_properties).into();
        self.mechanism = mechanism.into();
        let loopback = peer.ip().to_canonical().is_loopback();
        match broker
            .users
            .authenticate(mechanism, start_ok.response.as_bytes(), loopback)
        {
            Ok(user) => {
                self.user = Some(user);
                self.stage = Stage::TuneOk;
                let tune = connection::Tune {
                    channel_max: settings.channel_max,
                    frame_max: settings.frame_max,
                    heartbeat: settings.heartbeat_s,
                };
                method::write(
                    out,
                    0,
                    &AMQPClass::Connection(connection::AMQPMethod::Tune(tune)),
                );
                Step::Next
            }
            Err(error) => {
                tracing::warn!(%peer, "{error}");
                match error
                    .reply()
                    .filter(|_| self.capabilities.authentication_failure_close)
                {
                    Some(reply) => Step::Refuse(reply),
                    None => Step::Drop,
                }
            }
        }
    }

    fn tune_ok(
        &mut self,
        settings: &Settings,
        peer: SocketAddr,
        tune_ok: &connection::TuneOk,
    ) -> Step {
        let frame_max = (
            tune_ok.frame_max,
            settings.frame_max,
            limits::FRAME_BYTES_MIN,
        );
        let channel_max = (
            u32::from(tune_ok.channel_max),
            u32::from(settings.channel_max),
            1,
        );
        for (field, (client, server, least)) in
            [("frame_max", frame_max), ("channel_max", channel_max)]
        {
            if client != 0 && client < least {
                return dropped(peer, Reply::negotiated_too_low(field, client, least));
            }
            if server != 0 && (client == 0 || client > server) {
                return dropped(peer, Reply::negotiated_too_high(field, client, server));
            }
        }
        self.tuned = Tuned {
            channel_max: if tune_ok.channel_max == 0 {
                u16::MAX
            } else {
                tune_ok.channel_max
            },
            frame_max: crate::wire::frame::effective_max(tune_ok.frame_max),
            heartbeat_s: tune_ok.heartbeat,
        };
        self.stage = Stage::Open;
        Step::Next
    }
}

/// As RabbitMQ, nobody is told of these but the log.
fn dropped(peer: SocketAddr, reply: Reply) -> Step {
    tracing::warn!(%peer, "handshake failed: {reply}");
    Step::Drop
}

fn capabilities(properties: &FieldTable) -> Capabilities {
    let Some(AMQPValue::FieldTable(table)) = properties.inner().get("capabilities") else {
        return Capabilities::default();
    };
    let has = |name: &str| matches!(table.inner().get(name), Some(AMQPValue::Boolean(true)));
    Capabilities {
        authentication_failure_close: has("authentication_failure_close"),
        consumer_cancel_notify: has("consumer_cancel_notify"),
        connection_blocked: has("connection.blocked"),
    }
}

/// What the broker says of itself: RabbitMQ's keys and capabilities, its own name, and the RabbitMQ level that it behaves like
/// as the version, because clients look at that.
fn server_properties(settings: &Settings, cluster_name: Option<&str>) -> FieldTable {
    let mut capabilities = FieldTable::default();
    for name in [
        "publisher_confirms",
        "exchange_exchange_bindings",
        "basic.nack",
        "consumer_cancel_notify",
        "connection.blocked",
        "consumer_priorities",
        "authentication_failure_close",
        "per_consumer_qos",
        "direct_reply_to",
    ] {
        capabilities.insert(name.into(), AMQPValue::Boolean(true));
    }
    let mut properties = FieldTable::default();
    properties.insert("capabilities".into(), AMQPValue::FieldTable(capabilities));
    let texts = [
        (
            "cluster_name",
            cluster_name.unwrap_or(&settings.cluster_name),
        ),
        ("copyright", "Copyright the Leveret authors"),
        ("information", "Licensed under the Apache License 2.0"),
        ("platform", concat!("Rust/", env!("CARGO_PKG_RUST_VERSION"))),
        ("product", settings.product_name.as_str()),
        ("version", settings.product_version.as_str()),
        ("leveret_version", env!("CARGO_PKG_VERSION")),
    ];
    for (name, text) in texts {
        properties.insert(name.into(), AMQPValue::LongString(text.into()));
    }
    properties
}
