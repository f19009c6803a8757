//! Definitions: everything that is declared, as RabbitMQ's definitions.json, into a server and out of it.

use std::fs;
use std::io::{Read, Write};
use std::path::Path;

use serde_json::Value;

use super::client::path;
use super::command::{Output, Run};
use super::failure::{DATA, Failure, INPUT_OUTPUT, UNAVAILABLE};

/// Bytes of a file of definitions; more are not read.
const FILE_BYTES: u64 = 1 << 30;

/// All vhosts, or the one that was named.
fn place(run: &Run<'_>) -> String {
    match &run.options.vhost {
        Some(vhost) => path(&["definitions", vhost]),
        None => path(&["definitions"]),
    }
}

/// import: a file, or standard input for `-`.
pub fn import(run: &Run<'_>) -> Result<Output, Failure> {
    let file = run.argument(0);
    let text =
        read_named(file).map_err(|why| Failure::bare(INPUT_OUTPUT, format!("Error: {why}")))?;
    let document: Value = serde_json::from_str(&text)
        .map_err(|error| Failure::bare(DATA, format!("Error: {file} is not JSON: {error}")))?;
    if !document.is_object() {
        return Err(Failure::bare(
            DATA,
            format!("Error: {file} is no JSON object with definitions"),
        ));
    }
    let path = place(run);
    let reply = run.client.post(&path, &document)?;
    match reply.status {
        404 => Err(super::vhosts::missing(run, &path, &reply)),
        _ if reply.is_success() => Ok(Output::Done),
        _ => Err(Failure::error(UNAVAILABLE, reply.reason())),
    }
}

/// The text of a file, or of standard input for `-`. The error names it.
pub fn read_named(file: &str) -> Result<String, String> {
    read(file).map_err(|error| format!("cannot read {file}: {error}"))
}

fn read(file: &str) -> std::io::Result<String> {
    let mut text = String::new();
    let bytes = match file {
        "-" => std::io::stdin()
            .lock()
            .take(FILE_BYTES + 1)
            .read_to_string(&mut text)?,
        file => fs::File::open(file)?
            .take(FILE_BYTES + 1)
            .read_to_string(&mut text)?,
    };
    match bytes as u64 > FILE_BYTES {
        true => Err(std::io::Error::other("it is larger than 1 GiB")),
        false => Ok(text),
    }
}

/// export: a file, or standard output for `-` and for none.
pub fn export(run: &Run<'_>) -> Result<Output, Failure> {
    let path = place(run);
    let reply = run.client.get(&path)?;
    let document = match reply.status {
        404 => return Err(super::vhosts::missing(run, &path, &reply)),
        _ if reply.is_success() => reply.body,
        _ => return Err(run.client.refused(&path, &reply)),
    };
    let text = format!("{document:#}\n");
    write_named(run.argument(0), &text)
        .map_err(|why| Failure::bare(INPUT_OUTPUT, format!("Error: {why}")))?;
    Ok(Output::Done)
}

/// Writes a file, or to standard output for `-` and for none. The error names it.
pub fn write_named(file: &str, text: &str) -> Result<(), String> {
    let written = match file {
        "" | "-" => std::io::stdout().write_all(text.as_bytes()),
        file => write(Path::new(file), text),
    };
    written.map_err(|error| format!("cannot write {file}: {error}"))
}

/// Whole or not at all: an older export stays until the new one is on disk.
fn write(file: &Path, text: &str) -> std::io::Result<()> {
    // What is not a plain file (/dev/stdout, a pipe) has nothing to keep, and a link is not to be replaced.
    if fs::symlink_metadata(file).is_ok_and(|found| !found.is_file()) {
        return fs::write(file, text);
    }
    let mut name = file.as_os_str().to_owned();
    name.push(".new");
    let new = Path::new(&name);
    let written = (|| {
        let mut out = fs::File::create(new)?;
        out.write_all(text.as_bytes())?;
        out.sync_all()?;
        fs::rename(new, file)
    })();
    if written.is_err() {
        let _ = fs::remove_file(new);
    }
    written
}
