//! All worktrees of a server: creates, commits, removes and repairs them.

use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use tokio::sync::Mutex as Lock;
use tokio_util::task::TaskTracker;

use super::commit::{self, CommitMessage, Committed, Work, WorktreeState};
use super::create;
use super::error::WorktreeError;
use super::record::{Record, Records};
use super::ref_name::CommitId;
use super::repository::{Repository, RepositoryError};
use crate::process::{Borrowed, WorkingDir};
use crate::workspace::git::Git;
use crate::workspace::snapshots::Snapshots;
use crate::workspace::store::SnapshotStore;

/// All worktrees of a server. Clones are handles to the same.
#[derive(Clone, Debug)]
pub struct Worktrees {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    git: Option<Git>,
    snapshots: Snapshots,
    records: Records,
    /// Held while a record gets its ports.
    ports: Lock<()>,
    /// The locks of the worktrees in use, by name. Others are forgotten.
    locks: Mutex<HashMap<String, Weak<Lock<()>>>>,
    tasks: TaskTracker,
}

/// What a worktree is made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WorktreeSource {
    /// The repository: the directory of its branches and objects, canonical. It must not lead elsewhere.
    pub repository: PathBuf,
    /// Full name of its branch there.
    pub branch: String,
    /// The commit that it begins with, or a tag of one. If the branch exists, it begins with that.
    pub base: CommitId,
}

/// A worktree that an agent can work in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReadyWorktree {
    /// The directory of objects outside of the worktree that git must be able to read in it.
    pub objects: Borrowed,
    /// The first of its ten ports.
    pub port_base: u16,
}

impl Worktrees {
    /// Worktrees whose records are in `directory`; none without git.
    pub fn new(git: Option<Git>, snapshots: Snapshots, directory: PathBuf) -> Self {
        let (ports, locks) = (Lock::default(), Mutex::default());
        Self { inner: Arc::new(Inner { git, snapshots, records: Records::new(directory), ports, locks, tasks: TaskTracker::new() }) }
    }

    /// Whether worktrees can be made.
    pub fn are_made(&self) -> bool {
        self.inner.git.is_some()
    }

    /// Whether there is a worktree with this name. Blocking.
    pub fn exists(&self, name: &str) -> bool {
        !matches!(self.inner.records.find(name), Ok(None))
    }

    /// Makes the worktree with this name in an empty directory, given by its canonical path, unless it exists. If it cannot be made,
    /// nothing is left of it. Dropping the future does not end the work.
    ///
    /// # Errors
    /// [`WorktreeError`], by cause.
    pub async fn ensure(&self, name: String, directory: PathBuf, source: WorktreeSource) -> Result<ReadyWorktree, WorktreeError> {
        let this = self.clone();
        let making = self.inner.tasks.spawn(async move {
            let lock = this.lock(&name);
            let _making = lock.lock().await;
            let path = source.repository.clone();
            let (repository, objects) = blocking(move || {
                let repository = reopen(&path)?;
                let objects = repository.borrowed_objects()?;
                Ok((repository, objects))
            })
            .await?;
            match this.find(&name).await? {
                Some(record) if record.is_ready => return Ok(ReadyWorktree { objects, port_base: record.port_base() }),
                // No agent has worked in it.
                Some(_incomplete) => {}
                None => {
                    let directory = directory.clone();
                    blocking(move || if is_empty(&directory)? { Ok(()) } else { Err(WorktreeError::NotEmpty) }).await?;
                }
            }
            let git = this.inner.git.as_ref().ok_or(WorktreeError::Unavailable)?;
            let made = this.make(git, &name, &directory, source, &repository).await;
            if made.is_err() {
                let (records, name) = (this.inner.records.clone(), name.clone());
                blocking(move || Ok(create::empty(&directory).and(records.remove(&name))?)).await?;
            }
            Ok(ReadyWorktree { objects, port_base: made?.port_base() })
        });
        making.await.unwrap_or_else(|died| Err(io::Error::other(died).into()))
    }

    /// The worktree with this name, if it is complete.
    ///
    /// # Errors
    /// [`WorktreeError`], by cause.
    pub async fn ready(&self, name: &str) -> Result<Option<ReadyWorktree>, WorktreeError> {
        let lock = self.lock(name);
        let _using = lock.lock().await;
        let Some(record) = self.find(name).await?.filter(|record| record.is_ready) else { return Ok(None) };
        let port_base = record.port_base();
        let objects = blocking(move || Ok(reopen(&record.repository)?.borrowed_objects()?)).await?;
        Ok(Some(ReadyWorktree { objects, port_base }))
    }

    /// The repositories of all worktrees. Blocking.
    ///
    /// # Errors
    /// If a record cannot be read.
    pub fn repositories(&self) -> io::Result<Vec<PathBuf>> {
        let records = &self.inner.records;
        let found = records.names()?.into_iter().map(|name| records.find(&name));
        Ok(found.collect::<io::Result<Vec<_>>>()?.into_iter().flatten().map(|record| record.repository).collect())
    }

    async fn make(
        &self,
        git: &Git,
        name: &str,
        directory: &Path,
        source: WorktreeSource,
        repository: &Repository,
    ) -> Result<Record, WorktreeError> {
        let WorktreeSource { repository: _, branch, base } = source;
        let existing = repository.branch(&branch)?;
        let path = repository.path().to_owned();
        let mut record = Record { repository: path, branch, base, port_block: 0, is_ready: false };
        {
            let _one_at_a_time = self.inner.ports.lock().await;
            let records = self.inner.records.clone();
            record.port_block = blocking(move || records.free_ports()?.ok_or(WorktreeError::TooMany)).await?;
            // Before anything is created: a server that finds an incomplete worktree removes it.
            self.write(name, &record).await?;
        }
        let emptied = directory.to_owned();
        blocking(move || Ok(create::empty(&emptied)?)).await?;
        let commit = create::create(git, repository, &record.branch, existing.unwrap_or(base), directory).await?;
        if existing.is_none() {
            record.base = commit;
            // It also keeps the commit from being removed as unused.
            repository.set_branch(&record.branch, record.base, None)?;
        }
        record.is_ready = true;
        self.write(name, &record).await.inspect_err(|_| {
            if existing.is_none() {
                let _ = repository.remove_branch(&record.branch, record.base);
            }
        })?;
        Ok(record)
    }

    /// Compares the files of a worktree with its branch, in the user's turn. No agent may be working in it.
    ///
    /// # Errors
    /// [`WorktreeError`], by cause.
    pub async fn state(&self, name: &str, directory: &Path, user: &str) -> Result<WorktreeState, WorktreeError> {
        let lock = self.lock(name);
        let _using = lock.lock().await;
        let (work, ..) = self.look(name, directory, user).await?;
        let has_changes = work.has_changes();
        Ok(WorktreeState { tip: work.tip, has_changes, skipped: work.skipped, skipped_total: work.skipped_total })
    }

    /// Commits the files of a worktree on its branch in the user's repository, in the user's turn. No agent may be working in it. Dropping the future may leave
    /// objects in the repository that nothing uses.
    ///
    /// # Errors
    /// [`WorktreeError`], by cause; [`RepositoryError::RefChanged`] if the branch is being changed by another program.
    pub async fn commit(&self, name: &str, directory: &Path, user: &str, message: &CommitMessage) -> Result<Committed, WorktreeError> {
        let lock = self.lock(name);
        let _using = lock.lock().await;
        let (work, repository, store, record) = self.look(name, directory, user).await?;
        let is_new = work.has_changes();
        let mut commit = work.tip;
        if is_new {
            commit = commit::commit(&store, &repository, &work, message).await?;
            let expected = repository.branch(&record.branch)?;
            if expected.is_some_and(|now| now != work.tip) {
                return Err(RepositoryError::RefChanged(record.branch).into());
            }
            blocking(move || Ok(repository.set_branch(&record.branch, commit, expected)?)).await?;
        }
        Ok(Committed { commit, is_new, skipped: work.skipped, skipped_total: work.skipped_total })
    }

    async fn look(&self, name: &str, directory: &Path, user: &str) -> Result<(Work, Repository, SnapshotStore, Record), WorktreeError> {
        let record = self.find(name).await?.filter(|record| record.is_ready).ok_or(WorktreeError::NotFound)?;
        let store = self.inner.snapshots.of(directory, user).ok_or(WorktreeError::Unavailable)?;
        let (path, directory) = (record.repository.clone(), directory.to_owned());
        let (branch, base) = (record.branch.clone(), record.base);
        let (repository, root, tip) = blocking(move || {
            let repository = reopen(&path)?;
            let tip = repository.branch(&branch)?.unwrap_or(base);
            Ok((repository, WorkingDir::open(&directory)?, tip))
        })
        .await?;
        let work = commit::look(&store, &repository, root.handle(), name, tip).await?;
        Ok((work, repository, store, record))
    }

    /// Forgets a worktree, and removes its branch if nothing was committed on it. The directory is the caller's to remove, before or after.
    ///
    /// # Errors
    /// If the record cannot be removed.
    pub async fn forget(&self, name: &str) -> io::Result<()> {
        let lock = self.lock(name);
        let _using = lock.lock().await;
        let (records, name) = (self.inner.records.clone(), name.to_owned());
        let forgetting = tokio::task::spawn_blocking(move || {
            match records.find(&name) {
                Ok(None) => return Ok(()),
                Ok(Some(record)) => remove_branch(&record),
                // It is damaged, and says nothing.
                Err(error) => tracing::warn!(worktree = name, %error, "could not read the record of a worktree"),
            }
            records.remove(&name)
        });
        forgetting.await.unwrap_or_else(|died| Err(io::Error::other(died)))
    }

    /// Removes what an earlier server left of worktrees that it had not completed, or whose sessions `exists` does not know. `directory_of`
    /// is the directory of a worktree. Blocking, and to be called before other operations.
    ///
    /// # Errors
    /// If the records cannot be listed.
    pub fn repair(&self, exists: impl Fn(&str) -> bool, directory_of: impl Fn(&str) -> PathBuf) -> io::Result<()> {
        let records = &self.inner.records;
        for name in records.names()? {
            let repaired = match records.find(&name) {
                Ok(Some(record)) if !record.is_ready => {
                    remove_branch(&record);
                    create::empty(&directory_of(&name)).and_then(|()| records.remove(&name))
                }
                Ok(Some(record)) if !exists(&name) && !directory_of(&name).exists() => {
                    remove_branch(&record);
                    records.remove(&name)
                }
                Ok(_) => Ok(()),
                Err(error) => Err(error),
            };
            match repaired {
                Ok(()) => {}
                Err(error) => tracing::warn!(worktree = name, %error, "could not repair a worktree"),
            }
        }
        Ok(())
    }

    async fn find(&self, name: &str) -> Result<Option<Record>, WorktreeError> {
        let (records, name) = (self.inner.records.clone(), name.to_owned());
        blocking(move || Ok(records.find(&name)?)).await
    }

    async fn write(&self, name: &str, record: &Record) -> Result<(), WorktreeError> {
        let (records, name, record) = (self.inner.records.clone(), name.to_owned(), record.clone());
        blocking(move || Ok(records.write(&name, &record)?)).await
    }

    fn lock(&self, name: &str) -> Arc<Lock<()>> {
        let mut locks = self.inner.locks.lock().unwrap_or_else(PoisonError::into_inner);
        locks.retain(|_name, lock| lock.strong_count() > 0);
        let lock = locks.get(name).and_then(Weak::upgrade).unwrap_or_default();
        locks.insert(name.to_owned(), Arc::downgrade(&lock));
        lock
    }
}

fn is_empty(directory: &Path) -> io::Result<bool> {
    Ok(std::fs::read_dir(directory)?.next().is_none())
}

/// Removes the branch of a worktree from the user's repository if nothing was committed on it. Best effort: the repository may be gone.
fn remove_branch(record: &Record) {
    let removed = reopen(&record.repository).and_then(|repository| repository.remove_branch(&record.branch, record.base));
    if let Err(error) = removed {
        tracing::info!(branch = record.branch, %error, "left the branch of a worktree in its repository");
    }
}

/// Opens a repository by the path of its common directory, which was permitted when the worktree was made. It must not lead elsewhere now.
fn reopen(path: &Path) -> Result<Repository, RepositoryError> {
    Repository::open(path, |_| false)
}

/// Runs a blocking function on a thread for those.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T, WorktreeError> + Send + 'static) -> Result<T, WorktreeError> {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|died| Err(io::Error::other(died).into()))
}
