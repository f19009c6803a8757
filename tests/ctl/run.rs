//! A command line as a user gives it, and what comes of it; and what is the same for every command.

use std::path::PathBuf;
use std::process::{Command, Output};

use super::support::Broker;

/// What a command has said.
#[derive(Debug)]
pub struct Said {
    pub code: i32,
    pub out: String,
    pub err: String,
}

impl Said {
    fn new(output: Output) -> Self {
        Self {
            code: output.status.code().expect("it was not killed"),
            out: String::from_utf8(output.stdout).expect("UTF-8"),
            err: String::from_utf8(output.stderr).expect("UTF-8"),
        }
    }

    /// Asserts that all went well and that this was said.
    #[track_caller]
    pub fn says(&self, expected: &str) {
        assert_eq!((self.code, self.err.as_str()), (0, ""), "{self:?}");
        assert_eq!(self.out, expected);
    }

    /// Asserts that it failed with this code, and these words on standard error.
    #[track_caller]
    pub fn fails(&self, code: i32, words: &str) {
        assert_eq!(self.code, code, "{self:?}");
        assert!(self.err.contains(words), "{words} in {self:?}");
    }

    /// What was said, as JSON.
    #[track_caller]
    pub fn json(&self) -> serde_json::Value {
        assert_eq!(self.code, 0, "{self:?}");
        serde_json::from_str(&self.out).unwrap_or_else(|_| panic!("JSON: {self:?}"))
    }
}

/// The URI of a broker's API.
pub fn uri(broker: &Broker) -> String {
    format!("http://guest:guest@{}", broker.http.expect("it has an API"))
}

/// `leveret WORDS`.
pub fn leveret(words: &[&str]) -> Said {
    let mut command = Command::new(env!("CARGO_BIN_EXE_leveret"));
    command.args(words).env_remove("LEVERET_URI");
    Said::new(command.output().expect("it starts"))
}

/// `leveret ctl WORDS` on a broker.
pub fn ctl(broker: &Broker, words: &[&str]) -> Said {
    let uri = uri(broker);
    leveret(&[&["ctl", "--uri", &uri], words].concat())
}

/// The same without what is said besides the answer.
pub fn quiet(broker: &Broker, words: &[&str]) -> Said {
    ctl(broker, &[&["-q"], words].concat())
}

/// Under rabbitmqctl's name; where to connect says the environment.
fn rabbitmqctl(broker: &Broker, words: &[&str]) -> Said {
    let directory = super::support::home::fresh("link");
    std::fs::create_dir_all(&directory).expect("a directory");
    let link: PathBuf = directory.join("rabbitmqctl");
    std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_leveret"), &link).expect("a link");
    let mut command = Command::new(&link);
    command.args(words).env("LEVERET_URI", uri(broker));
    let said = Said::new(command.output().expect("it starts"));
    std::fs::remove_dir_all(&directory).expect("it was there");
    said
}

#[test]
fn under_rabbitmqctls_name_it_is_rabbitmqctl() {
    let broker = own!();
    let said = rabbitmqctl(&broker, &["-q", "list_vhosts"]);
    said.says("name\n/\n");
    let said = rabbitmqctl(
        &broker,
        &["-n", "rabbit@somewhere", "status", "--formatter", "json"],
    );
    assert_eq!(said.json()["product_name"], "Leveret");
    rabbitmqctl(&broker, &["nonsense"]).fails(64, "Command 'nonsense' not found.");
    let help = rabbitmqctl(&broker, &["help"]);
    assert!(help.out.contains("list_queues"), "{help:?}");
}

#[test]
fn what_is_not_understood_is_64_and_shows_the_usage() {
    let broker = own!();
    ctl(&broker, &["list_queus"]).fails(64, "Did you mean 'list_queues'?");
    ctl(&broker, &["add_user"]).fails(64, "Error (argument validation): not enough arguments.");
    let said = ctl(&broker, &["delete_vhost", "a", "b"]);
    said.fails(64, "too many arguments.");
    said.fails(64, "Usage\n\nrabbitmqctl");
    let said = ctl(&broker, &["list_queues", "name", "nonsense"]);
    said.fails(64, "Info key(s) nonsense are not supported");
    ctl(&broker, &["list_queues", "--nonsense"]).fails(64, "nonsense");
    assert_eq!(leveret(&["ctl"]).code, 64);
}

#[test]
fn whom_the_server_does_not_let_in_and_a_server_that_is_not_there_have_codes() {
    let broker = own!();
    let http = broker.http.expect("it has an API");
    let wrong = format!("http://guest:wrong@{http}");
    let said = leveret(&["ctl", "--uri", &wrong, "list_queues"]);
    assert_eq!(said.code, 77, "{said:?}");
    assert!(!said.err.contains("wrong@"), "{said:?}");
    // Nobody listens there: the port was just given back.
    let port = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let nobody = format!("http://{}", port.local_addr().expect("bound"));
    drop(port);
    let said = leveret(&["ctl", "--uri", &nobody, "list_queues"]);
    assert_eq!(said.code, 69, "{said:?}");
    leveret(&["ctl", "--uri", "ftp://x", "list_queues"]).fails(64, "is not a URI");
}
