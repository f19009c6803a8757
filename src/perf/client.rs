//! A blocking connection: opens, declares and deletes things, and is handed to producers and consumers when open.

use super::batch::CHANNEL;
use super::fault::Fault;
use super::opening::{Opening, closed, describe, id_of};
use super::target::{Target, timed_out};
use crate::wire::{frame, method};
use amq_protocol::protocol::{AMQPClass, connection};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

/// How long one answer may take: a broker that pages or deletes a long queue is slow.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(60);

/// How long a connection waits for connection.close-ok before it just goes.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(2);

/// Requests that are sent before their answers are read.
const PIPELINE: usize = 256;

/// An open connection with channel 1.
#[derive(Debug)]
pub struct Client {
    /// The socket, with short timeouts.
    pub stream: TcpStream,
    /// Negotiated.
    pub frame_max: u32,
    /// Read and not yet used: a consumer's first deliveries may come together with its last answer.
    pub unread: Vec<u8>,
}

impl Client {
    /// Opens a connection; `requests` follow channel.open, one after the other.
    pub fn open(target: &Target, name: &str, requests: Vec<AMQPClass>) -> Result<Client, Fault> {
        let mut client = Client {
            stream: target.connect()?,
            frame_max: 0,
            unread: Vec::new(),
        };
        let mut opening = Opening::new(target, name, requests);
        client.send(Opening::hello())?;
        let mut out = Vec::new();
        let mut heard = Instant::now();
        while !opening.done() {
            if client.receive()? {
                heard = Instant::now();
            } else if heard.elapsed() > ANSWER_TIMEOUT {
                return Err(Fault::new("no answer").doing(opening.doing()));
            }
            let used = opening.input(&client.unread, &mut out)?;
            client.unread.drain(..used);
            client.send(&out)?;
            out.clear();
        }
        client.frame_max = opening.frame_max();
        Ok(client)
    }

    /// Sends one request on channel 1 and gives its answer.
    pub fn call(&mut self, request: AMQPClass) -> Result<AMQPClass, Fault> {
        let mut answer = None;
        self.pipeline(std::slice::from_ref(&request), |payload| {
            answer = Some(method::parse(payload))
        })?;
        match answer {
            Some(Ok(answer)) => Ok(answer),
            Some(Err(reply)) => Err(Fault::from(reply).doing(describe(&request))),
            None => Err(Fault::new("no answer").doing(describe(&request))),
        }
    }

    /// Sends many requests on channel 1 without waiting for each answer.
    pub fn call_all(&mut self, requests: &[AMQPClass]) -> Result<(), Fault> {
        requests
            .chunks(PIPELINE)
            .try_for_each(|some| self.pipeline(some, |_| ()))
    }

    /// Waits for the first delivery; false when none comes in time.
    pub fn wait_for_delivery(&mut self, at_most: Duration) -> Result<bool, Fault> {
        let begun = Instant::now();
        loop {
            if let Some(payload) = self.next_method()? {
                if let Some(fault) = closed(&payload) {
                    return Err(fault.doing("consuming"));
                }
                if method::id(&payload) == Some(method::BASIC_DELIVER) {
                    return Ok(true);
                }
            } else if !self.receive()? && begun.elapsed() > at_most {
                return Ok(false);
            }
        }
    }

    fn pipeline(
        &mut self,
        requests: &[AMQPClass],
        mut answer: impl FnMut(&[u8]),
    ) -> Result<(), Fault> {
        let mut out = Vec::new();
        for request in requests {
            method::write(&mut out, CHANNEL, request);
        }
        self.send(&out)?;
        let mut heard = Instant::now();
        for request in requests {
            let expected = id_of(request) + 1;
            loop {
                if let Some(payload) = self.next_method()? {
                    heard = Instant::now();
                    if let Some(fault) = closed(&payload) {
                        return Err(fault.doing(describe(request)));
                    }
                    if method::id(&payload) == Some(expected) {
                        answer(&payload);
                        break;
                    }
                } else if !self.receive()? && heard.elapsed() > ANSWER_TIMEOUT {
                    return Err(Fault::new("no answer").doing(describe(request)));
                }
            }
        }
        Ok(())
    }

    fn next_method(&mut self) -> Result<Option<Vec<u8>>, Fault> {
        loop {
            match frame::cut(&self.unread, self.frame_max) {
                frame::Cut::Whole { frame, used } => {
                    let payload = (frame.kind == frame::METHOD).then(|| frame.payload.to_vec());
                    self.unread.drain(..used);
                    if payload.is_some() {
                        return Ok(payload);
                    }
                }
                frame::Cut::Partial { .. } => return Ok(None),
                frame::Cut::Bad(reply) => return Err(reply.into()),
            }
        }
    }

    fn send(&mut self, mut bytes: &[u8]) -> Result<(), Fault> {
        let started = Instant::now();
        while !bytes.is_empty() {
            match self.stream.write(bytes) {
                Ok(sent) => bytes = &bytes[sent..],
                Err(error) if timed_out(&error) && started.elapsed() < ANSWER_TIMEOUT => {}
                Err(error) => return Err(Fault::from(error).doing("sending to the broker")),
            }
        }
        Ok(())
    }

    /// Reads what is there into `unread`; false when nothing came within the socket's timeout.
    fn receive(&mut self) -> Result<bool, Fault> {
        let mut bytes = [0; 16 * 1024];
        match self.stream.read(&mut bytes) {
            Ok(0) => Err(Fault::new("the broker closed the socket")),
            Ok(read) => {
                self.unread.extend_from_slice(&bytes[..read]);
                Ok(true)
            }
            Err(error) if timed_out(&error) => Ok(false),
            Err(error) => Err(Fault::from(error).doing("reading from the broker")),
        }
    }
}

/// connection.close, as one frame.
pub fn close_frame() -> Vec<u8> {
    let close = connection::Close {
        reply_code: 200,
        reply_text: "done".into(),
        class_id: 0,
        method_id: 0,
    };
    let mut out = Vec::new();
    method::write(
        &mut out,
        0,
        &AMQPClass::Connection(connection::AMQPMethod::Close(close)),
    );
    out
}

/// Ends a connection in good manner: says close, then discards what comes until the broker hangs up, for 2 s at most.
pub fn close(mut stream: TcpStream) {
    let close = close_frame();
    let started = Instant::now();
    let mut rest = &close[..];
    let mut buffer = vec![0; 64 * 1024];
    // close-ok is the last thing that comes: its frame is 12 bytes, and nothing else ends in it.
    let mut tail = Vec::new();
    while started.elapsed() < CLOSE_TIMEOUT {
        if !rest.is_empty() {
            match stream.write(rest) {
                Ok(sent) => rest = &rest[sent..],
                Err(error) if timed_out(&error) => {}
                Err(_) => return,
            }
        }
        match stream.read(&mut buffer) {
            Ok(0) => return,
            Ok(read) => {
                tail.extend_from_slice(&buffer[read.saturating_sub(CLOSE_OK.len())..read]);
                let keep = tail.len().saturating_sub(CLOSE_OK.len());
                tail.drain(..keep);
                if tail == CLOSE_OK {
                    return;
                }
            }
            Err(error) if timed_out(&error) => {}
            Err(_) => return,
        }
    }
}

/// connection.close-ok on channel 0.
pub const CLOSE_OK: [u8; 12] = [1, 0, 0, 0, 0, 0, 4, 0, 10, 0, 51, 0xCE];
