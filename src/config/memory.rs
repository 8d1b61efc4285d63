//! How many agents this machine can hold.

use std::fs;
use std::num::NonZeroUsize;

/// What one real agent may take: 200 to 600 MB were measured, and a machine that swaps serves nobody.
const BYTES_PER_RUN: u64 = 600 * 1024 * 1024;

/// Runs at once, when the machine does not tell how much memory it has (as on macOS, where only a system call does).
const UNKNOWN_MEMORY: u64 = 4 * BYTES_PER_RUN;

/// How many runs fit into this machine's memory, or into the memory that its container may use: at least 2.
pub(super) fn runs_that_fit() -> NonZeroUsize {
    let machine = fs::read_to_string("/proc/meminfo").ok().as_deref().and_then(total_of_meminfo);
    let container = fs::read_to_string("/sys/fs/cgroup/memory.max").ok().and_then(|text| text.trim().parse().ok());
    runs_in([machine, container].into_iter().flatten().min().unwrap_or(UNKNOWN_MEMORY))
}

fn runs_in(bytes: u64) -> NonZeroUsize {
    let runs = usize::try_from(bytes / BYTES_PER_RUN).unwrap_or(usize::MAX);
    NonZeroUsize::new(runs.max(2)).unwrap_or(NonZeroUsize::MIN)
}

/// The line `MemTotal:       16384256 kB`.
fn total_of_meminfo(text: &str) -> Option<u64> {
    let kilobytes: u64 = text.lines().find_map(|line| line.strip_prefix("MemTotal:"))?.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kilobytes.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_at_once_follow_the_memory_and_are_at_least_two() {
        assert_eq!(runs_in(0).get(), 2);
        assert_eq!(runs_in(6 * 1024 * 1024 * 1024).get(), 10);
        assert_eq!(total_of_meminfo("MemFree: 1 kB\nMemTotal:       2048 kB\n"), Some(2048 * 1024));
        assert_eq!(total_of_meminfo("MemTotal: much\n"), None);
    }
}
