//! Policies, operator policies, parameters, and the limits of vhosts and users.

use serde_json::{Value, json};

use super::client::path;
use super::command::{Output, Run};
use super::failure::{Failure, UNAVAILABLE};
use super::format::Rows;
use super::list::{items, text};
use super::users::done;

const POLICIES: &str = "policies";
const OPERATOR: &str = "operator-policies";

/// list_policies
pub fn list(run: &Run<'_>) -> Result<Output, Failure> {
    list_of(run, POLICIES)
}

/// list_operator_policies
pub fn list_operator(run: &Run<'_>) -> Result<Output, Failure> {
    list_of(run, OPERATOR)
}

fn list_of(run: &Run<'_>, noun: &str) -> Result<Output, Failure> {
    let path = path(&[noun, run.vhost()]);
    let reply = run.client.get(&path)?;
    if reply.status == 404 {
        return Err(super::vhosts::missing(run, &path, &reply));
    }
    done(run.client, &path, &reply)?;
    let columns = vec![
        "vhost",
        "name",
        "pattern",
        "apply-to",
        "definition",
        "priority",
    ];
    let cells = items(reply.body).into_iter().map(|policy| {
        let cell = |name: &&str| match (*name, policy.get(*name)) {
            ("definition", Some(definition)) => definition.to_string().into(),
            (_, value) => value.cloned().unwrap_or_default(),
        };
        columns.iter().map(cell).collect()
    });
    let cells = cells.collect();
    Ok(Output::Rows(Rows { columns, cells }))
}

fn parsed(text: &str) -> Result<Value, Failure> {
    serde_json::from_str(text).map_err(|error| {
        Failure::error(
            UNAVAILABLE,
            format!("Could not parse JSON document: {error}: {text}"),
        )
    })
}

/// set_policy
pub fn set(run: &Run<'_>) -> Result<Output, Failure> {
    set_of(run, POLICIES)
}

/// set_operator_policy
pub fn set_operator(run: &Run<'_>) -> Result<Output, Failure> {
    set_of(run, OPERATOR)
}

fn set_of(run: &Run<'_>, noun: &str) -> Result<Output, Failure> {
    let priority: i64 = run.parsed("priority")?.unwrap_or(0);
    let body = json!({
        "pattern": run.argument(1),
        "definition": parsed(run.argument(2))?,
        "priority": priority,
        "apply-to": run.options.own("apply-to").unwrap_or("all"),
    });
    change(run, &path(&[noun, run.vhost(), run.argument(0)]), &body)
}

/// Puts a document; a refusal is given in the server's words.
fn change(run: &Run<'_>, path: &str, body: &Value) -> Result<Output, Failure> {
    let reply = run.client.put(path, body)?;
    match reply.status {
        404 => Err(Failure::error(
            UNAVAILABLE,
            format!("{}: vhost '{}'", reply.reason(), run.vhost()),
        )),
        _ if reply.is_success() => Ok(Output::Done),
        _ => Err(Failure::error(UNAVAILABLE, reply.reason())),
    }
}

/// What set_policy says first.
pub fn set_banner(run: &Run<'_>) -> Result<String, Failure> {
    Ok(banner(run, "policy"))
}

/// What set_operator_policy says first.
pub fn set_operator_banner(run: &Run<'_>) -> Result<String, Failure> {
    Ok(banner(run, "operator policy override"))
}

fn banner(run: &Run<'_>, what: &str) -> String {
    format!(
        "Setting {what} \"{}\" for pattern \"{}\" to \"{}\" with priority \"{}\" for vhost \"{}\" ...",
        run.argument(0),
        run.argument(1),
        run.argument(2),
        run.options.own("priority").unwrap_or("0"),
        run.vhost()
    )
}

/// clear_policy
pub fn clear(run: &Run<'_>) -> Result<Output, Failure> {
    remove(run, &path(&[POLICIES, run.vhost(), run.argument(0)]))
}

/// clear_operator_policy
pub fn clear_operator(run: &Run<'_>) -> Result<Output, Failure> {
    remove(run, &path(&[OPERATOR, run.vhost(), run.argument(0)]))
}

fn remove(run: &Run<'_>, path: &str) -> Result<Output, Failure> {
    let reply = run.client.delete(path)?;
    if reply.status == 404 {
        return Err(Failure::error(UNAVAILABLE, "Parameter does not exist"));
    }
    done(run.client, path, &reply)?;
    Ok(Output::Done)
}

/// list_parameters
pub fn list_parameters(run: &Run<'_>) -> Result<Output, Failure> {
    let all = items(run.client.read("/parameters")?);
    let cells = all
        .iter()
        .filter(|one| text(one, &["vhost"]) == run.vhost())
        .map(|one| {
            let value = one.get("value").map(Value::to_string);
            vec![
                text(one, &["component"]).into(),
                text(one, &["name"]).into(),
                value.into(),
            ]
        });
    Ok(Output::Rows(Rows {
        columns: vec!["component", "name", "value"],
        cells: cells.collect(),
    }))
}

/// list_global_parameters
pub fn list_global_parameters(run: &Run<'_>) -> Result<Output, Failure> {
    let all = items(run.client.read("/global-parameters")?);
    let cells = all.iter().map(|one| {
        let value = one.get("value").map(Value::to_string);
        vec![text(one, &["name"]).into(), value.into()]
    });
    Ok(Output::Rows(Rows {
        columns: vec!["name", "value"],
        cells: cells.collect(),
    }))
}

/// set_parameter
pub fn set_parameter(run: &Run<'_>) -> Result<Output, Failure> {
    let body = json!({"value": parsed(run.argument(2))?});
    change(
        run,
        &path(&["parameters", run.argument(0), run.vhost(), run.argument(1)]),
        &body,
    )
}

/// clear_parameter
pub fn clear_parameter(run: &Run<'_>) -> Result<Output, Failure> {
    remove(
        run,
        &path(&["parameters", run.argument(0), run.vhost(), run.argument(1)]),
    )
}

/// set_global_parameter
pub fn set_global_parameter(run: &Run<'_>) -> Result<Output, Failure> {
    let body = json!({"value": parsed(run.argument(1))?});
    change(run, &path(&["global-parameters", run.argument(0)]), &body)
}

/// clear_global_parameter
pub fn clear_global_parameter(run: &Run<'_>) -> Result<Output, Failure> {
    remove(run, &path(&["global-parameters", run.argument(0)]))
}

/// One set of limits as a document, or all of them as rows.
fn limits(run: &Run<'_>, noun: &str, key: &'static str, name: &str) -> Result<Output, Failure> {
    let all = items(run.client.read(&path(&[noun]))?);
    if run.options.has("global") {
        let cells = all
            .iter()
            .map(|one| vec![text(one, &[key]).into(), one["value"].to_string().into()]);
        return Ok(Output::Rows(Rows {
            columns: vec![key, "limits"],
            cells: cells.collect(),
        }));
    }
    let found = all.into_iter().find(|one| text(one, &[key]) == name);
    let value = found.map_or(json!({}), |one| one["value"].clone());
    // A vhost without limits is an empty line, a user without them `{}`.
    let shown = match key == "vhost" && value == json!({}) {
        true => String::new(),
        false => value.to_string(),
    };
    Ok(Output::Document(value, shown))
}

/// list_vhost_limits
pub fn list_vhost_limits(run: &Run<'_>) -> Result<Output, Failure> {
    limits(run, "vhost-limits", "vhost", run.vhost())
}

/// What list_vhost_limits says first.
pub fn list_vhost_limits_banner(run: &Run<'_>) -> Result<String, Failure> {
    Ok(match run.options.has("global") {
        true => "Listing limits for all vhosts ...".into(),
        false => format!("Listing limits for vhost \"{}\" ...", run.vhost()),
    })
}

/// list_user_limits
pub fn list_user_limits(run: &Run<'_>) -> Result<Output, Failure> {
    limits(
        run,
        "user-limits",
        "user",
        run.options.own("user").unwrap_or("guest"),
    )
}

/// What list_user_limits says first.
pub fn list_user_limits_banner(run: &Run<'_>) -> Result<String, Failure> {
    Ok(match run.options.has("global") {
        true => "Listing limits for all users ...".into(),
        false => format!(
            "Listing limits for user \"{}\" ...",
            run.options.own("user").unwrap_or("guest")
        ),
    })
}

/// Each limit is a call of its own.
fn set_limits(run: &Run<'_>, noun: &str, name: &str, definition: &str) -> Result<Output, Failure> {
    let Value::Object(limits) = parsed(definition)? else {
        return Err(Failure::error(
            UNAVAILABLE,
            "limits are an object of names and numbers",
        ));
    };
    for (limit, value) in limits {
        change(run, &path(&[noun, name, &limit]), &json!({"value": value}))?;
    }
    Ok(Output::Done)
}

/// set_vhost_limits
pub fn set_vhost_limits(run: &Run<'_>) -> Result<Output, Failure> {
    set_limits(run, "vhost-limits", run.vhost(), run.argument(0))
}

/// set_user_limits
pub fn set_user_limits(run: &Run<'_>) -> Result<Output, Failure> {
    set_limits(run, "user-limits", run.argument(0), run.argument(1))
}

fn clear_limits(run: &Run<'_>, noun: &str, name: &str, wanted: &[&str]) -> Result<Output, Failure> {
    for limit in wanted {
        let path = path(&[noun, name, limit]);
        let reply = run.client.delete(&path)?;
        if reply.status != 404 {
            done(run.client, &path, &reply)?;
        }
    }
    Ok(Output::Done)
}

/// clear_vhost_limits
pub fn clear_vhost_limits(run: &Run<'_>) -> Result<Output, Failure> {
    clear_limits(
        run,
        "vhost-limits",
        run.vhost(),
        &["max-connections", "max-queues"],
    )
}

/// clear_user_limits
pub fn clear_user_limits(run: &Run<'_>) -> Result<Output, Failure> {
    match run.argument(1) {
        "all" => clear_limits(
            run,
            "user-limits",
            run.argument(0),
            &["max-connections", "max-channels"],
        ),
        limit => clear_limits(run, "user-limits", run.argument(0), &[limit]),
    }
}

/// What clear_user_limits says first.
pub fn clear_user_limits_banner(run: &Run<'_>) -> Result<String, Failure> {
    let user = run.argument(0);
    Ok(match run.argument(1) {
        "all" => format!("Clearing all limits for user \"{user}\" ..."),
        limit => format!("Clearing \"{limit}\" limit for user \"{user}\" ..."),
    })
}
