//! Watches the memory that the process uses and raises the alarm that blocks publishers. `mod.rs` starts and stops it.
//!
//! It looks every 50 ms while memory moves or is near the watermark, and backs off while nothing happens: one look costs a
//! few microseconds, so an idle broker stays idle.

use std::cell::Cell;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use tracing::{info, warn};

use super::core::Core;
use crate::config::{Memory, Watermark};

/// Time between two looks while memory moves or is near the watermark.
const INTERVAL_BUSY: Duration = Duration::from_millis(50);
/// The longest time between two looks, however long nothing happens: in a quarter of a second even the fastest publishers
/// fill less than a few hundred MiB. `memory_monitor_interval` may shorten it.
const INTERVAL_IDLE: Duration = Duration::from_millis(250);
/// Change between two looks that counts as movement.
const MOVED_BYTES: u64 = 1 << 20;
/// The alarm ends below this part of the watermark, in 1/16, so that it does not flutter.
const CLEAR_SIXTEENTHS: u64 = 15;
/// From this part of the watermark on, in 1/16, every look counts.
const NEAR_SIXTEENTHS: u64 = 14;
/// In a process larger than this the allocator is reminded of memory that it could give back.
const REMIND_FROM_BYTES: u64 = 32 << 20;
/// Size of the reminder: so large that the allocator gets it from its arenas directly. It is never written to.
const REMINDER_BYTES: usize = 4 << 20;

/// Asks the kernel for ordinary pages. The allocator would have huge ones, which cost an idle broker 12 MiB instead of 2 and a
/// busy one no less CPU (measured at 16 B and 1 KiB: equal, or better without).
pub fn prefer_small_pages() {
    // Where the kernel does not know this, nothing is lost but memory.
    let _ = nix::sys::prctl::set_thp_disable(true);
}

/// The thread that watches.
pub struct Monitor {
    stopping: Arc<AtomicBool>,
    thread: JoinHandle<()>,
}

impl Monitor {
    /// Starts watching `limit`, which may change.
    pub fn start(
        settings: &Memory,
        core: Arc<Core>,
        limit: Arc<AtomicU64>,
    ) -> Result<Self, String> {
        let total = total(settings);
        let watermark = limit.load(Ordering::Relaxed);
        let statm = File::open("/proc/self/statm")
            .map_err(|error| format!("cannot read /proc/self/statm: {error}"))?;
        info!(
            "memory high watermark: {} MiB of {} MiB",
            watermark >> 20,
            total >> 20
        );
        let stopping = Arc::new(AtomicBool::new(false));
        let stop = stopping.clone();
        let idle = settings.interval.min(INTERVAL_IDLE);
        let thread = std::thread::Builder::new()
            .name("memory".to_owned())
            .spawn(move || {
                let mut alarm = Alarm::new(watermark, idle);
                while !stop.load(Ordering::Relaxed) {
                    let watermark = limit.load(Ordering::Relaxed);
                    if watermark != alarm.watermark {
                        info!("memory high watermark: {} MiB", watermark >> 20);
                        alarm.watermark = watermark;
                    }
                    let step = alarm.look(resident_bytes(&statm));
                    if step.remind {
                        remind_allocator();
                    }
                    if step.collect {
                        core.ask_workers_to_collect();
                    }
                    if let Some(raised) = step.changed {
                        core.set_memory_alarm(raised);
                        tell(raised, alarm.last, watermark);
                    }
                    std::thread::park_timeout(step.wait);
                }
            })
            .map_err(|error| format!("cannot start a thread: {error}"))?;
        Ok(Monitor { stopping, thread })
    }

    /// Ends the thread.
    pub fn stop(self) {
        self.stopping.store(true, Ordering::Relaxed);
        self.thread.thread().unpark();
        let _ = self.thread.join();
    }
}

fn tell(raised: bool, used: u64, watermark: u64) {
    let (used, limit) = (used >> 20, watermark >> 20);
    if raised {
        warn!("memory alarm: {used} MiB in use, {limit} MiB allowed; publishers are blocked");
    } else {
        info!("memory alarm is over: {used} MiB in use; publishers go on");
    }
}

/// The decision, without clock and system.
struct Alarm {
    watermark: u64,
    idle: Duration,
    raised: bool,
    /// Bytes at the last look.
    last: u64,
    wait: Duration,
    /// Looks since memory moved.
    quiet: u32,
}

/// What a look leads to.
struct Step {
    /// The alarm's new state, if it changed.
    changed: Option<bool>,
    /// Time to the next look.
    wait: Duration,
    /// Whether the allocator may be sitting on free memory.
    remind: bool,
    /// Whether the workers may be: time to ask each of them.
    collect: bool,
}

/// How often the workers have been asked to give memory back.
static ASKED: AtomicU64 = AtomicU64::new(0);

thread_local! {
    /// The request that this thread has followed last.
    static FOLLOWED: Cell<u64> = const { Cell::new(0) };
}

/// Asks every worker to give free memory back when it next has nothing to do.
pub fn ask_to_collect() {
    ASKED.fetch_add(1, Ordering::Relaxed);
}

/// A worker has nothing to do: gives back what other threads have freed of its memory, if it was asked to. Messages are
/// allocated by the publisher's worker and freed by the consumer's; until the first allocates again, nobody else can return
/// them to the system (measured: 979 MiB a minute after a soak, 50 MiB with this).
pub fn collect_if_asked() {
    let asked = ASKED.load(Ordering::Relaxed);
    if FOLLOWED.replace(asked) != asked {
        #[expect(unsafe_code, reason = "the allocator offers this through C only")]
        // SAFETY: mi_collect takes no pointer and may be called at any time by any thread; it frees nothing that is in use.
        unsafe {
            libmimalloc_sys::mi_collect(true);
        }
    }
}

/// mimalloc gives freed memory back to the system a while later, when it is called again. After a large queue was deleted
/// nobody may call for long, and blocked publishers would wait for an alarm that never ends; so it is called here.
fn remind_allocator() {
    drop(std::hint::black_box(Vec::<u8>::with_capacity(
        REMINDER_BYTES,
    )));
}

impl Alarm {
    fn new(watermark: u64, idle: Duration) -> Self {
        Alarm {
            watermark,
            idle,
            raised: false,
            last: 0,
            wait: INTERVAL_BUSY.min(idle),
            quiet: 0,
        }
    }

    fn look(&mut self, used: u64) -> Step {
        let raised = if self.raised {
            used >= self.part(CLEAR_SIXTEENTHS)
        } else {
            used > self.watermark
        };
        let changed = (raised != self.raised).then_some(raised);
        self.raised = raised;
        let moved = used.abs_diff(self.last) >= MOVED_BYTES;
        let near = used >= self.part(NEAR_SIXTEENTHS);
        self.wait = if moved || near {
            INTERVAL_BUSY
        } else {
            self.wait * 2
        }
        .min(self.idle);
        let grew = used > self.last + MOVED_BYTES;
        self.last = used;
        self.quiet = if moved {
            0
        } else {
            self.quiet.saturating_add(1)
        };
        let large = used >= REMIND_FROM_BYTES;
        Step {
            // Ever less often: a large queue at rest is no reason to look for free memory for ever.
            collect: large && (4..=256).contains(&self.quiet) && self.quiet.is_power_of_two(),
            changed,
            wait: self.wait,
            remind: large && !grew,
        }
    }

    fn part(&self, sixteenths: u64) -> u64 {
        self.watermark / 16 * sixteenths
    }
}

/// Bytes that count as all of the machine's memory.
pub fn total(settings: &Memory) -> u64 {
    settings
        .total
        .unwrap_or_else(|| total_memory(Path::new("/")))
}

/// The bytes that a setting means on a machine with `total` bytes of memory.
pub fn watermark(setting: Watermark, total: u64) -> u64 {
    match setting {
        Watermark::Absolute(bytes) => bytes,
        // Precise enough: the sizes are far below 2^53.
        Watermark::Relative(part) => (total as f64 * part) as u64,
    }
}

/// Resident bytes of this process; 0 if the system does not say.
/// Bytes that the process has in memory; 0 where the system does not say.
pub fn used() -> u64 {
    File::open("/proc/self/statm").map_or(0, |statm| resident_bytes(&statm))
}

fn resident_bytes(statm: &File) -> u64 {
    let mut text = [0; 128];
    let length = statm.read_at(&mut text, 0).unwrap_or(0);
    let pages = std::str::from_utf8(&text[..length])
        .ok()
        .and_then(|text| text.split(' ').nth(1)?.parse::<u64>().ok());
    pages.unwrap_or(0) * page_bytes()
}

fn page_bytes() -> u64 {
    // Asked for once: the size of a page does not change.
    static PAGE: std::sync::OnceLock<u64> = std::sync::OnceLock::new();
    *PAGE.get_or_init(|| page_bytes_of(&std::fs::read("/proc/self/auxv").unwrap_or_default()))
}

/// AT_PAGESZ in the auxiliary vector that the kernel gives each process, read without unsafe code.
fn page_bytes_of(auxiliary: &[u8]) -> u64 {
    const AT_PAGESZ: u64 = 6;
    const USUAL: u64 = 4_096;
    let word = |bytes: &[u8]| bytes.try_into().map(u64::from_ne_bytes).unwrap_or(0);
    let mut entries = auxiliary
        .chunks_exact(16)
        .map(|entry| (word(&entry[..8]), word(&entry[8..])));
    entries
        .find(|&(kind, _)| kind == AT_PAGESZ)
        .map_or(USUAL, |(_, bytes)| bytes)
}

/// Memory that this process may have: the machine's, or less if a control group says so. `root` is `/` but in tests.
fn total_memory(root: &Path) -> u64 {
    let machine = read(root, "proc/meminfo").and_then(|text| {
        let line = text
            .lines()
            .find_map(|line| line.strip_prefix("MemTotal:"))?;
        line.trim()
            .strip_suffix("kB")?
            .trim()
            .parse::<u64>()
            .ok()?
            .checked_mul(1_024)
    });
    let groups = read(root, "proc/self/cgroup").unwrap_or_default();
    let mut limits: Vec<u64> = machine.into_iter().collect();
    for line in groups.lines() {
        let mut parts = line.splitn(3, ':');
        let (Some(_), Some(controllers), Some(path)) = (parts.next(), parts.next(), parts.next())
        else {
            continue;
        };
        let (mount, file) = match controllers {
            "" => ("sys/fs/cgroup", "memory.max"),
            list if list.split(',').any(|name| name == "memory") => {
                ("sys/fs/cgroup/memory", "memory.limit_in_bytes")
            }
            _ => continue,
        };
        // Every group above limits, too. In a container the path may not be visible, but the mount is its own group.
        let inside = Path::new(path.trim_start_matches('/'));
        for group in inside.ancestors() {
            let name = Path::new(mount).join(group).join(file);
            let limit = read(root, &name.to_string_lossy())
                .and_then(|text| text.trim().parse::<u64>().ok());
            limits.extend(limit);
        }
    }
    // A machine that says nothing is taken for a small one rather than for one without end.
    limits.into_iter().min().unwrap_or(1 << 30)
}

fn read(root: &Path, name: &str) -> Option<String> {
    std::fs::read_to_string(root.join(name)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;

    #[test]
    fn the_alarm_rises_above_the_watermark_and_ends_well_below() {
        let mut alarm = Alarm::new(160 * MIB, INTERVAL_IDLE);
        let mut look = |mib: u64| alarm.look(mib * MIB).changed;
        assert_eq!(look(100), None);
        assert_eq!(look(160), None);
        assert_eq!(look(161), Some(true));
        assert_eq!(look(170), None);
        assert_eq!(look(155), None);
        assert_eq!(look(149), Some(false));
        assert_eq!(look(155), None);
    }

    #[test]
    fn an_idle_process_is_looked_at_less_often() {
        let mut alarm = Alarm::new(1_000 * MIB, INTERVAL_IDLE);
        let waits: Vec<u128> = [10, 10, 10, 10, 10, 500, 990, 990]
            .map(|mib| alarm.look(mib * MIB).wait.as_millis())
            .into();
        assert_eq!(waits, [50, 100, 200, 250, 250, 50, 50, 50]);
        let mut alarm = Alarm::new(1_000 * MIB, Duration::from_millis(20));
        assert_eq!(alarm.look(10 * MIB).wait, Duration::from_millis(20));
    }

    #[test]
    fn a_watermark_of_zero_blocks_at_once() {
        assert_eq!(
            Alarm::new(watermark(Watermark::Relative(0.0), MIB), INTERVAL_IDLE)
                .look(MIB)
                .changed,
            Some(true)
        );
        assert_eq!(watermark(Watermark::Relative(0.5), 100), 50);
        assert_eq!(watermark(Watermark::Absolute(7), 100), 7);
    }

    #[test]
    fn this_process_has_memory() {
        let statm = File::open("/proc/self/statm").expect("Linux");
        let bytes = resident_bytes(&statm);
        assert!((MIB..64 << 30).contains(&bytes), "{bytes}");
        assert!(total_memory(Path::new("/")) >= 64 * MIB);
        assert!(page_bytes().is_power_of_two());
        assert_eq!(page_bytes_of(&[]), 4_096);
    }

    #[test]
    fn control_groups_limit_the_memory() {
        let home = tempfile::tempdir().expect("directory");
        let write = |name: &str, text: &str| {
            let path = home.path().join(name);
            std::fs::create_dir_all(path.parent().expect("has a parent")).expect("directory");
            std::fs::write(path, text).expect("written");
        };
        write("proc/meminfo", "MemTotal:  1000000 kB\nMemFree: 5 kB\n");
        assert_eq!(total_memory(home.path()), 1_024_000_000);
        write("proc/self/cgroup", "0::/a/b\n");
        write("sys/fs/cgroup/a/b/memory.max", "max\n");
        assert_eq!(total_memory(home.path()), 1_024_000_000);
        write("sys/fs/cgroup/a/memory.max", "500000000\n");
        assert_eq!(total_memory(home.path()), 500_000_000);
        write("proc/self/cgroup", "4:cpu:/x\n3:memory:/docker/1\n");
        write("sys/fs/cgroup/memory/memory.limit_in_bytes", "300000000\n");
        assert_eq!(total_memory(home.path()), 300_000_000);
        assert_eq!(total_memory(&home.path().join("nothing")), 1 << 30);
    }
}
