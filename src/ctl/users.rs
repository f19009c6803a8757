//! Users, their passwords, tags and permissions.

use std::io::BufRead;

use serde_json::{Value, json};

use super::client::{Client, Reply, path};
use super::command::{Output, Run};
use super::failure::{DATA, Failure, INPUT_OUTPUT, NO_USER, SOFTWARE, UNAVAILABLE};
use super::format::Rows;
use super::list::{items, text};

/// list_users
pub fn list(run: &Run<'_>) -> Result<Output, Failure> {
    let users = items(run.client.read("/users")?);
    let cells = users.iter().map(|user| {
        // RabbitMQ before 3.9 had tags as one text.
        let tags = match user.get("tags") {
            Some(Value::String(tags)) => tags
                .split(',')
                .filter(|tag| !tag.is_empty())
                .collect::<Vec<_>>()
                .into(),
            Some(tags) => tags.clone(),
            None => json!([]),
        };
        vec![text(user, &["name"]).into(), tags]
    });
    Ok(Output::Rows(Rows {
        columns: vec!["user", "tags"],
        cells: cells.collect(),
    }))
}

fn find(client: &Client, name: &str) -> Result<Option<Value>, Failure> {
    let path = path(&["users", name]);
    let reply = client.get(&path)?;
    match reply.status {
        404 => Ok(None),
        _ if reply.is_success() => Ok(Some(reply.body)),
        _ => Err(client.refused(&path, &reply)),
    }
}

fn put(client: &Client, name: &str, body: &Value) -> Result<(), Failure> {
    let path = path(&["users", name]);
    done(client, &path, &client.put(&path, body)?)
}

/// A reply that has nothing to say but that all went well.
pub fn done(client: &Client, path: &str, reply: &Reply) -> Result<(), Failure> {
    match reply.is_success() {
        true => Ok(()),
        false => Err(client.refused(path, reply)),
    }
}

/// The password among the arguments, else a line of standard input: it stays out of the list of processes then.
fn password(run: &Run<'_>) -> Result<String, Failure> {
    if run.options.arguments.len() > 1 {
        return Ok(run.argument(1).to_owned());
    }
    let mut line = String::new();
    std::io::stdin()
        .lock()
        .read_line(&mut line)
        .map_err(|error| {
            Failure::bare(
                INPUT_OUTPUT,
                format!("Error: cannot read the password: {error}"),
            )
        })?;
    match line.trim_end_matches(['\r', '\n']) {
        "" => Err(Failure::usage(
            super::failure::USAGE,
            "Password is not provided via argument or stdin",
        )),
        password => Ok(password.to_owned()),
    }
}

/// add_user
pub fn add(run: &Run<'_>) -> Result<Output, Failure> {
    let name = run.argument(0);
    if name.is_empty() {
        return Err(Failure::usage(
            DATA,
            "Bad argument: user cannot be an empty string",
        ));
    }
    if find(run.client, name)?.is_some() {
        return Err(Failure::error(
            SOFTWARE,
            format!("User \"{name}\" already exists"),
        ));
    }
    let secret = password(run)?;
    let body = match run.options.has("pre-hashed-password") {
        true => json!({"password_hash": secret, "tags": ""}),
        false => json!({"password": secret, "tags": ""}),
    };
    put(run.client, name, &body)?;
    Ok(Output::Said("Done. Don't forget to grant the user permissions to some virtual hosts! See 'rabbitmqctl help set_permissions' to learn more.".into()))
}

/// delete_user
pub fn delete(run: &Run<'_>) -> Result<Output, Failure> {
    gone(run, &path(&["users", run.argument(0)]))
}

/// Deletes what may be gone already.
fn gone(run: &Run<'_>, path: &str) -> Result<Output, Failure> {
    let reply = run.client.delete(path)?;
    if reply.status != 404 {
        done(run.client, path, &reply)?;
    }
    Ok(Output::Done)
}

/// change_password
pub fn change_password(run: &Run<'_>) -> Result<Output, Failure> {
    let name = run.argument(0);
    let user = find(run.client, name)?.ok_or_else(|| Failure::no_user(name))?;
    let body =
        json!({"password": password(run)?, "tags": user.get("tags").cloned().unwrap_or_default()});
    put(run.client, name, &body)?;
    Ok(Output::Done)
}

/// authenticate_user
pub fn authenticate(run: &Run<'_>) -> Result<Output, Failure> {
    let name = run.argument(0);
    let mut uri = run.client.uri().clone();
    uri.user = name.to_owned();
    uri.password = password(run)?;
    let other = Client::new(uri, super::CALL)?;
    match other.get("/whoami") {
        Ok(reply) if reply.is_success() => Ok(Output::Said("Success".into())),
        // Known, but nobody who may use the API.
        Err(failure) if failure.text.contains("Not management user") => {
            Ok(Output::Said("Success".into()))
        }
        Ok(_) => Err(refused(name)),
        Err(failure) if failure.code == super::failure::NOT_PERMITTED => Err(refused(name)),
        Err(failure) => Err(failure),
    }
}

fn refused(name: &str) -> Failure {
    let text = format!(
        "Error: failed to authenticate user \"{name}\"\nuser '{name}' - invalid credentials"
    );
    Failure::error(DATA, text)
}

/// set_user_tags
pub fn set_tags(run: &Run<'_>) -> Result<Output, Failure> {
    let name = run.argument(0);
    let user = find(run.client, name)?.ok_or_else(|| Failure::no_user(name))?;
    let body = json!({
        "password_hash": text(&user, &["password_hash"]),
        "hashing_algorithm": text(&user, &["hashing_algorithm"]),
        "tags": run.options.arguments[1..].join(","),
    });
    put(run.client, name, &body)?;
    Ok(Output::Done)
}

/// What set_user_tags says first.
pub fn set_tags_banner(run: &Run<'_>) -> Result<String, Failure> {
    let tags = run.options.arguments.get(1..).unwrap_or(&[]).join(", ");
    Ok(format!(
        "Setting tags for user \"{}\" to [{tags}] ...",
        run.argument(0)
    ))
}

/// Rows of these fields of what stands at a path.
fn rows(
    run: &Run<'_>,
    path: &str,
    columns: &[&'static str],
    missing: impl Fn(&Reply) -> Failure,
) -> Result<Rows, Failure> {
    let reply = run.client.get(path)?;
    if reply.status == 404 {
        return Err(missing(&reply));
    }
    done(run.client, path, &reply)?;
    let cells = items(reply.body).into_iter().map(|object| {
        columns
            .iter()
            .map(|name| object.get(name).cloned().unwrap_or_default())
            .collect()
    });
    Ok(Rows {
        columns: columns.to_vec(),
        cells: cells.collect(),
    })
}

/// list_permissions
pub fn list_permissions(run: &Run<'_>) -> Result<Output, Failure> {
    let path = path(&["vhosts", run.vhost(), "permissions"]);
    let rows = rows(
        run,
        &path,
        &["user", "configure", "write", "read"],
        |reply| super::vhosts::missing(run, &path, reply),
    )?;
    Ok(Output::Rows(rows))
}

/// list_topic_permissions
pub fn list_topic_permissions(run: &Run<'_>) -> Result<Output, Failure> {
    let path = path(&["vhosts", run.vhost(), "topic-permissions"]);
    let rows = rows(
        run,
        &path,
        &["user", "exchange", "write", "read"],
        |reply| super::vhosts::missing(run, &path, reply),
    )?;
    Ok(Output::Rows(rows))
}

fn no_such_user(run: &Run<'_>) -> Failure {
    Failure::error(
        UNAVAILABLE,
        format!("{{:no_such_user, \"{}\"}}", run.argument(0)),
    )
}

/// list_user_permissions
pub fn list_user_permissions(run: &Run<'_>) -> Result<Output, Failure> {
    let path = path(&["users", run.argument(0), "permissions"]);
    let rows = rows(run, &path, &["vhost", "configure", "write", "read"], |_| {
        no_such_user(run)
    })?;
    Ok(Output::Rows(rows))
}

/// list_user_topic_permissions
pub fn list_user_topic_permissions(run: &Run<'_>) -> Result<Output, Failure> {
    let path = path(&["users", run.argument(0), "topic-permissions"]);
    let rows = rows(run, &path, &["vhost", "exchange", "write", "read"], |_| {
        no_such_user(run)
    })?;
    Ok(Output::Headless(rows))
}

/// set_permissions
pub fn set_permissions(run: &Run<'_>) -> Result<Output, Failure> {
    let path = path(&["permissions", run.vhost(), run.argument(0)]);
    let body =
        json!({"configure": run.argument(1), "write": run.argument(2), "read": run.argument(3)});
    grant(run, &path, &body)
}

/// set_topic_permissions
pub fn set_topic_permissions(run: &Run<'_>) -> Result<Output, Failure> {
    let path = path(&["topic-permissions", run.vhost(), run.argument(0)]);
    let body =
        json!({"exchange": run.argument(1), "write": run.argument(2), "read": run.argument(3)});
    grant(run, &path, &body)
}

fn grant(run: &Run<'_>, path: &str, body: &Value) -> Result<Output, Failure> {
    let reply = run.client.put(path, body)?;
    if reply.is_success() {
        return Ok(Output::Done);
    }
    // The API does not say which of both is missing.
    let name = run.argument(0);
    if find(run.client, name)?.is_none() {
        return Err(Failure::error(
            NO_USER,
            format!("User {name} does not exist"),
        ));
    }
    if super::vhosts::find(run.client, run.vhost())?.is_none() {
        return Err(Failure::error(
            UNAVAILABLE,
            format!("Virtual host {} does not exist", run.vhost()),
        ));
    }
    Err(Failure::error(UNAVAILABLE, reply.reason()))
}

/// clear_permissions
pub fn clear_permissions(run: &Run<'_>) -> Result<Output, Failure> {
    gone(run, &path(&["permissions", run.vhost(), run.argument(0)]))
}

/// clear_topic_permissions: of one exchange, or all of them. The API deletes all at once, so what is to stay is put back.
pub fn clear_topic_permissions(run: &Run<'_>) -> Result<Output, Failure> {
    let path = path(&["topic-permissions", run.vhost(), run.argument(0)]);
    let mut kept = Vec::new();
    if run.options.arguments.len() > 1 {
        let reply = run.client.get(&path)?;
        let all = items(reply.body);
        kept = all
            .iter()
            .filter(|one| text(one, &["exchange"]) != run.argument(1))
            .cloned()
            .collect();
        if kept.len() == all.len() {
            return Ok(Output::Done);
        }
    }
    gone(run, &path)?;
    for one in kept {
        let body = json!({"exchange": one["exchange"], "write": one["write"], "read": one["read"]});
        done(run.client, &path, &run.client.put(&path, &body)?)?;
    }
    Ok(Output::Done)
}

/// What clear_topic_permissions says first.
pub fn clear_topic_banner(run: &Run<'_>) -> Result<String, Failure> {
    let (user, vhost) = (run.argument(0), run.vhost());
    Ok(match run.options.arguments.get(1) {
        Some(exchange) => format!(
            "Clearing topic permissions on \"{exchange}\" for user \"{user}\" in vhost \"{vhost}\" ..."
        ),
        None => format!("Clearing topic permissions for user \"{user}\" in vhost \"{vhost}\" ..."),
    })
}
