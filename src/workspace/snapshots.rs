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
use super::slots::{MAX, MAX_PER_USER, Slots};
use super::store::SnapshotStore;

/// Maximum number of files of a store whose size is measured. A store has one for each pack of a snapshot.
const MAX_MEASURED: usize = 100_000;

/// The snapshots of all working directories of a server, with a store for each of them. Clones are handles to the same.
#[derive(Clone, Debug)]
pub struct Snapshots(Option<Arc<Inner>>);

#[derive(Debug)]
struct Inner {
    git: Git,
    /// Contains the stores.
    directory: PathBuf,
    slots: Arc<Semaphore>,
    /// The shares of the users who make snapshots, by name or id. Others are forgotten.
    shares: Mutex<HashMap<String, Weak<Semaphore>>>,
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
            slots: Arc::new(Semaphore::new(MAX)),
            shares: Mutex::default(),
            locks: Mutex::default(),
            tasks: TaskTracker::new(),
        };
        Self(git.map(inner).map(Arc::new))
    }

    /// Whether snapshots are made.
    pub fn are_made(&self) -> bool {
        self.0.is_some()
    }

    /// The store for a working directory, given by its canonical path, as used for a user. `None` if no snapshots are made.
    pub fn of(&self, working_dir: &Path, user: &str) -> Option<SnapshotStore> {
        let inner = self.0.as_deref()?;
        Some(inner.store(inner.directory.join(name_of(working_dir)), user))
    }

    /// All stores, as used for a user. Blocking.
    ///
    /// # Errors
    /// If they cannot be listed.
    pub(super) fn stores(&self, user: &str) -> io::Result<Vec<SnapshotStore>> {
        let Some(inner) = self.0.as_deref() else { return Ok(Vec::new()) };
        let entries = match std::fs::read_dir(&inner.directory) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries?,
        };
        entries.map(|entry| Ok(inner.store(entry?.path(), user))).collect()
    }

    /// Runs a task that nothing waits for at shutdown: what it stores is made again if it is lost. `None` if no snapshots are made.
    pub fn spawn<T: Send + 'static>(&self, task: impl Future<Output = T> + Send + 'static) -> Option<JoinHandle<T>> {
        self.0.as_ref().map(|inner| inner.tasks.spawn(task))
    }

    /// Removes the stores without a snapshot for `age`, and of the others those that were used first until they have at most `max_bytes`
    /// together. Blocking. Returns their number.
    ///
    /// # Errors
    /// If the stores cannot be listed or removed.
    pub fn remove_unused(&self, age: Duration, max_bytes: u64) -> io::Result<usize> {
        let Some(inner) = self.0.as_deref() else { return Ok(0) };
        let entries = match std::fs::read_dir(&inner.directory) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(0),
            entries => entries?,
        };
        let mut stores = Vec::new();
        for entry in entries {
            let path = entry?.path();
            stores.push((SnapshotStore::last_use(&path), size_of(&path), path));
        }
        stores.sort();
        let mut total: u64 = stores.iter().map(|(_used, size, _path)| size).sum();
        let mut removed = 0;
        for (used, size, path) in stores {
            let is_unused = used.is_none_or(|used| used.elapsed().is_ok_and(|unused| unused > age));
            if !is_unused && total <= max_bytes {
                continue;
            }
            // Held until it is removed: no snapshot begins meanwhile.
            let mut locks = inner.locks.lock().unwrap_or_else(PoisonError::into_inner);
            locks.retain(|_directory, lock| lock.strong_count() > 0);
            if !locks.contains_key(&path) {
                std::fs::remove_dir_all(&path)?;
                removed += 1;
                total = total.saturating_sub(size);
            }
        }
        Ok(removed)
    }
}

impl Inner {
    /// The store in a directory, as used for a user.
    fn store(&self, directory: PathBuf, user: &str) -> SnapshotStore {
        let mut locks = self.locks.lock().unwrap_or_else(PoisonError::into_inner);
        locks.retain(|_directory, lock| lock.strong_count() > 0);
        let lock = locks.get(&directory).and_then(Weak::upgrade).unwrap_or_default();
        locks.insert(directory.clone(), Arc::downgrade(&lock));
        SnapshotStore::new(self.git.clone(), directory).with_locks(lock, self.slots_of(user))
    }

    fn slots_of(&self, user: &str) -> Slots {
        let mut shares = self.shares.lock().unwrap_or_else(PoisonError::into_inner);
        shares.retain(|_user, share| share.strong_count() > 0);
        let share = shares.get(user).and_then(Weak::upgrade).unwrap_or_else(|| Arc::new(Semaphore::new(MAX_PER_USER)));
        shares.insert(user.to_owned(), Arc::downgrade(&share));
        Slots::new(share, Arc::clone(&self.slots))
    }
}

/// The space that a store takes, in bytes. What cannot be read does not count.
fn size_of(store: &Path) -> u64 {
    let (mut size, mut seen, mut directories) = (0_u64, 0, vec![store.to_owned()]);
    while let Some(directory) = directories.pop() {
        for entry in std::fs::read_dir(directory).into_iter().flatten().flatten() {
            let Ok(metadata) = entry.metadata() else { continue };
            seen += 1;
            if seen > MAX_MEASURED {
                return size;
            }
            if metadata.is_dir() {
                directories.push(entry.path());
            } else {
                size = size.saturating_add(metadata.len());
            }
        }
    }
    size
}

/// The name of the store for a directory: it is as long for each path, and tells nothing about it.
fn name_of(working_dir: &Path) -> String {
    let digest = Sha256::digest(working_dir.as_os_str().as_bytes());
    digest.iter().take(16).fold(String::new(), |mut name, byte| {
        let _ = write!(name, "{byte:02x}");
        name
    })
}
