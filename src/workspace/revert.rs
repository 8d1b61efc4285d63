//! Reverts a working directory to a snapshot, so that it can be undone.

use std::collections::HashSet;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::PathBuf;
use std::sync::Arc;

use super::file_path::FilePath;
use super::index::Index;
use super::restore::{self, Difference, Untouched, not_recorded};
use super::store::{Snapshot, SnapshotError, SnapshotKind, SnapshotStore, blocking};
use super::tree_id::TreeId;

/// Number of snapshots of a session from before its reverts that are remembered.
const MAX_REMEMBERED: usize = 100;

/// Maximum number of untouched files that are named.
const MAX_NAMED: usize = 100;

/// What a revert has done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reverted {
    /// The snapshot from right before. Reverting to it undoes the revert.
    pub before: TreeId,
    /// The snapshot after it.
    pub after: TreeId,
    /// Number of files that were written or removed.
    pub files: usize,
    /// Some of the files that were left as they are.
    pub untouched: Vec<Untouched>,
    /// Number of those.
    pub untouched_total: usize,
}

impl SnapshotStore {
    /// Restores the files of a working directory below `paths`, or all of them, to their state in a snapshot: content, links, whether they
    /// are executable, and files that were created since are removed. A snapshot is made first. What no snapshot contains, such as ignored
    /// files, is left as it is.
    ///
    /// If this is interrupted, the directory is in between; repeating it completes it.
    ///
    /// # Errors
    /// [`SnapshotError`]; [`SnapshotError::Git`] if the snapshot is not kept. Nothing was changed then, unless the error is one of the
    /// directory, such as a full disk.
    pub async fn revert(&self, working_dir: &OwnedFd, session: &str, to: TreeId, paths: &[FilePath]) -> Result<Reverted, SnapshotError> {
        let _making = self.lock.lock().await;
        let _slot = self.slots.acquire().await;
        let before = self.try_snapshot(working_dir, session, SnapshotKind::Later).await?;
        let repository = self.repository();
        let differences = restore::differences(&self.git, &repository, before.tree, to, paths).await?;
        let sizes = restore::sizes(&self.git, &repository, &differences).await?;
        // Before anything is changed: a killed server leaves the way back.
        self.remember(session, before.tree).await?;
        let (differences, mut untouched) = self.without_unrecorded(session, differences).await?;
        let changed = Arc::new(differences);
        let (root, all) = (working_dir.try_clone()?, Arc::clone(&changed));
        untouched.extend(blocking(move || Ok(restore::remove(root.as_fd(), &all)?)).await?);
        for part in restore::parts(&changed, &sizes) {
            let contents = restore::contents(&self.git, &repository, part, &sizes).await?;
            let (root, part) = (working_dir.try_clone()?, part.to_vec());
            untouched.extend(blocking(move || Ok(restore::place(root.as_fd(), &part, &contents)?)).await?);
        }
        let root = working_dir.try_clone()?;
        blocking(move || Ok(sync(&root)?)).await?;
        let Snapshot { tree: after, .. } = self.try_snapshot(working_dir, session, SnapshotKind::Later).await?;
        let total = untouched.len();
        let files = changed.len().saturating_sub(total);
        untouched.truncate(MAX_NAMED);
        Ok(Reverted { before: before.tree, after, files, untouched, untouched_total: total })
    }

    /// The paths of the files that differ between two snapshots.
    ///
    /// # Errors
    /// [`SnapshotError`].
    pub async fn changed_paths(&self, from: TreeId, to: TreeId) -> Result<Vec<FilePath>, SnapshotError> {
        let _slot = self.slots.acquire().await;
        let differences = restore::differences(&self.git, &self.repository(), from, to, &[]).await?;
        Ok(differences.into_iter().map(|difference| difference.path).collect())
    }

    /// Whether a snapshot was made before a revert of this session. Blocking.
    ///
    /// # Errors
    /// If this cannot be read.
    pub fn remembers(&self, session: &str, tree: TreeId) -> io::Result<bool> {
        Ok(remembered(&self.reverts_path(session))?.contains(&tree.to_string()))
    }

    /// Leaves out files whose present content is not the recorded one, because it is too large or unreadable.
    async fn without_unrecorded(
        &self,
        session: &str,
        differences: Vec<Difference>,
    ) -> Result<(Vec<Difference>, Vec<Untouched>), SnapshotError> {
        let path = self.index_path(session);
        let skipped = blocking(move || Ok(Index::load(&path).map(|index| index.skipped).unwrap_or_default())).await?;
        let skipped: HashSet<Vec<u8>> = skipped.into_iter().map(|(path, _reason)| path).collect();
        let (kept, left): (Vec<_>, Vec<_>) = differences.into_iter().partition(|difference| !skipped.contains(difference.path.bytes()));
        Ok((kept, left.iter().map(|difference| not_recorded(&difference.path)).collect()))
    }

    /// Adds a snapshot to those that a session can be reverted to.
    async fn remember(&self, session: &str, tree: TreeId) -> Result<(), SnapshotError> {
        let path = self.reverts_path(session);
        blocking(move || {
            let mut trees = remembered(&path)?;
            trees.retain(|earlier| *earlier != tree.to_string());
            trees.push(tree.to_string());
            trees.drain(..trees.len().saturating_sub(MAX_REMEMBERED));
            std::fs::create_dir_all(path.parent().unwrap_or(&path))?;
            let new = path.with_extension("new");
            std::fs::write(&new, trees.join("\n"))?;
            Ok(std::fs::rename(&new, &path)?)
        })
        .await
    }

    fn reverts_path(&self, session: &str) -> PathBuf {
        self.directory.join("reverts").join(session)
    }
}

fn remembered(path: &std::path::Path) -> io::Result<Vec<String>> {
    match std::fs::read_to_string(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        text => Ok(text?.lines().map(str::to_owned).collect()),
    }
}

/// Waits until what was written in the directory is on disk.
#[cfg(target_os = "linux")]
fn sync(directory: &OwnedFd) -> io::Result<()> {
    Ok(rustix::fs::syncfs(directory)?)
}

/// There is no call for this; the system writes it soon.
#[cfg(not(target_os = "linux"))]
fn sync(_directory: &OwnedFd) -> io::Result<()> {
    Ok(())
}
