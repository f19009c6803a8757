//! From a request to its handler: path, method, login, tags, body, worker, and a panic that costs no more than its request.

use std::sync::{Arc, Weak};

use axum::Router;
use axum::body::Body;
use axum::extract::{FromRequestParts, RawPathParams};
use axum::http::request::Parts;
use axum::http::{HeaderValue, Method, Request, Response, StatusCode, header};
use axum::routing::any;

use super::connection::Peer;
use super::login;
use super::routes::{Handler, ROUTES, Route, Verb};
use super::{Answer, BODY_BYTES, Call, Door, Refusal, answer, body};
use crate::auth::User;

/// All routes under the prefix.
pub fn router(door: &Weak<Door>, prefix: &str) -> Router {
    let mut router = Router::new();
    for route in ROUTES {
        let served = {
            let door = Weak::clone(door);
            any(move |request: Request<Body>| {
                let door = Weak::clone(&door);
                async move {
                    match door.upgrade() {
                        Some(door) => respond(door, route, request).await,
                        None => answer::empty(StatusCode::SERVICE_UNAVAILABLE),
                    }
                }
            })
        };
        // As RabbitMQ, a slash at the end makes no difference.
        let path = format!("{prefix}/api{}", route.path);
        router = router.route(&format!("{path}/"), served.clone());
        router = router.route(&path, served);
    }
    router.fallback(async |request: Request<Body>| {
        drop_body(request).await;
        Refusal::missing().into_response()
    })
}

async fn respond(door: Arc<Door>, route: &'static Route, request: Request<Body>) -> Response<Body> {
    let method = request.method().clone();
    let name = match method {
        Method::HEAD => "GET",
        ref method => method.as_str(),
    };
    let found = route.handlers.iter().find(|row| row.verb.name() == name);
    let Some(row) = found else {
        let status = if method == Method::OPTIONS {
            StatusCode::OK
        } else {
            StatusCode::METHOD_NOT_ALLOWED
        };
        let mut response = answer::empty(status);
        if let Ok(allow) = HeaderValue::from_str(&route.allows()) {
            response.headers_mut().insert(header::ALLOW, allow);
        }
        drop_body(request).await;
        return response;
    };
    match call(door, route, row, request).await {
        Ok(answer) => answer.into_response(),
        Err(refusal) => refusal.into_response(),
    }
}

/// What nobody wants of a request, so that the connection can go on; unless the client waits to be asked for it.
async fn drop_body(request: Request<Body>) {
    if !request.headers().contains_key(header::EXPECT) {
        body::drop_unwanted(request.into_body()).await;
    }
}

/// A request that may be worked on, but for its body.
struct Admitted {
    user: Arc<User>,
    params: Vec<(String, String)>,
    query: Vec<(String, String)>,
    content_type: Option<String>,
    reason: Option<String>,
}

/// Whether the caller may use the route at all.
async fn admit(door: &Door, row: &Handler, parts: &mut Parts) -> Result<Admitted, Refusal> {
    let params = match RawPathParams::from_request_parts(parts, &()).await {
        Ok(params) => owned(params.iter()),
        Err(_) => return Err(Refusal::missing()),
    };
    let Some(Peer(peer)) = parts.extensions.get::<Peer>().copied() else {
        return Err(Refusal::missing());
    };
    let user = login::log_in(&door.broker, &parts.headers, peer)?;
    let header = |name: &str| {
        let value = parts.headers.get(name)?;
        Some(String::from_utf8_lossy(value.as_bytes()).into_owned())
    };
    let named = params.iter().find(|(name, _)| name == "vhost");
    let vhost = named.map(|(_, vhost)| vhost.clone());
    let vhost = vhost.or_else(|| header("x-vhost").filter(|vhost| !vhost.is_empty()));
    login::check(&door.broker, &user, row.who, vhost.as_deref())?;
    Ok(Admitted {
        user,
        params,
        query: super::json::query(parts.uri.query().unwrap_or("")),
        content_type: header("content-type"),
        reason: header("x-reason"),
    })
}

async fn call(
    door: Arc<Door>,
    route: &'static Route,
    row: &'static Handler,
    request: Request<Body>,
) -> Result<Answer, Refusal> {
    let (mut parts, body) = request.into_parts();
    let admitted = admit(&door, row, &mut parts).await;
    let takes_body = admitted.is_ok() && row.verb != Verb::Get;
    let read = if takes_body {
        let most = if route.large_bodies {
            door.settings.body_bytes_max
        } else {
            BODY_BYTES.min(door.settings.body_bytes_max)
        };
        // No worker waits for a slow client.
        body::read(body, most, door.settings.idle_timeout, &door.bodies).await?
    } else {
        drop_body(Request::from_parts(parts, body)).await;
        body::Read::default()
    };
    let admitted = admitted?;
    // Work is done a few at a time.
    let workers = Arc::clone(&door.workers);
    let Ok(worker) = workers.acquire_owned().await else {
        return Err(Refusal::missing());
    };
    let call = Call {
        door,
        user: admitted.user,
        params: admitted.params,
        query: admitted.query,
        body: read.bytes,
        content_type: admitted.content_type,
        reason: admitted.reason,
    };
    let (handler, changes) = (row.handler, row.verb != Verb::Get);
    let done = tokio::task::spawn_blocking(move || {
        let (_worker, _place) = (worker, read.place);
        let answer = handler(&call)?;
        if changes {
            // What was said to be done outlives a crash.
            let receipt = call.broker().definitions().receipt();
            super::wait::for_disk(call.broker(), receipt)?;
        }
        Ok(answer)
    });
    let answer = done.await.unwrap_or_else(|_| {
        tracing::error!("the handler of {} panicked", route.path);
        let status = StatusCode::INTERNAL_SERVER_ERROR;
        let reason = "the request could not be finished; the log says why";
        Err(Refusal::new(status, "internal_server_error", reason))
    });
    match answer? {
        Answer::Later(later) => later.await,
        answer => Ok(answer),
    }
}

fn owned<'a>(params: impl Iterator<Item = (&'a str, &'a str)>) -> Vec<(String, String)> {
    params
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}
