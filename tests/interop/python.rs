//! Python for the tests: a virtual environment under `target/`, made once from `interop/pika/requirements.txt`, and the
//! programs that run in it. A tool that the machine lacks fails the test with the command that installs it.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;

/// A path of the repository.
pub fn path(relative: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(relative)
}

/// Runs a unittest module, class or method of `interop/pika`.
pub fn unittest(name: &str, uri: &str) {
    run(
        "interop/pika",
        &["-m", "unittest", "--verbose", name],
        Some(uri),
    );
}

/// Runs Python in a directory of the repository; a failure shows all that it wrote.
pub fn run(directory: &str, arguments: &[&str], uri: Option<&str>) {
    let mut command = Command::new(interpreter());
    // Several run at once: none writes compiled files, and none waits for a locale.
    command.current_dir(path(directory)).args(arguments);
    command
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .env("PYTHONUTF8", "1");
    command.env_remove("ALARM_ON");
    if let Some(uri) = uri {
        command.env("AMQP_URL", uri);
    }
    succeed(
        &mut command,
        "the failures are above; by hand: see interop/README.md",
    );
}

/// The environment's own interpreter; the first caller makes the environment.
fn interpreter() -> &'static Path {
    static INTERPRETER: OnceLock<PathBuf> = OnceLock::new();
    INTERPRETER.get_or_init(|| environment().join("bin/python"))
}

/// The directory of the environment. Its name follows the requirements, so that a change makes a new one. It is built
/// under another name and moved to its place whole: another test process may be doing the same, and either one is good.
fn environment() -> PathBuf {
    let requirements = path("interop/pika/requirements.txt");
    let mut hasher = DefaultHasher::new();
    std::fs::read(&requirements)
        .expect("interop/pika/requirements.txt")
        .hash(&mut hasher);
    let directory =
        Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("python-{:016x}", hasher.finish()));
    if directory.join("bin/python").exists() {
        return directory;
    }
    let building = directory.with_extension(std::process::id().to_string());
    succeed(
        Command::new("python3").args(["-m", "venv"]).arg(&building),
        "install it with: apt-get install -y python3 python3-venv",
    );
    succeed(
        Command::new(building.join("bin/python"))
            .args([
                "-m",
                "pip",
                "install",
                "--quiet",
                "--no-input",
                "--disable-pip-version-check",
                "--requirement",
            ])
            .arg(&requirements),
        "pip needs the package index (PyPI), or PIP_INDEX_URL or PIP_FIND_LINKS naming another",
    );
    if std::fs::rename(&building, &directory).is_err() {
        // Somebody else was first.
        let _ = std::fs::remove_dir_all(&building);
    }
    assert!(
        directory.join("bin/python").exists(),
        "no virtual environment in {}",
        directory.display()
    );
    directory
}

/// Runs a command to its end; `help` says what a person does about a failure.
fn succeed(command: &mut Command, help: &str) {
    let output = command
        .output()
        .unwrap_or_else(|error| panic!("{command:?}: {error}; {help}"));
    assert!(
        output.status.success(),
        "{command:?}: {}; {help}\n{}",
        output.status,
        text(&output)
    );
}

fn text(output: &Output) -> String {
    let both = [&output.stdout[..], &output.stderr[..]].concat();
    String::from_utf8_lossy(&both).into_owned()
}
