//! CPU time and memory of processes, from `/proc`.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::Context as _;

/// Clock ticks per second in `/proc`; the same on all Linux systems.
const TICKS_PER_SEC: f64 = 100.0;

/// User and system CPU time of a process so far, in seconds, without its children.
pub(super) fn cpu(pid: u32) -> Option<f64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name in parentheses may contain anything. After it: state is field 3, utime 14, stime 15 (`man 5 proc_pid_stat`).
    let mut fields = stat.rsplit_once(')')?.1.split_ascii_whitespace().skip(11);
    let user: u64 = fields.next()?.parse().ok()?;
    let system: u64 = fields.next()?.parse().ok()?;
    Some((user + system) as f64 / TICKS_PER_SEC)
}

/// Resident memory of a process, in bytes.
pub(super) fn resident_memory(pid: u32) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib * 1024)
}

/// Memory that is not shared with other processes, in bytes. Excludes the code of a program that runs several times.
pub(super) fn private_memory(pid: u32) -> Option<u64> {
    let rollup = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).ok()?;
    let kib = |name: &str| -> Option<u64> {
        let line = rollup.lines().find_map(|line| line.strip_prefix(name))?;
        line.trim().strip_suffix("kB")?.trim().parse().ok()
    };
    Some((kib("Private_Clean:")? + kib("Private_Dirty:")?) * 1024)
}

/// Processes that run the server's program but are not the server: the shims. Includes, for a moment, processes that are about to execute an
/// agent.
pub(super) fn helpers(server: u32, program: &Path) -> Vec<u32> {
    let Ok(entries) = fs::read_dir("/proc") else { return Vec::new() };
    let pids = entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<u32>().ok());
    let runs_program = |pid: &u32| fs::read_link(format!("/proc/{pid}/exe")).is_ok_and(|exe| exe == program);
    pids.filter(|pid| *pid != server).filter(runs_program).collect()
}

/// A process and its descendants, except those whose program is in the directory `without`.
pub(super) fn tree(root: u32, without: &Path) -> Vec<u32> {
    let Ok(entries) = fs::read_dir("/proc") else { return Vec::new() };
    let pids = entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<u32>().ok());
    let parent = |pid: u32| -> Option<u32> {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        stat.rsplit_once(')')?.1.split_ascii_whitespace().nth(1)?.parse().ok()
    };
    let parents: BTreeMap<u32, u32> = pids.filter_map(|pid| Some((pid, parent(pid)?))).collect();
    let is_below = |pid: u32| std::iter::successors(Some(pid), |pid| parents.get(pid).copied()).any(|pid| pid == root);
    let counts = |pid: &u32| !fs::read_link(format!("/proc/{pid}/exe")).is_ok_and(|exe| exe.starts_with(without));
    parents.keys().copied().filter(|pid| is_below(*pid)).filter(counts).collect()
}

/// How often the threads of a process have waited so far: each wait ends with a wake-up.
pub(super) fn wake_ups(pid: u32) -> Option<u64> {
    let tasks = fs::read_dir(format!("/proc/{pid}/task")).ok()?;
    let of_task = |path: PathBuf| -> Option<u64> {
        let status = fs::read_to_string(path.join("status")).ok()?;
        status.lines().find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"))?.trim().parse().ok()
    };
    Some(tasks.filter_map(|task| of_task(task.ok()?.path())).sum())
}

/// CPU seconds by process id.
type Sample = BTreeMap<u32, f64>;

/// Samples the CPU time of the helpers periodically, because it is not available after a process has exited. Dropping it stops sampling.
pub(super) struct HelperSampler {
    totals: Arc<Mutex<Sample>>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
    sample: Arc<dyn Fn() -> Sample + Send + Sync>,
}

/// Sampling interval. One sample costs a tenth of a millisecond per process of the machine.
const INTERVAL: Duration = Duration::from_millis(250);

impl HelperSampler {
    /// Starts sampling.
    pub(super) fn start(server: u32, program: PathBuf) -> anyhow::Result<Self> {
        let sample = move || helpers(server, &program).into_iter().filter_map(|pid| Some((pid, cpu(pid)?))).collect();
        let sample: Arc<dyn Fn() -> Sample + Send + Sync> = Arc::new(sample);
        let (totals, stop) = (Arc::new(Mutex::new(sample())), Arc::new(AtomicBool::new(false)));
        let thread = {
            let (sample, totals, stop) = (Arc::clone(&sample), Arc::clone(&totals), Arc::clone(&stop));
            let sample_until_stopped = move || {
                while !stop.load(Ordering::Relaxed) {
                    std::thread::park_timeout(INTERVAL);
                    totals.lock().unwrap_or_else(PoisonError::into_inner).extend(sample());
                }
            };
            std::thread::Builder::new().name("sampler".into()).spawn(sample_until_stopped).context("could not start a thread")?
        };
        Ok(Self { totals, stop, thread: Some(thread), sample })
    }

    /// CPU time of all helpers so far, in seconds.
    pub(super) fn cpu(&self) -> f64 {
        let now = (self.sample)();
        let mut totals = self.totals.lock().unwrap_or_else(PoisonError::into_inner);
        totals.extend(now);
        totals.values().sum()
    }
}

impl Drop for HelperSampler {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            thread.thread().unpark();
            let _ = thread.join();
        }
    }
}
