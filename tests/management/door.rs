//! Who gets in, what is refused before any handler sees it, and what idle or rude clients cost.

use std::io::Write;
use std::time::{Duration, Instant};

use super::client::{guest, of, read, silent};
use super::support::{Broker, Login, PATIENCE, foreign};

#[test]
fn without_credentials_the_answer_is_an_empty_401_with_a_challenge() {
    let answer = guest().nobody().get("/overview");
    answer.is(401, "");
    assert_eq!(
        answer.header("www-authenticate"),
        Some("Basic realm=\"RabbitMQ Management\"")
    );
}

#[test]
fn wrong_credentials_are_not_authorized() {
    let expected = r#"{"error":"not_authorized","reason":"Not_Authorized"}"#;
    for (user, password) in [
        ("guest", "wrong"),
        ("nobody", "guest"),
        ("guest", ""),
        ("", ""),
    ] {
        let answer = guest().with(user, password).get("/whoami");
        answer.is(401, expected);
    }
}

#[test]
fn unknown_paths_are_404_for_everybody() {
    let expected = r#"{"error":"Object Not Found","reason":"Not Found"}"#;
    guest().get("/foo").is(404, expected);
    guest().nobody().get("/foo/bar").is(404, expected);
}

#[test]
fn methods_that_a_path_does_not_have_are_an_empty_405() {
    let answer = guest().send("PATCH", "/queues", "");
    answer.is(405, "");
    assert_eq!(answer.header("allow"), Some("HEAD, GET, OPTIONS"));
    guest().nobody().post("/overview", "{}").is(405, "");
    let answer = guest().nobody().send("OPTIONS", "/queues/%2F/q", "");
    answer.is(200, "");
    assert_eq!(
        answer.header("allow"),
        Some("HEAD, GET, PUT, DELETE, OPTIONS")
    );
}

#[test]
fn a_slash_at_the_end_and_head_make_no_difference() {
    assert_eq!(guest().get("/whoami/").status, 200);
    let answer = guest().send("HEAD", "/whoami", "");
    answer.is(200, "");
    assert_eq!(answer.header("content-type"), Some("application/json"));
    assert_eq!(answer.header("cache-control"), Some("no-cache"));
}

#[test]
fn what_is_not_an_object_is_not_json() {
    let expected = r#"{"error":"bad_request","reason":"not_json"}"#;
    for body in ["{", "[]", "7", "\"text\"", "{\"a\":}", &"[".repeat(100_000)] {
        guest().put("/queues/%2F/never", body).is(400, expected);
    }
    guest()
        .get("/queues/%2F/never")
        .is(404, r#"{"error":"Object Not Found","reason":"Not Found"}"#);
}

#[test]
fn a_body_that_is_too_large_is_refused_and_the_broker_lives_on() {
    if foreign() {
        return;
    }
    let body = format!("{{\"arguments\":{{\"x\":\"{}\"}}}}", "y".repeat(2_000_000));
    let expected = r#"{"error":"bad_request","reason":"Exceeded HTTP request body size limit"}"#;
    guest().put("/queues/%2F/never", &body).is(400, expected);
    // Whoever is not logged in has nothing read at all.
    guest().nobody().put("/queues/%2F/never", &body).is(401, "");
    assert_eq!(guest().get("/whoami").status, 200);
}

#[test]
fn users_without_a_tag_and_guests_from_elsewhere_do_not_get_in() {
    if foreign() {
        return;
    }
    let broker = Broker::with(&[
        "default_users.bob.password=b",
        "default_users.eve.password=e",
        "default_users.eve.tags=management",
    ]);
    let client = of(&broker);
    let expected = r#"{"error":"not_authorised","reason":"Not management user"}"#;
    client.with("bob", "b").get("/whoami").is(401, expected);
    let eve = client.with("eve", "e");
    assert_eq!(eve.get("/whoami").status, 200);
    assert_eq!(eve.get("/queues/%2F").status, 200);
    let expected = r#"{"error":"not_authorised","reason":"Not monitor user"}"#;
    eve.get("/nodes").is(401, expected);
}

#[test]
fn who_may_not_open_a_vhost_does_not_see_it() {
    if foreign() {
        return;
    }
    let broker = Broker::with(&[
        "default_users.eve.password=e",
        "default_users.eve.tags=management",
        "default_users.eve.vhost_pattern=^none$",
        "default_users.max.password=m",
        "default_users.max.tags=monitoring",
        "default_users.max.vhost_pattern=^none$",
    ]);
    let client = of(&broker);
    let expected =
        r#"{"error":"not_authorised","reason":"User not authorised to access virtual host"}"#;
    let eve = client.with("eve", "e");
    eve.get("/queues/%2F").is(401, expected);
    eve.put("/queues/%2F/q", "{}").is(401, expected);
    eve.get("/queues").is(200, "[]");
    eve.get("/vhosts").is(200, "[]");
    let missing = r#"{"error":"Object Not Found","reason":"Not Found"}"#;
    eve.get("/queues/none").is(404, missing);
    let max = client.with("max", "m");
    assert_eq!(max.get("/queues/%2F").status, 200);
    assert_eq!(max.get("/vhosts").json().as_array().map(Vec::len), Some(1));
    max.put("/queues/%2F/q", "{}").is(401, expected);
}

#[test]
fn a_taken_port_is_a_start_error_and_none_opens_nothing() {
    if foreign() {
        return;
    }
    let held = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = held.local_addr().expect("bound").port();
    let setting = format!("management.tcp.port={port}");
    let home = super::support::home::Home::vacant(&[&setting]);
    let words = home.refusal();
    let expected = format!(
        "leveret: --set: key 'management.tcp.port': cannot listen on 127.0.0.1:{port}: the port is in use by another process"
    );
    assert!(words.contains(&expected), "{words}");
    let broker = Broker::with(&["management.tcp.port=none"]);
    assert_eq!(broker.http, None);
}

#[test]
fn a_prefix_stands_before_every_path() {
    if foreign() {
        return;
    }
    let broker = Broker::with(&["management.path_prefix=/mq"]);
    let client = of(&broker);
    assert_eq!(client.get("/whoami").status, 404);
    let mut stream = silent(client.address);
    stream
        .write_all(b"GET /mq/api/whoami HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: Basic Z3Vlc3Q6Z3Vlc3Q=\r\n\r\n")
        .expect("written");
    assert_eq!(read(&mut stream).status, 200);
}

#[test]
fn a_thousand_idle_clients_cost_little_and_slow_nobody() {
    if foreign() {
        return;
    }
    let broker = Broker::with(&[]);
    let client = of(&broker);
    let mut peer = broker.channel();
    let name = peer.queue(1);
    let mut alone = || {
        let begun = Instant::now();
        for _ in 0..300 {
            peer.publish(1, "", &name, "x");
            peer.take(1, &name).expect("just published");
        }
        begun.elapsed()
    };
    let quick = alone();
    let before = broker.rss_kib();
    let idle: Vec<_> = (0..1000)
        .map(|number| {
            let mut stream = silent(client.address);
            if number % 2 == 0 {
                stream.write_all(b"GET /api/over").expect("written");
            }
            stream
        })
        .collect();
    assert_eq!(client.get("/whoami").status, 200);
    let slow = alone();
    // Other tests run beside this one: what counts is that it does not grow with the clients.
    let most = 5 * quick + Duration::from_secs(1);
    assert!(slow < most, "{slow:?} beside the clients, {quick:?} alone");
    broker.peer_with(&Login::default()).open(1);
    let begun = Instant::now();
    assert_eq!(client.get("/overview").status, 200);
    assert!(begun.elapsed() < PATIENCE);
    let grown = broker.rss_kib().saturating_sub(before);
    assert!(grown < 32 * 1024, "{grown} KiB for 1,000 clients");
    drop(idle);
    let begun = Instant::now();
    broker.stop();
    assert!(begun.elapsed() < Duration::from_secs(5));
}

#[test]
fn who_sends_no_head_in_time_is_dropped() {
    if foreign() {
        return;
    }
    let broker = Broker::with(&["management.tcp.idle_timeout=200"]);
    let client = of(&broker);
    let mut stream = silent(client.address);
    stream.write_all(b"GET /api/").expect("written");
    stream.set_read_timeout(Some(PATIENCE)).expect("an option");
    // It may say 408 before it hangs up.
    let mut text = String::new();
    match std::io::Read::read_to_string(&mut stream, &mut text) {
        Ok(_) => {}
        Err(error) => assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset),
    }
    let answer = client.send_with(
        "PUT",
        "/queues/%2F/never",
        "",
        "Transfer-Encoding: chunked\r\n",
    );
    assert!(answer.status >= 400, "{answer:?}");
}
