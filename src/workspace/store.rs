//! Snapshots of one working directory, in a repository of the server's own.

use std::collections::{HashMap, HashSet};
use std::fs::DirBuilder;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::{Mutex, Semaphore};

use super::changes::{self, Changes, FileChange};
use super::file_path::FilePath;
use super::files::{FileError, FileKind, Listing};
use super::git::{Git, GitError};
use super::import::{self, Import, ImportError, Imported};
use super::index::{EntryMode, FileStat, Index};
use super::skip::{SkipReason, Skipped, SkippedPaths};
use super::slots::Slots;
use super::tree::{self, TreeEntry};
use super::tree_id::TreeId;
use super::walk::{self, Current, Limits, WalkError};

/// Number of sessions whose index is kept. Another one begins with the newest.
const MAX_INDEXES: usize = 64;

/// Maximum number of skipped paths that a snapshot names.
const MAX_NAMED: usize = 20;

/// Snapshots of one working directory. Clones are handles to the same store.
///
/// The store is a cache: if it is damaged, it is made again, and snapshots from before are unknown.
#[derive(Clone, Debug)]
pub struct SnapshotStore {
    pub(super) git: Git,
    pub(super) directory: PathBuf,
    limits: Limits,
    /// Held by the one snapshot that is being made.
    pub(super) lock: Arc<Mutex<()>>,
    /// Held by each snapshot and difference while it is made; shared with other stores.
    pub(super) slots: Slots,
}

/// Which snapshot of a session is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SnapshotKind {
    /// That from which changes are counted. It contains all files that are not ignored.
    Start,
    /// A later one. Files that have become ignored or too large since are not deleted ones, so they stay in it.
    Later,
}

/// A snapshot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    /// Its tree.
    pub tree: TreeId,
    /// Number of files in it.
    pub files: usize,
    /// Some of the files and directories that are not in it.
    pub skipped: Vec<Skipped>,
    /// Number of those.
    pub skipped_total: usize,
}

/// A file of a snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StoredFile {
    /// Id of its content: equal contents have equal ids.
    pub blob: TreeId,
    /// Size of its content in bytes.
    pub size: u64,
}

/// Why a snapshot could not be made, or changes not be found.
#[derive(Debug, thiserror::Error)]
pub enum SnapshotError {
    /// The directory has too many files and directories.
    #[error("the working directory has more than {0} files and directories; exclude some of them in .gitignore")]
    TooManyFiles(usize),
    /// The files are too large together.
    #[error("the files of the working directory are too large: more than {} MiB; exclude some of them in .gitignore", import::MAX_BYTES / 1024 / 1024)]
    TooLarge,
    /// The difference is longer than permitted.
    #[error("the changes are too large: their text is longer than {0} bytes")]
    ChangesTooLarge(u64),
    /// Git failed.
    #[error(transparent)]
    Git(GitError),
    /// The directory, or the store, cannot be read or written.
    #[error("the working directory or the data directory cannot be used: {0}")]
    Io(#[from] io::Error),
}

impl From<GitError> for SnapshotError {
    fn from(error: GitError) -> Self {
        if let GitError::TooLong(max) = error { Self::ChangesTooLarge(max) } else { Self::Git(error) }
    }
}

/// What is to be done for a snapshot.
struct Plan {
    index: Index,
    import: Import,
    skipped: SkippedPaths,
    /// State of a file made when the directory was looked at.
    began: FileStat,
}

impl SnapshotStore {
    /// The store in `directory`, which is created with the first snapshot.
    pub fn new(git: Git, directory: PathBuf) -> Self {
        Self {
            git,
            directory,
            limits: Limits::default(),
            lock: Arc::default(),
            slots: Slots::new(Arc::new(Semaphore::new(1)), Arc::new(Semaphore::new(1))),
        }
    }

    /// Shares its lock with other handles to the same store, and the slots with other stores.
    #[must_use]
    pub(super) fn with_locks(self, lock: Arc<Mutex<()>>, slots: Slots) -> Self {
        Self { lock, slots, ..self }
    }

    /// The git program.
    pub(super) fn git(&self) -> &Git {
        &self.git
    }

    /// What snapshots do not contain.
    pub(super) fn limits(&self) -> Limits {
        self.limits
    }

    /// When the last snapshot in a store was made; `None` if it has none.
    pub(super) fn last_use(directory: &Path) -> Option<std::time::SystemTime> {
        directory.join("clock").metadata().ok()?.modified().ok()
    }

    /// Replaces the limits.
    #[cfg(test)]
    pub(super) fn with_limits(self, limits: Limits) -> Self {
        Self { limits, ..self }
    }

    /// Makes a snapshot of the working directory for a session, whose name is a file name. Only files that have changed since its last
    /// snapshot are read. Dropping the future leaves the last snapshot.
    ///
    /// # Errors
    /// [`SnapshotError`].
    pub async fn snapshot(&self, working_dir: &OwnedFd, session: &str, kind: SnapshotKind) -> Result<Snapshot, SnapshotError> {
        let _making = self.lock.lock().await;
        let _slot = self.slots.acquire().await;
        match self.try_snapshot(working_dir, session, kind).await {
            // Such as objects that were lost with the machine's power.
            Err(SnapshotError::Git(GitError::Failed(error))) => {
                tracing::warn!(store = %self.directory.display(), error, "a store of snapshots is damaged; making it again");
                let directory = self.directory.clone();
                blocking(move || Ok(std::fs::remove_dir_all(directory)?)).await?;
                self.try_snapshot(working_dir, session, kind).await
            }
            made => made,
        }
    }

    pub(super) async fn try_snapshot(&self, working_dir: &OwnedFd, session: &str, kind: SnapshotKind) -> Result<Snapshot, SnapshotError> {
        let path = self.index_path(session);
        let root = working_dir.try_clone()?;
        let cancelled = CancelOnDrop::default();
        let plan = {
            let (store, path, cancelled) = (self.clone(), path.clone(), Arc::clone(&cancelled.0));
            blocking(move || store.plan(root.as_fd(), &path, kind, &cancelled)).await?
        };
        let Plan { mut index, import, mut skipped, began } = plan;
        let is_same = import.deleted.is_empty() && import.changed.is_empty();
        if !is_same {
            for path in &import.deleted {
                index.files.remove(path);
            }
            let root = working_dir.try_clone()?;
            let imported = import::run(&self.git, &self.repository(), root, import, self.limits).await;
            let (tree, Imported { files, gone, skipped: unread }) = imported.map_err(|error| match error {
                ImportError::Git(error) => SnapshotError::from(error),
                ImportError::TooLarge => SnapshotError::TooLarge,
                ImportError::Died => io::Error::other(error.to_string()).into(),
            })?;
            index.tree = tree;
            for path in gone {
                index.files.remove(&path);
            }
            for (path, mut entry) in files {
                entry.stat = entry.stat.unless_recent(began);
                index.files.insert(path, entry);
            }
            skipped.append(unread);
        }
        index.skipped.clone_from(&skipped.first);
        let snapshot = Snapshot {
            tree: index.tree,
            files: index.files.len(),
            skipped: skipped.first.iter().take(MAX_NAMED).map(named).collect(),
            skipped_total: skipped.total,
        };
        blocking(move || Ok(index.save(&path)?)).await?;
        Ok(snapshot)
    }

    /// The files that differ between two snapshots.
    ///
    /// # Errors
    /// [`SnapshotError`]; [`SnapshotError::ChangesTooLarge`] if there are too many.
    pub async fn changes(&self, from: TreeId, to: TreeId) -> Result<Changes, SnapshotError> {
        let _slot = self.slots.acquire().await;
        Ok(changes::list(&self.git, &self.repository(), from, to).await?)
    }

    /// The patch from one snapshot to another, in the format of git, or the part of it that concerns one file.
    ///
    /// # Errors
    /// [`SnapshotError`]; [`SnapshotError::ChangesTooLarge`] if it is too large.
    pub async fn patch(&self, from: TreeId, to: TreeId, file: Option<&FileChange>) -> Result<Vec<u8>, SnapshotError> {
        let _slot = self.slots.acquire().await;
        Ok(changes::patch(&self.git, &self.repository(), from, to, file).await?)
    }

    /// Lists at most `limit` entries of a directory of a snapshot, after the name `after`. `None` stands for the whole snapshot. An empty page
    /// if it has no such directory: snapshots contain no empty ones.
    ///
    /// # Errors
    /// [`SnapshotError`].
    pub async fn list(&self, tree: TreeId, path: Option<&FilePath>, after: Option<&[u8]>, limit: usize) -> Result<Listing, SnapshotError> {
        let _slot = self.slots.acquire().await;
        Ok(tree::list(&self.git, &self.repository(), tree, path, after, limit).await?)
    }

    /// Finds a file of a snapshot.
    ///
    /// # Errors
    /// [`SnapshotError`]; within it a [`FileError`] if there is none, or something else.
    pub async fn find(&self, tree: TreeId, path: &FilePath) -> Result<Result<StoredFile, FileError>, SnapshotError> {
        let _slot = self.slots.acquire().await;
        Ok(match tree::find(&self.git, &self.repository(), tree, path).await? {
            None => Err(FileError::NotFound),
            Some(TreeEntry::Directory) => Err(FileError::Kind(FileKind::Directory)),
            Some(TreeEntry::File { mode: EntryMode::Link, .. }) => Err(FileError::Kind(FileKind::Link)),
            Some(TreeEntry::File { blob, size, .. }) => Ok(StoredFile { blob, size }),
        })
    }

    /// Reads a file of a snapshot. It is at most as large as files in snapshots are.
    ///
    /// # Errors
    /// [`SnapshotError`].
    pub async fn read(&self, file: StoredFile) -> Result<Vec<u8>, SnapshotError> {
        let _slot = self.slots.acquire().await;
        Ok(tree::read(&self.git, &self.repository(), file.blob, file.size).await?)
    }

    /// The repository, which exists once there is a snapshot.
    pub(super) fn repository(&self) -> PathBuf {
        self.directory.join("repository")
    }

    pub(super) fn index_path(&self, session: &str) -> PathBuf {
        self.directory.join("indexes").join(session)
    }

    /// Finds what has changed. Blocking.
    fn plan(&self, root: BorrowedFd<'_>, index: &Path, kind: SnapshotKind, cancelled: &AtomicBool) -> Result<Plan, SnapshotError> {
        self.create()?;
        let began = self.clock()?;
        let own = Index::load(index);
        // What a session has skipped, and what it knows, is its own.
        let (kind, index) = match own {
            Some(index) => (kind, index),
            None => (SnapshotKind::Start, self.newest_index()?.unwrap_or_default()),
        };
        // What was skipped at the start did not appear since.
        let excluded = if kind == SnapshotKind::Later { &index.skipped[..] } else { &[] };
        let excluded: HashMap<&[u8], SkipReason> = excluded.iter().map(|(path, reason)| (path.as_slice(), *reason)).collect();
        let walked = walk::walk(root, &excluded, self.limits, cancelled).map_err(|error| match error {
            WalkError::TooManyFiles(max) => SnapshotError::TooManyFiles(max),
            WalkError::Cancelled => io::Error::from(io::ErrorKind::Interrupted).into(),
            WalkError::Io(error) => error.into(),
        })?;
        let mut skipped = walked.skipped;
        for (path, reason) in &excluded {
            if !index.files.contains_key(*path) {
                skipped.add(path.to_vec(), *reason);
            }
        }
        let (mut changed, mut deleted) = (Vec::new(), Vec::new());
        let mut missing: HashSet<&[u8]> = index.files.keys().map(Vec::as_slice).collect();
        for found in walked.files {
            missing.remove(found.path.as_slice());
            let known = index.files.get(&found.path);
            if known.is_none_or(|known| known.mode != found.mode || known.stat != found.stat) {
                changed.push(found);
            }
        }
        for path in missing {
            match if kind == SnapshotKind::Later { walk::look_up(root, path, self.limits) } else { Current::Gone } {
                Current::Gone => deleted.push(path.to_vec()),
                Current::File(mode, stat) => {
                    if index.files.get(path).is_none_or(|known| known.mode != mode || known.stat != stat) {
                        changed.push(walk::Found { path: path.to_vec(), mode, stat });
                    }
                }
                Current::Skipped(reason) if !skipped.contains(path) => skipped.add(path.to_vec(), reason),
                Current::Skipped(_) => {}
            }
        }
        Ok(Plan { import: Import { base: index.tree, deleted, changed }, index, skipped, began })
    }

    /// Creates the repository: an empty one, without a working directory, hooks or templates.
    fn create(&self) -> io::Result<()> {
        let mut builder = DirBuilder::new();
        builder.recursive(true).mode(0o700);
        builder.create(self.directory.join("indexes"))?;
        let repository = self.repository();
        if repository.join("HEAD").exists() {
            return Ok(());
        }
        for directory in ["objects", "refs"] {
            builder.create(repository.join(directory))?;
        }
        std::fs::write(repository.join("config"), "[core]\n\trepositoryformatversion = 0\n\tbare = true\n")?;
        // Last: it makes the repository one.
        std::fs::write(repository.join("HEAD"), "ref: refs/heads/none\n")
    }

    /// The time by the clock with which the system marks changes of files.
    fn clock(&self) -> io::Result<FileStat> {
        let path = self.directory.join("clock");
        std::fs::write(&path, "x")?;
        Ok(FileStat::from(&rustix::fs::lstat(&path)?))
    }

    /// The newest index of any session. Removes the oldest ones if there are too many.
    fn newest_index(&self) -> io::Result<Option<Index>> {
        let mut indexes = Vec::new();
        for entry in std::fs::read_dir(self.directory.join("indexes"))? {
            let entry = entry?;
            indexes.push((entry.metadata()?.modified()?, entry.path()));
        }
        indexes.sort();
        // Room for one more.
        for (_, path) in indexes.drain(..(indexes.len() + 1).saturating_sub(MAX_INDEXES)) {
            std::fs::remove_file(path)?;
        }
        Ok(indexes.into_iter().rev().find_map(|(_, path)| Index::load(&path)))
    }
}

fn named((path, reason): &(Vec<u8>, SkipReason)) -> Skipped {
    Skipped { path: String::from_utf8_lossy(path).into_owned(), reason: *reason }
}

/// Tells a blocking task that no task waits for its result any more.
#[derive(Default)]
struct CancelOnDrop(Arc<AtomicBool>);

impl Drop for CancelOnDrop {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Runs a blocking function on a thread for those.
pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, SnapshotError> + Send + 'static,
) -> Result<T, SnapshotError> {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|died| Err(io::Error::other(died).into()))
}
