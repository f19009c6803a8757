//! Is this value fit for that argument? One small function a rule; an error is the reason in RabbitMQ's words.

use amq_protocol::types::{AMQPValue, FieldTable};

use super::{DEAD_LETTER_EXCHANGE, QueueKind, RETRY_MIN, Reason, get, retry};
use crate::queue::partitions::PARTITIONS_MAX;
use crate::queue::stream::offset::age_ms;
use crate::wire::limits::{SHORT_STRING_BYTES_MAX, TTL_MS_MAX};
use crate::wire::reply::Reply;
use crate::wire::table::{integer, type_name};

/// The highest priority that a classic queue can have.
const PRIORITY_MAX: i64 = 255;
/// Largest segment of a stream, in bytes.
const SEGMENT_BYTES_MAX: i64 = 3_000_000_000;

type Checked = Result<(), Reason>;

/// Whether the value is exactly this text.
pub(super) fn is_text(value: &AMQPValue, text: &str) -> bool {
    matches!(value, AMQPValue::LongString(value) if value.as_bytes() == text.as_bytes())
}

pub(super) fn expected_integer(value: &AMQPValue) -> Reason {
    format!("\"expected integer, got {}\"", type_name(value))
}

pub(super) fn unacceptable(value: &AMQPValue) -> Reason {
    format!("{{unacceptable_type,{}}}", type_name(value))
}

pub(super) fn anything(_: &AMQPValue, _: &FieldTable) -> Checked {
    Ok(())
}

fn whole(value: &AMQPValue) -> Result<i64, Reason> {
    integer(value).ok_or_else(|| expected_integer(value))
}

pub(super) fn not_negative(value: &AMQPValue, _: &FieldTable) -> Checked {
    match whole(value)? {
        number if number < 0 => Err(format!("{{value_negative,{number}}}")),
        _ => Ok(()),
    }
}

pub(super) fn positive(value: &AMQPValue, arguments: &FieldTable) -> Checked {
    match whole(value)? {
        0 => Err("{value_zero,0}".to_owned()),
        _ => not_negative(value, arguments),
    }
}

pub(super) fn expiry(value: &AMQPValue, arguments: &FieldTable) -> Checked {
    match whole(value)? {
        number if u64::try_from(number).is_ok_and(|number| number > TTL_MS_MAX) => {
            Err(format!("{{value_too_large,{number}}}"))
        }
        _ => not_negative(value, arguments),
    }
}

pub(super) fn expires(value: &AMQPValue, arguments: &FieldTable) -> Checked {
    match whole(value)? {
        0 => Err("{value_zero,0}".to_owned()),
        _ => expiry(value, arguments),
    }
}

pub(super) fn priority(value: &AMQPValue, arguments: &FieldTable) -> Checked {
    match whole(value)? {
        number if number > PRIORITY_MAX => Err(format!("{{max_value_exceeded,{number}}}")),
        _ => not_negative(value, arguments),
    }
}

pub(super) fn queue_version(value: &AMQPValue, arguments: &FieldTable) -> Checked {
    match whole(value)? {
        1 | 2 => Ok(()),
        number if number < 0 => not_negative(value, arguments),
        number => Err(format!("\"unsupported queue version '{number}'\"")),
    }
}

pub(super) fn boolean(value: &AMQPValue, _: &FieldTable) -> Checked {
    match value {
        AMQPValue::Boolean(_) => Ok(()),
        other => Err(unacceptable(other)),
    }
}

fn text(value: &AMQPValue) -> Result<&[u8], Reason> {
    match value {
        AMQPValue::LongString(text) => Ok(text.as_bytes()),
        other => Err(unacceptable(other)),
    }
}

fn one_of(value: &AMQPValue, known: &[&str], reason: impl FnOnce(&[u8]) -> Reason) -> Checked {
    let text = text(value)?;
    if known.iter().any(|known| known.as_bytes() == text) {
        Ok(())
    } else {
        Err(reason(text))
    }
}

pub(super) fn queue_type(value: &AMQPValue, _: &FieldTable) -> Checked {
    let name = text(value)?;
    match QueueKind::named(name) {
        Some(_) => Ok(()),
        None => Err(format!(
            "\"unsupported queue type '{}'\"",
            String::from_utf8_lossy(name)
        )),
    }
}

pub(super) fn queue_mode(value: &AMQPValue, _: &FieldTable) -> Checked {
    one_of(value, &["default", "lazy"], |mode| {
        format!(
            "\"unsupported queue mode '{}'\"",
            String::from_utf8_lossy(mode)
        )
    })
}

/// Leveret's own; refused in the words that RabbitMQ has for the mode of a queue.
pub(super) fn sync(value: &AMQPValue, arguments: &FieldTable) -> Checked {
    if is_quorum(arguments) && is_text(value, "os") {
        return Err("\"quorum queues are always synced\"".to_owned());
    }
    one_of(value, &["fsync", "os"], |level| {
        format!("\"unsupported sync '{}'\"", String::from_utf8_lossy(level))
    })
}

pub(super) fn overflow(value: &AMQPValue, _: &FieldTable) -> Checked {
    one_of(
        value,
        &["drop-head", "reject-publish", "reject-publish-dlx"],
        |_| "invalid_overflow".to_owned(),
    )
}

/// RabbitMQ 4.3's names.
pub(super) fn retry_type(value: &AMQPValue, _: &FieldTable) -> Checked {
    let known = ["disabled", "all", "failed", "returned"];
    one_of(value, &known, |_| "invalid_delayed_retry_type".to_owned())
}

pub(super) fn retry_min(value: &AMQPValue, arguments: &FieldTable) -> Checked {
    expires(value, arguments)
}

pub(super) fn retry_max(value: &AMQPValue, arguments: &FieldTable) -> Checked {
    expires(value, arguments)?;
    let min = get(arguments, RETRY_MIN).and_then(integer);
    match whole(value)? {
        max if min.is_some_and(|min| max < min) => {
            Err(format!("\"the maximum {max} is less than the minimum\""))
        }
        _ => Ok(()),
    }
}

/// A number from 1 to 100, whole or not.
pub(super) fn retry_factor(value: &AMQPValue, _: &FieldTable) -> Checked {
    between(value, retry::ONE, 100 * retry::ONE, "1 to 100")
}

/// A number from 0 to 1.
pub(super) fn retry_jitter(value: &AMQPValue, _: &FieldTable) -> Checked {
    between(value, 0, retry::ONE, "0 to 1")
}

fn between(value: &AMQPValue, min: u32, max: u32, range: &str) -> Checked {
    let is_number = matches!(
        value,
        AMQPValue::Float(_) | AMQPValue::Double(_) | AMQPValue::DecimalValue(_)
    );
    if !is_number && integer(value).is_none() {
        return Err(format!("\"expected number, got {}\"", type_name(value)));
    }
    match thousandths(value) {
        Some(number) if (min..=max).contains(&number) => Ok(()),
        _ => Err(format!("\"expected a number from {range}\"")),
    }
}

/// A number that is not negative in thousandths, rounded; `None` for what is no such number, or far too large.
pub(super) fn thousandths(value: &AMQPValue) -> Option<u32> {
    let number = match value {
        AMQPValue::Float(number) => f64::from(*number),
        AMQPValue::Double(number) => *number,
        AMQPValue::DecimalValue(number) => {
            f64::from(number.value) / 10f64.powi(i32::from(number.scale))
        }
        whole => integer(whole)? as f64,
    };
    (0.0..=1e6)
        .contains(&number)
        .then(|| (number * 1000.0).round() as u32)
}

/// The name of a header; true, or the empty name, stands for the usual one.
pub(super) fn group_header(value: &AMQPValue, _: &FieldTable) -> Checked {
    match value {
        AMQPValue::Boolean(true) => Ok(()),
        AMQPValue::LongString(name) if name.as_bytes().len() > SHORT_STRING_BYTES_MAX => {
            Err(format!(
                "\"header name of {} bytes is longer than {SHORT_STRING_BYTES_MAX}\"",
                name.as_bytes().len()
            ))
        }
        AMQPValue::LongString(name) if std::str::from_utf8(name.as_bytes()).is_err() => {
            Err("\"the header name is not UTF-8\"".to_owned())
        }
        other => text(other).map(|_| ()),
    }
}

pub(super) fn dead_letter_strategy(value: &AMQPValue, _: &FieldTable) -> Checked {
    one_of(value, &["at-most-once", "at-least-once"], |_| {
        "invalid_dlx_strategy".to_owned()
    })
}

pub(super) fn leader_locator(value: &AMQPValue, _: &FieldTable) -> Checked {
    let known = [
        "client-local",
        "balanced",
        "random",
        "least-leaders",
        "min-masters",
    ];
    one_of(value, &known, |_| "invalid_queue_locator_arg".to_owned())
}

/// Its type has had a text of its own before (see [`super::dead_letter_exchange`]).
pub(super) fn dead_letter_exchange(value: &AMQPValue, _: &FieldTable) -> Checked {
    text(value).map(|_| ())
}

pub(super) fn dead_letter_routing_key(value: &AMQPValue, arguments: &FieldTable) -> Checked {
    let key = text(value)?;
    if get(arguments, DEAD_LETTER_EXCHANGE).is_none() {
        Err("routing_key_but_no_dlx_defined".to_owned())
    } else if key.len() > SHORT_STRING_BYTES_MAX {
        // RabbitMQ takes it and fails when it has to send it.
        Err(format!(
            "\"routing key of {} bytes is longer than {SHORT_STRING_BYTES_MAX}\"",
            key.len()
        ))
    } else {
        Ok(())
    }
}

/// RabbitMQ's quorum queues take anything here; classic queues, which have it from Leveret alone, take numbers.
pub(super) fn delivery_limit(value: &AMQPValue, arguments: &FieldTable) -> Checked {
    match is_quorum(arguments) {
        true => Ok(()),
        false => whole(value).map(|_| ()),
    }
}

fn is_quorum(arguments: &FieldTable) -> bool {
    get(arguments, super::QUEUE_TYPE).is_some_and(|kind| is_text(kind, "quorum"))
}

/// `7D`: digits and one of the units Y, M, D, h, m, s.
/// An age in milliseconds; days may be `d`, too.
pub(super) fn days_or_age(age: &str) -> Option<u64> {
    match age.strip_suffix('d') {
        Some(days) => age_ms(format!("{days}D").as_bytes()),
        None => age_ms(age.as_bytes()),
    }
}

pub(super) fn retain_acked(value: &AMQPValue, _: &FieldTable) -> Checked {
    let age = std::str::from_utf8(text(value)?).unwrap_or_default();
    match days_or_age(age) {
        Some(1..) => Ok(()),
        _ => Err("\"expected an age as 7d or 12h\"".to_owned()),
    }
}

pub(super) fn partitions(value: &AMQPValue, arguments: &FieldTable) -> Checked {
    match whole(value)? {
        number if number > i64::from(PARTITIONS_MAX) => {
            Err(format!("{{max_value_exceeded,{number}}}"))
        }
        _ => positive(value, arguments),
    }
}

pub(super) fn partition_key(value: &AMQPValue, _: &FieldTable) -> Checked {
    match text(value)?.len() {
        1..=SHORT_STRING_BYTES_MAX => Ok(()),
        _ => Err("\"expected the name of a header\"".to_owned()),
    }
}

pub(super) fn max_age(value: &AMQPValue, _: &FieldTable) -> Checked {
    let age = text(value)?;
    let digits = age.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let (number, unit) = age.split_at(digits);
    let fit = number.iter().any(|digit| *digit != b'0')
        && matches!(unit, b"Y" | b"M" | b"D" | b"h" | b"m" | b"s");
    if fit {
        Ok(())
    } else {
        Err("invalid_max_age".to_owned())
    }
}

/// What quorum queues and streams demand of a declare besides their arguments.
pub(super) fn kind_properties(
    resource: &str,
    arguments: &FieldTable,
    kind: QueueKind,
    durable: bool,
    exclusive: bool,
    auto_delete: bool,
) -> Result<(), Reply> {
    let refusal = if auto_delete {
        Some("auto-delete")
    } else if exclusive {
        Some("exclusive-owner")
    } else if !durable {
        Some("non-durable")
    } else {
        None
    };
    if let Some(property) = refusal {
        return Err(Reply::invalid_property(property, resource));
    }
    if kind == QueueKind::Stream {
        let segment = get(arguments, "x-stream-max-segment-size-bytes").and_then(integer);
        if segment.is_some_and(|bytes| bytes > SEGMENT_BYTES_MAX) {
            let text = "Exceeded max value for x-stream-max-segment-size-bytes";
            return Err(Reply::precondition_failed(text));
        }
        let filter = get(arguments, super::FILTER_SIZE);
        if filter
            .is_some_and(|value| !integer(value).is_some_and(|bytes| (16..=255).contains(&bytes)))
        {
            // Two spaces: RabbitMQ's text.
            let text = "Invalid value for  x-stream-filter-size-bytes";
            return Err(Reply::precondition_failed(text));
        }
    }
    Ok(())
}

/// A message's `expiration` property as milliseconds. A sign and leading zeros are accepted, as RabbitMQ does.
///
/// # Errors
/// 406 on the channel: not a number, text after the number, negative, more than ten years.
pub fn expiration(text: &[u8]) -> Result<u64, Reply> {
    milliseconds(text)
        .map_err(|reason| Reply::invalid_expiration(&String::from_utf8_lossy(text), &reason))
}

fn milliseconds(text: &[u8]) -> Result<u64, Reason> {
    let (negative, unsigned) = match text {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        rest => (false, rest),
    };
    let digits = unsigned
        .iter()
        .take_while(|byte| byte.is_ascii_digit())
        .count();
    let (number, leftover) = unsigned.split_at(digits);
    if number.is_empty() {
        return Err("no_integer".to_owned());
    }
    if !leftover.is_empty() {
        return Err(format!("{{leftover_string,{}}}", characters(leftover)));
    }
    // The texts repeat a number of any length, so it stays text where it is not known to fit.
    let zeros = number.iter().take_while(|digit| **digit == b'0').count();
    let number = String::from_utf8_lossy(&number[zeros..]);
    match number.parse::<u64>() {
        _ if number.is_empty() => Ok(0),
        _ if negative => Err(format!("{{value_negative,-{number}}}")),
        Ok(fit) if fit <= TTL_MS_MAX => Ok(fit),
        _ => Err(format!("{{value_too_large,{number}}}")),
    }
}

/// Bytes as Erlang prints a list of characters: `"s"`, or `[1,2]` where one of them cannot be printed.
fn characters(bytes: &[u8]) -> String {
    let mut text = String::from("\"");
    for byte in bytes {
        match byte {
            b'"' => text.push_str("\\\""),
            b'\\' => text.push_str("\\\\"),
            b'\n' => text.push_str("\\n"),
            b'\r' => text.push_str("\\r"),
            b'\t' => text.push_str("\\t"),
            b' '..=b'~' | 0xa0.. => text.push(char::from(*byte)),
            _ => {
                let numbers: Vec<String> = bytes.iter().map(u8::to_string).collect();
                return format!("[{}]", numbers.join(","));
            }
        }
    }
    text.push('"');
    text
}
