//! Bodies: a connection outlives a request that is refused, and slow clients hold up nobody.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use super::client::{guest, of, silent};
use super::support::{PATIENCE, foreign, unique};

const GUEST: &str = "Authorization: Basic Z3Vlc3Q6Z3Vlc3Q=\r\n";

/// One connection for several requests.
struct Kept(BufReader<TcpStream>);

impl Kept {
    fn new() -> Self {
        let stream = silent(guest().address);
        stream.set_read_timeout(Some(PATIENCE)).expect("an option");
        Self(BufReader::new(stream))
    }

    /// Sends a request and reads its answer's status.
    fn ask(&mut self, method: &str, path: &str, headers: &str, body: &str) -> u16 {
        let text = format!(
            "{method} /api{path} HTTP/1.1\r\nHost: x\r\n{headers}Content-Length: {}\r\n\r\n{body}",
            body.len()
        );
        self.0
            .get_mut()
            .write_all(text.as_bytes())
            .expect("written");
        let (mut status, mut length) = (0, 0);
        loop {
            let mut line = String::new();
            assert!(
                self.0.read_line(&mut line).expect("a line") > 0,
                "it hung up"
            );
            let line = line.trim_end().to_ascii_lowercase();
            if let Some(rest) = line.strip_prefix("http/1.1 ") {
                status = rest[..3].parse().expect("a status");
            } else if let Some(bytes) = line.strip_prefix("content-length:") {
                length = bytes.trim().parse().expect("a length");
            } else if line.is_empty() {
                break;
            }
        }
        let mut body = vec![0; length];
        self.0.read_exact(&mut body).expect("the body");
        status
    }
}

#[test]
fn a_refused_request_with_a_body_costs_no_connection() {
    decided!("RabbitMQ drops the connection of some");
    let mut kept = Kept::new();
    let body = format!("{{\"x\":\"{}\"}}", "y".repeat(100_000));
    let q = unique("q");
    for _ in 0..3 {
        assert_eq!(kept.ask("PUT", "/queues/%2F/q", "", &body), 401);
        let wrong = "Authorization: Basic Z3Vlc3Q6d3Jvbmc=\r\n";
        assert_eq!(kept.ask("PUT", "/queues/%2F/q", wrong, &body), 401);
        assert_eq!(kept.ask("PUT", "/nowhere", GUEST, &body), 404);
        assert_eq!(kept.ask("PUT", "/queues/none/q", GUEST, &body), 404);
        assert_eq!(kept.ask("PATCH", "/queues", GUEST, &body), 405);
        assert_eq!(kept.ask("GET", "/whoami", GUEST, &body), 200);
    }
    assert_eq!(
        kept.ask("PUT", &format!("/queues/%2F/{q}"), GUEST, "{}"),
        201
    );
    assert_eq!(
        kept.ask("DELETE", &format!("/queues/%2F/{q}"), GUEST, ""),
        204
    );
}

#[test]
fn slow_bodies_hold_up_nobody() {
    if foreign() {
        return;
    }
    let broker = own!();
    let client = of(&broker);
    let head = format!(
        "PUT /api/queues/%2F/slow HTTP/1.1\r\nHost: x\r\n{GUEST}Content-Length: 1000\r\n\r\n{{"
    );
    let slow: Vec<TcpStream> = (0..64)
        .map(|_| {
            let mut stream = silent(client.address);
            stream.write_all(head.as_bytes()).expect("written");
            stream
        })
        .collect();
    let begun = Instant::now();
    for _ in 0..20 {
        client.put("/queues/%2F/quick", "{}");
        assert_eq!(client.get("/queues/%2F/quick").status, 200);
    }
    let took = begun.elapsed();
    assert!(
        took < Duration::from_secs(10),
        "{took:?} behind 64 slow clients"
    );
    // A slow one that comes to its end is served all the same.
    let mut one = slow.into_iter().next().expect("one of them");
    let rest = format!("{}}}", " ".repeat(998));
    one.write_all(rest.as_bytes()).expect("written");
    one.set_read_timeout(Some(PATIENCE)).expect("an option");
    let mut start = [0; 12];
    one.read_exact(&mut start).expect("an answer");
    assert_eq!(&start, b"HTTP/1.1 201");
}

#[test]
fn a_body_that_does_not_come_is_given_up() {
    let broker = own!("management.tcp.idle_timeout=300");
    let client = of(&broker);
    let mut stream = silent(client.address);
    let head =
        format!("PUT /api/queues/%2F/q HTTP/1.1\r\nHost: x\r\n{GUEST}Content-Length: 10\r\n\r\n{{");
    stream.write_all(head.as_bytes()).expect("written");
    stream.set_read_timeout(Some(PATIENCE)).expect("an option");
    let mut text = String::new();
    let _ = stream.read_to_string(&mut text);
    assert!(text.starts_with("HTTP/1.1 408 "), "{text}");
    assert!(text.contains("did not come in time"), "{text}");
}
