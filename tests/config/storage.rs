//! The data directory as the process meets it: created, locked, refused, damaged, left clean; the alarm of a full disk.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use lapin::options::{BasicPublishOptions, ConfirmSelectOptions, QueueDeclareOptions};
use lapin::types::FieldTable;
use lapin::{BasicProperties, Connection, ConnectionProperties};

use crate::support::{PATIENCE, Running, home, leveret, output, refusal, write};

const LISTENER: [&str; 2] = ["--set", "listeners.tcp.default=127.0.0.1:0"];

fn serve(home: &Path) -> Command {
    let mut command = leveret(home);
    command.args(LISTENER);
    command
}

fn stop(mut running: Running) -> Running {
    running.signal("TERM");
    let (status, took) = running.end();
    assert_eq!(status.code(), Some(0));
    assert!(took < Duration::from_secs(5), "{took:?}");
    running
}

/// Runs `work` with a connection to the broker.
fn connected<T>(running: &mut Running, work: impl AsyncFnOnce(Connection) -> T) -> T {
    let uri = format!("amqp://guest:guest@{}/%2F", running.addresses(1).remove(0));
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .expect("a runtime");
    runtime.block_on(async {
        let connection = Connection::connect(&uri, ConnectionProperties::default()).await;
        work(connection.expect("connected")).await
    })
}

/// Declares a durable queue and has 100 persistent messages confirmed in it.
async fn fill(connection: Connection) {
    let channel = connection.create_channel().await.expect("a channel");
    let durable = QueueDeclareOptions {
        durable: true,
        ..QueueDeclareOptions::default()
    };
    let declared = channel.queue_declare("kept".into(), durable, FieldTable::default());
    declared.await.expect("declared");
    let confirms = channel.confirm_select(ConfirmSelectOptions::default());
    confirms.await.expect("selected");
    let mut last = None;
    for _ in 0..100 {
        let published = channel.basic_publish(
            "".into(),
            "kept".into(),
            BasicPublishOptions::default(),
            &[7; 1_000],
            BasicProperties::default().with_delivery_mode(2),
        );
        last = Some(published.await.expect("published"));
    }
    last.expect("a hundred").await.expect("confirmed");
}

fn files(directory: &Path, prefix: &str) -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = std::fs::read_dir(directory)
        .expect("the data directory")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| {
            path.file_name()
                .is_some_and(|name| name.to_string_lossy().starts_with(prefix))
        })
        .collect();
    found.sort();
    found
}

#[test]
fn the_data_directory_is_made_for_its_owner_alone() {
    let home = home();
    let mut running = Running::start(serve(home.path()).args(["--data-dir", "a/b"]));
    running.addresses(1);
    let mode = std::fs::metadata(home.path().join("a/b"))
        .expect("made")
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o700);
    let running = stop(running);
    let line = running
        .seen()
        .iter()
        .find(|line| line.contains("data directory a/b"));
    assert!(line.is_some(), "{:#?}", running.seen());
}

#[test]
fn a_second_process_is_refused_and_the_first_goes_on() {
    let home = home();
    let mut running = Running::start(&mut serve(home.path()));
    running.addresses(1);
    let line = refusal(&mut serve(home.path()));
    assert_eq!(
        line,
        "leveret: the data directory leveret-data is in use by another process"
    );
    connected(&mut running, async |connection| {
        connection.create_channel().await.expect("it still serves");
    });
    stop(running);
    // The lock goes with the process.
    Running::start(&mut serve(home.path())).addresses(1);
}

#[test]
fn what_a_clean_stop_and_a_kill_leave_is_there_again() {
    let home = home();
    let mut running = Running::start(&mut serve(home.path()));
    connected(&mut running, fill);
    stop(running);
    let mut running = Running::start(&mut serve(home.path()));
    let line = running.wait_for("data directory").expect("read");
    assert!(line.contains("1 durable queues, 100 messages"), "{line}");
    assert!(!line.contains("cleanly"), "{line}");
    connected(&mut running, fill);
    running.signal("KILL");
    running.end();
    let mut running = Running::start(&mut serve(home.path()));
    let line = running.wait_for("data directory").expect("read");
    assert!(line.contains("1 durable queues, 200 messages"), "{line}");
    assert!(line.contains("did not end cleanly"), "{line}");
}

#[test]
fn the_first_users_are_those_of_the_first_start() {
    let home = home();
    let users = |name: &str, pass: &str| {
        let mut command = serve(home.path());
        command.args([
            "--set",
            &format!("default_user={name}"),
            "--set",
            &format!("default_pass={pass}"),
        ]);
        command
    };
    let mut running = Running::start(&mut users("guest", "guest"));
    connected(&mut running, async |_| ());
    stop(running);
    // As in RabbitMQ: defaults are for a node that has nothing yet.
    let mut running = Running::start(&mut users("guest", "another"));
    connected(&mut running, async |_| ());
}

#[test]
fn a_directory_that_cannot_be_written_is_refused() {
    let home = home();
    let closed = home.path().join("closed");
    std::fs::create_dir(&closed).expect("made");
    std::fs::set_permissions(&closed, std::fs::Permissions::from_mode(0o500)).expect("set");
    // Where permissions do not bind, as for root, the system's own files do.
    let bound = std::fs::write(closed.join("probe"), "").is_err();
    let place = if bound {
        closed.as_path()
    } else {
        Path::new("/sys/kernel")
    };
    if !place.is_dir() {
        return;
    }
    let line = refusal(serve(home.path()).arg("--data-dir").arg(place));
    let start = format!(
        "leveret: cannot write in the data directory: {}: ",
        place.display()
    );
    assert!(line.starts_with(&start), "{line}");
}

#[test]
fn a_file_in_the_place_of_the_directory_is_refused() {
    let home = home();
    write(home.path(), "taken", "");
    let line = refusal(serve(home.path()).args(["--data-dir", "taken"]));
    assert!(
        line.starts_with("leveret: ") && line.contains("taken"),
        "{line}"
    );
}

#[test]
fn data_of_a_later_version_is_refused_and_left_alone() {
    let home = home();
    let version = write(home.path(), "leveret-data/version", "leveret-data 99\n");
    let line = refusal(&mut serve(home.path()));
    assert!(
        line.starts_with("leveret: leveret-data/version: ")
            && line.contains("format 99, written by a later version")
            && line.contains("this one knows formats up to 1"),
        "{line}"
    );
    assert_eq!(
        std::fs::read_to_string(version).expect("kept"),
        "leveret-data 99\n"
    );
}

#[test]
fn a_file_that_cannot_be_read_is_named() {
    let home = home();
    let mut running = Running::start(&mut serve(home.path()));
    connected(&mut running, fill);
    stop(running);
    let directory = home.path().join("leveret-data");
    let journal = files(&directory, "journal-").remove(0);
    // Nobody can read a directory as a file, root included.
    std::fs::rename(&journal, home.path().join("away")).expect("moved");
    std::fs::create_dir(&journal).expect("made");
    let line = refusal(&mut serve(home.path()));
    let name = journal
        .file_name()
        .expect("a name")
        .to_string_lossy()
        .into_owned();
    assert!(
        line.starts_with("leveret: ") && line.contains(&name),
        "{line}"
    );
}

fn inspected(home: &Path, directory: &str) -> (Option<i32>, String) {
    let output = output(leveret(home).args(["store", "inspect", directory]));
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    (output.status.code(), text)
}

/// Names, sizes and times of all files.
fn listing(directory: &Path) -> Vec<(PathBuf, u64, std::time::SystemTime)> {
    let seen = files(directory, "").into_iter().map(|path| {
        let about = std::fs::metadata(&path).expect("it is there");
        (
            path,
            about.len(),
            about.modified().expect("Linux has times"),
        )
    });
    seen.collect()
}

#[test]
fn inspect_shows_what_is_there_beside_a_running_broker_and_after_it() {
    let home = home();
    let mut running = Running::start(&mut serve(home.path()));
    connected(&mut running, fill);
    for clean in [false, true] {
        let (code, text) = inspected(home.path(), "leveret-data");
        assert_eq!(code, Some(0), "{text}");
        for part in [
            "'kept' in vhost '/'",
            "100 messages",
            "100000 bytes",
            "'guest'",
            "journal-",
        ] {
            assert!(text.contains(part), "{part} in {text}");
        }
        assert_eq!(text.contains("not clean"), !clean, "{text}");
        if !clean {
            running.signal("TERM");
            running.end();
        }
    }
    let directory = home.path().join("leveret-data");
    let before = listing(&directory);
    inspected(home.path(), "leveret-data");
    assert_eq!(listing(&directory), before);
    let line = refusal(leveret(home.path()).args(["store", "inspect", "none"]));
    assert!(
        line.starts_with("leveret: ") && line.contains("none"),
        "{line}"
    );
}

#[test]
fn damage_stops_the_start_with_file_and_offset_unless_salvage_is_asked_for() {
    let home = home();
    let mut running = Running::start(&mut serve(home.path()));
    connected(&mut running, fill);
    stop(running);
    let directory = home.path().join("leveret-data");
    let checkpoint = files(&directory, "checkpoint-")
        .pop()
        .expect("a clean stop writes one");
    let mut bytes = std::fs::read(&checkpoint).expect("read");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 0x10;
    std::fs::write(&checkpoint, bytes).expect("written");
    let line = refusal(&mut serve(home.path()));
    let (code, text) = inspected(home.path(), "leveret-data");
    assert!(
        code == Some(1) && text.contains("DAMAGE"),
        "{code:?} {text}"
    );
    let name = checkpoint
        .file_name()
        .expect("a name")
        .to_string_lossy()
        .into_owned();
    assert!(
        line.contains(&name) && line.contains("at byte") && line.contains("serve --salvage"),
        "{line}"
    );
    let mut running = Running::start(serve(home.path()).arg("--salvage"));
    assert!(
        running.wait_for("recovery: ").is_some(),
        "{:#?}",
        running.seen()
    );
    running.addresses(1);
}

#[test]
fn publishers_are_blocked_while_the_disk_has_less_than_the_limit() {
    let home = home();
    let limit = "disk_free_limit.absolute=1000000TB";
    let mut running = Running::start(serve(home.path()).args(["--set", limit]));
    assert!(
        running.wait_for("disk alarm: ").is_some(),
        "{:#?}",
        running.seen()
    );
    connected(&mut running, async |connection| {
        let channel = connection.create_channel().await.expect("a channel");
        let publish = channel.basic_publish(
            "".into(),
            "nowhere".into(),
            BasicPublishOptions::default(),
            b"x",
            BasicProperties::default(),
        );
        publish.await.expect("sent");
        let begun = std::time::Instant::now();
        while !connection.status().blocked() {
            assert!(begun.elapsed() < PATIENCE, "not blocked");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    });
    stop(running);
}

#[test]
fn an_idle_broker_writes_nothing() {
    let home = home();
    let mut running = Running::start(&mut serve(home.path()));
    connected(&mut running, fill);
    // What the fill has left is on disk soon, and the keeper has done its work.
    std::thread::sleep(Duration::from_secs(3));
    let written = || {
        let io = std::fs::read_to_string(format!("/proc/{}/io", running.id())).expect("it runs");
        let line = io
            .lines()
            .find(|line| line.starts_with("syscw:"))
            .map(str::to_owned);
        line.expect("the number of its writes")
    };
    let before = written();
    std::thread::sleep(Duration::from_secs(3));
    assert_eq!(written(), before);
}
