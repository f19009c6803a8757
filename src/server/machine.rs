//! What the HTTP door asks of the process: memory, disk, descriptors, listeners. `mod.rs` makes the door here.

use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use tokio::runtime::Handle;

use super::app::App;
use super::core::Core;
use super::memory;
use crate::config::{Config, Watermark, read_size};
use crate::management::{Door, Gauges, Listener, Machine, Settings, Threshold};
use crate::store::disk::Directory;

/// Limits that operators may change; the monitors look at them.
pub struct Limits {
    /// All memory that there is.
    total: u64,
    /// Bytes above which publishers are blocked.
    pub memory: Arc<AtomicU64>,
    /// Free bytes of the disk below which they are.
    pub disk: Arc<AtomicU64>,
}

impl Limits {
    /// Those of the configuration.
    pub fn new(config: &Config) -> Self {
        let total = memory::total(&config.memory);
        let bytes = |setting| Arc::new(AtomicU64::new(memory::watermark(setting, total)));
        Self {
            total,
            memory: bytes(config.memory.watermark),
            disk: bytes(config.storage.free_limit),
        }
    }

    fn set(&self, limit: &AtomicU64, threshold: &Threshold) -> Result<(), String> {
        let setting = match threshold {
            Threshold::Part(part) => Watermark::Relative(*part),
            Threshold::Size(text) => {
                let bytes = read_size(text);
                Watermark::Absolute(bytes.ok_or_else(|| format!("not a size: {text}"))?)
            }
        };
        limit.store(memory::watermark(setting, self.total), Ordering::Relaxed);
        Ok(())
    }
}

/// The door to the broker of `core`, which is served on `http`; `app` is what it stops and starts.
pub fn door(
    config: &Config,
    core: &Arc<Core>,
    app: &Arc<App>,
    limits: Limits,
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
    let http = http.iter().filter_map(|socket| socket.local_addr().ok());
    let process = Process {
        limits,
        data_dir: config.data_dir.clone(),
        app: Arc::clone(app),
        http: http.collect(),
    };
    Door::new(Arc::clone(core.broker()), settings, Box::new(process))
}

fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| u64::try_from(since.as_millis()).unwrap_or(0))
}

struct Process {
    limits: Limits,
    data_dir: PathBuf,
    app: Arc<App>,
    http: Vec<SocketAddr>,
}

impl Machine for Process {
    fn gauges(&self) -> Gauges {
        let open = std::fs::read_dir("/proc/self/fd").map_or(0, Iterator::count);
        Gauges {
            memory_used: memory::used(),
            memory_limit: self.limits.memory.load(Ordering::Relaxed),
            disk_free: Directory::free(&self.data_dir).unwrap_or(0),
            disk_limit: self.limits.disk.load(Ordering::Relaxed),
            descriptors_used: open as u64,
            descriptors_max: rlimit::getrlimit(rlimit::Resource::NOFILE)
                .map_or(0, |(soft, _)| soft),
        }
    }

    fn listeners(&self) -> Vec<Listener> {
        let listener = |protocol| {
            move |address: &SocketAddr| Listener {
                protocol,
                address: *address,
            }
        };
        let amqp = self.app.addresses().iter().map(listener("amqp"));
        amqp.chain(self.http.iter().map(listener("http"))).collect()
    }

    fn stop_amqp(&self) {
        Handle::current().block_on(self.app.pause(super::GOODBYE_MAX));
    }

    fn start_amqp(&self) -> Result<(), String> {
        Handle::current().block_on(self.app.resume())
    }

    fn set_memory_limit(&self, threshold: &Threshold) -> Result<(), String> {
        self.limits.set(&self.limits.memory, threshold)
    }

    fn set_disk_limit(&self, threshold: &Threshold) -> Result<(), String> {
        self.limits.set(&self.limits.disk, threshold)
    }

    fn data_dir(&self) -> String {
        self.data_dir.display().to_string()
    }
}
