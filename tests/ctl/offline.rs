//! `leveret import|export --data-dir DIR`: definitions of a broker that is not running.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::{Value, json};

use super::run::leveret;
use super::support::{End, Home, home, queue};

/// Every file of a directory and what is in it.
fn contents(directory: &Path) -> BTreeMap<String, Vec<u8>> {
    let files = std::fs::read_dir(directory).expect("a directory");
    files
        .map(|entry| {
            let entry = entry.expect("an entry");
            let bytes = std::fs::read(entry.path()).expect("a file");
            (entry.file_name().into_string().expect("UTF-8"), bytes)
        })
        .collect()
}

fn text(path: &Path) -> &str {
    path.to_str().expect("UTF-8")
}

/// A stopped broker with a durable queue that has a message.
fn stopped(end: End) -> Home {
    let mut home = Home::with(&[]);
    let mut peer = home.channel();
    peer.ask(
        1,
        &queue::declare("kept", "durable", table! {}),
        &queue::declare_ok("kept", 0, 0),
    );
    let persistent = super::support::Properties {
        delivery_mode: Some(2),
        ..Default::default()
    };
    peer.ask(
        1,
        &super::support::confirm::select(),
        &super::support::confirm::select_ok(),
    );
    peer.publish_with(1, "", "kept", "", &persistent, "message");
    peer.expect_method(1, 60, 80);
    home.end(end);
    home
}

fn names(document: &Value, what: &str) -> Vec<String> {
    let all = document[what].as_array().expect("a list").iter();
    all.map(|one| one["name"].as_str().expect("a name").to_owned())
        .collect()
}

#[test]
fn an_export_has_everything_and_changes_no_byte() {
    for end in [End::Stop, End::Kill] {
        let home = stopped(end);
        let before = contents(&home.data);
        let said = leveret(&["export", "--data-dir", text(&home.data)]);
        let document = said.json();
        assert_eq!(names(&document, "queues"), ["kept"]);
        assert_eq!(names(&document, "users"), ["guest"]);
        assert_eq!(names(&document, "vhosts"), ["/"]);
        assert_eq!(contents(&home.data), before);
        let said = leveret(&["export", "--data-dir", text(&home.data), "-p", "/"]);
        assert_eq!(names(&said.json(), "queues"), ["kept"]);
        leveret(&["export", "--data-dir", text(&home.data), "-p", "none"])
            .fails(1, "leveret: Virtual host 'none' does not exist");
    }
}

#[test]
fn an_import_is_there_at_the_next_start_and_messages_stay() {
    for end in [End::Stop, End::Kill] {
        let mut home = stopped(end);
        let document = json!({
            "vhosts": [{"name": "v"}],
            "users": [{"name": "u", "password_hash": "", "hashing_algorithm": "rabbit_password_hashing_sha256", "tags": []}],
            "permissions": [{"user": "u", "vhost": "v", "configure": "", "write": "", "read": ".*"}],
            "queues": [{"name": "new", "vhost": "/", "durable": true, "auto_delete": false, "arguments": {}}],
            "exchanges": [{"name": "x", "vhost": "/", "type": "topic", "durable": true, "auto_delete": false, "internal": false, "arguments": {}}],
            "bindings": [{"source": "x", "vhost": "/", "destination": "new", "destination_type": "queue", "routing_key": "#", "arguments": {}}],
            "policies": [{"name": "p", "vhost": "/", "pattern": "^new$", "apply-to": "queues", "definition": {"max-length": 2}, "priority": 0}],
        });
        let file = home::fresh("definitions");
        std::fs::write(&file, document.to_string()).expect("written");
        leveret(&["import", text(&file), "--data-dir", text(&home.data)]).says("");
        let exported = leveret(&["export", "--data-dir", text(&home.data)]).json();
        assert_eq!(names(&exported, "queues"), ["kept", "new"]);
        assert_eq!(names(&exported, "vhosts"), ["/", "v"]);
        // Once more is no change.
        leveret(&["import", text(&file), "--data-dir", text(&home.data)]).says("");
        home.start();
        let mut peer = home.channel();
        assert_eq!(peer.counts(1, "kept").0, 1);
        for _ in 0..3 {
            peer.publish(1, "x", "any", "x");
        }
        assert_eq!(peer.counts(1, "new").0, 2, "the policy cuts");
        std::fs::remove_file(&file).expect("it was there");
    }
}

#[test]
fn an_import_that_fails_names_the_object_and_changes_no_byte() {
    let home = stopped(End::Kill);
    let before = contents(&home.data);
    let file = home::fresh("definitions");
    for (document, words) in [
        (json!({"vhosts": [{"name": "v"}], "queues": [{"name": "bad", "vhost": "v", "durable": true, "auto_delete": false, "arguments": {"x-max-length": "many"}}]}).to_string(), "bad"),
        (json!({"queues": [{"name": "lost", "vhost": "none", "durable": true, "auto_delete": false, "arguments": {}}]}).to_string(), "none"),
        ("[]".to_owned(), "not a JSON object"),
        ("{".to_owned(), "not JSON"),
    ] {
        std::fs::write(&file, &document).expect("written");
        let said = leveret(&["import", text(&file), "--data-dir", text(&home.data)]);
        said.fails(1, words);
        assert_eq!(said.err.lines().count(), 1, "{said:?}");
        assert_eq!(contents(&home.data), before, "{document}");
    }
    std::fs::remove_file(&file).expect("it was there");
    leveret(&["import", "/nonexistent", "--data-dir", text(&home.data)])
        .fails(1, "cannot read /nonexistent");
}

#[test]
fn a_running_broker_keeps_both_out() {
    let home = Home::with(&[]);
    let file = home::fresh("definitions");
    std::fs::write(&file, "{}").expect("written");
    let words = "is in use by another process";
    leveret(&["export", "--data-dir", text(&home.data)]).fails(1, words);
    leveret(&["import", text(&file), "--data-dir", text(&home.data)]).fails(1, words);
    std::fs::remove_file(&file).expect("it was there");
}

#[test]
fn what_is_no_data_directory_stays_what_it_is() {
    let directory = home::fresh("empty");
    let shown = text(&directory);
    leveret(&["export", "--data-dir", shown]).fails(1, shown);
    assert!(!directory.exists());
    std::fs::create_dir_all(&directory).expect("made");
    let words = "is no data directory of Leveret";
    leveret(&["export", "--data-dir", shown]).fails(1, words);
    assert!(contents(&directory).is_empty());
    let said = leveret(&["export", "--data-dir", shown, "--uri", "http://x"]);
    assert_eq!(said.code, 2, "one or the other: {said:?}");
    std::fs::remove_dir_all(&directory).expect("it was there");
}

#[test]
fn an_import_knows_what_the_configuration_of_its_broker_says() {
    let settings = ["default_vhost=prod", "default_queue_type=quorum"];
    let mut home = Home::with(&settings);
    home.end(End::Stop);
    let document = json!({
        "vhosts": [{"name": "v"}],
        "queues": [
            {"name": "events", "vhost": "prod", "durable": true, "auto_delete": false, "arguments": {}},
            {"name": "new", "vhost": "v", "durable": true, "auto_delete": false, "arguments": {}},
        ],
        "bindings": [{"source": "amq.rabbitmq.event", "vhost": "prod", "destination": "events", "destination_type": "queue", "routing_key": "#", "arguments": {}}],
    });
    let file = home::fresh("definitions");
    std::fs::write(&file, document.to_string()).expect("written");
    let config = home::fresh("conf");
    std::fs::write(&config, settings.join("\n")).expect("written");
    let data = text(&home.data);
    leveret(&[
        "import",
        text(&file),
        "--data-dir",
        data,
        "--config",
        text(&config),
        "--set",
        "vhost_max=1",
    ])
    .fails(
        1,
        "vhost 'v': cannot create vhost 'v': vhost limit of 1 is reached",
    );
    leveret(&[
        "import",
        text(&file),
        "--data-dir",
        data,
        "--config",
        text(&config),
    ])
    .says("");
    let set: Vec<&str> = settings.iter().flat_map(|one| ["--set", one]).collect();
    let words = [&["export", "--data-dir", data][..], &set].concat();
    let exported = leveret(&words).json();
    assert_eq!(names(&exported, "vhosts"), ["prod", "v"]);
    assert_eq!(exported["bindings"][0]["source"], "amq.rabbitmq.event");
    let queues = exported["queues"].as_array().expect("a list").iter();
    let new = queues.clone().find(|queue| queue["name"] == "new");
    assert_eq!(
        new.expect("it is there")["arguments"]["x-queue-type"],
        "quorum"
    );
    for path in [&file, &config] {
        std::fs::remove_file(path).expect("it was there");
    }
}
