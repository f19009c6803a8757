//! What a process costs: CPU time and memory from /proc, sampled at the ends of an interval. Linux only, like the broker.

use super::fault::Fault;
use serde::Serialize;
use std::collections::HashMap;
use std::fs;
use std::time::Instant;

/// `USER_HZ`: the unit of CPU times in /proc/PID/stat is the same on every Linux that we run on.
const TICK_NS: u64 = 10_000_000;

/// Fewer ticks than this say nothing about user and system mode.
const SHARE_TICKS_MIN: u64 = 20;

/// One look at a process.
#[derive(Clone, Debug)]
pub struct Sample {
    at: Instant,
    user_ticks: u64,
    system_ticks: u64,
    threads: HashMap<u32, Thread>,
    /// Memory at this moment.
    pub memory: Memory,
}

#[derive(Clone, Debug)]
struct Thread {
    name: String,
    run_ns: u64,
}

/// Resident memory in KiB.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Memory {
    /// VmRSS.
    pub rss_kib: u64,
    /// VmHWM: the highest VmRSS since the process started.
    pub peak_kib: u64,
}

/// What a process used between two samples.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Usage {
    /// Wall-clock seconds between the samples.
    pub seconds: f64,
    /// CPU seconds, user and system.
    pub cpu_seconds: f64,
    /// The part of it in user mode, 0 to 1; None when there were too few ticks to tell.
    pub user_share: Option<f64>,
    /// CPU seconds a second.
    pub cores: f64,
}

/// Looks at a process now.
pub fn sample(pid: u32) -> Result<Sample, Fault> {
    let failed =
        |error: std::io::Error| Fault::from(error).doing(format!("looking at process {pid}"));
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).map_err(failed)?;
    let (user_ticks, system_ticks) = stat_ticks(&stat)
        .ok_or_else(|| Fault::new(format!("/proc/{pid}/stat is not understood")))?;
    let mut threads = HashMap::new();
    for entry in fs::read_dir(format!("/proc/{pid}/task"))
        .map_err(failed)?
        .flatten()
    {
        // A thread may end between the two reads: then it is as if it had ended before.
        let path = entry.path();
        let Some(id) = entry.file_name().to_str().and_then(|id| id.parse().ok()) else {
            continue;
        };
        let Ok(schedstat) = fs::read_to_string(path.join("schedstat")) else {
            continue;
        };
        let Ok(name) = fs::read_to_string(path.join("comm")) else {
            continue;
        };
        let run_ns = schedstat
            .split(' ')
            .next()
            .and_then(|ns| ns.parse().ok())
            .unwrap_or(0);
        threads.insert(
            id,
            Thread {
                name: name.trim_end().to_owned(),
                run_ns,
            },
        );
    }
    Ok(Sample {
        at: Instant::now(),
        user_ticks,
        system_ticks,
        threads,
        memory: memory(pid)?,
    })
}

/// Resident memory of a process now.
pub fn memory(pid: u32) -> Result<Memory, Fault> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))
        .map_err(|error| Fault::from(error).doing(format!("looking at process {pid}")))?;
    Ok(Memory {
        rss_kib: status_kib(&status, "VmRSS:"),
        peak_kib: status_kib(&status, "VmHWM:"),
    })
}

impl Sample {
    /// What was used from this sample to a later one of the same process.
    ///
    /// The scheduler counts each thread's nanoseconds, but forgets threads that ended; /proc/PID/stat remembers all, in ticks of
    /// 10 ms. The fine sum is taken unless it misses a thread.
    pub fn until(&self, later: &Sample) -> Usage {
        let seconds = (later.at - self.at).as_secs_f64();
        let user_ns = later.user_ticks.saturating_sub(self.user_ticks) * TICK_NS;
        let system_ns = later.system_ticks.saturating_sub(self.system_ticks) * TICK_NS;
        let coarse_ns = user_ns + system_ns;
        let nobody_left = self.threads.keys().all(|id| later.threads.contains_key(id));
        let fine_ns: u64 = later
            .threads
            .iter()
            .map(|(id, thread)| thread.run_ns - self.run_ns(*id).min(thread.run_ns))
            .sum();
        let tolerated_ns = 3 * TICK_NS + coarse_ns / 50;
        let cpu_ns = if nobody_left && fine_ns.abs_diff(coarse_ns) <= tolerated_ns {
            fine_ns
        } else {
            coarse_ns
        };
        let user_share =
            (coarse_ns >= SHARE_TICKS_MIN * TICK_NS).then(|| user_ns as f64 / coarse_ns as f64);
        let cpu_seconds = cpu_ns as f64 / 1e9;
        Usage {
            seconds,
            cpu_seconds,
            user_share,
            cores: if seconds > 0.0 {
                cpu_seconds / seconds
            } else {
                0.0
            },
        }
    }

    /// CPU nanoseconds from this sample to a later one, of the threads whose names begin with `prefix`.
    pub fn threads_until(&self, later: &Sample, prefix: &str) -> u64 {
        let named = later
            .threads
            .iter()
            .filter(|(_, thread)| thread.name.starts_with(prefix));
        named
            .map(|(id, thread)| thread.run_ns - self.run_ns(*id).min(thread.run_ns))
            .sum()
    }

    fn run_ns(&self, id: u32) -> u64 {
        self.threads.get(&id).map_or(0, |thread| thread.run_ns)
    }
}

/// utime and stime: the 14th and 15th field; the second, the name in parentheses, may hold blanks and parentheses itself.
fn stat_ticks(stat: &str) -> Option<(u64, u64)> {
    let after_name = &stat[stat.rfind(')')? + 1..];
    let mut fields = after_name.split_ascii_whitespace().skip(11);
    Some((fields.next()?.parse().ok()?, fields.next()?.parse().ok()?))
}

fn status_kib(status: &str, field: &str) -> u64 {
    let line = status.lines().find(|line| line.starts_with(field));
    line.and_then(|line| line.split_ascii_whitespace().nth(1))
        .and_then(|kib| kib.parse().ok())
        .unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_found_behind_a_name_with_blanks_and_parentheses() {
        let stat = "42 (a (b) c) S 1 2 3 4 5 6 7 8 9 10 777 888 0 0 20";
        assert_eq!(stat_ticks(stat), Some((777, 888)));
        assert_eq!(
            status_kib("Name:\tx\nVmHWM:\t  1234 kB\nVmRSS:\t 99 kB\n", "VmHWM:"),
            1234
        );
        assert_eq!(status_kib("Name:\tx\n", "VmRSS:"), 0);
    }

    #[test]
    fn our_own_work_shows_up() {
        let pid = std::process::id();
        let before = sample(pid).unwrap();
        let started = Instant::now();
        let mut work = 0u64;
        while started.elapsed().as_millis() < 120 {
            work = std::hint::black_box(work + 1);
        }
        let usage = before.until(&sample(pid).unwrap());
        assert!(
            usage.cpu_seconds > 0.02 && usage.seconds >= 0.12,
            "{usage:?}"
        );
        assert!(memory(pid).unwrap().rss_kib > 100);
    }

    #[test]
    fn a_missing_process_is_named() {
        assert!(
            sample(u32::MAX - 1)
                .unwrap_err()
                .to_string()
                .contains("4294967294")
        );
    }
}
