//! Leveret's own routes for what rabbitmqctl does without RabbitMQ's HTTP API: AMQP stopped and started, memory and disk limits.

use serde_json::{Map, Value, json};

use super::{Answer, Call, Refusal, Threshold};

/// GET /leveret/app.
pub fn app(call: &Call) -> Result<Answer, Refusal> {
    let running = !call.broker().is_paused();
    Ok(Answer::Json(json!({"running": running})))
}

/// PUT /leveret/app.
pub fn set_app(call: &Call) -> Result<Answer, Refusal> {
    let object = call.object()?;
    let machine = &call.door.machine;
    match object.get("running") {
        Some(Value::Bool(true)) => machine.start_amqp().map_err(Refusal::unavailable)?,
        Some(Value::Bool(false)) => machine.stop_amqp(),
        _ => return Err(Refusal::bad("running must be true or false")),
    }
    Ok(Answer::Done)
}

/// `{"absolute": size}`, or a part of the memory under `relative`.
fn threshold(object: &Map<String, Value>, relative: &str) -> Result<Threshold, Refusal> {
    let mut fields = object.iter();
    match (fields.next(), fields.next()) {
        (Some((name, Value::String(size))), None) if name == "absolute" => {
            Ok(Threshold::Size(size.clone()))
        }
        (Some((name, Value::Number(size))), None) if name == "absolute" && size.is_u64() => {
            Ok(Threshold::Size(size.to_string()))
        }
        (Some((name, Value::Number(part))), None) if name == relative => {
            let part = part
                .as_f64()
                .filter(|part| part.is_finite() && *part >= 0.0);
            part.map(Threshold::Part)
                .ok_or_else(|| Refusal::bad(format!("{relative} must not be below 0")))
        }
        _ => Err(Refusal::bad(format!(
            "either absolute or {relative} must be given"
        ))),
    }
}

/// GET /leveret/vm-memory-high-watermark.
pub fn memory(call: &Call) -> Result<Answer, Refusal> {
    let limit = call.door.machine.gauges().memory_limit;
    Ok(Answer::Json(json!({"limit": limit})))
}

/// PUT /leveret/vm-memory-high-watermark.
pub fn set_memory(call: &Call) -> Result<Answer, Refusal> {
    let threshold = threshold(&call.object()?, "relative")?;
    if matches!(threshold, Threshold::Part(part) if part > 1.0) {
        return Err(Refusal::bad("relative must not be above 1.0"));
    }
    let machine = &call.door.machine;
    machine.set_memory_limit(&threshold).map_err(Refusal::bad)?;
    Ok(Answer::Done)
}

/// GET /leveret/disk-free-limit.
pub fn disk(call: &Call) -> Result<Answer, Refusal> {
    let limit = call.door.machine.gauges().disk_limit;
    Ok(Answer::Json(json!({"limit": limit})))
}

/// PUT /leveret/disk-free-limit.
pub fn set_disk(call: &Call) -> Result<Answer, Refusal> {
    let threshold = threshold(&call.object()?, "mem_relative")?;
    let machine = &call.door.machine;
    machine.set_disk_limit(&threshold).map_err(Refusal::bad)?;
    Ok(Answer::Done)
}
