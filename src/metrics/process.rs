//! Metrics of the server process, under the names that Prometheus's own client libraries use. Without `/proc` some are missing.

use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Registry;
use rustix::process::{Resource, getrlimit};

/// Registers the current values. Blocks briefly: open file descriptors are counted by listing a directory.
pub(super) fn register(registry: &mut Registry) {
    let mut gauge = |name: &str, help: &str, value: Option<u64>| {
        if let Some(value) = value.and_then(|value| i64::try_from(value).ok()) {
            registry.register(name, help, ConstGauge::new(value));
        }
    };
    gauge("process_resident_memory_bytes", "Resident memory of the server in bytes, without its agents", resident_memory());
    gauge("process_open_fds", "Open file descriptors of the server", open_descriptors());
    gauge("process_max_fds", "Maximum number of open file descriptors", getrlimit(Resource::Nofile).current);
}

/// `VmRSS` of `proc_pid_status(5)`, which is in kibibytes.
fn resident_memory() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok()?.checked_mul(1024)
}

fn open_descriptors() -> Option<u64> {
    let open = std::fs::read_dir("/proc/self/fd").ok()?.count();
    // The listing itself uses one, which is closed again.
    u64::try_from(open.saturating_sub(1)).ok()
}
