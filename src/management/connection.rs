//! One HTTP connection: hyper's, with bounds on what it may hold and how long it may be silent.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;

use axum::body::Body;
use axum::http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpStream;
use tower_service::Service;

use super::Door;
use super::stall::Stall;

/// Bytes of a connection's read buffer, which a request's head must fit.
const HEAD_BYTES_MAX: usize = 32 * 1024;

/// Where a request comes from.
#[derive(Clone, Copy)]
pub struct Peer(pub SocketAddr);

/// Serves one accepted connection to its end.
pub async fn serve(stream: TcpStream, peer: SocketAddr, door: Arc<Door>) {
    let Ok(_place) = Arc::clone(&door.connections).try_acquire_owned() else {
        tracing::warn!(%peer, "closing HTTP connection: there are {} already", super::CONNECTIONS_MAX);
        return;
    };
    let router = door.router.clone();
    let service = service_fn(move |request: Request<Incoming>| {
        let mut request = request.map(Body::new);
        request.extensions_mut().insert(Peer(peer));
        let mut router = router.clone();
        async move {
            let response = router.call(request).await;
            Ok::<_, Infallible>(response.unwrap_or_else(|never| match never {}))
        }
    });
    let patience = door.settings.idle_timeout;
    let mut stop = door.stop.subscribe();
    drop(door);
    let serving = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(patience)
        .max_buf_size(HEAD_BYTES_MAX)
        .serve_connection(TokioIo::new(Stall::new(stream, patience)), service);
    let mut serving = std::pin::pin!(serving);
    // How it ends is the client's business: bad requests are answered by hyper, and whoever goes away has gone.
    tokio::select! {
        _ = serving.as_mut() => return,
        _ = stop.wait_for(|stop| *stop) => {}
    }
    serving.as_mut().graceful_shutdown();
    let _ = serving.await;
}
