//! What the system knows of processes: their time and their memory.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::Context as _;

/// Clock ticks a second, as `/proc` counts them on every Linux there is.
const TICKS: f64 = 100.0;

/// Processor time of a process so far, of user and system together, in seconds. Its children are not in it.
pub(super) fn cpu(pid: u32) -> Option<f64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // After the name, which may hold anything: state is field 3, utime 14, stime 15 (`man 5 proc_pid_stat`).
    let mut fields = stat.rsplit_once(')')?.1.split_ascii_whitespace().skip(11);
    let user: u64 = fields.next()?.parse().ok()?;
    let system: u64 = fields.next()?.parse().ok()?;
    Some((user + system) as f64 / TICKS)
}

/// Resident memory of a process, in bytes.
pub(super) fn resident(pid: u32) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib * 1024)
}

/// The memory that only this process has, in bytes: of a program that runs many times, its code is counted nowhere.
pub(super) fn private(pid: u32) -> Option<u64> {
    let rollup = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).ok()?;
    let kib = |name: &str| -> Option<u64> {
        let line = rollup.lines().find_map(|line| line.strip_prefix(name))?;
        line.trim().strip_suffix("kB")?.trim().parse().ok()
    };
    Some((kib("Private_Clean:")? + kib("Private_Dirty:")?) * 1024)
}

/// Processes that run the server's program, but are not the server: what it starts beside each agent. Whoever only passes through
/// the program on the way to becoming an agent is among them for that moment.
pub(super) fn helpers(server: u32, program: &Path) -> Vec<u32> {
    let Ok(entries) = fs::read_dir("/proc") else { return Vec::new() };
    let numbers = entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<u32>().ok());
    let runs_it = |pid: &u32| fs::read_link(format!("/proc/{pid}/exe")).is_ok_and(|exe| exe == program);
    numbers.filter(|pid| *pid != server).filter(runs_it).collect()
}

/// Looks at the helpers again and again, since one that has ended tells nothing more.
pub(super) struct Watch {
    seen: Arc<Mutex<BTreeMap<u32, f64>>>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
    look: Arc<dyn Fn() -> BTreeMap<u32, f64> + Send + Sync>,
}

/// Between two looks: a look costs a tenth of a millisecond for each process of the machine.
const INTERVAL: Duration = Duration::from_millis(250);

impl Watch {
    /// Begins to look.
    pub(super) fn begin(server: u32, program: PathBuf) -> anyhow::Result<Self> {
        let look = move || helpers(server, &program).into_iter().filter_map(|pid| Some((pid, cpu(pid)?))).collect();
        let look: Arc<dyn Fn() -> BTreeMap<u32, f64> + Send + Sync> = Arc::new(look);
        let (seen, stop) = (Arc::new(Mutex::new(look())), Arc::new(AtomicBool::new(false)));
        let thread = {
            let (look, seen, stop) = (Arc::clone(&look), Arc::clone(&seen), Arc::clone(&stop));
            let watch = move || {
                while !stop.load(Ordering::Relaxed) {
                    std::thread::park_timeout(INTERVAL);
                    seen.lock().unwrap_or_else(PoisonError::into_inner).extend(look());
                }
            };
            std::thread::Builder::new().name("watch".into()).spawn(watch).context("no thread")?
        };
        Ok(Self { seen, stop, thread: Some(thread), look })
    }

    /// Processor time of all helpers so far, in seconds.
    pub(super) fn cpu(&self) -> f64 {
        let now = (self.look)();
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.extend(now);
        seen.values().sum()
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            thread.thread().unpark();
            let _ = thread.join();
        }
    }
}
