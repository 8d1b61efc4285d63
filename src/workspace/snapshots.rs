//! The snapshots of all working directories of a server.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use sha2::{Digest, Sha256};
use tokio::sync::{Mutex as Lock, Semaphore};
use tokio::task::JoinHandle;
use tokio_util::task::TaskTracker;

use super::git::Git;
use super::store::SnapshotStore;

/// Number of snapshots and differences that are made at a time. Others wait.
const MAX_AT_A_TIME: usize = 4;

/// The snapshots of all working directories of a server, with a store for each of them. Clones are handles to the same.
#[derive(Clone, Debug)]
pub struct Snapshots(Option<Arc<Inner>>);

#[derive(Debug)]
struct Inner {
    git: Git,
    /// Contains the stores.
    directory: PathBuf,
    slots: Arc<Semaphore>,
    /// The locks of the stores in use. Others are forgotten.
    locks: Mutex<HashMap<PathBuf, Weak<Lock<()>>>>,
    tasks: TaskTracker,
}

impl Snapshots {
    /// Snapshots in stores below `directory`; none without git.
    pub fn new(git: Option<Git>, directory: PathBuf) -> Self {
        let inner = |git| Inner {
            git,
            directory,
            slots: Arc::new(Semaphore::new(MAX_AT_A_TIME)),
            locks: Mutex::default(),
            tasks: TaskTracker::new(),
        };
        Self(git.map(inner).map(Arc::new))
    }

    /// Whether snapshots are made.
    pub fn are_made(&self) -> bool {
        self.0.is_some()
    }

    /// The store for a working directory, given by its canonical path. `None` if no snapshots are made.
    pub fn of(&self, working_dir: &Path) -> Option<SnapshotStore> {
        let inner = self.0.as_deref()?;
        let directory = inner.directory.join(name_of(working_dir));
        let mut locks = inner.locks.lock().unwrap_or_else(PoisonError::into_inner);
        locks.retain(|_directory, lock| lock.strong_count() > 0);
        let lock = locks.get(&directory).and_then(Weak::upgrade).unwrap_or_default();
        locks.insert(directory.clone(), Arc::downgrade(&lock));
        Some(SnapshotStore::new(inner.git.clone(), directory).with_locks(lock, Arc::clone(&inner.slots)))
    }

    /// Runs a task that nothing waits for at shutdown: what it stores is made again if it is lost. `None` if no snapshots are made.
    pub fn spawn<T: Send + 'static>(&self, task: impl Future<Output = T> + Send + 'static) -> Option<JoinHandle<T>> {
        self.0.as_ref().map(|inner| inner.tasks.spawn(task))
    }

    /// Removes the stores without a snapshot for `age`. Blocking. Returns their number.
    ///
    /// # Errors
    /// If the stores cannot be listed or removed.
    pub fn remove_unused(&self, age: Duration) -> io::Result<usize> {
        let Some(inner) = self.0.as_deref() else { return Ok(0) };
        let entries = match std::fs::read_dir(&inner.directory) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(0),
            entries => entries?,
        };
        let mut removed = 0;
        for entry in entries {
            let path = entry?.path();
            let is_unused = SnapshotStore::last_use(&path).is_none_or(|used| used.elapsed().is_ok_and(|unused| unused > age));
            if !is_unused {
                continue;
            }
            // Held until it is removed: no snapshot begins meanwhile.
            let mut locks = inner.locks.lock().unwrap_or_else(PoisonError::into_inner);
            locks.retain(|_directory, lock| lock.strong_count() > 0);
            if !locks.contains_key(&path) {
                std::fs::remove_dir_all(&path)?;
                removed += 1;
            }
        }
        Ok(removed)
    }
}

/// The name of the store for a directory: it is as long for each path, and tells nothing about it.
fn name_of(working_dir: &Path) -> String {
    let digest = Sha256::digest(working_dir.as_os_str().as_bytes());
    digest.iter().take(16).fold(String::new(), |mut name, byte| {
        let _ = write!(name, "{byte:02x}");
        name
    })
}
