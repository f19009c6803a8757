//! What cannot work ends with one line and an exit code, and leaves nothing hanging.

use super::support::perf;
use std::net::TcpListener;

fn complaint(line: &str) -> String {
    let output = perf(line);
    assert!(!output.status.success(), "{line}");
    assert!(output.stdout.is_empty(), "{line}");
    String::from_utf8(output.stderr).expect("UTF-8")
}

#[test]
fn nobody_listening_is_one_line() {
    // Bound and closed again: nobody listens there now.
    let free = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = free.local_addr().expect("bound");
    drop(free);
    let text = complaint(&format!("--uri amqp://{address} -z 1"));
    assert_eq!(text.lines().count(), 1, "{text}");
    assert!(
        text.starts_with(&format!("error: connecting to {address}: ")),
        "{text}"
    );
}

#[test]
fn a_server_of_another_kind_is_named() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("bound");
    let server = std::thread::spawn(move || {
        use std::io::{Read, Write};
        let (mut stream, _) = listener.accept().expect("a client");
        let mut hello = [0; 8];
        stream.read_exact(&mut hello).expect("the protocol header");
        stream
            .write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n")
            .expect("written");
        let _ = stream.read(&mut hello);
    });
    let text = complaint(&format!("--uri amqp://{address} -z 1"));
    assert_eq!(text.lines().count(), 1, "{text}");
    server.join().expect("the server ended");
}

#[test]
fn contradictions_are_refused_before_anything_is_opened() {
    for line in [
        "-x 0 -y 0",
        "--type topic",
        "-q 10 -A 20",
        "--uri amqps://localhost",
        "--uri http://localhost",
        "--exclusive --queues 2",
        "--vs relay -x 2 -y 3",
    ] {
        let text = complaint(line);
        assert!(text.starts_with("error: "), "{line}: {text}");
    }
}
