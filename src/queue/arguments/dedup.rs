//! The arguments by which a queue or an exchange drops duplicates.

use amq_protocol::types::{AMQPValue, FieldTable};

use super::{Reason, checks, get, number};
use crate::queue::dedup::{Dedup, IdFrom, SIZE_DEFAULT, SIZE_MAX, WINDOW_MS_DEFAULT, Window};
use crate::wire::reply::Reply;
use crate::wire::table::{integer, type_name};

pub(super) const WINDOW: &str = "x-dedup-window";
pub(super) const SIZE: &str = "x-dedup-size";
pub(super) const HEADER: &str = "x-dedup-header";
pub(super) const HELD: &str = "x-message-deduplication";

pub(super) fn check_size(value: &AMQPValue, arguments: &FieldTable) -> Result<(), Reason> {
    checks::positive(value, arguments)?;
    match integer(value) {
        Some(size) if size > SIZE_MAX as i64 => Err(format!("{{value_too_large,{size}}}")),
        _ => Ok(()),
    }
}

pub(super) fn check_header(value: &AMQPValue, _: &FieldTable) -> Result<(), Reason> {
    match value {
        AMQPValue::LongString(name) if name.as_bytes().is_empty() => {
            Err("\"expected the name of a header\"".to_owned())
        }
        AMQPValue::LongString(_) => Ok(()),
        other => Err(format!("\"expected string, got {}\"", type_name(other))),
    }
}

/// What checked arguments of a queue ask for.
pub(super) fn of(arguments: &FieldTable) -> Option<Dedup> {
    let held = get(arguments, HELD) == Some(&AMQPValue::Boolean(true));
    let window = window(arguments);
    (held || window.is_some()).then_some(Dedup { window, held })
}

/// The window that checked arguments ask for.
pub fn window(arguments: &FieldTable) -> Option<Window> {
    let (time, size) = (number(arguments, WINDOW), number(arguments, SIZE));
    let header = match get(arguments, HEADER) {
        Some(AMQPValue::LongString(name)) => Some(name.as_bytes()),
        _ => None,
    };
    if time.is_none() && size.is_none() && header.is_none() {
        return None;
    }
    Some(Window {
        time_ms: time.or(size.is_none().then_some(WINDOW_MS_DEFAULT)),
        size: size.unwrap_or(SIZE_DEFAULT),
        from: header.map_or(IdFrom::MessageId, |name| IdFrom::Header(name.into())),
        time_header: None,
    })
}

/// Checks these arguments where an exchange has them; `resource` is the exchange in texts.
///
/// # Errors
/// 406 without class and method.
pub fn check(arguments: &FieldTable, resource: &str) -> Result<(), Reply> {
    for (name, check) in [
        (
            WINDOW,
            checks::expires as fn(&AMQPValue, &FieldTable) -> Result<(), Reason>,
        ),
        (SIZE, check_size),
        (HEADER, check_header),
    ] {
        if let Some(value) = get(arguments, name) {
            check(value, arguments)
                .map_err(|reason| Reply::invalid_argument(name, resource, &reason))?;
        }
    }
    Ok(())
}
