//! A file system of a test's own, seen by whoever is started in its mount namespace. It goes with the test, even if that is killed:
//! the namespace is held by a process that ends with its standard input.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};

/// Flags of unshare and nsenter: as root, and as somebody who may be root in a namespace of users.
const WAYS: [(&str, &str); 2] = [("-m", "-m"), ("-rm", "-U -m --preserve-credentials")];

pub struct Mount {
    holder: Child,
    stdin: Option<ChildStdin>,
    enter: &'static str,
    place: PathBuf,
}

impl Mount {
    /// Mounts with `mount` and these words at a directory. `None`, with the reason printed, where that is not allowed.
    pub fn at(place: &Path, words: &str) -> Option<Self> {
        std::fs::create_dir_all(place).expect("a directory");
        for (unshare, enter) in WAYS {
            let script = format!(r#"mount {words} "$1" && echo ready && exec cat"#);
            let mut command = Command::new("unshare");
            command
                .args([unshare, "sh", "-c", &script, "sh"])
                .arg(place);
            command.stdin(Stdio::piped()).stdout(Stdio::piped());
            let Ok(mut holder) = command.spawn() else {
                break;
            };
            let stdin = holder.stdin.take();
            let mut line = String::new();
            let output =
                BufReader::new(holder.stdout.as_mut().expect("piped")).read_line(&mut line);
            let mount = Self {
                holder,
                stdin,
                enter,
                place: place.to_owned(),
            };
            if output.is_ok() && line == "ready\n" {
                return Some(mount);
            }
        }
        eprintln!("skipped: no mount namespace may be made here (unshare -m, mount)");
        None
    }

    /// What the shell around a broker does first, so that the broker sees it.
    pub fn enter(&self) -> String {
        format!(
            r#"set -- nsenter {} -t {} -- "$@""#,
            self.enter,
            self.holder.id()
        )
    }

    /// Mounts it anew with other options.
    pub fn again(&self, options: &str) {
        let script = format!(r#"mount -o remount,{options} "$1""#);
        let (status, words) = self.run(&["sh", "-c", &script, "sh", &self.place.to_string_lossy()]);
        assert_eq!(status, Some(0), "{words}");
    }

    /// Runs a command inside: its exit code, and what it says.
    pub fn run(&self, words: &[&str]) -> (Option<i32>, String) {
        let mut command = Command::new("nsenter");
        command.args(self.enter.split(' '));
        command.args(["-t", &self.holder.id().to_string(), "--"]);
        let output = command.args(words).output().expect("nsenter starts");
        let said = [output.stdout, output.stderr].concat();
        (
            output.status.code(),
            String::from_utf8_lossy(&said).into_owned(),
        )
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        self.stdin = None;
        let _ = self.holder.wait();
    }
}
