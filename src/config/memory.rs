//! The default number of concurrent runs, from the memory of the machine.

use std::fs;
use std::num::NonZeroUsize;

/// Memory of one agent: 200 to 600 MB were measured. Swapping would slow down every run.
const BYTES_PER_RUN: u64 = 600 * 1024 * 1024;

/// Assumed memory where `/proc/meminfo` does not exist, as on macOS.
const UNKNOWN_MEMORY: u64 = 4 * BYTES_PER_RUN;

/// Runs that fit into the memory of this machine, or of its container: at least 2.
pub(super) fn default_max_runs() -> NonZeroUsize {
    let machine = fs::read_to_string("/proc/meminfo").ok().as_deref().and_then(total_of_meminfo);
    let container = fs::read_to_string("/sys/fs/cgroup/memory.max").ok().and_then(|text| text.trim().parse().ok());
    runs_in([machine, container].into_iter().flatten().min().unwrap_or(UNKNOWN_MEMORY))
}

fn runs_in(bytes: u64) -> NonZeroUsize {
    let runs = usize::try_from(bytes / BYTES_PER_RUN).unwrap_or(usize::MAX);
    NonZeroUsize::new(runs.max(2)).unwrap_or(NonZeroUsize::MIN)
}

/// The value of the line `MemTotal:       16384256 kB`, in bytes.
fn total_of_meminfo(text: &str) -> Option<u64> {
    let kilobytes: u64 = text.lines().find_map(|line| line.strip_prefix("MemTotal:"))?.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kilobytes.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_follows_the_memory_and_is_at_least_two() {
        assert_eq!(runs_in(0).get(), 2);
        assert_eq!(runs_in(6 * 1024 * 1024 * 1024).get(), 10);
        assert_eq!(total_of_meminfo("MemFree: 1 kB\nMemTotal:       2048 kB\n"), Some(2048 * 1024));
        assert_eq!(total_of_meminfo("MemTotal: much\n"), None);
    }
}
