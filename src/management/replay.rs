//! Leveret's own route for messages that stay readable: once more into a queue.

use std::sync::Arc;

use serde_json::{Value, json};
use tokio::sync::OwnedSemaphorePermit;

use super::dead_letters::{REDRIVES_MAX, queue, retained};
use super::json::to_value;
use super::pace::Pace;
use super::{Answer, Call, Door, NO_CONNECTION, Refusal, wait};
use crate::auth::Verb;
use crate::broker::replay::{Replay, Stopped};
use crate::queue::Queue;
use crate::queue::arguments::QueueKind;
use crate::queue::stream::offset::OffsetSpec;

/// What is asked for.
struct Order {
    from: OffsetSpec,
    to: Option<String>,
    partition: usize,
    most: u64,
    /// Messages a second.
    rate: Option<f64>,
}

fn order(call: &Call) -> Result<Order, Refusal> {
    let mut order = Order {
        from: OffsetSpec::First,
        to: None,
        partition: 0,
        most: u64::MAX,
        rate: None,
    };
    for (name, value) in &call.object()? {
        let bad = |what: &str| Refusal::bad(format!("{name} must be {what}"));
        match name.as_str() {
            "offset" => {
                let parsed = OffsetSpec::parse(&to_value(value)?);
                order.from =
                    parsed.map_err(|why| Refusal::bad(format!("invalid offset: {why}")))?;
            }
            "timestamp" => {
                let seconds = value
                    .as_u64()
                    .ok_or_else(|| bad("seconds since the epoch"))?;
                order.from = OffsetSpec::Since(seconds.saturating_mul(1000));
            }
            "to" => {
                let to = value.as_str().ok_or_else(|| bad("the name of a queue"))?;
                order.to = Some(to.to_owned());
            }
            "partition" => {
                let number = value.as_u64().ok_or_else(|| bad("a number"))?;
                order.partition = usize::try_from(number).unwrap_or(usize::MAX);
            }
            "count" => {
                let count = value.as_u64().filter(|count| *count > 0);
                order.most = count.ok_or_else(|| bad("a whole number above 0"))?;
            }
            "rate" => {
                let rate = value.as_f64().filter(|rate| *rate > 0.0);
                let rate = rate.ok_or_else(|| bad("a number of messages a second above 0"))?;
                order.rate = Some(rate);
            }
            _ => return Err(Refusal::bad(format!("unknown field: {name}"))),
        }
    }
    Ok(order)
}

/// Where the messages come from: a stream, one of its partitions, or what a queue retains.
fn source(queue: &Arc<Queue>, partition: usize) -> Result<Arc<Queue>, Refusal> {
    if queue.kind != QueueKind::Stream {
        return retained(queue).cloned();
    }
    match queue.partitions() {
        [] => Ok(Arc::clone(queue)),
        parts => parts
            .get(partition)
            .cloned()
            .ok_or_else(|| Refusal::bad(format!("partition must be below {}", parts.len()))),
    }
}

/// POST /leveret/queues/vhost/name/replay. It goes on until it is done, or the client hangs up.
pub fn replay(call: &Call) -> Result<Answer, Refusal> {
    let (vhost, queue) = queue(call)?;
    let order = order(call)?;
    let source = source(&queue, order.partition)?;
    let target = match &order.to {
        Some(to) => vhost.usable_queue(to, NO_CONNECTION)?,
        None if queue.kind == QueueKind::Stream => {
            return Err(Refusal::bad("to, the name of a queue, must be given"));
        }
        None => queue,
    };
    // As far as permissions go it is published to the default exchange.
    call.access(&vhost)?.exchange(Verb::Write, "")?;
    let Ok(place) = Arc::clone(&call.door.redrives).try_acquire_owned() else {
        return Err(Refusal::unavailable(format!(
            "there are {REDRIVES_MAX} redrives and replays already"
        )));
    };
    let broker = Arc::clone(call.broker());
    let replay = Replay::new(broker, source, target, order.from, order.most);
    let replay = replay.ok_or_else(Refusal::missing)?;
    let door = Arc::clone(&call.door);
    Ok(Answer::Later(Box::pin(go_on(
        door, replay, order.rate, place,
    ))))
}

/// Step by step, no thread held in between.
async fn go_on(
    door: Arc<Door>,
    mut replay: Replay,
    rate: Option<f64>,
    place: OwnedSemaphorePermit,
) -> Result<Answer, Refusal> {
    let pace = Pace::new(rate);
    let stopped = loop {
        if door.broker.is_stopping() {
            let reason = "the broker stops; what was placed stays";
            return Err(Refusal::unavailable(reason));
        }
        let room = pace.room(replay.placed()).await;
        if room == 0 {
            continue;
        }
        let step = tokio::task::spawn_blocking(move || {
            let stopped = replay.step(room as usize);
            (replay, stopped)
        });
        let stopped;
        (replay, stopped) = step.await.map_err(|_| {
            tracing::error!("a replay panicked");
            Refusal::unavailable("the replay could not be finished; the log says why")
        })?;
        if let Some(stopped) = stopped {
            break stopped;
        }
    };
    drop(place);
    let done = tokio::task::spawn_blocking(move || {
        wait::for_disk(&door.broker, replay.receipt())?;
        let answer: Value = json!({
            "placed": replay.placed(),
            "complete": stopped == Stopped::Done,
        });
        Ok(Answer::Json(answer))
    });
    done.await.unwrap_or_else(|_| Err(Refusal::missing()))
}
