//! A client of few words: one request, one connection, one answer.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use base64::Engine;
use serde_json::Value;

use super::support::{Broker, PATIENCE, broker};

/// What is not there.
pub const MISSING: &str = r#"{"error":"Object Not Found","reason":"Not Found"}"#;

/// What is wrong.
pub fn bad(reason: impl Into<Value>) -> String {
    let reason: Value = reason.into();
    serde_json::json!({"error": "bad_request", "reason": reason}).to_string()
}

/// Who asks where.
pub struct Client {
    pub address: SocketAddr,
    pub login: Option<(String, String)>,
}

/// What came back.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: String,
}

impl Answer {
    pub fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str())
    }

    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|_| panic!("JSON: {self:?}"))
    }

    /// Asserts status and body; an empty text for no body.
    #[track_caller]
    pub fn is(&self, status: u16, body: &str) {
        assert_eq!(self.status, status, "{self:?}");
        if body.is_empty() {
            assert_eq!(self.body, "", "{self:?}");
        } else {
            let expected: Value = serde_json::from_str(body).expect("the expectation is JSON");
            assert_eq!(self.json(), expected);
        }
    }
}

/// guest at the broker that all tests share.
pub fn guest() -> Client {
    of(broker::shared())
}

/// guest at that broker.
pub fn of(broker: &Broker) -> Client {
    Client {
        address: broker.http.expect("the broker has an HTTP API"),
        login: Some((broker.user.clone(), broker.password.clone())),
    }
}

impl Client {
    pub fn with(&self, user: &str, password: &str) -> Self {
        Self {
            address: self.address,
            login: Some((user.into(), password.into())),
        }
    }

    pub fn nobody(&self) -> Self {
        Self {
            address: self.address,
            login: None,
        }
    }

    pub fn get(&self, path: &str) -> Answer {
        self.send("GET", path, "")
    }

    pub fn put(&self, path: &str, body: &str) -> Answer {
        self.send("PUT", path, body)
    }

    pub fn post(&self, path: &str, body: &str) -> Answer {
        self.send("POST", path, body)
    }

    pub fn delete(&self, path: &str) -> Answer {
        self.send("DELETE", path, "")
    }

    pub fn send(&self, method: &str, path: &str, body: &str) -> Answer {
        let json = "Content-Type: application/json\r\n";
        self.send_with(method, path, body, if body.is_empty() { "" } else { json })
    }

    /// With more headers, each with its line end.
    pub fn send_with(&self, method: &str, path: &str, body: &str, more: &str) -> Answer {
        let mut stream = TcpStream::connect(self.address).expect("the API accepts");
        stream.set_read_timeout(Some(PATIENCE)).expect("an option");
        let login = match &self.login {
            Some((user, password)) => {
                let encoded = base64::prelude::BASE64_STANDARD.encode(format!("{user}:{password}"));
                format!("Authorization: Basic {encoded}\r\n")
            }
            None => String::new(),
        };
        let head = format!(
            "{method} /api{path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{login}{more}Content-Length: {}\r\n\r\n",
            body.len()
        );
        // Whoever refuses early may have closed already: the answer tells.
        let _ = stream.write_all(head.as_bytes());
        let _ = stream.write_all(body.as_bytes());
        read(&mut stream)
    }
}

/// Reads an answer up to the end of the stream.
pub fn read(stream: &mut TcpStream) -> Answer {
    let mut bytes = Vec::new();
    let mut part = [0; 65536];
    loop {
        match stream.read(&mut part) {
            Ok(0) => break,
            Ok(count) => bytes.extend_from_slice(&part[..count]),
            Err(error) if bytes.is_empty() => panic!("no answer: {error}"),
            Err(_) => break,
        }
    }
    let text = String::from_utf8(bytes).expect("UTF-8");
    let (head, body) = text.split_once("\r\n\r\n").expect("a whole head");
    let mut lines = head.lines();
    let status = lines.next().expect("a status line");
    let status = status.split(' ').nth(1).expect("a status");
    let headers = lines.map(|line| {
        let (name, value) = line.split_once(':').expect("a header");
        (name.to_ascii_lowercase(), value.trim().to_owned())
    });
    Answer {
        status: status.parse().expect("a number"),
        headers: headers.collect(),
        body: body.to_owned(),
    }
}

/// A connection that says nothing.
pub fn silent(address: SocketAddr) -> TcpStream {
    TcpStream::connect_timeout(&address, Duration::from_secs(5)).expect("the API accepts")
}
