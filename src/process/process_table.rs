//! All processes of the machine at one time: read once, for any number of process sets.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

#[cfg(target_os = "linux")]
use super::Marker;
#[cfg(target_os = "linux")]
use super::identity::Stat;

/// The living processes other than this one, with what leads from one to another.
#[derive(Debug, Default)]
pub(super) struct ProcessTable {
    #[cfg(target_os = "linux")]
    pub(super) stats: HashMap<i32, Stat>,
    /// Processes by the value of their marker variable. The environment of another user's process cannot be read.
    #[cfg(target_os = "linux")]
    pub(super) marked: HashMap<Vec<u8>, Vec<i32>>,
    /// Processes by parent.
    #[cfg(target_os = "linux")]
    pub(super) children: HashMap<i32, Vec<i32>>,
    /// Processes by session.
    #[cfg(target_os = "linux")]
    pub(super) sessions: HashMap<i32, Vec<i32>>,
}

impl ProcessTable {
    /// Reads `/proc`, which takes about 20 µs per process.
    #[cfg(target_os = "linux")]
    pub(super) fn read() -> Self {
        let own = std::process::id().cast_signed();
        let mut table = Self::default();
        for pid in pids().filter(|pid| *pid != own) {
            let Some(stat) = Stat::of(pid) else { continue };
            for marker in markers_of(pid) {
                table.marked.entry(marker).or_default().push(pid);
            }
            table.children.entry(stat.parent).or_default().push(pid);
            table.sessions.entry(stat.session).or_default().push(pid);
            table.stats.insert(pid, stat);
        }
        table
    }

    /// An empty table: without `/proc` processes cannot be listed.
    #[cfg(not(target_os = "linux"))]
    pub(super) fn read() -> Self {
        Self::default()
    }
}

/// The last table that was read in a process with many threads, so that all threads that need one at the same time share it.
#[derive(Debug, Default)]
pub(super) struct SharedTable {
    last: Mutex<Option<(Instant, Arc<ProcessTable>)>>,
}

impl SharedTable {
    /// An empty cache.
    pub(super) const fn new() -> Self {
        Self { last: Mutex::new(None) }
    }

    /// A table whose reading began after `since`. Blocks while `/proc` is read, so it must not be called on the runtime's threads.
    pub(super) fn read_after(&self, since: Instant) -> Arc<ProcessTable> {
        // The lock is held while the table is read: the threads that wait for it then share the result.
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((began, table)) = &*last
            && *began >= since
        {
            return Arc::clone(table);
        }
        let began = Instant::now();
        let table = Arc::new(ProcessTable::read());
        *last = Some((began, Arc::clone(&table)));
        table
    }
}

#[cfg(target_os = "linux")]
fn pids() -> impl Iterator<Item = i32> {
    std::fs::read_dir("/proc").into_iter().flatten().filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
}

/// The values of the marker variable with which the process was started. An environment can contain a variable more than once.
#[cfg(target_os = "linux")]
fn markers_of(pid: i32) -> Vec<Vec<u8>> {
    let environ = std::fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
    let value = |entry: &[u8]| Some(entry.strip_prefix(Marker::VARIABLE.as_bytes())?.strip_prefix(b"=")?.to_vec());
    environ.split(|byte| *byte == 0).filter_map(value).collect()
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;
    use crate::process::Identity;
    use crate::process::testing::sleeper;

    #[test]
    fn threads_that_need_a_table_at_the_same_time_share_one() {
        let shared = SharedTable::new();
        let requested = Instant::now();
        let first = shared.read_after(requested);
        assert!(Arc::ptr_eq(&first, &shared.read_after(requested)), "it was read after both requests");
        assert!(!Arc::ptr_eq(&first, &shared.read_after(Instant::now())), "processes may have been started since");
    }

    #[test]
    fn a_process_is_found_by_marker_parent_and_session() {
        let (mut child, Identity { pid, .. }) = sleeper("a table");
        // The environment is that of this process until the child has executed its program.
        let table = loop {
            let table = ProcessTable::read();
            if table.marked.contains_key(b"a table".as_slice()) {
                break table;
            }
        };
        assert_eq!(table.marked[b"a table".as_slice()], [pid]);
        assert!(table.children[&std::process::id().cast_signed()].contains(&pid));
        assert!(table.sessions[&table.stats[&pid].session].contains(&pid));
        assert!(!table.stats.contains_key(&std::process::id().cast_signed()), "this process is never signalled");
        child.kill().unwrap();
        child.wait().unwrap();
    }
}
