//! The AMQP listeners of a running process: they can be closed, with all connections, and opened again, as `rabbitmqctl stop_app` and
//! `start_app` ask for. `mod.rs` starts them and closes them at the end; `machine.rs` passes on what the HTTP API asks for.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Mutex;
use tracing::info;

use super::core::Core;
use super::listeners::{self, Accepting};
use crate::config::Tcp;

/// How often it is looked whether all connections have gone.
const STEP: Duration = Duration::from_millis(10);

/// See the module.
pub struct App {
    core: Arc<Core>,
    tcp: Tcp,
    /// Where it listens, or did.
    addresses: Vec<SocketAddr>,
    /// `None` while it does not. Held by whoever stops or starts.
    accepting: Mutex<Option<Accepting>>,
}

impl App {
    /// Those of the sockets that are bound already; nothing is accepted yet.
    pub fn new(core: &Arc<Core>, tcp: &Tcp, bound: &[std::net::TcpListener]) -> Self {
        let addresses = bound.iter().filter_map(|one| one.local_addr().ok());
        Self {
            core: Arc::clone(core),
            tcp: tcp.clone(),
            addresses: addresses.collect(),
            accepting: Mutex::new(None),
        }
    }

    /// Accepts on these sockets.
    pub async fn open(&self, bound: Vec<std::net::TcpListener>) -> Result<(), String> {
        let mut accepting = self.accepting.lock().await;
        *accepting = Some(accept(&self.core, bound)?);
        Ok(())
    }

    /// Where it listens; nowhere while it is stopped.
    pub fn addresses(&self) -> &[SocketAddr] {
        match self.core.is_paused() {
            true => &[],
            false => &self.addresses,
        }
    }

    /// Takes no new connections and closes those that there are; waits for them, up to `patience`.
    pub async fn pause(&self, patience: Duration) {
        let mut accepting = self.accepting.lock().await;
        let Some(sockets) = accepting.take() else {
            return;
        };
        info!("AMQP is being stopped: listeners and connections are closed");
        sockets.stop().await;
        self.core.pause();
        let gone = async {
            while self.core.connections() > 0 {
                tokio::time::sleep(STEP).await;
            }
        };
        let _ = tokio::time::timeout(patience, gone).await;
    }

    /// Listens again, where it did before. A port that somebody else has taken meanwhile is an error, and nothing listens.
    pub async fn resume(&self) -> Result<(), String> {
        let mut accepting = self.accepting.lock().await;
        if accepting.is_some() {
            return Ok(());
        }
        let bound = listeners::open_again(&self.addresses, &self.tcp)?;
        self.core.resume();
        *accepting = Some(accept(&self.core, bound)?);
        Ok(())
    }

    /// Accepts no more; the process ends.
    pub async fn close(&self) {
        if let Some(sockets) = self.accepting.lock().await.take() {
            sockets.stop().await;
        }
    }
}

fn accept(core: &Arc<Core>, bound: Vec<std::net::TcpListener>) -> Result<Accepting, String> {
    let core = Arc::clone(core);
    Accepting::start(bound, "amqp", move |stream, peer| {
        tokio::spawn(Arc::clone(&core).serve(stream, peer));
    })
}
