//! Leveret's own routes for dead letters: a look at a queue's messages that changes nothing, also at those that a delayed message
//! exchange holds, and the way of dead letters back to the queues that they died in.

use std::sync::Arc;

use axum::http::StatusCode;
use serde_json::{Map, Value, json};
use tokio::sync::OwnedSemaphorePermit;

use super::messages::{ANSWER_BYTES_MAX, show};
use super::pace::{PAUSE, Pace};
use super::{Answer, Call, Door, NO_CONNECTION, Refusal, wait};
use crate::auth::Verb;
use crate::broker::hidden::Purpose;
use crate::broker::redrive::{Filter, Next, Redrive};
use crate::broker::vhost::Vhost;
use crate::queue::Queue;
use crate::queue::arguments::QueueKind;
use crate::queue::paging::browse::Seen;
use crate::store::Receipt;

/// Messages that one peek shows, and where nothing is said.
const PEEK_MAX: u64 = 1000;
const PEEK_DEFAULT: u64 = 10;
/// Messages that one peek passes over; `from` leads farther.
const OFFSET_MAX: u64 = 100_000;
/// Messages and bytes that lie in memory at once for a peek, about.
const PAGE_MESSAGES: usize = 256;
const PAGE_BYTES: usize = 8 * 1024 * 1024;
/// Redrives at a time.
pub const REDRIVES_MAX: usize = 8;

/// The queue that the path names, for somebody who may read it.
pub fn queue(call: &Call) -> Result<(Arc<Vhost>, Arc<Queue>), Refusal> {
    let vhost = call.vhost()?;
    let name = call.param("name");
    vhost.queue(name).ok_or_else(Refusal::missing)?;
    call.access(&vhost)?.queue(Verb::Read, name)?;
    let queue = vhost.usable_queue(name, NO_CONNECTION)?;
    Ok((vhost, queue))
}

fn number(call: &Call, name: &str, default: u64, most: u64) -> Result<u64, Refusal> {
    let Some(text) = call.query(name) else {
        return Ok(default);
    };
    let number = text.parse().ok().filter(|number| *number <= most);
    number.ok_or_else(|| Refusal::bad(format!("{name} must be a number from 0 to {most}")))
}

/// GET /leveret/queues/vhost/name/peek. Of a stream with partitions it shows the one that `partition` names.
pub fn peek(call: &Call) -> Result<Answer, Refusal> {
    let (_, queue) = queue(call)?;
    let queue = match queue.partitions() {
        [] => queue,
        parts => {
            let most = parts.len() as u64 - 1;
            let at = number(call, "partition", 0, most)? as usize;
            Arc::clone(&parts[at])
        }
    };
    look(call, &queue, "expires_at")
}

/// GET /leveret/queues/vhost/name/acked: the same for what a queue retains of what was acknowledged.
pub fn acked(call: &Call) -> Result<Answer, Refusal> {
    let (_, queue) = queue(call)?;
    look(call, retained(&queue)?, "expires_at")
}

/// The stream of what a queue retains.
pub fn retained(queue: &Queue) -> Result<&Arc<Queue>, Refusal> {
    queue.acked().ok_or_else(|| {
        let resource = queue.resource();
        Refusal::bad(format!("{resource} has no x-retain-acked"))
    })
}

/// GET /leveret/exchanges/vhost/name/peek: what a delayed message exchange holds, in the order in which it came.
pub fn peek_exchange(call: &Call) -> Result<Answer, Refusal> {
    let vhost = call.vhost()?;
    let name = call.param("exchange");
    let exchange = vhost.exchange(name).ok_or_else(Refusal::missing)?;
    call.access(&vhost)?.exchange(Verb::Read, name)?;
    let held = exchange.hidden(Purpose::Delay).ok_or_else(|| {
        Refusal::bad(format!(
            "exchange '{name}' holds no messages: its type is not x-delayed-message"
        ))
    })?;
    look(call, &held, "due_at")
}

/// Messages of a queue, each with its time under the name `time`.
fn look(call: &Call, queue: &Arc<Queue>, time: &str) -> Result<Answer, Refusal> {
    let count = number(call, "count", PEEK_DEFAULT, PEEK_MAX)?;
    let offset = number(call, "offset", 0, OFFSET_MAX)?;
    let from = number(call, "from", 0, u64::MAX)?;
    let truncate = match call.query("truncate") {
        None => None,
        Some(_) => Some(number(call, "truncate", 0, u64::from(u32::MAX))? as usize),
    };
    let base64 = match call.query("encoding") {
        None | Some("auto") => false,
        Some("base64") => true,
        Some(_) => {
            let reason = "Unsupported encoding. Please use auto or base64.";
            return Err(Refusal::bad(reason));
        }
    };
    let mut look = Look {
        call,
        queue,
        next: Some(from),
        page: PAGE_MESSAGES / 16,
    };
    let mut left = offset;
    while left > 0 && look.next.is_some() {
        left -= look.page(left).len() as u64;
    }
    let (mut documents, mut bytes) = (Vec::new(), 0);
    while (documents.len() as u64) < count && bytes < ANSWER_BYTES_MAX && look.next.is_some() {
        for seen in look.page(count - documents.len() as u64) {
            bytes += seen.message.memory().min(truncate.unwrap_or(usize::MAX)) + 256;
            documents.push(document(&seen, time, base64, truncate));
            if bytes >= ANSWER_BYTES_MAX {
                // What follows in the page is seen again.
                look.next = Some(seen.sequence + 1);
                break;
            }
        }
    }
    Ok(Answer::Json(
        json!({"messages": documents, "next": look.next}),
    ))
}

/// Where a peek stands in its queue.
struct Look<'a> {
    call: &'a Call,
    queue: &'a Arc<Queue>,
    /// Sequence number of what comes next; `None` at the end.
    next: Option<u64>,
    /// Messages of the next page.
    page: usize,
}

impl Look<'_> {
    /// Some messages, at most `most`.
    fn page(&mut self, most: u64) -> Vec<Seen> {
        let Some(from) = self.next else {
            return Vec::new();
        };
        let most = self.page.min(usize::try_from(most).unwrap_or(usize::MAX));
        let journal = self.call.broker().journal();
        let page = self.queue.browse(from..u64::MAX, most, journal);
        self.next = page.next;
        // Large messages are looked at few at a time: those on disk are read whole.
        let bytes: usize = page.seen.iter().map(|seen| seen.message.memory()).sum();
        if let Some(each) = bytes.checked_div(page.seen.len()) {
            self.page = (PAGE_BYTES / each.max(1)).clamp(1, PAGE_MESSAGES);
        }
        page.seen
    }
}

fn document(seen: &Seen, time: &str, base64: bool, truncate: Option<usize>) -> Value {
    let mut document = Map::new();
    document.insert("sequence".into(), seen.sequence.into());
    document.insert("redelivered".into(), seen.redelivered.into());
    document.insert("delivery_count".into(), seen.returned.into());
    if let Some(expires) = seen.expires {
        document.insert(time.into(), expires.into());
    }
    show(&mut document, &seen.message, base64, truncate);
    document.into()
}

/// What a redrive is asked for.
struct Order {
    filter: Filter,
    most: u64,
    /// Messages a second.
    rate: Option<f64>,
}

/// Nothing is passed over: a mistyped filter would move everything.
fn order(object: &Map<String, Value>) -> Result<Order, Refusal> {
    let mut order = Order {
        filter: Filter::default(),
        most: u64::MAX,
        rate: None,
    };
    for (name, value) in object {
        let bad = |what: &str| Refusal::bad(format!("{name} must be {what}"));
        let text = || match value {
            Value::String(text) => Ok(Some(text.clone())),
            Value::Null => Ok(None),
            _ => Err(bad("a string")),
        };
        match name.as_str() {
            "reason" => {
                let known = ["rejected", "expired", "maxlen", "delivery_limit"];
                order.filter.reason = text()?;
                if let Some(reason) = &order.filter.reason
                    && !known.contains(&reason.as_str())
                {
                    return Err(bad(&format!("one of {}", known.join(", "))));
                }
            }
            "queue" => order.filter.queue = text()?,
            "message_id" => order.filter.message_id = text()?,
            "header" => {
                let one = value.as_object().filter(|header| header.len() == 1);
                let one = one.and_then(|header| header.iter().next());
                order.filter.header = match (value, one) {
                    (Value::Null, _) => None,
                    (_, Some((name, Value::String(text)))) => Some((name.clone(), text.clone())),
                    _ => return Err(bad("an object of one name and one string")),
                };
            }
            "count" => match value.as_u64().filter(|count| *count > 0) {
                Some(count) => order.most = count,
                None if value.is_null() => {}
                None => return Err(bad("a whole number above 0")),
            },
            "rate" => match value.as_f64().filter(|rate| *rate > 0.0) {
                rate @ Some(_) => order.rate = rate,
                None if value.is_null() => {}
                None => return Err(bad("a number of messages a second above 0")),
            },
            _ => return Err(Refusal::bad(format!("unknown field: {name}"))),
        }
    }
    Ok(order)
}

/// POST /leveret/queues/vhost/name/redrive. It goes on until it is done, or the client hangs up.
pub fn redrive(call: &Call) -> Result<Answer, Refusal> {
    let (vhost, queue) = queue(call)?;
    if queue.kind == QueueKind::Stream {
        let resource = queue.resource();
        return Err(Refusal::bad(format!("{resource} is a stream: replay it")));
    }
    let order = order(&call.object()?)?;
    // What comes back is published to the default exchange, as far as permissions go.
    call.access(&vhost)?.exchange(Verb::Write, "")?;
    let places = Arc::clone(&call.door.redrives);
    let Ok(place) = places.try_acquire_owned() else {
        return Err(Refusal::unavailable(format!(
            "there are {REDRIVES_MAX} redrives already"
        )));
    };
    let redrive = Redrive::new(
        Arc::clone(call.broker()),
        vhost,
        queue,
        order.filter,
        order.most,
    );
    let door = Arc::clone(&call.door);
    Ok(Answer::Later(Box::pin(go_on(
        door, redrive, order.rate, place,
    ))))
}

/// Step by step, no thread held in between. Dropped on the way, the redrive puts back what it holds.
async fn go_on(
    door: Arc<Door>,
    mut redrive: Redrive,
    rate: Option<f64>,
    place: OwnedSemaphorePermit,
) -> Result<Answer, Refusal> {
    let pace = Pace::new(rate);
    loop {
        if door.broker.is_stopping() {
            let reason = "the broker stops; what was not moved stays where it is";
            return Err(Refusal::unavailable(reason));
        }
        let moved = redrive.tally().moved;
        let room = pace.room(moved).await;
        if room == 0 {
            continue;
        }
        let step = tokio::task::spawn_blocking(move || {
            let next = redrive.step(room);
            (redrive, next)
        });
        let next;
        (redrive, next) = step.await.map_err(|_| {
            tracing::error!("a redrive panicked");
            let status = StatusCode::INTERNAL_SERVER_ERROR;
            let reason = "the redrive could not be finished; the log says why";
            Refusal::new(status, "internal_server_error", reason)
        })?;
        match next {
            Next::More => {}
            Next::Wait => tokio::time::sleep(PAUSE).await,
            Next::Done => break,
        }
    }
    let done = tokio::task::spawn_blocking(move || {
        let (tally, receipt, full): (_, Receipt, bool) = (
            redrive.tally().clone(),
            redrive.receipt(),
            redrive.is_full(),
        );
        // What was passed over is back in its place before anybody hears that all is done.
        drop(redrive);
        drop(place);
        wait::for_disk(&door.broker, receipt)?;
        Ok(Answer::Json(json!({
            "moved": tally.moved,
            "passed_over": tally.passed_over,
            "stranded": tally.stranded,
            "complete": !full,
        })))
    });
    done.await.unwrap_or_else(|_| Err(Refusal::missing()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(body: Value) -> Result<Order, Refusal> {
        order(body.as_object().unwrap())
    }

    #[test]
    fn what_is_not_understood_moves_nothing() {
        for body in [
            json!({"raeson": "expired"}),
            json!({"reason": "bored"}),
            json!({"reason": 5}),
            json!({"queue": ["a"]}),
            json!({"header": "a=b"}),
            json!({"header": {}}),
            json!({"header": {"a": 1}}),
            json!({"header": {"a": "b", "c": "d"}}),
            json!({"count": 0}),
            json!({"count": -1}),
            json!({"count": 1.5}),
            json!({"rate": 0}),
            json!({"rate": "fast"}),
        ] {
            assert!(parsed(body.clone()).is_err(), "{body}");
        }
        let all = parsed(json!({"header": {"a": "b"}, "count": 3, "rate": 0.5, "queue": null}));
        let all = all.unwrap();
        assert_eq!(all.filter.header, Some(("a".into(), "b".into())));
        assert_eq!((all.most, all.rate), (3, Some(0.5)));
        assert_eq!(all.filter.queue, None);
    }
}
