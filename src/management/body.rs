//! Bodies of requests: read before a worker is asked for, within bounds of size, time and memory that all requests share; and what
//! is left of one that nobody wants is read away, so that the connection can go on.

use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody};
use axum::http::StatusCode;
use http_body_util::BodyExt;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::Refusal;

/// Bytes of all bodies that are being read or worked on, at least; others wait.
pub const SHARED_BYTES: usize = 64 * 1024 * 1024;
/// What one permit stands for.
const UNIT: usize = 4096;
/// Bytes of an unwanted body that are read away.
const UNWANTED_BYTES: u64 = 256 * 1024;
/// Time for that.
const UNWANTED_PATIENCE: Duration = Duration::from_secs(1);

/// The room that all bodies share; any one body fits.
pub fn room(most: usize) -> Arc<Semaphore> {
    let bytes = SHARED_BYTES.max(most.saturating_add(UNIT));
    Arc::new(Semaphore::new((bytes / UNIT).min(Semaphore::MAX_PERMITS)))
}

/// A body, and its share of the room.
#[derive(Default)]
pub struct Read {
    pub bytes: Bytes,
    pub place: Option<OwnedSemaphorePermit>,
}

/// The whole body, if it is short enough and comes in time.
pub async fn read(
    body: Body,
    most: usize,
    patience: Duration,
    room: &Arc<Semaphore>,
) -> Result<Read, Refusal> {
    match tokio::time::timeout(patience, collect(body, most, room)).await {
        Ok(read) => read,
        Err(_) => Err(Refusal::new(
            StatusCode::REQUEST_TIMEOUT,
            "request_timeout",
            "the request's body did not come in time",
        )),
    }
}

async fn collect(mut body: Body, most: usize, room: &Arc<Semaphore>) -> Result<Read, Refusal> {
    let too_large = || Refusal::bad("Exceeded HTTP request body size limit");
    if body.size_hint().lower() > most as u64 {
        return Err(too_large());
    }
    let mut bytes = Vec::new();
    let mut place: Option<OwnedSemaphorePermit> = None;
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| Refusal::bad("the request's body is broken"))?;
        let Ok(data) = frame.into_data() else {
            continue;
        };
        if bytes.len() + data.len() > most {
            return Err(too_large());
        }
        let held = place.as_ref().map_or(0, OwnedSemaphorePermit::num_permits);
        let wanted = (bytes.len() + data.len()).div_ceil(UNIT) - held;
        if wanted > 0 {
            // Whoever sends slowly holds no more than what has come.
            let wanted = u32::try_from(wanted).map_err(|_| too_large())?;
            let more = Arc::clone(room).acquire_many_owned(wanted).await;
            let more = more.map_err(|_| too_large())?;
            match &mut place {
                Some(place) => place.merge(more),
                None => place = Some(more),
            }
        }
        bytes.extend_from_slice(&data);
    }
    Ok(Read {
        bytes: bytes.into(),
        place,
    })
}

/// Reads a body away, if it is short. What is longer costs the client its connection.
pub async fn drop_unwanted(mut body: Body) {
    if body.size_hint().lower() > UNWANTED_BYTES {
        return;
    }
    let away = async {
        let mut bytes = 0;
        while let Some(Ok(frame)) = body.frame().await {
            bytes += frame.data_ref().map_or(0, Bytes::len) as u64;
            if bytes > UNWANTED_BYTES {
                break;
            }
        }
    };
    let _ = tokio::time::timeout(UNWANTED_PATIENCE, away).await;
}
