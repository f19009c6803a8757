//! The node: how it is, starting and stopping it, its watermarks.

use std::fmt::Write;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::client::path;
use super::command::{Output, Run};
use super::failure::{DATA, Failure, TEMPORARY, UNAVAILABLE, USAGE};
use super::list::{items, text};

/// How long await_startup waits unasked.
const STARTUP: Duration = Duration::from_secs(300);
/// Between two looks at a node that does not answer yet.
const PAUSE: Duration = Duration::from_millis(100);

fn gb(node: &Value, name: &str) -> String {
    let bytes = node.get(name).and_then(Value::as_f64).unwrap_or(0.0);
    format!("{:.4} gb", bytes / 1e9)
}

fn number(value: &Value, name: &str) -> u64 {
    value.get(name).and_then(Value::as_u64).unwrap_or(0)
}

fn purpose(protocol: &str) -> &str {
    match protocol {
        "amqp" => "AMQP 0-9-1",
        "amqp/ssl" => "AMQP 0-9-1 over TLS",
        "http" => "HTTP API",
        "https" => "HTTP API over TLS",
        "clustering" => "inter-node and CLI tool communication",
        protocol => protocol,
    }
}

/// status
pub fn status(run: &Run<'_>) -> Result<Output, Failure> {
    let overview = run.client.read("/overview")?;
    let name = text(&overview, &["node"]);
    let node = run.client.read(&path(&["nodes", name]))?;
    let vhosts = items(run.client.read("/vhosts")?).len();
    let totals = overview.get("object_totals").cloned().unwrap_or_default();
    let listeners: Vec<Value> = items(overview.get("listeners").cloned().unwrap_or_default())
        .iter()
        .map(|listener| {
            json!({
                "node": name,
                "port": listener["port"],
                "protocol": listener["protocol"],
                "interface": listener["ip_address"],
                "purpose": purpose(text(listener, &["protocol"])),
            })
        })
        .collect();
    let alarms: Vec<&str> = [("mem_alarm", "memory"), ("disk_free_alarm", "disk")]
        .iter()
        .filter(|(field, _)| node.get(field) == Some(&Value::Bool(true)))
        .map(|(_, alarm)| *alarm)
        .collect();
    let document = json!({
        "pid": text(&node, &["os_pid"]).parse::<u64>().unwrap_or(0),
        "os": std::env::consts::OS,
        "uptime": number(&node, "uptime") / 1000,
        "is_under_maintenance": node.get("being_drained").cloned().unwrap_or(Value::Bool(false)),
        "product_name": overview["product_name"],
        "product_version": overview["product_version"],
        "rabbitmq_version": overview["rabbitmq_version"],
        "erlang_version": overview["erlang_full_version"],
        "processes": {"used": number(&node, "proc_used"), "limit": number(&node, "proc_total")},
        "run_queue": number(&node, "run_queue"),
        "net_ticktime": node["net_ticktime"],
        "active_plugins": node["enabled_plugins"],
        "data_directory": node["db_dir"],
        "config_files": node["config_files"],
        "log_files": node["log_files"],
        "alarms": alarms,
        "tags": [],
        "memory": {"total": {"rss": number(&node, "mem_used")}, "strategy": node["mem_calculation_strategy"]},
        "vm_memory_high_watermark_limit": node["mem_limit"],
        "vm_memory_calculation_strategy": node["mem_calculation_strategy"],
        "file_descriptors": {"total_used": number(&node, "fd_used"), "total_limit": number(&node, "fd_total"),
            "sockets_used": number(&node, "sockets_used"), "sockets_limit": number(&node, "sockets_total")},
        "disk_free": node["disk_free"],
        "disk_free_limit": node["disk_free_limit"],
        "totals": {"virtual_host_count": vhosts, "connection_count": number(&totals, "connections"), "queue_count": number(&totals, "queues")},
        "listeners": listeners,
    });
    let text = status_text(name, &document, &node);
    Ok(Output::Document(document, text))
}

fn list_text(values: &Value) -> String {
    let items = values.as_array().map(Vec::as_slice).unwrap_or_default();
    match items.is_empty() {
        true => "(none)\n".into(),
        false => items
            .iter()
            .map(|item| format!(" * {}\n", item.as_str().unwrap_or("")))
            .collect(),
    }
}

fn status_text(name: &str, status: &Value, node: &Value) -> String {
    let mut out = String::new();
    let mut section = |title: &str, lines: String| {
        let _ = write!(out, "{title}\n\n{}\n\n", lines.trim_end_matches('\n'));
    };
    section(
        "Runtime",
        format!(
            "OS PID: {}\nOS: {}\nUptime (seconds): {}\nIs under maintenance?: {}\nProduct name: {}\nProduct version: {}\nRabbitMQ version: {}\nNode name: {name}\nErlang configuration: {}\nErlang processes: {} used, {} limit\nScheduler run queue: {}\nCluster heartbeat timeout (net_ticktime): {}",
            status["pid"],
            text(status, &["os"]),
            status["uptime"],
            status["is_under_maintenance"],
            text(status, &["product_name"]),
            text(status, &["product_version"]),
            text(status, &["rabbitmq_version"]),
            text(status, &["erlang_version"]),
            status["processes"]["used"],
            status["processes"]["limit"],
            status["run_queue"],
            number(status, "net_ticktime"),
        ),
    );
    section(
        "Plugins",
        format!(
            "Enabled plugins:\n\n{}",
            list_text(&status["active_plugins"])
        ),
    );
    section(
        "Data directory",
        format!("Node data directory: {}", text(status, &["data_directory"])),
    );
    section("Config files", list_text(&status["config_files"]));
    section("Log file(s)", list_text(&status["log_files"]));
    section(
        "Alarms",
        match status["alarms"]
            .as_array()
            .filter(|alarms| !alarms.is_empty())
        {
            Some(alarms) => alarms
                .iter()
                .map(|alarm| {
                    format!(
                        "{} alarm on node {name}\n",
                        capital(alarm.as_str().unwrap_or(""))
                    )
                })
                .collect(),
            None => "(none)".into(),
        },
    );
    section("Tags", "(none)".into());
    section(
        "Memory",
        format!(
            "Total memory used: {}\nCalculation strategy: {}\nMemory high watermark setting: computed to: {}",
            gb(node, "mem_used"),
            text(node, &["mem_calculation_strategy"]),
            gb(node, "mem_limit")
        ),
    );
    section(
        "File Descriptors",
        format!(
            "Total: {}, limit: {}",
            number(node, "fd_used"),
            number(node, "fd_total")
        ),
    );
    section(
        "Free Disk Space",
        format!(
            "Low free disk space watermark: {}\nFree disk space: {}",
            gb(node, "disk_free_limit"),
            gb(node, "disk_free")
        ),
    );
    let totals = &status["totals"];
    section(
        "Totals",
        format!(
            "Connection count: {}\nQueue count: {}\nVirtual host count: {}",
            totals["connection_count"], totals["queue_count"], totals["virtual_host_count"]
        ),
    );
    let listeners = status["listeners"]
        .as_array()
        .map(Vec::as_slice)
        .unwrap_or_default();
    section(
        "Listeners",
        listeners
            .iter()
            .map(|listener| {
                let interface = text(listener, &["interface"]);
                let interface = if interface.contains(':') {
                    format!("[{interface}]")
                } else {
                    interface.to_owned()
                };
                format!(
                    "Interface: {interface}, port: {}, protocol: {}, purpose: {}\n",
                    listener["port"],
                    text(listener, &["protocol"]),
                    text(listener, &["purpose"])
                )
            })
            .collect(),
    );
    out.trim_end_matches('\n').to_owned()
}

fn capital(word: &str) -> String {
    let mut letters = word.chars();
    letters.next().map_or(String::new(), |first| {
        first.to_uppercase().chain(letters).collect()
    })
}

/// What commands about the whole node say first.
pub fn status_banner(run: &Run<'_>) -> Result<String, Failure> {
    Ok(format!("Status of node {} ...", run.node()?))
}

/// ping
pub fn ping(run: &Run<'_>) -> Result<Output, Failure> {
    run.client.read("/overview")?;
    Ok(Output::Said("Ping succeeded".into()))
}

/// What ping says first.
pub fn ping_banner(run: &Run<'_>) -> Result<String, Failure> {
    let timeout = run.options.timeout.unwrap_or(super::CALL).as_millis();
    Ok(format!(
        "Will ping {}. This only checks if the server answers. Timeout: {timeout} ms.",
        run.client.uri().shown()
    ))
}

/// await_startup and wait: until the node answers and serves clients.
pub fn await_startup(run: &Run<'_>) -> Result<Output, Failure> {
    let patience = run.options.timeout.unwrap_or(STARTUP);
    let begun = Instant::now();
    loop {
        let last = match run.client.get("/overview") {
            Ok(reply) if reply.is_success() && is_running(run, &reply.body)? => {
                return Ok(Output::Done);
            }
            Ok(reply) if reply.is_success() => Failure::bare(TEMPORARY, "AMQP is stopped"),
            Ok(reply) => run.client.refused("/overview", &reply),
            // It answers, and will not let this user in later either.
            Err(failure) if ![UNAVAILABLE, TEMPORARY].contains(&failure.code) => {
                return Err(failure);
            }
            Err(failure) => failure,
        };
        if begun.elapsed() >= patience {
            return Err(Failure::bare(
                TEMPORARY,
                format!(
                    "Error: timed out after {} s. {}",
                    patience.as_secs(),
                    last.text
                ),
            ));
        }
        thread::sleep(PAUSE);
    }
}

/// Whether the node of an overview serves clients.
fn is_running(run: &Run<'_>, overview: &Value) -> Result<bool, Failure> {
    let reply = run
        .client
        .get(&path(&["nodes", text(overview, &["node"])]))?;
    // Whoever may not see nodes takes the overview's word.
    Ok(!reply.is_success() || reply.body.get("running") != Some(&Value::Bool(false)))
}

/// wait: rabbitmqctl's argument, a file with a process id, must be given and means nothing here.
pub fn wait(run: &Run<'_>) -> Result<Output, Failure> {
    if run.options.arguments.is_empty() && !run.options.has("pid") {
        return Err(Failure::usage(USAGE, "\"No pid or pidfile specified\""));
    }
    await_startup(run)
}

/// version: of what the server behaves like; of this program where none answers.
pub fn version(run: &Run<'_>) -> Result<Output, Failure> {
    let version = match run.client.read("/overview") {
        Ok(overview) => text(&overview, &["rabbitmq_version"]).to_owned(),
        Err(_) => env!("CARGO_PKG_VERSION").to_owned(),
    };
    Ok(Output::Said(version))
}

/// A size as configuration files have it: digits, and a unit or none.
fn is_size(text: &str) -> bool {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let units = [
        "", "k", "M", "G", "T", "P", "kB", "KB", "MB", "GB", "TB", "PB", "Ki", "Mi", "Gi", "Ti",
        "Pi", "kiB", "KiB", "MiB", "GiB", "TiB", "PiB", "K",
    ];
    digits > 0 && units.contains(&&text[digits..])
}

/// What a watermark is to be, from a command's arguments: a size, or a part of the memory.
fn watermark(run: &Run<'_>, relative: &str) -> Result<Value, Failure> {
    let bad = || Failure::usage(DATA, "Bad argument.");
    let fraction = |text: &str| {
        text.parse::<f64>()
            .ok()
            .filter(|part| part.is_finite() && *part >= 0.0)
            .ok_or_else(bad)
    };
    match (run.options.arguments.as_slice(), relative) {
        ([value], "mem_relative") if is_size(value) => Ok(json!({"absolute": value})),
        ([word, value], "mem_relative") if word == relative => {
            Ok(json!({"mem_relative": fraction(value)?}))
        }
        ([word, value], "fraction") if word == "absolute" && is_size(value) => {
            Ok(json!({"absolute": value}))
        }
        ([value], "fraction") => match fraction(value)? {
            part if part <= 1.0 => Ok(json!({"relative": part})),
            _ => Err(Failure::usage(
                DATA,
                "Bad argument: The threshold should be a fraction between 0.0 and 1.0",
            )),
        },
        _ => Err(bad()),
    }
}

/// Changes what RabbitMQ's HTTP API cannot: such routes are Leveret's own.
fn own_route(run: &Run<'_>, name: &str, body: &Value) -> Result<Output, Failure> {
    let path = path(&["leveret", name]);
    let reply = run.client.put(&path, body)?;
    match reply.status {
        404 | 405 => Err(Failure::error(
            UNAVAILABLE,
            format!(
                "the server at {} cannot do this: it has no {path}",
                run.client.uri().shown()
            ),
        )),
        _ if reply.is_success() => Ok(Output::Done),
        _ => Err(run.client.refused(&path, &reply)),
    }
}

/// set_vm_memory_high_watermark
pub fn set_memory(run: &Run<'_>) -> Result<Output, Failure> {
    own_route(
        run,
        "vm-memory-high-watermark",
        &watermark(run, "fraction")?,
    )
}

/// What set_vm_memory_high_watermark says first.
pub fn set_memory_banner(run: &Run<'_>) -> Result<String, Failure> {
    watermark(run, "fraction")?;
    let node = run.node()?;
    Ok(match run.options.arguments.get(1) {
        Some(size) => format!("Setting memory threshold on {node} to {size} bytes ..."),
        None => format!(
            "Setting memory threshold on {node} to {} ...",
            run.argument(0)
        ),
    })
}

/// set_disk_free_limit
pub fn set_disk(run: &Run<'_>) -> Result<Output, Failure> {
    own_route(run, "disk-free-limit", &watermark(run, "mem_relative")?)
}

/// What set_disk_free_limit says first.
pub fn set_disk_banner(run: &Run<'_>) -> Result<String, Failure> {
    watermark(run, "mem_relative")?;
    let node = run.node()?;
    Ok(match run.options.arguments.get(1) {
        Some(part) => {
            format!("Setting disk free limit on {node} to {part} times the total RAM ...")
        }
        None => format!(
            "Setting disk free limit on {node} to {} bytes ...",
            run.argument(0)
        ),
    })
}

/// stop_app
pub fn stop_app(run: &Run<'_>) -> Result<Output, Failure> {
    own_route(run, "app", &json!({"running": false}))
}

/// What stop_app says first.
pub fn stop_banner(run: &Run<'_>) -> Result<String, Failure> {
    Ok(format!(
        "Stopping rabbit application on node {} ...",
        run.node()?
    ))
}

/// start_app
pub fn start_app(run: &Run<'_>) -> Result<Output, Failure> {
    own_route(run, "app", &json!({"running": true}))
}

/// What start_app says first.
pub fn start_banner(run: &Run<'_>) -> Result<String, Failure> {
    Ok(format!("Starting node {} ...", run.node()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_digits_and_a_unit() {
        for size in ["0", "1000", "50MB", "1GiB", "2G", "3kB"] {
            assert!(is_size(size), "{size}");
        }
        for text in ["", "abc", "MB", "1.5GB", "-1", "5 MB", "1XB", "1é"] {
            assert!(!is_size(text), "{text}");
        }
    }
}
