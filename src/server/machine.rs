//! What the HTTP door asks of the process: memory, disk, descriptors, listeners. `mod.rs` makes the door here.

use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use super::core::Core;
use super::memory;
use crate::config::Config;
use crate::management::{Door, Gauges, Listener, Machine, Settings};
use crate::store::disk::Directory;

/// The door to the broker of `core`, which is served on `http`; `amqp` is shown in it.
pub fn door(
    config: &Config,
    core: &Arc<Core>,
    amqp: &[TcpListener],
    http: &[TcpListener],
) -> Arc<Door> {
    let management = &config.management;
    let settings = Settings {
        body_bytes_max: usize::try_from(management.body_bytes_max).unwrap_or(usize::MAX),
        path_prefix: management.path_prefix.clone(),
        idle_timeout: management.idle_timeout,
        node_name: config.node_name.clone(),
        cluster_name: config.cluster_name.clone(),
        product_name: config.product_name.clone(),
        product_version: config.product_version.clone(),
        started_ms: now_ms(),
    };
    let address = |socket: &TcpListener| socket.local_addr().ok();
    let listener = |protocol| move |address: SocketAddr| Listener { protocol, address };
    let mut listeners: Vec<Listener> = amqp
        .iter()
        .filter_map(address)
        .map(listener("amqp"))
        .collect();
    listeners.extend(http.iter().filter_map(address).map(listener("http")));
    let total = memory::total(&config.memory);
    let process = Process {
        memory_limit: memory::watermark(config.memory.watermark, total),
        disk_limit: memory::watermark(config.storage.free_limit, total),
        data_dir: config.data_dir.clone(),
        listeners,
    };
    Door::new(Arc::clone(core.broker()), settings, Box::new(process))
}

fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| u64::try_from(since.as_millis()).unwrap_or(0))
}

struct Process {
    memory_limit: u64,
    disk_limit: u64,
    data_dir: PathBuf,
    listeners: Vec<Listener>,
}

impl Machine for Process {
    fn gauges(&self) -> Gauges {
        let open = std::fs::read_dir("/proc/self/fd").map_or(0, Iterator::count);
        Gauges {
            memory_used: memory::used(),
            memory_limit: self.memory_limit,
            disk_free: Directory::free(&self.data_dir).unwrap_or(0),
            disk_limit: self.disk_limit,
            descriptors_used: open as u64,
            descriptors_max: rlimit::getrlimit(rlimit::Resource::NOFILE)
                .map_or(0, |(soft, _)| soft),
        }
    }

    fn listeners(&self) -> Vec<Listener> {
        self.listeners.clone()
    }

    fn data_dir(&self) -> String {
        self.data_dir.display().to_string()
    }
}
