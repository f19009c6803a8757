//! Virtual hosts: made, deleted, traced, limited.

use serde_json::{Value, json};

use super::client::{Client, Reply, path};
use super::command::{Output, Run};
use super::failure::{DATA, Failure};
use super::list::{List, items, same};
use super::users::done;

/// list_vhosts.
pub static VHOSTS: List = List {
    columns: &[
        same("name"),
        same("description"),
        same("tags"),
        same("default_queue_type"),
        same("tracing"),
        same("cluster_state"),
    ],
    unasked: &["name"],
};

/// list_vhosts
pub fn list(run: &Run<'_>) -> Result<Output, Failure> {
    let vhosts = items(run.client.read("/vhosts")?);
    Ok(Output::Rows(VHOSTS.rows(run, &vhosts)?))
}

/// The vhost of a name, if there is one.
pub fn find(client: &Client, name: &str) -> Result<Option<Value>, Failure> {
    let path = path(&["vhosts", name]);
    let reply = client.get(&path)?;
    match reply.status {
        404 => Ok(None),
        _ if reply.is_success() => Ok(Some(reply.body)),
        _ => Err(client.refused(&path, &reply)),
    }
}

/// What a 404 below a vhost means: it is not there, or the server does not know such a path.
pub fn missing(run: &Run<'_>, path: &str, reply: &Reply) -> Failure {
    match find(run.client, run.vhost()) {
        Ok(None) => Failure::no_vhost(run.vhost()),
        Ok(Some(_)) => run.client.refused(path, reply),
        Err(failure) => failure,
    }
}

/// add_vhost
pub fn add(run: &Run<'_>) -> Result<Output, Failure> {
    let name = run.argument(0);
    if name.is_empty() {
        return Err(Failure::usage(
            DATA,
            "Bad argument: a vhost's name cannot be an empty string",
        ));
    }
    let mut body = json!({});
    for (option, field) in [
        ("description", "description"),
        ("tags", "tags"),
        ("default-queue-type", "default_queue_type"),
    ] {
        if let Some(value) = run.options.own(option) {
            body[field] = value.into();
        }
    }
    let path = path(&["vhosts", name]);
    done(run.client, &path, &run.client.put(&path, &body)?)?;
    Ok(Output::Done)
}

/// delete_vhost
pub fn delete(run: &Run<'_>) -> Result<Output, Failure> {
    let path = path(&["vhosts", run.argument(0)]);
    let reply = run.client.delete(&path)?;
    if reply.status == 404 {
        return Err(Failure::no_vhost(run.argument(0)));
    }
    done(run.client, &path, &reply)?;
    Ok(Output::Done)
}

/// trace_on
pub fn trace_on(run: &Run<'_>) -> Result<Output, Failure> {
    trace(run, true)?;
    Ok(Output::Said(format!(
        "Trace enabled for vhost {}",
        run.vhost()
    )))
}

/// trace_off
pub fn trace_off(run: &Run<'_>) -> Result<Output, Failure> {
    trace(run, false)?;
    Ok(Output::Said(format!(
        "Trace disabled for vhost {}",
        run.vhost()
    )))
}

/// PUT makes a vhost that is not there and resets what it is not told, so both are looked at first.
fn trace(run: &Run<'_>, on: bool) -> Result<(), Failure> {
    let vhost = find(run.client, run.vhost())?.ok_or_else(|| Failure::no_vhost(run.vhost()))?;
    let mut body = json!({"tracing": on});
    for name in ["description", "tags", "default_queue_type"] {
        if let Some(value) = vhost
            .get(name)
            .filter(|value| !value.is_null() && *value != "undefined")
        {
            body[name] = value.clone();
        }
    }
    let path = path(&["vhosts", run.vhost()]);
    done(run.client, &path, &run.client.put(&path, &body)?)
}
