//! What a consumer may ask for in the arguments of basic.consume.

use std::sync::Arc;

use amq_protocol::types::{AMQPValue, FieldTable};

use super::{CONSUMER_TIMEOUT, QueueKind, checks, get, is_true, number};
use crate::queue::stream::filter::{self, Filter};
use crate::queue::stream::group::Terms;
use crate::queue::stream::offset::OffsetSpec;
use crate::queue::stream::{Membership, Wanted};
use crate::wire::limits::SHORT_STRING_BYTES_MAX;
use crate::wire::reply::Reply;
use crate::wire::table;

const STREAM_OFFSET: &str = "x-stream-offset";
/// The group that a stream's consumer belongs to: a name, or true for the consumer tag.
const STREAM_GROUP: &str = "x-stream-group";
/// LavinMQ's way to say that the broker is to remember where a consumer of this tag has come to.
const OFFSET_TRACKING: &str = "x-stream-automatic-offset-tracking";

/// Everything a consume asked for, checked and typed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ConsumerArguments {
    /// `x-priority`: higher is served first; 0 unless given.
    pub priority: i64,
    /// `x-consumer-timeout`, milliseconds, instead of the queue's and the broker's.
    pub timeout_ms: Option<u64>,
    /// What it asks of a stream.
    pub wanted: Wanted,
}

/// What a consumer of a queue asks for. `resource` is `queue 'q' in vhost '/'`.
pub fn parse_consumer(
    resource: &str,
    arguments: &FieldTable,
    kind: QueueKind,
) -> Result<ConsumerArguments, Reply> {
    let mut parsed = ConsumerArguments::default();
    if kind == QueueKind::Stream {
        // Before all else, as RabbitMQ does.
        parsed.wanted.offset = offset(resource, arguments)?;
        if arguments.contains_key("x-priority") {
            return Err(Reply::argument_of_other_type(
                "x-priority",
                resource,
                kind.module(),
            ));
        }
    }
    if let Some(value) = get(arguments, "x-priority") {
        parsed.priority = match table::integer(value) {
            Some(priority) => priority,
            None => {
                return Err(Reply::invalid_argument(
                    "x-priority",
                    resource,
                    &checks::expected_integer(value),
                ));
            }
        };
    }
    if let Some(value) = get(arguments, CONSUMER_TIMEOUT) {
        checks::not_negative(value, arguments)
            .map_err(|reason| Reply::invalid_argument(CONSUMER_TIMEOUT, resource, &reason))?;
        parsed.timeout_ms = number(arguments, CONSUMER_TIMEOUT);
    }
    if kind == QueueKind::Stream {
        wanted(resource, arguments, &mut parsed.wanted)?;
        return Ok(parsed);
    }
    for name in [
        "x-stream-filter",
        "x-stream-match-unfiltered",
        STREAM_OFFSET,
        STREAM_GROUP,
    ] {
        if arguments.contains_key(name) {
            return Err(Reply::argument_of_other_type(name, resource, kind.module()));
        }
    }
    Ok(parsed)
}

/// Where a consumer of a stream begins.
fn offset(resource: &str, arguments: &FieldTable) -> Result<Option<OffsetSpec>, Reply> {
    get(arguments, STREAM_OFFSET)
        .map(OffsetSpec::parse)
        .transpose()
        .map_err(|reason| Reply::invalid_argument(STREAM_OFFSET, resource, &reason))
}

/// What else a consumer asks of a stream.
fn wanted(resource: &str, arguments: &FieldTable, wanted: &mut Wanted) -> Result<(), Reply> {
    let refused =
        |name: &str, reason: String| Err(Reply::invalid_argument(name, resource, &reason));
    let name = match get(arguments, STREAM_GROUP) {
        None => is_true(arguments, OFFSET_TRACKING).then_some(None),
        Some(AMQPValue::Boolean(member)) => member.then_some(None),
        Some(AMQPValue::LongString(name)) => {
            let name = std::str::from_utf8(name.as_bytes()).unwrap_or_default();
            if name.is_empty() || name.len() > SHORT_STRING_BYTES_MAX {
                let reason = "\"expected a name of 1 to 255 bytes\"".to_owned();
                return refused(STREAM_GROUP, reason);
            }
            Some(Some(Arc::from(name)))
        }
        Some(other) => return refused(STREAM_GROUP, checks::unacceptable(other)),
    };
    let terms = match Terms::of(arguments) {
        Ok(terms) => terms,
        Err((name, reason)) => return refused(name, reason),
    };
    wanted.filter = match Filter::of(arguments) {
        Ok(filter) => filter,
        Err(reason) => return refused(filter::VALUES, reason),
    };
    wanted.group = name.map(|name| Membership { name, terms });
    Ok(())
}
