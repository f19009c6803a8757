//! Where the server meets the broker: settings are translated here, and nowhere else. `mod.rs`, `listeners` and `memory`
//! call.

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::net::TcpStream;

use crate::config::Config;

/// The broker as the server sees it.
pub struct Core {}

impl Core {
    /// A broker with the users and limits of the configuration.
    pub fn start(_config: &Config) -> Result<Self, String> {
        Ok(Core {})
    }

    /// Serves one connection to its end.
    pub async fn serve(self: Arc<Self>, _stream: TcpStream, _peer: SocketAddr) {}

    /// Connections that are open.
    pub fn connections(&self) -> usize {
        0
    }

    /// Tells all connections to close, and lets no new one in.
    pub fn shut_down(&self) {}

    /// Blocks publishers, or lets them go on.
    pub fn set_memory_alarm(&self, _raised: bool) {}
}
