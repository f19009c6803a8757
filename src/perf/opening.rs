//! The conversation that opens a connection: handshake, then one request after the other on channel 1. Bytes in, bytes out;
//! the blocking client and the many-connections driver both run it.

use super::batch::{CHANNEL, short};
use super::fault::Fault;
use super::target::Target;
use crate::wire::{frame, method};
use amq_protocol::protocol::{AMQPClass, basic, channel, connection};
use amq_protocol::types::{AMQPValue, FieldTable};

/// Largest frame that we ask for: what RabbitMQ proposes.
const FRAME_MAX: u32 = 131_072;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Start,
    Tune,
    Open,
    Request(usize),
    Done,
}

/// One connection's opening.
#[derive(Debug)]
pub struct Opening {
    user: String,
    password: String,
    vhost: String,
    name: String,
    requests: Vec<AMQPClass>,
    step: Step,
    frame_max: u32,
}

impl Opening {
    /// `requests`: what follows channel.open on channel 1; each waits for its answer.
    pub fn new(target: &Target, name: &str, requests: Vec<AMQPClass>) -> Opening {
        let mut all = vec![AMQPClass::Channel(channel::AMQPMethod::Open(
            channel::Open {},
        ))];
        all.extend(requests);
        Opening {
            user: target.user.clone(),
            password: target.password.clone(),
            vhost: target.vhost.clone(),
            name: name.to_owned(),
            requests: all,
            step: Step::Start,
            frame_max: FRAME_MAX,
        }
    }

    /// The first bytes to send.
    pub fn hello() -> &'static [u8] {
        b"AMQP\x00\x00\x09\x01"
    }

    /// Every request is answered.
    pub fn done(&self) -> bool {
        self.step == Step::Done
    }

    /// Negotiated; valid when done.
    pub fn frame_max(&self) -> u32 {
        self.frame_max
    }

    /// Takes what was read so far, appends what is to be sent, and says how many bytes were used. Stops behind the last answer.
    pub fn input(&mut self, bytes: &[u8], out: &mut Vec<u8>) -> Result<usize, Fault> {
        let mut used = 0;
        while !self.done() {
            match frame::cut(&bytes[used..], FRAME_MAX) {
                frame::Cut::Whole {
                    frame,
                    used: length,
                } => {
                    used += length;
                    if frame.kind == frame::METHOD {
                        self.answer(frame.payload, out)?;
                    }
                }
                frame::Cut::Partial { .. } => break,
                frame::Cut::Bad(_) if bytes.starts_with(b"AMQP") => {
                    return Err(Fault::new("the broker speaks another AMQP version"));
                }
                frame::Cut::Bad(reply) => return Err(reply.into()),
            }
        }
        Ok(used)
    }

    fn answer(&mut self, payload: &[u8], out: &mut Vec<u8>) -> Result<(), Fault> {
        use connection::AMQPMethod as M;
        if let Some(fault) = closed(payload) {
            return Err(fault.doing(self.doing()));
        }
        if let Step::Request(at) = self.step {
            if method::id(payload) != Some(id_of(&self.requests[at]) + 1) {
                return Ok(()); // A delivery or a notice between two answers.
            }
            return self.request(at + 1, out);
        }
        let method =
            method::parse(payload).map_err(|reply| Fault::from(reply).doing(self.doing()))?;
        match (self.step, method) {
            (Step::Start, AMQPClass::Connection(M::Start(_))) => {
                let response = format!("\0{}\0{}", self.user, self.password);
                let start_ok = connection::StartOk {
                    client_properties: client_properties(&self.name),
                    mechanism: "PLAIN".into(),
                    response: response.into_bytes().into(),
                    locale: "en_US".into(),
                };
                method::write(out, 0, &AMQPClass::Connection(M::StartOk(start_ok)));
                self.step = Step::Tune;
            }
            (Step::Tune, AMQPClass::Connection(M::Tune(tune))) => {
                if tune.frame_max != 0 {
                    self.frame_max = tune.frame_max.min(FRAME_MAX);
                }
                // No heartbeats: a publisher that the broker blocks for long would lose its connection.
                let tune_ok = connection::TuneOk {
                    channel_max: tune.channel_max,
                    frame_max: self.frame_max,
                    heartbeat: 0,
                };
                method::write(out, 0, &AMQPClass::Connection(M::TuneOk(tune_ok)));
                let open = connection::Open {
                    virtual_host: short(&self.vhost)?,
                };
                method::write(out, 0, &AMQPClass::Connection(M::Open(open)));
                self.step = Step::Open;
            }
            (Step::Open, AMQPClass::Connection(M::OpenOk(_))) => return self.request(0, out),
            (_, method) => {
                return Err(Fault::new(format!("the broker sent {method:?}")).doing(self.doing()));
            }
        }
        Ok(())
    }

    fn request(&mut self, at: usize, out: &mut Vec<u8>) -> Result<(), Fault> {
        match self.requests.get(at) {
            Some(request) => {
                method::write(out, CHANNEL, request);
                self.step = Step::Request(at);
            }
            None => self.step = Step::Done,
        }
        Ok(())
    }

    /// What the opening waits for, for errors.
    pub fn doing(&self) -> String {
        match self.step {
            Step::Start => "waiting for connection.start".to_owned(),
            Step::Tune => format!("logging in as '{}'", self.user),
            Step::Open => format!("opening vhost '{}'", self.vhost),
            Step::Request(at) => describe(&self.requests[at]),
            Step::Done => "an open connection".to_owned(),
        }
    }
}

/// A request in a few words, for errors.
pub fn describe(request: &AMQPClass) -> String {
    use amq_protocol::protocol::{exchange, queue};
    match request {
        AMQPClass::Queue(queue::AMQPMethod::Declare(declare)) => {
            format!("declaring queue '{}'", declare.queue)
        }
        AMQPClass::Queue(queue::AMQPMethod::Bind(bind)) => {
            format!("binding queue '{}' to '{}'", bind.queue, bind.exchange)
        }
        AMQPClass::Exchange(exchange::AMQPMethod::Declare(declare)) => {
            format!("declaring exchange '{}'", declare.exchange)
        }
        AMQPClass::Basic(basic::AMQPMethod::Consume(consume)) => {
            format!("consuming from queue '{}'", consume.queue)
        }
        other => format!("method {:?}", id_of(other)),
    }
}

/// Class and method id of a request as one number: what its answer's id is compared with (every answer's is one higher).
pub fn id_of(request: &AMQPClass) -> u32 {
    let mut bytes = Vec::new();
    method::write(&mut bytes, 0, request);
    method::id(&bytes[frame::HEAD..]).expect("a written method has an id")
}

/// The reason, if this method closes the connection or the channel, or cancels the consumer.
pub fn closed(payload: &[u8]) -> Option<Fault> {
    let (whole, text) = match method::id(payload)? {
        method::CONNECTION_CLOSE => ("connection", close_text(payload)),
        method::CHANNEL_CLOSE => ("channel", close_text(payload)),
        method::BASIC_CANCEL => {
            return Some(Fault::new(
                "the broker cancelled the consumer: its queue is gone",
            ));
        }
        _ => return None,
    };
    Some(Fault::new(format!(
        "the broker closed the {whole}: {}",
        text.unwrap_or_default()
    )))
}

/// Code and text of a close: class and method ids, u16 code, short string.
fn close_text(payload: &[u8]) -> Option<String> {
    let code = u16::from_be_bytes(*payload.get(4..)?.first_chunk()?);
    let length = usize::from(*payload.get(6)?);
    Some(format!(
        "{code} {}",
        String::from_utf8_lossy(payload.get(7..7 + length)?)
    ))
}

fn client_properties(name: &str) -> FieldTable {
    let mut capabilities = FieldTable::default();
    for capability in [
        "publisher_confirms",
        "basic.nack",
        "connection.blocked",
        "consumer_cancel_notify",
        "authentication_failure_close",
    ] {
        capabilities.insert(capability.into(), AMQPValue::Boolean(true));
    }
    let mut properties = FieldTable::default();
    let text = |text: &str| AMQPValue::LongString(text.into());
    properties.insert("product".into(), text("leveret perf"));
    properties.insert("version".into(), text(env!("CARGO_PKG_VERSION")));
    properties.insert("connection_name".into(), text(name));
    properties.insert("capabilities".into(), AMQPValue::FieldTable(capabilities));
    properties
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target() -> Target {
        "amqp://user:secret@localhost/vh".parse().unwrap()
    }

    fn said(channel: u16, method: AMQPClass) -> Vec<u8> {
        let mut bytes = Vec::new();
        method::write(&mut bytes, channel, &method);
        bytes
    }

    fn start() -> Vec<u8> {
        let start = connection::Start {
            version_major: 0,
            version_minor: 9,
            server_properties: FieldTable::default(),
            mechanisms: "PLAIN".into(),
            locales: "en_US".into(),
        };
        said(
            0,
            AMQPClass::Connection(connection::AMQPMethod::Start(start)),
        )
    }

    #[test]
    fn each_answer_brings_the_next_request_and_later_bytes_are_left() {
        let confirm = amq_protocol::protocol::confirm::Select { nowait: false };
        let request =
            AMQPClass::Confirm(amq_protocol::protocol::confirm::AMQPMethod::Select(confirm));
        let mut opening = Opening::new(&target(), "test", vec![request]);
        let mut out = Vec::new();
        let start = start();
        assert_eq!(
            opening.input(&start[..20], &mut out).unwrap(),
            0,
            "half a frame is not used"
        );
        assert_eq!(opening.input(&start, &mut out).unwrap(), start.len());
        let tune = connection::Tune {
            channel_max: 7,
            frame_max: 4096,
            heartbeat: 60,
        };
        opening
            .input(
                &said(0, AMQPClass::Connection(connection::AMQPMethod::Tune(tune))),
                &mut out,
            )
            .unwrap();
        let open_ok = connection::AMQPMethod::OpenOk(connection::OpenOk {});
        opening
            .input(&said(0, AMQPClass::Connection(open_ok)), &mut out)
            .unwrap();
        let channel_ok = channel::AMQPMethod::OpenOk(channel::OpenOk {});
        opening
            .input(&said(1, AMQPClass::Channel(channel_ok)), &mut out)
            .unwrap();
        assert!(!opening.done());
        let select_ok = amq_protocol::protocol::confirm::AMQPMethod::SelectOk(Default::default());
        let mut last = said(1, AMQPClass::Confirm(select_ok));
        let length = last.len();
        last.extend(b"rest");
        assert_eq!(opening.input(&last, &mut out).unwrap(), length);
        assert!(opening.done());
        assert_eq!(opening.frame_max(), 4096);
    }

    #[test]
    fn a_refusal_is_told_with_the_brokers_words() {
        let mut opening = Opening::new(&target(), "test", vec![]);
        let mut out = Vec::new();
        opening.input(&start(), &mut out).unwrap();
        let close = connection::Close {
            reply_code: 403,
            reply_text: "ACCESS_REFUSED - no".into(),
            class_id: 0,
            method_id: 0,
        };
        let close = said(
            0,
            AMQPClass::Connection(connection::AMQPMethod::Close(close)),
        );
        let fault = opening.input(&close, &mut out).unwrap_err();
        assert_eq!(
            fault.to_string(),
            "logging in as 'user': the broker closed the connection: 403 ACCESS_REFUSED - no"
        );
    }
}
